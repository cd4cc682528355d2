import pytest

from pprl.encode.passes import SEPARATOR, block_values
from pprl.encode.standardise import standardise
from pprl.errors import ConfigError, DataError
from pprl.protocol.blocking import TRANSFORMS, BlockingPass
from pprl.protocol.kinds import KINDS

PERSON = {
    "given": "given-name",
    "family": "surname",
    "born": "date-of-birth",
    "home": "postcode",
}


def values(*parts: str, kinds=PERSON, **columns: list[str]) -> list[str]:
    return block_values(columns, BlockingPass("p", parts), kinds)


def test_parts_are_joined_in_their_order():
    assert values("family:whole", "born:year", family=["smith"], born=["1967-11-09"]) == [
        f"smith{SEPARATOR}1967"
    ]


def test_a_record_that_lacks_a_part_has_no_block():
    found = values(
        "family:whole",
        "born:year",
        family=["smith", "", "jones", ""],
        born=["1967-11-09", "1967-11-09", "", ""],
    )
    assert found == [f"smith{SEPARATOR}1967", "", "", ""]


def test_a_part_that_a_value_does_not_yield_is_missing():
    assert values("home:sector", home=["yo41", "yo411qx", ""]) == ["", "yo411", ""]


def test_swapped_names_share_a_block_only_where_parts_are_unordered():
    columns = {"given": ["john", "smith", "john"], "family": ["smith", "john", "john"]}
    loose = values("given:unordered-phonetic", "family:unordered-phonetic", **columns)
    strict = values("given:phonetic", "family:phonetic", **columns)
    assert loose[0] == loose[1] != loose[2]
    assert strict[0] != strict[1]


def test_unordered_parts_keep_their_places_among_the_others():
    columns = {"given": ["b", "a"], "family": ["a", "b"], "born": ["1967-11-09"] * 2}
    found = values("given:unordered-whole", "born:year", "family:unordered-whole", **columns)
    assert found == [SEPARATOR.join(("a", "1967", "b"))] * 2


def test_unordered_parts_of_which_one_is_missing_make_no_block():
    assert values("given:unordered-whole", "family:unordered-whole", given=["a", ""], family=["", "b"]) == [
        "",
        "",
    ]


def test_parts_can_not_run_into_each_other():
    found = values("given:whole", "family:whole", given=["ab", "a"], family=["c", "bc"])
    assert found[0] != found[1]


@pytest.mark.parametrize("row_order", [[0, 1, 2, 3], [3, 1, 0, 2]])
def test_blocks_do_not_depend_on_the_order_of_rows(row_order):
    family, born = ["smith", "jones", "smyth", "khan"], ["1967-11-09", "1970-01-02", "1967-03-04", ""]
    found = values(
        "family:phonetic",
        "born:year",
        family=[family[i] for i in row_order],
        born=[born[i] for i in row_order],
    )
    whole = values("family:phonetic", "born:year", family=family, born=born)
    assert found == [whole[i] for i in row_order]


def test_particles_belong_to_the_word_behind_them():
    assert len(set(values("family:phonetic", family=["de souza", "desouza", "de souza lima"]))) == 1
    assert values("family:last-word", family=["smith van der berg"]) == ["vanderberg"]


def test_a_dataset_without_rows_has_no_blocks():
    assert values("family:whole", "born:year", family=[], born=[]) == []


@pytest.mark.parametrize(
    ("part", "words"),
    [
        ("nobody:whole", "not an identifier"),
        ("family:backwards", "no transform"),
        ("family:year", "not for a surname"),
        ("born:unordered-year", "only names"),
        ("born:unordered-backwards", "no transform"),
    ],
)
def test_a_pass_that_does_not_fit_is_refused(part, words):
    with pytest.raises(ConfigError, match=words):
        values(part, family=["a"], born=["1967-11-09"], nobody=["x"])


def test_an_absent_column_is_refused():
    with pytest.raises(DataError, match="'born'"):
        values("family:whole", "born:year", family=["a"])


EXAMPLES = {
    "given-name": "Mary Ann", "middle-names": "J", "surname": "O'Brien", "full-name": "Mo Farah",
    "date-of-birth": "1967-11-09", "year-of-birth": "1967", "sex": "f", "postcode": "M1 1AA",
    "address-line": "1 High St", "place": "York", "free-text": "welder", "number": "12", "code": "a",
}  # fmt: skip


@pytest.mark.parametrize("transform", TRANSFORMS)
def test_each_transform_takes_each_of_its_kinds(transform):
    assert set(EXAMPLES) == set(KINDS)
    for kind in TRANSFORMS[transform]:
        value = standardise(kind, EXAMPLES[kind])
        assert values(f"x:{transform}", kinds={"x": kind}, x=[value, ""])[0]
