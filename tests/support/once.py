"""What has one answer for the same input, worked out once in a test process.

A test that reads an agreement or opens a key file parses, derives and verifies, and nearly always what another test
has parsed, derived and verified. The first time is real; an answer that was given is given again. What is random
(making keys, signing, sealing) and what is refused by an exception is never remembered, and real processes remember
nothing.
"""

from __future__ import annotations

import os
from functools import lru_cache, wraps
from typing import Any

# Set to "no" where it matters which test executes what, as for mutation.
WANTED = "REMEMBER_ANSWERS"
_MOST = 2_000
_MOST_AGREEMENTS = 100  # They are large.


def remember_answers() -> None:
    """Do so from here on. tests/conftest.py runs it before any test imports these functions by name."""
    if os.environ.get(WANTED) == "no":
        return
    from pprl.protocol import agreement  # noqa: PLC0415 - each before those that import from it

    _remember(agreement, "parse", _MOST_AGREEMENTS)
    from pprl.crypto import identity, key_file  # noqa: PLC0415

    _remember(identity, "ed25519_verifies")
    _remember(identity, "ml_dsa_65_verifies")
    _remember_keys(key_file)
    from pprl.crypto import signatures  # noqa: PLC0415

    # These two seal nothing: they try whether a public key can be used at all.
    _remember(identity, "wrap")
    _remember(signatures, "wrap")


def _remember(module: Any, name: str, most: int = _MOST) -> None:
    function = getattr(module, name)
    setattr(module, name, wraps(function)(lru_cache(most)(function)))


def _remember_keys(key_file: Any) -> None:
    """Which key a passphrase stands for; a passphrase can't be compared by value."""
    derive = key_file.Passphrase.key
    known: dict[Any, bytes] = {}

    def key(self: Any, cost: Any, salt: bytes) -> bytes:
        asked = (self._raw, cost, salt)
        if asked not in known:
            known[asked] = derive(self, cost, salt)
        return known[asked]

    key_file.Passphrase.key = wraps(derive)(key)
