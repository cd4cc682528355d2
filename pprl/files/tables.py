"""A department's table, whatever kind of file it is in: read as text, in batches, strictly.

The kind is told by a file's first bytes, never by its name. Whatever the kind, rows are numbered as a
spreadsheet shows them, with the header in row 1, and a missing value is the empty text.
"""

from __future__ import annotations

import stat
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from pprl.errors import DataError, UsageError
from pprl.files import columnar, delimited, fields, layout
from pprl.protocol.envelope import MAGIC as ENVELOPE_MAGIC
from pprl.protocol.submission import SUBMISSION_MAGIC

_COLUMNAR: tuple[tuple[bytes, columnar.Kind], ...] = ((b"PAR1", "parquet"), (b"ARROW1", "arrow"))
_NOT_TABLES = (
    (b"PK\x03\x04", "a spreadsheet or a zip archive"),
    (b"\xd0\xcf\x11\xe0", "an old spreadsheet"),
    (b"\x1f\x8b", "compressed by gzip"),
    (b"BZh", "compressed by bzip2"),
    (b"\x28\xb5\x2f\xfd", "compressed by zstd"),
    (b"\xfd7zXZ", "compressed by xz"),
    (b"PARE", "encrypted Parquet"),
    (b"FEA1", "version 1 of Feather"),
    (b"SQLite format 3", "a database"),
    (b"%PDF", "a PDF document"),
)
_SEALED = (ENVELOPE_MAGIC, SUBMISSION_MAGIC)


@dataclass(frozen=True, slots=True)
class Batch:
    """Some records that follow each other in a table.

    Attributes:
        first_row: row of the first record; the record at place i is in row `first_row + i`.
        columns: fields of each column that was asked for, all of one length; a missing field is "".
    """

    first_row: int
    columns: dict[str, list[str]]


@dataclass(frozen=True, slots=True)
class Table:
    """A table that was opened: its header is known and its records can be read, again and again.

    Attributes:
        path: the file.
        header: names of the columns, in the file's order.
        encoding: how its text is decoded; "" for Parquet and Arrow.
        delimiter: what splits its fields; "" for Parquet and Arrow.
    """

    path: Path
    header: tuple[str, ...]
    encoding: str
    delimiter: str
    _file: layout.Layout | columnar.Columnar

    def batches(self, columns: Sequence[str], *, rows_per_batch: int = 50_000) -> Iterator[Batch]:
        """Read some columns, a batch at a time, so that memory doesn't grow with the file.

        An empty line ends a batch early, so that row numbers stay true.

        Args:
            columns: names from the header, at least one.
            rows_per_batch: most rows of a batch.

        Returns:
            An iterator. The checks of `open_table` stop at the header; this one raises DataError with a finding
            for each fault, up to 100, when it comes to the first.

        Raises:
            DataError: a column is not in the header.
            UsageError: nothing is asked for.
        """
        if not columns or rows_per_batch < 1:
            raise UsageError("A batch of a table must have at least one column and one row.")
        fields.check_header(self.path, self.header, columns)
        return self._batches(columns, rows_per_batch)

    def _batches(self, columns: Sequence[str], rows_per_batch: int) -> Iterator[Batch]:
        for first_row, batch in self._runs(columns, rows_per_batch):
            yield Batch(first_row, dict(zip(columns, batch, strict=True)))

    def _runs(self, columns: Sequence[str], rows_per_batch: int) -> Iterator[tuple[int, list[list[str]]]]:
        if isinstance(self._file, columnar.Columnar):
            return columnar.read(self._file, columns, rows_per_batch)
        return delimited.read(self._file, columns, rows_per_batch)


def open_table(
    path: Path, *, encoding: str | None = None, delimiter: str | None = None, needed: Sequence[str] = ()
) -> Table:
    """Find out what kind of table a file is, and check its header. Departments run this on their own data.

    Args:
        path: a CSV file or a relative of it, Parquet, Arrow or Feather.
        encoding: how a text file was saved, if it is not UTF-8 and has no byte-order mark.
        delimiter: what splits a text file's fields, if the header leaves doubt: a character or the word "tab".
        needed: columns that must be there.

    Returns:
        The table; its records are not yet checked.

    Raises:
        UsageError: the file is missing, closed or not a regular file; or an option doesn't go with it.
        DataError: it is no table, has no records, or its header is faulty or lacks a column.
    """
    start = _first_bytes(path)
    if start.startswith(_SEALED):
        raise DataError(
            f"{path} is sealed, not a table.",
            hint="If it is sealed to you, open it first with 'pprl keys open' or 'pprl crosswalk open'; 'pprl inspect' "
            "tells what it is.",
        )
    for magic, kind in _NOT_TABLES:
        if start.startswith(magic):
            raise DataError(
                f"{path} is {kind}, not a table.", hint="Save the table as CSV (UTF-8) or Parquet."
            )
    for magic, kind in _COLUMNAR:
        if start.startswith(magic):
            file = columnar.open_columnar(path, kind=kind, needed=needed)
            return Table(path, file.header, "", "", file)
    found = layout.settle(path, encoding=encoding, delimiter=delimiter, needed=needed)
    return Table(path, found.header, found.encoding, found.delimiter, found)


def count_rows(table: Table) -> int:
    """Count a table's records, without its header and empty lines.

    Raises:
        DataError: a text file is faulty; it has to be read in whole to be counted.
    """
    if isinstance(table._file, columnar.Columnar):
        return table._file.records
    return delimited.count(table._file)


def _first_bytes(path: Path) -> bytes:
    hint = "Check the path and its permissions."
    try:
        if not stat.S_ISREG(path.stat().st_mode):
            raise UsageError(
                f"{path} is not a regular file.", hint="A table is read more than once: name a file."
            )
        with path.open("rb") as file:
            return file.read(16)
    except OSError as error:
        raise UsageError(
            f"{path} can't be read: {(error.strerror or 'unknown fault').lower()}.", hint=hint
        ) from None
