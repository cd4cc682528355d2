"""What each party sees, as arrays."""

from __future__ import annotations

import numpy as np
import pytest

from coordinator.linkage import engine, match_field_filters
from pprl.privacy import exposure
from pprl.protocol.levels import EXACT
from pprl.protocol.submission import Blocked
from tests.support.privacy import KEY, population, with_all_in_a_block


def test_the_matcher_sees_the_same_records_in_an_order_of_their_own() -> None:
    people = population(300)
    encoder = exposure.encoder_of(people.agreement.content, KEY)
    linked = exposure.passes(people.file, encoder)
    seen, records = exposure.as_the_matcher_sees(linked, np.random.default_rng(1))
    for whole, hidden, record in zip(linked, seen, records, strict=True):
        at = {int(row): place for place, row in enumerate(whole.rows)}
        places = [at[int(row)] for row in record]
        assert sorted(places) == list(range(len(whole.rows))) != places
        assert (hidden.filters == whole.filters[places]).all()
        assert (hidden.present == whole.present[places]).all()
        same = whole.blocks[places][:, None] == whole.blocks[places]
        assert ((hidden.blocks[:, None] == hidden.blocks) == same).all()
        assert (hidden.rows == np.arange(len(places))).all()


def test_the_key_issuer_sees_the_pairs_of_every_block_and_how_alike_they_are() -> None:
    people = population(300)
    encoder = exposure.encoder_of(with_all_in_a_block(people.agreement.content), KEY)
    left, right = exposure.passes_of_two(people.file, people.other_file, encoder)
    seen = exposure.pairs_between(left, right, (300, 300), encoder.fields)
    births = people.file["date_of_birth"], people.other_file["date_of_birth"]
    same_day = {
        (one, 300 + other)
        for one, day in enumerate(births[0])
        for other, theirs in enumerate(births[1])
        if day and day == theirs
    }
    by_birth = seen.found_by == 0
    assert set(zip(seen.left[by_birth].tolist(), seen.right[by_birth].tolist(), strict=True)) == same_day
    field = list(people.agreement.content.kinds()).index("date_of_birth")
    assert ((seen.patterns[by_birth] >> np.uint64(4 * field)) & np.uint64(15) == EXACT).all()
    assert seen.in_pass[:300, 0].tolist() == [bool(day) for day in births[0]]
    assert seen.dataset.tolist() == [0] * 300 + [1] * 300


def test_a_dataset_with_duplicates_has_pairs_of_its_own_too() -> None:
    people = population(300)
    encoder = exposure.encoder_of(with_all_in_a_block(people.agreement.content), KEY)
    left, right = exposure.passes_of_two(people.file, people.other_file, encoder)
    apart = exposure.pairs_between(left, right, (300, 300), encoder.fields)
    seen = exposure.pairs_between(left, right, (300, 300), encoder.fields, duplicates=(False, True))
    inside = seen.dataset[seen.left] == seen.dataset[seen.right]
    assert len(seen.left) - inside.sum() == len(apart.left)
    assert seen.dataset[seen.left[inside]].all()
    births = people.other_file["date_of_birth"]
    same_day = {
        (one, two) for one in range(300) for two in range(one + 1, 300) if births[one] == births[two] != ""
    }
    by_birth = inside & (seen.found_by == 0)
    pairs = zip((seen.left - 300)[by_birth].tolist(), (seen.right - 300)[by_birth].tolist(), strict=True)
    assert set(pairs) == same_day


@pytest.mark.parametrize(("whole_blocks", "passes"), [(True, (0, 3)), (False, (0, 1))])
def test_about_the_pairs_are_handed_on_that_the_matcher_hands_on(
    whole_blocks: bool, passes: tuple[int, int]
) -> None:
    """Where one person stands for a block, the matcher keeps more in two of ten passes."""
    people = population(2000)
    content = people.agreement.content
    agreement = with_all_in_a_block(content) if whole_blocks else content
    encoder = exposure.encoder_of(agreement, KEY)
    sides = [
        [records.to_send() for records in encoder.encode(each)] for each in (people.file, people.other_file)
    ]
    left, right = exposure.passes_of_two(people.file, people.other_file, encoder)
    seen = exposure.pairs_between(left, right, (2000, 2000), encoder.fields)
    kept = exposure.as_handed_on(seen, people.truth + np.array([0, 2000]), encoder.fields)
    random = sum(
        encoder.random_levels(each, pairs=20_000, rng=np.random.default_rng(1))
        for each in (people.file, people.other_file)
    )
    for number in passes:
        records = [Blocked(each[number].tags, each[number].present, each[number].filters) for each in sides]
        seen_by_matcher = engine.pass_pairs(*records, encoder.fields)
        others = [engine.pass_pairs(each, None, encoder.fields) for each in records]
        handed_on = match_field_filters.kept_of(
            agreement, [(0, 0), (0, 1), (1, 1)], [len(each.tags) for each in records],
            [others[0], seen_by_matcher, others[1]], random, number,
        )[1]  # fmt: skip
        found = engine.PassPairs(
            seen_by_matcher.left[handed_on],
            seen_by_matcher.right[handed_on],
            seen_by_matcher.patterns[handed_on],
        )
        theirs = set(zip(left[number].rows[found.left], right[number].rows[found.right] + 2000, strict=True))
        mine = kept.found_by == number
        ours = set(zip(kept.left[mine], kept.right[mine], strict=True))
        assert len(ours & theirs) > 0.85 * max(len(ours), len(theirs))
        assert len(theirs) < (seen.found_by == number).sum()
