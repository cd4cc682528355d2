r"""Canonical JSON: one value, one spelling, so that a digest or a signature over it means one thing.

A document is a single JSON value (RFC 8259) in printable ASCII, and is accepted only if writing its value
gives the very same bytes:

- no white space outside strings; the members of an object in ascending order of their names' bytes;
- names and strings of the characters 0x20 to 0x7E; only `"` and `\` are escaped, by one backslash each;
- numbers are integers of at most 2^53 - 1 in size, without exponent, fraction, leading zero or `-0`;
- no object has a name twice; at most 32 arrays and objects inside each other; nothing after the value.

This is the part of the JSON Canonicalization Scheme that needs no floating point and no Unicode, where a
sorted `json.dumps` and any JCS implementation agree.

Source: RFC 8785, section 3.2.
"""

from __future__ import annotations

import json
import re
from typing import Any, NoReturn

from pprl.errors import FormatError

LARGEST_INTEGER = 2**53 - 1
DEEPEST = 32

_PRINTABLE = re.compile(r"[\x20-\x7e]*")
_LONGEST_NUMBER = len(str(-LARGEST_INTEGER))


def dumps(value: Any) -> bytes:
    """Write a value in its one spelling. Run by whoever makes a document.

    Args:
        value: None, bool, int, str, list, tuple or dict with str keys, of those again.

    Returns:
        The document, without a line feed at its end.

    Raises:
        FormatError: the value holds something that canonical JSON has no spelling for.
    """
    _check(value, 0)
    return json.dumps(value, sort_keys=True, separators=(",", ":")).encode("ascii")


def loads(raw: bytes, *, what: str = "The document") -> Any:
    """Read a document, refusing every spelling but the canonical one. Run by whoever receives it.

    Args:
        raw: the whole document. Its size is the caller's to cap.
        what: how a refusal names the document.

    Returns:
        None, bool, int, str, list or dict.

    Raises:
        FormatError: not canonical JSON, for whatever reason; no other exception on any bytes.
    """
    value, fault = _read(raw)
    if fault:
        # Raised here, since an exception raised in a handler keeps the first one, which holds the document.
        raise FormatError(f"{what} is not {fault}")
    return value


def _read(raw: bytes) -> tuple[Any, str]:
    """A document's value, and what it is not; "" if nothing is wrong."""
    try:
        value = json.loads(
            raw.decode("ascii"),
            object_pairs_hook=_members,
            parse_float=_refuse_number,
            parse_constant=_refuse_number,
            parse_int=_integer,
        )
        canonical = dumps(value) == raw
    except FormatError as error:
        return None, f"canonical JSON: {error.message}"
    except UnicodeDecodeError:
        return None, "canonical JSON: it is not ASCII."
    except (ValueError, RecursionError):
        return None, "JSON."
    return value, "" if canonical else "canonical JSON: the same value is spelt differently."


def _check(value: Any, depth: int) -> None:
    if depth > DEEPEST:
        raise FormatError(f"more than {DEEPEST} arrays and objects inside each other.")
    if isinstance(value, dict):
        for name in value:
            _check_string(name)
        _check_all(value.values(), depth)
    elif isinstance(value, (list, tuple)):
        _check_all(value, depth)
    elif isinstance(value, str):
        _check_string(value)
    elif value is not None:
        _check_integer(value)  # True and False among them: bool is an int


def _check_all(values: Any, depth: int) -> None:
    for value in values:
        _check(value, depth + 1)


def _check_string(value: Any) -> None:
    if not isinstance(value, str) or not _PRINTABLE.fullmatch(value):
        raise FormatError("a name or string is not printable ASCII.")


def _check_integer(value: Any) -> None:
    if not isinstance(value, int):
        raise FormatError("a value is neither null, boolean, integer, string, array nor object.")
    if abs(value) > LARGEST_INTEGER:
        raise FormatError("an integer is beyond 2^53 - 1.")


def _members(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) != len(pairs):
        raise FormatError("an object has a name twice.")
    return members


def _integer(digits: str) -> int:
    # Python refuses, slowly and in its own words, to convert thousands of digits.
    if len(digits) > _LONGEST_NUMBER:
        raise FormatError("an integer is beyond 2^53 - 1.")
    return int(digits)


def _refuse_number(_: str) -> NoReturn:
    raise FormatError("a number is not an integer.")
