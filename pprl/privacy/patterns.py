"""Pattern mining: bits that are always set together are a token's, and the most frequent tokens are known.

What is seen: Bloom filters of an attribute or of whole records, hashed alike in every record. What is known: a list of
people, of these or of others, and how values are taken apart into tokens (pairs of letters). Not the hash functions,
and not the secret.

The tour, in four steps.

1. *Mine.* A token sets the same bits wherever it is. From each bit and the bits that go with it most, the records are
   taken that have them all, then every bit that these nearly always have, and so on until nothing changes. What is left
   is a pattern: a token's bits, and the records that it is in.
2. *Align.* Patterns go together in records as often as their tokens do in people: both sides give a matrix of how
   often each two are found together. The assignment of patterns to tokens under which the matrices agree best is sought
   by Frank and Wolfe's method, from the order of frequencies.
3. *Read.* A value's filter follows from its tokens' bits. So each filter is set against each person's tokens: which
   person explains it best, by the chance that each token sets each bit?
4. *Learn.* Filters that are read surely show which bits their other tokens set, rare ones too. Steps 3 and 4 take
   turns.

A record is given the person who explains it clearly better than the next, and well in itself; of several people with
the same tokens, one at random.

Source: Christen, Ranbaduge, Vatsalan and Schnell, "Precise and fast cryptanalysis for Bloom filter based
privacy-preserving record linkage" (2019), and Christen, Vidanage, Ranbaduge and Schnell, "Pattern-mining based
cryptanalysis of Bloom filters for privacy-preserving record linkage" (2018), for mining and reading. Vogelstein et al.,
"Fast approximate quadratic programming for graph matching" (2015), for the alignment, which they do by frequency alone.
Learning by likelihood is our own addition.

It fails where no bit is a token's own: in filters folded three times, in filters salted by block, and in filters of
whole records with as many tokens as a drafted plain CLK has, of which it names nobody. It is for filters of one
attribute or of a few. It needs some hundred different filters.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import linear_sum_assignment

from pprl.privacy.views import NOBODY, Bytes, Indices, Names, Tick

_CORES = (3, 2, 4)
_LEAST_SUPPORT, _FEWEST_FILTERS = 0.01, 8
_NEARLY_ALWAYS = 0.97
_SAME_RECORDS = 0.85
_MOST_PATTERNS, _MORE_TOKENS, _FEWEST_PATTERNS = 60, 20, 5
_MOST_STEPS = 60
_BEGINNINGS = (0.01, 0.02, 0.04, 0.08)
_FREQUENCY_WEIGHT = 4.0
_ROUNDS = 8
_ROWS_AT_ONCE = 1024
_BY_ACCIDENT = 0.003
_LOOSE = 0.02
_CLEARLY = 3.0
_SURPRISING, _TOO_SURPRISING = 5.0, 8.0
_LEARNT_FROM = 0.4

Floats = NDArray[np.float32]
Flags = NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Pattern:
    """Bits that go together.

    Attributes:
        bits: their places in a filter.
        filters: mask of the filters that have them all.
    """

    bits: Indices
    filters: Flags


@dataclass(frozen=True, slots=True)
class _Seen:
    """Different filters: bits of shape (filters, bits), and how many records have each."""

    bits: Floats
    records: Floats


@dataclass(frozen=True, slots=True)
class _Listed:
    """Different sets of tokens: which they have, of shape (sets, tokens), and how many people have each.

    Tokens are in the order of how many people have them.
    """

    has: Floats
    people: Floats


def attack(seen: Bytes, tokens: Sequence[Collection[str]], *, rng: np.random.Generator, tick: Tick) -> Names:
    """Name records by the bits of their tokens. Departments run it.

    Args:
        seen: filters, shape (records, bytes).
        tokens: of each person on the list, as the encoding takes them; equal texts of two attributes must differ.
        rng: chooses among people with the same tokens.
        tick: called all the time.

    Returns:
        The place on the list of each record, or NOBODY.
    """
    rows, of_record, records = np.unique(seen, axis=0, return_inverse=True, return_counts=True)
    filters = _Seen(np.unpackbits(rows, axis=1).astype(np.float32), records.astype(np.float32))
    listed, people = _listed(tokens)
    patterns = _of_tokens(mine(filters.bits, filters.records, tick))[:_MOST_PATTERNS]
    if len(patterns) < _FEWEST_PATTERNS or len(listed.has) < _FEWEST_FILTERS:
        return np.full(len(seen), NOBODY, dtype=np.int64)
    token_of = _align(patterns, filters, listed, tick)
    positions = _positions(token_of, patterns, listed.has.shape[1], filters.bits.shape[1])
    read = _read(filters, listed, positions, _usual_share(patterns, filters.bits.shape[1]), tick)
    named = read[of_record.reshape(-1)].tolist()
    chosen = [people[each][rng.integers(len(people[each]))] if each != NOBODY else NOBODY for each in named]
    return np.array(chosen, dtype=np.int64)


def _listed(tokens: Sequence[Collection[str]]) -> tuple[_Listed, list[list[int]]]:
    """The different sets of tokens, and who has each."""
    people: dict[frozenset[str], list[int]] = {}
    for place, each in enumerate(tokens):
        if each:
            people.setdefault(frozenset(each), []).append(place)
    often = Counter(token for each in tokens for token in {*each})
    place_of = {token: place for place, (token, _) in enumerate(sorted(often.items(), key=_most_frequent))}
    has = np.zeros((len(people), len(place_of)), dtype=np.float32)
    for row, each in enumerate(people):
        has[row, [place_of[token] for token in each]] = 1
    counts = np.array([len(each) for each in people.values()], dtype=np.float32)
    return _Listed(has, counts), list(people.values())


def _most_frequent(item: tuple[str, int]) -> tuple[int, str]:
    return -item[1], item[0]


def mine(bits: Floats, records: Floats, tick: Tick) -> list[Pattern]:
    """Sets of bits that go together, each of other filters, those of most records first.

    Args:
        bits: of different filters, shape (filters, bits).
        records: how many have each filter, shape (filters,).
        tick: called for each bit.
    """
    often, together = _correlations(bits, records)
    set_in: Flags = np.ascontiguousarray(bits.T > 0)
    order = [int(bit) for bit in np.argsort(-often, kind="stable") if _LEAST_SUPPORT <= often[bit] < 1]
    found: dict[bytes, Pattern] = {}
    for bit in order:
        tick()
        near = np.argsort(-together[bit], kind="stable")[: max(_CORES) - 1]
        for core in _CORES:
            pattern = _closed(np.append(near[: core - 1], bit), bits, set_in, records)
            if pattern is not None:
                found.setdefault(pattern.bits.tobytes(), pattern)
    return _apart(list(found.values()), records)


def _correlations(bits: Floats, records: Floats) -> tuple[Floats, Floats]:
    """How often each bit is set, and how each two correlate; a bit with itself not at all."""
    weight = records / records.sum()
    often = weight @ bits
    spread = np.sqrt(np.maximum(often * (1 - often), 1e-9))
    together = (bits * weight[:, None]).T @ bits - often[:, None] * often
    together /= spread[:, None] * spread
    np.fill_diagonal(together, -1)
    return often, together


def _closed(core: Indices, bits: Floats, set_in: Flags, records: Floats) -> Pattern | None:
    """The bits that filters with a core nearly always have; None if these are few, or have nothing but the core."""
    inside = _having(set_in, core)
    for _ in range(3):
        rows = np.flatnonzero(inside)
        if len(rows) < _FEWEST_FILTERS or records[rows].sum() < _LEAST_SUPPORT * records.sum():
            return None
        share = records[rows] @ bits[rows] / records[rows].sum()
        always = np.flatnonzero(share > _NEARLY_ALWAYS)
        further = _having(set_in, always)
        if len(always) <= len(core) or (further == inside).all():
            break
        inside = further
    return Pattern(always, inside) if len(always) > len(core) and inside.any() else None


def _having(set_in: Flags, places: Indices) -> Flags:
    """Mask of the filters that have all these bits; `set_in` is of shape (bits, filters)."""
    return np.asarray(np.logical_and.reduce(set_in[places], axis=0), dtype=np.bool_)


def _apart(patterns: list[Pattern], records: Floats) -> list[Pattern]:
    """Those that are not of nearly the same filters as one before, most records first."""
    if not patterns:
        return []
    ordered = sorted(patterns, key=lambda each: -float(records[each.filters].sum()) * min(len(each.bits), 10))
    filters = np.stack([each.filters for each in ordered]).astype(np.float32)
    in_both = (filters * records) @ filters.T
    own = np.diagonal(in_both)
    same = in_both >= _SAME_RECORDS * (own[:, None] + own - in_both)
    kept: list[int] = []
    for place in range(len(ordered)):
        if not same[place, kept].any():
            kept.append(place)
    return [ordered[place] for place in kept]


def _of_tokens(patterns: list[Pattern]) -> list[Pattern]:
    """Those with about as many bits as most have: with far fewer, they are an accident of two tokens."""
    usual = np.median([len(each.bits) for each in patterns]) if patterns else 0
    return [each for each in patterns if len(each.bits) >= usual / 2]


def _align(patterns: list[Pattern], seen: _Seen, listed: _Listed, tick: Tick) -> Indices:
    """The token of each pattern: of several beginnings, where the two sides agree best in the end."""
    inside = np.stack([each.filters for each in patterns], axis=1).astype(np.float64)
    often, together = _found_together(inside, seen.records)
    tokens = listed.has[:, : len(patterns) + _MORE_TOKENS].astype(np.float64)
    often_there, together_there = _found_together(tokens, listed.people)
    unlike = np.abs(np.sqrt(often)[:, None] - np.sqrt(often_there))
    found = []
    for loose in _BEGINNINGS:
        shares = _balanced(np.exp(-0.5 * (unlike / loose) ** 2) + 1e-6)
        token_of = _assigned(shares, together, together_there, _FREQUENCY_WEIGHT * unlike, tick)
        apart = together - together_there[np.ix_(token_of, token_of)]
        found.append((float((apart**2).sum()), token_of))
    return min(found, key=lambda each: each[0])[1]


def _assigned(
    shares: NDArray[np.float64],
    together: NDArray[np.float64],
    together_there: NDArray[np.float64],
    unlike: NDArray[np.float64],
    tick: Tick,
) -> Indices:
    for _ in range(_MOST_STEPS):
        tick()
        shares, moved = _nearer(shares, together, together_there, unlike)
        if not moved:
            break
    return np.asarray(linear_sum_assignment(-shares)[1], dtype=np.int64)


def _found_together(
    inside: NDArray[np.float64], weight: Floats
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """How often each is found, and each two together: the cosine of the two, none with itself."""
    both = (inside * weight[:, None]).T @ inside / weight.sum()
    often = np.maximum(np.diagonal(both), 1e-9)
    together = both / np.sqrt(often[:, None] * often)
    np.fill_diagonal(together, 0)
    return often, together


def _balanced(weights: NDArray[np.float64]) -> NDArray[np.float64]:
    """Rows and columns that come to one, as near as may be."""
    for _ in range(50):
        weights = weights / weights.sum(axis=1, keepdims=True)
        weights = weights / np.maximum(weights.sum(axis=0, keepdims=True), 1)
    return weights


def _nearer(
    shares: NDArray[np.float64],
    together: NDArray[np.float64],
    together_there: NDArray[np.float64],
    unlike: NDArray[np.float64],
) -> tuple[NDArray[np.float64], bool]:
    """A step of Frank and Wolfe's towards the assignment under which the two matrices agree best."""
    agreeing = together @ shares @ together_there
    target = np.zeros_like(shares)
    target[linear_sum_assignment(unlike - 2 * agreeing)] = 1
    step = target - shares
    curve = float((together @ step @ together_there * step).sum())
    slope = float(((2 * agreeing - unlike) * step).sum())
    length = 1.0 if curve >= 0 else min(1.0, -slope / (2 * curve))
    return (shares + length * step, True) if slope > 1e-9 else (shares, False)


def _usual_share(patterns: list[Pattern], width: int) -> float:
    """About which share of a filter's bits a token sets."""
    return min(float(np.median([len(each.bits) for each in patterns])) / width, 0.5)


def _positions(token_of: Indices, patterns: list[Pattern], tokens: int, width: int) -> Floats:
    """The chance that each token sets each bit, from the patterns alone: shape (tokens, bits)."""
    positions = np.full((tokens, width), _usual_share(patterns, width), dtype=np.float32)
    for token, pattern in zip(token_of.tolist(), patterns, strict=True):
        positions[token] = _BY_ACCIDENT
        positions[token, pattern.bits] = 1 - _LOOSE
    return positions


def _read(seen: _Seen, listed: _Listed, positions: Floats, usual: float, tick: Tick) -> Indices:
    """The set of tokens of each filter, or NOBODY; what is read surely tells further positions."""
    learnt_from = named = np.full(len(seen.bits), NOBODY, dtype=np.int64)
    for _ in range(_ROUNDS):
        best, clearly, surprise = _explained(seen.bits, listed.has, positions, tick)
        named, before = np.where(clearly & (surprise < _TOO_SURPRISING), best, NOBODY), learnt_from
        # At first no filter is explained well, as few tokens' positions are known: then those that are explained best.
        usually = np.quantile(surprise[clearly], _LEARNT_FROM) if clearly.any() else 0.0
        learnt_from = np.where(clearly & (surprise < max(usually, _SURPRISING)), best, NOBODY)
        if (before == learnt_from).all():
            break
        positions = _learned(seen.bits, listed.has, learnt_from, usual)
    return named


def _explained(bits: Floats, has: Floats, positions: Floats, tick: Tick) -> tuple[Indices, Flags, Floats]:
    """The set of tokens that explains each filter best, whether clearly better than others, and how surprising it is.

    Surprise is in standard deviations of what bits drawn by the same chances would give.
    """
    unset = np.clip(has @ np.log1p(-positions), np.log(_BY_ACCIDENT), np.log1p(-_BY_ACCIDENT))
    chance = -np.expm1(unset)
    odds = np.log(chance) - unset
    base = unset.sum(axis=1)
    usual, spread = (chance * odds).sum(axis=1) + base, np.sqrt((chance * (1 - chance) * odds**2).sum(axis=1))
    best, clearly, surprise = [], [], []
    for start in range(0, len(bits), _ROWS_AT_ONCE):
        tick()
        scores = bits[start : start + _ROWS_AT_ONCE] @ odds.T + base
        first = scores.argmax(axis=1)
        second, highest = np.partition(scores, -2, axis=1)[:, -2:].T
        best.append(first)
        clearly.append(highest - second > _CLEARLY)
        surprise.append((usual[first] - highest) / spread[first])
    return np.concatenate(best), np.concatenate(clearly), np.concatenate(surprise)


def _learned(bits: Floats, has: Floats, named: Indices, usual: float) -> Floats:
    """The chance that each token sets each bit, from the filters that are named: shape (tokens, bits)."""
    rows = np.flatnonzero(named != NOBODY)
    tokens = has[named[rows]]
    often = np.clip(bits.mean(axis=0), 0.01, 0.99)
    times, with_bit = tokens.sum(axis=0)[:, None], tokens.T @ bits[rows]
    for_it = with_bit * np.log((1 - _LOOSE) / often) + (times - with_bit) * np.log(_LOOSE / (1 - often))
    odds = np.clip(for_it + np.log(usual / (1 - usual)), -30, 30)
    learned: Floats = np.clip(1 / (1 + np.exp(-odds)), 1e-3, 1 - _LOOSE).astype(np.float32)
    return learned
