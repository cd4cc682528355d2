"""`pprl identity`: a party's keys."""

from __future__ import annotations

from pathlib import Path

import click

from pprl.console import force_option, json_option, path_option, show, talk


@click.group()
def identity() -> None:
    """Make the keys with which your party signs and is written to."""


@identity.command()
@click.argument("name")
@path_option("-o", "--out", "folder", required=True, help="Folder for the two files.")
@force_option
@json_option
def create(name: str, folder: Path, force: bool, as_json: bool) -> None:
    """Make NAME.key (secret, stays with you) and NAME.party.toml (public, goes into the agreement).

    NAME is your party's id in the agreement.

    Example: pprl identity create home-office -o keys
    """
    from pprl.crypto.identity import create as create_identity
    from pprl.crypto.identity import fingerprint
    from pprl.files.identity import write_identity

    made = create_identity(name)
    key_path, card_path = write_identity(made, folder, force=force)
    talk(f"Keep {key_path} to yourself. Paste {card_path} into the agreement, below your [[party]].")
    data = {
        "party": name,
        "key": str(key_path),
        "card": str(card_path),
        "fingerprint": fingerprint(made.public),
    }
    show(data, as_json=as_json, text=lambda: f"fingerprint {data['fingerprint']}")
