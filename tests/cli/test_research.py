"""Linkage rates by group, command by command: a department's group table, and what the research environment tells."""

from __future__ import annotations

import csv
import json
import stat
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.support.commands import done, refused, values_in
from tests.support.people import read_rows, tables, write_rows, write_table
from tests.support.project import DATASETS, Project

ASKED = ["sex", "decade-of-birth", "completeness"]
RECORD_IDS = {"police": "offence_ref", "court": "case_no", "prison": "prisoner_no"}


def key_of(dataset: str, row: int) -> str:
    return f"{DATASETS.index(dataset) + 1:x}{row:031x}"


def person_of(number: int) -> str:
    return f"f{number:031x}"


def _asking(project: Project, groupings: list[str] = ASKED, limit: int = 2) -> Path:
    values = {("release", "rates_by"): groupings, ("release", "small_number_limit"): limit}
    return project.amended(f"asks-{len(groupings)}-{limit}.toml", values)


def _keys(project: Project, dataset: str) -> Path:
    ids = tables()[dataset][RECORD_IDS[dataset]]
    rows = [(record_id, key_of(dataset, row)) for row, record_id in enumerate(ids)]
    return write_rows(project.folder / f"{dataset}-keys.csv", ("record_id", "linkage_key"), rows)


def _groups(
    project: Project, agreement: Path, dataset: str, *, keys: Path | None = None
) -> tuple[str | Path, ...]:
    return (
        "pprl", "research", "groups", project.data(dataset), "-a", agreement, "--dataset", dataset,
        "--keys", keys or _keys(project, dataset), "-o", project.folder / f"{dataset}-groups.csv",
    )  # fmt: skip


def _crosswalk(project: Project) -> Path:
    """A linkage without fault: the small project's people, by their true numbers."""
    by_person: dict[str, dict[str, list[str]]] = {}
    for dataset, table in tables().items():
        for row, person in enumerate(table["person_id"]):
            by_person.setdefault(person, {}).setdefault(dataset, []).append(key_of(dataset, row))
    rows = []
    for person, keys in by_person.items():
        if sum(map(len, keys.values())) > 1:
            for place in range(max(map(len, keys.values()))):
                cells = [(keys.get(name, [])[place : place + 1] or [""])[0] for name in DATASETS]
                rows.append((person_of(int(person)), *cells))
    return write_rows(project.folder / "crosswalk.csv", ("person", *DATASETS), rows)


def _rates(project: Project, agreement: Path, *datasets: str) -> tuple[str | Path, ...]:
    tables_of = [f"--groups={name}={project.folder / f'{name}-groups.csv'}" for name in datasets]
    return (
        "pprl",
        "research",
        "rates",
        "-a",
        agreement,
        "--crosswalk",
        project.folder / "crosswalk.csv",
        *tables_of,
    )


@pytest.fixture
def ready(project: Project) -> tuple[Project, Path]:
    """A project whose agreement asks for rates, with all that the research environment gets."""
    agreement = _asking(project)
    for dataset in DATASETS:
        done(*_groups(project, agreement, dataset))
    _crosswalk(project)
    return project, agreement


def test_a_group_table_has_the_groups_and_nothing_else(project: Project) -> None:
    result = done(*_groups(project, _asking(project), "court"))
    out = project.folder / "court-groups.csv"
    assert result.stdout == ""
    assert result.stderr == (
        f"50 linkage keys have their groups in {out}. It is for the research environment alone.\n"
    )
    assert stat.S_IMODE(out.stat().st_mode) == 0o600
    rows = read_rows(out)
    assert list(rows[0]) == ["linkage_key", *ASKED]
    assert [row["linkage_key"] for row in rows] == [key_of("court", row) for row in range(50)]
    table = tables()["court"]
    assert [row["sex"] for row in rows] == [sex.lower() for sex in table["gender"]]
    assert [row["decade-of-birth"] for row in rows] == [f"{day[:3]}0s" for day in table["date_of_birth"]]
    assert [row["completeness"] for row in rows] == [
        "complete" if postcode else "one missing" for postcode in table["postcode"]
    ]
    assert {row["completeness"] for row in rows} == {"complete", "one missing"}
    assert not values_in(out.read_text())


def test_only_what_is_agreed_is_in_it(project: Project) -> None:
    done(*_groups(project, _asking(project, ["completeness"]), "court"))
    assert list(read_rows(project.folder / "court-groups.csv")[0]) == ["linkage_key", "completeness"]


def test_what_is_missing_or_breaks_a_rule_is_unknown(project: Project) -> None:
    table = tables()["court"]
    table["gender"][0], table["date_of_birth"][0], table["postcode"][0] = "", "1980-02-30", "ZZ99 3VZ"
    write_table(project.data("court"), table)
    done(*_groups(project, _asking(project), "court"))
    row = read_rows(project.folder / "court-groups.csv")[0]
    assert [row[name] for name in ASKED] == ["unknown", "unknown", "two or more missing"]


def test_the_order_of_the_rows_says_nothing(project: Project) -> None:
    ids = tables()["court"]["case_no"]
    keys = write_rows(
        project.folder / "k.csv",
        ("record_id", "linkage_key"),
        [(each, key_of("court", 999 - row)) for row, each in enumerate(ids)],
    )
    done(*_groups(project, _asking(project), "court", keys=keys))
    found = [row["linkage_key"] for row in read_rows(project.folder / "court-groups.csv")]
    assert found == sorted(found)


def test_records_that_share_a_key_are_told_once(project: Project) -> None:
    """Two say different sexes, so nobody knows; one of them lacks a postcode, and the fuller one counts."""
    table = tables()["police"]
    table["Sex"][:3] = ["M", "F", ""]
    table["DOB"][:3] = ["01/02/1980", "01/02/1980", ""]
    table["Postcode"][:3] = ["", "AB1 2CD", ""]
    write_table(project.data("police"), table)
    rows = [(each, key_of("police", max(row, 2))) for row, each in enumerate(table["offence_ref"])]
    keys = write_rows(project.folder / "k.csv", ("record_id", "linkage_key"), rows)
    done(*_groups(project, _asking(project), "police", keys=keys))
    found = read_rows(project.folder / "police-groups.csv")
    assert len(found) == 54
    assert [found[0][name] for name in ASKED] == ["unknown", "1980s", "complete"]


def test_both_commands_refuse_what_the_agreement_does_not_ask_for(ready: tuple[Project, Path]) -> None:
    project, _ = ready
    for words in (
        _groups(project, project.agreement_path, "court"),
        _rates(project, project.agreement_path, "court"),
    ):
        refused(*words, "--force", status=9, says="does not ask for linkage rates", within=project.folder)


def _replaced(path: Path, change: Callable[[list[list[str]]], object]) -> None:
    with path.open(newline="") as file:
        rows = list(csv.reader(file))
    change(rows)
    write_rows(path, rows[0], rows[1:])


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (lambda rows: rows.pop(), "1 of its 50 records have none"),
        (lambda rows: rows.append(["more", key_of("court", 77)]), "the file of keys names 51 records"),
        (lambda rows: rows.append(rows[4]), "row 52, record_id: a record id that is there twice"),
        (lambda rows: rows[4].__setitem__(1, "CASE-4000"), "row 5, linkage_key: not a linkage key"),
        (lambda rows: rows[0].__setitem__(1, "key"), "linkage_key: no such column"),
        (lambda rows: rows.__delitem__(slice(1, None)), "no records"),
    ],
)
def test_keys_that_are_not_the_tables_are_refused(
    project: Project, change: Callable[[list[list[str]]], object], says: str
) -> None:
    words = _groups(project, _asking(project), "court")
    _replaced(project.folder / "court-keys.csv", change)
    refused(*words, status=4, says=says, within=project.folder)


def test_values_that_break_a_rule_are_refused_where_agreed(project: Project) -> None:
    table = tables()["court"]
    table["date_of_birth"][4] = "1980-02-30"
    write_table(project.data("court"), table)
    values = {("release", "rates_by"): ASKED, ("encoding", "invalid_values"): "refuse"}
    words = _groups(project, project.amended("strict.toml", values), "court")
    refused(*words, status=4, says="row 6, date_of_birth:", within=project.folder)


def test_groups_wants_to_know_which_dataset(project: Project) -> None:
    agreement, keys = _asking(project), _keys(project, "court")
    words = ("pprl", "research", "groups", project.data("court"), "-a", agreement, "--keys", keys, "-o", "x")
    refused(*words, status=2, says="--dataset with one of: police, court, prison", within=project.folder)


def test_rates_are_those_of_a_direct_computation(ready: tuple[Project, Path]) -> None:
    project, agreement = ready
    report = json.loads(done(*_rates(project, agreement, *DATASETS), "--json").stdout)
    assert (report["small_number_limit"], report["rounded_to"]) == (2, 5)
    everywhere = {name: set(table["person_id"]) for name, table in tables().items()}
    sexes = {"police": "Sex", "court": "gender", "prison": "sex"}
    for name, table in tables().items():
        others = set().union(*(people for other, people in everywhere.items() if other != name))
        for sex in "fm":
            own = [
                person in others
                for person, each in zip(table["person_id"], table[sexes[name]], strict=True)
                if each.lower() == sex
            ]
            number, linked = 5 * round(len(own) / 5), 5 * round(sum(own) / 5)
            shown = report["datasets"][name]["by"]["sex"]["groups"][sex]
            enough = min(sum(own), len(own) - sum(own)) >= 2
            assert (shown is not None) <= enough
            if shown is not None:
                assert (shown["number"], shown["linked"]) == (number, linked)
                assert shown["rate"] == linked / number
    assert report["datasets"]["police"]["by"]["sex"]["groups"]["f"], "something was compared"
    assert report["datasets"]["police"]["counted"] == "people"
    assert len(report["agreement_sha256"]) == 64


def test_rates_as_a_table_and_in_words(ready: tuple[Project, Path]) -> None:
    project, agreement = ready
    out = project.folder / "rates.csv"
    rows = len(read_rows(project.folder / "crosswalk.csv"))
    result = done(*_rates(project, agreement, "police", "court"), "--rows", str(rows), "-o", out)
    assert result.stderr == ""
    assert result.stdout.startswith("police: linked to another dataset\n")
    assert "By sex: " in result.stdout
    rows = read_rows(out)
    assert list(rows[0]) == [
        "dataset",
        "counted",
        "grouping",
        "group",
        "number",
        "linked",
        "rate",
        "low",
        "high",
    ]
    assert [row["dataset"] for row in rows] == sorted((row["dataset"] for row in rows), reverse=True)
    assert {row["grouping"] for row in rows} == {"all", *ASKED}
    hidden = [row for row in rows if row["number"] == "hidden"]
    assert hidden
    assert all(row["rate"] == row["linked"] == "hidden" for row in hidden)
    refused(*_rates(project, agreement, "police"), "-o", out, status=2, says="exists", within=project.folder)
    for path in (project.folder / "crosswalk.csv", project.folder / "court-groups.csv", agreement):
        words = (*_rates(project, agreement, "court"), "-o", path, "--force")
        refused(*words, status=2, says="this command reads it", within=project.folder)


def test_records_are_counted_where_each_has_its_own_key(ready: tuple[Project, Path]) -> None:
    project, _ = ready
    values = {("release", "rates_by"): ASKED, ("release", "linkage_keys"): "per-record"}
    agreement = project.amended("per-record.toml", values)
    report = json.loads(done(*_rates(project, agreement, "police", "court"), "--json").stdout)
    assert {name: each["counted"] for name, each in report["datasets"].items()} == {
        "police": "records",
        "court": "people",
    }


NOBODY = person_of(9_000)
A_KEY = key_of("prison", 900)
Change = Callable[[list[list[str]]], object]
FAULTY_GROUPS: list[tuple[str, Change, str]] = [
    ("a key that the crosswalk has is gone", lambda rows: rows.pop(3), "not in the dataset's group table"),
    ("a key twice", lambda rows: rows.append(rows[3]), "row 52, linkage_key: a linkage key that is there twice"),
    ("no key", lambda rows: rows[2].__setitem__(0, "Zebedee"), "row 3, linkage_key: not a linkage key"),
    ("a value", lambda rows: rows[2].__setitem__(1, "Male"), "row 3, sex: must be f, m or unknown"),
    ("a date", lambda rows: rows[2].__setitem__(2, "1980-01-02"), "row 3, decade-of-birth: must be a decade"),
    ("a year", lambda rows: rows[2].__setitem__(2, "1984s"), "row 3, decade-of-birth: must be a decade"),
    ("a number", lambda rows: rows[2].__setitem__(3, "5"), "row 3, completeness: must be complete"),
    ("a column too few", lambda rows: [row.pop() for row in rows], "completeness: no such column"),
    (
        "a column too many",
        lambda rows: [row.append("Ramsbottom") for row in rows],
        "column 5: not one of the columns that belong here",
    ),
    ("no rows", lambda rows: rows.__delitem__(slice(1, None)), "no records"),
    ("the linked alone", lambda rows: rows.__delitem__(slice(30, None)), "has 29 linkage keys; the agreement"),
]  # fmt: skip


@pytest.mark.parametrize(
    ("change", "says"), [each[1:] for each in FAULTY_GROUPS], ids=[each[0] for each in FAULTY_GROUPS]
)
def test_a_faulty_group_table_is_refused(ready: tuple[Project, Path], change: Change, says: str) -> None:
    project, agreement = ready
    _replaced(project.folder / "court-groups.csv", change)
    words = (*_rates(project, agreement, "court"), "-o", project.folder / "rates.csv")
    result = refused(*words, status=4, says=says, within=project.folder)
    assert "Zebedee" not in result.output
    assert "1980-01-02" not in result.output


FAULTY_CROSSWALKS: list[tuple[str, Change, str]] = [
    ("a key twice", lambda rows: rows.append([NOBODY, rows[1][1], rows[1][2], A_KEY]), "key that is there twice"),
    ("one key for two datasets", lambda rows: rows.append([NOBODY, A_KEY, A_KEY, ""]), "key that is there twice"),
    ("a person alone", lambda rows: rows.append([NOBODY, "", A_KEY, ""]), "a person with a single linkage key"),
    ("a row of nobody", lambda rows: rows.append([NOBODY, "", "", ""]), "a row without a linkage key"),
    ("no person", lambda rows: rows[1].__setitem__(0, ""), "row 2, person: not a person's number"),
    ("no key", lambda rows: rows[1].__setitem__(1, "OFF-4000"), "row 2, police: not a linkage key"),
    ("other datasets", lambda rows: rows[0].__setitem__(1, "health"), "police: no such column"),
    ("a dataset too many", lambda rows: [row.append("more") for row in rows], "column 5: not one"),
]  # fmt: skip


@pytest.mark.parametrize(
    ("change", "says"), [each[1:] for each in FAULTY_CROSSWALKS], ids=[each[0] for each in FAULTY_CROSSWALKS]
)
def test_a_faulty_crosswalk_is_refused(ready: tuple[Project, Path], change: Change, says: str) -> None:
    project, agreement = ready
    _replaced(project.folder / "crosswalk.csv", change)
    refused(*_rates(project, agreement, "court"), status=4, says=says, within=project.folder)


def test_a_crosswalk_that_lost_its_last_rows_is_refused_if_its_rows_are_told(
    ready: tuple[Project, Path],
) -> None:
    project, agreement = ready
    path = project.folder / "crosswalk.csv"
    whole = path.read_bytes()
    rows = whole.count(b"\n") - 1
    words = _rates(project, agreement, "court")
    done(*words, "--rows", str(rows))
    path.write_bytes(b"".join(whole.splitlines(keepends=True)[: 1 + rows // 2]))
    assert "was not checked" in done(*words).stderr
    says = f"had {rows} when it was opened"
    refused(*words, "--rows", str(rows), status=4, says=says, within=project.folder)


def test_a_key_that_is_missing_is_told_by_the_crosswalks_row(ready: tuple[Project, Path]) -> None:
    project, agreement = ready
    with (project.folder / "crosswalk.csv").open(newline="") as file:
        row, key = next(
            (row, cells[2]) for row, cells in enumerate(csv.reader(file), start=1) if row > 5 and cells[2]
        )
    _replaced(
        project.folder / "court-groups.csv",
        lambda rows: rows.remove(next(cells for cells in rows if cells[0] == key)),
    )
    says = f"row {row}, court: its linkage key is not in the dataset's group table"
    result = refused(*_rates(project, agreement, "court"), status=4, says=says, within=project.folder)
    assert key not in result.output


def test_tables_of_other_datasets_are_refused(ready: tuple[Project, Path]) -> None:
    project, agreement = ready
    (project.folder / "health-groups.csv").write_text("x\n")
    refused(
        *_rates(project, agreement, "health"), status=3, says="no dataset 'health'", within=project.folder
    )
    refused(
        *_rates(project, agreement, "court", "court"), status=2, says="named twice", within=project.folder
    )
    (project.folder / "police-groups.csv").write_bytes((project.folder / "court-groups.csv").read_bytes())
    refused(
        *_rates(project, agreement, "police"), status=4, says="not in the dataset's", within=project.folder
    )


def test_an_empty_file_is_refused(ready: tuple[Project, Path]) -> None:
    project, agreement = ready
    (project.folder / "court-groups.csv").write_bytes(b"")
    refused(*_rates(project, agreement, "court"), status=4, says="empty", within=project.folder)
