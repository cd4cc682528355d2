"""From a few people who are recognised to nearly everybody on the list."""

from __future__ import annotations

import numpy as np
import pytest

from pprl.privacy.measure import Named, OutOfTime
from pprl.privacy.propagation import attack
from tests.support.whole_filters import plain_clk

PEOPLE = 600


@pytest.mark.parametrize(("overlap", "known"), [(1.0, 10), (1.0, 30), (0.5, 30)])
def test_a_plain_clk_falls(overlap: float, known: int) -> None:
    found = plain_clk(PEOPLE, overlap=overlap, known=known).named(attack)
    assert found.of == overlap * PEOPLE - known
    assert found.right > 0.95 * found.of


def test_it_falls_to_a_list_full_of_errors() -> None:
    found = plain_clk(PEOPLE, errors="heavy", known=30).named(attack)
    assert found.right > 0.85 * found.of


def test_it_falls_with_a_fifth_of_the_people_listed() -> None:
    found = plain_clk(1_500, overlap=0.2, known=30).named(attack)
    assert found.right > 0.9 * found.of


def test_nobody_is_named_by_somebody_who_knows_nobody() -> None:
    assert plain_clk(PEOPLE).named(attack) == Named(PEOPLE, 0, 0)


def test_known_people_are_named_as_they_are_known() -> None:
    case = plain_clk(PEOPLE, known=30)
    wrong = case.known.copy()
    wrong[0, 1] = wrong[1, 1]
    names = attack(case.seen, case.listed, wrong, rng=np.random.default_rng(1), tick=lambda: None)
    assert np.array_equal(names[wrong[:, 0]], wrong[:, 1])


def test_random_bits_give_no_more_than_guesses() -> None:
    assert plain_clk(PEOPLE, known=30).of_random_bits().named(attack).right <= 5


def test_the_order_of_the_records_makes_no_difference() -> None:
    case = plain_clk(PEOPLE, overlap=0.5, known=30)
    other, order = case.in_another_order()
    assert np.array_equal(other.names(attack), case.names(attack)[order])


def test_it_ends_when_its_time_is_over() -> None:
    def over() -> None:
        raise OutOfTime

    case = plain_clk(PEOPLE, known=30)
    with pytest.raises(OutOfTime):
        attack(case.seen, case.listed, case.known, rng=np.random.default_rng(1), tick=over)


@pytest.mark.slow
def test_5_000_people_fall_with_a_fifth_of_them_listed() -> None:
    found = plain_clk(5_000, overlap=0.2, known=30).named(attack)
    assert found.right > 0.98 * found.of
