"""`--previous-keys`: what departments' commands say of linkage keys that are kept, and what they refuse."""

from __future__ import annotations

import json
import stat
from collections.abc import Mapping
from pathlib import Path

import pytest

from tests.support.commands import done, refused
from tests.support.people import read_rows, write_rows
from tests.support.project import Project

KEEP = ("release", "keep_linkage_keys")
HEADER = ("record_id", "linkage_key")


def second_version(project: Project, name: str = "second.toml", *, keep: bool = True) -> Path:
    chain = {("project", "version"): 2, ("project", "previous_sha256"): project.agreement.sha256}
    return project.amended(name, {**chain, **({KEEP: True} if keep else {})})


def encode(project: Project, agreement: Path, *words: str | Path) -> tuple[str | Path, ...]:
    return (
        *("pprl", "encode", project.data("prison"), "-a", agreement, "-k", project.key("prison-dept")),
        *("-o", project.folder / "second.submission", *words),
    )


def last_year(project: Project, keys: Mapping[str, str] | None = None) -> Path:
    """A table of last year's keys: of all prisoners but three, and of four who are gone."""
    ids = [row["prisoner_no"] for row in read_rows(project.data("prison"))]
    made = {record: f"{place:032x}" for place, record in enumerate([*ids[3:], "G-1", "G-2", "G-3", "G-4"])}
    return write_rows(project.folder / "last-year.csv", HEADER, (keys or made).items())


def test_encode_counts_what_is_offered_new_and_withdrawn(project: Project) -> None:
    agreement, keys = second_version(project), last_year(project)
    text = done(*encode(project, agreement, "--previous-keys", keys)).stdout
    assert "42 records offer the linkage key that they had; 3 had none; 4 record ids of last time" in text
    told = done(*encode(project, agreement, "--previous-keys", keys, "--force", "--json")).stdout
    assert json.loads(told)["previous_keys"] == {"offered": 42, "new": 3, "withdrawn": 4}


def test_to_have_no_earlier_keys_must_be_said(project: Project) -> None:
    agreement, keys = second_version(project), last_year(project)
    refused(*encode(project, agreement), status=2, says="you name none of last time's", within=project.folder)
    refused(
        *encode(project, agreement, "--all-new", "--previous-keys", keys),
        status=2, says="contradict", within=project.folder,
    )  # fmt: skip
    assert "previous_keys" not in json.loads(done(*encode(project, agreement, "--all-new", "--json")).stdout)


def test_the_first_version_and_agreements_that_keep_none_ask_for_nothing(project: Project) -> None:
    keys = last_year(project)
    first = project.amended("first.toml", {KEEP: True})
    _refuses_previous_keys(project, first, keys, says="first version")
    _refuses_previous_keys(project, second_version(project, keep=False), keys, says="keeps no linkage keys")


def _refuses_previous_keys(project: Project, agreement: Path, keys: Path, *, says: str) -> None:
    words = encode(project, agreement, "--previous-keys", keys)
    refused(*words, status=3, says=says, within=project.folder)
    done(*encode(project, agreement, "--force"))


@pytest.mark.parametrize(
    ("rows", "says"),
    [
        ([("P-1", "0" * 31)], "not a linkage key"),
        ([("P-1", "0" * 32), ("P-1", "1" * 32)], "there twice"),
        ([("P-1", "A" * 32)], "not a linkage key"),
    ],
)
def test_a_damaged_table_of_keys_is_refused(project: Project, rows: list[tuple[str, str]], says: str) -> None:
    keys = write_rows(project.folder / "last-year.csv", HEADER, rows)
    agreement = second_version(project)
    refused(*encode(project, agreement, "--previous-keys", keys), status=4, says=says, within=project.folder)


def test_what_is_read_is_never_written_over(project: Project) -> None:
    agreement, keys = second_version(project), last_year(project)
    words = [*encode(project, agreement, "--previous-keys", keys, "--force")]
    words[words.index("-o") + 1] = keys
    refused(*words, status=2, says="this command reads it", within=project.folder)


def open_keys(project: Project, results: Path, *words: str | Path) -> tuple[str | Path, ...]:
    return (
        *("pprl", "keys", "open", results / "prison.linkage-keys", "-a", project.agreement_path),
        *("-k", project.key("prison-dept"), "--map", project.home_map("prison")),
        *("-o", project.folder / "keys.csv", *words),
    )


def test_opened_keys_are_held_against_last_years(project: Project, made_results: Path) -> None:
    done(*open_keys(project, made_results))
    keys = {row["record_id"]: row["linkage_key"] for row in read_rows(project.folder / "keys.csv")}
    one, other, *_ = sorted(keys)
    before = {**keys, one: "0" * 32, "GONE-1": "1" * 32}
    del before[other]
    last, changed = last_year(project, before), project.folder / "changed.csv"
    words = ("--previous-keys", last, "--changed", changed, "--force")
    told = done(*open_keys(project, made_results, *words, "--json"))
    assert json.loads(told.stdout) == {"records": 45, "kept": 43, "changed": 1, "new": 1, "withdrawn": 1}
    assert read_rows(changed) == [
        {"record_id": one, "previous_linkage_key": "0" * 32, "linkage_key": keys[one]}
    ]
    assert stat.S_IMODE(changed.stat().st_mode) == 0o600
    told = done(*open_keys(project, made_results, *words))
    assert (
        "43 records kept the key of last time, 1 got another one, 1 are new, and 1 were withdrawn"
        in told.stdout
    )
    assert one not in told.output, "which ones they are stands in the table alone"


def test_a_table_of_changes_needs_last_years_keys(project: Project, made_results: Path) -> None:
    words = open_keys(project, made_results, "--changed", project.folder / "changed.csv")
    refused(*words, status=2, says="--changed needs --previous-keys", within=project.folder)
    assert json.loads(done(*open_keys(project, made_results, "--json")).stdout) == {"records": 45}
