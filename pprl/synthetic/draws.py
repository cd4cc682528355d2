"""Random draws that give the same result on every machine and Python.

Only `Generator.random` and `Generator.permutation` are used, and weights are whole numbers, so that nothing
hangs on rounding in a particular build of numpy's distributions.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Texts = NDArray[np.object_]
Whole = NDArray[np.int64]
Flags = NDArray[np.bool_]

_SCALE = 1_000_000


def texts(values: Sequence[str]) -> Texts:
    """Python strings as a numpy array of objects, shape (len(values),)."""
    array = np.empty(len(values), dtype=np.object_)
    array[:] = values
    return array


def below(rng: np.random.Generator, limit: int | Whole, size: int) -> Whole:
    """Whole numbers, each from 0 to its limit minus one, shape (size,)."""
    return (rng.random(size) * limit).astype(np.int64)


def chance(rng: np.random.Generator, probability: float | NDArray[np.float64], size: int) -> Flags:
    """True with the given probability, shape (size,)."""
    return rng.random(size) < probability


def choose(rng: np.random.Generator, weights: Sequence[int], size: int) -> Whole:
    """Positions in `weights`, each as often as its weight says, shape (size,)."""
    ends = np.cumsum(np.asarray(weights, dtype=np.int64))
    return np.searchsorted(ends, below(rng, int(ends[-1]), size), side="right").astype(np.int64)


def distinct(rng: np.random.Generator, limit: int, size: int) -> Whole:
    """Different whole numbers below `limit` in random order, shape (size,).

    Raises:
        ValueError: if `limit` is not at least twice `size`, so that drawing would be slow.
    """
    if limit < 2 * size:
        raise ValueError("too few different numbers to draw from")
    found = np.empty(0, dtype=np.int64)
    while len(found) < size:
        drawn = np.sort(np.concatenate([found, below(rng, limit, size + size // 8 + 16)]))
        found = drawn[np.append(True, drawn[1:] != drawn[:-1])]
    return rng.permutation(found)[:size]


@dataclass(frozen=True, slots=True)
class Rankings:
    """Several lists of values, each from the commonest to the rarest, to draw from all at once.

    Attributes:
        values: the values of all lists, one list after the other.
        ends: cumulative whole weights over all lists.
        starts: for each list, the cumulative weight before it.
        totals: for each list, the weight of its values.
    """

    values: Texts
    ends: Whole
    starts: Whole
    totals: Whole

    def draw(self, rng: np.random.Generator, lists: Whole) -> Texts:
        """One value from each list asked for, same shape as `lists`."""
        tickets = self.starts[lists] + below(rng, self.totals[lists], len(lists))
        drawn: Texts = self.values[np.searchsorted(self.ends, tickets, side="right")]
        return drawn

    def members(self, ranking: int) -> Texts:
        """The values of one list, the commonest first."""
        edges = np.searchsorted(
            self.ends, [self.starts[ranking], self.starts[ranking] + self.totals[ranking]], "right"
        )
        chosen: Texts = self.values[edges[0] : edges[1]]
        return chosen


def rankings(lists: Sequence[tuple[Sequence[str], float]]) -> Rankings:
    """Build rankings from lists of values with their spread.

    The value at place r of its list (from 1) has the weight 1 / (r + spread), rounded to millionths.

    Args:
        lists: values, the commonest first, and their spread: the larger, the more alike their weights.
    """
    weights = [
        [int(_SCALE / (place + spread)) for place in range(1, len(values) + 1)] for values, spread in lists
    ]
    totals = np.array([sum(one) for one in weights], dtype=np.int64)
    return Rankings(
        values=texts([value for values, _ in lists for value in values]),
        ends=np.cumsum(np.array([weight for one in weights for weight in one], dtype=np.int64)),
        starts=np.cumsum(totals) - totals,
        totals=totals,
    )
