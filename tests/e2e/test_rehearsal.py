"""The whole protocol by the command line, with real processes where that is slow, and its numbers worked out again."""

from __future__ import annotations

import csv
import json
import math
import stat
from collections.abc import Callable, Collection
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.processes import CAN_LOOK, Onlooker, run, start, until
from tests.support import commands
from tests.support.people import read_rows, tables, write_table
from tests.support.project import DATASETS, PARTIES, draft_text, tree
from tests.support.rehearsals import in_this_process

RECORD_IDS = {"police": "offence_ref", "court": "case_no", "prison": "prisoner_no"}
Record = tuple[str, str]


@dataclass(frozen=True, slots=True)
class Rehearsed:
    """A rehearsal that has ended, and what could be seen of its commands meanwhile."""

    folder: Path
    stdout: str
    stderr: str
    seen: Collection[bytes]
    programs: Collection[bytes]

    @property
    def report(self) -> dict[str, Any]:
        loaded: dict[str, Any] = json.loads((self.folder / "report.json").read_bytes())
        return loaded

    def keys(self) -> dict[Record, str]:
        """Linkage key by dataset and record id."""
        return {
            (name, row["record_id"]): row["linkage_key"]
            for name in DATASETS
            for row in read_rows(self.folder / "keys" / f"{name}.csv")
        }

    def people(self) -> dict[str, str]:
        """Person by linkage key, as the research environment knows it."""
        rows = read_rows(self.folder / "crosswalk.csv")
        return {row[name]: row["person"] for row in rows for name in DATASETS if row[name]}


def _inputs(folder: Path) -> dict[str, dict[str, list[str]]]:
    """The small project's tables, with a truth that is not quite what can be found."""
    given = tables()
    for name, rows in (("police", (3, 9)), ("court", (4, 5, 11)), ("prison", (0,))):
        for row in rows:
            given[name]["person_id"][row] = f"other {name} {row}"
    for name in ("police", "prison"):
        given[name]["person_id"][30] = "one whom nobody could find"
    given["court"]["person_id"][20] = ""
    given["prison"]["person_id"][21] = ""
    for name, table in given.items():
        write_table(folder / f"{name}.csv", table)
    return given


def _words(text: str, folder: Path) -> list[str | Path]:
    (folder / "draft.toml").write_text(text, encoding="utf-8")
    data = [f"--data={name}={name}.csv" for name in DATASETS]
    return ["pprl", "rehearse", "draft.toml", *data, "--truth", "person_id", "--out", "out"]


def _rehearse(text: str, folder: Path) -> Rehearsed:
    _inputs(folder)
    onlooker = Onlooker()
    process = start(*_words(text, folder), cwd=folder)
    with onlooker.watching(process):
        stdout, stderr = process.communicate(timeout=600)
    assert process.returncode == 0, stderr
    return Rehearsed(folder / "out", stdout, stderr, onlooker.seen, onlooker.programs)


def _rehearse_here(text: str, folder: Path) -> Rehearsed:
    """The same in this process: what cannot be seen then is what processes alone could show."""
    _inputs(folder)
    with pytest.MonkeyPatch.context() as patch, in_this_process() as said:
        patch.chdir(folder)
        result = commands.run(*_words(text, folder))
    assert result.exit_code == 0, result.stderr
    lines = {"\0".join(words).encode() for words in said}
    programs = {" ".join(words[:3]).encode() for words in said}
    return Rehearsed(folder / "out", result.stdout, result.stderr, lines, programs)


@pytest.fixture(
    scope="module",
    params=[
        pytest.param(_rehearse_here, id="in one process"),
        pytest.param(
            _rehearse,
            id="processes",
            marks=[pytest.mark.slow, pytest.mark.skipif(not CAN_LOOK, reason="needs /proc")],
        ),
    ],
)
def rehearsed(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Rehearsed:
    made: Rehearsed = request.param(draft_text("clk"), tmp_path_factory.mktemp("rehearsal"))
    return made


def _pairs(labels: dict[Record, str]) -> set[frozenset[Record]]:
    """Pairs of records with one label that count: between datasets, and inside police, which has duplicates."""
    return {
        frozenset((one, other))
        for one, other in combinations(sorted(labels), 2)
        if labels[one] == labels[other] and (one[0] != other[0] or one[0] == "police")
    }


def _linked(rehearsed: Rehearsed) -> set[frozenset[Record]]:
    people = rehearsed.people()
    return _pairs({record: people.get(key, key) for record, key in rehearsed.keys().items()})


def _true(folder: Path) -> set[frozenset[Record]]:
    labels = {}
    for name, table in _inputs(folder).items():
        for record_id, person in zip(table[RECORD_IDS[name]], table["person_id"], strict=True):
            labels[name, record_id] = person or f"nobody else: {name} {record_id}"
    return _pairs(labels)


def test_every_record_has_one_key(rehearsed: Rehearsed) -> None:
    for name, table in tables().items():
        rows = read_rows(rehearsed.folder / "keys" / f"{name}.csv")
        assert list(rows[0]) == ["record_id", "linkage_key"]
        assert [row["record_id"] for row in rows] == sorted(table[RECORD_IDS[name]])
        assert all(len(row["linkage_key"]) == 32 and int(row["linkage_key"], 16) for row in rows)


def test_an_auditor_can_verify_what_is_left(rehearsed: Rehearsed) -> None:
    folder = rehearsed.folder
    assert sorted(path.name for path in (folder / "run").iterdir()) == ["key-issuer", "matcher"]
    words = ["pprl", "verify", *sorted((folder / "run").iterdir()), "-a", folder / "agreement.toml", "--json"]
    status, out, _ = run(*words, cwd=folder)
    told = json.loads(out)
    assert status == 0
    assert told["passed"]
    idle = [check["id"] for check in told["checks"] if check["result"] == "--"]
    assert set(idle) == {"earlier-versions", "risk"}, "the rest is checked, destruction among it"
    passed = sum(check["result"] == "ok" for check in told["checks"])
    assert f"with public keys alone: {passed} checks passed." in rehearsed.stderr


def test_no_key_is_known_to_two_recipients(rehearsed: Rehearsed) -> None:
    by_dataset = {
        name: {key for (each, _), key in rehearsed.keys().items() if each == name} for name in DATASETS
    }
    assert sum(map(len, by_dataset.values())) == len(set().union(*by_dataset.values()))
    assert not set(rehearsed.people().values()) & set().union(*by_dataset.values()), (
        "nor are people's names keys"
    )


def test_keys_say_nothing_about_who_matched(rehearsed: Rehearsed) -> None:
    """Matched and unmatched records' keys stand in one order, by chance: Mann-Whitney, at five standard errors."""
    people = rehearsed.people()
    for name in DATASETS:
        ordered = sorted({key for (each, _), key in rehearsed.keys().items() if each == name})
        matched = [rank for rank, key in enumerate(ordered) if key in people]
        assert abs(_standard_errors(matched, len(ordered))) < 5
    rows = [row for name in DATASETS for row in read_rows(rehearsed.folder / "keys" / f"{name}.csv")]
    assert {len(row["linkage_key"]) for row in rows} == {32}


def _standard_errors(ranks: list[int], total: int) -> float:
    chosen, left = len(ranks), total - len(ranks)
    if not chosen or not left:
        return 0.0
    expected = chosen * (total - 1) / 2
    return (sum(ranks) - expected) / math.sqrt(chosen * left * (total + 1) / 12)


def test_the_order_test_can_fail() -> None:
    assert abs(_standard_errors(list(range(40)), 80)) > 5


def test_the_crosswalk_joins_keys(rehearsed: Rehearsed) -> None:
    rows = read_rows(rehearsed.folder / "crosswalk.csv")
    keys = rehearsed.keys()
    for name in DATASETS:
        own = {key for (each, _), key in keys.items() if each == name}
        used = [row[name] for row in rows if row[name]]
        assert set(used) <= own
        assert len(used) == len(set(used)), "a key belongs to one person"
    counts: dict[str, int] = {}
    for row in rows:
        counts[row["person"]] = counts.get(row["person"], 0) + sum(bool(row[name]) for name in DATASETS)
    assert min(counts.values()) >= 2, "who is linked to nobody is not in it"


def test_the_reports_numbers_are_right(rehearsed: Rehearsed, tmp_path: Path) -> None:
    linked, true, report = _linked(rehearsed), _true(tmp_path), rehearsed.report
    correct = len(linked & true)
    assert 0 < correct < len(linked) < 500
    assert correct < len(true)
    assert report["precision"] == pytest.approx(correct / len(linked))
    assert report["recall"] == pytest.approx(correct / len(true))
    assert report["f1"] == pytest.approx(2 * correct / (len(linked) + len(true)))
    assert report["linked_pairs"] == len(linked)
    assert report["records"] == {name: len(table["person_id"]) for name, table in tables().items()}
    labels = rehearsed.people()
    datasets_of: dict[str, set[str]] = {}
    for (name, _), key in rehearsed.keys().items():
        datasets_of.setdefault(labels.get(key, key), set()).add(name)
    assert report["linked_people"] == sum(len(names) > 1 for names in datasets_of.values())


def test_the_report_has_what_is_promised(rehearsed: Rehearsed) -> None:
    report = rehearsed.report
    assert "refusal" not in report
    for estimate in ("estimated_precision", "estimated_recall"):
        assert set(report[estimate]) == {"value", "low", "high"}
    assert {"clusters", "threshold", "method", "agreement_sha256", "peak_memory_bytes"} <= set(report)
    seconds: dict[str, float] = report["seconds"]
    assert {"keys", "secret", "encode", "receive", "match", "issue", "release", "open", "total"} <= set(
        seconds
    )
    assert seconds["total"] >= max(seconds.values())
    page = (rehearsed.folder / "report.html").read_text(encoding="utf-8")
    assert f"{report['linked_pairs']:,}" in page
    assert {"histogram", "curve", "passes"} <= set(report["evidence"])
    assert "What happened" in rehearsed.stdout
    assert "parties each make a key" in rehearsed.stderr


def test_each_party_holds_what_it_may(rehearsed: Rehearsed) -> None:
    parties = rehearsed.folder / "parties"
    assert {path.name for path in parties.iterdir()} == set(PARTIES)
    for party in PARTIES:
        assert (parties / party / f"{party}.key").is_file()
        assert bool(list((parties / party).rglob("*.secret"))) == party.endswith("-dept")
        assert bool(list((parties / party).rglob("*.home-map.csv"))) == party.endswith("-dept")
        assert bool(list((parties / party).rglob("*.row-salts"))) == party.endswith("-dept")
    private = [
        path
        for path in parties.rglob("*")
        if path.name.endswith((".key", ".secret", ".home-map.csv", ".row-salts"))
    ]
    assert {stat.S_IMODE(path.stat().st_mode) for path in private} == {0o600}
    assert {stat.S_IMODE(path.stat().st_mode) for path in parties.glob("*/store")} == {0o700}
    assert not list(rehearsed.folder.rglob(".pprl-*"))


def test_a_passphrase_is_given_by_a_descriptor_alone(rehearsed: Rehearsed) -> None:
    assert {b"pprl encode", b"coordinator match", b"pprl secret"} <= {
        b" ".join(words.split()[:2]) for words in rehearsed.programs
    }
    given = [
        words[words.index(b"--passphrase-fd") + 1]
        for words in (seen.split(b"\0") for seen in rehearsed.seen)
        if b"--passphrase-fd" in words
    ]
    assert len(given) > len(PARTIES)
    assert max(map(int, given)) < 1_000, "the number of a file descriptor, and nothing else"


def test_no_value_is_an_argument_or_in_an_environment(rehearsed: Rehearsed) -> None:
    shown = b"\n".join(rehearsed.seen)
    for table in tables().values():
        values = {value for column in table.values() for value in column if len(value) > 5}
        assert not {value for value in values if value.encode() in shown}


def test_a_folder_that_is_in_use_is_refused_and_left_alone(rehearsed: Rehearsed) -> None:
    before = tree(rehearsed.folder)
    status, stdout, stderr = run(
        *_words(draft_text("clk"), rehearsed.folder.parent), cwd=rehearsed.folder.parent
    )
    assert (status, stdout) == (2, "")
    assert "exists and is not an empty folder" in stderr
    assert tree(rehearsed.folder) == before


def test_a_rehearsal_that_is_stopped_leaves_nothing(tmp_path: Path) -> None:
    _inputs(tmp_path)
    process = start(*_words(draft_text("clk"), tmp_path), cwd=tmp_path)
    assert until(lambda: list(tmp_path.glob("out/parties/*/*.key")), process=process)
    process.terminate()
    stdout, stderr = process.communicate(timeout=120)
    assert (process.returncode, stdout) == (143, "")
    assert "Nothing half-done was left behind" in stderr
    assert not (tmp_path / "out").exists()


@pytest.mark.slow
def test_a_rehearsal_that_is_refused_leaves_nothing_and_says_whose_command_refused(tmp_path: Path) -> None:
    _inputs(tmp_path)
    rows = read_rows(tmp_path / "court.csv")[:30]
    write_table(tmp_path / "court.csv", {name: [row[name] for row in rows] for name in rows[0]})
    status, stdout, stderr = run(*_words(draft_text("clk"), tmp_path), cwd=tmp_path)
    assert (status, stdout) == (4, "")
    assert "pprl encode: Dataset 'court' has 30 records; the agreement expects 40 to 60" in stderr
    assert not (tmp_path / "out").exists()


@pytest.mark.slow
def test_a_refused_release_leaves_its_reports_and_says_where(tmp_path: Path) -> None:
    _inputs(tmp_path)
    text = draft_text("field-filters").replace("target_precision = 0.8", "target_precision = 0.9999")
    status, stdout, stderr = run(*_words(text, tmp_path), cwd=tmp_path)
    assert (status, stdout) == (9, "")
    assert "coordinator release: " in stderr
    assert "What was found is in out/report.html and out/report.json." in stderr
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["report.html", "report.json"]


@pytest.mark.parametrize(
    ("change", "status", "says"),
    [
        (lambda words: words[:-6] + words[-4:], 2, "--data for: police, court, prison"),
        (lambda words: [*words[:-4], "--data=court=court.csv", *words[-4:]], 2, "named twice"),
        (lambda words: ["no-person" if word == "person_id" else word for word in words], 4, "no such column"),
        (lambda words: ["Surname" if word == "person_id" else word for word in words], 3, "truth column"),
    ],
    ids=["a dataset left out", "a dataset twice", "no such truth", "an encoded column as truth"],
)
def test_arguments_that_do_not_fit(
    tmp_path: Path, change: Callable[[list[str | Path]], list[str | Path]], status: int, says: str
) -> None:
    _inputs(tmp_path)
    words = change(_words(draft_text("clk"), tmp_path))
    found, stdout, stderr = run(*words, cwd=tmp_path)
    assert (found, stdout) == (status, ""), stderr
    assert says in stderr
    assert not (tmp_path / "out").exists()


@pytest.mark.slow
def test_one_office_with_both_roles_links_the_same_people(rehearsed: Rehearsed, tmp_path: Path) -> None:
    """The secret differs, and so do the encodings: a few pairs at the threshold may differ as well."""
    text = draft_text("clk").replace('roles = ["key-issuer"]', 'roles = ["auditor"]')
    one = _rehearse_here(text.replace('["matcher"]', '["matcher", "key-issuer"]'), tmp_path)
    assert not (one.folder / "parties" / "key-issuer").exists()
    both, two = _linked(one), _linked(rehearsed)
    assert len(both & two) >= 0.85 * len(both | two)


@pytest.mark.slow
def test_scheme_field_filters(tmp_path: Path) -> None:
    """Tables of some fifty records are too small for its model to find all: what it links must be right."""
    rehearsed = _rehearse_here(draft_text("field-filters"), tmp_path)
    (tmp_path / "truth").mkdir()
    linked, true, report = _linked(rehearsed), _true(tmp_path / "truth"), rehearsed.report
    assert report["precision"] == pytest.approx(len(linked & true) / len(linked) if linked else 1.0)
    assert report["linked_pairs"] == len(linked)
    assert report["recall"] > 0.5
    assert {name: len(rows) for name, rows in _rows_by_dataset(rehearsed).items()} == report["records"]
    equal = _equal_in_police()
    assert equal, "somebody is there twice and written alike"
    assert equal <= linked


def _equal_in_police() -> set[frozenset[Record]]:
    """Pairs of records of police that are equal in everything, and lack nothing."""
    columns = dict(tables()["police"])
    ids, _ = columns.pop(RECORD_IDS["police"]), columns.pop("person_id")
    rows = list(zip(*columns.values(), strict=True))
    return {
        frozenset((("police", ids[one]), ("police", ids[other])))
        for one, other in combinations(range(len(rows)), 2)
        if rows[one] == rows[other] and all(rows[one])
    }


def _rows_by_dataset(rehearsed: Rehearsed) -> dict[str, list[str]]:
    return {name: [key for (each, _), key in rehearsed.keys().items() if each == name] for name in DATASETS}


@pytest.mark.slow
def test_the_demonstration(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with in_this_process():
        result = commands.run("pprl", "demo", "--records", "400", "--out", "demo", "--json")
    assert result.exit_code == 0, result.stderr
    report = json.loads(result.stdout)
    assert report == json.loads((tmp_path / "demo" / "report.json").read_bytes())
    assert report["f1"] > 0.7
    for name in report["records"]:
        with (tmp_path / "demo" / "keys" / f"{name}.csv").open(newline="") as file:
            assert len(list(csv.reader(file))) == report["records"][name] + 1
