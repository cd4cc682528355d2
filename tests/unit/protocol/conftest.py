from __future__ import annotations

import json
from pathlib import Path

import pytest

from pprl.protocol.agreement import AgreementFile, parse

VECTORS = Path(__file__).parents[2] / "conformance" / "submission" / "vectors.json"


@pytest.fixture(scope="session")
def agreement() -> AgreementFile:
    """Datasets `events` of north, with duplicates, and `people` of south; CLKs of 512 bits."""
    return parse(json.loads(VECTORS.read_bytes())["agreements"]["usual"].encode(), where="vectors.json")


@pytest.fixture(scope="session")
def field_filters() -> AgreementFile:
    """The same datasets under scheme field-filters, with two passes and three filters of 64 bits."""
    return parse(
        json.loads(VECTORS.read_bytes())["agreements"]["field-filters"].encode(), where="vectors.json"
    )
