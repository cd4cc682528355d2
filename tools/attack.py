"""Try every attack of tests/attacks, as the code stands and with the attack's check taken out: `make attack`.

Prints each attack, what the attacker tries, which check stops it, and how it fared. Ends with exit status 1 if an
attack got through, was refused by something else than its check, or fares no better without it: such an attack
would show nothing. `--write docs/attacks.md` writes the page that lists them.
"""

from __future__ import annotations

import argparse
import json
import sys
import textwrap
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from tests.attacks.every import SUBJECTS
from tests.attacks.registry import THROUGH, Attack, Finding, Removal, run

WIDTH = 110
HEAD = """# Attacks

What was tried against the protocol, and what stops it. `make attack` tries all of it; so do the tests
(`tests/attacks`). This page is written by `python -m tools.attack --write docs/attacks.md`, and the tests hold
it to be up to date.

Each attack is tried twice. With the code as it stands, the check that is named must refuse it: a refusal by
anything else counts as a failure. Then the check is taken out, and nothing else: the attack must get through,
or as far as is said here. So each line shows that its check is needed. Where several checks are named, each was
found to stop the attack alone, and all were taken out.

A number is the check's in the docstring of the function that runs it; for exported runs, in
[verification.md](verification.md). What no check can stop is in [threat-model.md](threat-model.md).
"""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run what the command line asks for; the exit status."""
    options = _options(arguments)
    if options.write:
        options.write.write_text(page(), encoding="utf-8")
        return 0
    started = time.monotonic()
    findings = {subject: [run(attack) for attack in attacks] for subject, attacks in SUBJECTS.items()}
    lines = [json.dumps(_as_json(findings), indent=2)] if options.json else list(_told(findings))
    sys.stdout.write("\n".join(lines) + "\n")
    failed = [found for each in findings.values() for found in each if not found.as_stated]
    if not options.json:
        count = sum(map(len, findings.values()))
        sys.stdout.write(
            f"\n{count - len(failed)} of {count} attacks are refused by their check, and get on without it; "
            f"{len(failed)} are not as stated. {time.monotonic() - started:.0f} s.\n"
        )
    return 1 if failed else 0


def page() -> str:
    """The page of all attacks."""
    return "\n".join([HEAD, *_page_of_subjects()]).rstrip() + "\n"


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="make attack", description="Try every attack.")
    parser.add_argument("--json", action="store_true", help="tell it as JSON")
    parser.add_argument("--write", type=Path, metavar="PAGE", help="write the page that lists all attacks")
    return parser.parse_args(arguments)


def _page_of_subjects() -> Iterator[str]:
    for subject, attacks in SUBJECTS.items():
        yield f"## {subject}\n"
        yield "| attack | what is tried | stopped by | without it |"
        yield "|---|---|---|---|"
        for attack in attacks:
            checks = "; ".join(_check(removal, "`") for removal in attack.removed)
            yield f"| {attack.name} | {attack.tries} | {checks} | {_without(attack)} |"
        yield ""


def _told(findings: dict[str, list[Finding]]) -> Iterator[str]:
    for subject, found in findings.items():
        yield f"\n{subject}\n"
        for finding in found:
            yield from _lines(finding)


def _lines(finding: Finding) -> Iterator[str]:
    attack = finding.attack
    yield f"  {_result(finding):16} {attack.name}"
    checks = ", ".join(_check(removal) for removal in attack.removed)
    if not finding.as_stated:
        checks += (
            f"; it met \u201c{finding.met}\u201d, and without its checks \u201c{finding.met_without}\u201d"
        )
    for text in (attack.tries, f"stopped by {checks}; without: {_without(attack)}"):
        yield textwrap.fill(text, WIDTH, initial_indent=" " * 19, subsequent_indent=" " * 21)


def _result(finding: Finding) -> str:
    if not finding.refused:
        return "NOT REFUSED"
    if not (finding.bites and finding.each):
        return "DOES NOT BITE"
    return "refused, bites"


def _without(attack: Attack) -> str:
    return (
        "gets through" if attack.then == THROUGH else f"gets further, to a refusal: \u201c{attack.then}\u201d"
    )


def _check(removal: Removal, quote: str = "") -> str:
    return f"{quote}{removal.told}{quote}" + (f" ({removal.number})" if removal.number else "")


def _as_json(findings: dict[str, list[Finding]]) -> list[dict[str, Any]]:
    return [
        {
            "subject": subject,
            "attack": finding.attack.name,
            "tries": finding.attack.tries,
            "refused_with": finding.attack.refusal.code,
            "stopped_by": [_check(removal) for removal in finding.attack.removed],
            "without_it": _without(finding.attack),
            "refused": finding.refused,
            "bites": finding.bites and finding.each,
        }
        for subject, found in findings.items()
        for finding in found
    ]


if __name__ == "__main__":
    sys.exit(main())
