"""Which pairs the matcher of scheme `field-filters` hands on to the key issuer, worked out at home.

The key issuer's view is what is left when the matcher has dropped the hopeless pairs of each pass. Where one person
stands for a block, the matcher learns from the pairs of a pass alone which these are, and `as_it_is_learnt` does the
same: departments' code never imports the coordinator's, so the rule stands here a second time, and a test holds the
two to the same pairs (`coordinator.linkage.pass_fit`). Where all records of a block are sent, the matcher has more to
learn from, and `as_it_would_be_known` comes near to what it keeps.

The rule, of a pair with levels l_1, l_2, ... : odds are expected matches times m(l), over expected others times u(l).
u is a product over fields of how often random pairs have a level; in fields that the pass blocks by, how often its
pairs do. m is a mixture of two such products, the careful and the careless record, learnt by expectation maximisation
from everyday levels. Half of the pairs are taken to be of different people.

Source: Fellegi and Sunter (1969); docs/decisions/0007 for why there is no more to learn from.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pprl.privacy.views import Indices, SeenPairs
from pprl.protocol.levels import (
    CANONICAL,
    DICE_25,
    DICE_40,
    DICE_50,
    DICE_60,
    DICE_70,
    DICE_80,
    DICE_90,
    ELSEWHERE,
    EXACT,
    LEAST_LOG2_ODDS,
    LEVELS,
    MISSING,
    NONE,
    SUBSET,
    Patterns,
    level_of,
)

Floats = NDArray[np.float64]

_ROUNDS = 30
_DIFFERENT = 0.5
_CARELESSNESS = (0.15, 0.5)
_EVERYDAY = {
    EXACT: 0.8, SUBSET: 0.04, DICE_90: 0.01, DICE_80: 0.03, DICE_70: 0.02, DICE_60: 0.015, DICE_50: 0.01,
    DICE_40: 0.005, DICE_25: 0.01, NONE: 0.04, CANONICAL: 0.01, ELSEWHERE: 0.01,
}  # fmt: skip
_EVERYDAY_PAIRS = 30.0
_LEAST_RANDOM, _LEAST, _MOST_LOG_ODDS = 2e-5, 1e-12, 60.0
# Where the truth is known: share of one person's pairs whose levels are those of others, in each field.
_CARELESS = 0.1


def as_it_is_learnt(
    seen: SeenPairs,
    random: NDArray[np.int64],
    blocked_by: Sequence[Sequence[int]],
    *,
    duplicates: tuple[bool, bool] = (False, False),
) -> SeenPairs:
    """The pairs that are handed on where one person stands for a block.

    Args:
        seen: all pairs of common blocks.
        random: how many random pairs have each level, as departments count them, shape (fields, levels).
        blocked_by: for each pass, the fields whose identifiers are parts of it.
        duplicates: whether each of the two datasets may hold a person more than once.
    """
    compared = [(0, 1), *((each, each) for each in (0, 1) if duplicates[each])]
    smoothed = random + 0.5
    shares = smoothed / smoothed.sum(axis=1, keepdims=True)
    keep = np.zeros(len(seen.left), dtype=bool)
    for number, fields in enumerate(blocked_by):
        found = np.flatnonzero(seen.found_by == number)
        if len(found):
            keep[found] = _odds_of_pass(seen, found, shares, fields, compared) >= LEAST_LOG2_ODDS * np.log(2)
    return _some(seen, keep)


@dataclass(frozen=True, slots=True)
class _Side:
    """Pairs of two datasets, or of one with itself, in one pass, by distinct pattern.

    Attributes:
        places: of its pairs among those of the pass.
        place: pattern of each pair.
        levels: of each distinct pattern, shape (patterns, fields).
        used: fields that any of the pairs has.
        others: log of the expected number of pairs of different people with each pattern.
    """

    places: Indices
    place: Indices
    levels: NDArray[np.uint8]
    used: NDArray[np.bool_]
    others: Floats

    def log_odds(self, matches: _Matches, expected: float) -> Floats:
        """Log odds of each distinct pattern."""
        careful, careless = matches.of_components(self)
        odds: Floats = np.log(max(expected, 1e-6)) + np.logaddexp(careful, careless) - self.others
        return np.minimum(odds, _MOST_LOG_ODDS)


@dataclass(frozen=True, slots=True)
class _Matches:
    """One person's pairs: shares of the careful and the careless, and levels of each, shape (2, fields, levels)."""

    shares: Floats
    levels: Floats

    def of_components(self, side: _Side) -> Floats:
        """Log of share times chance of each pattern, shape (2, patterns)."""
        both = zip(self.shares, self.levels, strict=True)
        return np.stack([np.log(share) + _logs(side.levels, side.used, each) for share, each in both])


def _logs(levels: NDArray[np.uint8], used: NDArray[np.bool_], chances: Floats) -> Floats:
    """Log of the chance of each pattern, where fields have nothing to do with each other."""
    logs = np.log(np.maximum(chances, _LEAST))
    found: Floats = np.zeros(len(levels))
    for field in np.flatnonzero(used):
        found += logs[field, levels[:, field]]
    return found


def _odds_of_pass(
    seen: SeenPairs,
    found: Indices,
    random: Floats,
    blocked_by: Sequence[int],
    compared: Sequence[tuple[int, int]],
) -> Floats:
    patterns = seen.patterns[found]
    random = random.copy()
    for field in blocked_by:
        counts = np.bincount(level_of(patterns, field), minlength=LEVELS) + 0.5
        random[field] = counts / counts.sum()
    sides = _sides(seen, found, random, compared)
    matches, expected = _learnt(sides, random)
    odds = np.empty(len(found))
    for side, count in zip(sides, expected, strict=True):
        odds[side.places] = side.log_odds(matches, count)[side.place]
    return odds


def _sides(
    seen: SeenPairs, found: Indices, random: Floats, compared: Sequence[tuple[int, int]]
) -> list[_Side]:
    """The pairs of a pass by the datasets that they are of; some of them may have none."""
    number = seen.found_by[found[0]]
    one, two = (int(seen.in_pass[seen.dataset == dataset, number].sum()) for dataset in (0, 1))
    records = {(0, 1): float(one) * two, (0, 0): one * (one - 1) / 2, (1, 1): two * (two - 1) / 2}
    of_all = _DIFFERENT * len(found) / max(sum(records[both] for both in compared), 1.0)
    datasets = np.sort(
        np.stack([seen.dataset[each[found]] for each in (seen.left, seen.right)], axis=1), axis=1
    )
    sides = []
    for both in compared:
        places = np.flatnonzero((datasets == both).all(axis=1))
        distinct, place = np.unique(seen.patterns[found[places]], return_inverse=True)
        levels = np.stack([level_of(distinct, field) for field in range(len(random))], axis=1)
        used = (levels != MISSING).any(axis=0)
        others = np.log(max(of_all * records[both], _LEAST)) + _logs(levels, used, random)
        sides.append(_Side(places, place, levels, used, others))
    return sides


def _learnt(sides: Sequence[_Side], random: Floats) -> tuple[_Matches, list[float]]:
    """One person's pairs, each side with its expected number of them."""
    everyday = np.stack([_everyday(random, share) for share in _CARELESSNESS])
    matches = _Matches(np.full(2, 0.5), everyday)
    expected = [(1 - _DIFFERENT) * len(side.places) for side in sides]
    for _ in range(_ROUNDS):
        members, counts = np.full(2, _EVERYDAY_PAIRS), _EVERYDAY_PAIRS * everyday
        for number, side in enumerate(sides):
            chance = 1 / (1 + np.exp(-side.log_odds(matches, expected[number])[side.place]))
            expected[number] = float(chance.sum())
            logs = matches.of_components(side)
            weights = np.exp(logs - logs.max(axis=0))
            weights *= np.bincount(side.place, chance, len(side.levels)) / weights.sum(axis=0)
            members = members + weights.sum(axis=1)
            counts = counts + _counted(side, weights, everyday)
        matches = _Matches(members / members.sum(), counts / counts.sum(axis=2, keepdims=True))
    return matches, expected


def _counted(side: _Side, weights: Floats, everyday: Floats) -> Floats:
    """Weights by level; everyday levels in fields that no pair has, so that they are neither learnt nor forgotten."""
    counts = weights.sum(axis=1)[:, None, None] * everyday
    for field in np.flatnonzero(side.used):
        for component, weight in enumerate(weights):
            counts[component, field] = np.bincount(side.levels[:, field], weight, LEVELS)
    return np.asarray(counts, dtype=np.float64)


def _everyday(random: Floats, carelessness: float) -> Floats:
    """One person's levels before anything is learnt: mostly exact, and in part as by chance."""
    profile = np.array([_EVERYDAY.get(level, 0.0) for level in range(LEVELS)])
    levels = np.empty(random.shape)
    for field, by_chance in enumerate(random):
        present = np.where(np.arange(LEVELS) == MISSING, 0.0, by_chance)
        exists = (present > _LEAST_RANDOM) | (np.arange(LEVELS) == EXACT)
        careful = np.where(exists, profile, 0.0)
        mixed = (1 - carelessness) * careful / careful.sum() + carelessness * present / present.sum()
        levels[field] = mixed * (1 - by_chance[MISSING]) / mixed.sum()
        levels[field, MISSING] = by_chance[MISSING]
    return levels


def as_it_would_be_known(seen: SeenPairs, same: Indices, fields: int) -> SeenPairs:
    """About the pairs that are handed on where all records of a block are sent.

    The matcher then learns from pairs inside datasets, with a mixture for related people and with competition; here,
    where the truth is known, levels are counted among pairs of one person and among the others in the same pass, as
    in Fellegi and Sunter's model with fields taken for independent. On two generated files of 5,000 records with light
    and with heavy errors it keeps 30,868 and 26,593 pairs where the matcher keeps 30,692 and 26,412, and 99 % of these
    are the same.

    Args:
        seen: all pairs of common blocks.
        same: pairs of records that are of one person, shape (pairs, 2), in either order.
        fields: how many a pattern has.
    """
    width = len(seen.dataset)
    of_one_person = np.isin(
        np.minimum(seen.left, seen.right) * width + np.maximum(seen.left, seen.right),
        same.min(axis=1) * width + same.max(axis=1),
    )
    keep = np.zeros(len(seen.left), dtype=bool)
    for number in range(seen.in_pass.shape[1]):
        found = np.flatnonzero(seen.found_by == number)
        odds = _known_log2_odds(seen.patterns[found], of_one_person[found], fields)
        keep[found] = odds >= LEAST_LOG2_ODDS
    return _some(seen, keep)


def _known_log2_odds(patterns: Patterns, of_one_person: NDArray[np.bool_], fields: int) -> Floats:
    """Odds that pairs of one pass are of one person, from how often each level is there (and half a pair)."""
    odds = np.full(len(patterns), np.log2((of_one_person.sum() + 0.5) / ((~of_one_person).sum() + 0.5)))
    for field in range(fields):
        level = level_of(patterns, field)
        m, u = (np.bincount(level[each], minlength=LEVELS) + 0.5 for each in (of_one_person, ~of_one_person))
        ratio = (m / m.sum()) / (u / u.sum())
        odds += np.log2((1 - _CARELESS) * ratio + _CARELESS)[level]
    return odds


def _some(seen: SeenPairs, keep: NDArray[np.bool_]) -> SeenPairs:
    return SeenPairs(
        seen.dataset,
        seen.in_pass,
        seen.left[keep],
        seen.right[keep],
        seen.found_by[keep],
        seen.patterns[keep],
    )
