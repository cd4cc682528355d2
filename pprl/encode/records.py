"""A batch of a department's rows, standardised column by column. Runs at departments only.

Each distinct value of a column is standardised once. A value that breaks its rule is found, counted and left
out; whether the file is then refused is the agreement's word (`encoding.invalid_values`) and the caller's deed,
as are record ids and the least number of identifiers.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice

from pprl.encode.standardise import InvalidValue, standardise
from pprl.errors import DataError, Finding
from pprl.protocol.agreement import Agreement, Dataset, DateOrder, Identifier

NOT_A_WHOLE_NUMBER = "not a whole number, and the agreement compares this identifier by size"
DATE_REMEDY = "see also the dataset's date_order"


@dataclass(frozen=True, slots=True)
class Prepared:
    """A batch ready for encoding. Raw values are gone; standardised ones never leave the department.

    Attributes:
        columns: for every identifier of the agreement, a standardised value a record; "" where it is missing.
        present: for every identifier, how many records have it.
        findings: where a value broke a rule, by row, under the department's own column name; at most as many
            as were asked for, and never the value.
        findings_count: how many there were in all.
    """

    columns: dict[str, list[str]]
    present: dict[str, int]
    findings: list[Finding]
    findings_count: int


def prepare(
    batch_columns: dict[str, list[str]],
    *,
    first_row: int,
    dataset: Dataset,
    agreement: Agreement,
    most_findings: int,
) -> Prepared:
    """Standardise a batch. A department runs it on every batch of its table.

    Args:
        batch_columns: raw values by the department's own column names, all of one length; other columns than
            the agreed ones are not looked at.
        first_row: row number of the first record, as a spreadsheet shows it.
        dataset: whose rows they are.
        agreement: what is to be linked, and how.
        most_findings: how many findings to keep, from the top of the batch.

    Returns:
        Columns for all identifiers; one that the dataset does not have is missing in all records.

    Raises:
        DataError: a column that the dataset names is not in the batch, or columns differ in length.
    """
    rows = _rows(batch_columns, dataset)
    features = agreement.encoding.clk.features if agreement.encoding.clk else ()
    compared_by_size = {feature.identifier for feature in features if feature.comparison == "numeric"}
    columns: dict[str, list[str]] = {}
    findings: list[Finding] = []
    findings_count = 0
    for identifier in agreement.identifier:
        column = dataset.columns.get(identifier.name)
        if column is None:
            columns[identifier.name] = [""] * rows
            continue
        values = batch_columns[column]
        outcomes = _outcomes(values, identifier, dataset.date_order, identifier.name in compared_by_size)
        columns[identifier.name] = [outcomes[value][0] for value in values]
        if any(rule for _, rule in outcomes.values()):
            broken = _broken(values, outcomes, identifier, column, first_row)
            findings += islice(broken, max(most_findings, 0))
            findings_count += sum(1 for value in values if outcomes[value][1])
    findings.sort(key=lambda finding: finding.row or 0)
    return Prepared(
        columns=columns,
        present={name: len(values) - values.count("") for name, values in columns.items()},
        findings=findings[: max(most_findings, 0)],
        findings_count=findings_count,
    )


def _rows(batch_columns: dict[str, list[str]], dataset: Dataset) -> int:
    absent = [column for column in dataset.columns.values() if column not in batch_columns]
    if absent:
        raise DataError(
            f"The table of dataset '{dataset.name}' lacks columns that the agreement names.",
            hint="Compare its header with [dataset.columns].",
            findings=tuple(Finding("no such column in the table", column=column) for column in absent),
        )
    lengths = {len(batch_columns[column]) for column in dataset.columns.values()}
    if len(lengths) != 1:
        raise DataError(f"The columns of dataset '{dataset.name}' differ in length.")
    return lengths.pop()


def _outcomes(
    values: Sequence[str], identifier: Identifier, date_order: DateOrder, compared_by_size: bool
) -> dict[str, tuple[str, str]]:
    """For each distinct raw value the standardised one and an empty rule, or nothing and the broken rule."""
    return {value: _outcome(value, identifier, date_order, compared_by_size) for value in set(values)}


def _outcome(
    value: str, identifier: Identifier, date_order: DateOrder, compared_by_size: bool
) -> tuple[str, str]:
    if not value:
        return "", ""
    try:
        standardised = standardise(identifier.kind, value, date_order=date_order)
    except InvalidValue as problem:
        return "", problem.rule
    if compared_by_size and standardised and not re.fullmatch("-?[0-9]{1,18}", standardised):
        return "", NOT_A_WHOLE_NUMBER
    return standardised, ""


def _broken(
    values: Sequence[str],
    outcomes: dict[str, tuple[str, str]],
    identifier: Identifier,
    column: str,
    first_row: int,
) -> Iterator[Finding]:
    remedy = DATE_REMEDY if identifier.kind in ("date-of-birth", "year-of-birth") else ""
    for row, value in enumerate(values, start=first_row):
        rule = outcomes[value][1]
        if rule:
            yield Finding(rule, remedy=remedy, row=row, column=column)
