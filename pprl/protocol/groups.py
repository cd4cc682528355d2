"""Groups of people by which linkage rates are told, and how each is written: words that all parties share.

A group table, which a department hands to the research environment, has one row a linkage key: the key, then a column
for each grouping that the agreement asks for, and nothing else.
"""

from __future__ import annotations

import re
from collections.abc import Collection
from typing import Literal

from pprl.protocol.kinds import Kind

Grouping = Literal["sex", "decade-of-birth", "completeness"]

KEY_COLUMN = "linkage_key"
UNKNOWN = "unknown"
SEXES = ("f", "m", UNKNOWN)
COMPLETENESS = ("complete", "one missing", "two or more missing")

_DECADE = re.compile("[0-9]{3}0s")

RULES: dict[Grouping, str] = {
    "sex": "must be f, m or unknown",
    "decade-of-birth": "must be a decade such as 1980s, or unknown",
    "completeness": "must be complete, one missing, or two or more missing",
}
"""What a cell of each grouping's column may hold."""

KINDS_TOLD_FROM: dict[Grouping, tuple[Kind, ...]] = {
    "sex": ("sex",),
    "decade-of-birth": ("date-of-birth", "year-of-birth"),
    "completeness": (),
}
"""Kinds of identifiers that tell a record's group, the best first; completeness is told from all there are."""


def can_be_grouped(grouping: Grouping, kinds: Collection[Kind]) -> bool:
    """Whether identifiers of some kinds tell anybody's group."""
    wanted = KINDS_TOLD_FROM[grouping]
    return not wanted or any(kind in kinds for kind in wanted)


def is_group(grouping: Grouping, text: str) -> bool:
    """Whether a cell names a group of a grouping."""
    if grouping == "sex":
        return text in SEXES
    if grouping == "completeness":
        return text in COMPLETENESS
    return text == UNKNOWN or _DECADE.fullmatch(text) is not None


def decade(born: str) -> str:
    """The decade of a standardised date or year of birth; `unknown` where it is missing."""
    return f"{born[:3]}0s" if born else UNKNOWN


def completeness(missing: int) -> str:
    """The class of a record that lacks so many of the identifiers that its dataset has."""
    return COMPLETENESS[min(missing, len(COMPLETENESS) - 1)]
