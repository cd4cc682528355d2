"""Checks of the agreement in hand, by which everything else is judged."""

from __future__ import annotations

from datetime import date

from pprl.crypto import signatures
from pprl.crypto.words import words
from pprl.protocol.agreement import AgreementFile, parse
from pprl.protocol.exported import AgreedVersion
from pprl.protocol.signatures import SignedAgreement
from pprl.verification.case import Case


def check_agreement(case: Case) -> str:
    """Read the agreement in hand."""
    case.agreement = parse(case.in_hand.agreement, where="The agreement in hand")
    project = case.content.project
    spoken = words(bytes.fromhex(case.file.sha256))
    return f"'{project.id}', version {project.version}, SHA-256 {case.file.sha256}: {spoken}"


def check_signatures(case: Case) -> str:
    """See that everybody signed it."""
    case.signed = verified(case.in_hand, case.file, case.today)
    return f"signed by {', '.join(case.signed.signatures)}"


def verified(version: AgreedVersion, agreement: AgreementFile, today: date) -> SignedAgreement:
    """A version of the agreement, signed by everybody who must.

    Raises:
        ProtocolError: signatures, or the version before, are missing.
        VerificationError: one is not right.
    """
    previous = None if version.previous is None else parse(version.previous, where="The version before")
    return signatures.verify_all(
        agreement, version.signatures, previous=previous, successions=version.successions, today=today
    )
