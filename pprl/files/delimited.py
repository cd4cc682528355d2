"""Tables as text: CSV and its relatives, read strictly.

Records are read in chunks of which only is asked whether all is well; where something is not, the file is
examined again to say what and where. So the common case is quick, and the findings are complete.

Rows are counted as a spreadsheet shows them: the first is 1, a quoted line break does not make a new row, and
an empty line is a row that is passed over.
"""

from __future__ import annotations

import csv
from collections.abc import Iterator, Sequence
from itertools import groupby, islice

from pprl.files import examine, text
from pprl.files.layout import Layout

# Each row is a list: few at a time wake the garbage collector less, and stay in the processor's cache.
_CHUNK_ROWS = 256

_Run = tuple[int, list[list[str]]]
"""Something with one entry for each of some rows without gaps, after the number of the first row."""


class _FaultyError(Exception):
    """Something is wrong with the file; never leaves this module."""


def read(layout: Layout, wanted: Sequence[str], rows_per_batch: int) -> Iterator[_Run]:
    """Read some columns of a file, in batches of rows without gaps.

    Args:
        layout: of the file.
        wanted: names from the header, at least one.
        rows_per_batch: most rows that are held at a time.

    Returns:
        An iterator over the row of a batch's first record, and its columns.

    Raises:
        DataError: with findings; batches from before the fault may have come out already.
    """
    places = [layout.header.index(name) for name in wanted]
    try:
        runs = _runs(layout, min(_CHUNK_ROWS, rows_per_batch))
        yield from _gathered(
            ((row, _columns(layout, records, places)) for row, records in runs), rows_per_batch
        )
    except (_FaultyError, UnicodeError, csv.Error, text.LineTooLongError):
        faulty = True
    else:
        faulty = False
    # Outside of the handler, so that the error has no context: a UnicodeDecodeError holds the file's bytes.
    if faulty:
        raise examine.refusal(layout)


def count(layout: Layout) -> int:
    """Count the records, and check all of them.

    Raises:
        DataError: as `read` does.
    """
    return sum(len(columns[0]) for _, columns in read(layout, layout.header[:1], _CHUNK_ROWS))


def _runs(layout: Layout, chunk_rows: int) -> Iterator[_Run]:
    """The records in chunks, each without empty lines inside."""
    rows = text.rows(layout.path, layout.encoding, layout.delimiter)
    if list(islice(rows, layout.header_row))[-1:] != [list(layout.header)]:
        raise _FaultyError
    row = layout.header_row + 1
    while chunk := list(islice(rows, chunk_rows)):
        if all(chunk):
            yield row, chunk
        else:
            yield from _between_empty_lines(row, chunk)
        row += len(chunk)


def _between_empty_lines(row: int, chunk: list[list[str]]) -> Iterator[_Run]:
    for filled, numbered in groupby(enumerate(chunk, start=row), key=lambda pair: bool(pair[1])):
        if filled:
            run = list(numbered)
            yield run[0][0], [record for _, record in run]


def _columns(layout: Layout, records: list[list[str]], places: list[int]) -> list[list[str]]:
    """Turn records into the columns at some places, if no field of any column breaks a rule."""
    if set(map(len, records)) != {len(layout.header)}:
        raise _FaultyError
    columns = list(zip(*records, strict=True))
    if not all(text.are_clean(column, layout.encoding) for column in columns):
        raise _FaultyError
    return [list(columns[place]) for place in places]


def _gathered(runs: Iterator[_Run], most: int) -> Iterator[_Run]:
    """Join runs that follow each other into batches of `most` rows; no run is longer than that."""
    first, batch = 0, list[list[str]]()
    for row, columns in runs:
        if batch and row != first + len(batch[0]):
            yield first, batch
            batch = []
        if not batch:
            first, batch = row, [[] for _ in columns]
        for gathered, column in zip(batch, columns, strict=True):
            gathered.extend(column)
        if len(batch[0]) >= most:
            yield first, [column[:most] for column in batch]
            rest = [column[most:] for column in batch]
            first, batch = first + most, rest if rest[0] else []
    if batch:
        yield first, batch
