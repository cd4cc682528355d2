"""Risk statements for tests: made up and signed, with no attack run."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from pprl.crypto import risk_statements
from pprl.crypto.identity import Identity
from pprl.files.holdings import RiskFiles
from pprl.protocol.agreement import Agreement, AgreementFile
from pprl.protocol.risk_statement import EVERYBODY, VERY_FILE, Attacked, Controls, RiskStatement, required

PEOPLE, KNOWN_PEOPLE = 10_000, 5
SALT_KEY = bytes(range(32))

# What a small file can show: of some fifty records none named, which may still be one in ten.
RISK = f"""\

[privacy.risk]
people = {PEOPLE:_}
known_people = {KNOWN_PEOPLE}
matcher_per_10000 = 500
key_issuer_per_10000 = 500
together_per_10000 = 500

"""


def exception(holder: str, per_10000: int = 2_000) -> str:
    """An exception, to be put behind `RISK`."""
    return (
        f'[[privacy.risk.exception]]\nholder = "{holder}"\nper_10000 = {per_10000:_}\nofficer = "A. Smith"\n'
        'post = "Chief statistician"\nreason = "A test file is too small to show more."\n\n'
    )


EXCEPTIONS = "".join(map(exception, ("matcher", "key-issuer", "together")))


def with_risk(text: str, section: str = RISK + EXCEPTIONS) -> str:
    """An agreement's text with limits on the attackers; `section` must end in an empty line."""
    before, release, after = text.partition("\n[release]")
    return before + section + release.lstrip("\n") + after


def values(section: str) -> dict[str, Any]:
    """A section as it stands in an agreement, to be put into one."""
    found: dict[str, Any] = tomllib.loads(section)["privacy"]["risk"]
    return found


def stated(
    identity: Identity,
    agreement: AgreementFile,
    dataset: str,
    records: int,
    rows_root: str,
    /,
    **changes: Any,
) -> RiskFiles:
    """What a department keeps once it has attacked a table: a made-up statement."""
    signed = sign(identity, passing(agreement, dataset, records, **changes), rows_root)
    return RiskFiles(signed, SALT_KEY)


def passing(agreement: AgreementFile, dataset: str, records: int, /, **changes: Any) -> RiskStatement:
    """A statement of attackers who name nobody."""
    return RiskStatement(
        **{
            "agreement_sha256": agreement.sha256,
            "dataset": dataset,
            "records": records,
            "blind": 1,
            "known_people": _known_people(agreement.content),
            "controls": Controls(plain_clk=9_900, random_bits=2),
            "seed": 1,
            "attacks": attacks(agreement.content, records),
            **changes,
        }
    )


CUT_SHORT = {"of": 0, "named": 0, "wrong": 0, "finished": False}
"""Of an attack that did not come to its end."""


def attacks(agreement: Agreement, records: int) -> tuple[Attacked, ...]:
    """Every attack that is required, none of which names anybody."""
    found = []
    for holder, attack, knowledge in required(agreement.encoding.scheme):
        known = _known_people(agreement) if knowledge == "known people" else 0
        found.append(
            Attacked.counted(
                attack, holder, VERY_FILE, overlap=EVERYBODY, known=known, of=max(records - known, 0), named=0, wrong=3,
                finished=True, seconds=1,
            )
        )  # fmt: skip
    return tuple(found)


def attacked(before: Attacked, /, **changes: Any) -> Attacked:
    """The same attack with other figures, and the upper end that goes with them."""
    kept = {name: value for name, value in before.to_members().items() if name != "upper_per_10000"}
    told: Mapping[str, Any] = {**kept, **changes}
    rest = {name: told[name] for name in told if name not in ("attack", "holder", "list")}
    return Attacked.counted(told["attack"], told["holder"], told["list"], **rest)


def with_attack(statement: RiskStatement, place: int, **changes: Any) -> RiskStatement:
    """The same statement with other figures in one of its attacks."""
    changed = list(statement.attacks)
    changed[place] = attacked(changed[place], **changes)
    return replace(statement, attacks=tuple(changed))


def sign(identity: Identity, statement: RiskStatement, rows_root: str) -> bytes:
    """The statement's file."""
    return risk_statements.sign_risk_statement(identity, statement, rows_root=rows_root)


def _known_people(agreement: Agreement) -> int:
    return agreement.privacy.risk.known_people if agreement.privacy.risk else KNOWN_PEOPLE
