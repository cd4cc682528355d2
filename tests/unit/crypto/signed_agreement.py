"""A small agreement of three parties, everybody's signatures of it, and a second version."""

from __future__ import annotations

from datetime import date
from typing import Any

from pprl.crypto import signatures
from pprl.crypto.identity import Identity
from pprl.crypto.statements import sign_statement
from pprl.crypto.x_wing import XWingKey
from pprl.protocol.agreement import Agreement, AgreementFile, Party, PartyKeys, Project
from pprl.protocol.signatures import SIGNATURE_KIND, AgreementSignature
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


def verified(raws: dict[str, bytes], over: AgreementFile = FIRST, **more: Any) -> Any:
    return signatures.verify_all(over, raws, today=TODAY, **more)


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
