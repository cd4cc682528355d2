"""What one person's pairs look like, level by level, and what pairs by chance: Fellegi and Sunter's model.

Of a pair with levels l_1, l_2, ... in the fields, a distribution is a mixture of products over fields:

    m(l) = sum over c of share_c * product over fields f of m_cf(l_f)

*Matches* have one component for the careful record and one for the careless. They are learnt by expectation
maximisation (`refit_matches` is one round of maximisation), where pseudo-pairs with everyday levels keep a few pairs
from being learnt by heart. *Random pairs* are what departments have counted.

*Missing* is a level like any other where some of the pairs have the field; where none has, because a dataset lacks it,
the field is left out.

The matcher, the key issuer and departments that rehearse what these do run this. Which pairs teach, and what speaks
against a match, is theirs to say: `pass_fit`, and the coordinator's own model of related people.

Source: 3-linkage-method, 3.3; Fellegi and Sunter (1969); Winkler (1988) for EM; Thibaudeau (1993) and Larsen and
Rubin (2001) for latent classes.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

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
    LEVELS,
    MISSING,
    NONE,
    SUBSET,
    Patterns,
    level_of,
)

MATCH_ROUNDS = 30
# Pseudo-matches with everyday levels in each component of the matches.
EVERYDAY_MATCHES = 30.0
# Share of everyday levels that is drawn from random ones instead, in each component of the matches.
CARELESSNESS = {"careful": 0.15, "careless": 0.5}
# Odds are told apart up to here.
MOST_LOG_ODDS = 60.0
# The least that a probability or an expected number is taken for, so that it has a logarithm.
LEAST = 1e-12
# A level that random pairs have less often than this doesn't exist in the field.
_LEAST_RANDOM = 2e-5
_EVERYDAY = {
    EXACT: 0.8, SUBSET: 0.04, DICE_90: 0.01, DICE_80: 0.03, DICE_70: 0.02, DICE_60: 0.015, DICE_50: 0.01,
    DICE_40: 0.005, DICE_25: 0.01, NONE: 0.04, CANONICAL: 0.01, ELSEWHERE: 0.01,
}  # fmt: skip

Numbers = NDArray[np.float64]
Levels = NDArray[np.uint8]


@dataclass(frozen=True, slots=True)
class Mixture:
    """A distribution of level patterns: a mixture of products over fields.

    Attributes:
        names: what each component began as.
        weights: share of each component, shape (components,).
        levels: probability of each level, shape (components, fields, 13).
    """

    names: tuple[str, ...]
    weights: Numbers
    levels: Numbers

    def of_components(self, levels: Levels, used: NDArray[np.bool_]) -> Numbers:
        """Log of weight times probability for each component, shape (patterns, components).

        Args:
            levels: of each field in each pattern, shape (patterns, fields).
            used: for each field, whether it counts, shape (fields,).
        """
        log_levels = np.log(np.maximum(self.levels, LEAST))
        total = np.repeat(np.log(self.weights)[None, :], len(levels), axis=0)
        for field in np.flatnonzero(used):
            total += log_levels[:, field, :].T[levels[:, field]]
        return total

    def log_density(self, levels: Levels, used: NDArray[np.bool_]) -> Numbers:
        """Log probability of each pattern over the fields that are used, shape (patterns,)."""
        return _log_sum(self.of_components(levels, used))

    def members(self, table: PatternTable) -> Numbers:
        """How many of a table's pairs belong to each component, pattern by pattern, shape (patterns, components)."""
        return _shares(self.of_components(table.levels, table.used)) * table.counts[:, None]

    def marginal(self) -> Numbers:
        """Probability of each level over all components, shape (fields, 13)."""
        return np.asarray(np.tensordot(self.weights, self.levels, axes=1), dtype=np.float64)


@dataclass(frozen=True, slots=True)
class PatternTable:
    """Distinct patterns and how often each is there.

    Attributes:
        levels: levels of each pattern, shape (patterns, fields).
        counts: pairs with each pattern; may be posteriors.
        used: for each field, whether any of the pairs has it.
    """

    levels: Levels
    counts: Numbers
    used: NDArray[np.bool_]


def levels_of(patterns: Patterns, fields: int) -> Levels:
    """The levels of each pattern, shape (patterns, fields)."""
    return np.stack([level_of(patterns, field) for field in range(fields)], axis=1)


def random_distribution(histogram: NDArray[np.int64]) -> Numbers:
    """Probability of each level for random pairs, from departments' counts, shape (fields, 13).

    Half a pair is added to each level, so that none is impossible.
    """
    smoothed = histogram.astype(np.float64) + 0.5
    return np.asarray(smoothed / smoothed.sum(axis=1, keepdims=True), dtype=np.float64)


def everyday_matches(random: Numbers) -> Mixture:
    """The matches before anything is known: mostly exact, and a part that looks like random pairs."""
    levels = np.stack([_everyday(random, share) for share in CARELESSNESS.values()])
    count = len(CARELESSNESS)
    return Mixture(tuple(CARELESSNESS), np.full(count, 1 / count), levels)


def _everyday(random: Numbers, carelessness: float) -> Numbers:
    levels = np.empty(random.shape)
    for field, distribution in enumerate(random):
        present = np.where(np.arange(LEVELS) == MISSING, 0.0, distribution)
        exists = (present > _LEAST_RANDOM) | (np.arange(LEVELS) == EXACT)
        profile = np.where(exists, profile_of(_EVERYDAY), 0.0)
        mixed = (1 - carelessness) * profile / profile.sum() + carelessness * present / present.sum()
        levels[field] = with_missing(mixed, float(distribution[MISSING]))
    return levels


def refit_matches(matches: Mixture, tables: Sequence[PatternTable], everyday: Mixture) -> Mixture:
    """One round of maximisation.

    Args:
        matches: the fit before, which says which component a pattern belongs to.
        tables: patterns of pairs across datasets, counted by posteriors.
        everyday: the pseudo-matches' levels.
    """
    members = np.zeros(len(matches.weights))
    counts = EVERYDAY_MATCHES * everyday.levels
    for table in tables:
        shares = matches.members(table)
        members += shares.sum(axis=0)
        counts = counts + level_counts(table, shares) + _unused(table, shares, everyday)
    return Mixture(matches.names, normalised(members + EVERYDAY_MATCHES), normalised(counts))


def _unused(table: PatternTable, shares: Numbers, everyday: Mixture) -> Numbers:
    """Stands in for fields that a table doesn't have, so that they are neither learnt nor forgotten."""
    lacking = ~table.used
    return np.asarray(shares.sum(axis=0)[:, None, None] * everyday.levels * lacking[None, :, None])


def profile_of(shares: Mapping[int, float]) -> Numbers:
    """A distribution over all levels from the shares of some, which needn't add up to 1, shape (13,)."""
    profile = np.zeros(LEVELS)
    profile[list(shares)] = list(shares.values())
    return np.asarray(profile / profile.sum(), dtype=np.float64)


def with_missing(levels: Numbers, missing: float) -> Numbers:
    """The distribution with this share of missing, and the present levels in proportion.

    Args:
        levels: probability of each level, shape (13,).
        missing: the share, from 0 to 1.

    Returns:
        Shape (13,), of sum 1.
    """
    present = levels.copy()
    present[MISSING] = 0
    present *= (1 - missing) / present.sum()
    present[MISSING] = missing
    return np.asarray(present, dtype=np.float64)


def _shares(of_components: Numbers) -> Numbers:
    weights = np.exp(of_components - of_components.max(axis=1, keepdims=True))
    return np.asarray(weights / weights.sum(axis=1, keepdims=True), dtype=np.float64)


def level_counts(table: PatternTable, shares: Numbers) -> Numbers:
    """How many of a table's pairs have each level.

    Args:
        table: the patterns.
        shares: how many pairs of each pattern belong to each component, shape (patterns, components).

    Returns:
        Pairs, shape (components, fields, 13); none in fields that no pair has.
    """
    counts = np.zeros((shares.shape[1], len(table.used), LEVELS))
    for field in np.flatnonzero(table.used):
        for component in range(shares.shape[1]):
            counts[component, field] = np.bincount(table.levels[:, field], shares[:, component], LEVELS)
    return counts


def _log_sum(logs: Numbers) -> Numbers:
    highest = logs.max(axis=1)
    return np.asarray(highest + np.log(np.exp(logs - highest[:, None]).sum(axis=1)), dtype=np.float64)


def normalised(values: NDArray[Any]) -> Numbers:
    """The values in proportion, with a sum of 1 along the last axis."""
    return np.asarray(values / values.sum(axis=-1, keepdims=True), dtype=np.float64)
