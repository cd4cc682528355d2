"""How alike the records of a block are, field by field, and how far that wobbles under another secret.

A filter is salted by its block, so that only filters of one block mean anything beside each other. What may be
compared there: the same field of two records; two names of any two records, or of one, since all names share one
space of tokens; and which filters a record has. None of it depends on the secret but for chance: positions that
fall together, in a filter or between two. The attacker knows how much chance does, and can say of two similarities,
one seen and one of its list, how much likelier they are if the values behind them are the same.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pprl.privacy.overlay import Blocks
from pprl.privacy.views import Indices, SeenPass
from pprl.protocol.levels import Fields, bit_counts, compiled

LEVELS = 40
"""Similarities in steps: 0 where one of the two is missing, LEVELS - 1 where they are equal, Dice between."""

ERRORS = 0.04
"""Share of comparisons that have nothing to do with each other, as the list has another value."""

_DRAWS = 2000
_ROUNDS = 40
_LEAST = 1e-30
_MASK_ERRORS = 0.02

Floats = NDArray[np.float64]
Steps = NDArray[np.uint8]


@dataclass(frozen=True, slots=True)
class Comparison:
    """Which two filters are compared; `left` and `right` are the same for a field with itself, and these come first."""

    left: NDArray[np.int64]
    right: NDArray[np.int64]

    @property
    def alike(self) -> int:
        """How many of them compare a field with itself; they come first."""
        return int((self.left == self.right).sum())


def comparisons(fields: Fields, filters: int) -> Comparison:
    """Every field with itself, and every name with every other."""
    names = sorted({*fields.names, fields.middle} - {-1})
    crossed = [(one, other) for one in names for other in names if one < other]
    both = [(each, each) for each in range(filters)] + crossed
    pairs = np.array(both, dtype=np.int64)
    return Comparison(pairs[:, 0].copy(), pairs[:, 1].copy())


def pictures(encodings: Sequence[SeenPass], fields: Fields) -> Blocks:
    """The blocks of a pass, from one or more encodings of the same records in the same order.

    Args:
        encodings: of one pass, under different secrets; what is seen is there once, a list as often as one likes.
        fields: what the filters are.

    Returns:
        The blocks; the number of a record's mask is the mask itself.
    """
    first = encodings[0]
    rows = np.argsort(first.blocks, kind="stable").astype(np.int64)
    ordered = first.blocks[rows]
    starts = np.flatnonzero(np.append(np.append(True, ordered[1:] != ordered[:-1])[: len(rows)], True))
    sizes = np.diff(starts)
    offsets = np.cumsum(sizes**2) - sizes**2
    compared = comparisons(fields, first.filters.shape[1])
    pairs = np.zeros((int((sizes**2).sum()), len(compared.left)), dtype=np.float32)
    for each in encodings:
        words = np.ascontiguousarray(each.filters[rows]).view(np.uint64)
        _add_dice(words, each.present[rows], starts, offsets, compared.left, compared.right, pairs)
    steps = steps_of(pairs / len(encodings))
    own = np.ascontiguousarray(steps[_with_itself(starts, offsets), compared.alike :])
    return Blocks(rows, starts, first.present[rows].astype(np.int64), own, steps, offsets)


def _with_itself(starts: Indices, offsets: Indices) -> Indices:
    """Where among all pairs those of each record with itself are."""
    sizes = np.diff(starts)
    place = np.arange(starts[-1]) - np.repeat(starts[:-1], sizes)
    found: Indices = np.repeat(offsets, sizes) + place * (np.repeat(sizes, sizes) + 1)
    return found


def steps_of(dice: NDArray[np.floating]) -> Steps:
    """Dice similarities, negative where missing, as steps.

    Args:
        dice: from 0 to 1, any shape.

    Returns:
        Of the same shape: 0 where missing, then 1 to LEVELS - 1 as they rise; the last for equal ones alone.
    """
    steps = 1 + np.floor(dice * (LEVELS - 2))
    steps[dice >= 0.99999] = LEVELS - 1
    steps[dice < 0] = 0
    found: Steps = np.minimum(steps, LEVELS - 1).astype(np.uint8)
    return found


def numbered_masks(seen: Blocks, listed: Blocks) -> tuple[Blocks, Blocks, NDArray[np.float32]]:
    """The same blocks with a number for each different mask, and the evidence of each two masks.

    Args:
        seen: blocks of a pass.
        listed: the list's.

    Returns:
        Both, with numbers from 0 in place of masks, and log-likelihood ratios, shape (masks, masks).
    """
    every, numbers = np.unique(np.concatenate([seen.masks, listed.masks]), return_inverse=True)
    one, other = np.split(numbers.astype(np.int64), [len(seen.masks)])
    share = (np.bincount(one, minlength=len(every)) + 1) / (len(one) + len(every))
    differing = np.bitwise_count(every[:, None] ^ every[None, :])
    table = differing * np.log(_MASK_ERRORS) - np.log(share)[:, None]
    return seen._replace(masks=one), listed._replace(masks=other), table.astype(np.float32)


def evidence_of_steps(
    seen: SeenPass, listed: Blocks, fields: Fields, *, encodings: int, rng: np.random.Generator
) -> NDArray[np.float32]:
    """How much likelier each two steps are, seen and of the list, if they are of the same values: its logarithm.

    Filters are drawn with known numbers of common positions, under two secrets; how often each number occurs is
    found from the list's own similarities by expectation maximisation.

    Args:
        seen: a pass, for the length and the fullness of filters.
        listed: the list's blocks, for how often similarities occur.
        fields: what the filters are.
        encodings: over how many encodings the list's similarities are means.
        rng: draws filters.

    Returns:
        Shape (comparisons, LEVELS seen, LEVELS of the list).
    """
    compared = comparisons(fields, seen.filters.shape[1])
    bits = seen.filters.shape[2] * 8
    two = np.ones(len(listed.pairs), dtype=bool)
    two[_with_itself(listed.starts, listed.offsets)] = False
    tables = np.zeros((len(compared.left), LEVELS, LEVELS), dtype=np.float32)
    kernels: dict[int, tuple[Floats, Floats]] = {}
    for number, field in enumerate(compared.left.tolist()):
        positions = _positions(seen, field, bits)
        if positions not in kernels:
            kernels[positions] = _kernels(positions, bits, encodings, rng)
        chosen = listed.pairs[two, number] if number < compared.alike else listed.pairs[:, number]
        counts = np.bincount(chosen, minlength=LEVELS).astype(np.float64)
        tables[number] = _table(counts, *kernels[positions])
    return tables


def _positions(seen: SeenPass, field: int, bits: int) -> int:
    """How many positions a value has in a field, from how many bits are set."""
    there = (seen.present >> np.uint32(field)) & 1 == 1
    if not there.any():
        return 1
    full = float(np.bitwise_count(seen.filters[there, field]).sum(axis=1).mean()) / bits
    return max(1, round(math.log1p(-min(full, 0.99)) / math.log1p(-1 / bits)))


def _kernels(positions: int, bits: int, encodings: int, rng: np.random.Generator) -> tuple[Floats, Floats]:
    """Chance of each step for each number of common positions: seen once, and as a mean over some encodings."""
    dice = np.empty((positions + 1, _DRAWS * encodings), dtype=np.float64)
    for common in range(positions + 1):
        drawn = rng.integers(0, bits, (dice.shape[1], 2 * positions - common))
        dice[common] = _dice_of_drawn(drawn, positions, bits)
    means = dice.reshape(positions + 1, _DRAWS, encodings).mean(axis=2)
    return _shares(dice), _shares(means)


def _shares(dice: Floats) -> Floats:
    steps = steps_of(dice)
    shares: Floats = np.stack([np.bincount(each, minlength=LEVELS) for each in steps]) / dice.shape[1]
    return shares


def _table(counts: Floats, seen: Floats, listed: Floats) -> NDArray[np.float32]:
    table = np.zeros((LEVELS, LEVELS), dtype=np.float32)
    counts[0] = 0
    if counts.sum() < 1:
        return table
    smooth_seen, smooth_listed = (each + 1e-5 for each in (seen, listed))
    prior = np.full(len(seen), 1 / len(seen))
    for _ in range(_ROUNDS):
        mixed = prior[:, None] * smooth_listed
        prior = (mixed / mixed.sum(axis=0) * (counts / counts.sum())).sum(axis=1)
    joint = np.einsum("s,sa,sb->ab", prior, smooth_seen, smooth_listed)
    apart = joint.sum(axis=1)[:, None] * joint.sum(axis=0)[None, :]
    ratio = (1 - ERRORS) * joint / np.maximum(apart, _LEAST) + ERRORS
    table[1:, 1:] = np.log(ratio)[1:, 1:]
    return table


@compiled
def _dice_of_drawn(drawn: NDArray[np.int64], positions: int, bits: int) -> Floats:
    """Of filters with the first columns in both, the next in one, the last in the other."""
    common = 2 * positions - drawn.shape[1]
    found = np.empty(len(drawn), dtype=np.float64)
    for draw in range(len(drawn)):
        in_one, in_other = np.zeros(bits, dtype=np.uint8), np.zeros(bits, dtype=np.uint8)
        for place in range(drawn.shape[1]):
            if place < positions:
                in_one[drawn[draw, place]] = 1
            if place < common or place >= positions:
                in_other[drawn[draw, place]] = 1
        both = 0
        for bit in range(bits):
            both += in_one[bit] & in_other[bit]
        found[draw] = 2 * both / (in_one.sum() + in_other.sum())
    return found


@compiled
def _add_dice(
    words: NDArray[np.uint64],
    present: NDArray[np.uint32],
    starts: Indices,
    offsets: Indices,
    left: NDArray[np.int64],
    right: NDArray[np.int64],
    pairs: NDArray[np.float32],
) -> None:
    """Add the Dice of each ordered pair of records of a block, a record with itself too; -1 where missing."""
    for block in range(len(offsets)):
        start, size = starts[block], starts[block + 1] - starts[block]
        for i in range(size):
            for j in range(size):
                at = offsets[block] + i * size + j
                for number in range(len(left)):
                    f, g = left[number], right[number]
                    if not (present[start + i] >> f) & 1 or not (present[start + j] >> g) & 1:
                        pairs[at, number] -= 1.0
                        continue
                    x, y = words[start + i, f], words[start + j, g]
                    in_x, in_y, both = bit_counts(x, y)
                    pairs[at, number] += 2.0 * both / max(in_x + in_y, 1)
