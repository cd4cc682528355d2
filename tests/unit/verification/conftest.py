"""What the tests of verification share."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache

import pytest

from pprl.verification import agreed, one_log


@pytest.fixture(scope="module", autouse=True)
def each_agreement_read_once() -> Iterator[None]:
    """Reading the agreement takes longer than all else together."""
    with pytest.MonkeyPatch.context() as patch:
        for module in (agreed, one_log):
            patch.setattr(module, "parse", cache(module.parse))
        yield
