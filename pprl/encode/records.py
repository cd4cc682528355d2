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
MOST_REMEMBERED = 100_000


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


class Standardiser:
    """Standardises the batches of one dataset. A department makes one for a table.

    Most values come again, in the same batch or a later one: they are standardised once. What is remembered is raw
    values, of each column at most `MOST_REMEMBERED`, and in this object alone.

    Args:
        dataset: whose rows they are.
        agreement: what is to be linked, and how.
    """

    __slots__ = ("_dataset", "_identifiers", "_outcomes")

    def __init__(self, dataset: Dataset, agreement: Agreement) -> None:
        features = agreement.encoding.clk.features if agreement.encoding.clk else ()
        compared_by_size = {feature.identifier for feature in features if feature.comparison == "numeric"}
        self._dataset = dataset
        self._identifiers = tuple(identifier.name for identifier in agreement.identifier)
        self._outcomes = {
            identifier.name: _Outcomes(identifier, dataset.date_order, identifier.name in compared_by_size)
            for identifier in agreement.identifier
            if identifier.name in dataset.columns
        }

    def prepare(self, batch_columns: dict[str, list[str]], *, first_row: int, most_findings: int) -> Prepared:
        """Standardise a batch.

        Args:
            batch_columns: raw values by the department's own column names, all of one length; other columns than
                the agreed ones are not looked at.
            first_row: row number of the first record, as a spreadsheet shows it.
            most_findings: how many findings to keep, from the top of the batch.

        Returns:
            Columns for all identifiers; one that the dataset does not have is missing in all records.

        Raises:
            DataError: a column that the dataset names is not in the batch, or columns differ in length.
        """
        rows = _rows(batch_columns, self._dataset)
        columns = {name: [""] * rows for name in self._identifiers}
        findings: list[Finding] = []
        findings_count = 0
        for name, outcomes in self._outcomes.items():
            column = self._dataset.columns[name]
            values = batch_columns[column]
            columns[name] = outcomes.of(values)
            if outcomes.rules:
                findings += islice(outcomes.broken(values, column, first_row), max(most_findings, 0))
                findings_count += sum(value in outcomes.rules for value in values)
        findings.sort(key=lambda finding: finding.row or 0)
        return Prepared(
            columns=columns,
            present={name: len(values) - values.count("") for name, values in columns.items()},
            findings=findings[: max(most_findings, 0)],
            findings_count=findings_count,
        )


def prepare(
    batch_columns: dict[str, list[str]],
    *,
    first_row: int,
    dataset: Dataset,
    agreement: Agreement,
    most_findings: int,
) -> Prepared:
    """Standardise a table that is one batch, as `Standardiser.prepare` does.

    Args:
        batch_columns: as there.
        first_row: as there.
        dataset: whose rows they are.
        agreement: what is to be linked, and how.
        most_findings: as there.

    Raises:
        DataError: as there.
    """
    whole = Standardiser(dataset, agreement)
    return whole.prepare(batch_columns, first_row=first_row, most_findings=most_findings)


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


class _Outcomes(dict[str, str]):
    """By raw value the standardised one, found when it is first asked for; "" where it is missing or breaks a rule.

    Attributes:
        rules: the broken rule of each raw value of the batch, or of an earlier one, that breaks one.
    """

    __slots__ = ("_compared_by_size", "_date_order", "_identifier", "rules")

    def __init__(self, identifier: Identifier, date_order: DateOrder, compared_by_size: bool) -> None:
        self._identifier = identifier
        self._date_order: DateOrder = date_order
        self._compared_by_size = compared_by_size
        self.rules: dict[str, str] = {}

    def of(self, values: Sequence[str]) -> list[str]:
        """A batch's values, standardised."""
        if len(self.rules) > MOST_REMEMBERED:
            self.rules.clear()
            self.clear()
        return list(map(self.__getitem__, values))

    def broken(self, values: Sequence[str], column: str, first_row: int) -> Iterator[Finding]:
        """Where a batch's values break a rule, after `of` it."""
        remedy = DATE_REMEDY if self._identifier.kind in ("date-of-birth", "year-of-birth") else ""
        for row, value in enumerate(values, start=first_row):
            if value in self.rules:
                yield Finding(self.rules[value], remedy=remedy, row=row, column=column)

    def __missing__(self, value: str) -> str:
        try:
            found = self._standardised(value)
        except InvalidValue as problem:
            found, self.rules[value] = "", problem.rule
        if len(self) >= MOST_REMEMBERED:
            self.clear()
        self[value] = found
        return found

    def _standardised(self, value: str) -> str:
        if not value:
            return ""
        found = standardise(self._identifier.kind, value, date_order=self._date_order)
        if self._compared_by_size and found and not re.fullmatch("-?[0-9]{1,18}", found):
            raise InvalidValue(NOT_A_WHOLE_NUMBER)
        # One text is kept, not two that are equal.
        return value if found == value else found
