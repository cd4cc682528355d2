"""Saying what is wrong with a delimited file that could not be read, and where.

The whole file is read again, row by row and field by field, which is slow and happens only when a command is
going to fail. Faults that leave the place of all later fields open, bytes of another encoding or quotes that
don't match, end the examination; all others are collected.
"""

from __future__ import annotations

import csv
from collections.abc import Iterator
from itertools import islice

from pprl.errors import DataError, Finding
from pprl.files import fields, text
from pprl.files.layout import Layout


def refusal(layout: Layout) -> DataError:
    """Make the error that lists a faulty file's faults.

    Args:
        layout: of a file in which reading failed.
    """
    findings = list(islice(faults(layout), fields.MOST_FINDINGS + 1))
    if not findings:
        return fields.changed(layout.path)
    about_encoding = {text.bad_bytes(layout.encoding).rule, text.mixed(layout.encoding).rule}
    doubtful = any(finding.rule in about_encoding for finding in findings)
    return fields.refusal(layout.path, findings, hint=text.encoding_hint(layout.encoding) if doubtful else "")


def faults(layout: Layout) -> Iterator[Finding]:
    """Find every fault of a file's records, in order, up to the first that ends the examination."""
    last = text.bad_bytes(layout.encoding).rule
    for row, record in _numbered(layout):
        found = [record] if isinstance(record, Finding) else list(_faults_of(row, record, layout))
        yield from found
        if any(finding.rule == last for finding in found):
            return


def _numbered(layout: Layout) -> Iterator[tuple[int, list[str] | Finding]]:
    """The records with their rows; a row that can't be split, as the last one, is a finding."""
    row = 0
    try:
        for row, record in enumerate(
            text.rows(layout.path, layout.encoding, layout.delimiter, marking=True), 1
        ):
            if record and row > layout.header_row:
                yield row, record
    except csv.Error as error:
        broken = _broken(str(error), row + 1)
    except text.LineTooLongError:
        broken = _broken("limit", row + 1)
    else:
        return
    yield row + 1, broken


def _broken(reason: str, row: int) -> Finding:
    """Put the csv module's reason, which its documentation doesn't fix, into words."""
    if "unexpected end" in reason:
        return Finding(
            'a quote (") is opened and never closed', "close it, or double it if it is text", row=row
        )
    if "limit" in reason:
        return Finding(
            f'far longer than {fields.MOST_FIELD_CHARACTERS:,} characters, or a quote (") is never closed',
            row=row,
        )
    return Finding(
        'text stands right behind a closing quote (")', 'write a quote inside a quoted field as ""', row=row
    )


def _faults_of(row: int, record: list[str], layout: Layout) -> Iterator[Finding]:
    width = len(layout.header)
    if len(record) != width and not any(text.BAD_BYTES in field for field in record):
        had = f"{len(record)} field{'' if len(record) == 1 else 's'}"
        yield Finding(
            f"has {had}, the header {width}", "put fields that hold the delimiter in quotes", row=row
        )
        return
    for name, field in zip(layout.header, record, strict=False):
        fault = text.fault_of_text(field, layout.encoding)
        if fault:
            yield Finding(fault.rule, fault.remedy, row=row, column=name)
