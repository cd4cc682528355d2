"""Small faults that could be put into Python source, each as one change of its text.

Which there are: a comparison, `and`, `or`, an operator or a condition is another one; a condition always or never
holds; a call whose result nobody uses, and a `raise`, is left out; a function returns None, or the contrary; a number
is one more, a truth value the other, bytes or a word that isn't prose have a letter more. Left alone are docstrings,
annotations, decorators, imports and messages to people: changing those changes no behaviour that a test should hold.

This module owns what a mutant is. Running tests on one is `tools.mutation`'s.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise

_COMPARISONS: dict[type[ast.cmpop], tuple[str, str]] = {
    ast.Eq: ("==", "!="),
    ast.NotEq: ("!=", "=="),
    ast.Lt: ("<", "<="),
    ast.LtE: ("<=", "<"),
    ast.Gt: (">", ">="),
    ast.GtE: (">=", ">"),
    ast.Is: ("is", "is not"),
    ast.IsNot: (r"is\s+not", "is"),
    ast.In: ("in", "not in"),
    ast.NotIn: (r"not\s+in", "in"),
}
_OPERATORS: dict[type[ast.operator], tuple[str, str]] = {
    ast.Add: ("+", "-"),
    ast.Sub: ("-", "+"),
    ast.Mult: ("*", "//"),
    ast.FloorDiv: ("//", "*"),
    ast.Div: ("/", "*"),
    ast.Mod: ("%", "*"),
    ast.LShift: ("<<", ">>"),
    ast.RShift: (">>", "<<"),
    ast.BitOr: ("|", "&"),
    ast.BitAnd: ("&", "|"),
    ast.BitXor: ("^", "|"),
}
# Calls whose words are for people, or for the type checker.
_TELLS = re.compile(r"cast|\w*(Error|Finding|refused|damaged|_wrong\w*|out_of_order)$")


@dataclass(frozen=True, slots=True)
class Mutant:
    """One change of a source.

    Attributes:
        start: offset of the first byte that is replaced.
        end: offset behind the last.
        text: what takes their place.
        line: of the start, from 1.
        last_line: of the statement that it is in, for finding the tests that run it.
        what: the kind of fault.
    """

    start: int
    end: int
    text: str
    line: int
    last_line: int
    what: str

    def applied(self, source: bytes) -> bytes:
        """The source with the fault in it."""
        return source[: self.start] + self.text.encode() + source[self.end :]


def mutants(source: bytes) -> list[Mutant]:
    """Every fault that can be put into a source, in the order of their places; each still parses."""
    found = {(each.start, each.end, each.text): each for each in _Finder(source).mutants()}
    return [found[key] for key in sorted(found) if _parses(found[key].applied(source))]


def _parses(source: bytes) -> bool:
    try:
        ast.parse(source)
    except SyntaxError:
        return False
    return True


class _Finder:
    """Walks a source's tree; methods named after nodes yield the faults at a node itself."""

    def __init__(self, source: bytes) -> None:
        self.source = source
        self.tree = ast.parse(source)
        lines = source.splitlines(keepends=True)
        self.offsets = [0]
        for line in lines:
            self.offsets.append(self.offsets[-1] + len(line))

    def mutants(self) -> Iterator[Mutant]:
        for statement in self.tree.body:
            yield from self._below(statement)

    def _below(self, node: ast.AST) -> Iterator[Mutant]:
        if _is_left_alone(node):
            return
        at = getattr(self, f"_{type(node).__name__.lower()}", None)
        if at is not None:
            yield from at(node)
        for name, value in ast.iter_fields(node):
            if name not in {"annotation", "returns", "decorator_list", "type_params"}:
                for child in value if isinstance(value, list) else [value]:
                    if isinstance(child, ast.AST):
                        yield from self._below(child)

    def _compare(self, node: ast.Compare) -> Iterator[Mutant]:
        for (left, right), operator in zip(pairwise([node.left, *node.comparators]), node.ops, strict=True):
            pattern, other = _COMPARISONS[type(operator)]
            yield from self._between(left, right, pattern, other, "comparison")

    def _boolop(self, node: ast.BoolOp) -> Iterator[Mutant]:
        word, other = ("and", "or") if isinstance(node.op, ast.And) else ("or", "and")
        for left, right in pairwise(node.values):
            yield from self._between(left, right, word, other, "and, or")

    def _binop(self, node: ast.BinOp) -> Iterator[Mutant]:
        if type(node.op) in _OPERATORS and not _is_text(node.left) and not _is_text(node.right):
            symbol, other = _OPERATORS[type(node.op)]
            yield from self._between(node.left, node.right, re.escape(symbol), other, "operator")

    def _unaryop(self, node: ast.UnaryOp) -> Iterator[Mutant]:
        if isinstance(node.op, ast.Not):
            yield self._mutant(node, self._text(node.operand), "not left out")

    def _if(self, node: ast.If | ast.IfExp | ast.While) -> Iterator[Mutant]:
        yield self._mutant(node.test, "False", "never holds")
        if not isinstance(node, ast.While):
            yield self._mutant(node.test, "True", "always holds")

    _ifexp = _while = _if

    def _comprehension(self, node: ast.comprehension) -> Iterator[Mutant]:
        for test in node.ifs:
            yield self._mutant(test, "True", "always holds")

    def _expr(self, node: ast.Expr) -> Iterator[Mutant]:
        if isinstance(node.value, ast.Call):
            yield self._mutant(node, "pass", "call left out")

    def _raise(self, node: ast.Raise) -> Iterator[Mutant]:
        yield self._mutant(node, "pass", "raise left out")

    def _return(self, node: ast.Return) -> Iterator[Mutant]:
        if isinstance(node.value, ast.Compare | ast.BoolOp):
            yield self._mutant(node.value, f"not ({self._text(node.value)})", "returns the contrary")
        elif node.value is not None and not isinstance(node.value, ast.Constant):
            yield self._mutant(node.value, "None", "returns None")

    def _constant(self, node: ast.Constant) -> Iterator[Mutant]:
        value = node.value
        if isinstance(value, bool):
            yield self._mutant(node, str(not value), "truth value")
        elif isinstance(value, int):
            yield self._mutant(node, str(value + 1), "number")
        elif isinstance(value, bytes) or (isinstance(value, str) and " " not in value):
            yield self._mutant(node, repr(value + (b"x" if isinstance(value, bytes) else "x")), "word")

    def _between(
        self, left: ast.expr, right: ast.expr, pattern: str, other: str, what: str
    ) -> Iterator[Mutant]:
        """The operator between two expressions replaced."""
        start, end = self._span(left)[1], self._span(right)[0]
        gap = self.source[start:end].decode()
        place = re.search(rf"(?<!\w){pattern}(?!\w)" if other[0].isalpha() else pattern, gap)
        if place:
            before, after = len(gap[: place.start()].encode()), len(gap[: place.end()].encode())
            yield Mutant(start + before, start + after, other, left.end_lineno or 0, right.lineno, what)

    def _mutant(self, node: ast.expr | ast.stmt, text: str, what: str) -> Mutant:
        return Mutant(*self._span(node), text, node.lineno, node.end_lineno or node.lineno, what)

    def _span(self, node: ast.expr | ast.stmt) -> tuple[int, int]:
        end_line, end_column = node.end_lineno or 0, node.end_col_offset or 0
        return self.offsets[node.lineno - 1] + node.col_offset, self.offsets[end_line - 1] + end_column

    def _text(self, node: ast.expr) -> str:
        start, end = self._span(node)
        return self.source[start:end].decode()


def _is_left_alone(node: ast.AST) -> bool:
    """Whether nothing below a node is behaviour."""
    if isinstance(node, ast.Import | ast.ImportFrom | ast.JoinedStr):
        return True
    if isinstance(node, ast.If):
        return isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING"
    if isinstance(node, ast.Expr):
        return isinstance(node.value, ast.Constant)
    if isinstance(node, ast.Call):
        name = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
        return bool(_TELLS.match(name))
    return isinstance(node, ast.keyword) and node.arg in {"what", "hint", "where"}


def _is_text(node: ast.expr) -> bool:
    return isinstance(node, ast.JoinedStr) or (isinstance(node, ast.Constant) and isinstance(node.value, str))
