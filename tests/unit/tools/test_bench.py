"""What is kept of benchmarks, how an interrupted run goes on, and the page; nothing is measured here."""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pprl.encode.clk import ClkEncoder
from tools import bench, bench_cases, bench_linking, bench_page, bench_people
from tools.bench_clocks import Stopwatch

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
    "clks": "00",
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


OURS = ("people", "encode a", "encode b", "match", "issue")


def solved(peer: str, result: dict[str, Any]) -> bench_page.Solved:
    return bench_page.Solved(peer, 900, result)


def page(**changes: Any) -> bench_page.Page:
    parts = bench_page.Parts(
        clks=changes.pop("clks", dict.fromkeys((100, 1_000), dict.fromkeys(("ours", "clkhash"), RESULT))),
        filters=dict.fromkeys(("standardised", "raw"), RESULT),
        dice={"ours": RESULT, "limit": RESULT, "anonlink": RESULT, **changes.pop("dice", {})},
        clusters=changes.pop("clusters", [solved("ours", RESULT), solved("anonlink", RESULT)]),
    )
    steps = dict.fromkeys((*OURS, "plain", "splink"), RESULT)
    linked = {size: bench_page.Linkage({**steps, **changes.pop("steps", {})}) for size in (1_000, 10_000)}
    return bench_page.Page(parts, linked, changes.pop("demo", None), "now", changes.pop("failed", {}))


def test_without_a_compiler_its_row_is_left_out_and_the_page_says_why() -> None:
    whole, without = page(), page(dice={"limit": {"left_out": "there is no C++ compiler"}})
    assert "100% of C++" in bench_page.text_of(whole)
    text = bench_page.text_of(without)
    assert "% of C++" not in text
    assert "- all-pairs Dice (C++) is left out: there is no C++ compiler." in text


def test_encoders_and_solvers_that_disagree_stop_the_page() -> None:
    odd = page(clusters=[solved("ours", RESULT), solved("anonlink", {**RESULT, "groups": 701})])
    with pytest.raises(SystemExit, match="clusters differ"):
        bench_page.text_of(odd)


def test_clks_are_beside_clkhash_at_each_number_of_records_and_the_target_is_for_the_most() -> None:
    slow = {"ours": {**RESULT, "cpu_seconds": 0.5}, "clkhash": {**RESULT, "cpu_seconds": 8.0}}
    fast = {"ours": {**RESULT, "cpu_seconds": 0.1}, "clkhash": {**RESULT, "cpu_seconds": 80.0}}
    rows = [row for row in rows_of(bench_page.text_of(page(clks={100: slow, 1_000: fast}))) if "CLKs" in row]
    assert [row.split(" | ", 1)[1] for row in rows] == [
        "10,000 records/s | 800 x clkhash | 100 x |",
        "12 records/s | 1 |  |",
        "2,000 records/s | 16 x clkhash |  |",
        "125 records/s | 1 |  |",
    ]
    assert "1,000 standardised records, ours, numbering of values included" in rows[0]


def test_clks_that_differ_at_one_number_of_records_stop_the_page() -> None:
    same = dict.fromkeys(("ours", "clkhash"), RESULT)
    assert "bytes are compared" in bench_page.text_of(page(clks={100: same, 1_000: same}))
    other = {**RESULT, "clks": "01"}
    with pytest.raises(SystemExit, match="CLKs differ"):
        bench_page.text_of(page(clks={100: same, 1_000: {**same, "ours": other}}))
    # Of code before they may have been of other people.
    older = {**other, "surroundings": "then"}
    text = bench_page.text_of(page(clks={100: same, 1_000: {**same, "ours": older}}))
    assert "bytes are compared" not in text


def test_splink_is_beside_linking_alone_and_beside_linking_with_encoding(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(bench_page, "LINKED_PEOPLE", 1_000)
    splink = {**RESULT, "seconds": 80.0, "peak_bytes": 9_000_000_000, "memory_limit": "18.8 GiB"}
    encoding = {**RESULT, "seconds": 6.0, "peak_bytes": 3_000_000_000}
    text = bench_page.text_of(page(steps={"splink": splink, "encode b": encoding}))
    told = " ".join(text.split())
    assert (
        "| 1,000 | Splink | 80 | 9.0 GB | 0.9700 | plain records, DuckDB, which may take 18.8 GiB |" in text
    )
    assert "Splink took 10.0 times as long as our linking, and 4.5 times the memory." in told
    assert "ours takes 18 seconds, and Splink took 4.4 times as long and 3.0 times the memory" in told


@pytest.mark.parametrize("rate", [20_000, 49_000, 50_000])
def test_why_field_filters_are_slow_is_told_where_they_are(rate: int) -> None:
    told = bench_page._missed_by_filters({**RESULT, "cpu_seconds": RESULT["records"] / rate})
    assert told.strip().startswith(f"Field filters reach {rate // 500}% of their target") is (rate < 50_000)
    assert bool(told) is (rate < 50_000)


def test_splinks_tables_are_missed_only_where_splink_is() -> None:
    never = {"plain": bench.NEVER}
    assert "'plain'" not in bench_page.text_of(page(steps=never))
    assert "- 'plain', 1,000 a side is left out" in bench_page.text_of(
        page(steps={**never, "splink": FAILED})
    )


def test_spark_stands_beside_the_local_engine_or_is_said_to_be_absent() -> None:
    assert "Spark" not in bench_page.text_of(page())
    assert "| 1,000 | Spark, `local[2]` | 9 | 3.0 GB |" in bench_page.text_of(
        page(steps={"spark": {**RESULT, "seconds": 9.0}})
    )
    text = bench_page.text_of(page(steps={"spark": {"left_out": "no Java"}}))
    assert "- 'spark', 1,000 a side is left out: no Java." in text
    assert "| 1,000 | ours |" in text
    assert "Of code before" not in text


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
        clks={1_000: dict.fromkeys(("ours", "clkhash"), FAILED)},
        filters=dict.fromkeys(("standardised", "raw"), FAILED),
        dice=dict.fromkeys(("ours", "limit", "anonlink"), FAILED),
        clusters=[solved("ours", FAILED)],
    )
    steps = dict.fromkeys((*OURS, "spark", "plain", "splink"), FAILED)
    failed = {"match-1000": "it took too long"}
    nothing = bench_page.Page(parts, {1_000: bench_page.Linkage(steps)}, FAILED, "now", failed)
    text = bench_page.text_of(nothing)
    assert text.count("it ended with code 1") == 17
    assert "- `match-1000` failed when it was measured anew: it took too long." in text


def test_figures_of_earlier_code_are_told_and_marked() -> None:
    then = {**RESULT, "surroundings": "then"}
    text = bench_page.text_of(page(steps={"match": then}))
    assert "- on 2026-01-01 (`then` among the results): 1,000 records a side." in text
    assert "| 1,000 † | ours |" in text
    assert "| 10,000 | ours |" in text
    assert "| 1,000 | ours, encoding a table |" in text
    text = bench_page.text_of(page(clks={10: {"ours": then, "clkhash": RESULT}}, dice={"limit": then}))
    marked = [row.split(" | ")[0].removeprefix("| ") for row in rows_of(text) if "†" in row]
    assert marked == [
        "CLKs of 10 standardised records, ours, numbering of values included †",
        "all-pairs Dice, 1,024 bits, floor 0.8, C++ with AVX-512 and the same bound †",
    ]
    assert "results): CLKs of 10 records (ours); all-pairs Dice (C++)." in text


def test_growth_from_one_version_of_the_code_to_another_is_told_as_such() -> None:
    then = {**RESULT, "surroundings": "then"}
    both = " ".join(bench_page.text_of(page()).split())
    assert "From 1,000 to 10,000 records a side (10 times as many) linking takes 1.0 times" in both
    assert "encoding a table 1.0 times." in both
    older = page(steps=dict.fromkeys(OURS, then))
    text = " ".join(bench_page.text_of(older).split())
    assert "From 1,000 † to 10,000 records a side nothing is told of growth" in text
    assert "encoding a table 1.0 times" not in text


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
    found = bench.linkage(bench.steps(100), results)
    assert found["encode b"] == FAILED
    assert found["issue"] == {"left_out": "it needs 'encode b', which failed"}
    second = Machine()
    monkeypatch.setattr(bench, "output_of", second)
    assert bench.linkage(bench.steps(100), results)["issue"]["f1"] == RESULT["f1"]
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
    found = bench.linkage(bench.steps(100, spark=True), results)
    assert found["spark"] == {"left_out": "it took more than 9 seconds", "failed": True}
    assert found["issue"]["f1"] == RESULT["f1"]
    assert not list((sources / "build").glob("linking-*"))


def test_nothing_but_splink_needs_its_tables(
    sources: Path, results: bench.Results, monkeypatch: pytest.MonkeyPatch
) -> None:
    machine = Machine("plain", bench.FailedError("it ended with code 1"))
    monkeypatch.setattr(bench, "output_of", machine)
    found = bench.linkage(bench.steps(100, splink=True), results)
    assert found["splink"] == {"left_out": "it needs 'plain', which failed"}
    assert machine.ran == ["people", "encodea", "encodeb", "match", "issue"]
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
        bench.linkage(bench.steps(100), results)
    (folder,) = (sources / "build").glob("linking-100-*")
    # What no later step needs is gone already.
    assert {path.name for path in folder.iterdir()} == {"a.encodings", "b.encodings", "bench.json"}
    second = Machine()
    monkeypatch.setattr(bench, "output_of", second)
    found = bench.linkage(bench.steps(100), results)
    assert (first.ran, second.ran) == (["people", "encodea", "encodeb"], ["match", "issue"])
    assert not folder.exists()
    monkeypatch.setattr(bench, "output_of", Machine(stops_before="people"))
    assert bench.linkage(bench.steps(100), results) == found


def test_other_code_is_measured_anew_and_what_was_begun_before_it_goes(
    sources: Path, results: bench.Results, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bench, "output_of", Machine(stops_before="issue"))
    with pytest.raises(KeyboardInterrupt):
        bench.linkage(bench.steps(100), results)
    (sources / "pprl" / "one.py").write_text("2")
    bench.surroundings.cache_clear()
    again = Machine()
    monkeypatch.setattr(bench, "output_of", again)
    bench.linkage(bench.steps(100), results)
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
    old = {**RESULT, "surroundings": "4be96def60fe", "day": "2025-12-31", **changes}
    results.keep({step.case: old for step in bench.steps(100)})


@pytest.mark.usefixtures("sources")
@pytest.mark.parametrize("recovered", [False, True])
def test_results_of_other_code_or_another_machine_are_kept_and_marked(
    results: bench.Results, monkeypatch: pytest.MonkeyPatch, *, recovered: bool
) -> None:
    monkeypatch.setattr(bench, "LARGE", 100)
    monkeypatch.setattr(bench, "WHOLE", bench.Sizes(linked=()))
    before(results, **({"recovered": True} if recovered else {}))
    text = bench_page.text_of(bench.page_of(bench.WHOLE, results, {}))
    assert "| 100 † | ours |" in text
    assert "| 100 † | ours, encoding a table |" in text
    assert "- on 2025-12-31 (`4be96def60fe` among the results): 100 records a side." in text
    assert ("figures are those of an earlier page" in " ".join(text.split())) is recovered
    assert results.last_known(bench.Case("match", 100))["day"] == "2025-12-31"


@pytest.mark.usefixtures("sources")
def test_what_is_measured_anew_takes_the_place_of_what_was_before(
    results: bench.Results, monkeypatch: pytest.MonkeyPatch
) -> None:
    before(results)
    assert results.known(bench.Case("match", 100)) is None
    monkeypatch.setattr(bench, "output_of", Machine())
    found = bench.linkage(bench.steps(100), results)
    assert found["match"]["surroundings"] == bench.surroundings()
    assert results.last_known(bench.Case("match", 100)) == found["match"]


@pytest.mark.usefixtures("sources")
def test_a_row_is_never_of_old_and_new_steps(results: bench.Results, monkeypatch: pytest.MonkeyPatch) -> None:
    before(results)
    kept = bench.linkage_before(bench.steps(100), results.last_known)
    monkeypatch.setattr(bench, "output_of", Machine("issue", bench.FailedError("it ended with code 1")))
    found = bench.linkage(bench.steps(100), results)
    assert found["match"]["surroundings"] == bench.surroundings()
    # The new match is not kept before there is a new issue.
    assert bench.linkage_before(bench.steps(100), results.last_known) == kept
    assert kept.is_whole
    results.keep({bench.Case("match", 100): found["match"]})
    mixed = bench.linkage_before(bench.steps(100), results.last_known)
    assert mixed.steps == dict.fromkeys(OURS, bench.NOT_TOGETHER)


@pytest.mark.usefixtures("sources")
def test_what_fails_is_told_beside_what_was_measured_before(
    results: bench.Results, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(_words: list[str], _most_seconds: float) -> str:
        raise bench.FailedError("it ended with code 1")

    monkeypatch.setattr(bench, "output_of", fails)
    sizes = bench.Sizes(linked=(100,))
    before(results)
    text = bench_page.text_of(bench.page_of(sizes, results, bench.measure(sizes, results, large=False)))
    assert "| 100 † | ours |" in text
    assert "- `people-100` failed when it was measured anew: it ended with code 1." in text
    assert "- 'splink', 100 a side is left out: it needs 'people', which failed." in text


def test_the_page_alone_measures_nothing(sources: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bench_page, "DOCUMENTS", sources / "docs")
    monkeypatch.setattr(bench_page, "_plot", lambda _linked, _path: None)
    monkeypatch.setattr(bench, "output_of", None)
    monkeypatch.setattr(sys, "argv", ["bench", "--page"])
    bench.main()
    assert rows_of((sources / "docs" / "benchmarks.md").read_text(encoding="utf-8"))


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
    written = (bench_page.DOCUMENTS / "benchmarks.md").read_text(encoding="utf-8")
    of_its_day = re.search(r"`([0-9a-f]{12})`\s+among\s+the\s+results", written)
    assert of_its_day is not None
    monkeypatch.setattr(bench, "surroundings", lambda: of_its_day[1])
    text = bench_page.text_of(bench.page_of(bench.WHOLE, bench.Results(bench.MEASURED), {}))
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


def test_our_clks_are_put_back_into_the_order_of_the_table(monkeypatch: pytest.MonkeyPatch) -> None:
    agreement = bench_people.agreement_for(300, "clk")
    monkeypatch.setattr(bench_people, "BATCH", 70)
    monkeypatch.setattr(bench_cases, "RECORDS_AT_ONCE", 50)
    table = list(bench_people.standardised(bench_people.batches(300, 0), 0, agreement))
    assert len(table) == 5
    whole = ClkEncoder(agreement.content, bench_cases.KEY).encode(bench_people.joined(table))
    made = bench_cases._by_us(table, agreement, Stopwatch())
    assert [bytes(each) for each in made] == [row.tobytes() for row in whole]
    assert len(set(map(bytes, made))) > 100


def test_accepted_pairs_are_as_many_as_asked_and_none_stands_twice() -> None:
    given = bench_cases.accepted(10_000)
    pairs = np.column_stack([given.left, given.right])
    assert len(np.unique(pairs, axis=0)) == len(pairs) == 10_000
    assert (np.diff(given.scores) <= 0).all()
