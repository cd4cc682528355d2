"""Writes vectors.json again. Sealing is random, so every run gives other containers.

Run by hand, and only for a new version of the format: python -m tests.conformance.envelope.make_vectors.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

from pprl.crypto.x_wing import wrap
from pprl.protocol import canonical
from pprl.protocol.envelope import CHUNK_BYTES, Binding
from tests.unit.crypto.forgery import (
    AGREED_KEYS,
    AGREEMENT,
    DATASETS,
    NORTH,
    OFFICE,
    SOUTH,
    Parts,
    binding,
    identity,
    sealed,
    sealed_with_false_length,
    with_header,
)

CONTENT = b"Reference after reference. " * 4
CHUNKS = bytes(range(256)) * (CHUNK_BYTES // 256)
USUAL = binding(plaintext_bytes=len(CONTENT), records=4)


def plain(content: bytes = CONTENT, **changes: Any) -> bytes:
    bound = replace(USUAL, plaintext_bytes=len(content), **changes)
    return sealed(bound, content=content)


def accepted() -> Iterator[tuple[str, bytes, bytes, dict[str, str]]]:
    """Name, container, content, and what its receiver expects besides the kind."""
    yield "usual", plain(), CONTENT, {"sender": "north", "dataset": "north_register"}
    yield "no content", plain(b"", records=0), b"", {}
    yield "one full chunk, so an empty last one", plain(CHUNKS), CHUNKS, {}
    yield "about no dataset", plain(dataset=""), CONTENT, {"dataset": ""}
    yield "under signatures", plain(transcript="7" * 64), CONTENT, {"transcript": "7" * 64}
    yield "second of a sequence", plain(sequence=2, previous_sha256="5" * 64), CONTENT, {}


def respelt_transcript() -> bytes:
    parts = Parts.of(plain(transcript="a" * 64))
    payload = parts.envelope.payload.replace(b'"transcript":"a', b'"transcript":"A')
    return parts.signed_by(NORTH, NORTH, payload=payload)


def refused() -> Iterator[tuple[str, str, bytes, dict[str, str]]]:
    """Name, class of refusal, container, and what its receiver expects besides the kind."""
    usual = plain()
    yield "another magic", "format", b"PPRLENV2" + usual[8:], {}
    yield "header of no length", "format", usual[:8] + bytes(4), {}
    yield "header longer than the file", "format", usual[:8] + b"\0\0\xff\xff" + usual[12:], {}
    yield "cut short by a byte", "format", usual[:-1], {}
    yield "longer by a byte", "format", usual + b"\0", {}
    yield "space in the header", "format", with_header(usual, lambda raw: b"{ " + raw[1:]), {}
    yield (
        "name twice in the header",
        "format",
        with_header(usual, lambda raw: b'{"payload":"",' + raw[1:]),
        {},
    )
    yield "third signature", "format", signatures(usual, lambda both: [*both, both[1]]), {}
    yield "one signature", "format", signatures(usual, lambda both: both[:1]), {}
    yield "signatures exchanged", "format", signatures(usual, lambda both: both[::-1]), {}
    yield "ML-DSA-65 twice", "format", signatures(usual, twice), {}
    yield "another key id", "format", signatures(usual, lambda both: [{**both[0], "keyid": "x"}, both[1]]), {}
    yield "false length", "format", false_length(), {}
    yield "signed by another party", "verification", Parts.of(usual).signed_by(SOUTH, SOUTH), {}
    yield "Ed25519 by another party", "verification", Parts.of(usual).signed_by(SOUTH, NORTH), {}
    yield "ML-DSA-65 by another party", "verification", Parts.of(usual).signed_by(NORTH, SOUTH), {}
    yield "party without agreed keys", "verification", by_the_auditor(), {}
    yield "another agreement", "verification", plain(agreement_sha256="a" * 64), {}
    yield "another version", "verification", plain(agreement_version=2), {}
    yield "other signatures", "verification", plain(transcript="8" * 64), {"transcript": "7" * 64}
    yield "no signatures", "verification", usual, {"transcript": "7" * 64}
    yield "signatures where none are", "verification", plain(transcript="7" * 64), {}
    yield "transcript in capitals", "format", respelt_transcript(), {"transcript": "a" * 64}
    yield "another kind", "verification", plain(kind="references"), {}
    yield "another sender", "verification", usual, {"sender": "south"}
    yield "another dataset", "verification", usual, {"dataset": "south_register"}
    yield "somebody else's dataset", "verification", plain(dataset="south_register"), {}
    yield "another recipient", "verification", sealed(to_south(), content=CONTENT, recipient=SOUTH.public), {}
    yield "wrapped for another", "verification", sealed(USUAL, content=CONTENT, recipient=SOUTH.public), {}
    yield "wrapped with another binding", "verification", rebound(), {}
    yield "another ciphertext", "verification", usual[:-1] + bytes([usual[-1] ^ 1]), {}
    yield "last chunk altered, signed", "verification", Parts.of(usual).with_ciphertext_of(flipped, NORTH), {}
    yield (
        "key commitment altered, signed",
        "verification",
        Parts.of(usual).with_ciphertext_of(committed, NORTH),
        {},
    )


def signatures(raw: bytes, change: Callable[[list[Any]], list[Any]]) -> bytes:
    def changed(header: bytes) -> bytes:
        tree = json.loads(header)
        tree["signatures"] = change(tree["signatures"])
        return canonical.dumps(tree)

    return with_header(raw, changed)


def twice(both: list[Any]) -> list[Any]:
    return [{"keyid": "ed25519", "sig": both[1]["sig"]}, both[1]]


def flipped(body: bytes) -> bytes:
    return body[:-1] + bytes([body[-1] ^ 1])


def committed(body: bytes) -> bytes:
    return body[:24] + bytes([body[24] ^ 1]) + body[25:]


def false_length() -> bytes:
    bound = replace(USUAL, plaintext_bytes=len(CONTENT) + 1)
    return sealed_with_false_length(bound, CONTENT, NORTH, OFFICE.public)


def by_the_auditor() -> bytes:
    bound = replace(USUAL, sender="auditor", dataset="")
    return sealed(bound, content=CONTENT, sender=identity("auditor"))


def to_south() -> Binding:
    return replace(USUAL, recipient="south")


def rebound() -> bytes:
    parts = Parts.of(plain())
    wrapped_key = wrap(bytes(32), OFFICE.public.x_wing, info=bytes(32))
    parts.statement = replace(parts.statement, wrapped_key=wrapped_key)
    return parts.signed_by(NORTH, NORTH)


def vectors() -> dict[str, Any]:
    """Everything that vectors.json holds."""
    return {
        "about": "Containers of docs/formats/envelope.md. The keys are for these vectors alone.",
        "agreement": {
            "sha256": AGREEMENT.sha256,
            "text": AGREEMENT.raw.decode(),
            "version": 1,
            "keys": {party: keys and keys.model_dump() for party, keys in AGREED_KEYS.items()},
            "datasets": DATASETS,
        },
        "recipient": {
            "party": OFFICE.party,
            "seeds": {algorithm: text(seed) for algorithm, seed in OFFICE._seeds.items()},
        },
        "kind": USUAL.kind,
        "accepted": [
            {"name": name, "expect": expect, "container": text(raw), "content": text(content)}
            for name, raw, content, expect in accepted()
        ],
        "refused": [
            {"name": name, "expect": expect, "container": text(raw), "refusal": refusal}
            for name, refusal, raw, expect in refused()
        ],
    }


def text(raw: bytes) -> str:
    return base64.b64encode(raw).decode("ascii")


if __name__ == "__main__":
    target = Path(__file__).with_name("vectors.json")
    target.write_text(json.dumps(vectors(), indent=1) + "\n", encoding="ascii")
