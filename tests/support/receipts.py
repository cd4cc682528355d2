"""Receipts of a log with one entry, as a coordinator and its witnesses would sign them."""

from __future__ import annotations

import hashlib
from collections.abc import Callable

from pprl.crypto import notes
from pprl.crypto.identity import Identity
from pprl.protocol import log, merkle, receipt
from pprl.protocol.agreement import AgreementFile
from pprl.protocol.checkpoint import Checkpoint, SignedNote

TIMESTAMP = 1_790_000_000


def logged_request(
    agreement: AgreementFile, identity: Callable[[str], Identity], keeper: str, request: bytes, party: str
) -> bytes:
    """A receipt that a department's request for shares is logged, signed by every witness.

    Args:
        agreement: the agreement.
        identity: gives the keys of a party.
        keeper: the coordinator party whose log it is.
        request: the request's bytes.
        party: whose request the entry says that it is.
    """
    asked = {"party": party, "request_sha256": hashlib.sha256(request).hexdigest()}
    entry = log.Entry(agreement.sha256, "2026-11-22T17:00:00Z", "reseal-requested", "", "", asked).to_bytes()
    checkpoint = Checkpoint(agreement.sha256, keeper, 1, merkle.root([merkle.leaf_hash(entry)]))
    note = notes.sign_checkpoint(identity(keeper), checkpoint)
    cosigned = [
        line
        for witness in agreement.content.log.witnesses
        for line in notes.cosign(identity(witness), checkpoint, timestamp=TIMESTAMP)
    ]
    return receipt.write_receipt(
        receipt.Receipt(entry, 0, (), SignedNote(note.text, (*note.signatures, *cosigned)))
    )
