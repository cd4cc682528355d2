"""Where a command gets the passphrase of a key file: from a file descriptor, or from the person at the terminal.

Never from an argument or the environment, which others on the machine can see. A command that opens or makes a
key file has the option `--passphrase-fd` and hands what it gives, a `PassphraseSource`, to whoever reads the file,
so that nothing is asked before there is a key file to open.
"""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING

import click

from pprl.console import Function
from pprl.errors import UsageError

if TYPE_CHECKING:
    from pprl.crypto.key_file import Passphrase

# As many bytes as a passphrase may have, and one for the line feed.
_MOST_READ = 1_025
_BY_DESCRIPTOR = "Give it by a file descriptor, such as --passphrase-fd 3 3<FILE, where FILE is yours alone."


class PassphraseSource:
    """Gives the passphrase when it is needed. Its text form shows nothing of it."""

    def __init__(self, descriptor: int | None) -> None:
        """Remember where to ask.

        Args:
            descriptor: an open file descriptor whose first line is the passphrase; None for the terminal.
        """
        self._descriptor = descriptor

    def __call__(self, key_file: str) -> Passphrase:
        """The passphrase of a key file that is there.

        Args:
            key_file: its name, for the question.

        Raises:
            UsageError: there is nothing to read it from, or what came can't be one.
        """
        from pprl.crypto.key_file import Passphrase  # noqa: PLC0415 - slow to import

        return Passphrase(self._line(f"Passphrase of {key_file}: "))

    def for_new(self, key_file: str) -> Passphrase:
        """The passphrase of a key file that is being made; a person types it twice.

        Args:
            key_file: its name, for the question.

        Raises:
            UsageError: there is nothing to read it from, what came can't be one, or the two differ.
        """
        from pprl.crypto.key_file import LEAST_CHARACTERS, Passphrase  # noqa: PLC0415 - slow to import

        question = f"Passphrase for {key_file}, at least {LEAST_CHARACTERS} characters: "
        passphrase = Passphrase(self._line(question))
        if self._descriptor is None and not passphrase.is_same_as(Passphrase(self._line("The same again: "))):
            raise UsageError("The two passphrases differ.", hint="Run it again.")
        return passphrase

    def _line(self, question: str) -> str:
        line, fault = _asked(question) if self._descriptor is None else _read(self._descriptor)
        if fault:
            raise UsageError(fault, hint=_BY_DESCRIPTOR)
        return line


def passphrase_option(function: Function) -> Function:
    """`--passphrase-fd N`, for every command that opens or makes a key file; gives a `PassphraseSource`."""
    option = click.option(
        "--passphrase-fd",
        "passphrase",
        type=click.IntRange(min=0),
        metavar="N",
        callback=lambda _ctx, _param, descriptor: PassphraseSource(descriptor),
        help="Read the key file's passphrase from this open file descriptor.  [default: ask on the terminal]",
    )
    return option(function)


def _read(descriptor: int) -> tuple[str, str]:
    """The first line of a file descriptor, and what is wrong with it; "" if nothing is."""
    try:
        if os.isatty(descriptor):
            return "", f"File descriptor {descriptor} is a terminal, which would show the passphrase."
        raw = bytearray()
        # Byte by byte: what follows the line is not ours, and a pipe need not end after it.
        while len(raw) <= _MOST_READ and (byte := os.read(descriptor, 1)) not in (b"", b"\n"):
            raw += byte
    except OSError as error:
        return "", f"File descriptor {descriptor} can't be read: {(error.strerror or 'refused').lower()}."
    if not raw:
        return "", f"No passphrase came from file descriptor {descriptor}."
    try:
        return raw.decode("utf-8"), ""
    except UnicodeDecodeError:
        return "", "The passphrase is not UTF-8."


def _asked(question: str) -> tuple[str, str]:
    """What a person types without seeing it, and what is wrong; "" if nothing is."""
    import getpass  # noqa: PLC0415 - few commands ask
    import warnings  # noqa: PLC0415

    if not sys.stdin.isatty():
        return "", "There is no terminal to ask for the passphrase on."
    try:
        with warnings.catch_warnings():
            # It warns before it would read with the typed characters shown.
            warnings.simplefilter("error", getpass.GetPassWarning)
            return getpass.getpass(question, stream=sys.stderr), ""
    except (getpass.GetPassWarning, EOFError, UnicodeDecodeError):
        return "", "The passphrase could not be asked for on this terminal."
