"""Pairs of filters that are likely to be alike, where all pairs are too many to compare. The matcher runs this. Pure.

Locality-sensitive hashing for the Hamming distance: a table draws k positions, and two filters meet in it if they hold
the same bits there. With T tables, two filters of L bits that differ in d of them meet at least once with probability

    1 - (1 - (1 - d/L)^k)^T

whatever their bits are, as the positions are drawn without regard to them. Two filters of b bits whose Dice coefficient
is f differ in d = 2b (1 - f). So k and T are planned from the recall that is wanted of pairs at the floor itself, and
of all such choices the one that costs the least by the distances of sampled pairs. Filters that meet are compared
exactly: what is found is right, and what is missed is what has met in no table.

Common values make some buckets large. One with too many pairs is split by further positions of its table, up to 32,
and the pairs that this parts are counted; they may meet in other tables. How many pairs were missed is measured on some
rows of the left side that are compared with all of the right.

The positions come from the agreement's digest: another run draws the same.

Source: Indyk and Motwani (1998), bit sampling; Karapiperis and Verykios (2015) for its use in record linkage.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from coordinator.linkage import compare, dice_kernel
from coordinator.linkage.compare import Filters, Pairs, Room
from coordinator.linkage.dice_kernel import Counts, Found, Ordered, Words, ones
from pprl.errors import DisclosureError
from pprl.protocol.cores import cores
from pprl.protocol.levels import compiled

# Above this number, all pairs of two datasets take minutes: a core compares about a thousand million in a second.
MOST_EXACT_PAIRS = 10**11
WANTED_RECALL = 0.999

FEWEST_BITS, MOST_BITS = 8, 32
MOST_TABLES = 4_096
MOST_PAIRS_IN_BUCKET = 1 << 16
FEWEST_TO_MERGE = 1 << 22
SAMPLE_ROWS = 1_000

# Nanoseconds, as measured at a million a side, of a row in a table, of a pair that meets in one (its filters are
# anywhere in memory), and of one of all pairs. Blocking pays where the floor is high: of a million a side it takes a
# quarter of the time of all pairs at 0.8, and more than it at 0.7.
ROW_COST, MEETING_COST, EXACT_COST = 100.0, 60.0, 1.0

Keys = NDArray[np.uint64]


@dataclass(frozen=True, slots=True)
class Plan:
    """How many bits and tables, and what they are expected to do.

    Attributes:
        bits: positions that a table goes by.
        tables: tables.
        recall: expected share, of the pairs at the floor itself, that meet in a table.
        meetings: expected pairs that meet, counted in each table anew.
        cost: expected nanoseconds of one core.
    """

    bits: int
    tables: int
    recall: float
    meetings: float
    cost: float


@dataclass(frozen=True, slots=True)
class Blocking:
    """What blocking did.

    Attributes:
        plan: how it was done.
        meetings: pairs that met and were compared, counted in each table anew.
        parted: pairs that a table parted by further bits, as their bucket was too large, counted likewise.
        sampled: pairs of the sampled rows that reach the floor.
        sampled_found: those of them that were found.
    """

    plan: Plan
    meetings: int
    parted: int
    sampled: int
    sampled_found: int


def plan(
    left: Filters, right: Filters | None, *, floor: float, wanted_recall: float = WANTED_RECALL
) -> Plan | None:
    """The cheapest way to find the wanted share of the pairs at the floor; None if comparing all pairs is cheaper.

    Args:
        left: filters, shape (rows, bytes).
        right: filters of the same width; None to compare `left` with itself.
        floor: lowest Dice coefficient to keep.
        wanted_recall: the share.
    """
    other = left if right is None else right
    rows, pairs = len(left) + len(other), possible_pairs(left, right)
    width = 8 * left.shape[1]
    apart = _distances(left, right)
    bits_set = np.bitwise_count(compare.sample(left)).sum(axis=1, dtype=np.int64)
    agreeing_at_floor = 1 - np.minimum(2 * bits_set[bits_set > 0] * (1 - floor) / width, 1)
    plans = []
    for bits in range(FEWEST_BITS, MOST_BITS + 1):
        tables, recall = _tables_needed(agreeing_at_floor**bits, wanted_recall)
        if recall < wanted_recall:
            continue
        meetings = tables * pairs * float(apart @ (1 - np.arange(width + 1) / width) ** bits)
        cost = tables * rows * ROW_COST + meetings * MEETING_COST
        plans.append(Plan(bits, tables, recall, meetings, cost))
    best = min(plans, key=lambda each: each.cost, default=None)
    return None if best is None or best.cost > pairs * EXACT_COST else best


def possible_pairs(left: Filters, right: Filters | None) -> int:
    """How many pairs two sides have, or one has with itself."""
    return len(left) * (len(left) - 1) // 2 if right is None else len(left) * len(right)


def _distances(left: Filters, right: Filters | None) -> NDArray[np.float64]:
    """The share of sampled pairs that differ in each number of bits, shape (bits + 1,)."""
    some, others = compare.sample(left), compare.sample(left if right is None else right)
    bits, other_bits = (np.unpackbits(each, axis=1).astype(np.float32) for each in (some, others))
    apart = bits.sum(axis=1)[:, None] + other_bits.sum(axis=1)[None, :] - 2 * bits @ other_bits.T
    if right is None:
        apart = apart[~np.eye(len(some), dtype=bool)]
    counts = np.bincount(apart.astype(np.int64).ravel(), minlength=8 * left.shape[1] + 1)
    return np.asarray(counts / max(int(counts.sum()), 1), dtype=np.float64)


def _tables_needed(meeting: NDArray[np.float64], wanted: float) -> tuple[int, float]:
    """The fewest tables in which the wanted share of pairs meets, given each one's probability in a single table."""

    def recall(tables: int) -> float:
        return float(np.mean(1 - (1 - meeting) ** tables)) if len(meeting) else 1.0

    fewest, most = 1, MOST_TABLES
    while fewest < most:
        middle = (fewest + most) // 2
        fewest, most = (fewest, middle) if recall(middle) >= wanted else (middle + 1, most)
    return fewest, recall(fewest)


def compare_blocked(
    left: Filters,
    right: Filters | None,
    *,
    floor: float,
    planned: Plan,
    digest: str,
    progress: Callable[[float], None],
) -> tuple[Pairs, Blocking]:
    """As `compare.compare`, but for the pairs that meet in no table.

    Args:
        left: filters, shape (rows, bytes), a multiple of 8 bytes.
        right: filters of the same width; None to compare `left` with itself, each two rows once.
        floor: lowest Dice coefficient to keep.
        planned: bits and tables.
        digest: hexadecimal digits that positions are drawn from: the agreement's digest.
        progress: called with the share that is done, rising to 1.

    Returns:
        The pairs, and what blocking did.

    Raises:
        DisclosureError: so many pairs that a dataset must be made up of copies, or the floor is far too low.
    """
    sides = _sides(left, right, floor)
    drawn = positions(digest, planned.tables, width=8 * left.shape[1])
    progress(0.0)
    found, meetings, parted = _met(sides, drawn, planned.bits, progress)
    pairs = compare.in_rows([_counted(sides, found)], sides.left, sides.right, within=sides.within)
    sampled = _sampled(sides)
    blocking = Blocking(
        planned, meetings, parted, len(sampled), int(np.isin(sampled, found, assume_unique=True).sum())
    )
    progress(1.0)
    return pairs, blocking


def positions(digest: str, tables: int, *, width: int) -> NDArray[np.int64]:
    """The positions of each table, shape (tables, 32); the first come first in a key.

    Args:
        digest: hexadecimal digits.
        tables: tables.
        width: bits of a filter.
    """
    raw = np.random.PCG64(int(digest, 16)).random_raw(tables * MOST_BITS)
    # The upper half of each number, as a fraction of 2^32, of the width.
    drawn = (raw >> np.uint64(32)) * np.uint64(width) >> np.uint64(32)
    return np.asarray(drawn, dtype=np.int64).reshape(tables, MOST_BITS)


@dataclass(frozen=True, slots=True)
class _Sides:
    """Both sides in order, and what is asked of their pairs. A pair's number is left * 2^32 + right, in positions."""

    left: Ordered
    right: Ordered
    within: bool
    least: Counts
    most_pairs: int
    floor: float


def _sides(left: Filters, right: Filters | None, floor: float) -> _Sides:
    ordered = dice_kernel.ordered(left)
    other = ordered if right is None else dice_kernel.ordered(right)
    most_bits = int(ordered.bits[-1] + other.bits[-1]) if len(ordered) and len(other) else 0
    least = dice_kernel.least_common(floor, most_bits)
    return _Sides(ordered, other, right is None, least, compare.most_pairs(left, right), floor)


def _met(
    sides: _Sides, drawn: NDArray[np.int64], bits: int, progress: Callable[[float], None]
) -> tuple[Keys, int, int]:
    """The numbers of the pairs found, ascending; how many met, and how many were parted, in all tables together."""
    together = cores()
    found: Keys = np.empty(0, np.uint64)
    fresh: list[Keys] = []
    meetings, parted = 0, 0
    with ThreadPoolExecutor(together) as pool:
        # A few tables at a time: what the same pair was found by again is dropped before it piles up.
        for start in range(0, len(drawn), together):
            for numbers, met, split in pool.map(
                lambda table: _one_table(sides, table, bits), drawn[start : start + together]
            ):
                fresh.append(numbers)
                meetings, parted = meetings + met, parted + split
            if sum(map(len, fresh)) > max(len(found), min(FEWEST_TO_MERGE, sides.most_pairs)):
                found, fresh = _merged(found, fresh, sides.most_pairs), []
            progress(0.99 * min(start + together, len(drawn)) / len(drawn))
    return _merged(found, fresh, sides.most_pairs), meetings, parted


def _merged(found: Keys, fresh: Sequence[Keys], most: int) -> Keys:
    """Pairs found before and since, each once, ascending.

    Raises:
        DisclosureError: they are more than there may be.
    """
    together = np.unique(np.concatenate([found, *fresh]))
    if len(together) > most:
        raise DisclosureError("Too many encodings are alike.", hint=compare.TOO_MANY_ALIKE)
    return together


def _one_table(sides: _Sides, table: NDArray[np.int64], bits: int) -> tuple[Keys, int, int]:
    """The numbers of the pairs of a table that reach the floor; how many met in it, and how many were parted."""
    keys = _keys(sides.left, table)
    others = keys if sides.within else _keys(sides.right, table)
    runs = np.empty((len(keys), 4), dtype=np.int64)
    count, parted = _find_runs(keys, others, sides.within, bits, MOST_PAIRS_IN_BUCKET, runs)
    runs = runs[:count].copy()
    longest = int((runs[:, 3] - runs[:, 2]).max(initial=0))
    room = np.empty(max(longest, 1 << 16), dtype=np.uint64)
    allowed, parts = Room(sides.most_pairs), [np.empty(0, np.uint64)]
    run, row, meetings = 0, 0, 0
    while run < len(runs):
        found, met, run, row = _compare_runs(
            runs,
            run,
            row,
            keys,
            others,
            sides.left.words,
            sides.left.bits,
            sides.right.words,
            sides.right.bits,
            sides.within,
            sides.least,
            room,
        )
        meetings += met
        parts.append(room[:found].copy())
        if not allowed.take(found):
            break
    return np.concatenate(parts), meetings, parted


def _keys(side: Ordered, table: NDArray[np.int64]) -> Keys:
    """For each filter its bits at a table's positions, above its own position, ascending."""
    keys = np.empty(len(side), dtype=np.uint64)
    _fill_keys(side.words, table, keys)
    keys.sort()
    return keys


def _counted(sides: _Sides, numbers: Keys) -> Found:
    left, right = (numbers >> np.uint64(32)).astype(np.uint32), numbers.astype(np.uint32)
    common = np.empty(len(numbers), dtype=np.uint32)
    _fill_common(sides.left.words, left, sides.right.words, right, common)
    return Found(left, right, common)


def _sampled(sides: _Sides) -> Keys:
    """The numbers of all pairs that some rows of the left side are in, whether they met or not."""
    rows = np.arange(len(sides.left))[:: max(1, len(sides.left) // SAMPLE_ROWS)]
    some = Ordered(sides.left.rows[rows], sides.left.bits[rows], sides.left.words[rows])
    found = dice_kernel.find(
        some,
        range(len(some)),
        sides.right,
        dice_kernel.tiles(sides.right),
        sides.least,
        within=False,
        take=Room(sides.most_pairs).take,
    )
    left, right = rows[found.left].astype(np.uint64), found.right.astype(np.uint64)
    if sides.within:
        left, right = (each[left != right] for each in (np.minimum(left, right), np.maximum(left, right)))
    return np.unique(left << np.uint64(32) | right)


@compiled
def _fill_keys(words: Words, table: NDArray[np.int64], keys: Keys) -> None:
    for row in range(len(words)):
        key = np.uint64(0)
        for place in range(len(table)):
            bit = words[row, table[place] >> 6] >> np.uint64(table[place] & 63) & np.uint64(1)
            key = key << np.uint64(1) | bit
        keys[row] = key << np.uint64(32) | np.uint64(row)


@compiled
def _first_above(keys: Keys, start: int, prefix: int, shift: int) -> int:
    """The first place from `start` on whose key, shifted, is above a prefix."""
    step = 1
    while start + step < len(keys) and keys[start + step] >> np.uint64(shift) <= prefix:
        step *= 2
    low, high = start, min(start + step, len(keys))
    while low < high:
        middle = (low + high) // 2
        if keys[middle] >> np.uint64(shift) <= prefix:
            low = middle + 1
        else:
            high = middle
    return low


@compiled
def _find_runs(
    left: Keys, right: Keys, within: bool, bits: int, most_pairs: int, runs: NDArray[np.int64]
) -> tuple[int, int]:
    """Fill in which stretch of one side meets which of the other; how many do, and how many pairs were parted."""
    count, parted, start, base = 0, 0, 0, 0
    while start < len(left):
        prefix = left[start] >> np.uint64(64 - bits)
        stop = _first_above(left, start, prefix, 64 - bits)
        if within:
            base = start
        elif prefix > 0:
            base = _first_above(right, base, prefix - np.uint64(1), 64 - bits)
        end = _first_above(right, base, prefix, 64 - bits)
        met, depth, first = end - base, bits, base
        while depth < MOST_BITS and (stop - start) * (end - first) > most_pairs:
            depth += 1
            prefix = left[start] >> np.uint64(64 - depth)
            stop = _first_above(left, start, prefix, 64 - depth)
            if prefix > 0:
                first = _first_above(right, first, prefix - np.uint64(1), 64 - depth)
            end = _first_above(right, first, prefix, 64 - depth)
        parted += (stop - start) * (met - (end - first))
        if end > first:
            runs[count, 0], runs[count, 1], runs[count, 2], runs[count, 3] = start, stop, first, end
            count += 1
        start = stop
    return count, parted


@compiled
def _common_bits(x: Words, y: Words) -> int:
    bits = 0
    for word in range(len(x)):
        bits += ones(x[word] & y[word])
    return bits


@compiled
def _compare_runs(
    runs: NDArray[np.int64],
    run: int,
    row: int,
    left: Keys,
    right: Keys,
    left_words: Words,
    left_bits: Counts,
    right_words: Words,
    right_bits: Counts,
    within: bool,
    least: Counts,
    room: Keys,
) -> tuple[int, int, int, int]:
    """Go on from a run and a row while there is room: pairs found, pairs that met, and where to go on."""
    found, met = 0, 0
    low = np.uint64(0xFFFFFFFF)
    for at_run in range(run, len(runs)):
        start, stop, first, end = runs[at_run]
        for at in range(max(start, row), stop):
            if found + end - first > len(room):
                return found, met, at_run, at
            x = left[at] & low
            begin = at + 1 if within else first
            met += max(end - begin, 0)
            for place in range(begin, end):
                y = right[place] & low
                bits = left_bits[x] + right_bits[y]
                if min(left_bits[x], right_bits[y]) < least[bits]:
                    continue
                if _common_bits(left_words[x], right_words[y]) >= least[bits]:
                    room[found] = min(x, y) << np.uint64(32) | max(x, y) if within else x << np.uint64(32) | y
                    found += 1
        row = 0
    return found, met, len(runs), 0


@compiled
def _fill_common(
    left_words: Words,
    left: NDArray[np.uint32],
    right_words: Words,
    right: NDArray[np.uint32],
    common: NDArray[np.uint32],
) -> None:
    for pair in range(len(common)):
        common[pair] = _common_bits(left_words[left[pair]], right_words[right[pair]])
