"""The key issuer's decision, held against the same worked out pair by pair and draw by draw."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from coordinator.linkage.calibrate import Learnt, OwnPairs
from coordinator.linkage.certainty import CAREFUL_SPREAD, MISSED_SPREAD, MODEL_SPREAD, between
from coordinator.linkage.competition import Competing, posteriors, taken
from coordinator.linkage.decide import (
    FREE_ROUNDS,
    LEAST_POSTERIOR,
    LIKELY,
    UNSEEN_DEVIATION,
    UNSEEN_SHARE,
    Decision,
    Merged,
    PassPairs,
    decide,
    merged,
)
from coordinator.linkage.model import (
    FIRST_MATCHED,
    Comparison,
    Roles,
    Side,
    expectation_maximisation,
    fit_non_matches,
    odds_of,
)
from pprl.protocol.levels import EXACT, LEVELS, NONE, Patterns
from pprl.protocol.match_model import (
    MATCH_ROUNDS,
    Mixture,
    PatternTable,
    everyday_matches,
    random_distribution,
    refit_matches,
)

FIELDS, ROWS = 4, 60
ROLES = Roles.of(("given-name", "surname", "date-of-birth", "postcode"))
Numbers = NDArray[np.float64]


def random_levels() -> Numbers:
    counts = np.zeros((FIELDS, LEVELS), dtype=np.int64)
    counts[:, NONE], counts[:, EXACT] = 99_000, [500, 400, 20, 5]
    return random_distribution(counts)


def drawn(rng: np.random.Generator, shares: list[float], size: int) -> Patterns:
    levels = np.where(rng.random((size, FIELDS)) < shares, EXACT, NONE).astype(np.uint64)
    return np.asarray((levels << (4 * np.arange(FIELDS, dtype=np.uint64))).sum(axis=1, dtype=np.uint64))


def one_pass(rng: np.random.Generator, matched: int, others: int, *, within: bool = False) -> PassPairs:
    """The first records of both sides are the same people; strangers are anywhere, so that many pairs compete."""
    left = np.concatenate([np.arange(matched), rng.integers(0, ROWS, others)])
    right = np.concatenate([np.arange(matched), rng.integers(0, ROWS, others)])
    patterns = np.concatenate(
        [drawn(rng, [0.9, 0.9, 0.9, 0.7], matched), drawn(rng, [0.3, 0.4, 0.1, 0.1], others)]
    )
    if within:
        left, right = np.minimum(left, right), np.maximum(left, right)
    once = np.unique(left * ROWS + right, return_index=True)[1]
    once = once[left[once] != right[once]] if within else once
    return PassPairs(left[once], right[once], patterns[once])


def comparisons(seed: int, clean: list[bool]) -> list[Merged]:
    rng = np.random.default_rng(seed)
    sides = [(0, 1), *((place, place) for place, one in enumerate(clean) if not one)]
    return [
        merged(
            *side,
            [one_pass(rng, 30, 60, within=side[0] == side[1]) for _ in range(2)],
            rows=[ROWS, ROWS],
            clean=clean,
        )
        for side in sides
    ]


def controls(seed: int) -> list[OwnPairs]:
    rng = np.random.default_rng(seed)
    counted = [np.unique(drawn(rng, [0.05, 0.2, 0.02, 0.1], 500), return_counts=True) for _ in range(2)]
    return [OwnPairs(ROWS, distinct, counts.astype(float)) for distinct, counts in counted]


# What the issuer did before it was made to scale: all draws of all pairs at once.


def slow_draws(learnt: Learnt, index: int) -> Numbers:
    side = learnt.sides[index]
    weights = learnt.weights[index][side.kinds.kind]
    found = []
    for a, b in learnt.calibration.draws:
        expected, posterior = learnt.expected_matches[index], np.empty(0)
        for _ in range(FREE_ROUNDS):
            posterior = posteriors(side.comparison.pairs, odds_of(a + b * weights), expected)
            expected = float(posterior.sum())
        found.append(posterior)
    return np.array(found)


def slow_clump(pairs: Competing) -> float:
    degrees = [np.unique(each, return_counts=True)[1].astype(float) for each in (pairs.left, pairs.right)]
    return max(1.0, *(float((each**2).sum() / max(each.sum(), 1)) for each in degrees))


def slow_intervals(decision: Decision, merges: list[Merged], cut: int) -> tuple[list[float], list[float]]:
    """Precision and recall of the first links: estimate, lower and upper end."""
    learnt, clump = decision.learnt, 1.0
    in_draws = [slow_draws(learnt, index) for index in range(len(learnt.sides))]
    scores, right, once = [], [], 0.0
    for merge, found in zip(merges, in_draws, strict=True):
        mean = found.mean(axis=0)
        once += mean[(merge.passes == 1) & (mean >= LIKELY)].sum()
        likely = np.flatnonzero(mean >= LEAST_POSTERIOR)
        links = likely[taken(merge.comparison.pairs.only(likely), mean[likely])]
        clump = max(clump, slow_clump(merge.comparison.pairs.only(links)))
        scores.append(mean[links])
        right.append(found[:, links])
    order = np.argsort(-np.concatenate(scores), kind="stable")[:cut]
    of_draw = np.concatenate(right, axis=1)[:, order].sum(axis=1)
    matches = np.sum([found.sum(axis=1) for found in in_draws], axis=0)
    wrong = cut - of_draw.mean() + learnt.unseen_coincidences
    variance = clump * wrong + of_draw.var()
    least, most = map(float, between(wrong, variance, MODEL_SPREAD, CAREFUL_SPREAD))
    least = float(np.floor(least))
    missed = max(float((matches - of_draw).mean()), 0) + UNSEEN_SHARE * once
    spread = missed + (matches - of_draw).var() + (UNSEEN_DEVIATION * once) ** 2
    few, many = map(float, between(np.array(missed), np.array(spread), MISSED_SPREAD))
    precision = [max(1 - each / cut, 0) for each in (wrong, most, least)]
    found_right = float(of_draw.mean())
    recall = [
        found_right / (found_right + missed),
        max(cut - most, 0) / max(max(cut - most, 0) + many, 1e-9),
        (cut - least) / max(cut - least + np.floor(few), 1e-9),
    ]
    return precision, recall


@settings(deadline=None, max_examples=8)
@given(seed=st.integers(0, 2**32), clean=st.sampled_from([[True, True], [True, False], [False, False]]))
def test_decisions_are_those_of_all_draws_at_once(seed: int, clean: list[bool]) -> None:
    merges = comparisons(seed, clean)
    decision = decide(
        merges,
        controls(seed),
        random=random_levels(),
        roles=ROLES,
        clean=clean,
        target_precision=0.9,
        fixed=0.5,
    )
    for index, (merge, compared) in enumerate(zip(merges, decision.compared, strict=True)):
        mean = slow_draws(decision.learnt, index).mean(axis=0)
        kept = mean >= LEAST_POSTERIOR
        assert compared.pairs.dice == pytest.approx(mean[kept], rel=1e-9)
        assert compared.pairs.left.tolist() == merge.comparison.pairs.left[kept].tolist()
    if decision.links:
        precision, recall = slow_intervals(decision, merges, decision.links)
        for found, expected in ((decision.precision, precision), (decision.recall, recall)):
            assert found is not None
            assert [found.estimate, found.lower, found.upper] == pytest.approx(expected, rel=1e-7)


def slow_matches(comparison: Comparison, random: Numbers, others: Mixture, rate: float) -> list[Numbers]:
    """Expectation maximisation with a row for each pair."""
    side = Side.of(comparison, FIELDS, others, rate)
    everyday = matches = everyday_matches(random)
    expected = FIRST_MATCHED * min(comparison.pairs.rows)
    found = np.empty(0)
    for _ in range(MATCH_ROUNDS):
        log_odds = side.log_odds(matches, expected)[np.searchsorted(side.distinct, comparison.patterns)]
        found = posteriors(comparison.pairs, odds_of(log_odds), expected)
        expected = float(found.sum())
        counts = np.array([found[comparison.patterns == each].sum() for each in side.distinct])
        matches = refit_matches(matches, [PatternTable(side.levels, counts, side.used)], everyday)
    return [matches.levels, matches.weights, found]


@settings(deadline=None, max_examples=20)
@given(seed=st.integers(0, 2**32), parts=st.sampled_from([1, 5]))
def test_the_fit_by_kinds_is_that_of_single_pairs(seed: int, parts: int) -> None:
    comparison = comparisons(seed, [True, True])[0].comparison
    random = random_levels()
    others = fit_non_matches([], random, ROLES)
    side = Side.unfitted(comparison, FIELDS, parts=parts).with_others(others, 0.01)
    matches, expected, found = expectation_maximisation([side], random)
    levels, weights, single = slow_matches(comparison, random, others, 0.01)
    assert matches.levels == pytest.approx(levels, rel=1e-9)
    assert matches.weights == pytest.approx(weights, rel=1e-9)
    assert expected[0] == pytest.approx(single.sum(), rel=1e-9)
    by_part = np.zeros((len(side.distinct), parts))
    places = np.searchsorted(side.distinct, comparison.patterns)
    np.add.at(by_part, (places, np.arange(len(single)) % parts), single)
    assert found[0] == pytest.approx(by_part, rel=1e-9, abs=1e-12)


@settings(deadline=None)
@given(
    passes=st.lists(
        st.lists(st.tuples(st.integers(0, 5), st.integers(0, 5)), unique=True, max_size=12),
        min_size=1,
        max_size=4,
    )
)
def test_passes_are_put_together_as_one_would_by_hand(passes: list[list[tuple[int, int]]]) -> None:
    expected: dict[tuple[int, int], tuple[int, int]] = {}
    found = []
    for which, pairs in enumerate(passes):
        patterns = [100 * which + place for place in range(len(pairs))]
        left, right = np.array(pairs, np.int64).reshape(-1, 2).T
        found.append(PassPairs(left, right, np.array(patterns, np.uint64)))
        for pair, pattern in zip(pairs, patterns, strict=True):
            first, by = expected.get(pair, (pattern, 0))
            expected[pair] = (first, by | 1 << which)
    both = merged(0, 1, found, rows=[6, 6], clean=[True, True])
    pairs = both.comparison.pairs
    ends = zip(pairs.left.tolist(), pairs.right.tolist(), strict=True)
    values = zip(both.comparison.patterns.tolist(), both.found_by.tolist(), strict=True)
    assert list(zip(ends, values, strict=True)) == sorted(expected.items())
