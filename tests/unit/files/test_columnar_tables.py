from collections.abc import Callable
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.feather as feather
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pprl.errors import DataError, PprlError
from pprl.files.fields import MOST_FINDINGS
from pprl.files.tables import count_rows, open_table

Write = Callable[..., Path]
Read = Callable[..., dict[str, list[str]]]
Silent = Callable[[PprlError], None]

CANARY = "ZEPHYRINE"


@pytest.fixture(params=["parquet", "arrow"])
def kind(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def written(tmp_path: Path, kind: str) -> Write:
    """Writes columns to a file whose name says something else than its kind."""

    def write(columns: dict[str, Any] | pa.Table, **options: Any) -> Path:
        path = tmp_path / "people.csv"
        table = columns if isinstance(columns, pa.Table) else pa.table(columns)
        if kind == "parquet":
            pq.write_table(table, path, **options)
        else:
            feather.write_feather(table, str(path))
        return path

    return write


TEXTS = {
    "text": (pa.array(["Zoë", "", None, "a\nb"]), ["Zoë", "", "", "a\nb"]),
    "large text": (pa.array(["x", None], pa.large_string()), ["x", ""]),
    "viewed text": (pa.array(["x", None, "y" * 20], pa.string_view()), ["x", "", "y" * 20]),
    "dictionary": (pa.array(["F", "M", None, "F"]).dictionary_encode(), ["F", "M", "", "F"]),
    "dictionary of numbers": (pa.array([7, None]).dictionary_encode(), ["7", ""]),
    "whole": (pa.array([0, -1, 2**63 - 1, None]), ["0", "-1", "9223372036854775807", ""]),
    "unsigned": (pa.array([2**64 - 1], pa.uint64()), ["18446744073709551615"]),
    "small": (pa.array([1, None], pa.int8()), ["1", ""]),
    "days": (pa.array([date(1980, 2, 29), None, date(1, 1, 1)]), ["1980-02-29", "", "0001-01-01"]),
    "days in milliseconds": (pa.array([date(1939, 9, 3)], pa.date64()), ["1939-09-03"]),
    "midnights": (
        pa.array([datetime(1980, 2, 29), None, datetime(1940, 1, 1)], pa.timestamp("ns")),
        ["1980-02-29", "", "1940-01-01"],
    ),
    "whole floats": (
        pa.array([1.0, None, -0.0, 2.0**53, 1e15]),
        ["1", "", "0", "9007199254740992", "1000000000000000"],
    ),
    "half floats": (pa.array([3.0], pa.float16()), ["3"]),
    "whole decimals": (
        pa.array([Decimal("12345678901234567890.00"), None], pa.decimal128(38, 2)),
        ["12345678901234567890", ""],
    ),
    "nothing": (pa.nulls(2), ["", ""]),
}


@pytest.mark.parametrize(("column", "texts"), TEXTS.values(), ids=TEXTS)
def test_values_become_plain_text(
    column: Any, texts: list[str], kind: str, written: Write, read_all: Read
) -> None:
    path = written({"other": pa.array([[1]] * len(column)), "value": column})
    table = open_table(path, needed=["value"])
    assert (table.header, table.encoding, table.delimiter) == (("other", "value"), "", "")
    assert read_all(table, ["value"]) == {"value": texts}
    assert count_rows(table) == len(texts)


TYPES = {
    "list": pa.array([[CANARY]]),
    "structure": pa.array([{CANARY: CANARY}]),
    "bytes": pa.array([CANARY.encode()]),
    "truth": pa.array([True]),
    "time": pa.array([1], pa.time32("s")),
    "with zone": pa.array([datetime(1980, 1, 1, tzinfo=UTC)], pa.timestamp("s", tz="UTC")),
}


@pytest.mark.parametrize("column", TYPES.values(), ids=TYPES)
def test_types_without_a_plain_text_are_refused(column: Any, written: Write, silent: Silent) -> None:
    path = written({"id": pa.array([1]), "value": column})
    table = open_table(path, needed=["id"])
    for read in (lambda: open_table(path, needed=["value"]), lambda: list(table.batches(["id", "value"]))):
        with pytest.raises(DataError) as caught:
            read()
        (finding,) = caught.value.findings
        assert (finding.row, finding.column) == (None, "value")
        assert finding.rule.startswith("columns of type ")
        silent(caught.value)


BAD = "contains the control character U+0000"
VALUES = {
    "fractions": (
        pa.array([1.0, 1.5, None, 2.25]),
        [(3, "is not a whole number"), (5, "is not a whole number")],
    ),
    "not a number": (
        pa.array([float("nan"), 1.0, float("inf"), 2.0**53 * 2]),
        [(r, "is not a whole number") for r in (2, 4, 5)],
    ),
    "decimals": (pa.array([Decimal("1.50"), Decimal("2.00")]), [(2, "is not a whole number")]),
    "times of day": (
        pa.array([datetime(1980, 1, 1), datetime(1930, 1, 1, 3)], pa.timestamp("us")),
        [(3, "has a time of day")],
    ),
    "control characters": (pa.array(["x", f"{CANARY}\0", None, f"\0{CANARY}"]), [(3, BAD), (5, BAD)]),
    "in a dictionary": (pa.array(["x", f"{CANARY}\0"] * 2).dictionary_encode(), [(3, BAD), (5, BAD)]),
    "too long": (pa.array([CANARY * 2_000]), [(2, "longer than 10,000 characters")]),
}


@pytest.mark.parametrize(("column", "expected"), VALUES.values(), ids=VALUES)
def test_faulty_values_are_named_and_never_shown(
    column: Any, expected: list[tuple[int, str]], written: Write, silent: Silent
) -> None:
    table = open_table(written({"id": pa.array(range(len(column))), "value": column}))
    for rows_per_batch in (1, 2, 50):
        with pytest.raises(DataError) as caught:
            list(table.batches(["id", "value"], rows_per_batch=rows_per_batch))
        assert [(f.row, f.rule) for f in caught.value.findings] == expected
        assert {f.column for f in caught.value.findings} == {"value"}
        silent(caught.value)


def test_faults_of_several_columns_come_in_the_order_of_rows(written: Write) -> None:
    table = open_table(written({"a": pa.array([0.5, 1.0, 0.5]), "b": pa.array(["\0", "\0", ""])}))
    with pytest.raises(DataError) as caught:
        list(table.batches(["b", "a"]))
    assert [(f.row, f.column) for f in caught.value.findings] == [(2, "b"), (2, "a"), (3, "b"), (4, "a")]


def test_no_more_than_a_hundred_faults_are_listed(written: Write) -> None:
    table = open_table(written({"a": pa.array([0.5] * 1_000)}))
    with pytest.raises(DataError, match="more than 100") as caught:
        list(table.batches(["a"], rows_per_batch=30))
    assert len(caught.value.findings) == MOST_FINDINGS


def test_rows_are_numbered_and_batches_bounded(written: Write, read_all: Read) -> None:
    rows = list(range(2, 1_002))
    table = open_table(written({"row": pa.array(rows)}))
    batches = list(table.batches(["row"], rows_per_batch=300))
    assert all(len(batch.columns["row"]) <= 300 for batch in batches)
    assert all(batch.columns["row"][0] == str(batch.first_row) for batch in batches)
    assert read_all(table) == {"row": [str(row) for row in rows]}


def test_small_row_groups_are_read(tmp_path: Path, read_all: Read) -> None:
    path = tmp_path / "people"
    pq.write_table(
        pa.table({"id": pa.array(range(100)), "name": pa.array(["a", None] * 50)}), path, row_group_size=7
    )
    table = open_table(path)
    assert read_all(table, ["name", "id"], rows_per_batch=10)["id"] == [str(n) for n in range(100)]
    assert next(table.batches(["id"], rows_per_batch=50)).first_row == 2


def test_dots_in_names_are_no_paths(written: Write, read_all: Read) -> None:
    table = open_table(written({"a": pa.array(["1"]), "a.b": pa.array(["2"]), "b": pa.array(["3"])}))
    assert read_all(table, ["a.b"]) == {"a.b": ["2"]}
    assert read_all(table, ["b", "a"]) == {"b": ["3"], "a": ["1"]}


def test_headers_are_checked_as_those_of_text_files(written: Write, silent: Silent) -> None:
    column = pa.array([CANARY])
    repeated = pa.Table.from_arrays([column, column, column], names=["id", "", "id"])
    with pytest.raises(DataError) as caught:
        open_table(written(repeated), needed=["id", "born"])
    assert [(f.row, f.column, f.rule) for f in caught.value.findings] == [
        (1, "column 2", "has no name"),
        (1, "column 3", "has the same name as column 1"),
        (1, "born", "no such column"),
    ]
    silent(caught.value)


def test_a_header_alone_is_refused(written: Write) -> None:
    with pytest.raises(DataError, match="no records"):
        open_table(written({"id": pa.array([], pa.string())}))


def test_text_that_is_not_utf_8_is_refused(kind: str, written: Write, silent: Silent) -> None:
    raw = f"{CANARY}\xff".encode("latin-1")
    offsets = pa.array([0, len(raw)], pa.int32()).buffers()[1]
    broken = pa.Array.from_buffers(pa.string(), 1, [None, offsets, pa.py_buffer(raw)])
    table = open_table(
        written(pa.table({"id": broken}), **({"use_dictionary": False} if kind == "parquet" else {}))
    )
    with pytest.raises(DataError) as caught:
        list(table.batches(["id"]))
    silent(caught.value)


@pytest.mark.parametrize("kept", [6, 20, 0.5, 0.9])
def test_cut_off_files_are_refused(kept: float, written: Write, silent: Silent) -> None:
    path = written({"id": pa.array([CANARY] * 1_000), "n": pa.array(range(1_000))})
    whole = path.read_bytes()
    path.write_bytes(whole[: int(kept if kept > 1 else kept * len(whole))])
    with pytest.raises(DataError, match="damaged") as caught:
        list(open_table(path).batches(["id"]))
    assert caught.value.hint
    silent(caught.value)


def test_a_header_that_changes_is_refused(written: Write) -> None:
    table = open_table(written({"id": pa.array([1])}))
    written({"id": pa.array([1]), "more": pa.array([1])})
    with pytest.raises(DataError, match="was changed"):
        list(table.batches(["id"]))


def test_a_name_that_is_not_utf_8_is_refused(written: Write, silent: Silent) -> None:
    path = written({"id": pa.array([1]), CANARY: pa.array([1])})
    path.write_bytes(path.read_bytes().replace(CANARY.encode(), CANARY[:-1].encode() + b"\xff"))
    with pytest.raises(DataError, match="damaged") as caught:
        open_table(path, needed=["id"])
    silent(caught.value)


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(place=st.integers(0), flipped=st.integers(1, 255))
def test_damaged_files_raise_nothing_else(place: int, flipped: int, written: Write) -> None:
    path = written({"id": pa.array([CANARY, "b"] * 10), "n": pa.array(range(20)), "x": pa.array([1.0] * 20)})
    raw = bytearray(path.read_bytes())
    raw[6 + place % (len(raw) - 6)] ^= flipped
    path.write_bytes(raw)
    found: DataError | None = None
    try:
        table = open_table(path)
        list(table.batches(table.header))
    except DataError as error:
        found = error
    assert found is None or found.__context__ is None
