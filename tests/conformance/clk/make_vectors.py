"""Write vectors.json: `python -m tests.conformance.clk.make_vectors`.

Encodings are what clkhash itself makes of a linkage schema that is spelt out here; tags are from a writer that shares
no code with the product, made from docs/formats/clk.md alone.
"""

import csv
import hashlib
import hmac
import io
import json
import sys
from collections import Counter
from pathlib import Path
from typing import Any

from clkhash.clk import generate_clk_from_csv
from clkhash.schema import from_json_dict

from tests.conformance.field_filters.make_vectors import rules
from tests.conformance.field_filters.second_writer import phonetic

KEY = bytes(range(32, 64))
IDENTIFIERS = {
    "given_name": "given-name",
    "surname": "surname",
    "date_of_birth": "date-of-birth",
    "sex": "sex",
    "postcode": "postcode",
}
RECORDS = [
    ("edwin", "obrien", "1967-11-09", "m", "l178ug"),
    ("edwina", "obrian", "1967-11-09", "f", "l178ug"),
    ("mary", "smith", "1980-02-29", "f", "sw1a1aa"),
    ("mary", "smith", "1980-02-29", "", "sw1a1aa"),
    ("محمد", "علي", "2001-01-01", "m", "m11aa"),
    ("", "smyth", "1980-02-29", "f", ""),
    ("ann", "", "1955-05-05", "", "ch11ab"),
    ("bartholomew james", "featherstonehaugh", "1931-12-31", "m", ""),
]
BITS = (1600, 960, 2240, 160, 640)
MATCH_KEYS = {
    "whole": ("given_name:whole", "surname:whole", "date_of_birth:whole"),
    "sound": ("surname:phonetic", "date_of_birth:year", "sex:whole"),
    "day": ("given_name:initial", "date_of_birth:month-day", "postcode:whole"),
}


def schema(*, folds: dict[str, int]) -> dict[str, Any]:
    """The linkage schema of profile privacy-first, as docs/formats/clk.md has it."""
    bigrams = {"type": "ngram", "n": 2, "positional": False}
    places = {"type": "ngram", "n": 1, "positional": True}
    text = {"type": "string", "encoding": "utf-8", "maxLength": 1_000}
    date = {"type": "date", "format": "%Y-%m-%d"}
    kinds = [
        (text, bigrams),
        (text, bigrams),
        (date, places),
        ({"type": "enum", "values": ["f", "m"]}, {"type": "exact"}),
        (text, places),
    ]
    return {
        "version": 3,
        "clkConfig": {
            "l": 2048,
            **folds,
            "kdf": {
                "type": "HKDF",
                "hash": "SHA256",
                "info": "cHBybC92MS9jbGsgbGlua2FnZSBzY2hlbWE=",
                "salt": "cHBybC92MS9jbGsgc2FsdA==",
                "keySize": 64,
            },
        },
        "features": [
            {
                "identifier": name,
                "format": form,
                "hashing": {
                    "comparison": comparison,
                    "strategy": {"bitsPerFeature": bits},
                    "hash": {"type": "blakeHash"},
                    "missingValue": {"sentinel": "", "replaceWith": ""},
                },
            }
            for name, (form, comparison), bits in zip(IDENTIFIERS, kinds, BITS, strict=True)
        ],
    }


def as_clkhash_makes_them(
    linkage_schema: dict[str, Any], records: list[tuple[str, ...]], key: bytes
) -> list[str]:
    """Each record's encoding in hexadecimal, by clkhash from the first to the last step."""
    table = io.StringIO(newline="")
    csv.writer(table).writerows([tuple(IDENTIFIERS), *records])
    table.seek(0)
    through_json = from_json_dict(json.loads(json.dumps(linkage_schema)))
    clks = generate_clk_from_csv(table, key, through_json, progress_bar=False, max_workers=1)
    return [clk.tobytes().hex() for clk in clks]


def transformed(transform: str, value: str) -> str:
    if transform == "phonetic":
        return phonetic(value.split(maxsplit=1)[0], *rules()) if value else ""
    places = {"whole": slice(None), "initial": slice(1), "year": slice(4), "month-day": slice(5, None)}
    return value[places[transform]]


def value_of(parts: tuple[str, ...], record: tuple[str, ...]) -> str:
    columns = dict(zip(IDENTIFIERS, record, strict=True))
    found = [transformed(transform, columns[name]) for name, transform in (part.split(":") for part in parts)]
    return "\x1f".join(found) if all(found) else ""


def tag(name: str, value: str, key: bytes) -> str:
    prk = hmac.digest(bytes(64), key, hashlib.sha512)
    info = b"pprl/v1/clk/match-key\0" + name.encode("ascii")
    derived = hmac.digest(prk, info + b"\x01", hashlib.sha512)[:32]
    return hashlib.blake2b(value.encode(), key=derived, digest_size=16).hexdigest()


def keyed(name: str, parts: tuple[str, ...]) -> dict[str, Any]:
    """A match key's values and tags; null where random bytes stand."""
    values = [value_of(parts, record) for record in RECORDS]
    times = Counter(value for value in values if value)
    tags = [tag(name, value, KEY) if times[value] == 1 else None for value in values]
    return {"name": name, "parts": parts, "values": values, "tags": tags}


def document() -> str:
    """The text of vectors.json."""
    content = {
        "about": "Profile privacy-first: encodings as clkhash makes them, and tags of match keys. docs/formats/clk.md.",
        "key": KEY.hex(),
        "identifiers": IDENTIFIERS,
        "records": RECORDS,
        "linkage_schema": schema(folds={"xor_folds": 3}),
        "clks": as_clkhash_makes_them(schema(folds={"xor_folds": 3}), RECORDS, KEY),
        "match_keys": [keyed(name, parts) for name, parts in MATCH_KEYS.items()],
    }
    return json.dumps(content, indent=1) + "\n"


if __name__ == "__main__":
    path = Path(__file__).with_name("vectors.json")
    sys.stdout.write(f"{path.write_text(document(), encoding='ascii')} characters\n")
