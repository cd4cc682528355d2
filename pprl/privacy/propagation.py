"""Seeded propagation: from a few people who are recognised to nearly everybody on the list.

What is seen: one filter a record (scheme `clk`). What is known: a list of people, encoded under another secret; all
parameters; and some records whose people the attacker recognises.

The tour. How alike a record is to each recognised one is known on both sides, whatever the bits mean. A record and a
listed person who are alike to the same recognised people, and to whom nobody else is nearer, are taken for one person;
the surest of these, by how far the second best is behind, are recognised from then on. In each round twice as many may
be. People recognised wrongly are not kept: each round chooses all anew, but those known to begin with.

Source: Narayanan and Shmatikov, "De-anonymizing social networks" (2009).

It fails with nobody known, and where similarities are lost in noise but for a record's nearest relations, who must
then be recognised themselves.
"""

from __future__ import annotations

import numpy as np

from pprl.privacy.alignment import Evidence, Nearest, Reals, centred_bits, in_order_of_bytes, nearest
from pprl.privacy.profiles import evidence_of_profiles, unit_length
from pprl.privacy.views import NOBODY, Bytes, Indices, Known, Names, Tick

_MOST_ROUNDS = 12
_FEWEST_TAKEN, _MOST_TAKEN = 50, 1_000


def attack(
    seen: Bytes,
    listed: Bytes,
    known: Known,
    *,
    rng: np.random.Generator,  # noqa: ARG001 - attacks on filters are called alike
    tick: Tick,
) -> Names:
    """Name records from some that are recognised. Departments run it.

    Args:
        seen: filters, shape (records, bytes).
        listed: the list's, under another secret, shape (people, bytes).
        known: people known to begin with; without any, nobody is named.
        rng: not used: nothing is drawn.
        tick: called for each block of records.

    Returns:
        The place on the list of each record, or NOBODY.
    """
    ordered = in_order_of_bytes(seen, listed, known)
    left, right = (unit_length(centred_bits(side)) for side in (ordered.seen, ordered.listed))
    names = np.full(len(seen), NOBODY, dtype=np.int64)
    if len(known):
        pairs = propagated(left, right, ordered.known, tick)
        names[pairs.mutual] = pairs.of_seen[pairs.mutual]
    return ordered.names(names, known)


def propagated(seen: Reals, listed: Reals, known: Known, tick: Tick) -> Nearest:
    """The best pairs once as many as possible are recognised.

    Args:
        seen: rows of length one, shape (records, bits).
        listed: of the list, shape (people, bits).
        known: at least one.
        tick: called for each block of records.
    """
    return spread(evidence_of_profiles(seen, listed, *known.T), seen, listed, known, tick)


def spread(start: Evidence, seen: Reals, listed: Reals, known: Known, tick: Tick) -> Nearest:
    """The best pairs once as many as possible are recognised, from any evidence to begin with.

    Args:
        start: what the first people are recognised by.
        seen: rows of length one, shape (records, bits).
        listed: of the list, shape (people, bits).
        known: people known to begin with; there may be none.
        tick: called for each block of records.
    """
    pairs, rows = nearest(start, tick), known[:, 0]
    for _ in range(_MOST_ROUNDS):
        before = rows
        rows, people = _recognised(pairs, known, max(_FEWEST_TAKEN, 2 * len(rows)))
        if np.array_equal(rows, before):
            break
        pairs = nearest(evidence_of_profiles(seen, listed, rows, people), tick)
    return pairs


def _recognised(pairs: Nearest, known: Known, most: int) -> tuple[Indices, Indices]:
    """Who is known, and the surest of the others: so many in all, the known ones first."""
    found = pairs.mutual
    found = found[~np.isin(found, known[:, 0]) & ~np.isin(pairs.of_seen[found], known[:, 1])]
    surest = found[np.argsort(-pairs.margin[found], kind="stable")]
    taken = surest[: max(0, min(most, _MOST_TAKEN) - len(known))]
    return np.concatenate([known[:, 0], taken]), np.concatenate([known[:, 1], pairs.of_seen[taken]])
