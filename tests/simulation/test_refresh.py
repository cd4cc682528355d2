"""Two years of a project that keeps linkage keys: what records keep, what is reported, and what is refused.

The second version adds, corrects and withdraws records. Everything goes through the department's and the
coordinator's steps, in process.
"""

from __future__ import annotations

import re
import shutil
import sqlite3
import stat
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from coordinator import intake, operations
from coordinator.operations import Coordinator
from coordinator.project_keys import project_key_file
from coordinator.report import words
from coordinator.report.page import page
from coordinator.store.stages import Role
from pprl import department
from pprl.errors import ConfigError, ProtocolError, VerificationError
from pprl.protocol.agreement import AgreementFile, parse
from tests.support.keys import asked
from tests.support.people import Table, tables, write_table
from tests.support.project import DATASETS, ISSUER, MATCHER, RESEARCH, Project, Values, silent

Keys = dict[str, dict[str, str]]
KEEP: Values = {("release", "keep_linkage_keys"): True, ("release", "small_number_limit"): 1}

KEEP_NONE: Values = {**KEEP, ("release", "keep_linkage_keys"): False}

PEOPLE = {
    "steady": ("Aurelio", "Quillfeather", "14/02/1961", "M", "ZE1 1AA"),
    "split": ("Bathsheba", "Ravenscroft", "03/09/1972", "F", "KW2 2BB"),
    "moved out": ("Caradoc", "Sallowfield", "21/05/1983", "M", "HS3 3DD"),
    "merged": ("Dorothea", "Tanglewood", "30/11/1968", "F", "IV4 4EE"),
    "mistaken": ("Ezekiel", "Underhillock", "08/07/1990", "M", "PH5 5FF"),
    "gone": ("Fenella", "Vexington", "17/03/1957", "F", "DD6 6GG"),
    "newcomer": ("Gwilym", "Wyvernley", "26/10/1979", "M", "KY7 7HH"),
}
FIRST_YEAR = {
    "STEADY-1": "steady", "STEADY-2": "steady",
    "SPLIT-1": "split", "SPLIT-2": "split", "SPLIT-3": "split",
    "MERGED-1": "merged", "MERGED-2": "merged", "MERGED-3": "mistaken",
    "GONE-1": "gone", "GONE-2": "gone",
}  # fmt: skip
SECOND_YEAR = {
    **{record: person for record, person in FIRST_YEAR.items() if person != "gone"},
    "STEADY-3": "steady", "SPLIT-3": "moved out", "MERGED-3": "merged", "NEW-1": "newcomer",
}  # fmt: skip


def police(records: Mapping[str, str]) -> Table:
    """The police's table of the small project, and these records of people of this test."""
    table = tables()["police"]
    for record, person in records.items():
        for column, value in zip(table, (record, *PEOPLE[person], person), strict=True):
            table[column].append(value)
    return table


def write_year(project: Project, year: int) -> None:
    """The tables of a year. In the second, court corrects a surname, withdraws three cases and adds one."""
    write_table(project.data("police"), police(FIRST_YEAR if year == 1 else SECOND_YEAR))
    court = tables()["court"]
    if year == 2:
        court["last_name"][0] = "Corrected-Double-Barrel"
        for values in court.values():
            del values[5:8]
        for values, value in zip(
            court.values(),
            ("CASE-NEW", "Ignatius", "Ullathorne", "1966-04-02", "M", "TD9 9JJ", "x"),
            strict=True,
        ):
            values.append(value)
    write_table(project.data("court"), court)


@dataclass(frozen=True, slots=True)
class Year:
    """What a version's run came to.

    Attributes:
        agreement: the version.
        keys: linkage key of each record id, for each dataset.
        crosswalk: its rows without the header: person, then a key a dataset.
        carried: counts that each department was told when it encoded.
        report: the key issuer's.
        store: the key issuer's.
    """

    agreement: AgreementFile
    keys: Keys
    crosswalk: list[list[str]]
    carried: dict[str, department.Carried | None]
    report: dict[str, Any]
    store: Coordinator


def next_version(project: Project, earlier: AgreementFile, values: Values) -> Path:
    """The agreement's next version."""
    version = earlier.content.project.version + 1
    chain = {("project", "version"): version, ("project", "previous_sha256"): earlier.sha256}
    return project.amended(
        f"version-{version}-of-{earlier.sha256[:8]}-{len(values)}.toml", {**chain, **values}
    )


def stores(project: Project, agreement: Path) -> dict[Role, Coordinator]:
    """Both roles' stores, made if need be, with an agreement registered."""
    opened = {}
    for role, party in ((Role.MATCHER, MATCHER), (Role.KEY_ISSUER, ISSUER)):
        if not project.store(role).exists():
            operations.initialise(
                project.store(role), key_file=project.key(party), passphrase=asked, roles=(role,)
            )
        opened[role] = operations.open_store(project.store(role), asked)
        project.register(opened[role], agreement)
    return opened


def run_year(project: Project, path: Path, previous: Mapping[str, Mapping[str, str] | None]) -> Year:
    """A version, from its tables to opened results."""
    agreement = parse(path.read_bytes(), where="agreement")
    project.adopt(path)
    open_stores = stores(project, path)
    carried = {}
    for name in DATASETS:
        made = project.submit(name, agreement_path=path, previous=previous.get(name))
        carried[name] = made.carried
        for me in open_stores.values():
            operations.receive(me, made.file)
    issuer = open_stores[Role.KEY_ISSUER]
    _, pairs = operations.match(open_stores[Role.MATCHER], agreement.sha256, progress=silent)
    operations.receive(issuer, pairs)
    operations.issue(issuer, agreement.sha256, progress=silent)
    project.witness(issuer, memories=issuer.folder, agreement_sha256=agreement.sha256)
    results = operations.release(issuer, agreement.sha256)
    _, *rows = department.crosswalk_rows(
        department.open_crosswalk(
            results["crosswalk"], results["crosswalk.receipt"], project.signatory(RESEARCH)
        )
    )
    return Year(
        agreement,
        {name: open_keys(project, name, results) for name in DATASETS},
        rows,
        carried,
        operations.report(issuer, agreement.sha256),
        issuer,
    )


def open_keys(project: Project, name: str, results: Mapping[str, bytes]) -> dict[str, str]:
    me = project.signatory(f"{name}-dept")
    result = f"{name}.linkage-keys"
    opened = department.open_linkage_keys(results[result], results[f"{result}.receipt"], me)
    return dict(department.join_home_map(opened, project.home_map(name).read_bytes()))


def all_keys(year: Year) -> set[str]:
    return {key for keys in year.keys.values() for key in keys.values()}


def _by_record(keys: Mapping[str, str]) -> NDArray[np.uint8]:
    joined = "".join(keys[record] for record in sorted(keys))
    return np.frombuffer(bytes.fromhex(joined), np.uint8)


def in_crosswalk(year: Year) -> set[str]:
    return {key for row in year.crosswalk for key in row[1:] if key}


@pytest.fixture(scope="module", params=["clk", pytest.param("field-filters", marks=pytest.mark.slow)])
def years(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Project, Year, Year]:
    made = request.getfixturevalue("made_project" if request.param == "clk" else "made_field_filter_project")
    project = made.copy(tmp_path_factory.mktemp("years") / "project")
    write_year(project, 1)
    first = run_year(project, project.amended("version-1.toml", KEEP), {})
    write_year(project, 2)
    second = run_year(project, next_version(project, first.agreement, KEEP), first.keys)
    return project, first, second


def test_records_keep_their_keys(years: tuple[Project, Year, Year]) -> None:
    _, first, second = years
    changed = {
        (name, record)
        for name in DATASETS
        for record, key in second.keys[name].items()
        if first.keys[name].get(record, key) != key
    }
    assert changed == {("police", "SPLIT-3"), ("police", "MERGED-3")}
    assert set(first.keys["prison"].items()) == set(second.keys["prison"].items())
    assert tables()["court"]["case_no"][0] in second.keys["court"], "corrected, and not among the changed"


def test_police_join_their_records_at_home_where_filters_are_sent(years: tuple[Project, Year, Year]) -> None:
    """Then what the other tests say of refreshes holds of joined records too."""
    for year in years[1:]:
        content = year.agreement.content
        filters = content.encoding.field_filters
        assert filters is None or filters.joins(content.dataset_named("police"))


def test_splits_and_merges(years: tuple[Project, Year, Year]) -> None:
    _, first, second = years
    before, after = first.keys["police"], second.keys["police"]
    assert before["SPLIT-1"] == before["SPLIT-2"] == before["SPLIT-3"] == after["SPLIT-1"] == after["SPLIT-2"]
    assert after["SPLIT-3"] not in {*before.values(), after["SPLIT-1"]}
    assert before["MERGED-3"] != before["MERGED-1"]
    assert after["MERGED-1"] == after["MERGED-2"] == after["MERGED-3"] == before["MERGED-1"]
    assert before["MERGED-3"] not in after.values()


def test_new_records(years: tuple[Project, Year, Year]) -> None:
    _, first, second = years
    assert second.keys["police"]["STEADY-3"] == first.keys["police"]["STEADY-1"], "of a person who has a key"
    assert not {second.keys["police"]["NEW-1"], second.keys["court"]["CASE-NEW"]} & all_keys(first)


def test_withdrawn_records_disappear(years: tuple[Project, Year, Year]) -> None:
    _, first, second = years
    everywhere = in_crosswalk(second) | all_keys(second)
    withdrawn = tables()["court"]["case_no"][5:8]
    gone = {first.keys["police"]["GONE-1"], *(first.keys["court"][record] for record in withdrawn)}
    assert gone & in_crosswalk(first), "else the crosswalk shows nothing"
    assert not gone & everywhere


def test_people_are_numbered_afresh(years: tuple[Project, Year, Year]) -> None:
    _, first, second = years
    assert in_crosswalk(first) & in_crosswalk(second)
    assert not {row[0] for row in first.crosswalk} & {row[0] for row in second.crosswalk}


def test_what_departments_are_told(years: tuple[Project, Year, Year]) -> None:
    _, first, second = years
    assert set(first.carried.values()) == {None}
    assert second.carried["police"] == department.Carried(offered=64, new=2, withdrawn=2)
    assert second.carried["court"] == department.Carried(offered=47, new=1, withdrawn=3)
    changes = department.key_changes(second.keys["police"].items(), first.keys["police"])
    assert (changes.kept, changes.new, changes.withdrawn) == (62, 2, 2)
    assert [(record, old) for record, old, _ in changes.changed] == [
        (record, first.keys["police"][record]) for record in ("MERGED-3", "SPLIT-3")
    ]


def test_what_the_key_issuer_reports(years: tuple[Project, Year, Year]) -> None:
    _, first, second = years
    told = {each["dataset"]: each for each in second.report["keys"]}
    police, court, prison = (told[name] for name in DATASETS)
    assert (police["new"], police["splits"], police["merges"]) == (2, 1, 1)
    assert police["kept"] + police["new"] == len(set(second.keys["police"].values()))
    assert (court["kept"], court["new"], court["splits"], court["merges"]) == (47, 1, 0, 0)
    assert (prison["kept"], prison["new"]) == (45, 0)
    assert [each["kept"] for each in first.report["keys"]] == [0, 0, 0]


def test_the_report_tells_it_as_text_and_as_a_page(years: tuple[Project, Year, Year]) -> None:
    _, _, second = years
    text, html = words.text(second.report), page(second.report)
    for each in second.report["keys"]:
        numbers = [str(each[name]) for name in ("kept", "new", "splits", "merges")]
        assert re.search(rf"{each['dataset']} +{' +'.join(numbers)}\n", text)
        cells = "".join(f"<td[^>]*>{number}</td>" for number in numbers)
        assert re.search(rf"{each['dataset']}</t[dh]>{cells}", html)
    assert "Withdrawn records are not sent" in text
    assert not all_keys(second) & set(re.findall("[0-9a-f]{32}", html + text))


def test_the_project_key_is_beside_the_key_file(years: tuple[Project, Year, Year]) -> None:
    project, _, second = years
    path = project_key_file(second.store, second.agreement)
    assert path == project.key(ISSUER).with_name(f"{ISSUER}.small.project-key")
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


# What is refused. Each starts from the first year's results, under scheme clk.


@pytest.fixture(scope="module")
def first_year(made_project: Project, tmp_path_factory: pytest.TempPathFactory) -> tuple[Project, Year]:
    project = made_project.copy(tmp_path_factory.mktemp("first") / "project")
    return project, run_year(project, project.amended("version-1.toml", KEEP), {})


@pytest.fixture
def last_year(first_year: tuple[Project, Year], tmp_path: Path) -> tuple[Project, Year]:
    project, year = first_year
    moved = project.copy(tmp_path / "project")
    store = moved.store(Role.KEY_ISSUER) / "coordinator.sqlite"
    _repoint(store, moved.key(ISSUER))
    _repoint(moved.store(Role.MATCHER) / "coordinator.sqlite", moved.key(MATCHER))
    return moved, year


def _repoint(database: Path, key_file: Path) -> None:
    with sqlite3.connect(database) as connection:
        connection.execute("UPDATE store SET key_file = ?", (str(key_file),))
    connection.close()


def _of_court(year: Year) -> dict[str, str]:
    return dict(zip(year.keys["prison"], year.keys["court"].values(), strict=False))


def _made_up(year: Year) -> dict[str, str]:
    return {record: f"{place:032x}" for place, record in enumerate(year.keys["prison"])}


PLANTS: dict[str, Callable[[Year], dict[str, str]]] = {"another dataset's": _of_court, "made up": _made_up}


@pytest.mark.parametrize("plant", PLANTS)
def test_planted_keys_are_refused_when_they_come_and_when_keys_are_issued(
    last_year: tuple[Project, Year], plant: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    project, year = last_year
    path = next_version(project, year.agreement, KEEP)
    open_stores = stores(project, path)
    issuer = open_stores[Role.KEY_ISSUER]
    planted = project.submit("prison", agreement_path=path, previous=PLANTS[plant](year)).file
    with pytest.raises(VerificationError, match="were not made for it") as refusal:
        operations.receive(issuer, planted)
    assert not any(key in str(refusal.value) for key in PLANTS[plant](year).values())
    assert operations.status(issuer)[1]["received"] == []
    files = [planted, *(project.submit(name, agreement_path=path).file for name in ("police", "court"))]
    monkeypatch.setattr(intake, "require_own_keys", lambda *_: None)
    for me in open_stores.values():
        for file in files:
            operations.receive(me, file)
    digest = parse(path.read_bytes(), where="agreement").sha256
    operations.receive(issuer, operations.match(open_stores[Role.MATCHER], digest, progress=silent)[1])
    with pytest.raises(VerificationError, match="were not made for it"):
        operations.issue(issuer, digest, progress=silent)


def _ready_to_issue(project: Project, path: Path) -> tuple[Coordinator, str]:
    open_stores = stores(project, path)
    for name in DATASETS:
        file = project.submit(name, agreement_path=path).file
        for me in open_stores.values():
            operations.receive(me, file)
    digest = parse(path.read_bytes(), where="agreement").sha256
    _, pairs = operations.match(open_stores[Role.MATCHER], digest, progress=silent)
    operations.receive(open_stores[Role.KEY_ISSUER], pairs)
    return open_stores[Role.KEY_ISSUER], digest


def test_without_the_project_key_nothing_is_kept_and_nothing_issued(last_year: tuple[Project, Year]) -> None:
    project, year = last_year
    path = next_version(project, year.agreement, KEEP)
    held = project_key_file(operations.open_store(project.store(Role.KEY_ISSUER), asked), year.agreement)
    held.rename(held.with_suffix(".lost"))
    offering = project.submit("prison", agreement_path=path, previous=year.keys["prison"]).file
    issuer, digest = _ready_to_issue(project, path)
    with pytest.raises(ProtocolError, match="no project key") as refusal:
        operations.issue(issuer, digest, progress=silent)
    assert "Restore it from a backup" in refusal.value.hint
    assert not held.exists(), "none is made in its place"
    held.with_suffix(".lost").rename(held)
    operations.issue(issuer, digest, progress=silent)
    held.unlink()
    project.adopt(path)
    third = next_version(project, parse(path.read_bytes(), where="agreement"), KEEP)
    open_stores = stores(project, third)
    offering = project.submit("prison", agreement_path=third, previous=year.keys["prison"]).file
    with pytest.raises(ProtocolError, match="no project key"):
        operations.receive(open_stores[Role.KEY_ISSUER], offering)


def test_after_a_version_that_keeps_none_a_lost_key_may_be_made_anew(last_year: tuple[Project, Year]) -> None:
    project, year = last_year
    held = project.key(ISSUER).with_name(f"{ISSUER}.small.project-key")
    held.unlink()
    without = run_year(project, next_version(project, year.agreement, KEEP_NONE), {})
    assert not held.exists()
    assert "keys" not in without.report
    again = run_year(project, next_version(project, without.agreement, KEEP), {})
    assert held.exists()
    everything = [all_keys(each) for each in (year, without, again)]
    assert len(set.union(*everything)) == sum(map(len, everything)), "no key is in two of them"


def test_previous_keys_are_refused_at_home_where_none_are_kept(last_year: tuple[Project, Year]) -> None:
    project, year = last_year
    for path, says in (
        (project.amended("none.toml", KEEP_NONE), "keeps no linkage keys"),
        (project.folder / "version-1.toml", "first version"),
    ):
        with pytest.raises(ConfigError, match=says):
            project.submit("prison", agreement_path=path, previous=year.keys["prison"])
    text = next_version(project, year.agreement, KEEP).read_text("utf-8")
    nameless = project.agreed("nameless.toml", text.replace('record_id_column = "prisoner_no"\n', ""))
    with pytest.raises(ConfigError, match="no record_id_column"):
        project.submit("prison", agreement_path=nameless, previous=year.keys["prison"])


def test_where_keys_are_no_longer_shared_one_record_keeps_each(last_year: tuple[Project, Year]) -> None:
    project, year = last_year
    apart = run_year(
        project,
        next_version(project, year.agreement, {**KEEP, ("release", "linkage_keys"): "per-record"}),
        year.keys,
    )
    before, after = year.keys["police"], apart.keys["police"]
    assert len(set(after.values())) == len(after)
    assert set(before.values()) <= set(after.values())
    for key in set(before.values()):
        first = min(record for record, held in before.items() if held == key)
        assert after[first] == key


def test_two_projects_of_the_same_people_have_nothing_in_common(
    last_year: tuple[Project, Year], tmp_path: Path
) -> None:
    project, year = last_year
    other = project.copy(tmp_path / "other")
    for role in Role:
        shutil.rmtree(other.store(role))
    theirs = run_year(other, other.amended("other.toml", {**KEEP, ("project", "id"): "other"}), {})
    assert theirs.keys["prison"].keys() == year.keys["prison"].keys(), "the same records"
    assert not all_keys(year) & all_keys(theirs)
    ours, others = (_by_record(each.keys["prison"]) for each in (year, theirs))
    alike = np.bitwise_count(ours ^ others).mean() / 8
    assert 0.45 < alike < 0.55, "the bits of one record's two keys agree by chance"
    path = next_version(other, theirs.agreement, {**KEEP, ("project", "id"): "other"})
    issuer = stores(other, path)[Role.KEY_ISSUER]
    with pytest.raises(VerificationError, match="were not made for it"):
        operations.receive(
            issuer, other.submit("prison", agreement_path=path, previous=year.keys["prison"]).file
        )
