"""Blocks with several records of a department's own name them; blocks of one, and filters of chance, name nobody."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np
import pytest

from pprl.encode.field_filters import FieldFilterEncoder
from pprl.privacy.exposure import as_the_matcher_sees, passes
from pprl.privacy.in_blocks import attack
from pprl.privacy.knowledge import list_of
from pprl.privacy.measure import Named, OutOfTime, count
from pprl.privacy.views import NOBODY, NOBODY_KNOWN, Known, Names, SeenPass
from pprl.protocol.blocking import BlockingPass
from tests.support.privacy import KEY, OTHER_KEY, no_limit, population

PEOPLE = 600
Columns = Mapping[str, Sequence[str]]

LARGE = BlockingPass("large", ("sex:whole", "date_of_birth:year"))
BIRTH = BlockingPass("birth", ("date_of_birth:whole",))
NAMES = BlockingPass("names", ("given_name:canonical-phonetic", "sex:whole"))


def drawn(seed: int = 3) -> np.random.Generator:
    return np.random.default_rng(seed)


def encoder(pass_: BlockingPass, key: bytes, cap: int = 50) -> FieldFilterEncoder:
    kinds = population(PEOPLE).agreement.content.kinds()
    return FieldFilterEncoder([pass_], kinds, key, max_block_records=cap)


def seen_of(columns: Columns, pass_: BlockingPass = LARGE, cap: int = 50) -> tuple[SeenPass, Names]:
    """What the matcher sees of a pass, and the record that each row is."""
    shown, records = as_the_matcher_sees(passes(columns, encoder(pass_, KEY, cap)), drawn())
    return shown[0], records[0]


def listed_of(columns: Columns, pass_: BlockingPass = LARGE, cap: int = 50) -> SeenPass:
    return passes(columns, encoder(pass_, OTHER_KEY, cap))[0]


def names_of(seen: SeenPass, listed: SeenPass, known: Known = NOBODY_KNOWN) -> Names:
    fields = encoder(LARGE, KEY).fields
    return attack([seen], [listed], [known], fields, rng=drawn(), tick=no_limit)[0]


def named(seen: SeenPass, listed: SeenPass, truth: Names, known: Known = NOBODY_KNOWN) -> Named:
    return count(names_of(seen, listed, known), truth, known)


@pytest.fixture(scope="module")
def file() -> Columns:
    return population(PEOPLE).file


def test_large_blocks_name_nearly_everybody_to_whoever_has_the_file(file: Columns) -> None:
    seen, records = seen_of(file)
    assert np.bincount(seen.blocks).mean() > 3
    found = named(seen, listed_of(file), records)
    assert found.right > 0.9 * found.of
    assert found.wrong < 0.05 * found.of


@pytest.mark.parametrize(("overlap", "errors", "least"), [(1.0, "heavy", 0.25), (0.5, "light", 0.2)])
def test_a_list_with_errors_or_half_of_the_people_names_fewer(file, overlap, errors, least) -> None:
    people = population(PEOPLE)
    kinds = people.agreement.content.kinds()
    known = list_of(file, people.strangers, kinds, overlap=overlap, errors=errors, rng=drawn())
    seen, records = seen_of(file)
    found = named(seen, listed_of(known.columns), known.truth[records])
    assert found.right > least * found.of


def test_blocks_of_one_record_name_hardly_anybody(file: Columns) -> None:
    seen, records = seen_of(file, BIRTH, cap=1)
    found = named(seen, listed_of(file, BIRTH, cap=1), records)
    assert found.of > 500
    assert found.right < 0.05 * found.of


def test_who_stands_alone_for_a_block_is_sought_among_all_people_of_the_list(file: Columns) -> None:
    """The list's blocks hold everybody, and another secret would have another person stand for them."""
    seen, records = seen_of(file)
    alone = np.unique(seen.blocks, return_index=True)[1]
    one = SeenPass(seen.rows[: len(alone)], seen.blocks[alone], seen.present[alone], seen.filters[alone])
    found = named(one, listed_of(file), records[alone])
    assert 0 < found.right < 0.2 * found.of


def test_filters_of_chance_name_nobody(file: Columns) -> None:
    seen, records = seen_of(file)
    everything = np.full_like(seen.present, seen.present.max())
    bits = drawn().random((*seen.filters.shape[:2], 8 * seen.filters.shape[2])) < 0.15
    noise = replace(seen, present=everything, filters=np.packbits(bits, axis=2))
    listed = listed_of(file)
    there = replace(listed, present=np.full_like(listed.present, seen.present.max()))
    found = named(noise, there, records)
    assert found.right <= 0.02 * found.of


def test_strangers_are_given_few_names(file: Columns) -> None:
    seen, records = seen_of(file)
    strangers = population(PEOPLE).strangers
    found = named(seen, listed_of(strangers), np.full(len(records), NOBODY))
    assert found.wrong < 0.5 * len(records)


def test_a_known_person_opens_its_block(file: Columns) -> None:
    """Of blocks of two, the other one is named, where nothing else tells the blocks apart."""
    seen, records = seen_of(file, NAMES, cap=2)
    listed = listed_of(file, NAMES, cap=2)
    two = np.flatnonzero(np.bincount(seen.blocks)[seen.blocks] == 2)
    first = two[np.unique(seen.blocks[two], return_index=True)[1]]
    known = np.stack([first, records[first]], axis=1)
    alone, opened = named(seen, listed, records), named(seen, listed, records, known)
    others = np.setdiff1d(two, first)
    names = names_of(seen, listed, known)
    assert (names[others] == records[others]).mean() > 0.95
    assert (names[first] == records[first]).all()
    assert opened.right > alone.right / 2


def test_numbers_and_order_of_blocks_and_records_mean_nothing(file: Columns) -> None:
    seen, _ = seen_of(file)
    listed = listed_of(file)
    order = drawn(5).permutation(len(seen.rows))
    numbers = drawn(6).permutation(int(seen.blocks.max()) + 1)
    other = SeenPass(seen.rows, numbers[seen.blocks[order]], seen.present[order], seen.filters[order])
    once, again = names_of(seen, listed)[order], names_of(other, listed)
    assert (once == again).mean() > 0.99


def test_the_same_seed_gives_the_same_names(file: Columns) -> None:
    seen, _ = seen_of(file)
    np.testing.assert_array_equal(names_of(seen, listed_of(file)), names_of(seen, listed_of(file)))


def test_more_encodings_of_the_list_name_more(file: Columns) -> None:
    content = population(PEOPLE).agreement.content
    chosen = [each.blocking_pass() for each in content.encoding.field_filter_parameters.passes]
    ours, *theirs = (
        FieldFilterEncoder(chosen, content.kinds(), bytes([each]) + OTHER_KEY[1:]) for each in range(5)
    )
    fields = ours.fields
    seen, records = as_the_matcher_sees(passes(file, ours), drawn())
    lists = [passes(file, each) for each in theirs]
    nobody = [NOBODY_KNOWN] * len(seen)

    def right(again: Sequence[Sequence[SeenPass]]) -> int:
        found = attack(seen, lists[0], nobody, fields, rng=drawn(), tick=no_limit, again=again)
        return sum(count(names, its, NOBODY_KNOWN).right for names, its in zip(found, records, strict=True))

    assert right(lists[1:]) > right([])


def test_a_pass_without_records_names_nobody(file: Columns) -> None:
    listed = listed_of(file)
    empty = SeenPass(listed.rows[:0], listed.blocks[:0], listed.present[:0], listed.filters[:0])
    assert len(names_of(empty, listed)) == 0
    assert (names_of(listed, empty) == NOBODY).all()


def test_time_that_is_over_ends_it(file: Columns) -> None:
    def over() -> None:
        raise OutOfTime

    seen, _ = seen_of(file)
    fields = encoder(LARGE, KEY).fields
    with pytest.raises(OutOfTime):
        attack([seen], [listed_of(file)], [NOBODY_KNOWN], fields, rng=drawn(), tick=over)
