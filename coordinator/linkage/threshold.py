"""The Dice threshold, and how good the links above it are, from scores alone. The key issuer runs this.

Nobody tells the issuer which pairs are right. It learns it in three steps, for each two datasets:

1. *How alike are different people?* Pairs inside a dataset without duplicates are all of different people,
   households, twins and namesakes among them. Their scores, scaled to the number of pairs between the
   datasets, are the pairs that would be there if nobody were in both.
2. *Which pairs are more than that?* At each score, odds = expected matches / expected non-matches. Where a
   dataset has no duplicates a record has at most one partner in it, so that pairs compete: posteriors are the
   marginals of the matchings, by belief propagation. Expected matches are their sum, and so on until settled.
3. *Where to cut?* Links are taken from the most alike down, as the solver does. A threshold is good enough if the
   lower end of the precision's interval (`certainty`) reaches the target, for all links and for those between datasets.
   Of the good ones it is that with the highest expected F1, or with the least cost where the agreement says what a
   wrong link costs.

Pairs that share a match key come before all others, whatever their Dice coefficient, in a bin of their own above it;
how many of them are wrong is known beforehand (`shared_keys`). Their odds are their own: nothing follows from them for
pairs that are merely alike, nor the other way round.

Where every dataset may have duplicates there are no pairs known to be of different people. The scores of the
comparison with the fewest high ones stand in, continued downhill from where matches begin to show.

Source: 3-linkage-method, 3.2 and 3.5, and docs/decisions/0002.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from coordinator.linkage.certainty import Interval, between, unseen_coincidences
from coordinator.linkage.compare import LEVELS_IN_ONE, levels
from coordinator.linkage.competition import Competing, taken
from coordinator.linkage.competition import posteriors as probabilities
from coordinator.linkage.solve import Compared

# Scores are counted in bins of this many levels, and the threshold is the lower edge of one. Above those of the Dice
# coefficient, the last of which holds equal filters, is that of the pairs that share a match key.
BIN_LEVELS = 50
SHARED_KEY_BIN = LEVELS_IN_ONE // BIN_LEVELS + 1
BINS = SHARED_KEY_BIN + 1

# Below this many compared pairs nothing can be learnt from scores, and only the nearly equal are linked.
FEWEST_COMPARED = 400
CAUTIOUS_THRESHOLD = 0.9
# Fewer links than this are what chance brings where nobody is in both: no threshold rests on them.
FEWEST_LINKS = 3
NOTHING_LINKS = BINS * BIN_LEVELS / LEVELS_IN_ONE

# Records that share this much are nearly equal. Inside a dataset without duplicates, up to this share of the rate
# between datasets is taken for duplicates that nobody declared; more is taken for namesakes.
NEARLY_EQUAL = 190
MOST_UNDECLARED = 0.4
# Above the score that this many pairs of different people reach, their number is taken to fall exponentially.
TAIL_PAIRS = 30
# One more such pair is taken to stand at the floor, falling off at this rate for each unit of Dice.
UNSEEN_FALL = 40.0
# Bins over which the steepness of a score distribution is judged, and the share of it that it is continued with.
SHAPE_BINS = 5
SHAPE_CAUTION = 0.8
# Where odds fall below this, noise outweighs matches: matches are then taken to fall off at this rate.
LOWEST_READ_ODDS = 0.3
MATCHES_FALL = 10.0
BINS_ABOVE = 10
MOST_ODDS = 1e6
# What the score distribution doesn't show: standard deviation of the log of true over expected wrong links.
SCORE_SPREAD = 0.5

REFITS = 30

_NOTHING = (
    "; none reaches the target precision, so nothing is linked"
    " (a dataset that holds several records of a person needs may_have_duplicates)"
)

Numbers = NDArray[np.float64]
Indices = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Evidence:
    """What the estimate was read off, by bins of scores, over all comparisons that may link.

    Attributes:
        lower_edge: lowest Dice coefficient of each bin.
        pairs: candidate pairs.
        expected_non_matches: candidate pairs expected if nobody had a second record.
        expected_matches: candidate pairs expected to be of one person.
        links: pairs that would be linked if the threshold were at or below the bin.
        right_links: how many of those are expected to be right.
        wrong_links: how many are expected to be wrong, those that nothing could show among them.
        least_wrong: how many are wrong at least, in 95 of 100 linkages.
        most_wrong: how many are wrong at most.
        expected_matches_of_comparisons: expected matches of each comparison that may link.
    """

    lower_edge: Numbers
    pairs: Indices
    expected_non_matches: Numbers
    expected_matches: Numbers
    links: Indices
    right_links: Numbers
    wrong_links: Numbers
    least_wrong: Numbers
    most_wrong: Numbers
    expected_matches_of_comparisons: tuple[float, ...]


@dataclass(frozen=True, slots=True)
class ThresholdEstimate:
    """A threshold and what to expect of it.

    Attributes:
        threshold: lowest Dice coefficient that may link; above 1 if no threshold is good enough.
        estimated_precision: expected share of links that are right, with an interval; None if it can't be told.
        estimated_recall: expected share of the matches among candidates that are linked; None if it can't be
            told. Matches that look like strangers are in no candidate's odds, so it tends to be too high.
        method: how it was found, one line for the report.
        evidence: the counts behind it.
    """

    threshold: float
    estimated_precision: Interval | None
    estimated_recall: float | None
    method: str
    evidence: Evidence


@dataclass(frozen=True, slots=True)
class _Candidates:
    """The candidate pairs of one comparison that may link.

    Attributes:
        pairs: the records of each pair, and whether they compete.
        scores: Dice coefficient of each pair.
        bins: bin of each pair's score.
        within: whether they are of one dataset.
        non_matches: expected non-matching pairs in each bin.
    """

    pairs: Competing
    scores: Numbers
    bins: Indices
    within: bool
    non_matches: Numbers


@dataclass(frozen=True, slots=True)
class _Cuts:
    """What each threshold would give: counts of links, right links and matches, by bin of the threshold."""

    links: Indices
    right: Numbers
    matches: float
    unseen_coincidences: float

    def wrong(self) -> Numbers:
        """Expected wrong links, those that no pair inside a dataset could show among them."""
        found = np.maximum(self.links - self.right, 0.0) + self.unseen_coincidences
        return np.asarray(np.minimum(found, self.links), dtype=np.float64)

    def wrong_between(self) -> tuple[Numbers, Numbers]:
        """How many links are wrong at least, and at most, in 95 of 100 linkages."""
        least, most = between(self.wrong(), self.wrong(), SCORE_SPREAD)
        return np.floor(least), np.minimum(most, self.links)

    def surely_right(self) -> Numbers:
        """The lower end of the precision's interval."""
        return np.asarray(1 - self.wrong_between()[1] / np.maximum(self.links, 1), dtype=np.float64)

    def precision(self) -> Numbers:
        return np.asarray(1 - self.wrong() / np.maximum(self.links, 1), dtype=np.float64)

    def recall(self) -> Numbers:
        return np.asarray(self.right / max(self.matches, 1e-9), dtype=np.float64)

    def gain(self, cost_ratio: float | None) -> Numbers:
        """Expected F1; or, if it is said what a wrong link costs, right links less that."""
        if cost_ratio is None:
            return np.asarray(2 * self.right / np.maximum(self.links + self.matches, 1e-9), dtype=np.float64)
        return np.asarray(self.right - cost_ratio * (self.links - self.right), dtype=np.float64)


def estimate_threshold(
    compared: Sequence[Compared],
    *,
    encoded: Sequence[int],
    may_have_duplicates: Sequence[bool],
    floor: float,
    target_precision: float,
    cost_ratio: float | None = None,
    fixed: float | None = None,
    wrong_by_key: Sequence[float] = (),
) -> ThresholdEstimate:
    """Estimate the threshold, or how good a fixed one is. The key issuer runs this before `clusters`.

    Args:
        compared: candidate pairs of every two datasets and of every dataset with itself.
        encoded: for each dataset, the records that could be compared.
        may_have_duplicates: for each dataset, whether it may hold several records of one person.
        floor: lowest Dice coefficient that candidates were kept from.
        target_precision: share of links that must be right, from 0.5 to below 1: the lower end of its interval must
            reach it.
        cost_ratio: how many missed links are as bad as a wrong one; None for the highest F1.
        fixed: a threshold to judge instead of finding one.
        wrong_by_key: for each comparison, how many of its pairs that share a match key are expected to be of two
            people; empty where there are no match keys.

    Returns:
        The threshold and the estimates. Where the datasets are too small to tell, a cautious threshold
        without estimates; where no threshold reaches the target, one above 1, at which nothing links.

    Leaks: shapes of score distributions, which are aggregates over all records.
    """
    lowest = int(levels(np.array([floor]))[0]) // BIN_LEVELS
    candidates = _candidates(compared, encoded, may_have_duplicates, lowest, wrong_by_key)
    fits = [_fit(each, lowest) for each in candidates]
    unseen = _unseen_coincidences(compared, encoded)
    cuts = _cuts(candidates, fits, unseen)
    across = [place for place, each in enumerate(candidates) if not each.within]
    cuts_across = _cuts([candidates[each] for each in across], [fits[each] for each in across], unseen)
    evidence = _evidence(candidates, fits, cuts)
    possible = sum(
        _possible_pairs(each, encoded) for each in compared if _may_link(each, may_have_duplicates)
    )
    if possible < FEWEST_COMPARED:
        method = "too few records to estimate a threshold from: a cautious one, without estimates"
        return ThresholdEstimate(fixed or CAUTIOUS_THRESHOLD, None, None, method, evidence)
    if fixed is not None:
        chosen, method = int(levels(np.array([fixed]))[0]) // BIN_LEVELS, "fixed by the agreement"
        return _estimate(fixed, chosen, cuts, f"{method}; estimates {_source(may_have_duplicates)}", evidence)
    # Links inside datasets must not make those between them look better.
    good = np.minimum(cuts.surely_right(), cuts_across.surely_right()) >= target_precision
    good &= (cuts.links >= FEWEST_LINKS) & (np.arange(BINS) >= lowest)
    good[SHARED_KEY_BIN] = (
        False  # At a Dice coefficient of 1, pairs that share a match key link, and hardly any other.
    )
    return _best(cuts, good, cost_ratio, f"estimated {_source(may_have_duplicates)}", evidence)


def _unseen_coincidences(compared: Sequence[Compared], encoded: Sequence[int]) -> float:
    """As many wrong links as may hide behind pairs inside datasets that show none."""

    def possible(within: bool) -> int:
        return sum(_possible_pairs(each, encoded) for each in compared if (each.left == each.right) == within)

    return unseen_coincidences(encoded, possible(within=False), possible(within=True))


def _best(
    cuts: _Cuts, good: NDArray[np.bool_], cost_ratio: float | None, method: str, evidence: Evidence
) -> ThresholdEstimate:
    if not good.any():
        return ThresholdEstimate(NOTHING_LINKS, None, None, method + _NOTHING, evidence)
    # Of equal ones the highest, as it needs the fewest links.
    chosen = BINS - 1 - int(np.argmax(np.where(good, cuts.gain(cost_ratio), -np.inf)[::-1]))
    return _estimate(chosen * BIN_LEVELS / LEVELS_IN_ONE, chosen, cuts, method, evidence)


def _estimate(
    threshold: float, chosen: int, cuts: _Cuts, method: str, evidence: Evidence
) -> ThresholdEstimate:
    if chosen >= BINS or not cuts.links[chosen]:
        return ThresholdEstimate(threshold, None, None, method, evidence)
    least, most = (float(each[chosen]) for each in cuts.wrong_between())
    links, recall = int(cuts.links[chosen]), float(cuts.recall()[chosen])
    precision = Interval(min(float(cuts.precision()[chosen]), 1.0), 1 - most / links, 1 - least / links)
    return ThresholdEstimate(threshold, precision, min(recall, 1.0), method, evidence)


def _source(may_have_duplicates: Sequence[bool]) -> str:
    if all(may_have_duplicates):
        return "from the shape of the score distribution, as every dataset may have duplicates"
    return "from the scores of pairs inside datasets without duplicates"


def _may_link(compared: Compared, may_have_duplicates: Sequence[bool]) -> bool:
    return compared.left != compared.right or may_have_duplicates[compared.left]


def _possible_pairs(compared: Compared, encoded: Sequence[int]) -> int:
    left, right = encoded[compared.left], encoded[compared.right]
    return left * (left - 1) // 2 if compared.left == compared.right else left * right


# 1. How alike different people are.


def _candidates(
    compared: Sequence[Compared],
    encoded: Sequence[int],
    may_have_duplicates: Sequence[bool],
    lowest: int,
    wrong_by_key: Sequence[float],
) -> list[_Candidates]:
    rates = _rates_of_non_matches(compared, encoded, may_have_duplicates, lowest)
    made = []
    for place, each in enumerate(compared):
        if not _may_link(each, may_have_duplicates):
            continue
        own = [rates[dataset] for dataset in {each.left, each.right} if dataset in rates]
        non_matches = np.mean(own or list(rates.values()), axis=0) * _possible_pairs(each, encoded)
        non_matches[SHARED_KEY_BIN] = wrong_by_key[place] if wrong_by_key else 0.0
        within = each.left == each.right
        competing = Competing(
            np.unique(each.pairs.left, return_inverse=True)[1],
            np.unique(each.pairs.right, return_inverse=True)[1],
            (encoded[each.left], encoded[each.right]),
            one_left=not within and not may_have_duplicates[each.right],
            one_right=not within and not may_have_duplicates[each.left],
        )
        made.append(
            _Candidates(
                pairs=competing,
                scores=each.pairs.dice,
                bins=levels(each.pairs.dice) // BIN_LEVELS,
                within=within,
                non_matches=non_matches,
            )
        )
    return made


def _rates_of_non_matches(
    compared: Sequence[Compared], encoded: Sequence[int], may_have_duplicates: Sequence[bool], lowest: int
) -> dict[int, Numbers]:
    """For each dataset without duplicates, the share of pairs of different people in each bin.

    Without such a dataset, the one entry -1 stands in for all.
    """
    clean = {
        each.left: _with_smooth_tail(_without_duplicates(each, compared, encoded), lowest)
        / max(_possible_pairs(each, encoded), 1)
        for each in compared
        if each.left == each.right and not may_have_duplicates[each.left]
    }
    return clean or {-1: _rate_by_shape(compared, encoded, lowest)}


def _without_duplicates(within: Compared, compared: Sequence[Compared], encoded: Sequence[int]) -> Numbers:
    """Counts by bin inside a dataset, less the pairs that look like a few duplicates nobody declared.

    Nearly equal records are matches, inside as between datasets, unless there are many of them inside. So the
    counts are a small share of those between datasets, matches and all, and of pairs of different people.
    """
    inside = _counts_of(within)
    between = [
        each for each in compared if each.left != each.right and within.left in (each.left, each.right)
    ]
    if not between or inside[NEARLY_EQUAL:].sum() < FEWEST_LINKS:
        return inside
    most = max(between, key=lambda each: float(_counts_of(each)[NEARLY_EQUAL:].sum()))
    outside = _counts_of(most)
    share = inside[NEARLY_EQUAL:].sum() / max(outside[NEARLY_EQUAL:].sum(), 1.0)
    relative = share * _possible_pairs(most, encoded) / max(_possible_pairs(within, encoded), 1)
    if relative > MOST_UNDECLARED:
        return inside
    return np.asarray(np.maximum(inside - share * outside, 0.0) / (1 - relative), dtype=np.float64)


def _counts_of(compared: Compared) -> Numbers:
    return _count(levels(compared.pairs.dice) // BIN_LEVELS)


def _with_smooth_tail(counts: Numbers, lowest: int) -> Numbers:
    """The counts, the last few of them replaced by an exponential tail of the same mean excess."""
    edges = np.arange(BINS + 1) * BIN_LEVELS / LEVELS_IN_ONE
    above = _from_the_top(counts)
    enough = np.flatnonzero(above >= TAIL_PAIRS)
    start = int(enough[-1]) if len(enough) else lowest
    excess = (counts[start:] * (edges[start:-1] - edges[start] + BIN_LEVELS / LEVELS_IN_ONE / 2)).sum()
    tail = above[start] * _exponential(edges - edges[start], above[start] / excess if excess else UNSEEN_FALL)
    unseen = _exponential(edges - edges[lowest], UNSEEN_FALL)
    return np.where(np.arange(BINS) > start, tail, counts) + unseen


def _exponential(distance: Numbers, fall: float) -> Numbers:
    """Share of an exponential distribution between neighbours in `distance`."""
    return -np.diff(np.exp(-fall * np.maximum(distance, 0)))


def _rate_by_shape(compared: Sequence[Compared], encoded: Sequence[int], lowest: int) -> Numbers:
    """The curve with the fewest high scores, followed down while it is steep, then continued downhill."""
    curves = [
        (_counts_of(each), _possible_pairs(each, encoded))
        for each in compared
        if _possible_pairs(each, encoded) >= FEWEST_COMPARED
    ]
    if not curves:
        return np.zeros(BINS)
    middle = (lowest + BINS) // 2
    counts, possible = min(curves, key=lambda curve: float(curve[0][middle:].sum()) / curve[1])
    return _continued_downhill(counts, lowest) / possible


def _continued_downhill(counts: Numbers, lowest: int) -> Numbers:
    smooth = np.convolve(counts, np.full(SHAPE_BINS, 1 / SHAPE_BINS), mode="same")
    last, steepest = lowest, 0.0
    # Where the curve is not even half as steep as it was, matches have begun to fill it up.
    for place in range(lowest, BINS - SHAPE_BINS):
        if smooth[place + SHAPE_BINS] < 1:
            break
        drop = float(np.log(smooth[place] / smooth[place + SHAPE_BINS]))
        if drop < steepest / 2:
            break
        last, steepest = place, max(steepest, drop)
    start = max(lowest, last - 2 * SHAPE_BINS)
    fall = float(np.log((smooth[start] + 1e-9) / (smooth[last] + 1e-9))) / max(last - start, 1)
    fall = max(SHAPE_CAUTION * fall, UNSEEN_FALL * BIN_LEVELS / LEVELS_IN_ONE / 2)
    steps = np.arange(BINS) - last
    return np.where(steps > 0, smooth[last] * np.exp(-fall * np.maximum(steps, 0)), counts)


# 2. Which pairs are more than that.


@dataclass(frozen=True, slots=True)
class _Fit:
    """Posterior of each candidate pair, and their sums by bin."""

    posteriors: Numbers
    matches: Numbers


def _fit(candidates: _Candidates, lowest: int) -> _Fit:
    non_matches = candidates.non_matches + 1e-6
    matches = np.maximum(_count(candidates.bins) - non_matches, 0.0)
    posteriors = np.zeros(len(candidates.bins))
    for _ in range(REFITS):
        odds = _odds(matches, non_matches, lowest)[candidates.bins]
        posteriors = probabilities(candidates.pairs, odds, float(matches.sum()))
        matches = np.bincount(candidates.bins, posteriors, minlength=BINS)
    return _Fit(posteriors, matches)


def _odds(matches: Numbers, non_matches: Numbers, lowest: int) -> Numbers:
    """Odds by bin: rising with the Dice coefficient; of pairs that share a match key, as they are."""
    by_dice = _odds_by_dice(matches[:SHARED_KEY_BIN], non_matches[:SHARED_KEY_BIN], lowest)
    by_key = (matches[SHARED_KEY_BIN] + 1e-6) / non_matches[SHARED_KEY_BIN]
    return np.append(by_dice, min(float(by_key), MOST_ODDS))


def _odds_by_dice(matches: Numbers, non_matches: Numbers, lowest: int) -> Numbers:
    """Odds by bin, rising with the score; where they are low, matches are continued instead of read off."""
    bins = len(matches)
    odds = np.zeros(bins)
    odds[lowest:] = _rising((matches[lowest:] + 1e-6) / non_matches[lowest:], non_matches[lowest:])
    read = int(np.argmax(odds >= LOWEST_READ_ODDS)) if odds[-1] >= LOWEST_READ_ODDS else bins - 1
    below = np.maximum(read - np.arange(bins), 0) * BIN_LEVELS / LEVELS_IN_ONE
    # What is read at one bin may be chance: it is no more than what the bins above it hold on average.
    at_read = min(odds[read] * non_matches[read], matches[read : read + BINS_ABOVE].mean())
    fewer = at_read * np.exp(-MATCHES_FALL * below)
    return np.minimum(np.where(below > 0, np.minimum(odds, fewer / non_matches), odds), MOST_ODDS)


def _rising(values: Numbers, weights: Numbers) -> Numbers:
    """The non-decreasing sequence nearest to `values`: neighbours that fall are pooled.

    Source: pool adjacent violators, Barlow et al. (1972).
    """
    pools: list[tuple[float, float, int]] = []
    for value, weight in zip(values.tolist(), weights.tolist(), strict=True):
        pool = (value, weight, 1)
        while pools and pools[-1][0] > pool[0]:
            before = pools.pop()
            together = before[1] + pool[1]
            mean = (before[0] * before[1] + pool[0] * pool[1]) / together
            pool = (mean, together, before[2] + pool[2])
        pools.append(pool)
    return np.repeat([pool[0] for pool in pools], [pool[2] for pool in pools])


# 3. Where to cut.


def _cuts(candidates: Sequence[_Candidates], fits: Sequence[_Fit], unseen_coincidences: float) -> _Cuts:
    links, right = np.zeros(BINS), np.zeros(BINS)
    for each, fit in zip(candidates, fits, strict=True):
        linked = taken(each.pairs, each.scores)
        links += _count(each.bins[linked])
        right += np.bincount(each.bins[linked], fit.posteriors[linked], minlength=BINS)
    return _Cuts(
        links=_from_the_top(links).round().astype(np.int64),
        right=_from_the_top(right),
        matches=float(sum(fit.matches.sum() for fit in fits)),
        unseen_coincidences=unseen_coincidences,
    )


def _from_the_top(counts: Numbers) -> Numbers:
    return np.cumsum(counts[::-1])[::-1]


def _count(bins: Indices) -> Numbers:
    return np.bincount(bins, minlength=BINS).astype(np.float64)


def _evidence(candidates: Sequence[_Candidates], fits: Sequence[_Fit], cuts: _Cuts) -> Evidence:
    zero = np.zeros(BINS)
    return Evidence(
        lower_edge=_read_only(np.arange(BINS) * BIN_LEVELS / LEVELS_IN_ONE),
        pairs=_read_only(sum((_count(each.bins) for each in candidates), zero).astype(np.int64)),
        expected_non_matches=_read_only(sum((each.non_matches for each in candidates), zero)),
        expected_matches=_read_only(sum((fit.matches for fit in fits), zero)),
        links=_read_only(cuts.links.copy()),
        right_links=_read_only(cuts.right.copy()),
        wrong_links=_read_only(cuts.wrong()),
        least_wrong=_read_only(cuts.wrong_between()[0]),
        most_wrong=_read_only(cuts.wrong_between()[1]),
        expected_matches_of_comparisons=tuple(float(fit.matches.sum()) for fit in fits),
    )


def _read_only(values: NDArray[Any]) -> NDArray[Any]:
    values.flags.writeable = False
    return values
