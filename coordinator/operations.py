"""What the coordinator does, one function a step: load, check, compute, store and log.

The matcher opens encodings and sends on pairs; the key issuer opens references and pairs and issues linkage
keys. An office that holds both roles runs the same steps through the same sealed pairs. Nothing here can reach
code that touches raw identifiers or the linkage secret.
"""

from __future__ import annotations

import hashlib
import io
import json
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from sqlalchemy import Engine
from sqlalchemy.orm import Session

from coordinator.linkage import issuing, matching
from coordinator.linkage.issuing import Issued
from coordinator.store import database, stages
from coordinator.store.database import AgreementRow, PartRow, RunRow, StoreRow
from coordinator.store.stages import Role, Stage, Step
from pprl.crypto import container, derive
from pprl.crypto.exchange import open_from, require_as_bound, require_in_force, require_mine, seal_for
from pprl.crypto.identity import Identity, from_key_file
from pprl.errors import ConfigError, DisclosureError, FormatError, ProtocolError, VerificationError
from pprl.files.atomic import read_secret_file, write_new
from pprl.protocol import agreement as agreements
from pprl.protocol import crosswalk, linkage_keys, pairs, submission
from pprl.protocol.agreement import AgreementFile
from pprl.protocol.envelope import Binding
from pprl.protocol.framing import DatasetHeader
from pprl.protocol.submission import Encodings, References

PARTS_OF_ROLE: dict[Role, tuple[str, ...]] = {
    Role.MATCHER: (submission.ENCODINGS_KIND,),
    Role.KEY_ISSUER: (submission.REFERENCES_KIND, pairs.KIND),
}

SUMMARY_NAME = "summary.json"

Progress = Callable[[str, float], None]


@dataclass(frozen=True, slots=True)
class Coordinator:
    """An opened store: where it is, whose it is, which roles it holds, and the time.

    Attributes:
        folder: the store's folder.
        engine: its database.
        identity: the party's keys.
        roles: the roles that it holds.
        now: tells the time.
    """

    folder: Path
    engine: Engine
    identity: Identity
    roles: tuple[Role, ...]
    now: Callable[[], datetime]


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


def utc_now() -> datetime:
    """The time, for commands."""
    return datetime.now(UTC)


def initialise(folder: Path, *, key_file: Path, roles: tuple[Role, ...]) -> str:
    """Make a store for a party that holds one coordinator role or both.

    Returns:
        The party's id.

    Raises:
        ProtocolError: there is a store already.
    """
    identity = _identity(key_file)
    if (folder / database.DATABASE_NAME).exists():
        raise ProtocolError(
            f"There is a coordinator store in {folder} already.", hint="Use it, or another folder."
        )
    (folder / "containers").mkdir(mode=0o700, parents=True, exist_ok=True)
    folder.chmod(0o700)
    database.create(folder, party=identity.party, roles=roles, key_file=key_file.absolute()).dispose()
    return identity.party


def open_store(folder: Path, *, now: Callable[[], datetime] = utc_now) -> Coordinator:
    """Open a store and its party's keys."""
    engine = database.open_existing(folder)
    with database.reading(engine) as session:
        row = session.get_one(StoreRow, 1)
        roles = tuple(Role(role) for role in row.roles.split(","))
        return Coordinator(folder, engine, _identity(Path(row.key_file)), roles, now)


def register(me: Coordinator, raw: bytes, *, where: str) -> AgreementFile:
    """Take up an agreement: from now on its submissions are received.

    Raises:
        ConfigError: it is not valid, not in force, or does not give this party the roles of this store.
        ProtocolError: it is registered already, or a newer version is.
    """
    agreement = agreements.parse(raw, where=where)
    require_in_force(agreement, today=me.now().date())
    _require_my_roles(me, agreement)
    project = agreement.content.project
    with database.writing(me.engine) as session:
        if session.get(AgreementRow, agreement.sha256):
            raise ProtocolError("This agreement is registered already.")
        newest = max((row.version for row in database.versions_of(session, project.id)), default=0)
        if project.version <= newest:
            raise ProtocolError(
                f"Version {newest} of this agreement is registered: an older one is not taken up again."
            )
        session.add(
            AgreementRow(
                sha256=agreement.sha256,
                project=project.id,
                version=project.version,
                raw=agreement.raw,
                registered_at=me.now(),
            )
        )
        session.flush()
        for role in me.roles:
            session.add(
                RunRow(
                    agreement_sha256=agreement.sha256,
                    role=role.value,
                    stage=Stage.COLLECTING.value,
                    report={},
                )
            )
    return agreement


def receive(me: Coordinator, file: bytes) -> list[Receipt]:
    """Verify what came in and keep it, sealed as it is.

    Args:
        me: the store.
        file: a department's submission, of which each role takes its own part, or the matcher's pairs.

    Raises:
        FormatError: not a file of this protocol.
        VerificationError: not trusted, or not of this agreement.
        ProtocolError: received before, or no longer wanted.
    """
    accepted = [_verify(me, sealed, kind) for kind, sealed in _addressed_parts(me, file)]
    if len({named for _, _, named, _ in accepted}) > 1:
        raise VerificationError("The two parts of the file belong to different submissions.")
    with database.writing(me.engine) as session:
        return [_keep(me, session, *each) for each in accepted]


def match(
    me: Coordinator, agreement_sha256: str | None, *, progress: Progress
) -> tuple[AgreementFile, bytes]:
    """The matcher's step: compare all encodings and seal the pairs that are not hopeless to the key issuer.

    Asked again afterwards, it gives the same sealed pairs again.

    Raises:
        ProtocolError: parts are missing.
        VerificationError: departments used different linkage secrets.
    """
    agreement = _current(me, agreement_sha256, Role.MATCHER)
    with database.reading(me.engine) as session:
        run = database.run_of(session, agreement.sha256, Role.MATCHER)
        if Stage(run.stage) is Stage.MATCHED:
            return agreement, _kept(me, run.report["pairs_sha256"])
        _require_step(run, Step.MATCH)
        parts = database.parts_of(session, agreement.sha256, submission.ENCODINGS_KIND)
    started = time.monotonic()
    encodings = {part.dataset: _open_encodings(me, agreement, part) for part in parts}
    _require_one_secret(encodings)
    document = matching.match(agreement, encodings, progress=progress)
    issuer = agreement.content.party_with("key-issuer")
    sealed = seal_for(
        issuer,
        pairs.write(document),
        sender=me.identity,
        agreement=agreement,
        kind=pairs.KIND,
        records=sum(table.pairs for table in document.header.tables),
    )
    report = {
        "pairs_sha256": _keep_file(me, sealed),
        "compared": sum(table.compared for table in document.header.tables),
        "pairs": sum(table.pairs for table in document.header.tables),
        "seconds": {"match": round(time.monotonic() - started, 3)},
    }
    _finish(me, agreement, Role.MATCHER, Step.MATCH, report)
    return agreement, sealed


def issue(me: Coordinator, agreement_sha256: str | None, *, progress: Progress) -> dict[str, Any]:
    """The key issuer's step: decide which records belong together and give every record a linkage key.

    The results are sealed to their recipients at once and kept until `release`.

    Returns:
        The run's report: counts, threshold and estimates. No scores of single pairs, no keys.

    Raises:
        ProtocolError: parts are missing.
        VerificationError: pairs and references don't belong together.
    """
    agreement = _current(me, agreement_sha256, Role.KEY_ISSUER)
    with database.reading(me.engine) as session:
        run = database.run_of(session, agreement.sha256, Role.KEY_ISSUER)
        if Stage(run.stage) in {Stage.ISSUED, Stage.RELEASED}:
            return dict(run.report)
        _require_step(run, Step.ISSUE)
        parts = database.parts_of(session, agreement.sha256, submission.REFERENCES_KIND)
        (pairs_part,) = database.parts_of(session, agreement.sha256, pairs.KIND)
    started = time.monotonic()
    references = {part.dataset: _open_references(me, agreement, part) for part in parts}
    document = _open_pairs(me, agreement, pairs_part)
    issued = issuing.issue(
        agreement, references, document, random_bytes=derive.random_bytes, progress=progress
    )
    report = {
        **issued.report,
        "results": _seal_results(me, agreement, issued),
        "seconds": {"issue": round(time.monotonic() - started, 3)},
    }
    _finish(me, agreement, Role.KEY_ISSUER, Step.ISSUE, report)
    return report


def release(me: Coordinator, agreement_sha256: str | None) -> Mapping[str, bytes]:
    """The sealed results and a public summary by file name, if the agreement's release rules allow any.

    Raises:
        ProtocolError: nothing is issued yet.
        DisclosureError: a release rule refuses.
    """
    agreement = _current(me, agreement_sha256, Role.KEY_ISSUER)
    with database.reading(me.engine) as session:
        run = database.run_of(session, agreement.sha256, Role.KEY_ISSUER)
        report, stage = dict(run.report), Stage(run.stage)
        if stage is not Stage.RELEASED:
            _require_step(run, Step.RELEASE)
    _require_release_rules(agreement, report)
    results = {name: _kept(me, digest) for name, digest in report["results"].items()}
    results[SUMMARY_NAME] = _public_summary(agreement, report)
    if stage is not Stage.RELEASED:
        _finish(me, agreement, Role.KEY_ISSUER, Step.RELEASE, report)
    return results


def link(me: Coordinator, agreement_sha256: str | None, *, progress: Progress) -> dict[str, Any]:
    """Match, hand the pairs over, issue: for an office that holds both roles.

    Raises:
        ProtocolError: this store holds one role only.
    """
    if set(me.roles) != {Role.MATCHER, Role.KEY_ISSUER}:
        raise ProtocolError(
            "This store holds one coordinator role only.",
            hint="Run 'coordinator match' or 'coordinator issue'.",
        )
    agreement, sealed = match(me, agreement_sha256, progress=progress)
    with database.reading(me.engine) as session:
        handed_over = bool(database.parts_of(session, agreement.sha256, pairs.KIND))
    if not handed_over:
        receive(me, sealed)
    return issue(me, agreement.sha256, progress=progress)


def status(me: Coordinator) -> list[dict[str, Any]]:
    """Every run of this store: stage, what came, what is missing, and what must be gone by when."""
    with database.reading(me.engine) as session:
        runs = session.query(RunRow).all()
        return [_status_of(session, run) for run in runs]


def _status_of(session: Session, run: RunRow) -> dict[str, Any]:
    row = session.get_one(AgreementRow, run.agreement_sha256)
    agreement = agreements.parse(row.raw, where="The registered agreement")
    role = Role(run.role)
    received = [part for kind in PARTS_OF_ROLE[role] for part in database.parts_of(session, row.sha256, kind)]
    here = {(part.kind, part.dataset) for part in received}
    return {
        "project": row.project,
        "version": row.version,
        "agreement_sha256": row.sha256,
        "role": role.value,
        "stage": run.stage,
        "received": [
            {"kind": part.kind, "dataset": part.dataset, "from": part.sender, "records": part.records}
            for part in received
        ],
        "missing": [
            {"kind": kind, "dataset": dataset}
            for kind, dataset in _wanted(agreement, role)
            if (kind, dataset) not in here
        ],
        "gone_by": _gone_by(agreement, role, row.registered_at),
    }


def _gone_by(agreement: AgreementFile, role: Role, registered: datetime) -> dict[str, str]:
    kept = agreement.content.retention
    days = {
        Role.MATCHER: {"encodings": kept.encodings_days, "pairs": kept.pairs_days},
        Role.KEY_ISSUER: {
            "references": kept.references_days,
            "pairs": kept.pairs_days,
            "linkage_keys": kept.linkage_keys_days,
        },
    }[role]
    return {artefact: str((registered + timedelta(days=each)).date()) for artefact, each in days.items()}


def _identity(key_file: Path) -> Identity:
    return from_key_file(read_secret_file(key_file), where=str(key_file))


def _require_my_roles(me: Coordinator, agreement: AgreementFile) -> None:
    party = require_mine(agreement.content, me.identity)
    missing = [role for role in me.roles if role.value not in party.roles]
    if missing:
        raise ConfigError(
            f"The agreement does not make '{party.id}' its {' or '.join(missing)}.",
            hint="Use the store of the party that holds the role.",
        )


def _current(me: Coordinator, sha256: str | None, role: Role) -> AgreementFile:
    """The agreement that a step is about: the named one, or the only one registered. It must be in force."""
    with database.reading(me.engine) as session:
        rows = [row for row in session.query(AgreementRow) if sha256 is None or row.sha256.startswith(sha256)]
        if len(rows) != 1:
            what = "No such agreement is" if not rows else "Several agreements are"
            raise ProtocolError(
                f"{what} registered here.", hint="Give the first digits of its SHA-256 with --agreement."
            )
        database.run_of(session, rows[0].sha256, role)
        row = rows[0]
        agreement = agreements.parse(row.raw, where="The registered agreement")
        _require_kept_no_longer(agreement, role, row.registered_at, me.now())
    require_in_force(agreement, today=me.now().date())
    require_mine(agreement.content, me.identity)
    return agreement


def _require_kept_no_longer(
    agreement: AgreementFile, role: Role, registered: datetime, now: datetime
) -> None:
    today = str(now.date())
    overdue = [artefact for artefact, day in _gone_by(agreement, role, registered).items() if day < today]
    if overdue:
        raise DisclosureError(
            f"The agreement says that these are gone by now: {', '.join(overdue)}.",
            hint="Destroy this store.",
        )


def _addressed_parts(me: Coordinator, file: bytes) -> Iterator[tuple[str, bytes]]:
    """The containers in a file that are for a role of this store, each with the kind that it must be."""
    if file[:8] != submission.SUBMISSION_MAGIC:
        if Role.KEY_ISSUER not in me.roles:
            raise ProtocolError("The matcher receives submissions alone; this is something else.")
        yield pairs.KIND, file
        return
    first, second = submission.containers(io.BytesIO(file))
    for role, kind, (offset, length) in (
        (Role.MATCHER, submission.ENCODINGS_KIND, first),
        (Role.KEY_ISSUER, submission.REFERENCES_KIND, second),
    ):
        if role in me.roles:
            yield kind, file[offset : offset + length]


def _verify(me: Coordinator, sealed: bytes, kind: str) -> tuple[AgreementFile, Binding, str, bytes]:
    """Everything that must hold before a part is kept: the envelope's checks, then the document's."""
    unverified = container.peek(io.BytesIO(sealed))
    with database.reading(me.engine) as session:
        row = session.get(AgreementRow, unverified.agreement_sha256)
        if row is None:
            raise VerificationError(
                "The file belongs to an agreement that is not registered here.",
                hint="Compare agreement digests with the sender.",
            )
        agreement = agreements.parse(row.raw, where="The registered agreement")
    require_in_force(agreement, today=me.now().date())
    sender = agreement.content.party_with("matcher").id if kind == pairs.KIND else None
    opened, raw = open_from(sealed, me=me.identity, agreement=agreement, kind=kind, sender=sender)
    named = _require_consistent(kind, raw, agreement, opened.binding)
    return agreement, opened.binding, named, sealed


def _require_consistent(kind: str, raw: bytes, agreement: AgreementFile, binding: Binding) -> str:
    """Check a document against the agreement and its envelope; gives the submission that it names, if one."""
    if kind == pairs.KIND:
        tables = pairs.parse(raw, agreement).header.tables
        require_as_bound(binding, dataset="", records=sum(table.pairs for table in tables))
        return ""
    if kind == submission.ENCODINGS_KIND:
        header: DatasetHeader = submission.parse_encodings(raw, agreement).header
    else:
        header = submission.parse_references(raw, agreement).header
    require_as_bound(binding, dataset=header.dataset, records=header.records)
    if header.party != binding.sender:
        raise VerificationError("The document names another department than its envelope.")
    return header.submission


def _keep(
    me: Coordinator, session: Session, agreement: AgreementFile, binding: Binding, named: str, sealed: bytes
) -> Receipt:
    role = next(role for role, kinds in PARTS_OF_ROLE.items() if binding.kind in kinds)
    run = database.run_of(session, agreement.sha256, role)
    earlier = [
        part
        for part in database.parts_of(session, agreement.sha256, binding.kind)
        if part.dataset == binding.dataset
    ]
    if earlier:
        what = "the pairs" if binding.kind == pairs.KIND else f"the {binding.kind} of '{binding.dataset}'"
        raise ProtocolError(
            f"This store has {what} already; a dataset is submitted once.",
            hint="A correction takes a new version of the agreement.",
        )
    digest = _keep_file(me, sealed)
    session.add(
        PartRow(
            container_sha256=digest,
            agreement_sha256=agreement.sha256,
            kind=binding.kind,
            dataset=binding.dataset,
            sender=binding.sender,
            submission=named,
            records=binding.records,
            received_at=me.now(),
        )
    )
    session.flush()
    here = {
        (part.kind, part.dataset)
        for kind in PARTS_OF_ROLE[role]
        for part in database.parts_of(session, agreement.sha256, kind)
    }
    complete = here == set(_wanted(agreement, role))
    step = Step.RECEIVE_LAST if complete else Step.RECEIVE
    detail = {"kind": binding.kind, "dataset": binding.dataset, "container_sha256": digest}
    database.move_on(session, run, step, at=me.now(), detail=detail)
    return Receipt(
        binding.kind, binding.dataset, binding.sender, binding.records, digest, agreement.sha256, complete
    )


def _wanted(agreement: AgreementFile, role: Role) -> list[tuple[str, str]]:
    names = [dataset.name for dataset in agreement.content.dataset]
    if role is Role.MATCHER:
        return [(submission.ENCODINGS_KIND, name) for name in names]
    return [*((submission.REFERENCES_KIND, name) for name in names), (pairs.KIND, "")]


def _keep_file(me: Coordinator, sealed: bytes) -> str:
    """Keep sealed bytes under their digest; the same bytes again change nothing."""
    digest = hashlib.sha256(sealed).hexdigest()
    path = me.folder / "containers" / digest
    if not path.exists():
        write_new(path, sealed, mode=0o600)
    return digest


def _kept(me: Coordinator, digest: str) -> bytes:
    path = me.folder / "containers" / digest
    sealed = path.read_bytes() if path.is_file() else b""
    if hashlib.sha256(sealed).hexdigest() != digest:
        raise FormatError(
            "A container in the store is missing or damaged.", hint="Restore the store from a backup."
        )
    return sealed


def _open_part(me: Coordinator, agreement: AgreementFile, part: PartRow) -> bytes:
    sealed = _kept(me, part.container_sha256)
    return open_from(sealed, me=me.identity, agreement=agreement, kind=part.kind, sender=part.sender)[1]


def _open_encodings(me: Coordinator, agreement: AgreementFile, part: PartRow) -> Encodings:
    return submission.parse_encodings(_open_part(me, agreement, part), agreement)


def _open_references(me: Coordinator, agreement: AgreementFile, part: PartRow) -> References:
    return submission.parse_references(_open_part(me, agreement, part), agreement)


def _open_pairs(me: Coordinator, agreement: AgreementFile, part: PartRow) -> pairs.PairsDocument:
    return pairs.parse(_open_part(me, agreement, part), agreement)


def _require_one_secret(encodings: Mapping[str, Encodings]) -> None:
    """Different secrets are refused, never silently unmatched."""
    checks: dict[str, list[str]] = {}
    for name, each in encodings.items():
        checks.setdefault(each.header.key_check, []).append(name)
    if len(checks) > 1:
        groups = " / ".join(", ".join(names) for names in checks.values())
        raise VerificationError(
            f"The datasets were encoded with different linkage secrets: {groups}.",
            hint="The departments must agree on one secret and encode again, under a new version.",
        )


def _require_step(run: RunRow, step: Step) -> None:
    stages.after(Role(run.role), Stage(run.stage), step)


def _finish(
    me: Coordinator, agreement: AgreementFile, role: Role, step: Step, report: dict[str, Any]
) -> None:
    with database.writing(me.engine) as session:
        run = database.run_of(session, agreement.sha256, role)
        run.report = report
        database.move_on(session, run, step, at=me.now(), detail={})


def _require_release_rules(agreement: AgreementFile, report: Mapping[str, Any]) -> None:
    least = agreement.content.release.min_linked_people
    if report["linked_people"] < least:
        raise DisclosureError(
            f"Fewer people were linked than the agreement's release.min_linked_people ({least}) asks for.",
            hint="Nothing is released. Check that the datasets are about the same people.",
        )


def _public_summary(agreement: AgreementFile, report: Mapping[str, Any]) -> bytes:
    """What everybody may know of a run, auditors included: small counts are not told."""
    limit = agreement.content.release.small_number_limit
    people = report["linked_people"]
    summary = {
        "project": agreement.content.project.id,
        "agreement_sha256": agreement.sha256,
        "records": report["records"],
        "linked_people": people if people >= limit else f"fewer than {limit}",
        "method": report["method"],
    }
    return (json.dumps(summary, indent=2) + "\n").encode()


def _seal_results(me: Coordinator, agreement: AgreementFile, issued: Issued) -> dict[str, str]:
    """Seal each result to its recipient and keep it; gives file names and digests."""
    sealed = {}
    for document in issued.linkage_keys:
        about = document.header
        sealed[f"{about.dataset}.linkage-keys"] = seal_for(
            agreement.content.party_named(about.party),
            linkage_keys.write(document),
            sender=me.identity,
            agreement=agreement,
            kind=linkage_keys.KIND,
            records=about.records,
            dataset=about.dataset,
        )
    if agreement.content.release.crosswalk_to is not None:
        sealed["crosswalk"] = seal_for(
            agreement.content.party_named(agreement.content.release.crosswalk_to),
            crosswalk.write(issued.crosswalk),
            sender=me.identity,
            agreement=agreement,
            kind=crosswalk.KIND,
            records=issued.crosswalk.header.linkage_keys,
        )
    return {name: _keep_file(me, content) for name, content in sealed.items()}
