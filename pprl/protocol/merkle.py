"""Merkle trees over lists that only grow: roots, and proofs that a verifier checks without the list.

The tree of *n* leaves splits at the largest power of two below *n*. Leaves and inner nodes are hashed with
different first bytes, so that neither can pass for the other. Everything here works on leaf hashes: what a leaf
is made of is its document's matter.

A verifier is given sizes, an index and a root that it trusts for some reason of its own, and a proof that anybody
may have written. It accepts one proof only: the shortest, with every hash used.

Source: RFC 6962, section 2.1; RFC 9162, sections 2.1.3.2 and 2.1.4.2, for the verifiers' algorithms.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence

from pprl.errors import VerificationError
from pprl.protocol.canonical import LARGEST_INTEGER

HASH_BYTES = 32
MOST_LEAVES = LARGEST_INTEGER
MOST_PROOF_HASHES = 63

EMPTY_ROOT = hashlib.sha256().digest()

_LEAF, _NODE = b"\x00", b"\x01"


def leaf_hash(data: bytes) -> bytes:
    """The hash of a leaf.

    Args:
        data: what the leaf holds.

    Returns:
        SHA-256 of a zero byte and the data, 32 bytes.
    """
    return hashlib.sha256(_LEAF + data).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    """The hash of an inner node.

    Args:
        left: the hash of the node on the left, 32 bytes.
        right: that on the right, 32 bytes.

    Returns:
        SHA-256 of a one byte and both, 32 bytes.
    """
    return hashlib.sha256(_NODE + left + right).digest()


class RunningRoot:
    """The root of a list of leaf hashes that comes one by one, in memory that grows with its logarithm.

    Attributes:
        size: leaves so far.
    """

    __slots__ = ("_peaks", "size")

    def __init__(self) -> None:
        self.size = 0
        # Roots of the complete subtrees that the list falls into, largest first: one for each bit of its size.
        self._peaks: list[bytes] = []

    def add(self, leaf: bytes) -> None:
        """Take one more leaf hash."""
        self._peaks.append(leaf)
        self.size += 1
        for _ in range(_trailing_zeros(self.size)):
            right, left = self._peaks.pop(), self._peaks.pop()
            self._peaks.append(node_hash(left, right))

    def extend(self, leaves: Iterable[bytes]) -> None:
        """Take leaf hashes as `add` takes each, more quickly: a level of the tree at a time."""
        nodes = list(leaves)
        complete, settled = self.size, list[bytes]()
        self.size += len(nodes)
        while nodes:
            if complete & 1:
                nodes.insert(0, self._peaks.pop())
            if len(nodes) & 1:
                settled.append(nodes.pop())
            nodes = list(map(node_hash, nodes[::2], nodes[1::2]))
            complete >>= 1
        self._peaks += reversed(settled)

    def root(self) -> bytes:
        """The root of all leaves so far, 32 bytes; of none, SHA-256 of nothing."""
        if not self._peaks:
            return EMPTY_ROOT
        *others, found = self._peaks
        for peak in reversed(others):
            found = node_hash(peak, found)
        return found


def root(leaf_hashes: Sequence[bytes]) -> bytes:
    """The root of a list.

    Args:
        leaf_hashes: 32 bytes each, in order.

    Returns:
        32 bytes; of no leaves, SHA-256 of nothing.

    Source: RFC 6962, section 2.1.
    """
    running = RunningRoot()
    running.extend(leaf_hashes)
    return running.root()


def inclusion_proof(leaf_hashes: Sequence[bytes], index: int) -> tuple[bytes, ...]:
    """What a verifier needs besides a leaf to work out the root. Run by whoever keeps the list.

    Args:
        leaf_hashes: the whole list.
        index: the leaf's place, from 0.

    Returns:
        The hashes of the subtrees beside the path, from the leaf's sibling up to the root's child.

    Raises:
        ValueError: the calling code gave a place that the list has not.

    Source: RFC 6962, section 2.1.1.
    """
    if not 0 <= index < len(leaf_hashes):
        raise ValueError("the list has no such place")
    proof = []
    low, high = 0, len(leaf_hashes)
    while high - low > 1:
        middle = low + _split(high - low)
        if index < middle:
            proof.append(root(leaf_hashes[middle:high]))
            high = middle
        else:
            proof.append(root(leaf_hashes[low:middle]))
            low = middle
    return tuple(reversed(proof))


def consistency_proof(leaf_hashes: Sequence[bytes], old_size: int) -> tuple[bytes, ...]:
    """What a verifier needs to see that a list of `old_size` only grew. Run by whoever keeps the list.

    Args:
        leaf_hashes: the whole list as it is now.
        old_size: how many leaves there were, from 0 to all.

    Returns:
        Subtree hashes; none if nothing was there before, or nothing was added.

    Raises:
        ValueError: the calling code gave a size that the list never had.

    Source: RFC 6962, section 2.1.2.
    """
    if not 0 <= old_size <= len(leaf_hashes):
        raise ValueError("the list never had that size")
    if old_size in {0, len(leaf_hashes)}:
        return ()
    proof = []
    low, high = 0, len(leaf_hashes)
    while old_size != high:
        middle = low + _split(high - low)
        if old_size <= middle:
            proof.append(root(leaf_hashes[middle:high]))
            high = middle
        else:
            proof.append(root(leaf_hashes[low:middle]))
            low = middle
    # The old list's own last subtree; where that is the old list itself, the verifier has its root.
    if low > 0:
        proof.append(root(leaf_hashes[low:high]))
    return tuple(reversed(proof))


def verify_inclusion(leaf: bytes, index: int, size: int, proof: Sequence[bytes], root: bytes) -> None:
    """Check that a leaf stands at its place in a list whose root is trusted.

    1. There is such a place in a list of that size.
    2. The proof has just the hashes that the place and the size call for.
    3. They lead from the leaf to the root.

    Args:
        leaf: the leaf's hash, 32 bytes; the verifier works it out itself.
        index: its place, from 0.
        size: leaves in the list.
        proof: from `inclusion_proof`.
        root: the list's trusted root, 32 bytes.

    Raises:
        VerificationError: a check fails.

    Source: RFC 9162, section 2.1.3.2.
    """
    if not 0 <= index < size <= MOST_LEAVES:
        raise _refused("inclusion")
    place, last, found = index, size - 1, leaf
    for each in _hashes(proof, "inclusion"):
        if last == 0:
            raise _refused("inclusion")
        if place & 1 or place == last:
            found = node_hash(each, found)
            # A node without a sibling on its right moves up unchanged.
            up = _trailing_zeros(place) if not place & 1 else 0
            place, last = place >> up, last >> up
        else:
            found = node_hash(found, each)
        place, last = place >> 1, last >> 1
    if last != 0 or found != root:
        raise _refused("inclusion")


def verify_consistency(
    old_size: int, old_root: bytes, size: int, root: bytes, proof: Sequence[bytes]
) -> None:
    """Check that a list whose old root is trusted only grew into the one with the new root.

    1. The sizes are sizes, and the list has not become shorter.
    2. An empty old list has the empty list's root; an unchanged one has the same root. Neither takes a proof.
    3. The proof has just the hashes that the sizes call for.
    4. They lead to the old root and to the new one.

    Args:
        old_size: leaves before.
        old_root: the trusted root then, 32 bytes.
        size: leaves now.
        root: the root that is claimed for now, 32 bytes.
        proof: from `consistency_proof`.

    Raises:
        VerificationError: a check fails: the list was changed, or the proof is not the one there is.

    Source: RFC 9162, section 2.1.4.2.
    """
    if not 0 <= old_size <= size <= MOST_LEAVES:
        raise _refused("consistency")
    if old_size in {0, size}:
        known = EMPTY_ROOT if old_size == 0 else root
        if proof or old_root != known or (size == 0 and root != EMPTY_ROOT):
            raise _refused("consistency")
        return
    hashes = _hashes(proof, "consistency")
    if old_size & (old_size - 1) == 0:
        hashes = [old_root, *hashes]
    if not hashes or _both_roots(old_size, size, hashes) != (old_root, root):
        raise _refused("consistency")


def _both_roots(old_size: int, size: int, hashes: Sequence[bytes]) -> tuple[bytes, bytes]:
    """The old and the new root that a consistency proof leads to."""
    place, last = old_size - 1, size - 1
    shared = _trailing_zeros(~place)
    place, last = place >> shared, last >> shared
    old = new = hashes[0]
    for each in hashes[1:]:
        if last == 0:
            raise _refused("consistency")
        if place & 1 or place == last:
            old, new = node_hash(each, old), node_hash(each, new)
            up = _trailing_zeros(place) if place and not place & 1 else 0
            place, last = place >> up, last >> up
        else:
            new = node_hash(new, each)
        place, last = place >> 1, last >> 1
    if last != 0:
        raise _refused("consistency")
    return old, new


def _hashes(proof: Sequence[bytes], kind: str) -> list[bytes]:
    if len(proof) > MOST_PROOF_HASHES or any(len(each) != HASH_BYTES for each in proof):
        raise _refused(kind)
    return list(proof)


def _split(size: int) -> int:
    """The largest power of two below a size of at least two."""
    return 1 << (size - 1).bit_length() - 1


def _trailing_zeros(number: int) -> int:
    return (number & -number).bit_length() - 1


def _refused(kind: str) -> VerificationError:
    return VerificationError(f"A proof of {kind} does not lead to the log's root.")
