from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Callable
from dataclasses import FrozenInstanceError, asdict, replace
from typing import Any

import pytest

from pprl.errors import FormatError
from pprl.protocol import canonical, dsse, envelope
from pprl.protocol.dsse import Envelope
from pprl.protocol.envelope import Binding, Statement

DIGEST = hashlib.sha256(b"an agreement").hexdigest()
BINDING = Binding(
    agreement_sha256=DIGEST,
    agreement_version=1,
    sender="north",
    recipient="office",
    kind="encodings",
    dataset="north_register",
    submission="5" * 32,
    sequence=1,
    previous_sha256=None,
    plaintext_bytes=12_800,
    records=100,
    transcript="7" * 64,
)
STATEMENT = Statement(BINDING, hashlib.sha256(b"a ciphertext").hexdigest(), bytes(range(146)) * 8)
SIGNED = Envelope(envelope.write_statement(STATEMENT), b"e" * 64, b"m" * 3_309)


def test_binding_digest_is_sha_256_of_canonical_json() -> None:
    spelt = (
        f'{{"agreement_sha256":"{DIGEST}","agreement_version":1,"dataset":"north_register","kind":"encodings",'
        '"plaintext_bytes":12800,"previous_sha256":null,"recipient":"office","records":100,"sender":"north",'
        f'"sequence":1,"submission":"{"5" * 32}","transcript":"{"7" * 64}"}}'
    )
    assert BINDING.digest == hashlib.sha256(spelt.encode()).digest()


@pytest.mark.parametrize(
    ("field", "other"),
    [
        ("agreement_sha256", "0" * 64),
        ("agreement_version", 2),
        ("sender", "south"),
        ("recipient", "south"),
        ("kind", "references"),
        ("dataset", ""),
        ("submission", "6" * 32),
        ("plaintext_bytes", 12_801),
        ("records", 101),
        ("transcript", "8" * 64),
        ("transcript", ""),
    ],
)
def test_binding_digest_covers_every_field(field: str, other: Any) -> None:
    assert replace(BINDING, **{field: other}).digest != BINDING.digest


def test_binding_digest_covers_the_sequence() -> None:
    second = replace(BINDING, sequence=2, previous_sha256="0" * 64)
    digests = {
        BINDING.digest,
        second.digest,
        replace(second, sequence=3).digest,
        replace(second, previous_sha256="1" * 64).digest,
    }
    assert len(digests) == 4


@pytest.mark.parametrize(
    "changes",
    [
        {"agreement_sha256": DIGEST.upper()},
        {"agreement_sha256": DIGEST[:-1]},
        {"agreement_sha256": DIGEST + "\n"},
        {"agreement_sha256": None},
        {"agreement_version": 0},
        {"agreement_version": True},
        {"agreement_version": "1"},
        {"submission": "5" * 31},
        {"submission": "F" * 32},
        {"submission": None},
        {"sender": ""},
        {"sender": "9north"},
        {"sender": "north\n"},
        {"sender": "north/../office"},
        {"sender": "n" * 41},
        {"recipient": None},
        {"recipient": "öffice"},
        {"kind": ""},
        {"kind": "Encodings"},
        {"dataset": None},
        {"dataset": "a b"},
        {"sequence": 0},
        {"sequence": 2},
        {"previous_sha256": "0" * 64},
        {"sequence": 2, "previous_sha256": "0"},
        {"sequence": 0, "previous_sha256": "0" * 64},
        {"sequence": 2.0, "previous_sha256": "0" * 64},
        {"plaintext_bytes": -1},
        {"plaintext_bytes": 1.0},
        {"plaintext_bytes": 2**53},
        {"records": -1},
        {"records": None},
    ],
    ids=str,
)
def test_a_binding_out_of_form_can_not_be_made(changes: dict[str, Any]) -> None:
    with pytest.raises(FormatError):
        replace(BINDING, **changes)


def test_values_are_frozen() -> None:
    with pytest.raises(FrozenInstanceError):
        BINDING.kind = "references"  # type: ignore[misc]


def test_agreement_names_fit_the_binding() -> None:
    for name in ("a", "A" * 40, "north-2_x"):
        assert replace(BINDING, sender=name, recipient=name, dataset=name).sender == name


@pytest.mark.parametrize(
    ("plaintext", "ciphertext"),
    # By hand from the specification: 56 bytes, then 16 for each chunk, the last one shorter than 16 KiB.
    [(0, 72), (1, 73), (16_383, 16_455), (16_384, 16_472), (32_768, 32_872), (200_000, 200_264)],
)
def test_ciphertext_length(plaintext: int, ciphertext: int) -> None:
    assert envelope.ciphertext_bytes(plaintext) == ciphertext
    assert replace(BINDING, plaintext_bytes=plaintext).ciphertext_bytes == ciphertext


def test_signed_bytes_are_dsse_pae() -> None:
    # The worked example of DSSE's protocol.md has another type; its shape is the same.
    assert dsse.signed_bytes(b"hello world") == (b"DSSEv1 28 application/vnd.in-toto+json 11 hello world")


def test_round_trips() -> None:
    assert envelope.parse_statement(envelope.write_statement(STATEMENT)) == STATEMENT
    raw = envelope.write_header(SIGNED)
    assert raw[:8] == b"PPRLENV1"
    assert envelope.parse_prefix(raw[:12]) == len(raw) - 12
    assert envelope.parse_envelope(raw[12:]) == SIGNED


def test_statement_is_in_toto_v1() -> None:
    tree = json.loads(envelope.write_statement(STATEMENT))
    assert tree["_type"] == "https://in-toto.io/Statement/v1"
    assert tree["subject"] == [{"name": "ciphertext", "digest": {"sha256": STATEMENT.ciphertext_sha256}}]
    assert tree["predicate"]["binding"] == asdict(BINDING)
    assert base64.b64decode(tree["predicate"]["wrapped_key"]) == STATEMENT.wrapped_key
    assert set(tree) == {"_type", "predicate", "predicateType", "subject"}


def test_header_is_dsse_v1() -> None:
    tree = json.loads(envelope.write_header(SIGNED)[12:])
    assert base64.b64decode(tree["payload"]) == SIGNED.payload
    assert tree["payloadType"] == "application/vnd.in-toto+json"
    assert [base64.b64decode(each["sig"]) for each in tree["signatures"]] == [
        SIGNED.ed25519,
        SIGNED.ml_dsa_65,
    ]
    assert set(tree) == {"payload", "payloadType", "signatures"}


@pytest.mark.parametrize(
    "prefix",
    [
        b"",
        b"PPRLENV1",
        b"PPRLENV1\0\0\0",
        b"PPRLENV2\0\0\0\x01",
        b"pprlenv1\0\0\0\x01",
        b"PPRLENV1\0\0\0\0",
        b"PPRLENV1\0\x01\0\x01",
        b"PPRLENV1\xff\xff\xff\xff",
        b"PPRLENV1\0\0\0\x01{",
    ],
)
def test_prefix_refused(prefix: bytes) -> None:
    with pytest.raises(FormatError):
        envelope.parse_prefix(prefix)


def test_largest_header() -> None:
    assert envelope.parse_prefix(b"PPRLENV1\0\x01\0\0") == 65_536


Change = Callable[[dict[str, Any]], object]

HEADERS: dict[str, Change] = {
    "no payload": lambda tree: tree.pop("payload"),
    "more members": lambda tree: tree.update(note=""),
    "payload is no text": lambda tree: tree.update(payload=1),
    "payload is no base64": lambda tree: tree.update(payload="????"),
    "payload without padding": lambda tree: tree.update(payload="AA"),
    "payload with spare bits": lambda tree: tree.update(payload="AB=="),
    "payload with white space": lambda tree: tree.update(payload="AA A="),
    "payload in the URL alphabet": lambda tree: tree.update(payload="__-_"),
    "another type": lambda tree: tree.update(payloadType="application/json"),
    "signatures in an object": lambda tree: tree.update(signatures={}),
    "signatures are null": lambda tree: tree.update(signatures=None),
    "no signature": lambda tree: tree.update(signatures=[]),
    "one signature": lambda tree: tree["signatures"].pop(),
    "three signatures": lambda tree: tree["signatures"].append(tree["signatures"][1]),
    "Ed25519 twice": lambda tree: tree["signatures"].__setitem__(1, tree["signatures"][0]),
    "ML-DSA-65 twice": lambda tree: tree["signatures"].__setitem__(0, tree["signatures"][1]),
    "other order": lambda tree: tree["signatures"].reverse(),
    "signature is no object": lambda tree: tree["signatures"].__setitem__(0, "c2ln"),
    "no key id": lambda tree: tree["signatures"][0].pop("keyid"),
    "another key id": lambda tree: tree["signatures"][1].update(keyid="ml-dsa-87"),
    "certificate": lambda tree: tree["signatures"][0].update(cert=""),
    "short signature": lambda tree: tree["signatures"][0].update(sig="AAAA"),
    "long signature": lambda tree: tree["signatures"][1].update(sig="AAAA" * 1104),
}


@pytest.mark.parametrize("change", HEADERS.values(), ids=HEADERS.keys())
def test_header_refused(change: Change) -> None:
    tree = canonical.loads(envelope.write_header(SIGNED)[12:])
    change(tree)
    with pytest.raises(FormatError):
        envelope.parse_envelope(canonical.dumps(tree))


STATEMENTS: dict[str, Change] = {
    "no type": lambda tree: tree.pop("_type"),
    "statement v0.1": lambda tree: tree.update(_type="https://in-toto.io/Statement/v0.1"),
    "another predicate": lambda tree: tree.update(predicateType="urn:pprl-protocol:container:v2"),
    "more members": lambda tree: tree.update(extra=1),
    "no subject": lambda tree: tree.update(subject=[]),
    "two subjects": lambda tree: tree["subject"].append(tree["subject"][0]),
    "subject is no object": lambda tree: tree.update(subject=[[]]),
    "another subject": lambda tree: tree["subject"][0].update(name="plaintext"),
    "subject with more": lambda tree: tree["subject"][0].update(uri=""),
    "two digests": lambda tree: tree["subject"][0]["digest"].update(sha512=""),
    "another digest": lambda tree: tree["subject"][0].update(digest={"md5": "0" * 32}),
    "digest in capitals": lambda tree: tree["subject"][0]["digest"].update(sha256="A" * 64),
    "digest is no text": lambda tree: tree["subject"][0]["digest"].update(sha256=None),
    "predicate is no object": lambda tree: tree.update(predicate=[]),
    "another suite": lambda tree: tree["predicate"].update(suite="X25519/AES-128-GCM/Ed25519"),
    "no suite": lambda tree: tree["predicate"].pop("suite"),
    "short wrapped key": lambda tree: tree["predicate"].update(wrapped_key="AAAA"),
    "no wrapped key": lambda tree: tree["predicate"].update(wrapped_key=None),
    "binding lacks a field": lambda tree: tree["predicate"]["binding"].pop("records"),
    "binding has another field": lambda tree: tree["predicate"]["binding"].update(cc="auditor"),
    "binding is no object": lambda tree: tree["predicate"].update(binding=None),
    "two recipients": lambda tree: tree["predicate"]["binding"].update(recipient=["office", "south"]),
    "binding out of form": lambda tree: tree["predicate"]["binding"].update(sequence=7),
}


@pytest.mark.parametrize("change", STATEMENTS.values(), ids=STATEMENTS.keys())
def test_statement_refused(change: Change) -> None:
    tree = canonical.loads(envelope.write_statement(STATEMENT))
    change(tree)
    with pytest.raises(FormatError):
        envelope.parse_statement(canonical.dumps(tree))


@pytest.mark.parametrize("parse", [envelope.parse_statement, envelope.parse_envelope])
def test_documents_that_are_no_objects_are_refused(parse: Callable[[bytes], object]) -> None:
    for raw in (b"", b"null", b"[]", b'"text"', b"{}", b"{} "):
        with pytest.raises(FormatError):
            parse(raw)


def test_largest_binding_fits_the_header() -> None:
    name, most = "n" * 40, 2**53 - 1
    largest = Binding("f" * 64, most, name, name, name, name, "f" * 32, most, "f" * 64, most, most, "f" * 64)
    statement = Statement(largest, "f" * 64, bytes(1_168))
    raw = envelope.write_header(Envelope(envelope.write_statement(statement), bytes(64), bytes(3_309)))
    assert len(raw) < 10_000
