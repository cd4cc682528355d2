"""Counts inside blocks name some to whoever has the very file, hardly anybody to others, and less than similarity."""

from __future__ import annotations

import numpy as np
import pytest

from pprl.encode.field_filters import FieldFilterEncoder
from pprl.privacy.block_frequency import attack
from pprl.privacy.exposure import as_the_matcher_sees, passes
from pprl.privacy.knowledge import Errors, list_of
from pprl.privacy.measure import Named, OutOfTime, count
from pprl.privacy.views import NOBODY, NOBODY_KNOWN, Bytes, Names, SeenPass
from tests.support.privacy import KEY, OTHER_KEY, no_limit, population

PEOPLE = 1000


def drawn(seed: int = 3) -> np.random.Generator:
    return np.random.default_rng(seed)


def block(surnames: list[int], masks: list[int], number: int = 0) -> SeenPass:
    """A block of records with two filters each, the first of all different values."""
    filters: Bytes = np.array([[[place + 1], [name]] for place, name in enumerate(surnames)], dtype=np.uint8)
    rows = np.arange(len(masks))
    return SeenPass(rows, np.full(len(masks), number), np.array(masks, dtype=np.uint32), filters)


def names_of(seen: SeenPass, listed: SeenPass) -> Names:
    return attack([seen], [listed], rng=drawn(), tick=no_limit)[0]


def both(one: SeenPass, other: SeenPass) -> SeenPass:
    return SeenPass(
        np.arange(len(one.rows) + len(other.rows)),
        np.append(one.blocks, other.blocks),
        np.append(one.present, other.present),
        np.concatenate([one.filters, other.filters]),
    )


def test_who_shares_a_value_and_who_lacks_one_tells_records_apart() -> None:
    seen, listed = block([7, 7, 9], [3, 1, 3]), block([5, 6, 5], [3, 3, 1])
    np.testing.assert_array_equal(names_of(seen, listed), [0, 2, 1])


def test_a_block_with_other_counts_is_not_taken_for_it() -> None:
    assert (names_of(block([7, 7, 9], [3, 3, 3]), block([5, 6, 4], [3, 3, 3])) == NOBODY).all()
    assert (names_of(block([7], [3]), block([5], [1])) == NOBODY).all()


def test_each_block_of_the_list_is_taken_once() -> None:
    two = both(block([1, 1], [3, 3], number=4), block([2, 2], [3, 3], number=9))
    assert sorted(names_of(two, two).tolist()) == [0, 1, 2, 3]
    assert (names_of(two, block([5, 5], [3, 3])) != NOBODY).sum() == 2


def named(*, overlap: float, errors: Errors) -> Named:
    """All passes together."""
    people = population(PEOPLE)
    content = people.agreement.content
    known = list_of(
        people.file, people.strangers, content.kinds(), overlap=overlap, errors=errors, rng=drawn()
    )
    chosen = [each.blocking_pass() for each in content.encoding.field_filter_parameters.passes]
    ours, its = (FieldFilterEncoder(chosen, content.kinds(), key) for key in (KEY, OTHER_KEY))
    seen, records = as_the_matcher_sees(passes(people.file, ours), drawn())
    listed = passes(known.columns, its)
    found = attack(seen, listed, rng=drawn(), tick=no_limit)
    counts = [count(names, known.truth[its], NOBODY_KNOWN) for names, its in zip(found, records, strict=True)]
    return sum(counts, Named(0, 0, 0))


def test_the_very_file_names_some_and_another_list_far_fewer() -> None:
    very, other = named(overlap=1.0, errors="none"), named(overlap=0.5, errors="light")
    assert 0.02 * very.of < very.right < 0.3 * very.of
    assert other.right * very.of < very.right * other.of / 2


def test_blocks_that_are_alike_are_guessed_among_ten_at_most() -> None:
    alone = [block([1], [3], number=number) for number in range(11)]
    many = alone[0]
    for each in alone[1:]:
        many = both(many, each)
    assert (names_of(many, many) == NOBODY).all()


def test_nothing_is_seen_of_a_pass_without_records() -> None:
    listed = block([7, 7, 9], [3, 1, 3])
    empty = SeenPass(listed.rows[:0], listed.blocks[:0], listed.present[:0], listed.filters[:0])
    assert len(names_of(empty, listed)) == 0
    assert (names_of(listed, empty) == NOBODY).all()


def test_time_that_is_over_ends_it() -> None:
    def over() -> None:
        raise OutOfTime

    with pytest.raises(OutOfTime):
        attack([block([1], [1])], [block([1], [1])], rng=drawn(), tick=over)
