"""Posteriors of pairs that compete, because a record has at most one partner in a dataset without duplicates.

With `odds` of a pair the expected matches over the expected non-matches among pairs like it, and `free` the share
of a dataset without a partner, the probability of a pair given all others is a marginal over matchings, by
belief propagation:

    p = odds / (odds + rivals_left * rivals_right)
    rivals = free + the sum of messages of the record's other pairs

Where a record may have many partners, its rivals are 1.

Source: Huang and Jebara (2009), Approximating the permanent with belief propagation, for the messages; Sadinle
(2017) for matchings as the space of what may be true.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

MESSAGE_ROUNDS = 4
# Share of a dataset that is always left free to have no partner.
LEAST_FREE = 0.002

Numbers = NDArray[np.float64]
Indices = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Competing:
    """Pairs of records of two datasets, or of one dataset with itself.

    Attributes:
        left: left record of each pair, shape (pairs,).
        right: right record of each pair.
        rows: records that could be compared, left and right.
        one_left: whether a left record has at most one partner, as the right dataset has no duplicates.
        one_right: whether a right record has at most one partner.
    """

    left: Indices
    right: Indices
    rows: tuple[int, int]
    one_left: bool
    one_right: bool


def posteriors(pairs: Competing, odds: Numbers, matches: float) -> Numbers:
    """Probability of each pair.

    Args:
        pairs: the pairs that compete.
        odds: of each pair on its own, from 0; finite.
        matches: expected number of matches among the pairs.

    Returns:
        Probabilities, shape (pairs,).
    """
    free_left = max(1 - matches / max(pairs.rows[0], 1), LEAST_FREE)
    free_right = max(1 - matches / max(pairs.rows[1], 1), LEAST_FREE)
    rivals_left = rivals_right = np.ones(len(odds))
    to_left = odds
    for _ in range(MESSAGE_ROUNDS if pairs.one_left and pairs.one_right else 1):
        if pairs.one_left:
            rivals_left = _rivals(pairs.left, to_left, free_left)
        to_right = odds / rivals_left
        if pairs.one_right:
            rivals_right = _rivals(pairs.right, to_right, free_right)
        to_left = odds / rivals_right
    if pairs.one_left:
        rivals_left = _rivals(pairs.left, to_left, free_left)
    return np.asarray(odds / np.maximum(odds + rivals_left * rivals_right, 1e-300), dtype=np.float64)


def taken(pairs: Competing, scores: Numbers) -> Indices:
    """The pairs that are linked when the best come first, in falling order of score.

    In each round the pairs that both their records like best are taken, and those that they rule out are dropped.
    Equal scores go in order of left, then right record.
    """
    remaining = np.lexsort((pairs.right, pairs.left, -scores))
    found = [np.empty(0, np.int64)]
    while len(remaining):
        left, right = pairs.left[remaining], pairs.right[remaining]
        best = np.ones(len(remaining), dtype=bool)
        if pairs.one_left:
            best &= _first_of(left)
        if pairs.one_right:
            best &= _first_of(right)
        found.append(remaining[best])
        gone = best.copy()
        if pairs.one_left:
            gone |= np.isin(left, left[best])
        if pairs.one_right:
            gone |= np.isin(right, right[best])
        remaining = remaining[~gone]
    together = np.concatenate(found)
    return together[np.lexsort((pairs.right[together], pairs.left[together], -scores[together]))]


def _rivals(records: Indices, messages: Numbers, free: float) -> Numbers:
    """For each pair, how much speaks for another partner of its record, or for none."""
    if not len(records):
        return np.ones(0)
    others = np.bincount(records, messages)[records] - messages
    return np.asarray(free + np.maximum(others, 0.0), dtype=np.float64)


def _first_of(records: Indices) -> NDArray[np.bool_]:
    first = np.zeros(len(records), dtype=bool)
    first[np.unique(records, return_index=True)[1]] = True
    return first
