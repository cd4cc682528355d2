"""The tables that the made people are drawn from, read from the text files in `data/`.

The lists, their order and every weight are our own approximations from general knowledge of published
statistics (names given and borne in England and Wales, population by postcode area). They are meant to look
right to someone who knows the country, not to be quoted.
"""

from __future__ import annotations

import csv
from dataclasses import dataclass
from functools import cache
from importlib.resources import files

import numpy as np

from pprl.synthetic.draws import Rankings, Texts, Whole, rankings, texts

SEXES = ("M", "F")
SETTINGS = ("shire", "town", "metropolis", "wales")
FIRST_DECADE = 1900
DECADES = 13


def _lines(name: str) -> list[str]:
    text = files("pprl.synthetic").joinpath("data", name).read_text(encoding="utf-8")
    return [line for line in text.splitlines() if line and not line.startswith("#")]


def _words(text: str) -> list[str]:
    return [word.strip() for word in text.split(",")]


@dataclass(frozen=True, slots=True)
class Communities:
    """Who shares which names. Arrays are indexed by the community's place in `names`.

    Attributes:
        names: the communities.
        by_setting: for each setting of `SETTINGS`, the weight of each community there.
        no_middle, two_middles, british_forename, listed_surnames, first_january: per cent, see the file.
    """

    names: tuple[str, ...]
    by_setting: dict[str, list[int]]
    no_middle: Whole
    two_middles: Whole
    british_forename: Whole
    listed_surnames: Whole
    first_january: Whole

    def index(self, *names: str) -> list[int]:
        """Places of the named communities."""
        return [self.names.index(name) for name in names]


@cache
def communities() -> Communities:
    """The naming communities."""
    rows = list(csv.DictReader(_lines("communities.csv")))

    def numbers(column: str) -> Whole:
        return np.array([int(row[column]) for row in rows], dtype=np.int64)

    return Communities(
        names=tuple(row["community"] for row in rows),
        by_setting={setting: numbers(setting).tolist() for setting in SETTINGS},
        no_middle=numbers("no_middle"),
        two_middles=numbers("two_middles"),
        british_forename=numbers("british_forename"),
        listed_surnames=numbers("listed_surnames"),
        first_january=numbers("first_january"),
    )


@dataclass(frozen=True, slots=True)
class Districts:
    """Postcode districts, one after the other by area.

    Attributes:
        outward: the district as it is written, such as "LS6".
        area: place of its area.
        setting: place of its setting in `SETTINGS`.
        area_first: for each area, its first district.
        area_count: for each area, how many districts it has.
        area_weights: for each area, people in thousands.
    """

    outward: Texts
    area: Whole
    setting: Whole
    area_first: Whole
    area_count: Whole
    area_weights: list[int]


def _numbers_of(districts: str) -> list[str]:
    found: list[str] = []
    for part in districts.split():
        first, dash, last = part.partition("-")
        found += [str(number) for number in range(int(first), int(last) + 1)] if dash else [first]
    return found


@cache
def districts() -> Districts:
    """All postcode districts of England and Wales that are drawn from."""
    rows = list(csv.DictReader(_lines("areas.csv")))
    numbers = [_numbers_of(row["districts"]) for row in rows]
    counts = np.array([len(one) for one in numbers], dtype=np.int64)
    settings = np.array([SETTINGS.index(row["setting"]) for row in rows], dtype=np.int64)
    return Districts(
        outward=texts(
            [row["area"] + number for row, one in zip(rows, numbers, strict=True) for number in one]
        ),
        area=np.repeat(np.arange(len(rows)), counts),
        setting=np.repeat(settings, counts),
        area_first=np.cumsum(counts) - counts,
        area_count=counts,
        area_weights=[int(row["thousands"]) for row in rows],
    )


@dataclass(frozen=True, slots=True)
class Lists:
    """Ranked names and where to find the list for a person.

    Attributes:
        ranked: the lists.
        place: which list, by community and sex (and decade of birth for forenames).
    """

    ranked: Rankings
    place: Whole


@cache
def forenames() -> Lists:
    """Forenames; `place` has the shape (communities, 2, decades from 1900)."""
    place = np.zeros((len(communities().names), len(SEXES), DECADES), dtype=np.int64)
    lists: list[tuple[list[str], float]] = []
    for line in _lines("forenames.txt"):
        community, sex, year, spread, names = (part.strip() for part in line.split("|"))
        decade = (int(year) - FIRST_DECADE) // 10
        place[communities().names.index(community), SEXES.index(sex), decade:] = len(lists)
        lists.append((_words(names), float(spread)))
    return Lists(rankings(lists), place)


@cache
def surnames() -> Lists:
    """Surnames; `place` has the shape (communities, 2)."""
    place = np.zeros((len(communities().names), len(SEXES)), dtype=np.int64)
    lists: list[tuple[list[str], float]] = []
    for line in _lines("surnames.txt"):
        community, sex, spread, names = (part.strip() for part in line.split("|"))
        rows = list(range(len(SEXES))) if sex == "*" else [SEXES.index(sex)]
        place[communities().names.index(community), rows] = len(lists)
        lists.append((_words(names), float(spread)))
    return Lists(rankings(lists), place)


def _keyed(name: str) -> dict[str, list[str]]:
    pairs = (line.split(":") for line in _lines(name))
    return {key.strip(): _words(values) for key, values in pairs}


@cache
def nicknames() -> dict[str, list[str]]:
    """Formal forename to what its bearers are called as well."""
    return _keyed("nicknames.txt")


@cache
def spellings() -> dict[str, list[str]]:
    """Name to its other spellings."""
    groups = [_words(line) for line in _lines("spellings.txt")]
    return {name: [other for other in group if other != name] for group in groups for name in group}


@cache
def feminine_endings() -> dict[int, list[tuple[str, str]]]:
    """Community to the endings of men's and of women's surnames."""
    table = _keyed("feminine.txt")
    return {
        communities().names.index(name): [(pair.split()[0], pair.split()[1]) for pair in pairs]
        for name, pairs in table.items()
    }


def _joined(beginning: str, ending: str) -> str:
    # No letter stands three times in a row: Cress and shaw make Cresshaw.
    return beginning + (ending[1:] if beginning.endswith(ending[0] * 2) else ending)


def _mixed(values: list[str]) -> list[str]:
    # Draws favour the start of the list: a fixed stride keeps them from favouring the letter A.
    step = 7919
    return [values[(place * step) % len(values)] for place in range(len(values))]


@cache
def compounded_surnames() -> Rankings:
    """Rare English surnames, made of a beginning and an ending, as one ranking."""
    parts = _keyed("compounds.txt")
    joined = dict.fromkeys(
        _joined(beginning, ending)
        for beginning in parts["beginnings"]
        for ending in parts["endings"]
        if beginning.lower() != ending
    )
    listed = set(surnames().ranked.values.tolist())
    return rankings([(_mixed([name for name in joined if name not in listed]), 600)])


@cache
def coined_forenames() -> Lists:
    """Forenames coined since about 1980; `place` has the shape (2,)."""
    parts = _keyed("compounds.txt")
    lists: list[tuple[list[str], float]] = []
    for sex in SEXES:
        endings = parts[f"endings_{sex}"]
        joined = (
            _joined(beginning, ending) for beginning in parts["forename_beginnings"] for ending in endings
        )
        lists.append((_mixed(list(dict.fromkeys(joined))), 60))
    return Lists(rankings(lists), np.arange(len(SEXES)))


@cache
def middles() -> Lists:
    """Usual second forenames; `place` has the shape (2,)."""
    table = _keyed("middles.txt")
    return Lists(rankings([(table[sex], 1) for sex in SEXES]), np.arange(len(SEXES)))
