"""The page of `make bench`, and its plot, from what the cases gave."""

from __future__ import annotations

import importlib.metadata
import os
import platform
import sys
import textwrap
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from itertools import pairwise
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
DOCUMENTS = ROOT / "docs"
NAME = "benchmarks"
PACKAGES = ("clkhash", "anonlink", "splink", "duckdb", "numba", "numpy", "cryptography")

Result = Mapping[str, Any]
Rows = list[tuple[str, ...]]

LINKED_IN_SECONDS, LINKED_IN_BYTES, LINKED_PEOPLE = 120, 8e9, 1_000_000
FILTERS_A_SECOND = 50_000
CLKS_TARGET = 100
# Marks what was measured on code before.
OLDER = " †"
# Steps without which there is a linkage of ours all the same.
OF_PEERS = ("spark", "plain", "splink")


def is_there(result: Result | None) -> bool:
    """Whether a case was measured; it may have failed, or not be to be had."""
    return result is not None and "left_out" not in result


@dataclass(frozen=True, slots=True)
class Solved:
    """Clusters of accepted pairs.

    Attributes:
        peer: whose they are.
        pairs: how many there are.
        result: what it took.
    """

    peer: str
    pairs: int
    result: Result


@dataclass(frozen=True, slots=True)
class Parts:
    """What was measured on one core, by who did it.

    Attributes:
        clks: CLKs of standardised records, by how many there are.
        filters: field filters, from what.
        dice: all pairs of CLKs.
        clusters: clusters of accepted pairs, in the order of the page.
    """

    clks: Mapping[int, Mapping[str, Result]]
    filters: Mapping[str, Result]
    dice: Mapping[str, Result]
    clusters: Sequence[Solved]


@dataclass(frozen=True, slots=True)
class Linkage:
    """Two tables of one size, linked.

    Attributes:
        steps: what each of our steps took: `people`, `encode a`, `encode b`, `match`, `issue`; maybe the peers', which
            are `spark`, `plain` and `splink`.
    """

    steps: Mapping[str, Result]

    @property
    def ours(self) -> list[Result]:
        """What our own steps took."""
        return [each for name, each in self.steps.items() if name not in OF_PEERS]

    @property
    def splink(self) -> Result | None:
        """What Splink took; None where it wasn't asked, or failed."""
        found = self.steps.get("splink")
        return found if is_there(found) else None

    @property
    def is_whole(self) -> bool:
        """Whether no step of ours failed."""
        return all(map(is_there, self.ours))

    @property
    def seconds(self) -> float:
        """From opened submissions to linkage keys."""
        return float(self.steps["match"]["seconds"] + self.steps["issue"]["seconds"])

    @property
    def cpu_seconds(self) -> float:
        """The same, of all processors together."""
        return float(self.steps["match"]["cpu_seconds"] + self.steps["issue"]["cpu_seconds"])

    @property
    def peak_bytes(self) -> int:
        """The most memory of either of the two steps, which follow each other."""
        return int(max(self.steps["match"]["peak_bytes"], self.steps["issue"]["peak_bytes"]))

    @property
    def encoding(self) -> Result:
        """What the slower of the departments took."""
        return max(self._encodings, key=lambda each: float(each["seconds"]))

    @property
    def seconds_from_tables(self) -> float:
        """From two CSV files to linkage keys, if one table is encoded after the other."""
        return self.seconds + sum(float(each["seconds"]) for each in self._encodings)

    @property
    def peak_bytes_from_tables(self) -> int:
        """The most memory of any of these steps."""
        return max(self.peak_bytes, *(int(each["peak_bytes"]) for each in self._encodings))

    @property
    def _encodings(self) -> tuple[Result, Result]:
        return self.steps["encode a"], self.steps["encode b"]


@dataclass(frozen=True, slots=True)
class Page:
    """What the page tells.

    Attributes:
        parts: on one core.
        linked: by records a side.
        demo: the demonstration; None if it was never measured.
        surroundings: what the code and the machine are known by now.
        failed: cases that were tried this time and gave nothing, and why.
    """

    parts: Parts
    linked: Mapping[int, Linkage]
    demo: Result | None
    surroundings: str
    failed: Mapping[str, str]

    @property
    def whole(self) -> dict[int, Linkage]:
        """The linkages of which every step was measured."""
        return {people: each for people, each in self.linked.items() if each.is_whole}

    def is_older(self, *results: Result) -> bool:
        """Whether one of them is of code before."""
        return any(each.get("surroundings", self.surroundings) != self.surroundings for each in results)

    def mark(self, *results: Result) -> str:
        """What a figure of them is marked with."""
        return OLDER if self.is_older(*results) else ""


def write(page: Page, folder: Path) -> None:
    """Write the page and its plot, and show the page."""
    text = text_of(page)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / f"{NAME}.md").write_text(text, encoding="utf-8")
    _plot(page.whole, folder / f"{NAME}.svg")
    sys.stdout.write(text)


def text_of(page: Page) -> str:
    """The whole page.

    Raises:
        SystemExit: what should be equal whoever does it is not.
    """
    for clks in page.parts.clks.values():
        _require_equal("clks", "CLKs", clks.values())
    solved = page.parts.clusters
    for size in {each.pairs for each in solved}:
        _require_equal("groups", "clusters", [each.result for each in solved if each.pairs == size])
    sections = [
        _heading(page),
        _on_one_core(page),
        _solving(page),
        _linking(page),
        *_spark(page),
        *_demo(page),
        *_of_earlier_code(page),
        *_absent(page),
        _NOTES,
    ]
    return "\n\n".join(sections) + "\n"


def _require_equal(name: str, what: str, results: Iterable[Result]) -> None:
    """What code before gave need not equal what today's gives, as the people may be others."""
    found = defaultdict(set)
    for each in filter(is_there, results):
        found[each["surroundings"]].add(each[name])
    if any(len(values) > 1 for values in found.values()):
        raise SystemExit(f"Ours and the peers' {what} differ.")


def _are_compared(results: Iterable[Result]) -> bool:
    """Whether all of them are there, and of one code and machine."""
    return len({each.get("surroundings") if is_there(each) else each["left_out"] for each in results}) == 1


def machine() -> str:
    """The machine and the packages, in words."""
    versions = ", ".join(f"{name} {importlib.metadata.version(name)}" for name in PACKAGES)
    return f"{os.cpu_count()} cores, {_processor()}, Python {platform.python_version()}; {versions}"


def _processor() -> str:
    facts = Path("/proc/cpuinfo")
    lines = facts.read_text(encoding="utf-8").splitlines() if facts.exists() else []
    named = [line.split(":")[1].strip() for line in lines if line.startswith("model name")]
    return named[0] if named else platform.machine()


def _heading(page: Page) -> str:
    return (
        "# Benchmarks\n\n"
        + _wrapped(
            f"Written by `make bench` on {date.today().isoformat()}: {machine()}. This machine with this code is "
            f"`{page.surroundings}` among the results."
        )
        + "\n\n"
        + _wrapped(
            "Quote ratios, not absolute times: machines differ, and this one may have been busy. Every case runs in a "
            "process of its own, on generated people with households, moves, mistakes, and names as frequent as they "
            "are. The whole page is the program's, from [measured/bench.json](measured/bench.json); a row that is "
            "marked † was measured on code before, of which more is told below."
        )
    )


def _on_one_core(page: Page) -> str:
    parts = page.parts
    rows = [*_clk_rows(page), *_filter_rows(page), *_dice_rows(page)]
    found = [f"{_NAMES[peer]} {each['pairs']:,}" for peer, each in parts.dice.items() if "pairs" in each]
    are_compared = all(_are_compared(each.values()) for each in parts.clks.values())
    told = [
        "The encoders' bytes are compared, all of them, and equal." if are_compared else "",
        f"Pairs that reach the floor: {', '.join(found)};" if found else "",
        "anonlink may drop some that lie exactly at its threshold."
        if "pairs" in parts.dice["anonlink"]
        else "",
    ]
    return (
        "## On one core\n\n"
        + _table(("what", "figure", "beside", "target"), rows)
        + "\n\n"
        + _wrapped(" ".join(filter(None, told)))
        + _missed_by_clks(parts.clks[max(parts.clks)])
        + _missed_by_filters(parts.filters["standardised"])
    )


def _missed_by_clks(clks: Mapping[str, Result]) -> str:
    if not all(map(is_there, clks.values())):
        return ""
    reached = _rate(clks["ours"]) / _rate(clks["clkhash"]) / CLKS_TARGET
    if reached >= 1:
        return ""
    return "\n\n" + _wrapped(
        f"CLKs reach {reached:.0%} of their target; "
        "[decision 9](decisions/0009-speed-and-size.md) says what their time goes into."
    )


def _missed_by_filters(result: Result) -> str:
    if not is_there(result) or _rate(result) >= FILTERS_A_SECOND:
        return ""
    return "\n\n" + _wrapped(
        f"Field filters reach {_rate(result) / FILTERS_A_SECOND:.0%} of their target; "
        "[decision 9](decisions/0009-speed-and-size.md) says what their time goes into."
    )


_NAMES = {"ours": "ours", "limit": "C++", "anonlink": "anonlink"}


def _clk_rows(page: Page) -> Rows:
    """The largest number first, which is what the target is for; a peer below us."""
    rows: Rows = []
    for records, clks in sorted(page.parts.clks.items(), reverse=True):
        rates = {peer: _rate(each) for peer, each in clks.items() if is_there(each)}
        beside = {"clkhash": "1"}
        if {"ours", "clkhash"} <= rates.keys():
            beside["ours"] = f"{rates['ours'] / rates['clkhash']:,.0f} x clkhash"
        names = {"ours": "ours, numbering of values included", "clkhash": "clkhash, one worker"}
        target = f"{CLKS_TARGET} x" if records == max(page.parts.clks) else ""
        rows += [
            (
                f"CLKs of {records:,} standardised records, {names[peer]}{page.mark(clks[peer])}",
                f"{rate:,.0f} records/s",
                beside.get(peer, ""),
                target if peer == "ours" else "",
            )
            for peer, rate in rates.items()
        ]
    return rows


def _filter_rows(page: Page) -> Rows:
    targets = {"standardised": f"{FILTERS_A_SECOND:,}", "raw": ""}
    names = {
        "standardised": "from standardised records, numbering of values included",
        "raw": "from raw columns, standardising included",
    }
    return [
        (
            f"field filters of {each['passes']} passes, {names[peer]}{page.mark(each)}",
            f"{_rate(each):,.0f} records/s",
            "",
            targets[peer],
        )
        for peer, each in page.parts.filters.items()
        if is_there(each)
    ]


def _rate(result: Result) -> float:
    return float(result["records"]) / float(result["cpu_seconds"])


def _dice_rows(page: Page) -> Rows:
    dice = page.parts.dice
    rates = {peer: each["million_a_second"] for peer, each in dice.items() if "million_a_second" in each}
    beside = []
    if {"ours", "anonlink"} <= rates.keys():
        beside.append(f"{rates['ours'] / rates['anonlink']:.1f} x anonlink")
    if {"ours", "limit"} <= rates.keys():
        beside.append(f"{rates['ours'] / rates['limit']:.0%} of C++")
    names = {"ours": "ours", "limit": "C++ with AVX-512 and the same bound", "anonlink": "anonlink"}
    return [
        (
            f"all-pairs Dice, 1,024 bits, floor 0.8, {names[peer]}{page.mark(dice[peer])}",
            f"{rate:,.0f} million pairs/s",
            ", ".join(beside) if peer == "ours" else "1" if peer == "anonlink" else "",
            "8 x, 75 %" if peer == "ours" else "",
        )
        for peer, rate in rates.items()
    ]


def _solving(page: Page) -> str:
    rows = [
        (
            f"{each.pairs:,}{page.mark(each.result)}",
            "ours: clusters, keys, crosswalk" if each.peer == "ours" else "anonlink: clusters",
            f"{each.result['seconds']:,.1f}",
            _gigabytes(each.result["peak_bytes"]),
        )
        for each in page.parts.clusters
        if is_there(each.result)
    ]
    return (
        "## Clusters and keys\n\n"
        + _wrapped(
            "On one core, of accepted pairs of two tables with a record a person; a fifth of the pairs compete with "
            "others. Ours and anonlink's groups are equal in number."
        )
        + "\n\n"
        + _table(("pairs", "what", "seconds", "peak memory"), rows)
    )


def _linking(page: Page) -> str:
    rows = [row for people in page.linked for row in _rows_of(page, people)]
    header = ("records a side", "what", "seconds", "peak memory", "F1", "besides")
    return (
        "## Linking two tables\n\n"
        + _wrapped(
            "From opened submissions to linkage keys, and for Splink from files of standardised plain records to "
            "clusters, both on all cores; half of the people are in both tables. Target: a million a side in "
            "120 seconds and 8 GB."
        )
        + "\n\n"
        + _table(header, rows)
        + "\n\n"
        + "\n\n".join(
            [
                *_target(page),
                *_growth(page),
                f"![Seconds against records a side]({NAME}.svg)",
            ]
        )
    )


def _target(page: Page) -> list[str]:
    """Whether a million a side keep to their time and memory, and how they stand beside Splink."""
    linkage = page.whole.get(LINKED_PEOPLE)
    if linkage is None:
        return []
    is_met = linkage.seconds <= LINKED_IN_SECONDS and linkage.peak_bytes <= LINKED_IN_BYTES
    told = [f"The target is {'met' if is_met else 'not met'}{page.mark(*linkage.ours)}."]
    splink = linkage.splink
    if splink is not None:
        told.append(
            f"Splink took {splink['seconds'] / linkage.seconds:,.1f} times as long as our linking, and "
            f"{splink['peak_bytes'] / linkage.peak_bytes:,.1f} times the memory{page.mark(splink)}. Plain records "
            "need no encoding: with both tables encoded before, one after the other, ours takes "
            f"{linkage.seconds_from_tables:,.0f} seconds, and Splink took "
            f"{splink['seconds'] / linkage.seconds_from_tables:,.1f} times as long and "
            f"{splink['peak_bytes'] / linkage.peak_bytes_from_tables:,.1f} times the memory of the largest step. "
            "DuckDB takes what it may: its peak is no measure of what it needs."
        )
    return [_wrapped(" ".join(told))]


def _growth(page: Page) -> list[str]:
    """Of the processors' time, as a machine that does something else as well lengthens the other."""
    return [_growth_between(page, small, large) for small, large in pairwise(sorted(page.whole))]


def _growth_between(page: Page, small: int, large: int) -> str:
    one, other = page.whole[small], page.whole[large]
    apart = f"From {small:,}{page.mark(*one.ours)} to {large:,}{page.mark(*other.ours)} records a side"
    if len({each.get("surroundings") for each in (*one.ours, *other.ours)}) > 1:
        return _wrapped(f"{apart} nothing is told of growth, as they were not measured by the same code.")
    linking = other.cpu_seconds / one.cpu_seconds
    encoding = other.encoding["cpu_seconds"] / one.encoding["cpu_seconds"]
    return _wrapped(
        f"{apart} ({large / small:,.0f} times as many) linking takes {linking:,.1f} times the processors' time, and "
        f"encoding a table {encoding:,.1f} times."
    )


def _of_earlier_code(page: Page) -> list[str]:
    """Of when the rows are that are marked, and whence."""
    origins: dict[tuple[str, str, bool], dict[str, None]] = {}
    for label, result in _labelled_rows(page):
        if is_there(result) and page.is_older(result):
            origin = result["day"], result["surroundings"], bool(result.get("recovered"))
            origins.setdefault(origin, {})[label] = None
    if not origins:
        return []
    told = [
        _item(
            f"on {day} (`{surroundings}` among the results): {'; '.join(labels)}."
            + (" The figures are those of an earlier page, rounded." if recovered else "")
        )
        for (day, surroundings, recovered), labels in sorted(origins.items())
    ]
    heading = (
        "† Measured on code that has changed since, or on another machine, and maybe beside other work: seconds of "
        "processors tell more than the others."
    )
    return ["## Of code before\n\n" + _wrapped(heading) + "\n\n" + "\n".join(told)]


def _labelled_rows(page: Page) -> Iterator[tuple[str, Result]]:
    """Whatever has a row of its own that may be marked, steps of ours under one name."""
    yield from _labelled_parts(page.parts)
    for people, linkage in page.linked.items():
        yield from ((f"{people:,} records a side", each) for each in linkage.ours)
        for name in ("spark", "splink"):
            if name in linkage.steps:
                yield f"{name.capitalize()}, {people:,} records a side", linkage.steps[name]


def _labelled_parts(parts: Parts) -> Iterator[tuple[str, Result]]:
    for records, clks in parts.clks.items():
        yield from ((f"CLKs of {records:,} records ({peer})", each) for peer, each in clks.items())
    yield from ((f"field filters ({peer})", each) for peer, each in parts.filters.items())
    yield from ((f"all-pairs Dice ({_NAMES[peer]})", each) for peer, each in parts.dice.items())
    yield from ((f"{each.pairs:,} pairs ({each.peer})", each.result) for each in parts.clusters)


def _absent(page: Page) -> list[str]:
    """What is not there, and why."""
    labels = [
        *_labelled_parts(page.parts),
        *(
            (f"'{name}', {people:,} a side", step)
            for people, each in page.linked.items()
            for name, step in each.steps.items()
            if name != "plain" or each.splink is None
        ),
        *([("The demonstration", page.demo)] if page.demo is not None else []),
    ]
    told = [
        _item(f"{label} is left out: {each['left_out']}.") for label, each in labels if not is_there(each)
    ]
    told += [
        _item(f"`{case}` failed when it was measured anew: {reason}.") for case, reason in page.failed.items()
    ]
    return ["## What is missing\n\n" + "\n".join(told)] if told else []


def _rows_of(page: Page, people: int) -> Rows:
    linkage = page.linked[people]
    rows = []
    if linkage.is_whole:
        rows.append(_row_of_ours(page, people, linkage))
    if linkage.splink is not None:
        rows.append(_row_of_splink(page, people, linkage.splink))
    if linkage.is_whole:
        rows.append(_row_of_encoding(page, people, linkage.encoding))
    return rows


def _row_of_ours(page: Page, people: int, linkage: Linkage) -> tuple[str, ...]:
    match, issue = linkage.steps["match"], linkage.steps["issue"]
    besides = [
        f"match {match['seconds']:,.0f} s, issue {issue['seconds']:,.0f} s",
        f"{linkage.cpu_seconds:,.0f} s of processors",
        f"{match['compared'] / people:.1f} pairs compared a record",
        f"precision {issue['precision']:.4f}, estimated {_interval(issue['estimated_precision'])}",
    ]
    return (
        f"{people:,}{page.mark(match, issue)}",
        "ours",
        f"{linkage.seconds:,.0f}",
        _gigabytes(linkage.peak_bytes),
        f"{issue['f1']:.4f}",
        "; ".join(besides),
    )


def _row_of_splink(page: Page, people: int, splink: Result) -> tuple[str, ...]:
    told = ["plain records, DuckDB"]
    told += [f"which may take {splink['memory_limit']}"] if "memory_limit" in splink else []
    told += [str(splink["told"])] if "told" in splink else []
    return (
        f"{people:,}{page.mark(splink)}",
        "Splink",
        f"{splink['seconds']:,.0f}",
        _gigabytes(splink["peak_bytes"]),
        f"{splink['f1']:.4f}",
        ", ".join(told),
    )


def _row_of_encoding(page: Page, people: int, encode: Result) -> tuple[str, ...]:
    return (
        f"{people:,}{page.mark(encode)}",
        "ours, encoding a table",
        f"{encode['seconds']:,.0f}",
        _gigabytes(encode["peak_bytes"]),
        "",
        f"from a CSV file; {encode['cpu_seconds']:,.0f} s of processors; "
        f"{encode['encodings_bytes'] / 1e9:.2f} GB of encodings",
    )


def _spark(page: Page) -> list[str]:
    """Spark beside the local engine, wherever both were measured."""
    rows = [
        (
            f"{people:,}{page.mark(steps[step])}",
            what,
            f"{steps[step]['seconds']:,.0f}",
            _gigabytes(steps[step]["family_bytes"]),
        )
        for people, steps in ((people, each.steps) for people, each in page.whole.items())
        if is_there(steps.get("spark"))
        for what, step in (("this machine's own engine", "match"), ("Spark, `local[2]`", "spark"))
    ]
    if not rows:
        return []
    return [
        "## The matcher's comparisons on Spark\n\n"
        + _table(("records a side", "engine", "seconds", "memory of all processes"), rows)
        + "\n\nSpark's seconds hold its start; its memory is that of the JVM and of Python's workers too."
    ]


def _demo(page: Page) -> list[str]:
    """The demonstration at its largest promise."""
    demo = page.demo
    if demo is None or not is_there(demo):
        return []
    rows = []
    for name in ("precision", "recall"):
        estimate = demo[f"estimated_{name}"]
        low, high = estimate["low"], estimate["high"]
        held = "" if low is None or high is None else "yes" if low <= demo[name] <= high else "no"
        rows.append((name, f"{demo[name]:.4f}", _interval(estimate), held))
    stages = ", ".join(
        f"{name} {seconds:,.0f}" for name, seconds in demo["stages"].items() if name != "total"
    )
    older = "" if not page.is_older(demo) else f" It ran on {demo['day']}; the code has changed since."
    return [
        "## The demonstration\n\n"
        + _wrapped(
            f"`pprl demo --records {demo['people']}`, which makes {demo['records']:,} records of three datasets: "
            f"{demo['seconds']:,.0f} seconds, {_gigabytes(demo['family_bytes'])} of memory for all processes together, "
            f"{_gigabytes(demo['peak_bytes'])} for the largest. Seconds by stage: {stages}.{older}"
        )
        + "\n\n"
        + _table(("", "in truth", "estimated, and its interval", "the interval holds the truth"), rows)
    ]


def _interval(estimate: Mapping[str, float | None]) -> str:
    value, low, high = (estimate[name] for name in ("value", "low", "high"))
    if value is None or low is None or high is None:
        return "none"
    return f"{value:.4f} [{low:.4f}, {high:.4f}]"


def _gigabytes(amount: float) -> str:
    return f"{amount / 1e9:.1f} GB"


def _wrapped(text: str) -> str:
    return textwrap.fill(text, 118, break_on_hyphens=False)


def _item(text: str) -> str:
    return textwrap.fill(text, 118, break_on_hyphens=False, initial_indent="- ", subsequent_indent="  ")


def _table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


_NOTES = """## How it is measured

`make bench` repeats all of it but ten million a side and the demonstration, which `make bench-large` adds. Rates on
one core count the processor's seconds of a process that is held to one core; what is compiled is compiled before.
The C++ kernel (`tools/limit_kernel.cpp`) is built with the machine's own compiler, for this comparison alone; without
a compiler, or without AVX-512 VPOPCNTDQ, its row is left out.

CLKs are made from standardised values, with which clkhash begins too, and in the table's order. Ours number distinct
values batch by batch, as `pprl encode` does, and the clock holds that. The more records there are, the more of them
have a value in common, which ours encode once.

Match and issue are processes of their own, as they are two parties' steps, and their peak is the larger of the two.
Pairs a second of all-pairs Dice are pairs decided, at a floor of 0.8: bits are counted only as far as a pair may
still reach it. What was measured is measured anew when the code, a package or the machine is another. The matcher
takes encodings in ranges that keep to its `--memory`; the key issuer has references and pairs in memory as a whole,
and refuses before it begins where that is more than it may use.

Splink has the settings of `tools/peers.py`, its documentation's for people, and its threshold of 0.95. It reads its
tables from Parquet files that another process has written, so that its peak is its own. Neither it nor ours is held to
less memory than this machine has: DuckDB may take 80 % of it, its own default, and the matcher's default is three
quarters of what is free."""


def _plot(linked: Mapping[int, Linkage], path: Path) -> None:
    """Seconds against records a side, both axes logarithmic."""
    from matplotlib import rcParams  # noqa: PLC0415 - only this page needs it
    from matplotlib.figure import Figure  # noqa: PLC0415

    rcParams["svg.hashsalt"] = "benchmarks"
    figure = Figure(figsize=(6, 4), layout="constrained")
    axes = figure.subplots()
    lines = {
        "ours, linking": ("o-", {people: each.seconds for people, each in linked.items()}),
        "Splink, linking": (
            "s--",
            {people: each.splink["seconds"] for people, each in linked.items() if each.splink is not None},
        ),
        "ours, encoding a table": (
            "^:",
            {people: each.encoding["seconds"] for people, each in linked.items()},
        ),
    }
    for label, (style, points) in lines.items():
        axes.plot(list(points), list(points.values()), style, label=label, color="black")
    axes.set(xscale="log", yscale="log", xlabel="records a side", ylabel="seconds")
    axes.legend()
    figure.savefig(path, metadata={"Date": None})
