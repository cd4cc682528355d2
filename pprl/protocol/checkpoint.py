"""A log's checkpoint: a signed note that says how long the log is and what its root is.

A signed note is text, an empty line, and signature lines. Each names a key by a name and four bytes of a hash, which
tell keys apart and prove nothing: whose keys count, the agreement says (`pprl.crypto.notes`). The text of a
checkpoint is three lines: the log's origin, the number of its entries, the root of their tree in base64.

This module owns the bytes (docs/formats/log.md) and verifies no signature. What C2SP leaves open is closed here:
a checkpoint has no extension lines, and a note no two signature lines of one key.

Source: C2SP signed-note v1, tlog-checkpoint v1, tlog-cosignature v1.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass

from pprl.errors import FormatError
from pprl.protocol.merkle import EMPTY_ROOT, HASH_BYTES, MOST_LEAVES

MAX_NOTE_BYTES = 300_000
MOST_SIGNATURES = 64

# What a key signs is part of its name: the same key in another use has another id.
ED25519 = b"\x01"
COSIGNATURE = b"\x04"
ML_DSA_65 = b"\xffpprl-protocol/ml-dsa-65"

KEY_ID_BYTES = 4
TIMESTAMP_BYTES = 8
LATEST_TIMESTAMP = 2**63 - 1

_DASH = "\u2014 "
_ORIGIN = re.compile(r"pprl-protocol/([0-9a-f]{64})/([A-Za-z][A-Za-z0-9_-]{0,39})")
_NUMBER = re.compile(rb"0|[1-9][0-9]{0,15}")
_CONTROL = re.compile(rb"[\x00-\x09\x0b-\x1f]")


@dataclass(frozen=True, slots=True)
class NoteSignature:
    """A signature line.

    Attributes:
        name: the key's name.
        key_id: four bytes of a hash of name, use and key.
        signature: what the key's algorithm made, with a timestamp in front where its use asks for one.
    """

    name: str
    key_id: bytes
    signature: bytes

    def __post_init__(self) -> None:
        if not self.name or any(character.isspace() or character == "+" for character in self.name):
            raise FormatError("The name of a note's key is empty, or has a space or a plus sign in it.")
        if len(self.key_id) != KEY_ID_BYTES or not self.signature:
            raise FormatError("A signature line of a note is too short.")


@dataclass(frozen=True, slots=True)
class SignedNote:
    """A text and who says to have signed it.

    Attributes:
        text: the signed bytes, with the line feed at their end.
        signatures: the lines below it, none of them verified; each key at most once.
    """

    text: bytes
    signatures: tuple[NoteSignature, ...]

    def __post_init__(self) -> None:
        keys = {(each.name, each.key_id) for each in self.signatures}
        if len(keys) != len(self.signatures):
            raise FormatError("A note has two signature lines of one key.")
        if len(self.signatures) > MOST_SIGNATURES:
            raise FormatError(f"A note has more than {MOST_SIGNATURES} signature lines.")

    def signature(self, name: str, key_id: bytes) -> bytes | None:
        """What stands in a key's line; None if it has none."""
        found = (each.signature for each in self.signatures if (each.name, each.key_id) == (name, key_id))
        return next(found, None)

    def with_signatures(self, more: Sequence[NoteSignature]) -> SignedNote:
        """The same text with further lines; a key that has a line already keeps that one."""
        here = {(each.name, each.key_id) for each in self.signatures}
        new = tuple(each for each in more if (each.name, each.key_id) not in here)
        return SignedNote(self.text, (*self.signatures, *new))


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """How long a log is, and its root.

    Attributes:
        agreement_sha256: the agreement that the log is about.
        party: whose log it is.
        size: entries in it.
        root: the root of the tree of its entries, 32 bytes.
    """

    agreement_sha256: str
    party: str
    size: int
    root: bytes

    def __post_init__(self) -> None:
        if not _ORIGIN.fullmatch(self.origin):
            raise FormatError("A checkpoint's origin names no log of this protocol.")
        if not 0 <= self.size <= MOST_LEAVES or len(self.root) != HASH_BYTES:
            raise FormatError("A checkpoint's size or root is none.")
        if self.size == 0 and self.root != EMPTY_ROOT:
            raise FormatError("A checkpoint of an empty log has the root of another.")

    @property
    def origin(self) -> str:
        """The log's name."""
        return origin(self.agreement_sha256, self.party)

    @property
    def text(self) -> bytes:
        """The note's text: what the log signs."""
        return f"{self.origin}\n{self.size}\n".encode("ascii") + to_base64(self.root) + b"\n"


def origin(agreement_sha256: str, party: str) -> str:
    """The name of a coordinator party's log of an agreement.

    Args:
        agreement_sha256: the agreement's digest, 64 hexadecimal digits.
        party: the party's id.
    """
    return f"pprl-protocol/{agreement_sha256}/{party}"


def key_id(name: str, signature_type: bytes, public_key: bytes) -> bytes:
    """Four bytes that tell a note's keys apart. They are no proof of anything.

    Args:
        name: the key's name.
        signature_type: `ED25519`, `COSIGNATURE` or `ML_DSA_65`.
        public_key: its bytes.

    Source: C2SP signed-note, "Signatures".
    """
    return hashlib.sha256(name.encode() + b"\n" + signature_type + public_key).digest()[:KEY_ID_BYTES]


def cosigned_message(text: bytes, timestamp: int) -> bytes:
    """What a witness signs: that it saw a checkpoint, when, and that it was the longest it had seen.

    Args:
        text: the checkpoint's text.
        timestamp: seconds since 1970, from 1.

    Source: C2SP tlog-cosignature, "Ed25519 signed message".
    """
    return b"cosignature/v1\ntime %d\n" % timestamp + text


def write_note(note: SignedNote) -> bytes:
    """A note's bytes. Its text has to be one: lines, and no control characters."""
    return note.text + b"\n" + write_signatures(note.signatures)


def write_signatures(signatures: Sequence[NoteSignature]) -> bytes:
    """Signature lines alone: what a witness answers."""
    lines = (
        f"{_DASH}{each.name} ".encode() + to_base64(each.key_id + each.signature) + b"\n"
        for each in signatures
    )
    return b"".join(lines)


def parse_note(raw: bytes) -> SignedNote:
    """Take a signed note apart, strictly.

    Args:
        raw: the whole note.

    Raises:
        FormatError: it is not one; no other exception on any bytes.
    """
    _require_plain(raw, "A note")
    text, empty, lines = raw.rpartition(b"\n\n")
    if not empty or not text or not lines:
        raise FormatError("A note has no text, or no signature lines below an empty line.")
    return SignedNote(text + b"\n", _signatures(lines))


def parse_signatures(raw: bytes) -> tuple[NoteSignature, ...]:
    """Read signature lines alone, as a witness answers.

    Args:
        raw: the lines.

    Raises:
        FormatError: they are none; no other exception on any bytes.
    """
    _require_plain(raw, "A cosignature")
    return SignedNote(b"\n", _signatures(raw)).signatures


def parse_checkpoint(text: bytes) -> Checkpoint:
    """Read the text of a checkpoint, strictly.

    Args:
        text: a note's text.

    Raises:
        FormatError: anything but the three lines of a log of this protocol; no other exception on any bytes.
    """
    lines = text.split(b"\n")
    if len(lines) != 4 or lines[3]:
        raise FormatError("A checkpoint has three lines: origin, size and root.")
    named = _ORIGIN.fullmatch(lines[0].decode("utf-8", "replace"))
    if named is None:
        raise FormatError("A checkpoint's origin names no log of this protocol.")
    return Checkpoint(named[1], named[2], number(lines[1], "size"), from_base64(lines[2], HASH_BYTES))


def number(digits: bytes, what: str) -> int:
    """A decimal number in its one spelling.

    Raises:
        FormatError: it is none, or larger than any log.
    """
    if not _NUMBER.fullmatch(digits) or int(digits) > MOST_LEAVES:
        raise FormatError(f"A log's {what} is not a number.")
    return int(digits)


def to_base64(raw: bytes) -> bytes:
    """Bytes as they stand in a line."""
    return base64.b64encode(raw)


def from_base64(line: bytes, length: int | None = None) -> bytes:
    """The bytes in a line of base64 in its one spelling.

    Args:
        line: the characters.
        length: how many bytes there must be; any number if None.

    Raises:
        FormatError: another spelling, or another length.
    """
    try:
        raw = base64.b64decode(line, validate=True)
    except (binascii.Error, ValueError):
        raise FormatError("A line that should be standard base64 is not.") from None
    if to_base64(raw) != line or (length is not None and len(raw) != length):
        raise FormatError("A line of base64 has spare bits, or another length than it must have.")
    return raw


def _require_plain(raw: bytes, what: str) -> None:
    if len(raw) > MAX_NOTE_BYTES:
        raise FormatError(f"{what} has more than {MAX_NOTE_BYTES} bytes.")
    if not raw.endswith(b"\n") or _CONTROL.search(raw):
        raise FormatError(f"{what} does not end with a line feed, or holds control characters.")
    try:
        raw.decode("utf-8")
    except UnicodeDecodeError:
        raise FormatError(f"{what} is not UTF-8.") from None


def _signatures(lines: bytes) -> tuple[NoteSignature, ...]:
    *signed, end = lines.decode().split("\n")
    if end or len(signed) > MOST_SIGNATURES:
        raise FormatError("A note's last line is cut short, or there are too many.")
    return tuple(map(_signature, signed))


def _signature(line: str) -> NoteSignature:
    name, space, blob = line.removeprefix(_DASH).partition(" ")
    if not line.startswith(_DASH) or not space:
        raise FormatError("A line below a note's text is no signature line.")
    raw = from_base64(blob.encode())
    return NoteSignature(name, raw[:KEY_ID_BYTES], raw[KEY_ID_BYTES:])
