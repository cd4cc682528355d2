"""Match keys at the coordinator: which pairs share one, what that is worth, and what becomes of it in a run."""

from dataclasses import replace
from datetime import date

import numpy as np
import pytest

from coordinator.linkage.compare import compare, levels
from coordinator.linkage.match_clk import _with_shared_keys
from coordinator.linkage.shared_keys import KeyedDataset, expected_wrong, scores, without_keys
from coordinator.linkage.threshold import BINS, NOTHING_LINKS, SHARED_KEY_BIN
from pprl.agreements.draft import DatasetSketch, draft
from pprl.protocol.agreement import AgreementFile, parse
from pprl.protocol.pairs import SHARED_KEY
from pprl.protocol.submission import Keyed
from pprl.synthetic import linkage_pair
from tools.calibration import decision, linked


def random_records(rng: np.random.Generator, rows: int) -> Keyed:
    clks = rng.integers(0, 256, (rows, 64), dtype=np.uint8)
    return Keyed(clks, rng.integers(0, 256, (rows, 3, 16), dtype=np.uint8))


def test_pairs_that_share_a_key_are_found_beside_those_that_are_alike():
    rng = np.random.default_rng(1)
    left, right = random_records(rng, 60), random_records(rng, 50)
    for row, other, place in ((3, 7, 0), (3, 8, 2), (10, 7, 1), (59, 49, 0), (59, 49, 2), (0, 0, 1)):
        right.tags[other, place] = left.tags[row, place]
    # As the floor is, the first of these is alike as well, and the second is not.
    right.clks[7] = left.clks[3]
    found = compare(left.clks, right.clks, floor=0.55, progress=lambda _share: None)
    rows, others, at = _with_shared_keys(left, right, found)
    shared = {(0, 0), (3, 7), (3, 8), (10, 7), (59, 49)}
    alike = set(zip(found.left.tolist(), found.right.tolist(), strict=True))
    told = dict(zip(zip(rows.tolist(), others.tolist(), strict=True), at.tolist(), strict=True))
    assert set(told) == shared | alike
    assert {pair for pair, level in told.items() if level >= SHARED_KEY} == shared
    assert told[3, 7] == SHARED_KEY + 10_000
    common = np.bitwise_count(left.clks[10] & right.clks[7]).sum() * 2
    bits = np.bitwise_count(left.clks[10]).sum() + np.bitwise_count(right.clks[7]).sum()
    assert told[10, 7] == SHARED_KEY + int(levels(np.array([common / bits]))[0])


def test_without_match_keys_pairs_are_as_they_were():
    rng = np.random.default_rng(2)
    sides = [replace(random_records(rng, rows), tags=np.empty((rows, 0, 16), np.uint8)) for rows in (40, 30)]
    found = compare(sides[0].clks, sides[1].clks, floor=0.5, progress=lambda _share: None)
    rows, others, at = _with_shared_keys(*sides, found)
    assert (rows.tolist(), others.tolist()) == (found.left.tolist(), found.right.tolist())
    assert at.tolist() == levels(found.dice).tolist()


def test_scores_put_shared_keys_above_equal_filters_and_below_what_nothing_reaches():
    told = np.array([0, 9_999, 10_000, SHARED_KEY, SHARED_KEY + 10_000])
    found = scores(told)
    assert (np.diff(found) > 0).all()
    assert (levels(found)[3:] // 50 == SHARED_KEY_BIN).all()
    assert found[2] == 1 < found[3] < found[4] < NOTHING_LINKS
    assert without_keys(told).tolist() == [0, 0.9999, 1, 0, 1]
    assert SHARED_KEY_BIN == BINS - 1


def dataset(own_pairs: int, *, duplicates: bool = False) -> KeyedDataset:
    return KeyedDataset(encoded=1_001, own_pairs=own_pairs, may_have_duplicates=duplicates)


def test_wrong_pairs_are_expected_from_datasets_that_hold_a_person_once():
    clean, other, mixed = dataset(9), dataset(19), dataset(400_000, duplicates=True)
    possible = 1_001 * 1_001
    assert expected_wrong(0, clean, clean, []) == pytest.approx(10 / 500_500 * possible)
    assert expected_wrong(0, clean, other, []) == pytest.approx(15 / 500_500 * possible)
    assert expected_wrong(0, mixed, clean, []) == expected_wrong(0, clean, clean, [])
    assert expected_wrong(0, mixed, mixed, [mixed, other]) == pytest.approx(20 / 500_500 * possible)
    assert expected_wrong(0, mixed, mixed, [mixed]) == float("inf")


def test_fewer_share_a_key_where_most_people_are_in_both():
    assert expected_wrong(500, dataset(9), dataset(9), []) == pytest.approx(20 * (501 / 1_001) ** 2, rel=0.01)
    assert expected_wrong(2_000, dataset(9), dataset(9), []) == 0


KEPT = ("given_name", "surname", "date_of_birth", "sex", "postcode", "person_id")
BAD_KEY = (
    'match_keys = [\n  { name = "year", parts = ["date_of_birth:year", "sex:whole", "surname:initial"] },\n]'
)


def run(*, seed: int, keys: str | None = None, profile: str = "privacy-first"):
    """A small linkage, its pairs between the datasets, and which of these are of one person."""
    pair = linkage_pair(500, 500, 0.5, error_scale=2.0, seed=seed)
    tables = {
        name: {column: table.columns[column] for column in KEPT}
        for name, table in (("a", pair.a), ("b", pair.b))
    }
    sketches = [DatasetSketch(name, KEPT[:-1], 500) for name in tables]
    text = draft(sketches, today=date(2026, 1, 1), profile=profile)
    if keys is not None:
        start = text.index("match_keys = [")
        text = text[:start] + keys + text[text.index("\n]\n", start) + 2 :]
    agreement: AgreementFile = parse(text.encode(), where="draft")
    made = decision(agreement, tables, seed=seed)
    [between] = [each for each in made.decided.compared if each.left != each.right]
    same = made.people[0][between.pairs.left] == made.people[1][between.pairs.right]
    return made, between.pairs, same


def test_pairs_that_share_a_key_link_first_and_are_reported_by_what_departments_count():
    made, pairs, same = run(seed=5)
    keyed = pairs.dice > 1
    assert keyed.sum() > 150
    assert same[keyed].mean() > 0.97
    assert made.decided.method.endswith("; pairs that share a match key come first")
    people = linked(made)
    together = people[0][pairs.left] == people[1][pairs.right]
    assert together[keyed].mean() > 0.97
    bins = made.decided.evidence.bins
    assert bins.pairs[-1] == keyed.sum()
    assert bins.expected_matches[-1] / bins.pairs[-1] == pytest.approx(same[keyed].mean(), abs=0.02)
    assert bins.edges[-2:].tolist() == pytest.approx([1.005, 1.01])


def test_a_key_that_many_people_share_counts_for_nothing():
    made, pairs, _ = run(seed=5, keys=BAD_KEY)
    plain, without, _ = run(seed=5, keys="")
    assert "match keys don't count" in made.decided.method
    assert not (pairs.dice > 1).any()
    # Another agreement has other encodings, so that chance brings other pairs.
    assert len(pairs) == pytest.approx(len(without), rel=0.2)
    assert made.decided.threshold == pytest.approx(plain.decided.threshold, abs=0.03)
