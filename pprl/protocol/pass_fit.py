"""What one pass teaches of its pairs where each is by itself: which are hopeless, told from their patterns alone.

Where one person stands for a block, no pair has a rival, and no pair inside a dataset shows what different people look
like. All that matters of the pairs is how many have each pattern (`Tally`): a pass of any size takes a few thousand
numbers. Odds are expected matches times m(l), over expected others times u(l). m is learnt (`match_model`); u is how
often random pairs have a level, and in fields that the pass blocks by, how often its own pairs do. Half of the pairs
are taken to be of different people.

The matcher drops what is hopeless, and a department works out what is left for the key issuer to see: both run this.

Source: Fellegi and Sunter (1969); docs/decisions/0007 for why there is no more to learn from.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pprl.protocol.levels import LEAST_LOG2_ODDS, LEVELS, MISSING, Patterns, level_of
from pprl.protocol.match_model import (
    LEAST,
    MATCH_ROUNDS,
    MOST_LOG_ODDS,
    Levels,
    Mixture,
    Numbers,
    PatternTable,
    everyday_matches,
    levels_of,
    refit_matches,
)

# Share of the pairs of a pass that are taken to be of different people where nothing tells how many are.
_UNKNOWN_SHARE = 0.5

Flags = NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class TwoDatasets:
    """Two datasets that are compared, or one with itself.

    Attributes:
        left_dataset: index of the left dataset.
        right_dataset: index of the right one; the same for pairs within.
    """

    left_dataset: int
    right_dataset: int

    @property
    def within(self) -> bool:
        """Whether the pairs are of one dataset."""
        return self.left_dataset == self.right_dataset


def possible_pairs(rows: tuple[int, int], *, within: bool) -> float:
    """How many pairs of records there are.

    Args:
        rows: records on the left and on the right.
        within: whether both sides are one dataset, of which each pair counts once.
    """
    left, right = rows
    return left * (left - 1) / 2 if within else float(left) * right


@dataclass(frozen=True, slots=True)
class Tally(TwoDatasets):
    """How many pairs of two datasets, or of one with itself, have each pattern.

    Attributes:
        rows: records that could be compared, left and right.
        patterns: the distinct ones, ascending.
        counts: pairs with each, 1 or more.
    """

    rows: tuple[int, int]
    patterns: Patterns
    counts: NDArray[np.int64]

    @staticmethod
    def of(patterns: Patterns, datasets: tuple[int, int], rows: tuple[int, int]) -> Tally:
        """Count the patterns of pairs.

        Args:
            patterns: of each pair.
            datasets: indices of the two datasets.
            rows: records of each that could be compared.
        """
        distinct, counts = np.unique(patterns, return_counts=True)
        return Tally(*datasets, rows, distinct, counts)

    @property
    def possible(self) -> float:
        """How many pairs of records there are, candidates or not."""
        return possible_pairs(self.rows, within=self.within)

    @property
    def pairs(self) -> int:
        """How many pairs were counted."""
        return int(self.counts.sum())


@dataclass(frozen=True, slots=True)
class PassFit:
    """What has been learnt from one pass.

    Attributes:
        non_matches: distribution of patterns among different people.
        matches: distribution of patterns among matches.
        log_odds: for each comparison, of each pair; for each tally, of each of its patterns.
    """

    non_matches: Mixture
    matches: Mixture
    log_odds: tuple[Numbers, ...]

    def plausible(self) -> list[Flags]:
        """What is not hopeless: odds of at least 2 to the power of -6."""
        return [odds >= LEAST_LOG2_ODDS * np.log(2) for odds in self.log_odds]


def fit_tallies(
    tallies: Sequence[Tally], random: Numbers, clean: Sequence[bool], blocked_by: Sequence[int]
) -> PassFit:
    """Learn the odds of patterns where no pair has a rival, and none is known to be of different people.

    The matcher runs this, and a department that works out what the key issuer will see.

    Args:
        tallies: every two datasets, and every dataset with itself.
        random: probability of each level for random pairs, shape (fields, 13).
        clean: for each dataset, whether it has one record a person.
        blocked_by: the fields that the pass blocks by.
    """
    linking = [each for each in tallies if may_link(each, clean)]
    random = in_a_block(random, linking, blocked_by)
    rate = _UNKNOWN_SHARE * sum(each.pairs for each in linking)
    rate /= max(sum(each.possible for each in linking), 1.0)
    non_matches = Mixture(("random",), np.ones(1), random[None])
    sides = {id(each): _Weighed.of(each, len(random), non_matches, rate) for each in tallies}
    matches, expected = told_apart([sides[id(each)] for each in linking], random)
    found = dict(zip(map(id, linking), expected, strict=True))
    share = sum(expected) / max(sum(each.possible for each in linking), 1.0)
    odds = [sides[id(each)].log_odds(matches, found.get(id(each), share * each.possible)) for each in tallies]
    return PassFit(non_matches, matches, tuple(odds))


@dataclass(frozen=True, slots=True)
class _Weighed:
    """A tally as the fit needs it.

    Attributes:
        counts: pairs with each pattern.
        levels: levels of each pattern.
        used: for each field, whether any pair has it.
        log_non_matches: log of the expected number of non-matching pairs with each pattern.
    """

    counts: NDArray[np.int64]
    levels: Levels
    used: Flags
    log_non_matches: Numbers

    @staticmethod
    def of(tally: Tally, fields: int, non_matches: Mixture, rate: float) -> _Weighed:
        levels = levels_of(tally.patterns, fields)
        used = (levels != MISSING).any(axis=0)
        expected = np.log(max(rate * tally.possible, LEAST))
        return _Weighed(tally.counts, levels, used, expected + non_matches.log_density(levels, used))

    def log_odds(self, matches: Mixture, expected_matches: float) -> Numbers:
        expected = np.log(max(expected_matches, 1e-6))
        odds = expected + matches.log_density(self.levels, self.used) - self.log_non_matches
        return np.asarray(np.minimum(odds, MOST_LOG_ODDS), dtype=np.float64)


def told_apart(sides: Sequence[_Weighed], random: Numbers) -> tuple[Mixture, list[float]]:
    """Learn the matches where no pair has a rival: each pair by itself, as one of two sorts.

    Returns:
        The matches' distribution, and the expected matches of each tally.
    """
    everyday = matches = everyday_matches(random)
    expected = [(1 - _UNKNOWN_SHARE) * float(side.counts.sum()) for side in sides]
    for _ in range(MATCH_ROUNDS):
        teaching = []
        for place, side in enumerate(sides):
            found = side.counts / (1 + np.exp(-side.log_odds(matches, expected[place])))
            expected[place] = float(found.sum())
            teaching.append(PatternTable(side.levels, found, side.used))
        matches = refit_matches(matches, teaching, everyday)
    return matches, expected


def in_a_block(random: Numbers, tallies: Sequence[Tally], blocked_by: Sequence[int]) -> Numbers:
    """What different people of one block are like, where no two records of a dataset share one to learn it from.

    In a field that the pass blocks by, everybody in a block is alike: all pairs tell how. The others are by chance.

    Args:
        random: probability of each level for random pairs, shape (fields, 13).
        tallies: patterns of all pairs of the pass, with counts.
        blocked_by: the fields that the pass blocks by.

    Returns:
        Shape (fields, 13); `random` where there are no pairs at all.
    """
    given = random.copy()
    if not any(len(each.patterns) for each in tallies):
        return given
    for field in blocked_by:
        counted = np.full(LEVELS, 0.5)
        for each in tallies:
            counted += np.bincount(level_of(each.patterns, field), each.counts, LEVELS)
        given[field] = counted / counted.sum()
    return given


def may_link(compared: TwoDatasets, clean: Sequence[bool]) -> bool:
    """Whether its pairs may be of one person: not those inside a dataset with one record a person."""
    return not (compared.within and clean[compared.left_dataset])
