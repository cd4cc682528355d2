"""How good a linkage is where the truth is known, as on test files. Pure, and used by rehearsals alone.

A pair of records counts if the two come from different datasets, or both from a dataset that may have
duplicates. Pairs are counted from group sizes, never listed, so that ten million records take seconds.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray


@dataclass(frozen=True, slots=True)
class Score:
    """Pairs of records, linked and true.

    Attributes:
        linked_pairs: pairs that were linked.
        true_pairs: pairs that are of one person.
        correct_pairs: pairs that are both.
    """

    linked_pairs: int
    true_pairs: int
    correct_pairs: int

    @property
    def precision(self) -> float:
        """Share of the linked pairs that are of one person; 1 if none was linked."""
        return self.correct_pairs / self.linked_pairs if self.linked_pairs else 1.0

    @property
    def recall(self) -> float:
        """Share of the true pairs that were linked; 1 if there are none."""
        return self.correct_pairs / self.true_pairs if self.true_pairs else 1.0

    @property
    def f1(self) -> float:
        """Harmonic mean of precision and recall; 1 if there was nothing to link, and nothing was."""
        either = self.linked_pairs + self.true_pairs
        return 2 * self.correct_pairs / either if either else 1.0


def score(
    clusters: Sequence[ArrayLike], people: Sequence[ArrayLike], may_have_duplicates: Sequence[bool]
) -> Score:
    """Compare clusters with the truth. Whoever rehearses with test files runs this.

    Args:
        clusters: for each dataset, the cluster of each record: whole numbers or text, equal in one cluster.
        people: for each dataset, the person of each record, in the same order of records.
        may_have_duplicates: for each dataset, whether pairs inside it count.

    Returns:
        The counts of pairs.

    Raises:
        ValueError: the three do not tell of the same datasets and records.
    """
    sizes = [len(np.asarray(each)) for each in clusters]
    if sizes != [len(np.asarray(each)) for each in people] or len(sizes) != len(may_have_duplicates):
        raise ValueError("clusters and people must tell of the same datasets and records")
    dataset = np.repeat(np.arange(len(sizes)), sizes)
    found, known = _numbered(clusters), _numbered(people)
    both = _numbered([found * (known.max(initial=0) + 1) + known])
    counts = [
        _pairs(labels, dataset, np.asarray(may_have_duplicates, bool)) for labels in (found, known, both)
    ]
    return Score(*counts)


def _numbered(labels: Sequence[ArrayLike]) -> NDArray[np.int64]:
    if not labels:
        return np.empty(0, np.int64)
    return np.unique(np.concatenate([np.asarray(each) for each in labels]), return_inverse=True)[1]


def _pairs(
    groups: NDArray[np.int64], dataset: NDArray[np.int64], may_have_duplicates: NDArray[np.bool_]
) -> int:
    """Pairs of records in one group, less those inside a dataset without duplicates."""
    datasets = len(may_have_duplicates)
    keys, inside = np.unique(groups * datasets + dataset, return_counts=True)
    left_out = ~may_have_duplicates[keys % datasets] if datasets else np.empty(0, bool)
    return _pairs_of(np.bincount(groups)) - _pairs_of(inside[left_out])


def _pairs_of(counts: NDArray[np.int64]) -> int:
    return int((counts * (counts - 1) // 2).sum())
