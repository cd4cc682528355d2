"""Scheme `field-filters`: which pairs may link, from patterns over all passes. The key issuer runs this. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import combinations_with_replacement

import numpy as np
from numpy.typing import NDArray

from coordinator.linkage import evidence
from coordinator.linkage.calibrate import OwnPairs
from coordinator.linkage.decide import Decision, PassPairs, merged
from coordinator.linkage.decide import decide as decide_patterns
from coordinator.linkage.evidence import Cut, Estimate, Evidence, FoundByPass, Suppressed
from coordinator.linkage.issuing import Decided
from coordinator.linkage.model import Roles, random_distribution
from pprl.errors import VerificationError
from pprl.protocol import framing, patterns
from pprl.protocol.agreement import AgreementFile
from pprl.protocol.framing import Bytes
from pprl.protocol.patterns import PatternsDocument
from pprl.protocol.submission import References, passes

# Pairs that share no block were not compared, and say nothing against a person (decision 0003).
MERGE_SHARE = 0.2

METHOD = "Fellegi-Sunter over all passes; non-matches learnt from pairs inside datasets, matches between them"


def decide(agreement: AgreementFile, references: Mapping[str, References], raw: bytes) -> Decided:
    """See `issuing.issue`; `raw` is the matcher's `patterns`."""
    document = patterns.parse(raw, agreement)
    content = agreement.content
    _require_same_submissions(document, references)
    clean = [not dataset.may_have_duplicates for dataset in content.dataset]
    in_order = [references[dataset.name] for dataset in content.dataset]
    rows = [len(np.unique(np.concatenate(each.positions))) for each in in_order]
    tables = _found(document, in_order, clean, len(passes(agreement)))
    comparisons = [
        merged(left, right, found, rows=rows, clean=clean) for (left, right), found in tables.items()
    ]
    linkage = content.linkage
    found = decide_patterns(
        comparisons,
        _own_pairs(in_order, rows),
        random=random_distribution(np.array(document.header.random_levels)),
        roles=Roles.of(list(content.kinds().values())),
        clean=clean,
        target_precision=linkage.target_precision,
        cost_ratio=linkage.cost_ratio,
        fixed=None if linkage.threshold == "estimated" else linkage.threshold,
    )
    return Decided(
        compared=found.compared,
        threshold=found.threshold,
        method=METHOD,
        precision=Estimate.of(found.precision),
        recall=Estimate.of(found.recall),
        evidence=_evidence(agreement, document, found, tables),
        merge_share=MERGE_SHARE,
    )


def _require_same_submissions(document: PatternsDocument, references: Mapping[str, References]) -> None:
    for matched in document.header.datasets:
        header = references[matched.dataset].header
        known = (header.submission, header.records, tuple(each.records for each in header.passes))
        if (matched.submission, matched.records, matched.encoded) != known:
            raise VerificationError(f"The pairs are about another submission of '{matched.dataset}'.")


def _found(
    document: PatternsDocument, references: Sequence[References], clean: Sequence[bool], pass_count: int
) -> dict[tuple[int, int], list[PassPairs]]:
    """For each comparison that may link, the pairs of each pass, by positions among the handles."""
    comparisons = {}
    for place, (left, right) in enumerate(combinations_with_replacement(range(len(references)), 2)):
        if left == right and clean[left]:
            continue
        tables = document.tables[place * pass_count : (place + 1) * pass_count]
        found = []
        for which, table in enumerate(tables):
            ends = (
                _positions(table.left, references[left], which),
                _positions(table.right, references[right], which),
            )
            low, high = (np.minimum(*ends), np.maximum(*ends)) if left == right else ends
            found.append(PassPairs(low, high, table.patterns))
        comparisons[left, right] = found
    return comparisons


def _positions(ids: Bytes, references: References, which: int) -> NDArray[np.int64]:
    found = framing.positions(ids, references.references[which])
    if (found < 0).any():
        raise VerificationError(
            f"The pairs name a reference that '{references.header.dataset}' doesn't have."
        )
    return references.positions[which][found]


def _own_pairs(references: Sequence[References], rows: Sequence[int]) -> list[OwnPairs]:
    """What pairs inside datasets look like, as departments have counted them, in the order of the datasets."""
    found = []
    for each, count in zip(references, rows, strict=True):
        if each.own_patterns is None:
            raise VerificationError(f"'{each.header.dataset}' doesn't count the patterns of its own pairs.")
        counts = each.own_patterns.counts.astype(np.float64)
        found.append(OwnPairs(count, each.own_patterns.patterns, counts))
    return found


def _evidence(
    agreement: AgreementFile,
    document: PatternsDocument,
    decision: Decision,
    tables: Mapping[tuple[int, int], Sequence[PassPairs]],
) -> Evidence:
    found = _by_pass(agreement, document, tables)
    return Evidence(
        score="posterior",
        bins=evidence.posterior_bins(
            decision.compared, sum(evidence.candidates_of(found).values()), decision.matches
        ),
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


def _by_pass(
    agreement: AgreementFile,
    document: PatternsDocument,
    tables: Mapping[tuple[int, int], Sequence[PassPairs]],
) -> tuple[FoundByPass, ...]:
    names = [dataset.name for dataset in agreement.content.dataset]
    compared = {(each.left, each.right, each.blocking_pass): each.compared for each in document.header.tables}
    return tuple(
        FoundByPass(left, right, name, compared[names[left], names[right], name], each.left, each.right)
        for (left, right), of_passes in tables.items()
        for (name, _), each in zip(passes(agreement), of_passes, strict=True)
    )


def _suppressed(agreement: AgreementFile, document: PatternsDocument) -> tuple[Suppressed, ...]:
    return tuple(
        Suppressed(matched.dataset, name, count)
        for matched in document.header.datasets
        for (name, _), count in zip(passes(agreement), matched.suppressed, strict=True)
    )
