"""Bounds on wrong links: they hold as often as they say when the world is as they suppose."""

import numpy as np
import pytest

from coordinator.linkage.certainty import between, unseen_coincidences


@pytest.mark.parametrize("expected", [0.5, 3.0, 40.0, 400.0])
@pytest.mark.parametrize("spread", [0.0, 0.3])
def test_hold_in_95_of_100(expected: float, spread: float) -> None:
    rng = np.random.default_rng(1)
    drawn = rng.poisson(expected * np.exp(rng.normal(-(spread**2) / 2, spread, 20_000)))
    least, most = between(np.array(expected), np.array(expected), spread)
    held = ((drawn >= np.floor(least)) & (drawn <= most)).mean()
    assert 0.93 <= held <= 0.995


def test_wider_with_more_doubt() -> None:
    expected = np.array([1.0, 10.0, 100.0])
    sure = between(expected, expected, 0.1)
    unsure = between(expected, expected, 0.5)
    assert (unsure[0] <= sure[0]).all()
    assert (unsure[1] >= sure[1]).all()


@pytest.mark.parametrize("expected", [0.001, 0.01, 1.0, 5.0])
@pytest.mark.parametrize("variance", [0.01, 1.0, 1_000.0])
def test_the_expected_number_is_between_them(expected: float, variance: float) -> None:
    least, most = between(np.array(expected), np.array(variance), 0.2)
    assert least <= expected <= most


def test_nothing_expected_is_nothing() -> None:
    assert between(np.array(0.0), np.array(0.0), 0.3) == (0.0, 0.0)


def test_more_own_pairs_hide_fewer_coincidences() -> None:
    few = unseen_coincidences([1_000, 1_000], between=1e6, inside=1e5)
    many = unseen_coincidences([1_000, 1_000], between=1e6, inside=1e6)
    assert few == pytest.approx(10 * many)
    assert unseen_coincidences([20_000, 20_000], 4e8, 4e8) > unseen_coincidences([2_000, 2_000], 4e6, 4e6)
