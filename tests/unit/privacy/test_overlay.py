"""Two blocks of two records are laid over each other by a short way, which must come to what the long one does."""

from __future__ import annotations

import numpy as np

from pprl.privacy.overlay import Blocks, Evidence, laid_over, laid_over_each

BLOCKS, MASKS, STEPS, COMPARISONS, ALIKE = 60, 5, 6, 9, 6


def blocks(rng: np.random.Generator) -> Blocks:
    sizes = rng.integers(2, 4, BLOCKS)
    starts, offsets = (np.concatenate([[0], np.cumsum(sizes**power)]) for power in (1, 2))
    records, pairs = int(starts[-1]), int(offsets[-1])
    return Blocks(
        np.arange(records),
        starts,
        rng.integers(0, MASKS, records),
        rng.integers(0, STEPS, (records, COMPARISONS - ALIKE)).astype(np.uint8),
        rng.integers(0, STEPS, (pairs, COMPARISONS)).astype(np.uint8),
        offsets[:-1],
    )


def test_blocks_of_two_come_to_the_same_by_the_short_way() -> None:
    rng = np.random.default_rng(4)
    seen, listed = blocks(rng), blocks(rng)
    evidence = Evidence(
        rng.normal(size=(MASKS, MASKS)).astype(np.float32),
        rng.normal(size=(COMPARISONS, STEPS, STEPS)).astype(np.float32),
        ALIKE,
    )
    against, nobody = np.arange(BLOCKS), np.full(2, -1)
    of_two = np.flatnonzero(np.diff(seen.starts) == 2)
    assert 0 < len(of_two) < BLOCKS
    for block in of_two.tolist():
        laid = np.empty(2, dtype=np.int64)
        long = [laid_over(block, its, seen, listed, evidence, nobody, laid) for its in against.tolist()]
        assert np.allclose(laid_over_each(block, against, seen, listed, evidence), long, atol=1e-4)
