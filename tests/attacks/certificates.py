"""Attacks on certificates of destruction: what somebody may put forward as one."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

from pprl.crypto import certificates, statements
from pprl.crypto.identity import Identity
from pprl.crypto.statements import claimed, sign_statement
from pprl.errors import FormatError, VerificationError
from pprl.protocol import canonical, dsse
from pprl.protocol.certificate import CERTIFICATE_KIND, Certificate
from pprl.protocol.signatures import SIGNATURE_KIND
from tests.attacks.registry import Attack, remove
from tests.unit.crypto.forgery import identity
from tests.unit.crypto.signed_agreement import ALL, FIRST, NORTH, OFFICE, TODAY, verified

DAY = TODAY + timedelta(days=365)
AGREEMENT = verified(ALL)
TOLD = Certificate(
    "office",
    ("key-issuer", "matcher"),
    ("1" * 64, "2" * 64),
    certificates.run_key_sha256(AGREEMENT, FIRST.content.party_named("office")),
    DAY,
)


def trusting(raw: bytes, *, kind: str, keys: object, what: str) -> Any:
    """What a certificate claims, with nobody's keys asked."""
    payload = claimed(raw, what=what).payload
    claims = canonical.loads(payload)["predicateType"].split(":")[2]
    return dsse.parse_statement(payload, kind=claims, what=what)


KEYS = remove(certificates, "open_statement", trusting, check=statements.open_statement, number=1)
SUBJECT = remove(certificates, "_check_subject", number=2)
SIGNER = remove(certificates, "_check_signer", number=3)
RUN_KEY = remove(certificates, "_check_run_key", number=4)
DATED = remove(certificates, "_check_day", number=5)


def put(by: Identity = OFFICE, **changes: Any) -> Callable[[], Any]:
    """A certificate with something else in it."""

    def attempt() -> Certificate:
        raw = sign_statement(
            by,
            kind=changes.get("kind", CERTIFICATE_KIND),
            subject=changes.get("subject", FIRST.content.project.id),
            sha256=changes.get("sha256", FIRST.sha256),
            predicate={**TOLD.to_predicate(), **changes.get("predicate", {})},
        )
        return certificates.open_certificate(raw, agreement=AGREEMENT, party="office", today=DAY)

    return attempt


def altered(old: bytes, new: bytes) -> Callable[[], Any]:
    """A certificate that was changed after it was signed."""

    def attempt() -> Certificate:
        raw = certificates.sign_certificate(OFFICE, AGREEMENT, TOLD)
        envelope = dsse.parse_envelope(raw, what="it")
        payload = envelope.payload.replace(old, new)
        assert payload != envelope.payload
        changed = dsse.write_envelope(dsse.Envelope(payload, envelope.ed25519, envelope.ml_dsa_65))
        return certificates.open_certificate(changed, agreement=AGREEMENT, party="office", today=DAY)

    return attempt


ANOTHER_KEY = certificates.run_key_sha256(AGREEMENT, FIRST.content.party_named("north"))
LATER, EARLIER = str(DAY + timedelta(days=1)), str(TODAY - timedelta(days=1))

ATTACKS = (
    Attack("forged", "an outsider certifies a destruction in a party's name",
           put(identity("office", "forged")), VerificationError, "Ed25519", [KEYS]),
    Attack("another signs", "one party certifies what another was to destroy",
           put(NORTH), VerificationError, "Ed25519", [KEYS]),
    Attack("a digest changed", "a container is put among the destroyed ones after the certificate was signed",
           altered(b"2" * 64, b"3" * 64), VerificationError, "Ed25519", [KEYS]),
    Attack("a day changed", "a destruction is made to look earlier than it was",
           altered(str(DAY).encode(), str(TODAY).encode()), VerificationError, "Ed25519", [KEYS]),
    Attack("another kind of statement", "what a party signed for another purpose is put forward as a certificate",
           put(kind=SIGNATURE_KIND), FormatError, "predicateType", [KEYS]),
    Attack("another agreement", "the certificate of one agreement is put forward for another",
           put(sha256="5" * 64), VerificationError, "another agreement", [SUBJECT]),
    Attack("another project", "the certificate of one project is put forward for another",
           put(subject="another"), VerificationError, "another agreement", [SUBJECT]),
    Attack("in another's name", "a party certifies that another has destroyed everything",
           put(predicate={"party": "north"}), VerificationError, "another party", [SIGNER]),
    Attack("another run key", "a party destroys some key, and keeps the one that everything was sealed to",
           put(predicate={"run_key_sha256": ANOTHER_KEY}), VerificationError, "another run key", [RUN_KEY]),
    Attack("of a day to come", "a party certifies now what it means to do later",
           put(predicate={"destroyed_on": LATER}), VerificationError, "to come", [DATED]),
    Attack("of a day before", "a destruction is dated before there was anything to destroy",
           put(predicate={"destroyed_on": EARLIER}), VerificationError, "before its party signed", [DATED]),
)  # fmt: skip
