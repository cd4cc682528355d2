"""The people of `make bench`: two tables with households, moves, mistakes, and names as frequent as they are."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator
from datetime import date

import numpy as np

from pprl.agreements.draft import DatasetSketch, draft
from pprl.encode.encoder import Rows, Survey, prepared_batches
from pprl.protocol.agreement import AgreementFile, Scheme, parse
from pprl.synthetic import TRUTH_COLUMN, linkage_pair
from tools.bench_clocks import say

OVERLAP = 0.5
# People are generated so many at a time; nobody is in two lots.
LOT = 1_000_000
BATCH = 50_000
DAY = date(2026, 1, 1)
SIDES = ("a", "b")

Columns = dict[str, list[str]]


def lots(people: int) -> Iterator[tuple[Columns, Columns]]:
    """Two tables, in lots. A record's id is its row from 0; a person is known by the lot's number and their own."""
    for lot, start in enumerate(range(0, people, LOT)):
        if lot:
            say(f"    people {start / people:.0%}")
        size = min(LOT, people - start)
        pair = linkage_pair(size, size, OVERLAP, seed=1_000 + lot)
        sides = []
        for table in (pair.a, pair.b):
            columns = dict(table.columns)
            columns["record_id"] = list(map(str, range(start, start + size)))
            columns[TRUTH_COLUMN] = [f"{lot}{value.removeprefix('p')}" for value in columns[TRUTH_COLUMN]]
            sides.append(columns)
        yield sides[0], sides[1]


def truth_of(columns: Columns) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
    """The person of each record."""
    return np.array(columns[TRUTH_COLUMN], dtype=np.int64)


def batches(people: int, side: int) -> Iterator[tuple[int, Columns]]:
    """One of the tables as `encode` reads it."""
    row = 2
    for lot in lots(people):
        columns = lot[side]
        rows = len(columns[TRUTH_COLUMN])
        for start in range(0, rows, BATCH):
            part = {name: values[start : start + BATCH] for name, values in columns.items()}
            yield row, part
            row += len(part[TRUTH_COLUMN])


def agreement_for(people: int, scheme: Scheme) -> AgreementFile:
    """What `pprl agreement new` drafts for the two tables."""
    header = tuple(name for name in linkage_pair(2, 2, 1.0, seed=1).a.header if name != TRUTH_COLUMN)
    text = draft([DatasetSketch(side, header, people) for side in SIDES], today=DAY, scheme=scheme)
    return parse(text.encode(), where="draft")


def standardised(rows: Rows, side: int, agreement: AgreementFile) -> Iterator[Columns]:
    """Standardised columns of a table's batches, a batch at a time."""
    dataset = agreement.content.dataset[side]
    for columns, _enough in prepared_batches(rows, dataset, agreement, Survey(), lambda _rows: None):
        yield columns


def joined(parts: Iterable[Columns]) -> Columns:
    """Columns of all batches."""
    found: defaultdict[str, list[str]] = defaultdict(list)
    for columns in parts:
        for name, values in columns.items():
            found[name] += values
    return dict(found)
