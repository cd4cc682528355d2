"""A pseudorandom function of short sequences, millions in one call: departments make the tags of blocks with it.

What a sequence is made of is digested by others (`derive.keyed_digests`), once for each part that there is; here only
blocks of AES are worked, which cost next to nothing.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from pprl.crypto import derive

Words = NDArray[np.uint64]


def prf_of_sequences(key: bytes, parts: Sequence[Words]) -> Words:
    """A pseudorandom function of many sequences of one length: CBC-MAC of them.

    CBC-MAC is a pseudorandom function of messages that all have the same number of blocks, which those under one key
    must have here.

    Args:
        key: 32 bytes, derived for sequences of this very length alone.
        parts: the first part of every sequence, the second, and so on: each 16 bytes as two words, shape (n, 2).

    Returns:
        16 bytes for each sequence as two words, shape (n, 2).

    Raises:
        ValueError: the calling code gave a key of another length, or no parts.

    Source: Bellare, Kilian and Rogaway (2000), The security of the cipher block chaining message authentication code,
        Journal of Computer and System Sciences 61(3), 362-399.
    """
    if not parts:
        raise ValueError("a sequence has at least one part")
    state = np.zeros_like(parts[0])
    for part in parts:
        state = prf_of_words(key, state ^ part)
    return state


def prf_of_words(key: bytes, inputs: Words) -> Words:
    """`derive.prf_blocks` of inputs that are two words each.

    Args:
        key: 32 bytes, derived for this use alone.
        inputs: shape (n, 2).

    Returns:
        Shape (n, 2).
    """
    outputs = derive.prf_blocks(key, np.ascontiguousarray(inputs).reshape(-1).view(np.uint8).data)
    return np.frombuffer(outputs, dtype=np.uint64).reshape(-1, 2)
