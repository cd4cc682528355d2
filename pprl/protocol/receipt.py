"""What a log hands to others: receipts, and requests to witnesses.

A **receipt** proves to anyone with the agreement that an entry is in the log: the entry, its place, the hashes beside
its path, and a checkpoint that witnesses have signed. A **witness request** asks a witness to sign a checkpoint, and
proves that the log only grew since the one that the witness signed last.

Both are lines of text, an empty line, and a checkpoint with its signatures. This module owns the bytes and verifies
nothing: `pprl.crypto.notes` does.

Source: C2SP tlog-proof v1; tlog-witness, "add-checkpoint".
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from pprl.errors import FormatError
from pprl.protocol import checkpoint
from pprl.protocol.checkpoint import MAX_NOTE_BYTES, SignedNote
from pprl.protocol.log import MAX_ENTRY_BYTES
from pprl.protocol.merkle import HASH_BYTES, MOST_PROOF_HASHES

MAX_RECEIPT_BYTES = MAX_NOTE_BYTES + 2 * MAX_ENTRY_BYTES
MAX_REQUEST_BYTES = MAX_NOTE_BYTES + 100 * MOST_PROOF_HASHES

FIRST_LINE = b"c2sp.org/tlog-proof@v1"
_EXTRA, _INDEX, _OLD = b"extra ", b"index ", b"old "


@dataclass(frozen=True, slots=True)
class Receipt:
    """An entry and the proof that it is in a log.

    Attributes:
        entry: the entry's bytes: what the leaf holds.
        index: its place in the log, from 0.
        proof: the hashes from its sibling upwards.
        note: the checkpoint with its signatures.
    """

    entry: bytes
    index: int
    proof: tuple[bytes, ...]
    note: SignedNote


@dataclass(frozen=True, slots=True)
class WitnessRequest:
    """A checkpoint to sign, and the proof that the log only grew.

    Attributes:
        old_size: entries in the checkpoint that the witness signed last; 0 if it signed none.
        proof: the consistency proof from there.
        note: the new checkpoint with the log's signatures.
    """

    old_size: int
    proof: tuple[bytes, ...]
    note: SignedNote


def write_receipt(receipt: Receipt) -> bytes:
    """A receipt's bytes. Run by whoever keeps the log."""
    head = [
        FIRST_LINE,
        _EXTRA + checkpoint.to_base64(receipt.entry),
        _INDEX + b"%d" % receipt.index,
    ]
    return _written(head, receipt.proof, receipt.note)


def parse_receipt(raw: bytes) -> Receipt:
    """Read a receipt, strictly.

    Args:
        raw: the whole file.

    Raises:
        FormatError: it is no receipt of this protocol; no other exception on any bytes.
    """
    (first, extra, index), proof, note = _parsed(raw, 3, MAX_RECEIPT_BYTES, "A receipt")
    if first != FIRST_LINE:
        raise FormatError(
            "This is not a receipt of this version.", hint="Check that it is the file you mean."
        )
    entry = checkpoint.from_base64(_after(_EXTRA, extra))
    if not entry:
        raise FormatError("A receipt does not tell its entry.")
    return Receipt(entry, checkpoint.number(_after(_INDEX, index), "index"), proof, note)


def write_request(request: WitnessRequest) -> bytes:
    """A witness request's bytes. Run by whoever keeps the log."""
    return _written([_OLD + b"%d" % request.old_size], request.proof, request.note)


def parse_request(raw: bytes) -> WitnessRequest:
    """Read a witness request, strictly.

    Args:
        raw: the whole file.

    Raises:
        FormatError: it is none; no other exception on any bytes.
    """
    (old,), proof, note = _parsed(raw, 1, MAX_REQUEST_BYTES, "A witness request")
    return WitnessRequest(checkpoint.number(_after(_OLD, old), "old size"), proof, note)


def _written(head: Sequence[bytes], proof: Sequence[bytes], note: SignedNote) -> bytes:
    lines = (*head, *map(checkpoint.to_base64, proof), b"")
    return b"".join(line + b"\n" for line in lines) + checkpoint.write_note(note)


def _parsed(
    raw: bytes, head_lines: int, limit: int, what: str
) -> tuple[list[bytes], tuple[bytes, ...], SignedNote]:
    """The first lines, the hashes below them, and the checkpoint below the first empty line."""
    if len(raw) > limit:
        raise FormatError(f"{what} has more than {limit} bytes.")
    head, empty, note = raw.partition(b"\n\n")
    lines = head.split(b"\n")
    if not empty or len(lines) < head_lines or len(lines) > head_lines + MOST_PROOF_HASHES:
        raise FormatError(f"{what} has other lines than it must have.")
    proof = tuple(checkpoint.from_base64(line, HASH_BYTES) for line in lines[head_lines:])
    return lines[:head_lines], proof, checkpoint.parse_note(note)


def _after(word: bytes, line: bytes) -> bytes:
    if not line.startswith(word):
        raise FormatError(f"A line that must start with '{word.decode().strip()}' does not.")
    return line.removeprefix(word)
