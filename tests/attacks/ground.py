"""The small project that attacks are tried on: made once, copied for whoever changes something in it."""

from __future__ import annotations

import atexit
import shutil
import tempfile
from datetime import UTC, datetime, timedelta
from functools import cache
from itertools import count
from pathlib import Path

from coordinator import operations
from coordinator.operations import Coordinator
from coordinator.store import database
from coordinator.store.database import StoreRow
from coordinator.store.stages import Role
from tests.support.keys import asked
from tests.support.project import Project, make_project, silent

_numbers = count()


@cache
def _folder() -> Path:
    folder = Path(tempfile.mkdtemp(prefix="attacks-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return folder


@cache
def made() -> Project:
    """The project, to be left as it is."""
    return make_project(_folder() / "made", "clk")


def fresh(like: Project | None = None) -> Project:
    """A copy of a project, by default of the one that was made, to do anything with."""
    return (like or made()).copy(_folder() / f"copy-{next(_numbers)}")


@cache
def collecting(role: Role) -> Project:
    """The project with a store of a role that has the agreement and the police's submission."""
    project = fresh()
    me = project.open_store(role)
    operations.receive(me, project.submission("police").read_bytes())
    return project


@cache
def pairs_of() -> bytes:
    """What the matcher sends in the end."""
    return fresh().match()


@cache
def issued() -> Project:
    """The project with a key issuer's store whose run is issued."""
    project = fresh()
    me = project.receive_all(Role.KEY_ISSUER)
    operations.receive(me, pairs_of())
    operations.issue(me, None, progress=silent)
    return project


def store_of(project: Project, role: Role, *, days_later: int = 0) -> Coordinator:
    """A store that is there, opened, with the project's own key files."""
    with database.writing(database.open_existing(project.store(role))) as session:
        row = session.get_one(StoreRow, 1)
        row.key_file = str(project.key(row.party))
    later = timedelta(days=days_later)
    return operations.open_store(project.store(role), asked, now=lambda: datetime.now(UTC) + later)


def folder_of(name: str) -> Path:
    """A new folder of this name."""
    folder = _folder() / name
    folder.mkdir()
    return folder
