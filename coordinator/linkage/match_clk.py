"""Scheme `clk`: all pairs of CLKs by their Dice coefficient, through anonlink. The matcher runs this. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import combinations_with_replacement

from coordinator.linkage.compare import LOWEST_FLOOR, compare, levels, plan_floor
from coordinator.linkage.matching import Matched, Progress
from pprl.errors import DisclosureError
from pprl.protocol import pairs
from pprl.protocol.agreement import AgreementFile
from pprl.protocol.framing import Bytes
from pprl.protocol.pairs import (
    LEVELS_IN_ONE,
    MatchedDataset,
    PairsDocument,
    PairsHeader,
    PairTable,
    ReferencePairs,
)
from pprl.protocol.submission import CLK_PASS, Encodings


def match(agreement: AgreementFile, encodings: Mapping[str, Encodings], *, progress: Progress) -> Matched:
    """See `matching.match`."""
    names = [dataset.name for dataset in agreement.content.dataset]
    floor = _floor(agreement, [encodings[name].filters[0] for name in names])
    compared = [
        _compare(encodings[left], encodings[right], floor, progress)
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


def _compare(
    left: Encodings, right: Encodings, floor: float, progress: Progress
) -> tuple[PairTable, ReferencePairs]:
    names = (left.header.dataset, right.header.dataset)
    within = names[0] == names[1]
    label = f"within {names[0]}" if within else f"{names[0]} with {names[1]}"
    (filters_left,), (filters_right,) = left.filters, right.filters
    try:
        found = compare(
            filters_left,
            None if within else filters_right,
            floor=floor,
            progress=lambda share: progress(label, share),
        )
    except DisclosureError as error:
        raise DisclosureError(f"{error.message} They are {label}.", hint=error.hint) from None
    rows = len(filters_left)
    table = PairTable(
        left=names[0],
        right=names[1],
        blocking_pass=CLK_PASS,
        compared=rows * (rows - 1) // 2 if within else rows * len(filters_right),
        floor=round(floor * LEVELS_IN_ONE),
        pairs=len(found),
    )
    return table, ReferencePairs(
        left.references[0][found.left], right.references[0][found.right], levels(found.dice)
    )


def _matched(encodings: Encodings) -> MatchedDataset:
    header = encodings.header
    return MatchedDataset(
        dataset=header.dataset,
        submission=header.submission,
        records=header.records,
        encoded=len(encodings.references[0]),
    )
