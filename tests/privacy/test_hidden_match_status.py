"""A department can't tell from its linkage keys which of its records matched, over however many runs.

What it sees is a file of handles and keys. Over many runs with made-up references and decisions, everything in it is
held against who matched: place in the file, bits and bytes of the keys, their order, how many records share one. There
must be no difference; and each kind of leak that one could put in by mistake must show.

Runs are drawn from fixed seeds, so that a test that has passed passes again. Where the code draws in another
order, a p-value is drawn anew: one in a million is then below `SIGNIFICANCE` by chance.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, cast

import numpy as np
import pytest
from numpy.typing import NDArray

from coordinator.linkage import issuing
from coordinator.linkage.compare import Pairs
from coordinator.linkage.evidence import Estimate, Evidence
from coordinator.linkage.issuing import Decided, Issued
from coordinator.linkage.solve import Compared
from pprl.protocol import agreement as agreements
from pprl.protocol import linkage_keys
from pprl.protocol.agreement import AgreementFile
from pprl.protocol.framing import ID_BYTES, Bytes, ascending
from pprl.protocol.submission import NO_COPIES, Copies, CountedPass, References, ReferencesHeader
from tests.conformance.make_format_vectors import AGREEMENTS
from tests.support.statistics import chi_squared, kolmogorov_smirnov, mann_whitney, most_telling

SIGNIFICANCE = 1e-6
RUNS = 60
EVENTS_PEOPLE, PEOPLE = 90, 120
NAMES = ("events", "people")

Flags = NDArray[np.bool_]
Source = Callable[[int], Callable[[int], bytes]]


def _agreement(scheme: str, keys: str) -> AgreementFile:
    text = AGREEMENTS["usual" if scheme == "clk" else "field-filters"]
    text = text.replace('"per-person"', f'"{keys}"').replace(
        "expected_rows_max = 20", "expected_rows_max = 9999"
    )
    return agreements.parse(text.encode(), where=scheme)


EVERY_AGREEMENT = [
    (scheme, keys) for scheme in ("clk", "field-filters") for keys in ("per-person", "per-record")
]


@dataclass(frozen=True)
class Run:
    """A made-up run before keys are issued.

    Attributes:
        agreement: the agreement.
        references: what departments sent.
        decided: which pairs link.
        matched: for each dataset, whether each record is of somebody who is in the other one, in the handles' order.
    """

    agreement: AgreementFile
    references: Mapping[str, References]
    decided: Decided
    matched: tuple[Flags, Flags]


def _made_up(agreement: AgreementFile, rng: np.random.Generator, share: float = 0.5) -> Run:
    """Events of one to three records a person, some alike and some not, whoever is matched; people once each."""
    owners = rng.permutation(np.repeat(np.arange(EVENTS_PEOPLE), rng.integers(1, 4, EVENTS_PEOPLE)))
    alike, in_both = rng.random(EVENTS_PEOPLE) < 0.7, rng.random(EVENTS_PEOPLE) < share
    copies = (
        _copies(owners, alike, rng) if agreement.content.encoding.scheme == "field-filters" else NO_COPIES
    )
    compared = np.setdiff1d(np.arange(len(owners)), copies.records)
    partner = rng.permutation(PEOPLE)[:EVENTS_PEOPLE]
    own = [
        (one, other)
        for place, one in enumerate(compared)
        for other in compared[place + 1 :]
        if owners[one] == owners[other] and alike[owners[one]]
    ]
    between = [(record, partner[owners[record]]) for record in compared if in_both[owners[record]]]
    decided = Decided(
        (Compared(0, 0, _pairs(own)), Compared(0, 1, _pairs(between)), Compared(1, 1, _pairs([]))),
        threshold=0.8,
        method="made up",
        precision=cast("Estimate", None),
        recall=cast("Estimate", None),
        evidence=cast("Evidence", None),
        merge_share=0.0,
    )
    references = {
        "events": _references(agreement, "events", len(owners), copies, rng),
        "people": _references(agreement, "people", PEOPLE, NO_COPIES, rng),
    }
    return Run(
        agreement, references, decided, (in_both[owners], np.isin(np.arange(PEOPLE), partner[in_both]))
    )


def _copies(owners: NDArray[np.int64], alike: Flags, rng: np.random.Generator) -> Copies:
    """Of some people's records, one that equals an earlier one."""
    found = []
    for person in np.flatnonzero(alike & (rng.random(EVENTS_PEOPLE) < 0.5)):
        records = np.flatnonzero(owners == person)
        if len(records) > 1:
            found.append((records[-1], records[0]))
    records, originals = np.array(sorted(found), dtype=np.int64).reshape(-1, 2).T
    return Copies(records, originals)


def _pairs(rows: Sequence[tuple[int, int]]) -> Pairs:
    left, right = np.array(rows, dtype=np.uint32).reshape(-1, 2).T
    return Pairs(left, right, np.full(len(rows), 0.95))


def _references(
    agreement: AgreementFile, dataset: str, records: int, copies: Copies, rng: np.random.Generator
) -> References:
    handles = rng.integers(0, 256, (records, ID_BYTES), dtype=np.uint8)
    header = ReferencesHeader(
        agreement_sha256=agreement.sha256,
        dataset=dataset,
        party=agreement.content.dataset_named(dataset).party,
        submission="5" * 32,
        records=records,
        passes=(CountedPass(name="clk", records=0),),
    )
    return References(header, handles[ascending(handles)], (), (), copies)


def _issue(run: Run, random_bytes: Callable[[int], bytes]) -> Issued:
    """Issue keys by what was made up; the report, which stays with the key issuer, is left out."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(issuing, "_decide", lambda *_: run.decided)
        patch.setattr(issuing, "_report", lambda *_: {})
        return issuing.issue(
            run.agreement, run.references, b"", random_bytes=random_bytes, progress=lambda _what, _share: None
        )


def drawn_at_random(seed: int) -> Callable[[int], bytes]:
    return random.Random(seed).randbytes


def drawn_in_order(_seed: int) -> Callable[[int], bytes]:
    """Keys that count up: each tells when it was drawn."""
    drawn = 0

    def count_up(length: int) -> bytes:
        nonlocal drawn
        start, drawn = drawn, drawn + length // ID_BYTES
        return b"".join(number.to_bytes(ID_BYTES, "big") for number in range(start, drawn))

    return count_up


@dataclass(frozen=True)
class Seen:
    """What a department sees of each record in a run, and what it must not be able to tell: `matched`.

    Attributes:
        matched: shape (records,).
        place: of the record in the file, from 0 to 1.
        keys: shape (records, 16).
        order: of its key among the file's keys, from 0 to 1.
        sharing: how many records have its key.
        first: whether it is the first record in the file with its key.
    """

    matched: Flags
    place: NDArray[np.float64]
    keys: Bytes
    order: NDArray[np.float64]
    sharing: NDArray[np.int64]
    first: Flags


def _seen(file: bytes, run: Run, dataset: str) -> Seen:
    """Look at a file's bytes as a department might, without asking whether they are in order."""
    handles = run.references[dataset].handles
    table = np.frombuffer(file[-len(handles) * 2 * ID_BYTES :], dtype=np.uint8).reshape(-1, 2 * ID_BYTES)
    at = {handle.tobytes(): place for place, handle in enumerate(handles)}
    record = [at[row.tobytes()] for row in table[:, :ID_BYTES]]
    keys = table[:, ID_BYTES:]
    _, first, order, sharing = np.unique(
        keys, axis=0, return_index=True, return_inverse=True, return_counts=True
    )
    order, count = order.reshape(-1), len(table)
    return Seen(
        run.matched[NAMES.index(dataset)][record],
        np.arange(count) / count,
        keys,
        order / len(sharing),
        sharing[order],
        np.isin(np.arange(count), first),
    )


Leak = Callable[[bytes, Run, str], bytes]


def _files(issued: Issued, run: Run, leak: Leak) -> dict[str, bytes]:
    files = {each.header.dataset: linkage_keys.write(each) for each in issued.linkage_keys}
    return {dataset: leak(file, run, dataset) for dataset, file in files.items()}


def no_leak(file: bytes, _run: Run, _dataset: str) -> bytes:
    return file


def _p_values(
    agreement: AgreementFile, source: Source = drawn_at_random, leak: Leak = no_leak, runs: int = RUNS
) -> dict[str, float]:
    """For each dataset and each thing that can be seen, how likely so large a difference is if there is none."""
    rng = np.random.default_rng(2019)
    seen: dict[str, list[Seen]] = {name: [] for name in NAMES}
    for seed in range(runs):
        run = _made_up(agreement, rng)
        for dataset, file in _files(_issue(run, source(seed)), run, leak).items():
            seen[dataset].append(_seen(file, run, dataset))
    return {f"{dataset}: {what}": p for dataset, found in seen.items() for what, p in _tests(found).items()}


def _tests(found: Sequence[Seen]) -> dict[str, float]:
    def of(name: str) -> NDArray[Any]:
        return np.concatenate([getattr(each, name) for each in found])

    matched, first = of("matched"), of("first")
    keys, order, status = of("keys")[first], of("order")[first], matched[first]
    bits = np.unpackbits(keys, axis=1)
    place = of("place")
    return {
        "bits": chi_squared(*_tables(bits, status, 2)),
        "bytes": chi_squared(*_tables(keys, status, 256)),
        "most telling of the bits": most_telling(_tables(bits, status, 2)),
        "most telling of the bytes": most_telling(_tables(keys, status, 256)),
        "bits set": mann_whitney(bits[status].sum(axis=1), bits[~status].sum(axis=1)),
        "height of place": mann_whitney(place[matched], place[~matched]),
        "spread of place": kolmogorov_smirnov(place[matched], place[~matched]),
        "height of key": mann_whitney(order[status], order[~status]),
        "spread of key": kolmogorov_smirnov(order[status], order[~status]),
        "sharing": chi_squared(*_tables(of("sharing")[:, None], matched, 10)),
        "parity": chi_squared(*_tables((bits.sum(axis=1) % 2)[:, None], status, 2)),
    }


def _tables(values: NDArray[Any], matched: Flags, classes: int) -> list[NDArray[np.int64]]:
    return [
        np.stack([np.bincount(column[group], minlength=classes) for group in (matched, ~matched)])
        for column in values.T
    ]


@pytest.mark.parametrize("source", [drawn_at_random, drawn_in_order])
@pytest.mark.parametrize(("scheme", "keys"), EVERY_AGREEMENT)
def test_nothing_in_the_keys_tells_who_matched(scheme: str, keys: str, source: Source) -> None:
    found = _p_values(_agreement(scheme, keys), source)
    assert {what: p for what, p in found.items() if p < SIGNIFICANCE} == {}


@pytest.mark.slow
@pytest.mark.parametrize(("scheme", "keys"), EVERY_AGREEMENT)
def test_nothing_tells_it_over_hundreds_of_runs(scheme: str, keys: str) -> None:
    found = _p_values(_agreement(scheme, keys), runs=600)
    assert {what: p for what, p in found.items() if p < SIGNIFICANCE} == {}


def a_bit_that_says_it(file: bytes, run: Run, dataset: str) -> bytes:
    return _with_last_bytes(file, run, dataset, lambda last, matched: last & 0xFE | matched)


def a_bit_that_says_it_at_times(file: bytes, run: Run, dataset: str) -> bytes:
    """Of every tenth key."""
    return _with_last_bytes(
        file, run, dataset, lambda last, matched: np.where(last % 10 == 0, last & 0xFE | matched, last)
    )


def a_byte_that_is_rare(file: bytes, run: Run, dataset: str) -> bytes:
    """No key of a matched record ends in a byte below 16."""
    return _with_last_bytes(
        file, run, dataset, lambda last, matched: np.where((last < 16) & (matched == 1), last + 128, last)
    )


def parity_that_says_it(file: bytes, run: Run, dataset: str) -> bytes:
    """No bit alone tells anything; all bits together tell everything."""
    table, matched = _table(file, run, dataset)
    odd = np.unpackbits(table[:, ID_BYTES:], axis=1).sum(axis=1) % 2
    table[:, -1] ^= (odd != matched).astype(np.uint8)
    return file[: -table.size] + table.tobytes()


def matched_records_first(file: bytes, run: Run, dataset: str) -> bytes:
    table, matched = _table(file, run, dataset)
    return file[: -table.size] + table[np.argsort(~matched, kind="stable")].tobytes()


def lower_keys_for_matched_records(file: bytes, run: Run, dataset: str) -> bytes:
    table, matched = _table(file, run, dataset)
    keys = table[:, ID_BYTES:].copy()
    table[np.argsort(~matched, kind="stable"), ID_BYTES:] = keys[ascending(keys)]
    return file[: -table.size] + table.tobytes()


def _table(file: bytes, run: Run, dataset: str) -> tuple[Bytes, Flags]:
    handles = run.references[dataset].handles
    table = np.frombuffer(file[-len(handles) * 2 * ID_BYTES :], dtype=np.uint8).reshape(-1, 2 * ID_BYTES)
    return table.copy(), run.matched[NAMES.index(dataset)]


def _with_last_bytes(file: bytes, run: Run, dataset: str, change: Callable[[Bytes, Bytes], Bytes]) -> bytes:
    table, matched = _table(file, run, dataset)
    table[:, -1] = change(table[:, -1], matched.astype(np.uint8))
    return file[: -table.size] + table.tobytes()


@pytest.mark.parametrize(
    ("leak", "shown_by"),
    [
        (a_bit_that_says_it, "bits"),
        (a_bit_that_says_it_at_times, "bits"),
        (a_byte_that_is_rare, "bytes"),
        (parity_that_says_it, "parity"),
        (matched_records_first, "place"),
        (lower_keys_for_matched_records, "key"),
    ],
)
def test_a_leak_in_the_file_shows(leak: Leak, shown_by: str) -> None:
    found = _p_values(_agreement("clk", "per-record"), leak=leak)
    for dataset in NAMES:
        assert (
            min(p for what, p in found.items() if what.startswith(dataset) and shown_by in what)
            < SIGNIFICANCE
        )


def test_a_leak_in_what_is_drawn_first_shows(monkeypatch: pytest.MonkeyPatch) -> None:
    """Owners numbered by size of their cluster: the first keys drawn are those of linked people."""

    def linked_people_first(_agreement: Any, people: Any, *_: Any) -> Any:
        sizes = np.bincount(np.concatenate(people))
        return [np.argsort(np.argsort(-sizes[labels], kind="stable")) for labels in people]

    monkeypatch.setattr(issuing, "_owners", linked_people_first)
    agreement = _agreement("clk", "per-record")
    found = _p_values(agreement, drawn_in_order)
    assert max(found["events: height of key"], found["people: height of key"]) < SIGNIFICANCE
    assert min(_p_values(agreement).values()) >= SIGNIFICANCE, "random keys do not tell when they were drawn"


def test_a_leak_in_what_shares_a_key_shows(monkeypatch: pytest.MonkeyPatch) -> None:
    """One key for all records of a person, whichever dataset's pairs join them."""

    def by_person(people: Sequence[NDArray[np.int64]], *_: Any, **__: Any) -> list[NDArray[np.int64]]:
        return [np.unique(labels, return_inverse=True)[1].reshape(-1) for labels in people]

    monkeypatch.setattr(issuing, "owners_of_keys", by_person)
    assert _p_values(_agreement("clk", "per-person"))["events: sharing"] < SIGNIFICANCE


@pytest.mark.parametrize(("scheme", "keys"), EVERY_AGREEMENT)
def test_files_are_equally_long_whoever_matched_and_differ_in_keys_alone(scheme: str, keys: str) -> None:
    agreement = _agreement(scheme, keys)
    nobody, everybody = (
        _files(_issue(run, drawn_at_random(7)), run, no_leak)
        for run in (_made_up(agreement, np.random.default_rng(3), share) for share in (0.0, 1.0))
    )
    for dataset in NAMES:
        one, other = nobody[dataset], everybody[dataset]
        assert len(one) == len(other)
        assert one[:12] == other[:12]
        end = 12 + int.from_bytes(one[8:12], "big")
        assert one[12:end] == other[12:end]


@pytest.mark.parametrize(("scheme", "keys"), EVERY_AGREEMENT)
def test_no_two_departments_get_a_key_in_common(scheme: str, keys: str) -> None:
    run = _made_up(_agreement(scheme, keys), np.random.default_rng(5))
    events, people = (
        {key.tobytes() for key in each.keys} for each in _issue(run, drawn_at_random(5)).linkage_keys
    )
    assert not events & people


@pytest.mark.parametrize(("scheme", "keys"), EVERY_AGREEMENT)
def test_the_made_up_matches_are_those_of_the_crosswalk(scheme: str, keys: str) -> None:
    """Else the tests above would compare groups that say nothing."""
    run = _made_up(_agreement(scheme, keys), np.random.default_rng(11))
    issued = _issue(run, drawn_at_random(11))
    datasets: dict[bytes, set[int]] = {}
    for person, dataset in zip(issued.crosswalk.people, issued.crosswalk.datasets.tolist(), strict=True):
        datasets.setdefault(person.tobytes(), set()).add(dataset)
    linked = {
        key.tobytes()
        for person, key in zip(issued.crosswalk.people, issued.crosswalk.keys, strict=True)
        if len(datasets[person.tobytes()]) > 1
    }
    for document, matched in zip(issued.linkage_keys, run.matched, strict=True):
        assert [key.tobytes() in linked for key in document.keys] == matched.tolist()
        assert 0.2 < matched.mean() < 0.8
