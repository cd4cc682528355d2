"""From standardised records to the value of each record's block in a pass. Runs at departments only.

A value's transforms are taken once for each distinct value; blocks are then combinations of small whole numbers,
numbered by a compiled hash table, and their text is written once for each distinct block, when it is asked for. The
texts are part of the protocol, since tags and salts are keyed digests of them: docs/formats/field-filters.md is the
specification, and tests/conformance/field_filters holds vectors.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from importlib.resources import files
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

from pprl.encode.phonetic import phonetic
from pprl.errors import ConfigError, DataError
from pprl.protocol.blocking import BlockingPass, problem_of
from pprl.protocol.kinds import Kind
from pprl.protocol.levels import compiled

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

Codes = NDArray[np.int32]
Indices = NDArray[np.int64]

NO_BLOCK = -1

# A multiplier whose products spread well over the high bits: 2 ** 64 over the golden ratio, made odd.
_SPREAD = np.uint64(0x9E3779B97F4A7C15)
_HALF = np.uint64(32)
_WORD_BITS = 64

_UK_END = re.compile(r"[0-9][a-z]{2}")
_UK_DISTRICT = re.compile(r"[a-z]{1,2}[0-9][0-9a-z]?")
_UK_CUT_SHORT = re.compile(r"([a-z]{1,2}[0-9][0-9a-z]?)([0-9])[a-z]?")


@dataclass(frozen=True, slots=True)
class Coded:
    """A column as numbers.

    Attributes:
        distinct: its distinct values; "" among them only if some row has it, or had it before rows were taken out.
        codes: for each row the place of its value in `distinct`, shape (rows,).
    """

    distinct: list[str] = field(repr=False)
    codes: Codes = field(repr=False)

    def values(self) -> list[str]:
        """The column as it was."""
        return list(map(self.distinct.__getitem__, self.codes.tolist()))

    def of(self, rows: NDArray[np.integer]) -> Coded:
        """The column of some rows, in that order."""
        return Coded(self.distinct, self.codes[rows])

    def missing(self) -> int:
        """The number of the missing value; -1 if no row has it."""
        return self.distinct.index("") if "" in self.distinct else -1


class CodedColumns:
    """Columns as numbers, while a table is read batch by batch: what is kept of a value is a number of four bytes.

    Args:
        names: of the columns.
    """

    __slots__ = ("_codes", "_places")

    def __init__(self, names: Iterable[str]) -> None:
        self._places: dict[str, defaultdict[str, int]] = {name: defaultdict() for name in names}
        for place in self._places.values():
            place.default_factory = place.__len__
        self._codes: dict[str, list[Codes]] = {name: [] for name in self._places}

    def add(self, columns: Mapping[str, Sequence[str]]) -> None:
        """Take one more batch: a value a row for each column."""
        for name, place in self._places.items():
            values = columns[name]
            self._codes[name].append(np.fromiter(map(place.__getitem__, values), np.int32, len(values)))

    def coded(self) -> dict[str, Coded]:
        """The columns of all batches, distinct values numbered in the order in which they came."""
        nothing = np.empty(0, dtype=np.int32)
        return {
            name: Coded(list(place), np.concatenate([nothing, *self._codes[name]]))
            for name, place in self._places.items()
        }


def coded(values: Sequence[str] | Coded) -> Coded:
    """Number a column's distinct values in the order in which they come; one that is numbered is left as it is."""
    if isinstance(values, Coded):
        return values
    place: defaultdict[str, int] = defaultdict()
    place.default_factory = place.__len__
    codes = np.fromiter(map(place.__getitem__, values), np.int32, len(values))
    return Coded(list(place), codes)


@dataclass(frozen=True, slots=True)
class BlockNumbers:
    """The blocks of a dataset in one pass, as numbers from 0 in the order in which they come.

    Attributes:
        numbers: of each record's block, `NO_BLOCK` for none, shape (records,).
        parts: what the values of blocks are made of, in the order of the parts; each has a code a block.
    """

    numbers: Codes
    parts: tuple[Coded, ...]

    def __len__(self) -> int:
        return len(self.parts[0].codes)

    def texts(self) -> list[str]:
        """The values of the blocks."""
        columns = [part.values() for part in self.parts]
        return columns[0] if len(columns) == 1 else list(map(SEPARATOR.join, zip(*columns, strict=True)))

    def sizes(self) -> Indices:
        """How many records each block has."""
        return np.bincount(self.numbers[self.numbers >= 0], minlength=len(self))


Known = dict[tuple[str, ...], Coded]
"""By identifier and transform, what the distinct values of the identifier's column become: a code for each of them.

Transforms that are exchanged within a row are here together, as they share one numbering.
"""


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
    known: Known | None = None,
) -> Coded:
    """As `block_values`, on numbered columns. Arguments and errors are those of `numbered_blocks`."""
    found = numbered_blocks(columns, pass_, kinds, known)
    texts = found.texts()
    if not (found.numbers == NO_BLOCK).any():
        return Coded(texts, found.numbers)
    return Coded([*texts, ""], np.where(found.numbers == NO_BLOCK, np.int32(len(texts)), found.numbers))


def numbered_blocks(
    columns: Mapping[str, Coded],
    pass_: BlockingPass,
    kinds: Mapping[str, Kind],
    known: Known | None = None,
) -> BlockNumbers:
    """The blocks of a dataset's records in one pass. Departments run it.

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
    known = {} if known is None else known
    parts = _parts(columns, list(pass_.split_parts()), known)
    numbers, firsts = numbered_rows(parts)
    return BlockNumbers(numbers, tuple(part.of(firsts) for part in parts))


def transformed(columns: Mapping[str, Coded], name: str, transform: str, known: Known) -> Coded:
    """A column under a transform; what becomes of its values is taken from `known`, or put there."""
    if transform == "whole":
        return columns[name]
    becomes = _become(columns, name, transform, known)
    return Coded(becomes.distinct, becomes.codes[columns[name].codes])


def _become(columns: Mapping[str, Coded], name: str, transform: str, known: Known) -> Coded:
    """What the distinct values of a column become."""
    if (name, transform) not in known:
        rule, distinct = _RULES[transform], columns[name].distinct
        if transform in _OF_POSTCODES:
            # Both, as whoever asks for one asks for the other.
            both = [district_and_sector(value) if value else ("", "") for value in distinct]
            for place, each in enumerate(_OF_POSTCODES):
                known[name, each] = coded([found[place] for found in both])
        else:
            known[name, transform] = coded([rule(value) if value else "" for value in distinct])
    return known[name, transform]


def same_rows(columns: Sequence[Coded]) -> Indices:
    """For each row the first one that has the same value in every column, missing equal to missing; shape (rows,)."""
    numbers = np.zeros(len(columns[0].codes), dtype=np.int32)
    firsts = numbers[:1]
    for column in columns:
        numbers, firsts = _joined(numbers, column.codes, NO_BLOCK)
    return firsts[numbers].astype(np.int64)


def _parts(columns: Mapping[str, Coded], split: Sequence[tuple[str, str, bool]], known: Known) -> list[Coded]:
    """The parts of a pass; those that are unordered exchanged within each row so that they ascend by code point."""
    parts = [transformed(columns, name, transform, known) for name, transform, _ in split]
    loose = [index for index, (_, _, free) in enumerate(split) if free]
    if len(loose) < 2:
        return parts
    ranked = _ranked(columns, [split[index][:2] for index in loose], known)
    names = [split[index][0] for index in loose]
    ranks = [each.codes[columns[name].codes] for each, name in zip(ranked, names, strict=True)]
    for row, index in enumerate(loose):
        parts[index] = Coded(ranked[0].distinct, _lowest(ranks, row))
    return parts


def _lowest(ranks: Sequence[Codes], place: int) -> Codes:
    """Of each record's ranks the one that stands at a place when they ascend."""
    if len(ranks) == 2:
        found: Codes = (np.maximum if place else np.minimum)(*ranks)
        return found
    ascending: Codes = np.sort(np.stack(ranks), axis=0)[place]
    return ascending


def _ranked(columns: Mapping[str, Coded], loose: Sequence[tuple[str, str]], known: Known) -> list[Coded]:
    """What the distinct values of several columns become, all numbered in one ascending order of their texts."""
    keys = [(*sum(loose, ()), str(place)) for place in range(len(loose))]
    if keys[0] not in known:
        become = [_become(columns, name, transform, known) for name, transform in loose]
        texts = sorted({text for each in become for text in each.distinct})
        rank = {text: place for place, text in enumerate(texts)}
        for key, each in zip(keys, become, strict=True):
            ranks = np.fromiter(map(rank.__getitem__, each.distinct), np.int32, len(each.distinct))
            known[key] = Coded(texts, ranks[each.codes])
    return [known[key] for key in keys]


def numbered_rows(parts: Sequence[Coded]) -> tuple[Codes, Codes]:
    """The number of each row's combination, and the first row of each; rows that lack a part have `NO_BLOCK`."""
    first, *others = parts
    if not others:
        return _joined(np.zeros(len(first.codes), dtype=np.int32), first.codes, first.missing())
    numbers = np.where(first.codes == first.missing(), np.int32(NO_BLOCK), first.codes)
    for part in others:
        numbers, firsts = _joined(numbers, part.codes, part.missing())
    return numbers, firsts


def _joined(left: Codes, right: Codes, missing: int) -> tuple[Codes, Codes]:
    """Each two numbers of a row as one, `NO_BLOCK` if the left one is that or the right one `missing`."""
    bits = max(4, (2 * len(left)).bit_length())
    keys, places = np.zeros(1 << bits, dtype=np.uint64), np.empty(1 << bits, dtype=np.int32)
    numbers, firsts = np.empty(len(left), dtype=np.int32), np.empty(len(left), dtype=np.int32)
    left, right = (np.require(each, np.int32, ["C", "W"]) for each in (left, right))
    count = _number_pairs(left, right, missing, bits, keys, places, numbers, firsts)
    return numbers, firsts[:count].copy()


@compiled
def _number_pairs(
    left: Codes,
    right: Codes,
    missing: int,
    bits: int,
    keys: NDArray[np.uint64],
    places: Codes,
    numbers: Codes,
    firsts: Codes,
) -> int:
    """Number distinct pairs in the order in which they come, in a hash table with as many slots as 2 ** `bits`."""
    rest, last = np.uint64(_WORD_BITS - bits), len(keys) - 1
    count = 0
    for row in range(len(left)):
        if left[row] < 0 or right[row] == missing:
            numbers[row] = NO_BLOCK
            continue
        # One more than the pair, so that it is never the 0 of a free slot.
        key = ((np.uint64(left[row]) << _HALF) | np.uint64(right[row])) + np.uint64(1)
        slot = np.int64((key * _SPREAD) >> rest)
        while keys[slot] != 0 and keys[slot] != key:
            slot = (slot + 1) & last
        if keys[slot] == 0:
            keys[slot] = key
            places[slot] = count
            firsts[count] = row
            count += 1
        numbers[row] = places[slot]
    return count


# Transforms: each takes a standardised value that is not empty; "" is missing


def district_and_sector(postcode: str) -> tuple[str, str]:
    """Outward code and sector of a standardised postcode, each "" if it isn't there.

    For a code of another country the sector is the whole, and the district all but the last two characters, at
    least three.
    """
    if is_british(postcode):
        return postcode[:-3], postcode[:-2]
    if _UK_DISTRICT.fullmatch(postcode):
        return postcode, ""
    if found := _UK_CUT_SHORT.fullmatch(postcode):
        return found[1], found[1] + found[2]
    return postcode[: max(3, len(postcode) - 2)], postcode


def is_british(postcode: str) -> bool:
    """Whether a standardised postcode is a whole one of the United Kingdom: a district, a digit and two letters."""
    return _ends_as_in_uk(postcode[-3:]) and _is_uk_district(postcode[:-3])


# A country has some thousand districts and endings, and a million postcodes.
@lru_cache(maxsize=8192)
def _is_uk_district(text: str) -> bool:
    return _UK_DISTRICT.fullmatch(text) is not None


@lru_cache(maxsize=8192)
def _ends_as_in_uk(text: str) -> bool:
    return _UK_END.fullmatch(text) is not None


def _first_word(name: str) -> str:
    return _joined_words(name.split())[0]


def _last_word(name: str) -> str:
    """The first word is never joined to another here: in a full name it is a forename, as in Van or Abdul."""
    first, *others = name.split()
    return _joined_words(others)[-1] if others else first


def split_name(name: str) -> tuple[str, str]:
    """Forenames and surname of a full name; both "" where it has one word alone."""
    first, *others = name.split()
    words = _joined_words(others)
    return (" ".join([first, *words[:-1]]), words[-1]) if words else ("", "")


def middle_name(forenames: str) -> str:
    """Of the second word the first letter, and behind it how it sounds unless it is a letter; "" if there is none.

    The first word is no particle of it, as in Abdul Karim.
    """
    second, *_ = _joined_words(forenames.split()[1:]) or [""]
    return second[:1] + (phonetic(second) if len(second) > 1 else "")


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


_OF_POSTCODES = ("district", "sector")

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
