"""What comes in: each part is verified in full, then kept, or nothing is. A dataset comes once."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import BinaryIO

import numpy as np
from numpy.typing import NDArray
from sqlalchemy.orm import Session

from coordinator.custody import (
    Coordinator,
    keep_verified,
    kept_stream,
    named_as,
    open_part_stream,
    seat_under,
)
from coordinator.project_keys import require_own_keys
from coordinator.store import database
from coordinator.store.database import AgreementRow, PartRow
from coordinator.store.stages import Role, Step
from pprl.crypto import container, risk_statements
from pprl.crypto.container import Opened
from pprl.crypto.exchange import Signatory, open_stream_from, require_as_bound
from pprl.errors import DisclosureError, ProtocolError, VerificationError
from pprl.protocol import pairs, patterns, submission
from pprl.protocol.agreement import AgreementFile
from pprl.protocol.envelope import Binding
from pprl.protocol.framing import Bytes, DatasetHeader
from pprl.protocol.submission import EncodingsHeader

PARTS_OF_ROLE: dict[Role, tuple[str, ...]] = {
    Role.MATCHER: (submission.ENCODINGS_KIND,),
    Role.KEY_ISSUER: (submission.REFERENCES_KIND, pairs.KIND),
}


@dataclass(frozen=True, slots=True)
class Receipt:
    """What was received and verified."""

    kind: str
    dataset: str
    sender: str
    records: int
    container_sha256: str
    agreement_sha256: str
    complete: bool


@dataclass(frozen=True, slots=True)
class Verified:
    """A part that `verify` has passed.

    Attributes:
        agreement: what it is under.
        opened: what its envelope is.
        told: what the log tells of it besides its container.
        sealed: the part itself.
        risk: the risk statement that came in it; empty if none did.
    """

    agreement: AgreementFile
    opened: Opened
    told: Mapping[str, str]
    sealed: BinaryIO
    risk: bytes = b""


def addressed_parts(me: Coordinator, file: BinaryIO) -> Iterator[tuple[str, BinaryIO]]:
    """The containers in a file that are for a role of this store, each with the kind that it must be.

    Args:
        me: the store.
        file: a submission, or the matcher's sealed pairs; it stays open as long as what is given is read.

    Raises:
        FormatError: it begins as a submission and is none.
        ProtocolError: it is no submission, and this store is the matcher's alone.
    """
    if not _is_submission(file):
        if Role.KEY_ISSUER not in me.roles:
            raise ProtocolError("The matcher receives submissions alone; this is something else.")
        yield pairs.KIND, file
        return
    first, second = submission.containers(file)
    for role, kind, (offset, length) in (
        (Role.MATCHER, submission.ENCODINGS_KIND, first),
        (Role.KEY_ISSUER, submission.REFERENCES_KIND, second),
    ):
        if role in me.roles:
            yield kind, container.window(file, offset, length)


def _is_submission(file: BinaryIO) -> bool:
    file.seek(0)
    magic = file.read(len(submission.SUBMISSION_MAGIC))
    file.seek(0)
    return magic == submission.SUBMISSION_MAGIC


def require_whole_submission(file: BinaryIO, agreement: AgreementFile) -> None:
    """Refuse a submission file whose two parts belong to two submissions.

    Whoever carries a file could put the halves of two drafts together, and each role would find its own half right.
    Both heads can be verified without being able to open what is under them.

    Raises:
        VerificationError: the parts are not one submission's, or one is not trusted.
    """
    if not _is_submission(file):
        return
    kinds = (submission.ENCODINGS_KIND, submission.REFERENCES_KIND)
    parts = {
        (binding.sender, binding.dataset, binding.submission, binding.records, binding.transcript)
        for kind, (offset, length) in zip(kinds, submission.containers(file), strict=True)
        for binding, _ in [
            container.verify_head(container.window(file, offset, length), agreement=agreement, kind=kind)
        ]
    }
    if len(parts) > 1:
        raise VerificationError(
            "The two parts of the file belong to different submissions.",
            hint="Ask the department for the file that it made.",
        )


def verify(me: Coordinator, sealed: BinaryIO, kind: str) -> Verified:
    """Everything that must hold before a part is kept: the envelope's checks, then the document's.

    Args:
        me: the store.
        sealed: the container; nothing of it is kept yet.
        kind: what it must be.

    Raises:
        ConfigError: the agreement is not in force.
        DisclosureError: encodings fail a gate of the agreement or come without a risk statement that passes; or what
            the step reads should be gone by now.
        FormatError: the bytes are not as specified.
        ProtocolError: a newer version has replaced the agreement, its destruction was begun, or signatures are missing.
        VerificationError: the sender, the agreement, the secret or the document is not what it must be.
    """
    unverified = container.peek(sealed)
    with database.reading(me.engine) as session:
        row = session.get(AgreementRow, unverified.agreement_sha256)
        if row is None:
            raise VerificationError(
                "The file belongs to an agreement that is not registered here.",
                hint="Compare agreement digests with the sender.",
            )
        database.require_newest(session, row)
    mine = seat_under(me, row, needs=(kind,))
    sender = mine.agreement.content.party_with("matcher").id if kind == pairs.KIND else None
    opened, content = open_stream_from(sealed, me=mine, kind=kind, sender=sender)
    look = {
        pairs.KIND: _look_at_pairs,
        submission.ENCODINGS_KIND: _look_at_encodings,
        submission.REFERENCES_KIND: _look_at_references,
    }[kind]
    told, risk = look(me, mine, content, opened)
    return Verified(mine.agreement.file, opened, told, sealed, risk)


def take_in(me: Coordinator, session: Session, part: Verified) -> Receipt:
    """Keep a part, move its run on, and log it.

    Raises:
        ProtocolError: it is here already, or the run takes no more.
    """
    agreement, binding = part.agreement, part.opened.binding
    role = role_of(binding.kind)
    run = database.run_of(session, agreement.sha256, role)
    _require_first(session, agreement, binding)
    digest = part.opened.container_sha256
    keep_verified(me, part.sealed, digest)
    # The file is somebody else's, and may change at any time: from here on only what is kept is read.
    with kept_stream(me, digest) as file:
        held = named_as(file, digest, agreement)
    session.add(
        PartRow(
            container_sha256=digest,
            agreement_sha256=agreement.sha256,
            kind=binding.kind,
            dataset=binding.dataset,
            sender=binding.sender,
            submission=binding.submission,
            records=binding.records,
            head_sha256=held.detail["head_sha256"],
            received_at=me.now(),
        )
    )
    session.flush()
    complete = _is_complete(session, agreement, role)
    step = Step.RECEIVE_LAST if complete else Step.RECEIVE
    database.add_head(session, agreement.sha256, held.detail["head_sha256"], held.head)
    if part.risk:
        database.add_risk(session, agreement.sha256, binding.dataset, part.risk)
    database.move_on(session, run, step, at=me.now(), detail={"container": held.detail, **part.told})
    return Receipt(
        binding.kind, binding.dataset, binding.sender, binding.records, digest, agreement.sha256, complete
    )


def _require_first(session: Session, agreement: AgreementFile, binding: Binding) -> None:
    """Refuse a second part of one kind and dataset."""
    earlier = database.parts_of(session, agreement.sha256, binding.kind)
    if any(each.dataset == binding.dataset for each in earlier):
        what = "the pairs" if binding.kind == pairs.KIND else f"the {binding.kind} of '{binding.dataset}'"
        raise ProtocolError(
            f"This store has {what} already; a dataset is submitted once.",
            hint="A correction takes a new version of the agreement.",
        )


def _is_complete(session: Session, agreement: AgreementFile, role: Role) -> bool:
    """Whether a role has every part that it needs."""
    here = {
        (each.kind, each.dataset)
        for kind in PARTS_OF_ROLE[role]
        for each in database.parts_of(session, agreement.sha256, kind)
    }
    return here == set(wanted(agreement, role))


def wanted(agreement: AgreementFile, role: Role) -> list[tuple[str, str]]:
    """Kind and dataset of every part that a role must have before it can start."""
    names = [dataset.name for dataset in agreement.content.dataset]
    if role is Role.MATCHER:
        return [(submission.ENCODINGS_KIND, name) for name in names]
    return [*((submission.REFERENCES_KIND, name) for name in names), (pairs.KIND, "")]


def role_of(kind: str) -> Role:
    """The role that receives a kind of part."""
    return next(role for role, kinds in PARTS_OF_ROLE.items() if kind in kinds)


def require_one_secret(key_checks: Mapping[str, str]) -> None:
    """Refuse datasets that were encoded with different linkage secrets: never silently unmatched.

    Args:
        key_checks: by dataset.

    Raises:
        VerificationError: they differ.
    """
    groups: dict[str, list[str]] = {}
    for name, check in key_checks.items():
        groups.setdefault(check, []).append(name)
    if len(groups) > 1:
        told = " / ".join(", ".join(names) for names in groups.values())
        raise VerificationError(
            f"The datasets were encoded with different linkage secrets: {told}.",
            hint="The departments must agree on one secret and encode again, under a new version.",
        )


def require_attacked(header: EncodingsHeader, agreement: AgreementFile) -> bytes:
    """Refuse encodings that their department has not attacked, or in which attackers name too many people.

    1. The risk statement is there, where the agreement limits attackers. (Elsewhere the header has no place for one.)
    2. It is the department's, about this agreement and dataset (the checks of `open_risk_statement`).
    3. It is of the very rows that these encodings commit to, and it passes (the checks of `require_passing`).

    Returns:
        The statement's file; empty where the agreement asks for none.

    Raises:
        DisclosureError: 1 or 3.
        FormatError, VerificationError: 2, or it is of other rows.
    """
    if agreement.content.privacy.risk is None:
        return b""
    raw = submission.risk_in(header)
    if not raw:
        raise DisclosureError(
            f"The encodings of '{header.dataset}' come without the risk statement that the agreement asks for.",
            hint="The department must attack its table first: 'pprl risk --sign'.",
        )  # 1
    stated = risk_statements.open_risk_statement(raw, agreement=agreement, dataset=header.dataset)  # 2
    risk_statements.require_passing(stated, agreement, rows_root=header.rows_root, rows=header.records)  # 3
    return raw


def require_our_ceremony(transcript: str, mine: Signatory) -> None:
    """Refuse encodings under a secret that was made with other commitments than those that we hold signed.

    Raises:
        VerificationError: the transcript is another than ours.
    """
    if transcript != mine.agreement.transcript.sha256:
        raise VerificationError(
            "The linkage secret of these encodings was made in another ceremony than that of our signatures.",
            hint="Compare the signatures with the department's: 'agreement verify' on both sides.",
        )


def _look_at_encodings(
    me: Coordinator, mine: Signatory, content: BinaryIO, opened: Opened
) -> tuple[dict[str, str], bytes]:
    """Check encodings against the agreement and their envelope; gives what the log tells of them, and their risk.

    They are read pass by pass, and nothing of them is kept: what the store keeps is the container.
    """
    agreement, binding = mine.agreement.file, opened.binding
    reader = submission.EncodingsReader(content, agreement, size=binding.plaintext_bytes)
    for _ in reader.passes(wanted=None if reader.header.scheme == "clk" else _none):
        pass
    header = reader.header
    _require_of_the_envelope(header, binding)
    risk = require_attacked(header, agreement)
    _require_the_secret_of_earlier_parts(me, mine, header)
    return _told_of(header, risk), risk


def _told_of(header: EncodingsHeader, risk: bytes) -> dict[str, str]:
    """What the log tells of encodings besides their container."""
    told = {
        "submission": header.submission,
        "key_check": header.key_check,
        "confirmation": header.confirmation,
        "rows_root": header.rows_root,
    }
    return told | ({"risk_sha256": hashlib.sha256(risk).hexdigest()} if risk else {})


def _none(batch: Bytes) -> NDArray[np.bool_]:
    return np.zeros(len(batch), dtype=np.bool_)


def _look_at_references(
    me: Coordinator, mine: Signatory, content: BinaryIO, opened: Opened
) -> tuple[dict[str, str], bytes]:
    agreement = mine.agreement.file
    references = submission.parse_references(content.read(), agreement)
    _require_of_the_envelope(references.header, opened.binding)
    require_own_keys(me, agreement, references)
    return {"submission": opened.binding.submission}, b""


def _look_at_pairs(
    _me: Coordinator, mine: Signatory, content: BinaryIO, opened: Opened
) -> tuple[dict[str, str], bytes]:
    agreement = mine.agreement.file
    parse = pairs.parse if agreement.content.encoding.scheme == "clk" else patterns.parse
    header = parse(content.read(), agreement).header
    require_as_bound(opened.binding, dataset="", records=sum(each.records for each in header.datasets))
    return {"submission": ""}, b""


def _require_of_the_envelope(header: DatasetHeader, binding: Binding) -> None:
    """Refuse a document that names another dataset, submission, size or department than its envelope."""
    require_as_bound(binding, dataset=header.dataset, records=header.records, submission=header.submission)
    if header.party != binding.sender:
        raise VerificationError("The document names another department than its envelope.")


def _require_the_secret_of_earlier_parts(me: Coordinator, mine: Signatory, header: EncodingsHeader) -> None:
    """Encodings under another secret are not kept: they would hold up all the others. One earlier part tells."""
    agreement = mine.agreement.file
    require_our_ceremony(header.transcript, mine)
    checks = {header.dataset: header.key_check}
    with database.reading(me.engine) as session:
        earlier = database.parts_of(session, agreement.sha256, submission.ENCODINGS_KIND)[:1]
    for part in earlier:
        with open_part_stream(me, mine, part) as (opened, content):
            size = opened.binding.plaintext_bytes
            first = submission.EncodingsReader(content, agreement, size=size).header
        checks = {first.dataset: first.key_check} | checks
    require_one_secret(checks)
