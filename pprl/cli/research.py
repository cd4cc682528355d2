"""`pprl research`: linkage rates by group."""

from __future__ import annotations

from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from pprl.cli.data import with_progress
from pprl.cli.options import NamedFile, agreement_option, by_name, load_agreement, table_options
from pprl.console import force_option, json_option, path_argument, path_option, show, table, talk

if TYPE_CHECKING:
    from pprl.protocol.agreement import Agreement, AgreementFile
    from pprl.rates import DatasetRates, Rate

RATES_HEADER = ("dataset", "counted", "grouping", "group", "number", "linked", "rate", "low", "high")
HIDDEN = "hidden"
TOGETHER = "the hidden ones"


@click.group()
def research() -> None:
    """Tell how many of each group were linked, without telling who (research environment)."""


@research.command("groups")
@path_argument("data")
@agreement_option
@path_option("--keys", "keys_path", required=True, help="The linkage keys that 'pprl keys open' wrote.")
@path_option("-o", "--out", required=True, help="Table of linkage_key and the groups that are agreed.")
@table_options
@force_option
def groups(
    data: Path,
    agreement_path: Path,
    keys_path: Path,
    out: Path,
    dataset: str | None,
    encoding: str | None,
    delimiter: str | None,
    force: bool,
) -> None:
    """Departments: make the group table of DATA, the table that you encoded, for the research environment.

    It has a row for every linkage key, linked or not: the key and, as far as release.rates_by of the agreement asks
    for them, sex (f, m, unknown), decade of birth and how complete the identifiers are. Nothing else is written. It is
    about persons all the same: send it as you send the research environment its other data.

    Example: pprl research groups offences.csv -a agreement.toml --dataset offences --keys keys.csv -o groups.csv
    """
    from pprl import department
    from pprl.errors import UsageError
    from pprl.files.atomic import new_file, require_apart
    from pprl.files.csv_writer import write_csv
    from pprl.research import require_rates_agreed

    require_apart([out], [data, agreement_path, keys_path])
    agreement = load_agreement(agreement_path)
    require_rates_agreed(agreement.content)
    if dataset is None:
        names = ", ".join(each.name for each in agreement.content.dataset)
        raise UsageError("Which dataset is it?", hint=f"Say --dataset with one of: {names}.")
    agreed = agreement.content.dataset_named(dataset)
    source = department.open_dataset(data, agreed, encoding=encoding, delimiter=delimiter)
    keys = department.read_keys(keys_path)
    with new_file(out, force=force, mode=0o600) as file:
        header, *rows = with_progress(
            source, lambda seen: list(department.group_table(source, keys, agreed, agreement, seen=seen))
        )
        count = write_csv(file, header, rows)
    talk(f"{count:,} linkage keys have their groups in {out}. It is for the research environment alone.")


@research.command("rates")
@agreement_option
@path_option("--crosswalk", "crosswalk_path", required=True, help="What 'pprl crosswalk open' wrote.")
@click.option(
    "--groups",
    "group_paths",
    type=NamedFile(),
    multiple=True,
    required=True,
    help="DATASET=FILE, the group table of each dataset whose rates are wanted.",
)
@click.option(
    "--rows",
    type=click.IntRange(min=0),
    help="How many rows 'pprl crosswalk open' said: a crosswalk that lost its last rows looks whole.",
)
@path_option("-o", "--out", help="The rates as a table, too.")
@force_option
@json_option
def rates(
    agreement_path: Path,
    crosswalk_path: Path,
    group_paths: tuple[tuple[str, Path], ...],
    rows: int | None,
    out: Path | None,
    force: bool,
    as_json: bool,
) -> None:
    """Research environment: tell how many of each group were linked to another dataset, by dataset.

    One grouping at a time, each rate with a Wilson interval of 95 %. A group is hidden if fewer than
    release.small_number_limit of its people were linked, or fewer were not, and other groups with it until the hidden
    ones can't be had by subtraction. Counts are rounded to the nearest 5, and rates are those of the rounded counts.

    A low rate may be a fault of the linkage or the truth: people of the group may be in one dataset alone more often.

    Example: pprl research rates -a agreement.toml --crosswalk crosswalk.csv --groups offences=offences-groups.csv
    --groups court=court-groups.csv -o rates.csv
    """
    from pprl.files.atomic import new_file, require_apart
    from pprl.files.csv_writer import write_csv
    from pprl.research import linkage_rates

    named = by_name(group_paths)
    require_apart([out] if out else [], [agreement_path, crosswalk_path, *named.values()])
    agreement = load_agreement(agreement_path)
    if out is None:
        found = linkage_rates(agreement.content, crosswalk_path, named, rows=rows)
    else:
        with new_file(out, force=force) as file:
            found = linkage_rates(agreement.content, crosswalk_path, named, rows=rows)
            write_csv(file, RATES_HEADER, _rows(found, agreement.content, "{:.4f}".format))
    if rows is None:
        talk(
            "Whether the crosswalk has all its rows was not checked: say --rows, as 'pprl crosswalk open' told them."
        )
    text = partial(_text, found, agreement.content)
    show(_data(found, agreement), as_json=as_json, text=text)


def _rows(found: dict[str, DatasetRates], agreement: Agreement, share: Any) -> list[tuple[str, ...]]:
    """A row for all of a dataset, then one for each group."""
    from pprl.research import counted

    rows = []
    for name, each in found.items():
        what = counted(agreement.dataset_named(name), agreement)
        rows.append((name, what, "all", "all", *_cells(each.overall, share)))
        for grouping, told in each.by.items():
            rows += [
                (name, what, grouping, group, *_cells(rate, share)) for group, rate in told.groups.items()
            ]
            if told.together:
                rows.append((name, what, grouping, TOGETHER, *_cells(told.together, share)))
    return rows


def _cells(rate: Rate | None, share: Any) -> tuple[str, ...]:
    if rate is None:
        return (HIDDEN,) * 5
    shares = ("" if value is None else share(value) for value in (rate.rate, rate.low, rate.high))
    return str(rate.number), str(rate.linked), *shares


def _data(found: dict[str, DatasetRates], agreement: AgreementFile) -> dict[str, Any]:
    from pprl.rates import ROUNDED_TO
    from pprl.research import counted

    content = agreement.content
    datasets = {
        name: {"counted": counted(content.dataset_named(name), content), **asdict(each)}
        for name, each in found.items()
    }
    return {
        "agreement_sha256": agreement.sha256,
        "small_number_limit": content.release.small_number_limit,
        "rounded_to": ROUNDED_TO,
        "datasets": datasets,
    }


def _text(found: dict[str, DatasetRates], agreement: Agreement) -> str:
    """A table for each dataset, and the differences below it."""
    parts = []
    for name, each in found.items():
        rows = [row[1:] for row in _rows({name: each}, agreement, "{:.1%}".format)]
        lines = [
            f"{name}: linked to another dataset",
            "",
            table([row[1:] for row in rows], header=RATES_HEADER[2:], right=(2, 3, 4, 5, 6)),
            "",
            f"Numbers are {rows[0][0]}, to the nearest 5. Hidden: too few, or needed to hide those.",
        ]
        lines += [
            f"By {grouping}: {told.difference.points:.1f} points between {told.difference.highest} (most) and "
            f"{told.difference.lowest} (least)."
            for grouping, told in each.by.items()
            if told.difference
        ]
        parts.append("\n".join(lines))
    return "\n\n".join(parts)
