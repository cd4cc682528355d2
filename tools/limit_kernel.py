"""Build and call limit_kernel.cpp: all-pairs Dice as fast as we can write it, to measure the product's kernel against.

Used by `make bench` where a C++ compiler is; nothing of the product calls it.
"""

from __future__ import annotations

import ctypes
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

SOURCE = Path(__file__).with_suffix(".cpp")
COMPILERS = ("g++", "clang++", "c++")
FLAGS = ("-O3", "-march=native", "-std=c++17", "-shared", "-fPIC")
MOST_PAIRS = 10_000_000
WIDTHS = (512, 1024, 2048)

Filters = NDArray[np.uint8]


@dataclass(frozen=True, slots=True)
class LimitKernel:
    """The kernel, loaded.

    Attributes:
        library: what was built.
        vectors: whether it counts with AVX-512; if not, it is no limit.
    """

    library: ctypes.CDLL
    vectors: bool

    def pairs(self, left: Filters, right: Filters, *, floor: float) -> NDArray[np.uint32]:
        """All pairs whose Dice coefficient is at least the floor, shape (pairs, 2), in no order; on one core.

        Args:
            left: filters, shape (rows, bytes), of 512, 1,024 or 2,048 bits.
            right: filters of the same width.
            floor: in whole thousandths.

        Raises:
            ValueError: another width, or more than ten million pairs.
        """
        words = left.shape[1] // 8
        if left.shape[1] * 8 not in WIDTHS or right.shape[1] != left.shape[1]:
            raise ValueError(f"filters must be of one of {WIDTHS} bits")
        room = np.empty((MOST_PAIRS, 2), dtype=np.uint32)
        one, other = (np.ascontiguousarray(side) for side in (left, right))
        found = self.library.dice_pairs(
            one.ctypes.data,
            len(one),
            other.ctypes.data,
            len(other),
            words,
            round(floor * 1000),
            room.ctypes.data,
            len(room),
        )
        if found > len(room):
            raise ValueError("there are too many pairs")
        return room[:found]


def build(folder: Path) -> Path | None:
    """Compile the kernel for this machine into a folder; None where no compiler is, or it can't."""
    compiler = next(filter(None, map(shutil.which, COMPILERS)), None)
    if compiler is None:
        return None
    library = folder / "limit_kernel.so"
    command = [compiler, *FLAGS, "-o", str(library), str(SOURCE)]
    done = subprocess.run(command, capture_output=True, check=False)
    return library if done.returncode == 0 else None


def load(library: Path) -> LimitKernel:
    """Load what `build` built."""
    loaded = ctypes.CDLL(str(library))
    loaded.dice_pairs.restype = ctypes.c_size_t
    sides = [ctypes.c_void_p, ctypes.c_size_t] * 2
    loaded.dice_pairs.argtypes = [*sides, ctypes.c_size_t, ctypes.c_uint64, ctypes.c_void_p, ctypes.c_size_t]
    return LimitKernel(loaded, vectors=bool(loaded.has_vectors()))
