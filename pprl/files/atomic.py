"""Writing files whole or not at all, and reading small ones with plain words where that fails.

What is being written stays under a name that starts with `.pprl-`, beside its target and closed to other users,
until it is complete and on the disk; then it gets its name in one step. A failure of any kind takes the
unfinished file away. Only a killed process or a power cut leaves one behind, never under the target's name.
"""

from __future__ import annotations

import errno
import os
import shutil
import stat
import tempfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from datetime import datetime
from pathlib import Path
from typing import BinaryIO

from pprl.errors import KeyFileError, UsageError

MOST_SECRET_BYTES = 1_000_000

_UNFINISHED = ".pprl-"
_NO_ROOM = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})
_NO_HARD_LINKS = frozenset({errno.EPERM, errno.EOPNOTSUPP, errno.ENOSYS, errno.EMLINK})


@contextmanager
def new_file(path: Path, *, force: bool = False, mode: int = 0o644) -> Iterator[BinaryIO]:
    """Write a file that appears whole when the block ends well, and not at all when it fails.

    Args:
        path: where it will be.
        force: True lets it take the place of an existing file.
        mode: its permissions in the end, whatever the umask; until then it is closed to other users.

    Raises:
        UsageError: the file exists and `force` is not set, which is looked at before the block and again after
            it; its directory is missing or can't be written to; there is no room.
    """
    with new_files((path, mode), force=force) as (file,):
        yield file


@contextmanager
def new_files(*targets: tuple[Path, int], force: bool = False) -> Iterator[list[BinaryIO]]:
    """Write files that belong together, as `new_file` does: all appear, in the order given, or none does.

    If one can't be given its name, those before it are taken away again, and what they replaced comes back.
    What must stay at home goes first: a killed process may leave it alone in place, but never the file that is
    no use without it.

    Args:
        targets: path and mode of each.
        force: True lets them take the places of existing files.

    Raises:
        UsageError: as `new_file`, or two of them are one.
    """
    _check_apart([path for path, _ in targets])
    with ExitStack() as unfinished:
        made = [unfinished.enter_context(_unfinished_file(path, force=force)) for path, _ in targets]
        with _plain_words(targets[-1][0], only_room=True):
            yield [each.file for each in made]
            for each, (_, mode) in zip(made, targets, strict=True):
                each.finish(mode)
        with ExitStack() as undo:
            for each in made:
                undo.callback(each.take_away)
                with _plain_words(each.path):
                    each.give_name(force=force)
            undo.pop_all()
        for path, _ in targets:
            _sync_directory(path.parent)


@contextmanager
def made_folder(folder: Path) -> Iterator[None]:
    """Make a folder where there is none; if the block fails, take it away again.

    Raises:
        UsageError: it can't be made there.
    """
    missing = [each for each in (folder, *folder.parents) if not os.path.lexists(each)]
    with _plain_words(folder):
        folder.mkdir(parents=True, exist_ok=True)
    try:
        yield
    except BaseException:
        for each in missing:
            with suppress(OSError):
                each.rmdir()
        raise


def require_apart(outputs: Iterable[Path], inputs: Iterable[Path]) -> None:
    """Refuse to write over what the same command reads, whatever `--force` says.

    Args:
        outputs: every file that a command will write.
        inputs: every file that it reads: tables, sealed files, keys, secrets, maps and agreements.

    Raises:
        UsageError: one of each is the same file, by whatever name.
    """
    read = [path for path in inputs if path.exists()]
    for path in outputs:
        if path.exists() and any(path.samefile(each) for each in read):
            raise UsageError(
                f"{path} exists already, and this command reads it: it is never replaced.",
                hint="Choose another name for what is written.",
            )


def write_new(path: Path, data: bytes, *, force: bool = False, mode: int = 0o644) -> None:
    """Write bytes as `new_file` does, and raise what it raises."""
    with new_file(path, force=force, mode=mode) as file:
        file.write(data)


def write_named_by_content(folder: Path, make: Callable[[BinaryIO], str], *, mode: int = 0o644) -> str:
    """Write a file whose name is known when it is written: what `make` gives, such as the digest of what it wrote.

    Args:
        folder: where it will be.
        make: writes the content, and gives the name. A file of that name has the same content, and stays.
        mode: its permissions.

    Returns:
        The name.

    Raises:
        UsageError: as `new_file`.
    """
    unfinished = folder / f"{_UNFINISHED}{os.urandom(8).hex()}"
    try:
        with _plain_words(unfinished):
            opened = open(unfinished, "wb", opener=_new_and_closed)  # noqa: SIM115 - a path has no opener
        with opened as file, _plain_words(unfinished, only_room=True):
            name = make(file)
            file.flush()
            os.fchmod(file.fileno(), mode)
            os.fsync(file.fileno())
        with _plain_words(folder / name):
            if not (folder / name).exists():
                unfinished.rename(folder / name)
        _sync_directory(folder)
    finally:
        with suppress(OSError):
            unfinished.unlink()
    return name


def _new_and_closed(path: str, _flags: int) -> int:
    """A new file, closed to other users. It knows its path, beside which `crypto.container.seal` has its ciphertext."""
    return os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)


@contextmanager
def new_directory(path: Path, *, force: bool = False, mode: int = 0o755) -> Iterator[Path]:
    """Write several files that appear together when the block ends well, and not at all when it fails.

    Into a directory that exists already, files are moved one by one at the end, so that nothing is ever
    deleted which the block didn't write.

    Args:
        path: where the directory will be; it may exist if it is empty.
        force: True lets files take the place of those with their names; others stay as they are.
        mode: permissions of the new directory; until then it is closed to other users.

    Yields:
        The directory to write to; paths in it change when the block ends.

    Raises:
        UsageError: as `new_file`, or the directory is not empty and `force` is not set.
    """
    with _plain_words(path):
        exists = _check_directory_target(path, force=force)
        unfinished = Path(tempfile.mkdtemp(dir=path if exists else path.parent, prefix=_UNFINISHED))
    try:
        with _plain_words(path, only_room=True):
            yield unfinished
        with _plain_words(path):
            _sync_tree(unfinished)
            if exists:
                _move_in(unfinished, path, force=force)
            else:
                unfinished.chmod(mode)
                unfinished.rename(path)
        _sync_directory(path.parent)
    finally:
        shutil.rmtree(unfinished, ignore_errors=True)


def at_one_moment(folder: Path, moment: datetime) -> None:
    """Give a folder and the files in it one time, in whole seconds, so that none tells how long another took.

    Args:
        folder: a folder without folders in it.
        moment: the time; its zone is given.
    """
    seconds = int(moment.timestamp())
    for path in [*folder.iterdir(), folder]:
        os.utime(path, (seconds, seconds))


def unfinished_in(folder: Path) -> list[Path]:
    """What killed processes have left in a folder of files that they were writing; nothing if there is no folder."""
    return sorted(folder.glob(f"{_UNFINISHED}*"))


def delete_files(paths: Iterable[Path]) -> None:
    """Delete files so that they stay deleted after a power cut. Those that are gone already are passed over.

    Raises:
        UsageError: the system doesn't let one be deleted; those before it are gone.
    """
    given = list(paths)
    for path in given:
        try:
            path.unlink(missing_ok=True)
        except OSError as error:
            raise UsageError(
                f"{path} can't be deleted: {_reason(error)}.", hint="Check its folder's permissions."
            ) from None
    for folder in sorted({path.parent for path in given}):
        _sync_directory(folder)


@contextmanager
def opened(path: Path, *, what: str) -> Iterator[BinaryIO]:
    """Open a file that the user named, to look at parts of it before all of it is read.

    Args:
        path: the file.
        what: what it should be, as refusals name it.

    Raises:
        UsageError: it is missing, a directory or closed to the user, or what is done with it fails.
    """
    try:
        with path.open("rb") as file:
            yield file
    except OSError as error:
        raise UsageError(
            f"The {what} {path} can't be read: {_reason(error)}.", hint="Check the path."
        ) from None


def read_file(path: Path, *, what: str, limit: int | None = None) -> bytes:
    """Read a small file that the user named.

    Args:
        path: the file.
        what: what it should be, as refusals name it: "agreement".
        limit: most bytes that it may have.

    Raises:
        UsageError: it is missing, a directory, closed to the user, or larger than `limit`.
    """
    try:
        with path.open("rb") as file:
            data = file.read() if limit is None else file.read(limit + 1)
    except OSError as error:
        raise UsageError(
            f"The {what} {path} can't be read: {_reason(error)}.", hint="Check the path."
        ) from None
    if limit is not None and len(data) > limit:
        raise UsageError(
            f"The {what} {path} has more than {limit:,} bytes.", hint="Check that it is the right file."
        )
    return data


def read_secret_file(path: Path, *, what: str = "key file", limit: int | None = MOST_SECRET_BYTES) -> bytes:
    """Read a key, a secret or a home map, if nobody but its owner could have.

    A symbolic link is followed, since secret stores and mounts hand keys out that way; what counts is who may
    read the file at its end, asked of the opened file, which can't be swapped in between.

    Args:
        path: the file.
        what: what it should be, as refusals name it.
        limit: most bytes that it may have; None for no limit.

    Raises:
        KeyFileError: it is missing, not a regular file, empty, far too large, another user's, or open to others.
    """
    try:
        # A pipe would make a plain open wait for ever.
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    except OSError as error:
        raise KeyFileError(
            f"The {what} {path} can't be read: {_reason(error)}.", hint="Check the path."
        ) from None
    try:
        _check_secret(path, os.fstat(descriptor), what, limit)
        with os.fdopen(descriptor, "rb", closefd=False) as file:
            return file.read()
    finally:
        os.close(descriptor)


def _check_secret(path: Path, status: os.stat_result, what: str, limit: int | None) -> None:
    if not stat.S_ISREG(status.st_mode):
        raise KeyFileError(f"{path} is not a regular file.", hint=f"Name the {what} itself.")
    if status.st_uid not in (os.geteuid(), 0):
        raise KeyFileError(
            f"The {what} {path} belongs to another user of this machine, who can read and change it.",
            hint="Run this as its owner, or keep a copy of your own, with mode 600.",
        )
    if status.st_mode & 0o077:
        raise KeyFileError(
            f"The {what} {path} is open to other users of this machine.",
            hint=f"If it is the right file, run 'chmod 600 {path}'; if anyone else may have read it, treat it as "
            "disclosed.",
        )
    if status.st_size == 0 or (limit is not None and status.st_size > limit):
        raise KeyFileError(f"{path} has {status.st_size:,} bytes: it is no {what}.", hint="Check the path.")


class _Unfinished:
    """A file that is being written under a name of its own, and may have to give up its place again."""

    def __init__(self, path: Path, name: Path, file: BinaryIO) -> None:
        self.path = path
        self.file = file
        self.name = name
        self._replaced = name.with_name(f"{name.name}-replaced")
        self._inode = _inode(name)

    def finish(self, mode: int) -> None:
        """Have all of it on the disk."""
        self.file.flush()
        os.fchmod(self.file.fileno(), mode)
        os.fsync(self.file.fileno())

    def give_name(self, *, force: bool) -> None:
        """Put it in its place, and keep what was there until all is done."""
        if force and os.path.lexists(self.path):
            _keep_aside(self.path, self._replaced)
        _give_name(self.name, self.path, force=force)

    def take_away(self) -> None:
        """Leave the place as it was; another's file, put there meanwhile, stays."""
        if os.path.lexists(self._replaced):
            self._replaced.replace(self.path)
            self._replaced.unlink(missing_ok=True)  # still there if both names were one file's
        elif _inode(self.path) == self._inode:
            self.path.unlink()

    def remove(self) -> None:
        """Remove its own name, which a hard link leaves even after success, and what it replaced for good."""
        in_place = _inode(self.path) == self._inode
        for path in (self.name, *([self._replaced] if in_place else [])):
            with suppress(OSError):
                path.unlink()


@contextmanager
def _unfinished_file(path: Path, *, force: bool) -> Iterator[_Unfinished]:
    # Named before it is made, so that an interrupt at any moment finds it to remove.
    name = path.parent / f"{_UNFINISHED}{os.urandom(8).hex()}"
    try:
        with _plain_words(path):
            _check_file_target(path, force=force)
            opened = open(name, "wb", opener=_new_and_closed)  # noqa: SIM115 - a path has no opener
        with opened as file:
            made = _Unfinished(path, name, file)
            try:
                yield made
            finally:
                made.remove()
    finally:
        with suppress(OSError):
            name.unlink()


def _inode(path: Path) -> tuple[int, int] | None:
    """What tells a file from all others, links not followed; None if there is none."""
    try:
        status = path.lstat()
    except OSError:
        return None
    return status.st_dev, status.st_ino


def _keep_aside(path: Path, aside: Path) -> None:
    try:
        os.link(path, aside, follow_symlinks=False)
    except OSError as error:
        if error.errno not in _NO_HARD_LINKS:
            raise
        path.rename(aside)


def _check_apart(paths: Sequence[Path]) -> None:
    if len({path.resolve() for path in paths}) < len(paths):
        raise UsageError("Two of the files to be written are one.", hint="Give them different names.")


def _check_parent(path: Path) -> None:
    if not path.parent.is_dir():
        raise UsageError(f"There is no directory {path.parent}.", hint="Make it first, or choose another.")


def _check_file_target(path: Path, *, force: bool) -> None:
    _check_parent(path)
    if path.exists() and not path.is_file():
        raise UsageError(f"{path} exists and is not a regular file.", hint="Choose another name.")
    if not force and os.path.lexists(path):
        raise _exists(path)


def _check_directory_target(path: Path, *, force: bool) -> bool:
    """Tell whether the directory exists already."""
    if not os.path.lexists(path):
        _check_parent(path)
        return False
    if not path.is_dir():
        raise UsageError(f"{path} exists and is not a directory.", hint="Choose another name.")
    if not force and any(path.iterdir()):
        raise UsageError(
            f"The directory {path} is not empty.",
            hint="Choose another, or add --force to replace the files in it that have the same names.",
        )
    return True


def _exists(path: Path) -> UsageError:
    return UsageError(f"{path} exists already.", hint="Choose another name, or add --force to replace it.")


def _give_name(unfinished: Path, path: Path, *, force: bool) -> None:
    """Put a finished file in its place, never in another's unless `force`."""
    if force:
        unfinished.replace(path)
        return
    try:
        os.link(unfinished, path)
    except FileExistsError:
        raise _exists(path) from None
    except OSError as error:
        if error.errno not in _NO_HARD_LINKS:
            raise
        _give_name_without_links(unfinished, path)


def _give_name_without_links(unfinished: Path, path: Path) -> None:
    """On disks that know no hard links: claim the name with an empty file, then replace that."""
    try:
        path.touch(mode=0o600, exist_ok=False)
    except FileExistsError:
        raise _exists(path) from None
    try:
        unfinished.replace(path)
    except BaseException:
        path.unlink()
        raise


def _move_in(unfinished: Path, path: Path, *, force: bool) -> None:
    """Move all files of one directory into another; if that fails, take the new ones away again."""
    moves = [(source, path / source.relative_to(unfinished)) for source in sorted(unfinished.rglob("*"))]
    for source, target in moves:
        both = source.is_dir() and target.is_dir()
        replaces = force and source.is_file() and target.is_file()
        if os.path.lexists(target) and not both and not replaces:
            raise _exists(target)
    placed: list[Path] = []
    try:
        for source, target in moves:
            new = not os.path.lexists(target)
            _move(source, target, force=force)
            placed += [target] if new else []
    except BaseException:
        _take_away(placed)
        raise


def _move(source: Path, target: Path, *, force: bool) -> None:
    if source.is_dir():
        target.mkdir(exist_ok=True)
    else:
        _give_name(source, target, force=force)


def _take_away(placed: list[Path]) -> None:
    for target in reversed(placed):
        with suppress(OSError):
            target.rmdir() if target.is_dir() else target.unlink()


def _sync_tree(directory: Path) -> None:
    for file in directory.rglob("*"):
        if file.is_file():
            with file.open("rb") as opened:
                os.fsync(opened.fileno())
        else:
            _sync_directory(file)
    _sync_directory(directory)


def _sync_directory(directory: Path) -> None:
    """Make names durable. Some network disks can't; what they hold is whole all the same."""
    with suppress(OSError):
        descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


@contextmanager
def _plain_words(path: Path, *, only_room: bool = False) -> Iterator[None]:
    """Turn the operating system's errors into words; only those for want of room, around others' code."""
    try:
        yield
    except OSError as error:
        if error.errno in _NO_ROOM:
            raise UsageError(
                f"There is no room to write {path}.", hint="Free some, or choose another disk."
            ) from None
        if only_room:
            raise
        raise UsageError(
            f"{path} can't be written: {_reason(error)}.", hint="Check the path and its permissions."
        ) from None


def _reason(error: OSError) -> str:
    return (error.strerror or "unknown fault").lower()
