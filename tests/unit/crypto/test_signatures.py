"""Signatures of an agreement: all of them, by the right keys, over the right bytes."""

from __future__ import annotations

import base64
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import date
from typing import Any

import pytest

from pprl.crypto import signatures
from pprl.crypto.identity import Identity
from pprl.crypto.statements import MAX_STATEMENT_BYTES, claimed, open_statement, sign_statement
from pprl.crypto.x_wing import XWingKey
from pprl.errors import ConfigError, FormatError, PprlError, ProtocolError, VerificationError
from pprl.protocol import canonical, dsse
from pprl.protocol.agreement import Agreement, AgreementFile, Party, PartyKeys, Project
from pprl.protocol.signatures import SIGNATURE_KIND, SUCCESSION_KIND, AgreementSignature
from tests.unit.crypto.forgery import identity, only

TODAY = date(2027, 1, 31)
NORTH, SOUTH, OFFICE = identity("north"), identity("south"), identity("office")
PARTIES = {"north": NORTH, "south": SOUTH, "office": OFFICE}
ROLES = {"north": ("department",), "south": ("department",), "office": ("matcher", "key-issuer")}
RUN_KEYS = {name: XWingKey(name.encode().ljust(32, b".")) for name in (*PARTIES, "spare")}
COMMITMENTS = {"north": "a" * 64, "south": "b" * 64, "office": None}


def agreement(
    raw: bytes = b"the first version\n",
    *,
    version: int = 1,
    previous: AgreementFile | None = None,
    keys: dict[str, PartyKeys] | None = None,
    project: str = "paths",
) -> AgreementFile:
    keys = keys or {name: each.public for name, each in PARTIES.items()}
    before = None if previous is None else previous.sha256
    parties = [
        only(Party, id=name, roles=ROLES.get(name, ("department",)), keys=each) for name, each in keys.items()
    ]
    parties.append(only(Party, id="auditor", roles=("auditor",), keys=None))
    return AgreementFile(
        only(
            Agreement,
            project=only(Project, id=project, version=version, previous_sha256=before),
            party=tuple(parties),
        ),
        raw,
    )


FIRST = agreement()


def signed(who: str, over: AgreementFile = FIRST, *, by: Identity | None = None, **changes: Any) -> bytes:
    content = AgreementSignature(
        who, over.content.project.version, RUN_KEYS[who].public, COMMITMENTS[who], TODAY
    )
    return sign_statement(
        by or PARTIES[who],
        kind=changes.pop("kind", SIGNATURE_KIND),
        subject=changes.pop("subject", over.content.project.id),
        sha256=changes.pop("sha256", over.sha256),
        predicate={**content.to_predicate(), **changes},
    )


ALL = {who: signed(who) for who in PARTIES}
# Its X25519 half is a point of small order.
NO_KEY = base64.b64encode(base64.b64decode(RUN_KEYS["spare"].public)[:1184] + bytes(32)).decode()


def verified(raws: dict[str, bytes], over: AgreementFile = FIRST, **more: Any) -> Any:
    return signatures.verify_all(over, raws, today=TODAY, **more)


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


@pytest.mark.parametrize(("who", "commitment"), [("north", None), ("office", "c" * 64)])
def test_departments_commit_and_nobody_else(who: str, commitment: str | None) -> None:
    with pytest.raises(ConfigError, match="commitment"):
        signatures.sign(FIRST, PARTIES[who], run_key=RUN_KEYS[who].public, commitment=commitment, today=TODAY)


@dataclass(frozen=True)
class Attack:
    """What is put in place of one signature, the refusal, and the check that goes."""

    name: str
    raws: Callable[[], dict[str, bytes]]
    refusal: type[PprlError]
    saying: str
    removed: tuple[tuple[Any, str], ...]


def instead(who: str, **changes: Any) -> Callable[[], dict[str, bytes]]:
    return lambda: {**ALL, who: signed(who, **changes)}


def without(who: str) -> Callable[[], dict[str, bytes]]:
    return lambda: {party: raw for party, raw in ALL.items() if party != who}


KEYS = ((signatures, "_by_keys_of"),)
TOLD = ((signatures, "_check_told"),)
SUBJECT = ((signatures, "_check_subject"),)
EVERYBODY = ((signatures, "_check_everybody"),)
RUN_KEY = ((signatures, "_check_run_keys"),)
COMMITMENT = ((signatures, "_check_commitments"),)
OTHER = agreement(b"another text\n")

ATTACKS = [
    Attack("one is missing", without("south"), ProtocolError, "not signed yet by: south", EVERYBODY),
    Attack("a stranger's", lambda: {**ALL, "auditor": signed("north")}, VerificationError, "without keys",
           (*EVERYBODY, *KEYS, *TOLD, *RUN_KEY, *COMMITMENT)),
    Attack("by another's keys", instead("north", by=SOUTH), VerificationError, "Ed25519 signature", KEYS),
    Attack("another's whole signature", lambda: {**ALL, "north": ALL["south"]}, VerificationError,
           "Ed25519 signature", (*KEYS, *TOLD, *RUN_KEY, *COMMITMENT)),
    Attack("of another text", lambda: {**ALL, "north": signed("north", OTHER)}, VerificationError,
           "another agreement", SUBJECT),
    Attack("of another project", instead("north", subject="other"), VerificationError, "another agreement", SUBJECT),
    Attack("in another's name", instead("north", party="south"), VerificationError, "another party", TOLD),
    Attack("of another version", instead("north", version=2), VerificationError, "another party or version", TOLD),
    Attack("of a day to come", instead("north", signed_on="2027-02-01"), VerificationError, "day to come", TOLD),
    Attack("another kind of statement", instead("north", kind=SUCCESSION_KIND), FormatError, "predicateType", KEYS),
    Attack("another's run key", instead("north", run_key=RUN_KEYS["south"].public), VerificationError,
           "another key's", RUN_KEY),
    Attack("an identity's key as run key", instead("north", run_key=OFFICE.public.x_wing), VerificationError,
           "another key's", RUN_KEY),
    Attack("a run key that is none", instead("north", run_key=NO_KEY),
           VerificationError, "not a valid public key", RUN_KEY),
    Attack("a copied commitment", instead("north", commitment="b" * 64), VerificationError, "copied", COMMITMENT),
    Attack("a dropped commitment", instead("north", commitment=None), VerificationError, "commitment", COMMITMENT),
    Attack("a commitment of no department", instead("office", commitment="c" * 64), VerificationError,
           "commitment", COMMITMENT),
]  # fmt: skip


@pytest.mark.parametrize("attack", ATTACKS, ids=lambda attack: attack.name)
def test_attack_is_refused_by_its_check(attack: Attack) -> None:
    with pytest.raises(attack.refusal, match=attack.saying):
        verified(attack.raws())


@pytest.mark.parametrize("attack", ATTACKS, ids=lambda attack: attack.name)
def test_without_its_check_the_attack_gets_through(attack: Attack, monkeypatch: pytest.MonkeyPatch) -> None:
    for owner, name in attack.removed:
        monkeypatch.setattr(owner, name, trusting if name == "_by_keys_of" else lambda *_: None)
    assert verified(attack.raws()).sha256 == FIRST.sha256


def trusting(_agreement: object, _party: str, raw: bytes, _kind: str, what: str) -> Any:
    """What a signature claims, with nobody's keys asked."""
    payload = claimed(raw, what=what).payload
    kind = canonical.loads(payload)["predicateType"].split(":")[2]
    found = dsse.parse_statement(payload, kind=kind, what=what)
    return replace(found, predicate={**found.predicate})


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


# Versions: exactly one more, the same project, and nobody is left behind without a word.

EAST = identity("east")


def second(**changes: Any) -> AgreementFile:
    """The next version: south has left, east has come, and office has new keys."""
    keys = {"north": NORTH.public, "east": EAST.public, "office": identity("office", "new").public}
    return agreement(b"the second version\n", **{"version": 2, "previous": FIRST, "keys": keys, **changes})


def signed_second(over: AgreementFile) -> dict[str, bytes]:
    signers = {"north": NORTH, "east": EAST, "office": identity("office", "new")}
    commitments = {"north": "c" * 64, "east": "d" * 64, "office": None}
    return {
        who: signatures.sign(
            over, each, run_key=XWingKey(f"second {who}".encode().ljust(32, b".")).public,
            commitment=commitments[who], today=TODAY,
        )
        for who, each in signers.items()
    }  # fmt: skip


def succeeded(over: AgreementFile) -> dict[str, bytes]:
    return {
        "south": signatures.sign_succession(over, SOUTH, today=TODAY),
        "office": signatures.sign_succession(over, OFFICE, today=TODAY),
    }


def test_a_next_version_is_signed_by_old_and_new() -> None:
    over = second()
    found = verified(signed_second(over), over, previous=FIRST, successions=succeeded(over))
    assert found.content.project.version == 2
    assert signatures.needs_succession(over, FIRST) == ["south", "office"]


@pytest.mark.parametrize("who", ["south", "office"])
def test_nobody_is_left_behind_without_a_word(who: str) -> None:
    over = second()
    agreed = {party: raw for party, raw in succeeded(over).items() if party != who}
    with pytest.raises(ProtocolError, match=f"'{who}' was a party of the version before"):
        verified(signed_second(over), over, previous=FIRST, successions=agreed)
    forged = {**succeeded(over), who: signatures.sign_succession(over, identity(who, "forged"), today=TODAY)}
    with pytest.raises(VerificationError, match="Ed25519"):
        verified(signed_second(over), over, previous=FIRST, successions=forged)


@pytest.mark.parametrize(
    ("over", "previous", "saying"),
    [
        (second(), None, "is needed as well"),
        (second(), OTHER, "not the one that this agreement follows"),
        (second(version=3), FIRST, "not the one that this agreement follows"),
        (second(project="another"), FIRST, "not the one that this agreement follows"),
    ],
)
def test_versions_follow_each_other(over: AgreementFile, previous: AgreementFile | None, saying: str) -> None:
    with pytest.raises(PprlError, match=saying):
        verified(signed_second(over), over, previous=previous, successions=succeeded(over))
