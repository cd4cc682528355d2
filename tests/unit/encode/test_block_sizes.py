"""What `pprl check` tells of blocks is what encoding then does."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest

from pprl.encode.block_sizes import block_sizes
from pprl.encode.field_filters import FieldFilterEncoder
from pprl.encode.passes import block_values
from pprl.protocol.blocking import BlockingPass
from pprl.protocol.kinds import Kind

KINDS: dict[str, Kind] = {"family": "surname", "born": "date-of-birth"}
PASSES = [
    BlockingPass("birth", ("born:whole",)),
    BlockingPass("name-year", ("family:phonetic", "born:year")),
    BlockingPass("name", ("family:whole",)),
]
ROWS = 400


def people(seed: int) -> dict[str, list[str]]:
    rng = np.random.default_rng(seed)
    surnames = rng.choice(["smith", "smyth", "obrien", "khan", ""], ROWS, p=[0.4, 0.2, 0.2, 0.1, 0.1])
    days = rng.choice(["", *(f"19{year}-01-{day}" for year in range(50, 80) for day in (11, 12))], ROWS)
    return {"family": surnames.tolist(), "born": days.tolist()}


@pytest.mark.parametrize("most", [1, 6, 40, 1_000])
def test_they_are_those_that_encoding_makes(most: int) -> None:
    columns = people(1)
    found = block_sizes(columns, PASSES, KINDS, max_block_records=most)
    encoded = FieldFilterEncoder(PASSES, KINDS, bytes(32), max_block_records=most).encode(columns)
    in_a_pass = set(np.concatenate([records.rows for records in encoded]).tolist())
    assert found.in_no_pass == ROWS - len(in_a_pass)
    for told, records in zip(found.passes, encoded, strict=True):
        assert (told.name, told.records, told.suppressed) == (
            records.name,
            len(records.rows),
            records.suppressed,
        )
        assert told.records + told.suppressed + told.without_block == ROWS


def test_pairs_are_those_with_a_dataset_like_this_one() -> None:
    columns = people(2)
    found = block_sizes(columns, PASSES, KINDS, max_block_records=30)
    for told, pass_ in zip(found.passes, PASSES, strict=True):
        sizes = Counter(value for value in block_values(columns, pass_, KINDS) if value).values()
        assert told.largest == max(sizes)
        assert told.predicted_pairs == sum(size**2 for size in sizes if size <= 30)
    assert found.passes[2].suppressed > 0
    assert found.predicted_pairs == sum(each.predicted_pairs for each in found.passes)


def test_without_records_or_blocks_there_are_none() -> None:
    for columns in ({"family": [], "born": []}, {"family": [""] * 3, "born": [""] * 3}):
        found = block_sizes(columns, PASSES, KINDS, max_block_records=5)
        assert found.in_no_pass == len(columns["born"])
        assert found.predicted_pairs == 0
        assert {each.largest for each in found.passes} == {0}
