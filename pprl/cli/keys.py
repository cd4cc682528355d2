"""`pprl keys`: what a department gets back."""

from __future__ import annotations

from pathlib import Path

import click

from pprl.cli.options import agreement_option, key_option, load_signatory
from pprl.console import force_option, path_argument, path_option, talk
from pprl.passphrase import PassphraseSource


@click.group()
def keys() -> None:
    """Open the linkage keys of your records."""


@keys.command("open")
@path_argument("result")
@agreement_option
@key_option
@path_option("--map", "map_path", required=True, help="The home map that 'pprl encode' wrote.")
@path_option("-o", "--out", required=True, help="Table of record_id and linkage_key.")
@force_option
def open_keys(
    result: Path,
    agreement_path: Path,
    key_path: Path,
    passphrase: PassphraseSource,
    map_path: Path,
    out: Path,
    force: bool,
) -> None:
    """Open RESULT, and join it with your home map: a linkage key for every record that you sent.

    Example: pprl keys open offences.linkage-keys -a agreement.toml -k keys/home-office.key
    --map offences.submission.home-map.csv -o keys.csv
    """
    from pprl import department
    from pprl.files.atomic import new_file, read_file, read_secret_file, require_apart
    from pprl.files.csv_writer import write_csv

    require_apart([out], [result, agreement_path, key_path, map_path])
    me = load_signatory(agreement_path, key_path, passphrase, in_force=False)
    opened = department.open_linkage_keys(read_file(result, what="result"), me)
    home_map = read_secret_file(map_path, what="home map", limit=None)
    rows = department.join_home_map(opened, home_map)
    with new_file(out, force=force, mode=0o600) as file:
        count = write_csv(file, ("record_id", "linkage_key"), rows)
    talk(f"{count:,} records have their linkage keys in {out}.")
