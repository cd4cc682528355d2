"""`coordinator destroy`: the end of a run."""

from __future__ import annotations

from pathlib import Path

import click

from coordinator.cli.options import agreement_option, store_option
from pprl.console import force_option, json_option, path_option, show, talk
from pprl.passphrase import PassphraseSource


@click.command()
@store_option
@agreement_option
@click.option("--unreleased", is_flag=True, help="Also if a run has not given yet what it was to give.")
@path_option("-o", "--out", required=True, help="The certificate.")
@force_option
@json_option
def destroy(
    store: Path,
    passphrase: PassphraseSource,
    sha256: str | None,
    unreleased: bool,
    out: Path,
    force: bool,
    as_json: bool,
) -> None:
    """Destroy the run key and all containers of an agreement, and certify it.

    Nothing that this party was sent opens afterwards: neither in a backup of the store, nor with whoever carried it.
    That holds if the run key was never copied: keep its folder, beside the key file, out of backups. The log stays.
    Stopped half-way, run it again; asked again when done, it gives the same certificate again.

    Example: coordinator destroy --store matcher -o matcher.certificate
    """
    from coordinator import operations
    from coordinator.custody import require_outside
    from pprl.files.atomic import new_file

    me = operations.open_store(store, passphrase)
    require_outside(me, out)
    with new_file(out, force=force) as file:
        done = operations.destroy(me, sha256, unreleased=unreleased)
        file.write(done.raw)
    told = {"agreement_sha256": done.agreement_sha256, **done.certificate.to_predicate()}
    show(
        told,
        as_json=as_json,
        text=lambda: (
            f"destroyed on {told['destroyed_on']}: the run key and {len(told['containers'])} containers"
        ),
    )
    talk(
        f"Give {out} to those whose data it was. Let witnesses sign that it is logged: 'coordinator log checkpoint'."
    )
