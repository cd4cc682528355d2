"""Encodings read pass by pass against plain checks of the whole; ranges of tags against all at once."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator
from datetime import date

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from coordinator.linkage import match_field_filters, matching
from coordinator.linkage.ranges import in_range
from pprl.agreements.draft import DatasetSketch, draft
from pprl.encode import encoder
from pprl.encode.linkage_secret import LinkageSecret
from pprl.errors import DisclosureError, FormatError, PprlError
from pprl.protocol import agreement as agreements
from pprl.protocol import framing, submission
from pprl.protocol.agreement import AgreementFile
from pprl.protocol.framing import ID_BYTES
from pprl.protocol.submission import Encodings, EncodingsReader
from pprl.synthetic import linkage_pair

ROWS = 150


def agreement_of(header: tuple[str, ...], *, one_person: bool) -> AgreementFile:
    sketches = [DatasetSketch(name, header, ROWS) for name in ("a", "b")]
    text = draft(sketches, today=date(2026, 1, 1), scheme="field-filters")
    if not one_person:
        text = text.replace("one_person_a_block = true", "one_person_a_block = false")
        text = text.replace('profile = "accuracy-first"\n', "")
    return agreements.parse(text.encode(), where="draft")


@pytest.fixture(scope="module", params=[True, False], ids=["one person a block", "whole blocks"])
def sent(request: pytest.FixtureRequest) -> tuple[AgreementFile, dict[str, bytes]]:
    pair = linkage_pair(ROWS, ROWS, 0.6, seed=4)
    agreement = agreement_of(pair.a.without_truth().header, one_person=request.param)
    secret = LinkageSecret(agreement.sha256, "7" * 64, bytes(range(32)))
    drawn = np.random.default_rng(5).bytes
    written = {}
    for name, table in (("a", pair.a), ("b", pair.b)):
        made = encoder.encode(
            [(2, table.columns)], agreement.content.dataset_named(name), agreement, secret,
            random_bytes=drawn, seen=lambda _rows: None,
        )  # fmt: skip
        written[name] = submission.write_encodings(made.encodings)
    return agreement, written


def plainly(raw: bytes, agreement: AgreementFile) -> list[np.ndarray]:
    """All tables at once, by the plain checks, which departments have too."""
    header, body = framing.read_header(
        raw, submission.ENCODINGS_MAGIC, submission.encodings_header(agreement)
    )
    dataset = framing.require_dataset(header, agreement, what="encodings")
    tables = framing.read_tables(body, [(each.records, each.record_bytes) for each in header.passes])
    for table in tables:
        framing.require_ascending(table, what="reference")
        records = submission.blocked(table[:, ID_BYTES:], submission.filters_of(agreement))
        submission.require_no_wildcards(table[:, ID_BYTES + 20 :], agreement)
        submission._require_agreed_masks(records)
        submission._require_agreed_blocks(
            records.tags, submission._most_of_a_block(agreement, header.dataset)
        )
        submission.require_no_structure(table[:, ID_BYTES:], dataset, agreement)
    framing.require_distinct(np.concatenate([table[:, :ID_BYTES] for table in tables]), what="reference")
    return tables


def by_pass(raw: bytes, agreement: AgreementFile) -> list[np.ndarray]:
    return list(EncodingsReader(io.BytesIO(raw), agreement, size=len(raw)).passes())


def outcome(
    read: Callable[[bytes, AgreementFile], list[np.ndarray]], raw: bytes, agreement: AgreementFile
) -> object:
    try:
        return [table.tolist() for table in read(raw, agreement)]
    except PprlError as error:
        return type(error), error.message


def tables_of(raw: bytes, agreement: AgreementFile) -> tuple[int, list[tuple[int, int, int]]]:
    """Where the tables begin, and of each its start, records and record bytes."""
    header, body = framing.read_header(
        raw, submission.ENCODINGS_MAGIC, submission.encodings_header(agreement)
    )
    start, found = len(raw) - len(body), []
    for each in header.passes:
        found.append((start, each.records, each.record_bytes))
        start += each.records * each.record_bytes
    return len(raw) - len(body), found


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_the_reader_refuses_what_the_plain_checks_refuse(
    sent: tuple[AgreementFile, dict[str, bytes]], data: st.DataObject
) -> None:
    agreement, written = sent
    raw = bytearray(written["a"])
    _, tables = tables_of(written["a"], agreement)
    for _ in range(data.draw(st.integers(0, 2))):
        start, records, width = data.draw(st.sampled_from(tables))
        one, other = (start + width * data.draw(st.integers(0, records - 1)) for _ in range(2))
        what = data.draw(st.sampled_from(["bit", "tag", "mask", "filters", "reference", "empty"]))
        low, high = {"tag": (16, 32), "mask": (32, 36), "filters": (36, 36 + 16), "reference": (0, 16)}.get(
            what, (36, width)
        )
        if what == "bit":
            raw[one + data.draw(st.integers(0, width - 1))] ^= 1 << data.draw(st.integers(0, 7))
        elif what == "empty":
            raw[one + 32 : one + width] = bytes(width - 32)
        else:
            raw[one + low : one + high] = raw[other + low : other + high]
    plain, read = (outcome(each, bytes(raw), agreement) for each in (plainly, by_pass))
    # Of two faults, one or the other is told.
    assert plain == read or (isinstance(plain, tuple) and isinstance(read, tuple))


def test_both_accept_what_was_written(sent: tuple[AgreementFile, dict[str, bytes]]) -> None:
    agreement, written = sent
    for raw in written.values():
        found = outcome(by_pass, raw, agreement)
        assert isinstance(found, list)
        assert found == outcome(plainly, raw, agreement)
        parsed = submission.parse_encodings(raw, agreement)
        assert submission.write_encodings(parsed) == raw


@pytest.mark.parametrize("cut", [1, 5_000])
def test_a_stream_that_ends_early_or_late_is_refused(
    sent: tuple[AgreementFile, dict[str, bytes]], cut: int
) -> None:
    agreement, written = sent
    raw = written["a"]
    with pytest.raises(FormatError, match="truncated"):
        by_pass(raw[:-cut], agreement)
    with pytest.raises(FormatError, match="longer"):
        by_pass(raw + bytes(cut), agreement)
    # The same where the stream is not what its length promised.
    with pytest.raises(FormatError, match="truncated"):
        list(EncodingsReader(io.BytesIO(raw[:-cut]), agreement, size=len(raw)).passes())
    with pytest.raises(FormatError, match="longer"):
        list(EncodingsReader(io.BytesIO(raw + bytes(cut)), agreement, size=len(raw)).passes())


def test_a_reference_of_two_passes_is_refused_unless_it_was_looked_at_before(
    sent: tuple[AgreementFile, dict[str, bytes]],
) -> None:
    agreement, written = sent
    raw = bytearray(written["a"])
    _, ((first, *_), (second, *_), *_) = tables_of(written["a"], agreement)
    lower = min(bytes(raw[at : at + 16]) for at in (first, second))
    for at in (first, second):
        raw[at : at + 16] = lower
    with pytest.raises(FormatError, match="A reference is repeated"):
        by_pass(bytes(raw), agreement)
    reader = EncodingsReader(io.BytesIO(raw), agreement, size=len(raw))
    assert len(list(reader.passes(across=False))) == len(reader.header.passes)


def test_what_is_not_wanted_is_checked_all_the_same(sent: tuple[AgreementFile, dict[str, bytes]]) -> None:
    agreement, written = sent
    raw = bytearray(written["a"])
    raw[-60:] = bytes(60)
    reader = EncodingsReader(io.BytesIO(raw), agreement, size=len(raw))
    with pytest.raises((DisclosureError, FormatError)):
        list(reader.passes(lambda batch: np.zeros(len(batch), dtype=bool)))


class Read:
    """Encodings that are read anew each time."""

    def __init__(self, raw: bytes, agreement: AgreementFile) -> None:
        self._raw, self._agreement = raw, agreement
        self.header = self._reader().header

    def _reader(self) -> EncodingsReader:
        return EncodingsReader(io.BytesIO(self._raw), self._agreement, size=len(self._raw))

    def passes(self, wanted: submission.Wanted | None = None) -> Iterator[np.ndarray]:
        return self._reader().passes(wanted, across=wanted is None)


@pytest.mark.parametrize("ranges", [2, 4, 16])
def test_ranges_of_tags_give_the_document_that_all_at_once_gives(
    sent: tuple[AgreementFile, dict[str, bytes]], ranges: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    agreement, written = sent

    def document() -> bytes:
        encodings = {name: Read(raw, agreement) for name, raw in written.items()}
        return matching.match(agreement, encodings, progress=lambda _what, _share: None).document

    whole = document()
    monkeypatch.setattr(match_field_filters, "ranges_for", lambda *_, **__: ranges)
    assert document() == whole
    encodings = {name: submission.parse_encodings(raw, agreement) for name, raw in written.items()}
    assert isinstance(encodings["a"], Encodings)
    assert matching.match(agreement, encodings, progress=lambda _what, _share: None).document == whole


@given(st.lists(st.binary(min_size=40, max_size=40), max_size=50), st.sampled_from([1, 2, 8, 64, 256]))
def test_every_record_is_in_one_range(rows: list[bytes], ranges: int) -> None:
    batch = np.frombuffer(b"".join(rows), dtype=np.uint8).reshape(-1, 40)
    flags = np.array([in_range(number, ranges)(batch) for number in range(ranges)])
    assert (flags.sum(axis=0) == 1).all()
