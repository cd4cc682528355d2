"""Our CLKs and clkhash's own, byte for byte, over every option that an agreement can choose.

clkhash reads the same standardised columns with the schema that we export. It is given the columns as a CSV
file with a header, which it checks, and validates each value.
"""

import csv
import io
import json
import random
from collections.abc import Iterator

import numpy as np
import pytest
from clkhash.clk import generate_clk_from_csv, generate_clks
from clkhash.schema import from_json_dict

from pprl.encode.clk import ClkEncoder, linkage_schema
from pprl.encode.standardise import standardise
from pprl.protocol.agreement import ClkFeature

KEY = bytes(range(32))
RECORDS = 400
GIVEN = ["Mary", "José", "Zoë-Ann", "Łukasz", "Siobhán", "محمد", "王小明", "Al", "X", "Bartholomew James"]
SURNAMES = [
    "Smith",
    "O'Brien",
    "Nguyễn",
    "Groß",
    "Παπαδόπουλος",
    "van der Berg",
    "Lee",
    "রহমান",
    "Featherstonehaugh",
]


def features(options: dict[str, object]) -> list[ClkFeature]:
    """Names under the options in question; the other comparisons beside them."""
    exact = {"comparison": "exact", "hash": options["hash"]}
    by_size = {"comparison": "numeric", "hash": options["hash"]}
    digits = {"comparison": "ngram", "n": 1, "positional": True, "hash": options["hash"]}
    return [
        ClkFeature(identifier="sex", bits_per_token=5, **exact),
        ClkFeature(identifier="given_name", **options),
        ClkFeature(identifier="surname", **options),
        ClkFeature(identifier="date_of_birth", bits_per_feature=90, **digits),
        ClkFeature(
            identifier="year_of_birth", threshold_distance=4.0, resolution=3, bits_per_token=9, **by_size
        ),
        ClkFeature(
            identifier="case_number", threshold_distance=2.5, resolution=4, bits_per_feature=40, **by_size
        ),
        ClkFeature(identifier="postcode", bits_per_feature=70, **exact),
    ]


def columns(records: int, *, seed: int, missing: float = 0.15) -> dict[str, list[str]]:
    """Standardised columns of made-up people, some of whose identifiers are missing."""
    source = random.Random(seed)
    number = source.randint
    endings = ["", "", "-Jones", "son", " Ü", " Q"]
    raw = {
        "given_name": lambda: source.choice(GIVEN) + source.choice(["", "", " Jo", "-Rose"]),
        "surname": lambda: source.choice(SURNAMES) + source.choice(endings),
        "date_of_birth": lambda: f"{number(1, 28)}/{number(1, 12)}/{number(1901, 2020)}",
        "year_of_birth": lambda: str(number(1901, 2020)),
        "sex": lambda: source.choice("MF"),
        "postcode": lambda: (
            f"{source.choice(['SW', 'L'])}{number(1, 20)} {number(0, 9)}{source.choice('ABD')}J"
        ),
        "case_number": lambda: f"{number(0, 99_999):05}",
    }
    kinds = {
        "given_name": "given-name",
        "date_of_birth": "date-of-birth",
        "year_of_birth": "year-of-birth",
        "case_number": "number",
    }

    def value(name: str) -> str:
        return "" if source.random() < missing else standardise(kinds.get(name, name), raw[name]())

    return {name: [value(name) for _ in range(records)] for name in raw}


def as_clkhash_makes_them(schema: dict[str, object], values: dict[str, list[str]], key: bytes) -> np.ndarray:
    names = [feature["identifier"] for feature in schema["features"]]
    table = io.StringIO(newline="")
    writer = csv.writer(table)
    writer.writerows([names, *zip(*(values[name] for name in names), strict=True)])
    table.seek(0)
    through_json = from_json_dict(json.loads(json.dumps(schema)))
    clks = generate_clk_from_csv(table, key, through_json, progress_bar=False, max_workers=1)
    return np.array([np.frombuffer(clk.tobytes(), dtype=np.uint8) for clk in clks])


def all_options() -> Iterator[tuple[dict[str, object], int, int]]:
    """What an agreement can choose for a name, with lengths and folds in turn."""
    comparisons = [
        *({"comparison": "ngram", "n": n, "positional": positional} for n in (1, 2, 3) for positional in (False, True)),
        {"comparison": "exact"},
    ]  # fmt: skip
    strategies = [{"bits_per_token": 11}, {"bits_per_feature": 70}]
    turn = 0
    for comparison in comparisons:
        for strategy in strategies:
            for hash_name in ("blake", "double"):
                folds, bits = turn // 2 % 4, (512, 1024, 2048)[turn % 3]
                yield {**comparison, **strategy, "hash": hash_name}, bits, folds
                turn += 1


OPTIONS = list(all_options())


def name_of(case: tuple[dict[str, object], int, int]) -> str:
    options, bits, folds = case
    return "-".join(f"{key}={value}" for key, value in options.items()) + f"-{bits}-folds{folds}"


def test_the_options_reach_ten_thousand_records_and_every_number_of_folds_for_both_hashes():
    assert len(OPTIONS) * RECORDS >= 10_000
    assert {(options["hash"], folds) for options, _, folds in OPTIONS} == {
        (hash_name, folds) for hash_name in ("blake", "double") for folds in range(4)
    }


@pytest.mark.parametrize("case", OPTIONS, ids=[name_of(case) for case in OPTIONS])
def test_bytes_equal_clkhashs(agreement_with, case):
    options, bits, folds = case
    agreement = agreement_with(features(options), clk_bits=bits, xor_folds=folds)
    values = columns(RECORDS, seed=OPTIONS.index(case))
    ours = ClkEncoder(agreement, KEY).encode(values)
    assert ours.shape == (RECORDS, bits // 8)
    assert np.array_equal(ours, as_clkhash_makes_them(linkage_schema(agreement), values, KEY))


@pytest.mark.slow
@pytest.mark.parametrize("folds", range(4))
@pytest.mark.parametrize("case", OPTIONS, ids=[name_of(case) for case in OPTIONS])
def test_bytes_equal_clkhashs_at_length(agreement_with, case, folds):
    options, _, _ = case
    agreement = agreement_with(features(options), clk_bits=4096, xor_folds=folds)
    values = columns(1_000, seed=1_000 + folds)
    ours = ClkEncoder(agreement, KEY).encode(values)
    assert np.array_equal(ours, as_clkhash_makes_them(linkage_schema(agreement), values, KEY))


def test_more_tokens_than_bits_for_a_feature(agreement_with):
    options = {"comparison": "ngram", "n": 2, "positional": False, "bits_per_feature": 3, "hash": "blake"}
    agreement = agreement_with(features(options))
    values = columns(50, seed=5)
    assert np.array_equal(
        ClkEncoder(agreement, KEY).encode(values),
        as_clkhash_makes_them(linkage_schema(agreement), values, KEY),
    )


@pytest.mark.parametrize("hash_name", ["blake", "double"])
def test_missing_is_what_clkhash_makes_of_a_schema_without_the_feature_at_its_place(
    agreement_with, hash_name
):
    options = {"comparison": "exact", "bits_per_token": 20, "hash": hash_name}
    agreement = agreement_with(features(options))
    values = columns(20, seed=6, missing=0)
    for name in values:
        without = {**values, name: [""] * 20}
        schema = linkage_schema(agreement)
        schema["features"] = [
            {"identifier": name, "ignored": True} if each["identifier"] == name else each
            for each in schema["features"]
        ]
        expected = as_clkhash_makes_them(schema, values, KEY)
        assert np.array_equal(ClkEncoder(agreement, KEY).encode(without), expected)
        assert not np.array_equal(expected, ClkEncoder(agreement, KEY).encode(values))


def test_the_trap_is_real_the_documented_spelling_alone_does_not_fold(agreement_with):
    options = {"comparison": "exact", "bits_per_token": 20, "hash": "blake"}
    schema = linkage_schema(agreement_with(features(options), xor_folds=2))
    assert from_json_dict(schema).xor_folds == 2
    del schema["clkConfig"]["xor_folds"]
    assert from_json_dict(schema).xor_folds == 0


def test_the_trap_is_real_keys_follow_the_position_of_a_column(agreement_with):
    options = {"comparison": "exact", "bits_per_token": 20, "hash": "blake"}
    schema = from_json_dict(linkage_schema(agreement_with(features(options)[1:3])))
    turned = from_json_dict(linkage_schema(agreement_with(features(options)[2:0:-1])))
    straight = generate_clks([("mary", "smith")], schema, KEY, max_workers=1)
    assert generate_clks([("smith", "mary")], turned, KEY, max_workers=1) != straight
