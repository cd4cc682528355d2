import numpy as np
import pytest
from numpy.typing import NDArray

from coordinator.linkage import compare as module
from coordinator.linkage import dice_kernel
from coordinator.linkage.compare import compare, levels, plan_floor
from pprl.errors import DisclosureError


def quiet(_: float) -> None:
    pass


def filters(rows: int, *, seed: int, words: int = 8, density: float = 0.4) -> NDArray[np.uint8]:
    rng = np.random.default_rng(seed)
    return np.packbits(rng.random((rows, words * 64)) < density, axis=1)


def test_keeps_pairs_that_lie_exactly_at_the_floor() -> None:
    # 2 x 57 / (57 + 143) is 0.57, which is where anonlink by itself loses the pair.
    bits = np.zeros((2, 256), dtype=bool)
    bits[0, :57] = bits[1, :143] = True
    packed = np.packbits(bits, axis=1)
    for floor in (0.57, 0.5):
        assert len(compare(packed[:1], packed[1:], floor=floor, progress=quiet)) == 1
    assert len(compare(packed[:1], packed[1:], floor=0.5701, progress=quiet)) == 0


def test_tiles_make_no_difference(monkeypatch: pytest.MonkeyPatch) -> None:
    left, right = filters(70, seed=1), filters(90, seed=2)
    whole = compare(left, right, floor=0.4, progress=quiet), compare(left, None, floor=0.4, progress=quiet)
    monkeypatch.setattr(module, "LEFT_ROWS", 16)
    monkeypatch.setattr(dice_kernel, "_ROOM", dice_kernel.TILE)
    tiled = compare(left, right, floor=0.4, progress=quiet), compare(left, None, floor=0.4, progress=quiet)
    for one, other in zip(whole, tiled, strict=True):
        assert len(one) > 100
        for name in ("left", "right", "dice"):
            np.testing.assert_array_equal(getattr(one, name), getattr(other, name))


@pytest.mark.parametrize("within", [True, False])
def test_copies_are_refused_before_they_fill_memory(within: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "ALWAYS_ROOM_FOR", 1_000)
    monkeypatch.setattr(module, "LEFT_ROWS", 100)
    copies = np.repeat(filters(1, seed=3), 1_000, axis=0)
    tiles = []
    with pytest.raises(DisclosureError, match="Too many encodings are alike"):
        compare(copies, None if within else copies, floor=0.8, progress=tiles.append)
    assert max(tiles) < 0.5, "it went on"
    assert len(compare(copies[:100], None, floor=0.8, progress=quiet)) == 100 * 99 // 2


def test_an_empty_filter_is_like_no_other() -> None:
    some = filters(6, seed=3)
    some[[0, 4]] = 0
    pairs = compare(some, some, floor=0.05, progress=quiet)
    assert not np.isin([0, 4], pairs.left).any()
    assert not np.isin([0, 4], pairs.right).any()
    assert not np.isnan(pairs.dice).any()


@pytest.mark.parametrize("rows", [0, 1])
def test_nothing_to_compare_is_no_pairs(rows: int) -> None:
    told: list[float] = []
    pairs = compare(filters(rows, seed=4), None, floor=0.5, progress=told.append)
    assert len(pairs) == 0
    assert told[-1] == 1


def test_progress_rises_to_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "LEFT_ROWS", 10)
    told: list[float] = []
    compare(filters(35, seed=5), filters(20, seed=6), floor=0.5, progress=told.append)
    assert told[0] == 0
    assert told[-1] == 1
    assert told == sorted(told)
    assert len(told) == 5


@pytest.mark.parametrize(
    ("left", "right", "floor"),
    [
        (np.zeros((2, 8), np.uint8), np.zeros((2, 16), np.uint8), 0.5),
        (np.zeros((2, 12), np.uint8), None, 0.5),
        (np.zeros((2, 8), np.int64), None, 0.5),
        (np.zeros(8, np.uint8), None, 0.5),
        (np.zeros((2, 8), np.uint8), None, 0.0),
        (np.zeros((2, 8), np.uint8), None, 1.5),
    ],
)
def test_refuses_what_cannot_be_compared(
    left: NDArray[np.uint8], right: NDArray[np.uint8] | None, floor: float
) -> None:
    with pytest.raises(ValueError, match=r"filters|floor"):
        compare(left, right, floor=floor, progress=quiet)


def test_levels_are_rounded_down_and_exact_where_they_can_be() -> None:
    hundredths = np.arange(101) / 100
    np.testing.assert_array_equal(levels(hundredths), np.arange(101) * 100)
    assert levels(np.array([2 * 3999 / 9999])).tolist() == [7998]
    for bits in (1023, 4096, 8191):
        numerators = np.arange(bits + 1, dtype=np.int64)
        np.testing.assert_array_equal(levels(numerators / bits), numerators * 10_000 // bits)


def test_the_floor_keeps_candidates_in_hand() -> None:
    few, many = filters(40, seed=7), filters(3000, seed=8)
    assert plan_floor([few, few[:20]], lowest=0.5) == 0.5
    floor = plan_floor([many], lowest=0.3, most_pairs_a_record=10)
    kept = len(compare(many, None, floor=floor, progress=quiet))
    assert 0 < kept <= 12 * len(many)
    assert len(compare(many, None, floor=floor - 0.02, progress=quiet)) > 8 * len(many)
    assert plan_floor([many], lowest=0.3, highest=0.35, most_pairs_a_record=10) == 0.35


def test_the_floor_of_nothing_is_the_lowest() -> None:
    assert plan_floor([filters(0, seed=9), filters(0, seed=9)]) == 0.5
    assert plan_floor([]) == 0.5
