"""Verifying a whole run: it passes as it was exported, and each tampering is found by the check that is for it."""

from __future__ import annotations

import shutil
from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest

from coordinator import destruction
from pprl.errors import VerificationError
from pprl.verification import checks
from pprl.verification.outcome import Outcome
from tests.support import tamperings
from tests.support.exported import ROLES, Run, export_run, make_one_office_run, opened_store
from tests.support.project import ISSUER, MATCHER, Project
from tests.support.tamperings import EVERY, Tampering

by_name = pytest.mark.parametrize("tampering", EVERY, ids=lambda each: each.name)


@pytest.fixture
def run(made_run: Run) -> Run:
    return made_run


def failed(outcomes: list[Outcome]) -> list[str]:
    return [each.check.id for each in outcomes if each.failed]


def test_a_run_passes_as_it_was_exported(run: Run) -> None:
    outcomes = run.outcomes()
    assert not failed(outcomes)
    idle = {each.check.id: each.told for each in outcomes if each.result == "--"}
    assert set(idle) == {"earlier-versions", "destroyed"}
    assert Counter(each.log for each in outcomes) == {"": 16, **{each.name: 15 for each in run.logs.values()}}
    checks.require_passed(outcomes)


@by_name
def test_a_tampering_is_found(run: Run, tampering: Tampering) -> None:
    outcomes = tampering.change(run).outcomes()
    first = next(each for each in outcomes if each.failed)
    assert first.check.id == tampering.check
    assert tampering.reason in first.told
    with pytest.raises(VerificationError) as refused:
        checks.require_passed(outcomes)
    assert refused.value.message.startswith(f"Check {first.check.number} ({first.check.id})")


@pytest.mark.parametrize("tampering", [each for each in EVERY if each.alone], ids=lambda each: each.name)
def test_without_its_check_a_tampering_gets_through(
    run: Run, tampering: Tampering, monkeypatch: pytest.MonkeyPatch
) -> None:
    for table in ("OF_LOG", "OF_RUN"):
        rows = [
            (check, (lambda *_: "not looked at") if check.id == tampering.check else function)
            for check, function in getattr(checks, table)
        ]
        monkeypatch.setattr(checks, table, rows)
    assert failed(tampering.change(run).outcomes()) == []


def test_every_check_finds_something_but_those_that_are_tried_elsewhere() -> None:
    assert {each.id for each in checks.CHECKS} - {each.check for each in EVERY} == {
        "agreement",
        "earlier-versions",
    }
    assert [each.number for each in checks.CHECKS] == list(range(1, len(checks.CHECKS) + 1))


def test_an_agreement_that_can_not_be_read_stops_what_needs_it(run: Run) -> None:
    outcomes = replace(run, in_hand=replace(run.in_hand, agreement=b"no agreement")).outcomes()
    assert failed(outcomes) == ["agreement", "same-agreement", "same-agreement"]
    stopped = {each.check.id: each.stopped_by for each in outcomes if each.stopped_by}
    assert stopped["signatures"] == stopped["quorum"] == "agreement" or stopped["quorum"] == "checkpoint"
    assert stopped["summary"]


def test_what_a_failed_check_stops_says_so(run: Run) -> None:
    outcomes = tamperings.head_missing(run).outcomes()
    stopped = {(each.check.id, each.log): each.told for each in outcomes if each.stopped_by}
    name = run.logs[MATCHER].name
    assert stopped["senders", name] == "can't be checked, as 'heads' did not pass"
    assert ("senders", run.logs[ISSUER].name) not in stopped
    assert ("summary", "") in stopped


def test_a_run_that_its_coordinators_have_destroyed_passes(run: Run, tmp_path: Path) -> None:
    project = run.project.copy(tmp_path / "project")
    for party in ROLES:
        shutil.rmtree(project.folder / f"run-{party}")
        destruction.destroy(opened_store(project, party), None)
    outcomes = export_run(project).outcomes()
    assert not failed(outcomes)
    assert [each.result for each in outcomes if each.check.id == "destroyed"] == ["ok", "ok"]


def test_a_run_whose_keys_are_destroyed_passes(run: Run) -> None:
    gone = tamperings.destroyed(tamperings.destroyed(run), ISSUER)
    told = [each.told for each in gone.outcomes() if each.check.id == "destroyed"]
    assert not failed(gone.outcomes())
    assert [each.split(" containers")[0] for each in told] == ["the run key and 4", "the run key and 8"]


def test_shares_of_the_secret_may_pass_through_a_coordinator(run: Run) -> None:
    through = tamperings.passed_on(run, run.project.share("police-dept", "court-dept").read_bytes())
    assert not failed(through.outcomes())
    assert not failed(tamperings.destroyed(through).outcomes())


def test_a_run_that_a_rule_refused_passes_and_says_so(run: Run) -> None:
    outcomes = tamperings.refused(run).outcomes()
    assert not failed(outcomes)
    told = {each.check.id: each.told for each in outcomes if each.result == "--"}
    assert told["released"] == "refused: Too few people."


def test_a_later_version_follows_the_earlier_ones_that_were_exported(run: Run) -> None:
    second = tamperings.version_two(run)

    def outcome(run: Run) -> Outcome:
        return next(each for each in run.outcomes() if each.check.id == "earlier-versions")

    followed = second.with_log(MATCHER, earlier=(run.in_hand,))
    assert outcome(followed).result == "ok"
    unsigned = second.with_log(MATCHER, earlier=(replace(run.in_hand, signatures={}),))
    assert "not signed yet" in outcome(unsigned).told
    other = second.with_log(MATCHER, earlier=(second.in_hand,))
    assert "does not follow" in outcome(other).told


def test_one_office_with_both_roles_passes(
    made_project: Project, tmp_path_factory: pytest.TempPathFactory
) -> None:
    run = make_one_office_run(made_project.copy(tmp_path_factory.mktemp("one") / "project"))
    outcomes = run.outcomes()
    assert not failed(outcomes)
    assert {each.log for each in outcomes} == {"", run.logs[MATCHER].name}
