"""A party's identity: the keys with which it signs and opens what is sealed to it.

Each identity has three key pairs. Ed25519 and ML-DSA-65 sign together, so that a forger must break both; X-Wing
opens what the party has sealed to itself, its own secrets at rest. Private keys are kept as their 32-byte seeds and
leave an `Identity` only through `pprl.crypto.key_file`, under a passphrase.
"""

from __future__ import annotations

import base64
import hashlib
import re
from typing import Any, NoReturn

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.mldsa import MLDSA65PrivateKey, MLDSA65PublicKey

from pprl.crypto.derive import random_bytes, same
from pprl.crypto.x_wing import XWingKey, wrap
from pprl.errors import ConfigError, KeyFileError, VerificationError
from pprl.protocol import canonical
from pprl.protocol.agreement import PartyKeys

SEED_BYTES = 32
# What an identity signs: a signature made for one of these is none for another.
CONTAINER_CONTEXT = b"pprl/v1/container"
STATEMENT_CONTEXT = b"pprl/v1/statement"
NOTE_CONTEXT = b"pprl/v1/note"

ALGORITHMS = ("ed25519", "ml_dsa_65", "x_wing")
_PARTY = re.compile(r"[A-Za-z][A-Za-z0-9_-]{0,39}")


class Identity:
    """A party's private keys. Its text form shows the party and nothing else; it can't be pickled or copied.

    Attributes:
        party: the party's id in agreements.
        public: its public keys.
        x_wing: the key that opens what the party has sealed to itself.
    """

    __slots__ = ("_ed25519", "_ml_dsa_65", "_seeds", "party", "public", "x_wing")

    x_wing: XWingKey
    party: str
    public: PartyKeys

    def __init__(self, party: str, seeds: dict[str, bytes]) -> None:
        """Derive the keys. Only `create` and `pprl.crypto.key_file` call this.

        Args:
            party: the party's id.
            seeds: 32 random bytes for each of ed25519, ml_dsa_65 and x_wing.
        """
        self.party = party
        self._seeds = seeds
        self._ed25519 = Ed25519PrivateKey.from_private_bytes(seeds["ed25519"])
        self._ml_dsa_65 = MLDSA65PrivateKey.from_seed_bytes(seeds["ml_dsa_65"])
        self.x_wing = XWingKey(seeds["x_wing"])
        self.public = PartyKeys(
            ed25519=_base64(self._ed25519.public_key().public_bytes_raw()),
            ml_dsa_65=_base64(self._ml_dsa_65.public_key().public_bytes_raw()),
            x_wing=self.x_wing.public,
        )

    def sign(self, message: bytes, *, context: bytes) -> tuple[bytes, bytes]:
        """Sign with both algorithms. ML-DSA-65 is randomised, so no two signatures are alike.

        Args:
            message: the bytes to sign.
            context: what they are signed as; only the ML-DSA-65 signature depends on it.

        Returns:
            The Ed25519 signature, 64 bytes, and the ML-DSA-65 signature, 3,309 bytes.

        Source: RFC 8032; FIPS 204, algorithm 2.
        """
        return self._ed25519.sign(message), self._ml_dsa_65.sign(message, context)

    def __repr__(self) -> str:
        """Party alone: representations end up in logs and tracebacks."""
        return f"<identity of {self.party}>"

    def __reduce_ex__(self, _: Any) -> NoReturn:
        """No pickle, no copy: a key leaves through its key file only."""
        raise TypeError("an identity can't be pickled or copied")


def create(party: str) -> Identity:
    """Make a new identity from the operating system's randomness. Run by the party itself, at home.

    Args:
        party: its id in agreements.

    Returns:
        The identity.

    Raises:
        KeyFileError: no agreement could name a party so.
    """
    if not is_party_id(party):
        raise KeyFileError(
            "The new identity names no party that an agreement could name.",
            hint="Ids have a letter first, then letters, digits, '-' and '_', 40 characters at most.",
        )
    return Identity(party, {algorithm: random_bytes(SEED_BYTES) for algorithm in ALGORITHMS})


def is_party_id(text: Any) -> bool:
    """Whether an agreement could name a party so."""
    return isinstance(text, str) and _PARTY.fullmatch(text) is not None


def fingerprint(keys: PartyKeys) -> str:
    """A short name of public keys, to compare by telephone or on paper.

    Args:
        keys: a party's public keys.

    Returns:
        The first 128 bits of the SHA-256 of the keys in canonical JSON: 8 groups of 4 hexadecimal digits.
    """
    digits = hashlib.sha256(canonical.dumps(keys.model_dump())).hexdigest()
    return " ".join(digits[start : start + 4] for start in range(0, 32, 4))


def party_card(identity: Identity) -> str:
    """The public half, as text to paste into an agreement. Nothing in it is secret.

    Args:
        identity: whose card.

    Returns:
        TOML: a `[party.keys]` table under comment lines that say where it goes.
    """
    keys = identity.public
    return (
        f"# Public keys of '{identity.party}'. Nothing here is secret.\n"
        f'# Paste all of this below the [[party]] whose id is "{identity.party}", before the next section.\n'
        "# Then compare the fingerprint with that party by telephone or in person:\n"
        f"#     {fingerprint(keys)}\n"
        "[party.keys]\n"
        f'ed25519 = "{keys.ed25519}"\n'
        f'ml_dsa_65 = "{keys.ml_dsa_65}"\n'
        f'x_wing = "{keys.x_wing}"\n'
    )


def require_usable(keys: PartyKeys, *, party: str) -> None:
    """Refuse public keys that nothing could be sealed to, or no signature checked with. Every step runs this.

    Args:
        keys: a party's public keys, from the agreement.
        party: whose they are, for the message.

    Raises:
        ConfigError: a key is no public key of its kind.
    """
    try:
        Ed25519PublicKey.from_public_bytes(base64.b64decode(keys.ed25519))
        MLDSA65PublicKey.from_public_bytes(base64.b64decode(keys.ml_dsa_65))
        # Only use shows every fault: a point of small order loads, and then agrees on nothing.
        wrap(bytes(SEED_BYTES), keys.x_wing, info=b"")
    except (ValueError, VerificationError):
        raise ConfigError(
            f"The public keys of '{party}' in the agreement are damaged.", hint="Paste its party card again."
        ) from None


def ed25519_verifies(signature: bytes, message: bytes, keys: PartyKeys) -> bool:
    """Whether a party's Ed25519 key made a signature.

    Args:
        signature: 64 bytes.
        message: what was signed.
        keys: the party's keys, from the agreement.

    Returns:
        False for anything but a valid signature by a valid key.
    """
    try:
        Ed25519PublicKey.from_public_bytes(base64.b64decode(keys.ed25519)).verify(signature, message)
    except (InvalidSignature, ValueError):
        return False
    return True


def ml_dsa_65_verifies(signature: bytes, message: bytes, keys: PartyKeys, *, context: bytes) -> bool:
    """Whether a party's ML-DSA-65 key made a signature.

    Args:
        signature: 3,309 bytes.
        message: what was signed.
        keys: the party's keys, from the agreement.
        context: what it must have been signed as.

    Returns:
        False for anything but a valid signature by a valid key, in this very context.
    """
    try:
        public_key = MLDSA65PublicKey.from_public_bytes(base64.b64decode(keys.ml_dsa_65))
        public_key.verify(signature, message, context)
    except (InvalidSignature, ValueError):
        return False
    return True


def same_keys(left: PartyKeys, right: PartyKeys) -> bool:
    """Whether two sets of public keys are one and the same, all three of them.

    Args:
        left: one party's keys.
        right: another's.

    Returns:
        True if every key is equal.
    """
    return same(canonical.dumps(left.model_dump()), canonical.dumps(right.model_dump()))


def _base64(raw: bytes) -> str:
    return base64.b64encode(raw).decode("ascii")
