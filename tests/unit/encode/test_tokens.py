from importlib.resources import files

import pytest

from pprl.encode.passes import canonical_forename
from pprl.encode.standardise import standardise
from pprl.encode.tokens import MOST_TOKENS, canonical_tokens, token_space, tokens
from pprl.protocol.kinds import KINDS


def dice(kind: str, one: str, other: str) -> float:
    a, b = set(tokens(kind, one)), set(tokens(kind, other))
    return 2 * len(a & b) / (len(a) + len(b))


@pytest.mark.parametrize("kind", KINDS)
def test_a_missing_value_has_no_token(kind):
    assert tokens(kind, "") == ()


def test_repeated_pairs_of_letters_are_numbered_over_the_whole_value():
    assert tokens("given-name", "anna") == ("_a0", "an0", "nn0", "na0", "a_0")
    assert tokens("given-name", "an an") == ("_a0", "an0", "n_0", "_a1", "an1", "n_1")


@pytest.mark.parametrize("kind", ["surname", "address-line", "number", "free-text"])
def test_a_long_value_has_a_bounded_number_of_different_tokens(kind):
    value = " ".join(f"ab{number}" for number in range(60))
    found = tokens(kind, value.replace(" ", "") if kind == "number" else value)
    assert len(found) == len(set(found)) == MOST_TOKENS


@pytest.mark.parametrize(
    ("kind", "one", "other", "least"),
    [
        ("surname", "thompson", "thomson", 0.7),
        ("date-of-birth", "1967-11-09", "1967-11-08", 0.6),
        ("date-of-birth", "1967-11-09", "1968-11-09", 0.7),
        ("date-of-birth", "1967-11-09", "1967-09-11", 0.4),
        ("year-of-birth", "1967", "1968", 0.4),
        ("postcode", "l178ug", "l178ub", 0.7),
        ("postcode", "l178ug", "l178u", 0.5),
        ("postcode", "l178ug", "l17", 0.4),
        ("number", "qq123456c", "qq123465c", 0.5),
        ("address-line", "16 goldner cct", "16 golder cct", 0.75),
    ],
)
def test_a_mistake_costs_little(kind, one, other, least):
    assert least <= dice(kind, one, other) < 1


@pytest.mark.parametrize(
    ("kind", "one", "other", "most"),
    [
        ("surname", "thompson", "williams", 0.2),
        ("date-of-birth", "1967-11-09", "1984-02-23", 0.1),
        ("postcode", "l178ug", "sw1a1aa", 0.1),
        ("sex", "f", "m", 0),
        ("number", "qq123456c", "ab987601d", 0.15),
    ],
)
def test_different_values_share_little(kind, one, other, most):
    assert dice(kind, one, other) <= most


def test_names_share_one_space_and_other_identifiers_have_their_own():
    names = {token_space(kind, kind) for kind in ("given-name", "middle-names", "surname", "full-name")}
    others = {token_space(name, "postcode") for name in ("home", "shared", "names")}
    assert len(names) == 1
    assert len(names | others) == 4


def test_the_canonical_forename_is_one_token_of_the_first_word():
    assert (
        canonical_tokens("given-name", "liz anne")
        == canonical_tokens("given-name", "betty")
        == ("=elizabeth",)
    )
    assert canonical_tokens("full-name", "liz ann smith") == ("=elizabeth smith",)
    assert canonical_tokens("full-name", "liz smith") != canonical_tokens("full-name", "liz jones")
    assert canonical_tokens("given-name", "") == ()


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("mo", "maureen"),
        ("bill", "william"),
        ("gosia", "margaret"),
        ("md", "muhammad"),
        ("peggy", "margaret"),
    ],
)
def test_known_forms_of_a_forename_are_one(one, other):
    assert canonical_forename(one) == canonical_forename(other)


def test_no_forename_stands_twice_and_all_are_standardised(forename_lines):
    names = [name for canonical, others in forename_lines for name in (canonical, *others)]
    assert len(forename_lines) > 500
    assert len(names) == len(set(names)) > 3000
    assert all(standardise("given-name", name) == name and " " not in name for name in names)


def test_forenames_are_in_order(forename_lines):
    canonical = [line[0] for line in forename_lines]
    assert canonical == sorted(canonical)
    assert all(others == sorted(others) for _, others in forename_lines)


@pytest.fixture(scope="module")
def forename_lines():
    text = files("pprl.encode").joinpath("forenames.txt").read_text(encoding="ascii")
    lines = [line.split(": ") for line in text.splitlines() if not line.startswith("#")]
    return [(canonical, others.split(", ")) for canonical, others in lines]
