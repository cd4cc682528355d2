"""The demonstration: a rehearsal of the example agreement on generated people."""

from __future__ import annotations

import importlib.resources
import tempfile
from datetime import date, timedelta
from pathlib import Path
from typing import Any

from pprl.agreements.amend import with_expected_rows, with_values
from pprl.rehearsal import Say, rehearse
from pprl.synthetic import generate
from pprl.synthetic.table import TRUTH_COLUMN, write_csv

EXAMPLE = Path("agreements", "offence-court-prison.toml")
DAYS_IN_FORCE = 365


def demonstrate(people: int, *, seed: int, folder: Path, today: date, say: Say) -> dict[str, Any]:
    """Generate people and run the whole protocol of the example agreement on them.

    Args:
        people: people to generate.
        seed: same seed, same people.
        folder: a folder that does not exist, or is empty.
        today: the day.
        say: tells a person what happens.

    Returns:
        The rehearsal's report.
    """
    say(
        f"Generating {people:,} people of England and Wales, with offences, court hearings and prison receptions."
    )
    population = generate(people, seed=seed)
    with tempfile.TemporaryDirectory() as made:
        data = {}
        for name, table in population.tables.items():
            data[name] = Path(made) / f"{name}.csv"
            with data[name].open("w", encoding="utf-8", newline="") as file:
                write_csv(table, file)
        text = _agreement({name: table.rows for name, table in population.tables.items()}, today)
        return rehearse(text, data, truth=TRUTH_COLUMN, folder=folder, today=today, say=say, keep_data=True)


def _agreement(rows: dict[str, int], today: date) -> str:
    """The example agreement, with row ranges and days that suit."""
    until = today + timedelta(days=DAYS_IN_FORCE)
    days: dict[tuple[str | int, ...], Any] = {
        ("project", "valid_from"): today,
        ("project", "valid_until"): until,
        ("dpia", "expires"): until,
    }
    return with_values(with_expected_rows(_example(), rows), days)


def _example() -> str:
    """The example's text, from the installed package or, in a checkout, from its `configs` folder."""
    packaged = importlib.resources.files("pprl") / "configs"
    source = packaged if packaged.is_dir() else importlib.resources.files("pprl") / ".." / "configs"
    return (source / str(EXAMPLE)).read_text(encoding="utf-8")
