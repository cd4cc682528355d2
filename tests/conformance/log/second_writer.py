"""A second writer of logs, written from docs/formats/log.md and the sources that it names.

It shares no code with the package: trees, proofs, notes and signatures are put together here from hashes, base64
and the two signature algorithms. What it writes, the package must read.
"""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Sequence
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.mldsa import MLDSA65PrivateKey

CONTEXT = b"pprl/v1/note"
OURS = b"\xffpprl-protocol/ml-dsa-65"


class Signer:
    """A party that signs notes."""

    def __init__(self, name: str, seed: int) -> None:
        self.name = name
        self.ed25519 = Ed25519PrivateKey.from_private_bytes(bytes([seed]) * 32)
        self.ml_dsa_65 = MLDSA65PrivateKey.from_seed_bytes(bytes([seed + 1]) * 32)
        self.x_wing = bytes([seed]) * 1216

    @property
    def keys(self) -> dict[str, str]:
        raw = {
            "ed25519": self.ed25519.public_key().public_bytes_raw(),
            "ml_dsa_65": self.ml_dsa_65.public_key().public_bytes_raw(),
            "x_wing": self.x_wing,
        }
        return {name: base64.b64encode(each).decode() for name, each in raw.items()}

    def as_log(self, text: bytes, *, context: bytes = CONTEXT) -> list[str]:
        ed25519 = self.ed25519.sign(text)
        return self.lines(b"\x01", ed25519, self.ml_dsa_65.sign(text, context))

    def as_witness(
        self, text: bytes, time: int, *, name: str = "", second_time: int | None = None
    ) -> list[str]:
        other = time if second_time is None else second_time
        ed25519 = time.to_bytes(8, "big") + self.ed25519.sign(cosigned(text, time))
        ml_dsa_65 = other.to_bytes(8, "big") + self.ml_dsa_65.sign(cosigned(text, other), CONTEXT)
        return self.lines(b"\x04", ed25519, ml_dsa_65, name=name)

    def lines(self, kind: bytes, ed25519: bytes, ml_dsa_65: bytes, *, name: str = "") -> list[str]:
        keys = {each: base64.b64decode(key) for each, key in self.keys.items()}
        return [
            line(name or self.name, kind, keys["ed25519"], ed25519),
            line(name or self.name, OURS, keys["ml_dsa_65"], ml_dsa_65),
        ]


def cosigned(text: bytes, time: int) -> bytes:
    return f"cosignature/v1\ntime {time}\n".encode() + text


def line(name: str, kind: bytes, key: bytes, signature: bytes) -> str:
    key_id = hashlib.sha256(name.encode() + b"\n" + kind + key).digest()[:4]
    return f"— {name} {base64.b64encode(key_id + signature).decode()}\n"


def text(agreement_sha256: str, party: str, size: int, root: bytes) -> bytes:
    root_line = base64.b64encode(root).decode()
    return f"pprl-protocol/{agreement_sha256}/{party}\n{size}\n{root_line}\n".encode()


def note(text: bytes, *lines: str) -> str:
    return text.decode() + "\n" + "".join(lines)


def entry(
    agreement_sha256: str, at: str, kind: str, detail: dict[str, Any], role: str = "", stage: str = ""
) -> str:
    members = {
        "agreement_sha256": agreement_sha256, "at": at, "detail": detail, "format": "pprl-log-entry",
        "kind": kind, "role": role, "stage": stage, "version": 1,
    }  # fmt: skip
    return json.dumps(members, sort_keys=True, separators=(",", ":"))


def leaves(entries: Sequence[str]) -> list[bytes]:
    return [hashlib.sha256(b"\0" + each.encode()).digest() for each in entries]


def root(hashes: Sequence[bytes]) -> bytes:
    if len(hashes) < 2:
        return hashes[0] if hashes else hashlib.sha256(b"").digest()
    k = half(len(hashes))
    return hashlib.sha256(b"\1" + root(hashes[:k]) + root(hashes[k:])).digest()


def path(m: int, hashes: Sequence[bytes]) -> list[bytes]:
    if len(hashes) == 1:
        return []
    k = half(len(hashes))
    return [*path(m, hashes[:k]), root(hashes[k:])] if m < k else [*path(m - k, hashes[k:]), root(hashes[:k])]


def grown(m: int, hashes: Sequence[bytes], *, whole: bool = True) -> list[bytes]:
    if m == len(hashes):
        return [] if whole else [root(hashes)]
    k = half(len(hashes))
    if m <= k:
        return [*grown(m, hashes[:k], whole=whole), root(hashes[k:])]
    return [*grown(m - k, hashes[k:], whole=False), root(hashes[:k])]


def half(size: int) -> int:
    k = 1
    while 2 * k < size:
        k *= 2
    return k


def receipt(entry: str, index: int, proof: Sequence[bytes], signed: str) -> str:
    extra = base64.b64encode(entry.encode()).decode()
    head = ["c2sp.org/tlog-proof@v1", f"extra {extra}", f"index {index}", *hashes(proof), "", ""]
    return "\n".join(head) + signed


def request(old: int, proof: Sequence[bytes], signed: str) -> str:
    return "\n".join([f"old {old}", *hashes(proof), "", ""]) + signed


def hashes(proof: Sequence[bytes]) -> list[str]:
    return [base64.b64encode(each).decode() for each in proof]
