"""Attacks on destruction: by whoever has a copy of what was destroyed, or would rather keep it."""

from __future__ import annotations

import io
import shutil
from datetime import date
from functools import cache
from typing import Any

from coordinator import destruction, operations
from coordinator.operations import Coordinator
from coordinator.store import database
from coordinator.store.stages import Role
from pprl.crypto import container
from pprl.crypto.exchange import Signatory, seal_for
from pprl.crypto.x_wing import XWingKey
from pprl.errors import KeyFileError, ProtocolError, VerificationError
from pprl.files import holdings
from pprl.files.holdings import Holdings
from pprl.protocol.agreement import Party
from pprl.protocol.signatures import SignedAgreement
from tests.attacks.ground import collecting, fresh, made, store_of
from tests.attacks.registry import Attack, remove
from tests.support.project import MATCHER, Project


def with_backup() -> tuple[Project, Coordinator]:
    """A matcher's store, and a copy of it beside."""
    project = fresh(collecting(Role.MATCHER))
    me = store_of(project, Role.MATCHER)
    shutil.copytree(me.folder, project.folder / "backup")
    return project, me


def restored_backup() -> Any:
    """The store is destroyed, put back from a backup, and goes on."""
    project, me = with_backup()
    operations.destroy(me, None, unreleased=True)
    shutil.rmtree(me.folder)
    shutil.copytree(project.folder / "backup", me.folder)
    return operations.receive(store_of(project, Role.MATCHER), project.submission("court").read_bytes())


@cache
def department() -> Signatory:
    """Whoever seals: made while run keys are what they are."""
    return made().signatory("police-dept")


def carried_copy() -> Any:
    """Whoever carried a container kept a copy; the recipient still has its identity's keys, and opens it with those."""
    project, agreement = made(), made().agreement
    mine = project.identity(MATCHER)
    sealed = seal_for(
        agreement.content.party_named(MATCHER), b"encodings", me=department(),
        kind="encodings", records=56, dataset="police",
    )  # fmt: skip
    return container.open_container(
        io.BytesIO(sealed),
        io.BytesIO(),
        me=mine,
        opens_with=mine.x_wing,
        agreement=agreement,
        kind="encodings",
        transcript=department().agreement.transcript.sha256,
    )


@cache
def destroyed() -> Project:
    project, me = with_backup()
    operations.destroy(me, None, unreleased=True)
    return project


def work_after_destruction() -> Any:
    """A store takes in again what it has certified to be gone. Somebody has put its run key back."""
    project = fresh(destroyed())
    kept, before = (each.holdings(MATCHER).run_key for each in (project, made()))
    shutil.copyfile(before, kept)
    kept.chmod(0o600)
    return operations.receive(store_of(project, Role.MATCHER), project.submission("court").read_bytes())


def before_it_is_over() -> Any:
    """Somebody has a run destroyed before it gave what was agreed."""
    _, me = with_backup()
    return operations.destroy(me, None)


def with_the_key_put_aside() -> Any:
    """A coordinator moves its run key away, and has it certified that everything is gone."""
    project, me = with_backup()
    project.holdings(MATCHER).run_key.rename(project.folder / "aside")
    return operations.destroy(me, None, unreleased=True)


def to_the_identity(agreement: SignedAgreement, party: Party) -> str:
    """What others would seal to if there were no run keys."""
    assert party.keys is not None
    return party.keys.x_wing


def keeping_the_key(kept: Holdings, *, today: date) -> None:
    return None


ATTACKS = (
    Attack("a restored backup", "a store is put back from a backup after it was destroyed, and goes on",
           restored_backup, KeyFileError, "was destroyed on",
           [remove(destruction, "destroy_run_key", keeping_the_key, refuses=holdings._require_not_destroyed,
                   number=2)]),
    Attack("a carrier's copy", "a copy of a container is opened with the keys that outlive the run",
           carried_copy, VerificationError, "not wrapped for this key",
           [remove(SignedAgreement, "run_key_of", to_the_identity, refuses=XWingKey.unwrap)]),
    Attack("work after destruction", "a store goes on after its certificate said that everything is gone",
           work_after_destruction, ProtocolError, "was destroyed on",
           [remove(database, "require_not_destroyed")], "is missing or damaged"),
    Attack("destroyed too early", "a run is destroyed before it gave what was agreed",
           before_it_is_over, ProtocolError, "nothing more could come of it",
           [remove(destruction, "_require_over", number=1)]),
    Attack("a run key put aside", "a run key is kept somewhere else, and certified to be gone",
           with_the_key_put_aside, KeyFileError, "has no run key for this agreement",
           [remove(destruction, "_require_run_key", number=1)]),
)  # fmt: skip
