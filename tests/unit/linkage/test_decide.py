from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import pytest

from coordinator.linkage.calibrate import OwnPairs, log_likelihood
from coordinator.linkage.decide import Decision, Merged, PassPairs, decide, merged
from coordinator.linkage.model import Roles
from coordinator.linkage.solve import clusters
from pprl.protocol.levels import EXACT, LEVELS, NONE
from pprl.protocol.match_model import random_distribution

FIELDS = 4
ROLES = Roles.of(("given-name", "surname", "date-of-birth", "postcode"))
ROWS = 1_500
STRANGERS = [0.05, 0.05, 0.02, 0.002]
FAMILIES = [0.05, 0.95, 0.01, 0.95]
MATCHES = [0.95, 0.95, 0.95, 0.75]


def random_levels() -> np.ndarray:
    counts = np.zeros((FIELDS, LEVELS), dtype=np.int64)
    counts[:, NONE], counts[:, EXACT] = 99_000, [500, 400, 20, 5]
    return random_distribution(counts)


def drawn(rng: np.random.Generator, shares: list[float], size: int) -> np.ndarray:
    levels = np.where(rng.random((size, FIELDS)) < shares, EXACT, NONE).astype(np.uint64)
    return (levels << (4 * np.arange(FIELDS, dtype=np.uint64))).sum(axis=1, dtype=np.uint64)


@dataclass
class Linkage:
    between: Merged
    controls: list[OwnPairs]
    matched: int

    def decide(
        self, target: float = 0.95, clean: Sequence[bool] = (True, True), fixed: float | None = None
    ) -> Decision:
        return decide(
            [self.between],
            self.controls,
            random=random_levels(),
            roles=ROLES,
            clean=clean,
            target_precision=target,
            fixed=fixed,
        )


def linkage(seed: int, matched: int) -> Linkage:
    """Two datasets of which the first `matched` records are the same people, with strangers and families."""
    rng = np.random.default_rng(seed)

    def different(size: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        found = np.concatenate([drawn(rng, STRANGERS, size), drawn(rng, FAMILIES, size // 20)])
        left = rng.integers(0, ROWS, len(found))
        return left, (left + rng.integers(1, ROWS, len(found))) % ROWS, found

    left, right, others = different(4_000)
    same = np.arange(matched)
    one_pass = PassPairs(
        np.concatenate([same, left]),
        np.concatenate([same, right]),
        np.concatenate([drawn(rng, MATCHES, matched), others]),
    )
    controls = [
        OwnPairs(ROWS, distinct, counts.astype(float))
        for distinct, counts in (np.unique(different(2_000)[2], return_counts=True) for _ in range(2))
    ]
    between = merged(0, 1, [one_pass], rows=[ROWS, ROWS], clean=[True, True])
    return Linkage(between, controls, matched)


def scored(case: Linkage, decision: Decision) -> tuple[float, float]:
    left, right = clusters([ROWS, ROWS], [False, False], decision.compared, decision.threshold)
    partner = {label: row for row, label in enumerate(right.tolist())}
    links = [(row, partner[label]) for row, label in enumerate(left.tolist()) if label in partner]
    right_ones = sum(one == other < case.matched for one, other in links)
    return right_ones / max(len(links), 1), right_ones / case.matched


@pytest.mark.parametrize(("matched", "least_recall"), [(900, 0.97), (150, 0.85)])
def test_links_and_says_how_well(matched: int, least_recall: float) -> None:
    held = 0
    for seed in range(4):
        case = linkage(seed, matched)
        decision = case.decide()
        precision, recall = scored(case, decision)
        assert precision >= 0.9
        assert recall >= least_recall
        assert decision.precision is not None
        assert decision.recall is not None
        assert decision.precision.estimate >= 0.95
        assert decision.recall.lower <= decision.recall.estimate <= decision.recall.upper
        held += decision.precision.lower <= precision <= decision.precision.upper
    # A 95 % interval may miss, but not as a habit.
    assert held >= 3


@pytest.mark.parametrize("seed", range(3))
def test_nobody_in_both_links_nobody_with_confidence(seed: int) -> None:
    decision = linkage(seed, 0).decide()
    assert decision.links <= 3
    assert decision.precision is None or decision.precision.lower < 0.9
    assert decision.matches < 30


def test_a_higher_target_links_less() -> None:
    case = linkage(4, 300)
    assert case.decide(0.999).links <= case.decide(0.9).links


def test_judges_a_fixed_threshold_and_not_the_one_it_would_choose() -> None:
    case = linkage(4, 300)
    for point in case.decide().curve[::8]:
        judged = case.decide(fixed=point.threshold)
        assert (judged.threshold, judged.links) == (point.threshold, point.links)
        assert (judged.precision, judged.recall) == (point.precision, point.recall)
    assert case.decide(fixed=1.0).links < case.decide(fixed=0.1).links


def test_twice_the_same_is_the_same() -> None:
    one, other = linkage(5, 200).decide(), linkage(5, 200).decide()
    assert one.threshold == other.threshold
    assert np.array_equal(one.compared[0].pairs.dice, other.compared[0].pairs.dice)


@pytest.mark.parametrize("rows", [(5, 5), (0, 5), (0, 0), (0, 500)], ids=str)
def test_nothing_to_compare_links_nothing(rows: tuple[int, int]) -> None:
    empty = PassPairs(np.empty(0, np.int64), np.empty(0, np.int64), np.empty(0, np.uint64))
    between = merged(0, 1, [empty], rows=rows, clean=[True, True])
    decision = decide(
        [between],
        [OwnPairs(each, np.empty(0, np.uint64), np.empty(0)) for each in rows],
        random=random_levels(),
        roles=ROLES,
        clean=[True, True],
        target_precision=0.95,
    )
    assert (decision.links, decision.precision, decision.recall) == (0, None, None)
    assert decision.threshold > 1


def test_a_pair_of_several_passes_is_one_pair_with_the_first_pattern() -> None:
    first = PassPairs(np.array([3, 1]), np.array([4, 2]), np.array([7, 8], np.uint64))
    second = PassPairs(np.array([1, 0]), np.array([2, 9]), np.array([5, 6], np.uint64))
    both = merged(0, 1, [first, second], rows=[10, 10], clean=[True, False])
    assert both.comparison.pairs.left.tolist() == [0, 1, 3]
    assert both.comparison.pairs.right.tolist() == [9, 2, 4]
    assert both.comparison.patterns.tolist() == [6, 8, 7]
    assert both.passes.tolist() == [1, 2, 1]
    # A right record has one partner, as the left dataset has no duplicates; a left one may have many.
    assert (both.comparison.pairs.one_left, both.comparison.pairs.one_right) == (False, True)


def test_parts_of_controls_add_up() -> None:
    controls = OwnPairs(100, np.arange(4, dtype=np.uint64), np.array([0.5, 1.0, 7.25, 12.0]))
    parts = np.array([controls.of_part(part) for part in range(5)])
    assert parts.sum(axis=0) == pytest.approx(controls.counts)
    assert (parts >= 0).all()


def test_pairs_like_the_controls_have_low_odds() -> None:
    weights = np.repeat([1.0, 3.0], [200, 50])
    controls = (weights, np.ones(len(weights)))
    alike = log_likelihood(controls, controls, 1.0)
    more = log_likelihood((np.array([1.0, 3.0]), np.array([600.0, 150.0])), controls, 1.0)
    a_alike, a_more = (np.unravel_index(np.argmax(each), each.shape)[0] for each in (alike, more))
    assert a_alike < a_more


def with_second_records(case: Linkage, people: int) -> Linkage:
    """Both datasets hold second records of some people, and their own pairs show it."""
    rng = np.random.default_rng(6)
    twice = np.unique(drawn(rng, MATCHES, people), return_counts=True)
    own = []
    for each in case.controls:
        patterns = np.unique(np.concatenate([each.patterns, twice[0]]))
        counts = np.zeros(len(patterns))
        counts[np.searchsorted(patterns, each.patterns)] += each.counts
        counts[np.searchsorted(patterns, twice[0])] += twice[1]
        own.append(OwnPairs(each.rows, patterns, counts))
    return replace(case, controls=own)


def test_duplicates_that_nobody_declared_do_not_stop_the_linkage() -> None:
    clean = linkage(7, 600)
    twice = with_second_records(clean, 40)
    assert twice.decide(0.9).links >= 0.8 * clean.decide(0.9).links


def test_own_pairs_are_unmixed_where_they_may_be_of_one_person() -> None:
    case = with_second_records(linkage(8, 600), 200)
    learnt = case.decide(0.9, clean=[False, False]).learnt
    everything = learnt.matches.marginal()[:, EXACT]
    assert (learnt.non_matches.marginal()[:, EXACT] < 0.5 * everything).all()
    assert sum(learnt.expected_matches) == pytest.approx(600, rel=0.15)
