import numpy as np
import pytest

from coordinator.linkage import solve
from coordinator.linkage.compare import Pairs
from coordinator.linkage.solve import Compared, clusters


def compared(left: int, right: int, rows: list[tuple[int, int, float]]) -> Compared:
    ends = np.array([row[:2] for row in rows], dtype=np.uint32).reshape(-1, 2)
    return Compared(left, right, Pairs(ends[:, 0], ends[:, 1], np.array([row[2] for row in rows], float)))


def lists(
    sizes: list[int], duplicates: list[bool], pairs: list[Compared], threshold: float
) -> list[list[int]]:
    return [each.tolist() for each in clusters(sizes, duplicates, pairs, threshold)]


def test_every_record_has_a_cluster_and_the_best_pairs_win() -> None:
    pairs = [compared(0, 1, [(0, 0, 0.8), (0, 1, 0.9), (1, 1, 0.85), (2, 2, 0.69)])]
    assert lists([3, 3], [False, False], pairs, 0.7) == [[0, 1, 2], [3, 0, 4]]


def test_nothing_given_is_all_alone() -> None:
    assert lists([2, 0, 1], [False, True, False], [], 0.7) == [[0, 1], [], [2]]
    assert clusters([], [], [], 0.7) == []


def test_a_repeated_pair_merges_nothing_more() -> None:
    # Repeats that counted as evidence would put both records of dataset 0 together.
    repeated = [(0, 0, 0.9), (1, 0, 0.8), (1, 0, 0.8), (1, 0, 0.75)]
    pairs = [compared(0, 1, repeated), compared(1, 0, [(0, 1, 0.8)])]
    assert lists([2, 1], [False, False], pairs, 0.7) == [[0, 1], [0]]
    assert lists([2, 1], [True, False], [*pairs, compared(0, 0, [])], 0.7) == [[0, 0], [0]]


def test_repeated_pairs_do_not_make_up_for_missing_ones() -> None:
    # Two groups of two: one of the four pairs between them is not enough, however often it is given.
    within = [compared(0, 0, [(0, 1, 0.95), (2, 3, 0.94)])]
    once = lists([4], [True], [*within, compared(0, 0, [(1, 2, 0.9)])], 0.7)
    assert once == [[0, 0, 1, 1]]
    assert lists([4], [True], [*within, compared(0, 0, [(1, 2, 0.9)] * 3 + [(2, 1, 0.9)])], 0.7) == once
    assert lists([4], [True], [*within, compared(0, 0, [(1, 2, 0.9), (1, 3, 0.9)])], 0.7) == [[0, 0, 0, 0]]


def test_only_a_dataset_that_may_have_duplicates_links_inside() -> None:
    inside = [compared(0, 0, [(0, 1, 1.0)]), compared(0, 1, [(0, 0, 0.9), (1, 0, 0.9)])]
    assert lists([2, 1], [False, False], inside, 0.7) == [[0, 1], [0]]
    assert lists([2, 1], [True, False], inside, 0.7) == [[0, 0], [0]]


def test_many_records_of_one_person_share_a_cluster_with_one_elsewhere() -> None:
    rows = [(i, j, 0.9) for i in range(30) for j in range(i + 1, 30)]
    pairs = [compared(0, 0, rows), compared(0, 1, [(i, 0, 0.8) for i in range(30)])]
    assert lists([30, 2], [True, False], pairs, 0.7) == [[0] * 30, [0, 1]]


def test_equal_scores_go_to_the_first_rows() -> None:
    rows = [(i, j, 0.8) for i in range(3) for j in range(3)]
    for order in (rows, rows[::-1], rows[4:] + rows[:4]):
        assert lists([3, 3], [False, False], [compared(0, 1, order)], 0.7) == [[0, 1, 2], [0, 1, 2]]


def test_the_threshold_itself_links() -> None:
    pairs = [compared(0, 1, [(0, 0, 7850 / 10_000)])]
    assert lists([1, 1], [False, False], pairs, 157 * 50 / 10_000) == [[0], [0]]
    assert lists([1, 1], [False, False], pairs, 0.7851) == [[0], [1]]


def test_three_datasets_link_through_the_one_in_between() -> None:
    pairs = [compared(0, 1, [(0, 0, 0.9)]), compared(1, 2, [(0, 0, 0.8)])]
    assert lists([1, 1, 1], [False] * 3, pairs, 0.7) == [[0], [0], [0]]


def test_refuses_records_that_do_not_exist() -> None:
    with pytest.raises(ValueError, match="a record that its dataset doesn't have"):
        clusters([2, 2], [False, False], [compared(0, 1, [(0, 2, 0.9)])], 0.5)


def test_refuses_more_records_than_it_can_number(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(solve, "MAX_RECORDS", 10)
    with pytest.raises(ValueError, match="fewer than 10"):
        clusters([5, 5], [False, False], [], 0.5)
