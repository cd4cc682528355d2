"""What a coordinator party certifies when it has destroyed what it was sent under an agreement.

The certificate is a signed statement of kind `destruction-certificate` (docs/formats/certificate.md) about the
agreement. It names the run key that is gone, so that whoever holds the party's signature of the agreement knows which
key nobody has any more, and every container that was deleted.

This module owns the value and its spelling; `pprl.crypto.certificates` signs and verifies.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date
from typing import Any

from pprl.errors import FormatError
from pprl.protocol import members
from pprl.protocol.signatures import a_day

CERTIFICATE_KIND = "destruction-certificate"

_MEMBERS = {"containers", "destroyed_on", "party", "roles", "run_key_sha256"}
_ROLE = re.compile(r"key-issuer|matcher")


@dataclass(frozen=True, slots=True)
class Certificate:
    """What was destroyed, by whom and when.

    Attributes:
        party: who destroyed it.
        roles: the coordinator roles whose runs are over with it, in ascending order; at least one.
        containers: SHA-256 of each container that was deleted, 64 hexadecimal digits, in ascending order.
        run_key_sha256: SHA-256 of the public half of the run key that was destroyed, 64 hexadecimal digits.
        destroyed_on: the day, by the party's clock.
    """

    party: str
    roles: tuple[str, ...]
    containers: tuple[str, ...]
    run_key_sha256: str
    destroyed_on: date

    def __post_init__(self) -> None:
        members.name(self.party, "The party of a certificate")
        members.text(self.run_key_sha256, members.SHA256, "The run_key_sha256 of a certificate")
        _ascending(self.roles, _ROLE, "The roles of a certificate")
        _ascending(self.containers, members.SHA256, "The containers of a certificate")
        if not self.roles:
            raise FormatError("The roles of a certificate are none at all.")

    def to_predicate(self) -> dict[str, Any]:
        """The members of the statement's predicate."""
        return {
            "containers": list(self.containers),
            "destroyed_on": self.destroyed_on.isoformat(),
            "party": self.party,
            "roles": list(self.roles),
            "run_key_sha256": self.run_key_sha256,
        }

    @classmethod
    def from_predicate(cls, tree: Any) -> Certificate:
        """Read a predicate, strictly.

        Raises:
            FormatError: anything else; no other exception.
        """
        found = members.an_object(tree, _MEMBERS, "A certificate")
        return cls(
            party=found["party"],
            roles=_listed(found["roles"], "The roles of a certificate"),
            containers=_listed(found["containers"], "The containers of a certificate"),
            run_key_sha256=found["run_key_sha256"],
            destroyed_on=a_day(found["destroyed_on"], "The destroyed_on of a certificate"),
        )


def _listed(value: Any, what: str) -> tuple[Any, ...]:
    if not isinstance(value, list):
        raise FormatError(f"{what} must be an array.")
    return tuple(value)


def _ascending(values: Iterable[Any], form: re.Pattern[str], what: str) -> None:
    texts = [members.text(value, form, what) for value in values]
    if texts != sorted(set(texts)):
        raise FormatError(f"{what} must be in ascending order, each once.")
