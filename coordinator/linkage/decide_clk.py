"""Scheme `clk`: which pairs may link, from Dice coefficients and shared match keys. The key issuer runs this. Pure.

Pairs that share a match key link first, if by what departments count enough of them are right to reach the agreement's
target. Otherwise a shared key counts for nothing, and such pairs have their Dice coefficient alone.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from coordinator.linkage.compare import Pairs
from coordinator.linkage.evidence import NO_ESTIMATE, Bins, Cut, Estimate, Evidence, FoundPairs
from coordinator.linkage.issuing import Decided
from coordinator.linkage.shared_keys import KeyedDataset, expected_wrong, scores, without_keys
from coordinator.linkage.solve import Compared
from coordinator.linkage.threshold import (
    BIN_LEVELS,
    BINS,
    SHARED_KEY_BIN,
    ThresholdEstimate,
    estimate_threshold,
)
from pprl.errors import VerificationError
from pprl.protocol import framing, pairs
from pprl.protocol.agreement import AgreementFile
from pprl.protocol.framing import Bytes
from pprl.protocol.pairs import LEVELS_IN_ONE, SHARED_KEY, PairsDocument
from pprl.protocol.submission import MatchKeyReferencesHeader, References


def decide(agreement: AgreementFile, references: Mapping[str, References], raw: bytes) -> Decided:
    """See `issuing.issue`; `raw` is the matcher's `pairs`.

    Args:
        agreement: of the run.
        references: of each dataset, by name.
        raw: as it was opened, and not read before.

    Raises:
        FormatError: the pairs are not as specified.
        VerificationError: they don't belong to the references or the agreement.
    """
    document = pairs.parse(raw, agreement)
    floor = document.header.tables[0].floor / LEVELS_IN_ONE
    wrong_by_key = _wrong_by_key(agreement, references, document)
    compared = _with_positions(agreement, references, document, by_key=bool(wrong_by_key))
    linkage = agreement.content.linkage
    found = estimate_threshold(
        compared,
        encoded=[matched.encoded for matched in document.header.datasets],
        may_have_duplicates=[dataset.may_have_duplicates for dataset in agreement.content.dataset],
        floor=floor,
        target_precision=linkage.target_precision,
        cost_ratio=linkage.cost_ratio,
        fixed=None if linkage.threshold == "estimated" else linkage.threshold,
        wrong_by_key=wrong_by_key,
    )
    return Decided(
        compared=tuple(compared),
        threshold=found.threshold,
        method=found.method + _about_keys(agreement, wrong_by_key),
        precision=Estimate.of(found.estimated_precision),
        recall=Estimate(found.estimated_recall, None, None),
        evidence=_evidence(agreement, document, compared, found),
    )


def _wrong_by_key(
    agreement: AgreementFile, references: Mapping[str, References], document: PairsDocument
) -> list[float]:
    """For each comparison, the expected wrong pairs among those that share a match key; empty if keys don't count."""
    if not agreement.content.encoding.clk_parameters.match_keys:
        return []
    datasets = {
        each.name: KeyedDataset(matched.encoded, _own_pairs(references[each.name]), each.may_have_duplicates)
        for each, matched in zip(agreement.content.dataset, document.header.datasets, strict=True)
    }
    everybody = list(datasets.values())
    shared = _sharing(document)
    wrong = [
        expected_wrong(count, datasets[about.left], datasets[about.right], everybody) if count else 0.0
        for about, count in zip(document.header.tables, shared, strict=True)
    ]
    most = (1 - agreement.content.linkage.target_precision) * sum(shared)
    return wrong if sum(wrong) <= most else []


def _own_pairs(references: References) -> int:
    header = references.header
    return header.match_key_pairs if isinstance(header, MatchKeyReferencesHeader) else 0


def _sharing(document: PairsDocument) -> list[int]:
    """For each comparison, the pairs that share a match key."""
    return [int((table.levels >= SHARED_KEY).sum()) for table in document.tables]


def _about_keys(agreement: AgreementFile, wrong_by_key: Sequence[float]) -> str:
    """What became of match keys, in words alone: the method is told in public."""
    if not agreement.content.encoding.clk_parameters.match_keys:
        return ""
    if not wrong_by_key:
        return "; match keys don't count, as too few of the pairs that share one are surely right"
    return "; pairs that share a match key come first"


# Bins of scores in one column of the histogram, and in one step of the curve.
_BINS_A_COLUMN, _BINS_A_STEP = 4, 2


def _evidence(
    agreement: AgreementFile, document: PairsDocument, compared: Sequence[Compared], found: ThresholdEstimate
) -> Evidence:
    linking = [
        (about, each)
        for about, each in zip(document.header.tables, compared, strict=True)
        if each.left != each.right or agreement.content.dataset[each.left].may_have_duplicates
    ]
    return Evidence(
        score="Dice coefficient",
        bins=_bins(found, document.header.tables[0].floor / LEVELS_IN_ONE),
        curve=_curve(found, document.header.tables[0].floor / LEVELS_IN_ONE),
        found=tuple(
            FoundPairs(
                each.left,
                each.right,
                (about.blocking_pass,),
                (about.compared,),
                each.pairs.left,
                each.pairs.right,
                np.ones(len(each.pairs), np.uint64),
            )
            for about, each in linking
        ),
        expected_matches=dict(
            zip(
                [(each.left, each.right) for _, each in linking],
                found.evidence.expected_matches_of_comparisons,
                strict=True,
            )
        ),
        unseen_matches=None,
        suppressed=(),
        model={},
    )


def _bins(found: ThresholdEstimate, floor: float) -> Bins:
    """The estimate's bins, a few in a column, from the floor up; the highest holds equal filters.

    Pairs that share a match key have a column of their own above.
    """
    evidence = found.evidence
    starts = np.arange(0, LEVELS_IN_ONE // BIN_LEVELS, _BINS_A_COLUMN)
    ends = np.append(starts, LEVELS_IN_ONE // BIN_LEVELS)
    if evidence.pairs[SHARED_KEY_BIN]:
        starts = np.append(starts, SHARED_KEY_BIN)
        ends = np.append(starts, BINS)
    edges = ends * BIN_LEVELS / LEVELS_IN_ONE
    first = max(int(np.searchsorted(edges, floor, side="right")) - 1, 0)
    return Bins(
        edges[first:],
        np.add.reduceat(evidence.pairs, starts)[first:],
        np.add.reduceat(evidence.expected_matches, starts)[first:],
        np.add.reduceat(evidence.expected_non_matches, starts)[first:],
    )


def _curve(found: ThresholdEstimate, floor: float) -> tuple[Cut, ...]:
    evidence = found.evidence
    points = []
    for place in range(0, len(evidence.links), _BINS_A_STEP):
        threshold, links = float(evidence.lower_edge[place]), int(evidence.links[place])
        if threshold < floor:
            continue
        right, matches = evidence.right_links[place], max(float(evidence.expected_matches.sum()), 1e-9)
        if not links or found.estimated_precision is None:
            points.append(Cut(threshold, links, NO_ESTIMATE, NO_ESTIMATE))
            continue
        precision = Estimate(
            *(
                max(1 - float(each[place]) / links, 0.0)
                for each in (evidence.wrong_links, evidence.most_wrong, evidence.least_wrong)
            )
        )
        points.append(
            Cut(threshold, links, precision, Estimate(min(float(right / matches), 1.0), None, None))
        )
    return tuple(points)


def _with_positions(
    agreement: AgreementFile, references: Mapping[str, References], document: PairsDocument, *, by_key: bool
) -> list[Compared]:
    """The pairs again, with positions among a dataset's handles for references, and scores for levels."""
    names = [dataset.name for dataset in agreement.content.dataset]
    for matched in document.header.datasets:
        header = references[matched.dataset].header
        known = (header.submission, header.records, header.passes[0].records)
        if (matched.submission, matched.records, matched.encoded) != known:
            raise VerificationError(f"The pairs are about another submission of '{matched.dataset}'.")
    compared = []
    for table, rows in zip(document.header.tables, document.tables, strict=True):
        score = scores(rows.levels) if by_key else without_keys(rows.levels)
        found = score >= table.floor / LEVELS_IN_ONE
        pairs = Pairs(
            _positions(rows.left, references[table.left])[found],
            _positions(rows.right, references[table.right])[found],
            score[found],
        )
        compared.append(Compared(names.index(table.left), names.index(table.right), pairs))
    return compared


def _positions(ids: Bytes, references: References) -> NDArray[np.uint32]:
    found = framing.positions(ids, references.references[0])
    if (found < 0).any():
        raise VerificationError(
            f"The pairs name a reference that '{references.header.dataset}' doesn't have."
        )
    return references.positions[0][found].astype(np.uint32)
