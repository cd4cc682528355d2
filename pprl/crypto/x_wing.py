"""X-Wing key pairs, and the content keys that are wrapped for them.

X-Wing joins ML-KEM-768 and X25519: whoever records a container today must break both to read it. A key pair is kept
as its seed of 32 bytes.
"""

from __future__ import annotations

import base64
import hashlib
from typing import Any, NoReturn

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives import hpke
from cryptography.hazmat.primitives.asymmetric.mlkem import MLKEM768PrivateKey, MLKEM768PublicKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey

from pprl.crypto.derive import random_bytes
from pprl.errors import VerificationError

SEED_BYTES = 32
CONTENT_KEY_BYTES = 32

_ML_KEM_SEED_BYTES = 64
_ML_KEM_PUBLIC_BYTES = 1_184
_HPKE = hpke.Suite(hpke.KEM.MLKEM768_X25519, hpke.KDF.HKDF_SHA256, hpke.AEAD.AES_256_GCM)


class XWingKey:
    """A private key that opens what was sealed to its public half. Its text form shows nothing of it.

    Attributes:
        public: the public key, 1,216 bytes in standard base64.
    """

    __slots__ = ("_private", "_seed", "public")

    public: str

    def __init__(self, seed: bytes) -> None:
        """Derive the key pair.

        Args:
            seed: 32 random bytes.
        """
        ml_kem, x25519 = _expanded(seed)
        raw = ml_kem.public_key().public_bytes_raw() + x25519.public_key().public_bytes_raw()
        self._seed = seed
        self._private = hpke.MLKEM768X25519PrivateKey(ml_kem, x25519)
        self.public = base64.b64encode(raw).decode("ascii")

    @classmethod
    def create(cls) -> XWingKey:
        """A new key pair from the operating system's randomness."""
        return cls(random_bytes(SEED_BYTES))

    def unwrap(self, wrapped_key: bytes, *, info: bytes) -> bytes:
        """Open a content key that was wrapped for this key pair.

        Args:
            wrapped_key: what `wrap` made.
            info: what it was bound to.

        Returns:
            The content key, 32 bytes.

        Raises:
            VerificationError: wrapped for another key, bound to something else, or altered.
        """
        try:
            key = _HPKE.decrypt(wrapped_key, self._private, info=info)
        except (InvalidTag, ValueError):
            key = b""
        if len(key) != CONTENT_KEY_BYTES:
            raise VerificationError(
                "The content key was not wrapped for this key and this binding.",
                hint="Ask the sender to seal it again to the key that your signature of the agreement gives.",
            )
        return key

    def to_seed(self) -> bytes:
        """The seed, to be sealed at rest and shown to nobody. Leaks: everything that was sealed to the key."""
        return self._seed

    def __repr__(self) -> str:
        """Nothing: representations end up in logs and tracebacks."""
        return "<X-Wing key>"

    def __reduce_ex__(self, _: Any) -> NoReturn:
        """No pickle, no copy."""
        raise TypeError("a private key can't be pickled or copied")


def wrap(content_key: bytes, public: str, *, info: bytes) -> bytes:
    """Wrap a content key so that only the holder of one private key can open it. Run by the sender.

    Args:
        content_key: 32 fresh random bytes.
        public: the recipient's public key in base64.
        info: what the wrapping is bound to; the recipient must give the same.

    Returns:
        HPKE's encapsulated key and ciphertext, 1,168 bytes.

    Raises:
        VerificationError: the recipient's key is no valid key.

    Source: RFC 9180, base mode, single shot; KEM 0x647A (X-Wing), KDF 0x0001, AEAD 0x0002.
    """
    raw = base64.b64decode(public)
    try:
        ml_kem = MLKEM768PublicKey.from_public_bytes(raw[:_ML_KEM_PUBLIC_BYTES])
        x25519 = X25519PublicKey.from_public_bytes(raw[_ML_KEM_PUBLIC_BYTES:])
        return _HPKE.encrypt(content_key, hpke.MLKEM768X25519PublicKey(ml_kem, x25519), info=info)
    except ValueError:
        raise VerificationError(
            "The recipient's X-Wing key is not a valid public key.",
            hint="Ask the recipient for its public card, or its signature of the agreement, again.",
        ) from None


def _expanded(seed: bytes) -> tuple[MLKEM768PrivateKey, X25519PrivateKey]:
    """X-Wing's two private keys from its one seed (draft-connolly-cfrg-xwing-kem, section 5.2)."""
    expanded = hashlib.shake_256(seed).digest(_ML_KEM_SEED_BYTES + SEED_BYTES)
    return (
        MLKEM768PrivateKey.from_seed_bytes(expanded[:_ML_KEM_SEED_BYTES]),
        X25519PrivateKey.from_private_bytes(expanded[_ML_KEM_SEED_BYTES:]),
    )
