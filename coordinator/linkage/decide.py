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

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from coordinator.linkage.calibrate import Learnt, OwnPairs, learn
from coordinator.linkage.certainty import CAREFUL_SPREAD, MISSED_SPREAD, MODEL_SPREAD, Interval, between
from coordinator.linkage.compare import Pairs
from coordinator.linkage.competition import Competing, Kinds, Records, taken
from coordinator.linkage.model import Comparison, Roles, Side, odds_of
from coordinator.linkage.solve import Compared
from pprl.protocol.levels import Patterns, compiled

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
    """The pairs that one pass has found in one comparison, by record, each once.

    Attributes:
        left: left record of each pair.
        right: right record of each pair; within a dataset the larger of the two.
        patterns: pattern of each pair.
    """

    left: Records
    right: Records
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
    """A comparison over all passes, each pair once.

    Attributes:
        comparison: the pairs, in ascending order of left, then right record.
        found_by: mask of the passes that have found each pair: bit i for pass i.
    """

    comparison: Comparison
    found_by: NDArray[np.uint64]

    @property
    def passes(self) -> NDArray[np.uint8]:
        """How many passes have found each pair."""
        return np.bitwise_count(self.found_by)


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
        found: the pairs of each pass, in the agreement's order of passes, of which there are at most 64.
        rows: for each dataset, the records that could be compared.
        clean: for each dataset, whether it has one record a person.
    """
    left = np.concatenate([np.empty(0, np.uint32), *(_compact(each.left) for each in found)])
    right = np.concatenate([np.empty(0, np.uint32), *(_compact(each.right) for each in found)])
    patterns = np.concatenate([np.empty(0, np.uint64), *(each.patterns for each in found)])
    which = np.repeat(np.arange(len(found), dtype=np.uint8), [len(each.left) for each in found])
    first, found_by = _each_once(left, right, which)
    within = left_dataset == right_dataset
    pairs = Competing(
        left[first],
        right[first],
        (rows[left_dataset], rows[right_dataset]),
        one_left=not within and clean[right_dataset],
        one_right=not within and clean[left_dataset],
    )
    return Merged(Comparison(left_dataset, right_dataset, pairs, patterns[first]), found_by)


def _each_once(
    left: NDArray[np.uint32], right: NDArray[np.uint32], which: NDArray[np.uint8]
) -> tuple[NDArray[np.uint32], NDArray[np.uint64]]:
    """The first place of each different pair, in ascending order of pairs, and the mask of its passes."""
    if not len(left):
        return np.empty(0, np.uint32), np.empty(0, np.uint64)
    order = _stably(right, np.arange(len(right), dtype=np.uint32))
    order = _stably(left, order)
    return _first_places(left, right, which, order)


@compiled
def _stably(records: NDArray[np.uint32], order: NDArray[np.uint32]) -> NDArray[np.uint32]:
    """Sort places by their record; places of equal records stay in the order in which they are given."""
    starts = np.zeros(np.int64(records.max()) + 2, np.int64)
    for record in records:
        starts[record + 1] += 1
    starts = np.cumsum(starts)
    in_order = np.empty(len(order), np.uint32)
    for place in order:
        in_order[starts[records[place]]] = place
        starts[records[place]] += 1
    return in_order


@compiled
def _first_places(
    left: NDArray[np.uint32],
    right: NDArray[np.uint32],
    which: NDArray[np.uint8],
    order: NDArray[np.uint32],
) -> tuple[NDArray[np.uint32], NDArray[np.uint64]]:
    first, found_by = np.empty(len(order), np.uint32), np.zeros(len(order), np.uint64)
    last = -1
    for place in order:
        if last < 0 or left[place] != left[first[last]] or right[place] != right[first[last]]:
            last += 1
            first[last] = place
        found_by[last] |= np.uint64(1) << np.uint64(which[place])
    return first[: last + 1].copy(), found_by[: last + 1].copy()


def _compact(records: Records) -> NDArray[np.uint32]:
    return np.ascontiguousarray(records, dtype=np.uint32)


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
    progress: Callable[[str, float], None] = lambda _what, _share: None,
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
        progress: told what is done, and the share of it of the key issuer's step.

    Returns:
        The decision; nothing links where no threshold is good enough.

    Leaks: to the key issuer, which records are likely to be one person's. Estimates are aggregates.
    """
    learnt = learn([each.comparison for each in comparisons], own_pairs, random, roles, clean)
    progress("weigh", 0.4)
    drawn = [_Drawn.of(learnt, index) for index in range(len(learnt.sides))]
    means = [each.mean() for each in drawn]
    found_once = _found_once(comparisons, means)
    progress("weigh", 0.5)
    ranked = _Ranked.of(learnt, drawn, means, found_once)
    progress("weigh", 0.6)
    cut = ranked.cut(target_precision, cost_ratio) if fixed is None else ranked.reaching(fixed)
    lowest = float(ranked.scores[cut - 1]) if cut else NOTHING_LINKS
    return Decision(
        compared=tuple(_compared(each, mean) for each, mean in zip(learnt.sides, means, strict=True)),
        threshold=lowest if fixed is None else fixed,
        links=cut,
        precision=ranked.precision(cut) if cut else None,
        recall=ranked.recall(cut) if cut else None,
        matches=ranked.matches,
        unseen=UNSEEN_SHARE * found_once,
        learnt=learnt,
        curve=tuple(ranked.at(odds) for odds in CURVE_LOG2_ODDS),
    )


@dataclass(frozen=True, slots=True)
class _Drawn:
    """Posteriors of one comparison's pairs in each draw of the calibration.

    They are worked out anew whenever they are asked for: kept for all draws, they would take 160 bytes a pair and more.

    Attributes:
        kinds: the pairs.
        weights: log odds by kind, before calibration.
        draws: (a, b) of each draw.
        expected: for each draw, the expected matches that its posteriors rest on.
        matches: for each draw, the sum of its posteriors.
    """

    kinds: Kinds
    weights: Numbers
    draws: Numbers
    expected: Numbers
    matches: Numbers

    @staticmethod
    def of(learnt: Learnt, index: int) -> _Drawn:
        kinds, weights, draws = learnt.sides[index].kinds, learnt.weights[index], learnt.calibration.draws
        settled = np.empty((2, len(draws)))
        for place, (a, b) in enumerate(draws):
            odds, expected = odds_of(a + b * weights), learnt.expected_matches[index]
            for _ in range(FREE_ROUNDS):
                settled[:, place] = expected, kinds.summed(odds, expected).sum()
                expected = settled[1, place]
        return _Drawn(kinds, weights, draws, *settled)

    def mean(self) -> Numbers:
        """The mean over draws, for each pair."""
        alone, rivals = np.zeros(len(self.weights)), np.zeros(len(self.kinds.rivals.left))
        for draw in range(len(self.draws)):
            of_kinds, of_rivals = self.weighed(draw)
            alone += of_kinds
            rivals += of_rivals
        return self.kinds.each(alone / len(self.draws), rivals / len(self.draws))

    def weighed(self, draw: int) -> tuple[Numbers, Numbers]:
        """As `Kinds.weighed`, in one draw."""
        a, b = self.draws[draw]
        return self.kinds.weighed(odds_of(a + b * self.weights), self.expected[draw])


def _compared(side: Side, posterior: Numbers) -> Compared:
    kept = posterior >= LEAST_POSTERIOR
    comparison = side.comparison
    left, right = comparison.pairs.left[kept], comparison.pairs.right[kept]
    pairs = Pairs(left.astype(np.uint32), right.astype(np.uint32), posterior[kept])
    return Compared(comparison.left_dataset, comparison.right_dataset, pairs)


def _found_once(comparisons: Sequence[Merged], means: Sequence[Numbers]) -> float:
    """Expected matches, of the likely ones, that a single pass has found."""
    return sum(
        float(mean[(each.passes == 1) & (mean >= LIKELY)].sum())
        for each, mean in zip(comparisons, means, strict=True)
    )


@dataclass(frozen=True, slots=True)
class _Tally:
    """What the first one, two, ... pairs would be as links.

    Attributes:
        links: how many of them count, ascending.
        right: how many of those are right, in the mean over draws.
        wrong: expected wrong ones, those that no own pair could show among them.
        variance: of the wrong ones.
    """

    links: Numbers
    right: Numbers
    wrong: Numbers
    variance: Numbers

    @staticmethod
    def of(
        scores: Numbers, counts: NDArray[np.bool_], spread: Numbers, unseen: float, clump: float
    ) -> _Tally:
        links = np.cumsum(counts, dtype=np.float64)
        right = np.cumsum(scores * counts)
        wrong = links - right + unseen
        return _Tally(links, right, wrong, clump * wrong + spread)

    def surely_right(self) -> Numbers:
        """The lower end of the precision's interval."""
        most = between(self.wrong, self.variance, MODEL_SPREAD)[1]
        return np.asarray(1 - most / np.maximum(self.links, 1), dtype=np.float64)


@dataclass(frozen=True, slots=True)
class _Linked:
    """The pairs of one comparison that are linked when the best come first.

    Attributes:
        drawn: the comparison's pairs in each draw.
        links: the pairs, in falling order of posterior.
        rank: the place of each among the links of all comparisons.
    """

    drawn: _Drawn
    links: Indices
    rank: Indices

    def put(self, draw: int, together: Numbers) -> None:
        """Write the links' posteriors in one draw where they belong among all."""
        together[self.rank] = self.drawn.kinds.each(*self.drawn.weighed(draw))[self.links]


@dataclass(frozen=True, slots=True)
class _Spread:
    """How far the draws are apart: variances over draws for the first one, two, ... links.

    Attributes:
        every: of the right ones among all links.
        across: of the right ones among links between datasets.
        missed: of the matches that are not among the links.
    """

    every: Numbers
    across: Numbers
    missed: Numbers

    @staticmethod
    def of(
        linked: Sequence[_Linked], scores: Numbers, across: NDArray[np.bool_], matches: Numbers
    ) -> _Spread:
        """One draw after the other, as it differs from the mean: sums of many pairs leave no digits for the rest."""
        deviation, squares = np.empty(len(scores)), np.zeros((3, len(scores)))
        for draw, more in enumerate(matches - matches.mean()):
            for each in linked:
                each.put(draw, deviation)
            deviation -= scores
            squares[1] += np.cumsum(deviation * across) ** 2
            np.cumsum(deviation, out=deviation)
            squares[0] += deviation**2
            squares[2] += (more - deviation) ** 2
        return _Spread(*(squares / len(matches)))


@dataclass(frozen=True, slots=True)
class _Ranked:
    """The pairs that are linked when the best come first, over all comparisons, in falling order of posterior.

    Attributes:
        scores: posteriors.
        every: all pairs.
        across: those between datasets, which the links inside datasets must not make look better.
        matches: expected matches among the candidates, in the mean over draws.
        missed: variance over draws of the matches that are not among the first links.
        found_once: expected matches that one pass alone has found.
    """

    scores: Numbers
    every: _Tally
    across: _Tally
    matches: float
    missed: Numbers
    found_once: float

    @staticmethod
    def of(learnt: Learnt, drawn: Sequence[_Drawn], means: Sequence[Numbers], found_once: float) -> _Ranked:
        links = [_links(side.comparison.pairs, mean) for side, mean in zip(learnt.sides, means, strict=True)]
        together = np.concatenate(
            [np.empty(0), *(mean[some] for mean, some in zip(means, links, strict=True))]
        )
        within = [
            np.full(len(some), side.comparison.within) for side, some in zip(learnt.sides, links, strict=True)
        ]
        order = np.argsort(-together, kind="stable")
        rank = np.empty(len(order), dtype=np.int64)
        rank[order] = np.arange(len(order))
        ranks = np.split(rank, np.cumsum([len(some) for some in links])[:-1])
        linked = [_Linked(*each) for each in zip(drawn, links, ranks, strict=True)]
        scores, across = together[order], ~np.concatenate([np.empty(0, dtype=bool), *within])[order]
        matches = np.sum([each.matches for each in drawn], axis=0)
        spread = _Spread.of(linked, scores, across, matches)
        others = (learnt.unseen_coincidences, _clumps(learnt.sides, links))
        return _Ranked(
            scores,
            _Tally.of(scores, np.ones_like(across), spread.every, *others),
            _Tally.of(scores, across, spread.across, *others),
            float(matches.mean()),
            spread.missed,
            found_once,
        )

    def cut(self, target: float, cost_ratio: float | None) -> int:
        """How many of the best to link."""
        if not len(self.scores):
            return 0
        links, right = self.every.links, self.every.right
        good = np.minimum(self.every.surely_right(), self.across.surely_right()) >= target
        # Pairs of equal posterior stand or fall together.
        good[:-1] &= self.scores[1:] < self.scores[:-1]
        if cost_ratio is None:
            gain = 2 * right / (links + max(self.matches, 1e-9))
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
        right = float(self.every.right[cut - 1])
        missed = max(self.matches - right, 0.0) + UNSEEN_SHARE * self.found_once
        variance = missed + self.missed[cut - 1] + (UNSEEN_DEVIATION * self.found_once) ** 2
        few, many = between(np.array(missed), np.array(variance), MISSED_SPREAD)
        least, most = self._wrong_between(cut)

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


def _links(pairs: Competing, posterior: Numbers) -> Indices:
    likely = np.flatnonzero(posterior >= LEAST_POSTERIOR)
    return likely[taken(pairs.only(likely), posterior[likely])]


def _clumps(sides: Sequence[Side], links: Sequence[Indices]) -> float:
    """The most links that a link's record has, on average over links: where one is wrong, others often are too."""
    found = [1.0]
    for side, some in zip(sides, links, strict=True):
        pairs = side.comparison.pairs
        found += [_clump(pairs.left[some]), _clump(pairs.right[some])]
    return max(found)


def _clump(records: Records) -> float:
    degrees = np.bincount(records).astype(np.float64) if len(records) else np.empty(0)
    return float((degrees**2).sum() / max(degrees.sum(), 1.0))
