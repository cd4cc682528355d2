"""The encoder's fast ways against slow and obvious ones: blocks, who stands for them, copies, and every filter."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from pprl.encode.block_sizes import block_sizes
from pprl.encode.copies import originals
from pprl.encode.field_filters import FieldFilterEncoder
from pprl.encode.one_person import likeness, rank_key
from pprl.encode.one_person import standing as fast_standing
from pprl.encode.passes import CodedColumns, block_values, coded, district_and_sector, numbered_blocks
from pprl.encode.token_filters import _Tokens
from pprl.encode.tokens import tokens
from pprl.protocol.blocking import BlockingPass
from pprl.protocol.kinds import Kind
from tests.conformance.field_filters import second_writer as writer
from tests.support.leaders import standing

KEY = bytes(range(32))
KINDS: dict[str, Kind] = {
    "given": "given-name", "family": "surname", "born": "date-of-birth", "sex": "sex", "home": "postcode",
}  # fmt: skip
VALUES = {
    "given": ["", "liz", "elizabeth", "mary ann", "محمد", "o"],
    "family": ["", "smith", "smyth", "van der berg", "smith jones"],
    "born": ["", "1961-01-11", "1961-11-01", "1975-05-05"],
    "sex": ["", "f", "m"],
    "home": ["", "m11aa", "sw1a2aa", "yo41", "m11ab"],
}
PASSES = [
    BlockingPass("born", ("born:year",)),
    BlockingPass("names", ("given:unordered-phonetic", "family:unordered-phonetic")),
    BlockingPass("three", ("family:phonetic", "sex:whole", "home:district")),
]
Columns = Mapping[str, Sequence[str]]

people = st.lists(st.tuples(*(st.sampled_from(VALUES[name]) for name in KINDS)), max_size=25).map(
    lambda rows: {name: [row[place] for row in rows] for place, name in enumerate(KINDS)}
)
quick = settings(max_examples=60, deadline=None)


def size(columns: Columns) -> int:
    return len(columns["sex"])


@quick
@given(people, st.integers(1, 5))
def test_columns_that_grow_by_batches_are_those_of_the_whole(columns: Columns, step: int) -> None:
    growing = CodedColumns(KINDS)
    for start in range(0, size(columns), step):
        growing.add({name: values[start : start + step] for name, values in columns.items()})
    for name, column in growing.coded().items():
        assert column.values() == list(columns[name])
        assert column.distinct == coded(columns[name]).distinct


@quick
@given(people)
def test_blocks_are_numbered_as_their_texts_differ(columns: Columns) -> None:
    numbered = {name: coded(values) for name, values in columns.items()}
    for pass_ in PASSES:
        found, texts = numbered_blocks(numbered, pass_, KINDS), block_values(columns, pass_, KINDS)
        assert [number >= 0 for number in found.numbers.tolist()] == [bool(text) for text in texts]
        assert found.texts() == list(dict.fromkeys(text for text in texts if text))
        assert [found.texts()[number] if number >= 0 else "" for number in found.numbers.tolist()] == texts
        assert found.sizes().tolist() == [texts.count(text) for text in found.texts()]


@quick
@given(people, st.booleans(), st.integers(1, 4), st.integers(1, 4))
def test_who_stands_for_a_block_is_who_comes_first_by_all_ranks(
    columns: Columns, several: bool, blocks: int, most: int
) -> None:
    numbered = {name: coded(values) for name, values in columns.items()}
    like = likeness(numbered, KINDS, {})
    block = np.arange(size(columns), dtype=np.int32) % (blocks + 1) - 1
    of_pass = rank_key(KEY, "birth")
    sent, beside = fast_standing(block, like, of_pass, several=several, most=most)
    wanted = standing(block.tolist(), like, of_pass, several=several, most=most)
    assert (set(np.flatnonzero(sent).tolist()), set(beside.tolist())) == wanted


@quick
@given(people)
def test_a_copy_is_of_the_first_equal_record(columns: Columns) -> None:
    rows = list(zip(*columns.values(), strict=True))
    for place, original in enumerate(originals(columns, KINDS).tolist()):
        enough = all(rows[place][each] for each in (0, 1, 2, 4))
        assert original == (rows.index(rows[place]) if enough else place)


@settings(max_examples=25, deadline=None)
@given(people, st.sampled_from([(64, 12), (128, 20), (256, 28), (512, 16)]), st.booleans())
def test_every_tag_and_filter_is_the_second_writers(
    columns: Columns, setting: tuple[int, int], one_person: bool
) -> None:
    """A record at a time, a token at a time, by the implementation that was made from the document alone."""
    bits, positions = setting
    encoder = FieldFilterEncoder(
        PASSES,
        KINDS,
        KEY,
        filter_bits=bits,
        positions_per_field=positions,
        one_person_a_block=one_person,
        several=True,
    )
    for pass_, made in zip(PASSES, encoder.encode(columns), strict=True):
        texts = block_values(columns, pass_, KINDS)
        for place, row in enumerate(made.rows.tolist()):
            tag, salt = writer.tag_and_salt(KEY, pass_.name, texts[row])
            assert made.tags[place].tobytes() == tag
            for field, (name, kind) in enumerate(KINDS.items()):
                value = columns[name][row]
                told = writer.tokens_of(kind, value) if value else []
                counts = writer.shares(kind, told, positions)
                wanted = writer.filter_of(KEY, salt, writer.space_of(kind, name), told, bits, counts)
                assert made.filters[place, field].tobytes() == wanted
                assert bool(made.present[place] >> field & 1) == bool(value)


@quick
@given(people, st.booleans(), st.integers(1, 5))
def test_block_sizes_are_those_of_what_is_sent(columns: Columns, one_person: bool, most: int) -> None:
    told = block_sizes(
        columns, PASSES, KINDS, max_block_records=most, one_person_a_block=one_person, several=False
    )
    encoder = FieldFilterEncoder(
        PASSES, KINDS, KEY, max_block_records=most, one_person_a_block=one_person, several=False
    )
    for each, made in zip(told.passes, encoder.encode(columns), strict=True):
        assert (each.records, each.suppressed) == (len(made.to_send().rows), made.suppressed)
        assert each.without_block == size(columns) - each.records - each.suppressed


postcodes = st.lists(
    st.one_of(
        st.from_regex(r"[a-z]{1,2}[0-9][0-9a-z]?[0-9][a-z]{2}", fullmatch=True),
        st.from_regex(r"(m1|m11|sw1a)[12]?(aa|ab)?", fullmatch=True),
        st.text("m1a2é", min_size=1, max_size=8),
    ),
    unique=True,
    max_size=30,
)


@quick
@given(postcodes)
def test_postcodes_have_the_tokens_of_each_by_itself(values: list[str]) -> None:
    """Put together of what postcodes share, they have the tokens that each has by itself."""
    known, slow = _Tokens(), _Tokens()
    found = [
        each.add("field:home", partial(tokens, "postcode"), ["", *values], postcodes=quickly)
        for each, quickly in ((known, True), (slow, False))
    ]
    assert found[0].tolist() == found[1].tolist()
    assert [known.texts[place] for place in known.order] == [slow.texts[place] for place in slow.order]


@quick
@given(postcodes)
def test_district_and_sector_are_those_of_the_second_writer(values: list[str]) -> None:
    assert [district_and_sector(value) for value in values] == [
        writer.district_sector(value) for value in values
    ]
