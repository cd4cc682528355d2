import hashlib
import os
import subprocess
import sys

import llvmlite.binding
import numpy as np
import pytest
from numba import njit
from numpy.typing import NDArray

from coordinator.linkage import compare as comparing
from coordinator.linkage import dice_kernel
from coordinator.linkage.compare import Pairs, compare

FLOOR = 0.45


def filters(rows: int, *, seed: int, words: int = 16) -> NDArray[np.uint8]:
    """Filters of which the later ones are fuller, and every ninth is empty."""
    rng = np.random.default_rng(seed)
    shares = np.linspace(0.2, 0.6, max(rows, 1))[:rows, None]
    some = np.packbits(rng.random((rows, words * 64)) < shares, axis=1)
    some[::9] = 0
    return some


def digest(pairs: Pairs) -> str:
    return hashlib.sha256(
        b"".join(part.tobytes() for part in (pairs.left, pairs.right, pairs.dice))
    ).hexdigest()


def compared(words: int = 16) -> list[Pairs]:
    left, right = filters(300, seed=1, words=words), filters(400, seed=2, words=words)
    return [compare(left, other, floor=FLOOR, progress=lambda _: None) for other in (right, None)]


@pytest.mark.parametrize("floor", [0.05, 0.1, 0.57, 0.7, 1 / 3, 0.8, 0.9999, 1.0])
def test_the_fewest_common_bits_are_those_whose_quotient_reaches_the_floor(floor: float) -> None:
    least = dice_kernel.least_common(floor, 3000)
    total = np.arange(1, 3001)
    assert (2 * least[1:] / total >= floor).all()
    assert ((2 * (least[1:] - 1) / total < floor) | (least[1:] == 1)).all()
    assert (np.diff(least) >= 0).all()


@pytest.mark.parametrize("words", [8, 16])
def test_a_processor_without_wide_counting_finds_the_same(words: int) -> None:
    here = [digest(pairs) for pairs in compared(words)]
    program = (
        f"from tests.unit.linkage.test_dice_kernel import compared, digest\n"
        f"print(*[digest(pairs) for pairs in compared({words})])"
    )
    plain = {"NUMBA_CPU_NAME": "generic", "NUMBA_CPU_FEATURES": ""}
    done = subprocess.run(
        [sys.executable, "-c", program], env=os.environ | plain, capture_output=True, text=True, check=True
    )
    assert done.stdout.split() == here
    assert len(compared(words)[0]) > 1000


@pytest.mark.parametrize("name", ["_most_common", "_most_possible"])
def test_counting_is_vectorised_where_the_processor_can(name: str) -> None:
    if not llvmlite.binding.get_host_cpu_features().get("avx512vpopcntdq"):
        pytest.skip("this processor counts one word at a time")
    # Compiled anew, as code from a cache can't be read.
    count = njit(nogil=True)(getattr(dice_kernel, name).py_func)
    rest = [np.int64(0)] if name == "_most_possible" else []
    count(np.zeros(16, np.uint64), np.zeros(17 * dice_kernel.TILE, np.uint64), *rest)
    (text,) = count.inspect_asm().values()
    assert any("vpopcntq" in line and "mm" in line for line in text.splitlines())


@pytest.mark.parametrize("cores", [1, 3])
def test_the_number_of_threads_makes_no_difference(cores: int, monkeypatch: pytest.MonkeyPatch) -> None:
    expected = [digest(pairs) for pairs in compared()]
    monkeypatch.setattr(comparing, "cores", lambda: cores)
    monkeypatch.setattr(comparing, "LEFT_ROWS", 16)
    assert [digest(pairs) for pairs in compared()] == expected


def test_anonlink_finds_the_same_but_for_pairs_at_the_floor_itself() -> None:
    similarities = pytest.importorskip("anonlink.similarities")
    left, right = filters(300, seed=1), filters(400, seed=2)
    ours = compare(left, right, floor=FLOOR, progress=lambda _: None)
    scores, (at_left, at_right) = similarities.dice_coefficient_accelerated(
        ([row.tobytes() for row in left], [row.tobytes() for row in right]), threshold=FLOOR, k=None
    )
    theirs = dict(zip(zip(at_left, at_right, strict=True), scores, strict=True))
    found = dict(
        zip(zip(ours.left.tolist(), ours.right.tolist(), strict=True), ours.dice.tolist(), strict=True)
    )
    assert theirs.items() <= found.items()
    assert all(found[pair] == FLOOR for pair in found.keys() - theirs.keys())
    assert len(theirs) > 1000
