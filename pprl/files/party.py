"""A party, put together from its files: key file, run key, memory, and the agreement that everybody has signed."""

from __future__ import annotations

from datetime import date
from pathlib import Path

from pprl.crypto import signatures
from pprl.crypto.exchange import Signatory, require_mine
from pprl.crypto.identity import Identity
from pprl.files import holdings, seen
from pprl.files.holdings import Holdings
from pprl.protocol.agreement import AgreementFile
from pprl.protocol.signatures import SignedAgreement


def signatory(
    agreement: AgreementFile,
    agreement_path: Path,
    identity: Identity,
    key_path: Path,
    *,
    today: date,
    newest: bool = True,
) -> Signatory:
    """A party at work under an agreement. Remembers its version, and refuses an older one from then on.

    Args:
        agreement: the agreement, parsed.
        agreement_path: where it is; the signatures are beside it.
        identity: the party's identity.
        key_path: where its key file is; its run key and memory are beside it.
        today: the day.
        newest: whether it must be the newest version that was seen; results of an older one may still be opened.

    Raises:
        ProtocolError: signatures are missing.
        VerificationError: a signature is not right, or the agreement is an older version than was seen.
        KeyFileError: there is no run key.
    """
    require_mine(agreement.content, identity)
    signed = signed_agreement(agreement, agreement_path, today=today)
    kept = Holdings.beside(key_path, identity.party, agreement.sha256)
    me = Signatory.take_seat(identity, signed, holdings.run_key_of(kept, identity, agreement))
    if newest:
        memory = seen.path_beside(key_path, identity.party)
        seen.change(memory, lambda before: before.with_agreement(agreement))
    return me


def signed_agreement(agreement: AgreementFile, agreement_path: Path, *, today: date) -> SignedAgreement:
    """An agreement with the signatures in the folder beside it, all verified.

    Raises:
        ProtocolError: some are missing.
        VerificationError: one is not right.
    """
    found = holdings.read_signatures(holdings.signatures_beside(agreement_path))
    return signatures.verify_all(
        agreement, found.signatures, previous=found.previous, successions=found.successions, today=today
    )
