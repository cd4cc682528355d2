"""A department's command that stops between any two of its writes: shares, run key, signature and memory.

It is no process that dies, but an exception in the tests' own that nothing catches; what is written is on the disk.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from unittest import mock

from pprl import sharing, signing
from pprl.files import atomic, holdings, seen
from pprl.files.atomic import write_new


class KilledError(BaseException):
    """The process was killed: nothing catches it."""


@contextmanager
def killed_at(write: int | None, *, after: bool) -> Iterator[None]:
    """Kill the process at its so-many-th write, before or after it; None for never. Nothing waits for the disk."""
    left = [write]

    def writing(path: Path, data: bytes, *, force: bool = False, mode: int = 0o644) -> None:
        if left[0] == 0 and not after:
            raise KilledError
        write_new(path, data, force=force, mode=mode)
        if left[0] == 0:
            raise KilledError
        left[0] = None if left[0] is None else left[0] - 1

    with (
        mock.patch.object(sharing, "write_new", writing),
        mock.patch.object(signing, "write_new", writing),
        mock.patch.object(holdings, "write_new", writing),
        mock.patch.object(seen, "write_new", writing),
        mock.patch.object(os, "fsync"),
        mock.patch.object(atomic, "_sync_directory"),
    ):
        try:
            yield
        except KilledError:
            assert write is not None
