"""Containers as the entries of a log name them, held against the heads that their senders signed."""

from __future__ import annotations

import hashlib
import io
from collections.abc import Mapping

from pprl.crypto import container
from pprl.errors import FormatError, VerificationError
from pprl.protocol import log
from pprl.protocol.agreement import AgreementFile
from pprl.protocol.envelope import Binding


def require_head(detail: Mapping[str, str], head: bytes) -> None:
    """Refuse bytes that are not the head that an entry names.

    Raises:
        FormatError: they are missing, or others.
    """
    if hashlib.sha256(head).hexdigest() != detail["head_sha256"]:
        raise FormatError("The head of a container that the log names is missing or damaged.")


def verify_named(
    detail: Mapping[str, str], head: bytes, agreement: AgreementFile, *, transcript: str | None = None
) -> Binding:
    """What a container's sender signed, if a log says the same of it.

    Args:
        detail: how the log's entry names the container.
        head: the container's bytes before its ciphertext.
        agreement: our agreement.
        transcript: the ceremony of the signatures that we hold; any if None.

    Raises:
        FormatError: the head is not the one that is named, or none.
        VerificationError: its sender did not sign it under this agreement and ceremony, or the log tells
            other things of it.
    """
    require_head(detail, head)
    binding, _ = container.verify_head(io.BytesIO(head), agreement=agreement, transcript=transcript)
    told = log.container_detail(binding, head_sha256=detail["head_sha256"], sha256=detail["sha256"])
    if told != detail:
        raise VerificationError("The log tells other things of a container than its sender signed.")
    return binding
