"""Which earlier linkage keys are kept: by most records, each key once, by the dataset's own records alone."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from coordinator.linkage.refresh import Refreshed, refreshed, require_issued, told
from pprl.crypto.project_key import ProjectKey
from pprl.errors import VerificationError
from pprl.protocol.submission import NO_PREVIOUS, Previous

PROJECT, VERSION = ProjectKey("project", b"k" * 32), 3
DATASET = "police"


def keys(version: int, count: int, *, source: ProjectKey = PROJECT, dataset: str = DATASET) -> list[bytes]:
    """Linkage keys as they were issued before."""
    made = source.numbered(dataset, version=version, count=count)
    return [made[start : start + 16] for start in range(0, len(made), 16)]


def previous(had: list[bytes | None]) -> Previous:
    """What a department offers: for each record the key that it had, or None."""
    places = [place for place, key in enumerate(had) if key is not None]
    held = b"".join(key for key in had if key is not None)
    return Previous(np.array(places, np.int64), np.frombuffer(held, np.uint8).reshape(-1, 16))


def refresh(owners: list[int], had: list[bytes | None]) -> Refreshed:
    return refreshed(np.array(owners, np.int64), previous(had), DATASET, source=PROJECT, version=VERSION)


def issued(found: Refreshed) -> list[bytes]:
    return [row.tobytes() for row in found.keys]


A, B, C = keys(1, 3)
LATER = keys(2, 1)[0]


def test_records_keep_their_keys_and_new_ones_get_new_keys() -> None:
    found = refresh([0, 1, 2], [A, None, B])
    first, second, third = issued(found)
    assert (first, third) == (A, B)
    assert second == keys(VERSION, 1)[0]
    assert (found.kept, found.new, found.splits, found.merges) == (2, 1, 0, 0)


def test_a_new_record_of_a_known_person_gets_the_persons_key() -> None:
    found = refresh([0, 0, 1], [A, None, None])
    assert issued(found)[:2] == [A, A]
    assert (found.kept, found.new) == (1, 1)


def test_the_first_version_makes_all_keys() -> None:
    found = refreshed(np.array([0, 1, 0]), NO_PREVIOUS, DATASET, source=PROJECT, version=1)
    assert issued(found) == [A, B, A]
    assert (found.kept, found.new, found.splits, found.merges) == (0, 2, 0, 0)


def test_a_dataset_of_no_records() -> None:
    found = refreshed(np.empty(0, np.int64), NO_PREVIOUS, DATASET, source=PROJECT, version=1)
    assert found.keys.shape == (0, 16)
    assert (found.kept, found.new) == (0, 0)


def test_in_a_split_the_key_stays_with_most_of_its_records() -> None:
    found = refresh([0, 1, 1], [A, A, A])
    first, second, third = issued(found)
    assert second == third == A
    assert first not in {A, B, C}
    assert (found.kept, found.new, found.splits, found.merges) == (1, 1, 1, 0)


def test_in_a_merge_the_key_of_most_records_is_kept() -> None:
    found = refresh([0, 0, 0], [B, B, A])
    assert issued(found) == [B] * 3
    assert (found.kept, found.new, found.splits, found.merges) == (1, 0, 0, 1)


def test_a_group_whose_first_choice_stays_elsewhere_keeps_its_second() -> None:
    found = refresh([0, 0, 0, 0, 0, 1, 1, 1], [A, A, A, None, None, A, A, B])
    assert issued(found) == [A] * 5 + [B] * 3
    assert (found.splits, found.merges) == (1, 1)


def test_ties_go_to_the_older_key_then_to_the_lower_then_to_the_first_group() -> None:
    low, high = sorted([A, B])
    assert issued(refresh([0, 0], [LATER, A])) == [A, A]
    assert issued(refresh([0, 0], [high, low])) == [low, low]
    assert issued(refresh([1, 0], [A, A]))[0] == A, "the first group is that of the first record"


def test_new_keys_are_numbered_by_the_first_record_whatever_the_groups_are_called() -> None:
    assert issued(refresh([2, 0, 1], [None] * 3)) == issued(refresh([0, 1, 2], [None] * 3))


@pytest.mark.parametrize(
    "planted",
    [
        b"\0" * 16,
        b"chosen by myself",
        keys(VERSION, 1)[0],
        keys(VERSION + 1, 1)[0],
        keys(1, 1, dataset="court")[0],
        keys(1, 1, source=ProjectKey("other", b"k" * 32))[0],
        keys(1, 1, source=ProjectKey("project", b"o" * 32))[0],
        PROJECT.numbered(DATASET, version=0, count=1),
    ],
    ids=["zeros", "text", "this", "later", "dataset", "project", "key", "zero"],
)
def test_a_key_that_was_never_issued_is_refused_with_a_count_alone(planted: bytes) -> None:
    offered = previous([A, planted, planted])
    with pytest.raises(VerificationError, match=r"^2 of the 3 previous linkage keys of 'police'") as refusal:
        require_issued(offered, DATASET, source=PROJECT, version=VERSION)
    assert planted.hex() not in str(refusal.value)
    with pytest.raises(VerificationError):
        refreshed(np.array([0, 1, 2]), offered, DATASET, source=PROJECT, version=VERSION)


def test_the_report_tells_no_small_number() -> None:
    found = Refreshed(np.empty((0, 16), np.uint8), kept=29, new=9, splits=9, merges=10)
    assert told(DATASET, found, limit=10) == {
        "dataset": DATASET, "kept": 20, "new": 0, "splits": None, "merges": 10,
    }  # fmt: skip


@st.composite
def refreshes(draw: st.DrawFn) -> tuple[list[int], list[bytes | None]]:
    records = draw(st.integers(0, 14))
    owners = draw(st.lists(st.integers(0, 5), min_size=records, max_size=records))
    dense = {owner: place for place, owner in enumerate(sorted(set(owners)))}
    offered = st.sampled_from([A, B, C, LATER, None])
    return [dense[owner] for owner in owners], draw(st.lists(offered, min_size=records, max_size=records))


@given(refreshes())
def test_whatever_the_groups(case: tuple[list[int], list[bytes | None]]) -> None:
    owners, had = case
    found = refresh(owners, had)
    keys_of: dict[int, set[bytes]] = {}
    for owner, key in zip(owners, issued(found), strict=True):
        keys_of.setdefault(owner, set()).add(key)
    assert all(len(each) == 1 for each in keys_of.values()), "a group has one key"
    distinct = [next(iter(each)) for each in keys_of.values()]
    assert len(set(distinct)) == len(distinct), "no key is given twice"
    own: dict[int, Counter[bytes]] = {owner: Counter() for owner in owners}
    for owner, key in zip(owners, had, strict=True):
        if key is not None:
            own[owner][key] += 1
    earlier = {A, B, C, LATER}
    for owner, (key,) in keys_of.items():
        assert key not in earlier or key in own[owner], "a kept key was the group's own"
    for owner, counted in own.items():
        (kept,) = keys_of[owner]
        for key, count in counted.items():
            holders = [other for other, (theirs,) in keys_of.items() if theirs == key]
            if counted[kept] < count:
                assert holders, "a key that a group would rather have is not lost"
                assert own[holders[0]][key] >= count, "a key goes by most records"
    assert found.kept == sum(key in earlier for key in distinct)
    assert found.kept + found.new == len(distinct)
    assert found.splits == sum(sum(key in counted for counted in own.values()) > 1 for key in earlier)
    assert found.merges == sum(len(counted) > 1 for counted in own.values())
    assert issued(refresh(owners, had)) == issued(found), "the same again"


@given(refreshes(), st.permutations(range(6)))
def test_what_groups_are_called_does_not_matter(
    case: tuple[list[int], list[bytes | None]], names: list[int]
) -> None:
    owners, had = case
    called = [names[owner] for owner in owners]
    dense = {owner: place for place, owner in enumerate(sorted(set(called)))}
    assert issued(refresh([dense[owner] for owner in called], had)) == issued(refresh(owners, had))
