"""`pprl check --joined`: which of a department's records are taken for one person's, for the department to look at."""

from __future__ import annotations

import csv
import json
import stat
from pathlib import Path

from tests.support.commands import refused, run
from tests.support.people import tables, write_table
from tests.support.project import Project

UNNAMED, COPIED, ELSEWHERE = 2, 5, 9


def _with_more_records(here: Project) -> dict[str, list[str]]:
    """The police's table with a copy of a record and another one at a new address; an early one tells too little."""
    police = {name: list(values) for name, values in tables()["police"].items()}
    for name, values in police.items():
        values += [values[COPIED], values[ELSEWHERE]]
        if "post" in name:
            values[-1] = "ZZ9 9ZZ"
        else:
            values[UNNAMED] = ""
    police["offence_ref"] = [f"OFF-{place}" for place in range(len(police["offence_ref"]))]
    write_table(here.data("police"), police)
    return police


def _check(here: Project, out: Path, *more: str, dataset: str = "police") -> tuple[str, ...]:
    data, agreement = str(here.data(dataset)), str(here.agreement_path)
    return ("pprl", "check", data, "-a", agreement, "--dataset", dataset, "--joined", str(out), *more)


def test_who_is_joined_is_listed_person_by_person(field_filter_project: Project, tmp_path: Path) -> None:
    here, out = field_filter_project, tmp_path / "joined.csv"
    last = len(_with_more_records(here)["offence_ref"]) - 1
    told = json.loads(run(*_check(here, out, "--json")).stdout)
    header, *rows = csv.reader(out.read_text("utf-8").splitlines())
    assert header == ["record_id", "person"]
    persons = dict(rows)
    assert persons[f"OFF-{last - 1}"] == persons[f"OFF-{COPIED}"]
    assert persons[f"OFF-{last}"] == persons[f"OFF-{ELSEWHERE}"]
    assert f"OFF-{UNNAMED}" not in persons, "it has too few identifiers, and is compared with nobody"
    assert len(rows) - len({*persons.values()}) == told["copies"] + told["joined"]
    assert [person for _, person in rows] == sorted(persons.values(), key=lambda each: int(each[4:]))
    assert stat.S_IMODE(out.stat().st_mode) == 0o600


def test_it_is_not_written_over_nor_where_nothing_is_joined(
    field_filter_project: Project, project: Project, tmp_path: Path
) -> None:
    out = tmp_path / "joined.csv"
    out.write_text("mine")
    refused(*_check(field_filter_project, out), status=2, says="exists", within=tmp_path)
    for here, dataset in ((project, "police"), (field_filter_project, "court")):
        says = f"No records of '{dataset}' are joined at home"
        refused(*_check(here, tmp_path / "none.csv", dataset=dataset), status=3, says=says, within=tmp_path)
