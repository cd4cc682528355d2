import random
from fractions import Fraction
from math import comb

import numpy as np
import pytest

from pprl.encode.field_filters import FieldFilterEncoder
from pprl.encode.tokens import tokens
from pprl.errors import ConfigError, DataError, KeyFileError
from pprl.protocol.blocking import BlockingPass, default_passes
from pprl.protocol.filter_bits import _least_distinct, least_bits, most_bits
from pprl.protocol.levels import EXACT, LEVELS, MISSING, NONE

KEY = bytes(range(32))
KINDS = {
    "given": "given-name",
    "family": "surname",
    "born": "date-of-birth",
    "sex": "sex",
    "home": "postcode",
}
BY_YEAR = BlockingPass("by-year", ("born:year",))
BY_NAME = BlockingPass("by-name", ("family:whole",))


def people(count: int, *, seed: int = 1) -> dict[str, list[str]]:
    source = random.Random(seed)

    def one(choices: list[str]) -> str:
        return "" if source.random() < 0.1 else source.choice(choices)

    return {
        "given": [one(["liz", "elizabeth", "john", "mary ann", "محمد"]) for _ in range(count)],
        "family": [one(["smith", "obrien", "van der berg", "khan"]) for _ in range(count)],
        "born": [
            one([f"19{year}-0{month}-11" for year in (61, 75) for month in (1, 5)]) for _ in range(count)
        ],
        "sex": [one(["f", "m"]) for _ in range(count)],
        "home": [one(["m11aa", "sw1a2aa", "yo41"]) for _ in range(count)],
    }


def encoder(*passes: BlockingPass, key: bytes = KEY, kinds=KINDS, **options: int) -> FieldFilterEncoder:
    return FieldFilterEncoder(passes or (BY_YEAR,), kinds, key, **{"max_block_records": 10_000, **options})


def alone(columns: dict[str, list[str]], row: int) -> dict[str, list[str]]:
    return {name: [column[row]] for name, column in columns.items()}


def test_shapes_follow_the_parameters():
    records = encoder(filter_bits=256).encode(people(40))[0]
    count = len(records.rows)
    assert 0 < count < 40
    assert records.tags.shape == (count, 16)
    assert records.filters.shape == (count, 6, 32)
    assert (records.tags.dtype, records.present.dtype, records.filters.dtype) == (
        np.uint8,
        np.uint32,
        np.uint8,
    )


def test_only_records_with_a_block_are_in_a_pass_in_order():
    columns = people(200)
    records = encoder().encode(columns)[0]
    assert records.rows.tolist() == [row for row, born in enumerate(columns["born"]) if born]
    assert records.suppressed == 0


def test_a_record_is_encoded_alike_wherever_it_stands_and_whoever_else_is_there():
    columns = people(3000)
    one = encoder(BY_YEAR, BY_NAME)
    for whole in one.encode(columns):
        for place in (0, 7, len(whole.rows) - 1):
            single = {each.name: each for each in one.encode(alone(columns, int(whole.rows[place])))}[
                whole.name
            ]
            assert (single.tags[0] == whole.tags[place]).all()
            assert (single.filters[0] == whole.filters[place]).all()
            assert single.present[0] == whole.present[place]


def test_two_departments_with_other_orders_of_columns_agree():
    columns = people(50)
    turned = dict(reversed(columns.items()))
    for one, other in zip(encoder(BY_YEAR).encode(columns), encoder(BY_YEAR).encode(turned), strict=True):
        assert (one.filters == other.filters).all()
        assert (one.tags == other.tags).all()


def test_missing_is_absent():
    columns = alone(people(1), 0) | {
        "given": [""],
        "family": ["khan"],
        "born": ["1961-01-11"],
        "sex": [""],
        "home": [""],
    }
    records = encoder().encode(columns)[0]
    assert records.present.tolist() == [0b00110]
    assert not records.filters[0, [0, 3, 4, 5]].any()
    assert records.filters[0, [1, 2]].any(axis=1).all()


def test_the_same_value_in_two_blocks_or_passes_or_under_two_keys_has_unlike_filters():
    columns = {
        "given": ["john"] * 2, "family": ["smith"] * 2, "born": ["1961-01-11", "1975-01-11"], "sex": ["m"] * 2,
        "home": [""] * 2,
    }  # fmt: skip
    here = encoder(BY_YEAR, BY_NAME).encode(columns)
    elsewhere = encoder(BY_YEAR, key=bytes(32)).encode(columns)[0]
    kinds_of_salt = [here[0].filters[0], here[0].filters[1], here[1].filters[0], elsewhere.filters[0]]
    assert len({filters[1].tobytes() for filters in kinds_of_salt}) == 4
    assert (here[1].filters[0, 1] == here[1].filters[1, 1]).all()
    assert len({tag.tobytes() for tag in (*here[0].tags, *here[1].tags, *elsewhere.tags)}) == 5


def test_a_pass_of_another_name_has_other_tags_for_the_same_blocks():
    columns = people(5)
    one, other = encoder(BY_YEAR, BlockingPass("again", BY_YEAR.parts)).encode(columns)
    assert not (one.tags == other.tags).all(axis=1).any()


def test_names_share_tokens_and_forms_of_a_forename_share_the_last_filter():
    columns = {
        "given": ["smith", "liz", "betty"], "family": ["smith", "jones", "khan"], "born": ["1961-01-11"] * 3,
        "sex": [""] * 3, "home": [""] * 3,
    }  # fmt: skip
    filters = encoder().encode(columns)[0].filters
    assert (filters[0, 0] == filters[0, 1]).all()
    assert (filters[1, 5] == filters[2, 5]).all()
    assert not (filters[1, 0] == filters[2, 0]).all()


def test_identifiers_other_than_names_share_no_tokens():
    kinds = {"one": "code", "two": "code"}
    encode = encoder(BlockingPass("p", ("one:whole",)), kinds=kinds).encode
    filters = encode({"one": ["abc"], "two": ["abc"]})[0].filters
    assert filters.shape == (1, 2, 16)
    assert not (filters[0, 0] == filters[0, 1]).all()


def test_blocks_beyond_the_cap_are_left_out_and_counted():
    born = ["1961-01-11"] * 4 + ["1975-01-11"] * 3 + [""]
    columns = people(8) | {"born": born}
    records = encoder(max_block_records=3).encode(columns)[0]
    assert records.rows.tolist() == [4, 5, 6]
    assert records.suppressed == 4


@pytest.mark.parametrize(
    ("filter_bits", "positions", "of_sex"), [(512, 12, 12), (512, 20, 14), (64, 28, 21), (128, 20, 18)]
)
def test_no_value_sets_more_bits_than_is_told_and_some_set_that_many(filter_bits, positions, of_sex):
    columns = people(4000)
    records = encoder(filter_bits=filter_bits, positions_per_field=positions).encode(columns)[0]
    most = most_bits([*KINDS.values()], filter_bits, positions)
    assert most == [positions, positions, positions, of_sex, positions, of_sex]
    found = np.unpackbits(records.filters, axis=2).sum(axis=2).max(axis=0)
    assert (found <= most).all()
    assert filter_bits < 512 or (found == most).all()


def test_no_value_sets_fewer_bits_than_is_told():
    for filter_bits, positions in ((512, 12), (512, 20), (64, 28), (128, 20)):
        least = least_bits([*KINDS.values()], filter_bits, positions)
        for records in encoder(filter_bits=filter_bits, positions_per_field=positions).encode(people(4000)):
            bits = np.unpackbits(records.filters, axis=2).sum(axis=2)
            assert ((bits >= least) | (bits == 0)).all()


@pytest.mark.parametrize(
    ("kind", "value"),
    [
        ("given-name", "o"),
        ("surname", "a"),
        ("middle-names", "b"),
        ("full-name", "c"),
        ("place", "1"),
        ("free-text", "x"),
        ("address-line", "7"),
        ("number", "5"),
        ("postcode", "n1"),
        ("year-of-birth", "1999"),
        ("date-of-birth", "2000-02-22"),
    ],
)
def test_the_shortest_values_have_two_tokens(kind, value):
    assert len(set(tokens(kind, value))) >= 2


@pytest.mark.parametrize(("cells", "drawn"), [(64, 12), (64, 56), (128, 18), (128, 20), (512, 40)])
def test_the_least_bits_are_those_that_inclusion_and_exclusion_give(cells, drawn):
    def share(distinct):
        ways = sum(
            (-1) ** out * comb(distinct, out) * (distinct - out) ** drawn for out in range(distinct + 1)
        )
        return Fraction(comb(cells, distinct) * ways, cells**drawn)

    least = _least_distinct(cells, drawn)
    below = sum(share(distinct) for distinct in range(1, least))
    assert below < Fraction(1, 10**15) <= below + share(least)


def test_long_kinds_have_twice_the_bits_and_a_full_name_has_a_canonical_form():
    assert most_bits(["address-line", "full-name", "code"], 128, 20) == [40, 40, 18, 18]
    assert most_bits(["free-text", "surname"], 64, 28) == [56, 28]


def test_bits_of_a_field_do_not_tell_how_long_a_name_is():
    names = ["jo", "ann", "smith", "van der berg", "featherstonehaugh", "featherstonehaugh williamson"]
    columns = {
        "given": [""] * 1200, "family": [name for name in names for _ in range(200)], "sex": [""] * 1200,
        "born": [f"{1900 + row % 200}-01-11" for row in range(1200)], "home": [""] * 1200,
    }  # fmt: skip

    def mean_bits(**options):
        filters = encoder(**options).encode(columns)[0].filters[:, 1]
        return np.unpackbits(filters, axis=1).sum(axis=1).reshape(len(names), 200).mean(axis=1)

    for positions in (20, 28):
        found = mean_bits(positions_per_field=positions)
        assert found.max() - found.min() < 1


def test_positions_are_spread_evenly():
    codes = [f"c{number}" for number in range(20_000)]
    kinds = {"group": "sex", "x": "code"}
    records = encoder(BlockingPass("p", ("group:whole",)), kinds=kinds, max_block_records=10**6).encode(
        {"group": ["f"] * len(codes), "x": codes}
    )[0]
    counts = np.unpackbits(records.filters[:, 1], axis=1).sum(axis=0)
    expected = len(codes) * (1 - (127 / 128) ** 18)
    assert np.abs(counts - expected).max() < 5 * expected**0.5


def test_a_dataset_may_be_empty_or_have_no_block():
    for columns in ({name: [] for name in KINDS}, people(5) | {"born": [""] * 5}):
        records = encoder().encode(columns)[0]
        assert records.filters.shape == (0, 6, 16)
        assert records.tags.shape == (0, 16)


def test_random_levels_count_each_pair_once_in_each_field():
    columns = people(300)
    counts = encoder().random_levels(columns, pairs=5000, rng=np.random.default_rng(1))
    assert counts.shape == (5, LEVELS)
    assert (counts.sum(axis=1) == 5000).all()
    sexes = columns["sex"]
    missing = 1 - (1 - sexes.count("") / 300) ** 2
    assert counts[3, MISSING] / 5000 == pytest.approx(missing, abs=0.03)
    assert counts[3, EXACT] + counts[3, MISSING] + counts[3, NONE] > 4800


def test_random_levels_are_the_same_for_the_same_draws_and_need_two_records():
    columns = people(50)
    twice = [encoder().random_levels(columns, pairs=300, rng=np.random.default_rng(7)) for _ in range(2)]
    assert (twice[0] == twice[1]).all()
    assert not encoder().random_levels(alone(columns, 0), pairs=10, rng=np.random.default_rng(1)).any()


@pytest.mark.parametrize(
    "options",
    [
        {"filter_bits": 96},
        {"filter_bits": 1024},
        {"max_block_records": 0},
        {"positions_per_field": 11},
        {"positions_per_field": 29},
    ],
)
def test_parameters_that_the_scheme_does_not_have_are_refused(options):
    with pytest.raises(ConfigError):
        encoder(**options)


def test_passes_that_do_not_fit_are_refused():
    with pytest.raises(ConfigError, match="not an identifier"):
        encoder(BlockingPass("p", ("nobody:whole",)))
    with pytest.raises(ConfigError, match="no two of one name"):
        encoder(BY_YEAR, BY_YEAR)
    with pytest.raises(ConfigError, match="at least one"):
        FieldFilterEncoder((), KINDS, KEY)


def test_a_short_key_is_refused():
    with pytest.raises(KeyFileError):
        encoder(key=KEY[:31])


def test_columns_that_are_absent_or_differ_in_length_are_refused():
    with pytest.raises(DataError, match="'sex'"):
        encoder().encode({name: column for name, column in people(3).items() if name != "sex"})
    with pytest.raises(DataError, match="differ in length"):
        encoder().encode(people(3) | {"sex": ["f"]})


def test_default_passes_encode_for_each_size():
    for rows in (1000, 200_000, 10**6, 10**7):
        passes = default_passes(KINDS, rows)
        assert [records.name for records in encoder(*passes).encode(people(20))] == [
            each.name for each in passes
        ]
