import numpy as np
import pytest

from coordinator.linkage.competition import Competing, posteriors, taken
from coordinator.linkage.model import (
    Comparison,
    Roles,
    fit_non_matches,
    perhaps_one_person,
    table_of,
    weights_by_level,
    would_be_joined,
)
from coordinator.linkage.pass_fit import fit_pass
from pprl.protocol.levels import CANONICAL, DICE_50, EXACT, LEVELS, MISSING, NONE
from pprl.protocol.match_model import Mixture, everyday_matches, random_distribution, refit_matches

FIELDS = 4
KINDS = ("given-name", "surname", "date-of-birth", "postcode")
ROLES = Roles.of(KINDS)


def patterns(*levels: tuple[int, int, int, int]) -> np.ndarray:
    return np.array(
        [sum(level << 4 * place for place, level in enumerate(each)) for each in levels], dtype=np.uint64
    )


def random_levels() -> np.ndarray:
    counts = np.zeros((FIELDS, LEVELS), dtype=np.int64)
    counts[:, NONE], counts[:, EXACT], counts[:, MISSING] = 9_000, [200, 100, 5, 1], 100
    return random_distribution(counts)


def drawn(rng: np.random.Generator, shares: list[float], size: int) -> np.ndarray:
    """Patterns that are exact in each field with a share of its own, and else differ."""
    exact = rng.random((size, FIELDS)) < shares
    return patterns(*map(tuple, np.where(exact, EXACT, NONE).tolist()))


def competing(left: list[int], right: list[int], *, rows: int = 10, one: bool = True) -> Competing:
    return Competing(np.array(left, np.int64), np.array(right, np.int64), (rows, rows), one, one)


def test_roles_follow_kinds() -> None:
    assert Roles.of(("full-name", "postcode", "year-of-birth", "place")) == Roles(
        forename=(0,), surname=(0,), birth=(2,), address=(1, 3), postcode=(1,)
    )
    assert Roles.of(("year-of-birth", "date-of-birth")) == Roles(birth=(0, 1), birth_date=(1,))


def test_a_lone_pair_keeps_its_odds() -> None:
    found = posteriors(competing([0], [0]), np.array([3.0]), matches=0.0)
    assert found[0] == pytest.approx(0.75)


def test_equal_rivals_share_what_there_is() -> None:
    found = posteriors(competing([0, 0], [0, 1]), np.array([1e6, 1e6]), matches=0.0)
    assert found.sum() == pytest.approx(1.0, abs=0.02)
    assert found[0] == pytest.approx(found[1])


def test_a_strong_pair_pushes_out_a_weak_one() -> None:
    found = posteriors(competing([0, 0], [0, 1]), np.array([1e4, 3.0]), matches=0.0)
    assert found[0] > 0.99
    assert found[1] < 0.01


def test_marginals_of_a_square_are_exact_enough() -> None:
    odds = np.array([20.0, 2.0, 3.0, 10.0])
    found = posteriors(competing([0, 0, 1, 1], [0, 1, 0, 1]), odds, matches=0.0)
    # All matchings: none, four single pairs, two double ones.
    total = 1 + odds.sum() + odds[0] * odds[3] + odds[1] * odds[2]
    assert found[0] == pytest.approx(odds[0] * (1 + odds[3]) / total, abs=0.03)
    assert found[1] == pytest.approx(odds[1] * (1 + odds[2]) / total, abs=0.03)


def test_many_partners_do_not_compete() -> None:
    found = posteriors(competing([0, 0], [0, 1], one=False), np.array([3.0, 9.0]), matches=5.0)
    assert found == pytest.approx([0.75, 0.9])


def test_best_pairs_are_taken_first_and_rule_out_others() -> None:
    pairs = competing([0, 0, 1, 1], [0, 1, 0, 1])
    assert taken(pairs, np.array([0.9, 0.95, 0.5, 0.8])).tolist() == [1, 2]
    assert taken(competing([0, 0], [0, 1], one=False), np.array([0.2, 0.9])).tolist() == [1, 0]


def test_non_matches_keep_random_pairs_and_find_families() -> None:
    rng = np.random.default_rng(1)
    strangers = drawn(rng, [0.02, 0.01, 0.0005, 0.0001], 20_000)
    families = drawn(rng, [0.02, 0.95, 0.002, 0.97], 600)
    fit = fit_non_matches([table_of(np.concatenate([strangers, families]), FIELDS)], random_levels(), ROLES)
    assert np.array_equal(fit.levels[0], random_levels())
    assert fit.weights.sum() == pytest.approx(1)
    assert fit.levels.sum(axis=2) == pytest.approx(np.ones(fit.levels.shape[:2]))
    at_home = table_of(patterns((NONE, EXACT, NONE, EXACT)), FIELDS)
    expected = np.exp(fit.log_density(at_home.levels, at_home.used))[0] * 20_600
    assert expected == pytest.approx(600 * 0.95 * 0.97 * 0.98, rel=0.1)


def test_unseen_levels_stay_possible() -> None:
    fit = fit_non_matches(
        [table_of(drawn(np.random.default_rng(1), [0.1] * 4, 500), FIELDS)], random_levels(), ROLES
    )
    assert (fit.levels > 0).all()


def test_a_field_that_nobody_has_says_nothing() -> None:
    table = table_of(patterns((EXACT, EXACT, EXACT, MISSING)), FIELDS)
    assert table.used.tolist() == [True, True, True, False]
    everyday = everyday_matches(random_levels())
    changed = everyday.levels.copy()
    changed[:, 3] = 1 / LEVELS
    other = Mixture(everyday.names, everyday.weights, changed)
    assert everyday.log_density(table.levels, table.used) == pytest.approx(
        other.log_density(table.levels, table.used)
    )
    taught = refit_matches(everyday, [table], everyday)
    assert taught.levels[:, 3] == pytest.approx(everyday.levels[:, 3])


def test_nothing_known_leaves_everyday_matches() -> None:
    everyday = everyday_matches(random_levels())
    assert refit_matches(everyday, [], everyday).levels == pytest.approx(everyday.levels)


def two_datasets(seed: int, matched: int) -> tuple[list[Comparison], np.ndarray]:
    rng = np.random.default_rng(seed)
    rows = 2_000
    strangers = [0.05, 0.05, 0.01, 0.002]

    def pairs(size: int) -> Competing:
        return Competing(rng.integers(0, rows, size), rng.integers(0, rows, size), (rows, rows), True, True)

    within = [Comparison(at, at, pairs(2_500), drawn(rng, strangers, 2_500)) for at in (0, 1)]
    others = pairs(5_000)
    both = Competing(
        np.concatenate([np.arange(matched), others.left]),
        np.concatenate([np.arange(matched), others.right]),
        (rows, rows),
        True,
        True,
    )
    found = np.concatenate([drawn(rng, [0.95, 0.95, 0.95, 0.8], matched), drawn(rng, strangers, 5_000)])
    return [*within, Comparison(0, 1, both, found)], np.arange(matched + 5_000) < matched


def test_one_pass_keeps_matches_and_drops_the_hopeless() -> None:
    comparisons, matched = two_datasets(1, 600)
    fit = fit_pass(comparisons, random_levels(), ROLES, clean=[True, True])
    kept = fit.plausible()
    assert kept[2][matched].mean() > 0.98
    assert kept[2][~matched].mean() < 0.2
    assert kept[0].mean() < 0.2


def test_weights_reward_agreement_and_punish_difference() -> None:
    comparisons, _ = two_datasets(2, 600)
    fit = fit_pass(comparisons, random_levels(), ROLES, clean=[True, True])
    weights = weights_by_level(fit.matches, fit.non_matches)
    assert (weights[:, EXACT] > 2).all()
    assert (weights[:, NONE] < -1).all()


def test_one_clear_difference_may_still_be_one_person_but_not_family() -> None:
    found = {
        (EXACT, EXACT, EXACT, NONE): True,  # moved
        (EXACT, NONE, EXACT, EXACT): True,  # married
        (NONE, EXACT, EXACT, EXACT): True,  # another forename, or twins
        (EXACT, EXACT, NONE, EXACT): True,  # a wrong birth date, or father and son
        (EXACT, EXACT, EXACT, MISSING): True,
        (EXACT, NONE, EXACT, NONE): False,
        (NONE, EXACT, MISSING, EXACT): False,  # family
        (MISSING, EXACT, MISSING, EXACT): False,
        (EXACT, EXACT, NONE, NONE): False,  # namesakes
        (EXACT, EXACT, MISSING, MISSING): False,
    }
    assert perhaps_one_person(patterns(*found), ROLES).tolist() == list(found.values())


def test_a_department_joins_its_records_by_three_things_that_agree() -> None:
    found = {
        (EXACT, EXACT, EXACT, NONE): True,  # moved
        (CANONICAL, EXACT, EXACT, MISSING): True,  # Bill and William
        (EXACT, NONE, EXACT, EXACT): True,  # married
        (EXACT, EXACT, DICE_50, EXACT): True,  # a slip in the birth date
        (EXACT, EXACT, MISSING, EXACT): False,  # no birth date
        (NONE, EXACT, EXACT, EXACT): False,  # another forename, or twins
        (EXACT, EXACT, NONE, EXACT): False,  # father and son
        (EXACT, EXACT, DICE_50, NONE): False,  # namesakes
        (EXACT, NONE, EXACT, NONE): False,
    }
    assert would_be_joined(patterns(*found), ROLES).tolist() == list(found.values())


def test_a_year_of_birth_before_the_date_joins_nobody() -> None:
    roles = Roles.of(("given-name", "surname", "year-of-birth", "date-of-birth"))
    found = {(EXACT, EXACT, EXACT, NONE): False, (EXACT, EXACT, NONE, EXACT): True}
    assert would_be_joined(patterns(*found), roles).tolist() == list(found.values())
