"""How alike a dataset's own records are: every pair that shares a block in any pass, each once, as patterns counted.

Runs in the department, which alone knows that two records share the blocks of several passes. A pair counts with the
pattern that the first of its passes gives, in the agreement's order, as the key issuer takes it when it merges
passes. Whether an earlier pass has found a pair is seen from the blocks of its two records in that pass, so that no
pair has to be remembered: what is held is a block number for each record and pass, the patterns that there are, and
the pairs of one piece of the work.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from pprl.encode.field_filters import PassRecords
from pprl.protocol.levels import Fields, compare_levels, compiled
from pprl.protocol.pattern_counts import PatternCounts, Patterns

PAIRS_AT_ONCE = 1 << 20

Indices = NDArray[np.int64]
Blocks = NDArray[np.int32]

_NO_BLOCK = -1


class OwnPairs:
    """Counts the patterns of a dataset's own pairs, pass by pass.

    Args:
        records: how many records the dataset has.
        passes: how many passes will be added.
        fields: what the filters of a record are.
        pairs_at_once: how many pairs are compared at a time.
    """

    __slots__ = ("_at_once", "_blocks", "_counted", "_fields", "_passes")

    def __init__(
        self, records: int, passes: int, fields: Fields, *, pairs_at_once: int = PAIRS_AT_ONCE
    ) -> None:
        self._blocks = np.full((records, passes), _NO_BLOCK, dtype=np.int32)
        self._passes = 0
        self._fields = fields
        self._at_once = pairs_at_once
        self._counted = PatternCounts(np.empty(0, np.uint64), np.empty(0, np.int64))

    def add(self, records: PassRecords) -> None:
        """Count the pairs of a pass that no pass added before has found.

        Args:
            records: the dataset's records in the pass.
        """
        filters = np.ascontiguousarray(records.filters).view(np.uint64)
        by_block = np.argsort(records.blocks, kind="stable")
        blocks = records.blocks[by_block]
        ends = np.searchsorted(blocks, blocks, side="right")
        largest = int((ends - np.arange(len(ends))).max(initial=0))
        found = np.empty((2, max(self._at_once, largest)), dtype=np.int64)
        start = 0
        while start < len(by_block):
            start, count = _next_pairs(
                by_block, ends, records.rows, self._blocks[:, : self._passes], start, found
            )
            left, right = found[:, :count]
            patterns = compare_levels(
                filters, records.present, filters, records.present, left, right, self._fields
            )
            self._counted = _together(self._counted, patterns)
        self._blocks[records.rows, self._passes] = records.blocks
        self._passes += 1

    def counted(self) -> PatternCounts:
        """The patterns of all pairs so far.

        Leaks: an aggregate: how often two different people of the dataset are alike, and in what.
        """
        return self._counted


def _together(counted: PatternCounts, patterns: Patterns) -> PatternCounts:
    distinct, counts = np.unique(patterns, return_counts=True)
    both, place = np.unique(np.concatenate([counted.patterns, distinct]), return_inverse=True)
    sums = np.zeros(len(both), dtype=np.int64)
    np.add.at(sums, place, np.concatenate([counted.counts, counts]))
    return PatternCounts(both, sums)


@compiled
def _found_before(blocks: Blocks, one: int, other: int) -> bool:
    for pass_ in range(blocks.shape[1]):
        if blocks[one, pass_] >= 0 and blocks[one, pass_] == blocks[other, pass_]:
            return True
    return False


@compiled
def _next_pairs(
    by_block: Indices, ends: Indices, rows: Indices, earlier: Blocks, start: int, found: Indices
) -> tuple[int, int]:
    """New pairs of the records from `start` on, as many as there is room for: where to go on, and how many."""
    at = 0
    entry = start
    while entry < len(by_block) and at + ends[entry] - entry - 1 <= found.shape[1]:
        left = by_block[entry]
        for right in by_block[entry + 1 : ends[entry]]:
            if not _found_before(earlier, rows[left], rows[right]):
                found[0, at] = left
                found[1, at] = right
                at += 1
        entry += 1
    return entry, at
