"""The matcher alone, scheme `field-filters`: whom do blocks give away by how alike the records in them are?

What the attacker sees: each pass on its own, with its blocks, each record's filters, and which of them it has. What
it knows: all parameters, a list of people, and perhaps whose some of the records are. It has no secret, so it encodes
its list under one of its own, and looks for blocks of the list that look like those it sees.

The tour. `similarities` makes a picture of each block: how alike each two of its records are, field by field, and
which filters a record has. A picture does not change with the secret but for chance, whose size is known; so each two
similarities, one seen and one of the list, say how much likelier it is that they are of the same people. `overlay`
lays a block that is seen over one of the list, and adds up what speaks for that. Here, each block is laid over all
blocks of the list that have about as many records. The evidence for one competes with that for all others, on either
side, and with the chance that the block is not on the list at all; the best are taken, each block once. A known
person tells which block of the list it is, and holds its place there.

It names nobody where a block has no more to show than many others have: blocks of one record, of which only the
missing fields and the likeness of its own names are seen, and most blocks of two in large files.

Source: docs/threat-model.md for what is seen; laying over is graph matching block by block, as in Narayanan and
Shmatikov (2009) and Vidanage, Christen, Ranbaduge and Schnell (2020), who have one graph of all records.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from pprl.privacy.overlay import Blocks, Evidence, Steps, laid_over, laid_over_each
from pprl.privacy.similarities import comparisons, evidence_of_steps, numbered_masks, pictures
from pprl.privacy.views import NOBODY, Indices, Known, Names, SeenPass, Tick
from pprl.protocol.levels import Fields

LEAST_BELIEF = 0.1
"""How sure the attack must be that a block is one of the list's before it names anybody in it."""

_SLACK = 0.5
_KEPT = 4
_MOST_AT_ONCE = 20_000_000
_ELSEWHERE = 0.1

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class _Compared:
    """Blocks that are seen, beside those of the list.

    Attributes:
        seen: what is seen.
        listed: the list.
        evidence: of each two observations of theirs.
    """

    seen: Blocks
    listed: Blocks
    evidence: Evidence


@dataclass(frozen=True, slots=True)
class _Candidates:
    """Two blocks that may be the same, the best few for each block that is seen; shape (candidates,) each.

    Attributes:
        block: that is seen.
        its: of the list.
        belief: logarithm of the chance that it is.
    """

    block: Indices
    its: Indices
    belief: Floats


def attack(
    seen: Sequence[SeenPass],
    listed: Sequence[SeenPass],
    known: Sequence[Known],
    fields: Fields,
    *,
    rng: np.random.Generator,
    tick: Tick,
    again: Sequence[Sequence[SeenPass]] = (),
) -> list[Names]:
    """Who the records of each pass are.

    Args:
        seen: the passes, each in an order of its own.
        listed: the same passes of the list, under a secret of the attacker's own; `rows` are places on the list.
        known: for each pass, records that the attacker recognises: place in the pass, place on the list.
        fields: what the filters of a record are.
        rng: draws filters, to learn how far chance goes.
        tick: called for every few blocks.
        again: further encodings of the list, under other secrets, in the same order; chance plays a lesser part in
            their mean. They cost an attacker nothing.

    Returns:
        For each pass the place on the list of each of its records, NOBODY where the attack has no reason.
    """
    lists = [[listed[number], *(each[number] for each in again)] for number in range(len(listed))]
    return [
        _names_of_pass(one, its, those, fields, rng, tick)
        for one, its, those in zip(seen, lists, known, strict=True)
    ]


def _names_of_pass(
    seen: SeenPass,
    lists: Sequence[SeenPass],
    known: Known,
    fields: Fields,
    rng: np.random.Generator,
    tick: Tick,
) -> Names:
    names = np.full(len(seen.rows), NOBODY, dtype=np.int64)
    if len(seen.rows) and len(lists[0].rows):
        compared = _compared(seen, lists, fields, rng)
        candidates = _candidates(compared, tick)
        _name(_with_known(candidates, compared, known, lists[0].rows), compared, known, lists[0].rows, names)
    names[known[:, 0]] = known[:, 1]
    return names


def _compared(
    seen: SeenPass, lists: Sequence[SeenPass], fields: Fields, rng: np.random.Generator
) -> _Compared:
    """Both sides' pictures. Where each block shows one record, that may be anybody of a block of the list."""
    if np.bincount(seen.blocks).max() == 1:
        lists = [replace(each, blocks=np.arange(len(each.rows))) for each in lists]
    shown, listed, masks = numbered_masks(pictures([seen], fields), pictures(lists, fields))
    steps = evidence_of_steps(seen, listed, fields, encodings=len(lists), rng=rng)
    return _Compared(shown, listed, Evidence(masks, steps, comparisons(fields, seen.filters.shape[1]).alike))


def _candidates(compared: _Compared, tick: Tick) -> _Candidates:
    """Lay every block that is seen over all of the list that it may be."""
    found = [_larger(compared, tick), *_of_one_record(compared, tick)]
    return _Candidates(
        np.concatenate([each.block for each in found]),
        np.concatenate([each.its for each in found]),
        np.concatenate([each.belief for each in found]),
    )


def _larger(compared: _Compared, tick: Tick) -> _Candidates:
    """Of blocks of two records and more, each laid over all of about its size."""
    sizes, of_list = np.diff(compared.seen.starts), np.diff(compared.listed.starts)
    by_size = np.argsort(of_list, kind="stable")
    rows, columns = np.full(len(sizes), -np.inf), np.full(len(of_list), -np.inf)
    kept = [(by_size[:0], by_size[:0], np.empty(0))]
    for block in np.flatnonzero(sizes > 1).tolist():
        tick()
        room = int(_SLACK * sizes[block] + 0.5)
        ends = np.searchsorted(of_list[by_size], [max(2, sizes[block] - room), sizes[block] + room + 1])
        against = by_size[ends[0] : ends[1]]
        found = _laid(block, against, compared, tick)
        columns[against] = np.logaddexp(columns[against], found)
        rows[block] = np.logaddexp.reduce(found, initial=-np.inf)
        top = _highest(found)
        kept.append((np.full(len(top), block), against[top], found[top]))
    seen, its, strength = (np.concatenate([each[part] for each in kept]) for part in range(3))
    return _Candidates(seen, its, strength - _rivals(rows[seen], columns[its], len(of_list)))


def _rivals(rows: Floats, columns: Floats, of_list: int) -> Floats:
    """The evidence for all other blocks of the list, for all others that are seen, and for none, together."""
    rivals: Floats = np.logaddexp(np.logaddexp(rows, columns), np.log(of_list * _ELSEWHERE))
    return rivals


def _of_one_record(compared: _Compared, tick: Tick) -> Iterator[_Candidates]:
    """Of blocks of one record, mask by mask: those whose names are as alike are one for this, so that it is quick."""
    seen, listed = compared.seen, compared.listed
    one, other = (np.flatnonzero(np.diff(each.starts) == 1) for each in (seen, listed))
    its_masks = listed.masks[listed.starts[other]]
    masks = seen.masks[seen.starts[one]]
    for mask in np.intersect1d(masks, its_masks).tolist():
        tick()
        yield _of_one_mask(one[masks == mask], other[its_masks == mask], compared)


def _of_one_mask(one: Indices, other: Indices, compared: _Compared) -> _Candidates:
    seen, listed = compared.seen, compared.listed
    looks, look, many = _grouped(seen.own[seen.starts[one]])
    its_looks, its_look, its_many = _grouped(listed.own[listed.starts[other]])
    mask = seen.masks[seen.starts[one[0]]]
    strength = np.full((len(looks), len(its_looks)), float(compared.evidence.masks[mask, mask]))
    for number in range(looks.shape[1]):
        table = compared.evidence.steps[compared.evidence.alike + number]
        strength += table[looks[:, number][:, None], its_looks[:, number][None, :]]
    rows = np.logaddexp.reduce(strength + np.log(its_many)[None, :], axis=1)
    columns = np.logaddexp.reduce(strength + np.log(many)[:, None], axis=0)
    belief = strength - _rivals(rows[:, None], columns[None, :], len(listed.offsets))
    best = np.argsort(-belief, axis=1, kind="stable")[:, :_KEPT]
    grouped, first = np.argsort(its_look, kind="stable"), np.cumsum(its_many) - its_many
    turn = np.arange(len(one))[:, None]
    its = other[grouped[first[best[look]] + turn % its_many[best[look]]]]
    kept = np.take_along_axis(belief, best, axis=1)[look]
    return _Candidates(np.repeat(one, best.shape[1]), its.reshape(-1), kept.reshape(-1))


def _grouped(own: Steps) -> tuple[Steps, Indices, Indices]:
    """Different rows, the number of each row among them, and how often each is there."""
    if not own.shape[1]:
        own = np.zeros((len(own), 1), dtype=np.uint8)
        return own[:1, :0], np.zeros(len(own), dtype=np.int64), np.array([len(own)])
    looks, look, many = np.unique(own, axis=0, return_inverse=True, return_counts=True)
    return looks, look.reshape(-1).astype(np.int64), many


def _laid(block: int, against: Indices, compared: _Compared, tick: Tick) -> Floats:
    """The evidence for each of some blocks, in parts that take no long time."""
    sizes = np.diff(compared.listed.starts)[against]
    size = compared.seen.starts[block + 1] - compared.seen.starts[block]
    parts = np.flatnonzero(np.diff(np.cumsum(size**2 * sizes**2) // _MOST_AT_ONCE)) + 1
    found = []
    for part in np.split(against, parts):
        tick()
        found.append(laid_over_each(block, part, compared.seen, compared.listed, compared.evidence))
    return np.concatenate(found)


def _highest(strength: Floats) -> Indices:
    """Places of the highest few."""
    if len(strength) <= _KEPT:
        return np.arange(len(strength))
    chosen: Indices = np.sort(np.argpartition(-strength, _KEPT)[:_KEPT])
    return chosen


def _with_known(candidates: _Candidates, compared: _Compared, known: Known, places: Indices) -> _Candidates:
    """The candidates that known people allow: their blocks are what they are, and come first."""
    ours = _blocks_of(compared.seen, known[:, 0])
    row_of = np.full(max(int(places.max()), int(known[:, 1].max(initial=0))) + 1, -1, dtype=np.int64)
    row_of[places] = np.arange(len(places))
    rows = row_of[known[:, 1]]
    its = np.where(rows >= 0, _blocks_of(compared.listed, np.maximum(rows, 0)), -1)
    there = its >= 0
    sure = np.unique(np.stack([ours[there], its[there]], axis=1), axis=0)
    open_ = ~np.isin(candidates.block, sure[:, 0]) & ~np.isin(candidates.its, sure[:, 1])
    return _Candidates(
        np.append(sure[:, 0], candidates.block[open_]),
        np.append(sure[:, 1], candidates.its[open_]),
        np.append(np.zeros(len(sure)), candidates.belief[open_]),
    )


def _blocks_of(blocks: Blocks, rows: Indices) -> Indices:
    """The block of each of some rows of the pass."""
    of_row = np.empty(len(blocks.rows), dtype=np.int64)
    of_row[blocks.rows] = np.repeat(np.arange(len(blocks.offsets)), np.diff(blocks.starts))
    found: Indices = of_row[rows]
    return found


def _name(candidates: _Candidates, compared: _Compared, known: Known, places: Indices, names: Names) -> None:
    """Take candidates, the surest first, each block once, and name the records that lie on a person."""
    seen, listed = compared.seen, compared.listed
    person = np.full(len(names), NOBODY, dtype=np.int64)
    person[known[:, 0]] = known[:, 1]
    taken = np.zeros(len(seen.offsets), dtype=bool), np.zeros(len(listed.offsets), dtype=bool)
    for place in np.argsort(-candidates.belief, kind="stable").tolist():
        block, its = int(candidates.block[place]), int(candidates.its[place])
        if candidates.belief[place] < np.log(LEAST_BELIEF):
            return
        if taken[0][block] or taken[1][its]:
            continue
        taken[0][block] = taken[1][its] = True
        rows = seen.rows[seen.starts[block] : seen.starts[block + 1]]
        people = places[listed.rows[listed.starts[its] : listed.starts[its + 1]]]
        fixed = _places_in(person[rows], people)
        laid = np.empty(len(rows), dtype=np.int64)
        laid_over(block, its, seen, listed, compared.evidence, fixed, laid)
        names[rows[laid >= 0]] = people[laid[laid >= 0]]


def _places_in(wanted: Indices, people: Indices) -> Indices:
    """Where each of some people is among others, or -1."""
    equal = (wanted[:, None] == people[None, :]) & (wanted[:, None] != NOBODY)
    return np.where(equal.any(axis=1), equal.argmax(axis=1), -1).astype(np.int64)
