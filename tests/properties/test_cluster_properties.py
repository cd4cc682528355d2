"""Clustering against anonlink's solver, from whose rules it is made."""

import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from coordinator.linkage.compare import Pairs
from coordinator.linkage.solve import Compared, clusters, grouped

Solver = Callable[..., tuple[tuple[tuple[int, int], ...], ...]]
SHARES = [0.2, 1 / 3, 0.5, 0.6, 1.0]


@pytest.fixture(scope="module")
def anonlink() -> Solver:
    with warnings.catch_warnings():
        # It reads its own version through pkg_resources, which warns that it is old.
        warnings.simplefilter("ignore")
        solving = pytest.importorskip("anonlink.solving", reason="no ready-made package for this Python")
    solver: Solver = solving.probabilistic_greedy_solve_native
    return solver


def by_anonlink(
    solver: Solver, ends: NDArray[np.int64], scores: NDArray[Any], datasets: NDArray[Any], share: float
) -> list[int]:
    """The lowest record of each record's group; records of datasets with duplicates are datasets of their own."""
    order = np.lexsort((ends[:, 1], ends[:, 0], -scores))
    first, second = ends[order].astype(np.uint32).T.copy()
    told = np.where(datasets < 0, 100 + np.arange(len(datasets)), datasets).astype(np.uint32)
    groups = solver((scores[order], (told[first], told[second]), (first, second)), merge_threshold=share)
    lowest = np.arange(len(datasets))
    for group in groups:
        records = [record for _, record in group]
        lowest[records] = min(records)
    return [int(each) for each in lowest]


def by_us(ends: NDArray[np.int64], scores: NDArray[Any], datasets: NDArray[Any], share: float) -> list[int]:
    bits = np.where(datasets < 0, 0, 1 << np.maximum(datasets, 0)).astype(np.uint32)
    first, second = ends.astype(np.uint32).T
    groups = grouped(first, second, scores, bits, merge_share=share)
    _, first_record, which = np.unique(groups, return_index=True, return_inverse=True)
    return [int(each) for each in first_record[which]]


def drawn(
    seed: int, *, records: int, datasets: int, pairs: int, scores: int, near: int
) -> tuple[NDArray[np.int64], NDArray[np.float64], NDArray[np.int64]]:
    """A random graph; two records of a clean dataset have no pair, as in `clusters`. Dataset -1 has duplicates."""
    rng = np.random.default_rng(seed)
    of_record = np.sort(rng.integers(-1, datasets, records))
    place = rng.permutation(records)
    one = rng.integers(0, records, pairs)
    other = (one + rng.integers(1, max(near, 2), pairs)) % records
    ends = np.unique(np.sort(np.column_stack([place[one], place[other]]), axis=1), axis=0)
    kinds = of_record[ends]
    ends = ends[(ends[:, 0] != ends[:, 1]) & ((kinds[:, 0] != kinds[:, 1]) | (kinds[:, 0] < 0))]
    return ends, rng.integers(0, scores, len(ends)) / scores, of_record


@settings(deadline=None, max_examples=150)
@given(
    seed=st.integers(0, 2**32),
    records=st.integers(2, 24),
    datasets=st.integers(0, 4),
    pairs=st.integers(0, 120),
    scores=st.sampled_from([1, 4, 1_000]),
    share=st.sampled_from(SHARES),
)
def test_groups_are_those_of_anonlink(
    anonlink: Solver, seed: int, records: int, datasets: int, pairs: int, scores: int, share: float
) -> None:
    ends, values, of_record = drawn(
        seed, records=records, datasets=datasets, pairs=pairs, scores=scores, near=records
    )
    expected = by_anonlink(anonlink, ends, values, of_record, share)
    assert by_us(ends, values, of_record, share) == expected


@pytest.mark.parametrize("share", SHARES)
@pytest.mark.parametrize(("datasets", "near"), [(0, 6), (0, 4_000), (3, 12), (2, 60)])
def test_large_groups_are_those_of_anonlink(anonlink: Solver, share: float, datasets: int, near: int) -> None:
    # Near records have most of their pairs, so that groups grow; far ones fill the table of counts.
    ends, values, of_record = drawn(
        near, records=4_000, datasets=datasets, pairs=40_000, scores=50, near=near
    )
    expected = by_anonlink(anonlink, ends, values, of_record, share)
    assert by_us(ends, values, of_record, share) == expected


@settings(deadline=None, max_examples=50)
@given(seed=st.integers(0, 2**32), share=st.sampled_from(SHARES))
def test_whole_components_may_be_solved_by_themselves(seed: int, share: float) -> None:
    ends, values, of_record = drawn(seed, records=40, datasets=2, pairs=40, scores=5, near=3)
    together = by_us(ends, values, of_record, share)
    half = np.array([_lowest(ends, each) % 2 == 0 for each in range(40)])
    alone = np.flatnonzero(half)
    renumbered = np.cumsum(half) - 1
    inside = half[ends[:, 0]]
    apart = by_us(renumbered[ends[inside]], values[inside], of_record[alone], share)
    assert [int(alone[each]) for each in apart] == [together[each] for each in alone.tolist()]


def _lowest(ends: NDArray[np.int64], record: int) -> int:
    """The lowest record of a connected component, by walking it."""
    reached, to_visit = {record}, [record]
    while to_visit:
        here = to_visit.pop()
        touching = ends[(ends == here).any(axis=1)]
        fresh = set(touching.ravel().tolist()) - reached
        reached |= fresh
        to_visit += fresh
    return min(reached)


def test_more_clean_datasets_than_a_mask_has_bits_are_refused() -> None:
    with pytest.raises(ValueError, match="at most 32 datasets"):
        clusters([1] * 33, [False] * 33, [], 0.5)
    nothing = Pairs(np.empty(0, np.uint32), np.empty(0, np.uint32), np.empty(0))
    assert len(clusters([1] * 33, [True, *[False] * 32], [Compared(0, 1, nothing)], 0.5)) == 33
