"""From a department's rows to the two parts of its submission, and the map that stays at home.

Runs in the department alone. Rows come in batches; what is kept of a row is its encoding and its own record
id. References and handles are drawn at random here and nowhere else, so that what leaves has an order and names
that mean nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pprl.encode.clk import ClkEncoder
from pprl.encode.linkage_secret import LinkageSecret
from pprl.encode.records import prepare
from pprl.errors import DataError, Finding
from pprl.protocol import framing
from pprl.protocol.agreement import AgreementFile, Dataset
from pprl.protocol.framing import ID_BYTES, Bytes
from pprl.protocol.submission import (
    CLK_PASS,
    CountedPass,
    EncodedPass,
    Encodings,
    EncodingsHeader,
    References,
    ReferencesHeader,
    require_no_wildcards,
)

MOST_FINDINGS = 1_000

RandomBytes = Callable[[int], bytes]
Rows = Iterable[tuple[int, dict[str, list[str]]]]


@dataclass(slots=True)
class Survey:
    """What was seen in the rows: counts, and where a rule was broken. Never a value.

    Attributes:
        rows: records read.
        encodable: records with enough identifiers to be compared.
        present: for each identifier, the records that have it.
        broken: findings, at most `MOST_FINDINGS` of them.
        broken_count: how many there were in all.
        record_ids: the department's own ids, in the order of the rows.
    """

    rows: int = 0
    encodable: int = 0
    present: dict[str, int] = field(default_factory=dict)
    broken: list[Finding] = field(default_factory=list)
    broken_count: int = 0
    record_ids: list[str] = field(default_factory=list, repr=False)


@dataclass(frozen=True, slots=True)
class EncodedDataset:
    """Everything that encoding makes.

    Attributes:
        encodings: for the matcher.
        references: for the key issuer.
        home_map: handle and record id of every record, in the order of the handles; never leaves.
        survey: counts for the department's own eyes.
    """

    encodings: Encodings
    references: References
    home_map: list[tuple[str, str]] = field(repr=False)
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
    for _ in _prepared(rows, dataset, agreement, found, seen):
        pass
    return found


def encode(
    rows: Rows,
    dataset: Dataset,
    agreement: AgreementFile,
    secret: LinkageSecret,
    *,
    random_bytes: RandomBytes,
    seen: Callable[[int], None],
) -> EncodedDataset:
    """Encode a dataset with scheme `clk`; `pprl encode` runs this in the department.

    Args:
        rows: batches of (number of the first row, columns by the department's own names).
        dataset: the dataset that they are.
        agreement: the agreement.
        secret: the departments' linkage secret.
        random_bytes: the source of references and handles.
        seen: called with the rows read so far.

    Raises:
        DataError: rows break a rule, and the agreement says to refuse them; or record ids repeat.
        DisclosureError: an encoding has too many bits set.

    Leaks: to the matcher, the similarity of every two records of the pass; see docs/threat-model.md.
    """
    encoder = ClkEncoder(agreement.content, secret.encoding_key())
    found = Survey()
    filters, encodable = [], []
    for columns, enough in _prepared(rows, dataset, agreement, found, seen):
        filters.append(encoder.encode({name: _where(values, enough) for name, values in columns.items()}))
        encodable.append(enough)
    require_acceptable(found, dataset, agreement)
    clks = np.vstack(filters)
    require_no_wildcards(clks, agreement)
    return _under_random_names(
        clks, np.concatenate(encodable), dataset, agreement, secret, found, random_bytes
    )


def require_acceptable(found: Survey, dataset: Dataset, agreement: AgreementFile) -> None:
    """Refuse rows that break a rule which the agreement does not forgive.

    Raises:
        DataError: with the findings, each with row, column and rule.
    """
    forgiven = agreement.content.encoding.invalid_values == "missing"
    fatal = [each for each in found.broken if not forgiven or each.column == dataset.record_id_column]
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


def _prepared(
    rows: Rows, dataset: Dataset, agreement: AgreementFile, found: Survey, seen: Callable[[int], None]
) -> Iterable[tuple[dict[str, list[str]], NDArray[np.bool_]]]:
    """Standardised columns of each batch, and which of its rows can be compared; counts go to `found`."""
    earlier: set[str] = set()
    for first_row, columns in rows:
        room = MOST_FINDINGS - len(found.broken)
        prepared = prepare(
            columns, first_row=first_row, dataset=dataset, agreement=agreement.content, most_findings=room
        )
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
    for offset, record_id in enumerate(columns[dataset.record_id_column]):
        rule = "record id is missing" if not record_id.strip() else "record id is there twice"
        if not record_id.strip() or record_id in earlier:
            found.broken_count += 1
            if len(found.broken) < MOST_FINDINGS:
                found.broken.append(Finding(rule, row=first_row + offset, column=dataset.record_id_column))
        earlier.add(record_id)
        found.record_ids.append(record_id)


def _where(values: list[str], chosen: NDArray[np.bool_]) -> list[str]:
    return [value for value, keep in zip(values, chosen, strict=True) if keep]


def _under_random_names(
    clks: Bytes,
    encodable: NDArray[np.bool_],
    dataset: Dataset,
    agreement: AgreementFile,
    secret: LinkageSecret,
    found: Survey,
    random_bytes: RandomBytes,
) -> EncodedDataset:
    handles = _fresh_ids(found.rows, random_bytes)
    order = framing.ascending(handles)
    position_of_row = np.empty(found.rows, dtype=np.int64)
    position_of_row[order] = np.arange(found.rows)
    references = _fresh_ids(len(clks), random_bytes)
    common: dict[str, Any] = {
        "agreement_sha256": agreement.sha256,
        "dataset": dataset.name,
        "party": dataset.party,
        "submission": random_bytes(ID_BYTES).hex(),
        "records": found.rows,
    }
    encoded = EncodedPass(name=CLK_PASS, records=len(clks), record_bytes=ID_BYTES + clks.shape[1])
    header = EncodingsHeader(
        **common, scheme=agreement.content.encoding.scheme, key_check=secret.key_check(), passes=(encoded,)
    )
    counted = CountedPass(name=CLK_PASS, records=len(clks))
    return EncodedDataset(
        Encodings(header, (references,), (clks,)),
        References(
            ReferencesHeader(**common, passes=(counted,)),
            handles[order],
            (references,),
            (position_of_row[encodable],),
        ),
        [(handles[row].tobytes().hex(), found.record_ids[row]) for row in order],
        found,
    )


def _fresh_ids(count: int, random_bytes: RandomBytes) -> Bytes:
    return np.frombuffer(random_bytes(count * ID_BYTES), dtype=np.uint8).reshape(count, ID_BYTES)
