import json
import re
from collections import Counter
from pathlib import Path

import pytest

from pprl.encode import standardise as standard
from pprl.encode.standardise import RULES, InvalidValue, standardise
from pprl.protocol.kinds import KINDS

HERE = Path(__file__).parent
VECTORS = json.loads((HERE / "vectors.json").read_text(encoding="ascii"))["vectors"]
TEXT = (HERE.parents[2] / "docs" / "standardise.md").read_text(encoding="utf-8")


def outcome(vector: dict[str, str]) -> dict[str, str]:
    order = vector.get("date_order", "day-month-year")
    try:
        return {"expected": standardise(vector["kind"], vector["value"], date_order=order)}
    except InvalidValue as problem:
        return {"rule": problem.rule}


@pytest.mark.parametrize(
    "vector", VECTORS, ids=[f"{number}-{vector['kind']}" for number, vector in enumerate(VECTORS)]
)
def test_a_vector_comes_out_as_written(vector):
    assert outcome(vector) == {key: vector[key] for key in ("expected", "rule") if key in vector}


def test_the_vectors_reach_every_kind_and_every_rule():
    refused = Counter(vector["rule"] for vector in VECTORS if "rule" in vector)
    assert len(VECTORS) >= 150
    assert refused.total() >= 40
    assert {vector["kind"] for vector in VECTORS} == set(KINDS)
    assert set(refused) == set(RULES)


def test_no_vector_stands_twice():
    assert len({json.dumps(vector, sort_keys=True) for vector in VECTORS}) == len(VECTORS)


def rows_of(table: str) -> dict[str, str]:
    """Cells `a` and `b` of the rows of one of the document's tables."""
    section = TEXT.partition(f"## {table}\n")[2].partition("\n## ")[0]
    return dict(re.findall(r"^\| `([^`]+)` \| `([^`]+)` \|$", section, flags=re.MULTILINE))


def test_the_document_prints_the_table_of_letters():
    assert rows_of("Letters") == dict(standard.LETTERS)


def test_the_document_prints_the_table_of_shortened_words():
    assert rows_of("Words of addresses and places") == dict(standard.WORDS_SHORTENED)


def test_the_document_names_every_rule_and_every_word_for_not_known():
    for rule in RULES:
        assert f"`{rule}`" in TEXT
    for word in standard.NOT_KNOWN_IN_TEXT:
        assert f"`{word}`" in TEXT
