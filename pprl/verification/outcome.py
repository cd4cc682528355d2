"""A check of a run, and how it came out."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Result = Literal["ok", "NO", "--"]
Subject = Literal["agreement", "log", "run"]


@dataclass(frozen=True, slots=True)
class Check:
    """Something that must hold.

    Attributes:
        number: its place in the order in which checks are made, from 1.
        id: its short name, which stays the same.
        words: what must hold.
        of: what it is made of: the agreement in hand, each log, or all logs together.
        needs: checks that must have passed, as this one can't be made otherwise.
    """

    number: int
    id: str
    words: str
    of: Subject
    needs: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a check came out.

    Attributes:
        check: which one.
        log: the name of the export that it was made of; empty if it is of none alone.
        result: `ok`, `NO`, or `--` if it could not be made or there was nothing to check.
        told: what was found, or why not.
        stopped_by: the id of the failed check without which this one can't be made; empty otherwise.
    """

    check: Check
    log: str
    result: Result
    told: str
    stopped_by: str = ""

    @property
    def failed(self) -> bool:
        """Whether the run is refused for it."""
        return self.result == "NO"


@dataclass(frozen=True, slots=True)
class NothingToCheck:
    """What a check gives if the run has not got what it is about.

    Attributes:
        why: in words.
    """

    why: str
