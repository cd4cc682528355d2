"""What the coordinator refuses, and that a refused file changes nothing in its store."""

from __future__ import annotations

import io
import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from coordinator import intake, operations
from coordinator.store.stages import Role
from pprl.crypto.exchange import open_from, seal_for
from pprl.errors import DisclosureError
from pprl.protocol import pairs, submission
from tests.support.commands import done, refused, run
from tests.support.keys import asked
from tests.support.project import DATASETS, ISSUER, MATCHER, Project
from tests.support.submissions import write_submission


def _at(project: Project, role: Role) -> tuple[str | Path, ...]:
    return "--store", project.store(role)


def _receive(project: Project, role: Role, *files: Path) -> tuple[str | Path, ...]:
    return "coordinator", "receive", *files, *_at(project, role)


def _match(project: Project) -> tuple[str | Path, ...]:
    return "coordinator", "match", *_at(project, Role.MATCHER), "-o", project.folder / "pairs"


def _written(project: Project, content: bytes) -> Path:
    path = project.folder / "file"
    path.write_bytes(content)
    return path


def _parts(project: Project) -> list[bytes]:
    raw = project.submission("police").read_bytes()
    return [raw[start : start + length] for start, length in submission.containers(io.BytesIO(raw))]


# Stores.


def test_init_twice(project: Project) -> None:
    project.open_store(Role.MATCHER)
    words = (
        "coordinator",
        "init",
        "--role",
        "matcher",
        "-k",
        project.key(MATCHER),
        *_at(project, Role.MATCHER),
    )
    refused(*words, status=8, says="a coordinator store in", within=project.folder)


def test_init_without_a_key(project: Project) -> None:
    words = (
        "coordinator",
        "init",
        "--role",
        "matcher",
        "-k",
        project.folder / "none",
        *_at(project, Role.MATCHER),
    )
    refused(*words, status=5, says="can't be read", within=project.folder)


@pytest.mark.parametrize(
    "command", [("status",), ("issue",), ("link",), ("match", "-o", "o"), ("release", "-o", "o")]
)
def test_no_store(project: Project, monkeypatch: pytest.MonkeyPatch, command: tuple[str, ...]) -> None:
    monkeypatch.chdir(project.folder)
    refused("coordinator", *command, status=8, says="no coordinator store in", within=project.folder)


def test_a_database_that_is_none(project: Project) -> None:
    me = project.open_store(Role.MATCHER)
    (me.folder / "coordinator.sqlite").write_bytes(b"not a database, but long enough to look at" * 100)
    words = ("coordinator", "status", *_at(project, Role.MATCHER))
    refused(*words, status=6, says="Restore it from a backup", within=project.folder)


def test_a_key_that_has_become_readable_to_others(project: Project) -> None:
    project.open_store(Role.MATCHER)
    project.key(MATCHER).chmod(0o644)
    words = ("coordinator", "status", *_at(project, Role.MATCHER))
    refused(*words, status=5, says="open to other users", within=project.folder)


def test_the_wrong_role(project: Project) -> None:
    words = (
        "coordinator",
        "init",
        "--role",
        "issuer",
        "-k",
        project.key(MATCHER),
        *_at(project, Role.MATCHER),
    )
    done(*words)
    words = ("coordinator", "agreement", "register", project.agreement_path, *_at(project, Role.MATCHER))
    refused(*words, status=3, says="does not make 'matcher' its key-issuer", within=project.folder)


def test_a_department_as_coordinator(project: Project) -> None:
    at = _at(project, Role.MATCHER)
    done("coordinator", "init", "--role", "both", "-k", project.key("police-dept"), *at)
    words = ("coordinator", "agreement", "register", project.agreement_path, *at)
    refused(*words, status=3, says="does not make 'police-dept' its matcher", within=project.folder)


# Versions.


def _with_previous(project: Project) -> Path:
    text = project.agreement_path.read_text("utf-8")
    link = f'version = 2\nprevious_sha256 = "{project.agreement.sha256}"'
    return project.agreed("second.toml", text.replace("version = 1", link, 1))


def test_an_older_version_is_not_taken_up_again(project: Project) -> None:
    second = _with_previous(project)
    project.open_store(Role.MATCHER, agreement_path=second)
    words = ("coordinator", "agreement", "register", project.agreement_path, *_at(project, Role.MATCHER))
    refused(*words, status=8, says="an older one is not taken up again", within=project.folder)


def test_the_same_version_with_other_content_is_not_taken_up(project: Project) -> None:
    project.open_store(Role.MATCHER)
    other = project.amended("other.toml", {("linkage", "target_precision"): 0.9})
    words = ("coordinator", "agreement", "register", other, *_at(project, Role.MATCHER))
    refused(*words, status=8, says="registered with other bytes", within=project.folder)


def test_the_same_agreement_twice(project: Project) -> None:
    project.open_store(Role.MATCHER)
    words = ("coordinator", "agreement", "register", project.agreement_path, *_at(project, Role.MATCHER))
    refused(*words, status=8, says="registered already", within=project.folder)


def test_with_two_versions_a_step_needs_to_know_which(project: Project) -> None:
    second = _with_previous(project)
    me = project.receive_all(Role.MATCHER)
    project.register(me, second)
    refused(*_match(project), status=8, says="Several agreements are registered", within=project.folder)
    refused(*_match(project), "--agreement", "zz", status=8, says="No such agreement", within=project.folder)
    first = project.agreement.sha256[:8]
    refused(*_match(project), "--agreement", first, status=8, says="version 1 is over", within=project.folder)


def test_a_replaced_version_receives_and_issues_nothing_more(project: Project, made_pairs: bytes) -> None:
    second = _with_previous(project)
    me = project.open_store(Role.KEY_ISSUER)
    for path in project.submissions[:2]:
        operations.receive(me, path.read_bytes())
    operations.receive(me, made_pairs)
    project.register(me, second)
    words = _receive(project, Role.KEY_ISSUER, project.submissions[2])
    refused(*words, status=8, says="version 1 is over", within=project.folder)
    words = (
        "coordinator",
        "issue",
        "--agreement",
        project.agreement.sha256[:8],
        *_at(project, Role.KEY_ISSUER),
    )
    refused(*words, status=8, says="version 1 is over", within=project.folder)


@pytest.mark.parametrize(
    ("version", "previous"), [(2, "0" * 64), (3, None)], ids=["another predecessor", "a version left out"]
)
def test_a_version_that_does_not_follow_is_not_taken_up(
    project: Project, version: int, previous: str | None
) -> None:
    project.open_store(Role.MATCHER)
    text = project.agreement_path.read_text("utf-8")
    link = f'version = {version}\nprevious_sha256 = "{previous or project.agreement.sha256}"'
    other = project.agreed("other.toml", text.replace("version = 1", link, 1))
    words = ("coordinator", "agreement", "register", other, *_at(project, Role.MATCHER))
    refused(*words, status=8, says="does not follow version 1", within=project.folder)


# What comes in.


def test_a_submission_for_another_agreement(project: Project) -> None:
    other = project.amended("other.toml", {("linkage", "target_precision"): 0.9})
    project.open_store(Role.MATCHER)
    path = _written(project, project.encode("police", agreement_path=other))
    words = _receive(project, Role.MATCHER, path)
    refused(*words, status=7, says="an agreement that is not registered here", within=project.folder)


@pytest.mark.parametrize("role", [Role.MATCHER, Role.KEY_ISSUER])
def test_the_same_submission_twice(project: Project, role: Role) -> None:
    project.receive_all(role)
    words = _receive(project, role, project.submission("police"))
    refused(*words, status=8, says="", within=project.folder)


def test_a_second_submission_of_a_dataset(project: Project) -> None:
    me = project.open_store(Role.MATCHER)
    operations.receive(me, project.submission("police").read_bytes())
    path = _written(project, project.encode("police"))
    words = _receive(project, Role.MATCHER, path)
    refused(*words, status=8, says="a dataset is submitted once", within=project.folder)


def test_what_came_before_a_refused_file_is_told(project: Project) -> None:
    project.open_store(Role.MATCHER)
    bad = _written(project, b"PPRLSUB1")
    result = run(
        *_receive(project, Role.MATCHER, project.submission("police"), bad, project.submission("court"))
    )
    assert (result.exit_code, result.stdout) == (6, "")
    assert f"Received before it: {project.submission('police')}" in result.stderr
    status = json.loads(done("coordinator", "status", *_at(project, Role.MATCHER), "--json").stdout)
    assert [each["dataset"] for each in status[0]["received"]] == ["police"]


@pytest.mark.parametrize("role", [Role.MATCHER, Role.KEY_ISSUER])
@pytest.mark.parametrize("share", [0.0, 0.001, 0.3, 0.6, 0.999])
def test_truncated_submissions(project: Project, role: Role, share: float) -> None:
    project.open_store(role)
    whole = project.submission("police").read_bytes()
    path = _written(project, whole[: int(len(whole) * share)])
    refused(*_receive(project, role, path), status=6, says="", within=project.folder)


@pytest.mark.parametrize("place", [10, 200, 4000, 8000, 12_000, 16_000])
def test_altered_submissions(project: Project, place: int) -> None:
    project.open_store(Role.MATCHER)
    altered = bytearray(project.submission("police").read_bytes())
    first, _ = submission.containers(io.BytesIO(altered))
    altered[min(first[0] + place, first[0] + first[1] - 1)] ^= 1
    result = run(*_receive(project, Role.MATCHER, _written(project, bytes(altered))))
    assert result.exit_code in {6, 7}
    assert (
        json.loads(done("coordinator", "status", *_at(project, Role.MATCHER), "--json").stdout)[0]["received"]
        == []
    )


def test_a_submission_with_its_parts_swapped(project: Project) -> None:
    project.open_store(Role.MATCHER)
    parts = _parts(project)
    path = _written(project, write_submission(parts[1], parts[0]))
    refused(*_receive(project, Role.MATCHER, path), status=7, says="", within=project.folder)


def test_encodings_are_closed_to_the_key_issuer(project: Project) -> None:
    project.open_store(Role.KEY_ISSUER)
    encodings, _ = _parts(project)
    path = _written(project, write_submission(encodings, encodings))
    refused(*_receive(project, Role.KEY_ISSUER, path), status=7, says="", within=project.folder)


def test_the_matcher_takes_no_pairs(project: Project, made_pairs: bytes) -> None:
    project.open_store(Role.MATCHER)
    words = _receive(project, Role.MATCHER, _written(project, made_pairs))
    refused(*words, status=8, says="receives submissions alone", within=project.folder)


def test_pairs_from_somebody_else_than_the_matcher(project: Project, made_pairs: bytes) -> None:
    project.receive_all(Role.KEY_ISSUER)
    issuer, department = project.signatory(ISSUER), project.signatory("police-dept")
    _, plain = open_from(made_pairs, me=issuer, kind=pairs.KIND)
    forged = seal_for(issuer.party, plain, me=department, kind=pairs.KIND, records=1)
    words = _receive(project, Role.KEY_ISSUER, _written(project, forged))
    refused(*words, status=7, says="", within=project.folder)


def test_pairs_about_other_submissions(project: Project, made_pairs: bytes) -> None:
    me = project.open_store(Role.KEY_ISSUER)
    for name in DATASETS:
        operations.receive(me, project.encode(name))
    operations.receive(me, made_pairs)
    words = ("coordinator", "issue", *_at(project, Role.KEY_ISSUER))
    refused(*words, status=7, says="another submission of 'police'", within=project.folder)


def test_rows_out_of_the_agreed_range(project: Project) -> None:
    narrow = project.amended("narrow.toml", {("dataset", 0, "expected_rows_min"): 57})
    words = ("pprl", "encode", project.data("police"), "-a", narrow, "-k", project.key("police-dept"))
    refused(*words, "-o", project.folder / "o", status=4, says="expects 57 to 68", within=project.folder)


def test_encodings_under_another_secret_are_not_kept(project: Project) -> None:
    me = project.open_store(Role.MATCHER)
    other = replace(project.held_secret("court-dept"), value=bytes(32))
    operations.receive(me, project.submission("police").read_bytes())
    path = _written(project, project.encode("court", secret=other))
    words = _receive(project, Role.MATCHER, path)
    refused(*words, status=7, says="different linkage secrets: police / court", within=project.folder)
    for name in ("court", "prison"):
        operations.receive(me, project.submission(name).read_bytes())
    done(*_match(project))


def test_encodings_of_another_ceremony_are_not_kept(project: Project) -> None:
    """The department has other signatures than the matcher, and so another transcript: it is told at once."""
    other = replace(project.held_secret("police-dept"), transcript="7" * 64)
    project.open_store(Role.MATCHER)
    words = _receive(project, Role.MATCHER, _written(project, project.encode("police", secret=other)))
    refused(*words, status=7, says="another ceremony than that of our signatures", within=project.folder)


def test_different_secrets_are_refused_and_never_silently_unmatched(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    me = project.open_store(Role.MATCHER)
    other = replace(project.held_secret("court-dept"), value=bytes(32))
    monkeypatch.setattr(intake, "_require_the_secret_of_earlier_parts", lambda *_: None)
    operations.receive(me, project.submission("police").read_bytes())
    operations.receive(me, project.encode("court", secret=other))
    operations.receive(me, project.submission("prison").read_bytes())
    result = refused(*_match(project), status=7, says="different linkage secrets", within=project.folder)
    assert "police, prison / court" in result.stderr or "court / police, prison" in result.stderr


# Steps out of order.


def test_matching_before_everything_is_there(project: Project) -> None:
    me = project.open_store(Role.MATCHER)
    operations.receive(me, project.submission("police").read_bytes())
    refused(*_match(project), status=8, says="can't match while the run is collecting", within=project.folder)


def test_issuing_before_the_pairs_are_there(project: Project) -> None:
    project.receive_all(Role.KEY_ISSUER)
    words = ("coordinator", "issue", *_at(project, Role.KEY_ISSUER))
    refused(*words, status=8, says="can't issue while the run is collecting", within=project.folder)


def test_releasing_before_issuing(project: Project) -> None:
    project.receive_all(Role.KEY_ISSUER)
    words = ("coordinator", "release", *_at(project, Role.KEY_ISSUER), "-o", project.folder / "out")
    refused(*words, status=8, says="can't release while the run is collecting", within=project.folder)


def test_steps_of_the_other_role(project: Project) -> None:
    project.receive_all(Role.MATCHER)
    at = _at(project, Role.MATCHER)
    refused("coordinator", "issue", *at, status=8, says="role of key-issuer", within=project.folder)
    refused("coordinator", "link", *at, status=8, says="one coordinator role only", within=project.folder)
    words = ("coordinator", "release", *at, "-o", project.folder / "out")
    refused(*words, status=8, says="role of key-issuer", within=project.folder)


def test_a_submission_after_matching(project: Project) -> None:
    me = project.receive_all(Role.MATCHER)
    done(*_match(project))
    path = _written(project, project.encode("police"))
    refused(*_receive(project, Role.MATCHER, path), status=8, says="", within=project.folder)
    assert operations.status(me)[0]["stage"] == "matched"


def _issued_under(project: Project, values: dict[tuple[str | int, ...], object]) -> tuple[str | Path, ...]:
    """Issue under an agreement with other rules; gives the words that ask for the release."""
    fussy = project.amended("fussy.toml", values)
    for name in DATASETS:
        project.submission(name).write_bytes(project.encode(name, agreement_path=fussy))
    project.adopt(fussy)
    issuer = project.issue()
    with pytest.raises(DisclosureError):
        operations.release(
            issuer, None
        )  # so that the refusal is in the log, and the next one changes nothing
    return ("coordinator", "release", *_at(project, Role.KEY_ISSUER), "-o", project.folder / "out")


def test_a_release_that_no_quorum_has_witnessed(project: Project) -> None:
    words = ("coordinator", "release", "--store", project.issue().folder, "-o", project.folder / "out")
    refused(*words, status=8, says="Nothing is released before a quorum", within=project.folder)


def test_too_few_linked_people_are_not_released(project: Project) -> None:
    words = _issued_under(project, {("release", "min_linked_people"): 51})
    refused(*words, status=9, says="min_linked_people (51)", within=project.folder)


def test_datasets_that_share_too_few_people_are_not_released(project: Project) -> None:
    words = _issued_under(project, {("release", "min_overlap"): 1.0})
    refused(*words, status=9, says="release.min_overlap (1.0)", within=project.folder)


UNSURE = """\
Error: No threshold makes it sure that the agreement's linkage.target_precision (0.9999) is reached.
What to do: Nothing is released. Either few people are in several datasets, or the identifiers or the records are too \
few to tell; 'coordinator report' shows what was found.
"""


def test_links_that_are_not_surely_right_are_not_released(project: Project) -> None:
    words = _issued_under(project, {("linkage", "target_precision"): 0.9999})
    result = refused(*words, status=9, says="Nothing is released", within=project.folder)
    assert result.stderr == UNSURE
    report = done("coordinator", "report", *_at(project, Role.KEY_ISSUER), "--json")
    assert json.loads(report.stdout)["release"]["refusal"] in UNSURE


def test_a_wildcard_encoding(project: Project) -> None:
    low = project.amended("low.toml", {("privacy", "max_popcount_share"): 0.2})
    words = ("pprl", "encode", project.data("police"), "-a", low, "-k", project.key("police-dept"))
    refused(*words, "-o", project.folder / "o", status=9, says="max_popcount_share", within=project.folder)


def test_a_store_that_should_be_gone(project: Project) -> None:
    me = project.receive_all(Role.MATCHER)
    later = operations.open_store(me.folder, asked, now=lambda: datetime.now(UTC) + timedelta(days=31))
    with pytest.raises(DisclosureError, match="gone by now: encodings"):
        operations.match(later, None, progress=lambda _what, _share: None)


@pytest.mark.parametrize("role", [Role.MATCHER, Role.KEY_ISSUER])
def test_a_store_that_should_be_gone_receives_nothing(project: Project, role: Role) -> None:
    me = project.open_store(role)
    later = operations.open_store(me.folder, asked, now=lambda: datetime.now(UTC) + timedelta(days=31))
    with pytest.raises(DisclosureError, match="gone by now"):
        operations.receive(later, project.submission("police").read_bytes())
    assert not list((me.folder / "containers").iterdir())


def test_a_damaged_container_in_the_store(project: Project) -> None:
    me = project.receive_all(Role.MATCHER)
    kept = next((me.folder / "containers").iterdir())
    kept.write_bytes(kept.read_bytes()[:-1])
    refused(*_match(project), status=6, says="missing or damaged", within=project.folder)


def _stretched(project: Project, name: str, size: int) -> Path:
    """A submission whose second container says that it is as long as all of `size`: a sparse file."""
    raw = project.submission("police").read_bytes()
    (_, _), (start, _) = submission.containers(io.BytesIO(raw))
    path = project.folder / name
    path.write_bytes(raw[: start - 8] + (size - start).to_bytes(8, "big") + raw[start:])
    with path.open("r+b") as file:
        file.truncate(size)
    return path


@pytest.mark.parametrize("role", [Role.MATCHER, Role.KEY_ISSUER])
def test_a_submission_longer_than_any_can_be_is_not_read(project: Project, role: Role) -> None:
    project.open_store(role)
    path = _stretched(project, "stretched", 1 << 36)
    words = _receive(project, role, path)
    refused(*words, status=6, says="by the agreement one of 'references' has", within=project.folder / "keys")


def test_a_container_longer_than_any_can_be_is_not_read(project: Project, made_pairs: bytes) -> None:
    project.open_store(Role.KEY_ISSUER)
    path = _written(project, made_pairs)
    with path.open("r+b") as file:
        file.truncate(1 << 36)
    words = _receive(project, Role.KEY_ISSUER, path)
    refused(*words, status=6, says="by the agreement one of 'pairs' has", within=project.folder / "keys")
