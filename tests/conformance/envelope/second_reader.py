"""A second reader of containers, written from docs/formats/envelope.md and the sources that it names.

It shares no code with the package: HPKE, X-Wing and Cobblestone are put together here from hashes, HMAC,
AES-GCM, ML-KEM and X25519. It opens what the package sealed, so what the document says is what is done. It
does not check what a receiver must check.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.mldsa import MLDSA65PublicKey
from cryptography.hazmat.primitives.asymmetric.mlkem import MLKEM768PrivateKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

X_WING_LABEL = bytes.fromhex("5c2e2f2f5e5c")


def read(raw: bytes, keys: dict[str, dict[str, str]], x_wing_seed: bytes) -> tuple[dict[str, Any], bytes]:
    """Binding and content of a container that both signatures of its sender are on."""
    assert raw[:8] == b"PPRLENV1"
    end = 12 + int.from_bytes(raw[8:12], "big")
    header, ciphertext = json.loads(raw[12:end]), raw[end:]
    payload = base64.b64decode(header["payload"])
    statement = json.loads(payload)
    binding = statement["predicate"]["binding"]
    verify(header, payload, keys[binding["sender"]])
    assert statement["subject"][0]["digest"]["sha256"] == hashlib.sha256(ciphertext).hexdigest()
    bound_to = hashlib.sha256(spelt(binding)).digest()
    wrapped_key = base64.b64decode(statement["predicate"]["wrapped_key"])
    content_key = hpke_open(wrapped_key, x_wing_seed, info=bound_to)
    content = cobblestone_open(ciphertext, content_key, context=bound_to)
    assert len(content) == binding["plaintext_bytes"]
    return binding, content


def spelt(binding: dict[str, Any]) -> bytes:
    members = []
    for name in sorted(binding):
        value = binding[name]
        text = "null" if value is None else str(value) if isinstance(value, int) else f'"{value}"'
        members.append(f'"{name}":{text}')
    return ("{" + ",".join(members) + "}").encode("ascii")


def verify(header: dict[str, Any], payload: bytes, keys: dict[str, str]) -> None:
    kind = b"application/vnd.in-toto+json"
    message = b" ".join([b"DSSEv1", str(len(kind)).encode(), kind, str(len(payload)).encode(), payload])
    ed25519, ml_dsa_65 = (base64.b64decode(each["sig"]) for each in header["signatures"])
    Ed25519PublicKey.from_public_bytes(base64.b64decode(keys["ed25519"])).verify(ed25519, message)
    public_key = MLDSA65PublicKey.from_public_bytes(base64.b64decode(keys["ml_dsa_65"]))
    public_key.verify(ml_dsa_65, message, b"pprl/v1/container")


def x_wing_decapsulate(encapsulated: bytes, seed: bytes) -> bytes:
    expanded = hashlib.shake_256(seed).digest(96)
    ml_kem = MLKEM768PrivateKey.from_seed_bytes(expanded[:64])
    x25519 = X25519PrivateKey.from_private_bytes(expanded[64:])
    theirs = encapsulated[1088:]
    secrets = ml_kem.decapsulate(encapsulated[:1088]) + x25519.exchange(
        X25519PublicKey.from_public_bytes(theirs)
    )
    mine = x25519.public_key().public_bytes_raw()
    return hashlib.sha3_256(secrets + theirs + mine + X_WING_LABEL).digest()


def hpke_open(wrapped_key: bytes, seed: bytes, *, info: bytes) -> bytes:
    suite = b"HPKE" + bytes.fromhex("647a 0001 0002")
    shared_secret = x_wing_decapsulate(wrapped_key[:1120], seed)

    def extract(salt: bytes, label: bytes, secret: bytes) -> bytes:
        return hmac.digest(salt or bytes(32), b"HPKE-v1" + suite + label + secret, "sha256")

    def expand(prk: bytes, label: bytes, about: bytes, length: int) -> bytes:
        labelled = length.to_bytes(2, "big") + b"HPKE-v1" + suite + label + about
        return hkdf_expand(prk, labelled, length, "sha256")

    context = b"\0" + extract(b"", b"psk_id_hash", b"") + extract(b"", b"info_hash", info)
    secret = extract(shared_secret, b"secret", b"")
    key, nonce = expand(secret, b"key", context, 32), expand(secret, b"base_nonce", context, 12)
    return AESGCM(key).decrypt(nonce, wrapped_key[1120:], b"")


def cobblestone_open(ciphertext: bytes, content_key: bytes, *, context: bytes) -> bytes:
    salt, commitment, chunks = ciphertext[:24], ciphertext[24:56], ciphertext[56:]
    info = b"c2sp.org/chunked-encryption@v1+AEAD_AES_256_GCM\0" + salt + context
    derived = hkdf_expand(content_key, info, 32 + 12 + 32, "sha512")
    key, nonce, expected = derived[:32], derived[32:44], derived[44:]
    assert commitment == expected
    aead, content = AESGCM(key), b""
    for number in range(len(chunks) // 16_400 + 1):
        chunk = chunks[number * 16_400 : (number + 1) * 16_400]
        counted = (int.from_bytes(nonce, "big") ^ number).to_bytes(12, "big")
        content += aead.decrypt(counted, chunk, None)
    assert 16 <= len(chunk) < 16_400
    return content


def hkdf_expand(prk: bytes, info: bytes, length: int, digest: str) -> bytes:
    block, output = b"", b""
    for counter in range(1, 256):
        block = hmac.digest(prk, block + info + bytes([counter]), digest)
        output += block
        if len(output) >= length:
            break
    return output[:length]
