"""What a party says of its own public keys, and signs with them: its card.

The statement binds the three keys to each other and to the party's id, so that nobody can put a card together from
two, or give a party's keys to another. It says nothing about who the party is: its fingerprint, compared by
telephone or in person, does (docs/formats/envelope.md, "Public cards and fingerprints").

Pure: the signatures are made and checked in `pprl.crypto.identity`.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping

from pprl.protocol import canonical, dsse
from pprl.protocol.agreement import PartyKeys
from pprl.protocol.dsse import Statement

KIND = "party-card"
ALGORITHMS = ("ed25519", "ml_dsa_65", "x_wing")


def public_keys(keys: PartyKeys) -> dict[str, str]:
    """The three public keys, without the card's signatures.

    Args:
        keys: a party's keys as they stand in an agreement.

    Returns:
        Each key in base64, by its algorithm.
    """
    return {algorithm: getattr(keys, algorithm) for algorithm in ALGORITHMS}


def digest(keys: Mapping[str, str]) -> bytes:
    """What names three public keys.

    Args:
        keys: each in base64, by its algorithm.

    Returns:
        SHA-256 of their canonical JSON, 32 bytes.
    """
    return hashlib.sha256(canonical.dumps(dict(keys))).digest()


def signed_card(party: str, keys: Mapping[str, str]) -> bytes:
    """The bytes that both signatures of a card cover: DSSE's encoding of an in-toto Statement.

    Args:
        party: the party's id.
        keys: its three public keys, each in base64, by its algorithm.

    Returns:
        The bytes to sign.
    """
    statement = Statement(party, digest(keys).hex(), dict(keys))
    return dsse.signed_bytes(dsse.write_statement(statement, kind=KIND))
