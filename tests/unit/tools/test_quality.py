"""The comparison with peers: its data, its scoring and its cache. The peers themselves are not needed."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from pprl.scoring import Score
from pprl.synthetic import TRUTH_COLUMN, linkage_pair
from tools import quality
from tools.quality import Figures


@pytest.fixture(scope="module")
def tables() -> dict[str, dict[str, list[str]]]:
    pair = linkage_pair(400, 300, 0.8, seed=4)
    return {"a": pair.a.columns, "b": pair.b.columns}


def who(columns: dict[str, list[str]]) -> set[str]:
    return set(columns[TRUTH_COLUMN])


@pytest.mark.parametrize("overlap", [0.0, 0.05, 0.2])
def test_subsets_have_the_overlap_that_was_asked_for(
    tables: dict[str, dict[str, list[str]]], overlap: float
) -> None:
    found = quality.subset(tables, 150, overlap, seed=1)
    assert [len(each["record_id"]) for each in found.values()] == [150, 150]
    assert len(who(found["a"]) & who(found["b"])) == round(150 * overlap)


def test_a_subset_keeps_whole_rows_of_people_who_were_there(tables: dict[str, dict[str, list[str]]]) -> None:
    found = quality.subset(tables, 150, 0.2, seed=1)
    for name, columns in found.items():
        all_rows = set(zip(*tables[name].values(), strict=True))
        assert set(zip(*columns.values(), strict=True)) <= all_rows


def test_the_people_of_both_subsets_are_the_same_at_any_overlap(
    tables: dict[str, dict[str, list[str]]],
) -> None:
    few, more = (quality.subset(tables, 150, overlap, seed=1) for overlap in (0.1, 0.2))
    assert who(few["a"]) & who(few["b"]) < who(more["a"]) & who(more["b"])


def test_the_best_pairs_come_first_and_no_record_is_taken_twice() -> None:
    left, right = np.array([0, 0, 1, 1, 2]), np.array([0, 1, 0, 1, 1])
    scores = np.array([0.5, 0.9, 0.8, 0.95, 0.7])
    assert [(left[each], right[each]) for each in quality.one_to_one(left, right, scores)] == [(1, 1), (0, 0)]


def test_equal_pairs_are_taken_in_order_of_their_records() -> None:
    left, right = np.array([1, 0]), np.array([0, 0])
    assert quality.one_to_one(left, right, np.array([0.5, 0.5])).tolist() == [1]


def test_the_best_cut() -> None:
    scores = np.array([0.9, 0.8, 0.7, 0.6])
    right = np.array([True, True, False, False])
    assert quality.best_cut(scores, right, true_pairs=3) == pytest.approx(4 / 5)
    assert quality.best_cut(scores[:0], right[:0], true_pairs=3) == 0


def test_pairs_of_equal_score_stand_or_fall_together() -> None:
    right = np.array([True, False, False])
    assert quality.best_cut(np.array([0.8, 0.8, 0.8]), right, true_pairs=1) == pytest.approx(0.5)
    assert quality.best_cut(np.array([0.9, 0.8, 0.8]), right, true_pairs=1) == 1


def test_figures_are_absent_where_nothing_divides_them() -> None:
    found = quality.figures(Score(0, 5, 0), 0.5, 1.0)
    assert (found.precision, found.recall, found.f1) == (None, 0, 0)
    found = quality.figures(Score(3, 0, 0), 0.5, 1.0)
    assert (found.precision, found.recall, found.f1, found.best_f1) == (0, None, None, None)


def test_the_honest_threshold_is_one_of_those_that_truth_could_choose() -> None:
    assert (
        quality.figures(Score(10, 10, 9), 0.5, 1.0).best_f1 == quality.figures(Score(10, 10, 9), 0.5, 1.0).f1
    )


GOOD = Figures(90, 100, 0.98, 0.9, 0.94, 0.95, 12.0)


@pytest.mark.parametrize(
    ("found", "said"),
    [
        (GOOD, "0.9400 / 0.9500"),
        (replace(GOOD, refused=True), "refused (0.9400) / 0.9500"),
        (replace(GOOD, f1=None, refused=True), "refused"),
        (replace(GOOD, f1=None), "90 false links"),
        (None, "-"),
    ],
)
def test_a_cell_of_the_summary(found: Figures | None, said: str) -> None:
    rows = quality.summary([("some data", "Splink", found)]).splitlines()
    assert rows[-1] == f"| some data | - | - | {said} | - | - |"


def test_the_details_tell_a_refusal_and_what_it_held_back() -> None:
    rows = quality.details([("some data", "ours, clk", replace(GOOD, refused=True)), ("other", "x", None)])
    assert "| refused (90) | 0.9800 | 0.9000 | 0.9400 | 0.9500 | 12 |" in rows
    assert "other" not in rows


def test_what_was_measured_is_not_measured_again(tmp_path: Path) -> None:
    made: list[int] = []

    def counting(found: Figures | None) -> Callable[[], Figures | None]:
        return lambda: made.append(1) or found  # type: ignore[func-returns-value]

    path = tmp_path / "cache" / "one.json"
    assert [quality.kept(path, counting(GOOD), "one") for _ in range(2)] == [GOOD, GOOD]
    assert quality.kept(path.with_name("two.json"), counting(None), "two") is None
    assert len(made) == 2


def test_shared_data_is_left_out_where_it_is_absent(tmp_path: Path) -> None:
    names = list(quality.data_sets(tmp_path))
    assert len(names) == 6
    assert not any(quality.UK in name or quality.FEBRL in name for name in names)
    (tmp_path / quality.UK).mkdir()
    assert sum(quality.UK in name for name in quality.data_sets(tmp_path)) == 1 + len(quality.UK_OVERLAPS)
