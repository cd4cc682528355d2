"""What the research environment does: linkage rates by group, from the crosswalk and the departments' group tables.

Departments don't know who matched, and no coordinator knows anybody's sex: only here do the two lawfully meet.
Tables are read strictly, since a row too few or a table of another run would show a rate that is not true.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from pprl.errors import DataError, DisclosureError, Finding
from pprl.files import fields
from pprl.files.tables import Batch, open_table
from pprl.protocol.agreement import Agreement, Dataset
from pprl.protocol.groups import KEY_COLUMN, RULES, Grouping, is_group
from pprl.protocol.linkage_keys import is_linkage_key
from pprl.rates import DatasetRates, LinkedRecords, rates_of

PERSON_COLUMN = "person"
NOT_A_KEY = "not a linkage key: 32 of 0-9 and a-f"


@dataclass(frozen=True, slots=True)
class OpenedCrosswalk:
    """A crosswalk that was opened as a table.

    Attributes:
        path: the file.
        keys: for each dataset, the person and the row of each linkage key.
        linked: people with keys in two datasets or more.
    """

    path: Path
    keys: Mapping[str, Mapping[str, tuple[str, int]]]
    linked: frozenset[str]


@dataclass(frozen=True, slots=True)
class GroupTable:
    """What a department says of its linkage keys.

    Attributes:
        keys: every linkage key of the dataset.
        groups: for each grouping that the agreement asks for, a group a key.
    """

    keys: Sequence[str]
    groups: Mapping[Grouping, Sequence[str]]


def require_rates_agreed(agreement: Agreement) -> tuple[Grouping, ...]:
    """The groupings that the agreement asks for.

    Raises:
        DisclosureError: it asks for none.
    """
    if not agreement.release.rates_by:
        raise DisclosureError(
            "The agreement does not ask for linkage rates by group.",
            hint='Agree a new version with release.rates_by, such as ["sex"], if they are wanted.',
        )
    return agreement.release.rates_by


def linkage_rates(
    agreement: Agreement, crosswalk_path: Path, group_paths: Mapping[str, Path], *, rows: int | None = None
) -> dict[str, DatasetRates]:
    """Linkage rates of some datasets; the research environment runs this.

    Args:
        agreement: the agreement.
        crosswalk_path: the opened crosswalk, a table of `person` and a column a dataset.
        group_paths: the group table of each dataset whose rates are wanted.
        rows: how many rows the crosswalk had when it was opened; not checked if None.

    Returns:
        Rates by dataset, in the agreement's order. Nothing in them breaks the small-number rule.

    Raises:
        DisclosureError: the agreement does not ask for rates.
        ConfigError: a dataset is not in the agreement.
        DataError: a table is faulty, or the tables don't belong together.
    """
    require_rates_agreed(agreement)
    wanted = {name: agreement.dataset_named(name) for name in group_paths}
    crosswalk = read_crosswalk(crosswalk_path, agreement, rows=rows)
    found = {}
    for dataset in agreement.dataset:
        if dataset.name in wanted:
            table = read_groups(group_paths[dataset.name], dataset, agreement)
            records = join(crosswalk, table, dataset.name)
            found[dataset.name] = rates_of(records, limit=agreement.release.small_number_limit)
    return found


def read_crosswalk(path: Path, agreement: Agreement, *, rows: int | None = None) -> OpenedCrosswalk:
    """Read an opened crosswalk.

    Args:
        path: the table.
        agreement: names its datasets.
        rows: how many rows it must have, since one that lost its last rows reads like a whole one; any if None.

    Raises:
        DataError: it is faulty, of other datasets, or has other rows.
    """
    names = [dataset.name for dataset in agreement.dataset]
    keys: dict[str, dict[str, tuple[str, int]]] = {name: {} for name in names}
    seen: set[str] = set()
    datasets: dict[str, set[str]] = {}
    alone: dict[str, int] = {}
    found = 0

    def faults() -> Iterator[Finding]:
        nonlocal found
        for row, cells in _rows(path, (PERSON_COLUMN, *names)):
            found += 1
            person, given = cells[0], {name: key for name, key in zip(names, cells[1:], strict=True) if key}
            if not is_linkage_key(person):
                yield Finding("not a person's number: 32 of 0-9 and a-f", row=row, column=PERSON_COLUMN)
            if not given:
                yield Finding("a row without a linkage key", row=row)
            for name, key in given.items():
                if not is_linkage_key(key):
                    yield Finding(NOT_A_KEY, row=row, column=name)
                if key in seen:
                    yield Finding("a linkage key that is there twice", row=row, column=name)
                seen.add(key)
                keys[name][key] = person, row
            alone[person] = 0 if len(given) > 1 or person in alone else row
            datasets.setdefault(person, set()).update(given)
        yield from (Finding("a person with a single linkage key", row=row) for row in alone.values() if row)

    _refuse(path, faults(), hint="Open the crosswalk again: 'pprl crosswalk open'.")
    if rows is not None and found != rows:
        raise DataError(
            f"{path}: the crosswalk has {found} rows, and had {rows} when it was opened.",
            hint="Open the crosswalk again: 'pprl crosswalk open'.",
        )
    linked = frozenset(person for person, theirs in datasets.items() if len(theirs) > 1)
    return OpenedCrosswalk(path, keys, linked)


def read_groups(path: Path, dataset: Dataset, agreement: Agreement) -> GroupTable:
    """Read a group table: the linkage key, a column for each agreed grouping, and nothing else.

    Raises:
        DataError: it is faulty, or has fewer or more keys than the dataset may have.
    """
    asked = agreement.release.rates_by
    keys: dict[str, None] = {}
    groups: dict[Grouping, list[str]] = {grouping: [] for grouping in asked}

    def faults() -> Iterator[Finding]:
        for row, (key, *cells) in _rows(path, (KEY_COLUMN, *asked)):
            if not is_linkage_key(key):
                yield Finding(NOT_A_KEY, row=row, column=KEY_COLUMN)
            if key in keys:
                yield Finding("a linkage key that is there twice", row=row, column=KEY_COLUMN)
            keys[key] = None
            for grouping, group in zip(asked, cells, strict=True):
                if not is_group(grouping, group):
                    yield Finding(RULES[grouping], row=row, column=grouping)
                groups[grouping].append(group)

    _refuse(path, faults(), hint="Ask the department for a table made by 'pprl research groups'.")
    _require_all_records(len(keys), dataset, agreement)
    return GroupTable(tuple(keys), groups)


def join(crosswalk: OpenedCrosswalk, table: GroupTable, dataset: str) -> LinkedRecords:
    """Tell of every linkage key of a dataset whose it is, and whether that person is in another dataset.

    Raises:
        DataError: a key of the crosswalk is not in the group table.
    """
    known = crosswalk.keys[dataset]
    absent = known.keys() - set(table.keys)
    rows = sorted(known[key][1] for key in absent)
    rule = "its linkage key is not in the dataset's group table"
    _refuse(
        crosswalk.path,
        (Finding(rule, row=row, column=dataset) for row in rows),
        hint="Use the crosswalk and the group table of one run.",
    )
    people: dict[str, int] = {}
    whose = [known[key][0] if key in known else key for key in table.keys]
    return LinkedRecords(
        np.array([people.setdefault(person, len(people)) for person in whose], dtype=np.int64),
        np.array([person in crosswalk.linked for person in whose], dtype=bool),
        table.groups,
    )


def counted(dataset: Dataset, agreement: Agreement) -> str:
    """What a linkage key of a dataset stands for: `records`, or `people` where each has one key in it."""
    several = dataset.may_have_duplicates and agreement.release.linkage_keys == "per-record"
    return "records" if several else "people"


def _rows(path: Path, header: Sequence[str]) -> Iterator[tuple[int, tuple[str, ...]]]:
    """The rows of a table that has these columns, in any order, and no other."""
    table = open_table(path, needed=header)
    surplus = [
        Finding("not one of the columns that belong here", "take it out", column=f"column {number}")
        for number, name in enumerate(table.header, start=1)
        if name not in header
    ]
    _refuse(path, surplus, hint="It may hold what nobody agreed to hand over.")
    for batch in table.batches(header):
        yield from _of_batch(batch, header)


def _of_batch(batch: Batch, header: Sequence[str]) -> Iterator[tuple[int, tuple[str, ...]]]:
    yield from enumerate(zip(*(batch.columns[name] for name in header), strict=True), start=batch.first_row)


def _refuse(path: Path, findings: Iterator[Finding] | Sequence[Finding], *, hint: str) -> None:
    """Refuse a table with the faults that are found in it, if any; a few more than are told may be read."""
    listed = iter(findings)
    first = next(listed, None)
    if first is not None:
        raise fields.refusal(path, _with_first(first, listed), hint=hint)


def _with_first(first: Finding, others: Iterator[Finding]) -> Iterator[Finding]:
    yield first
    yield from others


def _require_all_records(keys: int, dataset: Dataset, agreement: Agreement) -> None:
    """A table of the linked people alone would show that everybody was linked."""
    shared = dataset.may_have_duplicates and agreement.release.linkage_keys == "per-person"
    low, high = 1 if shared else dataset.expected_rows_min, dataset.expected_rows_max
    if not low <= keys <= high:
        raise DataError(
            f"The group table of '{dataset.name}' has {keys} linkage keys; the agreement expects {low} to {high}.",
            hint="It must have every linkage key of the dataset, linked or not.",
        )
