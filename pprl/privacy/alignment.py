"""Arithmetic that attacks on whole filters share: two sets of records seen from one side each, laid over each other.

What is seen and what is listed are encoded under different secrets, so that no bit of one means a bit of the other.
What they have in common is how alike records are. `Evidence` says of every pair of a record and a listed person how
much likelier the numbers known of both are if they are one person than if they are not, as a logarithm. It is kept as
a product of two narrow matrices, and gone through in blocks: nothing here has a place for every pair.

Records are worked on in the order of their bytes, so that no attack's result hangs on the order in which it got them.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pprl.privacy.views import NOBODY, Bytes, Indices, Known, Names, Tick

Reals = NDArray[np.float32]

FEWEST = 10
"""With fewer records or listed people than this, graphs tell nothing."""

_BLOCK = 256
_HIGHEST = 0.97


@dataclass(frozen=True, slots=True)
class Evidence:
    """For record r and listed person p: seen[r] . listed[p] + of_seen[r] + of_listed[p], a log-likelihood ratio.

    Attributes:
        seen: shape (records, numbers).
        listed: shape (people, numbers).
        of_seen: shape (records,).
        of_listed: shape (people,).
    """

    seen: Reals
    listed: Reals
    of_seen: Reals
    of_listed: Reals


@dataclass(frozen=True, slots=True)
class Nearest:
    """The best pairs.

    Attributes:
        of_seen: each record's best listed person, shape (records,).
        of_listed: each listed person's best record, shape (people,).
        evidence: of each record's best pair, shape (records,).
        margin: by how much it is better than the record's second best, shape (records,).
    """

    of_seen: Indices
    of_listed: Indices
    evidence: Reals
    margin: Reals

    @property
    def mutual(self) -> Indices:
        """Records that are the best one of their best person."""
        return np.flatnonzero(self.of_listed[self.of_seen] == np.arange(len(self.of_seen)))


@dataclass(frozen=True, slots=True)
class Sorted:
    """Both sides in the order of their bytes.

    Attributes:
        seen: the filters, shape (records, bytes).
        listed: shape (people, bytes).
        known: as given, in the new order.
        order: where each record was, shape (records,).
        places: where each listed person was, shape (people,).
    """

    seen: Bytes
    listed: Bytes
    known: Known
    order: Indices
    places: Indices

    def names(self, found: Names, known: Known) -> Names:
        """Names in the order in which the records were given, with the known people as they were given."""
        names = np.full(len(found), NOBODY, dtype=np.int64)
        names[self.order] = np.where(found == NOBODY, NOBODY, self.places[found])
        names[known[:, 0]] = known[:, 1]
        return names


def in_order_of_bytes(seen: Bytes, listed: Bytes, known: Known) -> Sorted:
    """Sort both sides; records with the same bytes stay in the order in which they were.

    Args:
        seen: filters, shape (records, bytes).
        listed: of the same width, shape (people, bytes).
        known: recognised records and their places on the list.
    """
    order, places = (np.lexsort(side.T[::-1]).astype(np.int64) for side in (seen, listed))
    rows, people = np.empty_like(order), np.empty_like(places)
    rows[order], people[places] = np.arange(len(order)), np.arange(len(places))
    moved = np.stack([rows[known[:, 0]], people[known[:, 1]]], axis=1)
    return Sorted(seen[order], listed[places], moved[np.argsort(moved[:, 0])], order, places)


def centred_bits(filters: Bytes) -> Reals:
    """Bits as numbers, less how often each is set; shape (records, bits)."""
    bits = np.unpackbits(filters, axis=1).astype(np.float32)
    bits -= bits.mean(axis=0)
    return bits


def principal(bits: Reals, most: int) -> Reals:
    """Scores of the largest principal components, the largest first.

    They are the eigenvectors of the similarity graph's matrix bits bits', times the roots of their eigenvalues, found
    without that matrix.

    Args:
        bits: centred, shape (records, bits).
        most: components, if there are as many.
    """
    axes = np.linalg.eigh((bits.T @ bits).astype(np.float64))[1][:, ::-1][:, :most]
    scores: Reals = bits @ axes.astype(np.float32)
    return scores


def standardised(scores: Reals) -> Reals:
    """Columns of variance one; columns without any are left out."""
    spread = scores.std(axis=0)
    kept = spread > 1e-4 * spread.max(initial=0)
    one: Reals = scores[:, kept] / spread[kept]
    return one


def jointly_normal(seen: Reals, listed: Reals, correlations: NDArray[np.floating]) -> Evidence:
    """Evidence of numbers that are normal with variance one, and correlated by so much in a true pair.

    Args:
        seen: shape (records, numbers).
        listed: shape (people, numbers).
        correlations: shape (numbers,), each at least 0; what is above .97 counts as that.
    """
    rho = np.minimum(correlations, _HIGHEST).astype(np.float32)
    weight = rho / (1 - rho**2)
    return Evidence(
        seen * weight, listed, -0.5 * (seen**2) @ (weight * rho), -0.5 * (listed**2) @ (weight * rho)
    )


def both(one: Evidence, other: Evidence) -> Evidence:
    """Evidence of numbers that have nothing to do with each other.

    Args:
        one: shape (records, numbers) and (people, numbers).
        other: of the same records and people; its numbers stand behind those of the first.
    """
    return Evidence(
        np.hstack([one.seen, other.seen]),
        np.hstack([one.listed, other.listed]),
        one.of_seen + other.of_seen,
        one.of_listed + other.of_listed,
    )


def canonical(seen: Reals, listed: Reals, rows: Indices, people: Indices) -> tuple[Evidence, int]:
    """Evidence of numbers that mean different things on the two sides, learnt from pairs, many of which may be wrong.

    Finds the directions in which the pairs agree, and leaves out those whose agreement may be chance: random pairs
    reach a correlation of 2 sqrt(numbers / pairs).

    Args:
        seen: shape (records, numbers).
        listed: shape (people, numbers).
        rows: record of each pair.
        people: listed person of each pair.

    Returns:
        The evidence, and the number of directions that were kept.

    Source: Hotelling, "Relations between two sets of variates" (1936); the rotation alone is Procrustes analysis
    (Schönemann 1966).
    """
    left, right = _whitening(seen[rows]), _whitening(listed[people])
    one, other = ((seen - left[0]) @ left[1], (listed - right[0]) @ right[1])
    turn, agreement, back = np.linalg.svd(one[rows].T @ other[people] / len(rows))
    chance = 4 * seen.shape[1] / len(rows)
    rho = np.sqrt(np.maximum(agreement**2 - chance, 0))
    kept = rho > 0
    return jointly_normal(one @ turn[:, kept], other @ back.T[:, kept], rho[kept]), int(kept.sum())


def _whitening(sample: Reals) -> tuple[Reals, Reals]:
    """The mean of numbers, and the axes in which they are uncorrelated, damped where there are few."""
    mean = sample.mean(axis=0)
    centred = sample - mean
    variances, axes = np.linalg.eigh(centred.T @ centred / len(sample))
    return mean, axes / np.sqrt(np.maximum(variances, 0) + 0.02)


def blocks(evidence: Evidence, tick: Tick) -> Iterator[tuple[slice, Reals]]:
    """The evidence of some records and everybody listed at a time, to be written over at will.

    Args:
        evidence: of all.
        tick: called before each block; it may raise to end the attack.

    Yields:
        The records, and their evidence, shape (records of the block, people).
    """
    for start in range(0, len(evidence.seen), _BLOCK):
        tick()
        rows = slice(start, start + _BLOCK)
        values = evidence.seen[rows] @ evidence.listed.T
        values += evidence.of_seen[rows, None]
        values += evidence.of_listed
        yield rows, values


def nearest(evidence: Evidence, tick: Tick) -> Nearest:
    """The best of each side on the other; of equals, the first.

    Args:
        evidence: of all records and everybody listed.
        tick: called before each block; it may raise to end the attack.
    """
    records, people = len(evidence.seen), len(evidence.listed)
    of_seen, of_listed = np.zeros(records, dtype=np.int64), np.zeros(people, dtype=np.int64)
    best, margin = np.zeros(records, dtype=np.float32), np.zeros(records, dtype=np.float32)
    highest = np.full(people, -np.inf, dtype=np.float32)
    everybody = np.arange(people)
    for rows, values in blocks(evidence, tick):
        first, here = values.argmax(axis=0), np.arange(len(values))
        higher = values[first, everybody] > highest
        highest[higher] = values[first, everybody][higher]
        of_listed[higher] = first[higher] + rows.start
        of_seen[rows] = chosen = values.argmax(axis=1)
        best[rows] = values[here, chosen]
        values[here, chosen] = -np.inf
        margin[rows] = best[rows] - values.max(axis=1)
    return Nearest(of_seen, of_listed, best, margin)
