"""Two similarity graphs are laid over each other, without anybody known."""

from __future__ import annotations

import numpy as np
import pytest

from pprl.privacy.knowledge import Errors
from pprl.privacy.measure import OutOfTime
from pprl.privacy.spectral import attack
from pprl.privacy.views import NOBODY_KNOWN
from tests.support.privacy import no_limit
from tests.support.whole_filters import plain_clk

PEOPLE = 600


def test_a_plain_clk_falls_to_the_very_file() -> None:
    found = plain_clk(PEOPLE).named(attack)
    assert found.right > 0.95 * PEOPLE
    assert found.wrong < 0.02 * PEOPLE


def test_the_order_of_the_records_makes_no_difference() -> None:
    case = plain_clk(300, known=5)
    other, order = case.in_another_order()
    assert np.array_equal(other.names(attack), case.names(attack)[order])


def test_the_same_draws_give_the_same_names() -> None:
    case = plain_clk(300)
    assert np.array_equal(case.names(attack), case.names(attack))


def test_random_bits_give_no_more_than_guesses() -> None:
    assert plain_clk(400).of_random_bits().named(attack).right <= 4


@pytest.mark.parametrize("people", [1, 3, 12, 40])
def test_filters_that_are_all_alike_or_few_are_no_obstacle(people: int) -> None:
    filters = np.full((people, 16), 5, dtype=np.uint8)
    names = attack(filters, filters, NOBODY_KNOWN, rng=np.random.default_rng(1), tick=no_limit)
    assert names.shape == (people,)


def test_it_ends_when_its_time_is_over() -> None:
    def over() -> None:
        raise OutOfTime

    case = plain_clk(300)
    with pytest.raises(OutOfTime):
        attack(case.seen, case.listed, NOBODY_KNOWN, rng=np.random.default_rng(1), tick=over)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("overlap", "errors"), [(1.0, "none"), (1.0, "heavy"), (0.5, "light"), (0.2, "none")]
)
def test_5_000_people_fall_with_a_fifth_of_them_listed(overlap: float, errors: Errors) -> None:
    found = plain_clk(5_000, overlap=overlap, errors=errors).named(attack)
    assert found.right > 0.9 * found.of
