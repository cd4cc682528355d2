"""How every machine-written document is laid out: magic, header, then tables of fixed-size records.

::

    8 bytes   magic, which names the document and its version
    4 bytes   length of the header, big-endian
    n bytes   header: canonical JSON, an object of the document's own keys
    rest      the tables that the header counts, one after the other, nothing between
    padding   in documents whose length would tell something, so many zero bytes as follow from the header

The header gives every size, so that a reader knows the document's exact length before it reads a record. What a
document's length tells, its container's envelope tells everybody: where that is the number of links or of candidate
pairs, the document is padded. In a table the records stand in ascending order of their bytes. Their keys are random,
so that the order says nothing, a repeated key shows at once, and the same content has the same bytes.

This module owns the layout, and the checks that all documents share: one spelling of the header, the agreement,
the dataset, ascending keys. What the rest of the header and the records mean is each document's own matter.
"""

from __future__ import annotations

import io
import math
from collections.abc import Iterable, Iterator, Sequence
from typing import Annotated, BinaryIO, TypeVar

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from pprl.errors import ConfigError, FormatError, VerificationError
from pprl.protocol import canonical
from pprl.protocol.agreement import AgreementFile, Dataset, Name, Sha256
from pprl.protocol.random_order import order_of

ID_BYTES = 16
MAX_HEADER_BYTES = 1 << 20
MAX_RECORDS = 2**31
_MOST_PLACES_TOLD = 10

Bytes = NDArray[np.uint8]
Shapes = Sequence[tuple[int, int]]
Hex128 = Annotated[str, Field(pattern=r"^[0-9a-f]{32}$")]
Count = Annotated[int, Field(ge=0, le=MAX_RECORDS)]
Header = TypeVar("Header", bound="DocumentHeader")


class DocumentHeader(BaseModel):
    """What every header holds: the agreement that the document belongs to."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    agreement_sha256: Sha256


class DatasetHeader(DocumentHeader):
    """What every header of a document about one dataset holds as well.

    Attributes:
        dataset: the dataset's name in the agreement.
        party: the department that brings it.
        submission: 128 random bits that join the parts of one submission and the answer to it.
        records: records in the dataset, encoded or not.
    """

    dataset: Name
    party: Name
    submission: Hex128
    records: Count


def write(magic: bytes, header: DocumentHeader, tables: Iterable[Bytes], *, padding: int = 0) -> bytes:
    """The bytes of a document. Whoever makes one runs this.

    Args:
        magic: the document's eight bytes.
        header: its header.
        tables: arrays of shape (records, record bytes), each in ascending order.
        padding: how many zero bytes follow the tables.
    """
    return b"".join(pieces(magic, header, tables, padding=padding))


def pieces(
    magic: bytes, header: DocumentHeader, tables: Iterable[Bytes], *, padding: int = 0
) -> Iterator[bytes]:
    """The bytes of a document one after the other, a table at a time; arguments are those of `write`."""
    head = _head(header)
    yield b"".join([magic, len(head).to_bytes(4, "big"), head])
    for table in tables:
        yield np.ascontiguousarray(table).tobytes()
    yield bytes(padding)


class Stream(io.RawIOBase):
    """Pieces of bytes as a file that can be read once, so that who reads needs one piece at a time.

    Args:
        pieces: the bytes, one after the other.
    """

    def __init__(self, pieces: Iterable[bytes]) -> None:
        self._pieces = iter(pieces)
        self._left = memoryview(b"")

    def readable(self) -> bool:
        """It is."""
        return True

    def readinto(self, buffer: bytearray | memoryview) -> int:  # type: ignore[override]
        """Fill a buffer, or part of it; 0 at the end."""
        while not self._left:
            piece = next(self._pieces, None)
            if piece is None:
                return 0
            self._left = memoryview(piece)
        count = min(len(buffer), len(self._left))
        buffer[:count] = self._left[:count]
        self._left = self._left[count:]
        return count


def unpadded_bytes(header: DocumentHeader, shapes: Shapes) -> int:
    """The length of a document before its padding.

    Args:
        header: its header.
        shapes: (records, record bytes) of each table, from the header.
    """
    return header_bytes(header) + _table_bytes(shapes)


def padme(length: int) -> int:
    """The length that a document of `length` bytes is padded to, so that few different lengths are left.

    The length is rounded up to a number that ends in zero bits: as many digits are left as its exponent has. It
    grows by less than 12 %, and of documents of at most n bytes about log log n bits are told instead of log n.

    Args:
        length: bytes, 2 or more.

    Source: Nikitin, Barman, Lueks, Underwood, Hubaux and Ford (2019), Reducing metadata leakage from encrypted
        files and communication with PURBs, PoPETs 2019(4), 6-33, section 4 and algorithm 1.
    """
    exponent = length.bit_length() - 1
    zero_bits = exponent - exponent.bit_length()
    return -(-length >> zero_bits) << zero_bits


def read_header(raw: bytes | memoryview, magic: bytes, model: type[Header]) -> tuple[Header, memoryview]:
    """The header of a document, and the bytes after it.

    Raises:
        FormatError: another document or version, or a header that is not as specified.
    """
    view = memoryview(raw).toreadonly()
    if bytes(view[:7]) != magic[:7]:
        raise FormatError(f"This is not a {magic_name(magic)} document.")
    if bytes(view[:8]) != magic:
        raise FormatError(
            f"This {magic_name(magic)} document is of another version.",
            hint="Use the version that the agreement names.",
        )
    length = int.from_bytes(view[8:12], "big")
    if len(view) < 12 or length > MAX_HEADER_BYTES or len(view) < 12 + length:
        raise FormatError(f"The {magic_name(magic)} document is truncated in its header.")
    tree = canonical.loads(bytes(view[12 : 12 + length]))
    try:
        header = model.model_validate(_with_tuples(tree))
    except ValidationError as error:
        raise _wrong_header(magic, _places(error)) from None
    # A key with a default would otherwise be free to be there or not: two spellings of one header.
    left_out = sorted(model.model_fields.keys() - header.model_fields_set)
    if left_out:
        raise _wrong_header(magic, left_out)
    return header, view[12 + length :]


def read_header_from(stream: BinaryIO, magic: bytes, model: type[Header]) -> Header:
    """The header at the start of a stream, which then stands behind it. Refuses what `read_header` does."""
    start = stream.read(12)
    length = int.from_bytes(start[8:12], "big")
    rest = stream.read(length) if len(start) == 12 and length <= MAX_HEADER_BYTES else b""
    return read_header(start + rest, magic, model)[0]


def require_agreement(header: DocumentHeader, agreement: AgreementFile, *, what: str) -> None:
    """Refuse a document of another agreement.

    Args:
        header: the document's header.
        agreement: ours.
        what: what the document is called in the message.

    Raises:
        VerificationError: it belongs to another one.
    """
    if header.agreement_sha256 != agreement.sha256:
        raise VerificationError(
            f"This {what} document belongs to another agreement.",
            hint="Compare the agreement's SHA-256 with the sender.",
        )


def require_dataset(header: DatasetHeader, agreement: AgreementFile, *, what: str) -> Dataset:
    """The agreed dataset that a document is about. Refuse one of another agreement, department or size.

    Args:
        header: the document's header.
        agreement: ours.
        what: what the document is called in the message.

    Raises:
        VerificationError: the agreement says otherwise.
    """
    require_agreement(header, agreement, what=what)
    try:
        dataset = agreement.content.dataset_named(header.dataset)
    except ConfigError:
        raise VerificationError(f"This {what} document is about a dataset that is not agreed.") from None
    if dataset.party != header.party:
        raise VerificationError(
            f"Dataset '{dataset.name}' is not brought by the party that the {what} document names."
        )
    require_agreed_rows(dataset, header.records)
    return dataset


def require_agreed_rows(dataset: Dataset, records: int) -> None:
    """Refuse a number of records that is out of a dataset's agreed range.

    Args:
        dataset: the dataset.
        records: records in it, encoded or not.

    Raises:
        VerificationError: there are fewer, or more.
    """
    if not dataset.expected_rows_min <= records <= dataset.expected_rows_max:
        raise VerificationError(
            f"Dataset '{dataset.name}' has {records} records; the agreement expects "
            f"{dataset.expected_rows_min} to {dataset.expected_rows_max}.",
            hint="Check that it is the right extract, or agree a new version with another range.",
        )


def read_tables(body: memoryview, shapes: Shapes, *, padding: int = 0) -> list[Bytes]:
    """The tables after a header, read-only, checked to be all there is. Their order is the caller's to check.

    Args:
        body: the bytes after the header.
        shapes: (records, record bytes) of each table, from the header.
        padding: how many zero bytes follow the tables.

    Raises:
        FormatError: truncated, trailing bytes, or padding that is not zero.
    """
    require_length(len(body), shapes, padding=padding)
    tables, start = [], 0
    for records, width in shapes:
        end = start + records * width
        tables.append(np.frombuffer(body[start:end], dtype=np.uint8).reshape(records, width))
        start = end
    # Free padding would let a sender hide something in it, or spell one document in several ways.
    if np.frombuffer(body[start:], dtype=np.uint8).any():
        raise FormatError("The padding of the document is not zero.")
    return tables


def require_length(found: int, shapes: Shapes, *, padding: int = 0) -> None:
    """Refuse a document that has more or fewer bytes after its header than follow from it.

    Raises:
        FormatError: it is truncated, or has trailing bytes.
    """
    # Whole numbers of Python: no count times width of a header can overflow, and nothing is read before.
    expected = _table_bytes(shapes) + padding
    if found != expected:
        what = "truncated" if found < expected else "longer than its header says"
        raise FormatError(f"The document is {what}: {found} bytes of records for {expected}.")


def require_ascending(table: Bytes, *, key_bytes: int = ID_BYTES, what: str) -> None:
    """Refuse a table whose keys are not strictly ascending.

    Args:
        table: shape (records, record bytes); the key is the first `key_bytes` of a record, a multiple of 8.
        key_bytes: length of the key.
        what: what the key is called in the message.

    Raises:
        FormatError: a key is repeated, or out of order.
    """
    keys = table[:, :key_bytes]
    if below(keys[1:], keys[:-1]).any():
        raise FormatError(f"A {what} is out of order.")
    if (keys[1:] == keys[:-1]).all(axis=1).any():
        raise FormatError(f"A {what} is repeated.")


def require_distinct(ids: Bytes, *, what: str) -> None:
    """Refuse ids of which two are equal, in whatever order they come.

    Args:
        ids: shape (n, bytes), a multiple of 8 bytes.
        what: what an id is called in the message.

    Raises:
        FormatError: one is repeated.
    """
    words = _words(ids)[ascending(ids)]
    if (words[1:] == words[:-1]).all(axis=1).any():
        raise FormatError(f"A {what} is repeated.")


def below(left: Bytes, right: Bytes) -> NDArray[np.bool_]:
    """For each row, whether the bytes on the left come before those on the right.

    Args:
        left: shape (n, bytes), a multiple of 8 bytes.
        right: the same shape.
    """
    lower, higher = _words(left), _words(right)
    is_below = np.zeros(len(lower), dtype=bool)
    for column in reversed(range(lower.shape[1])):
        equal = lower[:, column] == higher[:, column]
        is_below = (lower[:, column] < higher[:, column]) | (equal & is_below)
    return is_below


def ascending(ids: Bytes) -> NDArray[np.int64]:
    """The order that sorts byte strings of equal length, a multiple of 8; shape (records, bytes) in.

    Args:
        ids: shape (records, bytes).

    Returns:
        The place of each in ascending order, shape (records,).
    """
    words = _words(ids)
    order = order_of(words[:, 0])
    firsts = words[order, 0]
    # Random ids differ in their first word already.
    if words.shape[1] == 1 or not (firsts[1:] == firsts[:-1]).any():
        return order
    return np.lexsort(words.T[::-1])


def positions(wanted: Bytes, among: Bytes) -> NDArray[np.int64]:
    """Where each of `wanted` stands in the ascending ids `among`; -1 where it does not.

    Args:
        wanted: shape (n, 16).
        among: shape (m, 16), strictly ascending.
    """
    if not len(among):
        return np.full(len(wanted), -1, dtype=np.int64)
    keys, sought = _words(among), _words(wanted)
    if (keys[:-1, 0] < keys[1:, 0]).all():
        # Random ids differ in their first half already, and whole numbers are found faster than bytes.
        found = np.searchsorted(keys[:, 0], sought[:, 0])
    else:
        found = np.searchsorted(_strings(among), _strings(wanted))
    found = np.minimum(found, len(among) - 1)
    return np.where((keys[found] == sought).all(axis=1), found, -1)


def magic_name(magic: bytes) -> str:
    """A document's name in messages: `encodings` for the magic `PPRLENC1`."""
    return {
        b"PPRLENC": "encodings",
        b"PPRLREF": "references",
        b"PPRLPAI": "pairs",
        b"PPRLPAT": "patterns",
        b"PPRLKEY": "linkage keys",
        b"PPRLXWK": "crosswalk",
    }[magic[:7]]


def header_bytes(header: DocumentHeader) -> int:
    """The length of a document up to its first table."""
    return 8 + 4 + len(_head(header))


def _head(header: DocumentHeader) -> bytes:
    return canonical.dumps(header.model_dump(mode="json"))


def _table_bytes(shapes: Shapes) -> int:
    return sum(math.prod(shape) for shape in shapes)


def _words(ids: Bytes) -> NDArray[np.uint64]:
    """Ids as rows of numbers, whose order is that of the bytes."""
    return np.ascontiguousarray(ids).view(">u8").astype(np.uint64)


def _strings(ids: Bytes) -> NDArray[np.bytes_]:
    # NumPy ignores zero bytes at a string's end; among strings of equal length that makes no two alike.
    return np.ascontiguousarray(ids).view(f"S{ids.shape[1]}").reshape(-1)


def _places(error: ValidationError) -> list[str]:
    """Dotted paths of what is wrong in a header. An unknown key is not repeated: it could be anything."""
    places = set()
    for problem in error.errors(include_url=False, include_context=False, include_input=False):
        path = [str(part) for part in problem["loc"]]
        if problem["type"] == "extra_forbidden":
            path[-1] = "unknown key"
        places.add(".".join(path) or "header")
    return sorted(places)


def _wrong_header(magic: bytes, places: Sequence[str]) -> FormatError:
    told = ", ".join(places[:_MOST_PLACES_TOLD])
    more = " and more" if len(places) > _MOST_PLACES_TOLD else ""
    return FormatError(f"The header of the {magic_name(magic)} document is wrong at: {told}{more}.")


def _with_tuples(tree: object) -> object:
    if isinstance(tree, dict):
        return {key: _with_tuples(value) for key, value in tree.items()}
    return tuple(_with_tuples(value) for value in tree) if isinstance(tree, list) else tree
