from __future__ import annotations

import hashlib
import hmac

import pytest

from pprl.crypto import derive

SECRET = bytes(range(32))


def rfc5869_sha512(secret: bytes, salt: bytes, info: bytes, length: int) -> bytes:
    prk = hmac.digest(salt or bytes(64), secret, hashlib.sha512)
    block, output = b"", b""
    for counter in range(1, length // 64 + 2):
        block = hmac.digest(prk, block + info + bytes([counter]), hashlib.sha512)
        output += block
    return output[:length]


@pytest.mark.parametrize("length", [1, 32, 64, 65, 200])
@pytest.mark.parametrize("salt", [b"", b"transcript"])
def test_hkdf_is_rfc_5869_with_sha_512(length: int, salt: bytes) -> None:
    derived = derive.hkdf(SECRET, label="pprl/v1/test", context=b"abc", length=length, salt=salt)
    assert derived == rfc5869_sha512(SECRET, salt, b"pprl/v1/test\x00abc", length)


def test_hkdf_vector() -> None:
    derived = derive.hkdf(SECRET, label="pprl/v1/test", context=b"", length=16)
    assert derived.hex() == "9f5c1682e5cab97465b27bf2bda67298"


def test_label_and_context_are_kept_apart() -> None:
    one = derive.hkdf(SECRET, label="pprl/v1/a", context=b"b", length=32)
    other = derive.hkdf(SECRET, label="pprl/v1/ab", context=b"", length=32)
    assert one != other


@pytest.mark.parametrize(
    ("secret", "label", "length"),
    [
        (b"", "pprl/v1/test", 32),
        (bytes(31), "pprl/v1/test", 32),
        (SECRET, "test", 32),
        (SECRET, "pprl/v1/t\0", 32),
        (SECRET, "pprl/v1/té", 32),
        (SECRET, "pprl/v1/test", 0),
        (SECRET, "pprl/v1/test", 16_321),
    ],
)
def test_hkdf_refuses(secret: bytes, label: str, length: int) -> None:
    with pytest.raises(ValueError, match=r"secret|label|derived"):
        derive.hkdf(secret, label=label, context=b"", length=length)


def test_hmac_sha256_is_rfc_4231() -> None:
    # Test case 6: a key longer than a block.
    tag = derive.hmac_sha256(b"\xaa" * 131, b"Test Using Larger Than Block-Size Key - Hash Key First")
    assert tag.hex() == "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54"


def test_hmac_sha256_refuses_a_short_key() -> None:
    with pytest.raises(ValueError, match="32 bytes"):
        derive.hmac_sha256(b"", b"data")


def test_as_much_and_as_little_as_allowed() -> None:
    assert len(derive.hkdf(SECRET, label="pprl/v1/test", context=b"", length=16_320)) == 16_320
    assert len(derive.hmac_sha256(SECRET, b"")) == 32


def test_random_bytes_are_fresh() -> None:
    assert len(derive.random_bytes(32)) == 32
    assert derive.random_bytes(32) != derive.random_bytes(32)


def test_same() -> None:
    assert derive.same(b"ab", b"ab")
    assert not derive.same(b"ab", b"ac")
    assert not derive.same(b"ab", b"abc")
