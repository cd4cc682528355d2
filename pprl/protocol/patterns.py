"""What the matcher sends the key issuer in scheme `field-filters`: pairs of references and patterns of levels.

For each two datasets in the agreement's order, each dataset with itself among them, and for each pass: the pairs
that are not hopeless, as two references and the pattern of comparison levels (`pprl.protocol.levels`). Inside a
dataset without duplicates no pair is sent, as none can be a link; instead, for every dataset and pass, how many of
its own pairs have each pattern, which shows how alike different people are.

It takes the place of `pairs` and has its kind; docs/protocol.md has it byte by byte.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import combinations_with_replacement
from typing import Annotated, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field

from pprl.errors import FormatError, VerificationError
from pprl.protocol import framing
from pprl.protocol.agreement import AgreementFile, Name
from pprl.protocol.canonical import LARGEST_INTEGER
from pprl.protocol.framing import ID_BYTES, Bytes, Count, DocumentHeader, Hex128
from pprl.protocol.pairs import lower_first
from pprl.protocol.submission import LEVEL_COUNT, Histogram, passes

PATTERNS_MAGIC = b"PPRLPAT1"
PATTERN_BYTES = 8
COUNT_BYTES = 8
BITS_A_LEVEL = 4

Patterns = NDArray[np.uint64]
Large = Annotated[int, Field(ge=0, le=LARGEST_INTEGER)]


class _Section(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)


class MatchedDataset(_Section):
    """A dataset that took part: which submission of it, and the records in each pass."""

    dataset: Name
    submission: Hex128
    encoded: tuple[Count, ...]


class PatternTable(_Section):
    """Pairs between two datasets in one pass: how many were compared, and how many are left."""

    left: Name
    right: Name
    blocking_pass: Name
    compared: Large
    pairs: Count


class OwnPatterns(_Section):
    """Pairs inside a dataset in one pass: how many patterns they have."""

    dataset: Name
    blocking_pass: Name
    patterns: Count


class PatternsHeader(DocumentHeader):
    """Header of `patterns`; `random_levels` are the departments' own counts, added up."""

    format: Literal["pprl-patterns"] = "pprl-patterns"
    datasets: tuple[MatchedDataset, ...]
    random_levels: tuple[Histogram, ...]
    tables: tuple[PatternTable, ...]
    own: tuple[OwnPatterns, ...]


@dataclass(frozen=True, slots=True)
class PatternPairs:
    """The pairs of one table.

    Attributes:
        left: shape (pairs, 16).
        right: shape (pairs, 16).
        patterns: shape (pairs,), a level in every four bits.
    """

    left: Bytes
    right: Bytes
    patterns: Patterns


@dataclass(frozen=True, slots=True)
class PatternCounts:
    """How many pairs have each pattern.

    Attributes:
        patterns: distinct, ascending.
        counts: pairs with each.
    """

    patterns: Patterns
    counts: NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class PatternsDocument:
    """The parsed document: pairs for each table of the header, and counts for each of `own`."""

    header: PatternsHeader
    tables: tuple[PatternPairs, ...]
    own: tuple[PatternCounts, ...]


def write(document: PatternsDocument) -> bytes:
    """The bytes of `patterns`; the matcher runs this. Rows, and sides inside a dataset, may come in any order."""
    tables = []
    for about, table in zip(document.header.tables, document.tables, strict=True):
        ids = np.hstack([table.left, table.right])
        if about.left == about.right:
            ids = lower_first(ids)
        tables.append(np.hstack([ids, _eight_bytes(table.patterns)])[framing.ascending(ids)])
    for counted in document.own:
        tables.append(np.hstack([_eight_bytes(counted.patterns), _eight_bytes(counted.counts)]))
    return framing.write(PATTERNS_MAGIC, document.header, tables)


def parse(raw: bytes, agreement: AgreementFile) -> PatternsDocument:
    """Read `patterns`; the key issuer runs this on what it has opened.

    Raises:
        FormatError: the bytes are not as specified.
        VerificationError: they belong to another agreement, or differ from what it says.
    """
    header, body = framing.read_header(raw, PATTERNS_MAGIC, PatternsHeader)
    framing.require_agreement(header, agreement, what="pairs")
    _require_agreed(header, agreement)
    shapes = [
        *((each.pairs, 2 * ID_BYTES + PATTERN_BYTES) for each in header.tables),
        *((each.patterns, PATTERN_BYTES + COUNT_BYTES) for each in header.own),
    ]
    tables = framing.read_tables(body, shapes)
    fields = len(agreement.content.identifier)
    return PatternsDocument(
        header,
        tuple(_pairs(about, table, fields) for about, table in zip(header.tables, tables, strict=False)),
        tuple(_counts(table, fields) for table in tables[len(header.tables) :]),
    )


def _require_agreed(header: PatternsHeader, agreement: AgreementFile) -> None:
    content = agreement.content
    names = [dataset.name for dataset in content.dataset]
    wanted = [name for name, _ in passes(agreement)]
    if [each.dataset for each in header.datasets] != names:
        raise VerificationError("The pairs do not cover the agreement's datasets in their order.")
    if any(len(each.encoded) != len(wanted) for each in header.datasets):
        raise VerificationError("The pairs do not cover the agreement's passes.")
    expected = [
        (left, right, name) for left, right in combinations_with_replacement(names, 2) for name in wanted
    ]
    if [(table.left, table.right, table.blocking_pass) for table in header.tables] != expected:
        raise VerificationError("The tables of pairs are not those of the agreement's datasets and passes.")
    if [(each.dataset, each.blocking_pass) for each in header.own] != [(n, p) for n in names for p in wanted]:
        raise VerificationError(
            "The counts of patterns are not those of the agreement's datasets and passes."
        )
    if len(header.random_levels) != len(content.identifier):
        raise VerificationError("The pairs count levels of other identifiers than the agreement's.")
    for table in header.tables:
        one_person_each = not content.dataset_named(table.left).may_have_duplicates
        if table.left == table.right and one_person_each and table.pairs:
            raise VerificationError("There are pairs inside a dataset that has no duplicates.")
        if table.pairs > table.compared:
            raise FormatError("A table of pairs counts more pairs than were compared.")


def _pairs(about: PatternTable, table: Bytes, fields: int) -> PatternPairs:
    framing.require_ascending(table, key_bytes=2 * ID_BYTES, what="pair")
    left, right = table[:, :ID_BYTES], table[:, ID_BYTES : 2 * ID_BYTES]
    if about.left == about.right and not framing.below(left, right).all():
        raise FormatError("A pair inside a dataset does not have its lower reference on the left.")
    return PatternPairs(left, right, _patterns(table[:, 2 * ID_BYTES :], fields))


def _counts(table: Bytes, fields: int) -> PatternCounts:
    framing.require_ascending(table, key_bytes=PATTERN_BYTES, what="pattern")
    counts = _numbers(table[:, PATTERN_BYTES:])
    if len(counts) and (counts.max() > LARGEST_INTEGER or not counts.all()):
        raise FormatError("A count of patterns is out of range.")
    return PatternCounts(_patterns(table[:, :PATTERN_BYTES], fields), counts.astype(np.int64))


def _patterns(raw: Bytes, fields: int) -> Patterns:
    """Patterns whose every level is one."""
    patterns = _numbers(raw)
    for field in range(64 // BITS_A_LEVEL):
        levels = (patterns >> np.uint64(BITS_A_LEVEL * field)) & np.uint64(15)
        if len(levels) and levels.max() >= (LEVEL_COUNT if field < fields else 1):
            raise FormatError("A pattern has a level that there is not.")
    return patterns


def _numbers(raw: Bytes) -> NDArray[np.uint64]:
    return np.ascontiguousarray(raw).view(">u8").reshape(-1).astype(np.uint64)


def _eight_bytes(numbers: NDArray[np.uint64] | NDArray[np.int64]) -> Bytes:
    return numbers.astype(">u8").view(np.uint8).reshape(-1, 8)
