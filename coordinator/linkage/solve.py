"""Clusters from candidate pairs: which records belong to the same person. The key issuer runs this.

anonlink's multi-party solver takes pairs from the most alike down and merges two groups when enough of the
pairs between them have been seen. A dataset whose records are all of different people gives a group at most
one record. A dataset that may have duplicates may give several: to the solver, each of its records is a
dataset of its own.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from coordinator.linkage.compare import Pairs
from coordinator.linkage.native import native

# Share of the pairs between two groups that must reach the threshold before they merge (decision 0002).
MERGE_SHARE = 0.5

MAX_RECORDS = 2**31


@dataclass(frozen=True, slots=True)
class Compared:
    """The candidate pairs of two datasets, or of a dataset with itself.

    Attributes:
        left: index of the left dataset.
        right: index of the right dataset; the same as `left` for pairs within a dataset.
        pairs: their candidate pairs.
    """

    left: int
    right: int
    pairs: Pairs


def clusters(
    sizes: Sequence[int],
    may_have_duplicates: Sequence[bool],
    compared: Sequence[Compared],
    threshold: float,
    *,
    merge_share: float = MERGE_SHARE,
) -> list[NDArray[np.int64]]:
    """Put every record into one cluster. The key issuer runs this.

    Pairs of equal score are taken in order of their datasets and rows, so that the result does not depend on
    the order in which pairs are given. Pairs within a dataset without duplicates are left out.

    Args:
        sizes: records in each dataset.
        may_have_duplicates: for each dataset, whether it may hold several records of one person.
        compared: candidate pairs; a pair that is repeated counts once, at its highest score.
        threshold: lowest score of a pair that may link, from 0 to 1.
        merge_share: share of the pairs between two groups that must reach it before they merge.

    Returns:
        For each dataset, the cluster of each record: whole numbers from 0, without gaps over all datasets, in
        order of first appearance.

    Raises:
        ConfigError: anonlink's compiled part is not there.
        ValueError: a pair names a record that doesn't exist, or there are 2**31 records or more.

    Leaks: to whoever holds the result, which records belong to the same person.
    """
    offsets = np.concatenate([[0], np.cumsum(sizes, dtype=np.int64)])
    if offsets[-1] >= MAX_RECORDS:
        raise ValueError(f"there must be fewer than {MAX_RECORDS} records")
    first, second, dice = _edges(sizes, may_have_duplicates, compared, threshold, offsets)
    groups = _solve(first, second, dice, _solver_datasets(sizes, may_have_duplicates), merge_share)
    labels = _dense(np.arange(offsets[-1]), groups)
    return [labels[offsets[index] : offsets[index + 1]] for index in range(len(sizes))]


def _edges(
    sizes: Sequence[int],
    may_have_duplicates: Sequence[bool],
    compared: Sequence[Compared],
    threshold: float,
    offsets: NDArray[np.int64],
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.float64]]:
    """Pairs that may link, as numbers over all records, each once, the most alike first."""
    ends, scores = [np.empty((0, 2), np.int64)], [np.empty(0)]
    for each in compared:
        if each.left == each.right and not may_have_duplicates[each.left]:
            continue
        _require_in_range(each, sizes)
        keep = each.pairs.dice >= threshold
        left = each.pairs.left[keep].astype(np.int64) + offsets[each.left]
        right = each.pairs.right[keep].astype(np.int64) + offsets[each.right]
        ends.append(np.sort(np.column_stack([left, right]), axis=1))
        scores.append(each.pairs.dice[keep])
    both, dice = np.concatenate(ends), np.concatenate(scores)
    order = np.lexsort((both[:, 1], both[:, 0], -dice))
    both, dice = both[order], dice[order]
    # A repeated pair counts twice in the solver, which then merges what it should keep apart.
    once = np.sort(np.unique(both, axis=0, return_index=True)[1])
    return both[once, 0], both[once, 1], dice[once]


def _require_in_range(compared: Compared, sizes: Sequence[int]) -> None:
    pairs = compared.pairs
    if len(pairs) and (
        int(pairs.left.max()) >= sizes[compared.left] or int(pairs.right.max()) >= sizes[compared.right]
    ):
        raise ValueError("a pair names a record that its dataset doesn't have")


def _solver_datasets(sizes: Sequence[int], may_have_duplicates: Sequence[bool]) -> NDArray[np.uint32]:
    """The dataset that the solver is told for each record, none of whose records it puts together."""
    told, fresh = [np.empty(0, np.int64)], len(sizes)
    for index, (size, duplicates) in enumerate(zip(sizes, may_have_duplicates, strict=True)):
        told.append(np.arange(fresh, fresh + size) if duplicates else np.full(size, index))
        fresh += size if duplicates else 0
    return np.concatenate(told).astype(np.uint32)


def _solve(
    first: NDArray[np.int64],
    second: NDArray[np.int64],
    dice: NDArray[np.float64],
    datasets: NDArray[np.uint32],
    merge_share: float,
) -> tuple[tuple[tuple[int, int], ...], ...]:
    return native().greedy(
        (
            dice,
            (datasets[first], datasets[second]),
            (first.astype(np.uint32), second.astype(np.uint32)),
        ),
        merge_threshold=merge_share,
        deduplicated=True,
    )


def _dense(labels: NDArray[np.int64], groups: Sequence[Sequence[tuple[int, int]]]) -> NDArray[np.int64]:
    for group in groups:
        records = [record for _, record in group]
        labels[records] = min(records)
    # The smallest record of a cluster names it, so that ascending names are in order of first appearance.
    return np.unique(labels, return_inverse=True)[1].astype(np.int64)
