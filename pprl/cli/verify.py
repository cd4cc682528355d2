"""`pprl verify`: an auditor's look at a whole run."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from pprl.cli.options import agreement_option
from pprl.console import json_option, path_argument, show, today

if TYPE_CHECKING:
    from pprl.verification.outcome import Outcome

NOT_SHOWN = (
    "Not shown by any of this: that the matcher compared honestly and the key issuer decided honestly (pairs and keys "
    "are sealed), what is in the containers, and that no copy of a destroyed key is left."
)


@click.command()
@path_argument("folders", nargs=-1, required=True, metavar="RUN...")
@agreement_option
@json_option
def verify(folders: tuple[Path, ...], agreement_path: Path, as_json: bool) -> None:
    """Verify a whole run from what its coordinators exported: offline, and with public keys alone.

    RUN is a folder that 'coordinator log export' wrote; give one of each coordinator party. Everything is judged by
    your own copy of the agreement, with everybody's signatures in the folder beside it. Each check is told with its
    outcome: 'ok', 'NO', or '--' where it can't be made or there is nothing to check. Exit status 7: one failed.

    Example: pprl verify run-matcher run-issuer -a agreement.toml
    """
    from datetime import UTC, datetime

    from pprl.errors import UsageError
    from pprl.files.exported import read_export, read_version
    from pprl.verification.checks import require_passed, verify_run

    if len(set(map(str, folders))) != len(folders):
        raise UsageError("A folder is named twice.")
    logs = [read_export(folder) for folder in folders]
    # Entries tell days of UTC, and signatures the signer's own.
    day = max(today(), datetime.now(UTC).date())
    outcomes = verify_run(read_version(agreement_path), logs, today=day)
    show(_data(outcomes), as_json=as_json, text=lambda: "\n".join(_lines(outcomes)))
    require_passed(outcomes)


def _data(outcomes: Sequence[Outcome]) -> dict[str, Any]:
    checks = [
        {
            "number": each.check.number,
            "id": each.check.id,
            "of": each.check.of,
            "log": each.log,
            "words": each.check.words,
            "result": each.result,
            "told": each.told,
        }
        for each in outcomes
    ]
    return {
        "passed": not any(each.failed for each in outcomes),
        "checks": checks,
        "not_shown": NOT_SHOWN,
    }


def _lines(outcomes: Sequence[Outcome]) -> Iterator[str]:
    for (of, log), group in groupby(outcomes, key=lambda each: (each.check.of, each.log)):
        yield {"agreement": "The agreement in hand", "log": f"The log in {log}", "run": "All together"}[of]
        for each in group:
            yield f"  {each.result}  {each.check.number:2}  {each.check.id}: {each.told}"
        yield ""
    counted = {result: sum(each.result == result for each in outcomes) for result in ("ok", "NO", "--")}
    idle = f"{counted['--']} could not be made or had nothing to check"
    yield f"{counted['ok']} checks passed, {counted['NO']} failed, {idle}."
    yield NOT_SHOWN
