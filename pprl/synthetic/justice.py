"""Offences, court hearings and prison receptions of made-up people, with the truth beside them.

The pathway: most people have offences recorded by the police; some offences are charged and become a court
case of one or more hearings; some cases end in custody. Others come to court without a recorded offence. A
case's hearings mostly carry one clerk's entry of the defendant, and offences of one occasion one officer's.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from pprl.synthetic import dates
from pprl.synthetic.draws import Flags, Texts, Whole, below, chance, choose, distinct, texts
from pprl.synthetic.entries import Entries, Habits, enter
from pprl.synthetic.lives import Lives, draw_lives, known_on
from pprl.synthetic.naming import FEMALE
from pprl.synthetic.people import Make, draw_people
from pprl.synthetic.table import TRUTH_COLUMN, Table

DEFAULT_PEOPLE = 10_000

_LIVES_FROM = dates.number(2015, 1, 1)
_OFFENCES_FROM, _OFFENCES_TO = dates.number(2016, 1, 1), dates.number(2022, 12, 31)
_RESPONSIBLE_DAYS = 3_653
_CUSTODY_DAYS = 15 * 366

# Suspects by single year of age from 10: steep until 18, flat through the twenties, then a long decline.
_AGES = (
    *(2, 4, 8, 16, 24, 30, 34, 37),
    *([42] * 6 + [40] * 5 + [36] * 5 + [29] * 5 + [22] * 5),
    *([16] * 5 + [12] * 5 + [8] * 5 + [5] * 5 + [3] * 5 + [2] * 5 + [1] * 7),
)  # fmt: skip
SUSPECTS = Make(
    female=0.21,
    youngest=10,
    ages=_AGES,
    anchor_first=_OFFENCES_FROM,
    anchor_last=_OFFENCES_TO,
    latest_birth=dates.number(2012, 12, 31),
    latest_adult_birth=dates.number(2004, 12, 31),
    household_share=0.22,
)

_WITHOUT_OFFENCE = 0.1
_MOST_OFFENCES = 60
# One over the number of offences to the power of 2.2, in millionths: two in three have a single one.
_OFFENCE_COUNTS = tuple(int(1_000_000 / count**2.2) for count in range(1, _MOST_OFFENCES + 1))
_OFFENCES_SPREAD_DAYS = 900
_CHARGED = 0.36
_HEARING_COUNTS = (55, 27, 11, 5, 2)
_CUSTODY_MEN, _CUSTODY_WOMEN = 0.2, 0.09
_REMANDED = 0.3
_NEW_ENTRY_OFFENCE = 0.78
_NEW_ENTRY_HEARING = 0.12

_OFFENCE_GROUPS = (
    (36, "Violence against the person"),
    (4, "Sexual offences"),
    (2, "Robbery"),
    (25, "Theft offences"),
    (9, "Criminal damage and arson"),
    (6, "Drug offences"),
    (2, "Possession of weapons"),
    (10, "Public order offences"),
    (3, "Miscellaneous crimes against society"),
    (3, "Fraud offences"),
)
_ADJOURNED, _CUSTODY = "Adjourned", "Immediate custody"
_OUTCOMES = (
    (30, "Fine"),
    (22, "Community order"),
    (13, "Suspended sentence"),
    (11, "Discharge"),
    (9, "Other disposal"),
    (15, "Not convicted"),
)

POLICE = Habits(
    alias=0.4,
    earlier_surname=0.03,
    nickname=0.05,
    middle_as_first=0.012,
    middle_with_first=0.02,
    no_middle=0.4,
    middle_initial=0.1,
    first_initial=0.005,
    swapped_names=0.01,
    other_spelling=0.025,
    mistyped_name=0.035,
    no_punctuation=0.35,
    no_accents=0.95,
    placeholder_name=0.003,
    no_forename=0.004,
    no_surname=0.002,
    no_birth=0.012,
    no_sex=0.012,
    no_postcode=0.1,
    day_month_swapped=0.008,
    wrong_birth_part=0.022,
    first_january=0.005,
    placeholder_birth=0.003,
    wrong_sex=0.005,
    earlier_postcode=0.07,
    mistyped_postcode=0.022,
    placeholder_postcode=0.015,
    compact_postcode=0.35,
)
COURT = Habits(
    alias=0.12,
    earlier_surname=0.02,
    nickname=0.02,
    middle_as_first=0.006,
    middle_with_first=0.06,
    no_middle=1.0,
    middle_initial=0.0,
    first_initial=0.008,
    swapped_names=0.006,
    other_spelling=0.02,
    mistyped_name=0.025,
    no_punctuation=0.2,
    no_accents=0.7,
    placeholder_name=0.001,
    no_forename=0.003,
    no_surname=0.0005,
    no_birth=0.025,
    no_sex=0.03,
    no_postcode=0.06,
    day_month_swapped=0.01,
    wrong_birth_part=0.016,
    first_january=0.003,
    placeholder_birth=0.004,
    wrong_sex=0.004,
    earlier_postcode=0.1,
    mistyped_postcode=0.015,
    placeholder_postcode=0.01,
    compact_postcode=0.1,
)
PRISON = Habits(
    alias=0.08,
    earlier_surname=0.02,
    nickname=0.008,
    middle_as_first=0.004,
    middle_with_first=0.2,
    no_middle=1.0,
    middle_initial=0.0,
    first_initial=0.001,
    swapped_names=0.003,
    other_spelling=0.015,
    mistyped_name=0.014,
    no_punctuation=0.25,
    no_accents=0.9,
    placeholder_name=0.0,
    no_forename=0.0005,
    no_surname=0.0,
    no_birth=0.002,
    no_sex=0.001,
    no_postcode=0.16,
    day_month_swapped=0.004,
    wrong_birth_part=0.01,
    first_january=0.002,
    placeholder_birth=0.0005,
    wrong_sex=0.001,
    earlier_postcode=0.12,
    mistyped_postcode=0.018,
    placeholder_postcode=0.06,
    compact_postcode=0.15,
)


@dataclass(frozen=True, slots=True)
class Population:
    """Made-up people's records.

    Attributes:
        people: how many people there are.
        offences: police-recorded offences with a suspect: several records for one person.
        court: hearings: several records for one person.
        prison: receptions: one record a person.
    """

    people: int
    offences: Table
    court: Table
    prison: Table

    @property
    def tables(self) -> dict[str, Table]:
        """The tables by name, in the order of the pathway."""
        return {table.name: table for table in (self.offences, self.court, self.prison)}


@dataclass(frozen=True, slots=True)
class _Records:
    """Who is in each record and on which day; all arrays have the shape (records,).

    Attributes:
        who: place of the person.
        day: day of the event.
        fresh: the person's details were entered anew; otherwise they are those of the record before.
    """

    who: Whole
    day: Whole
    fresh: Flags


@dataclass(frozen=True, slots=True)
class _Cases:
    """Court cases; all arrays have the shape (cases,).

    Attributes:
        who: place of the defendant.
        first_day: day of the first hearing.
        hearings: number of hearings.
        gap: days between one hearing and the next.
        custody: whether the case ends in custody.
    """

    who: Whole
    first_day: Whole
    hearings: Whole
    gap: Whole
    custody: Flags

    @property
    def last_day(self) -> Whole:
        """Day of the last hearing."""
        return self.first_day + (self.hearings - 1) * self.gap


def generate(people: int = DEFAULT_PEOPLE, *, seed: int) -> Population:
    """Make people who are known to the police or the courts, and their records.

    Args:
        people: number of people, at least 1. Of them nine in ten are in the offences, about half in court and
            an eighth in prison; ten thousand people have about 20,000 offences, 14,000 hearings and 1,200
            prison records.
        seed: whole number; the same seed gives the same tables, byte for byte.

    Returns:
        The three tables, each in a random order of its own.

    Raises:
        ValueError: if `people` is less than 1.
    """
    if people < 1:
        raise ValueError("there is at least one person")
    rng = np.random.Generator(np.random.PCG64(seed))
    lives = draw_lives(rng, draw_people(rng, people, SUSPECTS), _LIVES_FROM)
    names = distinct(rng, 10**10, people)
    offences = _offences(rng, lives)
    cases = _cases(rng, lives, offences)
    return Population(
        people=people,
        offences=_offence_table(rng, lives, offences, names),
        court=_court_table(rng, lives, cases, names),
        prison=_prison_table(rng, lives, cases, names),
    )


def _offences(rng: np.random.Generator, lives: Lives) -> _Records:
    people = lives.people
    suspects = np.flatnonzero(~_only_in_court(rng, len(people)))
    who = np.repeat(suspects, 1 + choose(rng, _OFFENCE_COUNTS, len(suspects)))
    size = len(who)
    apart = ((rng.random(size) + rng.random(size) - 1) * _OFFENCES_SPREAD_DAYS).astype(np.int64)
    day = people.anchor[who] + apart
    # Days outside the years of the file are mirrored into them, so that they don't pile up at the ends.
    day = np.where(day < _OFFENCES_FROM, 2 * _OFFENCES_FROM - day, day)
    day = np.where(day > _OFFENCES_TO, 2 * _OFFENCES_TO - day, day)
    day = np.maximum(day, people.born[who] + _RESPONSIBLE_DAYS + below(rng, 200, size))
    order = np.lexsort((day, who))
    fresh = _starts(who[order]) | chance(rng, _NEW_ENTRY_OFFENCE, size)
    return _Records(who[order], day[order], fresh)


def _only_in_court(rng: np.random.Generator, people: int) -> Flags:
    only = chance(rng, _WITHOUT_OFFENCE, people)
    only[0] = False
    return only


def _starts(groups: Whole) -> Flags:
    """Where a new group starts, in an array that holds each group together."""
    starts = np.ones(len(groups), dtype=np.bool_)
    starts[1:] = groups[1:] != groups[:-1]
    return starts


def _cases(rng: np.random.Generator, lives: Lives, offences: _Records) -> _Cases:
    people = lives.people
    charged = chance(rng, _CHARGED, len(offences.who))
    others = np.setdiff1d(np.arange(len(people)), offences.who)
    who = np.concatenate([offences.who[charged], others])
    adult = people.born[others] + _RESPONSIBLE_DAYS
    since = np.concatenate([offences.day[charged], np.maximum(people.anchor[others], adult)])
    size = len(who)
    first_day = since + 14 + (rng.random(size) ** 2 * 320).astype(np.int64)
    hearings = 1 + choose(rng, _HEARING_COUNTS, size)
    share = np.where(people.sex[who] == FEMALE, _CUSTODY_WOMEN, _CUSTODY_MEN)
    custody = chance(rng, share, size) & (first_day - people.born[who] > _CUSTODY_DAYS)
    return _Cases(who, first_day, hearings, 14 + below(rng, 70, size), custody)


def _offence_table(rng: np.random.Generator, lives: Lives, offences: _Records, names: Whole) -> Table:
    entries = _entries(rng, lives, offences, POLICE)
    size = len(offences.who)
    columns = {
        "OFFENCE_REF": [f"R{number:09d}" for number in distinct(rng, 10**9, size).tolist()],
        "FORENAME": _upper(entries.given),
        "MIDDLE_NAMES": _upper(entries.middle),
        "SURNAME": _upper(entries.surname),
        "DOB": dates.written(entries.born, "22/09/1987"),
        "SEX": texts(("M", "F", "U"))[entries.sex].tolist(),
        "POSTCODE": entries.postcode.tolist(),
        "OFFENCE_DATE": dates.written(offences.day, "22/09/1987"),
        "OFFENCE_GROUP": _words(rng, _OFFENCE_GROUPS, size).tolist(),
    }
    return _shuffled(rng, "offences", columns, names[offences.who])


def _court_table(rng: np.random.Generator, lives: Lives, cases: _Cases, names: Whole) -> Table:
    case = np.repeat(np.arange(len(cases.who)), cases.hearings)
    size = len(case)
    starts = _starts(case)
    number = np.arange(size) - np.flatnonzero(starts)[case]
    records = _Records(
        who=cases.who[case],
        day=cases.first_day[case] + number * cases.gap[case],
        fresh=starts | chance(rng, _NEW_ENTRY_HEARING, size),
    )
    entries = _entries(rng, lives, records, COURT)
    last = number == cases.hearings[case] - 1
    decided = np.where(cases.custody[case], _CUSTODY, _words(rng, _OUTCOMES, size))
    columns = {
        "hearing_id": [f"{number:012x}" for number in distinct(rng, 16**12, size).tolist()],
        "defendant_first_name": _mixed_case(rng, entries.given),
        "defendant_last_name": _mixed_case(rng, entries.surname),
        "date_of_birth": dates.written(entries.born, "1987-09-22"),
        "gender": texts(("Male", "Female", ""))[entries.sex].tolist(),
        "postcode": entries.postcode.tolist(),
        "hearing_date": dates.written(records.day, "1987-09-22"),
        "outcome": np.where(last, decided, _ADJOURNED).tolist(),
    }
    return _shuffled(rng, "court", columns, names[records.who])


def _prison_table(rng: np.random.Generator, lives: Lives, cases: _Cases, names: Whole) -> Table:
    received = np.flatnonzero(cases.custody)
    # The reception that counts is the first one: one record a person.
    who, earliest = np.unique(cases.who[received], return_index=True)
    case = received[earliest]
    on_remand = chance(rng, _REMANDED, len(who))
    day = np.where(on_remand, cases.first_day[case], cases.last_day[case])
    records = _Records(who, day, np.ones(len(who), dtype=np.bool_))
    entries = _entries(rng, lives, records, PRISON)
    columns = {
        "prisoner_number": list(_prisoner_numbers(rng, len(who))),
        "given_names": entries.given.tolist(),
        "family_name": _upper(entries.surname),
        "birth_date": dates.written(entries.born, "22-SEP-1987"),
        "sex": texts(("M", "F", ""))[entries.sex].tolist(),
        "home_postcode": entries.postcode.tolist(),
        "reception_date": dates.written(day, "22-SEP-1987"),
    }
    return _shuffled(rng, "prison", columns, names[who])


def _entries(rng: np.random.Generator, lives: Lives, records: _Records, habits: Habits) -> Entries:
    """What stands about the person in each record: entered anew, or copied from the record before."""
    entered = records.fresh.nonzero()[0]
    known = known_on(lives, records.who[entered], records.day[entered])
    return enter(rng, known, habits).take(np.cumsum(records.fresh) - 1)


def _words(rng: np.random.Generator, table: tuple[tuple[int, str], ...], size: int) -> Texts:
    drawn: Texts = texts([word for _, word in table])[choose(rng, [weight for weight, _ in table], size)]
    return drawn


def _prisoner_numbers(rng: np.random.Generator, size: int) -> Iterator[str]:
    """Numbers of the shape in use, with first letters that are not: Z4821QK."""
    letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
    for number in distinct(rng, 4 * 10_000 * 26 * 26, size).tolist():
        rest, last = divmod(number, 26)
        rest, middle = divmod(rest, 26)
        first, digits = divmod(rest, 10_000)
        yield f"{letters[22 + first]}{digits:04d}{letters[middle]}{letters[last]}"


def _upper(names: Texts) -> list[str]:
    return [name.upper() for name in names.tolist()]


def _mixed_case(rng: np.random.Generator, names: Texts) -> list[str]:
    """Names as typed by many hands: mostly Smith, at times SMITH or smith."""
    style = choose(rng, (93, 6, 1), len(names)).tolist()
    pairs = zip(names.tolist(), style, strict=True)
    return [name if how == 0 else name.upper() if how == 1 else name.lower() for name, how in pairs]


def _shuffled(rng: np.random.Generator, name: str, columns: dict[str, list[str]], truth: Whole) -> Table:
    """The table in random order, with the truth as its last column; its first column names the record."""
    order = rng.permutation(len(truth))
    mixed = {column: texts(values)[order].tolist() for column, values in columns.items()}
    mixed[TRUTH_COLUMN] = [f"p{number:010d}" for number in truth[order].tolist()]
    return Table(name, next(iter(columns)), mixed)
