"""A second writer of key files, cards and words, from docs/formats/envelope.md; it shares no code with the package.

`python -m tests.conformance.identity.second_writer` writes vectors.json again, for a new version of the format only.
ML-DSA-65 is randomised, so every run gives other cards.
"""

from __future__ import annotations

import base64
import hashlib
import json
import unicodedata
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import mnemonic
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.mldsa import MLDSA65PrivateKey
from cryptography.hazmat.primitives.asymmetric.mlkem import MLKEM768PrivateKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.argon2 import Argon2id

Members = dict[str, Any]

ALGORITHMS = ("ed25519", "ml_dsa_65", "x_wing")
CHEAP = {"iterations": 2, "lanes": 1, "memory_kib": 19_456}
USUAL = {"iterations": 3, "lanes": 4, "memory_kib": 65_536}
PASSPHRASE = "correct horse b\u00e4ttery staple"


def seeds(party: str) -> dict[str, bytes]:
    return {each: hashlib.sha256(f"vectors only: {party} {each}".encode()).digest() for each in ALGORITHMS}


def spelt(value: Any) -> bytes:
    return json.dumps(value, sort_keys=True, separators=(",", ":")).encode("ascii")


def text(raw: bytes) -> str:
    return base64.b64encode(raw).decode("ascii")


def public(private: dict[str, bytes]) -> dict[str, str]:
    expanded = hashlib.shake_256(private["x_wing"]).digest(96)
    ml_kem = MLKEM768PrivateKey.from_seed_bytes(expanded[:64]).public_key().public_bytes_raw()
    x25519 = X25519PrivateKey.from_private_bytes(expanded[64:]).public_key().public_bytes_raw()
    ed25519 = Ed25519PrivateKey.from_private_bytes(private["ed25519"]).public_key().public_bytes_raw()
    ml_dsa_65 = MLDSA65PrivateKey.from_seed_bytes(private["ml_dsa_65"]).public_key().public_bytes_raw()
    return {"ed25519": text(ed25519), "ml_dsa_65": text(ml_dsa_65), "x_wing": text(ml_kem + x25519)}


def card_message(party: str, keys: dict[str, str]) -> bytes:
    statement = {
        "_type": "https://in-toto.io/Statement/v1",
        "predicate": keys,
        "predicateType": "urn:pprl-protocol:party-card:v1",
        "subject": [{"digest": {"sha256": hashlib.sha256(spelt(keys)).hexdigest()}, "name": party}],
    }
    payload = spelt(statement)
    return b"DSSEv1 28 application/vnd.in-toto+json %d %b" % (len(payload), payload)


def card(party: str, signer: str | None = None, *, context: bytes = b"pprl/v1/statement") -> dict[str, str]:
    keys, private = public(seeds(party)), seeds(signer or party)
    message = card_message(party, keys)
    ed25519 = Ed25519PrivateKey.from_private_bytes(private["ed25519"]).sign(message)
    ml_dsa_65 = MLDSA65PrivateKey.from_seed_bytes(private["ml_dsa_65"]).sign(message, context)
    return {**keys, "card_ed25519": text(ed25519), "card_ml_dsa_65": text(ml_dsa_65)}


def key_file(
    party: str = "north",
    *,
    passphrase: str = PASSPHRASE,
    cost: dict[str, int] = CHEAP,
    private: bytes | None = None,
    keys: dict[str, str] | None = None,
) -> bytes:
    salt, nonce = hashlib.sha256(b"salt").digest()[:16], hashlib.sha256(b"nonce").digest()[:12]
    clear = {
        "format": "pprl-identity",
        "party": party,
        "protection": {**cost, "method": "Argon2id+AES-256-GCM", "nonce": text(nonce), "salt": text(salt)},
        "public": keys or card(party),
        "version": 2,
    }
    stretch = Argon2id(
        salt=salt,
        length=32,
        iterations=cost["iterations"],
        lanes=cost["lanes"],
        memory_cost=cost["memory_kib"],
    )
    key = stretch.derive(unicodedata.normalize("NFC", passphrase).encode("utf-8"))
    sealed = AESGCM(key).encrypt(nonce, private or b"".join(seeds(party).values()), spelt(clear))
    return spelt({**clear, "private": text(sealed)}) + b"\n"


def words(digest: bytes) -> str:
    listed = Path(mnemonic.__file__).with_name("wordlist").joinpath("english.txt").read_text("ascii").split()
    entropy = hashlib.scrypt(digest, salt=b"pprl/v1/words", n=32_768, r=8, p=1, dklen=16, maxmem=2**26)
    number = int.from_bytes(entropy, "big") << 4 | hashlib.sha256(entropy).digest()[0] >> 4
    return " ".join(listed[number >> shift & 2047] for shift in range(121, -1, -11))


def changed(raw: bytes, change: Callable[[Members], object]) -> bytes:
    members: Members = json.loads(raw)
    change(members)
    return spelt(members) + b"\n"


def key_files() -> Iterator[Members]:
    for name, passphrase, cost in (
        ("least cost", PASSPHRASE, CHEAP),
        ("usual cost", PASSPHRASE, USUAL),
        ("passphrase typed in another normal form", unicodedata.normalize("NFD", PASSPHRASE), CHEAP),
        ("passphrase of 15 characters beyond the basic plane", "\U0001f511" * 15, CHEAP),
    ):
        raw = key_file(passphrase=passphrase, cost=cost)
        private = {each: seed.hex() for each, seed in seeds("north").items()}
        yield {
            "name": name,
            "passphrase": passphrase,
            "file": raw.decode(),
            "party": "north",
            "seeds": private,
        }


def refused_key_files() -> Iterator[Members]:
    usual = key_file()
    mixed = {**card("north"), "x_wing": public(seeds("south"))["x_wing"]}
    dearer = {**CHEAP, "memory_kib": 1_048_577}
    for name, raw in (
        ("passphrase of another file", key_file(passphrase="another passphrase")),
        ("another party's name", changed(usual, lambda members: members.update(party="south"))),
        ("another party's public keys", changed(usual, lambda members: members.update(public=card("south")))),
        (
            "another card of the same keys",
            changed(usual, lambda members: members.update(public=card("north"))),
        ),
        ("public keys that are not of the private ones", key_file(keys=card("south"))),
        ("a card of mixed keys", key_file(keys=mixed)),
        ("a card by another", key_file(keys=card("north", "south"))),
        ("salt altered", changed(usual, lambda members: members["protection"].update(salt=text(bytes(16))))),
        ("iterations altered", changed(usual, lambda members: members["protection"].update(iterations=3))),
        ("private keys in another order", key_file(private=b"".join([*seeds("north").values()][::-1]))),
        ("memory below the floor", changed(usual, lambda m: m["protection"].update(memory_kib=19_455))),
        ("iterations below the floor", changed(usual, lambda m: m["protection"].update(iterations=1))),
        ("memory above the ceiling", changed(usual, lambda m: m["protection"].update(dearer))),
        ("another method", changed(usual, lambda m: m["protection"].update(method="scrypt+AES-256-GCM"))),
        ("version 1", changed(usual, lambda members: members.update(version=1))),
        ("version 3", changed(usual, lambda members: members.update(version=3))),
        ("without its line feed", usual[:-1]),
        ("spelt with spaces", json.dumps(json.loads(usual), sort_keys=True).encode() + b"\n"),
        ("a member more", changed(usual, lambda members: members.update(note=""))),
    ):
        yield {"name": name, "passphrase": PASSPHRASE, "file": raw.decode()}


def cards() -> Iterator[Members]:
    for party in ("north", "south"):
        yield {
            "party": party,
            "keys": card(party),
            "fingerprint": words(hashlib.sha256(spelt(public(seeds(party)))).digest()),
        }


def refused_cards() -> Iterator[Members]:
    north, south, by_south = card("north"), card("south"), card("north", "south")
    for name, party, keys in (
        ("given to another party", "south", north),
        ("Ed25519 key of another", "north", {**north, "ed25519": south["ed25519"]}),
        ("ML-DSA-65 key of another", "north", {**north, "ml_dsa_65": south["ml_dsa_65"]}),
        ("X-Wing key of another", "north", {**north, "x_wing": south["x_wing"]}),
        ("signed by another", "north", by_south),
        ("Ed25519 signature by another", "north", {**north, "card_ed25519": by_south["card_ed25519"]}),
        ("ML-DSA-65 signature by another", "north", {**north, "card_ml_dsa_65": by_south["card_ml_dsa_65"]}),
        ("signed as a container", "north", card("north", context=b"pprl/v1/container")),
    ):
        yield {"name": name, "party": party, "keys": keys}


def vectors() -> Members:
    digests = [hashlib.sha256(each).digest() for each in (b"", b"agreement", b"agreement\n")]
    return {
        "about": "Key files, cards and words of docs/formats/envelope.md. The keys are for these vectors alone.",
        "cards": {"accepted": list(cards()), "refused": list(refused_cards())},
        "key_files": {"accepted": list(key_files()), "refused": list(refused_key_files())},
        "words": [{"digest": each.hex(), "words": words(each)} for each in digests],
    }


if __name__ == "__main__":
    target = Path(__file__).with_name("vectors.json")
    target.write_text(json.dumps(vectors(), indent=1) + "\n", encoding="ascii")
