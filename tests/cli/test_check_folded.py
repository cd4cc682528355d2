"""`pprl check` under profile privacy-first: what folding asks of records, told before anything is encoded."""

import csv
import json
from pathlib import Path

import pytest

from pprl.synthetic import linkage_pair
from tests.support.commands import done

ROWS = 120


def checked(folder: Path, *options: str, error_scale: float, profile: str = "privacy-first") -> str:
    """Draft an agreement for a table of made-up people, and check the table."""
    table = linkage_pair(ROWS, ROWS, 0.5, error_scale=error_scale, seed=4).a.without_truth()
    for name in ("a", "b"):
        with (folder / f"{name}.csv").open("w", encoding="utf-8", newline="") as file:
            writer = csv.writer(file)
            writer.writerow(table.columns)
            writer.writerows(zip(*table.columns.values(), strict=True))
    files = [f"--dataset={name}={folder / name}.csv" for name in ("a", "b")]
    done("pprl", "agreement", "new", *files, "--profile", profile, "-o", folder / "draft.toml")
    own = ("-a", folder / "draft.toml", "--dataset", "a")
    return done("pprl", "check", folder / "a.csv", *own, *options).stdout


def test_records_that_lack_something_are_counted(tmp_path):
    told = json.loads(checked(tmp_path, "--json", error_scale=4.0))["wholeness"]
    assert 0 < told["without_match_key"] < told["incomplete"] < ROWS
    assert [each["name"] for each in told["match_keys"]][:2] == ["names-birth", "forename-birth"]
    for each in told["match_keys"]:
        assert each["records"] + each["missing"] + each["shared"] <= ROWS


def test_where_many_lack_something_the_price_is_told(tmp_path):
    text = checked(tmp_path, error_scale=4.0)
    assert "match key" in text
    assert text.splitlines()[-1].startswith("Warning: ")
    assert "of the records lack an identifier and" in text
    assert "Folded encodings miss many of them: in our tests" in text


@pytest.mark.parametrize("profile", ["privacy-first", "clkhash-compatible"])
def test_records_that_are_whole_bring_no_warning(tmp_path, profile):
    text = checked(tmp_path, error_scale=0.0, profile=profile)
    assert "Warning" not in text
    assert ("records lack an identifier" in text) == (profile == "privacy-first")
