"""Where things are that go with an agreement: the signatures beside it, and a party's own part beside its key file.

agreement.toml
agreement.signatures/PARTY.signature      every signatory's
agreement.signatures/PARTY.succession     of parties of the version before that the new one leaves out
agreement.signatures/previous.toml        the version before, if there is one

keys/PARTY.key
keys/PARTY.XXXXXXXX/                      the first 8 digits of the agreement's SHA-256; nobody else may enter
run.key (or run.destroyed)  commitment  share  sent/  shares/  linkage.secret
remembers                                 a second copy of the memory beside the key file (pprl.files.seen)
DATASET.risk  DATASET.risk-salt           a risk statement, and the salt key that committed to its rows
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path

from pprl.crypto import at_rest
from pprl.crypto.identity import Identity
from pprl.crypto.statements import MAX_STATEMENT_BYTES
from pprl.crypto.x_wing import SEED_BYTES, XWingKey
from pprl.errors import KeyFileError, UsageError
from pprl.files.atomic import delete_files, new_files, read_file, read_secret_file, unfinished_in, write_new
from pprl.protocol.agreement import MAX_AGREEMENT_BYTES, AgreementFile, parse
from pprl.protocol.kinds import NAME

PREVIOUS_NAME = "previous.toml"
RISK_SALT_KIND = "risk-salt"
RECEIPT_ENDING = ".receipt"
SIGNATURE_ENDING, SUCCESSION_ENDING = ".signature", ".succession"


@dataclass(frozen=True, slots=True)
class Holdings:
    """A party's own part of one agreement: a folder that nobody else may enter.

    Attributes:
        folder: where it is.
    """

    folder: Path

    @classmethod
    def beside(cls, key_path: Path, party: str, agreement_sha256: str) -> Holdings:
        """The holdings of the party whose key file this is."""
        return cls(key_path.with_name(f"{party}.{agreement_sha256[:8]}"))

    def made(self) -> Holdings:
        """The same, with the folder there."""
        self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        return self

    @property
    def run_key(self) -> Path:
        """The private half of the run key, sealed at rest."""
        return self.folder / "run.key"

    @property
    def run_key_destroyed(self) -> Path:
        """Says, once the run key is destroyed, on which day that was."""
        return self.folder / "run.destroyed"

    @property
    def remembers(self) -> Path:
        """A second copy of the memory beside the key file, which must not be missing."""
        return self.folder / "remembers"

    @property
    def commitment(self) -> Path:
        """A department's commitment to its share: 64 hexadecimal digits and a line feed."""
        return self.folder / "commitment"

    @property
    def share(self) -> Path:
        """A department's own share of the linkage secret, sealed at rest."""
        return self.folder / "share"

    @property
    def shares(self) -> Path:
        """The folder of the containers in which other departments' shares came."""
        return self.folder / "shares"

    def share_from(self, department: str) -> Path:
        """The container in which another department's share came."""
        return self.shares / f"{department}.sealed"

    def sent_to(self, department: str) -> Path:
        """The container in which one's own share went to another department, as it was sealed first."""
        return self.folder / "sent" / f"{department}.sealed"

    @property
    def linkage_secret(self) -> Path:
        """The linkage secret, sealed at rest."""
        return self.folder / "linkage.secret"

    def risk_statement(self, dataset: str) -> Path:
        """What this department has stated of its attacks on a dataset, signed."""
        return self.folder / f"{dataset}.risk"

    def risk_salt(self, dataset: str) -> Path:
        """The salt key with which it committed to the rows of the statement, sealed at rest."""
        return self.folder / f"{dataset}.risk-salt"


@dataclass(frozen=True, slots=True)
class RiskFiles:
    """What a department keeps of its attacks on a dataset, until it encodes it.

    Attributes:
        statement: the signed statement's bytes, none of them verified.
        salt_key: commits to the rows that were attacked, and to the same rows when they are encoded.
    """

    statement: bytes
    salt_key: bytes = field(repr=False)


def keep_risk(
    holdings: Holdings, identity: Identity, agreement: AgreementFile, dataset: str, kept: RiskFiles
) -> None:
    """Keep a risk statement and its salt key, in place of any before. Run by the department that has made it.

    Args:
        holdings: the department's part of the agreement.
        identity: whose key the salt key is sealed to.
        agreement: what it is about.
        dataset: the name of the dataset that was attacked.
        kept: the statement's file, and the salt key, which is written sealed alone.

    Raises:
        UsageError: the files can't be written.
    """
    sealed = at_rest.keep(kept.salt_key, identity=identity, agreement=agreement, kind=RISK_SALT_KIND)
    holdings.made()
    with new_files(
        (holdings.risk_salt(dataset), 0o600), (holdings.risk_statement(dataset), 0o600), force=True
    ) as (salt_file, statement_file):
        salt_file.write(sealed)
        statement_file.write(kept.statement)


def risk_of(
    holdings: Holdings, identity: Identity, agreement: AgreementFile, dataset: str
) -> RiskFiles | None:
    """What a department keeps of its attacks on a dataset; None if it has made no statement.

    Raises:
        KeyFileError: the salt key is missing, damaged, or another's.
    """
    if not holdings.risk_statement(dataset).exists():
        return None
    path = holdings.risk_salt(dataset)
    sealed = read_secret_file(path, what="salt key of the risk statement")
    salt_key = at_rest.take(
        sealed, identity=identity, agreement=agreement, kind=RISK_SALT_KIND, where=str(path)
    )
    raw = read_file(holdings.risk_statement(dataset), what="risk statement", limit=MAX_STATEMENT_BYTES + 1)
    return RiskFiles(raw, salt_key)


def run_key_of(holdings: Holdings, identity: Identity, agreement: AgreementFile) -> XWingKey:
    """The run key that this party made for an agreement.

    Raises:
        KeyFileError: there is none, or it can't be used.
    """
    if not holdings.run_key.exists():
        _require_not_destroyed(holdings, identity.party)
        raise KeyFileError(
            f"'{identity.party}' has no run key for this agreement in {holdings.folder}.",
            hint="It is made when you sign ('agreement sign'); if it was destroyed, nothing more can be opened.",
        )
    raw = read_secret_file(holdings.run_key, what="run key")
    seed = at_rest.take(
        raw, identity=identity, agreement=agreement, kind=at_rest.RUN_KEY_KIND, where=str(holdings.run_key)
    )
    if len(seed) != SEED_BYTES:
        raise KeyFileError(f"{holdings.run_key} holds no run key.")
    return XWingKey(seed)


def made_run_key(holdings: Holdings, identity: Identity, agreement: AgreementFile) -> XWingKey:
    """The run key of this party for an agreement; made now if there is none.

    Raises:
        KeyFileError: it is damaged or another's, or what was under this agreement has been destroyed.
    """
    if holdings.run_key.exists():
        return run_key_of(holdings, identity, agreement)
    _require_not_destroyed(holdings, identity.party)
    made = XWingKey.create()
    sealed = at_rest.keep(made.to_seed(), identity=identity, agreement=agreement, kind=at_rest.RUN_KEY_KIND)
    write_new(holdings.made().run_key, sealed, mode=0o600)
    return made


def destroy_run_key(holdings: Holdings, *, today: date) -> None:
    """Delete a party's run key, and what a killed process may have left of it; say that it is gone.

    Asked again, it ends what was begun. Nothing is written over the file first: solid-state disks and journalling file
    systems put the new bytes elsewhere. What is in the file is sealed to the party's identity in any case.
    """
    delete_files([holdings.run_key, *unfinished_in(holdings.folder)])
    if not holdings.run_key_destroyed.exists():
        write_new(holdings.made().run_key_destroyed, f"{today.isoformat()}\n".encode(), mode=0o600)


def _require_not_destroyed(holdings: Holdings, party: str) -> None:
    if not holdings.run_key_destroyed.exists():
        return
    told = read_file(holdings.run_key_destroyed, what="note of a destruction", limit=100)
    day = told.decode("ascii", "replace").strip()
    when = f" on {day}" if re.fullmatch(r"\d{4}-\d{2}-\d{2}", day, re.ASCII) else ""
    raise KeyFileError(
        f"The run key of '{party}' for this agreement was destroyed{when}.",
        hint="What was sealed to it can't be opened any more. A new version of the agreement has a new one.",
    )


@dataclass(frozen=True, slots=True)
class SignatureFiles:
    """What a folder of signatures holds, none of it verified.

    Attributes:
        signatures: files of kind `agreement-signature`, by party.
        successions: files of kind `agreement-succession`, by party.
        previous: the version before, if it is there.
    """

    signatures: Mapping[str, bytes]
    successions: Mapping[str, bytes]
    previous: AgreementFile | None


def signatures_beside(agreement_path: Path) -> Path:
    """The folder of signatures that belongs to an agreement's file."""
    return agreement_path.with_name(f"{agreement_path.name.removesuffix('.toml')}.signatures")


def read_signatures(folder: Path) -> SignatureFiles:
    """Everything in a folder of signatures; nothing if there is no such folder. Other files are left alone.

    Raises:
        UsageError: a file is no plain one, can't be read, or is too large.
    """
    previous = folder / PREVIOUS_NAME
    return SignatureFiles(
        signatures=files_by_party(folder, SIGNATURE_ENDING),
        successions=files_by_party(folder, SUCCESSION_ENDING),
        previous=_agreement_here(previous) if os.path.lexists(previous) else None,
    )


def signature_path(folder: Path, party: str) -> Path:
    """Where a party's signature goes."""
    return folder / f"{party}{SIGNATURE_ENDING}"


def succession_path(folder: Path, party: str) -> Path:
    """Where a former party's agreement to be succeeded goes."""
    return folder / f"{party}{SUCCESSION_ENDING}"


def receipt_beside(path: Path) -> Path:
    """Where the receipt of a released file is, if it was left where it came."""
    return path.with_name(f"{path.name}{RECEIPT_ENDING}")


def files_by_party(folder: Path, ending: str) -> dict[str, bytes]:
    """The files in a folder of signatures that are named after a party, with this ending; others are left alone.

    Returns:
        The bytes of each file, by party; {} if there is no such folder.

    Raises:
        UsageError: one is no plain file, can't be read, or is too large.
    """
    found = {}
    for path in sorted(folder.glob(f"*{ending}")):
        party = path.name.removesuffix(ending)
        if re.fullmatch(NAME, party):
            _require_plain(path)
            found[party] = read_file(path, what="signature", limit=MAX_STATEMENT_BYTES)
    return found


def _require_plain(path: Path) -> None:
    """Refuse what others may have left in a shared folder in place of a file: a pipe would be waited for for ever."""
    if not path.is_file():
        raise UsageError(f"{path} is not a regular file.", hint="Remove it, and ask for the file again.")


def _agreement_here(path: Path) -> AgreementFile:
    _require_plain(path)
    return read_agreement(path)


def read_agreement(path: Path) -> AgreementFile:
    """Read an agreement; whether it is in force and signed is the caller's to ask.

    Raises:
        ConfigError: it is none, or can't be read.
    """
    return parse(read_file(path, what="agreement", limit=MAX_AGREEMENT_BYTES + 1), where=path.name)
