"""The ceremony that makes the linkage secret: every department contributes to it, and none can choose it.

1. **Commit.** Each department draws 32 random bytes, its share, and puts a commitment to it into its signature of the
   agreement.
2. **Reveal.** Once it holds everybody's signature, and has compared the agreement with everybody out of band, it seals
   its share to each other department.
3. **Derive.** A department that holds every share, each the one that was committed to, derives the secret.

A share that fits its commitment can't be chosen after seeing another's, so nobody can steer the result; and one honest
department's random share makes all of it random. docs/formats/secret.md has the reasons and the bytes.

Pure: shares are handed in and out, and where they lie is the callers' matter.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping

from pprl.crypto import derive
from pprl.encode.linkage_secret import SECRET_BYTES, LinkageSecret
from pprl.errors import ProtocolError, VerificationError
from pprl.protocol.secret_shares import SHARE_BYTES
from pprl.protocol.transcript import Transcript

SECRET_LABEL = "pprl/v1/linkage-secret"  # noqa: S105 - what is derived, not the secret
_COMMITMENT_LABEL = b"pprl/v1/share-commitment\0"


def draw_share(random_bytes: Callable[[int], bytes]) -> bytes:
    """A department's contribution to the secret: 32 bytes that nobody chooses, the department itself least of all.

    Args:
        random_bytes: gives so many fresh random bytes.
    """
    return random_bytes(SHARE_BYTES)


def commitment(share: bytes, *, agreement_sha256: str, department: str) -> str:
    """What binds a department to a share that it does not show yet.

    The id is inside, so that a copied commitment fits no share of the copier's; its length stands before it, so that
    no two departments' inputs are alike.

    Args:
        share: 32 bytes.
        agreement_sha256: the agreement.
        department: whose share it is.

    Returns:
        64 hexadecimal digits.

    Leaks: nothing of the share: it has 256 random bits.
    """
    name = department.encode("ascii")
    parts = (_COMMITMENT_LABEL, bytes.fromhex(agreement_sha256), bytes([len(name)]), name, share)
    return hashlib.sha256(b"".join(parts)).hexdigest()


def require_committed(shares: Mapping[str, bytes], transcript: Transcript) -> None:
    """Refuse any share that is not the one its department committed to. A department runs this on all that comes.

    Args:
        shares: by department.
        transcript: what was committed to.

    Raises:
        VerificationError: a share is another, or of nobody who committed to one.
    """
    for department, share in sorted(shares.items()):
        agreed = transcript.commitments.get(department, "")
        found = commitment(share, agreement_sha256=transcript.agreement_sha256, department=department)
        if not derive.same(found.encode(), agreed.encode()):
            raise VerificationError(
                f"The share of '{department}' is not the one that '{department}' committed to.",
                hint="Don't use it. Ask for the share again, and if it stays so, agree a new version.",
            )


def missing_from(shares: Mapping[str, bytes], transcript: Transcript) -> tuple[str, ...]:
    """The departments whose shares are not there, in ascending order."""
    return tuple(name for name in transcript.departments if name not in shares)


def derive_secret(shares: Mapping[str, bytes], transcript: Transcript) -> LinkageSecret:
    """The linkage secret, from every department's share. Every department runs this, and gets the same.

    Args:
        shares: by department, in any order.
        transcript: what was committed to.

    Returns:
        The secret: HKDF-SHA-512 of the shares in ascending order of the departments' ids, salted with the transcript.

    Raises:
        VerificationError: a share is not the one that was committed to.
        ProtocolError: a share is missing.
    """
    require_committed(shares, transcript)
    missing = missing_from(shares, transcript)
    if missing:
        raise ProtocolError(
            f"The linkage secret is not made yet: waiting for {listed(missing)}.",
            hint="'pprl secret status' says what to do next.",
        )
    value = derive.hkdf(
        b"".join(shares[name] for name in transcript.departments),
        label=SECRET_LABEL,
        context=bytes.fromhex(transcript.agreement_sha256),
        salt=bytes.fromhex(transcript.sha256),
        length=SECRET_BYTES,
    )
    return LinkageSecret(transcript.agreement_sha256, transcript.sha256, value)


def confirmations_of(secret: LinkageSecret, told: Mapping[str, str]) -> dict[str, bool]:
    """Which departments have shown that they hold this very secret. Any department can run this on a log.

    Args:
        secret: one's own.
        told: by department, the `confirmation` of its encodings' header.

    Returns:
        By department, whether its confirmation is right.
    """
    return {
        party: derive.same(secret.confirmation(party).encode(), confirmation.encode())
        for party, confirmation in told.items()
    }


def listed(names: tuple[str, ...]) -> str:
    """Names for a message: 'a, b and c'."""
    return " and ".join(filter(None, (", ".join(names[:-1]), *names[-1:])))
