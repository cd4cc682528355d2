"""Options that several commands share."""

from __future__ import annotations

from pathlib import Path

import click

from pprl.console import Function, path_option
from pprl.passphrase import passphrase_option

DEFAULT_STORE = Path("coordinator-store")


def store_option(function: Function) -> Function:
    """`--store FOLDER`, and `--passphrase-fd N` for the key file whose place the store remembers."""
    option = path_option(
        "--store", "store", default=DEFAULT_STORE, show_default=True, help="Folder of this role's store."
    )
    return option(passphrase_option(function))


def agreement_option(function: Function) -> Function:
    """`--agreement SHA256`."""
    return click.option(
        "--agreement", "sha256", help="First digits of the agreement's SHA-256, if several are registered."
    )(function)
