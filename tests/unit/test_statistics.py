"""The tests' own statistics, against numbers from tables and counts that were worked out by hand."""

from __future__ import annotations

import numpy as np
import pytest

from tests.support import statistics


@pytest.mark.parametrize(
    ("statistic", "freedom", "p"),
    [(3.841, 1, 0.05), (10.828, 1, 0.001), (18.307, 10, 0.05), (29.588, 10, 0.001), (124.342, 100, 0.05)],
)
def test_the_tail_of_chi_squared_is_that_of_the_tables(statistic: float, freedom: int, p: float) -> None:
    assert statistics._chi_squared_tail(statistic, freedom) == pytest.approx(p, rel=0.2)


def test_chi_squared_of_a_table_worked_out_by_hand() -> None:
    # Expected 25 everywhere: 4 * 5^2 / 25 = 4 on one degree of freedom.
    assert statistics.chi_squared(np.array([[30, 20], [20, 30]])) == pytest.approx(0.0455, rel=0.1)
    assert statistics.chi_squared(np.array([[5, 5], [5, 5]])) > 0.9
    assert statistics.chi_squared(np.array([[5, 0], [5, 0]])) == 1.0
    one = np.array([[30, 20], [20, 30]])
    assert statistics.chi_squared(one, one) == pytest.approx(0.0183, rel=0.1)
    none = np.array([[25, 25], [25, 25]])
    assert statistics.most_telling([none, one, none]) == pytest.approx(3 * statistics.chi_squared(one))


def test_mann_whitney_of_ranks_worked_out_by_hand() -> None:
    # U = 0 of 100, mean 50, variance 10 * 10 * 21 / 12 = 175: z = 3.7796.
    low, high = np.arange(10), np.arange(10, 20)
    assert statistics.mann_whitney(low, high) == pytest.approx(0.000157, rel=0.02)
    assert statistics.mann_whitney(high, low) == statistics.mann_whitney(low, high)
    assert statistics.mann_whitney(low, low) == pytest.approx(1.0)
    assert statistics.mann_whitney(np.zeros(5), np.zeros(5)) == 1.0


def test_kolmogorov_smirnov_at_the_tables_critical_value() -> None:
    # D = 0.192 with 100 and 100: D * sqrt(50) = 1.358, the 5 % point.
    one = np.arange(1_000) / 1_000
    assert statistics.kolmogorov_smirnov(one, one) == 1.0
    moved = np.concatenate([one[:939], one[:61]])
    assert statistics.kolmogorov_smirnov(one, moved) == pytest.approx(0.0485, rel=0.05)
    assert statistics.kolmogorov_smirnov(one, one + 0.5) < 1e-9


def test_p_values_are_spread_evenly_where_there_is_no_difference() -> None:
    rng = np.random.default_rng(1)
    for test in (statistics.mann_whitney, statistics.kolmogorov_smirnov):
        found = [test(rng.random(200), rng.random(300)) for _ in range(400)]
        assert 0.02 < np.mean(np.array(found) < 0.05) < 0.08
