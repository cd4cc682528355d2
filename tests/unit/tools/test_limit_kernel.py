from pathlib import Path

import numpy as np
import pytest

from coordinator.linkage.compare import compare
from tools import limit_kernel


@pytest.fixture(scope="module")
def kernel(tmp_path_factory: pytest.TempPathFactory) -> limit_kernel.LimitKernel:
    library = limit_kernel.build(tmp_path_factory.mktemp("limit"))
    if library is None:
        pytest.skip("there is no C++ compiler")
    return limit_kernel.load(library)


@pytest.mark.parametrize("bits", limit_kernel.WIDTHS)
@pytest.mark.parametrize("floor", [0.45, 0.5])
def test_the_limit_kernel_finds_the_same_pairs(
    kernel: limit_kernel.LimitKernel, bits: int, floor: float
) -> None:
    rng = np.random.default_rng(bits)
    left, right = (
        np.packbits(rng.random((rows, bits)) < rng.choice([0, 0.3, 0.5], (rows, 1)), axis=1)
        for rows in (300, 500)
    )
    ours = compare(left, right, floor=floor, progress=lambda _: None)
    theirs = kernel.pairs(left, right, floor=floor)
    assert len(ours) > 100
    np.testing.assert_array_equal(
        theirs[np.lexsort(theirs.T[::-1])], np.column_stack([ours.left, ours.right])
    )


def test_other_widths_are_refused(kernel: limit_kernel.LimitKernel) -> None:
    with pytest.raises(ValueError, match="filters must be"):
        kernel.pairs(np.zeros((1, 8), np.uint8), np.zeros((1, 8), np.uint8), floor=0.5)


def test_without_a_compiler_nothing_is_built(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limit_kernel, "COMPILERS", ())
    assert limit_kernel.build(tmp_path) is None
    assert not list(tmp_path.iterdir())
