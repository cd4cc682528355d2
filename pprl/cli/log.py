"""`pprl log` and `pprl receipt`: witnessing coordinators' logs, and checking what is proved from them."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from pprl.cli.options import agreement_option, key_option, load_agreement, load_identity
from pprl.console import force_option, json_option, path_argument, path_option, show, talk, today
from pprl.passphrase import PassphraseSource

if TYPE_CHECKING:
    from pprl.crypto.notes import OpenedReceipt


@click.group()
def log() -> None:
    """Watch the coordinators' logs, if the agreement names your party as a witness."""


@log.command("witness")
@path_argument("request")
@agreement_option
@key_option
@path_option("-o", "--out", required=True, help="Your signatures, for the coordinator.")
@force_option
def witness_log(
    request: Path, agreement_path: Path, key_path: Path, passphrase: PassphraseSource, out: Path, force: bool
) -> None:
    """Check REQUEST: that the log only grew since you signed it last. If so, sign it.

    What you sign is remembered beside your key file. A log that shows another history than it did is refused: keep
    its request, which bears that coordinator's signature, and tell the other parties.

    Example: pprl log witness home-office.witness-request -a agreement.toml -k keys/home-office.key
    -o home-office.cosignature
    """
    from datetime import UTC, datetime

    from pprl import witness
    from pprl.files import party, seen
    from pprl.files.atomic import new_file, read_file, require_apart
    from pprl.protocol.receipt import MAX_REQUEST_BYTES

    require_apart([out], [request, agreement_path, key_path])
    agreement = load_agreement(agreement_path)
    party.signed_agreement(agreement, agreement_path, today=today())
    identity = load_identity(key_path, passphrase)
    raw = read_file(request, what="witness request", limit=MAX_REQUEST_BYTES + 1)
    memory = seen.path_beside(key_path, identity.party)
    with new_file(out, force=force) as file:
        done = witness.witness(raw, agreement, identity, memory=memory, now=datetime.now(UTC))
        file.write(done.cosignature)
    checked = done.checkpoint
    since = f"since the {done.before.size} that you signed before" if done.before else "from the start"
    talk(f"The log of {checked.party} has {checked.size} entries, and only grew {since}. Send {out} back.")


@click.command()
@path_argument("receipt_path", metavar="RECEIPT")
@agreement_option
@json_option
def receipt(receipt_path: Path, agreement_path: Path, as_json: bool) -> None:
    """Check RECEIPT with the agreement's public keys, and show what it proves.

    Example: pprl receipt 0002-received-offences.receipt -a agreement.toml
    """
    from pprl.crypto.notes import open_receipt
    from pprl.files.atomic import read_file
    from pprl.protocol.receipt import MAX_RECEIPT_BYTES

    raw = read_file(receipt_path, what="receipt", limit=MAX_RECEIPT_BYTES + 1)
    opened = open_receipt(raw, load_agreement(agreement_path))
    data = {
        "log": opened.checkpoint.party,
        "size": opened.checkpoint.size,
        "index": opened.index,
        "witnesses": list(opened.witnesses),
        "at": opened.entry.at,
        "kind": opened.entry.kind,
        "role": opened.entry.role,
        "stage": opened.entry.stage,
        "detail": opened.entry.detail,
    }
    show(data, as_json=as_json, text=lambda: _receipt_text(opened))


def _receipt_text(opened: OpenedReceipt) -> str:
    entry, checkpoint = opened.entry, opened.checkpoint
    lines = [
        f"Entry {opened.index} of {checkpoint.size} in the log of {checkpoint.party}, at {entry.at}: {entry.kind}",
        f"witnessed by {', '.join(opened.witnesses)}",
        *_lines(entry.detail, ""),
    ]
    return "\n".join(lines)


def _lines(value: Any, name: str) -> list[str]:
    """A detail's members, one a line, each under the path of its names."""
    if isinstance(value, dict):
        return [line for key in value for line in _lines(value[key], f"{name} {key}".strip())]
    if isinstance(value, list):
        return [f"  {name}: {each}" for each in value]
    return [f"  {name}: {value}"] if value != "" else []
