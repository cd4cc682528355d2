"""Pairs of records that share a block tag, a bounded number at a time. The matcher runs this for each pass.

A tag is 16 bytes. Within a pass each record has at most one, so that a pair is found once. Blocks are taken in
ascending order of their tags, and inside a block pairs in order of left row, then right row.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pprl.protocol.levels import compiled
from pprl.protocol.random_order import order_of
from pprl.protocol.submission import TAG_BYTES

MOST_PAIRS_AT_ONCE = 4_000_000

Tags = NDArray[np.uint8]
Rows = NDArray[np.uint32]
Indices = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class _Blocks:
    """Records by block, over the blocks that hold pairs.

    Attributes:
        left: left rows, block by block, ascending within a block.
        right: right rows in the same way.
        left_start: where each block starts in `left`, and its end; shape (blocks + 1,).
        right_start: the same for `right`.
        within: whether the two sides are one dataset, so that a pair is two of a block's rows.
    """

    left: Rows
    right: Rows
    left_start: Indices
    right_start: Indices
    within: bool


def block_pairs(
    left: Tags, right: Tags | None, *, most_at_once: int = MOST_PAIRS_AT_ONCE
) -> Iterator[tuple[Rows, Rows]]:
    """All pairs with equal tags, in pieces. The matcher runs this.

    Args:
        left: tags, shape (records, 16).
        right: tags of the other dataset; None for pairs within `left`, each two rows once, the smaller left.
        most_at_once: pairs in a piece; a left row's pairs in one block are never divided, so that a piece
            may hold more by what one row has.

    Yields:
        Left rows and right rows of the next pairs, none empty.

    Raises:
        ValueError: tags are not rows of 16 bytes.
    """
    blocks = _blocks(left, right)
    pairs_of_row = _pairs_of_each_left(blocks)
    ends = np.cumsum(pairs_of_row)
    start = 0
    while start < len(ends):
        done = int(ends[start - 1]) if start else 0
        stop = max(int(np.searchsorted(ends, done + most_at_once, side="right")), start + 1)
        count = int(ends[stop - 1]) - done
        if count:
            found = np.empty((2, count), dtype=np.uint32)
            _fill_pairs(*_parts(blocks), start, stop, found)
            yield found[0], found[1]
        start = stop


def count_pairs(left: Tags, right: Tags | None) -> int:
    """How many pairs `block_pairs` yields, without making them."""
    return int(_pairs_of_each_left(_blocks(left, right)).sum())


def _blocks(left: Tags, right: Tags | None) -> _Blocks:
    other = left if right is None else right
    for tags in (left, other):
        if tags.ndim != 2 or tags.shape[1] != TAG_BYTES or tags.dtype != np.uint8:
            raise ValueError(f"tags must be rows of {TAG_BYTES} bytes")
    ordered, order = _ascending(left)
    other_ordered, other_order = (ordered, order) if right is None else _ascending(right)
    rows = np.empty(len(left), dtype=np.uint32), np.empty(len(other), dtype=np.uint32)
    most = min(len(left), len(other)) + 1
    starts = np.zeros((2, most), dtype=np.int64)
    blocks = _fill_blocks(ordered, order, other_ordered, other_order, right is None, *rows, starts)
    left_start, right_start = starts[:, : blocks + 1].copy()
    return _Blocks(
        rows[0][: left_start[-1]], rows[1][: right_start[-1]], left_start, right_start, right is None
    )


def _ascending(tags: Tags) -> tuple[NDArray[np.uint64], Indices]:
    """Tags in ascending order as rows of two numbers, and which row each is of; equal ones keep their order."""
    words = np.ascontiguousarray(tags).view(">u8").astype(np.uint64).reshape(len(tags), 2)
    order = order_of(words[:, 0])
    ordered = words[order]
    same, below = ordered[1:, 0] == ordered[:-1, 0], ordered[1:, 1] < ordered[:-1, 1]
    if (same & below).any():
        # Two tags with equal first halves: chance makes none, but nothing forbids them.
        order = np.lexsort((words[:, 1], words[:, 0]))
        ordered = words[order]
    return ordered, order


@compiled
def _fill_blocks(
    left: NDArray[np.uint64],
    left_order: Indices,
    right: NDArray[np.uint64],
    right_order: Indices,
    within: bool,
    left_rows: Rows,
    right_rows: Rows,
    starts: Indices,
) -> int:
    """Walk both sides' tags together; gives the number of blocks that hold pairs."""
    blocks, i, j = 0, 0, 0
    while i < len(left) and j < len(right):
        high, low = left[i]
        if right[j, 0] != high or right[j, 1] != low:
            if right[j, 0] < high or (right[j, 0] == high and right[j, 1] < low):
                j += 1
            else:
                i += 1
            continue
        of_left, of_right = starts[0, blocks], starts[1, blocks]
        while i < len(left) and left[i, 0] == high and left[i, 1] == low:
            left_rows[of_left] = left_order[i]
            of_left, i = of_left + 1, i + 1
        while j < len(right) and right[j, 0] == high and right[j, 1] == low:
            right_rows[of_right] = right_order[j]
            of_right, j = of_right + 1, j + 1
        if within and of_left - starts[0, blocks] < 2:
            continue
        blocks += 1
        starts[0, blocks], starts[1, blocks] = of_left, of_right
    return blocks


def _pairs_of_each_left(blocks: _Blocks) -> Indices:
    """For each entry of `blocks.left`, how many pairs it is the left of."""
    left_sizes = np.diff(blocks.left_start)
    if blocks.within:
        later = np.repeat(blocks.left_start[1:], left_sizes) - np.arange(len(blocks.left)) - 1
        return later.astype(np.int64)
    return np.repeat(np.diff(blocks.right_start), left_sizes)


def _parts(blocks: _Blocks) -> tuple[Rows, Rows, Indices, Indices, bool]:
    return blocks.left, blocks.right, blocks.left_start, blocks.right_start, blocks.within


@compiled
def _fill_pairs(
    left: Rows,
    right: Rows,
    left_start: Indices,
    right_start: Indices,
    within: bool,
    start: int,
    stop: int,
    found: Rows,
) -> None:
    block = np.searchsorted(left_start, start, side="right") - 1
    at = 0
    for entry in range(start, stop):
        while left_start[block + 1] <= entry:
            block += 1
        first = entry + 1 if within else right_start[block]
        for other in range(first, right_start[block + 1]):
            found[0, at] = left[entry]
            found[1, at] = right[other]
            at += 1
