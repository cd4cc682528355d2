"""Put small faults into the protocol's code, one at a time, and see whether the tests notice.

    python -m tools.mutation --sample 300 --seed 1        run that many mutants, chosen at random
    python -m tools.mutation --report                     say again what came of those that were run

A mutant that the tests don't notice has survived: either a test is missing, or the fault makes no difference. The score
is the share that was noticed, with an interval, since it is counted on a sample.

Each mutant runs in a copy of the working tree, with the tests that execute the mutated lines (recorded once by
coverage), nearest first, until one fails. What came of it is a line in build/mutation/results.jsonl, and a mutant that
is in there is not run again: an interrupted series goes on, and a series over changed code runs anew where it changed.
"""

from __future__ import annotations

import argparse
import hashlib
import importlib
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time
import warnings
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from difflib import unified_diff
from functools import cached_property
from pathlib import Path
from typing import Literal, NoReturn
from xml.etree import ElementTree as Xml

import pytest
from coverage import CoverageData

from pprl.rates import wilson
from tools.mutants import Mutant, mutants

ROOT = Path(__file__).parents[1]
MODULES = ("pprl/protocol", "pprl/crypto")
TESTS = (
    "tests/unit",
    "tests/attacks",
    "tests/conformance",
    "tests/properties",
    "tests/simulation",
    "tests/privacy",
    "tests/fuzz",
)
START_SECONDS = 30.0
"""What an interpreter, pytest and the imports take on a busy machine."""
SLOWER = 5.0
"""A mutant whose tests take so many times as long as without it hangs."""
MOST_TEST_SECONDS = 60.0
"""Tests of one mutant: those that go beyond are left out, the slowest first."""

CONTROLS = 20
"""Tests of a module that must pass without a mutant before a series begins."""
ASIDE = ".aside"
"""Ending of a source while a mutant stands in its place."""

_PYTEST = (
    "-m",
    "pytest",
    "-q",
    "-p",
    "no:cacheprovider",
    "-o",
    "addopts=--import-mode=importlib",
    "-m",
    "not slow",
)

Fate = Literal["killed", "survived", "timed out", "not covered"]


@dataclass(frozen=True, slots=True)
class Result:
    """What came of a mutant.

    Attributes:
        key: names the mutant and the source that it is of.
        module: path of the source.
        source: digest of the source.
        line: where, from 1.
        what: the kind of fault.
        diff: the change.
        fate: what the tests did.
        tests: how many test functions were run at most.
        seconds: how long they took.
    """

    key: str
    module: str
    source: str
    line: int
    what: str
    diff: str
    fate: Fate
    tests: int
    seconds: float


@dataclass(frozen=True)
class Project:
    """A working tree, and which of its tests execute what.

    Attributes:
        root: the tree.
        build: where results and the copy of the tree go.
        tests: folders of tests that may be run.
    """

    root: Path
    build: Path
    tests: Sequence[str]

    @property
    def results(self) -> Path:
        """One line of JSON a mutant."""
        return self.build / "results.jsonl"

    @property
    def tree(self) -> Path:
        """The copy that mutants are put into."""
        return self.build / "tree"

    @cached_property
    def seconds(self) -> Mapping[str, float]:
        """How long each test function takes, all its parameters together."""
        found: dict[str, float] = defaultdict(float)
        for case in Xml.parse(self.build / "tests.xml").iter("testcase"):  # noqa: S314 - pytest wrote it for us
            path = case.get("classname", "").replace(".", "/") + ".py"
            found[f"{path}::{_function(case.get('name', ''))}"] += float(case.get("time", 0))
        return found

    @cached_property
    def coverage(self) -> CoverageData:
        """Which test executed which line."""
        data = CoverageData(str(self.build / "coverage"))
        data.read()
        return data

    def tests_of(self, module: str, lines: Iterable[int]) -> list[str]:
        """Test functions that execute any of some lines, nearest and quickest first.

        Lines that run on import, and those that coverage can't see as they are compiled, have all tests of the module.
        """
        by_line = self.coverage.contexts_by_lineno(str(self.tree / module))
        contexts = {context for line in lines for context in by_line.get(line, [])}
        if "" in contexts or not contexts:
            contexts = {context for found in by_line.values() for context in found}
        found = {_function(context.partition("|")[0]) for context in contexts} - {""}
        near = Path(module).stem
        ordered = sorted(
            found, key=lambda test: (near not in test.partition("::")[0], self.seconds.get(test, 0.0), test)
        )
        return list(self._affordable(ordered))

    def _affordable(self, tests: Iterable[str]) -> Iterator[str]:
        spent = 0.0
        for test in tests:
            spent += self.seconds.get(test, 0.0)
            if spent > MOST_TEST_SECONDS:
                return
            yield test


def record(project: Project) -> None:
    """Run all tests once in a fresh copy of the tree, and keep which test executes what.

    Mutants that survived are forgotten: the tests may be others now.

    Raises:
        SystemExit: a test fails without any mutant.
    """
    shutil.rmtree(project.tree, ignore_errors=True)
    for path in _files(project.root):
        (project.tree / path).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(project.root / path, project.tree / path)
    report = project.build / "tests.xml"
    there = [folder for folder in project.tests if (project.tree / folder).is_dir()]
    options = ("--cov", "--cov-context=test", "--cov-report=", f"--junitxml={report}")
    done = subprocess.run(
        [sys.executable, "-m", "pytest", *_PYTEST, *options, *there],
        cwd=project.tree,
        env={
            **os.environ,
            "PYTHONPATH": str(project.tree),
            "COVERAGE_FILE": str(project.build / "coverage"),
            "REMEMBER_ANSWERS": "no",  # Each test must execute what it rests on: tests/support/once.py
        },
        stdout=subprocess.DEVNULL,
        check=False,
    )
    if done.returncode != 0:
        sys.exit("Tests fail, or there are none: mend that first.")
    noticed = [each for each in read_results(project) if each.fate in {"killed", "timed out"}]
    project.results.write_text("".join(_line(each) for each in noticed))


def run(project: Project, module: str, mutant: Mutant, tests: Sequence[str]) -> tuple[Fate, float]:
    """Put a mutant in place, run tests until one fails, and put the source back.

    Returns:
        What came of it, and in how many seconds.
    """
    if not tests:
        return "not covered", 0.0
    path = project.tree / module
    aside = path.with_suffix(ASIDE)
    limit = START_SECONDS + SLOWER * sum(project.seconds.get(test, 0.0) for test in tests)
    started = time.monotonic()
    path.rename(aside)
    try:
        path.write_bytes(mutant.applied(aside.read_bytes()))
        status = _forked(project, ("-x", "--no-cov", *tests), limit)
    finally:
        aside.replace(path)
    fates: Mapping[int | None, Fate] = {0: "survived", None: "timed out"}
    return fates.get(status, "killed"), time.monotonic() - started


def series(project: Project, modules: Sequence[str], *, sample: int, seed: int) -> list[Result]:
    """Run a random sample of all mutants of some modules; those that were run before are only looked up.

    Args:
        project: the tree, its tests recorded.
        modules: paths of sources.
        sample: how many mutants; all if there are fewer.
        seed: of the choice.
    """
    for aside in project.tree.rglob(f"*{ASIDE}"):
        aside.replace(aside.with_suffix(".py"))  # a series was stopped in the middle of a mutant
    every = [(module, each) for module in modules for each in mutants((project.tree / module).read_bytes())]
    chosen = random.Random(seed).sample(every, min(sample, len(every)))  # noqa: S311 - a sample, no secret
    known = {each.key: each for each in read_results(project)}
    print(f"{len(chosen)} of {len(every)} mutants.", flush=True)
    _require_passing(project, {module for module, _ in chosen})
    found = []
    for module, mutant in chosen:
        key = _key(project, module, mutant)
        if key not in known:
            known[key] = _result(project, module, mutant, key)
            with project.results.open("a") as out:
                out.write(_line(known[key]))
            print(f"{known[key].fate:12} {module}:{mutant.line} {mutant.what}", flush=True)
        found.append(known[key])
    return found


def _require_passing(project: Project, modules: Iterable[str]) -> None:
    """A control: without a mutant, tests of each module pass where mutants run.

    Raises:
        SystemExit: they don't, so that every mutant would seem killed.
    """
    tests = {test for module in modules for test in project.tests_of(module, [])[:CONTROLS]}
    if tests and _forked(project, ("--no-cov", *sorted(tests)), START_SECONDS + MOST_TEST_SECONDS) != 0:
        sys.exit("Tests fail without a mutant: mend that first.")


def read_results(project: Project) -> list[Result]:
    """What came of all mutants of the recorded sources so far."""
    if not project.results.exists():
        return []
    found = (Result(**json.loads(line)) for line in project.results.read_text().splitlines())
    return [each for each in found if each.source == _digest(project, each.module)]


def told(results: Sequence[Result]) -> Iterator[str]:
    """Results as lines: a table by module, then every survivor."""
    yield f"{'module':34} {'mutants':>8} {'killed':>7} {'timed out':>10} {'survived':>9} {'not covered':>12}   noticed"
    modules = sorted({each.module for each in results})
    for module in modules:
        yield _row(module, [each for each in results if each.module == module])
    yield _row("all", results)
    for each in results:
        if each.fate in {"survived", "not covered"}:
            yield f"\n{each.fate}: {each.what}, {each.tests} tests\n{each.diff}"


def _row(name: str, results: Sequence[Result]) -> str:
    fates = Counter(each.fate for each in results)
    noticed = fates["killed"] + fates["timed out"]
    low, high = wilson(noticed, len(results)) if results else (0.0, 1.0)
    share = f"{noticed / max(1, len(results)):6.1%} ({low:.1%} to {high:.1%})"
    counts = f"{fates['killed']:7} {fates['timed out']:10} {fates['survived']:9} {fates['not covered']:12}"
    return f"{name:34} {len(results):8} {counts}   {share}"


def _result(project: Project, module: str, mutant: Mutant, key: str) -> Result:
    tests = project.tests_of(module, range(mutant.line, mutant.last_line + 1))
    fate, seconds = run(project, module, mutant, tests)
    diff = _diff(module, (project.tree / module).read_bytes(), mutant)
    source = _digest(project, module)
    return Result(key, module, source, mutant.line, mutant.what, diff, fate, len(tests), round(seconds, 1))


def _diff(module: str, source: bytes, mutant: Mutant) -> str:
    before, after = source.decode().splitlines(), mutant.applied(source).decode().splitlines()
    return "\n".join(unified_diff(before, after, module, module, n=1, lineterm=""))


def _line(result: Result) -> str:
    return json.dumps(asdict(result)) + "\n"


def _key(project: Project, module: str, mutant: Mutant) -> str:
    about = f"{module} {mutant.start} {mutant.end} {mutant.text} {_digest(project, module)}"
    return hashlib.sha256(about.encode()).hexdigest()[:32]


def _digest(project: Project, module: str) -> str:
    path = project.tree / module
    return hashlib.sha256(path.read_bytes()).hexdigest()[:32] if path.exists() else ""


def _function(test: str) -> str:
    """A test without its parameters: they may hold any character."""
    return test.partition("[")[0]


def _files(root: Path) -> list[str]:
    """What the copy needs: what is in version control, or everything where nothing is."""
    if (root / ".git").exists():
        git = shutil.which("git") or "git"
        listed = subprocess.run(
            [git, "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
            cwd=root, capture_output=True, text=True, check=True,
        )  # fmt: skip
        return [path for path in listed.stdout.split("\0") if path and (root / path).is_file()]
    return [str(path.relative_to(root)) for path in root.rglob("*") if path.is_file()]


def _forked(project: Project, arguments: Sequence[str], limit: float) -> int | None:
    """Run pytest in the copy of the tree, in a process that need not import other people's packages again.

    Returns:
        Its exit status; None if it had to be stopped.
    """
    with warnings.catch_warnings():
        # The threads that libraries start on import are idle.
        warnings.simplefilter("ignore", DeprecationWarning)
        process = os.fork()
    if not process:
        _become_pytest(project, arguments)
    end = time.monotonic() + limit
    while time.monotonic() < end:
        done, status = os.waitpid(process, os.WNOHANG)
        if done:
            return os.waitstatus_to_exitcode(status)
        time.sleep(0.02)
    os.killpg(process, signal.SIGKILL)
    os.waitpid(process, 0)
    return None


def _become_pytest(project: Project, arguments: Sequence[str]) -> NoReturn:
    status = 1
    try:
        os.setsid()
        nothing = os.open(os.devnull, os.O_RDWR)
        for stream in (0, 1, 2):
            os.dup2(nothing, stream)
        os.chdir(project.tree)
        os.environ["PYTHONPATH"] = str(project.tree)
        # A changed file keeps its length and its second: what was compiled of it must not be kept.
        sys.dont_write_bytecode = True
        sys.path[:] = [str(project.tree), *(each for each in sys.path if each not in {"", str(ROOT)})]
        ours = {path.stem for path in project.tree.iterdir()}
        for name in [name for name in sys.modules if name.partition(".")[0] in ours]:
            del sys.modules[name]
        # Plugins were imported before pytest could rewrite their assertions, and say so.
        quiet = ("-W", "ignore::pytest.PytestAssertRewriteWarning")
        status = int(pytest.main([*_PYTEST, *quiet, *arguments]))
    finally:
        os._exit(status)


def _warm_up() -> None:
    """Import what the tests import, so that forks have it."""
    warnings.filterwarnings("ignore", "pkg_resources is deprecated", UserWarning)
    for name in (
        "coordinator.operations",
        "pprl.department",
        "pprl.research",
        "hypothesis",
        "pytest_cov",
        "xdist",
    ):
        importlib.import_module(name)


def main() -> None:
    """Run a series or report one."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument(
        "modules", nargs="*", default=MODULES, help="sources or folders of them; by default %(default)s"
    )
    parser.add_argument("--sample", type=int, default=300, help="how many mutants")
    parser.add_argument("--seed", type=int, default=1, help="of the choice of mutants")
    parser.add_argument("--report", action="store_true", help="run nothing")
    parser.add_argument("--record", action="store_true", help="find out anew which test executes what")
    parser.add_argument(
        "--tests", nargs="+", default=TESTS, help="folders of tests; a choice holds until --record"
    )
    options = parser.parse_args()
    project = Project(ROOT, ROOT / "build" / "mutation", options.tests)
    project.build.mkdir(parents=True, exist_ok=True)
    if options.report:
        results: Sequence[Result] = read_results(project)
    else:
        if options.record or not (project.build / "tests.xml").exists():
            record(project)
        _warm_up()
        paths = [path for each in options.modules for path in _sources(project.tree, each)]
        results = series(project, paths, sample=options.sample, seed=options.seed)
    print("\n".join(told(results)))


def _sources(tree: Path, name: str) -> list[str]:
    path = tree / name
    found = sorted(path.rglob("*.py")) if path.is_dir() else [path]
    return [str(each.relative_to(tree)) for each in found]


if __name__ == "__main__":
    main()
