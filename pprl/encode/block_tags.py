"""The tags and salts of blocks: keyed, of one pass each, and made by the million. Runs at departments only.

A value that blocks are made of is digested once for all passes; a block is a short sequence of such digests, and its
tag and its salt are pseudorandom functions of that sequence under keys of the pass. So what grows with blocks and
passes is blocks of AES alone. docs/formats/field-filters.md is the specification and has the security argument.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from pprl.crypto import derive
from pprl.crypto.sequences import prf_of_sequences, prf_of_words
from pprl.encode.passes import Coded, Codes

TAG_BYTES = 16
PART_DIGEST_BYTES = 16
PART_LABEL = "pprl/v1/field-filters/part"
CHAIN_LABEL = "pprl/v1/field-filters/chain"
TAG_LABEL = "pprl/v1/field-filters/tag"
SALT_LABEL = "pprl/v1/field-filters/salt"
_KEY_BYTES = 32

_TEXTS_AT_ONCE = 1 << 14
_BLOCKS_AT_ONCE = 1 << 15

Words = NDArray[np.uint64]


@dataclass(frozen=True, slots=True)
class DigestedPart:
    """One of the parts that the values of a pass's blocks are made of.

    Attributes:
        digests: of its distinct values, shape (values, 2).
        codes: for each block the place of its value, shape (blocks,).
    """

    digests: Words = field(repr=False)
    codes: Codes = field(repr=False)


class PartDigests:
    """Digests of the values that blocks are made of, each list of values digested once.

    Args:
        key: the scheme's key.
    """

    __slots__ = ("_known", "_of_parts")

    def __init__(self, key: bytes) -> None:
        self._of_parts = _derived(key, PART_LABEL)
        # The list is held too, so that no other one gets its id.
        self._known: dict[int, tuple[list[str], Words]] = {}

    def of(self, part: Coded) -> DigestedPart:
        """A part with digests for its values."""
        distinct = part.distinct
        if id(distinct) not in self._known:
            self._known[id(distinct)] = distinct, digests_of(self._of_parts, distinct)
        return DigestedPart(self._known[id(distinct)][1], part.codes)


def digests_of(key: bytes, texts: Sequence[str]) -> Words:
    """Digests of 16 bytes of many texts as two words each, shape (texts, 2)."""
    found = np.empty((len(texts), 2), dtype=np.uint64)
    for start in range(0, len(texts), _TEXTS_AT_ONCE):
        part = slice(start, start + _TEXTS_AT_ONCE)
        raw = derive.keyed_digests(key, texts[part], length=PART_DIGEST_BYTES)
        found[part] = np.frombuffer(raw, dtype=np.uint64).reshape(-1, 2)
    return found


def tags_and_salts(key: bytes, pass_: str, parts: Sequence[DigestedPart]) -> tuple[NDArray[np.uint8], Words]:
    """Tag and salt of each block of a pass.

    Args:
        key: the scheme's key.
        pass_: name of the pass, which tells how many parts its blocks have.
        parts: what its blocks are made of.

    Returns:
        Tags, shape (blocks, 16), and salts, shape (blocks,), which nobody sees.

    Leaks: tags, to the matcher: which records of a pass share a block, and nothing of any other pass.
    """
    chain, of_tags, of_salts = (
        _derived(key, label, pass_.encode("ascii")) for label in (CHAIN_LABEL, TAG_LABEL, SALT_LABEL)
    )
    blocks = len(parts[0].codes)
    tags, salts = np.empty((blocks, 2), dtype=np.uint64), np.empty(blocks, dtype=np.uint64)
    for start in range(0, blocks, _BLOCKS_AT_ONCE):
        some = slice(start, start + _BLOCKS_AT_ONCE)
        ends = prf_of_sequences(chain, [each.digests.take(each.codes[some], axis=0) for each in parts])
        tags[some] = prf_of_words(of_tags, ends)
        salts[some] = prf_of_words(of_salts, ends)[:, 0]
    return tags.view(np.uint8), salts


def _derived(key: bytes, label: str, context: bytes = b"") -> bytes:
    return derive.hkdf(key, label=label, context=context, length=_KEY_BYTES)
