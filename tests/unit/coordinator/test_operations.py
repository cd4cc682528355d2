"""Operations on their results: what both roles in one office get, what is public, when things must be gone."""

from __future__ import annotations

import base64
import hashlib
import io
import json
from collections import defaultdict
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from coordinator import intake, log, operations
from coordinator.linkage import compare
from coordinator.operations import Coordinator
from coordinator.store import database
from coordinator.store.stages import Role
from pprl import department
from pprl.agreements.amend import with_values
from pprl.errors import ConfigError, DisclosureError, ProtocolError, VerificationError
from pprl.protocol import submission
from pprl.protocol.agreement import AgreementFile, parse
from pprl.protocol.log import parse as parse_entry
from tests.support.keys import asked
from tests.support.project import DATASETS, MATCHER, RESEARCH, Project, silent
from tests.support.submissions import write_submission

BOTH = (Role.MATCHER, Role.KEY_ISSUER)


def _office(project: Project, name: str, agreement: Path, files: list[bytes]) -> Coordinator:
    operations.initialise(project.folder / name, key_file=project.key(MATCHER), passphrase=asked, roles=BOTH)
    me = operations.open_store(project.folder / name, asked)
    project.register(me, agreement)
    for file in files:
        operations.receive(me, file)
    return me


def _people(project: Project, path: Path, results: dict[str, bytes]) -> set[frozenset[bytes]]:
    """Who belongs together, as sets of the departments' own handles."""
    handles: dict[bytes, set[bytes]] = defaultdict(set)
    for name in DATASETS:
        result = f"{name}.linkage-keys"
        opened = department.open_linkage_keys(
            results[result], results[f"{result}.receipt"], project.signatory(f"{name}-dept", path)
        )
        for handle, key in zip(opened.handles, opened.keys, strict=True):
            handles[key.tobytes()].add(handle.tobytes())
    crosswalk = department.open_crosswalk(
        results["crosswalk"], results["crosswalk.receipt"], project.signatory(RESEARCH, path)
    )
    together: dict[bytes, set[bytes]] = defaultdict(set)
    for person, key in zip(crosswalk.people, crosswalk.keys, strict=True):
        together[person.tobytes()] |= handles.pop(key.tobytes())
    return {frozenset(each) for each in (*together.values(), *handles.values())}


def test_link_is_match_handed_over_and_issue(project: Project) -> None:
    path = project.one_office()
    files = [project.encode(name, agreement_path=path) for name in DATASETS]
    at_once = _office(project, "at-once", path, files)
    report = operations.link(at_once, None, progress=silent)
    in_steps = _office(project, "in-steps", path, files)
    _, pairs = operations.match(in_steps, None, progress=silent)
    operations.receive(in_steps, pairs)
    again = operations.issue(in_steps, None, progress=silent)
    for each in (report, again):
        each.pop("results")
        each.pop("seconds")
        assert each.pop("memory")["peak_bytes"] > 10_000_000
    assert report == again
    for me in (at_once, in_steps):
        # Two histories of one log: no witness would sign both.
        project.witness(me, memories=me.folder)
    first, second = (dict(operations.release(me, None)) for me in (at_once, in_steps))
    assert _people(project, path, first) == _people(project, path, second)
    assert first["crosswalk"] != second["crosswalk"], "keys are drawn afresh"


def test_parts_of_two_submissions_are_not_one(project: Project) -> None:
    path = project.one_office()
    me = _office(project, "office", path, [])
    one, other = (project.encode("police", agreement_path=path) for _ in range(2))
    parts = [
        [file[start : start + length] for start, length in submission.containers(io.BytesIO(file))]
        for file in (one, other)
    ]
    mixed = write_submission(parts[0][0], parts[1][1])
    with pytest.raises(VerificationError, match="different submissions"):
        operations.receive(me, mixed)
    assert not list((me.folder / "containers").iterdir())
    assert operations.status(me)[0]["received"] == []


@pytest.mark.parametrize("changed", ["verified", "kept"])
def test_a_file_that_changes_while_it_is_received(
    project: Project, changed: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever can write to the folder that files come from changes one at the worst moment."""
    me = project.open_store(Role.MATCHER)
    path = project.folder / "incoming"
    path.write_bytes(project.submission("police").read_bytes())
    module, name, place = {
        "verified": (operations, "verify", -1), "kept": (intake, "keep_verified", 200),
    }[changed]  # fmt: skip
    real = getattr(module, name)

    def then_changed(*given: Any) -> Any:
        done = real(*given)
        _damage(path, place)
        return done

    monkeypatch.setattr(module, name, then_changed)
    with path.open("rb", buffering=0) as file:
        if changed == "kept":
            (receipt,) = operations.receive(me, file)
            assert operations.kept(me, receipt.container_sha256) in project.submission("police").read_bytes()
            return
        with pytest.raises(VerificationError, match="changed while it was received") as error:
            operations.receive(me, file)
    assert "a folder of your own" in error.value.hint
    assert not list((me.folder / "containers").iterdir())
    assert operations.status(me)[0]["received"] == []
    monkeypatch.undo()
    assert operations.receive(me, project.submission("police").read_bytes()), "the sender's own file is taken"


def _damage(path: Path, place: int) -> None:
    """Change a byte of the first container in a submission."""
    start, length = submission.containers(io.BytesIO(raw := path.read_bytes()))[0]
    damaged = bytearray(raw)
    damaged[start + place % length] ^= 1
    path.write_bytes(damaged)


def test_the_public_summary_tells_no_exact_number_of_people(project: Project) -> None:
    shy = project.amended("shy.toml", {("release", "small_number_limit"): 9})
    for name in DATASETS:
        project.submission(name).write_bytes(project.encode(name, agreement_path=shy))
    project.adopt(shy)
    me = project.issue()
    exact = operations.issue(me, None, progress=silent)["linked_people"]
    project.witness(me)
    summary = json.loads(operations.release(me, None)["summary.json"])
    assert exact % 9, "else the test says nothing"
    assert summary["linked_people"] == exact // 9 * 9
    assert set(summary) == {"project", "agreement_sha256", "records", "linked_people", "method"}


def test_the_public_summary_of_a_refused_run_tells_no_people(project: Project) -> None:
    few = project.amended("few.toml", {("release", "min_linked_people"): 100_000})
    for name in DATASETS:
        project.submission(name).write_bytes(project.encode(name, agreement_path=few))
    project.adopt(few)
    me = project.issue()
    assert operations.issue(me, None, progress=silent)["linked_people"] > 10, "else the test says nothing"
    with pytest.raises(DisclosureError):
        operations.release(me, None)
    project.witness(me)
    summary = operations.export(me, None)["summary.json"]
    assert json.loads(summary)["linked_people"] is None
    entry = parse_entry(log.read(me, None).entries[-2])
    assert entry.detail["summary_sha256"] == hashlib.sha256(summary).hexdigest()


def test_the_public_summary_tells_no_small_dataset(project: Project) -> None:
    report = {"records": {"police": 10, "court": 9}, "linked_people": 10, "method": "any"}
    summary = json.loads(operations._public_summary(project.agreement, report))
    assert summary["records"] == {"police": 10, "court": "fewer than 10"}


def test_too_many_alike_are_refused_with_the_names_of_the_datasets(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    me = project.receive_all(Role.MATCHER)
    monkeypatch.setattr(compare, "ALWAYS_ROOM_FOR", 0)
    monkeypatch.setattr(compare, "MOST_PAIRS_A_RECORD", 0)
    with pytest.raises(DisclosureError, match=r"alike\. They are within police"):
        operations.match(me, None, progress=silent)


@pytest.mark.parametrize("damaged", ["zeros", "ones"])
def test_a_damaged_public_key_is_noticed_when_the_agreement_is_registered(
    project: Project, damaged: str
) -> None:
    key = base64.b64encode({"zeros": bytes(1216), "ones": b"\xff" * 1216}[damaged]).decode()
    bad = project.amended("bad.toml", {("party", 5, "keys", "x_wing"): key})
    operations.initialise(
        project.store(Role.MATCHER), key_file=project.key(MATCHER), passphrase=asked, roles=(Role.MATCHER,)
    )
    me = operations.open_store(project.store(Role.MATCHER), asked)
    with pytest.raises(ConfigError, match="public keys of 'research'"):
        project.register(me, bad)


def test_a_store_is_its_owners_alone(project: Project) -> None:
    folder = project.folder / "store"
    folder.mkdir(mode=0o777)
    folder.chmod(0o777)
    operations.initialise(folder, key_file=project.key(MATCHER), passphrase=asked, roles=(Role.MATCHER,))
    modes = {path.name: path.stat().st_mode & 0o777 for path in (folder, *folder.iterdir())}
    assert modes == {"store": 0o700, "containers": 0o700, "coordinator.sqlite": 0o600}


@pytest.mark.parametrize("prepared", ["symlink", "dangling", "containers", "file"])
def test_a_store_takes_no_folder_that_somebody_has_prepared(project: Project, prepared: str) -> None:
    folder, elsewhere = project.folder / "store", project.folder / "elsewhere"
    if prepared == "file":
        folder.write_bytes(b"")
    elif prepared == "containers":
        (folder / "containers").mkdir(parents=True)
    else:
        folder.symlink_to(elsewhere)
    if prepared == "symlink":
        elsewhere.mkdir(mode=0o755)
    with pytest.raises(ProtocolError, match="not an empty folder"):
        operations.initialise(folder, key_file=project.key(MATCHER), passphrase=asked, roles=(Role.MATCHER,))
    assert not (elsewhere / "coordinator.sqlite").exists()
    assert prepared != "symlink" or elsewhere.stat().st_mode & 0o777 == 0o755


def test_a_database_that_somebody_has_put_there_is_not_opened(tmp_path: Path) -> None:
    (tmp_path / database.DATABASE_NAME).symlink_to(tmp_path / "elsewhere")
    with pytest.raises(FileExistsError):
        database.create(tmp_path, party="x", roles=(Role.MATCHER,), key_file=tmp_path / "key")
    assert not (tmp_path / "elsewhere").exists()


def test_what_must_be_gone_by_when(project: Project) -> None:
    role = Role.KEY_ISSUER
    project.open_store(role)
    (status,) = operations.status(operations.open_store(project.store(role), asked))
    allowed = project.agreement.content.retention
    today = datetime.now(UTC).date()
    days = {
        name: (datetime.fromisoformat(day).date() - today).days for name, day in status["gone_by"].items()
    }
    assert days == {
        "references": allowed.references_days, "pairs": allowed.pairs_days, "linkage_keys": allowed.linkage_keys_days,
    }  # fmt: skip


def test_results_outlive_what_they_were_made_from(project: Project) -> None:
    issuer = project.issue()
    project.witness(issuer)
    later = operations.open_store(issuer.folder, asked, now=lambda: datetime.now(UTC) + timedelta(days=40))
    assert set(operations.release(later, None)) > {"summary.json"}
    much_later = operations.open_store(
        issuer.folder, asked, now=lambda: datetime.now(UTC) + timedelta(days=200)
    )
    with pytest.raises(DisclosureError, match="gone by now: linkage_keys"):
        operations.release(much_later, None)


def _found(low: float | None = 0.99, people: int = 10, share: float = 0.2) -> dict[str, Any]:
    """As much of a run's report as release rules look at."""
    overlaps = [
        {"left": "police", "right": "court", "share": 0.9},
        {"left": "police", "right": "prison", "share": share},
    ]
    return {"estimated_precision": {"low": low}, "linked_people": people, "overlaps": overlaps}


RULES: dict[tuple[str | int, ...], Any] = {
    ("linkage", "target_precision"): 0.97,
    ("release", "min_linked_people"): 10,
    ("release", "min_overlap"): 0.2,
}


@pytest.fixture
def ruled(project: Project) -> Callable[..., AgreementFile]:
    """The project's agreement with rules of all sorts, some of them changed; None leaves one out."""

    def make(changes: Mapping[tuple[str | int, ...], Any] | None = None) -> AgreementFile:
        rules = {path: value for path, value in (RULES | dict(changes or {})).items() if value is not None}
        return parse(with_values(project.agreement_path.read_text(), rules).encode(), where="agreement")

    return make


@pytest.mark.parametrize(
    ("found", "says"),
    [
        (_found(low=None), r"No threshold makes it sure .*target_precision \(0\.97\)"),
        (_found(low=0.96999), r"may be lower than .*target_precision \(0\.97\)\.$"),
        (_found(low=0.0), r"may be lower than .*target_precision \(0\.97\)\.$"),
        (_found(people=9), r"min_linked_people \(10\)"),
        (_found(share=0.1999), r"'police' and 'prison' share fewer people .*min_overlap \(0\.2\)"),
        (_found(low=None, people=0, share=0.0), "No threshold"),
        (_found(people=0, share=0.0), "min_linked_people"),
    ],
)
def test_each_release_rule_refuses_for_its_own_reason(
    ruled: Callable[..., AgreementFile], found: dict[str, Any], says: str
) -> None:
    with pytest.raises(DisclosureError, match=says) as caught:
        operations._require_release_rules(ruled(), found)
    assert caught.value.hint.startswith("Nothing is released. ")
    assert operations._refusal(ruled(), found) == caught.value.message, "the report tells the same"


@pytest.mark.parametrize(
    ("changes", "found"),
    [
        ({}, _found()),
        ({}, _found(low=0.97)),
        ({("release", "min_overlap"): None}, _found(share=0.0)),
        ({("linkage", "threshold"): 0.8}, _found(low=None)),
        ({("linkage", "threshold"): 0.8}, _found(low=0.5)),
    ],
    ids=["all kept", "just kept", "no overlap agreed", "a fixed threshold", "a fixed threshold, unsure"],
)
def test_what_keeps_the_rules_is_released(
    ruled: Callable[..., AgreementFile], changes: dict[tuple[str | int, ...], Any], found: dict[str, Any]
) -> None:
    operations._require_release_rules(ruled(changes), found)
    assert operations._refusal(ruled(changes), found) is None


def test_the_public_summary_never_tells_that_everybody_was_linked(project: Project) -> None:
    told = set()
    for people in (85, 95, 100):
        report = {"records": {"police": 100, "court": 250}, "linked_people": people, "method": "any"}
        told.add(json.loads(operations._public_summary(project.agreement, report))["linked_people"])
    assert told == {80, 90}
