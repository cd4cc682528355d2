import csv
import io
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pprl.errors import UsageError
from pprl.files.fields import MOST_FIELD_CHARACTERS, fault_of
from pprl.files.tables import count_rows, open_table

Write = Callable[[bytes | str], Path]
Read = Callable[..., dict[str, list[str]]]

HEADER = ("record id", "family, name", "born")
ENCODINGS = (
    "utf-8",
    "utf-8-sig",
    "utf-16",
    "utf-16-le",
    "utf-16-be",
    "windows-1252",
    "iso-8859-7",
    "gb18030",
)
BOM_OF = {"utf-16-le": "\ufeff", "utf-16-be": "\ufeff"}

_fields = st.text(
    st.characters(exclude_categories=["Cs", "Cc"], exclude_characters="\ufeff\ufffd")
    | st.sampled_from([",", ";", "\t", "|", '"', "\n", "\r", "'", " ", "é", "ß"]),
    max_size=12,
)
_rows = st.lists(st.tuples(_fields, _fields, _fields), min_size=1, max_size=20)


def _written(rows: list[tuple[str, ...]], delimiter: str, end: str, minimal: bool) -> str:
    out = io.StringIO(newline="")
    if minimal:
        writer = csv.writer(out, delimiter=delimiter, lineterminator=end, quoting=csv.QUOTE_MINIMAL)
    else:
        writer = csv.writer(out, delimiter=delimiter, lineterminator=end, quoting=csv.QUOTE_ALL)
    writer.writerows([HEADER, *rows])
    return out.getvalue()


def _fits(text: str, encoding: str) -> bool:
    try:
        return text.encode(encoding).decode(encoding) == text
    except UnicodeError:
        return False


def _looks_like_utf_8(field: str, encoding: str) -> bool:
    try:
        return not field.isascii() and bool(field.encode(encoding).decode("utf-8"))
    except UnicodeError:
        return False


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    rows=_rows,
    delimiter=st.sampled_from([",", ";", "\t", "|", "^"]),
    encoding=st.sampled_from(ENCODINGS),
    end=st.sampled_from(["\n", "\r\n", "\r"]),
    minimal=st.booleans(),
    rows_per_batch=st.integers(1, 9),
    told=st.booleans(),
)
def test_what_was_written_is_read(
    rows: list[tuple[str, ...]],
    delimiter: str,
    encoding: str,
    end: str,
    minimal: bool,
    rows_per_batch: int,
    told: bool,
    csv_file: Write,
    read_all: Read,
) -> None:
    single_byte = encoding in {"windows-1252", "iso-8859-7"}
    clean = [
        tuple(
            field
            if _fits(field, encoding) and not (single_byte and _looks_like_utf_8(field, encoding))
            else "plain"
            for field in row
        )
        for row in rows
    ]
    # Python's writer leaves line breaks unquoted that are not its own.
    text = _written(clean, delimiter, end, minimal and end == "\r\n")
    path = csv_file((BOM_OF.get(encoding, "") + text).encode(encoding))
    table = open_table(
        path,
        encoding=encoding if single_byte or encoding == "gb18030" or told else None,
        delimiter=delimiter if told or delimiter == "^" else None,
        needed=() if told or delimiter == "^" else HEADER[:2],
    )
    assert table.header == HEADER
    assert table.delimiter == delimiter
    columns = read_all(table, rows_per_batch=rows_per_batch)
    assert list(zip(*columns.values(), strict=True)) == clean
    assert count_rows(table) == len(clean)
    batches = list(table.batches(["born"], rows_per_batch=rows_per_batch))
    assert [batch.first_row for batch in batches] == list(range(2, 2 + len(clean), rows_per_batch))


@given(field=st.text(st.characters(), max_size=5))
def test_every_field_is_refused_or_read_as_it_is(field: str) -> None:
    allowed = not any((c < " " and c not in "\t\n\r") or "\x7f" <= c <= "\x9f" for c in field)
    broken = any(c in "\ufeff\ufffd" or "\ud800" <= c <= "\udfff" for c in field)
    assert (fault_of(field) is None) == (allowed and not broken)


def test_rows_are_numbered_as_a_spreadsheet_does(csv_file: Write) -> None:
    path = csv_file('\nid,name\n1,"two\nlines"\n2,b\n\n\n3,c\n4,d\n\n')
    table = open_table(path, needed=["id"])
    found = [(batch.first_row, batch.columns["id"]) for batch in table.batches(["id"])]
    assert found == [(3, ["1", "2"]), (7, ["3", "4"])]
    assert count_rows(table) == 4


def test_rows_stay_numbered_across_chunks_and_batches(csv_file: Write) -> None:
    lines = [f"{row}" if row % 997 else "" for row in range(2, 5_000)]
    path = csv_file("row\n" + "\n".join(lines) + "\n")
    found: list[int] = []
    for batch in open_table(path, needed=["row"]).batches(["row"], rows_per_batch=600):
        assert len(batch.columns["row"]) <= 600
        assert batch.columns["row"] == [str(batch.first_row + i) for i in range(len(batch.columns["row"]))]
        found += map(int, batch.columns["row"])
    assert found == [int(line) for line in lines if line]


def test_full_batches_have_the_size_asked_for(csv_file: Write) -> None:
    path = csv_file("id\n" + "\n".join(map(str, range(1_000))))
    sizes = [
        len(batch.columns["id"])
        for batch in open_table(path, needed=["id"]).batches(["id"], rows_per_batch=300)
    ]
    assert sizes == [300, 300, 300, 100]


def test_a_table_can_be_read_again_and_left_half_read(csv_file: Write, read_all: Read) -> None:
    table = open_table(csv_file("id,name\n1,a\n2,b\n"))
    assert next(table.batches(["id"], rows_per_batch=1)).columns == {"id": ["1"]}
    assert read_all(table, ["name"]) == read_all(table, ["name"]) == {"name": ["a", "b"]}


def test_columns_come_in_the_order_asked_for(csv_file: Write, read_all: Read) -> None:
    table = open_table(csv_file("id,name,born\n1,a,2000\n"))
    assert read_all(table, ["born", "id"]) == {"born": ["2000"], "id": ["1"]}


@pytest.mark.parametrize("end", ["", "\n", "\r\n", "\n\n"])
def test_an_empty_last_line_is_fine(end: str, csv_file: Write, read_all: Read) -> None:
    assert read_all(open_table(csv_file(f"id,name\n1,a{end}"))) == {"id": ["1"], "name": ["a"]}


def test_a_record_of_nothing_but_delimiters_is_a_record(csv_file: Write, read_all: Read) -> None:
    assert read_all(open_table(csv_file("id,name\n,\n"))) == {"id": [""], "name": [""]}


@pytest.mark.parametrize(
    ("header", "needed", "delimiter"),
    [
        ("id;name", (), ";"),
        ("id\tname", (), "\t"),
        ('id|"a,b;c"', (), "|"),
        ('"id";"a,b"', (), ";"),
        ('name,"born;where"', (), ","),
        ("id;first, second;born", ["first, second"], ";"),
        ("id|born", ["born"], "|"),
        ("id", ["id"], ","),
        ("name and, title", ["name and, title"], ";"),
    ],
)
def test_the_header_tells_the_delimiter(
    header: str, needed: list[str], delimiter: str, csv_file: Write
) -> None:
    filler = delimiter.join("x" * (header.count(delimiter) + 1))
    assert open_table(csv_file(f"{header}\n{filler}\n"), needed=needed).delimiter == delimiter


@pytest.mark.parametrize("word", ["tab", "\\t", "\t"])
def test_a_tab_can_be_typed(word: str, csv_file: Write) -> None:
    assert open_table(csv_file("a,b\tc\n1\t2\n"), delimiter=word).header == ("a,b", "c")


def test_a_declared_delimiter_may_leave_one_column(csv_file: Write) -> None:
    assert open_table(csv_file("a;b\n1\n"), delimiter=",").header == ("a;b",)


@pytest.mark.parametrize(
    ("mark", "encoding", "declared", "told"),
    [
        ("", "utf-8", None, "utf-8"),
        ("", "utf-8", "UTF8", "utf8"),
        ("\ufeff", "utf-8", None, "utf-8-sig"),
        ("\ufeff", "utf-8", "utf-8", "utf-8-sig"),
        ("\ufeff", "utf-16-le", None, "utf-16"),
        ("\ufeff", "utf-16-be", None, "utf-16"),
        ("\ufeff", "utf-16-le", "utf-16-le", "utf-16"),
        ("\ufeff", "utf-32-le", None, "utf-32"),
        ("", "utf-16-be", "utf-16-be", "utf-16-be"),
        ("", "cp1252", "Windows-1252", "windows-1252"),
        ("", "latin-1", "ISO-8859-1", "iso-8859-1"),
        ("", "mac-roman", "mac-roman", "mac-roman"),
    ],
)
def test_the_encoding_follows_from_mark_and_user(
    mark: str, encoding: str, declared: str | None, told: str, csv_file: Write, read_all: Read
) -> None:
    table = open_table(csv_file((mark + "id,name\n1,Zoë\n").encode(encoding)), encoding=declared)
    assert table.encoding == told
    assert read_all(table) == {"id": ["1"], "name": ["Zoë"]}


def test_text_that_breaks_at_every_block_is_whole(
    csv_file: Write, read_all: Read, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = csv_file('id,name\r\n1,"Zoë\r\nJosé"\r\n\r\n2,Łukasz\r3,日本\n')
    for size in range(1, 12):
        monkeypatch.setattr("pprl.files.text._BLOCK_BYTES", size)
        table = open_table(path, needed=["id"])
        assert [batch.first_row for batch in table.batches(["id"])] == [2, 4]
        assert read_all(table) == {
            "id": ["1", "2", "3"],
            "name": ["Zoë\r\nJosé", "Łukasz", "日本"],
        }


def test_the_longest_field_is_read(csv_file: Write, read_all: Read) -> None:
    longest = "x" * MOST_FIELD_CHARACTERS
    assert read_all(open_table(csv_file(f"id,name\n1,{longest}\n")))["name"] == [longest]


@pytest.mark.parametrize(
    ("columns", "rows"), [([], 10), (["id"], 0), (["id"], -1)], ids=["no column", "no row", "negative"]
)
def test_a_batch_of_nothing_is_refused(columns: list[str], rows: int, csv_file: Write) -> None:
    table = open_table(csv_file("id,name\n1,a\n"))
    with pytest.raises(UsageError):
        table.batches(columns, rows_per_batch=rows)
