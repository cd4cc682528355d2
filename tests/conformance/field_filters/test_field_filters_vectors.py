"""The product and a second implementation, made from the document alone, agree on every byte."""

import json
import random
from pathlib import Path

import numpy as np
import pytest

from pprl.encode import phonetic as code
from pprl.encode.at_home import joined
from pprl.encode.field_filters import FieldFilterEncoder
from pprl.encode.one_person import Likeness, rank_key, ranks_of, standing
from pprl.encode.passes import PARTICLES, block_values, coded
from pprl.encode.phonetic import phonetic
from pprl.encode.standardise import standardise
from pprl.encode.tokens import token_space, tokens
from pprl.protocol.blocking import TRANSFORMS, BlockingPass
from pprl.protocol.kinds import KINDS
from tests.conformance.field_filters import second_writer
from tests.conformance.field_filters.make_vectors import document, rules

HERE = Path(__file__).parent
VECTORS = json.loads((HERE / "vectors.json").read_text(encoding="ascii"))
TEXT = (HERE.parents[2] / "docs" / "formats" / "field-filters.md").read_text(encoding="utf-8")
KEY = bytes.fromhex(VECTORS["key"])


def encoded(kind: str, value: str, *, name: str, block: str, **options: int):
    """One record whose block in the pass is the given one, through the product's whole encoder."""
    identifier = kind.replace("-", "_")
    parts = block.split("\x1f")
    kinds = {identifier: kind, **{f"part{place}": "code" for place in range(len(parts))}}
    pass_ = BlockingPass(name, tuple(f"part{place}:whole" for place in range(len(parts))))
    encoder = FieldFilterEncoder([pass_], kinds, KEY, **options)
    columns = {identifier: [value], **{f"part{place}": [part] for place, part in enumerate(parts)}}
    return encoder.encode(columns)[0]


@pytest.mark.parametrize("vector", VECTORS["tags"], ids=lambda vector: vector["pass"])
def test_a_tag_comes_out_as_written(vector):
    records = encoded("sex", "f", name=vector["pass"], block=vector["block_value"])
    assert records.tags.tobytes().hex() == vector["tag"]


@pytest.mark.parametrize(
    "vector", VECTORS["filters"], ids=lambda vector: f"{vector['kind']}-{vector['value']}"[:40]
)
def test_a_filter_comes_out_as_written(vector):
    records = encoded(
        vector["kind"],
        vector["value"],
        name=vector["pass"],
        block=vector["block_value"],
        filter_bits=vector["filter_bits"],
        positions_per_field=vector["positions_per_field"],
    )
    assert list(tokens(vector["kind"], vector["value"])) == vector["tokens"]
    assert token_space(vector["identifier"], vector["kind"]) == vector["space"]
    assert records.filters[0, 0].tobytes().hex() == vector["filter"]


@pytest.mark.parametrize(
    "vector", VECTORS["transforms"], ids=lambda vector: f"{vector['transform']}-{vector['value']}"
)
def test_a_transform_comes_out_as_written(vector):
    pass_ = BlockingPass("p", (f"x:{vector['transform']}",))
    assert block_values({"x": [vector["value"]]}, pass_, {"x": vector["kind"]}) == [vector["expected"]]


@pytest.mark.parametrize("vector", VECTORS["phonetic"], ids=lambda vector: vector["code"])
def test_a_phonetic_code_comes_out_as_written(vector):
    assert phonetic(vector["word"]) == vector["code"]


@pytest.mark.parametrize(
    "vector", VECTORS["leaders"], ids=lambda vector: f"{vector['pass']}-{vector['leader']}"
)
def test_the_record_that_leads_a_block_is_as_written(vector):
    columns = tuple(coded(list(texts)) for texts in zip(*vector["records"], strict=True))
    like = Likeness(columns, main=("forename", "surname", "birth"))
    block = np.zeros(len(vector["records"]), dtype=np.int32)
    sent, _ = standing(block, like, rank_key(KEY, vector["pass"]), several=False, most=50)
    assert np.flatnonzero(sent).tolist() == [vector["leader"]]


@pytest.mark.parametrize("vector", VECTORS["joined"], ids=lambda vector: str(vector["first"]))
def test_records_are_joined_at_home_as_written(vector):
    columns = dict(zip(vector["kinds"], zip(*vector["records"], strict=True), strict=True))
    found = joined(
        {kind: coded(values) for kind, values in columns.items()}, {kind: kind for kind in columns}
    )
    assert found.first.tolist() == vector["first"]


@pytest.mark.parametrize("vector", VECTORS["ranks"], ids=lambda vector: vector["pass"])
def test_a_rank_comes_out_as_written(vector):
    (found,) = ranks_of([vector["text"]], rank_key(KEY, vector["pass"])).tolist()
    assert found.to_bytes(8, "big").hex() == vector["rank"]
    assert second_writer.rank(KEY, vector["pass"], vector["text"]).hex() == vector["rank"]


def test_the_vectors_are_those_of_the_second_writer():
    assert json.loads(json.dumps(document())) == VECTORS


def test_the_vectors_reach_every_kind_and_every_transform():
    assert {vector["kind"] for vector in VECTORS["filters"]} == set(KINDS)
    assert {vector["transform"] for vector in VECTORS["transforms"]} == set(TRANSFORMS)
    assert all(
        standardise(vector["kind"], vector["value"]) == vector["value"] for vector in VECTORS["filters"]
    )


def test_both_phonetic_codes_agree_on_any_word():
    source = random.Random(3)
    patterns, classes = rules()
    for _ in range(3000):
        word = "".join(source.choice("aeiouybpfvkgcqsxzjtdlmnrhw") for _ in range(source.randint(1, 9)))
        assert phonetic(word) == second_writer.phonetic(word, patterns, classes)


def test_the_document_prints_the_tables_of_the_code():
    patterns, classes = rules()
    assert tuple(patterns) == code.SPELLINGS
    assert {letter: group[0] for group in classes for letter in group} == code.CLASS_OF
    assert f"`{' '.join(sorted(PARTICLES))}`" in TEXT
    assert set(second_writer.PARTICLES) == PARTICLES
    for transform in TRANSFORMS:
        assert f"| `{transform}` |" in TEXT
