"""Fuzz every reader, some at a time, each in a process of its own.

    python -m tests.fuzz.run --seconds 300                a reader
    python -m tests.fuzz.run --total 90 --seed 1          all readers together, on all cores; what CI runs
    python -m tests.fuzz.run --seconds 60 agreement       some readers

Inputs that reached something new are kept in build/fuzz/corpus/NAME, where the next run goes on. An input that broke a
promise, hung or used too much memory is written to build/fuzz, and the way to replay it is printed.
"""

from __future__ import annotations

import argparse
import contextlib
import hashlib
import io
import os
import random
import re
import sys
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

# Compiled code is opaque to coverage, and the fuzzer's changes to bytecode are opaque to the compiler.
os.environ["NUMBA_DISABLE_JIT"] = "1"
os.environ["OPENBLAS_NUM_THREADS"] = "1"
# The threads that libraries started on import are idle, and pyarrow starts its own anew after a fork.
warnings.filterwarnings("ignore", "This process .* is multi-threaded", DeprecationWarning)
warnings.filterwarnings("ignore", "pkg_resources is deprecated", UserWarning)

import atheris  # noqa: E402

from tests.fuzz import structure  # noqa: E402

with contextlib.redirect_stderr(io.StringIO()), atheris.instrument_imports(include=["pprl"]):
    from tests.fuzz.targets import ROOT, TARGETS, Target, check

BUILD = ROOT / "build" / "fuzz"
SECONDS_AN_INPUT = 20
MOST_MEGABYTES = 2048
MOST_INPUT_BYTES = 100_000
_LOGGED = 6_000
_PROGRESS = re.compile(r"^#\d+\t.*\n", flags=re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of fuzzing one reader.

    Attributes:
        name: the reader.
        failed: whether it broke its promise.
        runs: inputs that were tried; 0 if it failed.
        seconds: for how long.
        reached: branches of our code that were reached.
        inputs: files with inputs that broke the promise.
        text: what the fuzzer said, without its progress.
    """

    name: str
    failed: bool
    runs: int
    seconds: int
    reached: int
    inputs: tuple[Path, ...]
    text: str


def main() -> None:
    """Fuzz, print a line a reader, and exit with 1 if any broke its promise."""
    options = _options()
    waiting = list(reversed(options.names or TARGETS))
    jobs = min(options.jobs, len(waiting))
    seconds = max(1, options.total * jobs // len(waiting)) if options.total else options.seconds
    about = f"{len(waiting)} readers for {seconds} seconds each, {jobs} at a time, seed {options.seed}"
    print(f"Fuzzing {about}.", flush=True)
    running: dict[int, str] = {}
    failed = 0
    while waiting or running:
        while waiting and len(running) < jobs:
            name = waiting.pop()
            running[_start(TARGETS[name], seconds, options.seed)] = name
        process, status = os.wait()
        failed += not _told(_outcome(running.pop(process), status))
    sys.exit(1 if failed else 0)


def _start(of: Target, seconds: int, seed: int) -> int:
    """Fuzz one reader in a process of its own, which everything was imported for already; its id."""
    corpus, seeds = BUILD / "corpus" / of.name, BUILD / "seeds" / of.name
    for folder in (corpus, seeds):
        folder.mkdir(parents=True, exist_ok=True)
    process = os.fork()
    if not process:
        with _log(of.name).open("wb") as log:
            os.dup2(log.fileno(), 1)
            os.dup2(log.fileno(), 2)
        _fuzz(of, seconds, seed, corpus, seeds)
    return process


def _fuzz(of: Target, seconds: int, seed: int, corpus: Path, seeds: Path) -> NoReturn:
    for seed_input in of.reading().seeds:
        (seeds / hashlib.sha256(seed_input).hexdigest()[:16]).write_bytes(seed_input)
    options = {
        "max_total_time": seconds, "seed": seed, "timeout": SECONDS_AN_INPUT, "rss_limit_mb": MOST_MEGABYTES,
        "max_len": MOST_INPUT_BYTES, "len_control": 0, "artifact_prefix": f"{BUILD / of.name}-",
    }  # fmt: skip
    _go(of, [*(f"-{name}={value}" for name, value in options.items()), str(corpus), str(seeds)])


def _go(of: Target, arguments: list[str]) -> NoReturn:
    def attempt(raw: bytes) -> None:
        check(of, raw)

    def mutate(raw: bytes, most: int, seed: int) -> bytes:
        draw = random.Random(seed)
        if draw.random() < 0.3:
            return bytes(atheris.Mutate(raw, most))
        made = structure.changed(raw, draw, lambda part: atheris.Mutate(part, len(part) + 16))
        return made[:most]

    atheris.Setup([of.name, *arguments], attempt, custom_mutator=mutate)
    atheris.Fuzz()
    raise AssertionError("libFuzzer ends the process")


def _outcome(name: str, status: int) -> Outcome:
    text = _log(name).read_text(errors="replace")
    done = re.search(r"Done (\d+) runs in (\d+) second", text)
    reached = re.findall(r"cov: (\d+)", text)
    return Outcome(
        name,
        failed=status != 0 or done is None,
        runs=int(done[1]) if done else 0,
        seconds=int(done[2]) if done else 0,
        reached=int(reached[-1]) if reached else 0,
        inputs=tuple(_inputs(name)),
        text=_PROGRESS.sub("", text),
    )


def _log(name: str) -> Path:
    return BUILD / f"{name}.log"


def _inputs(name: str) -> list[Path]:
    kinds = ("crash", "timeout", "oom", "leak")
    return sorted(path for kind in kinds for path in BUILD.glob(f"{name}-{kind}-*"))


def _told(found: Outcome) -> bool:
    """Print what came of a reader; whether it kept its promise."""
    state = "FAILED" if found.failed else "ok"
    print(
        f"{found.name:28} {state:6} {found.runs:9,} inputs in {found.seconds} s; reached {found.reached}",
        flush=True,
    )
    if not found.failed:
        return True
    print(found.text[-_LOGGED:])
    for path in found.inputs:
        print(f"  replay: python -m tests.fuzz.replay {found.name} {path.relative_to(ROOT)}", flush=True)
    return False


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument(
        "names", nargs="*", metavar="NAME", help=f"readers: {', '.join(TARGETS)}; all if none is named"
    )
    parser.add_argument("--seconds", type=int, default=300, help="for each reader")
    parser.add_argument(
        "--total", type=int, default=0, help="seconds for all readers together, in place of --seconds"
    )
    parser.add_argument("--seed", type=int, default=0, help="of the fuzzer's choices; 0 draws one")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1, help="readers at a time")
    return parser.parse_args()


if __name__ == "__main__":
    main()
