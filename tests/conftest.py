"""Fixtures that several test packages share."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import settings

from tests.support.once import remember_answers

if TYPE_CHECKING:
    from tests.support.exported import Run
    from tests.support.project import Project


# How long an example takes says something about the machine, not about the code. Where slow tests run, there is time
# for more examples; a test that needs a certain number says so itself.
settings.register_profile("brief", deadline=None, max_examples=40)
settings.register_profile("thorough", deadline=None, max_examples=100)
settings.load_profile("brief")

remember_answers()


def pytest_configure(config: pytest.Config) -> None:
    if config.getoption("markexpr") != "not slow":
        settings.load_profile("thorough")


@pytest.fixture(scope="session")
def made_project(tmp_path_factory: pytest.TempPathFactory) -> Project:
    from tests.support.project import make_project  # noqa: PLC0415 - not every run needs it

    return make_project(tmp_path_factory.mktemp("made") / "project", "clk")


@pytest.fixture(scope="session")
def made_field_filter_project(tmp_path_factory: pytest.TempPathFactory) -> Project:
    from tests.support.project import make_project  # noqa: PLC0415 - not every run needs it

    return make_project(tmp_path_factory.mktemp("made") / "project", "field-filters")


@pytest.fixture(scope="session")
def made_results(made_project: Project, tmp_path_factory: pytest.TempPathFactory) -> Path:
    finished = made_project.copy(tmp_path_factory.mktemp("finished") / "project")
    return finished.release()


@pytest.fixture(scope="session")
def made_pairs(made_project: Project, tmp_path_factory: pytest.TempPathFactory) -> bytes:
    return made_project.copy(tmp_path_factory.mktemp("matched") / "project").match()


@pytest.fixture(scope="session")
def made_run(made_project: Project, tmp_path_factory: pytest.TempPathFactory) -> Run:
    """A whole run, exported by both coordinators."""
    from tests.support.exported import make_run  # noqa: PLC0415 - not every run needs it

    return make_run(made_project.copy(tmp_path_factory.mktemp("exported") / "project"))


@pytest.fixture(scope="session")
def made_limiting_project(made_project: Project, tmp_path_factory: pytest.TempPathFactory) -> Project:
    """The project under an agreement that limits whom attackers may name."""
    limiting = made_project.copy(tmp_path_factory.mktemp("limiting") / "project")
    limiting.limit()
    return limiting


@pytest.fixture
def limiting_project(made_limiting_project: Project, tmp_path: Path) -> Project:
    return made_limiting_project.copy(tmp_path / "limiting-project")


@pytest.fixture
def project(made_project: Project, tmp_path: Path) -> Project:
    return made_project.copy(tmp_path / "project")


@pytest.fixture
def field_filter_project(made_field_filter_project: Project, tmp_path: Path) -> Project:
    return made_field_filter_project.copy(tmp_path / "field-filter-project")
