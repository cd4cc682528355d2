"""Frequency alignment: the filter that stands most often is the value that stands most often.

What is seen: a column of values that nobody can read, but can tell apart: attribute-level filters, one an identifier.
What is known: a list of people, of these or of others, so that the attacker knows about how often each value is there.

The tour. The values of each column are put in the order of their frequencies, on both sides. At the same place of the
two orders stand the same values, as far as the places are sure: a value's frequency must be as far from those of the
values before and behind it as the two files differ by chance. How far that is shows in the two orders themselves. With
the very file in hand they are equal, and every value whose frequency no other has is read.

Then a record is somebody of whom the list has just one with all its read values; where the orders are equal, a value
that isn't read still tells how often it is there. People so named show what their other values are, which names more
people, until nothing new is read.

Source: Christen, Schnell, Vatsalan and Ranbaduge, "Efficient cryptanalysis of Bloom filters for privacy-preserving
record linkage" (2017), the frequency alignment; `patterns` has what bits say about tokens. Naming people by
several columns, and reading on from those named, is our own addition.

It fails where filters don't repeat: whole filters, one a record, are all different, and so are the filters of one
name in different blocks. Against a list of other people it reads little more than sex and the very first names.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pprl.privacy.views import NOBODY, Bytes, Indices, Names, Tick

Codes = NDArray[np.int64]
"""Numbers in place of values, shape (records, columns): equal in a column where its values are; -1 where missing."""

MISSING = -1
UNREAD = -1
_MOST_ROUNDS = 20
_LEAST_RECORDS = 3
_TIMES_THE_NOISE = 3.0
# Of the people named who have a value, so many must agree on what it is.
_LEAST_AGREEMENT = 0.8


@dataclass(frozen=True, slots=True)
class _Column:
    """A column as far as it is read.

    Attributes:
        seen: number of each record's value.
        listed: of each listed person's value.
        reading: for each number of `seen`, one of `listed` or UNREAD.
        alike: whether the two sides have the same frequencies, so that these tell something themselves.
    """

    seen: Indices
    listed: Indices
    reading: Indices
    alike: bool


def codes_of(filters: Bytes) -> Codes:
    """A number for each filter, equal where filters are; -1 for empty ones.

    Args:
        filters: shape (records, columns, bytes).
    """
    columns = []
    for place in range(filters.shape[1]):
        column = np.ascontiguousarray(filters[:, place])
        numbers = np.unique(column, axis=0, return_inverse=True)[1].reshape(-1)
        columns.append(np.where(column.any(axis=1), numbers, MISSING))
    return np.stack(columns, axis=1).astype(np.int64)


def attack(seen: Codes, listed: Codes, *, tick: Tick) -> Names:
    """Name records by the frequencies of their values. Departments run it.

    Args:
        seen: shape (records, columns); one column where a record has one filter.
        listed: the list, shape (people, columns); its numbers have nothing to do with those of `seen`.
        tick: called in each round.

    Returns:
        The place on the list of each record, or NOBODY.
    """
    columns = [_column(seen[:, place], listed[:, place]) for place in range(seen.shape[1])]
    names = np.full(len(seen), NOBODY, dtype=np.int64)
    for _ in range(_MOST_ROUNDS):
        tick()
        names = _only_ones(columns)
        before = _values_read(columns)
        columns = [_read_on(each, names) for each in columns]
        if _values_read(columns) == before:
            break
    return names


def read(seen: Indices, listed: Indices) -> Indices:
    """What each seen value is, by frequency alone.

    Args:
        seen: number of each record's value, from 0, or -1; shape (records,).
        listed: the same of the list.

    Returns:
        For each number of `seen`, a number of `listed` or -1; shape (largest number + 1,).
    """
    return _column(seen, listed).reading


def _column(seen: Indices, listed: Indices) -> _Column:
    reading = np.full(int(seen.max(initial=-1)) + 1, UNREAD, dtype=np.int64)
    (numbers, often), (others, often_there) = _by_frequency(seen), _by_frequency(listed)
    ranks = min(len(numbers), len(others))
    if not ranks:
        return _Column(seen, listed, reading, alike=False)
    noise = float(np.sqrt(np.mean((often[:ranks] - often_there[:ranks]) ** 2)))
    sure = _apart(often, noise)[:ranks] & _apart(often_there, noise)[:ranks]
    sure &= _counts(seen)[numbers[:ranks]] >= _LEAST_RECORDS
    reading[numbers[:ranks][sure]] = others[:ranks][sure]
    return _Column(seen, listed, reading, alike=noise == 0 and len(numbers) == len(others))


def _counts(codes: Indices) -> Indices:
    return np.bincount(codes[codes != MISSING])


def _by_frequency(codes: Indices) -> tuple[Indices, NDArray[np.float64]]:
    """The numbers in the order of their frequency, and its square root, whose noise is the same for all."""
    counts = _counts(codes)
    numbers = np.argsort(-counts, kind="stable")[: int((counts > 0).sum())]
    return numbers, np.sqrt(counts[numbers] / max(1, int(counts.sum())))


def _apart(often: NDArray[np.float64], noise: float) -> NDArray[np.bool_]:
    """Whether each value's frequency is further from its neighbours' than noise explains."""
    gaps = np.concatenate([[np.inf], often[:-1] - often[1:], [np.inf]])
    enough: NDArray[np.bool_] = np.minimum(gaps[:-1], gaps[1:]) > _TIMES_THE_NOISE * noise
    return enough


def _values_read(columns: list[_Column]) -> int:
    return sum(int((each.reading != UNREAD).sum()) for each in columns)


def _told(column: _Column) -> tuple[Indices, Indices]:
    """What a column tells of each record and of each listed person: a value that is read, or how often it is there.

    Frequencies are numbers below -1; -1 tells nothing.
    """
    seen = np.append(column.reading, UNREAD)[column.seen]
    if not column.alike:
        return seen, column.listed
    unread = (seen == UNREAD) & (column.seen != MISSING)
    often = -1 - np.append(_counts(column.seen), 0)[column.seen]
    unread_there = ~np.isin(column.listed, column.reading) & (column.listed != MISSING)
    often_there = -1 - np.append(_counts(column.listed), 0)[column.listed]
    return np.where(unread, often, seen), np.where(unread_there, often_there, column.listed)


def _only_ones(columns: list[_Column]) -> Names:
    """For each record, the person on the list of whom alone all is true that it tells; nobody if it tells nothing."""
    both = [_told(each) for each in columns]
    values, listed = (np.stack(side, axis=1) for side in zip(*both, strict=True))
    names = np.full(len(values), NOBODY, dtype=np.int64)
    kinds, kind_of_each = np.unique(values != UNREAD, axis=0, return_inverse=True)
    for number, known in enumerate(kinds):
        if not known.any():
            continue
        rows = np.flatnonzero(kind_of_each.reshape(-1) == number)
        people = [tuple(row) for row in listed[:, known].tolist()]
        often, place = Counter(people), {told: place for place, told in enumerate(people)}
        told = [tuple(row) for row in values[rows][:, known].tolist()]
        names[rows] = [place[each] if often[each] == 1 else NOBODY for each in told]
    return names


def _read_on(column: _Column, names: Names) -> _Column:
    """What the people named so far show: of those with a value, nearly all must have the same one."""
    named = np.flatnonzero((names != NOBODY) & (column.seen != MISSING))
    values, theirs = column.seen[named], column.listed[names[named]]
    pairs, counts = np.unique(np.stack([values, theirs], axis=1), axis=0, return_counts=True)
    of_value = np.bincount(values, minlength=len(column.reading))
    agreed = (counts >= _LEAST_AGREEMENT * of_value[pairs[:, 0]]) & (pairs[:, 1] != MISSING)
    agreed &= column.reading[pairs[:, 0]] == UNREAD
    further = column.reading.copy()
    further[pairs[agreed, 0]] = pairs[agreed, 1]
    return _Column(column.seen, column.listed, further, column.alike)
