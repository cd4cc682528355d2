"""Record ids as bytes are the ids that were given, and those that come twice are found."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from pprl.encode import record_ids
from pprl.encode.record_ids import RecordIds

ids = st.lists(st.text(max_size=4), max_size=40)


@settings(max_examples=100, deadline=None)
@given(ids, st.integers(1, 7), st.integers(1, 7))
def test_they_are_a_list_of_texts(given_ids: list[str], step: int, at_once: int) -> None:
    found = RecordIds()
    for start in range(0, len(given_ids), step):
        found += given_ids[start : start + step]
    record_ids._IDS_AT_ONCE, before = at_once, record_ids._IDS_AT_ONCE
    try:
        assert list(found) == given_ids
    finally:
        record_ids._IDS_AT_ONCE = before
    assert len(found) == len(given_ids)
    assert [found[place] for place in range(len(found))] == given_ids
    assert found[1:3] == given_ids[1:3]
    assert found.repeated() == [
        place for place, each in enumerate(given_ids) if each in set(given_ids[:place])
    ]


def test_ids_whose_hashes_are_equal_are_not_the_same() -> None:
    found = RecordIds(["a", "b", "a"])
    found._hashes[1] = found._hashes[0]
    found._hashes[2] = found._hashes[0]
    assert found.repeated() == [2]
    found.settle()
    assert list(found) == ["a", "b", "a"]


def test_they_do_not_show_in_messages() -> None:
    assert "secret-id" not in repr(RecordIds(["secret-id"]))
