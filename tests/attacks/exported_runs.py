"""Attacks on exported runs: each tampering that only one of the auditor's checks finds (tests/support/tamperings).

Whoever tampers has all keys, and lets everybody sign anew: what no signature finds out, the named check has to.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import cache
from typing import Any

from pprl.errors import VerificationError
from pprl.verification import checks
from tests.attacks.ground import fresh
from tests.attacks.registry import Attack, Removal, remove
from tests.support.exported import Run, make_run
from tests.support.tamperings import EVERY, Tampering

TABLES = ("OF_LOG", "OF_RUN")


@cache
def exported() -> Run:
    """The small project's run, with both logs exported."""
    return make_run(fresh())


def verified(tampering: Tampering) -> Callable[[], Any]:
    return lambda: checks.require_passed(tampering.change(exported()).outcomes())


def nothing_looked_at(*_: object) -> str:
    return "not looked at"


def without(identifier: str) -> Removal:
    """All of the auditor's checks but one."""
    for name in TABLES:
        table = getattr(checks, name)
        for place, (check, function) in enumerate(table):
            if check.id == identifier:
                rest = [*table[:place], (check, nothing_looked_at), *table[place + 1 :]]
                # What the check refuses is told by whoever goes through the outcomes, with the check's number and id.
                return remove(
                    checks, name, rest, check=function, refuses=checks.require_passed, number=check.number
                )
    raise LookupError(identifier)


def attacks() -> Iterator[Attack]:
    by_id = {check.id: check for check in checks.CHECKS}
    for tampering in EVERY:
        if tampering.alone:
            check = by_id[tampering.check]
            yield Attack(
                name=tampering.name.replace("_", " "),
                tries=f"an exported run is changed so that this no longer holds: {check.words}",
                attempt=verified(tampering),
                refusal=VerificationError,
                saying=f"Check {check.number} ({check.id})",
                removed=[without(check.id)],
            )


ATTACKS = tuple(attacks())
