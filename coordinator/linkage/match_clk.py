"""Scheme `clk`: all pairs of CLKs by their Dice coefficient. The matcher runs this. Pure.

Where the agreement has match keys, pairs of two datasets that share one are handed on too, however unlike their CLKs
are, and marked: whether that is reason enough to link them the key issuer decides.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations_with_replacement

import numpy as np
from numpy.typing import NDArray

from coordinator.linkage.compare import LOWEST_FLOOR, Pairs, compare, dice_of, levels, plan_floor
from coordinator.linkage.matching import Matched, Progress
from pprl.errors import DisclosureError
from pprl.protocol import framing, pairs
from pprl.protocol.agreement import AgreementFile
from pprl.protocol.framing import Bytes
from pprl.protocol.pairs import (
    LEVELS_IN_ONE,
    SHARED_KEY,
    MatchedDataset,
    PairsDocument,
    PairsHeader,
    PairTable,
    ReferencePairs,
)
from pprl.protocol.submission import CLK_PASS, Encodings, Keyed, keyed

Rows = NDArray[np.int64]


def match(agreement: AgreementFile, encodings: Mapping[str, Encodings], *, progress: Progress) -> Matched:
    """See `matching.match`."""
    names = [dataset.name for dataset in agreement.content.dataset]
    parts = {name: keyed(encodings[name].filters[0], agreement) for name in names}
    floor = _floor(agreement, [parts[name].clks for name in names])
    compared = [
        _compare(_Side(encodings[left], parts[left]), _Side(encodings[right], parts[right]), floor, progress)
        for left, right in combinations_with_replacement(names, 2)
    ]
    header = PairsHeader(
        agreement_sha256=agreement.sha256,
        scheme="clk",
        datasets=tuple(_matched(encodings[name]) for name in names),
        tables=tuple(table for table, _ in compared),
    )
    return Matched(
        pairs.write(PairsDocument(header, tuple(found for _, found in compared))),
        compared=sum(table.compared for table in header.tables),
        pairs=sum(table.pairs for table in header.tables),
        tables=header.tables,
        records=sum(each.records for each in header.datasets),
    )


def _floor(agreement: AgreementFile, filters: Sequence[Bytes]) -> float:
    """As low as the number of pairs allows, and never above a threshold that the agreement fixes."""
    fixed = agreement.content.linkage.threshold
    planned = plan_floor(filters)
    return planned if fixed == "estimated" else max(min(planned, fixed), LOWEST_FLOOR)


@dataclass(frozen=True, slots=True)
class _Side:
    """A dataset's encodings, and its records taken apart."""

    encodings: Encodings
    records: Keyed


def _compare(left: _Side, right: _Side, floor: float, progress: Progress) -> tuple[PairTable, ReferencePairs]:
    names = (left.encodings.header.dataset, right.encodings.header.dataset)
    within = names[0] == names[1]
    label = f"within {names[0]}" if within else f"{names[0]} with {names[1]}"
    try:
        found = compare(
            left.records.clks,
            None if within else right.records.clks,
            floor=floor,
            progress=lambda share: progress(label, share),
        )
    except DisclosureError as error:
        raise DisclosureError(f"{error.message} They are {label}.", hint=error.hint) from None
    if within:
        rows_left, rows_right, at = (
            found.left.astype(np.int64),
            found.right.astype(np.int64),
            levels(found.dice),
        )
    else:
        rows_left, rows_right, at = _with_shared_keys(left.records, right.records, found)
    rows = len(left.records.clks)
    table = PairTable(
        left=names[0],
        right=names[1],
        blocking_pass=CLK_PASS,
        compared=rows * (rows - 1) // 2 if within else rows * len(right.records.clks),
        floor=round(floor * LEVELS_IN_ONE),
        pairs=len(at),
    )
    references = left.encodings.references[0], right.encodings.references[0]
    return table, ReferencePairs(references[0][rows_left], references[1][rows_right], at)


def _with_shared_keys(left: Keyed, right: Keyed, found: Pairs) -> tuple[Rows, Rows, Rows]:
    """Rows and levels of the pairs that are alike, and of those that share a match key, each pair once."""
    width = len(right.clks)
    alike = found.left.astype(np.int64) * width + found.right
    shared = _sharing(left, right)
    everything = np.union1d(alike, shared)
    rows_left, rows_right = np.divmod(everything, max(width, 1))
    at = np.empty(len(everything), dtype=np.int64)
    at[np.searchsorted(everything, alike)] = levels(found.dice)
    by_key = np.searchsorted(everything, shared)
    dice = dice_of(left.clks[rows_left[by_key]], right.clks[rows_right[by_key]])
    at[by_key] = SHARED_KEY + levels(dice)
    return rows_left, rows_right, at


def _sharing(left: Keyed, right: Keyed) -> Rows:
    """The pairs of rows that share a match key, as ascending numbers."""
    found = [np.empty(0, np.int64)]
    for place in range(left.tags.shape[1]):
        order = framing.ascending(right.tags[:, place])
        at = framing.positions(left.tags[:, place], right.tags[order, place])
        rows = np.flatnonzero(at >= 0)
        found.append(rows * len(order) + order[at[rows]])
    return np.unique(np.concatenate(found))


def _matched(encodings: Encodings) -> MatchedDataset:
    header = encodings.header
    return MatchedDataset(
        dataset=header.dataset,
        submission=header.submission,
        records=header.records,
        encoded=len(encodings.references[0]),
    )
