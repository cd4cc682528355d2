"""Comparing and clustering against the most obvious way to do them."""

from itertools import combinations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from numpy.typing import NDArray

from coordinator.linkage.compare import Pairs, compare
from coordinator.linkage.issuing import owners_of_keys, with_copies
from coordinator.linkage.solve import Compared, clusters
from pprl.protocol.submission import NO_COPIES, Copies
from pprl.scoring import score


def filters(width: int) -> st.SearchStrategy[NDArray[np.uint8]]:
    # Few distinct bytes, so that scores collide and fall exactly on the floor.
    values = st.sampled_from([0, 1, 3, 15, 85, 240, 255])
    return st.integers(0, 9).flatmap(lambda rows: arrays(np.uint8, (rows, width), elements=values))


def obvious(left: NDArray[np.uint8], right: NDArray[np.uint8], floor: float) -> dict[tuple[int, int], float]:
    found = {}
    for i, x in enumerate(left):
        for j, y in enumerate(right):
            total = int(np.bitwise_count(x).sum()) + int(np.bitwise_count(y).sum())
            dice = 2 * int(np.bitwise_count(x & y).sum()) / total if total else 0.0
            if dice >= floor:
                found[i, j] = dice
    return found


def as_dict(pairs: Pairs) -> dict[tuple[int, int], float]:
    keys = zip(pairs.left.tolist(), pairs.right.tolist(), strict=True)
    return dict(zip(keys, pairs.dice.tolist(), strict=True))


FLOORS = st.one_of(st.floats(0.05, 1), st.integers(5, 100).map(lambda hundredths: hundredths / 100))


@settings(deadline=None)
@given(
    both=st.sampled_from([8, 16, 64, 128]).flatmap(lambda width: st.tuples(filters(width), filters(width))),
    floor=FLOORS,
)
def test_compare_is_all_pairs_exactly(
    both: tuple[NDArray[np.uint8], NDArray[np.uint8]], floor: float
) -> None:
    left, right = both
    assert as_dict(compare(left, right, floor=floor, progress=lambda _: None)) == obvious(left, right, floor)


@settings(deadline=None)
@given(some=filters(128), floor=FLOORS)
def test_compare_within_is_each_two_rows_once(some: NDArray[np.uint8], floor: float) -> None:
    expected = {(i, j): dice for (i, j), dice in obvious(some, some, floor).items() if i < j}
    assert as_dict(compare(some, None, floor=floor, progress=lambda _: None)) == expected


@settings(deadline=None, max_examples=50)
@given(
    rows=st.tuples(st.integers(0, 300), st.integers(0, 300)),
    words=st.sampled_from([1, 7, 8, 9, 16, 24, 32]),
    seed=st.integers(0, 1000),
    floor=FLOORS,
)
def test_compare_is_all_pairs_over_several_tiles(
    rows: tuple[int, int], words: int, seed: int, floor: float
) -> None:
    rng = np.random.default_rng(seed)
    left, right = (
        np.packbits(rng.random((count, words * 64)) < rng.choice([0, 0.1, 0.5, 0.9], (count, 1)), axis=1)
        for count in rows
    )
    bits = [np.unpackbits(each, axis=1).astype(np.float64) for each in (left, right)]
    common = bits[0] @ bits[1].T
    total = bits[0].sum(axis=1)[:, None] + bits[1].sum(axis=1)
    with_floor = np.where(total > 0, 2 * common / np.maximum(total, 1), 0.0) >= floor
    found = compare(left, right, floor=floor, progress=lambda _: None)
    np.testing.assert_array_equal(np.argwhere(with_floor), np.column_stack([found.left, found.right]))


@settings(deadline=None, max_examples=40)
@given(
    seed=st.integers(0, 1000),
    # Density of the words that are counted first and of those that are counted last, and bits flipped of a thousand.
    shares=st.tuples(st.sampled_from([0.02, 0.3, 0.6]), st.sampled_from([0.02, 0.3, 0.6])),
    flipped=st.integers(0, 200),
    within=st.booleans(),
)
def test_pairs_that_few_words_tell_of_are_found_at_the_floor_itself(
    seed: int, shares: tuple[float, float], flipped: int, within: bool
) -> None:
    rng = np.random.default_rng(seed)
    density = np.repeat(shares, (10 * 64, 6 * 64))
    bits = rng.random((150, 1024)) < density
    alike = bits ^ (rng.random(bits.shape) < rng.choice([0, flipped / 1000], (150, 1)))
    sides = [np.packbits(each, axis=1) for each in (bits, alike)]
    left, right = (np.vstack(sides), None) if within else sides
    others = left if right is None else right
    common = np.bitwise_count(left[:, None] & others).sum(axis=2, dtype=np.int64)
    total = np.bitwise_count(left).sum(axis=1, dtype=np.int64)[:, None] + np.bitwise_count(others).sum(
        axis=1, dtype=np.int64
    )
    dice = 2 * common / np.maximum(total, 1)
    # Just that of a pair whose two are made of one.
    floor = max(float(dice[0, 150 if within else 0]), 0.05)
    reach = np.triu(dice >= floor, k=1) if within else dice >= floor
    found = compare(left, right, floor=floor, progress=lambda _: None)
    assert len(found)
    np.testing.assert_array_equal(np.argwhere(reach), np.column_stack([found.left, found.right]))


Rows = list[tuple[tuple[int, int], tuple[int, int], float]]


@st.composite
def problems(draw: st.DrawFn) -> tuple[list[int], list[bool], Rows]:
    sizes = draw(st.lists(st.integers(0, 5), min_size=1, max_size=4))
    duplicates = draw(st.lists(st.booleans(), min_size=len(sizes), max_size=len(sizes)))
    records = [(dataset, row) for dataset, size in enumerate(sizes) for row in range(size)]
    ends = list(combinations(records, 2))
    chosen = draw(st.lists(st.sampled_from(ends), max_size=25)) if ends else []
    return sizes, duplicates, [(*pair, draw(st.integers(4, 10)) / 10) for pair in chosen]


def compared(rows: Rows) -> list[Compared]:
    together: dict[tuple[int, int], Rows] = {}
    for row in rows:
        together.setdefault((row[0][0], row[1][0]), []).append(row)
    return [
        Compared(
            *datasets,
            Pairs(
                np.array([left[1] for left, _, _ in some], np.uint32),
                np.array([right[1] for _, right, _ in some], np.uint32),
                np.array([dice for *_, dice in some], float),
            ),
        )
        for datasets, some in together.items()
    ]


@settings(deadline=None)
@given(problem=problems(), threshold=st.integers(4, 10).map(lambda tenths: tenths / 10))
def test_no_cluster_holds_two_records_of_a_dataset_without_duplicates(
    problem: tuple[list[int], list[bool], Rows], threshold: float
) -> None:
    sizes, duplicates, rows = problem
    found = clusters(sizes, duplicates, compared(rows), threshold)
    for labels, many in zip(found, duplicates, strict=True):
        assert many or len(np.unique(labels)) == len(labels)


@settings(deadline=None)
@given(problem=problems(), data=st.data())
def test_clusters_do_not_depend_on_the_order_of_pairs_or_on_repeats(
    problem: tuple[list[int], list[bool], Rows], data: st.DataObject
) -> None:
    sizes, duplicates, rows = problem
    shuffled = data.draw(st.permutations(rows + rows[:3]))
    turned = [
        (right, left, dice) if data.draw(st.booleans()) else (left, right, dice)
        for left, right, dice in shuffled
    ]
    once, again = (clusters(sizes, duplicates, compared(each), 0.5) for each in (rows, turned))
    for one, other in zip(once, again, strict=True):
        np.testing.assert_array_equal(one, other)


@settings(deadline=None)
@given(problem=problems())
def test_clusters_are_dense_and_hold_only_what_pairs_join(
    problem: tuple[list[int], list[bool], Rows],
) -> None:
    sizes, duplicates, rows = problem
    found = clusters(sizes, duplicates, compared(rows), 0.7)
    assert [len(each) for each in found] == sizes
    labels = np.concatenate(found)
    assert sorted(set(labels.tolist())) == list(range(len(set(labels.tolist()))))
    joined = {end for left, right, dice in rows if dice >= 0.7 for end in (left, right)}
    counts = np.bincount(labels, minlength=1)
    for dataset, each in enumerate(found):
        for row, label in enumerate(each):
            assert counts[label] == 1 or (dataset, row) in joined


def drawn_copies(data: st.DataObject, rows: Rows, dataset: int, size: int) -> Copies:
    """Some records that no pair names, each a copy of one before it that is none."""
    named = {end for left, right, _ in rows for end in (left, right)}
    found: dict[int, int] = {}
    for row in range(1, size):
        if (dataset, row) not in named and data.draw(st.booleans()):
            found[row] = data.draw(st.sampled_from([each for each in range(row) if each not in found]))
    return Copies(np.array(list(found), np.int64), np.array(list(found.values()), np.int64))


@settings(deadline=None)
@given(problem=problems(), data=st.data())
def test_copies_go_where_their_originals_go_and_change_nothing_else(
    problem: tuple[list[int], list[bool], Rows], data: st.DataObject
) -> None:
    sizes, duplicates, rows = problem
    copies = [
        drawn_copies(data, rows, index, size) if duplicates[index] else NO_COPIES
        for index, size in enumerate(sizes)
    ]
    without = clusters(sizes, duplicates, compared(rows), 0.7)
    people = with_copies(without, copies)
    owners = owners_of_keys(people, duplicates, compared(rows), 0.7, copies)
    for labels, keys, of_dataset in zip(people, owners, copies, strict=True):
        assert labels[of_dataset.records].tolist() == labels[of_dataset.originals].tolist()
        assert keys[of_dataset.records].tolist() == keys[of_dataset.originals].tolist()
    others = [~np.isin(np.arange(size), each.records) for size, each in zip(sizes, copies, strict=True)]
    before = np.concatenate([labels[keep] for labels, keep in zip(without, others, strict=True)])
    after = np.concatenate([labels[keep] for labels, keep in zip(people, others, strict=True)])
    together = set(zip(before.tolist(), after.tolist(), strict=True))
    assert len(together) == len(np.unique(before)) == len(np.unique(after))
    assert sorted({int(label) for labels in people for label in labels}) == list(range(len(together)))


@settings(deadline=None)
@given(problem=problems(), data=st.data())
def test_score_is_the_obvious_count(problem: tuple[list[int], list[bool], Rows], data: st.DataObject) -> None:
    sizes, duplicates, _ = problem
    clusters_drawn, people_drawn = (
        [data.draw(st.lists(st.integers(0, 3), min_size=size, max_size=size)) for size in sizes]
        for _ in range(2)
    )
    records = [(dataset, row) for dataset, size in enumerate(sizes) for row in range(size)]
    pairs = [(x, y) for x, y in combinations(records, 2) if x[0] != y[0] or duplicates[x[0]]]
    linked = {pair for pair in pairs if len({clusters_drawn[d][r] for d, r in pair}) == 1}
    true = {pair for pair in pairs if len({people_drawn[d][r] for d, r in pair}) == 1}
    found = score(clusters_drawn, people_drawn, duplicates)
    assert (found.linked_pairs, found.true_pairs, found.correct_pairs) == (
        len(linked),
        len(true),
        len(linked & true),
    )
