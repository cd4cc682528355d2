"""Where an agreement limits whom attackers may name, nothing leaves or is taken in without a risk statement."""

from __future__ import annotations

import hashlib
import io
import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from coordinator import operations
from coordinator.store.stages import Role
from pprl.crypto.exchange import open_from
from pprl.crypto.risk_statements import open_risk_statement
from pprl.crypto.statements import sign_statement
from pprl.errors import FormatError
from pprl.protocol import canonical, dsse, submission
from pprl.protocol.risk_statement import RISK_STATEMENT_KIND, Controls
from tests.support import risk
from tests.support.commands import done, refused
from tests.support.people import tables
from tests.support.project import DATASETS, ISSUER, MATCHER, Project

POLICE, COURT, _ = DATASETS
POLICE_DEPT, COURT_DEPT = "police-dept", "court-dept"
RECORDS = len(tables()[POLICE]["person_id"])


def encode(project: Project) -> tuple[str | Path, ...]:
    own = ("-a", project.agreement_path, "-k", project.key(POLICE_DEPT))
    return ("pprl", "encode", project.data(POLICE), *own, "-o", project.folder / "new.submission")


def kept(project: Project) -> Path:
    return project.holdings(POLICE_DEPT).risk_statement(POLICE)


def matcher_of(project: Project) -> Path:
    project.open_store(Role.MATCHER)
    return project.store(Role.MATCHER)


def received(project: Project, file: bytes) -> tuple[str | Path, ...]:
    path = project.folder / "file"
    path.write_bytes(file)
    return "coordinator", "receive", path, "--store", project.store(Role.MATCHER)


def encodings(project: Project, file: Path) -> submission.Encodings:
    """The matcher's part of a submission."""
    raw = file.read_bytes()
    (start, length), _ = submission.containers(io.BytesIO(raw))
    me = project.signatory(MATCHER)
    _, content = open_from(raw[start : start + length], me=me, kind=submission.ENCODINGS_KIND)
    return submission.parse_encodings(content, project.agreement)


# At home.


def test_a_table_that_was_attacked_may_leave_with_what_came_of_it(limiting_project: Project) -> None:
    done(*encode(limiting_project))
    header = encodings(limiting_project, limiting_project.folder / "new.submission").header
    statement = kept(limiting_project).read_bytes()
    assert submission.risk_in(header) == statement
    stated = open_risk_statement(statement, agreement=limiting_project.agreement, dataset=POLICE)
    assert (stated.rows_root, stated.statement.records) == (header.rows_root, RECORDS)


def test_the_row_salts_of_such_a_submission_prove_rows(limiting_project: Project) -> None:
    done(*encode(limiting_project))
    own = ("-a", limiting_project.agreement_path, "-k", limiting_project.key(POLICE_DEPT))
    salts, proof = limiting_project.folder / "new.submission.row-salts", limiting_project.folder / "proof"
    done(
        "pprl", "prove-row", limiting_project.data(POLICE), *own, "--salts", salts, "--row", "2", "-o", proof
    )
    header = encodings(limiting_project, limiting_project.folder / "new.submission").header
    told = (
        "--root",
        header.rows_root,
        "--records",
        str(header.records),
        "-a",
        limiting_project.agreement_path,
    )
    done("pprl", "check-row", proof, *told)


def test_the_statement_says_what_it_is(limiting_project: Project) -> None:
    told = json.loads(done("pprl", "inspect", kept(limiting_project), "--json").stdout)
    assert told["what"].startswith("risk statement")
    assert (told["dataset"], told["records"]) == (POLICE, RECORDS)


def test_encode_without_a_statement(limiting_project: Project) -> None:
    kept(limiting_project).unlink()
    result = refused(
        *encode(limiting_project), status=9, says="'police' has none", within=limiting_project.folder
    )
    assert "pprl risk" in result.stderr


FAILING: dict[str, tuple[Callable[[Project], dict[str, Any]], str]] = {
    "an attack left out": (lambda _: {"attacks": ()}, "was not made"),
    "an attack not finished": (
        lambda project: _attacks(project, **risk.CUT_SHORT),
        "did not come to its end",
    ),
    "attackers who can't attack": (lambda _: {"controls": Controls(8_000, 0)}, "in a plain CLK"),
    "attackers who are lucky": (lambda _: {"controls": Controls(9_900, 4_000)}, "in random bits"),
    "too many named": (lambda project: _attacks(project, named=20), "of 10,000 people may be named"),
    "too few attacked": (lambda _: {"records": 10}, "only 10 records"),
    "too few people recognised": (lambda _: {"known_people": 4}, "are agreed"),
}


def _attacks(project: Project, **changes: Any) -> dict[str, Any]:
    """Other figures in the first of the attacks."""
    attacks = risk.attacks(project.agreement.content, RECORDS)
    return {"attacks": (risk.attacked(attacks[0], **changes), *attacks[1:])}


@pytest.mark.parametrize("fault", FAILING)
def test_encode_with_a_statement_that_does_not_pass(limiting_project: Project, fault: str) -> None:
    changes, says = FAILING[fault]
    limiting_project.state(POLICE, **changes(limiting_project))
    refused(*encode(limiting_project), status=9, says=says, within=limiting_project.folder)


def test_encode_of_a_table_that_has_changed_since(limiting_project: Project) -> None:
    path = limiting_project.data(POLICE)
    path.write_bytes(path.read_bytes().replace(b"\n", b"\r\n"))
    done(*encode(limiting_project), "--force")
    lines = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(b"".join([lines[0], *lines[2:], lines[1]]))
    result = refused(
        *encode(limiting_project),
        "--force",
        status=7,
        says="the table has changed",
        within=limiting_project.folder,
    )
    assert "pprl risk" in result.stderr


def test_encode_with_a_statement_of_somebody_else(limiting_project: Project) -> None:
    court = limiting_project.holdings(COURT_DEPT).risk_statement(COURT)
    kept(limiting_project).write_bytes(court.read_bytes())
    refused(*encode(limiting_project), status=7, says="is not by the key", within=limiting_project.folder)


def test_encode_with_a_statement_of_another_agreement(limiting_project: Project) -> None:
    limiting_project.state(POLICE, agreement_sha256="5" * 64)
    refused(
        *encode(limiting_project), status=7, says="about another agreement", within=limiting_project.folder
    )


def test_encode_with_another_salt_key_than_the_statements(limiting_project: Project) -> None:
    holdings = limiting_project.holdings(POLICE_DEPT)
    holdings.risk_salt(POLICE).unlink()
    refused(*encode(limiting_project), status=5, says="salt key", within=limiting_project.folder)
    holdings.risk_salt(POLICE).write_bytes(holdings.linkage_secret.read_bytes())
    holdings.risk_salt(POLICE).chmod(0o600)
    refused(*encode(limiting_project), status=5, says="can't be used", within=limiting_project.folder)


def test_nothing_is_asked_where_no_limits_are_agreed(project: Project) -> None:
    own = ("-a", project.agreement_path, "-k", project.key(POLICE_DEPT))
    done("pprl", "encode", project.data(POLICE), *own, "-o", project.folder / "new.submission")
    assert submission.risk_in(encodings(project, project.folder / "new.submission").header) == b""


# At the coordinator, from departments that have cut their own gate out.


def _signed(project: Project, by: str = POLICE_DEPT, root: str | None = None, **changes: Any) -> bytes:
    rows_root = open_risk_statement(
        kept(project).read_bytes(), agreement=project.agreement, dataset=POLICE
    ).rows_root
    statement = risk.passing(project.agreement, POLICE, RECORDS, **changes)
    return risk.sign(project.identity(by), statement, root or rows_root)


def _changed_after_signing(project: Project) -> bytes:
    envelope = dsse.parse_envelope(_signed(project, controls=Controls(8_000, 0)), what="it")
    return dsse.write_envelope(
        replace(envelope, payload=envelope.payload.replace(b'"plain_clk":8000', b'"plain_clk":9900'))
    )


def _with_another_upper_end(project: Project) -> bytes:
    statement = risk.passing(project.agreement, POLICE, RECORDS, **_attacks(project, named=20))
    predicate = json.loads(canonical.dumps(statement.to_predicate()))
    predicate["attacks"][0]["upper_per_10000"] = 10
    return sign_statement(
        project.identity(POLICE_DEPT), kind=RISK_STATEMENT_KIND, subject=POLICE, sha256="0" * 64, predicate=predicate
    )  # fmt: skip


SENT: dict[str, tuple[Callable[[Project], bytes], int, str]] = {
    "no statement": (lambda _: b"", 9, "without the risk statement"),
    "no statement but bytes": (lambda _: b"{}", 6, "the risk statement of 'police'"),
    "forged": (lambda project: _signed(project, by=COURT_DEPT), 7, "is not by the key"),
    "another dataset's": (lambda project: _signed(project, dataset=COURT), 7, "about another dataset"),
    "another agreement's": (
        lambda project: _signed(project, agreement_sha256="5" * 64), 7, "about another agreement",
    ),
    "another table's": (lambda project: _signed(project, root="0" * 64), 7, "the table has changed"),
    "figures changed": (_changed_after_signing, 7, "is not by the key"),
    "a figure that does not follow": (_with_another_upper_end, 6, "not the one of its named and of"),
    "more records than there are": (lambda project: _signed(project, records=RECORDS + 1), 9, "there are 56"),
    **{
        fault: (lambda project, changes=changes: _signed(project, **changes(project)), 9, says)  # type: ignore[misc]
        for fault, (changes, says) in FAILING.items()
    },
}  # fmt: skip


@pytest.mark.parametrize("what", SENT)
def test_receive_from_a_department_that_has_cut_its_gate_out(limiting_project: Project, what: str) -> None:
    made, status, says = SENT[what]
    matcher_of(limiting_project)
    words = received(limiting_project, limiting_project.bypassing(POLICE, made(limiting_project)))
    refused(*words, status=status, says=says, within=limiting_project.folder)


def test_receive_from_software_that_knows_no_statements(limiting_project: Project, project: Project) -> None:
    """A header without the member is no header of this agreement, nor is one with it of another."""
    found = encodings(limiting_project, limiting_project.submission(POLICE))
    members = {name: getattr(found.header, name) for name in submission.ClkHeader.model_fields}
    old = submission.write_encodings(replace(found, header=submission.ClkHeader(**members)))
    with pytest.raises(FormatError, match="risk"):
        submission.parse_encodings(old, limiting_project.agreement)
    with pytest.raises(FormatError, match="unknown key"):
        submission.parse_encodings(submission.write_encodings(found), project.agreement)


def test_an_exception_is_of_one_holder_alone(project: Project) -> None:
    other = project.limiting(risk.RISK + risk.exception("key-issuer") + risk.exception("together"))
    statement = project.stated(POLICE, other).statement
    file = project.bypassing(POLICE, statement, other)
    project.adopt(other)
    matcher_of(project)
    refused(*received(project, file), status=9, says="matcher: up to", within=project.folder)


# All of it.


def test_the_steps_to_a_verified_run_with_commands(limiting_project: Project) -> None:
    project = limiting_project
    for role, word, key in ((Role.MATCHER, "matcher", MATCHER), (Role.KEY_ISSUER, "issuer", ISSUER)):
        store = ("--store", project.store(role))
        done("coordinator", "init", "--role", word, "-k", project.key(key), *store)
        done("coordinator", "agreement", "register", project.agreement_path, *store)
    for dataset in DATASETS:
        project.submission(dataset).unlink()
        project.home_map(dataset).unlink()
        own = ("-a", project.agreement_path, "-k", project.key(f"{dataset}-dept"))
        done(
            "pprl", "encode", project.data(dataset), *own, "-o", project.submission(dataset), "--force"
        )  # the row salts of the other agreement are there
        for role in (Role.MATCHER, Role.KEY_ISSUER):
            done("coordinator", "receive", project.submission(dataset), "--store", project.store(role))
    told = _log_of(project)
    for dataset in DATASETS:
        statement = project.holdings(f"{dataset}-dept").risk_statement(dataset).read_bytes()
        assert told[dataset] == hashlib.sha256(statement).hexdigest()
    assert len(told) == len(DATASETS)


def _log_of(project: Project) -> dict[str, str]:
    """What the matcher's log tells of risk statements, by dataset."""
    from coordinator import log  # noqa: PLC0415 - beside the command-line tests' own imports
    from tests.support.exported import opened_store  # noqa: PLC0415

    me = opened_store(project, MATCHER)
    assert len(log.verify(me, None)) == 5
    entries = [json.loads(each) for each in log.read(me, None).entries]
    assert operations.status(me)
    return {
        each["detail"]["container"]["dataset"]: each["detail"]["risk_sha256"]
        for each in entries
        if "risk_sha256" in each["detail"]
    }


def test_field_filters_carry_a_statement_of_their_own_attacks(field_filter_project: Project) -> None:
    project = field_filter_project
    project.limit()
    matcher_of(project)
    attacks = risk.attacks(project.agreement.content, RECORDS)
    without = tuple(each for each in attacks if each.holder != "together")
    words = received(project, project.bypassing(POLICE, _signed(project, attacks=without)))
    refused(*words, status=9, says="the attack 'record_blocks' (together", within=project.folder)
    done("coordinator", "receive", project.submission(POLICE), "--store", project.store(Role.MATCHER))
