"""Writes the vectors of docs/protocol.md's documents, byte by byte and without the package's own writers.

Everything is derived from names by SHA-256, so that each run writes the same files, and a test compares them
with those that are here. Run after a change of a format: python -m tests.conformance.make_format_vectors
"""

from __future__ import annotations

import base64
import hashlib
import json
import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
FORMAT, VERIFICATION, DISCLOSURE = "format", "verification", "disclosure"
FILTER_BYTES = 64
MOST_BITS = 256

AGREEMENT = """\
agreement_format = 1

[project]
id = "vectors"
title = "Test vectors"
version = 1
purposes_permitted = ["Testing"]
purposes_forbidden = ["Anything else"]
valid_from = 2026-01-01
valid_until = 2099-12-31

[dpia]
reference = "none"
expires = 2099-12-31

[[party]]
id = "north"
name = "North"
contact = "north@example"
roles = ["department"]

[[party]]
id = "south"
name = "South"
contact = "south@example"
roles = ["department"]

[[party]]
id = "matching"
name = "Matching team"
contact = "matching@example"
roles = ["matcher"]

[[party]]
id = "issuing"
name = "Issuing team"
contact = "issuing@example"
roles = ["key-issuer"]

[[party]]
id = "research"
name = "Research environment"
contact = "research@example"
roles = ["research"]

[[dataset]]
name = "events"
party = "north"
description = "May hold a person twice."
legal_gateway = "none"
legal_regime = "none"
expected_rows_min = 1
expected_rows_max = 20
may_have_duplicates = true
columns = { surname = "surname" }

[[dataset]]
name = "people"
party = "south"
description = "Holds a person once."
legal_gateway = "none"
legal_regime = "none"
expected_rows_min = 1
expected_rows_max = 20
may_have_duplicates = false
columns = { surname = "surname" }

[[identifier]]
name = "surname"
kind = "surname"
why = "Testing"

[encoding]
scheme = "clk"
invalid_values = "refuse"
min_identifiers = 1

[encoding.clk]
clk_bits = 512
xor_folds = 0
features = [
  { identifier = "surname", comparison = "ngram", n = 2, positional = false, hash = "blake", bits_per_token = 10 },
]

[linkage]
target_precision = 0.9
threshold = 0.8

[privacy]
max_popcount_share = 0.5

[release]
linkage_keys = "per-person"
crosswalk_to = "research"
min_linked_people = 1
small_number_limit = 1

[retention]
encodings_days = 1
references_days = 1
pairs_days = 1
linkage_keys_days = 1
home_map_days = 1

[log]
witnesses = ["north", "south"]
quorum = 2
"""
CLK_SECTION = AGREEMENT[AGREEMENT.index("[encoding.clk]") : AGREEMENT.index("[linkage]")]
FIELD_FILTER_SECTION = """\
[encoding.field_filters]
filter_bits = 64
positions_per_field = 24
max_block_records = 3
passes = [
  { name = "surname", parts = ["surname:phonetic"] },
  { name = "forename", parts = ["forename:whole"] },
]

"""
FIELD_FILTER_AGREEMENT = (
    AGREEMENT.replace('scheme = "clk"', 'scheme = "field-filters"')
    .replace("max_popcount_share = 0.5", "max_popcount_share = 0.25")
    .replace(CLK_SECTION, FIELD_FILTER_SECTION)
    .replace('{ surname = "surname" }', '{ surname = "surname", forename = "forename" }')
    .replace(
        "[encoding]", '[[identifier]]\nname = "forename"\nkind = "given-name"\nwhy = "Testing"\n\n[encoding]'
    )
)


def keeping_keys(agreement: str) -> str:
    """A second version, in which records keep the linkage keys of the first."""
    second = agreement.replace("version = 1\n", f'version = 2\nprevious_sha256 = "{"1" * 64}"\n')
    return second.replace("crosswalk_to", "keep_linkage_keys = true\ncrosswalk_to")


MATCH_KEYS = """\
match_keys = [
  { name = "whole", parts = ["surname:whole"] },
  { name = "sound", parts = ["surname:phonetic"] },
]

"""
MATCH_KEY_AGREEMENT = AGREEMENT.replace("[linkage]", MATCH_KEYS + "[linkage]").replace(
    "]\n\nmatch_keys", "]\nmatch_keys"
)

RISK = """\
[privacy.risk]
people = 100
known_people = 3
matcher_per_10000 = 100
key_issuer_per_10000 = 100
together_per_10000 = 100

[release]
"""


def limiting(agreement: str) -> str:
    """Limits on the people whom attackers may name."""
    return agreement.replace("[release]\n", RISK)


AGREEMENTS = {
    "usual": AGREEMENT,
    "per-record": AGREEMENT.replace('"per-person"', '"per-record"'),
    "field-filters": FIELD_FILTER_AGREEMENT,
    "keeping": keeping_keys(AGREEMENT),
    "keeping-per-record": keeping_keys(AGREEMENT.replace('"per-person"', '"per-record"')),
    "keeping-first": AGREEMENT.replace("crosswalk_to", "keep_linkage_keys = true\ncrosswalk_to"),
    "keeping-field-filters": keeping_keys(FIELD_FILTER_AGREEMENT),
    "match-keys": MATCH_KEY_AGREEMENT,
    "keeping-match-keys": keeping_keys(MATCH_KEY_AGREEMENT),
    "limiting": limiting(AGREEMENT),
    "limiting-field-filters": limiting(FIELD_FILTER_AGREEMENT),
}


def sha256_of(agreement: str) -> str:
    return hashlib.sha256(AGREEMENTS[agreement].encode()).hexdigest()


def number(value: int) -> bytes:
    return value.to_bytes(4, "big")


def ids(label: str, count: int) -> list[bytes]:
    """Distinct ids of 16 bytes, ascending. Some agree in their first half, so that the second has to decide."""
    made = [hashlib.sha256(f"{label} {index}".encode()).digest()[:16] for index in range(count)]
    made[1::4] = [first[:8] + second[8:] for first, second in zip(made[::4], made[1::4], strict=False)]
    return sorted(made)


def filter_with(bits: int, label: str = "") -> bytes:
    """A filter with so many of its 512 bits set."""
    order = sorted(range(512), key=lambda bit: hashlib.sha256(f"{label} {bit}".encode()).digest())
    return sum(1 << bit for bit in order[:bits]).to_bytes(FILTER_BYTES, "big")


@dataclass(frozen=True)
class Document:
    """A document before it is bytes; tables hold a record each as bytes. `padded` gives the length it is padded to."""

    kind: str
    magic: bytes
    header: Mapping[str, Any]
    tables: Sequence[Sequence[bytes]]
    padded: Callable[[Mapping[str, Any], int], int] = lambda _, length: length

    def raw(self) -> bytes:
        return self.with_head(json.dumps(self.header, sort_keys=True, separators=(",", ":")).encode())

    def with_head(self, head: bytes) -> bytes:
        body = b"".join(record for table in self.tables for record in table)
        raw = self.magic + len(head).to_bytes(4, "big") + head + body
        return raw + bytes(max(0, self.padded(self.header, len(raw)) - len(raw)))

    def but(self, **changes: Any) -> bytes:
        return replace(self, header={**self.header, **changes}).raw()

    def without(self, key: str) -> bytes:
        return replace(self, header={name: value for name, value in self.header.items() if name != key}).raw()

    def holding(self, *tables: Sequence[bytes], **changes: Any) -> bytes:
        return replace(self, tables=tables, header={**self.header, **changes}).raw()


@dataclass(frozen=True)
class Vector:
    """Bytes, and what reading them under an agreement must come to."""

    name: str
    kind: str
    raw: bytes
    expect: str = "ok"
    word: str = ""
    content: Mapping[str, Any] | None = None
    agreement: str = "usual"

    def to_json(self) -> dict[str, Any]:
        told: dict[str, Any] = {"name": self.name, "document": self.kind, "agreement": self.agreement}
        told["base64"] = base64.b64encode(self.raw).decode()
        told["expect"] = self.expect
        return {**told, "word": self.word} if self.content is None else {**told, "content": self.content}


def padme(_: Mapping[str, Any], length: int) -> int:
    """Padme as its paper's algorithm 1 has it, in floating point: the package has it in whole numbers."""
    exponent = math.floor(math.log2(length))
    kept = math.floor(math.log2(exponent)) + 1
    mask = (1 << (exponent - kept)) - 1
    return (length + mask) & ~mask


def hexes(records: Sequence[bytes]) -> list[str]:
    return [record.hex() for record in records]


def bad_layouts(document: Document) -> Iterator[Vector]:
    """What every document of docs/protocol.md refuses, whatever it is about."""
    kind, raw, header = document.kind, document.raw(), document.header
    head = json.dumps(header, sort_keys=True, separators=(",", ":")).encode()
    body = raw[12 + len(head) :]

    def refused(name: str, mutant: bytes, word: str, expect: str = FORMAT) -> Vector:
        return Vector(f"{kind}: {name}", kind, mutant, expect, word)

    yield refused("no bytes", b"", "not a")
    yield refused("magic alone", raw[:8], "truncated in its header")
    yield refused("another magic", b"PPRLENV" + raw[7:], "not a")
    yield refused("another version", raw[:7] + b"2" + raw[8:], "version")
    yield refused("cut short in the header's length", raw[:11], "truncated in its header")
    yield refused("cut short in the header", raw[: 12 + len(head) - 1], "truncated in its header")
    yield refused(
        "header longer than the file",
        raw[:8] + number(len(raw) - 11) + raw[12:],
        "truncated in its header",
    )
    yield refused("header of 4 GB", raw[:8] + b"\xff" * 4 + raw[12:], "truncated in its header")
    yield refused("no header", document.magic + bytes(4) + body, "JSON")
    yield refused("cut short by a byte", raw[:-1], "truncated")
    yield refused("cut short by a record", raw[: -len(document.tables[-1][-1])], "truncated")
    yield refused("longer by a byte", raw + b"\0", "longer")
    yield refused("space in the header", document.with_head(b"{ " + head[1:]), "canonical")
    yield refused("line feed after the header", document.with_head(head + b"\n"), "canonical")
    backwards = json.dumps(dict(sorted(header.items(), reverse=True)), separators=(",", ":")).encode()
    yield refused("header's keys in another order", document.with_head(backwards), "canonical")
    yield refused("header's key twice", document.with_head(head[:-1] + b',"format":"x"}'), "canonical")
    yield refused("header is a list", document.with_head(b"[]"), "wrong at")
    yield refused("unknown key", document.but(comment="x"), "unknown key")
    for key in header:
        yield refused(f"key {key} is missing", document.without(key), key)
    yield refused("format of another document", document.but(format="pprl-other"), "format")
    yield refused(
        "another agreement", document.but(agreement_sha256="a" * 64), "another agreement", VERIFICATION
    )
    yield refused(
        "agreement's digest in capitals",
        document.but(agreement_sha256=sha256_of("usual").upper()),
        "agreement_sha256",
    )


def bad_padding(document: Document) -> Iterator[Vector]:
    """What every document with padding refuses: other lengths, and other bytes than zeros."""
    kind, raw = document.kind, document.raw()
    bare = replace(document, padded=lambda _, length: length).raw()
    spare = len(raw) - len(bare)
    for name, mutant, word in (
        ("no padding", bare, "truncated"),
        ("padding of half the length", raw[: len(bare) + spare // 2], "truncated"),
        ("padding of twice the length", raw + bytes(spare), "longer"),
        ("a bit in the first byte of the padding", bare + b"\x01" + bytes(spare - 1), "padding"),
        ("a bit in the last byte of the padding", raw[:-1] + b"\x80", "padding"),
        ("padding of ones", bare + b"\xff" * spare, "padding"),
    ):
        yield Vector(f"{kind}: {name}", kind, mutant, FORMAT, word)


def bad_datasets(document: Document) -> Iterator[Vector]:
    """What every document about one dataset refuses."""
    kind = document.kind

    def refused(name: str, mutant: bytes, word: str, expect: str = FORMAT) -> Vector:
        return Vector(f"{kind}: {name}", kind, mutant, expect, word)

    yield refused("dataset that is not agreed", document.but(dataset="other"), "not agreed", VERIFICATION)
    yield refused("dataset's name in capitals", document.but(dataset="EVENTS"), "not agreed", VERIFICATION)
    yield refused("another department", document.but(party="south"), "not brought", VERIFICATION)
    yield refused(
        "dataset of another department", document.but(dataset="people"), "not brought", VERIFICATION
    )
    yield refused("fewer records than agreed", document.but(records=0), "expects", VERIFICATION)
    yield refused("more records than agreed", document.but(records=21), "expects", VERIFICATION)
    yield refused("more records than a format can have", document.but(records=2**31 + 1), "records")
    yield refused("negative records", document.but(records=-1), "records")
    yield refused("records is true", document.but(records=True), "records")
    yield refused("records is text", document.but(records="4"), "records")
    yield refused(
        "a record more in the header", document.but(records=document.header["records"] + 1), "truncated"
    )
    yield refused("submission of 31 digits", document.but(submission="5" * 31), "submission")


ABOUT = {
    "agreement_sha256": sha256_of("usual"),
    "dataset": "events",
    "party": "north",
    "submission": "5" * 32,
    "records": 5,
}
REFERENCES = ids("reference", 4)
HANDLES = ids("handle", 5)
KEYS = ids("linkage key", 5)[::-1]
FILTERS = [filter_with(bits) for bits in (1, 100, 100, MOST_BITS)]


def rows(*columns: Sequence[bytes]) -> list[bytes]:
    return [b"".join(cells) for cells in zip(*columns, strict=True)]


def encodings() -> Document:
    header = {
        **ABOUT,
        "format": "pprl-encodings",
        "scheme": "clk",
        "key_check": "c" * 32,
        "transcript": "7" * 64,
        "confirmation": "d" * 64,
        "rows_root": "e" * 64,
        "passes": [{"name": "clk", "records": 4, "record_bytes": 80}],
    }
    return Document("encodings", b"PPRLENC1", header, [rows(REFERENCES, FILTERS)])


def encodings_vectors() -> Iterator[Vector]:
    usual = encodings()
    content = {"passes": [{"references": hexes(REFERENCES), "filters": hexes(FILTERS)}]}
    yield Vector("encodings: usual", "encodings", usual.raw(), content=content)
    none = usual.holding([], passes=[{"name": "clk", "records": 0, "record_bytes": 80}])
    empty: dict[str, Any] = {"passes": [{"references": [], "filters": []}]}
    yield Vector("encodings: no record could be encoded", "encodings", none, content=empty)
    yield from bad_layouts(usual)
    yield from (each for each in bad_datasets(usual) if each.name != "encodings: a record more in the header")
    yield from bad_passes(usual)
    yield from bad_filters(usual)


def bad_passes(usual: Document) -> Iterator[Vector]:
    def refused(called: str, word: str, expect: str, **changes: Any) -> Vector:
        passes = [{**usual.header["passes"][0], **changes}]
        return Vector(f"encodings: {called}", "encodings", usual.but(passes=passes), expect, word)

    yield refused("pass of another name", "passes", VERIFICATION, name="other")
    yield refused("records of another agreement's size", "record sizes", VERIFICATION, record_bytes=144)
    yield refused("records of no encoding", "passes.0.record_bytes", FORMAT, record_bytes=16)
    yield refused("a pass of more records than the dataset", "more records", FORMAT, records=6)
    yield refused("a pass counts a record more", "truncated", FORMAT, records=5)
    yield refused("a pass counts a record less", "longer", FORMAT, records=3)
    yield refused("a pass counts more than can be", "passes.0.records", FORMAT, records=2**53 - 1)
    yield refused("unknown key in a pass", "passes.0.unknown key", FORMAT, blocks=1)
    twice = usual.header["passes"] * 2
    yield Vector("encodings: a pass twice", "encodings", usual.but(passes=twice), VERIFICATION, "passes")
    yield Vector("encodings: no pass", "encodings", usual.but(passes=[]), FORMAT, "passes")
    yield Vector(
        "encodings: another scheme", "encodings", usual.but(scheme="field-filters"), FORMAT, "scheme"
    )
    yield Vector("encodings: key check too short", "encodings", usual.but(key_check="c"), FORMAT, "key_check")
    for member in ("transcript", "confirmation"):
        for name, value in (("too short", "7" * 63), ("in capitals", "D" * 64), ("no text", 7)):
            yield Vector(
                f"encodings: {member} {name}", "encodings", usual.but(**{member: value}), FORMAT, member
            )
    yield from bad_rows_roots(usual)


def bad_rows_roots(usual: Document) -> Iterator[Vector]:
    for name, raw in (
        ("a root of the rows that is too short", usual.but(rows_root="e" * 62)),
        ("a root of the rows that is too long", usual.but(rows_root="e" * 66)),
        ("a root of the rows in capitals", usual.but(rows_root="E" * 64)),
        ("a root of the rows that is a number", usual.but(rows_root=0)),
        ("a root of the rows that is null", usual.but(rows_root=None)),
    ):
        yield Vector(f"{usual.kind}: {name}", usual.kind, raw, FORMAT, "rows_root")


def bad_filters(usual: Document) -> Iterator[Vector]:
    records = rows(REFERENCES, FILTERS)

    def refused(name: str, table: Sequence[bytes], word: str, expect: str = FORMAT) -> Vector:
        return Vector(f"encodings: {name}", "encodings", usual.holding(table), expect, word)

    yield refused("references out of order", [records[1], records[0], *records[2:]], "out of order")
    yield refused("references in falling order", records[::-1], "out of order")
    again = REFERENCES[0] + FILTERS[1]
    yield refused("a reference repeated", [records[0], again, *records[2:]], "repeated")
    yield refused("a record repeated", [records[0], records[0], *records[2:]], "repeated")
    wildcard = [*records[:3], REFERENCES[3] + filter_with(MOST_BITS + 1)]
    yield refused("a bit more than agreed", wildcard, "bits", DISCLOSURE)
    everything = [REFERENCES[0] + b"\xff" * FILTER_BYTES, *records[1:]]
    yield refused("every bit", everything, "bits", DISCLOSURE)


def references() -> Document:
    header = {**ABOUT, "format": "pprl-references", "passes": [{"name": "clk", "records": 4}]}
    return Document("references", b"PPRLREF1", header, [HANDLES, belonging([3, 0, 4, 1])])


def belonging(places: Sequence[int], to: Sequence[bytes] = REFERENCES) -> list[bytes]:
    return rows(to, [number(place) for place in places])


def references_vectors() -> Iterator[Vector]:
    usual = references()
    passes = [{"references": hexes(REFERENCES), "positions": [3, 0, 4, 1]}]
    content = {"handles": hexes(HANDLES), "passes": passes}
    yield Vector("references: usual", "references", usual.raw(), content=content)
    none = usual.holding(HANDLES, [], passes=[{"name": "clk", "records": 0}])
    empty = {"handles": hexes(HANDLES), "passes": [{"references": [], "positions": []}]}
    yield Vector("references: no record could be encoded", "references", none, content=empty)
    yield from bad_layouts(usual)
    yield from bad_datasets(usual)
    for name, tables, word in (
        ("handles out of order", (HANDLES[::-1], belonging([3, 0, 4, 1])), "out of order"),
        ("a handle repeated", ([HANDLES[0], *HANDLES[:4]], belonging([3, 0, 4, 1])), "repeated"),
        ("references out of order", (HANDLES, belonging([3, 0, 4, 1])[::-1]), "out of order"),
        ("a reference repeated", (HANDLES, belonging([3, 0, 4, 1], [REFERENCES[0]] * 4)), "repeated"),
        ("a reference to no handle", (HANDLES, belonging([3, 0, 5, 1])), "beyond"),
        ("a reference far beyond", (HANDLES, belonging([3, 0, 2**32 - 1, 1])), "beyond"),
        ("two references to one handle", (HANDLES, belonging([3, 0, 3, 1])), "one handle"),
    ):
        yield Vector(f"references: {name}", "references", usual.holding(*tables), FORMAT, word)
    for name, found, word, expect in (
        ("pass of another name", [{"name": "other", "records": 4}], "passes", VERIFICATION),
        ("a pass twice", [{"name": "clk", "records": 4}] * 2, "passes", VERIFICATION),
        ("no pass", [], "passes", FORMAT),
        ("a pass of more records than the dataset", [{"name": "clk", "records": 6}], "more records", FORMAT),
        ("a pass counts a record more", [{"name": "clk", "records": 5}], "truncated", FORMAT),
    ):
        yield Vector(f"references: {name}", "references", usual.but(passes=found), expect, word)


def submission_vectors() -> Iterator[Vector]:
    def length(of: int) -> bytes:
        return of.to_bytes(8, "big")

    first, second = b"the first container", b"and the second"
    usual = b"PPRLSUB1" + length(len(first)) + first + length(len(second)) + second
    content = {"containers": hexes([first, second])}
    yield Vector("submission: usual", "submission", usual, content=content)
    yield Vector(
        "submission: containers of no bytes",
        "submission",
        b"PPRLSUB1" + length(0) + length(0),
        content={"containers": ["", ""]},
    )
    for name, raw, word in (
        ("no bytes", b"", "not a submission"),
        ("another magic", b"PPRLENV1" + usual[8:], "not a submission"),
        ("another version", b"PPRLSUB2" + usual[8:], "version"),
        ("magic alone", usual[:8], "truncated"),
        ("cut short in the first length", usual[:15], "truncated"),
        ("cut short in the first container", usual[:20], "truncated"),
        ("no second container", usual[: 16 + len(first)], "truncated"),
        ("cut short in the second length", usual[: 16 + len(first) + 7], "truncated"),
        ("cut short by a byte", usual[:-1], "truncated"),
        ("longer by a byte", usual + b"\0", "after its end"),
        ("a third container", usual + length(0), "after its end"),
        ("first container of 16 exabytes", usual[:8] + b"\xff" * 8 + usual[16:], "truncated"),
        ("second container of 16 exabytes", usual[: 16 + len(first)] + b"\xff" * 8 + second, "truncated"),
    ):
        yield Vector(f"submission: {name}", "submission", raw, FORMAT, word)


OTHERS = ids("other reference", 3)
WITHIN = [(0, 1, 10_000), (0, 3, 8_000), (1, 2, 8_001)]
BETWEEN = [(0, 2, 9_000), (3, 0, 9_999)]


def pairs() -> Document:
    tables = [
        within_events(WITHIN),
        [REFERENCES[left] + OTHERS[right] + number(level) for left, right, level in BETWEEN],
        [],
    ]
    return Document("pairs", b"PPRLPAI1", pairs_header([len(table) for table in tables]), tables, padme)


def within_events(found: Sequence[tuple[int, int, int]]) -> list[bytes]:
    return [REFERENCES[left] + REFERENCES[right] + number(level) for left, right, level in found]


def pairs_header(counts: Sequence[int], floor: int = 8_000) -> dict[str, Any]:
    sides = [("events", "events", 6), ("events", "people", 12), ("people", "people", 3)]
    return {
        "agreement_sha256": sha256_of("usual"),
        "format": "pprl-pairs",
        "scheme": "clk",
        "datasets": [
            {"dataset": "events", "submission": "5" * 32, "records": 5, "encoded": 4},
            {"dataset": "people", "submission": "6" * 32, "records": 3, "encoded": 3},
        ],
        "tables": [
            {
                "left": left,
                "right": right,
                "blocking_pass": "clk",
                "compared": compared,
                "floor": floor,
                "pairs": count,
            }
            for (left, right, compared), count in zip(sides, counts, strict=True)
        ],
    }


def told(found: Sequence[tuple[int, int, int]], right_ids: Sequence[bytes]) -> list[list[Any]]:
    return [[REFERENCES[left].hex(), right_ids[right].hex(), level] for left, right, level in found]


def pairs_vectors() -> Iterator[Vector]:
    usual = pairs()
    content = {"tables": [told(WITHIN, REFERENCES), told(BETWEEN, OTHERS), []]}
    yield Vector("pairs: usual", "pairs", usual.raw(), content=content)
    none = replace(usual, header=pairs_header([0, 0, 0], floor=10_000)).holding()
    yield Vector("pairs: none", "pairs", none, content={"tables": [[], [], []]})
    with_last = replace(usual, tables=usual.tables[:2])  # the last table is empty: nothing to cut from it
    yield from bad_layouts(with_last)
    yield from bad_padding(usual)
    yield from bad_pairs(usual)
    yield from bad_pair_headers(usual)


def bad_pairs(usual: Document) -> Iterator[Vector]:
    between = usual.tables[1]
    for name, within, word in (
        ("pairs out of order", within_events(WITHIN[::-1]), "out of order"),
        ("a pair repeated", within_events([WITHIN[0]] * 3), "repeated"),
        ("a pair with two levels", within_events([WITHIN[0], (0, 1, 9_000), WITHIN[2]]), "repeated"),
        ("a record with itself", within_events([WITHIN[0], (1, 1, 10_000), WITHIN[2]]), "lower reference"),
        ("a pair both ways", within_events([*WITHIN[:2], (1, 0, 10_000)]), "lower reference"),
        ("a level above one", within_events([*WITHIN[:2], (1, 2, 10_001)]), "level"),
        ("a level of all bits", within_events([*WITHIN[:2], (1, 2, 2**32 - 1)]), "level"),
        ("a level below the floor", within_events([*WITHIN[:2], (1, 2, 7_999)]), "level"),
    ):
        yield Vector(f"pairs: {name}", "pairs", usual.holding(within, between), FORMAT, word)


def bad_pair_headers(usual: Document) -> Iterator[Vector]:
    tables, datasets = usual.header["tables"], usual.header["datasets"]

    def refused(name: str, word: str, expect: str = FORMAT, **changes: Any) -> Vector:
        return Vector(f"pairs: {name}", "pairs", usual.but(**changes), expect, word)

    def first_table(**changes: Any) -> list[dict[str, Any]]:
        return [{**tables[0], **changes}, *tables[1:]]

    def first_dataset(**changes: Any) -> list[dict[str, Any]]:
        return [{**datasets[0], **changes}, datasets[1]]

    yield refused("another scheme", "scheme", scheme="field-filters")
    yield refused("datasets in another order", "datasets", VERIFICATION, datasets=datasets[::-1])
    yield refused("a dataset is missing", "datasets", VERIFICATION, datasets=datasets[:1])
    yield refused("a dataset twice", "datasets", VERIFICATION, datasets=[datasets[0]] * 2)
    yield refused("more records than agreed", "expects", VERIFICATION, datasets=first_dataset(records=21))
    yield refused("fewer records than agreed", "expects", VERIFICATION, datasets=first_dataset(records=0))
    yield refused("more compared than records", "than it has", datasets=first_dataset(encoded=6))
    yield refused("records of a dataset in parts", "datasets.0.records", datasets=first_dataset(records="5"))
    yield refused("no tables", "tables", VERIFICATION, tables=[])
    yield refused("a table is missing", "tables", VERIFICATION, tables=tables[:2])
    yield refused("a table twice", "tables", VERIFICATION, tables=[*tables, tables[2]])
    yield refused("tables in another order", "tables", VERIFICATION, tables=tables[::-1])
    yield refused("an unknown dataset", "tables", VERIFICATION, tables=first_table(right="other"))
    yield refused("another pass", "tables", VERIFICATION, tables=first_table(blocking_pass="other"))
    yield refused("more pairs than compared", "than there can be", tables=first_table(compared=2))
    yield refused("more compared than there are", "than there can be", tables=first_table(compared=7))
    yield refused("different floors", "floors", tables=first_table(floor=7_999))
    yield refused("a floor above one", "tables.0.floor", tables=first_table(floor=10_001))
    yield refused("counts a pair more", "truncated", tables=first_table(pairs=4))
    yield refused("counts a pair less", "longer", tables=first_table(pairs=2))
    yield refused("counts more than can be", "tables.0.pairs", tables=first_table(pairs=2**53 - 1))


def linkage_keys(agreement: str = "usual", **about: Any) -> Document:
    header = {
        **ABOUT,
        "agreement_sha256": sha256_of(agreement),
        "format": "pprl-linkage-keys",
        **about,
    }
    return Document("linkage-keys", b"PPRLKEY1", header, [rows(HANDLES, KEYS)])


def linkage_keys_vectors() -> Iterator[Vector]:
    usual, kind = linkage_keys(), "linkage-keys"
    people = linkage_keys(dataset="people", party="south")
    per_record = linkage_keys("per-record")
    shared = [KEYS[0], KEYS[0], *KEYS[2:]]
    same = rows(HANDLES, shared)
    content = {"handles": hexes(HANDLES), "keys": hexes(KEYS)}
    yield Vector(f"{kind}: usual", kind, usual.raw(), content=content)
    yield Vector(
        f"{kind}: one person twice",
        kind,
        usual.holding(same),
        content={"handles": hexes(HANDLES), "keys": hexes(shared)},
    )
    yield Vector(f"{kind}: without duplicates", kind, people.raw(), content=content)
    yield Vector(f"{kind}: a key a record", kind, per_record.raw(), content=content, agreement="per-record")
    yield from bad_layouts(usual)
    yield from bad_datasets(usual)
    records = rows(HANDLES, KEYS)
    for name, raw, word, expect, agreement in (
        ("handles out of order", usual.holding(records[::-1]), "out of order", FORMAT, "usual"),
        ("a handle repeated", usual.holding([records[0], *records[:4]]), "repeated", FORMAT, "usual"),
        ("counts a record less", usual.but(records=4), "longer", FORMAT, "usual"),
        ("a shared key without duplicates", people.holding(same), "share", VERIFICATION, "usual"),
        ("a shared key per record", per_record.holding(same), "share", VERIFICATION, "per-record"),
        ("of the other agreement", usual.raw(), "another agreement", VERIFICATION, "per-record"),
    ):
        yield Vector(f"{kind}: {name}", kind, raw, expect, word, agreement=agreement)


PEOPLE = ids("person", 3)


def crosswalk_rows(found: Sequence[tuple[int, int, int]]) -> list[bytes]:
    """Rows of (person, key, dataset) as bytes."""
    keys = sorted(KEYS)
    return [PEOPLE[person] + keys[key] + number(dataset) for person, key, dataset in found]


IN_CROSSWALK = [(0, 0, 0), (0, 3, 1), (2, 1, 1), (2, 2, 0), (2, 4, 0)]


def crosswalk() -> Document:
    header = {
        "agreement_sha256": sha256_of("usual"),
        "format": "pprl-crosswalk",
        "datasets": ["events", "people"],
        "linkage_keys": 5,
        "records": 12,
    }
    return Document("crosswalk", b"PPRLXWK1", header, [crosswalk_rows(IN_CROSSWALK)], as_if_all_were_linked)


def as_if_all_were_linked(header: Mapping[str, Any], length: int) -> int:
    """The length of a crosswalk in which each record has a key of its own."""
    records = header.get("records", 0)
    filled = json.dumps({**header, "linkage_keys": records}, separators=(",", ":"))
    return 12 + len(filled) + 36 * records


def crosswalk_vectors() -> Iterator[Vector]:
    usual, kind = crosswalk(), "crosswalk"
    content = {
        "rows": [
            [PEOPLE[person].hex(), sorted(KEYS)[key].hex(), dataset] for person, key, dataset in IN_CROSSWALK
        ]
    }
    yield Vector("crosswalk: usual", kind, usual.raw(), content=content)
    yield Vector("crosswalk: nobody linked", kind, usual.holding([], linkage_keys=0), content={"rows": []})
    everybody = usual.holding(crosswalk_rows(IN_CROSSWALK), records=5)
    yield Vector("crosswalk: everybody linked, no padding", kind, everybody, content=content)
    yield from bad_layouts(usual)
    yield from bad_padding(usual)
    for name, found, word in (
        ("rows out of order", IN_CROSSWALK[::-1], "out of order"),
        ("keys of a person out of order", [IN_CROSSWALK[1], IN_CROSSWALK[0], *IN_CROSSWALK[2:]], "order"),
        ("a row repeated", [IN_CROSSWALK[0], IN_CROSSWALK[0], *IN_CROSSWALK[2:]], "repeated"),
        ("a key in two datasets", [IN_CROSSWALK[0], (0, 0, 1), *IN_CROSSWALK[2:]], "repeated"),
        ("a key of two people", [*IN_CROSSWALK[:2], (2, 0, 0), *IN_CROSSWALK[3:]], "repeated"),
        (
            "a person with one key, in front",
            [(0, 0, 0), (1, 3, 1), (1, 4, 0), (2, 1, 1), (2, 2, 0)],
            "single",
        ),
        (
            "a person with one key, in between",
            [(0, 0, 0), (0, 3, 1), (1, 4, 0), (2, 1, 1), (2, 2, 0)],
            "single",
        ),
        (
            "a person with one key, at the end",
            [(0, 0, 0), (0, 3, 1), (1, 1, 1), (1, 4, 0), (2, 2, 0)],
            "single",
        ),
        ("a dataset beyond the last", [*IN_CROSSWALK[:4], (2, 4, 2)], "no dataset"),
        ("a dataset far beyond", [*IN_CROSSWALK[:4], (2, 4, 2**32 - 1)], "no dataset"),
    ):
        yield Vector(f"crosswalk: {name}", kind, usual.holding(crosswalk_rows(found)), FORMAT, word)
    for name, changes, word, expect in (
        ("datasets in another order", {"datasets": ["people", "events"]}, "datasets", VERIFICATION),
        ("a dataset more", {"datasets": ["events", "people", "other"]}, "datasets", VERIFICATION),
        ("one dataset", {"datasets": ["events"]}, "datasets", FORMAT),
        ("counts a key more", {"linkage_keys": 6}, "out of order", FORMAT),
        ("counts a key less", {"linkage_keys": 4}, "padding", FORMAT),
        ("counts a record less than keys", {"records": 4}, "more linkage keys", FORMAT),
        ("records of another agreement's datasets", {"records": 41}, "expects", VERIFICATION),
        ("no records", {"records": 0}, "expects", VERIFICATION),
        ("negative records", {"records": -1}, "records", FORMAT),
        ("counts more than can be", {"linkage_keys": 2**53 - 1}, "linkage_keys", FORMAT),
    ):
        yield Vector(f"crosswalk: {name}", kind, usual.but(**changes), expect, word)


# Scheme field-filters: two identifiers and the canonical forename make three filters of 64 bits.

FILTER_COUNT = 3
BLOCKED_BYTES = 16 + 16 + 4 + FILTER_COUNT * 8
RANDOM_LEVELS = [[index, *[0] * 9, 1_000, 0, 99_000 - index] for index in range(2)]
SUMMED_LEVELS = [[2 * count for count in levels] for levels in RANDOM_LEVELS]
SECOND_REFERENCES = ids("second reference", 3)
TAGS = [hashlib.sha256(f"tag {index}".encode()).digest()[:16] for index in (0, 1, 0, 2)]


@dataclass(frozen=True)
class BlockedRecord:
    """A record of a pass: its tag, which filters stand for a value, and the filters."""

    tag: bytes
    present: int
    filters: Sequence[bytes]

    def raw(self) -> bytes:
        return self.tag + number(self.present) + b"".join(self.filters)


def small_filter(bits: int, label: str = "") -> bytes:
    """A filter with so many of its 64 bits set."""
    order = sorted(range(64), key=lambda bit: hashlib.sha256(f"{label} {bit}".encode()).digest())
    return sum(1 << bit for bit in order[:bits]).to_bytes(8, "big")


def blocked(tag: bytes, *bits: int) -> BlockedRecord:
    """A record whose filters have so many bits set, other ones in other blocks; none if the value is missing."""
    present = sum(1 << index for index, each in enumerate(bits) if each)
    filters = [small_filter(each, f"{tag.hex()} {index}") for index, each in enumerate(bits)]
    return BlockedRecord(tag, present, filters)


FIRST_PASS = [
    blocked(tag, *bits)
    for tag, bits in zip(TAGS, [(18, 9, 6), (7, 0, 0), (24, 18, 6), (12, 12, 6)], strict=True)
]
SECOND_PASS = [blocked(TAGS[3], 0, 24, 21), blocked(TAGS[1], 8, 9, 6), blocked(TAGS[3], 8, 7, 6)]


def blocked_rows(references: Sequence[bytes], records: Sequence[BlockedRecord]) -> list[bytes]:
    return rows(references, [record.raw() for record in records])


def blocked_passes(*counts: int) -> list[dict[str, Any]]:
    return [
        {"name": name, "records": count, "record_bytes": BLOCKED_BYTES}
        for name, count in zip(("surname", "forename"), counts, strict=True)
    ]


def blocked_encodings() -> Document:
    header = {
        **ABOUT,
        "agreement_sha256": sha256_of("field-filters"),
        "format": "pprl-encodings",
        "scheme": "field-filters",
        "key_check": "c" * 32,
        "transcript": "7" * 64,
        "confirmation": "d" * 64,
        "rows_root": "e" * 64,
        "passes": blocked_passes(4, 3),
        "random_levels": RANDOM_LEVELS,
        "suppressed": [0, 2],
    }
    tables = [blocked_rows(REFERENCES, FIRST_PASS), blocked_rows(SECOND_REFERENCES, SECOND_PASS)]
    return Document("blocked-encodings", b"PPRLENC1", header, tables)


def told_blocked(references: Sequence[bytes], records: Sequence[BlockedRecord]) -> dict[str, Any]:
    return {
        "references": hexes(references),
        "tags": hexes([record.tag for record in records]),
        "present": [record.present for record in records],
        "filters": [hexes(record.filters) for record in records],
    }


def under_field_filters(vectors: Iterable[Vector]) -> Iterator[Vector]:
    return (replace(vector, agreement="field-filters") for vector in vectors)


def blocked_encodings_vectors() -> Iterator[Vector]:
    usual, kind = blocked_encodings(), "blocked-encodings"
    passes = [told_blocked(REFERENCES, FIRST_PASS), told_blocked(SECOND_REFERENCES, SECOND_PASS)]
    content = {"random_levels": RANDOM_LEVELS, "suppressed": [0, 2], "passes": passes}
    yield Vector(f"{kind}: usual", kind, usual.raw(), content=content)
    none = usual.holding([], [], passes=blocked_passes(0, 0), suppressed=[5, 5])
    empty = {**content, "suppressed": [5, 5], "passes": [told_blocked([], [])] * 2}
    yield Vector(f"{kind}: no record has a block", kind, none, content=empty)
    nobody = usual.holding(
        [], [], passes=blocked_passes(0, 0), suppressed=[0, 0], random_levels=[[0] * 13] * 2
    )
    nothing = {**empty, "random_levels": [[0] * 13] * 2, "suppressed": [0, 0]}
    yield Vector(f"{kind}: no two records to make a random pair of", kind, nobody, content=nothing)
    yield from bad_layouts(usual)
    yield from (each for each in bad_datasets(usual) if not each.name.endswith("a record more in the header"))
    yield from bad_blocked_headers(usual)
    yield from bad_rows_roots(usual)
    yield from bad_blocked_records(usual)


def bad_blocked_headers(usual: Document) -> Iterator[Vector]:
    both = usual.header["passes"]

    def refused(name: str, word: str, expect: str = FORMAT, **changes: Any) -> Vector:
        return Vector(f"{usual.kind}: {name}", usual.kind, usual.but(**changes), expect, word)

    def first_level(count: Any) -> list[list[Any]]:
        return [[count, *RANDOM_LEVELS[0][1:]], RANDOM_LEVELS[1]]

    yield refused("scheme clk", "scheme", scheme="clk")
    yield refused("an unknown scheme", "scheme", scheme="other")
    yield refused("a pass is missing", "passes", VERIFICATION, passes=both[:1])
    yield refused("a pass more", "passes", VERIFICATION, passes=[*both, both[1]])
    yield refused("passes in another order", "passes", VERIFICATION, passes=both[::-1])
    yield refused("an unknown pass", "passes", VERIFICATION, passes=[{**both[0], "name": "other"}, both[1]])
    wide = [{**each, "record_bytes": BLOCKED_BYTES + 8} for each in both]
    yield refused("a filter more", "record sizes", VERIFICATION, passes=wide)
    yield refused("a pass of more records than the dataset", "more records", passes=blocked_passes(6, 3))
    yield refused("a pass counts a record more", "truncated", passes=blocked_passes(4, 4))
    yield refused("a pass counts a record less", "longer", passes=blocked_passes(3, 3))
    yield refused(
        "levels of one identifier", "other identifiers", VERIFICATION, random_levels=RANDOM_LEVELS[:1]
    )
    yield refused(
        "levels of three identifiers", "other identifiers", VERIFICATION, random_levels=[RANDOM_LEVELS[0]] * 3
    )
    yield refused("levels of no identifier", "random_levels", random_levels=[])
    yield refused("twelve levels", "random_levels.0", random_levels=[each[:12] for each in RANDOM_LEVELS])
    yield refused("fourteen levels", "random_levels.0", random_levels=[[*each, 0] for each in RANDOM_LEVELS])
    yield refused("a negative count of a level", "random_levels.0.0", random_levels=first_level(-1))
    yield refused("a level counted in parts", "random_levels.0.0", random_levels=first_level("1"))
    yield refused(
        "a level counts more than can be", "random_levels.0.0", random_levels=first_level(2**31 + 1)
    )
    for name, levels in (
        ("a random pair more", [first_level(1)[0], RANDOM_LEVELS[1]]),
        ("a random pair less", [RANDOM_LEVELS[0], [0, *RANDOM_LEVELS[1][1:]]]),
        ("no random pairs", [[0] * 13] * 2),
        ("no random pairs of one identifier", [RANDOM_LEVELS[0], [0] * 13]),
        ("twice as many random pairs", SUMMED_LEVELS),
    ):
        yield refused(name, "random pairs", random_levels=levels)
    yield refused("left out of one pass", "left out", suppressed=[0])
    yield refused("left out of three passes", "left out", suppressed=[0, 2, 0])
    yield refused("a negative number left out", "suppressed.1", suppressed=[0, -1])


def bad_blocked_records(usual: Document) -> Iterator[Vector]:
    first, second = usual.tables

    def refused(name: str, *tables: Sequence[bytes], word: str, expect: str = FORMAT) -> Vector:
        return Vector(f"{usual.kind}: {name}", usual.kind, usual.holding(*tables), expect, word)

    def first_is(record: BlockedRecord) -> Sequence[bytes]:
        return [REFERENCES[0] + record.raw(), *first[1:]]

    joined = sorted([REFERENCES[0], *SECOND_REFERENCES[1:]])
    yield refused("references out of order", first[::-1], second, word="out of order")
    yield refused("a reference repeated", [first[0], first[0], *first[2:]], second, word="repeated")
    yield refused("a reference in two passes", first, blocked_rows(joined, SECOND_PASS), word="repeated")
    yield refused(
        "a filter that nobody has", first_is(replace(FIRST_PASS[0], present=0b1111)), second, word="filter"
    )
    yield refused(
        "filters far beyond", first_is(replace(FIRST_PASS[0], present=2**32 - 1)), second, word="filter"
    )
    yield refused(
        "a filter without its value", first_is(replace(FIRST_PASS[0], present=0b011)), second, word="filter"
    )
    emptied = replace(FIRST_PASS[0], filters=[bytes(8), *FIRST_PASS[0].filters[1:]])
    yield refused("a value without its filter", first_is(emptied), second, word="filter")
    for name, bits, word in (
        ("a bit more than agreed", (24, 19, 6), "max_popcount_share"),
        ("every bit of one filter", (64, 0, 0), "max_popcount_share"),
        ("a bit more than a surname sets", (25, 9, 6), "more bits set than a value"),
        ("a bit more than a forename sets", (9, 25, 6), "more bits set than a value"),
        ("a bit more than a canonical forename sets", (9, 9, 22), "more bits set than a value"),
        ("one fuller filter alone", (0, 40, 0), "more bits set than a value"),
        ("a bit less than a surname sets", (6, 9, 6), "fewer bits set"),
        ("a bit less than a forename sets", (9, 6, 6), "fewer bits set"),
        ("a bit less than a canonical forename sets", (9, 9, 5), "fewer bits set"),
        ("one bit of one filter", (1, 0, 0), "fewer bits set"),
    ):
        wildcard = first_is(blocked(TAGS[0], *bits))
        yield refused(name, wildcard, second, word=word, expect=DISCLOSURE)
    nothing = blocked(TAGS[0], 0, 0, 0)
    yield refused("no bit", first_is(nothing), second, word="no bit", expect=DISCLOSURE)
    crowded = blocked_rows(REFERENCES, [replace(each, tag=TAGS[0]) for each in FIRST_PASS])
    yield refused("a block of more than agreed", crowded, second, word="block", expect=DISCLOSURE)
    unsalted = replace(FIRST_PASS[3], filters=[*FIRST_PASS[3].filters[:2], FIRST_PASS[0].filters[2]])
    yield refused(
        "a filter of another block",
        blocked_rows(REFERENCES, [*FIRST_PASS[:3], unsalted]),
        second,
        word="several blocks",
        expect=DISCLOSURE,
    )


# Seven records, of which two are copies. Patterns: surname in the lowest four bits, forename in the next. Own pairs: of
# five records, so at most ten; of four and three in blocks of three at most, so at most seven.

SEVEN = ids("handle of seven", 7)
COPIES = [(5, 2), (6, 2)]
OWN = [(0x00, 2), (0x11, 4), (0xCC, 1)]


def copy_rows(copies: Sequence[tuple[int, int]]) -> list[bytes]:
    return [number(copy) + number(original) for copy, original in copies]


def own_rows(counted: Sequence[tuple[int, int]]) -> list[bytes]:
    return [large(pattern) + large(count) for pattern, count in counted]


def large(value: int) -> bytes:
    return value.to_bytes(8, "big")


def blocked_references() -> Document:
    header = {
        **ABOUT,
        "agreement_sha256": sha256_of("field-filters"),
        "format": "pprl-references",
        "records": 7,
        "passes": counted_passes(4, 3),
        "copies": 2,
        "own_patterns": 3,
    }
    second = belonging([2, 0, 1], SECOND_REFERENCES)
    tables = [SEVEN, belonging([3, 0, 4, 1]), second, copy_rows(COPIES), own_rows(OWN)]
    return Document("blocked-references", b"PPRLREF1", header, tables)


def counted_passes(*counts: int) -> list[dict[str, Any]]:
    return [
        {"name": name, "records": count} for name, count in zip(("surname", "forename"), counts, strict=True)
    ]


def told_rows(counted: Sequence[tuple[int, int]]) -> list[list[int]]:
    return [list(each) for each in counted]


def blocked_references_vectors() -> Iterator[Vector]:
    usual, kind = blocked_references(), "blocked-references"
    passes = [
        {"references": hexes(REFERENCES), "positions": [3, 0, 4, 1]},
        {"references": hexes(SECOND_REFERENCES), "positions": [2, 0, 1]},
    ]
    content = {
        "handles": hexes(SEVEN),
        "passes": passes,
        "copies": told_rows(COPIES),
        "own_patterns": told_rows(OWN),
    }
    yield Vector(f"{kind}: usual", kind, usual.raw(), content=content)
    copies = copy_rows(COPIES)
    alone = usual.holding(SEVEN, [], [], copies, [], passes=counted_passes(0, 0), own_patterns=0)
    nothing = [{"references": [], "positions": []}] * 2
    empty = {**content, "passes": nothing, "own_patterns": []}
    yield Vector(f"{kind}: no record has a block", kind, alone, content=empty)
    once = {"dataset": "people", "party": "south", "copies": 0}
    each_once = usual.holding(*usual.tables[:3], [], usual.tables[4], **once)
    told = {**content, "copies": []}
    yield Vector(f"{kind}: people have one record each", kind, each_once, content=told)
    yield from bad_layouts(usual)
    yield from bad_datasets(usual)
    yield from bad_blocked_references(usual)
    yield from bad_copies(usual)
    yield from bad_own_patterns(usual)


def bad_blocked_references(usual: Document) -> Iterator[Vector]:
    handles, first, second, *further = usual.tables
    passes = usual.header["passes"]

    def refused(name: str, raw: bytes, word: str, expect: str = FORMAT) -> Vector:
        return Vector(f"{usual.kind}: {name}", usual.kind, raw, expect, word)

    again = belonging([2, 0, 1], sorted([REFERENCES[0], *SECOND_REFERENCES[1:]]))
    yield refused("a reference in two passes", usual.holding(handles, first, again, *further), "repeated")
    beyond = belonging([2, 0, 7], SECOND_REFERENCES)
    yield refused("a reference to no handle", usual.holding(handles, first, beyond, *further), "beyond")
    yield refused("passes in another order", usual.but(passes=passes[::-1]), "passes", VERIFICATION)
    yield refused("a pass is missing", usual.but(passes=passes[:1]), "passes", VERIFICATION)
    yield refused("no own patterns", usual.holding(handles, first, second, *further[:1]), "truncated")
    yield refused("counts an own pattern more", usual.but(own_patterns=4), "truncated")
    yield refused("counts an own pattern less", usual.but(own_patterns=2), "longer")
    yield refused("a negative count of own patterns", usual.but(own_patterns=-1), "own_patterns")
    yield refused("more own patterns than can be", usual.but(own_patterns=2**53 - 1), "own_patterns")


def bad_copies(usual: Document) -> Iterator[Vector]:
    handles, first, second, copies, own = usual.tables

    def refused(name: str, raw: bytes, word: str, expect: str = FORMAT) -> Vector:
        return Vector(f"{usual.kind}: {name}", usual.kind, raw, expect, word)

    for name, told, word in (
        ("a copy beyond the last handle", [(5, 2), (7, 2)], "beyond"),
        ("a copy far beyond", [(5, 2), (2**32 - 1, 2)], "beyond"),
        ("copies out of order", COPIES[::-1], "out of order"),
        ("a copy of two records", [(5, 1), (5, 2)], "repeated"),
        ("a copy of itself", [(5, 2), (6, 6)], "behind"),
        ("a copy before its original", [(5, 6), (6, 2)], "behind"),
        ("a copy of no record", [(5, 2), (6, 2**32 - 1)], "behind"),
        ("a copy of a copy", [(5, 2), (6, 5)], "of a copy"),
        ("a copy with a reference in the first pass", [(4, 2), (6, 2)], "of its own"),
    ):
        yield refused(name, usual.holding(handles, first, second, copy_rows(told), own), word)
    also = belonging([2, 0, 5], SECOND_REFERENCES)
    yield refused(
        "a copy with a reference in the last pass",
        usual.holding(handles, first, also, copies, own),
        "of its own",
    )
    yield refused("no copies", usual.holding(handles, first, second, [], own), "truncated")
    yield refused("counts a copy more", usual.but(copies=3), "truncated")
    yield refused("counts a copy less", usual.but(copies=1), "longer")
    yield refused("a negative count of copies", usual.but(copies=-1), "copies")
    yield refused("more copies than can be", usual.but(copies=2**53 - 1), "copies")
    where_each_is_one = usual.but(dataset="people", party="south")
    yield refused("copies where people have one record each", where_each_is_one, "one record", VERIFICATION)


def bad_own_patterns(usual: Document) -> Iterator[Vector]:
    for name, counted, word in (
        ("own patterns out of order", OWN[::-1], "out of order"),
        ("an own pattern repeated", [OWN[0], (0x00, 3), OWN[2]], "repeated"),
        ("an own pattern with a level that there is not", [*OWN[:2], (0xDC, 1)], "level"),
        ("an own pattern of an identifier that is not agreed", [*OWN[:2], (0x100, 1)], "level"),
        ("an own pattern in the highest bits", [*OWN[:2], (1 << 60 | 0x11, 1)], "level"),
        ("an own pattern that no pair has", [(0x00, 0), *OWN[1:]], "no pair"),
        ("a pair more than blocks hold", [(0x00, 3), *OWN[1:]], "than there can be"),
        ("pairs of all records", [(0x00, 5), *OWN[1:]], "than there can be"),
        ("an own pattern counted in all bits", [(0x00, 2**64 - 1), *OWN[1:]], "than there can be"),
        ("counts whose sum overflows", [(0x00, 2**63), (0x11, 2**63), (0xCC, 1)], "than there can be"),
    ):
        tables = [*usual.tables[:4], own_rows(counted)]
        yield Vector(f"{usual.kind}: {name}", usual.kind, usual.holding(*tables), FORMAT, word)
    second = belonging([3, 0, 1], SECOND_REFERENCES)
    of_four = [*usual.tables[:2], second, *usual.tables[3:]]
    yield Vector(
        f"{usual.kind}: more pairs than the records that have a block",
        usual.kind,
        usual.holding(*of_four),
        FORMAT,
        "than there can be",
    )


# Two records had one key: they are of one person.
PREVIOUS = [(0, KEYS[1]), (2, KEYS[0]), (3, KEYS[1])]


def previous_rows(previous: Sequence[tuple[int, bytes]]) -> list[bytes]:
    return [number(record) + key for record, key in previous]


def kept_references(agreement: str = "keeping", **changes: Any) -> Document:
    """References in scheme clk, of which three had a linkage key in the version before."""
    usual = references()
    header = {**usual.header, "agreement_sha256": sha256_of(agreement), "previous": len(PREVIOUS), **changes}
    tables = [*usual.tables, previous_rows(PREVIOUS)]
    return replace(usual, kind="kept-references", header=header, tables=tables, padded=as_if_all_had_a_key)


def as_if_all_had_a_key(header: Mapping[str, Any], length: int) -> int:
    records, previous = header.get("records"), header.get("previous")
    if not (isinstance(records, int) and isinstance(previous, int)):
        return length
    return length + (records - previous) * 20 + len(str(records)) - len(str(previous))


def under(agreement: str, vectors: Iterable[Vector]) -> Iterator[Vector]:
    return (replace(vector, agreement=agreement) for vector in vectors)


def kept_references_vectors() -> Iterator[Vector]:
    usual, kind = kept_references(), "kept-references"
    passes = [{"references": hexes(REFERENCES), "positions": [3, 0, 4, 1]}]
    content: dict[str, Any] = {"handles": hexes(HANDLES), "passes": passes}
    told = [[record, key.hex()] for record, key in PREVIOUS]
    yield from under(
        "keeping", [Vector(f"{kind}: usual", kind, usual.raw(), content={**content, "previous": told})]
    )
    none = usual.holding(*usual.tables[:2], previous=0)
    nothing = {**content, "previous": []}
    yield from under("keeping", [Vector(f"{kind}: no record had a key", kind, none, content=nothing)])
    first = replace(kept_references("keeping-first"), tables=usual.tables[:2]).but(previous=0)
    first_version = Vector(f"{kind}: the first version", kind, first, content=nothing)
    yield from under("keeping-first", [first_version])
    # The padding is as long as two records here, so that half of it is a record.
    layouts = (each for each in bad_layouts(usual) if each.name != f"{kind}: cut short by a record")
    yield from under("keeping", layouts)
    yield from under("keeping", bad_padding(usual))
    yield from under("keeping", bad_previous(usual))
    yield from previous_keys_where_there_are_none()
    yield from kept_blocked_references_vectors()


def bad_previous(usual: Document) -> Iterator[Vector]:
    handles, of_pass, _ = usual.tables
    for name, previous, word in (
        ("previous keys out of order", PREVIOUS[::-1], "out of order"),
        ("a record with two previous keys", [PREVIOUS[0], (0, KEYS[2]), PREVIOUS[2]], "has two"),
        ("a previous key for no record", [*PREVIOUS[:2], (5, KEYS[1])], "beyond"),
        ("a previous key for a record far beyond", [*PREVIOUS[:2], (2**32 - 1, KEYS[1])], "beyond"),
    ):
        raw = usual.holding(handles, of_pass, previous_rows(previous))
        yield Vector(f"{usual.kind}: {name}", usual.kind, raw, FORMAT, word)
    for name, count, word in (
        ("more previous keys than records", 6, "than records"),
        ("a negative count of previous keys", -1, "previous"),
        ("more previous keys than can be", 2**53 - 1, "previous"),
    ):
        yield Vector(f"{usual.kind}: {name}", usual.kind, usual.but(previous=count), FORMAT, word)
    for name, count, word in (
        ("counts a previous key more", 4, "out of order"),
        ("counts a previous key less", 2, "padding"),
    ):
        as_long = replace(usual, padded=lambda _, length: length + 40).but(previous=count)
        yield Vector(f"{usual.kind}: {name}", usual.kind, as_long, FORMAT, word)
    where_each_is_one = usual.but(dataset="people", party="south")
    name = f"{usual.kind}: a previous key of two records where people have one record each"
    yield Vector(name, usual.kind, where_each_is_one, VERIFICATION, "share a linkage key")


def previous_keys_where_there_are_none() -> Iterator[Vector]:
    kind = "kept-references"
    per_record = kept_references("keeping-per-record").raw()
    shared = Vector(
        f"{kind}: a previous key of two records", kind, per_record, VERIFICATION, "share a linkage key"
    )
    yield from under("keeping-per-record", [shared])
    first = kept_references("keeping-first").raw()
    too_early = Vector(
        f"{kind}: a previous key in the first version", kind, first, VERIFICATION, "first version"
    )
    yield from under("keeping-first", [too_early])
    none_kept = kept_references("usual").raw()
    yield Vector(f"{kind}: where the agreement keeps none", kind, none_kept, FORMAT, "unknown key")


def kept_blocked_references_vectors() -> Iterator[Vector]:
    """In scheme field-filters the table stands behind all others."""
    usual, kind = blocked_references(), "kept-references"
    about = {
        **usual.header,
        "agreement_sha256": sha256_of("keeping-field-filters"),
        "previous": len(PREVIOUS),
    }
    kept = replace(usual, header=about, tables=[*usual.tables, previous_rows(PREVIOUS)])
    kept = replace(kept, padded=as_if_all_had_a_key)
    (unkept, *_) = blocked_references_vectors()
    told = [[record, key.hex()] for record, key in PREVIOUS]
    content = {**(unkept.content or {}), "previous": told}
    vectors = [
        Vector(f"{kind}: with copies and own patterns", kind, kept.raw(), content=content),
        Vector(f"{kind}: no count of previous keys", kind, kept.without("previous"), FORMAT, "previous"),
        Vector(
            f"{kind}: previous keys before the copies",
            kind,
            kept.holding(*usual.tables[:3], kept.tables[-1], *usual.tables[3:]),
            FORMAT,
            "copy",
        ),
    ]
    yield from under("keeping-field-filters", vectors)


SECOND_OTHERS = ids("second other reference", 2)
WITHIN_PATTERNS = [(0, 1, 0x11), (0, 3, 0xC5), (1, 2, 0x01)]
BETWEEN_PATTERNS = [(0, 2, 0xAA), (3, 0, 0x21)]
SECOND_BETWEEN = [(2, 1, 0x1B)]
PASSES = ("surname", "forename")
SIDES = [("events", "events"), ("events", "people"), ("people", "people")]


def pattern_rows(
    found: Sequence[tuple[int, int, int]], left: Sequence[bytes], right: Sequence[bytes]
) -> list[bytes]:
    return [left[one] + right[other] + large(pattern) for one, other, pattern in found]


def patterns() -> Document:
    tables = [
        pattern_rows(WITHIN_PATTERNS, REFERENCES, REFERENCES),
        [],
        pattern_rows(BETWEEN_PATTERNS, REFERENCES, OTHERS),
        pattern_rows(SECOND_BETWEEN, SECOND_REFERENCES, SECOND_OTHERS),
        [],
        [],
    ]
    header = {
        "agreement_sha256": sha256_of("field-filters"),
        "format": "pprl-patterns",
        "datasets": [
            matched_dataset("events", "5" * 32, 5, [4, 3], [0, 2]),
            matched_dataset("people", "6" * 32, 3, [3, 2], [0, 0]),
        ],
        "random_levels": SUMMED_LEVELS,
        "tables": [
            {"left": left, "right": right, "blocking_pass": name, "compared": compared, "pairs": pairs}
            for (left, right, name), compared, pairs in zip(
                [(*side, name) for side in SIDES for name in PASSES],
                (4, 3, 9, 2, 3, 1),
                map(len, tables),
                strict=True,
            )
        ],
    }
    return Document("patterns", b"PPRLPAT1", header, tables, padme)


def matched_dataset(
    name: str, sent: str, records: int, encoded: list[int], suppressed: list[int]
) -> dict[str, Any]:
    return {
        "dataset": name,
        "submission": sent,
        "records": records,
        "encoded": encoded,
        "suppressed": suppressed,
    }


def told_patterns(
    found: Sequence[tuple[int, int, int]], left: Sequence[bytes], right: Sequence[bytes]
) -> list[list[Any]]:
    return [[left[one].hex(), right[other].hex(), pattern] for one, other, pattern in found]


def patterns_vectors() -> Iterator[Vector]:
    usual = patterns()
    content = {
        "tables": [
            told_patterns(WITHIN_PATTERNS, REFERENCES, REFERENCES),
            [],
            told_patterns(BETWEEN_PATTERNS, REFERENCES, OTHERS),
            told_patterns(SECOND_BETWEEN, SECOND_REFERENCES, SECOND_OTHERS),
            [],
            [],
        ],
        "random_levels": SUMMED_LEVELS,
    }
    yield Vector("patterns: usual", "patterns", usual.raw(), content=content)
    none = usual.holding(tables=[{**each, "pairs": 0, "compared": 0} for each in usual.header["tables"]])
    empty = {"tables": [[]] * 6, "random_levels": SUMMED_LEVELS}
    yield Vector("patterns: none", "patterns", none, content=empty)
    yield from bad_layouts(replace(usual, tables=usual.tables[:4]))  # the last are empty: nothing to cut
    yield from bad_padding(usual)
    yield from bad_patterns(usual)
    yield from bad_pattern_headers(usual)


def bad_patterns(usual: Document) -> Iterator[Vector]:
    for name, found, word in (
        ("pairs out of order", WITHIN_PATTERNS[::-1], "out of order"),
        ("a pair repeated", [WITHIN_PATTERNS[0]] * 3, "repeated"),
        ("a pair with two patterns", [WITHIN_PATTERNS[0], (0, 1, 0x12), WITHIN_PATTERNS[2]], "repeated"),
        ("a record with itself", [WITHIN_PATTERNS[0], (1, 1, 0x11), WITHIN_PATTERNS[2]], "lower reference"),
        ("a pair both ways", [*WITHIN_PATTERNS[:2], (1, 0, 0x11)], "lower reference"),
        ("a level beyond the last", [*WITHIN_PATTERNS[:2], (1, 2, 0x1D)], "level"),
        ("a level beyond the last, in the second identifier", [*WITHIN_PATTERNS[:2], (1, 2, 0xD1)], "level"),
        ("a level of an identifier that is not agreed", [*WITHIN_PATTERNS[:2], (1, 2, 0x111)], "level"),
        ("a level in the highest bits", [*WITHIN_PATTERNS[:2], (1, 2, 1 << 60 | 0x11)], "level"),
        ("a pattern of all bits", [*WITHIN_PATTERNS[:2], (1, 2, 2**64 - 1)], "level"),
    ):
        within = pattern_rows(found, REFERENCES, REFERENCES)
        yield Vector(f"patterns: {name}", "patterns", usual.holding(within, *usual.tables[1:]), FORMAT, word)


def bad_pattern_headers(usual: Document) -> Iterator[Vector]:
    tables, datasets = usual.header["tables"], usual.header["datasets"]

    def refused(name: str, word: str, expect: str = FORMAT, **changes: Any) -> Vector:
        return Vector(f"patterns: {name}", "patterns", usual.but(**changes), expect, word)

    def table(place: int, **changes: Any) -> list[dict[str, Any]]:
        return [{**each, **(changes if index == place else {})} for index, each in enumerate(tables)]

    yield refused("datasets in another order", "datasets", VERIFICATION, datasets=datasets[::-1])
    yield refused("a dataset is missing", "datasets", VERIFICATION, datasets=datasets[:1])
    fewer = [{**datasets[0], "encoded": [4]}, datasets[1]]
    yield refused("records of one pass", "passes", VERIFICATION, datasets=fewer)
    fewer = [{**datasets[0], "suppressed": [0]}, datasets[1]]
    yield refused("left out of one pass", "passes", VERIFICATION, datasets=fewer)
    for records in (0, 21):
        out_of_range = [{**datasets[0], "records": records}, datasets[1]]
        yield refused(f"{records} records", "expects", VERIFICATION, datasets=out_of_range)
    more = [{**datasets[0], "encoded": [4, 6]}, datasets[1]]
    yield refused("more compared than records", "than it has", datasets=more)
    negative = [{**datasets[0], "suppressed": [0, -1]}, datasets[1]]
    yield refused("a negative number left out", "datasets.0.suppressed.1", datasets=negative)
    yield refused("no tables", "tables", VERIFICATION, tables=[])
    yield refused("a table is missing", "tables", VERIFICATION, tables=tables[:5])
    yield refused("a table twice", "tables", VERIFICATION, tables=[*tables, tables[5]])
    yield refused("tables in another order", "tables", VERIFICATION, tables=tables[::-1])
    swapped = [tables[1], tables[0], *tables[2:]]
    yield refused("passes in another order", "tables", VERIFICATION, tables=swapped)
    yield refused("an unknown pass", "tables", VERIFICATION, tables=table(0, blocking_pass="other"))
    yield refused("sides swapped", "tables", VERIFICATION, tables=table(2, left="people", right="events"))
    yield refused(
        "a pair inside a dataset without duplicates", "no duplicates", VERIFICATION, tables=table(4, pairs=1)
    )
    yield refused("more pairs than compared", "than were compared", tables=table(0, compared=2))
    yield refused("counts a pair more", "out of order", tables=table(0, pairs=4))
    yield refused("counts a pair less", "longer", tables=table(0, pairs=2))
    yield refused("counts more than can be", "tables.0.pairs", tables=table(0, pairs=2**53 - 1))
    yield refused("a floor, as in pairs", "tables.0.unknown key", tables=table(0, floor=0))
    yield refused("own patterns, which departments send", "unknown key", own=[])
    yield refused("levels of one identifier", "identifiers", VERIFICATION, random_levels=SUMMED_LEVELS[:1])
    yield refused("twelve levels", "random_levels.0", random_levels=[each[:12] for each in SUMMED_LEVELS])
    for name, levels in (
        ("random pairs of one department", RANDOM_LEVELS),
        ("random pairs of three departments", [[*each[:12], each[12] + 100_000] for each in SUMMED_LEVELS]),
        ("a random pair more", [[1, *SUMMED_LEVELS[0][1:]], SUMMED_LEVELS[1]]),
        ("no random pairs", [[0] * 13] * 2),
    ):
        yield refused(name, "random pairs", random_levels=levels)
    for name, place, compared in (
        ("more pairs inside than blocks hold", 0, 5),
        ("more pairs inside than blocks hold, in the second pass", 1, 4),
        ("more pairs between than blocks hold", 2, 10),
        ("more pairs between than blocks hold, in the second pass", 3, 7),
    ):
        yield refused(name, "blocks can have", tables=table(place, compared=compared))


FIRST_TAGS, SECOND_TAGS = ids("first match key", 4)[::-1], ids("second match key", 4)[::-1]


def keyed_encodings() -> Document:
    """Encodings with a tag of each of two match keys behind the filter."""
    usual = encodings()
    header = {
        **usual.header,
        "agreement_sha256": sha256_of("match-keys"),
        "passes": [{"name": "clk", "records": 4, "record_bytes": 112}],
    }
    table = rows(REFERENCES, FILTERS, FIRST_TAGS, SECOND_TAGS)
    return replace(usual, kind="keyed-encodings", header=header, tables=[table])


def keyed_encodings_vectors() -> Iterator[Vector]:
    usual, kind = keyed_encodings(), "keyed-encodings"
    tags = [list(each) for each in zip(hexes(FIRST_TAGS), hexes(SECOND_TAGS), strict=True)]
    content = {"references": hexes(REFERENCES), "clks": hexes(FILTERS), "tags": tags}
    yield Vector(f"{kind}: usual", kind, usual.raw(), content=content)
    both = [FIRST_TAGS[1], *SECOND_TAGS[1:]]
    across = usual.holding(rows(REFERENCES, FILTERS, FIRST_TAGS, both))
    told = [list(each) for each in zip(hexes(FIRST_TAGS), hexes(both), strict=True)]
    yield Vector(f"{kind}: a tag under two match keys", kind, across, content={**content, "tags": told})

    def refused(name: str, word: str, expect: str, first: Sequence[bytes], second: Sequence[bytes]) -> Vector:
        raw = usual.holding(rows(REFERENCES, FILTERS, first, second))
        return Vector(f"{kind}: {name}", kind, raw, expect, word)

    again = "stands twice"
    yield refused("a tag twice", again, DISCLOSURE, [*FIRST_TAGS[:3], FIRST_TAGS[0]], SECOND_TAGS)
    yield refused(
        "a tag of the last twice", again, DISCLOSURE, FIRST_TAGS, [*SECOND_TAGS[:3], SECOND_TAGS[2]]
    )
    yield refused(
        "zeros where there is no tag", again, DISCLOSURE, FIRST_TAGS, [*SECOND_TAGS[:2], *[bytes(16)] * 2]
    )
    plain = usual.holding(
        rows(REFERENCES, FILTERS), passes=[{"name": "clk", "records": 4, "record_bytes": 80}]
    )
    yield Vector(f"{kind}: no tags", kind, plain, VERIFICATION, "record sizes")
    one = usual.holding(
        rows(REFERENCES, FILTERS, FIRST_TAGS), passes=[{"name": "clk", "records": 4, "record_bytes": 96}]
    )
    yield Vector(f"{kind}: tags of one match key", kind, one, VERIFICATION, "record sizes")
    full = [*FILTERS[:3], filter_with(MOST_BITS + 1)]
    wildcard = usual.holding(rows(REFERENCES, full, FIRST_TAGS, SECOND_TAGS))
    yield Vector(f"{kind}: a bit more than agreed, tags not counted", kind, wildcard, DISCLOSURE, "bits")
    empty = usual.holding(rows(REFERENCES, [bytes(64), *FILTERS[1:]], FIRST_TAGS, SECOND_TAGS))
    yield Vector(f"{kind}: no bit set, tags not counted", kind, empty, DISCLOSURE, "no bit")


def keyed_references(agreement: str = "match-keys") -> Document:
    usual = references()
    header = {**usual.header, "agreement_sha256": sha256_of(agreement), "match_key_pairs": 6}
    return replace(usual, kind="keyed-references", header=header)


def keyed_references_vectors() -> Iterator[Vector]:
    usual, kind = keyed_references(), "keyed-references"
    passes = [{"references": hexes(REFERENCES), "positions": [3, 0, 4, 1]}]
    content = {"handles": hexes(HANDLES), "passes": passes, "match_key_pairs": 6}
    yield Vector(f"{kind}: usual", kind, usual.raw(), content=content)
    for name, raw, word in (
        ("more pairs than records make", usual.but(match_key_pairs=7), "than there are"),
        ("fewer pairs than none", usual.but(match_key_pairs=-1), "match_key_pairs"),
        ("more pairs than a number can be", usual.but(match_key_pairs=2**53), "canonical"),
        ("half a pair", usual.but(match_key_pairs=0.5), "canonical"),
        ("pairs not counted", usual.without("match_key_pairs"), "match_key_pairs"),
    ):
        yield Vector(f"{kind}: {name}", kind, raw, FORMAT, word)
    where = "keyed-references: counted where there are no match keys"
    none = replace(references(), kind=kind).but(match_key_pairs=0)
    yield Vector(where, kind, none, FORMAT, "unknown key", agreement="usual")
    kept = keyed_references("keeping-match-keys")
    header = {**kept.header, "previous": len(PREVIOUS)}
    tables = [*kept.tables, previous_rows(PREVIOUS)]
    kept = replace(kept, header=header, tables=tables, padded=as_if_all_had_a_key)
    named = "keeping-match-keys"
    yield Vector(f"{kind}: keys are kept", kind, kept.raw(), content=content, agreement=named)
    more = kept.but(match_key_pairs=7)
    yield Vector(f"{kind}: keys are kept, more pairs", kind, more, FORMAT, "than there are", agreement=named)


# Inside a dataset nothing is shared; between two, the second is less alike than the floor.
BY_KEY = [(0, 2, 9_000), (1, 1, 10_001), (2, 0, 10_001 + 9_999), (3, 2, 20_001)]


def keyed_pairs() -> Document:
    tables = [within_events(WITHIN), between_both(BY_KEY), []]
    header = {**pairs_header([len(table) for table in tables]), "agreement_sha256": sha256_of("match-keys")}
    return Document("keyed-pairs", b"PPRLPAI1", header, tables, padme)


def between_both(found: Sequence[tuple[int, int, int]]) -> list[bytes]:
    return [REFERENCES[left] + OTHERS[right] + number(level) for left, right, level in found]


def keyed_pairs_vectors() -> Iterator[Vector]:
    usual, kind = keyed_pairs(), "keyed-pairs"
    content = {"tables": [told(WITHIN, REFERENCES), told(BY_KEY, OTHERS), []]}
    yield Vector(f"{kind}: usual", kind, usual.raw(), content=content)
    inside = within_events([*WITHIN[:2], (1, 2, 10_001)])
    for name, first, second in (
        ("a key shared inside a dataset", inside, between_both(BY_KEY)),
        ("more alike than equal", usual.tables[0], between_both([*BY_KEY[:3], (3, 2, 20_002)])),
        ("below the floor without a key", usual.tables[0], between_both([(0, 2, 7_999), *BY_KEY[1:]])),
        ("a level of all bits", usual.tables[0], between_both([*BY_KEY[:3], (3, 2, 2**32 - 1)])),
    ):
        yield Vector(f"{kind}: {name}", kind, usual.holding(first, second, []), FORMAT, "level")
    plain = replace(usual, header={**usual.header, "agreement_sha256": sha256_of("usual")}).raw()
    yield Vector(f"{kind}: where there are no match keys", kind, plain, FORMAT, "level", agreement="usual")


def under_match_keys(vectors: Iterable[Vector]) -> Iterator[Vector]:
    """Those that name no agreement of their own: `usual` has no match keys, and refuses for that."""
    for vector in vectors:
        says = vector.agreement == "usual" and "no match keys" not in vector.name
        yield replace(vector, agreement="match-keys") if says else vector


def stated(document: Document, agreement: str, risk: Any) -> Document:
    """Encodings with a risk statement, whose bytes are the statement's own format's affair."""
    header = {**document.header, "agreement_sha256": sha256_of(agreement), "risk": risk}
    return replace(document, header=header)


def stated_encodings_vectors() -> Iterator[Vector]:
    for usual, vectors, agreement in (
        (encodings(), encodings_vectors(), "limiting"),
        (blocked_encodings(), blocked_encodings_vectors(), "limiting-field-filters"),
    ):
        kind, content = usual.kind, next(iter(vectors)).content
        for name, risk in (("a risk statement", "e30="), ("no risk statement", "")):
            raw = stated(usual, agreement, risk).raw()
            yield Vector(f"{kind}: with {name}", kind, raw, content=content, agreement=agreement)
        for name, risk in (
            ("without padding", "e30"),
            ("with spare bits", "e31="),
            ("with white space", "e30=\n"),
            ("in hexadecimal", "7b7d7"),
            ("that is null", None),
            ("that is a number", 7),
            ("of too many bytes", "AAAA" * 87_383),
        ):
            raw = stated(usual, agreement, risk).raw()
            yield Vector(f"{kind}: a risk statement {name}", kind, raw, FORMAT, "", agreement=agreement)
        left_out = stated(usual, agreement, "e30=").without("risk")
        yield Vector(f"{kind}: no place for one", kind, left_out, FORMAT, "risk", agreement=agreement)
    unasked = replace(encodings(), header={**encodings().header, "risk": "e30="}).raw()
    yield Vector(
        "encodings: a risk statement that is not asked for", "encodings", unasked, FORMAT, "unknown key"
    )


FILES = {
    "stated_encodings": lambda: [*stated_encodings_vectors()],
    "submission": lambda: [*encodings_vectors(), *references_vectors(), *submission_vectors()],
    "pairs": lambda: [*pairs_vectors()],
    "blocked_encodings": lambda: [*under_field_filters(blocked_encodings_vectors())],
    "blocked_references": lambda: [*under_field_filters(blocked_references_vectors())],
    "kept_references": lambda: [*kept_references_vectors()],
    "match_keys": lambda: [
        *under_match_keys([*keyed_encodings_vectors(), *keyed_references_vectors(), *keyed_pairs_vectors()])
    ],
    "patterns": lambda: [*under_field_filters(patterns_vectors())],
    "linkage_keys": lambda: [*linkage_keys_vectors()],
    "crosswalk": lambda: [*crosswalk_vectors()],
}


def file_content(folder: str) -> bytes:
    """The bytes of a folder's vectors.json."""
    content = {
        "about": "Documents of docs/protocol.md, to be read under the agreement that each vector names.",
        "agreements": AGREEMENTS,
        "vectors": [vector.to_json() for vector in FILES[folder]()],
    }
    return (json.dumps(content, indent=1) + "\n").encode("ascii")


if __name__ == "__main__":
    for name in FILES:
        (HERE / name).mkdir(exist_ok=True)
        (HERE / name / "vectors.json").write_bytes(file_content(name))
