"""`pprl secret`: the linkage secret that all departments make together, and the coordinator never has."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from pprl.cli.options import (
    agreement_option,
    key_option,
    load_agreement,
    load_agreement_in_force,
    load_identity,
    load_signatory,
    require_heard,
)
from pprl.console import force_option, json_option, path_argument, path_option, show, table, talk, today
from pprl.passphrase import PassphraseSource

if TYPE_CHECKING:
    from pprl.standing import Status


@click.group()
def secret() -> None:
    """Make the departments' linkage secret together.

    Each department draws a share (commit), signs the agreement with a commitment to it, seals it to the others once
    everybody has signed and compared words (share), and takes up theirs (accept). 'status' says what is next.
    """


@secret.command()
@agreement_option
@key_option
@json_option
def commit(agreement_path: Path, key_path: Path, passphrase: PassphraseSource, as_json: bool) -> None:
    """Draw your department's share, and the commitment to it that your signature will carry.

    Run it before 'pprl agreement sign'. Done twice, it changes nothing.

    Example: pprl secret commit -a agreement.toml -k keys/home-office.key
    """
    from pprl import sharing
    from pprl.files.holdings import Holdings

    agreement, identity = load_agreement_in_force(agreement_path), load_identity(key_path, passphrase)
    kept = Holdings.beside(key_path, identity.party, agreement.sha256)
    commitment, new = sharing.commit(agreement, identity, kept)
    talk(f"Kept in {kept.folder}, which stays with you." if new else "This was done already.")
    talk("Next: 'pprl agreement sign'." if new else "'pprl secret status' says what is next.")
    data = {"party": identity.party, "commitment": commitment, "made_now": new}
    show(data, as_json=as_json, text=lambda: f"commitment {commitment}")


@secret.command()
@agreement_option
@key_option
@path_option("-o", "--out", "folder", required=True, help="Folder for the sealed shares.")
@force_option
def share(
    agreement_path: Path, key_path: Path, passphrase: PassphraseSource, folder: Path, force: bool
) -> None:
    """Seal your share to each other department.

    Needs everybody's signature, and that you have compared the agreement's words with everybody ('pprl agreement
    verify --heard-from'). Writes share-from-A-for-B.sealed for each other department B. Hand each to B, or all to the
    coordinator, which can't open them. Done twice, it writes the same files.

    Example: pprl secret share -a agreement.toml -k keys/home-office.key -o to-send
    """
    from pprl import sharing
    from pprl.files.atomic import made_folder, require_apart
    from pprl.files.holdings import Holdings

    me = load_signatory(agreement_path, key_path, passphrase)
    sharing.department_here(me.agreement.file, me.identity)
    require_heard(me, key_path)
    kept = Holdings.beside(key_path, me.identity.party, me.agreement.sha256)
    departments = me.agreement.transcript.departments
    targets = {
        party: folder / sharing.file_name(me.identity.party, party)
        for party in departments
        if party != me.identity.party
    }
    require_apart(targets.values(), [agreement_path, key_path])
    with made_folder(folder):
        sharing.share(me, kept, targets, force=force)
    for party, path in targets.items():
        talk(f"Send {path} to {party}, or to the coordinator.")


@secret.command()
@path_argument("files", nargs=-1, metavar="[FILE]...")
@agreement_option
@key_option
@json_option
def accept(
    files: tuple[Path, ...], agreement_path: Path, key_path: Path, passphrase: PassphraseSource, as_json: bool
) -> None:
    """Take up the shares that other departments have sealed to you: one FILE each, in any order, as they come.

    With the last one the linkage secret is made and kept. A file that is refused changes nothing, nor does one that
    is here already. Without a FILE, it makes the secret of the shares that are here.

    Example: pprl secret accept share-from-moj-courts-for-home-office.sealed -a agreement.toml -k keys/home-office.key
    """
    from pprl import sharing
    from pprl.encode.ceremony import listed
    from pprl.files.holdings import Holdings

    me = load_signatory(agreement_path, key_path, passphrase)
    kept = Holdings.beside(key_path, me.identity.party, me.agreement.sha256)
    found = sharing.accept(me, kept, [(str(path), sharing.read_container(path)) for path in files])
    data = {"accepted_from": found.senders, "waiting_for": found.waiting, "secret": found.secret is not None}
    told = f"waiting for {listed(found.waiting)}" if found.waiting else "the linkage secret is made"
    show(data, as_json=as_json, text=lambda: told)


@secret.command()
@agreement_option
@key_option
@json_option
def status(agreement_path: Path, key_path: Path, passphrase: PassphraseSource, as_json: bool) -> None:
    """Say how far the ceremony is, department by department, and what you should do next.

    Example: pprl secret status -a agreement.toml -k keys/home-office.key
    """
    from pprl import standing

    agreement, identity = load_agreement(agreement_path), load_identity(key_path, passphrase)
    found = standing.status(agreement, agreement_path, identity, key_path, today=today())
    show(_data(found), as_json=as_json, text=lambda: _text(found))


@secret.command()
@path_argument("folders", nargs=-1, required=True, metavar="RUN...")
@agreement_option
@key_option
def confirm(
    folders: tuple[Path, ...], agreement_path: Path, key_path: Path, passphrase: PassphraseSource
) -> None:
    """Check in a run's logs that every department encoded with your linkage secret.

    RUN is a folder that 'coordinator log export' wrote, as for 'pprl verify', whose checks are made first. An auditor
    can't tell this, as it takes the secret.

    Example: pprl secret confirm run-matcher run-issuer -a agreement.toml -k keys/home-office.key
    """
    from pprl import sharing
    from pprl.files.exported import read_export, read_version
    from pprl.files.holdings import Holdings
    from pprl.verification.checks import require_passed, verify_run

    me = load_signatory(agreement_path, key_path, passphrase, in_force=False)
    logs = [read_export(folder) for folder in folders]
    require_passed(verify_run(read_version(agreement_path), logs, today=today()))
    kept = Holdings.beside(key_path, me.identity.party, me.agreement.sha256)
    departments = sharing.require_confirmed(me, kept, [raw for each in logs for raw in each.entries])
    talk(f"All hold the same linkage secret: {', '.join(departments)}.")


@secret.command()
@agreement_option
@key_option
@path_option("-o", "--out", required=True, help="The signed request.")
@force_option
def ask(agreement_path: Path, key_path: Path, passphrase: PassphraseSource, out: Path, force: bool) -> None:
    """Ask for all shares again, if you have lost yours or the secret; your key files must still be there.

    Give the request to the coordinator, which logs it ('coordinator receive'), and with the receipt of that to another
    department, which runs 'pprl secret reseal'. What it sends you is taken up with 'pprl secret accept'.

    Example: pprl secret ask -a agreement.toml -k keys/home-office.key -o home-office.request
    """
    from pprl import sharing
    from pprl.crypto import reseal as requests
    from pprl.files.atomic import require_apart, write_new

    require_apart([out], [agreement_path, key_path])
    me = load_signatory(agreement_path, key_path, passphrase)
    sharing.department_here(me.agreement.file, me.identity)
    write_new(out, requests.ask(me, today=today()), force=force)
    talk(f"Give {out} to the coordinator, and with its receipt to another department.")


@secret.command()
@path_argument("request")
@agreement_option
@key_option
@path_option(
    "--receipt", "receipt_path", required=True, help="The coordinator's receipt that the request is logged."
)
@path_option("-o", "--out", required=True, help="All shares, sealed to the department that asks.")
@force_option
def reseal(
    request: Path,
    agreement_path: Path,
    key_path: Path,
    passphrase: PassphraseSource,
    receipt_path: Path,
    out: Path,
    force: bool,
) -> None:
    """Send all shares again to a department that has lost them, if the coordinator has logged its REQUEST.

    Ask that department by telephone whether the request is its own.

    Example: pprl secret reseal home-office.request --receipt request.receipt -a agreement.toml
    -k keys/moj-courts.key -o for-home-office.sealed
    """
    from pprl import sharing
    from pprl.crypto.statements import MAX_STATEMENT_BYTES
    from pprl.files.atomic import read_file, require_apart, write_new
    from pprl.files.holdings import Holdings
    from pprl.protocol.receipt import MAX_RECEIPT_BYTES

    require_apart([out], [request, receipt_path, agreement_path, key_path])
    me = load_signatory(agreement_path, key_path, passphrase)
    require_heard(me, key_path)
    asked = read_file(request, what="request", limit=MAX_STATEMENT_BYTES)
    proof = read_file(receipt_path, what="receipt", limit=MAX_RECEIPT_BYTES)
    kept = Holdings.beside(key_path, me.identity.party, me.agreement.sha256)
    recipient, sealed = sharing.reseal(me, kept, asked, proof, today=today())
    write_new(out, sealed, force=force)
    talk(f"Send {out} to {recipient}, or to the coordinator.")


def _data(found: Status) -> dict[str, Any]:
    return {**asdict(found), "waiting_for": found.waiting_for, "next_step": found.next_step}


def _text(found: Status) -> str:
    def word(value: bool | None) -> str:
        return {True: "yes", False: "no", None: "-"}[value]

    rows = [
        (
            each.department + (" (you)" if each.department == found.party else ""),
            word(each.signed),
            word(each.heard_from),
            word(each.share_sealed),
            word(each.share_here),
        )
        for each in found.departments
    ]
    header = ("department", "signed", "heard from", "your share sealed", "its share here")
    return "\n".join(
        [
            table(rows, header=header),
            "",
            f"your commitment: {'made' if found.committed else 'not made'}",
            f"linkage secret: {'made' if found.secret else 'not made'}",
            f"next: {found.next_step}",
        ]
    )
