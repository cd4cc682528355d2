"""Lay a block that is seen over a block of the list: which of its records fits which, and how strongly that speaks.

Two blocks of the same people agree record by record in what is missing and in how alike names of one record are, and
pair by pair in how alike two records are. To find the best way to lay one over the other is graph matching; blocks
are small, so that a greedy way does: begin with two records that fit best, add whichever fits best to those that lie
already, and at the end exchange places as long as that helps. That is done from every two records, and the best kept.

There are two ways to take it. Either both blocks are of the same people, all of them; or some are in both, and then
each record that is laid must earn more than it would by chance among so many places. Evidence is a logarithm: how
much likelier is what is seen if the blocks are of the same people than if they have nothing to do with each other.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from pprl.protocol.levels import compiled

Indices = NDArray[np.int64]
Floats = NDArray[np.float32]
Steps = NDArray[np.uint8]

_MOST_BEGINNINGS = 24
_PARTLY = -2.0
_STRANGER = 0.7


class Blocks(NamedTuple):
    """The blocks of one pass, each with how alike its records are; see `similarities.pictures`.

    Attributes:
        rows: place in the pass of each record, block by block, shape (records,).
        starts: where each block begins in `rows`, and the end of the last, shape (blocks + 1,).
        masks: number of each record's mask of present filters, in the order of `rows`.
        own: steps of how alike the names of each record are, shape (records, crossings).
        pairs: steps of each ordered pair of a block, block by block, shape (sum of squares of sizes, comparisons).
        offsets: where each block's pairs begin, shape (blocks,).
    """

    rows: Indices
    starts: Indices
    masks: Indices
    own: Steps
    pairs: Steps
    offsets: Indices


class Evidence(NamedTuple):
    """How strongly two observations speak for the same people, one seen and one of the list.

    Attributes:
        masks: of two numbers of masks, shape (masks, masks).
        steps: of two steps in each comparison, shape (comparisons, steps, steps).
        alike: how many comparisons are of a field with itself; they come first, the others cross two names.
    """

    masks: Floats
    steps: Floats
    alike: int


@compiled
def laid_over_each(
    block: int, against: Indices, seen: Blocks, listed: Blocks, evidence: Evidence
) -> NDArray[np.float64]:
    """The evidence for each of some blocks of the list.

    Args:
        block: that is seen.
        against: blocks of the list, shape (blocks,).
        seen: all blocks of the pass.
        listed: all of the list's.
        evidence: of each two observations.

    Returns:
        Of each, as `laid_over` gives it when nobody is known, shape (blocks,).
    """
    size = seen.starts[block + 1] - seen.starts[block]
    nothing, laid = np.full(size, -1, dtype=np.int64), np.empty(size, dtype=np.int64)
    found = np.empty(len(against), dtype=np.float64)
    for place in range(len(against)):
        its = against[place]
        if size == 2 and listed.starts[its + 1] - listed.starts[its] == 2:
            found[place] = _two_over_two(block, its, seen, listed, evidence)
        else:
            found[place] = laid_over(block, its, seen, listed, evidence, nothing, laid)
    return found


@compiled
def _two_over_two(block: int, its: int, seen: Blocks, listed: Blocks, evidence: Evidence) -> float:
    """As `laid_over`, of two records each, of which there are by far the most: either way round."""
    i, a = seen.starts[block], listed.starts[its]
    j, b = i + 1, a + 1
    there, back = seen.pairs[seen.offsets[block] + 1], seen.pairs[seen.offsets[block] + 2]
    its_there, its_back = listed.pairs[listed.offsets[its] + 1], listed.pairs[listed.offsets[its] + 2]
    straight = (
        float(_of_record(i, a, seen, listed, evidence))
        + float(_of_record(j, b, seen, listed, evidence))
        + float(_of_pair(there, back, its_there, its_back, evidence))
    )
    crossed = (
        float(_of_record(i, b, seen, listed, evidence))
        + float(_of_record(j, a, seen, listed, evidence))
        + float(_of_pair(there, back, its_back, its_there, evidence))
    )
    return float(max(straight, crossed) - np.log(2))


@compiled
def laid_over(
    block: int, its: int, seen: Blocks, listed: Blocks, evidence: Evidence, fixed: Indices, laid: Indices
) -> float:
    """Lay a block over one of the list.

    Args:
        block: that is seen.
        its: the one of the list.
        seen: all blocks of the pass.
        listed: all of the list's.
        evidence: of each two observations.
        fixed: for each record of the block the place in the other that it is known to have, or -1.
        laid: gets the place in the other of each record, or -1.

    Returns:
        The evidence that the two are of the same people.
    """
    records = _records(block, its, seen, listed, evidence)
    if records.size == 1:
        laid[0] = 0
        return float(records[0, 0])
    fits = _fits(block, its, seen, listed, evidence)
    if (fixed >= 0).any():
        laid[:] = fixed
        return _grown(records, fits, laid, records.shape[0] != records.shape[1])
    return _best(records, fits, laid)


@compiled
def _records(block: int, its: int, seen: Blocks, listed: Blocks, evidence: Evidence) -> Floats:
    """Evidence of each record with each of the other block."""
    start, its_start = seen.starts[block], listed.starts[its]
    n, m = seen.starts[block + 1] - start, listed.starts[its + 1] - its_start
    records = np.empty((n, m), dtype=np.float32)
    for i in range(n):
        for a in range(m):
            records[i, a] = _of_record(start + i, its_start + a, seen, listed, evidence)
    return records


@compiled
def _of_record(record: int, other: int, seen: Blocks, listed: Blocks, evidence: Evidence) -> np.float32:
    total: np.float32 = evidence.masks[seen.masks[record], listed.masks[other]]
    for number in range(seen.own.shape[1]):
        total += evidence.steps[evidence.alike + number, seen.own[record, number], listed.own[other, number]]
    return total


@compiled
def _fits(block: int, its: int, seen: Blocks, listed: Blocks, evidence: Evidence) -> Floats:
    """Evidence of each two records i, j with each two of the other block a, b: shape (n, n, m, m)."""
    n = seen.starts[block + 1] - seen.starts[block]
    m = listed.starts[its + 1] - listed.starts[its]
    fits = np.zeros((n, n, m, m), dtype=np.float32)
    start, its_start = seen.offsets[block], listed.offsets[its]
    for i in range(n):
        for j in range(i + 1, n):
            there, back = seen.pairs[start + i * n + j], seen.pairs[start + j * n + i]
            for a in range(m):
                for b in range(m):
                    if a == b:
                        continue
                    its_there, its_back = (
                        listed.pairs[its_start + a * m + b],
                        listed.pairs[its_start + b * m + a],
                    )
                    total = _of_pair(there, back, its_there, its_back, evidence)
                    fits[i, j, a, b] = total
                    fits[j, i, b, a] = total
    return fits


@compiled
def _of_pair(there: Steps, back: Steps, its_there: Steps, its_back: Steps, evidence: Evidence) -> np.float32:
    total = np.float32(0)
    for number in range(len(there)):
        total += evidence.steps[number, there[number], its_there[number]]
    for number in range(evidence.alike, len(there)):
        total += evidence.steps[number, back[number], its_back[number]]
    return total


@compiled
def _best(records: Floats, fits: Floats, laid: Indices) -> float:
    """The best of what comes of several beginnings, all records laid or some of them."""
    n, m = records.shape
    laid[:] = -1
    best = -np.inf
    if n < 2 or m < 2:
        return best
    value, which = _beginnings(records, fits)
    some, whole = np.empty(n, dtype=np.int64), np.empty(n, dtype=np.int64)
    chance = np.log(n * (n - 1) / 2 * m * (m - 1))
    for _ in range(min(len(value), _MOST_BEGINNINGS)):
        begin = np.argmax(value)
        some[:] = -1
        some[which[begin, 0]], some[which[begin, 1]] = which[begin, 2], which[begin, 3]
        whole[:] = some
        total = float(value[begin]) - chance + _PARTLY + _grown(records, fits, some, True)
        value[begin] = -np.inf
        if total > best:
            best = total
            laid[:] = some
        if n == m:
            _grown(records, fits, whole, False)
            total = _exchanged(records, fits, whole)
            if total > best:
                best = total
                laid[:] = whole
    return float(best)


@compiled
def _beginnings(records: Floats, fits: Floats) -> tuple[Floats, Indices]:
    """For each two records the two of the other block that fit best: evidence, and i, j, a, b."""
    n, m = records.shape
    value = np.full(n * (n - 1) // 2, -np.inf, dtype=np.float32)
    which = np.zeros((len(value), 4), dtype=np.int64)
    at = 0
    for i in range(n):
        for j in range(i + 1, n):
            for a in range(m):
                for b in range(m):
                    total = records[i, a] + records[j, b] + fits[i, j, a, b]
                    if a != b and total > value[at]:
                        value[at] = total
                        which[at, 0], which[at, 1], which[at, 2], which[at, 3] = i, j, a, b
            at += 1
    return value, which


@compiled
def _grown(records: Floats, fits: Floats, laid: Indices, partly: bool) -> float:
    """Lay further records, the one that fits best first; what that adds. Partly: only while it earns its place."""
    n, m = records.shape
    free = np.ones(m, dtype=np.bool_)
    gain = records.copy()
    for i in range(n):
        if laid[i] >= 0:
            _lay(i, laid[i], fits, free, gain)
    added = 0.0
    while free.any():
        i, a = _next(gain, laid, free)
        if i < 0:
            break
        earned = float(gain[i, a])
        if partly:
            earned -= np.log(free.sum()) + _STRANGER
            if earned <= 0:
                break
        added += earned
        laid[i] = a
        _lay(i, a, fits, free, gain)
    return float(added)


@compiled
def _lay(i: int, a: int, fits: Floats, free: NDArray[np.bool_], gain: Floats) -> None:
    free[a] = False
    for j in range(gain.shape[0]):
        for b in range(gain.shape[1]):
            gain[j, b] += fits[i, j, a, b]


@compiled
def _next(gain: Floats, laid: Indices, free: NDArray[np.bool_]) -> tuple[int, int]:
    """The record not laid yet, and the free place, that fit best; -1, -1 if there are none."""
    best, its_i, its_a = np.float32(-np.inf), -1, -1
    for i in range(gain.shape[0]):
        if laid[i] >= 0:
            continue
        for a in range(gain.shape[1]):
            if free[a] and gain[i, a] > best:
                best, its_i, its_a = gain[i, a], i, a
    return its_i, its_a


@compiled
def _exchanged(records: Floats, fits: Floats, laid: Indices) -> float:
    """Exchange the places of two records while that helps, all being laid; the evidence, less that of chance."""
    n = len(laid)
    for _ in range(n):
        changed = False
        for i in range(n):
            for j in range(i + 1, n):
                if _better_exchanged(i, j, records, fits, laid):
                    laid[i], laid[j] = laid[j], laid[i]
                    changed = True
        if not changed:
            break
    total = 0.0
    for i in range(n):
        total += float(records[i, laid[i]]) - np.log(i + 1)
        for j in range(i + 1, n):
            total += float(fits[i, j, laid[i], laid[j]])
    return float(total)


@compiled
def _better_exchanged(i: int, j: int, records: Floats, fits: Floats, laid: Indices) -> bool:
    a, b = laid[i], laid[j]
    gain = records[i, b] + records[j, a] - records[i, a] - records[j, b]
    gain += fits[i, j, b, a] - fits[i, j, a, b]
    for k in range(len(laid)):
        if k not in (i, j):
            c = laid[k]
            gain += fits[i, k, b, c] + fits[j, k, a, c] - fits[i, k, a, c] - fits[j, k, b, c]
    return bool(gain > 1e-4)
