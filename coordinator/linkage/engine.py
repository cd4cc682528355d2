"""What brings records of a pass together and compares them: all that grows with the data at the matcher.

Everything around it (reading, the fit, the document) is the same whatever engine runs. An engine is one function from
the records of two datasets to their pairs; this is the one that runs on the matcher's own machine.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from coordinator.linkage.blocks import block_pairs
from pprl.protocol.levels import Fields, Patterns, compare_levels
from pprl.protocol.submission import Blocked

Rows = NDArray[np.uint32]


@dataclass(frozen=True, slots=True)
class PassPairs:
    """The pairs of two datasets, or of one with itself, that share a block in one pass.

    Attributes:
        left: row of the left record of each pair, shape (pairs,).
        right: row of the right one; inside a dataset it is the larger.
        patterns: pattern of levels of each pair.
    """

    left: Rows
    right: Rows
    patterns: Patterns

    def __len__(self) -> int:
        """The number of pairs."""
        return len(self.patterns)


Engine = Callable[[Blocked, Blocked | None, Fields], PassPairs]
"""`pass_pairs`, or another function that gives the same pairs, in any order."""


def pass_pairs(left: Blocked, right: Blocked | None, fields: Fields) -> PassPairs:
    """All pairs of records with equal tags, and how alike each is. The matcher runs this for each two datasets.

    Args:
        left: records of a dataset in a pass.
        right: those of another in the same pass; None for pairs inside `left`, each two records once.
        fields: what the filters are.

    Returns:
        The pairs, block by block in ascending order of the tags, inside a block by left row, then by right row.

    Leaks: to whoever holds the result, which encodings are alike, and how much.
    """
    other = left if right is None else right
    words, others = (np.ascontiguousarray(each.filters).view(np.uint64) for each in (left, other))
    found = [_NONE]
    for rows, at in block_pairs(left.tags, None if right is None else right.tags):
        patterns = compare_levels(words, left.present, others, other.present, rows, at, fields)
        found.append(PassPairs(rows, at, patterns))
    return joined(found)


def joined(pieces: list[PassPairs]) -> PassPairs:
    """Pieces put together, in their order."""
    if len(pieces) == 2 and not len(pieces[0]):
        return pieces[1]
    return PassPairs(
        np.concatenate([each.left for each in pieces]),
        np.concatenate([each.right for each in pieces]),
        np.concatenate([each.patterns for each in pieces]),
    )


_NONE = PassPairs(np.empty(0, np.uint32), np.empty(0, np.uint32), np.empty(0, np.uint64))
