"""The vectors of docs/protocol.md's documents: what is accepted, what is refused, and as what."""

from __future__ import annotations

import base64
import io
import json
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pprl.errors import BY_CODE
from pprl.protocol import agreement as agreements
from pprl.protocol import crosswalk, linkage_keys, pairs, patterns, submission
from pprl.protocol.agreement import AgreementFile
from tests.conformance import make_format_vectors
from tests.support.submissions import write_submission

HERE = Path(__file__).parent
FILES: dict[str, dict[str, Any]] = {
    name: json.loads((HERE / name / "vectors.json").read_bytes()) for name in make_format_vectors.FILES
}
VECTORS = [vector for file in FILES.values() for vector in file["vectors"]]
ACCEPTED = [vector for vector in VECTORS if vector["expect"] == "ok"]
REFUSED = [vector for vector in VECTORS if vector["expect"] != "ok"]
AGREEMENTS = {
    name: agreements.parse(text.encode(), where=name) for name, text in make_format_vectors.AGREEMENTS.items()
}


def containers(raw: bytes, _: AgreementFile) -> list[bytes]:
    return [raw[start : start + length] for start, length in submission.containers(io.BytesIO(raw))]


PARSERS: dict[str, Any] = {
    "encodings": submission.parse_encodings,
    "blocked-encodings": submission.parse_encodings,
    "keyed-encodings": submission.parse_encodings,
    "keyed-references": submission.parse_references,
    "keyed-pairs": pairs.parse,
    "references": submission.parse_references,
    "blocked-references": submission.parse_references,
    "kept-references": submission.parse_references,
    "submission": containers,
    "pairs": pairs.parse,
    "patterns": patterns.parse,
    "linkage-keys": linkage_keys.parse,
    "crosswalk": crosswalk.parse,
}
WRITERS: dict[str, Any] = {
    "encodings": submission.write_encodings,
    "blocked-encodings": submission.write_encodings,
    "keyed-encodings": submission.write_encodings,
    "keyed-references": submission.write_references,
    "keyed-pairs": pairs.write,
    "references": submission.write_references,
    "blocked-references": submission.write_references,
    "kept-references": submission.write_references,
    "submission": lambda both: write_submission(*both),
    "pairs": pairs.write,
    "patterns": patterns.write,
    "linkage-keys": linkage_keys.write,
    "crosswalk": crosswalk.write,
}


def read(vector: dict[str, Any]) -> Any:
    raw = base64.b64decode(vector["base64"], validate=True)
    return PARSERS[vector["document"]](raw, AGREEMENTS[vector["agreement"]])


def hexes(table: Any) -> list[str]:
    return [bytes(row).hex() for row in np.asarray(table)]


def blocked_pass(references: Any, payload: Any) -> dict[str, Any]:
    records = submission.blocked(payload, make_format_vectors.FILTER_COUNT)
    return {
        "references": hexes(references),
        "tags": hexes(records.tags),
        "present": records.present.tolist(),
        "filters": [hexes(filters) for filters in records.filters],
    }


def keyed_records(parsed: Any) -> dict[str, Any]:
    records = submission.keyed(parsed.filters[0], AGREEMENTS["match-keys"])
    return {
        "references": hexes(parsed.references[0]),
        "clks": hexes(records.clks),
        "tags": [hexes(tags) for tags in records.tags],
    }


def handles_and_passes(parsed: Any) -> dict[str, Any]:
    return {
        "handles": hexes(parsed.handles),
        "passes": [
            {"references": hexes(ids), "positions": places.tolist()}
            for ids, places in zip(parsed.references, parsed.positions, strict=True)
        ],
    }


def counts_of(counted: Any) -> list[list[int]]:
    return [list(row) for row in zip(counted.patterns.tolist(), counted.counts.tolist(), strict=True)]


def copies_of(copies: Any) -> list[list[int]]:
    return [list(row) for row in zip(copies.records.tolist(), copies.originals.tolist(), strict=True)]


def content_of(kind: str, parsed: Any) -> dict[str, Any]:
    told: dict[str, Callable[[], dict[str, Any]]] = {
        "encodings": lambda: {
            "passes": [
                {"references": hexes(ids), "filters": hexes(filters)}
                for ids, filters in zip(parsed.references, parsed.filters, strict=True)
            ]
        },
        "blocked-encodings": lambda: {
            "random_levels": [list(levels) for levels in parsed.header.random_levels],
            "suppressed": list(parsed.header.suppressed),
            "passes": [blocked_pass(*each) for each in zip(parsed.references, parsed.filters, strict=True)],
        },
        "keyed-encodings": lambda: keyed_records(parsed),
        "keyed-references": lambda: {
            **handles_and_passes(parsed),
            "match_key_pairs": parsed.header.match_key_pairs,
        },
        "references": lambda: handles_and_passes(parsed),
        "blocked-references": lambda: {
            **handles_and_passes(parsed),
            "copies": copies_of(parsed.copies),
            "own_patterns": counts_of(parsed.own_patterns),
        },
        "kept-references": lambda: {
            **(told["references"] if parsed.own_patterns is None else told["blocked-references"])(),
            "previous": [
                [record, bytes(key).hex()]
                for record, key in zip(parsed.previous.records.tolist(), parsed.previous.keys, strict=True)
            ],
        },
        "submission": lambda: {"containers": [each.hex() for each in parsed]},
        "pairs": lambda: {
            "tables": [
                [
                    list(row)
                    for row in zip(hexes(each.left), hexes(each.right), each.levels.tolist(), strict=True)
                ]
                for each in parsed.tables
            ]
        },
        "patterns": lambda: {
            "tables": [
                [
                    list(row)
                    for row in zip(hexes(each.left), hexes(each.right), each.patterns.tolist(), strict=True)
                ]
                for each in parsed.tables
            ],
            "random_levels": [list(levels) for levels in parsed.header.random_levels],
        },
        "linkage-keys": lambda: {"handles": hexes(parsed.handles), "keys": hexes(parsed.keys)},
        "crosswalk": lambda: {
            "rows": [
                list(row)
                for row in zip(
                    hexes(parsed.people), hexes(parsed.keys), parsed.datasets.tolist(), strict=True
                )
            ]
        },
    }
    return told["pairs" if kind == "keyed-pairs" else kind]()


@pytest.mark.parametrize("vector", ACCEPTED, ids=lambda vector: vector["name"])
def test_accepted_with_its_content(vector: dict[str, Any]) -> None:
    assert content_of(vector["document"], read(vector)) == vector["content"]


@pytest.mark.parametrize("vector", ACCEPTED, ids=lambda vector: vector["name"])
def test_writing_it_again_gives_the_same_bytes(vector: dict[str, Any]) -> None:
    assert WRITERS[vector["document"]](read(vector)) == base64.b64decode(vector["base64"])


@pytest.mark.parametrize("vector", REFUSED, ids=lambda vector: vector["name"])
def test_refused_as_what_it_is(vector: dict[str, Any]) -> None:
    with pytest.raises(BY_CODE[vector["expect"]]) as refusal:
        read(vector)
    assert type(refusal.value) is BY_CODE[vector["expect"]]
    assert vector["word"] in refusal.value.message


@pytest.mark.parametrize("folder", make_format_vectors.FILES)
def test_the_vectors_are_those_that_the_script_writes(folder: str) -> None:
    assert (HERE / folder / "vectors.json").read_bytes() == make_format_vectors.file_content(folder)


def test_there_are_three_refusals_to_each_success() -> None:
    kinds = Counter(vector["document"] for vector in ACCEPTED)
    refusals = Counter(vector["document"] for vector in REFUSED)
    assert set(kinds) == set(PARSERS)
    assert all(refusals[kind] >= 3 * count for kind, count in kinds.items())


def test_no_vector_stands_twice() -> None:
    for field in ("name", "base64"):
        seen = Counter((vector[field], vector["document"], vector["agreement"]) for vector in VECTORS)
        assert [each for each, count in seen.items() if count > 1] == []


def test_the_agreements_are_the_vectors_own() -> None:
    assert all(file["agreements"] == make_format_vectors.AGREEMENTS for file in FILES.values())
