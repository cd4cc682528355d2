"""What is handed on to the key issuer, held to what the matcher hands on."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import numpy as np
import pytest

from coordinator.linkage.competition import Competing
from coordinator.linkage.model import Comparison, Roles
from coordinator.linkage.pass_fit import fit_pass
from pprl.encode.field_filters import FieldFilterEncoder
from pprl.privacy import exposure, handed_on
from pprl.privacy.ground import Ground
from pprl.privacy.sampling import Sample
from pprl.privacy.views import SeenPairs
from pprl.protocol.agreement import Agreement
from pprl.protocol.match_model import random_distribution
from pprl.protocol.pass_fit import Tally, fit_tallies
from pprl.protocol.pattern_counts import RANDOM_PAIRS
from tests.support.privacy import KEY, population, with_all_in_a_block

PEOPLE = 2000
Pairs = set[tuple[int, int, int]]


@dataclass(frozen=True, slots=True)
class View:
    """Pairs of two departments' files, and what the matcher has besides."""

    agreement: Agreement
    encoder: FieldFilterEncoder
    seen: SeenPairs
    random: np.ndarray
    same: np.ndarray


@cache
def view(*, whole_blocks: bool = False, several: bool = False) -> View:
    people = population(PEOPLE)
    content = people.agreement.content
    agreement = with_all_in_a_block(content) if whole_blocks else content
    encoder = exposure.encoder_of(agreement, KEY, several=several)
    file, other = ground(several=several).sample.file, people.other_file
    left, right = exposure.passes_of_two(file, other, encoder)
    inside = (several or whole_blocks, whole_blocks)
    seen = exposure.pairs_between(left, right, (PEOPLE, PEOPLE), encoder.fields, duplicates=inside)
    random = sum(
        encoder.random_levels(each, pairs=RANDOM_PAIRS, rng=np.random.default_rng(1))
        for each in (file, other)
    )
    return View(agreement, encoder, seen, random, people.truth + np.array([0, PEOPLE]))


@cache
def ground(*, several: bool = False) -> Ground:
    """With every person's record there a second time, with another postcode, where people have several."""
    people = population(PEOPLE)
    file = people.file
    if several:
        file = {name: values[: PEOPLE // 2] * 2 for name, values in file.items()}
        moved = [*file["postcode"][: PEOPLE // 2], *file["postcode"][1 : PEOPLE // 2], file["postcode"][0]]
        file = {**file, "postcode": moved}
    sample = Sample(file, people.strangers, PEOPLE, several)
    return Ground(sample, people.agreement.content, 1)


def by_the_matcher(found: View, number: int, *, several: bool) -> Pairs:
    """What the matcher keeps of a pass."""
    one_person = found.agreement.encoding.field_filter_parameters.one_person_a_block
    compared = [(0, 0), (0, 1)] if several else [(0, 1)] if one_person else [(0, 0), (0, 1), (1, 1)]
    keep = (_lone if one_person else _whole)(found, number, compared, [not several, True])
    left, right = found.seen.left[keep], found.seen.right[keep]
    return set(zip(left, right, found.seen.found_by[keep], strict=True))


def _lone(found: View, number: int, compared: list[tuple[int, int]], clean: list[bool]) -> np.ndarray:
    places = [_places(found.seen, number, both) for both in compared]
    tallies = [
        Tally.of(found.seen.patterns[mine], both, _rows(found.seen, number, both))
        for mine, both in zip(places, compared, strict=True)
    ]
    random = random_distribution(found.random)
    fit = fit_tallies(tallies, random, clean, ground()._blocked_by[number])
    kept = [
        mine[keep[np.searchsorted(tally.patterns, found.seen.patterns[mine])]]
        for mine, tally, keep in zip(places, tallies, fit.plausible(), strict=True)
    ]
    return np.concatenate(kept)


def _whole(found: View, number: int, compared: list[tuple[int, int]], clean: list[bool]) -> np.ndarray:
    """Of these the pairs across the datasets alone are handed on."""
    places = [_places(found.seen, number, both) for both in compared]
    comparisons = [
        Comparison(
            *both,
            _competing(found.seen, mine, _rows(found.seen, number, both), both),
            found.seen.patterns[mine],
        )
        for mine, both in zip(places, compared, strict=True)
    ]
    kinds = list(found.agreement.kinds().values())
    fit = fit_pass(comparisons, random_distribution(found.random), Roles.of(kinds), clean)
    at = compared.index((0, 1))
    kept: np.ndarray = places[at][fit.plausible()[at]]
    return kept


def _places(seen: SeenPairs, number: int, both: tuple[int, int]) -> np.ndarray:
    of = seen.dataset[seen.left], seen.dataset[seen.right]
    return np.flatnonzero((seen.found_by == number) & (of[0] == both[0]) & (of[1] == both[1]))


def _rows(seen: SeenPairs, number: int, both: tuple[int, int]) -> tuple[int, int]:
    one, two = (int(seen.in_pass[seen.dataset == dataset, number].sum()) for dataset in both)
    return one, two


def _competing(seen: SeenPairs, mine: np.ndarray, rows: tuple[int, int], both: tuple[int, int]) -> Competing:
    across = both[0] != both[1]
    return Competing(seen.left[mine], seen.right[mine], rows, one_left=across, one_right=across)


def at_home(kept: SeenPairs, number: int) -> Pairs:
    mine = kept.found_by == number
    return set(zip(kept.left[mine], kept.right[mine], kept.found_by[mine], strict=True))


@pytest.mark.parametrize("several", [False, True])
def test_where_one_person_stands_for_a_block_the_very_pairs_are_handed_on(several: bool) -> None:
    found = view(several=several)
    kept = handed_on.as_it_is_learnt(
        found.seen, found.random, ground()._blocked_by, duplicates=(several, False)
    )
    for number in range(found.seen.in_pass.shape[1]):
        assert at_home(kept, number) == by_the_matcher(found, number, several=several)
    assert 0.8 * len(found.seen.left) < len(kept.left) < len(found.seen.left)


@pytest.mark.parametrize("number", [0, 3])
def test_where_all_of_a_block_are_sent_about_the_same_pairs_are(number: int) -> None:
    found = view(whole_blocks=True)
    across = found.seen.dataset[found.seen.left] != found.seen.dataset[found.seen.right]
    seen = handed_on._some(found.seen, across)
    kept = handed_on.as_it_would_be_known(seen, found.same, found.encoder.fields.count)
    ours, theirs = at_home(kept, number), by_the_matcher(found, number, several=False)
    # At home it is known which pairs are one person's; the matcher has to guess, and keeps more.
    assert len(ours & theirs) > 0.95 * len(ours)
    assert len(ours & theirs) > 0.75 * len(theirs)
    assert len(theirs) < (seen.found_by == number).sum()


def test_what_the_key_issuer_gets_is_what_is_handed_on() -> None:
    view_of_it = ground()
    sides = exposure.passes_of_two(view_of_it.sample.file, view_of_it.other_file.columns, view_of_it.encoder)
    every = exposure.pairs_between(*sides, (PEOPLE, PEOPLE), view_of_it.encoder.fields)
    assert 0.8 * len(every.left) < len(view_of_it.pairs.left) < len(every.left)
