"""Say what this machine lacks for an installation, before an installer's error does. Standard library alone."""

import importlib.util
import platform
import shutil
import sys
import sysconfig
from pathlib import Path

OLDEST, NEWEST = (3, 11), (3, 13)
LAST_WITH_ANONLINK_WHEEL = (3, 11)


def missing() -> "list[str]":
    """What is missing, each with what to do about it."""
    problems = []
    version = sys.version_info[:2]
    if not OLDEST <= version <= NEWEST:
        problems.append(
            "Python {}.{} is not supported: install Python 3.11, 3.12 or 3.13 and call "
            "'make PYTHON=python3.11 demo' with it.".format(*version)
        )
    if importlib.util.find_spec("venv") is None or importlib.util.find_spec("ensurepip") is None:
        problems.append("Python's venv module is missing: on Debian and Ubuntu, install python3-venv.")
    if OLDEST <= version <= NEWEST and version > LAST_WITH_ANONLINK_WHEEL:
        problems += _missing_for_building_anonlink()
    return problems


def _missing_for_building_anonlink() -> "list[str]":
    advice = (
        "anonlink 0.15.3 has no ready-made package for Python {}.{} and is built here, which needs {}. "
        "Install it (on Debian and Ubuntu: {}), or use Python 3.11, which needs no compiler: "
        "'make PYTHON=python3.11 demo'."
    )
    version = sys.version_info[:2]
    problems = []
    if not any(shutil.which(compiler) for compiler in ("c++", "g++", "clang++")):
        problems.append(advice.format(*version, "a C++ compiler", "g++"))
    headers = sysconfig.get_path("include")
    if platform.system() != "Windows" and not (headers and _has_header(headers)):
        problems.append(advice.format(*version, "Python's header files", "python3-dev"))
    return problems


def _has_header(folder: str) -> bool:
    return (Path(folder) / "Python.h").is_file()


if __name__ == "__main__":
    found = missing()
    for problem in found:
        sys.stderr.write("Can't set up: " + problem + "\n")
    sys.exit(1 if found else 0)
