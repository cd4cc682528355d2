"""Salts of numbers: HMAC-SHA256, cut short."""

from __future__ import annotations

import hashlib
import hmac

import pytest

from pprl.crypto import derive

KEY = bytes(range(32))


@pytest.mark.parametrize("length", [16, 32])
def test_they_are_hmacs_of_the_numbers(length: int) -> None:
    numbers = [0, 1, 2, 255, 256, 2**32, 2**64 - 1]
    expected = [hmac.new(KEY, n.to_bytes(8, "big"), hashlib.sha256).digest()[:length] for n in numbers]
    assert list(derive.numbered_salts(KEY, numbers, length=length)) == expected


@pytest.mark.parametrize(("key", "length"), [(KEY[1:], 16), (KEY + b"\0", 16), (KEY, 15), (KEY, 33)])
def test_short_keys_and_salts_are_a_fault_of_ours(key: bytes, length: int) -> None:
    with pytest.raises(ValueError, match="a key has 32 bytes"):
        derive.numbered_salts(key, [1], length=length)
