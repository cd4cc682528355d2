"""The envelope of a container: what is sealed for whom, by whom, for which step, and signed as such.

Everything personal that leaves a party travels in a container (docs/formats/envelope.md specifies it byte by
byte):

    8 bytes     the ASCII characters PPRLENV1
    4 bytes     length of the header, big-endian
    header      a DSSE envelope in canonical JSON: the payload and two signatures over it
    the rest    the ciphertext, of exactly the length that follows from the bound length of the plaintext

The payload is an in-toto Statement whose subject is the ciphertext's SHA-256 and whose predicate is the
`Binding` with the wrapped key. The digest of the binding stands again inside the encryption, so that a
ciphertext can't be given another sender, recipient or purpose by somebody who never held its key.

This module owns the bytes of the header. It verifies nothing: a parsed statement is a claim until
`pprl.crypto.container` has checked the signatures over the very bytes that it was parsed from.

Source: DSSE v1 (protocol and envelope), in-toto Statement v1, C2SP chunked-encryption (a stream's length).
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import asdict, dataclass, fields
from typing import Any

from pprl.errors import FormatError
from pprl.protocol import canonical, dsse, members
from pprl.protocol.dsse import Envelope

MAGIC = b"PPRLENV1"
LENGTH_BYTES = 4
PREFIX_BYTES = len(MAGIC) + LENGTH_BYTES
MAX_HEADER_BYTES = 65_536

KIND = "container"
SUITE = "X-Wing+HKDF-SHA256+AES-256-GCM/Cobblestone-256/Ed25519+ML-DSA-65"

WRAPPED_KEY_BYTES = 1_168  # HPKE: 1,120 of encapsulated key, 32 of content key, 16 of tag

CHUNK_BYTES = 16_384
_STREAM_START_BYTES = 24 + 32  # salt, key commitment
_TAG_BYTES = 16

_KIND = re.compile(r"[a-z][a-z0-9-]{0,39}")
_WHAT = "a container"


@dataclass(frozen=True, slots=True)
class Binding:
    """What a container is: every field is signed, and bound into its encryption.

    Attributes:
        agreement_sha256: the agreement under which it was made, 64 hexadecimal digits.
        agreement_version: that agreement's version.
        sender: id of the party that signs.
        recipient: id of the party that can open it.
        kind: the type of its content, such as `encodings`.
        dataset: the dataset that it is about; empty if it is not about one.
        submission: the submission that it is part of, 32 hexadecimal digits; empty if it is part of none.
        sequence: which of the sender's containers of this kind, dataset and recipient it is, from 1.
        previous_sha256: the container before it in that sequence; None for the first.
        plaintext_bytes: length of the content.
        records: the records of its dataset, or of all datasets: never how many pairs or links it holds; 0 where
            it is about none.
        transcript: the ceremony of the signatures that its sender holds, 64 hexadecimal digits; empty in what a party
            keeps for itself from before they were there.
    """

    agreement_sha256: str
    agreement_version: int
    sender: str
    recipient: str
    kind: str
    dataset: str
    submission: str
    sequence: int
    previous_sha256: str | None
    plaintext_bytes: int
    records: int
    transcript: str = ""

    def __post_init__(self) -> None:
        members.text(self.agreement_sha256, members.SHA256, _member("agreement_sha256"))
        members.count(self.agreement_version, _member("agreement_version"), least=1)
        members.name(self.sender, _member("sender"))
        members.name(self.recipient, _member("recipient"))
        members.text(self.kind, _KIND, _member("kind"))
        if self.dataset != "":
            members.name(self.dataset, _member("dataset"))
        if self.submission != "":
            members.text(self.submission, members.HEX_ID, _member("submission"))
        members.count(self.sequence, _member("sequence"), least=1)
        if self.previous_sha256 is not None:
            members.text(self.previous_sha256, members.SHA256, _member("previous_sha256"))
        if (self.sequence == 1) != (self.previous_sha256 is None):
            raise FormatError("A container's binding names a previous one exactly if it is not the first.")
        members.count(self.plaintext_bytes, _member("plaintext_bytes"))
        members.count(self.records, _member("records"))
        if self.transcript != "":
            members.text(self.transcript, members.SHA256, _member("transcript"))

    def to_json(self) -> dict[str, Any]:
        """The members of the JSON object that stands in the predicate."""
        return asdict(self)

    @property
    def digest(self) -> bytes:
        """SHA-256 of the binding in canonical JSON: what the encryption is bound to. 32 bytes."""
        return hashlib.sha256(canonical.dumps(self.to_json())).digest()

    @property
    def ciphertext_bytes(self) -> int:
        """The one length that the ciphertext of this content can have."""
        return ciphertext_bytes(self.plaintext_bytes)


@dataclass(frozen=True, slots=True)
class Statement:
    """What the sender signs.

    Attributes:
        binding: what the container is.
        ciphertext_sha256: digest of the ciphertext, 64 hexadecimal digits.
        wrapped_key: the content key, wrapped for the recipient; 1,168 bytes.
    """

    binding: Binding
    ciphertext_sha256: str
    wrapped_key: bytes

    def __post_init__(self) -> None:
        members.text(self.ciphertext_sha256, members.SHA256, "The ciphertext_sha256 of a container")
        members.length(self.wrapped_key, WRAPPED_KEY_BYTES, "The wrapped_key of a container")


def ciphertext_bytes(plaintext_bytes: int) -> int:
    """Length of a Cobblestone stream: salt, commitment, and a tag for each chunk, the last one always short.

    Args:
        plaintext_bytes: length of the content.

    Returns:
        Length of its ciphertext.

    Source: C2SP chunked-encryption, "Message chunking".
    """
    chunks = plaintext_bytes // CHUNK_BYTES + 1
    return _STREAM_START_BYTES + plaintext_bytes + chunks * _TAG_BYTES


def write_statement(statement: Statement) -> bytes:
    """A statement's bytes, ready to be signed. Run by the sender.

    Args:
        statement: the claim.

    Returns:
        Canonical JSON.
    """
    predicate = {
        "binding": statement.binding.to_json(),
        "suite": SUITE,
        "wrapped_key": members.to_base64(statement.wrapped_key),
    }
    return dsse.write_statement(
        dsse.Statement("ciphertext", statement.ciphertext_sha256, predicate), kind=KIND
    )


def parse_statement(payload: bytes) -> Statement:
    """Read a statement, strictly. Run by the recipient on bytes whose signatures it has verified.

    Args:
        payload: the bytes that were signed.

    Returns:
        The claim.

    Raises:
        FormatError: anything but a statement of this version; no other exception on any bytes.
    """
    signed = dsse.parse_statement(payload, kind=KIND, what=_WHAT)
    members.constant(signed.subject, "ciphertext", "The subject of a container")
    names = {"binding", "suite", "wrapped_key"}
    predicate = members.an_object(signed.predicate, names, "The predicate of a container")
    members.constant(predicate["suite"], SUITE, "The suite of a container")
    bound = {field.name for field in fields(Binding)}
    binding = members.an_object(predicate["binding"], bound, "The binding of a container")
    wrapped_key = members.from_base64(predicate["wrapped_key"], "The wrapped_key of a container")
    return Statement(Binding(**binding), signed.sha256, wrapped_key)


def write_header(envelope: Envelope) -> bytes:
    """All bytes of a container before its ciphertext. Run by the sender.

    Args:
        envelope: the signed statement.

    Returns:
        Magic, length and envelope.
    """
    header = dsse.write_envelope(envelope)
    return MAGIC + len(header).to_bytes(LENGTH_BYTES, "big") + header


def parse_prefix(prefix: bytes) -> int:
    """Read magic and length, before anything that depends on them is read.

    Args:
        prefix: the first 12 bytes of a container.

    Returns:
        Length of the header that follows, in bytes.

    Raises:
        FormatError: too short, another magic or version, or a length that no header has.
    """
    if len(prefix) != PREFIX_BYTES:
        raise FormatError("A container is cut short: it has no complete prefix.")
    if prefix[: len(MAGIC)] != MAGIC:
        raise FormatError(
            "This is not a container of this version.", hint="Check that it is the file you mean, unchanged."
        )
    length = int.from_bytes(prefix[len(MAGIC) :], "big")
    if not 0 < length <= MAX_HEADER_BYTES:
        raise FormatError(f"A container's header must have 1 to {MAX_HEADER_BYTES} bytes.")
    return length


def parse_envelope(header: bytes) -> Envelope:
    """Read a DSSE envelope, strictly: exactly one signature of each algorithm, in the format's order.

    Args:
        header: the bytes between prefix and ciphertext.

    Returns:
        Payload and signatures, none of them verified.

    Raises:
        FormatError: anything else; no other exception on any bytes.
    """
    return dsse.parse_envelope(header, what=_WHAT)


def _member(name: str) -> str:
    return f"The {name} of a container"
