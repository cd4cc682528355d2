"""How alike two records are, field by field, as a pattern of comparison levels. One definition for both sides.

A department counts the levels of random pairs of its own records; the matcher finds those of candidate pairs.
The two are set against each other, so that they must come from this one module.

Each field of a record is a Bloom filter. With x and y the filters of two records, |x| the bits set in x and
`common = |x and y|`:

    Dice    = 2 common / (|x| + |y|)
    overlap = common / min(|x|, |y|)

A pair's level in a field is the first of these that holds:

    MISSING    one of the two has no value
    EXACT      x = y
    SUBSET     overlap >= 0.97: one name is part of the other, as in Anne and Anne Marie
    DICE_90 .. DICE_25   Dice >= 0.9, 0.8, 0.7, 0.6, 0.5, 0.4, 0.25
    NONE       all else

Two levels replace one of 0.6 and below: CANONICAL in the forename, where the canonical forms are equal (Liz and
Elizabeth), and ELSEWHERE in a main name, where it is contained in the other record's middle names (a middle name
in use, a maiden name kept), or where it and another main name have changed places (forename and surname swapped).
One coincidence never counts in two fields: the model takes fields for independent.

A pattern holds a field's level in four bits, field 0 lowest, so that 64 bits hold 16 fields.

Source: 3-linkage-method, 3.3; Fellegi and Sunter (1969) for the comparison vector.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar, cast

import numpy as np
from numba import njit
from numpy.typing import NDArray

MISSING, EXACT, SUBSET = 0, 1, 2
DICE_90, DICE_80, DICE_70, DICE_60, DICE_50, DICE_40, DICE_25, NONE = range(3, 11)
CANONICAL, ELSEWHERE = 11, 12
LEVELS = 13
LEAST_LOG2_ODDS = -6.0
"""A pair is hopeless, and not handed on to the key issuer, if 2 to this power is more than its odds in its pass."""
LEVEL_NAMES = (
    "missing",
    "exact",
    "subset",
    "dice 0.9",
    "dice 0.8",
    "dice 0.7",
    "dice 0.6",
    "dice 0.5",
    "dice 0.4",
    "dice 0.25",
    "none",
    "canonical forename equal",
    "name found elsewhere",
)

BITS_A_LEVEL = 4
MOST_FIELDS = 16

# Least Dice of DICE_90 to DICE_25, and least overlap of a subset, in thousandths: whole numbers compare exactly.
_LEAST_DICE = np.array([900, 800, 700, 600, 500, 400, 250], dtype=np.int64)
_LEAST_OVERLAP = 970

Filters = NDArray[np.uint64]
Present = NDArray[np.uint32]
Patterns = NDArray[np.uint64]
Rows = NDArray[np.integer[Any]]

_Function = TypeVar("_Function", bound=Callable[..., Any])


def compiled(function: _Function) -> _Function:
    """Compile a function to machine code when it is first called, and keep the code beside Python's own bytecode.

    Where neither this folder nor the user's cache can be written, it is compiled anew in each process.
    """
    try:
        return cast("_Function", njit(cache=True, nogil=True)(function))
    except RuntimeError:
        return cast("_Function", njit(nogil=True)(function))


@dataclass(frozen=True, slots=True)
class Fields:
    """What the filters of a record are.

    Attributes:
        count: compared fields, at most 16; they are filters 0 to count - 1.
        names: those of them that are main names, forename and surname, and share one space of tokens.
        middle: the one that holds middle names, in the same space of tokens, or -1.
        forename: the one that has a canonical form, or -1.
        canonical: the filter of the canonical form, `count` or above, or -1.
    """

    count: int
    names: tuple[int, ...] = ()
    middle: int = -1
    forename: int = -1
    canonical: int = -1

    def __post_init__(self) -> None:
        if not 1 <= self.count <= MOST_FIELDS:
            raise ValueError(f"a pattern holds from 1 to {MOST_FIELDS} fields")
        if any(not 0 <= name < self.count for name in self.names) or not all(
            -1 <= name < self.count for name in (self.middle, self.forename)
        ):
            raise ValueError("a name is not among the fields")
        if (self.canonical == -1) != (self.forename == -1) or -1 < self.canonical < self.count:
            raise ValueError("a canonical form needs a forename, and a filter behind the fields")


def compare_levels(
    filters_left: Filters,
    present_left: Present,
    filters_right: Filters,
    present_right: Present,
    left: Rows,
    right: Rows,
    fields: Fields,
) -> Patterns:
    """The patterns of pairs of records. Departments and the matcher run this.

    Args:
        filters_left: filters of records, shape (records, filters, words of 64 bits).
        present_left: for each record, the mask of filters that stand for a value: bit i for filter i.
        filters_right: filters of the records on the right; may be the same.
        present_right: their masks.
        left: left record of each pair, shape (pairs,).
        right: right record of each pair.
        fields: what the filters are.

    Returns:
        The pattern of each pair, shape (pairs,).

    Raises:
        ValueError: shapes don't fit, or a pair names a record that isn't there.
    """
    _require_fitting(filters_left, present_left, left, fields)
    _require_fitting(filters_right, present_right, right, fields)
    if filters_left.shape[1:] != filters_right.shape[1:] or len(left) != len(right):
        raise ValueError("the two sides don't have the same filters, or not the same number of pairs")
    patterns = np.empty(len(left), dtype=np.uint64)
    _fill_patterns(
        np.ascontiguousarray(filters_left),
        present_left,
        np.ascontiguousarray(filters_right),
        present_right,
        left.astype(np.int64),
        right.astype(np.int64),
        fields.count,
        np.array(fields.names, dtype=np.int64),
        fields.middle,
        fields.forename,
        fields.canonical,
        _LEAST_DICE,
        patterns,
    )
    return patterns


def level_of(patterns: Patterns, field: int) -> NDArray[np.uint8]:
    """The level of one field in each pattern, shape (patterns,)."""
    shift = np.uint64(BITS_A_LEVEL * field)
    return ((patterns >> shift) & np.uint64(15)).astype(np.uint8)


def histogram(patterns: Patterns, fields: int) -> NDArray[np.int64]:
    """How many pairs have each level in each field, shape (fields, 13).

    Departments run this on random pairs of their own records.

    Leaks: how often two records of a department agree by chance, field by field.
    """
    return np.stack([np.bincount(level_of(patterns, field), minlength=LEVELS) for field in range(fields)])


def _require_fitting(filters: Filters, present: Present, rows: Rows, fields: Fields) -> None:
    if filters.ndim != 3 or filters.dtype != np.uint64 or len(filters) != len(present):
        raise ValueError("filters must be whole 64-bit words: records by filters by words")
    if filters.shape[1] < max(fields.count, fields.canonical + 1):
        raise ValueError("there are fewer filters than fields")
    if len(rows) and not 0 <= int(rows.min()) <= int(rows.max()) < len(filters):
        raise ValueError("a pair names a record that isn't there")


# SWAR constants for counting bits; LLVM turns the idiom into the processor's own instruction.
_M1, _M2, _M4 = np.uint64(0x5555555555555555), np.uint64(0x3333333333333333), np.uint64(0x0F0F0F0F0F0F0F0F)
_H01 = np.uint64(0x0101010101010101)
_ONE, _TWO, _FOUR, _LAST_BYTE = np.uint64(1), np.uint64(2), np.uint64(4), np.uint64(56)


@compiled
def bits_of(word: np.uint64) -> int:
    """How many bits of a word are set."""
    word -= (word >> _ONE) & _M1
    word = (word & _M2) + ((word >> _TWO) & _M2)
    word = (word + (word >> _FOUR)) & _M4
    return int((word * _H01) >> _LAST_BYTE)


@compiled
def bit_counts(x: Filters, y: Filters) -> tuple[int, int, int]:
    """Bits set in one filter, in the other, and in both.

    Args:
        x: the words of one filter, shape (words,).
        y: as many of another.
    """
    in_x, in_y, common = 0, 0, 0
    for word in range(len(x)):
        in_x += bits_of(x[word])
        in_y += bits_of(y[word])
        common += bits_of(x[word] & y[word])
    return in_x, in_y, common


@compiled
def _alike(in_x: int, in_y: int, common: int, least_dice: NDArray[np.int64]) -> int:
    if in_x == in_y and common == in_x:
        return EXACT
    if common * 1000 >= _LEAST_OVERLAP * min(in_x, in_y):
        return SUBSET
    for step in range(len(least_dice)):
        if 2000 * common >= least_dice[step] * (in_x + in_y):
            return DICE_90 + step
    return NONE


@compiled
def _contained(x: Filters, y: Filters) -> bool:
    in_x, _, common = bit_counts(x, y)
    return in_x > 0 and common * 1000 >= _LEAST_OVERLAP * in_x


@compiled
def _found_elsewhere(x: Filters, y: Filters, field: int, names: NDArray[np.int64], middle: int) -> bool:
    """Whether a main name is among the other's middle names, or has changed places; absent filters are empty."""
    if middle >= 0 and (_contained(x[field], y[middle]) or _contained(y[field], x[middle])):
        return True
    for other in names:  # noqa: SIM110 - compiled code has no any() over a generator
        if other != field and _contained(x[field], y[other]) and _contained(y[field], x[other]):
            return True
    return False


@compiled
def _level(
    x: Filters,
    y: Filters,
    both: int,
    field: int,
    names: NDArray[np.int64],
    middle: int,
    forename: int,
    canonical: int,
    least_dice: NDArray[np.int64],
) -> int:
    if not (both >> field) & 1:
        return MISSING
    in_x, in_y, common = bit_counts(x[field], y[field])
    level = _alike(in_x, in_y, common, least_dice)
    if level < DICE_60:
        return level
    if field == forename and (both >> canonical) & 1 and (x[canonical] == y[canonical]).all():
        return CANONICAL
    if (names == field).any() and _found_elsewhere(x, y, field, names, middle):
        return ELSEWHERE
    return level


@compiled
def _fill_patterns(
    filters_left: Filters,
    present_left: Present,
    filters_right: Filters,
    present_right: Present,
    left: NDArray[np.int64],
    right: NDArray[np.int64],
    count: int,
    names: NDArray[np.int64],
    middle: int,
    forename: int,
    canonical: int,
    least_dice: NDArray[np.int64],
    patterns: Patterns,
) -> None:
    for pair in range(len(left)):
        x, y = filters_left[left[pair]], filters_right[right[pair]]
        both = int(present_left[left[pair]] & present_right[right[pair]])
        pattern = np.uint64(0)
        for field in range(count):
            level = _level(x, y, both, field, names, middle, forename, canonical, least_dice)
            pattern |= np.uint64(level) << np.uint64(BITS_A_LEVEL * field)
        patterns[pair] = pattern
