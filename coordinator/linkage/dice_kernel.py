"""All pairs of two sets of filters whose Dice coefficient reaches a floor, compiled. The matcher runs this. Pure.

The right side stands in tiles: 128 filters, word by word, so that one word of them all lies in a row. For a filter of
the left side the common bits with a whole tile are counted at once, by whatever the processor has: with AVX-512
VPOPCNTDQ eight filters in one instruction, without it the same numbers by more instructions. Filters are in the order
of their bits set, so that a tile in which no filter can reach the floor is passed over.

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
    """The right side in tiles, shape (tiles, words, 128); places of the last that are left over hold zeros."""
    count, width = side.words.shape
    whole = count // TILE
    packed = np.zeros((-(-count // TILE), width, TILE), dtype=np.uint64)
    packed[:whole] = side.words[: whole * TILE].reshape(whole, TILE, width).transpose(0, 2, 1)
    if whole < len(packed):
        packed[whole, :, : count - whole * TILE] = side.words[whole * TILE :].T
    return packed


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
    room = np.empty((3, _ROOM), dtype=np.uint32)
    parts, tile, row = [np.empty((3, 0), dtype=np.uint32)], 0, 0
    # Inside a side, each filter meets those that come after it.
    first = block.start + 1 if within else -len(block)
    tile = max(first, 0) // TILE
    while tile < len(right_tiles):
        found, tile, row = _find(
            left.words[rows], left.bits[rows], right_tiles, right.bits, least, first, tile, row, room
        )
        parts.append(room[:, :found].copy())
        if not take(found):
            break
    together = np.concatenate(parts, axis=1)
    return Found(together[0] + np.uint32(block.start), together[1], together[2])


# Pairs that are found before they are handed on.
_ROOM = 1 << 16


@compiled
def _find(
    left: Words,
    left_bits: Counts,
    right_tiles: Words,
    right_bits: Counts,
    least: Counts,
    first: int,
    tile: int,
    row: int,
    room: NDArray[np.uint32],
) -> tuple[int, int, int]:
    """Go on from a tile and a row while there is room: how many pairs were found, and where to go on."""
    common = np.empty(TILE, dtype=np.int64)
    found = 0
    for at_tile in range(tile, len(right_tiles)):
        start = at_tile * TILE
        end = min(start + TILE, len(right_bits))
        low, high = right_bits[start], right_bits[end - 1]
        for at_row in range(row, len(left)):
            if first + at_row >= end:
                break
            bits = left_bits[at_row]
            nearest = min(max(bits, low), high)
            if min(bits, nearest) < least[bits + nearest]:
                continue
            if found + TILE > room.shape[1]:
                return found, at_tile, at_row
            if _count_common(left, at_row, right_tiles, at_tile, common) < least[bits + low]:
                continue
            for at in range(max(first + at_row - start, 0), end - start):
                if common[at] >= least[bits + right_bits[start + at]]:
                    room[0, found], room[1, found], room[2, found] = at_row, start + at, common[at]
                    found += 1
        row = 0
    return found, len(right_tiles), 0


@compiled
def _count_common(left: Words, row: int, right_tiles: Words, tile: int, common: Counts) -> int:
    """Fill in the common bits of a filter with each of a tile; the most of them."""
    if left.shape[1] == 2 * _WORDS_AT_ONCE:
        return _sixteen_words(left[row], right_tiles[tile], common)
    most = 0
    for word in range(0, left.shape[1], _WORDS_AT_ONCE):
        most = _eight_words(left[row, word:], right_tiles[tile, word:], common, word > 0)
    return most


# Written out, so that the words of the left filter stay in registers: a loop over words would fetch them anew for each
# filter of the tile.


@compiled
def _sixteen_words(x: Words, y: Words, common: Counts) -> int:
    a, b, c, d, e, f, g, h = x[0], x[1], x[2], x[3], x[4], x[5], x[6], x[7]
    i, j, k, l, m, n, o, p = x[8], x[9], x[10], x[11], x[12], x[13], x[14], x[15]  # noqa: E741
    most = 0
    for at in range(TILE):
        bits = ones(a & y[0, at]) + ones(b & y[1, at]) + ones(c & y[2, at]) + ones(d & y[3, at])
        bits += ones(e & y[4, at]) + ones(f & y[5, at]) + ones(g & y[6, at]) + ones(h & y[7, at])
        bits += ones(i & y[8, at]) + ones(j & y[9, at]) + ones(k & y[10, at]) + ones(l & y[11, at])
        bits += ones(m & y[12, at]) + ones(n & y[13, at]) + ones(o & y[14, at]) + ones(p & y[15, at])
        common[at] = bits
        most = max(most, bits)
    return most


@compiled
def _eight_words(x: Words, y: Words, common: Counts, more: bool) -> int:
    a, b, c, d, e, f, g, h = x[0], x[1], x[2], x[3], x[4], x[5], x[6], x[7]
    most = 0
    for at in range(TILE):
        bits = ones(a & y[0, at]) + ones(b & y[1, at]) + ones(c & y[2, at]) + ones(d & y[3, at])
        bits += ones(e & y[4, at]) + ones(f & y[5, at]) + ones(g & y[6, at]) + ones(h & y[7, at])
        if more:
            bits += common[at]
        common[at] = bits
        most = max(most, bits)
    return most
