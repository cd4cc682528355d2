"""Asking for the shares of the linkage secret again, and finding that a request is a department's own."""

from __future__ import annotations

from datetime import date

from pprl.crypto.exchange import Signatory
from pprl.crypto.statements import claimed, open_statement, sign_statement
from pprl.errors import ConfigError, VerificationError
from pprl.protocol import dsse
from pprl.protocol.agreement import Agreement, PartyKeys
from pprl.protocol.reseal import KIND, ResealRequest
from pprl.protocol.signatures import SignedAgreement

_WHAT = "the request for shares"


def ask(me: Signatory, *, today: date) -> bytes:
    """A department's request that another sends it all shares again.

    Args:
        me: the department that has lost them.
        today: the day.

    Returns:
        A signed statement of kind `reseal-request`.
    """
    request = ResealRequest(me.identity.party, me.agreement.transcript.sha256, today)
    return sign_statement(
        me.identity,
        kind=KIND,
        subject=me.agreement.content.project.id,
        sha256=me.agreement.sha256,
        predicate=request.to_predicate(),
    )


def claimed_agreement(raw: bytes) -> str:
    """The SHA-256 of the agreement that a request says it is about; nothing of it is verified."""
    return dsse.parse_statement(claimed(raw, what=_WHAT).payload, kind=KIND, what=_WHAT).sha256


def verify_request(raw: bytes, agreement: SignedAgreement, *, today: date) -> ResealRequest:
    """Everything that must hold before a request is logged, or answered. The checks, in this order:

    1. it is a statement of this kind, strictly spelt;
    2. the party that it claims to be from is a department of our agreement;
    3. both of that department's keys signed it;
    4. it is about our agreement and our ceremony;
    5. it is not of a day to come.

    **What the caller still owes**: before it answers, that the request stands in the coordinator's log.

    Args:
        raw: the request's bytes.
        agreement: our agreement.
        today: the day.

    Raises:
        FormatError: the bytes are no request.
        VerificationError: it is not trusted.
    """  # noqa: D415 - the list belongs to the sentence
    payload = claimed(raw, what=_WHAT).payload
    unverified = ResealRequest.from_predicate(
        dsse.parse_statement(payload, kind=KIND, what=_WHAT).predicate
    )  # 1
    keys = _keys_of_department(agreement.content, unverified.party)  # 2
    statement = open_statement(raw, kind=KIND, keys=keys, what=_WHAT)  # 3
    request = ResealRequest.from_predicate(statement.predicate)
    about = (statement.subject, statement.sha256, request.transcript)
    if about != (agreement.content.project.id, agreement.sha256, agreement.transcript.sha256):  # 4
        raise VerificationError(
            "The request for shares is about another agreement or ceremony than ours.",
            hint="Check with 'agreement verify' that both sides hold the same agreement and signatures.",
        )
    if request.asked_on > today:  # 5
        raise VerificationError("The request for shares is of a day to come.", hint="Check the clocks.")
    return request


def _keys_of_department(agreement: Agreement, name: str) -> PartyKeys:
    try:
        party = agreement.party_named(name)
    except ConfigError:
        party = None
    if party is None or party.keys is None or "department" not in party.roles:
        raise VerificationError(f"The request for shares is from '{name}', which is no department of ours.")
    return party.keys
