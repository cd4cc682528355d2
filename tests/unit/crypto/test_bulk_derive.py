from __future__ import annotations

import hashlib

import pytest

from pprl.crypto import derive

KEY = bytes(range(32))


def test_prf_blocks_is_fips_197_block_by_block() -> None:
    # FIPS 197, appendix C.3.
    block, cipher = "00112233445566778899aabbccddeeff", "8ea2b7ca516745bfeafc49904b496089"
    assert derive.prf_blocks(KEY, bytes.fromhex(block) * 3).hex() == cipher * 3
    assert derive.prf_blocks(KEY, memoryview(bytes.fromhex(block))).hex() == cipher
    assert derive.prf_blocks(KEY, b"") == b""


@pytest.mark.parametrize(("key", "blocks"), [(KEY[:31], bytes(16)), (KEY[:16], bytes(16)), (KEY, bytes(17))])
def test_prf_blocks_refuses(key: bytes, blocks: bytes) -> None:
    with pytest.raises(ValueError, match="bytes"):
        derive.prf_blocks(key, blocks)


def test_keyed_digests_are_blake2b_one_after_the_other() -> None:
    digests = derive.keyed_digests(KEY, ["a", "", "é"], length=24)
    expected = [hashlib.blake2b(text.encode(), key=KEY, digest_size=24).digest() for text in ("a", "", "é")]
    assert digests == b"".join(expected)


@pytest.mark.parametrize(("key", "length"), [(KEY[:31], 16), (KEY + b"x", 16), (KEY, 15), (KEY, 65)])
def test_keyed_digests_refuses(key: bytes, length: int) -> None:
    with pytest.raises(ValueError, match="bytes"):
        derive.keyed_digests(key, ["a"], length=length)
