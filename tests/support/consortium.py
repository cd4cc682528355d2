"""Two to six departments and one coordinator, each with a folder and copies of its own, who run the commands.

What one party gives another is copied from folder to folder, and nothing else is: so a test can lose it, hold it back
or give it again. The agreement is whole, so that the coordinator registers it and links under it.
"""

from __future__ import annotations

import json
import random
import shutil
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from pprl import sharing
from pprl.agreements.amend import with_keys, with_rehearsal_approvals, with_values
from pprl.agreements.draft import DatasetSketch, draft
from pprl.crypto.exchange import Signatory
from pprl.files import holdings
from pprl.files import party as party_files
from pprl.files.atomic import write_new
from pprl.files.holdings import Holdings
from pprl.protocol.agreement import AgreementFile, parse
from tests.support.commands import done
from tests.support.departments import NAMES, identity
from tests.support.keys import key_file_of
from tests.support.people import Table, people, with_a_slip, write_table
from tests.support.project import APPROVED, BEGIN, END, MATCHER, RESEARCH

PEOPLE, RECORDS = 60, 40
HEADER = ("record_id", "first_name", "last_name", "date_of_birth", "sex", "postcode")


def department_of(dataset: str) -> str:
    """The party that brings a dataset."""
    return f"{dataset}-dept"


def table_of(dataset: str) -> Table:
    """A dataset about two thirds of everybody, and a column that tells who is who."""
    place = NAMES.index(dataset)
    draw = random.Random(place)
    found = [with_a_slip(each, draw) for each in draw.sample(people(PEOPLE, seed=7), RECORDS)]
    columns = zip(
        *(
            (f"{dataset}-{each.number}", each.given, each.surname, str(each.born), each.sex, each.postcode)
            for each in found
        ),
        strict=True,
    )
    return {name: list(values) for name, values in zip(HEADER, columns, strict=True)}


@dataclass(frozen=True, slots=True)
class Consortium:
    """One version of an agreement, and everybody's folder.

    ::

        PARTY/agreement-1.toml             and agreement-1.signatures/
        PARTY/PARTY.key                    and PARTY.XXXXXXXX/
        PARTY/to-send-1/, PARTY/came-1/    the sealed shares that it hands out, and those that came
        PARTY/DATASET.csv
        matcher/store/

    Attributes:
        folder: where it all is.
        datasets: one of each department, of `NAMES`.
        version: the agreement's version.
        raw: the agreement.
    """

    folder: Path
    datasets: tuple[str, ...]
    version: int
    raw: bytes

    @classmethod
    def founded(
        cls, folder: Path, datasets: Collection[str], earlier: Consortium | None = None
    ) -> Consortium:
        """Everybody has keys, tables and the agreement's text, and has done nothing yet.

        Args:
            folder: where it all is.
            datasets: one of each department.
            earlier: the version before, if there is one.
        """
        version = 1 if earlier is None else earlier.version + 1
        made = cls(folder, tuple(datasets), version, _agreement(tuple(datasets), version, earlier).encode())
        for party in made.parties:
            made._move_in(party)
        for dataset in datasets:
            write_table(made.data(dataset), table_of(dataset))
        for party in {*made.parties, *(earlier.parties if earlier else ())}:
            made.path(party).write_bytes(made.raw)
        return made

    @property
    def agreement(self) -> AgreementFile:
        """The agreement."""
        return parse(self.raw, where="agreement.toml")

    @property
    def departments(self) -> tuple[str, ...]:
        """The departments."""
        return tuple(map(department_of, self.datasets))

    @property
    def parties(self) -> tuple[str, ...]:
        """Everybody."""
        return (*self.departments, MATCHER, RESEARCH)

    @property
    def store(self) -> Path:
        """The coordinator's store."""
        return self.folder / MATCHER / "store"

    def path(self, party: str) -> Path:
        """A party's copy of the agreement."""
        return self.folder / party / f"agreement-{self.version}.toml"

    def key(self, party: str) -> Path:
        """A party's key file."""
        return self.folder / party / f"{party}.key"

    def data(self, dataset: str) -> Path:
        """A department's table."""
        return self.folder / department_of(dataset) / f"{dataset}.csv"

    def submission(self, dataset: str) -> Path:
        """What a department sends."""
        return self.folder / department_of(dataset) / f"{dataset}-{self.version}.submission"

    def kept(self, party: str) -> Holdings:
        """A party's own part of the agreement."""
        return Holdings.beside(self.key(party), party, self.agreement.sha256)

    def own(self, party: str) -> tuple[str | Path, ...]:
        """How a department's commands are told the agreement and the key file."""
        return ("-a", self.path(party), "-k", self.key(party))

    def sent(self, sender: str, recipient: str) -> Path:
        """A sealed share, at home with its sender."""
        return self.folder / sender / f"to-send-{self.version}" / sharing.file_name(sender, recipient)

    def status(self, party: str) -> dict[str, Any]:
        """What a department is told of the ceremony."""
        found: dict[str, Any] = json.loads(
            done("pprl", "secret", "status", *self.own(party), "--json").stdout
        )
        return found

    def secret(self, party: str) -> bytes:
        """The linkage secret that a department has derived.

        Raises:
            ProtocolError: it has not derived it yet.
        """
        kept, mine = self.kept(party), identity(party)
        signed = party_files.signed_agreement(
            self.agreement, self.path(party), today=datetime.now(UTC).date()
        )
        me = Signatory.take_seat(mine, signed, holdings.run_key_of(kept, mine, self.agreement))
        return sharing.secret_of(me, kept).value

    # Steps, by their commands. Each can be run again.

    def commit(self, party: str) -> None:
        """Draw a share."""
        done("pprl", "secret", "commit", *self.own(party))

    def sign(self, party: str, *, earlier: Consortium | None = None, again: bool = False) -> None:
        """Sign, and leave the signature at home, in place of one that may be there if it is done again."""
        words = (*(("--previous", earlier.path(party)) if earlier else ()), *(("--force",) if again else ()))
        program = "coordinator" if party == MATCHER else "pprl"
        done(program, "agreement", "sign", self.path(party), "-k", self.key(party), *words)

    def exchange_signatures(self, left: Collection[str] = ()) -> None:
        """Everybody gives everybody its signature, or that it agrees to be succeeded."""
        folders = {party: _signatures(self.path(party)) for party in {*self.parties, *left}}
        for party, folder in folders.items():
            for other in folders.values():
                for path in folder.glob(f"{party}.*"):
                    shutil.copy2(path, other / path.name) if other != folder else None

    def compare(self, party: str) -> None:
        """Compare the words with everybody."""
        heard = [word for other in self.parties if other != party for word in ("--heard-from", other)]
        done("pprl", "agreement", "verify", self.path(party), "-k", self.key(party), *heard)

    def share(self, party: str) -> None:
        """Seal the share to everybody."""
        done(
            "pprl", "secret", "share", *self.own(party), "-o", self.folder / party / f"to-send-{self.version}"
        )

    def open_store(self) -> None:
        """The coordinator makes its store if it has none, and registers the agreement."""
        if not self.store.exists():
            roles = ("--role", "both")
            done("coordinator", "init", *roles, "-k", self.key(MATCHER), "--store", self.store)
        done("coordinator", "agreement", "register", self.path(MATCHER), "--store", self.store)

    def hand_in(self, *files: Path) -> None:
        """The coordinator takes files in."""
        done("coordinator", "receive", *files, "--store", self.store)

    def handed_on(self, party: str) -> list[Path]:
        """What the coordinator hands on to a department, at home with it."""
        folder = self.folder / party / f"came-{self.version}"
        shutil.rmtree(folder, ignore_errors=True)
        words = (
            "--agreement",
            self.agreement.sha256[:12],
            "--to",
            party,
            "-o",
            folder,
            "--store",
            self.store,
        )
        done("coordinator", "relay", *words)
        return sorted(folder.iterdir())

    def accept(self, party: str, *files: Path) -> str:
        """Take shares up; gives what is said."""
        return done("pprl", "secret", "accept", *files, *self.own(party)).stdout

    def prepared(self, *, earlier: Consortium | None = None, left: Collection[str] = ()) -> None:
        """The ceremony up to the words, with nothing going wrong."""
        for party in self.departments:
            self.commit(party)
        for party in (*self.parties, *left):
            self.sign(party, earlier=earlier if earlier and party in earlier.parties else None)
        self.exchange_signatures(left)
        for party in self.departments:
            self.compare(party)

    def completed(self, *, earlier: Consortium | None = None, left: Collection[str] = ()) -> None:
        """The whole ceremony through the coordinator, with nothing going wrong."""
        self.prepared(earlier=earlier, left=left)
        self.made_a_secret()

    def made_a_secret(self) -> None:
        """The ceremony's shares, from each department to all others through the coordinator."""
        self.open_store()
        for party in self.departments:
            self.share(party)
        self.hand_in(*self.shares())
        for party in self.departments:
            self.accept(party, *self.handed_on(party))

    def shares(self) -> list[Path]:
        """Every sealed share, at home with its sender."""
        ends = ((one, other) for one in self.departments for other in self.departments if one != other)
        return [self.sent(*each) for each in ends]

    def encode(self, dataset: str) -> Path:
        """Encode a department's table."""
        out = self.submission(dataset)
        done("pprl", "encode", self.data(dataset), *self.own(department_of(dataset)), "-o", out)
        return out

    def witnessed(self) -> None:
        """Let every department sign the coordinator's log as it is."""
        folder = self.folder / MATCHER / "requests"
        digest = ("--agreement", self.agreement.sha256[:12])
        done("coordinator", "log", "checkpoint", *digest, "--store", self.store, "-o", folder, "--force")
        answers = [self._cosigned(party, folder) for party in self.departments]
        done("coordinator", "log", "cosign", *answers, "--store", self.store)

    def receipts(self) -> Path:
        """The folder of the receipts of the coordinator's log."""
        folder = self.folder / MATCHER / f"receipts-{self.version}"
        digest = ("--agreement", self.agreement.sha256[:12])
        done("coordinator", "log", "receipts", *digest, "--store", self.store, "-o", folder, "--force")
        return folder

    def released(self) -> Path:
        """The folder of the results, after linkage."""
        digest = ("--agreement", self.agreement.sha256[:12])
        done("coordinator", "link", *digest, "--store", self.store)
        self.witnessed()
        folder = self.folder / MATCHER / f"results-{self.version}"
        done("coordinator", "release", *digest, "--store", self.store, "-o", folder)
        return folder

    def _cosigned(self, party: str, folder: Path) -> Path:
        (request,) = folder.glob(f"*{party}*")
        out = self.folder / party / f"{request.name}.cosignature"
        done("pprl", "log", "witness", request, *self.own(party), "-o", out, "--force")
        return out

    def _move_in(self, party: str) -> None:
        self.key(party).parent.mkdir(parents=True, exist_ok=True)
        if not self.key(party).exists():
            write_new(self.key(party), key_file_of(identity(party)), mode=0o600)


def _signatures(path: Path) -> Path:
    return path.with_suffix(".signatures")


def _agreement(datasets: tuple[str, ...], version: int, earlier: Consortium | None) -> str:
    sketches = [DatasetSketch(name, HEADER, RECORDS) for name in datasets]
    text = draft(sketches, project_id="joint", title="A joint project", today=APPROVED, scheme="clk")
    for old, new in (
        ('roles = ["key-issuer"]', 'roles = ["auditor"]'),
        ('["matcher"]', '["matcher", "key-issuer"]'),
    ):
        text = text.replace(old, new)
    text = with_values(text, dict(_values(version, earlier)))
    keys = {department_of(name): identity(department_of(name)).public for name in datasets}
    keys |= {party: identity(party).public for party in (MATCHER, RESEARCH)}
    return with_rehearsal_approvals(with_keys(text, keys), today=APPROVED)


def _values(version: int, earlier: Consortium | None) -> Iterator[tuple[tuple[str | int, ...], Any]]:
    yield ("linkage", "target_precision"), 0.8
    yield ("project", "valid_from"), BEGIN
    yield ("project", "valid_until"), END
    yield ("dpia", "expires"), END
    yield ("project", "version"), version
    if earlier is not None:
        yield ("project", "previous_sha256"), earlier.agreement.sha256
