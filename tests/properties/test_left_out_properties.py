"""How many non-matches are expected among the patterns that are left out: class by class, and one by one."""

from itertools import product

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from coordinator.linkage.model import LeftOut, Roles, fit_non_matches, perhaps_one_person
from pprl.protocol.levels import BITS_A_LEVEL, EXACT, LEVELS, MISSING
from pprl.protocol.match_model import Numbers, random_distribution

# Enough of each class of levels; with all thirteen there are too many patterns for an obvious count.
SOME_LEVELS = (MISSING, EXACT, 5, 8, 10)
KINDS = ("given-name", "sex", "surname", "date-of-birth", "postcode")
FIELDS = len(KINDS)
ROLES = Roles.of(KINDS)
# In what they agree, of f(orename), s(urname) and a(ddress): family, neighbours, namesakes and so on. Nobody who agrees
# in b(irth), and no father and son of one name at one address ("fsa").
HARDLY_LEFT_OUT = {"random", "f", "s", "a", "sa", "fs"}


def levels_from(seed: int, components: int) -> Numbers:
    rng = np.random.default_rng(seed)
    levels = np.zeros((components, FIELDS, LEVELS))
    levels[:, :, SOME_LEVELS] = rng.dirichlet(np.ones(len(SOME_LEVELS)), (components, FIELDS))
    return levels


def one_by_one(levels: Numbers) -> Numbers:
    """Probability of each level among the patterns that are left out, shape (components, fields, 13)."""
    combinations = np.array(list(product(SOME_LEVELS, repeat=FIELDS)), dtype=np.uint64)
    shifts = np.arange(FIELDS, dtype=np.uint64) * np.uint64(BITS_A_LEVEL)
    left_out = combinations[perhaps_one_person(np.bitwise_or.reduce(combinations << shifts, axis=1), ROLES)]
    found = np.zeros_like(levels)
    for component, of_component in enumerate(levels):
        chances = np.prod([of_component[field, left_out[:, field]] for field in range(FIELDS)], axis=0)
        for field in range(FIELDS):
            found[component, field] = np.bincount(left_out[:, field].astype(int), chances, LEVELS)
    return found


@given(seed=st.integers(0, 2**32 - 1), unused=st.sampled_from([None, 0, 1, 3, 4]))
@settings(max_examples=30, deadline=None)
def test_what_is_left_out_is_counted_as_one_by_one(seed: int, unused: int | None) -> None:
    random = random_distribution(np.full((FIELDS, LEVELS), 100))
    left_out = LeftOut.of(random, ROLES)
    levels = levels_from(seed, len(left_out.known))
    used = np.array([field != unused for field in range(FIELDS)])
    seen = np.random.default_rng(seed).uniform(1, 1_000, len(levels))

    pairs, counts = left_out.expected(levels, seen, used)

    if unused is not None:
        levels[:, unused] = np.arange(LEVELS) == MISSING
    chances = one_by_one(levels)
    share = chances[:, 0].sum(axis=1)
    factor = np.where(left_out.known, seen / np.maximum(1 - share, 0.2), 0.0)
    assert np.allclose(pairs, factor * share)
    expected = factor[:, None, None] * chances
    expected[:, ~used] = 0
    assert np.allclose(counts, expected)


def test_what_is_hardly_seen_of_is_not_added_to() -> None:
    counts = np.zeros((FIELDS, LEVELS), dtype=np.int64)
    counts[:, (MISSING, EXACT, 10)] = [500, 10, 9_000]
    random = random_distribution(counts)
    left_out = LeftOut.of(random, ROLES)
    pairs, _ = left_out.expected(
        levels_from(1, len(left_out.known)), np.ones(len(left_out.known)), np.ones(FIELDS, bool)
    )
    assert (pairs[~left_out.known] == 0).all()
    assert (pairs[left_out.known] > 0).all()
    names = fit_non_matches([], random, ROLES).names
    assert {name for name, known in zip(names, left_out.known, strict=True) if known} == HARDLY_LEFT_OUT
