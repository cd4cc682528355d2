"""Any number of departments and a coordinator under one agreement, each with a folder of its own, for the ceremony.

The agreement has what the ceremony looks at and no more: its parties, their roles and keys, its project.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from functools import cache
from pathlib import Path
from typing import Any

from pprl import sharing, standing
from pprl.crypto import signatures
from pprl.crypto.exchange import Signatory
from pprl.crypto.identity import Identity, create
from pprl.files import holdings, party, seen
from pprl.files.atomic import write_new
from pprl.files.holdings import Holdings
from pprl.protocol.agreement import Agreement, AgreementFile, Log, Party, Project
from pprl.protocol.signatures import others

TODAY = date(2026, 11, 22)
NAMES = ("police", "court", "prison", "health", "revenue", "school")
COORDINATOR = "office"


@cache
def identity(name: str) -> Identity:
    """The keys of a party, the same in every world."""
    return create(name)


def agreement_of(names: Sequence[str], *, title: str = "", strangers: bool = False) -> AgreementFile:
    """An agreement of some departments.

    Args:
        names: their ids.
        title: makes it another agreement.
        strangers: whether the departments but the first have keys that somebody has invented.
    """
    invented = [identity(f"{name}-invented").public for name in names[1:]] if strangers else []
    keys = [identity(names[0]).public, *(invented or [identity(name).public for name in names[1:]])]
    parties = [
        _only(Party, id=name, roles=("department",), keys=key) for name, key in zip(names, keys, strict=True)
    ]
    office = _only(Party, id=COORDINATOR, roles=("matcher", "key-issuer"), keys=identity(COORDINATOR).public)
    content = _only(
        Agreement,
        project=_only(Project, id="small", version=1, previous_sha256=None),
        party=(*parties, office),
        dataset=(),
        log=_only(Log, witnesses=tuple(names), quorum=len(names) // 2 + 1),
    )
    return AgreementFile(content, f"{' '.join(names)} {title} {strangers}".encode())


def _only(section: Any, **fields: object) -> Any:
    return section.model_construct(**fields)


@dataclass(frozen=True)
class Home:
    """A party at home.

    Attributes:
        folder: its own.
        name: its id.
        agreement: the agreement that it holds.
    """

    folder: Path
    name: str
    agreement: AgreementFile

    @property
    def key_path(self) -> Path:
        """Where its key file would be; its holdings are beside it."""
        return self.folder / f"{self.name}.key"

    @property
    def agreement_path(self) -> Path:
        """Where its agreement would be; the signatures are beside it."""
        return self.folder / "agreement.toml"

    @property
    def identity(self) -> Identity:
        """Its keys."""
        return identity(self.name)

    @property
    def kept(self) -> Holdings:
        """Its own part of the agreement."""
        return Holdings.beside(self.key_path, self.name, self.agreement.sha256)

    @property
    def signatures(self) -> Path:
        """Its folder of signatures."""
        return holdings.signatures_beside(self.agreement_path)

    @property
    def out(self) -> Path:
        """Its folder for what it hands out."""
        return self.folder / "out"

    def commit(self) -> str:
        """Draw a share."""
        return sharing.commit(self.agreement, self.identity, self.kept)[0]

    def sign(self) -> bytes:
        """Sign the agreement, if that was not done before."""
        path = holdings.signature_path(self.signatures, self.name)
        if not path.exists():
            commitment = self.kept.commitment.read_text().strip() if self.name != COORDINATOR else None
            run_key = holdings.made_run_key(self.kept, self.identity, self.agreement).public
            raw = signatures.sign(
                self.agreement, self.identity, run_key=run_key, commitment=commitment, today=TODAY
            )
            self.signatures.mkdir(exist_ok=True)
            write_new(path, raw)
        return path.read_bytes()

    def take_signature(self, name: str, raw: bytes) -> None:
        """Put another party's signature beside the agreement."""
        self.signatures.mkdir(exist_ok=True)
        write_new(holdings.signature_path(self.signatures, name), raw, force=True)

    def hear(self) -> None:
        """Compare the agreement's words with everybody."""
        everybody = others(self.agreement.content, self.name)
        seen.change(
            seen.path_beside(self.key_path, self.name),
            lambda before: before.with_heard(self.agreement, everybody, today=TODAY),
        )

    def me(self) -> Signatory:
        """The party at work: everybody has signed."""
        signed = party.signed_agreement(self.agreement, self.agreement_path, today=TODAY)
        return Signatory.take_seat(
            self.identity, signed, holdings.run_key_of(self.kept, self.identity, self.agreement)
        )

    def share(self) -> dict[str, bytes]:
        """Seal the share to everybody; gives what is handed out."""
        self.out.mkdir(exist_ok=True)
        targets = {
            name: self.out / sharing.file_name(self.name, name)
            for name in self.departments
            if name != self.name
        }
        sharing.share(self.me(), self.kept, targets, force=False)
        return {name: path.read_bytes() for name, path in targets.items()}

    def accept(self, *sealed: bytes) -> sharing.Accepted:
        """Accept shares of others."""
        return sharing.accept(self.me(), self.kept, [("", each) for each in sealed])

    def status(self) -> standing.Status:
        """How far the ceremony is."""
        return standing.status(self.agreement, self.agreement_path, self.identity, self.key_path, today=TODAY)

    @property
    def departments(self) -> tuple[str, ...]:
        """All departments."""
        return tuple(each.id for each in self.agreement.content.party if "department" in each.roles)


def homes(folder: Path, names: Sequence[str], *, title: str = "") -> dict[str, Home]:
    """Departments that have done nothing yet, and the coordinator."""
    agreement = agreement_of(names, title=title)
    found = {name: Home(folder / name, name, agreement) for name in (*names, COORDINATOR)}
    for home in found.values():
        home.folder.mkdir()
    return found


def signed_homes(folder: Path, names: Sequence[str], *, title: str = "") -> dict[str, Home]:
    """Departments that have committed, signed, exchanged signatures and compared words."""
    found = homes(folder, names, title=title)
    for name in names:
        found[name].commit()
    raws = {name: home.sign() for name, home in found.items()}
    for home in found.values():
        for name, raw in raws.items():
            home.take_signature(name, raw)
        home.hear()
    return found
