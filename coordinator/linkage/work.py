"""What a long step has finished so far: pieces of bytes by name, so that it can go on after it was stopped.

Where the pieces lie, and who may read them there, is the caller's matter (`coordinator.unfinished` seals them into the
store); a run without a store keeps them in memory.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from pprl.errors import FormatError
from pprl.protocol import canonical

Column = NDArray[np.unsignedinteger[Any]]
_KINDS = ("uint8", "uint32", "uint64")


class Shelf(Protocol):
    """Keeps finished pieces."""

    def take(self, name: str) -> bytes | None:
        """A piece; None if it isn't there, or is not one of this very run."""

    def put(self, name: str, piece: bytes) -> None:
        """Keep a piece, whole or not at all."""

    def drop(self, name: str) -> None:
        """Delete a piece that is not needed any more."""

    def has(self, name: str) -> bool:
        """Whether there is a piece of that name, which `take` may refuse all the same."""


class InMemory(dict[str, bytes]):
    """A shelf that is gone with the process."""

    def take(self, name: str) -> bytes | None:
        """See `Shelf`."""
        return self.get(name)

    def put(self, name: str, piece: bytes) -> None:
        """See `Shelf`."""
        self[name] = piece

    def drop(self, name: str) -> None:
        """See `Shelf`."""
        self.pop(name, None)

    def has(self, name: str) -> bool:
        """See `Shelf`."""
        return name in self


def packed(numbers: Mapping[str, int], columns: Sequence[Column]) -> bytes:
    """Some numbers and arrays as bytes.

    Args:
        numbers: by name.
        columns: arrays of bytes, of 32-bit or of 64-bit numbers.
    """
    shapes = [[str(each.dtype), *each.shape] for each in columns]
    head = canonical.dumps({"numbers": dict(numbers), "columns": shapes})
    return b"".join([len(head).to_bytes(4, "big"), head, *(each.tobytes() for each in columns)])


def unpacked(piece: bytes) -> tuple[dict[str, int], list[Column]]:
    """What `packed` has packed, read-only.

    Raises:
        FormatError: it is not what was packed.
    """
    start = 4 + int.from_bytes(piece[:4], "big")
    head = canonical.loads(piece[4:start])
    columns: list[Column] = []
    for kind, *shape in head["columns"]:
        of = np.dtype(_KINDS[_KINDS.index(kind)])
        count = math.prod(shape)
        if len(piece) < start + count * of.itemsize:
            raise FormatError("A piece of unfinished work is cut short.")
        columns.append(np.frombuffer(piece, of, count, start).reshape(shape))
        start += count * of.itemsize
    return head["numbers"], columns
