"""A text file's encoding, and its lines.

A byte-order mark or strict UTF-8 says how a file was saved; for any other encoding the user says it. Nothing
is guessed: text that was decoded wrongly still looks like names, and would link to nobody.
"""

from __future__ import annotations

import codecs
import csv
import io
from collections.abc import Iterator, Sequence
from functools import cache
from itertools import chain
from pathlib import Path

from pprl.errors import UsageError
from pprl.files import fields

BAD_BYTES = "\udfff"
"""Stands for bytes that an encoding doesn't define, where a faulty file is examined."""

MOST_LINE_CHARACTERS = 1 << 24
_BLOCK_BYTES = 1 << 18

# UTF-32 first: its little-endian mark begins with that of UTF-16.
_MARKS = (
    (codecs.BOM_UTF32_LE, "utf-32", "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32", "utf-32"),
    (codecs.BOM_UTF8, "utf-8", "utf-8-sig"),
    (codecs.BOM_UTF16_LE, "utf-16", "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16", "utf-16"),
)
_NOT_SAVED_AS = frozenset({"idna", "punycode", "raw-unicode-escape", "unicode-escape", "undefined"})


def _mark_bad_bytes(error: UnicodeError) -> tuple[str, int]:
    if not isinstance(error, UnicodeDecodeError):
        raise error
    return BAD_BYTES, error.end


codecs.register_error("pprl-bad-bytes", _mark_bad_bytes)


class LineTooLongError(Exception):
    """A line goes on for more than `MOST_LINE_CHARACTERS`; never leaves this package."""


def encoding_of(path: Path, declared: str | None) -> str:
    """Settle how a file is decoded, from its byte-order mark and what the user says.

    Args:
        path: a readable file.
        declared: name of any of Python's text encodings; None for UTF-8 or what the mark says.

    Returns:
        A name that Python knows.

    Raises:
        UsageError: `declared` names no encoding that files are saved in, contradicts the file's mark, or
            leaves the order of bytes open.
    """
    name = "utf-8" if declared is None else _known(declared)
    with path.open("rb") as file:
        start = file.read(4)
    for mark, family, codec in _MARKS:
        if start.startswith(mark) and (declared is None or name.startswith(family)):
            return codec
        if start.startswith(mark):
            raise UsageError(
                f"{path} starts with the mark of {family.upper()}, but --encoding says {declared}.",
                hint="Leave --encoding out.",
            )
    if name in {"utf-16", "utf-32"}:
        raise UsageError(
            f"{path} has no byte-order mark, so {declared} leaves the order of bytes open.",
            hint=f"Say --encoding {name}-le or --encoding {name}-be.",
        )
    return name if declared is None else declared.lower()


def _known(declared: str) -> str:
    try:
        name = codecs.lookup(declared).name.replace("_", "-")
        " ".encode(declared)
    except (LookupError, ValueError):
        name = "undefined"
    if name in _NOT_SAVED_AS:
        raise UsageError(
            f"'{declared}' is not an encoding that text files are saved in.",
            hint="Common ones are utf-8, windows-1252, iso-8859-1 and utf-16.",
        )
    return name


@cache
def is_single_byte(encoding: str) -> bool:
    """Tell whether every byte is one character in an encoding, defined or not."""
    decoder = codecs.getincrementaldecoder(encoding)
    return all(len(decoder("replace").decode(bytes([byte]))) == 1 for byte in range(256))


def are_clean(column: Sequence[str], encoding: str) -> bool:
    """Tell whether `fault_of_text` finds nothing in a whole column; much quicker than asking field by field.

    Args:
        column: fields of one column, at least one.
        encoding: how the file is decoded.
    """
    if not fields.are_clean(column):
        return False
    if not is_single_byte(encoding) or "".join(column).isascii():
        return True
    return not any(_is_really_utf_8(field, encoding) for field in set(column))


def fault_of_text(field: str, encoding: str) -> fields.Fault | None:
    """Find the first rule that a field breaks, now that its encoding is known.

    Args:
        field: the text, with `BAD_BYTES` where it could not be decoded.
        encoding: how the file is decoded.
    """
    if BAD_BYTES in field:
        return bad_bytes(encoding)
    if is_single_byte(encoding) and _is_really_utf_8(field, encoding):
        return mixed(encoding)
    return fields.fault_of(field)


def bad_bytes(encoding: str) -> fields.Fault:
    """The fault after which no other field of a file can be trusted."""
    return fields.Fault(f"has bytes that are not {encoding}")


def mixed(encoding: str) -> fields.Fault:
    """The fault of a field that was saved as UTF-8, in a file that is said to be of a single-byte encoding."""
    return fields.Fault(f"mixed encodings: UTF-8 in a file that is said to be {encoding}")


def encoding_hint(encoding: str) -> str:
    """What to do when a file is not of the encoding that it is read in."""
    if encoding in {"utf-8", "utf-8-sig"}:
        advice = (
            "Save it as UTF-8, or, where the command has it, say how it was saved: --encoding windows-1252."
        )
    else:
        advice = f"Say how the file was saved, if not as {encoding}; leave --encoding out for UTF-8."
    return f"{advice} If only some rows are wrong, files of several encodings were joined: save each as UTF-8 first."


def _is_really_utf_8(field: str, encoding: str) -> bool:
    """Such a pair of accented letter and symbol is not written by people; it is UTF-8 in disguise."""
    if field.isascii():
        return False
    try:
        field.encode(encoding).decode("utf-8")
    except UnicodeError:
        return False
    return True


def rows(path: Path, encoding: str, delimiter: str, *, marking: bool = False) -> Iterator[list[str]]:
    r"""Read a file's rows, in bounded memory. Lines may end in \n, \r\n or \r; an empty line is an empty list.

    Args:
        path: the file.
        encoding: from `encoding_of`.
        delimiter: one character.
        marking: True puts `BAD_BYTES` where bytes can't be decoded; False raises there.

    Returns:
        An iterator that may raise `UnicodeError`, `csv.Error`, `LineTooLongError`, or `UsageError` if the
        file can't be read.
    """
    decoder = codecs.getincrementaldecoder(encoding)("pprl-bad-bytes" if marking else "strict")
    lines = chain.from_iterable(io.StringIO(block, newline="") for block in _blocks(path, decoder))
    return csv.reader(lines, delimiter=delimiter, strict=True)


def _blocks(path: Path, decoder: codecs.IncrementalDecoder) -> Iterator[str]:
    rest = ""
    for raw in _raw_blocks(path):
        text = rest + decoder.decode(raw)
        # A last \r may be half of \r\n, so it never ends a block.
        whole = text.rfind("\n") + 1 or text.rfind("\r", 0, -1) + 1
        rest = text[whole:]
        yield text[:whole]
        if len(rest) > MOST_LINE_CHARACTERS:
            raise LineTooLongError
    yield rest + decoder.decode(b"", final=True)


def _raw_blocks(path: Path) -> Iterator[bytes]:
    reason = ""
    try:
        with path.open("rb") as file:
            while raw := file.read(_BLOCK_BYTES):
                yield raw
    except OSError as error:
        reason = (error.strerror or "unknown fault").lower()
    if reason:
        raise UsageError(f"{path} can't be read: {reason}.", hint="Check the file and its permissions.")
