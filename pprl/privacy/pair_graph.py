"""Whom can the key issuer of scheme `field-filters` name, alone?

It sees records of all datasets as numbers, in which passes each of them has a reference, and the pairs that the
matcher passes on, each with a pattern of levels: a graph of who resembles whom, and in what. It sees no filters and
no tags. The attacker holds the tables of all datasets in plain text, which is the worst case, or of one, and makes
the same view of them under a secret of its own.

The tour. A pair of a record and a person has a score, the log of how much likelier what is seen is if they are one:

1. *What they look like*: in which passes they are, and what patterns their pairs have; then also by which passes
   their pairs were found, and what those look like with whom they are paired, over one hop, two and three
   (`_Graph.looks`: colours as in Weisfeiler and Lehman's refinement). Levels count as exact, missing or neither,
   which is the same under every secret. Where looks differ as somebody has a pair more or less, the pairs that they
   have in common count, the rarer the more.
2. *How alike*: the mean level of what is neither exact nor missing in somebody's pairs, field by field.
3. *With whom*: where somebody they are paired with is matched, that they are paired with this person, and how.

Scored are those with a rare look in common, or pairs of the same kind with somebody who is matched. Those that are
each other's best by a margin are matched, and everything is scored again, so that mistakes are put right.

It fails where nearly all records look the same: one pair each at most, alike in everything, and a reference in every
pass. Components of a few records can't be told apart then, whoever is known beforehand.

Source: Weisfeiler and Lehman (1968) for colours; Narayanan and Shmatikov (2009), De-anonymizing social networks, for
propagation with revisited matches; Yartseva and Grossglauser (2013), On the performance of percolation graph
matching; Hay, Miklau, Jensen, Towsley and Weis (2008), Resisting structural re-identification in anonymized social
networks, for what neighbourhoods give away.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array

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
    rarity,
    score_of_measures,
    together,
)
from pprl.privacy.views import NOBODY, Indices, Known, Names, SeenPairs, Tick
from pprl.protocol.levels import DICE_90, MOST_FIELDS, NONE, Patterns, level_of

ROUNDS = 30
# Least posterior of a match to go on from, of one that was there before, and of a name in the end.
SURE, STILL_SURE, NAMED = 0.8, 0.5, 0.25
# The rounds end when no more than one in this many of the matches has changed.
SETTLED = 500
# Hops over which somebody's surroundings are looked at.
HOPS = 3

_PAIRS_AT_ONCE = 1 << 18
# By how much a mean level changes under another secret, about.
_CHANCE = 0.35
_CLASSES = (3.5, 6.0)
# A match is no reason for more pairs than this of one kind.
_MOST_VIA_ONE = 400
# Of everyday matches: how many agree in their passes, have each of their pairs on both sides, and look the same from
# coarse to fine at most so far. Pseudo-matches, before any is known.
_SAME_PASSES, _SAME_PAIR = 0.9, 0.8
_SAME_LOOKS = (0.2, 0.1, 0.1, 0.1, 0.1, 0.2, 0.1, 0.1)
_SAME_BARE = (0.2, 0.2, 0.2, 0.4)
_NO_LOOK = 0.05
_EVERYDAY_MATCHES = 10.0


def attack(
    seen: SeenPairs,
    listed: SeenPairs,
    known: Known,
    *,
    rng: np.random.Generator,  # noqa: ARG001 - every attack takes it
    tick: Tick,
) -> Names:
    """Name records from the pairs that they are in.

    Args:
        seen: what the key issuer has.
        listed: the same of the tables that the attacker holds, under another secret. A record is named only after
            one of the dataset of its number.
        known: records that are recognised to begin with.
        rng: not used: the attack has no chance in it.
        tick: called in each round and more often.

    Returns:
        The record of `listed` that each record of `seen` is, of all datasets.
    """
    sides = _Graph.of(seen, tick), _Graph.of(listed, tick)
    return _Matcher(sides[0], sides[1], known, tick).run()


@dataclass(frozen=True, slots=True)
class _Graph:
    """One side: records, and pairs of them.

    Attributes:
        dataset: number of each record's dataset, shape (records,).
        passes: look of dataset and passes of each record, shape (records,).
        looks: what each record looks like from coarse to fine, shape (looks, records).
        bare: the same without passes, which may be other ones under another secret; shape (looks, records).
        measures: mean level of its pairs by field, in units of what another secret changes; shape (records, fields).
        one: record of each pair in each direction, ascending, shape (twice the pairs,).
        other: the other record.
        labels: how alike they are.
    """

    dataset: Indices
    passes: Looks
    looks: Looks
    bare: Looks
    measures: Scores
    one: Indices
    other: Indices
    labels: Looks

    @staticmethod
    def of(seen: SeenPairs, tick: Tick) -> _Graph:
        tick()
        left, right, finders, patterns, means = _merged(seen)
        one, other = np.concatenate([left, right]), np.concatenate([right, left])
        order = np.lexsort((other, one))
        one, other = one[order], other[order]
        finders, patterns = (np.concatenate([each, each])[order] for each in (finders, patterns))
        means = np.concatenate([means, means])[order]
        alike = mixed(patterns * np.uint64(64) + seen.dataset[other].astype(np.uint64))
        labels = alike + finders
        finer = mixed(labels + _classes(means))
        records, passes = seen.in_pass.shape
        own = mixed(seen.in_pass.astype(np.uint64) @ odd_numbers(passes) + seen.dataset.astype(np.uint64))
        looks = [own]
        for told in (alike, mixed(labels)):
            looks.append(mixed(own + _sums(one, told, records)))
        for _ in range(HOPS):
            tick()
            looks.append(mixed(looks[-1] + _sums(one, mixed(labels + looks[-1][other]), records)))
        looks.append(mixed(looks[2] + _sums(one, finer, records)))
        looks.append(mixed(looks[3] + looks[-1] + _sums(one, mixed(finer + looks[-1][other]), records)))
        bare = [mixed(seen.dataset.astype(np.uint64))]
        for told in (alike, mixed(alike + _classes(means))):
            bare.append(mixed(bare[-1] + _sums(one, told, records)))
        bare.append(mixed(bare[-1] + _sums(one, mixed(alike + bare[1][other]), records)))
        measures = _measures(one, means, records)
        return _Graph(seen.dataset, own, np.stack(looks), np.stack(bare), measures, one, other, alike)

    @property
    def records(self) -> int:
        return len(self.passes)


def _sums(one: Indices, numbers: Looks, records: int) -> Looks:
    total = np.zeros(records, dtype=np.uint64)
    np.add.at(total, one, numbers)
    return total


def _merged(seen: SeenPairs) -> tuple[Indices, Indices, Looks, Looks, Scores]:
    """Each pair once: its records, which passes found it, its coarse pattern, its mean levels (0 where exact)."""
    low, high = np.minimum(seen.left, seen.right), np.maximum(seen.left, seen.right)
    records = len(seen.dataset)
    keys, first, place = np.unique(low * records + high, return_index=True, return_inverse=True)
    patterns = coarse(seen.patterns, MOST_FIELDS)[first]
    finders = np.zeros(len(keys), dtype=np.uint64)
    np.add.at(finders, place, odd_numbers(seen.in_pass.shape[1])[seen.found_by])
    steps = _steps(seen.patterns)
    counts = np.bincount(place, minlength=len(keys))
    means = np.stack([np.bincount(place, step, len(keys)) for step in steps.T], axis=1)
    found: Scores = means / np.maximum(counts, 1)[:, None]
    left, right = np.divmod(keys, records)
    return left, right, finders, patterns, found


def _steps(patterns: Patterns) -> Scores:
    """How unlike pairs are in each field, from 1 (Dice 0.9) to 8 (nothing in common); 0 with another level."""
    found = []
    for field in range(MOST_FIELDS):
        level = level_of(patterns, field).astype(np.float64)
        found.append(np.where((level >= DICE_90) & (level <= NONE), level - DICE_90 + 1, 0))
    steps: Scores = np.stack(found, axis=1)
    return steps


def _classes(means: Scores) -> Looks:
    """Mean levels in three classes a field: those between two classes differ now and again under another secret."""
    told = np.zeros(len(means), dtype=np.uint64)
    for field, mean in enumerate(means.T):
        step = (mean > 0).astype(np.uint64) + (mean > _CLASSES[0]) + (mean > _CLASSES[1])
        told |= step.astype(np.uint64) << np.uint64(2 * field)
    return mixed(told)


def _measures(one: Indices, means: Scores, records: int) -> Scores:
    """Mean over somebody's pairs of how unlike they are, field by field, where they are neither equal nor missing."""
    found = []
    for mean in means.T:
        counts = np.bincount(one, mean > 0, records)
        found.append(np.bincount(one, mean, records) / np.maximum(counts, 1))
    measures: Scores = np.stack(found, axis=1) / _CHANCE
    return measures


@dataclass(frozen=True, slots=True)
class _Rates:
    """How often one person's two records agree: in their passes, in the finest look that is equal, in a pair."""

    passes: float
    looks: tuple[Scores, ...]
    pair: float


class _Matcher:
    """The rounds: score, match, and again."""

    __slots__ = (
        "_chains",
        "_common",
        "_file",
        "_free",
        "_kinds",
        "_known",
        "_looks",
        "_names",
        "_people",
        "_rates",
        "_tick",
    )

    def __init__(self, file: _Graph, people: _Graph, known: Known, tick: Tick) -> None:
        self._file, self._people, self._known, self._tick = file, people, known, tick
        self._names = np.full(file.records, NOBODY, dtype=np.int64)
        self._names[known[:, 0]] = known[:, 1]
        self._free = np.ones(file.records, dtype=bool), np.ones(people.records, dtype=bool)
        for free, places in zip(self._free, known.T, strict=True):
            free[places] = False
        self._chains = (file.looks, people.looks), (file.bare, people.bare)
        self._common = [
            np.stack([rarity(*looks) for looks in zip(*chain, strict=True)]) for chain in self._chains
        ]
        self._kinds = _Kinds.of(file, people)
        self._looks = self._alike_pairs()
        self._rates = self._learnt()

    def run(self) -> Names:
        """Match until hardly anything changes, then name whom there is some reason to."""
        for _ in range(ROUNDS):
            self._tick()
            self._rates = self._learnt()
            support = self._support()
            pairs = self._pairs(support)
            scores = self._scores(pairs, support)
            before = self._names[pairs[0]] == pairs[1]
            names = self._matched(pairs, scores, np.where(before, STILL_SURE, SURE))
            changed = int((names != self._names).sum())
            self._names = names
            if changed * SETTLED <= int((names != NOBODY).sum()):
                break
        return self._matched(pairs, scores, np.full(len(scores), NAMED))

    def _matched(self, pairs: Pairs, scores: Scores, least: Scores) -> Names:
        return matched(pairs, scores, least, (self._file.records, self._people.records), self._known)

    def _alike_pairs(self) -> Pairs:
        """Pairs that look alike as few do, or that have a pair of which few look so."""
        found = []
        for mine, theirs in zip(
            (*self._file.looks, *self._file.bare), (*self._people.looks, *self._people.bare), strict=True
        ):
            self._tick()
            found.append(rare_pairs(mine, theirs))
        for mine, theirs in (
            (self._file.looks[HOPS], self._people.looks[HOPS]),
            (self._file.bare[1], self._people.bare[1]),
        ):
            found.append(nearest_pairs(mine, theirs, self._file.measures, self._people.measures))
        for hop in (0, 1):
            one, other = rare_pairs(
                *(
                    mixed(each.looks[hop][each.one] + mixed(each.looks[hop][each.other]) + each.labels)
                    for each in (self._file, self._people)
                )
            )
            found.append((self._file.one[one], self._people.one[other]))
        return together(found)

    def _learnt(self) -> _Rates:
        """How often those matched agree, with pseudo-matches."""
        some = np.flatnonzero(self._names != NOBODY)
        others = self._names[some]
        looks = []
        for chain, everyday in zip(self._chains, (_SAME_LOOKS, _SAME_BARE), strict=True):
            counts = np.bincount(_finest(chain, some, others), minlength=len(everyday) + 1)
            expected = counts + _EVERYDAY_MATCHES * np.array((_NO_LOOK, *everyday))
            looks.append(expected / expected.sum())
        passes = (self._file.passes[some] == self._people.passes[others]).sum()
        there, of = self._pairs_on_both_sides()
        return _Rates(
            float((passes + _EVERYDAY_MATCHES * _SAME_PASSES) / (len(some) + _EVERYDAY_MATCHES)),
            tuple(looks),
            float((there + _EVERYDAY_MATCHES * _SAME_PAIR) / (of + _EVERYDAY_MATCHES)),
        )

    def _pairs_on_both_sides(self) -> tuple[int, int]:
        """Of pairs of two who are matched, how many are on the other side, and how many there are."""
        one, other = self._names[self._file.one], self._names[self._file.other]
        both = (one != NOBODY) & (other != NOBODY)
        mine = _of_two(one[both], other[both], self._file.labels[both])
        theirs = _of_two(self._people.one, self._people.other, self._people.labels)
        return int(np.isin(mine, theirs).sum()), int(both.sum())

    def _support(self) -> tuple[Indices, Scores, Indices]:
        """Pairs of a record and a person who are paired, in the same way, with two who are matched to each other.

        Returns:
            Record and person as one number, ascending; the score of all such support; how many support it.
        """
        file, people = self._file, self._people
        via = self._names[file.one]
        some = np.flatnonzero(via != NOBODY)
        values, place = np.unique(
            np.concatenate(
                [
                    _of_two(via[some], via[some], file.labels[some]),
                    _of_two(people.one, people.one, people.labels),
                ]
            ),
            return_inverse=True,
        )
        mine, theirs = place[: len(some)], place[len(some) :]
        sizes = np.bincount(mine, minlength=len(values)), np.bincount(theirs, minlength=len(values))
        groups = np.flatnonzero((sizes[0] > 0) & (sizes[1] > 0) & (sizes[0] * sizes[1] <= _MOST_VIA_ONE))
        one, other = members(mine, theirs, groups, groups)
        score = self._kinds.pairs[self._kinds.of_people[other]] / sizes[1][theirs[other]]
        keys = file.other[some[one]] * people.records + people.other[other]
        found, at = np.unique(keys, return_inverse=True)
        counts = np.bincount(at, minlength=len(found))
        scores = np.bincount(at, np.log(self._rates.pair * score), len(found)).astype(np.float64)
        return found.astype(np.int64), scores, counts.astype(np.int64)

    def _pairs(self, support: tuple[Indices, Scores, Indices]) -> Pairs:
        """Pairs to score: those who look alike, and those who are paired with two who are matched."""
        width = self._people.records
        one, other = np.divmod(np.union1d(self._looks[0] * width + self._looks[1], support[0]), width)
        free = self._free[0][one] & self._free[1][other] & self._kinds.same_dataset(one, other)
        return one[free], other[free]

    def _scores(self, pairs: Pairs, support: tuple[Indices, Scores, Indices]) -> Scores:
        """How much likelier what is seen of each pair is for one person than for two: the log of it."""
        one, other = pairs
        rates = self._rates
        same = self._file.passes[one] == self._people.passes[other]
        passes = np.where(same, np.log(rates.passes / self._common[0][0, one]), np.log1p(-rates.passes))
        scores = passes + self._kinds.scores(pairs, rates.pair, self._tick)
        for chain, rate, common in zip(self._chains, rates.looks, self._common, strict=True):
            finest = _finest(chain, one, other)
            look = np.log(rate[finest]) - np.log(common[finest - 1, one])
            scores = np.maximum(scores, np.where(finest > 0, look, -np.inf))
        scores += score_of_measures(self._file.measures, self._people.measures, pairs)
        keys, score, counts = support
        if len(keys):
            wanted = one * self._people.records + other
            at = np.minimum(np.searchsorted(keys, wanted), len(keys) - 1)
            there = keys[at] == wanted
            scores += np.where(there, score[at], 0)
            shared = np.where(there, counts[at], 0)
        else:
            shared = np.zeros(len(one), dtype=np.int64)
        matched_ = [np.bincount(self._file.one, self._names[self._file.other] != NOBODY, self._file.records)]
        taken = np.zeros(self._people.records, dtype=bool)
        taken[self._names[self._names != NOBODY]] = True
        matched_.append(np.bincount(self._people.one, taken[self._people.other], self._people.records))
        lacking = matched_[0][one] + matched_[1][other] - 2 * shared
        total: Scores = scores + lacking / 2 * np.log1p(-rates.pair)
        return total


def _finest(chain: tuple[Looks, Looks], one: Indices, other: Indices) -> Indices:
    """How many looks are equal, from coarse to fine."""
    equal = chain[0][:, one] == chain[1][:, other]
    count: Indices = np.logical_and.accumulate(equal, axis=0).sum(axis=0)
    return count


def _of_two(one: Indices, other: Indices, labels: Looks) -> Looks:
    return mixed(mixed(mixed(one.astype(np.uint64)) + other.astype(np.uint64)) + labels)


@dataclass(frozen=True, slots=True)
class _Kinds:
    """Kinds of pairs: how alike two are and which passes found them.

    Attributes:
        file: which kinds each record of the file has, shape (records, kinds).
        people: of the list.
        shares: share of records that have each kind.
        pairs: how many pairs of the list are of each kind.
        of_people: the kind of each of the list's pairs.
        datasets: of the records of the file and of the list.
    """

    file: csr_array
    people: csr_array
    shares: Scores
    pairs: Indices
    of_people: Indices
    datasets: tuple[Indices, Indices]

    @staticmethod
    def of(file: _Graph, people: _Graph) -> _Kinds:
        values, place = np.unique(np.concatenate([file.labels, people.labels]), return_inverse=True)
        kinds = place[: len(file.labels)], place[len(file.labels) :]
        has = [
            csr_array((np.ones(len(kind)), (graph.one, kind)), shape=(graph.records, len(values)))
            for graph, kind in zip((file, people), kinds, strict=True)
        ]
        for each in has:
            each.sum_duplicates()
            each.data[:] = 1
        counts = np.asarray(has[0].sum(axis=0) + has[1].sum(axis=0)).ravel()
        return _Kinds(
            has[0],
            has[1],
            counts / (file.records + people.records),
            np.bincount(kinds[1], minlength=len(values)),
            kinds[1],
            (file.dataset, people.dataset),
        )

    def same_dataset(self, one: Indices, other: Indices) -> NDArray[np.bool_]:
        same: NDArray[np.bool_] = self.datasets[0][one] == self.datasets[1][other]
        return same

    def scores(self, pairs: Pairs, rate: float, tick: Tick) -> Scores:
        """What the kinds of pairs say that two have in common, and those that only one has."""
        weights = np.log(rate / self.shares)
        own = [np.diff(each.indptr) for each in (self.file, self.people)]
        scores = np.zeros(len(pairs[0]))
        for start in range(0, len(scores), _PAIRS_AT_ONCE):
            tick()
            part = slice(start, start + _PAIRS_AT_ONCE)
            one, other = pairs[0][part], pairs[1][part]
            common = self.file[one].multiply(self.people[other])
            count = np.asarray(common.sum(axis=1)).ravel()
            lacking = own[0][one] + own[1][other] - 2 * count
            scores[part] = np.asarray(common @ weights).ravel() + lacking / 2 * np.log1p(-rate)
        return scores
