"""Kinds of identifiers, and how names are written: the words that agreements and blocking passes share."""

from __future__ import annotations

import re
from collections.abc import Collection
from typing import Literal, get_args

NAME_PATTERN = r"^[A-Za-z][A-Za-z0-9_-]{0,39}$"
NAME = re.compile(NAME_PATTERN)

Kind = Literal[
    "given-name",
    "middle-names",
    "surname",
    "full-name",
    "date-of-birth",
    "year-of-birth",
    "sex",
    "postcode",
    "address-line",
    "place",
    "free-text",
    "number",
    "code",
]
KINDS: tuple[Kind, ...] = get_args(Kind)


def can_be_joined(kinds: Collection[Kind]) -> bool:
    """Whether identifiers of these kinds let a department join its own records: names and a date of birth."""
    named = {"given-name", "surname"} <= set(kinds) or "full-name" in kinds
    return named and "date-of-birth" in kinds
