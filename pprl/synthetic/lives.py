"""What changes while records are made: homes, surnames, and the other names that people go by."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from pprl.synthetic import dates, naming, places, sources
from pprl.synthetic.draws import Flags, Texts, Whole, below, chance, choose
from pprl.synthetic.naming import FEMALE, MALE
from pprl.synthetic.people import People, Role

_NEVER = dates.number(2100, 1, 1)
# Of a hundred people, how many have one home, two homes, ... over ten years.
_HOMES = (34, 29, 19, 12, 6)
_TEN_YEARS = 3_652
_LEAVES_HOUSEHOLD = 0.3

_WEDS_IN_TEN_YEARS = 0.16
_MARRIED_BEFORE = 0.25
_WOMAN_KEEPS_SURNAME = 0.15
_MAN_CHANGES_SURNAME = 0.02
_HYPHENATES = 0.1
_GOES_BACK = 0.12
_MARRIAGEABLE_DAYS = 18 * 365
_PAST_MARRYING_DAYS = 55 * 365
_MARRIAGE_BEFORE_DAYS = 10 * 365

_HAS_ALIAS = 0.025


@dataclass(frozen=True, slots=True)
class Lives:
    """People and what happens to them.

    Attributes:
        people: as they were at first.
        homes: postcodes in the order lived in, shape (people, 5).
        moves: days of the moves, shape (people, 4); after the last move these are in a far future.
        leaves: the day that someone leaves the first person's homes for their own.
        surnames: surnames in the order borne, shape (people, 3).
        renamed: days on which the surname changed, shape (people, 2).
        alias_forename, alias_surname: what someone gives as a name at times; "" where they don't.
    """

    people: People
    homes: Whole
    moves: Whole
    leaves: Whole
    surnames: Texts
    renamed: Whole
    alias_forename: Texts
    alias_surname: Texts


@dataclass(frozen=True, slots=True)
class Known:
    """What is true of somebody on the day of a record; all arrays have the shape (records,).

    Attributes:
        forename, middle, surname: official names on the day.
        earlier_surname: the surname before the last change; the surname itself where there was none.
        alias_forename, alias_surname: other names given at times, or "".
        born: day of birth.
        sex: MALE or FEMALE.
        postcode: home on the day, see `places`.
        earlier_postcode: the home before it, or the same.
    """

    forename: Texts
    middle: Texts
    surname: Texts
    earlier_surname: Texts
    alias_forename: Texts
    alias_surname: Texts
    born: Whole
    sex: Whole
    postcode: Whole
    earlier_postcode: Whole


def draw_lives(rng: np.random.Generator, people: People, first_day: int) -> Lives:
    """Draw ten years of life for everyone, from `first_day` on.

    Args:
        rng: draws.
        people: who lives.
        first_day: since 1970.
    """
    homes, moves = _homes(rng, people, first_day)
    member = (people.first != np.arange(len(people))) & chance(rng, _LEAVES_HOUSEHOLD, len(people))
    leaves = np.where(member, first_day + below(rng, _TEN_YEARS, len(people)), _NEVER)
    surnames, renamed = _surnames(rng, people, first_day)
    alias_forename, alias_surname = _aliases(rng, people)
    return Lives(people, homes, moves, leaves, surnames, renamed, alias_forename, alias_surname)


def known_on(lives: Lives, who: Whole, day: Whole) -> Known:
    """What is true of each person in `who` on the day beside it.

    Args:
        lives: the people.
        who: places of people, shape (records,).
        day: days, shape (records,).
    """
    people = lives.people
    chain = np.where(day < lives.leaves[who], people.first[who], who)
    home = (lives.moves[chain] <= day[:, None]).sum(axis=1)
    stage = (lives.renamed[who] <= day[:, None]).sum(axis=1)
    return Known(
        forename=people.forename[who],
        middle=people.middle[who],
        surname=lives.surnames[who, stage],
        earlier_surname=lives.surnames[who, np.maximum(stage - 1, 0)],
        alias_forename=lives.alias_forename[who],
        alias_surname=lives.alias_surname[who],
        born=people.born[who],
        sex=people.sex[who],
        postcode=lives.homes[chain, home],
        earlier_postcode=lives.homes[chain, np.maximum(home - 1, 0)],
    )


def _homes(rng: np.random.Generator, people: People, first_day: int) -> tuple[Whole, Whole]:
    size = len(people)
    most = len(_HOMES)
    homes = np.empty((size, most), dtype=np.int64)
    # The own homes of those who live with another count once they have left.
    alone = people.first == np.arange(size)
    homes[:, 0] = np.where(alone, people.postcode, places.moved(rng, people.postcode))
    for place in range(1, most):
        homes[:, place] = places.moved(rng, homes[:, place - 1])
    days = np.sort(first_day + (rng.random((size, most - 1)) * _TEN_YEARS).astype(np.int64), axis=1)
    used = np.arange(most - 1)[None, :] < choose(rng, _HOMES, size)[:, None]
    return homes, np.where(used, days, _NEVER)


def _surnames(rng: np.random.Generator, people: People, first_day: int) -> tuple[Texts, Whole]:
    size = len(people)
    surnames = np.repeat(people.surname[:, None], 3, axis=1)
    renamed = np.full((size, 2), _NEVER, dtype=np.int64)
    spouse = _spouses_surname(rng, people)
    _wed(rng, people, first_day, spouse, surnames, renamed)
    _separate(rng, first_day, surnames, renamed)
    return surnames, renamed


def _spouses_surname(rng: np.random.Generator, people: People) -> Texts:
    """Whose surname somebody would take: the partner's at home, or that of a stranger of the same community."""
    size = len(people)
    men = np.full(size, MALE, dtype=np.int64)
    stranger = naming.feminised(
        rng, naming.surnames(rng, people.community, men, people.born), people.community, people.sex
    )
    partner = np.flatnonzero(people.role == Role.PARTNER)
    first = people.first[partner]
    stranger[partner], stranger[first] = people.surname[first], people.surname[partner]
    return stranger


def _takes_spouses_surname(rng: np.random.Generator, people: People) -> Flags:
    size = len(people)
    keep = sources.communities().index(
        "pakistani", "bangladeshi", "somali", "arabic", "vietnamese", "chinese"
    )
    keeps = np.isin(people.community, keep) & ~chance(rng, 0.2, size)
    woman = (people.sex == FEMALE) & ~keeps & ~chance(rng, _WOMAN_KEEPS_SURNAME, size)
    changes: Flags = woman | ((people.sex == MALE) & chance(rng, _MAN_CHANGES_SURNAME, size))
    return changes


def _wed(
    rng: np.random.Generator,
    people: People,
    first_day: int,
    spouse: Texts,
    surnames: Texts,
    renamed: Whole,
) -> None:
    """Fill in the marriages: those within the years that records are made in, and some before."""
    size = len(people)
    within = first_day + below(rng, _TEN_YEARS, size)
    before = first_day - below(rng, _MARRIAGE_BEFORE_DAYS, size)
    earlier = chance(rng, _MARRIED_BEFORE, size)
    day = np.where(earlier, before, within)
    age = day - people.born
    weds = earlier | chance(rng, _WEDS_IN_TEN_YEARS, size)
    weds &= _takes_spouses_surname(rng, people) & (age > _MARRIAGEABLE_DAYS) & (age < _PAST_MARRYING_DAYS)
    weds &= spouse != people.surname
    double = chance(rng, _HYPHENATES, size)
    now = np.where(double, people.surname + "-" + spouse, spouse)
    surnames[weds, 1] = now[weds]
    surnames[weds, 2] = now[weds]
    renamed[weds, 0] = day[weds]


def _separate(rng: np.random.Generator, first_day: int, surnames: Texts, renamed: Whole) -> None:
    """Some of the married go back to their earlier surname, two years later at the soonest."""
    size = len(renamed)
    day = np.maximum(renamed[:, 0] + 730, first_day) + below(rng, _TEN_YEARS, size)
    back = (renamed[:, 0] < _NEVER) & chance(rng, _GOES_BACK, size)
    surnames[back, 2] = surnames[back, 0]
    renamed[back, 1] = day[back]


def _aliases(rng: np.random.Generator, people: People) -> tuple[Texts, Texts]:
    """Other names for a few: half keep their forename, a third keep their surname."""
    size = len(people)
    has = chance(rng, _HAS_ALIAS, size)
    keeps = rng.random(size)
    forename = naming.forenames(rng, people.community, people.sex, people.born)
    surname = naming.surnames(rng, people.community, people.sex, people.born)
    forename = np.where(keeps < 0.5, people.forename, forename)
    surname = np.where(keeps > 0.67, people.surname, surname)
    return np.where(has, forename, ""), np.where(has, surname, "")
