"""`coordinator report` from the command line: its three forms, a refused release, and what it refuses itself."""

from __future__ import annotations

import json
import stat
from pathlib import Path

import pytest

from coordinator import operations
from coordinator.store import database
from coordinator.store.stages import Role
from tests.support.commands import done, refused, run, values_in
from tests.support.keys import asked
from tests.support.project import DATASETS, Project, silent


@pytest.fixture(scope="module")
def made_issued(made_project: Project, tmp_path_factory: pytest.TempPathFactory) -> Project:
    project = made_project.copy(tmp_path_factory.mktemp("issued") / "project")
    project.issue()
    return project


@pytest.fixture
def issued(made_issued: Project, tmp_path: Path) -> Project:
    return made_issued.copy(tmp_path / "project")


def _with_few_links(project: Project) -> Project:
    """The issuer's store as if it had found hardly anybody."""
    me = operations.open_store(project.store(Role.KEY_ISSUER), asked)
    with database.writing(me.engine) as session:
        run = database.run_of(session, project.agreement.sha256, Role.KEY_ISSUER)
        run.report = {**run.report, "linked_people": 3, "linked_pairs": 4, "clusters": 3}
    return project


def test_text_json_and_page(issued: Project) -> None:
    store = ("--store", issued.store(Role.KEY_ISSUER))
    out = issued.folder / "report.html"
    text = done("coordinator", "report", *store)
    document = json.loads(done("coordinator", "report", *store, "--json").stdout)
    made = done("coordinator", "report", *store, "-o", out)
    assert made.stdout == text.stderr == ""
    assert str(out) in made.stderr
    html = out.read_text(encoding="utf-8")
    assert stat.S_IMODE(out.stat().st_mode) == 0o600
    for form in (text.stdout, html):
        assert f"{document['linked_pairs']:,}" in form
        assert document["title"] in form
        assert not values_in(form)
    assert document["release"] == {
        "allowed": True,
        "refusal": None,
        "min_linked_people": 10,
        "min_overlap": None,
    }
    assert document["stages"] == {"key-issuer": "issued"}


def test_the_matchers_report(issued: Project) -> None:
    store = ("--store", issued.store(Role.MATCHER))
    document = json.loads(done("coordinator", "report", *store, "--json").stdout)
    assert set(document) == {
        "project", "title", "version", "agreement_sha256", "scheme", "stages", "small_number_limit", "matching",
    }  # fmt: skip
    assert "Pairs compared" in done("coordinator", "report", *store).stdout


def test_one_office_reports_both_roles(project: Project) -> None:
    path = project.one_office()
    store = project.folder / "office"
    operations.initialise(
        store, key_file=project.key("matcher"), passphrase=asked, roles=(Role.MATCHER, Role.KEY_ISSUER)
    )
    me = operations.open_store(store, asked)
    project.register(me, path)
    for name in DATASETS:
        operations.receive(me, project.encode(name, agreement_path=path))
    operations.link(me, None, progress=silent)
    document = json.loads(done("coordinator", "report", "--store", store, "--json").stdout)
    assert {"matching", "evidence"} <= set(document)
    assert document["stages"] == {"matcher": "matched", "key-issuer": "issued"}


def test_a_refused_release_is_reported_with_its_reason(issued: Project) -> None:
    store = ("--store", _with_few_links(issued).store(Role.KEY_ISSUER))
    assert (
        run("coordinator", "release", *store, "-o", issued.folder / "results").exit_code == 9
    )  # now it is logged
    refused(
        *("coordinator", "release", *store, "-o", issued.folder / "results"),
        status=9, says="Fewer people were linked", within=issued.folder,
    )  # fmt: skip
    document = json.loads(done("coordinator", "report", *store, "--json").stdout)
    assert not document["release"]["allowed"]
    assert "Fewer people were linked" in document["release"]["refusal"]
    done("coordinator", "report", *store, "-o", issued.folder / "report.html")
    for form in (done("coordinator", "report", *store).stdout, (issued.folder / "report.html").read_text()):
        assert "Refused. Fewer people were linked" in form


def test_after_the_release(issued: Project) -> None:
    store = ("--store", issued.store(Role.KEY_ISSUER))
    issued.witness(operations.open_store(issued.store(Role.KEY_ISSUER), asked))
    done("coordinator", "release", *store, "-o", issued.folder / "results")
    assert "Release: Released" in done("coordinator", "report", *store).stdout


def test_small_totals_are_hidden_too(issued: Project) -> None:
    store = _with_few_links(issued).store(Role.KEY_ISSUER)
    document = json.loads(done("coordinator", "report", "--store", store, "--json").stdout)
    assert [document[name] for name in ("linked_pairs", "linked_people", "clusters")] == [None] * 3
    assert document["estimated_precision"]["value"] is None, "it would rest on too few links"


# Refusals.


def test_nothing_to_report_yet(project: Project) -> None:
    project.open_store(Role.KEY_ISSUER)
    words = ("coordinator", "report", "--store", project.store(Role.KEY_ISSUER))
    refused(*words, status=8, says="nothing to report yet", within=project.folder)


def test_no_agreement(issued: Project) -> None:
    words = ("coordinator", "report", "--store", issued.store(Role.KEY_ISSUER), "--agreement", "0000")
    refused(*words, status=8, says="No such agreement", within=issued.folder)


def test_no_store(project: Project) -> None:
    words = ("coordinator", "report", "--store", project.folder / "nowhere")
    refused(*words, status=8, says="no coordinator store", within=project.folder)


def test_json_or_a_page(issued: Project) -> None:
    store = ("--store", issued.store(Role.KEY_ISSUER))
    words = ("coordinator", "report", *store, "--json", "-o", issued.folder / "report.html")
    refused(*words, status=2, says="not for both", within=issued.folder)


def test_a_page_that_is_there_already(issued: Project) -> None:
    out = issued.folder / "report.html"
    out.write_text("mine")
    words = ("coordinator", "report", "--store", issued.store(Role.KEY_ISSUER), "-o", out)
    refused(*words, status=2, says="exists already", within=issued.folder)
    done(*words, "--force")
    assert out.read_text(encoding="utf-8").startswith("<!DOCTYPE html>")
