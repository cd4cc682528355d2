"""Rows of a department's table, opened for an auditor: what a submission commits to, and the proof of a row.

A submission has the root of a Merkle tree whose leaves are the rows that were read (docs/formats/rows.md). On a
challenge the department opens the rows that the auditor asks for, and the auditor compares them with the source.
That shows what was read, not how it was encoded.

A row's leaf is 16 bytes of salt and a JSON array: row number, record id, values of the agreed columns. Text is
percent-encoded to printable ASCII, so that the array is canonical JSON and every text has one spelling.

This module owns the leaf, the proof's document and its checks. It leaves to its caller where the root that is
trusted comes from, and to the auditor whether the rows are those of the source.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from pprl.errors import FormatError, VerificationError
from pprl.protocol import canonical, merkle
from pprl.protocol.agreement import Agreement, AgreementFile, Dataset, Name, Sha256
from pprl.protocol.framing import MAX_RECORDS, Hex128

SALT_BYTES = 16
FIRST_ROW = 2
"""The row of a table's first record, as a spreadsheet counts: the header is row 1."""

MOST_PROOF_BYTES = 100_000_000
MOST_ROWS = 100_000

_OTHERS = re.compile(r"[^ -$&-~]")
_CODES = re.compile(rb"%([0-9A-F]{2})")


def agreed_columns(dataset: Dataset, agreement: Agreement) -> tuple[tuple[str, str], ...]:
    """Identifier and own column for each identifier that a dataset has, in the agreement's order.

    Args:
        dataset: the dataset.
        agreement: the agreement that it is of.
    """
    names = (identifier.name for identifier in agreement.identifier)
    return tuple((name, dataset.columns[name]) for name in names if name in dataset.columns)


def as_ascii(text: str) -> str:
    """A text in printable ASCII: the UTF-8 bytes of every other character, and of "%", as "%XX".

    Args:
        text: any text without halves of surrogate pairs, which no table holds.

    Source: RFC 3986, section 2.1, with upper-case digits.
    """
    return _OTHERS.sub(lambda found: "".join(f"%{byte:02X}" for byte in found[0].encode()), text)


def from_ascii(text: str) -> str:
    """The text that `as_ascii` has written so.

    Raises:
        FormatError: it would have written it otherwise.
    """
    try:
        found = _CODES.sub(lambda code: bytes([int(code[1], 16)]), text.encode("ascii")).decode()
        spelt = as_ascii(found)
    except UnicodeError:
        found, spelt = "", None
    # Raised here, since an exception raised in a handler keeps the first one, which holds the text.
    if spelt != text:
        raise FormatError("A text of the row proof is not percent-encoded as specified.")
    return found


def leaf_data(salt: bytes, row: int, record_id: str, values: Sequence[str]) -> bytes:
    """What the tree's leaf of a row holds.

    Args:
        salt: 16 bytes.
        row: its number, as a spreadsheet shows it.
        record_id: the department's own id; "" if the agreement names no column of them.
        values: of the agreed columns, as they were read.
    """
    return salt + canonical.dumps([row, as_ascii(record_id), [as_ascii(value) for value in values]])


@dataclass(frozen=True, slots=True)
class ProvedRow:
    """A row that was opened.

    Attributes:
        row: its number, as a spreadsheet shows it.
        index: its place among the records, from 0; empty lines of a table have a number and no place.
        salt: 16 bytes.
        record_id: as it was read; "" if the dataset has none.
        values: as they were read, in the order of `agreed_columns`.
        path: the hashes from its leaf to the root.
    """

    row: int
    index: int
    salt: bytes = field(repr=False)
    record_id: str = field(repr=False)
    values: tuple[str, ...] = field(repr=False)
    path: tuple[bytes, ...] = field(repr=False)

    @property
    def leaf(self) -> bytes:
        """The hash of its leaf."""
        return merkle.leaf_hash(leaf_data(self.salt, self.row, self.record_id, self.values))


@dataclass(frozen=True, slots=True)
class RowProof:
    """Some rows of a dataset, and why they are the ones that were read for a submission.

    Attributes:
        agreement_sha256: the agreement that they were read under.
        dataset: the dataset's name in it.
        submission: the submission that commits to them.
        records: records in the table.
        root: the tree's root, in hexadecimal.
        rows: the opened rows, in the order of the table.
    """

    agreement_sha256: str
    dataset: str
    submission: str
    records: int
    root: str
    rows: tuple[ProvedRow, ...]


class _RowTree(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    index: Annotated[int, Field(ge=0, lt=MAX_RECORDS)]
    path: Annotated[list[Sha256], Field(max_length=merkle.MOST_PROOF_HASHES)]
    record_id: str
    row: Annotated[int, Field(ge=FIRST_ROW, le=canonical.LARGEST_INTEGER)]
    salt: Hex128
    values: Annotated[list[str], Field(min_length=1)]


class _ProofTree(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    agreement_sha256: Sha256
    dataset: Name
    format: Literal["pprl-row-proof"]
    records: Annotated[int, Field(ge=1, le=MAX_RECORDS)]
    root: Sha256
    rows: Annotated[list[_RowTree], Field(min_length=1, max_length=MOST_ROWS)]
    submission: Hex128
    version: Annotated[int, Field(ge=1, le=1)]  # a Literal takes true for 1


def write(proof: RowProof) -> bytes:
    """The bytes of a row proof; a department runs this. They hold personal data, in plain."""
    return canonical.dumps(
        {
            "agreement_sha256": proof.agreement_sha256,
            "dataset": proof.dataset,
            "format": "pprl-row-proof",
            "records": proof.records,
            "root": proof.root,
            "rows": [_row_tree(each) for each in proof.rows],
            "submission": proof.submission,
            "version": 1,
        }
    )


def parse(raw: bytes) -> RowProof:
    """Read a row proof; the auditor runs this. Nothing in it is to be believed before `verify`.

    Raises:
        FormatError: the bytes are not as specified.
    """
    if len(raw) > MOST_PROOF_BYTES:
        raise FormatError("The row proof is longer than any can be.")
    tree = _tree(canonical.loads(raw, what="The row proof"))
    rows = tuple(_row(each) for each in tree.rows)
    for each in rows:
        if not each.index < tree.records:
            raise FormatError("The row proof has a row beyond its last record.")
        if each.row - each.index < FIRST_ROW:
            raise FormatError("The row proof has a row whose number is too low for its place.")
    for before, after in pairwise(rows):
        if not 0 < after.index - before.index <= after.row - before.row:
            raise FormatError("The rows of the row proof are out of order, or repeated.")
    return RowProof(tree.agreement_sha256, tree.dataset, tree.submission, tree.records, tree.root, rows)


def verify(
    proof: RowProof,
    agreement: AgreementFile,
    *,
    root: str,
    records: int,
    rows: Sequence[int] = (),
) -> Dataset:
    """Check a row proof; the auditor runs this, without any key.

    1. It is of this agreement, and of a dataset of it.
    2. Its root is the one that the submission committed to.
    3. It is of as many records as the submission: the tree alone doesn't tell, as a tree of one record less may have
       the same paths, and a department that says less would keep its last rows out of the draw.
    4. It has exactly the rows that were asked for, if the auditor says which.
    5. Each row has a value for each agreed column, and a record id exactly if the dataset has them.
    6. Each row's leaf is in the tree, at its place.

    Still owed by the caller: that the root, and the number of records, are from the log or the matcher and not from
    whoever made the proof. Still owed by the auditor: comparing the rows with the source.

    Args:
        proof: from `parse`.
        agreement: the auditor's own copy.
        root: the root in the log, in hexadecimal.
        records: records of the submission.
        rows: numbers of the rows that were asked for.

    Returns:
        The dataset.

    Raises:
        VerificationError: a check fails.
    """
    # 1.
    dataset = _dataset(proof, agreement)
    # 2.
    if proof.root != root:
        raise VerificationError(
            "The row proof is of other rows than those that the submission committed to: its root is another.",
            hint="Compare with the root that the log has for this very submission.",
        )
    # 3.
    if proof.records != records:
        raise VerificationError(
            f"The row proof says that the table has {proof.records:,} records; the submission says {records:,}."
        )
    # 4.
    if rows and {each.row for each in proof.rows} != set(rows):
        raise VerificationError("The row proof does not show exactly the rows that were asked for.")
    width = len(agreed_columns(dataset, agreement.content))
    for each in proof.rows:
        # 5.
        if len(each.values) != width or bool(each.record_id) != (dataset.record_id_column is not None):
            raise VerificationError(f"Row {each.row} has other columns than were agreed.")
        # 6.
        _require_in_tree(each, proof)
    return dataset


def _dataset(proof: RowProof, agreement: AgreementFile) -> Dataset:
    if proof.agreement_sha256 != agreement.sha256:
        raise VerificationError("The row proof is of another agreement.")
    for dataset in agreement.content.dataset:
        if dataset.name == proof.dataset:
            return dataset
    raise VerificationError("The row proof is of a dataset that is not agreed.")


def _require_in_tree(row: ProvedRow, proof: RowProof) -> None:
    try:
        merkle.verify_inclusion(row.leaf, row.index, proof.records, row.path, bytes.fromhex(proof.root))
    except VerificationError:
        raise VerificationError(
            f"Row {row.row} was not read like this: its proof does not lead to the root.",
            hint="The row, its number, its salt or its proof was changed after the table was encoded.",
        ) from None


def _tree(value: object) -> _ProofTree:
    places: list[str] = []
    try:
        return _ProofTree.model_validate(value)
    except ValidationError as error:
        for problem in error.errors(include_url=False, include_context=False, include_input=False):
            path = [str(part) for part in problem["loc"]]
            # An unknown key is not repeated: it could be anything.
            places.append(
                ".".join([*path[:-1], "unknown key"] if problem["type"] == "extra_forbidden" else path)
            )
    # Raised here, since an exception raised in a handler keeps the first one, which holds the rows.
    raise FormatError(f"The row proof is wrong at: {', '.join(places[:10]) or 'its start'}.")


def _row(tree: _RowTree) -> ProvedRow:
    return ProvedRow(
        row=tree.row,
        index=tree.index,
        salt=bytes.fromhex(tree.salt),
        record_id=from_ascii(tree.record_id),
        values=tuple(map(from_ascii, tree.values)),
        path=tuple(map(bytes.fromhex, tree.path)),
    )


def _row_tree(row: ProvedRow) -> dict[str, Any]:
    return {
        "index": row.index,
        "path": [each.hex() for each in row.path],
        "record_id": as_ascii(row.record_id),
        "row": row.row,
        "salt": row.salt.hex(),
        "values": [as_ascii(value) for value in row.values],
    }
