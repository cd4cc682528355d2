"""The tokens of a CLK feature's values, and the Bloom filter of each token. Runs at departments only.

Most of encoding is to meet the same few hundred tokens again. So values are cut by compiled code, and a token is
hashed when it is first met: once for each number of bits that it sets. What tokens a value has, and which bits a token
sets, is clkhash's word. Its own comparators cut whole values and numbers; what is done here in its stead, n-grams and
the choice of bits, is held equal to it by tests/conformance/clk and tests/properties.

Source: clkhash 0.17.0, its modules `comparators` and `bloomfilter`.
"""

from __future__ import annotations

import hmac
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date
from functools import partial
from hashlib import blake2b
from itertools import islice
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from pprl.encode.standardise import FIRST_YEAR, LAST_YEAR
from pprl.errors import DataError
from pprl.protocol.agreement import ClkFeature
from pprl.protocol.kinds import Kind
from pprl.protocol.levels import compiled

MOST_DAYS = 366 * (LAST_YEAR - FIRST_YEAR + 1)

_POSITIONS_A_DIGEST = 32
_BITS_AT_ONCE = 1 << 22
_VALUES_AT_ONCE = 1 << 16
_MOST_UNITED_BYTES = 16 << 20
_LEAST_SLOTS = 1 << 12

# A piece as two whole numbers: three characters of 21 bits; the fourth, how many bits it sets, and its place or 0.
_CHARACTER_BITS = 21
_COUNT_BITS = 16
_CHARACTER = (1 << _CHARACTER_BITS) - 1
_COUNT = (1 << _COUNT_BITS) - 1
_PLACE_SHIFT = _CHARACTER_BITS + _COUNT_BITS
_SPACE = 32

Filters = NDArray[np.uint64]
Places = NDArray[np.int64]
Numbers = NDArray[np.int32]
Counted = tuple[str, int]
"""A token, and how many times it is hashed to a bit."""


@dataclass(frozen=True, slots=True)
class Tokens:
    """The tokens of some values, by number.

    Attributes:
        first: where each value's tokens begin in `numbers`, and at last where they all end, shape (values + 1,).
        numbers: of tokens.
    """

    first: Places
    numbers: Numbers


@dataclass(frozen=True, slots=True)
class ValueFilters:
    """The Bloom filters of some values, before folding: of each the union of some rows of a table.

    Attributes:
        first: where each value's rows begin in `rows`, and at last where they all end, shape (values + 1,).
        rows: of `table`.
        table: filters, shape (rows or more, words).
    """

    first: Places
    rows: Numbers
    table: Filters

    def add_to(self, filters: Filters, codes: Numbers) -> None:
        """Set, in the filter of each record, the bits of its value.

        Args:
            filters: of the records, shape (records, words).
            codes: the place of each record's value.
        """
        unite(filters, codes, self.first, self.rows, self.table)


class TokenFilters:
    """One feature's Bloom filters of tokens.

    Args:
        feature: the feature.
        kind: of its identifier.
        field: clkhash's own specification of it.
        keys: its derived keys.
        filter_bytes: length of a filter before folding.
        cache_bytes: beyond that many bytes of filters they are dropped, and made anew.
    """

    __slots__ = (
        "_all",
        "_all_values",
        "_cutter",
        "_filter_bytes",
        "_filters",
        "_formatted",
        "_made",
        "_most_kept",
        "_positions",
        "_start",
        "identifier",
    )

    def __init__(
        self,
        feature: ClkFeature,
        kind: Kind,
        field: Any,
        keys: Sequence[bytes],
        *,
        filter_bytes: int,
        cache_bytes: int,
    ) -> None:
        self.identifier = feature.identifier
        hashed = _blake_positions if feature.hash == "blake" else _double_positions
        self._positions: Callable[[Sequence[str], Places], Places] = partial(hashed, keys, filter_bytes * 8)
        self._formatted = _formatting(feature, kind, field)
        self._start: Callable[[], _Cutter] = partial(_Pieces if feature.n else _Wholes, feature, field)
        self._filter_bytes = filter_bytes
        self._most_kept = cache_bytes // filter_bytes
        self._all_values: Sequence[str] | None = None
        self._all: ValueFilters | None = None
        self._start_anew()

    def of(self, values: Sequence[str], *, records: int) -> ValueFilters:
        """The filters of some distinct values.

        Args:
            values: standardised values; "" where missing, which sets no bit.
            records: how many records have one of them.

        Raises:
            DataError: a value is not standardised.
        """
        if self._made > self._most_kept:
            self._start_anew()
        return self._united(self._tokens_of(values), records)

    def of_all(self, values: Sequence[str], *, records: int) -> ValueFilters | None:
        """The filters of all distinct values of a column, made once however often the same sequence is given.

        Args:
            values: as `of` takes them; they must not change as long as they are asked for.
            records: as there.

        Returns:
            Their filters, or None where they have more different tokens than are kept.

        Raises:
            DataError: as `of`.
        """
        if self._all_values is not values:
            self._start_anew()
            tokens = self._tokens_of_all(values)
            self._all_values, self._all = values, self._united(tokens, records) if tokens else None
        return self._all

    def _tokens_of_all(self, values: Sequence[str]) -> Tokens | None:
        first, numbers, ended = [np.zeros(1, np.int64)], [np.empty(0, np.int32)], 0
        for start in range(0, len(values), _VALUES_AT_ONCE):
            tokens = self._tokens_of(values[start : start + _VALUES_AT_ONCE])
            if self._made > self._most_kept:
                return None
            first.append(tokens.first[1:] + ended)
            numbers.append(tokens.numbers)
            ended += len(tokens.numbers)
        return Tokens(np.concatenate(first), np.concatenate(numbers))

    def _tokens_of(self, values: Sequence[str]) -> Tokens:
        try:
            tokens = self._cutter.tokens_of(self._formatted(values))
        except ValueError:
            # Of clkhash's own kinds or of Unicode's; the message holds the value, so it goes no further.
            raise DataError(
                f"Identifier '{self.identifier}' has a value that is not standardised.",
                hint="Encode only what was standardised for this agreement.",
            ) from None
        self._add_filters()
        return tokens

    def _united(self, tokens: Tokens, records: int) -> ValueFilters:
        """A row for each value, where values come again and all stay in the processor's cache; else one a token."""
        of_tokens = ValueFilters(tokens.first, tokens.numbers, self._filters)
        count = len(tokens.first) - 1
        if 2 * count > records or count * self._filter_bytes > _MOST_UNITED_BYTES:
            return of_tokens
        table = np.zeros((count, self._filters.shape[1]), dtype=np.uint64)
        each = np.arange(count + 1)
        of_tokens.add_to(table, each[:-1].astype(np.int32))
        return ValueFilters(each, each[:-1].astype(np.int32), table)

    def _start_anew(self) -> None:
        self._cutter = self._start()
        self._filters = np.zeros((64, self._filter_bytes // 8), dtype=np.uint64)
        self._made = 0

    def _add_filters(self) -> None:
        met = self._cutter.met()
        if met > len(self._filters):
            roomier = np.zeros((max(met, 2 * self._made), self._filters.shape[1]), dtype=np.uint64)
            roomier[: self._made] = self._filters[: self._made]
            self._filters = roomier
        step = max(1, _BITS_AT_ONCE // (self._filter_bytes * 8))
        for start in range(self._made, met, step):
            stop = min(start + step, met)
            self._filters[start:stop] = self._filters_of(*self._cutter.tokens(start, stop))
        self._made = met

    def _filters_of(self, tokens: Sequence[str], counts: Places) -> Filters:
        bits = np.zeros((len(tokens), self._filter_bytes * 8), dtype=np.bool_)
        positions = self._positions(tokens, counts)
        taken = np.arange(positions.shape[1]) < counts[:, None]
        bits[np.nonzero(taken)[0], positions[taken]] = True
        return np.packbits(bits, axis=1).view(np.uint64)


# How clkhash writes a value before it is cut


def _formatting(feature: ClkFeature, kind: Kind, field: Any) -> Callable[[Sequence[str]], Sequence[str]]:
    if kind == "date-of-birth":
        return _Days(field).formatted
    if kind == "year-of-birth" or feature.comparison == "numeric":
        return lambda values: [field.format_value(value) for value in values]
    return lambda values: values


class _Days:
    """Dates as clkhash writes them, remembered, since there are few days in two centuries."""

    __slots__ = ("_field", "_known")

    def __init__(self, field: Any) -> None:
        self._field = field
        self._known: dict[str, str] = {}

    def formatted(self, values: Sequence[str]) -> list[str]:
        if len(self._known) > MOST_DAYS:
            self._known.clear()
        for value in set(values).difference(self._known):
            self._known[value] = self._written(value)
        return [self._known[value] for value in values]

    def _written(self, value: str) -> str:
        try:
            day = date.fromisoformat(value)
        except ValueError:
            return str(self._field.format_value(value))
        if day.isoformat() == value and FIRST_YEAR <= day.year <= LAST_YEAR:
            return value.replace("-", "")
        return str(self._field.format_value(value))


# Which bits tokens set: for each, as many positions as the most of them wants, of which each takes the first


def _blake_positions(
    keys: Sequence[bytes], filter_bits: int, tokens: Sequence[str], counts: Places
) -> Places:
    """As `blake_encode_ngrams`: digests of 32 numbers each, under the first key and a salt that counts them."""
    messages = [token.encode() for token in tokens]
    digests = -(-int(counts.max()) // _POSITIONS_A_DIGEST)
    positions = np.zeros((len(tokens), digests, _POSITIONS_A_DIGEST), dtype=np.int64)
    for number in range(digests):
        salt = str(number).encode()
        wanting = np.flatnonzero(counts > number * _POSITIONS_A_DIGEST)
        stream = b"".join(
            [blake2b(messages[row], key=keys[0], salt=salt).digest() for row in wanting.tolist()]
        )
        found = np.frombuffer(stream, dtype=np.uint16).reshape(-1, _POSITIONS_A_DIGEST)
        positions[wanting, number] = found % filter_bits
    return positions.reshape(len(tokens), -1)


def _double_positions(
    keys: Sequence[bytes], filter_bits: int, tokens: Sequence[str], counts: Places
) -> Places:
    """As `double_hash_encode_ngrams_non_singular`: a first position, and a step that is not zero."""
    messages = [token.encode() for token in tokens]
    begin = [int.from_bytes(hmac.digest(keys[0], each, "sha1"), "big") % filter_bits for each in messages]
    step = [_step(keys[1], each, filter_bits) for each in messages]
    along = np.arange(counts.max(), dtype=np.int64)
    positions: Places = (np.array(begin)[:, None] + np.array(step)[:, None] * along) % filter_bits
    return positions


def _step(key: bytes, message: bytes, filter_bits: int) -> int:
    step, tries = int.from_bytes(hmac.digest(key, message, "md5"), "big") % filter_bits, 0
    while step == 0:
        another = hmac.digest(key, message + chr(tries).encode(), "md5")
        step, tries = int.from_bytes(another, "big") % filter_bits, tries + 1
    return step


# Cutting values into tokens


class _Cutter(Protocol):
    """Numbers tokens in the order in which they are met."""

    def tokens_of(self, values: Sequence[str]) -> Tokens:
        """The tokens of some values, by number."""

    def met(self) -> int:
        """How many there are."""

    def tokens(self, start: int, stop: int) -> tuple[Sequence[str], Places]:
        """Some of them, by number, and how many bits each sets."""


class _Wholes:
    """Cuts as clkhash's comparator does, which is called for each value: for exact and numeric comparison."""

    __slots__ = ("_bits_of_each", "_cut", "_number")

    def __init__(self, _feature: ClkFeature, field: Any) -> None:
        self._cut = field.hashing_properties.comparator.tokenize
        self._bits_of_each = field.hashing_properties.strategy.bits_per_token
        self._number: dict[Counted, int] = {}

    def tokens_of(self, values: Sequence[str]) -> Tokens:
        first, rows = [0], list[int]()
        number = self._number
        for value in values:
            tokens = list(self._cut(value))
            for counted in zip(tokens, self._bits_of_each(len(tokens)) if tokens else (), strict=True):
                rows.append(number.setdefault(counted, len(number)))
            first.append(len(rows))
        return Tokens(np.array(first, dtype=np.int64), np.array(rows, dtype=np.int32))

    def met(self) -> int:
        return len(self._number)

    def tokens(self, start: int, stop: int) -> tuple[Sequence[str], Places]:
        some = list(islice(self._number, start, stop))
        return [token for token, _ in some], np.array([count for _, count in some], dtype=np.int64)


class _Pieces:
    """Cuts into n-grams: a table of those that were met, searched by compiled code."""

    __slots__ = ("_bits", "_by_token", "_keys", "_met", "_n", "_positional", "_slots")

    def __init__(self, feature: ClkFeature, _field: Any) -> None:
        self._n = feature.n or 1
        self._positional = bool(feature.positional)
        self._by_token = feature.bits_per_token is not None
        self._bits = feature.bits_per_token or feature.bits_per_feature or 0
        self._slots = np.full(_LEAST_SLOTS, -1, dtype=np.int32)
        self._keys = np.zeros((_LEAST_SLOTS // 2, 2), dtype=np.uint64)
        self._met = 0

    def tokens_of(self, values: Sequence[str]) -> Tokens:
        points = np.frombuffer("".join(values).encode("utf-32-le"), dtype=np.uint32)
        lengths = np.fromiter(map(len, values), np.int64, len(values))
        starts = np.concatenate([np.zeros(1, np.int64), np.cumsum(lengths)])
        sizes = np.where(lengths > 0, lengths + (self._n - 1), 0)
        first = np.concatenate([np.zeros(1, np.int64), np.cumsum(sizes)])
        rows = np.empty(first[-1], dtype=np.int32)
        done = 0
        while done < len(values):
            done, self._met = number_pieces(
                points, starts, first, rows, done, self._met, self._slots, self._keys,
                self._n, self._positional, self._by_token, self._bits,
            )  # fmt: skip
            if done < len(values):
                self._grow(int(sizes[done]))
        return Tokens(first, rows)

    def _grow(self, more: int) -> None:
        room = 2 * len(self._keys)
        while room < self._met + more:
            room *= 2
        keys = np.zeros((room, 2), dtype=np.uint64)
        keys[: self._met] = self._keys[: self._met]
        self._keys, self._slots = keys, np.full(2 * room, -1, dtype=np.int32)
        fill_slots(self._slots, self._keys, self._met)

    def met(self) -> int:
        return self._met

    def tokens(self, start: int, stop: int) -> tuple[Sequence[str], Places]:
        low, high = self._keys[start:stop, 0], self._keys[start:stop, 1]
        points = np.stack(
            [
                low & _CHARACTER,
                low >> _CHARACTER_BITS & _CHARACTER,
                low >> 2 * _CHARACTER_BITS,
                high & _CHARACTER,
            ],
            axis=1,
        )
        text = points[:, : self._n].astype("<u4").tobytes().decode("utf-32-le")
        pieces = [text[at : at + self._n] for at in range(0, len(text), self._n)]
        if self._positional:
            places = (high >> _PLACE_SHIFT).tolist()
            pieces = [f"{place} {piece}" for place, piece in zip(places, pieces, strict=True)]
        return pieces, (high >> _CHARACTER_BITS & _COUNT).astype(np.int64)


@compiled
def number_pieces(
    points: NDArray[np.uint32],
    starts: Places,
    first: Places,
    rows: Numbers,
    done: int,
    met: int,
    slots: Numbers,
    keys: NDArray[np.uint64],
    n: int,
    positional: bool,
    by_token: bool,
    bits: int,
) -> tuple[int, int]:
    """Number the n-grams of values, until all are done or there may be no room for those of the next.

    Args:
        points: the values' characters, one value after the other.
        starts: where each value begins in `points`, and at last where all end.
        first: where each value's n-grams go in `rows`, and at last where all end.
        rows: takes the number of each n-gram.
        done: values that are done already.
        met: n-grams that have numbers already.
        slots: by hash, the number of an n-gram; -1 where there is none. A power of two long.
        keys: the n-grams by number, at most half as many as slots.
        n: characters of an n-gram; n - 1 spaces stand before a value and behind it.
        positional: whether its place in the value, from 1, is part of it.
        by_token: whether `bits` are for each n-gram, or for the value, the first taking one more if need be.
        bits: how many bits to set.

    Returns:
        How many values are done, and how many n-grams have numbers.
    """
    for value in range(done, len(starts) - 1):
        count = first[value + 1] - first[value]
        if met + count > len(keys):
            return value, met
        for place in range(count):
            low, high = np.uint64(0), np.uint64(0)
            for character in range(n):
                at = starts[value] + place + character - (n - 1)
                point = np.uint64(_SPACE)
                if starts[value] <= at < starts[value + 1]:
                    point = np.uint64(points[at])
                if character < 3:
                    low |= point << np.uint64(character * _CHARACTER_BITS)
                else:
                    high |= point
            hashed_to = bits if by_token else bits // count + (1 if place < bits % count else 0)
            high |= np.uint64(hashed_to) << np.uint64(_CHARACTER_BITS)
            if positional:
                high |= np.uint64(place + 1) << np.uint64(_PLACE_SHIFT)
            slot = slot_of(low, high, slots, keys)
            if slots[slot] < 0:
                slots[slot] = met
                keys[met, 0], keys[met, 1] = low, high
                met += 1
            rows[first[value] + place] = slots[slot]
    return len(starts) - 1, met


@compiled
def slot_of(low: np.uint64, high: np.uint64, slots: Numbers, keys: NDArray[np.uint64]) -> np.int64:
    """The slot where a token has its number, or would have it."""
    mixed = (np.uint64(low) ^ (np.uint64(high) * np.uint64(0xC2B2AE3D27D4EB4F))) * np.uint64(
        0x9E3779B97F4A7C15
    )
    slot = np.int64((mixed >> np.uint64(32)) & np.uint64(len(slots) - 1))
    while slots[slot] >= 0 and (keys[slots[slot], 0] != low or keys[slots[slot], 1] != high):
        slot = (slot + 1) & (len(slots) - 1)
    return slot


@compiled
def fill_slots(slots: Numbers, keys: NDArray[np.uint64], met: int) -> None:
    """Put the numbers of all tokens into empty slots."""
    for number in range(met):
        slots[slot_of(keys[number, 0], keys[number, 1], slots, keys)] = number


@compiled
def unite(filters: Filters, codes: Numbers, first: Places, rows: Numbers, table: Filters) -> None:
    """Set, in each record's filter, the bits of each token of its value.

    Args:
        filters: of the records, shape (records, words).
        codes: the place of each record's value in `first`.
        first: where a value's tokens begin in `rows`.
        rows: of tokens, in `table`.
        table: filters of tokens, shape (tokens or more, words).
    """
    for record in range(len(codes)):
        value = codes[record]
        for place in range(first[value], first[value + 1]):
            row = rows[place]
            for word in range(filters.shape[1]):
                filters[record, word] |= table[row, word]


@compiled
def renumbered(codes: Places, place_of: Numbers, used: Places) -> tuple[int, Numbers]:
    """Number the distinct codes of a chunk in the order in which they come.

    Args:
        codes: a code a record.
        place_of: for each code -1, before and afterwards.
        used: takes the codes, in the order of their numbers; as long as `codes`.

    Returns:
        How many there are, and the number of each record's.
    """
    places = np.empty(len(codes), dtype=np.int32)
    count = 0
    for record in range(len(codes)):
        code = codes[record]
        if place_of[code] < 0:
            place_of[code] = count
            used[count] = code
            count += 1
        places[record] = place_of[code]
    for place in range(count):
        place_of[used[place]] = -1
    return count, places
