"""Signatures of an agreement: all of them, read strictly. What a forger tries is in tests/attacks."""

from __future__ import annotations

from typing import Any

import pytest

from pprl.crypto import signatures
from pprl.crypto.statements import MAX_STATEMENT_BYTES, open_statement
from pprl.errors import ConfigError, FormatError, VerificationError
from pprl.protocol.agreement import Party
from pprl.protocol.signatures import SIGNATURE_KIND
from tests.unit.crypto.forgery import only
from tests.unit.crypto.signed_agreement import (
    ALL,
    COMMITMENTS,
    FIRST,
    NORTH,
    PARTIES,
    RUN_KEYS,
    TODAY,
    second,
    signed,
    signed_second,
    succeeded,
    verified,
)


def test_everybody_has_signed() -> None:
    found = verified(ALL)
    assert found.sha256 == FIRST.sha256
    assert {party: found.run_key_of(only(Party, id=party)) for party in PARTIES} == {
        party: RUN_KEYS[party].public for party in PARTIES
    }
    assert dict(found.transcript.commitments) == {"north": "a" * 64, "south": "b" * 64}
    assert found.signatures["north"].signed_on == TODAY


def test_what_sign_makes_is_what_verify_takes() -> None:
    raws = {
        who: signatures.sign(
            FIRST, PARTIES[who], run_key=RUN_KEYS[who].public, commitment=COMMITMENTS[who], today=TODAY
        )
        for who in PARTIES
    }
    assert verified(raws).signatures == verified(ALL).signatures


def test_who_has_no_keys_has_signed_nothing() -> None:
    with pytest.raises(VerificationError, match="parties without keys: auditor"):
        verified({**ALL, "auditor": ALL["office"]})


@pytest.mark.parametrize(("who", "commitment"), [("north", None), ("office", "c" * 64)])
def test_departments_commit_and_nobody_else(who: str, commitment: str | None) -> None:
    with pytest.raises(ConfigError, match="commitment"):
        signatures.sign(FIRST, PARTIES[who], run_key=RUN_KEYS[who].public, commitment=commitment, today=TODAY)


def change_of(member: str, value: Any) -> dict[str, bytes]:
    return {**ALL, "north": signed("north", **{member: value})}


@pytest.mark.parametrize(
    ("member", "value"),
    [
        ("commitment", "A" * 64),
        ("commitment", 1),
        ("party", ""),
        ("run_key", "AAAA"),
        ("run_key", None),
        ("signed_on", "20270131"),
        ("signed_on", "2027-02-30"),
        ("signed_on", None),
        ("version", 0),
        ("version", True),
        ("more", 1),
    ],
)
def test_predicates_are_read_strictly(member: str, value: Any) -> None:
    with pytest.raises(FormatError):
        verified(change_of(member, value))


def test_too_long_a_file_is_not_read() -> None:
    raw = ALL["north"] + b" " * MAX_STATEMENT_BYTES
    with pytest.raises(FormatError, match="more than"):
        open_statement(raw, kind=SIGNATURE_KIND, keys=NORTH.public, what="it")


def test_a_next_version_is_signed_by_old_and_new() -> None:
    over = second()
    found = verified(signed_second(over), over, previous=FIRST, successions=succeeded(over))
    assert found.content.project.version == 2
    assert signatures.needs_succession(over, FIRST) == ["south", "office"]


def test_nobody_is_succeeded_who_stays() -> None:
    over = second()
    raws = {**succeeded(over), "north": signatures.sign_succession(over, NORTH, today=TODAY)}
    with pytest.raises(VerificationError, match="successions of parties that need none: north"):
        verified(signed_second(over), over, previous=FIRST, successions=raws)
