"""The largest documents that an agreement allows are within the bounds, and not far below them."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from pprl.protocol import envelope, framing, pairs, submission
from pprl.protocol.agreement import AgreementFile
from pprl.protocol.framing import ID_BYTES
from pprl.protocol.sizes import MOST_OTHER_BYTES, most_container_bytes

MOST_ROWS = 20  # the agreements' expected_rows_max
MOST_HEAD = framing.MAX_HEADER_BYTES + envelope.MAX_HEADER_BYTES + envelope.PREFIX_BYTES + 12


def about(agreement: AgreementFile) -> dict[str, Any]:
    return {
        "agreement_sha256": agreement.sha256,
        "dataset": "events",
        "party": "north",
        "submission": "5" * 32,
        "records": MOST_ROWS,
    }


def content_bytes(agreement: AgreementFile, kind: str) -> int:
    """The bound on a container without what heads may take."""
    return most_container_bytes(agreement, kind) - MOST_HEAD


@pytest.mark.parametrize("scheme", ["agreement", "field_filters"])
def test_all_rows_in_all_passes_are_within_the_bound_of_encodings(
    request: pytest.FixtureRequest, scheme: str
) -> None:
    agreement: AgreementFile = request.getfixturevalue(scheme)
    tables = sum(MOST_ROWS * width for _, width in submission.passes(agreement))
    for_tags = (
        envelope.ciphertext_bytes(framing.MAX_HEADER_BYTES + tables) - framing.MAX_HEADER_BYTES - tables
    )
    assert tables <= content_bytes(agreement, submission.ENCODINGS_KIND) <= tables + for_tags + 16


def test_the_fullest_references_are_within_the_bound(field_filters: AgreementFile) -> None:
    ten, passes = 10, ("surname", "forename")
    counted = tuple(submission.CountedPass(name=name, records=ten) for name in passes)
    header = submission.FieldFilterReferencesHeader(
        **about(field_filters), passes=counted, copies=10, own_patterns=20
    )
    # Half of the rows are copies of the other half; blocks of three: twice 10 pairs, each of a pattern of its own.
    made = submission.References(
        header,
        _ids(MOST_ROWS, 0),
        (_ids(ten, 1), _ids(ten, 2)),
        (np.arange(ten), np.arange(ten)),
        submission.Copies(np.arange(ten, MOST_ROWS), np.arange(ten)),
        submission.PatternCounts(
            np.array([a + 16 * b for b in range(4) for a in range(5)], np.uint64), np.ones(20, np.int64)
        ),
    )
    raw = submission.write_references(made)
    submission.parse_references(raw, field_filters)
    assert envelope.ciphertext_bytes(len(raw)) <= most_container_bytes(
        field_filters, submission.REFERENCES_KIND
    )


def _ids(count: int, label: int) -> framing.Bytes:
    ids = np.zeros((count, ID_BYTES), np.uint8)
    ids[:, 0], ids[:, -1] = label, np.arange(count)
    return ids


def test_all_pairs_are_within_the_bound(agreement: AgreementFile, field_filters: AgreementFile) -> None:
    of_two = MOST_ROWS * (MOST_ROWS - 1) // 2
    all_pairs = (2 * of_two + MOST_ROWS**2) * 36
    in_blocks = 2 * (2 * MOST_ROWS + MOST_ROWS * 3) * 40
    for agreed, tables in ((agreement, all_pairs), (field_filters, in_blocks)):
        padded = framing.padme(12 + framing.MAX_HEADER_BYTES + tables)
        expected = envelope.PREFIX_BYTES + envelope.MAX_HEADER_BYTES + envelope.ciphertext_bytes(padded)
        assert most_container_bytes(agreed, pairs.KIND) == expected


def test_anything_else_is_small(agreement: AgreementFile) -> None:
    assert content_bytes(agreement, "secret-share") < 2 * MOST_OTHER_BYTES
