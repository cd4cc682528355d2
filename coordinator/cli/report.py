"""`coordinator report`: what a run rests on, for those who have to judge it."""

from __future__ import annotations

from pathlib import Path

import click

from coordinator.cli.options import agreement_option, store_option
from pprl.console import force_option, json_option, path_option, show, talk
from pprl.errors import UsageError
from pprl.passphrase import PassphraseSource


@click.command()
@store_option
@agreement_option
@json_option
@path_option("-o", "--out", help="One HTML page with pictures and tables, to be opened in a browser.")
@force_option
def report(
    store: Path,
    passphrase: PassphraseSource,
    sha256: str | None,
    as_json: bool,
    out: Path | None,
    force: bool,
) -> None:
    """Say what was decided and what that rests on: threshold, estimates, passes, model parameters, counts.

    A run whose release is refused has a report too. Scores of single pairs and counts below the agreement's
    small-number limit are nowhere in it. It is for the coordinator's own office, unless the parties agree otherwise.

    \b
    Example:
      coordinator report --store issuer
      coordinator report --store issuer -o report.html
    """  # noqa: D301 - \b is the character that keeps click from filling the example
    if as_json and out:
        raise UsageError("Ask for --json or for a page with -o, not for both.")
    from coordinator import operations
    from coordinator.report import words

    found = operations.report(operations.open_store(store, passphrase), sha256)
    if out is None:
        show(found, as_json=as_json, text=lambda: words.text(found))
        return
    from coordinator.report.page import page
    from pprl.files.atomic import write_new

    write_new(out, page(found).encode(), force=force, mode=0o600)
    talk(f"Open {out} in a browser. It is for your own office, unless the parties agree otherwise.")
