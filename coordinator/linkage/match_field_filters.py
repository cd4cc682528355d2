"""Scheme `field-filters`: pairs that share a block tag, and their patterns of levels. The matcher runs this. Pure.

Pass by pass, as references differ from pass to pass: pairs with a common tag, the pattern of each, a model fitted to
the counts of patterns, and only those pairs handed on that are not hopeless under it.

One pass of all datasets is held at a time. Where that is more than the budget, the encodings are read several times,
and each time the records whose tags lie in one of as many equal ranges are kept: tags are random, and a block is in
one range. So n ranges cost n readings and decryptions, and give the same pairs. What a pass has given is put on the
shelf when it is finished, and so is each range of it before. Where a block may hold several records of a dataset, how
many pairs there are is seen when a range is there: if they are too many for the budget, it begins again with more.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from itertools import combinations_with_replacement

import numpy as np
from numpy.typing import NDArray

from coordinator.linkage.blocks import count_pairs
from coordinator.linkage.budget import Budget
from coordinator.linkage.competition import Competing
from coordinator.linkage.engine import Engine, PassPairs, joined, pass_pairs
from coordinator.linkage.matching import EncodingsAtHand, Matched, Progress
from coordinator.linkage.model import Comparison, Roles
from coordinator.linkage.pass_fit import fit_pass
from coordinator.linkage.ranges import in_range, ranges_for
from coordinator.linkage.work import Shelf, packed, unpacked
from pprl.errors import FormatError
from pprl.protocol import patterns
from pprl.protocol.agreement import Agreement, AgreementFile
from pprl.protocol.cores import cores
from pprl.protocol.field_layout import field_layout
from pprl.protocol.framing import ID_BYTES, Bytes
from pprl.protocol.levels import Fields
from pprl.protocol.match_model import random_distribution
from pprl.protocol.pass_fit import Tally, fit_tallies, may_link
from pprl.protocol.patterns import (
    MatchedDataset,
    PatternPairs,
    PatternsHeader,
    PatternTable,
)
from pprl.protocol.submission import TAG_BYTES, Blocked, FieldFilterHeader, blocked, filters_of, passes

Flags = NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class _Plan:
    """What is to be compared, and how it is divided.

    Attributes:
        agreement: the agreement.
        headers: of the datasets' encodings, in its order.
        sides: every two datasets, each with itself among them, in the order of the document.
        ranges: of tags, each compared by itself.
        budget: the most memory to use.
    """

    agreement: AgreementFile
    headers: tuple[FieldFilterHeader, ...]
    sides: tuple[tuple[int, int], ...]
    ranges: int
    budget: Budget

    @property
    def fields(self) -> Fields:
        """What the filters of a record are."""
        return field_layout(list(self.agreement.content.kinds().values()))

    @property
    def passes(self) -> list[str]:
        """The names of the passes."""
        return [name for name, _ in passes(self.agreement)]

    @property
    def random_levels(self) -> NDArray[np.int64]:
        """The departments' counts of levels of random pairs, added up, shape (fields, levels)."""
        counted = [np.array(each.random_levels) for each in self.headers]
        total: NDArray[np.int64] = np.stack(counted).sum(axis=0, dtype=np.int64)
        return total

    @property
    def is_counted(self) -> bool:
        """Whether how many pairs there are is known when they are there, and not before."""
        parameters = self.agreement.content.encoding.field_filter_parameters
        return any(parameters.most_sent_of_a_block(each) > 1 for each in self.agreement.content.dataset)

    def ranges_for_pairs(self, pairs: int) -> int:
        """How many ranges it takes if one of them has so many pairs; see `ranges_for`."""
        filters = filters_of(self.agreement)
        return ranges_for(self.headers, filters, self.budget, pairs=pairs * self.ranges)

    def rows(self, place: int) -> list[int]:
        """How many records of each dataset are in a pass."""
        return [header.passes[place].records for header in self.headers]


@dataclass(frozen=True, slots=True)
class _Part:
    """The pairs of a pass whose tags are in one range.

    Attributes:
        rows: records of each dataset there.
        pairs: for each two datasets.
        references: of the records of each pair, left and right.
    """

    rows: tuple[int, ...]
    pairs: tuple[PassPairs, ...]
    references: tuple[tuple[Bytes, Bytes], ...]


def match(
    agreement: AgreementFile,
    encodings: Mapping[str, EncodingsAtHand],
    *,
    budget: Budget,
    shelf: Shelf,
    progress: Progress,
    engine: Engine = pass_pairs,
) -> Matched:
    """See `matching.match`.

    Args:
        agreement: names the datasets.
        encodings: of every dataset.
        budget: the most memory to use.
        shelf: where finished passes and ranges are kept.
        progress: told what is done.
        engine: what finds pairs and compares them.
    """
    names = [dataset.name for dataset in agreement.content.dataset]
    headers = _headers([encodings[name] for name in names])
    plan = _Plan(
        agreement,
        headers,
        tuple(combinations_with_replacement(range(len(names)), 2)),
        _agreed_ranges(ranges_for(headers, filters_of(agreement), budget), shelf),
        budget,
    )
    at_hand = [encodings[name] for name in names]
    with ThreadPoolExecutor(cores()) as threads:
        while (more := _compare_ranges(plan, at_hand, shelf, engine, threads, progress)) > plan.ranges:
            _forget_ranges(plan, shelf)
            plan = replace(plan, ranges=_agreed_ranges(more, shelf))
    tables = []
    for side, (left, right) in enumerate(plan.sides):
        for place, name in enumerate(plan.passes):
            compared, rows = _finished(place, side, shelf)
            tables.append(PatternTable(left=names[left], right=names[right], blocking_pass=name,
                                       compared=compared, pairs=len(rows)))  # fmt: skip
    header = PatternsHeader(
        agreement_sha256=agreement.sha256,
        datasets=tuple(map(_matched, headers)),
        random_levels=tuple(tuple(map(int, field)) for field in plan.random_levels),
        tables=tuple(tables),
    )
    return Matched(
        lambda: patterns.pieces(header, _tables(plan, shelf)),
        compared=sum(table.compared for table in tables),
        pairs=sum(table.pairs for table in tables),
        tables=tuple(tables),
        records=sum(each.records for each in header.datasets),
        length=patterns.document_bytes(header),
        parts=plan.ranges * len(plan.passes),
    )


def _tables(plan: _Plan, shelf: Shelf) -> Iterator[Bytes]:
    """The records of each table of the document, in its order."""
    for side in range(len(plan.sides)):
        for place in range(len(plan.passes)):
            yield _finished(place, side, shelf)[1]


def _compare_ranges(
    plan: _Plan,
    encodings: Sequence[EncodingsAtHand],
    shelf: Shelf,
    engine: Engine,
    threads: ThreadPoolExecutor,
    progress: Progress,
) -> int:
    """Compare all ranges, one after the other; how many it takes, which is more than there are if it gave up."""
    for number in range(plan.ranges):
        needed = _compare_range(plan, encodings, number, shelf, engine, threads, progress)
        if needed > plan.ranges:
            return needed
    return plan.ranges


def _compare_range(
    plan: _Plan,
    encodings: Sequence[EncodingsAtHand],
    number: int,
    shelf: Shelf,
    engine: Engine,
    threads: ThreadPoolExecutor,
    progress: Progress,
) -> int:
    """Read all passes once, and put on the shelf what one range of tags gives in each.

    Returns:
        How many ranges it takes, as far as is known now; nothing more is done once they are more than there are.
    """
    told = "passes" if plan.ranges == 1 else f"passes, part {number + 1} of {plan.ranges}"
    missing = [place for place in range(len(plan.passes)) if not _is_done(plan, place, number, shelf)]
    if not missing:
        _finish_what_can_be(plan, shelf)
        return plan.ranges
    wanted = None if plan.ranges == 1 else in_range(number, plan.ranges)
    read = [each.passes(wanted) for each in encodings]
    for place in range(len(plan.passes)):
        progress(told, place / len(plan.passes))
        tables = list(threads.map(next, read))
        if place in missing:
            if (more := _ranges_seen(plan, tables, threads)) > plan.ranges:
                return more
            part = _part(plan, tables, engine, threads)
            del tables
            if plan.ranges > 1:
                shelf.put(_name_of_part(plan, place, number), _packed_part(part))
            else:
                _finish(plan, place, [part], shelf)
    # Only now is all of it checked.
    for rest in read:
        if next(rest, None) is not None:
            raise FormatError("The encodings have more passes than agreed.")
    _finish_what_can_be(plan, shelf)
    progress(told, 1.0)
    return plan.ranges


def _ranges_seen(plan: _Plan, tables: Sequence[Bytes], threads: ThreadPoolExecutor) -> int:
    """How many ranges it takes, by the pairs that the records of this one have.

    Raises:
        UsageError: they are too many for the budget in any number of ranges.
    """
    if not plan.is_counted:
        return plan.ranges
    tags = [np.ascontiguousarray(table[:, ID_BYTES : ID_BYTES + TAG_BYTES]) for table in tables]

    def counted(side: tuple[int, int]) -> int:
        left, right = side
        return count_pairs(tags[left], None if left == right else tags[right])

    return plan.ranges_for_pairs(sum(threads.map(counted, plan.sides)))


def _part(plan: _Plan, tables: list[Bytes], engine: Engine, threads: ThreadPoolExecutor) -> _Part:
    """Compare the records of a pass, or of one range of it."""
    records, references = [], []
    filters = filters_of(plan.agreement)
    while tables:
        table = tables.pop(0)
        references.append(table[:, :ID_BYTES].copy())
        records.append(blocked(table[:, ID_BYTES:], filters))
        del table
    found = pairs_of(records, plan.sides, plan.fields, engine, threads)
    ids = [
        (references[left][pairs.left], references[right][pairs.right])
        for (left, right), pairs in zip(plan.sides, found, strict=True)
    ]
    return _Part(tuple(len(each.tags) for each in records), tuple(found), tuple(ids))


def pairs_of(
    records: Sequence[Blocked],
    sides: Sequence[tuple[int, int]],
    fields: Fields,
    engine: Engine,
    threads: ThreadPoolExecutor,
) -> list[PassPairs]:
    """The pairs of every two datasets in one pass, compared.

    Args:
        records: of each dataset, in their blocks.
        sides: the datasets to compare, each two once; one with itself where they are the same.
        fields: what a filter is made up of.
        engine: what compares.
        threads: at most one for each of the sides is used.

    Returns:
        As many as sides, in their order.
    """

    def of(side: tuple[int, int]) -> PassPairs:
        left, right = side
        return engine(records[left], None if left == right else records[right], fields)

    return list(threads.map(of, sides))


def _finish_what_can_be(plan: _Plan, shelf: Shelf) -> None:
    """Finish the passes of which all ranges are there."""
    for place in range(len(plan.passes)):
        names = [_name_of_part(plan, place, number) for number in range(plan.ranges)]
        if not all(map(shelf.has, names)) or _is_finished(plan, place, shelf):
            continue
        pieces = [piece for piece in map(shelf.take, names) if piece is not None]
        # What is there may be no good; its range is then made again.
        if len(pieces) < len(names):
            continue
        _finish(plan, place, [_unpacked_part(piece) for piece in pieces], shelf)
        for name in names:
            shelf.drop(name)


def _finish(plan: _Plan, place: int, parts: Sequence[_Part], shelf: Shelf) -> None:
    """Fit the pass, and put the records of its tables on the shelf."""
    pairs = [_together(parts, side, plan.sides[side]) for side in range(len(plan.sides))]
    keep = kept_of(plan.agreement.content, plan.sides, plan.rows(place), pairs, plan.random_levels, place)
    for side, (left, right) in enumerate(plan.sides):
        ids = [np.concatenate([part.references[side][each] for part in parts])[keep[side]] for each in (0, 1)]
        found = PatternPairs(ids[0], ids[1], pairs[side].patterns[keep[side]])
        table = patterns.rows_of(found, within=left == right)
        shelf.put(_name_of_table(place, side), packed({"compared": len(pairs[side])}, [table]))


def _together(parts: Sequence[_Part], side: int, datasets: tuple[int, int]) -> PassPairs:
    """The pairs of all ranges; records are numbered on from range to range."""
    found, before = [], np.zeros(2, dtype=np.uint32)
    for part in parts:
        pairs = part.pairs[side]
        found.append(PassPairs(pairs.left + before[0], pairs.right + before[1], pairs.patterns))
        before += np.array([part.rows[each] for each in datasets], dtype=np.uint32)
    return joined(found)


def kept_of(
    agreement: Agreement,
    sides: Sequence[tuple[int, int]],
    rows: Sequence[int],
    pairs: Sequence[PassPairs],
    random_levels: NDArray[np.int64],
    place: int,
) -> list[Flags]:
    """Which pairs of a pass are handed on: not the hopeless, and none inside a dataset with one record a person.

    Args:
        agreement: the agreement.
        sides: every two datasets, by their places in it.
        rows: records of each dataset in the pass.
        pairs: of each two datasets.
        random_levels: how often random pairs have each level, counted, shape (fields, levels).
        place: which pass it is.
    """
    roles, random = Roles.of(list(agreement.kinds().values())), random_distribution(random_levels)
    clean = [not dataset.may_have_duplicates for dataset in agreement.dataset]
    if not agreement.encoding.field_filter_parameters.one_person_a_block:
        comparisons = [_comparison(each, side, rows, clean) for each, side in zip(pairs, sides, strict=True)]
        plausible = fit_pass(comparisons, random, roles, clean).plausible()
        return [
            keep if may_link(each, clean) else np.zeros_like(keep)
            for each, keep in zip(comparisons, plausible, strict=True)
        ]
    tallies = [
        Tally.of(each.patterns, side, (rows[side[0]], rows[side[1]]))
        for each, side in zip(pairs, sides, strict=True)
    ]
    fit = fit_tallies(tallies, random, clean, _blocked_by(agreement, place))
    return [
        (keep & may_link(tally, clean))[np.searchsorted(tally.patterns, each.patterns)]
        for each, tally, keep in zip(pairs, tallies, fit.plausible(), strict=True)
    ]


def _comparison(
    pairs: PassPairs, side: tuple[int, int], rows: Sequence[int], clean: Sequence[bool]
) -> Comparison:
    left, right = side
    competing = Competing(
        pairs.left.astype(np.int64),
        pairs.right.astype(np.int64),
        (rows[left], rows[right]),
        one_left=left != right and clean[right],
        one_right=left != right and clean[left],
    )
    return Comparison(left, right, competing, pairs.patterns)


def _blocked_by(agreement: Agreement, place: int) -> list[int]:
    """The fields whose identifiers are parts of a pass."""
    parts = agreement.encoding.field_filter_parameters.passes[place].blocking_pass().split_parts()
    names = list(agreement.kinds())
    return sorted({names.index(identifier) for identifier, _, _ in parts})


# What lies on the shelf.


def _agreed_ranges(needed: int, shelf: Shelf) -> int:
    """How many ranges to take: those of a run that was stopped, if they suit this one, as its parts then count.

    Without `--memory` the budget is what is free, which differs from one moment to the next.
    """
    piece = shelf.take(_PLAN)
    before = 0 if piece is None else unpacked(piece)[0]["ranges"]
    if before >= needed:
        return before
    shelf.put(_PLAN, packed({"ranges": needed}, []))
    return needed


_PLAN = "plan"


def _forget_ranges(plan: _Plan, shelf: Shelf) -> None:
    """Delete what was finished in ranges that are too large: it doesn't fit the smaller ones."""
    for place in range(len(plan.passes)):
        for number in range(plan.ranges):
            shelf.drop(_name_of_part(plan, place, number))


def _name_of_table(place: int, side: int) -> str:
    return f"pass-{place}-table-{side}"


def _name_of_part(plan: _Plan, place: int, number: int) -> str:
    return f"pass-{place}-range-{number}-of-{plan.ranges}"


def _is_finished(plan: _Plan, place: int, shelf: Shelf) -> bool:
    """Whether all tables of a pass are there and can be used; otherwise it is done again."""
    names = [_name_of_table(place, side) for side in range(len(plan.sides))]
    return all(map(shelf.has, names)) and all(shelf.take(name) is not None for name in names)


def _is_done(plan: _Plan, place: int, number: int, shelf: Shelf) -> bool:
    """Whether a range of a pass needs no reading."""
    name = _name_of_part(plan, place, number)
    if shelf.has(name) and shelf.take(name) is not None:
        return True
    return _is_finished(plan, place, shelf)


def _finished(place: int, side: int, shelf: Shelf) -> tuple[int, Bytes]:
    """Of two datasets in a finished pass: the number of pairs compared, and the records of the table."""
    piece = shelf.take(_name_of_table(place, side))
    if piece is None:
        raise FormatError("A finished pass can't be read again.", hint="Run the same command again.")
    numbers, (table,) = unpacked(piece)
    return numbers["compared"], table


def _packed_part(part: _Part) -> bytes:
    columns: list[NDArray[np.unsignedinteger]] = []
    for pairs, ids in zip(part.pairs, part.references, strict=True):
        columns += [pairs.left, pairs.right, pairs.patterns, *ids]
    return packed({f"rows-{each}": rows for each, rows in enumerate(part.rows)}, columns)


def _unpacked_part(piece: bytes) -> _Part:
    numbers, columns = unpacked(piece)
    sides = [columns[start : start + 5] for start in range(0, len(columns), 5)]
    return _Part(
        tuple(numbers[f"rows-{each}"] for each in range(len(numbers))),
        tuple(PassPairs(left, right, found) for left, right, found, _, _ in sides),
        tuple((left, right) for _, _, _, left, right in sides),
    )


def _headers(encodings: Sequence[EncodingsAtHand]) -> tuple[FieldFilterHeader, ...]:
    return tuple(each.header for each in encodings if isinstance(each.header, FieldFilterHeader))


def _matched(header: FieldFilterHeader) -> MatchedDataset:
    return MatchedDataset(
        dataset=header.dataset,
        submission=header.submission,
        records=header.records,
        encoded=tuple(each.records for each in header.passes),
        suppressed=header.suppressed,
    )
