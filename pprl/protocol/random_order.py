"""Putting random numbers in order: references, block tags and digests, of which there are many millions.

As they are random, their first bits spread them evenly over small groups, and each group is sorted by itself. Where
they are not, because somebody chose them, they are sorted as any numbers are.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from pprl.protocol.levels import compiled

# About so many numbers in a group, and so many at most: beyond, they are not random.
_A_GROUP, _MOST_IN_A_GROUP = 8, 256
_COARSE_BITS = 11

Words = NDArray[np.uint64]
Places = NDArray[np.int64]


def in_order(numbers: Words) -> Words:
    """The numbers in ascending order; departments and the matcher run this.

    Args:
        numbers: shape (n,).
    """
    return _sorted(numbers, with_places=False)[0]


def order_of(numbers: Words) -> Places:
    """The places of the numbers in ascending order; equal ones keep theirs.

    Args:
        numbers: shape (n,).
    """
    return _sorted(numbers, with_places=True)[1]


def different(numbers: Words) -> int:
    """How many different numbers there are."""
    ordered = in_order(numbers)
    return int((ordered[1:] != ordered[:-1]).sum()) + min(len(ordered), 1)


def _sorted(numbers: Words, *, with_places: bool) -> tuple[Words, Places]:
    # One type for the compiled code, whatever is given.
    numbers = np.require(numbers, np.uint64, ["C", "W"])
    bits = max((len(numbers) // _A_GROUP).bit_length(), 1)
    # Spread in two steps, so that what is written lies together: memory is slow where it doesn't.
    coarse = np.zeros((1 << min(bits, _COARSE_BITS)) + 1, dtype=np.int64)
    fine = np.zeros((1 << bits) + 1, dtype=np.int64)
    spread = np.empty(len(numbers), dtype=np.uint64)
    spread_places = np.empty(len(numbers) if with_places else 0, dtype=np.int64)
    _spread(numbers, coarse, spread, spread_places)
    if _count(spread, fine) > _MOST_IN_A_GROUP:
        places = np.argsort(numbers, kind="stable")
        return numbers[places], places
    ordered, places = np.empty_like(spread), np.empty_like(spread_places)
    _sort(spread, spread_places, fine, ordered, places)
    return ordered, places


@compiled
def _shift(starts: Places) -> np.uint64:
    """By how much a number is shifted to give its group, of as many as there are starts."""
    bits, groups = 64, len(starts) - 1
    while groups > 1:
        groups >>= 1
        bits -= 1
    return np.uint64(bits)


@compiled
def _count(numbers: Words, starts: Places) -> int:
    """Count each group, and make of the counts where it starts; gives the largest."""
    shift = _shift(starts)
    for number in numbers:
        starts[np.int64(number >> shift) + 1] += 1
    most = 0
    for group in range(1, len(starts)):
        most = max(most, starts[group])
        starts[group] += starts[group - 1]
    return most


@compiled
def _spread(numbers: Words, starts: Places, spread: Words, places: Places) -> None:
    """Put the numbers together by group, and their places, if there is room for them."""
    _count(numbers, starts)
    shift = _shift(starts)
    for place in range(len(numbers)):
        group = np.int64(numbers[place] >> shift)
        at = starts[group]
        starts[group] = at + 1
        spread[at] = numbers[place]
        if len(places):
            places[at] = place


@compiled
def _sort(numbers: Words, of: Places, starts: Places, ordered: Words, places: Places) -> None:
    """Sort the numbers by insertion, each group by itself, and with them their places, if any are given."""
    shift = _shift(starts)
    filled = starts[:-1].copy()
    for place in range(len(numbers)):
        number = numbers[place]
        group = np.int64(number >> shift)
        at = filled[group]
        filled[group] = at + 1
        while at > starts[group] and ordered[at - 1] > number:
            ordered[at] = ordered[at - 1]
            if len(places):
                places[at] = places[at - 1]
            at -= 1
        ordered[at] = number
        if len(places):
            places[at] = of[place]
