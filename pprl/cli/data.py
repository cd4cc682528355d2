"""`pprl check` and `pprl encode`: a department's own table."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from pprl.cli.options import (
    agreement_option,
    key_option,
    load_agreement,
    load_secret,
    load_signatory,
    require_heard,
    table_options,
)
from pprl.console import (
    Progress,
    force_option,
    json_option,
    path_argument,
    path_option,
    progress,
    show,
    table,
    talk,
)
from pprl.passphrase import PassphraseSource

if TYPE_CHECKING:
    from pprl.department import Carried, Encoded
    from pprl.encode.block_sizes import Blocks
    from pprl.encode.encoder import Survey, Wholeness
    from pprl.encode.match_keys import MatchKeys
    from pprl.files.tables import Table
    from pprl.protocol.agreement import AgreementFile, Dataset


@click.command()
@path_argument("data")
@agreement_option
@path_option(
    "--joined",
    "joined_path",
    help="Write which records are joined at home: record id, and that of the person's first. It never leaves.",
)
@table_options
@force_option
@json_option
def check(
    data: Path,
    agreement_path: Path,
    joined_path: Path | None,
    dataset: str | None,
    encoding: str | None,
    delimiter: str | None,
    force: bool,
    as_json: bool,
) -> None:
    """Look at every row of DATA: what is missing, and what breaks a rule. Nothing leaves.

    With scheme field-filters also how large the blocks of each pass are, how many records are left out of it, and how
    many pairs to expect with another dataset of the same size: before anything is encoded, and without a secret.
    With folded encodings (profile privacy-first) how many records lack something or have no match key, and what that
    costs.

    Problems are named by row (as a spreadsheet counts: the header is row 1), column and rule, never by value.
    The exit status is 4 if there are any.

    Where records of a person are joined at home, --joined lists them for you to look at: a wrong join is a wrong link.

    Example: pprl check offences.csv -a agreement.toml --dataset offences
    """
    from pprl import department
    from pprl.errors import UsageError
    from pprl.files.atomic import new_file, require_apart
    from pprl.files.csv_writer import write_csv

    agreement = load_agreement(agreement_path)
    names = ", ".join(each.name for each in agreement.content.dataset)
    if dataset is None:
        raise UsageError("Which dataset is it?", hint=f"Say --dataset with one of: {names}.")
    agreed = agreement.content.dataset_named(dataset)
    if joined_path is not None:
        department.require_joining(agreed, agreement)
        require_apart([joined_path], [data, agreement_path])
    source = department.open_dataset(data, agreed, encoding=encoding, delimiter=delimiter)
    with new_file(joined_path, force=force, mode=0o600) if joined_path else nullcontext() as file:
        found = with_progress(
            source, lambda seen: department.check_rows(source, agreed, agreement, seen=seen)
        )
        if file is not None:
            write_csv(file, department.JOINED_HEADER, found.joined_records())
    weak = _weakness(found)
    show(_survey_data(found, agreed), as_json=as_json, text=lambda: _survey_text(found, agreed), red=weak)
    department.require_clean(found, agreed)


@click.command()
@path_argument("data")
@agreement_option
@key_option
@path_option("-o", "--out", required=True, help="The submission, to send to both coordinator roles.")
@path_option("--map", "map_path", help="The home map, which never leaves.  [default: OUT.home-map.csv]")
@path_option("--salts", "salts_path", help="The row salts, which never leave.  [default: OUT.row-salts]")
@path_option(
    "--previous-keys",
    "previous_path",
    help="Keep linkage keys: the table of record_id and linkage_key that 'pprl keys open' wrote last time.",
)
@click.option(
    "--all-new",
    is_flag=True,
    help="Have new linkage keys for all records: for a dataset that has no earlier ones.",
)
@table_options
@force_option
@json_option
def encode(
    data: Path,
    agreement_path: Path,
    key_path: Path,
    passphrase: PassphraseSource,
    out: Path,
    map_path: Path | None,
    salts_path: Path | None,
    previous_path: Path | None,
    all_new: bool,
    dataset: str | None,
    encoding: str | None,
    delimiter: str | None,
    force: bool,
    as_json: bool,
) -> None:
    """Encode DATA, and seal it to the coordinator.

    Writes the submission, which may leave, and two files that must not and have mode 0600: the home map (which record
    id each random handle stands for), which 'pprl keys open' needs later, and the row salts, which 'pprl prove-row'
    needs if an auditor asks for rows.

    Where the agreement limits the people whom attackers may name (privacy.risk), DATA must be the table that 'pprl risk
    --sign' has attacked, as it was then, and what came of that must be within the limits; else nothing is written.

    In a later version of a project that keeps linkage keys (release.keep_linkage_keys), name the keys of last time with
    --previous-keys, so that records keep them. A record id that is in that table and not in DATA was withdrawn.

    Example: pprl encode offences.csv -a agreement.toml -k keys/home-office.key -o offences.submission
    """
    from pprl import department
    from pprl.files.atomic import new_files, require_apart
    from pprl.files.holdings import Holdings, risk_of

    map_path, salts_path = _staying_home(out, map_path, salts_path)
    me = load_signatory(agreement_path, key_path, passphrase)
    require_heard(me, key_path)
    agreement = me.agreement.file
    agreed = department.dataset_for(agreement.content, me.identity.party, dataset)
    secret = load_secret(me, key_path)
    kept = Holdings.beside(key_path, me.identity.party, agreement.sha256)
    inputs = (data, agreement_path, key_path, kept.linkage_secret, previous_path)
    require_apart([out, map_path, salts_path], [path for path in inputs if path is not None])
    previous = _previous_keys(agreement, agreed, previous_path, all_new=all_new)
    risk = risk_of(kept, me.identity, agreement, agreed.name)
    source = department.open_dataset(data, agreed, encoding=encoding, delimiter=delimiter)
    home, away = ((map_path, 0o600), (salts_path, 0o600)), (out, 0o644)
    with new_files(*home, away, force=force) as (map_file, salts_file, file):
        outputs = department.Outputs(file, map_file, salts_file)
        with _watched(source) as (seen, told):
            made = department.encode_into(
                outputs, source, agreed, me, secret, previous=previous, risk=risk, seen=seen, told=told
            )
    talk(f"May leave: {out}\nStays home: {map_path}\nStays home: {salts_path}")
    show(_made_data(made, agreed), as_json=as_json, text=lambda: _made_text(made, agreed))


def _staying_home(out: Path, map_path: Path | None, salts_path: Path | None) -> tuple[Path, Path]:
    """Where the home map and the row salts are written: beside the submission, if nothing else is said."""
    from pprl.errors import UsageError

    map_path = map_path or out.with_name(f"{out.name}.home-map.csv")
    salts_path = salts_path or out.with_name(f"{out.name}.row-salts")
    if len({path.resolve() for path in (out, map_path, salts_path)}) < 3:
        raise UsageError(
            "The submission, the home map and the row salts must be three files.",
            hint="Give --map or --salts another name.",
        )
    return map_path, salts_path


def _previous_keys(
    agreement: AgreementFile, dataset: Dataset, path: Path | None, *, all_new: bool
) -> dict[str, str] | None:
    """The keys of last time. Left out by mistake, nobody could give them back: so to have none must be said."""
    from pprl import department
    from pprl.errors import UsageError

    if path is not None and all_new:
        raise UsageError("--previous-keys and --all-new contradict each other.", hint="Give one of them.")
    if path is not None:
        department.require_keys_can_be_kept(agreement, dataset)
        return department.read_keys(path)
    keeps = agreement.content.release.keep_linkage_keys and agreement.content.project.version > 1
    if keeps and not all_new:
        raise UsageError(
            "This version of the project keeps linkage keys, and you name none of last time's.",
            hint="Name the table that 'pprl keys open' wrote with --previous-keys, or say --all-new.",
        )
    return None


def _made_data(made: Encoded, dataset: Dataset) -> dict[str, Any]:
    return {
        **_survey_data(made.survey, dataset),
        "submission": made.submission,
        **_carried_data(made.carried),
    }


def _made_text(made: Encoded, dataset: Dataset) -> str:
    return "\n".join([_survey_text(made.survey, dataset), *_carried_text(made.carried)])


def _carried_data(carried: Carried | None) -> dict[str, Any]:
    if carried is None:
        return {}
    return {
        "previous_keys": {
            "offered": carried.offered,
            "new": carried.new,
            "withdrawn": carried.withdrawn,
        }
    }


def _carried_text(carried: Carried | None) -> list[str]:
    if carried is None:
        return []
    return [
        f"{carried.offered:,} records offer the linkage key that they had; {carried.new:,} had none; "
        f"{carried.withdrawn:,} record ids of last time are withdrawn: nothing of them is sent."
    ]


def with_progress(source: Table, work: Any) -> Any:
    """Run work that tells how many rows it has seen, with a bar where somebody watches."""
    with _watched(source) as (seen, _):
        return work(seen)


@contextmanager
def _watched(source: Table) -> Iterator[tuple[Callable[[int], None], Progress]]:
    """What takes the rows seen so far, and what takes anything else that is done, with bars where somebody watches."""
    import sys

    from pprl.files.tables import count_rows

    total = count_rows(source) if sys.stderr.isatty() else 1
    with progress() as tell:
        yield (lambda seen: tell("rows", min(seen / total, 1.0))), tell


def _survey_data(found: Survey, dataset: Dataset) -> dict[str, Any]:
    return {
        "dataset": dataset.name,
        "records": found.rows,
        "encodable": found.encodable,
        "not_encodable": found.rows - found.encodable,
        "copies": found.copies,
        "joined": found.joined,
        "expected_namesakes_joined": round(found.namesakes, 2),
        "most_records_joined": found.largest,
        "present": {name: found.present.get(name, 0) for name in dataset.columns},
        "values_that_break_a_rule": found.broken_count,
        "findings": [
            {"row": finding.row, "column": finding.column, "rule": finding.rule}
            for finding in (*found.broken_ids, *found.broken)
        ],
        **({} if found.blocks is None else {"blocks": _blocks_data(found.blocks)}),
        **({} if found.whole is None else {"wholeness": _wholeness_data(found.whole)}),
    }


def _blocks_data(blocks: Blocks) -> dict[str, Any]:
    from dataclasses import asdict

    return {
        "passes": [asdict(each) for each in blocks.passes],
        "predicted_pairs": blocks.predicted_pairs,
        "in_no_pass": blocks.in_no_pass,
    }


def _survey_text(found: Survey, dataset: Dataset) -> str:
    rows = [
        (
            name,
            column,
            f"{found.present.get(name, 0):,}",
            f"{found.present.get(name, 0) / max(found.rows, 1):.1%}",
        )
        for name, column in dataset.columns.items()
    ]
    lines = [
        f"{dataset.name}: {found.rows:,} records",
        "",
        table(rows, header=("identifier", "your column", "present", "share"), right=(2, 3)),
        "",
        f"{found.rows - found.encodable:,} records have too few identifiers to be compared; "
        "they get linkage keys all the same.",
    ]
    if found.copies:
        lines.append(
            f"{found.copies:,} records equal another one in every identifier: they are not encoded again, and share "
            "its links."
        )
    if found.joined:
        lines.append(
            f"{found.joined:,} others are joined at home with one that is taken for the same person's, at most "
            f"{found.largest:,} records: in each pass one of them is sent, and they share links. By name and birth "
            f"date {_at_least(found.namesakes)} to be expected to be joined with a stranger by chance alone. "
            "That is a floor: namesakes of one age, twins, people of one institution, and those who are joined by a "
            "part of the date come on top. On made-up people 20 to 60 times as many were joined with another one. "
            "--joined lists who is joined."
        )
    if found.broken_count:
        lines.append(f"{found.broken_count:,} values break a rule.")
    if found.blocks is not None:
        lines += ["", *_blocks_text(found.blocks)]
    if found.whole is not None:
        lines += ["", *_wholeness_text(found.whole)]
    return "\n".join([*lines, *_weakness(found)])


def _at_least(people: float) -> str:
    return (
        "hardly anybody is"
        if people < 1
        else f"at least {people:,.0f} {'person is' if people < 1.5 else 'people are'}"
    )


def _wholeness_data(whole: Wholeness) -> dict[str, Any]:
    from dataclasses import asdict

    found = whole.match_keys
    return {
        "incomplete": whole.incomplete,
        "match_keys": [] if found is None else [asdict(each) for each in found.surveys],
        "without_match_key": None if found is None else found.without,
    }


def _wholeness_text(whole: Wholeness) -> list[str]:
    lines = [] if whole.match_keys is None else _match_keys_text(whole.match_keys)
    return [*lines, f"{whole.incomplete:,} records lack an identifier, middle names aside."]


def _match_keys_text(found: MatchKeys) -> list[str]:
    rows = [
        (each.name, f"{each.records:,}", f"{each.missing:,}", f"{each.shared:,}") for each in found.surveys
    ]
    return [
        table(rows, header=("match key", "records with it", "part missing", "shared"), right=(1, 2, 3)),
        "",
        "Shared are records whose value another record has as well: they have no such key.",
        f"{found.without:,} records have no match key.",
    ]


def _weakness(found: Survey) -> list[str]:
    """What it costs that records are not whole, where that is so of enough of them; one line, or none."""
    from pprl.agreements.measured import MOST_INCOMPLETE, MOST_WITHOUT_KEY, NOT_WHOLE

    if found.whole is None or not found.encodable:
        return []
    incomplete = found.whole.incomplete / found.encodable
    keys = found.whole.match_keys
    without = 0.0 if keys is None else keys.without / found.encodable
    if incomplete <= MOST_INCOMPLETE and without <= MOST_WITHOUT_KEY:
        return []
    told = f"{incomplete:.1%} of the records lack an identifier"
    told += "" if keys is None else f" and {without:.1%} have no match key"
    return [f"Warning: {told}. Folded encodings miss many of them: {NOT_WHOLE}."]


def _blocks_text(blocks: Blocks) -> list[str]:
    rows = [
        (
            each.name,
            f"{each.records:,}",
            f"{each.without_block:,}",
            f"{each.suppressed:,}",
            f"{each.largest:,}",
            f"{each.predicted_pairs:,}",
        )
        for each in blocks.passes
    ]
    rows.append(("all passes", "", "", "", "", f"{blocks.predicted_pairs:,}"))
    header = ("pass", "compared", "without block", "suppressed", "largest block", "predicted pairs")
    return [
        table(rows, header=header, right=(1, 2, 3, 4, 5)),
        "",
        "Suppressed are records whose block has more than max_block_records, or which stay at home because others "
        "stand for their block. Predicted are the pairs with another dataset of the same size and make-up.",
        f"{blocks.in_no_pass:,} records are compared in no pass; they get linkage keys all the same.",
    ]
