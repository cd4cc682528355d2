"""What a party signs when it signs the agreement, and the agreement once everybody has.

Every party that has keys in an agreement signs the agreement's bytes, in a statement of kind `agreement-signature`
(docs/formats/agreement-signature.md). With its signature it gives out two things for this agreement alone: its *run
key*, to which everything is sealed that is sent to it, and, if it is a department, the commitment to its share of the
linkage secret. Where a version replaces an earlier one, the earlier one's parties agree to that by a signature under
the keys that they had then.

This module owns the values and their spelling; `pprl.crypto.signatures` verifies.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any

from pprl.errors import FormatError, VerificationError
from pprl.protocol import members
from pprl.protocol.agreement import Agreement, AgreementFile, Party
from pprl.protocol.transcript import Transcript

SIGNATURE_KIND = "agreement-signature"
SUCCESSION_KIND = "agreement-succession"
RUN_KEY_BYTES = 1_216

_SIGNATURE = {"commitment", "party", "run_key", "signed_on", "version"}
_SUCCESSION = {"party", "signed_on", "version"}


@dataclass(frozen=True, slots=True)
class AgreementSignature:
    """That a party has signed an agreement, and what it gave out with it.

    Attributes:
        party: who signed.
        version: the version that it meant to sign.
        run_key: its public X-Wing key for this agreement, 1,216 bytes in base64.
        commitment: of its share of the linkage secret, 64 hexadecimal digits; None but for departments.
        signed_on: the day, by the signer's clock.
    """

    party: str
    version: int
    run_key: str
    commitment: str | None
    signed_on: date

    def __post_init__(self) -> None:
        members.name(self.party, "The party of an agreement's signature")
        members.count(self.version, "The version of an agreement's signature", least=1)
        raw = members.from_base64(self.run_key, "The run_key of an agreement's signature")
        members.length(raw, RUN_KEY_BYTES, "The run_key of an agreement's signature")
        if self.commitment is not None:
            members.text(self.commitment, members.SHA256, "The commitment of an agreement's signature")

    @property
    def run_key_sha256(self) -> str:
        """What the transcript tells of the run key: SHA-256 of its bytes, 64 hexadecimal digits."""
        return hashlib.sha256(members.from_base64(self.run_key, "The run_key")).hexdigest()

    def to_predicate(self) -> dict[str, Any]:
        """The members of the statement's predicate."""
        return {
            "commitment": self.commitment,
            "party": self.party,
            "run_key": self.run_key,
            "signed_on": self.signed_on.isoformat(),
            "version": self.version,
        }

    @classmethod
    def from_predicate(cls, tree: Any) -> AgreementSignature:
        """Read a predicate, strictly.

        Raises:
            FormatError: anything else; no other exception.
        """
        found = members.an_object(tree, _SIGNATURE, "An agreement's signature")
        return cls(
            party=found["party"],
            version=found["version"],
            run_key=found["run_key"],
            commitment=found["commitment"],
            signed_on=a_day(found["signed_on"], "The signed_on of an agreement's signature"),
        )


@dataclass(frozen=True, slots=True)
class Succession:
    """That a party of the version before agrees to be succeeded by a version that no longer has its keys."""

    party: str
    version: int
    signed_on: date

    def __post_init__(self) -> None:
        members.name(self.party, "The party of a succession")
        members.count(self.version, "The version of a succession", least=2)

    def to_predicate(self) -> dict[str, Any]:
        """The members of the statement's predicate."""
        return {"party": self.party, "signed_on": self.signed_on.isoformat(), "version": self.version}

    @classmethod
    def from_predicate(cls, tree: Any) -> Succession:
        """Read a predicate, strictly.

        Raises:
            FormatError: anything else; no other exception.
        """
        found = members.an_object(tree, _SUCCESSION, "A succession")
        return cls(
            found["party"], found["version"], a_day(found["signed_on"], "The signed_on of a succession")
        )


@dataclass(frozen=True, slots=True)
class SignedAgreement:
    """An agreement that every party with keys has signed. Made by `pprl.crypto.signatures.verify_all` alone.

    Attributes:
        file: the agreement.
        signatures: by party.
    """

    file: AgreementFile
    signatures: Mapping[str, AgreementSignature]

    @property
    def content(self) -> Agreement:
        """The parsed agreement."""
        return self.file.content

    @property
    def sha256(self) -> str:
        """The agreement's name, 64 hexadecimal digits."""
        return self.file.sha256

    def run_key_of(self, party: Party) -> str:
        """The public key to which content for a party is sealed, in base64.

        Raises:
            VerificationError: the party has not signed: it has no keys.
        """
        signature = self.signatures.get(party.id)
        if signature is None:
            raise VerificationError(f"'{party.id}' has no keys in the agreement and has not signed it.")
        return signature.run_key

    @property
    def transcript(self) -> Transcript:
        """What the signatures gave out: the ceremony to which everything under this agreement is bound."""
        return transcript_of(self.file, self.signatures)


def transcript_of(agreement: AgreementFile, signatures: Mapping[str, AgreementSignature]) -> Transcript:
    """The departments' commitments and everybody's run keys under an agreement.

    Raises:
        VerificationError: two departments have the same commitment.
    """
    told = {party: each.commitment for party, each in signatures.items() if each.commitment is not None}
    return Transcript(
        agreement.sha256, told, {party: each.run_key_sha256 for party, each in signatures.items()}
    )


def signatories(agreement: Agreement) -> Iterator[Party]:
    """The parties that sign: all that have keys, in the agreement's order."""
    return (party for party in agreement.party if party.keys is not None)


def others(agreement: Agreement, party_id: str) -> list[str]:
    """The ids of all signatories but one, in the agreement's order."""
    return [party.id for party in signatories(agreement) if party.id != party_id]


def a_day(value: Any, what: str) -> date:
    """A day as ISO 8601 writes it, and no other spelling.

    Raises:
        FormatError: it is none; `what` names it.
    """
    try:
        day = date.fromisoformat(value if isinstance(value, str) else "")
    except ValueError:
        raise FormatError(f"{what} is no day.") from None
    if day.isoformat() != value:
        raise FormatError(f"{what} is no day such as 2027-01-31.")
    return day
