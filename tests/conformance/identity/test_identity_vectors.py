"""The vectors of key files, cards and words, made by a second writer and read by the package."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from pprl.crypto.identity import Identity, fingerprint, require_usable
from pprl.crypto.key_file import Passphrase, parse_key_file, unlock
from pprl.crypto.words import words
from pprl.errors import ConfigError, KeyFileError
from pprl.protocol.agreement import PartyKeys
from pprl.protocol.party_card import public_keys, signed_card
from tests.conformance.identity import second_writer

VECTORS: dict[str, Any] = json.loads(Path(__file__).with_name("vectors.json").read_bytes())


def vectors(what: str, kind: str, name: str = "name") -> pytest.MarkDecorator:
    return pytest.mark.parametrize("vector", VECTORS[what][kind], ids=lambda vector: vector[name])


def opened(vector: dict[str, Any]) -> Identity:
    locked = parse_key_file(vector["file"].encode("ascii"), where="vector")
    return unlock(locked, Passphrase(vector["passphrase"]), where="vector")


@vectors("key_files", "accepted")
def test_key_files_open(vector: dict[str, Any]) -> None:
    identity = opened(vector)
    assert identity.party == vector["party"]
    assert {name: seed.hex() for name, seed in identity._seeds.items()} == vector["seeds"]
    assert identity.public.model_dump() == json.loads(vector["file"])["public"]


@vectors("key_files", "refused")
def test_key_files_that_are_refused(vector: dict[str, Any]) -> None:
    with pytest.raises(KeyFileError):
        opened(vector)


@vectors("cards", "accepted", "party")
def test_cards_hold(vector: dict[str, Any]) -> None:
    keys = PartyKeys(**vector["keys"])
    require_usable(keys, party=vector["party"])
    assert fingerprint(keys) == vector["fingerprint"]


@vectors("cards", "refused")
def test_cards_that_are_refused(vector: dict[str, Any]) -> None:
    with pytest.raises(ConfigError):
        require_usable(PartyKeys(**vector["keys"]), party=vector["party"])


def test_both_writers_sign_the_same_bytes() -> None:
    keys = public_keys(Identity("north", second_writer.seeds("north")).public)
    assert keys == second_writer.public(second_writer.seeds("north"))
    assert signed_card("north", keys) == second_writer.card_message("north", keys)


@pytest.mark.parametrize("vector", VECTORS["words"], ids=lambda vector: vector["digest"][:8])
def test_words(vector: dict[str, Any]) -> None:
    assert words(bytes.fromhex(vector["digest"])) == vector["words"]


def test_about_three_refusals_to_each_success() -> None:
    for what in ("key_files", "cards"):
        assert len(VECTORS[what]["refused"]) >= 3 * len(VECTORS[what]["accepted"])
