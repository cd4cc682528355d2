"""What a witness does: look at a coordinator's log, and sign that it only grew.

A witness signs after it has checked (`pprl.crypto.notes.check_request`), and remembers on disk what it signed before
the signature leaves the house: a log that shows it another history later is found out.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from pprl.crypto import notes
from pprl.crypto.exchange import require_mine
from pprl.crypto.identity import Identity
from pprl.errors import ConfigError
from pprl.files import seen
from pprl.files.seen import Seen
from pprl.protocol import checkpoint as checkpoints
from pprl.protocol import receipt
from pprl.protocol.agreement import AgreementFile
from pprl.protocol.checkpoint import Checkpoint


@dataclass(frozen=True, slots=True)
class Witnessed:
    """A checkpoint that was checked and signed.

    Attributes:
        checkpoint: the log as it is.
        before: the one that this witness signed before; None if none.
        cosignature: the signature lines, for the log's keeper.
    """

    checkpoint: Checkpoint
    before: Checkpoint | None
    cosignature: bytes


def witness(
    raw: bytes, agreement: AgreementFile, identity: Identity, *, memory: Path, now: datetime
) -> Witnessed:
    """Check a request, remember its checkpoint, and sign it. Run by a witness of the agreement.

    Args:
        raw: the request.
        agreement: our agreement.
        identity: the witness's keys.
        memory: where the witness keeps what it has seen.
        now: the time that the signature tells.

    Raises:
        ConfigError: the agreement does not make this party a witness.
        FormatError: it is no request.
        VerificationError: the log is not trusted; nothing is remembered.
        ProtocolError: the request starts elsewhere than this witness stopped.
    """
    party = require_mine(agreement.content, identity)
    if party.id not in agreement.content.log.witnesses:
        raise ConfigError(f"'{party.id}' is not a witness in this agreement.")
    request = receipt.parse_request(raw)
    before: list[Checkpoint | None] = []
    signed: list[Checkpoint] = []

    def look(known: Seen) -> Seen:
        last = _last(known, checkpoints.parse_checkpoint(request.note.text))
        checked = notes.check_request(request, agreement, last=last)
        before.append(last)
        signed.append(checked)
        return known.with_checkpoint(checked.origin, checked.size, checked.root.hex())

    seen.change(memory, look)
    lines = notes.cosign(identity, signed[0], timestamp=int(now.timestamp()))
    return Witnessed(signed[0], before[0], checkpoints.write_signatures(lines))


def _last(memory: Seen, claimed: Checkpoint) -> Checkpoint | None:
    """What this witness signed last of the log that a checkpoint claims to be of."""
    found = memory.checkpoints.get(claimed.origin)
    if found is None:
        return None
    size, root = found
    return Checkpoint(claimed.agreement_sha256, claimed.party, size, bytes.fromhex(root))
