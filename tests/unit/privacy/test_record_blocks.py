"""Naming records from the blocks that they share, by who sees all passes together."""

from __future__ import annotations

from dataclasses import replace
from functools import cache

import numpy as np
import pytest

from pprl.privacy import exposure, knowledge, measure, record_blocks
from pprl.privacy.knowledge import Errors
from pprl.privacy.measure import Named, OutOfTime
from pprl.privacy.views import NOBODY, NOBODY_KNOWN, Known, Names, SeenPass
from pprl.protocol.levels import Fields
from tests.support.privacy import KEY, OTHER_KEY, no_limit, population, with_all_in_a_block

PEOPLE = 2000
Passes = list[SeenPass]


def of_few_years(columns: dict[str, list[str]], years: int = 5) -> dict[str, list[str]]:
    """The people as an age group, as many as a country has: most share a block with others."""
    dates = [date and f"{1990 + int(date[:4]) % years}{date[4:]}" for date in columns["date_of_birth"]]
    return {**columns, "date_of_birth": dates}


@cache
def views(
    errors: Errors = "none", overlap: float = 1.0, known: int = 30, seed: int = 1
) -> tuple[Passes, Passes, Names, Known, Fields]:
    people = population(PEOPLE)
    file, strangers = of_few_years(people.file), of_few_years(people.strangers)
    kinds, rng = people.agreement.content.kinds(), np.random.default_rng(seed)
    listed = knowledge.list_of(file, strangers, kinds, overlap=overlap, errors=errors, rng=rng)
    agreement = with_all_in_a_block(people.agreement.content)
    first, other = (exposure.encoder_of(agreement, key) for key in (KEY, OTHER_KEY))
    seeds = knowledge.known_people(listed.truth, known, rng)
    return (
        exposure.passes(file, first),
        exposure.passes(listed.columns, other),
        listed.truth,
        seeds,
        first.fields,
    )


def names(seen: Passes, listed: Passes, known: Known, fields: Fields) -> Names:
    rng = np.random.default_rng(1)
    return record_blocks.attack(seen, listed, known, fields, rng=rng, tick=no_limit, records=PEOPLE)


def named(errors: Errors = "none", overlap: float = 1.0, known: int = 30) -> Named:
    seen, listed, truth, seeds, fields = views(errors, overlap, known)
    return measure.count(names(seen, listed, seeds, fields), truth, seeds)


def test_thirty_known_people_and_the_very_file_name_nearly_all() -> None:
    found = named()
    assert found.right > 0.9 * found.of
    assert found.wrong < 0.03 * found.of


def test_the_very_file_needs_nobody_known() -> None:
    found = named(known=0)
    assert found.right > 0.9 * found.of


def test_a_list_with_other_records_of_the_same_people_names_half_of_them() -> None:
    found = named("light")
    assert found.right > 0.5 * found.of


def test_blocks_by_chance_name_nobody() -> None:
    # Each pass is as it was, of other records.
    seen, listed, truth, seeds, fields = views()
    rng = np.random.default_rng(2)
    shuffled = [replace(each, rows=rng.permutation(each.rows)) for each in seen]
    found = measure.count(names(shuffled, listed, seeds, fields), truth, seeds)
    assert found.right <= 4


def test_the_order_of_rows_and_the_numbers_of_blocks_make_no_difference() -> None:
    seen, listed, _, seeds, fields = views()
    hidden, records = exposure.as_the_matcher_sees(seen, np.random.default_rng(3))
    hidden = [replace(each, rows=rows) for each, rows in zip(hidden, records, strict=True)]
    assert (names(hidden, listed, seeds[::-1], fields) == names(seen, listed, seeds, fields)).all()


def test_the_known_keep_their_names_and_a_person_has_one_record() -> None:
    seen, listed, _, seeds, fields = views()
    wrong = np.stack([seeds[:, 0], np.roll(seeds[:, 1], 1)], axis=1)
    found = names(seen, listed, wrong, fields)
    assert (found[wrong[:, 0]] == wrong[:, 1]).all()
    said = found[found != NOBODY]
    assert len(np.unique(said)) == len(said)


def test_records_that_no_pass_has_are_named_nobody() -> None:
    seen, listed, _, _, fields = views()
    few = [
        replace(
            each,
            rows=each.rows[:9],
            blocks=each.blocks[:9],
            present=each.present[:9],
            filters=each.filters[:9],
        )
        for each in seen
    ]
    found = names(few, listed, NOBODY_KNOWN, fields)
    there = np.unique(np.concatenate([each.rows for each in few]))
    assert len(found) == PEOPLE
    assert (np.delete(found, there) == NOBODY).all()


def test_it_ends_when_its_time_is_over() -> None:
    seen, listed, _, seeds, fields = views()

    def over() -> None:
        raise OutOfTime

    with pytest.raises(OutOfTime):
        record_blocks.attack(seen, listed, seeds, fields, rng=np.random.default_rng(1), tick=over)
