"""How sure an estimate of wrong links or missed matches is. The key issuer runs this, for both schemes. Pure.

A number of pairs that the model expects has a variance of three parts: chance if the model is right, as of a
Poisson count, or more where wrong links come several at a time; what the evidence leaves open of the model, from the
draws of the calibration; and what no draw shows, because the model's form is only nearly right. The last is
`MODEL_SPREAD`, the standard deviation of the log of true over expected numbers, and was chosen on generated linkages
(docs/decisions/0003); docs/quality.md says how often the intervals hold on others. To the expected wrong links come
`unseen_coincidences`, of which no pair inside a dataset shows one.

Source: a negative binomial count as a mixture of Poisson ones; Wilson and Hilferty (1931) for quantiles of the gamma
distribution that stands in for it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

# Standard normal quantile of a two-sided interval of 95 %.
QUANTILE_95 = 1.96
LEAST_SHAPE = 0.1
# What no draw of the calibration shows, for wrong links and for missed matches.
MODEL_SPREAD = 0.22
# The model errs to the careful side more often: there may be many fewer wrong links than expected.
CAREFUL_SPREAD = 0.5
MISSED_SPREAD = 0.3
# Wrong links that are expected beyond the model's own: for every thousand records of the largest dataset, and at least,
# where as many pairs could be inside datasets as between them.
UNSEEN_A_THOUSAND, FEWEST_UNSEEN = 0.25, 0.25

Numbers = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Interval:
    """An estimated share, and the interval that holds the true one in 95 of 100 linkages.

    Attributes:
        estimate: the expected share.
        lower: lower end of the interval.
        upper: upper end.
    """

    estimate: float
    lower: float
    upper: float


def between(
    expected: Numbers, variance: Numbers, more: float, fewer: float | None = None
) -> tuple[Numbers, Numbers]:
    """The numbers between which the true one is expected in 95 of 100 linkages.

    Args:
        expected: expected numbers, any shape, from 0.
        variance: of them, without what no draw shows.
        more: standard deviation of the log of true over expected numbers, where there are more than expected.
        fewer: the same where there are fewer; None if it is equal.

    Returns:
        Lower and upper ends, the same shape.
    """
    lower = _quantile(expected, variance, more if fewer is None else fewer, -QUANTILE_95)
    upper = _quantile(expected, variance, more, QUANTILE_95)
    return np.minimum(lower, expected), np.maximum(upper, expected)


def _quantile(expected: Numbers, variance: Numbers, spread: float, normal: float) -> Numbers:
    whole = variance + expected**2 * np.expm1(spread**2)
    shape = np.maximum(expected, 1e-9) ** 2 / np.maximum(whole, 1e-12)
    # Below, the distribution is so skewed that its stand-in fails, and would say too little.
    shape = np.maximum(shape, LEAST_SHAPE)
    root = np.maximum(1 - 1 / (9 * shape) + normal / (3 * np.sqrt(shape)), 0.0)
    return np.asarray(expected * root**3, dtype=np.float64)


def unseen_coincidences(rows: Sequence[int], between: float, inside: float) -> float:
    """As many wrong links as may hide behind pairs of different people that show none like them.

    Relatives and namesakes are too various to be all among the pairs inside datasets. On generated linkages with
    overlaps of 5 to 50 % there were .15 to .3 more wrong links than the model expected, a thousand records.

    Args:
        rows: records of each dataset that could be compared.
        between: pairs that could be between datasets.
        inside: pairs that could be inside those datasets that show what different people look like.
    """
    unseen = max(UNSEEN_A_THOUSAND * max(rows, default=0) / 1_000, FEWEST_UNSEEN)
    return unseen * between / max(inside, 1.0)
