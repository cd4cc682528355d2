"""Whole filters that do not pass as random bits leave no department, where the agreement refuses them."""

from __future__ import annotations

from pathlib import Path

import pytest

from coordinator.store.stages import Role
from tests.support.commands import refused
from tests.support.project import Project

REFUSE = {("privacy", "visible_structure"): "refuse"}


@pytest.fixture
def agreed(project: Project) -> Path:
    return project.amended("refusing.toml", REFUSE)


def test_encode_refuses_plain_clks(project: Project, agreed: Path) -> None:
    words = ("-a", agreed, "-k", project.key("police-dept"), "-o", project.folder / "out")
    refused(
        "pprl", "encode", project.data("police"), *words,
        status=9, says="Visible pairs a record", within=project.folder,
    )  # fmt: skip


def test_the_matcher_refuses_plain_clks_that_a_department_sent_all_the_same(
    project: Project, agreed: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as careless:
        careless.setattr("pprl.encode.payloads.ClkChecks.whole", lambda *_: None)
        sent = project.encode("police", agreement_path=agreed)
    project.adopt(agreed)
    project.open_store(Role.MATCHER)
    path = project.folder / "careless.submission"
    path.write_bytes(sent)
    words = ("--store", project.store(Role.MATCHER))
    refused(
        "coordinator", "receive", path, *words,
        status=9, says="do not pass as random bits", within=project.folder,
    )  # fmt: skip
