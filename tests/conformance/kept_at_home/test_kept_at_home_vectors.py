"""Files that stay at home, against docs/protocol.md: a party's memory, the linkage secret and the project key.

Here they are spelt a second time, with `json` alone, and the project key is opened by the second reader of containers.
"""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Callable
from datetime import date
from typing import Any

import pytest

from pprl.crypto import project_key
from pprl.crypto.identity import Identity
from pprl.encode import linkage_secret
from pprl.errors import FormatError, KeyFileError
from pprl.files import seen
from tests.conformance.envelope import second_reader
from tests.conformance.identity import second_writer

Tree = dict[str, Any]
ONE, OTHER = "5" * 64, "7" * 64
MEMORY: Tree = {
    "agreements": {"justice": {"sha256": ONE, "version": 2}},
    "checkpoints": {"example.org/log": {"root": OTHER, "size": 3}},
    "format": "pprl-seen",
    "heard": {ONE: {"north": "2027-01-31"}},
    "version": 1,
}
SECRET: Tree = {
    "agreement_sha256": ONE,
    "format": "pprl-linkage-secret",
    "secret": base64.b64encode(bytes(range(32))).decode(),
    "transcript": OTHER,
    "version": 1,
}


def spelt(tree: Tree) -> bytes:
    return json.dumps(tree, sort_keys=True, separators=(",", ":")).encode()


def without(tree: Tree, member: str) -> bytes:
    return spelt({name: value for name, value in tree.items() if name != member})


def test_a_memory_is_spelt_as_written() -> None:
    told = seen.Seen(
        agreements={"justice": (2, ONE)},
        checkpoints={"example.org/log": (3, OTHER)},
        heard={ONE: {"north": date(2027, 1, 31)}},
    )
    assert seen.write(told) == spelt(MEMORY) + b"\n"
    assert seen.parse(spelt(MEMORY) + b"\n") == told


@pytest.mark.parametrize(
    "raw",
    [
        spelt(MEMORY),
        b" " + spelt(MEMORY) + b"\n",
        spelt({**MEMORY, "format": "pprl-agreement"}) + b"\n",
        spelt({**MEMORY, "version": 2}) + b"\n",
        spelt({**MEMORY, "more": {}}) + b"\n",
        spelt({**MEMORY, "agreements": []}) + b"\n",
        spelt({**MEMORY, "agreements": {"justice": {"sha256": ONE, "version": 0}}}) + b"\n",
        spelt({**MEMORY, "checkpoints": {"example.org/log": {"root": "7", "size": 3}}}) + b"\n",
        spelt({**MEMORY, "heard": {ONE: {"north": "31.1.2027"}}}) + b"\n",
        *(without(MEMORY, member) + b"\n" for member in MEMORY),
    ],
)
def test_another_memory_is_refused(raw: bytes) -> None:
    with pytest.raises(FormatError):
        seen.parse(raw)


def test_a_linkage_secret_is_spelt_as_written() -> None:
    secret = linkage_secret.LinkageSecret(ONE, OTHER, bytes(range(32)))
    assert linkage_secret.to_file(secret) == spelt(SECRET)
    assert linkage_secret.from_file(spelt(SECRET), where="vector", agreement_sha256=ONE) == secret


@pytest.mark.parametrize(
    "raw",
    [
        spelt(SECRET) + b"\n",
        spelt({**SECRET, "agreement_sha256": OTHER}),
        spelt({**SECRET, "format": "pprl-seen"}),
        spelt({**SECRET, "version": True}),
        spelt({**SECRET, "version": 2}),
        spelt({**SECRET, "transcript": OTHER[1:]}),
        spelt({**SECRET, "secret": SECRET["secret"][:-4]}),
        spelt({**SECRET, "secret": " " + SECRET["secret"]}),
        spelt({**SECRET, "secret": SECRET["secret"][:4] + "-" + SECRET["secret"][4:]}),
        *(without(SECRET, member) for member in SECRET),
    ],
)
def test_another_linkage_secret_is_refused(raw: bytes) -> None:
    with pytest.raises(KeyFileError):
        linkage_secret.from_file(raw, where="vector", agreement_sha256=ONE)


ABOUT: Tree = {"format": "pprl-project-key", "party": "issuer", "project": "justice", "version": 1}


def issuer() -> Identity:
    return Identity("issuer", second_writer.seeds("issuer"))


def test_a_project_key_opens_by_the_document_alone() -> None:
    key = project_key.create("justice")
    raw = project_key.to_file(key, issuer())
    tree = json.loads(raw)
    assert raw == spelt(tree)
    signed = spelt({**ABOUT, "wrapped": tree["wrapped"]})
    keys = {
        name: base64.b64decode(value)
        for name, value in second_writer.public(second_writer.seeds("issuer")).items()
    }
    ed25519 = second_reader.Ed25519PublicKey.from_public_bytes(keys["ed25519"])
    ed25519.verify(base64.b64decode(tree["ed25519"]), signed)
    ml_dsa_65 = second_reader.MLDSA65PublicKey.from_public_bytes(keys["ml_dsa_65"])
    ml_dsa_65.verify(base64.b64decode(tree["ml_dsa_65"]), signed, b"pprl/v1/project-key")
    opened = second_reader.hpke_open(
        base64.b64decode(tree["wrapped"]),
        second_writer.seeds("issuer")["x_wing"],
        info=hashlib.sha256(b"pprl/v1/project-key\0" + spelt(ABOUT)).digest(),
    )
    assert opened == key.value


@pytest.mark.parametrize(
    "change",
    [
        lambda tree: {**tree, "project": "health"},
        lambda tree: {**tree, "party": "matcher"},
        lambda tree: {**tree, "version": True},
        lambda tree: {**tree, "more": 1},
        lambda tree: {**tree, "ed25519": tree["wrapped"]},
        lambda tree: {**tree, "ml_dsa_65": tree["ed25519"]},
        lambda tree: {**tree, "wrapped": tree["ed25519"]},
    ],
)
def test_another_project_key_is_refused(change: Callable[[Tree], Tree]) -> None:
    raw = project_key.to_file(project_key.create("justice"), issuer())
    with pytest.raises(KeyFileError):
        project_key.from_file(spelt(change(json.loads(raw))), issuer(), where="vector", project="justice")
