"""Our CLKs against clkhash's own, over features and values that nobody would think of."""

import numpy as np
from clkhash.bloomfilter import blake_encode_ngrams, double_hash_encode_ngrams_non_singular
from clkhash.clk import generate_clks
from clkhash.schema import from_json_dict
from hypothesis import given, settings
from hypothesis import strategies as st

from pprl.encode import clk_tokens
from pprl.encode.clk import ClkEncoder, linkage_schema
from pprl.encode.passes import Coded
from pprl.protocol.agreement import Agreement, ClkFeature, ClkParameters, Encoding, Identifier

KEY = bytes(range(32))
KINDS = {
    "surname": "surname",
    "born": "date-of-birth",
    "year": "year-of-birth",
    "case": "number",
    "sex": "sex",
}

letters = st.text(st.characters(exclude_categories=["Cs"]), max_size=9) | st.text("abc ", max_size=9)
VALUES = {
    "surname": letters | st.text("ab", min_size=25, max_size=40),
    "born": st.just("")
    | st.dates().map(str)
    | st.dates().map(lambda day: f"{day.year:04}-{day.month}-{day.day}"),
    "year": st.just("") | st.integers(1850, 2100).map(str),
    "case": st.just("") | st.integers(-(10**18), 10**18).map(str),
    "sex": st.sampled_from(["", "f", "m"]),
}

bits = st.integers(1, 70).map(lambda count: {"bits_per_token": count}) | st.integers(1, 300).map(
    lambda count: {"bits_per_feature": count}
)
ngram = st.builds(
    lambda n, positional: {"comparison": "ngram", "n": n, "positional": positional},
    st.integers(1, 4),
    st.booleans(),
)
exact = st.just({"comparison": "exact"})
numeric = st.builds(
    lambda distance, resolution: {
        "comparison": "numeric", "threshold_distance": distance, "resolution": resolution
    },
    st.sampled_from([0.25, 1.0, 2.5, 40.0]),
    st.integers(1, 6),
)  # fmt: skip


@st.composite
def feature(draw: st.DrawFn) -> ClkFeature:
    identifier = draw(st.sampled_from(sorted(KINDS)))
    comparison = draw(ngram | exact | numeric if identifier in ("year", "case") else ngram | exact)
    return ClkFeature(
        identifier=identifier, hash=draw(st.sampled_from(["blake", "double"])), **comparison, **draw(bits)
    )


agreements = st.builds(
    lambda features, clk_bits, xor_folds: Agreement.model_construct(
        identifier=tuple(Identifier(name=name, kind=kind, why="A test.") for name, kind in KINDS.items()),
        encoding=Encoding(
            scheme="clk",
            invalid_values="missing",
            min_identifiers=1,
            clk=ClkParameters(clk_bits=clk_bits, xor_folds=xor_folds, features=tuple(features)),
        ),
    ),
    st.lists(feature(), min_size=1, max_size=4),
    st.sampled_from([512, 1024, 2048]),
    st.integers(0, 3),
)
tables = st.integers(1, 6).flatmap(
    lambda rows: st.fixed_dictionaries(
        {name: st.lists(values, min_size=rows, max_size=rows) for name, values in VALUES.items()}
    )
)


def as_clkhash_makes_them(agreement: Agreement, columns: dict[str, list[str]]) -> np.ndarray:
    order = [each.identifier for each in agreement.encoding.clk_parameters.features]
    records = list(zip(*(columns[name] for name in order), strict=True))
    schema = from_json_dict(linkage_schema(agreement))
    clks = generate_clks(records, schema, KEY, validate=False, max_workers=1)
    return np.array([np.frombuffer(each.tobytes(), dtype=np.uint8) for each in clks])


@settings(max_examples=60)
@given(agreements, tables)
def test_any_record_under_any_features_is_encoded_as_clkhash_does(agreement, columns):
    encoder, expected = ClkEncoder(agreement, KEY), as_clkhash_makes_them(agreement, columns)
    assert np.array_equal(encoder.encode(columns), expected)
    assert np.array_equal(encoder.encode(columns), expected)


@settings(max_examples=60)
@given(agreements, tables, st.data())
def test_records_of_numbered_columns_are_encoded_in_any_order(agreement, columns, data):
    rows = np.array(data.draw(st.lists(st.integers(0, len(columns["sex"]) - 1), max_size=9)), dtype=np.int64)
    numbered = {}
    for name, values in columns.items():
        distinct = data.draw(
            st.permutations(sorted({*values, *data.draw(st.lists(VALUES[name], max_size=3))}))
        )
        numbered[name] = Coded(
            distinct, np.array([distinct.index(value) for value in values], dtype=np.int64)
        )
    expected = as_clkhash_makes_them(agreement, columns)[rows]
    found = ClkEncoder(agreement, KEY).encode_coded(numbered, rows)
    assert found.shape == expected.shape
    assert np.array_equal(found, expected)


@settings(max_examples=20)
@given(st.lists(st.text("abcdefghij", min_size=20, max_size=40), min_size=1, max_size=200))
def test_more_tokens_than_there_is_room_for_are_numbered_all_the_same(values):
    feature = ClkFeature(
        identifier="surname", comparison="ngram", n=3, positional=True, hash="blake", bits_per_token=2
    )
    cutter = clk_tokens._Pieces(feature, None)
    cutter._slots, cutter._keys = np.full(4, -1, dtype=np.int32), np.zeros((2, 2), dtype=np.uint64)
    found = cutter.tokens_of(values)
    texts, counts = cutter.tokens(0, cutter.met())
    assert len(set(texts)) == len(texts) == cutter.met()
    assert set(counts.tolist()) == {2}
    for place, value in enumerate(values):
        padded = f"  {value}  "
        expected = [f"{at + 1} {padded[at : at + 3]}" for at in range(len(padded) - 2)]
        assert [texts[row] for row in found.numbers[found.first[place] : found.first[place + 1]]] == expected


def test_bits_of_tokens_are_clkhashs_also_where_a_step_is_zero_or_bits_are_many():
    keys = (b"a" * 64, b"b" * 64)
    tokens = [f"{number} é" for number in range(400)]
    counts = np.arange(400, dtype=np.int64) % 99 + 1
    for ours, theirs in (
        (clk_tokens._blake_positions, blake_encode_ngrams),
        (clk_tokens._double_positions, double_hash_encode_ngrams_non_singular),
    ):
        positions = ours(keys, 64, tokens, counts)
        for token, count, found in zip(tokens, counts.tolist(), positions.tolist(), strict=True):
            assert set(found[:count]) == set(theirs([token], keys, [count], 64, "utf-8").search(1))
