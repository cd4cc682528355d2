"""A made table: named columns of text, as a department would export them, with the truth beside them."""

from __future__ import annotations

import csv
from collections.abc import Iterable
from dataclasses import dataclass
from typing import TextIO

TRUTH_COLUMN = "person_id"


@dataclass(frozen=True, slots=True)
class Table:
    """Records of one department.

    Attributes:
        name: short name of the data set.
        record_id_column: the column that names a record; its values are unique and say nothing.
        columns: column name to its values, all of one length; a missing value is "". The column `person_id`
            is the truth: records with the same value are of the same made-up person.
    """

    name: str
    record_id_column: str
    columns: dict[str, list[str]]

    @property
    def rows(self) -> int:
        """Number of records."""
        return len(self.columns[self.record_id_column])

    @property
    def header(self) -> tuple[str, ...]:
        """Column names, in order."""
        return tuple(self.columns)

    def without_truth(self) -> Table:
        """The same records as a real department would have them, without the column `person_id`."""
        kept = {name: values for name, values in self.columns.items() if name != TRUTH_COLUMN}
        return Table(self.name, self.record_id_column, kept)

    def records(self) -> Iterable[tuple[str, ...]]:
        """The records one by one, as tuples in the order of the header."""
        return zip(*self.columns.values(), strict=True)


def write_csv(table: Table, file: TextIO) -> None:
    """Write a table as comma-separated text with a header row and line feeds.

    Args:
        table: what to write.
        file: an open text file; give it `encoding="utf-8"` and `newline=""`.
    """
    writer = csv.writer(file, lineterminator="\n")
    writer.writerow(table.header)
    writer.writerows(table.records())
