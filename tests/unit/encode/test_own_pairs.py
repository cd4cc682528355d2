"""Own pairs are counted once, with the pattern of the first pass that finds them, however the work is cut."""

from __future__ import annotations

from collections import Counter
from itertools import combinations

import numpy as np
import pytest

from pprl.encode.field_filters import PassRecords
from pprl.encode.own_pairs import PAIRS_AT_ONCE, OwnPairs
from pprl.protocol.levels import Fields, compare_levels

FIELDS = Fields(count=2)
RECORDS, PASSES = 60, 4


def drawn_passes(seed: int) -> list[PassRecords]:
    """Passes of random blocks and filters; each record's filters differ from pass to pass, as they are salted."""
    rng = np.random.default_rng(seed)
    passes = []
    for number in range(PASSES):
        rows = np.flatnonzero(rng.random(RECORDS) < 0.8)
        blocks = rng.integers(0, 12, len(rows)) * 7 + number
        passes.append(
            PassRecords(
                f"pass-{number}",
                rows,
                blocks,
                np.zeros((len(rows), 16), np.uint8),
                rng.integers(0, 4, len(rows), dtype=np.uint32),
                rng.integers(0, 256, (len(rows), 2, 8), dtype=np.uint8)
                & rng.choice([0, 15], (len(rows), 2, 8)),
                0,
            )
        )
    return passes


def counted_by_hand(passes: list[PassRecords]) -> Counter[int]:
    patterns: dict[tuple[int, int], int] = {}
    for records in passes:
        filters = records.filters.view(np.uint64)
        for left, right in combinations(range(len(records.rows)), 2):
            pair = (int(records.rows[left]), int(records.rows[right]))
            if records.blocks[left] == records.blocks[right] and pair not in patterns:
                one, other = np.array([left]), np.array([right])
                patterns[pair] = int(
                    compare_levels(filters, records.present, filters, records.present, one, other, FIELDS)[0]
                )
    return Counter(patterns.values())


@pytest.mark.parametrize("pairs_at_once", [1, 3, 50, PAIRS_AT_ONCE])
def test_each_pair_counts_once_with_its_first_pattern(pairs_at_once: int) -> None:
    passes = drawn_passes(3)
    own = OwnPairs(RECORDS, PASSES, FIELDS, pairs_at_once=pairs_at_once)
    for records in passes:
        own.add(records)
    found = own.counted()
    wanted = counted_by_hand(passes)
    assert dict(zip(found.patterns.tolist(), found.counts.tolist(), strict=True)) == wanted
    assert (np.diff(found.patterns.astype(object)) > 0).all()
    in_all_passes = sum(
        int((sizes * (sizes - 1) // 2).sum()) for sizes in (np.bincount(each.blocks) for each in passes)
    )
    assert found.counts.sum() < in_all_passes, "some pairs are found by two passes"


def test_no_pass_has_no_pairs() -> None:
    own = OwnPairs(0, 1, FIELDS)
    empty = np.empty(0, np.int64)
    tags, filters = np.empty((0, 16), np.uint8), np.empty((0, 2, 8), np.uint8)
    own.add(PassRecords("none", empty, empty, tags, np.empty(0, np.uint32), filters, 0))
    assert len(own.counted().patterns) == len(own.counted().counts) == 0


def test_records_without_a_block_in_a_pass_are_no_pair_of_it() -> None:
    """Two records that an earlier pass left out are new to a later one: no block is not a block in common."""
    one_block = np.zeros(2, np.int64)
    tags, filters = np.zeros((2, 16), np.uint8), np.ones((2, 2, 8), np.uint8)
    present = np.full(2, 3, np.uint32)
    nobody = PassRecords(
        "first", one_block[:0], one_block[:0], tags[:0], present[:0], filters[:0], suppressed=2
    )
    both = PassRecords("second", np.arange(2), one_block, tags, present, filters, suppressed=0)
    own = OwnPairs(2, 2, FIELDS)
    own.add(nobody)
    own.add(both)
    assert own.counted().counts.tolist() == [1]
