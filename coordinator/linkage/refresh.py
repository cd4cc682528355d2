"""Which linkage keys of earlier versions are kept: the same person keeps the same key. Pure.

A department sends, for records that had a linkage key before, that key. This module decides which group of records
that share a key keeps which of the keys that they had. It looks at one dataset at a time: at its groups, and at
what its department offers for them. So the department could work out the outcome from what it holds anyway, and
nothing of another department's records shows that its groups don't show already.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from coordinator.linkage.small_numbers import rounded_down, shown
from pprl.errors import VerificationError
from pprl.protocol import framing
from pprl.protocol.framing import ID_BYTES, Bytes
from pprl.protocol.submission import Previous

Indices = NDArray[np.int64]


class KeySource(Protocol):
    """What makes linkage keys, and knows those that it made: the project key."""

    def numbered(self, dataset: str, *, version: int, count: int) -> bytes:
        """Linkage keys of a version, 16 bytes each."""

    def versions(self, dataset: str, keys: bytes) -> Indices:
        """In which version each key was made; 0 where it never was."""


@dataclass(frozen=True, slots=True)
class Refreshed:
    """The linkage keys of one dataset, and what became of the earlier ones.

    Attributes:
        keys: the linkage key of each record, shape (records, 16).
        kept: keys that were kept.
        new: keys that were made now.
        splits: earlier keys whose records are in several groups now: one group keeps it.
        merges: groups whose records had several keys before: they keep one.
    """

    keys: Bytes
    kept: int
    new: int
    splits: int
    merges: int


def require_issued(previous: Previous, dataset: str, *, source: KeySource, version: int) -> Indices:
    """Refuse previous keys that this key issuer did not make for this dataset in an earlier version.

    So no department can plant a key of its own choosing, of another dataset or of another project.

    Args:
        previous: what the department offers.
        dataset: whose keys they should be.
        source: the project key.
        version: the agreement's.

    Returns:
        The version of each key.

    Raises:
        VerificationError: at least one is of no earlier version. It says how many, and of which dataset.
    """
    versions = source.versions(dataset, previous.keys.tobytes())
    strange = int(((versions < 1) | (versions >= version)).sum())
    if strange:
        raise VerificationError(
            f"{strange} of the {len(versions)} previous linkage keys of '{dataset}' were not made for it in an earlier "
            "version of this project.",
            hint="Its department must encode with the keys that it got for this very dataset.",
        )
    return versions


def refreshed(
    owners: Indices, previous: Previous, dataset: str, *, source: KeySource, version: int
) -> Refreshed:
    """Give every record of a dataset its linkage key, an earlier one where it can; the key issuer runs this.

    Args:
        owners: for each record its group, whole numbers from 0 without gaps; a group shares a key.
        previous: the keys that records had before.
        dataset: whose records they are.
        source: the project key.
        version: the agreement's.

    Raises:
        VerificationError: as for `require_issued`.
    """
    versions = require_issued(previous, dataset, source=source, version=version)
    groups = _by_first_record(owners)
    distinct, old = _distinct(previous.keys)
    ages = np.zeros(len(distinct), dtype=np.int64)
    ages[old] = versions
    entries, counts = np.unique(np.stack([groups[previous.records], old]), axis=1, return_counts=True)
    count = int(groups.max(initial=-1)) + 1
    kept = _assigned(entries, counts, ages, count)
    fresh = np.flatnonzero(kept < 0)
    keys = np.empty((count, ID_BYTES), dtype=np.uint8)
    keys[kept >= 0] = distinct[kept[kept >= 0]]
    made = source.numbered(dataset, version=version, count=len(fresh))
    keys[fresh] = np.frombuffer(made, dtype=np.uint8).reshape(-1, ID_BYTES)
    return Refreshed(
        keys[groups],
        kept=count - len(fresh),
        new=len(fresh),
        splits=int((np.bincount(entries[1]) > 1).sum()),
        merges=int((np.bincount(entries[0]) > 1).sum()),
    )


def told(dataset: str, found: Refreshed, *, limit: int) -> dict[str, Any]:
    """What a report may say of a dataset's keys: no small number, and none that gives one away.

    Keys kept and new go in steps of the limit: held against the report of the version before, exact ones would tell how
    few were withdrawn.
    """
    return {
        "dataset": dataset,
        "kept": rounded_down(found.kept, limit),
        "new": rounded_down(found.new, limit),
        "splits": shown(found.splits, limit),
        "merges": shown(found.merges, limit),
    }


def _by_first_record(owners: Indices) -> Indices:
    """The same groups, numbered by their first record: its handle is the department's own random number.

    So the number of a key, which the project key can bring back, tells nothing of what was linked elsewhere.
    """
    _, first, group = np.unique(owners, return_index=True, return_inverse=True)
    rank = np.empty(len(first), dtype=np.int64)
    rank[np.argsort(first)] = np.arange(len(first))
    return rank[group.reshape(-1)]


def _distinct(keys: Bytes) -> tuple[Bytes, Indices]:
    """Each key once, in the order of their bytes, and for each row which of them it is."""
    order = framing.ascending(keys)
    in_order = keys[order]
    first = np.ones(len(keys), dtype=bool)
    first[1:] = (in_order[1:] != in_order[:-1]).any(axis=1)
    which = np.empty(len(keys), dtype=np.int64)
    which[order] = np.cumsum(first) - 1
    return in_order[first], which


def _assigned(entries: Indices, counts: Indices, ages: Indices, groups: int) -> Indices:
    """For each group the earlier key that it keeps, -1 for none.

    Of all pairs of a group and an earlier key of its records, the one with most records comes first; then the key of
    the earlier version; then the key whose bytes come first; then the group whose first handle comes first. A pair
    counts if neither its group nor its key is taken by then.

    Args:
        entries: groups and keys, shape (2, pairs).
        counts: records of each pair.
        ages: version of each key; keys are numbered in the order of their bytes.
        groups: how many there are.
    """
    kept = np.full(groups, -1, dtype=np.int64)
    group, key = entries
    alone = (np.bincount(group)[group] == 1) & (np.bincount(key)[key] == 1)
    kept[group[alone]] = key[alone]
    rest = np.flatnonzero(~alone)
    order = rest[np.lexsort((group[rest], key[rest], ages[key[rest]], -counts[rest]))]
    taken = set()
    for one_group, one_key in zip(group[order].tolist(), key[order].tolist(), strict=True):
        if kept[one_group] < 0 and one_key not in taken:
            kept[one_group] = one_key
            taken.add(one_key)
    return kept
