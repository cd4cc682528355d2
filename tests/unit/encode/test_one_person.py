"""Who stands for a block."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

import numpy as np
import pytest

from pprl.encode.block_sizes import block_sizes
from pprl.encode.field_filters import FieldFilterEncoder
from pprl.encode.one_person import Likeness, likeness, rank_key, standing
from pprl.encode.own_pairs import OwnPairs
from pprl.encode.passes import coded
from pprl.protocol.blocking import BlockingPass
from pprl.protocol.kinds import Kind
from tests.support.leaders import ranks

KEY = bytes(range(32))
WHO = ("forename", "surname", "birth")
KINDS: dict[str, Kind] = {
    "given": "given-name", "family": "surname", "born": "date-of-birth", "postcode": "postcode",
}  # fmt: skip
ONE_BLOCK = np.zeros(8, dtype=np.int32)
PASSES = [BlockingPass("birth", ("born:whole",)), BlockingPass("home", ("postcode:whole",))]


def columns_of(*records: tuple[str, str, str, str]) -> dict[str, list[str]]:
    return {name: list(values) for name, values in zip(KINDS, zip(*records, strict=True), strict=True)}


def encoder(*, several: bool = False, most: int = 50) -> FieldFilterEncoder:
    return FieldFilterEncoder(
        PASSES, KINDS, KEY, max_block_records=most, one_person_a_block=True, several=several
    )


def household(size: int) -> dict[str, list[str]]:
    names = ["anna", "bert", "carla", "dmitri", "edith", "farid", "gwen", "hamish"]
    return columns_of(*((names[place], "moss", f"19{50 + place}-01-02", "ab12cd") for place in range(size)))


def stands(
    columns: dict[str, list[str]], block: Sequence[int], **options: object
) -> tuple[list[int], list[int]]:
    like = likeness({name: coded(values) for name, values in columns.items()}, KINDS, {})
    sent, back = standing(
        np.array(block, np.int32),
        like,
        rank_key(KEY, "home"),
        **{"several": False, "most": 50, **options},
    )
    return np.flatnonzero(sent).tolist(), back.tolist()


def pass_that_ranks(like: Likeness, wanted: Sequence[int]) -> bytes:
    """The rank key of a pass in which records rank in the order that a test is about."""
    keys = (rank_key(KEY, f"pass-{number}") for number in range(10_000))
    return next(key for key in keys if sorted(range(len(wanted)), key=ranks(like, key).__getitem__) == wanted)


def test_one_record_of_each_block_is_sent_and_of_those_with_an_even_number_one_more_is_compared_at_home() -> (
    None
):
    block = [0, 0, 0, 1, 1, 2]
    sent, back = stands(household(8), [*block, -1, -1])
    assert sorted(block[place] for place in sent) == [0, 1, 2]
    assert [block[place] for place in back] == [1]
    assert not set(sent) & set(back)


def test_own_pairs_are_as_many_as_pairs_of_different_people_between_two_datasets_of_the_same_make_up() -> (
    None
):
    rng = np.random.default_rng(5)
    for records_a_block in (0.3, 1.0, 3.0):
        records = 3_000
        of_each = [rng.integers(0, round(records / records_a_block), records) for _ in range(2)]
        columns = {name: [f"{name}{row}" for row in range(records)] for name in KINDS}
        own = sum(len(stands(columns, block.tolist())[1]) for block in of_each)
        between = len(np.intersect1d(*of_each))
        assert own == pytest.approx(between, rel=0.1), records_a_block


def test_departments_choose_the_same_whatever_their_order_and_whoever_else_they_have() -> None:
    columns = household(8)
    (leads,), _ = stands(columns, [0] * 8)
    name = columns["given"][leads]
    for order in (range(7, -1, -1), sorted({leads, 2, 5, 7})):
        theirs = {key: [values[place] for place in order] for key, values in columns.items()}
        (place,), _ = stands(theirs, [0] * len(order))
        assert theirs["given"][place] == name


def test_who_stays_back_in_one_pass_may_stand_for_a_block_in_another() -> None:
    columns = household(8)
    like = likeness({name: coded(values) for name, values in columns.items()}, KINDS, {})
    orders = {tuple(ranks(like, rank_key(KEY, name))) for name in ("birth", "home", "names")}
    assert len(orders) == 3
    assert ranks(like, rank_key(KEY, "home")) != ranks(like, rank_key(bytes(32), "home"))


def test_nicknames_and_spellings_do_not_change_the_choice() -> None:
    columns = household(8)
    (leads,), _ = stands(columns, [0] * 8)
    written = {"anna": "ann", "bert": "albert", "edith": "edie"}
    columns["given"] = [written.get(name, name) for name in columns["given"]]
    assert stands(columns, [0] * 8)[0] == [leads]


def test_records_that_seem_to_be_of_the_one_who_leads_go_with_it_where_people_have_several() -> None:
    like = Likeness(
        (coded(["a", "a", "a", "b", ""]), coded(["m", "m", "x", "m", "m"]), coded(["1", "2", "1", "3", ""])),
        WHO,
    )
    of_pass = pass_that_ranks(like, [0, 1, 2, 3, 4])
    sent, back = standing(ONE_BLOCK[:5], like, of_pass, several=True, most=50)
    assert np.flatnonzero(sent).tolist() == [0, 1, 2]
    assert back.tolist() == [3]
    sent, back = standing(ONE_BLOCK[:5], like, of_pass, several=False, most=50)
    assert (np.flatnonzero(sent).tolist(), back.tolist()) == ([0], []), "five records"
    sent, back = standing(ONE_BLOCK[:4], like, of_pass, several=False, most=50)
    assert (np.flatnonzero(sent).tolist(), back.tolist()) == ([0], [1])
    sent, back = standing(ONE_BLOCK[:5], like, of_pass, several=True, most=2)
    assert (sent.sum(), len(back)) == (0, 0), "a person with more records than a block may have"


def test_two_surnames_that_agree_are_one_sign_and_not_two() -> None:
    like = Likeness(
        (coded(["m", "m"]), coded(["n", "n"]), coded(["1", "2"])), ("surname", "surname", "birth")
    )
    sent, _ = standing(ONE_BLOCK[:2], like, pass_that_ranks(like, [0, 1]), several=True, most=50)
    assert sent.tolist() == [True, False]


def test_what_is_missing_never_makes_two_records_alike() -> None:
    like = Likeness((coded(["", ""]), coded(["", ""]), coded(["1", "1"])), WHO)
    sent, _ = standing(ONE_BLOCK[:2], like, pass_that_ranks(like, [0, 1]), several=True, most=50)
    assert sent.tolist() == [True, False]


def test_the_encoder_sends_one_record_a_block_and_reports_who_stayed() -> None:
    passes = encoder().encode(household(8))
    by_birth, by_home = (records.to_send() for records in passes)
    assert (len(by_birth.rows), by_birth.suppressed) == (8, 0)
    assert (len(by_home.rows), by_home.suppressed) == (1, 7)
    assert len(passes[1].rows) == 2
    assert (passes[1].tags[0] == passes[1].tags[1]).all()


def test_one_own_pair_of_each_block_is_counted() -> None:
    made = encoder()
    records = made.records(household(8))
    plans = list(made.plan(records))
    own = OwnPairs(np.stack([planned.blocks for planned in plans], axis=1), made.fields)
    for place, planned in enumerate(plans):
        own.add(place, partial(made.filters, records.filters, made.salted(planned)))
    assert own.counted().counts.sum() == 1


def test_block_sizes_tell_what_is_sent() -> None:
    told = block_sizes(household(8), PASSES, KINDS, max_block_records=50, one_person_a_block=True)
    assert [(each.records, each.suppressed, each.largest, each.predicted_pairs) for each in told.passes] == [
        (8, 0, 1, 8),
        (1, 7, 8, 1),
    ]


@pytest.mark.parametrize("several", [False, True])
def test_an_empty_dataset_has_nobody(several: bool) -> None:
    nobody = {name: [] for name in KINDS}
    assert [len(each.rows) for each in encoder(several=several).encode(nobody)] == [0, 0]
