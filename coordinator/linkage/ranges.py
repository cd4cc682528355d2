"""How many ranges of tags the matcher divides a pass into, so that it keeps its budget, and which records are in one.

Tags are random, so that equal ranges hold about as many records each; and records of one block have one tag, so that
no pair is in two ranges.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from coordinator.linkage.budget import Budget
from pprl.errors import UsageError
from pprl.protocol.framing import ID_BYTES, Bytes
from pprl.protocol.submission import BATCH_RECORDS, FieldFilterHeader, Wanted

MOST_RANGES = 64
# Python and the libraries, compiled code, the log of a run.
PROCESS_BYTES = 350_000_000
# A record that is kept is held as it was read and taken apart; beside it its place in the order of tags, and its pairs.
_COPIES, _BESIDE = 2, 200


def ranges_for(headers: Sequence[FieldFilterHeader], filters: int, budget: Budget) -> int:
    """The least power of two that keeps the budget.

    Args:
        headers: of all datasets' encodings.
        filters: how many filters a record has.
        budget: the most memory of the process.

    Raises:
        UsageError: no number of ranges does.
    """
    ranges = 1
    while (needed := _needed(headers, filters, ranges)) > budget.bytes:
        ranges *= 2
        if ranges > MOST_RANGES:
            raise UsageError(
                "The datasets are too large for the memory that may be used.",
                hint=f"Give --memory {-(-needed // 10**8) * 100}MB or more.",
            )
    return ranges


def _needed(headers: Sequence[FieldFilterHeader], filters: int, ranges: int) -> int:
    """Bytes of the whole process: the more of what reading takes, and of what comparing does."""
    reading = comparing = 0
    for header in headers:
        largest, width = max((each.records, each.record_bytes) for each in header.passes)
        # What checks note of every record, wanted or not: a number a filter, its tag and reference, their order.
        reading += (width // ranges + 8 * filters + 5 * ID_BYTES) * largest + 3 * BATCH_RECORDS * width
        comparing += (_COPIES * width + _BESIDE) * largest // ranges
    remembered = ID_BYTES * sum(each.records for header in headers for each in header.passes)
    return PROCESS_BYTES + (remembered if ranges == 1 else 0) + max(reading, comparing)


def in_range(number: int, ranges: int) -> Wanted:
    """Tells which records of a batch have a tag in one range.

    Args:
        number: which range, from 0.
        ranges: how many there are, at most 256.
    """

    def wanted(batch: Bytes) -> np.ndarray[tuple[int], np.dtype[np.bool_]]:
        return np.asarray(batch[:, ID_BYTES].astype(np.int64) * ranges >> 8 == number, dtype=np.bool_)

    return wanted
