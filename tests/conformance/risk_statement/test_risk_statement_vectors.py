"""The vectors of risk statements, made by a second writer and read by the package."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from pprl.crypto.identity import Identity
from pprl.crypto.risk_statements import StatedRisk, open_risk_statement, require_passing, sign_risk_statement
from pprl.errors import BY_CODE
from pprl.protocol.agreement import (
    AgreedPass,
    Agreement,
    AgreementFile,
    Dataset,
    Encoding,
    FieldFilterParameters,
    Party,
    PartyKeys,
    Privacy,
    Risk,
)
from pprl.protocol.risk_statement import upper_per_10000
from tests.conformance.identity.second_writer import seeds
from tests.unit.crypto.forgery import only

VECTORS: dict[str, Any] = json.loads(Path(__file__).with_name("vectors.json").read_bytes())


class Named(AgreementFile):
    """An agreement whose digest is a vector's."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "sha256", str(VECTORS["agreement_sha256"]))


def agreement(scheme: str) -> AgreementFile:
    passes = tuple(only(AgreedPass, name=f"p{place}") for place in range(VECTORS["passes"]))
    filters = only(FieldFilterParameters, passes=passes) if scheme == "field-filters" else None
    parties = (
        only(Party, id=VECTORS["party"], roles=("department",), keys=PartyKeys(**VECTORS["keys"])),
        only(Party, id="matcher", roles=("matcher",), keys=None),
        only(Party, id="issuer", roles=("key-issuer",), keys=None),
    )
    dataset = only(
        Dataset, name=VECTORS["dataset"], party=VECTORS["party"], expected_rows_min=VECTORS["rows"]
    )
    content = only(
        Agreement,
        party=parties,
        dataset=(dataset,),
        encoding=only(Encoding, scheme=scheme, field_filters=filters),
        privacy=only(Privacy, risk=Risk(**VECTORS["limits"])),
    )
    return Named(content, b"")


def opened(file: bytes, scheme: str = "clk") -> StatedRisk:
    agreed = agreement(scheme)
    stated = open_risk_statement(file, agreement=agreed, dataset=VECTORS["dataset"])
    require_passing(stated, agreed, rows_root=VECTORS["rows_root"], rows=VECTORS["rows"])
    return stated


@pytest.mark.parametrize("vector", VECTORS["accepted"], ids=lambda vector: vector["name"])
def test_statements_that_pass(vector: dict[str, Any]) -> None:
    found = opened(vector["file"].encode(), vector["scheme"])
    assert found.statement.to_predicate() == vector["predicate"]
    department = Identity(VECTORS["party"], seeds(VECTORS["party"]))
    ours = sign_risk_statement(department, found.statement, rows_root=VECTORS["rows_root"])
    assert json.loads(ours)["payload"] == json.loads(vector["file"])["payload"]
    assert opened(ours, vector["scheme"]) == found


@pytest.mark.parametrize("vector", VECTORS["refused"], ids=lambda vector: vector["name"])
def test_statements_that_are_refused(vector: dict[str, Any]) -> None:
    with pytest.raises(BY_CODE[vector["expect"]]):
        opened(vector["file"].encode(), vector["scheme"])


@pytest.mark.parametrize(("named", "of", "upper"), VECTORS["upper_ends"])
def test_upper_ends(named: int, of: int, upper: int) -> None:
    assert upper_per_10000(named, of) == upper


def test_there_are_about_three_refusals_a_success() -> None:
    assert len(VECTORS["refused"]) >= 3 * len(VECTORS["accepted"])
