"""Link the same records with ours, with Splink and with clkhash and anonlink, and put the figures into docs/quality.md.

Run by `make quality`, which installs the peers into an environment of their own. Ours go through the command line as
a user's would: an agreement drafted from the headers, then a rehearsal. Everybody's figures are for a threshold that
was set without the truth, and for the best one that the truth could have chosen.

A result is kept in the cache folder until the data or the code that links change, so that an interrupted run goes on.
"""

from __future__ import annotations

import argparse
import csv
import hashlib
import importlib.metadata
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import date
from functools import cache, cached_property, partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pprl.agreements.draft import DatasetSketch, draft
from pprl.encode.clk import linkage_schema
from pprl.encode.records import prepare
from pprl.errors import DisclosureError
from pprl.protocol.agreement import AgreementFile, Scheme, parse
from pprl.scoring import Score, score
from pprl.synthetic import TRUTH_COLUMN, generate, linkage_pair
from tools import calibration
from tools.calibration import DAY, PAGE, with_section

ROOT = Path(__file__).parents[1]
SHARED_DATA = ROOT.parent / "shared" / "data"
UK, FEBRL = "uk-synthetic-dev", "febrl4"
FEBRL_COLUMNS = ("record_id", "given_name", "surname", "date_of_birth", "postcode", "address", TRUTH_COLUMN)
UK_OVERLAPS = (0.2, 0.1, 0.05, 0.0)
UK_ROWS = 8_000
SUBSET_SEED = 2_026
PAIR_ROWS = 5_000
PAIR_SEEDS = (801, 802)
PAIR_OVERLAPS = (0.5, 0.1)
DEMO_PEOPLE = 4_000
DEMO_SEEDS = (21, 22)
DEMO_DUPLICATES = ("offences", "court")
SWEEP = (0.02, 0.05, *(round(0.1 * step, 1) for step in range(1, 10)), 0.95, 0.98, 0.99, 0.995, 0.999)
DICE_SWEEP = tuple(round(0.6 + 0.02 * step, 2) for step in range(19))
SPLINK_SWEEP = (0.5, 0.8, 0.9, 0.95, 0.98, 0.99, 0.995, 0.999, 0.9995, 0.9999, 0.99999, 0.999999)

Columns = dict[str, list[str]]
Labels = Sequence[NDArray[np.int64]]


@dataclass(frozen=True, slots=True)
class DataSet:
    """Tables with known truth.

    Attributes:
        name: what the page calls it.
        tables: by dataset name, columns by their own headers, the truth among them.
        duplicates: datasets in which a person may be more than once.
    """

    name: str
    tables: Mapping[str, Columns]
    duplicates: tuple[str, ...] = ()

    @property
    def may_have_duplicates(self) -> list[bool]:
        """For each dataset, whether a person may be in it more than once."""
        return [name in self.duplicates for name in self.tables]

    def people(self) -> list[NDArray[np.str_]]:
        """For each dataset, the person of each record."""
        return [np.array(columns[TRUTH_COLUMN]) for columns in self.tables.values()]

    def agreement(self, scheme: Scheme) -> AgreementFile:
        """What `pprl agreement new` would draft."""
        sketches = [
            DatasetSketch(name, tuple(each for each in columns if each != TRUTH_COLUMN), _rows(columns))
            for name, columns in self.tables.items()
        ]
        text = draft(sketches, today=DAY, duplicates=self.duplicates, scheme=scheme)
        return parse(text.encode(), where="draft")


@dataclass(frozen=True, slots=True)
class Figures:
    """What one method reached on one data set.

    Attributes:
        links: pairs linked at the threshold chosen without the truth.
        true_pairs: pairs of one person.
        precision: share of links that are right; None without links.
        recall: share of true pairs that are linked; None without any.
        f1: of the two; None without true pairs.
        best_f1: F1 at the threshold that is best in truth; None where it makes no sense.
        seconds: how long it took.
        refused: whether the release was refused, with what would have been released in the other members.
    """

    links: int
    true_pairs: int
    precision: float | None
    recall: float | None
    f1: float | None
    best_f1: float | None
    seconds: float
    refused: bool = False


def figures(found: Score, best_f1: float, seconds: float) -> Figures:
    """Figures of counted pairs, absent where nothing divides them."""
    return Figures(
        links=found.linked_pairs,
        true_pairs=found.true_pairs,
        precision=found.precision if found.linked_pairs else None,
        recall=found.recall if found.true_pairs else None,
        f1=found.f1 if found.true_pairs else None,
        # The honest threshold is one of those that the truth could choose.
        best_f1=max(best_f1, found.f1) if found.true_pairs else None,
        seconds=round(seconds, 1),
    )


# The data.


def data_sets(folder: Path) -> dict[str, Callable[[], DataSet]]:
    """What there is to link, in the order of the page; a set is made when it is asked for.

    Args:
        folder: holds data with known truth that isn't ours to ship; what it lacks is left out.
    """
    found: dict[str, Callable[[], DataSet]] = {}
    if (folder / UK).is_dir():
        found[UK] = partial(_whole, UK, folder / UK)
        for overlap in UK_OVERLAPS:
            name = f"{UK}, {overlap:.0%} overlap"
            found[name] = partial(_part, name, folder / UK, overlap)
    if (folder / FEBRL).is_dir():
        name = f"{FEBRL}, names"
        found[name] = partial(_whole, name, folder / FEBRL, FEBRL_COLUMNS)
    for overlap in PAIR_OVERLAPS:
        for seed in PAIR_SEEDS:
            name = f"generated pair {seed}, {overlap:.0%} overlap"
            found[name] = partial(_pair, name, overlap, seed)
    for seed in DEMO_SEEDS:
        name = f"generated justice tables {seed}"
        found[name] = partial(_justice, name, seed)
    return found


def subset(tables: Mapping[str, Columns], rows: int, overlap: float, *, seed: int) -> dict[str, Columns]:
    """So many rows of each of two tables, of which a share are people of both: the same people at any overlap.

    Args:
        tables: two tables with one record a person in each.
        rows: of each subset.
        overlap: share of them who are in both subsets.
        seed: of the draw.
    """
    rng = np.random.default_rng(seed)
    (name_a, a), (name_b, b) = tables.items()
    people_a, people_b = np.array(a[TRUTH_COLUMN]), np.array(b[TRUTH_COLUMN])
    both = rng.permutation(np.intersect1d(people_a, people_b))
    shared = round(rows * overlap)
    # Who is in both tables but not wanted in both is left in one of them.
    left_in_a, left_in_b = np.array_split(both[shared:], 2)
    only_a = rng.permutation(np.concatenate([np.setdiff1d(people_a, both), left_in_a]))
    only_b = rng.permutation(np.concatenate([np.setdiff1d(people_b, both), left_in_b]))
    kept_a = np.concatenate([both[:shared], only_a[: rows - shared]])
    kept_b = np.concatenate([both[:shared], only_b[: rows - shared]])
    return {name_a: _of_people(a, kept_a), name_b: _of_people(b, kept_b)}


def _of_people(columns: Columns, people: NDArray[np.str_]) -> Columns:
    kept = np.isin(np.array(columns[TRUTH_COLUMN]), people).tolist()
    return {
        name: [value for value, keep in zip(values, kept, strict=True) if keep]
        for name, values in columns.items()
    }


@cache
def _read(folder: Path, wanted: tuple[str, ...] | None = None) -> dict[str, Columns]:
    tables = {}
    for side in ("a", "b"):
        with (folder / f"{side}.csv").open(encoding="utf-8", newline="") as file:
            rows = list(csv.DictReader(file))
        tables[side] = {column: [row[column] for row in rows] for column in wanted or rows[0]}
    return tables


def _whole(name: str, folder: Path, columns: tuple[str, ...] | None = None) -> DataSet:
    return DataSet(name, _read(folder, columns))


def _part(name: str, folder: Path, overlap: float) -> DataSet:
    return DataSet(name, subset(_read(folder), UK_ROWS, overlap, seed=SUBSET_SEED))


def _pair(name: str, overlap: float, seed: int) -> DataSet:
    pair = linkage_pair(PAIR_ROWS, PAIR_ROWS, overlap, seed=seed)
    return DataSet(name, {"a": pair.a.columns, "b": pair.b.columns})


def _justice(name: str, seed: int) -> DataSet:
    tables = generate(DEMO_PEOPLE, seed=seed).tables
    return DataSet(name, {each: table.columns for each, table in tables.items()}, DEMO_DUPLICATES)


def _rows(columns: Columns) -> int:
    return len(next(iter(columns.values())))


# The methods.


class Work:
    """A data set, and what several methods need of it.

    Attributes:
        data: the data set.
    """

    def __init__(self, data: DataSet) -> None:
        self.data = data

    @cached_property
    def records(self) -> Any:
        """The records by our own rules, for the peers."""
        agreement = self.data.agreement("clk").content
        columns = {
            dataset.name: prepare(
                self.data.tables[dataset.name],
                first_row=calibration.FIRST_ROW,
                dataset=dataset,
                agreement=agreement,
                most_findings=0,
            ).columns
            for dataset in agreement.dataset
        }
        return peers().Records(agreement, columns)

    @cached_property
    def splink(self) -> tuple[Any, float]:
        """A trained model with its scored pairs, and the seconds that it took."""
        started = time.perf_counter()
        model = peers().Splink(peers().PlainTables.of(self.records))
        return model, time.perf_counter() - started


def peers() -> Any:
    """The peers, loaded when they are needed: only the environment of `make quality` has them."""
    from tools import peers as module  # noqa: PLC0415

    return module


def ours(work: Work, scheme: Scheme) -> Figures:
    """The command line at its own threshold; the best threshold from the same decision made in this process."""
    data, started = work.data, time.perf_counter()
    report = rehearsed(data, scheme)
    seconds = time.perf_counter() - started
    made = calibration.decision(data.agreement(scheme), data.tables, seed=1)
    decided, people = made.decided, made.people
    flags = data.may_have_duplicates
    if not any(flags) and len(people) == 2:
        (pairs,) = [each.pairs for each in decided.compared if each.left != each.right]
        best = best_one_to_one(pairs.left, pairs.right, pairs.dice, people)
    else:
        sweep = SWEEP if scheme == "field-filters" else DICE_SWEEP
        best = best_of(lambda cut: calibration.linked(made, cut), sweep, people, flags)
    if report is None:
        labels = calibration.linked(made)
        return replace(figures(score(labels, people, flags), best, seconds), refused=True)
    true_pairs = score(people, people, flags).true_pairs
    correct = round(report["precision"] * report["linked_pairs"])
    return figures(Score(report["linked_pairs"], true_pairs, correct), best, seconds)


def rehearsed(data: DataSet, scheme: Scheme) -> dict[str, Any] | None:
    """The report of a rehearsal of a drafted agreement; None if the coordinator refused the release."""
    with tempfile.TemporaryDirectory() as folder:
        files = {name: Path(folder) / f"{name}.csv" for name in data.tables}
        for name, path in files.items():
            _write(path, data.tables[name])
        named = [f"{name}={path}" for name, path in files.items()]
        duplicates = [part for name in data.duplicates for part in ("--duplicates", name)]
        drafted = Path(folder) / "draft.toml"
        each = [part for name in named for part in ("--dataset", name)]
        _pprl("agreement", "new", *each, *duplicates, "--scheme", scheme, "-o", drafted)
        given = [part for name in named for part in ("--data", name)]
        out = Path(folder) / "rehearsal"
        said = _pprl("rehearse", drafted, *given, "--truth", TRUTH_COLUMN, "--out", out, "--json")
    report: dict[str, Any] | None = json.loads(said) if said else None
    return report


def _pprl(*arguments: str | Path) -> str:
    """What the command writes; nothing if it refused to disclose."""
    command = [sys.executable, "-m", "pprl", *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=ROOT)
    if done.returncode == DisclosureError.status:
        sys.stderr.write(done.stderr)
        return ""
    if done.returncode:
        raise SystemExit(done.stderr)
    return done.stdout


def _write(path: Path, columns: Columns) -> None:
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(columns)
        writer.writerows(zip(*columns.values(), strict=True))


def splink(work: Work, assigned: bool) -> Figures | None:
    """Splink's pairs: as they come or, `assigned`, one to one; where people repeat, its connected components."""
    flags, people = work.data.may_have_duplicates, work.data.people()
    if assigned and any(flags):
        return None
    model, seconds = work.splink
    honest = peers().weight_of(peers().SPLINK_THRESHOLD)
    if any(flags):
        sweep = [peers().weight_of(each) for each in SPLINK_SWEEP]
        best = best_of(model.clusters, sweep, people, flags)
        return figures(score(model.clusters(honest), people, flags), best, seconds)
    pairs = model.pairs()
    left, right = pairs.left, pairs.right - len(people[0])
    kept = one_to_one(left, right, pairs.scores) if assigned else np.arange(len(left))
    right_pairs = people[0][left[kept]] == people[1][right[kept]]
    scores, true_pairs = pairs.scores[kept], score(people, people, flags).true_pairs
    linked = scores >= honest
    found = Score(int(linked.sum()), true_pairs, int(right_pairs[linked].sum()))
    return figures(found, best_cut(scores, right_pairs, true_pairs), seconds)


def anonlink(work: Work) -> Figures:
    """CLKs by clkhash with the drafted schema, anonlink at 0.8; the best of a sweep in hundredths."""
    flags, people = work.data.may_have_duplicates, work.data.people()
    started = time.perf_counter()
    system = peers().ClkhashAnonlink(work.records)
    found = score(system.clusters(peers().ANONLINK_THRESHOLD), people, flags)
    seconds = time.perf_counter() - started
    return figures(found, best_of(system.clusters, peers().ANONLINK_SWEEP, people, flags), seconds)


METHODS: dict[str, Callable[[Work], Figures | None]] = {
    "ours, field-filters": lambda work: ours(work, "field-filters"),
    "ours, clk": lambda work: ours(work, "clk"),
    "Splink": lambda work: splink(work, assigned=False),
    "Splink, one to one": lambda work: splink(work, assigned=True),
    "clkhash + anonlink, 0.8": anonlink,
}


# Scoring at every threshold.


def one_to_one(
    left: NDArray[np.int64], right: NDArray[np.int64], scores: NDArray[np.float64]
) -> NDArray[np.int64]:
    """Pairs that are kept when the best come first and no record is taken twice."""
    taken_left: set[int] = set()
    taken_right: set[int] = set()
    kept = []
    for place in np.lexsort((right, left, -scores)).tolist():
        ends = int(left[place]), int(right[place])
        if ends[0] not in taken_left and ends[1] not in taken_right:
            taken_left.add(ends[0])
            taken_right.add(ends[1])
            kept.append(place)
    return np.array(kept, dtype=np.int64)


def best_cut(scores: NDArray[np.float64], right: NDArray[np.bool_], true_pairs: int) -> float:
    """The highest F1 of any threshold; pairs of equal score stand or fall together."""
    if not len(scores):
        return 0.0
    order = np.argsort(-scores, kind="stable")
    f1 = 2 * np.cumsum(right[order]) / (np.arange(1, len(order) + 1) + true_pairs)
    last_of_equals = np.append(np.diff(scores[order]) != 0, True)
    return float(f1[last_of_equals].max())


def best_one_to_one(
    left: NDArray[Any], right: NDArray[Any], scores: NDArray[np.float64], people: Sequence[NDArray[np.str_]]
) -> float:
    """The highest F1 of any threshold of pairs that are assigned greedily."""
    kept = one_to_one(left.astype(np.int64), right.astype(np.int64), scores)
    correct = people[0][left[kept]] == people[1][right[kept]]
    return best_cut(scores[kept], correct, score(people, people, [False, False]).true_pairs)


def best_of(
    clusters: Callable[[float], Labels],
    sweep: Sequence[float],
    people: Sequence[NDArray[np.str_]],
    may_have_duplicates: Sequence[bool],
) -> float:
    """The highest F1 of some thresholds."""
    return max(score(clusters(cut), people, may_have_duplicates).f1 for cut in sweep)


# Running, with a cache.


Found = tuple[str, str, Figures | None]


def measured(folder: Path, cache_folder: Path, only: str | None) -> Iterator[Found]:
    """Every data set by every method, from the cache where it is there."""
    for name, make in data_sets(folder).items():
        if only is None or only in name:
            work = Work(make())
            for method, link in METHODS.items():
                path = cache_folder / f"{_digest(name, method, _fingerprint(work, method))}.json"
                yield name, method, kept(path, partial(link, work), f"{name}: {method}")


def kept(path: Path, make: Callable[[], Figures | None], what: str) -> Figures | None:
    """What the file holds; made and written first if there is none."""
    if not path.exists():
        sys.stderr.write(f"{what} ...\n")
        found = make()
        path.parent.mkdir(parents=True, exist_ok=True)
        unfinished = path.with_suffix(f".{os.getpid()}")
        unfinished.write_text(json.dumps(asdict(found) if found else None), encoding="utf-8")
        unfinished.replace(path)
    content = json.loads(path.read_text(encoding="utf-8"))
    return Figures(**content) if content else None


def _fingerprint(work: Work, method: str) -> str:
    """Changes when the data does, or the code that links; what only scores and writes isn't in it."""
    if method.startswith("ours"):
        sources = [path for package in ("pprl", "coordinator") for path in (ROOT / package).rglob("*.py")]
        given = [json.dumps(work.data.tables), *work.data.duplicates]
    else:
        sources = [ROOT / "tools" / "peers.py"]
        given = [
            json.dumps(work.records.columns),
            json.dumps(linkage_schema(work.records.agreement)),
            *versions(),
        ]
    code = (hashlib.sha256(path.read_bytes()).hexdigest() for path in sorted(sources))
    return _digest(*code, *given)


def versions() -> list[str]:
    """The peers and their versions."""
    return [
        f"{name} {importlib.metadata.version(name)}" for name in ("splink", "duckdb", "clkhash", "anonlink")
    ]


def _digest(*parts: str) -> str:
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()[:24]


# The page.


def summary(found: Sequence[Found]) -> str:
    """A row a data set, a column a method: F1 at the honest threshold, then at the best."""
    lines = [f"| data | {' | '.join(METHODS)} |", "|---" * (len(METHODS) + 1) + "|"]
    for name in dict.fromkeys(name for name, _, _ in found):
        cells = {method: _cell(each) for data, method, each in found if data == name}
        lines.append(f"| {name} | {' | '.join(cells.get(method, '-') for method in METHODS)} |")
    return "\n".join(lines)


def _cell(found: Figures | None) -> str:
    if found is None:
        return "-"
    if found.f1 is None:
        return "refused" if found.refused else f"{found.links:,} false links"
    honest = f"refused ({_share(found.f1)})" if found.refused else _share(found.f1)
    return f"{honest} / {_share(found.best_f1)}"


def details(found: Sequence[Found]) -> str:
    """A row for each data set and method."""
    lines = [
        "| data | method | links | precision | recall | F1 | F1 at the best threshold | seconds |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for name, method, each in found:
        if each is not None:
            links = f"refused ({each.links:,})" if each.refused else f"{each.links:,}"
            shares = [_share(value) for value in (each.precision, each.recall, each.f1, each.best_f1)]
            lines.append(f"| {name} | {method} | {links} | {' | '.join(shares)} | {each.seconds:.0f} |")
    return "\n".join(lines)


def _share(value: float | None) -> str:
    return "-" if value is None else f"{value:.4f}"


def main() -> None:
    """Measure, print, and write the page if everything was measured."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--cache", type=Path, default=ROOT / "build" / "quality", help="results so far")
    parser.add_argument(
        "--only", metavar="NAME", help="data sets with this in their name; the page stays as it is"
    )
    parser.add_argument(
        "--data", type=Path, default=SHARED_DATA, help="folder with data that isn't ours to ship"
    )
    options = parser.parse_args()
    missing = [name for name in (UK, FEBRL) if not (options.data / name).is_dir()]
    if missing:
        sys.stderr.write(f"Not in {options.data}, so left out: {', '.join(missing)}.\n")
    found = list(measured(options.data, options.cache, options.only))
    text = f"{_heading()}\n\n{summary(found)}\n\n{details(found)}\n"
    sys.stdout.write(text)
    if options.only is None and not missing:
        PAGE.write_text(with_section(PAGE.read_text(encoding="utf-8"), "quality", text), encoding="utf-8")


def _heading() -> str:
    return f"Written by `make quality` on {date.today().isoformat()}: {', '.join(versions())}."


if __name__ == "__main__":
    main()
