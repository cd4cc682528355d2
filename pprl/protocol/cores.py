"""How many cores a step may use. Departments and coordinators divide their work by it."""

from __future__ import annotations

import os


def cores() -> int:
    """How many cores this process may use, where the system tells; else how many there are."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
