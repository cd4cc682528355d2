"""Which linkage keys of an earlier version a department offers to keep, by its own record ids. Runs at home."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from pprl.protocol.framing import ID_BYTES
from pprl.protocol.submission import NO_PREVIOUS, Previous


def offered(
    record_ids: Sequence[str],
    previous: Mapping[str, str],
    position_of_row: NDArray[np.integer],
    *,
    shared: bool,
) -> Previous:
    """The earlier keys of the records that are sent, under their handles; `pprl encode` runs this.

    A record id that had a key and is no longer there was withdrawn: nothing of it is sent.

    Args:
        record_ids: the department's own ids, in the order of the rows.
        previous: the earlier linkage key of each record id, in hexadecimal.
        position_of_row: position of each row's handle among the handles.
        shared: whether records may share a key. If not, and several had one, the one with the first id offers it.

    Leaks: to the key issuer, which record had which of the keys that it issued before.
    """
    if not previous:
        return NO_PREVIOUS
    carried: dict[int, str] = {}
    taken: set[str] = set()
    # Those that had one alone are held as texts.
    had = [(record_id, row) for row, record_id in enumerate(record_ids) if record_id in previous]
    for record_id, row in sorted(had):
        key = previous[record_id]
        if shared or key not in taken:
            carried[row] = key
            taken.add(key)
    positions = position_of_row[np.fromiter(carried, dtype=np.int64, count=len(carried))].astype(np.int64)
    keys = np.frombuffer(bytes.fromhex("".join(carried.values())), dtype=np.uint8).reshape(-1, ID_BYTES)
    order = np.argsort(positions)
    return Previous(positions[order], keys[order])
