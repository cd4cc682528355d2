"""Scheme `field-filters`: pairs that share a block tag, and their patterns of levels. The matcher runs this. Pure.

Pass by pass, as references differ from pass to pass: pairs with a common tag, the pattern of each, a model fitted to
the counts of patterns, and only those pairs handed on that are not hopeless under it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations_with_replacement

import numpy as np
from numpy.typing import NDArray

from coordinator.linkage.blocks import block_pairs
from coordinator.linkage.competition import Competing
from coordinator.linkage.matching import Matched, Progress
from coordinator.linkage.model import Comparison, Roles, fit_pass, may_link, random_distribution
from pprl.protocol import patterns
from pprl.protocol.agreement import Agreement, AgreementFile
from pprl.protocol.field_layout import field_layout
from pprl.protocol.levels import Fields, Patterns, compare_levels
from pprl.protocol.patterns import (
    MatchedDataset,
    PatternPairs,
    PatternsDocument,
    PatternsHeader,
    PatternTable,
)
from pprl.protocol.submission import Blocked, Encodings, FieldFilterHeader, blocked, filters_of, passes


@dataclass(frozen=True, slots=True)
class _Found:
    """What one pass of one comparison gives: how many pairs, and those that are left."""

    compared: int
    left: NDArray[np.int64]
    right: NDArray[np.int64]
    patterns: Patterns


def match(agreement: AgreementFile, encodings: Mapping[str, Encodings], *, progress: Progress) -> Matched:
    """See `matching.match`."""
    content = agreement.content
    names = [dataset.name for dataset in content.dataset]
    sides = list(combinations_with_replacement(range(len(names)), 2))
    headers = _headers([encodings[name] for name in names])
    random_levels = _random_levels(headers)
    wanted = [name for name, _ in passes(agreement)]
    found: dict[tuple[int, int, int], _Found] = {}
    for place in range(len(wanted)):
        progress("passes", place / len(wanted))
        records = [blocked(encodings[each].filters[place], filters_of(agreement)) for each in names]
        for (left, right), result in zip(
            sides, _of_pass(records, sides, content, random_levels, place), strict=True
        ):
            found[left, right, place] = result
    progress("passes", 1.0)
    tables, rows = [], []
    for left, right in sides:
        for place, name in enumerate(wanted):
            each = found[left, right, place]
            tables.append(
                PatternTable(
                    left=names[left],
                    right=names[right],
                    blocking_pass=name,
                    compared=each.compared,
                    pairs=len(each.patterns),
                )
            )
            references = [encodings[names[side]].references[place] for side in (left, right)]
            rows.append(PatternPairs(references[0][each.left], references[1][each.right], each.patterns))
    header = PatternsHeader(
        agreement_sha256=agreement.sha256,
        datasets=tuple(map(_matched, headers)),
        random_levels=tuple(tuple(map(int, field)) for field in random_levels),
        tables=tuple(tables),
    )
    return Matched(
        patterns.write(PatternsDocument(header, tuple(rows))),
        compared=sum(table.compared for table in tables),
        pairs=sum(table.pairs for table in tables),
        tables=tuple(tables),
        records=sum(each.records for each in header.datasets),
    )


def _of_pass(
    records: Sequence[Blocked],
    sides: Sequence[tuple[int, int]],
    agreement: Agreement,
    random_levels: NDArray[np.int64],
    place: int,
) -> list[_Found]:
    fields = field_layout(list(agreement.kinds().values()))
    clean = [not dataset.may_have_duplicates for dataset in agreement.dataset]
    comparisons = [_comparison(records, left, right, fields, clean) for left, right in sides]
    roles = Roles.of(list(agreement.kinds().values()))
    one_person = agreement.encoding.field_filter_parameters.one_person_a_block
    blocked_by = _blocked_by(agreement, place) if one_person else None
    fit = fit_pass(comparisons, random_distribution(random_levels), roles, clean, blocked_by)
    plausible = fit.plausible()
    return [
        _found(each, keep if may_link(each, clean) else np.zeros_like(keep))
        for each, keep in zip(comparisons, plausible, strict=True)
    ]


def _blocked_by(agreement: Agreement, place: int) -> list[int]:
    """The fields whose identifiers are parts of a pass."""
    parts = agreement.encoding.field_filter_parameters.passes[place].blocking_pass().split_parts()
    names = list(agreement.kinds())
    return sorted({names.index(identifier) for identifier, _, _ in parts})


def _comparison(
    records: Sequence[Blocked], left: int, right: int, fields: Fields, clean: Sequence[bool]
) -> Comparison:
    within = left == right
    one, other = records[left], records[right]
    words = [np.ascontiguousarray(each.filters).view(np.uint64) for each in (one, other)]
    found: list[tuple[NDArray[np.int64], NDArray[np.int64], Patterns]] = [_NO_PAIRS]
    for rows, others in block_pairs(one.tags, None if within else other.tags):
        pattern = compare_levels(words[0], one.present, words[1], other.present, rows, others, fields)
        found.append((rows.astype(np.int64), others.astype(np.int64), pattern))
    pairs = Competing(
        np.concatenate([rows for rows, _, _ in found]),
        np.concatenate([others for _, others, _ in found]),
        (len(one.tags), len(other.tags)),
        one_left=not within and clean[right],
        one_right=not within and clean[left],
    )
    return Comparison(left, right, pairs, np.concatenate([pattern for _, _, pattern in found]))


_NO_PAIRS = (np.empty(0, np.int64), np.empty(0, np.int64), np.empty(0, np.uint64))


def _found(comparison: Comparison, keep: NDArray[np.bool_]) -> _Found:
    return _Found(
        compared=len(comparison.patterns),
        left=comparison.pairs.left[keep],
        right=comparison.pairs.right[keep],
        patterns=comparison.patterns[keep],
    )


def _headers(encodings: Sequence[Encodings]) -> list[FieldFilterHeader]:
    return [each.header for each in encodings if isinstance(each.header, FieldFilterHeader)]


def _random_levels(headers: Sequence[FieldFilterHeader]) -> NDArray[np.int64]:
    """The departments' counts of levels of random pairs, added up, shape (fields, levels)."""
    counted = [np.array(each.random_levels) for each in headers]
    total: NDArray[np.int64] = np.stack(counted).sum(axis=0, dtype=np.int64)
    return total


def _matched(header: FieldFilterHeader) -> MatchedDataset:
    return MatchedDataset(
        dataset=header.dataset,
        submission=header.submission,
        records=header.records,
        encoded=tuple(each.records for each in header.passes),
        suppressed=header.suppressed,
    )
