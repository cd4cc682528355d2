"""How a person gets into a record: which of their names is written, what is left out and what goes wrong.

`enter` turns what is true of people into what stands in a department's file. Rates are per record and are
multiplied by a carelessness that differs from record to record, so that some are bad in several fields.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields, replace

import numpy as np
from numpy.typing import NDArray

from pprl.synthetic import dates, mistakes, places
from pprl.synthetic.draws import Flags, Texts, Whole, below, chance, choose
from pprl.synthetic.lives import Known
from pprl.synthetic.mistakes import Mistake
from pprl.synthetic.naming import UNKNOWN

# Share of records in a hundred, and how careless they are.
_CARELESSNESS: tuple[tuple[int, float], ...] = ((75, 0.5), (20, 1.3), (5, 7.3))
_PLACEHOLDER_NAMES = ("Unknown", "Not Known", "N/K")
_PLACEHOLDER_POSTCODE = "ZZ99 3VZ"
_PLACEHOLDER_BIRTH = dates.number(1900, 1, 1)
_HIGHEST_RATE = 0.9


@dataclass(frozen=True, slots=True)
class Habits:
    """How often things happen in a department's records: shares of records, unless said otherwise.

    Attributes:
        alias: an alias is written, of the records of those who have one.
        earlier_surname: the surname before the last marriage or divorce.
        nickname: Bill for William.
        middle_as_first: someone goes by a middle name.
        middle_with_first: the middle names stand in the forename field, of those who have one.
        no_middle: middle names are left out, of those who have one.
        middle_initial: only initials of the middle names, of those who have one.
        first_initial: only the initial of the forename.
        swapped_names: forename and surname stand in each other's field.
        other_spelling: of each name, a usual other spelling.
        mistyped_name: of each name, one mistake of typing, scanning or hearing.
        no_punctuation: apostrophes and hyphens lost, of names that have them.
        no_accents: of records, accents lost.
        placeholder_name: "Unknown" and the like as a forename.
        no_forename, no_surname, no_birth, no_sex, no_postcode: nothing in the field.
        day_month_swapped: of birth dates, where the day could be a month.
        wrong_birth_part: one digit of the date of birth is wrong.
        first_january: only the year of birth was known, and the first of January is written.
        placeholder_birth: 01/01/1900.
        wrong_sex: the other sex.
        earlier_postcode: the home before the last move.
        mistyped_postcode: one mistake in the postcode.
        placeholder_postcode: ZZ99 3VZ, for no fixed abode.
        compact_postcode: of postcodes, without the space.
    """

    alias: float
    earlier_surname: float
    nickname: float
    middle_as_first: float
    middle_with_first: float
    no_middle: float
    middle_initial: float
    first_initial: float
    swapped_names: float
    other_spelling: float
    mistyped_name: float
    no_punctuation: float
    no_accents: float
    placeholder_name: float
    no_forename: float
    no_surname: float
    no_birth: float
    no_sex: float
    no_postcode: float
    day_month_swapped: float
    wrong_birth_part: float
    first_january: float
    placeholder_birth: float
    wrong_sex: float
    earlier_postcode: float
    mistyped_postcode: float
    placeholder_postcode: float
    compact_postcode: float

    def scaled(self, factor: float) -> Habits:
        """The same habits with every rate multiplied, 0.9 at most; 0 makes every record right and complete."""
        rates = {one.name: min(getattr(self, one.name) * factor, _HIGHEST_RATE) for one in fields(self)}
        return replace(self, **rates)


@dataclass(frozen=True, slots=True)
class Entries:
    """What stands in records; all arrays have the shape (records,), and "" and `dates.MISSING` are missing.

    Attributes:
        given, middle, surname: names, in mixed case.
        born: day of birth.
        sex: MALE, FEMALE or UNKNOWN.
        postcode: as text.
    """

    given: Texts
    middle: Texts
    surname: Texts
    born: Whole
    sex: Whole
    postcode: Texts

    def take(self, rows: Whole) -> Entries:
        """The entries of these rows, in their order."""
        return Entries(*(getattr(self, one.name)[rows] for one in fields(self)))


@dataclass(frozen=True, slots=True)
class _Clerk:
    """Says which records something happens to."""

    rng: np.random.Generator
    carelessness: NDArray[np.float64]

    def slips(self, rate: float) -> Flags:
        """Which records suffer a mishap that careless clerks make more often."""
        return chance(self.rng, rate * self.carelessness, len(self.carelessness))

    def does(self, share: float) -> Flags:
        """Which records are written in a way that has nothing to do with care."""
        return chance(self.rng, share, len(self.carelessness))


def enter(rng: np.random.Generator, known: Known, habits: Habits) -> Entries:
    """Write down what is known, as a department with these habits would.

    Args:
        rng: the randomness.
        known: what is true on the day of each record.
        habits: how often things go wrong.

    Returns:
        One entry for each record, in the order given.
    """
    weights = [share for share, _ in _CARELESSNESS]
    levels = np.array([level for _, level in _CARELESSNESS])
    clerk = _Clerk(rng, levels[choose(rng, weights, len(known.born))])
    given, middle, surname = _names(clerk, known, habits)
    return Entries(
        given=given,
        middle=middle,
        surname=surname,
        born=_births(clerk, known, habits),
        sex=_sexes(clerk, known, habits),
        postcode=_postcodes(clerk, known, habits),
    )


def _names(clerk: _Clerk, known: Known, habits: Habits) -> tuple[Texts, Texts, Texts]:
    given, middle, surname = _chosen_names(clerk, known, habits)
    columns = [given, middle, surname]
    for column in columns:
        _replace(clerk.rng, column, clerk.slips(habits.other_spelling), ((1, mistakes.other_spelling),))
        _replace(clerk.rng, column, clerk.slips(habits.mistyped_name), mistakes.NAME_MISTAKES)
    _lose_punctuation(clerk, columns, habits)
    _lose_accents(clerk, columns, habits)
    given, middle, surname = columns
    given = _changed(given, clerk.slips(habits.first_initial), _initials)
    return _arranged(clerk, given, middle, surname, habits)


def _chosen_names(clerk: _Clerk, known: Known, habits: Habits) -> tuple[Texts, Texts, Texts]:
    """Which of a person's names are written, still without mistakes."""
    surname = np.where(clerk.slips(habits.earlier_surname), known.earlier_surname, known.surname)
    by_middle = clerk.slips(habits.middle_as_first) & (known.middle != "")
    given = np.where(by_middle, _changed(known.middle, by_middle, _first_word), known.forename)
    middle = np.where(by_middle, known.forename, known.middle)
    _replace(clerk.rng, given, clerk.does(habits.nickname), ((1, mistakes.nickname),))
    alias = clerk.does(habits.alias) & (known.alias_forename != "")
    given = np.where(alias, known.alias_forename, given)
    surname = np.where(alias, known.alias_surname, surname)
    return given, np.where(alias, "", middle), surname


def _arranged(
    clerk: _Clerk, given: Texts, middle: Texts, surname: Texts, habits: Habits
) -> tuple[Texts, Texts, Texts]:
    """Which field each name stands in, and what is left out."""
    has_middle = middle != ""
    together = clerk.does(habits.middle_with_first) & has_middle
    given = np.where(together, given + " " + middle, given)
    middle = np.where(together | clerk.does(habits.no_middle), "", middle)
    middle = _changed(middle, clerk.does(habits.middle_initial), _initials)
    swapped = clerk.slips(habits.swapped_names)
    given, surname = np.where(swapped, surname, given), np.where(swapped, given, surname)
    given = np.where(clerk.slips(habits.no_forename), "", given)
    surname = np.where(clerk.slips(habits.no_surname), "", surname)
    unnamed = clerk.slips(habits.placeholder_name)
    which = below(clerk.rng, len(_PLACEHOLDER_NAMES), len(given))
    given = np.where(unnamed, np.array(_PLACEHOLDER_NAMES, dtype=np.object_)[which], given)
    return given, middle, surname


def _first_word(name: str) -> str:
    return name.partition(" ")[0]


def _initials(name: str) -> str:
    return " ".join(word[:1] for word in name.split(" "))


def _changed(column: Texts, where: Flags, change: Callable[[str], str]) -> Texts:
    """A copy of a column in which the marked cells are changed."""
    changed = column.copy()
    for row in np.flatnonzero(where).tolist():
        changed[row] = change(changed[row])
    return changed


def _lose_punctuation(clerk: _Clerk, columns: Sequence[Texts], habits: Habits) -> None:
    for column in columns:
        _replace(clerk.rng, column, clerk.does(habits.no_punctuation), ((1, mistakes.without_punctuation),))


def _lose_accents(clerk: _Clerk, columns: list[Texts], habits: Habits) -> None:
    losing = clerk.does(habits.no_accents)
    for place, column in enumerate(columns):
        columns[place] = _changed(column, losing, mistakes.without_accents)


def _replace(
    rng: np.random.Generator, column: Texts, where: Flags, table: Sequence[tuple[int, Mistake]]
) -> None:
    """Put a mistake into the marked cells of a column; empty cells stay empty."""
    rows = np.flatnonzero(where & (column != ""))
    kinds = choose(rng, [weight for weight, _ in table], len(rows))
    places_in_text, choices = rng.random(len(rows)), rng.random(len(rows))
    cells = zip(rows.tolist(), kinds.tolist(), places_in_text.tolist(), choices.tolist(), strict=True)
    for row, kind, place, choice in cells:
        column[row] = table[kind][1](column[row], place, choice)


def _births(clerk: _Clerk, known: Known, habits: Habits) -> Whole:
    born = known.born
    year, month, day = dates.parts(born)
    swapped = dates.joined(year, day, month, born)
    born = np.where(clerk.slips(habits.day_month_swapped), swapped, born)
    born = np.where(clerk.slips(habits.wrong_birth_part), _misread(clerk.rng, born), born)
    one = np.ones(len(born), dtype=np.int64)
    born = np.where(clerk.slips(habits.first_january), dates.joined(year, one, one, born), born)
    born = np.where(clerk.slips(habits.placeholder_birth), _PLACEHOLDER_BIRTH, born)
    return np.where(clerk.slips(habits.no_birth), dates.MISSING, born)


def _misread(rng: np.random.Generator, born: Whole) -> Whole:
    """One part of each date off by one, or by ten where that is a digit; unchanged if there is no such day."""
    year, month, day = dates.parts(born)
    part = choose(rng, (30, 10, 20, 30, 10), len(born))
    off = 1 - 2 * below(rng, 2, len(born))
    year = year + np.where(part == 0, off, 0) + np.where(part == 1, off * 10, 0)
    month = month + np.where(part == 2, off, 0)
    day = day + np.where(part == 3, off, 0) + np.where(part == 4, off * 10, 0)
    return dates.joined(year, month, day, born)


def _sexes(clerk: _Clerk, known: Known, habits: Habits) -> Whole:
    sex = np.where(clerk.slips(habits.wrong_sex), 1 - known.sex, known.sex)
    return np.where(clerk.slips(habits.no_sex), UNKNOWN, sex)


def _postcodes(clerk: _Clerk, known: Known, habits: Habits) -> Texts:
    code = np.where(clerk.does(habits.earlier_postcode), known.earlier_postcode, known.postcode)
    written = places.written(code)
    _replace(clerk.rng, written, clerk.slips(habits.mistyped_postcode), mistakes.POSTCODE_MISTAKES)
    written = _changed(written, clerk.does(habits.compact_postcode), lambda text: text.replace(" ", ""))
    written[clerk.does(habits.placeholder_postcode)] = _PLACEHOLDER_POSTCODE
    written[clerk.does(habits.no_postcode)] = ""
    return written
