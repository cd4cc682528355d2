"""A rehearsal's folder and its last words."""

from __future__ import annotations

import stat
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from pprl import rehearsal
from pprl.errors import UsageError
from tests.support.people import tables, write_table
from tests.support.project import draft_text

REPORT: dict[str, Any] = {
    "records": {"a": 3, "b": 2},
    "linked_people": 1,
    "estimated_precision": {"value": 0.9},
    "estimated_recall": {"value": None},
    "seconds": {"total": 1.0},
    "peak_memory_bytes": 1_000_000,
}


def test_the_summary_says_what_departments_can_tell() -> None:
    per_record = rehearsal.summary({**REPORT, "linkage_keys": "per-record"}, Path("out"))
    per_person = rehearsal.summary({**REPORT, "linkage_keys": "per-person"}, Path("out"))
    assert "no department can tell which of its people matched." in per_record
    assert "share a key" not in per_record
    assert "no department can tell which of its people matched." not in per_person
    assert "own records that resemble each other share a key" in per_person


def _rehearse(folder: Path, data: Path) -> dict[str, Any]:
    files = {name: data / f"{name}.csv" for name in tables()}
    return rehearsal.rehearse(
        draft_text("clk"), files, truth=None, folder=folder, today=date(2022, 1, 1), say=lambda _: None
    )


@pytest.fixture
def data(tmp_path: Path) -> Path:
    folder = tmp_path / "data"
    folder.mkdir()
    for name, table in tables().items():
        write_table(folder / f"{name}.csv", table)
    return folder


def test_a_symbolic_link_is_refused(tmp_path: Path, data: Path) -> None:
    (tmp_path / "real").mkdir()
    for target in ("real", "nowhere"):
        link = tmp_path / f"to-{target}"
        link.symlink_to(tmp_path / target)
        with pytest.raises(UsageError, match="symbolic link"):
            _rehearse(link, data)
        assert link.is_symlink()
    assert not list((tmp_path / "real").iterdir())


def _failing(run: rehearsal.Rehearsal) -> None:
    (run.folder / "link").symlink_to("/")
    raise KeyboardInterrupt


def test_a_folder_that_was_there_is_emptied_and_keeps_its_mode(
    tmp_path: Path, data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "out"
    folder.mkdir()
    folder.chmod(0o2710)
    before = folder.stat()
    modes: dict[str, int] = {}

    def seen(run: rehearsal.Rehearsal) -> None:
        modes.update({home.name: stat.S_IMODE(home.stat().st_mode) for home in run.folder.glob("parties/*")})
        _failing(run)

    monkeypatch.setattr(rehearsal, "make_secret", seen)
    with pytest.raises(KeyboardInterrupt):
        _rehearse(folder, data)
    after = folder.stat()
    assert not list(folder.iterdir())
    assert (after.st_ino, after.st_mode) == (before.st_ino, before.st_mode)
    assert len(modes) > 3
    assert {mode & 0o777 for mode in modes.values()} == {0o700}, "each party's folder is closed to others"


def test_folders_that_were_not_there_go_again(
    tmp_path: Path, data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rehearsal, "make_keys", lambda run, *_: _failing(run))
    with pytest.raises(KeyboardInterrupt):
        _rehearse(tmp_path / "new" / "out", data)
    assert list(tmp_path.iterdir()) == [data]
