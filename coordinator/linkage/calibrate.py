"""Odds that can be believed: the model's weights held against pairs that are known to be of different people.

A model that has been fitted to some pairs flatters them. So pairs are put into five parts, and each pair's weight
s = log(m / u) comes from models that were fitted without its part, for matches and non-matches alike.

Pairs inside a dataset with one record a person are the *controls*: what pairs of different people look like. At
weight s there are g(s) controls, and between datasets, scaled to the number of possible pairs, g(s) (1 + odds(s))
pairs. So whether a pair at s is a control is a coin with a chance that depends on the odds alone, and with

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
    may_link,
    perhaps_one_person,
    posteriors_of,
    refit_matches,
    summed,
    table_of_counts,
)

FOLDS = 5
# How often pairs inside datasets with duplicates are weighed anew for being of different people.
DUPLICATE_ROUNDS = 2
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
LOWEST, HIGHEST = -12.0, 60.0
# Below this many possible pairs the controls are too few to say anything.
FEWEST_CONTROLS = 400

Numbers = NDArray[np.float64]
Indices = NDArray[np.int64]


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


def learn(comparisons: Sequence[Comparison], random: Numbers, roles: Roles, clean: Sequence[bool]) -> Learnt:
    """Fit the model to merged pairs, each once, and calibrate it. The key issuer runs this.

    Args:
        comparisons: every two datasets, and every dataset with itself; pairs in ascending order.
        random: probability of each level for random pairs, shape (fields, 13).
        roles: what the fields are.
        clean: for each dataset, whether it has one record a person.
    """
    fit = _CrossFit.start(comparisons, random, roles, clean)
    calibration = Calibration((0.0, 1.0), np.array([[0.0, 1.0]]), 0)
    for last in (False,) * (ROUNDS - 1) + (True,):
        calibration = fit.calibrate()
        if not last:
            for _ in range(ROUNDS_WITHIN):
                fit.improve(calibration)
    weights, _ = fit.weights()
    return Learnt(
        tuple(side.comparison for side in fit.sides),
        fit.non_matches,
        fit.matches,
        tuple(weights),
        tuple(fit.expected),
        calibration,
    )


@dataclass(slots=True)
class _Part:
    """One of the five: models fitted without it, and the controls in it."""

    non_matches: Mixture
    controls: list[tuple[PatternTable, float]]


@dataclass(slots=True)
class _CrossFit:
    sides: list[Side]
    non_matches: Mixture
    matches: Mixture
    everyday: Mixture
    parts: list[_Part]
    rate: float
    possible_controls: float
    expected: list[float]
    posteriors: list[Numbers]

    @staticmethod
    def start(
        comparisons: Sequence[Comparison], random: Numbers, roles: Roles, clean: Sequence[bool]
    ) -> _CrossFit:
        within = [each for each in comparisons if each.within]
        linking = [each for each in comparisons if may_link(each, clean)]
        different = [(~perhaps_one_person(each, roles, clean)).astype(np.float64) for each in within]
        possible = sum(each.possible for each in within)
        for _ in range(1 if all(clean) else DUPLICATE_ROUNDS):
            tables = [
                _weighted(each, weights, len(random)) for each, weights in zip(within, different, strict=True)
            ]
            non_matches = fit_non_matches(tables, random, roles)
            rate = float(sum(each.sum() for each in different)) / max(possible, 1.0)
            sides = [Side.of(each, len(random), non_matches, rate) for each in linking]
            matches, expected, found = expectation_maximisation(sides, random)
            one_person = {
                each.left_dataset: 1 - posterior
                for each, posterior in zip(linking, found, strict=True)
                if each.within
            }
            different = [
                one_person.get(each.left_dataset, weights)
                for each, weights in zip(within, different, strict=True)
            ]
        return _CrossFit(
            sides,
            non_matches,
            matches,
            everyday_matches(random),
            _parts(within, different, random, roles, clean, non_matches),
            rate,
            sum(each.possible for each in within if clean[each.left_dataset]),
            expected,
            found,
        )

    def improve(self, calibration: Calibration) -> None:
        """Posteriors from calibrated weights, and the matches learnt anew from them."""
        a, b = calibration.best
        weights, _ = self.weights()
        before = self.expected
        self.posteriors = [
            posteriors_of(side.comparison.pairs, a + b * each, count)
            for side, each, count in zip(self.sides, weights, before, strict=True)
        ]
        self.expected = [max(float(each.sum()), 1e-3) for each in self.posteriors]
        self.matches = self._taught(None)

    def _taught(self, without: int | None) -> Mixture:
        teaching = []
        for side, found in zip(self.sides, self.posteriors, strict=True):
            if not side.comparison.within:
                kept = found
                if without is not None:
                    kept = np.where(_part(len(found)) == without, 0.0, found * FOLDS / (FOLDS - 1))
                teaching.append(side.counted(kept))
        return refit_matches(self.matches, teaching, self.everyday)

    def weights(self) -> tuple[list[Numbers], list[tuple[Numbers, Numbers]]]:
        """Weights of pairs by comparison; those of controls with their counts, as if between two datasets."""
        fitted = [self._taught(part) for part in range(FOLDS)]
        found = [np.empty(len(side.place)) for side in self.sides]
        controls = []
        share = sum(self.expected) / max(sum(side.comparison.possible for side in self.sides), 1.0)
        for part, (models, matches) in enumerate(zip(self.parts, fitted, strict=True)):
            for index, side in enumerate(self.sides):
                mine = _part(len(side.place)) == part
                prior = np.log(
                    max(self.expected[index], 1.0) / max(self.rate * side.comparison.possible, 1e-12)
                )
                ratio = _log_ratio(side.levels, side.used, matches, models.non_matches)
                found[index][mine] = prior + ratio[side.place[mine]]
            for table, _ in models.controls:
                ratio = _log_ratio(table.levels, table.used, matches, models.non_matches)
                controls.append((np.log(max(share / max(self.rate, 1e-12), 1e-12)) + ratio, table.counts))
        return [np.minimum(each, HIGHEST) for each in found], controls

    def calibrate(self) -> Calibration:
        weights, controls = self.weights()
        if self.possible_controls < FEWEST_CONTROLS:
            return Calibration((0.0, 1.0), np.array([[0.0, 1.0]]), 0)
        known = np.concatenate([values for values, _ in controls])
        counts = np.concatenate([count for _, count in controls])
        log_posterior = -0.5 * ((GRID_A[:, None] / SPREAD_A) ** 2 + ((GRID_B[None, :] - 1) / SPREAD_B) ** 2)
        for side, each in zip(self.sides, weights, strict=True):
            if not side.comparison.within:
                scale = side.comparison.possible / self.possible_controls
                log_posterior = log_posterior + log_likelihood(each, known, counts, scale)
        return _summarised(log_posterior, int(counts[known > LOWEST].sum()))


def _parts(
    within: Sequence[Comparison],
    different: Sequence[Numbers],
    random: Numbers,
    roles: Roles,
    clean: Sequence[bool],
    non_matches: Mixture,
) -> list[_Part]:
    parts = []
    for part in range(FOLDS):
        others, controls = [], []
        for each, weights in zip(within, different, strict=True):
            mine = _part(len(weights)) == part
            others.append(_weighted(each, np.where(mine, 0.0, weights), len(random)))
            if clean[each.left_dataset]:
                controls.append((_weighted(each, np.where(mine, weights, 0.0), len(random)), each.possible))
        parts.append(_Part(fit_non_matches(others, random, roles, non_matches), controls))
    return parts


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
