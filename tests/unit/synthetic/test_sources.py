from __future__ import annotations

from collections import Counter

import numpy as np
import pytest

from pprl.synthetic import dates, sources
from pprl.synthetic.draws import below, choose, distinct, rankings


def generator() -> np.random.Generator:
    return np.random.Generator(np.random.PCG64(1))


@pytest.mark.parametrize("sex", [0, 1])
def test_there_are_hundreds_of_forenames(sex: int) -> None:
    lists = sources.forenames()
    names = {name for place in np.unique(lists.place[:, sex]) for name in lists.ranked.members(int(place))}
    assert len(names) > 600


def test_there_are_many_surnames() -> None:
    assert len(set(sources.surnames().ranked.values)) > 1_300
    assert len(sources.compounded_surnames().values) > 20_000


def test_every_community_has_its_own_lists() -> None:
    count = len(sources.communities().names)
    for lists in (sources.forenames(), sources.surnames()):
        for sex in (0, 1):
            assert len(np.unique(lists.place[:, sex].reshape(count, -1)[:, -1])) == count


def test_there_are_enough_nicknames() -> None:
    assert sum(len(others) for others in sources.nicknames().values()) >= 150
    known = set(sources.forenames().ranked.values)
    assert sum(name in known for name in sources.nicknames()) > 150
    assert not any(name in others for name, others in sources.nicknames().items())


def test_other_spellings_go_both_ways() -> None:
    spellings = sources.spellings()
    assert "Sean" in spellings["Shaun"]
    assert "Shaun" in spellings["Sean"]


def test_every_area_of_england_and_wales() -> None:
    table = sources.districts()
    assert len(table.area_weights) == 104
    assert len(set(table.outward)) == len(table.outward) > 2_000
    assert 55_000 < sum(table.area_weights) < 65_000


def test_no_three_equal_letters() -> None:
    names = sources.compounded_surnames().values.tolist()
    assert not any(a == b == c for name in names for a, b, c in zip(name, name[1:], name[2:], strict=False))


def test_drawing_follows_the_weights() -> None:
    table = rankings([(["a", "b"], 0), (["c"], 0)])
    drawn = Counter(table.draw(generator(), np.array([0] * 6_000 + [1] * 10)).tolist())
    assert drawn["c"] == 10
    assert 1.8 < drawn["a"] / drawn["b"] < 2.2
    assert table.members(0).tolist() == ["a", "b"]
    assert table.members(1).tolist() == ["c"]


def test_choose_never_takes_what_has_no_weight() -> None:
    assert set(choose(generator(), (0, 3, 0, 1), 1_000).tolist()) == {1, 3}


def test_below_and_distinct() -> None:
    assert set(below(generator(), 3, 100).tolist()) == {0, 1, 2}
    drawn = distinct(generator(), 200, 100).tolist()
    assert len(set(drawn)) == 100
    assert drawn != sorted(drawn)
    with pytest.raises(ValueError, match="too few"):
        distinct(generator(), 10, 6)


def test_days_go_to_parts_and_back() -> None:
    days = np.arange(dates.number(1931, 1, 1), dates.number(2024, 12, 31), 7)
    nothing = np.full(len(days), dates.MISSING)
    assert (dates.joined(*dates.parts(days), nothing) == days).all()


@pytest.mark.parametrize(
    ("year", "month", "day"), [(2001, 2, 29), (2000, 13, 1), (2000, 0, 5), (1990, 4, 31), (1890, 1, 1)]
)
def test_there_is_no_such_day(year: int, month: int, day: int) -> None:
    otherwise = np.array([7])
    assert dates.joined(np.array([year]), np.array([month]), np.array([day]), otherwise).tolist() == [7]


def test_dates_are_written_in_three_ways() -> None:
    days = np.array([dates.number(1987, 9, 22), dates.MISSING, dates.number(1900, 1, 1)])
    for form, first in (
        ("1987-09-22", "1900-01-01"),
        ("22/09/1987", "01/01/1900"),
        ("22-SEP-1987", "01-JAN-1900"),
    ):
        assert dates.written(days, form) == [form, "", first]
