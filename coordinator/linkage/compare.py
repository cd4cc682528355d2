"""Candidate pairs from encodings: every pair whose Dice coefficient reaches a floor. The matcher runs this.

Dice of two filters x and y is `2 |x and y| / (|x| + |y|)`, in bits. Pairs come from anonlink's compiled
comparison of all with all, a tile at a time, so that memory stays bounded and progress can be told. An empty
filter is like no other, itself included.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from coordinator.linkage.native import native
from pprl.errors import DisclosureError

LEVELS_IN_ONE = 10_000
LOWEST_FLOOR = 0.05

# Small calls cost more than they compare, and a tile of the right side should fit a core's cache.
LEFT_ROWS = 1_000
RIGHT_ROWS = 16_000

# Rows that the floor is planned on: four million pairs, about a tenth of a second.
SAMPLE_ROWS = 2_000

# Pairs that a comparison may find, for each record of the larger side and besides; made-up copies would fill memory.
MOST_PAIRS_A_RECORD = 200
ALWAYS_ROOM_FOR = 5_000_000
TOO_MANY_ALIKE = "Ask the departments whether they sent copies; agree a higher threshold if one is fixed."

Filters = NDArray[np.uint8]


@dataclass(frozen=True, slots=True)
class Pairs:
    """Candidate pairs, in ascending order of (left, right), none twice.

    Attributes:
        left: row in the left dataset, shape (pairs,).
        right: row in the right dataset, or in the same one, where it is the larger of the two.
        dice: Dice coefficient, from the floor to 1.
    """

    left: NDArray[np.uint32]
    right: NDArray[np.uint32]
    dice: NDArray[np.float64]

    def __len__(self) -> int:
        """The number of pairs."""
        return len(self.dice)


def compare(
    left: Filters, right: Filters | None, *, floor: float, progress: Callable[[float], None]
) -> Pairs:
    """All pairs with a Dice coefficient of at least `floor`. The matcher runs this for each two datasets.

    Args:
        left: filters, shape (rows, bytes), a multiple of 8 bytes.
        right: filters of the same width; None to compare `left` with itself, each two rows once.
        floor: lowest Dice coefficient to keep, from 0.05 to 1.
        progress: called with the share that is done, rising to 1.

    Returns:
        The pairs.

    Raises:
        ConfigError: anonlink's compiled part is not there.
        DisclosureError: so many pairs that a dataset must be made up of copies, or the floor is far too low.
        ValueError: shapes or floor are out of range.

    Leaks: to whoever holds the result, the graph of who resembles whom among the encodings.
    """
    other = left if right is None else right
    _require_comparable(left, other, floor)
    rows_left, rows_right = _not_empty(left), _not_empty(other)
    found, room = [], MOST_PAIRS_A_RECORD * max(len(left), len(other)) + ALWAYS_ROOM_FOR
    for tile_left, tile_right in _tiles(rows_left, rows_right, within=right is None, progress=progress):
        found.append(_compare_tile(left, other, tile_left, tile_right, floor))
        room -= len(found[-1])
        if room < 0:
            raise DisclosureError("Too many encodings are alike.", hint=TOO_MANY_ALIKE)
    pairs = _joined(found)
    return _each_once(pairs) if right is None else pairs


def dice_of(left: Filters, right: Filters) -> NDArray[np.float64]:
    """The Dice coefficient of each filter on the left with the one beside it on the right; the matcher runs this.

    Args:
        left: filters, shape (pairs, bytes).
        right: filters, the same shape.
    """
    bits = [np.bitwise_count(each).sum(axis=1, dtype=np.int64) for each in (left, right, left & right)]
    return np.asarray(2 * bits[2] / np.maximum(bits[0] + bits[1], 1), dtype=np.float64)


def levels(dice: NDArray[np.float64]) -> NDArray[np.int64]:
    """Dice coefficients as whole ten-thousandths, rounded down, so that 0.8 is reached by 8,000 and more.

    Args:
        dice: coefficients from 0 to 1 of filters with at most 100,000 bits each.
    """
    # A coefficient is a fraction with a small denominator: it falls on a whole level, or well away from one.
    return np.floor(dice * LEVELS_IN_ONE + 1e-6).astype(np.int64)


def plan_floor(
    datasets: Sequence[Filters],
    *,
    lowest: float = 0.5,
    highest: float = 0.8,
    most_pairs_a_record: float = 30.0,
) -> float:
    """A floor that keeps the number of candidate pairs in hand. The matcher runs this before `compare`.

    One floor serves all comparisons, so that scores within datasets and between them can be set against each
    other. It is read off evenly spaced sample rows: they come in random order, so that no draw is needed.

    Args:
        datasets: filters of each dataset, shape (rows, bytes).
        lowest: floor for small data, where every pair can be kept.
        highest: floor never exceeded, as true pairs would be lost.
        most_pairs_a_record: candidate pairs aimed at, for each record of the larger of two datasets.

    Returns:
        The floor, a whole hundredth.
    """
    needed = [
        _floor_for(left, right, lowest, most_pairs_a_record)
        for index, left in enumerate(datasets)
        for right in datasets[index:]
    ]
    return min(max([lowest, *needed]), highest)


def _floor_for(left: Filters, right: Filters, lowest: float, most_pairs_a_record: float) -> float:
    some_left, some_right = _sample(left), _sample(right)
    dice = _all_dice(some_left, some_right)
    if left is right:
        dice[np.diag_indices_from(dice)] = 0
    # The sample holds this share of all pairs, so it is allowed this share of those that may be kept.
    share = dice.size / max(len(left) * len(right), 1)
    allowed = int(most_pairs_a_record * max(len(left), len(right)) * share)
    if np.count_nonzero(dice >= lowest) <= allowed:
        return lowest
    first_dropped = np.partition(dice, dice.size - 1 - allowed, axis=None)[dice.size - 1 - allowed]
    return float(np.ceil(first_dropped * 100 + 1e-6)) / 100


def _sample(filters: Filters) -> Filters:
    step = max(1, len(filters) // SAMPLE_ROWS)
    return filters[::step][:SAMPLE_ROWS]


def _all_dice(left: Filters, right: Filters) -> NDArray[np.float32]:
    bits_left = np.unpackbits(left, axis=1).astype(np.float32)
    bits_right = np.unpackbits(right, axis=1).astype(np.float32)
    total = bits_left.sum(axis=1)[:, None] + bits_right.sum(axis=1)[None, :]
    return np.asarray(2 * (bits_left @ bits_right.T) / np.maximum(total, 1), dtype=np.float32)


def _require_comparable(left: Filters, right: Filters, floor: float) -> None:
    if left.ndim != 2 or right.ndim != 2 or left.shape[1] != right.shape[1]:
        raise ValueError("filters must be two arrays of rows of the same width")
    if left.shape[1] % 8 or left.dtype != np.uint8 or right.dtype != np.uint8:
        raise ValueError("filters must be whole 64-bit words of bytes")
    if not LOWEST_FLOOR <= floor <= 1:
        raise ValueError(f"floor must be from {LOWEST_FLOOR} to 1")


def _not_empty(filters: Filters) -> NDArray[np.uint32]:
    return np.flatnonzero(filters.any(axis=1)).astype(np.uint32)


def _tiles(
    left: NDArray[np.uint32], right: NDArray[np.uint32], *, within: bool, progress: Callable[[float], None]
) -> Iterator[tuple[NDArray[np.uint32], NDArray[np.uint32]]]:
    done, total = 0, max(len(left) * len(right), 1)
    progress(0.0)
    for start_right in range(0, len(right), RIGHT_ROWS):
        tile_right = right[start_right : start_right + RIGHT_ROWS]
        for start_left in range(0, len(left), LEFT_ROWS):
            tile_left = left[start_left : start_left + LEFT_ROWS]
            later = tile_right[tile_right > tile_left[0]] if within else tile_right
            if len(later):
                yield tile_left, later
            done += len(tile_left) * len(tile_right)
            progress(done / total)
    if not done:
        progress(1.0)


def _compare_tile(
    left: Filters, right: Filters, rows_left: NDArray[np.uint32], rows_right: NDArray[np.uint32], floor: float
) -> Pairs:
    # anonlink drops some pairs that lie exactly at its threshold: ask for a little more, and take it back.
    scores, (at_left, at_right) = native().dice(
        ([row.tobytes() for row in left[rows_left]], [row.tobytes() for row in right[rows_right]]),
        threshold=floor - 1e-9,
        k=None,
    )
    dice = np.asarray(scores, dtype=np.float64)
    keep = dice >= floor
    return Pairs(
        rows_left[np.asarray(at_left, dtype=np.int64)[keep]],
        rows_right[np.asarray(at_right, dtype=np.int64)[keep]],
        dice[keep],
    )


def _joined(tiles: Sequence[Pairs]) -> Pairs:
    left = np.concatenate([np.empty(0, np.uint32), *(tile.left for tile in tiles)])
    right = np.concatenate([np.empty(0, np.uint32), *(tile.right for tile in tiles)])
    dice = np.concatenate([np.empty(0), *(tile.dice for tile in tiles)])
    order = np.lexsort((right, left))
    return Pairs(left[order], right[order], dice[order])


def _each_once(pairs: Pairs) -> Pairs:
    keep = pairs.left < pairs.right
    return Pairs(pairs.left[keep], pairs.right[keep], pairs.dice[keep])
