"""What each party sees, as arrays."""

from __future__ import annotations

import numpy as np

from pprl.privacy import exposure
from pprl.protocol.levels import EXACT
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


def test_who_sees_both_files_has_the_records_of_one_after_those_of_the_other() -> None:
    people = population(300)
    encoder = exposure.encoder_of(people.agreement.content, KEY)
    left, right = exposure.passes_of_two(people.file, people.other_file, encoder)
    for one, other, both in zip(left, right, exposure.as_one(left, right, 300), strict=True):
        assert both.rows.tolist() == [*one.rows.tolist(), *(other.rows + 300).tolist()]
        assert set(both.blocks[both.rows < 300]) & set(both.blocks[both.rows >= 300])
        assert (both.filters[both.rows >= 300] == other.filters).all()
        assert (both.present[: len(one.rows)] == one.present).all()
