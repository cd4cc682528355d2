"""Keys and values derived from secrets, and fresh random bytes.

Labels keep uses apart: each is ASCII, starts with `pprl/` and names its use and version
(`pprl/v1/encoding-key`), and a label that has once meant one thing never means another.
"""

from __future__ import annotations

import hashlib
import hmac
import re
import secrets
from collections.abc import Iterable

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

LEAST_SECRET_BYTES = 32
PRF_BLOCK_BYTES = 16
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


def keyed_digests(key: bytes, texts: Iterable[str], *, length: int) -> bytes:
    """Pseudonyms of many texts under a key, in one call. BLAKE2b with a key is a MAC, and quicker than HMAC.

    Args:
        key: 32 bytes, derived for this use alone.
        texts: the texts; each is digested as UTF-8.
        length: bytes of each digest, 16 to 64.

    Returns:
        The digests, one after the other.

    Raises:
        ValueError: the calling code gave a key of another length, or asks for another length of digests.

    Source: RFC 7693, with the key as its section 2.9 has it.
    """
    if len(key) != LEAST_SECRET_BYTES or not 16 <= length <= 64:
        raise ValueError(f"a key has {LEAST_SECRET_BYTES} bytes, and a digest 16 to 64")
    # A copy of one keyed hash costs half of what a new one does.
    keyed = hashlib.blake2b(key=key, digest_size=length).copy
    digests = []
    for text in texts:
        digest = keyed()
        digest.update(text.encode())
        digests.append(digest.digest())
    return b"".join(digests)


def prf_blocks(key: bytes, blocks: bytes | memoryview) -> bytes:
    """A pseudorandom function of each of many inputs of 16 bytes, in one call.

    Each output is AES-256 of one input. That is what the mode called ECB does, and ECB is right here though it is
    wrong for messages: nothing is encrypted to be read again, equal inputs are meant to give equal outputs, and
    the inputs themselves are never shown. A block cipher under a random key can't be told from a random function
    before some 2^64 different inputs, far more than a project has.

    Args:
        key: 32 bytes, derived for this use alone.
        blocks: the inputs, one after the other.

    Returns:
        The outputs, as long as the inputs.

    Raises:
        ValueError: the calling code gave a key or an input of another length.

    Source: FIPS 197; NIST SP 800-38A, section 6.1.
    """
    return _block_cipher(key, blocks).encryptor().update(blocks)


def prf_blocks_undone(key: bytes, blocks: bytes | memoryview) -> bytes:
    """The inputs of which `prf_blocks` made these outputs: whoever has the key can tell what it was given.

    Args:
        key: 32 bytes, as for `prf_blocks`.
        blocks: the outputs, one after the other.

    Returns:
        The inputs, as long as the outputs. Blocks that were made under another key come out as random bytes.

    Raises:
        ValueError: the calling code gave a key or an output of another length.

    Source: FIPS 197; NIST SP 800-38A, section 6.1.
    """
    return _block_cipher(key, blocks).decryptor().update(blocks)


def _block_cipher(key: bytes, blocks: bytes | memoryview) -> Cipher[modes.ECB]:
    if len(key) != LEAST_SECRET_BYTES:
        raise ValueError(f"a key has {LEAST_SECRET_BYTES} bytes")
    if len(blocks) % PRF_BLOCK_BYTES:
        raise ValueError(f"an input or output has {PRF_BLOCK_BYTES} bytes")
    return Cipher(algorithms.AES(key), modes.ECB())  # noqa: S305 - `prf_blocks` says why


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
