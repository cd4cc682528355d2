"""A run that both coordinators exported, and what somebody could do to it who has all the keys."""

from __future__ import annotations

import copy
import hashlib
import io
import json
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

from coordinator import operations
from coordinator.custody import Coordinator
from coordinator.store.stages import Role
from pprl.crypto import container, notes
from pprl.crypto.exchange import Signatory, seal_for
from pprl.crypto.identity import Identity
from pprl.files.exported import read_export, read_version
from pprl.protocol import canonical, log, merkle, receipt
from pprl.protocol import checkpoint as checkpoints
from pprl.protocol.checkpoint import Checkpoint, SignedNote
from pprl.protocol.envelope import PREFIX_BYTES, parse_prefix
from pprl.protocol.exported import AgreedVersion, ExportedLog
from pprl.protocol.receipt import Receipt
from pprl.verification.checks import verify_run
from pprl.verification.outcome import Outcome
from tests.support.keys import asked
from tests.support.project import DATASETS, DEPARTMENTS, ISSUER, MATCHER, Project, silent

Tree = dict[str, Any]
ROLES = {MATCHER: Role.MATCHER, ISSUER: Role.KEY_ISSUER}


@dataclass(frozen=True)
class Run:
    """What an auditor has of a run.

    Attributes:
        project: where it was made; it has everybody's keys.
        in_hand: the agreement that the auditor trusts.
        logs: the exports, by party.
        more: further exports.
    """

    project: Project
    in_hand: AgreedVersion
    logs: Mapping[str, ExportedLog]
    more: tuple[ExportedLog, ...] = ()

    def outcomes(self) -> list[Outcome]:
        """What an auditor finds."""
        return verify_run(self.in_hand, [*self.logs.values(), *self.more], today=today())

    def trees(self, party: str) -> list[Tree]:
        """The entries of a log, to be changed."""
        return [json.loads(entry) for entry in self.logs[party].entries]

    def place(self, party: str, kind: str) -> int:
        """Where the first entry of a kind stands."""
        return next(place for place, each in enumerate(self.trees(party)) if each["kind"] == kind)

    def with_log(self, party: str, **changes: Any) -> Run:
        """The same with other bytes in an export, and nothing signed anew."""
        return replace(self, logs={**self.logs, party: replace(self.logs[party], **changes)})

    def told(self, party: str, trees: Iterable[Tree], *, witnesses: Collection[str] = DEPARTMENTS) -> Run:
        """The same with other entries in a log, signed by its party and by witnesses that look away."""
        entries = tuple(canonical.dumps(tree) for tree in trees)
        note = self.note(party, entries, witnesses)
        changes: Tree = {"entries": entries, "checkpoint": checkpoints.write_note(note)}
        issued = [place for place, entry in enumerate(entries) if json.loads(entry)["kind"] == "issued"]
        if issued:
            changes["issued_receipt"] = self.receipt(party, entries, issued[0], issued[0] + 1)
        return self.with_log(party, **changes)

    def edited(self, party: str, place: int, change: Callable[[Tree], object]) -> Run:
        """The same with one entry changed, and all signed anew."""
        trees = self.trees(party)
        change(trees[place])
        return self.told(party, trees)

    def note(self, party: str, entries: tuple[bytes, ...], witnesses: Collection[str]) -> SignedNote:
        """A checkpoint of some entries, signed by the log and by witnesses."""
        root = merkle.root([merkle.leaf_hash(entry) for entry in entries])
        signed = Checkpoint(self.project.agreement.sha256, party, len(entries), root)
        note = notes.sign_checkpoint(self.identity(party), signed)
        for witness in witnesses:
            note = note.with_signatures(notes.cosign(self.identity(witness), signed, timestamp=1_800_000_000))
        return note

    def receipt(self, party: str, entries: tuple[bytes, ...], place: int, size: int) -> bytes:
        """The receipt of an entry in a checkpoint of so many."""
        leaves = [merkle.leaf_hash(entry) for entry in entries[:size]]
        note = self.note(party, entries[:size], DEPARTMENTS)
        proof = merkle.inclusion_proof(leaves, place)
        return receipt.write_receipt(Receipt(entries[place], place, proof, note))

    def identity(self, party: str) -> Identity:
        """A party's keys."""
        return self.project.identity(party)

    def signatory(self, party: str) -> Signatory:
        """A party at work."""
        return self.project.signatory(party)

    def swapped(self, party: str, old: Tree, sealed: bytes) -> Run:
        """The same with another container in the place of one, wherever the log names it, and all signed anew."""
        new, head = named(sealed)
        heads = {name: raw for name, raw in self.logs[party].heads.items() if name != old["head_sha256"]}
        words = {old[name]: new[name] for name in ("head_sha256", "sha256")}
        trees = [_put(tree, old, new, words) for tree in self.trees(party)]
        changed = self.with_log(party, heads={**heads, new["head_sha256"]: head})
        return changed.told(party, trees)

    def container(self, party: str, kind: str, dataset: str = "") -> Tree:
        """How a log names its first container of a kind."""
        found = [each for raw in self.logs[party].entries for each in log.parse(raw).containers]
        return dict(next(each for each in found if (each["kind"], each["dataset"]) == (kind, dataset)))

    def records(self, party: str, kind: str, dataset: str) -> int:
        """How many records a container that a log names is of."""
        head = self.logs[party].heads[self.container(party, kind, dataset)["head_sha256"]]
        return container.peek(io.BytesIO(head)).records

    def sealed(self, like: Tree, *, records: int | None = None, **changes: str) -> bytes:
        """A container like one that a log names, sealed by whoever it says."""
        told = {**like, **changes}
        heads = {name: raw for each in self.logs.values() for name, raw in each.heads.items()}
        bound = container.peek(io.BytesIO(heads[like["head_sha256"]]))
        return seal_for(
            self.project.agreement.content.party_named(told["recipient"]),
            b"another content",
            me=self.signatory(told["sender"]),
            kind=told["kind"],
            records=bound.records if records is None else records,
            dataset=told["dataset"],
            submission=changes.get("submission", bound.submission),
        )


def today() -> date:
    """The day."""
    return datetime.now(UTC).date()


def named(sealed: bytes) -> tuple[Tree, bytes]:
    """How an entry names a container, and its head; nothing is verified."""
    head = sealed[: PREFIX_BYTES + parse_prefix(sealed[:PREFIX_BYTES])]
    binding = container.peek(io.BytesIO(sealed))
    return log.container_detail(binding, head_sha256=_sha256(head), sha256=_sha256(sealed)), head


def opened_store(project: Project, party: str) -> Coordinator:
    """A store of a project, or of a copy: it remembers where the key file was, and the run key is beside the copy."""
    me = operations.open_store(project.store(ROLES[party]), asked)
    return replace(me, key_file=project.key(party))


def write_export(folder: Path, project: Project, me: Coordinator) -> Path:
    """Let witnesses sign a store's log as it is, and write its export."""
    project.witness(me)
    for name, raw in operations.export(me, None).items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(raw)
    return folder


def make_run(project: Project) -> Run:
    """Take a project that limits attackers to its end, and export both logs into its folder."""
    project.limit()
    project.release()
    return export_run(project)


def export_run(project: Project) -> Run:
    """Export both logs into a project's folder, as they are."""
    logs = {
        party: read_export(
            write_export(project.folder / f"run-{party}", project, opened_store(project, party))
        )
        for party in ROLES
    }
    return Run(project, read_version(project.agreement_path), logs)


def make_one_office_run(project: Project) -> Run:
    """The same where one office holds both roles, and keeps one log."""
    project.adopt(project.one_office())
    for dataset in DATASETS:
        project.submission(dataset).write_bytes(project.encode(dataset))
    store = project.store(Role.MATCHER)
    operations.initialise(store, key_file=project.key(MATCHER), passphrase=asked, roles=tuple(Role))
    me = operations.open_store(store, asked)
    project.register(me, project.agreement_path)
    for path in project.submissions:
        operations.receive(me, path.read_bytes())
    operations.link(me, None, progress=silent)
    project.witness(me)
    operations.release(me, None)
    log_ = read_export(write_export(project.folder / "run", project, me))
    return Run(project, read_version(project.agreement_path), {MATCHER: log_})


def _put(tree: Any, old: Tree, new: Tree, words: Mapping[str, str]) -> Any:
    if tree == old:
        return copy.copy(new)
    if isinstance(tree, dict):
        return {name: _put(value, old, new, words) for name, value in tree.items()}
    if isinstance(tree, list):
        return sorted(_put(value, old, new, words) for value in tree)
    return words.get(tree, tree) if isinstance(tree, str) else tree


def _sha256(raw: bytes) -> str:
    return hashlib.sha256(raw).hexdigest()
