"""Naming records from pairs and patterns, by the key issuer alone."""

from __future__ import annotations

from dataclasses import replace
from functools import cache

import numpy as np
import pytest

from pprl.privacy import exposure, knowledge, measure, pair_graph
from pprl.privacy.measure import Named, OutOfTime
from pprl.privacy.views import NOBODY_KNOWN, Known, Names, SeenPairs
from pprl.protocol.levels import EXACT
from tests.support.privacy import KEY, OTHER_KEY, no_limit, population, with_all_in_a_block
from tests.unit.privacy.test_record_blocks import of_few_years

PEOPLE = 1500
ALL_EXACT = np.uint64(sum(EXACT << 4 * field for field in range(6)))


@cache
def views() -> tuple[SeenPairs, SeenPairs, Names, Known]:
    """An age group's pairs with another office's file, and an attacker who holds both very tables, in another order."""
    people = population(PEOPLE)
    agreement, rng = with_all_in_a_block(people.agreement.content), np.random.default_rng(1)
    columns = of_few_years(people.file, 3), of_few_years(people.other_file, 3)
    lists = [
        knowledge.list_of(each, {}, agreement.kinds(), overlap=1.0, errors="none", rng=rng)
        for each in columns
    ]
    seen = []
    for tables, key in ((columns, KEY), ([each.columns for each in lists], OTHER_KEY)):
        encoder = exposure.encoder_of(agreement, key)
        left, right = exposure.passes_of_two(tables[0], tables[1], encoder)
        seen.append(exposure.pairs_between(left, right, (PEOPLE, PEOPLE), encoder.fields))
    truth = np.concatenate([lists[0].truth, lists[1].truth + PEOPLE])
    return seen[0], seen[1], truth, knowledge.known_people(truth, 30, rng)


def names(seen: SeenPairs, listed: SeenPairs, known: Known) -> Names:
    return pair_graph.attack(seen, listed, known, rng=np.random.default_rng(1), tick=no_limit)


def named(seen: SeenPairs, listed: SeenPairs, known: Known = NOBODY_KNOWN) -> Named:
    return measure.count(names(seen, listed, known), views()[2], known)


def among_any(seen: SeenPairs, seed: int) -> SeenPairs:
    """As many pairs with the same patterns, of records by chance."""
    rng = np.random.default_rng(seed)
    left, right = rng.integers(0, PEOPLE, len(seen.left)), rng.integers(PEOPLE, 2 * PEOPLE, len(seen.left))
    return replace(
        seen,
        in_pass=np.ones_like(seen.in_pass),
        left=left,
        right=right,
        patterns=rng.permutation(seen.patterns),
    )


def test_all_pairs_of_an_age_group_name_nearly_all_to_who_holds_both_tables() -> None:
    seen, listed, _, known = views()
    assert (found := named(seen, listed)).right > 0.9 * found.of
    assert found.wrong < 0.03 * found.of
    assert (found := named(seen, listed, known)).right > 0.9 * found.of


def test_pairs_by_chance_name_nobody() -> None:
    seen, listed, _, known = views()
    found = named(among_any(seen, 1), among_any(listed, 2), known)
    assert found.right <= 3


def test_one_pair_each_that_is_alike_in_everything_names_nobody() -> None:
    seen, listed, _, known = views()
    one_each = [
        replace(
            each,
            in_pass=np.ones_like(each.in_pass),
            left=np.arange(PEOPLE),
            right=np.arange(PEOPLE) + PEOPLE,
            found_by=np.zeros(PEOPLE, dtype=np.int64),
            patterns=np.full(PEOPLE, ALL_EXACT),
        )
        for each in (seen, listed)
    ]
    # Whoever knows one of two who are linked knows the other.
    assert named(*one_each, known).right <= len(known) + 3
    assert named(*one_each).right <= 3


def test_passes_alone_name_those_who_are_in_some_as_nobody_else() -> None:
    seen, listed, truth, _ = views()
    none = np.empty(0, dtype=np.int64)
    bare = [
        replace(
            each,
            in_pass=np.ones_like(each.in_pass),
            left=none,
            right=none,
            found_by=none,
            patterns=none.astype(np.uint64),
        )
        for each in (seen, listed)
    ]
    bare[0].in_pass[7, [1, 4]] = False
    bare[1].in_pass[truth[7], [1, 4]] = False
    found = names(bare[0], bare[1], NOBODY_KNOWN)
    assert found[7] == truth[7]
    assert (found != -1).sum() == 1


def test_the_order_of_pairs_makes_no_difference_nor_which_record_is_on_the_left() -> None:
    seen, listed, _, known = views()
    order = np.random.default_rng(3).permutation(len(seen.left))
    turned = replace(
        seen,
        left=seen.right[order],
        right=seen.left[order],
        found_by=seen.found_by[order],
        patterns=seen.patterns[order],
    )
    # Sums in another order differ in their last digits, which may turn a tie.
    assert (names(turned, listed, known) == names(seen, listed, known)).mean() > 0.999


def test_records_are_named_after_those_of_their_own_dataset_and_the_known_stay() -> None:
    seen, listed, _, known = views()
    found = names(seen, listed, known)
    said = found >= 0
    assert ((found[said] >= PEOPLE) == (np.flatnonzero(said) >= PEOPLE)).all()
    assert len(np.unique(found[said])) == said.sum()
    assert (found[known[:, 0]] == known[:, 1]).all()


def test_it_ends_when_its_time_is_over() -> None:
    seen, listed, _, known = views()

    def over() -> None:
        raise OutOfTime

    with pytest.raises(OutOfTime):
        pair_graph.attack(seen, listed, known, rng=np.random.default_rng(1), tick=over)
