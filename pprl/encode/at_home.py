"""Which records of a dataset a department joins itself: those that fixed rules take for one person's.

Runs at departments only, on standardised records, for datasets that may hold a person more than once, where the
agreement has `join_at_home`. What names people in such a file is that a person's own records differ from each other
in a way that nobody else's do. The department has the plain text and needs nobody's help to see which of its records
are likely to be of one person. So it sends one of them in each pass, and the matcher never has two to compare. Which
one may be another in each pass: in each, the person stands in the block that most of the person's records have. All
of them share what is linked.

Nobody outside can check what is joined here, so the rules are careful. Records are joined that agree in a name and a
birth date, or in a name, the postcode and a part of the date, where the file's own frequencies let hardly any stranger
agree by chance, and where no hostel shows. Forenames that only sound alike need one sex, and nobody is joined with
records that tell another middle name. What the rules miss, the key issuer still finds where both records meet one of
another dataset.

docs/formats/field-filters.md is the specification; docs/decisions/0007 says what it is worth and what it costs.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from pprl.encode.copies import originals
from pprl.encode.passes import (
    NO_BLOCK,
    BlockNumbers,
    Coded,
    Codes,
    coded,
    middle_name,
    numbered_rows,
    same_rows,
    split_name,
    transformed,
)
from pprl.protocol.kinds import Kind, can_be_joined
from pprl.protocol.levels import compiled

RARE = 1_000
"""Records are joined where fewer than one stranger in so many is to be expected to agree as they do."""

YEARS, DAYS = 100, 366
"""One birth in so many, at least, is taken to be of a year, and of a day of the year: small files show too few."""

FEW = 5
"""By a part of the birth date they are joined where a name has at most so many birth dates at a postcode.

Without one, where at most so many records of the name there have none.
"""

TWO = 2
"""By forename, postcode and birth date they are joined where they tell at most so many surnames: one by marriage."""

_PARTS_OF_A_DATE: tuple[Callable[[str], str], ...] = (
    lambda date: date[:3] + date[4:],
    lambda date: date[:2] + date[3:],
    lambda date: date[:4],
)

Indices = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Joined:
    """What a department joined.

    Attributes:
        first: the first record of the person of each record, its own where nothing shows another; shape (records,).
        namesakes: how many people are, at least, to be expected to be joined with another one who has the same name
            and birth date by chance: by that of the names for which it is most. Relatives, twins above all, and those
            who are joined by a part of the date are not counted.
    """

    first: Indices
    namesakes: float

    def largest(self) -> int:
        """The records of the person who has most."""
        return int(np.bincount(self.first).max(initial=0))


def joined(columns: Mapping[str, Coded], kinds: Mapping[str, Kind]) -> Joined:
    """Join the records that are taken for one person's; departments run it.

    Args:
        columns: numbered standardised columns by identifier.
        kinds: the kind of each identifier.
    """
    copies = originals(columns, kinds)
    if not can_be_joined(kinds.values()):
        return Joined(copies, 0.0)
    who = _Who.of(columns, kinds)
    first, namesakes = copies.copy(), [0.0]
    for name in who.names():
        agreeing, strangers = _of_one_date(name, who.birth)
        _unite(first, who.undisputed(agreeing))
        namesakes.append(strangers)
    if who.postcode is not None:
        agreeing, _ = _of_one_date((who.forename, who.postcode), who.birth)
        _unite(first, who.undisputed(_only(_few(agreeing, who.surname, TWO), agreeing)))
        for part in _PARTS_OF_A_DATE:
            _unite(first, who.undisputed(_of_few_dates(who, who.postcode, part)))
        _unite(first, who.undisputed(_of_one_person(who, who.postcode, _settled(first))))
    # Those that a third one joined may tell two middle names all the same.
    _unite(copies, who.undisputed(_settled(first).astype(np.int32)))
    return Joined(_settled(copies), max(namesakes))


@dataclass(frozen=True, slots=True)
class _Who:
    """The columns that say who somebody is.

    Attributes:
        forename: its usual form.
        sound: how that sounds.
        surname: how it sounds.
        words: of both names, in ascending order.
        birth: its date.
        postcode: None if there is none.
        sex: None if there is none.
        told: what is told of a middle name: nothing, its initial, or that and how the whole sounds.
    """

    forename: Coded
    sound: Coded
    surname: Coded
    words: Coded
    birth: Coded
    postcode: Coded | None
    sex: Coded | None
    told: Coded

    @classmethod
    def of(cls, columns: Mapping[str, Coded], kinds: Mapping[str, Kind]) -> _Who:
        """The same, from the first identifier of each kind."""
        first: dict[Kind, Coded] = {}
        for name, kind in kinds.items():
            first.setdefault(kind, columns[name])
        if {"given-name", "surname"} <= set(first):
            given, family = first["given-name"], first["surname"]
        else:
            given = _rewritten(first["full-name"], lambda name: split_name(name)[0])
            family = _rewritten(first["full-name"], lambda name: split_name(name)[1])
        nothing = Coded([""], np.zeros(len(given.codes), dtype=np.int32))
        return cls(
            forename=transformed({"": given}, "", "canonical", {}),
            sound=transformed({"": given}, "", "canonical-phonetic", {}),
            surname=transformed({"": family}, "", "phonetic", {}),
            words=_of_both(given, family, _ascending),
            birth=first["date-of-birth"],
            postcode=first.get("postcode"),
            sex=first.get("sex"),
            told=_of_both(
                given, first.get("middle-names", nothing), lambda *words: middle_name(" ".join(words))
            ),
        )

    def names(self) -> Iterator[tuple[Coded, ...]]:
        """What tells one person from others born on a day."""
        yield self.forename, self.surname
        yield (self.words,)
        if self.sex is not None:  # John and Jane sound alike.
            yield self.sound, self.surname, self.sex
        if self.postcode is not None:
            yield self.forename, self.surname, self.postcode

    def undisputed(self, numbers: Codes) -> Codes:
        """Numbers of records; where those of one number tell two middle names, one for each that is told, and none."""
        initial, whole = (
            _rewritten(self.told, rule) for rule in (lambda told: told[:1], lambda told: told[1:])
        )
        alike = _few(numbers, initial, 1) & _few(numbers, whole, 1)
        apart = np.where(alike[numbers], np.int32(0), self.told.codes)
        return numbered_rows((_numbered(numbers), _numbered(apart)))[0]


def _of_one_date(name: tuple[Coded, ...], birth: Coded) -> tuple[Codes, float]:
    """Number the records that agree in a name and a birth date, where a stranger would hardly have both.

    Of N pairs of a name and a birth date that are in the file, n are of this name, y of this year and d of this day of
    the year. Of n strangers with the name a share of (y - 1) / N, or 1 / 100 if that is more, is to be expected of this
    year by chance, and of these a share of (d - 1) / N, or 1 / 366, of this day.

    Returns:
        The number of each record, `NO_BLOCK` where something is missing or a stranger may well have both; and how
        many strangers are to be expected among those that have one: all but the first of each date.
    """
    names, _ = numbered_rows(name)
    numbers, firsts = numbered_rows((*name, birth))
    dates = birth.of(firsts)
    year = _rewritten(dates, lambda date: date[:4]).codes
    day = _rewritten(dates, lambda date: date[5:]).codes
    pairs = float(len(firsts))
    # Numerator and denominator apart, which are whole: rounding decides nothing at the limit.
    births = _count(names[firsts])
    of_date = np.maximum(YEARS * (_count(year) - 1), pairs) * np.maximum(DAYS * (_count(day) - 1), pairs)
    certain = YEARS * DAYS * pairs**2
    rare = RARE * births * of_date <= certain
    strangers = float(((births - 1) * of_date)[rare].sum()) / max(certain, 1.0)
    return _only(np.append(rare, False), numbers), strangers


def _of_few_dates(who: _Who, postcode: Coded, part: Callable[[str], str]) -> Codes:
    """Number the records that agree in a name, the postcode and a part of the birth date: no hostel, no common name.

    Of N different names, postcodes and birth dates together that are in the file, n are of this name, and of those of
    other names p have this part of the date and h this postcode: n p h / N^2 strangers are to be expected by chance.
    """
    at_home, birth = (who.forename, who.surname, postcode), _rewritten(who.birth, part)
    homes, _ = numbered_rows(at_home)
    numbers, _ = numbered_rows((*at_home, birth))
    names, _ = numbered_rows((who.forename, who.surname))
    with_part, _ = numbered_rows((_numbered(names), birth))
    _, firsts = numbered_rows((*at_home, who.birth))
    others_of_part = _count(birth.codes[firsts]) - _count(with_part[firsts])
    others_at_home = _count(postcode.codes[firsts]) - _count(homes[firsts])
    expected = _count(names[firsts]) * others_of_part * others_at_home
    rare = np.zeros(len(homes) + 1, dtype=bool)
    rare[numbers[firsts]] = RARE * expected <= float(len(firsts)) ** 2
    return _only(rare, np.where(_few(homes, who.birth, FEW)[homes], numbers, np.int32(NO_BLOCK)))


def _of_one_person(who: _Who, postcode: Coded, first: Indices) -> Codes:
    """Number the records of a name at a postcode, where those with a birth date are of one person, and few lack it."""
    homes, _ = numbered_rows((who.forename, who.surname, postcode))
    dateless = who.birth.codes == who.birth.missing()
    people = np.where(dateless, NO_BLOCK, first).astype(np.int32)
    lacking = np.bincount(homes[dateless & (homes != NO_BLOCK)], minlength=len(homes) + 1)
    return _only(_few(homes, _numbered(people), 1) & (lacking <= FEW), homes)


def _few(numbers: Codes, told: Coded, most: int) -> NDArray[np.bool_]:
    """For each number, and last for `NO_BLOCK`, whether its records tell at most so many values of a column."""
    _, firsts = numbered_rows((_numbered(numbers), told))
    return np.bincount(numbers[firsts], minlength=len(numbers) + 1) <= most


def _only(which: NDArray[np.bool_], numbers: Codes) -> Codes:
    """The numbers that are among some, and `NO_BLOCK` for the others."""
    return np.where(which[numbers], numbers, np.int32(NO_BLOCK))


def _count(codes: Codes) -> NDArray[np.float64]:
    """How many have the code that each has."""
    return np.bincount(codes)[codes].astype(np.float64)


def stand_ins(block: BlockNumbers, home: Indices) -> BlockNumbers:
    """The blocks of a pass with one record of each person alone; departments run it.

    A person stands in the block that most of the person's records have, and for the first of them that has it.

    Args:
        block: the blocks of all records.
        home: the first record of the person of each record.
    """
    there = np.flatnonzero(block.numbers != NO_BLOCK)
    person, its = home[there], block.numbers[there].astype(np.int64)
    _, place, many = np.unique(
        person * (int(its.max(initial=0)) + 1) + its, return_inverse=True, return_counts=True
    )
    order = np.lexsort((there, -many[place.reshape(-1)], person))
    chosen = (
        there[order[np.flatnonzero(np.append(True, np.diff(person[order]) != 0))]] if len(there) else there
    )
    numbers = np.full(len(home), NO_BLOCK, dtype=block.numbers.dtype)
    numbers[chosen] = block.numbers[chosen]
    return replace(block, numbers=numbers)


def by_person(home: Indices) -> Indices:
    """The place of each record's person among all of them, in the order of their first records."""
    return np.unique(home, return_inverse=True)[1].reshape(-1)


def _rewritten(column: Coded, rule: Callable[[str], str]) -> Coded:
    results = coded([rule(value) if value else "" for value in column.distinct])
    return Coded(results.distinct, results.codes[column.codes])


def _of_both(one: Coded, other: Coded, rule: Callable[[str, str], str]) -> Coded:
    """What becomes of two columns, the rule applied to each two values that stand in one row."""
    firsts, which = np.unique(same_rows([one, other]), return_inverse=True)
    results = coded(list(map(rule, one.of(firsts).values(), other.of(firsts).values())))
    return Coded(results.distinct, results.codes[which.reshape(-1)])


def _ascending(given: str, family: str) -> str:
    """The words of both names, so that it shows no difference which is whose; "" where one lacks."""
    return " ".join(sorted(f"{given} {family}".split())) if given and family else ""


def _numbered(numbers: Codes) -> Coded:
    """A column of numbers; `NO_BLOCK` is missing."""
    return Coded([], numbers)


@compiled
def _unite(first: Indices, numbers: Codes) -> None:
    """Make one of all records that have the same number: the least place stands for them."""
    firsts = np.full(len(first), -1, dtype=np.int64)
    for row in range(len(numbers)):
        number = numbers[row]
        if number < 0:
            continue
        if firsts[number] < 0:
            firsts[number] = row
            continue
        one, other = row, firsts[number]
        while first[one] != one:
            first[one] = first[first[one]]
            one = first[one]
        while first[other] != other:
            first[other] = first[first[other]]
            other = first[other]
        first[max(one, other)] = min(one, other)


def _settled(first: Indices) -> Indices:
    """For each record the place that stands for it in the end."""
    while True:
        further = first[first]
        if (further == first).all():
            return further
        first = further
