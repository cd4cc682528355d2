"""Whom can somebody name who holds all passes of scheme `field-filters` and knows which rows are one record?

That is an office with both coordinator roles, or the two of them colluding. It sees which block each record is in,
pass by pass: a graph of records and blocks, the same under any secret. It holds a list of people in plain text and
encodes that under a secret of its own, and perhaps it recognises a few records. Of two departments it sees both files,
and holds a list of each: records of one block then are of two datasets, and how alike those two are is a look as well.

The tour. A pair of a record and a person has a score, the log of how much likelier what is seen is if they are one:

1. *What they look like*, before anybody is known: which values are there, which passes they are in, and in each pass
   the size of the block, how alike those in it are, and what these in turn look like (`_View.labels`, from coarse to
   fine). Levels of similarity count as exact, missing or neither: that is the same under every secret, as bits that
   two tokens happen to share are not.
2. *Blocks that are known already*: a record and a person who are matched say that their blocks are one. Where most of
   the others matched in a block say so (`_Votes`), its records are people of that block and of no other.
3. *Whom they are with*: how alike they are to others who are matched and in the same two blocks.

Pairs are looked at if they have a rare look or a matched block in common. Those that are each other's best by a
margin are matched, their blocks vote, and everything is scored again, so that mistakes are put right; a record's own
vote never counts for itself. How often one person's two records agree in each of this is learnt from those matched.

It fails where few records share a block with another and none is known, and on lists with few of the people: then
what records look like is not the same on both sides, and too few blocks can be matched to go on from.

Source: Narayanan and Shmatikov (2009), De-anonymizing social networks, for propagation with an eccentricity threshold
and revisited matches; Yartseva and Grossglauser (2013), On the performance of percolation graph matching, for votes;
Fellegi and Sunter (1969) for the score.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np
from numpy.typing import NDArray

from pprl.privacy.pairing import (
    Looks,
    Pairs,
    Scores,
    coarse,
    matched,
    members,
    mixed,
    nearest_pairs,
    odd_numbers,
    rare_pairs,
    score_of_measures,
    shares,
    together,
)
from pprl.privacy.views import NOBODY, Indices, Known, Names, SeenPass, Tick
from pprl.protocol.levels import Fields, compare_levels

ROUNDS = 40
# Least posterior of a match to go on from, and of a name in the end.
SURE, STILL_SURE, NAMED = 0.9, 0.5, 0.25
# The rounds end when no more than one in this many of the matches has changed.
SETTLED = 500

_ABSENT = -1
_PAIRS_AT_ONCE = 1 << 20
_OF_THE_SECOND = np.uint64(1 << 32)


def attack(
    seen: Sequence[SeenPass],
    listed: Sequence[SeenPass],
    known: Known,
    fields: Fields,
    *,
    rng: np.random.Generator,  # noqa: ARG001 - every attack takes it
    tick: Tick,
    records: int | None = None,
    first: tuple[int, int] | None = None,
) -> Names:
    """Name records from the blocks that they share.

    Args:
        seen: the passes of the file that is attacked; `rows` are the same records in all of them.
        listed: of the list, under another secret; `rows` are places on it.
        known: records that are recognised to begin with.
        fields: what the filters of a record are.
        rng: not used: the attack has no chance in it.
        tick: called in each round and more often.
        records: how many records the file has, also those in no pass; by default up to the last that is in one.
        first: of two datasets, how many records of the file and how many on the list are of the first; those behind
            them are of the second, and nobody is named after a record of the other.
    """
    ours, theirs = first or (None, None)
    file = _View.of(seen, fields, tick, records or 0, known[:, 0], ours)
    people = _View.of(listed, fields, tick, 0, known[:, 1], theirs)
    matcher = _Matcher(file, people, known, tick)
    return matcher.run()


@dataclass(frozen=True, slots=True)
class _View:
    """One side: records and their blocks.

    Attributes:
        blocks: number of each record's block in each pass, or -1, shape (records, passes).
        masks: which values each record has, and of which dataset it is, shape (records,).
        labels: what each record looks like in each pass, from coarse to fine: whether it is there, the size of its
            block, how alike it is to those in it, and what those look like; shape (4, records, passes).
        shared: whether another record is in the block, shape (records, passes).
        inside: how many bits a record's own names have in common, over all passes, in units of what chance alone
            differs by; 0 where one is missing; shape (records, pairs of names).
    """

    blocks: Indices
    masks: Looks
    labels: Looks
    shared: NDArray[np.bool_]
    inside: Scores

    @staticmethod
    def of(
        seen: Sequence[SeenPass], fields: Fields, tick: Tick, records: int, also: Indices, first: int | None
    ) -> _View:
        last = max(
            [records - 1, int(also.max(initial=-1)), *(int(each.rows.max(initial=-1)) for each in seen)]
        )
        shape = (last + 1, len(seen))
        blocks = np.full(shape, _ABSENT, dtype=np.int64)
        masks = np.zeros(last + 1, dtype=np.uint64)
        sizes = np.zeros(shape, dtype=np.int64)
        alike = np.zeros(shape, dtype=np.uint64)
        edges = []
        for place, each in enumerate(seen):
            tick()
            numbers = np.unique(each.blocks, return_inverse=True)[1].astype(np.int64)
            blocks[each.rows, place] = numbers
            masks[each.rows] = each.present
            sizes[each.rows, place] = np.bincount(numbers)[numbers] if len(numbers) else 0
            edges.append(_edges(each, numbers, fields, tick))
            left, _, look = edges[-1]
            np.add.at(alike[:, place], left, mixed(look))
        if first is not None:
            masks[first:] |= _OF_THE_SECOND
        there = (blocks != _ABSENT).astype(np.uint64)
        sized = mixed(sizes.astype(np.uint64)) * there
        alike = mixed(sized + alike) * there
        own = mixed(alike @ odd_numbers(len(seen)) + masks)
        around = np.zeros(shape, dtype=np.uint64)
        for place, (left, right, look) in enumerate(edges):
            np.add.at(around[:, place], left, mixed(look + own[right]))
        around = mixed(alike + around) * there
        return _View(
            blocks, masks, np.stack([there, sized, alike, around]), sizes > 1, _inside(seen, last + 1, fields)
        )


def _edges(seen: SeenPass, blocks: Indices, fields: Fields, tick: Tick) -> tuple[Indices, Indices, Looks]:
    """Pairs that share a block, each in both directions: record, record, how alike they are."""
    order = np.argsort(blocks, kind="stable")
    ends = np.searchsorted(blocks[order], blocks[order], side="right")
    counts = ends - np.arange(len(order)) - 1
    left = np.repeat(np.arange(len(order)), counts)
    right = left + 1 + np.arange(len(left)) - np.repeat(np.cumsum(counts) - counts, counts)
    left, right = order[left], order[right]
    words = np.ascontiguousarray(seen.filters).view(np.uint64)
    looks = np.empty(len(left), dtype=np.uint64)
    for start in range(0, len(left), _PAIRS_AT_ONCE):
        tick()
        part = slice(start, start + _PAIRS_AT_ONCE)
        patterns = compare_levels(words, seen.present, words, seen.present, left[part], right[part], fields)
        looks[part] = coarse(patterns, fields.count)
    rows = seen.rows
    return (
        np.concatenate([rows[left], rows[right]]),
        np.concatenate([rows[right], rows[left]]),
        np.concatenate([looks, looks]),
    )


def _inside(seen: Sequence[SeenPass], records: int, fields: Fields) -> Scores:
    """How many bits a record's own names have in common: names share one space of tokens, whatever field they are in.

    Each pass has bits of its own, so that the mean over passes tells more than one of them does.
    """
    names = sorted({*fields.names, fields.middle} - {-1})
    pairs = list(combinations(names, 2))
    sums = np.zeros((2, records, len(pairs)))
    counts = np.zeros(records)
    for each in seen:
        counts[each.rows] += 1
        for place, (one, other) in enumerate(pairs):
            both = (each.present >> np.uint32(one)) & (each.present >> np.uint32(other)) & 1
            common = np.bitwise_count(each.filters[:, one] & each.filters[:, other]).sum(axis=1) * both
            sums[0, each.rows, place] += common
            sums[1, each.rows, place] += common.astype(np.float64) ** 2
    means = sums[0] / np.maximum(counts, 1)[:, None]
    within = sums[1] / np.maximum(counts, 1)[:, None] - means**2
    several = counts > len(seen) / 2
    chance = (
        np.sqrt(np.maximum(within[several].mean(axis=0) / max(len(seen) - 1, 1), 1e-9))
        if several.any()
        else 1.0
    )
    found: Scores = means / chance
    return found


# How often one person's two records are equal in a pass at most so far: not in being there, in being there, in the
# size of the block, in how alike those in it are, in what those look like. Pseudo-matches, before any is known;
# for records without a block, alone in it, and with others.
_EVERYDAY = np.array([[0.08, 0, 0, 0, 0.92], [0.03, 0.12, 0, 0, 0.85], [0.03, 0.25, 0.15, 0.15, 0.42]])
_EVERYDAY_MATCHES = 20.0
_SAME_MASK, _SAME_BLOCK = 0.9, 0.95


@dataclass(frozen=True, slots=True)
class _Rates:
    """How often one person's two records agree.

    Attributes:
        looks: by whether the record is in the pass, alone or not: the finest look that is equal; shape (3, 5).
        mask: in which values are there.
        block: in the block, where that is known.
    """

    looks: Scores
    mask: float
    block: float


@dataclass(frozen=True, slots=True)
class _Votes:
    """What those matched say about the blocks of a pass.

    Attributes:
        keys: pairs of blocks that some say are one, ascending: file's block times `width` plus list's.
        counts: how many say so.
        file: how many of each of the file's blocks are matched to somebody in the pass.
        people: of each of the list's.
        width: blocks of the list.
        voters: which records have voted, shape (records,), and people, shape (people,).
    """

    keys: Indices
    counts: Indices
    file: Indices
    people: Indices
    width: int
    voters: tuple[NDArray[np.bool_], NDArray[np.bool_]]

    @staticmethod
    def of(file: Indices, people: Indices, names: Names) -> _Votes:
        """Count votes in a pass.

        Args:
            file: block of each record of the file, -1 where it has none.
            people: of each on the list.
            names: whom each record is matched with.
        """
        matched = np.flatnonzero(names != NOBODY)
        matched = matched[(file[matched] != _ABSENT) & (people[names[matched]] != _ABSENT)]
        blocks = file[matched], people[names[matched]]
        width = int(people.max(initial=0)) + 1
        keys, counts = np.unique(blocks[0] * width + blocks[1], return_counts=True)
        voters = np.zeros(len(file), dtype=bool), np.zeros(len(people), dtype=bool)
        voters[0][matched] = True
        voters[1][names[matched]] = True
        return _Votes(
            keys,
            counts.astype(np.int64),
            np.bincount(blocks[0], minlength=int(file.max(initial=0)) + 1),
            np.bincount(blocks[1], minlength=width),
            width,
            voters,
        )

    def leading(self) -> Pairs:
        """Pairs of blocks that more say are one than say otherwise."""
        file, people = np.divmod(self.keys, self.width)
        against = self.file[file] + self.people[people] - 2 * self.counts
        some = 2 * self.counts >= against
        return file[some], people[some]

    def verdict(
        self,
        file: Indices,
        people: Indices,
        own: NDArray[np.bool_],
        theirs: tuple[NDArray[np.bool_], NDArray[np.bool_]],
    ) -> Indices:
        """Whether two blocks are one: 1 yes, -1 no, 0 not known. A pair's own votes don't count.

        Args:
            file: the file's block of each pair.
            people: the list's block.
            own: whether the pair itself is matched and has voted for them.
            theirs: whether the pair's record has voted, and its person.
        """
        for_ = np.zeros(len(file), dtype=np.int64)
        if len(self.keys):
            keys = file * self.width + people
            place = np.minimum(np.searchsorted(self.keys, keys), len(self.keys) - 1)
            for_ = np.where(self.keys[place] == keys, self.counts[place], 0)
        for_ = for_ - own
        against = self.file[file] - theirs[0] - for_, self.people[people] - theirs[1] - for_
        most = np.maximum(*against)
        found: Indices = np.sign(for_ - most)
        return found


class _Matcher:
    """The rounds: score, match, vote, and again."""

    __slots__ = (
        "_common",
        "_file",
        "_free",
        "_known",
        "_looks",
        "_names",
        "_people",
        "_rates",
        "_tick",
    )

    def __init__(self, file: _View, people: _View, known: Known, tick: Tick) -> None:
        self._file, self._people, self._known, self._tick = file, people, known, tick
        self._names = np.full(len(file.blocks), NOBODY, dtype=np.int64)
        self._names[known[:, 0]] = known[:, 1]
        self._free = np.ones(len(file.blocks), dtype=bool), np.ones(len(people.blocks), dtype=bool)
        for free, places in zip(self._free, known.T, strict=True):
            free[places] = False
        self._common = _Frequencies.of(file, people)
        self._looks = self._alike_pairs()
        self._rates = self._learnt([])

    def run(self) -> Names:
        """Match until hardly anything changes, then name whom there is some reason to."""
        for _ in range(ROUNDS):
            self._tick()
            votes = self._votes()
            self._rates = self._learnt(votes)
            pairs = self._pairs(votes)
            scores = self._scores(pairs, votes)
            names = self._matched(
                pairs, scores, np.where(self._names[pairs[0]] == pairs[1], STILL_SURE, SURE)
            )
            changed = int((names != self._names).sum())
            self._names = names
            if changed * SETTLED <= int((names != NOBODY).sum()):
                break
        return self._matched(pairs, scores, np.full(len(scores), NAMED))

    def _votes(self) -> list[_Votes]:
        return [
            _Votes.of(file, people, self._names)
            for file, people in zip(self._file.blocks.T, self._people.blocks.T, strict=True)
        ]

    def _pairs(self, votes: list[_Votes]) -> Pairs:
        """Pairs to score: those who look alike, and those in blocks that are taken to be one."""
        found = [self._looks]
        for place, each in enumerate(votes):
            self._tick()
            one, other = each.leading()
            found.append(members(self._file.blocks[:, place], self._people.blocks[:, place], one, other))
        width = len(self._people.blocks)
        one, other = together(found)
        keys = np.unique(one * width + other)
        one, other = np.divmod(keys, width)
        free = self._free[0][one] & self._free[1][other] & self._of_one_dataset(one, other)
        return one[free], other[free]

    def _of_one_dataset(self, one: Indices, other: Indices) -> NDArray[np.bool_]:
        same: NDArray[np.bool_] = (self._file.masks[one] ^ self._people.masks[other]) < _OF_THE_SECOND
        return same

    def _alike_pairs(self) -> Pairs:
        """Pairs that look alike as few do, over all passes or in one."""
        found = []
        odd = odd_numbers(self._file.blocks.shape[1])
        for level in range(1, 4):
            looks = [mixed(side.labels[level] @ odd + side.masks) for side in (self._file, self._people)]
            found.append(rare_pairs(looks[0], looks[1]))
            if level == 1:
                found.append(nearest_pairs(looks[0], looks[1], self._file.inside, self._people.inside))
            for place in range(len(odd)):
                looks = [
                    np.where(side.shared[:, place], side.labels[level][:, place], 0)
                    for side in (self._file, self._people)
                ]
                found.append(rare_pairs(looks[0], looks[1]))
        return together(found)

    def _learnt(self, votes: list[_Votes]) -> _Rates:
        """How often those matched agree, with pseudo-matches."""
        some = np.flatnonzero(self._names != NOBODY)
        others = self._names[some]
        counts = _EVERYDAY * _EVERYDAY_MATCHES
        state, finest = self._finest(some, others)
        np.add.at(counts, (state.ravel(), finest.ravel()), 1)
        mask = (self._file.masks[some] == self._people.masks[others]).sum()
        yes, no = 10.0 * _SAME_BLOCK, 10.0 * (1 - _SAME_BLOCK)
        for place, each in enumerate(votes):
            verdict = self._verdict(each, place, some, others)
            yes += (verdict > 0).sum()
            no += (verdict < 0).sum()
        counts = np.maximum(counts, 0.02)
        return _Rates(
            counts / counts.sum(axis=1, keepdims=True),
            float((mask + 10 * _SAME_MASK) / (len(some) + 10)),
            float(yes / (yes + no)),
        )

    def _finest(self, one: Indices, other: Indices) -> Pairs:
        """For each pair and pass: whether the record is there, alone or not; how many looks are equal."""
        blocks = self._file.blocks[one]
        state = np.where(blocks == _ABSENT, 0, np.where(self._file.shared[one], 2, 1))
        equal = self._file.labels[:, one] == self._people.labels[:, other]
        return state, np.logical_and.accumulate(equal, axis=0).sum(axis=0)

    def _verdict(self, votes: _Votes, place: int, one: Indices, other: Indices) -> Indices:
        """Whether the pairs' blocks in a pass are one; see `_Votes.verdict`."""
        file, people = self._file.blocks[one, place], self._people.blocks[other, place]
        both = (file != _ABSENT) & (people != _ABSENT)
        found = np.zeros(len(one), dtype=np.int64)
        one, other = one[both], other[both]
        by, of = votes.voters
        own = (self._names[one] == other) & by[one]
        found[both] = votes.verdict(file[both], people[both], own, (by[one], of[other]))
        return found

    def _scores(self, pairs: Pairs, votes: list[_Votes]) -> Scores:
        """How much likelier what is seen of each pair is for one person than for two: the log of it."""
        one, other = pairs
        rates, common = self._rates, self._common
        same_mask = self._file.masks[one] == self._people.masks[other]
        scores = np.where(same_mask, np.log(rates.mask / common.mask[one]), np.log1p(-rates.mask))
        scores += score_of_measures(self._file.inside, self._people.inside, pairs)
        state, finest = self._finest(one, other)
        for place, each in enumerate(votes):
            self._tick()
            level = finest[:, place]
            look = np.log(rates.looks[state[:, place], level]) - common.looks[level, one, place]
            verdict = self._verdict(each, place, one, other)
            known = np.where(
                verdict > 0,
                np.log(rates.block)
                + self._rarity(one, place)
                + (look + common.looks[2, one, place]) * (level > 1),
                np.log1p(-rates.block),
            )
            scores += np.where(verdict == 0, look, known)
        return scores

    def _rarity(self, one: Indices, place: int) -> Scores:
        """How much rarer it is to be in a record's block than on the list: the log of it."""
        logs: Scores = np.log(len(self._people.blocks) / self._common.sizes[one, place])
        return logs

    def _matched(self, pairs: Pairs, scores: Scores, least: Scores) -> Names:
        sides = len(self._file.blocks), len(self._people.blocks)
        return matched(pairs, scores, least, sides, self._known)


@dataclass(frozen=True, slots=True)
class _Frequencies:
    """How common what is seen of each record of the file is.

    Attributes:
        looks: log of the share that looks alike, by how many looks are equal, shape (5, records, passes).
        mask: share with the same values there, shape (records,).
        sizes: records in its block, shape (records, passes).
    """

    looks: Scores
    mask: Scores
    sizes: Indices

    @staticmethod
    def of(file: _View, people: _View) -> _Frequencies:
        looks = np.zeros((5, *file.blocks.shape))
        for level in range(4):
            for place in range(file.blocks.shape[1]):
                looks[level + 1, :, place] = _log_shares(file, people, level, place)
        sizes = np.ones(file.blocks.shape, dtype=np.int64)
        for place, column in enumerate(file.blocks.T):
            there = column != _ABSENT
            sizes[there, place] = np.bincount(column[there])[column[there]]
        return _Frequencies(looks, shares(file.masks, people.masks), sizes)


def _log_shares(file: _View, people: _View, level: int, place: int) -> Scores:
    """Of a pass, the log of the share that looks alike: of those there; of the absent, of those with the same values.

    Who lacks a value is absent from several passes at once, which must not count for more than lacking the value.
    """
    looks = [side.labels[level][:, place] for side in (file, people)]
    masks = [side.masks for side in (file, people)]
    groups = [
        np.where(side.blocks[:, place] == _ABSENT, mask + np.uint64(1), np.uint64(0))
        for side, mask in zip((file, people), masks, strict=True)
    ]
    together = [mixed(look) ^ group for look, group in zip(looks, groups, strict=True)]
    logs: Scores = np.log(shares(*together) / shares(*groups))
    return logs
