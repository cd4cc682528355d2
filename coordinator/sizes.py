"""How long what comes in may be: looked at by its head, before the rest is read."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from coordinator.custody import Coordinator
from coordinator.store import database
from coordinator.store.database import AgreementRow
from pprl.crypto import container
from pprl.errors import FormatError, VerificationError
from pprl.files.atomic import opened
from pprl.protocol import agreement as agreements
from pprl.protocol import submission
from pprl.protocol.sizes import most_container_bytes

STATEMENT_START = b'{"payload":'


@contextmanager
def opened_possible(me: Coordinator, path: Path) -> Iterator[BinaryIO]:
    """Open a file that came in, unless it is longer than any can be under the agreement that its head names.

    The head is a claim, which `intake.verify` checks: here it chooses a limit, and each is one of an agreement that is
    registered here.

    Args:
        me: the store.
        path: a submission, a single container, or a signed statement.

    Raises:
        UsageError: it can't be read.
        FormatError: it is no file of this protocol, or too long.
        VerificationError: it names an agreement that is not registered here.
    """
    with opened(path, what="file") as file:
        if not is_statement(file):
            for part in _containers(file):
                _require_possible(me, part)
        file.seek(0)
        yield file


def is_statement(file: BinaryIO) -> bool:
    """Whether a file is a signed statement, such as a request for shares, and no container."""
    file.seek(0)
    start = file.read(len(STATEMENT_START))
    file.seek(0)
    return start == STATEMENT_START


def _containers(file: BinaryIO) -> Iterator[BinaryIO]:
    start = file.read(len(submission.SUBMISSION_MAGIC))
    file.seek(0)
    if start != submission.SUBMISSION_MAGIC:
        yield file
        return
    for offset, length in submission.containers(file):
        yield container.window(file, offset, length)


def _require_possible(me: Coordinator, part: BinaryIO) -> None:
    claimed = container.peek(part)
    with database.reading(me.engine) as session:
        row = session.get(AgreementRow, claimed.agreement_sha256)
        if row is None:
            raise VerificationError(
                "The file belongs to an agreement that is not registered here.",
                hint="Compare agreement digests with the sender.",
            )
        agreement = agreements.parse(row.raw, where="The registered agreement")
    limit, size = most_container_bytes(agreement, claimed.kind), part.seek(0, 2)
    if size > limit:
        raise FormatError(
            f"It holds a container of {size:,} bytes; by the agreement one of '{claimed.kind}' has {limit:,} at most.",
            hint="Ask the sender whether it is the right file, made under this agreement.",
        )
