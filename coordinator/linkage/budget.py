"""How much memory a step may take, and how much it took. Matcher and key issuer plan by it."""

from __future__ import annotations

import os
import re
import resource
import sys
from dataclasses import dataclass
from pathlib import Path

from pprl.errors import UsageError

SHARE_OF_MACHINE = 0.75
LEAST_BYTES = 500_000_000

_UNITS = {"MB": 10**6, "GB": 10**9}
_AMOUNT = re.compile(r"([1-9][0-9]{0,5})(MB|GB)", re.ASCII)
_MEMORY_FACTS = Path("/proc/meminfo")
_CONTAINER_LIMIT = Path("/sys/fs/cgroup/memory.max")


@dataclass(frozen=True, slots=True)
class Budget:
    """The most memory that a step may take.

    Attributes:
        bytes: of the whole process, what Python and its libraries take included.
    """

    bytes: int

    @staticmethod
    def parse(text: str) -> Budget:
        """Read what a person wrote: a whole number and MB or GB, such as 800MB or 4GB.

        Raises:
            UsageError: it is written in another way, or less than Python and its libraries need.
        """
        found = _AMOUNT.fullmatch(text)
        if found is None:
            raise UsageError("An amount of memory is a whole number and MB or GB, such as 800MB or 4GB.")
        amount = int(found[1]) * _UNITS[found[2]]
        if amount < LEAST_BYTES:
            raise UsageError(f"Less than {LEAST_BYTES // 10**6}MB of memory is not enough for any linkage.")
        return Budget(amount)

    @staticmethod
    def of_machine() -> Budget:
        """Three quarters of the memory that is free for the asking: what nobody else on this machine uses."""
        return Budget(int(SHARE_OF_MACHINE * min(_available(), _container_limit())))


def peak_bytes() -> int:
    """The most memory that this process has had in use so far."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    # Linux tells kibibytes, macOS bytes.
    return peak if sys.platform == "darwin" else peak * 1024


def _available() -> int:
    try:
        facts = _MEMORY_FACTS.read_text(encoding="ascii")
        found = re.search(r"^MemAvailable:\s+([0-9]+) kB$", facts, re.MULTILINE)
    except OSError:
        found = None
    if found is not None:
        return int(found[1]) * 1024
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")


def _container_limit() -> int:
    """The limit of the container that this runs in, if it runs in one."""
    try:
        told = _CONTAINER_LIMIT.read_text(encoding="ascii").strip()
    except OSError:
        return sys.maxsize
    return int(told) if told.isdigit() else sys.maxsize
