"""The compiled half of anonlink, or nothing.

When its extension modules fail to load, anonlink silently works in plain Python, hundreds of times slower.
Both coordinator roles call `require_accelerated` before they start, so that a run refuses at once instead of
crawling. This is the only importer of anonlink.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

from pprl.errors import ConfigError

_HINT = (
    "Install anonlink 0.15.3 from a wheel (CPython 3.11), or build it with a C++ compiler; "
    "it also needs setuptools below 82."
)


@dataclass(frozen=True, slots=True)
class Native:
    """anonlink's compiled functions.

    Attributes:
        dice: all pairs of two sets of filters with at least a Dice coefficient.
        greedy: groups of records from candidate pairs in the order of preference.
    """

    dice: Callable[..., tuple[Sequence[float], tuple[Sequence[int], Sequence[int]]]]
    greedy: Callable[..., tuple[tuple[tuple[int, int], ...], ...]]


def require_accelerated() -> None:
    """Check that comparing and clustering will run compiled code. Matcher and key issuer run this first.

    Raises:
        ConfigError: anonlink is missing, or its extension modules did not load.
    """
    native()


@cache
def native() -> Native:
    """The compiled functions.

    Raises:
        ConfigError: as for `require_accelerated`.
    """
    try:
        dice, greedy = _load()
    except ImportError:
        raise ConfigError("The compiled part of anonlink can't be loaded.", hint=_HINT) from None
    return Native(dice, greedy)


def _load() -> tuple[Any, Any]:
    with warnings.catch_warnings():
        # anonlink reads its own version through pkg_resources, which warns that it is old.
        warnings.filterwarnings("ignore", message="pkg_resources is deprecated", category=UserWarning)
        warnings.filterwarnings("ignore", category=DeprecationWarning, module="pkg_resources")
        warnings.filterwarnings("ignore", message=".*pkg_resources.*", category=DeprecationWarning)
        # These two names exist only where the extension modules loaded.
        from anonlink.similarities import dice_coefficient_accelerated  # noqa: PLC0415 - checked, not at start-up
        from anonlink.solving import probabilistic_greedy_solve_native  # noqa: PLC0415
    return dice_coefficient_accelerated, probabilistic_greedy_solve_native
