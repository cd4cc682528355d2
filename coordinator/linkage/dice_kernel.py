"""All pairs of two sets of filters whose Dice coefficient reaches a floor, compiled. The matcher runs this. Pure.

The right side stands in tiles: 128 filters, word by word, so that one word of them all lies in a row. For a filter of
the left side the common bits with a whole tile are counted at once, by whatever the processor has: with AVX-512
VPOPCNTDQ eight filters in one instruction, without it the same numbers by more instructions. Filters are in the order
of their bits set, so that a tile in which no filter can reach the floor is passed over. Of filters of 1,024 bits the
first ten words are counted before the others: what the rest can add is no more than either filter has set there, and at
high floors that leaves hardly a tile to count whole. Where it leaves many, a block goes on without asking.

Whether a pair reaches the floor is asked of whole numbers (`least_common`), so that none is lost at the floor itself.
This module owns the arrangement and the counting; its caller cuts the left side into blocks and keeps what is found.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, cast

import numpy as np
from numba.core import types
from numba.extending import intrinsic
from numpy.typing import NDArray

from pprl.protocol.levels import compiled

TILE = 128
"""Filters in a tile: of 1,024 bits they take half of the fastest cache."""

_WORDS_AT_ONCE = 8
# Of the 16 words of a filter of 1,024 bits, those that are counted first.
_WIDTH, _HEAD = 16, 10
_LINE_WORDS = 8

Filters = NDArray[np.uint8]
Words = NDArray[np.uint64]
Counts = NDArray[np.int64]


def _ones(_typing: Any, _word: Any) -> Any:
    def instruction(_context: Any, builder: Any, _signature: Any, arguments: Any) -> Any:
        return builder.ctpop(arguments[0])

    return types.int64(types.uint64), instruction


ones = cast("Callable[[np.uint64], int]", intrinsic(_ones))
"""Bits set in a word; inside compiled code alone. LLVM counts several words at once where the processor can."""


@dataclass(frozen=True, slots=True)
class Ordered:
    """The filters of a side that have a bit set, in ascending order of how many.

    Attributes:
        rows: row of each among all filters, shape (filters,), uint32.
        bits: bits set in each, int64.
        words: each, shape (filters, words), uint64; a whole number of eight words.
    """

    rows: NDArray[np.uint32]
    bits: Counts
    words: Words

    def __len__(self) -> int:
        """The number of filters."""
        return len(self.rows)


@dataclass(frozen=True, slots=True)
class Found:
    """Pairs of a block of the left side, as positions in the order of both sides.

    Attributes:
        left: position on the left, shape (pairs,), uint32.
        right: position on the right.
        common: bits set in both.
    """

    left: NDArray[np.uint32]
    right: NDArray[np.uint32]
    common: NDArray[np.uint32]


def ordered(filters: Filters) -> Ordered:
    """Put filters into the order that the kernel needs.

    Args:
        filters: shape (rows, bytes), a multiple of 8 bytes.
    """
    words = np.ascontiguousarray(filters).view(np.uint64)
    bits = np.bitwise_count(words).sum(axis=1, dtype=np.int64)
    rows = np.argsort(bits, kind="stable")
    rows = rows[np.searchsorted(bits[rows], 1) :]
    padded = np.zeros((len(rows), -(-words.shape[1] // _WORDS_AT_ONCE) * _WORDS_AT_ONCE), dtype=np.uint64)
    padded[:, : words.shape[1]] = words[rows]
    return Ordered(rows.astype(np.uint32), bits[rows], padded)


def tiles(side: Ordered) -> Words:
    """The right side in tiles, shape (tiles, (words + 1) * 128): first words, second words, ...; the last with zeros.

    Behind a tile's words stands, for each filter, how many bits it has in those that are counted last.
    """
    count, width = side.words.shape
    whole = count // TILE
    packed = _in_cache_lines((-(-count // TILE), width + 1, TILE))
    packed[:whole, :width] = side.words[: whole * TILE].reshape(whole, TILE, width).transpose(0, 2, 1)
    if whole < len(packed):
        packed[whole, :width, : count - whole * TILE] = side.words[whole * TILE :].T
    packed[:, width] = _rest(packed[:, :width].transpose(0, 2, 1))
    return packed.reshape(len(packed), (width + 1) * TILE)


def _rest(words: Words) -> Counts:
    """Bits of filters in the words that are counted last, shape (..., words) to (...)."""
    return np.asarray(np.bitwise_count(words[..., _HEAD:]).sum(axis=-1, dtype=np.int64))


def _in_cache_lines(shape: tuple[int, ...]) -> Words:
    """Zeros that begin where a line of the cache does: reading across two lines costs a fifth of the speed."""
    wanted = int(np.prod(shape))
    room = np.zeros(wanted + _LINE_WORDS, dtype=np.uint64)
    start = -(room.ctypes.data // room.itemsize) % _LINE_WORDS
    return room[start : start + wanted].reshape(shape)


def least_common(floor: float, most_bits: int) -> Counts:
    """For each number of bits of two filters together, the fewest common ones with which Dice reaches the floor.

    Args:
        floor: lowest Dice coefficient, above 0.
        most_bits: most bits of two filters together.

    Returns:
        Shape (most_bits + 1,), rising: c is enough for t just if the quotient 2c / t, rounded, is at least the floor.
    """
    total = np.maximum(np.arange(most_bits + 1), 1)
    # The product is rounded, and may be off by one on either side: begin below, and ask of the quotient itself.
    least = np.maximum(np.floor(floor * total / 2).astype(np.int64) - 1, 1)
    for _ in range(3):
        least += 2 * least / total < floor
    return least


def find(
    left: Ordered,
    block: range,
    right: Ordered,
    right_tiles: Words,
    least: Counts,
    *,
    within: bool,
    take: Callable[[int], bool],
) -> Found:
    """The pairs of a block of the left side that reach the floor. May run in several threads at once.

    Args:
        left: the left side.
        block: positions in it.
        right: the right side; the left one again to compare it with itself.
        right_tiles: its `tiles`.
        least: `least_common` of the floor, for as many bits as two filters have together.
        within: whether a side is compared with itself, each two filters once.
        take: told the number of pairs found since it was last asked; if it answers no, the rest is left.

    Returns:
        The pairs, in no order. In each, `right` is above `left` if `within`.
    """
    rows = slice(block.start, block.stop)
    words = left.words[rows]
    rest = _rest(words)
    room = np.empty((3, _ROOM), dtype=np.uint32)
    common = _in_cache_lines((TILE,)).view(np.int64)
    parts, row = [np.empty((3, 0), dtype=np.uint32)], 0
    # Inside a side, each filter meets those that come after it.
    first = block.start + 1 if within else -len(block)
    tile = max(first, 0) // TILE
    while tile < len(right_tiles):
        found, tile, row = _find(
            words, left.bits[rows], rest, right_tiles, right.bits, least, first, tile, row, common, room
        )
        parts.append(room[:, :found].copy())
        if not take(found):
            break
    together = np.concatenate(parts, axis=1)
    return Found(together[0] + np.uint32(block.start), together[1], together[2])


# Pairs that are found before they are handed on.
_ROOM = 1 << 16
# Asking what is possible pays while it settles three quarters of the tiles; some are forgiven.
_MOST_LEFT_OVER = 32


@compiled
def _find(
    left: Words,
    left_bits: Counts,
    left_rest: Counts,
    right_tiles: Words,
    right_bits: Counts,
    least: Counts,
    first: int,
    tile: int,
    row: int,
    common: Counts,
    room: NDArray[np.uint32],
) -> tuple[int, int, int]:
    """Go on from a tile and a row while there is room: how many pairs were found, and where to go on."""
    found = asked = left_over = 0
    asks = left.shape[1] == _WIDTH
    for at_tile in range(tile, len(right_tiles)):
        start = at_tile * TILE
        end = min(start + TILE, len(right_bits))
        low, high = right_bits[start], right_bits[end - 1]
        for at_row in range(row, len(left)):
            if first + at_row >= end:
                break
            bits = left_bits[at_row]
            nearest = min(max(bits, low), high)
            needed = least[bits + low]
            if min(bits, nearest) < least[bits + nearest]:
                continue
            asked += 1
            if asks and _most_possible(left[at_row], right_tiles[at_tile], left_rest[at_row]) < needed:
                continue
            left_over += 1
            asks = asks and left_over < _MOST_LEFT_OVER + asked // 4
            if not _may_reach(left[at_row], right_tiles[at_tile], needed):
                continue
            if found + TILE > room.shape[1]:
                return found, at_tile, at_row
            if _count_all(left[at_row], right_tiles[at_tile], common) < needed:
                continue
            after = max(first + at_row, start)
            found = _keep(common, least, bits, right_bits, start, after, end, at_row, room, found)
        row = 0
    return found, len(right_tiles), 0


@compiled
def _keep(
    common: Counts,
    least: Counts,
    bits: int,
    right_bits: Counts,
    start: int,
    after: int,
    end: int,
    row: int,
    room: NDArray[np.uint32],
    found: int,
) -> int:
    """Note the pairs of a filter and a tile that reach the floor; how many are noted by now."""
    for at in range(after, end):
        if common[at - start] >= least[bits + right_bits[at]]:
            room[0, found], room[1, found], room[2, found] = row, at, common[at - start]
            found += 1
    return found


@compiled
def _may_reach(x: Words, tile: Words, needed: int) -> bool:
    """Whether some filter of a tile has so much in common with x, where that can be told without keeping counts."""
    return len(x) != 2 * _WORDS_AT_ONCE or _most_common(x, tile) >= needed


@compiled
def _count_all(x: Words, tile: Words, common: Counts) -> int:
    """Fill in what x has in common with each filter of a tile; the most of it."""
    most = 0
    for word in range(0, len(x), _WORDS_AT_ONCE):
        most = _count_common(x[word:], tile[word * TILE :], common, word > 0)
    return most


# All are written out, so that the words of the left filter stay in registers: a loop over words would fetch them anew
# for each filter of the tile. The first two are for filters of 1,024 bits, and keep nothing; most tiles end there.


@compiled
def _most_possible(x: Words, y: Words, rest: int) -> int:
    """The most that a filter of 16 words may have in common with any of a tile, from ten words and the others' bits."""
    a, b, c, d, e, f, g, h, i, j = x[0], x[1], x[2], x[3], x[4], x[5], x[6], x[7], x[8], x[9]
    most = 0
    for t in range(TILE):
        bits = ones(a & y[t]) + ones(b & y[TILE + t]) + ones(c & y[2 * TILE + t]) + ones(d & y[3 * TILE + t])
        bits += ones(e & y[4 * TILE + t]) + ones(f & y[5 * TILE + t]) + ones(g & y[6 * TILE + t])
        bits += ones(h & y[7 * TILE + t]) + ones(i & y[8 * TILE + t]) + ones(j & y[9 * TILE + t])
        behind: Any = np.int64(y[16 * TILE + t])
        most = max(most, bits + min(rest, behind))
    return most


@compiled
def _most_common(x: Words, y: Words) -> int:
    """The most bits that a filter of 16 words has in common with any of a tile."""
    a, b, c, d, e, f, g, h = x[0], x[1], x[2], x[3], x[4], x[5], x[6], x[7]
    i, j, k, l, m, n, o, p = x[8], x[9], x[10], x[11], x[12], x[13], x[14], x[15]  # noqa: E741
    most = 0
    for t in range(TILE):
        bits = ones(a & y[t]) + ones(b & y[TILE + t]) + ones(c & y[2 * TILE + t]) + ones(d & y[3 * TILE + t])
        bits += ones(e & y[4 * TILE + t]) + ones(f & y[5 * TILE + t]) + ones(g & y[6 * TILE + t])
        bits += ones(h & y[7 * TILE + t]) + ones(i & y[8 * TILE + t]) + ones(j & y[9 * TILE + t])
        bits += ones(k & y[10 * TILE + t]) + ones(l & y[11 * TILE + t]) + ones(m & y[12 * TILE + t])
        bits += ones(n & y[13 * TILE + t]) + ones(o & y[14 * TILE + t]) + ones(p & y[15 * TILE + t])
        most = max(most, bits)
    return most


@compiled
def _count_common(x: Words, y: Words, common: Counts, more: bool) -> int:
    """Count what eight words have in common with those of each of a tile, on top of `common` if `more`; the most."""
    a, b, c, d, e, f, g, h = x[0], x[1], x[2], x[3], x[4], x[5], x[6], x[7]
    most = 0
    for t in range(TILE):
        bits = ones(a & y[t]) + ones(b & y[TILE + t]) + ones(c & y[2 * TILE + t]) + ones(d & y[3 * TILE + t])
        bits += ones(e & y[4 * TILE + t]) + ones(f & y[5 * TILE + t]) + ones(g & y[6 * TILE + t])
        bits += ones(h & y[7 * TILE + t])
        if more:
            bits += common[t]
        common[t] = bits
        most = max(most, bits)
    return most
