"""What is kept of benchmarks, how an interrupted run goes on, and the page; nothing is measured here."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tools import bench, bench_cases, bench_linking, bench_page

RESULT = {
    "seconds": 4.0,
    "cpu_seconds": 2.0,
    "records": 1_000,
    "peak_bytes": 2_000_000_000,
    "family_bytes": 3_000_000_000,
    "encodings_bytes": 10_000_000,
    "document_bytes": 1,
    "parts": 1,
    "compared": 4_000,
    "pairs": 900,
    "passes": 10,
    "groups": 700,
    "first": "00",
    "million_a_second": 900.0,
    "precision": 0.99,
    "f1": 0.97,
    "estimated_precision": {"value": 0.98, "low": 0.97, "high": 0.99},
    "day": "2026-01-01",
    "surroundings": "now",
}
DEMO = {
    **RESULT,
    "people": 1_000,
    "precision": 0.93,
    "recall": 0.9,
    "estimated_precision": {"value": 0.98, "low": 0.97, "high": 0.99},
    "estimated_recall": {"value": 0.91, "low": 0.89, "high": 0.95},
    "stages": {"encode": 3.0, "total": 4.0},
}


@pytest.fixture(autouse=True)
def _without_peers(monkeypatch: pytest.MonkeyPatch) -> None:
    """The peers are installed where they are measured, and not for tests."""
    monkeypatch.setattr(bench_page, "PACKAGES", ("numpy",))


def solved(peer: str, result: dict[str, Any]) -> bench_page.Solved:
    return bench_page.Solved(peer, 900, result)


def page(**changes: Any) -> bench_page.Page:
    parts = bench_page.Parts(
        clks=dict.fromkeys(("numbered", "ours", "clkhash"), RESULT),
        filters=dict.fromkeys(("numbered", "raw"), RESULT),
        dice={"ours": RESULT, "limit": RESULT, "anonlink": RESULT, **changes.pop("dice", {})},
        clusters=changes.pop("clusters", [solved("ours", RESULT), solved("anonlink", RESULT)]),
    )
    steps = dict.fromkeys(("people", "encode a", "encode b", "match", "issue"), RESULT)
    linked = {
        size: bench_page.Linkage({**steps, **changes.pop("steps", {})}, RESULT) for size in (1_000, 10_000)
    }
    return bench_page.Page(parts, linked, changes.pop("demo", None), "now")


def test_without_a_compiler_its_row_is_left_out_and_the_page_says_why() -> None:
    whole, without = page(), page(dice={"limit": {"left_out": "there is no C++ compiler"}})
    assert "100% of C++" in bench_page.text_of(whole)
    text = bench_page.text_of(without)
    assert "% of C++" not in text
    assert "C++ is left out: there is no C++ compiler." in text


def test_encoders_and_solvers_that_disagree_stop_the_page() -> None:
    odd = page(clusters=[solved("ours", RESULT), solved("anonlink", {**RESULT, "groups": 701})])
    with pytest.raises(SystemExit, match="clusters differ"):
        bench_page.text_of(odd)


def test_spark_stands_beside_the_local_engine_or_is_said_to_be_absent() -> None:
    assert "Spark" not in bench_page.text_of(page())
    assert "| 1,000 | Spark, `local[2]` | 9 | 3.0 GB |" in bench_page.text_of(
        page(steps={"spark": {**RESULT, "seconds": 9.0}})
    )
    text = bench_page.text_of(page(steps={"spark": {"left_out": "no Java"}}))
    assert "- 'spark', 1,000 a side is left out: no Java." in text
    assert "| 1,000 | ours |" in text


def test_the_demonstration_tells_whether_intervals_hold() -> None:
    text = bench_page.text_of(page(demo=DEMO))
    assert "| precision | 0.9300 | 0.9800 [0.9700, 0.9900] | no |" in text
    assert "| recall | 0.9000 | 0.9100 [0.8900, 0.9500] | yes |" in text


FAILED = {"left_out": "it ended with code 1", "failed": True}


@pytest.mark.parametrize("step", ["people", "encode a", "match", "issue"])
def test_a_step_that_failed_costs_the_page_its_rows_alone(step: str) -> None:
    text = bench_page.text_of(page(steps={step: FAILED}))
    assert f"- '{step}', 1,000 a side is left out: it ended with code 1." in text
    assert "| 1,000 | ours" not in text
    assert "| 1,000 | Splink |" in text
    assert "| 10,000 | ours |" in text


def test_whatever_fails_there_is_a_page_that_says_so() -> None:
    parts = bench_page.Parts(
        clks=dict.fromkeys(("numbered", "ours", "clkhash"), FAILED),
        filters=dict.fromkeys(("numbered", "raw"), FAILED),
        dice=dict.fromkeys(("ours", "limit", "anonlink"), FAILED),
        clusters=[solved("ours", FAILED)],
    )
    steps = dict.fromkeys(("people", "encode a", "encode b", "match", "issue", "spark"), FAILED)
    nothing = bench_page.Page(parts, {1_000: bench_page.Linkage(steps, FAILED)}, FAILED, "now")
    assert len(list(nothing.results())) == 17
    assert bench_page.text_of(nothing).count("it ended with code 1") == 17


def test_figures_of_earlier_code_are_told() -> None:
    text = bench_page.text_of(page(steps={"match": {**RESULT, "surroundings": "then"}}))
    assert "† 1,000 records a side were measured on 2026-01-01, on code that has changed since" in text
    assert "† 10,000 records a side" not in text
    assert "| 1,000 † | ours |" in text
    assert "| 1,000 | ours, encoding a table |" in text


@pytest.fixture
def sources(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project of one file."""
    (tmp_path / "pprl").mkdir()
    (tmp_path / "pprl" / "one.py").write_text("1")
    monkeypatch.setattr(bench, "ROOT", tmp_path)
    monkeypatch.setattr(bench, "BUILD", tmp_path / "build")
    bench.surroundings.cache_clear()
    yield tmp_path
    bench.surroundings.cache_clear()


@pytest.fixture
def results(tmp_path: Path) -> bench.Results:
    return bench.Results(tmp_path / "measured" / "bench.json")


class Machine:
    """Runs cases by name; stops before a chosen one."""

    def __init__(self, stops_before: str = "", by: BaseException | None = None) -> None:
        self.ran: list[str] = []
        self.by = by or KeyboardInterrupt()
        self.stops_before = stops_before

    def __call__(self, words: list[str], _most_seconds: float) -> str:
        _, _, _, case, _, *options = words
        folder = Path(options[options.index("--folder") + 1])
        side = options[options.index("--side") + 1] if "--side" in options else ""
        if f"{case}{side}" == self.stops_before:
            raise self.by
        self.ran.append(f"{case}{side}")
        made = {"people": ["a.csv", "b.csv"], "encode": [f"{side}.encodings"], "match": ["pairs-local"]}
        for name in made.get(case, []):
            (folder / name).write_text("some")
        return json.dumps(RESULT)


def test_a_step_that_fails_ends_what_needs_it_and_is_tried_again(
    sources: Path, results: bench.Results, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = Machine("encodeb", bench.FailedError("it ended with code 1"))
    monkeypatch.setattr(bench, "output_of", first)
    found = bench.linkage(100, results)
    assert found["encode b"] == FAILED
    assert found["issue"] == {"left_out": "it needs 'encode b', which failed"}
    second = Machine()
    monkeypatch.setattr(bench, "output_of", second)
    assert bench.linkage(100, results)["issue"]["f1"] == RESULT["f1"]
    assert (first.ran, second.ran) == (["people", "encodea"], ["encodeb", "match", "issue"])
    assert not list((sources / "build").glob("linking-*"))


def test_nothing_needs_sparks_comparisons(
    sources: Path, results: bench.Results, monkeypatch: pytest.MonkeyPatch
) -> None:
    def without_spark(words: list[str], most_seconds: float) -> str:
        if "spark" in words:
            raise bench.FailedError("it took more than 9 seconds")
        return Machine()(words, most_seconds)

    monkeypatch.setattr(bench_linking, "has_spark", lambda: True)
    monkeypatch.setattr(bench, "output_of", without_spark)
    found = bench.linkage(100, results, spark=True)
    assert found["spark"] == {"left_out": "it took more than 9 seconds", "failed": True}
    assert found["issue"]["f1"] == RESULT["f1"]
    assert not list((sources / "build").glob("linking-*"))


@pytest.mark.parametrize(
    ("program", "reason"),
    [
        ("import sys; sys.exit(3)", "it ended with code 3"),
        ("pass", "it ended with code 0"),
        # What it has started holds its output open, and must not be waited for.
        (
            "import subprocess, sys; subprocess.Popen([sys.executable, '-c', 'input()'], stdin=subprocess.PIPE);"
            "import time; time.sleep(60)",
            "it took more than 0.5 seconds",
        ),
    ],
)
def test_a_program_that_fails_or_hangs_is_ended(program: str, reason: str) -> None:
    with pytest.raises(bench.FailedError, match=reason):
        bench.output_of([sys.executable, "-S", "-c", program], 0.5 if "sleep" in program else 60)


def test_what_a_program_writes_is_given() -> None:
    assert bench.output_of([sys.executable, "-S", "-c", "print(7)"], 60) == "7\n"


def test_an_interrupted_linkage_goes_on_after_its_last_finished_step(
    sources: Path, results: bench.Results, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = Machine(stops_before="match")
    monkeypatch.setattr(bench, "output_of", first)
    with pytest.raises(KeyboardInterrupt):
        bench.linkage(100, results)
    (folder,) = (sources / "build").glob("linking-100-*")
    # What no later step needs is gone already.
    assert {path.name for path in folder.iterdir()} == {"a.encodings", "b.encodings"}
    second = Machine()
    monkeypatch.setattr(bench, "output_of", second)
    found = bench.linkage(100, results)
    assert (first.ran, second.ran) == (["people", "encodea", "encodeb"], ["match", "issue"])
    assert not folder.exists()
    monkeypatch.setattr(bench, "output_of", Machine(stops_before="people"))
    assert bench.linkage(100, results) == found


def test_other_code_is_measured_anew_and_what_was_begun_before_it_goes(
    sources: Path, results: bench.Results, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bench, "output_of", Machine(stops_before="issue"))
    with pytest.raises(KeyboardInterrupt):
        bench.linkage(100, results)
    (sources / "pprl" / "one.py").write_text("2")
    bench.surroundings.cache_clear()
    again = Machine()
    monkeypatch.setattr(bench, "output_of", again)
    bench.linkage(100, results)
    assert again.ran == ["people", "encodea", "encodeb", "match", "issue"]
    assert not list((sources / "build").glob("linking-*"))


def test_code_that_changes_while_it_is_measured_gives_no_result(
    sources: Path, results: bench.Results, monkeypatch: pytest.MonkeyPatch
) -> None:
    def edited(_words: list[str], _most_seconds: float) -> str:
        (sources / "pprl" / "one.py").write_text("2")
        return json.dumps(RESULT)

    monkeypatch.setattr(bench, "output_of", edited)
    case = bench.Case("splink", 100)
    with pytest.raises(SystemExit, match="has changed"):
        bench.measured(case, results)
    assert results.known(case) is None


def before(results: bench.Results, **changes: Any) -> None:
    """Keep a linkage of 100 records a side, of other code or another machine."""
    for step in bench.steps(100):
        results.keep(step.case, {**RESULT, "surroundings": "4be96def60fe", "day": "2025-12-31", **changes})


@pytest.mark.usefixtures("sources")
@pytest.mark.parametrize("recovered", [False, True])
def test_results_of_other_code_or_another_machine_are_kept_and_marked(
    results: bench.Results, monkeypatch: pytest.MonkeyPatch, *, recovered: bool
) -> None:
    monkeypatch.setattr(bench, "output_of", lambda _words, _most_seconds: json.dumps(RESULT))
    monkeypatch.setattr(bench, "LARGE", 100)
    monkeypatch.setattr(bench, "WHOLE", bench.Sizes(linked=()))
    before(results, **({"recovered": True} if recovered else {}))
    text = bench_page.text_of(bench.page_of(bench.WHOLE, results, large=False))
    assert "| 100 † | ours |" in text
    assert "| 100 † | ours, encoding a table |" in text
    assert "† 100 records a side were measured on 2025-12-31" in text
    assert ("figures are those of an earlier page" in " ".join(text.split())) is recovered
    assert results.last_known(bench.Case("match", 100))["day"] == "2025-12-31"


@pytest.mark.usefixtures("sources")
def test_what_is_measured_anew_takes_the_place_of_what_was_before(
    results: bench.Results, monkeypatch: pytest.MonkeyPatch
) -> None:
    before(results)
    assert results.known(bench.Case("match", 100)) is None
    monkeypatch.setattr(bench, "output_of", Machine())
    found = bench.linkage(100, results)
    assert found["match"]["surroundings"] == bench.surroundings()
    assert results.last_known(bench.Case("match", 100)) == found["match"]


def test_small_data_leave_no_results_among_the_documents(
    sources: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bench, "MEASURED", sources / "docs" / "measured" / "bench.json")
    monkeypatch.setattr(bench_page, "DOCUMENTS", sources / "docs")
    monkeypatch.setattr(bench_page, "_plot", lambda _linked, _path: None)
    monkeypatch.setattr(bench, "output_of", lambda _words, _most_seconds: json.dumps({**DEMO, "f1": 0.9}))
    monkeypatch.setattr(sys, "argv", ["bench", "--small"])
    bench.main()
    assert not (sources / "docs").exists()
    assert (sources / "build" / "small" / "benchmarks.md").exists()


def test_every_figure_of_the_page_is_from_the_results_beside_it(monkeypatch: pytest.MonkeyPatch) -> None:
    def unmeasured(_words: list[str], _most_seconds: float) -> str:
        raise bench.FailedError("nothing is measured here")

    results = bench.Results(bench.MEASURED)
    of_its_day = results.last_known(bench.Case("clks", bench.WHOLE.encoded, ("--peer", "ours")))
    assert of_its_day is not None
    monkeypatch.setattr(bench, "surroundings", lambda: of_its_day["surroundings"])
    monkeypatch.setattr(bench, "output_of", unmeasured)
    text = bench_page.text_of(bench.page_of(bench.WHOLE, results, large=False))
    written = (bench_page.DOCUMENTS / "benchmarks.md").read_text(encoding="utf-8")
    assert rows_of(written) == rows_of(text)
    assert len(rows_of(written)) > 20


def rows_of(page: str) -> list[str]:
    return [line for line in page.splitlines() if line.startswith("| ")]


def test_what_is_left_out_is_asked_for_again(
    sources: Path, results: bench.Results, monkeypatch: pytest.MonkeyPatch
) -> None:
    told = json.dumps({"left_out": "there is no C++ compiler"})
    monkeypatch.setattr(bench, "output_of", lambda _words, _most_seconds: told)
    case = bench.Case("compare", 100, ("--peer", "limit"))
    assert bench.measured(case, results)["left_out"] == "there is no C++ compiler"
    assert results.known(case) is None
    monkeypatch.setattr(bench, "output_of", lambda _words, _most_seconds: json.dumps(RESULT))
    assert bench.measured(case, results)["seconds"] == 4.0
    assert results.known(case) == results.last_known(case)


@pytest.mark.usefixtures("sources")
def test_a_full_disk_is_foreseen() -> None:
    with pytest.raises(SystemExit, match="GB of disk"):
        bench.require_room(10**18)


def test_accepted_pairs_are_as_many_as_asked_and_none_stands_twice() -> None:
    given = bench_cases.accepted(10_000)
    pairs = np.column_stack([given.left, given.right])
    assert len(np.unique(pairs, axis=0)) == len(pairs) == 10_000
    assert (np.diff(given.scores) <= 0).all()
