"""Clusters from candidate pairs: which records belong to the same person. The key issuer runs this.

Every record begins as a group of its own. Pairs are taken from the most alike down. Each is one more pair that has been
seen between the groups of its two records, and two groups become one as soon as

- a pair between them is taken, and enough of all the pairs between them have been seen, this one among them: at least
  `merge_share` times the product of their sizes; and
- no dataset whose records are all of different people has a record in both.

A dataset that may have duplicates may give a group several records.

Where two groups can't become one, no larger ones that they are in can, so that pairs between them aren't even counted.
What must be counted lies in a hash table from two groups to the pairs seen, with a list of neighbours for each group:
of two groups that become one, that with the shorter list moves its counts to the other. So n pairs take time n log n,
whatever the graph. The records of two clean datasets need no count at all.

anonlink's multi-party solver groups the same way (`probabilistic_greedy_solve`), and the tests hold this to give equal
groups.

Source: N1 Analytics / CSIRO, anonlink 0.15.3; Tarjan (1975) for groups as trees whose paths are halved.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from coordinator.linkage.compare import Pairs
from pprl.protocol.levels import compiled

# Share of the pairs between two groups that must reach the threshold before they merge (decision 0002).
MERGE_SHARE = 0.5

MAX_RECORDS = 2**31
# A group's clean datasets are a mask of 32 bits. An agreement has at most 20 datasets.
MOST_CLEAN_DATASETS = 32
# Slots of the table of counts at first: a power of two, as are those that it grows to.
FIRST_SLOTS = 1_024
_EMPTY, _NOBODY = np.uint64(0), np.int32(-1)
# Knuth's multiplicative hashing: 2**64 over the golden ratio. The high bits of the product say the slot.
_GOLDEN, _HALF = np.uint64(0x9E3779B97F4A7C15), np.uint64(32)

Labels = NDArray[np.int64]
Records = NDArray[np.uint32]
Scores = NDArray[np.float64]


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
) -> list[Labels]:
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
        ValueError: a pair names a record that doesn't exist, there are 2**31 records or more, or more than 32 datasets
            without duplicates.

    Leaks: to whoever holds the result, which records belong to the same person.
    """
    offsets = np.concatenate([[0], np.cumsum(sizes, dtype=np.int64)])
    if offsets[-1] >= MAX_RECORDS:
        raise ValueError(f"there must be fewer than {MAX_RECORDS} records")
    first, second, scores = _pairs(sizes, may_have_duplicates, compared, threshold, offsets)
    bits = _bits(may_have_duplicates)
    groups = grouped(first, second, scores, np.repeat(bits, sizes), merge_share=merge_share)
    labels = _in_order(groups)
    return [labels[offsets[index] : offsets[index + 1]] for index in range(len(sizes))]


def grouped(
    first: Records, second: Records, scores: Scores, bits: Records, *, merge_share: float = MERGE_SHARE
) -> NDArray[np.int32]:
    """The group of each record, as a record of it. The key issuer runs this, on all records or on some.

    Groups lie inside connected components of the pairs. So any number of whole components may be solved by itself, with
    records numbered anew in the same order, and the groups are the same.

    Args:
        first: lower record of each pair, below the number of records.
        second: higher record of each; no pair stands twice.
        scores: of the pairs, in any order; pairs of equal score are taken in order of their records.
        bits: for each record a mask with the bit of its dataset, 0 where that may have duplicates; no two records of a
            group share a bit.
        merge_share: as for `clusters`.

    Returns:
        For each record, one record of its group, the same for all of the group.
    """
    key = first.astype(np.uint64) << _HALF | second
    if (key[1:] <= key[:-1]).any():
        order = np.argsort(key)
        order = order[np.argsort(-scores[order], kind="stable")]
    else:
        order = np.argsort(-scores, kind="stable")
    del key
    return _solve(first[order], second[order], bits.astype(np.uint32), float(merge_share))


def _bits(may_have_duplicates: Sequence[bool]) -> Records:
    """The bit of each dataset's records: one for each that has no duplicates."""
    clean = ~np.array(may_have_duplicates, dtype=bool)
    if clean.sum() > MOST_CLEAN_DATASETS:
        raise ValueError(f"there must be at most {MOST_CLEAN_DATASETS} datasets without duplicates")
    place = np.cumsum(clean) - clean
    return np.where(clean, np.uint64(1) << place.astype(np.uint64), np.uint64(0)).astype(np.uint32)


def _pairs(
    sizes: Sequence[int],
    may_have_duplicates: Sequence[bool],
    compared: Sequence[Compared],
    threshold: float,
    offsets: NDArray[np.int64],
) -> tuple[Records, Records, Scores]:
    """Pairs that may link, as numbers over all records, the lower one first, each pair once."""
    lower, higher = [np.empty(0, np.uint32)], [np.empty(0, np.uint32)]
    scores = [np.empty(0)]
    for each in compared:
        if each.left == each.right and not may_have_duplicates[each.left]:
            continue
        _require_in_range(each, sizes)
        keep = np.flatnonzero(each.pairs.dice >= threshold)
        left = each.pairs.left[keep].astype(np.uint32) + np.uint32(offsets[each.left])
        right = each.pairs.right[keep].astype(np.uint32) + np.uint32(offsets[each.right])
        lower.append(np.minimum(left, right))
        higher.append(np.maximum(left, right))
        scores.append(each.pairs.dice[keep])
    return _each_once(np.concatenate(lower), np.concatenate(higher), np.concatenate(scores))


def _each_once(first: Records, second: Records, scores: Scores) -> tuple[Records, Records, Scores]:
    """A repeated pair would count twice, and merge what should be kept apart: its highest score is kept."""
    key = first.astype(np.uint64) << _HALF | second
    if (key[1:] > key[:-1]).all():
        return first, second, scores
    order = np.lexsort((-scores, key))
    key = key[order]
    new = np.ones(len(key), dtype=bool)
    new[1:] = key[1:] != key[:-1]
    order = order[new]
    return first[order], second[order], scores[order]


def _require_in_range(compared: Compared, sizes: Sequence[int]) -> None:
    pairs = compared.pairs
    if len(pairs) and (
        int(pairs.left.max()) >= sizes[compared.left] or int(pairs.right.max()) >= sizes[compared.right]
    ):
        raise ValueError("a pair names a record that its dataset doesn't have")


class _Seen(NamedTuple):
    """How many pairs have been seen between groups that are not one, and may become one.

    Attributes:
        keys: for each slot, the lower group in the high half and the higher one in the low half; 0 for none.
        counts: for each slot, the pairs seen; 0 where one of the groups is no longer there.
        neighbours: for each node of a list, a group.
        following: for each node, the next one of its list; -1 for none.
        used: slots, then nodes in use.
    """

    keys: NDArray[np.uint64]
    counts: NDArray[np.int32]
    neighbours: NDArray[np.int32]
    following: NDArray[np.int32]
    used: NDArray[np.int64]


class _Groups(NamedTuple):
    """The groups so far, each known by one of its records, its root.

    Attributes:
        parents: for each record one that is nearer to its root; for a root, less the size of its group.
        bits: for each root, the clean datasets that its group has a record of.
        heads: for each root, the first node of its list of neighbours; -1 for none.
        lengths: for each root, nodes in that list.
    """

    parents: NDArray[np.int32]
    bits: NDArray[np.uint32]
    heads: NDArray[np.int32]
    lengths: NDArray[np.int32]


@compiled
def _solve(first: Records, second: Records, bits: Records, merge_share: float) -> NDArray[np.int32]:
    records = len(bits)
    groups = _Groups(
        np.full(records, -1, np.int32),
        bits,
        np.full(records, -1, np.int32),
        np.zeros(records, np.int32),
    )
    seen = _Seen(
        np.zeros(FIRST_SLOTS, np.uint64),
        np.zeros(FIRST_SLOTS, np.int32),
        np.empty(FIRST_SLOTS, np.int32),
        np.empty(FIRST_SLOTS, np.int32),
        np.zeros(2, np.int64),
    )
    for pair in range(len(first)):
        one, other = (
            _root(groups.parents, np.int32(first[pair])),
            _root(groups.parents, np.int32(second[pair])),
        )
        if one == other or groups.bits[one] & groups.bits[other]:
            continue
        count = 1 + seen.counts[_slot(seen.keys, _key(one, other))]
        # In this order, as floating-point products depend on it.
        if count >= merge_share * -groups.parents[one] * -groups.parents[other]:
            seen = _join(groups, seen, one, other)
        else:
            seen = _see(groups, seen, one, other, np.int32(1))
    for record in range(records):
        root = _root(groups.parents, np.int32(record))
        if root != record:
            groups.parents[record] = root
    for record in range(records):
        if groups.parents[record] < 0:
            groups.parents[record] = record
    return groups.parents


@compiled
def _root(parents: NDArray[np.int32], record: np.int32) -> np.int32:
    """The root of a record's group; the path to it is halved for the next time."""
    while parents[record] >= 0:
        above = parents[record]
        if parents[above] < 0:
            return np.int32(above)
        parents[record] = parents[above]
        record = parents[above]
    return record


@compiled
def _join(groups: _Groups, seen: _Seen, one: np.int32, other: np.int32) -> _Seen:
    """Make two groups one: that with the shorter list of neighbours goes into the other."""
    gone, kept = one, other
    if groups.lengths[one] > groups.lengths[other]:
        gone, kept = other, one
    seen.counts[_slot(seen.keys, _key(one, other))] = 0
    groups.parents[kept] += groups.parents[gone]
    groups.parents[gone] = kept
    groups.bits[kept] |= groups.bits[gone]
    node = groups.heads[gone]
    while node >= 0:
        neighbour = seen.neighbours[node]
        slot = _slot(seen.keys, _key(gone, neighbour))
        count = seen.counts[slot]
        seen.counts[slot] = 0
        node = seen.following[node]
        # Nothing is left of neighbours that are in other groups by now; those that can't join anymore don't count.
        if count and not groups.bits[kept] & groups.bits[neighbour]:
            seen = _see(groups, seen, kept, neighbour, count)
    return seen


@compiled
def _see(groups: _Groups, seen: _Seen, one: np.int32, other: np.int32, count: np.int32) -> _Seen:
    """Count pairs between two groups."""
    seen = _with_room(seen)
    key = _key(one, other)
    slot = _slot(seen.keys, key)
    if seen.keys[slot] == _EMPTY:
        seen.keys[slot] = key
        seen.used[0] += 1
        _list(groups, seen, one, other)
        _list(groups, seen, other, one)
    seen.counts[slot] += count
    return seen


@compiled
def _list(groups: _Groups, seen: _Seen, group: np.int32, neighbour: np.int32) -> None:
    node = seen.used[1]
    seen.used[1] += 1
    seen.neighbours[node] = neighbour
    seen.following[node] = groups.heads[group]
    groups.heads[group] = node
    groups.lengths[group] += 1


@compiled
def _with_room(seen: _Seen) -> _Seen:
    """The same counts with room for two more: at most half of the slots are in use."""
    keys, counts = seen.keys, seen.counts
    if 2 * (seen.used[0] + 1) > len(keys):
        keys, counts, seen.used[0] = _rehashed(keys, counts)
    neighbours, following = seen.neighbours, seen.following
    if seen.used[1] + 2 > len(neighbours):
        neighbours, following = _longer(neighbours), _longer(following)
    return _Seen(keys, counts, neighbours, following, seen.used)


@compiled
def _longer(values: NDArray[np.int32]) -> NDArray[np.int32]:
    longer = np.empty(2 * len(values), np.int32)
    longer[: len(values)] = values
    return longer


@compiled
def _rehashed(
    keys: NDArray[np.uint64], counts: NDArray[np.int32]
) -> tuple[NDArray[np.uint64], NDArray[np.int32], int]:
    """The counts that are left, in a table that is at most a quarter full."""
    left = 0
    for slot in range(len(keys)):
        left += counts[slot] > 0
    size = FIRST_SLOTS
    while size < 4 * (left + 1):
        size *= 2
    new_keys, new_counts = np.zeros(size, np.uint64), np.zeros(size, np.int32)
    for slot in range(len(keys)):
        if counts[slot]:
            place = _slot(new_keys, keys[slot])
            new_keys[place], new_counts[place] = keys[slot], counts[slot]
    return new_keys, new_counts, left


@compiled
def _key(one: np.int32, other: np.int32) -> np.uint64:
    return np.uint64(min(one, other)) << _HALF | np.uint64(max(one, other))


@compiled
def _slot(keys: NDArray[np.uint64], key: np.uint64) -> np.int64:
    """Where a key is, or the empty slot where it would go."""
    mask = np.uint64(len(keys) - 1)
    slot = (key * _GOLDEN >> _HALF) & mask
    while keys[slot] != _EMPTY and keys[slot] != key:
        slot = (slot + np.uint64(1)) & mask
    return np.int64(slot)


@compiled
def _in_order(groups: NDArray[np.int32]) -> Labels:
    """The groups as whole numbers from 0 in order of first appearance."""
    names = np.full(len(groups), -1, np.int64)
    labels = np.empty(len(groups), np.int64)
    count = 0
    for record in range(len(groups)):
        group = groups[record]
        if names[group] < 0:
            names[group] = count
            count += 1
        labels[record] = names[group]
    return labels
