"""Precision and recall where the truth is known, from the command line, at a threshold chosen without it."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

SHARED_DATA = Path(__file__).parents[3] / "shared" / "data"

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        not SHARED_DATA.is_dir(), reason="the data with known truth is not beside this checkout"
    ),
]


def run(*arguments: object) -> str:
    command = [sys.executable, "-m", "pprl", *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.parametrize(
    ("name", "scheme", "least_f1", "least_precision"),
    [
        ("febrl4", "field-filters", 0.997, 0.995),
        ("febrl4", "clk", 0.99, 0.995),
        ("uk-synthetic-dev", "field-filters", 0.97, 0.97),
        ("uk-synthetic-dev", "clk", 0.90, 0.97),
    ],
)
def test_links_well_at_a_threshold_chosen_without_the_truth(
    name: str,
    scheme: str,
    least_f1: float,
    least_precision: float,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    files = {side: SHARED_DATA / name / f"{side}.csv" for side in ("a", "b")}
    drafted = tmp_path / "draft.toml"
    datasets = [f"{side}={path}" for side, path in files.items()]
    named = (part for each in datasets for part in ("--dataset", each))
    run("agreement", "new", *named, "--scheme", scheme, "-o", drafted)
    report = json.loads(
        run(
            *("rehearse", drafted, *(part for each in datasets for part in ("--data", each))),
            *("--truth", "person_id", "--out", tmp_path / "rehearsal", "--json"),
        )
    )
    with capsys.disabled():
        scores = {key: round(report[key], 4) for key in ("threshold", "precision", "recall", "f1")}
        print(f"\n{name}, {scheme}: {scores}")  # noqa: T201 - the figures are what this test is read for
    assert report["f1"] >= least_f1
    assert report["precision"] >= least_precision
