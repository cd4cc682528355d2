"""Coverage tables and pictures of a calibration series."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest

from tools import calibration
from tools import calibration_report as report


def line(seed: int = 1, overlap: float = 0.1, **others: Any) -> dict[str, Any]:
    """A run whose interval holds its precision of 0.97, below the target."""
    return {
        "scheme": "clk",
        "seed": seed,
        "overlap": overlap,
        "household_share": 0.3,
        "error_scale": 1.0,
        "links": 100,
        "true_pairs": 110,
        "precision": 0.97,
        "recall": 0.9,
        "f1": 0.93,
        "estimated_precision": {"value": 0.98, "low": 0.96, "high": 0.99},
        "estimated_recall": {"value": 0.9, "low": None, "high": None},
        "target_precision": 0.98,
        "released": False,
        **others,
    }


def cells(rows: str, first: str) -> list[str]:
    (row,) = [each for each in rows.splitlines() if each.startswith(f"| {first} |")]
    return row.strip("| ").split(" | ")


def table(*lines: dict[str, Any]) -> str:
    return report.by(lines, "overlap", lambda value: f"{value:.0%}")


def test_a_release_below_target_is_counted() -> None:
    rows = table(line(1), line(2, released=True), line(3, released=True, precision=0.985))
    assert cells(rows, "10%")[:5] == ["10%", "3", "3", "2", "1"]


def test_runs_without_links_have_no_precision() -> None:
    nothing = {"value": None, "low": None, "high": None}
    empty = line(2, 0.0, links=0, true_pairs=0, precision=1.0, estimated_precision=nothing)
    rows = table(line(1), empty)
    assert cells(rows, "0%") == ["0%", "1", "0", "0", "0", "-", "-", "-", "-", "-", "-", "-"]
    assert cells(rows, "all")[5:7] == ["0.9800", "0.9700"]


def test_false_links_without_any_true_pair_count_against_precision_alone() -> None:
    rows = table(line(1, 0.0, true_pairs=0, precision=0.0, recall=1.0, f1=0.0))
    assert cells(rows, "0%")[5:] == ["0.9800", "0.0000", "0 of 1, 0% [0%, 79%]", "-", "-", "-", "-"]


@pytest.mark.parametrize(
    ("precision", "held"), [(0.96, True), (0.9599, False), (0.99, True), (0.9901, False), (0.9900005, True)]
)
def test_an_interval_holds_what_is_in_it(precision: float, held: bool) -> None:
    assert report.holds(line(precision=precision), "precision") is held


def test_coverage_is_over_runs_with_an_interval() -> None:
    assert report.coverage([line()], "recall") == "-"
    assert report.coverage([line(), line(precision=0.5)], "precision").startswith("1 of 2, 50% [")


def test_bins_of_all_runs_are_put_together() -> None:
    lines = [
        line(1, posteriors=[[0, 0, 0], [2, 1.8, 2]]),
        line(2, posteriors=[[0, 0, 0], [2, 1.9, 1]]),
        line(3),
    ]
    (only,) = report.posterior_bins(lines)
    assert (only.pairs, only.mean, only.right) == (4, pytest.approx(0.925), 3)
    assert "| 0.9250 | 4 | 0.7500 [" in report.posterior_table([only])


def test_pictures_say_in_words_what_they_show_and_how_much_is_cut_off() -> None:
    nothing = {"value": None, "low": None, "high": None}
    lines = [line(1, released=True), line(2, precision=0.5), line(3, estimated_precision=nothing)]
    picture = report.precision_picture(lines, "clk")
    root = ElementTree.fromstring(picture)  # noqa: S314 - made two lines above
    space = "{http://www.w3.org/2000/svg}"
    assert root.get("role") == "img"
    assert root.findtext(f"{space}title") == "Precision of 2 linkages, clk"
    assert "1 of 2 lie below 0.9" in (root.findtext(f"{space}desc") or "")
    assert [each.get("class") for each in root.iter(f"{space}circle")] == ["released", "refused"]
    assert picture == report.precision_picture(lines[::-1], "clk")


def test_a_point_stands_where_its_figures_say() -> None:
    (bottom,) = [report.PosteriorBin(10, 0.0, 0)]
    picture = report.posteriors_picture([bottom, report.PosteriorBin(10, 1.0, 10)], "field-filters")
    assert f'cx="{report.LEFT}" cy="{report.BOTTOM}"' in picture.replace(".0", "")
    assert f'cx="{report.RIGHT}" cy="{report.TOP}"' in picture.replace(".0", "")


def test_publishing_replaces_one_schemes_section_and_nothing_else(tmp_path: Path) -> None:
    page = tmp_path / "quality.md"
    sections = [
        f"<!-- calibration-{each}: generated -->earlier<!-- calibration-{each}: end -->"
        for each in ("clk", "field-filters")
    ]
    page.write_text("Before\n" + "\nbetween\n".join(sections) + "\nafter\n")
    runs = tmp_path / "runs.jsonl"
    runs.write_text("".join(json.dumps(line(seed)) + "\n" for seed in (8, 7)))
    calibration.publish(runs, page)
    text = page.read_text()
    assert "2 linkages, seeds 7 to 8" in text
    assert text.count("earlier") == 1
    assert text.endswith(sections[1] + "\nafter\n")
    assert [path.name for path in (tmp_path / "quality").iterdir()] == ["precision-clk.svg"]
    calibration.publish(runs, page)
    assert page.read_text() == text


def test_a_page_without_markers_is_refused() -> None:
    with pytest.raises(SystemExit, match="no section 'quality'"):
        calibration.with_section("<!-- quality: end -->", "quality", "text")
