"""The tool behind docs/privacy.md: hardenings, resuming, and tables that say what was measured."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pprl.privacy.attempts import ATTACKS, Attempt
from pprl.privacy.battery import made
from pprl.privacy.ground import RandomGround
from pprl.protocol.profiles import SCHEME_OF
from pprl.protocol.risk_statement import upper_per_10000
from tests.support.privacy import no_limit
from tools import risk, risk_files
from tools import risk_report as report
from tools.risk import ENCODINGS, Cell, agreement_of, best_f1, cells, folded, ground_of, quality, standardised

SIZE = 60


def encoding(name: str) -> risk.Encoding:
    return next(each for each in ENCODINGS if each.name == name)


def filters(name: str) -> tuple[np.ndarray, np.ndarray]:
    """Plain filters of some people, and what a hardening makes of them under the same key."""
    plain, hardened = ground_of(SIZE, "clkhash-compatible").filters, ground_of(SIZE, name).filters
    return np.unpackbits(plain, axis=1), np.unpackbits(hardened, axis=1)


def test_folding_lays_halves_over_each_other() -> None:
    plain, once = filters("xor fold once")
    assert (once == plain[:, :512] ^ plain[:, 512:]).all()
    _, twice = filters("xor fold twice")
    assert (twice == once[:, :256] ^ once[:, 256:]).all()


def test_rule_90_is_of_both_neighbours_in_a_ring() -> None:
    plain, after = filters("rule 90")
    assert (after[:, 0] == plain[:, -1] ^ plain[:, 1]).all()
    assert (after[:, 7] == plain[:, 6] ^ plain[:, 8]).all()
    assert (after[:, -1] == plain[:, -2] ^ plain[:, 0]).all()


@pytest.mark.parametrize(("name", "share"), [("BLIP 5 %", 0.05), ("BLIP 10 %", 0.1)])
def test_blip_turns_bits_over_for_each_record_anew(name: str, share: float) -> None:
    plain, after = filters(name)
    noise = plain ^ after
    assert abs(noise.mean() - share) < 0.01
    assert len(np.unique(noise, axis=0)) == len(noise)
    ground = ground_of(SIZE, name)
    again = ground.filters_with_secret(ground.listed("very file", 100))
    at = ground.listed("very file", 100).truth
    assert not (again[at] == ground.filters).all(axis=1).any()  # not the same noise twice for anybody


def test_a_salt_by_year_keeps_the_likeness_of_those_of_a_year_alone() -> None:
    plain, salted = filters("salt by year of birth")
    born = np.array(
        [value[:4] for value in ground_of(SIZE, "salt by year of birth").sample.file["date_of_birth"]]
    )
    same = (born[:, None] == born) & (born != "")

    def common(bits: np.ndarray) -> np.ndarray:
        return bits.astype(int) @ bits.T.astype(int)

    assert (common(salted)[same] == common(plain)[same]).mean() < 1  # another key
    assert abs(common(salted)[same].mean() / common(plain)[same].mean() - 1) < 0.05


def test_the_best_threshold_finds_files_of_one_person_each_alike() -> None:
    pair = risk._linked(SIZE, "light")
    agreement = agreement_of(pair, "clkhash-compatible")
    good = best_f1(pair, agreement, folded(1)(agreement))
    assert 0.8 < good <= 1
    assert best_f1(pair, agreement, risk.random_bits()(agreement)) < 0.2
    assert set(quality(SIZE, encoding("rule 90"), "light")) == {"best_f1"}
    assert len(standardised(pair.a.columns, agreement)["surname"]) == SIZE


def test_every_cell_is_there_once_and_small_sizes_come_first() -> None:
    found = [cell for cell, _ in cells((50, 100))]
    assert len(set(found)) == len(found)
    assert [cell.size for cell in found] == sorted(cell.size for cell in found)
    assert {cell.encoding for cell in found} == {each.name for each in ENCODINGS}
    assert not [cell for cell in found if (cell.encoding, cell.what) == (risk.NOTHING, "quality")]


def test_profiles_are_attacked_in_every_way_and_hardenings_in_large_files_by_the_best_alone() -> None:
    small, large = risk.SIZES[0], risk.SIZES[-1]

    def tried(name: str, size: int) -> set[str]:
        return {each.attack.name for each in risk.attempts_on(encoding(name), size)}

    assert tried("accuracy-first", small) - tried("accuracy-first", large) == {"in_blocks, two lists"}
    for profile in ("accuracy-first", "privacy-first", "clkhash-compatible"):
        scheme = SCHEME_OF[profile]
        every = {each.name for each in ATTACKS if each.scheme == scheme}
        assert tried(profile, small) >= every
        assert every - tried(profile, large) <= {"patterns"}, "it fails in small files of plain filters"
    assert tried("rule 90", small) == {"spectral", "propagation", "embedding"}
    assert tried("rule 90", large) == {"propagation"}
    at_profile, at_hardening = (
        len(risk.attempts_on(encoding(name), large)) for name in ("privacy-first", "rule 90")
    )
    assert at_hardening < at_profile < len(risk.attempts_on(encoding("privacy-first"), small))


def _measure(path: Path, monkeypatch: pytest.MonkeyPatch, **options: Any) -> list[Cell]:
    """Which cells are measured, of three; the second has no end in less than 100 seconds."""
    some = [Cell(SIZE, "accuracy-first", "attack", name, "matcher", "light", 50, 0) for name in "abc"]
    made: list[Cell] = []

    def run(cell: Cell, seconds: float) -> dict[str, Any]:
        made.append(cell)
        return {"of": 10, "named": 1, "wrong": 2, "upper_per_10000": 3_000,
                "finished": cell.attack != "b" or seconds >= 100}  # fmt: skip

    wanted = [(cell, lambda seconds, cell=cell: run(cell, seconds)) for cell in some]
    monkeypatch.setattr(risk, "cells", lambda _sizes, _seed: iter(wanted))
    given = {"sizes": (SIZE,), "only": "", "budget": 1_000.0, "each": 10.0, **options}
    risk.measure(path, **given)
    return made


def test_a_run_goes_on_where_it_stopped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "results" / "risk.jsonl"
    assert [cell.attack for cell in _measure(path, monkeypatch, only="a matcher")] == ["a"]
    with path.open("a", encoding="utf-8") as file:
        file.write('{"cut off')
    assert [cell.attack for cell in _measure(path, monkeypatch)] == ["b", "c"]
    assert _measure(path, monkeypatch) == []
    # What had no end in the time that it had is tried again with more.
    assert [cell.attack for cell in _measure(path, monkeypatch, each=200.0)] == ["b"]
    assert [line["finished"] for line in risk.read(path)] == [True, True, True]
    assert len(path.read_text("utf-8").splitlines()) == 4


def test_a_line_that_is_being_written_is_not_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "risk.jsonl"
    _measure(path, monkeypatch)
    whole = risk.read(path)
    path.write_text(path.read_text("utf-8") + path.read_text("utf-8").splitlines()[0][:-1], "utf-8")
    assert risk.read(path) == whole
    assert len(whole) == 3


def test_without_time_nothing_is_measured(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert _measure(tmp_path / "risk.jsonl", monkeypatch, budget=0.0) == []


def line(attack: str = "x", named: int = 1, **others: Any) -> dict[str, Any]:
    cell = Cell(1_000, "accuracy-first", "attack", attack, "matcher", "very file", 100, 30)
    told = {
        "of": 100,
        "named": named,
        "wrong": 0,
        "upper_per_10000": 100 * named + 1,
        "finished": True,
        "given": 60,
    }
    return {**asdict(cell), **told, **others}


def row(text: str, first: str) -> list[str]:
    (found,) = [each for each in text.splitlines() if each.startswith(f"| {first} |")]
    return [cell.strip() for cell in found.strip("|").split("|")]


def test_the_summary_has_the_worst_of_each_holder_and_the_secret_apart() -> None:
    lines = [
        line("x", 3), line("y", 5), line("z", 50, known=1_000), line("z", 9, list="light"),
        line("dictionary", 100, known=0), line("w", 7, holder="together"), line("v", 80, finished=False, list="heavy"),
        line("x", 90, overlap=20), {**line(), "what": "quality", "attack": "", "list": "light", "f1": 0.99},
    ]  # fmt: skip
    text = report.summary(lines, ["accuracy-first", "privacy-first"])
    assert row(text, "encoding")[1:] == [
        "F1, own threshold", "matcher", "both together", "errors in the list", "1,000 recognised", "secret leaked",
    ]  # fmt: skip
    assert row(text, "accuracy-first")[1:] == [
        "0.9900 / -", "501", "701", "901, not all ended", "5,001", "10,000",
    ]  # fmt: skip
    only = report.summary([line("v", finished=False)], ["accuracy-first"])
    assert row(only, "accuracy-first")[1:] == ["no end", "no end"]


def test_the_details_have_a_row_for_each_list_and_a_column_for_each_number_recognised() -> None:
    lines = [line("x", 3), line("x", 4, overlap=50), line("x", 5, known=100), line("y", 2, list="heavy"),
             line("y", 2, finished=False)]  # fmt: skip
    text = report.details(lines, ["accuracy-first"])
    assert "| seen by | attack | list | 30 | 100 |" in text
    assert "| matcher | x | very file, 100 % | 300 | 500 |" in text
    assert "| matcher | x | very file, 50 % | 400 |  |" in text
    assert "| matcher | y | very file, 100 % | no end in 60 s |  |" in text
    assert "| matcher | y | heavy errors, 100 % | 200 |  |" in text
    several = report.details([line(), line(encoding="rule 90")], ["rule 90", "accuracy-first"])
    assert [each.split(" | ")[0] for each in several.splitlines()[2:]] == ["| rule 90", "| accuracy-first"]


def test_a_figure_that_is_not_of_every_attack_says_so() -> None:
    lines = [line("x", 3), line("x", 4, size=9)]
    missing = [line("y", holder="together"), line("z", size=9, overlap=50)]
    small, large = report.section(lines, ["accuracy-first"], missing).split("### Every encoding")[1:]
    assert row(small, "accuracy-first")[1:] == ["401", "401"], "half a list is in no column"
    assert row(large.split("### Every attack")[0], "accuracy-first")[1:] == ["301", "301, not all measured"]
    everybody = report.section([line("x", 100, upper_per_10000=10_000)], ["accuracy-first"], missing[:1])
    assert row(everybody.split("### Every attack")[0], "accuracy-first")[1:] == ["10,000"] * 2


def test_figures_under_several_seeds_are_from_the_lowest_to_the_highest() -> None:
    lines = [line("x", 4), line("x", 3, seed=7), line("y", 2), line("y", 2, seed=7)]
    text = report.details(lines, ["accuracy-first"])
    assert "| matcher | x | very file, 100 % | 300 to 400 |" in text
    assert "| matcher | y | very file, 100 % | 200 |" in text
    assert row(report.summary(lines, ["accuracy-first"]), "accuracy-first")[1] == "401"


def target_row(lines: list[dict[str, Any]], holder: str, lists: str) -> list[str]:
    (found,) = [each for each in report.target(lines).splitlines() if f"| {holder} | {lists} |" in each]
    return [cell.strip() for cell in found.strip("|").split("|")][2:]


def one(holder: str, attack: str, upper: int, **others: Any) -> dict[str, Any]:
    return line(attack, upper_per_10000=upper, holder=holder, **others)


def test_the_default_is_held_against_the_target_by_its_upper_end_at_every_size() -> None:
    matcher = [one("matcher", "in_blocks", 100), one("matcher", "in_blocks", 99, size=9)]
    assert target_row(matcher, "matcher", "very file, of one file") == [
        "1.00 % (0.99 %)",
        "1.00 % (1.00 %)",
        "yes",
    ]
    above = [*matcher, one("matcher", "in_blocks", 101, seed=7)]
    assert target_row(above, "matcher", "very file, of one file")[1:] == ["1.00 % (1.01 %)", "**no**"]
    # Neither more people recognised, nor a list of part of the people, nor another encoding counts.
    others = [{"known": 1_000}, {"overlap": 50}, {"encoding": "rule 90"}]
    assert report.target(
        [*matcher, *(one("matcher", "in_blocks", 900, **each) for each in others)]
    ) == report.target(matcher)


def test_no_target_is_met_by_what_was_not_measured() -> None:
    assert "yes" not in report.target([]) + report.target([line(encoding="rule 90")])
    lines = [one("matcher", "in_blocks", 50), one("key-issuer", "pair_graph, one list", 20, finished=False)]
    assert target_row(lines, "key issuer", "very file, of one file") == ["no end", "not all measured"]
    assert target_row(lines, "both together", "very file, of one file") == [
        "at least 1.00 % (0.50 %)",
        "not all measured",
    ]
    assert target_row(lines, "matcher", "very file, of both files") == ["not measured", "not all measured"]
    two = [one("together", "record_blocks", 2_000), one("matcher", "in_blocks", 50)]
    assert target_row(two, "both together", "very file, of both files")[-1] == "**no**"


def test_a_cell_of_another_draft_is_measured_anew_and_not_shown(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    today, linked = (risk.drafted_for(SIZE, "accuracy-first", what) for what in ("attack", "quality"))
    assert today != linked
    assert len({risk.drafted_for(size, "accuracy-first", "attack") for size in (5_000, 20_000, 100_000)}) == 3
    lines = [line(size=SIZE, drafted=drafted) for drafted in (today, linked, "")]
    assert risk.of_today(lines) == lines[:1]
    assert len({risk.key(each) for each in lines}) == 3
    cell = next(
        cell for cell, _ in cells((SIZE,)) if cell.encoding == "accuracy-first" and cell.what == "attack"
    )
    assert cell.drafted == today
    pair = risk._population(SIZE, 1)
    told = agreement_of(pair, "accuracy-first").content.encoding.model_dump_json(
        exclude={"field_filters": {"join_at_home"}}
    )
    assert risk.hashlib.sha256(told.encode()).hexdigest()[:16] == today


@pytest.mark.parametrize(
    "attempt", risk_files.attempts_with_other_lists(30, records=SIZE)[1::4], ids=lambda each: each.attack.name
)
def test_attacks_with_other_lists_name_some_of_the_file_and_none_of_random_bits(attempt: Attempt) -> None:
    ground = ground_of(400, "accuracy-first")
    found = made(attempt, ground, no_limit, lambda: 0.0).named
    assert found.of == 370
    assert found.right > 3
    chance = RandomGround(ground.sample, ground.agreement, 1)
    assert made(attempt, chance, no_limit, lambda: 0.0).named.right <= 3


def test_lines_of_before_there_were_seeds_are_of_the_usual_one() -> None:
    old = {name: value for name, value in line().items() if name != "seed"}
    assert risk.key(old) == risk.key(line()) != risk.key(line(seed=7))


def test_those_of_one_year_alone() -> None:
    people = ground_of(SIZE, "salt by year of birth, years told apart").sample.file["date_of_birth"]
    assert len({value[:4] for value in people}) == 1
    assert len(people) > 1


def test_the_page_shows_the_results_that_are_kept() -> None:
    assert risk.page(risk.RESULTS) == risk.PAGE.read_text("utf-8"), "run: make risk RISK=--page"


def test_results_are_kept_once_a_cell_and_hold_together() -> None:
    kept = [json.loads(each) for each in risk.RESULTS.read_text("utf-8").splitlines()]
    assert kept
    assert len({risk.key(each) for each in kept}) == len(kept)
    for each in kept:
        if each["what"] == "attack" and each["finished"]:
            assert 0 <= each["named"] <= each["of"] <= each["size"]
            assert each["upper_per_10000"] == upper_per_10000(each["named"], each["of"])


def test_the_page_has_a_place_for_the_tables() -> None:
    text = risk.PAGE.read_text("utf-8")
    told = risk.calibration.with_section(text, "risk", report.section([line()], ["accuracy-first"]))
    assert "### Every encoding, 1,000 records" in told
    told = risk.calibration.with_section(text, "target", report.target([line()]))
    assert told.index("1,000 people") < told.index("## How to read")
