"""Tables that are wrong: each refused with status 4 and a clear word, without a value, with nothing left behind."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.support.commands import done, refused, run, values_in
from tests.support.people import tables, write_table
from tests.support.project import Project

Spoil = Callable[[bytes], bytes]
HEADER_LENGTH = len("case_no,first_name,last_name,date_of_birth,gender,postcode,person_id\n")


def _cell(column: str, row: int, value: str) -> Spoil:
    """Put a value in; rows count as in a spreadsheet."""

    def spoil(_raw: bytes) -> bytes:
        table = {name: list(values) for name, values in tables()["court"].items()}
        table[column][row - 2] = value
        rows = zip(*table.values(), strict=True)
        return "".join(",".join(cells) + "\n" for cells in [tuple(table), *rows]).encode()

    return spoil


def _replaced(old: bytes, new: bytes) -> Spoil:
    return lambda raw: raw.replace(old, new, 1)


FAULTS: dict[str, tuple[Spoil, str]] = {
    "an empty file": (lambda _: b"", "empty"),
    "a header without records": (lambda raw: raw[:HEADER_LENGTH], "no records"),
    "a missing column": (_replaced(b"date_of_birth", b"something"), "date_of_birth: no such column"),
    "a column twice": (_replaced(b"person_id", b"gender"), "has the same name as column 5"),
    "a column without a name": (_replaced(b"person_id", b""), "column 7: has no name"),
    "no header": (lambda raw: raw[HEADER_LENGTH:], "no such column"),
    "mixed encodings": (_cell("last_name", 9, "LAST"), "bytes that are not utf-8"),
    "a NUL": (_cell("first_name", 4, "Ze\0bedee"), "row 4, first_name: contains the control character U+0000"),
    "a very long field": (
        _cell("first_name", 5, "Zebedee" * 14_286),
        "row 5, first_name: longer than 10,000 characters",
    ),
    "a row with a field too many": (lambda raw: raw.replace(b"\n", b",\n").replace(b",\n", b"\n", 1), "row 2"),
    "a row with a field too few": (lambda raw: raw.rstrip(b"\n").rsplit(b",", 1)[0] + b"\n", "row 51"),
    "an unfinished quote": (lambda raw: raw + b'"CASE-1,Adeola', "row 52"),
    "a spreadsheet": (lambda raw: b"PK\x03\x04" + raw, "a spreadsheet or a zip archive"),
    "record ids twice": (_cell("case_no", 7, "CASE-4000"), "row 7, case_no: record id is there twice"),
    "a record without an id": (_cell("case_no", 8, " "), "row 8, case_no: record id is missing"),
    "too few rows": (lambda raw: b"\n".join(raw.split(b"\n")[:20]) + b"\n", "the agreement expects 40 to 60"),
    "too many rows": (
        lambda raw: raw + b"".join(b"Z%d,A,B,1980-01-02,F,,1\n" % n for n in range(11)),
        "the agreement expects 40 to 60",
    ),
    "nothing but noise": (lambda _: bytes(range(256)) * 40, "what to do"),
}  # fmt: skip


def _spoilt(project: Project, spoil: Spoil) -> Path:
    path = project.data("court")
    path.write_bytes(spoil(path.read_bytes()).replace(b"LAST", b"Ramsb\xf6ttom"))
    return path


def _encode(project: Project, data: Path, agreement: Path | None = None) -> tuple[str | Path, ...]:
    out = project.folder / "out.submission"
    return (
        "pprl", "encode", data, "-a", agreement or project.agreement_path,
        "-k", project.key("court-dept"), "-o", out,
    )  # fmt: skip


def _check(project: Project, data: Path, agreement: Path | None = None) -> tuple[str | Path, ...]:
    return "pprl", "check", data, "-a", agreement or project.agreement_path, "--dataset", "court"


@pytest.mark.parametrize("fault", FAULTS)
def test_encode_refuses(project: Project, fault: str) -> None:
    spoil, says = FAULTS[fault]
    words = _encode(project, _spoilt(project, spoil))
    result = refused(*words, status=4, says="", within=project.folder)
    assert says.lower() in result.stderr.lower()


@pytest.mark.parametrize("fault", FAULTS)
def test_check_refuses(project: Project, fault: str) -> None:
    spoil, says = FAULTS[fault]
    words = _check(project, _spoilt(project, spoil))
    result = refused(*words, status=4, says="", within=project.folder, reports=True)
    assert says.lower() in result.stderr.lower()


@pytest.mark.parametrize("fault", FAULTS)
def test_errors_in_json_hold_the_same_and_no_value(project: Project, fault: str) -> None:
    spoil, _ = FAULTS[fault]
    words = _encode(project, _spoilt(project, spoil))
    result = refused(*words, "--json", status=4, says="", within=project.folder)
    error = json.loads(result.stderr)["error"]
    assert (error["code"], error["status"]) == ("data", 4)
    assert error["message"]
    assert set(error) == {"code", "status", "message", "hint", "findings"}


NO_DAY = {"a day that never was": "1980-02-30", "a day of no calendar": "31/31/1980", "words": "Michaelmas"}


@pytest.mark.parametrize("day", NO_DAY.values(), ids=NO_DAY)
def test_dates_that_do_not_exist_are_refused_where_agreed(project: Project, day: str) -> None:
    strict = project.amended("strict.toml", {("encoding", "invalid_values"): "refuse"})
    data = _spoilt(project, _cell("date_of_birth", 6, day))
    result = refused(
        *_encode(project, data, strict), status=4, says="row 6, date_of_birth:", within=project.folder
    )
    assert day not in result.output
    result = refused(
        *_check(project, data, strict),
        status=4,
        says="row 6, date_of_birth:",
        within=project.folder,
        reports=True,
    )
    assert day not in result.output


@pytest.mark.parametrize("day", NO_DAY.values(), ids=NO_DAY)
def test_dates_that_do_not_exist_count_as_missing_where_agreed(project: Project, day: str) -> None:
    data = _spoilt(project, _cell("date_of_birth", 6, day))
    result = done(*_encode(project, data), "--json")
    report = json.loads(result.stdout)
    assert (report["present"]["date_of_birth"], report["values_that_break_a_rule"]) == (49, 1)
    assert [(each["row"], each["column"]) for each in report["findings"]] == [(6, "date_of_birth")]
    assert day not in result.output
    refused(
        *_check(project, data), status=4, says="row 6, date_of_birth:", within=project.folder, reports=True
    )


def test_findings_beyond_a_screenful_are_counted(project: Project) -> None:
    table = tables()["court"]
    table["date_of_birth"] = ["1980-02-30"] * 50
    write_table(project.data("court"), table)
    words = _check(project, project.data("court"))
    result = refused(*words, status=4, says="... and 30 more", within=project.folder, reports=True)
    assert result.stderr.count("  - row") == 20
    error = json.loads(run(*words, "--json").stderr)["error"]
    assert len(error["findings"]) == 50


def test_a_record_with_too_little_is_counted_and_not_refused(project: Project) -> None:
    table = tables()["court"]
    for column in ("first_name", "last_name", "date_of_birth", "postcode"):
        table[column][3] = ""
    write_table(project.data("court"), table)
    report = json.loads(done(*_encode(project, project.data("court")), "--json").stdout)
    assert (report["records"], report["encodable"], report["not_encodable"]) == (50, 49, 1)


def test_records_that_equal_another_are_counted_before_and_when_they_are_encoded(
    field_filter_project: Project,
) -> None:
    here = field_filter_project
    police = {name: [*values, *values[:3]] for name, values in tables()["police"].items()}
    police["offence_ref"] = [f"OFF-{place}" for place in range(len(police["offence_ref"]))]
    write_table(here.data("police"), police)
    checked = ("pprl", "check", here.data("police"), "-a", here.agreement_path, "--dataset", "police")
    told = json.loads(run(*checked, "--json").stdout)
    before = told["copies"]
    assert before >= 3
    for each in told["blocks"]["passes"]:
        people = told["encodable"] - before - told["joined"]
        assert each["records"] + each["without_block"] + each["suppressed"] == people
    assert f"{before} records equal another one in every identifier" in run(*checked).stdout
    encoded = (
        "pprl",
        "encode",
        here.data("police"),
        "-a",
        here.agreement_path,
        "-k",
        here.key("police-dept"),
    )
    made = done(*encoded, "-o", here.folder / "again.submission", "--json")
    assert json.loads(made.stdout)["copies"] == before


@pytest.mark.parametrize(
    ("options", "status", "says"),
    [
        (("--encoding", "no-such"), 2, "is not an encoding"),
        (("--encoding", "windows-1252", "--delimiter", "ab"), 2, "elimiter"),
        (("--dataset", "police"), 3, "Dataset 'police' is not brought by 'court-dept'"),
        (("--dataset", "nobody"), 3, "has no dataset 'nobody'"),
    ],
)
def test_options_that_do_not_fit(project: Project, options: tuple[str, ...], status: int, says: str) -> None:
    words = (*_encode(project, project.data("court")), *options)
    refused(*words, status=status, says=says, within=project.folder)


def test_a_missing_file_and_a_folder(project: Project) -> None:
    refused(
        *_encode(project, project.folder / "none.csv"), status=2, says="can't be read", within=project.folder
    )
    refused(*_encode(project, project.folder), status=2, says="not a regular file", within=project.folder)


def test_check_wants_to_know_which_dataset(project: Project) -> None:
    words = ("pprl", "check", project.data("court"), "-a", project.agreement_path)
    refused(*words, status=2, says="--dataset with one of: police, court, prison", within=project.folder)


def test_windows_1252_is_read_where_said(project: Project) -> None:
    path = _spoilt(project, _cell("last_name", 9, "LAST"))
    result = done(*_encode(project, path), "--encoding", "windows-1252")
    assert not values_in(result.output)


def test_draft_from_a_table_without_records_or_header(project: Project) -> None:
    data = project.data("court")
    data.write_bytes(data.read_bytes()[HEADER_LENGTH:])
    words = (
        "pprl",
        "agreement",
        "new",
        f"--dataset=police={project.data('police')}",
        f"--dataset=court={data}",
    )
    result = refused(
        *words, "-o", project.folder / "draft.toml", status=3, says="share too few", within=project.folder
    )
    assert "court: understood no column" in result.stderr
