from __future__ import annotations

from collections import Counter

import numpy as np
import pytest

from pprl.synthetic import TRUTH_COLUMN, LinkagePair, linkage_pair

FIELDS = ("given_name", "middle_names", "surname", "date_of_birth", "sex", "postcode")
# Middle names are left out so often that two tables may agree in having none.
NOT_DROPPED = tuple(field for field in FIELDS if field != "middle_names")


def differing(pair: LinkagePair, field: str) -> float:
    left, right = pair.a.columns[field], pair.b.columns[field]
    return float(np.mean([left[one] != right[other] for one, other in pair.truth.tolist()]))


def test_columns_are_those_asked_for(pair: LinkagePair) -> None:
    assert pair.a.header == pair.b.header == ("record_id", *FIELDS, TRUTH_COLUMN)


@pytest.mark.parametrize(
    ("people_a", "people_b", "overlap", "shared"),
    [(50, 30, 0.0, 0), (50, 30, 1.0, 30), (30, 50, 0.5, 15), (40, 40, 0.05, 2), (1, 1, 1.0, 1)],
)
def test_overlap_is_exact(people_a: int, people_b: int, overlap: float, shared: int) -> None:
    pair = linkage_pair(people_a, people_b, overlap, seed=1)
    assert (pair.a.rows, pair.b.rows, len(pair.truth)) == (people_a, people_b, shared)
    assert len(set(pair.a.columns[TRUTH_COLUMN]) & set(pair.b.columns[TRUTH_COLUMN])) == shared


def test_truth_is_where_the_person_ids_agree(pair: LinkagePair) -> None:
    left, right = pair.a.columns[TRUTH_COLUMN], pair.b.columns[TRUTH_COLUMN]
    assert all(left[one] == right[other] for one, other in pair.truth.tolist())


def test_one_record_a_person(pair: LinkagePair) -> None:
    for table in (pair.a, pair.b):
        assert len(set(table.columns[TRUTH_COLUMN])) == table.rows
        assert len(set(table.columns["record_id"])) == table.rows


def test_shared_people_stand_anywhere(pair: LinkagePair) -> None:
    first, second = pair.truth[:, 0], pair.truth[:, 1]
    assert abs(np.corrcoef(first, second)[0, 1]) < 0.1
    assert abs(float(first.mean()) / pair.a.rows - 0.5) < 0.05


def test_the_seed_decides_everything() -> None:
    first, again, other = (linkage_pair(300, 200, 0.3, seed=seed) for seed in (4, 4, 5))
    assert (first.a, first.b) == (again.a, again.b)
    assert first.a != other.a


def test_without_mistakes_only_life_changes_a_record() -> None:
    pair = linkage_pair(3_000, 3_000, 1.0, error_scale=0, seed=7)
    for field in ("given_name", "middle_names", "date_of_birth", "sex"):
        assert differing(pair, field) == 0
    assert 0.005 < differing(pair, "surname") < 0.06
    assert 0.2 < differing(pair, "postcode") < 0.5
    assert "" not in pair.a.columns["postcode"] + pair.a.columns["date_of_birth"]


def test_mistakes_grow_with_the_error_scale() -> None:
    rates = [
        [
            differing(linkage_pair(3_000, 3_000, 1.0, error_scale=scale, seed=8), field)
            for field in NOT_DROPPED
        ]
        for scale in (0.0, 1.0, 2.0)
    ]
    assert all(none < some < many for none, some, many in zip(*rates, strict=True))


def test_some_records_are_bad_in_several_fields() -> None:
    pair = linkage_pair(6_000, 6_000, 1.0, seed=9)
    wrong = [[pair.a.columns[field][one] != pair.b.columns[field][other] for field in ("given_name", "date_of_birth")]
             for one, other in pair.truth.tolist()]  # fmt: skip
    given, born = np.array(wrong).T
    assert (given & born).mean() > 1.2 * given.mean() * born.mean()


@pytest.mark.parametrize(("share", "least", "most"), [(0.0, 0.0, 0.03), (0.3, 0.1, 0.3), (0.9, 0.3, 0.6)])
def test_household_share(share: float, least: float, most: float) -> None:
    pair = linkage_pair(3_000, 1, 0, error_scale=0, seed=10, household_share=share)
    homes = list(zip(pair.a.columns["surname"], pair.a.columns["postcode"], strict=True))
    counts = Counter(homes)
    assert least <= sum(counts[home] > 1 for home in homes) / len(homes) <= most


@pytest.mark.parametrize(
    ("people_a", "people_b", "overlap", "error_scale", "household_share"),
    [
        (0, 1, 0, 1, 0),
        (1, 0, 0, 1, 0),
        (1, 1, 1.1, 1, 0),
        (1, 1, -0.1, 1, 0),
        (1, 1, 0, -1, 0),
        (1, 1, 0, 1, 2),
    ],
)
def test_numbers_outside_their_range_are_refused(
    people_a: int, people_b: int, overlap: float, error_scale: float, household_share: float
) -> None:
    with pytest.raises(ValueError, match="sizes start at 1"):
        linkage_pair(
            people_a, people_b, overlap, error_scale=error_scale, seed=1, household_share=household_share
        )
