"""`pprl verify`: what an auditor types and reads."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from pprl import sharing
from pprl.cli.verify import NOT_SHOWN
from pprl.errors import VerificationError
from pprl.files.holdings import Holdings
from pprl.protocol import canonical
from pprl.verification.checks import CHECKS
from tests.support.commands import Result, done, placeless, run
from tests.support.exported import Run
from tests.support.project import DEPARTMENTS, ISSUER, MATCHER


@pytest.fixture
def auditor(made_run: Run, tmp_path: Path) -> Path:
    """A folder with nothing but what an auditor gets: no key, no store."""
    source = made_run.project.folder
    shutil.copy(source / "agreement.toml", tmp_path)
    for name in ("agreement.signatures", f"run-{MATCHER}", f"run-{ISSUER}"):
        shutil.copytree(source / name, tmp_path / name)
    return tmp_path


def verified(folder: Path, *more: str) -> Result:
    runs = [folder / f"run-{party}" for party in (MATCHER, ISSUER)]
    return run("pprl", "verify", *runs, "-a", folder / "agreement.toml", *more)


def test_each_check_is_told_with_its_outcome(auditor: Path) -> None:
    result = verified(auditor)
    assert (result.exit_code, result.stderr) == (0, "")
    lines = placeless(result.stdout, auditor).splitlines()
    titles = [line for line in lines if line and not line.startswith(" ")]
    assert titles == [
        "The agreement in hand",
        f"The log in HERE/run-{MATCHER}",
        f"The log in HERE/run-{ISSUER}",
        "All together",
        "42 checks passed, 0 failed, 4 could not be made or had nothing to check.",
        NOT_SHOWN,
    ]
    told = [line.split()[:3] for line in lines if line.startswith(" ")]
    of_logs = [each for each in CHECKS if each.of == "log"]
    expected = [*CHECKS[:2], *of_logs, *of_logs, *CHECKS[2 + len(of_logs) :]]
    assert [(int(number), name) for _, number, name in told] == [
        (each.number, f"{each.id}:") for each in expected
    ]
    assert {result for result, _, _ in told} == {"ok", "--"}


def test_the_order_of_the_folders_does_not_matter(auditor: Path) -> None:
    runs = [auditor / f"run-{party}" for party in (ISSUER, MATCHER)]
    assert run("pprl", "verify", *runs, "-a", auditor / "agreement.toml").exit_code == 0


def test_a_failed_check_is_status_7_and_named(auditor: Path) -> None:
    (auditor / f"run-{ISSUER}" / "summary.json").write_text("{}")
    result = verified(auditor)
    assert result.exit_code == 7
    assert "\n  NO  30  summary: The summary is missing, or not the one that was issued.\n" in result.stdout
    assert result.stderr.startswith("Error: Check 30 (summary) failed: The summary is missing")


def test_json_tells_the_same(auditor: Path) -> None:
    good = json.loads(verified(auditor, "--json").stdout)
    assert good["passed"] is True
    (auditor / f"run-{MATCHER}" / "entries.jsonl").write_bytes(b"")
    result = verified(auditor, "--json")
    bad = json.loads(result.stdout)
    assert bad["passed"] is False
    assert [each["words"] for each in bad["checks"]] == [each["words"] for each in good["checks"]]
    failed = [each for each in bad["checks"] if each["result"] == "NO"]
    assert (failed[0]["id"], failed[0]["log"]) == ("root", str(auditor / f"run-{MATCHER}"))
    assert json.loads(result.stderr)["error"]["status"] == 7


@pytest.mark.parametrize("name", ["agreement.toml", "entries.jsonl", "checkpoint"])
def test_a_folder_that_is_no_export_is_status_6(auditor: Path, name: str) -> None:
    (auditor / f"run-{MATCHER}" / name).unlink()
    result = verified(auditor)
    assert (result.exit_code, result.stdout) == (6, "")
    assert f"it has no file '{name}'" in result.stderr


def test_a_log_that_was_cut_short_is_status_6(auditor: Path) -> None:
    path = auditor / f"run-{MATCHER}" / "entries.jsonl"
    path.write_bytes(path.read_bytes()[:-1])
    assert verified(auditor).exit_code == 6


def test_a_folder_that_is_given_twice_is_a_usage_error(auditor: Path) -> None:
    folder = auditor / f"run-{MATCHER}"
    assert run("pprl", "verify", folder, folder, "-a", auditor / "agreement.toml").exit_code == 2


def test_one_log_alone_does_not_pass(auditor: Path) -> None:
    result = run("pprl", "verify", auditor / f"run-{ISSUER}", "-a", auditor / "agreement.toml")
    assert result.exit_code == 7
    assert "There is no export of the log of: matcher." in result.stderr


def test_a_department_can_tell_that_all_hold_its_secret(made_run: Run) -> None:
    folder = made_run.project.folder
    runs = [folder / f"run-{party}" for party in (MATCHER, ISSUER)]
    own = ("-a", folder / "agreement.toml", "-k", made_run.project.key(DEPARTMENTS[0]))
    result = done("pprl", "secret", "confirm", *runs, *own)
    assert f"the same linkage secret: {', '.join(sorted(DEPARTMENTS))}" in result.stderr


@pytest.mark.parametrize("how", ["wrong", "missing"])
def test_a_confirmation_that_is_not_of_this_secret(made_run: Run, how: str) -> None:
    project, party = made_run.project, DEPARTMENTS[0]
    me = project.signatory(party)
    kept = Holdings.beside(project.key(party), party, me.agreement.sha256)
    entries = (project.folder / f"run-{MATCHER}" / "entries.jsonl").read_bytes().splitlines()
    place = next(place for place, raw in enumerate(entries) if b'"court"' in raw and b"confirmation" in raw)
    entry = canonical.loads(entries[place])
    entry["detail"]["confirmation"] = "0" * 64
    altered = {"wrong": [*entries[:place], canonical.dumps(entry)], "missing": entries[:place]}[how]
    with pytest.raises(VerificationError, match="court-dept"):
        sharing.require_confirmed(me, kept, altered)
