"""Tables in Parquet and Arrow files, as the text that a CSV file of them would hold.

Columns of text, whole numbers and dates are read; so are floats and decimals that are whole numbers, which is
what other tools make of whole numbers with gaps, and timestamps without a time of day, which is what they make
of dates. Anything else is refused, since its text would depend on who wrote it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from operator import itemgetter
from pathlib import Path
from typing import Any, Literal, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from pyarrow import types

from pprl.errors import DataError, Finding
from pprl.files import fields

Kind = Literal["parquet", "arrow"]

_FIRST_ROW = 2
_LARGEST_EXACT = pa.scalar(2.0**53)
_BUFFER_BYTES = 1 << 20
# KeyError and IndexError: pyarrow's Python side trusts what the file says about its columns.
_DAMAGE = (pa.ArrowException, OSError, ValueError, KeyError, IndexError)

_Array = Any
"""A pyarrow array. Its stubs tell apart some sixty types of arrays, which the compute functions don't."""


@dataclass(frozen=True, slots=True)
class Columnar:
    """A Parquet or Arrow file of which the header was checked.

    Attributes:
        path: the file.
        kind: its format.
        header: names of its columns, all different and none empty.
        records: how many it holds.
    """

    path: Path
    kind: Kind
    header: tuple[str, ...]
    records: int


def open_columnar(path: Path, *, kind: Kind, needed: Sequence[str]) -> Columnar:
    """Read what a file says about itself.

    Args:
        path: the file.
        kind: its format.
        needed: columns that must be there, of types that are read.

    Raises:
        DataError: the file is damaged, has no records, or its columns are not fit.
    """
    described = _described(path, kind)
    if described is None:
        raise _damaged(path, kind)
    fields.check_header(path, described.names, needed)
    _check_types(path, described, needed)
    if not described.records:
        raise DataError(f"{path} has a header but no records.", hint="Check that it is the right file.")
    return Columnar(path, kind, described.names, described.records)


def read(file: Columnar, wanted: Sequence[str], rows_per_batch: int) -> Iterator[tuple[int, list[list[str]]]]:
    """Read some columns of a file, in batches.

    Args:
        file: from `open_columnar`.
        wanted: names from its header.
        rows_per_batch: most rows of a batch; a file's own row groups are held besides.

    Returns:
        An iterator over the row of a batch's first record, and its columns.

    Raises:
        DataError: with findings; batches from before the fault may have come out already.
    """
    row = _FIRST_ROW
    for batch in _batches(file, wanted, rows_per_batch):
        columns = [_text(batch.column(name)) for name in wanted]
        clean = [column for column in columns if column is not None and fields.are_clean(column)]
        if len(clean) < len(columns):
            raise fields.refusal(file.path, _faults(file, wanted, rows_per_batch))
        yield row, clean
        row += batch.num_rows


class _Described(NamedTuple):
    names: tuple[str, ...]
    unread: tuple[str, ...]
    """For each column its type, if that is not read, else ""."""
    records: int


def _described(path: Path, kind: Kind) -> _Described | None:
    """What a file says about itself; None if it is damaged, down to the letters of its columns' names."""
    try:
        if kind == "parquet":
            with pq.ParquetFile(path) as parquet:
                return _description(parquet.schema_arrow, parquet.metadata.num_rows)
        with pa.OSFile(str(path), "rb") as source, pa.ipc.open_file(source) as arrow:
            places = range(arrow.num_record_batches)
            return _description(arrow.schema, sum(arrow.get_batch(place).num_rows for place in places))
    except _DAMAGE:
        return None


def _description(schema: pa.Schema, records: int) -> _Described:
    unread = ("" if _is_read(kind) else str(kind).split("<")[0] for kind in schema.types)
    return _Described(tuple(schema.names), tuple(unread), records)


def _damaged(path: Path, kind: Kind) -> DataError:
    return DataError(
        f"{path} is damaged: it can't be read as {kind.title()}.", hint="Write or copy it again."
    )


def _check_types(path: Path, described: _Described, wanted: Sequence[str]) -> None:
    found = [
        Finding(f"columns of type {unread} are not read", column=name)
        for name, unread in zip(described.names, described.unread, strict=True)
        if unread and name in wanted
    ]
    if found:
        raise fields.refusal(path, found, hint="Save such columns as text, whole numbers or dates.")


def _is_read(kind: pa.DataType) -> bool:
    if isinstance(kind, pa.DictionaryType):
        return not types.is_dictionary(kind.value_type) and _is_read(kind.value_type)
    if isinstance(kind, pa.TimestampType):
        return kind.tz is None
    return any(
        fits(kind)
        for fits in (
            types.is_string,
            types.is_large_string,
            types.is_string_view,
            types.is_integer,
            types.is_floating,
            types.is_decimal,
            types.is_date,
            types.is_null,
        )
    )


def _batches(file: Columnar, wanted: Sequence[str], rows_per_batch: int) -> Iterator[pa.RecordBatch]:
    """A file's record batches, of none of which is left to doubt that it is well formed."""
    described = _described(file.path, file.kind)
    if described is None:
        raise _damaged(file.path, file.kind)
    if described.names != file.header:
        raise fields.changed(file.path)
    _check_types(file.path, described, wanted)
    batches = _parquet_batches if file.kind == "parquet" else _arrow_batches
    damaged = False
    try:
        for batch in batches(file.path, wanted, rows_per_batch):
            batch.validate(full=True)
            yield batch
    except _DAMAGE:
        damaged = True
    # Outside of the handler, so that the error has no context: Arrow's messages may hold values.
    if damaged:
        raise _damaged(file.path, file.kind)


def _parquet_batches(path: Path, wanted: Sequence[str], rows_per_batch: int) -> Iterator[pa.RecordBatch]:
    with pq.ParquetFile(path, pre_buffer=False, buffer_size=_BUFFER_BYTES) as parquet:
        yield from parquet.iter_batches(rows_per_batch, columns=list(wanted))


def _arrow_batches(path: Path, wanted: Sequence[str], rows_per_batch: int) -> Iterator[pa.RecordBatch]:
    with pa.OSFile(str(path), "rb") as source, pa.ipc.open_file(source) as whole:
        places = [whole.schema.names.index(name) for name in wanted]
        source.seek(0)
        with pa.ipc.open_file(source, options=pa.ipc.IpcReadOptions(included_fields=places)) as arrow:
            for place in range(arrow.num_record_batches):
                batch = arrow.get_batch(place)
                for start in range(0, batch.num_rows, rows_per_batch):
                    yield batch.slice(start, rows_per_batch)


def _text(array: _Array) -> list[str] | None:
    """A column as text; None if a value has no text of its own."""
    values, refused = _values(array)
    if refused is not None and pc.any(refused).as_py():
        return None
    texts: list[str] = values.cast(pa.large_string()).fill_null("").to_pylist()
    return texts


def _values(array: _Array) -> tuple[_Array, _Array | None]:
    """Values of a type whose text is plain, and which of them are left out, if that can be."""
    if types.is_dictionary(array.type):
        return _values(array.dictionary_decode())
    if types.is_date(array.type):
        return array.cast(pa.date32()), None
    if types.is_timestamp(array.type):
        days = array.cast(pa.date32(), safe=False)
        return _without(days, pc.not_equal(days.cast(array.type), array))
    if types.is_decimal(array.type):
        kept, refused = _without(array, pc.not_equal(pc.round(array), array))
        return kept.cast(pa.decimal256(76, 0)), refused
    if types.is_floating(array.type):
        numbers = array.cast(pa.float64())
        whole = pc.and_(pc.equal(pc.round(numbers), numbers), pc.less_equal(pc.abs(numbers), _LARGEST_EXACT))
        kept, refused = _without(numbers, pc.invert(whole))
        return kept.cast(pa.int64()), refused
    return array, None


def _without(array: _Array, refused: _Array) -> tuple[_Array, _Array]:
    return pc.if_else(refused, pa.scalar(None, array.type), array), refused


def _faults(file: Columnar, wanted: Sequence[str], rows_per_batch: int) -> Iterator[Finding]:
    """Every fault, in order: read again, value by value."""
    row = _FIRST_ROW
    for batch in _batches(file, wanted, rows_per_batch):
        found = [(place, name, fault) for name in wanted for place, fault in _faults_in(batch.column(name))]
        for place, name, fault in sorted(found, key=itemgetter(0)):
            yield Finding(fault.rule, fault.remedy, row=row + place, column=name)
        row += batch.num_rows


def _faults_in(array: _Array) -> Iterator[tuple[int, fields.Fault]]:
    """Faults of a column's values, after their place."""
    values, refused = _values(array)
    for place, text in enumerate(values.cast(pa.large_string()).fill_null("").to_pylist()):
        fault = fields.fault_of(text)
        if fault:
            yield place, fault
    if refused is not None:
        rule = "has a time of day" if types.is_date(values.type) else "is not a whole number"
        for place in np.flatnonzero(refused.fill_null(False).to_numpy(zero_copy_only=False)).tolist():
            yield place, fields.Fault(rule, "save it as text")
