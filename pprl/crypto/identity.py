"""A party's identity: the keys with which it signs and opens what is sealed to it.

Each identity has three key pairs. Ed25519 and ML-DSA-65 sign together, so that a forger must break both; X-Wing
opens what the party has sealed to itself, its own secrets at rest. Private keys are kept as their 32-byte seeds and
leave an `Identity` only through `pprl.crypto.key_file`, under a passphrase.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Mapping
from typing import Any, NoReturn

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.mldsa import MLDSA65PrivateKey, MLDSA65PublicKey

from pprl.crypto.derive import random_bytes, same
from pprl.crypto.words import words
from pprl.crypto.x_wing import XWingKey, wrap
from pprl.errors import ConfigError, KeyFileError, VerificationError
from pprl.protocol.agreement import PartyKeys
from pprl.protocol.party_card import ALGORITHMS, digest, public_keys, signed_card

SEED_BYTES = 32
# What an identity signs: a signature made for one of these is none for another.
CONTAINER_CONTEXT = b"pprl/v1/container"
STATEMENT_CONTEXT = b"pprl/v1/statement"
NOTE_CONTEXT = b"pprl/v1/note"

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

    def __init__(self, party: str, seeds: dict[str, bytes], *, card: tuple[str, str] | None = None) -> None:
        """Derive the keys. Only `create` and `pprl.crypto.key_file` call this.

        Args:
            party: the party's id.
            seeds: 32 random bytes for each of ed25519, ml_dsa_65 and x_wing.
            card: the Ed25519 and ML-DSA-65 signatures of its card, in base64; None to sign one.
        """
        self.party = party
        self._seeds = seeds
        self._ed25519 = Ed25519PrivateKey.from_private_bytes(seeds["ed25519"])
        self._ml_dsa_65 = MLDSA65PrivateKey.from_seed_bytes(seeds["ml_dsa_65"])
        self.x_wing = XWingKey(seeds["x_wing"])
        keys = {
            "ed25519": _base64(self._ed25519.public_key().public_bytes_raw()),
            "ml_dsa_65": _base64(self._ml_dsa_65.public_key().public_bytes_raw()),
            "x_wing": self.x_wing.public,
        }
        self.public = PartyKeys.model_validate({**keys, **self._card(keys, card)})

    def _card(self, keys: Mapping[str, str], card: tuple[str, str] | None) -> dict[str, str]:
        if card is None:
            ed25519, ml_dsa_65 = self.sign(signed_card(self.party, keys), context=STATEMENT_CONTEXT)
            card = _base64(ed25519), _base64(ml_dsa_65)
        return dict(zip(("card_ed25519", "card_ml_dsa_65"), card, strict=True))

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
    """Public keys in words, to compare by telephone or on paper.

    Args:
        keys: a party's public keys.

    Returns:
        12 words.
    """
    return words(digest(public_keys(keys)))


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
        f'card_ed25519 = "{keys.card_ed25519}"\n'
        f'card_ml_dsa_65 = "{keys.card_ml_dsa_65}"\n'
    )


def require_usable(keys: PartyKeys, *, party: str) -> None:
    """Refuse public keys that can't be used, or that are not all of one card, of this party. Every step runs this.

    1. Each of the three is a public key of its kind.
    2. The card names this party and these three keys, and its Ed25519 key signed it.
    3. And so did its ML-DSA-65 key.

    **What the caller owes**: that the keys are the party's own, which only people who know each other can tell
    (`fingerprint`).

    Args:
        keys: a party's public keys, from the agreement.
        party: the id that the agreement gives it.

    Raises:
        ConfigError: a key is no public key of its kind, or the card is not signed by it.
    """
    _require_keys(keys, party)  # 1
    if not card_holds(party, keys):  # 2, 3
        raise ConfigError(
            f"The public keys of '{party}' in the agreement are not signed as its card by their owner.",
            hint="They were altered, mixed from two cards or made for another party: paste its party card again.",
        )


def card_holds(party: str, keys: PartyKeys) -> bool:
    """Whether a card is signed, with both algorithms, by the keys that it gives this party.

    Args:
        party: the party's id.
        keys: its keys, with the card's signatures.

    Returns:
        False for anything but two valid signatures over this very card.
    """
    message = signed_card(party, public_keys(keys))
    ed25519, ml_dsa_65 = base64.b64decode(keys.card_ed25519), base64.b64decode(keys.card_ml_dsa_65)
    return ed25519_verifies(ed25519, message, keys) and ml_dsa_65_verifies(
        ml_dsa_65, message, keys, context=STATEMENT_CONTEXT
    )


def _require_keys(keys: PartyKeys, party: str) -> None:
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
    """Whether two sets of public keys are one and the same, all three of them, whatever card they stand on.

    Args:
        left: one party's keys.
        right: another's.

    Returns:
        True if every key is equal.
    """
    return same(digest(public_keys(left)), digest(public_keys(right)))


def _base64(raw: bytes) -> str:
    return base64.b64encode(raw).decode("ascii")
