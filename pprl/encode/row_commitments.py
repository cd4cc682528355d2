"""The commitment to a department's rows, made as they are read, and opened again for an auditor.

Runs in the department alone. While a table streams into the encoder, each row is hashed under a salt of its own
into a Merkle tree, of which only the root leaves. The salts come from one random key a submission, which stays at
home: without it the root tells nothing about the rows, not even to somebody who can guess them. docs/formats/rows.md
is the specification.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator
from dataclasses import dataclass, field

from pprl.crypto import derive
from pprl.errors import FormatError, KeyFileError, UsageError, VerificationError
from pprl.protocol import canonical, members, merkle
from pprl.protocol.agreement import Agreement, AgreementFile, Dataset
from pprl.protocol.row_proofs import SALT_BYTES, ProvedRow, RowProof, agreed_columns, as_ascii

SALT_KEY_BYTES = 32
_FORMAT = "pprl-row-salts"
_MEMBERS = {
    "agreement_sha256", "dataset", "format", "records", "rows_root", "salt_key", "submission", "version",
}  # fmt: skip

Rows = Iterable[tuple[int, dict[str, list[str]]]]


@dataclass(frozen=True, slots=True)
class RowSalts:
    """What a department keeps to open rows of a submission.

    Attributes:
        agreement_sha256: the agreement that it was encoded under.
        dataset: the dataset.
        submission: the submission that commits to the rows.
        records: records that were read.
        rows_root: the root that the submission has, in hexadecimal.
        salt_key: 32 bytes, drawn for this submission; never shown.
    """

    agreement_sha256: str
    dataset: str
    submission: str
    records: int
    rows_root: str
    salt_key: bytes = field(repr=False)


class RowCommitment:
    """The root over rows that stream by; memory grows with the logarithm of their number."""

    def __init__(self, dataset: Dataset, agreement: Agreement, salt_key: bytes) -> None:
        self._leaves = _Leaves(dataset, agreement, salt_key)
        self._running = merkle.RunningRoot()

    def over(self, rows: Rows) -> Iterator[tuple[int, dict[str, list[str]]]]:
        """The same rows, each taken into the tree before it is handed on.

        Args:
            rows: batches of (number of the first row, columns by the department's own names).
        """
        for first_row, columns in rows:
            self._running.extend(map(merkle.leaf_hash, self._leaves.of(first_row, columns)))
            yield first_row, columns

    def root(self) -> str:
        """The root of the rows so far, in hexadecimal."""
        return self._running.root().hex()


def prove(
    rows: Rows,
    salts: RowSalts,
    agreement: AgreementFile,
    wanted: Collection[int],
    *,
    seen: Callable[[int], None],
) -> RowProof:
    """Open some rows for an auditor; `pprl prove-row` runs this in the department, over the whole table.

    Args:
        rows: batches of (number of the first row, columns by the department's own names).
        salts: of the submission that was made of them.
        agreement: the agreement that it was encoded under.
        wanted: numbers of the rows to open, as a spreadsheet shows them.
        seen: called with the rows read so far.

    Raises:
        VerificationError: the salts are of another agreement, or the rows are not those that were encoded.
        UsageError: a row has no record.

    Leaks: the rows that are opened; of the others nothing, as each leaf has a salt of its own.
    """
    if salts.agreement_sha256 != agreement.sha256:
        raise VerificationError("The row salts are of another agreement.")
    dataset = agreement.content.dataset_named(salts.dataset)
    leaves = _Leaves(dataset, agreement.content, salts.salt_key)
    hashes: list[bytes] = []
    opened: list[ProvedRow] = []
    for first_row, columns in rows:
        opened += leaves.opened(first_row, columns, wanted, before=len(hashes))
        hashes += map(merkle.leaf_hash, leaves.of(first_row, columns))
        seen(len(hashes))
    if merkle.root(hashes).hex() != salts.rows_root:
        raise VerificationError(
            "This table is not the one that was encoded: its rows have another root.",
            hint="Use the very file that the submission was made of, with the same --encoding and --delimiter.",
        )
    _require_all(opened, wanted)
    return RowProof(
        agreement_sha256=agreement.sha256,
        dataset=dataset.name,
        submission=salts.submission,
        records=len(hashes),
        root=salts.rows_root,
        rows=tuple(_with_path(each, hashes) for each in opened),
    )


def to_file(salts: RowSalts) -> bytes:
    """The bytes of a file of row salts, which stays at home with mode 0600."""
    return canonical.dumps(
        {
            "agreement_sha256": salts.agreement_sha256,
            "dataset": salts.dataset,
            "format": _FORMAT,
            "records": salts.records,
            "rows_root": salts.rows_root,
            "salt_key": members.to_base64(salts.salt_key),
            "submission": salts.submission,
            "version": 1,
        }
    )


def from_file(raw: bytes, *, where: str) -> RowSalts:
    """Read a file of row salts, strictly.

    Raises:
        KeyFileError: it is none.
    """
    try:
        tree = canonical.loads(raw)
    except FormatError:
        # Refused below, not here: an error about a secret file is chained to nothing.
        tree = None
    if (
        not isinstance(tree, dict)
        or set(tree) != _MEMBERS
        or (tree["format"], tree["version"]) != (_FORMAT, 1)
    ):
        raise KeyFileError(f"{where} is not a file of row salts of a version known here.")
    texts = (tree["agreement_sha256"], tree["dataset"], tree["submission"], tree["rows_root"])
    salt_key = members.bytes_in(tree["salt_key"])
    if len(salt_key) != SALT_KEY_BYTES or type(tree["records"]) is not int or not _all_texts(texts):
        raise KeyFileError(f"{where} is a damaged file of row salts.")
    salts = RowSalts(*texts[:3], tree["records"], texts[3], salt_key)
    if to_file(salts) != raw:  # true is equal to 1
        raise KeyFileError(f"{where} is not a file of row salts of a version known here.")
    return salts


class _Leaves:
    """What the leaves of a dataset's rows hold: `row_proofs.leaf_data`, a column at a time, since it is quicker."""

    def __init__(self, dataset: Dataset, agreement: Agreement, salt_key: bytes) -> None:
        self._columns = [column for _, column in agreed_columns(dataset, agreement)]
        self._record_ids = dataset.record_id_column
        self._salt_key = salt_key

    def of(self, first_row: int, columns: dict[str, list[str]]) -> Iterator[bytes]:
        """The leaves of a batch."""
        values = map('","'.join, zip(*(_in_json(columns[name]) for name in self._columns), strict=True))
        size = len(columns[self._columns[0]])
        ids = _in_json(columns[self._record_ids]) if self._record_ids else [""] * size
        salts = _salts(self._salt_key, range(first_row, first_row + size))
        numbered = zip(range(first_row, first_row + size), salts, ids, values, strict=True)
        return (salt + f'[{row},"{own}",["{joined}"]]'.encode("ascii") for row, salt, own, joined in numbered)

    def opened(
        self, first_row: int, columns: dict[str, list[str]], wanted: Collection[int], *, before: int
    ) -> Iterator[ProvedRow]:
        """The wanted rows of a batch, without their paths; `before` is the number of records before it."""
        size = len(columns[self._columns[0]])
        for row in sorted(set(wanted)):
            place = row - first_row
            if 0 <= place < size:
                (salt,) = _salts(self._salt_key, [row])
                record_id = columns[self._record_ids][place] if self._record_ids else ""
                values = tuple(columns[name][place] for name in self._columns)
                yield ProvedRow(row, before + place, salt, record_id, values, ())


def _salts(salt_key: bytes, rows: Iterable[int]) -> Iterator[bytes]:
    """A salt for each row number, which nobody without the key can tell from random bytes."""
    salts = derive.prf_blocks(salt_key, b"".join(row.to_bytes(SALT_BYTES, "big") for row in rows))
    return (salts[start : start + SALT_BYTES] for start in range(0, len(salts), SALT_BYTES))


def _in_json(column: list[str]) -> list[str]:
    """A column's texts as they stand between quotes; a whole column that needs no escapes is told at once."""
    joined = "".join(column)
    if joined.isascii() and joined.isprintable() and not any(each in joined for each in '%"\\'):
        return column
    return list(map(_Escaped().__getitem__, column))


class _Escaped(dict[str, str]):
    """By text, how it stands between quotes, found when it is first asked for."""

    def __missing__(self, text: str) -> str:
        found = self[text] = as_ascii(text).replace("\\", "\\\\").replace('"', '\\"')
        return found


def _with_path(row: ProvedRow, hashes: list[bytes]) -> ProvedRow:
    path = merkle.inclusion_proof(hashes, row.index)
    return ProvedRow(row.row, row.index, row.salt, row.record_id, row.values, path)


def _require_all(opened: Collection[ProvedRow], wanted: Collection[int]) -> None:
    missing = sorted(set(wanted) - {each.row for each in opened})
    if missing:
        told = ", ".join(map(str, missing[:10])) + (" and more" if len(missing) > 10 else "")
        raise UsageError(
            f"The table has no record in row {told}.",
            hint="Rows are counted as a spreadsheet shows them: the header is row 1; an empty line has no record.",
        )


def _all_texts(values: Iterable[object]) -> bool:
    return all(isinstance(value, str) for value in values)
