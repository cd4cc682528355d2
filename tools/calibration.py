"""Hold the estimates against the truth over many generated linkages, and publish how they fared.

Run by `make calibration`. Each run makes two tables with a known overlap, takes them through the same functions as the
commands do (standardise, encode, match, decide; only sealing and files are left out) with the defaults of a drafted
agreement, and adds one line of JSON to a file: what was asked for, what was estimated, what is true. A run that is in
the file already is not made again, so an interrupted series goes on where it stopped. `--report` makes the tables and
pictures of the page from such a file instead; a scheme of which the file has no run keeps what the page says of it.

A series is set by its seed base: run n of it has seed base + n. A series that is published has seeds on which nothing
was tuned.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import os
import sys
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from coordinator.linkage import matching
from coordinator.linkage.issuing import Decided, with_copies
from coordinator.linkage.solve import Compared, clusters
from pprl.agreements.draft import DatasetSketch, draft
from pprl.encode import encoder
from pprl.encode.encoder import EncodedDataset
from pprl.encode.linkage_secret import LinkageSecret
from pprl.protocol import agreement as agreements
from pprl.protocol import submission
from pprl.protocol.agreement import AgreementFile, Scheme
from pprl.protocol.submission import Copies, References
from pprl.scoring import Score, score
from pprl.synthetic import TRUTH_COLUMN, generate, linkage_pair
from pprl.synthetic.table import Table
from tools import calibration_report as report

PAGE = Path(__file__).parents[1] / "docs" / "quality.md"
RUNS = 420
SEED_BASE = 700_000
OVERLAPS = (0.0, 0.01, 0.05, 0.1, 0.2, 0.5, 1.0)
# Three, four and five choices: sixty rounds of overlaps go through every combination once.
HOUSEHOLD_SHARES = (0.1, 0.3, 0.6)
ERROR_SCALES = (0.5, 1.0, 2.0, 3.0)
ROWS = ((2_000, 2_000), (1_000, 4_000), (4_000, 4_000), (1_000, 1_000), (3_000, 1_500))
# Edges of the bins in which mean posteriors are held against the share that is right.
POSTERIOR_EDGES = (0.0, 0.02, 0.05, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 0.99, 0.999, 1.0)
# The other series: tables of one justice system, in two of which people have several records.
PEOPLE = (1_000, 3_000, 10_000, 30_000, 100_000)
REPEATING = ("offences", "court")
PEOPLE_SERIES = "several-records"
PEOPLE_RUNS = 60
PEOPLE_SEED_BASE = 720_000
DAY = date(2026, 1, 1)

# As a spreadsheet counts: the header is row 1.
FIRST_ROW = 2

Columns = Mapping[str, list[str]]
People = NDArray[np.str_]


@dataclass(frozen=True, slots=True)
class Setting:
    """What a run is asked for.

    Attributes:
        scheme: how records are encoded.
        seed: of the tables and of all randomness of the run.
        rows_a: records of the first table.
        rows_b: records of the second.
        overlap: share of the smaller table's people who are in the other.
        household_share: share of people who live with another of them.
        error_scale: multiplies every rate of mistakes.
    """

    scheme: Scheme
    seed: int
    rows_a: int
    rows_b: int
    overlap: float
    household_share: float
    error_scale: float


@dataclass(frozen=True, slots=True)
class PeopleSetting:
    """What a run is asked for whose tables hold several records of a person.

    Attributes:
        scheme: how records are encoded.
        seed: of the tables and of all randomness of the run.
        people: in how many people's lives the tables have their records.
    """

    scheme: Scheme
    seed: int
    people: int


AnySetting = Setting | PeopleSetting


def settings(scheme: Scheme, seed_base: int, runs: int) -> list[Setting]:
    """The settings of a series: overlaps in turn, and with each round of them the next of everything else."""
    found = []
    for number in range(runs):
        turn = number // len(OVERLAPS)
        rows_a, rows_b = ROWS[turn % len(ROWS)]
        found.append(
            Setting(
                scheme=scheme,
                seed=seed_base + number,
                rows_a=rows_a,
                rows_b=rows_b,
                overlap=OVERLAPS[number % len(OVERLAPS)],
                household_share=HOUSEHOLD_SHARES[turn % len(HOUSEHOLD_SHARES)],
                error_scale=ERROR_SCALES[turn % len(ERROR_SCALES)],
            )
        )
    return found


def people_settings(scheme: Scheme, seed_base: int, runs: int) -> list[PeopleSetting]:
    """The settings of a series with several records a person: numbers of people in turn."""
    return [PeopleSetting(scheme, seed_base + number, PEOPLE[number % len(PEOPLE)]) for number in range(runs)]


def run(setting: AnySetting) -> dict[str, Any]:
    """One linkage, from tables to figures."""
    started = time.perf_counter()
    tables, repeating = _tables(setting)
    agreement = drafted(tables, setting.scheme, repeating)
    columns = {name: table.columns for name, table in tables.items()}
    made = decision(agreement, columns, seed=setting.seed)
    figures = outcome(made.decided, score(linked(made), made.people, made.may_have_duplicates), agreement)
    if setting.scheme == "field-filters":
        figures["posteriors"] = posterior_bins(made.decided.compared, made.people)
    return {**asdict(setting), **figures, "seconds": round(time.perf_counter() - started, 2)}


def _tables(setting: AnySetting) -> tuple[dict[str, Table], Sequence[str]]:
    """The tables of a run, and those of them that hold several records of a person."""
    if isinstance(setting, PeopleSetting):
        return dict(generate(setting.people, seed=setting.seed).tables), REPEATING
    pair = linkage_pair(
        setting.rows_a,
        setting.rows_b,
        setting.overlap,
        error_scale=setting.error_scale,
        seed=setting.seed,
        household_share=setting.household_share,
    )
    return {"a": pair.a, "b": pair.b}, ()


@dataclass(frozen=True, slots=True)
class Made:
    """A decision about some tables.

    Attributes:
        decided: what the key issuer has decided.
        people: for each dataset, the person of each record in the order that the decision counts them.
        copies: for each dataset, records that are there once more.
        may_have_duplicates: for each dataset, whether it may hold several records of one person.
    """

    decided: Decided
    people: list[People]
    copies: list[Copies]
    may_have_duplicates: list[bool]


def decision(agreement: AgreementFile, tables: Mapping[str, Columns], *, seed: int) -> Made:
    """What the key issuer would decide about some tables: everything but sealing and files is the product's.

    Args:
        agreement: the agreement, whose keys aren't needed.
        tables: of each dataset, columns by their own headers, with the truth among them.
        seed: of the linkage secret and of the random names.
    """
    made = {
        name: _encoded(agreement, columns, name, seed, place)
        for place, (name, columns) in enumerate(tables.items())
    }
    encodings = {
        name: submission.parse_encodings(submission.write_encodings(each.encodings), agreement)
        for name, each in made.items()
    }
    references = {
        name: submission.parse_references(submission.write_references(each.references), agreement)
        for name, each in made.items()
    }
    matched = matching.match(agreement, encodings, progress=_silent)
    return Made(
        _decided(agreement, references, matched.document),
        [_people(made[name], columns, name, agreement) for name, columns in tables.items()],
        [references[name].copies for name in tables],
        [dataset.may_have_duplicates for dataset in agreement.content.dataset],
    )


def linked(made: Made, threshold: float | None = None) -> list[NDArray[np.int64]]:
    """The cluster of each record, as the key issuer puts them together; at another threshold, if one is given."""
    decided = made.decided
    found = clusters(
        [len(each) for each in made.people],
        made.may_have_duplicates,
        decided.compared,
        decided.threshold if threshold is None else threshold,
        merge_share=decided.merge_share,
    )
    return with_copies(found, made.copies)


def drafted(tables: Mapping[str, Table], scheme: Scheme, repeating: Sequence[str] = ()) -> AgreementFile:
    """The agreement that `pprl agreement new` would draft from the tables' headers."""
    sketches = [
        DatasetSketch(name, table.without_truth().header, table.rows) for name, table in tables.items()
    ]
    return agreements.parse(
        draft(sketches, today=DAY, duplicates=repeating, scheme=scheme).encode(), where="draft"
    )


def outcome(decided: Decided, found: Score, agreement: AgreementFile) -> dict[str, Any]:
    """What was estimated and what is true, as it stands in a line of the file."""
    return {
        "threshold": round(float(decided.threshold), 6),
        "links": found.linked_pairs,
        "true_pairs": found.true_pairs,
        "correct": found.correct_pairs,
        "precision": round(found.precision, 6),
        "recall": round(found.recall, 6),
        "f1": round(found.f1, 6),
        "estimated_precision": asdict(decided.precision),
        "estimated_recall": asdict(decided.recall),
        "target_precision": agreement.content.linkage.target_precision,
        "released": would_release(decided, found.linked_pairs, agreement),
    }


def would_release(decided: Decided, linked_people: int, agreement: AgreementFile) -> bool:
    """Whether the stop rule lets the links go: enough people, and the target reached by the interval's lower end."""
    low, content = decided.precision.low, agreement.content
    if linked_people < content.release.min_linked_people or low is None:
        return False
    return low >= content.linkage.target_precision


def posterior_bins(compared: Sequence[Compared], people: Sequence[People]) -> list[list[float]]:
    """For each bin of posteriors: its pairs, the sum of their posteriors, and how many are of one person."""
    posteriors, right = [np.empty(0)], [np.empty(0)]
    for each in compared:
        posteriors.append(each.pairs.dice)
        same = people[each.left][each.pairs.left] == people[each.right][each.pairs.right]
        right.append(same.astype(np.float64))
    all_posteriors, all_right = np.concatenate(posteriors), np.concatenate(right)
    bins = len(POSTERIOR_EDGES) - 1
    place = np.searchsorted(POSTERIOR_EDGES, all_posteriors, side="right") - 1
    place = np.clip(place, 0, bins - 1)
    sums = [
        np.bincount(place, weights, minlength=bins)
        for weights in (np.ones(len(place)), all_posteriors, all_right)
    ]
    return [[round(float(each[index]), 4) for each in sums] for index in range(bins)]


def _silent(_what: str, _share: float) -> None:
    pass


def _encoded(agreement: AgreementFile, columns: Columns, name: str, seed: int, place: int) -> EncodedDataset:
    return encoder.encode(
        [(FIRST_ROW, dict(columns))],
        agreement.content.dataset_named(name),
        agreement,
        # All departments of a run have the same secret, and draw their own random names.
        LinkageSecret(agreement.sha256, agreement.sha256, np.random.default_rng(seed).bytes(32)),
        random_bytes=np.random.default_rng([seed, place]).bytes,
        seen=lambda _rows: None,
    )


def _decided(agreement: AgreementFile, references: Mapping[str, References], document: bytes) -> Decided:
    if agreement.content.encoding.scheme == "clk":
        from coordinator.linkage import decide_clk  # noqa: PLC0415 - each scheme loads its own libraries

        return decide_clk.decide(agreement, references, document)
    from coordinator.linkage import decide_field_filters  # noqa: PLC0415

    return decide_field_filters.decide(agreement, references, document)


def _people(encoded: EncodedDataset, columns: Columns, name: str, agreement: AgreementFile) -> People:
    """The person of each record, in the order of the records' handles."""
    named_by = agreement.content.dataset_named(name).record_id_column
    true = columns[TRUTH_COLUMN]
    ids = columns[named_by] if named_by else [str(FIRST_ROW + row) for row in range(len(true))]
    person_of = dict(zip(ids, true, strict=True))
    return np.array([person_of[record_id] for _, record_id in encoded.home_map])


# The series.


def series(wanted: Iterable[AnySetting], path: Path, jobs: int) -> None:
    """Make the runs that the file lacks, a line each as soon as it is there."""
    done = {_key(line) for line in read([path])} if path.exists() else set()
    drop_cut_off_line(path)
    missing = [each for each in wanted if _key(asdict(each)) not in done]
    sys.stderr.write(f"{len(missing)} runs to make, {len(done)} in {path}\n")
    path.parent.mkdir(parents=True, exist_ok=True)
    started = time.monotonic()
    with path.open("a", encoding="utf-8") as file:
        for count, line in enumerate(_runs(missing, jobs), start=1):
            file.write(json.dumps(line) + "\n")
            file.flush()
            left = (time.monotonic() - started) / count * (len(missing) - count)
            sys.stderr.write(f"{count} of {len(missing)}, {left / 60:.0f} minutes left: {_told(line)}\n")


def _runs(missing: Sequence[AnySetting], jobs: int) -> Iterator[dict[str, Any]]:
    if jobs == 1:
        yield from map(run, missing)
        return
    # Processes of one thread each: threads of several would only wait for each other.
    for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "NUMBA_NUM_THREADS"):
        os.environ.setdefault(name, "1")
    with multiprocessing.get_context("spawn").Pool(jobs) as pool:
        yield from pool.imap_unordered(run, missing)


def drop_cut_off_line(path: Path) -> None:
    """What an interrupted run left without its end; the next line would be glued to it."""
    if path.exists():
        raw = path.read_bytes()
        with path.open("r+b") as file:
            file.truncate(raw.rfind(b"\n") + 1)


def _key(line: Mapping[str, Any]) -> tuple[Any, ...]:
    return tuple(line.get(name) for name in (*Setting.__slots__, "people"))


def _told(line: Mapping[str, Any]) -> str:
    estimate = line["estimated_precision"]
    shown = " - ".join("?" if each is None else f"{each:.4f}" for each in (estimate["low"], estimate["high"]))
    value = "none" if estimate["value"] is None else f"{estimate['value']:.4f}"
    asked = f"{line['people']:,} people" if "people" in line else f"overlap {line['overlap']:.0%}"
    return (
        f"{asked}, {line['links']} links, precision {line['precision']:.4f}, "
        f"estimated {value} [{shown}], F1 {line['f1']:.4f}, {line['seconds']:.0f} s"
    )


def read(paths: Iterable[Path]) -> list[dict[str, Any]]:
    """The lines of some files; a last line that was cut off is left out."""
    found = []
    for path in paths:
        for line in path.read_text(encoding="utf-8").splitlines(keepends=True):
            if line.endswith("\n"):
                found.append(json.loads(line))
    return found


# The page.


def publish(path: Path, page: Path) -> None:
    """Put the tables of a file's runs into the page, and their pictures beside it."""
    lines = read([path])
    pictures = page.parent / page.stem
    pictures.mkdir(exist_ok=True)
    text = page.read_text(encoding="utf-8")
    for name in ("field-filters", "clk", PEOPLE_SERIES):
        some = [line for line in lines if series_of(line) == name]
        if some:
            text = with_section(text, f"calibration-{name}", report.section(some, name))
            drawn = {"precision": report.precision_picture(some, name)}
            bins = report.posterior_bins(some)
            if bins:
                drawn["posteriors"] = report.posteriors_picture(bins, name)
            for about, picture in drawn.items():
                (pictures / f"{about}-{name}.svg").write_text(picture, encoding="utf-8")
    page.write_text(text, encoding="utf-8")


def series_of(line: Mapping[str, Any]) -> str:
    """The series that a line belongs to, by the name that the page gives it."""
    return PEOPLE_SERIES if "people" in line else str(line["scheme"])


def with_section(page: str, name: str, text: str) -> str:
    """A page with the text between two markers replaced."""
    start, end = f"<!-- {name}: generated -->", f"<!-- {name}: end -->"
    before, found_start, rest = page.partition(start)
    _, found_end, after = rest.partition(end)
    if not (found_start and found_end):
        raise SystemExit(f"The page has no section '{name}'.")
    return f"{before}{start}\n\n{text.strip()}\n\n{end}{after}"


def main() -> None:
    """Read the arguments, and go on with a series or publish it."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("file", type=Path, help="lines of JSON, one a run; added to")
    parser.add_argument("--scheme", choices=["field-filters", "clk"], default="field-filters")
    parser.add_argument(
        "--several-records", action="store_true", help="tables with several records of a person"
    )
    parser.add_argument("--runs", type=int, help=f"runs of the series, default {RUNS}, or {PEOPLE_RUNS}")
    parser.add_argument("--seed-base", type=int, help=f"default {SEED_BASE}, or {PEOPLE_SEED_BASE}")
    parser.add_argument("--jobs", type=int, default=1, help="processes at once")
    parser.add_argument("--report", action="store_true", help="make no run: write the page from the file")
    parser.add_argument("--page", type=Path, default=PAGE, help="the page, with its markers")
    options = parser.parse_args()
    if options.report:
        publish(options.file, options.page)
    else:
        series(_asked(options), options.file, options.jobs)


def _asked(options: argparse.Namespace) -> Sequence[AnySetting]:
    if options.several_records:
        base, runs = options.seed_base or PEOPLE_SEED_BASE, options.runs or PEOPLE_RUNS
        return people_settings(options.scheme, base, runs)
    return settings(options.scheme, options.seed_base or SEED_BASE, options.runs or RUNS)


if __name__ == "__main__":
    main()
