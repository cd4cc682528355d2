"""The vectors of certificates, made by a second writer and read by the package."""

from __future__ import annotations

import json
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from pprl.crypto.certificates import open_certificate, sign_certificate
from pprl.crypto.identity import Identity
from pprl.errors import BY_CODE
from pprl.protocol.agreement import Agreement, AgreementFile, Party, PartyKeys, Project
from pprl.protocol.certificate import Certificate
from pprl.protocol.signatures import AgreementSignature, SignedAgreement
from tests.conformance.identity.second_writer import seeds
from tests.unit.crypto.forgery import only

VECTORS: dict[str, Any] = json.loads(Path(__file__).with_name("vectors.json").read_bytes())


class Named(AgreementFile):
    """An agreement whose digest is a vector's."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "sha256", str(VECTORS["agreement_sha256"]))


def agreement() -> SignedAgreement:
    party = only(
        Party, id=VECTORS["party"], roles=("matcher", "key-issuer"), keys=PartyKeys(**VECTORS["keys"])
    )
    project = only(Project, id=VECTORS["project"], version=1)
    signature = AgreementSignature(
        VECTORS["party"], 1, VECTORS["run_key"], None, date.fromisoformat(VECTORS["signed_on"])
    )
    content = only(Agreement, project=project, party=(party,))
    return SignedAgreement(Named(content, b""), {VECTORS["party"]: signature})


def opened(file: bytes) -> Certificate:
    return open_certificate(
        file, agreement=agreement(), party=VECTORS["party"], today=date.fromisoformat(VECTORS["today"])
    )


@pytest.mark.parametrize("vector", VECTORS["accepted"], ids=lambda vector: vector["name"])
def test_certificates_that_hold(vector: dict[str, Any]) -> None:
    found = opened(vector["file"].encode())
    assert found.to_predicate() == vector["predicate"]
    ours = sign_certificate(Identity(VECTORS["party"], seeds(VECTORS["party"])), agreement(), found)
    assert json.loads(ours)["payload"] == json.loads(vector["file"])["payload"]
    assert opened(ours) == found


@pytest.mark.parametrize("vector", VECTORS["refused"], ids=lambda vector: vector["name"])
def test_certificates_that_are_refused(vector: dict[str, Any]) -> None:
    with pytest.raises(BY_CODE[vector["expect"]]):
        opened(vector["file"].encode())


def test_there_are_about_three_refusals_a_success() -> None:
    assert len(VECTORS["refused"]) >= 3 * len(VECTORS["accepted"])
