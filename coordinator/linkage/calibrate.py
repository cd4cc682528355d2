"""Odds that can be believed: the model's weights held against pairs that are known to be of different people.

A model that has been fitted to some pairs flatters them. So pairs are put into five parts, and each pair's weight
s = log(m / u) comes from models that were fitted without its part, for matches and non-matches alike.

Pairs inside a dataset with one record a person are the *controls*: what pairs of different people look like. All of
them count, hopeless ones too, but only their patterns: nobody needs to know whose they are. At weight s there are
g(s) controls, and between datasets, scaled to the number of possible pairs, g(s) (1 + odds(s)) pairs. So whether a
pair at s is a control is a coin with a chance that depends on the odds alone, and with

    log odds(s) = a + b s

a and b have a likelihood without any truth: a = 0 and b = 1 if the model is right; a far below 0 if nobody is in
both datasets. All (a, b) of a grid are weighed by it, which also says how sure the odds are.

Source: logistic calibration, Platt (1999); estimating a density ratio by logistic regression, Qin (1998);
cross-fitting, Chernozhukov et al. (2018).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from coordinator.linkage.model import (
    Comparison,
    Mixture,
    PatternTable,
    Roles,
    Side,
    everyday_matches,
    expectation_maximisation,
    fit_non_matches,
    perhaps_one_person,
    posteriors_of,
    refit_matches,
    summed,
    table_of_counts,
)
from pprl.protocol.levels import Patterns

FOLDS = 5
ROUNDS = 4
ROUNDS_WITHIN = 4
# Draws of (a, b) that stand for all that the evidence leaves open.
DRAWS = 40
# What is believed of a and b before the evidence: standard deviations around 0 and 1.
SPREAD_A, SPREAD_B = 3.0, 0.25
GRID_A = np.linspace(-8.0, 3.0, 89)
GRID_B = np.linspace(0.3, 1.6, 27)
BIN = 0.25
# Weights lower than this say nothing about links.
LOWEST, HIGHEST = -3.0, 60.0
# Below this many possible pairs the controls are too few to say anything.
FEWEST_CONTROLS = 400

Numbers = NDArray[np.float64]
Indices = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Controls:
    """Patterns of the pairs that all passes together find inside a dataset with one record a person, each pair once.

    Attributes:
        rows: records that could be compared.
        patterns: distinct patterns, ascending.
        counts: pairs with each, as the department has counted them.
    """

    rows: int
    patterns: Patterns
    counts: Numbers

    @property
    def possible(self) -> float:
        """How many pairs of records there are."""
        return self.rows * (self.rows - 1) / 2

    def of_part(self, part: int) -> Numbers:
        """How many of each pattern's pairs are in one of the parts, as evenly as whole numbers go."""
        whole, left_over = np.divmod(np.floor(self.counts), FOLDS)
        turn = (part - np.arange(len(self.counts))) % FOLDS
        fraction = self.counts - np.floor(self.counts)
        return np.asarray(whole + (turn < left_over) + fraction * (turn == left_over), dtype=np.float64)


@dataclass(frozen=True, slots=True)
class Calibration:
    """What the controls say about the odds.

    Attributes:
        best: the likeliest (a, b).
        draws: equally likely (a, b), shape (draws, 2); one alone where there are no controls.
        controls: pairs of different people that it rests on, with weights that matter.
    """

    best: tuple[float, float]
    draws: Numbers
    controls: int


@dataclass(frozen=True, slots=True)
class Learnt:
    """All that was learnt from the pairs.

    Attributes:
        comparisons: those whose pairs may link.
        non_matches: distribution of patterns among different people.
        matches: distribution of patterns among matches.
        weights: for each comparison, log odds of each pair on its own before calibration.
        expected_matches: for each comparison.
        calibration: what to make of the weights.
    """

    comparisons: tuple[Comparison, ...]
    non_matches: Mixture
    matches: Mixture
    weights: tuple[Numbers, ...]
    expected_matches: tuple[float, ...]
    calibration: Calibration


def learn(
    comparisons: Sequence[Comparison],
    controls: Sequence[Controls],
    random: Numbers,
    roles: Roles,
    clean: Sequence[bool],
) -> Learnt:
    """Fit the model to merged pairs, each once, and calibrate it. The key issuer runs this.

    Args:
        comparisons: every two datasets, and every dataset with duplicates with itself; pairs in ascending order.
        controls: of every dataset without duplicates.
        random: probability of each level for random pairs, shape (fields, 13).
        roles: what the fields are.
        clean: for each dataset, whether it has one record a person.
    """
    fit = _start(comparisons, controls, random, roles, clean)
    calibration = fit.calibrate()
    for _ in range(ROUNDS - 1):
        for _ in range(ROUNDS_WITHIN):
            fit.improve(calibration)
        calibration = fit.calibrate()
    return Learnt(
        tuple(side.comparison for side in fit.sides),
        fit.non_matches,
        fit.matches,
        tuple(fit.weights()),
        tuple(fit.expected),
        calibration,
    )


@dataclass(slots=True)
class _CrossFit:
    """The fit as it stands.

    Attributes:
        sides: the comparisons whose pairs may link.
        controls: pairs of different people.
        non_matches: fitted to all.
        non_matches_without: fitted without one part, part by part.
        everyday: the matches before anything is known.
        matches: fitted to all.
        rate: share of possible pairs of different people that are candidates.
        expected: expected matches of each comparison.
        posteriors: of the pairs of each comparison.
    """

    sides: list[Side]
    controls: Sequence[Controls]
    non_matches: Mixture
    non_matches_without: list[Mixture]
    everyday: Mixture
    matches: Mixture
    rate: float
    expected: list[float]
    posteriors: list[Numbers]

    def improve(self, calibration: Calibration) -> None:
        """Posteriors from calibrated weights, and the matches learnt anew from them."""
        a, b = calibration.best
        self.posteriors = [
            posteriors_of(side.comparison.pairs, a + b * each, count)
            for side, each, count in zip(self.sides, self.weights(), self.expected, strict=True)
        ]
        self.expected = [max(float(each.sum()), 1e-3) for each in self.posteriors]
        self.matches = self._taught(None)

    def _taught(self, without: int | None) -> Mixture:
        """The matches, learnt from pairs across datasets; without the pairs of one part, or with all."""
        teaching = []
        for side, found in zip(self.sides, self.posteriors, strict=True):
            if side.comparison.within:
                continue
            kept = found
            if without is not None:
                kept = np.where(_part(len(found)) == without, 0.0, found * FOLDS / (FOLDS - 1))
            teaching.append(side.counted(kept))
        return refit_matches(self.matches, teaching, self.everyday)

    def weights(self) -> list[Numbers]:
        """Log odds of each pair of each comparison, from models that were fitted without its part."""
        found = [np.empty(len(side.place)) for side in self.sides]
        for part, others in enumerate(self.non_matches_without):
            matches = self._taught(part)
            for weights, side, expected in zip(found, self.sides, self.expected, strict=True):
                mine = _part(len(side.place)) == part
                ratio = _log_ratio(side.levels, side.used, matches, others)
                prior = self._log_prior(max(expected, 1.0) / side.comparison.possible)
                weights[mine] = prior + ratio[side.place[mine]]
        return [np.minimum(each, HIGHEST) for each in found]

    def _log_prior(self, share: float) -> float:
        """Log of expected matches over expected non-matches among candidates."""
        return float(np.log(max(share, 1e-300) / max(self.rate, 1e-12)))

    def _control_weights(self) -> tuple[Numbers, Numbers]:
        """Weights of controls as if they were between two datasets, and how many have each."""
        weights, counts = [np.empty(0)], [np.empty(0)]
        share = sum(self.expected) / max(sum(side.comparison.possible for side in self.sides), 1.0)
        prior = self._log_prior(share)
        for part, others in enumerate(self.non_matches_without):
            matches = self._taught(part)
            for each in self.controls:
                table = table_of_counts(each.patterns, len(matches.levels[0]), each.of_part(part))
                weights.append(prior + _log_ratio(table.levels, table.used, matches, others))
                counts.append(table.counts)
        return np.concatenate(weights), np.concatenate(counts)

    def calibrate(self) -> Calibration:
        """Hold the pairs between datasets against the controls."""
        possible = sum(each.possible for each in self.controls)
        if possible < FEWEST_CONTROLS:
            return Calibration((0.0, 1.0), np.array([[0.0, 1.0]]), 0)
        known, counts = self._control_weights()
        log_posterior = -0.5 * ((GRID_A[:, None] / SPREAD_A) ** 2 + ((GRID_B[None, :] - 1) / SPREAD_B) ** 2)
        for side, each in zip(self.sides, self.weights(), strict=True):
            if not side.comparison.within:
                scale = side.comparison.possible / possible
                log_posterior = log_posterior + log_likelihood(each, known, counts, scale)
        return _summarised(log_posterior, int(counts[known > LOWEST].sum()))


def _start(
    comparisons: Sequence[Comparison],
    controls: Sequence[Controls],
    random: Numbers,
    roles: Roles,
    clean: Sequence[bool],
) -> _CrossFit:
    fields = len(random)
    within = [each for each in comparisons if each.within]
    different = [(~perhaps_one_person(each, roles, clean)).astype(np.float64) for each in within]
    possible = sum(each.possible for each in within) + sum(each.possible for each in controls)
    sure = [table_of_counts(each.patterns, fields, each.counts) for each in controls]
    tables = sure + [_weighted(each, share, fields) for each, share in zip(within, different, strict=True)]
    non_matches = fit_non_matches(tables, random, roles)
    rate = sum(float(table.counts.sum()) for table in tables) / max(possible, 1.0)
    sides = [Side.of(each, fields, non_matches, rate) for each in comparisons]
    matches, expected, found = expectation_maximisation(sides, random)
    without = []
    for part in range(FOLDS):
        others = [
            table_of_counts(each.patterns, fields, each.counts - each.of_part(part)) for each in controls
        ]
        for each, share in zip(within, different, strict=True):
            others.append(_weighted(each, np.where(_part(len(share)) == part, 0.0, share), fields))
        without.append(fit_non_matches(others, random, roles, non_matches))
    everyday = everyday_matches(random)
    return _CrossFit(sides, controls, non_matches, without, everyday, matches, rate, expected, found)


def _weighted(comparison: Comparison, weights: Numbers, fields: int) -> PatternTable:
    """The distinct patterns of some pairs, with the sums of their weights."""
    kept = weights > 0
    patterns, place = np.unique(comparison.patterns[kept], return_inverse=True)
    return table_of_counts(patterns, fields, summed(place, weights[kept], len(patterns)))


def log_likelihood(weights: Numbers, known: Numbers, counts: Numbers, scale: float) -> Numbers:
    """Log likelihood of every (a, b) of the grid, shape (89, 27).

    Args:
        weights: of pairs between datasets.
        known: of controls.
        counts: how many controls have each.
        scale: possible pairs between datasets for each possible control.
    """
    at, pairs = _binned(weights, np.ones(len(weights)))
    at_known, controls = _binned(known, counts)
    a, b = GRID_A[:, None, None], GRID_B[None, :, None]

    def log_share(place: Numbers) -> Numbers:
        return np.asarray(np.log(scale) + np.logaddexp(0.0, a + b * place), dtype=np.float64)

    between, inside = log_share(at), log_share(at_known)
    gained = (pairs * (between - np.logaddexp(0.0, between))).sum(axis=2)
    lost = (controls * np.logaddexp(0.0, inside)).sum(axis=2)
    return np.asarray(gained - lost, dtype=np.float64)


def _binned(weights: Numbers, counts: Numbers) -> tuple[Numbers, Numbers]:
    high = weights > LOWEST
    places, place = np.unique(np.round(weights[high] / BIN), return_inverse=True)
    return places * BIN, summed(place, counts[high], len(places))


def _summarised(log_posterior: Numbers, controls: int) -> Calibration:
    chances = np.exp(log_posterior - log_posterior.max()).ravel()
    points = np.column_stack([np.repeat(GRID_A, len(GRID_B)), np.tile(GRID_B, len(GRID_A))])
    best = points[int(np.argmax(chances))]
    reached = np.cumsum(chances) / chances.sum()
    drawn = np.searchsorted(reached, (np.arange(DRAWS) + 0.5) / DRAWS)
    return Calibration((float(best[0]), float(best[1])), points[drawn], controls)


def _log_ratio(
    levels: NDArray[np.uint8], used: NDArray[np.bool_], matches: Mixture, others: Mixture
) -> Numbers:
    return matches.log_density(levels, used) - others.log_density(levels, used)


def _part(pairs: int) -> Indices:
    return np.arange(pairs, dtype=np.int64) % FOLDS
