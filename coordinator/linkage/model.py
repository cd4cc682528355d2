"""Which pairs are matches where others compete with them or are known not to be. Matcher and key issuer run this.

The model is `pprl.protocol.match_model`, with what households and small overlaps need: the weight of a pattern l is
log(m(l) / u(l)), and both m and u are mixtures of products over fields.

*Non-matches* are learnt from pairs inside datasets that are of different people (`calibrate` says how many of each
pattern are), but often related: one component has the levels of random pairs, and the others begin as families, twins,
namesakes and neighbours (`_KINSHIPS`). A few pseudo-pairs with random levels keep a level from being impossible because
it hasn't been seen yet.

*Matches* are learnt from pairs across datasets. Each round, a pair counts with its posterior given that others compete
with it (`competition`).

Source: 3-linkage-method, 3.3; Thibaudeau (1993) and Larsen and Rubin (2001) for latent classes.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import product

import numpy as np
from numpy.typing import NDArray

from coordinator.linkage.competition import Competing, Kinds
from pprl.protocol.levels import (
    BITS_A_LEVEL,
    CANONICAL,
    DICE_25,
    DICE_40,
    DICE_50,
    DICE_60,
    DICE_70,
    DICE_80,
    DICE_90,
    EXACT,
    LEVELS,
    MISSING,
    NONE,
    SUBSET,
    Patterns,
    level_of,
)
from pprl.protocol.match_model import (
    LEAST,
    MATCH_ROUNDS,
    MOST_LOG_ODDS,
    Levels,
    Mixture,
    Numbers,
    PatternTable,
    everyday_matches,
    level_counts,
    levels_of,
    normalised,
    profile_of,
    refit_matches,
    with_missing,
)
from pprl.protocol.pass_fit import TwoDatasets, possible_pairs

NON_MATCH_ROUNDS = 60
WARM_ROUNDS = 6

# Pseudo-pairs with random levels in each component of the non-matches, for each field.
RANDOM_PAIRS = 20.0
# Share of the smaller dataset that is taken to be matched before anything is known.
FIRST_MATCHED = 0.3

# Pairs with lower odds on their own are in nobody's way.
LEAST_COMPETING_LOG_ODDS = -10.0

Indices = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Roles:
    """Which fields say what about a person, by their place in the pattern.

    Attributes:
        forename: the forename, or the full name.
        surname: the surname, or the full name.
        birth: the date or year of birth.
        birth_date: the date of birth alone.
        address: postcode, address line and place.
        postcode: the postcode alone.
        middle: middle names.
    """

    forename: tuple[int, ...] = ()
    surname: tuple[int, ...] = ()
    birth: tuple[int, ...] = ()
    birth_date: tuple[int, ...] = ()
    address: tuple[int, ...] = ()
    postcode: tuple[int, ...] = ()
    middle: tuple[int, ...] = ()

    @staticmethod
    def of(kinds: Sequence[str]) -> Roles:
        """The roles of fields with these kinds, in the order of the pattern."""

        def of_kind(*wanted: str) -> tuple[int, ...]:
            return tuple(place for place, kind in enumerate(kinds) if kind in wanted)

        return Roles(
            forename=of_kind("given-name", "full-name"),
            surname=of_kind("surname", "full-name"),
            birth=of_kind("date-of-birth", "year-of-birth"),
            birth_date=of_kind("date-of-birth"),
            address=of_kind("postcode", "address-line", "place"),
            postcode=of_kind("postcode"),
            middle=of_kind("middle-names"),
        )


@dataclass(frozen=True, slots=True)
class Comparison(TwoDatasets):
    """Candidate pairs of two datasets, or of a dataset with itself, each once.

    Attributes:
        pairs: the records of each pair, and whether they compete.
        patterns: pattern of each pair, shape (pairs,).
    """

    pairs: Competing
    patterns: Patterns

    @property
    def possible(self) -> float:
        """How many pairs of records there are, candidates or not."""
        return possible_pairs(self.pairs.rows, within=self.within)


@dataclass(frozen=True, slots=True)
class NonMatchTable(PatternTable):
    """Distinct patterns of pairs of different people.

    Attributes:
        left_out: patterns that the pairs may have had and aren't counted, if there are any.
    """

    left_out: LeftOut | None = None


def table_of(patterns: Patterns, fields: int) -> NonMatchTable:
    """The distinct patterns of some pairs."""
    in_order = np.sort(patterns)
    distinct = _distinct(in_order)
    ends = np.searchsorted(in_order, distinct, side="right")
    return table_of_counts(distinct, fields, np.diff(ends, prepend=0).astype(np.float64))


def table_of_counts(distinct: Patterns, fields: int, counts: Numbers) -> NonMatchTable:
    """Distinct patterns that have been counted."""
    levels = levels_of(distinct, fields)
    return NonMatchTable(levels, counts, (levels != MISSING).any(axis=0))


# Non-matches


# What a component's pairs have in common at first: f forename, s surname, b birth, a address.
_KINSHIPS = ("", "sa", "sab", "fs", "fb", "a", "b", "s", "f", "sb", "fsa", "fsab", "fsb", "ab")
_AGREEING = {EXACT: 0.8, SUBSET: 0.05, DICE_90: 0.05, DICE_80: 0.04, DICE_70: 0.03, CANONICAL: 0.03}
_NEARLY_EQUAL = (EXACT, SUBSET, DICE_90, DICE_80, CANONICAL)
_CLEARLY_OTHER = (DICE_40, DICE_25, NONE)


def fit_non_matches(
    tables: Sequence[NonMatchTable], random: Numbers, roles: Roles, start: Mixture | None = None
) -> Mixture:
    """Fit the mixture to pairs of different people, by expectation maximisation.

    Args:
        tables: patterns of pairs inside datasets.
        random: probability of each level for random pairs, shape (fields, 13); the first component keeps it.
        roles: what the fields are.
        start: a fit to begin from, which takes fewer rounds.
    """
    mixture = start or _kinships(random, roles)
    for _ in range(WARM_ROUNDS if start else NON_MATCH_ROUNDS):
        counts = np.zeros(mixture.levels.shape)
        members = np.zeros(len(mixture.weights))
        for table in tables:
            shares = mixture.members(table)
            members += shares.sum(axis=0)
            counts += level_counts(table, shares)
            if table.left_out:
                more, of_these = table.left_out.expected(mixture.levels, shares.sum(axis=0), table.used)
                members += more
                counts += of_these
        levels = normalised(counts + RANDOM_PAIRS * random)
        levels[0] = random
        mixture = Mixture(mixture.names, normalised(members + 1), levels)
    return mixture


def _kinships(random: Numbers, roles: Roles) -> Mixture:
    """The non-matches before anything is known: random pairs, families, twins, namesakes, neighbours."""
    of_letter = {"f": roles.forename, "s": roles.surname, "b": roles.birth, "a": roles.address}
    begun: dict[frozenset[int], tuple[str, Numbers]] = {}
    for kinship in _KINSHIPS:
        if any(not of_letter[letter] for letter in kinship):
            continue
        fields = frozenset(field for letter in kinship for field in of_letter[letter])
        begun.setdefault(fields, (kinship or "random", _agreeing(random, fields)))
    count = len(begun)
    return Mixture(
        tuple(name for name, _ in begun.values()),
        np.full(count, 1 / count),
        np.stack([levels for _, levels in begun.values()]),
    )


def _agreeing(random: Numbers, fields: frozenset[int]) -> Numbers:
    """Random levels, but mostly agreeing in some fields."""
    levels = random.copy()
    for field in fields:
        levels[field] = with_missing(
            0.9 * profile_of(_AGREEING) + 0.1 * random[field], random[field, MISSING]
        )
    return levels


# Which pairs are of different people for sure.


def alike_in_everything(patterns: Patterns, roles: Roles) -> NDArray[np.bool_]:
    """Which patterns are nearly equal in forename, surname, birth and address: no two people are.

    Args:
        patterns: shape (pairs,).
        roles: what the fields are; without one of the four, no pattern is.
    """
    alike = np.ones(len(patterns), dtype=bool)
    for fields in (roles.forename, roles.surname, roles.birth, roles.address):
        some = [np.isin(level_of(patterns, field), _NEARLY_EQUAL) for field in fields]
        alike &= np.logical_or.reduce(some) if some else False
    return alike


def perhaps_one_person(patterns: Patterns, roles: Roles) -> NDArray[np.bool_]:
    """Which patterns may be of one person's two records, before anything is known of the data.

    Of forename, surname, birth and address, at least two more agree than clearly differ; and birth agrees, or
    forename and address do, as family shares the rest.

    Args:
        patterns: shape (pairs,).
        roles: what the fields are.
    """
    agrees, balance = {}, np.zeros(len(patterns), dtype=np.int64)
    for role in ("forename", "surname", "birth", "address"):
        there = np.zeros(len(patterns), dtype=bool)
        alike = there.copy()
        for field in getattr(roles, role):
            level = level_of(patterns, field)
            there |= level != MISSING
            alike |= (level != MISSING) & ~np.isin(level, _CLEARLY_OTHER)
        agrees[role] = alike
        balance += alike.astype(np.int64) - (there & ~alike)
    own = agrees["birth"] | (agrees["forename"] & agrees["address"])
    return np.asarray(own & (balance >= 2), dtype=np.bool_)


def would_be_joined(patterns: Patterns, roles: Roles) -> NDArray[np.bool_]:
    """Which patterns a department would mostly join two of its own records by, as far as levels can say.

    The rules themselves compare plain values (`pprl.encode.at_home`): both names and the date of birth; forename, date
    of birth and postcode; both names, postcode and a part of the date of birth; and no middle name differs. They are
    there in agreements alone that have a date of birth.

    Args:
        patterns: shape (pairs,).
        roles: what the fields are.
    """

    def some(fields: tuple[int, ...], levels: Sequence[int]) -> NDArray[np.bool_]:
        found = np.zeros(len(patterns), dtype=bool)
        for field in fields:
            found |= np.isin(level_of(patterns, field), levels)
        return found

    forename, surname = some(roles.forename, _NEARLY_EQUAL), some(roles.surname, _NEARLY_EQUAL)
    birth, postcode = some(roles.birth_date[:1], (EXACT,)), some(roles.postcode, (EXACT,))
    partly = some(roles.birth_date[:1], (DICE_50, DICE_60, DICE_70, DICE_80, DICE_90))
    agreeing = (forename & birth & (surname | postcode)) | (forename & surname & postcode & partly)
    return agreeing & ~some(roles.middle, (NONE,))


# What a field says of two records, coarsely, with a level that stands for each.
_CLASSES = (MISSING, EXACT, NONE)
_CLASS_OF = np.array(
    [0 if level == MISSING else 2 if level in _CLEARLY_OTHER else 1 for level in range(LEVELS)]
)
# A component of which more than this share is left out isn't known from what is seen of it.
MOST_LEFT_OUT = 0.2


@dataclass(frozen=True, slots=True)
class LeftOut:
    """The patterns that `perhaps_one_person` left out of a table, and how many non-matches they hold.

    Without them, what is seen of namesakes says that different people never have birthdays that look alike: in a
    large dataset many do, and would be taken for one person each. So as many are added to each component as it would
    have among these patterns, by its own levels: the expectation of what is truncated. Levels that are never
    seen stay in the proportion to others that they have among random pairs.

    Attributes:
        places: the fields that decide whether a pattern is left out.
        classes: what these fields say in each way of being left out, as places in `_CLASSES`, shape (ways, places).
        known: which components are known well enough, shape (components,): those that leave little out, and don't
            agree in birth, as nearly all that do are left out as soon as anything else agrees.

    Source: Dempster, Laird and Rubin (1977), section 4.2, for expectation maximisation with truncated data.
    """

    places: tuple[int, ...]
    classes: Indices
    known: NDArray[np.bool_]

    @staticmethod
    def of(random: Numbers, roles: Roles) -> LeftOut:
        """The patterns that are left out, and the components of non-matches that they hide little of.

        Args:
            random: probability of each level for random pairs, shape (fields, 13).
            roles: what the fields are.
        """
        places = tuple(sorted({*roles.forename, *roles.surname, *roles.birth, *roles.address}))
        classes = np.array(list(product(range(len(_CLASSES)), repeat=len(places))), dtype=np.int64)
        levels = np.array(_CLASSES, dtype=np.uint64)[classes]
        shifts = np.array(places, dtype=np.uint64) * np.uint64(BITS_A_LEVEL)
        patterns = np.bitwise_or.reduce(levels << shifts, axis=1)
        start = _kinships(random, roles)
        left_out = LeftOut(
            places, classes[perhaps_one_person(patterns, roles)], np.ones(len(start.names), bool)
        )
        share = left_out._ways(start.levels).sum(axis=1)
        of_birth = np.array([name != "random" and "b" in name for name in start.names])
        return replace(left_out, known=(share < MOST_LEFT_OUT) & ~of_birth)

    def expected(self, levels: Numbers, seen: Numbers, used: NDArray[np.bool_]) -> tuple[Numbers, Numbers]:
        """How many pairs of each component are left out, and with which levels.

        Args:
            levels: probability of each level, shape (components, fields, 13).
            seen: pairs of each component that are not left out, shape (components,).
            used: for each field, whether any of the pairs has it.

        Returns:
            Pairs, shape (components,), and levels, shape (components, fields, 13).
        """
        present = np.where(used[None, :, None], levels, np.arange(LEVELS) == MISSING)
        ways = self._ways(present)
        share = ways.sum(axis=1)
        # What was known at the start may have drifted; no more is added than to what leaves most out and is known.
        scale = np.where(self.known, seen / np.maximum(1 - share, MOST_LEFT_OUT), 0.0)
        counts = present * share[:, None, None]
        for place, classes in zip(self.places, self.classes.T, strict=True):
            of_class = np.stack(
                [ways[:, classes == each].sum(axis=1) for each in range(len(_CLASSES))], axis=1
            )
            in_class = present[:, place] / np.maximum(_by_class(present[:, place])[:, _CLASS_OF], LEAST)
            counts[:, place] = of_class[:, _CLASS_OF] * in_class
        counts[:, ~used] = 0
        return scale * share, scale[:, None, None] * counts

    def _ways(self, levels: Numbers) -> Numbers:
        """Probability of each way of being left out, for each component, shape (components, ways)."""
        found = np.ones((len(levels), len(self.classes)))
        for place, classes in zip(self.places, self.classes.T, strict=True):
            found *= _by_class(levels[:, place])[:, classes]
        return found


def _by_class(levels: Numbers) -> Numbers:
    """Probability of each class of levels, shape (components, 3)."""
    return np.stack([levels[:, each == _CLASS_OF].sum(axis=1) for each in range(len(_CLASSES))], axis=1)


@dataclass(frozen=True, slots=True)
class Side:
    """A comparison as the fit needs it: by distinct pattern.

    Attributes:
        comparison: the pairs.
        kinds: the pairs by kind: a pattern's pairs in one part, after each pattern's all parts.
        distinct: the distinct patterns, ascending.
        levels: levels of each distinct pattern.
        used: for each field, whether any pair has it.
        log_non_matches: log of the expected number of non-matching pairs with each pattern.
        parts: how many parts the pairs are in.
    """

    comparison: Comparison
    kinds: Kinds
    distinct: Patterns
    levels: Levels
    used: NDArray[np.bool_]
    log_non_matches: Numbers
    parts: int

    @staticmethod
    def of(comparison: Comparison, fields: int, non_matches: Mixture, rate: float) -> Side:
        """The comparison by distinct pattern, held against non-matches as `with_others` says."""
        return Side.unfitted(comparison, fields).with_others(non_matches, rate)

    @staticmethod
    def unfitted(comparison: Comparison, fields: int, *, parts: int = 1) -> Side:
        """The comparison by distinct pattern, before anything is known of non-matches.

        Args:
            comparison: the pairs.
            fields: how many a pattern has.
            parts: how many parts the pairs are put into, one pair after the other.
        """
        distinct = _distinct(comparison.patterns)
        kind = _kinds(comparison.patterns, distinct, parts)
        levels = levels_of(distinct, fields)
        kinds = Kinds.of(comparison.pairs, kind, len(distinct) * parts)
        used = (levels != MISSING).any(axis=0)
        return Side(comparison, kinds, distinct, levels, used, np.zeros(len(distinct)), parts)

    def with_others(self, non_matches: Mixture, rate: float) -> Side:
        """The same pairs, held against another distribution of non-matches.

        Args:
            non_matches: distribution of patterns among different people.
            rate: share of possible pairs of different people that are candidates.
        """
        expected = np.log(max(rate * self.comparison.possible, LEAST))
        return replace(self, log_non_matches=expected + non_matches.log_density(self.levels, self.used))

    @property
    def place(self) -> NDArray[np.int32]:
        """Pattern of each pair, as a place in `levels`."""
        return self.kinds.kind // np.int32(self.parts)

    def log_odds(self, matches: Mixture, expected_matches: float) -> Numbers:
        """Log odds of each distinct pattern, before competition."""
        expected = np.log(max(expected_matches, 1e-6))
        odds = expected + matches.log_density(self.levels, self.used) - self.log_non_matches
        return np.asarray(np.minimum(odds, MOST_LOG_ODDS), dtype=np.float64)

    def posteriors(self, log_odds: Numbers, expected_matches: float) -> Numbers:
        """The sum of the pairs' posteriors for each distinct pattern and part, shape (patterns, parts).

        Args:
            log_odds: of a pair on its own, by distinct pattern, shape (patterns,) or (patterns, parts).
            expected_matches: of the comparison.
        """
        by_part = log_odds if log_odds.ndim == 2 else np.repeat(log_odds[:, None], self.parts, axis=1)
        return self.kinds.summed(odds_of(by_part.ravel()), expected_matches).reshape(by_part.shape)

    def counts(self) -> Numbers:
        """How many pairs there are of each distinct pattern and part, shape (patterns, parts)."""
        return self.kinds.counts.reshape(len(self.distinct), self.parts)

    def table(self, counts: Numbers) -> PatternTable:
        """The distinct patterns with these counts, shape (patterns,)."""
        return PatternTable(self.levels, counts, self.used)


def _distinct(patterns: Patterns) -> Patterns:
    """Each pattern once, ascending: `np.unique` hashes whole numbers, which is slower than to sort them."""
    in_order = np.sort(patterns)
    first = np.ones(len(in_order), dtype=bool)
    first[1:] = in_order[1:] != in_order[:-1]
    return in_order[first]


def _kinds(patterns: Patterns, distinct: Patterns, parts: int) -> NDArray[np.int32]:
    kinds = np.searchsorted(distinct, patterns).astype(np.int32)
    if parts > 1:
        kinds *= np.int32(parts)
        kinds += np.arange(len(kinds), dtype=np.int32) % np.int32(parts)
    return kinds


def expectation_maximisation(
    sides: Sequence[Side], random: Numbers
) -> tuple[Mixture, list[float], list[Numbers]]:
    """Learn the matches. Only pairs across datasets teach m; every comparison has its own number of matches.

    Returns:
        The matches' distribution; for each comparison, the expected matches, and the sum of its pairs' posteriors by
        distinct pattern and part.
    """
    everyday = matches = everyday_matches(random)
    expected = [FIRST_MATCHED * min(side.comparison.pairs.rows) for side in sides]
    found: list[Numbers] = []
    for _ in range(MATCH_ROUNDS):
        found = [
            side.posteriors(side.log_odds(matches, count), count)
            for side, count in zip(sides, expected, strict=True)
        ]
        expected = [float(each.sum()) for each in found]
        teaching = [
            side.table(sums.sum(axis=1))
            for side, sums in zip(sides, found, strict=True)
            if not side.comparison.within
        ]
        matches = refit_matches(matches, teaching, everyday)
    return matches, expected, found


def odds_of(log_odds: Numbers) -> Numbers:
    """Odds of pairs on their own; hopeless pairs don't compete and have none."""
    odds = np.exp(np.minimum(log_odds, MOST_LOG_ODDS))
    return np.where(log_odds > LEAST_COMPETING_LOG_ODDS, odds, 0.0)


def weights_by_level(matches: Mixture, non_matches: Mixture) -> Numbers:
    """Match weight of each level in each field, log2(m / u) over all components: for the report."""
    ratio = np.maximum(matches.marginal(), LEAST) / np.maximum(non_matches.marginal(), LEAST)
    return np.asarray(np.log2(ratio), dtype=np.float64)
