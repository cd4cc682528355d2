"""The end of a run: the run key and every container go, and a certificate says so.

Everything that the store was sent is sealed to the party's run key for the agreement, which lies beside its key file
and not in the store. With that key gone, neither a backup of the store nor the copies of whoever carried the files
open. Log, signed heads, checkpoints, the agreement and its signatures stay, so that the run can still be shown and
verified; and so do the runs' reports, which hold counts.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy.orm import Session

from coordinator.custody import (
    Coordinator,
    gone_by,
    holdings,
    registered,
    signatory,
    signature_files,
    signed_by_all,
)
from coordinator.store import database
from coordinator.store.database import AgreementRow, DestructionRow, PartRow, RelayedRow, RunRow
from coordinator.store.stages import LOGGED_AS, Role, Stage, Step, after
from coordinator.unfinished import clear, left_in
from pprl.crypto import container
from pprl.crypto.certificates import open_certificate, run_key_sha256, sign_certificate
from pprl.errors import FormatError, ProtocolError
from pprl.files.atomic import delete_files, opened, unfinished_in
from pprl.files.holdings import destroy_run_key
from pprl.protocol import agreement as agreements
from pprl.protocol.agreement import AgreementFile
from pprl.protocol.certificate import Certificate
from pprl.protocol.signatures import SignedAgreement

CERTIFICATE_NAME = "certificate"

# Where a role has given everything that it was to give.
_OVER = {Role.MATCHER: Stage.MATCHED, Role.KEY_ISSUER: Stage.RELEASED}


@dataclass(frozen=True, slots=True)
class Destroyed:
    """What was destroyed.

    Attributes:
        agreement_sha256: under which agreement.
        raw: the certificate's file.
        certificate: what it says.
    """

    agreement_sha256: str
    raw: bytes
    certificate: Certificate


def destroy(me: Coordinator, sha256: str | None, *, unreleased: bool = False) -> Destroyed:
    """Destroy what the store holds under an agreement, of all its roles at once: they share one run key.

    In this order, so that wherever it is stopped nothing is claimed that is not so, and asking again ends it:

    1. what is to go is written down, and from then on every other step refuses;
    2. the run key is deleted;
    3. the containers are deleted, those included that a command which was stopped has left, unfinished work among them;
    4. certificate, log entry and stages are written, all at once.

    Asked again afterwards, it gives the same certificate again. The agreement need not be in force.

    Args:
        me: the store.
        sha256: first digits of the agreement's digest; None for the only one.
        unreleased: whether a run that has not given what it was to give may go as well.

    Raises:
        ProtocolError: a run is not over.
        KeyFileError: the run key is not where it should be, or another one: that it is gone can't be certified.
    """
    row = registered(me, sha256)
    agreement = agreements.parse(row.raw, where="The registered agreement")
    signed = signed_by_all(me, agreement, signature_files(me, row))
    _begin(me, row, agreement, unreleased=unreleased)  # 1
    destroy_run_key(holdings(me, agreement), today=me.now().date())  # 2
    _delete_containers(me, row)  # 3
    raw = _certify(me, row, signed)  # 4
    party = me.identity.party
    return Destroyed(
        row.sha256, raw, open_certificate(raw, agreement=signed, party=party, today=me.now().date())
    )


def certificate_of(me: Coordinator, sha256: str) -> bytes | None:
    """The certificate of what was held under an agreement; None if it is not destroyed."""
    with database.reading(me.engine) as session:
        row = database.destruction_of(session, sha256)
        return None if row is None else row.certificate


def _begin(me: Coordinator, row: AgreementRow, agreement: AgreementFile, *, unreleased: bool) -> None:
    with database.writing(me.engine) as session:
        database.lock(session, row.sha256)
        begun = database.destruction_of(session, row.sha256)
        if begun is None:
            _require_over(me, session, row, agreement, unreleased=unreleased)
            _require_run_key(me, row, agreement)
            begun = DestructionRow(agreement_sha256=row.sha256, containers=[])
            session.add(begun)
        if begun.certificate is None:
            unfinished = (digest for digest, _ in left_in(me, row.sha256))
            held = {*_named(session, row.sha256), *_left_behind(me, session, row.sha256), *unfinished}
            found = {*begun.containers, *held}
            begun.containers = sorted(found)


def _require_over(
    me: Coordinator, session: Session, row: AgreementRow, agreement: AgreementFile, *, unreleased: bool
) -> None:
    """Refuse while a role has not given all that it was to give, unless that is meant, or its time is up."""
    today = str(me.now().date())
    for role in me.roles:
        stage = Stage(database.run_of(session, row.sha256, role).stage)
        overdue = any(day < today for day in gone_by(agreement, role, row.registered_at).values())
        if stage is not _OVER[role] and not overdue and not unreleased:
            raise ProtocolError(
                f"The {role}'s run is {stage}: nothing more could come of it.",
                hint="Add --unreleased to destroy it all the same.",
            )


def _require_run_key(me: Coordinator, row: AgreementRow, agreement: AgreementFile) -> None:
    """Find that the run key is here, the very one that was signed with, or that it was destroyed from another store."""
    if not holdings(me, agreement).run_key_destroyed.exists():
        signatory(me, agreement, signature_files(me, row))


def _named(session: Session, sha256: str) -> Iterator[str]:
    """Every container that the database names under an agreement: received, relayed, matched or issued."""
    for part in session.query(PartRow).filter_by(agreement_sha256=sha256):
        yield part.container_sha256
    for share in session.query(RelayedRow).filter_by(agreement_sha256=sha256):
        yield share.container_sha256
    for run in session.query(RunRow).filter_by(agreement_sha256=sha256):
        yield from dict(run.report.get("results", {})).values()
        if "pairs_sha256" in run.report:
            yield run.report["pairs_sha256"]


def _left_behind(me: Coordinator, session: Session, sha256: str) -> Iterator[str]:
    """The containers in the store that no row names, and that are not another agreement's."""
    others = [row.sha256 for row in session.query(AgreementRow) if row.sha256 != sha256]
    elsewhere = {digest for other in others for digest in _named(session, other)}
    for path in (me.folder / "containers").iterdir():
        unknown = re.fullmatch(r"[0-9a-f]{64}", path.name) and path.name not in elsewhere
        if unknown and _agreement_of(path) in {sha256, None}:
            yield path.name


def _agreement_of(path: Path) -> str | None:
    """The agreement that a container claims to be of; None where it can't be read."""
    try:
        with opened(path, what="container") as file:
            return container.peek(file).agreement_sha256
    except FormatError:
        return None


def _delete_containers(me: Coordinator, row: AgreementRow) -> None:
    folder = me.folder / "containers"
    with database.reading(me.engine) as session:
        begun = database.destruction_of(session, row.sha256)
        found = {*(begun.containers if begun else ()), *_left_behind(me, session, row.sha256)}
    unfinished = [path for path in unfinished_in(folder) if _agreement_of(path) in {row.sha256, None}]
    delete_files([*(folder / digest for digest in sorted(found)), *unfinished])
    clear(me, row.sha256)


def _certify(me: Coordinator, row: AgreementRow, signed: SignedAgreement) -> bytes:
    with database.writing(me.engine) as session:
        database.lock(session, row.sha256)
        begun = database.destruction_of(session, row.sha256)
        if begun is None:
            raise FormatError("The coordinator's database has changed while things were destroyed.")
        if begun.certificate is not None:
            return begun.certificate
        now = me.now()
        certificate = Certificate(
            party=me.identity.party,
            roles=tuple(sorted(role.value for role in me.roles)),
            containers=tuple(begun.containers),
            run_key_sha256=run_key_sha256(signed, signed.content.party_named(me.identity.party)),
            destroyed_on=now.date(),
        )
        raw = sign_certificate(me.identity, signed, certificate)
        begun.certificate, begun.destroyed_on = raw, certificate.destroyed_on
        for role in me.roles:
            run = database.run_of(session, row.sha256, role)
            run.stage = after(role, Stage(run.stage), Step.DESTROY).value
        detail = {"certificate_sha256": hashlib.sha256(raw).hexdigest()}
        database.append(session, row.sha256, LOGGED_AS[Step.DESTROY], at=now, detail=detail)
    return raw
