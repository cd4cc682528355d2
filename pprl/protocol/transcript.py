"""What the departments have committed to under one agreement, and the digest that names it.

The digest names one making of the linkage secret and no other (docs/formats/secret.md): shares are bound to it, and the
coordinator compares it, without coming near a share. What a container of shares is called, and how large it may be, is
told here too: the coordinator hands containers on, and needs nothing that reads what is in them.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from pprl.errors import FormatError, VerificationError
from pprl.protocol import canonical, members
from pprl.protocol.kinds import NAME

SHARE_KIND = "secret-share"  # the kind of a container
MAX_SHARE_CONTAINER_BYTES = 131_072

_TRANSCRIPT_FORMAT = "pprl-transcript"


@dataclass(frozen=True, slots=True)
class Transcript:
    """Everything that was given out with the signatures of one agreement, by everybody.

    Attributes:
        agreement_sha256: the agreement, 64 hexadecimal digits.
        commitments: each department's commitment to its share, 64 hexadecimal digits.
        run_keys: SHA-256 of each signatory's public run key, 64 hexadecimal digits.
    """

    agreement_sha256: str
    commitments: Mapping[str, str]
    run_keys: Mapping[str, str]

    def __post_init__(self) -> None:
        members.text(self.agreement_sha256, members.SHA256, "The agreement of a transcript")
        _require_digests(self.commitments, "A commitment")
        _require_digests(self.run_keys, "A run key")
        _require_drawn_apart(self.commitments)
        object.__setattr__(self, "commitments", MappingProxyType(dict(sorted(self.commitments.items()))))
        object.__setattr__(self, "run_keys", MappingProxyType(dict(sorted(self.run_keys.items()))))

    @property
    def departments(self) -> tuple[str, ...]:
        """The departments that contribute, in ascending order of their ids."""
        return tuple(self.commitments)

    @property
    def sha256(self) -> str:
        """The name of this ceremony, 64 hexadecimal digits: SHA-256 of it all in canonical JSON."""
        tree = {
            "agreement_sha256": self.agreement_sha256,
            "commitments": dict(self.commitments),
            "format": _TRANSCRIPT_FORMAT,
            "run_keys": dict(self.run_keys),
        }
        return hashlib.sha256(canonical.dumps(tree)).hexdigest()


def _require_digests(found: Mapping[str, str], what: str) -> None:
    for party, digest in found.items():
        if not isinstance(party, str) or not NAME.fullmatch(party):
            raise FormatError(f"{what} is of a party that no agreement could name.")
        members.text(digest, members.SHA256, what)


def _require_drawn_apart(commitments: Mapping[str, str]) -> None:
    """Refuse a commitment that two departments make: one has copied the other's, and can't have drawn its own.

    Raises:
        VerificationError: naming both.
    """
    owner: dict[str, str] = {}
    for department, commitment in sorted(commitments.items()):
        other = owner.setdefault(commitment, department)
        if other != department:
            raise VerificationError(
                f"'{other}' and '{department}' commit to the same share: one has copied the other's commitment.",
                hint="Both must draw shares of their own and sign again.",
            )
