"""Posteriors of pairs that compete, because a record has at most one partner in a dataset without duplicates.

With `odds` of a pair the expected matches over the expected non-matches among pairs like it, and `free` the share
of a dataset without a partner, the probability of a pair given all others is a marginal over matchings, by
belief propagation:

    p = odds / (odds + rivals_left * rivals_right)
    rivals = free + the sum of messages of the record's other pairs

Where a record may have many partners, its rivals are 1. Where it has no other pair, they are `free`: the posterior of
such a pair follows from its odds alone. Most pairs are so, and many have the same odds: `Kinds` counts them, and works
out one by one only those that have rivals. Messages never leave a group of pairs that share records, directly or by
way of others, so that a lot of groups is worked out after the other, each near at hand in memory.

Source: Huang and Jebara (2009), Approximating the permanent with belief propagation, for the messages; Sadinle
(2017) for matchings as the space of what may be true.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pprl.protocol.levels import compiled

MESSAGE_ROUNDS = 4
# Share of a dataset that is always left free to have no partner.
LEAST_FREE = 0.002
# Groups of pairs are worked out in lots of about so many pairs, which stay near at hand.
PAIRS_AT_ONCE = 2_000
# The least that a posterior's odds are divided by.
_LEAST = 1e-300

Numbers = NDArray[np.float64]
Indices = NDArray[np.int64]
Records = NDArray[Any]


@dataclass(frozen=True, slots=True)
class Competing:
    """Pairs of records of two datasets, or of one dataset with itself.

    Attributes:
        left: left record of each pair, shape (pairs,).
        right: right record of each pair.
        rows: records that could be compared, left and right.
        one_left: whether a left record has at most one partner, as the right dataset has no duplicates.
        one_right: whether a right record has at most one partner.
    """

    left: Records
    right: Records
    rows: tuple[int, int]
    one_left: bool
    one_right: bool

    def only(self, which: NDArray[Any]) -> Competing:
        """Some of the pairs, by a mask or by their places."""
        return Competing(self.left[which], self.right[which], self.rows, self.one_left, self.one_right)

    def free(self, matches: float) -> tuple[float, float]:
        """For a left and a right record, what speaks for no partner at all; 1 where it may have many.

        Args:
            matches: expected number of matches among the pairs.
        """
        left, right = (max(1 - matches / max(rows, 1), LEAST_FREE) for rows in self.rows)
        return left if self.one_left else 1.0, right if self.one_right else 1.0


@dataclass(frozen=True, slots=True)
class Kinds:
    """The pairs of a comparison by kind. Pairs of one kind have the same odds.

    Attributes:
        kind: of each pair, from 0, shape (pairs,).
        counts: pairs of each kind, shape (kinds,).
        alone: how many of them have no rivals.
        contested: the places of those that have, group by group.
        contested_kind: their kinds.
        rivals: they themselves, in that order, records numbered anew.
        lots: where each lot of whole groups begins, and at last where all end.
    """

    kind: NDArray[np.int32]
    counts: Numbers
    alone: Numbers
    contested: Indices
    contested_kind: NDArray[np.int32]
    rivals: Competing
    lots: Indices

    @staticmethod
    def of(pairs: Competing, kind: NDArray[np.int32], kinds: int) -> Kinds:
        """Tell the pairs with rivals from those without.

        Args:
            pairs: the pairs.
            kind: of each pair, below `kinds`.
            kinds: how many kinds there are.
        """
        contested = np.zeros(len(kind), dtype=bool)
        for records, one in ((pairs.left, pairs.one_left), (pairs.right, pairs.one_right)):
            if one and len(records):
                contested |= (np.bincount(records) > 1)[records]
        counts = np.bincount(kind, minlength=kinds).astype(np.float64)
        some = pairs.only(contested)
        order, lots = _in_lots(some)
        places = np.flatnonzero(contested)[order]
        left, right = (_numbered_anew(_dense(records)[order]) for records in (some.left, some.right))
        rivals = Competing(left, right, pairs.rows, pairs.one_left, pairs.one_right)
        its_kind = kind[places]
        return Kinds(
            kind, counts, counts - np.bincount(its_kind, minlength=kinds), places, its_kind, rivals, lots
        )

    def weighed(self, odds: Numbers, matches: float) -> tuple[Numbers, Numbers]:
        """Probability of a pair of each kind that has no rivals, and of each pair that has.

        Args:
            odds: of each kind, from 0; finite.
            matches: expected number of matches among all pairs.
        """
        free_left, free_right = self.rivals.free(matches)
        alone = odds / np.maximum(odds + free_left * free_right, _LEAST)
        return alone, _by_lot(self.rivals, self.lots, odds[self.contested_kind], matches)

    def summed(self, odds: Numbers, matches: float) -> Numbers:
        """The sum of the pairs' probabilities for each kind, shape (kinds,). Arguments as for `weighed`."""
        alone, rivals = self.weighed(odds, matches)
        of_rivals = np.bincount(self.contested_kind, rivals, minlength=len(odds))
        return np.asarray(self.alone * alone + of_rivals, dtype=np.float64)

    def each(self, alone: Numbers, rivals: Numbers) -> Numbers:
        """A number for each pair, from one for each kind and one for each pair with rivals."""
        found = alone[self.kind]
        found[self.contested] = rivals
        return found


def posteriors(pairs: Competing, odds: Numbers, matches: float) -> Numbers:
    """Probability of each pair.

    Args:
        pairs: the pairs that compete.
        odds: of each pair on its own, from 0; finite.
        matches: expected number of matches among the pairs.

    Returns:
        Probabilities, shape (pairs,).
    """
    order, lots = _in_lots(pairs)
    found = np.empty(len(odds))
    found[order] = _by_lot(pairs.only(order), lots, odds[order], matches)
    return found


def _by_lot(pairs: Competing, lots: Indices, odds: Numbers, matches: float) -> Numbers:
    """As `posteriors`, of pairs that stand in lots of whole groups."""
    if not len(odds):
        return np.empty(0)
    return np.asarray(
        _posteriors(
            _compact(pairs.left),
            _compact(pairs.right),
            lots,
            np.ascontiguousarray(odds, dtype=np.float64),
            *pairs.free(matches),
            pairs.one_left,
            pairs.one_right,
        )
    )


def taken(pairs: Competing, scores: Numbers) -> Indices:
    """The pairs that are linked when the best come first, in falling order of score.

    A pair is taken unless a record of it that has at most one partner has been taken with another one.
    Equal scores go in order of left, then right record.

    Args:
        pairs: that compete.
        scores: of each, shape (pairs,).

    Returns:
        Places of pairs.
    """
    order = np.argsort(-scores, kind="stable") if _ascending(pairs) else _falling(pairs, scores)
    if not len(order) or not (pairs.one_left or pairs.one_right):
        return order
    free = _first_come(order, _compact(pairs.left), _compact(pairs.right), pairs.one_left, pairs.one_right)
    return order[free]


def _falling(pairs: Competing, scores: Numbers) -> Indices:
    return np.lexsort((pairs.right, pairs.left, -scores))


def _ascending(pairs: Competing) -> bool:
    left, right = pairs.left, pairs.right
    later = (left[1:] > left[:-1]) | ((left[1:] == left[:-1]) & (right[1:] > right[:-1]))
    return bool(later.all())


def _compact(records: Records) -> NDArray[np.uint32]:
    return np.ascontiguousarray(records, dtype=np.uint32)


def _dense(records: Records) -> NDArray[np.uint32]:
    """The records numbered anew from 0, without gaps, in the same order."""
    if not len(records):
        return np.empty(0, np.uint32)
    there = np.zeros(int(records.max()) + 1, dtype=bool)
    there[records] = True
    return (np.cumsum(there, dtype=np.uint32) - np.uint32(1))[records]


def _numbered_anew(records: NDArray[np.uint32]) -> NDArray[np.uint32]:
    """Dense records by the order in which they come, so that those of one group are neighbours."""
    if not len(records):
        return records
    number = np.empty(int(records.max()) + 1, np.uint32)
    _number_in_order(records, number)
    return number[records]


def _in_lots(pairs: Competing) -> tuple[Indices, Indices]:
    """The places of pairs, group by group, within each as they are; and where lots of groups begin, and at last end."""
    left, right = _compact(pairs.left), _compact(pairs.right)
    if not len(left):
        return np.empty(0, np.int64), np.zeros(1, np.int64)
    group = _groups(left, right, pairs.one_left, pairs.one_right)
    begins = np.concatenate([[0], np.cumsum(np.bincount(group))]).astype(np.int64)
    order = _by_number(group, begins[:-1].copy())
    first_of_lot = np.diff(begins // PAIRS_AT_ONCE, prepend=-1) > 0
    first_of_lot[-1] = True
    return order, begins[first_of_lot]


@compiled
def _number_in_order(records: NDArray[np.uint32], number: NDArray[np.uint32]) -> None:
    unseen = np.uint32(0xFFFFFFFF)
    number[:] = unseen
    count = np.uint32(0)
    for record in records:
        if number[record] == unseen:
            number[record] = count
            count += np.uint32(1)


@compiled
def _groups(
    left: NDArray[np.uint32], right: NDArray[np.uint32], one_left: bool, one_right: bool
) -> NDArray[np.int32]:
    """The group of each pair, numbered as they come: pairs that share a record which has one partner at most."""
    lefts, rights = np.int64(left.max()) + 1, np.int64(right.max()) + 1
    root = np.arange(lefts + rights, dtype=np.int32)
    if one_left and one_right:
        for pair in range(len(left)):
            one, other = _root(root, np.int64(left[pair])), _root(root, lefts + right[pair])
            root[max(one, other)] = min(one, other)
    number, count = np.full(lefts + rights, -1, np.int32), 0
    found = np.empty(len(left), np.int32)
    for pair in range(len(left)):
        record = _root(root, np.int64(left[pair]) if one_left else lefts + right[pair])
        # Where nobody has but one partner, each pair is alone.
        if number[record] < 0 or not (one_left or one_right):
            number[record] = count
            count += 1
        found[pair] = number[record]
    return found


@compiled
def _root(root: NDArray[np.int32], record: Any) -> Any:
    while root[record] != record:
        root[record] = root[root[record]]
        record = root[record]
    return record


@compiled
def _by_number(numbers: NDArray[np.int32], begins: Indices) -> Indices:
    """The places of numbers, ascending, of equal ones in the order in which they stand; `begins` is used up."""
    order = np.empty(len(numbers), np.int64)
    for place in range(len(numbers)):
        order[begins[numbers[place]]] = place
        begins[numbers[place]] += 1
    return order


@compiled
def _posteriors(
    left: NDArray[np.uint32],
    right: NDArray[np.uint32],
    lots: Indices,
    odds: Numbers,
    free_left: float,
    free_right: float,
    one_left: bool,
    one_right: bool,
) -> Numbers:
    """Messages go to the right and to the left in turn; one array holds the last ones.

    With a message to the left of odds / rivals_right, the posterior is message / (message + rivals_left).
    """
    on_left = np.zeros(np.int64(left.max()) + 1 if one_left else 1)
    on_right = np.zeros(np.int64(right.max()) + 1 if one_right else 1)
    messages = odds.copy()
    for lot in range(len(lots) - 1):
        some = slice(lots[lot], lots[lot + 1])
        to_left, to_right, sent, own = left[some], right[some], messages[some], odds[some]
        for _ in range(MESSAGE_ROUNDS if one_left else one_right):
            if one_left and one_right:
                _pass_on(to_left, sent, own, on_left, free_left)
            if one_right:
                _pass_on(to_right, sent, own, on_right, free_right)
        if one_left:
            _add_up(to_left, sent, on_left)
        for pair in range(len(own)):
            rivals = free_left
            if one_left:
                rivals += max(on_left[to_left[pair]] - sent[pair], 0.0)
            sent[pair] /= max(sent[pair] + rivals, _LEAST)
    return messages


@compiled
def _pass_on(
    records: NDArray[np.uint32], messages: Numbers, odds: Numbers, sums: Numbers, free: float
) -> None:
    """Put in place of each pair's message to its record the one from there: its odds over its rivals there."""
    _add_up(records, messages, sums)
    for pair in range(len(odds)):
        rivals = free + max(sums[records[pair]] - messages[pair], 0.0)
        messages[pair] = odds[pair] / rivals


@compiled
def _add_up(records: NDArray[np.uint32], messages: Numbers, sums: Numbers) -> None:
    for record in records:
        sums[record] = 0.0
    for pair in range(len(records)):
        sums[records[pair]] += messages[pair]


@compiled
def _first_come(
    order: Indices, left: NDArray[np.uint32], right: NDArray[np.uint32], one_left: bool, one_right: bool
) -> NDArray[np.bool_]:
    """Which pairs, in an order, come before all other pairs of a record of theirs that has at most one partner."""
    left_gone = np.zeros(np.int64(left.max()) + 1 if one_left else 1, np.bool_)
    right_gone = np.zeros(np.int64(right.max()) + 1 if one_right else 1, np.bool_)
    free = np.zeros(len(order), np.bool_)
    for place in range(len(order)):
        one, other = left[order[place]], right[order[place]]
        if (one_left and left_gone[one]) or (one_right and right_gone[other]):
            continue
        free[place] = True
        if one_left:
            left_gone[one] = True
        if one_right:
            right_gone[other] = True
    return free
