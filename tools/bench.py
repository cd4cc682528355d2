"""Measure what the documents claim, beside the peers and in one run, and write docs/benchmarks.md.

Run by `make bench`; `make bench-large` adds ten million a side. Every case of `tools/bench_cases.py` runs in a process
of its own. What is measured is kept in `build/bench` under a digest of the case, of the code that it runs and of the
machine, so that an interrupted run goes on, and what has changed is measured anew. Ten million a side are kept until
they are asked for again; the page says whether the code has changed since.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Any

from tools import bench_page
from tools.bench_clocks import say
from tools.bench_people import SIDES

ROOT = Path(__file__).parents[1]
RESULTS = ROOT / "build" / "bench"
SOURCES = ("pprl", "coordinator", "tools/bench_*.py", "tools/limit_kernel.*", "tools/peers.py")

CLK_PEOPLE = FILTERS_PEOPLE = DEMO_PEOPLE = 1_000_000
COMPARED_PEOPLE = 40_000
SOLVED_PAIRS, MANY_PAIRS = 1_000_000, 10_000_000
LINKED, LARGE = (100_000, 1_000_000), 10_000_000
# Compiles what is linked with, before anything is timed.
SMALL = 2_000
SPARK_PEOPLE = 100_000
# At ten million a side Splink outgrows this machine.
SPLINK_UP_TO = 1_000_000
# On disk at most: for each record a side while two tables are linked, for each person while the demonstration runs.
LINKING_BYTES, DEMO_BYTES = 3_500, 20_000

Result = Mapping[str, Any]


# What is known.


@dataclass(frozen=True, slots=True)
class Case:
    """A case as it is run.

    Attributes:
        name: of `tools.bench_cases`.
        size: people, or pairs.
        options: such as `--peer ours`.
    """

    name: str
    size: int
    options: tuple[str, ...] = ()

    def __str__(self) -> str:
        """What a person and a file call it."""
        told = [each for each in self.options if not each.startswith("-")]
        return "-".join([self.name, str(self.size), *told])

    @property
    def path(self) -> Path:
        """Where what it gives is kept, under this code and on this machine."""
        return RESULTS / f"{self}-{surroundings()}.json"

    def known(self) -> Result | None:
        """What it has given."""
        return _read(self.path) if self.path.exists() else None

    def last_known(self) -> Result | None:
        """What it gave last, under whatever code."""
        found = sorted(RESULTS.glob(f"{self}-{'[0-9a-f]' * 12}.json"), key=lambda path: path.stat().st_mtime)
        return _read(found[-1]) if found else None


def _read(path: Path) -> Result:
    found: Result = json.loads(path.read_text(encoding="utf-8"))
    return found


@cache
def surroundings() -> str:
    """A digest of the code that cases run, of the packages that it calls, and of the machine, as at the start."""
    return _digest_of_surroundings()


def _digest_of_surroundings() -> str:
    digest = hashlib.sha256(bench_page.machine().encode())
    for path in sorted(_sources()):
        digest.update(f"{path.relative_to(ROOT)}\0{path.stat().st_size}\0".encode() + path.read_bytes())
    return digest.hexdigest()[:12]


def _sources() -> Iterator[Path]:
    for pattern in SOURCES:
        found = (ROOT / pattern).rglob("*") if (ROOT / pattern).is_dir() else ROOT.glob(pattern)
        yield from (
            path
            for path in found
            if path.is_file() and "__pycache__" not in path.parts and path.name != "bench_page.py"
        )


# Running.


def measured(case: Case, *, folder: Path | None = None) -> Result:
    """What a case gives; it is run if that isn't known yet. What can't be measured here is asked for anew."""
    known = case.known()
    if known is not None:
        return known
    say(f"{case} ...")
    words = [sys.executable, "-m", "tools.bench_cases", case.name, str(case.size), *case.options]
    words += [] if folder is None else ["--folder", str(folder)]
    done = subprocess.run(words, stdout=subprocess.PIPE, text=True, check=True, cwd=ROOT)
    found: Result = {
        **json.loads(done.stdout.splitlines()[-1]),
        "day": datetime.now(UTC).date().isoformat(),
        "surroundings": surroundings(),
    }
    if _digest_of_surroundings() != surroundings():
        raise SystemExit(
            "The code has changed while it was measured: run again, from a copy that nobody edits."
        )
    if "left_out" in found:
        say(f"{case} is left out: {found['left_out']}")
        return found
    RESULTS.mkdir(parents=True, exist_ok=True)
    unfinished = case.path.with_suffix(".part")
    unfinished.write_text(json.dumps(found), encoding="utf-8")
    unfinished.replace(case.path)
    peak = f", {found['peak_bytes'] / 1e9:.1f} GB" if "peak_bytes" in found else ""
    say(f"{case}: {found['seconds']:,.0f} s{peak}")
    return found


@dataclass(frozen=True, slots=True)
class Step:
    """A step of linking two tables.

    Attributes:
        name: what the page knows it by.
        case: what is run.
        spent: files that no later step needs.
    """

    name: str
    case: Case
    spent: tuple[str, ...] = ()


def steps(people: int) -> list[Step]:
    """The steps from CSV files to linkage keys, in their order."""
    encodings = tuple(f"{side}.encodings" for side in SIDES)
    first = [
        Step("people", Case("people", people)),
        *(
            Step(f"encode {side}", Case("encode", people, ("--side", side)), (f"{side}.csv",))
            for side in SIDES
        ),
    ]
    spark = Step("spark", Case("match", people, ("--engine", "spark")), ("pairs-spark",))
    return [
        *first,
        *([spark] if people in {SMALL, SPARK_PEOPLE} else []),
        Step("match", Case("match", people), encodings),
        Step("issue", Case("issue", people)),
    ]


def linkage(people: int) -> dict[str, Result]:
    """Both tables' encoding, and the linking of both: all steps, or those that an interrupted run has left.

    What a step leaves to the next lies in a folder under `build/bench`, and goes as soon as no step needs it.
    """
    todo = steps(people)
    if any(step.case.known() is None for step in todo if step.name != "spark"):
        folder = RESULTS / f"linking-{people}-{surroundings()}"
        if not folder.exists():
            _begin(folder, todo)
        require_room(people * LINKING_BYTES - _bytes_in(folder))
        found = {}
        for step in todo:
            found[step.name] = measured(step.case, folder=folder)
            for name in step.spent:
                (folder / name).unlink(missing_ok=True)
        shutil.rmtree(folder)
        return found
    return {step.name: step.case.known() or {"left_out": "it was not measured"} for step in todo}


def _begin(folder: Path, todo: Sequence[Step]) -> None:
    """A new folder; what was begun under other code is of no use, nor are steps whose files are gone."""
    size = todo[0].case.size
    for old in RESULTS.glob(f"linking-{size}-*"):
        shutil.rmtree(old)
    for step in todo:
        step.case.path.unlink(missing_ok=True)
    folder.mkdir(parents=True)


def _bytes_in(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.iterdir())


def require_room(wanted: int) -> None:
    """Stop before the disk is full."""
    RESULTS.mkdir(parents=True, exist_ok=True)
    free = shutil.disk_usage(RESULTS).free
    if free < wanted:
        raise SystemExit(f"This takes up to {wanted / 1e9:.0f} GB of disk, and {free / 1e9:.0f} GB are free.")


@contextmanager
def _new_folder(name: str, wanted: int) -> Iterator[Path]:
    require_room(wanted)
    folder = RESULTS / name
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


# What the page tells.


def parts() -> bench_page.Parts:
    """One part at a time, each held to one core."""
    return bench_page.Parts(
        clks={
            peer: measured(Case("clks", CLK_PEOPLE, ("--peer", peer)))
            for peer in ("numbered", "ours", "clkhash")
        },
        filters={
            peer: measured(Case("filters", FILTERS_PEOPLE, ("--peer", peer))) for peer in ("numbered", "raw")
        },
        dice={
            peer: measured(Case("compare", COMPARED_PEOPLE, ("--peer", peer)))
            for peer in ("ours", "limit", "anonlink")
        },
        clusters=[
            (peer, measured(Case("clusters", pairs, ("--peer", peer))))
            for peer, pairs in (("ours", SOLVED_PAIRS), ("anonlink", SOLVED_PAIRS), ("ours", MANY_PAIRS))
        ],
    )


def linkages(*, large: bool) -> dict[int, bench_page.Linkage]:
    """Our linking and Splink's, for each number of records a side; ten million if asked for, or measured before."""
    linkage(SMALL)
    found = {}
    for people in LINKED:
        splink = measured(Case("splink", people)) if people <= SPLINK_UP_TO else None
        found[people] = bench_page.Linkage(linkage(people), splink)
    before = {step.name: step.case.last_known() for step in steps(LARGE)}
    if large:
        found[LARGE] = bench_page.Linkage(linkage(LARGE), None)
    elif all(before.values()):
        told = {name: result for name, result in before.items() if result is not None}
        found[LARGE] = bench_page.Linkage(told, None)
    return found


def demonstration() -> Result:
    """The demonstration at its largest promise."""
    case = Case("demo", DEMO_PEOPLE)
    known = case.known()
    if known is not None:
        return known
    with _new_folder("demo", DEMO_PEOPLE * DEMO_BYTES) as folder:
        return measured(case, folder=folder)


def main() -> None:
    """Measure what is not known yet, and write the page."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        "--large", action="store_true", help="ten million a side, and the demonstration at a million, as well"
    )
    parser.add_argument(
        "--only", choices=("linking", "demo"), help="of what is large this alone, and no page"
    )
    options = parser.parse_args()
    if options.only == "linking":
        linkage(SMALL)
        linkage(LARGE)
    elif options.only == "demo":
        demonstration()
    else:
        found = linkages(large=options.large)
        demo = demonstration() if options.large else Case("demo", DEMO_PEOPLE).last_known()
        bench_page.write(bench_page.Page(parts(), found, demo, surroundings()))


if __name__ == "__main__":
    main()
