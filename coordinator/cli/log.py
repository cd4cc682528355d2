"""`coordinator log`: what this office did, signed, witnessed and shown."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import click

from coordinator.cli.options import agreement_option, store_option
from pprl.console import force_option, json_option, path_argument, path_option, show, talk
from pprl.passphrase import PassphraseSource

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from coordinator.log import Cosigned


class _WitnessAndSize(click.ParamType[tuple[str, int]]):
    """A parameter of the form PARTY=N."""

    name = "PARTY=N"

    def convert(
        self, value: str | tuple[str, int], param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[str, int]:
        """Take it apart."""
        if isinstance(value, tuple):
            return value
        party, equals, entries = value.partition("=")
        if not (party and equals and entries.isascii() and entries.isdigit()):
            self.fail("this must be PARTY=N", param, ctx)
        return party, int(entries)


@click.group()
def log() -> None:
    """The log of what this office did: let witnesses sign it, and prove to others what is in it."""


@log.command()
@store_option
@agreement_option
@path_option("-o", "--out", "folder", required=True, help="New folder for the requests.")
@click.option(
    "--since",
    type=_WitnessAndSize(),
    multiple=True,
    help="A witness says that it signed N entries before, and its answer never came: start there.",
)
@force_option
def checkpoint(
    store: Path,
    passphrase: PassphraseSource,
    sha256: str | None,
    folder: Path,
    since: tuple[tuple[str, int], ...],
    force: bool,
) -> None:
    """Sign the log as it is now, and write a request to each witness that has not signed it yet.

    Each request proves that the log only grew since the witness signed last.

    Example: coordinator log checkpoint --store issuer -o requests
    """
    from coordinator import log as operations
    from coordinator.operations import open_store

    me = open_store(store, passphrase)

    def requests() -> Mapping[str, bytes]:
        asked = operations.checkpoint(me, sha256, since=dict(since))
        return {f"{party}{operations.REQUEST_ENDING}": raw for party, raw in asked.items()}

    asked = _write(requests, folder, force=force)
    talk(
        f"Send each file in {folder} to its witness, who runs 'pprl log witness'."
        if asked
        else "Every witness has signed the log as it is."
    )


@log.command()
@path_argument("files", nargs=-1, required=True, metavar="COSIGNATURE...")
@store_option
@json_option
def cosign(files: tuple[Path, ...], store: Path, passphrase: PassphraseSource, as_json: bool) -> None:
    """Take in what witnesses answered: their signatures of a checkpoint.

    Example: coordinator log cosign north.cosignature south.cosignature --store issuer
    """
    from coordinator import log as operations
    from coordinator.operations import open_store
    from pprl.files.atomic import read_file
    from pprl.protocol.checkpoint import MAX_NOTE_BYTES

    me = open_store(store, passphrase)
    taken = [
        operations.cosign(me, read_file(path, what="cosignature", limit=MAX_NOTE_BYTES + 1)) for path in files
    ]
    show(
        [asdict(each) for each in taken], as_json=as_json, text=lambda: "\n".join(map(_cosigned_text, taken))
    )


@log.command()
@store_option
@agreement_option
@path_option("-o", "--out", "folder", required=True, help="New folder for the receipts.")
@force_option
def receipts(
    store: Path, passphrase: PassphraseSource, sha256: str | None, folder: Path, force: bool
) -> None:
    """Write a receipt of every entry that a quorum of witnesses has signed for.

    Anyone with the agreement can check one: 'pprl receipt'.

    Example: coordinator log receipts --store matcher -o receipts
    """
    from coordinator import log as operations
    from coordinator.operations import open_store

    me = open_store(store, passphrase)
    count = _write(lambda: operations.receipts(me, sha256), folder, force=force)
    talk(f"{count} receipts are in {folder}.")


@log.command()
@store_option
@agreement_option
@path_option("-o", "--out", "folder", required=True, help="New folder for the run.")
@force_option
def export(store: Path, passphrase: PassphraseSource, sha256: str | None, folder: Path, force: bool) -> None:
    """Write all that an auditor needs to verify this office's part of a run, offline and with public keys alone.

    Nothing in it is secret or personal: the agreement and its signatures, the log, the newest checkpoint with a quorum,
    and the signed heads of containers, without their contents.

    Example: coordinator log export --store issuer -o run-issuer
    """
    from coordinator import operations
    from coordinator.log import unwitnessed

    me = operations.open_store(store, passphrase)
    count = _write(lambda: operations.export(me, sha256), folder, force=force)
    talk(f"{count} files are in {folder}.")
    if unsigned := unwitnessed(me, sha256):
        talk(
            f"No quorum has signed for the last {unsigned} of its entries, and 'pprl verify' asks for it: have the "
            "witnesses sign ('coordinator log checkpoint'), then export again."
        )


@log.command()
@store_option
@agreement_option
@json_option
def verify(store: Path, passphrase: PassphraseSource, sha256: str | None, as_json: bool) -> None:
    """Hold this store's log against itself: order, stages, heads of containers, checkpoints, witnesses.

    Example: coordinator log verify --store issuer
    """
    from coordinator import log as operations
    from coordinator.operations import open_store

    found = operations.verify(open_store(store, passphrase), sha256)
    show(found, as_json=as_json, text=lambda: "\n".join(found))


def _write(make: Callable[[], Mapping[str, bytes]], folder: Path, *, force: bool) -> int:
    """Write what is made into a new folder, if it can be one; gives the number of files."""
    from pprl.files.atomic import new_directory

    with new_directory(folder, force=force) as made:
        files = make()
        for name, content in files.items():
            path = made / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)
    return len(files)


def _cosigned_text(taken: Cosigned) -> str:
    far = "a quorum" if taken.quorum else "no quorum yet"
    return f"checkpoint of {taken.size} entries: signed by {', '.join(taken.witnesses)} ({far})"
