"""Run one reader on one input, as the fuzzer did; needs no fuzzer.

python -m tests.fuzz.replay NAME FILE
"""

from __future__ import annotations

import sys
from pathlib import Path

from tests.fuzz.targets import TARGETS, check


def main() -> None:
    """Say whether the input is accepted or refused, or show the fault."""
    name, path = sys.argv[1:]
    accepted = check(TARGETS[name], Path(path).read_bytes())
    print("accepted" if accepted else "refused, as declared")


if __name__ == "__main__":
    main()
