"""A department's own record ids, of which it holds as many as it has records: as bytes, and never leaving.

A text of a dozen letters takes some hundred bytes in Python's memory, and in a set of all that came before as many
again. Here an id takes its own bytes and four more, and ids that come twice are found once all are there.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterable, Iterator, Sequence
from itertools import pairwise
from typing import overload

import numpy as np
from numpy.typing import NDArray

_IDS_AT_ONCE = 1 << 15


class RecordIds(Sequence[str]):
    """Record ids in the order of the rows."""

    __slots__ = ("_ends", "_hashes", "_lengths", "_texts")

    def __init__(self, ids: Iterable[str] = ()) -> None:
        self._texts = bytearray()
        self._lengths = array("I")
        # Python's own hash, with a key of this process: equal ids have equal ones, and others hardly ever.
        self._hashes = array("q")
        self._ends: NDArray[np.int64] | None = None
        self += list(ids)

    def __iadd__(self, ids: Sequence[str]) -> RecordIds:
        raw = [each.encode("utf-8", "surrogatepass") for each in ids]
        self._texts += b"".join(raw)
        self._lengths.extend(map(len, raw))
        self._hashes.extend(map(hash, ids))
        self._ends = None
        return self

    def __len__(self) -> int:
        return len(self._lengths)

    @overload
    def __getitem__(self, place: int) -> str: ...
    @overload
    def __getitem__(self, place: slice) -> list[str]: ...
    def __getitem__(self, place: int | slice) -> str | list[str]:
        """The id of a row."""
        if isinstance(place, slice):
            return [self[each] for each in range(*place.indices(len(self)))]
        ends = self._all_ends()
        place = range(len(self))[place]
        start = int(ends[place - 1]) if place else 0
        return self._texts[start : int(ends[place])].decode("utf-8", "surrogatepass")

    def __iter__(self) -> Iterator[str]:
        ends = self._all_ends()
        for start in range(0, len(ends), _IDS_AT_ONCE):
            bounds = [int(ends[start - 1]) if start else 0, *ends[start : start + _IDS_AT_ONCE].tolist()]
            raw = bytes(self._texts[bounds[0] : bounds[-1]])
            for one, other in pairwise(bounds):
                yield raw[one - bounds[0] : other - bounds[0]].decode("utf-8", "surrogatepass")

    def repeated(self) -> list[int]:
        """Places of ids that are there before, in ascending order."""
        hashes = np.frombuffer(self._hashes, dtype=np.int64)
        order = np.argsort(hashes, kind="stable")
        ordered = hashes[order]
        equal = ordered[1:] == ordered[:-1]
        asked = np.zeros(len(hashes), dtype=np.bool_)
        asked[order[1:][equal]] = asked[order[:-1][equal]] = True
        seen: set[str] = set()
        found = []
        for place in np.flatnonzero(asked).tolist():
            if self[place] in seen:
                found.append(place)
            seen.add(self[place])
        return found

    def settle(self) -> None:
        """Let go of what is needed no more, once all ids are there and `repeated` was asked."""
        self._hashes = array("q")

    def _all_ends(self) -> NDArray[np.int64]:
        if self._ends is None:
            self._ends = np.cumsum(np.frombuffer(self._lengths, dtype=np.uint32), dtype=np.int64)
        return self._ends
