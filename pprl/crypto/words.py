"""Digests as words, to read out over a telephone.

Twelve words are 128 bits, with a checksum in the last one, so that a slip of the ear is noticed. The digest is
stretched first: whoever drafts an agreement could otherwise search two texts of it that have the same words.

Source: BIP-39 (mnemonic code; English word list); RFC 7914 (scrypt).
"""

from __future__ import annotations

from functools import lru_cache

from cryptography.hazmat.primitives.kdf.scrypt import Scrypt
from mnemonic import Mnemonic

SALT = b"pprl/v1/words"
WORDS = 12
_ENTROPY_BYTES = 16
# 32 MiB and about a tenth of a second for each text that somebody would try.
_N, _R, _P = 2**15, 8, 1


@lru_cache(maxsize=64)
def words(digest: bytes) -> str:
    """The words of a digest. Whoever compares an agreement or public keys with another party runs it.

    Args:
        digest: SHA-256 of what is compared; 32 bytes.

    Returns:
        12 words of lower-case letters, with a space between.
    """
    stretched = Scrypt(salt=SALT, length=_ENTROPY_BYTES, n=_N, r=_R, p=_P).derive(digest)
    return Mnemonic("english").to_mnemonic(stretched)
