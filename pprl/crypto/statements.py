"""Signing a statement that everybody may read, and reading one: agreement signatures, requests, certificates.

The same envelope and signatures as a container's, over a file that is nothing but the envelope.
"""

from __future__ import annotations

from typing import Any

from pprl.crypto.identity import STATEMENT_CONTEXT, Identity, ed25519_verifies, ml_dsa_65_verifies
from pprl.errors import FormatError, VerificationError
from pprl.protocol import dsse
from pprl.protocol.agreement import PartyKeys
from pprl.protocol.dsse import Envelope, Statement

MAX_STATEMENT_BYTES = 262_144


def sign_statement(
    identity: Identity, *, kind: str, subject: str, sha256: str, predicate: dict[str, Any]
) -> bytes:
    """Sign a claim about a subject with both algorithms. Run by the party that claims it.

    Args:
        identity: who signs.
        kind: what kind of statement it is.
        subject: what the subject is called.
        sha256: the subject's digest, 64 hexadecimal digits.
        predicate: what is claimed, in JSON's types.

    Returns:
        The envelope's bytes.
    """
    payload = dsse.write_statement(Statement(subject, sha256, predicate), kind=kind)
    return dsse.write_envelope(
        Envelope(payload, *identity.sign(dsse.signed_bytes(payload), context=STATEMENT_CONTEXT))
    )


def open_statement(raw: bytes, *, kind: str, keys: PartyKeys, what: str) -> Statement:
    """Verify a statement. The checks, in this order:

    1. it has no more than `MAX_STATEMENT_BYTES` bytes;
    2. it is an envelope with exactly one signature of each algorithm, strictly spelt;
    3. the Ed25519 key signed it;
    4. and so did the ML-DSA-65 key;
    5. what they signed is a statement of this kind, strictly spelt.

    **What the caller still owes**: the rules of the kind's own predicate, and that the subject is the expected one.

    Args:
        raw: the envelope's bytes.
        kind: what kind of statement it must be.
        keys: the signer's public keys, from the agreement.
        what: how a refusal names the document: "the signature of 'north'".

    Raises:
        FormatError: the bytes are no such statement.
        VerificationError: it was not signed by these keys.
    """  # noqa: D415 - the list belongs to the sentence
    signed = claimed(raw, what=what)  # 1, 2
    message = dsse.signed_bytes(signed.payload)
    if not ed25519_verifies(signed.ed25519, message, keys):  # 3
        raise _not_theirs("Ed25519", what)
    if not ml_dsa_65_verifies(signed.ml_dsa_65, message, keys, context=STATEMENT_CONTEXT):  # 4
        raise _not_theirs("ML-DSA-65", what)
    return dsse.parse_statement(signed.payload, kind=kind, what=what)  # 5


def claimed(raw: bytes, *, what: str) -> Envelope:
    """A statement's envelope, none of it verified: to see whose keys to verify it with."""
    if len(raw) > MAX_STATEMENT_BYTES:
        raise FormatError(f"The file of {what} has more than {MAX_STATEMENT_BYTES} bytes.")
    return dsse.parse_envelope(raw, what=what)


def _not_theirs(algorithm: str, what: str) -> VerificationError:
    return VerificationError(
        f"The {algorithm} signature of {what} is not by the key that the agreement gives the signer.",
        hint="Don't use the file. Ask the signer for it again, by another way.",
    )
