"""Attacks on whole filters, tried on generated people: what is seen, what is listed, and who is who."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache

import numpy as np

from pprl.privacy.exposure import whole_filters
from pprl.privacy.knowledge import Errors, known_people, list_of
from pprl.privacy.measure import Named, count
from pprl.privacy.views import Bytes, Known, Names
from tests.support.privacy import KEY, OTHER_KEY, no_limit, population, random_filters

Attack = Callable[..., Names]


@dataclass(frozen=True, slots=True)
class Case:
    """A file of plain CLKs and a list under another secret.

    Attributes:
        seen: filters of the file.
        listed: of the list.
        truth: place on the list of each record.
        known: people known to begin with.
    """

    seen: Bytes
    listed: Bytes
    truth: Names
    known: Known

    def named(self, attack: Attack, *, seed: int = 5) -> Named:
        """What an attack comes to."""
        return count(self.names(attack, seed=seed), self.truth, self.known)

    def names(self, attack: Attack, *, seed: int = 5) -> Names:
        """What an attack says."""
        return attack(self.seen, self.listed, self.known, rng=np.random.default_rng(seed), tick=no_limit)

    def in_another_order(self) -> tuple[Case, np.ndarray]:
        """The same with the records turned round, and where each was."""
        order = np.arange(len(self.seen))[::-1]
        known = np.stack([len(order) - 1 - self.known[:, 0], self.known[:, 1]], axis=1)
        return Case(self.seen[order], self.listed, self.truth[order], known), order

    def of_random_bits(self) -> Case:
        """The same with filters in which there is nothing to be found."""
        rng = np.random.default_rng(9)
        return Case(random_filters(self.seen, rng), random_filters(self.listed, rng), self.truth, self.known)


@cache
def plain_clk(people: int, *, overlap: float = 1.0, errors: Errors = "none", known: int = 0) -> Case:
    """A case with so many people, of whom so many are on the list and known; the same every time."""
    whole = population(people, scheme="clk")
    content = whole.agreement.content
    rng = np.random.default_rng(4)
    people_listed = list_of(
        whole.file, whole.strangers, content.kinds(), overlap=overlap, errors=errors, rng=rng
    )
    return Case(
        whole_filters(whole.file, content, KEY),
        whole_filters(people_listed.columns, content, OTHER_KEY),
        people_listed.truth,
        known_people(people_listed.truth, known, rng),
    )
