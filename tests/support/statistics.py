"""Small statistics for tests of privacy, in NumPy alone: how likely a difference as large is where there is none."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

Values = NDArray[Any]


def chi_squared(*tables: Values) -> float:
    """The p-value of independence in some tables of counts together, each of two rows that are groups.

    Args:
        tables: shape (2, classes) each; classes that nobody is in are left out.
    """
    statistic, freedom = 0.0, 0
    for table in tables:
        seen = table[:, table.sum(axis=0) > 0].astype(float)
        if seen.shape[1] < 2 or not seen.sum(axis=1).all():
            continue
        expected = np.outer(seen.sum(axis=1), seen.sum(axis=0)) / seen.sum()
        statistic += float(((seen - expected) ** 2 / expected).sum())
        freedom += seen.shape[1] - 1
    return _chi_squared_tail(statistic, freedom) if freedom else 1.0


def most_telling(tables: Sequence[Values]) -> float:
    """The p-value of the table that tells most, times their number: what one alone gives away counts in full."""
    return min(1.0, len(tables) * min(chi_squared(table) for table in tables))


def _chi_squared_tail(statistic: float, freedom: int) -> float:
    """Source: Wilson and Hilferty (1931), The distribution of chi-square, PNAS 17, 684-688."""
    spread = 2 / (9 * freedom)
    return 0.5 * math.erfc(((statistic / freedom) ** (1 / 3) - 1 + spread) / math.sqrt(2 * spread))


def mann_whitney(one: Values, other: Values) -> float:
    """The p-value of the two groups' values lying at the same height, with ties, two-sided."""
    n, m = len(one), len(other)
    _, places, counts = np.unique(np.concatenate([one, other]), return_inverse=True, return_counts=True)
    ranks = (np.cumsum(counts) - (counts - 1) / 2)[places]
    ties = float((counts.astype(float) ** 3 - counts).sum()) / ((n + m) * (n + m - 1))
    deviation = math.sqrt(n * m / 12 * (n + m + 1 - ties))
    above = float(ranks[:n].sum()) - n * (n + m + 1) / 2
    return math.erfc(abs(above) / deviation / math.sqrt(2)) if deviation else 1.0


def kolmogorov_smirnov(one: Values, other: Values) -> float:
    """The p-value of the two groups' values having one distribution, by the limit for large groups."""
    everywhere = np.concatenate([one, other])
    shares = [np.searchsorted(np.sort(each), everywhere, side="right") / len(each) for each in (one, other)]
    scaled = float(np.abs(shares[0] - shares[1]).max()) * math.sqrt(
        len(one) * len(other) / (len(one) + len(other))
    )
    if scaled < 0.3:
        return 1.0
    terms = (2 * (-1) ** (k - 1) * math.exp(-2 * (k * scaled) ** 2) for k in range(1, 101))
    return min(1.0, max(0.0, sum(terms)))
