"""From standardised records to the value of each record's block in a pass. Runs at departments only.

A value's transforms are taken once for each distinct value; blocks are then combinations of small whole numbers,
and their text is written once for each distinct block. The texts are part of the protocol, since tags and salts
are keyed digests of them: docs/formats/field-filters.md is the specification, and
tests/conformance/field_filters holds vectors.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from importlib.resources import files
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

from pprl.encode.phonetic import phonetic
from pprl.errors import ConfigError, DataError
from pprl.protocol.blocking import BlockingPass, problem_of
from pprl.protocol.kinds import Kind

SEPARATOR = "\x1f"
"""Between the parts of a block value; no standardised value holds a control character."""

PARTICLES = frozenset(
    {
        "ab", "abdel", "abdul", "abu", "al", "ap", "bin", "bint", "binte", "binti", "da", "das", "de", "del", "della",
        "den", "der", "di", "do", "dos", "du", "el", "fitz", "ibn", "la", "le", "mac", "mc", "o", "san", "st", "te",
        "ten", "ter", "ud", "ul", "van", "von", "zu",
    }
)  # fmt: skip
"""Words that belong to the word behind them, whether or not there is a space: de Souza, Desouza."""

Codes = NDArray[np.int64]

_UK_POSTCODE = re.compile(r"([a-z]{1,2}[0-9][0-9a-z]?)([0-9])([a-z]{2})")
_UK_DISTRICT = re.compile(r"[a-z]{1,2}[0-9][0-9a-z]?")
_UK_CUT_SHORT = re.compile(r"([a-z]{1,2}[0-9][0-9a-z]?)([0-9])[a-z]?")


@dataclass(frozen=True, slots=True)
class Coded:
    """A column as numbers.

    Attributes:
        distinct: its distinct values, "" among them only if some row has it.
        codes: for each row the place of its value in `distinct`, shape (rows,).
    """

    distinct: list[str]
    codes: Codes

    def values(self) -> list[str]:
        """The column as it was."""
        return [self.distinct[code] for code in self.codes.tolist()]


def coded(values: Sequence[str]) -> Coded:
    """Number a column's distinct values in the order in which they come."""
    place: defaultdict[str, int] = defaultdict()
    place.default_factory = place.__len__
    codes = np.fromiter(map(place.__getitem__, values), np.int64, len(values))
    return Coded(list(place), codes)


def block_values(
    columns: Mapping[str, Sequence[str]], pass_: BlockingPass, kinds: Mapping[str, Kind]
) -> list[str]:
    """The block of each record in one pass. Departments run it.

    Args:
        columns: standardised values by identifier, "" where missing, all of one length.
        pass_: the pass.
        kinds: the kind of each identifier.

    Returns:
        A value a record; "" for a record that has no block, because a part is missing.

    Raises:
        ConfigError: the pass does not fit the identifiers.
        DataError: an identifier's column is absent.
    """
    needed = {identifier for identifier, _, _ in pass_.split_parts()}
    absent = needed - set(columns)
    if absent:
        raise DataError(f"There is no column for identifier '{min(absent)}'.")
    return blocks({name: coded(columns[name]) for name in needed}, pass_, kinds).values()


def blocks(
    columns: Mapping[str, Coded],
    pass_: BlockingPass,
    kinds: Mapping[str, Kind],
    known: dict[tuple[str, str], Coded] | None = None,
) -> Coded:
    """As `block_values`, on numbered columns.

    Args:
        columns: numbered columns by identifier.
        pass_: the pass.
        kinds: the kind of each identifier.
        known: transformed columns by identifier and transform, read and added to, for the passes of one dataset.

    Raises:
        ConfigError: the pass does not fit the identifiers.
    """
    if problem := problem_of(pass_, kinds):
        raise ConfigError(f"Pass '{pass_.name}' can't be used: {problem}.")
    split = list(pass_.split_parts())
    known = {} if known is None else known
    for name, transform, _ in split:
        if (name, transform) not in known:
            known[name, transform] = _transformed(columns[name], transform)
    parts = [known[name, transform] for name, transform, _ in split]
    in_order = _in_ascending_order(parts, [unordered for _, _, unordered in split])
    combined = in_order[0]
    for part in in_order[1:]:
        combined = _joined(combined, part)
    return combined


def _transformed(column: Coded, transform: str) -> Coded:
    rule = _RULES[transform]
    results = coded([rule(value) if value else "" for value in column.distinct])
    return Coded(results.distinct, results.codes[column.codes])


def _in_ascending_order(parts: list[Coded], unordered: list[bool]) -> list[Coded]:
    """The same parts, those that are unordered exchanged within each row so that they ascend by code point."""
    loose = [index for index, free in enumerate(unordered) if free]
    if len(loose) < 2:
        return parts
    texts = sorted({text for index in loose for text in parts[index].distinct})
    rank = {text: place for place, text in enumerate(texts)}
    ranks = [
        np.array([rank[text] for text in parts[index].distinct], dtype=np.int64)[parts[index].codes]
        for index in loose
    ]
    ascending = np.sort(np.stack(ranks), axis=0)
    result = list(parts)
    for row, index in enumerate(loose):
        result[index] = Coded(texts, ascending[row])
    return result


def _joined(left: Coded, right: Coded) -> Coded:
    """Each two parts of a row as one, "" if either is missing."""
    width = len(right.distinct)
    missing = _missing(left) | _missing(right)
    keys, codes = np.unique(np.where(missing, -1, left.codes * width + right.codes), return_inverse=True)
    texts = [
        "" if key < 0 else left.distinct[key // width] + SEPARATOR + right.distinct[key % width]
        for key in keys.tolist()
    ]
    return Coded(texts, codes.astype(np.int64))


def _missing(part: Coded) -> NDArray[np.bool_]:
    return np.array([not text for text in part.distinct], dtype=np.bool_)[part.codes]


# Transforms: each takes a standardised value that is not empty; "" is missing


def district_and_sector(postcode: str) -> tuple[str, str]:
    """Outward code and sector of a standardised postcode, each "" if it isn't there.

    For a code of another country the sector is the whole, and the district all but the last two characters, at
    least three.
    """
    if found := _UK_POSTCODE.fullmatch(postcode):
        return found[1], found[1] + found[2]
    if _UK_DISTRICT.fullmatch(postcode):
        return postcode, ""
    if found := _UK_CUT_SHORT.fullmatch(postcode):
        return found[1], found[1] + found[2]
    return postcode[: max(3, len(postcode) - 2)], postcode


def _first_word(name: str) -> str:
    return _joined_words(name.split())[0]


def _last_word(name: str) -> str:
    """The first word is never joined to another here: in a full name it is a forename, as in Van or Abdul."""
    first, *others = name.split()
    return _joined_words(others)[-1] if others else first


def _joined_words(words: list[str]) -> list[str]:
    """Each particle put before the word that it belongs to."""
    joined: list[str] = []
    held = ""
    for word in words:
        if word in PARTICLES:
            held += word
        else:
            joined.append(held + word)
            held = ""
    return [*joined, held] if held else joined


def canonical_forename(name: str) -> str:
    """The canonical form of a name's first word: Liz and Betty are elizabeth. Unlisted words are their own."""
    first = name.split(" ", 1)[0]
    return _canonical_forms().get(first, first)


@lru_cache(maxsize=1)
def _canonical_forms() -> Mapping[str, str]:
    lines = files("pprl.encode").joinpath("forenames.txt").read_text(encoding="ascii").splitlines()
    forms: dict[str, str] = {}
    for line in lines:
        if not line.startswith("#"):
            canonical, _, others = line.partition(": ")
            forms |= dict.fromkeys(others.split(", "), canonical)
    return MappingProxyType(forms)


def _house(address: str) -> str:
    """The last word that has a digit and the sound of the word behind it; else how the first word sounds."""
    words = address.split()
    numbered = [place for place, word in enumerate(words) if any(map(str.isdigit, word))]
    if not numbered:
        return phonetic(words[0])
    behind = words[numbered[-1] + 1 :]
    return words[numbered[-1]] + (" " + phonetic(behind[0]) if behind else "")


def _unordered_month_day(day: str) -> str:
    return "-".join(sorted((day[5:7], day[8:10])))


_RULES: Mapping[str, Callable[[str], str]] = MappingProxyType(
    {
        "whole": lambda value: value,
        "initial": lambda value: value[0],
        "last-four": lambda value: value[-4:],
        "first-word": _first_word,
        "last-word": _last_word,
        "phonetic": lambda value: phonetic(_first_word(value)),
        "phonetic-last": lambda value: phonetic(_last_word(value)),
        "canonical": canonical_forename,
        "canonical-phonetic": lambda value: phonetic(canonical_forename(value)),
        "house": _house,
        "year": lambda value: value[:4],
        "year-month": lambda value: value[:7],
        "month-day": lambda value: value[5:],
        "unordered-month-day": _unordered_month_day,
        "district": lambda value: district_and_sector(value)[0],
        "sector": lambda value: district_and_sector(value)[1],
    }
)
