"""The vectors of docs/formats/log.md, made by a second writer, and those of the sources that it names."""

from __future__ import annotations

import base64
import json
import re
from inspect import getdoc
from pathlib import Path
from typing import Any

import pytest

from pprl.crypto import notes
from pprl.crypto.identity import NOTE_CONTEXT, ed25519_verifies
from pprl.errors import FormatError, PprlError, ProtocolError, VerificationError
from pprl.protocol import checkpoint, log, receipt
from pprl.protocol.agreement import Agreement, AgreementFile, Log, Party, PartyKeys
from pprl.protocol.checkpoint import Checkpoint
from pprl.protocol.log import History

DOCUMENT = (Path(__file__).parents[3] / "docs/formats/log.md").read_text("utf-8")
VECTORS: dict[str, Any] = json.loads(Path(__file__).with_name("vectors.json").read_bytes())
REFUSALS: dict[str, type[PprlError]] = {
    "format": FormatError,
    "verification": VerificationError,
    "protocol": ProtocolError,
}

# C2SP signed-note, "Example": a verifier key and the note that it verifies.
EXAMPLE_KEY = "AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k"
EXAMPLE = (
    "This is an example message.\n\n— example.com/foo Uw2QOkn8srV1yJGh2VYRlL1Tnagv1YEq6TfXppzi2ONncAlTgK7Ztg1ERYNZX"
    "sYjOBH3mFXmRKuwHjG1Yu72IneyaQM=\n"
).encode()
# C2SP tlog-cosignature's example: the lines of a log and of a witness under one checkpoint.
COSIGNED = (
    "example.com/behind-the-sofa\n20852163\nCsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=\n\n"
    "— example.com/behind-the-sofa Az3grlgtzPICa5OS8npVmf1Myq/5IZniMp+ZJurmRDeOoRDe4URYN7u5/Zhcyv2q1gGzGku9nTo+zyWE"
    "+xeMcTOAYQ8=\n— witness.example.com/w1 jWbPPwAAAABkGFDLEZMHwSRaJNiIDoe9DYn/zXcrtPHeolMI5OWXEhZCB9dlrDJsX3b2oyin1n"
    "PZqhf5nNo0xUe+mbIUBkBIfZ+qnA==\n"
).encode()


def only(section: Any, **fields: object) -> Any:
    return section.model_construct(**fields)


def agreement() -> AgreementFile:
    agreed = VECTORS["agreement"]
    parties = tuple(
        only(Party, id=party, roles=tuple(roles), keys=only(PartyKeys, **agreed["keys"][party]))
        for party, roles in agreed["roles"].items()
    )
    watched = only(Log, witnesses=tuple(agreed["witnesses"]), quorum=agreed["quorum"])
    return AgreementFile(only(Agreement, party=parties, log=watched), agreed["text"].encode())


def named(what: str, kind: str) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("vector", VECTORS[what][kind], ids=lambda vector: vector["name"])


def attempt(vector: dict[str, Any], what: str) -> Any:
    if what == "entries":
        return log.parse(vector["entry"].encode())
    if what == "histories":
        return _history(vector["entries"])
    if what == "checkpoints":
        note = checkpoint.parse_note(vector["note"].encode())
        notes.open_checkpoint(note, agreement())
        return notes.cosigners(note, agreement().content)
    if what == "receipts":
        return notes.open_receipt(vector["receipt"].encode(), agreement())
    return notes.check_request(
        receipt.parse_request(vector["request"].encode()), agreement(), last=_seen(vector["last"])
    )


def _history(entries: list[str]) -> History:
    history = History(VECTORS["agreement"]["sha256"])
    for each in entries:
        history.take(log.parse(each.encode()))
    return history


def _seen(last: dict[str, Any] | None) -> Checkpoint | None:
    if last is None:
        return None
    sha256 = VECTORS["agreement"]["sha256"]
    return Checkpoint(sha256, VECTORS["log"], last["size"], bytes.fromhex(last["root"]))


def test_agreement_is_named_by_its_bytes() -> None:
    assert agreement().sha256 == VECTORS["agreement"]["sha256"]


@named("entries", "accepted")
def test_entries(vector: dict[str, Any]) -> None:
    assert attempt(vector, "entries").to_bytes() == vector["entry"].encode()


@named("histories", "accepted")
def test_histories(vector: dict[str, Any]) -> None:
    assert attempt(vector, "histories").entries == len(vector["entries"])


@named("checkpoints", "accepted")
def test_checkpoints(vector: dict[str, Any]) -> None:
    raw = vector["note"].encode()
    note = checkpoint.parse_note(raw)
    assert checkpoint.write_note(note) == raw
    assert notes.open_checkpoint(note, agreement()).text == note.text
    assert list(notes.cosigners(note, agreement().content)) == vector["witnesses"]
    if vector["quorum"]:
        notes.require_quorum(note, agreement().content)
    else:
        with pytest.raises(VerificationError, match="quorum"):
            notes.require_quorum(note, agreement().content)


@named("receipts", "accepted")
def test_receipts(vector: dict[str, Any]) -> None:
    raw = vector["receipt"].encode()
    assert receipt.write_receipt(receipt.parse_receipt(raw)) == raw
    opened = attempt(vector, "receipts")
    assert (opened.index, len(opened.witnesses)) == (vector["index"], 2)


@named("requests", "accepted")
def test_requests(vector: dict[str, Any]) -> None:
    raw = vector["request"].encode()
    assert receipt.write_request(receipt.parse_request(raw)) == raw
    assert attempt(vector, "requests").size == 5


@pytest.mark.parametrize(
    ("what", "vector"),
    [(what, each) for what in ("checkpoints", "receipts", "requests") for each in VECTORS[what]["refused"]],
    ids=lambda each: each if isinstance(each, str) else each["name"],
)
def test_refused(what: str, vector: dict[str, Any]) -> None:
    with pytest.raises(REFUSALS[vector["refusal"]]) as caught:
        attempt(vector, what)
    assert type(caught.value) is REFUSALS[vector["refusal"]]


@named("entries", "refused")
def test_refused_entries(vector: dict[str, Any]) -> None:
    with pytest.raises(FormatError):
        attempt(vector, "entries")


@named("histories", "refused")
def test_refused_histories(vector: dict[str, Any]) -> None:
    with pytest.raises(VerificationError):
        attempt(vector, "histories")


def test_about_three_refusals_to_each_success() -> None:
    def count(kind: str) -> int:
        return sum(
            len(VECTORS[what][kind])
            for what in ("entries", "histories", "checkpoints", "receipts", "requests")
        )

    assert count("refused") >= 3 * count("accepted")


def test_the_example_of_signed_notes() -> None:
    note = checkpoint.parse_note(EXAMPLE)
    assert checkpoint.write_note(note) == EXAMPLE
    key = base64.b64decode(EXAMPLE_KEY)
    assert (key[:1], checkpoint.key_id("example.com/foo", key[:1], key[1:]).hex()) == (b"\1", "530d903a")
    signature = note.signature("example.com/foo", bytes.fromhex("530d903a"))
    keys = only(PartyKeys, ed25519=base64.b64encode(key[1:]).decode())
    assert signature is not None
    assert ed25519_verifies(signature, note.text, keys)
    assert not ed25519_verifies(signature, note.text + b"\n", keys)


def test_the_example_of_cosignatures() -> None:
    note = checkpoint.parse_note(COSIGNED)
    assert checkpoint.write_note(note) == COSIGNED
    witness = note.signatures[1]
    timestamp = int.from_bytes(witness.signature[: checkpoint.TIMESTAMP_BYTES], "big")
    assert (timestamp, len(witness.signature)) == (1_679_315_147, 72)
    assert checkpoint.cosigned_message(note.text, timestamp).startswith(
        b"cosignature/v1\ntime 1679315147\nexample.com/behind-the-sofa\n"
    )


def test_the_document_has_the_same_tables_and_numbers() -> None:
    members = DOCUMENT.split("`detail` has exactly")[1].split("Digits are hexadecimal")[0]
    assert re.findall(r"^\| `([a-z-]+)` \|", members, re.MULTILINE) == list(log.DETAILS)
    for kind, checks in log.DETAILS.items():
        (row,) = re.findall(rf"^\| `{kind}` \|(.*)$", members, re.MULTILINE)
        assert all(f"`{name}`" in row for name in checks)
    words = [
        log.FORMAT,
        receipt.FIRST_LINE.decode(),
        NOTE_CONTEXT.decode(),
        checkpoint.ML_DSA_65[1:].decode(),
    ]
    numbers = [log.MAX_ENTRY_BYTES, checkpoint.MAX_NOTE_BYTES, receipt.MAX_RECEIPT_BYTES]
    words += [f"{number:,}" for number in numbers] + [f"{checkpoint.MOST_SIGNATURES} signature lines"]
    assert [word for word in words if word not in DOCUMENT] == []


@pytest.mark.parametrize(
    ("heading", "function"),
    [
        ("stand in this order", History.take),
        ("    time SECONDS", notes.open_checkpoint),
        ("with its signatures. What is checked", notes.open_receipt),
        ("What a witness checks", notes.check_request),
    ],
)
def test_the_checks_have_the_same_numbers(heading: str, function: Any) -> None:
    listed = DOCUMENT.split(heading)[1].split("\n\n1. ")[1].split("\n\n")[0]
    in_code = [int(number) for number in re.findall(r"^(\d+)\. ", getdoc(function) or "", re.MULTILINE)]
    in_document = [1, *(int(number) for number in re.findall(r"^(\d+)\. ", listed, re.MULTILINE))]
    assert in_document == in_code == list(range(1, len(in_code) + 1))
