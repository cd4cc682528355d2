"""Attacks on logs by the party that keeps one: on its own store, and on the witnesses that it shows it to."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Any

from coordinator import log, operations
from coordinator.operations import Coordinator
from coordinator.store import database
from coordinator.store.database import EntryRow, RunRow
from coordinator.store.stages import Role
from pprl import witness
from pprl.crypto import notes
from pprl.errors import ConfigError, FormatError, ProtocolError, VerificationError
from pprl.protocol import canonical, merkle
from tests.attacks.ground import collecting, fresh, store_of
from tests.attacks.registry import Attack, cut, remove
from tests.support.project import RESEARCH, Project

FIRST_TWO, LAST_TWO = ("police-dept", "court-dept"), ("court-dept", "prison-dept")


def with_further(*datasets: str) -> tuple[Project, Coordinator]:
    """A matcher's store that has the police's submission, and then these."""
    project = fresh(collecting(Role.MATCHER))
    me = store_of(project, Role.MATCHER)
    for name in datasets:
        operations.receive(me, project.submission(name).read_bytes())
    return project, me


def two_histories() -> Any:
    """Two copies of a store go on in two ways, and each is to get a quorum: two of three witnesses."""
    project, me = with_further("prison")
    other_project, other = with_further("court", "prison")
    project.witness(me, FIRST_TWO, memories=project.folder)
    return other_project.witness(other, LAST_TWO, memories=project.folder)


def restored_backup() -> Any:
    """A store that signed a checkpoint is put back to what it was before, and signs the next one."""
    project, me = with_further()
    backup = project.folder / "backup.sqlite"
    shutil.copyfile(me.folder / database.DATABASE_NAME, backup)
    operations.receive(me, project.submission("court").read_bytes())
    project.witness(me, memories=project.folder)
    backup.replace(me.folder / database.DATABASE_NAME)
    operations.receive(me, project.submission("prison").read_bytes())
    return project.witness(me, memories=project.folder)


@cache
def witnessed() -> Project:
    project, me = with_further("court")
    project.witness(me, memories=project.folder)
    return project


def changed(change: Callable[[Any], None], then: Callable[[Coordinator], Any]) -> Callable[[], Any]:
    """The store's owner changes its database."""

    def attempt() -> Any:
        me = store_of(fresh(witnessed()), Role.MATCHER)
        with database.writing(me.engine) as session:
            change(session)
        return then(me)

    return attempt


def signed_again(me: Coordinator) -> Any:
    return log.checkpoint(me, None)


def looked_at(me: Coordinator) -> Any:
    return log.verify(me, None)


def another_time(session: Any) -> None:
    """The second entry is dated back."""
    row = session.query(EntryRow).order_by(EntryRow.place).all()[1]
    row.raw = canonical.dumps({**canonical.loads(row.raw), "at": "2020-01-01T00:00:00Z"})


def another_dataset(session: Any) -> None:
    row = session.query(EntryRow).order_by(EntryRow.place).all()[1]
    tree = canonical.loads(row.raw)
    tree["detail"]["container"]["dataset"] = "prison"
    row.raw = canonical.dumps(tree)


def further_stage(session: Any) -> None:
    session.query(RunRow).one().stage = "complete"


def by_somebody_else() -> Any:
    """A party that is no witness signs, to make up the quorum."""
    project, me = with_further()
    request = next(iter(log.checkpoint(me, None).values()))
    memory = Path(project.folder) / "any.seen.json"
    return witness.witness(
        request, project.agreement, project.identity(RESEARCH), memory=memory, now=datetime.now(UTC)
    )


START = remove(notes, "_require_start", number=3)
CONSISTENCY = remove(merkle, "verify_consistency", number=4)
GROWN = remove(log, "_require_grown")
HEADS = cut(log, "verify_named", "tells other things of a container", number=3)
ORDER = remove(log, "_check_order", number="1, 2")

ATTACKS = (
    Attack("two histories with a quorum each", "a coordinator goes on in two ways, and shows each to two of three",
           two_histories, ProtocolError, "The request starts at", [START, CONSISTENCY]),
    Attack("a backup that is put back", "a coordinator puts its store back to before what it signed, and goes on",
           restored_backup, VerificationError, "not a continuation", [START, CONSISTENCY]),
    Attack("an entry dated back", "a coordinator changes an entry of its log",
           changed(another_time, signed_again), FormatError, "not a continuation of what was signed", [GROWN]),
    Attack("a stage that the log does not tell", "a coordinator moves a run on without telling it in its log",
           changed(further_stage, looked_at), VerificationError, "other stages than the runs", [ORDER]),
    Attack("a container told otherwise", "a coordinator logs a container as of another dataset than its sender signed",
           changed(another_dataset, looked_at), VerificationError, "other things of a container", [HEADS, GROWN]),
    Attack("a witness of its own choice", "a coordinator lets a party sign that is no witness",
           by_somebody_else, ConfigError, "is not a witness", [cut(witness, "witness", "is not a witness")]),
)  # fmt: skip
