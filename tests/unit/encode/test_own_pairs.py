"""Own pairs are counted once, with the pattern of the first pass that finds them, however the work is cut."""

from __future__ import annotations

from collections import Counter
from functools import partial
from itertools import combinations

import numpy as np
import pytest
from numpy.typing import NDArray

from pprl.encode.own_pairs import PAIRS_AT_ONCE, Indices, OwnPairs
from pprl.protocol.levels import Fields, Filters, Present, compare_levels
from pprl.protocol.pattern_counts import PatternCounts

FIELDS = Fields(count=2)
RECORDS, PASSES = 60, 4


class Drawn:
    """Random blocks and filters; each record's filters differ from pass to pass, as they are salted."""

    def __init__(self, seed: int) -> None:
        rng = np.random.default_rng(seed)
        there = rng.random((RECORDS, PASSES)) < 0.8
        self.blocks = np.where(there, rng.integers(0, 12, there.shape), -1).astype(np.int32)
        self.present = rng.integers(0, 4, there.shape, dtype=np.uint32)
        filters = rng.integers(0, 256, (*there.shape, 2, 8), dtype=np.uint8)
        self.filters = (filters & rng.choice([0, 15], filters.shape).astype(np.uint8)).view(np.uint64)
        self.made = 0

    def filters_of(self, pass_: int, rows: Indices) -> tuple[Filters, Present]:
        assert (self.blocks[rows, pass_] >= 0).all()
        self.made = max(self.made, len(rows))
        return self.filters[rows, pass_], self.present[rows, pass_]


def counted_by_hand(drawn: Drawn) -> Counter[int]:
    patterns: dict[tuple[int, int], int] = {}
    for pass_ in range(PASSES):
        filters, present = drawn.filters[:, pass_], drawn.present[:, pass_]
        for pair in combinations(range(RECORDS), 2):
            left, right = drawn.blocks[pair, pass_]
            if left == right >= 0 and pair not in patterns:
                one, other = (np.array([row]) for row in pair)
                patterns[pair] = int(
                    compare_levels(filters, present, filters, present, one, other, FIELDS)[0]
                )
    return Counter(patterns.values())


def counted(blocks: NDArray[np.int32], drawn: Drawn, pairs_at_once: int = PAIRS_AT_ONCE) -> PatternCounts:
    own = OwnPairs(blocks, FIELDS, pairs_at_once=pairs_at_once)
    for pass_ in range(blocks.shape[1]):
        own.add(pass_, partial(drawn.filters_of, pass_))
    return own.counted()


@pytest.mark.parametrize("pairs_at_once", [1, 3, 50, PAIRS_AT_ONCE])
def test_each_pair_counts_once_with_its_first_pattern(pairs_at_once: int) -> None:
    drawn = Drawn(3)
    found = counted(drawn.blocks, drawn, pairs_at_once)
    wanted = counted_by_hand(drawn)
    assert dict(zip(found.patterns.tolist(), found.counts.tolist(), strict=True)) == wanted
    assert (np.diff(found.patterns.astype(object)) > 0).all()
    sizes = [np.bincount(of_pass[of_pass >= 0]) for of_pass in drawn.blocks.T]
    in_all_passes = sum(int((each * (each - 1) // 2).sum()) for each in sizes)
    assert found.counts.sum() < in_all_passes, "some pairs are found by two passes"


def test_filters_are_made_of_a_piece_of_the_pairs_at_a_time() -> None:
    drawn = Drawn(3)
    counted(drawn.blocks, drawn, 12)
    assert 0 < drawn.made <= 24


def test_no_pass_has_no_pairs() -> None:
    found = counted(np.empty((0, 1), np.int32), Drawn(1))
    assert len(found.patterns) == len(found.counts) == 0


def test_records_without_a_block_in_a_pass_are_no_pair_of_it() -> None:
    """Two records that an earlier pass left out are new to a later one: no block is not a block in common."""
    drawn = Drawn(1)
    drawn.blocks[:2, :2] = [[-1, 0], [-1, 0]]
    assert counted(drawn.blocks[:2, :2], drawn).counts.tolist() == [1]
