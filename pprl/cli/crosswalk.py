"""`pprl crosswalk`: what the research environment gets."""

from __future__ import annotations

from pathlib import Path

import click

from pprl.cli.options import agreement_option, key_option, load_receipt, load_signatory, receipt_option
from pprl.console import force_option, path_argument, path_option, talk
from pprl.passphrase import PassphraseSource


@click.group()
def crosswalk() -> None:
    """Open the crosswalk between departments' linkage keys (research environment)."""


@crosswalk.command("open")
@path_argument("result")
@agreement_option
@key_option
@receipt_option
@path_option("-o", "--out", required=True, help="Table of person, then a column a dataset.")
@force_option
def open_crosswalk(
    result: Path,
    agreement_path: Path,
    key_path: Path,
    passphrase: PassphraseSource,
    receipt_path: Path | None,
    out: Path,
    force: bool,
) -> None:
    """Open RESULT as a table: rows with the same person hold linkage keys of one person.

    Its receipt must prove that a quorum of witnesses saw it issued.

    Example: pprl crosswalk open crosswalk -a agreement.toml -k keys/research.key -o crosswalk.csv
    """
    from pprl import department
    from pprl.files.atomic import new_file, read_file, require_apart
    from pprl.files.csv_writer import write_csv

    require_apart([out], [result, agreement_path, key_path, *filter(None, [receipt_path])])
    sealed = read_file(result, what="crosswalk")
    receipt = load_receipt(receipt_path, result)
    me = load_signatory(agreement_path, key_path, passphrase, in_force=False)
    opened = department.open_crosswalk(sealed, receipt, me)
    header, *rows = department.crosswalk_rows(opened)
    with new_file(out, force=force, mode=0o600) as file:
        count = write_csv(file, header, rows)
    talk(f"{count:,} rows are in {out}; keep the number for 'pprl research rates --rows {count}'.")
