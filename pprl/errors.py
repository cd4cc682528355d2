"""The one tree of errors that people see.

Every class has a `code` for machines and an exit `status` for shells. A message says what happened, a
hint says what to do, and neither ever holds a value from anybody's data: row numbers, column names and
rules are enough to find it at home.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that is wrong, and where.

    Attributes:
        rule: what was broken, in words that hold no value from the data.
        remedy: what to do about it; empty where the rule says it all.
        row: row of a table, counted as a spreadsheet does (the header is row 1); None if not about a row.
        column: column of a table, or dotted path of a key in a config file; empty if about neither.
        line: line of a text file, from 1; None if not known.
    """

    rule: str
    remedy: str = ""
    row: int | None = None
    column: str = ""
    line: int | None = None

    def __str__(self) -> str:
        """One line: where, what, and what to do."""
        places = [
            f"line {self.line}" if self.line is not None else "",
            f"row {self.row}" if self.row is not None else "",
            self.column,
        ]
        where = ", ".join(place for place in places if place)
        text = f"{where}: {self.rule}" if where else self.rule
        return f"{text} ({self.remedy})" if self.remedy else text


class PprlError(Exception):
    """Something a person can act on. Subclasses fix the exit status.

    Args:
        message: what happened, without any data value.
        hint: what to do next.
        findings: every single problem, where there may be several.
    """

    code: ClassVar[str] = "internal"
    status: ClassVar[int] = 1

    def __init__(self, message: str, *, hint: str = "", findings: tuple[Finding, ...] = ()) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint
        self.findings = findings


class UsageError(PprlError):
    """The command was called in a way that can't work."""

    code = "usage"
    status = 2


class ConfigError(PprlError):
    """A file that a person wrote is wrong."""

    code = "config"
    status = 3


class DataError(PprlError):
    """Rows of a table are wrong: row, column and rule, never the value."""

    code = "data"
    status = 4


class KeyFileError(PprlError):
    """A key or secret file is missing, damaged, of another kind or open to others."""

    code = "key-file"
    status = 5


class FormatError(PprlError):
    """Bytes that a machine wrote are not what the format says."""

    code = "format"
    status = 6


class VerificationError(PprlError):
    """Well-formed, but not trusted: a signature, digest, sender or recipient is not the expected one."""

    code = "verification"
    status = 7


class ProtocolError(PprlError):
    """A step came out of order, or twice."""

    code = "protocol"
    status = 8


class DisclosureError(PprlError):
    """A privacy or release rule refuses."""

    code = "disclosure"
    status = 9


BY_CODE: dict[str, type[PprlError]] = {
    kind.code: kind
    for kind in (
        UsageError,
        ConfigError,
        DataError,
        KeyFileError,
        FormatError,
        VerificationError,
        ProtocolError,
        DisclosureError,
    )
}
