"""Options that several commands share, and what they load."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import click

from pprl.console import Function, path_option, today
from pprl.errors import UsageError
from pprl.passphrase import PassphraseSource, passphrase_option

if TYPE_CHECKING:
    from pprl.crypto.exchange import Signatory
    from pprl.crypto.identity import Identity
    from pprl.encode.linkage_secret import LinkageSecret
    from pprl.protocol.agreement import AgreementFile


def agreement_option(function: Function) -> Function:
    """`-a AGREEMENT`."""
    option = path_option("-a", "--agreement", "agreement_path", required=True, help="The agreement (TOML).")
    return option(function)


def key_option(function: Function) -> Function:
    """`-k KEY` and `--passphrase-fd N`, for `load_identity`."""
    option = path_option("-k", "--key", "key_path", required=True, help="Your party's key file.")
    return option(passphrase_option(function))


def table_options(function: Function) -> Function:
    """How a department's table is read."""
    options: tuple[Callable[[Function], Function], ...] = (
        click.option("--dataset", help="Which dataset of the agreement it is, if your party brings several."),
        click.option(
            "--encoding", help="Text encoding of a CSV file that is not UTF-8, such as windows-1252."
        ),
        click.option("--delimiter", help="Delimiter of a CSV file.  [default: read from the header]"),
    )
    for option in reversed(options):
        function = option(function)
    return function


class NamedFile(click.ParamType[tuple[str, Path]]):
    """A parameter of the form NAME=FILE."""

    name = "NAME=FILE"

    def convert(
        self, value: str | tuple[str, Path], param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[str, Path]:
        """Take it apart."""
        if isinstance(value, tuple):
            return value
        name, equals, path = value.partition("=")
        if not (name and equals and path):
            self.fail("this must be NAME=FILE", param, ctx)
        return name, Path(path)


def by_name(files: tuple[tuple[str, Path], ...]) -> dict[str, Path]:
    """Named files, each name once."""
    named = dict(files)
    if len(named) != len(files):
        raise UsageError("A dataset is named twice.")
    return named


def receipt_option(function: Function) -> Function:
    """`--receipt FILE`, for `load_receipt`."""
    help_text = "The receipt that came with the result.  [default: beside it]"
    return path_option("--receipt", "receipt_path", help=help_text)(function)


def load_receipt(receipt_path: Path | None, result: Path) -> bytes:
    """Read the receipt of a released file."""
    from pprl.errors import ProtocolError
    from pprl.files.atomic import read_file
    from pprl.files.holdings import receipt_beside
    from pprl.protocol.receipt import MAX_RECEIPT_BYTES

    path = receipt_path or receipt_beside(result)
    if not path.exists():
        raise ProtocolError(
            f"There is no receipt {path}: nothing shows that witnesses saw this issued.",
            hint="It comes with the result: put it beside it, or name it with --receipt.",
        )
    return read_file(path, what="receipt", limit=MAX_RECEIPT_BYTES + 1)


def load_agreement(path: Path) -> AgreementFile:
    """Read an agreement."""
    from pprl.files.holdings import read_agreement

    return read_agreement(path)


def load_agreement_in_force(path: Path) -> AgreementFile:
    """Read an agreement that must be complete and in force today."""
    from pprl.crypto.exchange import require_in_force

    agreement = load_agreement(path)
    require_in_force(agreement, today=today())
    return agreement


def load_signatory(
    agreement_path: Path, key_path: Path, passphrase: PassphraseSource, *, in_force: bool = True
) -> Signatory:
    """A party at work: its agreement, that everybody has signed, and its keys. Remembers the version.

    Args:
        agreement_path: the agreement; the signatures are in the folder beside it.
        key_path: the party's key file; its run key is in the folder beside it.
        passphrase: gives the key file's passphrase.
        in_force: whether the agreement must be in force today, and the newest version that was seen: results may be
            opened after it has ended, or been replaced.
    """
    from pprl.files import party

    day = today()
    agreement = load_agreement_in_force(agreement_path) if in_force else load_agreement(agreement_path)
    identity = load_identity(key_path, passphrase)
    return party.signatory(agreement, agreement_path, identity, key_path, today=day, newest=in_force)


def require_heard(me: Signatory, key_path: Path) -> None:
    """Refuse to reveal or encode anything before the agreement's words were compared with all who signed."""
    from pprl.files import seen
    from pprl.protocol.signatures import others

    memory = seen.read(seen.path_beside(key_path, me.identity.party))
    memory.require_heard(me.agreement.file, others(me.agreement.content, me.identity.party))


def load_identity(path: Path, passphrase: PassphraseSource) -> Identity:
    """Open a key file."""
    from pprl.files.identity import read_identity

    return read_identity(path, passphrase)


def load_secret(me: Signatory, key_path: Path) -> LinkageSecret:
    """The linkage secret that a department has derived.

    Raises:
        ProtocolError: it is not made yet; says whom it waits for.
    """
    from pprl import sharing
    from pprl.files.holdings import Holdings

    return sharing.secret_of(me, Holdings.beside(key_path, me.identity.party, me.agreement.sha256))
