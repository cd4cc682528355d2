"""Candidate pairs from encodings: every pair whose Dice coefficient reaches a floor. The matcher runs this.

Dice of two filters x and y is `2 |x and y| / (|x| + |y|)`, in bits. All are compared with all by `dice_kernel`, a block
of the left side at a time, so that memory stays bounded and progress can be told, and blocks on all cores. An empty
filter is like no other, itself included.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from threading import Lock

import numpy as np
from numpy.typing import NDArray

from coordinator.linkage import dice_kernel
from coordinator.linkage.dice_kernel import Found, Ordered
from pprl.errors import DisclosureError
from pprl.protocol.cores import cores

LEVELS_IN_ONE = 10_000
LOWEST_FLOOR = 0.05

# Rows of a block of the left side: with a tile of the right side they fit a core's own cache.
LEFT_ROWS = 1_024

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
        DisclosureError: so many pairs that a dataset must be made up of copies, or the floor is far too low.
        ValueError: shapes or floor are out of range.

    Leaks: to whoever holds the result, the graph of who resembles whom among the encodings.
    """
    _require_comparable(left, left if right is None else right, floor)
    ordered_left = dice_kernel.ordered(left)
    ordered_right = ordered_left if right is None else dice_kernel.ordered(right)
    room = Room(most_pairs(left, right))
    parts = list(_blocks_compared(ordered_left, ordered_right, floor, right is None, room, progress))
    if room.is_full:
        raise DisclosureError("Too many encodings are alike.", hint=TOO_MANY_ALIKE)
    return in_rows(parts, ordered_left, ordered_right, within=right is None)


def most_pairs(left: Filters, right: Filters | None) -> int:
    """How many pairs of two sides there may be before they are refused."""
    return MOST_PAIRS_A_RECORD * max(len(left), 0 if right is None else len(right)) + ALWAYS_ROOM_FOR


class Room:
    """How many more pairs may be found, by all threads together."""

    def __init__(self, pairs: int) -> None:
        self._pairs = pairs
        self._lock = Lock()

    def take(self, pairs: int) -> bool:
        """Take up room; false once there is none left."""
        with self._lock:
            self._pairs -= pairs
            return self._pairs >= 0

    @property
    def is_full(self) -> bool:
        """Whether more was found than there is room for."""
        return not self.take(0)


def _blocks_compared(
    left: Ordered,
    right: Ordered,
    floor: float,
    within: bool,
    room: Room,
    progress: Callable[[float], None],
) -> Iterator[Found]:
    """What is found in each block of the left side, in their order; nothing in those after the room is full."""
    most_bits = int(left.bits[-1] + right.bits[-1]) if len(left) and len(right) else 0
    least, tiles = dice_kernel.least_common(floor, most_bits), dice_kernel.tiles(right)
    blocks = [range(start, min(start + LEFT_ROWS, len(left))) for start in range(0, len(left), LEFT_ROWS)]

    def compared(block: range) -> Found:
        return dice_kernel.find(left, block, right, tiles, least, within=within, take=room.take)

    progress(0.0)
    with ThreadPoolExecutor(cores()) as pool:
        for block, found in zip(blocks, pool.map(compared, blocks), strict=True):
            yield found
            if not room.is_full:
                progress(_share_done(block.stop, len(left), within=within))
    if not blocks:
        progress(1.0)


def _share_done(rows: int, total: int, *, within: bool) -> float:
    left = 1 - rows / total
    return 1 - left * left if within else 1 - left


def in_rows(parts: Sequence[Found], left: Ordered, right: Ordered, *, within: bool) -> Pairs:
    """Pairs of positions as ascending pairs of rows.

    Args:
        parts: what was found, block by block.
        left: the left side in the order in which it was compared.
        right: the right side.
        within: whether both are one side, so that the lower row goes to the left.
    """
    at_left = np.concatenate([np.empty(0, np.uint32), *(part.left for part in parts)])
    at_right = np.concatenate([np.empty(0, np.uint32), *(part.right for part in parts)])
    common = np.concatenate([np.empty(0, np.uint32), *(part.common for part in parts)])
    dice = 2 * common.astype(np.int64) / (left.bits[at_left] + right.bits[at_right])
    rows_left, rows_right = left.rows[at_left], right.rows[at_right]
    if within:
        rows_left, rows_right = np.minimum(rows_left, rows_right), np.maximum(rows_left, rows_right)
    order = np.argsort(rows_left.astype(np.uint64) << np.uint64(32) | rows_right)
    return Pairs(rows_left[order], rows_right[order], dice[order])


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
    some_left, some_right = sample(left), sample(right)
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


def sample(filters: Filters) -> Filters:
    """Evenly spaced rows, at most two thousand."""
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
