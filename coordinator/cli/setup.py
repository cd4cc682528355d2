"""`coordinator init` and `coordinator agreement`: before anything is received."""

from __future__ import annotations

from pathlib import Path

import click

from coordinator.cli.options import store_option
from pprl.console import json_option, path_argument, path_option, show, talk
from pprl.passphrase import PassphraseSource


@click.command()
@click.option(
    "--role", type=click.Choice(["matcher", "issuer", "both"]), required=True, help="What this store is for."
)
@path_option("-k", "--key", "key_path", required=True, help="The role's key file; its place is remembered.")
@store_option
def init(role: str, key_path: Path, store: Path, passphrase: PassphraseSource) -> None:
    """Make the store of a coordinator role.

    One store for both roles lets one office see which records share encodings and keys: 'pprl agreement explain' says
    what that costs.

    Example: coordinator init --role matcher -k keys/ons-matching.key --store matcher
    """
    from coordinator import operations
    from coordinator.store.stages import Role

    roles = {
        "matcher": (Role.MATCHER,),
        "issuer": (Role.KEY_ISSUER,),
        "both": (Role.MATCHER, Role.KEY_ISSUER),
    }[role]
    party = operations.initialise(store, key_file=key_path, passphrase=passphrase, roles=roles)
    talk(f"{store} is the store of {party}.")


@click.group()
def agreement() -> None:
    """The agreements that this store works for."""


@agreement.command()
@path_argument("agreement_path", metavar="AGREEMENT")
@store_option
@json_option
def register(agreement_path: Path, store: Path, passphrase: PassphraseSource, as_json: bool) -> None:
    """Take up an AGREEMENT that everybody has signed: from now on its submissions are received.

    The signatures are in the folder beside it. Compare the printed words, which stand for its SHA-256, with every other
    party, by telephone.

    Example: coordinator agreement register agreement.toml --store matcher
    """
    from coordinator import operations
    from pprl.crypto.words import words
    from pprl.files.atomic import read_file
    from pprl.files.holdings import read_signatures, signatures_beside
    from pprl.protocol.agreement import MAX_AGREEMENT_BYTES

    raw = read_file(agreement_path, what="agreement", limit=MAX_AGREEMENT_BYTES + 1)
    files = read_signatures(signatures_beside(agreement_path))
    taken = operations.register(
        operations.open_store(store, passphrase), raw, files, where=agreement_path.name
    )
    data = {
        "project": taken.content.project.id,
        "version": taken.content.project.version,
        "agreement_sha256": taken.sha256,
        "words": words(bytes.fromhex(taken.sha256)),
    }
    text = f"registered {taken.content.project.id}, SHA-256 {taken.sha256}\nin words {data['words']}"
    show(data, as_json=as_json, text=lambda: text)
