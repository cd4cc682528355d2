"""The vectors of docs/formats/secret.md: what a ceremony comes to, and which documents of shares are refused."""

from __future__ import annotations

import base64
import hashlib
import json
from collections import Counter
from typing import Any

import pytest

from pprl.encode import ceremony
from pprl.errors import BY_CODE
from pprl.protocol import secret_shares
from pprl.protocol.secret_shares import SecretShares
from pprl.protocol.transcript import Transcript
from tests.conformance.secret_ceremony import make_vectors

VECTORS = json.loads(make_vectors.TARGET.read_bytes())
CEREMONIES: list[dict[str, Any]] = VECTORS["ceremonies"]
DOCUMENTS: list[dict[str, Any]] = VECTORS["documents"]
ACCEPTED = [each for each in DOCUMENTS if each["expect"] == "ok"]
REFUSED = [each for each in DOCUMENTS if each["expect"] != "ok"]


def transcript_of(vector: dict[str, Any]) -> Transcript:
    return Transcript(vector["agreement_sha256"], vector["commitments"], vector["run_keys"])


def shares_of(vector: dict[str, Any]) -> dict[str, bytes]:
    return {name: base64.b64decode(share) for name, share in vector["shares"].items()}


def read(document: dict[str, Any]) -> SecretShares:
    return secret_shares.parse(
        base64.b64decode(document["base64"]), transcript_of(CEREMONIES[1]), sender="police"
    )


def test_the_file_is_what_the_writer_writes() -> None:
    assert make_vectors.TARGET.read_bytes() == make_vectors.file_bytes()


def test_two_to_six_departments() -> None:
    assert [len(each["shares"]) for each in CEREMONIES] == [2, 3, 4, 5, 6]


@pytest.mark.parametrize("vector", CEREMONIES, ids=lambda each: str(len(each["shares"])))
def test_a_ceremony(vector: dict[str, Any]) -> None:
    transcript, shares = transcript_of(vector), shares_of(vector)
    for department, share in shares.items():
        made = ceremony.commitment(share, agreement_sha256=vector["agreement_sha256"], department=department)
        assert made == vector["commitments"][department]
    assert transcript.sha256 == vector["transcript"]
    assert hashlib.sha256(vector["transcript_text"].encode()).hexdigest() == vector["transcript"]
    secret = ceremony.derive_secret(shares, transcript)
    assert secret.value.hex() == vector["secret"]
    assert (secret.agreement_sha256, secret.transcript) == (vector["agreement_sha256"], vector["transcript"])
    assert secret.key_check() == vector["key_check"]
    assert {name: secret.confirmation(name) for name in shares} == vector["confirmations"]
    assert secret.encoding_key("clk").hex() == vector["encoding_keys"]["clk"]
    assert secret.encoding_key("field-filters").hex() == vector["encoding_keys"]["field-filters"]


@pytest.mark.parametrize("document", ACCEPTED, ids=lambda each: each["name"])
def test_an_accepted_document(document: dict[str, Any]) -> None:
    found = read(document)
    assert found.shares.items() <= shares_of(CEREMONIES[1]).items()
    assert secret_shares.write(found) == base64.b64decode(document["base64"])


@pytest.mark.parametrize("document", REFUSED, ids=lambda each: each["name"])
def test_a_refused_document(document: dict[str, Any]) -> None:
    with pytest.raises(BY_CODE[document["expect"]], match=document["word"]) as caught:
        read(document)
    told = f"{caught.value.message} {caught.value.hint}"
    assert not [share for share in CEREMONIES[1]["shares"].values() if share in told]


def test_at_least_three_refusals_for_each_success() -> None:
    counted = Counter(each["expect"] for each in DOCUMENTS)
    assert counted["format"] + counted["verification"] >= 3 * counted["ok"]
