from dataclasses import dataclass

import numpy as np
import pytest

from pprl.protocol.levels import (
    CANONICAL,
    DICE_25,
    DICE_50,
    DICE_90,
    ELSEWHERE,
    EXACT,
    LEVEL_NAMES,
    LEVELS,
    MISSING,
    NONE,
    SUBSET,
    Fields,
    compare_levels,
    histogram,
    level_of,
)

# forename, middle names, surname, birth; the canonical forename behind them.
FIELDS = Fields(4, names=(0, 2), middle=1, forename=0, canonical=4)
FILTERS = 5


@dataclass
class Person:
    forename: range | tuple[int, ...] = ()
    middle: range | tuple[int, ...] = ()
    surname: range | tuple[int, ...] = ()
    birth: range | tuple[int, ...] = ()
    canonical: range | tuple[int, ...] = ()

    def bits(self) -> list[set[int]]:
        return [set(each) for each in (self.forename, self.middle, self.surname, self.birth, self.canonical)]


def packed(person: Person) -> tuple[np.ndarray, np.ndarray]:
    filters, present = np.zeros((1, FILTERS, 2), dtype=np.uint64), np.zeros(1, dtype=np.uint32)
    for place, bits in enumerate(person.bits()):
        for bit in bits:
            filters[0, place, bit // 64] |= np.uint64(1) << np.uint64(bit % 64)
        present[0] |= np.uint32(bool(bits) << place)
    return filters, present


def pattern(one: Person, other: Person) -> np.ndarray:
    row = np.zeros(1, dtype=np.int64)
    return compare_levels(*packed(one), *packed(other), row, row, FIELDS)


def levels(one: Person, other: Person) -> list[int]:
    found = pattern(one, other)
    assert found == pattern(other, one)
    return [int(level_of(found, field)[0]) for field in range(4)]


def test_missing_exact_and_none() -> None:
    one = Person(forename=range(20), birth=range(100, 120))
    other = Person(forename=range(20), surname=range(20), birth=range(80, 100))
    assert levels(one, other) == [EXACT, MISSING, MISSING, NONE]


def test_one_name_inside_the_other_is_a_subset() -> None:
    assert levels(Person(forename=range(12)), Person(forename=range(30)))[0] == SUBSET


@pytest.mark.parametrize(("common", "level"), [(18, DICE_90), (10, DICE_50), (5, DICE_25), (4, NONE)])
def test_dice_reaches_a_level_at_its_edge(common: int, level: int) -> None:
    one, other = Person(birth=range(20)), Person(birth=range(20 - common, 40 - common))
    assert levels(one, other)[3] == level


def test_canonical_forename_helps_where_names_differ() -> None:
    liz = Person(forename=range(9), canonical=(100, 101, 102))
    elizabeth = Person(forename=range(60, 90), canonical=(100, 101, 102))
    other = Person(forename=range(60, 90), canonical=(100, 101, 103))
    assert levels(liz, elizabeth)[0] == CANONICAL
    assert levels(liz, other)[0] == NONE


def test_exact_stays_exact_whatever_the_canonical_form() -> None:
    one = Person(forename=range(9), canonical=(1, 2))
    assert levels(one, one)[0] == EXACT


def test_a_middle_name_in_use_counts_in_the_forename_alone() -> None:
    one = Person(forename=range(20), middle=range(40, 60))
    other = Person(forename=range(40, 60), middle=range(80, 110))
    assert levels(one, other)[:2] == [ELSEWHERE, NONE]


def test_swapped_names_count_in_both() -> None:
    one = Person(forename=range(20), surname=range(40, 60))
    other = Person(forename=range(40, 60), surname=range(20))
    assert levels(one, other)[:3] == [ELSEWHERE, MISSING, ELSEWHERE]


def test_one_shared_name_in_two_places_is_no_swap() -> None:
    one = Person(forename=range(20), surname=range(40, 60))
    other = Person(forename=range(70, 90), surname=range(20))
    assert levels(one, other)[:3] == [NONE, MISSING, NONE]


def test_a_date_is_not_looked_for_elsewhere() -> None:
    one, other = Person(birth=range(20), middle=range(40, 60)), Person(birth=range(40, 60), middle=range(20))
    assert levels(one, other)[3] == NONE


def test_histogram_counts_every_pair_in_every_field() -> None:
    patterns = np.array([0x0121, 0x0A20, 0x0121], dtype=np.uint64)
    counts = histogram(patterns, 3)
    assert counts.shape == (3, LEVELS)
    assert counts.sum(axis=1).tolist() == [3, 3, 3]
    assert (counts[0, EXACT], counts[0, MISSING], counts[2, NONE]) == (2, 1, 1)


def test_no_pairs_no_patterns() -> None:
    filters, present = packed(Person(birth=range(4)))
    none = np.empty(0, dtype=np.int64)
    assert len(compare_levels(filters, present, filters, present, none, none, FIELDS)) == 0


def test_every_level_has_a_name() -> None:
    assert len(LEVEL_NAMES) == LEVELS == len(set(LEVEL_NAMES)) <= 16


@pytest.mark.parametrize(
    "fields",
    [
        {"count": 0},
        {"count": 17},
        {"count": 2, "names": (2,)},
        {"count": 2, "middle": 2},
        {"count": 2, "forename": 0},
        {"count": 2, "canonical": 2},
        {"count": 2, "forename": 0, "canonical": 1},
    ],
)
def test_refuses_fields_that_do_not_fit(fields: dict) -> None:
    with pytest.raises(ValueError, match=r"field|name|filter"):
        Fields(**fields)


@pytest.mark.parametrize("row", [-1, 1])
def test_refuses_a_record_that_is_not_there(row: int) -> None:
    filters, present = packed(Person(birth=range(4)))
    with pytest.raises(ValueError, match="isn't there"):
        compare_levels(filters, present, filters, present, np.array([row]), np.array([0]), FIELDS)


def test_refuses_filters_of_another_shape() -> None:
    filters, present = packed(Person(birth=range(4)))
    row = np.zeros(1, dtype=np.int64)
    with pytest.raises(ValueError, match="same filters"):
        compare_levels(filters, present, filters[:, :, :1], present, row, row, FIELDS)
    with pytest.raises(ValueError, match="fewer filters"):
        compare_levels(filters[:, :4], present, filters[:, :4], present, row, row, FIELDS)
    with pytest.raises(ValueError, match="64-bit"):
        compare_levels(filters.view(np.uint8), present, filters, present, row, row, FIELDS)
