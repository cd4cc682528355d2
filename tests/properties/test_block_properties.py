"""Pairs by block against two plain loops."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from coordinator.linkage.blocks import block_pairs, count_pairs

few_tags = st.lists(st.integers(0, 4), max_size=14)


def tags(numbers: list[int]) -> np.ndarray:
    made = np.zeros((len(numbers), 16), dtype=np.uint8)
    # Two tags differ in the first byte, two in the last.
    made[:, 0] = [number % 2 for number in numbers]
    made[:, 15] = [number // 2 for number in numbers]
    return made


def found(left: np.ndarray, right: np.ndarray | None, most: int) -> list[tuple[int, int]]:
    pieces = list(block_pairs(left, right, most_at_once=most))
    assert all(len(one) == len(other) > 0 for one, other in pieces)
    return [pair for one, other in pieces for pair in zip(one.tolist(), other.tolist(), strict=True)]


@settings(max_examples=150, deadline=None)
@given(few_tags, few_tags, st.integers(1, 30))
def test_between_two_datasets(left: list[int], right: list[int], most: int) -> None:
    expected = [(i, j) for i, a in enumerate(left) for j, b in enumerate(right) if a == b]
    pairs = found(tags(left), tags(right), most)
    assert sorted(pairs) == expected
    assert count_pairs(tags(left), tags(right)) == len(expected)


@settings(max_examples=150, deadline=None)
@given(few_tags, st.integers(1, 30))
def test_within_a_dataset(rows: list[int], most: int) -> None:
    expected = [(i, j) for i, a in enumerate(rows) for j, b in enumerate(rows) if a == b and i < j]
    pairs = found(tags(rows), None, most)
    assert sorted(pairs) == expected
    assert count_pairs(tags(rows), None) == len(expected)
