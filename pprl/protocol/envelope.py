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

import base64
import binascii
import hashlib
import re
from dataclasses import asdict, dataclass, fields
from typing import Any

from pprl.errors import FormatError
from pprl.protocol import canonical

MAGIC = b"PPRLENV1"
LENGTH_BYTES = 4
PREFIX_BYTES = len(MAGIC) + LENGTH_BYTES
MAX_HEADER_BYTES = 65_536

PAYLOAD_TYPE = "application/vnd.in-toto+json"
STATEMENT_TYPE = "https://in-toto.io/Statement/v1"
PREDICATE_TYPE = "urn:pprl-protocol:container:v1"
SUITE = "X-Wing+HKDF-SHA256+AES-256-GCM/Cobblestone-256/Ed25519+ML-DSA-65"

ED25519_SIGNATURE_BYTES = 64
ML_DSA_65_SIGNATURE_BYTES = 3_309
WRAPPED_KEY_BYTES = 1_168  # HPKE: 1,120 of encapsulated key, 32 of content key, 16 of tag

CHUNK_BYTES = 16_384
_STREAM_START_BYTES = 24 + 32  # salt, key commitment
_TAG_BYTES = 16

_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_-]{0,39}")
_KIND = re.compile(r"[a-z][a-z0-9-]{0,39}")
_SHA256 = re.compile(r"[0-9a-f]{64}")

# The key ids say which algorithm stands where, and nothing else: they are outside the signatures, so a
# free one would let anybody make a second container of the same content, and no key is ever looked up by one.
_KEY_IDS = ("ed25519", "ml-dsa-65")


@dataclass(frozen=True, slots=True)
class Binding:
    """What a container is: every field is signed, and bound into its encryption.

    Attributes:
        agreement_sha256: the agreement under which it was made, 64 hexadecimal digits.
        agreement_version: that agreement's version.
        sender: id of the party that signs.
        recipient: id of the party that can open it.
        kind: the type of its content, such as `submission-encodings`.
        dataset: the dataset that it is about; empty if it is not about one.
        sequence: which of the sender's containers of this kind, dataset and recipient it is, from 1.
        previous_sha256: the container before it in that sequence; None for the first.
        plaintext_bytes: length of the content.
        records: the records of its dataset, or of all datasets: never how many pairs or links it holds; 0 where
            it is about none.
    """

    agreement_sha256: str
    agreement_version: int
    sender: str
    recipient: str
    kind: str
    dataset: str
    sequence: int
    previous_sha256: str | None
    plaintext_bytes: int
    records: int

    def __post_init__(self) -> None:
        _match(self.agreement_sha256, _SHA256, "agreement_sha256")
        _count(self.agreement_version, "agreement_version", least=1)
        _match(self.sender, _NAME, "sender")
        _match(self.recipient, _NAME, "recipient")
        _match(self.kind, _KIND, "kind")
        if self.dataset != "":
            _match(self.dataset, _NAME, "dataset")
        _count(self.sequence, "sequence", least=1)
        if self.previous_sha256 is not None:
            _match(self.previous_sha256, _SHA256, "previous_sha256")
        if (self.sequence == 1) != (self.previous_sha256 is None):
            raise FormatError("A container's binding names a previous one exactly if it is not the first.")
        _count(self.plaintext_bytes, "plaintext_bytes")
        _count(self.records, "records")

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
        _match(self.ciphertext_sha256, _SHA256, "ciphertext_sha256")
        _exactly(self.wrapped_key, WRAPPED_KEY_BYTES, "the wrapped key")


@dataclass(frozen=True, slots=True)
class Envelope:
    """A signed payload, in the order of the format: Ed25519 first, ML-DSA-65 second, nothing else.

    Attributes:
        payload: the statement's bytes, as signed.
        ed25519: 64 bytes.
        ml_dsa_65: 3,309 bytes.
    """

    payload: bytes
    ed25519: bytes
    ml_dsa_65: bytes

    def __post_init__(self) -> None:
        _exactly(self.ed25519, ED25519_SIGNATURE_BYTES, "the Ed25519 signature")
        _exactly(self.ml_dsa_65, ML_DSA_65_SIGNATURE_BYTES, "the ML-DSA-65 signature")


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


def signed_bytes(payload: bytes) -> bytes:
    """The bytes that both signatures cover: DSSE's pre-authentication encoding of type and payload.

    Args:
        payload: the statement's bytes.

    Returns:
        The bytes to sign.

    Source: DSSE v1, protocol.md, "PAE".
    """
    kind = PAYLOAD_TYPE.encode("ascii")
    return b"DSSEv1 %d %b %d %b" % (len(kind), kind, len(payload), payload)


def write_statement(statement: Statement) -> bytes:
    """A statement's bytes, ready to be signed. Run by the sender.

    Args:
        statement: the claim.

    Returns:
        Canonical JSON.
    """
    return canonical.dumps(
        {
            "_type": STATEMENT_TYPE,
            "predicate": {
                "binding": statement.binding.to_json(),
                "suite": SUITE,
                "wrapped_key": _to_base64(statement.wrapped_key),
            },
            "predicateType": PREDICATE_TYPE,
            "subject": [{"digest": {"sha256": statement.ciphertext_sha256}, "name": "ciphertext"}],
        }
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
    tree = canonical.loads(payload, what="The statement of a container")
    statement = _object(tree, {"_type", "predicate", "predicateType", "subject"}, "statement")
    _constant(statement["_type"], STATEMENT_TYPE, "_type")
    _constant(statement["predicateType"], PREDICATE_TYPE, "predicateType")
    (subject,) = _array(statement["subject"], 1, "subject")
    subject = _object(subject, {"digest", "name"}, "subject")
    _constant(subject["name"], "ciphertext", "name")
    digest = _object(subject["digest"], {"sha256"}, "digest")
    predicate = _object(statement["predicate"], {"binding", "suite", "wrapped_key"}, "predicate")
    _constant(predicate["suite"], SUITE, "suite")
    binding = _object(predicate["binding"], {field.name for field in fields(Binding)}, "binding")
    wrapped_key = _from_base64(predicate["wrapped_key"], "wrapped_key")
    return Statement(Binding(**binding), digest["sha256"], wrapped_key)


def write_header(envelope: Envelope) -> bytes:
    """All bytes of a container before its ciphertext. Run by the sender.

    Args:
        envelope: the signed statement.

    Returns:
        Magic, length and envelope.
    """
    signatures = zip(_KEY_IDS, (envelope.ed25519, envelope.ml_dsa_65), strict=True)
    header = canonical.dumps(
        {
            "payload": _to_base64(envelope.payload),
            "payloadType": PAYLOAD_TYPE,
            "signatures": [{"keyid": keyid, "sig": _to_base64(sig)} for keyid, sig in signatures],
        }
    )
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
    tree = canonical.loads(header, what="The header of a container")
    members = _object(tree, {"payload", "payloadType", "signatures"}, "header")
    _constant(members["payloadType"], PAYLOAD_TYPE, "payloadType")
    payload = _from_base64(members["payload"], "payload")
    signatures = _array(members["signatures"], len(_KEY_IDS), "signatures")
    ed25519, ml_dsa_65 = (_signature(*pair) for pair in zip(signatures, _KEY_IDS, strict=True))
    return Envelope(payload, ed25519, ml_dsa_65)


def _signature(tree: Any, keyid: str) -> bytes:
    members = _object(tree, {"keyid", "sig"}, "signature")
    _constant(members["keyid"], keyid, "keyid")
    return _from_base64(members["sig"], "sig")


def _object(tree: Any, names: set[str], what: str) -> dict[str, Any]:
    if not isinstance(tree, dict) or set(tree) != names:
        raise FormatError(f"A container's {what} must be an object of exactly: {', '.join(sorted(names))}.")
    return tree


def _array(tree: Any, length: int, what: str) -> list[Any]:
    if not isinstance(tree, list) or len(tree) != length:
        raise FormatError(f"A container's {what} must be an array of exactly {length}.")
    return tree


def _constant(value: Any, expected: str, what: str) -> None:
    if value != expected:
        raise FormatError(f"A container's {what} must be '{expected}'.")


def _match(value: Any, pattern: re.Pattern[str], what: str) -> None:
    if not isinstance(value, str) or not pattern.fullmatch(value):
        raise FormatError(f"A container's {what} is not of the form that the format gives it.")


def _count(value: Any, what: str, *, least: int = 0) -> None:
    # bool is an int in Python, and true is no number in JSON.
    if type(value) is not int or not least <= value <= canonical.LARGEST_INTEGER:
        raise FormatError(f"A container's {what} must be a whole number, {least} or more.")


def _exactly(value: bytes, length: int, what: str) -> None:
    if len(value) != length:
        raise FormatError(f"In a container, {what} must have {length} bytes.")


def _to_base64(raw: bytes) -> str:
    return base64.b64encode(raw).decode("ascii")


def _from_base64(text: Any, what: str) -> bytes:
    try:
        raw = base64.b64decode(text if isinstance(text, str) else "?", validate=True)
    except (binascii.Error, ValueError):
        raise FormatError(f"A container's {what} is not standard base64.") from None
    if _to_base64(raw) != text:
        raise FormatError(f"A container's {what} is not standard base64: it has spare bits.")
    return raw
