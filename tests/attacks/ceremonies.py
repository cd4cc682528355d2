"""Attacks on the making of the linkage secret: by a department that wants to choose it, or to leave others out."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pprl.crypto import derive
from pprl.encode import ceremony
from pprl.encode.linkage_secret import LinkageSecret
from pprl.errors import ProtocolError, VerificationError
from pprl.protocol import secret_shares, transcript
from pprl.protocol.secret_shares import SecretShares
from pprl.protocol.transcript import Transcript
from tests.attacks.registry import Attack, cut, remove

AGREEMENT, OTHER_AGREEMENT = "a" * 64, "b" * 64
SHARES = {"court": bytes(range(32)), "police": bytes(32), "prison": b"\xff" * 32}
CHOSEN = b"chosen after all others were see"


def committed(shares: Mapping[str, bytes] = SHARES, agreement: str = AGREEMENT) -> dict[str, str]:
    return {
        name: ceremony.commitment(share, agreement_sha256=agreement, department=name)
        for name, share in shares.items()
    }


OURS = Transcript(AGREEMENT, committed(), {})


def received(
    shares: Mapping[str, bytes], *, under: Transcript = OURS, sender: str = "prison"
) -> Mapping[str, bytes]:
    """What a department takes out of a document of shares."""
    raw = secret_shares.write(SecretShares(under.sha256, shares))
    found = secret_shares.parse(raw, OURS, sender=sender).shares
    ceremony.require_committed(found, OURS)
    return found


def altered_share() -> Any:
    return received({"prison": CHOSEN})


def altered_among_all() -> Any:
    """A department that gives all shares to one that has lost them exchanges another's."""
    return received({**SHARES, "court": CHOSEN})


def share_of_another_ceremony() -> Any:
    return received(
        {"prison": SHARES["prison"]},
        under=Transcript(OTHER_AGREEMENT, committed(agreement=OTHER_AGREEMENT), {}),
    )


def anothers_share() -> Any:
    return received({"court": SHARES["court"]})


def copied_commitment() -> Any:
    return Transcript(AGREEMENT, {**committed(), "prison": committed()["court"]}, {})


def copied_share() -> Any:
    """A department commits to another's share as its own, and sends that share when it has seen it."""
    copying = Transcript(AGREEMENT, {**committed(), "prison": committed()["court"][::-1]}, {})
    return ceremony.derive_secret({**SHARES, "prison": SHARES["court"]}, copying)


def dropped_commitment() -> Any:
    """The coordinator shows two departments a ceremony without the third, whose share comes all the same."""
    two = {name: each for name, each in committed().items() if name != "prison"}
    return ceremony.derive_secret(SHARES, Transcript(AGREEMENT, two, {}))


def missing_share() -> Any:
    two = {name: each for name, each in SHARES.items() if name != "prison"}
    return ceremony.derive_secret(two, OURS)


def from_those_that_are_there(shares: Mapping[str, bytes], known: Transcript) -> tuple[str, ...]:
    return ()


def joined_without(shares: Mapping[str, bytes], known: Transcript) -> LinkageSecret:
    """The derivation, from whatever shares there are."""
    ceremony.require_committed(shares, known)
    value = derive.hkdf(
        b"".join(shares.values()), label="pprl/v1/linkage-secret", context=b"", salt=b"", length=32
    )
    return LinkageSecret(known.agreement_sha256, known.sha256, value)


COMMITTED = remove(ceremony, "require_committed")
CEREMONY = cut(secret_shares, "parse", "belong to another ceremony", number=3)
OWN_OR_ALL = cut(secret_shares, "parse", "neither its sender's share alone", number=4)
DRAWN_APART = remove(transcript, "_require_drawn_apart")

ATTACKS = (
    Attack("altered share", "a department sends another share than it committed to, chosen after it saw the others'",
           altered_share, VerificationError, "not the one that 'prison' committed to", [COMMITTED]),
    Attack("another's altered share", "a department that helps one that lost its shares exchanges somebody's",
           altered_among_all, VerificationError, "not the one that 'court' committed to", [COMMITTED]),
    Attack("share of another transcript", "a share of another ceremony, under another agreement",
           share_of_another_ceremony, VerificationError, "belong to another ceremony", [CEREMONY]),
    Attack("another's share alone", "a department hands on one share that isn't its own",
           anothers_share, VerificationError, "neither its sender's share alone", [OWN_OR_ALL]),
    Attack("copied commitment", "a department commits to what another committed to",
           copied_commitment, VerificationError, "one has copied", [DRAWN_APART]),
    Attack("copied share", "a department contributes a copy of another's share",
           copied_share, VerificationError, "not the one that 'prison' committed to", [COMMITTED]),
    Attack("dropped commitment", "a department's commitment is kept from the others, and its share is not",
           dropped_commitment, VerificationError, "not the one that 'prison' committed to", [COMMITTED]),
    Attack("missing share", "the secret is made before everybody contributed",
           missing_share, ProtocolError, "waiting for prison",
           [remove(ceremony, "derive_secret", joined_without, refuses=ceremony.derive_secret)]),
)  # fmt: skip
