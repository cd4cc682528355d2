"""Scheme `clk` with match keys: what it is worth that two records share one. The key issuer runs this. Pure.

A shared match key is no proof. Two people can have the same value, a person's record can hold another's birthday; and
pairs inside a dataset can't show how often, as a value that two of its records share has no tag. So each department
counts the pairs of its own records that have the same value (`match_key_pairs`). In a dataset of one record a person
these are of different people, and as many of them are to be expected for each pair that could be. Between datasets
fewer share a tag: where one of the two people is in both datasets, the value is there twice in one of them, and has no
tag in it.

    wrong pairs = rate * rows left * rows right * (1 - shared / rows left) * (1 - shared / rows right)

where `shared` counts the pairs that share a key, nearly all of them of people who are in both.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pprl.protocol.pairs import LEVELS_IN_ONE, SHARED_KEY

# Scores of pairs that share a match key start above those of equal filters, and are told apart by their filters.
LEAST_SCORE, SCORE_SPAN = 1.005, 0.0049


@dataclass(frozen=True, slots=True)
class KeyedDataset:
    """What a dataset says of its match keys.

    Attributes:
        encoded: records that could be compared.
        own_pairs: pairs of them that have the same value of a match key.
        may_have_duplicates: whether these may be of one person.
    """

    encoded: int
    own_pairs: int
    may_have_duplicates: bool

    @property
    def rate(self) -> float:
        """Pairs that share a value, of all that there are; one more is taken to have escaped."""
        return (self.own_pairs + 1) / max(self.encoded * (self.encoded - 1) // 2, 1)


def expected_wrong(
    shared: int, left: KeyedDataset, right: KeyedDataset, others: Sequence[KeyedDataset]
) -> float:
    """How many of the pairs of two datasets that share a match key are of two people.

    Args:
        shared: pairs of theirs that share one.
        left: the one dataset.
        right: the other.
        others: all datasets, for two that may both have duplicates.

    Returns:
        The expected number; infinite if no dataset is there that could tell.
    """
    telling = [each for each in (left, right) if not each.may_have_duplicates]
    telling = telling or [each for each in others if not each.may_have_duplicates]
    if not telling:
        return float("inf")
    alone = [max(1 - shared / max(each.encoded, 1), 0.0) for each in (left, right)]
    rate = sum(each.rate for each in telling) / len(telling)
    return rate * left.encoded * right.encoded * alone[0] * alone[1]


def scores(levels: NDArray[np.int64]) -> NDArray[np.float64]:
    """The score of each pair: its Dice coefficient; if it shares a match key, one above 1 that rises with that."""
    dice = without_keys(levels)
    return np.where(levels >= SHARED_KEY, LEAST_SCORE + SCORE_SPAN * dice, dice)


def without_keys(levels: NDArray[np.int64]) -> NDArray[np.float64]:
    """The Dice coefficient of each pair, whether or not it shares a match key."""
    return np.where(levels >= SHARED_KEY, levels - SHARED_KEY, levels) / LEVELS_IN_ONE
