"""Options that several commands share."""

from __future__ import annotations

from pathlib import Path

import click

from coordinator.linkage.budget import Budget
from pprl.console import Function, path_option
from pprl.errors import UsageError
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


class _Memory(click.ParamType[Budget]):
    """An amount of memory, such as 4GB."""

    name = "AMOUNT"

    def convert(
        self, value: str | Budget, param: click.Parameter | None, ctx: click.Context | None
    ) -> Budget:
        """Read it."""
        if isinstance(value, Budget):
            return value
        try:
            return Budget.parse(value)
        except UsageError as error:
            self.fail(error.message, param, ctx)


def memory_option(function: Function) -> Function:
    """`--memory AMOUNT`; None stands for three quarters of what the machine has free."""
    return click.option(
        "--memory",
        type=_Memory(),
        help="Most memory to use, such as 800MB or 4GB; without it, three quarters of what is free.",
    )(function)


def engine_option(function: Function) -> Function:
    """`--engine NAME`."""
    return click.option(
        "--engine",
        type=click.Choice(["local", "spark"]),
        default="local",
        show_default=True,
        help="What compares records: this machine, or the Spark that PYSPARK_SUBMIT_ARGS names (docs/spark.md).",
    )(function)
