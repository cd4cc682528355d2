"""Which records of a dataset a department joins itself: they are of one person, and stand for that person in turn.

Runs at departments only, on standardised records, for datasets that may hold a person more than once, where the
agreement has `join_at_home`. What names people in such a file is that a person's own records differ from each other
in a way that nobody else's do. The department has the plain text and needs nobody's help to see which of its records
are of one person, in most cases beyond doubt. So it sends one of them in each pass, and the matcher never has two to
compare. Which one may be another in each pass: in each, the person stands in the block that most of the person's
records have. All of them share what is linked.

The rules ask for three things that agree: in 41,000 generated offences, one in 2,000 pairs that they join was of two
people. Such pairs, namesakes with one birthday above all, grow with the square of the people in a file. What the rules
miss, the key issuer still finds where both records meet one of another dataset.

docs/formats/field-filters.md is the specification; docs/decisions/0007 says what it is worth and what it costs.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from pprl.encode.copies import originals
from pprl.encode.passes import NO_BLOCK, BlockNumbers, Coded, Codes, Known, coded, numbered_rows, transformed
from pprl.protocol.kinds import Kind
from pprl.protocol.levels import compiled

FIRST_LETTERS = 3

Indices = NDArray[np.int64]


def joined(columns: Mapping[str, Coded], kinds: Mapping[str, Kind]) -> Indices:
    """The first record of the person of each record; departments run it.

    Args:
        columns: numbered standardised columns by identifier.
        kinds: the kind of each identifier.

    Returns:
        Places of records, each its own where nothing shows another of the same person; shape (records,).
    """
    first = originals(columns, kinds)
    who = _Who.of(columns, kinds)
    if who is None:
        return first
    for together in who.rules():
        numbers, firsts = numbered_rows(together)
        _unite(first, numbers, firsts.astype(np.int64))
    if who.home is not None:
        numbers, firsts = numbered_rows([who.forename, who.surname, who.home])
        alone = _of_one(first, numbers, who.birth.codes != who.birth.missing())
        _unite(first, np.where(alone[numbers], numbers, np.int32(NO_BLOCK)), firsts.astype(np.int64))
    return _settled(first)


class _Who:
    """The columns that say who somebody is.

    Attributes:
        forename: how it sounds, in its usual form.
        letters: its first letters.
        surname: how it sounds.
        words: of both names, in ascending order.
        birth: its date.
        home: the postcode; None if there is none.
    """

    __slots__ = ("birth", "birth_day", "birth_year", "forename", "home", "letters", "surname", "words")

    def __init__(self, columns: Mapping[str, Coded], given: str, family: str, born: str, home: str) -> None:
        known: Known = {}
        whole = given == family
        self.forename = transformed(columns, given, "canonical-phonetic", known)
        self.surname = transformed(columns, family, "phonetic-last" if whole else "phonetic", known)
        self.letters = _rewritten(columns[given], lambda value: value[:FIRST_LETTERS])
        self.words = _words(columns[given], None if whole else columns[family])
        self.birth = columns[born]
        self.birth_year = transformed(columns, born, "year", known)
        self.birth_day = transformed(columns, born, "month-day", known)
        self.home = columns[home] if home else None

    @classmethod
    def of(cls, columns: Mapping[str, Coded], kinds: Mapping[str, Kind]) -> _Who | None:
        """The same, from the first identifier of each kind; None where names or dates of birth are not agreed."""
        of_kind: dict[Kind, str] = {}
        for name, kind in kinds.items():
            of_kind.setdefault(kind, name)
        full = of_kind.get("full-name", "")
        given, family = (
            (of_kind["given-name"], of_kind["surname"])
            if {"given-name", "surname"} <= set(of_kind)
            else (full, full)
        )
        born = of_kind.get("date-of-birth", "")
        return cls(columns, given, family, born, of_kind.get("postcode", "")) if given and born else None

    def rules(self) -> Iterator[tuple[Coded, ...]]:
        """Columns in all of which two records agree if they are of one person."""
        yield self.forename, self.surname, self.birth
        yield self.words, self.birth
        yield self.letters, self.surname, self.birth
        if self.home is not None:
            yield self.forename, self.birth, self.home
            yield self.forename, self.surname, self.home, self.birth_day
            yield self.forename, self.surname, self.home, self.birth_year


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
    results = coded(list(map(rule, column.distinct)))
    return Coded(results.distinct, results.codes[column.codes])


def _words(given: Coded, family: Coded | None) -> Coded:
    """The words of names in ascending order, so that it shows no difference which is whose; "" where one lacks."""
    if family is None:
        return _rewritten(given, _ascending)
    numbers, firsts = numbered_rows((given, family))
    names = zip(given.of(firsts).values(), family.of(firsts).values(), strict=True)
    texts = coded([_ascending(" ".join(both)) for both in names] + [""])
    return Coded(texts.distinct, texts.codes[numbers])


def _ascending(name: str) -> str:
    return " ".join(sorted(name.split()))


def _of_one(first: Indices, numbers: Codes, born: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Of each number, whether its records with a date of birth are all of one person; with one more entry for none."""
    first = _settled(first)
    lowest = np.full(int(numbers.max(initial=NO_BLOCK)) + 2, len(first), dtype=np.int64)
    highest = np.full(len(lowest), -1, dtype=np.int64)
    mine = np.flatnonzero(born & (numbers != NO_BLOCK))
    np.minimum.at(lowest, numbers[mine], first[mine])
    np.maximum.at(highest, numbers[mine], first[mine])
    return np.asarray(lowest >= highest)


@compiled
def _unite(first: Indices, numbers: Codes, firsts: Indices) -> None:
    """Make one of each record and the first that has the same number: the least place stands for them."""
    for row in range(len(numbers)):
        if numbers[row] >= 0:
            one, other = row, firsts[numbers[row]]
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
