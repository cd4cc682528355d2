"""An auditor's challenge: a department opens rows, the auditor checks them, and whoever cheats is seen."""

from __future__ import annotations

import base64
import json
import stat
from io import BytesIO
from pathlib import Path
from typing import Any, BinaryIO

import pytest

from pprl import department
from pprl.crypto import at_rest
from pprl.encode.encoder import Encoding
from pprl.protocol import canonical
from pprl.protocol.agreement import Party
from pprl.protocol.submission import parse_encodings
from tests.support.commands import done, refused
from tests.support.people import read_rows, tables, write_table
from tests.support.project import Project, Values

Words = tuple[str | Path, ...]
COLUMNS = {
    "given_name": "Forename", "surname": "Surname", "date_of_birth": "DOB", "sex": "Sex", "postcode": "Postcode",
}  # fmt: skip
RECORDS = 56


def _salts(project: Project, path: Path | None = None) -> dict[str, Any]:
    raw = (path or project.row_salts("police")).read_bytes()
    kept = at_rest.take(raw, **_own(project), where="salts")
    found: dict[str, Any] = canonical.loads(kept)
    return found


def _keep(project: Project, salts: dict[str, Any]) -> None:
    project.row_salts("police").write_bytes(at_rest.keep(canonical.dumps(salts), **_own(project)))


def _own(project: Project) -> dict[str, Any]:
    identity = project.identity("police-dept")
    return {"identity": identity, "agreement": project.agreement, "kind": department.ROW_SALTS_KIND}


def _root(project: Project) -> str:
    root: str = _salts(project)["rows_root"]
    return root


def _proving(project: Project, *rows: int, name: str = "police.proof") -> Words:
    asked = [f"--row={row}" for row in rows]
    own = (
        *("-a", project.agreement_path, "-k", project.key("police-dept")),
        *("--salts", project.row_salts("police")),
    )
    return "pprl", "prove-row", project.data("police"), *own, *asked, "-o", project.folder / name


def _checking(project: Project, *more: str, root: str = "", records: int = RECORDS) -> Words:
    known = ("--root", root or _root(project), f"--records={records}", *more)
    return "pprl", "check-row", project.folder / "police.proof", "-a", project.agreement_path, *known


@pytest.fixture
def proved(project: Project) -> Project:
    """A project in which the police have opened three rows."""
    done(*_proving(project, 40, 2, 57))
    return project


def test_the_auditor_sees_the_rows_as_they_are_in_the_table(proved: Project) -> None:
    told = json.loads(done(*_checking(proved, "--json")).stdout)
    table = tables()["police"]
    assert (told["dataset"], told["records"], told["rows_root"]) == ("police", RECORDS, _root(proved))
    assert [each["row"] for each in told["rows"]] == [2, 40, 57]
    for each in told["rows"]:
        assert each["record_id"] == table["offence_ref"][each["row"] - 2]
        shown = {value["column"]: value["value"] for value in each["values"]}
        assert shown == {column: table[column][each["row"] - 2] for column in COLUMNS.values()}


@pytest.mark.parametrize("which", ["project", "field_filter_project"])
def test_the_root_goes_to_the_matcher_and_the_salt_key_stays(
    request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch, which: str
) -> None:
    project: Project = request.getfixturevalue(which)
    seal_parts, seal_into = department._seal_parts, department.seal_into
    made: list[Encoding] = []
    sent: list[bytes] = []

    def sealing(begun: Encoding, *arguments: Any) -> int:
        made.append(begun)
        return seal_parts(begun, *arguments)

    def sealed(out: BinaryIO, recipient: Party, plaintext: BinaryIO, *arguments: Any, **named: Any) -> None:
        sent.append(plaintext.read())
        seal_into(out, recipient, BytesIO(sent[-1]), *arguments, **named)

    monkeypatch.setattr(department, "_seal_parts", sealing)
    monkeypatch.setattr(department, "seal_into", sealed)
    project.encode("police")
    (begun,) = made
    salts, header = begun.row_salts, parse_encodings(sent[0], project.agreement).header
    assert (header.rows_root, header.submission, header.records) == (
        salts.rows_root,
        salts.submission,
        salts.records,
    )
    assert len(sent) == 2
    for document in sent:
        assert salts.salt_key not in document
        assert base64.b64encode(salts.salt_key) not in document
    assert salts.salt_key.hex() not in repr(begun)
    assert "salt_key" not in repr(salts)


def test_the_rows_in_plain_text(proved: Project) -> None:
    text = done(*_checking(proved, "--row=2", "--row=40", "--row=57")).stdout
    table = tables()["police"]
    assert text.startswith(f"These rows of police are among its 56 records under the root {_root(proved)}.\n")
    assert f"Row 40, record {table['offence_ref'][38]}\n" in text
    assert f"surname        Surname   {table['Surname'][38]}\n" in text
    assert text.endswith("Compare them with the source.\n")


def test_a_proof_is_closed_to_others_and_says_so(project: Project) -> None:
    result = done(*_proving(project, 2))
    path = project.folder / "police.proof"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert result.stdout == ""
    assert "For the auditor's eyes alone" in result.stderr
    assert "personal data" in done("pprl", "prove-row", "--help").stdout
    assert "row proof: personal data" in done("pprl", "inspect", path).stdout


def test_a_proof_shows_no_row_that_was_not_asked_for(proved: Project) -> None:
    raw = (proved.folder / "police.proof").read_text()
    ids = tables()["police"]["offence_ref"]
    assert {each for each in ids if f'"{each}"' in raw} == {ids[0], ids[38], ids[55]}
    key = _salts(proved)["salt_key"]
    assert key not in raw
    assert base64.b64decode(key) not in proved.row_salts("police").read_bytes(), "sealed at rest"


def _with(project: Project, row: int, **changes: str) -> None:
    rows = read_rows(project.data("police"))
    rows[row - 2] |= changes
    _write(project, rows)


def _write(project: Project, rows: list[dict[str, str]]) -> None:
    write_table(project.data("police"), {name: [each[name] for each in rows] for name in rows[0]})


def _swapped(project: Project) -> None:
    rows = read_rows(project.data("police"))
    rows[3], rows[4] = rows[4], rows[3]
    _write(project, rows)


CHANGES = {
    "a value": lambda project: _with(project, 30, Surname="Brown"),
    "a space": lambda project: _with(project, 30, Sex="M "),
    "a record id": lambda project: _with(project, 30, offence_ref="OFF-1"),
    "two rows swapped": _swapped,
    "a row left out": lambda project: _write(project, read_rows(project.data("police"))[:-1]),
    "a row added": lambda project: _write(project, [*(rows := read_rows(project.data("police"))), rows[0]]),
    "an empty line": lambda project: project.data("police").write_bytes(
        project.data("police").read_bytes().replace(b"\n", b"\n\n", 1)
    ),
}


@pytest.mark.parametrize("change", CHANGES)
def test_a_table_that_was_changed_is_refused_whatever_row_is_asked_for(project: Project, change: str) -> None:
    CHANGES[change](project)
    refused(*_proving(project, 2, 10), status=7, says="not the one that was encoded", within=project.folder)


def test_a_column_that_nobody_agreed_may_change(project: Project) -> None:
    _with(project, 30, person_id="another")
    done(*_proving(project, 30))
    done(*_checking(project))


@pytest.mark.parametrize("row", [58, 1_000_000])
def test_a_row_that_there_is_not(project: Project, row: int) -> None:
    refused(*_proving(project, 2, row), status=2, says=f"no record in row {row}", within=project.folder)


@pytest.mark.parametrize("row", ["1", "0", "-3", "x"])
def test_a_row_that_there_can_not_be(project: Project, row: str) -> None:
    words = (*_proving(project, 2), "--row", row)
    refused(*words, status=2, says="--row", within=project.folder)


def test_the_salts_of_another_agreement(project: Project) -> None:
    values: Values = {("project", "title"): "Another project"}
    other = project.amended("other.toml", values)
    words = tuple(other if word == project.agreement_path else word for word in _proving(project, 2))
    refused(*words, status=5, says="another agreement", within=project.folder)


def test_the_salts_of_another_department(project: Project) -> None:
    mine, theirs = project.key("police-dept"), project.key("court-dept")
    words = tuple(theirs if word == mine else word for word in _proving(project, 2))
    refused(*words, status=5, says="can't be used", within=project.folder)


@pytest.mark.parametrize(
    "change",
    [
        {"version": 2}, {"version": True}, {"format": "pprl-row-proof"}, {"salt_key": "AAAA"}, {"salt_key": "?"},
        {"salt_key": 1}, {"records": True}, {"records": "56"}, {"dataset": 1}, {"rows_root": None}, {"more": 1},
    ],
    ids=str,
)  # fmt: skip
def test_row_salts_that_are_none(project: Project, change: dict[str, Any]) -> None:
    _keep(project, _salts(project) | change)
    refused(*_proving(project, 2), status=5, says="row salts", within=project.folder)


def test_row_salts_of_another_submission(project: Project) -> None:
    own = ("-a", project.agreement_path, "-k", project.key("police-dept"))
    done("pprl", "encode", project.data("police"), *own, "-o", project.folder / "again")
    trees = [_salts(project), _salts(project, project.folder / "again.row-salts")]
    assert len({tree["rows_root"] for tree in trees}) == len({tree["salt_key"] for tree in trees}) == 2
    _keep(project, trees[0] | {"salt_key": trees[1]["salt_key"]})
    refused(*_proving(project, 2), status=7, says="not the one that was encoded", within=project.folder)


def test_row_salts_that_others_may_read(project: Project) -> None:
    project.row_salts("police").chmod(0o640)
    refused(*_proving(project, 2), status=5, says="open to other users", within=project.folder)


@pytest.mark.parametrize(("name", "value"), [("record_id", "OFF-1"), ("salt", "0" * 32), ("path", [])])
def test_a_proof_that_was_tampered_with(proved: Project, name: str, value: Any) -> None:
    path = proved.folder / "police.proof"
    tree = canonical.loads(path.read_bytes())
    tree["rows"][1][name] = value
    path.write_bytes(canonical.dumps(tree))
    refused(*_checking(proved), status=7, says="was not read like this", within=proved.folder)


def test_a_row_number_that_was_changed_in_the_proof(proved: Project) -> None:
    path = proved.folder / "police.proof"
    tree = canonical.loads(path.read_bytes())
    tree["rows"][1]["row"] = 41
    path.write_bytes(canonical.dumps(tree))
    refused(*_checking(proved), status=6, says="out of order", within=proved.folder)
    tree["rows"] = [tree["rows"][1]]
    path.write_bytes(canonical.dumps(tree))
    refused(*_checking(proved), status=7, says="Row 41 was not read like this", within=proved.folder)


def test_a_value_that_was_changed_in_the_proof(proved: Project) -> None:
    path = proved.folder / "police.proof"
    tree = canonical.loads(path.read_bytes())
    tree["rows"][0]["values"][0] = "Brown"
    path.write_bytes(canonical.dumps(tree))
    refused(*_checking(proved), status=7, says="Row 2 was not read like this", within=proved.folder)


@pytest.mark.parametrize(
    ("more", "status", "says"),
    [
        ({"root": "0" * 64}, 7, "its root is another"),
        ({"root": "0" * 63}, 2, "64 hexadecimal digits"),
        ({"root": "x" * 64}, 2, "64 hexadecimal digits"),
        ({"records": 57}, 7, "the submission says 57"),
    ],
)
def test_what_the_auditor_knows_otherwise(
    proved: Project, more: dict[str, Any], status: int, says: str
) -> None:
    refused(*_checking(proved, **more), status=status, says=says, within=proved.folder)


@pytest.mark.parametrize("rows", [("--row=2",), ("--row=2", "--row=40", "--row=57", "--row=3")])
def test_other_rows_than_were_asked_for(proved: Project, rows: tuple[str, ...]) -> None:
    refused(*_checking(proved, *rows), status=7, says="exactly the rows", within=proved.folder)


def test_a_value_that_poses_as_another_row_stays_in_its_line(project: Project) -> None:
    _with(project, 2, Surname="Brown\nRow 3, record OFF-0")
    own = ("-a", project.agreement_path, "-k", project.key("police-dept"), "--force")
    done("pprl", "encode", project.data("police"), *own, "-o", project.submission("police"))
    done(*_proving(project, 2))
    assert "\nRow 3" not in done(*_checking(project)).stdout
    told = json.loads(done(*_checking(project, "--json")).stdout)
    assert "Brown\nRow 3, record OFF-0" in [each["value"] for each in told["rows"][0]["values"]]


def test_a_proof_of_another_table_format_of_the_same_rows(project: Project) -> None:
    """Quotes and delimiters are no part of a row: only what was read is."""
    text = project.data("police").read_text(encoding="utf-8")
    project.data("police").write_text(text.replace(",", ";"), encoding="utf-8")
    done(*_proving(project, 3))
    done(*_checking(project))
