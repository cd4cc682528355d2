import pytest

from pprl.errors import ConfigError
from pprl.protocol.blocking import BlockingPass, default_passes, problem_of
from pprl.protocol.field_layout import field_layout
from pprl.protocol.kinds import KINDS

PERSON = {
    "given": "given-name",
    "family": "surname",
    "born": "date-of-birth",
    "sex": "sex",
    "home": "postcode",
}
SIZES = (100, 5_000, 5_001, 50_000, 50_001, 150_000, 150_001, 60_000_000)


@pytest.mark.parametrize("rows", SIZES)
def test_default_passes_fit_and_have_different_names(rows):
    everything = {kind.replace("-", "_"): kind for kind in KINDS}
    for kinds in (PERSON, everything, *({name: kind} for name, kind in everything.items())):
        passes = default_passes(kinds, rows)
        assert not [problem for pass_ in passes if (problem := problem_of(pass_, kinds))]
        assert len({pass_.name for pass_ in passes}) == len(passes) == len({pass_.parts for pass_ in passes})
        assert bool(passes) == (set(kinds.values()) != {"sex"})


@pytest.mark.parametrize("rows", SIZES)
def test_people_with_the_usual_identifiers_get_ten_to_fourteen(rows):
    assert len(default_passes(PERSON, rows)) == {5_001: 14, 50_000: 14}.get(
        rows, 10 + (50_000 < rows <= 150_000)
    )


def test_passes_grow_more_selective_with_size():
    parts = [sum(len(pass_.parts) for pass_ in default_passes(PERSON, rows)) for rows in (1000, 10**6, 10**7)]
    assert parts == sorted(parts)
    assert BlockingPass("birth", ("born:whole",)) in default_passes(PERSON, 1000)
    assert BlockingPass("birth", ("born:whole",)) not in default_passes(PERSON, 10**6)


@pytest.mark.parametrize(
    "kinds",
    [
        {"name": "full-name", "born": "date-of-birth"},
        {"name": "full-name", "year": "year-of-birth", "home": "postcode"},
        {"given": "given-name", "family": "surname"},
        {"given": "given-name", "family": "surname", "town": "place", "road": "address-line"},
        {"born": "date-of-birth", "home": "postcode", "sex": "sex"},
        {"given": "given-name", "family": "surname", "ref": "number", "other_ref": "number"},
    ],
)
@pytest.mark.parametrize("rows", SIZES)
def test_whatever_is_there_is_used_in_more_than_one_pass(kinds, rows):
    passes = default_passes(kinds, rows)
    assert len(passes) >= 2
    used = {identifier for pass_ in passes for identifier, _, _ in pass_.split_parts()}
    assert used - {"sex"} == {name for name, kind in kinds.items() if kind != "sex"}


@pytest.mark.parametrize(
    ("name", "parts"),
    [
        ("", ("a:whole",)),
        ("p", ()),
        ("p", ("a",)),
        ("p", ("a:b:c",)),
        ("p", ("a:whole",) * 2),
        ("p q", ("a:whole",)),
    ],
)
def test_a_malformed_pass_is_refused(name, parts):
    with pytest.raises(ValueError, match=r"pass|part"):
        BlockingPass(name, parts)


def test_the_layout_follows_the_agreement():
    layout = field_layout(["sex", "surname", "middle-names", "given-name", "full-name"])
    assert (layout.count, layout.names, layout.middle) == (5, (1, 3, 4), 2)
    assert (layout.forename, layout.canonical) == (3, 5)


def test_without_a_forename_there_is_no_canonical_one():
    layout = field_layout(["surname", "date-of-birth"])
    assert (layout.forename, layout.canonical) == (-1, -1)


def test_too_many_identifiers_are_refused():
    with pytest.raises(ConfigError, match="at most 16"):
        field_layout(["code"] * 17)
