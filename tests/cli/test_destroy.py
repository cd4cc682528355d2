"""`coordinator destroy` by the command line, and where the coordinator's commands won't write."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from coordinator.store.stages import Role
from tests.support.commands import done, refused, run
from tests.support.project import MATCHER, Project


def at(project: Project) -> tuple[str | Path, ...]:
    return "--store", project.store(Role.MATCHER)


@pytest.fixture
def matched(project: Project) -> Project:
    project.match()
    return project


def test_a_run_is_destroyed_shown_and_certified(matched: Project) -> None:
    out = matched.folder / "matcher.certificate"
    result = done("coordinator", "destroy", *at(matched), "-o", out)
    assert result.stdout.startswith("destroyed on 20")
    assert result.stdout.endswith(": the run key and 4 containers\n")
    day = result.stdout[len("destroyed on ") :][:10]
    assert "coordinator log checkpoint" in result.stderr
    assert not list((matched.store(Role.MATCHER) / "containers").iterdir())
    status = done("coordinator", "status", *at(matched)).stdout
    assert "as matcher: destroyed\n" in status
    assert f"all that was held was destroyed on {day}" in status
    assert "missing" not in status
    told = json.loads(done("pprl", "inspect", out, "--json").stdout)
    assert (told["what"], told["party"]) == ("certificate of destruction", MATCHER)
    assert (told["destroyed_on"], told["verified"]) == (day, False)
    assert told["agreement_sha256"] == matched.agreement.sha256


def test_a_signature_of_an_agreement_is_known_by_its_content(project: Project) -> None:
    path = next((project.folder / "agreement.signatures").iterdir())
    told = json.loads(done("pprl", "inspect", path, "--json").stdout)
    assert (told["what"], told["verified"]) == ("signature of an agreement", False)


def test_asked_again_it_gives_the_same_certificate(matched: Project) -> None:
    first, second = matched.folder / "first", matched.folder / "second"
    told = json.loads(done("coordinator", "destroy", *at(matched), "-o", first, "--json").stdout)
    again = json.loads(done("coordinator", "destroy", *at(matched), "-o", second, "--json").stdout)
    assert told == again
    assert first.read_bytes() == second.read_bytes()
    assert set(told) == {
        "agreement_sha256", "containers", "destroyed_on", "party", "roles", "run_key_sha256"
    }  # fmt: skip


def test_nothing_is_destroyed_if_the_certificate_has_no_place(matched: Project) -> None:
    (matched.folder / "taken").write_text("something", encoding="utf-8")
    for out, says in (
        (matched.folder / "taken", "exists already"),
        (matched.folder / "no" / "c", "no directory"),
    ):
        words = ("coordinator", "destroy", *at(matched), "-o", out)
        refused(*words, status=2, says=says, within=matched.folder)


def test_a_run_that_is_not_over(project: Project) -> None:
    project.receive_all(Role.MATCHER)
    words = ("coordinator", "destroy", *at(project), "-o", project.folder / "certificate")
    refused(*words, status=8, says="--unreleased", within=project.folder)
    done(*words, "--unreleased")


@pytest.mark.parametrize(
    "words", [("match",), ("match", "--force"), ("destroy", "--force"), ("release", "--force"), ("release",)]
)
def test_nothing_is_written_into_the_store_or_over_keys(project: Project, words: tuple[str, ...]) -> None:
    project.receive_all(Role.MATCHER)
    store = project.store(Role.MATCHER)
    for out in (store, store / "new", store / "coordinator.sqlite", store / "containers" / ".." / "new"):
        command = ("coordinator", *words, *at(project), "-o", out)
        refused(*command, status=2, says="in the store's folder", within=project.folder)
    run_key = next(project.key(MATCHER).parent.glob(f"{MATCHER}.*/run.key"))
    for out in (project.key(MATCHER), run_key):
        result = run("coordinator", *words, *at(project), "-o", out)
        assert result.exit_code == 2
        assert "it is never replaced" in result.stderr


def test_a_link_into_the_store_is_seen_through(project: Project) -> None:
    project.receive_all(Role.MATCHER)
    (project.folder / "elsewhere").symlink_to(project.store(Role.MATCHER))
    words = ("coordinator", "match", *at(project), "-o", project.folder / "elsewhere" / "pairs")
    refused(*words, status=2, says="in the store's folder", within=project.folder)


def test_a_key_file_in_the_store_is_refused(project: Project) -> None:
    store = project.key(MATCHER).parent
    words = ("coordinator", "init", "--role", "matcher", "-k", project.key(MATCHER), "--store", store)
    refused(*words, status=2, says="a backup of the store would hold the keys", within=project.folder)
