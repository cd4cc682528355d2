"""Writing a result as CSV: UTF-8, commas, line feeds."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Sequence
from typing import BinaryIO


def write_csv(file: BinaryIO, header: Sequence[str], rows: Iterable[Sequence[str]]) -> int:
    """Write a table to an open file.

    Returns:
        The rows written, without the header.
    """
    text = io.TextIOWrapper(file, encoding="utf-8", newline="", write_through=True)
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(header)
    count = 0
    for count, row in enumerate(rows, start=1):  # noqa: B007 - the last one is the number of rows
        writer.writerow(row)
    text.detach()
    return count
