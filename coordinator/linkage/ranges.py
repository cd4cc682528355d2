"""How many ranges of tags the matcher divides a pass into, so that it keeps its budget, and which records are in one.

Tags are random, so that equal ranges hold about as many records each; and records of one block have one tag, so that
no pair is in two ranges. How many pairs there are is known before where a block holds one record of a dataset, and
elsewhere counted when a range is there, before any pair is made. Each range's pairs are compared by themselves; the
fit of a pass takes those of all its ranges, so that no number of ranges helps where these are too many.
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
# A record that is kept is held as it was read and taken apart; beside it its place in the order of tags.
_COPIES, _BESIDE = 2, 100
# A pair when it is found: rows, pattern and references, and all of that again while they are sealed.
FOUND_BYTES = 200
# A pair while its pass is fitted and its tables are made: the same of all ranges, and what the fit notes of it.
FITTED_BYTES = 160


def ranges_for(
    headers: Sequence[FieldFilterHeader], filters: int, budget: Budget, *, pairs: int | None = None
) -> int:
    """The least power of two that keeps the budget.

    Args:
        headers: of all datasets' encodings.
        filters: how many filters a record has.
        budget: the most memory of the process.
        pairs: of a pass, as far as is known; None for as many as there are records.

    Raises:
        UsageError: no number of ranges does.
    """
    found = most_clean_pairs(headers) if pairs is None else pairs
    ranges = 1
    while (needed := _needed(headers, filters, ranges, found)) > budget.bytes:
        ranges *= 2
        if ranges > MOST_RANGES:
            raise UsageError(
                "The datasets are too large for the memory that may be used."
                if pairs is None
                else f"A pass has about {pairs:,} pairs, too many for the memory that may be used.",
                hint=f"Give --memory {-(-needed // 10**8) * 100}MB or more.",
            )
    return ranges


def most_clean_pairs(headers: Sequence[FieldFilterHeader]) -> int:
    """The most pairs of a pass where a block holds one record of each dataset."""
    sizes = [max(each.records for each in header.passes) for header in headers]
    return sum(min(left, right) for place, left in enumerate(sizes) for right in sizes[place + 1 :])


def _needed(headers: Sequence[FieldFilterHeader], filters: int, ranges: int, pairs: int) -> int:
    """Bytes of the whole process: the most of what reading, comparing and fitting a pass take."""
    reading = comparing = 0
    for header in headers:
        largest, width = max((each.records, each.record_bytes) for each in header.passes)
        # Batches that are parts are put together in the end.
        held = width if ranges == 1 else 2 * width // ranges
        # What checks note of every record, wanted or not: a number a filter, its tag and reference, their order.
        reading += (held + 8 * filters + 5 * ID_BYTES) * largest + 3 * BATCH_RECORDS * width
        comparing += (_COPIES * width + _BESIDE) * largest // ranges
    comparing += FOUND_BYTES * pairs // ranges
    remembered = ID_BYTES * sum(each.records for header in headers for each in header.passes)
    return PROCESS_BYTES + (remembered if ranges == 1 else 0) + max(reading, comparing, FITTED_BYTES * pairs)


def in_range(number: int, ranges: int) -> Wanted:
    """Tells which records of a batch have a tag in one range.

    Args:
        number: which range, from 0.
        ranges: how many there are, at most 256.
    """

    def wanted(batch: Bytes) -> np.ndarray[tuple[int], np.dtype[np.bool_]]:
        return np.asarray(batch[:, ID_BYTES].astype(np.int64) * ranges >> 8 == number, dtype=np.bool_)

    return wanted
