"""What each party sees of a dataset, as arrays. Attacks work on two of these: what is seen, and the attacker's list.

The attacker knows all parameters and not the secret, so it encodes its list under a secret of its own; what the two
encodings have in common is what an attack can use.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Bytes = NDArray[np.uint8]
Indices = NDArray[np.int64]

Names = Indices
"""For each record the place of a person on the attacker's list, or NOBODY; shape (records,)."""

Known = Indices
"""Records that an attacker recognises to begin with: record, place on the list; shape (known people, 2)."""

NOBODY = -1
NOBODY_KNOWN: Known = np.empty((0, 2), dtype=np.int64)

Tick = Callable[[], None]
"""Attacks call it now and again; it raises `measure.OutOfTime` when an attack's time is over."""


@dataclass(frozen=True, slots=True)
class SeenPass:
    """One pass of scheme `field-filters`, in the order in which it is seen.

    Attributes:
        rows: number of each record, shape (records,). To who sees the passes together it is the same in all of them,
            and for a list it is the place on it; to the matcher alone it means nothing. Of two datasets, records of
            the second are numbered after the first's.
        blocks: number of each record's block, shape (records,); of no meaning outside this pass.
        present: mask of the filters that stand for a value, shape (records,).
        filters: shape (records, filters, bytes).
    """

    rows: Indices
    blocks: Indices
    present: NDArray[np.uint32]
    filters: Bytes


@dataclass(frozen=True, slots=True)
class SeenPairs:
    """What the key issuer gets of scheme `field-filters`: pairs of records, pass by pass, with how alike they are.

    Attributes:
        dataset: number of each record's dataset, shape (records,).
        in_pass: whether a record has a reference in each pass, shape (records, passes).
        left: record of each pair, shape (pairs,).
        right: the other, shape (pairs,).
        found_by: the pass that found it, shape (pairs,); a pair that several passes find is there for each.
        patterns: levels of all fields (`pprl.protocol.levels`), shape (pairs,).
    """

    dataset: Indices
    in_pass: NDArray[np.bool_]
    left: Indices
    right: Indices
    found_by: Indices
    patterns: NDArray[np.uint64]
