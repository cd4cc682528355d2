"""Counting what an attack named, and the most that it may name."""

from __future__ import annotations

import numpy as np
import pytest

from pprl.privacy.measure import Named, count, upper_per_10000
from pprl.privacy.views import NOBODY, NOBODY_KNOWN


def test_known_people_and_people_who_are_not_listed_do_not_count() -> None:
    truth = np.array([4, 3, 2, NOBODY, 0, 1])
    said = np.array([4, 3, 5, 1, NOBODY, 1])
    assert count(said, truth, NOBODY_KNOWN) == Named(of=5, right=3, wrong=2)
    assert count(said, truth, np.array([[0, 4], [2, 2]])) == Named(of=3, right=2, wrong=1)


def test_naming_nobody_is_never_right() -> None:
    assert count(np.full(3, NOBODY), np.array([0, NOBODY, 1]), NOBODY_KNOWN) == Named(2, 0, 0)


@pytest.mark.parametrize(
    ("named", "of", "upper"),
    [(0, 10_000, 3), (4, 10_000, 10), (10_000, 10_000, 10_000), (0, 0, 10_000), (0, 29, 982), (1, 2, 9_747)],
)
def test_the_upper_end_of_the_interval(named: int, of: int, upper: int) -> None:
    """By hand: (1 - p)**10000 = .05 at p = 3.0 in 10,000; (1 - p)**29 = .05 at .0981; 1 - p**2 = .05 at .9747."""
    assert upper_per_10000(named, of) == upper
    assert Named(of, named, 0).upper == upper


def test_two_samples_add_up() -> None:
    assert Named(10, 2, 1) + Named(5, 1, 0) == Named(15, 3, 1)
