"""Posteriors and links of pairs that compete, against the most obvious way to work them out."""

from unittest.mock import patch

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from coordinator.linkage import competition
from coordinator.linkage.competition import LEAST_FREE, MESSAGE_ROUNDS, Competing, Kinds, posteriors, taken


def obvious_posteriors(pairs: Competing, odds: np.ndarray, matches: float) -> np.ndarray:
    """The messages in words: of each round all to the right first, then all to the left."""

    def rivals(records: np.ndarray, messages: np.ndarray, free: float, one: bool) -> np.ndarray:
        if not one:
            return np.ones(len(odds))
        others = [messages[(records == record)].sum() - messages[at] for at, record in enumerate(records)]
        return free + np.maximum(others, 0)

    free = [max(1 - matches / max(rows, 1), LEAST_FREE) for rows in pairs.rows]
    to_left = odds
    for _ in range(MESSAGE_ROUNDS if pairs.one_left and pairs.one_right else 1):
        to_right = odds / rivals(pairs.left, to_left, free[0], pairs.one_left)
        at_right = rivals(pairs.right, to_right, free[1], pairs.one_right)
        to_left = odds / at_right
    at_left = rivals(pairs.left, to_left, free[0], pairs.one_left)
    return odds / np.maximum(odds + at_left * at_right, 1e-300)


def obvious_links(pairs: Competing, scores: np.ndarray) -> list[int]:
    """In each round the pairs that are best for both their records are taken, and what they rule out is dropped."""
    left, right = pairs.left.tolist(), pairs.right.tolist()
    remaining = sorted(range(len(left)), key=lambda at: (-scores[at], left[at], right[at]))
    links = []
    while remaining:
        best = [
            at
            for place, at in enumerate(remaining)
            if not (pairs.one_left and left[at] in {left[each] for each in remaining[:place]})
            and not (pairs.one_right and right[at] in {right[each] for each in remaining[:place]})
        ]
        links += best
        remaining = [
            at
            for at in remaining
            if at not in best
            and not (pairs.one_left and left[at] in {left[each] for each in best})
            and not (pairs.one_right and right[at] in {right[each] for each in best})
        ]
    return sorted(links, key=lambda at: (-scores[at], left[at], right[at]))


@st.composite
def competitions(draw: st.DrawFn) -> Competing:
    records = st.integers(0, 7)
    ends = draw(st.lists(st.tuples(records, records), unique=True, max_size=25))
    if draw(st.booleans()):
        ends = sorted(ends)
    left, right = np.array(ends, np.int64).reshape(-1, 2).T
    return Competing(left, right, (8, draw(st.integers(1, 8))), draw(st.booleans()), draw(st.booleans()))


@settings(deadline=None)
@given(pairs=competitions(), seed=st.integers(0, 2**32), matches=st.floats(0, 10), lot=st.integers(1, 30))
def test_posteriors_are_the_obvious_ones(pairs: Competing, seed: int, matches: float, lot: int) -> None:
    rng = np.random.default_rng(seed)
    odds = np.where(rng.random(len(pairs.left)) < 0.2, 0.0, np.exp(rng.normal(0, 8, len(pairs.left))))
    with patch.object(competition, "PAIRS_AT_ONCE", lot):
        found = posteriors(pairs, odds, matches)
    assert found == pytest.approx(obvious_posteriors(pairs, odds, matches), rel=1e-9, abs=1e-12)


@settings(deadline=None)
@given(pairs=competitions(), data=st.data())
def test_links_are_those_of_round_after_round(pairs: Competing, data: st.DataObject) -> None:
    count = len(pairs.left)
    scores = np.array(data.draw(st.lists(st.integers(0, 4), min_size=count, max_size=count)), dtype=float)
    assert taken(pairs, scores).tolist() == obvious_links(pairs, scores)


@settings(deadline=None)
@given(pairs=competitions(), data=st.data(), matches=st.floats(0, 10), lot=st.integers(1, 30))
def test_kinds_say_of_each_pair_what_all_pairs_together_say(
    pairs: Competing, data: st.DataObject, matches: float, lot: int
) -> None:
    count = len(pairs.left)
    kind = np.array(data.draw(st.lists(st.integers(0, 3), min_size=count, max_size=count)), dtype=np.int32)
    odds = np.array([0.0, 0.3, 7.0, 1e9])
    with patch.object(competition, "PAIRS_AT_ONCE", lot):
        kinds = Kinds.of(pairs, kind, 4)
    expected = posteriors(pairs, odds[kind], matches)
    assert kinds.each(*kinds.weighed(odds, matches)) == pytest.approx(expected, rel=1e-12)
    assert kinds.summed(odds, matches) == pytest.approx(np.bincount(kind, expected, minlength=4), rel=1e-12)
    assert kinds.counts.tolist() == np.bincount(kind, minlength=4).tolist()
