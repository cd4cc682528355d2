"""Kinds of identifiers, and how names are written: the words that agreements and blocking passes share."""

from __future__ import annotations

import re
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
