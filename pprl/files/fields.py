"""What one field of a table may hold, whichever file it comes from, and how a whole table is refused.

Tabs and line breaks are let through: addresses have them, and standardising turns them into spaces. Every
other control character, and every character that only a broken save or a broken copy leaves behind, is
refused: it would change an encoding without anybody seeing a difference on a screen.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from pprl.errors import DataError, Finding

MOST_FIELD_CHARACTERS = 10_000
MOST_FINDINGS = 100

_UNWANTED = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ud800-\udfff\ufeff\ufffd]")


@dataclass(frozen=True, slots=True)
class Fault:
    """A rule that a field breaks, and what to do about it; neither holds any of the field's text."""

    rule: str
    remedy: str = ""


def are_clean(column: Sequence[str]) -> bool:
    """Tell whether `fault_of` finds nothing in a whole column; much quicker than asking field by field.

    Args:
        column: fields of one column.
    """
    joined = "".join(column)
    if len(joined) > MOST_FIELD_CHARACTERS and max(map(len, column)) > MOST_FIELD_CHARACTERS:
        return False
    return not _UNWANTED.search(joined)


def fault_of(field: str) -> Fault | None:
    """Find the first rule that the text of one field breaks, if any."""
    if len(field) > MOST_FIELD_CHARACTERS:
        return Fault(f"longer than {MOST_FIELD_CHARACTERS:,} characters", "leave long texts out of the file")
    found = _UNWANTED.search(field)
    return _fault_in(ord(found[0])) if found else None


def _fault_in(point: int) -> Fault:
    if point == 0xFFFD:
        return Fault("contains U+FFFD, which stands for a letter that was lost", "export the file again")
    if point == 0xFEFF:
        return Fault("contains a byte-order mark", "join files without their marks and headers")
    if 0xD800 <= point <= 0xDFFF:
        return Fault("contains half of a character", "export the file again")
    control = f"contains the control character U+{point:04X}"
    if 0x80 <= point <= 0x9F:
        return Fault(control, "remove it; or the file is of another encoding, such as windows-1252")
    return Fault(control, "remove it")


def faults_in_header(header: Sequence[str], needed: Sequence[str], *, row: int) -> Iterator[Finding]:
    """Find names of columns that are empty, repeated or missing.

    A file without header has a person's record in its place, so names are told by their number, or as they
    were asked for.

    Args:
        header: the names.
        needed: names that must be among them.
        row: row of the header.
    """
    for number, name in enumerate(header, start=1):
        if not name.strip():
            yield Finding("has no name", "name it, or leave it out", row=row, column=f"column {number}")
        elif (first := header.index(name) + 1) < number:
            rule = f"has the same name as column {first}"
            yield Finding(rule, "rename one of them", row=row, column=f"column {number}")
    for name in sorted(set(needed) - set(header)):
        yield Finding("no such column", _near_miss(name, header), row=row, column=name)


def _near_miss(name: str, header: Sequence[str]) -> str:
    """What to do about a missing column: people write names a little differently."""
    for number, other in enumerate(header, start=1):
        if _letters(other) == _letters(name):
            return f"column {number} differs only in capitals, spaces or punctuation"
    return ""


def _letters(name: str) -> str:
    return "".join(filter(str.isalnum, name.casefold()))


def check_header(
    path: Path, header: Sequence[str], needed: Sequence[str], *, row: int = 1, advice: str = ""
) -> None:
    """Refuse a header that `faults_in_header` finds fault with.

    Args:
        path: the table's file.
        header: the names.
        needed: names that must be among them.
        row: row of the header.
        advice: what else may help.

    Raises:
        DataError: with all findings.
    """
    findings = list(faults_in_header(header, needed, row=row))
    if findings:
        columns = f"{len(header)} column{'' if len(header) == 1 else 's'}"
        hint = f"The header was read as {columns}: compare them with the names that are expected. {advice}"
        raise refusal(path, findings, hint=hint.strip())


def changed(path: Path) -> DataError:
    """Make the error for a file that is not the one that was opened."""
    return DataError(f"{path} was changed while it was being read.", hint="Try again.")


def refusal(path: Path, findings: Iterable[Finding], *, hint: str = "") -> DataError:
    """Make the one error that lists a table's faults, up to `MOST_FINDINGS` of them.

    Args:
        path: the table's file.
        findings: every fault; read no further than needed to know that there are more.
        hint: what to do, where the findings' remedies don't say it all.
    """
    listed = tuple(islice(findings, MOST_FINDINGS + 1))
    if len(listed) > MOST_FINDINGS:
        message = f"{path} has more than {MOST_FINDINGS} faults; the first {MOST_FINDINGS} are listed."
    else:
        message = f"{path} has {len(listed)} fault{'' if len(listed) == 1 else 's'}."
    return DataError(
        message, hint=hint or "Mend what is named, then try again.", findings=listed[:MOST_FINDINGS]
    )
