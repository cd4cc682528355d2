"""How alike a record is to people already recognised: numbers that mean the same on both sides.

Source: Narayanan and Shmatikov, "De-anonymizing social networks" (2009), where nodes are compared by the neighbours
that are recognised already; here all similarities count, each as far as it is more than noise.
"""

from __future__ import annotations

import numpy as np

from pprl.privacy.alignment import Evidence, Reals, jointly_normal
from pprl.privacy.views import Indices

_LEAST_CORRELATION = 0.05
_MOST_NOISE = 0.95


def unit_length(bits: Reals) -> Reals:
    """Rows scaled so that their products are correlations; empty ones stay empty."""
    lengths = np.sqrt((bits**2).sum(axis=1))
    scaled: Reals = bits / np.maximum(lengths, 1e-6)[:, None]
    return scaled


def evidence_of_profiles(seen: Reals, listed: Reals, rows: Indices, people: Indices) -> Evidence:
    """How likely pairs are by their similarities to people who are recognised.

    How far similarities can be trusted is learnt from the recognised people's similarities among themselves, which
    are there on both sides.

    Args:
        seen: rows of length one, shape (records, bits).
        listed: of the list, shape (people, bits).
        rows: records that are recognised, some of them perhaps wrongly.
        people: their places on the list.
    """
    one, other = _profiles(seen, rows), _profiles(listed, people)
    noise = min(float(((one[rows] - other[people]) ** 2).mean()) / 2, _MOST_NOISE)
    total = (one.T @ one + other.T @ other) / (len(one) + len(other))
    variances, axes = np.linalg.eigh(total)
    correlations = 1 - noise / np.maximum(variances, 1e-6)
    kept = (correlations > _LEAST_CORRELATION) & (variances > 1e-6)
    axes = axes[:, kept] / np.sqrt(variances[kept])
    return jointly_normal(one @ axes, other @ axes, correlations[kept])


def _profiles(side: Reals, recognised: Indices) -> Reals:
    """Similarity to each recognised record, each column with mean nought and variance one; to itself, the mean."""
    profiles = side @ side[recognised].T
    itself = recognised, np.arange(len(recognised))
    profiles[itself] = 0
    others = max(1, len(side) - 1)
    mean = profiles.sum(axis=0) / others
    profiles -= mean
    profiles[itself] = 0
    spread = np.sqrt((profiles**2).sum(axis=0) / others)
    scaled: Reals = profiles / np.maximum(spread, 1e-6)
    return scaled
