"""Writes vectors.json of docs/formats/secret.md, with SHA-256 and HMAC alone and without the package's own code.

Everything is derived from names by SHA-256, so that each run writes the same file, and a test compares it with the
one that is here. Run after a change of the format: python -m tests.conformance.secret_ceremony.make_vectors
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

TARGET = Path(__file__).with_name("vectors.json")
# Not in the order of their names, of different lengths, one of them another's beginning.
DEPARTMENTS = ("police", "court", "p", "Courts", "z9-_x", "a" * 40)
FORMAT, VERIFICATION = "format", "verification"


def sha256(data: bytes) -> bytes:
    return hashlib.sha256(data).digest()


def json_bytes(tree: Any) -> bytes:
    return json.dumps(tree, sort_keys=True, separators=(",", ":")).encode()


def text(raw: bytes) -> str:
    return base64.b64encode(raw).decode()


def hkdf(secret: bytes, label: bytes, context: bytes, length: int, salt: bytes = bytes(64)) -> bytes:
    """RFC 5869 with SHA-512, for outputs of one block. No salt is 64 zero bytes."""
    extracted = hmac.digest(salt, secret, "sha512")
    return hmac.digest(extracted, label + b"\0" + context + b"\1", "sha512")[:length]


def share_of(department: str, count: int) -> bytes:
    return sha256(f"share of {department} among {count}".encode())


def commitment(agreement: bytes, department: str, share: bytes) -> bytes:
    name = department.encode()
    return sha256(b"pprl/v1/share-commitment\0" + agreement + bytes([len(name)]) + name + share)


def ceremony(count: int) -> dict[str, Any]:
    """Everything that the first so many departments come to."""
    agreement = sha256(f"agreement of {count}".encode())
    shares = {name: share_of(name, count) for name in DEPARTMENTS[:count]}
    commitments = {name: commitment(agreement, name, share).hex() for name, share in shares.items()}
    # Any 1,216 bytes will do: a transcript tells their digests. The office signs too, and has no share.
    run_keys = {
        name: sha256((sha256(f"run key of {name} among {count}".encode()) * 38)[:1_216]).hex()
        for name in (*shares, "office")
    }
    transcript_text = json_bytes(
        {
            "agreement_sha256": agreement.hex(),
            "commitments": commitments,
            "format": "pprl-transcript",
            "run_keys": run_keys,
        }
    )
    transcript = sha256(transcript_text)
    joined = b"".join(shares[name] for name in sorted(shares, key=str.encode))
    secret = hkdf(joined, b"pprl/v1/linkage-secret", agreement, 32, transcript)
    confirming = hkdf(secret, b"pprl/v1/confirmation", agreement, 32)
    return {
        "agreement_sha256": agreement.hex(),
        "shares": {name: text(share) for name, share in shares.items()},
        "commitments": commitments,
        "run_keys": run_keys,
        "transcript_text": transcript_text.decode(),
        "transcript": transcript.hex(),
        "secret": secret.hex(),
        "key_check": hkdf(secret, b"pprl/v1/key-check", agreement, 16).hex(),
        "encoding_keys": {
            scheme: hkdf(secret, f"pprl/v1/{scheme}".encode(), agreement, 32).hex()
            for scheme in ("clk", "field-filters")
        },
        "confirmations": {
            name: hmac.digest(confirming, transcript + name.encode(), "sha256").hex() for name in shares
        },
    }


def documents(of: Mapping[str, Any]) -> Iterator[tuple[str, str, bytes, str]]:
    """Name, 'ok' or class of refusal, bytes, and a word of the message; all from police, the first department."""
    shares: dict[str, str] = of["shares"]
    own = {"police": shares["police"]}
    usual = {"format": "pprl-secret-shares", "shares": own, "transcript": of["transcript"], "version": 1}

    def holding(found: Any) -> bytes:
        return json_bytes({**usual, "shares": found})

    raw = json_bytes(usual)
    yield "own share", "ok", raw, ""
    yield "every share", "ok", holding(shares), ""
    yield "nothing", FORMAT, b"", "JSON"
    yield "a space", FORMAT, raw.replace(b":", b": ", 1), "spelt differently"
    yield "a line feed at its end", FORMAT, raw + b"\n", "spelt differently"
    yield "a name twice", FORMAT, raw.replace(b'"version":1', b'"version":1,"version":1'), "twice"
    yield "an array", FORMAT, b"[]", "not a document of shares"
    yield "a member more", FORMAT, json_bytes({**usual, "agreement": 1}), "not a document of shares"
    for member in usual:
        less = json_bytes({name: value for name, value in usual.items() if name != member})
        yield f"without {member}", FORMAT, less, "not a document of shares"
    yield "another format", FORMAT, json_bytes({**usual, "format": "pprl-transcript"}), "version known"
    for version in (0, 2, True, "1", None):
        yield f"version {version!r}", FORMAT, json_bytes({**usual, "version": version}), "version known"
    for name, found in (("capitals", of["transcript"].upper()), ("a digit less", of["transcript"][1:])):
        yield f"transcript: {name}", FORMAT, json_bytes({**usual, "transcript": found}), "transcript"
    yield "transcript: a number", FORMAT, json_bytes({**usual, "transcript": 7}), "transcript"
    yield (
        "transcript: another",
        VERIFICATION,
        json_bytes({**usual, "transcript": "7" * 64}),
        "another ceremony",
    )
    yield "shares: an array", FORMAT, holding([shares["police"]]), "not an object"
    good = base64.b64decode(shares["police"])
    for name, share in (
        ("of 31 bytes", text(good[:31])),
        ("of 33 bytes", text(good + b"!")),
        ("empty", ""),
        ("without padding", text(good)[:-1]),
        ("with spare bits", spare_bits(text(good))),
        ("with a line feed", text(good) + "~"),
        ("in the other base64", text(b"\xff" * 32).replace("/", "_")),
        ("in hexadecimal", good.hex()),
        ("of null", None),
        ("of numbers", [*good]),
    ):
        yield f"share {name}", FORMAT, holding({"police": share}), "32 bytes"
    nobody, court = {"nobody": text(good)}, {"court": shares["court"]}
    for name, found in (
        ("no share", {}),
        ("another's share alone", court),
        ("a share too few", {name: share for name, share in shares.items() if name != "p"}),
        ("not the sender's", {name: share for name, share in shares.items() if name != "police"}),
        ("a share too many", {**shares, **nobody}),
        ("own share and one of nobody", {**own, **nobody}),
        ("own share under another spelling", {"Police": shares["police"]}),
    ):
        yield name, VERIFICATION, holding(found), "neither its sender's share alone"
    yield "far too long", FORMAT, holding({f"d{place}": text(good) for place in range(200)}), "at most"


def spare_bits(base64_text: str) -> str:
    """The same bytes in another spelling: the last character before the padding has bits that mean nothing."""
    alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
    last = alphabet.index(base64_text[-2])
    return base64_text[:-2] + alphabet[last ^ 1] + "="


def vectors() -> dict[str, Any]:
    ceremonies = [ceremony(count) for count in range(2, 7)]
    return {
        "about": "docs/formats/secret.md: ceremonies, and documents of shares from 'police' in the second of them.",
        "ceremonies": ceremonies,
        "documents": [
            {"name": name, "expect": expect, "base64": text(raw), "word": word}
            for name, expect, raw, word in documents(ceremonies[1])
        ],
    }


def file_bytes() -> bytes:
    return (json.dumps(vectors(), indent=1) + "\n").encode("ascii")


if __name__ == "__main__":
    TARGET.write_bytes(file_bytes())
