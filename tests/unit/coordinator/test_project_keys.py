"""A project key is of one project: two that share an id by mistake, or on purpose, would share linkage keys."""

from __future__ import annotations

import pytest

from coordinator.operations import Coordinator
from coordinator.project_keys import key_for_issue, project_key_file
from coordinator.store.stages import Role
from pprl.agreements.amend import with_values
from pprl.errors import ProtocolError, VerificationError
from pprl.files import seen
from pprl.protocol.agreement import AgreementFile, parse
from tests.support.project import Project

KEEP = ("release", "keep_linkage_keys")
ID, TITLE = ("project", "id"), ("project", "title")
VERSION, PREVIOUS = ("project", "version"), ("project", "previous_sha256")


def agreement(
    project: Project,
    title: str,
    version: int = 1,
    previous: AgreementFile | None = None,
    *,
    keep: bool = True,
) -> AgreementFile:
    changes: dict[tuple[str, str], object] = {ID: "apart", KEEP: keep, TITLE: title, VERSION: version}
    if previous is not None:
        changes[PREVIOUS] = previous.sha256
    text = with_values(project.agreement_path.read_text("utf-8"), changes)
    return parse(text.encode(), where="an agreement")


@pytest.fixture
def store(project: Project) -> Coordinator:
    return project.open_store(Role.KEY_ISSUER)


def test_the_same_agreement_and_what_follows_it_have_the_same_key(
    project: Project, store: Coordinator
) -> None:
    first = agreement(project, "One")
    made = key_for_issue(store, first, {})
    assert made is not None
    for again in (first, agreement(project, "One", 2, first)):
        assert key_for_issue(store, again, {}) == made


def test_after_a_version_that_keeps_none_the_key_is_still_the_projects(
    project: Project, store: Coordinator
) -> None:
    first = agreement(project, "One")
    second = agreement(project, "One", 2, first, keep=False)
    made = key_for_issue(store, first, {})
    assert key_for_issue(store, second, {}) is None
    assert key_for_issue(store, agreement(project, "One", 3, second), {}) == made


def test_another_project_with_the_same_id_is_refused(project: Project, store: Coordinator) -> None:
    key_for_issue(store, agreement(project, "One"), {})
    with pytest.raises(VerificationError, match="seen before with other bytes"):
        key_for_issue(store, agreement(project, "Another"), {})
    with pytest.raises(VerificationError, match="follows another version"):
        key_for_issue(store, agreement(project, "Another", 2, agreement(project, "Another")), {})


def test_without_memory_a_key_that_is_there_is_not_used(project: Project, store: Coordinator) -> None:
    first = agreement(project, "One")
    key_for_issue(store, first, {})
    seen.change(seen.path_beside(store.key_file, store.identity.party), lambda _: seen.Seen())
    with pytest.raises(ProtocolError, match="nothing is remembered of the project") as caught:
        key_for_issue(store, first, {})
    assert f"{store.identity.party}.seen.json" in caught.value.hint
    project_key_file(store, first).unlink()
    assert key_for_issue(store, agreement(project, "Another"), {}) is not None
