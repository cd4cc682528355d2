"""Shares of the linkage secret on their way through the coordinator, which verifies whose they are and opens none.

A department may hand its sealed shares to the coordinator instead of each other department. They are sealed to the
other department's run key, so that the coordinator can keep them, withhold them or mix them up, and not read or
replace them: a recipient refuses what does not fit the commitment.
"""

from __future__ import annotations

import hashlib
import io
from collections.abc import Iterable, Iterator
from typing import BinaryIO

from coordinator.custody import Coordinator, keep, kept, named, registered, seat_under
from coordinator.intake import Receipt
from coordinator.store import database
from coordinator.store.database import AgreementRow, RelayedRow
from pprl.crypto import container
from pprl.crypto.derive import same
from pprl.crypto.reseal import claimed_agreement, verify_request
from pprl.errors import ConfigError, FormatError, ProtocolError, VerificationError
from pprl.protocol import envelope, log
from pprl.protocol.agreement import Agreement
from pprl.protocol.envelope import Binding
from pprl.protocol.reseal import KIND as RESEAL_KIND
from pprl.protocol.transcript import MAX_SHARE_CONTAINER_BYTES, SHARE_KIND


def is_share(file: BinaryIO) -> bool:
    """Whether a file claims to be a sealed share."""
    file.seek(0)
    magic = file.read(len(envelope.MAGIC))
    file.seek(0)
    found = magic == envelope.MAGIC and container.peek(file).kind == SHARE_KIND
    file.seek(0)
    return found


def take_in(me: Coordinator, sealed: bytes) -> Receipt:
    """Verify a sealed share as far as that can be done without opening it, and keep it. The checks, in this order:

    1. its agreement is registered here, and the newest of its project;
    2. its head is trusted: signed by its sender, under this agreement and the signatures that are held here, of this
       kind (checks 1 to 9 of `container.open_container`);
    3. it goes from one department to another;
    4. its ciphertext is the one that was signed;
    5. it is the sender's first to that department, or one more for each time that this one has asked for shares.

    It is logged. The same container again changes nothing.

    Raises:
        ProtocolError: 5, so that nobody fills the store or the log.
        FormatError: it is no container, or cut short.
        VerificationError: it is not trusted.
    """  # noqa: D415 - the list belongs to the sentence
    row = _registered(me, container.peek(io.BytesIO(sealed)).agreement_sha256)  # 1
    agreement = seat_under(me, row, needs=()).agreement
    binding, head = container.verify_head(
        io.BytesIO(sealed), agreement=agreement.file, kind=SHARE_KIND, transcript=agreement.transcript.sha256,
        max_bytes=MAX_SHARE_CONTAINER_BYTES,
    )  # fmt: skip  # 2
    _check_departments(binding, agreement.content)  # 3
    _check_ciphertext(sealed, head)  # 4
    digest = hashlib.sha256(sealed).hexdigest()
    with database.writing(me.engine) as session:
        if database.relayed_container(session, digest) is None:
            came = database.relayed_to(session, agreement.sha256, binding.recipient)
            _check_number(binding, came, database.entries_of(session, agreement.sha256))  # 5
            part = named(sealed, agreement.file)
            database.add_relayed(session, binding, keep(me, sealed), at=me.now())
            database.add_head(session, agreement.sha256, part.detail["head_sha256"], part.head)
            database.append(
                session, agreement.sha256, "relayed", at=me.now(), detail={"container": part.detail}
            )
    return Receipt(SHARE_KIND, "", binding.sender, binding.records, digest, agreement.sha256, complete=False)


def log_request(me: Coordinator, raw: bytes) -> Receipt:
    """Log that a department asks for shares that it has lost; another one answers it with the log's receipt alone.

    The same request again changes nothing.

    Raises:
        FormatError: it is no request.
        VerificationError: it is not a department's own, or about another agreement or ceremony.
    """
    row = _registered(me, claimed_agreement(raw))
    agreement = seat_under(me, row, needs=()).agreement
    party = verify_request(raw, agreement, today=me.now().date()).party
    detail = {"party": party, "request_sha256": hashlib.sha256(raw).hexdigest()}
    with database.writing(me.engine) as session:
        earlier = [log.parse(each) for each in database.entries_of(session, agreement.sha256)]
        if not any(each.kind == "reseal-requested" and dict(each.detail) == detail for each in earlier):
            database.append(session, agreement.sha256, "reseal-requested", at=me.now(), detail=detail)
    return Receipt(RESEAL_KIND, "", party, 0, detail["request_sha256"], agreement.sha256, complete=False)


def handed_on(me: Coordinator, agreement_sha256: str | None, recipient: str) -> Iterator[tuple[str, bytes]]:
    """The sealed shares for a department, with the names of their files, in the order in which they came.

    Args:
        me: the store.
        agreement_sha256: first digits of the agreement's digest; None for the only one.
        recipient: the department.

    Raises:
        ConfigError: the agreement has no such party.
    """
    row = registered(me, agreement_sha256)
    seat_under(me, row, needs=()).agreement.content.party_named(recipient)
    with database.reading(me.engine) as session:
        rows = database.relayed_to(session, row.sha256, recipient)
        found = [(each.sender, each.container_sha256) for each in rows]
    seen: dict[str, int] = {}
    for sender, digest in found:
        seen[sender] = seen.get(sender, 0) + 1
        number = "" if seen[sender] == 1 else f"-{seen[sender]}"
        yield f"share-from-{sender}-for-{recipient}{number}.sealed", kept(me, digest)


def _registered(me: Coordinator, agreement_sha256: str) -> AgreementRow:
    with database.reading(me.engine) as session:
        row = session.get(AgreementRow, agreement_sha256)
        if row is None:
            raise VerificationError(
                "The file belongs to an agreement that is not registered here.",
                hint="Compare agreement digests with the sender.",
            )
        database.require_newest(session, row)
        return row


def _check_departments(binding: Binding, agreement: Agreement) -> None:
    ends = (binding.sender, binding.recipient)
    if binding.sender == binding.recipient or not all(_is_department(agreement, each) for each in ends):
        raise VerificationError(
            f"A share goes from one department to another, and not from '{binding.sender}' to "
            f"'{binding.recipient}'."
        )


def _check_number(binding: Binding, relayed: Iterable[RelayedRow], entries: Iterable[bytes]) -> None:
    ends = (binding.sender, binding.recipient)
    came = [each for each in relayed if each.sender == ends[0]]
    asked = [
        each
        for each in map(log.parse, entries)
        if each.kind == "reseal-requested" and each.detail["party"] == ends[1]
    ]
    if len(came) > len(asked):
        raise ProtocolError(
            f"A share from '{ends[0]}' for '{ends[1]}' is here already.",
            hint=f"Give the file to '{ends[1]}' by another way; or it asks for shares: 'pprl secret ask'.",
        )


def _is_department(agreement: Agreement, party: str) -> bool:
    try:
        return "department" in agreement.party_named(party).roles
    except ConfigError:
        return False


def _check_ciphertext(sealed: bytes, head: bytes) -> None:
    signed = envelope.parse_envelope(head[envelope.PREFIX_BYTES :])
    statement = envelope.parse_statement(signed.payload)
    ciphertext = sealed[len(head) :]
    if len(ciphertext) != statement.binding.ciphertext_bytes:
        raise FormatError("The sealed share is cut short or added to.", hint="Fetch it again.")
    if not same(hashlib.sha256(ciphertext).digest(), bytes.fromhex(statement.ciphertext_sha256)):
        raise VerificationError(
            "The ciphertext is not the one that was signed.",
            hint="It was changed on its way: fetch it again.",
        )
