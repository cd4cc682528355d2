"""Members of a JSON object, read strictly: the right names, types and forms, or a `FormatError` that names the place.

For documents whose JSON `canonical.loads` has already found to be canonical. What is wrong is never quoted.
"""

from __future__ import annotations

import base64
import binascii
import re
from typing import Any

from pprl.errors import FormatError
from pprl.protocol import canonical
from pprl.protocol.kinds import NAME

SHA256 = re.compile(r"[0-9a-f]{64}")
HEX_ID = re.compile(r"[0-9a-f]{32}")


def an_object(tree: Any, names: set[str], what: str) -> dict[str, Any]:
    """An object of exactly these members; `what` names it as the subject of a sentence."""
    if not isinstance(tree, dict) or set(tree) != names:
        raise FormatError(f"{what} must be an object of exactly: {', '.join(sorted(names))}.")
    return tree


def an_array(tree: Any, length: int, what: str) -> list[Any]:
    """An array of exactly so many entries."""
    if not isinstance(tree, list) or len(tree) != length:
        raise FormatError(f"{what} must be an array of exactly {length}.")
    return tree


def constant(value: Any, expected: str | int, what: str) -> None:
    """One value and no other; `true` is no 1."""
    if type(value) is not type(expected) or value != expected:
        raise FormatError(f"{what} must be '{expected}'.")


def text(value: Any, pattern: re.Pattern[str], what: str) -> str:
    """Text of a form."""
    if not isinstance(value, str) or not pattern.fullmatch(value):
        raise FormatError(f"{what} is not of the form that the format gives it.")
    return value


def name(value: Any, what: str) -> str:
    """The id of a party, or the name of a dataset or project."""
    return text(value, NAME, what)


def count(value: Any, what: str, *, least: int = 0) -> int:
    """A whole number.

    Args:
        value: what a document holds.
        what: its name in refusals.
        least: the smallest that it may be.

    Raises:
        FormatError: it is no whole number, smaller, or larger than 2 ** 53 - 1.
    """
    # bool is an int in Python, and true is no number in JSON.
    if type(value) is not int or not least <= value <= canonical.LARGEST_INTEGER:
        raise FormatError(f"{what} must be a whole number, {least} or more.")
    return value


def length(value: bytes, expected: int, what: str) -> bytes:
    """Bytes of one length."""
    if len(value) != expected:
        raise FormatError(f"{what} must have {expected} bytes.")
    return value


def to_base64(raw: bytes) -> str:
    """Standard base64, with padding."""
    return base64.b64encode(raw).decode("ascii")


def from_base64(value: Any, what: str) -> bytes:
    """Bytes from their one spelling in standard base64.

    Raises:
        FormatError: it is no such spelling; `what` names it.
    """
    raw = bytes_in(value)
    if not raw and value != "":
        raise FormatError(f"{what} is not standard base64, or has spare bits.")
    return raw


def bytes_in(value: Any) -> bytes:
    """Bytes from their one spelling in standard base64; none from anything else.

    For secrets, whose length is known: a refusal is then the caller's own, and is chained to nothing.
    """
    try:
        raw = base64.b64decode(value if isinstance(value, str) else "?", validate=True)
    except (binascii.Error, ValueError):
        return b""
    return raw if to_base64(raw) == value else b""
