"""How alike a dataset's own records are: every pair that shares a block in any pass, each once, as patterns counted.

Runs in the department, which alone knows that two records share the blocks of several passes. A pair counts with the
pattern that the first of its passes gives, in the agreement's order, as the key issuer takes it when it merges
passes. Whether an earlier pass has found a pair is seen from the blocks of its two records in that pass, so that no
pair has to be remembered: what is held is a block number for each record and pass, the patterns that there are, and
the pairs of one piece of the work. Filters are made of the records of new pairs alone.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from pprl.protocol.levels import Fields, Filters, Present, compare_levels, compiled
from pprl.protocol.pattern_counts import PatternCounts, Patterns

PAIRS_AT_ONCE = 1 << 16
_NOWHERE = -1

Indices = NDArray[np.int64]
Blocks = NDArray[np.int32]
FiltersOf = Callable[[Indices], tuple[Filters, Present]]
"""From records to their filters in a pass and the masks of those that stand for a value."""


class OwnPairs:
    """Counts the patterns of a dataset's own pairs, pass by pass.

    Args:
        blocks: number of each record's block in each pass, -1 for none, shape (records, passes); of those who stay at
            home only the ones that are compared there have one.
        fields: what the filters of a record are.
        pairs_at_once: how many pairs are compared at a time.
    """

    __slots__ = ("_at_once", "_blocks", "_counted", "_fields", "_places")

    def __init__(self, blocks: Blocks, fields: Fields, *, pairs_at_once: int = PAIRS_AT_ONCE) -> None:
        self._blocks = blocks
        self._fields = fields
        self._at_once = pairs_at_once
        self._places = np.full(len(blocks), _NOWHERE, dtype=np.int32)
        self._counted = PatternCounts(np.empty(0, np.uint64), np.empty(0, np.int64))

    def add(self, pass_: int, filters_of: FiltersOf) -> None:
        """Count the pairs of a pass that no earlier one has found.

        Args:
            pass_: its number.
            filters_of: makes the filters of some records in the pass.
        """
        by_block, ends = _in_company(self._blocks[:, pass_])
        largest = int((ends - np.arange(len(ends))).max(initial=0))
        found = np.empty((2, max(self._at_once, largest)), dtype=np.int64)
        start = 0
        while start < len(by_block):
            start, count = _next_pairs(by_block, ends, self._blocks, pass_, start, found)
            if count:
                self._counted = _together(self._counted, self._compared(found[:, :count], filters_of))

    def _compared(self, pairs: Indices, filters_of: FiltersOf) -> Patterns:
        rows, left, right = _numbered(pairs, self._places)
        filters, present = filters_of(rows)
        return compare_levels(filters, present, filters, present, left, right, self._fields)

    def counted(self) -> PatternCounts:
        """The patterns of all pairs so far.

        Leaks: an aggregate: how often two different people of the dataset are alike, and in what.
        """
        return self._counted


def _in_company(blocks: Blocks) -> tuple[Indices, Indices]:
    """The records that are not alone in their block, block by block, and for each where its block ends."""
    there = np.flatnonzero(blocks >= 0)
    several = np.bincount(blocks[there])[blocks[there]] > 1 if len(there) else there.astype(np.bool_)
    there = there[several]
    by_block = there[np.argsort(blocks[there], kind="stable")]
    return by_block, np.searchsorted(blocks[by_block], blocks[by_block], side="right")


def _numbered(pairs: Indices, places: NDArray[np.int32]) -> tuple[Indices, Indices, Indices]:
    """The different records of some pairs, and for each pair where among them its two stand.

    Args:
        pairs: shape (2, pairs).
        places: room for a place a record, all `_NOWHERE`, as they are again afterwards; shape (records,).
    """
    rows, numbers = np.empty(pairs.size, dtype=np.int64), np.empty(pairs.shape, dtype=np.int64)
    rows = rows[: _number(pairs, places, rows, numbers)]
    places[rows] = _NOWHERE
    return rows, numbers[0], numbers[1]


@compiled
def _number(pairs: Indices, places: NDArray[np.int32], rows: Indices, numbers: Indices) -> int:
    count = 0
    for pair in range(pairs.shape[1]):
        for side in range(2):
            row = pairs[side, pair]
            if places[row] == _NOWHERE:
                places[row] = count
                rows[count] = row
                count += 1
            numbers[side, pair] = places[row]
    return count


def _together(counted: PatternCounts, patterns: Patterns) -> PatternCounts:
    distinct, counts = np.unique(patterns, return_counts=True)
    both, place = np.unique(np.concatenate([counted.patterns, distinct]), return_inverse=True)
    sums = np.zeros(len(both), dtype=np.int64)
    np.add.at(sums, place, np.concatenate([counted.counts, counts]))
    return PatternCounts(both, sums)


@compiled
def _found_before(blocks: Blocks, passes: int, one: int, other: int) -> bool:
    for pass_ in range(passes):  # noqa: SIM110 - compiled code has no any() over a generator
        if blocks[one, pass_] >= 0 and blocks[one, pass_] == blocks[other, pass_]:
            return True
    return False


@compiled
def _next_pairs(
    by_block: Indices, ends: Indices, blocks: Blocks, pass_: int, start: int, found: Indices
) -> tuple[int, int]:
    """New pairs of the records from `start` on, as many as there is room for: where to go on, and how many."""
    at = 0
    entry = start
    while entry < len(by_block) and at + ends[entry] - entry - 1 <= found.shape[1]:
        left = by_block[entry]
        for right in by_block[entry + 1 : ends[entry]]:
            if not _found_before(blocks, pass_, left, right):
                found[0, at] = left
                found[1, at] = right
                at += 1
        entry += 1
    return entry, at
