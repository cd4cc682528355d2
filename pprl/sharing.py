"""The ceremony of the linkage secret where it meets a department's files: commit, share, accept, and where it stands.

The rules are `pprl.encode.ceremony`'s, the sealing is `pprl.department`'s. Each step can be killed between any two
writes and run again: a share is on the disk before its commitment is told, a sealed share is kept before it is handed
out, and what is there already is used as it is.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date
from pathlib import Path

from pprl import department
from pprl.crypto import at_rest, derive
from pprl.crypto.exchange import Signatory, require_mine
from pprl.crypto.identity import Identity
from pprl.crypto.notes import open_receipt
from pprl.crypto.reseal import verify_request
from pprl.encode import ceremony, linkage_secret
from pprl.encode.ceremony import listed
from pprl.encode.linkage_secret import LinkageSecret
from pprl.errors import ConfigError, KeyFileError, PprlError, ProtocolError, UsageError, VerificationError
from pprl.files.atomic import read_file, read_secret_file, write_new
from pprl.files.holdings import Holdings
from pprl.protocol import log
from pprl.protocol.agreement import AgreementFile
from pprl.protocol.transcript import MAX_SHARE_CONTAINER_BYTES

SHARE_KIND = "own-share"
SECRET_KIND = "linkage-secret"  # noqa: S105 - the kind of a container, not a secret


def commit(agreement: AgreementFile, identity: Identity, kept: Holdings) -> tuple[str, bool]:
    """Draw this department's share and keep it, with the commitment that its signature of the agreement will carry.

    Args:
        agreement: what the share is for.
        identity: the department.
        kept: its own part of the agreement.

    Returns:
        The commitment, and whether it was made just now.

    Raises:
        ConfigError: the party is not a department.
        KeyFileError: a commitment is there without its share, or with another.
    """
    department_here(agreement, identity)
    new = not kept.commitment.exists()
    if new and not kept.share.exists():
        sealed = at_rest.keep(
            ceremony.draw_share(derive.random_bytes), identity=identity, agreement=agreement, kind=SHARE_KIND
        )
        write_new(kept.made().share, sealed, mode=0o600)
    own = own_share(agreement, identity, kept)
    if own is None:
        raise KeyFileError(
            f"The share that '{identity.party}' has committed to is not in {kept.folder} any more.",
            hint="Restore it from your safe copy. If it is lost: before anybody has your signature, remove "
            f"{kept.commitment} and sign anew; later, 'pprl secret ask', or a new version of the agreement.",
        )
    made = ceremony.commitment(own, agreement_sha256=agreement.sha256, department=identity.party)
    if new:
        write_new(kept.commitment, f"{made}\n".encode(), mode=0o600)
    elif read_secret_file(kept.commitment, what="commitment") != f"{made}\n".encode():
        raise KeyFileError(
            f"{kept.commitment} is not of the share that is kept here.",
            hint="Restore both from one safe copy.",
        )
    return made, new


def share(me: Signatory, kept: Holdings, targets: Mapping[str, Path], *, force: bool) -> None:
    """Seal this department's share to each other department, and hand the containers out.

    Asked again, it hands out the same containers: they are kept as they were sealed first. The caller has made sure
    that the agreement was compared out of band with everybody.

    Args:
        me: the department.
        kept: its own part of the agreement.
        targets: where the container for each other department goes.
        force: whether files that are there may be replaced.

    Raises:
        KeyFileError: the share is not there.
        VerificationError: the share is not the one that this department's signature commits to.
        UsageError: another file is in a container's place.
    """
    own = own_share(me.agreement.file, me.identity, kept)
    if own is None:
        raise KeyFileError(
            f"'{me.identity.party}' has no share of its own in {kept.folder}.",
            hint="Restore it from your safe copy; if it is lost, run 'pprl secret ask'.",
        )
    ceremony.require_committed({me.identity.party: own}, me.agreement.transcript)
    waiting = [party for party in targets if not kept.sent_to(party).exists()]
    sealed = {
        party: read_secret_file(kept.sent_to(party), what="sealed share")
        for party in targets.keys() - waiting
    }
    if not force:
        _require_free(targets, sealed)
    for party in waiting:
        sealed[party] = department.seal_shares(me, party, {me.identity.party: own})
        _keep(kept.sent_to(party), sealed[party])
    for party, path in targets.items():
        if not (path.is_file() and path.read_bytes() == sealed[party]):
            write_new(path, sealed[party], force=force)


@dataclass(frozen=True, slots=True)
class Accepted:
    """Where the ceremony stands after shares were accepted.

    Attributes:
        senders: whose containers were accepted, in the order of the files.
        waiting: the departments whose shares are still missing.
        secret: the linkage secret, if nobody's is.
    """

    senders: tuple[str, ...]
    waiting: tuple[str, ...]
    secret: LinkageSecret | None


def accept(me: Signatory, kept: Holdings, containers: Iterable[tuple[str, bytes]]) -> Accepted:
    """Open shares that others have sealed to this department and keep them; derive the secret if all are there.

    All are verified before any is kept. Any order and any subset will do, and one that is here already changes nothing.

    Args:
        me: the department.
        kept: its own part of the agreement.
        containers: how messages name each file, and its bytes.

    Raises:
        FormatError: a file is no container, or holds no document of shares.
        VerificationError: one is not trusted: another agreement, ceremony, recipient or share than committed to.
    """
    department_here(me.agreement.file, me.identity)
    transcript = me.agreement.transcript
    opened = [(sealed, *_naming(where, sealed, me)) for where, sealed in containers]
    for sealed, sender, shares in opened:
        path = kept.share_from(sender)
        if not path.exists() or len(shares) > len(_kept_shares(me, kept, sender)):
            _keep(path, sealed)
    held = held_shares(me, kept)
    senders = tuple(sender for _, sender, _ in opened)
    waiting = ceremony.missing_from(held, transcript)
    if waiting:
        return Accepted(senders, waiting, None)
    secret = ceremony.derive_secret(held, transcript)
    if not kept.linkage_secret.exists():
        sealed = at_rest.keep(
            linkage_secret.to_file(secret),
            identity=me.identity,
            agreement=me.agreement.file,
            kind=SECRET_KIND,
        )
        write_new(kept.linkage_secret, sealed, mode=0o600)
    require_same(secret, secret_of(me, kept))
    return Accepted(senders, (), secret)


def reseal(
    me: Signatory, kept: Holdings, request: bytes, receipt: bytes, *, today: date
) -> tuple[str, bytes]:
    """Seal every share to a department that has lost the linkage secret. Two offices have a part in it, and it leaves
    a trace: the coordinator has logged the request, and this department answers it. The checks, in this order:

    1. the request is another department's own, about our agreement and ceremony;
    2. the receipt proves an entry of a log of our agreement, that a quorum of witnesses has seen;
    3. that entry tells this very request, of this department;
    4. this department holds every share.

    Args:
        me: the department that answers.
        kept: its own part of the agreement.
        request: the signed request.
        receipt: the receipt of its entry in the coordinator's log.
        today: the day.

    Returns:
        The department that asked, and the container for it.

    Raises:
        FormatError: the request or the receipt is none.
        VerificationError: one of them is not trusted, or they don't go together.
        ProtocolError: this department has not every share itself.
    """  # noqa: D205, D415 - the list belongs to the sentence
    asking = verify_request(request, me.agreement, today=today).party  # 1
    if asking == me.identity.party:
        raise VerificationError("The request is your own.", hint="Another department answers it.")
    entry = open_receipt(receipt, me.agreement.file).entry  # 2
    told = {"party": asking, "request_sha256": hashlib.sha256(request).hexdigest()}
    if entry.kind != "reseal-requested" or dict(entry.detail) != told:  # 3
        raise VerificationError(
            "The receipt is not of this request.",
            hint="Ask the coordinator for the receipt of the entry that logs this very file.",
        )
    held = held_shares(me, kept)
    waiting = ceremony.missing_from(held, me.agreement.transcript)
    if waiting:  # 4
        raise ProtocolError(f"You don't hold the share of {listed(waiting)} yourself.")
    return asking, department.seal_shares(me, asking, held)


def require_confirmed(me: Signatory, kept: Holdings, entries: Iterable[bytes]) -> tuple[str, ...]:
    """Find in a log that every department encoded with this very secret. A department runs it on a verified log.

    Args:
        me: the department.
        kept: its own part of the agreement.
        entries: of the log of the matcher, which receives the encodings.

    Returns:
        The departments, all of them.

    Raises:
        VerificationError: a department has not confirmed the secret, or wrongly.
    """
    received = [entry for entry in map(log.parse, entries) if "confirmation" in entry.detail]
    told = {entry.detail["container"]["sender"]: entry.detail["confirmation"] for entry in received}
    right = ceremony.confirmations_of(secret_of(me, kept), told)
    departments = me.agreement.transcript.departments
    wrong = [name for name in departments if not right.get(name, False)]
    if wrong:
        raise VerificationError(
            f"These departments have not shown that they hold our linkage secret: {', '.join(wrong)}.",
            hint="Don't rely on the run. Ask them for their signatures, and compare 'pprl agreement verify'.",
        )
    return departments


def secret_of(me: Signatory, kept: Holdings) -> LinkageSecret:
    """The linkage secret that this department has derived; `encode` runs this.

    Raises:
        ProtocolError: it has not derived it yet; says whom it waits for.
        KeyFileError: what is kept can't be used.
    """
    if not kept.linkage_secret.exists():
        waiting = ceremony.missing_from(held_shares(me, kept), me.agreement.transcript)
        raise _not_made(waiting)
    where = str(kept.linkage_secret)
    raw = at_rest.take(
        read_secret_file(kept.linkage_secret, what="linkage secret"),
        identity=me.identity,
        agreement=me.agreement.file,
        kind=SECRET_KIND,
        where=where,
    )
    secret = linkage_secret.from_file(raw, where=where, agreement_sha256=me.agreement.sha256)
    if secret.transcript != me.agreement.transcript.sha256:
        raise KeyFileError(
            f"{where} was made in another ceremony than that of the signatures beside the agreement.",
            hint="Find out who has signed anew: 'pprl agreement verify'.",
        )
    return secret


def file_name(sender: str, recipient: str) -> str:
    """What a sealed share is called on its way."""
    return f"share-from-{sender}-for-{recipient}.sealed"


def read_container(path: Path) -> bytes:
    """A file that should be a sealed share."""
    return read_file(path, what="sealed share", limit=MAX_SHARE_CONTAINER_BYTES)


def own_share(agreement: AgreementFile, identity: Identity, kept: Holdings) -> bytes | None:
    """This department's own share; None if it is not there.

    Raises:
        KeyFileError: it is there, and can't be used.
    """
    if not kept.share.exists():
        return None
    raw = read_secret_file(kept.share, what="share")
    return at_rest.take(raw, identity=identity, agreement=agreement, kind=SHARE_KIND, where=str(kept.share))


def held_shares(me: Signatory, kept: Holdings) -> dict[str, bytes]:
    """Every share that this department holds: its own, and those in the containers that it has accepted.

    Raises:
        PprlError: one that is kept here is not what it was when it was accepted.
    """
    transcript = me.agreement.transcript
    held: dict[str, bytes] = {}
    for sender in transcript.departments:
        if sender != me.identity.party and kept.share_from(sender).exists():
            held |= _kept_shares(me, kept, sender)
    own = own_share(me.agreement.file, me.identity, kept)
    if own is not None:
        held[me.identity.party] = own
    ceremony.require_committed(held, transcript)
    return held


def require_same(made: LinkageSecret, kept: LinkageSecret) -> None:
    """Refuse a secret on the disk that is not the one its shares make.

    Raises:
        KeyFileError: they differ.
    """
    if not derive.same(made.value, kept.value):
        raise KeyFileError(
            "The linkage secret that is kept here is not the one that the shares make.",
            hint="Move it away and run 'pprl secret accept' again.",
        )


def _not_made(waiting: tuple[str, ...]) -> ProtocolError:
    if not waiting:
        return ProtocolError(
            "The linkage secret is not made yet.",
            hint="Every share is here: run 'pprl secret accept' once more.",
        )
    return ProtocolError(
        f"The linkage secret is not made yet: waiting for the share of {listed(waiting)}.",
        hint="Run 'pprl secret accept' with each share that comes; 'pprl secret status' says what else is to do.",
    )


def department_here(agreement: AgreementFile, identity: Identity) -> None:
    """Refuse anybody but a department of the agreement with its own keys: nobody else may hold a share.

    Raises:
        ConfigError: the party is not a department.
        VerificationError: the agreement gives it other keys.
    """
    if "department" not in require_mine(agreement.content, identity).roles:
        raise ConfigError(
            f"'{identity.party}' is not a department in this agreement: it may not hold the secret."
        )


def _naming(where: str, sealed: bytes, me: Signatory) -> tuple[str, dict[str, bytes]]:
    """Sender and shares of a container, or a refusal that says which file it is about."""
    try:
        return department.open_shares(me, sealed)
    except PprlError as error:
        if where:
            error.message = f"{where}: {error.message}"
        raise


def _kept_shares(me: Signatory, kept: Holdings, sender: str) -> dict[str, bytes]:
    path = kept.share_from(sender)
    found, shares = _naming(str(path), read_secret_file(path, what="sealed share"), me)
    if found != sender:
        raise VerificationError(f"{path} is from '{found}'.", hint="Remove it, and accept it again.")
    return shares


def _keep(path: Path, sealed: bytes) -> None:
    path.parent.mkdir(mode=0o700, exist_ok=True)
    write_new(path, sealed, mode=0o600, force=True)


def _require_free(targets: Mapping[str, Path], sealed: Mapping[str, bytes]) -> None:
    """Refuse to take another file's place; the very container that belongs there may be there already."""
    for party, path in targets.items():
        if os.path.lexists(path) and not (path.is_file() and path.read_bytes() == sealed.get(party)):
            raise UsageError(
                f"{path} exists already.", hint="Choose another folder, or add --force to replace it."
            )
