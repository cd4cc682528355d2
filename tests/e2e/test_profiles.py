"""Every profile links through the same commands: drafted from headers, rehearsed as it is, scored with the truth."""

import csv
import json
from pathlib import Path

import pytest

from pprl.protocol.profiles import SCHEME_OF
from pprl.synthetic import TRUTH_COLUMN, linkage_pair
from tests.support.commands import done
from tests.support.rehearsals import in_this_process

ROWS = 600

LEAST_F1 = {"accuracy-first": 0.9, "privacy-first": 0.88, "clkhash-compatible": 0.88}
"""On a small file few links are sure, and no profile reaches what it does on a large one."""


@pytest.mark.slow
@pytest.mark.parametrize("profile", SCHEME_OF)
def test_a_profile_is_drafted_and_rehearsed(tmp_path: Path, profile: str) -> None:
    pair = linkage_pair(ROWS, ROWS, 0.7, seed=31)
    for table in (pair.a, pair.b):
        with (tmp_path / f"{table.name}.csv").open("w", encoding="utf-8", newline="") as file:
            writer = csv.writer(file)
            writer.writerow(table.columns)
            writer.writerows(zip(*table.columns.values(), strict=True))
    files = [f"{name}={tmp_path / name}.csv" for name in ("a", "b")]
    draft, out = tmp_path / "draft.toml", tmp_path / "out"
    tables = [f"--dataset={each}" for each in files]
    done("pprl", "agreement", "new", *tables, "--profile", profile, "-o", draft)
    data = [f"--data={each}" for each in files]
    with in_this_process():
        found = done("pprl", "rehearse", draft, *data, "--truth", TRUTH_COLUMN, "-o", out, "--json")
    report = json.loads(found.stdout)
    assert report["f1"] >= LEAST_F1[profile]
    assert ("match key" in report["method"]) == (profile == "privacy-first")
    assert (out / "report.html").exists()
