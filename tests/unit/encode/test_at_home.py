"""Records that a department joins itself."""

from __future__ import annotations

from itertools import combinations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from pprl.encode.at_home import by_person, joined, stand_ins
from pprl.encode.copies import originals
from pprl.encode.field_filters import FieldFilterEncoder
from pprl.encode.passes import NO_BLOCK, BlockNumbers, block_values, coded
from pprl.protocol.blocking import BlockingPass
from pprl.protocol.kinds import Kind

KINDS: dict[str, Kind] = {
    "given": "given-name", "family": "surname", "born": "date-of-birth", "postcode": "postcode",
}  # fmt: skip
FULL: dict[str, Kind] = {"name": "full-name", "born": "date-of-birth", "postcode": "postcode"}
Record = tuple[str, ...]

people = st.lists(
    st.tuples(
        st.sampled_from(["", "anna", "ann", "annette", "moss", "o2"]),
        st.sampled_from(["", "moss", "mosse", "anna", "grey"]),
        st.sampled_from(["", "1980-02-03", "1980-05-04", "1981-02-03"]),
        st.sampled_from(["", "ab12cd", "ef34gh"]),
    ),
    max_size=12,
)


def columns_of(records: list[Record], kinds: dict[str, Kind] = KINDS) -> dict[str, list[str]]:
    columns = zip(*records, strict=True) if records else [()] * len(kinds)
    return {name: list(values) for name, values in zip(kinds, columns, strict=True)}


def found(records: list[Record], kinds: dict[str, Kind] = KINDS) -> list[int]:
    columns = {name: coded(values) for name, values in columns_of(records, kinds).items()}
    return joined(columns, kinds).tolist()


def told(record: Record, names: tuple[str, ...]) -> list[str]:
    """What a record says under some names; "" where it lacks something."""
    given, family, born, postcode = record
    by = lambda kind, transform, value: block_values(  # noqa: E731 - four words of shorthand
        {"x": [value]}, BlockingPass("p", (f"x:{transform}",)), {"x": kind}
    )[0]
    whole = given and family
    said = {
        "forename": by("given-name", "canonical-phonetic", given),
        "surname": by("surname", "phonetic", family),
        "letters": given[:3],
        "words": " ".join(sorted(f"{given} {family}".split())) if whole else "",
        "birth": born,
        "year": born[:4],
        "day": born[5:],
        "postcode": postcode,
    }
    return [said[name] for name in names]


LINES = (
    ("forename", "surname", "birth"),
    ("words", "birth"),
    ("letters", "surname", "birth"),
    ("forename", "birth", "postcode"),
    ("forename", "surname", "postcode", "day"),
    ("forename", "surname", "postcode", "year"),
)


def by_hand(records: list[Record]) -> list[int]:
    """Pair by pair, from the document."""
    numbered = {name: coded(values) for name, values in columns_of(records).items()}
    first = originals(numbered, KINDS).tolist()

    def unite(one: int, other: int) -> None:
        low, high = sorted((first[one], first[other]))
        first[:] = [low if each == high else each for each in first]

    for one, other in combinations(range(len(records)), 2):
        for line in LINES:
            mine = told(records[one], line)
            if all(mine) and mine == told(records[other], line):
                unite(one, other)
    homes: dict[tuple[str, ...], list[int]] = {}
    for place, record in enumerate(records):
        said = told(record, ("forename", "surname", "postcode"))
        if all(said):
            homes.setdefault(tuple(said), []).append(place)
    settled = list(first)
    for its in homes.values():
        if len({settled[place] for place in its if records[place][2]}) < 2:
            for place in its[1:]:
                unite(its[0], place)
    return first


@given(people)
def test_as_by_hand(records: list[Record]) -> None:
    assert found(records) == by_hand(records)


def test_a_full_name_tells_both_names() -> None:
    records = [
        ("anna maria smith", "1980-02-03", ""),
        ("anna smyth", "1980-02-03", ""),
        ("smith anna maria", "1980-02-03", ""),
    ]
    assert found(records, FULL) == [0, 0, 0]
    assert found([records[0], ("anna grey", "1980-02-03", "")], FULL) == [0, 1]


def test_without_date_of_birth_copies_alone_are_joined() -> None:
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
