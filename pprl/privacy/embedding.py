"""Node embedding: records become points by whom they are near, and the two clouds of points are turned onto each other.

What is seen: one filter a record (scheme `clk`). What is known: a list of people, encoded under another secret; all
parameters; and some records whose people the attacker recognises.

The tour. On either side each record is joined to those that are most like it; the rest, mostly noise, is forgotten. A
walker who goes from record to record along these joins is, after a few steps, more often at some records than at
others: that gives each record a point, near the points of records with the same surroundings. The points of the two
sides mean the same up to a turn. The first pairs are those that places in the graph (`places`) and nearness to the
known people (`profiles`) make likely; from them the turn is learnt, with it better pairs are found, and so on, as in
`spectral`. In the end everybody who is recognised serves as known (`propagation`).

Source: Vidanage, Christen, Ranbaduge and Schnell, "A graph matching attack on privacy-preserving record linkage"
(2020); Schaefer, Armknecht and Heng, "R+R: Revisiting graph matching attacks on privacy-preserving record linkage"
(2024), which puts node embeddings in the place of features; Qiu, Dong, Ma, Li, Wang and Tang, "Network embedding as
matrix factorization: unifying DeepWalk, LINE, PTE, and node2vec" (2018), walks without walking.

It fails where a record's nearest are nearest by chance, as after several exclusive-or folds, and with few of the
people listed and few known.
"""

from __future__ import annotations

import numpy as np
from scipy.sparse import csr_matrix, diags
from scipy.sparse.linalg import eigsh

from pprl.privacy.alignment import FEWEST, Reals, both, centred_bits, in_order_of_bytes, standardised
from pprl.privacy.places import evidence_of_places
from pprl.privacy.profiles import evidence_of_profiles, unit_length
from pprl.privacy.propagation import spread
from pprl.privacy.spectral import Sides, aligned
from pprl.privacy.views import NOBODY, Bytes, Known, Names, Tick

_NEIGHBOURS, _DIMENSIONS, _STEPS = 20, 128, 5
_LEAST_STRENGTH = 1e-3
_BLOCK = 256


def attack(seen: Bytes, listed: Bytes, known: Known, *, rng: np.random.Generator, tick: Tick) -> Names:
    """Name records by their surroundings. Departments run it.

    Args:
        seen: filters, shape (records, bytes).
        listed: the list's, under another secret, shape (people, bytes).
        known: people known to begin with; there may be none.
        rng: draws where to begin, halves and samples.
        tick: called for each block of records.

    Returns:
        The place on the list of each record, or NOBODY.
    """
    names = np.full(len(seen), NOBODY, dtype=np.int64)
    ordered = in_order_of_bytes(seen, listed, known)
    if min(len(seen), len(listed)) < FEWEST:
        return ordered.names(names, known)
    left, right = centred_bits(ordered.seen), centred_bits(ordered.listed)
    start = evidence_of_places(left, right, rng, tick)
    places = start.seen.shape[1]
    left, right = unit_length(left), unit_length(right)
    points = [standardised(embedded(side, rng, tick)) for side in (left, right)]
    if len(known):
        rows, people = ordered.known.T
        start = both(start, evidence_of_profiles(left, right, rows, people))
    sides = Sides(
        np.hstack([start.seen[:, :places], points[0]]),
        np.hstack([start.listed[:, :places], points[1]]),
        places,
        ordered.known,
    )
    pairs = spread(aligned(sides, start, rng, tick), left, right, ordered.known, tick)
    names[pairs.mutual] = pairs.of_seen[pairs.mutual]
    return ordered.names(names, known)


def embedded(side: Reals, rng: np.random.Generator, tick: Tick) -> Reals:
    """Points for records by walks among their nearest; shape (records, dimensions).

    Args:
        side: rows of length one, shape (records, bits).
        rng: draws where the search for eigenvectors begins.
        tick: called for each block of records.
    """
    joins = _joins(side, tick)
    degree = np.asarray(joins.sum(axis=1)).reshape(-1)
    scale = diags(1 / np.sqrt(np.maximum(degree, 1e-12)))
    most = min(_DIMENSIONS, len(side) - 2)
    values, vectors = eigsh(scale @ joins @ scale, k=most, which="LA", v0=rng.standard_normal(len(side)))
    walked = np.mean([np.abs(values) ** step for step in range(1, _STEPS + 1)], axis=0)
    order = np.argsort(-values)
    points: Reals = (scale @ (vectors * np.sqrt(walked)))[:, order].astype(np.float32)
    return points


def _joins(side: Reals, tick: Tick) -> csr_matrix:
    """Each record joined to those most like it, as strongly as they are more alike than the last of these."""
    neighbours = min(_NEIGHBOURS, len(side) - 2)
    to, strength = [], []
    for start in range(0, len(side), _BLOCK):
        tick()
        alike = side[start : start + _BLOCK] @ side.T
        here = np.arange(len(alike))
        alike[here, here + start] = -np.inf
        nearest_ones = np.argpartition(-alike, neighbours, axis=1)[:, : neighbours + 1]
        values = np.take_along_axis(alike, nearest_ones, axis=1)
        to.append(nearest_ones)
        strength.append(values - values.min(axis=1, keepdims=True) + _LEAST_STRENGTH)
    columns, values = np.concatenate(to), np.concatenate(strength)
    rows = np.repeat(np.arange(len(side)), neighbours + 1)
    joins = csr_matrix((values.reshape(-1), (rows, columns.reshape(-1))), shape=(len(side), len(side)))
    return joins + joins.T
