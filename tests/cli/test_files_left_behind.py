"""Nothing is overwritten without --force, and nothing stays after a failure, a fault or an interrupt."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from coordinator import operations
from coordinator.store.stages import Role
from tests.support.commands import done, refused, run
from tests.support.project import DATASETS, RESEARCH, Project, tree

Words = tuple[str | Path, ...]


def _writers(project: Project, results: Path) -> dict[str, tuple[Words, list[str]]]:
    """Every command that writes: its words, and the files that it makes."""
    folder = project.folder
    police = ("-a", project.agreement_path, "-k", project.key("police-dept"))
    court = ("-a", project.agreement_path, "-k", project.key("court-dept"))
    datasets = [f"--dataset={name}={project.data(name)}" for name in DATASETS]
    return {
        "pprl identity": (("pprl", "identity", "create", "new", "-o", folder), ["new.key", "new.party.toml"]),
        "coordinator identity": (
            ("coordinator", "identity", "create", "new", "-o", folder), ["new.key", "new.party.toml"],
        ),
        "agreement new": (("pprl", "agreement", "new", *datasets, "-o", folder / "new.toml"), ["new.toml"]),
        "secret create": (
            ("pprl", "secret", "create", *police, "-o", folder, "--secret", folder / "made"),
            ["made", "secret-for-court-dept.sealed", "secret-for-prison-dept.sealed"],
        ),
        "secret accept": (
            ("pprl", "secret", "accept", folder / "share", *court, "--secret", folder / "taken"), ["taken"],
        ),
        "encode": (
            ("pprl", "encode", project.data("police"), *police, "-o", folder / "sub"),
            ["sub", "sub.home-map.csv"],
        ),
        "keys open": (
            ("pprl", "keys", "open", results / "police.linkage-keys", *police, "--map",
             project.home_map("police"), "-o", folder / "keys.csv"),
            ["keys.csv"],
        ),
        "crosswalk open": (
            ("pprl", "crosswalk", "open", results / "crosswalk", "-a", project.agreement_path, "-k",
             project.key(RESEARCH), "-o", folder / "crosswalk.csv"),
            ["crosswalk.csv"],
        ),
        "match": (
            ("coordinator", "match", "--store", project.store(Role.MATCHER), "-o", folder / "pairs"), ["pairs"],
        ),
        "release": (
            ("coordinator", "release", "--store", project.store(Role.KEY_ISSUER), "-o", folder / "out"),
            ["out/crosswalk", "out/court.linkage-keys", "out/summary.json"],
        ),
    }  # fmt: skip


WRITERS = [
    "pprl identity", "coordinator identity", "agreement new", "secret create", "secret accept", "encode",
    "keys open", "crosswalk open", "match", "release",
]  # fmt: skip


@pytest.fixture(scope="module")
def made_ready(made_project: Project, made_pairs: bytes, tmp_path_factory: pytest.TempPathFactory) -> Project:
    """A project in which every command that writes can run."""
    project = made_project.copy(tmp_path_factory.mktemp("ready") / "project")
    own = ("-a", project.agreement_path, "-k", project.key("police-dept"))
    sent = project.folder / "sent"
    done("pprl", "secret", "create", *own, "-o", sent, "--secret", project.folder / "first-made")
    (sent / "secret-for-court-dept.sealed").rename(project.folder / "share")
    project.receive_all(Role.MATCHER)
    issuer = project.receive_all(Role.KEY_ISSUER)
    operations.receive(issuer, made_pairs)
    operations.issue(issuer, None, progress=lambda _what, _share: None)
    return project


@pytest.fixture
def ready(made_ready: Project, tmp_path: Path) -> Project:
    return made_ready.copy(tmp_path / "ready")


@pytest.mark.parametrize("what", WRITERS)
def test_nothing_is_overwritten_without_force(ready: Project, made_results: Path, what: str) -> None:
    words, files = _writers(ready, made_results)[what]
    for name in files:
        path = ready.folder / name
        path.parent.mkdir(exist_ok=True)
        path.write_text("precious")
        refused(*words, status=2, says="", within=ready.folder)
        assert path.read_text() == "precious"
        path.unlink()
        if path.parent != ready.folder:
            path.parent.rmdir()


@pytest.mark.parametrize("what", WRITERS)
def test_force_overwrites(ready: Project, made_results: Path, what: str) -> None:
    words, files = _writers(ready, made_results)[what]
    for name in files:
        (ready.folder / name).parent.mkdir(exist_ok=True)
        (ready.folder / name).write_text("precious")
    done(*words, "--force")
    assert all("precious" not in (ready.folder / name).read_bytes().decode("latin-1") for name in files)
    assert not list(ready.folder.rglob(".pprl-*"))


@pytest.mark.parametrize("what", WRITERS)
def test_a_folder_that_does_not_exist(ready: Project, made_results: Path, what: str) -> None:
    words, _ = _writers(ready, made_results)[what]
    nowhere = ready.folder / "no" / "such" / "folder"
    placed = tuple(nowhere / "x" if word == words[-1] else word for word in words)
    if what in {"pprl identity", "coordinator identity"}:
        done(*placed)
        return
    refused(*placed, status=2, says="There is no directory", within=ready.folder)


# What each command's work is done by: replaced by something that breaks.
WORK = {
    "pprl identity": "pprl.files.identity.party_card",
    "coordinator identity": "pprl.crypto.identity.create",
    "agreement new": "pprl.agreements.draft.draft",
    "secret create": "pprl.department.make_secret",
    "secret accept": "pprl.department.accept_secret",
    "encode": "pprl.department._sealed_parts",
    "keys open": "pprl.department.join_home_map",
    "crosswalk open": "pprl.department.crosswalk_rows",
    "match": "coordinator.linkage.matching.match",
    "release": "coordinator.operations._require_release_rules",
}


def _breaking(error: BaseException) -> Callable[..., Any]:
    def work(*_arguments: Any, **_named: Any) -> Any:
        raise error

    return work


@pytest.mark.parametrize("what", WRITERS)
@pytest.mark.parametrize(
    ("error", "status", "says"),
    [
        (KeyboardInterrupt(), 130, "Interrupted. Nothing half-done was left behind"),
        (ValueError("Zebedee Ramsbottom"), 1, "A fault in the program (ValueError at "),
        (MemoryError(), 1, "A fault in the program (MemoryError at "),
        (RecursionError("Zebedee"), 1, "A fault in the program (RecursionError at "),
        (OSError(28, "No space left on device"), None, ""),
    ],
    ids=["interrupt", "fault", "memory", "recursion", "full-disk"],
)
def test_nothing_stays_when_the_work_breaks(
    ready: Project,
    made_results: Path,
    monkeypatch: pytest.MonkeyPatch,
    what: str,
    error: BaseException,
    status: int | None,
    says: str,
) -> None:
    words, _ = _writers(ready, made_results)[what]
    monkeypatch.setattr(WORK[what], _breaking(error))
    before = tree(ready.folder)
    result = run(*words)
    assert result.exit_code in ({status} if status is not None else {1, 2}), result.output
    assert says in result.stderr
    assert result.stdout == ""
    assert "Zebedee" not in result.output
    assert tree(ready.folder) == before


@pytest.mark.parametrize("what", ["encode", "keys open", "match"])
def test_a_fault_is_told_in_json_too(
    ready: Project, made_results: Path, monkeypatch: pytest.MonkeyPatch, what: str
) -> None:
    words, _ = _writers(ready, made_results)[what]
    monkeypatch.setattr(WORK[what], _breaking(ValueError("Zebedee")))
    monkeypatch.setenv("PPRL_ERRORS", "json")
    error = json.loads(run(*words).stderr)["error"]
    assert (error["code"], error["status"]) == ("internal", 1)
    assert "Zebedee" not in str(error)


def test_after_an_interrupt_the_same_command_works(
    ready: Project, made_results: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for what in WRITERS:
        words, files = _writers(ready, made_results)[what]
        with monkeypatch.context() as patch:
            patch.setattr(WORK[what], _breaking(KeyboardInterrupt()))
            assert run(*words).exit_code == 130
        done(*words)
        for name in files:
            (ready.folder / name).unlink()


def test_the_home_map_and_the_submission_must_be_two_files(project: Project) -> None:
    own = ("-a", project.agreement_path, "-k", project.key("police-dept"))
    out = project.folder / "one"
    for same in (out, project.folder / "keys" / ".." / "one"):
        words = ("pprl", "encode", project.data("police"), *own, "-o", out, "--map", same)
        refused(*words, status=2, says="two files", within=project.folder)
        refused(*words, "--force", status=2, says="two files", within=project.folder)


def test_a_command_never_writes_over_what_it_reads(project: Project) -> None:
    own = ("-a", project.agreement_path, "-k", project.key("police-dept"))
    for path in (project.data("police"), project.agreement_path, project.key("police-dept")):
        words = ("pprl", "encode", project.data("police"), *own, "-o", path)
        refused(*words, status=2, says="exists already", within=project.folder)
