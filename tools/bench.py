"""Measure what the documents claim, beside the peers and in one run, and write docs/benchmarks.md.

Run by `make bench`. Quote ratios: absolute times are this machine's, on this day.
"""

import importlib.metadata
import json
import os
import platform
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from datetime import date
from pathlib import Path
from typing import TypeVar

import numpy as np
from clkhash.clk import generate_clks
from clkhash.schema import from_json_dict

from coordinator.linkage.compare import compare
from pprl.agreements.draft import DatasetSketch, draft
from pprl.encode.clk import ClkEncoder, linkage_schema
from pprl.encode.records import prepare
from pprl.protocol.agreement import Agreement, parse
from pprl.synthetic import linkage_pair

ROOT = Path(__file__).parents[1]
PEOPLE = 20_000
CLKHASH_PEOPLE = 4_000
DEMO_SIZES = (1_000, 10_000)
KEY = bytes(range(32))
REPEATS = 3

T = TypeVar("T")


def main() -> None:
    """Run every benchmark and write the page."""
    sys.stderr.write("encoding ...\n")
    rows = encoding()
    sys.stderr.write("comparing ...\n")
    rows += comparing()
    sys.stderr.write("the whole protocol ...\n")
    rows += [whole_protocol(people) for people in DEMO_SIZES]
    page = render(rows)
    (ROOT / "docs" / "benchmarks.md").write_text(page, encoding="utf-8")
    sys.stdout.write(page)


def encoding() -> list[tuple[str, str, str]]:
    """Our CLK encoder beside clkhash's own, on the same records, one core each; the bytes must be equal."""
    agreement, columns = _people(PEOPLE)
    schema = from_json_dict(linkage_schema(agreement))
    some = {name: values[:CLKHASH_PEOPLE] for name, values in columns.items()}
    order = [feature.identifier for feature in agreement.encoding.clk_parameters.features]
    records = [list(row) for row in zip(*(some[name] for name in order), strict=True)]
    theirs_seconds, theirs = _best(
        lambda: generate_clks(records, schema, KEY, validate=False, max_workers=1),
        repeats=1,
    )
    ours_seconds, ours = _best(lambda: ClkEncoder(agreement, KEY).encode(columns))
    if [bytes(clk) for clk in theirs] != [row.tobytes() for row in ours[:CLKHASH_PEOPLE]]:
        raise SystemExit("The two encoders disagree.")
    ours_rate, theirs_rate = PEOPLE / ours_seconds, CLKHASH_PEOPLE / theirs_seconds
    return [
        (
            "CLK encoding, ours, one core",
            f"{ours_rate:,.0f} records/s",
            f"{ours_rate / theirs_rate:.1f} x clkhash",
        ),
        ("CLK encoding, clkhash, one worker", f"{theirs_rate:,.0f} records/s", "1"),
    ]


def comparing() -> list[tuple[str, str, str]]:
    """All-pairs Dice through anonlink, as the matcher does it."""
    agreement, columns = _people(PEOPLE)
    filters = ClkEncoder(agreement, KEY).encode(columns)
    half = PEOPLE // 2
    seconds, _ = _best(
        lambda: compare(filters[:half], filters[half:], floor=0.7, progress=lambda _share: None), repeats=2
    )
    return [
        (
            "all-pairs Dice, 1,024 bits, one core",
            f"{half * half / seconds / 1e6:,.0f} million pairs/s",
            "anonlink's",
        )
    ]


def whole_protocol(people: int) -> tuple[str, str, str]:
    """`pprl demo` from the command line: every party's processes included."""
    with tempfile.TemporaryDirectory() as folder:
        command = [
            sys.executable,
            "-m",
            "pprl",
            "demo",
            "--records",
            str(people),
            "--json",
            "--out",
            f"{folder}/demo",
        ]
        done = subprocess.run(command, capture_output=True, text=True, check=True)
    report = json.loads(done.stdout)
    records = sum(report["records"].values())
    seconds, memory = report["seconds"]["total"], report["peak_memory_bytes"] / 1e6
    quality = f"precision {report['precision']:.4f}, recall {report['recall']:.4f}"
    return (
        f"pprl demo --records {people} ({records:,} records)",
        f"{seconds:.0f} s, {memory:,.0f} MB",
        quality,
    )


def render(rows: list[tuple[str, str, str]]) -> str:
    """The page."""
    versions = ", ".join(
        f"{name} {importlib.metadata.version(name)}"
        for name in ("clkhash", "anonlink", "numpy", "cryptography")
    )
    machine = f"{os.cpu_count()} cores, {platform.machine()}, {platform.system()}, Python {platform.python_version()}"
    table = "\n".join(f"| {what} | {figure} | {beside} |" for what, figure, beside in rows)
    return (
        "# Benchmarks\n\n"
        f"Written by `make bench` on {date.today().isoformat()}: {machine}; {versions}.\n"
        "Quote ratios, not absolute times: machines differ, and this one may have been busy.\n\n"
        f"| what | figure | beside |\n|---|---|---|\n{table}\n\n"
        f"Encoding: {PEOPLE:,} generated people (clkhash: the first {CLKHASH_PEOPLE:,} of them), the features of\n"
        "a drafted agreement, standardised beforehand; the bytes are checked to be equal. Comparing: one half of\n"
        "them with the other.\n"
    )


def _people(count: int) -> tuple[Agreement, dict[str, list[str]]]:
    pair = linkage_pair(count, count, 0.5, seed=1)
    header = tuple(name for name in pair.a.header if name != "person_id")
    text = draft(
        [DatasetSketch(side, header, count) for side in ("a", "b")], today=date.today(), scheme="clk"
    )
    agreement = parse(text.encode(), where="draft").content
    prepared = prepare(
        pair.a.columns, first_row=2, dataset=agreement.dataset[0], agreement=agreement, most_findings=0
    )
    return agreement, prepared.columns


def _best(work: Callable[[], T], *, repeats: int = REPEATS) -> tuple[float, T]:
    seconds = np.inf
    for _ in range(repeats):
        started = time.perf_counter()
        result = work()
        seconds = min(seconds, time.perf_counter() - started)
    return seconds, result


if __name__ == "__main__":
    main()
