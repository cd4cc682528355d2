"""What each party would see of a dataset: its records encoded exactly as they would be sent, as arrays for attacks.

Runs in the department, with secrets drawn for the occasion; nothing made here leaves.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np

from pprl.encode.clk import ClkEncoder
from pprl.encode.field_filters import FieldFilterEncoder, PassRecords
from pprl.privacy.views import Bytes, Indices, SeenPairs, SeenPass
from pprl.protocol.agreement import Agreement
from pprl.protocol.levels import Fields, Patterns, compare_levels
from pprl.protocol.submission import TAG_BYTES

Columns = Mapping[str, Sequence[str]]


def whole_filters(columns: Columns, agreement: Agreement, key: bytes) -> Bytes:
    """Scheme `clk`: one filter a record, in the order of the columns; shape (records, bytes)."""
    return ClkEncoder(agreement, key).encode(columns)


def encoder_of(agreement: Agreement, key: bytes, *, several: bool = False) -> FieldFilterEncoder:
    """Scheme `field-filters`' encoder as the agreement has it, for people with one record each or several."""
    return FieldFilterEncoder.agreed(agreement, key, several=several)


def passes(columns: Columns, encoder: FieldFilterEncoder) -> list[SeenPass]:
    """Scheme `field-filters`: each pass, with the records' own numbers: what the two coordinator roles see together.

    Of records that are joined at home the key issuer knows the first alone, whichever is sent.
    """
    return [
        SeenPass(each.people, each.blocks.astype(np.int64), each.present, each.filters)
        for each in map(PassRecords.to_send, encoder.encode_each(columns))
    ]


def passes_of_two(
    left: Columns, right: Columns, encoder: FieldFilterEncoder
) -> tuple[list[SeenPass], list[SeenPass]]:
    """The passes of two datasets of one agreement, with the same number for the same block.

    Args:
        left: standardised values by identifier, one string a record.
        right: those of the other dataset.
        encoder: of the agreement, under one secret.

    Returns:
        The passes of each dataset, in the agreement's order.
    """
    seen: tuple[list[SeenPass], list[SeenPass]] = ([], [])
    for one, other in zip(
        map(PassRecords.to_send, encoder.encode_each(left)),
        map(PassRecords.to_send, encoder.encode_each(right)),
        strict=True,
    ):
        tags = np.vstack([one.tags, other.tags]).view(np.dtype((np.void, TAG_BYTES))).reshape(-1)
        numbers = np.unique(tags, return_inverse=True)[1].astype(np.int64)
        for side, each, blocks in zip(seen, (one, other), np.split(numbers, [len(one.rows)]), strict=True):
            side.append(SeenPass(each.people, blocks, each.present, each.filters))
    return seen


def as_one(left: Sequence[SeenPass], right: Sequence[SeenPass], records: int) -> list[SeenPass]:
    """The passes of two datasets as who sees both has them: records of the second are numbered after the first's.

    Args:
        left: passes of one dataset.
        right: of the other, with the same block numbers.
        records: how many records the first has.
    """
    return [
        SeenPass(
            np.concatenate([one.rows, other.rows + records]),
            np.concatenate([one.blocks, other.blocks]),
            np.concatenate([one.present, other.present]),
            np.concatenate([one.filters, other.filters]),
        )
        for one, other in zip(left, right, strict=True)
    ]


def as_the_matcher_sees(
    seen: Sequence[SeenPass], rng: np.random.Generator
) -> tuple[list[SeenPass], list[Indices]]:
    """The passes each in an order of its own, under numbers that mean nothing.

    Returns:
        The passes, and for each the record that each of its rows is, which the matcher doesn't have.
    """
    shuffled, records = [], []
    for each in seen:
        order = rng.permutation(len(each.rows))
        records.append(each.rows[order])
        numbers = rng.permutation(int(each.blocks.max(initial=-1)) + 1)
        hidden = SeenPass(
            np.arange(len(order)), numbers[each.blocks[order]], each.present[order], each.filters[order]
        )
        shuffled.append(hidden)
    return shuffled, records


def pairs_between(
    left: Sequence[SeenPass],
    right: Sequence[SeenPass],
    records: tuple[int, int],
    fields: Fields,
    *,
    duplicates: tuple[bool, bool] = (False, False),
) -> SeenPairs:
    """All pairs of two datasets in a common block, pass by pass, before any is found hopeless.

    Args:
        left: passes of one dataset.
        right: of the other, with the same block numbers.
        records: how many records the two have.
        fields: what the filters of a record are.
        duplicates: whether each of the two may hold a person more than once, so that its own pairs are handed on too.
    """
    found: list[tuple[Indices, Indices, Patterns]] = []
    passes: list[int] = []
    in_pass = np.zeros((sum(records), len(left)), dtype=bool)
    for number, (one, other) in enumerate(zip(left, right, strict=True)):
        sides = (one, replace(other, rows=other.rows + records[0]))
        for side in sides:
            in_pass[side.rows, number] = True
        found.append(_pairs_of_pass(*sides, fields))
        found += [
            _pairs_inside(side, fields) for side, several in zip(sides, duplicates, strict=True) if several
        ]
        passes += [number] * (len(found) - len(passes))
    return SeenPairs(
        np.repeat([0, 1], records),
        in_pass,
        np.concatenate([each[0] for each in found]),
        np.concatenate([each[1] for each in found]),
        np.repeat(passes, [len(each[0]) for each in found]),
        np.concatenate([each[2] for each in found]),
    )


def _pairs_inside(seen: SeenPass, fields: Fields) -> tuple[Indices, Indices, Patterns]:
    left, right, patterns = _pairs_of_pass(seen, seen, fields)
    once = left < right
    return left[once], right[once], patterns[once]


def _pairs_of_pass(left: SeenPass, right: SeenPass, fields: Fields) -> tuple[Indices, Indices, Patterns]:
    one, other = joined(left.blocks, right.blocks)
    words = [np.ascontiguousarray(each.filters).view(np.uint64) for each in (left, right)]
    patterns = compare_levels(words[0], left.present, words[1], right.present, one, other, fields)
    return left.rows[one], right.rows[other], patterns


def joined(left: Indices, right: Indices) -> tuple[Indices, Indices]:
    """All places of equal numbers in two arrays: place on the left, place on the right.

    Args:
        left: numbers, shape (on the left,).
        right: shape (on the right,).

    Returns:
        Two arrays of one length, ascending by place on the left.
    """
    order = np.argsort(right, kind="stable")
    first = np.searchsorted(right[order], left, side="left")
    counts = np.searchsorted(right[order], left, side="right") - first
    one = np.repeat(np.arange(len(left)), counts)
    offsets = np.arange(len(one)) - np.repeat(np.cumsum(counts) - counts, counts)
    return one, order[np.repeat(first, counts) + offsets]
