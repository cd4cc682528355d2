"""What the vectors can't show: that writers put things in order, and what a reader hands on."""

from __future__ import annotations

import io
from typing import Any

import numpy as np
import pytest

from pprl.errors import DisclosureError, FormatError, VerificationError
from pprl.protocol import crosswalk, framing, linkage_keys, pairs, patterns, submission
from pprl.protocol.agreement import AgreementFile
from pprl.protocol.framing import ID_BYTES, Bytes
from tests.support.submissions import write_submission

RECORDS = 6
ORDER = np.array([3, 0, 2, 1])
SECRET = {"key_check": "c" * 32, "transcript": "7" * 64, "confirmation": "d" * 64}


def ids(seed: int, count: int) -> Bytes:
    drawn = np.random.default_rng(seed).integers(0, 256, (count, ID_BYTES), dtype=np.uint8)
    return drawn[framing.ascending(drawn)]


def about(agreement: AgreementFile) -> dict[str, Any]:
    return {
        "agreement_sha256": agreement.sha256,
        "dataset": "events",
        "party": "north",
        "submission": "5" * 32,
        "records": RECORDS,
    }


def encodings(agreement: AgreementFile, references: Bytes, filters: Bytes) -> submission.Encodings:
    encoded = submission.EncodedPass(name="clk", records=len(references), record_bytes=ID_BYTES + 64)
    header = submission.ClkHeader(**about(agreement), **SECRET, rows_root="e" * 64, passes=(encoded,))
    return submission.Encodings(header, (references,), (filters,))


def references(agreement: AgreementFile, found: Bytes, places: list[int]) -> submission.References:
    counted = submission.CountedPass(name="clk", records=len(found))
    header = submission.ReferencesHeader(**about(agreement), passes=(counted,))
    return submission.References(header, ids(2, RECORDS), (found,), (np.array(places, dtype=np.int64),))


def test_encodings_are_written_in_the_order_of_their_references(agreement: AgreementFile) -> None:
    found, filters = ids(1, 4), np.arange(4 * 64, dtype=np.uint8).reshape(4, 64) & 3
    raw = submission.write_encodings(encodings(agreement, found[ORDER], filters[ORDER]))
    read = submission.parse_encodings(raw, agreement)
    assert np.array_equal(read.references[0], found)
    assert np.array_equal(read.filters[0], filters)


def test_references_are_written_in_their_order_and_keep_their_handles(agreement: AgreementFile) -> None:
    found, places = ids(1, 4), [5, 0, 3, 1]
    raw = submission.write_references(references(agreement, found[ORDER], [places[index] for index in ORDER]))
    read = submission.parse_references(raw, agreement)
    assert np.array_equal(read.references[0], found)
    assert read.positions[0].tolist() == places


def test_the_two_parts_join_at_the_references(agreement: AgreementFile) -> None:
    found = ids(1, 4)
    matcher = submission.parse_encodings(
        submission.write_encodings(encodings(agreement, found[ORDER], np.ones((4, 64), np.uint8))), agreement
    )
    issuer = submission.parse_references(
        submission.write_references(references(agreement, found, [5, 0, 3, 1])), agreement
    )
    at = framing.positions(matcher.references[0], issuer.references[0])
    assert issuer.positions[0][at].tolist() == [5, 0, 3, 1]


def test_a_reader_can_not_change_what_it_was_given(agreement: AgreementFile) -> None:
    raw = submission.write_encodings(encodings(agreement, ids(1, 4), np.ones((4, 64), np.uint8)))
    read = submission.parse_encodings(raw, agreement)
    with pytest.raises(ValueError, match="read-only"):
        read.filters[0][0, 0] = 255


@pytest.mark.parametrize(("bits", "refused"), [(0, True), (1, False), (256, False), (257, True), (512, True)])
def test_the_gate_is_open_from_one_bit_to_the_agreed_share(
    agreement: AgreementFile, bits: int, refused: bool
) -> None:
    filters = np.packbits(np.arange(512) < bits)[None, :]
    if not refused:
        submission.require_no_wildcards(filters, agreement)
        return
    with pytest.raises(DisclosureError, match="bit"):
        submission.require_no_wildcards(filters, agreement)


def test_documents_of_another_scheme_than_agreed_are_refused(
    agreement: AgreementFile, field_filters: AgreementFile
) -> None:
    other = AgreementFile(field_filters.content, agreement.raw)
    none = np.empty((0, ID_BYTES), np.uint8)
    raw = submission.write_encodings(encodings(agreement, none, np.empty((0, 64), np.uint8)))
    with pytest.raises(FormatError, match="scheme"):
        submission.parse_encodings(raw, other)
    with pytest.raises(FormatError, match="not a"):
        patterns.parse(pairs.write(document(agreement, none, none, [])), other)
    with pytest.raises(VerificationError, match="scheme"):
        pairs.parse(pairs.write(document(agreement, none, none, [])), other)


def test_a_pass_is_taken_apart_and_put_together_again() -> None:
    payload = np.random.default_rng(3).integers(0, 256, (5, 16 + 4 + 3 * 8), dtype=np.uint8)
    records = submission.blocked(payload, 3)
    assert records.filters.shape == (5, 3, 8)
    assert records.present[0] == int.from_bytes(payload[0, 16:20].tobytes(), "big")
    assert np.array_equal(submission.payload_of(records), payload)


def test_the_gate_takes_no_filters_at_all(agreement: AgreementFile) -> None:
    submission.require_no_wildcards(np.empty((0, 64), np.uint8), agreement)


def refusing(agreement: AgreementFile) -> AgreementFile:
    """The agreement that refuses structure that can be seen."""
    privacy = agreement.content.privacy.model_copy(update={"visible_structure": "refuse"})
    return AgreementFile(agreement.content.model_copy(update={"privacy": privacy}), agreement.raw)


def test_structure_is_refused_where_agreed_and_random_bits_never_are(agreement: AgreementFile) -> None:
    events = agreement.content.dataset_named("events")
    rng = np.random.default_rng(1)
    random_bits = rng.integers(0, 256, (300, 64), dtype=np.uint8)
    alike = random_bits & rng.integers(0, 256, (30, 64), dtype=np.uint8)[np.arange(300) % 30]
    submission.require_no_structure(random_bits, events, refusing(agreement))
    submission.require_no_structure(alike, events, agreement)
    with pytest.raises(DisclosureError, match=r"Visible pairs a record: \d+\.\d+, at most 5\.0"):
        submission.require_no_structure(alike, events, refusing(agreement))
    people = agreement.content.dataset_named("people")
    with pytest.raises(DisclosureError, match="Too few different encodings to judge: 99, at least 100"):
        submission.require_no_structure(random_bits[:99], people, refusing(agreement))


def test_the_matcher_refuses_structure(agreement: AgreementFile) -> None:
    refused = refusing(agreement)
    raw = submission.write_encodings(encodings(agreement, ids(1, 4), np.eye(4, 64, dtype=np.uint8)))
    submission.parse_encodings(raw, agreement)
    with pytest.raises(DisclosureError, match="random bits"):
        submission.parse_encodings(raw, refused)


def test_a_reference_of_two_passes_is_refused() -> None:
    first, second = ids(1, 4), ids(2, 4)
    submission._require_fresh_references([first, second])
    shared = np.vstack([second[:3], first[2:3]])
    with pytest.raises(FormatError, match="reference is repeated"):
        submission._require_fresh_references([first, shared[framing.ascending(shared)]])


def test_windows_of_a_submission_leave_its_containers_where_they_are() -> None:
    file = io.BytesIO(write_submission(b"one", b"three"))
    assert submission.containers(file) == ((16, 3), (27, 5))


def document(agreement: AgreementFile, left: Bytes, right: Bytes, levels: list[int]) -> pairs.PairsDocument:
    """Pairs inside `events`; none elsewhere."""
    sides = [("events", "events", 15), ("events", "people", 0), ("people", "people", 0)]
    header = pairs.PairsHeader(
        agreement_sha256=agreement.sha256,
        scheme="clk",
        datasets=(
            pairs.MatchedDataset(dataset="events", submission="5" * 32, records=6, encoded=6),
            pairs.MatchedDataset(dataset="people", submission="6" * 32, records=1, encoded=0),
        ),
        tables=tuple(
            pairs.PairTable(
                left=one,
                right=other,
                blocking_pass="clk",
                compared=compared,
                floor=5_000,
                pairs=len(left) if compared else 0,
            )
            for one, other, compared in sides
        ),
    )
    none = np.empty((0, ID_BYTES), np.uint8)
    empty = pairs.ReferencePairs(none, none, np.empty(0, np.int64))
    return pairs.PairsDocument(header, (pairs.ReferencePairs(left, right, np.array(levels)), empty, empty))


def test_pairs_inside_a_dataset_are_written_lower_reference_first(agreement: AgreementFile) -> None:
    found = ids(1, 4)
    written = document(agreement, found[[3, 0, 2]], found[[1, 1, 0]], [9_000, 8_000, 7_000])
    (read, *_) = pairs.parse(pairs.write(written), agreement).tables
    assert np.array_equal(read.left, found[[0, 0, 1]])
    assert np.array_equal(read.right, found[[1, 2, 3]])
    assert read.levels.tolist() == [8_000, 7_000, 9_000]


def test_a_record_that_is_a_pair_with_itself_is_refused(agreement: AgreementFile) -> None:
    found = ids(1, 2)
    with pytest.raises(FormatError, match="lower reference"):
        pairs.parse(pairs.write(document(agreement, found, found, [9_000, 9_000])), agreement)


def test_linkage_keys_are_written_in_the_order_of_the_handles(agreement: AgreementFile) -> None:
    handles, keys = ids(1, RECORDS), ids(2, RECORDS)
    header = linkage_keys.LinkageKeysHeader(**about(agreement))
    raw = linkage_keys.write(linkage_keys.LinkageKeys(header, handles[::-1], keys))
    read = linkage_keys.parse(raw, agreement)
    assert np.array_equal(read.handles, handles)
    assert np.array_equal(read.keys, keys[::-1])


def test_whether_records_matched_changes_no_size(agreement: AgreementFile) -> None:
    handles, keys = ids(1, RECORDS), ids(2, RECORDS)
    header = linkage_keys.LinkageKeysHeader(**about(agreement))
    lengths = {
        len(linkage_keys.write(linkage_keys.LinkageKeys(header, handles, each)))
        for each in (keys, np.repeat(keys[:1], RECORDS, axis=0))
    }
    assert len(lengths) == 1


def test_a_crosswalk_is_written_in_the_order_of_its_random_numbers(agreement: AgreementFile) -> None:
    people, keys = ids(1, 2).repeat(2, axis=0), ids(2, 4)
    header = crosswalk.CrosswalkHeader(
        agreement_sha256=agreement.sha256, datasets=("events", "people"), linkage_keys=4, records=7
    )
    written = crosswalk.Crosswalk(header, people[ORDER], np.array([0, 1, 0, 1])[ORDER], keys[ORDER])
    read = crosswalk.parse(crosswalk.write(written), agreement)
    assert np.array_equal(read.people, people)
    assert np.array_equal(read.keys, keys)
    assert read.datasets.tolist() == [0, 1, 0, 1]


@pytest.mark.parametrize("records", [9, 10, 12, 40])
def test_how_many_are_linked_changes_no_length_of_a_crosswalk(agreement: AgreementFile, records: int) -> None:
    def length(linked: int) -> int:
        header = crosswalk.CrosswalkHeader(
            agreement_sha256=agreement.sha256,
            datasets=("events", "people"),
            linkage_keys=linked,
            records=records,
        )
        people, datasets = ids(1, linked // 2 + 1).repeat(2, axis=0)[:linked], np.zeros(linked, np.int64)
        return len(crosswalk.write(crosswalk.Crosswalk(header, people, datasets, ids(2, linked))))

    assert len({length(linked) for linked in range(records + 1)}) == 1


def test_pairs_have_one_of_few_lengths(agreement: AgreementFile) -> None:
    def length(count: int) -> int:
        return len(pairs.write(document(agreement, ids(1, count), ids(2, count), [9_000] * count)))

    lengths = {length(count) for count in range(1_000, 1_200)}
    assert lengths == {framing.padme(each) for each in lengths}
    assert len(lengths) <= 8


def test_a_refusal_is_a_verification_error_also_for_an_unknown_dataset(agreement: AgreementFile) -> None:
    header = linkage_keys.LinkageKeysHeader(**{**about(agreement), "dataset": "unknown"})
    raw = linkage_keys.write(linkage_keys.LinkageKeys(header, ids(1, RECORDS), ids(2, RECORDS)))
    with pytest.raises(VerificationError, match="not agreed"):
        linkage_keys.parse(raw, agreement)
