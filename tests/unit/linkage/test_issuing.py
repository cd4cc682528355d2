"""Which records share a linkage key: nothing of another dataset may show in it."""

from __future__ import annotations

import numpy as np
import pytest

from coordinator.linkage.budget import Budget
from coordinator.linkage.compare import Pairs
from coordinator.linkage.issuing import memory_needed, owners_of_keys, require_room, with_copies
from coordinator.linkage.solve import Compared, clusters
from pprl.errors import UsageError
from pprl.protocol.submission import NO_COPIES, Copies

# Records 0 and 1 of the asking dataset are unlike parts of one target; 2 and 3 are alike; 4 is like nobody.
SIZES, DUPLICATES, THRESHOLD = [5, 3], [True, False], 0.8


def _pairs(*rows: tuple[int, int, float]) -> Pairs:
    left, right, dice = zip(*rows, strict=True)
    return Pairs(np.array(left, np.uint32), np.array(right, np.uint32), np.array(dice))


OWN = Compared(0, 0, _pairs((0, 1, 0.3), (2, 3, 0.95)))
TARGET = Compared(0, 1, _pairs((0, 0, 0.9), (1, 0, 0.9)))
TWO_PEOPLE = Compared(0, 1, _pairs((2, 1, 0.99), (3, 2, 0.99)))


def _owners(*compared: Compared) -> tuple[list[int], list[int]]:
    """The asking dataset's people, and the owners of its keys."""
    people = clusters(SIZES, DUPLICATES, compared, THRESHOLD)
    owners = owners_of_keys(people, DUPLICATES, compared, THRESHOLD, [NO_COPIES, NO_COPIES])
    assert len(set(owners[1].tolist())) == SIZES[1], "a dataset without duplicates has a key a record"
    return people[0].tolist(), owners[0].tolist()


def test_parts_that_only_another_departments_record_joins_share_no_key() -> None:
    people, asked = _owners(OWN, TARGET)
    assert people[0] == people[1], "the crosswalk has them as one person"
    _, without = _owners(OWN)
    assert asked == without, "the target's being there shows"
    assert asked[0] != asked[1]


def test_a_departments_own_alike_records_share_a_key() -> None:
    _, owners = _owners(OWN, TARGET)
    assert owners[2] == owners[3]
    assert len(set(owners)) == 4


def test_no_key_belongs_to_two_people() -> None:
    people, owners = _owners(OWN, TWO_PEOPLE)
    assert people[2] != people[3]
    assert owners[2] != owners[3]


def _copies(*rows: tuple[int, int]) -> Copies:
    records, originals = np.array(rows, np.int64).reshape(-1, 2).T
    return Copies(records, originals)


def test_a_copy_is_where_its_original_is() -> None:
    alone = clusters([5, 3], DUPLICATES, [Compared(0, 1, _pairs((1, 2, 0.9)))], THRESHOLD)
    first, second = with_copies(alone, [_copies((3, 1), (4, 0)), NO_COPIES])
    assert first[3] == first[1] == second[2]
    assert first[4] == first[0]
    everybody = np.concatenate([first, second])
    assert sorted(set(everybody.tolist())) == list(range(5)), "the copies' own clusters leave no gaps"


def test_a_copy_shares_its_originals_key() -> None:
    copies = [_copies((4, 0)), NO_COPIES]
    people = with_copies(clusters(SIZES, DUPLICATES, [OWN, TARGET], THRESHOLD), copies)
    owners = owners_of_keys(people, DUPLICATES, [OWN, TARGET], THRESHOLD, copies)[0].tolist()
    assert owners[4] == owners[0]
    assert owners[0] != owners[1], "what another dataset joins has two keys still"


def test_what_does_not_fit_is_refused_before_it_begins() -> None:
    about = {"records": 20_000_000, "references": 5_000_000_000, "pairs": 2_000_000_000}
    needed = memory_needed(**about)
    require_room(Budget(needed), **about)
    with pytest.raises(
        UsageError, match=f"takes up to {needed / 1e9:.1f} GB of memory, and 8.0 GB"
    ) as refusal:
        require_room(Budget(8_000_000_000), **about)
    assert refusal.value.hint is not None
    told = int(refusal.value.hint.split("--memory ")[1].split("MB")[0]) * 10**6
    assert needed <= told < needed + 10**8
