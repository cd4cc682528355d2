"""The departments' shares of the linkage secret: what was committed to, and the document in which shares travel.

Each department draws a share, commits to it in its signature of the agreement, and sends it to the other departments
once it holds all signatures (docs/formats/secret.md has the ceremony and its bytes). This module owns the document
that a container of kind `secret-share` holds: canonical JSON of exactly these members::

    {"format": "pprl-secret-shares", "shares": {DEPARTMENT: BASE64 OF 32 BYTES, ...},
     "transcript": HEX, "version": 1}

A department sends its own share alone, or all shares, to one that has lost them; there is no third document. Whether
a share is the one that was committed to is for `pprl.encode.ceremony` to say, which alone may know shares.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from pprl.errors import FormatError, VerificationError
from pprl.protocol import canonical, members
from pprl.protocol.transcript import Transcript

SHARE_BYTES = 32
MAX_DOCUMENT_BYTES = 8_192

_FORMAT = "pprl-secret-shares"
_VERSION = 1
_MEMBERS = {"format", "shares", "transcript", "version"}


@dataclass(frozen=True, slots=True)
class SecretShares:
    """Shares on their way from one department to another; never shown.

    Attributes:
        transcript: the ceremony that they belong to.
        shares: 32 bytes of each department that is in the document.
    """

    transcript: str
    shares: Mapping[str, bytes] = field(repr=False)


def write(document: SecretShares) -> bytes:
    """The bytes of a document of shares. A department runs this, and seals them at once.

    Args:
        document: the shares.

    Returns:
        Canonical JSON.

    Leaks: everything that it holds; it is never written to a disk but inside a container.
    """
    shares = {name: members.to_base64(share) for name, share in document.shares.items()}
    return canonical.dumps(
        {"format": _FORMAT, "shares": shares, "transcript": document.transcript, "version": _VERSION}
    )


def parse(raw: bytes, transcript: Transcript, *, sender: str) -> SecretShares:
    """Read a document of shares, strictly. A department runs this on what it has opened.

    1. It is canonical JSON of exactly the members of this version.
    2. Every share is 32 bytes in the one spelling of standard base64.
    3. Its transcript is ours.
    4. It holds the sender's own share alone, or the share of every department, and nothing else.

    **What the caller still owes**: that every share is the one that its department committed to.

    Args:
        raw: the content of a container of kind `secret-share`.
        transcript: our own, from the signatures of the agreement.
        sender: the department that the container is from.

    Returns:
        The shares.

    Raises:
        FormatError: 1 or 2.
        VerificationError: 3 or 4.
    """
    found, shares = _members(raw)  # 1, 2
    if found != transcript.sha256:  # 3
        raise VerificationError(
            "The shares belong to another ceremony than ours: other commitments, or another agreement.",
            hint="Check with 'pprl agreement verify' that both departments hold the same signatures.",
        )
    if set(shares) not in ({sender}, set(transcript.departments)):  # 4
        raise VerificationError(
            "The document holds neither its sender's share alone nor the share of every department."
        )
    return SecretShares(found, shares)


def _members(raw: bytes) -> tuple[str, dict[str, bytes]]:
    """Transcript and shares of a document, each of the form that the format gives it."""
    if len(raw) > MAX_DOCUMENT_BYTES:
        raise FormatError(f"A document of shares has at most {MAX_DOCUMENT_BYTES:,} bytes.")
    tree = canonical.loads(raw, what="The document of shares")
    if not isinstance(tree, dict) or set(tree) != _MEMBERS:
        raise FormatError("This is not a document of shares.")
    if tree["format"] != _FORMAT or type(tree["version"]) is not int or tree["version"] != _VERSION:
        raise FormatError("This is not a document of shares of a version known here.")
    sha256 = members.text(tree["transcript"], members.SHA256, "The transcript of a document of shares")
    if not isinstance(tree["shares"], dict):
        raise FormatError("The shares are not an object of departments.")
    return sha256, {name: _share(text) for name, text in tree["shares"].items()}


def _share(text: Any) -> bytes:
    share = members.bytes_in(text)
    # A message says nothing of what was found: it was meant to be a secret.
    if len(share) != SHARE_BYTES:
        raise FormatError(f"A share is not {SHARE_BYTES} bytes in standard base64.")
    return share
