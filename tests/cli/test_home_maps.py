"""Home maps of any size and with any record ids: what `encode` writes, `keys open` must be able to read."""

from __future__ import annotations

import csv
import io
from pathlib import Path

import pytest

from pprl import department
from pprl.errors import FormatError
from pprl.files.csv_writer import write_csv
from tests.support.commands import run
from tests.support.project import Project


def test_a_home_map_of_more_than_a_megabyte_is_read(project: Project, made_results: Path) -> None:
    home_map = project.home_map("police")
    rows = "".join(f"{number:032x},CASE-{number}\n" for number in range(30_000))
    home_map.write_text(f"handle,record_id\n{rows}")
    assert home_map.stat().st_size > 1_000_000
    result = run(
        "pprl", "keys", "open", made_results / "police.linkage-keys", "-a", project.agreement_path,
        "-k", project.key("police-dept"), "--map", home_map, "-o", project.folder / "keys.csv",
    )  # fmt: skip
    # It is another submission's map: which can only be told by someone who has read it.
    assert "do not belong to one submission" in result.stderr


AWKWARD = [
    "a\rb", "a\nb", "a\r\nb", "\r", "\n", "\r\n", '"', '""', 'a"b', "a,b", ",", " a ", "\t", "a\0b", "\x1b[31m",
    "\x1c", "\x85", "\u2028", "'", "a\\", "=1+1", "",
]  # fmt: skip


def test_any_record_id_reads_back_from_a_table() -> None:
    written = io.BytesIO()
    rows = [(str(number), text) for number, text in enumerate(AWKWARD)]
    assert write_csv(written, ("handle", "record_id"), rows) == len(rows)
    text = written.getvalue().decode()
    assert list(csv.reader(io.StringIO(text, newline=""), strict=True))[1:] == [list(row) for row in rows]
    assert department._read_home_map(written.getvalue()) == rows


def test_what_needs_no_quotes_gets_none() -> None:
    written = io.BytesIO()
    write_csv(written, ("a", "b"), [("1", "x y"), ("2", "O'Neil")])
    assert written.getvalue() == b"a,b\n1,x y\n2,O'Neil\n"


def test_records_with_awkward_ids_get_their_keys(project: Project) -> None:
    with project.data("police").open(newline="") as file:
        header, *rows = csv.reader(file)
    place = header.index("offence_ref")
    ids = ["OFF\r1", "OFF\n2", "OFF\r\n3", 'OFF"4', "OFF,5"]
    for row, record_id in zip(rows, ids, strict=False):
        row[place] = record_id
    with project.data("police").open("w", newline="") as file:
        csv.writer(file, quoting=csv.QUOTE_ALL).writerows([header, *rows])
    out = project.folder / "again"
    words = ("-a", project.agreement_path, "-k", project.key("police-dept"), "-o", out)
    assert run("pprl", "encode", project.data("police"), *words).exit_code == 0
    kept = department._read_home_map(out.with_name("again.home-map.csv").read_bytes())
    assert sorted(record_id for _, record_id in kept) == sorted(row[place] for row in rows)


@pytest.mark.parametrize(
    ("raw", "says"),
    [
        (b"", "not a home map"),
        (b"record_id,linkage_key\na,b\n", "not a home map"),
        (b"handle,record_id\na\n", "damaged"),
        (b'handle,record_id\na,"Zebedee', "damaged"),
        (b"handle,record_id\na,Zebedee\xff\n", "damaged"),
    ],
)
def test_what_is_no_home_map_is_refused_without_keeping_it(raw: bytes, says: str) -> None:
    with pytest.raises(FormatError, match=says) as caught:
        department._read_home_map(raw)
    assert caught.value.__cause__ is None
    assert caught.value.__context__ is None
