"""What the matcher sends the key issuer: pairs of references and how alike they are, never an encoding.

For each two datasets, and for each dataset with itself, the pairs that are not hopeless: the two references and
a level. In scheme `clk` the level is the Dice coefficient in ten-thousandths.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field

from pprl.errors import FormatError, VerificationError
from pprl.protocol import framing
from pprl.protocol.agreement import AgreementFile, Name
from pprl.protocol.framing import ID_BYTES, Bytes, Count, DocumentHeader, Hex128

PAIRS_MAGIC = b"PPRLPAI1"
KIND = "pairs"
LEVEL_BYTES = 4
LEVELS_IN_ONE = 10_000


class _Section(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)


class MatchedDataset(_Section):
    """A dataset that took part: which submission of it, and how many records could be compared."""

    dataset: Name
    submission: Hex128
    encoded: Count


class PairTable(_Section):
    """Pairs between two datasets in one pass; `left` equals `right` for pairs inside a dataset.

    Attributes:
        left: first dataset.
        right: second dataset, or the first again.
        blocking_pass: the pass that brought the pairs together.
        compared: pairs that were compared.
        floor: level below which pairs were dropped as hopeless.
        pairs: pairs that are left.
    """

    left: Name
    right: Name
    blocking_pass: Name
    compared: Annotated[int, Field(ge=0, le=2**62)]
    floor: Annotated[int, Field(ge=0, le=LEVELS_IN_ONE)]
    pairs: Count


class PairsHeader(DocumentHeader):
    """Header of `pairs`."""

    format: Literal["pprl-pairs"] = "pprl-pairs"
    scheme: Literal["clk"]
    datasets: tuple[MatchedDataset, ...]
    tables: tuple[PairTable, ...]


@dataclass(frozen=True, slots=True)
class ReferencePairs:
    """The pairs of one table.

    Attributes:
        left: shape (pairs, 16).
        right: shape (pairs, 16).
        levels: shape (pairs,), from 0 to 10,000.
    """

    left: Bytes
    right: Bytes
    levels: NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class PairsDocument:
    """The parsed document: a table of pairs for each in the header."""

    header: PairsHeader
    tables: tuple[ReferencePairs, ...]


def write(document: PairsDocument) -> bytes:
    """The bytes of `pairs`; the matcher runs this. Rows may come in any order."""
    tables = []
    for table in document.tables:
        ids = np.hstack([table.left, table.right])
        levels = table.levels.astype(">u4").view(np.uint8).reshape(-1, LEVEL_BYTES)
        tables.append(np.hstack([ids, levels])[framing.ascending(ids)])
    return framing.write(PAIRS_MAGIC, document.header, tables)


def parse(raw: bytes, agreement: AgreementFile) -> PairsDocument:
    """Read `pairs`; the key issuer runs this on what it has opened.

    Raises:
        FormatError: the bytes are not as specified.
        VerificationError: they belong to another agreement, or not to all of its datasets.
    """
    header, body = framing.read_header(raw, PAIRS_MAGIC, PairsHeader)
    if header.agreement_sha256 != agreement.sha256:
        raise VerificationError("The pairs belong to another agreement.")
    names = tuple(dataset.name for dataset in agreement.content.dataset)
    if tuple(each.dataset for each in header.datasets) != names:
        raise VerificationError("The pairs do not cover the agreement's datasets in their order.")
    if any(table.left not in names or table.right not in names for table in header.tables):
        raise FormatError("A table of pairs names an unknown dataset.")
    sides = [(table.left, table.right, table.blocking_pass) for table in header.tables]
    if len(set(sides)) != len(sides):
        raise FormatError("A table of pairs is there twice.")
    width = 2 * ID_BYTES + LEVEL_BYTES
    tables = framing.read_tables(body, [(table.pairs, width) for table in header.tables])
    return PairsDocument(header, tuple(_reference_pairs(table) for table in tables))


def _reference_pairs(table: Bytes) -> ReferencePairs:
    framing.require_ascending(table, key_bytes=2 * ID_BYTES, what="pair")
    levels = np.ascontiguousarray(table[:, 2 * ID_BYTES :]).view(">u4").reshape(-1).astype(np.int64)
    if len(levels) and levels.max() > LEVELS_IN_ONE:
        raise FormatError("A level is out of range.")
    return ReferencePairs(table[:, :ID_BYTES], table[:, ID_BYTES : 2 * ID_BYTES], levels)
