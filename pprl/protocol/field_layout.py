"""Which filters a record has in scheme `field-filters`, from the kinds of the agreed identifiers.

Departments encode by it and the matcher compares by it, so that neither tells the other.
"""

from __future__ import annotations

from collections.abc import Sequence

from pprl.errors import ConfigError
from pprl.protocol.filter_bits import FORENAME_KINDS
from pprl.protocol.kinds import Kind
from pprl.protocol.levels import MOST_FIELDS, Fields

MAIN_NAMES: tuple[Kind, ...] = ("given-name", "surname", "full-name")


def field_layout(kinds: Sequence[Kind]) -> Fields:
    """The filters of a record: one an identifier in the agreement's order, then the canonical forename's.

    Args:
        kinds: the identifiers' kinds, in the agreement's order.

    Returns:
        The layout; the canonical forename is that of the first given name, or else of the first full name.

    Raises:
        ConfigError: more identifiers than a pattern of levels can hold.
    """
    if len(kinds) > MOST_FIELDS:
        raise ConfigError(
            f"Scheme field-filters compares at most {MOST_FIELDS} identifiers; the agreement has {len(kinds)}.",
            hint="Leave out those that tell people apart least.",
        )
    forename = _first(kinds, *FORENAME_KINDS)
    return Fields(
        count=len(kinds),
        names=tuple(index for index, kind in enumerate(kinds) if kind in MAIN_NAMES),
        middle=_first(kinds, "middle-names"),
        forename=forename,
        canonical=len(kinds) if forename >= 0 else -1,
    )


def _first(kinds: Sequence[Kind], *wanted: Kind) -> int:
    """Place of the first identifier of the first wanted kind that is there; -1 if none is."""
    return next((kinds.index(kind) for kind in wanted if kind in kinds), -1)
