"""Linkage rates by group beside the truth, for what `pprl demo` left in a folder: `python tools/fairness.py FOLDER`.

Works from the generated tables, the departments' keys and the crosswalk alone, by another way than `pprl research`:
nothing is standardised, hidden or rounded. So it also checks what that command tells.
"""

from __future__ import annotations

import csv
import re
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

COLUMNS = {
    "offences": ("OFFENCE_REF", "SEX", "DOB"),
    "court": ("hearing_id", "gender", "date_of_birth"),
    "prison": ("prisoner_number", "sex", "birth_date"),
}
TRUTH = "person_id"
PLACEHOLDERS = {"01/01/1900", "1900-01-01", "01-JAN-1900"}


@dataclass(slots=True)
class Group:
    """Records of a group.

    Attributes:
        records: how many there are.
        linked: those that were linked to a record of another dataset.
        findable: those whose person has a record in another dataset, in truth.
        found: those that were linked to such a record.
        people: the true people, and whether the crosswalk has them in another dataset.
    """

    records: int = 0
    linked: int = 0
    findable: int = 0
    found: int = 0
    people: set[tuple[str, bool]] = field(default_factory=set)


def measure(folder: Path) -> dict[tuple[str, str, str], Group]:
    """Count by dataset, grouping and group."""
    rows = {name: _read(folder / "data" / f"{name}.csv") for name in COLUMNS}
    keys = {
        name: {row["record_id"]: row["linkage_key"] for row in _read(folder / "keys" / f"{name}.csv")}
        for name in COLUMNS
    }
    label = {
        row[name]: row["person"] for row in _read(folder / "crosswalk.csv") for name in COLUMNS if row[name]
    }
    joined = {
        name: [(row, label.get(own := keys[name][row[COLUMNS[name][0]]], own)) for row in each]
        for name, each in rows.items()
    }
    found: dict[tuple[str, str, str], Group] = {}
    for name, each in joined.items():
        others = [pair for other, pairs in joined.items() if other != name for pair in pairs]
        elsewhere, truly = {who for _, who in others}, {row[TRUTH] for row, _ in others}
        rightly = {(row[TRUTH], who) for row, who in others}
        for row, who in each:
            for grouping, group in _groups(row, name):
                told = found.setdefault((name, grouping, group), Group())
                told.records += 1
                told.linked += who in elsewhere
                told.findable += row[TRUTH] in truly
                told.found += (row[TRUTH], who) in rightly
                told.people.add((who, who in elsewhere))
    return found


def _groups(row: dict[str, str], dataset: str) -> Iterator[tuple[str, str]]:
    _, sex, born = COLUMNS[dataset]
    first, year = row[sex][:1].lower(), re.search("[0-9]{4}", row[born])
    yield "all", "all"
    yield "sex", first if first in ("f", "m") else "unknown"
    known = year is not None and row[born] not in PLACEHOLDERS
    yield "decade-of-birth", f"{year[0][:3]}0s" if year and known else "unknown"


def _read(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def main() -> None:
    """Print a table in Markdown."""
    out = [
        "| dataset | grouping | group | records | linked | in another dataset, in truth | of these, found |",
        "|---|---|---|--:|--:|--:|--:|",
    ]
    for (dataset, grouping, group), told in sorted(measure(Path(sys.argv[1])).items()):
        if told.findable:
            shares = (told.linked / told.records, told.findable / told.records, told.found / told.findable)
            cells = " | ".join(f"{share:.1%}" for share in shares)
            out.append(f"| {dataset} | {grouping} | {group} | {told.records:,} | {cells} |")
    sys.stdout.write("\n".join(out) + "\n")


if __name__ == "__main__":
    main()
