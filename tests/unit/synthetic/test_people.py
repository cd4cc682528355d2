from __future__ import annotations

from collections import Counter

import numpy as np
import pytest

from pprl.synthetic import dates
from pprl.synthetic.justice import SUSPECTS
from pprl.synthetic.lives import Lives, draw_lives, known_on
from pprl.synthetic.naming import FEMALE, MALE
from pprl.synthetic.people import People, Role, draw_people
from pprl.synthetic.sources import communities

FROM = dates.number(2015, 1, 1)


@pytest.fixture(scope="module")
def people() -> People:
    return draw_people(np.random.Generator(np.random.PCG64(1)), 40_000, SUSPECTS)


@pytest.fixture(scope="module")
def lives(people: People) -> Lives:
    return draw_lives(np.random.Generator(np.random.PCG64(2)), people, FROM)


def of(people: People, role: Role) -> tuple[np.ndarray, np.ndarray]:
    members = np.flatnonzero(people.role == role)
    return members, people.first[members]


def test_as_many_live_together_as_asked(people: People) -> None:
    sizes = np.bincount(people.first, minlength=len(people))
    assert abs(float((sizes[people.first] > 1).mean()) - SUSPECTS.household_share) < 0.002


def test_a_household_has_one_home(people: People) -> None:
    assert (people.postcode == people.postcode[people.first]).all()


def test_twins_share_birthday_and_surname_but_not_forename(people: People) -> None:
    twins, first = of(people, Role.TWIN)
    assert len(twins) > 50
    assert (people.born[twins] == people.born[first]).all()
    assert (people.surname[twins] == people.surname[first]).mean() > 0.9
    assert (people.forename[twins] != people.forename[first]).all()


def test_siblings_are_at_least_ten_months_apart(people: People) -> None:
    siblings = np.flatnonzero(people.role == Role.SIBLING)
    _, month, day = dates.parts(people.born)
    official = set(people.born[(month == 1) & (day == 1)].tolist())
    pairs = [(one, int(people.first[one])) for one in siblings.tolist()]
    pairs += [(one, one - 1) for one in siblings.tolist() if people.role[one - 1] == Role.SIBLING]
    births = [(int(people.born[one]), int(people.born[other])) for one, other in pairs]
    assert len(births) > 1_000
    assert min(abs(one - other) for one, other in births if not {one, other} & official) >= 300


def test_parents_are_old_enough_for_every_child(people: People) -> None:
    parents, first = of(people, Role.PARENT)
    for parent, head in zip(parents.tolist(), first.tolist(), strict=True):
        children = np.flatnonzero(
            (people.first[head : parent + 3] == head) & (people.role[head : parent + 3] < Role.PARENT)
        )
        eldest = people.born[head + children].min()
        assert eldest - people.born[parent] > 16 * 365


def test_partners_are_adults_and_mostly_of_two_sexes(people: People) -> None:
    partners, first = of(people, Role.PARTNER)
    for one in (partners, first):
        assert people.born[one].max() <= SUSPECTS.latest_adult_birth
    assert 0.9 < (people.sex[partners] != people.sex[first]).mean() < 1


def test_some_sons_are_named_for_their_father(people: People) -> None:
    parents, sons = of(people, Role.PARENT)
    men = (people.sex[parents] == MALE) & (people.sex[sons] == MALE)
    assert 0.04 < (people.forename[parents[men]] == people.forename[sons[men]]).mean() < 0.16


def test_namesakes_of_one_age_exist(people: People) -> None:
    year = dates.years(people.born)
    names = Counter(zip(people.forename, people.middle, people.surname, year.tolist(), strict=True))
    again = sum(count - 1 for count in names.values())
    assert 20 < again < 400


def test_surnames_are_as_skewed_as_the_countrys(people: People) -> None:
    counts = Counter(people.surname.tolist())
    shares = [count / len(people) for _, count in counts.most_common()]
    assert counts.most_common(1)[0][0] == "Smith"
    assert 0.008 < shares[0] < 0.015
    assert 0.15 < sum(shares[:100]) < 0.3
    assert sum(count == 1 for count in counts.values()) > 0.1 * len(people)
    assert {"Jones", "Williams", "Patel", "Khan", "Singh"} <= {name for name, _ in counts.most_common(40)}


def test_forenames_follow_fashion(people: People) -> None:
    year = dates.years(people.born)
    old = Counter(people.forename[(year < 1965) & (people.sex == MALE)].tolist())
    young = Counter(people.forename[(year >= 1995) & (people.sex == MALE)].tolist())
    assert old["Joshua"] < young["Joshua"]
    assert old["Keith"] / old.total() > 10 * young["Keith"] / young.total()


def test_forename_and_surname_come_from_one_community(people: People) -> None:
    kaur = people.surname == "Kaur"
    assert (people.sex[kaur] == FEMALE).mean() > 0.95
    assert (people.community[kaur] == communities().index("punjabi")[0]).mean() > 0.8


def test_feminine_endings(people: People) -> None:
    polish = people.community == communities().index("polish")[0]
    endings = [name[-1] for name in people.surname[polish & (people.sex == FEMALE)] if name[-3:-1] == "sk"]
    assert endings.count("a") > 3 * endings.count("i")
    assert not any(name.endswith("ska") for name in people.surname[polish & (people.sex == MALE)])


def test_most_moves_are_near(lives: Lives) -> None:
    everyone = np.arange(len(lives.people))
    before = known_on(lives, everyone, np.full(len(everyone), FROM))
    after = known_on(lives, everyone, np.full(len(everyone), FROM + 3_000))
    moved = before.postcode != after.postcode
    same_district = before.postcode[moved] // 4_000 == after.postcode[moved] // 4_000
    assert 0.5 < moved.mean() < 0.75
    assert 0.2 < same_district.mean() < 0.5
    assert (after.earlier_postcode[moved] != after.postcode[moved]).mean() > 0.9


def test_women_change_surname_more_often_than_men(lives: Lives) -> None:
    everyone = np.arange(len(lives.people))
    before = known_on(lives, everyone, np.full(len(everyone), FROM))
    after = known_on(lives, everyone, np.full(len(everyone), FROM + 3_000))
    changed = before.surname != after.surname
    women = lives.people.sex == FEMALE
    assert 0.03 < changed[women].mean() < 0.2
    assert changed[~women].mean() < 0.01
    hyphens = [
        "-" in name and "-" not in old
        for name, old in zip(after.surname[changed], before.surname[changed], strict=True)
    ]
    assert 0.05 < np.mean(hyphens) < 0.2


def test_known_on_follows_the_dates() -> None:
    people = draw_people(np.random.Generator(np.random.PCG64(3)), 500, SUSPECTS)
    lives = draw_lives(np.random.Generator(np.random.PCG64(4)), people, FROM)
    mover = int(np.flatnonzero((lives.moves[:, 0] < FROM + 3_652) & (people.first == np.arange(500)))[0])
    day = int(lives.moves[mover, 0])
    known = known_on(lives, np.array([mover, mover]), np.array([day - 1, day]))
    assert known.postcode.tolist() == [lives.homes[mover, 0], lives.homes[mover, 1]]
    assert known.earlier_postcode.tolist() == [lives.homes[mover, 0], lives.homes[mover, 0]]
