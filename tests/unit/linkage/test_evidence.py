"""The run report's evidence: the same counts as by hand, and no small ones."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from coordinator.linkage.compare import Pairs
from coordinator.linkage.evidence import (
    Bins,
    Cut,
    Estimate,
    Evidence,
    FoundPairs,
    Suppressed,
    document,
    posterior_bins,
)
from coordinator.linkage.solve import Compared

# Two datasets of five records. Records 0 to 2 of each are one person each, 3 and 4 are nobody else's.
PEOPLE = [np.array([0, 1, 2, 3, 4]), np.array([0, 1, 2, 5, 6])]
PAIRS = {(0, 0): 0.999, (1, 1): 0.97, (2, 2): 0.6, (3, 3): 0.3, (0, 4): 0.015, (4, 0): 0.005}
BY_PASS = {"birth": [(0, 0), (1, 1), (3, 3)], "names": [(0, 0), (2, 2), (0, 4), (4, 0)]}


def found() -> FoundPairs:
    pairs = sorted({pair for each in BY_PASS.values() for pair in each})
    passes = [sum((pair in each) << place for place, each in enumerate(BY_PASS.values())) for pair in pairs]
    left, right = np.array(pairs, np.uint32).T
    return FoundPairs(0, 1, tuple(BY_PASS), (20, 30), left, right, np.array(passes, np.uint64))


def compared() -> list[Compared]:
    kept = {pair: score for pair, score in PAIRS.items() if score >= 0.01}
    left, right = np.array(list(kept), dtype=np.uint32).T
    return [Compared(0, 1, Pairs(left, right, np.array(list(kept.values()))))]


def evidence(**changed: Any) -> Evidence:
    values: dict[str, Any] = {
        "score": "posterior",
        "bins": posterior_bins(compared(), len(PAIRS), sum(PAIRS.values())),
        "curve": (Cut(0.5, 3, Estimate(0.9, 0.8, 0.95), Estimate(0.8, None, None)),),
        "found": (found(),),
        "expected_matches": {(0, 1): 2.884},
        "unseen_matches": 0.25,
        "suppressed": (Suppressed("a", "birth", 2), Suppressed("b", "birth", 0)),
        "model": {},
    }
    return Evidence(**(values | changed))


def told(limit: int, **changed: Any) -> dict[str, Any]:
    return document(evidence(**changed), compared(), PEOPLE, datasets=["a", "b"], limit=limit)


def test_what_each_pass_contributed() -> None:
    birth, names = told(1)["passes"]
    counts = ("compared", "pairs", "linked_pairs", "linked_by_no_other_pass")
    assert [birth[name] for name in counts] == [20, 3, 2, 1]
    assert [names[name] for name in counts] == [30, 4, 2, 1]
    assert birth["comparisons"] == [{"left": "a", "right": "b", **{name: birth[name] for name in counts}}]


def test_each_pair_counts_once_over_all_passes() -> None:
    (comparison,) = told(1)["comparisons"]
    assert comparison == {
        "left": "a", "right": "b", "candidate_pairs": 6, "linked_pairs": 3, "expected_matches": 2.9,
    }  # fmt: skip


def test_the_histogram_has_every_candidate() -> None:
    bins = {each["from"]: each for each in told(1)["histogram"]}
    pairs = {start: each["pairs"] for start, each in bins.items() if each["pairs"]}
    assert pairs == {0.0: 1, 0.01: 1, 0.3: 1, 0.6: 1, 0.95: 1, 0.999: 1}
    assert {start for start, each in bins.items() if each["linked_pairs"]} == {0.6, 0.95, 0.999}
    assert sum(each["expected_matches"] for each in bins.values()) == pytest.approx(
        sum(PAIRS.values()), abs=0.2
    )


def test_linked_pairs_that_nobody_kept_a_posterior_of_stand_in_the_lowest_bin() -> None:
    people = [PEOPLE[0].copy(), PEOPLE[1]]
    people[0][4] = 0
    first = document(evidence(), compared(), people, datasets=["a", "b"], limit=1)["histogram"][0]
    assert (first["pairs"], first["linked_pairs"]) == (1, 1)


def test_people_by_records_and_by_datasets() -> None:
    report = told(1)
    sizes = {each["records_from"]: each["people"] for each in report["cluster_sizes"] if each["people"]}
    assert sizes == {1: 4, 2: 3}
    assert report["people_by_datasets"] == [{"datasets": 1, "people": 4}, {"datasets": 2, "people": 3}]


def test_the_largest_clusters_are_counted_together() -> None:
    people = [np.repeat([0, 1, 2], [10, 60, 15])]
    sizes = document(evidence(found=()), [], people, datasets=["a"], limit=1)["cluster_sizes"]
    counted = [(each["records_from"], each["records_to"]) for each in sizes if each["people"]]
    assert counted == [(10, 10), (11, 20), (51, None)]


def test_no_small_count_is_told() -> None:
    report = told(10)
    for each in (*report["passes"], *report["comparisons"], *report["histogram"], *report["cluster_sizes"]):
        for name in ("pairs", "linked_pairs", "linked_by_no_other_pass", "candidate_pairs", "people"):
            assert each.get(name) in (None, 0), name
    assert [each["records"] for each in report["suppressed"]] == [None, 0]
    assert report["comparisons"][0]["expected_matches"] is None, "it says nearly what the hidden count does"
    hidden = [each for each in report["histogram"] if each["pairs"] is None]
    assert hidden
    assert all(each["expected_matches"] is None for each in hidden)


def test_a_point_that_rests_on_few_links_tells_no_estimate() -> None:
    unknown = {"value": None, "low": None, "high": None}
    assert told(10)["curve"] == [
        {"threshold": 0.5, "links": 0, "estimated_precision": unknown, "estimated_recall": unknown}
    ]
    (point,) = told(2)["curve"]
    assert point["links"] == 2, "rounded down to the limit"
    assert point["estimated_precision"] == {"value": 0.9, "low": 0.8, "high": 0.95}
    assert point["estimated_recall"] == {"value": 0.8, "low": None, "high": None}


def test_non_matches_are_told_where_they_are_known() -> None:
    bins = Bins(np.array([0.5, 0.8, 1.0]), np.array([3, 2]), np.array([1.0, 2.0]), np.array([2.04, 0.0]))
    first, second = told(1, bins=bins)["histogram"]
    assert (first["expected_non_matches"], second["expected_non_matches"]) == (2.0, 0.0)
    assert (first["pairs"], first["linked_pairs"], second["linked_pairs"]) == (3, 1, 2)


def test_few_controls_are_not_counted() -> None:
    model = {"calibration": {"controls": 7, "draws": 40}}
    assert told(10, model=model)["calibration"] == {"controls": None, "draws": 40}
    assert told(5, model=model)["calibration"]["controls"] == 7
    assert told(5)["calibration"] is None
