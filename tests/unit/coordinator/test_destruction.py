"""The end of a run: nothing opens any more, nothing is claimed before it is so, and a certificate shows it."""

from __future__ import annotations

import dataclasses
import hashlib
import io
import json
import shutil
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any
from unittest import mock

import pytest
from sqlalchemy import text

from coordinator import destruction, log, operations, project_keys
from coordinator.custody import holdings, keep, utc_now
from coordinator.operations import Coordinator
from coordinator.store import database
from coordinator.store.stages import Role
from pprl.crypto import container
from pprl.crypto.certificates import open_certificate, run_key_sha256
from pprl.errors import KeyFileError, ProtocolError, VerificationError
from pprl.files.holdings import made_run_key, run_key_of
from pprl.protocol import log as log_format
from pprl.protocol import submission
from pprl.protocol.agreement import parse
from tests.support.keys import asked
from tests.support.project import DATASETS, MATCHER, Project, silent


@pytest.fixture(scope="module")
def made_matched(made_project: Project, tmp_path_factory: pytest.TempPathFactory) -> Project:
    """A project whose matcher has matched, with the pairs beside it."""
    project = made_project.copy(tmp_path_factory.mktemp("matched") / "project")
    (project.folder / "pairs.sealed").write_bytes(project.match())
    return project


@pytest.fixture
def matched(made_matched: Project, tmp_path: Path) -> Project:
    return made_matched.copy(tmp_path / "matched")


def store(project: Project, role: Role = Role.MATCHER, folder: Path | None = None) -> Coordinator:
    me = operations.open_store(folder or project.store(role), asked)
    # The copied store remembers where the key file was; its run key is beside the copy.
    return dataclasses.replace(me, key_file=project.key(me.identity.party))


def containers(me: Coordinator) -> set[str]:
    return {path.name for path in (me.folder / "containers").iterdir()}


def kinds(me: Coordinator) -> list[str]:
    return [log_format.parse(raw).kind for raw in log.read(me, None).entries]


def restored(me: Coordinator, backup: Path) -> Coordinator:
    """The store as a backup had it, in its old place."""
    shutil.rmtree(me.folder)
    shutil.copytree(backup, me.folder)
    return dataclasses.replace(operations.open_store(me.folder, asked), key_file=me.key_file)


STEPS: dict[str, Callable[[Coordinator, Project], Any]] = {
    "receive": lambda me, project: operations.receive(me, project.submission("police").read_bytes()),
    "match": lambda me, _: operations.match(me, None, progress=silent),
}


def test_sealed_files_and_run_key_are_gone_and_certified(matched: Project) -> None:
    me = store(matched)
    held, run_key = containers(me), holdings(me, matched.agreement).run_key
    assert len(held) == 4
    assert run_key.exists()
    done = operations.destroy(me, None)
    assert not containers(me)
    assert not run_key.exists()
    assert set(done.certificate.containers) == held
    assert (done.certificate.party, done.certificate.roles) == (MATCHER, ("matcher",))
    assert kinds(me)[-1] == "destroyed"


def test_every_later_step_says_so(matched: Project) -> None:
    me = store(matched)
    day = operations.destroy(me, None).certificate.destroyed_on
    for step in STEPS.values():
        with pytest.raises(ProtocolError, match=f"was destroyed on {day}"):
            step(me, matched)
    (status,) = operations.status(me)
    assert (status["stage"], status["destroyed_on"]) == ("destroyed", str(day))


def test_it_gives_the_same_certificate_again(matched: Project) -> None:
    me = store(matched)
    first = operations.destroy(me, None)
    later = dataclasses.replace(me, now=lambda: me.now() + timedelta(days=400))
    assert operations.destroy(later, None) == first
    assert kinds(me).count("destroyed") == 1


@pytest.mark.parametrize("step", STEPS)
def test_a_restored_backup_opens_nothing(matched: Project, tmp_path: Path, step: str) -> None:
    me = store(matched)
    if step == "match":  # the pairs were made: a step that has to open encodings is wanted
        me = _not_matched_yet(me)
    backup = Path(shutil.copytree(me.folder, tmp_path / "backup"))
    done = operations.destroy(me, None, unreleased=True)
    again = restored(me, backup)
    assert containers(again) == set(done.certificate.containers)
    with pytest.raises(KeyFileError, match=f"was destroyed on {done.certificate.destroyed_on}"):
        STEPS[step](again, matched)


def _not_matched_yet(me: Coordinator) -> Coordinator:
    """A store whose run is complete, as in the moment before the match."""
    with database.writing(me.engine) as session:
        session.execute(text("update run set stage = 'complete', report = '{}'"))
        session.execute(text("delete from log_entry where place = (select max(place) from log_entry)"))
    return me


def test_no_copy_decrypts_even_with_the_identity_key(matched: Project, tmp_path: Path) -> None:
    me = store(matched)
    before = run_key_of(holdings(me, matched.agreement), me.identity, matched.agreement)
    backup = Path(shutil.copytree(me.folder, tmp_path / "backup"))
    carried = matchers_half(matched.submission("police").read_bytes())
    operations.destroy(me, None)
    copies = [carried, *(path.read_bytes() for path in (backup / "containers").iterdir())]
    mine = [raw for raw in copies if container.peek(io.BytesIO(raw)).recipient == MATCHER]
    assert len(mine) == 1 + len(DATASETS)
    for raw in mine:
        assert opened(me, raw, matched, before)
        with pytest.raises(VerificationError, match="not wrapped for"):
            opened(me, raw, matched, me.identity.x_wing)


def matchers_half(file: bytes) -> bytes:
    """The matcher's half of a submission, as its carrier has it."""
    offset, length = submission.containers(io.BytesIO(file))[0]
    return file[offset : offset + length]


def opened(me: Coordinator, raw: bytes, project: Project, key: Any) -> bytes:
    plain = io.BytesIO()
    container.open_container(
        io.BytesIO(raw), plain, me=me.identity, opens_with=key, agreement=project.agreement, kind="encodings",
        transcript=container.peek(io.BytesIO(raw)).transcript,
    )  # fmt: skip
    return plain.getvalue()


def test_what_a_stopped_command_left_goes_as_well(matched: Project) -> None:
    me = store(matched)
    raw = matched.encode("police")
    left = keep(me, matchers_half(raw))
    (me.folder / "containers" / ".pprl-cut").write_bytes(raw[:100])
    (holdings(me, matched.agreement).folder / ".pprl-key").write_bytes(b"a run key, half written")
    done = operations.destroy(me, None)
    assert left in done.certificate.containers
    assert not containers(me)
    assert {path.name for path in holdings(me, matched.agreement).folder.iterdir()} == {
        "remembers",
        "run.destroyed",
    }


def test_shares_that_pass_through_go_as_well(matched: Project) -> None:
    me = store(matched)
    share = matched.share("police-dept", "court-dept").read_bytes()
    operations.receive(me, share)
    done = operations.destroy(me, None)
    assert hashlib.sha256(share).hexdigest() in done.certificate.containers
    assert not containers(me)
    with pytest.raises(ProtocolError, match="was destroyed on"):
        operations.hand_on(me, None, "court-dept")


def test_another_agreements_containers_stay(matched: Project) -> None:
    me = store(matched)
    values = {("project", "id"): "another", ("project", "title"): "Another"}
    path = matched.amended("another.toml", values)
    matched.register(me, path)
    held = containers(me)
    operations.receive(me, matched.encode("police", agreement_path=path))
    others = containers(me) - held
    operations.destroy(me, matched.agreement.sha256)
    assert containers(me) == others
    assert operations.receive(me, matched.encode("court", agreement_path=path))


CRASHES = ("destroy_run_key", "delete_files", "_delete_containers", "sign_certificate", "after")


class Crash(Exception):  # noqa: N818 - not an error of anybody's
    """The machine stops here."""


@pytest.mark.parametrize("place", CRASHES)
@pytest.mark.parametrize("when", ["before", "behind"])
def test_a_crash_between_any_two_steps_claims_nothing_and_can_be_ended(
    matched: Project, place: str, when: str
) -> None:
    me = store(matched)
    held, stage = containers(me), "matched"
    real = getattr(destruction, place)

    def stops(*arguments: Any, **named: Any) -> None:
        if when == "behind":
            real(*arguments, **named)
        raise Crash

    with mock.patch.object(destruction, place, stops), pytest.raises(Crash):
        operations.destroy(me, None)
    (status,) = operations.status(me)
    assert (status["stage"], status["destroyed_on"], kinds(me)[-1]) == (stage, None, "matched")
    assert destruction.certificate_of(me, matched.agreement.sha256) is None
    log.verify(me, None)
    for step in STEPS.values():
        with pytest.raises(ProtocolError, match="was begun"):
            step(me, matched)
    done = operations.destroy(me, None)
    assert set(done.certificate.containers) == held
    assert not containers(me)
    assert kinds(me).count("destroyed") == 1


def test_a_crash_before_anything_is_written_down_changes_nothing(matched: Project) -> None:
    me = store(matched)
    held = containers(me)
    with mock.patch.object(destruction, "_left_behind", side_effect=Crash), pytest.raises(Crash):
        operations.destroy(me, None)
    assert containers(me) == held
    assert operations.match(me, None, progress=silent)


def test_a_run_that_is_not_over_goes_only_if_that_is_meant(made_project: Project, tmp_path: Path) -> None:
    project = made_project.copy(tmp_path / "p")
    me = project.receive_all(Role.KEY_ISSUER)
    with pytest.raises(ProtocolError, match="key-issuer's run is collecting"):
        operations.destroy(me, None)
    assert operations.destroy(me, None, unreleased=True).certificate.roles == ("key-issuer",)


def test_what_is_overdue_goes_without_a_word(made_project: Project, tmp_path: Path) -> None:
    project = made_project.copy(tmp_path / "p")
    me = project.receive_all(Role.MATCHER)
    late = dataclasses.replace(me, now=lambda: utc_now() + timedelta(days=3_000))
    assert operations.destroy(late, None).certificate.containers


def test_another_run_key_is_not_certified(matched: Project) -> None:
    me = store(matched)
    kept = holdings(me, matched.agreement)
    held = containers(me)
    kept.run_key.rename(kept.folder / "elsewhere")
    with pytest.raises(KeyFileError, match="has no run key"):
        operations.destroy(me, None)
    made_run_key(kept, me.identity, matched.agreement)
    with pytest.raises(VerificationError, match="not the one"):
        operations.destroy(me, None)
    assert containers(me) == held
    assert destruction.certificate_of(me, matched.agreement.sha256) is None


def test_no_second_run_key_is_made(matched: Project) -> None:
    me = store(matched)
    operations.destroy(me, None)
    with pytest.raises(KeyFileError, match="was destroyed on"):
        made_run_key(holdings(me, matched.agreement), me.identity, matched.agreement)


def test_the_certificate_verifies_with_public_keys_and_names_the_signed_run_key(matched: Project) -> None:
    me = store(matched)
    done = operations.destroy(me, None)
    agreement = matched.signatory("police-dept").agreement
    told = open_certificate(done.raw, agreement=agreement, party=MATCHER, today=me.now().date())
    assert told == done.certificate
    assert told.run_key_sha256 == run_key_sha256(agreement, agreement.content.party_named(MATCHER))
    with pytest.raises(VerificationError):
        open_certificate(done.raw, agreement=agreement, party="police-dept", today=me.now().date())


def test_a_destroyed_run_is_exported_and_its_log_holds(matched: Project) -> None:
    me = store(matched)
    done = operations.destroy(me, None)
    matched.witness(me)
    files = operations.export(me, None)
    assert files["certificate"] == done.raw
    last = json.loads(files["entries.jsonl"].splitlines()[-1])
    assert last["detail"]["certificate_sha256"] == hashlib.sha256(done.raw).hexdigest()
    assert any("matcher destroyed" in line for line in log.verify(me, None))
    assert {name for name in files if name.startswith("heads/")}


def test_both_roles_of_one_office_end_at_once(made_project: Project, tmp_path: Path) -> None:
    project = made_project.copy(tmp_path / "p")
    path = project.one_office()
    folder = project.folder / "office"
    roles = (Role.MATCHER, Role.KEY_ISSUER)
    operations.initialise(folder, key_file=project.key(MATCHER), passphrase=asked, roles=roles)
    me = operations.open_store(folder, asked)
    project.register(me, path)
    for name in DATASETS:
        operations.receive(me, project.encode(name, agreement_path=path))
    report = operations.link(me, None, progress=silent)
    project.witness(me)
    with pytest.raises(ProtocolError, match="key-issuer's run is issued"):
        operations.destroy(me, None)
    operations.release(me, None)
    done = operations.destroy(me, None)
    assert done.certificate.roles == ("key-issuer", "matcher")
    assert set(report["results"].values()) <= set(done.certificate.containers)
    assert {each["stage"] for each in operations.status(me)} == {"destroyed"}
    for step in (operations.issue, operations.link):
        with pytest.raises(ProtocolError, match="was destroyed on"):
            step(me, None, progress=silent)
    with pytest.raises(ProtocolError, match="was destroyed on"):
        operations.release(me, None)
    assert operations.report(me, None)
    project.witness(me)
    assert "summary.json" in operations.export(me, None)
    log.verify(me, None)


def test_a_log_takes_no_entry_once_a_destruction_was_begun(matched: Project) -> None:
    me = store(matched)
    with mock.patch.object(destruction, "destroy_run_key", side_effect=Crash), pytest.raises(Crash):
        operations.destroy(me, None)
    with pytest.raises(ProtocolError, match="was begun"):
        log.refused(me, matched.agreement, "A reason.")


def test_a_version_that_was_destroyed_before_it_issued_holds_up_no_next_one(project: Project) -> None:
    keep_keys = ("release", "keep_linkage_keys")
    project.adopt(project.amended("first.toml", {keep_keys: True}))
    me = project.open_store(Role.KEY_ISSUER)
    destruction.destroy(me, None, unreleased=True)
    chain = {("project", "version"): 2, ("project", "previous_sha256"): project.agreement.sha256}
    second = project.amended("second.toml", {**chain, keep_keys: True})
    project.register(me, second)
    assert not project_keys._kept_before(me, parse(second.read_bytes(), where="second"))
