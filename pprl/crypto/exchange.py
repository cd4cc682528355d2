"""Sealing a document to a party of the agreement, and opening one from a party of it.

The one way in which anything crosses between organisations, whoever sends it: departments, matcher and key
issuer alike.
"""

from __future__ import annotations

import io
from dataclasses import dataclass
from datetime import date
from typing import BinaryIO

from pprl.crypto import container
from pprl.crypto.container import Opened
from pprl.crypto.identity import Identity, require_usable, same_keys
from pprl.crypto.x_wing import XWingKey
from pprl.errors import ConfigError, VerificationError
from pprl.protocol.agreement import Agreement, AgreementFile, Party, readiness
from pprl.protocol.envelope import Binding
from pprl.protocol.signatures import SignedAgreement


def require_in_force(agreement: AgreementFile, *, today: date) -> None:
    """Refuse an agreement that is expired, not begun or not filled in. Every step runs this first.

    Raises:
        ConfigError: with one finding for each thing that is missing; or a party's public keys are damaged.
    """
    findings = readiness(agreement.content, today=today)
    if findings:
        raise ConfigError(
            "The agreement can't be used yet, or no longer.",
            hint="Run 'pprl agreement check' for all of it.",
            findings=findings,
        )
    for party in agreement.content.party:
        if party.keys is not None:
            require_usable(party.keys, party=party.id)


def require_mine(agreement: Agreement, identity: Identity) -> Party:
    """The party of an identity, if the agreement gives it these very keys.

    Raises:
        VerificationError: the agreement has other keys for that party.
    """
    party = agreement.party_named(identity.party)
    if party.keys is None or not same_keys(party.keys, identity.public):
        raise VerificationError(
            f"The agreement gives '{identity.party}' other public keys than this key file has.",
            hint="Use the key file whose party card was pasted into the agreement.",
        )
    return party


@dataclass(frozen=True, slots=True)
class Signatory:
    """A party at work under an agreement that everybody has signed: who it is, and what it opens with.

    Attributes:
        identity: the keys with which it signs.
        agreement: what everything is bound to.
        run_key: the private half of the key to which others seal, for this agreement alone.
    """

    identity: Identity
    agreement: SignedAgreement
    run_key: XWingKey

    @classmethod
    def take_seat(cls, identity: Identity, agreement: SignedAgreement, run_key: XWingKey) -> Signatory:
        """A signatory whose keys are the ones that the agreement and its signature give it.

        Raises:
            VerificationError: they are others.
        """
        party = require_mine(agreement.content, identity)
        if agreement.run_key_of(party) != run_key.public:
            raise VerificationError(
                f"The run key that is kept here is not the one that '{party.id}' signed with.",
                hint="Use the signature that was made together with it, or restore the run key.",
            )
        return cls(identity, agreement, run_key)

    @property
    def party(self) -> Party:
        """The agreement's entry of this party."""
        return self.agreement.content.party_named(self.identity.party)


def seal_for(
    recipient: Party,
    plaintext: bytes,
    *,
    me: Signatory,
    kind: str,
    records: int,
    dataset: str = "",
    submission: str = "",
) -> bytes:
    """A container that only the recipient can open, and that only the sender can have made.

    Args:
        recipient: a party of the agreement that has signed.
        plaintext: the document.
        me: who seals.
        kind: what the document is.
        records: the records of its dataset, or of all datasets; docs/protocol.md says which for each kind.
        dataset: what dataset it is about, if one.
        submission: what submission it is part of, if one; 32 hexadecimal digits.

    Leaks: to whoever carries it, everything but the plaintext: sender, recipient, kind, sizes and counts.
    """
    sealed = io.BytesIO()
    seal_into(
        sealed, recipient, io.BytesIO(plaintext), len(plaintext),
        me=me, kind=kind, records=records, dataset=dataset, submission=submission,
    )  # fmt: skip
    return sealed.getvalue()


def seal_into(
    out: BinaryIO,
    recipient: Party,
    plaintext: BinaryIO,
    plaintext_bytes: int,
    *,
    me: Signatory,
    kind: str,
    records: int,
    dataset: str = "",
    submission: str = "",
) -> str:
    """`seal_for` of a document of any size, which is read once.

    Args:
        out: where the container goes; nothing is written unless the whole document could be sealed.
        recipient: a party of the agreement that has signed.
        plaintext: the document.
        plaintext_bytes: its length.
        me: who seals.
        kind: what the document is.
        records: as for `seal_for`.
        dataset: what dataset it is about, if one.
        submission: what submission it is part of, if one.

    Returns:
        SHA-256 of the container, 64 hexadecimal digits.

    Leaks: as `seal_for`.
    """
    binding = Binding(
        agreement_sha256=me.agreement.sha256,
        agreement_version=me.agreement.content.project.version,
        sender=me.identity.party,
        recipient=recipient.id,
        kind=kind,
        dataset=dataset,
        submission=submission,
        sequence=1,
        previous_sha256=None,
        plaintext_bytes=plaintext_bytes,
        records=records,
        transcript=me.agreement.transcript.sha256,
    )
    run_key = me.agreement.run_key_of(recipient)
    return container.seal(plaintext, out, binding=binding, sender=me.identity, sealed_to=run_key)


def open_from(sealed: bytes, *, me: Signatory, kind: str, sender: str | None = None) -> tuple[Opened, bytes]:
    """What a container holds, after every check that `container.open_container` numbers.

    Args:
        sealed: the container.
        me: who opens, under the agreement that the container must be bound to.
        kind: what it must be.
        sender: who must have sent it; any party of the agreement if None.

    Raises:
        FormatError: the bytes are no container.
        VerificationError: it is not trusted.
    """
    opened, content = open_stream_from(io.BytesIO(sealed), me=me, kind=kind, sender=sender)
    return opened, content.read()


def open_stream_from(
    sealed: BinaryIO, *, me: Signatory, kind: str, sender: str | None = None
) -> tuple[Opened, BinaryIO]:
    """`open_from`, whose document is decrypted while it is read: nothing of it counts until it was read to its end.

    Args:
        sealed: the container; it stays open as long as the document is read.
        me: who opens, under the agreement that the container must be bound to.
        kind: what it must be.
        sender: who must have sent it; any party of the agreement if None.

    Raises:
        FormatError: the bytes are no container.
        VerificationError: it is not trusted; also while it is read.
    """
    return container.open_stream(
        sealed, me=me.identity, opens_with=me.run_key, agreement=me.agreement.file, kind=kind, sender=sender,
        transcript=me.agreement.transcript.sha256,
    )  # fmt: skip


def require_as_bound(binding: Binding, *, dataset: str, records: int, submission: str = "") -> None:
    """Refuse a document that tells something else than its envelope, which is what receipts and logs quote.

    Args:
        binding: the verified envelope's.
        dataset: the dataset that the document names, if one.
        records: the records of its dataset or datasets that it names.
        submission: the submission that it names, if one.

    Raises:
        VerificationError: they differ.
    """
    if (binding.dataset, binding.records, binding.submission) != (dataset, records, submission):
        raise VerificationError(
            "The document names another dataset, submission or number of records than its envelope."
        )
