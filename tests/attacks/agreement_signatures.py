"""Attacks on an agreement's signatures: what somebody may put in the place of one, or of the version before."""

from __future__ import annotations

import base64
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from pprl.crypto import exchange, signatures
from pprl.crypto.exchange import Signatory
from pprl.crypto.identity import Identity
from pprl.crypto.statements import claimed
from pprl.errors import FormatError, ProtocolError, VerificationError
from pprl.protocol import canonical, dsse
from pprl.protocol.agreement import AgreementFile
from pprl.protocol.signatures import SUCCESSION_KIND
from tests.attacks.registry import Attack, cut, remove
from tests.unit.crypto.forgery import identity
from tests.unit.crypto.signed_agreement import (
    ALL,
    FIRST,
    NORTH,
    OFFICE,
    RUN_KEYS,
    SOUTH,
    TODAY,
    agreement,
    second,
    signed,
    signed_second,
    succeeded,
    verified,
)

OTHER = agreement(b"another text\n")
SECOND = second()
# Its X25519 half is a point of small order.
NO_KEY = base64.b64encode(base64.b64decode(RUN_KEYS["spare"].public)[:1184] + bytes(32)).decode()


def trusting(_agreement: object, _party: str, raw: bytes, _kind: str, what: str) -> Any:
    """What a signature claims, with nobody's keys asked."""
    payload = claimed(raw, what=what).payload
    kind = canonical.loads(payload)["predicateType"].split(":")[2]
    return dsse.parse_statement(payload, kind=kind, what=what)


EVERYBODY = remove(signatures, "_check_everybody", number=1)
KEYS = remove(signatures, "_by_keys_of", trusting, number=2)
SUBJECT = remove(signatures, "_check_subject", number=2)
TOLD = remove(signatures, "_check_told", number=2)
RUN_KEY = remove(signatures, "_check_run_keys", number=3)
COMMITMENT = remove(signatures, "_check_commitments", number=4)
PREVIOUS = remove(signatures, "_check_previous", number=5)
SUCCESSION = remove(signatures, "_check_successions", number=6)


def replaced_run_key() -> bytes:
    """Somebody on the way puts in a run key of their own, so that what is sealed to the party is sealed to them."""
    theirs = dsse.parse_envelope(ALL["north"], what="it")
    payload = theirs.payload.replace(RUN_KEYS["north"].public.encode(), RUN_KEYS["spare"].public.encode())
    return dsse.write_envelope(replace(theirs, payload=payload))


def run_key_of_another_signature() -> Any:
    return Signatory.take_seat(NORTH, verified(ALL), RUN_KEYS["spare"])


def keys_that_were_not_agreed() -> Any:
    return Signatory.take_seat(identity("north", "another key file"), verified(ALL), RUN_KEYS["north"])


def put(who: str, raw: Callable[[], bytes]) -> Callable[[], Any]:
    """Something else in the place of somebody's signature."""
    return lambda: verified({**ALL, who: raw()})


def instead(who: str, *, by: Identity | None = None, **changes: Any) -> Callable[[], Any]:
    return put(who, lambda: signed(who, by=by, **changes))


def without(who: str) -> Callable[[], Any]:
    return lambda: verified({party: raw for party, raw in ALL.items() if party != who})


def follows(previous: AgreementFile | None, over: AgreementFile = SECOND) -> Callable[[], Any]:
    agreed = {} if previous is None else succeeded(over)
    return lambda: verified(signed_second(over), over, previous=previous, successions=agreed)


def with_something_beside(**more: Any) -> Callable[[], Any]:
    """A first version, and beside it what no first version has."""
    return lambda: verified(ALL, **more)


def left_behind(who: str, *, by: Identity | None = None) -> Callable[[], Any]:
    def attempt() -> Any:
        agreed = {party: raw for party, raw in succeeded(SECOND).items() if party != who}
        if by is not None:
            agreed[who] = signatures.sign_succession(SECOND, by, today=TODAY)
        return verified(signed_second(SECOND), SECOND, previous=FIRST, successions=agreed)

    return attempt


ATTACKS = (
    Attack("one is missing", "the run begins before a department has signed",
           without("south"), ProtocolError, "not signed yet by: south", [EVERYBODY]),
    Attack("a stranger's", "a party without keys in the agreement is counted among the signatories",
           put("auditor", lambda: signed("north")), VerificationError, "without keys",
           [EVERYBODY, KEYS, TOLD, RUN_KEY, COMMITMENT]),
    Attack("by another's keys", "a department signs in another's name",
           instead("north", by=SOUTH), VerificationError, "Ed25519 signature", [KEYS]),
    Attack("another's whole signature", "a department's signature stands in for another's too",
           put("north", lambda: ALL["south"]), VerificationError, "Ed25519 signature",
           [KEYS, TOLD, RUN_KEY, COMMITMENT]),
    Attack("of another text", "a party's signature of another text is put to this one",
           put("north", lambda: signed("north", OTHER)), VerificationError, "another agreement", [SUBJECT]),
    Attack("of another project", "a party's signature for another project is put to this one",
           instead("north", subject="other"), VerificationError, "another agreement", [SUBJECT]),
    Attack("in another's name", "a party signs that it is another",
           instead("north", party="south"), VerificationError, "another party", [TOLD]),
    Attack("of another version", "a party signs that the agreement is of another version",
           instead("north", version=2), VerificationError, "another party or version", [TOLD]),
    Attack("of a day to come", "a signature is dated ahead",
           instead("north", signed_on="2027-02-01"), VerificationError, "day to come", [TOLD]),
    Attack("another kind of statement", "what a party signed for another purpose is put forward as its signature",
           instead("north", kind=SUCCESSION_KIND), FormatError, "predicateType", [KEYS]),
    Attack("a replaced run key", "whoever carries a signature puts their own run key into it",
           put("north", replaced_run_key), VerificationError, "Ed25519 signature", [KEYS]),
    Attack("a run key of another signature", "a party goes to work with a run key that nobody seals to",
           run_key_of_another_signature, VerificationError, "not the one that 'north' signed with",
           [cut(Signatory, "take_seat", "not the one that")]),
    Attack("keys that were not agreed", "somebody goes to work with other keys than the agreement gives the party",
           keys_that_were_not_agreed, VerificationError, "other public keys than this key file has",
           [cut(exchange, "require_mine", "other public keys than")]),
    Attack("another's run key", "a party signs with another's run key, so that what is for it goes to the other",
           instead("north", run_key=RUN_KEYS["south"].public), VerificationError, "another key's", [RUN_KEY]),
    Attack("an identity's key as run key", "a party uses a key that outlives the run, so that nothing is destroyed",
           instead("north", run_key=OFFICE.public.x_wing), VerificationError, "another key's", [RUN_KEY]),
    Attack("a run key that is none", "a run key to which anybody can open what is sealed",
           instead("north", run_key=NO_KEY), VerificationError, "not a valid public key", [RUN_KEY]),
    Attack("a copied commitment", "a department copies another's commitment, to copy its share later",
           instead("north", commitment="b" * 64), VerificationError, "copied", [COMMITMENT]),
    Attack("a dropped commitment", "a department signs without a commitment, to choose its share last",
           instead("north", commitment=None), VerificationError, "commitment", [COMMITMENT]),
    Attack("a commitment of no department", "the coordinator commits to a share of the linkage secret",
           instead("office", commitment="c" * 64), VerificationError, "commitment", [COMMITMENT]),
    Attack("a version without the one before", "a changed agreement comes without the version that it follows",
           follows(None), ProtocolError, "is needed as well", [PREVIOUS]),
    Attack("after another version", "a changed agreement comes with another predecessor than it names",
           follows(OTHER), VerificationError, "not the one that this agreement follows", [PREVIOUS]),
    Attack("a version left out", "the third version follows the first",
           follows(FIRST, second(version=3)), VerificationError, "not the one that this", [PREVIOUS]),
    Attack("a version of another project", "one project's agreement goes on as another's",
           follows(FIRST, second(project="another")), VerificationError, "not the one that this", [PREVIOUS]),
    Attack("a first version that follows another", "a file that nobody asked for is slipped among the signatures",
           with_something_beside(previous=OTHER), VerificationError, "not the one that this", [PREVIOUS]),
    Attack("a succession that nobody needs", "a file that nobody verifies is slipped among the signatures",
           with_something_beside(successions={"nobody": b"anything"}), VerificationError, "that need none",
           [SUCCESSION]),
    Attack("a party that is dropped", "a party is left out of the next version without its word",
           left_behind("south"), ProtocolError, "'south' was a party of the version before", [SUCCESSION]),
    Attack("a party's keys are swapped", "the next version gives a party other keys; its old ones never agreed",
           left_behind("office"), ProtocolError, "'office' was a party of the version before", [SUCCESSION]),
    Attack("a forged succession", "an outsider agrees to the new keys in a party's name",
           left_behind("south", by=identity("south", "forged")), VerificationError, "Ed25519", [KEYS]),
)  # fmt: skip
