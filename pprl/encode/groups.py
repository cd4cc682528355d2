"""Which groups a department's records belong to, for linkage rates by group. Runs at departments, on raw values.

Records are standardised as they are for encoding, so that a sex or a date of birth is read here as it was there.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from pprl.encode.encoder import Rows, Survey, prepared_batches, require_acceptable
from pprl.protocol.agreement import Agreement, AgreementFile, Dataset
from pprl.protocol.groups import COMPLETENESS, KINDS_TOLD_FROM, UNKNOWN, Grouping, completeness, decade

Columns = Mapping[str, Sequence[str]]


def grouped(
    rows: Rows, dataset: Dataset, agreement: AgreementFile, *, seen: Callable[[int], None]
) -> tuple[Sequence[str], dict[Grouping, list[str]]]:
    """Tell the groups of every record; a department runs this on the table that it encoded.

    Args:
        rows: batches of (number of the first row, columns by the department's own names).
        dataset: the dataset that they are.
        agreement: the agreement; its `release.rates_by` says which groupings are told.
        seen: called with the rows read so far.

    Returns:
        The department's own record ids, and for each grouping a group a record, in the order of the rows.

    Raises:
        DataError: what encoding the same table would raise.

    Leaks: nothing by itself; the research environment gets the groups under linkage keys, see docs/fairness.md.
    """
    found = Survey()
    groups: dict[Grouping, list[str]] = {grouping: [] for grouping in agreement.content.release.rates_by}
    for columns, _ in prepared_batches(rows, dataset, agreement, found, seen):
        for grouping, told in groups.items():
            told.extend(_groups_of(grouping, columns, dataset, agreement.content))
    require_acceptable(found, dataset, agreement)
    return found.record_ids, groups


def of_one_key(grouping: Grouping, groups: Sequence[str]) -> str:
    """The group of a linkage key that several records share, so alike that they are taken for one person.

    Where records say different things, nobody knows; the fullest record is the one that could be linked best.
    """
    if grouping == "completeness":
        return min(groups, key=COMPLETENESS.index)
    known = set(groups) - {UNKNOWN}
    return known.pop() if len(known) == 1 else UNKNOWN


def _groups_of(grouping: Grouping, columns: Columns, dataset: Dataset, agreement: Agreement) -> list[str]:
    if grouping == "completeness":
        own = zip(*(columns[name] for name in dataset.columns), strict=True)
        return [completeness(record.count("")) for record in own]
    kinds = agreement.kinds()
    telling = [name for kind in KINDS_TOLD_FROM[grouping] for name in dataset.columns if kinds[name] == kind]
    size = len(next(iter(columns.values())))
    records = zip(*(columns[name] for name in telling), strict=True) if telling else [()] * size
    found = [next(filter(None, record), "") for record in records]
    return [value or UNKNOWN for value in found] if grouping == "sex" else [decade(value) for value in found]
