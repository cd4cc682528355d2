"""Odds that can be believed: the model's weights held against pairs that are known to be of different people.

*Own pairs* are those inside a dataset. All of them count, hopeless ones too, but only their patterns: nobody needs to
know whose they are. They show what different people look like, less those of one person, pattern by pattern:

- Where a dataset has *duplicates*, own pairs are unmixed. Those that may be of one person are left out at first, and
  stand in as many as their like elsewhere lets expect (`LeftOut`); then each pattern counts as far as the matches,
  learnt across datasets, leave it to different people, until that settles. Where departments have joined their own
  records, duplicates are what their rules miss, and are estimated from the patterns that these leave.
- Where a dataset is said to have none, and pairs that are alike in everything show some *undeclared*, as many are
  taken from each pattern as there are, in that proportion, between datasets.

A model that has been fitted to some pairs flatters them. So pairs are put into five parts, and each pair's weight
s = log(m / u) comes from models that were fitted without its part, for matches and non-matches alike.

Own pairs of datasets with one record a person are the *controls* that weights are held against. At weight s there are
g(s) controls, and between datasets, scaled to the number of possible pairs, g(s) (1 + odds(s)) pairs. So whether a
pair at s is a control is a coin with a chance that depends on the odds alone, and with

    log odds(s) = a + b s

a and b have a likelihood without any truth: a = 0 and b = 1 if the model is right; a far below 0 if nobody is in
both datasets. All (a, b) of a grid are weighed by it, which also says how sure the odds are.

Without a dataset with one record a person, or with too few controls for the pairs between datasets, the odds are
*uncalibrated*: the model's own, a = 0 and b = 1, with draws of a that spread as far as it is usually off.

Source: logistic calibration, Platt (1999); estimating a density ratio by logistic regression, Qin (1998);
cross-fitting, Chernozhukov et al. (2018).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from statistics import NormalDist

import numpy as np
from numpy.typing import NDArray

from coordinator.linkage.certainty import unseen_coincidences
from coordinator.linkage.model import (
    Comparison,
    LeftOut,
    NonMatchTable,
    Roles,
    Side,
    alike_in_everything,
    expectation_maximisation,
    fit_non_matches,
    perhaps_one_person,
    table_of_counts,
    would_be_joined,
)
from pprl.protocol.levels import Patterns
from pprl.protocol.match_model import LEAST, Mixture, everyday_matches, refit_matches

FOLDS = 5
# A dataset's own pairs are unmixed until the expected number of duplicates changes by less than this share.
UNMIXED, UNMIXING_ROUNDS = 0.1, 10
# At least this share of matches is taken to escape a department's rules for its own records.
_LEAST_APART = 0.02
FIRST_DUPLICATES, DUPLICATE_ROUNDS = 0.05, 50
# With fewer pairs alike in everything, a dataset is taken for what it was declared to be.
FEWEST_UNDECLARED = 3
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
# Below this many possible pairs, or with more pairs between datasets for each, controls are too few to say anything.
FEWEST_CONTROLS = 400
MOST_FOR_A_CONTROL = 20.0
# Standard deviation of a where nothing calibrates it.
SPREAD_UNCALIBRATED = 0.5

Numbers = NDArray[np.float64]
Indices = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class OwnPairs:
    """Patterns of the pairs that all passes together find inside a dataset, each pair once.

    Attributes:
        rows: records that could be compared.
        patterns: distinct patterns, ascending.
        counts: pairs with each; not whole where it is expected how many are of different people.
        joined: whether the department has joined what records of a person it could tell (`would_be_joined`).
    """

    rows: int
    patterns: Patterns
    counts: Numbers
    joined: bool = False

    @property
    def possible(self) -> float:
        """How many pairs of records there are."""
        return self.rows * (self.rows - 1) / 2

    def with_counts(self, counts: Numbers) -> OwnPairs:
        """The same patterns, counted otherwise."""
        return replace(self, counts=counts)

    def of_part(self, part: int) -> Numbers:
        """How many of each pattern's pairs are in one of the parts, as evenly as whole numbers go.

        Args:
            part: from 0 to FOLDS - 1.

        Returns:
            Shape (patterns,); the parts add up to `counts`.
        """
        whole, left_over = np.divmod(np.floor(self.counts), FOLDS)
        turn = (part - np.arange(len(self.counts))) % FOLDS
        fraction = self.counts - np.floor(self.counts)
        return np.asarray(whole + (turn < left_over) + fraction * (turn == left_over), dtype=np.float64)

    def without(self, part: int) -> OwnPairs:
        """All but one of the parts."""
        return self.with_counts(self.counts - self.of_part(part))


@dataclass(frozen=True, slots=True)
class Calibration:
    """What the controls say about the odds.

    Attributes:
        best: the likeliest (a, b).
        draws: equally likely (a, b), shape (draws, 2).
        controls: pairs of different people that it rests on, with weights that matter.
    """

    best: tuple[float, float]
    draws: Numbers
    controls: int


@dataclass(frozen=True, slots=True)
class Learnt:
    """All that was learnt from the pairs.

    Attributes:
        sides: the comparisons whose pairs may link, with their pairs by pattern and part.
        non_matches: distribution of patterns among different people.
        matches: distribution of patterns among matches.
        weights: for each comparison, log odds of a pair on its own before calibration, by kind of pair.
        expected_matches: for each comparison.
        calibration: what to make of the weights.
        unseen_coincidences: wrong links that may be there although no control has shown one like them.
    """

    sides: tuple[Side, ...]
    non_matches: Mixture
    matches: Mixture
    weights: tuple[Numbers, ...]
    expected_matches: tuple[float, ...]
    calibration: Calibration
    unseen_coincidences: float


def learn(
    comparisons: Sequence[Comparison],
    own_pairs: Sequence[OwnPairs],
    random: Numbers,
    roles: Roles,
    clean: Sequence[bool],
) -> Learnt:
    """Fit the model to merged pairs, each once, and calibrate it. The key issuer runs this.

    Args:
        comparisons: every two datasets, and every dataset with duplicates with itself; pairs in ascending order.
        own_pairs: of every dataset.
        random: probability of each level for random pairs, shape (fields, 13).
        roles: what the fields are.
        clean: for each dataset, whether it has one record a person.
    """
    fit = _start(comparisons, own_pairs, random, roles, clean)
    calibration = fit.calibrate()
    for _ in range(ROUNDS - 1):
        for _ in range(ROUNDS_WITHIN):
            fit.improve(calibration)
        calibration = fit.calibrate()
    return Learnt(
        tuple(fit.sides),
        fit.non_matches,
        fit.matches,
        tuple(each.ravel() for each in fit.weights()),
        tuple(fit.expected),
        calibration,
        unseen_coincidences(
            [each.rows for each in own_pairs],
            sum(side.comparison.possible for side in fit.sides if not side.comparison.within),
            sum(each.possible for each in own_pairs),
        ),
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
        posteriors: of the pairs of each comparison, summed by pattern and part, shape (patterns, 5).
    """

    sides: list[Side]
    controls: Sequence[OwnPairs]
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
            side.posteriors(a + b * each, count)
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
            kept = found.sum(axis=1)
            if without is not None:
                kept = np.delete(found, without, axis=1).sum(axis=1) * FOLDS / (FOLDS - 1)
            teaching.append(side.table(kept))
        return refit_matches(self.matches, teaching, self.everyday)

    def weights(self) -> list[Numbers]:
        """Log odds by pattern and part for each comparison, from models that were fitted without the part."""
        found = [np.empty(side.counts().shape) for side in self.sides]
        for part, others in enumerate(self.non_matches_without):
            matches = self._taught(part)
            for weights, side, expected in zip(found, self.sides, self.expected, strict=True):
                ratio = _log_ratio(side.levels, side.used, matches, others)
                prior = self._log_prior(max(expected, 1.0) / max(side.comparison.possible, 1.0))
                weights[:, part] = prior + ratio
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
        """Hold the pairs between datasets against the controls, if there are enough."""
        possible = sum(each.possible for each in self.controls)
        looked_for = sum(side.comparison.possible for side in self.sides if not side.comparison.within)
        if possible < max(FEWEST_CONTROLS, looked_for / MOST_FOR_A_CONTROL):
            return _uncalibrated()
        known, counts = self._control_weights()
        log_posterior = -0.5 * ((GRID_A[:, None] / SPREAD_A) ** 2 + ((GRID_B[None, :] - 1) / SPREAD_B) ** 2)
        for side, each in zip(self.sides, self.weights(), strict=True):
            scale = side.comparison.possible / possible
            # A dataset of which no record has a block says nothing.
            if scale and not side.comparison.within:
                between = (each.ravel(), side.kinds.counts)
                log_posterior = log_posterior + log_likelihood(between, (known, counts), scale)
        return _summarised(log_posterior, int(counts[known > LOWEST].sum()))


def _uncalibrated() -> Calibration:
    """The model's own odds, and how far off they usually are."""
    usual = NormalDist(0.0, SPREAD_UNCALIBRATED)
    drawn = [(usual.inv_cdf((place + 0.5) / DRAWS), 1.0) for place in range(DRAWS)]
    return Calibration((0.0, 1.0), np.array(drawn), 0)


def _start(
    comparisons: Sequence[Comparison],
    own_pairs: Sequence[OwnPairs],
    random: Numbers,
    roles: Roles,
    clean: Sequence[bool],
) -> _CrossFit:
    """The fit without cross-fitting and calibration, and a dataset's own pairs unmixed where some are of one person.

    Own pairs and pairs between datasets are the same two distributions in different shares, which tells them
    apart: what is frequent inside a dataset and not between is of different people.
    """
    sides = [Side.unfitted(each, len(random), parts=FOLDS) for each in comparisons]
    known = _surely_different(own_pairs, sides, roles, clean)
    left_out = LeftOut.of(random, roles)
    hidden = [None if one else left_out for one in clean]
    duplicates, non_matches, rate = np.inf, *_strangers(known, random, roles, None, hidden)
    for _ in range(UNMIXING_ROUNDS):
        sides = [side.with_others(non_matches, rate) for side in sides]
        matches, expected, found = expectation_maximisation(sides, random)
        if all(clean):
            break
        apart = _left_apart(sides, found, roles)
        unmixed = [
            each if one else _different(own, matches, non_matches, rate, roles, apart)
            for each, own, one in zip(known, own_pairs, clean, strict=True)
        ]
        before, duplicates = duplicates, _of_one_person(own_pairs, unmixed, clean)
        if abs(duplicates - before) <= UNMIXED * max(duplicates, 1.0):
            break
        known = unmixed
        non_matches, rate = _strangers(known, random, roles, non_matches)
    without = [
        _strangers([each.without(part) for each in known], random, roles, non_matches)[0]
        for part in range(FOLDS)
    ]
    controls = [each for each, one in zip(known, clean, strict=True) if one]
    everyday = everyday_matches(random)
    return _CrossFit(sides, controls, non_matches, without, everyday, matches, rate, expected, found)


def _surely_different(
    own_pairs: Sequence[OwnPairs], sides: Sequence[Side], roles: Roles, clean: Sequence[bool]
) -> list[OwnPairs]:
    """Own pairs as they teach at first: without patterns that may be one person's, or without undeclared ones."""
    return [
        _without_undeclared(each, place, sides, roles)
        if clean[place]
        else each.with_counts(each.counts * ~perhaps_one_person(each.patterns, roles))
        for place, each in enumerate(own_pairs)
    ]


def _of_one_person(
    own_pairs: Sequence[OwnPairs], unmixed: Sequence[OwnPairs], clean: Sequence[bool]
) -> float:
    """How many own pairs were taken out as one person's, where a person may have several records."""
    return sum(
        float((own.counts - each.counts).sum())
        for own, each, one in zip(own_pairs, unmixed, clean, strict=True)
        if not one
    )


def _strangers(
    known: Sequence[OwnPairs],
    random: Numbers,
    roles: Roles,
    start: Mixture | None,
    left_out: Sequence[LeftOut | None] | None = None,
) -> tuple[Mixture, float]:
    """The non-matches, and the share of possible pairs of different people that are candidates.

    Args:
        known: own pairs of different people, of each dataset.
        random: probability of each level for random pairs, shape (fields, 13).
        roles: what the fields are.
        start: a fit to begin from.
        left_out: for each dataset, what is missing from its pairs; None if nothing is.
    """
    tables = [
        replace(table_of_counts(each.patterns, len(random), each.counts), left_out=lacking)
        for each, lacking in zip(known, left_out or [None] * len(known), strict=True)
    ]
    fit = fit_non_matches(tables, random, roles, start)
    found = sum(float(table.counts.sum()) + _lacking(table, fit) for table in tables)
    # At least one pair, as none found doesn't make the next one impossible.
    rate = max(found, 1.0) / max(sum(each.possible for each in known), 1.0)
    return fit, rate


def _lacking(table: NonMatchTable, fit: Mixture) -> float:
    if not table.left_out:
        return 0.0
    members = fit.members(table).sum(axis=0)
    return float(table.left_out.expected(fit.levels, members, table.used)[0].sum())


def _without_undeclared(own_pairs: OwnPairs, dataset: int, sides: Sequence[Side], roles: Roles) -> OwnPairs:
    """A dataset's own pairs, less those of people of whom it holds a second record against what was declared.

    As many as pairs that are alike in everything show, in proportion to those between datasets: their other pairs
    are alike in other ways, in the same proportion.
    """
    alike = alike_in_everything(own_pairs.patterns, roles)
    between = [
        side
        for side in sides
        if not side.comparison.within
        and dataset in (side.comparison.left_dataset, side.comparison.right_dataset)
    ]
    counted = [side.counts().sum(axis=1) for side in between]
    outside = [
        float(counts[alike_in_everything(side.distinct, roles)].sum())
        for side, counts in zip(between, counted, strict=True)
    ]
    inside = float(own_pairs.counts[alike].sum())
    if inside < FEWEST_UNDECLARED or not outside or not max(outside):
        return own_pairs
    most = int(np.argmax(outside))
    patterns, counts = between[most].distinct, counted[most]
    place = np.minimum(np.searchsorted(patterns, own_pairs.patterns), len(patterns) - 1)
    there = patterns[place] == own_pairs.patterns
    share = inside / max(outside)
    less = np.where(there, share * counts[place], 0.0) + np.where(alike, own_pairs.counts, 0.0)
    return own_pairs.with_counts(np.maximum(own_pairs.counts - less, 0.0))


def _left_apart(sides: Sequence[Side], found: Sequence[Numbers], roles: Roles) -> float:
    """The share of matches across datasets that two records of one dataset would not have been joined by."""
    every = apart = 0.0
    for side, posteriors in zip(sides, found, strict=True):
        if not side.comparison.within:
            matches = posteriors.sum(axis=1)
            every += float(matches.sum())
            apart += float(matches[~would_be_joined(side.distinct, roles)].sum())
    return max(apart / max(every, LEAST), _LEAST_APART)


def _different(
    own_pairs: OwnPairs, matches: Mixture, non_matches: Mixture, rate: float, roles: Roles, apart: float
) -> OwnPairs:
    """How many of a dataset's own pairs, pattern by pattern, are expected to be of different people.

    Where the department has joined its records, pairs of one person are there in those patterns alone that its rules
    miss. These say how many pairs of one person there were, and so how many are left.

    Args:
        own_pairs: all of the dataset's.
        matches: distribution of patterns among matches.
        non_matches: distribution of patterns among different people.
        rate: share of possible pairs of different people that are candidates.
        roles: what the fields are.
        apart: share of matches that the department's rules miss.
    """
    table = table_of_counts(own_pairs.patterns, len(matches.levels[0]), own_pairs.counts)
    ratio = _log_ratio(table.levels, table.used, matches, non_matches)
    strangers = np.log(max(rate * own_pairs.possible, LEAST))
    told, share = np.ones(len(table.counts), dtype=bool), 1.0
    if own_pairs.joined:
        told, share = ~would_be_joined(own_pairs.patterns, roles), apart
    of_one = np.zeros(len(table.counts))
    duplicates = FIRST_DUPLICATES * own_pairs.rows
    for _ in range(DUPLICATE_ROUNDS):
        odds = np.log(max(duplicates, 1e-9)) + ratio - strangers
        of_one = table.counts / (1 + np.exp(-np.clip(odds, -HIGHEST, HIGHEST)))
        duplicates = float(of_one[told].sum()) / share
    return own_pairs.with_counts(own_pairs.counts - of_one)


Weighted = tuple[Numbers, Numbers]


def log_likelihood(between: Weighted, known: Weighted, scale: float) -> Numbers:
    """Log likelihood of every (a, b) of the grid, shape (89, 27).

    Args:
        between: weights of pairs between datasets, and how many pairs have each.
        known: weights of controls, and how many have each.
        scale: possible pairs between datasets for each possible control.
    """
    (at, pairs), (at_known, controls) = _binned(*between), _binned(*known)
    a, b = GRID_A[:, None, None], GRID_B[None, :, None]

    def log_share(place: Numbers) -> Numbers:
        return np.asarray(np.log(scale) + np.logaddexp(0.0, a + b * place), dtype=np.float64)

    outside, inside = log_share(at), log_share(at_known)
    gained = (pairs * (outside - np.logaddexp(0.0, outside))).sum(axis=2)
    lost = (controls * np.logaddexp(0.0, inside)).sum(axis=2)
    return np.asarray(gained - lost, dtype=np.float64)


def _binned(weights: Numbers, counts: Numbers) -> Weighted:
    # A kind that no pair is of has no place: its weight could be anything.
    high = (weights > LOWEST) & (counts > 0)
    places, place = np.unique(np.round(weights[high] / BIN), return_inverse=True)
    return places * BIN, np.bincount(place, counts[high], len(places)).astype(np.float64)


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
