"""Measure what the documents claim, beside the peers and in one run, and write docs/benchmarks.md.

Run by `make bench`; `make bench-large` adds ten million a side. Every case of `tools/bench_cases.py` runs in a process
of its own. What it gave last is kept in `docs/measured/bench.json` with a digest of the code that it ran and of the
machine, so that an interrupted run goes on, and what has changed is measured anew. Steps of linking two tables are
kept together, once all are measured. Ten million a side stay until they are measured again; the page says whether the
code has changed since. `recovered` marks what was taken from an earlier page, as the file was lost: its figures are as
near as that page's rounding lets them be.

A case that fails, or that takes longer than it may, is told on the page, stops no other, and is tried again next time.
`--small` runs all of them on small data, in a few minutes, and keeps its results and their page in `build/bench/small`.
`--page` measures nothing, and writes the page from what is kept.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Any

from tools import bench_linking, bench_page
from tools.bench_clocks import say
from tools.bench_people import SIDES

ROOT = Path(__file__).parents[1]
MEASURED = ROOT / "docs" / "measured" / "bench.json"
# What a case leaves to the next, and all of what is not for the documents.
BUILD = ROOT / "build" / "bench"
SOURCES = ("pprl", "coordinator", "tools/bench_*.py", "tools/limit_kernel.*", "tools/peers.py")


@dataclass(frozen=True, slots=True)
class Sizes:
    """How much is measured.

    Attributes:
        encoded: people whose CLKs are made, in ascending order; of the most, filters too.
        compared: people a side of all pairs.
        solved: accepted pairs that ours and anonlink's clusters are made of.
        solved_by_us: those of ours alone.
        linked: records a side of linked tables, in ascending order.
        on_spark: of these, the one that Spark compares too.
        demonstrated: people of the demonstration.
    """

    encoded: tuple[int, ...] = (20_000, 1_000_000)
    compared: int = 40_000
    solved: int = 1_000_000
    solved_by_us: int = 10_000_000
    linked: tuple[int, ...] = (100_000, 1_000_000)
    on_spark: int = 100_000
    demonstrated: int = 1_000_000


WHOLE = Sizes()
SMALL = Sizes((2_000, 20_000), 4_000, 10_000, 100_000, (5_000, 20_000), 5_000, 2_000)
LARGE = 10_000_000
# Compiles what is linked with, before anything is timed.
FIRST_LINKED = 2_000
# On disk at most: for each record a side while two tables are linked, for each person while the demonstration runs.
LINKING_BYTES, DEMO_BYTES = 3_500, 20_000
# A case that takes longer than this hangs: several times what the longest takes on two cores.
MOST_SECONDS, MOST_SECONDS_LARGE = 1_500, 4 * 3_600

Result = Mapping[str, Any]
Give = Callable[["Case"], Result]
NEVER: Result = {"left_out": "it was never measured"}
NOT_TOGETHER: Result = {"left_out": "it was not measured together with the other steps"}


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
    def most_seconds(self) -> int:
        """How long it may take."""
        is_large = (self.size >= LARGE and self.name != "clusters") or self.name == "demo"
        return MOST_SECONDS_LARGE if is_large else MOST_SECONDS


@dataclass(frozen=True, slots=True)
class Results:
    """What cases gave last, in a file of one line for each.

    Attributes:
        path: of the file, which need not be there yet.
    """

    path: Path

    def last_known(self, case: Case) -> Result | None:
        """What it gave last, under whatever code and on whatever machine."""
        return self._all().get(str(case))

    def known(self, case: Case) -> Result | None:
        """What it gave under this code and on this machine."""
        now, found = surroundings(), self.last_known(case)
        return found if found is not None and found["surroundings"] == now else None

    def keep(self, found: Mapping[Case, Result]) -> None:
        """Put it in place of what the cases gave before."""
        self._write({**self._all(), **{str(case): each for case, each in found.items()}})

    def _all(self) -> dict[str, Result]:
        if not self.path.exists():
            return {}
        found: dict[str, Result] = json.loads(self.path.read_text(encoding="utf-8"))
        return found

    def _write(self, results: Mapping[str, Result]) -> None:
        lines = [f"{json.dumps(name)}: {json.dumps(results[name])}" for name in sorted(results)]
        self.path.parent.mkdir(parents=True, exist_ok=True)
        unfinished = self.path.with_suffix(".part")
        unfinished.write_text("{\n" + ",\n".join(lines) + "\n}\n", encoding="utf-8")
        unfinished.replace(self.path)


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


class FailedError(Exception):
    """A case gave nothing; it says why."""


def measured(case: Case, results: Results, *, folder: Path | None = None) -> Result:
    """What a case gives; it is run if that isn't known yet. What failed, or can't be had here, is asked for anew."""
    known = results.known(case)
    if known is not None:
        return known
    say(f"{case} ...")
    words = [sys.executable, "-m", "tools.bench_cases", case.name, str(case.size), *case.options]
    words += [] if folder is None else ["--folder", str(folder)]
    try:
        told = output_of(words, case.most_seconds)
    except FailedError as reason:
        say(f"{case} FAILED: {reason}")
        return {"left_out": str(reason), "failed": True}
    found: Result = {
        **json.loads(told.splitlines()[-1]),
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
    results.keep({case: found})
    peak = f", {found['peak_bytes'] / 1e9:.1f} GB" if "peak_bytes" in found else ""
    say(f"{case}: {found['seconds']:,.0f} s{peak}")
    return found


def output_of(words: Sequence[str], most_seconds: float) -> str:
    """What a program writes. All that it started ends with it, or when its time is over.

    Raises:
        FailedError: it ended with an error, wrote nothing, or took too long.
    """
    with subprocess.Popen(
        words, stdout=subprocess.PIPE, text=True, cwd=ROOT, start_new_session=True
    ) as process:
        try:
            told, _ = process.communicate(timeout=most_seconds)
        except subprocess.TimeoutExpired:
            raise FailedError(f"it took more than {most_seconds:,} seconds") from None
        finally:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
    if process.returncode or not told.strip():
        raise FailedError(f"it ended with code {process.returncode}")
    return told


OURS = "ours"


@dataclass(frozen=True, slots=True)
class Step:
    """A step of linking two tables.

    Attributes:
        name: what the page knows it by.
        case: what is run.
        spent: files that no later step needs.
        whose: whom it is a step of; only our own steps are needed by others' too.
    """

    name: str
    case: Case
    spent: tuple[str, ...] = ()
    whose: str = OURS


def steps(people: int, *, spark: bool = False, splink: bool = False) -> list[Step]:
    """The steps from CSV files to linkage keys, in their order; Spark's comparisons and Splink among them if wanted."""
    encodings = tuple(f"{side}.encodings" for side in SIDES)
    plain = tuple(f"{side}.parquet" for side in SIDES)
    of_splink = [
        Step("plain", Case("plain", people), whose="splink"),
        Step("splink", Case("splink", people), plain, whose="splink"),
    ]
    first = [
        Step("people", Case("people", people)),
        *(of_splink if splink else []),
        *(
            Step(f"encode {side}", Case("encode", people, ("--side", side)), (f"{side}.csv",))
            for side in SIDES
        ),
    ]
    on_spark = Step("spark", Case("match", people, ("--engine", "spark")), ("pairs-spark",), whose="spark")
    return [
        *first,
        *([on_spark] if spark else []),
        Step("match", Case("match", people), encodings),
        Step("issue", Case("issue", people)),
    ]


def linkage(todo: Sequence[Step], results: Results) -> dict[str, Result]:
    """The linking of two tables: all of its steps, or those that an interrupted run has left.

    What a step leaves to the next lies in a folder under `build/bench`, and goes as soon as no step needs it. What the
    steps gave lies there too, and is kept with the other results when no step is left: a row of the page is never made
    of two versions of the code. After a step of ours that failed no other is tried, and the folder stays for another
    run; after one of a peer's, none of that peer's.
    """
    wanted = [step for step in todo if step.whose != "spark" or bench_linking.has_spark()]
    known = {step.name: results.known(step.case) for step in todo}
    if all(known[step.name] is not None for step in wanted):
        return {name: result or bench_linking.NO_SPARK for name, result in known.items()}
    people = todo[0].case.size
    folder = BUILD / f"linking-{people}-{surroundings()}"
    if not folder.exists():
        _begin(folder, people)
    require_room(people * LINKING_BYTES - _bytes_in(folder))
    begun = Results(folder / "bench.json")
    found: dict[str, Result] = {}
    failed: dict[str, str] = {}
    for step in todo:
        culprit = failed.get(OURS) or failed.get(step.whose)
        found[step.name] = (
            {"left_out": f"it needs '{culprit}', which failed"}
            if culprit
            else measured(step.case, begun, folder=folder)
        )
        if "failed" in found[step.name]:
            failed[step.whose] = step.name
        for name in () if OURS in failed else step.spent:
            (folder / name).unlink(missing_ok=True)
    if OURS not in failed:
        results.keep({step.case: found[step.name] for step in todo if bench_page.is_there(found[step.name])})
        shutil.rmtree(folder)
    return found


def linkage_before(todo: Sequence[Step], last: Give) -> bench_page.Linkage:
    """What the steps gave last, under whatever code and on whatever machine, but ours under one and on one."""
    found = {step.name: last(step.case) for step in todo}
    ours = [step.name for step in todo if step.whose == OURS and bench_page.is_there(found[step.name])]
    if len({found[name]["surroundings"] for name in ours}) > 1:
        found |= dict.fromkeys(ours, NOT_TOGETHER)
    return bench_page.Linkage(found)


def _begin(folder: Path, people: int) -> None:
    """A new folder; what was begun under other code is of no use."""
    for old in BUILD.glob(f"linking-{people}-*"):
        shutil.rmtree(old)
    folder.mkdir(parents=True)


def _bytes_in(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.iterdir())


def require_room(wanted: int) -> None:
    """Stop before the disk is full."""
    BUILD.mkdir(parents=True, exist_ok=True)
    free = shutil.disk_usage(BUILD).free
    if free < wanted:
        raise SystemExit(f"This takes up to {wanted / 1e9:.0f} GB of disk, and {free / 1e9:.0f} GB are free.")


@contextmanager
def _new_folder(name: str, wanted: int) -> Iterator[Path]:
    require_room(wanted)
    folder = BUILD / name
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


# What the page tells.


def parts(sizes: Sizes, give: Give) -> bench_page.Parts:
    """One part at a time, each held to one core."""

    def by(peer: str, name: str, size: int) -> Result:
        return give(Case(name, size, ("--peer", peer)))

    return bench_page.Parts(
        clks={size: {peer: by(peer, "clks", size) for peer in ("ours", "clkhash")} for size in sizes.encoded},
        filters={peer: by(peer, "filters", max(sizes.encoded)) for peer in ("standardised", "raw")},
        dice={peer: by(peer, "compare", sizes.compared) for peer in ("ours", "limit", "anonlink")},
        clusters=[
            bench_page.Solved(peer, pairs, by(peer, "clusters", pairs))
            for peer, pairs in (
                ("ours", sizes.solved),
                ("anonlink", sizes.solved),
                ("ours", sizes.solved_by_us),
            )
        ],
    )


def steps_of_each(sizes: Sizes) -> dict[int, list[Step]]:
    """The steps of linking tables of each number of records a side, with the peers that are put beside us there."""
    return {people: steps(people, spark=people == sizes.on_spark, splink=True) for people in sizes.linked}


def demonstration(people: int, results: Results) -> Result:
    """The demonstration, at its largest promise unless less is asked for."""
    case = Case("demo", people)
    known = results.known(case)
    if known is not None:
        return known
    with _new_folder("demo", people * DEMO_BYTES) as folder:
        return measured(case, results, folder=folder)


def measure(sizes: Sizes, results: Results, *, large: bool) -> dict[Case, Result]:
    """Measure what isn't known yet; of what is large only if it is wanted. Gives what every case gave, or why not."""
    found: dict[Case, Result] = {}
    each = steps_of_each(sizes)
    for todo in [*each.values(), *([steps(LARGE)] if large else [])]:
        gave = linkage(todo, results)
        found |= {step.case: gave[step.name] for step in todo}
    if large or sizes == SMALL:
        found[Case("demo", sizes.demonstrated)] = demonstration(sizes.demonstrated, results)

    def give(case: Case) -> Result:
        found[case] = measured(case, results)
        return found[case]

    parts(sizes, give)
    return found


def page_of(sizes: Sizes, results: Results, gave: Mapping[Case, Result]) -> bench_page.Page:
    """What the page tells: of each case what it gave last, whatever the code was.

    Args:
        sizes: how much was measured.
        results: what is kept.
        gave: what cases gave this time; for those of which nothing is kept.
    """

    def last(case: Case) -> Result:
        return results.last_known(case) or gave.get(case, NEVER)

    each = steps_of_each(sizes)
    large = {LARGE: steps(LARGE)} if sizes == WHOLE and NEVER not in map(last, _cases(steps(LARGE))) else {}
    linked = {people: linkage_before(todo, last) for people, todo in (each | large).items()}
    demo = last(Case("demo", sizes.demonstrated))
    failed = {str(case): result["left_out"] for case, result in gave.items() if "failed" in result}
    return bench_page.Page(
        parts(sizes, last), linked, None if demo is NEVER else demo, surroundings(), failed
    )


def _cases(todo: Sequence[Step]) -> list[Case]:
    return [step.case for step in todo]


def main() -> None:
    """Measure what is not known yet, and write the page; the exit code tells whether a case failed."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    size = parser.add_mutually_exclusive_group()
    size.add_argument(
        "--large", action="store_true", help="ten million a side, and the demonstration at a million, as well"
    )
    size.add_argument(
        "--small", action="store_true", help="every case on small data, and no page among the documents"
    )
    size.add_argument("--page", action="store_true", help="the page from what is kept; nothing is measured")
    parser.add_argument(
        "--only", choices=("linking", "demo"), help="of what is large this alone, and no page"
    )
    options = parser.parse_args()
    small = Results(BUILD / "small" / "bench.json")
    results = small if options.small else Results(MEASURED)
    if options.page:
        bench_page.write(page_of(WHOLE, results, {}), bench_page.DOCUMENTS)
        return
    if options.only != "demo":
        linkage(steps(FIRST_LINKED), small)
    if options.only == "linking":
        linkage(steps(LARGE), results)
    elif options.only == "demo":
        demonstration(WHOLE.demonstrated, results)
    else:
        sizes, out = (SMALL, BUILD / "small") if options.small else (WHOLE, bench_page.DOCUMENTS)
        page = page_of(sizes, results, measure(sizes, results, large=options.large))
        bench_page.write(page, out)
        if page.failed:
            raise SystemExit(
                f"{len(page.failed)} cases failed, as the page says; run again to try them once more."
            )


if __name__ == "__main__":
    main()
