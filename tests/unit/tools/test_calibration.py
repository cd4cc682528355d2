"""The calibration series: which runs it asks for, and what is written of one."""

from __future__ import annotations

import json
from itertools import product
from pathlib import Path

import numpy as np
import pytest

from coordinator.linkage.compare import Pairs
from coordinator.linkage.evidence import Evidence, posterior_bins
from coordinator.linkage.issuing import Decided, Estimate
from coordinator.linkage.solve import Compared
from pprl.scoring import Score
from pprl.synthetic import linkage_pair
from tools import calibration
from tools.calibration import PeopleSetting, Setting

ROUND = len(calibration.OVERLAPS)


def decided(low: float | None, value: float | None = 0.985) -> Decided:
    found = Estimate(value, low, 0.99), Estimate(0.9, None, None)
    evidence = Evidence("posterior", posterior_bins([], 0, 0.0), (), (), {}, None, (), {})
    return Decided((), 0.9, "a method", *found, evidence)


def test_sixty_rounds_go_through_every_combination_once() -> None:
    asked = calibration.settings("clk", 5, 60 * ROUND)
    combinations = {(each.overlap, each.household_share, each.error_scale, each.rows_a) for each in asked}
    wanted = product(
        calibration.OVERLAPS,
        calibration.HOUSEHOLD_SHARES,
        calibration.ERROR_SCALES,
        [rows for rows, _ in calibration.ROWS],
    )
    assert combinations == set(wanted)
    assert [each.seed for each in asked] == list(range(5, 5 + 60 * ROUND))


def test_people_with_several_records_are_a_series_of_their_own() -> None:
    asked = calibration.people_settings("field-filters", 9, len(calibration.PEOPLE) + 1)
    assert [each.people for each in asked] == [*calibration.PEOPLE, calibration.PEOPLE[0]]
    line = calibration.run(PeopleSetting("field-filters", 9, 300))
    # Pairs inside a table are links as well: the records of one person are more than the people.
    assert line["true_pairs"] > 300
    assert line["precision"] > 0.9
    assert calibration.series_of(line) == calibration.PEOPLE_SERIES
    assert calibration.series_of({"scheme": "clk"}) == "clk"


def test_a_longer_series_begins_as_a_shorter_one() -> None:
    assert calibration.settings("clk", 5, 20) == calibration.settings("clk", 5, 30)[:20]


@pytest.mark.parametrize(
    ("low", "value", "people", "released"),
    [
        (0.975, 0.985, 10, True),
        (0.9749, 0.985, 10, False),
        (0.975, 0.985, 9, False),
        (None, 0.985, 10, False),
        (None, None, 10, False),
    ],
)
def test_the_stop_rule(low: float | None, value: float | None, people: int, released: bool) -> None:
    pair = linkage_pair(50, 50, 0.5, seed=1)
    agreement = calibration.drafted({"a": pair.a, "b": pair.b}, "clk")
    assert calibration.would_release(decided(low, value), people, agreement) is released


def test_posteriors_are_counted_in_their_bins() -> None:
    people = [np.array(["x", "y", "z"]), np.array(["z", "x", "w"])]
    pairs = Pairs(np.array([0, 1, 2], np.uint32), np.array([1, 2, 0], np.uint32), np.array([0.97, 0.02, 1.0]))
    bins = calibration.posterior_bins([Compared(0, 1, pairs)], people)
    edges = calibration.POSTERIOR_EDGES
    found = {edges[place]: each for place, each in enumerate(bins) if each[0]}
    assert found == {0.02: [1, 0.02, 0], 0.95: [1, 0.97, 1], 0.999: [1, 1.0, 1]}


def test_a_run_tells_estimates_and_truth() -> None:
    setting = Setting("clk", 3, 300, 200, 0.5, 0.3, 1.0)
    line = calibration.run(setting)
    assert line["true_pairs"] == 100
    assert Score(line["links"], 100, line["correct"]).recall == line["recall"] > 0.7
    assert set(line["estimated_precision"]) == {"value", "low", "high"}
    assert {**calibration.run(setting), "seconds": 0} == {**line, "seconds": 0}


def test_an_interrupted_series_goes_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[int] = []

    def run(setting: Setting) -> dict[str, object]:
        made.append(setting.seed)
        figures = {"links": 1, "precision": 1.0, "f1": 1.0, "seconds": 0.0}
        asked = {name: getattr(setting, name) for name in Setting.__slots__}
        return {**asked, **figures, "estimated_precision": {"value": None, "low": None, "high": None}}

    monkeypatch.setattr(calibration, "run", run)
    path = tmp_path / "new" / "runs.jsonl"
    calibration.series(calibration.settings("clk", 5, 3), path, jobs=1)
    path.write_text(path.read_text()[:-20])
    calibration.series(calibration.settings("clk", 5, 4), path, jobs=1)
    assert made == [5, 6, 7, 7, 8]
    assert [json.loads(json.dumps(line))["seed"] for line in calibration.read([path])] == [5, 6, 7, 8]
