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
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from typing import Any, BinaryIO

from sqlalchemy.orm import Session

from coordinator import log, relay
from coordinator.custody import (
    Coordinator,
    finish,
    gone_by,
    initialise,
    keep,
    keep_made,
    kept,
    kept_encodings,
    kept_stream,
    named,
    named_as,
    open_part,
    open_store,
    registered,
    seat,
    signatory,
)
from coordinator.destruction import CERTIFICATE_NAME, certificate_of, destroy
from coordinator.intake import (
    PARTS_OF_ROLE,
    Receipt,
    addressed_parts,
    require_one_secret,
    require_whole_submission,
    take_in,
    verify,
    wanted,
)
from coordinator.linkage import issuing, matching
from coordinator.linkage.budget import Budget, peak_bytes
from coordinator.linkage.evidence import Suppressed, counted_by_pass, suppressed_records
from coordinator.linkage.issuing import Issued
from coordinator.linkage.matching import EncodingsAtHand, EngineName, Matched
from coordinator.project_keys import key_for_issue
from coordinator.report import documents
from coordinator.sizes import is_statement
from coordinator.store import database, stages
from coordinator.store.database import AgreementRow, PartRow, RunRow, SignatureRow
from coordinator.store.stages import Role, Stage, Step
from coordinator.unfinished import Unfinished, clear, goes_on
from pprl.crypto import derive
from pprl.crypto.exchange import Signatory, require_in_force, require_mine, seal_for, seal_into
from pprl.crypto.statements import MAX_STATEMENT_BYTES
from pprl.errors import ConfigError, DisclosureError, ProtocolError
from pprl.files.holdings import RECEIPT_ENDING, SignatureFiles
from pprl.protocol import agreement as agreements
from pprl.protocol import crosswalk, framing, linkage_keys, pairs, submission
from pprl.protocol.agreement import AgreementFile
from pprl.protocol.signatures import SIGNATURE_KIND, SUCCESSION_KIND
from pprl.protocol.submission import FieldFilterHeader, References
from pprl.protocol.transcript import MAX_SHARE_CONTAINER_BYTES

__all__ = [
    "Coordinator",
    "Receipt",
    "destroy",
    "export",
    "hand_on",
    "initialise",
    "issue",
    "link",
    "match",
    "matched_pairs",
    "open_store",
    "receive",
    "register",
    "release",
    "report",
    "run_report",
    "status",
]

SUMMARY_NAME = "summary.json"

Progress = Callable[[str, float], None]


def register(me: Coordinator, raw: bytes, files: SignatureFiles, *, where: str) -> AgreementFile:
    """Take up an agreement that everybody has signed: from now on its submissions are received.

    Raises:
        ConfigError: it is not valid, not in force, or does not give this party the roles of this store.
        ProtocolError: it is registered already, signatures are missing, or it does not follow the newest version that
            is registered.
        VerificationError: a signature is not right.
    """
    agreement = agreements.parse(raw, where=where)
    require_in_force(agreement, today=me.now().date())
    _require_my_roles(me, agreement)
    with database.reading(me.engine) as session:
        _require_next_version(session, agreement)
    signatory(me, agreement, files)
    project = agreement.content.project
    with database.writing(me.engine) as session:
        _require_next_version(session, agreement)
        session.add(
            AgreementRow(
                sha256=agreement.sha256,
                project=project.id,
                version=project.version,
                raw=agreement.raw,
                previous=None if files.previous is None else files.previous.raw,
                registered_at=me.now(),
            )
        )
        session.flush()
        for kind, raws in ((SIGNATURE_KIND, files.signatures), (SUCCESSION_KIND, files.successions)):
            for party, signed in raws.items():
                session.add(
                    SignatureRow(agreement_sha256=agreement.sha256, kind=kind, party=party, raw=signed)
                )
        digests = {party: hashlib.sha256(raw).hexdigest() for party, raw in files.signatures.items()}
        detail = {"version": project.version, "signatures": digests}
        database.append(session, agreement.sha256, "registered", at=me.now(), detail=detail)
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


def receive(me: Coordinator, file: bytes | BinaryIO) -> list[Receipt]:
    """Verify what came in and keep it, sealed as it is.

    Args:
        me: the store.
        file: a department's submission, of which each role takes its own part, the matcher's pairs, a sealed share of
            the linkage secret, to be handed on, or a request for shares, to be logged. An open file is read step by
            step, however long it is.

    Raises:
        FormatError: not a file of this protocol.
        VerificationError: not trusted, or not of this agreement.
        ProtocolError: received before, or no longer wanted.
    """
    if isinstance(file, bytes):
        file = io.BytesIO(file)
    if relay.is_share(file):
        return [relay.take_in(me, file.read(MAX_SHARE_CONTAINER_BYTES + 1))]
    if is_statement(file):
        return [relay.log_request(me, file.read(MAX_STATEMENT_BYTES + 1))]
    accepted = [verify(me, sealed, kind) for kind, sealed in addressed_parts(me, file)]
    require_whole_submission(file, accepted[0].agreement)
    with database.writing(me.engine) as session:
        return [take_in(me, session, each) for each in accepted]


def hand_on(me: Coordinator, agreement_sha256: str | None, recipient: str) -> dict[str, bytes]:
    """The sealed shares that came for a department, by file name. Either role runs this; neither can open them.

    Raises:
        ConfigError: the agreement has no such party.
        ProtocolError: nothing has come for it yet.
    """
    found = dict(relay.handed_on(me, agreement_sha256, recipient))
    if not found:
        raise ProtocolError(
            f"Nothing has come for '{recipient}' yet.",
            hint="Receive the sealed shares of the other departments first.",
        )
    return found


def match(
    me: Coordinator,
    agreement_sha256: str | None,
    *,
    budget: Budget | None = None,
    engine: EngineName = "local",
    progress: Progress,
) -> tuple[AgreementFile, bytes]:
    """The matcher's step: compare all encodings and seal the pairs that are not hopeless to the key issuer.

    Asked again afterwards, it gives the same sealed pairs again.

    Args:
        me: the store.
        agreement_sha256: first digits of the agreement's digest; None for the only one.
        budget: the most memory to use; None for three quarters of what is free.
        engine: what compares records.
        progress: told what is done, and the share of it.

    Raises:
        ConfigError: the engine is not to be had.
        ProtocolError: parts are missing.
        VerificationError: departments used different linkage secrets.
    """
    agreement, digest = matched_pairs(me, agreement_sha256, budget=budget, engine=engine, progress=progress)
    return agreement, kept(me, digest)


def matched_pairs(
    me: Coordinator,
    agreement_sha256: str | None,
    *,
    budget: Budget | None = None,
    engine: EngineName = "local",
    progress: Progress,
) -> tuple[AgreementFile, str]:
    """The same step, for pairs of any number: gives the digest under which the sealed pairs are kept here.

    What is finished of it is kept in the store until all is, so that it goes on if it was stopped.

    Raises:
        ProtocolError: parts are missing.
        UsageError: there is no room, or too little memory may be used.
        VerificationError: departments used different linkage secrets.
    """
    budget = budget or Budget.of_machine()
    mine = seat(me, agreement_sha256, Role.MATCHER, needs=("encodings", "pairs"))
    agreement = mine.agreement.file
    with database.reading(me.engine) as session:
        run = database.run_of(session, agreement.sha256, Role.MATCHER)
        if Stage(run.stage) is Stage.MATCHED:
            clear(me, agreement.sha256)
            return agreement, run.report["pairs_sha256"]
        _require_step(run, Step.MATCH)
        parts = database.parts_of(session, agreement.sha256, submission.ENCODINGS_KIND)
    started = time.monotonic()
    with ExitStack() as opened:
        encodings = {part.dataset: opened.enter_context(kept_encodings(me, mine, part)) for part in parts}
        _require_one_secret(encodings)
        shelf = Unfinished(me, mine, [part.container_sha256 for part in parts])
        matched = matching.match(
            agreement, encodings, budget=budget, shelf=shelf, engine=engine, progress=progress
        )
    with goes_on():
        sealed = keep_made(me, lambda out: _seal_pairs(mine, matched, out))
    report = {
        "pairs_sha256": sealed,
        "compared": matched.compared,
        "pairs": matched.pairs,
        "parts": matched.parts,
        "evidence": _matching_evidence(agreement, matched, encodings),
        "seconds": {"match": round(time.monotonic() - started, 3)},
        "memory": {"budget_bytes": budget.bytes, "peak_bytes": peak_bytes()},
    }
    with kept_stream(me, sealed) as file:
        made = named_as(file, sealed, agreement)
    detail = {"container": made.detail, "inputs": sorted(part.head_sha256 for part in parts)}
    finish(me, agreement, Role.MATCHER, Step.MATCH, report, detail=detail, containers=(made,))
    clear(me, agreement.sha256)
    return agreement, sealed


def _seal_pairs(mine: Signatory, matched: Matched, out: BinaryIO) -> str:
    return seal_into(
        out,
        mine.agreement.content.party_with("key-issuer"),
        io.BufferedReader(framing.Stream(matched.pieces())),
        matched.length,
        me=mine,
        kind=pairs.KIND,
        records=matched.records,
    )


def issue(
    me: Coordinator, agreement_sha256: str | None, *, budget: Budget | None = None, progress: Progress
) -> dict[str, Any]:
    """The key issuer's step: decide which records belong together and give every record a linkage key.

    The results are sealed to their recipients at once and kept until `release`. Until the step is taken, nothing counts
    of what it has done: a run that was stopped is simply repeated.

    Args:
        me: the store.
        agreement_sha256: first digits of the agreement's digest; None for the only one.
        budget: the most memory to use; None for three quarters of what is free.
        progress: told what is done, and the share of it.

    Returns:
        The run's report: counts, threshold and estimates. No scores of single pairs, no keys.

    Raises:
        ProtocolError: parts are missing, or the project key is, by which linkage keys are kept.
        UsageError: it would take more memory than it may.
        VerificationError: pairs and references don't belong together, or earlier linkage keys that are offered were
            never issued.
    """
    budget = budget or Budget.of_machine()
    mine = seat(me, agreement_sha256, Role.KEY_ISSUER, needs=("references", "pairs", "linkage_keys"))
    agreement = mine.agreement.file
    with database.reading(me.engine) as session:
        run = database.run_of(session, agreement.sha256, Role.KEY_ISSUER)
        if Stage(run.stage) in {Stage.ISSUED, Stage.RELEASED}:
            return dict(run.report)
        _require_step(run, Step.ISSUE)
        parts = database.parts_of(session, agreement.sha256, submission.REFERENCES_KIND)
        (pairs_part,) = database.parts_of(session, agreement.sha256, pairs.KIND)
    started = time.monotonic()
    issued = _open_and_issue(me, mine, parts, pairs_part, budget=budget, progress=progress)
    results, digests = {}, {}
    # Each is kept as soon as it is sealed: one is in memory at a time.
    for name, sealed in _sealed_results(mine, issued):
        results[name], digests[name] = named(sealed, agreement), keep(me, sealed)
    report = {
        **issued.report,
        "results": digests,
        "seconds": {"issue": round(time.monotonic() - started, 3)},
        "memory": {"budget_bytes": budget.bytes, "peak_bytes": peak_bytes()},
    }
    refusal = _refusal(agreement, report)
    detail = {
        "inputs": sorted(part.head_sha256 for part in (*parts, pairs_part)),
        "results": {name: each.detail for name, each in results.items()},
        "summary_sha256": hashlib.sha256(_public_summary(agreement, report, refusal=refusal)).hexdigest(),
        "refusal": refusal or "",
    }
    finish(me, agreement, Role.KEY_ISSUER, Step.ISSUE, report, detail=detail, containers=results.values())
    return report


def _open_and_issue(
    me: Coordinator,
    mine: Signatory,
    parts: Sequence[PartRow],
    pairs_part: PartRow,
    *,
    budget: Budget,
    progress: Progress,
) -> Issued:
    """Open all that was received, if there is room for it, and issue. What is opened goes when this returns."""
    issuing.require_room(
        budget,
        records=sum(part.records for part in parts),
        references=sum(_sealed_bytes(me, part) for part in parts),
        pairs=_sealed_bytes(me, pairs_part),
    )
    agreement = mine.agreement.file
    references = {part.dataset: _open_references(me, mine, part) for part in parts}
    return issuing.issue(
        agreement,
        references,
        open_part(me, mine, pairs_part),
        project_key=key_for_issue(me, agreement, references),
        random_bytes=derive.random_bytes,
        progress=progress,
    )


def release(me: Coordinator, agreement_sha256: str | None) -> Mapping[str, bytes]:
    """The sealed results with their receipts, and a public summary, by file name, if the agreement allows any.

    1. The agreement's release rules allow it; a refusal is logged.
    2. A quorum of witnesses has signed a checkpoint of the log that holds what was issued: every result comes with the
       proof, and its recipient opens none without.

    Raises:
        ProtocolError: nothing is issued yet, or there is no such checkpoint.
        DisclosureError: a release rule refuses.
    """
    agreement = seat(me, agreement_sha256, Role.KEY_ISSUER, needs=("linkage_keys",)).agreement.file
    with database.reading(me.engine) as session:
        run = database.run_of(session, agreement.sha256, Role.KEY_ISSUER)
        report, stage = dict(run.report), Stage(run.stage)
        if stage is not Stage.RELEASED:
            _require_step(run, Step.RELEASE)
    _require_release_rules_or_log(me, agreement, report)  # 1
    receipt = log.receipt_of_issue(me, agreement)  # 2
    sealed = {name: kept(me, digest) for name, digest in report["results"].items()}
    if stage is not Stage.RELEASED:
        detail = {"results": report["results"]}
        finish(me, agreement, Role.KEY_ISSUER, Step.RELEASE, report, detail=detail)
    receipts = {f"{name}{RECEIPT_ENDING}": receipt for name in sealed}
    return {**sealed, **receipts, SUMMARY_NAME: _public_summary(agreement, report)}


def export(me: Coordinator, agreement_sha256: str | None) -> dict[str, bytes]:
    """Everything with which an auditor can verify this party's part of a run, by path in a folder.

    Raises:
        ProtocolError: no checkpoint of the log has a quorum yet.
    """
    files = log.export(me, agreement_sha256)
    certificate = certificate_of(me, registered(me, agreement_sha256).sha256)
    if certificate is not None:
        files[CERTIFICATE_NAME] = certificate
    agreement = agreements.parse(registered(me, agreement_sha256).raw, where="The registered agreement")
    if Role.KEY_ISSUER in me.roles:
        with database.reading(me.engine) as session:
            report = dict(database.run_of(session, agreement.sha256, Role.KEY_ISSUER).report)
        if report:
            refusal = _refusal(agreement, report)
            files[SUMMARY_NAME] = _public_summary(agreement, report, refusal=refusal)
    return files


def report(me: Coordinator, agreement_sha256: str | None) -> dict[str, Any]:
    """What a run has found and what that rests on, as far as it has come; each role runs this on its own store.

    A run that `release` refuses has a report too, with the reason.

    Returns:
        Values of JSON's types: counts that are not small, parameters and estimates. No score of a single pair.

    Raises:
        ProtocolError: nothing has been matched or issued yet.

    Leaks: to whoever reads it, how many people and pairs there are, and how often records of one person disagree.
        It is for the coordinator's own office, unless the parties agree otherwise.
    """
    row = registered(me, agreement_sha256)
    agreement = agreements.parse(row.raw, where="The registered agreement")
    with database.reading(me.engine) as session:
        runs = {role: database.run_of(session, agreement.sha256, role) for role in me.roles}
        found = {role: (Stage(run.stage), dict(run.report)) for role, run in runs.items() if run.report}
    if not found:
        raise ProtocolError(
            "There is nothing to report yet.", hint="Run 'coordinator match' or 'coordinator issue' first."
        )
    matched, issued = found.get(Role.MATCHER), found.get(Role.KEY_ISSUER)
    return documents.document(
        agreement,
        stages={role.value: stage.value for role, (stage, _) in found.items()},
        matched=matched[1] if matched else None,
        issued=issued[1] if issued else None,
        refusal=_refusal(agreement, issued[1]) if issued else None,
    )


def link(
    me: Coordinator,
    agreement_sha256: str | None,
    *,
    budget: Budget | None = None,
    engine: EngineName = "local",
    progress: Progress,
) -> dict[str, Any]:
    """Match, hand the pairs over, issue: for an office that holds both roles. Arguments are those of `match`.

    Raises:
        ProtocolError: this store holds one role only.
    """
    if set(me.roles) != {Role.MATCHER, Role.KEY_ISSUER}:
        raise ProtocolError(
            "This store holds one coordinator role only.",
            hint="Run 'coordinator match' or 'coordinator issue'.",
        )
    agreement, sealed = matched_pairs(me, agreement_sha256, budget=budget, engine=engine, progress=progress)
    with database.reading(me.engine) as session:
        handed_over = bool(database.parts_of(session, agreement.sha256, pairs.KIND))
    if not handed_over:
        with kept_stream(me, sealed) as file:
            receive(me, file)
    return issue(me, agreement.sha256, budget=budget, progress=progress)


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
            for kind, dataset in wanted(agreement, role)
            if (kind, dataset) not in here
        ],
        "gone_by": gone_by(agreement, role, row.registered_at),
        "destroyed_on": _destroyed_on(session, row.sha256),
    }


def _destroyed_on(session: Session, sha256: str) -> str | None:
    begun = database.destruction_of(session, sha256)
    return None if begun is None or begun.destroyed_on is None else str(begun.destroyed_on)


def run_report(me: Coordinator, agreement_sha256: str | None, role: Role) -> dict[str, Any]:
    """What a role's last step has kept of its work, with exact counts: for the office whose store it is."""
    with database.reading(me.engine) as session:
        return dict(database.run_of(session, registered(me, agreement_sha256).sha256, role).report)


def _require_next_version(session: Session, agreement: AgreementFile) -> None:
    """Refuse an agreement that is registered already, or does not follow the newest version that is."""
    project = agreement.content.project
    if session.get(AgreementRow, agreement.sha256):
        raise ProtocolError("This agreement is registered already.")
    newest = database.newest_version(session, project.id)
    if newest is not None and project.version == newest.version:
        raise ProtocolError(
            f"Version {newest.version} of '{project.id}' is registered with other bytes.",
            hint="Raise project.version and name the previous digest, or give another project.id.",
        )
    if newest is not None and project.version < newest.version:
        raise ProtocolError(
            f"Version {newest.version} of this agreement is registered: an older one is not taken up again."
        )
    if newest is not None and (project.version, project.previous_sha256) != (
        newest.version + 1,
        newest.sha256,
    ):
        raise ProtocolError(
            f"This agreement does not follow version {newest.version}, which is registered.",
            hint=f"The next one is version {newest.version + 1}, with previous_sha256 '{newest.sha256}'.",
        )


def _require_my_roles(me: Coordinator, agreement: AgreementFile) -> None:
    party = require_mine(agreement.content, me.identity)
    missing = [role for role in me.roles if role.value not in party.roles]
    if missing:
        raise ConfigError(
            f"The agreement does not make '{party.id}' its {' or '.join(missing)}.",
            hint="Use the store of the party that holds the role.",
        )


def _open_references(me: Coordinator, mine: Signatory, part: PartRow) -> References:
    return submission.parse_references(open_part(me, mine, part), mine.agreement.file)


def _require_one_secret(encodings: Mapping[str, EncodingsAtHand]) -> None:
    """Different secrets are refused, never silently unmatched."""
    require_one_secret({name: each.header.key_check for name, each in encodings.items()})


def _require_step(run: RunRow, step: Step) -> None:
    stages.after(Role(run.role), Stage(run.stage), step)


def _require_release_rules(agreement: AgreementFile, report: Mapping[str, Any]) -> None:
    """Refuse what the agreement's rules don't allow out.

    1. Where the threshold was estimated, links are made that reach the target precision for sure.
    2. Enough people are linked.
    3. Every two datasets share enough people.

    Raises:
        DisclosureError: a rule is broken; the first of them is told.
    """
    linkage, rules = agreement.content.linkage, agreement.content.release
    if linkage.threshold == "estimated":
        _require_sure_links(linkage.target_precision, report)
    if report["linked_people"] < rules.min_linked_people:
        raise DisclosureError(
            f"Fewer people were linked than the agreement's release.min_linked_people ({rules.min_linked_people}) "
            "asks for.",
            hint="Nothing is released. Check that the datasets are about the same people.",
        )
    for each in report["overlaps"]:
        if rules.min_overlap is not None and each["share"] < rules.min_overlap:
            raise DisclosureError(
                f"'{each['left']}' and '{each['right']}' share fewer people than the agreement's "
                f"release.min_overlap ({rules.min_overlap}) asks for.",
                hint="Nothing is released. Check that the datasets are about the same people.",
            )


def _require_release_rules_or_log(
    me: Coordinator, agreement: AgreementFile, report: Mapping[str, Any]
) -> None:
    """Refuse by the release rules, and write a refusal into the log, unless it was the last thing to be written."""
    try:
        _require_release_rules(agreement, report)
    except DisclosureError as error:
        log.refused(me, agreement, error.message)
        raise


def _require_sure_links(target: float, report: Mapping[str, Any]) -> None:
    """The stop rule: the lower end of the estimated precision's interval is at the target or above."""
    low = report["estimated_precision"]["low"]
    if low is None:
        raise DisclosureError(
            f"No threshold makes it sure that the agreement's linkage.target_precision ({target}) is reached.",
            hint="Nothing is released. Either few people are in several datasets, or the identifiers or the records "
            "are too few to tell; 'coordinator report' shows what was found.",
        )
    if low < target:
        raise DisclosureError(
            # No figure: what is said here goes into the log, and so to whoever reads an export.
            f"Precision may be lower than the agreement's linkage.target_precision ({target}).",
            hint="Nothing is released. 'coordinator report' shows what was found.",
        )


def _refusal(agreement: AgreementFile, report: Mapping[str, Any]) -> str | None:
    """Why a release rule refuses; None if none does."""
    try:
        _require_release_rules(agreement, report)
    except DisclosureError as error:
        return error.message
    return None


def _matching_evidence(
    agreement: AgreementFile, matched: Matched, encodings: Mapping[str, EncodingsAtHand]
) -> dict[str, Any]:
    limit = agreement.content.release.small_number_limit
    names = ("blocking_pass", "left", "right", "compared", "pairs")
    suppressed = [
        Suppressed(header.dataset, each.name, records)
        for header in (encodings[dataset.name].header for dataset in agreement.content.dataset)
        if isinstance(header, FieldFilterHeader)
        for each, records in zip(header.passes, header.suppressed, strict=True)
    ]
    return {
        "passes": counted_by_pass(
            [{name: getattr(table, name) for name in names} for table in matched.tables], limit
        ),
        "suppressed": suppressed_records(suppressed, limit),
        **({"blocking": list(matched.blocking)} if matched.blocking else {}),
    }


def _public_summary(
    agreement: AgreementFile, report: Mapping[str, Any], *, refusal: str | None = None
) -> bytes:
    """What everybody may know of a run, auditors included: no small count, and people in steps of the limit.

    Of a run that a release rule refuses it tells no people at all: how many they are may be what the rule is about. Its
    digest is in the log, and a number in steps could be found by trying them all.

    A department that sent a record more or less, in another version, would see one person in an exact number; and if
    (nearly) everybody was linked, the number would tell who was. So it stops short of all that could be.
    """
    limit = agreement.content.release.small_number_limit
    sizes = report["records"].values()
    people = min(report["linked_people"], max(sum(sizes) - max(sizes) - limit, 0))
    summary = {
        "project": agreement.content.project.id,
        "agreement_sha256": agreement.sha256,
        "records": {
            name: count if count >= limit else f"fewer than {limit}"
            for name, count in report["records"].items()
        },
        "linked_people": people // limit * limit if refusal is None else None,
        "method": report["method"],
    }
    return (json.dumps(summary, indent=2) + "\n").encode()


def _sealed_bytes(me: Coordinator, part: PartRow) -> int:
    """How long a part's container is, which is hardly longer than its document; 0 if it is missing."""
    path = me.folder / "containers" / part.container_sha256
    return path.stat().st_size if path.is_file() else 0


def _sealed_results(mine: Signatory, issued: Issued) -> Iterator[tuple[str, bytes]]:
    """Each result, sealed to its recipient, with its file name."""
    agreement = mine.agreement
    for document in issued.linkage_keys:
        about = document.header
        yield (
            f"{about.dataset}.linkage-keys",
            seal_for(
                agreement.content.party_named(about.party),
                linkage_keys.write(document),
                me=mine,
                kind=linkage_keys.KIND,
                records=about.records,
                dataset=about.dataset,
                submission=about.submission,
            ),
        )
    if agreement.content.release.crosswalk_to is not None:
        yield (
            "crosswalk",
            seal_for(
                agreement.content.party_named(agreement.content.release.crosswalk_to),
                crosswalk.write(issued.crosswalk),
                me=mine,
                kind=crosswalk.KIND,
                records=issued.crosswalk.header.records,
            ),
        )
