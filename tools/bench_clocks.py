"""Seconds, memory and progress of what `make bench` measures."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Event, Thread
from typing import Any

from coordinator.linkage.budget import peak_bytes

SECONDS_BETWEEN_SAMPLES = 0.5
SECONDS_BETWEEN_WORDS = 30.0
_PROCESSES = Path("/proc")


def on_one_core() -> None:
    """Hold this process to one core, where the system can."""
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})


class Stopwatch:
    """Seconds by the wall and of the processors, of all that ran under it."""

    def __init__(self) -> None:
        self._wall = self._cpu = 0.0

    @contextmanager
    def runs(self) -> Iterator[None]:
        """Count what the block takes."""
        wall, cpu = time.perf_counter(), time.process_time()
        try:
            yield
        finally:
            self._wall += time.perf_counter() - wall
            self._cpu += time.process_time() - cpu

    def told(self) -> dict[str, float]:
        """What a result says of it."""
        return {"seconds": round(self._wall, 3), "cpu_seconds": round(self._cpu, 3)}


def clocked(work: Callable[[], Any]) -> tuple[dict[str, float], Any]:
    """Seconds by the wall and of the processors, and what came of the work."""
    watch = Stopwatch()
    with watch.runs():
        result = work()
    return watch.told(), result


class Told:
    """Progress on the standard error, with the time, at most every half minute: long cases are watched by people."""

    def __init__(self) -> None:
        self._last = time.monotonic()

    def __call__(self, what: str, share: float) -> None:
        """Take what is done, and the share of it that is done."""
        if time.monotonic() - self._last > SECONDS_BETWEEN_WORDS:
            self._last = time.monotonic()
            say(f"    {what} {share:.0%}")


def say(words: str) -> None:
    """Tell a person something, with the time."""
    sys.stderr.write(f"{time.strftime('%H:%M:%S')} {words}\n")
    sys.stderr.flush()


class MostMemory:
    """The most memory that this process and all that it has started had together, as seen twice a second.

    Pages that processes share count once. Where the system doesn't tell, it is what this process alone has had.
    """

    def __init__(self) -> None:
        self.bytes = 0

    @contextmanager
    def watched(self) -> Iterator[None]:
        """Watch while the block runs."""
        done = Event()
        watcher = Thread(target=self._watch, args=(done,), daemon=True)
        watcher.start()
        try:
            yield
        finally:
            done.set()
            watcher.join()
            self.bytes = self.bytes or peak_bytes()

    def _watch(self, done: Event) -> None:
        while not done.wait(SECONDS_BETWEEN_SAMPLES):
            self.bytes = max(self.bytes, sum(map(_own_share, _family(os.getpid()))))


def _family(eldest: int) -> list[int]:
    """A process and all that it has started, and these have."""
    children: dict[int, list[int]] = {}
    for path in _PROCESSES.glob("[0-9]*/stat"):
        try:
            # The name of a program may hold spaces, and stands in brackets.
            parent = int(path.read_text(encoding="utf-8", errors="replace").rpartition(")")[2].split()[1])
        except OSError:
            continue
        children.setdefault(parent, []).append(int(path.parent.name))
    found = [eldest]
    for each in found:
        found += children.get(each, [])
    return found


def _own_share(process: int) -> int:
    """Bytes of a process, each shared page divided by those who share it; 0 for one that has ended."""
    try:
        facts = (_PROCESSES / str(process) / "smaps_rollup").read_text(encoding="ascii")
    except OSError:
        return 0
    (line,) = (each for each in facts.splitlines() if each.startswith("Pss:"))
    return int(line.split()[1]) * 1024
