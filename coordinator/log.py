"""The log of a coordinator party: checkpoints, witnesses, receipts, and everything that an auditor takes away.

Entries are written by the steps themselves, in one transaction with what they tell (`store.database.append`). Here
the log is signed and shown. None of it needs an agreement in force: what was done can be shown long after.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from sqlalchemy.orm import Session

from coordinator.custody import Coordinator, registered
from coordinator.store import database
from coordinator.store.database import AgreementRow, CheckpointRow
from coordinator.store.stages import Role
from pprl.crypto import notes
from pprl.crypto.named import verify_named
from pprl.errors import FormatError, ProtocolError, UsageError, VerificationError
from pprl.files.holdings import PREVIOUS_NAME, RECEIPT_ENDING
from pprl.protocol import agreement as agreements
from pprl.protocol import checkpoint as checkpoints
from pprl.protocol import log, merkle, receipt
from pprl.protocol.agreement import AgreementFile
from pprl.protocol.checkpoint import Checkpoint, SignedNote
from pprl.protocol.exported import (
    AGREEMENT_NAME,
    CHECKPOINT_NAME,
    ENTRIES_NAME,
    HEADS_FOLDER,
    ISSUED_RECEIPT_NAME,
    PREVIOUS_FOLDER,
    RISK_ENDING,
    RISK_FOLDER,
)  # fmt: skip
from pprl.protocol.log import Entry, History
from pprl.protocol.receipt import Receipt, WitnessRequest
from pprl.protocol.signatures import SIGNATURE_KIND, SUCCESSION_KIND

REQUEST_ENDING = ".witness-request"

_NO_QUORUM = (
    "Ask the witnesses: 'coordinator log checkpoint' writes their requests, and 'coordinator log cosign' takes in what "
    "they answer."
)


@dataclass(frozen=True, slots=True)
class Log:
    """An agreement's log as the store has it.

    Attributes:
        agreement: the agreement.
        entries: the entries' bytes.
        checkpoints: every checkpoint so far, the shortest first.
    """

    agreement: AgreementFile
    entries: Sequence[bytes]
    checkpoints: Sequence[SignedNote]

    @property
    def leaves(self) -> list[bytes]:
        """The hashes of the entries."""
        return [merkle.leaf_hash(entry) for entry in self.entries]

    def with_quorum(self, *, holding: int = 0) -> SignedNote | None:
        """The shortest checkpoint that holds the entry at a place and that a quorum has signed; None if none is."""
        content = self.agreement.content
        for note in self.checkpoints:
            if holding < checkpoints.parse_checkpoint(note.text).size:
                signed = notes.cosigners(note, content)
                if notes.quorum_reached(signed, content):
                    return note
        return None

    def receipt(self, place: int, note: SignedNote) -> bytes:
        """The proof that an entry is in the log of a checkpoint."""
        size = checkpoints.parse_checkpoint(note.text).size
        proof = merkle.inclusion_proof(self.leaves[:size], place)
        return receipt.write_receipt(Receipt(self.entries[place], place, proof, note))


@dataclass(frozen=True, slots=True)
class Cosigned:
    """A checkpoint that a witness has signed, and how far that brings it.

    Attributes:
        agreement_sha256: the agreement that the log is about.
        size: entries in the checkpoint.
        witnesses: the witnesses that have signed it by now.
        quorum: whether they are enough.
    """

    agreement_sha256: str
    size: int
    witnesses: tuple[str, ...]
    quorum: bool


def checkpoint(
    me: Coordinator, sha256: str | None, *, since: Mapping[str, int] | None = None
) -> dict[str, bytes]:
    """Sign the log as it is now; gives a request for each witness that has not signed that checkpoint yet.

    Asked again before anything else happens, it gives the same checkpoint again.

    Args:
        me: the store.
        sha256: first digits of the agreement's digest; None for the only one.
        since: for witnesses who say that they signed more than has come back, how many entries.

    Returns:
        Requests by witness.

    Raises:
        FormatError: the log is not a continuation of what was signed before: the store is damaged.
        UsageError: `since` names no witness that has yet to sign, or no earlier size of the log.
    """
    row = registered(me, sha256)
    with database.writing(me.engine) as session:
        found = _log(session, row)
        _require_grown(found)
        size = len(found.entries)
        note = _of_size(found, size)
        if note is None:
            signed = Checkpoint(row.sha256, me.identity.party, size, merkle.root(found.leaves))
            note = notes.sign_checkpoint(me.identity, signed)
            raw = checkpoints.write_note(note)
            session.add(CheckpointRow(agreement_sha256=row.sha256, size=size, note=raw))
    done = notes.cosigners(note, found.agreement.content)
    asked = [party for party in found.agreement.content.log.witnesses if party not in done]
    told = since or {}
    _require_earlier(told, asked, size)
    return {party: _request(found, party, note, told.get(party)) for party in asked}


def cosign(me: Coordinator, raw: bytes) -> Cosigned:
    """Take in a witness's answer to a request, whichever of this store's checkpoints it is for.

    Raises:
        FormatError: it is not made of signature lines.
        VerificationError: it is no witness's signature of any of them.
    """
    lines = checkpoints.parse_signatures(raw)
    with database.writing(me.engine) as session:
        for agreement, stored in _stored_checkpoints(session):
            note = checkpoints.parse_note(stored.note)
            signers = _signers(SignedNote(note.text, lines), agreement)
            if signers:
                note = note.with_signatures([line for line in lines if line.name in signers])
                stored.note = checkpoints.write_note(note)
                witnesses = notes.cosigners(note, agreement.content)
                quorum = notes.quorum_reached(witnesses, agreement.content)
                return Cosigned(agreement.sha256, stored.size, witnesses, quorum)
    raise VerificationError(
        "This is no witness's signature of a checkpoint of this store's logs.",
        hint="Check that it answers a request of this store, and that it came whole.",
    )


def _stored_checkpoints(session: Session) -> Iterator[tuple[AgreementFile, CheckpointRow]]:
    """Every checkpoint that this store has signed, the newest first."""
    for row in session.query(AgreementRow).order_by(AgreementRow.version.desc()):
        agreement = agreements.parse(row.raw, where="The registered agreement")
        for stored in reversed(database.checkpoints_of(session, row.sha256)):
            yield agreement, stored


def receipts(me: Coordinator, sha256: str | None) -> dict[str, bytes]:
    """A receipt of every entry that is in a checkpoint with a quorum, by file name.

    Raises:
        ProtocolError: there is no such checkpoint yet.
    """
    found = read(me, sha256)
    note = _newest_with_quorum(found)
    size = checkpoints.parse_checkpoint(note.text).size
    entries = [log.parse(raw) for raw in found.entries[:size]]
    return {_receipt_name(place, entry): found.receipt(place, note) for place, entry in enumerate(entries)}


def receipt_of_issue(me: Coordinator, agreement: AgreementFile) -> bytes:
    """The receipt of the entry that tells what was issued, without which no recipient opens a result.

    Raises:
        ProtocolError: no quorum of witnesses has signed a checkpoint that holds it.
    """
    proof = _receipt_of_issued(read(me, agreement.sha256))
    if proof is None:
        raise ProtocolError(
            "Nothing is released before a quorum of witnesses has signed that it was issued.", hint=_NO_QUORUM
        )
    return proof


def refused(me: Coordinator, agreement: AgreementFile, reason: str) -> None:
    """Log that a release was refused, unless the last entry says the same.

    Args:
        me: the store.
        agreement: whose release.
        reason: in words without a count: who reads an export of the log reads them.
    """
    with database.writing(me.engine) as session:
        last = log.parse(database.entries_of(session, agreement.sha256)[-1])
        if (last.kind, last.detail.get("reason")) != ("refused", reason):
            database.append(
                session, agreement.sha256, "refused", at=me.now(), detail={"reason": reason},
                role=Role.KEY_ISSUER.value,
            )  # fmt: skip


def export(me: Coordinator, sha256: str | None) -> dict[str, bytes]:
    """Everything with which an auditor can verify this party's part of a run, by path in a folder.

    Public keys and digests, signed heads of containers, risk statements and words; nothing that is sealed, and no
    secret.

    Raises:
        ProtocolError: no checkpoint has a quorum yet.
    """
    row = registered(me, sha256)
    with database.reading(me.engine) as session:
        found = _log(session, row)
        heads = database.heads_of(session, row.sha256)
        risks = database.risks_of(session, row.sha256)
        files = dict(_agreement_files(session, row))
    files[ENTRIES_NAME] = b"".join(entry + b"\n" for entry in found.entries)
    files[CHECKPOINT_NAME] = checkpoints.write_note(_newest_with_quorum(found))
    receipt_of_issued = _receipt_of_issued(found)
    if receipt_of_issued is not None:
        files[ISSUED_RECEIPT_NAME] = receipt_of_issued
    files |= {f"{RISK_FOLDER}/{dataset}{RISK_ENDING}": raw for dataset, raw in risks.items()}
    return files | {f"{HEADS_FOLDER}/{digest}": head for digest, head in heads.items()}


def unwitnessed(me: Coordinator, sha256: str | None) -> int:
    """How many entries at the log's end no checkpoint with a quorum holds yet."""
    found = read(me, sha256)
    return len(found.entries) - checkpoints.parse_checkpoint(_newest_with_quorum(found).text).size


def verify(me: Coordinator, sha256: str | None) -> list[str]:
    """Hold a store's log against itself; gives what was found right, a line a check.

    1. Every entry is strictly spelt, and they stand in an order that the protocol allows.
    2. Every role's run stands where the log says.
    3. Every container that an entry names has its head here, signed by its sender, which says the same; and every risk
       statement that one names is here.
    4. Every checkpoint was signed by this party, and the log is a continuation of it.
    5. Every witness's signature under a checkpoint is right.

    Raises:
        FormatError: the store is damaged.
        VerificationError: what it holds does not fit together.
    """
    row = registered(me, sha256)
    with database.reading(me.engine) as session:
        found = _log(session, row)
        heads = database.heads_of(session, row.sha256)
        risks = database.risks_of(session, row.sha256)
        stages = {role.value: database.run_of(session, row.sha256, role).stage for role in me.roles}
    entries = [log.parse(raw) for raw in found.entries]
    _check_order(entries, stages, row.sha256)  # 1, 2
    named = [each for entry in entries for each in entry.containers]
    for detail in named:
        verify_named(detail, heads.get(detail["head_sha256"], b""), found.agreement)  # 3
    _require_risks(entries, risks)  # 3
    _require_grown(found)  # 4
    quorums = [_check_checkpoint(note, found.agreement) for note in found.checkpoints]  # 4, 5
    return [
        f"{len(entries)} entries stand in an order that the protocol allows",
        f"the runs stand where the log says: {', '.join(f'{role} {stage}' for role, stage in stages.items())}",
        f"{len(named)} containers have their heads here, signed by their senders",
        f"{len(quorums)} checkpoints are signed by '{me.identity.party}', and the log continues each of them",
        f"{sum(quorums)} of them are signed by a quorum of witnesses",
    ]


def read(me: Coordinator, sha256: str | None) -> Log:
    """An agreement's log.

    Args:
        me: the store.
        sha256: first digits of the agreement's digest; None for the only one.
    """
    row = registered(me, sha256)
    with database.reading(me.engine) as session:
        return _log(session, row)


def _log(session: Session, row: AgreementRow) -> Log:
    signed = [checkpoints.parse_note(each.note) for each in database.checkpoints_of(session, row.sha256)]
    agreement = agreements.parse(row.raw, where="The registered agreement")
    return Log(agreement, database.entries_of(session, row.sha256), signed)


def _of_size(found: Log, size: int) -> SignedNote | None:
    return next(
        (note for note in found.checkpoints if checkpoints.parse_checkpoint(note.text).size == size), None
    )


def _require_grown(found: Log) -> None:
    """A log never signs what does not continue everything that it signed before."""
    leaves = found.leaves
    for note in found.checkpoints:
        signed = checkpoints.parse_checkpoint(note.text)
        if signed.size > len(leaves) or merkle.root(leaves[: signed.size]) != signed.root:
            raise FormatError(
                "The log in this store is not a continuation of what was signed before.",
                hint="Restore the store from its newest backup.",
            )


def _require_risks(entries: Sequence[Entry], risks: Mapping[str, bytes]) -> None:
    named = {
        entry.detail["container"]["dataset"]: entry.detail["risk_sha256"]
        for entry in entries
        if "risk_sha256" in entry.detail
    }
    if {dataset: hashlib.sha256(raw).hexdigest() for dataset, raw in risks.items()} != named:
        raise FormatError(
            "The risk statements in this store are not those that its log names.",
            hint="Restore the store from its newest backup.",
        )


def _require_earlier(since: Mapping[str, int], asked: Sequence[str], size: int) -> None:
    wrong = [party for party, entries in since.items() if party not in asked or not 0 <= entries < size]
    if wrong:
        raise UsageError(
            f"No witness that has yet to sign, or no earlier size of the log: {', '.join(wrong)}.",
            hint=f"The log has {size} entries; to sign: {', '.join(asked) or 'nobody'}.",
        )


def _request(found: Log, party: str, note: SignedNote, since: int | None) -> bytes:
    sizes = [
        checkpoints.parse_checkpoint(each.text).size
        for each in found.checkpoints
        if party in notes.cosigners(each, found.agreement.content)
    ]
    old_size = max(sizes, default=0) if since is None else since
    proof = merkle.consistency_proof(found.leaves, old_size)
    return receipt.write_request(WitnessRequest(old_size, proof, note))


def _signers(note: SignedNote, agreement: AgreementFile) -> tuple[str, ...]:
    try:
        return notes.cosigners(note, agreement.content)
    except VerificationError:
        return ()


def _newest_with_quorum(found: Log) -> SignedNote:
    content = found.agreement.content
    for note in reversed(found.checkpoints):
        if notes.quorum_reached(notes.cosigners(note, content), content):
            return note
    raise ProtocolError("No quorum of witnesses has signed a checkpoint of this log yet.", hint=_NO_QUORUM)


def _receipt_of_issued(found: Log) -> bytes | None:
    """The receipt of what was issued, in the first checkpoint with a quorum; None before that."""
    places = [place for place, raw in enumerate(found.entries) if log.parse(raw).kind == "issued"]
    note = found.with_quorum(holding=places[0]) if places else None
    return None if note is None else found.receipt(places[0], note)


def _receipt_name(place: int, entry: Entry) -> str:
    about = entry.detail.get("container", {}).get("dataset", "")
    return "-".join(filter(None, (f"{place:04}", entry.kind, about))) + RECEIPT_ENDING


def _agreement_files(session: Session, row: AgreementRow) -> Iterator[tuple[str, bytes]]:
    """The agreement and the versions before it that this store knows, each with its signatures."""
    yield from _with_signatures(session, row, "")
    for earlier in database.versions_of(session, row.project):
        if earlier.version < row.version:
            yield from _with_signatures(session, earlier, f"{PREVIOUS_FOLDER}/{earlier.version}")


def _with_signatures(session: Session, row: AgreementRow, path: str) -> Iterator[tuple[str, bytes]]:
    name = path or AGREEMENT_NAME.removesuffix(".toml")
    yield f"{name}.toml", row.raw
    for kind, ending in ((SIGNATURE_KIND, "signature"), (SUCCESSION_KIND, "succession")):
        for party, raw in database.signatures_of(session, row.sha256, kind).items():
            yield f"{name}.signatures/{party}.{ending}", raw
    if row.previous is not None:
        yield f"{name}.signatures/{PREVIOUS_NAME}", row.previous


def _check_order(entries: Sequence[Entry], stages: Mapping[str, str], sha256: str) -> None:
    history = History(sha256)
    for entry in entries:
        history.take(entry)
    if {role: history.stage_of(role) for role in stages} != stages:
        raise VerificationError("The log tells other stages than the runs of this store have.")


def _check_checkpoint(note: SignedNote, agreement: AgreementFile) -> bool:
    notes.open_checkpoint(note, agreement)
    return notes.quorum_reached(notes.cosigners(note, agreement.content), agreement.content)
