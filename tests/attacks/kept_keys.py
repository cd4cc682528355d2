"""Attacks on linkage keys that are kept: keys that a department plants, to know them again where they turn up."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from coordinator.linkage import refresh
from pprl.crypto.project_key import ProjectKey
from pprl.errors import VerificationError
from pprl.protocol.submission import Previous
from tests.attacks.registry import Attack, remove

PROJECT = ProjectKey("justice", b"j" * 32)
VERSION = 2


def _believed(previous: Previous, *_: object, **__: object) -> Any:
    """Every key is taken for one of the first version."""
    return np.ones(len(previous.records), dtype=np.int64)


ISSUED = remove(refresh, "require_issued", _believed)


def offer(planted: bytes) -> Callable[[], Any]:
    """Offer a key for one's first record, and get it issued."""

    def attempt() -> Any:
        previous = Previous(np.array([0]), np.frombuffer(planted, np.uint8).reshape(1, -1))
        found = refresh.refreshed(np.arange(3), previous, "police", source=PROJECT, version=VERSION)
        if found.keys[0].tobytes() != planted:
            raise AssertionError("another key was issued")
        return found

    return attempt


def _planted(name: str, tries: str, planted: bytes) -> Attack:
    return Attack(name, tries, offer(planted), VerificationError, "were not made for it", [ISSUED])


ATTACKS = [
    _planted(
        "a key of one's own choosing",
        "a department marks a person with a key that it made up",
        b"chosen by myself",
    ),
    _planted(
        "a key of another dataset",
        "a department gives its record another department's key, so that both get one key",
        PROJECT.numbered("court", version=1, count=1),
    ),
    _planted(
        "a key of another project",
        "a department carries a key over, so that the two projects can be joined",
        ProjectKey("health", b"h" * 32).numbered("police", version=1, count=1),
    ),
    _planted(
        "a key of a version to come",
        "a department asks for a key that the key issuer is yet to give to somebody",
        PROJECT.numbered("police", version=VERSION, count=1),
    ),
]
