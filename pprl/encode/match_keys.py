"""Match keys: keyed digests of combinations of identifiers that hardly two people share. Runs at departments only.

An encoding of profile privacy-first finds a pair by how alike it is as a whole, and a single name that was changed can
cost it the link. A match key asks less: that a few parts are there and equal, such as how the surname sounds, the day
of birth and the initial. Each key's tag is a digest under a key of its own, so that no two keys' tags can be set
against each other; docs/formats/clk.md is the specification.

A record whose parts are not all there, or whose value another record of the dataset has, gets 16 random bytes instead
of a tag. So no tag stands twice in a file, and nothing shows which tags are of values.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pprl.crypto import derive
from pprl.encode.block_sizes import kept_blocks
from pprl.encode.passes import Coded, Known, blocks, coded
from pprl.errors import DataError
from pprl.protocol.blocking import BlockingPass
from pprl.protocol.kinds import Kind
from pprl.protocol.submission import TAG_BYTES

LABEL = "pprl/v1/clk/match-key"
KEY_BYTES = 32
MOST_PAIRS_LISTED = 2_000_000
"""Beyond, pairs are counted for each key on its own, so that one that shares several keys counts several times."""

_ALONE = 1

Indices = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class KeySurvey:
    """How one match key suits a dataset.

    Attributes:
        name: of the match key.
        records: how many records have a tag of it.
        missing: how many lack one of its parts.
        shared: how many have a value that another record has.
    """

    name: str
    records: int
    missing: int
    shared: int


@dataclass(frozen=True, slots=True)
class MatchKeys:
    """The match keys of a dataset, before they have tags.

    Attributes:
        surveys: one a match key, in the agreement's order.
        without: how many records have no match key at all.
        own_pairs: how many pairs of the dataset's own records have the same value of a match key, each pair once.
    """

    surveys: tuple[KeySurvey, ...]
    without: int
    own_pairs: int


def values_of(
    columns: Mapping[str, Sequence[str] | Coded],
    match_keys: Sequence[BlockingPass],
    kinds: Mapping[str, Kind],
) -> list[Coded]:
    """The value that each record has of each match key, "" where a part is missing. Departments run it.

    Args:
        columns: standardised values of the records that can be encoded, by identifier; "" where missing.
        match_keys: the agreement's.
        kinds: the kind of each identifier.

    Raises:
        DataError: an identifier's column is absent.
    """
    absent = [name for name in kinds if name not in columns]
    if absent:
        raise DataError(f"There is no column for identifier '{absent[0]}'.")
    numbered = {name: coded(columns[name]) for name in kinds}
    known: Known = {}
    return [blocks(numbered, each, kinds, known) for each in match_keys]


def survey(values: Sequence[Coded], names: Sequence[str]) -> MatchKeys:
    """See how match keys suit a dataset; `pprl check` runs this, and `pprl encode` for what it counts.

    Args:
        values: of one or more match keys, as `values_of` gives them.
        names: of the match keys.
    """
    rows = len(values[0].codes)
    tagged = np.zeros(rows, dtype=np.bool_)
    surveys = []
    for name, value in zip(names, values, strict=True):
        sizes, alone = kept_blocks(value, _ALONE)
        tagged |= alone[value.codes]
        surveys.append(KeySurvey(name, int(alone.sum()), rows - int(sizes.sum()), int(sizes[~alone].sum())))
    return MatchKeys(tuple(surveys), int((~tagged).sum()), _own_pairs(values))


def tags(
    values: Sequence[Coded], names: Sequence[str], key: bytes, *, random_bytes: Callable[[int], bytes]
) -> NDArray[np.uint8]:
    """The tags of a dataset's records; `pprl encode` runs this.

    Args:
        values: of one or more match keys, as `values_of` gives them.
        names: of the match keys.
        key: scheme `clk`'s key, derived from the departments' linkage secret.
        random_bytes: the source of what stands where there is no value.

    Returns:
        Tags, shape (records, match keys, 16).

    Leaks: to who holds the tags of two datasets, which of their records share a value. Of one dataset, nothing. With
        the key, every value.
    """
    made = [_tags(value, _key_of(name, key), random_bytes) for name, value in zip(names, values, strict=True)]
    return np.stack(made, axis=1)


def _key_of(name: str, key: bytes) -> bytes:
    return derive.hkdf(key, label=LABEL, context=name.encode("ascii"), length=KEY_BYTES)


def _tags(value: Coded, key: bytes, random_bytes: Callable[[int], bytes]) -> NDArray[np.uint8]:
    rows = len(value.codes)
    made = np.frombuffer(random_bytes(rows * TAG_BYTES), dtype=np.uint8).reshape(rows, TAG_BYTES).copy()
    _, alone = kept_blocks(value, _ALONE)
    tagged = np.flatnonzero(alone[value.codes])
    texts = [value.distinct[code] for code in value.codes[tagged].tolist()]
    digests = derive.keyed_digests(key, texts, length=TAG_BYTES)
    made[tagged] = np.frombuffer(digests, dtype=np.uint8).reshape(-1, TAG_BYTES)
    return made


def _own_pairs(values: Sequence[Coded]) -> int:
    sizes = [kept_blocks(value, _ALONE)[0] for value in values]
    total = sum(int((each * (each - 1) // 2).sum()) for each in sizes)
    if total > MOST_PAIRS_LISTED:
        rows = len(values[0].codes)
        return min(total, rows * (rows - 1) // 2)
    listed = [_pairs_of(value, each) for value, each in zip(values, sizes, strict=True)]
    return len(np.unique(np.concatenate([np.empty(0, np.int64), *listed])))


def _pairs_of(value: Coded, sizes: Indices) -> Indices:
    """The pairs of records of one value, as numbers, the lower row first."""
    rows = np.flatnonzero(sizes[value.codes] > 1)
    rows = rows[np.argsort(value.codes[rows], kind="stable")]
    found = [np.empty(0, np.int64)]
    for step in range(1, int(sizes.max(initial=0))):
        same = value.codes[rows[:-step]] == value.codes[rows[step:]]
        found.append(rows[:-step][same] * len(value.codes) + rows[step:][same])
    return np.concatenate(found)
