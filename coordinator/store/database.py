"""The tables of a coordinator's database, and the few questions that are asked of them.

SQLAlchemy on SQLite in the store's folder. A row tells what was received and when; the containers themselves
stay sealed in files beside the database, and are opened in memory when a step needs them.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import date, datetime
from pathlib import Path
from typing import Any

from sqlalchemy import JSON, Engine, ForeignKey, UniqueConstraint, create_engine, event, select, update
from sqlalchemy.exc import DatabaseError
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column
from sqlalchemy.pool import NullPool

from coordinator.store.stages import LOGGED_AS, Role, Stage, Step, after
from pprl.errors import FormatError, ProtocolError
from pprl.protocol import log
from pprl.protocol.envelope import Binding
from pprl.protocol.log import Entry, History

DATABASE_NAME = "coordinator.sqlite"
STORE_FORMAT = 3


class _Base(DeclarativeBase):
    type_annotation_map = {dict[str, Any]: JSON, list[str]: JSON}  # noqa: RUF012 - SQLAlchemy's own declaration


class StoreRow(_Base):
    """What this store is: one row."""

    __tablename__ = "store"
    id: Mapped[int] = mapped_column(primary_key=True)
    format: Mapped[int]
    party: Mapped[str]
    roles: Mapped[str]
    key_file: Mapped[str]


class AgreementRow(_Base):
    """An agreement that was registered here, with its bytes."""

    __tablename__ = "agreement"
    sha256: Mapped[str] = mapped_column(primary_key=True)
    project: Mapped[str]
    version: Mapped[int]
    raw: Mapped[bytes]
    previous: Mapped[bytes | None]
    registered_at: Mapped[datetime]


class SignatureRow(_Base):
    """A party's signature of a registered agreement, or, of a party of the version before, its agreement to that."""

    __tablename__ = "signature"
    agreement_sha256: Mapped[str] = mapped_column(ForeignKey("agreement.sha256"), primary_key=True)
    kind: Mapped[str] = mapped_column(primary_key=True)
    party: Mapped[str] = mapped_column(primary_key=True)
    raw: Mapped[bytes]


class PartRow(_Base):
    """A sealed part that was received and verified. A dataset comes once: a second one is refused."""

    __tablename__ = "part"
    __table_args__ = (UniqueConstraint("agreement_sha256", "kind", "dataset"),)
    container_sha256: Mapped[str] = mapped_column(primary_key=True)
    agreement_sha256: Mapped[str] = mapped_column(ForeignKey("agreement.sha256"))
    kind: Mapped[str]
    dataset: Mapped[str]
    sender: Mapped[str]
    submission: Mapped[str]
    records: Mapped[int]
    head_sha256: Mapped[str]
    received_at: Mapped[datetime]


class RelayedRow(_Base):
    """A sealed share of the linkage secret that was taken in to be handed on. A department may seal one anew."""

    __tablename__ = "relayed"
    place: Mapped[int] = mapped_column(primary_key=True)
    container_sha256: Mapped[str] = mapped_column(unique=True)
    agreement_sha256: Mapped[str] = mapped_column(ForeignKey("agreement.sha256"))
    sender: Mapped[str]
    recipient: Mapped[str]
    received_at: Mapped[datetime]


class RunRow(_Base):
    """How far a role is with an agreement, and what it found."""

    __tablename__ = "run"
    agreement_sha256: Mapped[str] = mapped_column(ForeignKey("agreement.sha256"), primary_key=True)
    role: Mapped[str] = mapped_column(primary_key=True)
    stage: Mapped[str]
    report: Mapped[dict[str, Any]]


class EntryRow(_Base):
    """An entry of an agreement's log, byte by byte as it is hashed."""

    __tablename__ = "log_entry"
    agreement_sha256: Mapped[str] = mapped_column(ForeignKey("agreement.sha256"), primary_key=True)
    place: Mapped[int] = mapped_column(primary_key=True)
    raw: Mapped[bytes]


class HeadRow(_Base):
    """The signed head of a container that an entry names: what is left to show when the container is gone."""

    __tablename__ = "head"
    sha256: Mapped[str] = mapped_column(primary_key=True)
    agreement_sha256: Mapped[str] = mapped_column(ForeignKey("agreement.sha256"))
    raw: Mapped[bytes]


class RiskRow(_Base):
    """The risk statement that came with a dataset's encodings: it stays when they are destroyed, for auditors."""

    __tablename__ = "risk_statement"
    agreement_sha256: Mapped[str] = mapped_column(ForeignKey("agreement.sha256"), primary_key=True)
    dataset: Mapped[str] = mapped_column(primary_key=True)
    raw: Mapped[bytes]


class CheckpointRow(_Base):
    """A checkpoint of an agreement's log, with the witnesses' signatures that came so far."""

    __tablename__ = "checkpoint"
    agreement_sha256: Mapped[str] = mapped_column(ForeignKey("agreement.sha256"), primary_key=True)
    size: Mapped[int] = mapped_column(primary_key=True)
    note: Mapped[bytes]


class DestructionRow(_Base):
    """That a destruction was begun, of which containers; and its certificate, once they and the run key are gone."""

    __tablename__ = "destruction"
    agreement_sha256: Mapped[str] = mapped_column(ForeignKey("agreement.sha256"), primary_key=True)
    containers: Mapped[list[str]]
    destroyed_on: Mapped[date | None]
    certificate: Mapped[bytes | None]


def create(folder: Path, *, party: str, roles: tuple[Role, ...], key_file: Path) -> Engine:
    """Make a new database in a folder that has none.

    Args:
        folder: of the store.
        party: whose it is.
        roles: that it holds.
        key_file: of the party.

    Raises:
        FileExistsError: there is a database already.
    """
    # SQLite would make the file readable for others, and would open one that somebody else has put there.
    os.close(os.open(folder / DATABASE_NAME, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600))
    engine = _engine(folder)
    _Base.metadata.create_all(engine)
    with Session(engine) as session, session.begin():
        row = StoreRow(id=1, format=STORE_FORMAT, party=party, roles=",".join(roles), key_file=str(key_file))
        session.add(row)
    return engine


def open_existing(folder: Path) -> Engine:
    """Open a store's database.

    Raises:
        ProtocolError: there is none.
        FormatError: it is damaged or of another version.
    """
    if not (folder / DATABASE_NAME).is_file():
        raise ProtocolError(
            f"There is no coordinator store in {folder}.", hint="Make one with 'coordinator init'."
        )
    engine = _engine(folder)
    with reading(engine) as session:
        row = session.get(StoreRow, 1)
        if row is None or row.format != STORE_FORMAT:
            raise FormatError("The coordinator store is of another version.")
    return engine


@contextmanager
def reading(engine: Engine) -> Iterator[Session]:
    """A session that only looks.

    Raises:
        FormatError: the database is damaged or locked.
    """
    try:
        with Session(engine) as session:
            yield session
    except DatabaseError as error:
        raise FormatError(
            f"The coordinator's database can't be used ({type(error).__name__}).",
            hint="Restore it from a backup.",
        ) from None


@contextmanager
def writing(engine: Engine) -> Iterator[Session]:
    """A session whose changes all happen, or none."""
    with reading(engine) as session, session.begin():
        yield session


def run_of(session: Session, agreement_sha256: str, role: Role) -> RunRow:
    """The run of an agreement in a role.

    Raises:
        ProtocolError: this store does not hold that role.
    """
    row = session.get(RunRow, (agreement_sha256, role.value))
    if row is None:
        raise ProtocolError(
            f"This store does not hold the role of {role}.", hint="Use the store of the party that does."
        )
    return row


def versions_of(session: Session, project: str) -> list[AgreementRow]:
    """The registered versions of a project's agreement."""
    return list(session.scalars(select(AgreementRow).where(AgreementRow.project == project)))


def newest_version(session: Session, project: str) -> AgreementRow | None:
    """The newest registered version of a project's agreement; None if there is none."""
    return max(versions_of(session, project), key=lambda row: row.version, default=None)


def require_newest(session: Session, row: AgreementRow) -> None:
    """Refuse to go on with an agreement that a newer version has replaced.

    Raises:
        ProtocolError: a newer version of the project's agreement is registered.
    """
    newest = newest_version(session, row.project)
    if newest is not None and newest.version > row.version:
        raise ProtocolError(
            f"Version {newest.version} of this agreement is registered: version {row.version} is over.",
            hint="Go on with the newest version.",
        )


def signatures_of(session: Session, agreement_sha256: str, kind: str) -> dict[str, bytes]:
    """The signature files of a kind that a registered agreement came with, by party."""
    query = select(SignatureRow).where(
        SignatureRow.agreement_sha256 == agreement_sha256, SignatureRow.kind == kind
    )
    return {row.party: row.raw for row in session.scalars(query)}


def parts_of(session: Session, agreement_sha256: str, kind: str) -> list[PartRow]:
    """The received parts of a kind, in the order of their datasets' names."""
    query = select(PartRow).where(PartRow.agreement_sha256 == agreement_sha256, PartRow.kind == kind)
    return list(session.scalars(query.order_by(PartRow.dataset)))


def add_relayed(session: Session, binding: Binding, container_sha256: str, *, at: datetime) -> None:
    """Write down a sealed share that was taken in.

    Args:
        session: in which it counts when the session ends.
        binding: what the container is, as was verified.
        container_sha256: under which it is kept.
        at: when it came.
    """
    session.add(
        RelayedRow(
            container_sha256=container_sha256,
            agreement_sha256=binding.agreement_sha256,
            sender=binding.sender,
            recipient=binding.recipient,
            received_at=at,
        )
    )


def relayed_container(session: Session, container_sha256: str) -> RelayedRow | None:
    """A sealed share that was taken in, by its digest; None if it was not."""
    return session.scalar(select(RelayedRow).where(RelayedRow.container_sha256 == container_sha256))


def relayed_to(session: Session, agreement_sha256: str, recipient: str) -> list[RelayedRow]:
    """The sealed shares for a department, in the order in which they came."""
    query = select(RelayedRow).where(
        RelayedRow.agreement_sha256 == agreement_sha256, RelayedRow.recipient == recipient
    )
    return list(session.scalars(query.order_by(RelayedRow.place)))


def move_on(session: Session, run: RunRow, step: Step, *, at: datetime, detail: dict[str, Any]) -> None:
    """Take a step with a run and write it into the log, unless somebody else took one in the meantime.

    Args:
        session: in which both happen, or neither.
        run: the run.
        step: the step.
        at: the time.
        detail: the members that the log's entry of this step has.

    Raises:
        ProtocolError: the step can't be taken from this stage, or the run has moved since it was read.
    """
    here, there = Stage(run.stage), after(Role(run.role), Stage(run.stage), step)
    session.flush()
    changed = session.execute(
        update(RunRow)
        .where(
            RunRow.agreement_sha256 == run.agreement_sha256,
            RunRow.role == run.role,
            RunRow.stage == here.value,
        )
        .values(stage=there.value)
    )
    if changed.rowcount != 1:  # type: ignore[attr-defined]
        raise ProtocolError(
            "Another command moved this run on at the same time.", hint="Look at 'coordinator status'."
        )
    append(
        session, run.agreement_sha256, LOGGED_AS[step], at=at, detail=detail, role=run.role, stage=there.value
    )


def lock(session: Session, agreement_sha256: str) -> None:
    """Take the database's lock before anything is read, so that nobody else changes it in between."""
    session.execute(
        update(AgreementRow)
        .where(AgreementRow.sha256 == agreement_sha256)
        .values(version=AgreementRow.version)
    )


def destruction_of(session: Session, agreement_sha256: str) -> DestructionRow | None:
    """The destruction of what was held under an agreement; None if none was begun."""
    return session.get(DestructionRow, agreement_sha256, populate_existing=True)


def require_not_destroyed(session: Session, agreement_sha256: str) -> None:
    """Refuse every step once a destruction was begun.

    Raises:
        ProtocolError: it was.
    """
    row = destruction_of(session, agreement_sha256)
    if row is not None and row.destroyed_on is None:
        raise ProtocolError(
            "The destruction of what is held under this agreement was begun.",
            hint="Run 'coordinator destroy' again: it goes on where it was stopped.",
        )
    if row is not None:
        raise ProtocolError(
            f"What was held under this agreement was destroyed on {row.destroyed_on}.",
            hint="Another run takes a new version of the agreement.",
        )


def append(
    session: Session,
    agreement_sha256: str,
    kind: str,
    *,
    at: datetime,
    detail: Mapping[str, Any],
    role: str = "",
    stage: str = "",
) -> None:
    """Append an entry to an agreement's log. Nothing ever changes one, or takes one out.

    Raises:
        VerificationError: such an entry can't stand where the log is.
        ProtocolError: a destruction was begun.
    """
    lock(session, agreement_sha256)
    if kind != LOGGED_AS[Step.DESTROY]:
        require_not_destroyed(session, agreement_sha256)
    history = History(agreement_sha256)
    earlier = [log.parse(raw) for raw in entries_of(session, agreement_sha256)]
    # A clock may be set back; the log's time is not.
    time = max([log.time_text(at), *(entry.at for entry in earlier)])
    entry = Entry(agreement_sha256, time, kind, role, stage, detail)
    for each in (*earlier, entry):
        history.take(each)
    session.add(EntryRow(agreement_sha256=agreement_sha256, place=len(earlier), raw=entry.to_bytes()))
    session.flush()


def entries_of(session: Session, agreement_sha256: str) -> list[bytes]:
    """The entries of an agreement's log, in order."""
    query = select(EntryRow).where(EntryRow.agreement_sha256 == agreement_sha256)
    return [row.raw for row in session.scalars(query.order_by(EntryRow.place))]


def add_head(session: Session, agreement_sha256: str, sha256: str, head: bytes) -> None:
    """Keep the head of a container that an entry names; the same one again changes nothing."""
    if session.get(HeadRow, sha256) is None:
        session.add(HeadRow(sha256=sha256, agreement_sha256=agreement_sha256, raw=head))


def heads_of(session: Session, agreement_sha256: str) -> dict[str, bytes]:
    """The kept heads of an agreement's containers, by their digests."""
    query = select(HeadRow).where(HeadRow.agreement_sha256 == agreement_sha256)
    return {row.sha256: row.raw for row in session.scalars(query.order_by(HeadRow.sha256))}


def add_risk(session: Session, agreement_sha256: str, dataset: str, raw: bytes) -> None:
    """Keep the risk statement of a dataset, which comes once."""
    session.add(RiskRow(agreement_sha256=agreement_sha256, dataset=dataset, raw=raw))


def risks_of(session: Session, agreement_sha256: str) -> dict[str, bytes]:
    """The risk statements that came under an agreement, by dataset."""
    query = select(RiskRow).where(RiskRow.agreement_sha256 == agreement_sha256)
    return {row.dataset: row.raw for row in session.scalars(query.order_by(RiskRow.dataset))}


def checkpoints_of(session: Session, agreement_sha256: str) -> list[CheckpointRow]:
    """The checkpoints of an agreement's log, the shortest first."""
    query = select(CheckpointRow).where(CheckpointRow.agreement_sha256 == agreement_sha256)
    return list(session.scalars(query.order_by(CheckpointRow.size)))


def _engine(folder: Path) -> Engine:
    # No pool: a command's connection closes with its session, not when the collector comes by.
    engine = create_engine(f"sqlite:///{folder / DATABASE_NAME}", poolclass=NullPool)

    @event.listens_for(engine, "connect")
    def _strict(connection: Any, _record: Any) -> None:
        connection.execute("PRAGMA foreign_keys = ON")
        connection.execute("PRAGMA secure_delete = ON")

    return engine
