"""The demonstration's linkage rates by group, worked out again from the generated tables by another way."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.support.commands import run
from tests.support.people import read_rows
from tests.support.rehearsals import in_this_process
from tools.fairness import Group, measure

LIMIT = 10


def _is_safe(group: Group) -> bool:
    linked = sum(is_linked for _, is_linked in group.people)
    return linked >= LIMIT and len(group.people) - linked >= LIMIT


@pytest.mark.slow
def test_the_demonstrations_rates_are_those_of_the_generated_tables(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with in_this_process():
        result = run("pprl", "demo", "--records", "3000", "--out", "demo", "--json")
    assert result.exit_code == 0, result.stderr
    folder, told = tmp_path / "demo", json.loads(result.stdout)["rates"]
    truth = measure(folder)
    shown = 0
    for (dataset, grouping, group), known in truth.items():
        each = told[dataset]
        rate = each["overall"] if grouping == "all" else each["by"][grouping]["groups"][group]
        if rate is None:
            continue
        shown += 1
        assert _is_safe(known)
        assert (rate["number"], rate["linked"]) == tuple(
            5 * round(count / 5) for count in (known.records, known.linked)
        )
        assert rate["low"] <= known.linked / known.records <= rate["high"]
    assert shown > 15
    for dataset, each in told.items():
        for grouping in ("sex", "decade-of-birth"):
            groups = {name for where, by, name in truth if (where, by) == (dataset, grouping)}
            assert groups == set(each["by"][grouping]["groups"])
            hidden = [name for name in groups if each["by"][grouping]["groups"][name] is None]
            assert not [name for name in groups - set(hidden) if not _is_safe(truth[dataset, grouping, name])]
            assert len(hidden) != 1
    rows = read_rows(folder / "rates.csv")
    assert {row["dataset"] for row in rows} == set(told)
    tables = list((folder / "parties").glob("*/*.groups.csv"))
    assert {path.stat().st_mode & 0o777 for path in tables} == {0o600}
    assert "rates" in json.loads((folder / "report.json").read_bytes())["seconds"]
