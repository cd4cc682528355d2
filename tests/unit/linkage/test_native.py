import sys
from collections.abc import Iterator
from types import ModuleType

import pytest

from coordinator.linkage import native
from pprl.errors import ConfigError


@pytest.fixture(autouse=True)
def _load_anew() -> Iterator[None]:
    native.native.cache_clear()
    yield
    native.native.cache_clear()


def test_the_compiled_part_is_here() -> None:
    native.require_accelerated()


@pytest.mark.parametrize("module", ["anonlink.similarities", "anonlink.solving"])
def test_refuses_the_slow_fallback(module: str, monkeypatch: pytest.MonkeyPatch) -> None:
    # When an extension module fails to load, anonlink only lacks the names that come from it.
    monkeypatch.setitem(sys.modules, module, ModuleType(module))
    with pytest.raises(ConfigError, match="compiled part of anonlink") as refusal:
        native.require_accelerated()
    assert "C++ compiler" in refusal.value.hint


def test_refuses_where_anonlink_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "anonlink.similarities", None)
    with pytest.raises(ConfigError):
        native.require_accelerated()
