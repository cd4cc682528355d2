"""Linkage rates by group: the numbers, and that nothing small can be had from what is shown."""

from __future__ import annotations

import random
from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pprl.protocol.groups import Grouping
from pprl.rates import (
    ROUNDED_TO,
    Count,
    DatasetRates,
    LinkedRecords,
    Rate,
    hidden_groups,
    rates_of,
    shown,
)

LIMIT = 10


def records(*groups: tuple[str, int, int], grouping: Grouping = "sex", keys_each: int = 1) -> LinkedRecords:
    """People by group: how many were linked, and how many were not."""
    names, linked, people = [], [], []
    for group, yes, no in groups:
        for each in [True] * yes + [False] * no:
            person = max(people, default=-1) + 1
            names += [group] * keys_each
            linked += [each] * keys_each
            people += [person] * keys_each
    return LinkedRecords(np.array(people), np.array(linked, dtype=bool), {grouping: names})


def told(*groups: tuple[str, int, int], limit: int = LIMIT) -> DatasetRates:
    return rates_of(records(*groups), limit=limit)


def test_counts_are_rounded_and_all_else_follows_from_them() -> None:
    found = told(("f", 63, 38), ("m", 102, 97))
    assert found.overall is not None
    assert (found.overall.number, found.overall.linked, found.overall.rate) == (300, 165, 0.55)
    women, men = found.by["sex"].groups["f"], found.by["sex"].groups["m"]
    assert (women and (women.number, women.linked, women.rate)) == (100, 65, 0.65)
    assert (men and (men.number, men.linked, men.rate)) == (200, 100, 0.5)
    difference = found.by["sex"].difference
    assert difference is not None
    assert (difference.points, difference.highest, difference.lowest) == (pytest.approx(15.0), "f", "m")
    assert found.by["sex"].together is None


@pytest.mark.parametrize(
    ("number", "linked", "low", "high"),
    # Newcombe (1998), Two-sided confidence intervals for the single proportion, table I; the last by hand.
    [(263, 81, 0.2553, 0.3662), (148, 15, 0.0624, 0.1605), (20, 0, 0.0, 0.1611), (20, 20, 0.8389, 1.0)],
)
def test_the_interval_is_wilsons(
    monkeypatch: pytest.MonkeyPatch, number: int, linked: int, low: float, high: float
) -> None:
    monkeypatch.setattr("pprl.rates.ROUNDED_TO", 1)
    rate = shown(Count(number, linked, number, linked))
    assert (rate.low, rate.high) == (pytest.approx(low, abs=6e-5), pytest.approx(high, abs=6e-5))


@pytest.mark.parametrize("true_rate", [0.05, 0.5, 0.9])
def test_the_interval_covers_about_as_often_as_it_says(true_rate: float) -> None:
    """Rounding costs it a little."""
    draws = np.random.default_rng(5).binomial(2_000, true_rate, size=2_000)
    rates = [shown(Count(2_000, int(linked), 2_000, int(linked))) for linked in draws]
    held = sum((rate.low or 0) <= true_rate <= (rate.high or 0) for rate in rates) / len(rates)
    assert 0.92 < held < 0.98


def test_what_is_rounded_to_nobody_has_no_rate() -> None:
    assert shown(Count(2, 1, 2, 1)) == Rate(0, 0, None, None, None)


SMALL = [
    ("few people", ("unknown", 3, 4)),
    ("few linked", ("unknown", 9, 400)),
    ("few not linked", ("unknown", 400, 9)),
    ("nobody linked", ("unknown", 0, 400)),
    ("everybody linked", ("unknown", 400, 0)),
]


@pytest.mark.parametrize("small", [group for _, group in SMALL], ids=[why for why, _ in SMALL])
def test_a_small_group_is_hidden_and_never_alone(small: tuple[str, int, int]) -> None:
    found = told(("f", 60, 40), ("m", 200, 150), small).by["sex"]
    assert found.groups["unknown"] is None
    assert found.groups["f"] is None, "the smaller of the others is hidden with it"
    assert found.groups["m"] is not None
    assert found.difference is None


def test_a_group_of_just_enough_is_shown() -> None:
    assert told(("f", 10, 10), ("m", 20, 20)).by["sex"].groups["f"] is not None


def test_small_groups_that_are_enough_together_hide_no_other() -> None:
    found = told(("1920s", 6, 5), ("1930s", 5, 6), ("1980s", 50, 50)).by["sex"]
    assert [found.groups[name] is None for name in ("1920s", "1930s", "1980s")] == [True, True, False]
    assert found.together is not None
    assert (found.together.number, found.together.linked) == (20, 10)


def test_of_too_little_in_all_nothing_is_shown() -> None:
    found = told(("f", 300, 4), ("m", 200, 5))
    assert found.overall is None
    assert set(found.by["sex"].groups.values()) == {None}
    assert found.by["sex"].together is None


def test_many_records_of_few_people_are_no_crowd() -> None:
    prolific = records(("f", 4, 4), ("m", 40, 40), ("unknown", 40, 40), keys_each=25)
    found = rates_of(prolific, limit=LIMIT).by["sex"]
    assert found.groups["f"] is None
    assert found.groups["m"] is None
    assert found.groups["unknown"] is not None


TABLES = st.lists(st.tuples(st.integers(0, 40), st.integers(0, 40)).filter(any), min_size=1, max_size=7).map(
    lambda cells: [(f"{place}", yes, no) for place, (yes, no) in enumerate(cells)]
)


@given(TABLES, st.integers(1, 20))
def test_no_hidden_sum_is_small(groups: list[tuple[str, int, int]], limit: int) -> None:
    """Whoever knows the exact totals, and even the exact shown counts, is left with a sum that may be shown."""
    found = told(*groups, limit=limit).by["sex"].groups
    hidden = [group for group in groups if found[group[0]] is None]
    left = Counter({"linked": sum(yes for _, yes, _ in hidden), "not": sum(no for _, _, no in hidden)})
    assert len(hidden) != 1 or len(groups) == 1
    if hidden and len(hidden) < len(groups):
        assert left["linked"] >= limit
        assert left["not"] >= limit


@given(TABLES, st.integers(1, 20))
def test_no_group_is_hidden_without_need(groups: list[tuple[str, int, int]], limit: int) -> None:
    """Without the group that was hidden last, the rest would not have been enough."""
    held = records(*groups)
    members = {name: np.array([each == name for each in held.groups["sex"]]) for name, _, _ in groups}
    hidden = hidden_groups(held, members, limit=limit)
    size = {name: (yes + no, name) for name, yes, no in groups}
    cells = {name: (yes, no) for name, yes, no in groups}
    spared = sorted((name for name in hidden if min(cells[name]) >= limit), key=size.__getitem__)
    if spared:
        rest = hidden - {spared[-1]}
        assert not rest or min(sum(cells[name][side] for name in rest) for side in (0, 1)) < limit
        assert all(size[name] > size[spared[-1]] for name in set(cells) - hidden)


def test_exact_counts_stay_open() -> None:
    """Every shown number is the same for several exact counts, and is a multiple of the rounding."""
    seen: dict[tuple[int, int], set[int]] = {}
    draw = random.Random(3)
    for _ in range(3_000):
        yes, no = draw.randint(20, 60), draw.randint(20, 60)
        rate = told(("f", yes, no), ("m", 50, 50)).by["sex"].groups["f"]
        assert rate is not None
        assert rate.number % ROUNDED_TO == rate.linked % ROUNDED_TO == 0
        assert rate.rate == rate.linked / rate.number
        seen.setdefault((rate.number, rate.linked), set()).add(100 * yes + no)
    assert sum(len(exact) > 3 for exact in seen.values()) > 0.8 * len(seen)


def test_groupings_are_told_one_by_one() -> None:
    held = records(("f", 60, 40), ("m", 200, 150))
    both = LinkedRecords(held.people, held.linked, {**held.groups, "completeness": ["complete"] * 450})
    found = rates_of(both, limit=LIMIT)
    assert list(found.by) == ["sex", "completeness"]
    assert list(found.by["completeness"].groups) == ["complete"]
    assert found.by["completeness"].difference is None
