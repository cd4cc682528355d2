"""The coordinator's database: what it holds once, and that two commands can't both take a step."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine, text
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from coordinator.store import database
from coordinator.store.database import AgreementRow, PartRow, RunRow
from coordinator.store.stages import Role, Stage, Step
from pprl.errors import FormatError, ProtocolError
from pprl.protocol import log

NOW = datetime(2026, 11, 22, tzinfo=UTC)
SHA = "a" * 64
RECEIVED = {
    "container": {
        "dataset": "d", "head_sha256": "1" * 64, "kind": "references", "recipient": "r", "sender": "s",
        "sha256": "2" * 64,
    },
    "submission": "3" * 32,
}  # fmt: skip


@pytest.fixture
def engine(tmp_path: Path) -> Engine:
    made = database.create(tmp_path, party="office", roles=(Role.MATCHER,), key_file=tmp_path / "office.key")
    with database.writing(made) as session:
        session.add(AgreementRow(sha256=SHA, project="p", version=1, raw=b"", registered_at=NOW))
        session.flush()
        session.add(
            RunRow(agreement_sha256=SHA, role=Role.MATCHER.value, stage=Stage.COLLECTING.value, report={})
        )
    return made


def _part(digest: str, dataset: str = "d", **others: Any) -> PartRow:
    settings = {
        "head_sha256": "9" * 64,
        "kind": "encodings",
        "sender": "s",
        "submission": "",
        "records": 1,
        "received_at": NOW,
        **others,
    }
    return PartRow(container_sha256=digest, agreement_sha256=SHA, dataset=dataset, **settings)


def _add(engine: Engine, *rows: Any) -> None:
    # Not `database.writing`: it says what the database's errors are in its own words.
    with Session(engine) as session, session.begin():
        session.add_all(rows)


@pytest.mark.parametrize(
    "second",
    [lambda: _part("1" * 64, "other"), lambda: _part("2" * 64)],
    ids=["the same container", "another container of the dataset"],
)
def test_the_database_itself_keeps_no_dataset_twice(engine: Engine, second: Callable[[], PartRow]) -> None:
    _add(engine, _part("1" * 64))
    with pytest.raises(IntegrityError):
        _add(engine, second())


def test_a_part_needs_its_agreement(engine: Engine) -> None:
    part = _part("1" * 64)
    part.agreement_sha256 = "b" * 64
    with pytest.raises(IntegrityError):
        _add(engine, part)


def test_parts_come_in_the_order_of_their_names(engine: Engine) -> None:
    _add(engine, _part("1" * 64, "z"), _part("2" * 64, "a"), _part("3" * 64, "m"))
    with database.reading(engine) as session:
        assert [part.dataset for part in database.parts_of(session, SHA, "encodings")] == ["a", "m", "z"]


def test_a_step_is_taken_and_written_down(engine: Engine) -> None:
    with database.writing(engine) as session:
        run = database.run_of(session, SHA, Role.MATCHER)
        database.append(session, SHA, "registered", at=NOW, detail={"version": 1, "signatures": {}})
        database.move_on(session, run, Step.RECEIVE_LAST, at=NOW, detail=RECEIVED)
    with database.reading(engine) as session:
        assert database.run_of(session, SHA, Role.MATCHER).stage == Stage.COMPLETE
        first, second = (log.parse(raw) for raw in database.entries_of(session, SHA))
        assert (first.kind, second.kind) == ("registered", "received")
        assert (second.role, second.stage, second.detail) == ("matcher", "complete", RECEIVED)


def test_a_run_that_somebody_else_moved_stays_where_it_is(engine: Engine) -> None:
    def overtaken() -> None:
        with database.writing(engine) as session:
            run = database.run_of(session, SHA, Role.MATCHER)
            session.execute(text("update run set stage = 'matched'"))
            database.move_on(session, run, Step.RECEIVE, at=NOW, detail=RECEIVED)

    with pytest.raises(ProtocolError, match="at the same time"):
        overtaken()
    with database.reading(engine) as session:
        assert database.run_of(session, SHA, Role.MATCHER).stage == Stage.COLLECTING
        assert not database.entries_of(session, SHA)


def test_all_changes_of_a_session_happen_or_none(engine: Engine) -> None:
    def breaks() -> None:
        with database.writing(engine) as session:
            session.add(_part("1" * 64))
            session.flush()
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        breaks()
    with database.reading(engine) as session:
        assert not database.parts_of(session, SHA, "encodings")


def test_a_role_that_the_store_does_not_hold(engine: Engine) -> None:
    with database.reading(engine) as session, pytest.raises(ProtocolError, match="the role of key-issuer"):
        database.run_of(session, SHA, Role.KEY_ISSUER)


def test_a_store_of_another_version(engine: Engine, tmp_path: Path) -> None:
    with engine.begin() as connection:
        connection.execute(text("update store set format = 1"))
    with pytest.raises(FormatError, match="another version"):
        database.open_existing(tmp_path)


def test_no_store(tmp_path: Path) -> None:
    with pytest.raises(ProtocolError, match="no coordinator store"):
        database.open_existing(tmp_path)


def test_an_error_of_the_database_is_told_without_its_words(engine: Engine) -> None:
    def asks() -> None:
        with database.reading(engine) as session:
            session.execute(text("select 'Zebedee' from nowhere"))

    with pytest.raises(FormatError) as refused:
        asks()
    assert "Zebedee" not in str(refused.value)
    assert refused.value.__cause__ is None
