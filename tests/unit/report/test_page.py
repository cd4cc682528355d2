"""The page: safe to open, readable by everybody, and with the document's own figures. From real small runs."""

from __future__ import annotations

import base64
import copy
import hashlib
import math
import re
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest

from coordinator import operations
from coordinator.linkage import issuing, lsh
from coordinator.linkage.solve import Compared
from coordinator.report import documents, words
from coordinator.report.page import page
from coordinator.store.stages import Role
from tests.support.keys import asked
from tests.support.project import Project
from tests.support.reports import counts_in, numbers_in, read_page, rows_of

Report = dict[str, Any]
SCHEMES = ("clk", "field-filters")
ROLES = ("issuer", "matcher")
COUNTS = frozenset(
    {
        "records", "linked_pairs", "linked_people", "clusters", "compared", "pairs", "candidate_pairs",
        "linked_by_no_other_pass", "people", "links",
    }
)  # fmt: skip


@pytest.fixture(scope="module")
def scores() -> dict[str, set[float]]:
    """The scores of all pairs of each scheme's run, which `reports` looks at as they go by."""
    return {}


@pytest.fixture(scope="module")
def reports(
    made_project: Project,
    made_field_filter_project: Project,
    scores: dict[str, set[float]],
    tmp_path_factory: pytest.TempPathFactory,
) -> dict[tuple[str, str], Report]:
    found = {}
    for scheme, made in zip(SCHEMES, (made_project, made_field_filter_project), strict=True):
        project = made.copy(tmp_path_factory.mktemp("reported") / "project")
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(issuing, "clusters", _watched(issuing.clusters, scores.setdefault(scheme, set())))
            issuer = project.issue()
        matcher = operations.open_store(project.store(Role.MATCHER), asked)
        found[scheme, "issuer"] = operations.report(issuer, None)
        found[scheme, "matcher"] = operations.report(matcher, None)
    return found


def _watched(solve: Callable[..., Any], seen: set[float]) -> Callable[..., Any]:
    def watched(
        sizes: Any, duplicates: Any, compared: list[Compared], threshold: float, **others: Any
    ) -> Any:
        for each in compared:
            seen.update(each.pairs.dice.tolist())
        return solve(sizes, duplicates, compared, threshold, **others)

    return watched


@pytest.fixture(params=[(scheme, role) for scheme in SCHEMES for role in ROLES], ids="-".join)
def report(request: pytest.FixtureRequest, reports: dict[tuple[str, str], Report]) -> Report:
    return copy.deepcopy(reports[request.param])


@pytest.fixture(params=SCHEMES)
def issued(request: pytest.FixtureRequest, reports: dict[tuple[str, str], Report]) -> Report:
    return copy.deepcopy(reports[request.param, "issuer"])


def test_nothing_runs_and_nothing_is_fetched(report: Report) -> None:
    html = page(report)
    for never in (
        "<script",
        "http:",
        "https:",
        "//",
        "url(h",
        "@import",
        "<link",
        "<img",
        "<iframe",
        "javascript",
    ):
        assert never not in html
    assert not [name for node in read_page(html).all() for name in node.attributes if name.startswith("on")]
    style = re.search(r"<style>(.*?)</style>", html, re.DOTALL)
    assert style
    digest = base64.b64encode(hashlib.sha256(style[1].encode()).digest()).decode()
    (policy,) = re.findall(r'http-equiv="Content-Security-Policy" content="([^"]*)"', html)
    assert policy == f"default-src 'none'; style-src 'sha256-{digest}'; base-uri 'none'; form-action 'none'"
    assert not re.search(r"\sstyle=", html), "the policy would not let it through"


def test_everybody_can_read_it(report: Report) -> None:
    tree = read_page(page(report))
    (html,) = tree.all("html")
    assert html.attributes["lang"] == "en-GB"
    assert len(list(tree.all("main"))) == len(list(tree.all("header"))) == len(list(tree.all("h1"))) == 1
    assert next(tree.all("title")).text
    ids = [node.attributes["id"] for node in tree.all() if "id" in node.attributes]
    assert len(ids) == len(set(ids))
    for node in tree.all():
        assert set((node.attributes.get("aria-labelledby") or "").split()) <= set(ids)
        assert (node.attributes.get("href") or "").removeprefix("#") in {"", *ids}
        if node.tag == "th":
            assert node.attributes["scope"] in {"col", "row"}
    for table in tree.all("table"):
        assert next(table.all("caption")).text
        widths = {len(list(row.all("td"))) + len(list(row.all("th"))) for row in table.all("tr")}
        assert len(widths) == 1


def test_every_picture_is_told_and_has_a_table_beside_it(report: Report) -> None:
    tree = read_page(page(report))
    pictures = list(tree.all("svg"))
    assert len(pictures) >= (2 if "evidence" in report else 1)
    for picture in pictures:
        assert picture.attributes["role"] == "img"
        assert next(picture.all("title")).text
        assert next(picture.all("desc")).text
        for shape in picture.all():
            for number in (shape.attributes.get(name) for name in ("width", "height", "x", "y")):
                assert number is None or float(number) == pytest.approx(float(number))
            assert float(shape.attributes.get("width") or 0) >= 0
    beside = [each for each in tree.all("div") if each.attributes.get("class") == "beside"]
    with_picture = [each for each in beside if list(each.all("svg"))]
    assert sum(len(list(each.all("svg"))) for each in with_picture) == len(pictures)
    for each in with_picture:
        assert list(each.all("table"))
        assert next(each.all("figcaption")).text


def test_the_page_has_the_documents_figures(issued: Report) -> None:
    tree, evidence = read_page(page(issued)), issued["evidence"]
    assert [[row[1], row[2]] for row in rows_of(tree, "scores")] == [
        [words.count(each["pairs"]), words.count(each["linked_pairs"])] for each in evidence["histogram"]
    ]
    assert [row[:2] for row in rows_of(tree, "estimates")] == [
        [f"{each['threshold']:g}", f"{each['links']:,}"] for each in evidence["curve"]
    ]
    names = ("compared", "pairs", "linked_pairs", "linked_by_no_other_pass")
    assert rows_of(tree, "passes") == [
        [each["blocking_pass"], *(words.count(each[name]) for name in names)] for each in evidence["passes"]
    ]
    people = [words.count(each["people"]) for each in evidence["people_by_datasets"]]
    assert [row[1] for row in rows_of(tree, "datasets")] == people
    decided = dict(rows_of(tree, "decision"))
    assert decided["Pairs of records of one person"] == words.count(issued["linked_pairs"])
    assert decided["Estimated precision"].startswith(f"{issued['estimated_precision']['value']:.2%}")
    for number, each in enumerate(evidence["fields"]):
        weights = {level["level"]: f"{level['match_weight']:+.2f}" for level in each["levels"]}
        shown = {row[0]: row[-1] for row in rows_of(tree, f"weights-{number}")}
        assert shown
        assert shown.items() <= weights.items()


def test_the_matchers_page_has_its_figures(reports: dict[tuple[str, str], Report]) -> None:
    report = reports["field-filters", "matcher"]
    assert "evidence" not in report
    tree = read_page(page(report))
    passes = report["matching"]["passes"]
    assert rows_of(tree, "matching") == [
        [each["blocking_pass"], words.count(each["compared"]), words.count(each["pairs"])] for each in passes
    ]
    assert sum(each["compared"] for each in passes) == report["matching"]["compared"]
    datasets = {each["dataset"] for each in report["matching"]["suppressed"]}
    assert [len(row) for row in rows_of(tree, "matcher-suppressed")] == [1 + len(datasets)] * len(passes)


def test_where_pairs_were_blocked_the_matchers_page_tells_how_and_what_was_missed(
    project: Project, reports: dict[tuple[str, str], Report], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert "blocking" not in reports["clk", "matcher"]["matching"]
    monkeypatch.setattr(lsh, "MOST_EXACT_PAIRS", 0)
    monkeypatch.setattr(lsh, "EXACT_COST", 1e12)
    linked = operations.report(project.issue(), None)["linked_pairs"]
    assert linked == pytest.approx(reports["clk", "issuer"]["linked_pairs"], rel=0.02)
    report = operations.report(operations.open_store(project.store(Role.MATCHER), asked), None)
    told = report["matching"]["blocking"]
    assert [(each["left"], each["right"]) for each in told] == [
        (each["left"], each["right"]) for each in report["matching"]["passes"][0]["comparisons"]
    ]
    for each in told:
        assert each["predicted_recall_at_floor"] >= 0.999
        assert each["sampled_pairs"] is None or each["measured_recall"] >= 0.99
    assert any(each["measured_recall"] is not None for each in told)
    tree = read_page(page(report))
    assert rows_of(tree, "blocking") == words.blocking_rows(told)
    assert words.BLOCKING_NOTE in words.text(report)


def test_no_small_count_is_in_it(report: Report) -> None:
    counts = list(counts_in(report, COUNTS))
    limit = report["small_number_limit"]
    assert limit == 10
    assert len(counts) > 3
    assert not [(name, number) for name, number in counts if number is not None and 0 < number < limit]


def test_sums_give_no_hidden_count_away(report: Report) -> None:
    for passes in (
        report.get("evidence", {}).get("passes", []),
        report.get("matching", {}).get("passes", []),
    ):
        for each in passes:
            for name in set(each) & COUNTS:
                inner = [comparison[name] for comparison in each["comparisons"]]
                hidden = inner.count(None)
                if each[name] is None:
                    assert set(inner) <= {None, 0}
                elif hidden:
                    assert hidden > 1
                    known = sum(number for number in inner if number is not None)
                    assert each[name] - known >= report["small_number_limit"]


def test_no_pairs_score_is_in_it(
    reports: dict[tuple[str, str], Report], scores: dict[str, set[float]]
) -> None:
    """Dice coefficients of pairs lie on a grid of their own, so that the fixed thresholds hit some: not told there."""
    report = reports["field-filters", "issuer"]
    # Fixed thresholds lie as close together near 1 as scores do; that they are fixed is another test's.
    fixed = {each["threshold"] for each in report["evidence"]["curve"]}
    # Shares of four digits meet a score by chance; a score that was told has more.
    told = {number for number in numbers_in(report) if number != round(number, 4)} - fixed
    assert told
    seen = {score for score in scores["field-filters"] if 0 < score < 1}
    assert len(seen) > 20
    assert not {score for score in seen for number in told if abs(score - number) < 1e-7}


def test_thresholds_and_edges_do_not_come_from_the_data(reports: dict[tuple[str, str], Report]) -> None:
    for scheme, step in (("clk", 0.01), ("field-filters", None)):
        evidence = reports[scheme, "issuer"]["evidence"]
        thresholds = [each["threshold"] for each in evidence["curve"]]
        assert len(thresholds) >= 20
        assert thresholds == sorted(thresholds)
        for threshold in thresholds:
            if step:
                assert threshold / step == pytest.approx(round(threshold / step))
            else:
                odds = threshold / (1 - threshold)
                assert odds**2 == pytest.approx(2 ** round(2 * math.log2(odds)), rel=0.02)


def test_a_threshold_is_told_to_three_digits(reports: dict[tuple[str, str], Report]) -> None:
    threshold = reports["field-filters", "issuer"]["threshold"]
    assert threshold == round(threshold, 3)


NASTY = "<x-y onload='a'>\"&amp;"


def _poisoned(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _poisoned(each) for name, each in value.items()}
    if isinstance(value, list):
        return [_poisoned(each) for each in value]
    return value + NASTY if isinstance(value, str) else value


def test_whatever_an_agreement_says_stays_text(report: Report) -> None:
    clean = read_page(page(report))
    poisoned = _poisoned(report)
    # These are the program's own words, by which it decides what to draw.
    for name in ("stages", "threshold_rule"):
        poisoned |= {name: report.get(name)}
    if "evidence" in report:
        poisoned["evidence"]["score"] = report["evidence"]["score"]
    tree = read_page(page(poisoned))
    assert [node.tag for node in tree.all()] == [node.tag for node in clean.all()]
    assert NASTY in tree.text
    for node in tree.all():
        assert "onload" not in node.attributes


def test_intervals_are_shown_where_there_are_any(issued: Report) -> None:
    issued["estimated_precision"] = {"value": 0.98, "low": 0.95, "high": 0.99}
    for point in issued["evidence"]["curve"]:
        point["estimated_precision"] |= {"low": 0.9, "high": 0.999}
    html = page(issued)
    tree = read_page(html)
    assert dict(rows_of(tree, "decision"))["Estimated precision"] == "98.00% (95 % interval 95.00% to 99.00%)"
    assert any("[0.9000, 0.9990]" in row[2] for row in rows_of(tree, "estimates"))
    assert 'class="band precision"' in html
    assert ('class="band recall"' in html) == (issued["estimated_recall"]["low"] is not None)


def test_a_run_in_which_nothing_links(issued: Report) -> None:
    issued |= {"threshold": None, "linked_pairs": 0}
    issued |= {"estimated_precision": dict.fromkeys(("value", "low", "high"))}
    for point in issued["evidence"]["curve"]:
        point |= {"links": 0, "estimated_precision": issued["estimated_precision"]}
    html = page(issued)
    assert "nothing is linked" in html
    assert "can&#x27;t be told" in html
    assert 'class="threshold"' not in html
    assert "nothing is linked" in words.text(issued)


def test_a_hidden_estimate_is_not_told_as_a_number(issued: Report) -> None:
    first = issued["evidence"]["histogram"][0]
    first |= {"pairs": None, "linked_pairs": None, "expected_matches": None, "expected_non_matches": None}
    assert set(rows_of(read_page(page(issued)), "scores")[0][1:]) == {words.NOT_SHOWN}


def test_the_text_has_the_same_figures(issued: Report) -> None:
    text = words.text(issued)
    for name in ("linked_pairs", "linked_people"):
        assert words.count(issued[name]) in text
    assert "fewer than 10" in text
    assert "Allowed by the agreement's release rules" in text


def test_a_cost_ratio_is_told_with_the_rule_of_the_threshold(issued: Report) -> None:
    issued["cost_ratio"] = None
    assert "best expected balance" in page(issued)
    issued["cost_ratio"] = 5.0
    html = page(issued)
    assert "a wrong link costs as much as 5 missed ones" in html
    assert "best expected balance" not in html
    assert "No threshold" in page(issued | {"threshold": None})


def test_overlaps_are_told_beside_the_agreed_one(issued: Report) -> None:
    issued["overlaps"] = [
        {"left": "one", "right": "two", "share": 0.199},
        {"left": "one", "right": "three", "share": None},
    ]
    issued["release"]["min_overlap"] = 0.2
    told = dict(rows_of(read_page(page(issued)), "decision"))
    assert told["Overlap of one and two, as linked"] == "19.9% (agreed: at least 20.0%)"
    assert told["Overlap of one and three, as linked"] == "not shown (agreed: at least 20.0%)"
    assert "Overlap of one and two, as linked: 19.9%" in words.text(issued)


@pytest.mark.parametrize(("links", "told"), [(12, 0.199), (None, None)])
def test_an_overlap_is_rounded_down_and_hidden_with_its_links(links: int | None, told: float | None) -> None:
    issued = {
        "overlaps": [{"left": "one", "right": "two", "share": 0.19999}],
        "evidence": {"comparisons": [{"left": "one", "right": "two", "linked_pairs": links}]},
    }
    assert documents._overlaps(issued) == [{"left": "one", "right": "two", "share": told}]


def test_the_page_is_small_and_the_same_again(report: Report) -> None:
    assert page(report) == page(copy.deepcopy(report))
    assert len(page(report)) < 200_000


def test_a_report_after_the_agreement_has_ended(project: Project) -> None:
    issuer = project.issue()
    later = operations.open_store(issuer.folder, asked, now=lambda: datetime(2095, 1, 1, tzinfo=UTC))
    assert operations.report(later, None)["stages"] == {"key-issuer": "issued"}
