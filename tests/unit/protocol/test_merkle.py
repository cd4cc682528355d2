"""The tree with which implementations of RFC 6962 have long been tested, and the tree as the RFC writes it down."""

from __future__ import annotations

import hashlib

import pytest

from pprl.errors import VerificationError
from pprl.protocol import merkle

LEAVES = (
    "",
    "00",
    "10",
    "2021",
    "3031",
    "40414243",
    "5051525354555657",
    "606162636465666768696a6b6c6d6e6f",
)
HASHES = [merkle.leaf_hash(bytes.fromhex(leaf)) for leaf in LEAVES]

# Of the first leaf, the first two, and so on.
ROOTS = (
    "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
    "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
    "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
    "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
    "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
    "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
    "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
)

# Index, size, and the hashes from the leaf's sibling upwards.
INCLUSION = (
    (0, 1, ()),
    (
        0,
        8,
        (
            "96a296d224f285c67bee93c30f8a309157f0daa35dc5b87e410b78630a09cfc7",
            "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
            "6b47aaf29ee3c2af9af889bc1fb9254dabd31177f16232dd6aab035ca39bf6e4",
        ),
    ),
    (
        5,
        8,
        (
            "bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b",
            "ca854ea128ed050b41b35ffc1b87b8eb2bde461e9e3b5596ece6b9d5975a0ae0",
            "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
        ),
    ),
    (2, 3, ("fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",)),
    (
        1,
        5,
        (
            "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
            "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
            "bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b",
        ),
    ),
)

# Old size, size, hashes.
CONSISTENCY = (
    (1, 1, ()),
    (
        1,
        8,
        (
            "96a296d224f285c67bee93c30f8a309157f0daa35dc5b87e410b78630a09cfc7",
            "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
            "6b47aaf29ee3c2af9af889bc1fb9254dabd31177f16232dd6aab035ca39bf6e4",
        ),
    ),
    (
        6,
        8,
        (
            "0ebc5d3437fbe2db158b9f126a1d118e308181031d0a949f8dededebc558ef6a",
            "ca854ea128ed050b41b35ffc1b87b8eb2bde461e9e3b5596ece6b9d5975a0ae0",
            "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
        ),
    ),
    (
        2,
        5,
        (
            "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
            "bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b",
        ),
    ),
)


def _unhex(hashes: tuple[str, ...]) -> tuple[bytes, ...]:
    return tuple(map(bytes.fromhex, hashes))


def test_the_empty_tree_is_the_hash_of_nothing() -> None:
    assert merkle.root([]).hex() == "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
    assert merkle.RunningRoot().root() == merkle.root([]) == merkle.EMPTY_ROOT


def test_a_leaf_can_not_pass_for_a_node() -> None:
    left, right = HASHES[:2]
    assert merkle.leaf_hash(left + right) != merkle.node_hash(left, right)
    assert merkle.leaf_hash(b"") == hashlib.sha256(b"\0").digest()


@pytest.mark.parametrize("size", range(1, 9))
def test_roots(size: int) -> None:
    assert merkle.root(HASHES[:size]).hex() == ROOTS[size - 1]


@pytest.mark.parametrize(("index", "size", "proof"), INCLUSION)
def test_inclusion(index: int, size: int, proof: tuple[str, ...]) -> None:
    assert merkle.inclusion_proof(HASHES[:size], index) == _unhex(proof)
    merkle.verify_inclusion(HASHES[index], index, size, _unhex(proof), bytes.fromhex(ROOTS[size - 1]))


@pytest.mark.parametrize(("old_size", "size", "proof"), CONSISTENCY)
def test_consistency(old_size: int, size: int, proof: tuple[str, ...]) -> None:
    assert merkle.consistency_proof(HASHES[:size], old_size) == _unhex(proof)
    roots = [bytes.fromhex(ROOTS[each - 1]) for each in (old_size, size)]
    merkle.verify_consistency(old_size, roots[0], size, roots[1], _unhex(proof))


def test_proofs_of_what_was_never_there_are_not_made() -> None:
    for index in (-1, 3):
        with pytest.raises(ValueError, match="no such place"):
            merkle.inclusion_proof(HASHES[:3], index)
    for old_size in (-1, 4):
        with pytest.raises(ValueError, match="never had"):
            merkle.consistency_proof(HASHES[:3], old_size)


def test_every_small_tree_is_as_the_rfc_writes_it_down() -> None:
    for size in range(1, 40):
        leaves = [merkle.leaf_hash(bytes([number])) for number in range(size)]
        assert merkle.root(leaves) == _root(leaves)
        assert [merkle.inclusion_proof(leaves, index) for index in range(size)] == [
            tuple(_path(index, leaves)) for index in range(size)
        ]
        assert [merkle.consistency_proof(leaves, old) for old in range(1, size + 1)] == [
            tuple(_subproof(old, leaves, True)) for old in range(1, size + 1)
        ]


def test_from_an_empty_list_nothing_is_proved_but_its_own_root_is() -> None:
    full = merkle.root(HASHES)
    merkle.verify_consistency(0, merkle.EMPTY_ROOT, 8, full, ())
    merkle.verify_consistency(0, merkle.EMPTY_ROOT, 0, merkle.EMPTY_ROOT, ())
    for old_root, root, size, proof in (
        (full, full, 8, ()),
        (merkle.EMPTY_ROOT, full, 0, ()),
        (merkle.EMPTY_ROOT, full, 8, (full,)),
    ):
        with pytest.raises(VerificationError):
            merkle.verify_consistency(0, old_root, size, root, proof)


def test_a_list_of_the_same_size_is_the_same_list() -> None:
    full = merkle.root(HASHES)
    merkle.verify_consistency(8, full, 8, full, ())
    for other, proof in ((merkle.root(HASHES[::-1]), ()), (full, (full,))):
        with pytest.raises(VerificationError):
            merkle.verify_consistency(8, other, 8, full, proof)


def test_a_list_does_not_become_shorter() -> None:
    proof = merkle.consistency_proof(HASHES, 6)
    with pytest.raises(VerificationError):
        merkle.verify_consistency(8, merkle.root(HASHES), 6, merkle.root(HASHES[:6]), proof)


def test_sizes_that_no_list_has_are_refused() -> None:
    full = merkle.root(HASHES)
    for old_size, size in ((merkle.MOST_LEAVES + 1,) * 2, (-1, 8), (-1, -1)):
        with pytest.raises(VerificationError):
            merkle.verify_consistency(old_size, full, size, full, ())


def test_a_proof_is_neither_long_nor_of_other_hashes() -> None:
    full = merkle.root(HASHES)
    proof = merkle.inclusion_proof(HASHES, 3)
    for wrong in ((), proof[:-1], (*proof, full), (proof[0][:-1], *proof[1:]), (full,) * 64):
        with pytest.raises(VerificationError):
            merkle.verify_inclusion(HASHES[3], 3, 8, wrong, full)
    grown = merkle.consistency_proof(HASHES, 3)
    for wrong in ((), grown[:-1], (*grown, full), (grown[0][:-1], *grown[1:]), (full,) * 64):
        with pytest.raises(VerificationError):
            merkle.verify_consistency(3, merkle.root(HASHES[:3]), 8, full, wrong)


# The definitions of RFC 6962, section 2.1, word for word.


def _k(size: int) -> int:
    k = 1
    while k * 2 < size:
        k *= 2
    return k


def _root(leaves: list[bytes]) -> bytes:
    if len(leaves) == 1:
        return leaves[0]
    k = _k(len(leaves))
    return hashlib.sha256(b"\1" + _root(leaves[:k]) + _root(leaves[k:])).digest()


def _path(m: int, leaves: list[bytes]) -> list[bytes]:
    if len(leaves) == 1:
        return []
    k = _k(len(leaves))
    if m < k:
        return [*_path(m, leaves[:k]), _root(leaves[k:])]
    return [*_path(m - k, leaves[k:]), _root(leaves[:k])]


def _subproof(m: int, leaves: list[bytes], whole: bool) -> list[bytes]:
    if m == len(leaves):
        return [] if whole else [_root(leaves)]
    k = _k(len(leaves))
    if m <= k:
        return [*_subproof(m, leaves[:k], whole), _root(leaves[k:])]
    return [*_subproof(m - k, leaves[k:], False), _root(leaves[:k])]
