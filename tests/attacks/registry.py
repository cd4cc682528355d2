"""What an attack is, and how it is run both ways.

Each attack names the check that must stop it. `run` tries the attack twice: as the code stands, where that very check
must refuse it, and with the check taken out, where it must get through, or as far as the attack says. An attack that
fares the same without its check shows nothing about it: it doesn't bite.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
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
        check: the function that refuses; the removed one itself, where it isn't given.
        number: the number that it has in the docstring of the function that runs it; empty where it has none.
    """

    owner: Any
    name: str
    instead: object
    check: Any
    number: str

    @property
    def told(self) -> str:
        """The check as a table names it."""
        return f"{self.check.__module__}.{self.check.__qualname__}"

    @property
    def code(self) -> CodeType:
        """The check's own code, by which a refusal is known to be its."""
        found: CodeType = self.check.__code__
        return found


def remove(
    owner: Any, name: str, instead: object = nothing, *, check: Any = None, number: int | str = ""
) -> Removal:
    """A check, and how it is taken out: see `Removal`."""
    check = check or getattr(owner, name)
    return Removal(owner, name, instead, getattr(check, "__func__", check), str(number))


@dataclass(frozen=True, slots=True)
class Attack:
    """What is tried, which refusal must meet it, which checks then go, and what must happen without them.

    Attributes:
        name: what it is called, once in its subject.
        tries: what the attacker does, in one line.
        attempt: does it; returns only if it succeeded.
        refusal: the class of the refusal.
        saying: what the refusal says.
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
    """

    attack: Attack
    refused: bool
    each: bool
    bites: bool

    @property
    def as_stated(self) -> bool:
        """Whether all is as the attack says."""
        return self.refused and self.each and self.bites


def run(attack: Attack) -> Finding:
    """Try an attack as the code stands, with all but one of its checks removed for each, and without them all."""
    first = attack.removed[0]
    error = _tried(attack, ())
    refused = isinstance(error, attack.refusal) and attack.saying in str(error) and _refused_by(error, first)
    each = all(_stops_alone(attack, removal) for removal in attack.removed[1:])
    return Finding(attack, refused, each, _bites(attack))


def _stops_alone(attack: Attack, removal: Removal) -> bool:
    error = _tried(attack, [other for other in attack.removed if other is not removal])
    return error is not None and _refused_by(error, removal)


def _bites(attack: Attack) -> bool:
    error = _tried(attack, attack.removed)
    if error is None or attack.then == THROUGH:
        return error is None and attack.then == THROUGH
    return attack.then in str(error) and not any(_refused_by(error, removal) for removal in attack.removed)


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


def _refused_by(error: BaseException, removal: Removal) -> bool:
    return any(code is removal.code for code in _codes(error))


def _codes(error: BaseException | None) -> Iterator[CodeType]:
    """The code that an error went through, that of errors in whose place it came included."""
    while error is not None:
        trace = error.__traceback__
        while trace is not None:
            yield trace.tb_frame.f_code
            trace = trace.tb_next
        error = error.__context__
