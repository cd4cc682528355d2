"""Row commitments under arbitrary tables: no change goes unseen, every row can be opened, nothing else crashes."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from pprl.encode.row_commitments import RowCommitment, RowSalts, _Leaves, prove
from pprl.errors import FormatError, VerificationError
from pprl.protocol import agreement as agreements
from pprl.protocol import canonical, row_proofs
from tests.conformance.rows import make_vectors
from tests.support.project import nothing_seen

AGREEMENT = agreements.parse(make_vectors.AGREEMENT.encode(), where="vectors")
DATASET = AGREEMENT.content.dataset_named("events")
SALT_KEY = bytes(range(32))
COLUMNS = ("id", "surname", "forename")

TEXTS = st.text(
    st.one_of(
        st.sampled_from('ab%"\\,[]\n\r\t ~\x7f\x85\u2028\u00e9\u738b\U0001f600'),
        st.characters(exclude_categories=["Cs"]),
    ),
    max_size=5,
)
RECORDS = st.tuples(st.text("xyz%\u00e9", min_size=1, max_size=3), TEXTS, TEXTS)
TABLES = st.lists(RECORDS, min_size=1, max_size=20)

Record = tuple[str, str, str]
Batch = tuple[int, dict[str, list[str]]]


def batches(records: list[Record], *, sizes: int = 100, first_row: int = 2) -> list[Batch]:
    return [
        (first_row + start, {name: [record[place] for record in part] for place, name in enumerate(COLUMNS)})
        for start in range(0, len(records), sizes)
        for part in [records[start : start + sizes]]
    ]


def root_of(rows: list[Batch]) -> str:
    committed = RowCommitment(DATASET, AGREEMENT.content, SALT_KEY)
    assert list(committed.over(rows)) == rows
    return committed.root()


def salts_of(records: list[Record]) -> RowSalts:
    root = root_of(batches(records))
    return RowSalts(AGREEMENT.sha256, "events", "5" * 32, len(records), root, SALT_KEY)


def proof_of(records: list[Record], salts: RowSalts, wanted: list[int]) -> row_proofs.RowProof:
    return prove(batches(records), salts, AGREEMENT, wanted, seen=nothing_seen)


@given(TABLES)
def test_leaves_of_a_batch_are_those_of_the_specification(records: list[Record]) -> None:
    ((first_row, columns),) = batches(records)
    made = list(_Leaves(DATASET, AGREEMENT.content, SALT_KEY).of(first_row, columns))
    for row, (leaf, record) in enumerate(zip(made, records, strict=True), start=2):
        record_id, surname, forename = record
        assert leaf == row_proofs.leaf_data(leaf[:16], row, record_id, (surname, forename))
        assert canonical.loads(leaf[16:])[0] == row
    assert len({leaf[:16] for leaf in made}) == len(records)


@given(TABLES, st.integers(1, 20))
def test_the_root_does_not_depend_on_batches(records: list[Record], sizes: int) -> None:
    assert root_of(batches(records, sizes=sizes)) == root_of(batches(records))


@given(TABLES, st.data())
def test_a_changed_value_changes_the_root(records: list[Record], data: Any) -> None:
    row, column = data.draw(st.integers(0, len(records) - 1)), data.draw(st.integers(0, 2))
    other = data.draw(TEXTS)
    assume(other != records[row][column])
    changed = [*records[row]]
    changed[column] = other
    rows = [*records[:row], tuple(changed), *records[row + 1 :]]
    assert root_of(batches(rows)) != root_of(batches(records))


@given(TABLES, st.permutations(range(20)))
def test_another_order_changes_the_root(records: list[Record], order: list[int]) -> None:
    shuffled = [records[place] for place in order if place < len(records)]
    assert (root_of(batches(shuffled)) == root_of(batches(records))) == (shuffled == records)


@given(TABLES, st.data())
def test_two_rows_that_are_swapped_with_their_numbers_change_the_root(
    records: list[Record], data: Any
) -> None:
    assume(len(records) > 1)
    place = data.draw(st.integers(0, len(records) - 2))
    rows = [
        each
        for record, row in zip(records, range(2, 99), strict=False)
        for each in batches([record], first_row=row)
    ]
    swapped = [*rows]
    swapped[place], swapped[place + 1] = rows[place + 1], rows[place]
    assert root_of(swapped) != root_of(rows)


@given(TABLES, RECORDS, st.data())
def test_a_row_more_or_less_changes_the_root(records: list[Record], record: Record, data: Any) -> None:
    place = data.draw(st.integers(0, len(records)))
    more = [*records[:place], record, *records[place:]]
    assert root_of(batches(more)) != root_of(batches(records))
    # Also where the rows behind it keep their numbers, as if an empty line stood there.
    gap = [*batches(records[:place]), *batches(records[place:], first_row=place + 3)]
    assert root_of(gap) != root_of(batches(more))


@given(TABLES)
def test_the_root_without_the_key_is_another(records: list[Record]) -> None:
    committed = RowCommitment(DATASET, AGREEMENT.content, bytes(32))
    list(committed.over(batches(records)))
    assert committed.root() != root_of(batches(records))


@given(TABLES, st.sets(st.integers(0, 19), min_size=1))
def test_every_row_can_be_opened(records: list[Record], places: set[int]) -> None:
    wanted = sorted({place % len(records) + 2 for place in places})
    salts = salts_of(records)
    proof = row_proofs.parse(row_proofs.write(proof_of(records, salts, wanted)))
    row_proofs.verify(proof, AGREEMENT, root=salts.rows_root, records=len(records), rows=wanted)
    shown = [(each.record_id, *each.values) for each in proof.rows]
    assert shown == [records[row - 2] for row in wanted]


@given(TABLES, TABLES)
def test_no_other_table_is_proved(records: list[Record], others: list[Record]) -> None:
    assume(records != others)
    with pytest.raises(VerificationError, match="not the one that was encoded"):
        proof_of(others, salts_of(records), [2])


@given(TABLES, st.data())
def test_no_changed_proof_passes(records: list[Record], data: Any) -> None:
    salts = salts_of(records)
    raw = row_proofs.write(proof_of(records, salts, [2]))
    place = data.draw(st.integers(0, len(raw) - 1))
    other = data.draw(st.integers(0, 255))
    assume(other != raw[place])
    changed = raw[:place] + bytes([other]) + raw[place + 1 :]
    # The submission's id names the file and is under no root: another one is nothing that the auditor relies on.
    assume(b'"submission":"' + salts.submission.encode() in changed)
    with pytest.raises((FormatError, VerificationError)):
        row_proofs.verify(row_proofs.parse(changed), AGREEMENT, root=salts.rows_root, records=len(records))


@given(TEXTS)
def test_text_comes_back_from_its_one_spelling(text: str) -> None:
    spelt = row_proofs.as_ascii(text)
    assert row_proofs.from_ascii(spelt) == text
    canonical.dumps(spelt)


@given(st.text("%0aAfFeE9C2Q ", max_size=12))
def test_any_other_spelling_is_refused(text: str) -> None:
    try:
        found = row_proofs.from_ascii(text)
    except FormatError:
        return
    assert row_proofs.as_ascii(found) == text


@given(st.binary(max_size=200))
def test_any_bytes_are_refused_as_no_proof(raw: bytes) -> None:
    with pytest.raises(FormatError):
        row_proofs.parse(raw)
