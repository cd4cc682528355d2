"""`pprl demo`: see the whole protocol on generated data."""

from __future__ import annotations

from itertools import chain, count
from pathlib import Path

import click

from pprl.console import json_option, path_option, show, talk, today

MOST_RECORDS = 2_000_000


@click.command()
@click.option(
    "--records",
    "people",
    type=click.IntRange(200, MOST_RECORDS),
    default=10_000,
    show_default=True,
    help="People to generate.",
)
@click.option(
    "--seed", type=click.IntRange(0, 2**32 - 1), default=1, show_default=True, help="Same seed, same people."
)
@path_option("-o", "--out", "folder", help="New folder.  [default: pprl-demo, or pprl-demo-2, ...]")
@json_option
def demo(people: int, seed: int, folder: Path | None, as_json: bool) -> None:
    """Watch three departments link generated people through a coordinator that never sees a name.

    Generates people of England and Wales with their offences, court hearings and prison receptions, then runs every
    party's own commands: real keys, real files, real processes. As the people are made up, the true links are known,
    and the summary says how many were found.

    Example: pprl demo --records 2000 --out my-demo
    """
    from pprl.demonstration import demonstrate
    from pprl.rehearsal import summary

    chosen = folder or _free_folder()
    report = demonstrate(people, seed=seed, folder=chosen, today=today(), say=talk)
    show(report, as_json=as_json, text=lambda: summary(report, chosen))


def _free_folder() -> Path:
    """The first of pprl-demo, pprl-demo-2, ... that nothing has taken yet."""
    names = chain(["pprl-demo"], (f"pprl-demo-{number}" for number in count(2)))
    return next(path for path in map(Path, names) if not path.exists())
