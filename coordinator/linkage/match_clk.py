"""Scheme `clk`: pairs of CLKs by their Dice coefficient. The matcher runs this. Pure.

All pairs of two datasets are compared; where they are too many for that and `lsh` costs less, those that it brings
together. What it was planned to find, and what it did find on some rows, goes into the matcher's report.

Where the agreement has match keys, pairs of two datasets that share one are handed on too, however unlike their CLKs
are, and marked: whether that is reason enough to link them the key issuer decides.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations_with_replacement
from typing import Any

import numpy as np
from numpy.typing import NDArray

from coordinator.linkage import lsh
from coordinator.linkage.compare import LOWEST_FLOOR, Pairs, compare, dice_of, levels, plan_floor
from coordinator.linkage.matching import Matched, Progress
from coordinator.linkage.small_numbers import shown
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
    """See `matching.match`.

    Raises:
        DisclosureError: so many pairs are alike that a dataset must be made up of copies.
    """
    names = [dataset.name for dataset in agreement.content.dataset]
    parts = {name: keyed(encodings[name].filters[0], agreement) for name in names}
    floor = _floor(agreement, [parts[name].clks for name in names])
    sides = {name: _Side(encodings[name], parts[name]) for name in names}
    compared = [
        _compare(agreement, sides[left], sides[right], floor, progress)
        for left, right in combinations_with_replacement(names, 2)
    ]
    header = PairsHeader(
        agreement_sha256=agreement.sha256,
        scheme="clk",
        datasets=tuple(_matched(encodings[name]) for name in names),
        tables=tuple(table for table, _, _ in compared),
    )
    return Matched(
        pairs.write(PairsDocument(header, tuple(found for _, found, _ in compared))),
        compared=sum(table.compared for table in header.tables),
        pairs=sum(table.pairs for table in header.tables),
        tables=header.tables,
        records=sum(each.records for each in header.datasets),
        blocking=tuple(
            _blocking_told(table, blocking, agreement.content.release.small_number_limit)
            for table, _, blocking in compared
            if blocking is not None
        ),
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


def _compare(
    agreement: AgreementFile, left: _Side, right: _Side, floor: float, progress: Progress
) -> tuple[PairTable, ReferencePairs, lsh.Blocking | None]:
    names = (left.encodings.header.dataset, right.encodings.header.dataset)
    within = names[0] == names[1]
    label = f"within {names[0]}" if within else f"{names[0]} with {names[1]}"
    try:
        found, pairs_compared, blocking = _alike(
            left.records.clks,
            None if within else right.records.clks,
            floor=floor,
            digest=agreement.sha256,
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
    table = PairTable(
        left=names[0],
        right=names[1],
        blocking_pass=CLK_PASS,
        compared=pairs_compared,
        floor=round(floor * LEVELS_IN_ONE),
        pairs=len(at),
    )
    references = left.encodings.references[0], right.encodings.references[0]
    return table, ReferencePairs(references[0][rows_left], references[1][rows_right], at), blocking


def _alike(
    left: Bytes, right: Bytes | None, *, floor: float, digest: str, progress: Callable[[float], None]
) -> tuple[Pairs, int, lsh.Blocking | None]:
    """The pairs that reach the floor, how many were compared for it, and what blocking did, if there was any."""
    possible = lsh.possible_pairs(left, right)
    planned = lsh.plan(left, right, floor=floor) if possible > lsh.MOST_EXACT_PAIRS else None
    if planned is None:
        return compare(left, right, floor=floor, progress=progress), possible, None
    found, blocking = lsh.compare_blocked(
        left, right, floor=floor, planned=planned, digest=digest, progress=progress
    )
    return found, min(blocking.meetings, possible), blocking


def _blocking_told(table: PairTable, blocking: lsh.Blocking, limit: int) -> dict[str, Any]:
    """What the matcher's report tells of blocking; the recall of few pairs would tell how many they are."""
    sampled = shown(blocking.sampled, limit)
    return {
        "left": table.left,
        "right": table.right,
        "bits": blocking.plan.bits,
        "tables": blocking.plan.tables,
        "predicted_recall_at_floor": math.floor(1000 * blocking.plan.recall) / 1000,
        "sampled_pairs": sampled,
        "measured_recall": round(blocking.sampled_found / sampled, 3) if sampled else None,
        "parted": shown(blocking.parted, limit),
    }


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
