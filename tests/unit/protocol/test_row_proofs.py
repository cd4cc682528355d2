"""A fault of row proofs that fuzzing found; their vectors are in tests/conformance/rows."""

from __future__ import annotations

import pytest

from pprl.errors import FormatError
from pprl.protocol import row_proofs
from tests.conformance.rows.test_rows_vectors import VECTORS


def test_a_version_spelt_true_is_refused() -> None:
    raw = VECTORS["accepted"][0]["proof"].encode()
    assert row_proofs.parse(raw)
    with pytest.raises(FormatError, match="version"):
        row_proofs.parse(raw.replace(b'"version":1}', b'"version":true}'))
