"""Which records the references of the matcher's pairs stand for. The key issuer runs this. Pure.

References are random: their first bits spread them evenly over small groups, so that one is found by looking where its
group starts and searching that alone. Where a department chose them otherwise, groups are large, and searching one
takes as long as searching all would.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from pprl.protocol.framing import ID_BYTES, Bytes
from pprl.protocol.levels import compiled

NOT_THERE = 2**32 - 1
# About so many references in a group.
_A_GROUP = 4
_HALF = ID_BYTES // 2


def records_of(
    wanted: Bytes, references: Bytes, positions: NDArray[np.uint32] | NDArray[np.int64]
) -> NDArray[np.uint32]:
    """The record that each reference stands for; `NOT_THERE` where there is no such reference.

    Args:
        wanted: shape (n, 16).
        references: shape (m, 16), strictly ascending.
        positions: the record of each of them, shape (m,).
    """
    if not len(references) or not len(wanted):
        return np.full(len(wanted), NOT_THERE, dtype=np.uint32)
    bits = max((len(references) // _A_GROUP).bit_length(), 1)
    shift = np.uint64(64 - bits)
    starts = _starts(references, shift, np.zeros((1 << bits) + 1, dtype=np.uint32))
    return np.asarray(
        _records(wanted, references, np.ascontiguousarray(positions, dtype=np.uint32), starts, shift)
    )


@compiled
def _half(ids: Bytes, row: int | np.int64, first: int) -> np.uint64:
    """Eight bytes of an id as a number, whose order is that of the bytes."""
    number = np.uint64(0)
    for place in range(first, first + _HALF):
        number = number << np.uint64(8) | np.uint64(ids[row, place])
    return number


@compiled
def _starts(references: Bytes, shift: np.uint64, starts: NDArray[np.uint32]) -> NDArray[np.uint32]:
    """Where each group begins, and behind them where the last one ends."""
    for row in range(len(references)):
        starts[np.int64(_half(references, row, 0) >> shift) + 1] += np.uint32(1)
    for group in range(1, len(starts)):
        starts[group] += starts[group - 1]
    return starts


@compiled
def _records(
    wanted: Bytes,
    references: Bytes,
    positions: NDArray[np.uint32],
    starts: NDArray[np.uint32],
    shift: np.uint64,
) -> NDArray[np.uint32]:
    found = np.empty(len(wanted), np.uint32)
    for row in range(len(wanted)):
        high, low = _half(wanted, row, 0), _half(wanted, row, _HALF)
        group = np.int64(high >> shift)
        begin, end = np.int64(starts[group]), np.int64(starts[group + 1])
        last = end
        while begin < end:
            middle = (begin + end) // 2
            half = _half(references, middle, 0)
            if half < high or (half == high and _half(references, middle, _HALF) < low):
                begin = middle + 1
            else:
                end = middle
        found[row] = NOT_THERE
        if begin < last and _half(references, begin, 0) == high and _half(references, begin, _HALF) == low:
            found[row] = positions[begin]
    return found
