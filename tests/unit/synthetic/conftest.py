from __future__ import annotations

import pytest

from pprl.synthetic import LinkagePair, Population, generate, linkage_pair


@pytest.fixture(scope="session")
def population() -> Population:
    return generate(8_000, seed=5)


@pytest.fixture(scope="session")
def pair() -> LinkagePair:
    return linkage_pair(6_000, 4_000, 0.5, seed=6)
