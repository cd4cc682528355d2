"""Commands that every party has, whichever of the two programs it runs; `PROGRAM` in a help text is its name."""

from __future__ import annotations

from pathlib import Path

import click

from pprl.console import force_option, json_option, path_option, show, talk
from pprl.passphrase import PassphraseSource, passphrase_option


def identity_command(program: str) -> click.Group:
    """The `identity` command of a program: a party's keys."""

    @click.group()
    def identity() -> None:
        """Make the keys with which your party signs and is written to."""

    @identity.command()
    @click.argument("name")
    @path_option("-o", "--out", "folder", required=True, help="Folder for the two files.")
    @passphrase_option
    @force_option
    @json_option
    def create(name: str, folder: Path, passphrase: PassphraseSource, force: bool, as_json: bool) -> None:
        _create(name, folder, passphrase, force=force, as_json=as_json)

    example = {"pprl": "home-office", "coordinator": "ons-matching"}[program]
    create.help = (
        "Make NAME.key (secret, stays with you) and NAME.party.toml (public, goes into the agreement).\n\n"
        "NAME is your party's id in the agreement. A passphrase protects NAME.key: without it nobody can use the "
        f"key, and nobody can recover it.\n\nExample: {program} identity create {example} -o keys"
    )
    return identity


def _create(name: str, folder: Path, passphrase: PassphraseSource, *, force: bool, as_json: bool) -> None:
    from pprl.crypto.identity import create as create_identity  # noqa: PLC0415 - start-up must stay quick
    from pprl.crypto.identity import fingerprint  # noqa: PLC0415
    from pprl.files.identity import write_identity  # noqa: PLC0415

    made = create_identity(name)
    key_path, card_path = write_identity(made, folder, passphrase=passphrase.for_new, force=force)
    talk(f"Keep {key_path} to yourself. Paste {card_path} into the agreement, below your [[party]].")
    data = {
        "party": name,
        "key": str(key_path),
        "card": str(card_path),
        "fingerprint": fingerprint(made.public),
    }
    show(data, as_json=as_json, text=lambda: f"fingerprint {data['fingerprint']}")
