"""A submission is made in pieces: however they are cut the bytes are the same, and no piece is larger than agreed."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from contextlib import closing
from datetime import date
from itertools import pairwise

import numpy as np
import pytest

from pprl.agreements.draft import DatasetSketch, draft
from pprl.encode import encoder, outgoing, payloads
from pprl.encode.encoder import Encoding, Rows
from pprl.encode.linkage_secret import LinkageSecret
from pprl.encode.on_all_cores import in_order
from pprl.errors import DisclosureError
from pprl.protocol.agreement import AgreementFile, parse
from pprl.protocol.submission import (
    parse_encodings,
    parse_references,
    reference_bytes,
    reference_pieces,
    write_encodings,
    write_references,
)
from pprl.synthetic import linkage_pair

RECORDS = 150
PAIR = linkage_pair(RECORDS, RECORDS, 0.5, seed=5)
HEADER = tuple(name for name in PAIR.a.header if name != "person_id")
SCHEMES = ("field-filters", "clk")


def agreed(scheme: str, *, several: bool = False) -> AgreementFile:
    sketches = [DatasetSketch(name, HEADER, RECORDS) for name in ("a", "b")]
    text = draft(sketches, today=date(2026, 11, 22), scheme=scheme)
    if several:
        text = text.replace("may_have_duplicates = false", "may_have_duplicates = true")
    return parse(text.encode(), where="draft")


def rows(copies: int = 0, size: int = 40) -> Rows:
    columns = {name: values + values[:copies] for name, values in PAIR.a.columns.items()}
    columns["record_id"] = [f"r{number}" for number in range(RECORDS + copies)]
    for start in range(0, RECORDS + copies, size):
        yield start + 2, {name: values[start : start + size] for name, values in columns.items()}


def drawn() -> Callable[[int], bytes]:
    """The same bytes in each run, other ones in each draw."""
    draws = iter(range(1_000))
    return lambda length: hashlib.shake_256(bytes([next(draws)])).digest(length)


def begun(agreement: AgreementFile, copies: int = 0) -> Encoding:
    secret = LinkageSecret(agreement.sha256, "7" * 64, bytes(range(32)))
    dataset = agreement.content.dataset[0]
    return encoder.begin(
        rows(copies), dataset, agreement, secret, random_bytes=drawn(), seen=lambda _rows: None
    )


def pieces(made: Encoding, told: payloads.Progress = payloads.untold) -> Iterator[bytes]:
    return made.outgoing.encodings(told)


@pytest.mark.parametrize("scheme", SCHEMES)
@pytest.mark.parametrize("copies", [0, 30])
def test_however_they_are_cut_the_bytes_are_those_of_the_whole(
    monkeypatch: pytest.MonkeyPatch, scheme: str, copies: int
) -> None:
    agreement = agreed(scheme, several=copies > 0)
    whole = begun(agreement, copies)
    encodings = write_encodings(whole.outgoing.collected())
    references, home_map = whole.outgoing.references(), list(whole.outgoing.home_map())
    assert parse_encodings(encodings, agreement).header.records == RECORDS + copies
    assert parse_references(write_references(references), agreement).header.records == RECORDS + copies
    monkeypatch.setattr(outgoing, "RECORDS_AT_ONCE", 7)
    made = begun(agreement, copies)
    found = list(pieces(made))
    assert b"".join(found) == encodings
    assert len(encodings) == made.outgoing.encodings_bytes
    assert b"".join(reference_pieces(made.outgoing.references())) == write_references(references)
    assert reference_bytes(references) == len(write_references(references))
    assert list(made.outgoing.home_map()) == home_map


@pytest.mark.parametrize("scheme", SCHEMES)
def test_the_bytes_do_not_depend_on_the_number_of_threads(
    monkeypatch: pytest.MonkeyPatch, scheme: str
) -> None:
    monkeypatch.setattr(outgoing, "RECORDS_AT_ONCE", 7)
    found = []
    for threads in (1, 2, 5):
        monkeypatch.setattr("pprl.encode.payloads.cores", lambda number=threads: number)
        made = begun(agreed(scheme))
        found.append((b"".join(pieces(made)), b"".join(reference_pieces(made.outgoing.references()))))
    assert found[0] == found[1] == found[2]


def test_what_a_thread_raises_is_raised_and_no_more_is_begun() -> None:
    begun_with = []

    def work(number: int) -> int:
        begun_with.append(number)
        if number == 3:
            raise DisclosureError("refused")
        return number

    given = []
    with pytest.raises(DisclosureError):
        given.extend(each for each in in_order(work, range(100), threads=2))
    assert len(begun_with) < 10
    with closing(in_order(work, range(4, 100), threads=2)) as left:
        assert next(left) == 4
    assert len(begun_with) < 20


def test_one_thread_does_nothing_ahead() -> None:
    begun_with: list[int] = []
    found = in_order(begun_with.append, range(3), threads=1)
    next(found)
    assert begun_with == [0]


@pytest.mark.parametrize("scheme", SCHEMES)
def test_no_piece_has_more_records_than_agreed(monkeypatch: pytest.MonkeyPatch, scheme: str) -> None:
    """The bound on memory: what is made at a time does not grow with the dataset."""
    monkeypatch.setattr(outgoing, "RECORDS_AT_ONCE", 7)
    made = begun(agreed(scheme))
    widths = {each.record_bytes for each in made.outgoing.header.passes}
    head, *found = pieces(made)
    records = sum(each.records for each in made.outgoing.header.passes)
    assert head.startswith(b"PPRLENC1")
    assert max(map(len, found)) == 7 * max(widths)
    assert len(found) >= records / 7


@pytest.mark.parametrize("scheme", SCHEMES)
def test_progress_is_told_from_beginning_to_end(scheme: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(outgoing, "RECORDS_AT_ONCE", 50)
    told: list[tuple[str, float]] = []
    list(pieces(begun(agreed(scheme)), lambda what, share: told.append((what, share))))
    assert {what for what, _ in told} == {"encoding"}
    shares = [share for _, share in told]
    assert (shares[0], shares[-1]) == (0, 1)
    assert all(one <= other for one, other in pairwise(shares))
    assert len(told) > 3


@pytest.mark.parametrize("gate", ["piece", "whole"])
def test_a_gate_refuses_before_the_pass_is_whole(monkeypatch: pytest.MonkeyPatch, gate: str) -> None:
    def refuse(*_arguments: object) -> None:
        raise DisclosureError("refused")

    monkeypatch.setattr(payloads.FieldFilterChecks, gate, refuse)
    made = begun(agreed("field-filters"))
    given = []
    with pytest.raises(DisclosureError):
        given.extend(pieces(made))
    assert sum(map(len, given)) < made.outgoing.encodings_bytes
    with pytest.raises(ValueError, match="encodings that were made"):
        made.outgoing.references()


def test_filters_that_are_not_salted_by_block_are_refused_when_their_pass_ends(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(outgoing, "RECORDS_AT_ONCE", 7)
    made = begun(agreed("field-filters"))
    salted = made.outgoing._payloads._encoder.salted

    def unsalted(planned: object) -> object:
        found = salted(planned)
        found.salts[:] = 0
        return found

    monkeypatch.setattr(
        type(made.outgoing._payloads._encoder), "salted", lambda _, planned: unsalted(planned)
    )
    with pytest.raises(DisclosureError, match="several blocks"):
        list(pieces(made))


def test_references_do_not_follow_the_order_of_the_rows() -> None:
    made = begun(agreed("clk"))
    made.outgoing.collected()
    (places,) = made.outgoing.references().positions
    ids = [record_id for _, record_id in made.outgoing.home_map()]
    assert sorted(places.tolist()) == list(range(RECORDS))
    assert not (np.diff(places.astype(np.int64)) > 0).all()
    assert len(set(ids)) == RECORDS
    assert ids != sorted(ids)
