"""Two files of one record a person with a known share of people in common, for calibration experiments."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from pprl.synthetic import dates
from pprl.synthetic.draws import Whole, distinct, texts
from pprl.synthetic.entries import Entries, Habits, enter
from pprl.synthetic.lives import Lives, draw_lives, known_on
from pprl.synthetic.people import Make, draw_people
from pprl.synthetic.table import TRUTH_COLUMN, Table

_FIRST_DAY = dates.number(2011, 1, 1)
_A_DAY, _B_DAY = dates.number(2014, 1, 1), dates.number(2018, 1, 1)
_COLLECTED_IN_DAYS = 730
_SEX_WORDS = ("m", "f", "")
_ID_LIMIT = 10**10

# Adults of the whole population, by single year of age from 16.
_ADULTS = (*(6 for _ in range(16, 66)), *(5 for _ in range(66, 76)), *(3 for _ in range(76, 86)))

HABITS = Habits(
    alias=0.05,
    earlier_surname=0.015,
    nickname=0.05,
    middle_as_first=0.008,
    middle_with_first=0.01,
    no_middle=0.35,
    middle_initial=0.15,
    first_initial=0.008,
    swapped_names=0.008,
    other_spelling=0.025,
    mistyped_name=0.035,
    no_punctuation=0.3,
    no_accents=0.7,
    placeholder_name=0.002,
    no_forename=0.004,
    no_surname=0.002,
    no_birth=0.02,
    no_sex=0.02,
    no_postcode=0.05,
    day_month_swapped=0.01,
    wrong_birth_part=0.025,
    first_january=0.004,
    placeholder_birth=0.002,
    wrong_sex=0.005,
    earlier_postcode=0.06,
    mistyped_postcode=0.025,
    placeholder_postcode=0.003,
    compact_postcode=0.2,
)


@dataclass(frozen=True, slots=True)
class LinkagePair:
    """Two tables and which of their records belong together.

    Attributes:
        a: the first table.
        b: the second table.
        truth: row of `a` and row of `b`, from 0, of each person who is in both, shape (shared, 2), sorted.
    """

    a: Table
    b: Table
    truth: Whole


def linkage_pair(
    people_a: int,
    people_b: int,
    overlap: float,
    *,
    error_scale: float = 1.0,
    seed: int,
    household_share: float = 0.3,
) -> LinkagePair:
    """Make two tables of adults, one record a person in each, four years apart.

    Both have the columns record_id, given_name, middle_names, surname, date_of_birth (ISO), sex (m, f),
    postcode and person_id. Members of a household may be in either table or in both. Moves and marriages
    of the four years between happen whatever the error scale.

    Args:
        people_a: records in the first table.
        people_b: records in the second table.
        overlap: share of the smaller table's people who are also in the other, from 0 to 1.
        error_scale: multiplies every rate of mistakes, omissions and other names; 0 for none.
        seed: whole number; the same seed gives the same tables.
        household_share: share of all people who live with another of them, from 0 to 1.

    Raises:
        ValueError: if a number is outside its range.
    """
    if (
        min(people_a, people_b) < 1
        or not 0 <= overlap <= 1
        or not 0 <= household_share <= 1
        or error_scale < 0
    ):
        raise ValueError("sizes start at 1, shares are from 0 to 1, and the error scale isn't negative")
    rng = np.random.Generator(np.random.PCG64(seed))
    shared = round(min(people_a, people_b) * overlap)
    size = people_a + people_b - shared
    lives = draw_lives(rng, draw_people(rng, size, _make(household_share)), _FIRST_DAY)
    # The first of a shuffled order are in a only, the next in both, the last in b only.
    order = rng.permutation(size)
    in_a, in_b = rng.permutation(order[:people_a]), rng.permutation(order[people_a - shared :])
    names = distinct(rng, _ID_LIMIT, size)
    habits = HABITS.scaled(error_scale)
    a = _table(rng, "a", lives, in_a, _A_DAY, habits, names)
    b = _table(rng, "b", lives, in_b, _B_DAY, habits, names)
    return LinkagePair(a, b, _truth(in_a, in_b, size))


def _make(household_share: float) -> Make:
    return Make(
        female=0.51,
        youngest=16,
        ages=_ADULTS,
        anchor_first=_A_DAY,
        anchor_last=_B_DAY,
        latest_birth=dates.number(2001, 12, 31),
        latest_adult_birth=dates.number(1997, 12, 31),
        household_share=household_share,
    )


def _truth(in_a: Whole, in_b: Whole, size: int) -> Whole:
    row_in_b = np.full(size, -1, dtype=np.int64)
    row_in_b[in_b] = np.arange(len(in_b))
    rows = np.stack([np.arange(len(in_a)), row_in_b[in_a]], axis=1)
    return rows[rows[:, 1] >= 0]


def _table(
    rng: np.random.Generator, name: str, lives: Lives, who: Whole, day: int, habits: Habits, names: Whole
) -> Table:
    days = day + (rng.random(len(who)) * _COLLECTED_IN_DAYS).astype(np.int64)
    entries = enter(rng, known_on(lives, who, days), habits)
    records = distinct(rng, _ID_LIMIT, len(who)).tolist()
    columns = {"record_id": [f"{name}{number:010d}" for number in records], **_columns(entries)}
    columns[TRUTH_COLUMN] = [f"p{number:010d}" for number in names[who].tolist()]
    return Table(name, "record_id", columns)


def _columns(entries: Entries) -> dict[str, list[str]]:
    return {
        "given_name": entries.given.tolist(),
        "middle_names": entries.middle.tolist(),
        "surname": entries.surname.tolist(),
        "date_of_birth": dates.written(entries.born, "1987-09-22"),
        "sex": texts(_SEX_WORDS)[entries.sex].tolist(),
        "postcode": entries.postcode.tolist(),
    }
