"""Spectral alignment: two similarity graphs are laid over each other, without anybody known to begin with.

What is seen: one filter a record (scheme `clk`). What is known: a list of people, encoded under another secret; all
parameters. Some of the file's people are on the list, with or without errors.

The tour. Filters of the same people under two secrets share no bit, but their similarities are nearly the same, and so
are the spectra of the two similarity graphs, up to signs and rotations of axes. To find these, somebody must be
recognised. So first each record is described by its place in the graph, which no rotation changes (`places`), and the
people with the likeliest places are taken for a start; few of them are right. From these pairs the directions are
learnt in which the leading eigenvectors of both sides agree (`alignment.canonical`), and what doesn't agree more than
chance does is left out. With the directions, pairs are found anew, and more of them are right. As long as most
directions hold, more eigenvectors are let in, down to fine ones that tell people apart. When pairs no longer change,
the surest are taken as recognised, and from them the rest is found as in `propagation`.

Source: Umeyama, "An eigendecomposition approach to weighted graph matching problems" (1988); Culnane, Rubinstein and
Teague, "Vulnerabilities in the use of similarity tables in combination with pseudonymisation to preserve data privacy
in the UK Office for National Statistics' Privacy-Preserving Record Linkage" (2017); Vidanage, Christen, Ranbaduge and
Schnell, "A graph matching attack on privacy-preserving record linkage" (2020).

It fails where there are few people, of whom few are on the list, and where similarities are lost in noise, as after
several exclusive-or folds of filters with many bits set.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from pprl.privacy.alignment import (
    FEWEST,
    Evidence,
    Nearest,
    Reals,
    both,
    canonical,
    centred_bits,
    in_order_of_bytes,
    nearest,
    principal,
    standardised,
)
from pprl.privacy.places import evidence_of_places
from pprl.privacy.profiles import unit_length
from pprl.privacy.propagation import spread
from pprl.privacy.views import NOBODY, Bytes, Indices, Known, Names, Tick

MOST_ROUNDS = 40

_FIRST, _MOST_COMPONENTS, _GROWTH = 20, 300, 1.4
_MOST_PAIRED = 5_000
# With fewer mutual pairs than this share, pairs that are the best of one side only are learnt from too, and places are
# trusted as far as their halves agree, not as far as the pairs do: these were chosen by them.
_MOSTLY_MUTUAL = 0.6


def attack(seen: Bytes, listed: Bytes, known: Known, *, rng: np.random.Generator, tick: Tick) -> Names:
    """Name records by the spectra of the two similarity graphs. Departments run it.

    Args:
        seen: filters, shape (records, bytes).
        listed: the list's, under another secret, shape (people, bytes).
        known: people known to begin with; there may be none.
        rng: draws halves and samples.
        tick: called for each block of records.

    Returns:
        The place on the list of each record, or NOBODY.
    """
    names = np.full(len(seen), NOBODY, dtype=np.int64)
    ordered = in_order_of_bytes(seen, listed, known)
    if min(len(seen), len(listed)) < FEWEST:
        return ordered.names(names, known)
    left, right = centred_bits(ordered.seen), centred_bits(ordered.listed)
    places = evidence_of_places(left, right, rng, tick)
    sides = Sides(
        np.hstack([places.seen, standardised(principal(left, _MOST_COMPONENTS))]),
        np.hstack([places.listed, standardised(principal(right, _MOST_COMPONENTS))]),
        places.seen.shape[1],
        ordered.known,
    )
    if places.seen.shape[1]:
        found = aligned(sides, places, rng, tick)
        pairs = spread(found, unit_length(left), unit_length(right), ordered.known, tick)
        names[pairs.mutual] = pairs.of_seen[pairs.mutual]
    return ordered.names(names, known)


@dataclass(frozen=True, slots=True)
class Sides:
    """What there is of both sides to be aligned.

    Attributes:
        seen: numbers of places, then eigenvectors, the largest first; shape (records, numbers).
        listed: the same of the list, shape (people, numbers).
        places: how many numbers tell places.
        known: people known to begin with.
    """

    seen: Reals
    listed: Reals
    places: int
    known: Known


def aligned(sides: Sides, start: Evidence, rng: np.random.Generator, tick: Tick) -> Evidence:
    """Learn from pairs, and find better ones, until these no longer change.

    Args:
        sides: what is to be aligned.
        start: what the first pairs are found by.
        rng: draws the records that are paired while learning, where there are too many.
        tick: called for each block of records.
    """
    rows = np.sort(rng.permutation(len(sides.seen))[:_MOST_PAIRED])
    evidence, components, grew = start, min(_FIRST, _all(sides)), True
    before = np.empty(0, dtype=np.int64)
    for _ in range(MOST_ROUNDS):
        pairs = nearest(_of_rows(evidence, rows), tick)
        if not grew and np.array_equal(pairs.of_seen, before):
            break
        before = pairs.of_seen
        settled = len(pairs.mutual) >= _MOSTLY_MUTUAL * min(len(rows), len(sides.listed))
        records, people = _learnt_from(pairs, rows, sides.known, settled=settled)
        first, last = 0 if settled else sides.places, sides.places + components
        evidence, kept = canonical(sides.seen[:, first:last], sides.listed[:, first:last], records, people)
        if not settled:
            evidence = both(start, evidence)
        grew = 2 * kept > last - first and components < _all(sides)
        if grew:
            components = min(_all(sides), int(components * _GROWTH))
    return evidence


def _all(sides: Sides) -> int:
    return int(min(sides.seen.shape[1], sides.listed.shape[1])) - sides.places


def _of_rows(evidence: Evidence, rows: Indices) -> Evidence:
    return Evidence(evidence.seen[rows], evidence.listed, evidence.of_seen[rows], evidence.of_listed)


def _learnt_from(pairs: Nearest, rows: Indices, known: Known, *, settled: bool) -> tuple[Indices, Indices]:
    """The pairs to learn from, without those that contradict what is known, and what is known."""
    records, people = rows[pairs.mutual], pairs.of_seen[pairs.mutual]
    if not settled:
        records = np.concatenate([rows, rows[pairs.of_listed]])
        people = np.concatenate([pairs.of_seen, np.arange(len(pairs.of_listed))])
    open_ = ~np.isin(records, known[:, 0]) & ~np.isin(people, known[:, 1])
    return np.concatenate([records[open_], known[:, 0]]), np.concatenate([people[open_], known[:, 1]])
