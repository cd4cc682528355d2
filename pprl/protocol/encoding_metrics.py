"""Whether encodings look like random bits, told from the encodings alone. Departments and the matcher measure alike.

The attacks that name people without the secret need structure: bits that go together, records that resemble each
other, bits that are set more often than others. Encodings of scheme `clk` that are folded enough show none. This
measures five such things, each of which is known for random bits:

    top eigenvalue        of the bits' correlation matrix, over the Marchenko-Pastur limit (1 + sqrt(B / n)) ** 2,
                          with B bits and n records
    rms correlation       root of the mean squared correlation of two bits, over 1 / sqrt(n - 1), which is chance's
    largest correlation   of any two bits
    visible pairs         other records, for each record on average, that are more alike to it than chance makes them:
                          the phi coefficient of the two records' bits, times sqrt(B - 1), is above z. Normal noise
                          is above z as often as makes .06 visible pairs a record, so that z grows with n
    frequency Gini        Gini coefficient of how often each bit is set

Not the entropy of bits, and not how often an encoding stands twice: encodings salted by year of birth, which are
broken, look perfect in both.

The tour. Of more than 20,000 records a sample is measured: those whose mixed bytes come first in order, so that who has
the same encodings in another order takes the same ones. Equal encodings count once. All counts are of whole numbers,
bits by AND and popcount, so that two machines get the same. Where a dataset may have several records of a person, these
are visible pairs for an honest reason: then the other four are measured on records no two of which are visible, and
more visible pairs are allowed.

What this does not show: that encodings resist attacks. It refuses what is known to be weak; `pprl risk` attacks.

Source: Marchenko and Pastur (1967) for the eigenvalues, Johnstone (2001) for their noise; the choice of what to
measure is our own.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.sparse.linalg import ArpackError, eigsh
from scipy.stats import norm, poisson

from pprl.protocol.framing import Bytes
from pprl.protocol.levels import compiled

MOST_MEASURED = 20_000
FEWEST_JUDGED = 100
"""Among 100 encodings, plain ones and ones salted by year of birth still show; of fewer, nobody has measured it."""

# Of the limits for 20,000 records, and of the noise that fewer have: a false refusal in 10,000 checks.
_FALSE = 1e-4
_MOST_EIGENVALUE = 1.10
_MOST_RMS = 1.02
_MOST_CORRELATION = 0.06
_MOST_VISIBLE, _MOST_VISIBLE_OF_COPIES = 0.15, 5.0
_MOST_GINI_OVER_NOISE = 0.016
_VISIBLE_BY_CHANCE = 0.06

_ROWS_AT_ONCE = 4096
_MIXED = 0x9E3779B97F4A7C15

Words = NDArray[np.uint64]
Counts = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class EncodingMetrics:
    """What was measured of a dataset's encodings. Says nothing of any one record.

    Attributes:
        records: different encodings measured, at most 20,000; where there may be several records of a person, how
            many of them are unlike each other.
        bits: of an encoding.
        copies: whether a person may have several records.
        share: mean share of bits set.
        top_eigenvalue: over the Marchenko-Pastur limit.
        rms_correlation: over noise.
        largest_correlation: of two bits, without its sign.
        visible_pairs: a record.
        frequency_gini: from 0, where all bits are set as often, to 1.
    """

    records: int
    bits: int
    copies: bool
    share: float
    top_eigenvalue: float
    rms_correlation: float
    largest_correlation: float
    visible_pairs: float
    frequency_gini: float


def measure(filters: Bytes, *, copies: bool = False) -> EncodingMetrics:
    """Measure encodings. Departments run it before sealing, the matcher on what it has opened.

    Args:
        filters: shape (records, bytes), in any order; a multiple of 8 bytes each.
        copies: whether a person may have several records.
    """
    rows = sample(filters).view(np.uint64)
    bits = 8 * filters.shape[1]
    visible, apart = _visible(rows, bits)
    measured = rows[apart] if copies else rows
    together = _together(measured)
    often = np.diagonal(together).astype(np.int64)
    correlation = _correlation(together, len(measured))
    top = _top_eigenvalue(correlation)
    np.fill_diagonal(correlation, 0)
    squares = float(np.einsum("ij,ij->", correlation, correlation))
    return EncodingMetrics(
        records=len(measured),
        bits=bits,
        copies=copies,
        share=float(often.mean() / max(len(measured), 1)),
        top_eigenvalue=top / _random_eigenvalue(bits, len(measured)),
        rms_correlation=float(np.sqrt(squares / (bits * (bits - 1)) * (len(measured) - 1))),
        largest_correlation=float(max(correlation.max(), -correlation.min())),
        visible_pairs=2 * visible / max(len(rows), 1),
        frequency_gini=_gini(often),
    )


def problems(metrics: EncodingMetrics) -> tuple[str, ...]:
    """What does not look like random bits, each with its limit. Whoever measured runs it.

    The limits are those of 20,000 records. Chance alone makes correlations, visible pairs and frequencies of fewer
    records vary more: there the limit is what chance exceeds less than once in 10,000 times. Visible pairs are judged
    however few records there are; the rest of `FEWEST_JUDGED` records or more, and fewer are a problem in themselves.
    """
    told = [("visible pairs a record", metrics.visible_pairs, _visible_limit(metrics))]
    few = metrics.records < FEWEST_JUDGED
    if not few:
        told += [
            (
                "top eigenvalue of bit correlations over the random limit",
                metrics.top_eigenvalue,
                _MOST_EIGENVALUE,
            ),
            ("root mean square of bit correlations over noise", metrics.rms_correlation, _MOST_RMS),
            ("largest correlation of two bits", metrics.largest_correlation, _correlation_limit(metrics)),
            ("Gini coefficient of bit frequencies", metrics.frequency_gini, _gini_limit(metrics)),
        ]
    found = [f"{name}: {value:.3f}, at most {limit:.3f}" for name, value, limit in told if value > limit]
    if few and not found:
        found.append(f"too few different encodings to judge: {metrics.records}, at least {FEWEST_JUDGED}")
    return tuple(found)


def _correlation_limit(metrics: EncodingMetrics) -> float:
    pairs = metrics.bits * (metrics.bits - 1)
    return max(_MOST_CORRELATION, float(norm.isf(_FALSE / pairs) / np.sqrt(metrics.records - 1)))


def _visible_limit(metrics: EncodingMetrics) -> float:
    pairs = float(poisson.isf(_FALSE, _VISIBLE_BY_CHANCE * metrics.records / 2))
    most = 2 * pairs / max(metrics.records, 1)
    return max(_MOST_VISIBLE_OF_COPIES if metrics.copies else _MOST_VISIBLE, most)


def _gini_limit(metrics: EncodingMetrics) -> float:
    """What the frequencies of independent bits differ by, and what the limit for 20,000 records leaves above that."""
    noise = np.sqrt((1 - metrics.share) / (np.pi * metrics.share * metrics.records))
    return float(noise) + _MOST_GINI_OVER_NOISE


def sample(filters: Bytes) -> Bytes:
    """At most 20,000 different encodings, the same ones in the same order for the same content.

    The sample of a sample and more encodings is that of all of them, so that they may come in pieces.

    Args:
        filters: shape (records, bytes), a multiple of 8 bytes each.
    """
    rows = np.ascontiguousarray(filters).view(np.uint64)
    mixed = np.zeros(len(rows), dtype=np.uint64)
    for word in range(rows.shape[1]):
        mixed = (mixed ^ rows[:, word]) * np.uint64(_MIXED)
        mixed ^= mixed >> np.uint64(29)
    order = np.argsort(mixed, kind="stable")
    order = order[np.concatenate([[True], mixed[order][1:] != mixed[order][:-1]])[: len(order)]]
    chosen: Words = rows[order[:MOST_MEASURED]]
    return chosen.view(np.uint8)


def _visible(rows: Words, bits: int) -> tuple[int, NDArray[np.bool_]]:
    """How many pairs are visible, and a mask of rows none of which is visible to another."""
    apart = np.ones(len(rows), dtype=np.bool_)
    if len(rows) < 2:
        return 0, apart
    least = float(norm.isf(min(_VISIBLE_BY_CHANCE / (len(rows) - 1), 0.5))) / np.sqrt(bits - 1)
    in_row = np.bitwise_count(rows).sum(axis=1, dtype=np.int64)
    spread = np.sqrt((in_row * (bits - in_row)).astype(np.float64))
    return int(_count_visible(rows, in_row, spread, least, bits, apart)), apart


def _together(rows: Words) -> NDArray[np.int32]:
    """How many records have each two bits set, shape (bits, bits)."""
    columns = _columns(rows)
    together = np.zeros((len(columns), len(columns)), dtype=np.int32)
    _count_together(columns, together)
    return together


def _columns(rows: Words) -> Words:
    """The rows' bits by columns: shape (bits, words)."""
    words = -(-len(rows) // 64)
    columns = np.zeros((rows.shape[1] * 64, words * 8), dtype=np.uint8)
    for start in range(0, len(rows), _ROWS_AT_ONCE):
        packed = np.packbits(
            np.unpackbits(rows[start : start + _ROWS_AT_ONCE].view(np.uint8), axis=1).T, axis=1
        )
        columns[:, start // 8 : start // 8 + packed.shape[1]] = packed
    return columns.view(np.uint64)


def _correlation(together: NDArray[np.int32], records: int) -> NDArray[np.float64]:
    """Correlation of each two bits; of a bit that is always or never set, none."""
    often = np.diagonal(together) / max(records, 1)
    spread = np.sqrt(often * (1 - often))
    scale = np.divide(1, spread, out=np.zeros_like(spread), where=spread > 0)
    correlation: NDArray[np.float64] = together / max(records, 1)
    correlation -= often[:, None] * often
    correlation *= scale[:, None]
    correlation *= scale
    return correlation


def _top_eigenvalue(correlation: NDArray[np.float64]) -> float:
    start = np.cos(np.arange(len(correlation)))
    try:
        found = eigsh(correlation, k=1, which="LA", v0=start, ncv=64, tol=1e-4, return_eigenvectors=False)
        return float(found[0])
    except ArpackError:
        return float(np.linalg.eigvalsh(correlation)[-1])


def _random_eigenvalue(bits: int, records: int) -> float:
    return float((1 + np.sqrt(bits / max(records, 1))) ** 2)


def _gini(often: Counts) -> float:
    """Gini coefficient: half the mean difference of two bits' frequencies, over their mean."""
    total = int(often.sum())
    if not total:
        return 0.0
    places = np.arange(1, len(often) + 1)
    return float((2 * places - len(often) - 1) @ np.sort(often)) / (len(often) * total)


# SWAR constants for counting bits; LLVM turns the idiom into the processor's own instruction.
_M1, _M2, _M4 = np.uint64(0x5555555555555555), np.uint64(0x3333333333333333), np.uint64(0x0F0F0F0F0F0F0F0F)
_H01 = np.uint64(0x0101010101010101)
_ONE, _TWO, _FOUR, _LAST_BYTE = np.uint64(1), np.uint64(2), np.uint64(4), np.uint64(56)


@compiled
def _common(x: Words, y: Words) -> int:
    common = 0
    for place in range(len(x)):
        word = x[place] & y[place]
        word -= (word >> _ONE) & _M1
        word = (word & _M2) + ((word >> _TWO) & _M2)
        word = (word + (word >> _FOUR)) & _M4
        common += int((word * _H01) >> _LAST_BYTE)
    return common


@compiled
def _count_together(columns: Words, together: NDArray[np.int32]) -> None:
    for one in range(len(columns)):
        for other in range(one + 1):
            common = _common(columns[one], columns[other])
            together[one, other] = common
            together[other, one] = common


@compiled
def _count_visible(
    rows: Words,
    in_row: Counts,
    spread: NDArray[np.float64],
    least: float,
    bits: int,
    apart: NDArray[np.bool_],
) -> int:
    """Pairs whose phi coefficient is above `least`; a row that is visible to an earlier one that stays is taken out."""
    visible = 0
    for one in range(len(rows)):
        for other in range(one):
            common = bits * _common(rows[one], rows[other]) - in_row[one] * in_row[other]
            if common > least * spread[one] * spread[other]:
                visible += 1
                if apart[other]:
                    apart[one] = False
    return visible
