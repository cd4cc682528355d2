"""The page of `make bench`, and its plot, from what the cases gave."""

from __future__ import annotations

import importlib.metadata
import os
import platform
import sys
import textwrap
from collections.abc import Iterator, Mapping, Sequence
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
# Marks what was measured on code before.
OLDER = " †"


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
        clks: CLKs of standardised records.
        filters: field filters, from what.
        dice: all pairs of CLKs.
        clusters: clusters of accepted pairs, in the order of the page.
    """

    clks: Mapping[str, Result]
    filters: Mapping[str, Result]
    dice: Mapping[str, Result]
    clusters: Sequence[Solved]


@dataclass(frozen=True, slots=True)
class Linkage:
    """Two tables of one size, linked.

    Attributes:
        steps: what each of our steps took: `people`, `encode a`, `encode b`, `match`, `issue`; maybe `spark`.
        splink: what Splink took; None where it wasn't asked.
    """

    steps: Mapping[str, Result]
    splink: Result | None

    @property
    def is_whole(self) -> bool:
        """Whether no step but Spark's failed."""
        return all(is_there(each) for name, each in self.steps.items() if name != "spark")

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
        return max((self.steps["encode a"], self.steps["encode b"]), key=lambda each: float(each["seconds"]))


@dataclass(frozen=True, slots=True)
class Page:
    """What the page tells.

    Attributes:
        parts: on one core.
        linked: by records a side.
        demo: the demonstration; None if it was never measured.
        surroundings: what the code and the machine are known by now.
    """

    parts: Parts
    linked: Mapping[int, Linkage]
    demo: Result | None
    surroundings: str

    @property
    def whole(self) -> dict[int, Linkage]:
        """The linkages of which every step was measured."""
        return {people: each for people, each in self.linked.items() if each.is_whole}

    def is_older(self, *results: Result) -> bool:
        """Whether one of them is of code before."""
        return any(each.get("surroundings", self.surroundings) != self.surroundings for each in results)

    def results(self) -> Iterator[Result]:
        """Everything that was measured, or failed."""
        yield from self.parts.clks.values()
        yield from self.parts.filters.values()
        yield from self.parts.dice.values()
        yield from (each.result for each in self.parts.clusters)
        for linkage in self.linked.values():
            yield from linkage.steps.values()
            if linkage.splink is not None:
                yield linkage.splink
        if self.demo is not None:
            yield self.demo


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
    _require_equal("CLKs", [each["first"] for each in page.parts.clks.values() if is_there(each)])
    solved = [each for each in page.parts.clusters if is_there(each.result)]
    for size in {each.pairs for each in solved}:
        _require_equal("clusters", [each.result["groups"] for each in solved if each.pairs == size])
    sections = [
        _heading(),
        _on_one_core(page.parts),
        _solving(page.parts),
        _linking(page),
        *_spark(page),
        *_demo(page),
        *_absent(page),
        _NOTES,
    ]
    return "\n\n".join(sections) + "\n"


def _require_equal(what: str, found: Sequence[Any]) -> None:
    if len(set(found)) > 1:
        raise SystemExit(f"Ours and the peers' {what} differ.")


def machine() -> str:
    """The machine and the packages, in words."""
    versions = ", ".join(f"{name} {importlib.metadata.version(name)}" for name in PACKAGES)
    return f"{os.cpu_count()} cores, {_processor()}, Python {platform.python_version()}; {versions}"


def _processor() -> str:
    facts = Path("/proc/cpuinfo")
    lines = facts.read_text(encoding="utf-8").splitlines() if facts.exists() else []
    named = [line.split(":")[1].strip() for line in lines if line.startswith("model name")]
    return named[0] if named else platform.machine()


def _heading() -> str:
    return (
        "# Benchmarks\n\n"
        + _wrapped(f"Written by `make bench` on {date.today().isoformat()}: {machine()}.")
        + "\n\n"
        + _wrapped(
            "Quote ratios, not absolute times: machines differ, and this one may have been busy. Every case runs in a "
            "process of its own, on generated people with households, moves, mistakes, and names as frequent as they "
            "are. The whole page is the program's, from [measured/bench.json](measured/bench.json); a row that is "
            "marked † was measured on code before, on a day that is told."
        )
    )


def _on_one_core(parts: Parts) -> str:
    rows = [*_encoding_rows(parts), *_dice_rows(parts.dice)]
    found = [f"{_NAMES[peer]} {each['pairs']:,}" for peer, each in parts.dice.items() if "pairs" in each]
    told = [
        "The encoders' bytes are compared, and equal." if all(map(is_there, parts.clks.values())) else "",
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
        + _missed_by_filters(parts.filters["numbered"])
    )


def _missed_by_filters(result: Result) -> str:
    if not is_there(result) or _rate(result) >= FILTERS_A_SECOND:
        return ""
    return "\n\n" + _wrapped(
        "Field filters don't reach their target: what is left is Python for each distinct value (phonetic codes, "
        "digests of postcodes) and the filters themselves. Codes and digests of distinct values made in one compiled "
        "step would bring most of it."
    )


_NAMES = {"ours": "ours", "limit": "C++", "anonlink": "anonlink"}


def _encoding_rows(parts: Parts) -> Rows:
    clkhash = _rate(parts.clks["clkhash"]) if is_there(parts.clks["clkhash"]) else 0.0
    rows: Rows = []
    for what, peer, target in (
        ("CLKs from numbered values, as `pprl encode` has them", "numbered", "100 x"),
        ("CLKs from lists of values", "ours", ""),
        ("CLKs by clkhash, one worker", "clkhash", ""),
    ):
        if not is_there(parts.clks[peer]):
            continue
        rate = _rate(parts.clks[peer])
        times = f"{rate / clkhash:,.0f} x clkhash" if clkhash else ""
        rows.append((what, f"{rate:,.0f} records/s", "1" if peer == "clkhash" else times, target))
    for what, peer, target in (
        ("from standardised and numbered records", "numbered", f"{FILTERS_A_SECOND:,}"),
        ("from raw columns, standardising included", "raw", ""),
    ):
        if not is_there(parts.filters[peer]):
            continue
        passes = parts.filters[peer]["passes"]
        rate = _rate(parts.filters[peer])
        rows.append((f"field filters of {passes} passes, {what}", f"{rate:,.0f} records/s", "", target))
    return rows


def _rate(result: Result) -> float:
    return float(result["records"]) / float(result["cpu_seconds"])


def _dice_rows(dice: Mapping[str, Result]) -> Rows:
    rates = {peer: each["million_a_second"] for peer, each in dice.items() if "million_a_second" in each}
    beside = []
    if {"ours", "anonlink"} <= rates.keys():
        beside.append(f"{rates['ours'] / rates['anonlink']:.1f} x anonlink")
    if {"ours", "limit"} <= rates.keys():
        beside.append(f"{rates['ours'] / rates['limit']:.0%} of C++")
    names = {"ours": "ours", "limit": "C++ with AVX-512 and the same bound", "anonlink": "anonlink"}
    return [
        (
            f"all-pairs Dice, 1,024 bits, floor 0.8, {names[peer]}",
            f"{rate:,.0f} million pairs/s",
            ", ".join(beside) if peer == "ours" else "1" if peer == "anonlink" else "",
            "8 x, 75 %" if peer == "ours" else "",
        )
        for peer, rate in rates.items()
    ]


def _solving(parts: Parts) -> str:
    rows = [
        (
            f"{each.pairs:,}",
            "ours: clusters, keys, crosswalk" if each.peer == "ours" else "anonlink: clusters",
            f"{each.result['seconds']:,.1f}",
            _gigabytes(each.result["peak_bytes"]),
        )
        for each in parts.clusters
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
            "From opened submissions to linkage keys, and for Splink from standardised plain records to clusters, both "
            "on all cores; half of the people are in both tables. Target: a million a side in 120 seconds and 8 GB."
        )
        + "\n\n"
        + _table(header, rows)
        + "\n\n"
        + "\n\n".join(
            [
                *_target(page.whole),
                *_growth(page.whole),
                *_of_earlier_code(page),
                f"![Seconds against records a side]({NAME}.svg)",
            ]
        )
    )


def _target(linked: Mapping[int, Linkage]) -> list[str]:
    """Whether a million a side keep to their time and memory, and how they stand beside Splink."""
    linkage = linked.get(LINKED_PEOPLE)
    if linkage is None:
        return []
    is_met = linkage.seconds <= LINKED_IN_SECONDS and linkage.peak_bytes <= LINKED_IN_BYTES
    beside = ""
    if linkage.splink is not None and is_there(linkage.splink):
        seconds = linkage.splink["seconds"] / linkage.seconds
        memory = linkage.splink["peak_bytes"] / linkage.peak_bytes
        beside = f" Splink took {seconds:,.1f} times as long and {memory:,.1f} times the memory."
    return [f"The target is {'met' if is_met else 'not met'}.{beside}"]


def _growth(linked: Mapping[int, Linkage]) -> list[str]:
    """Of the processors' time, as a machine that does something else as well lengthens the other."""
    return [
        _wrapped(
            f"From {small:,} to {large:,} records a side ({large / small:,.0f} times as many) linking takes "
            f"{linked[large].cpu_seconds / linked[small].cpu_seconds:,.1f} times the processors' time, "
            "and encoding a table "
            f"{linked[large].encoding['cpu_seconds'] / linked[small].encoding['cpu_seconds']:,.1f} times."
        )
        for small, large in pairwise(sorted(linked))
    ]


def _of_earlier_code(page: Page) -> list[str]:
    """Of when the rows are that are marked, and whence."""
    told = []
    for people, linkage in page.linked.items():
        old = [each for each in linkage.steps.values() if page.is_older(each)]
        if old:
            recovered = any(each.get("recovered") for each in old)
            told.append(
                _wrapped(
                    f"† {people:,} records a side were measured on {old[0]['day']}, on code that has changed since "
                    f"(`{old[0]['surroundings']}` among the results) or on another machine, and maybe beside other "
                    "work: seconds of processors tell more than the others."
                    + (" The figures are those of an earlier page, rounded." if recovered else "")
                )
            )
    return told


def _absent(page: Page) -> list[str]:
    """What is not there, and why."""
    labels = [
        *((f"CLKs ({peer})", each) for peer, each in page.parts.clks.items()),
        *((f"field filters ({peer})", each) for peer, each in page.parts.filters.items()),
        *((_NAMES[peer], each) for peer, each in page.parts.dice.items()),
        *((f"{each.pairs:,} pairs ({each.peer})", each.result) for each in page.parts.clusters),
        *((f"Splink, {people:,} a side", each.splink) for people, each in page.linked.items() if each.splink),
        *(
            (f"'{name}', {people:,} a side", step)
            for people, each in page.linked.items()
            for name, step in each.steps.items()
        ),
        *([("The demonstration", page.demo)] if page.demo is not None else []),
    ]
    told = [f"- {label} is left out: {each['left_out']}." for label, each in labels if not is_there(each)]
    return ["## What is missing\n\n" + "\n".join(told)] if told else []


def _rows_of(page: Page, people: int) -> Rows:
    linkage = page.linked[people]
    rows = []
    if linkage.is_whole:
        rows.append(_row_of_ours(page, people, linkage))
    if linkage.splink is not None and is_there(linkage.splink):
        splink = linkage.splink
        rows.append(
            (
                f"{people:,}{OLDER if page.is_older(splink) else ''}",
                "Splink",
                f"{splink['seconds']:,.0f}",
                _gigabytes(splink["peak_bytes"]),
                f"{splink['f1']:.4f}",
                "plain records, DuckDB",
            )
        )
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
        f"{people:,}{OLDER if page.is_older(match, issue) else ''}",
        "ours",
        f"{linkage.seconds:,.0f}",
        _gigabytes(linkage.peak_bytes),
        f"{issue['f1']:.4f}",
        "; ".join(besides),
    )


def _row_of_encoding(page: Page, people: int, encode: Result) -> tuple[str, ...]:
    return (
        f"{people:,}{OLDER if page.is_older(encode) else ''}",
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
        (f"{people:,}", what, f"{steps[step]['seconds']:,.0f}", _gigabytes(steps[step]["family_bytes"]))
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


def _table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


_NOTES = """## How it is measured

`make bench` repeats all of it but ten million a side and the demonstration, which `make bench-large` adds. Rates on
one core count the processor's seconds of a process that is held to one core; what is compiled is compiled before.
clkhash encodes the first records of the same table, as its rate doesn't depend on their number. The C++ kernel
(`tools/limit_kernel.cpp`) is built with the machine's own compiler, for this comparison alone; without a compiler, or
without AVX-512 VPOPCNTDQ, its row is left out.

Match and issue are processes of their own, as they are two parties' steps, and their peak is the larger of the two.
Pairs a second of all-pairs Dice are pairs decided, at a floor of 0.8: bits are counted only as far as a pair may
still reach it. What was measured is measured anew when the code, a package or the machine is another. The matcher
takes encodings in ranges that keep to its `--memory`; the key issuer has references and pairs in memory as a whole,
and refuses before it begins where that is more than it may use.

Splink has the settings of `tools/peers.py`, its documentation's for people, and its threshold of 0.95."""


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
            {people: each.splink["seconds"] for people, each in linked.items() if is_there(each.splink)},
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
