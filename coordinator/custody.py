"""An opened store: whose it is, what it keeps sealed, for which agreements, and until when.

Containers lie in files named by their SHA-256, sealed as they came, and are opened in memory, piece by piece where they
are large, by the step that needs them. What is damaged or overdue is not used.
"""

from __future__ import annotations

import hashlib
import io
import os
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, BinaryIO

from sqlalchemy import Engine

from coordinator.store import database
from coordinator.store.database import AgreementRow, PartRow, StoreRow
from coordinator.store.stages import Role, Step
from pprl.crypto import container, signatures
from pprl.crypto.container import Opened
from pprl.crypto.exchange import Signatory, open_stream_from, require_in_force, require_mine
from pprl.crypto.identity import Identity
from pprl.errors import DisclosureError, FormatError, ProtocolError, UsageError, VerificationError
from pprl.files.atomic import require_apart, write_named_by_content
from pprl.files.holdings import Holdings, SignatureFiles, run_key_of
from pprl.files.identity import AskPassphrase, read_identity
from pprl.protocol import agreement as agreements
from pprl.protocol import log
from pprl.protocol.agreement import AgreementFile
from pprl.protocol.framing import Bytes
from pprl.protocol.signatures import SIGNATURE_KIND, SUCCESSION_KIND, SignedAgreement
from pprl.protocol.submission import EncodingsReader, Wanted

_STEP_BYTES = 1_048_576


@dataclass(frozen=True, slots=True)
class Coordinator:
    """An opened store: where it is, whose it is, which roles it holds, and the time.

    Attributes:
        folder: the store's folder.
        engine: its database.
        identity: the party's keys.
        key_file: where they are kept; run keys are beside it, and never in the store.
        roles: the roles that it holds.
        now: tells the time.
    """

    folder: Path
    engine: Engine
    identity: Identity
    key_file: Path
    roles: tuple[Role, ...]
    now: Callable[[], datetime]


def utc_now() -> datetime:
    """The time, for commands."""
    return datetime.now(UTC)


def initialise(folder: Path, *, key_file: Path, passphrase: AskPassphrase, roles: tuple[Role, ...]) -> str:
    """Make a store for a party that holds one coordinator role or both.

    Args:
        folder: the store's folder.
        key_file: the party's key file; its place is remembered, its passphrase is not.
        passphrase: asked for the key file's passphrase.
        roles: the roles that the store is for.

    Returns:
        The party's id.

    Raises:
        UsageError: the key file is inside the store's folder.
        ProtocolError: there is a store already, or anything else that is not an empty folder of this user's.
    """
    if key_file.resolve().is_relative_to(folder.resolve()):
        raise UsageError(
            f"The key file {key_file} is in the store's folder: a backup of the store would hold the keys to it.",
            hint="Keep keys outside the store, and the run key out of every backup: 'coordinator destroy' rests on it.",
        )
    identity = read_identity(key_file, passphrase)
    _take_empty_folder(folder)
    (folder / "containers").mkdir(mode=0o700)
    database.create(folder, party=identity.party, roles=roles, key_file=key_file.absolute()).dispose()
    return identity.party


def _take_empty_folder(folder: Path) -> None:
    """Make a folder that its owner alone may enter, or take an empty one; nothing that others have prepared."""
    if (folder / database.DATABASE_NAME).exists():
        raise ProtocolError(
            f"There is a coordinator store in {folder} already.", hint="Use it, or another folder."
        )
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        # Held open, so that what is checked is what is taken, and a symbolic link is not followed.
        opened = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
    except OSError:
        raise _not_an_empty_folder(folder) from None
    try:
        if os.fstat(opened).st_uid != os.geteuid() or os.listdir(opened):  # noqa: PTH208 - a path can't hold a descriptor
            raise _not_an_empty_folder(folder)
        os.fchmod(opened, 0o700)
    finally:
        os.close(opened)


def _not_an_empty_folder(folder: Path) -> ProtocolError:
    return ProtocolError(
        f"{folder} is not an empty folder of your own.", hint="Name a folder that does not exist yet."
    )


def open_store(
    folder: Path, passphrase: AskPassphrase, *, now: Callable[[], datetime] = utc_now
) -> Coordinator:
    """Open a store and its party's keys.

    Args:
        folder: the store's folder.
        passphrase: asked for the passphrase of the key file that the store remembers.
        now: tells the time.
    """
    engine = database.open_existing(folder)
    with database.reading(engine) as session:
        row = session.get_one(StoreRow, 1)
        roles = tuple(Role(role) for role in row.roles.split(","))
        key_file = Path(row.key_file)
        return Coordinator(folder, engine, read_identity(key_file, passphrase), key_file, roles, now)


def seat(me: Coordinator, sha256: str | None, role: Role, *, needs: tuple[str, ...]) -> Signatory:
    """The store's party, at work under the agreement that a step is about: the named one, or the only one.

    The agreement must be in force.

    Args:
        me: the store.
        sha256: first digits of the agreement's digest; None for the only one.
        role: whose step it is.
        needs: the artefacts that the step reads, which the agreement must still allow to be here.
    """
    row = registered(me, sha256)
    with database.reading(me.engine) as session:
        database.run_of(session, row.sha256, role)
        database.require_newest(session, row)
    return seat_under(me, row, needs=needs)


def seat_under(me: Coordinator, row: AgreementRow, *, needs: tuple[str, ...]) -> Signatory:
    """The store's party, at work under a registered agreement, which must be in force.

    Args:
        me: the store.
        row: the agreement.
        needs: the artefacts that the step reads, which the agreement must still allow to be here.

    Raises:
        ProtocolError: signatures are missing, or its destruction was begun.
        DisclosureError: something that the step reads should be gone by now.
        ConfigError: the agreement is not in force.
        VerificationError: a signature is not right, or this party's keys are others.
    """
    with database.reading(me.engine) as session:
        database.require_not_destroyed(session, row.sha256)
    agreement = agreements.parse(row.raw, where="The registered agreement")
    require_kept_no_longer(agreement, needs, row.registered_at, me.now())
    require_in_force(agreement, today=me.now().date())
    return signatory(me, agreement, signature_files(me, row))


def signatory(me: Coordinator, agreement: AgreementFile, files: SignatureFiles) -> Signatory:
    """The store's party, with the agreement that everybody has signed.

    Raises:
        ProtocolError: signatures are missing.
        VerificationError: one is not right, or this party's keys are others.
    """
    signed = signed_by_all(me, agreement, files)
    require_mine(agreement.content, me.identity)
    return Signatory.take_seat(
        me.identity, signed, run_key_of(holdings(me, agreement), me.identity, agreement)
    )


def signed_by_all(me: Coordinator, agreement: AgreementFile, files: SignatureFiles) -> SignedAgreement:
    """An agreement with everybody's signatures, verified.

    Raises:
        ProtocolError: signatures are missing.
        VerificationError: one is not right.
    """
    return signatures.verify_all(
        agreement, files.signatures, previous=files.previous, successions=files.successions,
        # Signatures tell the signer's own day, which may be ahead of UTC's.
        today=max(me.now().date(), me.now().astimezone().date()),
    )  # fmt: skip


def holdings(me: Coordinator, agreement: AgreementFile) -> Holdings:
    """Where the store's party keeps its run key for an agreement: beside its key file, never in the store."""
    return Holdings.beside(me.key_file, me.identity.party, agreement.sha256)


def signature_files(me: Coordinator, row: AgreementRow) -> SignatureFiles:
    """The signatures that an agreement was registered with."""
    previous = None if row.previous is None else agreements.parse(row.previous, where="The version before")
    with database.reading(me.engine) as session:
        return SignatureFiles(
            signatures=database.signatures_of(session, row.sha256, SIGNATURE_KIND),
            successions=database.signatures_of(session, row.sha256, SUCCESSION_KIND),
            previous=previous,
        )


def require_outside(me: Coordinator, *outputs: Path) -> None:
    """Refuse to write over the party's keys, or anything into the store's folder, whatever `--force` says.

    Args:
        me: the store.
        outputs: files or folders that a command will write.

    Raises:
        UsageError: one is there.
    """
    store = me.folder.resolve()
    for path in outputs:
        if path.resolve().is_relative_to(store):
            raise UsageError(
                f"{path} is in the store's folder.", hint="Choose another place for what is written."
            )
    keys = [me.key_file, *me.key_file.parent.glob(f"{me.identity.party}.*/run.key")]
    require_apart(outputs, keys)


def registered(me: Coordinator, sha256: str | None) -> AgreementRow:
    """The agreement with these first digits of its digest, in force or not; None for the only one.

    Raises:
        ProtocolError: there is none, or more than one.
    """
    with database.reading(me.engine) as session:
        rows = [row for row in session.query(AgreementRow) if sha256 is None or row.sha256.startswith(sha256)]
    if len(rows) != 1:
        raise _not_one_agreement(len(rows), sha256)
    return rows[0]


def _not_one_agreement(found: int, sha256: str | None) -> ProtocolError:
    if found:
        return ProtocolError(
            "Several agreements are registered here.",
            hint="Give the first digits of one's SHA-256 with --agreement.",
        )
    if sha256:
        return ProtocolError("No such agreement is registered here.", hint="'coordinator status' lists them.")
    return ProtocolError(
        "No agreement is registered here.", hint="Register one with 'coordinator agreement register'."
    )


_ARTEFACTS = {
    Role.MATCHER: ("encodings", "pairs"),
    Role.KEY_ISSUER: ("references", "pairs", "linkage_keys"),
}


def gone_by(agreement: AgreementFile, role: Role, registered: datetime) -> dict[str, str]:
    """The last day on which each artefact of a role may be here, by the agreement's retention."""
    return {artefact: _last_day(agreement, artefact, registered) for artefact in _ARTEFACTS[role]}


def _last_day(agreement: AgreementFile, artefact: str, registered: datetime) -> str:
    days: int = getattr(agreement.content.retention, f"{artefact}_days")
    return str((registered + timedelta(days=days)).date())


def keep(me: Coordinator, sealed: bytes) -> str:
    """Keep sealed bytes under their digest; the same bytes again change nothing."""
    return _keep_stream(me, io.BytesIO(sealed))


def keep_verified(me: Coordinator, sealed: BinaryIO, digest: str) -> None:
    """Keep what a file holds, from its start to its end, if it still is what was verified.

    Args:
        me: the store.
        sealed: somebody else's file, which was read before.
        digest: of what was read then.

    Raises:
        VerificationError: it has changed since; nothing is kept.
        UsageError: there is no room.
    """
    _keep_stream(me, sealed, verified=digest)


def _keep_stream(me: Coordinator, sealed: BinaryIO, *, verified: str | None = None) -> str:
    sealed.seek(0)

    def copy(out: BinaryIO) -> str:
        digest = hashlib.sha256()
        while step := sealed.read(_STEP_BYTES):
            digest.update(step)
            out.write(step)
        if verified not in {None, digest.hexdigest()}:
            raise VerificationError(
                "The file changed while it was received.", hint="Receive it again from a folder of your own."
            )
        return digest.hexdigest()

    return keep_made(me, copy)


def keep_made(me: Coordinator, make: Callable[[BinaryIO], str]) -> str:
    """Keep what `make` writes, under the digest that it gives.

    Raises:
        UsageError: there is no room.
    """
    return write_named_by_content(me.folder / "containers", make, mode=0o600)


def kept(me: Coordinator, digest: str) -> bytes:
    """Sealed bytes by their digest.

    Raises:
        FormatError: they are missing, or not those that were kept.
    """
    with kept_stream(me, digest) as file:
        sealed = file.read()
    if hashlib.sha256(sealed).hexdigest() != digest:
        raise _damaged()
    return sealed


def copy_kept(me: Coordinator, digest: str, out: BinaryIO) -> None:
    """Copy sealed bytes, whatever their number, to where they leave; what was written counts if nothing is raised.

    Raises:
        FormatError: they are missing, or not those that were kept.
    """
    with kept_stream(me, digest) as file:
        _require_whole(file, digest, copy=out)


@contextmanager
def kept_stream(me: Coordinator, digest: str) -> Iterator[BinaryIO]:
    """The file of a container; that it is the one that was kept is the caller's to check.

    Raises:
        FormatError: it is missing.
    """
    try:
        file = (me.folder / "containers" / digest).open("rb")
    except FileNotFoundError:
        raise _damaged() from None
    with file:
        yield file


def _require_whole(file: BinaryIO, digest: str, *, copy: BinaryIO | None = None) -> None:
    """Refuse a container that is not the one that was kept, and copy it on the way, if asked."""
    found = hashlib.sha256()
    file.seek(0)
    while step := file.read(_STEP_BYTES):
        found.update(step)
        if copy is not None:
            copy.write(step)
    if found.hexdigest() != digest:
        raise _damaged()


def _damaged() -> FormatError:
    return FormatError(
        "A container in the store is missing or damaged.", hint="Restore the store from a backup."
    )


def open_part(me: Coordinator, seat: Signatory, part: PartRow) -> bytes:
    """The document in a part that was received, after all checks of its envelope again."""
    with open_part_stream(me, seat, part) as (_, content):
        return content.read()


@contextmanager
def open_part_stream(me: Coordinator, seat: Signatory, part: PartRow) -> Iterator[tuple[Opened, BinaryIO]]:
    """What a part that was received is, after all checks of its envelope again, and its document, to be read once.

    It is decrypted while it is read: what was read counts when reading has come to the end. See
    `container.open_stream`.

    Args:
        me: the store.
        seat: the party, under the agreement.
        part: as the database has it.

    Yields:
        What the container is, and its document.

    Raises:
        FormatError: what is kept is missing or damaged.
        VerificationError: it is not trusted; also while it is read.
    """
    with kept_stream(me, part.container_sha256) as file:
        try:
            opened, content = open_stream_from(file, me=seat, kind=part.kind, sender=part.sender)
        except (FormatError, VerificationError):
            # What was damaged here is no sender's fault; only what is whole is told of as it is.
            _require_whole(file, part.container_sha256)
            raise
        if opened.container_sha256 != part.container_sha256:
            raise _damaged()
        yield opened, content


@contextmanager
def kept_encodings(me: Coordinator, seat: Signatory, part: PartRow) -> Iterator[KeptEncodings]:
    """Encodings that were received, to be read pass by pass as often as is needed; see `KeptEncodings`."""
    with ExitStack() as files:
        yield KeptEncodings(me, seat, part, files)


class KeptEncodings:
    """Encodings that were received: each reading opens and checks the container anew, and decrypts it on the way.

    Attributes:
        header: their header.
    """

    def __init__(self, me: Coordinator, seat: Signatory, part: PartRow, files: ExitStack) -> None:
        """Open them; `files` closes what is open in the end."""
        self._about = (me, seat, part)
        self._next: EncodingsReader | None = self._opened(files)
        self.header = self._next.header

    def passes(self, wanted: Wanted | None = None) -> Iterator[Bytes]:
        """See `EncodingsReader.passes`. When a part is wanted, references were held against each other on receipt."""
        reader, self._next = self._next, None
        if reader is not None:
            yield from reader.passes(wanted, across=wanted is None)
            return
        # Ranges may be many: each reading closes what it opened.
        with ExitStack() as files:
            yield from self._opened(files).passes(wanted, across=wanted is None)

    def _opened(self, files: ExitStack) -> EncodingsReader:
        opened, content = files.enter_context(open_part_stream(*self._about))
        return EncodingsReader(content, self._about[1].agreement.file, size=opened.binding.plaintext_bytes)


@dataclass(frozen=True, slots=True)
class Named:
    """A container as the log names it.

    Attributes:
        detail: what an entry says of it.
        head: its signed head.
    """

    detail: dict[str, str]
    head: bytes


def named(sealed: bytes, agreement: AgreementFile) -> Named:
    """How the log names a container, after another look at who signed it."""
    return named_as(io.BytesIO(sealed), hashlib.sha256(sealed).hexdigest(), agreement)


def named_as(sealed: BinaryIO, sha256: str, agreement: AgreementFile) -> Named:
    """How the log names a container of which the digest is known, after another look at who signed it."""
    binding, head = container.verify_head(sealed, agreement=agreement)
    head_sha256 = hashlib.sha256(head).hexdigest()
    return Named(log.container_detail(binding, head_sha256=head_sha256, sha256=sha256), head)


def finish(
    me: Coordinator,
    agreement: AgreementFile,
    role: Role,
    step: Step,
    report: dict[str, Any],
    *,
    detail: dict[str, Any],
    containers: Iterable[Named] = (),
) -> None:
    """Take a step with a run, keep what it found, and log it.

    Args:
        me: the store.
        agreement: what the run is under.
        role: whose run it is.
        step: the step.
        report: what the run has found.
        detail: what the log's entry says.
        containers: the containers that it names; their heads are kept.
    """
    with database.writing(me.engine) as session:
        run = database.run_of(session, agreement.sha256, role)
        run.report = report
        for each in containers:
            database.add_head(session, agreement.sha256, each.detail["head_sha256"], each.head)
        database.move_on(session, run, step, at=me.now(), detail=detail)


def require_kept_no_longer(
    agreement: AgreementFile, needs: tuple[str, ...], registered: datetime, now: datetime
) -> None:
    """Refuse a step after the last day on which what it reads may be here.

    Raises:
        DisclosureError: something should be gone by now.
    """
    today = str(now.date())
    overdue = [artefact for artefact in needs if _last_day(agreement, artefact, registered) < today]
    if overdue:
        raise DisclosureError(
            f"The agreement says that these are gone by now: {', '.join(overdue)}.",
            hint="Delete them; a further run takes a new version of the agreement.",
        )
