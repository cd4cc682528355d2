"""The request of a department that has lost the linkage secret: the predicate of its signed statement.

A statement of kind `reseal-request` is about the agreement (subject: the project's id, and the agreement's SHA-256).
Its predicate is

    {"asked_on": DAY, "party": DEPARTMENT, "transcript": HEX}

This module owns the values and their spelling; `pprl.crypto.reseal` verifies.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from typing import Any

from pprl.protocol import members
from pprl.protocol.signatures import a_day

KIND = "reseal-request"
_WHAT = "A request for shares"


@dataclass(frozen=True, slots=True)
class ResealRequest:
    """That a department has lost the linkage secret, and asks another for all shares.

    Attributes:
        party: the department that asks.
        transcript: the ceremony whose shares it asks for, 64 hexadecimal digits.
        asked_on: the day, by its clock.
    """

    party: str
    transcript: str
    asked_on: date

    def __post_init__(self) -> None:
        members.name(self.party, f"The party of {_WHAT.lower()}")
        members.text(self.transcript, members.SHA256, f"The transcript of {_WHAT.lower()}")

    def to_predicate(self) -> dict[str, Any]:
        """The members of the statement's predicate."""
        return {
            "asked_on": self.asked_on.isoformat(),
            "party": self.party,
            "transcript": self.transcript,
        }

    @classmethod
    def from_predicate(cls, tree: Any) -> ResealRequest:
        """Read a predicate, strictly.

        Raises:
            FormatError: anything else; no other exception.
        """
        found = members.an_object(tree, {"asked_on", "party", "transcript"}, _WHAT)
        asked_on = a_day(found["asked_on"], f"The asked_on of {_WHAT.lower()}")
        return cls(found["party"], found["transcript"], asked_on)
