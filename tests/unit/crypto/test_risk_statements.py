"""Whose risk statement it is, and about what."""

from __future__ import annotations

from dataclasses import replace

import pytest

from pprl.agreements.amend import with_keys
from pprl.crypto.risk_statements import open_risk_statement, require_passing
from pprl.crypto.statements import sign_statement
from pprl.errors import DisclosureError, FormatError, VerificationError
from pprl.protocol.agreement import parse
from pprl.protocol.certificate import CERTIFICATE_KIND
from pprl.protocol.risk_statement import RISK_STATEMENT_KIND
from tests.support.risk import CUT_SHORT, RISK, passing, sign, with_attack, with_risk
from tests.unit.agreements.conftest import EXAMPLES
from tests.unit.crypto.forgery import identity

NORTH, SOUTH, ROOT, ROWS = identity("north"), identity("south"), "e" * 64, 6_000
TEXT = with_risk((EXAMPLES / "two-parties.toml").read_text(), RISK)
AGREEMENT = parse(with_keys(TEXT, {"north": NORTH.public, "south": SOUTH.public}).encode(), where="x")
DATASET, OTHER = (each.name for each in AGREEMENT.content.dataset)
STATEMENT = passing(AGREEMENT, DATASET, ROWS)
SIGNED = sign(NORTH, STATEMENT, ROOT)


def test_a_department_states_what_its_attackers_did() -> None:
    stated = open_risk_statement(SIGNED, agreement=AGREEMENT, dataset=DATASET)
    assert (stated.statement, stated.rows_root) == (STATEMENT, ROOT)
    require_passing(stated, AGREEMENT)
    require_passing(stated, AGREEMENT, rows_root=ROOT, rows=ROWS)


def test_only_the_department_of_the_dataset_states_it() -> None:
    with pytest.raises(VerificationError, match="Ed25519"):
        open_risk_statement(sign(SOUTH, STATEMENT, ROOT), agreement=AGREEMENT, dataset=DATASET)
    with pytest.raises(VerificationError, match="Ed25519"):
        open_risk_statement(SIGNED, agreement=AGREEMENT, dataset=OTHER)
    keyless = parse(TEXT.encode(), where="x")
    with pytest.raises(VerificationError, match="no keys"):
        open_risk_statement(SIGNED, agreement=keyless, dataset=DATASET)


def test_it_is_about_this_agreement_and_dataset() -> None:
    other = sign(NORTH, replace(STATEMENT, agreement_sha256="5" * 64), ROOT)
    with pytest.raises(VerificationError, match="another agreement"):
        open_risk_statement(other, agreement=AGREEMENT, dataset=DATASET)
    for subject, inside in ((OTHER, DATASET), (DATASET, OTHER)):
        predicate = replace(STATEMENT, dataset=inside).to_predicate()
        raw = sign_statement(
            NORTH, kind=RISK_STATEMENT_KIND, subject=subject, sha256=ROOT, predicate=predicate
        )
        with pytest.raises(VerificationError, match="another dataset"):
            open_risk_statement(raw, agreement=AGREEMENT, dataset=DATASET)


def test_another_kind_of_statement_is_none() -> None:
    raw = sign_statement(
        NORTH, kind=CERTIFICATE_KIND, subject=DATASET, sha256=ROOT, predicate=STATEMENT.to_predicate()
    )
    with pytest.raises(FormatError, match="predicateType"):
        open_risk_statement(raw, agreement=AGREEMENT, dataset=DATASET)


def test_it_passes_for_the_very_rows_alone() -> None:
    stated = open_risk_statement(SIGNED, agreement=AGREEMENT, dataset=DATASET)
    with pytest.raises(VerificationError, match="the table has changed") as caught:
        require_passing(stated, AGREEMENT, rows_root="f" * 64)
    assert "pprl risk" in caught.value.hint


def test_one_that_does_not_pass_is_refused_with_every_fault() -> None:
    failing = with_attack(with_attack(STATEMENT, 0, named=900), 1, **CUT_SHORT)
    stated = open_risk_statement(sign(NORTH, failing, ROOT), agreement=AGREEMENT, dataset=DATASET)
    with pytest.raises(DisclosureError, match="does not pass") as caught:
        require_passing(stated, AGREEMENT, rows_root=ROOT, rows=ROWS)
    assert len(caught.value.findings) == 2
