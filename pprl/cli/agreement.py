"""`pprl agreement`: the file from which all trust in a run follows."""

from __future__ import annotations

import hashlib
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import click

from pprl.cli.options import NamedFile, by_name, load_agreement
from pprl.console import force_option, json_option, path_argument, path_option, show, talk, today

if TYPE_CHECKING:
    from pprl.protocol.agreement import Scheme
    from pprl.protocol.profiles import Profile


@click.group()
def agreement() -> None:
    """Draft, check, explain and compare agreements.

    An agreement is one TOML file that says who links what, why and how; its SHA-256 is its name everywhere.
    """


@agreement.command()
@click.option(
    "--dataset", "datasets", type=NamedFile(), multiple=True, required=True, help="NAME=FILE, for each."
)
@click.option(
    "--duplicates", multiple=True, metavar="NAME", help="A dataset that may hold a person more than once."
)
@click.option("--project", default="new-project", show_default=True, help="The project's id.")
@click.option("--title", default="A new linkage project", show_default=True, help="The project's title.")
@click.option(
    "--profile",
    type=click.Choice(["accuracy-first", "privacy-first", "clkhash-compatible"]),
    help="Parameters that go together.  [default: accuracy-first]",
)
@click.option(
    "--scheme",
    type=click.Choice(["field-filters", "clk"]),
    help="Short for a profile: field-filters for accuracy-first, clk for clkhash-compatible.",
)
@path_option("-o", "--out", required=True, help="The draft.")
@force_option
def new(
    datasets: tuple[tuple[str, Path], ...],
    duplicates: tuple[str, ...],
    project: str,
    title: str,
    profile: Profile | None,
    scheme: Scheme | None,
    out: Path,
    force: bool,
) -> None:
    """Draft an agreement from the headers of the files, never from their values.

    Finds the identifiers that the files share and chooses parameters for them. The draft can be rehearsed as it is;
    its comments say what only people can fill in.

    \b
    Profiles:
      accuracy-first      small filters for each identifier, compared within blocks
      privacy-first       one encoding a record that looks like random bits; misses
                          links between records with several errors
      clkhash-compatible  plain encodings of clkhash, for existing deployments:
                          who holds them and a list of people can name them

    Example: pprl agreement new --dataset offences=offences.csv --dataset court=court.csv -o draft.toml
    """  # noqa: D301 - \b is the character that keeps click from filling the list
    from pprl.agreements.draft import DatasetSketch, draft
    from pprl.files.atomic import require_apart, write_new
    from pprl.files.tables import count_rows, open_table

    require_apart([out], [path for _, path in datasets])
    tables = {name: open_table(path) for name, path in by_name(datasets).items()}
    sketches = [DatasetSketch(name, source.header, count_rows(source)) for name, source in tables.items()]
    text = draft(
        sketches,
        project_id=project,
        title=title,
        today=today(),
        duplicates=duplicates,
        profile=_profile(profile, scheme),
    )
    write_new(out, text.encode(), force=force)
    talk(f"{out} is a draft. Read it; then run 'pprl agreement check {out}'.")


def _profile(profile: Profile | None, scheme: Scheme | None) -> Profile:
    """The profile that is asked for, by its name or by its scheme's."""
    from pprl.agreements.draft import PROFILE_OF
    from pprl.errors import UsageError
    from pprl.protocol.profiles import SCHEME_OF

    if profile is None:
        return PROFILE_OF[scheme or "field-filters"]
    if scheme not in (None, SCHEME_OF[profile]):
        raise UsageError(
            f"Profile {profile} is of scheme {SCHEME_OF[profile]}.", hint="Give --profile alone."
        )
    return profile


@agreement.command()
@path_argument("agreement_path", metavar="AGREEMENT")
@json_option
def check(agreement_path: Path, as_json: bool) -> None:
    """Say everything that is wrong with AGREEMENT, or still missing, with its line and what to do.

    First comes its SHA-256, and the same in 12 words, to compare with the other parties by telephone. Dangers, which a
    terminal shows in red, are choices with which people can be named. The exit status is 3 if it can't be used as it
    is.

    Example: pprl agreement check agreement.toml
    """
    from pprl.agreements.check import REFUSING, dangers_of, remarks_text
    from pprl.agreements.check import check as check_agreement
    from pprl.crypto.words import words
    from pprl.errors import ConfigError
    from pprl.files.atomic import read_file

    raw = read_file(agreement_path, what="agreement")
    remarks = check_agreement(raw, where=agreement_path.name, today=today())
    digest = hashlib.sha256(raw)
    data = {
        "agreement_sha256": digest.hexdigest(),
        "words": words(digest.digest()),
        "remarks": [{"level": remark.level, **asdict(remark.finding)} for remark in remarks],
    }
    name = f"SHA-256 {data['agreement_sha256']}\nin words {data['words']}\n\n"
    show(data, as_json=as_json, text=lambda: name + remarks_text(remarks), red=dangers_of(remarks))
    if any(remark.level in REFUSING for remark in remarks):
        raise ConfigError(f"{agreement_path.name} can't be used for a run as it is.")


@agreement.command()
@path_argument("agreement_path", metavar="AGREEMENT")
@click.option(
    "--for", "audience", type=click.Choice(["officer", "auditor"]), default="officer", show_default=True,
    help="Who reads it: a data officer, or an auditor.",
)  # fmt: skip
def explain(agreement_path: Path, audience: Literal["officer", "auditor"]) -> None:
    """Say in plain English what leaves the building, who learns what, and how long it is kept.

    Example: pprl agreement explain agreement.toml --for auditor
    """
    from pprl.agreements.explain import explain as explain_agreement

    text = explain_agreement(load_agreement(agreement_path), audience=audience, today=today())
    show(text, as_json=False, text=lambda: text)


@agreement.command()
@path_argument("old")
@path_argument("new")
@json_option
def diff(old: Path, new: Path, as_json: bool) -> None:
    """Say what changed from agreement OLD to agreement NEW, and which changes weaken privacy or widen the purpose.

    Example: pprl agreement diff version-1.toml version-2.toml
    """
    from pprl.agreements.diff import diff as diff_agreements
    from pprl.agreements.diff import diff_text

    before, after = load_agreement(old), load_agreement(new)
    data = [asdict(change) for change in diff_agreements(before, after)]
    show(data, as_json=as_json, text=lambda: diff_text(before, after))


@agreement.command()
@path_argument("agreement_path", metavar="AGREEMENT")
def schema(agreement_path: Path) -> None:
    """Print the clkhash linkage schema (version 3) that AGREEMENT stands for, for other tools.

    Example: pprl agreement schema agreement.toml > schema.json
    """
    import json

    from pprl.encode.clk import linkage_schema

    click.echo(json.dumps(linkage_schema(load_agreement(agreement_path).content), indent=2))


@agreement.command("json-schema")
def json_schema() -> None:
    """Print the JSON Schema of agreements, for editors that complete and check TOML.

    Example: pprl agreement json-schema > agreement.schema.json
    """
    from pprl.agreements.schema_json import agreement_schema_text

    click.echo(agreement_schema_text(), nl=False)
