"""Copies are equal in everything and beyond doubt of one person; all others are left to the model."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pprl.encode.copies import copies_among, originals
from pprl.protocol.kinds import Kind

KINDS: dict[str, Kind] = {
    "forename": "given-name",
    "surname": "surname",
    "born": "date-of-birth",
    "sex": "sex",
    "postcode": "postcode",
}
ANNA = {"forename": "anna", "surname": "smith", "born": "1967-11-09", "sex": "f", "postcode": "ab12cd"}


def found(*records: Mapping[str, str], kinds: Mapping[str, Kind] = KINDS) -> list[int]:
    return originals({name: [each.get(name, "") for each in records] for name in kinds}, kinds).tolist()


def test_equal_records_are_copies_of_the_first() -> None:
    other = {**ANNA, "forename": "anne"}
    assert found(other, ANNA, ANNA, other, ANNA) == [0, 1, 1, 0, 1]


@pytest.mark.parametrize("name", KINDS)
def test_records_that_differ_in_anything_are_no_copies(name: str) -> None:
    assert found(ANNA, {**ANNA, name: "other"}) == [0, 1]


@pytest.mark.parametrize("name", KINDS)
def test_missing_equals_missing_alone(name: str) -> None:
    assert found(ANNA, {**ANNA, name: ""}) == [0, 1]


@pytest.mark.parametrize("name", ["forename", "surname", "born", "postcode"])
def test_without_names_date_of_birth_and_one_more_nobody_is_a_copy(name: str) -> None:
    known = {**ANNA, name: ""}
    assert found(known, known) == [0, 1]


def test_of_no_records_none_is_a_copy() -> None:
    nobody = originals({name: [] for name in KINDS}, KINDS)
    assert (nobody.dtype, len(nobody)) == (np.int64, 0)


def test_what_is_not_needed_may_be_missing() -> None:
    known = {**ANNA, "sex": ""}
    assert found(known, known) == [0, 0]


@pytest.mark.parametrize(
    ("kind", "enough"),
    [
        ("middle-names", True),
        ("postcode", True),
        ("address-line", True),
        ("place", True),
        ("free-text", True),
        ("number", True),
        ("code", True),
        ("sex", False),
        ("year-of-birth", False),
        ("given-name", False),
        ("surname", False),
        ("full-name", False),
        ("date-of-birth", False),
    ],
)
def test_what_is_one_more(kind: Kind, *, enough: bool) -> None:
    kinds: dict[str, Kind] = {"name": "full-name", "born": "date-of-birth", "more": kind}
    record = {"name": "anna smith", "born": "1967-11-09", "more": "1967"}
    assert found(record, record, kinds=kinds) == [0, 0 if enough else 1]


def test_a_year_of_birth_is_no_date_of_birth() -> None:
    kinds: dict[str, Kind] = {**KINDS, "born": "year-of-birth"}
    assert found(ANNA, ANNA, kinds=kinds) == [0, 1]


def test_no_records() -> None:
    assert found() == []


rows = st.lists(
    st.tuples(*(st.sampled_from(["", "x", "y"]) for _ in KINDS)).map(
        lambda row: dict(zip(KINDS, row, strict=True))
    ),
    max_size=60,
)


@given(records=rows)
def test_as_by_hand(records: list[dict[str, str]]) -> None:
    first: dict[tuple[str, ...], int] = {}
    by_hand = []
    for place, each in enumerate(records):
        needed = all(each[name] for name in ("forename", "surname", "born", "postcode"))
        by_hand.append(first.setdefault(tuple(each.values()), place) if needed else place)
    assert found(*records) == by_hand
    assert copies_among(np.array(by_hand, np.int64)) == sum(n != place for place, n in enumerate(by_hand))
