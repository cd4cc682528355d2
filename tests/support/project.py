"""A small project of three departments, ready to run, and what may be done with it.

Made once a session by `make_project`, in process; each test works on a copy. The agreement is a draft from the
tables' headers, as a department would start.
"""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Collection, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime
from functools import cache
from pathlib import Path
from typing import Any
from unittest import mock

from coordinator import log, operations
from coordinator.operations import Coordinator
from coordinator.store.stages import Role
from pprl import department, sharing
from pprl import witness as witnessing
from pprl.agreements.amend import with_keys, with_rehearsal_approvals, with_values
from pprl.agreements.draft import DatasetSketch, draft
from pprl.crypto import risk_statements, signatures
from pprl.crypto.exchange import Signatory
from pprl.crypto.identity import Identity, create
from pprl.encode.linkage_secret import LinkageSecret
from pprl.encode.row_commitments import RowCommitment
from pprl.errors import PprlError
from pprl.files import holdings, seen
from pprl.files import party as party_files
from pprl.files.atomic import write_new
from pprl.files.holdings import Holdings, RiskFiles, SignatureFiles
from pprl.protocol.agreement import AgreementFile, Scheme, parse
from pprl.protocol.signatures import others, signatories
from tests.support import risk
from tests.support.keys import asked, key_file_of, opened
from tests.support.people import tables, write_table

BEGIN, END = date(2020, 1, 1), date(2090, 12, 31)
APPROVED, TODAY = date(2021, 6, 1), date(2021, 6, 2)
DATASETS = ("police", "court", "prison")
DEPARTMENTS = tuple(f"{name}-dept" for name in DATASETS)
MATCHER, ISSUER, RESEARCH = "matcher", "key-issuer", "research"
PARTIES = (*DEPARTMENTS, MATCHER, ISSUER, RESEARCH)

Values = Mapping[tuple[str | int, ...], Any]


@dataclass(frozen=True, slots=True)
class Project:
    """A folder with everything that all parties hold: here one machine holds it all.

    ::

        police.csv ...          the departments' tables
        agreement.toml
        agreement.signatures/   everybody's signatures
        keys/PARTY.key          and PARTY.XXXXXXXX/, with run key, share and linkage secret
        shares/XXXXXXXX/        the sealed shares that departments have handed each other
        police.submission       and police.submission.home-map.csv, police.submission.row-salts
    """

    folder: Path

    @property
    def agreement_path(self) -> Path:
        """The agreement's file."""
        return self.folder / "agreement.toml"

    @property
    def agreement(self) -> AgreementFile:
        """The agreement."""
        return parse(self.agreement_path.read_bytes(), where="agreement.toml")

    def data(self, dataset: str) -> Path:
        """A department's table."""
        return self.folder / f"{dataset}.csv"

    def key(self, party: str) -> Path:
        """A party's key file."""
        return self.folder / "keys" / f"{party}.key"

    def identity(self, party: str) -> Identity:
        """A party's keys."""
        return opened(self.key(party).read_bytes())

    def holdings(self, party: str, agreement: AgreementFile | None = None) -> Holdings:
        """A party's own part of an agreement, by default the project's."""
        return Holdings.beside(self.key(party), party, (agreement or self.agreement).sha256)

    def secret(self, party: str, agreement: AgreementFile | None = None) -> Path:
        """A department's linkage secret of an agreement, by default the project's."""
        return self.holdings(party, agreement).linkage_secret

    def shares(self, agreement: AgreementFile | None = None) -> Path:
        """The folder of the sealed shares, as the departments have handed them out."""
        return self.folder / "shares" / (agreement or self.agreement).sha256[:8]

    def share(self, sender: str, recipient: str) -> Path:
        """A sealed share."""
        return self.shares() / sharing.file_name(sender, recipient)

    def submission(self, dataset: str) -> Path:
        """What a department sends."""
        return self.folder / f"{dataset}.submission"

    @property
    def submissions(self) -> list[Path]:
        """What all departments send."""
        return [self.submission(dataset) for dataset in DATASETS]

    def home_map(self, dataset: str) -> Path:
        """What a department keeps."""
        return self.folder / f"{dataset}.submission.home-map.csv"

    def row_salts(self, dataset: str) -> Path:
        """What a department keeps to open rows for an auditor."""
        return self.folder / f"{dataset}.submission.row-salts"

    def store(self, role: Role) -> Path:
        """Where a coordinator role keeps its things."""
        return self.folder / f"store-{role.value}"

    def amended(self, name: str, values: Values) -> Path:
        """Another agreement: this one with some values changed."""
        return self.agreed(name, with_values(self.agreement_path.read_text("utf-8"), values))

    def agreed(self, name: str, text: str) -> Path:
        """Another agreement with this text. The departments hold a linkage secret for it."""
        path = self.folder / name
        path.write_text(text, encoding="utf-8")
        agreement = parse(path.read_bytes(), where=name)
        self.sign(path, agreement)
        return path

    def sign(self, path: Path, agreement: AgreementFile) -> None:
        """Everybody signs an agreement, compares its words, and the departments make its linkage secret."""
        for party in DEPARTMENTS:
            sharing.commit(agreement, self.identity(party), self.holdings(party, agreement))
        for signing in signatories(agreement.content):
            self._sign_as(signing.id, path, agreement)
        # An agreement that nobody could work under, which some tests want, gets no secret.
        with suppress(PprlError):
            self.make_secret(path, agreement)

    def make_secret(self, path: Path, agreement: AgreementFile) -> None:
        """The departments hand each other their shares, and take them up."""
        self.signatory(DEPARTMENTS[0], path)
        self.shares(agreement).mkdir(parents=True)
        for party in DEPARTMENTS:
            self.hand_out(party, path)
        for party in DEPARTMENTS:
            self.accept(party, path, *DEPARTMENTS)

    def hand_out(self, party: str, path: Path) -> None:
        """A department seals its share to each other department."""
        me = self.signatory(party, path)
        folder = self.shares(me.agreement.file)
        targets = {other: folder / sharing.file_name(party, other) for other in DEPARTMENTS if other != party}
        sharing.share(me, self.holdings(party, me.agreement.file), targets, force=False)

    def accept(self, party: str, path: Path, *senders: str) -> sharing.Accepted:
        """A department accepts the shares of others that have been handed out."""
        me = self.signatory(party, path)
        names = [sharing.file_name(sender, party) for sender in senders if sender != party]
        files = [(name, (self.shares(me.agreement.file) / name).read_bytes()) for name in names]
        return sharing.accept(me, self.holdings(party, me.agreement.file), files)

    def _sign_as(self, party: str, path: Path, agreement: AgreementFile) -> None:
        identity, key_path, kept = self.identity(party), self.key(party), self.holdings(party, agreement)
        commitment = kept.commitment.read_text("ascii").strip() if kept.commitment.exists() else None
        run_key = holdings.made_run_key(kept, identity, agreement).public
        folder = holdings.signatures_beside(path)
        folder.mkdir(exist_ok=True)
        if agreement.content.project.version > 1:
            (folder / holdings.PREVIOUS_NAME).write_bytes(self.agreement_path.read_bytes())
        raw = signatures.sign(agreement, identity, run_key=run_key, commitment=commitment, today=APPROVED)
        write_new(holdings.signature_path(folder, party), raw)
        everybody = others(agreement.content, party)
        seen.change(
            seen.path_beside(key_path, party),
            # Tests make many agreements of one project and version; a party works under the last one.
            lambda before: (
                replace(before, agreements={})
                .with_agreement(agreement)
                .with_heard(agreement, everybody, today=APPROVED)
            ),
        )

    def signatory(self, party: str, agreement_path: Path | None = None) -> Signatory:
        """A party at work, which forgets the version that it has seen: tests have many agreements of one project."""
        path = agreement_path or self.agreement_path
        agreement = _parsed(path.read_bytes())
        signed = party_files.signed_agreement(agreement, path, today=TODAY)
        identity = self.identity(party)
        run_key = holdings.run_key_of(self.holdings(party, agreement), identity, agreement)
        return Signatory.take_seat(identity, signed, run_key)

    def signature_files(self, agreement_path: Path | None = None) -> SignatureFiles:
        """Everybody's signatures of an agreement, by default the project's."""
        return holdings.read_signatures(holdings.signatures_beside(agreement_path or self.agreement_path))

    def limiting(self, section: str = risk.RISK + risk.EXCEPTIONS, *, name: str = "limiting.toml") -> Path:
        """Another agreement, which limits the people whom attackers may name: nothing leaves without a statement."""
        text = with_values(
            self.agreement_path.read_text("utf-8"), {("privacy", "risk"): risk.values(section)}
        )
        return self.agreed(name, text)

    def limit(self, section: str = risk.RISK + risk.EXCEPTIONS) -> None:
        """Put such an agreement in the place of the project's; the departments state their risk and encode again."""
        self.adopt(self.limiting(section))
        for dataset in DATASETS:
            self.state(dataset)
            self.submit(dataset, agreement_path=self.agreement_path)

    def bypassing(self, dataset: str, statement: bytes, agreement_path: Path | None = None) -> bytes:
        """A submission with any bytes in the place of its risk statement, of a department that has cut its gate out."""
        path = agreement_path or self.agreement_path
        party = _parsed(path.read_bytes()).content.dataset_named(dataset).party
        with (
            mock.patch.object(risk_statements, "open_risk_statement"),
            mock.patch.object(risk_statements, "require_passing"),
        ):
            made = _encode(
                self,
                dataset,
                self.signatory(party, path),
                self.held_secret(party, path),
                path=path,
                stated=RiskFiles(statement, risk.SALT_KEY),
            )
        return made.file

    def stated(self, dataset: str, agreement_path: Path | None = None, **changes: Any) -> RiskFiles:
        """A made-up risk statement of a department's table as it is, with its salt key; no attack is run."""
        path = agreement_path or self.agreement_path
        agreement = _parsed(path.read_bytes())
        agreed = agreement.content.dataset_named(dataset)
        table = department.open_dataset(self.data(dataset), agreed, encoding=None, delimiter=None)
        committed = RowCommitment(agreed, agreement.content, risk.SALT_KEY)
        batches = ((each.first_row, each.columns) for each in table.batches(department.columns_of(agreed)))
        records = sum(len(next(iter(columns.values()))) for _, columns in committed.over(batches))
        return risk.stated(
            self.identity(agreed.party), agreement, dataset, records, committed.root(), **changes
        )

    def state(self, dataset: str, agreement_path: Path | None = None, **changes: Any) -> Path:
        """Put such a statement where its department keeps it; gives the file."""
        agreement = _parsed((agreement_path or self.agreement_path).read_bytes())
        party = agreement.content.dataset_named(dataset).party
        kept = self.holdings(party, agreement)
        files = self.stated(dataset, agreement_path, **changes)
        holdings.keep_risk(kept, self.identity(party), agreement, dataset, files)
        return kept.risk_statement(dataset)

    def one_office(self) -> Path:
        """Another agreement, in which the matcher is the key issuer as well."""
        text = self.agreement_path.read_text("utf-8")
        for old, new in (
            ('profile = "accuracy-first"\n', ""),
            ('roles = ["key-issuer"]', 'roles = ["auditor"]'),
            ('["matcher"]', '["matcher", "key-issuer"]'),
        ):
            text = text.replace(old, new)
        return self.agreed("one-office.toml", text)

    def encode(
        self, dataset: str, *, agreement_path: Path | None = None, secret: LinkageSecret | None = None
    ) -> bytes:
        """A department's submission, made in process; its home map is thrown away."""
        path = agreement_path or self.agreement_path
        agreement = parse(path.read_bytes(), where=path.name)
        agreed = agreement.content.dataset_named(dataset)
        me = self.signatory(agreed.party, path)
        return _encode(self, dataset, me, secret or self.held_secret(agreed.party, path), path=path).file

    def submit(
        self, dataset: str, *, agreement_path: Path, previous: Mapping[str, str] | None = None
    ) -> department.SealedSubmission:
        """Encode under another agreement, with the linkage keys of last time, and leave all that in the folder."""
        agreement = parse(agreement_path.read_bytes(), where=agreement_path.name)
        party = agreement.content.dataset_named(dataset).party
        me = self.signatory(party, agreement_path)
        made = _encode(
            self, dataset, me, self.held_secret(party, agreement_path), previous, path=agreement_path
        )
        write_new(self.submission(dataset), made.file, force=True)
        write_new(self.home_map(dataset), made.home_map, force=True, mode=0o600)
        return made

    def held_secret(self, party: str, agreement_path: Path | None = None) -> LinkageSecret:
        """The secret that a department holds."""
        me = self.signatory(party, agreement_path)
        return sharing.secret_of(me, self.holdings(party, me.agreement.file))

    def open_store(self, role: Role, *, agreement_path: Path | None = None) -> Coordinator:
        """A new store of a coordinator role, with the agreement registered."""
        party = {Role.MATCHER: MATCHER, Role.KEY_ISSUER: ISSUER}[role]
        operations.initialise(self.store(role), key_file=self.key(party), passphrase=asked, roles=(role,))
        me = operations.open_store(self.store(role), asked)
        self.register(me, agreement_path or self.agreement_path)
        return me

    def register(self, me: Coordinator, path: Path) -> None:
        """Take up an agreement with everybody's signatures."""
        operations.register(me, path.read_bytes(), self.signature_files(path), where=path.name)

    def adopt(self, path: Path) -> None:
        """Put another agreement in the place of the project's."""
        self.agreement_path.write_bytes(path.read_bytes())
        folder = holdings.signatures_beside(self.agreement_path)
        shutil.rmtree(folder)
        shutil.copytree(holdings.signatures_beside(path), folder)

    def receive_all(self, role: Role) -> Coordinator:
        """A new store that has received every department's submission."""
        me = self.open_store(role)
        for path in self.submissions:
            operations.receive(me, path.read_bytes())
        return me

    def match(self) -> bytes:
        """The pairs, sealed, from a new matcher's store."""
        return operations.match(self.receive_all(Role.MATCHER), None, progress=silent)[1]

    def issue(self) -> Coordinator:
        """A new issuer's store, whose run is issued."""
        pairs = self.match()
        me = self.receive_all(Role.KEY_ISSUER)
        operations.receive(me, pairs)
        operations.issue(me, None, progress=silent)
        return me

    def witness(
        self,
        me: Coordinator,
        parties: Collection[str] = DEPARTMENTS,
        *,
        memories: Path | None = None,
        agreement_sha256: str | None = None,
    ) -> None:
        """Let witnesses sign a store's log as it is.

        Args:
            me: the store.
            parties: the witnesses who do.
            agreement_sha256: whose log it is, if several are registered.
            memories: where they remember it, if not beside their keys: they then know nothing of other stores.
        """
        agreement = log.read(me, agreement_sha256).agreement
        for party, request in log.checkpoint(me, agreement_sha256).items():
            if party in parties:
                memory = seen.path_beside((memories or self.folder / "keys") / "any.key", party)
                log.cosign(me, self.cosignature(party, request, agreement, memory))

    def cosignature(
        self, party: str, request: bytes, agreement: AgreementFile | None = None, memory: Path | None = None
    ) -> bytes:
        """What a witness answers to a request."""
        memory = memory or seen.path_beside(self.key(party), party)
        done = witnessing.witness(
            request, agreement or self.agreement, self.identity(party), memory=memory, now=datetime.now(UTC)
        )
        return done.cosignature

    def release(self) -> Path:
        """A folder with the released results."""
        folder = self.folder / "results"
        folder.mkdir()
        me = self.issue()
        self.witness(me)
        for name, sealed in operations.release(me, None).items():
            (folder / name).write_bytes(sealed)
        return folder

    def copy(self, folder: Path) -> Project:
        """The same again, elsewhere."""
        shutil.copytree(self.folder, folder)
        return Project(folder)


@cache
def _parsed(raw: bytes) -> AgreementFile:
    """An agreement, each parsed once: a project asks for the same one many times."""
    return parse(raw, where="agreement.toml")


def silent(_what: str, _share: float) -> None:
    """Progress that nobody watches."""


def nothing_seen(_count: int) -> None:
    """A count of records that nobody watches."""


def make_project(folder: Path, scheme: Scheme) -> Project:
    """Make a project: tables, agreement, keys, secret, submissions."""
    project = Project(folder)
    (folder / "keys").mkdir(parents=True)
    for name, table in tables().items():
        write_table(project.data(name), table)
    identities = {party: create(party) for party in PARTIES}
    for party, identity in identities.items():
        write_new(project.key(party), key_file_of(identity), mode=0o600)
    project.agreed("agreement.toml", _agreement(identities, scheme))
    for name, party in zip(DATASETS, DEPARTMENTS, strict=True):
        me = project.signatory(party)
        made = _encode(project, name, me, project.held_secret(party))
        write_new(project.submission(name), made.file)
        write_new(project.home_map(name), made.home_map, mode=0o600)
        write_new(project.row_salts(name), made.row_salts, mode=0o600)
    return project


def draft_text(scheme: Scheme) -> str:
    """The draft of the agreement: no keys yet, no approvals."""
    sketches = [
        DatasetSketch(
            name, tuple(column for column in table if column != "person_id"), len(table["person_id"])
        )
        for name, table in tables().items()
    ]
    text = draft(
        sketches,
        project_id="small",
        title="A small project",
        today=APPROVED,
        duplicates=["police"],
        scheme=scheme,
    )
    values: dict[tuple[str | int, ...], Any] = {
        # So few links can't make a higher share sure.
        ("linkage", "target_precision"): 0.8,
        ("project", "valid_from"): BEGIN,
        ("project", "valid_until"): END,
        ("dpia", "expires"): END,
    }
    return with_values(text, values)


def tree(folder: Path) -> dict[str, str]:
    """Every file and folder below a folder, with mode and digest."""
    return {
        str(path.relative_to(folder)): f"{path.lstat().st_mode:o} "
        + (hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() else "")
        for path in sorted(folder.rglob("*"))
    }


def _agreement(identities: Mapping[str, Identity], scheme: Scheme) -> str:
    text = with_keys(draft_text(scheme), {party: identity.public for party, identity in identities.items()})
    return with_rehearsal_approvals(text, today=APPROVED)


def _encode(
    project: Project,
    dataset: str,
    me: Signatory,
    secret: LinkageSecret,
    previous: Mapping[str, str] | None = None,
    *,
    path: Path | None = None,
    stated: RiskFiles | None = None,
) -> department.SealedSubmission:
    agreed = me.agreement.content.dataset_named(dataset)
    if me.agreement.content.privacy.risk and stated is None:
        stated = project.stated(dataset, path)
    return department.encode_and_seal(
        department.open_dataset(project.data(dataset), agreed, encoding=None, delimiter=None),
        agreed,
        me,
        secret,
        previous=previous,
        risk=stated,
        seen=nothing_seen,
    )
