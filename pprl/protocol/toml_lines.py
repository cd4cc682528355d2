"""On which line of a TOML text each key stands, so that a message can name it.

The standard parser tells what a file holds, not where. This reads a text that the parser has already
accepted, in one pass and time in proportion to its length, and decides nothing: a mistake here could only
name a wrong line.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator
from typing import NamedTuple

KeyPath = tuple[int | str, ...]
Lines = dict[KeyPath, int]


class _Token(NamedTuple):
    text: str
    line: int


_TOKEN = re.compile(
    r'''"""(?:\\.|[^\\])*?"""(?!")|\'\'\'.*?\'\'\'(?!\')|"(?:[^"\\\n]++|\\.)*+"|'[^'\n]*'|#[^\n]*|[ \t]+'''
    r"""|[\[\]{},=\n]|[^\[\]{},=\n"'# \t]+|.""",
    re.DOTALL,
)
_BARE_KEY = re.compile(r"[A-Za-z0-9_-]+")


def key_lines(text: str) -> Lines:
    """The line on which each table, key and array element starts. Everybody who reads an agreement runs it.

    Keys inside an inline table are left out: they stand on the line of the nearest path that is there.

    Args:
        text: valid TOML.

    Returns:
        Lines, counted from 1, by path from the root: strings are keys, numbers are places in arrays.
    """
    lines: Lines = {}
    counts: dict[KeyPath, int] = {}
    table: KeyPath = ()
    for statement in _statements(text):
        if statement[0].text == "[":
            table = _table(statement, counts)
            path = table
        else:
            path = (*table, *_key(statement))
            for place, line in _elements(path, statement):
                lines.setdefault(place, line)
        for length in range(1, len(path) + 1):
            lines.setdefault(path[:length], statement[0].line)
    return lines


def line_of(path: KeyPath, lines: Lines) -> int | None:
    """The line of a path, or of the nearest thing around it; None if the text has neither."""
    for length in range(len(path), 0, -1):
        if path[:length] in lines:
            return lines[path[:length]]
    return None


def dotted(path: KeyPath) -> str:
    """A path as people write it: `party[0].keys`."""
    return "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in path).lstrip(".")


def _statements(text: str) -> Iterator[list[_Token]]:
    line, depth = 1, 0
    statement: list[_Token] = []
    for piece in _TOKEN.findall(text):
        if piece in ("[", "{"):
            depth += 1
        elif piece in ("]", "}"):
            depth -= 1
        if piece == "\n" and depth <= 0 and statement:
            yield statement
            statement = []
        if not piece.isspace() and not piece.startswith("#"):
            statement.append(_Token(piece, line))
        line += piece.count("\n")
    if statement:
        yield statement


def _table(statement: list[_Token], counts: dict[KeyPath, int]) -> KeyPath:
    """The path that a [table] or [[array of tables]] header opens; `counts` remembers the arrays' lengths."""
    brackets = 2 if len(statement) > 1 and statement[1].text == "[" else 1
    named = _parts(statement[brackets:-brackets])
    path: KeyPath = ()
    for part in named[:-1]:
        path = (*path, part)
        if path in counts:
            path = (*path, counts[path] - 1)
    path = (*path, named[-1])
    if brackets == 1:
        return path
    counts[path] = counts.get(path, 0) + 1
    return (*path, counts[path] - 1)


def _key(statement: list[_Token]) -> tuple[str, ...]:
    equals = next(place for place, token in enumerate(statement) if token.text == "=")
    return _parts(statement[:equals])


def _parts(tokens: list[_Token]) -> tuple[str, ...]:
    """The parts of a dotted key, quoted or bare, as the parser itself understands them."""
    if len(tokens) == 1 and _BARE_KEY.fullmatch(tokens[0].text):
        return (tokens[0].text,)
    tree = tomllib.loads("".join(token.text for token in tokens) + " = 0")
    parts: list[str] = []
    while isinstance(tree, dict):
        [(part, tree)] = tree.items()
        parts.append(part)
    return tuple(parts)


def _elements(path: KeyPath, statement: list[_Token]) -> Iterator[tuple[KeyPath, int]]:
    """The places of a value's array elements, of arrays inside arrays too."""
    start = next(place for place, token in enumerate(statement) if token.text == "=") + 1
    open_at: list[KeyPath | None] = []  # None marks an inline table: what is inside stands on its line
    index: list[int] = []
    fresh = False
    for text, line in statement[start:]:
        if text in ("]", "}"):
            open_at.pop()
            index.pop()
            fresh = False
        elif text == ",":
            index[-1] += 1
            fresh = True
        else:
            around = open_at[-1] if open_at else None
            here = path if not open_at else None if around is None else (*around, index[-1])
            if fresh and here is not None:
                yield here, line
            fresh = text == "["
            if text in ("[", "{"):
                open_at.append(here if fresh else None)
                index.append(0)
