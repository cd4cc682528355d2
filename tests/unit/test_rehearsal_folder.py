"""A rehearsal's folder and its last words."""

from __future__ import annotations

import json
import stat
from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from pprl import rehearsal
from pprl.agreements.amend import with_values
from pprl.errors import DisclosureError, UsageError
from tests.support.people import tables, write_table
from tests.support.project import draft_text
from tests.support.rehearsals import in_this_process

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


def _rehearse(
    folder: Path,
    data: Path,
    text: str | None = None,
    truth: str | None = None,
    today: date = date(2022, 1, 1),
) -> dict[str, Any]:
    files = {name: data / f"{name}.csv" for name in tables()}
    text = text or draft_text("clk")
    return rehearsal.rehearse(text, files, truth=truth, folder=folder, today=today, say=lambda _: None)


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


@pytest.mark.usefixtures("quick")
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


@pytest.fixture
def quick() -> Iterator[list[tuple[str, ...]]]:
    with in_this_process() as said:
        yield said


@pytest.mark.usefixtures("quick")
@pytest.mark.parametrize("there_before", [True, False])
def test_a_refused_release_leaves_the_two_reports_alone(
    tmp_path: Path, data: Path, there_before: bool
) -> None:
    text = with_values(draft_text("clk"), {("linkage", "target_precision"): 0.9999})
    folder = tmp_path / "out"
    if there_before:
        folder.mkdir()
    with pytest.raises(DisclosureError, match="target_precision") as caught:
        _rehearse(folder, data, text, truth="person_id", today=date.today())
    assert caught.value.hint == (
        f"Nothing is released. What was found is in {folder / 'report.html'} and {folder / 'report.json'}."
    )
    assert sorted(path.name for path in folder.iterdir()) == ["report.html", "report.json"]
    report = json.loads((folder / "report.json").read_bytes())
    assert report["refusal"] == caught.value.message
    assert report["records"] == {"police": 56, "court": 50, "prison": 45}
    assert {"linked_pairs", "clusters", "estimated_precision", "seconds", "peak_memory_bytes"} <= set(report)
    assert "f1" not in report, "no key has been opened that a true figure could be of"
    assert "Refused" in (folder / "report.html").read_text("utf-8")


@pytest.mark.usefixtures("quick")
def test_any_other_rule_that_refuses_leaves_nothing(tmp_path: Path, data: Path) -> None:
    text = with_values(draft_text("clk"), {("privacy", "max_popcount_share"): 0.2})
    with pytest.raises(DisclosureError, match="max_popcount_share"):
        _rehearse(tmp_path / "out", data, text, today=date.today())
    assert not (tmp_path / "out").exists()


def test_each_party_has_a_passphrase_of_its_own_that_stands_nowhere(
    tmp_path: Path, data: Path, monkeypatch: pytest.MonkeyPatch, quick: list[tuple[str, ...]]
) -> None:
    said: list[str] = []
    seen: list[rehearsal.Rehearsal] = []

    def stop(run: rehearsal.Rehearsal) -> None:
        seen.append(run)
        said.append(repr(run))
        said.extend(path.read_text("latin-1") for path in run.folder.rglob("*") if path.is_file())
        raise KeyboardInterrupt

    monkeypatch.setattr(rehearsal, "make_secret", stop)
    with pytest.raises(KeyboardInterrupt):
        _rehearse(tmp_path / "out", data)
    said.extend(word for words in quick for word in words)
    passphrases = seen[0].passphrases
    assert len(set(passphrases.values())) == len(passphrases) == 6
    assert not [each for each in passphrases.values() for text in said if each in text]
