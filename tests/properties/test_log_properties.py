"""Whatever the bytes, a reader of logs accepts them or refuses; whatever is altered in a receipt, it is refused."""

from __future__ import annotations

import contextlib
import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pprl.crypto import notes
from pprl.errors import FormatError, PprlError
from pprl.protocol import checkpoint, log, receipt
from tests.conformance.log.test_log_vectors import agreement

VECTORS = json.loads((Path(__file__).parents[1] / "conformance/log/vectors.json").read_bytes())
ENTRY, RECEIPT, REQUEST, NOTE = (
    VECTORS[what]["accepted"][1][name].encode()
    for what, name in (
        ("entries", "entry"),
        ("receipts", "receipt"),
        ("requests", "request"),
        ("checkpoints", "note"),
    )
)
READERS = (
    (log.parse, ENTRY),
    (receipt.parse_receipt, RECEIPT),
    (receipt.parse_request, REQUEST),
    (checkpoint.parse_note, NOTE),
    (checkpoint.parse_signatures, NOTE),
    (checkpoint.parse_checkpoint, NOTE.split(b"\n\n")[0] + b"\n"),
)


@st.composite
def _damaged(draw: st.DrawFn, raw: bytes) -> bytes:
    """Bytes near the right ones, where the deeper checks are."""
    start = draw(st.integers(0, len(raw)))
    end = draw(st.integers(start, min(len(raw), start + 20)))
    return raw[:start] + draw(st.binary(max_size=20)) + raw[end:]


@pytest.mark.parametrize("reader", range(len(READERS)))
@given(st.data())
def test_any_bytes_are_read_or_refused(reader: int, data: st.DataObject) -> None:
    parse, usual = READERS[reader]
    for raw in (data.draw(st.binary(max_size=200)), data.draw(_damaged(usual))):
        with contextlib.suppress(FormatError):
            parse(raw)


@given(st.integers(0, len(RECEIPT) - 1), st.integers(1, 255))
def test_a_receipt_with_any_byte_altered_is_refused(place: int, mask: int) -> None:
    raw = bytearray(RECEIPT)
    raw[place] ^= mask
    # A line of a signature whose name or key id is altered is nobody's: then the quorum is not there.
    with pytest.raises(PprlError):
        notes.open_receipt(bytes(raw), agreement())
