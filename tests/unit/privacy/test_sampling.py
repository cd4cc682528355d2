"""Who is attacked, and who the strangers are."""

from __future__ import annotations

from collections import Counter

import numpy as np

from pprl.privacy.sampling import made_up, sample
from pprl.protocol.kinds import Kind
from tests.support.privacy import population

KINDS: dict[str, Kind] = {"name": "full-name", "code": "postcode"}


def streets(sizes: list[int]) -> dict[str, list[str]]:
    """So many people in each street; nobody's name is there twice."""
    codes = [f"ab{street} 1cd" for street, size in enumerate(sizes) for _ in range(size)]
    return {"name": [f"person {place}" for place in range(len(codes))], "code": codes}


def test_a_small_file_is_attacked_whole() -> None:
    file = streets([3] * 20)
    found = sample(file, KINDS, people=60, seed=1)
    assert (found.file, found.records, found.of) == (file, 60, 60)
    # Of the four fifths that strangers are to be, none is in the file: they are made up.
    assert len(found.strangers["name"]) == 48
    assert not set(found.strangers["name"]) & set(file["name"])


def test_a_large_file_is_sampled_by_whole_postcode() -> None:
    sizes = list(np.random.default_rng(3).integers(1, 6, 300))
    file = streets(sizes)
    found = sample(file, KINDS, people=200, seed=1)
    assert 190 <= found.records <= 200
    assert found.of == sum(sizes)
    whole = Counter(file["code"])
    assert all(whole[code] == count for code, count in Counter(found.file["code"]).items())
    assert not set(found.strangers["name"]) & set(found.file["name"])
    assert set(found.strangers["name"]) < set(file["name"])


def test_the_sample_is_the_same_for_the_same_seed() -> None:
    file = streets([2] * 300)
    chosen = [sample(file, KINDS, people=50, seed=seed).file["name"] for seed in (1, 1, 2)]
    assert chosen[0] == chosen[1] != chosen[2]


def test_a_postcode_that_stands_for_no_street_does_not_fill_the_sample_nor_keep_others_out() -> None:
    file = streets([500] + [2] * 300)
    counts = Counter(sample(file, KINDS, people=100, seed=1).file["code"])
    assert len(counts) > 20
    assert 20 < counts["ab0 1cd"] < 80


def test_records_without_a_postcode_are_drawn_one_by_one() -> None:
    file = {"name": [f"person {place}" for place in range(200)], "code": [""] * 200}
    assert sample(file, KINDS, people=50, seed=1).records == 50
    without = {"name": file["name"]}
    assert sample(without, {"name": "full-name"}, people=50, seed=1).records == 50


def test_made_up_people_have_what_the_file_has_and_nothing_else() -> None:
    kinds: dict[str, Kind] = {
        "name": "full-name", "born": "year-of-birth", "where": "postcode", "house": "address-line", "sex": "sex",
    }  # fmt: skip
    like = {
        "name": ["a b"], "born": ["1970"], "where": ["ab1 1ab"], "house": ["5 high street"], "sex": [""],
    }  # fmt: skip
    made = made_up(like, kinds, 40, 1)
    assert {len(values) for values in made.values()} == {40}
    assert len(set(made["name"])) > 30
    assert all(len(year) == 4 for year in made["born"] if year)
    assert set(made["house"]) == {"5 high street"}
    assert set(made["sex"]) == {""}


def test_made_up_people_are_spelt_as_the_file_is() -> None:
    people = population(300)
    made = made_up(people.file, people.agreement.content.kinds(), 300, 9)
    for name, values in people.file.items():
        assert set("".join(made[name])) <= set("".join(values)) | set(
            "abcdefghijklmnopqrstuvwxyz0123456789-' "
        )
        assert abs(made[name].count("") - values.count("")) < 60
