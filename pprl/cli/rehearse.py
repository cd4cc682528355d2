"""`pprl rehearse`: the whole protocol on your own test files."""

from __future__ import annotations

from pathlib import Path

import click

from pprl.cli.options import NamedFile, by_name
from pprl.console import json_option, path_argument, path_option, show, talk, today


@click.command()
@path_argument("agreement_path", metavar="AGREEMENT")
@click.option(
    "--data", "data", type=NamedFile(), multiple=True, required=True, help="DATASET=FILE, for each."
)
@click.option("--truth", help="Column of every file that names the person: for scoring, never encoded.")
@path_option("-o", "--out", "folder", required=True, help="New folder for everything that comes of it.")
@json_option
def rehearse(
    agreement_path: Path, data: tuple[tuple[str, Path], ...], truth: str | None, folder: Path, as_json: bool
) -> None:
    """Run the whole protocol of AGREEMENT on your own test files, on this machine, with throw-away keys.

    Writes OUT/keys/DATASET.csv (record_id, linkage_key), OUT/crosswalk.csv, OUT/report.json and OUT/report.html (what
    the links rest on, as 'coordinator report' shows it), and what each party would hold in OUT/parties. With --truth
    the report has true precision, recall and F1 as well.

    If the coordinator refuses the release, OUT holds the two reports alone, and the exit status is 9. After any other
    failure OUT is as it was.

    Use test files alone: here one machine holds what no single party may hold.

    \b
    Example:
      pprl agreement new --dataset a=a.csv --dataset b=b.csv -o draft.toml
      pprl rehearse draft.toml --data a=a.csv --data b=b.csv --truth person_id --out rehearsal
    """  # noqa: D301 - \b is the character that keeps click from filling the example
    from pprl.files.atomic import read_file
    from pprl.protocol.agreement import MAX_AGREEMENT_BYTES, parse
    from pprl.rehearsal import rehearse as run_rehearsal
    from pprl.rehearsal import summary

    raw = read_file(agreement_path, what="agreement", limit=MAX_AGREEMENT_BYTES + 1)
    parse(raw, where=agreement_path.name)
    report = run_rehearsal(raw.decode(), by_name(data), truth=truth, folder=folder, today=today(), say=talk)
    show(report, as_json=as_json, text=lambda: summary(report, folder))
