"""A matcher that is stopped in the middle goes on after what is finished, and hands on the same pairs."""

from __future__ import annotations

import dataclasses
import errno
import os
import shutil
import signal
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from coordinator import operations, unfinished
from coordinator.custody import Coordinator, seat
from coordinator.linkage import match_field_filters, ranges
from coordinator.store.stages import Role
from coordinator.unfinished import Unfinished, folder_of, left_in
from pprl.crypto.exchange import open_from
from pprl.errors import UsageError
from pprl.protocol import pairs, patterns
from tests.support.keys import asked
from tests.support.project import ISSUER, MATCHER, Project, silent

# Of three datasets a pass has six tables.
FINISHED_BEFORE_IT_IS_KILLED = 8
KILLED = f"""
import os, signal, sys
from pathlib import Path
from coordinator import operations, unfinished
from tests.support.keys import asked

put, done = unfinished.Unfinished.put, []

def put_then_die(self, name, piece):
    put(self, name, piece)
    done.append(name)
    if len(done) == {FINISHED_BEFORE_IT_IS_KILLED}:
        os.kill(os.getpid(), signal.SIGKILL)

unfinished.Unfinished.put = put_then_die
operations.match(operations.open_store(Path(sys.argv[1]), asked), None, progress=lambda what, share: None)
"""


@pytest.fixture(scope="module")
def made(made_field_filter_project: Project, tmp_path_factory: pytest.TempPathFactory) -> Project:
    """A project whose matcher has received everything."""
    project = made_field_filter_project.copy(tmp_path_factory.mktemp("resumed") / "project")
    project.receive_all(Role.MATCHER)
    return project


@pytest.fixture(scope="module")
def expected(made: Project, tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """The document of a run that nobody interrupts."""
    project = copied(made, tmp_path_factory.mktemp("uninterrupted"))
    return document(project, operations.match(store(project), None, progress=silent)[1])


@pytest.fixture
def project(made: Project, tmp_path: Path) -> Project:
    return copied(made, tmp_path)


def copied(made: Project, folder: Path) -> Project:
    return made.copy(folder / "project")


@pytest.fixture
def counted(monkeypatch: pytest.MonkeyPatch) -> None:
    """As where a block may hold several records of a dataset: how many pairs there are is seen from the records."""
    monkeypatch.setattr(match_field_filters._Plan, "is_counted", property(lambda _: True))


def store(project: Project) -> Coordinator:
    me = operations.open_store(project.store(Role.MATCHER), asked)
    return dataclasses.replace(me, key_file=project.key(MATCHER))


def document(project: Project, sealed: bytes) -> bytes:
    return open_from(sealed, me=project.signatory(ISSUER), kind=pairs.KIND)[1]


def pieces(me: Coordinator, project: Project) -> list[Path]:
    return [path for _, path in left_in(me, project.agreement.sha256)]


class StoppedError(Exception):
    """Somebody stops a run."""


def stop_after(me: Coordinator, finished: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Run until so many pieces are finished."""
    put, done = Unfinished.put, []

    def put_then_stop(self: Unfinished, name: str, piece: bytes) -> None:
        put(self, name, piece)
        done.append(name)
        if len(done) == finished:
            raise StoppedError

    with monkeypatch.context() as patched:
        patched.setattr(Unfinished, "put", put_then_stop)
        with pytest.raises(StoppedError):
            operations.match(me, None, progress=silent)


def made_again(me: Coordinator, monkeypatch: pytest.MonkeyPatch) -> tuple[bytes, list[str]]:
    """What a run gives, and the pieces that it had to make."""
    put, done = Unfinished.put, []

    def noted(self: Unfinished, name: str, piece: bytes) -> None:
        done.append(name)
        put(self, name, piece)

    with monkeypatch.context() as patched:
        patched.setattr(Unfinished, "put", noted)
        return operations.match(me, None, progress=silent)[1], done


def test_a_killed_run_goes_on_after_what_is_finished(
    project: Project, expected: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A real process, and a signal that nothing can be done about."""
    me = store(project)
    killed = subprocess.run(
        [sys.executable, "-c", KILLED, str(me.folder)], capture_output=True, timeout=120, check=False,
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])},
    )  # fmt: skip
    assert killed.returncode == -signal.SIGKILL, killed.stderr
    left = pieces(me, project)
    assert len(left) == FINISHED_BEFORE_IT_IS_KILLED
    for path in left:
        assert path.stat().st_mode & 0o777 == 0o600
    sealed, done = made_again(me, monkeypatch)
    assert {f"pass-0-table-{side}" for side in range(6)} <= {path.name for path in left} - set(done)
    assert document(project, sealed) == expected
    assert not (me.folder / "unfinished").exists()


def test_in_ranges_of_tags_too(project: Project, expected: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    me = store(project)
    monkeypatch.setattr(match_field_filters, "ranges_for", lambda *_, **__: 2)
    stop_after(me, 3, monkeypatch)
    assert all("-of-2" in path.name for path in pieces(me, project) if path.name != "plan")
    # As if more memory were free by now: what is finished still counts.
    monkeypatch.setattr(match_field_filters, "ranges_for", lambda *_, **__: 1)
    sealed, done = made_again(me, monkeypatch)
    assert not {path.name for path in pieces(me, project)}
    assert "pass-0-range-0-of-2" not in done
    assert document(project, sealed) == expected


@pytest.mark.usefixtures("counted")
def test_more_ranges_are_taken_when_the_pairs_turn_out_to_be_too_many(
    project: Project, expected: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    """How many pairs a range has is known when its records are there; it then begins again with more ranges."""
    counted: list[int] = []

    def planned(*_: object, pairs: int | None = None) -> int:
        if pairs is None:
            return 2
        counted.append(pairs)
        return 2 if len(counted) < 5 else 4

    me = store(project)
    monkeypatch.setattr(match_field_filters, "ranges_for", planned)
    sealed, done = made_again(me, monkeypatch)
    assert all(counted)
    assert len([name for name in done if name.endswith("-of-2")]) == 4
    assert [name for name in done if name.endswith("-3-of-4")]
    assert document(project, sealed) == expected
    assert not (me.folder / "unfinished").exists()


@pytest.mark.usefixtures("counted")
def test_pairs_that_no_number_of_ranges_fits_are_refused_before_they_are_made(
    project: Project, expected: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    me, made = store(project), []
    with monkeypatch.context() as patched:
        patched.setattr(ranges, "FITTED_BYTES", 10**9)
        patched.setattr(ranges, "most_clean_pairs", lambda _: 0)
        patched.setattr(match_field_filters, "pairs_of", lambda *_: made.append(1))
        with pytest.raises(UsageError, match=r"A pass has about [0-9,]+ pairs") as error:
            operations.match(me, None, progress=silent)
    assert "Give --memory" in error.value.hint
    assert not made
    assert document(project, operations.match(me, None, progress=silent)[1]) == expected


def test_a_piece_that_is_damaged_or_another_is_made_again(
    project: Project, expected: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    me = store(project)
    stop_after(me, 12, monkeypatch)
    damaged, one, other, *_ = pieces(me, project)
    damaged.write_bytes(damaged.read_bytes()[:-1])
    swapped = one.read_bytes(), other.read_bytes()
    one.write_bytes(swapped[1])
    other.write_bytes(swapped[0])
    sealed, done = made_again(me, monkeypatch)
    assert {damaged.name, one.name, other.name} <= set(done)
    assert document(project, sealed) == expected


def test_a_piece_of_other_inputs_or_another_version_is_none(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    me = store(project)
    mine = seat(me, None, Role.MATCHER, needs=())
    Unfinished(me, mine, ["1", "2"]).put("a", b"piece")
    assert Unfinished(me, mine, ["2", "1"]).take("a") == b"piece"
    assert Unfinished(me, mine, ["1", "3"]).take("a") is None
    assert Unfinished(me, mine, ["1", "2"]).take("b") is None
    monkeypatch.setattr(unfinished, "__version__", "another")
    assert Unfinished(me, mine, ["1", "2"]).take("a") is None


def test_what_lies_there_is_sealed(
    project: Project, expected: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    me = store(project)
    found = patterns.parse(expected, project.agreement)
    references = {bytes(row) for table in found.tables for row in table.left[:50]}
    stop_after(me, 20, monkeypatch)
    raw = b"".join(path.read_bytes() for path in me.folder.rglob("*") if path.is_file())
    assert references
    assert not any(reference in raw for reference in references)


@pytest.mark.parametrize("writes", [1, 40])
def test_a_full_disk_is_told_and_the_run_goes_on(
    project: Project, expected: bytes, writes: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    me, left = store(project), [writes]
    sync = os.fsync

    def full(descriptor: int) -> None:
        left[0] -= stat.S_ISREG(os.fstat(descriptor).st_mode)
        if left[0] == 0:
            raise OSError(errno.ENOSPC, "No space left on device")
        sync(descriptor)

    with monkeypatch.context() as patched:
        patched.setattr(os, "fsync", full)
        with pytest.raises(UsageError, match="no room to write") as error:
            operations.match(me, None, progress=silent)
    assert "goes on" in error.value.hint
    assert not list(me.folder.rglob(".pprl-*"))
    assert document(project, operations.match(me, None, progress=silent)[1]) == expected


def test_a_disk_that_is_full_at_the_very_end(
    project: Project, expected: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object, **__: object) -> str:
        raise OSError(errno.ENOSPC, "No space left on device")

    me = store(project)
    with monkeypatch.context() as patched:
        patched.setattr(operations, "seal_into", full)
        with pytest.raises(UsageError, match="no room to write") as error:
            operations.match(me, None, progress=silent)
    assert "goes on" in error.value.hint
    sealed, done = made_again(me, monkeypatch)
    assert not done
    assert document(project, sealed) == expected


def test_unfinished_work_is_destroyed_and_certified(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    me = store(project)
    stop_after(me, 3, monkeypatch)
    digests = {digest for digest, _ in left_in(me, project.agreement.sha256)}
    backup = shutil.copytree(me.folder, project.folder / "backup")
    done = operations.destroy(me, None, unreleased=True)
    assert digests <= set(done.certificate.containers)
    assert not folder_of(me, project.agreement.sha256).exists()
    assert len(list((backup / "unfinished").rglob("pass-*"))) == 2, (
        "a backup may have it, and nobody can open it"
    )
