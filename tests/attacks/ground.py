"""The small project that attacks are tried on: made once, copied for whoever changes something in it."""

from __future__ import annotations

import atexit
import shutil
import tempfile
from functools import cache
from itertools import count
from pathlib import Path

from tests.support.project import Project, make_project

_numbers = count()


@cache
def _folder() -> Path:
    folder = Path(tempfile.mkdtemp(prefix="attacks-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return folder


@cache
def made() -> Project:
    """The project, to be left as it is."""
    return make_project(_folder() / "made", "clk")


def fresh(like: Project | None = None) -> Project:
    """A copy of a project, by default of the one that was made, to do anything with."""
    return (like or made()).copy(_folder() / f"copy-{next(_numbers)}")
