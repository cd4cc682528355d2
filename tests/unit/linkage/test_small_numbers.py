"""Which counts may be shown: none that is small, and none that gives a small one away."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from coordinator.linkage.small_numbers import rounded_down, shown, shown_together


@pytest.mark.parametrize(("count", "told"), [(0, 0), (1, None), (9, None), (10, 10), (11, 11)])
def test_a_count_alone(count: int, told: int | None) -> None:
    assert shown(count, 10) == told


@pytest.mark.parametrize(
    ("counts", "told"),
    [
        ([], []),
        ([0, 10, 500], [0, 10, 500]),
        ([3, 40, 500], [None, None, 500]),
        ([3, 4, 40, 500], [None, None, None, 500]),
        ([5, 6, 500], [None, None, 500]),
        ([3, 0], [None, 0]),
        ([500, 3, 0, 20], [500, None, 0, None]),
    ],
)
def test_counts_of_a_known_sum(counts: list[int], told: list[int | None]) -> None:
    assert shown_together(counts, 10) == told


@given(st.lists(st.integers(0, 60), max_size=12), st.integers(1, 25))
def test_no_small_count_can_be_worked_out(counts: list[int], limit: int) -> None:
    told = shown_together(counts, limit)
    hidden = [count for count, seen in zip(counts, told, strict=True) if seen is None]
    assert all(seen in (None, count) for count, seen in zip(counts, told, strict=True))
    assert not [seen for seen in told if seen is not None and 0 < seen < limit]
    assert 0 not in hidden
    if hidden and any(told):
        assert len(hidden) > 1
        assert sum(hidden) >= limit


@given(st.integers(0, 10_000), st.integers(1, 1_000))
def test_rounding_down(count: int, limit: int) -> None:
    assert rounded_down(count, limit) % limit == 0
    assert 0 <= count - rounded_down(count, limit) < limit
