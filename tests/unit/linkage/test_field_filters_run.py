"""Scheme `field-filters` from rows to linkage keys, in one process and with the truth at hand."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date
from itertools import pairwise
from typing import Any

import numpy as np
import pytest

from coordinator.linkage import issuing, matching
from coordinator.linkage.blocks import block_pairs
from coordinator.linkage.decide import PassPairs, merged
from coordinator.linkage.issuing import Issued
from pprl.agreements.draft import DatasetSketch, draft
from pprl.encode import encoder
from pprl.encode.encoder import EncodedDataset
from pprl.encode.linkage_secret import LinkageSecret
from pprl.encode.records import prepare
from pprl.errors import DisclosureError, VerificationError
from pprl.protocol import agreement as agreements
from pprl.protocol import filter_checks, patterns, submission
from pprl.protocol.agreement import AgreementFile
from pprl.protocol.field_layout import field_layout
from pprl.protocol.framing import ID_BYTES, Bytes
from pprl.protocol.levels import compare_levels
from pprl.protocol.pattern_counts import RANDOM_PAIRS
from pprl.protocol.patterns import PatternsDocument
from pprl.protocol.submission import Encodings, FieldFilterHeader, References
from pprl.scoring import Score, score
from pprl.synthetic import TRUTH_COLUMN, generate, linkage_pair
from pprl.synthetic.table import Table

ROWS = 600
WHEN = date(2026, 1, 1)


def drawn(seed: int) -> Callable[[int], bytes]:
    """Random bytes that are the same each time."""
    return random.Random(seed).randbytes


def silent(_what: str, _share: float) -> None:
    pass


@dataclass(frozen=True, slots=True)
class Sent:
    """What departments have sent, as coordinators read it, and what they keep."""

    agreement: AgreementFile
    tables: Mapping[str, Table]
    encoded: Mapping[str, EncodedDataset]
    encodings: Mapping[str, Encodings]
    references: Mapping[str, References]

    def match(self) -> bytes:
        return matching.match(self.agreement, self.encodings, progress=silent).document

    def issue(self, raw: bytes, seed: int = 1) -> Issued:
        return issuing.issue(self.agreement, self.references, raw, random_bytes=drawn(seed), progress=silent)

    def patterns(self) -> PatternsDocument:
        return patterns.parse(self.match(), self.agreement)


def encode(agreement: AgreementFile, table: Table, name: str, seed: int) -> EncodedDataset:
    return encoder.encode(
        [(2, table.columns)],
        agreement.content.dataset_named(name),
        agreement,
        LinkageSecret(agreement.sha256, "7" * 64, bytes(range(32))),
        random_bytes=drawn(seed),
        seen=lambda _rows: None,
    )


def send(tables: Mapping[str, Table], duplicates: Sequence[str] = (), *, one_person: bool = True) -> Sent:
    sketches = [
        DatasetSketch(name, table.without_truth().header, table.rows) for name, table in tables.items()
    ]
    text = draft(sketches, today=WHEN, duplicates=duplicates, scheme="field-filters")
    if not one_person:
        text = text.replace("one_person_a_block = true", "one_person_a_block = false")
        text = text.replace('profile = "accuracy-first"\n', "")
    agreement = agreements.parse(text.encode(), where="draft")
    encoded = {
        name: encode(agreement, table, name, seed) for seed, (name, table) in enumerate(tables.items(), 1)
    }
    return received(agreement, tables, encoded)


def received(
    agreement: AgreementFile, tables: Mapping[str, Table], encoded: Mapping[str, EncodedDataset]
) -> Sent:
    encodings, references = {}, {}
    for name, each in encoded.items():
        raw = submission.write_encodings(each.encodings), submission.write_references(each.references)
        encodings[name] = submission.parse_encodings(raw[0], agreement)
        references[name] = submission.parse_references(raw[1], agreement)
    return Sent(agreement, tables, encoded, encodings, references)


def scored(sent: Sent, issued: Issued) -> Score:
    """How good the links are: people as the crosswalk tells, against the truth that each record id leads to."""
    person_of = {
        key.tobytes(): person.tobytes()
        for person, key in zip(issued.crosswalk.people, issued.crosswalk.keys, strict=True)
    }
    found, true = [], []
    for document in issued.linkage_keys:
        table = sent.tables[document.header.dataset]
        truth = dict(zip(table.columns[table.record_id_column], table.columns[TRUTH_COLUMN], strict=True))
        home = dict(sent.encoded[document.header.dataset].home_map)
        keys = [key.tobytes() for key in document.keys]
        found.append([person_of.get(key, key).hex() for key in keys])
        true.append([truth[home[handle.tobytes().hex()]] for handle in document.handles])
    datasets = sent.agreement.content.dataset
    return score(found, true, [dataset.may_have_duplicates for dataset in datasets])


@pytest.fixture(scope="module")
def pair() -> Sent:
    made = linkage_pair(ROWS, ROWS, 0.6, seed=31)
    return send({"a": made.a, "b": made.b})


@pytest.fixture(scope="module")
def matched(pair: Sent) -> bytes:
    return pair.match()


def test_it_links_well_at_a_threshold_chosen_without_the_truth(pair: Sent, matched: bytes) -> None:
    found = scored(pair, pair.issue(matched))
    assert found.true_pairs == round(0.6 * ROWS)
    assert found.precision >= 0.97
    assert found.recall >= 0.9


@pytest.fixture(scope="module")
def lives() -> Sent:
    """Offences, court and prison, with many records of some people."""
    return send(generate(400, seed=5).tables, duplicates=["offences", "court"])


@pytest.fixture(scope="module")
def lives_issued(lives: Sent) -> Issued:
    return lives.issue(lives.match())


def test_it_links_with_duplicates(lives: Sent, lives_issued: Issued) -> None:
    sent, found = lives, scored(lives, lives_issued)
    assert found.true_pairs > 1_000
    assert found.precision >= 0.97
    assert found.recall >= 0.8
    document = sent.patterns()
    for about, pairs in zip(document.header.tables, document.tables, strict=True):
        if about.left == about.right == "prison":
            assert not len(pairs.patterns), "nobody is in it twice"


def equal_records(sent: Sent, name: str) -> list[list[bytes]]:
    """Handles of records that have every identifier, and are equal in all once they are standardised."""
    dataset, table = sent.agreement.content.dataset_named(name), sent.tables[name]
    ready = prepare(
        table.columns, first_row=2, dataset=dataset, agreement=sent.agreement.content, most_findings=0
    )
    records = zip(*(ready.columns[identifier] for identifier in dataset.columns), strict=True)
    handle_of = {record_id: bytes.fromhex(handle) for handle, record_id in sent.encoded[name].home_map}
    together: dict[tuple[str, ...], list[bytes]] = {}
    for record_id, record in zip(table.columns[table.record_id_column], records, strict=True):
        together.setdefault(record, []).append(handle_of[record_id])
    return [handles for record, handles in together.items() if len(handles) > 1 and all(record)]


def test_equal_records_are_encoded_once_and_are_one_person(lives: Sent, lives_issued: Issued) -> None:
    people = {
        key.tobytes(): person.tobytes()
        for person, key in zip(lives_issued.crosswalk.people, lives_issued.crosswalk.keys, strict=True)
    }
    for document in lives_issued.linkage_keys[:2]:
        name = document.header.dataset
        keys = dict(zip(map(bytes, document.handles), map(bytes, document.keys), strict=True))
        references = lives.references[name]
        encoded = {bytes(references.handles[place]) for each in references.positions for place in each}
        groups = equal_records(lives, name)
        assert len(groups) > 50
        for handles in groups:
            assert len({people.get(keys[handle], keys[handle]) for handle in handles}) == 1
            assert len(encoded.intersection(handles)) <= 1
        least = sum(len(handles) - 1 for handles in groups)
        assert least <= references.header.copies == len(references.copies.records)
        survey = lives.encoded[name].survey
        assert survey.copies + survey.joined == references.header.copies
        assert survey.joined > 0


def test_the_lowest_handle_stands_for_its_copies(lives: Sent) -> None:
    """So that nothing of the order of a department's table is left."""
    copies = lives.references["offences"].copies
    assert (copies.originals < copies.records).all()
    assert not np.isin(copies.originals, copies.records).any()


def test_where_people_have_one_record_nobody_is_a_copy() -> None:
    made = linkage_pair(30, 30, 0.5, seed=31)
    twice = {name: [*values, *values] for name, values in made.a.columns.items()}
    twice[made.a.record_id_column] = [str(place) for place in range(60)]
    sent = send({"a": replace(made.a, columns=twice), "b": made.b})
    assert sent.encoded["a"].survey.copies == 0
    assert not len(sent.references["a"].copies.records)
    assert len(sent.references["a"].handles) == 60


@pytest.mark.parametrize("duplicates", [[], ["a"], ["a", "b"]], ids=str)
@pytest.mark.parametrize("known", [0, 1])
def test_a_dataset_of_which_next_to_nothing_is_known_links_nobody(duplicates: list[str], known: int) -> None:
    """Passes without records, and comparisons without a possible pair."""
    made = linkage_pair(30, 30, 0.5, seed=31)
    columns = {
        name: values
        if name in (TRUTH_COLUMN, made.a.record_id_column)
        else [*values[:known], *[""] * (30 - known)]
        for name, values in made.a.columns.items()
    }
    sent = send({"a": replace(made.a, columns=columns), "b": made.b}, duplicates)
    assert max(each.records for each in sent.references["a"].header.passes) == known
    assert sent.issue(sent.match()).report["linked_people"] <= known


def test_two_departments_count_as_many_random_pairs_in_each_identifier(pair: Sent) -> None:
    header = pair.patterns().header
    assert {sum(levels) for levels in header.random_levels} == {2 * RANDOM_PAIRS}


def test_the_report_is_about_the_threshold_that_the_agreement_fixes(pair: Sent, matched: bytes) -> None:
    def at(threshold: float | None) -> dict[str, Any]:
        linkage = pair.agreement.content.linkage.model_copy(
            update={} if threshold is None else {"threshold": threshold}
        )
        content = pair.agreement.content.model_copy(update={"linkage": linkage})
        return replace(pair, agreement=replace(pair.agreement, content=content)).issue(matched).report

    fixed, estimated = at(0.02), at(None)
    assert fixed["threshold"] == 0.02
    assert fixed["estimated_precision"]["value"] < estimated["estimated_precision"]["value"]
    assert fixed["estimated_recall"]["value"] > estimated["estimated_recall"]["value"]


def test_matcher_and_issuer_give_the_same_again(pair: Sent, matched: bytes) -> None:
    assert pair.match() == matched
    one, again, other = (pair.issue(matched, seed) for seed in (1, 1, 2))
    assert all(
        np.array_equal(a.keys, b.keys) for a, b in zip(one.linkage_keys, again.linkage_keys, strict=True)
    )
    assert one.report == again.report == other.report
    assert not np.array_equal(one.linkage_keys[0].keys, other.linkage_keys[0].keys)


def test_other_random_names_change_hardly_a_link(pair: Sent, matched: bytes) -> None:
    """What the matcher and issuer decide depends on the records alone, not on their random names."""
    again = {name: encode(pair.agreement, table, name, 77) for name, table in pair.tables.items()}
    other = received(pair.agreement, pair.tables, again)
    one, two = scored(pair, pair.issue(matched)), scored(other, other.issue(other.match()))
    assert abs(one.linked_pairs - two.linked_pairs) <= 0.01 * one.linked_pairs


def without_submission(document: PatternsDocument) -> PatternsDocument:
    first, *others = document.header.datasets
    changed = first.model_copy(update={"submission": "f" * 32})
    return replace(document, header=document.header.model_copy(update={"datasets": (changed, *others)}))


def with_one_record_less(document: PatternsDocument) -> PatternsDocument:
    first, *others = document.header.datasets
    fewer = (first.encoded[0] - 1, *first.encoded[1:])
    changed = first.model_copy(update={"encoded": fewer})
    return replace(document, header=document.header.model_copy(update={"datasets": (changed, *others)}))


def with_a_stranger(document: PatternsDocument) -> PatternsDocument:
    place = next(
        index
        for index, about in enumerate(document.header.tables)
        if about.left != about.right and about.pairs
    )
    table = document.tables[place]
    left = table.left.copy()
    left[0] = np.frombuffer(bytes(range(ID_BYTES)), np.uint8)
    tables = [*document.tables]
    tables[place] = replace(table, left=left)
    return replace(document, tables=tuple(tables))


def with_references_of_another_pass(document: PatternsDocument) -> PatternsDocument:
    """Two passes' rows changed places: right references, in the wrong pass."""
    between = [
        index
        for index, about in enumerate(document.header.tables)
        if about.left != about.right and about.pairs
    ][:2]
    tables, headers = [*document.tables], [*document.header.tables]
    for here, there in (between, between[::-1]):
        tables[here] = document.tables[there]
        count = len(document.tables[there].patterns)
        headers[here] = headers[here].model_copy(update={"pairs": count, "compared": count})
    return PatternsDocument(document.header.model_copy(update={"tables": tuple(headers)}), tuple(tables))


@pytest.mark.parametrize(
    ("spoil", "says"),
    [
        (without_submission, "another submission"),
        (with_one_record_less, "another submission"),
        (with_a_stranger, "doesn't have"),
        (with_references_of_another_pass, "doesn't have"),
    ],
)
def test_the_issuer_refuses_patterns_that_are_not_about_these_submissions(
    pair: Sent, matched: bytes, spoil: Callable[[PatternsDocument], PatternsDocument], says: str
) -> None:
    raw = patterns.write(spoil(patterns.parse(matched, pair.agreement)))
    with pytest.raises(VerificationError, match=says):
        pair.issue(raw)


def own_pairs_as_merged(sent: Sent, name: str) -> tuple[np.ndarray, np.ndarray]:
    """A dataset's own pairs as the two coordinator roles together would find and merge them."""
    fields = field_layout(list(sent.agreement.content.kinds().values()))
    found = []
    for payload, positions in zip(sent.encodings[name].filters, sent.references[name].positions, strict=True):
        records = submission.blocked(payload, submission.filters_of(sent.agreement))
        words = records.filters.view(np.uint64)
        for left, right in block_pairs(records.tags, None):
            ends = np.sort([positions[left], positions[right]], axis=0)
            levels = compare_levels(words, records.present, words, records.present, left, right, fields)
            found.append(PassPairs(ends[0], ends[1], levels))
    rows = [sent.references[name].header.records]
    patterns = merged(0, 0, found, rows=rows, clean=[True]).comparison.patterns
    return np.unique(patterns, return_counts=True)


@pytest.fixture(scope="module")
def whole_blocks() -> Sent:
    made = linkage_pair(ROWS, ROWS, 0.6, seed=31)
    return send({"a": made.a, "b": made.b}, one_person=False)


@pytest.mark.parametrize("name", ["a", "b"])
def test_a_department_counts_its_pairs_as_the_issuer_merges_them(whole_blocks: Sent, name: str) -> None:
    counted = whole_blocks.references[name].own_patterns
    assert counted is not None
    patterns, counts = own_pairs_as_merged(whole_blocks, name)
    assert np.array_equal(counted.patterns, patterns)
    assert np.array_equal(counted.counts, counts)
    assert counts.sum() > 50


def test_where_one_person_stands_for_a_block_its_own_people_cannot_be_compared(pair: Sent) -> None:
    for name in ("a", "b"):
        for payload in pair.encodings[name].filters:
            tags = submission.blocked(payload, submission.filters_of(pair.agreement)).tags
            assert len(np.unique(tags, axis=0)) == len(tags)
        own = pair.references[name].own_patterns
        assert own is not None
        assert own.counts.sum() > 20, "they are compared at home"


def test_hopeless_pairs_stay_with_the_matcher_where_nothing_inside_a_dataset_shows_them(pair: Sent) -> None:
    """Pairs of a block that agree on nothing else; pairs of one person are nearly all handed on."""
    document = patterns.parse(pair.match(), pair.agreement)
    kept = sum(table.pairs for table in document.header.tables)
    compared = sum(table.compared for table in document.header.tables)
    assert 0.9 * compared < kept < compared


def test_two_records_of_a_block_are_refused_where_one_person_stands_for_it(
    pair: Sent, whole_blocks: Sent
) -> None:
    """A department whose encoder sends whole blocks under an agreement that has one person a block."""
    header = whole_blocks.encodings["a"].header
    bound = header.model_copy(update={"agreement_sha256": pair.agreement.sha256})
    raw = submission.write_encodings(replace(whole_blocks.encodings["a"], header=bound))
    with pytest.raises(DisclosureError, match="one_person_a_block"):
        submission.parse_encodings(raw, pair.agreement)


def test_a_filter_with_a_bit_more_than_a_value_sets_does_not_leave_home(
    pair: Sent, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The gate is there whatever the encoder does: here the gate allows a bit less than the encoder sets."""
    most = submission.most_bits
    for gate in (submission, filter_checks):
        monkeypatch.setattr(gate, "most_bits", lambda *about: [each - 1 for each in most(*about)])
    with pytest.raises(DisclosureError, match="positions_per_field"):
        encode(pair.agreement, pair.tables["a"], "a", 5)


def test_a_filter_with_fewer_bits_than_a_value_sets_does_not_leave_home(
    pair: Sent, monkeypatch: pytest.MonkeyPatch
) -> None:
    for gate in (submission, filter_checks):
        monkeypatch.setattr(gate, "least_bits", submission.most_bits)
    with pytest.raises(DisclosureError, match="fewer bits"):
        encode(pair.agreement, pair.tables["a"], "a", 5)


def test_the_matcher_passes_on_what_was_left_out(pair: Sent, matched: bytes) -> None:
    document = patterns.parse(matched, pair.agreement)
    for each in document.header.datasets:
        header = pair.encodings[each.dataset].header
        assert isinstance(header, FieldFilterHeader)
        assert each.suppressed == header.suppressed
        assert each.encoded == tuple(of_pass.records for of_pass in header.passes)


def rows_of(ids: Bytes) -> set[bytes]:
    return {each.tobytes() for each in ids}


def test_a_record_has_other_references_in_each_pass(pair: Sent) -> None:
    for name, references in pair.references.items():
        seen = [rows_of(each) for each in references.references]
        assert sum(map(len, seen)) == len(set().union(*seen))
        assert not set().union(*seen) & rows_of(references.handles)
        assert [rows_of(each) for each in pair.encodings[name].references] == seen


def test_each_pass_stands_in_an_order_of_its_own(pair: Sent) -> None:
    """Neither the department's order of rows, nor that of another pass, shows: rank correlation by chance."""
    table = pair.tables["a"]
    row_of = {record_id: row for row, record_id in enumerate(table.columns[table.record_id_column])}
    row_of_handle = [row_of[record_id] for _, record_id in pair.encoded["a"].home_map]
    orders = [np.array(row_of_handle)[each] for each in pair.references["a"].positions]
    for order in orders:
        assert abs(np.corrcoef(order, np.arange(len(order)))[0, 1]) < 5 / np.sqrt(len(order))
    for one, other in pairwise(orders):
        both = np.intersect1d(one, other)
        ranks = [np.argsort(each)[np.searchsorted(np.sort(each), both)] for each in (one, other)]
        assert abs(np.corrcoef(*ranks)[0, 1]) < 5 / np.sqrt(len(both))


def test_the_same_filter_does_not_stand_in_two_blocks(pair: Sent) -> None:
    """A surname looks different in each block: equal filters are in equal blocks, but for filters of few bits."""
    records = submission.blocked(pair.encodings["a"].filters[0], submission.filters_of(pair.agreement))
    surname = list(pair.agreement.content.kinds()).index("surname")
    blocks_of: dict[bytes, set[bytes]] = {}
    for tag, filters in zip(records.tags, records.filters, strict=True):
        if filters[surname].any():
            blocks_of.setdefault(filters[surname].tobytes(), set()).add(tag.tobytes())
    assert {len(blocks) for blocks in blocks_of.values()} == {1}


def test_two_runs_of_the_encoder_share_no_reference_and_all_filters(pair: Sent) -> None:
    again = encode(pair.agreement, pair.tables["a"], "a", 91)
    before = pair.encodings["a"]
    assert not rows_of(np.vstack(again.encodings.references)) & rows_of(np.vstack(before.references))
    for one, other in zip(before.filters, again.encodings.filters, strict=True):
        assert sorted(map(bytes, one)) == sorted(map(bytes, other))
