"""Lists of people that attackers hold."""

from __future__ import annotations

from datetime import date

import numpy as np
import pytest

from pprl.privacy.knowledge import Errors, known_people, list_of
from pprl.privacy.views import NOBODY
from tests.support.privacy import population


@pytest.mark.parametrize("overlap", [1.0, 0.5, 0.2])
def test_a_list_holds_the_agreed_share_of_the_file_and_strangers(overlap: float) -> None:
    people = population(300)
    kinds = people.agreement.content.kinds()
    made = list_of(
        people.file, people.strangers, kinds, overlap=overlap, errors="none", rng=np.random.default_rng(1)
    )
    there = np.flatnonzero(made.truth != NOBODY)
    assert len(there) == round(300 * overlap)
    assert len(set(made.truth[there].tolist())) == len(there)
    for name in kinds:
        assert len(made.columns[name]) == 300
        assert [made.columns[name][place] for place in made.truth[there]] == [
            people.file[name][row] for row in there
        ]


@pytest.mark.parametrize(("errors", "low", "high"), [("light", 0.01, 0.04), ("heavy", 0.08, 0.17)])
def test_errors_are_as_many_as_said_and_values_stay_standardised(
    errors: Errors, low: float, high: float
) -> None:
    people = population(300)
    kinds = people.agreement.content.kinds()
    made = list_of(
        people.file, people.strangers, kinds, overlap=1.0, errors=errors, rng=np.random.default_rng(1)
    )
    pairs = [(people.file[name][row], made.columns[name][place], kinds[name])
             for name in kinds for row, place in enumerate(made.truth)]  # fmt: skip
    written = [(value, other) for value, other, _ in pairs if value]
    assert low < np.mean([value != other for value, other in written]) < high
    for _, other, kind in pairs:
        assert kind != "date-of-birth" or not other or date.fromisoformat(other)
        assert kind != "sex" or other in {"", "f", "m"}
        assert other == other.strip()


def test_known_people_are_on_the_list_and_each_once() -> None:
    truth = np.array([3, NOBODY, 0, 1, NOBODY, 2])
    known = known_people(truth, 3, np.random.default_rng(2))
    assert known.shape == (3, 2)
    assert len(set(known[:, 0].tolist())) == 3
    assert (truth[known[:, 0]] == known[:, 1]).all()
    assert len(known_people(truth, 30, np.random.default_rng(2))) == 4
