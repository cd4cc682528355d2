"""Signed statements: a DSSE envelope over an in-toto Statement, with two signatures, strictly spelt.

Containers carry one in front of their ciphertext. Documents that everybody may read (agreement signatures,
certificates) are one, as a file. What is signed is

    {"_type": ..., "predicate": {...}, "predicateType": "urn:pprl-protocol:KIND:v1",
     "subject": [{"digest": {"sha256": ...}, "name": ...}]}

in canonical JSON; docs/formats/envelope.md shows the rest. This module owns the bytes and verifies nothing.

Source: DSSE v1 (protocol and envelope), in-toto Statement v1.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from pprl.errors import FormatError
from pprl.protocol import canonical, members

PAYLOAD_TYPE = "application/vnd.in-toto+json"
STATEMENT_TYPE = "https://in-toto.io/Statement/v1"

ED25519_SIGNATURE_BYTES = 64
ML_DSA_65_SIGNATURE_BYTES = 3_309

# The key ids say which algorithm stands where, and nothing else: they are outside the signatures, so a
# free one would let anybody make a second envelope of the same content, and no key is ever looked up by one.
_KEY_IDS = ("ed25519", "ml-dsa-65")


@dataclass(frozen=True, slots=True)
class Envelope:
    """A signed payload, in the order of the format: Ed25519 first, ML-DSA-65 second, nothing else.

    Attributes:
        payload: the statement's bytes, as signed.
        ed25519: 64 bytes.
        ml_dsa_65: 3,309 bytes.
    """

    payload: bytes
    ed25519: bytes
    ml_dsa_65: bytes

    def __post_init__(self) -> None:
        members.length(self.ed25519, ED25519_SIGNATURE_BYTES, "An Ed25519 signature")
        members.length(self.ml_dsa_65, ML_DSA_65_SIGNATURE_BYTES, "An ML-DSA-65 signature")


@dataclass(frozen=True, slots=True)
class Statement:
    """A claim about one subject.

    Attributes:
        subject: what the subject is called.
        sha256: its digest, 64 hexadecimal digits.
        predicate: what is claimed of it; its members are the kind's affair.
    """

    subject: str
    sha256: str
    predicate: dict[str, Any]


def predicate_type(kind: str) -> str:
    """The name of a kind of statement."""
    return f"urn:pprl-protocol:{kind}:v1"


def signed_bytes(payload: bytes) -> bytes:
    """The bytes that both signatures cover: DSSE's pre-authentication encoding of type and payload.

    Args:
        payload: the statement's bytes.

    Returns:
        The bytes to sign.

    Source: DSSE v1, protocol.md, "PAE".
    """
    kind = PAYLOAD_TYPE.encode("ascii")
    return b"DSSEv1 %d %b %d %b" % (len(kind), kind, len(payload), payload)


def write_statement(statement: Statement, *, kind: str) -> bytes:
    """A statement's bytes, ready to be signed."""
    return canonical.dumps(
        {
            "_type": STATEMENT_TYPE,
            "predicate": statement.predicate,
            "predicateType": predicate_type(kind),
            "subject": [{"digest": {"sha256": statement.sha256}, "name": statement.subject}],
        }
    )


def parse_statement(payload: bytes, *, kind: str, what: str) -> Statement:
    """Read a statement, strictly, but for its predicate. For bytes whose signatures were verified.

    Args:
        payload: the bytes that were signed.
        kind: the kind that it must be.
        what: how a refusal names the document: "a container".

    Raises:
        FormatError: anything but a statement of this kind; no other exception on any bytes.
    """
    tree = canonical.loads(payload, what=f"The statement of {what}")
    names = {"_type", "predicate", "predicateType", "subject"}
    statement = members.an_object(tree, names, f"The statement of {what}")
    members.constant(statement["_type"], STATEMENT_TYPE, f"The _type of {what}")
    members.constant(statement["predicateType"], predicate_type(kind), f"The predicateType of {what}")
    (subject,) = members.an_array(statement["subject"], 1, f"The subject of {what}")
    subject = members.an_object(subject, {"digest", "name"}, f"The subject of {what}")
    digest = members.an_object(subject["digest"], {"sha256"}, f"The digest of {what}")
    sha256 = members.text(digest["sha256"], members.SHA256, f"The sha256 of {what}")
    if not isinstance(subject["name"], str) or not isinstance(statement["predicate"], dict):
        raise FormatError(f"The subject and predicate of {what} must be text and an object.")
    return Statement(subject["name"], sha256, statement["predicate"])


def write_envelope(envelope: Envelope) -> bytes:
    """An envelope's bytes, in canonical JSON."""
    signatures = zip(_KEY_IDS, (envelope.ed25519, envelope.ml_dsa_65), strict=True)
    return canonical.dumps(
        {
            "payload": members.to_base64(envelope.payload),
            "payloadType": PAYLOAD_TYPE,
            "signatures": [{"keyid": keyid, "sig": members.to_base64(sig)} for keyid, sig in signatures],
        }
    )


def parse_envelope(raw: bytes, *, what: str) -> Envelope:
    """Read an envelope, strictly: exactly one signature of each algorithm, in the format's order.

    Args:
        raw: the envelope's bytes. Their size is the caller's to cap.
        what: how a refusal names the document.

    Returns:
        Payload and signatures, none of them verified.

    Raises:
        FormatError: anything else; no other exception on any bytes.
    """
    tree = canonical.loads(raw, what=f"The header of {what}")
    header = members.an_object(tree, {"payload", "payloadType", "signatures"}, f"The header of {what}")
    members.constant(header["payloadType"], PAYLOAD_TYPE, f"The payloadType of {what}")
    payload = members.from_base64(header["payload"], f"The payload of {what}")
    signatures = members.an_array(header["signatures"], len(_KEY_IDS), f"The signatures of {what}")
    ed25519, ml_dsa_65 = (
        _signature(each, keyid, what) for each, keyid in zip(signatures, _KEY_IDS, strict=True)
    )
    return Envelope(payload, ed25519, ml_dsa_65)


def _signature(tree: Any, keyid: str, what: str) -> bytes:
    signature = members.an_object(tree, {"keyid", "sig"}, f"A signature of {what}")
    members.constant(signature["keyid"], keyid, f"The keyid of {what}")
    return members.from_base64(signature["sig"], f"A signature of {what}")
