"""Profile privacy-first: the product's bytes are clkhash's and a second writer's, and they are folded."""

import json
from datetime import date
from pathlib import Path

import numpy as np
import pytest
from clkhash.schema import from_json_dict

from pprl.agreements.draft import DatasetSketch, draft
from pprl.encode import match_keys
from pprl.encode.clk import ClkEncoder, linkage_schema
from pprl.protocol.agreement import Agreement, parse
from pprl.protocol.blocking import BlockingPass
from tests.conformance.clk.make_vectors import as_clkhash_makes_them, document, schema

VECTORS = json.loads(Path(__file__).with_name("vectors.json").read_text(encoding="ascii"))
KEY = bytes.fromhex(VECTORS["key"])
COLUMNS = {
    name: [record[place] for record in VECTORS["records"]]
    for place, name in enumerate(VECTORS["identifiers"])
}


@pytest.fixture(scope="module")
def agreement() -> Agreement:
    """What `pprl agreement new --profile privacy-first` drafts for two small tables."""
    sketches = [DatasetSketch(name, tuple(VECTORS["identifiers"]), 5_000) for name in ("a", "b")]
    text = draft(sketches, today=date(2026, 1, 1), profile="privacy-first")
    return parse(text.encode(), where="draft").content


def test_the_vectors_are_those_that_the_script_writes():
    assert Path(__file__).with_name("vectors.json").read_text(encoding="ascii") == document()


def test_encodings_are_those_of_the_vectors(agreement):
    encoded = ClkEncoder(agreement, KEY).encode(COLUMNS)
    assert [each.tobytes().hex() for each in encoded] == VECTORS["clks"]
    assert {len(each) for each in VECTORS["clks"]} == {2 * 256}


def test_stock_clkhash_makes_them_of_the_schema_that_is_printed(agreement):
    made = as_clkhash_makes_them(linkage_schema(agreement), VECTORS["records"], KEY)
    assert made == VECTORS["clks"]


def test_the_documented_spelling_alone_folds_nothing():
    assert from_json_dict(schema(folds={"xorFolds": 3})).xor_folds == 0
    made = as_clkhash_makes_them(schema(folds={"xorFolds": 3}), VECTORS["records"], KEY)
    assert all(one != other for one, other in zip(made, VECTORS["clks"], strict=True))
    # Not folded, so many bits fall into so few that nearly all are set; folded, half of them are.
    filled = [np.bitwise_count(np.frombuffer(bytes.fromhex(each), np.uint8)).sum() / 2048 for each in made]
    folded = [
        np.bitwise_count(np.frombuffer(bytes.fromhex(each), np.uint8)).sum() / 2048
        for each in VECTORS["clks"]
    ]
    assert filled[0] > 0.85
    assert all(0.4 < share < 0.55 for share in folded)


@pytest.mark.parametrize("vector", VECTORS["match_keys"], ids=lambda vector: vector["name"])
def test_tags_are_those_of_the_vectors_and_random_bytes_stand_where_there_is_none(vector):
    key = BlockingPass(vector["name"], tuple(vector["parts"]))
    values = match_keys.values_of(COLUMNS, [key], VECTORS["identifiers"])
    assert values[0].values() == vector["values"]
    random = np.random.default_rng(1)
    made = match_keys.tags(values, [key.name], KEY, random_bytes=random.bytes)
    drawn = np.frombuffer(np.random.default_rng(1).bytes(made.size), np.uint8).reshape(-1, 16)
    expected = [each or bytes(row).hex() for each, row in zip(vector["tags"], drawn, strict=True)]
    assert [bytes(row).hex() for row in made[:, 0]] == expected
    assert None in vector["tags"]
