"""Certifying a destruction, and verifying that somebody did: with public keys alone."""

from __future__ import annotations

import hashlib
from datetime import date

from pprl.crypto.identity import Identity
from pprl.crypto.statements import open_statement, sign_statement
from pprl.errors import VerificationError
from pprl.protocol import members
from pprl.protocol.agreement import Party
from pprl.protocol.certificate import CERTIFICATE_KIND, Certificate
from pprl.protocol.dsse import Statement
from pprl.protocol.signatures import SignedAgreement


def run_key_sha256(agreement: SignedAgreement, party: Party) -> str:
    """How a certificate names a party's run key: the digest of its 1,216 public bytes."""
    raw = members.from_base64(agreement.run_key_of(party), f"The run key of '{party.id}'")
    return hashlib.sha256(raw).hexdigest()


def sign_certificate(identity: Identity, agreement: SignedAgreement, certificate: Certificate) -> bytes:
    """A certificate's file. Run by the coordinator once all that it tells is gone."""
    return sign_statement(
        identity,
        kind=CERTIFICATE_KIND,
        subject=agreement.content.project.id,
        sha256=agreement.sha256,
        predicate=certificate.to_predicate(),
    )


def open_certificate(raw: bytes, *, agreement: SignedAgreement, party: str, today: date) -> Certificate:
    """Verify a certificate of a party. The checks, in this order:

    1. it is a statement of its kind, signed by both of the party's keys;
    2. its subject is this agreement: project and digest;
    3. it names the party, and roles of a coordinator that the agreement gives it;
    4. the run key that it says is gone is the one that the party gave out with its signature of the agreement;
    5. it is not of a day before that signature, nor of a day to come.

    **What the caller still owes**, who has the party's log: that the log's last entry has the digest of these
    bytes, and that every container which the log says the party held is among the destroyed ones.

    Args:
        raw: the file's bytes.
        agreement: the agreement, signed by all.
        party: whose certificate it must be.
        today: the day.

    Raises:
        FormatError: the bytes are no such certificate.
        VerificationError: it is not the party's, or not about this agreement.
    """  # noqa: D415 - the list belongs to the sentence
    what = f"the certificate of '{party}'"
    signer = agreement.content.party_named(party)
    if signer.keys is None:
        raise VerificationError(f"'{party}' has no keys in the agreement.")
    statement = open_statement(raw, kind=CERTIFICATE_KIND, keys=signer.keys, what=what)  # 1
    certificate = Certificate.from_predicate(statement.predicate)
    _check_subject(statement, agreement, what)  # 2
    _check_signer(certificate, signer, what)  # 3
    _check_run_key(certificate, run_key_sha256(agreement, signer), what)  # 4
    _check_day(certificate, agreement.signatures[party].signed_on, today, what)  # 5
    return certificate


def _check_subject(statement: Statement, agreement: SignedAgreement, what: str) -> None:
    if (statement.subject, statement.sha256) != (agreement.content.project.id, agreement.sha256):
        raise VerificationError(f"{_first(what)} is about another agreement than this one.")


def _check_signer(certificate: Certificate, signer: Party, what: str) -> None:
    if certificate.party != signer.id or not set(certificate.roles) <= set(signer.roles):
        raise VerificationError(f"{_first(what)} names another party, or roles that it does not have.")


def _check_run_key(certificate: Certificate, expected: str, what: str) -> None:
    if certificate.run_key_sha256 != expected:
        raise VerificationError(
            f"{_first(what)} is of another run key than the one that the party signed the agreement with.",
            hint="What was sealed to the run key of the agreement may still be opened: ask the party.",
        )


def _check_day(certificate: Certificate, signed_on: date, today: date, what: str) -> None:
    if not signed_on <= certificate.destroyed_on <= today:
        raise VerificationError(
            f"{_first(what)} is of a day before its party signed the agreement, or of a day to come.",
            hint="Check the clocks.",
        )


def _first(what: str) -> str:
    return f"{what[:1].upper()}{what[1:]}"
