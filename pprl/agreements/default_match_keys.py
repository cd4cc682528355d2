"""The match keys that a draft of profile privacy-first has, by the identifiers that are there and by size.

Each is a combination that hardly two people share, and lets something be wrong: the spelling of a name, a surname that
was changed, part of a date of birth, an address. Larger files take combinations that tell more.
"""

from __future__ import annotations

from collections.abc import Mapping

from pprl.protocol.agreement import MOST_MATCH_KEYS
from pprl.protocol.blocking import BlockingPass, filled
from pprl.protocol.kinds import Kind

SMALL_ROWS = 50_000
"""Up to so many rows in the largest dataset, looser combinations are still near to unique."""

_SMALL: Mapping[str, tuple[str, ...]] = {
    "names-birth": ("forename-initial", "surname", "birth"),
    "forename-birth": ("forename", "surname-initial", "birth"),
    "names-day": ("forename", "surname", "either-day"),
    "swapped-names-birth": ("one-name", "other-name", "birth"),
    "forename-birth-area": ("forename", "birth", "area"),
    "surname-birth-area": ("surname", "birth", "sex", "area"),
    "forename-year-area": ("forename", "surname-initial", "year", "area"),
    "forename-month-area": ("forename", "month", "area"),
    "forename-day-sector": ("forename", "day", "sector"),
    "initial-month-address": ("forename-initial", "month", "address"),
    "names-address": ("forename", "surname", "year", "address"),
}
_LARGE: Mapping[str, tuple[str, ...]] = {
    "names-birth": ("forename", "surname", "birth"),
    "swapped-names-birth": ("one-name", "other-name", "birth"),
    "initial-birth-area": ("forename-initial", "surname", "birth", "area"),
    "forename-birth-area": ("forename", "surname-initial", "birth", "area"),
    "forename-birth-sector": ("forename", "birth", "sector"),
    "surname-birth-address": ("surname", "birth", "sex", "address"),
    "names-year-area": ("forename", "surname", "year", "area"),
    "names-day-area": ("forename", "surname", "day", "area"),
    "forename-month-address": ("forename", "month", "address"),
    "forename-day-address": ("forename", "day", "address"),
}
_ALONE: tuple[Kind, ...] = ("number",)
"""Kinds whose whole value is a match key by itself, for each identifier of the kind."""


def default_match_keys(kinds: Mapping[str, Kind], rows: int) -> tuple[BlockingPass, ...]:
    """The match keys that suit these identifiers at this size. Whoever drafts an agreement runs it.

    Args:
        kinds: the kind of each identifier, in the agreement's order; the first of a kind is used.
        rows: rows of the largest dataset.

    Returns:
        Eleven at most; none where too little is there.
    """
    numbers = [name for name, kind in kinds.items() if kind in _ALONE]
    found = [
        BlockingPass("number" if place == 1 else f"number-{place}", (f"{name}:whole",))
        for place, name in enumerate(numbers, start=1)
    ]
    for name, roles in (_SMALL if rows <= SMALL_ROWS else _LARGE).items():
        made = filled(name, roles, kinds)
        if made is not None and made.parts not in [each.parts for each in found]:
            found.append(made)
    return tuple(found[:MOST_MATCH_KEYS])
