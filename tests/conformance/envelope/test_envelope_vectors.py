"""The vectors of docs/formats/envelope.md, read by the package and by a second reader."""

from __future__ import annotations

import base64
import hashlib
import io
import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest

from pprl.crypto.container import open_container, peek
from pprl.crypto.identity import Identity
from pprl.errors import FormatError, PprlError, VerificationError
from pprl.protocol.agreement import Agreement, AgreementFile, Dataset, Party, PartyKeys, Project
from tests.conformance.envelope import second_reader

VECTORS: dict[str, Any] = json.loads(Path(__file__).with_name("vectors.json").read_bytes())
SEEDS = {name: base64.b64decode(text) for name, text in VECTORS["recipient"]["seeds"].items()}
OFFICE = Identity(VECTORS["recipient"]["party"], SEEDS)
REFUSALS: dict[str, type[PprlError]] = {"format": FormatError, "verification": VerificationError}


def only(section: Any, **fields: object) -> Any:
    return section.model_construct(**fields)


def agreement() -> AgreementFile:
    agreed = VECTORS["agreement"]
    keys = {party: each and only(PartyKeys, **each) for party, each in agreed["keys"].items()}
    return AgreementFile(
        only(
            Agreement,
            project=only(Project, version=agreed["version"]),
            party=tuple(only(Party, id=party, keys=each) for party, each in keys.items()),
            dataset=tuple(only(Dataset, name=name, party=by) for name, by in agreed["datasets"].items()),
        ),
        agreed["text"].encode(),
    )


def attempt(vector: dict[str, Any], out: io.BytesIO) -> Any:
    container = io.BytesIO(base64.b64decode(vector["container"]))
    return open_container(
        container,
        out,
        me=OFFICE,
        opens_with=OFFICE.x_wing,
        agreement=agreement(),
        kind=VECTORS["kind"],
        **vector["expect"],
    )


def named(kind: str) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("vector", VECTORS[kind], ids=lambda vector: vector["name"])


def test_agreement_is_named_by_its_bytes() -> None:
    assert agreement().sha256 == VECTORS["agreement"]["sha256"]


@named("accepted")
def test_accepted(vector: dict[str, Any]) -> None:
    out = io.BytesIO()
    opened = attempt(vector, out)
    raw = base64.b64decode(vector["container"])
    assert out.getvalue() == base64.b64decode(vector["content"])
    assert opened.container_sha256 == hashlib.sha256(raw).hexdigest()
    assert opened.binding == peek(io.BytesIO(raw))


@named("refused")
def test_refused(vector: dict[str, Any]) -> None:
    with pytest.raises(REFUSALS[vector["refusal"]]) as caught:
        attempt(vector, io.BytesIO())
    assert type(caught.value) is REFUSALS[vector["refusal"]]


def test_about_three_refusals_to_each_success() -> None:
    assert len(VECTORS["refused"]) >= 3 * len(VECTORS["accepted"])


@named("accepted")
def test_a_second_reader_reads_the_same(vector: dict[str, Any]) -> None:
    raw = base64.b64decode(vector["container"])
    binding, content = second_reader.read(raw, VECTORS["agreement"]["keys"], SEEDS["x_wing"])
    assert content == base64.b64decode(vector["content"])
    assert binding == asdict(peek(io.BytesIO(raw)))
