"""Records that a department joins itself."""

from __future__ import annotations

from itertools import product

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from pprl.encode.at_home import by_person, joined, stand_ins
from pprl.encode.copies import originals
from pprl.encode.field_filters import FieldFilterEncoder
from pprl.encode.passes import NO_BLOCK, BlockNumbers, Coded, block_values, coded
from pprl.protocol.blocking import BlockingPass
from pprl.protocol.kinds import Kind
from tests.conformance.field_filters import second_writer

KINDS: dict[str, Kind] = {
    "given": "given-name", "middle": "middle-names", "family": "surname", "born": "date-of-birth",
    "postcode": "postcode", "sex": "sex",
}  # fmt: skip
FULL: dict[str, Kind] = {"name": "full-name", "born": "date-of-birth", "postcode": "postcode"}
Record = tuple[str, ...]

# With so many others in the file, each with a year and a day of birth of its own, that two agree means something.
STRANGERS: list[Record] = [
    (
        f"z{one}{other}",
        "",
        f"q{other}{one}",
        f"{1860 + place}-{1 + place // 28:02d}-{1 + place % 28:02d}",
        "",
        "",
    )
    for place, (one, other) in enumerate(product("aeiourlmn", repeat=2))
]

people = st.lists(
    st.tuples(
        st.sampled_from(["", "anna", "anna", "ann", "anne marie", "anna mo", "moss", "john"]),
        st.sampled_from(["", "", "marie", "zoe", "m"]),
        st.sampled_from(["", "moss", "moss", "mosse", "anna", "grey"]),
        st.sampled_from(["", "1980-02-03", "1980-02-03", "1980-05-04", "1981-02-03", "1990-02-03"]),
        st.sampled_from(["", "ab12cd", "ab12cd", "ef34gh"]),
        st.sampled_from(["", "f", "f", "m"]),
    ),
    max_size=14,
)


def columns_of(records: list[Record], kinds: dict[str, Kind] = KINDS) -> dict[str, list[str]]:
    columns = zip(*records, strict=True) if records else [()] * len(kinds)
    return {name: list(values) for name, values in zip(kinds, columns, strict=True)}


def numbered(records: list[Record], kinds: dict[str, Kind] = KINDS) -> dict[str, Coded]:
    return {name: coded(values) for name, values in columns_of(records, kinds).items()}


def found(records: list[Record], kinds: dict[str, Kind] = KINDS) -> list[int]:
    return joined(numbered(records, kinds), kinds).first.tolist()


def texts(record: Record) -> dict[str, str]:
    """What a record says, by the names that the document has for it."""
    given, middle, family, born, postcode, sex = record
    second = "".join(f"{given} {middle}".split()[1:2])
    by = lambda kind, transform, value: block_values(  # noqa: E731 - four words of shorthand
        {"x": [value]}, BlockingPass("p", (f"x:{transform}",)), {"x": kind}
    )[0]
    return {
        "forename": by("given-name", "canonical", given),
        "sound": by("given-name", "canonical-phonetic", given),
        "surname": by("surname", "phonetic", family),
        "words": " ".join(sorted(f"{given} {family}".split())) if given and family else "",
        "birth": born,
        "postcode": postcode,
        "sex": sex,
        "initial": second[:1],
        "whole": by("given-name", "phonetic", second) if len(second) > 1 else "",
    }


@given(people, st.sampled_from([[], STRANGERS, STRANGERS]))
def test_as_by_hand(some: list[Record], others: list[Record]) -> None:
    records = some + others
    copies = originals(numbered(records), KINDS).tolist()
    assert found(records) == second_writer.joined(list(map(texts, records)), copies)


def test_strangers_with_one_name_and_birth_date_are_as_many_as_expected() -> None:
    rng = np.random.default_rng(7)
    surnames = ["a".join(letters) for letters in product("bdglmnrf", repeat=4)]
    days = [f"{month:02d}-{day:02d}" for month in range(1, 13) for day in range(1, 29)]
    records = [
        ("anna", "", surnames[name], f"{year}-{days[day]}", "", "")
        for name, year, day in rng.integers([0, 1950, 0], [len(surnames), 2000, len(days)], size=(45_000, 3))
    ]
    told = joined(numbered(records), KINDS)
    _, of_one = np.unique(told.first, return_counts=True)
    assert told.namesakes > 10
    assert abs(of_one[of_one > 1].sum() - told.namesakes) < 4 * np.sqrt(2 * told.namesakes)


def test_a_frequent_name_and_birth_date_join_only_with_the_postcode() -> None:
    dates = [f"{1960 + number % 40}-{1 + number % 12:02d}-{1 + number % 28:02d}" for number in range(200)]
    crowd = [("anna", "", "moss", born, "", "") for born in dates]
    others = [("anna", "", f"{letter}ane", born, "", "") for letter in "gr" for born in dates]
    moved = [("anna", "", "moss", dates[0], "ab12cd", ""), ("anna", "", "moss", dates[0], "ef34gh", "")]
    rare = [("anna", "", "quaver", dates[0], "", ""), ("anna", "", "quaver", dates[0], "gh56ij", "")]
    first = found([*crowd, *others, *moved, moved[0], *rare])
    assert first[600:] == [600, 601, 600, 603, 603]
    assert first[:600] == list(range(600))


def test_no_chain_of_people_of_one_name_at_one_postcode() -> None:
    born = [f"{1960 + number % 40}-{1 + number % 12:02d}-{1 + number % 28:02d}" for number in range(400)]
    records = [("ali", "", "khan", each, "ab12cd", "m") for each in born]
    _, of_one = np.unique(found(records), return_counts=True)
    assert of_one.max() <= born.count(born[0]) + 1


def test_nor_of_a_hostel_whatever_the_surnames() -> None:
    rng = np.random.default_rng(5)
    forenames, surnames = (
        ("ali", "omar", "john"),
        ("khan", "moss", "grey", "wren", "pratt", "lake", "ford", "ross"),
    )
    men = [(str(rng.choice(forenames)), "", each, "2003-01-01", "ab12cd", "m") for each in surnames * 3]
    _, of_one = np.unique(found([*men, *STRANGERS]), return_counts=True)
    assert of_one.max() == max(men.count(each) for each in men)


def test_nor_of_people_without_birth_date() -> None:
    surnames = ["".join(("sm", *rest)) for rest in product("iy", ["t", "tt", "th", "tth"], ["", "e"])]
    records = [(given, "", family, "", "ab12cd", "m") for given in ("john", "jon") for family in surnames]
    assert found(records) == list(range(len(records)))


def test_in_a_small_file_a_frequent_name_is_none_the_less_frequent() -> None:
    rng = np.random.default_rng(11)
    day = lambda: f"{rng.integers(1950, 2000)}-{rng.integers(1, 13):02d}-{rng.integers(1, 29):02d}"  # noqa: E731
    crowd = [("ali", "", "khan", day(), "", "m") for _ in range(100)]
    others = [("anna", "", f"g{number:03d}", day(), "", "f") for number in range(200)]
    again = [(*crowd[0][:4], "ab12cd", "m"), (*others[0][:4], "ab12cd", "f")]
    told = joined(numbered([*crowd, *others, *again]), KINDS)
    assert told.first.tolist()[300:] == [300, 100]
    assert told.namesakes < 0.1, "only of those who would be joined"


def test_a_full_name_tells_both_names() -> None:
    records = [
        ("anna maria smith", "1980-02-03", ""),
        ("anna smyth", "1980-02-03", ""),
        ("smith anna", "1980-02-03", ""),
    ]
    others = [(f"{given} {family}", born, "") for given, _, family, born, *_ in STRANGERS]
    assert found([*records, *others], FULL)[:3] == [0, 0, 2]
    assert found([("anna smith", "1980-02-03", ""), records[2]], FULL) == [0, 0]
    assert found([records[0], ("anna grey", "1980-02-03", "")], FULL) == [0, 1]
    assert found([("anna", "1980-02-03", "ab12cd")] * 2 + [("anna", "1980-02-03", "")] * 2, FULL) == [
        0,
        0,
        2,
        3,
    ]


def test_without_date_of_birth_nobody_is_joined() -> None:
    kinds: dict[str, Kind] = {"given": "given-name", "family": "surname", "postcode": "postcode"}
    assert found([("anna", "moss", "ab12cd")] * 2, kinds) == [0, 1]


numbers = st.lists(st.tuples(st.integers(0, 3), st.integers(-1, 3)), min_size=1, max_size=20)


@given(numbers)
def test_a_person_stands_once_and_where_most_of_the_persons_records_are(both: list[tuple[int, int]]) -> None:
    named = [person for person, _ in both]
    home = np.array([named.index(person) for person in named])
    blocks = np.array([block for _, block in both], dtype=np.int32)
    chosen = stand_ins(BlockNumbers(blocks, ()), home).numbers
    for person in set(home.tolist()):
        its = np.flatnonzero(home == person)
        there = its[chosen[its] != NO_BLOCK]
        had = blocks[its][blocks[its] != NO_BLOCK].tolist()
        assert len(there) == min(1, len(had))
        for row in there.tolist():
            assert chosen[row] == blocks[row]
            assert had.count(int(chosen[row])) == max(map(had.count, had))
    assert len(set(by_person(home).tolist())) == len(set(named))


@given(people)
def test_no_block_holds_two_records_and_no_person_stands_twice(records: list[Record]) -> None:
    passes = [BlockingPass("birth", ("born:whole",)), BlockingPass("home", ("postcode:whole",))]
    encoder = FieldFilterEncoder(
        passes, KINDS, bytes(range(32)), one_person_a_block=True, several=True, join_at_home=True
    )
    home = found(records)
    for each in encoder.encode(columns_of(records)):
        assert len(set(each.people.tolist())) == len(each.people)
        assert each.people.tolist() == [home[row] for row in each.rows.tolist()]
        sent = each.to_send()
        assert len(set(sent.blocks.tolist())) == len(sent.blocks) == len(sent.people)
