"""Nothing is overwritten without --force, and nothing stays after a failure, a fault or an interrupt."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from coordinator import log, operations
from coordinator.store.stages import Role
from pprl.files import atomic
from pprl.files.holdings import receipt_beside
from pprl.sharing import file_name
from tests.support.commands import done, refused, run
from tests.support.project import DATASETS, DEPARTMENTS, RESEARCH, Project, tree

Words = tuple[str | Path, ...]


def _writers(project: Project, results: Path) -> dict[str, tuple[Words, list[str]]]:
    """Every command that writes: its words, and the files that it makes."""
    folder = project.folder
    police = ("-a", project.agreement_path, "-k", project.key("police-dept"))
    datasets = [f"--dataset={name}={project.data(name)}" for name in DATASETS]
    return {
        "pprl identity": (("pprl", "identity", "create", "new", "-o", folder), ["new.key", "new.party.toml"]),
        "coordinator identity": (
            ("coordinator", "identity", "create", "new", "-o", folder), ["new.key", "new.party.toml"],
        ),
        "agreement new": (("pprl", "agreement", "new", *datasets, "-o", folder / "new.toml"), ["new.toml"]),
        "secret share": (
            ("pprl", "secret", "share", *police, "-o", folder),
            [file_name("police-dept", "court-dept"), file_name("police-dept", "prison-dept")],
        ),
        "encode": (
            ("pprl", "encode", project.data("police"), *police, "-o", folder / "sub"),
            ["sub", "sub.home-map.csv", "sub.row-salts"],
        ),
        "prove-row": (
            ("pprl", "prove-row", project.data("police"), *police, "--salts", project.row_salts("police"),
             "--row", "2", "-o", folder / "proof"),
            ["proof"],
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
            ["out/crosswalk", "out/court.linkage-keys", "out/court.linkage-keys.receipt", "out/summary.json"],
        ),
        "log witness": (
            ("pprl", "log", "witness", folder / "request", *police, "-o", folder / "cosignature"), ["cosignature"],
        ),
        "log checkpoint": (
            ("coordinator", "log", "checkpoint", "--store", project.store(Role.KEY_ISSUER), "-o", folder / "asked"),
            ["asked/police-dept.witness-request"],
        ),
        "log receipts": (
            ("coordinator", "log", "receipts", "--store", project.store(Role.KEY_ISSUER), "-o", folder / "proofs"),
            ["proofs/0000-registered.receipt", "proofs/0005-issued.receipt"],
        ),
        "log export": (
            ("coordinator", "log", "export", "--store", project.store(Role.KEY_ISSUER), "-o", folder / "run"),
            ["run/agreement.toml", "run/checkpoint", "run/entries.jsonl", "run/summary.json"],
        ),
        "report": (
            ("coordinator", "report", "--store", project.store(Role.KEY_ISSUER), "-o", folder / "page.html"),
            ["page.html"],
        ),
    }  # fmt: skip


WRITERS = [
    "pprl identity", "coordinator identity", "agreement new", "secret share", "encode",
    "prove-row", "keys open", "crosswalk open", "match", "release", "report", "log witness", "log checkpoint",
    "log receipts", "log export",
]  # fmt: skip


@pytest.fixture(scope="module")
def made_ready(made_project: Project, made_pairs: bytes, tmp_path_factory: pytest.TempPathFactory) -> Project:
    """A project in which every command that writes can run."""
    project = made_project.copy(tmp_path_factory.mktemp("ready") / "project")
    project.receive_all(Role.MATCHER)
    issuer = project.receive_all(Role.KEY_ISSUER)
    operations.receive(issuer, made_pairs)
    operations.issue(issuer, None, progress=lambda _what, _share: None)
    (project.folder / "request").write_bytes(log.checkpoint(issuer, None)["police-dept"])
    project.witness(issuer, DEPARTMENTS[1:])
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
    if what in {"pprl identity", "coordinator identity", "secret share"}:
        done(*placed)
        return
    refused(*placed, status=2, says="There is no directory", within=ready.folder)


# What each command's work is done by: replaced by something that breaks.
WORK = {
    "pprl identity": "pprl.files.identity.party_card",
    "coordinator identity": "pprl.crypto.identity.create",
    "agreement new": "pprl.agreements.draft.draft",
    "secret share": "pprl.encode.ceremony.require_committed",
    "encode": "pprl.department._seal_parts",
    "prove-row": "pprl.encode.row_commitments.prove",
    "keys open": "pprl.department.join_home_map",
    "crosswalk open": "pprl.department.crosswalk_rows",
    "match": "coordinator.linkage.matching.match",
    "release": "coordinator.operations._require_release_rules",
    "report": "coordinator.report.page.page",
    "log witness": "pprl.crypto.notes.check_request",
    "log checkpoint": "coordinator.log._request",
    "log receipts": "coordinator.log._receipt_name",
    "log export": "coordinator.log._newest_with_quorum",
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


@pytest.mark.parametrize("part", ["encodings", "references", "home_map"])
def test_encoding_that_was_interrupted_can_be_repeated(
    ready: Project, made_results: Path, monkeypatch: pytest.MonkeyPatch, part: str
) -> None:
    """At any point: while encodings are sealed, or the references, or when both lie there and the home map does not."""
    words, made = _writers(ready, made_results)["encode"]
    before = tree(ready.folder)
    with monkeypatch.context() as stopped:
        stopped.setattr(f"pprl.encode.outgoing.Outgoing.{part}", _breaking(KeyboardInterrupt()))
        assert run(*words).exit_code == 130
    assert tree(ready.folder) == before
    done(*words)
    assert set(tree(ready.folder)) - set(before) == set(made)


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


@pytest.mark.parametrize("option", ["--map", "--salts"])
def test_the_submission_and_what_stays_home_must_be_three_files(project: Project, option: str) -> None:
    own = ("-a", project.agreement_path, "-k", project.key("police-dept"))
    out = project.folder / "one"
    for same in (out, project.folder / "keys" / ".." / "one"):
        words = ("pprl", "encode", project.data("police"), *own, "-o", out, option, same)
        refused(*words, status=2, says="three files", within=project.folder)
        refused(*words, "--force", status=2, says="three files", within=project.folder)


def test_a_command_never_writes_over_what_it_reads(project: Project) -> None:
    own = ("-a", project.agreement_path, "-k", project.key("police-dept"))
    for path in (project.data("police"), project.agreement_path, project.key("police-dept")):
        words = ("pprl", "encode", project.data("police"), *own, "-o", path)
        refused(*words, status=2, says="exists already", within=project.folder)


def _own_inputs(project: Project, results: Path) -> dict[str, tuple[Words, list[Path]]]:
    """Every command that reads and writes, without where it writes to; and what it reads."""
    folder, agreement = project.folder, project.agreement_path
    key, research = project.key("police-dept"), project.key(RESEARCH)
    police = ("-a", agreement, "-k", key)
    home_map, secret = project.home_map("police"), project.secret("police-dept")
    result, crosswalk = folder / "result", folder / "sealed-crosswalk"
    for name, path in (("police.linkage-keys", result), ("crosswalk", crosswalk)):
        path.write_bytes((results / name).read_bytes())
        receipt_beside(path).write_bytes(receipt_beside(results / name).read_bytes())
    data = project.data("police")
    opening = ("pprl", "keys", "open", result, *police, "--map", home_map, "-o")
    return {
        "encode -o": (("pprl", "encode", data, *police, "-o"), [data, agreement, key, secret]),
        "encode --map": (
            ("pprl", "encode", data, *police, "-o", folder / "sub", "--map"), [data, agreement, key, secret],
        ),
        "encode --salts": (
            ("pprl", "encode", data, *police, "-o", folder / "sub", "--salts"), [data, agreement, key, secret],
        ),
        "prove-row": (
            ("pprl", "prove-row", data, *police, "--salts", project.row_salts("police"), "--row", "2", "-o"),
            [data, agreement, key, project.row_salts("police")],
        ),
        "keys open": (opening, [result, agreement, key, home_map]),
        "crosswalk open": (
            ("pprl", "crosswalk", "open", crosswalk, "-a", agreement, "-k", research, "-o"),
            [crosswalk, agreement, research],
        ),
        "agreement new": (("pprl", "agreement", "new", f"--dataset=police={data}", "-o"), [data]),
    }  # fmt: skip


@pytest.mark.parametrize(
    "what",
    [
        "encode -o",
        "encode --map",
        "encode --salts",
        "prove-row",
        "keys open",
        "crosswalk open",
        "agreement new",
    ],
)
def test_force_is_no_leave_to_write_over_what_is_read(ready: Project, made_results: Path, what: str) -> None:
    words, inputs = _own_inputs(ready, made_results)[what]
    link = ready.folder / "link"
    for path in inputs:
        link.unlink(missing_ok=True)
        link.symlink_to(path)
        for name in (path, link):
            refused(*words, name, "--force", status=2, says="this command reads it", within=ready.folder)


def test_encode_places_the_home_map_first_and_takes_it_away_again(
    ready: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    placed: list[str] = []
    give = atomic._give_name

    def failing(unfinished: Path, path: Path, *, force: bool) -> None:
        placed.append(path.name)
        if path.name == "sub":
            raise PermissionError(13, "Permission denied")
        give(unfinished, path, force=force)

    monkeypatch.setattr(atomic, "_give_name", failing)
    own = ("-a", ready.agreement_path, "-k", ready.key("police-dept"))
    words: Words = ("pprl", "encode", ready.data("police"), *own, "-o", ready.folder / "sub")
    refused(*words, status=2, says="permission denied", within=ready.folder)
    assert placed == ["sub.home-map.csv", "sub.row-salts", "sub"]
