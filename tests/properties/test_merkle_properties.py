"""Every proof of every list verifies, and nothing else does."""

from __future__ import annotations

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from pprl.errors import VerificationError
from pprl.protocol import merkle

SIZES = st.integers(1, 200)


def _leaves(size: int) -> list[bytes]:
    return [merkle.leaf_hash(number.to_bytes(4, "big")) for number in range(size)]


@st.composite
def _altered(draw: st.DrawFn, proof: tuple[bytes, ...]) -> tuple[bytes, ...]:
    """A proof that is not the given one: a bit turned, a hash left out, put in or moved."""
    hashes = list(proof)
    places = st.integers(0, max(len(hashes) - 1, 0))
    match draw(st.sampled_from(("turn", "drop", "add", "swap"))):
        case "turn" if hashes:
            place, bit = draw(places), draw(st.integers(0, 255))
            value = int.from_bytes(hashes[place], "big") ^ (1 << bit)
            hashes[place] = value.to_bytes(32, "big")
        case "drop" if hashes:
            del hashes[draw(places)]
        case "swap" if len(hashes) > 1:
            hashes[0], hashes[-1] = hashes[-1], hashes[0]
        case _:
            hashes.insert(draw(places), draw(st.binary(min_size=32, max_size=32)))
    assume(tuple(hashes) != proof)
    return tuple(hashes)


@given(st.integers(0, 300))
def test_a_root_that_runs_along_is_that_of_the_list(size: int) -> None:
    running = merkle.RunningRoot()
    for leaf in _leaves(size):
        running.add(leaf)
    assert running.size == size
    assert running.root() == _slow_root(_leaves(size))


@given(st.lists(st.integers(0, 70), max_size=6))
def test_a_root_that_runs_along_takes_several_leaves_at_once(sizes: list[int]) -> None:
    leaves = _leaves(sum(sizes))
    running = merkle.RunningRoot()
    for size in sizes:
        running.extend(leaves[running.size : running.size + size])
        assert running.root() == _slow_root(leaves[: running.size])
    running.add(b"x" * 32)
    assert running.root() == _slow_root([*leaves, b"x" * 32])


@given(SIZES, st.data())
def test_inclusion(size: int, data: st.DataObject) -> None:
    leaves = _leaves(size)
    index = data.draw(st.integers(0, size - 1))
    root, proof = merkle.root(leaves), merkle.inclusion_proof(leaves, index)
    merkle.verify_inclusion(leaves[index], index, size, proof, root)

    wrong_index = data.draw(st.integers(-1, 2 * size).filter(lambda each: each != index))
    wrong_leaf = data.draw(st.binary(min_size=32, max_size=32))
    for leaf, place, hashes, top in (
        (leaves[index], wrong_index, proof, root),
        (wrong_leaf, index, proof, root),
        (leaves[index], index, data.draw(_altered(proof)), root),
        (leaves[index], index, proof, wrong_leaf),
    ):
        with pytest.raises(VerificationError):
            merkle.verify_inclusion(leaf, place, size, hashes, top)


@given(SIZES, st.data())
def test_an_index_and_size_that_take_another_path_are_refused(size: int, data: st.DataObject) -> None:
    leaves = _leaves(size)
    index = data.draw(st.integers(0, size - 1))
    wrong = data.draw(st.integers(0, 4 * size).filter(lambda each: each != size))
    assume(_turns(index, wrong) != _turns(index, size))
    with pytest.raises(VerificationError):
        merkle.verify_inclusion(
            leaves[index], index, wrong, merkle.inclusion_proof(leaves, index), merkle.root(leaves)
        )


@given(SIZES, st.data())
def test_consistency(size: int, data: st.DataObject) -> None:
    leaves = _leaves(size)
    old = data.draw(st.integers(0, size))
    old_root, root = merkle.root(leaves[:old]), merkle.root(leaves)
    proof = merkle.consistency_proof(leaves, old)
    merkle.verify_consistency(old, old_root, size, root, proof)

    random = data.draw(st.binary(min_size=32, max_size=32))
    for before, after, hashes in (
        (random, root, proof),
        (old_root, root, data.draw(_altered(proof))),
    ):
        with pytest.raises(VerificationError):
            merkle.verify_consistency(old, before, size, after, hashes)
    if old:
        with pytest.raises(VerificationError):
            merkle.verify_consistency(old, old_root, size, random, proof)


@given(st.integers(2, 200), st.data())
def test_a_changed_leaf_is_not_consistent(size: int, data: st.DataObject) -> None:
    leaves = _leaves(size)
    old = data.draw(st.integers(1, size))
    changed = list(leaves)
    changed[data.draw(st.integers(0, old - 1))] = merkle.leaf_hash(b"something else")
    with pytest.raises(VerificationError):
        merkle.verify_consistency(
            old, merkle.root(leaves[:old]), size, merkle.root(changed), merkle.consistency_proof(changed, old)
        )


@given(st.integers(-1, 2**53), st.integers(-1, 2**53), st.lists(st.binary(max_size=40), max_size=70))
def test_whatever_the_numbers_and_hashes_they_are_refused(one: int, other: int, proof: list[bytes]) -> None:
    with pytest.raises(VerificationError):
        merkle.verify_inclusion(b"\1" * 32, one, other, proof, b"\2" * 32)
    with pytest.raises(VerificationError):
        merkle.verify_consistency(one, b"\1" * 32, other, b"\2" * 32, proof)


def _slow_root(leaves: list[bytes]) -> bytes:
    if len(leaves) < 2:
        return leaves[0] if leaves else merkle.EMPTY_ROOT
    middle = 1
    while middle * 2 < len(leaves):
        middle *= 2
    return merkle.node_hash(_slow_root(leaves[:middle]), _slow_root(leaves[middle:]))


def _turns(index: int, size: int) -> list[bool] | None:
    """On which side each hash of a leaf's path stands, from the leaf up; None where there is no such leaf.

    Two sizes may give one path for an index: then a proof fits both, and only the root, which is signed together
    with its size, tells them apart.
    """
    if index >= size:
        return None
    if size == 1:
        return []
    middle = 1
    while middle * 2 < size:
        middle *= 2
    if index < middle:
        return [*(_turns(index, middle) or []), False]
    return [*(_turns(index - middle, size - middle) or []), True]
