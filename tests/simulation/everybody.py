"""Everybody who takes part in a run, each with a folder of its own, and one method for each step that can be tried.

A step is a line such as "share police" or "send court matcher": the name of a method and its arguments. Each method
knows from what happened before whether the step must come through, and takes it through the public functions that the
commands run. What must hold after every step is in `after_every_step`; test_protocol.py numbers and explains it.
"""

from __future__ import annotations

import copy
import csv
import hashlib
import io
import shutil
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import pairwise
from pathlib import Path
from typing import Any
from unittest import mock

import pytest

from coordinator import log, operations
from coordinator.operations import Coordinator
from coordinator.store import stages
from coordinator.store.stages import LOGGED_AS, TRANSITIONS, Role, Stage
from pprl import department, sharing, signing, standing, witness
from pprl.crypto import container, notes, reseal
from pprl.crypto.exchange import Signatory
from pprl.errors import PprlError, ProtocolError
from pprl.files import holdings, seen
from pprl.files import party as party_files
from pprl.files.atomic import made_folder, write_new
from pprl.files.exported import read_export, read_version
from pprl.files.holdings import Holdings
from pprl.protocol import checkpoint, merkle, receipt, submission
from pprl.protocol import log as log_format
from pprl.protocol.agreement import AgreementFile, parse
from pprl.protocol.signatures import others
from pprl.verification.checks import verify_run
from tests.support.keys import asked, opened
from tests.support.people import tables
from tests.support.project import DATASETS, TODAY, Project, nothing_seen, silent, tree
from tests.support.submissions import write_submission

ROLES = {"matcher": Role.MATCHER, "issuer": Role.KEY_ISSUER}
IDS = {**{name: f"{name}-dept" for name in DATASETS}, "matcher": "matcher", "issuer": "key-issuer"}
IDS["research"] = "research"
EVERYBODY = tuple(IDS)
PLACES = {"keep": "coordinator.operations.keep", "log": "coordinator.store.database.move_on"}

Step = Callable[[], Any]


class Crash(BaseException):
    """The machine stops here, and nothing catches it."""


@dataclass(frozen=True, slots=True)
class World:
    """What is the same in every example, made once.

    Attributes:
        project: keys and tables.
        versions: the agreement's two versions.
        foreign_submission: of police, under an agreement that nobody registers.
        foreign_share: from police to court, under that agreement.
        personal: what stands in the tables and nowhere else.
    """

    project: Project
    versions: tuple[bytes, bytes]
    foreign_submission: bytes
    foreign_share: bytes
    personal: frozenset[bytes]

    @classmethod
    def of(cls, project: Project) -> World:
        """The world of a small project."""
        first = project.agreement
        second = project.amended(
            "second.toml", {("project", "version"): 2, ("project", "previous_sha256"): first.sha256}
        )
        other = project.amended("other.toml", {("linkage", "target_precision"): 0.9})
        shares = project.shares(parse(other.read_bytes(), where="other.toml"))
        return cls(
            project,
            (first.raw, second.read_bytes()),
            project.encode("police", agreement_path=other),
            (shares / sharing.file_name(IDS["police"], IDS["court"])).read_bytes(),
            frozenset(_personal_values()),
        )


def _personal_values() -> Iterator[bytes]:
    for table in tables().values():
        for values in table.values():
            for value in values:
                if len(value) > 6:
                    yield value.encode()


@dataclass(frozen=True, slots=True)
class Draft:
    """What a department has encoded: the file to send, and the map that it keeps."""

    file: bytes
    home_map: bytes


@dataclass(frozen=True, slots=True)
class Asked:
    """A witness request, and the log as it was then."""

    raw: bytes
    entries: tuple[bytes, ...]


@dataclass(slots=True)
class Kept:
    """What a role's store should hold of one version of the agreement.

    Attributes:
        stage: where the run stands.
        signatures: those that it registered.
        destroying: whether its destruction was begun, and stopped.
        relayed: the sealed shares that it was handed, by sender and recipient.
        parts: which draft of each dataset was taken in; of "pairs", which drafts they were made of.
        pairs: the pairs that were taken in.
        output: what the work gave, which must come again.
        entries: the log as it was last seen.
        checkpoints: the log at each checkpoint's size.
        cosigned: the witnesses whose signatures came, by the checkpoint's size.
    """

    stage: Stage = Stage.COLLECTING
    signatures: dict[str, bytes] = field(default_factory=dict)
    parts: dict[str, Any] = field(default_factory=dict)
    destroying: bool = False
    relayed: set[tuple[str, str]] = field(default_factory=set)
    pairs: bytes = b""
    output: Any = None
    entries: tuple[bytes, ...] = ()
    checkpoints: dict[int, tuple[bytes, ...]] = field(default_factory=dict)
    cosigned: dict[int, set[str]] = field(default_factory=dict)

    def quorum_holds(self, place: int) -> bool:
        """Whether two of the three witnesses have signed a checkpoint that holds an entry."""
        return any(size > place and len(names) >= 2 for size, names in self.cosigned.items())

    @property
    def witnessed_to_its_end(self) -> bool:
        """Whether a quorum has signed the log as it is now."""
        return len(self.cosigned.get(len(self.entries), ())) >= 2

    @property
    def place_of_issue(self) -> int:
        """Where the log tells what was issued."""
        kinds = [log_format.parse(raw).kind for raw in self.entries]
        return kinds.index("issued") if "issued" in kinds else len(kinds)


@dataclass(slots=True)
class Version:
    """What has happened under one version of the agreement, and what is on its way.

    Attributes:
        agreement: the version.
        committed: the departments that have drawn their shares.
        signatures: handed out, by party.
        beside: the signatures that each party has beside its agreement.
        heard: who has compared the agreement's words with everybody.
        shares: sealed shares on their way, by sender and recipient.
        ever_shared: every sealed share that was ever handed out.
        held: whose shares each department has accepted.
        pleas: what departments that lost their shares have asked, and
        resealed: what came back, by who answered and who asked.
        drafts: what each department has encoded.
        kept: what each role's store should hold; a role is there once it has registered.
        pairs: the matcher's output, and of which drafts.
        requests: witness requests, by witness and log.
        answers: cosignatures on their way, by witness and log.
        signed: the log as each witness signed it last, by witness and log.
        results: what was released, and of which drafts.
        keys_gone: the roles whose run keys were destroyed.
    """

    agreement: AgreementFile
    committed: set[str] = field(default_factory=set)
    signatures: dict[str, bytes] = field(default_factory=dict)
    beside: dict[str, dict[str, bytes]] = field(default_factory=lambda: {name: {} for name in EVERYBODY})
    heard: set[str] = field(default_factory=set)
    shares: dict[tuple[str, str], bytes] = field(default_factory=dict)
    ever_shared: dict[tuple[str, str], bytes] = field(default_factory=dict)
    held: dict[str, set[str]] = field(default_factory=lambda: {name: {name} for name in DATASETS})
    pleas: dict[str, bytes] = field(default_factory=dict)
    resealed: dict[tuple[str, str], bytes] = field(default_factory=dict)
    drafts: dict[str, list[Draft]] = field(default_factory=lambda: {name: [] for name in DATASETS})
    kept: dict[str, Kept] = field(default_factory=dict)
    pairs: tuple[bytes, Any] | None = None
    requests: dict[tuple[str, str], list[Asked]] = field(default_factory=dict)
    answers: dict[tuple[str, str], tuple[bytes, tuple[bytes, ...]]] = field(default_factory=dict)
    signed: dict[tuple[str, str], tuple[bytes, ...]] = field(default_factory=dict)
    results: tuple[dict[str, bytes], dict[str, Any]] | None = None
    keys_gone: set[str] = field(default_factory=set)


class Everybody:
    """The parties, their folders, and what should be in them."""

    def __init__(self, world: World, folder: Path) -> None:
        self.world = world
        self.folder = folder
        self.stores: dict[str, Coordinator] = {}
        self.copies: dict[str, tuple[Path, list[Kept | None]]] = {}
        self.taken: list[str] = []
        self.reached: set[tuple[Role, Stage]] = set()
        self._looked_at: dict[str, Any] = {}
        self._secrets: dict[tuple[int, str], bytes] = {}
        for name in EVERYBODY:
            home = folder / name
            home.mkdir()
            shutil.copy(world.project.key(IDS[name]), self.key(name))
        self.versions = [self._new_version()]
        for name in ROLES:
            self.store(name)

    @property
    def now(self) -> Version:
        """The version that everybody works under."""
        return self.versions[-1]

    # How steps are taken.

    def take(self, line: str) -> None:
        """Take the step that a line tells, and look whether everything still holds."""
        name, *arguments = line.split()
        if name != "go_on":
            self.taken.append(line)
        getattr(self, name)(*arguments)
        self.after_every_step()

    def go_on(self, steps: str) -> None:
        """Take the next steps of a run in which all goes well."""
        for _ in range(int(steps)):
            line = self.next_step()
            if line is None:
                return
            self.take(line)

    def attempt(self, step: Step, *, refused: bool) -> Any:
        """Take a step that must come through, or one that must be refused and change nothing: invariant 4."""
        if not refused:
            return step()
        before = self.everything()
        with pytest.raises(PprlError):
            step()
        assert self.everything() == before, "a refused step changed something"
        return None

    def everything(self) -> dict[str, str]:
        """Every file of everybody, with mode and digest."""
        return tree(self.folder)

    # The agreement, and the linkage secret.

    def commit(self, name: str) -> None:
        """A department draws its share. Invariant 5: once, and none anew if it was lost."""
        lost = name in self.now.committed and name not in self.now.held[name]
        found = self.attempt(
            lambda: sharing.commit(self.now.agreement, self.identity(name), self.kept(name)), refused=lost
        )
        if found is None:
            return
        first, _ = found
        again, new = sharing.commit(self.now.agreement, self.identity(name), self.kept(name))
        assert (again, new) == (first, False)
        self.now.committed.add(name)

    def sign(self, name: str) -> None:
        """A party signs. A department must have committed, and nobody signs twice unasked."""
        missing = name in DATASETS and name not in self.now.committed
        self.attempt(lambda: self._sign(name, force=False), refused=missing or name in self.now.signatures)
        if not missing:
            self._hand_out_signature(name)

    def sign_again(self, name: str) -> None:
        """A party signs once more, on purpose: another signature, of the same run key and commitment."""
        if name in self.now.signatures:
            gone = name in self.now.keys_gone
            self.attempt(lambda: self._sign(name, force=True), refused=gone)
            self._hand_out_signature(name)

    def fetch(self, name: str) -> None:
        """A party puts the signatures that were handed out beside its agreement, and verifies them all.

        If they are all there, it remembers the version: from then on, no refusal changes its memory.
        """
        folder = holdings.signatures_beside(self.agreement_path(name))
        folder.mkdir(exist_ok=True)
        for other, raw in self.now.signatures.items():
            write_new(holdings.signature_path(folder, IDS[other]), raw, force=True)
        if len(self.versions) > 1:
            write_new(folder / holdings.PREVIOUS_NAME, self.versions[0].agreement.raw, force=True)
        self.now.beside[name] = dict(self.now.signatures)
        path, identity = self.agreement_path(name), self.identity(name)
        checks = signing.verify(self.now.agreement, path, identity, self.key(name), today=TODAY)
        refused = {each.what for each in checks if each.refusal is not None}
        assert ("all together" in refused) == (not self.complete(name))

    def hear(self, name: str) -> None:
        """A party compares the agreement's words with everybody, by telephone."""
        agreement = self.now.agreement
        everybody = others(agreement.content, IDS[name])
        signing.record_heard(agreement, self.identity(name), self.key(name), everybody, today=TODAY)
        self.now.heard.add(name)

    def share(self, name: str) -> None:
        """A department seals its share to the others. Invariant 5: the same containers again."""
        out = self.folder / name / f"shares-{len(self.versions)}"
        targets = {
            other: out / sharing.file_name(IDS[name], IDS[other]) for other in DATASETS if other != name
        }

        def step() -> None:
            me = self.at_work(name)
            named = {IDS[other]: path for other, path in targets.items()}
            with made_folder(out):
                sharing.share(me, self.kept(name), named, force=False)

        ready = self.complete(name) and name in self.now.heard and name in self.now.held[name]
        self.attempt(step, refused=not ready)
        for other, path in targets.items() if ready else ():
            sealed = path.read_bytes()
            assert self.now.ever_shared.setdefault((name, other), sealed) == sealed
            self.now.shares[name, other] = sealed

    def lose_share(self, sender: str, recipient: str) -> None:
        """A sealed share is lost on its way."""
        self.now.shares.pop((sender, recipient), None)

    def accept(self, name: str, sender: str) -> None:
        """A department accepts another's share, whenever it comes."""
        sealed = self.now.shares.get((sender, name))
        if sealed is None:
            return
        found = self.attempt(lambda: self._accept(name, sealed), refused=not self.complete(name))
        if found is not None:
            self.now.held[name].add(sender)
            assert set(found.waiting) == self._missing(name)
            assert (found.secret is None) == bool(found.waiting)

    def accept_altered(self, name: str, sender: str, percent: str) -> None:
        """A share with one byte altered is refused."""
        sealed = self.now.shares.get((sender, name))
        if sealed is not None:
            self.attempt(lambda: self._accept(name, _altered(sealed, int(percent))), refused=True)

    def accept_anothers(self, name: str, sender: str) -> None:
        """A share that is sealed to somebody else is refused."""
        for (_, recipient), sealed in self.now.shares.items():
            if recipient not in {name, sender}:
                self.attempt(lambda sealed=sealed: self._accept(name, sealed), refused=True)
                return

    def accept_foreign(self) -> None:
        """A share under another agreement is refused."""
        self.attempt(lambda: self._accept("court", self.world.foreign_share), refused=True)

    def relay(self, sender: str, recipient: str, name: str) -> None:
        """A sealed share is handed to a role of the coordinator, which can't open it; twice changes nothing."""
        sealed = self.now.shares.get((sender, recipient))
        kept = self.now.kept.get(name)
        if sealed is not None:
            works = self.works(name)
            self.attempt(lambda: operations.receive(self.store(name), sealed), refused=not works)
            if kept is not None and works:
                kept.relayed.add((sender, recipient))

    def relay_altered(self, sender: str, recipient: str, name: str, percent: str) -> None:
        """The coordinator refuses a sealed share with one byte altered, though it can't open it."""
        sealed = self.now.shares.get((sender, recipient))
        if sealed is not None:
            self._refuse(name, _altered(sealed, int(percent)))

    def hand_on(self, recipient: str, name: str) -> None:
        """A role hands on what came for a department, byte for byte."""
        kept = self.now.kept.get(name)
        senders = [each for each, to in kept.relayed if to == recipient] if kept and self.works(name) else []
        me, sha256 = self.store(name), self.now.agreement.sha256
        files = self.attempt(lambda: operations.hand_on(me, sha256, IDS[recipient]), refused=not senders)
        for sender in senders:
            sealed = files[sharing.file_name(IDS[sender], IDS[recipient])]
            assert sealed == self.now.ever_shared[sender, recipient]
            self.now.shares[sender, recipient] = sealed

    def lose_secret(self, name: str) -> None:
        """A department loses everything of the ceremony but its keys."""
        if self.complete(name):
            kept = self.kept(name)
            for path in (kept.share, kept.linkage_secret):
                path.unlink(missing_ok=True)
            shutil.rmtree(kept.shares, ignore_errors=True)
            self.now.held[name] = set()

    def ask(self, name: str) -> None:
        """A department asks for all shares."""
        if self.complete(name):
            self.now.pleas[name] = reseal.ask(self.seat(name), today=TODAY)

    def log_plea(self, department_name: str, name: str) -> None:
        """A role logs that a department asks for all shares."""
        plea = self.now.pleas.get(department_name)
        if plea is not None:
            self.attempt(lambda: operations.receive(self.store(name), plea), refused=not self.works(name))

    def reseal(self, name: str, to: str) -> None:
        """A department that holds every share answers, once witnesses have signed that the other one asks."""
        plea = self.now.pleas.get(to)
        if plea is None or name == to:
            return
        proof = self._receipt_of(plea)
        refused = proof is None or not self.may_encode(name)
        done = self.attempt(
            lambda: sharing.reseal(self.at_work(name), self.kept(name), plea, proof or b"", today=TODAY),
            refused=refused,
        )
        if done is not None:
            assert done[0] == IDS[to]
            self.now.resealed[name, to] = done[1]

    def accept_resealed(self, name: str, sender: str) -> None:
        """A department takes all shares up again."""
        sealed = self.now.resealed.get((sender, name))
        if sealed is not None:
            assert self._accept(name, sealed).secret is not None
            self.now.held[name] = set(DATASETS)

    def encode(self, name: str) -> None:
        """A department encodes its table: a new draft each time, and none before it holds the secret."""
        made = self.attempt(lambda: self._encode(name), refused=not self.may_encode(name))
        if made is not None:
            home = self.folder / name / f"home-map-{len(self.versions)}-{len(self.now.drafts[name])}.csv"
            write_new(home, made.home_map, mode=0o600)
            self.now.drafts[name].append(Draft(made.file, made.home_map))

    def encode_under_the_version_before(self, name: str) -> None:
        """Whoever has verified the new version works under the old one no more."""
        if len(self.versions) > 1 and self.complete(name):
            self.attempt(lambda: self.at_work(name, self.versions[0]), refused=True)

    def new_version(self) -> None:
        """Everybody agrees that there is a next version of the agreement."""
        if len(self.versions) == 1:
            self.versions.append(self._new_version())

    # What the coordinator's two roles do.

    def register(self, name: str) -> None:
        """A role takes up the agreement with everybody's signatures, once."""
        me, path = self.store(name), self.agreement_path(name)
        files = holdings.read_signatures(holdings.signatures_beside(path))
        refused = name in self.now.kept or not self.complete(name) or name in self.now.keys_gone
        self.attempt(
            lambda: operations.register(me, path.read_bytes(), files, where=path.name), refused=refused
        )
        if not refused:
            self.now.kept[name] = Kept(signatures=dict(self.now.beside[name]))

    def send(self, dataset: str, name: str) -> None:
        """A department sends its newest draft: once, while the run collects."""
        self._send(dataset, name, len(self.now.drafts[dataset]) - 1)

    def send_draft(self, dataset: str, name: str) -> None:
        """A department sends its first draft, of whatever draft the other role has."""
        self._send(dataset, name, 0)

    def send_cut(self, dataset: str, name: str, percent: str) -> None:
        """A truncated upload is refused."""
        for draft in self.now.drafts[dataset][-1:]:
            self._refuse(name, draft.file[: len(draft.file) * int(percent) // 100])

    def send_altered(self, dataset: str, name: str, percent: str) -> None:
        """A submission with one byte altered in the role's own part is refused."""
        for draft in self.now.drafts[dataset][-1:]:
            first, second = submission.containers(io.BytesIO(draft.file))
            offset, length = first if name == "matcher" else second
            part = _altered(draft.file[offset : offset + length], int(percent))
            self._refuse(name, draft.file[:offset] + part + draft.file[offset + length :])

    def send_mixed(self, dataset: str, name: str) -> None:
        """The halves of two drafts, put together, are refused."""
        drafts = self.now.drafts[dataset]
        if len(drafts) > 1:
            halves = [_halves(draft.file) for draft in (drafts[0], drafts[-1])]
            self._refuse(name, write_submission(halves[0][0], halves[1][1]))

    def send_foreign(self, name: str) -> None:
        """A submission under an agreement that is not registered is refused."""
        self._refuse(name, self.world.foreign_submission)

    def work_late(self, name: str) -> None:
        """Nothing is matched, issued or released under the version before once the new one is registered."""
        me = self.store(name)
        for version in self.versions[:-1] if name in self.now.kept else ():
            for step in (operations.match, operations.issue):
                self.attempt(
                    lambda step=step, sha256=version.agreement.sha256: step(me, sha256, progress=silent),
                    refused=True,
                )
            self.attempt(lambda sha256=version.agreement.sha256: operations.release(me, sha256), refused=True)

    def send_late(self, dataset: str, name: str) -> None:
        """A submission under the version before is refused once the new one is registered."""
        if name in self.now.kept:
            for draft in [each for version in self.versions[:-1] for each in version.drafts[dataset]][:1]:
                self._refuse(name, draft.file)

    def match(self) -> None:
        """The matcher's work. Invariant 5: asked again, it gives the same pairs."""
        kept = self.now.kept.get("matcher")
        me, sha256 = self.store("matcher"), self.now.agreement.sha256
        refused = kept is None or kept.stage is Stage.COLLECTING or not self.works("matcher")
        done = self.attempt(lambda: operations.match(me, sha256, progress=silent), refused=refused)
        if kept is None or done is None:
            return
        if kept.stage is Stage.MATCHED:
            assert done[1] == kept.output
        kept.stage, kept.output = Stage.MATCHED, done[1]
        self.now.pairs = (done[1], dict(kept.parts))

    def hand_over(self, name: str) -> None:
        """The pairs are carried to a role; the key issuer takes them once."""
        if self.now.pairs is None:
            return
        sealed, drafts = self.now.pairs
        kept = self.now.kept.get(name)
        wanted = name == "issuer" and self.works(name) and kept is not None and "pairs" not in kept.parts
        self.attempt(lambda: operations.receive(self.store(name), sealed), refused=not wanted)
        if kept is not None and wanted:
            kept.pairs = sealed
            self._took(name, "pairs", drafts)

    def hand_over_altered(self, percent: str) -> None:
        """Pairs with one byte altered are refused."""
        if self.now.pairs is not None:
            self._refuse("issuer", _altered(self.now.pairs[0], int(percent)))

    def issue(self) -> None:
        """The key issuer's work. Invariant 5: asked again, it gives the same report."""
        kept = self.now.kept.get("issuer")
        me, sha256 = self.store("issuer"), self.now.agreement.sha256
        ready = kept is not None and kept.stage is not Stage.COLLECTING and self._same_drafts(kept)
        refused = not ready or not self.works("issuer")
        done = self.attempt(lambda: operations.issue(me, sha256, progress=silent), refused=refused)
        if kept is None or done is None:
            return
        if kept.stage in {Stage.ISSUED, Stage.RELEASED}:
            assert done == kept.output
        else:
            kept.stage, kept.output = Stage.ISSUED, done

    def release(self) -> None:
        """The key issuer hands out the results: invariant 3. Invariant 5: fetched twice, they are the same."""
        kept = self.now.kept.get("issuer")
        me, sha256 = self.store("issuer"), self.now.agreement.sha256
        issued = kept is not None and self.works("issuer") and kept.stage in {Stage.ISSUED, Stage.RELEASED}
        allowed = kept is not None and issued and kept.quorum_holds(kept.place_of_issue)
        files = self.attempt(lambda: operations.release(me, sha256), refused=not allowed)
        if kept is None or files is None:
            return
        assert operations.release(me, sha256) == files
        kept.stage = Stage.RELEASED
        drafts = {name: kept.parts[name] for name in DATASETS}
        self.now.results = (dict(files), drafts)
        self.nothing_personal(files)

    # The log and its witnesses.

    def checkpoint(self, name: str) -> None:
        """A role signs its log and asks the witnesses. Invariant 5: the same requests again."""
        kept = self.now.kept.get(name)
        me, sha256 = self.store(name), self.now.agreement.sha256
        requests = self.attempt(lambda: log.checkpoint(me, sha256), refused=kept is None)
        if kept is None:
            return
        assert log.checkpoint(me, sha256) == requests
        entries = tuple(log.read(me, sha256).entries)
        kept.checkpoints[len(entries)] = entries
        for party, raw in requests.items():
            self.now.requests.setdefault((_name_of(party), name), []).append(Asked(raw, entries))

    def witness(self, name: str, of: str) -> None:
        """A witness answers the newest request that it has; again, if it has answered it."""
        for asked_for in self.now.requests.get((name, of), [])[-1:]:
            self._witness(name, of, asked_for)

    def witness_late(self, name: str, of: str) -> None:
        """A witness gets the first request of all, long after."""
        for asked_for in self.now.requests.get((name, of), [])[:1]:
            self._witness(name, of, asked_for)

    def witness_last_again(self, name: str, of: str) -> None:
        """A witness signs again what it signed last: how an answer that was lost is made again."""
        for asked_for in self.now.requests.get((name, of), []):
            if asked_for.entries == self.now.signed.get((name, of)):
                self._witness(name, of, asked_for)
                return

    def lose_answer(self, name: str, of: str) -> None:
        """A witness's answer is lost on its way."""
        self.now.answers.pop((name, of), None)

    def cosign(self, name: str, of: str) -> None:
        """A role takes in a witness's answer; twice, if it came twice."""
        answer, kept = self.now.answers.get((name, of)), self.now.kept.get(of)
        if answer is None:
            return
        raw, entries = answer
        known = kept is not None and kept.checkpoints.get(len(entries)) == entries
        self.attempt(lambda: log.cosign(self.store(of), raw), refused=not known)
        if kept is not None and known:
            kept.cosigned.setdefault(len(entries), set()).add(name)

    def receipts(self, name: str) -> None:
        """Receipts that were lost are made again. Invariant 5: the same ones."""
        kept = self.now.kept.get(name)
        me, sha256 = self.store(name), self.now.agreement.sha256
        made = self.attempt(
            lambda: log.receipts(me, sha256), refused=kept is None or not kept.quorum_holds(0)
        )
        if made is not None:
            assert log.receipts(me, sha256) == made
            self.nothing_personal(made)
            for raw in made.values():
                notes.open_receipt(raw, self.now.agreement)

    def audit(self) -> None:
        """An auditor verifies what both roles export, with the agreement that research has in hand: invariant 9."""
        folders = [self._export(name) for name in ROLES]
        if None in folders:
            return
        in_hand = read_version(self.agreement_path("research"))
        exports = [read_export(folder) for folder in folders if folder is not None]
        outcomes = verify_run(in_hand, exports, today=datetime.now(UTC).date())
        failed = {each.check.id: each.told for each in outcomes if each.failed}
        assert (not failed) == self.audit_passes(), failed

    def audit_passes(self) -> bool:
        """Whether both logs are whole and witnessed to their ends, under one set of signatures, and fit together."""
        matcher, issuer = (self.now.kept[name] for name in ROLES)
        in_hand = self.now.beside["research"]
        return (
            self.complete("research")
            and all(kept.signatures == in_hand and kept.witnessed_to_its_end for kept in (matcher, issuer))
            and None not in (matcher.output, issuer.output)
            and issuer.pairs == matcher.output
        )

    # What goes wrong with stores.

    def restart(self, name: str) -> None:
        """A role's process ends, and starts again."""
        self.stores[name] = operations.open_store(self.store(name).folder, asked)

    def backup(self, name: str) -> None:
        """A role's store is copied."""
        target = self.folder.parent / f"{self.folder.name}-{name}-copy"
        shutil.rmtree(target, ignore_errors=True)
        shutil.copytree(self.store(name).folder, target)
        self.copies[name] = (target, [copy.deepcopy(each.kept.get(name)) for each in self.versions])

    def restore(self, name: str) -> None:
        """A role's store is put back to the copy: everything after it is forgotten, and only witnesses know."""
        if name not in self.copies:
            return
        source, remembered = self.copies[name]
        folder = self.store(name).folder
        shutil.rmtree(folder)
        shutil.copytree(source, folder)
        self.stores[name] = operations.open_store(folder, asked)
        for place, version in enumerate(self.versions):
            before = remembered[place] if place < len(remembered) else None
            version.kept.pop(name, None)
            if before is not None:
                version.kept[name] = copy.deepcopy(before)

    def crash_receive(self, dataset: str, name: str) -> None:
        """A role's machine stops after it has verified what came."""
        if self._takes(dataset, name):
            file = self.now.drafts[dataset][-1].file
            self._crash(lambda: operations.receive(self.store(name), file), PLACES["log"])

    def crash_match(self, place: str) -> None:
        """The matcher's machine stops after hours of comparing."""
        kept = self.now.kept.get("matcher")
        if kept is not None and self.works("matcher") and kept.stage is Stage.COMPLETE:
            me, sha256 = self.store("matcher"), self.now.agreement.sha256
            self._crash(lambda: operations.match(me, sha256, progress=silent), PLACES[place])

    def crash_issue(self, place: str) -> None:
        """The key issuer's machine stops after the work."""
        kept = self.now.kept.get("issuer")
        ready = kept is not None and self.works("issuer") and kept.stage is Stage.COMPLETE
        if kept is not None and ready and self._same_drafts(kept):
            me, sha256 = self.store("issuer"), self.now.agreement.sha256
            self._crash(lambda: operations.issue(me, sha256, progress=silent), PLACES[place])

    def crash_release(self) -> None:
        """The key issuer's machine stops before the release is written down: nothing was handed out."""
        kept = self.now.kept.get("issuer")
        ready = kept is not None and self.works("issuer") and kept.stage is Stage.ISSUED
        if kept is not None and ready and kept.quorum_holds(kept.place_of_issue):
            me, sha256 = self.store("issuer"), self.now.agreement.sha256
            self._crash(lambda: operations.release(me, sha256), PLACES["log"])

    # The end.

    def destroy(self, name: str) -> None:
        """A role destroys what it holds, once its run is over. Invariant 5: asked again, the same certificate."""
        self._destroy(name, meant=False)

    def destroy_all_the_same(self, name: str) -> None:
        """A role destroys what it holds, though its run is not over."""
        self._destroy(name, meant=True)

    def crash_destroy(self, name: str, place: str) -> None:
        """A role's machine stops while it destroys: from then on it does nothing but go on with that."""
        kept = self.now.kept.get(name)
        if kept is None or not self.works(name):
            return
        me, sha256 = self.store(name), self.now.agreement.sha256
        with mock.patch(f"coordinator.destruction.{place}", side_effect=Crash), pytest.raises(Crash):
            operations.destroy(me, sha256, unreleased=True)
        kept.destroying = True
        if place != "destroy_run_key":
            self.now.keys_gone.add(name)

    def _destroy(self, name: str, *, meant: bool) -> None:
        kept = self.now.kept.get(name)
        me, sha256 = self.store(name), self.now.agreement.sha256
        over = kept is not None and kept.stage in {Stage.MATCHED, Stage.RELEASED, Stage.DESTROYED}
        allowed = kept is not None and (over or meant or kept.destroying)
        done = self.attempt(lambda: operations.destroy(me, sha256, unreleased=meant), refused=not allowed)
        if kept is None or done is None:
            return
        assert operations.destroy(me, sha256) == done
        kept.stage, kept.destroying = Stage.DESTROYED, False
        self.now.keys_gone.add(name)
        self.nothing_opens(name)

    def nothing_opens(self, name: str) -> None:
        """Invariant 7: the run key is nowhere, and no container of this version is left in the store."""
        self.attempt(lambda: self.seat(name), refused=True)
        left = (self.store(name).folder / "containers").iterdir()
        found = {container.peek(io.BytesIO(path.read_bytes())).agreement_sha256 for path in left}
        assert self.now.agreement.sha256 not in found

    def works(self, name: str) -> bool:
        """Whether a role has registered the version, and destroyed nothing of it."""
        kept = self.now.kept.get(name)
        gone = name in self.now.keys_gone
        return kept is not None and not gone and not kept.destroying and kept.stage is not Stage.DESTROYED

    # What recipients do.

    def open(self, name: str) -> None:
        """A department opens its linkage keys: invariant 8."""
        if self.now.results is None:
            return
        files, drafts = self.now.results
        sealed, proof = files[f"{name}.linkage-keys"], files[f"{name}.linkage-keys.receipt"]
        result = department.open_linkage_keys(sealed, proof, self.at_work(name))
        home_map = self.now.drafts[name][drafts[name]].home_map
        found = dict(department.join_home_map(result, home_map))
        agreed = self.now.agreement.content.dataset_named(name)
        assert agreed.record_id_column is not None
        ids = _column(self.world.project.data(name), agreed.record_id_column)
        assert sorted(found) == sorted(ids)
        if not agreed.may_have_duplicates:
            assert len(set(found.values())) == len(found)

    def open_research(self) -> None:
        """The research environment opens the crosswalk: every key in it is some department's."""
        if self.now.results is None:
            return
        files, _ = self.now.results
        opened_here = department.open_crosswalk(
            files["crosswalk"], files["crosswalk.receipt"], self.at_work("research")
        )
        held = set()
        for name in DATASETS:
            sealed, proof = files[f"{name}.linkage-keys"], files[f"{name}.linkage-keys.receipt"]
            keys = department.open_linkage_keys(sealed, proof, self.at_work(name)).keys
            held |= {key.tobytes() for key in keys}
        assert {key.tobytes() for key in opened_here.keys} <= held

    def open_without_receipt(self, name: str) -> None:
        """No department opens a result without a receipt, or with the receipt of anything else."""
        if self.now.results is not None:
            files, _ = self.now.results
            sealed = files[f"{name}.linkage-keys"]
            for proof in (b"", *self._other_receipts()):
                self.attempt(
                    lambda proof=proof: department.open_linkage_keys(sealed, proof, self.at_work(name)),
                    refused=True,
                )

    def open_anothers(self, name: str) -> None:
        """No department opens another's result."""
        if self.now.results is not None:
            files, _ = self.now.results
            other = next(each for each in DATASETS if each != name)
            sealed, proof = files[f"{other}.linkage-keys"], files[f"{other}.linkage-keys.receipt"]
            self.attempt(
                lambda: department.open_linkage_keys(sealed, proof, self.at_work(name)), refused=True
            )

    # What must hold after every step.

    def after_every_step(self) -> None:
        """Invariants 1, 2 and 6; the others are looked at where they can break."""
        for name in self.stores:
            if self._changed(name, [_digest(self.store(name).folder / "coordinator.sqlite")]):
                self.store_holds(name)
        for name in DATASETS:
            if self._changed(f"home of {name}", tree(self.folder / name)):
                self.department_holds(name)
        for number in range(1, len(self.versions) + 1):
            assert len({value for (of, _), value in self._secrets.items() if of == number}) <= 1

    def _changed(self, what: str, now: Any) -> bool:
        """Whether something is otherwise than when it was last looked at; looking takes long."""
        before = self._looked_at.get(what)
        self._looked_at[what] = now
        return bool(now != before)

    def store_holds(self, name: str) -> None:
        """Stages move along the table, and the log only grows, in every version that a store knows."""
        found = {each["agreement_sha256"]: each for each in operations.status(self.store(name))}
        assert set(found) == {each.agreement.sha256 for each in self.versions if name in each.kept}
        for version in self.versions:
            if name in version.kept:
                kept, sha256 = version.kept[name], version.agreement.sha256
                assert found[sha256]["stage"] == kept.stage.value
                entries = tuple(log.read(self.store(name), sha256).entries)
                assert entries[: len(kept.entries)] == kept.entries, "the log forgot something"
                kept.entries = entries
                assert self._walked(name, entries) is kept.stage
                self._checkpoints_grow(name, version)

    def department_holds(self, name: str) -> None:
        """A department that holds the secret can use it; any other is told rightly whom it waits for."""
        self._secrets.pop((len(self.versions), name), None)
        if name not in self.now.committed:
            return
        told = self._standing(name)
        if not self.complete(name):
            missing = [each for each in EVERYBODY if each not in self.now.beside[name]]
            assert set(told.not_signed) == {IDS[each] for each in missing}
        elif told.secret:
            secret = sharing.secret_of(self.seat(name), self.kept(name)).value
            self._secrets[len(self.versions), name] = secret
        else:
            assert set(told.waiting_for) == self._missing(name)
            with pytest.raises(ProtocolError) as caught:
                sharing.secret_of(self.seat(name), self.kept(name))
            assert all(each in caught.value.message for each in self._missing(name))

    def nothing_personal(self, files: dict[str, bytes] | Any) -> None:
        """Invariant 10: no value of anybody's table stands in a file that leaves."""
        for name, raw in files.items():
            found = [value for value in self.world.personal if value in raw]
            assert found == [], f"{name} holds personal data"

    # What comes next when all goes well.

    def next_step(self) -> str | None:
        """The first step of a run that is not done; None if the run is over."""
        return next(self._undone(), None)

    def _undone(self) -> Iterator[str]:
        now = self.now
        yield from (f"commit {each}" for each in DATASETS if each not in now.committed)
        yield from (f"sign {each}" for each in EVERYBODY if each not in now.signatures)
        yield from (f"fetch {each}" for each in EVERYBODY if not self.complete(each))
        yield from (f"hear {each}" for each in DATASETS if each not in now.heard)
        for name in DATASETS:
            for sender in (each for each in DATASETS if each not in now.held[name]):
                if (sender, name) not in now.shares and sender in now.held[sender]:
                    yield f"share {sender}"
                yield f"accept {name} {sender}"
        yield from (f"encode {each}" for each in DATASETS if not now.drafts[each])
        yield from (f"register {each}" for each in ROLES if each not in now.kept)
        for name in ROLES:
            if self.works(name):
                yield from (f"send {each} {name}" for each in DATASETS if each not in now.kept[name].parts)
        yield from self._undone_by_coordinators()

    def _undone_by_coordinators(self) -> Iterator[str]:
        matcher, issuer = (self.now.kept[name] for name in ROLES)
        yield from (f"destroy {each}" for each in ROLES if self.now.kept[each].destroying)
        if self.works("matcher") and matcher.stage is Stage.COMPLETE:
            yield "match"
        if self.works("issuer"):
            yield from self._undone_by_issuer(issuer)
        if not self.works("issuer") or issuer.stage is Stage.RELEASED:
            yield from self._undone_by_witnesses("matcher")
            yield from self._undone_by_witnesses("issuer")
            yield from (f"destroy {each}" for each in ROLES if self._over(each))

    def _undone_by_issuer(self, issuer: Kept) -> Iterator[str]:
        if "pairs" not in issuer.parts:
            if self.now.pairs is not None:
                yield "hand_over issuer"
            elif self.works("matcher"):
                yield "match"
        if issuer.stage is Stage.COMPLETE and self._same_drafts(issuer):
            yield "issue"
        if issuer.stage is Stage.ISSUED:
            if issuer.quorum_holds(issuer.place_of_issue):
                yield "release"
            yield from self._undone_by_witnesses("issuer")

    def _over(self, name: str) -> bool:
        over = self.now.kept[name].stage in {Stage.MATCHED, Stage.RELEASED}
        return over and self.works(name)

    def _undone_by_witnesses(self, of: str) -> Iterator[str]:
        kept = self.now.kept[of]
        size = len(kept.entries)
        if kept.witnessed_to_its_end:
            return
        if size not in kept.checkpoints:
            yield f"checkpoint {of}"
        for name in DATASETS:
            if name not in kept.cosigned.get(size, set()):
                answer = self.now.answers.get((name, of))
                if answer is not None and answer[1] == kept.entries:
                    yield f"cosign {name} {of}"
                elif self._would_sign(name, of):
                    yield f"witness {name} {of}"

    def _would_sign(self, name: str, of: str) -> bool:
        asked_for = self.now.requests.get((name, of), [])[-1:]
        return any(not self._refuses(name, of, each) for each in asked_for)

    # How parties are put together from their files.

    def key(self, name: str) -> Path:
        """A party's key file."""
        return self.folder / name / f"{IDS[name]}.key"

    def identity(self, name: str) -> Any:
        """A party's keys."""
        return opened(self.key(name).read_bytes())

    def agreement_path(self, name: str, version: Version | None = None) -> Path:
        """A party's copy of the agreement."""
        number = (version or self.now).agreement.content.project.version
        return self.folder / name / f"agreement-{number}.toml"

    def kept(self, name: str) -> Holdings:
        """A party's own part of the agreement."""
        return Holdings.beside(self.key(name), IDS[name], self.now.agreement.sha256)

    def at_work(self, name: str, version: Version | None = None) -> Signatory:
        """A party at work as its commands put it together: it remembers the version."""
        agreement = (version or self.now).agreement
        path = self.agreement_path(name, version)
        me = party_files.signatory(agreement, path, self.identity(name), self.key(name), today=TODAY)
        memory = seen.read(seen.path_beside(self.key(name), IDS[name]))
        if name in DATASETS:
            memory.require_heard(agreement, others(agreement.content, IDS[name]))
        return me

    def seat(self, name: str) -> Signatory:
        """A party that looks, and remembers nothing."""
        signed = party_files.signed_agreement(self.now.agreement, self.agreement_path(name), today=TODAY)
        run_key = holdings.run_key_of(self.kept(name), self.identity(name), self.now.agreement)
        return Signatory.take_seat(self.identity(name), signed, run_key)

    def store(self, name: str) -> Coordinator:
        """A role's store, made when it is first needed."""
        if name not in self.stores:
            folder = self.folder / name / "store"
            operations.initialise(folder, key_file=self.key(name), passphrase=asked, roles=(ROLES[name],))
            self.stores[name] = operations.open_store(folder, asked)
        return self.stores[name]

    def complete(self, name: str) -> bool:
        """Whether a party has everybody's signatures."""
        return set(self.now.beside[name]) == set(EVERYBODY)

    def may_encode(self, name: str) -> bool:
        """Whether a department can encode: it holds every share and has compared the words."""
        return self.complete(name) and name in self.now.heard and self.now.held[name] == set(DATASETS)

    # What steps have in common.

    def _new_version(self) -> Version:
        place = len(getattr(self, "versions", ()))
        raw = self.world.versions[place]
        version = Version(parse(raw, where="agreement.toml"))
        for name in EVERYBODY:
            self.agreement_path(name, version).write_bytes(raw)
        return version

    def _sign(self, name: str, *, force: bool) -> None:
        previous = self.versions[0].agreement if len(self.versions) > 1 else None
        path, key = self.agreement_path(name), self.key(name)
        signing.sign(
            self.now.agreement, path, self.identity(name), key, previous=previous, today=TODAY, force=force
        )

    def _hand_out_signature(self, name: str) -> None:
        folder = holdings.signatures_beside(self.agreement_path(name))
        self.now.signatures[name] = holdings.signature_path(folder, IDS[name]).read_bytes()
        self.now.beside[name][name] = self.now.signatures[name]

    def _accept(self, name: str, sealed: bytes) -> sharing.Accepted:
        me = self.seat(name)
        return sharing.accept(me, self.kept(name), [("", sealed)])

    def _encode(self, name: str) -> department.SealedSubmission:
        me = self.at_work(name)
        agreed = self.now.agreement.content.dataset_named(name)
        table = department.open_dataset(self.world.project.data(name), agreed, encoding=None, delimiter=None)
        secret = sharing.secret_of(me, self.kept(name))
        return department.encode_and_seal(table, agreed, me, secret, seen=nothing_seen)

    def _refuse(self, name: str, file: bytes) -> None:
        self.attempt(lambda: operations.receive(self.store(name), file), refused=True)

    def _takes(self, dataset: str, name: str) -> bool:
        kept = self.now.kept.get(name)
        wanted = kept is not None and self.works(name) and dataset not in kept.parts
        return bool(self.now.drafts[dataset]) and wanted

    def _send(self, dataset: str, name: str, draft: int) -> None:
        if not self.now.drafts[dataset]:
            return
        file = self.now.drafts[dataset][draft].file
        self.nothing_personal({"submission": file})
        takes = self._takes(dataset, name)
        self.attempt(lambda: operations.receive(self.store(name), file), refused=not takes)
        if takes:
            self._took(name, dataset, draft)

    def _took(self, name: str, part: str, which: Any) -> None:
        kept = self.now.kept[name]
        kept.parts[part] = which
        wanted = {*DATASETS} if name == "matcher" else {*DATASETS, "pairs"}
        if set(kept.parts) == wanted:
            kept.stage = Stage.COMPLETE

    def _same_drafts(self, kept: Kept) -> bool:
        return {name: kept.parts.get(name) for name in DATASETS} == kept.parts.get("pairs")

    def _refuses(self, name: str, of: str, asked_for: Asked) -> bool:
        """Whether a witness must refuse: another history than it signed, or a start elsewhere than it stopped."""
        last = self.now.signed.get((name, of), ())
        if asked_for.entries == last:
            return False
        grown = len(asked_for.entries) > len(last) and asked_for.entries[: len(last)] == last
        return not grown or receipt.parse_request(asked_for.raw).old_size != len(last)

    def _witness(self, name: str, of: str, asked_for: Asked) -> None:
        memory = seen.path_beside(self.key(name), IDS[name])
        done = self.attempt(
            lambda: witness.witness(
                asked_for.raw, self.now.agreement, self.identity(name), memory=memory, now=datetime.now(UTC)
            ),
            refused=self._refuses(name, of, asked_for),
        )
        if done is not None:
            self.now.signed[name, of] = asked_for.entries
            self.now.answers[name, of] = (done.cosignature, asked_for.entries)

    def _export(self, name: str) -> Path | None:
        """What a role gives an auditor, in a folder; None if no quorum has signed anything of its log."""
        kept = self.now.kept.get(name)
        me, sha256 = self.store(name), self.now.agreement.sha256
        refused = kept is None or not kept.quorum_holds(0)
        files = self.attempt(lambda: operations.export(me, sha256), refused=refused)
        if files is None:
            return None
        self.nothing_personal(files)
        folder = self.folder.parent / f"export-{name}"
        shutil.rmtree(folder, ignore_errors=True)
        for path, raw in files.items():
            (folder / path).parent.mkdir(parents=True, exist_ok=True)
            (folder / path).write_bytes(raw)
        return folder

    def _crash(self, step: Step, place: str) -> None:
        """A step that is killed: the containers that it left behind are named by nothing."""
        before = self._without_containers()
        with mock.patch(place, side_effect=Crash), pytest.raises(Crash):
            step()
        assert self._without_containers() == before

    def _without_containers(self) -> dict[str, str]:
        return {path: each for path, each in self.everything().items() if "/containers" not in path}

    def _walked(self, name: str, entries: tuple[bytes, ...]) -> Stage:
        """The stage to which a log's entries lead along `TRANSITIONS`."""
        role, stage = ROLES[name], Stage.COLLECTING
        for raw in entries:
            entry = log_format.parse(raw)
            if entry.kind == "destroyed":
                stage = TRANSITIONS[role, stage, stages.Step.DESTROY]
                self.reached.add((role, stage))
            if not entry.stage:
                continue
            steps = [step for step, kind in LOGGED_AS.items() if kind == entry.kind]
            there = {TRANSITIONS.get((role, stage, step)) for step in steps}
            assert Stage(entry.stage) in there
            stage = Stage(entry.stage)
            self.reached.add((role, stage))
        return stage

    def _checkpoints_grow(self, name: str, version: Version) -> None:
        me, sha256 = self.store(name), version.agreement.sha256
        assert len(log.verify(me, sha256)) == 5
        found = log.read(me, sha256)
        points = [checkpoint.parse_checkpoint(note.text) for note in found.checkpoints]
        for before, after in pairwise(points):
            proof = merkle.consistency_proof(found.leaves[: after.size], before.size)
            merkle.verify_consistency(before.size, before.root, after.size, after.root, proof)

    def _standing(self, name: str) -> standing.Status:
        agreement, path = self.now.agreement, self.agreement_path(name)
        return standing.status(agreement, path, self.identity(name), self.key(name), today=TODAY)

    def _missing(self, name: str) -> set[str]:
        """The departments whose shares a department has not got; itself, if it lost its own."""
        return {IDS[each] for each in DATASETS if each not in self.now.held[name]}

    def _receipt_of(self, plea: bytes) -> bytes | None:
        """The receipt of the entry that logs a request, from whichever role has one."""
        wanted = hashlib.sha256(plea).hexdigest()
        for name, kept in self.now.kept.items():
            if kept.quorum_holds(0):
                for raw in log.receipts(self.store(name), self.now.agreement.sha256).values():
                    entry = notes.open_receipt(raw, self.now.agreement).entry
                    if entry.detail.get("request_sha256") == wanted:
                        return raw
        return None

    def _other_receipts(self) -> list[bytes]:
        found = log.read(self.store("issuer"), self.now.agreement.sha256)
        note = found.with_quorum(holding=0)
        return [] if note is None else [found.receipt(0, note)]


def _name_of(party: str) -> str:
    return next(name for name, each in IDS.items() if each == party)


def _altered(raw: bytes, percent: int) -> bytes:
    place = min(len(raw) * percent // 100, len(raw) - 1)
    return raw[:place] + bytes([raw[place] ^ 1]) + raw[place + 1 :]


def _halves(file: bytes) -> list[bytes]:
    return [file[offset : offset + length] for offset, length in submission.containers(io.BytesIO(file))]


def _column(path: Path, name: str) -> list[str]:
    with path.open(newline="") as file:
        return [row[name] for row in csv.DictReader(file)]


def _digest(path: Path) -> str:
    with closing(sqlite3.connect(path)) as connection:
        return hashlib.sha256("\n".join(connection.iterdump()).encode()).hexdigest()
