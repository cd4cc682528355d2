"""How a delimited text file is laid out: its encoding, its delimiter and its header.

A header is looked at before anybody knows that it is one: a file without header shows a person's record in its
place. So messages here name columns by number, or by the names that were asked for, never by what was found.
"""

from __future__ import annotations

import csv
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from pprl.errors import DataError, Finding, UsageError
from pprl.files import fields, text

DELIMITERS = (",", ";", "\t", "|")

Header = tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Layout:
    """What has to be known to read a delimited file.

    Attributes:
        path: the file.
        encoding: a text encoding that Python knows.
        delimiter: one character.
        header: names of the columns, all different and none empty.
        header_row: row of the header: 1, unless empty lines come before it.
    """

    path: Path
    encoding: str
    delimiter: str
    header: Header
    header_row: int


def settle(path: Path, *, encoding: str | None, delimiter: str | None, needed: Sequence[str]) -> Layout:
    """Find a file's layout. Nothing past the first record is read.

    Args:
        path: a readable text file.
        encoding: as the user says; None for what the byte-order mark says, else UTF-8.
        delimiter: as the user says, one character or the word "tab"; None to find it from the header.
        needed: columns that must be there.

    Raises:
        UsageError: `encoding` or `delimiter` can't be meant.
        DataError: the file is empty, has no record, its header is faulty, or its delimiter is not certain.
    """
    codec = text.encoding_of(path, encoding)
    headers = _headers(path, codec, DELIMITERS if delimiter is None else (_known(delimiter),))
    row, widest = max(headers.values(), key=lambda found: len(found[1]))
    _check_text(path, widest, codec, row)
    chosen = _choose(path, headers, needed)
    header = headers[chosen][1]
    advice = "If another character splits it, say --delimiter, or save the file with commas."
    fields.check_header(path, header, needed, row=row, advice=advice)
    if not _has_records(path, codec, chosen, row):
        raise DataError(f"{path} has a header but no records.", hint="Check that it is the right file.")
    return Layout(path, codec, chosen, header, row)


def _known(delimiter: str) -> str:
    character = "\t" if delimiter in {"tab", "\\t"} else delimiter
    if len(character) != 1 or character in '"\r\n':
        raise UsageError(
            "--delimiter must be one character, neither a quote nor a line break.",
            hint="Common ones are , ; | and the word tab.",
        )
    return character


def _headers(path: Path, encoding: str, delimiters: Sequence[str]) -> dict[str, tuple[int, Header]]:
    """Split the first row that is not empty by each delimiter, as far as its quotes allow."""
    split = {each: _first_row(path, encoding, each) for each in delimiters}
    headers = {delimiter: found for delimiter, found in split.items() if found}
    if not headers:
        finding = Finding("the header's quotes don't match, or it is no text", row=1)
        raise fields.refusal(path, [finding], hint="Check that it is a CSV file, and its quotes.")
    if not any(header for _, header in headers.values()):
        raise DataError(f"{path} is empty.", hint="Check that it is the right file.")
    return headers


def _first_row(path: Path, encoding: str, delimiter: str) -> tuple[int, Header] | None:
    try:
        for row, cells in enumerate(text.rows(path, encoding, delimiter, marking=True), start=1):
            if cells:
                return row, tuple(cells)
    except (csv.Error, text.LineTooLongError):
        return None
    return 1, ()


def _choose(path: Path, headers: dict[str, tuple[int, Header]], needed: Sequence[str]) -> str:
    """Choose the delimiter, where the header leaves no doubt."""
    if len(headers) == 1:
        return next(iter(headers))
    if needed:
        return _choose_by_names(headers, set(needed))
    # A name with a quote inside was cut out of a longer quoted name.
    fitting = [
        each for each, (_, header) in headers.items() if len(header) > 1 and '"' not in "".join(header)
    ]
    if len(fitting) != 1:
        why = "more than one character could split" if fitting else "none of , ; tab | splits"
        raise DataError(
            f"The delimiter of {path} is not certain: {why} its header.",
            hint="Save the file with commas, or, where the command has it, say --delimiter.",
        )
    return fitting[0]


def _choose_by_names(headers: dict[str, tuple[int, Header]], needed: set[str]) -> str:
    # All needed names can come out by two delimiters only where one name is the whole header.
    return max(headers, key=lambda each: (len(needed & set(headers[each][1])), len(headers[each][1])))


def _has_records(path: Path, encoding: str, delimiter: str, header_row: int) -> bool:
    try:
        return any(islice(text.rows(path, encoding, delimiter, marking=True), header_row, None))
    except (csv.Error, text.LineTooLongError):
        return True


def _check_text(path: Path, header: Header, encoding: str, row: int) -> None:
    findings, hint = [], ""
    for number, name in enumerate(header, start=1):
        fault = text.fault_of_text(name, encoding)
        if fault:
            findings.append(Finding(fault.rule, fault.remedy, row=row, column=f"column {number}"))
            hint = text.encoding_hint(encoding) if not fault.remedy else hint
    if findings:
        raise fields.refusal(path, findings, hint=hint)
