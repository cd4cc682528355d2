import numpy as np
import pytest

from coordinator.linkage.blocks import block_pairs, count_pairs


def tags(*firsts: int) -> np.ndarray:
    made = np.zeros((len(firsts), 16), dtype=np.uint8)
    made[:, 0] = firsts
    return made


def test_blocks_come_in_order_of_tags_and_pairs_in_order_of_rows() -> None:
    ((left, right),) = block_pairs(tags(9, 3, 9), tags(3, 9, 3))
    assert list(zip(left.tolist(), right.tolist(), strict=True)) == [(1, 0), (1, 2), (0, 1), (2, 1)]


def test_pieces_are_bounded_and_complete() -> None:
    one_block = tags(*[5] * 40)
    pieces = [len(left) for left, _ in block_pairs(one_block, one_block, most_at_once=100)]
    assert sum(pieces) == 1600
    assert max(pieces) <= 100


def test_a_record_with_more_pairs_than_a_piece_holds_still_gets_them() -> None:
    pieces = [len(left) for left, _ in block_pairs(tags(5), tags(*[5] * 7), most_at_once=3)]
    assert pieces == [7]


@pytest.mark.parametrize("left", [tags(), tags(1)])
@pytest.mark.parametrize("right", [tags(), tags(2), None])
def test_nothing_in_common(left: np.ndarray, right: np.ndarray | None) -> None:
    assert list(block_pairs(left, right)) == []
    assert count_pairs(left, right) == 0


@pytest.mark.parametrize("wrong", [np.zeros((2, 8), np.uint8), np.zeros(16, np.uint8), np.zeros((2, 16))])
def test_refuses_what_is_no_tag(wrong: np.ndarray) -> None:
    with pytest.raises(ValueError, match="16 bytes"):
        next(block_pairs(tags(1), wrong))
