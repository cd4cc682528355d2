"""What attacks by likelihood share: who to compare with whom, how telling a likeness is, and who is matched.

A *look* is a number for what somebody looks like: equal where two look the same. Rare looks bring a record and a
person together; how rare they are says what that is worth. Scores are logs of how much likelier something is of one
person than of two.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from pprl.privacy.views import NOBODY, Indices, Known, Names
from pprl.protocol.levels import BITS_A_LEVEL, ELSEWHERE, EXACT, MISSING, Patterns, level_of

# Records and people of one look are paired if they are no more than this on either side.
MOST_ALIKE = 8
# Of more, each record is paired with so many people who are nearest in what can be measured.
NEAREST = 10
_SAME_MEASURES = 0.9
_MOST_SCORE = 300.0
_COARSE = np.zeros(1 << BITS_A_LEVEL, dtype=np.uint64)
_COARSE[[EXACT, MISSING, ELSEWHERE]] = 1, 2, 3

Looks = NDArray[np.uint64]
Scores = NDArray[np.float64]
Pairs = tuple[Indices, Indices]

NO_PAIRS: Pairs = (np.empty(0, np.int64), np.empty(0, np.int64))


def mixed(numbers: Looks) -> Looks:
    """Numbers that differ become numbers that differ as if by chance (the finaliser of SplitMix64)."""
    found = numbers + np.uint64(0x9E3779B97F4A7C15)
    found = (found ^ (found >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    found = (found ^ (found >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    mixed_: Looks = found ^ (found >> np.uint64(31))
    return mixed_


def odd_numbers(count: int) -> Looks:
    """As many odd numbers, always the same: to make one look of several."""
    return mixed(np.arange(1, count + 1, dtype=np.uint64)) | np.uint64(1)


def coarse(patterns: Patterns, fields: int) -> Looks:
    """Patterns of which no level is left but exact, missing, found elsewhere, and none of these.

    These two values have under every secret or under none, where other levels differ now and again, as bits that two
    tokens share by chance do.
    """
    told = np.zeros(len(patterns), dtype=np.uint64)
    for field in range(fields):
        level = level_of(patterns, field)
        told |= _COARSE[level] << np.uint64(2 * field)
    return told


def shares(file: NDArray[Any], people: NDArray[Any]) -> Scores:
    """Share of both sides that looks the same, for each of the file's."""
    place = np.unique(np.concatenate([file, people]), return_inverse=True)[1]
    return np.bincount(place)[place[: len(file)]] / len(place)


def rarity(file: Looks, people: Looks) -> Scores:
    """Chance that somebody else looks the same, for each of the file's records.

    What only one record has is rarer than one in all where most of what two have is: among many looks that one or
    two have, the next record would seldom have one of these.

    Source: Good (1953) for looks that one record has.
    """
    values, mine, theirs = _numbered(file, people)
    counts = [np.bincount(each, minlength=len(values)) for each in (mine, theirs)]
    most = np.maximum(*counts)
    singles, doubles = (int((most == count).sum()) for count in (1, 2))
    once = min(1.0, 2 * (doubles + 0.5) / max(singles, 1))
    chance: Scores = np.where(most == 1, once, most)[mine] / max(len(file), len(people))
    return chance


def rare_pairs(file: Looks, people: Looks) -> Pairs:
    """Records and people with the same look, where few have it; look 0 is none.

    Args:
        file: how each record looks, shape (records,).
        people: how everybody listed looks, shape (people,).
    """
    values, mine, theirs = _numbered(file, people)
    few = values != 0
    for side in (mine, theirs):
        few &= np.bincount(side, minlength=len(values)) <= MOST_ALIKE
    some = np.flatnonzero(few)
    return members(mine, theirs, some, some)


def nearest_pairs(file: Looks, people: Looks, mine: Scores, theirs: Scores) -> Pairs:
    """Records and people with the same look where many have it: each record with the people nearest to it.

    Args:
        file: looks of the file's records.
        people: of the list's people.
        mine: what is measured of each record, shape (records, measures).
        theirs: of each person.
    """
    found = [NO_PAIRS]
    values, *groups = _numbered(file, people)
    counts = [np.bincount(each, minlength=len(values)) for each in groups]
    many = (np.maximum(*counts) > MOST_ALIKE) & (np.minimum(*counts) > 0) & (values != 0)
    for group in np.flatnonzero(many):
        one, other = (np.flatnonzero(each == group) for each in groups)
        some = min(NEAREST, len(other))
        near = cKDTree(theirs[other]).query(mine[one], k=some)[1].reshape(len(one), some)
        found.append((np.repeat(one, some), other[near.ravel()]))
    return together(found)


def _numbered(file: Looks, people: Looks) -> tuple[Looks, Indices, Indices]:
    values, place = np.unique(np.concatenate([file, people]), return_inverse=True)
    return values, place[: len(file)], place[len(file) :]


def members(file: Indices, people: Indices, one: Indices, other: Indices) -> Pairs:
    """All pairs of a record of group one[i] and a person of group other[i].

    Args:
        file: group of each record.
        people: of each person.
        one: groups of records.
        other: for each of them one of people.
    """
    orders = [np.argsort(each, kind="stable") for each in (file, people)]
    starts, counts = [], []
    for groups, order, wanted in zip((file, people), orders, (one, other), strict=True):
        starts.append(np.searchsorted(groups[order], wanted, side="left"))
        counts.append(np.searchsorted(groups[order], wanted, side="right") - starts[-1])
    sizes = counts[0] * counts[1]
    group = np.repeat(np.arange(len(one)), sizes)
    within = np.arange(len(group)) - np.repeat(np.cumsum(sizes) - sizes, sizes)
    left = orders[0][starts[0][group] + within // counts[1][group]]
    right = orders[1][starts[1][group] + within % counts[1][group]]
    return left, right


def together(pairs: list[Pairs]) -> Pairs:
    """Pairs of several sources, some of them perhaps several times."""
    return np.concatenate([one for one, _ in pairs]), np.concatenate([other for _, other in pairs])


def score_of_measures(mine: Scores, theirs: Scores, pairs: Pairs) -> Scores:
    """How much likelier measures so near to each other are of one person.

    Args:
        mine: of each record, off by a variance of 1, 0 where there is nothing; shape (records, measures).
        theirs: of each person.
        pairs: records and people.
    """
    scores = np.zeros(len(pairs[0]))
    for of_records, of_people in zip(mine.T, theirs.T, strict=True):
        one, other = of_records[pairs[0]], of_people[pairs[1]]
        same = _SAME_MEASURES * np.exp(-((one - other) ** 2) / 4) / np.sqrt(4 * np.pi)
        ratio = same / _density(of_people)[pairs[1]] + 1 - _SAME_MEASURES
        scores += np.where((one > 0) & (other > 0), np.log(ratio), 0)
    return scores


def _density(values: Scores) -> Scores:
    """How dense the values that there are lie about each of them."""
    there = values > 0
    if not there.any():
        return np.ones(len(values))
    bins = np.maximum(values * 2, 0).astype(np.int64)
    counts = np.bincount(bins[there], minlength=int(bins.max()) + 1).astype(np.float64)
    smooth = np.convolve(counts, [0.25, 0.5, 0.25], mode="same") + 0.5
    found: Scores = 2 * smooth[bins] / counts.sum()
    return found


def matched(pairs: Pairs, scores: Scores, least: Scores, sides: tuple[int, int], known: Known) -> Names:
    """One-to-one: the best pairs first, of those that beat all others that their record and person are in.

    Args:
        pairs: records and people, each pair once; nobody known among them.
        scores: of each pair.
        least: posterior that each pair needs.
        sides: how many records and people there are.
        known: who stays as given.
    """
    one, other = pairs
    names = np.full(sides[0], NOBODY, dtype=np.int64)
    names[known[:, 0]] = known[:, 1]
    odds = np.exp(np.minimum(scores, _MOST_SCORE))
    posterior = np.minimum(
        odds / (sides[1] + np.bincount(one, odds, sides[0])[one]),
        odds / (sides[1] + np.bincount(other, odds, sides[1])[other]),
    )
    order = np.lexsort((other, one, -posterior))
    order = order[posterior[order] >= least[order]]
    free = np.ones(sides[0], dtype=bool), np.ones(sides[1], dtype=bool)
    for record, person in zip(one[order].tolist(), other[order].tolist(), strict=True):
        if free[0][record] and free[1][person]:
            free[0][record] = free[1][person] = False
            names[record] = person
    return names
