from __future__ import annotations

import copy
import pickle
import traceback
from collections.abc import Callable
from typing import Any

import pytest
from cryptography.hazmat.primitives.kdf.argon2 import Argon2id

from pprl.crypto import key_file
from pprl.crypto.identity import create, same_keys
from pprl.crypto.key_file import (
    DEFAULT_COST,
    LEAST_COST,
    Cost,
    Passphrase,
    parse_key_file,
    to_key_file,
    unlock,
)
from pprl.errors import KeyFileError, UsageError
from pprl.protocol import canonical
from tests.support.keys import TEXT, asked, key_file_of
from tests.unit.crypto.forgery import NORTH, SOUTH, identity

KEY_FILE = key_file_of(NORTH)
OTHERS_KEY_FILE = key_file_of(SOUTH)
HINT_CANARY = "canary canary canary"


def opened(raw: bytes, text: str = TEXT) -> Any:
    return unlock(parse_key_file(raw, where="north.key"), Passphrase(text), where="north.key")


def test_round_trip() -> None:
    made = create("north")
    read = opened(key_file_of(made))
    assert read.party == "north"
    assert read.public == made.public
    assert read._seeds == made._seeds


def test_what_argon2id_costs_by_default() -> None:
    # RFC 9106, section 4, second recommended option: 64 MiB, 3 passes, 4 lanes.
    assert Cost(memory_kib=64 * 1024, iterations=3, lanes=4) == DEFAULT_COST
    raw = to_key_file(NORTH, asked(""))
    assert parse_key_file(raw, where="").cost == DEFAULT_COST
    assert same_keys(opened(raw).public, NORTH.public)


def test_argon2id_is_that_of_its_rfc() -> None:
    # RFC 9106, section 5.3.
    derive = Argon2id(
        salt=b"\x02" * 16,
        length=32,
        iterations=3,
        lanes=4,
        memory_cost=32,
        ad=b"\x04" * 12,
        secret=b"\x03" * 8,
    )
    assert derive.derive(b"\x01" * 32).hex() == (
        "0d640df58d78766c08c037a34a8b53c9d01ef0452d75b65eb52520e96b01e659"
    )


def test_no_two_key_files_are_alike() -> None:
    first, second = (parse_key_file(key_file_of(NORTH), where="") for _ in range(2))
    assert len({first.salt, second.salt}) == len({first.nonce, second.nonce}) == 2
    assert len({first.sealed, second.sealed}) == 2


def test_a_key_file_holds_no_private_key_in_clear() -> None:
    for seed in NORTH._seeds.values():
        assert seed not in KEY_FILE
        assert seed not in parse_key_file(KEY_FILE, where="").sealed


@pytest.mark.parametrize(
    "text", [TEXT + " ", TEXT[:-1], TEXT.upper(), TEXT.replace("\u00e4", "a"), "x" * 15], ids=range(5)
)
def test_another_passphrase_opens_nothing_and_is_not_told(text: str) -> None:
    with pytest.raises(KeyFileError, match=r"^The passphrase does not open north\.key") as caught:
        opened(KEY_FILE, text)
    assert text not in f"{caught.value.message} {caught.value.hint}"


def test_one_passphrase_however_a_keyboard_spells_it() -> None:
    decomposed = TEXT.replace("\u00e4", "a\u0308")
    assert decomposed != TEXT
    assert opened(KEY_FILE, decomposed).public == NORTH.public
    assert Passphrase(decomposed).is_same_as(Passphrase(TEXT))
    assert not Passphrase(TEXT + "!").is_same_as(Passphrase(TEXT))


@pytest.mark.parametrize(
    "text",
    ["fifteen letters", "\u00e4" * 15, "\U0001f511" * 15, "\t\x00\x07" * 5, " " * 15, "x" * 1024],
    ids=range(6),
)
def test_any_characters_make_a_passphrase(text: str) -> None:
    made = Passphrase(text)
    assert made.key(LEAST_COST, bytes(16)) == Passphrase(text).key(LEAST_COST, bytes(16))


@pytest.mark.parametrize(
    ("text", "saying"),
    [
        ("", "at least 15"),
        ("x" * 14, "at least 15"),
        ("a\u0308" * 14, "at least 15"),
        ("x" * 1025, "at most 1024"),
        ("\ud800" * 15, "not text"),
    ],
    ids=range(5),
)
def test_what_is_no_passphrase(text: str, saying: str) -> None:
    with pytest.raises(UsageError, match=saying):
        Passphrase(text)


def changed(change: Callable[[dict[str, Any]], object]) -> bytes:
    members = canonical.loads(KEY_FILE[:-1])
    change(members)
    return canonical.dumps(members) + b"\n"


def protected(**parameters: object) -> bytes:
    return changed(lambda members: members["protection"].update(parameters))


VERSION_1 = canonical.dumps(
    {
        "format": "pprl-identity", "party": "north", "private": {"ed25519": "", "ml_dsa_65": "", "x_wing": ""},
        "protection": "none", "public": NORTH.public.model_dump(), "version": 1,
    }
) + b"\n"  # fmt: skip

BAD_KEY_FILES = {
    "empty": (b"", "too long or cut"),
    "no line feed": (KEY_FILE[:-1], "too long or cut"),
    "cut short": (KEY_FILE[:200] + b"\n", "not a party's key file"),
    "two line feeds": (KEY_FILE + b"\n", "not a party's"),
    "too long": (b'"' + b"x" * 40_000 + b'"\n', "too long or cut"),
    "not JSON": (b"-----BEGIN PRIVATE KEY-----\n", "not a party's"),
    "an array": (b"[]\n", "not a party's"),
    "spaces": (KEY_FILE.replace(b'":', b'": '), "not a party's"),
    "another format": (changed(lambda members: members.update(format="age")), "not a party's"),
    "version 1": (VERSION_1, "version 1, which no passphrase protects"),
    "version 3": (changed(lambda members: members.update(version=3)), "another version"),
    "version true": (changed(lambda members: members.update(version=True)), "another version"),
    "more members": (changed(lambda members: members.update(note="mine")), "other members"),
    "no protection": (changed(lambda members: members.pop("protection")), "other members"),
    "no party": (changed(lambda members: members.update(party=None)), "names no party"),
    "bad party": (changed(lambda members: members.update(party="../north")), "names no party"),
    "unprotected": (changed(lambda members: members.update(protection="none")), "can't open"),
    "another method": (protected(method="scrypt"), "can't open"),
    "a parameter more": (protected(pepper=1), "can't open"),
    "little memory": (protected(memory_kib=19_455), "too weakly: memory_kib is below 19456"),
    "one pass": (protected(iterations=1), "too weakly: iterations is below 2"),
    "no lanes": (protected(lanes=0), "too weakly: lanes is below 1"),
    "all memory": (protected(memory_kib=1_048_577), "more than this program gives: memory_kib is above 1048576"),
    "passes without end": (protected(iterations=17), "more than this program gives: iterations is above 16"),
    "lanes without end": (protected(lanes=17), "more than this program gives: lanes is above 16"),
    "memory true": (protected(memory_kib=True), "memory_kib is not a whole number"),
    "memory as text": (protected(memory_kib="65536"), "memory_kib is not a whole number"),
    "short salt": (protected(salt="AAAA"), "not 16 bytes"),
    "salt is no text": (protected(salt=16), "not 16 bytes"),
    "short nonce": (protected(nonce="AAAA"), "not 12 bytes"),
    "nonce with spare bits": (protected(salt="A" * 21 + "B=="), "not 16 bytes"),
    "short private keys": (changed(lambda members: members.update(private="AAAA")), "not 112 bytes"),
    "no private keys": (changed(lambda members: members.update(private=None)), "not 112 bytes"),
    "private keys in parts": (changed(lambda members: members.update(private={})), "not 112 bytes"),
    "no public keys": (changed(lambda members: members.update(public=None)), "not a party's public keys"),
    "a public key missing": (changed(lambda members: members["public"].pop("x_wing")), "not a party's public keys"),
    "a public key more": (changed(lambda members: members["public"].update(rsa="")), "not a party's public keys"),
    "short public key": (
        changed(lambda members: members["public"].update(ed25519="AAAA")),
        "not a party's public keys",
    ),
}  # fmt: skip


@pytest.mark.parametrize(("raw", "saying"), BAD_KEY_FILES.values(), ids=BAD_KEY_FILES.keys())
def test_key_file_refused(raw: bytes, saying: str) -> None:
    with pytest.raises(KeyFileError, match=rf"^north\.key .*{saying}"):
        parse_key_file(raw, where="north.key")


OTHERS = canonical.loads(OTHERS_KEY_FILE[:-1])
FORGED = {
    "another party's name": changed(lambda members: members.update(party="south")),
    "another party's public keys": changed(lambda members: members.update(public=OTHERS["public"])),
    "another party's private keys": changed(lambda members: members.update(private=OTHERS["private"])),
    "another salt": protected(salt=OTHERS["protection"]["salt"]),
    "another nonce": protected(nonce=OTHERS["protection"]["nonce"]),
    "more passes": protected(iterations=3),
    "more lanes": protected(lanes=2),
}


@pytest.mark.parametrize("raw", FORGED.values(), ids=FORGED.keys())
def test_nothing_in_a_key_file_can_be_changed_without_its_passphrase(raw: bytes) -> None:
    with pytest.raises(
        KeyFileError, match=r"does not open north\.key: it is another one, or the file was changed"
    ):
        opened(raw)


def test_public_keys_of_others_are_refused_whoever_wrote_them(monkeypatch: pytest.MonkeyPatch) -> None:
    mixed = identity("north")
    mixed.public = SOUTH.public
    with pytest.raises(KeyFileError, match="do not belong to its private keys"):
        opened(key_file_of(mixed))


def test_a_card_that_is_not_signed_is_refused_whoever_wrote_it() -> None:
    mixed = identity("north")
    mixed.public = mixed.public.model_copy(update={"card_ed25519": SOUTH.public.card_ed25519})
    with pytest.raises(KeyFileError, match="not signed as its card"):
        opened(key_file_of(mixed))


def test_a_hostile_file_costs_nothing_before_it_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(key_file, "Argon2id", None)
    for raw, _ in BAD_KEY_FILES.values():
        with pytest.raises(KeyFileError):
            opened(raw)


def test_passphrases_show_nowhere_and_stay_where_they_are() -> None:
    secret = Passphrase(HINT_CANARY)
    assert [
        each for each in (repr(secret), str(secret), f"{secret}", str([secret])) if "canary" in each
    ] == []
    for attempt in (pickle.dumps, copy.copy, copy.deepcopy):
        with pytest.raises(TypeError, match="can't be pickled or copied"):
            attempt(secret)


def test_a_traceback_with_all_variables_shows_neither_passphrase_nor_key() -> None:
    canaries = ["canary", *(seed.hex() for seed in NORTH._seeds.values()), *map(repr, NORTH._seeds.values())]
    key = Passphrase(HINT_CANARY).key(LEAST_COST, parse_key_file(KEY_FILE, where="").salt)
    mixed = identity("north")
    mixed.public = SOUTH.public
    attempts: tuple[Callable[[], object], ...] = (
        lambda: opened(KEY_FILE, HINT_CANARY),
        lambda: opened(key_file_of(mixed)),
        lambda: Passphrase("canary"),
        lambda: Passphrase("canary" * 200),
    )
    for attempt in attempts:
        with pytest.raises((KeyFileError, UsageError)) as caught:
            attempt()
        error = caught.value
        report = traceback.TracebackException(type(error), error, error.__traceback__, capture_locals=True)
        frames = [
            frame
            for frame in report.stack
            if "key_file.py" in frame.filename and "test_" not in frame.filename
        ]
        shown = "\n".join(f"{frame.name} {frame.locals}" for frame in frames)
        assert frames
        assert "where" in shown or "self" in shown
        assert [each for each in (*canaries, repr(key), key.hex()) if each in shown] == []
