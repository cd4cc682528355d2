import numpy as np
import pytest

from pprl.scoring import Score, score


def test_counts_pairs_between_datasets_and_inside_those_with_duplicates() -> None:
    clusters = [["a", "b", "c"], ["a", "a", "d"]]
    people = [["1", "2", "3"], ["1", "2", "3"]]
    assert score(clusters, people, [False, False]) == Score(2, 3, 1)
    assert score(clusters, people, [False, True]) == Score(3, 3, 1)


def test_three_measures() -> None:
    found = Score(linked_pairs=4, true_pairs=6, correct_pairs=3)
    assert (found.precision, found.recall, found.f1) == (0.75, 0.5, 0.6)


def test_nothing_to_link_and_nothing_linked_is_perfect() -> None:
    found = score([[0], [1]], [["x"], ["y"]], [False, False])
    assert (found.precision, found.recall, found.f1) == (1, 1, 1)
    assert score([], [], []) == Score(0, 0, 0)
    assert score([[], [0]], [[], ["x"]], [True, True]) == Score(0, 0, 0)


def test_false_links_where_nobody_is_in_both() -> None:
    found = score([[0], [0]], [["x"], ["y"]], [False, False])
    assert (found.precision, found.recall, found.f1) == (0, 1, 0)


def test_refuses_lists_of_different_lengths() -> None:
    with pytest.raises(ValueError, match="same datasets and records"):
        score([[0, 1]], [["x"]], [False])
    with pytest.raises(ValueError, match="same datasets and records"):
        score([[0]], [["x"]], [])


def test_counts_do_not_overflow() -> None:
    together = np.zeros(200_000, dtype=np.int64)
    found = score([together, together], [together, together], [True, True])
    assert found.linked_pairs == 400_000 * 399_999 // 2
