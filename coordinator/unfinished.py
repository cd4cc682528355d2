"""What a long step has finished so far, kept in the store, so that a run that was stopped goes on after it.

Pairs of references and their patterns lie there while the matcher works: what `pairs` tells the key issuer, of a part
of the passes. So they lie there as everything else does in a store: in containers, which the party seals to its own run
key for the agreement. Neither a backup of the store nor anybody who changes a file of it gets further than with what
was received; and when the run key is destroyed, what a run left behind is gone, too.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from coordinator.custody import Coordinator
from pprl import __version__
from pprl.crypto.exchange import Signatory, open_from, seal_for
from pprl.errors import PprlError, UsageError
from pprl.files.atomic import delete_files, new_file, unfinished_in
from pprl.protocol import canonical

KIND = "unfinished"
_FOLDER = "unfinished"


class Unfinished:
    """The pieces of one step over the very same inputs; see `linkage.work.Shelf`."""

    def __init__(self, me: Coordinator, seat: Signatory, inputs: Iterable[str]) -> None:
        """Find what an earlier run of the step has left.

        Args:
            me: the store.
            seat: whose run key seals the pieces, and for which agreement.
            inputs: digests of all containers that the step reads.
        """
        self._seat = seat
        self._folder = folder_of(me, seat.agreement.sha256)
        self._inputs = hashlib.sha256(canonical.dumps([__version__, *sorted(inputs)])).hexdigest()

    def take(self, name: str) -> bytes | None:
        """A piece; None if there is none, or only one that is damaged, of other inputs or of another version.

        1. It is a container that this party sealed to itself, under this agreement, as unfinished work.
        2. It was made from these inputs, by this version, and under this name.
        """
        try:
            sealed = (self._folder / name).read_bytes()
            me = self._seat
            _, content = open_from(sealed, me=me, kind=KIND, sender=me.identity.party)  # 1
        except (FileNotFoundError, PprlError):
            return None
        about = self._about(name)
        return content[len(about) :] if content.startswith(about) else None  # 2

    def put(self, name: str, piece: bytes) -> None:
        """Seal a piece and keep it, whole or not at all.

        Raises:
            UsageError: there is no room.
        """
        sealed = seal_for(self._seat.party, self._about(name) + piece, me=self._seat, kind=KIND, records=0)
        with goes_on():
            self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            with new_file(self._folder / name, force=True, mode=0o600) as file:
                file.write(sealed)

    def drop(self, name: str) -> None:
        """Delete a piece."""
        delete_files([self._folder / name])

    def has(self, name: str) -> bool:
        """Whether there is a piece of that name."""
        return (self._folder / name).exists()

    def _about(self, name: str) -> bytes:
        told = canonical.dumps({"inputs": self._inputs, "name": name})
        return len(told).to_bytes(4, "big") + told


@contextmanager
def goes_on() -> Iterator[None]:
    """Say of what can't be written that a run goes on where it stopped, when there is room.

    Raises:
        UsageError: the same, with that hint.
    """
    try:
        yield
    except UsageError as error:
        raise UsageError(
            error.message, hint=f"{error.hint} The same command then goes on after what is finished."
        ) from None


def folder_of(me: Coordinator, agreement_sha256: str) -> Path:
    """Where the unfinished work under an agreement lies."""
    return me.folder / _FOLDER / agreement_sha256


def left_in(me: Coordinator, agreement_sha256: str) -> Iterator[tuple[str, Path]]:
    """Digest and path of each finished piece under an agreement."""
    folder = folder_of(me, agreement_sha256)
    for path in sorted(folder.iterdir()) if folder.is_dir() else []:
        with path.open("rb") as file:
            yield hashlib.file_digest(file, "sha256").hexdigest(), path


def clear(me: Coordinator, agreement_sha256: str) -> None:
    """Delete all unfinished work under an agreement, when it is finished or to be destroyed."""
    folder = folder_of(me, agreement_sha256)
    delete_files([*(path for _, path in left_in(me, agreement_sha256)), *unfinished_in(folder)])
    for each in (folder, folder.parent):
        with suppress(OSError):  # Other agreements' work may lie there.
            each.rmdir()
