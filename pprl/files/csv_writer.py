"""Writing a result as CSV: UTF-8, commas, line feeds."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Sequence
from typing import BinaryIO, TextIO

_LINE_END = "\r\n"


class _LineFeeds:
    """Takes rows, which a `csv.writer` writes one at a time, and ends each with a line feed alone."""

    def __init__(self, text: TextIO) -> None:
        self._text = text

    def write(self, row: str) -> None:
        """Write a row."""
        self._text.write(row.removesuffix(_LINE_END) + "\n")


def write_csv(file: BinaryIO, header: Sequence[str], rows: Iterable[Sequence[str]]) -> int:
    """Write a table to an open file, so that every cell reads back as it was, control characters too.

    Returns:
        The rows written, without the header.
    """
    text = io.TextIOWrapper(file, encoding="utf-8", newline="", write_through=True)
    # Python before 3.13 quotes a lone carriage return only where it is part of the line's end.
    writer = csv.writer(_LineFeeds(text), lineterminator=_LINE_END)
    writer.writerow(header)
    count = 0
    for count, row in enumerate(rows, start=1):  # noqa: B007 - the last one is the number of rows
        writer.writerow(row)
    text.detach()
    return count
