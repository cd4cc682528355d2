"""Files that belong together: in order, all or none, and never over what the command reads."""

from __future__ import annotations

import errno
import os
import stat
from pathlib import Path
from typing import Any

import pytest

from pprl.errors import UsageError
from pprl.files import atomic
from pprl.files.atomic import delete_files, made_folder, new_files, require_apart
from tests.support.project import tree


def _write(*paths: Path, force: bool = False) -> None:
    with new_files(*((path, 0o600) for path in paths), force=force) as files:
        for number, file in enumerate(files):
            file.write(f"new {number}".encode())


@pytest.fixture
def without_links(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_arguments: Any, **_named: Any) -> None:
        raise OSError(errno.EPERM, "no links here")

    monkeypatch.setattr(os, "link", refuse)


def test_all_appear_in_the_order_given(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    placed: list[str] = []
    give = atomic._give_name

    def watched(name: Path, path: Path, *, force: bool) -> None:
        placed.append(path.name)
        give(name, path, force=force)

    monkeypatch.setattr(atomic, "_give_name", watched)
    with new_files((tmp_path / "map", 0o600), (tmp_path / "sub", 0o644)) as (first, second):
        first.write(b"1")
        second.write(b"2")
        assert not placed
    assert placed == ["map", "sub"]
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == {"map": b"1", "sub": b"2"}
    assert stat.S_IMODE((tmp_path / "map").stat().st_mode) == 0o600
    assert stat.S_IMODE((tmp_path / "sub").stat().st_mode) == 0o644


def _fail_at(monkeypatch: pytest.MonkeyPatch, name: str, error: BaseException) -> None:
    give = atomic._give_name

    def failing(unfinished: Path, path: Path, *, force: bool) -> None:
        if path.name == name:
            raise error
        give(unfinished, path, force=force)

    monkeypatch.setattr(atomic, "_give_name", failing)


@pytest.mark.parametrize(
    "error", [PermissionError(13, "no"), KeyboardInterrupt()], ids=["refused", "interrupt"]
)
@pytest.mark.parametrize("name", ["a", "b", "c"])
@pytest.mark.parametrize("links", [True, False], ids=["links", "no links"])
@pytest.mark.parametrize("old", [(), ("a",), ("a", "b", "c")], ids=len)
def test_all_is_as_before_if_one_cannot_be_placed(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    request: pytest.FixtureRequest,
    old: tuple[str, ...],
    links: bool,
    name: str,
    error: BaseException,
) -> None:
    if not links:
        request.getfixturevalue("without_links")
    for each in old:
        (tmp_path / each).write_text(f"old {each}")
    before = tree(tmp_path)
    _fail_at(monkeypatch, name, error)
    with pytest.raises((UsageError, KeyboardInterrupt)):
        _write(*(tmp_path / each for each in "abc"), force=True)
    assert tree(tmp_path) == before


@pytest.mark.usefixtures("without_links")
def test_force_replaces_all_without_links_too(tmp_path: Path) -> None:
    for each in "ab":
        (tmp_path / each).write_text("old")
    _write(tmp_path / "a", tmp_path / "b", force=True)
    assert {path.name: path.read_text() for path in tmp_path.iterdir()} == {"a": "new 0", "b": "new 1"}


def test_anothers_file_that_appears_meanwhile_stays(tmp_path: Path) -> None:
    def write() -> None:
        with new_files((tmp_path / "map", 0o600), (tmp_path / "sub", 0o644)):
            (tmp_path / "sub").write_text("another's")

    with pytest.raises(UsageError, match="exists already"):
        write()
    assert {path.name: path.read_text() for path in tmp_path.iterdir()} == {"sub": "another's"}


def test_one_file_is_not_two(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(tmp_path / "a")
    for other in (tmp_path / "a", tmp_path / ".." / tmp_path.name / "a", tmp_path / "link"):
        with pytest.raises(UsageError, match="Two of the files"):
            _write(tmp_path / "a", other, force=True)


def test_a_made_folder_goes_if_the_block_fails(tmp_path: Path) -> None:
    def fail(folder: Path) -> None:
        with made_folder(folder):
            raise UsageError("no")

    for folder in (tmp_path / "a" / "b", tmp_path):
        with pytest.raises(UsageError):
            fail(folder)
    assert not list(tmp_path.iterdir())
    with made_folder(tmp_path / "a" / "b"):
        pass
    assert (tmp_path / "a" / "b").is_dir()


def test_outputs_are_apart_from_inputs_by_whatever_name(tmp_path: Path) -> None:
    read = tmp_path / "read"
    read.write_text("precious")
    (tmp_path / "symbolic").symlink_to(read)
    (tmp_path / "hard").hardlink_to(read)
    (tmp_path / "other").write_text("precious")
    for name in ("read", "symbolic", "hard"):
        with pytest.raises(UsageError, match="this command reads it"):
            require_apart([tmp_path / "new", tmp_path / name], [tmp_path / "missing", read])
    require_apart([tmp_path / "new", tmp_path / "other", tmp_path / "missing"], [tmp_path / "missing", read])


def test_files_are_deleted_and_those_that_are_gone_passed_over(tmp_path: Path) -> None:
    left, gone, kept = (tmp_path / name for name in ("left", "gone", "kept"))
    left.touch()
    kept.touch()
    delete_files([left, gone])
    delete_files([left, gone])
    assert [path.name for path in tmp_path.iterdir()] == ["kept"]


def test_what_can_not_be_deleted_is_told(tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    with pytest.raises(UsageError, match="can't be deleted"):
        delete_files([tmp_path / "folder"])
