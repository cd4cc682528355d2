"""Sorting random numbers, and numbers that somebody has chosen, as NumPy sorts them."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pprl.protocol.random_order import different, in_order, order_of


@settings(max_examples=100, deadline=None)
@given(st.lists(st.integers(0, 2**64 - 1) | st.integers(0, 3) | st.integers(2**64 - 4, 2**64 - 1)))
def test_as_a_stable_sort(numbers: list[int]) -> None:
    given_numbers = np.array(numbers, dtype=np.uint64)
    assert in_order(given_numbers).tolist() == sorted(numbers)
    assert order_of(given_numbers).tolist() == np.argsort(given_numbers, kind="stable").tolist()
    assert different(given_numbers) == len(set(numbers))


@pytest.mark.parametrize("kind", ["random", "all equal", "all small", "some equal"])
def test_many(kind: str) -> None:
    rng = np.random.default_rng(7)
    numbers = rng.integers(0, 2**64, 50_000, dtype=np.uint64)
    numbers = {
        "random": numbers,
        "all equal": numbers * np.uint64(0) + numbers[0],
        "all small": numbers >> np.uint64(50),
        "some equal": np.concatenate([numbers, numbers[:1000], np.repeat(numbers[:5], 200)]),
    }[kind]
    numbers.flags.writeable = False
    assert (in_order(numbers) == np.sort(numbers)).all()
    assert (order_of(numbers) == np.argsort(numbers, kind="stable")).all()
    assert different(numbers) == len(np.unique(numbers))
