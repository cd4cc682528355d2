"""The made people: who lives with whom, when they were born and what they were named.

`draw_people` draws everyone at once. Each is first drawn as if living alone; then partners, brothers and
sisters, twins and parents get what they share with the first person of their household.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum

import numpy as np

from pprl.synthetic import dates, naming, places, sources
from pprl.synthetic.draws import Flags, Texts, Whole, below, chance, choose
from pprl.synthetic.naming import MALE

_EARLIEST_BIRTH = dates.number(1931, 1, 1)
_CHILDREN_BORN_SINCE = dates.number(1972, 1, 1)
_YEAR = 365.25
_BETWEEN_BIRTHS, _SIBLINGS_DAYS = 330, 2_930


class Role(IntEnum):
    """What someone is to the first person of the household."""

    FIRST = 0
    PARTNER = 1
    SIBLING = 2
    TWIN = 3
    PARENT = 4
    LODGER = 5


# How often, of a hundred shared households, which people live in it besides the first.
_HOUSEHOLDS: tuple[tuple[int, tuple[Role, ...]], ...] = (
    (30, (Role.PARTNER,)),
    (19, (Role.SIBLING,)),
    (5, (Role.SIBLING, Role.SIBLING)),
    (18, (Role.PARENT,)),
    (6, (Role.SIBLING, Role.PARENT)),
    (5, (Role.PARENT, Role.PARENT)),
    (3, (Role.TWIN,)),
    (14, (Role.LODGER,)),
)
_LARGEST_HOUSEHOLD = 3

_SAME_COMMUNITY = {Role.PARTNER: 0.85, Role.SIBLING: 1.0, Role.TWIN: 1.0, Role.PARENT: 1.0, Role.LODGER: 0.3}
_SAME_SURNAME = {Role.PARTNER: 0.5, Role.SIBLING: 0.87, Role.TWIN: 0.98, Role.PARENT: 0.74}
# Where women's surnames are their own, brothers and sisters seldom share one.
_OWN_SURNAMES = ("pakistani", "bangladeshi", "somali", "vietnamese")
_SAME_SURNAME_OTHER_SEX = 0.3
_COUPLE_OF_ONE_SEX = 0.03
_TWINS_OF_ONE_SEX = 0.68
_TWINS_SAME_INITIAL = 0.2
_SON_NAMED_FOR_FATHER = 0.08
_NAMESAKES = 0.003


@dataclass(frozen=True, slots=True)
class Make:
    """What kind of population to draw. Days are whole numbers, see `dates`.

    Attributes:
        female: share of women.
        youngest: age of the first entry of `ages`.
        ages: weight of each single year of age from `youngest`, at the anchor day.
        anchor_first: first possible anchor day; the anchor is about when someone comes to notice.
        anchor_last: last possible anchor day.
        latest_birth: nobody is born after this day.
        latest_adult_birth: nobody who has a partner is born after this day.
        household_share: share of people who live with another of the population.
    """

    female: float
    youngest: int
    ages: tuple[int, ...]
    anchor_first: int
    anchor_last: int
    latest_birth: int
    latest_adult_birth: int
    household_share: float


@dataclass(frozen=True, slots=True)
class People:
    """Made people; all arrays have the shape (people,).

    Attributes:
        first: place of the first person of the household.
        role: a `Role`.
        community: place in `sources.communities()`.
        sex: MALE or FEMALE.
        born: day of birth.
        anchor: a day at which the person's age follows the ages asked for.
        forename, middle, surname: names; `middle` may be "" or two names.
        postcode: home at the start, see `places`.
    """

    first: Whole
    role: Whole
    community: Whole
    sex: Whole
    born: Whole
    anchor: Whole
    forename: Texts
    middle: Texts
    surname: Texts
    postcode: Whole

    def __len__(self) -> int:
        """Number of people."""
        return len(self.born)


def draw_people(rng: np.random.Generator, size: int, make: Make) -> People:
    """Draw a population.

    Args:
        rng: the randomness.
        size: number of people.
        make: what kind of people.

    Returns:
        The people, households first and those who live alone last; callers shuffle their records.
    """
    first, role = _households(rng, size, make.household_share)
    postcode = places.homes(rng, size)[first]
    community = _communities(rng, first, role, postcode)
    sex = _sexes(rng, first, role, make.female)
    anchor = make.anchor_first + below(rng, make.anchor_last - make.anchor_first + 1, size)
    born = _births(rng, first, role, anchor, make)
    born = _official_births(rng, first, role, community, born)
    forename, middle, surname = _names(rng, first, role, community, sex, born)
    return People(first, role, community, sex, born, anchor, forename, middle, surname, postcode)


def _households(rng: np.random.Generator, size: int, share: float) -> tuple[Whole, Whole]:
    """First person and role for each of `size` people, of whom about `share` live with another."""
    together = round(size * share)
    kinds = choose(rng, [weight for weight, _ in _HOUSEHOLDS], together // 2)
    counts = np.array([1 + len(others) for _, others in _HOUSEHOLDS], dtype=np.int64)[kinds]
    kept = np.cumsum(counts) <= together
    kinds, counts = kinds[kept], counts[kept]
    starts = np.cumsum(counts) - counts
    members = int(counts.sum())
    first = np.arange(size)
    first[:members] = np.repeat(starts, counts)
    role_table = np.zeros((len(_HOUSEHOLDS), _LARGEST_HOUSEHOLD), dtype=np.int64)
    for kind, (_, others) in enumerate(_HOUSEHOLDS):
        role_table[kind, 1 : 1 + len(others)] = others
    role = np.zeros(size, dtype=np.int64)
    role[:members] = role_table[np.repeat(kinds, counts), np.arange(members) - first[:members]]
    return first, role


def _by_role(role: Whole, shares: dict[Role, float]) -> naming.Shares:
    table = np.array([shares.get(one, 0.0) for one in Role])
    return table[role]


def _communities(rng: np.random.Generator, first: Whole, role: Whole, postcode: Whole) -> Whole:
    size = len(first)
    table = sources.communities()
    setting = places.setting(postcode)
    own = np.zeros(size, dtype=np.int64)
    for place, name in enumerate(sources.SETTINGS):
        own = np.where(setting == place, choose(rng, table.by_setting[name], size), own)
    return np.where(chance(rng, _by_role(role, _SAME_COMMUNITY), size), own[first], own)


def _sexes(rng: np.random.Generator, first: Whole, role: Whole, female: float) -> Whole:
    size = len(first)
    sex = chance(rng, female, size).astype(np.int64)
    sex = np.where(role == Role.PARENT, chance(rng, 0.5, size), sex)
    both_parents = (role == Role.PARENT) & (np.roll(role, 1) == Role.PARENT) & (np.roll(first, 1) == first)
    sex = np.where(both_parents, 1 - np.roll(sex, 1), sex)
    like_first = (role == Role.TWIN) & chance(rng, _TWINS_OF_ONE_SEX, size)
    like_first |= (role == Role.PARTNER) & chance(rng, _COUPLE_OF_ONE_SEX, size)
    unlike_first = np.isin(role, (Role.TWIN, Role.PARTNER)) & ~like_first
    return np.where(like_first, sex[first], np.where(unlike_first, 1 - sex[first], sex))


def _births(rng: np.random.Generator, first: Whole, role: Whole, anchor: Whole, make: Make) -> Whole:
    size = len(first)
    age = make.youngest + choose(rng, make.ages, size) + rng.random(size)
    own = anchor - (age * _YEAR).astype(np.int64)
    coupled, parented = (np.isin(np.arange(size), first[role == one]) for one in (Role.PARTNER, Role.PARENT))
    own = np.where(coupled & (own > make.latest_adult_birth), own - below(rng, 4_000, size) - 4_000, own)
    own = np.where(parented & (own < _CHILDREN_BORN_SINCE), _CHILDREN_BORN_SINCE + own % 9_000, own)
    base = own[first]
    partner = _partners_births(rng, base, make.latest_adult_birth)
    # A second sibling is further away than the first, and a parent of siblings old enough for the eldest.
    after_sibling = np.where(
        (np.roll(role, 1) == Role.SIBLING) & (np.roll(first, 1) == first), _SIBLINGS_DAYS, 0
    )
    gap = _BETWEEN_BIRTHS + below(rng, _SIBLINGS_DAYS - _BETWEEN_BIRTHS, size) + after_sibling
    younger = chance(rng, 0.5, size) & (base + gap <= make.latest_birth)
    sibling = np.where(younger, base + gap, base - gap)
    parent = (
        base - ((17 + rng.random(size) * 12 + rng.random(size) * 12) * _YEAR).astype(np.int64) - after_sibling
    )
    drawn: Whole = np.choose(role, [own, partner, sibling, base, parent, own])
    within: Whole = np.clip(drawn, _EARLIEST_BIRTH, make.latest_birth)
    return within


def _partners_births(rng: np.random.Generator, base: Whole, latest: int) -> Whole:
    size = len(base)
    apart = ((rng.random(size) + rng.random(size) - 1) * 9 * _YEAR).astype(np.int64)
    return np.where(base + apart > latest, base - np.abs(apart), base + apart)


def _official_births(
    rng: np.random.Generator, first: Whole, role: Whole, community: Whole, born: Whole
) -> Whole:
    """Some communities' birthdays were set to the first of January when they came, for want of a record."""
    share = sources.communities().first_january[community] / 100
    year, _, _ = dates.parts(born)
    one = np.ones(len(born), dtype=np.int64)
    given = np.where(chance(rng, share, len(born)), dates.joined(year, one, one, born), born)
    return np.where(role == Role.TWIN, given[first], given)


def _names(
    rng: np.random.Generator, first: Whole, role: Whole, community: Whole, sex: Whole, born: Whole
) -> tuple[Texts, Texts, Texts]:
    forename = naming.forenames(rng, community, sex, born)
    surname = naming.surnames(rng, community, sex, born)
    shared = chance(rng, _surname_shares(role, first, community, sex), len(role))
    surname = naming.feminised(rng, np.where(shared, surname[first], surname), community, sex)
    middle = naming.middle_names(rng, community, sex, born, forename, surname)
    _name_siblings(rng, forename, first, role, community, sex, born)
    named_for = (role == Role.PARENT) & (sex == MALE) & (sex[first] == MALE)
    named_for &= chance(rng, _SON_NAMED_FOR_FATHER, len(role))
    forename[first[named_for]] = forename[named_for]
    _copy_namesakes(rng, (forename, middle, surname), community, sex, born)
    return forename, middle, surname


def _surname_shares(role: Whole, first: Whole, community: Whole, sex: Whole) -> naming.Shares:
    share = _by_role(role, _SAME_SURNAME)
    own = np.isin(community, sources.communities().index(*_OWN_SURNAMES)) & (sex != sex[first])
    return np.where(own, np.minimum(share, _SAME_SURNAME_OTHER_SEX), share)


def _name_siblings(
    rng: np.random.Generator,
    forename: Texts,
    first: Whole,
    role: Whole,
    community: Whole,
    sex: Whole,
    born: Whole,
) -> None:
    """Parents don't give two children one forename, but some give twins the same initial."""
    siblings = np.flatnonzero(np.isin(role, (Role.SIBLING, Role.TWIN)))
    alike = (role[siblings] == Role.TWIN) & chance(rng, _TWINS_SAME_INITIAL, len(siblings))
    again = alike | (forename[siblings] == forename[first[siblings]])
    picks = rng.random(len(siblings))[again].tolist()
    for sibling, same_initial, pick in zip(
        siblings[again].tolist(), alike[again].tolist(), picks, strict=True
    ):
        given = naming.forename_list(community[sibling], sex[sibling], born[sibling])
        forename[sibling] = naming.another(forename[first[sibling]], same_initial, given, pick)


def _copy_namesakes(
    rng: np.random.Generator, names: tuple[Texts, Texts, Texts], community: Whole, sex: Whole, born: Whole
) -> None:
    """Give a few people all the names of someone of their age, who is a stranger."""
    order = np.lexsort((born, sex, community))
    source, target = order[:-1], order[1:]
    alike: Flags = (community[source] == community[target]) & (sex[source] == sex[target])
    alike &= chance(rng, _NAMESAKES, len(target))
    for column in names:
        column[target[alike]] = column[source[alike]]
