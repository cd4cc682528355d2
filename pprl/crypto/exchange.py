"""Sealing a document to a party of the agreement, and opening one from a party of it.

The one way in which anything crosses between organisations, whoever sends it: departments, matcher and key
issuer alike.
"""

from __future__ import annotations

import io
from datetime import date

from pprl.crypto import container
from pprl.crypto.container import Opened
from pprl.crypto.identity import Identity, require_usable
from pprl.errors import ConfigError, VerificationError
from pprl.protocol.agreement import Agreement, AgreementFile, Party, readiness
from pprl.protocol.envelope import Binding


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
    if party.keys != identity.public:
        raise VerificationError(
            f"The agreement gives '{identity.party}' other public keys than this key file has.",
            hint="Use the key file whose party card was pasted into the agreement.",
        )
    return party


def seal_for(
    recipient: Party,
    plaintext: bytes,
    *,
    sender: Identity,
    agreement: AgreementFile,
    kind: str,
    records: int,
    dataset: str = "",
) -> bytes:
    """A container that only the recipient can open, and that only the sender can have made.

    Args:
        recipient: a party of the agreement, with keys.
        plaintext: the document.
        sender: who seals; must be the agreement's party of that name.
        agreement: what everything is bound to.
        kind: what the document is.
        records: the records of its dataset, or of all datasets; docs/protocol.md says which for each kind.
        dataset: what dataset it is about, if one.

    Leaks: to whoever carries it, everything but the plaintext: sender, recipient, kind, sizes and counts.
    """
    require_mine(agreement.content, sender)
    if recipient.keys is None:
        raise ConfigError(
            f"'{recipient.id}' has no public keys in the agreement.", hint="Paste its party card."
        )
    binding = Binding(
        agreement_sha256=agreement.sha256,
        agreement_version=agreement.content.project.version,
        sender=sender.party,
        recipient=recipient.id,
        kind=kind,
        dataset=dataset,
        sequence=1,
        previous_sha256=None,
        plaintext_bytes=len(plaintext),
        records=records,
    )
    sealed = io.BytesIO()
    container.seal(io.BytesIO(plaintext), sealed, binding=binding, sender=sender, recipient=recipient.keys)
    return sealed.getvalue()


def open_from(
    sealed: bytes,
    *,
    me: Identity,
    agreement: AgreementFile,
    kind: str,
    sender: str | None = None,
) -> tuple[Opened, bytes]:
    """What a container holds, after every check that `container.open_container` numbers.

    Args:
        sealed: the container.
        me: who opens.
        agreement: what it must be bound to.
        kind: what it must be.
        sender: who must have sent it; any party of the agreement if None.

    Raises:
        FormatError: the bytes are no container.
        VerificationError: it is not trusted.
    """
    plaintext = io.BytesIO()
    opened = container.open_container(
        io.BytesIO(sealed), plaintext, me=me, agreement=agreement, kind=kind, sender=sender
    )
    return opened, plaintext.getvalue()


def require_as_bound(binding: Binding, *, dataset: str, records: int) -> None:
    """Refuse a document that tells something else than its envelope, which is what receipts and logs quote.

    Args:
        binding: the verified envelope's.
        dataset: the dataset that the document names, if one.
        records: the records of its dataset or datasets that it names.

    Raises:
        VerificationError: they differ.
    """
    if (binding.dataset, binding.records) != (dataset, records):
        raise VerificationError("The document names another dataset or number of records than its envelope.")
