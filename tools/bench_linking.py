"""Cases of `make bench` on all cores: two tables from CSV files to linkage keys, in steps that leave files in a folder.

    people    both tables as CSV files, and who is who
    encode    one table's two parts of a submission, as they are before they are sealed
    match     the matcher's document, from both tables' encodings
    issue     linkage keys, from references and the matcher's document; scored

and beside them Splink on the same people, and the whole demonstration:

    plain     both tables' standardised records, as Parquet files
    splink    clusters from these; scored
    demo      every party's own commands, from keys to the audit
"""

from __future__ import annotations

import argparse
import csv
import json
import os
import secrets
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, TextIO

import numpy as np
from numpy.typing import NDArray

from coordinator.linkage.budget import peak_bytes
from pprl.encode import encoder
from pprl.encode.linkage_secret import LinkageSecret
from pprl.files.tables import open_table
from pprl.protocol.agreement import AgreementFile, parse
from pprl.protocol.crosswalk import Crosswalk
from pprl.protocol.linkage_keys import LinkageKeys
from pprl.protocol.submission import EncodingsReader, parse_references, reference_pieces
from pprl.scoring import score
from pprl.synthetic import TRUTH_COLUMN
from tools.bench_clocks import MostMemory, Told, clocked
from tools.bench_people import SIDES, Columns, agreement_for, joined, lots, standardised, truth_of

KEY = bytes(range(32))
# Two cores, as the machine's own engine has here, and heap enough for 100,000 records a side several times over.
SPARK_ARGUMENTS = "--master local[2] --driver-memory 2g --conf spark.driver.host=127.0.0.1 pyspark-shell"
NO_SPARK = {"left_out": "the extra 'spark' is not installed, or there is no Java"}

Labels = NDArray[np.int64]


def secret_for(agreement: AgreementFile) -> LinkageSecret:
    """A linkage secret that is none."""
    return LinkageSecret(agreement.sha256, agreement.sha256, KEY)


def people(count: int, options: argparse.Namespace) -> dict[str, Any]:
    """Both tables as departments have them, the agreement, and the person of each row."""
    folder: Path = options.folder
    truths: tuple[list[Labels], list[Labels]] = ([], [])
    (folder / "agreement.toml").write_bytes(agreement_for(count, "field-filters").raw)

    def write(tables: Sequence[TextIO]) -> None:
        for lot in lots(count):
            for place, columns in enumerate(lot):
                truths[place].append(truth_of(columns))
                _append(columns, tables[place])

    with ExitStack() as opened:
        tables = [
            opened.enter_context((folder / f"{side}.csv").open("w", encoding="utf-8", newline=""))
            for side in SIDES
        ]
        clocks, _ = clocked(lambda: write(tables))
    for side, parts in zip(SIDES, truths, strict=True):
        np.save(folder / f"{side}.rows.npy", np.concatenate(parts))
    return {**clocks, "records": count, "peak_bytes": peak_bytes()}


def _append(columns: Columns, file: TextIO) -> None:
    """Write a lot's records; the first has the header before it."""
    sent = {name: values for name, values in columns.items() if name != TRUTH_COLUMN}
    writer = csv.writer(file, lineterminator="\n")
    if file.tell() == 0:
        writer.writerow(sent)
    writer.writerows(zip(*sent.values(), strict=True))


def encode(count: int, options: argparse.Namespace) -> dict[str, Any]:
    """A table from its CSV file to what would be sealed."""
    folder: Path = options.folder
    agreement = _agreement(folder)
    clocks, _ = clocked(lambda: _encoded(agreement, options.side, folder))
    sent = (folder / f"{options.side}.encodings").stat().st_size
    return {**clocks, "records": count, "peak_bytes": peak_bytes(), "encodings_bytes": sent}


def _encoded(agreement: AgreementFile, side: str, folder: Path) -> None:
    dataset = agreement.content.dataset[SIDES.index(side)]
    told = Told()
    made = encoder.begin(
        _rows(folder / f"{side}.csv"),
        dataset,
        agreement,
        secret_for(agreement),
        random_bytes=secrets.token_bytes,
        seen=lambda rows: told("reading", rows / dataset.expected_rows_max),
        told=told,
    ).outgoing
    with (folder / f"{side}.encodings").open("wb") as file:
        file.writelines(made.encodings(told))
    with (folder / f"{side}.references").open("wb") as file:
        file.writelines(reference_pieces(made.references()))
    rows = np.fromiter((int(record) for _, record in made.home_map()), np.int64)
    np.save(folder / f"{side}.handles.npy", rows)


def _rows(path: Path) -> Iterator[tuple[int, Columns]]:
    table = open_table(path)
    for batch in table.batches(table.header):
        yield batch.first_row, batch.columns


def match(count: int, options: argparse.Namespace) -> dict[str, Any]:
    """From opened encodings to the matcher's document, on this machine's cores or on Spark."""
    from coordinator.linkage import matching  # noqa: PLC0415 - as the program does

    if options.engine == "spark" and not has_spark():
        return NO_SPARK
    os.environ.setdefault("PYSPARK_SUBMIT_ARGS", SPARK_ARGUMENTS)
    os.environ.setdefault("SPARK_LOCAL_IP", "127.0.0.1")
    agreement = _agreement(options.folder)
    encodings = {side: _Kept(options.folder / f"{side}.encodings", agreement) for side in SIDES}
    memory = MostMemory()

    def write() -> matching.Matched:
        found = matching.match(agreement, encodings, engine=options.engine, progress=Told())
        with (options.folder / f"pairs-{options.engine}").open("wb") as file:
            file.writelines(found.pieces())
        return found

    with memory.watched():
        clocks, matched = clocked(write)
    return {
        **clocks,
        "records": count,
        "compared": matched.compared,
        "pairs": matched.pairs,
        "parts": matched.parts,
        "document_bytes": matched.length,
        "peak_bytes": peak_bytes(),
        "family_bytes": memory.bytes,
    }


def has_spark() -> bool:
    """Whether Spark can be had here."""
    from importlib.util import find_spec  # noqa: PLC0415
    from shutil import which  # noqa: PLC0415

    return find_spec("pyspark") is not None and bool(which("java") or os.environ.get("JAVA_HOME"))


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


def issue(count: int, options: argparse.Namespace) -> dict[str, Any]:
    """From opened references and the matcher's document to linkage keys."""
    from coordinator.linkage import issuing  # noqa: PLC0415

    folder: Path = options.folder
    agreement = _agreement(folder)

    def decide() -> issuing.Issued:
        references = {
            side: parse_references((folder / f"{side}.references").read_bytes(), agreement) for side in SIDES
        }
        raw = (folder / "pairs-local").read_bytes()
        return issuing.issue(agreement, references, raw, random_bytes=secrets.token_bytes, progress=Told())

    clocks, issued = clocked(decide)
    peak = peak_bytes()
    truths = [
        np.load(folder / f"{side}.rows.npy", allow_pickle=False)[
            np.load(folder / f"{side}.handles.npy", allow_pickle=False)
        ]
        for side in SIDES
    ]
    labels = people_of(issued.crosswalk, issued.linkage_keys)
    estimates = {name: issued.report[name] for name in ("estimated_precision", "estimated_recall")}
    return {**clocks, "records": count, "peak_bytes": peak, **estimates, **_scored(labels, truths)}


def _agreement(folder: Path) -> AgreementFile:
    return parse((folder / "agreement.toml").read_bytes(), where="bench")


def people_of(crosswalk: Crosswalk, linkage_keys: Sequence[LinkageKeys]) -> list[Labels]:
    """For each dataset, the person of each record in the order of its handles; who is in no crosswalk is alone."""
    known_people = np.unique(_numbers(crosswalk.people), return_inverse=True)[1]
    order = np.argsort(_numbers(crosswalk.keys))
    known = _numbers(crosswalk.keys)[order]
    labels, alone = [], len(known_people)
    for each in linkage_keys:
        keys = _numbers(each.keys)
        at = np.minimum(np.searchsorted(known, keys), max(len(known) - 1, 0))
        found = np.arange(alone, alone + len(keys))
        there = known[at] == keys
        found[there] = known_people[order[at[there]]]
        labels.append(found)
        alone += len(keys)
    return labels


def _numbers(ids: NDArray[np.uint8]) -> NDArray[np.uint64]:
    """The first half of random identifiers, which tells them apart."""
    return np.ascontiguousarray(ids).view(np.uint64).reshape(len(ids), 2)[:, 0]


def plain(count: int, options: argparse.Namespace) -> dict[str, Any]:
    """Both tables as files of standardised plain records, for Splink: its process is to hold no more than it needs."""
    import pyarrow.parquet as pq  # noqa: PLC0415 - only the environment of the peers has it

    from tools.peers import plain_table  # noqa: PLC0415

    folder: Path = options.folder
    agreement = _agreement(folder)

    def write() -> None:
        for place, side in enumerate(SIDES):
            columns = joined(standardised(_rows(folder / f"{side}.csv"), place, agreement))
            table = plain_table(columns, agreement.content, start=place * count)
            pq.write_table(table, folder / f"{side}.parquet")

    clocks, _ = clocked(write)
    return {**clocks, "records": count, "peak_bytes": peak_bytes()}


def splink(count: int, options: argparse.Namespace) -> dict[str, Any]:
    """Splink on plain records in files, from its input tables to clusters."""
    import pyarrow.parquet as pq  # noqa: PLC0415 - only the environment of the peers has it

    from tools.peers import SPLINK_THRESHOLD, PlainTables, Splink, weight_of  # noqa: PLC0415

    folder: Path = options.folder
    agreement = _agreement(folder).content

    def cluster() -> tuple[Sequence[Labels], str]:
        tables = {side: pq.read_table(folder / f"{side}.parquet") for side in SIDES}
        model = Splink(PlainTables(agreement, tables))
        return model.clusters(weight_of(SPLINK_THRESHOLD)), model.memory_limit

    clocks, (labels, limit) = clocked(cluster)
    peak = peak_bytes()
    truths = [np.load(folder / f"{side}.rows.npy", allow_pickle=False) for side in SIDES]
    found = {**clocks, "records": count, "peak_bytes": peak, "memory_limit": limit}
    return {**found, **_scored(labels, truths)}


def _scored(labels: Sequence[Labels], truths: Sequence[Labels]) -> dict[str, float]:
    found = score(labels, truths, [False, False])
    return {"precision": found.precision, "recall": found.recall, "f1": found.f1}


def demo(count: int, options: argparse.Namespace) -> dict[str, Any]:
    """The demonstration: every party's own commands, from keys to the audit."""
    command = [sys.executable, "-m", "pprl", "demo", "--records", str(count), "--json"]
    memory = MostMemory()
    with memory.watched():
        clocks, done = clocked(
            lambda: subprocess.run(
                [*command, "--out", str(options.folder / "demo")], stdout=subprocess.PIPE, check=True
            )
        )
    report = json.loads(done.stdout)
    told = ("precision", "recall", "f1", "estimated_precision", "estimated_recall")
    return {
        **clocks,
        "people": count,
        "records": sum(report["records"].values()),
        "peak_bytes": report["peak_memory_bytes"],
        "family_bytes": memory.bytes,
        "stages": report["seconds"],
        **{name: report[name] for name in told},
    }


Case = Callable[[int, argparse.Namespace], dict[str, Any]]
CASES: tuple[Case, ...] = (people, encode, match, issue, plain, splink, demo)
