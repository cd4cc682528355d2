"""Keys and values derived from secrets, and fresh random bytes.

Labels keep uses apart: each is ASCII, starts with `pprl/` and names its use and version
(`pprl/v1/encoding-key`), and a label that has once meant one thing never means another.
"""

from __future__ import annotations

import hashlib
import hmac
import re
import secrets

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

LEAST_SECRET_BYTES = 32
MOST_DERIVED_BYTES = 255 * 64

_LABEL = re.compile(r"pprl/[\x21-\x7e]{1,100}")


def hkdf(secret: bytes, *, label: str, context: bytes, length: int, salt: bytes = b"") -> bytes:
    """Derive a key from a secret for one use. Run by whoever holds the secret.

    The label ends at a zero byte, which no label contains, so no label and context can be mistaken for
    another pair.

    Args:
        secret: uniformly random, or several such secrets one after the other; at least 32 bytes.
        label: what the key is for.
        context: what else it is bound to, such as an agreement's digest; may be empty.
        length: bytes to derive, 1 to 16,320.
        salt: public and the same for all who derive this key, such as a transcript's digest; may be empty.

    Returns:
        `length` bytes.

    Raises:
        ValueError: the calling code gave a short secret, another kind of label or an impossible length.

    Source: RFC 5869 with SHA-512, info = label || 0x00 || context.
    """
    if len(secret) < LEAST_SECRET_BYTES:
        raise ValueError(f"a secret has at least {LEAST_SECRET_BYTES} bytes")
    if not _LABEL.fullmatch(label):
        raise ValueError("a label is printable ASCII without spaces and starts with pprl/")
    if not 1 <= length <= MOST_DERIVED_BYTES:
        raise ValueError(f"1 to {MOST_DERIVED_BYTES} bytes can be derived")
    info = label.encode("ascii") + b"\0" + context
    return HKDF(hashes.SHA512(), length, salt=salt, info=info).derive(secret)


def hmac_sha256(key: bytes, data: bytes) -> bytes:
    """Authenticate data, or derive a pseudonym of it, under a key.

    Args:
        key: at least 32 bytes, derived for this use alone.
        data: anything; the caller makes it unambiguous.

    Returns:
        32 bytes.

    Raises:
        ValueError: the calling code gave a short key.

    Source: RFC 2104, RFC 4231.
    """
    if len(key) < LEAST_SECRET_BYTES:
        raise ValueError(f"a key has at least {LEAST_SECRET_BYTES} bytes")
    return hmac.digest(key, data, hashlib.sha256)


def random_bytes(length: int) -> bytes:
    """Fresh bytes from the operating system's generator.

    Args:
        length: how many.

    Returns:
        `length` bytes that nobody can guess.
    """
    return secrets.token_bytes(length)


def same(left: bytes, right: bytes) -> bool:
    """Compare two secret values in a time that depends on their lengths alone.

    Args:
        left: one value.
        right: the other.

    Returns:
        Whether they are equal.
    """
    return hmac.compare_digest(left, right)
