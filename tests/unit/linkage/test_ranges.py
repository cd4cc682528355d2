"""How many ranges of tags a budget takes, and what is refused."""

from __future__ import annotations

import re
from collections.abc import Sequence
from types import SimpleNamespace
from typing import cast

import pytest

from coordinator.linkage.budget import Budget
from coordinator.linkage.ranges import MOST_RANGES, most_clean_pairs, ranges_for
from pprl.errors import UsageError
from pprl.protocol.submission import FieldFilterHeader

RECORD_BYTES, FILTERS = 180, 9


def headers(*records: int) -> Sequence[FieldFilterHeader]:
    """As much of the headers of datasets as a plan looks at: each has two passes, the second one smaller."""
    made = [
        SimpleNamespace(
            passes=[SimpleNamespace(records=each // part, record_bytes=RECORD_BYTES) for part in (1, 2)]
        )
        for each in records
    ]
    return cast("Sequence[FieldFilterHeader]", made)


def test_less_memory_takes_more_ranges() -> None:
    datasets = headers(1_000_000, 1_000_000)
    taken = [
        ranges_for(datasets, FILTERS, Budget.parse(amount), pairs=300_000)
        for amount in ("4GB", "1000MB", "900MB")
    ]
    assert taken == sorted(set(taken)), "each more than the one before"
    assert taken[0] == 1


def test_more_pairs_take_more_ranges() -> None:
    datasets, budget = headers(1_000_000, 1_000_000), Budget.parse("2GB")
    taken = [ranges_for(datasets, FILTERS, budget, pairs=pairs) for pairs in (0, 5_000_000, 9_000_000)]
    assert taken == sorted(taken)
    assert taken[0] < taken[-1]


def test_more_pairs_than_can_be_fitted_are_refused_at_once() -> None:
    with pytest.raises(UsageError, match="A pass has about 50,000,000 pairs") as error:
        ranges_for(headers(100_000, 100_000), FILTERS, Budget.parse("4GB"), pairs=50_000_000)
    (amount,) = re.findall(r"--memory ([0-9]+MB)", error.value.hint)
    enough = ranges_for(headers(100_000, 100_000), FILTERS, Budget.parse(amount), pairs=50_000_000)
    assert enough <= MOST_RANGES


def test_where_a_block_holds_one_record_of_each_dataset_pairs_are_bounded() -> None:
    assert most_clean_pairs(headers(10, 30)) == 10
    assert most_clean_pairs(headers(10, 30, 20)) == 10 + 10 + 20
    assert most_clean_pairs(headers(10)) == 0
