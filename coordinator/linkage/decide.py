"""From candidate pairs of all passes to posteriors, a threshold, and what to expect of it. The key issuer runs this.

1. `merged`: a pair that several passes found is one pair, with the pattern of the first of them.
2. `calibrate.learn`: the model, fitted to pairs across all passes, and its odds held against controls.
3. Posteriors: for each draw of what the calibration leaves open, under competition; a pair's is their mean.
4. Intervals: for each number of best pairs, how many of them are wrong, and how many matches are missed.
5. Threshold: among those with the lower end of the precision's interval at the target or above, for all links and for
   those between datasets, the best one: with the highest expected F1, or with the least cost where the agreement says
   what a wrong link costs.

Matches that no pass has found can't be told from those that one pass has found, because passes aren't independent:
they lie between none and about as many (the first-order jackknife). `UNSEEN_SHARE` of them are expected.

Source: 3-linkage-method, 3.3 to 3.5; Burnham and Overton (1979) for the jackknife.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from coordinator.linkage.calibrate import Learnt, OwnPairs, learn
from coordinator.linkage.certainty import CAREFUL_SPREAD, MISSED_SPREAD, MODEL_SPREAD, Interval, between
from coordinator.linkage.compare import Pairs
from coordinator.linkage.competition import Competing, taken
from coordinator.linkage.model import Comparison, Roles, posteriors_of
from coordinator.linkage.solve import Compared
from pprl.protocol.levels import Patterns

# Pairs with a posterior below this are never linked.
LEAST_POSTERIOR = 0.01
# Only pairs with at least this posterior say which matches the passes miss: the rest are mostly strangers.
LIKELY = 0.5
FREE_ROUNDS = 3
# Matches found by no pass for each one found by one pass alone, and the standard deviation of that.
UNSEEN_SHARE, UNSEEN_DEVIATION = 0.4, 0.29
NOTHING_LINKS = 1.0001
# Thresholds of the curve: posteriors whose log2 odds are these.
CURVE_LOG2_ODDS = np.arange(-6.0, 14.0, 0.5)

Numbers = NDArray[np.float64]
Indices = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class PassPairs:
    """The pairs that one pass has found in one comparison, by record.

    Attributes:
        left: left record of each pair.
        right: right record of each pair; within a dataset the larger of the two.
        patterns: pattern of each pair.
    """

    left: Indices
    right: Indices
    patterns: Patterns


@dataclass(frozen=True, slots=True)
class CurvePoint:
    """What a threshold from a fixed grid would give, as `Decision` says of the chosen one."""

    threshold: float
    links: int
    precision: Interval | None
    recall: Interval | None


@dataclass(frozen=True, slots=True)
class Decision:
    """What the issuer has decided.

    Attributes:
        compared: pairs with their posteriors, for `solve.clusters`; those inside clean datasets aren't there.
        threshold: lowest posterior that may link; above 1 if it was to be found and none is good enough.
        links: pairs at or above the threshold that aren't ruled out by better ones.
        precision: share of links that are right; None without links.
        recall: share of matches that are linked, those that no pass found among them; None without links.
        matches: expected number of matches among the candidates.
        unseen: expected number of matches that no pass has found.
        learnt: the model and its evidence, for the report.
        curve: what other thresholds would give, for the report.
    """

    compared: tuple[Compared, ...]
    threshold: float
    links: int
    precision: Interval | None
    recall: Interval | None
    matches: float
    unseen: float
    learnt: Learnt
    curve: tuple[CurvePoint, ...]


@dataclass(frozen=True, slots=True)
class Merged:
    """A comparison over all passes, each pair once, and how many passes found it."""

    comparison: Comparison
    passes: Indices


def merged(
    left_dataset: int,
    right_dataset: int,
    found: Sequence[PassPairs],
    *,
    rows: Sequence[int],
    clean: Sequence[bool],
) -> Merged:
    """Put the passes of one comparison together.

    Args:
        left_dataset: index of the left dataset.
        right_dataset: index of the right one; the same for pairs within.
        found: the pairs of each pass, in the agreement's order of passes.
        rows: for each dataset, the records that could be compared.
        clean: for each dataset, whether it has one record a person.
    """
    left = np.concatenate([np.empty(0, np.int64), *(each.left for each in found)])
    right = np.concatenate([np.empty(0, np.int64), *(each.right for each in found)])
    patterns = np.concatenate([np.empty(0, np.uint64), *(each.patterns for each in found)])
    # Stable, so that the first pass comes first among equal pairs.
    order = np.lexsort((right, left))
    left, right = left[order], right[order]
    new = np.ones(len(left), dtype=bool)
    new[1:] = (left[1:] != left[:-1]) | (right[1:] != right[:-1])
    starts = np.flatnonzero(new)
    within = left_dataset == right_dataset
    pairs = Competing(
        left[starts],
        right[starts],
        (rows[left_dataset], rows[right_dataset]),
        one_left=not within and clean[right_dataset],
        one_right=not within and clean[left_dataset],
    )
    comparison = Comparison(left_dataset, right_dataset, pairs, patterns[order][starts])
    return Merged(comparison, np.diff(np.append(starts, len(left))))


def decide(
    comparisons: Sequence[Merged],
    own_pairs: Sequence[OwnPairs],
    *,
    random: Numbers,
    roles: Roles,
    clean: Sequence[bool],
    target_precision: float,
    cost_ratio: float | None = None,
    fixed: float | None = None,
) -> Decision:
    """Learn, weigh and decide. The key issuer runs this before `solve.clusters`.

    Args:
        comparisons: every two datasets, and every dataset with duplicates with itself.
        own_pairs: of every dataset.
        random: probability of each level for random pairs, shape (fields, 13).
        roles: what the fields are.
        clean: for each dataset, whether it has one record a person.
        target_precision: share of links that must be right: the lower end of its interval must reach it.
        cost_ratio: how many missed links are as bad as a wrong one; None for the highest F1.
        fixed: a threshold to judge instead of finding one.

    Returns:
        The decision; nothing links where no threshold is good enough.

    Leaks: to the key issuer, which records are likely to be one person's. Estimates are aggregates.
    """
    learnt = learn([each.comparison for each in comparisons], own_pairs, random, roles, clean)
    drawn = [_in_draws(learnt, index) for index in range(len(learnt.comparisons))]
    means = [each.mean(axis=0) for each in drawn]
    found_once = _found_once([each.passes for each in comparisons], means)
    ranked = _Ranked.of(learnt, drawn, means, found_once)
    cut = ranked.cut(target_precision, cost_ratio) if fixed is None else ranked.reaching(fixed)
    lowest = float(ranked.scores[cut - 1]) if cut else NOTHING_LINKS
    return Decision(
        compared=tuple(_compared(each, mean) for each, mean in zip(learnt.comparisons, means, strict=True)),
        threshold=lowest if fixed is None else fixed,
        links=cut,
        precision=ranked.precision(cut) if cut else None,
        recall=ranked.recall(cut) if cut else None,
        matches=float(ranked.matches.mean()),
        unseen=UNSEEN_SHARE * found_once,
        learnt=learnt,
        curve=tuple(ranked.at(odds) for odds in CURVE_LOG2_ODDS),
    )


def _in_draws(learnt: Learnt, index: int) -> NDArray[np.float32]:
    """Posterior of each pair in each draw, shape (draws, pairs)."""
    pairs, weights = learnt.comparisons[index].pairs, learnt.weights[index]
    found = np.zeros((len(learnt.calibration.draws), len(weights)), dtype=np.float32)
    for draw, (a, b) in enumerate(learnt.calibration.draws):
        expected = learnt.expected_matches[index]
        for _ in range(FREE_ROUNDS):
            posterior = posteriors_of(pairs, a + b * weights, expected)
            expected = float(posterior.sum())
        found[draw] = posterior
    return found


def _compared(comparison: Comparison, posterior: Numbers) -> Compared:
    kept = posterior >= LEAST_POSTERIOR
    left, right = comparison.pairs.left[kept], comparison.pairs.right[kept]
    pairs = Pairs(left.astype(np.uint32), right.astype(np.uint32), posterior[kept].astype(np.float64))
    return Compared(comparison.left_dataset, comparison.right_dataset, pairs)


def _found_once(passes: Sequence[Indices], means: Sequence[Numbers]) -> float:
    """Expected matches, of the likely ones, that a single pass has found."""
    likely = [mean[(count == 1) & (mean >= LIKELY)] for count, mean in zip(passes, means, strict=True)]
    return float(sum(each.sum() for each in likely))


@dataclass(frozen=True, slots=True)
class _Tally:
    """What the first one, two, ... pairs would be as links.

    Attributes:
        links: how many of them count, ascending.
        right: how many of those are right in each draw, shape (draws, pairs).
        wrong: expected wrong ones, those that no own pair could show among them.
        variance: of the wrong ones.
    """

    links: Numbers
    right: Numbers
    wrong: Numbers
    variance: Numbers

    @staticmethod
    def of(in_draws: Numbers, counts: NDArray[np.bool_], unseen: float, clump: float) -> _Tally:
        links = np.cumsum(counts, dtype=np.float64)
        right = np.cumsum(in_draws * counts, axis=1)
        wrong = links - right.mean(axis=0) + unseen
        return _Tally(links, right, wrong, clump * wrong + right.var(axis=0))

    def surely_right(self) -> Numbers:
        """The lower end of the precision's interval."""
        most = between(self.wrong, self.variance, MODEL_SPREAD)[1]
        return np.asarray(1 - most / np.maximum(self.links, 1), dtype=np.float64)


@dataclass(frozen=True, slots=True)
class _Ranked:
    """The pairs that are linked when the best come first, over all comparisons, in falling order of posterior.

    Attributes:
        scores: posteriors.
        every: all pairs.
        across: those between datasets, which the links inside datasets must not make look better.
        matches: expected matches among the candidates in each draw.
        found_once: expected matches that one pass alone has found.
    """

    scores: Numbers
    every: _Tally
    across: _Tally
    matches: Numbers
    found_once: float

    @staticmethod
    def of(
        learnt: Learnt, drawn: Sequence[NDArray[np.float32]], means: Sequence[Numbers], found_once: float
    ) -> _Ranked:
        scores, in_draws, clumps = [np.empty(0)], [np.empty((len(learnt.calibration.draws), 0))], [1.0]
        is_across = [np.empty(0, dtype=bool)]
        for comparison, each, mean in zip(learnt.comparisons, drawn, means, strict=True):
            likely = np.flatnonzero(mean >= LEAST_POSTERIOR)
            pairs = comparison.pairs
            some = Competing(
                pairs.left[likely], pairs.right[likely], pairs.rows, pairs.one_left, pairs.one_right
            )
            links = likely[taken(some, mean[likely])]
            scores.append(mean[links].astype(np.float64))
            in_draws.append(each[:, links].astype(np.float64))
            is_across.append(np.full(len(links), not comparison.within))
            clumps += [_clump(pairs.left[links]), _clump(pairs.right[links])]
        together = np.concatenate(scores)
        order = np.argsort(-together, kind="stable")
        ordered = np.concatenate(in_draws, axis=1)[:, order]
        counts = np.concatenate(is_across)[order]
        unseen, clump = learnt.unseen_coincidences, max(clumps)
        return _Ranked(
            together[order],
            _Tally.of(ordered, np.ones_like(counts), unseen, clump),
            _Tally.of(ordered, counts, unseen, clump),
            np.sum([each.sum(axis=1, dtype=np.float64) for each in drawn], axis=0),
            found_once,
        )

    def cut(self, target: float, cost_ratio: float | None) -> int:
        """How many of the best to link."""
        if not len(self.scores):
            return 0
        links, right = self.every.links, self.every.right.mean(axis=0)
        good = np.minimum(self.every.surely_right(), self.across.surely_right()) >= target
        # Pairs of equal posterior stand or fall together.
        good[:-1] &= self.scores[1:] < self.scores[:-1]
        if cost_ratio is None:
            gain = 2 * right / (links + max(self.matches.mean(), 1e-9))
        else:
            gain = right - cost_ratio * (links - right)
        return int(np.argmax(np.where(good, gain, -np.inf))) + 1 if good.any() else 0

    def reaching(self, threshold: float) -> int:
        """How many of the best have at least this posterior."""
        return int((self.scores >= threshold).sum())

    def at(self, log2_odds: float) -> CurvePoint:
        """What linking all pairs from these odds on would give."""
        threshold = float(1 / (1 + 2.0**-log2_odds))
        cut = self.reaching(threshold)
        if not cut:
            return CurvePoint(threshold, 0, None, None)
        return CurvePoint(threshold, cut, self.precision(cut), self.recall(cut))

    def precision(self, cut: int) -> Interval:
        """The share of the first `cut` links that are right."""
        least, most = self._wrong_between(cut)
        expected = float(self.every.wrong[cut - 1])
        return Interval(*(max(1 - each / cut, 0.0) for each in (expected, most, least)))

    def recall(self, cut: int) -> Interval:
        """The share of all matches that are among the first `cut` links."""
        seen = self.matches - self.every.right[:, cut - 1]
        missed = max(float(seen.mean()), 0.0) + UNSEEN_SHARE * self.found_once
        variance = missed + seen.var() + (UNSEEN_DEVIATION * self.found_once) ** 2
        few, many = between(np.array(missed), np.array(variance), MISSED_SPREAD)
        least, most = self._wrong_between(cut)
        right = float(self.every.right[:, cut - 1].mean())

        def share(links: float, lost: float) -> float:
            return links / max(links + lost, 1e-9)

        return Interval(
            share(right, missed),
            share(max(cut - most, 0.0), float(many)),
            share(cut - least, float(np.floor(few))),
        )

    def _wrong_between(self, cut: int) -> tuple[float, float]:
        least, most = between(
            self.every.wrong[cut - 1], self.every.variance[cut - 1], MODEL_SPREAD, CAREFUL_SPREAD
        )
        # Links are whole: fewer than one wrong link may be none.
        return float(np.floor(least)), float(most)


def _clump(records: Indices) -> float:
    """How many pairs a pair's record has, on average over pairs: where one is wrong, the others often are too."""
    degrees = np.unique(records, return_counts=True)[1].astype(np.float64)
    return float((degrees**2).sum() / max(degrees.sum(), 1.0))
