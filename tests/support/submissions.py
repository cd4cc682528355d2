"""The file that a department sends, from containers that are in memory."""

from __future__ import annotations

import io
from collections.abc import Callable
from functools import partial
from typing import BinaryIO

from pprl.protocol.submission import stream_submission


def write_submission(encodings: bytes, references: bytes) -> bytes:
    """Two containers as the one file that a department sends."""
    file = io.BytesIO()
    parts: list[Callable[[BinaryIO], object]] = [partial(_put, part) for part in (encodings, references)]
    stream_submission(file, parts)
    return file.getvalue()


def _put(part: bytes, file: BinaryIO) -> None:
    file.write(part)
