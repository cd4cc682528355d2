"""From a department's rows to the two parts of its submission, and the map that stays at home.

Runs in the department alone. Rows come in batches; what is kept of a row is its own record id and a number of four
bytes for each of its values. Encodings are made of these while they are sealed (`pprl.encode.outgoing`).
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import compress

import numpy as np
from numpy.typing import NDArray

from pprl.encode import match_keys
from pprl.encode.block_sizes import Blocks, block_sizes
from pprl.encode.copies import copies_among
from pprl.encode.linkage_secret import LinkageSecret
from pprl.encode.match_keys import MatchKeys
from pprl.encode.outgoing import Outgoing, Written
from pprl.encode.passes import Coded, CodedColumns
from pprl.encode.payloads import (
    ClkPayloads,
    FieldFilterPayloads,
    Progress,
    RandomBytes,
    agreed_match_keys,
    untold,
    without_copies,
    without_joined,
)
from pprl.encode.record_ids import RecordIds
from pprl.encode.records import Standardiser
from pprl.encode.row_commitments import SALT_KEY_BYTES, RowCommitment, RowSalts
from pprl.errors import DataError, Finding
from pprl.protocol.agreement import Agreement, AgreementFile, Dataset
from pprl.protocol.framing import ID_BYTES
from pprl.protocol.submission import Encodings, References

MOST_FINDINGS = 1_000

Rows = Iterable[tuple[int, dict[str, list[str]]]]


@dataclass(frozen=True, slots=True)
class Wholeness:
    """How whole records are. Folded encodings find a record that lacks something, or has several errors, less often.

    Attributes:
        incomplete: records that lack an identifier, middle names aside, which many people don't have.
        match_keys: how match keys suit the records; None if the agreement has none.
    """

    incomplete: int
    match_keys: MatchKeys | None


@dataclass(slots=True)
class Survey:
    """What was seen in the rows: counts, and where a rule was broken. Never a value.

    Attributes:
        rows: records read.
        encodable: records with enough identifiers to be compared.
        copies: of these, records that equal another one and are not encoded again (scheme `field-filters`).
        joined: records that are joined with another one at home, beside copies.
        namesakes: people to be expected to be joined with a stranger (`pprl.encode.at_home.Joined`).
        largest: records of the person who has most, as they are joined.
        persons: where a survey was asked for and the department joins its records: for each, the place of the first
            record of the same person, copies among them, shape (rows,).
        present: for each identifier, the records that have it.
        broken: findings about values, at most `MOST_FINDINGS` of them.
        broken_ids: findings about record ids, at most as many.
        broken_count: how many there were in all.
        record_ids: the department's own ids, in the order of the rows.
        blocks: how large blocks are, where a survey was asked for under scheme `field-filters`.
        whole: what folding asks of records, where a survey was asked for under scheme `clk` with folds.
    """

    rows: int = 0
    encodable: int = 0
    copies: int = 0
    joined: int = 0
    namesakes: float = 0.0
    largest: int = 0
    persons: NDArray[np.int64] | None = field(default=None, repr=False)
    present: dict[str, int] = field(default_factory=dict)
    broken: list[Finding] = field(default_factory=list)
    broken_ids: list[Finding] = field(default_factory=list)
    broken_count: int = 0
    record_ids: RecordIds = field(default_factory=RecordIds, repr=False)
    blocks: Blocks | None = None
    whole: Wholeness | None = None

    def joined_records(self) -> Iterator[tuple[str, str]]:
        """Record id, and that of the person's first record, of whoever has several; person by person. Never leaves."""
        if self.persons is None:
            return
        of_several = np.flatnonzero(np.bincount(self.persons)[self.persons] > 1)
        for row in of_several[np.argsort(self.persons[of_several], kind="stable")].tolist():
            yield self.record_ids[row], self.record_ids[int(self.persons[row])]


@dataclass(frozen=True, slots=True)
class EncodedDataset:
    """Everything that encoding makes, as a whole: for a dataset that is not large.

    Attributes:
        encodings: for the matcher.
        references: for the key issuer.
        home_map: handle and record id of every record, in the order of the handles; never leaves.
        row_salts: what opens rows for an auditor; never leaves.
        survey: counts for the department's own eyes.
    """

    encodings: Encodings
    references: References
    home_map: list[tuple[str, str]] = field(repr=False)
    row_salts: RowSalts
    survey: Survey


@dataclass(frozen=True, slots=True)
class Encoding:
    """A dataset that was read and numbered, and is ready to be encoded while it is sealed.

    Attributes:
        outgoing: the parts of the submission, made when they are asked for.
        row_salts: what opens rows for an auditor; never leaves.
        survey: counts for the department's own eyes.
    """

    outgoing: Outgoing
    row_salts: RowSalts
    survey: Survey


def survey(rows: Rows, dataset: Dataset, agreement: AgreementFile, *, seen: Callable[[int], None]) -> Survey:
    """Look at every row without encoding any; `pprl check` runs this.

    Args:
        rows: batches of (number of the first row, columns by the department's own names).
        dataset: the dataset that they are.
        agreement: the agreement.
        seen: called with the rows read so far.
    """
    found, encodable = Survey(), list[NDArray[np.bool_]]()
    batches = _encodable(prepared_batches(rows, dataset, agreement, found, seen), encodable)
    if agreement.content.encoding.scheme == "field-filters":
        columns, original_of_each = without_copies(
            _whole_columns(batches, agreement.content), dataset, agreement
        )
        found.copies = copies_among(original_of_each)
        at_home = without_joined(columns, dataset, agreement)
        found.joined = copies_among(at_home.first)
        found.namesakes, found.largest = at_home.namesakes, at_home.largest()
        if agreement.content.encoding.field_filter_parameters.joins(dataset):
            found.persons = _persons(np.concatenate(encodable), original_of_each, at_home.first)
        found.blocks = _blocks(columns, dataset, agreement.content)
    elif agreement.content.encoding.clk_parameters.xor_folds:
        found.whole = _wholeness(_whole_columns(batches, agreement.content), agreement)
    else:
        for _ in batches:
            pass
    return found


def _persons(
    encodable: NDArray[np.bool_], original_of_each: NDArray[np.int64], first: NDArray[np.int64]
) -> NDArray[np.int64]:
    """For each row the place of its person's first one.

    Args:
        encodable: whether each row can be compared.
        original_of_each: for each that can, the place among these of the record that it is a copy of.
        first: for each original, the place among originals of the person's first.
    """
    originals = np.unique(original_of_each)
    of_each = originals[first[np.searchsorted(originals, original_of_each)]]
    rows, persons = np.flatnonzero(encodable), np.arange(len(encodable))
    persons[rows] = rows[of_each]
    return persons


def _wholeness(columns: Mapping[str, Coded], agreement: AgreementFile) -> Wholeness:
    kinds, agreed = agreement.content.kinds(), agreed_match_keys(agreement)
    asked = [column for name, column in columns.items() if kinds[name] != "middle-names"]
    lacking = [column.codes == column.missing() for column in asked]
    incomplete = int(np.any(lacking, axis=0).sum()) if lacking else 0
    if not agreed:
        return Wholeness(incomplete, None)
    values = match_keys.values_of(columns, agreed, kinds)
    return Wholeness(incomplete, match_keys.survey(values, [each.name for each in agreed]))


def _blocks(columns: Mapping[str, Coded], dataset: Dataset, agreement: Agreement) -> Blocks:
    parameters = agreement.encoding.field_filter_parameters
    return block_sizes(
        columns,
        [each.blocking_pass() for each in parameters.passes],
        agreement.kinds(),
        max_block_records=parameters.max_block_records,
        one_person_a_block=parameters.one_person_a_block,
        several=dataset.may_have_duplicates,
        join_at_home=parameters.join_at_home,
    )


def _whole_columns(batches: Iterable[dict[str, list[str]]], agreement: Agreement) -> dict[str, Coded]:
    columns = CodedColumns(agreement.kinds())
    for batch in batches:
        columns.add(batch)
    return columns.coded()


def encodable_records(
    rows: Rows, dataset: Dataset, agreement: AgreementFile, *, seen: Callable[[int], None]
) -> tuple[Survey, dict[str, list[str]]]:
    """The records that `encode` would encode, standardised; `pprl risk` attacks them, in the department.

    Args:
        rows: batches of (number of the first row, columns by the department's own names).
        dataset: the dataset that they are.
        agreement: the agreement.
        seen: called with the rows read so far.

    Returns:
        Counts, and a column an identifier, "" where a value is missing; in scheme `field-filters` without copies.
    """
    found = Survey()
    batches = _encodable(prepared_batches(rows, dataset, agreement, found, seen), [])
    columns: Mapping[str, Coded] = _whole_columns(batches, agreement.content)
    if agreement.content.encoding.scheme == "field-filters":
        columns, original_of_each = without_copies(columns, dataset, agreement)
        found.copies = copies_among(original_of_each)
    return found, {name: column.values() for name, column in columns.items()}


def encode(
    rows: Rows,
    dataset: Dataset,
    agreement: AgreementFile,
    secret: LinkageSecret,
    *,
    previous: Mapping[str, str] | None = None,
    salt_key: bytes | None = None,
    risk: bytes = b"",
    random_bytes: RandomBytes,
    seen: Callable[[int], None],
) -> EncodedDataset:
    """Encode a dataset as a whole. Arguments, errors and what leaks are those of `begin`."""
    begun = begin(
        rows,
        dataset,
        agreement,
        secret,
        previous=previous,
        salt_key=salt_key,
        risk=risk,
        random_bytes=random_bytes,
        seen=seen,
    )
    encodings = begun.outgoing.collected()
    home_map = list(begun.outgoing.home_map())
    return EncodedDataset(encodings, begun.outgoing.references(), home_map, begun.row_salts, begun.survey)


def begin(
    rows: Rows,
    dataset: Dataset,
    agreement: AgreementFile,
    secret: LinkageSecret,
    *,
    previous: Mapping[str, str] | None = None,
    salt_key: bytes | None = None,
    risk: bytes = b"",
    random_bytes: RandomBytes,
    seen: Callable[[int], None],
    told: Progress = untold,
) -> Encoding:
    """Read a dataset and settle what is sent of it; `pprl encode` runs this in the department.

    Args:
        rows: batches of (number of the first row, columns by the department's own names).
        dataset: the dataset that they are.
        agreement: the agreement.
        secret: the departments' linkage secret.
        previous: the linkage key of each record id in an earlier version, where the agreement keeps linkage keys.
        salt_key: commits to the rows; drawn now if none is given. Where there is a risk statement, the one that it
            was made with.
        risk: the file of the risk statement, which goes along where the agreement asks for one.
        random_bytes: the source of references and handles.
        seen: called with the rows read so far.
        told: takes what is done once all rows are read, and the share of it that is done.

    Raises:
        DataError: rows break a rule, and the agreement says to refuse them; or record ids repeat.
        DisclosureError: while encodings are made: one has too many bits set, or they show more than they may.

    Leaks: to the matcher, the similarity of every two records that it can compare; see docs/threat-model.md.
    """
    found = Survey()
    encodable: list[NDArray[np.bool_]] = []
    salt_key = salt_key or random_bytes(SALT_KEY_BYTES)
    committed = RowCommitment(dataset, agreement.content, salt_key)
    batches = _encodable(prepared_batches(committed.over(rows), dataset, agreement, found, seen), encodable)
    columns = _whole_columns(batches, agreement.content)
    require_acceptable(found, dataset, agreement)
    key = secret.encoding_key(agreement.content.encoding.scheme)
    payloads = (
        ClkPayloads(columns, dataset, agreement, key, random_bytes)
        if agreement.content.encoding.scheme == "clk"
        else FieldFilterPayloads(columns, dataset, agreement, key, random_bytes, told)
    )
    found.copies, found.joined = payloads.copies, payloads.joined
    salts = RowSalts(
        agreement_sha256=agreement.sha256,
        dataset=dataset.name,
        submission=random_bytes(ID_BYTES).hex(),
        records=found.rows,
        rows_root=committed.root(),
        salt_key=salt_key,
    )
    rows_encoded = np.flatnonzero(np.concatenate(encodable))
    written = Written(dataset, agreement, secret, found.record_ids, rows_encoded, previous or {}, risk, salts)
    return Encoding(Outgoing(payloads, written, random_bytes), salts, found)


def require_acceptable(found: Survey, dataset: Dataset, agreement: AgreementFile) -> None:
    """Refuse rows that break a rule which the agreement does not forgive.

    Raises:
        DataError: with the findings, each with row, column and rule.
    """
    forgiven = agreement.content.encoding.invalid_values == "missing"
    fatal = found.broken_ids + ([] if forgiven else found.broken)
    if fatal:
        raise DataError(
            f"Dataset '{dataset.name}' has values that break a rule.",
            hint="Mend them at the source; 'pprl check' lists them all.",
            findings=tuple(fatal),
        )
    require_expected_rows(found, dataset)


def require_expected_rows(found: Survey, dataset: Dataset) -> None:
    """Refuse a table of another size than agreed.

    Raises:
        DataError: too few or too many rows.
    """
    low, high = dataset.expected_rows_min, dataset.expected_rows_max
    if not low <= found.rows <= high:
        raise DataError(
            f"Dataset '{dataset.name}' has {found.rows} records; the agreement expects {low} to {high}.",
            hint="Check that it is the right extract, or agree a new version with another range.",
        )


def prepared_batches(
    rows: Rows, dataset: Dataset, agreement: AgreementFile, found: Survey, seen: Callable[[int], None]
) -> Iterable[tuple[dict[str, list[str]], NDArray[np.bool_]]]:
    """Standardised columns of each batch, and which of its rows can be compared.

    Args:
        rows: batches of (number of the first row, columns by the department's own names).
        dataset: the dataset that they are.
        agreement: the agreement.
        found: takes the counts, the record ids, and where a rule was broken.
        seen: called with the rows read so far.
    """
    first_rows: list[tuple[int, int]] = []
    standardiser = Standardiser(dataset, agreement.content)
    for first_row, columns in rows:
        room = MOST_FINDINGS - len(found.broken)
        prepared = standardiser.prepare(columns, first_row=first_row, most_findings=room)
        found.broken += prepared.findings
        found.broken_count += prepared.findings_count
        for name, count in prepared.present.items():
            found.present[name] = found.present.get(name, 0) + count
        size = len(next(iter(columns.values())))
        first_rows.append((found.rows, first_row))
        _take_record_ids(columns, first_row, size, dataset, found)
        identifiers_present = np.zeros(size, dtype=np.int64)
        for values in prepared.columns.values():
            identifiers_present += np.fromiter(map(bool, values), dtype=bool, count=size)
        enough = identifiers_present >= agreement.content.encoding.min_identifiers
        found.rows += size
        found.encodable += int(enough.sum())
        seen(found.rows)
        yield prepared.columns, enough
    if dataset.record_id_column is not None:
        _tell_repeated(found, first_rows, dataset.record_id_column)
    found.record_ids.settle()


def _take_record_ids(
    columns: dict[str, list[str]],
    first_row: int,
    size: int,
    dataset: Dataset,
    found: Survey,
) -> None:
    if dataset.record_id_column is None:
        found.record_ids += [str(first_row + offset) for offset in range(size)]
        return
    record_ids = columns[dataset.record_id_column]
    found.record_ids += record_ids
    if all(map(str.strip, record_ids)):
        return
    for offset, record_id in enumerate(record_ids):
        if not record_id.strip():
            _tell(found, "record id is missing", first_row + offset, dataset.record_id_column)


def _tell(found: Survey, rule: str, row: int, column: str) -> None:
    found.broken_count += 1
    if len(found.broken_ids) < MOST_FINDINGS:
        found.broken_ids.append(Finding(rule, row=row, column=column))


def _tell_repeated(found: Survey, first_rows: list[tuple[int, int]], column: str) -> None:
    """Find record ids that are there twice, which is known when all have been read."""
    starts = [start for start, _ in first_rows]
    for place in found.record_ids.repeated():
        if found.record_ids[place].strip():
            start, first_row = first_rows[bisect_right(starts, place) - 1]
            _tell(found, "record id is there twice", first_row + place - start, column)
    found.broken_ids.sort(key=lambda finding: finding.row or 0)


def _encodable(
    batches: Iterable[tuple[dict[str, list[str]], NDArray[np.bool_]]], encodable: list[NDArray[np.bool_]]
) -> Iterator[dict[str, list[str]]]:
    """The records of each batch that can be compared; which they are goes to `encodable`."""
    for columns, enough in batches:
        encodable.append(enough)
        if enough.all():
            yield columns
        else:
            chosen = enough.tolist()
            yield {name: list(compress(values, chosen)) for name, values in columns.items()}
