"""From values to Bloom filters under any salt: the work of scheme `field-filters` that grows with records and passes.

Runs at departments only. Each distinct value becomes tokens once, and each distinct token a digest once. What is kept
of a record is where the tokens of its value in each filter begin and how many they are, five bytes each. A filter is
made when it is asked for: one AES block over salt and digest for each token, hundreds of millions of them in a second
or two, and its bits set by a compiled loop.
"""

from __future__ import annotations

from array import array
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from itertools import chain

import numpy as np
from numpy.typing import NDArray

from pprl.crypto import derive
from pprl.encode.passes import Coded
from pprl.encode.tokens import CANONICAL_SPACE, MOST_TOKENS, canonical_tokens, token_space, tokens
from pprl.protocol.field_layout import filter_count
from pprl.protocol.filter_bits import most_of_token, positions_of
from pprl.protocol.kinds import Kind
from pprl.protocol.levels import Fields, compiled

SALT_BYTES = 8
TOKEN_DIGEST_BYTES = 16
TOKEN_LABEL = "pprl/v1/field-filters/token"  # noqa: S105 - a label, not a secret
POSITION_LABEL = "pprl/v1/field-filters/position"
_KEY_BYTES = 32

# AES blocks at a time: their inputs and outputs stay in a core's own cache.
_BLOCKS_AT_ONCE = 1 << 14

Words = NDArray[np.uint64]
Indices = NDArray[np.int64]

_BYTE, _BYTES, _WORD = np.uint64(8), np.uint64(0xFF), np.uint64(64)
_ONE = np.uint64(1)
_IN_WORD, _REVERSED = np.uint64(63), np.uint64(7)


@dataclass(frozen=True, slots=True)
class FilterShape:
    """How filters are made, from the agreement and the scheme's key.

    Attributes:
        kinds: the kind of each identifier, in the agreement's order.
        fields: what the filters of a record are.
        filter_bits: bits of a filter: 64, 128, 256 or 512.
        positions_per_field: how many positions the tokens of a value share.
        token_key: digests tokens.
        position_key: makes positions.
    """

    kinds: Mapping[str, Kind]
    fields: Fields
    filter_bits: int
    positions_per_field: int
    token_key: bytes
    position_key: bytes

    @classmethod
    def of(
        cls,
        kinds: Mapping[str, Kind],
        fields: Fields,
        key: bytes,
        *,
        filter_bits: int,
        positions_per_field: int,
    ) -> FilterShape:
        """With keys derived from the scheme's key."""
        keys = (
            derive.hkdf(key, label=label, context=b"", length=_KEY_BYTES)
            for label in (TOKEN_LABEL, POSITION_LABEL)
        )
        return cls(dict(kinds), fields, filter_bits, positions_per_field, *keys)


class TokenFilters:
    """The values of a dataset's records, ready to be made filters of.

    Args:
        columns: numbered columns by identifier, of one length.
        shape: how filters are made.

    Attributes:
        present: for each record the mask of filters that stand for a value, bit i for filter i.
    """

    __slots__ = ("_counts", "_digests", "_firsts", "_shape", "_shares", "present")

    def __init__(self, columns: Mapping[str, Coded], shape: FilterShape) -> None:
        self._shape = shape
        rows = len(next(iter(columns.values())).codes)
        count = filter_count(shape.fields)
        self._firsts = np.empty((rows, count), dtype=np.uint32)
        self._counts = np.empty((rows, count), dtype=np.uint8)
        self.present = np.zeros(rows, dtype=np.uint32)
        known = _Tokens()
        for index, (name, space, tokens_of) in enumerate(_listed(shape)):
            column = columns[name]
            self.present |= (column.codes != column.missing()).astype(np.uint32) << np.uint32(index)
            firsts, counts = known.add(space, list(map(tokens_of, column.distinct)))
            self._firsts[:, index], self._counts[:, index] = firsts[column.codes], counts[column.codes]
        digests = derive.keyed_digests(shape.token_key, known.texts, length=TOKEN_DIGEST_BYTES)
        halves = np.frombuffer(digests, dtype=np.uint64).reshape(-1, 2)[:, 0]
        # A value's digests stand together, and a record knows where: looked up one by one, they would be waited for.
        self._digests = halves[np.frombuffer(known.order, dtype=np.int32)]
        self._shares = _shares(shape)

    def __len__(self) -> int:
        return len(self._firsts)

    def filters(self, rows: NDArray[np.integer], salts: Words) -> Words:
        """The filters of some records, each salted by its own salt.

        Args:
            rows: the records, shape (n,).
            salts: shape (n,).

        Returns:
            Shape (n, filters, words of 64 bits); as bytes, the first bit of a filter is the highest of its first.
        """
        shape = self._shape
        filters = np.zeros((len(rows), self._firsts.shape[1], shape.filter_bits // 64), dtype=np.uint64)
        inputs = np.empty((_BLOCKS_AT_ONCE, 2), dtype=np.uint64)
        asked, width = rows.astype(np.int64), shape.filter_bits.bit_length() - 1
        start = 0
        while start < len(asked):
            stop, count = _fill_inputs(asked, salts, start, self._firsts, self._counts, self._digests, inputs)
            outputs = derive.prf_blocks(shape.position_key, inputs[:count].data.cast("B"))
            positions = np.frombuffer(outputs, dtype=np.uint64).reshape(-1, 2)
            _set_bits(asked, start, stop, self._counts, self._shares, positions, width, filters)
            start = stop
        return filters


class _Tokens:
    """Values and their tokens, numbered over all spaces in the order in which they come."""

    __slots__ = ("_spaces", "order", "texts")

    def __init__(self) -> None:
        self.texts: list[str] = []
        self.order = array("i")
        self._spaces: dict[str, _Space] = {}

    def add(self, space: str, values: list[tuple[str, ...]]) -> tuple[NDArray[np.uint32], NDArray[np.uint8]]:
        """Put the tokens of more values at the end; gives where each value's begin, and how many they are."""
        place = self._spaces.setdefault(space, _Space(space, self.texts))
        counts = np.fromiter(map(len, values), np.uint8, len(values))
        ends = len(self.order) + np.cumsum(counts, dtype=np.int64)
        self.order.extend(map(place.__getitem__, chain.from_iterable(values)))
        return (ends - counts).astype(np.uint32), counts


class _Space(dict[str, int]):
    """Token to its place among all tokens; a new one is put at the end."""

    __slots__ = ("_name", "_texts")

    def __init__(self, name: str, texts: list[str]) -> None:
        super().__init__()
        self._name = name
        self._texts = texts

    def __missing__(self, token: str) -> int:
        self[token] = len(self._texts)
        self._texts.append(f"{self._name}\0{token}")
        return self[token]


def _listed(shape: FilterShape) -> list[tuple[str, str, Callable[[str], tuple[str, ...]]]]:
    """For each filter its identifier, the space of its tokens, and what gives a value's tokens."""
    listed: list[tuple[str, str, Callable[[str], tuple[str, ...]]]] = [
        (name, token_space(name, kind), partial(tokens, kind)) for name, kind in shape.kinds.items()
    ]
    if shape.fields.canonical >= 0:
        name, kind = list(shape.kinds.items())[shape.fields.forename]
        listed.append((name, CANONICAL_SPACE, partial(canonical_tokens, kind)))
    return listed


def _shares(shape: FilterShape) -> NDArray[np.int64]:
    """For each filter and number of tokens, how many positions each has, and how many tokens have one more."""
    kinds = list(shape.kinds.values())
    if shape.fields.canonical >= 0:
        kinds.append(kinds[shape.fields.forename])
    totals = np.array([positions_of(kind, shape.positions_per_field) for kind in kinds])
    counts = np.maximum(np.arange(MOST_TOKENS + 1), 1)
    share, over = np.divmod(totals[:, None], counts)
    # One block of pseudorandom bits gives no more positions than `most`.
    most = most_of_token(shape.filter_bits)
    over = np.where(share >= most, 0, over)
    return np.stack([np.minimum(share, most), over], axis=2).astype(np.int64)


@compiled
def _fill_inputs(
    rows: Indices,
    salts: Words,
    start: int,
    firsts: NDArray[np.uint32],
    counts: NDArray[np.uint8],
    digests: Words,
    inputs: Words,
) -> tuple[int, int]:
    """Salt and digest of every token of every value, row by row, while there is room: where to go on, and how many."""
    at = 0
    for place in range(start, len(rows)):
        row = rows[place]
        before = at
        for field in range(firsts.shape[1]):
            first, count = np.int64(firsts[row, field]), np.int64(counts[row, field])
            if at + count > len(inputs):
                return place, before
            for token in range(first, first + count):
                inputs[at, 0] = salts[place]
                inputs[at, 1] = digests[token]
                at += 1
    return len(rows), at


@compiled
def _from_bytes(word: np.uint64) -> np.uint64:
    """Eight bytes as a number, the first byte highest; all machines that this compiles for are little-endian."""
    number = np.uint64(0)
    for _ in range(8):
        number = (number << _BYTE) | (word & _BYTES)
        word >>= _BYTE
    return number


@compiled
def _set_bits(
    rows: Indices,
    start: int,
    stop: int,
    counts: NDArray[np.uint8],
    shares: NDArray[np.int64],
    outputs: Words,
    width: int,
    filters: Words,
) -> None:
    """Set each token's bits, in the same order; position p is bit p ^ 7 of a word, as bytes start at their highest."""
    take, rest = _WORD - np.uint64(width), np.uint64(width)
    at = 0
    for place in range(start, stop):
        row = rows[place]
        for field in range(counts.shape[1]):
            count = np.int64(counts[row, field])
            share, over = shares[field, count, 0], shares[field, count, 1]
            for token in range(count):
                high, low = _from_bytes(outputs[at, 0]), _from_bytes(outputs[at, 1])
                at += 1
                for _ in range(share + (token < over)):
                    position = high >> take
                    filters[place, field, np.int64(position >> np.uint64(6))] |= _ONE << (
                        (position & _IN_WORD) ^ _REVERSED
                    )
                    high = (high << rest) | (low >> take)
                    low <<= rest
