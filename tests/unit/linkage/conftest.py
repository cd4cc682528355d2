"""Filters of made-up people: each feature of a person sets bits of its own, and mistakes move some of them."""

from collections.abc import Callable

import numpy as np
import pytest
from numpy.typing import NDArray

BITS = 1024
# How many values each feature takes, how many bits a value sets, and whether a household shares it.
FEATURES = ((300, 180, False), (1500, 160, True), (15000, 280, False), (2, 30, False), (2000, 80, True))
BIRTH = 2
MISTAKE, SHARE_MOVED = 0.2, 0.7
TWINS_EVERY = 80


class Filters:
    def __init__(self, seed: int) -> None:
        self.rng = np.random.default_rng(seed)
        self.patterns = [
            [self.rng.integers(0, BITS, bits) for _ in range(values)] for values, bits, _ in FEATURES
        ]

    def people(self, count: int) -> NDArray[np.int64]:
        values = np.stack([self.rng.integers(0, each[0], count) for each in FEATURES], axis=1)
        for column, (_, _, shared) in enumerate(FEATURES):
            if shared:
                # Every second person lives with the one before.
                values[1::2, column] = values[: len(values[1::2]) * 2 : 2, column]
        twins = np.arange(1, count, TWINS_EVERY)
        values[twins, BIRTH] = values[twins - 1, BIRTH]
        return values

    def record(self, person: NDArray[np.int64]) -> NDArray[np.uint8]:
        bits = np.zeros(BITS, dtype=bool)
        for column, value in enumerate(person):
            pattern = self.patterns[column][value]
            if self.rng.random() < MISTAKE:
                moved = self.rng.integers(0, BITS, len(pattern))
                pattern = np.where(self.rng.random(len(pattern)) < SHARE_MOVED, moved, pattern)
            bits[pattern] = True
        return np.packbits(bits)

    def records(self, people: NDArray[np.int64]) -> NDArray[np.uint8]:
        return np.stack([self.record(person) for person in people])


Table = tuple[NDArray[np.uint8], NDArray[np.int64]]


@pytest.fixture(scope="session")
def two_tables() -> Callable[..., tuple[Table, Table]]:
    """Filters and person numbers of two tables of so many people, a share of whom are in both.

    Some may have a second record in the same table, with mistakes of its own.
    """

    def make(count: int, overlap: float, seed: int, twice: int = 0) -> tuple[Table, Table]:
        filters, shared = Filters(seed), round(count * overlap)
        people = filters.people(2 * count - shared)
        order = filters.rng.permutation(len(people))
        in_a, in_b = (
            filters.rng.permutation(np.concatenate([each, each[:twice]]))
            for each in (order[:count], order[count - shared :])
        )
        return (filters.records(people[in_a]), in_a), (filters.records(people[in_b]), in_b)

    return make


@pytest.fixture(scope="session")
def three_tables_with_duplicates() -> list[Table]:
    """Three tables of the same 500 people: up to three records of one in each, in one table, in all but one."""
    filters = Filters(5)
    people = filters.people(500)
    tables = []
    for most in (3, 2, 1):
        who = filters.rng.permutation(np.repeat(np.arange(500), filters.rng.integers(0, most + 1, 500)))
        tables.append((filters.records(people[who]), who))
    return tables
