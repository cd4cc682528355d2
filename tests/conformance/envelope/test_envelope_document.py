"""docs/formats/envelope.md says what the code does."""

from __future__ import annotations

import re
from dataclasses import fields
from inspect import getdoc
from pathlib import Path

from pprl.crypto import identity, key_file
from pprl.crypto.container import open_container
from pprl.crypto.words import SALT, WORDS
from pprl.protocol import canonical, dsse, envelope, party_card
from pprl.protocol.envelope import Binding

COSTS = (key_file.LEAST_COST, key_file.DEFAULT_COST, key_file.MOST_COST)
DOCUMENT = (Path(__file__).parents[3] / "docs/formats/envelope.md").read_text("utf-8")


def test_the_table_of_the_binding_is_complete_and_in_order() -> None:
    table = DOCUMENT.split("### Binding")[1].split("The **binding digest**")[0]
    assert re.findall(r"^\| `(\w+)` \|", table, re.MULTILINE) == [field.name for field in fields(Binding)]


def test_constants_stand_in_the_document() -> None:
    words = [
        envelope.MAGIC.decode(),
        dsse.PAYLOAD_TYPE,
        dsse.STATEMENT_TYPE,
        dsse.predicate_type("container"),
    ]
    words += [envelope.SUITE, identity.CONTAINER_CONTEXT.decode(), key_file.FORMAT, key_file.METHOD]
    numbers = [envelope.MAX_HEADER_BYTES, dsse.ML_DSA_65_SIGNATURE_BYTES, envelope.WRAPPED_KEY_BYTES]
    numbers += [key_file.MAX_KEY_FILE_BYTES, key_file.MOST_PASSPHRASE_BYTES]
    numbers += [getattr(cost, each.name) for cost in COSTS for each in fields(key_file.Cost)]
    words += [
        dsse.predicate_type(party_card.KIND),
        identity.STATEMENT_CONTEXT.decode(),
        SALT.decode(),
        f"{WORDS} English",
    ]
    words += [f"{number:,}" for number in numbers]
    words += [f"At most {canonical.DEEPEST} arrays", f"DSSEv1 {len(dsse.PAYLOAD_TYPE)} "]
    assert [word for word in words if word not in DOCUMENT] == []


def test_the_checks_have_the_same_numbers() -> None:
    listed = DOCUMENT.split("## What a receiver checks")[1].split("Content is decrypted")[0]
    in_document = [int(number) for number in re.findall(r"^(\d+)\. ", listed, re.MULTILINE)]
    in_code = [int(number) for number in re.findall(r"^(\d+)\. ", getdoc(open_container) or "", re.MULTILINE)]
    assert in_document == in_code == list(range(1, 16))
