"""From candidate pairs of all passes to posteriors, a threshold, and what to expect of it. The key issuer runs this.

1. `merged`: a pair that several passes found is one pair, with the pattern of the first of them.
2. `calibrate.learn`: the model, fitted to pairs across all passes, and its odds held against controls.
3. Posteriors: for each draw of what the calibration leaves open, under competition; a pair's is their mean.
4. Threshold: pairs are linked from the best down. Among the thresholds whose precision reaches the target in nine
   draws of ten, the one with the highest expected F1.
5. Intervals: of the same links, precision and recall in each draw, with the chance that remains if a draw is right.

Source: 3-linkage-method, 3.3 to 3.5; Chao (1987) for matches that no pass found.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from coordinator.linkage.calibrate import Controls, Learnt, learn
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
# Share of the draws that may miss the target precision.
DOUBT = 0.1
NOTHING_LINKS = 1.0001
# Thresholds of the curve: posteriors whose log2 odds are these.
CURVE_LOG2_ODDS = np.arange(-6.0, 14.0, 0.5)
# Nine equally likely standard normal values, and the share that an interval holds.
_NORMAL = np.array([-1.593, -0.967, -0.589, -0.282, 0.0, 0.282, 0.589, 0.967, 1.593])
COVERAGE = 0.95

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
class Interval:
    """An estimate with an interval of nominally 95 %; it holds the truth less often (decision 0003).

    Attributes:
        estimate: the expected share.
        lower: lower end of the interval.
        upper: upper end.
    """

    estimate: float
    lower: float
    upper: float


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
        threshold: lowest posterior that may link; above 1 if no threshold is good enough.
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
    controls: Sequence[Controls],
    *,
    random: Numbers,
    roles: Roles,
    clean: Sequence[bool],
    target_precision: float,
) -> Decision:
    """Learn, weigh and decide. The key issuer runs this before `solve.clusters`.

    Args:
        comparisons: every two datasets, and every dataset with duplicates with itself.
        controls: of every dataset without duplicates.
        random: probability of each level for random pairs, shape (fields, 13).
        roles: what the fields are.
        clean: for each dataset, whether it has one record a person.
        target_precision: share of links that must be right.

    Returns:
        The decision; nothing links where no threshold is good enough.

    Leaks: to the key issuer, which records are likely to be one person's. Estimates are aggregates.
    """
    learnt = learn([each.comparison for each in comparisons], controls, random, roles, clean)
    drawn = [_in_draws(learnt, index) for index in range(len(learnt.comparisons))]
    means = [each.mean(axis=0) for each in drawn]
    ranked = _Ranked.of(learnt, drawn, means)
    by_id = {id(each.comparison): each.passes for each in comparisons}
    unseen = _unseen([by_id[id(each)] for each in learnt.comparisons], means)
    matches = float(sum(each.sum() for each in means))
    cut = ranked.cut(target_precision, matches)
    return Decision(
        compared=tuple(_compared(each, mean) for each, mean in zip(learnt.comparisons, means, strict=True)),
        threshold=float(ranked.scores[cut - 1]) if cut else NOTHING_LINKS,
        links=cut,
        precision=ranked.precision(cut) if cut else None,
        recall=ranked.recall(cut, drawn, unseen) if cut else None,
        matches=matches,
        unseen=unseen,
        learnt=learnt,
        curve=tuple(ranked.at(odds, drawn, unseen) for odds in CURVE_LOG2_ODDS),
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


def _unseen(passes: Sequence[Indices], means: Sequence[Numbers]) -> float:
    """Matches that no pass has found, from the likely ones that one pass and that two have: Chao's lower bound."""

    def found_by(number: int) -> float:
        likely = [
            mean[(count == number) & (mean >= LIKELY)] for count, mean in zip(passes, means, strict=True)
        ]
        return float(sum(each.sum() for each in likely))

    once, twice = found_by(1), found_by(2)
    return once * max(once - 1, 0.0) / (2 * (twice + 1))


@dataclass(frozen=True, slots=True)
class _Ranked:
    """The pairs that are linked when the best come first, over all comparisons, in falling order of posterior."""

    scores: Numbers
    in_draws: NDArray[np.float32]

    @staticmethod
    def of(learnt: Learnt, drawn: Sequence[NDArray[np.float32]], means: Sequence[Numbers]) -> _Ranked:
        scores, in_draws = [np.empty(0)], [np.empty((len(learnt.calibration.draws), 0), np.float32)]
        for comparison, each, mean in zip(learnt.comparisons, drawn, means, strict=True):
            likely = np.flatnonzero(mean >= LEAST_POSTERIOR)
            pairs = comparison.pairs
            some = Competing(
                pairs.left[likely], pairs.right[likely], pairs.rows, pairs.one_left, pairs.one_right
            )
            links = likely[taken(some, mean[likely])]
            scores.append(mean[links].astype(np.float64))
            in_draws.append(each[:, links])
        together = np.concatenate(scores)
        order = np.argsort(-together, kind="stable")
        return _Ranked(together[order], np.concatenate(in_draws, axis=1)[:, order])

    def cut(self, target: float, matches: float) -> int:
        """How many of the best to link."""
        if not len(self.scores):
            return 0
        right = np.cumsum(self.scores)
        links = np.arange(1, len(right) + 1)
        f1 = 2 * right / (links + max(matches, 1e-9))
        cautious = np.quantile(np.cumsum(self.in_draws, axis=1, dtype=np.float64) / links, DOUBT, axis=0)
        good = cautious >= target
        # Pairs of equal posterior stand or fall together.
        good[:-1] &= self.scores[1:] < self.scores[:-1]
        return int(np.argmax(np.where(good, f1, -1.0))) + 1 if good.any() else 0

    def at(self, log2_odds: float, drawn: Sequence[NDArray[np.float32]], unseen: float) -> CurvePoint:
        """What linking all pairs from these odds on would give."""
        threshold = float(1 / (1 + 2.0**-log2_odds))
        cut = int((self.scores >= threshold).sum())
        if not cut:
            return CurvePoint(threshold, 0, None, None)
        return CurvePoint(threshold, cut, self.precision(cut), self.recall(cut, drawn, unseen))

    def precision(self, cut: int) -> Interval:
        """The share of the first `cut` links that are right."""
        right, spread = self._right(cut)
        return _interval(right / cut, spread / cut)

    def recall(self, cut: int, drawn: Sequence[NDArray[np.float32]], unseen: float) -> Interval:
        """The share of all matches that are among the first `cut` links."""
        right, spread = self._right(cut)
        total = np.sum([each.sum(axis=1, dtype=np.float64) for each in drawn], axis=0) + unseen
        return _interval(right / np.maximum(total, 1e-9), spread / np.maximum(total, 1e-9))

    def _right(self, cut: int) -> tuple[Numbers, Numbers]:
        linked = self.in_draws[:, :cut].astype(np.float64)
        return linked.sum(axis=1), np.sqrt((linked * (1 - linked)).sum(axis=1))


def _interval(shares: Numbers, spreads: Numbers) -> Interval:
    possible = np.clip(shares[:, None] + spreads[:, None] * _NORMAL[None, :], 0.0, 1.0)
    lower, upper = np.quantile(possible, [(1 - COVERAGE) / 2, (1 + COVERAGE) / 2])
    return Interval(float(min(shares.mean(), 1.0)), float(lower), float(upper))
