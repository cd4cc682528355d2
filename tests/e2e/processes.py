"""Real processes, and what can be seen of them from outside while they run."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from tests.support.commands import asks_for_passphrase
from tests.support.keys import passphrase_descriptor


def start(*words: str | Path, cwd: Path) -> subprocess.Popen[str]:
    """Start a command; the first word is the program. Where it needs one, it gets the tests' passphrase."""
    command = [sys.executable, "-m", *map(str, words)]
    with passphrase_descriptor() as descriptor:
        if asks_for_passphrase(words):
            command += ["--passphrase-fd", str(descriptor)]
        return subprocess.Popen(
            command,
            cwd=cwd,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            pass_fds=(descriptor,),
        )


def run(*words: str | Path, cwd: Path) -> tuple[int, str, str]:
    """Run a command to its end: exit status, stdout, stderr."""
    process = start(*words, cwd=cwd)
    out, err = process.communicate(timeout=300)
    return process.returncode, out, err


def until(condition: Callable[[], object], *, process: subprocess.Popen[str], seconds: float = 60) -> bool:
    """Wait until something is true, or the process has ended."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline and process.poll() is None:
        if condition():
            return True
        time.sleep(0.005)
    return False


class Onlooker:
    """Another user of the machine, who looks at arguments and environments of a process and its children."""

    def __init__(self) -> None:
        self.seen: set[bytes] = set()
        self.programs: set[bytes] = set()

    @contextlib.contextmanager
    def watching(self, process: subprocess.Popen[str]) -> Iterator[None]:
        """Look, again and again, until the block ends."""
        ended = threading.Event()

        def look() -> None:
            while not ended.wait(0.02):
                for pid in _family(process.pid):
                    self._look_at(pid)

        thread = threading.Thread(target=look)
        thread.start()
        try:
            yield
        finally:
            ended.set()
            thread.join()

    def _look_at(self, pid: int) -> None:
        with contextlib.suppress(OSError):
            arguments = Path(f"/proc/{pid}/cmdline").read_bytes()
            self.programs.add(b" ".join(arguments.split(b"\0")[2:5]))
            self.seen |= {arguments, Path(f"/proc/{pid}/environ").read_bytes()}


def _family(pid: int) -> list[int]:
    """A process and all below it."""
    family = [pid]
    for member in family:
        # A process may be gone, or its thread, at any moment.
        with contextlib.suppress(OSError):
            for task in Path(f"/proc/{member}/task").glob("*/children"):
                with contextlib.suppress(OSError):
                    family += map(int, task.read_text().split())
    return family


CAN_LOOK = Path(f"/proc/self/task/{os.getpid()}/children").exists()
