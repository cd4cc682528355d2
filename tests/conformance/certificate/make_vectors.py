"""A second writer of certificates, from docs/formats/certificate.md; it shares no code with the package.

`python -m tests.conformance.certificate.make_vectors` writes vectors.json again, for a new version of the format only.
ML-DSA-65 is randomised, so every run gives other signatures.
"""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.mldsa import MLDSA65PrivateKey

from tests.conformance.identity.second_writer import card, public, seeds, spelt, text

Members = dict[str, Any]

AGREEMENT = hashlib.sha256(b"vectors only: the agreement").hexdigest()
PROJECT, PARTY, SIGNED_ON, TODAY = "paths", "office", "2027-01-31", "2028-02-01"
RUN_KEY = public(seeds("vectors only: run key"))["x_wing"]
DIGESTS = sorted(hashlib.sha256(bytes([number])).hexdigest() for number in range(4))


def digest_of_run_key() -> str:
    return hashlib.sha256(base64.b64decode(RUN_KEY)).hexdigest()


PREDICATE: Members = {
    "containers": DIGESTS,
    "destroyed_on": "2028-01-31",
    "party": PARTY,
    "roles": ["key-issuer", "matcher"],
    "run_key_sha256": digest_of_run_key(),
}


def statement(predicate: Members, **changes: Any) -> bytes:
    return spelt(
        {
            "_type": "https://in-toto.io/Statement/v1",
            "predicate": predicate,
            "predicateType": "urn:pprl-protocol:destruction-certificate:v1",
            "subject": [{"digest": {"sha256": AGREEMENT}, "name": PROJECT}],
            **changes,
        }
    )


def file(payload: bytes, *, ed25519: str = PARTY, ml_dsa_65: str = PARTY, **how: Any) -> str:
    message = b"DSSEv1 28 application/vnd.in-toto+json %d %b" % (len(payload), payload)
    context = how.get("context", b"pprl/v1/statement")
    first = Ed25519PrivateKey.from_private_bytes(seeds(ed25519)["ed25519"]).sign(message)
    second = MLDSA65PrivateKey.from_seed_bytes(seeds(ml_dsa_65)["ml_dsa_65"]).sign(message, context)
    signatures = [
        {"keyid": "ed25519", "sig": text(first)},
        {"keyid": "ml-dsa-65", "sig": text(second)},
    ]
    return spelt(
        {
            "payload": text(how.get("shown", payload)),
            "payloadType": "application/vnd.in-toto+json",
            "signatures": signatures[: how.get("signatures", 2)],
        }
    ).decode()


def changed(**members: Any) -> bytes:
    return statement({**PREDICATE, **members})


def subject(**members: Any) -> bytes:
    one = {"digest": {"sha256": AGREEMENT}, "name": PROJECT, **members}
    return statement(PREDICATE, subject=[one])


def accepted() -> Iterator[tuple[str, bytes]]:
    yield "of both roles", statement(PREDICATE)
    yield "of one role", changed(roles=["matcher"])
    yield "of nothing that came", changed(containers=[])
    yield "on the day of the signature", changed(destroyed_on=SIGNED_ON)


def refused() -> Iterator[tuple[str, str, str]]:
    whole = statement(PREDICATE)
    without = {name: value for name, value in PREDICATE.items() if name != "run_key_sha256"}
    another = hashlib.sha256(b"another").hexdigest()
    for name, predicate in (
        ("a member is missing", without),
        ("a member too many", {**PREDICATE, "version": 1}),
        ("digests out of order", {**PREDICATE, "containers": DIGESTS[::-1]}),
        ("a digest twice", {**PREDICATE, "containers": [DIGESTS[0], *DIGESTS]}),
        ("a digest in capitals", {**PREDICATE, "containers": [DIGESTS[0].upper()]}),
        ("digests in no array", {**PREDICATE, "containers": DIGESTS[0]}),
        ("no role", {**PREDICATE, "roles": []}),
        ("roles out of order", {**PREDICATE, "roles": ["matcher", "key-issuer"]}),
        ("a role of no coordinator", {**PREDICATE, "roles": ["department"]}),
        ("a day in another spelling", {**PREDICATE, "destroyed_on": "20280131"}),
        ("no run key", {**PREDICATE, "run_key_sha256": ""}),
    ):
        yield name, "format", file(statement(predicate))
    yield (
        "of another kind",
        "format",
        file(statement(PREDICATE, predicateType="urn:pprl-protocol:agreement-signature:v1")),
    )
    yield "one signature", "format", file(whole, signatures=1)
    for name, of in (
        ("another agreement", file(subject(digest={"sha256": another}))),
        ("another project", file(subject(name="another"))),
        ("another party", file(changed(party="north"))),
        ("another run key", file(changed(run_key_sha256=another))),
        ("before the signature of the agreement", file(changed(destroyed_on="2027-01-30"))),
        ("on a day to come", file(changed(destroyed_on="2028-02-02"))),
        ("a day changed after signing", file(whole, shown=changed(destroyed_on="2027-12-31"))),
        ("a digest left out after signing", file(whole, shown=changed(containers=DIGESTS[1:]))),
        ("Ed25519 by another", file(whole, ed25519="north")),
        ("ML-DSA-65 by another", file(whole, ml_dsa_65="north")),
        ("a container's context", file(whole, context=b"pprl/v1/container")),
    ):
        yield name, "verification", of


def vectors() -> Members:
    return {
        "agreement_sha256": AGREEMENT,
        "project": PROJECT,
        "party": PARTY,
        "keys": card(PARTY),
        "run_key": RUN_KEY,
        "signed_on": SIGNED_ON,
        "today": TODAY,
        "accepted": [
            {"name": name, "predicate": json.loads(payload)["predicate"], "file": file(payload)}
            for name, payload in accepted()
        ],
        "refused": [{"name": name, "expect": kind, "file": raw} for name, kind, raw in refused()],
    }


if __name__ == "__main__":
    path = Path(__file__).with_name("vectors.json")
    path.write_text(json.dumps(vectors(), indent=1) + "\n", encoding="ascii")
