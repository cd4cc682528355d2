"""The linkage secret has leaked: the attacker encodes its list under it, and looks each encoding up.

What is seen: filters of any kind, a row a record; in scheme `field-filters` the rows of a pass, with or without their
tags. What is known: a list of people, and the secret. So the list has the very encodings of its people.

The tour. Equal rows are one person. Where the list has a person with other values, the rows differ and still resemble
each other, so that what is left is compared by Dice with everybody on the list. The most alike is named if no chance
explains it: its similarity is so far above the record's other ones that among as many pairs of different people, one
so high would turn up less than once in twenty times.

Source: Christen, Ranbaduge and Schnell, "Linking Sensitive Data" (2020), chapter 9, on dictionary attacks: they need
the secret or the means to encode, and then no encoding of values that can be guessed resists them.

It fails where the secret is another: then nothing stands out. It shows what a leaked secret costs, and says nothing
of how well encodings resist somebody without it.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.stats import norm

from pprl.privacy.views import NOBODY, Bytes, Indices, Names, Tick

_ROWS_AT_ONCE = 512
_BY_CHANCE = 0.05
_FEWEST_TO_COMPARE = 20


def attack(seen: Bytes, listed: Bytes, *, rng: np.random.Generator, tick: Tick) -> Names:
    """Name records by looking them up. Departments run it, to show what the secret is worth.

    Args:
        seen: what is seen, shape (records, bytes).
        listed: the list, encoded under the same secret, shape (people, bytes).
        rng: chooses among people of one encoding.
        tick: called between blocks of records.

    Returns:
        The place on the list of each record, or NOBODY.
    """
    names = _equal(seen, listed, rng)
    left = np.flatnonzero((names == NOBODY) & seen.any(axis=1))
    # Among fewer people, nobody can tell what similarities chance gives.
    if len(left) and len(listed) >= _FEWEST_TO_COMPARE:
        names[left] = _most_alike(seen[left], listed, tick)
    return names


def _equal(seen: Bytes, listed: Bytes, rng: np.random.Generator) -> Names:
    """The person with the same encoding, one of them at random if there are several; nobody for an empty one."""
    order = rng.permutation(len(listed)).tolist()
    place = {listed[person].tobytes(): person for person in order}
    place[bytes(listed.shape[1])] = NOBODY
    return np.array([place.get(row.tobytes(), NOBODY) for row in seen], dtype=np.int64)


def _most_alike(seen: Bytes, listed: Bytes, tick: Tick) -> Names:
    """The person most alike, if that is more than chance explains."""
    least = float(norm.isf(_BY_CHANCE / (len(seen) * len(listed))))
    bits_listed = np.unpackbits(listed, axis=1).astype(np.float32)
    in_listed = bits_listed.sum(axis=1)
    names = []
    for start in range(0, len(seen), _ROWS_AT_ONCE):
        tick()
        bits = np.unpackbits(seen[start : start + _ROWS_AT_ONCE], axis=1).astype(np.float32)
        dice = 2 * (bits @ bits_listed.T) / (bits.sum(axis=1)[:, None] + in_listed)
        names.append(_standing_out(dice, least))
    return np.concatenate(names)


def _standing_out(similarity: NDArray[np.float32], least: float) -> Indices:
    """The column of each row's largest value, if it is `least` standard deviations above the row's other values."""
    best = similarity.argmax(axis=1)
    highest = similarity[np.arange(len(similarity)), best]
    others = similarity.shape[1] - 1
    # Without the largest itself, which would widen the spread that it is set against.
    mean = (similarity.sum(axis=1) - highest) / others
    squares = ((similarity - mean[:, None]) ** 2).sum(axis=1) - (highest - mean) ** 2
    spread = np.sqrt(np.maximum(squares, 0) / others)
    return np.where(highest > mean + least * spread, best, NOBODY)
