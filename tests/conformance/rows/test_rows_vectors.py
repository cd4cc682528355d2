"""The vectors of docs/formats/rows.md: roots of rows, and proofs that are accepted and refused."""

from __future__ import annotations

import base64
import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from pprl import department
from pprl.encode.row_commitments import RowCommitment, RowSalts, prove
from pprl.errors import BY_CODE
from pprl.files.tables import Table, open_table
from pprl.protocol import agreement as agreements
from pprl.protocol import merkle, row_proofs
from tests.conformance.rows import make_vectors
from tests.support.project import nothing_seen

VECTORS: dict[str, Any] = json.loads(Path(__file__).with_name("vectors.json").read_bytes())
AGREEMENT = agreements.parse(VECTORS["agreement"].encode(), where="vectors")
DATASET = AGREEMENT.content.dataset_named("events")
SALT_KEY = base64.b64decode(VECTORS["salt_key"])


@pytest.fixture
def table(tmp_path: Path) -> Table:
    path = tmp_path / "table.csv"
    path.write_bytes(VECTORS["table"].encode())
    return open_table(path)


def named(kind: str) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("vector", VECTORS[kind], ids=lambda vector: vector["name"])


def test_a_table_has_the_root_of_the_vectors(table: Table) -> None:
    committed = RowCommitment(DATASET, AGREEMENT.content, SALT_KEY)
    assert sum(len(batch["id"]) for _, batch in committed.over(department._rows(table, DATASET))) == 7
    assert committed.root() == VECTORS["roots"][7]


def test_roots_of_fewer_rows() -> None:
    leaves = [merkle.leaf_hash(bytes.fromhex(each)) for each in VECTORS["leaves"]]
    assert [merkle.root(leaves[:count]).hex() for count in range(8)] == VECTORS["roots"]


@pytest.mark.parametrize("places", [[0], [6], [2, 3], range(7)])
def test_proving_rows_of_the_table_writes_the_bytes_of_the_vectors(table: Table, places: list[int]) -> None:
    salts = RowSalts(AGREEMENT.sha256, "events", make_vectors.SUBMISSION, 7, VECTORS["roots"][7], SALT_KEY)
    wanted = [make_vectors.ROWS[place][0] for place in places]
    seen = nothing_seen
    made = row_proofs.write(prove(department._rows(table, DATASET), salts, AGREEMENT, wanted, seen=seen))
    assert made.decode() in [each["proof"] for each in VECTORS["accepted"]]


@named("accepted")
def test_accepted_with_its_rows(vector: dict[str, Any]) -> None:
    proof = row_proofs.parse(vector["proof"].encode())
    row_proofs.verify(proof, AGREEMENT, root=vector["root"], records=proof.records)
    assert [[each.row, each.record_id, list(each.values)] for each in proof.rows] == vector["rows"]
    assert row_proofs.write(proof).decode() == vector["proof"]


@named("refused")
def test_refused_as_what_it_is(vector: dict[str, Any]) -> None:
    with pytest.raises(BY_CODE[vector["expect"]]) as refusal:
        row_proofs.verify(
            row_proofs.parse(vector["proof"].encode()), AGREEMENT, root=vector["root"], records=7
        )
    assert type(refusal.value) is BY_CODE[vector["expect"]]
    assert vector["word"] in refusal.value.message
    assert refusal.value.__cause__ is None
    told = str(refusal.value) + refusal.value.hint
    assert not [value for value in ("Smith", "Ann", "ller", "99") if value in told]


def test_the_vectors_are_those_that_the_script_writes() -> None:
    assert Path(__file__).with_name("vectors.json").read_bytes() == make_vectors.file_content()


def test_there_are_three_refusals_to_each_success_and_none_twice() -> None:
    assert len(VECTORS["refused"]) >= 3 * len(VECTORS["accepted"])
    for field in ("name", "proof"):
        counted = Counter(each[field] for each in (*VECTORS["accepted"], *VECTORS["refused"]))
        assert [each for each, count in counted.items() if count > 1] == []
