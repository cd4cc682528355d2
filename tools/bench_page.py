"""The page of `make bench`, and its plot, from what the cases gave."""

from __future__ import annotations

import importlib.metadata
import os
import platform
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from itertools import pairwise
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "docs" / "benchmarks.md"
PLOT = ROOT / "docs" / "benchmarks.svg"
PACKAGES = ("clkhash", "anonlink", "splink", "duckdb", "numba", "numpy", "cryptography")

Result = Mapping[str, Any]
Rows = list[tuple[str, ...]]


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
    clusters: Sequence[tuple[str, Result]]


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
    def seconds(self) -> float:
        """From opened submissions to linkage keys."""
        return float(self.steps["match"]["seconds"] + self.steps["issue"]["seconds"])

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
    def largest(self) -> int:
        """The most records a side."""
        return max(self.linked)


def write(page: Page) -> None:
    """Write the page and its plot, and show the page."""
    text = text_of(page)
    PAGE.write_text(text, encoding="utf-8")
    _plot(page.linked)
    sys.stdout.write(text)


def text_of(page: Page) -> str:
    """The whole page.

    Raises:
        SystemExit: what should be equal whoever does it is not.
    """
    _require_equal("CLKs", [each["first"] for each in page.parts.clks.values()])
    sizes = {result["pairs"] for _, result in page.parts.clusters}
    for size in sizes:
        groups = [result["groups"] for _, result in page.parts.clusters if result["pairs"] == size]
        _require_equal("clusters", groups)
    sections = [
        _heading(),
        _on_one_core(page.parts),
        _solving(page.parts),
        _linking(page),
        *_spark(page),
        *_demo(page),
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
        f"Written by `make bench` on {date.today().isoformat()}: {machine()}.\n\n"
        "Quote ratios, not absolute times: machines differ, and this one may have been busy. Every case runs in a\n"
        "process of its own, on generated people with households, moves, mistakes, and names as frequent as they are."
    )


def _on_one_core(parts: Parts) -> str:
    rows = [*_encoding_rows(parts), *_dice_rows(parts.dice)]
    pairs = [f"{_NAMES[peer]} {each['pairs']:,}" for peer, each in parts.dice.items() if "pairs" in each]
    absent = [
        f"{_NAMES[peer]} is left out: {each['left_out']}."
        for peer, each in parts.dice.items()
        if "left_out" in each
    ]
    return (
        "## On one core\n\n"
        + _table(("what", "figure", "beside", "target"), rows)
        + "\n\n"
        + " ".join(
            [
                "The encoders' bytes are compared, and equal.",
                f"Pairs that reach the floor: {', '.join(pairs)};",
                "anonlink may drop some that lie exactly at its threshold.",
                *absent,
            ]
        )
    )


_NAMES = {"ours": "ours", "limit": "C++", "anonlink": "anonlink"}


def _encoding_rows(parts: Parts) -> Rows:
    clkhash = _rate(parts.clks["clkhash"])
    passes = parts.filters["numbered"]["passes"]
    rows: Rows = [
        (
            what,
            f"{_rate(parts.clks[peer]):,.0f} records/s",
            f"{_rate(parts.clks[peer]) / clkhash:,.0f} x clkhash",
            target,
        )
        for what, peer, target in (
            ("CLKs from numbered values, as `pprl encode` has them", "numbered", "100 x"),
            ("CLKs from lists of values", "ours", ""),
        )
    ]
    rows.append(("CLKs by clkhash, one worker", f"{clkhash:,.0f} records/s", "1", ""))
    rows += [
        (
            f"field filters of {passes} passes, {what}",
            f"{_rate(parts.filters[peer]):,.0f} records/s",
            "",
            target,
        )
        for what, peer, target in (
            ("from standardised and numbered records", "numbered", "50,000"),
            ("from raw columns, standardising included", "raw", ""),
        )
    ]
    return rows


def _rate(result: Result) -> float:
    return float(result["records"]) / float(result["cpu_seconds"])


def _dice_rows(dice: Mapping[str, Result]) -> Rows:
    rates = {peer: each["million_a_second"] for peer, each in dice.items() if "million_a_second" in each}
    beside = [f"{rates['ours'] / rates['anonlink']:.1f} x anonlink"]
    if "limit" in rates:
        beside.append(f"{rates['ours'] / rates['limit']:.0%} of C++")
    names = {"ours": "ours", "limit": "C++ with AVX-512", "anonlink": "anonlink"}
    return [
        (
            f"all-pairs Dice, 1,024 bits, {names[peer]}",
            f"{rate:,.0f} million pairs/s",
            ", ".join(beside) if peer == "ours" else "1" if peer == "anonlink" else "",
            "8 x, 75 %" if peer == "ours" else "",
        )
        for peer, rate in rates.items()
    ]


def _solving(parts: Parts) -> str:
    rows = [
        (
            f"{result['pairs']:,}",
            "ours: clusters, keys, crosswalk" if peer == "ours" else "anonlink: clusters",
            f"{result['seconds']:,.1f}",
            _gigabytes(result["peak_bytes"]),
        )
        for peer, result in parts.clusters
    ]
    return (
        "## Clusters and keys\n\n"
        "On one core, of accepted pairs of two tables with a record a person; a fifth of the pairs compete with\n"
        "others. Ours and anonlink's groups are equal in number.\n\n"
        + _table(("pairs", "what", "seconds", "peak memory"), rows)
    )


def _linking(page: Page) -> str:
    rows = [row for people, linkage in page.linked.items() for row in _rows_of(people, linkage)]
    header = ("records a side", "what", "seconds", "peak memory", "F1", "besides")
    return (
        "## Linking two tables\n\n"
        "From opened submissions to linkage keys, and for Splink from standardised plain records to clusters, both\n"
        "on all cores; half of the people are in both tables. Target: a million a side in 120 seconds and 8 GB.\n\n"
        + _table(header, rows)
        + "\n\n"
        + "\n\n".join(
            [
                *_growth(page.linked),
                *_of_earlier_code(page),
                "![Seconds against records a side](benchmarks.svg)",
            ]
        )
    )


def _growth(linked: Mapping[int, Linkage]) -> list[str]:
    sizes = sorted(linked)
    return [
        f"From {small:,} to {large:,} records a side ({large / small:,.0f} times as many) linking takes\n"
        f"{linked[large].seconds / linked[small].seconds:,.1f} times as long, and encoding a table "
        f"{linked[large].encoding['seconds'] / linked[small].encoding['seconds']:,.1f} times."
        for small, large in pairwise(sizes)
    ]


def _of_earlier_code(page: Page) -> list[str]:
    """Which sizes were measured under code that has changed since."""
    told = []
    for people, linkage in page.linked.items():
        old = [
            each
            for each in linkage.steps.values()
            if each.get("surroundings", page.surroundings) != page.surroundings
        ]
        if old:
            told.append(
                f"{people:,} records a side were measured on {old[0]['day']}; the code has changed since."
            )
    return told


def _rows_of(people: int, linkage: Linkage) -> Rows:
    match, issue, encode = linkage.steps["match"], linkage.steps["issue"], linkage.encoding
    steps = f"match {match['seconds']:,.0f} s, issue {issue['seconds']:,.0f} s"
    rows = [
        (
            f"{people:,}",
            "ours",
            f"{linkage.seconds:,.0f}",
            _gigabytes(linkage.peak_bytes),
            f"{issue['f1']:.4f}",
            f"{steps}; {match['compared'] / people:.1f} pairs compared a record",
        )
    ]
    if linkage.splink is not None:
        splink = linkage.splink
        rows.append(
            (
                f"{people:,}",
                "Splink",
                f"{splink['seconds']:,.0f}",
                _gigabytes(splink["peak_bytes"]),
                f"{splink['f1']:.4f}",
                "plain records, DuckDB",
            )
        )
    sent = f"from a CSV file; {encode['encodings_bytes'] / 1e9:.2f} GB of encodings"
    rows.append(
        (
            f"{people:,}",
            "ours, encoding a table",
            f"{encode['seconds']:,.0f}",
            _gigabytes(encode["peak_bytes"]),
            "",
            sent,
        )
    )
    return rows


def _spark(page: Page) -> list[str]:
    """Spark beside the local engine, wherever both were measured."""
    both = {people: each.steps for people, each in page.linked.items() if "spark" in each.steps}
    if not both:
        return []
    absent = [each["spark"]["left_out"] for each in both.values() if "left_out" in each["spark"]]
    rows = [
        (f"{people:,}", what, f"{steps[step]['seconds']:,.0f}", _gigabytes(steps[step]["family_bytes"]))
        for people, steps in both.items()
        for what, step in (("this machine's own engine", "match"), ("Spark, `local[2]`", "spark"))
        if "left_out" not in steps["spark"]
    ]
    told = (
        f"Left out: {absent[0]}."
        if absent
        else _table(("records a side", "engine", "seconds", "memory of all processes"), rows)
        + "\n\nSpark's seconds hold its start; its memory is that of the JVM and of Python's workers too."
    )
    return ["## The matcher's comparisons on Spark\n\n" + told]


def _demo(page: Page) -> list[str]:
    """The demonstration at its largest promise."""
    demo = page.demo
    if demo is None:
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
    older = (
        ""
        if demo["surroundings"] == page.surroundings
        else f" It ran on {demo['day']}; the code has changed since."
    )
    return [
        "## The demonstration\n\n"
        f"`pprl demo --records {demo['people']}`, which makes {demo['records']:,} records of three datasets: "
        f"{demo['seconds']:,.0f} seconds,\n{_gigabytes(demo['family_bytes'])} of memory for all processes together, "
        f"{_gigabytes(demo['peak_bytes'])} for the largest. Seconds by stage: {stages}.{older}\n\n"
        + _table(("", "in truth", "estimated, and its interval", "the interval holds the truth"), rows)
    ]


def _interval(estimate: Mapping[str, float | None]) -> str:
    value, low, high = (estimate[name] for name in ("value", "low", "high"))
    if value is None or low is None or high is None:
        return "none"
    return f"{value:.4f} [{low:.4f}, {high:.4f}]"


def _gigabytes(amount: float) -> str:
    return f"{amount / 1e9:.1f} GB"


def _table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


_NOTES = """## How it is measured

`make bench` repeats all of it but ten million a side and the demonstration, which `make bench-large` adds. Rates on one
core count the processor's seconds of a process that is held to one core; what is compiled is compiled before. clkhash
encodes the first records of the same table, as its rate doesn't depend on their number. The C++ kernel
(`tools/limit_kernel.cpp`) is built with the machine's own compiler, for this comparison alone; without a compiler, or
without AVX-512 VPOPCNTDQ, its row is left out.

Match and issue are processes of their own, as they are two parties' steps, and their peak is the larger of the two.
Pairs a second of all-pairs Dice are pairs decided, at a floor of 0.8: bits are counted only as far as a pair may still
reach it. What was measured is measured anew when the code, a package or the machine is another.

Splink has the settings of `tools/peers.py`, its documentation's for people, and its threshold of 0.95."""


def _plot(linked: Mapping[int, Linkage]) -> None:
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
    figure.savefig(PLOT, metadata={"Date": None})
