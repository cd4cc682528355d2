"""From a standardised value to the tokens that stand for it in a Bloom filter. Runs at departments only.

Two values are compared by the tokens that they share. So a value becomes several small ones, chosen for each kind
such that the mistakes that people make with it cost few: a letter in a name, a digit in a date, day and month
exchanged, a postcode cut short. docs/formats/field-filters.md is the specification; a token is text, and no
token holds a control character.

Tokens of names are numbered when they repeat, and all kinds of names share one space, so that the given name of
one record can be found in the surname of another.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from functools import lru_cache
from itertools import repeat
from operator import add
from types import MappingProxyType

from pprl.encode.passes import canonical_forename, district_and_sector
from pprl.encode.standardise import MOST_POSTCODE_CHARACTERS
from pprl.protocol.blocking import NAMES
from pprl.protocol.kinds import Kind

MOST_TOKENS = 40
"""A value has no more tokens than this, the first ones: a longer one would fill its filter and match anything."""

NAME_SPACE = "shared:names"
CANONICAL_SPACE = "derived:canonical-forename"

_PLACES = tuple(f"{place}:" for place in range(MOST_POSTCODE_CHARACTERS))
_PLACES_FROM_END = tuple(f"-{place}:" for place in range(1, MOST_POSTCODE_CHARACTERS + 1))


def tokens(kind: Kind, value: str) -> tuple[str, ...]:
    """The tokens of one value. Departments run it on each distinct value.

    Args:
        kind: kind of the identifier.
        value: a standardised value; "" where it is missing.

    Returns:
        Different tokens, none for a missing value, at most `MOST_TOKENS`.
    """
    return tuple(_TOKENS[kind](value)[:MOST_TOKENS]) if value else ()


def token_space(identifier: str, kind: Kind) -> str:
    """The space that an identifier's tokens are in: equal tokens of different spaces have nothing in common."""
    return NAME_SPACE if kind in NAMES else f"field:{identifier}"


def canonical_tokens(kind: Kind, value: str) -> tuple[str, ...]:
    """The one token of the derived field: the canonical forename, of a full name together with its last word.

    Args:
        kind: given-name or full-name.
        value: a standardised value; "" where it is missing.
    """
    if not value:
        return ()
    forename = canonical_forename(value)
    last = value.rsplit(" ", 1)[-1]
    return (f"={forename} {last}",) if kind == "full-name" else (f"={forename}",)


def _pairs_of_letters(value: str) -> list[str]:
    """Each two neighbours of each word, its ends marked, followed by how often the two came before."""
    pairs: list[str] = []
    for word in value.split():
        pairs += map(add, "_" + word, word + "_")
    if len(set(pairs)) == len(pairs):
        return list(map(add, pairs, repeat("0")))
    seen: Counter[str] = Counter()
    numbered = []
    for pair in pairs:
        numbered.append(f"{pair}{seen[pair]}")
        seen[pair] += 1
    return numbered


def _words(value: str) -> list[str]:
    """Words with a digit, whole; then pairs of letters."""
    numbered = dict.fromkeys(f"#{word}" for word in value.split() if any(map(str.isdigit, word)))
    return list(numbered) + _pairs_of_letters(value)


def _date(value: str) -> list[str]:
    year, month, day = value[:4], value[5:7], value[8:]
    digits = map(add, "cdefgh", year[2:] + month + day)
    either_way = f"S{month}-{day}" if month < day else f"S{day}-{month}"
    return ["Y" + year, "M" + month, "D" + day, *digits, either_way]


def _year(value: str) -> list[str]:
    near = [f"N{int(value) + step}" for step in (-1, 0, 1)]
    return [f"Y{value}", f"c{value[2]}", f"d{value[3]}", *near]


def _postcode(value: str) -> list[str]:
    """The whole and its parts, from unit to area; each character by its place from the nearer end."""
    district, sector = district_and_sector(value)
    found = [whole_postcode(value), *_of_district(district)]
    if sector:
        found.append("S" + sector)
    found += _from_start(district)
    found += _from_end(value[len(district) :])
    return found


def whole_postcode(value: str) -> str:
    """The token that stands for all of a postcode, the first one that it has."""
    return "U" + value


# A country has some thousand districts and endings, and a million postcodes.
@lru_cache(maxsize=8192)
def _of_district(district: str) -> tuple[str, ...]:
    area = district[:1] if district[1:2].isdigit() else district[:2]
    return "O" + district, "A" + area


@lru_cache(maxsize=8192)
def _from_start(district: str) -> tuple[str, ...]:
    return tuple(map(add, _PLACES, district))


@lru_cache(maxsize=8192)
def _from_end(rest: str) -> tuple[str, ...]:
    return tuple(map(add, _PLACES_FROM_END, reversed(rest)))


def _number(value: str) -> list[str]:
    places = [f"{place}:{mark}" for place, mark in enumerate(value)]
    pairs = [f"_{value[place : place + 2]}" for place in range(len(value) - 1)]
    return list(dict.fromkeys([f"={value}", *places, *pairs]))


def _whole(value: str) -> list[str]:
    return [f"={value}"]


_TOKENS: Mapping[Kind, Callable[[str], list[str]]] = MappingProxyType(
    {
        "given-name": _pairs_of_letters,
        "middle-names": _pairs_of_letters,
        "surname": _pairs_of_letters,
        "full-name": _pairs_of_letters,
        "date-of-birth": _date,
        "year-of-birth": _year,
        "sex": _whole,
        "postcode": _postcode,
        "address-line": _words,
        "place": _words,
        "free-text": _words,
        "number": _number,
        "code": _whole,
    }
)
