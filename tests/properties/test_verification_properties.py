"""Whatever an export says, verifying it ends with outcomes: no coordinator can break an auditor's program with it."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pprl.errors import PprlError
from pprl.verification import agreed, checks, one_log
from tests.support.exported import Run
from tests.support.project import ISSUER, MATCHER

PLACES = st.integers(0, 10_000)
WORDS = [
    "", "0", "x" * 64, "0" * 64, "0" * 32, "police", "court", "matcher", "key-issuer", "research", "nobody",
    "encodings", "references", "pairs", "linkage-keys", "crosswalk", "secret-share", "other", "received", "relayed",
    "matched", "issued", "released", "refused", "destroyed", "registered", "reseal-requested", "collecting", "complete",
    "9999-12-31T23:59:59Z", "0001-01-01T00:00:00Z", "2021-06-03T00:00:00Z", 0, -1, 2**60, True, None, [], {},
    ["0" * 64],
]  # fmt: skip


@pytest.fixture(scope="module", autouse=True)
def each_agreement_read_once() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        for module in (agreed, one_log):
            patch.setattr(module, "parse", cache(module.parse))
        yield


def leaves(tree: Any) -> Iterator[tuple[Any, Any]]:
    """Every place in a tree where a value may be put: its container and its key."""
    keys = tree.keys() if isinstance(tree, dict) else range(len(tree)) if isinstance(tree, list) else ()
    for key in list(keys):
        yield tree, key
        yield from leaves(tree[key])


@settings(max_examples=25)
@given(
    party=st.sampled_from([MATCHER, ISSUER]),
    changes=st.lists(st.tuples(PLACES, st.sampled_from(WORDS)), min_size=1, max_size=3),
    moved=st.lists(st.tuples(PLACES, PLACES), max_size=2),
)
def test_entries_that_say_anything_at_all(
    made_run: Run, party: str, changes: list[tuple[int, Any]], moved: list[tuple[int, int]]
) -> None:
    trees = made_run.trees(party)
    for place, word in changes:
        found = list(leaves(trees))
        where, key = found[place % len(found)]
        where[key] = word
    for one, other in moved:
        trees.insert(other % len(trees), trees.pop(one % len(trees)))
    try:
        tampered = made_run.told(party, [tree for tree in trees if isinstance(tree, dict)])
    except (PprlError, TypeError, AttributeError, KeyError):
        return
    _ends(tampered)


@settings(max_examples=25)
@given(
    party=st.sampled_from([MATCHER, ISSUER]),
    name=st.sampled_from(["checkpoint", "issued_receipt", "summary", "certificate"]),
    place=PLACES,
    byte=st.integers(0, 255),
)
def test_files_with_another_byte(made_run: Run, party: str, name: str, place: int, byte: int) -> None:
    raw = bytearray(getattr(made_run.logs[party], name) or b"{}")
    raw[place % len(raw)] = byte
    _ends(made_run.with_log(party, **{name: bytes(raw)}))


def _ends(run: Run) -> None:
    outcomes = run.outcomes()
    assert len(outcomes) == 16 + 2 * 15
    assert {each.check.id for each in outcomes} == {each.id for each in checks.CHECKS}
