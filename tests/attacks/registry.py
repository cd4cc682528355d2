"""What an attack is, and how it is run both ways.

Each attack names the check that must stop it. `run` tries the attack twice: as the code stands, where that very check
must refuse it, and with the check taken out, where it must get through, or as far as the attack says. An attack that
fares the same without its check shows nothing about it: it doesn't bite.
"""

from __future__ import annotations
import __future__

import ast
import inspect
import textwrap
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from traceback import walk_tb
from types import CodeType
from typing import Any
from unittest import mock

from pprl.errors import PprlError

THROUGH = ""
"""Without its check, the attack succeeds."""


def nothing(*_: object, **__: object) -> None:
    """What stands in the place of a check that only refuses."""


@dataclass(frozen=True, slots=True)
class Removal:
    """How a check is taken out.

    Attributes:
        owner: the module or class in which it is looked up.
        name: its name there.
        instead: what stands in its place.
        check: the check as it is told; the removed function itself, where it isn't given.
        refuses: the function that itself raises the refusal, where that is another or calls many checks; else None.
        number: the number that it has in the docstring of the function that runs it; empty where it has none.
    """

    owner: Any
    name: str
    instead: object
    check: Any
    refuses: Any
    number: str

    @property
    def told(self) -> str:
        """The check as a table names it."""
        return f"{self.check.__module__}.{self.check.__qualname__}"

    def raised(self, error: BaseException) -> bool:
        """Whether a refusal is its: it came out of the check's code, or out of what that calls.

        Where `refuses` is given, out of that function's own code.
        """
        if self.refuses is None:
            return any(self.check.__code__ in codes for codes in _codes(error))
        return any(inspect.unwrap(self.refuses).__code__ is codes[-1] for codes in _codes(error))


def remove(
    owner: Any,
    name: str,
    instead: object = nothing,
    *,
    check: Any = None,
    refuses: Any = None,
    number: int | str = "",
) -> Removal:
    """A check, and how it is taken out: see `Removal`."""
    check = check or getattr(owner, name)
    return Removal(owner, name, instead, check, refuses, str(number))


def cut(owner: Any, name: str, saying: str, *, number: int | str = "") -> Removal:
    """A check that is one `if` of a function, which ends in a refusal that says so; the function goes on without it.

    Raises:
        ValueError: the function has not exactly one such `if`.
    """
    function = getattr(owner, name)
    source = textwrap.dedent(inspect.getsource(function))
    editor = _Cut(saying)
    tree = ast.fix_missing_locations(editor.visit(ast.parse(source)))
    if editor.found != 1:
        raise ValueError(f"{name} has {editor.found} refusals that say so: {saying}")
    flags = function.__code__.co_flags & __future__.annotations.compiler_flag
    places: dict[str, Any] = {}
    code = compile(tree, function.__code__.co_filename, "exec", flags=flags, dont_inherit=True)
    exec(code, function.__globals__, places)  # noqa: S102 - our own source, less a check
    return remove(owner, name, places[name], refuses=function, number=number)


class _Cut(ast.NodeTransformer):
    def __init__(self, saying: str) -> None:
        self.saying = saying
        self.found = 0

    def visit_If(self, node: ast.If) -> ast.AST:
        if isinstance(node.body[-1], ast.Raise) and self._says_so(node.body[-1]):
            self.found += 1
            return ast.If(node.test, [ast.Pass()], node.orelse)
        return self.generic_visit(node)

    def _says_so(self, refusal: ast.Raise) -> bool:
        parts = [each.value for each in ast.walk(refusal) if isinstance(each, ast.Constant)]
        return any(isinstance(each, str) and self.saying in each for each in parts)


@dataclass(frozen=True, slots=True)
class Attack:
    """What is tried, which refusal must meet it, which checks then go, and what must happen without them.

    Attributes:
        name: what it is called, once in its subject.
        tries: what the attacker does, in one line.
        attempt: does it; returns only if it succeeded.
        refusal: the class of the refusal.
        saying: what the refusal says, or one of its findings.
        removed: the check that stops it, and after it those that would stop it as well, each on its own.
        then: what the refusal says that it meets without all these; `THROUGH` if none does.
    """

    name: str
    tries: str
    attempt: Callable[[], Any]
    refusal: type[PprlError]
    saying: str
    removed: Sequence[Removal]
    then: str = THROUGH


@dataclass(frozen=True, slots=True)
class Finding:
    """How an attack fared.

    Attributes:
        attack: the attack.
        refused: whether its named check, and no other, refused it.
        each: whether every one of the removed checks refuses it alone, with the others taken out.
        bites: whether it fares without the checks as it is said to.
        met: the refusal that it met as the code stands; empty if none.
        met_without: the one that it met without the checks.
    """

    attack: Attack
    refused: bool
    each: bool
    bites: bool
    met: str
    met_without: str

    @property
    def as_stated(self) -> bool:
        """Whether all is as the attack says."""
        return self.refused and self.each and self.bites


def run(attack: Attack) -> Finding:
    """Try an attack as the code stands, with all but one of its checks removed for each, and without them all."""
    first = attack.removed[0]
    met, without = _tried(attack, ()), _tried(attack, attack.removed)
    refused = isinstance(met, attack.refusal) and _says(met, attack.saying) and first.raised(met)
    each = all(_stops_alone(attack, removal) for removal in attack.removed[1:])
    return Finding(attack, refused, each, _bites(attack, without), str(met or ""), str(without or ""))


def _stops_alone(attack: Attack, removal: Removal) -> bool:
    error = _tried(attack, [other for other in attack.removed if other is not removal])
    return error is not None and removal.raised(error)


def _bites(attack: Attack, without: PprlError | None) -> bool:
    if without is None or attack.then == THROUGH:
        return without is None and attack.then == THROUGH
    return _says(without, attack.then) and not _says(without, attack.saying)


def _tried(attack: Attack, removed: Sequence[Removal]) -> PprlError | None:
    """The refusal that an attack meets without some checks; anything but a refusal is a fault of the attack."""
    with ExitStack() as stack:
        for removal in removed:
            stack.enter_context(mock.patch.object(removal.owner, removal.name, removal.instead))
        try:
            attack.attempt()
        except PprlError as error:
            return error
    return None


def _says(error: BaseException, text: str) -> bool:
    told = [str(error), *map(str, getattr(error, "findings", ()))]
    return any(text in each for each in told)


def _codes(error: BaseException | None) -> Iterator[list[CodeType]]:
    """The code that an error went through, outermost first; then that of the error in whose place it came."""
    while error is not None:
        yield [frame.f_code for frame, _ in walk_tb(error.__traceback__)]
        error = error.__context__
