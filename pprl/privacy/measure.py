"""How many people an attack named, and how many it may name at most."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from pprl.privacy.views import NOBODY, Known, Names
from pprl.protocol.risk_statement import PER, upper_per_10000

__all__ = ["PER", "Named", "OutOfTime", "count", "upper_per_10000"]


class OutOfTime(Exception):  # noqa: N818 - an end, not an error
    """An attack's time is over: what it would have named is not known."""


@dataclass(frozen=True, slots=True)
class Named:
    """What an attack came to.

    Attributes:
        of: records that could be named: those whose person the attacker knows of, without the ones known beforehand.
        right: of these, how many it gave the right name.
        wrong: records of anybody that it gave a wrong name.
    """

    of: int
    right: int
    wrong: int

    @property
    def upper(self) -> int:
        """Upper end of a one-sided 95 % interval of the records named, in 10,000; rounded up."""
        return upper_per_10000(self.right, self.of)

    def __add__(self, other: Named) -> Named:
        return Named(self.of + other.of, self.right + other.right, self.wrong + other.wrong)


def count(names: Names, truth: Names, known: Known) -> Named:
    """Set what an attack says against the truth.

    Args:
        names: place on the list that it gives each record.
        truth: the right place of each, NOBODY for people who are not on the list.
        known: what the attacker knew beforehand, which doesn't count.
    """
    open_ = np.ones(len(truth), dtype=bool)
    open_[known[:, 0]] = False
    said, right = names[open_], truth[open_]
    hits = int(((said == right) & (right != NOBODY)).sum())
    return Named(int((right != NOBODY).sum()), hits, int((said != NOBODY).sum()) - hits)
