"""A small agreement with its identities, and containers made by somebody who does not keep to the format."""

from __future__ import annotations

import hashlib
import io
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

from cryptography.cobblestone import Cobblestone256Encryptor

from pprl.crypto import container
from pprl.crypto.identity import CONTAINER_CONTEXT, Identity, wrap
from pprl.protocol import dsse, envelope
from pprl.protocol.agreement import Agreement, AgreementFile, Dataset, Party, PartyKeys, Project
from pprl.protocol.dsse import Envelope
from pprl.protocol.envelope import Binding, Statement

CONTENT = bytes(range(256)) * 200  # three full chunks and a short one
KIND = "encodings"


def identity(party: str, label: str = "") -> Identity:
    seeds = {
        algorithm: hashlib.sha256(f"test key, no secret: {party} {algorithm} {label}".encode()).digest()
        for algorithm in ("ed25519", "ml_dsa_65", "x_wing")
    }
    return Identity(party, seeds)


def agreement_of(
    keys: dict[str, PartyKeys | None], datasets: dict[str, str], *, raw: bytes, version: int = 1
) -> AgreementFile:
    return AgreementFile(
        only(
            Agreement,
            project=only(Project, version=version),
            party=tuple(only(Party, id=party, keys=each) for party, each in keys.items()),
            dataset=tuple(only(Dataset, name=name, party=party) for name, party in datasets.items()),
        ),
        raw,
    )


def only(section: Any, **fields: object) -> Any:
    """A section with no more than the fields that containers depend on."""
    return section.model_construct(**fields)


NORTH, SOUTH, OFFICE = identity("north"), identity("south"), identity("office")
DATASETS = {"north_register": "north", "south_register": "south"}
AGREED_KEYS: dict[str, PartyKeys | None] = {
    "north": NORTH.public,
    "south": SOUTH.public,
    "office": OFFICE.public,
    "auditor": None,
}
AGREEMENT = agreement_of(AGREED_KEYS, DATASETS, raw=b"the agreement of these tests\n")


def binding(**changes: object) -> Binding:
    usual = Binding(
        agreement_sha256=AGREEMENT.sha256,
        agreement_version=1,
        sender="north",
        recipient="office",
        kind=KIND,
        dataset="north_register",
        submission="5" * 32,
        sequence=1,
        previous_sha256=None,
        plaintext_bytes=len(CONTENT),
        records=200,
    )
    return replace(usual, **changes)  # type: ignore[arg-type]


def sealed(
    bound: Binding | None = None,
    *,
    content: bytes = CONTENT,
    sender: Identity = NORTH,
    recipient: PartyKeys = OFFICE.public,
) -> bytes:
    out = io.BytesIO()
    container.seal(
        io.BytesIO(content), out, binding=bound or binding(), sender=sender, sealed_to=recipient.x_wing
    )
    return out.getvalue()


@dataclass
class Parts:
    """A container taken apart, to be changed and put together again."""

    envelope: Envelope
    statement: Statement
    ciphertext: bytes

    @classmethod
    def of(cls, raw: bytes) -> Parts:
        end = envelope.PREFIX_BYTES + envelope.parse_prefix(raw[: envelope.PREFIX_BYTES])
        signed = envelope.parse_envelope(raw[envelope.PREFIX_BYTES : end])
        return cls(signed, envelope.parse_statement(signed.payload), raw[end:])

    def joined(self) -> bytes:
        return envelope.write_header(self.envelope) + self.ciphertext

    def signed_by(self, ed25519: Identity, ml_dsa_65: Identity, *, payload: bytes | None = None) -> bytes:
        payload = payload or envelope.write_statement(self.statement)
        message = dsse.signed_bytes(payload)
        self.envelope = Envelope(
            payload,
            ed25519.sign(message, context=CONTAINER_CONTEXT)[0],
            ml_dsa_65.sign(message, context=CONTAINER_CONTEXT)[1],
        )
        return self.joined()

    def with_ciphertext_of(self, change: Callable[[bytes], bytes], signer: Identity) -> bytes:
        self.ciphertext = change(self.ciphertext)
        digest = hashlib.sha256(self.ciphertext).hexdigest()
        self.statement = replace(self.statement, ciphertext_sha256=digest)
        return self.signed_by(signer, signer)


def with_header(raw: bytes, change: Callable[[bytes], bytes]) -> bytes:
    """The container with its header's bytes changed and their length put right."""
    end = envelope.PREFIX_BYTES + envelope.parse_prefix(raw[: envelope.PREFIX_BYTES])
    header = change(raw[envelope.PREFIX_BYTES : end])
    return raw[:8] + len(header).to_bytes(4, "big") + header + raw[end:]


def sealed_with_false_length(bound: Binding, content: bytes, signer: Identity, recipient: PartyKeys) -> bytes:
    """What a sender can make whose binding lies about the content's length."""
    key = b"\x07" * 32
    encryptor = Cobblestone256Encryptor(key, bound.digest)
    ciphertext = encryptor.update(content) + encryptor.finalize()
    statement = Statement(
        bound, hashlib.sha256(ciphertext).hexdigest(), wrap(key, recipient.x_wing, info=bound.digest)
    )
    empty = Envelope(b"", bytes(64), bytes(3309))
    return Parts(empty, statement, ciphertext).signed_by(signer, signer)


def opened(
    raw: bytes,
    *,
    me: Identity = OFFICE,
    agreement: AgreementFile = AGREEMENT,
    kind: str = KIND,
    sender: str | None = None,
    dataset: str | None = None,
    transcript: str = "",
    max_bytes: int = container.MAX_CONTAINER_BYTES,
) -> tuple[container.Opened, bytes]:
    out = io.BytesIO()
    result = container.open_container(
        io.BytesIO(raw),
        out,
        me=me,
        opens_with=me.x_wing,
        agreement=agreement,
        kind=kind,
        sender=sender,
        dataset=dataset,
        transcript=transcript,
        max_bytes=max_bytes,
    )
    return result, out.getvalue()
