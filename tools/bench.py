"""Measure what the documents claim, beside the peers and in one run, and write docs/benchmarks.md.

Run by `make bench`; `make bench-large` adds ten million a side, which takes an hour and 40 GB of disk. Every case of
`tools/bench_cases.py` runs in a process of its own. What is measured is kept in `build/bench`, so that an interrupted
run goes on; remove it to measure anew.
"""

from __future__ import annotations

import argparse
import importlib.metadata
import json
import os
import platform
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from datetime import date
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "docs" / "benchmarks.md"
PLOT = ROOT / "docs" / "benchmarks.svg"
RESULTS = ROOT / "build" / "bench"

CLK_PEOPLE = 1_000_000
FILTERS_PEOPLE = 1_000_000
COMPARED_PEOPLE = 40_000
LINKED, LARGE = (100_000, 1_000_000), 10_000_000
# At ten million a side Splink outgrows this machine.
SPLINK_UP_TO = 1_000_000
PACKAGES = ("clkhash", "anonlink", "splink", "duckdb", "numba", "numpy", "cryptography")

Result = Mapping[str, Any]
Linked = Mapping[int, Mapping[str, Result]]


# Running.


def measured(case: str, people: int, *options: str) -> Result:
    """What a case gives; it is run if that isn't known yet."""
    path = _kept(case, people, *options)
    if not path.exists():
        sys.stderr.write(f"{path.stem} ...\n")
        words = [sys.executable, "-m", "tools.bench_cases", case, str(people), *options]
        done = subprocess.run(words, stdout=subprocess.PIPE, text=True, check=True, cwd=ROOT)
        RESULTS.mkdir(parents=True, exist_ok=True)
        path.write_text(done.stdout.splitlines()[-1], encoding="utf-8")
    found: Result = json.loads(path.read_text(encoding="utf-8"))
    return found


def _kept(case: str, people: int, *options: str) -> Path:
    told = [each for each in options if not each.startswith(("-", "/"))]
    return RESULTS / f"{'-'.join([case, str(people), *told])}.json"


def linkages(sizes: Sequence[int]) -> Linked:
    """Both departments' encoding, our linking and Splink's, for each number of records a side."""
    return {people: _linkage(people) for people in sizes}


def _linkage(people: int) -> dict[str, Result]:
    cases = ["encode", "link", *(["splink"] if people <= SPLINK_UP_TO else [])]
    if all(_kept(case, people).exists() for case in cases):
        return {case: measured(case, people) for case in cases}
    with tempfile.TemporaryDirectory(prefix="bench-") as folder:
        # What is linked is encoded anew, as it isn't kept.
        _kept("encode", people).unlink(missing_ok=True)
        return {case: measured(case, people, "--folder", folder) for case in cases}


# The page.


def page(linked: Linked) -> str:
    """The whole page."""
    return "\n\n".join([_heading(), _single(), _linking(linked), _NOTES]) + "\n"


def _heading() -> str:
    versions = ", ".join(f"{name} {importlib.metadata.version(name)}" for name in PACKAGES)
    return (
        "# Benchmarks\n\n"
        f"Written by `make bench` on {date.today().isoformat()}: {os.cpu_count()} cores, {_processor()}, "
        f"Python {platform.python_version()}; {versions}.\n\n"
        "Quote ratios, not absolute times: machines differ, and this one may have been busy. Every case runs in a\n"
        "process of its own, on generated people with households, moves, mistakes, and names as frequent as they are."
    )


def _processor() -> str:
    facts = Path("/proc/cpuinfo")
    lines = facts.read_text(encoding="utf-8").splitlines() if facts.exists() else []
    named = [line.split(":")[1].strip() for line in lines if line.startswith("model name")]
    return named[0] if named else platform.machine()


def _single() -> str:
    """One part at a time, each held to one core."""
    ours, numbered, theirs = (
        measured("clks", CLK_PEOPLE, "--peer", peer) for peer in ("ours", "numbered", "clkhash")
    )
    if len({each["first"] for each in (ours, numbered, theirs)}) > 1:
        raise SystemExit("The CLK encoders disagree.")
    filters = measured("filters", FILTERS_PEOPLE)
    rates = {
        peer: measured("compare", COMPARED_PEOPLE, "--peer", peer) for peer in ("ours", "limit", "anonlink")
    }
    clkhash = _rate(theirs)
    dice = {peer: each["million_a_second"] for peer, each in rates.items()}
    rows = [
        (
            "CLKs from numbered values, as `pprl encode` has them",
            f"{_rate(numbered):,.0f} records/s",
            f"{_rate(numbered) / clkhash:,.0f} x clkhash",
            "100 x",
        ),
        (
            "CLKs from lists of values",
            f"{_rate(ours):,.0f} records/s",
            f"{_rate(ours) / clkhash:,.0f} x clkhash",
            "",
        ),
        ("CLKs by clkhash, one worker", f"{clkhash:,.0f} records/s", "1", ""),
        (
            f"field filters from raw columns, {filters['passes']} passes",
            f"{_rate(filters):,.0f} records/s",
            "standardising included",
            "50,000 without",
        ),
        (
            "all-pairs Dice, 1,024 bits, ours",
            f"{dice['ours']:,.0f} million pairs/s",
            f"{dice['ours'] / dice['anonlink']:.1f} x anonlink, {dice['ours'] / dice['limit']:.0%} of C++",
            "8 x, 75 %",
        ),
        ("all-pairs Dice, C++ with AVX-512", f"{dice['limit']:,.0f} million pairs/s", "", ""),
        ("all-pairs Dice, anonlink", f"{dice['anonlink']:,.0f} million pairs/s", "1", ""),
    ]
    pairs = {peer: each["pairs"] for peer, each in rates.items()}
    return (
        "## On one core\n\n"
        + _table(("what", "figure", "beside", "target"), rows)
        + f"\n\nThe encoders' bytes are compared, and equal. Pairs that reach the floor: ours {pairs['ours']:,},\n"
        f"C++ {pairs['limit']:,}, anonlink {pairs['anonlink']:,}; it may drop some that lie exactly at its threshold."
    )


def _rate(result: Result) -> float:
    return float(result["records"]) / float(result["cpu_seconds"])


def _linking(linked: Linked) -> str:
    rows = [row for people, cases in linked.items() for row in _rows_of(people, cases)]
    header = ("records a side", "what", "seconds", "peak memory", "F1", "besides")
    smallest, largest = min(linked), max(linked)
    growth = linked[largest]["link"]["seconds"] / linked[smallest]["link"]["seconds"]
    return (
        "## Linking two tables\n\n"
        "From opened submissions to linkage keys, and for Splink from standardised plain records to clusters, both\n"
        "on all cores; half of the people are in both tables. Target: a million a side in 120 seconds and 8 GB.\n\n"
        + _table(header, rows)
        + f"\n\nFrom {smallest:,} to {largest:,} records a side ({largest / smallest:,.0f} times as many) linking\n"
        f"takes {growth:,.1f} times as long.\n\n![Seconds against records a side](benchmarks.svg)"
    )


def _rows_of(people: int, cases: Mapping[str, Result]) -> list[tuple[str, ...]]:
    link = cases["link"]
    steps = f"match {link['match_seconds']:.0f} s, issue {link['issue_seconds']:.0f} s"
    compared = f"{steps}; {link['compared'] / people:.1f} pairs compared a record"
    rows = [(f"{people:,}", "ours", *_figures(link), compared)]
    if "splink" in cases:
        rows.append((f"{people:,}", "Splink", *_figures(cases["splink"]), "plain records, DuckDB"))
    encode = cases["encode"]
    sent = f"from raw columns; {encode['encodings_bytes'] / 1e9:.2f} GB of encodings"
    rows.append(
        (f"{people:,}", "ours, encoding a table", f"{encode['seconds']:,.0f}", _gigabytes(encode), "", sent)
    )
    return rows


def _figures(result: Result) -> tuple[str, str, str]:
    return f"{result['seconds']:,.0f}", _gigabytes(result), f"{result['f1']:.4f}"


def _gigabytes(result: Result) -> str:
    return f"{result['peak_bytes'] / 1e9:.1f} GB"


def _table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


_NOTES = """## How it is measured

`make bench` repeats all of it but ten million a side, which `make bench-large` adds. Rates on one core count the
processor's seconds of a process that is held to one core; what is compiled is compiled before. clkhash encodes the
first records of the same table, as its rate doesn't depend on their number. The C++ kernel (`tools/limit_kernel.cpp`)
is built with the machine's own compiler, for this comparison alone; without a compiler the run stops there.

Splink has the settings of `tools/peers.py`, its documentation's for people, and its threshold of 0.95."""


def plot(linked: Linked) -> None:
    """Seconds against records a side, both axes logarithmic."""
    from matplotlib import rcParams  # noqa: PLC0415 - only this page needs it
    from matplotlib.figure import Figure  # noqa: PLC0415

    rcParams["svg.hashsalt"] = "benchmarks"
    figure = Figure(figsize=(6, 4), layout="constrained")
    axes = figure.subplots()
    for case, label, style in (
        ("link", "ours, linking", "o-"),
        ("splink", "Splink, linking", "s--"),
        ("encode", "ours, encoding a table", "^:"),
    ):
        points = [(people, cases[case]["seconds"]) for people, cases in linked.items() if case in cases]
        axes.plot(*zip(*points, strict=True), style, label=label, color="black")
    axes.set(xscale="log", yscale="log", xlabel="records a side", ylabel="seconds")
    axes.legend()
    figure.savefig(PLOT, metadata={"Date": None})


def main() -> None:
    """Measure what is not known yet, and write the page."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--large", action="store_true", help="ten million a side as well")
    options = parser.parse_args()
    large = options.large or _kept("link", LARGE).exists()
    linked = linkages([*LINKED, *([LARGE] if large else [])])
    text = page(linked)
    PAGE.write_text(text, encoding="utf-8")
    plot(linked)
    sys.stdout.write(text)


if __name__ == "__main__":
    main()
