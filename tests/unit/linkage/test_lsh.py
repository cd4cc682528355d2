import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from coordinator.linkage import compare as comparing
from coordinator.linkage import lsh
from coordinator.linkage.compare import Pairs, compare
from pprl.errors import DisclosureError

DIGEST = "5a" * 32


def quiet(_: float) -> None:
    pass


def alike(rows: int, *, seed: int, flipped: float) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """Filters of uneven fullness whose bits are not alike frequent, and the same with some bits moved elsewhere."""
    rng = np.random.default_rng(seed)
    often = rng.uniform(0.1, 0.7, 1024)
    left = rng.random((rows, 1024)) < often * rng.uniform(0.8, 1.2, (rows, 1))
    moved = rng.random((rows, 1024)) < flipped
    right = np.where(moved, rng.random((rows, 1024)) < often, left)
    return np.packbits(left, axis=1), np.packbits(right, axis=1)


def always(monkeypatch: pytest.MonkeyPatch) -> None:
    """Plan blocking however cheap it would be to compare all pairs."""
    monkeypatch.setattr(lsh, "EXACT_COST", 1e9)


def numbers(pairs: Pairs) -> dict[tuple[int, int], float]:
    return dict(
        zip(zip(pairs.left.tolist(), pairs.right.tolist(), strict=True), pairs.dice.tolist(), strict=True)
    )


def by(bits: int, tables: int) -> lsh.Plan:
    return lsh.Plan(bits, tables, recall=0.5, meetings=1.0, cost=1.0)


@pytest.mark.parametrize("wanted", [0.9, 0.99])
def test_finds_what_was_planned_of_pairs_near_the_floor(
    wanted: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    always(monkeypatch)
    left, right = alike(3000, seed=1, flipped=0.3)
    dice = comparing.dice_of(left, right)
    floor = float(np.quantile(dice, 0.2))
    planned = lsh.plan(left, right, floor=floor, wanted_recall=wanted)
    assert planned is not None
    assert wanted <= planned.recall < wanted + 0.02
    found, blocking = lsh.compare_blocked(
        left, right, floor=floor, planned=planned, digest=DIGEST, progress=quiet
    )
    everything = numbers(compare(left, right, floor=floor, progress=quiet))
    assert numbers(found).items() <= everything.items()
    near = {pair for pair, value in everything.items() if value < floor + 0.01}
    assert len(near) > 300
    # Pairs that lie a little above the floor are found a little more often; one in a hundred may be bad luck.
    assert len(near & numbers(found).keys()) / len(near) > wanted - 0.01
    assert blocking.sampled > 500
    assert blocking.sampled_found / blocking.sampled > wanted
    assert 0.5 < blocking.meetings / planned.meetings < 2


def test_the_probability_is_that_of_positions_drawn_freely() -> None:
    tables, recall = lsh._tables_needed(np.array([0.8**20]), 0.999)
    assert tables == int(np.ceil(np.log(0.001) / np.log(1 - 0.8**20)))
    assert recall == pytest.approx(1 - (1 - 0.8**20) ** tables)


def test_positions_are_the_agreements(monkeypatch: pytest.MonkeyPatch) -> None:
    drawn = lsh.positions(DIGEST, 500, width=1024)
    assert drawn.shape == (500, 32)
    assert (drawn >= 0).all()
    assert len(np.unique(drawn)) == 1024
    assert drawn.max() == 1023
    assert (
        drawn[0, :4].tolist() == lsh.positions(DIGEST, 1, width=1024)[0, :4].tolist() == [316, 1004, 54, 184]
    )
    assert (drawn != lsh.positions("5b" * 32, 500, width=1024)).any()


def test_threads_and_merging_make_no_difference(monkeypatch: pytest.MonkeyPatch) -> None:
    left, right = alike(400, seed=2, flipped=0.2)
    results = []
    for cores, merge in ((1, 1), (3, 1 << 20)):
        monkeypatch.setattr(comparing, "cores", lambda cores=cores: cores)
        monkeypatch.setattr(lsh, "FEWEST_TO_MERGE", merge)
        results.append(
            lsh.compare_blocked(left, right, floor=0.6, planned=by(10, 30), digest=DIGEST, progress=quiet)
        )
    (one, first), (other, second) = results
    assert numbers(one) == numbers(other)
    assert first == second
    assert len(one) > 300


def test_large_buckets_are_split_and_what_is_parted_is_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    # Nearly empty filters hold no bit at most positions, and meet without being alike.
    rng = np.random.default_rng(3)
    bits = rng.random((1000, 1024)) < 0.1
    moved = rng.random((1000, 1024)) < 0.4
    sparse = np.packbits(np.vstack([bits, np.where(moved, rng.random((1000, 1024)) < 0.1, bits)]), axis=1)
    whole = lsh.compare_blocked(sparse, None, floor=0.3, planned=by(8, 20), digest=DIGEST, progress=quiet)
    monkeypatch.setattr(lsh, "MOST_PAIRS_IN_BUCKET", 1 << 10)
    split = lsh.compare_blocked(sparse, None, floor=0.3, planned=by(8, 20), digest=DIGEST, progress=quiet)
    assert split[1].meetings < whole[1].meetings / 4
    assert split[1].parted > 0
    assert numbers(split[0]).items() <= numbers(whole[0]).items()
    assert split[1].sampled_found < split[1].sampled


def test_copies_are_refused_before_they_fill_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(comparing, "ALWAYS_ROOM_FOR", 1_000)
    copies = np.repeat(alike(1, seed=4, flipped=0)[0], 2_000, axis=0)
    for right in (copies, None):
        with pytest.raises(DisclosureError, match="Too many encodings are alike"):
            lsh.compare_blocked(copies, right, floor=0.8, planned=by(8, 4), digest=DIGEST, progress=quiet)


def test_few_pairs_are_all_compared() -> None:
    left, right = alike(500, seed=5, flipped=0.2)
    assert lsh.plan(left, right, floor=0.7) is None


@pytest.mark.parametrize("rows", [0, 1])
def test_nothing_to_compare_is_no_pairs(rows: int) -> None:
    told: list[float] = []
    some = alike(rows, seed=6, flipped=0)[0]
    found, blocking = lsh.compare_blocked(
        some, None, floor=0.7, planned=by(8, 2), digest=DIGEST, progress=told.append
    )
    assert (len(found), blocking.meetings, blocking.sampled) == (0, 0, 0)
    assert told[0] == 0
    assert told[-1] == 1


@settings(deadline=None, max_examples=40)
@given(
    rows=st.tuples(st.integers(0, 60), st.integers(0, 60)),
    words=st.sampled_from([1, 8, 9, 16]),
    share=st.sampled_from([0.05, 0.5, 0.95]),
    bits=st.integers(8, 32),
    tables=st.integers(1, 6),
    within=st.booleans(),
    seed=st.integers(0, 1000),
)
def test_what_is_found_is_what_meets_and_reaches_the_floor(
    rows: tuple[int, int], words: int, share: float, bits: int, tables: int, within: bool, seed: int
) -> None:
    rng = np.random.default_rng(seed)
    base = rng.random((8, words * 64)) < share
    left, right = (
        np.packbits(base[rng.integers(0, 8, count)] ^ (rng.random((count, words * 64)) < 0.02), axis=1)
        for count in rows
    )
    other = left if within else right
    exact = compare(left, None if within else right, floor=0.3, progress=quiet)
    drawn = lsh.positions(DIGEST, tables, width=words * 64)[:, :bits]
    # The first position is the lowest bit of the first word.
    one, two = (np.unpackbits(each, axis=1, bitorder="little")[:, drawn] for each in (left, other))
    meets = (one[exact.left] == two[exact.right]).all(axis=2).any(axis=1)
    found, _ = lsh.compare_blocked(
        left, None if within else right, floor=0.3, planned=by(bits, tables), digest=DIGEST, progress=quiet
    )
    assert numbers(found) == numbers(Pairs(exact.left[meets], exact.right[meets], exact.dice[meets]))
