"""Scheme `field-filters`: which pairs may link, from patterns over all passes. The key issuer runs this. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import combinations_with_replacement

import numpy as np
from numpy.typing import NDArray

from coordinator.linkage import evidence
from coordinator.linkage.calibrate import OwnPairs
from coordinator.linkage.decide import Decision, Merged, PassPairs, merged
from coordinator.linkage.decide import decide as decide_patterns
from coordinator.linkage.evidence import Cut, Estimate, Evidence, FoundPairs, Suppressed
from coordinator.linkage.issuing import Decided, Progress
from coordinator.linkage.model import Roles
from coordinator.linkage.reference_places import NOT_THERE, records_of
from pprl.errors import VerificationError
from pprl.protocol import patterns
from pprl.protocol.agreement import Agreement, AgreementFile
from pprl.protocol.framing import Bytes
from pprl.protocol.match_model import random_distribution
from pprl.protocol.patterns import PatternPairs, PatternsDocument
from pprl.protocol.submission import References, passes

# Pairs that share no block were not compared, and say nothing against a person (decision 0003).
MERGE_SHARE = 0.2

METHOD = "Fellegi-Sunter over all passes; non-matches learnt from pairs inside datasets, matches between them"


def decide(
    agreement: AgreementFile,
    references: Mapping[str, References],
    raw: bytes,
    *,
    progress: Progress = lambda _what, _share: None,
) -> Decided:
    """See `issuing.issue`; `raw` is the matcher's `patterns`.

    Args:
        agreement: of the run.
        references: of each dataset, by name.
        raw: as it was opened, and not read before.
        progress: told what is done, and the share of it.

    Raises:
        FormatError: the patterns are not as specified.
        VerificationError: they don't belong to the references or the agreement.
    """
    progress("read pairs", 0.0)
    document = patterns.parse(raw, agreement)
    content = agreement.content
    _require_same_submissions(document, references)
    clean = [not dataset.may_have_duplicates for dataset in content.dataset]
    in_order = [references[dataset.name] for dataset in content.dataset]
    rows = [_compared_records(each) for each in in_order]
    comparisons = [
        merged(left, right, list(found), rows=rows, clean=clean)
        for (left, right), found in _found(document, in_order, clean, len(passes(agreement)))
    ]
    linkage = content.linkage
    progress("learn", 0.3)
    found = decide_patterns(
        comparisons,
        _own_pairs(content, in_order, rows),
        random=random_distribution(np.array(document.header.random_levels)),
        roles=Roles.of(list(content.kinds().values())),
        clean=clean,
        target_precision=linkage.target_precision,
        cost_ratio=linkage.cost_ratio,
        fixed=None if linkage.threshold == "estimated" else linkage.threshold,
        progress=progress,
    )
    return Decided(
        compared=found.compared,
        threshold=found.threshold,
        method=METHOD,
        precision=Estimate.of(found.precision),
        recall=Estimate.of(found.recall),
        evidence=_evidence(agreement, document, found, comparisons),
        merge_share=MERGE_SHARE,
    )


def _require_same_submissions(document: PatternsDocument, references: Mapping[str, References]) -> None:
    for matched in document.header.datasets:
        header = references[matched.dataset].header
        known = (header.submission, header.records, tuple(each.records for each in header.passes))
        if (matched.submission, matched.records, matched.encoded) != known:
            raise VerificationError(f"The pairs are about another submission of '{matched.dataset}'.")


def _compared_records(references: References) -> int:
    """How many records have a reference in any pass."""
    there = np.zeros(len(references.handles), dtype=bool)
    for positions in references.positions:
        there[positions] = True
    return int(there.sum())


def _found(
    document: PatternsDocument, references: Sequence[References], clean: Sequence[bool], pass_count: int
) -> Iterator[tuple[tuple[int, int], Iterator[PassPairs]]]:
    """For each comparison that may link, the pairs of each pass, by positions among the handles."""
    for place, (left, right) in enumerate(combinations_with_replacement(range(len(references)), 2)):
        if left == right and clean[left]:
            continue
        tables = document.tables[place * pass_count : (place + 1) * pass_count]
        yield (
            (left, right),
            (
                _by_record(table, references[left], references[right], which)
                for which, table in enumerate(tables)
            ),
        )


def _by_record(table: PatternPairs, left: References, right: References, which: int) -> PassPairs:
    ends = _positions(table.left, left, which), _positions(table.right, right, which)
    low, high = (np.minimum(*ends), np.maximum(*ends)) if left is right else ends
    return PassPairs(low, high, table.patterns)


def _positions(ids: Bytes, references: References, which: int) -> NDArray[np.uint32]:
    found = records_of(ids, references.references[which], references.positions[which])
    if (found == NOT_THERE).any():
        raise VerificationError(
            f"The pairs name a reference that '{references.header.dataset}' doesn't have."
        )
    return found


def _own_pairs(content: Agreement, references: Sequence[References], rows: Sequence[int]) -> list[OwnPairs]:
    """What pairs inside datasets look like, as departments have counted them, in the order of the datasets."""
    found, parameters = [], content.encoding.field_filters
    for dataset, each, count in zip(content.dataset, references, rows, strict=True):
        if each.own_patterns is None:
            raise VerificationError(f"'{each.header.dataset}' doesn't count the patterns of its own pairs.")
        counts = each.own_patterns.counts.astype(np.float64)
        joined = parameters is not None and parameters.joins(dataset)
        found.append(OwnPairs(count, each.own_patterns.patterns, counts, joined))
    return found


def _evidence(
    agreement: AgreementFile, document: PatternsDocument, decision: Decision, comparisons: Sequence[Merged]
) -> Evidence:
    found = tuple(_found_pairs(agreement, document, each) for each in comparisons)
    return Evidence(
        score="posterior",
        bins=evidence.posterior_bins(decision.compared, evidence.candidates_of(found), decision.matches),
        curve=tuple(
            Cut(each.threshold, each.links, Estimate.of(each.precision), Estimate.of(each.recall))
            for each in decision.curve
        ),
        found=found,
        expected_matches=evidence.expected_by_comparison(decision.compared),
        unseen_matches=decision.unseen,
        suppressed=_suppressed(agreement, document),
        model=evidence.model_parameters(decision.learnt, list(agreement.content.kinds().items())),
    )


def _found_pairs(agreement: AgreementFile, document: PatternsDocument, merged: Merged) -> FoundPairs:
    names = [dataset.name for dataset in agreement.content.dataset]
    compared = {(each.left, each.right, each.blocking_pass): each.compared for each in document.header.tables}
    about, blocking_passes = merged.comparison, tuple(name for name, _ in passes(agreement))
    sides = (names[about.left_dataset], names[about.right_dataset])
    return FoundPairs(
        about.left_dataset,
        about.right_dataset,
        blocking_passes,
        tuple(compared[*sides, name] for name in blocking_passes),
        about.pairs.left,
        about.pairs.right,
        merged.found_by,
    )


def _suppressed(agreement: AgreementFile, document: PatternsDocument) -> tuple[Suppressed, ...]:
    return tuple(
        Suppressed(matched.dataset, name, count)
        for matched in document.header.datasets
        for (name, _), count in zip(passes(agreement), matched.suppressed, strict=True)
    )
