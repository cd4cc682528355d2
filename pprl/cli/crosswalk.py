"""`pprl crosswalk`: what the research environment gets."""

from __future__ import annotations

from pathlib import Path

import click

from pprl.cli.options import agreement_option, key_option, load_signatory
from pprl.console import force_option, path_argument, path_option, talk
from pprl.passphrase import PassphraseSource


@click.group()
def crosswalk() -> None:
    """Open the crosswalk between departments' linkage keys (research environment)."""


@crosswalk.command("open")
@path_argument("result")
@agreement_option
@key_option
@path_option("-o", "--out", required=True, help="Table of person, then a column a dataset.")
@force_option
def open_crosswalk(
    result: Path, agreement_path: Path, key_path: Path, passphrase: PassphraseSource, out: Path, force: bool
) -> None:
    """Open RESULT as a table: rows with the same person hold linkage keys of one person.

    Example: pprl crosswalk open crosswalk -a agreement.toml -k keys/research.key -o crosswalk.csv
    """
    from pprl import department
    from pprl.files.atomic import new_file, read_file, require_apart
    from pprl.files.csv_writer import write_csv

    require_apart([out], [result, agreement_path, key_path])
    me = load_signatory(agreement_path, key_path, passphrase, in_force=False)
    opened = department.open_crosswalk(read_file(result, what="crosswalk"), me)
    header, *rows = department.crosswalk_rows(opened)
    with new_file(out, force=force, mode=0o600) as file:
        count = write_csv(file, header, rows)
    talk(f"{count:,} rows are in {out}; keep the number for 'pprl research rates --rows {count}'.")
