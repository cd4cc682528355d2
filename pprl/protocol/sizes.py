"""The most bytes that a container of each kind can have under an agreement, known before anything of it is read.

The agreement bounds the records of each dataset, and with them every table of every document. Whoever receives a file
refuses a larger one by its length, whatever its head claims.
"""

from __future__ import annotations

import math
from itertools import combinations_with_replacement

from pprl.protocol import envelope, framing, pairs, submission
from pprl.protocol.agreement import AgreementFile, Dataset
from pprl.protocol.framing import ID_BYTES, MAX_RECORDS
from pprl.protocol.pattern_counts import COUNT_BYTES, LEVEL_COUNT, PATTERN_BYTES, most_block_pairs
from pprl.protocol.submission import POSITION_BYTES, passes

# What is no document of records, such as a share of the linkage secret.
MOST_OTHER_BYTES = 1 << 20

_MOST_HEAD_BYTES = 8 + 4 + framing.MAX_HEADER_BYTES


def most_container_bytes(agreement: AgreementFile, kind: str) -> int:
    """The most bytes that a container of a kind has, for the largest dataset that the agreement allows.

    Args:
        agreement: gives rows, passes and blocks.
        kind: the kind of content that the container claims.
    """
    datasets = agreement.content.dataset
    if kind == submission.ENCODINGS_KIND:
        content = max(_encodings(agreement, each.expected_rows_max) for each in datasets)
    elif kind == submission.REFERENCES_KIND:
        content = max(_references(agreement, each.expected_rows_max) for each in datasets)
    elif kind == pairs.KIND:
        content = framing.padme(_MOST_HEAD_BYTES + sum(map(sum, _tables_of_pairs(agreement))))
    else:
        content = MOST_OTHER_BYTES
    return envelope.PREFIX_BYTES + envelope.MAX_HEADER_BYTES + envelope.ciphertext_bytes(content)


def _encodings(agreement: AgreementFile, rows: int) -> int:
    return _MOST_HEAD_BYTES + sum(rows * record_bytes for _, record_bytes in passes(agreement))


def _references(agreement: AgreementFile, rows: int) -> int:
    """Handles, positions of each pass, copies, a linkage key of an earlier version, and own patterns."""
    count = len(passes(agreement))
    a_record = ID_BYTES + count * (ID_BYTES + POSITION_BYTES) + 2 * POSITION_BYTES + POSITION_BYTES + ID_BYTES
    return _MOST_HEAD_BYTES + rows * a_record + _own_patterns(agreement, rows) * (PATTERN_BYTES + COUNT_BYTES)


def _own_patterns(agreement: AgreementFile, rows: int) -> int:
    """Patterns are as many as pairs at most, and as combinations of levels."""
    if agreement.content.encoding.scheme == "clk":
        return 0
    most = agreement.content.encoding.field_filter_parameters.most_compared_at_home
    in_blocks = len(passes(agreement)) * most_block_pairs(rows, most)
    distinct = math.prod([LEVEL_COUNT] * len(agreement.content.identifier))
    return min(in_blocks, distinct)


def _tables_of_pairs(agreement: AgreementFile) -> list[list[int]]:
    """Bytes of the tables of each two datasets, a table a pass."""
    both = combinations_with_replacement(agreement.content.dataset, 2)
    return [[_pairs(agreement, left, right) for _ in passes(agreement)] for left, right in both]


def _pairs(agreement: AgreementFile, left: Dataset, right: Dataset) -> int:
    one, other, within = left.expected_rows_max, right.expected_rows_max, left is right
    if agreement.content.encoding.scheme == "clk":
        most = one * (one - 1) // 2 if within else one * other
        return min(most, MAX_RECORDS) * (2 * ID_BYTES + pairs.LEVEL_BYTES)
    block = agreement.content.encoding.field_filter_parameters.max_block_records
    most = most_block_pairs(one, block) if within else min(one, other) * block
    return min(most, MAX_RECORDS) * (2 * ID_BYTES + PATTERN_BYTES)
