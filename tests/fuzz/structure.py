"""Changing bytes in a way that keeps their outer spelling whole, so that a fuzzer gets past the strict first checks.

A change of a byte anywhere in canonical JSON, or behind a length, is nearly always refused at once as badly spelt.
Here the bytes are taken apart first (lengths, JSON, base64 inside it, lines), one part is changed, and all is spelt
again as the format wants it: members in order, lengths right. Which part and how is drawn, so that a seed replays.
"""

from __future__ import annotations

import base64
import binascii
import json
import random
from collections.abc import Callable, Iterator
from typing import Any

Change = Callable[[bytes], bytes]
"""A change of bytes that knows nothing of what they mean; it may make them longer or shorter."""

_Path = tuple[str | int, ...]

_HEADER_MAGIC = b"PPRL"
_SUBMISSION_MAGIC = b"PPRLSUB1"
_MOST_NESTED = 4
_WIDTHS = (1, 4, 8, 16, 20, 24, 32, 36, 40)
_NUMBERS = (-1, 0, 1, 2, 3, 255, 2**31, 2**31 + 1, 2**32, 2**53 - 1, 2**53, 2**64)
_VALUES: tuple[Any, ...] = (None, True, False, "", "a", "-", "\n", [], {}, [[]], {"": 0}, 1.5)


def changed(raw: bytes, draw: random.Random, change: Change, *, depth: int = 0) -> bytes:
    """Bytes with one of their parts changed, spelt again as their format wants it.

    Args:
        raw: any bytes.
        draw: decides everything but what `change` does.
        change: for parts without structure that is known here.
        depth: how many layers stand around these bytes already.
    """
    if depth >= _MOST_NESTED or draw.random() < 0.1:
        return change(raw)
    for form in (_submission, _framed, _json, _lines):
        found = form(raw, draw, change, depth)
        if found is not None:
            return found
    return change(raw)


def plain(draw: random.Random) -> Change:
    """A change of a few bytes without a fuzzer's help."""

    def change(raw: bytes) -> bytes:
        at, cut = draw.randrange(len(raw) + 1), draw.choice((0, 1, 1, 1, 2, 8, 16))
        put = draw.choice((b"", draw.randbytes(1), draw.randbytes(1), b"\x00", b"\xff", draw.randbytes(cut)))
        return raw[:at] + put + raw[at + cut :]

    return change


def _submission(raw: bytes, draw: random.Random, change: Change, depth: int) -> bytes | None:
    """Two lengths, each with as many bytes behind it."""
    if not raw.startswith(_SUBMISSION_MAGIC):
        return None
    parts, start = [], len(_SUBMISSION_MAGIC)
    for _ in range(2):
        length = int.from_bytes(raw[start : start + 8], "big")
        parts.append(raw[start + 8 : start + 8 + length])
        start += 8 + length
    place = draw.randrange(2)
    parts[place] = changed(parts[place], draw, change, depth=depth + 1)
    return _SUBMISSION_MAGIC + b"".join(len(part).to_bytes(8, "big") + part for part in parts)


def _framed(raw: bytes, draw: random.Random, change: Change, depth: int) -> bytes | None:
    """A magic, a length, a JSON header of that length, and a body."""
    if not raw.startswith(_HEADER_MAGIC):
        return None
    end = 12 + int.from_bytes(raw[8:12], "big")
    magic, header, body = raw[:8], raw[12:end], raw[end:]
    what = draw.randrange(3)
    if what != 0:
        header = _json(header, draw, change, depth) or change(header)
    if what != 1:
        body = _table(body, draw, change)
    return magic + len(header).to_bytes(4, "big") + header + body


def _table(body: bytes, draw: random.Random, change: Change) -> bytes:
    """Records of some fixed size, of which one is left out, repeated, put in, exchanged or changed."""
    width = draw.choice(_WIDTHS)
    at = width * draw.randrange(len(body) // width + 1)
    record = body[at : at + width]
    put = draw.choice((b"", record + record, bytes(width) + record, record[::-1], change(record)[:width]))
    if draw.random() < 0.3:
        return change(body)
    return body[:at] + put + body[at + width :]


def _json(raw: bytes, draw: random.Random, change: Change, depth: int) -> bytes | None:
    """A JSON value, perhaps with a line feed after it."""
    if raw[:1] not in b"{[" or not raw:
        return None
    try:
        tree = json.loads(raw)
    except (ValueError, RecursionError):
        return None
    places = list(_places(tree))
    where = draw.choice(places)
    tree = _with(tree, where, _other(_at(tree, where), tree, draw, change, depth))
    end = b"\n" if raw.endswith(b"\n") else b""
    return json.dumps(tree, sort_keys=True, separators=(",", ":")).encode() + end


def _places(tree: Any, path: _Path = ()) -> Iterator[_Path]:
    yield path
    inner = tree.items() if isinstance(tree, dict) else enumerate(tree) if isinstance(tree, list) else ()
    for key, value in inner:
        yield from _places(value, (*path, key))


def _at(tree: Any, path: _Path) -> Any:
    for key in path:
        tree = tree[key]
    return tree


def _with(tree: Any, path: _Path, value: Any) -> Any:
    if not path:
        return value
    copy = dict(tree) if isinstance(tree, dict) else list(tree)
    copy[path[0]] = _with(copy[path[0]], path[1:], value)
    return copy


def _other(value: Any, tree: Any, draw: random.Random, change: Change, depth: int) -> Any:
    """Another value in place of one: near it mostly, sometimes of any kind."""
    if draw.random() < 0.1:
        return draw.choice((*_VALUES, _at(tree, draw.choice(list(_places(tree))))))
    if isinstance(value, dict):
        return _other_members(value, draw)
    if isinstance(value, list):
        return _other_items(value, draw)
    if isinstance(value, str):
        return _other_text(value, draw, change, depth)
    if isinstance(value, int):
        return _other_number(value, draw)
    return draw.choice(_VALUES)


def _other_number(value: int, draw: random.Random) -> int:
    return draw.choice((value + 1, value - 1, value * 2, draw.choice(_NUMBERS), draw.getrandbits(16)))


def _other_members(members: dict[str, Any], draw: random.Random) -> dict[str, Any]:
    if not members or draw.random() < 0.3:
        return {**members, draw.choice(("x", "version", "format", *members)): draw.choice(_VALUES)}
    name = draw.choice(list(members))
    left = {each: value for each, value in members.items() if each != name}
    return left if draw.random() < 0.5 else {**left, draw.choice((name + "x", *members)): members[name]}


def _other_items(items: list[Any], draw: random.Random) -> list[Any]:
    if not items:
        return [draw.choice(_VALUES)]
    one, other = draw.randrange(len(items)), draw.randrange(len(items))
    match draw.randrange(3):
        case 0:
            return items[:one] + items[one + 1 :]
        case 1:
            return [*items, items[one]]
    swapped = list(items)
    swapped[one], swapped[other] = items[other], items[one]
    return swapped


def _other_text(text: str, draw: random.Random, change: Change, depth: int) -> str:
    decoded = _from_base64(text)
    if decoded and draw.random() < 0.8:
        return base64.b64encode(changed(decoded, draw, change, depth=depth + 1)).decode()
    other = change(text.encode()).decode("latin-1")
    return "".join(character for character in other if draw.random() < 0.01 or " " <= character <= "~")


def _from_base64(text: str) -> bytes:
    try:
        return base64.b64decode(text, validate=True) if len(text) >= 24 else b""
    except (binascii.Error, ValueError):
        return b""


def _lines(raw: bytes, draw: random.Random, change: Change, depth: int) -> bytes | None:
    """Lines of text, of which one is left out, repeated, moved or changed, or takes another's value."""
    if b"\n" not in raw or not _is_text(raw):
        return None
    lines = raw.splitlines(keepends=True)
    one, other = draw.randrange(len(lines)), draw.randrange(len(lines))
    name, equals, _ = lines[one].partition(b"=")
    match draw.randrange(7):
        case 0:
            del lines[one]
        case 1:
            lines.insert(other, lines[one])
        case 2:
            lines[one], lines[other] = lines[other], lines[one]
        case 3 if equals:
            lines[one] = name + equals + lines[other].partition(b"=")[2]
        case 4 | 5:
            lines[one] = _other_word(lines[one], draw, change, depth)
        case _:
            lines[one] = change(lines[one].rstrip(b"\n")) + b"\n"
    return b"".join(lines)


def _other_word(line: bytes, draw: random.Random, change: Change, depth: int) -> bytes:
    """A line with its last word changed: in base64, what it stands for; a number, by little."""
    before, space, word = line.rstrip(b"\n").rpartition(b" ")
    if word.isdigit() and len(word) < 20:
        return before + space + b"%d" % _other_number(int(word), draw) + b"\n"
    return before + space + _other_text(word.decode(errors="replace"), draw, change, depth).encode() + b"\n"


def _is_text(raw: bytes) -> bool:
    try:
        raw.decode()
    except UnicodeDecodeError:
        return False
    return True
