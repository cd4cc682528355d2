"""Vectors of agreement signatures, successions and requests for shares, made by a second writer."""

from __future__ import annotations

import json
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from pprl.crypto import reseal, signatures
from pprl.errors import BY_CODE
from pprl.protocol.agreement import Agreement, AgreementFile, Party, PartyKeys, Project
from pprl.protocol.signatures import AgreementSignature, SignedAgreement
from tests.unit.crypto.forgery import only

VECTORS: dict[str, Any] = json.loads(Path(__file__).with_name("vectors.json").read_bytes())
PARTY, TODAY = VECTORS["party"], date.fromisoformat(VECTORS["today"])
KEYS = PartyKeys(**VECTORS["keys"])
SIGNATURE = next(each for each in VECTORS["accepted"] if each["kind"] == "agreement-signature")["predicate"]


class Named(AgreementFile):
    """An agreement whose digest is a vector's."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "sha256", str(VECTORS["agreement_sha256"]))


def agreed(keys: PartyKeys | None, version: int, **more: Any) -> Agreement:
    project = only(Project, id=VECTORS["project"], version=version, **more)
    return only(Agreement, project=project, party=(only(Party, id=PARTY, roles=("department",), keys=keys),))  # type: ignore[no-any-return]


def read(kind: str, file: bytes) -> dict[str, Any]:
    """The predicate of a file, after all that its reader checks."""
    if kind == "agreement-signature":
        ours = Named(agreed(KEYS, VECTORS["version"]), b"")
        return signatures.verify_one(ours, PARTY, file, today=TODAY).to_predicate()
    if kind == "reseal-request":
        given = AgreementSignature.from_predicate(SIGNATURE)
        signed = SignedAgreement(Named(agreed(KEYS, VECTORS["version"]), b""), {PARTY: given})
        return reseal.verify_request(file, signed, today=TODAY).to_predicate()
    before = AgreementFile(agreed(KEYS, VECTORS["version"] - 1), b"the version before")
    after = Named(agreed(None, VECTORS["version"], previous_sha256=before.sha256), b"")
    signatures.verify_all(after, {}, previous=before, successions={PARTY: file}, today=TODAY)
    succession: dict[str, Any] = next(each for each in VECTORS["accepted"] if each["kind"] == kind)[
        "predicate"
    ]
    return succession


def named(which: str) -> pytest.MarkDecorator:
    return pytest.mark.parametrize(
        "vector", VECTORS[which], ids=lambda vector: f"{vector['kind']}: {vector['name']}"
    )


@named("accepted")
def test_accepted(vector: dict[str, Any]) -> None:
    assert read(vector["kind"], vector["file"].encode()) == vector["predicate"]


@named("refused")
def test_refused(vector: dict[str, Any]) -> None:
    with pytest.raises(BY_CODE[vector["expect"]]):
        read(vector["kind"], vector["file"].encode())


def test_there_are_about_three_refusals_a_success() -> None:
    assert len(VECTORS["refused"]) >= 3 * len(VECTORS["accepted"])
