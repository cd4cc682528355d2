from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pprl.errors import DataError, Finding, PprlError, UsageError
from pprl.files.examine import faults
from pprl.files.fields import MOST_FIELD_CHARACTERS, MOST_FINDINGS
from pprl.files.layout import Layout
from pprl.files.tables import Table, count_rows, open_table

Write = Callable[[bytes | str], Path]
Silent = Callable[[PprlError], None]

CANARY = "ZEPHYRINE"
_NAMES = "id,name,born\n1,Ann,2000\n"
_ENCODING_HINT = "--encoding windows-1252"


def _read(path: Path, **options: Any) -> None:
    table = open_table(path, **options)
    for _ in table.batches(table.header, rows_per_batch=7):
        pass


def _refused(path: Path, **options: Any) -> DataError:
    with pytest.raises(DataError) as caught:
        _read(path, **options)
    return caught.value


def _places(error: DataError) -> list[tuple[int | None, str, str]]:
    return [(finding.row, finding.column, finding.rule) for finding in error.findings]


ROWS = {
    "too few fields": (f"2,{CANARY}\n", [(3, "", "has 2 fields, the header 3")]),
    "too many fields": (f"2,{CANARY},2001,x\n", [(3, "", "has 4 fields, the header 3")]),
    "a row of one field": (f"{CANARY}\n", [(3, "", "has 1 field, the header 3")]),
    "nul": (f"2,{CANARY}\0,2001\n", [(3, "name", "contains the control character U+0000")]),
    "escape": (f"2,x,\x1b{CANARY}\n", [(3, "born", "contains the control character U+001B")]),
    "delete": (f"{CANARY}\x7f,x,2001\n", [(3, "id", "contains the control character U+007F")]),
    "vertical tab": (f'2,"{CANARY}\x0b",2001\n', [(3, "name", "contains the control character U+000B")]),
    "c1 control": (f"2,{CANARY}\x85,2001\n", [(3, "name", "contains the control character U+0085")]),
    "lost letter": (
        f"2,{CANARY}\ufffd,2001\n",
        [(3, "name", "contains U+FFFD, which stands for a letter that was lost")],
    ),
    "mark in the middle": (f"\ufeff2,{CANARY},2001\n", [(3, "id", "contains a byte-order mark")]),
    "one character too long": (
        f"2,{CANARY}{'x' * (MOST_FIELD_CHARACTERS - len(CANARY) + 1)},2001\n",
        [(3, "name", "longer than 10,000 characters")],
    ),
    "100,000 characters": (f"2,{CANARY * 11_112},2001\n", [(3, "name", "longer than 10,000 characters")]),
    "several lines too long": (
        '2,"' + f"{CANARY}\n" * 2_000 + '",2001\n',
        [(3, "name", "longer than 10,000 characters")],
    ),
    "beyond the parser's limit": (
        f"2,{'x' * 200_000}{CANARY},2001\n",
        [(3, "", 'far longer than 10,000 characters, or a quote (") is never closed')],
    ),
    "quote never closed": (
        f'2,"{CANARY},2001\n3,y,2002\n',
        [(3, "", 'a quote (") is opened and never closed')],
    ),
    "quote never closed in a large file": (
        f'2,"{CANARY},2001\n' + "3,y,2002\n" * 30_000,
        [(3, "", 'far longer than 10,000 characters, or a quote (") is never closed')],
    ),
    "text behind a quote": (
        f'2,"{CANARY}"x,2001\n',
        [(3, "", 'text stands right behind a closing quote (")')],
    ),
    "several": (
        f"\n2,{CANARY}\n\n3,\0{CANARY},\x01\n4,ok,2002\n5,{CANARY},2003,\n",
        [
            (4, "", "has 2 fields, the header 3"),
            (6, "name", "contains the control character U+0000"),
            (6, "born", "contains the control character U+0001"),
            (8, "", "has 4 fields, the header 3"),
        ],
    ),
    "faults before a quote that ends it": (
        f'2,{CANARY}\n3,"{CANARY}"x,2001\n4,{CANARY}\n',
        [
            (3, "", "has 2 fields, the header 3"),
            (4, "", 'text stands right behind a closing quote (")'),
        ],
    ),
}


@pytest.mark.parametrize(("rows", "expected"), ROWS.values(), ids=ROWS)
def test_faulty_rows_are_named_and_never_shown(
    rows: str, expected: list[tuple[int, str, str]], csv_file: Write, silent: Silent
) -> None:
    path = csv_file(_NAMES + rows)
    error = _refused(path, needed=["id"])
    assert _places(error) == expected
    assert error.hint
    silent(error)
    with pytest.raises(DataError) as counted:
        count_rows(open_table(path))
    assert _places(counted.value) == expected


def test_a_fault_is_found_in_a_column_that_is_not_asked_for(csv_file: Write) -> None:
    table = open_table(csv_file(_NAMES + "2,x,\0\n"))
    with pytest.raises(DataError):
        list(table.batches(["id"]))


def test_rows_before_a_fault_can_come_out_first(csv_file: Write) -> None:
    good = "1,Ann,2000\n" * 400
    batches = open_table(csv_file(f"id,name,born\n{good}2,x\n")).batches(["id"], rows_per_batch=100)
    assert [next(batches).first_row for _ in range(4)] == [2, 102, 202, 302]
    with pytest.raises(DataError) as caught:
        next(batches)
    assert _places(caught.value) == [(402, "", "has 2 fields, the header 3")]


@pytest.mark.parametrize(
    ("faulty", "more"), [(MOST_FINDINGS, False), (MOST_FINDINGS + 1, True), (5_000, True)]
)
def test_no_more_than_a_hundred_faults_are_listed(faulty: int, more: bool, csv_file: Write) -> None:
    error = _refused(csv_file(_NAMES + "2,x\n" * faulty))
    assert [finding.row for finding in error.findings] == list(range(3, 103))
    assert ("more than 100" in error.message) is more


ENCODED = {
    "windows-1252 in utf-8": (
        f"2,{CANARY} Zoë,2001\n".encode("cp1252"),
        None,
        "has bytes that are not utf-8",
    ),
    "cut-off utf-8": (f"2,{CANARY}Zo".encode() + b"\xc3", None, "has bytes that are not utf-8"),
    "utf-8 of a surrogate": (CANARY.encode() + b",\xed\xa0\x80,2001\n", None, "has bytes that are not utf-8"),
    "undefined in windows-1252": (
        f"2,{CANARY} \x81,2001\n".encode("latin-1"),
        "windows-1252",
        "has bytes that are not windows-1252",
    ),
    "utf-8 in windows-1252": (
        f"2,{CANARY} Zoë,2001\n".encode(),
        "windows-1252",
        "mixed encodings: UTF-8 in a file that is said to be windows-1252",
    ),
    "utf-8 in iso-8859-15": (
        f"2,{CANARY} Müller,2001\n".encode(),
        "iso-8859-15",
        "mixed encodings: UTF-8 in a file that is said to be iso-8859-15",
    ),
    "utf-8 in cp1251": (
        f"2,{CANARY} Анна,2001\n".encode(),
        "cp1251",
        "mixed encodings: UTF-8 in a file that is said to be cp1251",
    ),
    "windows-1252 in iso-8859-1": (
        f"2,{CANARY}\x92,2001\n".encode("latin-1"),
        "iso-8859-1",
        "contains the control character U+0092",
    ),
    "windows-1252 in shift_jis": (
        f"2,{CANARY}\xff,2001\n".encode("latin-1"),
        "shift_jis",
        "has bytes that are not shift_jis",
    ),
}


@pytest.mark.parametrize(("row", "encoding", "rule"), ENCODED.values(), ids=ENCODED)
def test_bytes_of_another_encoding_are_refused(
    row: bytes, encoding: str | None, rule: str, csv_file: Write, silent: Silent
) -> None:
    error = _refused(csv_file(_NAMES.encode() + b"\n" + row), encoding=encoding)
    assert [(finding.row, finding.rule) for finding in error.findings] == [(4, rule)]
    if encoding is None:
        assert _ENCODING_HINT in error.hint
    silent(error)


def test_the_column_of_bad_bytes_is_named(csv_file: Write) -> None:
    error = _refused(csv_file(_NAMES.encode() + b"2,Ann,2\xff01\n"))
    assert _places(error) == [(3, "born", "has bytes that are not utf-8")]


def test_half_a_character_of_utf_16_is_refused(csv_file: Write, silent: Silent) -> None:
    content = (_NAMES + f"2,{CANARY},2001\n").encode("utf-16")
    for tail in (b"\x00\xd8\x0a\x00", b"x"):
        error = _refused(csv_file(content + tail))
        assert [(finding.row, finding.rule) for finding in error.findings] == [
            (4, "has bytes that are not utf-16")
        ]
        silent(error)


def test_real_words_are_not_taken_for_mixed_encodings(csv_file: Write) -> None:
    for encoding, name in [
        ("windows-1252", "Zoë Ñíguez Ångström Łé".replace("Ł", "")),
        ("cp1251", "Їжак Ёлка"),
    ]:
        _read(csv_file((_NAMES + f"2,{name},2001\n").encode(encoding)), encoding=encoding)


def test_every_mixed_row_is_listed_but_only_the_first_of_bad_bytes(csv_file: Write) -> None:
    rows = "2,Zoë,2001\n3,Ann,2001\n4,Müller,2002\n".encode()
    assert [f.row for f in _refused(csv_file(_NAMES.encode() + rows), encoding="cp1252").findings] == [3, 5]
    bad = "2,Zoë,2001\n3,Ann,2001\n4,Müller,2002\n".encode("cp1252")
    assert [f.row for f in _refused(csv_file(_NAMES.encode() + bad)).findings] == [3]


HEADERS = {
    "no name": (f"id,,{CANARY}\n", ["id"], [(1, "column 2", "has no name")]),
    "blank name": (f"id, ,{CANARY}\n", [], [(1, "column 2", "has no name")]),
    "repeated name": (f"id,{CANARY},{CANARY}\n", [], [(1, "column 3", "has the same name as column 2")]),
    "repeated needed name": ("id,id,name\n", ["id"], [(1, "column 2", "has the same name as column 1")]),
    "missing": (f"id,{CANARY},born\n", ["id", "name"], [(1, "name", "no such column")]),
    "missing both, no header at all": (
        f"7,{CANARY},2001\n",
        ["name", "born"],
        [(1, "born", "no such column"), (1, "name", "no such column")],
    ),
    "control character": (
        f"id,{CANARY}\0,x\n",
        [],
        [(1, "column 2", "contains the control character U+0000")],
    ),
    "too long": (f"id,{CANARY * 2_000},x\n", [], [(1, "column 2", "longer than 10,000 characters")]),
    "bad bytes": (
        f"id,{CANARY} Zoë,x\n".encode("cp1252"),
        [],
        [(1, "column 2", "has bytes that are not utf-8")],
    ),
    "late header": (f"\n\nid,,{CANARY}\n", ["id"], [(3, "column 2", "has no name")]),
    "quote never closed": (
        f'"id,{CANARY}\n',
        ["id"],
        [(1, "", "the header's quotes don't match, or it is no text")],
    ),
}


@pytest.mark.parametrize(("header", "needed", "expected"), HEADERS.values(), ids=HEADERS)
def test_faulty_headers_are_refused_by_number(
    header: str | bytes,
    needed: list[str],
    expected: list[tuple[int, str, str]],
    csv_file: Write,
    silent: Silent,
) -> None:
    raw = header.encode() if isinstance(header, str) else header
    with pytest.raises(DataError) as caught:
        open_table(csv_file(raw + b"1,Ann,2000\n"), needed=needed)
    assert _places(caught.value) == expected
    assert caught.value.hint
    silent(caught.value)


def test_a_missing_column_tells_of_one_that_is_nearly_it(csv_file: Write) -> None:
    with pytest.raises(DataError) as caught:
        open_table(csv_file("id, Family Name,born\n1,x,2\n"), needed=["family_name", "town"])
    remedies = [finding.remedy for finding in caught.value.findings]
    assert remedies == ["column 2 differs only in capitals, spaces or punctuation", ""]
    assert "3 columns" in caught.value.hint
    assert "--delimiter" in caught.value.hint


def test_columns_that_are_not_there_are_refused_when_they_are_read(csv_file: Write) -> None:
    table = open_table(csv_file(_NAMES))
    with pytest.raises(DataError) as caught:
        table.batches(["id", "town"])
    assert _places(caught.value) == [(1, "town", "no such column")]


@pytest.mark.parametrize("content", [b"", b"\n", b"\r\n\r\n", b"\xef\xbb\xbf", b"\xff\xfe\n\0"])
def test_an_empty_file_is_refused(content: bytes, csv_file: Write) -> None:
    for needed in ((), ["id"]):
        with pytest.raises(DataError, match="is empty"):
            open_table(csv_file(content), needed=needed)


@pytest.mark.parametrize("end", ["", "\n", "\r\n\r\n\r\n"])
def test_a_header_alone_is_refused(end: str, csv_file: Write) -> None:
    with pytest.raises(DataError, match="header but no records"):
        open_table(csv_file(f"id,name{end}"))


@pytest.mark.parametrize("header", ["id", "id^name", "id,name;born", '"id,name"', "a|b\tc,d;e"])
def test_a_doubtful_delimiter_is_asked_for(header: str, csv_file: Write) -> None:
    with pytest.raises(DataError, match="delimiter") as caught:
        open_table(csv_file(f"{header}\n1\n"))
    assert "--delimiter" in caught.value.hint


@pytest.mark.parametrize("delimiter", ["", ",,", '"', "\n", "comma"])
def test_a_delimiter_that_cannot_be_is_refused(delimiter: str, csv_file: Write) -> None:
    with pytest.raises(UsageError):
        open_table(csv_file(_NAMES), delimiter=delimiter)


@pytest.mark.parametrize(
    "encoding", ["nonsense", "hex", "rot13", "base64", "idna", "unicode_escape", "undefined", "", "a\0b", "é"]
)
def test_what_is_no_encoding_of_files_is_refused(encoding: str, csv_file: Write) -> None:
    with pytest.raises(UsageError) as caught:
        open_table(csv_file(_NAMES), encoding=encoding)
    assert "windows-1252" in caught.value.hint


def test_an_encoding_that_contradicts_the_mark_is_refused(csv_file: Write) -> None:
    for content, declared in [(_NAMES.encode("utf-8-sig"), "cp1252"), (_NAMES.encode("utf-16"), "utf-8")]:
        with pytest.raises(UsageError, match="mark"):
            open_table(csv_file(content), encoding=declared)


def test_an_open_order_of_bytes_is_refused(csv_file: Write) -> None:
    with pytest.raises(UsageError) as caught:
        open_table(csv_file(_NAMES.encode("utf-16-le")), encoding="utf-16")
    assert "utf-16-le" in caught.value.hint


def test_utf_16_without_a_mark_is_refused(csv_file: Write) -> None:
    with pytest.raises(DataError) as caught:
        open_table(csv_file(_NAMES.encode("utf-16-le")))
    assert _places(caught.value)[0] == (1, "column 1", "contains the control character U+0000")


@pytest.mark.parametrize(
    ("start", "kind"),
    [(b"PK\x03\x04", "spreadsheet"), (b"\x1f\x8b", "gzip"), (b"SQLite format 3\0", "database")],
)
def test_files_that_are_no_tables_are_named(start: bytes, kind: str, csv_file: Write) -> None:
    with pytest.raises(DataError, match=kind):
        open_table(csv_file(start + bytes(100)))


@pytest.mark.parametrize("magic", [b"PPRLENV1", b"PPRLSUB1"])
def test_a_sealed_file_is_told_apart_from_text_of_another_encoding(magic: bytes, csv_file: Write) -> None:
    with pytest.raises(DataError, match="is sealed, not a table") as caught:
        open_table(csv_file(magic + bytes(range(100, 256))))
    assert "pprl crosswalk open" in caught.value.hint
    assert not caught.value.findings


def test_what_to_do_goes_for_commands_without_options_for_text_too(csv_file: Write) -> None:
    for content in (b"n\xe9e\n1\n", b"one\n1\n", b"one,two\n1,2\n"):
        with pytest.raises(DataError) as caught:
            open_table(csv_file(content), needed=("three",) if b"," in content else ())
        assert "ave it as UTF-8" in caught.value.hint or "with commas" in caught.value.hint


def test_missing_files_and_directories_are_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no such file"):
        open_table(tmp_path / "none.csv")
    with pytest.raises(UsageError, match="not a regular file"):
        open_table(tmp_path)
    with pytest.raises(UsageError, match="not a regular file"):
        open_table(Path("/dev/null"))


def test_a_file_that_disappears_is_refused(csv_file: Write) -> None:
    path = csv_file(_NAMES)
    table = open_table(path)
    path.unlink()
    with pytest.raises(UsageError, match="no such file"):
        list(table.batches(["id"]))


def test_a_header_that_changes_is_refused(csv_file: Write) -> None:
    path = csv_file(_NAMES)
    table = open_table(path)
    path.write_text("name,id,born\nAnn,1,2000\n")
    with pytest.raises(DataError, match="was changed"):
        list(table.batches(["id"]))


def test_a_line_without_end_is_refused(csv_file: Write, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pprl.files.text.MOST_LINE_CHARACTERS", 300_000)
    error = _refused(csv_file(_NAMES + "x," * 500_000))
    assert _places(error) == [(3, "", 'far longer than 10,000 characters, or a quote (") is never closed')]
    with pytest.raises(DataError, match="1 fault"):
        open_table(csv_file("x," * 500_000))


@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    content=st.binary(max_size=80)
    | st.lists(
        st.sampled_from([b",", b";", b'"', b"\n", b"\r", b"a", b"\0", b"\xc3", b"\xa9"]), max_size=40
    ).map(b"".join),
    headed=st.booleans(),
    encoding=st.sampled_from([None, "windows-1252", "utf-16-le", "gb18030", "utf-7", "iso2022_jp"]),
)
def test_any_bytes_are_read_or_refused_in_words(
    content: bytes, headed: bool, encoding: str | None, csv_file: Write
) -> None:
    path = csv_file(_NAMES.encode() * headed + content)
    with suppress(DataError, UsageError):
        table: Table = open_table(path, encoding=encoding)
        total = sum(
            len(batch.columns[table.header[0]]) for batch in table.batches(table.header, rows_per_batch=3)
        )
        assert total == count_rows(table) > 0


@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    tail=st.lists(st.sampled_from(["1,Ann,2000\n", "\n", '"', "x", ",", "\0", "\u0085", "é"]), max_size=12)
)
def test_what_is_refused_in_a_hurry_is_found_at_leisure(tail: list[str], csv_file: Write) -> None:
    table = open_table(csv_file(_NAMES + "".join(tail)))
    findings = list(faults(Layout(table.path, table.encoding, table.delimiter, table.header, 1)))
    try:
        list(table.batches(table.header))
        refused: tuple[Finding, ...] = ()
    except DataError as error:
        refused = error.findings
    assert list(refused) == findings
