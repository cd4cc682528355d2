"""Signing an agreement and comparing it, as each party would, and what goes wrong on the way."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from pprl.crypto.identity import create
from pprl.errors import VerificationError
from pprl.files import holdings, seen
from pprl.files.atomic import write_new
from pprl.files.holdings import Holdings
from pprl.files.party import signatory
from tests.support.commands import done, refused, run
from tests.support.keys import key_file_of
from tests.support.project import DEPARTMENTS, ISSUER, MATCHER, PARTIES, TODAY, Project


@pytest.fixture
def unsigned(project: Project) -> Project:
    """The project before anybody has signed: keys are there, and nothing else of the agreement."""
    shutil.rmtree(holdings.signatures_beside(project.agreement_path))
    for party in PARTIES:
        shutil.rmtree(Holdings.beside(project.key(party), party, project.agreement.sha256).folder)
        seen.path_beside(project.key(party), party).unlink()
    return project


def sign(project: Project, party: str) -> tuple[str | Path, ...]:
    program = "coordinator" if party in {MATCHER, ISSUER} else "pprl"
    return (program, "agreement", "sign", project.agreement_path, "-k", project.key(party))


def verify(project: Project, *words: str | Path) -> tuple[str | Path, ...]:
    return ("pprl", "agreement", "verify", project.agreement_path, *words)


def commit(project: Project, party: str) -> tuple[str | Path, ...]:
    return ("pprl", "secret", "commit", "-a", project.agreement_path, "-k", project.key(party))


def test_everybody_signs_and_compares(unsigned: Project) -> None:
    for party in DEPARTMENTS:
        done(*commit(unsigned, party))
    for party in PARTIES:
        done(*sign(unsigned, party))
    own = ("-k", unsigned.key(DEPARTMENTS[0]))
    told = json.loads(run(*verify(unsigned, *own), "--json").stdout)
    assert {check["what"] for check in told["checks"] if not check["passed"]} == {"words"}
    heard = [word for party in PARTIES[1:] for word in ("--heard-from", party)]
    told = json.loads(done(*verify(unsigned, *own), *heard, "--json").stdout)
    assert all(check["passed"] for check in told["checks"])
    assert told["agreement_sha256"] == unsigned.agreement.sha256
    memory = seen.read(seen.path_beside(unsigned.key(DEPARTMENTS[0]), DEPARTMENTS[0]))
    assert memory.agreements == {"small": (1, unsigned.agreement.sha256)}
    assert set(memory.heard[unsigned.agreement.sha256]) == set(PARTIES[1:])


def test_a_department_signs_after_it_has_committed(unsigned: Project) -> None:
    words = sign(unsigned, DEPARTMENTS[0])
    refused(*words, status=5, says="Run 'pprl secret commit' first", within=unsigned.folder)


def test_a_signature_is_not_made_twice_by_accident(project: Project) -> None:
    words = sign(project, MATCHER)
    refused(*words, status=2, says="exists", within=project.folder)
    done(*words, "--force")
    done(*verify(project))


def test_a_key_that_the_agreement_does_not_have(project: Project) -> None:
    write_new(project.key("stranger"), key_file_of(create(MATCHER)), mode=0o600)
    words = ("pprl", "agreement", "sign", project.agreement_path, "-k", project.key("stranger"))
    refused(*words, status=3, says="gives 'matcher' no keys, or others", within=project.folder)


@pytest.mark.parametrize("party", PARTIES)
def test_a_missing_signature_stops_every_step(project: Project, party: str) -> None:
    holdings.signature_path(holdings.signatures_beside(project.agreement_path), party).unlink()
    result = refused(
        *verify(project), status=8, says=f"'{party}' has not signed yet", within=project.folder, reports=True
    )
    assert f"NO  signed by {party}: not yet" in result.stdout
    words = ("pprl", "encode", project.data("police"), "-a", project.agreement_path)
    own = ("-k", project.key(DEPARTMENTS[0]), "-o", project.folder / "o")
    refused(*words, *own, status=8, says=f"not signed yet by: {party}", within=project.folder)


def test_anothers_signature_under_a_partys_name(project: Project) -> None:
    folder = holdings.signatures_beside(project.agreement_path)
    shutil.copy(folder / "matcher.signature", folder / "research.signature")
    refused(*verify(project), status=7, says="Ed25519", within=project.folder, reports=True)


def test_nothing_is_encoded_before_words_are_compared(project: Project) -> None:
    seen.change(seen.path_beside(project.key(DEPARTMENTS[0]), DEPARTMENTS[0]), lambda _: seen.Seen())
    words = ("pprl", "encode", project.data("police"), "-a", project.agreement_path)
    result = run(*words, "-k", project.key(DEPARTMENTS[0]), "-o", project.folder / "o")
    assert result.exit_code == 8
    assert "have not been compared yet with: court-dept, prison-dept, matcher" in result.stderr
    assert "--heard-from court-dept" in result.stderr
    assert not (project.folder / "o").exists()


@pytest.mark.parametrize("name", ["police-dept", "nobody"])
def test_who_can_be_heard_from(project: Project, name: str) -> None:
    words = verify(project, "-k", project.key(DEPARTMENTS[0]), "--heard-from", name)
    refused(*words, status=2, says="Not another party with keys", within=project.folder)


def test_hearing_is_remembered_beside_a_key(project: Project) -> None:
    words = verify(project, "--heard-from", MATCHER)
    refused(*words, status=2, says="Name it with -k", within=project.folder)


def test_an_older_version_is_refused_from_then_on(project: Project) -> None:
    text = project.agreement_path.read_text("utf-8")
    link = f'version = 2\nprevious_sha256 = "{project.agreement.sha256}"'
    second = project.agreed("second.toml", text.replace("version = 1", link, 1))
    own = ("-k", project.key(DEPARTMENTS[0]))
    done("pprl", "agreement", "verify", second, *own)
    refused(*verify(project, *own), status=7, says="Version 2 of 'small' was seen before", within=project.folder,
            reports=True)  # fmt: skip


def test_an_older_version_is_refused_though_an_older_memory_is_restored(project: Project) -> None:
    text = project.agreement_path.read_text("utf-8")
    memory = seen.path_beside(project.key(DEPARTMENTS[0]), DEPARTMENTS[0])
    older = memory.read_bytes()
    link = f'version = 2\nprevious_sha256 = "{project.agreement.sha256}"'
    second = project.agreed("second.toml", text.replace("version = 1", link, 1))
    own = ("-k", project.key(DEPARTMENTS[0]))
    done("pprl", "agreement", "verify", second, *own)
    memory.write_bytes(older)
    refused(*verify(project, *own), status=7, says="Version 2 of 'small' was seen before", within=project.folder,
            reports=True)  # fmt: skip


def test_who_has_missed_a_version_takes_up_the_versions_between(project: Project) -> None:
    text = project.agreement_path.read_text("utf-8")
    who = DEPARTMENTS[0]
    paths = [project.agreement_path]
    for version in (2, 3):
        before = paths[-1].read_bytes()
        link = f'version = {version}\nprevious_sha256 = "{hashlib.sha256(before).hexdigest()}"'
        paths.append(project.agreed(f"version-{version}.toml", text.replace("version = 1", link, 1)))
        (holdings.signatures_beside(paths[-1]) / holdings.PREVIOUS_NAME).write_bytes(before)
    seen.change(
        seen.path_beside(project.key(who), who), lambda _: seen.Seen().with_agreement(project.agreement)
    )
    own = ("-k", project.key(who), "--heard-from", MATCHER)
    third = ("pprl", "agreement", "verify", paths[2], *own)
    told = run(*third)
    assert told.exit_code == 8
    assert "Version 1 of 'small' was seen last, and this is version 3" in told.stderr
    for path in paths[1:]:
        result = run("pprl", "agreement", "verify", path, *own, "--json")
        failed = {check["what"] for check in json.loads(result.stdout)["checks"] if not check["passed"]}
        assert failed == {"words"}, "it has compared the words with one party alone"
    refused(*verify(project, *own[:2]), status=7, says="Version 3 of 'small' was seen before",
            within=project.folder, reports=True)  # fmt: skip


def test_results_of_a_replaced_version_can_still_be_opened(project: Project) -> None:
    text = project.agreement_path.read_text("utf-8")
    link = f'version = 2\nprevious_sha256 = "{project.agreement.sha256}"'
    project.agreed("second.toml", text.replace("version = 1", link, 1))
    who = DEPARTMENTS[0]
    seat = (project.agreement, project.agreement_path, project.identity(who), project.key(who))
    with pytest.raises(VerificationError, match="is over"):
        signatory(*seat, today=TODAY)
    assert signatory(*seat, today=TODAY, newest=False).agreement.sha256 == project.agreement.sha256


def test_one_version_has_one_text(project: Project) -> None:
    own = ("-k", project.key(DEPARTMENTS[0]))
    memory = seen.path_beside(project.key(DEPARTMENTS[0]), DEPARTMENTS[0])
    copies = {path: path.read_bytes() for path in (memory, *memory.parent.rglob("remembers"))}
    other = project.amended("other.toml", {("linkage", "target_precision"): 0.9})
    for path in (memory, *memory.parent.rglob("remembers")):
        path.write_bytes(copies[path]) if path in copies else path.unlink()
    words = ("pprl", "agreement", "verify", other, *own)
    refused(*words, status=7, says="seen before with other bytes", within=project.folder, reports=True)


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"{}",
        b"not JSON",
        b'{"agreements":{},"checkpoints":{},"format":"pprl-seen","heard":{},"version":2}\n',
        b'{"agreements":{"small":{"sha256":"x","version":1}},"checkpoints":{},"format":"pprl-seen","heard":{},"version":1}\n',
        b'{"agreements":{},"checkpoints":{},"format":"pprl-seen","heard":{"x":{}},"version":1}\n',
    ],
)
def test_a_damaged_memory_is_not_taken_for_an_empty_one(project: Project, raw: bytes) -> None:
    seen.path_beside(project.key(DEPARTMENTS[0]), DEPARTMENTS[0]).write_bytes(raw)
    words = verify(project, "-k", project.key(DEPARTMENTS[0]))
    refused(*words, status=5, says="", within=project.folder, reports=True)


def test_a_version_that_was_replaced_is_not_signed_again(project: Project) -> None:
    first, key = project.agreement_path, project.key(MATCHER)
    link = f'version = 2\nprevious_sha256 = "{project.agreement.sha256}"'
    project.agreed("second.toml", first.read_text("utf-8").replace("version = 1", link, 1))
    words = ("coordinator", "agreement", "sign", first, "-k", key, "--force")
    refused(*words, status=7, says="version 1 is over", within=project.folder)


@pytest.mark.parametrize("name", ["police-dept.signature", "nobody.succession", "previous.toml"])
@pytest.mark.parametrize("make", [os.mkfifo, Path.mkdir, lambda path: path.symlink_to(path.name)])
def test_what_is_no_file_among_the_signatures(
    project: Project, name: str, make: Callable[[Path], None]
) -> None:
    """Anybody who may write to a shared folder can leave a pipe there, for which a command would wait for ever."""
    path = holdings.signatures_beside(project.agreement_path) / name
    path.unlink(missing_ok=True)
    make(path)
    refused(*verify(project), status=2, says="is not a regular file", within=project.folder)
