"""Patterns of comparison levels as bytes, and how many pairs have each.

A pattern holds a level in every four bits, the agreement's first identifier lowest (`pprl.protocol.levels`). A table
of counts has records of 16 bytes: a pattern, then how many pairs have it, both big-endian, in ascending order of the
patterns.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pprl.errors import FormatError
from pprl.protocol import framing
from pprl.protocol.framing import Bytes

LEVEL_COUNT = 13
PATTERN_BYTES = 8
COUNT_BYTES = 8
BITS_A_LEVEL = 4
# How many random pairs of its own records each department counts the levels of, for each identifier.
RANDOM_PAIRS = 100_000

Patterns = NDArray[np.uint64]


@dataclass(frozen=True, slots=True)
class PatternCounts:
    """How many pairs have each pattern.

    Attributes:
        patterns: distinct, ascending.
        counts: pairs with each, 1 or more.
    """

    patterns: Patterns
    counts: NDArray[np.int64]


def most_block_pairs(records: int, max_block_records: int) -> int:
    """How many pairs of a dataset's own records can share a tag in a pass, as its block limits each record's pairs.

    Args:
        records: records of the dataset that are in the pass.
        max_block_records: the agreement's; no block has more.
    """
    return records * (max_block_records - 1) // 2


def table_of(counted: PatternCounts) -> Bytes:
    """The table of counts, shape (patterns, 16)."""
    return np.hstack([eight_bytes(counted.patterns), eight_bytes(counted.counts)])


def parse_table(table: Bytes, fields: int, most_pairs: int) -> PatternCounts:
    """Read a table of counts.

    Args:
        table: shape (patterns, 16).
        fields: how many identifiers a pattern has levels of.
        most_pairs: how many pairs there can be, at most 2^62.

    Raises:
        FormatError: a pattern is out of order, repeated or has a level that there is not; a count is 0; or the
            counts come to more pairs than there can be.
    """
    framing.require_ascending(table, key_bytes=PATTERN_BYTES, what="pattern")
    counts = _numbers(table[:, PATTERN_BYTES:])
    if not counts.all():
        raise FormatError("A pattern is counted that no pair has.")
    # Whole numbers of Python: no sum of counts can overflow.
    if sum(counts.tolist()) > most_pairs:
        raise FormatError("The counts of patterns come to more pairs than there can be.")
    return PatternCounts(parse_patterns(table[:, :PATTERN_BYTES], fields), counts.astype(np.int64))


def parse_patterns(raw: Bytes, fields: int) -> Patterns:
    """Read patterns.

    Args:
        raw: shape (patterns, 8).
        fields: how many identifiers a pattern has levels of.

    Raises:
        FormatError: a level is none, or of an identifier that there is not.
    """
    patterns = _numbers(raw)
    for field in range(64 // BITS_A_LEVEL):
        levels = (patterns >> np.uint64(BITS_A_LEVEL * field)) & np.uint64(15)
        if len(levels) and levels.max() >= (LEVEL_COUNT if field < fields else 1):
            raise FormatError("A pattern has a level that there is not.")
    return patterns


def eight_bytes(numbers: NDArray[np.uint64] | NDArray[np.int64]) -> Bytes:
    """Numbers as rows of eight bytes, big-endian."""
    return numbers.astype(">u8").view(np.uint8).reshape(-1, 8)


def _numbers(raw: Bytes) -> NDArray[np.uint64]:
    return np.ascontiguousarray(raw).view(">u8").reshape(-1).astype(np.uint64)
