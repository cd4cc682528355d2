"""Say what this machine lacks for an installation, before an installer's error does. Standard library alone."""

import importlib.util
import sys

OLDEST, NEWEST = (3, 11), (3, 13)


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
    return problems


if __name__ == "__main__":
    found = missing()
    for problem in found:
        sys.stderr.write("Can't set up: " + problem + "\n")
    sys.exit(1 if found else 0)
