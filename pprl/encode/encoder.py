"""From a department's rows to the two parts of its submission, and the map that stays at home.

Runs in the department alone. Rows come in batches; what is kept of a row is its encoding and its own record
id. References and handles are drawn at random here and nowhere else, so that what leaves has an order and names
that mean nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pprl.encode import match_keys, previous_keys
from pprl.encode.block_sizes import Blocks, block_sizes
from pprl.encode.clk import ClkEncoder
from pprl.encode.copies import copies_among, originals
from pprl.encode.linkage_secret import LinkageSecret
from pprl.encode.match_keys import MatchKeys
from pprl.encode.passes import Coded, CodedColumns
from pprl.encode.records import Standardiser
from pprl.encode.row_commitments import SALT_KEY_BYTES, RowCommitment, RowSalts
from pprl.errors import DataError, Finding
from pprl.protocol import framing
from pprl.protocol.agreement import Agreement, AgreementFile, Dataset
from pprl.protocol.blocking import BlockingPass
from pprl.protocol.framing import ID_BYTES, Bytes
from pprl.protocol.linkage_keys import may_share
from pprl.protocol.members import to_base64
from pprl.protocol.pattern_counts import RANDOM_PAIRS, PatternCounts
from pprl.protocol.submission import (
    CLK_PASS,
    PRESENT_BYTES,
    TAG_BYTES,
    Blocked,
    Copies,
    CountedPass,
    EncodedPass,
    Encodings,
    Previous,
    References,
    ReferencesHeader,
    encodings_header,
    payload_of,
    references_header,
    require_no_structure,
    require_no_wildcards,
)

MOST_FINDINGS = 1_000

RandomBytes = Callable[[int], bytes]
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
    present: dict[str, int] = field(default_factory=dict)
    broken: list[Finding] = field(default_factory=list)
    broken_ids: list[Finding] = field(default_factory=list)
    broken_count: int = 0
    record_ids: list[str] = field(default_factory=list, repr=False)
    blocks: Blocks | None = None
    whole: Wholeness | None = None


@dataclass(frozen=True, slots=True)
class EncodedDataset:
    """Everything that encoding makes.

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


def survey(rows: Rows, dataset: Dataset, agreement: AgreementFile, *, seen: Callable[[int], None]) -> Survey:
    """Look at every row without encoding any; `pprl check` runs this.

    Args:
        rows: batches of (number of the first row, columns by the department's own names).
        dataset: the dataset that they are.
        agreement: the agreement.
        seen: called with the rows read so far.
    """
    found = Survey()
    batches = _encodable(prepared_batches(rows, dataset, agreement, found, seen), [])
    if agreement.content.encoding.scheme == "field-filters":
        columns, original_of_each = _without_copies(batches, dataset, agreement.content)
        found.copies = copies_among(original_of_each)
        found.blocks = _blocks(columns, dataset, agreement.content)
    elif agreement.content.encoding.clk_parameters.xor_folds:
        found.whole = _wholeness(_whole_columns(batches, agreement.content), agreement.content)
    else:
        for _ in batches:
            pass
    return found


def _wholeness(columns: dict[str, Coded], agreement: Agreement) -> Wholeness:
    kinds, agreed = agreement.kinds(), _match_keys(agreement)
    asked = [column for name, column in columns.items() if kinds[name] != "middle-names"]
    lacking = [column.codes == column.missing() for column in asked]
    incomplete = int(np.any(lacking, axis=0).sum()) if lacking else 0
    if not agreed:
        return Wholeness(incomplete, None)
    values = match_keys.values_of(columns, agreed, kinds)
    return Wholeness(incomplete, match_keys.survey(values, [each.name for each in agreed]))


def _blocks(columns: dict[str, Coded], dataset: Dataset, agreement: Agreement) -> Blocks:
    parameters = agreement.encoding.field_filter_parameters
    return block_sizes(
        columns,
        [each.blocking_pass() for each in parameters.passes],
        agreement.kinds(),
        max_block_records=parameters.max_block_records,
        one_person_a_block=parameters.one_person_a_block,
        several=dataset.may_have_duplicates,
    )


def _whole_columns(batches: Iterable[dict[str, list[str]]], agreement: Agreement) -> dict[str, Coded]:
    columns = CodedColumns(agreement.kinds())
    for batch in batches:
        columns.add(batch)
    return columns.coded()


def _without_copies(
    batches: Iterable[dict[str, list[str]]], dataset: Dataset, agreement: Agreement
) -> tuple[dict[str, Coded], NDArray[np.int64]]:
    """The columns of the records that are to be encoded, and for all records the place of their original.

    Where people have one record each, equal records are of different people.
    """
    columns = _whole_columns(batches, agreement)
    if not dataset.may_have_duplicates:
        return columns, np.arange(len(next(iter(columns.values())).codes))
    original_of_each = originals(columns, agreement.kinds())
    encoded = np.unique(original_of_each)
    return {name: column.of(encoded) for name, column in columns.items()}, original_of_each


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
    if agreement.content.encoding.scheme == "clk":
        columns = _whole_columns(batches, agreement.content)
    else:
        columns, original_of_each = _without_copies(batches, dataset, agreement.content)
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
    """Encode a dataset; `pprl encode` runs this in the department.

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

    Raises:
        DataError: rows break a rule, and the agreement says to refuse them; or record ids repeat.
        DisclosureError: an encoding has too many bits set, or encodings show more than they may.

    Leaks: to the matcher, the similarity of every two records that it can compare; see docs/threat-model.md.
    """
    found = Survey()
    encodable: list[NDArray[np.bool_]] = []
    salt_key = salt_key or random_bytes(SALT_KEY_BYTES)
    committed = RowCommitment(dataset, agreement.content, salt_key)
    batches = _encodable(prepared_batches(committed.over(rows), dataset, agreement, found, seen), encodable)
    key = secret.encoding_key(agreement.content.encoding.scheme)
    if agreement.content.encoding.scheme == "clk":
        made = _clks(batches, agreement.content, key, random_bytes)
    else:
        made = _field_filters(batches, dataset, agreement.content, key, random_bytes)
    found.copies = copies_among(made.originals)
    require_acceptable(found, dataset, agreement)
    for encoded in made.passes:
        require_no_wildcards(encoded.filters, agreement)
        require_no_structure(encoded.payload, dataset, agreement)
    rows_encoded = np.flatnonzero(np.concatenate(encodable))
    salts = RowSalts(
        agreement_sha256=agreement.sha256,
        dataset=dataset.name,
        submission=random_bytes(ID_BYTES).hex(),
        records=found.rows,
        rows_root=committed.root(),
        salt_key=salt_key,
    )
    return _under_random_names(
        made, rows_encoded, dataset, agreement, secret, found, salts, previous or {}, risk, random_bytes
    )


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
    earlier: set[str] = set()
    standardiser = Standardiser(dataset, agreement.content)
    for first_row, columns in rows:
        room = MOST_FINDINGS - len(found.broken)
        prepared = standardiser.prepare(columns, first_row=first_row, most_findings=room)
        found.broken += prepared.findings
        found.broken_count += prepared.findings_count
        for name, count in prepared.present.items():
            found.present[name] = found.present.get(name, 0) + count
        size = len(next(iter(columns.values())))
        _take_record_ids(columns, first_row, size, dataset, found, earlier)
        identifiers_present = np.zeros(size, dtype=np.int64)
        for values in prepared.columns.values():
            identifiers_present += np.fromiter((value != "" for value in values), dtype=bool, count=size)
        enough = identifiers_present >= agreement.content.encoding.min_identifiers
        found.rows += size
        found.encodable += int(enough.sum())
        seen(found.rows)
        yield prepared.columns, enough


def _take_record_ids(
    columns: dict[str, list[str]],
    first_row: int,
    size: int,
    dataset: Dataset,
    found: Survey,
    earlier: set[str],
) -> None:
    if dataset.record_id_column is None:
        found.record_ids += [str(first_row + offset) for offset in range(size)]
        return
    record_ids = columns[dataset.record_id_column]
    different = set(record_ids)
    if len(different) == size and earlier.isdisjoint(different) and all(map(str.strip, record_ids)):
        earlier |= different
        found.record_ids += record_ids
        return
    for offset, record_id in enumerate(record_ids):
        rule = "record id is missing" if not record_id.strip() else "record id is there twice"
        if not record_id.strip() or record_id in earlier:
            found.broken_count += 1
            if len(found.broken_ids) < MOST_FINDINGS:
                found.broken_ids.append(
                    Finding(rule, row=first_row + offset, column=dataset.record_id_column)
                )
        earlier.add(record_id)
        found.record_ids.append(record_id)


@dataclass(frozen=True, slots=True)
class _EncodedPass:
    """A pass before its records have references.

    Attributes:
        name: of the pass.
        rows: place of each record among the encodable ones, shape (records,).
        payload: what is sent of each record, shape (records, bytes).
        filters: the part of it that is filters, shape (records, bytes).
    """

    name: str
    rows: NDArray[np.int64]
    payload: Bytes
    filters: Bytes


@dataclass(frozen=True, slots=True)
class _Made:
    """The passes of a scheme, what makes their header, and members of `references`' header that the scheme adds.

    `originals` has, for each encodable record, the place of the one that it is encoded with, its own as a rule.
    `own_patterns` counts how alike the dataset's own records are; None in scheme clk.
    """

    passes: tuple[_EncodedPass, ...]
    originals: NDArray[np.int64]
    header_members: Mapping[str, Any] = field(default_factory=dict)
    references_members: Mapping[str, Any] = field(default_factory=dict)
    own_patterns: PatternCounts | None = None


def _encodable(
    batches: Iterable[tuple[dict[str, list[str]], NDArray[np.bool_]]], encodable: list[NDArray[np.bool_]]
) -> Iterator[dict[str, list[str]]]:
    """The records of each batch that can be compared; which they are goes to `encodable`."""
    for columns, enough in batches:
        encodable.append(enough)
        yield {
            name: [value for value, keep in zip(values, enough.tolist(), strict=True) if keep]
            for name, values in columns.items()
        }


def _clks(
    batches: Iterable[dict[str, list[str]]], agreement: Agreement, key: bytes, random_bytes: RandomBytes
) -> _Made:
    encoder = ClkEncoder(agreement, key)
    agreed = _match_keys(agreement)
    if not agreed:
        clks = np.vstack([encoder.encode(columns) for columns in batches])
        everyone = np.arange(len(clks))
        return _Made((_EncodedPass(CLK_PASS, everyone, clks, clks),), everyone)
    # Whether a value is another record's too is known when all have been read.
    columns, names = _whole_columns(batches, agreement), [each.name for each in agreed]
    clks = encoder.encode({name: column.values() for name, column in columns.items()})
    everyone = np.arange(len(clks))
    values = match_keys.values_of(columns, agreed, agreement.kinds())
    tags = match_keys.tags(values, names, key, random_bytes=random_bytes)
    payload = np.hstack([clks, tags.reshape(len(clks), -1)])
    members = {"match_key_pairs": match_keys.survey(values, names).own_pairs}
    return _Made((_EncodedPass(CLK_PASS, everyone, payload, clks),), everyone, references_members=members)


def _match_keys(agreement: Agreement) -> list[BlockingPass]:
    return [each.blocking_pass() for each in agreement.encoding.clk_parameters.match_keys]


def _field_filters(
    batches: Iterable[dict[str, list[str]]],
    dataset: Dataset,
    agreement: Agreement,
    key: bytes,
    random_bytes: RandomBytes,
) -> _Made:
    from pprl.encode.field_filters import FieldFilterEncoder  # noqa: PLC0415 - compiles; scheme clk can do without
    from pprl.encode.own_pairs import OwnPairs  # noqa: PLC0415

    columns, original_of_each = _without_copies(batches, dataset, agreement)
    encoded = np.unique(original_of_each)
    encoder = FieldFilterEncoder.agreed(agreement, key, several=dataset.may_have_duplicates)
    records = encoder.records(columns)
    random_levels = encoder.random_levels(
        records, pairs=RANDOM_PAIRS, rng=np.random.default_rng(int.from_bytes(random_bytes(16)))
    )
    passes, suppressed = [], []
    plans = list(encoder.plan(records))
    own = OwnPairs(np.stack([planned.compared() for planned in plans], axis=1), encoder.fields)
    for place, planned in enumerate(plans):
        salted = encoder.salted(planned)
        own.add(place, partial(encoder.filters, records, salted))
        rows = np.flatnonzero(planned.sent)
        filters, present = encoder.filters(records, salted, rows)
        payload = payload_of(
            Blocked(salted.tags[planned.block.numbers[rows]], present, filters.view(np.uint8))
        )
        passes.append(
            _EncodedPass(planned.name, encoded[rows], payload, payload[:, TAG_BYTES + PRESENT_BYTES :])
        )
        suppressed.append(planned.suppressed)
    header_members = {
        "random_levels": tuple(tuple(map(int, field)) for field in random_levels),
        "suppressed": tuple(suppressed),
    }
    counted = own.counted()
    members = {"copies": copies_among(original_of_each), "own_patterns": len(counted.patterns)}
    return _Made(tuple(passes), original_of_each, header_members, members, counted)


def _under_random_names(
    made: _Made,
    rows_encoded: NDArray[np.int64],
    dataset: Dataset,
    agreement: AgreementFile,
    secret: LinkageSecret,
    found: Survey,
    salts: RowSalts,
    previous: Mapping[str, str],
    risk: bytes,
    random_bytes: RandomBytes,
) -> EncodedDataset:
    """Fresh handles for the records, and fresh references for those of each pass."""
    handles = _fresh_ids(found.rows, random_bytes)
    order = framing.ascending(handles)
    position_of_row = np.empty(found.rows, dtype=np.int64)
    position_of_row[order] = np.arange(found.rows)
    references = tuple(_fresh_ids(len(each.rows), random_bytes) for each in made.passes)
    copies, position = _copies(made.originals, position_of_row[rows_encoded])
    positions = tuple(position[each.rows] for each in made.passes)
    common: dict[str, Any] = {
        "agreement_sha256": agreement.sha256,
        "dataset": dataset.name,
        "party": dataset.party,
        "submission": salts.submission,
        "records": found.rows,
    }
    encoded = tuple(
        EncodedPass(name=each.name, records=len(each.rows), record_bytes=ID_BYTES + each.payload.shape[1])
        for each in made.passes
    )
    counted = tuple(CountedPass(name=each.name, records=len(each.rows)) for each in made.passes)
    offered = previous_keys.offered(
        found.record_ids, previous, position_of_row, shared=may_share(dataset, agreement.content)
    )
    stated: dict[str, Any] = {} if agreement.content.privacy.risk is None else {"risk": to_base64(risk)}
    header = encodings_header(agreement)(
        **common,
        **made.header_members,
        **stated,
        key_check=secret.key_check(),
        transcript=secret.transcript,
        confirmation=secret.confirmation(dataset.party),
        rows_root=salts.rows_root,
        passes=encoded,
    )
    return EncodedDataset(
        Encodings(header, references, tuple(each.payload for each in made.passes)),
        References(
            _references_header(made, agreement, {**common, "passes": counted}, offered),
            handles[order],
            references,
            positions,
            copies,
            made.own_patterns,
            offered,
        ),
        [(handles[row].tobytes().hex(), found.record_ids[row]) for row in order],
        salts,
        found,
    )


def _references_header(
    made: _Made, agreement: AgreementFile, common: dict[str, Any], previous: Previous
) -> ReferencesHeader:
    kept: dict[str, Any] = (
        {"previous": len(previous.records)} if agreement.content.release.keep_linkage_keys else {}
    )
    return references_header(agreement)(**common, **made.references_members, **kept)


def _copies(originals: NDArray[np.int64], positions: NDArray[np.int64]) -> tuple[Copies, NDArray[np.int64]]:
    """Copies by position, and the position that stands for each record: the lowest of those that are equal.

    Which of them was first in the department's table is lost, as all its order is.
    """
    lowest = positions.copy()
    np.minimum.at(lowest, originals, positions)
    standing = lowest[originals]
    copies = np.flatnonzero(standing != positions)
    copies = copies[np.argsort(positions[copies])]
    return Copies(positions[copies], standing[copies]), standing


def _fresh_ids(count: int, random_bytes: RandomBytes) -> Bytes:
    return np.frombuffer(random_bytes(count * ID_BYTES), dtype=np.uint8).reshape(count, ID_BYTES)
