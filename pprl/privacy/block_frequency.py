"""The matcher alone, scheme `field-filters`: what sizes of blocks and repeated filters tell, without any similarity.

What the attacker sees: how many records share a block, which filters of a block are equal, and which filters a record
has. It knows a list of people, encodes it under a secret of its own, and counts the same. Equal values have equal
filters in a block, whatever the secret; so a block of four with two of one surname and three of one sex is like those
of the list that have just that. A block is taken to be one of the list's that are like it if these are few; its
records are told apart by the same counts: a man among three women.

That is frequency alignment as far as it goes here. A whole value's frequency in the file, which names values where
filters are salted by nothing, shows in no pass: the same name has other filters in each block. It fails on a list
with errors or with other people, where counts differ, and on blocks of one record; `in_blocks` is the attacker who
looks at how alike unequal filters are, and is the one to fear.

Source: Christen, Schnell, Vatsalan and Ranbaduge (2017) for frequencies; docs/threat-model.md for what is seen.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Hashable, Iterator, Mapping, Sequence

import numpy as np

from pprl.privacy.views import NOBODY, Indices, Names, SeenPass, Tick

MOST_ALIKE = 10
"""Blocks are guessed among at most so many that are alike."""

_Shown = dict[Hashable, list[Indices]]


def attack(
    seen: Sequence[SeenPass], listed: Sequence[SeenPass], *, rng: np.random.Generator, tick: Tick
) -> list[Names]:
    """Who the records of each pass are.

    Args:
        seen: the passes, each in an order of its own.
        listed: the same passes of the list, under a secret of the attacker's own; `rows` are places on the list.
        rng: draws among blocks that are alike.
        tick: called for every block.

    Returns:
        For each pass the place on the list of each of its records, NOBODY where the attack has no reason.
    """
    return [_names_of_pass(one, its, rng, tick) for one, its in zip(seen, listed, strict=True)]


def _names_of_pass(seen: SeenPass, listed: SeenPass, rng: np.random.Generator, tick: Tick) -> Names:
    names = np.full(len(seen.rows), NOBODY, dtype=np.int64)
    shown, known = _by_look(seen, tick), _by_look(listed, tick)
    for look, blocks in shown.items():
        alike = known.get(look, [])
        if 0 < len(alike) <= MOST_ALIKE:
            order = rng.permutation(len(alike))[: len(blocks)]
            for rows, place in zip(blocks, order.tolist(), strict=False):
                names[rows] = listed.rows[alike[place]]
    return names


def _by_look(seen: SeenPass, tick: Tick) -> Mapping[Hashable, list[Indices]]:
    """Blocks by what they look like, the records of each in an order that follows from their looks."""
    found: _Shown = defaultdict(list)
    for rows in _blocks(seen):
        tick()
        looks = _looks(seen, rows)
        order = sorted(range(len(rows)), key=looks.__getitem__)
        found[tuple(looks[place] for place in order)].append(rows[order])
    return found


def _blocks(seen: SeenPass) -> Iterator[Indices]:
    rows = np.argsort(seen.blocks, kind="stable")
    ordered = seen.blocks[rows]
    yield from np.split(rows, np.flatnonzero(ordered[1:] != ordered[:-1]) + 1) if len(rows) else ()


def _looks(seen: SeenPass, rows: Indices) -> list[tuple[int, ...]]:
    """Of each record of a block: its mask, and for each filter how many of the block have the same."""
    masks = [int(mask) for mask in seen.present[rows]]
    if len(rows) == 1:
        return [(masks[0],)]
    filters = seen.filters[rows]
    equal = (filters[:, None] == filters[None, :]).all(axis=3).sum(axis=1)
    return [(mask, *counts) for mask, counts in zip(masks, equal.tolist(), strict=True)]
