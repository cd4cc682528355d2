"""Signing what attackers did to a table, and verifying that its department said so: with public keys alone."""

from __future__ import annotations

from dataclasses import dataclass

from pprl.crypto.identity import Identity
from pprl.crypto.statements import open_statement, sign_statement
from pprl.errors import DisclosureError, VerificationError
from pprl.protocol.agreement import AgreementFile
from pprl.protocol.dsse import Statement
from pprl.protocol.risk_statement import RISK_STATEMENT_KIND, RiskStatement, judge

HOW_TO_MEND = "Run 'pprl risk --sign' on the table, and encode again."


@dataclass(frozen=True, slots=True)
class StatedRisk:
    """A statement that its department signed, and the rows that it is about.

    Attributes:
        statement: what is stated.
        rows_root: root of the rows that were attacked, 64 hexadecimal digits.
    """

    statement: RiskStatement
    rows_root: str


def sign_risk_statement(identity: Identity, statement: RiskStatement, *, rows_root: str) -> bytes:
    """A statement's file. Run by the department once its attacks are over.

    Args:
        identity: the department.
        statement: what it states.
        rows_root: root of the rows that were attacked, under the salt key that encodes them afterwards.

    Leaks: nothing about a person: how many of its records attackers named, and the root, which tells nothing
        to who has not the salt key.
    """
    return sign_statement(
        identity,
        kind=RISK_STATEMENT_KIND,
        subject=statement.dataset,
        sha256=rows_root,
        predicate=statement.to_predicate(),
    )


def open_risk_statement(raw: bytes, *, agreement: AgreementFile, dataset: str) -> StatedRisk:
    """Verify whose statement it is, and about what. The checks, in this order:

    1. it is a statement of its kind, strictly spelt, signed by both keys of the party that brings the dataset;
    2. it is about this agreement;
    3. it is about this dataset, in its subject and inside.

    **What the caller still owes**: that the rows are those of the submission, and that it passes: `require_passing`.

    Args:
        raw: the file's bytes.
        agreement: the agreement.
        dataset: which dataset of it.

    Raises:
        FormatError: the bytes are no such statement.
        VerificationError: it is not the department's, or not about this.
    """  # noqa: D415 - the list belongs to the sentence
    what = f"the risk statement of '{dataset}'"
    signer = agreement.content.party_named(agreement.content.dataset_named(dataset).party)
    if signer.keys is None:
        raise VerificationError(f"'{signer.id}' has no keys in the agreement.")
    signed = open_statement(raw, kind=RISK_STATEMENT_KIND, keys=signer.keys, what=what)  # 1
    statement = RiskStatement.from_predicate(signed.predicate)  # 1
    _check_agreement(statement, agreement)  # 2
    _check_dataset(statement, signed, dataset)  # 3
    return StatedRisk(statement, signed.sha256)


def require_passing(
    stated: StatedRisk, agreement: AgreementFile, *, rows_root: str | None = None, rows: int | None = None
) -> None:
    """Refuse a table whose risk statement does not let it leave.

    1. It was made of the very rows: its root is theirs.
    2. It passes (`pprl.protocol.risk_statement.judge`).

    Args:
        stated: the statement, verified by `open_risk_statement`.
        agreement: sets the limits.
        rows_root: root of the rows that are sent, where it is known.
        rows: how many there are, where it is known.

    Raises:
        VerificationError: 1.
        DisclosureError: 2, with a finding for each fault.
    """
    if rows_root is not None:
        _check_rows(stated, rows_root)  # 1
    _check_passes(stated, agreement, rows)  # 2


def _check_agreement(statement: RiskStatement, agreement: AgreementFile) -> None:
    if statement.agreement_sha256 != agreement.sha256:
        raise VerificationError(
            f"The risk statement of '{statement.dataset}' is about another agreement.", hint=HOW_TO_MEND
        )


def _check_dataset(statement: RiskStatement, signed: Statement, dataset: str) -> None:
    if (statement.dataset, signed.subject) != (dataset, dataset):
        raise VerificationError(
            f"The risk statement of '{dataset}' is about another dataset.", hint=HOW_TO_MEND
        )


def _check_rows(stated: StatedRisk, rows_root: str) -> None:
    if stated.rows_root != rows_root:
        raise VerificationError(
            f"The risk statement of '{stated.statement.dataset}' is of other rows than these: the table has changed.",
            hint=HOW_TO_MEND,
        )


def _check_passes(stated: StatedRisk, agreement: AgreementFile, rows: int | None) -> None:
    findings = judge(stated.statement, agreement.content, rows=rows)
    if findings:
        raise DisclosureError(
            f"The risk statement of '{stated.statement.dataset}' does not pass: {findings[0].rule}.",
            hint="Agree an encoding that withstands the attacks, or an exception that a named officer answers for.",
            findings=findings,
        )
