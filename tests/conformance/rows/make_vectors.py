"""Writes the vectors of docs/formats/rows.md, from the document alone and without the package's own writers.

The salt key is derived from a name, so that each run writes the same file, and a test compares it with the one that
is here. Run after a change of the format: python -m tests.conformance.rows.make_vectors
"""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Callable, Iterator, Sequence
from copy import deepcopy
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

from tests.conformance.make_format_vectors import FIELD_FILTER_AGREEMENT, FORMAT, VERIFICATION

HERE = Path(__file__).parent
AGREEMENT = FIELD_FILTER_AGREEMENT.replace(
    "may_have_duplicates = true", 'may_have_duplicates = true\nrecord_id_column = "id"'
)
SHA256 = hashlib.sha256(AGREEMENT.encode()).hexdigest()
SALT_KEY = hashlib.sha256(b"salt key").digest()
SUBMISSION = "5" * 32

# The agreement's identifiers are surname and forename, in this order; the table has them the other way round.
CSV = (
    "forename,other,id,surname\n"
    "Ann,x,E-1,Smith\n"
    "Zo\u00eb,x,E-2,M\u00fcller\n"
    '"Jo ""Jo""",x,E-3,O\'Neil\n'
    "\n"
    "100%,x,E%41,a\\b\n"
    ",x,E-6,\n"
    '"two\nlines",x,E-7,\u738b\U0001f600\n'
    "Ann,x,E-8,Smith\n"
)
ROWS: list[tuple[int, str, list[str]]] = [
    (2, "E-1", ["Smith", "Ann"]),
    (3, "E-2", ["M\u00fcller", "Zo\u00eb"]),
    (4, "E-3", ["O'Neil", 'Jo "Jo"']),
    (6, "E%41", ["a\\b", "100%"]),
    (7, "E-6", ["", ""]),
    (8, "E-7", ["\u738b\U0001f600", "two\nlines"]),
    (9, "E-8", ["Smith", "Ann"]),
]

Change = Callable[[dict[str, Any]], Any]


def escaped(text: str) -> str:
    """A text in printable ASCII."""
    return "".join(
        each if " " <= each <= "~" and each != "%" else "".join(f"%{byte:02X}" for byte in each.encode())
        for each in text
    )


def salt(row: int) -> bytes:
    """The salt of a row."""
    encryptor = Cipher(algorithms.AES(SALT_KEY), modes.ECB()).encryptor()  # noqa: S305 - one block, as a PRF
    return encryptor.update(row.to_bytes(16, "big"))


def leaf(row: int, record_id: str, values: Sequence[str]) -> bytes:
    """What a leaf holds."""
    return salt(row) + spelt([row, escaped(record_id), [escaped(value) for value in values]])


def spelt(value: Any) -> bytes:
    """Canonical JSON, of what is ASCII already."""
    return json.dumps(value, sort_keys=True, separators=(",", ":")).encode("ascii")


def tree(leaves: Sequence[bytes]) -> bytes:
    """MTH of RFC 6962, section 2.1, as it stands there."""
    if not leaves:
        return hashlib.sha256().digest()
    if len(leaves) == 1:
        return hashlib.sha256(b"\0" + leaves[0]).digest()
    split = below(len(leaves))
    return hashlib.sha256(b"\1" + tree(leaves[:split]) + tree(leaves[split:])).digest()


def path(place: int, leaves: Sequence[bytes]) -> list[bytes]:
    """PATH of RFC 6962, section 2.1.1, as it stands there."""
    if len(leaves) == 1:
        return []
    split = below(len(leaves))
    if place < split:
        return [*path(place, leaves[:split]), tree(leaves[split:])]
    return [*path(place - split, leaves[split:]), tree(leaves[:split])]


def below(count: int) -> int:
    """The largest power of two that is smaller."""
    split = 1
    while split * 2 < count:
        split *= 2
    return split


def proof(places: Sequence[int], rows: Sequence[tuple[int, str, list[str]]] = ROWS) -> dict[str, Any]:
    """A proof of the rows at some places."""
    leaves = [leaf(*row) for row in rows]
    return {
        "agreement_sha256": SHA256,
        "dataset": "events",
        "format": "pprl-row-proof",
        "records": len(rows),
        "root": tree(leaves).hex(),
        "rows": [
            {
                "index": place,
                "path": [each.hex() for each in path(place, leaves)],
                "record_id": escaped(rows[place][1]),
                "row": rows[place][0],
                "salt": salt(rows[place][0]).hex(),
                "values": [escaped(value) for value in rows[place][2]],
            }
            for place in places
        ],
        "submission": SUBMISSION,
        "version": 1,
    }


ROOT = proof([0])["root"]


def accepted() -> Iterator[dict[str, Any]]:
    """Proofs that hold, with the rows that they show."""

    def vector(name: str, told: dict[str, Any], rows: Sequence[tuple[int, str, list[str]]]) -> dict[str, Any]:
        shown = [list(row) for row in rows]
        return {"name": name, "proof": spelt(told).decode(), "root": told["root"], "rows": shown}

    yield vector("the first row", proof([0]), ROWS[:1])
    yield vector("the last row", proof([6]), ROWS[6:])
    yield vector("rows before and behind an empty line", proof([2, 3]), ROWS[2:4])
    yield vector("all rows", proof(range(7)), ROWS)
    yield vector("the only row", proof([0], ROWS[4:5]), ROWS[4:5])
    without = [(row, "", values) for row, _, values in ROWS]
    told = {**proof([1, 5], without), "dataset": "people"}
    yield vector("a dataset without record ids", told, [without[1], without[5]])


def refused() -> Iterator[dict[str, Any]]:
    """Proofs that do not hold, and as what they are refused."""

    def vector(name: str, expect: str, word: str, change: Change, places: Sequence[int] = (1, 3, 5)) -> Any:
        told = deepcopy(proof(places))
        replaced = change(told)
        raw = replaced if isinstance(replaced, str) else spelt(told).decode()
        return {"name": name, "proof": raw, "root": ROOT, "expect": expect, "word": word}

    def put(where: str, name: str, value: Any) -> Change:
        def change(told: dict[str, Any]) -> None:
            (told if where == "proof" else told["rows"][1])[name] = value

        return change

    yield from tamperings(vector, put)
    yield from malformed(vector, put)


def tamperings(vector: Any, put: Any) -> Iterator[dict[str, Any]]:
    """Well-formed proofs of something else."""
    yield vector("a value changed", VERIFICATION, "Row 6", put("row", "values", ["a\\b", "99%25"]))
    yield vector("values swapped", VERIFICATION, "Row 6", put("row", "values", ["100%25", "a\\b"]))
    yield vector("a value left out", VERIFICATION, "columns", put("row", "values", ["a\\b"]))
    yield vector("a value more", VERIFICATION, "columns", put("row", "values", ["a\\b", "100%25", ""]))
    yield vector("the record id changed", VERIFICATION, "Row 6", put("row", "record_id", "E-5"))
    yield vector("no record id", VERIFICATION, "columns", put("row", "record_id", ""))
    yield vector(
        "a letter moved to the next value", VERIFICATION, "Row 6", put("row", "values", ["a\\b1", "00%25"])
    )
    yield vector("another row number", VERIFICATION, "Row 5", put("row", "row", 5))
    yield vector("another salt", VERIFICATION, "Row 6", put("row", "salt", "0" * 32))
    yield vector("another place", VERIFICATION, "Row 6", put("row", "index", 4))
    yield vector("no path", VERIFICATION, "Row 6", put("row", "path", []))
    own = proof([3])["rows"][0]["path"]
    yield vector("a path cut short", VERIFICATION, "Row 6", put("row", "path", own[:-1]))
    yield vector("a path that goes on", VERIFICATION, "Row 6", put("row", "path", [*own, ROOT]))
    yield vector("a path backwards", VERIFICATION, "Row 6", put("row", "path", own[::-1]))
    yield vector(
        "another row's path", VERIFICATION, "Row 6", put("row", "path", proof([4])["rows"][0]["path"])
    )

    def swapped(told: dict[str, Any]) -> None:
        first, second = told["rows"][:2]
        for name in ("record_id", "values"):
            first[name], second[name] = second[name], first[name]

    yield vector("two rows' contents swapped", VERIFICATION, "Row 3", swapped)
    yield vector("another root", VERIFICATION, "root", put("proof", "root", "0" * 64))
    yield vector("fewer records than there are", VERIFICATION, "records", put("proof", "records", 6), [0])
    yield vector("many more records than there are", VERIFICATION, "records", put("proof", "records", 70))
    yield vector(
        "another agreement", VERIFICATION, "another agreement", put("proof", "agreement_sha256", "0" * 64)
    )
    yield vector("another dataset", VERIFICATION, "columns", put("proof", "dataset", "people"))
    yield vector(
        "a dataset that is not agreed", VERIFICATION, "not agreed", put("proof", "dataset", "others")
    )
    left_out = [row for row in ROWS if row[0] != 4]
    yield vector(
        "of a table with a row left out",
        VERIFICATION,
        "root",
        lambda told: spelt(proof([1], left_out)).decode(),
    )
    added = [*ROWS, (10, "E-9", ["Brown", "Eve"])]
    yield vector(
        "of a table with a row added", VERIFICATION, "root", lambda told: spelt(proof([7], added)).decode()
    )
    other_order = [
        (row, *other[1:]) for (row, _, _), other in zip(ROWS, [ROWS[1], ROWS[0], *ROWS[2:]], strict=True)
    ]
    yield vector(
        "of a table in another order",
        VERIFICATION,
        "root",
        lambda told: spelt(proof([0], other_order)).decode(),
    )


def malformed(vector: Any, put: Any) -> Iterator[dict[str, Any]]:
    """What is no proof."""
    yield vector("no bytes", FORMAT, "JSON", lambda told: "")
    yield vector("cut short", FORMAT, "JSON", lambda told: spelt(told).decode()[:-1])
    yield vector("a line feed behind it", FORMAT, "canonical", lambda told: spelt(told).decode() + "\n")
    yield vector("a list", FORMAT, "wrong at", lambda told: "[]")
    yield vector("an unknown key", FORMAT, "unknown key", put("proof", "note", "Smith"))
    yield vector("an unknown key in a row", FORMAT, "unknown key", put("row", "note", "Smith"))
    yield vector("another format", FORMAT, "format", put("proof", "format", "pprl-row-salts"))
    yield vector("another version", FORMAT, "version", put("proof", "version", 2))
    yield vector("no records", FORMAT, "records", put("proof", "records", 0))
    yield vector("no rows", FORMAT, "rows", put("proof", "rows", []))
    yield vector("a root in capitals", FORMAT, "root", put("proof", "root", ROOT.upper()))
    yield vector("a root of 31 bytes", FORMAT, "root", put("proof", "root", ROOT[:-2]))
    yield vector("no submission", FORMAT, "submission", lambda told: told.pop("submission") and None)
    yield vector("a salt of 15 bytes", FORMAT, "salt", put("row", "salt", "0" * 30))
    yield vector("a hash of 31 bytes", FORMAT, "path", put("row", "path", ["0" * 62]))
    yield vector("a path of 64 hashes", FORMAT, "path", put("row", "path", ["0" * 64] * 64))
    yield vector("no values", FORMAT, "values", put("row", "values", []))
    yield vector("a value that is a number", FORMAT, "values.0", put("row", "values", [1, "100%25"]))
    yield vector("the row of the header", FORMAT, "row", put("row", "row", 1))
    yield vector("a negative place", FORMAT, "index", put("row", "index", -1))
    yield vector("a place that is no number", FORMAT, "index", put("row", "index", True))
    yield vector("a place beyond the last record", FORMAT, "beyond", put("proof", "records", 5))
    yield vector("a number too low for its place", FORMAT, "too low", put("row", "row", 4))
    yield vector("rows backwards", FORMAT, "order", lambda told: told["rows"].reverse())
    yield vector("a row twice", FORMAT, "order", lambda told: told["rows"].insert(1, told["rows"][1]))
    yield vector("numbers closer than places", FORMAT, "order", put("row", "index", 2))
    yield vector("a per cent sign alone", FORMAT, "percent", put("row", "values", ["a\\b", "100%"]))
    yield vector("small digits", FORMAT, "percent", put("row", "values", ["a\\b", "M%c3%bcller"]))
    yield vector("a letter that needs no code", FORMAT, "percent", put("row", "record_id", "E%41"))
    yield vector("bytes that are no UTF-8", FORMAT, "percent", put("row", "values", ["a\\b", "%FF"]))
    yield vector("half a character", FORMAT, "percent", put("row", "values", ["a\\b", "%ED%A0%80"]))


def file_content() -> bytes:
    """The bytes of vectors.json."""
    content = {
        "about": "Row commitments and proofs of docs/formats/rows.md.",
        "agreement": AGREEMENT,
        "salt_key": base64.b64encode(SALT_KEY).decode(),
        "table": CSV,
        "leaves": [leaf(*row).hex() for row in ROWS],
        "roots": [tree([leaf(*row) for row in ROWS[:count]]).hex() for count in range(len(ROWS) + 1)],
        "accepted": [*accepted()],
        "refused": [*refused()],
    }
    return (json.dumps(content, indent=1) + "\n").encode("ascii")


if __name__ == "__main__":
    (HERE / "vectors.json").write_bytes(file_content())
