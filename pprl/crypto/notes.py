"""Who signed a checkpoint: the log, and the witnesses whose number makes the agreed quorum.

Each signer adds two lines to a note, Ed25519 and ML-DSA-65 over the same bytes. Both count, or neither: half a
signature is none. Whose keys are tried, only the agreement says; names and key ids in a note say where to look, and
no more. A quorum counts different public keys of the agreement's witnesses.

Source: C2SP signed-note v1, tlog-cosignature v1, tlog-proof v1, tlog-witness; docs/formats/log.md.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

from pprl.crypto.identity import NOTE_CONTEXT, Identity, ed25519_verifies, ml_dsa_65_verifies
from pprl.errors import ProtocolError, VerificationError
from pprl.protocol import checkpoint as checkpoints
from pprl.protocol import log, merkle, receipt
from pprl.protocol.agreement import Agreement, AgreementFile, Party, PartyKeys
from pprl.protocol.checkpoint import COSIGNATURE, ED25519, ML_DSA_65, Checkpoint, NoteSignature, SignedNote
from pprl.protocol.log import Entry

COORDINATOR_ROLES = ("matcher", "key-issuer")


@dataclass(frozen=True, slots=True)
class OpenedReceipt:
    """What a receipt proves, once every check has passed.

    Attributes:
        entry: what happened.
        index: its place in the log.
        checkpoint: the log as the witnesses saw it; it names the party whose log it is.
        witnesses: the witnesses that signed it, in the agreement's order.
    """

    entry: Entry
    index: int
    checkpoint: Checkpoint
    witnesses: tuple[str, ...]


def sign_checkpoint(identity: Identity, checkpoint: Checkpoint) -> SignedNote:
    """Sign a checkpoint as the log. Run by the coordinator party whose log it is.

    **What the caller owes**: that the log only grew since every checkpoint that it signed before.

    Raises:
        ProtocolError: it is of another party's log.
    """
    if checkpoint.party != identity.party:
        raise ProtocolError(f"'{identity.party}' can't sign a checkpoint of the log of '{checkpoint.party}'.")
    ed25519, ml_dsa_65 = identity.sign(checkpoint.text, context=NOTE_CONTEXT)
    ids = _key_ids(identity.party, identity.public, ED25519)
    return SignedNote(checkpoint.text, _lines(identity.party, ids, (ed25519, ml_dsa_65)))


def cosign(identity: Identity, checkpoint: Checkpoint, *, timestamp: int) -> tuple[NoteSignature, ...]:
    """Sign a checkpoint as a witness. Run by a witness, after `check_request`.

    Args:
        identity: the witness's keys.
        checkpoint: what it has checked.
        timestamp: seconds since 1970, by the witness's clock.

    Returns:
        The two signature lines.
    """
    message = checkpoints.cosigned_message(checkpoint.text, timestamp)
    when = timestamp.to_bytes(checkpoints.TIMESTAMP_BYTES, "big")
    ed25519, ml_dsa_65 = identity.sign(message, context=NOTE_CONTEXT)
    ids = _key_ids(identity.party, identity.public, COSIGNATURE)
    return _lines(identity.party, ids, (when + ed25519, when + ml_dsa_65))


def open_checkpoint(note: SignedNote, agreement: AgreementFile) -> Checkpoint:
    """A checkpoint that a log of the agreement has signed. It says nothing yet about what others were shown.

    1. The text is a checkpoint, strictly spelt.
    2. It is of a log about this agreement, kept by a party that holds a coordinator role in it.
    3. That party's Ed25519 key of the agreement signed it.
    4. And so did its ML-DSA-65 key.

    Raises:
        FormatError: it is no checkpoint.
        VerificationError: it is not trusted.
    """
    checkpoint = checkpoints.parse_checkpoint(note.text)  # 1
    party = _keeper(checkpoint, agreement)  # 2
    if not _signed_by_log(note, party):  # 3, 4
        raise VerificationError(
            f"The checkpoint is not signed by '{party.id}' with both of its keys.",
            hint="Ask the party whose log it is for it again.",
        )
    return checkpoint


def cosigners(note: SignedNote, agreement: Agreement) -> tuple[str, ...]:
    """The agreement's witnesses that signed a checkpoint with both keys, in the agreement's order.

    A line of somebody else, or half of a witness's two, is passed over.

    Raises:
        VerificationError: a line bears the name and key id of an agreed key, which did not sign it.
    """
    parties = map(agreement.party_named, agreement.log.witnesses)
    return tuple(party.id for party in parties if _signed_by_witness(note, party))


def quorum_reached(witnesses: Sequence[str], agreement: Agreement) -> bool:
    """Whether enough witnesses signed: their different public keys are counted, of either algorithm.

    Args:
        witnesses: from `cosigners`.
        agreement: whose quorum it is.
    """
    keys = [_keys(agreement.party_named(party)) for party in witnesses]
    least = min(len({each.ed25519 for each in keys}), len({each.ml_dsa_65 for each in keys}))
    return 1 <= agreement.log.quorum <= least


def require_quorum(note: SignedNote, agreement: Agreement) -> tuple[str, ...]:
    """Refuse a checkpoint that fewer witnesses have signed than the agreement asks for.

    Returns:
        The witnesses that signed it.

    Raises:
        VerificationError: there is no quorum.
    """
    signed = cosigners(note, agreement)
    if not quorum_reached(signed, agreement):
        asked = f"{agreement.log.quorum} of {', '.join(agreement.log.witnesses)}"
        raise VerificationError(
            f"The checkpoint lacks a quorum: signed by {', '.join(signed) or 'no witness'}; the agreement asks for "
            f"{asked}.",
            hint="The witnesses sign with 'pprl log witness', and the coordinator takes it in with "
            "'coordinator log cosign'.",
        )
    return signed


def check_request(
    request: receipt.WitnessRequest, agreement: AgreementFile, *, last: Checkpoint | None
) -> Checkpoint:
    """Everything that a witness checks before it signs. Run by the witness.

    1. The checkpoint is signed by a log of the agreement: `open_checkpoint`'s checks.
    2. If it is the very one that this witness signed last, there is nothing to prove.
    3. The log is longer than it was then, and the request starts where this witness stopped.
    4. The proof shows that the log only grew since then.

    **What the caller still owes**: to remember the checkpoint, on disk, before its signature leaves the house.

    Args:
        request: what the log asks.
        agreement: our agreement.
        last: what this witness signed last of this log; None if nothing.

    Returns:
        The checkpoint to sign.

    Raises:
        VerificationError: the log shows another history than it did.
        ProtocolError: the request starts elsewhere.
    """
    checkpoint = open_checkpoint(request.note, agreement)  # 1
    if checkpoint == last:  # 2
        return checkpoint
    old_size, old_root = (last.size, last.root) if last else (0, merkle.EMPTY_ROOT)
    _require_start(request, checkpoint, old_size)  # 3
    try:
        merkle.verify_consistency(old_size, old_root, checkpoint.size, checkpoint.root, request.proof)  # 4
    except VerificationError:
        raise _another_history(checkpoint) from None
    return checkpoint


def open_receipt(raw: bytes, agreement: AgreementFile) -> OpenedReceipt:
    """Everything that must hold before a receipt proves something. Anyone with the agreement can run this.

    1. It is a receipt, strictly spelt, of no more than the possible size.
    2. Its checkpoint is signed by a log of the agreement: `open_checkpoint`'s checks.
    3. A quorum of the agreement's witnesses signed it.
    4. The entry's bytes are in the tree with the signed root, at the place that is told.
    5. The entry is strictly spelt, and about the agreement.

    Raises:
        FormatError: it is no receipt.
        VerificationError: a check refused it.
    """
    found = receipt.parse_receipt(raw)  # 1
    checkpoint = open_checkpoint(found.note, agreement)  # 2
    witnesses = require_quorum(found.note, agreement.content)  # 3
    leaf = merkle.leaf_hash(found.entry)
    merkle.verify_inclusion(leaf, found.index, checkpoint.size, found.proof, checkpoint.root)  # 4
    entry = log.parse(found.entry)  # 5
    if entry.agreement_sha256 != agreement.sha256:
        raise VerificationError("The receipt's entry is about another agreement than its log.")
    return OpenedReceipt(entry, found.index, checkpoint, witnesses)


def require_issued(
    sealed: bytes, raw_receipt: bytes, agreement: AgreementFile, *, recipient: str
) -> OpenedReceipt:
    """Refuse a result that the key issuer has not shown to the witnesses. Run by the recipient before it opens one.

    1. The receipt proves an entry: `open_receipt`'s checks.
    2. It is of the key issuer's log, and tells what was issued.
    3. That entry names this very file, sealed to this recipient.
    4. It tells of no release rule that refuses: such a result has no business to be here.

    Args:
        sealed: the result as it came.
        raw_receipt: the receipt that came with it.
        agreement: our agreement.
        recipient: the id of the party that opens it.

    Raises:
        FormatError: it is no receipt.
        VerificationError: a check refused it.
    """
    opened = open_receipt(raw_receipt, agreement)  # 1
    issuer = agreement.content.party_with("key-issuer").id
    if (opened.checkpoint.party, opened.entry.kind) != (issuer, "issued"):  # 2
        raise VerificationError(
            "The receipt is not one of what the key issuer has issued.",
            hint="Use the receipt that came with the result.",
        )
    sha256 = hashlib.sha256(sealed).hexdigest()
    results = opened.entry.detail["results"].values()
    if not any((each["sha256"], each["recipient"]) == (sha256, recipient) for each in results):  # 3
        raise VerificationError(
            "The receipt is of other results than this one.",
            hint="Use the receipt that came with the result.",
        )
    if opened.entry.detail["refusal"]:  # 4
        raise VerificationError(
            "By the key issuer's own log, a release rule refuses these results.",
            hint="Don't open them. Tell the other parties that they were handed out; 'pprl receipt' shows the rule.",
        )
    return opened


def _another_history(checkpoint: Checkpoint) -> VerificationError:
    return VerificationError(
        f"The log of '{checkpoint.party}' is not a continuation of the one that you signed before.",
        hint="Don't sign it. Keep this file: it bears that party's signature. Tell the other parties.",
    )


def _require_start(request: receipt.WitnessRequest, checkpoint: Checkpoint, old_size: int) -> None:
    if checkpoint.size < old_size:
        raise VerificationError(
            f"The log has {checkpoint.size} entries; you signed it with {old_size} before.",
            hint="It is an old request, or the log was cut: ask for a new one.",
        )
    if checkpoint.size == old_size:
        raise _another_history(checkpoint)
    if request.old_size != old_size:
        raise ProtocolError(
            f"The request starts at {request.old_size} entries; the last checkpoint that you signed has {old_size}.",
            hint="If your last answer was lost, ask for a request that starts there "
            f"('coordinator log checkpoint --since YOU={old_size}'); bring back your 'seen' file if it is lost.",
        )


def _keeper(checkpoint: Checkpoint, agreement: AgreementFile) -> Party:
    if checkpoint.agreement_sha256 != agreement.sha256:
        raise VerificationError(
            "The checkpoint is about another agreement.", hint="Compare agreement digests with the sender."
        )
    for party in agreement.content.party:
        if party.id == checkpoint.party and set(party.roles) & set(COORDINATOR_ROLES):
            return party
    raise VerificationError("The checkpoint is of a log that no coordinator of the agreement keeps.")


def _signed_by_log(note: SignedNote, party: Party) -> bool:
    lines = _found(note, party, ED25519)
    if lines is None:
        return False
    return _both_verify(lines, note.text, party)


def _signed_by_witness(note: SignedNote, party: Party) -> bool:
    lines = _found(note, party, COSIGNATURE)
    if lines is None:
        return False
    stamps = {line[: checkpoints.TIMESTAMP_BYTES] for line in lines}
    if len(stamps) != 1:
        raise _altered(party)
    timestamp = int.from_bytes(stamps.pop(), "big")
    if not 0 < timestamp <= checkpoints.LATEST_TIMESTAMP:
        raise _altered(party)
    message = checkpoints.cosigned_message(note.text, timestamp)
    signatures = [line[checkpoints.TIMESTAMP_BYTES :] for line in lines]
    return _both_verify(signatures, message, party)


def _both_verify(signatures: Sequence[bytes], message: bytes, party: Party) -> bool:
    keys = _keys(party)
    ed25519, ml_dsa_65 = signatures
    if not ed25519_verifies(ed25519, message, keys):
        raise _altered(party)
    if not ml_dsa_65_verifies(ml_dsa_65, message, keys, context=NOTE_CONTEXT):
        raise _altered(party)
    return True


def _found(note: SignedNote, party: Party, ed25519_type: bytes) -> list[bytes] | None:
    """What stands in a party's two lines; None unless it has both."""
    ids = _key_ids(party.id, _keys(party), ed25519_type)
    lines = [note.signature(party.id, each) for each in ids]
    return None if None in lines else [line for line in lines if line is not None]


def _key_ids(name: str, keys: PartyKeys, ed25519_type: bytes) -> tuple[bytes, bytes]:
    return (
        checkpoints.key_id(name, ed25519_type, base64.b64decode(keys.ed25519)),
        checkpoints.key_id(name, ML_DSA_65, base64.b64decode(keys.ml_dsa_65)),
    )


def _lines(name: str, ids: Sequence[bytes], signatures: Sequence[bytes]) -> tuple[NoteSignature, ...]:
    return tuple(NoteSignature(name, each, sig) for each, sig in zip(ids, signatures, strict=True))


def _keys(party: Party) -> PartyKeys:
    if party.keys is None:
        raise VerificationError(f"'{party.id}' has no public keys in the agreement.")
    return party.keys


def _altered(party: Party) -> VerificationError:
    return VerificationError(
        f"A signature of '{party.id}' under the checkpoint does not verify.",
        hint="The note was altered: ask for it again.",
    )
