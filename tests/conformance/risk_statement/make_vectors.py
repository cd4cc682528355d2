"""A second writer of risk statements, from docs/formats/risk-statement.md; it shares no code with the package.

`python -m tests.conformance.risk_statement.make_vectors` writes vectors.json again, for a new version of the format
only. ML-DSA-65 is randomised, so every run gives other signatures.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from math import comb
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.mldsa import MLDSA65PrivateKey

from tests.conformance.identity.second_writer import card, seeds, spelt, text

Members = dict[str, Any]

AGREEMENT = hashlib.sha256(b"vectors only: the agreement").hexdigest()
ROOT = hashlib.sha256(b"vectors only: the root of the rows").hexdigest()
ANOTHER = hashlib.sha256(b"another").hexdigest()
PARTY, DATASET, ROWS, PASSES = "north", "events", 400, 3
LIMITS = {
    "people": 10_000,
    "known_people": 10,
    "matcher_per_10000": 120,
    "key_issuer_per_10000": 120,
    "together_per_10000": 1_000,
}
NONE_OF_400 = 75  # 1 - 0.05 ^ (1 / 400), in 10,000, rounded up

MUST = {
    "clk": [
        ("spectral", "matcher", 0),
        ("patterns", "matcher", 0),
        ("embedding", "matcher", 10),
        ("propagation", "matcher", 10),
    ],
    "field-filters": [
        ("block_frequency", "matcher", 0),
        ("in_blocks", "matcher", 0),
        ("in_blocks", "matcher", 10),
        ("pair_graph", "key-issuer", 0),
        ("pair_graph", "key-issuer", 10),
        ("record_blocks", "together", 0),
        ("record_blocks", "together", 10),
    ],
}


def upper_end(named: int, of: int) -> int:
    """The least m for which at most `named` of `of` has a chance of 5 % or less at m in 10,000, in whole numbers."""
    if named == of:
        return 10_000

    def is_unlikely(m: int) -> bool:
        ways = sum(comb(of, each) * m**each * (10_000 - m) ** (of - each) for each in range(named + 1))
        return bool(20 * ways <= 10_000**of)

    return next(m for m in range(1, 10_001) if is_unlikely(m))


CUT_SHORT: Members = {"of": 0, "named": 0, "wrong": 0, "finished": False}


def attack(name: str, holder: str, known: int, **changes: Any) -> Members:
    members = {
        "attack": name, "finished": True, "holder": holder, "known": known, "list": "very file", "named": 0,
        "of": ROWS - known, "overlap": 100, "seconds": 7, "wrong": 2, **changes,
    }  # fmt: skip
    return {"upper_per_10000": upper_end(members["named"], members["of"]), **members}


def predicate(scheme: str, **changes: Any) -> Members:
    return {
        "agreement_sha256": AGREEMENT,
        "attacks": [attack(*each) for each in MUST[scheme]],
        "blind": 1,
        "controls": {"plain_clk": 9_985, "random_bits": 3},
        "dataset": DATASET,
        "format": "pprl-risk-statement",
        "known_people": 10,
        "records": ROWS,
        "seed": 2_026,
        "version": 1,
        **changes,
    }


def with_attack(scheme: str, place: int, **changes: Any) -> Members:
    """One of the attacks with other members; the upper end follows unless it is given."""
    found = predicate(scheme)
    name, holder, known = MUST[scheme][place]
    found["attacks"][place] = attack(**{"name": name, "holder": holder, "known": known, **changes})
    return found


def without(scheme: str, place: int) -> Members:
    found = predicate(scheme)
    del found["attacks"][place]
    return found


def statement(claims: Members, **changes: Any) -> bytes:
    return spelt(
        {
            "_type": "https://in-toto.io/Statement/v1",
            "predicate": claims,
            "predicateType": "urn:pprl-protocol:risk-statement:v1",
            "subject": [{"digest": {"sha256": ROOT}, "name": DATASET}],
            **changes,
        }
    )


def subject(claims: Members, **changes: Any) -> bytes:
    return statement(claims, subject=[{"digest": {"sha256": ROOT}, "name": DATASET, **changes}])


def file(payload: bytes, *, ed25519: str = PARTY, ml_dsa_65: str = PARTY, **how: Any) -> str:
    message = b"DSSEv1 28 application/vnd.in-toto+json %d %b" % (len(payload), payload)
    context = how.get("context", b"pprl/v1/statement")
    first = Ed25519PrivateKey.from_private_bytes(seeds(ed25519)["ed25519"]).sign(message)
    second = MLDSA65PrivateKey.from_seed_bytes(seeds(ml_dsa_65)["ml_dsa_65"]).sign(message, context)
    signatures = [
        {"keyid": "ed25519", "sig": text(first)},
        {"keyid": "ml-dsa-65", "sig": text(second)},
    ]
    return spelt(
        {
            "payload": text(how.get("shown", payload)),
            "payloadType": "application/vnd.in-toto+json",
            "signatures": signatures,
        }
    ).decode()


def accepted() -> Iterator[tuple[str, str, Members]]:
    yield "of whole filters", "clk", predicate("clk")
    yield "of field filters", "field-filters", predicate("field-filters")
    yield "one of 400 named", "field-filters", with_attack("field-filters", 5, named=1)
    more = predicate("field-filters")
    more["attacks"] += [
        attack("in_blocks", "matcher", 100, named=300),
        attack("record_blocks", "together", 10, list="heavy", overlap=20, **CUT_SHORT),
        attack("dictionary", "matcher", 0, named=ROWS),
    ]
    yield "with attackers who are not judged", "field-filters", more
    yield "of records in all passes", "field-filters", with_attack("field-filters", 1, of=PASSES * ROWS)
    halves = [attack(*each, of=ROWS) for each in MUST["field-filters"]]
    yield (
        "half of the records",
        "field-filters",
        predicate("field-filters", records=ROWS // 2, attacks=halves),
    )


def refused() -> Iterator[tuple[str, str, str, str]]:
    for name, claims in misspelt():
        yield name, "clk", "format", file(statement(claims))
    whole = statement(predicate("clk"))
    yield (
        "of another kind",
        "clk",
        "format",
        file(statement(predicate("clk"), predicateType=_KIND_OF_CERTIFICATES)),
    )
    named = statement(with_attack("clk", 0, named=200))
    for name, of in (
        ("another agreement", file(statement(predicate("clk", agreement_sha256=ANOTHER)))),
        ("another dataset", file(statement(predicate("clk", dataset="another")))),
        ("another subject", file(subject(predicate("clk"), name="another"))),
        ("another root", file(subject(predicate("clk"), digest={"sha256": ANOTHER}))),
        ("figures changed after signing", file(named, shown=whole)),
        ("Ed25519 by another", file(whole, ed25519="south")),
        ("ML-DSA-65 by another", file(whole, ml_dsa_65="south")),
        ("a container's context", file(whole, context=b"pprl/v1/container")),
    ):
        yield name, "clk", "verification", of
    for name, scheme, claims in failing():
        yield name, scheme, "disclosure", file(statement(claims))


_KIND_OF_CERTIFICATES = "urn:pprl-protocol:destruction-certificate:v1"


def misspelt() -> Iterator[tuple[str, Members]]:
    whole = predicate("clk")
    for name, changes in (
        ("another version", {"version": 2}),
        ("another format", {"format": "pprl-risk"}),
        ("a member too many", {"officer": "A. Smith"}),
        ("a seed that is text", {"seed": "1"}),
        ("controls that lack one", {"controls": {"plain_clk": 9_985}}),
        ("controls of more than there are", {"controls": {"plain_clk": 10_001, "random_bits": 3}}),
        ("attacks in no array", {"attacks": whole["attacks"][0]}),
        ("an attack twice", {"attacks": [*whole["attacks"], {**whole["attacks"][0], "seconds": 8}]}),
    ):
        yield name, {**whole, **changes}
    yield "a member is missing", {name: value for name, value in whole.items() if name != "blind"}
    for name, changes in (
        ("an upper end below its count's", {"upper_per_10000": NONE_OF_400 - 1}),
        ("an upper end above its count's", {"upper_per_10000": NONE_OF_400 + 1}),
        ("a holder that is none", {"holder": "department"}),
        ("a list that is none", {"list": "medium"}),
        ("an overlap of more than all", {"overlap": 101}),
        ("finished as a number", {"finished": 1}),
        ("not finished, and people counted", {"finished": False}),
        ("an attack that is none", {"name": "spectral attack"}),
    ):
        yield name, with_attack("clk", 0, **changes)
    more = predicate("clk")
    more["attacks"][0] = {**more["attacks"][0], "named": ROWS + 1, "upper_per_10000": 10_000}
    yield "more named than there are", more


def failing() -> Iterator[tuple[str, str, Members]]:
    for scheme, required in MUST.items():
        for place, (name, holder, known) in enumerate(required):
            yield f"without {name} of {holder} with {known} known ({scheme})", scheme, without(scheme, place)
    yield "not finished", "clk", with_attack("clk", 2, **CUT_SHORT)
    yield "an easier list", "clk", with_attack("clk", 0, overlap=50)
    yield "a list with errors alone", "clk", with_attack("clk", 0, list="light")
    yield "fewer people recognised", "clk", predicate("clk", known_people=9)
    yield "few records", "clk", predicate("clk", records=199)
    yield "more records than rows", "clk", predicate("clk", records=401)
    yield "more counted than there are", "clk", with_attack("clk", 0, of=ROWS + 1)
    yield (
        "attackers who can't attack",
        "clk",
        predicate("clk", controls={"plain_clk": 9_000, "random_bits": 3}),
    )
    yield "attackers who are told", "clk", predicate("clk", controls={"plain_clk": 9_985, "random_bits": 101})
    yield "too many named by the matcher", "field-filters", with_attack("field-filters", 0, named=2)
    yield "too many named by the key issuer", "field-filters", with_attack("field-filters", 3, named=2)
    yield "too many named by both", "field-filters", with_attack("field-filters", 5, named=60)
    half = predicate("clk")
    half["attacks"].append(attack("spectral", "matcher", 0, overlap=50, of=200, named=3))
    yield "too many named of half of them", "clk", half


def vectors() -> Members:
    return {
        "agreement_sha256": AGREEMENT,
        "dataset": DATASET,
        "party": PARTY,
        "keys": card(PARTY),
        "passes": PASSES,
        "limits": LIMITS,
        "rows_root": ROOT,
        "rows": ROWS,
        "upper_ends": [
            [named, of, upper_end(named, of)]
            for named, of in (
                (0, 1),
                (1, 1),
                (0, 10),
                (3, 10),
                (0, 400),
                (1, 400),
                (200, 400),
                (5, 1_000),
                (0, 2_000),
            )
        ],
        "accepted": [
            {"name": name, "scheme": scheme, "predicate": claims, "file": file(statement(claims))}
            for name, scheme, claims in accepted()
        ],
        "refused": [
            {"name": name, "scheme": scheme, "expect": kind, "file": raw}
            for name, scheme, kind, raw in refused()
        ],
    }


if __name__ == "__main__":
    path = Path(__file__).with_name("vectors.json")
    path.write_text(json.dumps(vectors(), indent=1) + "\n", encoding="ascii")
