import errno
import os
import stat
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from functools import partial
from pathlib import Path
from threading import Barrier, Thread

import pytest

from pprl.errors import KeyFileError, UsageError
from pprl.files import atomic
from pprl.files.atomic import new_directory, new_file, read_file, read_secret_file, write_new


class _StopError(Exception):
    pass


@contextmanager
def _umask(mask: int) -> Iterator[None]:
    before = os.umask(mask)
    try:
        yield
    finally:
        os.umask(before)


def _mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def _raising(fault: BaseException | type[BaseException]) -> Callable[[], None]:
    def raise_it() -> None:
        raise fault

    return raise_it


def _write(path: Path, then: Callable[[], object], *, force: bool = False) -> None:
    with new_file(path, force=force) as file:
        file.write(b"new" * 100_000)
        then()


def _fill(made: Path) -> None:
    (made / "a.txt").write_text("a")
    (made / "keys").mkdir()
    (made / "keys" / "b.txt").write_text("b")
    write_new(made / "keys" / "secret", b"s", mode=0o600)


def _make(path: Path, then: Callable[[], object], *, force: bool = False) -> None:
    with new_directory(path, force=force) as made:
        _fill(made)
        then()


def _no_links(*_: object, **__: object) -> None:
    raise OSError(errno.EPERM, "Operation not permitted")


@pytest.fixture(params=["links", "no links"])
def disk(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """A disk with hard links, and one without, as network shares often are."""
    if request.param == "no links":
        monkeypatch.setattr("pprl.files.atomic.os.link", _no_links)
    return str(request.param)


@pytest.mark.parametrize("mode", [0o600, 0o644, 0o640])
def test_a_file_appears_whole_with_its_mode(mode: int, disk: str, tmp_path: Path) -> None:
    path = tmp_path / "out.bin"
    with _umask(0o077), new_file(path, mode=mode) as file:
        file.write(b"one")
        file.flush()
        assert not path.exists()
        (unfinished,) = tmp_path.iterdir()
        assert _mode(unfinished) == 0o600
        file.write(b"two")
    assert path.read_bytes() == b"onetwo"
    assert _mode(path) == mode
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("fault", [_StopError, KeyboardInterrupt, SystemExit, GeneratorExit, OSError])
@pytest.mark.parametrize("force", [False, True])
def test_nothing_is_left_after_a_failure(fault: type[BaseException], force: bool, tmp_path: Path) -> None:
    with pytest.raises(fault):
        _write(tmp_path / "out", _raising(fault), force=force)
    assert list(tmp_path.iterdir()) == []


def test_a_failure_leaves_the_old_file(tmp_path: Path) -> None:
    path = tmp_path / "out"
    path.write_bytes(b"old")
    with pytest.raises(_StopError):
        _write(path, _raising(_StopError), force=True)
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("step", ["os.fsync", "os.fchmod", "os.link"])
def test_nothing_is_left_when_a_step_of_ours_fails(
    step: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise OSError(errno.EDQUOT, "Disk quota exceeded")

    monkeypatch.setattr(f"pprl.files.atomic.{step}", fail)
    with pytest.raises(UsageError, match="no room"):
        write_new(tmp_path / "out", b"x")
    assert list(tmp_path.iterdir()) == []


def test_a_full_disk_is_told_in_words(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no room"):
        _write(tmp_path / "out", _raising(OSError(errno.ENOSPC, "No space left on device")))


def test_an_existing_file_is_refused_before_the_work(tmp_path: Path) -> None:
    path = tmp_path / "out"
    path.write_bytes(b"old")
    worked = False
    with pytest.raises(UsageError, match="exists already") as caught, new_file(path):
        worked = True
    assert not worked
    assert "--force" in caught.value.hint
    assert path.read_bytes() == b"old"


def test_a_dangling_link_counts_as_existing(tmp_path: Path) -> None:
    (tmp_path / "out").symlink_to(tmp_path / "nowhere")
    with pytest.raises(UsageError):
        write_new(tmp_path / "out", b"x")
    assert not (tmp_path / "nowhere").exists()


def test_force_replaces_a_link_and_not_what_it_points_to(tmp_path: Path) -> None:
    (tmp_path / "kept").write_bytes(b"kept")
    (tmp_path / "out").symlink_to(tmp_path / "kept")
    write_new(tmp_path / "out", b"new", force=True)
    assert (tmp_path / "kept").read_bytes() == b"kept"
    assert not (tmp_path / "out").is_symlink()


def test_a_file_that_appears_during_the_work_is_kept(disk: str, tmp_path: Path) -> None:
    path = tmp_path / "out"
    with pytest.raises(UsageError, match="exists already"):
        _write(path, lambda: path.write_bytes(b"early"))
    assert path.read_bytes() == b"early"
    assert list(tmp_path.iterdir()) == [path]


def test_force_replaces(disk: str, tmp_path: Path) -> None:
    path = tmp_path / "out"
    path.write_bytes(b"old")
    write_new(path, b"new", force=True, mode=0o600)
    assert path.read_bytes() == b"new"
    assert _mode(path) == 0o600
    assert list(tmp_path.iterdir()) == [path]


def test_of_many_writers_one_wins(disk: str, tmp_path: Path) -> None:
    writers, path, refused = 8, tmp_path / "out", []
    barrier = Barrier(writers)

    def write(content: bytes) -> None:
        try:
            with new_file(path) as file:
                barrier.wait()
                file.write(content)
        except UsageError as error:
            refused.append(error)

    threads = [Thread(target=write, args=(bytes([n]) * 1_000,)) for n in range(writers)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(refused) == writers - 1
    assert len(set(path.read_bytes())) == 1
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("force", [False, True])
def test_targets_that_are_no_files_are_refused(force: bool, tmp_path: Path) -> None:
    for path in (tmp_path, Path("/dev/null")):
        with pytest.raises(UsageError, match="not a regular file"), new_file(path, force=force):
            pass
    with pytest.raises(UsageError, match="no directory"), new_file(tmp_path / "none" / "out", force=force):
        pass


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_closed_directory_is_told_in_words(tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    with pytest.raises(UsageError, match="permission denied"):
        write_new(tmp_path / "out", b"")
    tmp_path.chmod(0o700)


def test_a_name_that_is_too_long_is_told_in_words(tmp_path: Path) -> None:
    with pytest.raises(UsageError):
        write_new(tmp_path / ("x" * 300), b"")
    assert list(tmp_path.iterdir()) == []


def test_an_interrupt_from_the_keyboard_leaves_nothing(tmp_path: Path) -> None:
    script = (
        "import os, signal, sys, time\nfrom pathlib import Path\nfrom pprl.files.atomic import new_file\n"
        "with new_file(Path(sys.argv[1]) / 'out') as file:\n"
        "    file.write(b'x')\n    os.kill(os.getpid(), signal.SIGINT)\n    time.sleep(5)\n"
    )
    ended = subprocess.run([sys.executable, "-c", script, str(tmp_path)], capture_output=True, check=False)
    assert b"KeyboardInterrupt" in ended.stderr
    assert list(tmp_path.iterdir()) == []


def _files(directory: Path) -> dict[str, str]:
    return {
        str(file.relative_to(directory)): file.read_text() for file in directory.rglob("*") if file.is_file()
    }


FILLED = {"a.txt": "a", "keys/b.txt": "b", "keys/secret": "s"}


@pytest.mark.parametrize("prepare", [lambda path: None, lambda path: path.mkdir()], ids=["new", "empty"])
@pytest.mark.parametrize("force", [False, True])
def test_files_of_a_directory_appear_together(
    prepare: Callable[[Path], None], force: bool, disk: str, tmp_path: Path
) -> None:
    path = tmp_path / "out"
    prepare(path)
    with new_directory(path, force=force) as made:
        assert _mode(made) == 0o700
        _fill(made)
        assert not path.exists() or not list(path.glob("[!.]*"))
    assert _files(path) == FILLED
    assert _mode(path) == 0o755
    assert _mode(path / "keys" / "secret") == 0o600
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("fault", [_StopError, KeyboardInterrupt])
@pytest.mark.parametrize("exists", [False, True])
def test_no_file_of_a_directory_is_left_after_a_failure(
    fault: type[BaseException], exists: bool, tmp_path: Path
) -> None:
    path = tmp_path / "out"
    if exists:
        path.mkdir()
    with pytest.raises(fault):
        _make(path, _raising(fault))
    assert list(tmp_path.rglob("*")) == ([path] if exists else [])


def test_a_directory_with_files_needs_force_and_keeps_the_others(tmp_path: Path) -> None:
    path = tmp_path / "out"
    (path / "keys").mkdir(parents=True)
    (path / "keys" / "b.txt").write_text("old")
    (path / "keys" / "mine").write_text("mine")
    with pytest.raises(UsageError, match="not empty") as caught, new_directory(path):
        pytest.fail("the work was begun")
    assert "--force" in caught.value.hint
    with new_directory(path, force=True) as made:
        _fill(made)
    assert _files(path) == FILLED | {"keys/mine": "mine"}


def _theirs(path: Path) -> None:
    (path / "keys").mkdir(parents=True)
    (path / "keys" / "b.txt").write_text("theirs")


def test_files_that_appear_during_the_work_are_kept_and_ours_taken_away(disk: str, tmp_path: Path) -> None:
    for exists in (False, True):
        path = tmp_path / f"out-{exists}"
        if exists:
            path.mkdir()
        with pytest.raises(UsageError):
            _make(path, partial(_theirs, path))
        assert _files(path) == {"keys/b.txt": "theirs"}


def test_a_move_that_fails_halfway_is_undone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail_on_b(source: Path, path: Path, *, force: bool) -> None:
        if path.name == "b.txt":
            raise OSError(errno.EIO, "Input/output error")
        os.link(source, path)

    monkeypatch.setattr(atomic, "_give_name", fail_on_b)
    path = tmp_path / "out"
    path.mkdir()
    with pytest.raises(UsageError, match="input/output error"):
        _make(path, lambda: None)
    assert list(tmp_path.rglob("*")) == [path]


def test_a_file_never_takes_the_place_of_a_directory_nor_the_other_way(tmp_path: Path) -> None:
    for name in ("keys/b.txt/inside", "keys"):
        path = tmp_path / name.replace("/", "-")
        (path / name).parent.mkdir(parents=True)
        (path / name).write_text("theirs")
        (path / "a.txt").write_text("old")
        with pytest.raises(UsageError, match="exists already"):
            _make(path, lambda: None, force=True)
        assert _files(path) == {name: "theirs", "a.txt": "old"}


def test_a_claimed_name_is_given_up_when_the_file_cannot_take_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise OSError(errno.EIO, "Input/output error")

    monkeypatch.setattr("pprl.files.atomic.os.link", _no_links)
    monkeypatch.setattr(Path, "replace", fail)
    with pytest.raises(UsageError, match="input/output error"):
        write_new(tmp_path / "out", b"x")
    assert list(tmp_path.iterdir()) == []


def test_directories_that_cannot_be_made_are_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    for path in (tmp_path / "file", tmp_path / "none" / "out", tmp_path / "file" / "out"):
        with pytest.raises(UsageError), new_directory(path, force=True):
            pytest.fail("the work was begun")


def _secret(tmp_path: Path, mode: int, content: bytes = b"secret") -> Path:
    path = tmp_path / "key"
    path.write_bytes(content)
    path.chmod(mode)
    return path


@pytest.mark.parametrize("mode", [0o600, 0o400])
def test_a_secret_that_is_closed_to_others_is_read(mode: int, tmp_path: Path) -> None:
    path = _secret(tmp_path, mode)
    assert read_secret_file(path) == b"secret"
    (tmp_path / "link").symlink_to(path)
    assert read_secret_file(tmp_path / "link") == b"secret"


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o620, 0o602, 0o610, 0o644])
def test_a_secret_that_is_open_to_others_is_refused(mode: int, tmp_path: Path) -> None:
    path = _secret(tmp_path, mode)
    (tmp_path / "link").symlink_to(path)
    for each in (path, tmp_path / "link"):
        with pytest.raises(KeyFileError, match="open to other users") as caught:
            read_secret_file(each)
        assert "chmod 600" in caught.value.hint


@pytest.mark.parametrize(("owner", "taken"), [(os.geteuid(), True), (0, True), (os.geteuid() + 1, False)])
def test_a_secret_of_another_user_is_refused(
    owner: int, taken: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = _secret(tmp_path, 0o600)
    status = list(path.stat())
    status[stat.ST_UID] = owner
    monkeypatch.setattr(os, "fstat", lambda _descriptor: os.stat_result(status))
    with nullcontext() if taken else pytest.raises(KeyFileError, match="belongs to another user"):
        read_secret_file(path)


def test_a_home_map_is_as_large_as_it_is_and_named_as_what_it_is(tmp_path: Path) -> None:
    large = b"x" * (atomic.MOST_SECRET_BYTES + 1)
    path = _secret(tmp_path, 0o600, large).rename(tmp_path / "map")
    with pytest.raises(KeyFileError, match="no key file"):
        read_secret_file(path)
    assert read_secret_file(path, what="home map", limit=None) == large
    path.chmod(0o640)
    for bad in (path, tmp_path / "missing", tmp_path):
        with pytest.raises(KeyFileError) as caught:
            read_secret_file(bad, what="home map", limit=None)
        assert "key" not in f"{caught.value.message} {caught.value.hint}"


def test_what_is_no_secret_file_is_refused(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe", 0o600)
    for path, why in [
        (tmp_path / "none", "no such file"),
        (tmp_path, "not a regular"),
        (tmp_path / "pipe", "not a regular"),
    ]:
        with pytest.raises(KeyFileError, match=why):
            read_secret_file(path)
    for content in (b"", b"x" * (atomic.MOST_SECRET_BYTES + 1)):
        with pytest.raises(KeyFileError, match="no key file"):
            read_secret_file(_secret(tmp_path, 0o600, content))


def test_small_files_are_read_up_to_their_limit(tmp_path: Path) -> None:
    path = _secret(tmp_path, 0o644)
    assert read_file(path, what="The agreement") == b"secret"
    assert read_file(path, what="The agreement", limit=6) == b"secret"
    with pytest.raises(UsageError, match=r"The agreement .* more than 5 bytes"):
        read_file(path, what="The agreement", limit=5)
    with pytest.raises(UsageError, match=r"The agreement .* no such file"):
        read_file(tmp_path / "none", what="The agreement")
    with pytest.raises(UsageError, match="is a directory"):
        read_file(tmp_path, what="The agreement")
