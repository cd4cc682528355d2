"""Which records of a dataset are copies of another: equal in every identifier, and beyond doubt of one person.

Runs at departments only, on standardised records, in scheme `field-filters` and for datasets that may hold a person
more than once. An offence or court file holds many records of one person, most of them the same in everything that
is compared. They are encoded once: nothing is lost, as whatever links one links all, and who compares encodings
hardly sees how often a person was in court. docs/formats/field-filters.md has the rule.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from pprl.encode.passes import Coded, coded, same_rows
from pprl.protocol.kinds import Kind

FURTHER_KINDS = frozenset[Kind](
    {"middle-names", "postcode", "address-line", "place", "free-text", "number", "code"}
)
"""Of these a copy has one beside names and date of birth; sex and the year of birth tell too little more."""


def originals(columns: Mapping[str, Sequence[str] | Coded], kinds: Mapping[str, Kind]) -> NDArray[np.int64]:
    """The first record that each record is a copy of; departments run it.

    Two records are copies if all their identifiers are equal, missing ones included, and they have forename and
    surname (or a full name), a date of birth and one identifier more of `FURTHER_KINDS`. Two John Smiths of whom
    little else is known may be two people: what they are, the model decides.

    Args:
        columns: standardised values by identifier, "" where missing, all of one length.
        kinds: the kind of each identifier.

    Returns:
        For each record the place of the first record that is equal to it, its own if it is the first or may not be
        a copy, shape (records,).
    """
    numbered = {name: coded(values) for name, values in columns.items()}
    equal = same_rows(list(numbered.values()))
    return np.where(_well_identified(numbered, kinds), equal, np.arange(len(equal)))


def copies_among(found: NDArray[np.int64]) -> int:
    """How many records are copies, from what `originals` returns."""
    return int((found != np.arange(len(found))).sum())


def _well_identified(columns: Mapping[str, Coded], kinds: Mapping[str, Kind]) -> NDArray[np.bool_]:
    rows = len(next(iter(columns.values())).codes)

    def has(*wanted: Kind) -> NDArray[np.bool_]:
        there = np.zeros(rows, dtype=bool)
        for name, column in columns.items():
            if kinds[name] in wanted:
                there |= column.codes != column.missing()
        return there

    named = (has("given-name") & has("surname")) | has("full-name")
    return named & has("date-of-birth") & has(*FURTHER_KINDS)
