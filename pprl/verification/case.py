"""What is judged, and what the checks that passed have found in it, for the checks after them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import date

from pprl.errors import VerificationError
from pprl.protocol.agreement import Agreement, AgreementFile, Role
from pprl.protocol.checkpoint import Checkpoint, SignedNote
from pprl.protocol.envelope import Binding
from pprl.protocol.exported import AgreedVersion, ExportedLog
from pprl.protocol.log import Entry
from pprl.protocol.signatures import SignedAgreement

COORDINATOR_ROLES: tuple[Role, ...] = ("matcher", "key-issuer")


@dataclass(frozen=True, slots=True)
class Named:
    """A container that an entry names.

    Attributes:
        entry: the entry.
        detail: what it says of the container.
        binding: what the container's sender signed.
    """

    entry: Entry
    detail: dict[str, str]
    binding: Binding


@dataclass(slots=True)
class Examined:
    """One log.

    Attributes:
        exported: its bytes.
        note: its checkpoint with signatures; set by check `checkpoint`.
        signed: what the checkpoint says, signed by the log's party; likewise.
        entries: set by check `entries`.
        bindings: what the senders of containers signed, by head; set by check `senders`.
    """

    exported: ExportedLog
    note: SignedNote | None = None
    signed: Checkpoint | None = None
    entries: Sequence[Entry] = ()
    bindings: dict[str, Binding] = field(default_factory=dict)

    @property
    def checkpoint(self) -> Checkpoint:
        """The checkpoint; for checks that need it."""
        if self.signed is None:
            raise VerificationError("The log has no checkpoint that its party signed.")
        return self.signed

    @property
    def party(self) -> str:
        """Whose log it is; for checks that need the checkpoint."""
        return self.checkpoint.party

    def named(self) -> Iterator[Named]:
        """Every container that an entry names, in order; for checks that need `senders`."""
        for entry in self.entries:
            for detail in entry.containers:
                yield Named(entry, detail, self.bindings[detail["head_sha256"]])

    def received(self, role: Role, kind: str) -> list[Named]:
        """What a role received of a kind of container."""
        return [
            each
            for each in self.named()
            if (each.entry.kind, each.entry.role, each.detail["kind"]) == ("received", role, kind)
        ]

    def of_kind(self, kind: str) -> list[tuple[int, Entry]]:
        """Entries of a kind with their places."""
        return [(place, entry) for place, entry in enumerate(self.entries) if entry.kind == kind]

    def only(self, kind: str) -> tuple[int, Entry]:
        """The one entry of a kind, with its place.

        Raises:
            VerificationError: there is none. (The order of entries allows no second one.)
        """
        found = self.of_kind(kind)
        if not found:
            raise VerificationError(f"The log of '{self.party}' has no entry '{kind}'.")
        return found[0]


@dataclass(slots=True)
class Case:
    """A whole run.

    Attributes:
        in_hand: the agreement that the auditor trusts.
        today: the day.
        logs: the exports.
        agreement: set by check `agreement`.
        signed: set by check `signatures`.
    """

    in_hand: AgreedVersion
    today: date
    logs: Sequence[Examined]
    agreement: AgreementFile | None = None
    signed: SignedAgreement | None = None

    @property
    def file(self) -> AgreementFile:
        """The agreement in hand; for checks that need it."""
        if self.agreement is None:
            raise VerificationError("The agreement in hand can't be read.")
        return self.agreement

    @property
    def content(self) -> Agreement:
        """The parsed agreement."""
        return self.file.content

    def log_of(self, role: Role) -> Examined:
        """The log of the party that holds a coordinator role; for checks that need `logs`."""
        party = self.content.party_with(role).id
        return next(log for log in self.logs if log.party == party)
