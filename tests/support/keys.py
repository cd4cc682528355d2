"""Key files of tests: one passphrase for all, at the least cost, so that many can be opened."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache

from pprl.crypto.identity import Identity
from pprl.crypto.key_file import LEAST_COST, Passphrase, parse_key_file, to_key_file, unlock

TEXT = "correct horse b\u00e4ttery staple"


def asked(_key_file: str) -> Passphrase:
    """What a person would answer."""
    return Passphrase(TEXT)


def key_file_of(identity: Identity) -> bytes:
    """An identity's key file."""
    return to_key_file(identity, asked(""), cost=LEAST_COST)


@cache
def opened(raw: bytes) -> Identity:
    """The identity of a key file, each opened once."""
    return unlock(parse_key_file(raw, where="test.key"), asked(""), where="test.key")


@contextmanager
def passphrase_descriptor(text: str = TEXT) -> Iterator[int]:
    """A file descriptor from which a command reads the passphrase."""
    readable, writable = os.pipe()
    try:
        with os.fdopen(writable, "w", encoding="utf-8") as pipe:
            pipe.write(text + "\n")
        yield readable
    finally:
        os.close(readable)
