"""The coordinator's two roles under every order of events that hypothesis thinks of, faults included.

Departments send, send again, and send what is wrong; files arrive cut short; roles step too early, twice, and
crash after the work but before it is written down; stores are closed and opened. What must hold all along:

1. a run's stage moves only along `TRANSITIONS`, and the log tells how;
2. what is refused, or crashes, changes nothing that counts: the same step can be taken again;
3. a store never holds two parts of one dataset;
4. a step that is asked for again gives the same bytes again;
5. every container that the database names is there and whole;
6. the log fits together, and witnesses who see it grow never see it change; nothing is released without them.
"""

from __future__ import annotations

import hashlib
import shutil
import sqlite3
import tempfile
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from unittest import mock

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from coordinator import custody, log, operations
from coordinator.operations import Coordinator
from coordinator.store.stages import LOGGED_AS, TRANSITIONS, Role, Stage
from pprl import department
from pprl.errors import FormatError, PprlError, ProtocolError, VerificationError
from pprl.protocol import log as log_format
from tests.support.keys import asked
from tests.support.project import DATASETS, ISSUER, MATCHER, RESEARCH, Project, silent

ROLES = (Role.MATCHER, Role.KEY_ISSUER)
# Before the work's result is kept, and when it is but the run has not moved on.
PLACES_TO_CRASH = {
    Role.MATCHER: ("coordinator.operations.keep_made", "coordinator.store.database.move_on"),
    Role.KEY_ISSUER: ("coordinator.operations.keep", "coordinator.store.database.move_on"),
}
PARTY = {Role.MATCHER: MATCHER, Role.KEY_ISSUER: ISSUER}


@dataclass(frozen=True, slots=True)
class World:
    """Everything that departments may send, made once.

    Attributes:
        project: the agreement and keys.
        files: of each dataset, two submissions, each right in itself.
        foreign: a submission under an agreement that the coordinator has not registered.
    """

    project: Project
    files: dict[str, tuple[bytes, bytes]]
    foreign: bytes


class Crash(Exception):  # noqa: N818 - not an error of anybody's
    """The machine stops here."""


@dataclass(slots=True)
class Expected:
    """What a role's store should hold by now."""

    stage: Stage = Stage.COLLECTING
    parts: dict[str, int] = field(default_factory=dict)
    output: Any = None


class Simulation(RuleBasedStateMachine):
    """Two stores, and what they should hold."""

    world: World
    reached: set[tuple[Role, Stage]]

    def __init__(self) -> None:
        super().__init__()
        self.folder = tempfile.TemporaryDirectory()
        self.stores: dict[Role, Coordinator] = {}
        self.expected = {role: Expected() for role in ROLES}
        self.pairs: bytes | None = None
        self.matched: dict[str, int] = {}

    @initialize()
    def begin(self) -> None:
        # Run keys are destroyed here: each example has its own.
        keys = Path(shutil.copytree(self.world.project.folder / "keys", Path(self.folder.name) / "keys"))
        for role in ROLES:
            folder = Path(self.folder.name) / role.value
            key_file = keys / f"{PARTY[role]}.key"
            operations.initialise(folder, key_file=key_file, passphrase=asked, roles=(role,))
            self.stores[role] = operations.open_store(folder, asked)
            self.world.project.register(self.stores[role], self.world.project.agreement_path)

    def teardown(self) -> None:
        self.folder.cleanup()

    # What departments do.

    @rule(
        role=st.sampled_from(ROLES), dataset=st.sampled_from(DATASETS), edition=st.sampled_from((0, 0, 0, 1))
    )
    def receive(self, role: Role, dataset: str, edition: int) -> None:
        file = self.world.files[dataset][edition]
        expected = self.expected[role]
        if dataset in expected.parts or expected.stage is not Stage.COLLECTING:
            self.refused(role, lambda me: operations.receive(me, file), ProtocolError)
            return
        (receipt,) = operations.receive(self.stores[role], file)
        self.took(role, dataset, edition)
        complete = self.expected[role].stage is Stage.COMPLETE
        assert (receipt.dataset, receipt.complete) == (dataset, complete)

    @rule(role=st.sampled_from(ROLES))
    def receive_foreign(self, role: Role) -> None:
        self.refused(role, lambda me: operations.receive(me, self.world.foreign), VerificationError)

    @rule(role=st.sampled_from(ROLES), dataset=st.sampled_from(DATASETS), share=st.floats(0, 0.999))
    def receive_cut_short(self, role: Role, dataset: str, share: float) -> None:
        file = self.world.files[dataset][0]
        cut = file[: int(len(file) * share)]
        self.refused(role, lambda me: operations.receive(me, cut), FormatError, ProtocolError)

    @rule(role=st.sampled_from(ROLES), dataset=st.sampled_from(DATASETS))
    def crash_while_receiving(self, role: Role, dataset: str) -> None:
        if dataset not in self.expected[role].parts and self.expected[role].stage is Stage.COLLECTING:
            file = self.world.files[dataset][0]
            self.crashes(role, "coordinator.store.database.move_on", lambda me: operations.receive(me, file))

    # What the roles do.

    @rule()
    def match(self) -> None:
        expected = self.expected[Role.MATCHER]
        if expected.stage in {Stage.COLLECTING, Stage.DESTROYED}:
            self.refused(Role.MATCHER, lambda me: operations.match(me, None, progress=silent), ProtocolError)
            return
        _, sealed = operations.match(self.stores[Role.MATCHER], None, progress=silent)
        if expected.stage is Stage.MATCHED:
            assert sealed == self.pairs
        expected.stage, self.pairs, self.matched = Stage.MATCHED, sealed, dict(expected.parts)

    @precondition(lambda self: self.expected[Role.MATCHER].stage is Stage.COMPLETE)
    @rule(place=st.sampled_from(PLACES_TO_CRASH[Role.MATCHER]))
    def crash_while_matching(self, place: str) -> None:
        self.crashes(Role.MATCHER, place, lambda me: operations.match(me, None, progress=silent))

    @precondition(lambda self: self.pairs is not None)
    @rule(role=st.sampled_from(ROLES))
    def hand_over_pairs(self, role: Role) -> None:
        pairs, expected = self.pairs, self.expected[role]
        assert pairs is not None
        if role is Role.MATCHER or "pairs" in expected.parts or expected.stage is not Stage.COLLECTING:
            self.refused(role, lambda me: operations.receive(me, pairs), ProtocolError)
            return
        operations.receive(self.stores[role], pairs)
        self.took(role, "pairs", 0)

    @rule()
    def issue(self) -> None:
        role, expected = Role.KEY_ISSUER, self.expected[Role.KEY_ISSUER]
        if expected.stage in {Stage.COLLECTING, Stage.DESTROYED}:
            self.refused(role, lambda me: operations.issue(me, None, progress=silent), ProtocolError)
        elif not self.same_editions():
            self.refused(role, lambda me: operations.issue(me, None, progress=silent), VerificationError)
        elif expected.stage is Stage.COMPLETE:
            expected.output = operations.issue(self.stores[role], None, progress=silent)
            expected.stage = Stage.ISSUED
        else:
            assert operations.issue(self.stores[role], None, progress=silent) == expected.output

    @precondition(
        lambda self: self.expected[Role.KEY_ISSUER].stage is Stage.COMPLETE and self.same_editions()
    )
    @rule(place=st.sampled_from(PLACES_TO_CRASH[Role.KEY_ISSUER]))
    def crash_while_issuing(self, place: str) -> None:
        self.crashes(Role.KEY_ISSUER, place, lambda me: operations.issue(me, None, progress=silent))

    @rule()
    def release(self) -> None:
        role, expected = Role.KEY_ISSUER, self.expected[Role.KEY_ISSUER]
        if expected.stage not in {Stage.ISSUED, Stage.RELEASED}:
            self.refused(role, lambda me: operations.release(me, None), ProtocolError)
            return
        self.witness(role)
        results = dict(operations.release(self.stores[role], None))
        assert dict(operations.release(self.stores[role], None)) == results
        expected.stage = Stage.RELEASED
        self.opens(results)

    @precondition(lambda self: self.expected[Role.KEY_ISSUER].stage is Stage.ISSUED)
    @rule()
    def crash_while_releasing(self) -> None:
        self.witness(Role.KEY_ISSUER)
        self.crashes(
            Role.KEY_ISSUER, "coordinator.store.database.move_on", lambda me: operations.release(me, None)
        )

    @rule(role=st.sampled_from(ROLES))
    def witness(self, role: Role) -> None:
        """Witnesses that know nothing of what other stores, in other examples, have shown of this log."""
        me = self.stores[role]
        self.world.project.witness(me, memories=me.folder)
        assert len(log.receipts(me, None)) == len(log.read(me, None).entries)

    @precondition(lambda self: self.expected[Role.KEY_ISSUER].stage is Stage.ISSUED)
    @rule()
    def release_what_nobody_witnessed(self) -> None:
        me = self.stores[Role.KEY_ISSUER]
        if log.read(me, None).with_quorum(holding=len(log.read(me, None).entries) - 1) is None:
            self.refused(Role.KEY_ISSUER, lambda me: operations.release(me, None), ProtocolError)

    @rule(role=st.sampled_from(ROLES), meant=st.sampled_from((False, False, False, False, True)))
    def destroy(self, role: Role, meant: bool) -> None:
        me, expected = self.stores[role], self.expected[role]
        over = expected.stage in {Stage.MATCHED, Stage.RELEASED, Stage.DESTROYED}
        if not over and not meant:
            self.refused(role, lambda me: operations.destroy(me, None), ProtocolError)
            return
        done = operations.destroy(me, None, unreleased=meant)
        assert operations.destroy(me, None) == done
        assert not list((me.folder / "containers").iterdir())
        expected.stage = Stage.DESTROYED

    @rule(role=st.sampled_from(ROLES))
    def restart(self, role: Role) -> None:
        self.stores[role].engine.dispose()
        self.stores[role] = operations.open_store(self.stores[role].folder, asked)

    @rule(role=st.sampled_from(ROLES))
    def register_again(self, role: Role) -> None:
        project = self.world.project
        self.refused(role, lambda me: project.register(me, project.agreement_path), ProtocolError)

    @rule(steps=st.integers(1, 5))
    def all_goes_well_for_a_while(self, steps: int) -> None:
        """So that runs get far in few steps."""
        for _ in range(steps):
            self.next_step()

    def next_step(self) -> None:
        matcher, issuer = (self.expected[role] for role in ROLES)
        missing = [
            (role, dataset)
            for role in ROLES
            for dataset in DATASETS
            if dataset not in self.expected[role].parts
        ]
        if missing:
            for role, dataset in missing:
                self.receive(role, dataset, 0)
        elif matcher.stage is Stage.COMPLETE:
            self.match()
        elif "pairs" not in issuer.parts:
            self.hand_over_pairs(Role.KEY_ISSUER)
        elif issuer.stage is Stage.COMPLETE:
            self.issue()
        elif issuer.stage is Stage.ISSUED:
            self.release()
        else:
            for role in ROLES:
                self.destroy(role, False)

    # What must hold all along.

    @invariant()
    def stages_are_as_expected_and_follow_the_table(self) -> None:
        for role, me in self.stores.items():
            (status,) = operations.status(me)
            assert status["stage"] == self.expected[role].stage.value
            stage = Stage.COLLECTING
            entries = [
                log_format.parse(raw) for (raw,) in _rows(me, "select raw from log_entry order by place")
            ]
            assert entries[0].kind == "registered"
            for entry in entries[1:]:
                if entry.kind == "destroyed":
                    stage = Stage.DESTROYED
                    self.reached.add((role, stage))
                    continue
                steps = [step for step, kind in LOGGED_AS.items() if kind == entry.kind]
                stage = next(
                    there
                    for there in (TRANSITIONS.get((role, stage, step)) for step in steps)
                    if there is not None and there.value == entry.stage
                )
                self.reached.add((role, stage))
            assert stage is self.expected[role].stage

    @invariant()
    def the_log_holds(self) -> None:
        for me in self.stores.values():
            assert len(log.verify(me, None)) == 5

    @invariant()
    def parts_are_as_expected_and_once(self) -> None:
        for role, me in self.stores.items():
            parts = [dataset or "pairs" for (dataset,) in _rows(me, "select dataset from part")]
            assert sorted(parts) == sorted(self.expected[role].parts)

    @invariant()
    def containers_are_whole(self) -> None:
        for role, me in self.stores.items():
            if self.expected[role].stage is Stage.DESTROYED:
                continue
            for (digest,) in _rows(me, "select container_sha256 from part"):
                assert hashlib.sha256((me.folder / "containers" / digest).read_bytes()).hexdigest() == digest

    # How these are told.

    def took(self, role: Role, part: str, edition: int) -> None:
        expected = self.expected[role]
        expected.parts[part] = edition
        wanted = {*DATASETS} if role is Role.MATCHER else {*DATASETS, "pairs"}
        if set(expected.parts) == wanted:
            expected.stage = Stage.COMPLETE

    def same_editions(self) -> bool:
        held = {
            name: edition for name, edition in self.expected[Role.KEY_ISSUER].parts.items() if name != "pairs"
        }
        return held == self.matched

    def refused(self, role: Role, step: Callable[[Coordinator], Any], *errors: type[PprlError]) -> None:
        before = _everything(self.stores[role])
        with pytest.raises(errors):
            step(self.stores[role])
        assert _everything(self.stores[role]) == before

    def crashes(self, role: Role, place: str, step: Callable[[Coordinator], Any]) -> None:
        before = _everything(self.stores[role])["tables"]
        with mock.patch(place, side_effect=Crash), pytest.raises(Crash):
            step(self.stores[role])
        assert _everything(self.stores[role])["tables"] == before

    def opens(self, results: dict[str, bytes]) -> None:
        """Every recipient can open its result, and the crosswalk's keys are among the departments'."""
        project = self.world.project
        held = set()
        for dataset in DATASETS:
            sealed = results[f"{dataset}.linkage-keys"]
            receipt = results[f"{dataset}.linkage-keys.receipt"]
            opened = department.open_linkage_keys(sealed, receipt, project.signatory(f"{dataset}-dept"))
            held |= {key.tobytes() for key in opened.keys}
        crosswalk = department.open_crosswalk(
            results["crosswalk"], results["crosswalk.receipt"], project.signatory(RESEARCH)
        )
        assert {key.tobytes() for key in crosswalk.keys} <= held


def _rows(me: Coordinator, query: str) -> list[tuple[Any, ...]]:
    with closing(sqlite3.connect(me.folder / "coordinator.sqlite")) as connection:
        return connection.execute(query).fetchall()


def _everything(me: Coordinator) -> dict[str, Any]:
    with closing(sqlite3.connect(me.folder / "coordinator.sqlite")) as connection:
        tables = list(connection.iterdump())
    return {
        "tables": tables,
        "containers": sorted(path.name for path in (me.folder / "containers").iterdir()),
    }


@pytest.fixture(scope="module")
def world(made_project: Project, tmp_path_factory: pytest.TempPathFactory) -> World:
    return _world(made_project.copy(tmp_path_factory.mktemp("world") / "project"))


@pytest.fixture(scope="module")
def field_filter_world(made_field_filter_project: Project, tmp_path_factory: pytest.TempPathFactory) -> World:
    return _world(made_field_filter_project.copy(tmp_path_factory.mktemp("world") / "project"))


def _world(project: Project) -> World:
    other = project.amended("other.toml", {("linkage", "target_precision"): 0.9})
    files = {name: (project.submission(name).read_bytes(), project.encode(name)) for name in DATASETS}
    return World(project, files, project.encode("police", agreement_path=other))


def _simulate(world: World, *, examples: int, steps: int) -> None:
    reached: set[tuple[Role, Stage]] = set()
    machine = type("SimulationHere", (Simulation,), {"world": world, "reached": reached})
    run_state_machine_as_test(
        machine,
        settings=settings(
            max_examples=examples, stateful_step_count=steps, deadline=None, database=None,
            suppress_health_check=list(HealthCheck), derandomize=True,
            phases=(Phase.generate, Phase.shrink),
        ),
    )  # fmt: skip
    assert reached == {(role, stage) for (role, _, _), stage in TRANSITIONS.items()}, "it must get everywhere"


def test_simulation(field_filter_world: World) -> None:
    """Scheme field-filters: `test_protocol` takes the same steps, among others, under scheme clk."""
    _simulate(field_filter_world, examples=4, steps=15)


@pytest.mark.slow
def test_long_simulation(world: World) -> None:
    _simulate(world, examples=30, steps=40)


# What a simulation found, or might, as a short readable script.


def test_a_crash_while_matching_leaves_a_run_that_can_be_matched(world: World, tmp_path: Path) -> None:
    project = world.project.copy(tmp_path / "p")
    me = project.receive_all(Role.MATCHER)
    with mock.patch("coordinator.store.database.move_on", side_effect=Crash), pytest.raises(Crash):
        operations.match(me, None, progress=silent)
    _, first = operations.match(operations.open_store(me.folder, asked), None, progress=silent)
    _, again = operations.match(me, None, progress=silent)
    assert first == again


def test_two_commands_at_once_match_once(world: World, tmp_path: Path) -> None:
    """A second command that steps while the first still works is refused, and the first one's pairs stay."""
    project = world.project.copy(tmp_path / "p")
    me = project.receive_all(Role.MATCHER)
    second: list[bytes] = []

    def overtaken(*arguments: Any, **details: Any) -> None:
        with mock.patch("coordinator.operations.finish", custody.finish):
            second.append(operations.match(operations.open_store(me.folder, asked), None, progress=silent)[1])
        custody.finish(*arguments, **details)

    with mock.patch("coordinator.operations.finish", overtaken), pytest.raises(ProtocolError):
        operations.match(me, None, progress=silent)
    assert operations.match(me, None, progress=silent)[1] == second[0]
