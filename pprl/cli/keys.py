"""`pprl keys`: what a department gets back."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from pprl.cli.options import agreement_option, key_option, load_receipt, load_signatory, receipt_option
from pprl.console import force_option, json_option, path_argument, path_option, show, talk
from pprl.passphrase import PassphraseSource

if TYPE_CHECKING:
    from pprl.department import Changes


@click.group()
def keys() -> None:
    """Open the linkage keys of your records."""


@keys.command("open")
@path_argument("result")
@agreement_option
@key_option
@receipt_option
@path_option("--map", "map_path", required=True, help="The home map that 'pprl encode' wrote.")
@path_option("-o", "--out", required=True, help="Table of record_id and linkage_key.")
@path_option(
    "--previous-keys", "previous_path", help="Last time's table: tells how many records kept their keys."
)
@path_option(
    "--changed", "changed_path", help="Table of the records whose key changed; needs --previous-keys."
)
@force_option
@json_option
def open_keys(
    result: Path,
    agreement_path: Path,
    key_path: Path,
    passphrase: PassphraseSource,
    receipt_path: Path | None,
    map_path: Path,
    out: Path,
    previous_path: Path | None,
    changed_path: Path | None,
    force: bool,
    as_json: bool,
) -> None:
    """Open RESULT, and join it with your home map: a linkage key for every record that you sent.

    Its receipt must prove that a quorum of witnesses saw it issued.

    With --previous-keys, also say how many records kept the key of last time, got another one, are new or were
    withdrawn. Which ones they are, the table of --changed tells; it stays home, as the table of keys does.

    Example: pprl keys open offences.linkage-keys -a agreement.toml -k keys/home-office.key
    --map offences.submission.home-map.csv -o keys.csv
    """
    from pprl import department
    from pprl.errors import UsageError
    from pprl.files.atomic import new_files, read_file, read_secret_file, require_apart
    from pprl.files.csv_writer import write_csv

    if changed_path is not None and previous_path is None:
        raise UsageError("--changed needs --previous-keys.", hint="Name the table of last time's keys.")
    outputs = [out, *([changed_path] if changed_path else [])]
    read = [result, agreement_path, key_path, map_path, *filter(None, [previous_path, receipt_path])]
    require_apart(outputs, read)
    sealed = read_file(result, what="result")
    receipt = load_receipt(receipt_path, result)
    me = load_signatory(agreement_path, key_path, passphrase, in_force=False)
    opened = department.open_linkage_keys(sealed, receipt, me)
    home_map = read_secret_file(map_path, what="home map", limit=None)
    previous = department.read_keys(previous_path) if previous_path else None
    rows = list(department.join_home_map(opened, home_map))
    changes = None if previous is None else department.key_changes(rows, previous)
    with new_files(*((path, 0o600) for path in outputs), force=force) as (file, *further):
        write_csv(file, department.KEYS_HEADER, rows)
        for each in further:
            write_csv(each, department.CHANGES_HEADER, changes.changed if changes else ())
    talk(f"{len(rows):,} records have their linkage keys in {out}.")
    if changes is not None:
        show(_changes_data(changes), as_json=as_json, text=lambda: _changes_text(changes))
    elif as_json:
        show({"records": len(rows)}, as_json=True, text=str)


def _changes_data(changes: Changes) -> dict[str, int]:
    return {
        "records": changes.kept + len(changes.changed) + changes.new,
        "kept": changes.kept,
        "changed": len(changes.changed),
        "new": changes.new,
        "withdrawn": changes.withdrawn,
    }


def _changes_text(changes: Changes) -> str:
    return (
        f"{changes.kept:,} records kept the key of last time, {len(changes.changed):,} got another one, "
        f"{changes.new:,} are new, and {changes.withdrawn:,} were withdrawn."
    )
