"""All attacks, by subject, in the order in which they are told."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from tests.attacks import agreement_signatures, containers
from tests.attacks.registry import Attack

SUBJECTS: Mapping[str, Sequence[Attack]] = {
    "Containers": containers.ATTACKS,
    "The agreement's signatures": agreement_signatures.ATTACKS,
}
