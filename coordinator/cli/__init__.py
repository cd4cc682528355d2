"""The `coordinator` command: what ONS runs. A command parses, calls one operation, and renders."""

from __future__ import annotations

import click

from coordinator.cli import destroy, log, report, run, setup
from pprl import __version__
from pprl.console import Commands, completion_command
from pprl.party_commands import identity_command
from pprl.signing_commands import signing_commands


@click.group(cls=Commands, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(__version__, prog_name="coordinator")
def main() -> None:
    """Match encodings and issue linkage keys, without ever seeing personal data.

    Two roles: the matcher sees encodings, but can't tell whose they are; the key issuer decides and issues keys,
    and sees no encoding. Each has its own key file and its own store.
    """


for command in signing_commands("coordinator"):
    setup.agreement.add_command(command)

for command in (
    identity_command("coordinator"),
    setup.init,
    setup.agreement,
    run.receive,
    run.relay,
    run.status,
    run.match,
    run.issue,
    run.link,
    run.release,
    log.log,
    report.report,
    destroy.destroy,
    completion_command("coordinator"),
):
    main.add_command(command)
