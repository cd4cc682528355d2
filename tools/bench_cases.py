"""What `make bench` measures, one case a process, so that seconds and memory are the case's alone.

    python -m tools.bench_cases CASE [OPTIONS]

prints one JSON object; `left_out` in it says why there is nothing to measure here. These cases hold the process to one
core; `tools/bench_linking.py` has those on all cores. Everybody gets the same generated people, and ours and the peers'
input is standardised before a clock starts.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import secrets
import sys
import tempfile
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from coordinator.linkage import issuing, solve
from coordinator.linkage.budget import peak_bytes
from coordinator.linkage.compare import Pairs
from coordinator.linkage.solve import Compared
from pprl.encode import encoder
from pprl.encode.clk import ClkEncoder, linkage_schema
from pprl.encode.encoder import Rows, Survey
from pprl.encode.linkage_secret import LinkageSecret
from pprl.encode.outgoing import RECORDS_AT_ONCE, Outgoing, Written
from pprl.encode.passes import CodedColumns, coded
from pprl.encode.payloads import FieldFilterPayloads, untold
from pprl.encode.row_commitments import RowSalts
from pprl.protocol.agreement import AgreementFile
from pprl.protocol.submission import Copies, reference_pieces
from tools import bench_linking
from tools.bench_clocks import Stopwatch, clocked, on_one_core
from tools.bench_people import BATCH, SIDES, Columns, agreement_for, batches, joined, standardised

KEY = bench_linking.KEY
FLOOR = 0.8
# As many as reach all that is compiled, before a clock starts.
FIRST_RECORDS = 2_000
# Of the accepted pairs of two tables, the share that are of one person; the others compete with them.
RIGHT = 0.8


def clks(people: int, options: argparse.Namespace) -> dict[str, Any]:
    """CLKs of a table's standardised values, by clkhash or by us; all of them are digested, to be compared."""
    on_one_core()
    agreement = agreement_for(people, "clk")
    encode = {"clkhash": _by_clkhash, "ours": _by_us}[options.peer]
    table = standardised(batches(people, 0), 0, agreement)
    batch = next(table)
    encode([{name: values[:FIRST_RECORDS] for name, values in batch.items()}], agreement, Stopwatch())
    watch = Stopwatch()
    made = encode(chain([batch], table), agreement, watch)
    digest = hashlib.sha256(b"".join(made)).hexdigest()
    return {**watch.told(), "records": people, "clks": digest, "peak_bytes": peak_bytes()}


def _by_us(table: Iterable[Columns], agreement: AgreementFile, watch: Stopwatch) -> Sequence[bytes]:
    """As `pprl encode` does it, but in the table's order, as clkhash: each batch is numbered, then pieces encoded."""
    numbered = CodedColumns(agreement.content.kinds())
    for batch in table:
        with watch.runs():
            numbered.add(batch)
    with watch.runs():
        columns = numbered.coded()
        rows = np.arange(len(next(iter(columns.values())).codes))
        clk_encoder = ClkEncoder(agreement.content, KEY)
        pieces = [
            clk_encoder.encode_coded(columns, rows[start : start + RECORDS_AT_ONCE])
            for start in range(0, len(rows), RECORDS_AT_ONCE)
        ]
    return _rows_of(np.concatenate(pieces))


def _rows_of(made: NDArray[np.uint8]) -> Sequence[bytes]:
    found: Sequence[bytes] = made.view(f"V{made.shape[1]}").reshape(-1)
    return found


def _by_clkhash(table: Iterable[Columns], agreement: AgreementFile, watch: Stopwatch) -> Sequence[bytes]:
    from clkhash.clk import generate_clks  # noqa: PLC0415 - only where it is measured
    from clkhash.schema import from_json_dict  # noqa: PLC0415

    columns = joined(table)
    order = [feature.identifier for feature in agreement.content.encoding.clk_parameters.features]
    records = [list(row) for row in zip(*(columns[name] for name in order), strict=True)]
    schema = from_json_dict(linkage_schema(agreement.content))
    with watch.runs():
        made = list(generate_clks(records, schema, KEY, validate=False, max_workers=1))
    return list(map(bytes, made))


def filters(people: int, options: argparse.Namespace) -> dict[str, Any]:
    """Field filters, and everything else that is sent: from raw columns, or from standardised values.

    Standardising and the commitment to rows are in the clock of the one and not of the other.
    """
    on_one_core()
    begin = {"raw": _from_raw, "standardised": _from_standardised}[options.peer]
    agreement, small = agreement_for(people, "field-filters"), agreement_for(BATCH, "field-filters")
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder)
        _sent(begin(batches(BATCH, 0), small)(), out)
        ready = begin(list(batches(people, 0)), agreement)
        clocks, _ = clocked(lambda: _sent(ready(), out))
    passes = len(agreement.content.encoding.field_filter_parameters.passes)
    return {**clocks, "records": people, "passes": passes, "peak_bytes": peak_bytes()}


Begin = Callable[[], Outgoing]


def _from_raw(table: Rows, agreement: AgreementFile) -> Begin:
    secret = bench_linking.secret_for(agreement)
    dataset = agreement.content.dataset[0]
    return lambda: (
        encoder.begin(
            table, dataset, agreement, secret, random_bytes=secrets.token_bytes, seen=lambda _rows: None
        ).outgoing
    )


def _from_standardised(table: Rows, agreement: AgreementFile) -> Begin:
    dataset = agreement.content.dataset[0]
    found, columns = encoder.encodable_records(table, dataset, agreement, seen=lambda _rows: None)
    written = _written(found, agreement, bench_linking.secret_for(agreement))

    def begin() -> Outgoing:
        numbered = {name: coded(values) for name, values in columns.items()}
        key = written.secret.encoding_key("field-filters")
        payloads = FieldFilterPayloads(numbered, dataset, agreement, key, secrets.token_bytes, untold)
        return Outgoing(payloads, written, secrets.token_bytes)

    return begin


def _written(found: Survey, agreement: AgreementFile, secret: LinkageSecret) -> Written:
    """What the documents say beside encodings; which rows lack too much doesn't matter to the clock."""
    dataset = agreement.content.dataset[0]
    salts = RowSalts(agreement.sha256, dataset.name, "0" * 32, found.rows, "0" * 64, bytes(32))
    rows = np.arange(found.encodable)
    return Written(dataset, agreement, secret, found.record_ids, rows, {}, b"", salts)


def _sent(made: Outgoing, folder: Path) -> None:
    with (folder / "encodings").open("wb") as file:
        file.writelines(made.encodings(untold))
    with (folder / "references").open("wb") as file:
        file.writelines(reference_pieces(made.references()))


class MissingPeerError(Exception):
    """What is to be measured is not to be had on this machine."""


def compare(people: int, options: argparse.Namespace) -> dict[str, Any]:
    """All pairs of two sets of CLKs that reach a Dice coefficient."""
    on_one_core()
    agreement = agreement_for(people, "clk")
    left, right = (
        ClkEncoder(agreement.content, KEY).encode(
            joined(standardised(batches(people, side), side, agreement))
        )
        for side in (0, 1)
    )
    with tempfile.TemporaryDirectory() as folder:
        try:
            find = _COMPARERS[options.peer](Path(folder))
        except MissingPeerError as reason:
            return {"left_out": str(reason)}
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
        raise MissingPeerError("there is no C++ compiler here that can build it")
    kernel = limit_kernel.load(library)
    if not kernel.vectors:
        raise MissingPeerError("this processor has no AVX-512 VPOPCNTDQ, without which it is no limit")
    return lambda left, right: len(kernel.pairs(left, right, floor=FLOOR))


_COMPARERS = {"ours": _ours, "anonlink": _anonlink, "limit": _limit}


@dataclass(frozen=True, slots=True)
class Accepted:
    """Pairs of two tables with a record a person, all of them accepted, no two with one score.

    Attributes:
        people: records of each table.
        left: record of the first table, shape (pairs,).
        right: record of the second.
        scores: of the pairs.
    """

    people: int
    left: NDArray[np.uint32]
    right: NDArray[np.uint32]
    scores: NDArray[np.float64]


def clusters(pairs: int, options: argparse.Namespace) -> dict[str, Any]:
    """From accepted pairs to clusters, and with ours to linkage keys and the crosswalk."""
    on_one_core()
    group = {"ours": _keyed_by_us, "anonlink": _solved_by_anonlink}[options.peer]
    group(accepted(1_000))
    given = accepted(pairs)
    clocks, groups = clocked(lambda: group(given))
    return {**clocks, "pairs": len(given.left), "groups": groups, "peak_bytes": peak_bytes()}


def accepted(pairs: int) -> Accepted:
    """As many pairs: most of one person, the others between these and less alike. From the most alike down."""
    people = int(pairs * RIGHT)
    rng = np.random.default_rng(pairs)
    first = rng.integers(0, people, pairs - people)
    # Never the person's own record, and no pair twice.
    rival = (first + rng.integers(1, people, len(first))) % people
    both = np.unique(first.astype(np.uint64) << np.uint64(32) | rival.astype(np.uint64))
    left = np.concatenate([np.arange(people), both >> np.uint64(32)]).astype(np.uint32)
    right = np.concatenate([np.arange(people), both & np.uint64(0xFFFFFFFF)]).astype(np.uint32)
    # A rival may well be more alike than the person's own record.
    scores = np.concatenate([rng.random(people), 0.7 * rng.random(len(both))]) * 0.5 + 0.5
    order = np.argsort(-scores, kind="stable")
    return Accepted(people, left[order], right[order], scores[order])


def _keyed_by_us(given: Accepted) -> int:
    """Clusters, linkage keys and crosswalk of the pairs; how many people have several records."""
    agreement = agreement_for(given.people, "field-filters")
    compared = [Compared(0, 1, Pairs(given.left, given.right, given.scores))]
    sizes, clean = [given.people] * len(SIDES), [False] * len(SIDES)
    people = solve.clusters(sizes, clean, compared, 0.0)
    none = Copies(np.empty(0, np.int64), np.empty(0, np.int64))
    owners = issuing.owners_of_keys(people, clean, compared, 0.0, [none] * len(SIDES))
    keys = issuing.draw_keys(owners, secrets.token_bytes)
    crosswalk = issuing.crosswalk_of(people, owners, keys, agreement, secrets.token_bytes)
    return len(crosswalk.keys) // len(SIDES)


def _solved_by_anonlink(given: Accepted) -> int:
    from anonlink.solving import greedy_solve  # noqa: PLC0415 - only where it is measured

    one, other = (np.full(len(given.left), place, np.uint32) for place in (0, 1))
    return sum(
        len(each) > 1 for each in greedy_solve((given.scores, (one, other), (given.left, given.right)))
    )


Case = Callable[[int, argparse.Namespace], dict[str, Any]]
CASES: dict[str, Case] = {
    each.__name__: each for each in (clks, filters, compare, clusters, *bench_linking.CASES)
}


def main() -> None:
    """Run one case and print what it gives."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("case", choices=CASES)
    parser.add_argument("size", type=int, help="people, or pairs")
    parser.add_argument("--peer", choices=("ours", "raw", "standardised", "clkhash", "anonlink", "limit"))
    parser.add_argument("--side", choices=SIDES)
    parser.add_argument("--engine", choices=("local", "spark"), default="local")
    parser.add_argument("--folder", type=Path)
    options = parser.parse_args()
    sys.stdout.write(json.dumps(CASES[options.case](options.size, options)) + "\n")


if __name__ == "__main__":
    main()
