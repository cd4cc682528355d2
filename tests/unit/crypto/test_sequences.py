"""A pseudorandom function of sequences is CBC-MAC, made here block by block by the library's own CBC."""

from __future__ import annotations

import numpy as np
import pytest
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

from pprl.crypto.sequences import prf_of_sequences, prf_of_words

KEY = bytes(range(32))


def words(count: int, seed: int) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 2**64, (count, 2), dtype=np.uint64)


@pytest.mark.parametrize("length", [1, 2, 4])
def test_it_is_the_last_block_of_cbc_from_zero(length: int) -> None:
    parts = [words(5, seed) for seed in range(length)]
    found = prf_of_sequences(KEY, parts)
    for place in range(5):
        encryptor = Cipher(algorithms.AES(KEY), modes.CBC(bytes(16))).encryptor()
        blocks = encryptor.update(b"".join(part[place].tobytes() for part in parts))
        assert found[place].tobytes() == blocks[-16:]


def test_none_gives_none_and_no_parts_are_refused() -> None:
    assert prf_of_sequences(KEY, [words(0, 1)]).shape == (0, 2)
    with pytest.raises(ValueError, match="part"):
        prf_of_sequences(KEY, [])
    with pytest.raises(ValueError, match="32 bytes"):
        prf_of_words(KEY[:31], words(1, 1))
