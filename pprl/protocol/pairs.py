"""What the matcher sends the key issuer: pairs of references and how alike they are, never an encoding.

For each two datasets, and for each dataset with itself, the pairs that are not hopeless: the two references and
a level. The level is the Dice coefficient in ten-thousandths, or, of a pair that shares a match key, that and 10,001:
such a pair is there however unlike its encodings are.

There is a table for each two datasets in the agreement's order, each dataset with itself among them: first with
itself, then with each later one; and of these, one for each pass. Inside a dataset a pair's lower reference stands on
the left, so that no pair has two spellings and no record is a pair with itself.

The document is padded to one of few lengths (`framing.padme`), so that its envelope tells nobody who carries or logs
it how many pairs there are.
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
from pprl.protocol.submission import passes

PAIRS_MAGIC = b"PPRLPAI1"
KIND = "pairs"
LEVEL_BYTES = 4
LEVELS_IN_ONE = 10_000
SHARED_KEY = LEVELS_IN_ONE + 1
"""What a level is higher by if the pair shares a match key."""


class _Section(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)


class MatchedDataset(_Section):
    """A dataset that took part: which submission of it, its records, and how many could be compared."""

    dataset: Name
    submission: Hex128
    records: Count
    encoded: Count


class PairTable(_Section):
    """Pairs between two datasets in one pass; `left` equals `right` for pairs inside a dataset.

    Attributes:
        left: first dataset.
        right: second dataset, or the first again.
        blocking_pass: the pass that brought the pairs together.
        compared: pairs that were compared.
        floor: level below which pairs were dropped as hopeless; one for all tables.
        pairs: pairs that are left.
    """

    left: Name
    right: Name
    blocking_pass: Name
    compared: Annotated[int, Field(ge=0, le=LARGEST_INTEGER)]
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
        levels: shape (pairs,), from 0 to 10,000; higher by 10,001 where a match key is shared.
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
    """The bytes of `pairs`; the matcher runs this. Rows, and sides inside a dataset, may come in any order."""
    tables = []
    for about, table in zip(document.header.tables, document.tables, strict=True):
        ids = np.hstack([table.left, table.right])
        if about.left == about.right:
            ids = lower_first(ids)
        levels = table.levels.astype(">u4").view(np.uint8).reshape(-1, LEVEL_BYTES)
        tables.append(np.hstack([ids, levels])[framing.ascending(ids)])
    return framing.write(PAIRS_MAGIC, document.header, tables, padding=_padding(document.header))


def parse(raw: bytes, agreement: AgreementFile) -> PairsDocument:
    """Read `pairs`; the key issuer runs this on what it has opened.

    Raises:
        FormatError: the bytes are not as specified.
        VerificationError: they belong to another agreement, or differ from what it says.
    """
    header, body = framing.read_header(raw, PAIRS_MAGIC, PairsHeader)
    framing.require_agreement(header, agreement, what="pairs")
    _require_agreed(header, agreement)
    _require_possible(header)
    tables = framing.read_tables(body, _shapes(header), padding=_padding(header))
    keys = bool(agreement.content.encoding.clk_parameters.match_keys)
    return PairsDocument(
        header,
        tuple(
            _reference_pairs(about, table, may_share_key=keys and about.left != about.right)
            for about, table in zip(header.tables, tables, strict=True)
        ),
    )


def _shapes(header: PairsHeader) -> framing.Shapes:
    return [(table.pairs, 2 * ID_BYTES + LEVEL_BYTES) for table in header.tables]


def _padding(header: PairsHeader) -> int:
    length = framing.unpadded_bytes(header, _shapes(header))
    return framing.padme(length) - length


def _require_agreed(header: PairsHeader, agreement: AgreementFile) -> None:
    """Refuse other datasets, passes or numbers of records than agreed."""
    if header.scheme != agreement.content.encoding.scheme:
        raise VerificationError("The pairs follow another scheme than the agreement.")
    names = [dataset.name for dataset in agreement.content.dataset]
    if [each.dataset for each in header.datasets] != names:
        raise VerificationError("The pairs do not cover the agreement's datasets in their order.")
    expected = [
        (left, right, name)
        for left, right in combinations_with_replacement(names, 2)
        for name, _ in passes(agreement)
    ]
    if [(table.left, table.right, table.blocking_pass) for table in header.tables] != expected:
        raise VerificationError("The tables of pairs are not those of the agreement's datasets and passes.")
    for dataset, each in zip(agreement.content.dataset, header.datasets, strict=True):
        framing.require_agreed_rows(dataset, each.records)
        if each.encoded > each.records:
            raise FormatError("More records of a dataset were compared than it has.")


def _require_possible(header: PairsHeader) -> None:
    """Refuse counts that can't be."""
    encoded = {each.dataset: each.encoded for each in header.datasets}
    for table in header.tables:
        left, right = encoded[table.left], encoded[table.right]
        most = left * (left - 1) // 2 if table.left == table.right else left * right
        if not table.pairs <= table.compared <= most:
            raise FormatError("A table of pairs counts more pairs than there can be.")
    if len({table.floor for table in header.tables}) > 1:
        raise FormatError("The tables of pairs have different floors.")


def lower_first(ids: Bytes) -> Bytes:
    """Pairs of references with the lower one on the left."""
    swapped = np.hstack([ids[:, ID_BYTES:], ids[:, :ID_BYTES]])
    return np.where(framing.below(swapped, ids)[:, None], swapped, ids)


def _reference_pairs(about: PairTable, table: Bytes, *, may_share_key: bool) -> ReferencePairs:
    """The pairs of a table. Those of one dataset share no match key: what two of its records share has no tag."""
    framing.require_ascending(table, key_bytes=2 * ID_BYTES, what="pair")
    levels = np.ascontiguousarray(table[:, 2 * ID_BYTES :]).view(">u4").reshape(-1).astype(np.int64)
    by_dice = (levels >= about.floor) & (levels <= LEVELS_IN_ONE)
    by_key = (levels >= SHARED_KEY) & (levels <= SHARED_KEY + LEVELS_IN_ONE) & may_share_key
    if not (by_dice | by_key).all():
        raise FormatError("A level is out of range.")
    left, right = table[:, :ID_BYTES], table[:, ID_BYTES : 2 * ID_BYTES]
    if about.left == about.right and not framing.below(left, right).all():
        raise FormatError("A pair inside a dataset does not have its lower reference on the left.")
    return ReferencePairs(left, right, levels)
