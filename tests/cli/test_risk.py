"""`pprl risk`: what it tells, that the same seed tells the same, and what it refuses. Never a value."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

from pprl.cli.risk import Duration
from pprl.crypto.risk_statements import open_risk_statement
from pprl.privacy import attempts, battery
from tests.support.commands import done, refused, run, values_in
from tests.support.project import Project, draft_text, tree
from tests.support.risk import KNOWN_PEOPLE, RISK, exception, with_risk

HOLDERS = {"the matcher": "matcher", "the key issuer": "key-issuer", "the two together": "together"}


@contextmanager
def _brief() -> Iterator[None]:
    """Fewer people in the controls, and without attacks that take seconds: to be quick on a small table."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(battery, "IN_CONTROLS", 300)
        patch.setattr(
            attempts,
            "ATTACKS",
            [each for each in attempts.ATTACKS if each.name not in ("spectral", "patterns", "embedding")],
        )
        yield


@pytest.fixture(scope="module", params=["clk", pytest.param("field-filters", marks=pytest.mark.slow)])
def told(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """One run in text, with the page, on a draft without keys; and what else is in the folder afterwards."""
    made = {"clk": "made_project", "field-filters": "made_field_filter_project"}[request.param]
    project: Project = request.getfixturevalue(made).copy(tmp_path_factory.mktemp("risk") / "project")
    draft = project.folder / "draft.toml"
    draft.write_text(draft_text(request.param), encoding="utf-8")
    page = project.folder / "risk.html"
    before = tree(project.folder)
    words = ("pprl", "risk", project.data("court"), "-a", draft, "--dataset", "court", "--people", "40")
    with _brief():
        result = done(*words, "-o", page)
        as_json = done(*words, "--json")
    return {
        "text": result.stdout,
        "talk": result.stderr,
        "page": page.read_text("utf-8"),
        "data": json.loads(as_json.stdout),
        "new": tree(project.folder).keys() - before.keys(),
        "words": words,
    }


def test_the_sentence_for_the_auditor_comes_first(told: dict[str, Any]) -> None:
    first = told["text"].splitlines()[0]
    assert first == told["data"]["sentence"]
    assert re.match(r"Worst known attack: [0-9,]+ of 10,000 people named", first)


def test_text_page_and_json_tell_the_same(told: dict[str, Any]) -> None:
    page = _Page()
    page.feed(told["page"])
    assert told["data"]["sentence"] in page.text
    for holder, upper in told["data"]["holders"].items():
        name = next(words for words, each in HOLDERS.items() if each == holder)
        assert upper is not None
        line = f"{name.capitalize()}: at most {upper:,} of 10,000"
        assert line in told["text"]
        assert line in page.text
    attempts = [each for each in told["data"]["attacks"] if each["finished"]]
    assert page.text.count("the very file") >= len({each["known"] for each in attempts})
    for each in attempts:
        assert each["named"] + each["wrong"] <= 11 * told["data"]["attacked"]
        assert 0 <= each["named"] <= each["of"]


def test_the_page_needs_nothing_and_runs_nothing(told: dict[str, Any]) -> None:
    page = _Page()
    page.feed(told["page"])
    assert not page.tags & {"script", "img", "link", "iframe", "form", "object"}
    assert "default-src 'none'" in told["page"]
    assert "http" not in told["page"].replace("http-equiv", "")


def test_it_leaves_the_page_and_nothing_else(told: dict[str, Any]) -> None:
    assert told["new"] == {"risk.html"}
    assert "risk.html" in told["talk"]


def test_it_says_how_many_were_attacked_and_that_a_secret_was_made_up(told: dict[str, Any]) -> None:
    assert (told["data"]["records"], told["data"]["seed"]) == (50, 1)
    assert 30 <= told["data"]["attacked"] <= 40
    assert "under a test secret of seed 1" in " ".join(told["text"].split())


def test_no_value_is_told(told: dict[str, Any]) -> None:
    for told_somewhere in (told["text"], told["talk"], told["page"], json.dumps(told["data"])):
        assert not values_in(told_somewhere)


def test_the_same_seed_tells_the_same(told: dict[str, Any]) -> None:
    """The text is of one run, the figures are of another."""
    shown = [
        line.split()[-2:] for line in told["text"].splitlines() if line.startswith("the ") and "%" in line
    ]
    knowledge = {
        (each["holder"], each["list"], each["overlap"], each["known"])
        for each in told["data"]["attacks"]
        if each["finished"] and not each["has_secret"]
    }
    assert len(shown) == len(knowledge)
    for each in told["data"]["attacks"]:
        if each["finished"] and not each["has_secret"]:
            assert any(int(upper.replace(",", "")) >= each["upper_per_10000"] for _, upper in shown)
    best = max(each["upper_per_10000"] for each in told["data"]["attacks"] if not each["has_secret"])
    assert f"{best:,}" in {upper for _, upper in shown}


def test_too_little_time_is_said(project: Project) -> None:
    result = done(*_words(project), "--budget", "0.1s", "--json")
    told = json.loads(result.stdout)
    assert "Nothing is known: give more with --budget, or leave out" in told["sentence"]
    assert not any(each["finished"] for each in told["attacks"])
    assert {each["upper_per_10000"] for each in told["attacks"]} == {None}


def test_refusals(project: Project) -> None:
    data, agreement = project.data("court"), project.agreement_path
    base = ("pprl", "risk", data, "-a", agreement)
    refused(*base, status=2, says="--dataset", within=project.folder)
    refused(*base, "--dataset", "courts", status=3, says="no dataset", within=project.folder)
    for budget in ("0", "ten", "-5m", "1d"):
        refused(*base, "--dataset", "court", "--budget", budget, status=2, says="90s", within=project.folder)
    refused(*base, "--dataset", "court", "-o", data, status=2, says="reads it", within=project.folder)
    page = project.folder / "there.html"
    page.write_text("there")
    refused(*base, "--dataset", "court", "-o", page, status=2, says="--force", within=project.folder)
    alone = project.folder / "alone.csv"
    alone.write_text("\n".join(data.read_text("utf-8").splitlines()[:2]) + "\n")
    refused("pprl", "risk", alone, "-a", agreement, "--dataset", "court",
            status=4, says="fewer than two records", within=project.folder)  # fmt: skip


# Signing.

ACCEPTED = RISK + "".join(exception(holder, 10_000) for holder in HOLDERS.values())


def _limiting(project: Project, section: str) -> tuple[str | Path, ...]:
    """The command that signs for the court, once the agreement limits whom attackers may name."""
    text = with_risk(project.agreement_path.read_text("utf-8"), section)
    project.adopt(project.agreed("limiting.toml", text))
    own = ("-a", project.agreement_path, "-k", project.key("court-dept"))
    return "pprl", "risk", project.data("court"), *own, "--sign"


def test_what_passes_is_signed_and_lets_the_very_table_leave(field_filter_project: Project) -> None:
    project = field_filter_project
    words = _limiting(project, ACCEPTED)
    encode = ("pprl", "encode", *words[2:-1], "-o", project.folder / "new.submission")
    refused(*encode, status=9, says="has none", within=project.folder)
    with _brief():
        told = json.loads(done(*words, "--json").stdout)
    assert told["limits"] == {"passes": True, "findings": []}
    kept = project.holdings("court-dept")
    files = [kept.risk_statement("court"), kept.risk_salt("court")]
    assert [path.stat().st_mode & 0o777 for path in files] == [0o600, 0o600]
    stated = open_risk_statement(
        files[0].read_bytes(), agreement=project.agreement, dataset="court"
    ).statement
    assert (stated.records, stated.known_people, stated.blind) == (told["attacked"], KNOWN_PEOPLE, 1)
    assert stated.controls.plain_clk == told["controls"]["plain_clk"]
    assert len(stated.attacks) == sum(each["finished"] for each in told["attacks"])
    refused(*words, status=2, says="--force", within=project.folder)
    done(*encode)
    rows = project.data("court").read_text("utf-8").splitlines()
    project.data("court").write_text("\n".join(rows[:-1]) + "\n", encoding="utf-8")
    refused(*encode, "--force", status=7, says="the table has changed", within=project.folder)


def test_what_names_more_than_agreed_is_not_signed(field_filter_project: Project) -> None:
    words = _limiting(field_filter_project, RISK)
    page = field_filter_project.folder / "risk.html"
    with _brief():
        result = run(*words, "-o", page)
    assert result.exit_code == 9
    assert "This does not pass the limits of the agreement:" in result.stdout
    assert "matcher: up to" in result.stdout
    assert "does not pass" in result.stderr
    assert "This does not pass" in page.read_text("utf-8")
    assert not field_filter_project.holdings("court-dept").risk_statement("court").exists()
    assert not values_in(result.output)


def test_too_little_time_signs_nothing(field_filter_project: Project) -> None:
    words = _limiting(field_filter_project, ACCEPTED)
    within = field_filter_project.folder
    result = refused(*words, "--budget", "0.1s", status=9, says="does not pass", within=within, reports=True)
    assert "did not come to its end" in result.stdout
    assert "--budget" in result.stdout


def test_who_may_not_sign(project: Project) -> None:
    words = (*_words(project)[:-2], "-k", project.key("court-dept"), "--sign")
    refused(*words, status=3, says="no risk statement", within=project.folder)
    refused(*words[:-1], status=2, says="go together", within=project.folder)
    refused(*_words(project), "--sign", status=2, says="go together", within=project.folder)
    limiting = _limiting(project, ACCEPTED)
    refused(*limiting, "--people", "10", status=2, says="--people", within=project.folder)
    refused(*limiting, "--seed", "2", status=2, says="--seed", within=project.folder)
    refused(*limiting, "--dataset", "prison", status=3, says="not brought by", within=project.folder)


@pytest.mark.parametrize(
    ("text", "seconds"), [("90s", 90), ("10m", 600), ("2h", 7_200), ("45", 45), ("0.5s", 0.5)]
)
def test_times(text: str, seconds: float) -> None:
    assert Duration().convert(text, None, None) == seconds


def _words(project: Project) -> tuple[str | Path, ...]:
    return "pprl", "risk", project.data("court"), "-a", project.agreement_path, "--dataset", "court"


class _Page(HTMLParser):
    """Tags and text of a page."""

    def __init__(self) -> None:
        super().__init__()
        self.tags: set[str] = set()
        self.text = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)

    def handle_data(self, data: str) -> None:
        self.text += data
