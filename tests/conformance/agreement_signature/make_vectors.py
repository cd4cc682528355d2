"""A second writer of agreement signatures, successions and requests for shares, from their format pages.

`python -m tests.conformance.agreement_signature.make_vectors` writes vectors.json again, for a new version of a format
only. ML-DSA-65 is randomised, so every run gives other signatures.
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
PROJECT, PARTY, TODAY = "paths", "north", "2027-02-01"
COMMITMENT = hashlib.sha256(b"vectors only: a commitment").hexdigest()
RUN_KEY = public(seeds("vectors only: run key"))["x_wing"]
RUN_KEYS = {PARTY: hashlib.sha256(base64.b64decode(RUN_KEY)).hexdigest()}
TRANSCRIPT = hashlib.sha256(
    spelt(
        {
            "agreement_sha256": AGREEMENT,
            "commitments": {PARTY: COMMITMENT},
            "format": "pprl-transcript",
            "run_keys": RUN_KEYS,
        }
    )
).hexdigest()

PREDICATES: dict[str, Members] = {
    "agreement-signature": {
        "commitment": COMMITMENT, "party": PARTY, "run_key": RUN_KEY, "signed_on": "2027-01-31", "version": 2,
    },
    "agreement-succession": {"party": PARTY, "signed_on": "2027-01-31", "version": 2},
    "reseal-request": {"asked_on": "2027-01-31", "party": PARTY, "transcript": TRANSCRIPT},
}  # fmt: skip


def statement(kind: str, predicate: Members, **changes: Any) -> bytes:
    return spelt(
        {
            "_type": "https://in-toto.io/Statement/v1",
            "predicate": predicate,
            "predicateType": f"urn:pprl-protocol:{kind}:v1",
            "subject": [{"digest": {"sha256": AGREEMENT}, "name": PROJECT}],
            **changes,
        }
    )


def file(payload: bytes, *, ed25519: str = PARTY, ml_dsa_65: str = PARTY, **how: Any) -> str:
    message = b"DSSEv1 28 application/vnd.in-toto+json %d %b" % (len(payload), payload)
    context = how.get("context", b"pprl/v1/statement")
    first = Ed25519PrivateKey.from_private_bytes(seeds(ed25519)["ed25519"]).sign(message)
    second = MLDSA65PrivateKey.from_seed_bytes(seeds(ml_dsa_65)["ml_dsa_65"]).sign(message, context)
    signatures = [{"keyid": "ed25519", "sig": text(first)}, {"keyid": "ml-dsa-65", "sig": text(second)}]
    return spelt(
        {
            "payload": text(how.get("shown", payload)),
            "payloadType": "application/vnd.in-toto+json",
            "signatures": signatures[: how.get("signatures", 2)],
        }
    ).decode()


def accepted() -> Iterator[tuple[str, str, bytes]]:
    for kind, predicate in PREDICATES.items():
        yield "usual", kind, statement(kind, predicate)
    signature = PREDICATES["agreement-signature"]
    yield (
        "of no department",
        "agreement-signature",
        statement("agreement-signature", {**signature, "commitment": None}),
    )


SPELT_WRONGLY: dict[str, list[Members]] = {
    "agreement-signature": [
        {"commitment": COMMITMENT.upper()}, {"commitment": ""}, {"run_key": RUN_KEY[:-4]}, {"run_key": None},
        {"signed_on": "20270131"}, {"signed_on": "2027-02-30"}, {"version": 0}, {"version": True}, {"role": "matcher"},
    ],
    "agreement-succession": [{"version": 1}, {"signed_on": ""}, {"party": "9north"}, {"commitment": None}],
    "reseal-request": [{"transcript": TRANSCRIPT[:-1]}, {"asked_on": "2027-1-31"}, {"party": None}, {"share": ""}],
}  # fmt: skip


def refused() -> Iterator[tuple[str, str, str, str]]:
    """Name, kind, class of refusal, file."""
    for kind, predicate in PREDICATES.items():
        whole = statement(kind, predicate)
        for changes in SPELT_WRONGLY[kind]:
            (member,) = changes
            yield (
                f"{member} {changes[member]!r:.12}",
                kind,
                "format",
                file(statement(kind, {**predicate, **changes})),
            )
        other = next(each for each in PREDICATES if each != kind)
        yield "of another kind", kind, "format", file(statement(other, predicate))
        yield "one signature", kind, "format", file(whole, signatures=1)
        yield "Ed25519 by another", kind, "verification", file(whole, ed25519="south")
        yield "ML-DSA-65 by another", kind, "verification", file(whole, ml_dsa_65="south")
        yield "a container's context", kind, "verification", file(whole, context=b"pprl/v1/container")
        changed = statement(kind, {**predicate, "party": "south"})
        yield "changed after signing", kind, "verification", file(whole, shown=changed)
        yield "in another's name", kind, "verification", file(changed)
        another = [{"digest": {"sha256": COMMITMENT}, "name": PROJECT}]
        yield "of another agreement", kind, "verification", file(statement(kind, predicate, subject=another))
        project = [{"digest": {"sha256": AGREEMENT}, "name": "another"}]
        yield "of another project", kind, "verification", file(statement(kind, predicate, subject=project))


def vectors() -> Members:
    return {
        "agreement_sha256": AGREEMENT,
        "project": PROJECT,
        "party": PARTY,
        "version": 2,
        "today": TODAY,
        "transcript": TRANSCRIPT,
        "keys": card(PARTY),
        "accepted": [
            {"name": name, "kind": kind, "predicate": json.loads(payload)["predicate"], "file": file(payload)}
            for name, kind, payload in accepted()
        ],
        "refused": [
            {"name": name, "kind": kind, "expect": expect, "file": of} for name, kind, expect, of in refused()
        ],
    }


if __name__ == "__main__":
    text_of = json.dumps(vectors(), indent=1) + "\n"
    Path(__file__).with_name("vectors.json").write_text(text_of, encoding="utf-8")
