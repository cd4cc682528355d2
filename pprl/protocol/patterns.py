"""What the matcher sends the key issuer in scheme `field-filters`: pairs of references and patterns of levels.

For each two datasets in the agreement's order, each dataset with itself among them, and for each pass: the pairs
that are not hopeless, as two references and the pattern of comparison levels (`pprl.protocol.levels`). Inside a
dataset without duplicates no pair is sent, as none can be a link. How alike different people are, departments count
themselves (`pprl.protocol.submission`).

It takes the place of `pairs` and has its kind; docs/protocol.md has it byte by byte.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import combinations_with_replacement
from typing import Annotated, Literal

import numpy as np
from pydantic import BaseModel, ConfigDict, Field

from pprl.errors import FormatError, VerificationError
from pprl.protocol import framing
from pprl.protocol.agreement import AgreementFile, Name
from pprl.protocol.canonical import LARGEST_INTEGER
from pprl.protocol.framing import ID_BYTES, Bytes, Count, DocumentHeader, Hex128
from pprl.protocol.pairs import lower_first
from pprl.protocol.pattern_counts import (
    LEVEL_COUNT,
    PATTERN_BYTES,
    RANDOM_PAIRS,
    Patterns,
    eight_bytes,
    most_block_pairs,
    parse_patterns,
)
from pprl.protocol.submission import passes

PATTERNS_MAGIC = b"PPRLPAT1"

Large = Annotated[int, Field(ge=0, le=LARGEST_INTEGER)]
# Every department's counts may be the largest there are.
SummedHistogram = Annotated[tuple[Large, ...], Field(min_length=LEVEL_COUNT, max_length=LEVEL_COUNT)]


class _Section(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)


class MatchedDataset(_Section):
    """A dataset that took part: which submission of it, its records, and in each pass those encoded and left out."""

    dataset: Name
    submission: Hex128
    records: Count
    encoded: tuple[Count, ...]
    suppressed: tuple[Count, ...]


class PatternTable(_Section):
    """Pairs between two datasets in one pass: how many were compared, and how many are left."""

    left: Name
    right: Name
    blocking_pass: Name
    compared: Large
    pairs: Count


class PatternsHeader(DocumentHeader):
    """Header of `patterns`; `random_levels` are the departments' own counts, added up."""

    format: Literal["pprl-patterns"] = "pprl-patterns"
    datasets: tuple[MatchedDataset, ...]
    random_levels: tuple[SummedHistogram, ...]
    tables: tuple[PatternTable, ...]


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
class PatternsDocument:
    """The parsed document: pairs for each table of the header."""

    header: PatternsHeader
    tables: tuple[PatternPairs, ...]


def write(document: PatternsDocument) -> bytes:
    """The bytes of `patterns`; the matcher runs this. Rows, and sides inside a dataset, may come in any order."""
    tables = (
        rows_of(each, within=about.left == about.right)
        for about, each in zip(document.header.tables, document.tables, strict=True)
    )
    return b"".join(pieces(document.header, tables))


def pieces(header: PatternsHeader, tables: Iterable[Bytes]) -> Iterator[bytes]:
    """The bytes of `patterns` one after the other, so that one table at a time is held.

    Args:
        header: its header.
        tables: each as `rows_of` gives it.
    """
    return framing.pieces(PATTERNS_MAGIC, header, tables, padding=_padding(header))


def document_bytes(header: PatternsHeader) -> int:
    """How long the document with this header is, padding included."""
    return framing.padme(framing.unpadded_bytes(header, _shapes(header)))


def rows_of(pairs: PatternPairs, *, within: bool) -> Bytes:
    """The records of a table as they stand in it, shape (pairs, 40); the matcher runs this.

    Args:
        pairs: in any order.
        within: whether they are inside a dataset; then sides may be in any order, too.
    """
    ids = np.hstack([pairs.left, pairs.right])
    if within:
        ids = lower_first(ids)
    return np.hstack([ids, eight_bytes(pairs.patterns)])[framing.ascending(ids)]


def parse(raw: bytes, agreement: AgreementFile) -> PatternsDocument:
    """Read `patterns`; the key issuer runs this on what it has opened.

    Raises:
        FormatError: the bytes are not as specified.
        VerificationError: they belong to another agreement, or differ from what it says.
    """
    header, body = framing.read_header(raw, PATTERNS_MAGIC, PatternsHeader)
    framing.require_agreement(header, agreement, what="pairs")
    _require_agreed(header, agreement)
    tables = framing.read_tables(body, _shapes(header), padding=_padding(header))
    fields = len(agreement.content.identifier)
    return PatternsDocument(
        header,
        tuple(_pairs(about, table, fields) for about, table in zip(header.tables, tables, strict=True)),
    )


def _shapes(header: PatternsHeader) -> framing.Shapes:
    return [(each.pairs, 2 * ID_BYTES + PATTERN_BYTES) for each in header.tables]


def _padding(header: PatternsHeader) -> int:
    length = framing.unpadded_bytes(header, _shapes(header))
    return framing.padme(length) - length


def _require_agreed(header: PatternsHeader, agreement: AgreementFile) -> None:
    content = agreement.content
    names = [dataset.name for dataset in content.dataset]
    wanted = [name for name, _ in passes(agreement)]
    if [each.dataset for each in header.datasets] != names:
        raise VerificationError("The pairs do not cover the agreement's datasets in their order.")
    if any(
        len(each.encoded) != len(wanted) or len(each.suppressed) != len(wanted) for each in header.datasets
    ):
        raise VerificationError("The pairs do not cover the agreement's passes.")
    for dataset, each in zip(content.dataset, header.datasets, strict=True):
        framing.require_agreed_rows(dataset, each.records)
        if max(each.encoded) > each.records:
            raise FormatError("More records of a dataset were compared than it has.")
    expected = [
        (left, right, name) for left, right in combinations_with_replacement(names, 2) for name in wanted
    ]
    if [(table.left, table.right, table.blocking_pass) for table in header.tables] != expected:
        raise VerificationError("The tables of pairs are not those of the agreement's datasets and passes.")
    if len(header.random_levels) != len(content.identifier):
        raise VerificationError("The pairs count levels of other identifiers than the agreement's.")
    for table in header.tables:
        one_person_each = not content.dataset_named(table.left).may_have_duplicates
        if table.left == table.right and one_person_each and table.pairs:
            raise VerificationError("There are pairs inside a dataset that has no duplicates.")
        if table.pairs > table.compared:
            raise FormatError("A table of pairs counts more pairs than were compared.")
    _require_possible_levels(header)
    _require_possible_pairs(header, content.encoding.field_filter_parameters.max_block_records)


def _require_possible_levels(header: PatternsHeader) -> None:
    """Refuse sums that are not of `RANDOM_PAIRS` a department, or of none from one that has no two records."""
    totals = {sum(levels) for levels in header.random_levels}
    least = sum(max(each.encoded) > 1 for each in header.datasets)
    possible = {RANDOM_PAIRS * counted for counted in range(least, len(header.datasets) + 1)}
    if len(totals) != 1 or not totals <= possible:
        raise FormatError("The levels are not those of as many random pairs as departments count.")


def _require_possible_pairs(header: PatternsHeader, max_block_records: int) -> None:
    """Refuse more pairs than blocks of the agreed size hold."""
    encoded = {each.dataset: each.encoded for each in header.datasets}
    names = dict.fromkeys(table.blocking_pass for table in header.tables)
    for place, name in enumerate(names):
        for table in (each for each in header.tables if each.blocking_pass == name):
            left, right = encoded[table.left][place], encoded[table.right][place]
            between = min(left, right) * max_block_records
            within = most_block_pairs(left, max_block_records)
            if table.compared > (within if table.left == table.right else between):
                raise FormatError("A table of pairs compares more pairs than blocks can have.")


def _pairs(about: PatternTable, table: Bytes, fields: int) -> PatternPairs:
    framing.require_ascending(table, key_bytes=2 * ID_BYTES, what="pair")
    left, right = table[:, :ID_BYTES], table[:, ID_BYTES : 2 * ID_BYTES]
    if about.left == about.right and not framing.below(left, right).all():
        raise FormatError("A pair inside a dataset does not have its lower reference on the left.")
    return PatternPairs(left, right, parse_patterns(table[:, 2 * ID_BYTES :], fields))
