"""What `make bench` measures, one case a process, so that seconds and memory are the case's alone.

    python -m tools.bench_cases CASE [OPTIONS]

prints one JSON object. Cases on one core hold the process to one. Everybody gets the same generated people, with
frequent names as frequent as they are, households, moves and mistakes; ours and the peers' input is standardised before
a clock starts.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import resource
import secrets
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date
from functools import partial
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from pprl.agreements.draft import DatasetSketch, draft
from pprl.encode import encoder
from pprl.encode.clk import ClkEncoder, linkage_schema
from pprl.encode.linkage_secret import LinkageSecret
from pprl.encode.passes import coded
from pprl.encode.records import prepare
from pprl.protocol.agreement import AgreementFile, Scheme, parse
from pprl.protocol.crosswalk import Crosswalk
from pprl.protocol.linkage_keys import LinkageKeys
from pprl.protocol.submission import EncodingsReader, parse_references, reference_pieces
from pprl.scoring import score
from pprl.synthetic import TRUTH_COLUMN, linkage_pair

KEY = bytes(range(32))
OVERLAP = 0.5
FLOOR = 0.8
# The peer's rate doesn't depend on how many records there are.
CLKHASH_RECORDS = 20_000
# People are generated so many at a time; nobody is in two lots.
LOT = 1_000_000
BATCH = 50_000
DAY = date(2026, 1, 1)
SIDES = ("a", "b")

Columns = dict[str, list[str]]


# The people.


def lots(people: int) -> Iterator[tuple[Columns, Columns]]:
    """Two tables, in lots; a record id tells its lot."""
    for lot, start in enumerate(range(0, people, LOT)):
        size = min(LOT, people - start)
        pair = linkage_pair(size, size, OVERLAP, seed=1_000 + lot)
        sides = []
        for table in (pair.a, pair.b):
            columns = dict(table.columns)
            for name in ("record_id", TRUTH_COLUMN):
                columns[name] = [f"{lot:02d}-{value}" for value in columns[name]]
            sides.append(columns)
        yield sides[0], sides[1]


def batches(people: int, side: int) -> Iterator[tuple[int, Columns]]:
    """One of the tables as `encode` reads it."""
    row = 2
    for lot in lots(people):
        columns = lot[side]
        rows = len(columns[TRUTH_COLUMN])
        for start in range(0, rows, BATCH):
            part = {name: values[start : start + BATCH] for name, values in columns.items()}
            yield row, part
            row += len(part[TRUTH_COLUMN])


def agreement_for(people: int, scheme: Scheme) -> AgreementFile:
    """What `pprl agreement new` drafts for the two tables."""
    header = tuple(name for name in linkage_pair(2, 2, 1.0, seed=1).a.header if name != TRUTH_COLUMN)
    text = draft([DatasetSketch(side, header, people) for side in SIDES], today=DAY, scheme=scheme)
    return parse(text.encode(), where="draft")


def standardised(people: int, side: int, agreement: AgreementFile) -> Columns:
    """A table's standardised columns."""
    found: Columns = {name: [] for name in agreement.content.kinds()}
    for row, columns in batches(people, side):
        prepared = prepare(
            columns,
            first_row=row,
            dataset=agreement.content.dataset[side],
            agreement=agreement.content,
            most_findings=0,
        )
        for name, values in prepared.columns.items():
            found[name] += values
    return found


# Clocks.


def on_one_core() -> None:
    """Hold this process to one core."""
    os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})


def clocked(work: Callable[[], Any]) -> tuple[dict[str, float], Any]:
    """Seconds by the wall and of the processors, and what came of the work."""
    wall, cpu = time.perf_counter(), time.process_time()
    result = work()
    return {
        "seconds": round(time.perf_counter() - wall, 3),
        "cpu_seconds": round(time.process_time() - cpu, 3),
    }, result


def peak_bytes() -> int:
    """The most memory that this process has had."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


# Parts, on one core.


def clks(people: int, options: argparse.Namespace) -> dict[str, Any]:
    """CLKs of standardised records: clkhash's, ours from the same lists of values, ours from numbered values.

    `pprl encode` numbers a table's values while it reads them. `first` is a digest of some CLKs, to be compared.
    """
    on_one_core()
    agreement = agreement_for(people, "clk")
    columns = standardised(people, 0, agreement)
    encode = {"clkhash": _by_clkhash, "ours": _by_us, "numbered": _by_us_numbered}[options.peer]
    if options.peer == "clkhash":
        columns = {name: values[:CLKHASH_RECORDS] for name, values in columns.items()}
    first = encode({name: values[:100] for name, values in columns.items()}, agreement)()
    clocks, made = clocked(encode(columns, agreement))
    digest = hashlib.sha256(b"".join(first)).hexdigest()
    return {**clocks, "records": len(made), "first": digest, "peak_bytes": peak_bytes()}


Encode = Callable[[], Sequence[bytes]]


def _by_us(columns: Columns, agreement: AgreementFile) -> Encode:
    return lambda: _rows_of(ClkEncoder(agreement.content, KEY).encode(columns))


def _by_us_numbered(columns: Columns, agreement: AgreementFile) -> Encode:
    numbered = {name: coded(values) for name, values in columns.items()}
    rows = np.arange(len(next(iter(columns.values()))))
    return lambda: _rows_of(ClkEncoder(agreement.content, KEY).encode_coded(numbered, rows))


def _rows_of(made: NDArray[np.uint8]) -> Sequence[bytes]:
    found: Sequence[bytes] = made.view(f"V{made.shape[1]}").reshape(-1)
    return found


def _by_clkhash(columns: Columns, agreement: AgreementFile) -> Encode:
    from clkhash.clk import generate_clks  # noqa: PLC0415 - only where it is measured
    from clkhash.schema import from_json_dict  # noqa: PLC0415

    order = [feature.identifier for feature in agreement.content.encoding.clk_parameters.features]
    records = [list(row) for row in zip(*(columns[name] for name in order), strict=True)]
    schema = from_json_dict(linkage_schema(agreement.content))
    return lambda: [
        bytes(each) for each in generate_clks(records, schema, KEY, validate=False, max_workers=1)
    ]


def filters(people: int, _options: argparse.Namespace) -> dict[str, Any]:
    """Field filters from raw columns, standardising and everything else that is sent included."""
    on_one_core()
    agreement = agreement_for(people, "field-filters")
    with tempfile.TemporaryDirectory() as folder:
        _encoded(batches(BATCH, 0), agreement_for(BATCH, "field-filters"), 0, Path(folder))
        table = list(batches(people, 0))
        clocks, _ = clocked(lambda: _encoded(table, agreement, 0, Path(folder)))
    passes = len(agreement.content.encoding.field_filter_parameters.passes)
    return {**clocks, "records": people, "passes": passes, "peak_bytes": peak_bytes()}


def compare(people: int, options: argparse.Namespace) -> dict[str, Any]:
    """All pairs of two sets of CLKs that reach a Dice coefficient."""
    on_one_core()
    agreement = agreement_for(people, "clk")
    left, right = (
        ClkEncoder(agreement.content, KEY).encode(standardised(people, side, agreement)) for side in (0, 1)
    )
    with tempfile.TemporaryDirectory() as folder:
        find = _COMPARERS[options.peer](Path(folder))
        find(left[:100], right[:100])
        clocks, pairs = clocked(lambda: find(left, right))
    return {
        **clocks,
        "pairs": pairs,
        "million_a_second": len(left) * len(right) / clocks["cpu_seconds"] / 1e6,
    }


Comparer = Callable[[NDArray[np.uint8], NDArray[np.uint8]], int]


def _ours(_folder: Path) -> Comparer:
    from coordinator.linkage.compare import compare as compare_all  # noqa: PLC0415

    return lambda left, right: len(compare_all(left, right, floor=FLOOR, progress=lambda _share: None))


def _anonlink(_folder: Path) -> Comparer:
    from anonlink.similarities import dice_coefficient_accelerated  # noqa: PLC0415

    def find(left: NDArray[np.uint8], right: NDArray[np.uint8]) -> int:
        sides = [[row.tobytes() for row in side] for side in (left, right)]
        return len(dice_coefficient_accelerated(sides, FLOOR)[0])

    return find


def _limit(folder: Path) -> Comparer:
    from tools import limit_kernel  # noqa: PLC0415

    library = limit_kernel.build(folder)
    if library is None:
        raise SystemExit("There is no C++ compiler to build the limit with.")
    kernel = limit_kernel.load(library)
    return lambda left, right: len(kernel.pairs(left, right, floor=FLOOR))


_COMPARERS = {"ours": _ours, "anonlink": _anonlink, "limit": _limit}


# Linking, on all cores.


def encode(people: int, options: argparse.Namespace) -> dict[str, Any]:
    """Both tables encoded into the folder from raw columns, and the truth beside; the clock is of the second."""
    folder: Path = options.folder
    agreement = agreement_for(people, "field-filters")
    (folder / "agreement.toml").write_bytes(agreement.raw)
    clocks: dict[str, float] = {}
    for place in range(len(SIDES)):
        # Reading is not the encoder's, but ten million generated people don't fit beside it.
        table = list(batches(people, place)) if people <= LOT else batches(people, place)
        clocks, _ = clocked(partial(_encoded, table, agreement, place, folder))
    sent = (folder / f"{SIDES[0]}.encodings").stat().st_size
    return {**clocks, "records": people, "peak_bytes": peak_bytes(), "encodings_bytes": sent}


def _encoded(
    table: Iterable[tuple[int, Columns]], agreement: AgreementFile, place: int, folder: Path
) -> None:
    """One table's two parts of a submission, as they are before they are sealed."""
    person_of: dict[str, str] = {}

    def noting() -> Iterator[tuple[int, Columns]]:
        for row, columns in table:
            person_of.update(zip(columns["record_id"], columns[TRUTH_COLUMN], strict=True))
            yield row, columns

    made = encoder.begin(
        noting(),
        agreement.content.dataset[place],
        agreement,
        LinkageSecret(agreement.sha256, agreement.sha256, KEY),
        random_bytes=secrets.token_bytes,
        seen=lambda _rows: None,
    ).outgoing
    side = SIDES[place]
    with (folder / f"{side}.encodings").open("wb") as file:
        file.writelines(made.encodings(_silent))
    with (folder / f"{side}.references").open("wb") as file:
        file.writelines(reference_pieces(made.references()))
    np.save(folder / f"{side}.truth.npy", np.array([person_of[record] for _, record in made.home_map()]))


def link(_people: int, options: argparse.Namespace) -> dict[str, Any]:
    """From opened submissions to linkage keys."""
    from coordinator.linkage import issuing, matching  # noqa: PLC0415
    from coordinator.linkage.work import InMemory  # noqa: PLC0415

    folder: Path = options.folder
    agreement = parse((folder / "agreement.toml").read_bytes(), where="bench")
    encodings = {side: _Kept(folder / f"{side}.encodings", agreement) for side in SIDES}
    matching_clocks, matched = clocked(
        lambda: matching.match(agreement, encodings, shelf=InMemory(), progress=_silent)
    )
    raw = matched.document
    references = {
        side: parse_references((folder / f"{side}.references").read_bytes(), agreement) for side in SIDES
    }
    issuing_clocks, issued = clocked(
        lambda: issuing.issue(agreement, references, raw, random_bytes=secrets.token_bytes, progress=_silent)
    )
    peak = peak_bytes()
    labels = people_of(issued.crosswalk, issued.linkage_keys)
    return {
        "seconds": matching_clocks["seconds"] + issuing_clocks["seconds"],
        "match_seconds": matching_clocks["seconds"],
        "issue_seconds": issuing_clocks["seconds"],
        "compared": matched.compared,
        "pairs": matched.pairs,
        "peak_bytes": peak,
        **_scored(labels, _truths(folder)),
    }


@dataclass(frozen=True, slots=True)
class _Kept:
    """Encodings in a file, read again for each pass over them, as the matcher reads a kept submission."""

    path: Path
    agreement: AgreementFile

    @property
    def header(self) -> Any:
        with self.path.open("rb") as file:
            return self._reader(file).header

    def passes(self, wanted: Any = None) -> Iterator[Any]:
        with self.path.open("rb") as file:
            yield from self._reader(file).passes(wanted)

    def _reader(self, file: BinaryIO) -> EncodingsReader:
        return EncodingsReader(file, self.agreement, size=self.path.stat().st_size)


def people_of(crosswalk: Crosswalk, linkage_keys: Sequence[LinkageKeys]) -> list[NDArray[np.int64]]:
    """For each dataset, the person of each record in the order of its handles; who is in no crosswalk is alone."""
    people = np.unique(_numbers(crosswalk.people), return_inverse=True)[1]
    order = np.argsort(_numbers(crosswalk.keys))
    known = _numbers(crosswalk.keys)[order]
    labels, alone = [], len(people)
    for each in linkage_keys:
        keys = _numbers(each.keys)
        at = np.minimum(np.searchsorted(known, keys), max(len(known) - 1, 0))
        found = np.arange(alone, alone + len(keys))
        there = known[at] == keys
        found[there] = people[order[at[there]]]
        labels.append(found)
        alone += len(keys)
    return labels


def _numbers(ids: NDArray[np.uint8]) -> NDArray[np.uint64]:
    """The first half of random identifiers, which tells them apart."""
    return np.ascontiguousarray(ids).view(np.uint64).reshape(len(ids), 2)[:, 0]


def splink(people: int, _options: argparse.Namespace) -> dict[str, Any]:
    """Splink on the standardised records themselves, from its input tables to clusters."""
    from tools.peers import SPLINK_THRESHOLD, Records, Splink, weight_of  # noqa: PLC0415

    agreement = agreement_for(people, "field-filters")
    columns = {side: standardised(people, place, agreement) for place, side in enumerate(SIDES)}
    truths = [np.array([each for lot in lots(people) for each in lot[side][TRUTH_COLUMN]]) for side in (0, 1)]
    records = Records(agreement.content, columns)
    clocks, labels = clocked(lambda: Splink(records).clusters(weight_of(SPLINK_THRESHOLD)))
    return {**clocks, "peak_bytes": peak_bytes(), **_scored(labels, truths)}


def _truths(folder: Path) -> list[NDArray[np.str_]]:
    return [np.load(folder / f"{side}.truth.npy", allow_pickle=False) for side in SIDES]


def _scored(labels: Sequence[NDArray[np.int64]], people: Sequence[NDArray[np.str_]]) -> dict[str, float]:
    found = score(labels, people, [False, False])
    return {"precision": found.precision, "recall": found.recall, "f1": found.f1}


def _silent(_what: str, _share: float) -> None:
    """Progress that nobody watches."""


Case = Callable[[int, argparse.Namespace], dict[str, Any]]
CASES: dict[str, Case] = {each.__name__: each for each in (clks, filters, compare, encode, link, splink)}


def main() -> None:
    """Run one case and print what it gives."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("case", choices=CASES)
    parser.add_argument("people", type=int)
    parser.add_argument("--peer", choices=("ours", "numbered", "clkhash", "anonlink", "limit"))
    parser.add_argument("--folder", type=Path)
    options = parser.parse_args()
    sys.stdout.write(json.dumps(CASES[options.case](options.people, options)) + "\n")


if __name__ == "__main__":
    main()
