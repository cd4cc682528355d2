"""From values to Bloom filters under any salt: the work of scheme `field-filters` that grows with records and passes.

Runs at departments only. Each distinct value becomes tokens once, and each distinct token a digest once. What is kept
of a record is the number of its value in each column, four bytes each. A filter is made when it is asked for: one AES
block over salt and digest for each token, hundreds of millions of them in a second or two, and its bits set by a
compiled loop.
"""

from __future__ import annotations

from array import array
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import chain

import numpy as np
from numpy.typing import NDArray

from pprl.crypto import derive
from pprl.encode.block_tags import digests_of
from pprl.encode.passes import Coded, Codes, is_british
from pprl.encode.tokens import (
    CANONICAL_SPACE,
    MOST_TOKENS,
    canonical_tokens,
    token_space,
    tokens,
    whole_postcode,
)
from pprl.protocol.filter_bits import most_of_token, positions_of
from pprl.protocol.kinds import Kind
from pprl.protocol.levels import Fields, compiled

SALT_BYTES = 8
TOKEN_LABEL = "pprl/v1/field-filters/token"  # noqa: S105 - a label, not a secret
POSITION_LABEL = "pprl/v1/field-filters/position"
_KEY_BYTES = 32

# AES blocks at a time: their inputs and outputs stay in a core's own cache.
_BLOCKS_AT_ONCE = 1 << 14
# Records whose values are looked up before their tokens are: the memory is slow, and fetches many places at a time.
_RECORDS_AT_ONCE = 384

_VALUES_AT_ONCE = 1 << 15

TokensOf = Callable[[str], tuple[str, ...]]
Words = NDArray[np.uint64]
Indices = NDArray[np.int64]

_BYTE, _PAIR, _HALF, _WORD = np.uint64(8), np.uint64(16), np.uint64(32), np.uint64(64)
_ODD_BYTES, _ODD_PAIRS = np.uint64(0x00FF00FF00FF00FF), np.uint64(0x0000FFFF0000FFFF)
_ONE = np.uint64(1)
_IN_WORD, _IN_WORD_BITS, _REVERSED = np.uint64(63), np.uint64(6), np.uint64(7)
# A run of tokens is one number: where it begins, whether there is a value, and how many tokens it has.
_FIRST_AT, _THERE_AT, _COUNT = np.uint64(8), np.uint64(7), np.uint64(127)


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

    """

    __slots__ = ("_bases", "_codes", "_columns", "_digests", "_runs", "_shape", "_shares")

    def __init__(self, columns: Mapping[str, Coded], shape: FilterShape) -> None:
        self._shape = shape
        names = list(shape.kinds)
        self._codes = np.stack([columns[name].codes for name in names], axis=1)
        known = _Tokens()
        runs, asked = [], []
        for name, space, tokens_of in _listed(shape):
            asked.append(names.index(name))
            postcodes = shape.kinds[name] == "postcode"
            runs.append(known.add(space, tokens_of, columns[name].distinct, postcodes=postcodes))
        self._columns = np.array(asked, dtype=np.int64)
        self._bases = np.cumsum([0, *map(len, runs[:-1])], dtype=np.int64)
        self._runs = np.concatenate(runs)
        digests = digests_of(shape.token_key, known.texts)[:, 0]
        # A value's digests stand together, and a run knows where: looked up one by one, they would be waited for.
        # One more at the end, where a run without tokens may begin.
        order = np.frombuffer(known.order, dtype=np.int32)
        self._digests = np.append(digests[order], np.uint64(0))
        self._shares = _shares(shape)

    def __len__(self) -> int:
        return len(self._codes)

    def filters(self, rows: NDArray[np.integer], salts: Words) -> tuple[Words, NDArray[np.uint32]]:
        """The filters of some records, each salted by its own salt.

        Args:
            rows: the records, shape (n,).
            salts: shape (n,).

        Returns:
            Shape (n, filters, words of 64 bits); as bytes, the first bit of a filter is the highest of its first. And
            for each record the mask of filters that stand for a value, bit i for filter i, shape (n,).
        """
        shape = self._shape
        filters = np.zeros((len(rows), len(self._columns), shape.filter_bits // 64), dtype=np.uint64)
        present = np.zeros(len(rows), dtype=np.uint32)
        inputs = np.empty((_BLOCKS_AT_ONCE, 2), dtype=np.uint64)
        found = np.empty((_RECORDS_AT_ONCE, len(self._columns)), dtype=np.uint64)
        asked, width = rows.astype(np.int64), shape.filter_bits.bit_length() - 1
        start = 0
        while start < len(asked):
            _look_up(asked, start, self._codes, self._columns, self._bases, self._runs, self._digests, found)
            stop, count = _fill_inputs(salts, start, found, self._digests, inputs, present)
            outputs = derive.prf_blocks(shape.position_key, inputs[:count].data.cast("B"))
            positions = np.frombuffer(outputs, dtype=np.uint64).reshape(-1, 2)
            _set_bits(start, stop, found, self._shares, positions, width, filters)
            start = stop
        return filters, present


class _Tokens:
    """Values and their tokens, numbered over all spaces in the order in which they come."""

    __slots__ = ("_spaces", "order", "texts")

    def __init__(self) -> None:
        self.texts: list[str] = []
        self.order = array("i")
        self._spaces: dict[str, _Space] = {}

    def add(self, space: str, tokens_of: TokensOf, values: Sequence[str], *, postcodes: bool) -> Words:
        """Put the tokens of more values at the end; gives the run of each value."""
        place = self._spaces.setdefault(space, _Space(space, self.texts))
        numbered = _PostcodeTokens(place, tokens_of) if postcodes else partial(_numbered, place, tokens_of)
        counts, first = np.empty(len(values), dtype=np.uint64), np.uint64(len(self.order))
        for start in range(0, len(values), _VALUES_AT_ONCE):
            part = slice(start, start + _VALUES_AT_ONCE)
            places, counts[part] = numbered(values[part])
            self.order.frombytes(np.array(places, dtype=np.int32).tobytes())
        there = np.fromiter(map(bool, values), np.uint64, len(values))
        firsts = first + np.cumsum(counts, dtype=np.uint64) - counts
        return (firsts << _FIRST_AT) | (there << _THERE_AT) | counts


def _numbered(place: _Space, tokens_of: TokensOf, values: Sequence[str]) -> tuple[list[int], list[int]]:
    """The places of the tokens of some values, one after the other, and how many each value has."""
    found = list(map(tokens_of, values))
    return list(map(place.__getitem__, chain.from_iterable(found))), list(map(len, found))


class _PostcodeTokens:
    """As `_numbered`, for postcodes, which are many and made of few sectors and endings.

    But for the token that stands for the whole, a British postcode has those that any other one of its sector begins
    with, and those that any other one with its last three characters ends with.
    """

    __slots__ = ("_endings", "_place", "_sectors", "_tokens_of")

    def __init__(self, place: _Space, tokens_of: TokensOf) -> None:
        self._place = place
        self._tokens_of = tokens_of
        self._sectors: dict[str, list[int]] = {}
        self._endings: dict[str, list[int]] = {}

    def __call__(self, values: Sequence[str]) -> tuple[list[int], list[int]]:
        """The places of the tokens of different postcodes, one after the other, and how many each has."""
        places: list[int] = []
        counts: list[int] = []
        sectors, endings, new = self._sectors.get, self._endings.get, self._place.new
        for value in values:
            start, end = sectors(value[:-2]), endings(value[-3:])
            if start is None or end is None:
                found = self._learned(value)
                places += found
                counts.append(len(found))
            else:
                places.append(new(whole_postcode(value)))
                places += start
                places += end
                counts.append(1 + len(start) + len(end))
        return places, counts

    def _learned(self, value: str) -> list[int]:
        found = list(map(self._place.__getitem__, self._tokens_of(value)))
        if is_british(value):
            self._sectors[value[:-2]], self._endings[value[-3:]] = found[1:-3], found[-3:]
        return found


class _Space(dict[str, int]):
    """Token to its place among all tokens; a new one is put at the end."""

    __slots__ = ("_name", "_texts")

    def __init__(self, name: str, texts: list[str]) -> None:
        super().__init__()
        self._name = name
        self._texts = texts

    def new(self, token: str) -> int:
        """The place of a token that is not there yet, and is not asked for again."""
        self._texts.append(f"{self._name}\0{token}")
        return len(self._texts) - 1

    def __missing__(self, token: str) -> int:
        self[token] = self.new(token)
        return self[token]


def _listed(shape: FilterShape) -> list[tuple[str, str, TokensOf]]:
    """For each filter its identifier, the space of its tokens, and what gives a value's tokens."""
    listed: list[tuple[str, str, TokensOf]] = [
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
def _look_up(
    rows: Indices,
    start: int,
    codes: Codes,
    columns: Indices,
    bases: Indices,
    runs: Words,
    digests: Words,
    found: Words,
) -> np.uint64:
    """The run of tokens of every value of the next records.

    What is returned means nothing: the ends of each run are read, so that they are near when they are needed. One loop
    for each step, since memory fetches many places at a time if none waits for another.
    """
    records, touched = min(len(found), len(rows) - start), np.uint64(0)
    for place in range(records):
        row = np.uint64(rows[start + place])
        for field in range(len(columns)):
            found[place, field] = np.uint64(bases[field]) + np.uint64(codes[row, columns[field]])
    for place in range(records):
        for field in range(len(columns)):
            found[place, field] = runs[found[place, field]]
    for place in range(records):
        for field in range(len(columns)):
            run = found[place, field]
            first = run >> _FIRST_AT
            touched ^= digests[first] ^ digests[first + (run & _COUNT)]
    return touched


@compiled
def _fill_inputs(
    salts: Words, start: int, found: Words, digests: Words, inputs: Words, present: NDArray[np.uint32]
) -> tuple[int, int]:
    """Salt and digest of every token of every value, row by row, while there is room: where to go on, and how many."""
    at = 0
    for place in range(min(len(found), len(salts) - start)):
        salt, before, there = salts[start + place], at, np.uint64(0)
        for field in range(found.shape[1]):
            run = found[place, field]
            first, count = np.int64(run >> _FIRST_AT), np.int64(run & _COUNT)
            if at + count > len(inputs):
                return start + place, before
            for token in range(first, first + count):
                inputs[at, 0] = salt
                inputs[at, 1] = digests[token]
                at += 1
            there |= ((run >> _THERE_AT) & _ONE) << np.uint64(field)
        present[start + place] = there
    return min(start + len(found), len(salts)), at


@compiled
def _from_bytes(word: np.uint64) -> np.uint64:
    """Eight bytes as a number, the first byte highest; all machines that this compiles for are little-endian."""
    word = ((word & _ODD_BYTES) << _BYTE) | ((word >> _BYTE) & _ODD_BYTES)
    word = ((word & _ODD_PAIRS) << _PAIR) | ((word >> _PAIR) & _ODD_PAIRS)
    return (word << _HALF) | (word >> _HALF)


@compiled
def _set_bits(
    start: int,
    stop: int,
    found: Words,
    shares: NDArray[np.int64],
    outputs: Words,
    width: int,
    filters: Words,
) -> None:
    """Set each token's bits, in the same order; position p is bit p ^ 7 of a word, as bytes start at their highest.

    Up to two words of a filter are held while they are made: set in memory, each bit would wait for the one before.
    """
    take, rest = _WORD - np.uint64(width), np.uint64(width)
    words = filters.shape[2]
    at = 0
    for place in range(start, stop):
        for field in range(found.shape[1]):
            count = np.int64(found[place - start, field] & _COUNT)
            share, over = shares[field, count, 0], shares[field, count, 1]
            one, other = np.uint64(0), np.uint64(0)
            for token in range(count):
                high, low = _from_bytes(outputs[at, 0]), _from_bytes(outputs[at, 1])
                at += 1
                for _ in range(share + (token < over)):
                    position = high >> take
                    bit, word = _ONE << ((position & _IN_WORD) ^ _REVERSED), position >> _IN_WORD_BITS
                    if words > 2:
                        filters[place, field, np.int64(word)] |= bit
                    else:
                        one |= bit & (word - _ONE)
                        other |= bit & (np.uint64(0) - word)
                    high = (high << rest) | (low >> take)
                    low <<= rest
            if words <= 2:
                filters[place, field, 0] = one
                filters[place, field, words - 1] |= other
