"""Blocking passes: which records are compared at all. Pure declarations, the same for every party.

A pass is a list of parts, each a transform of one identifier. Two records share a block of a pass if all its
parts are there and equal in both. What the transforms do to a value stands in `pprl.encode.passes`, which only
departments run; here are their names, so that an agreement can be drafted, checked and explained by anyone.

Selectivity must follow size: a birth date alone holds one person of a village and three hundred of a nation.
`default_passes` therefore chooses by the kinds that are there and by the rows of the largest dataset; how its
table was chosen, and what it finds, is docs/decisions/0004-blocking-passes.md.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

from pprl.protocol.kinds import NAME, Kind

NAMES: tuple[Kind, ...] = ("given-name", "middle-names", "surname", "full-name")
WORDS: tuple[Kind, ...] = (*NAMES, "address-line", "place", "free-text")
BORN: tuple[Kind, ...] = ("date-of-birth", "year-of-birth")
EVERY: tuple[Kind, ...] = (*WORDS, *BORN, "sex", "postcode", "number", "code")

TRANSFORMS: Mapping[str, tuple[Kind, ...]] = MappingProxyType(
    {
        "whole": EVERY,
        "initial": EVERY,
        "last-four": ("postcode", "number", "code"),
        "first-word": WORDS,
        "last-word": WORDS,
        "phonetic": WORDS,
        "phonetic-last": WORDS,
        "canonical": NAMES,
        "canonical-phonetic": NAMES,
        "house": ("address-line",),
        "year": BORN,
        "year-month": ("date-of-birth",),
        "month-day": ("date-of-birth",),
        "unordered-month-day": ("date-of-birth",),
        "district": ("postcode",),
        "sector": ("postcode",),
    }
)
"""Every transform, and the kinds that it is for."""

UNORDERED = "unordered-"
"""Before a transform of names: such parts of one pass are put in ascending order, so that swapped names agree."""

MOST_PARTS = 5


@dataclass(frozen=True, slots=True)
class BlockingPass:
    """One pass.

    Attributes:
        name: its name; it goes into keys, so that two passes never share a tag.
        parts: one or more of 'identifier:transform'.
    """

    name: str
    parts: tuple[str, ...]

    def __post_init__(self) -> None:
        if not NAME.fullmatch(self.name) or not 1 <= len(self.parts) <= MOST_PARTS:
            raise ValueError(f"a pass has a name and from 1 to {MOST_PARTS} parts")
        if len(set(self.parts)) != len(self.parts) or any(part.count(":") != 1 for part in self.parts):
            raise ValueError("a part is 'identifier:transform', and none stands twice")

    def split_parts(self) -> Iterator[tuple[str, str, bool]]:
        """Identifier, transform and whether the part is unordered, part by part."""
        for part in self.parts:
            identifier, transform = part.split(":")
            unordered = transform not in TRANSFORMS and transform.startswith(UNORDERED)
            yield identifier, transform.removeprefix(UNORDERED) if unordered else transform, unordered


def problem_of(pass_: BlockingPass, kinds: Mapping[str, Kind]) -> str:
    """Why a pass can't be used with these identifiers; empty if it can. Anyone who checks an agreement runs it.

    Args:
        pass_: the pass.
        kinds: the kind of each agreed identifier.
    """
    for identifier, transform, unordered in pass_.split_parts():
        if identifier not in kinds:
            return f"'{identifier}' is not an identifier of the agreement"
        if transform not in TRANSFORMS:
            return f"there is no transform '{transform}'; there are: {', '.join(sorted(TRANSFORMS))}"
        if kinds[identifier] not in TRANSFORMS[transform]:
            return f"transform '{transform}' is not for a {kinds[identifier]}"
        if unordered and kinds[identifier] not in NAMES:
            return "only names can be unordered"
    return ""


TOWN_ROWS, CITY_ROWS, COUNTRY_ROWS = 5_000, 50_000, 150_000
"""Size classes, by the rows of the largest dataset: up to each, and beyond the last. Where one person stands for a
block, selective passes lose less than large blocks do, and many passes cost little (docs/decisions/0007)."""

_ANY = 2**63


@dataclass(frozen=True, slots=True)
class _Choice:
    """A pass to be offered from `above` rows (exclusive) to `upto` (inclusive), if all roles can be filled.

    `without` names a role in whose absence alone the pass is offered, whatever the size.
    """

    name: str
    roles: tuple[str, ...]
    above: int = 0
    upto: int = _ANY
    without: str = ""


_ROLES: Mapping[str, tuple[tuple[Kind, str], ...]] = MappingProxyType(
    {
        "birth": (("date-of-birth", "whole"),),
        "year": (("date-of-birth", "year"), ("year-of-birth", "year")),
        "month": (("date-of-birth", "year-month"),),
        "day": (("date-of-birth", "month-day"),),
        "either-day": (("date-of-birth", "unordered-month-day"),),
        "forename": (("given-name", "canonical-phonetic"), ("full-name", "canonical-phonetic")),
        "forename-initial": (("given-name", "initial"), ("full-name", "initial")),
        "surname": (("surname", "phonetic"), ("full-name", "phonetic-last")),
        "surname-initial": (("surname", "initial"), ("full-name", "phonetic-last")),
        "one-name": (
            ("given-name", "unordered-canonical-phonetic"),
            ("full-name", "unordered-canonical-phonetic"),
        ),
        "other-name": (("surname", "unordered-phonetic"), ("full-name", "unordered-phonetic-last")),
        "one-name-written": (
            ("given-name", "unordered-canonical"),
            ("full-name", "unordered-canonical"),
        ),
        "other-name-written": (("surname", "unordered-whole"), ("full-name", "unordered-last-word")),
        "area": (("postcode", "district"), ("place", "phonetic")),
        "sector": (("postcode", "sector"), ("place", "phonetic")),
        "house": (("address-line", "house"),),
        "sex": (("sex", "whole"),),
        "address": (("postcode", "whole"), ("address-line", "house")),
    }
)
"""What fills a place in a default pass or match key: the first kind that is there, with its transform."""

_DEFAULTS = (
    _Choice("birth", ("birth",), upto=CITY_ROWS),
    _Choice("birth-sex", ("birth", "sex"), TOWN_ROWS, CITY_ROWS),
    _Choice("birth-forename-initial", ("birth", "forename-initial"), TOWN_ROWS, COUNTRY_ROWS),
    _Choice("birth-surname-initial", ("birth", "surname-initial"), CITY_ROWS, COUNTRY_ROWS),
    _Choice("birth-forename", ("birth", "forename"), COUNTRY_ROWS),
    _Choice("birth-surname", ("birth", "surname"), COUNTRY_ROWS),
    _Choice("surname-year", ("surname", "year"), upto=CITY_ROWS),
    _Choice("surname-month", ("surname", "month"), CITY_ROWS, COUNTRY_ROWS),
    _Choice("surname-day", ("surname", "day"), upto=TOWN_ROWS),
    _Choice("surname-either-day", ("surname", "either-day"), TOWN_ROWS, CITY_ROWS),
    _Choice("surname-day", ("surname", "day"), CITY_ROWS, COUNTRY_ROWS),
    _Choice("forename-year", ("forename", "year"), upto=TOWN_ROWS),
    _Choice("forename-year", ("forename", "surname-initial", "year"), TOWN_ROWS, CITY_ROWS),
    _Choice("forename-day", ("forename", "day"), upto=TOWN_ROWS),
    _Choice("forename-either-day", ("forename", "either-day"), TOWN_ROWS, CITY_ROWS),
    _Choice("names", ("one-name", "other-name"), upto=COUNTRY_ROWS),
    _Choice("names-sex", ("one-name", "other-name", "sex"), TOWN_ROWS, CITY_ROWS),
    _Choice("names-written", ("one-name-written", "other-name-written"), COUNTRY_ROWS),
    _Choice("names-year", ("one-name", "other-name", "year"), CITY_ROWS),
    _Choice("names-day", ("one-name", "other-name", "day"), CITY_ROWS),
    _Choice("names-area", ("one-name", "other-name", "area"), COUNTRY_ROWS),
    _Choice("surname-forename-initial", ("surname", "forename-initial"), TOWN_ROWS, CITY_ROWS),
    _Choice("surname-area", ("surname", "area"), upto=COUNTRY_ROWS),
    _Choice("surname-sector", ("surname", "sector"), COUNTRY_ROWS),
    _Choice("forename-area", ("forename", "area"), upto=TOWN_ROWS),
    _Choice("initials-area", ("forename-initial", "surname-initial", "area"), TOWN_ROWS, CITY_ROWS),
    _Choice("forename-area", ("forename", "area"), CITY_ROWS, COUNTRY_ROWS),
    _Choice("forename-sector", ("forename", "sector"), COUNTRY_ROWS),
    _Choice("area-day", ("area", "either-day"), upto=TOWN_ROWS),
    _Choice("area-year", ("area", "year"), TOWN_ROWS, CITY_ROWS),
    _Choice("area-day", ("area", "either-day"), CITY_ROWS, COUNTRY_ROWS),
    _Choice("area-birth", ("area", "either-day", "year"), COUNTRY_ROWS),
    _Choice("house", ("house",), upto=TOWN_ROWS),
    _Choice("house-area", ("house", "area"), TOWN_ROWS),
    _Choice("house-surname", ("house", "surname"), TOWN_ROWS),
    _Choice("area-year", ("sector", "year"), upto=TOWN_ROWS, without="birth"),
    _Choice("area-year", ("sector", "year"), CITY_ROWS, without="birth"),
    _Choice("surname-forename-initial", ("surname", "forename-initial"), upto=TOWN_ROWS, without="year"),
    _Choice("surname-forename-initial", ("surname", "forename-initial"), CITY_ROWS, without="year"),
    _Choice("forename-surname-initial", ("forename", "surname-initial"), without="year"),
)

_ALONE: tuple[Kind, ...] = ("postcode", "number", "code")
"""Kinds whose whole value is a pass by itself, for each identifier of the kind."""


def default_passes(kinds: Mapping[str, Kind], rows: int) -> tuple[BlockingPass, ...]:
    """The passes that suit these identifiers at this size. Whoever drafts an agreement runs it.

    Args:
        kinds: the kind of each identifier, in the agreement's order; the first of a kind is used.
        rows: rows of the largest dataset.

    Returns:
        Ten to fourteen passes where names, dates of birth and postcodes are there, fewer where less is; none only
        if there is nothing but sex.
    """
    first = _first_of_each(kinds)
    found = [pass_ for choice in _DEFAULTS if (pass_ := _chosen(choice, first, rows))]
    found += _alone(kinds)
    if not found:
        found = [
            BlockingPass(identifier, (f"{identifier}:whole",))
            for identifier, kind in kinds.items()
            if kind != "sex"
        ]
    return tuple(found)


def filled(name: str, roles: Sequence[str], kinds: Mapping[str, Kind]) -> BlockingPass | None:
    """A pass or match key of some roles; None if an identifier for one of them isn't there.

    Args:
        name: its name.
        roles: what its parts are, such as `birth` or `surname`.
        kinds: the kind of each identifier, in the agreement's order; the first of a kind is used.
    """
    first = _first_of_each(kinds)
    parts = tuple(_part(role, first) for role in roles)
    return BlockingPass(name, parts) if all(parts) and len(set(parts)) == len(parts) else None


def _first_of_each(kinds: Mapping[str, Kind]) -> dict[Kind, str]:
    first: dict[Kind, str] = {}
    for identifier, kind in kinds.items():
        first.setdefault(kind, identifier)
    return first


def _chosen(choice: _Choice, first: Mapping[Kind, str], rows: int) -> BlockingPass | None:
    if not choice.above < rows <= choice.upto or (choice.without and _part(choice.without, first)):
        return None
    parts = [_part(role, first) for role in choice.roles]
    return BlockingPass(choice.name, tuple(parts)) if all(parts) else None


def _part(role: str, first: Mapping[Kind, str]) -> str:
    """The part that fills a role; empty if no identifier can."""
    return next((f"{first[kind]}:{transform}" for kind, transform in _ROLES[role] if kind in first), "")


def _alone(kinds: Mapping[str, Kind]) -> list[BlockingPass]:
    found: list[BlockingPass] = []
    for kind in _ALONE:
        identifiers = [identifier for identifier, its in kinds.items() if its == kind]
        found += [
            BlockingPass(kind if place == 1 else f"{kind}-{place}", (f"{identifier}:whole",))
            for place, identifier in enumerate(identifiers, start=1)
        ]
    return found
