"""`pprl secret`: the linkage secret that departments share and the coordinator never has."""

from __future__ import annotations

from pathlib import Path

import click

from pprl.cli.options import (
    agreement_option,
    key_option,
    load_agreement_in_force,
    load_identity,
    load_signatory,
    require_heard,
    secret_file,
    secret_option,
)
from pprl.console import force_option, path_argument, path_option, talk
from pprl.passphrase import PassphraseSource


@click.group()
def secret() -> None:
    """Make the departments' linkage secret, and take one up.

    One department runs 'create' and hands each sealed share to its recipient; each recipient runs 'accept'.
    """


@secret.command()
@agreement_option
@key_option
def commit(agreement_path: Path, key_path: Path, passphrase: PassphraseSource) -> None:
    """Draw your department's share, and the commitment to it that your signature will carry.

    Run it before 'pprl agreement sign'. Done twice, it changes nothing.

    Example: pprl secret commit -a agreement.toml -k keys/home-office.key
    """
    from pprl.crypto import at_rest, derive
    from pprl.encode import ceremony
    from pprl.files.atomic import new_files
    from pprl.files.holdings import Holdings

    agreement, identity = load_agreement_in_force(agreement_path), load_identity(key_path, passphrase)
    kept = Holdings.beside(key_path, identity.party, agreement.sha256).made()
    if kept.commitment.exists():
        talk("This was done already.")
        return
    share = ceremony.draw_share(derive.random_bytes)
    made = ceremony.commitment(share, agreement_sha256=agreement.sha256, department=identity.party)
    with new_files((kept.share, 0o600), (kept.commitment, 0o600)) as (share_file, commitment_file):
        share_file.write(at_rest.keep(share, identity=identity, agreement=agreement, kind="own-share"))
        commitment_file.write(f"{made}\n".encode())


@secret.command()
@agreement_option
@key_option
@path_option("-o", "--out", "folder", required=True, help="Folder for the sealed shares.")
@secret_option
@force_option
def create(
    agreement_path: Path,
    key_path: Path,
    passphrase: PassphraseSource,
    folder: Path,
    secret_path: Path | None,
    force: bool,
) -> None:
    """Make a linkage secret for an agreement, and seal it to each other department.

    Example: pprl secret create -a agreement.toml -k keys/home-office.key -o to-send
    """
    from pprl import department
    from pprl.encode.linkage_secret import to_file
    from pprl.files.atomic import made_folder, new_files, require_apart

    me = load_signatory(agreement_path, key_path, passphrase)
    require_heard(me, key_path)
    made, shares = department.make_secret(me)
    kept = secret_file(secret_path, key_path, me.identity, me.agreement.file)
    sent = {party: folder / f"secret-for-{party}.sealed" for party in shares}
    require_apart([kept, *sent.values()], [agreement_path, key_path])
    targets = [(kept, 0o600), *((path, 0o644) for path in sent.values())]
    with made_folder(folder), new_files(*targets, force=force) as files:
        for file, content in zip(files, (to_file(made), *shares.values()), strict=True):
            file.write(content)
    for party, path in sent.items():
        talk(f"Send {path} to {party}.")
    talk(f"Kept here: {kept}")


@secret.command()
@path_argument("share")
@agreement_option
@key_option
@secret_option
@force_option
def accept(
    share: Path,
    agreement_path: Path,
    key_path: Path,
    passphrase: PassphraseSource,
    secret_path: Path | None,
    force: bool,
) -> None:
    """Open the linkage SHARE that another department has sealed to you, and keep it.

    Example: pprl secret accept secret-for-moj-courts.sealed -a agreement.toml -k keys/moj-courts.key
    """
    from pprl import department
    from pprl.encode.linkage_secret import to_file
    from pprl.files.atomic import read_file, require_apart, write_new

    me = load_signatory(agreement_path, key_path, passphrase)
    taken = department.accept_secret(read_file(share, what="sealed share"), me)
    kept = secret_file(secret_path, key_path, me.identity, me.agreement.file)
    require_apart([kept], [share, agreement_path, key_path])
    write_new(kept, to_file(taken), mode=0o600, force=force)
    talk(f"Kept here: {kept}")
