"""Records become points by whom they are near, and known people turn two clouds of points onto each other."""

from __future__ import annotations

import numpy as np
import pytest

from pprl.privacy.alignment import centred_bits
from pprl.privacy.embedding import attack, embedded
from pprl.privacy.measure import OutOfTime
from pprl.privacy.profiles import unit_length
from pprl.privacy.views import NOBODY_KNOWN
from tests.support.privacy import no_limit
from tests.support.whole_filters import plain_clk

PEOPLE = 600


@pytest.mark.parametrize(("overlap", "known"), [(1.0, 30), (0.5, 30)])
def test_a_plain_clk_falls(overlap: float, known: int) -> None:
    found = plain_clk(PEOPLE, overlap=overlap, known=known).named(attack)
    assert found.right > 0.9 * found.of


def test_points_of_relatives_are_near_each_other() -> None:
    """Two crowds whose members are alike, and not like the other crowd's."""
    rng = np.random.default_rng(2)
    crowd = np.repeat([0, 1], 50)
    filters = np.where(
        rng.random((100, 16)) < 0.2, rng.integers(0, 256, (100, 16)), np.array([[85], [51]])[crowd]
    )
    points = embedded(unit_length(centred_bits(filters.astype(np.uint8))), rng, no_limit)
    leading = points[:, 1] - points[:, 1].mean()
    assert len({*np.sign(leading[:50])}) == len({*np.sign(leading[50:])}) == 1
    assert np.sign(leading[0]) != np.sign(leading[50])


def test_known_people_are_named_as_they_are_known() -> None:
    case = plain_clk(300, known=10)
    assert np.array_equal(case.names(attack)[case.known[:, 0]], case.known[:, 1])


def test_random_bits_give_no_more_than_guesses() -> None:
    assert plain_clk(400, known=30).of_random_bits().named(attack).right <= 5


def test_the_order_of_the_records_makes_no_difference() -> None:
    case = plain_clk(300, known=10)
    other, order = case.in_another_order()
    assert np.array_equal(other.names(attack), case.names(attack)[order])


@pytest.mark.parametrize("people", [1, 3, 12, 40])
def test_filters_that_are_all_alike_or_few_are_no_obstacle(people: int) -> None:
    filters = np.full((people, 16), 5, dtype=np.uint8)
    names = attack(filters, filters, NOBODY_KNOWN, rng=np.random.default_rng(1), tick=no_limit)
    assert names.shape == (people,)


def test_it_ends_when_its_time_is_over() -> None:
    def over() -> None:
        raise OutOfTime

    case = plain_clk(300, known=10)
    with pytest.raises(OutOfTime):
        attack(case.seen, case.listed, case.known, rng=np.random.default_rng(1), tick=over)


@pytest.mark.slow
@pytest.mark.parametrize(("overlap", "known"), [(1.0, 10), (0.5, 100), (0.2, 100)])
def test_5_000_people_fall(overlap: float, known: int) -> None:
    found = plain_clk(5_000, overlap=overlap, known=known).named(attack)
    assert found.right > 0.9 * found.of
