"""The `pprl` command: one module a noun. A command parses, calls one step, and renders."""

from __future__ import annotations

import click

from pprl import __version__
from pprl.cli import (
    agreement,
    crosswalk,
    data,
    demo,
    inspect,
    keys,
    log,
    rehearse,
    research,
    risk,
    rows,
    secret,
    verify,
)
from pprl.console import Commands, completion_command
from pprl.party_commands import identity_command
from pprl.signing_commands import signing_commands


@click.group(cls=Commands, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(__version__, prog_name="pprl")
def main() -> None:
    """Link records about people across departments without showing anyone who they are.

    For departments, auditors and the research environment; the coordinator's command is 'coordinator'.
    Nothing is ever overwritten without --force, and no secret is ever an argument.

    Start with: pprl demo
    """


for command in signing_commands("pprl"):
    agreement.agreement.add_command(command)

for command in (
    demo.demo,
    rehearse.rehearse,
    identity_command("pprl"),
    agreement.agreement,
    secret.secret,
    data.check,
    risk.risk,
    data.encode,
    rows.prove_row,
    rows.check_row,
    inspect.inspect,
    keys.keys,
    log.log,
    log.receipt,
    verify.verify,
    crosswalk.crosswalk,
    research.research,
    completion_command("pprl"),
):
    main.add_command(command)
