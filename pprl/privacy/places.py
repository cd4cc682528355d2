"""What a record's place in the similarity graph says about it, whatever its filter's bits mean.

How many others are how much like a record (a common name, a large household), how much its filter differs from the
average one, and the same of the records that are like it: none of that changes with the secret. `evidence_of_places`
finds out by itself how far such numbers can be trusted: the halves of the bits of one filter are two encodings of the
same person with half the size, and the halves of the other records two populations to be compared with.

Source: Vidanage, Christen, Ranbaduge and Schnell, "A graph matching attack on privacy-preserving record linkage"
(2020), features of nodes. That their weights are learnt from halves is our own addition.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from scipy.linalg import eigh
from scipy.special import ndtri
from scipy.stats import rankdata

from pprl.privacy.alignment import Evidence, Reals, jointly_normal, principal
from pprl.privacy.views import Indices, Tick

MOST_OTHERS = 5_000

_COMPONENTS = 200
_BLOCK = 256
# Place, in 5,000 others, of those whose similarity is looked at: most of them close by.
_RANKS = np.array([0, 1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024, 2048, 3000, 4000, 4500, 4800, 4900, 4950])
_LEAST_CORRELATION = 0.15
# Noise of a whole filter beside that of half of it.
_NOISE_LEFT = 0.5


def evidence_of_places(seen: Reals, listed: Reals, rng: np.random.Generator, tick: Tick) -> Evidence:
    """How likely pairs are by their places alone.

    Args:
        seen: centred bits, shape (records, bits).
        listed: of the list, shape (people, bits).
        rng: draws halves, and the others with whom records are compared where there are too many.
        tick: called for each block of records.
    """
    most = min(len(seen), len(listed), MOST_OTHERS)
    places = [_places(side, _some(len(side), most, rng), tick) for side in (seen, listed)]
    noise = np.vstack([_difference_of_halves(side, most, rng, tick) for side in (seen, listed)])
    within = _NOISE_LEFT * (noise.T @ noise) / (2 * len(noise))
    total = np.cov(np.vstack(places).T)
    damping = 0.02 * np.eye(len(total))
    unsure, axes = eigh(within + damping, total + damping)
    correlations = 1 - unsure
    kept = correlations > _LEAST_CORRELATION
    one, other = (side @ axes[:, kept].astype(np.float32) for side in places)
    return jointly_normal(one, other, correlations[kept])


def _some(records: int, most: int, rng: np.random.Generator) -> Indices:
    return np.sort(rng.permutation(records)[:most])


def _difference_of_halves(bits: Reals, most: int, rng: np.random.Generator, tick: Tick) -> Reals:
    """Places by half of the bits and of the others, less those by the other halves."""
    others, columns = rng.permutation(_some(len(bits), most, rng)), rng.permutation(bits.shape[1])
    one, other = (
        _places(bits[:, np.sort(half)], np.sort(those), tick)
        for half, those in zip(np.array_split(columns, 2), np.array_split(others, 2), strict=True)
    )
    return one - other


def _places(bits: Reals, others: Indices, tick: Tick) -> Reals:
    """Numbers that tell a record's place among others; shape (records, numbers), each normal over the records."""
    scores = principal(bits, _COMPONENTS)
    length = np.sqrt((scores**2).sum(axis=1))
    scores = scores / np.maximum(length, 1e-6)[:, None]
    ranks = np.minimum(_RANKS * len(others) // MOST_OTHERS, len(others) - 1)
    own = np.empty((len(bits), 5 + len(ranks)), dtype=np.float32)
    own[:, 0], own[:, 1] = length, (bits**2).sum(axis=1)
    for rows, alike in _similarities(scores, others, tick):
        own[rows, 2:5] = np.stack([(alike**power).mean(axis=1) for power in (2, 3, 4)], axis=1)
        alike.sort(axis=1)
        own[rows, 5:] = alike[:, len(others) - 1 - ranks]
    own = _normal(own)
    around = np.empty_like(own)
    for rows, alike in _similarities(scores, others, tick):
        weight = np.maximum(alike, 0) ** 3
        around[rows] = (weight @ own[others]) / np.maximum(weight.sum(axis=1), 1e-12)[:, None]
    return np.hstack([own, _normal(around)])


def _similarities(scores: Reals, others: Indices, tick: Tick) -> Iterator[tuple[slice, Reals]]:
    """How alike some records and all others are at a time; nobody is like itself."""
    column = np.full(len(scores), -1)
    column[others] = np.arange(len(others))
    for start in range(0, len(scores), _BLOCK):
        tick()
        rows = slice(start, start + _BLOCK)
        alike = scores[rows] @ scores[others].T
        itself = np.flatnonzero(column[rows] >= 0)
        alike[itself, column[rows][itself]] = 0
        yield rows, alike


def _normal(numbers: Reals) -> Reals:
    """Each column's ranks as normal scores."""
    ranks = (rankdata(numbers, axis=0) - 0.5) / len(numbers)
    scores: Reals = ndtri(ranks).astype(np.float32)
    return scores
