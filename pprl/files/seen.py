"""What a party must not forget: `PARTY.seen.json` beside its key file. Nothing in it is secret; all of it counts.

- the highest version of each project's agreement that it has worked under: an older one is refused from then on;
- with whom it has compared an agreement's words, by telephone or in person;
- the last checkpoint of each log that it has seen: a log that takes anything back is refused.

One object in canonical JSON with a line feed, mode 0600:

    {"agreements": {PROJECT: {"sha256": HEX, "version": N}},
     "checkpoints": {ORIGIN: {"root": HEX, "size": N}},
     "format": "pprl-seen",
     "heard": {AGREEMENT SHA-256: {PARTY: DAY}},
     "version": 1}

Each of the party's folders of an agreement has a second copy, `remembers`, which is written first:

- what a memory lacks that was restored from an older copy, it has from there;
- a memory that is gone is told, and nothing goes on as if nothing had been seen. It is not made from the second copy
  unasked: a folder that was itself restored may have an old one.
"""

from __future__ import annotations

import fcntl
import os
import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import date
from pathlib import Path
from typing import Any

from pprl.errors import FormatError, KeyFileError, ProtocolError, VerificationError
from pprl.files.atomic import read_secret_file, write_new
from pprl.files.holdings import Holdings
from pprl.protocol import canonical, members
from pprl.protocol.agreement import AgreementFile
from pprl.protocol.signatures import a_day

FORMAT = "pprl-seen"
ENDING = ".seen.json"
_MEMBERS = {"agreements", "checkpoints", "format", "heard", "version"}
_WHAT = "A party's memory"


@dataclass(frozen=True, slots=True)
class Seen:
    """A party's memory.

    Attributes:
        agreements: by project id, the highest version and its SHA-256.
        checkpoints: by a log's origin, the size and root (64 hexadecimal digits) of the last checkpoint.
        heard: by an agreement's SHA-256, whose words were compared, and on which day.
    """

    agreements: Mapping[str, tuple[int, str]] = field(default_factory=dict)
    checkpoints: Mapping[str, tuple[int, str]] = field(default_factory=dict)
    heard: Mapping[str, Mapping[str, date]] = field(default_factory=dict)

    def with_agreement(self, agreement: AgreementFile) -> Seen:
        """The memory after work under an agreement.

        Raises:
            VerificationError: a higher version was seen before, this one with other bytes, or the one before this with
                other bytes than this one names.
            ProtocolError: a lower version was seen last, and not those between.
        """
        project = agreement.content.project
        version, sha256 = self.agreements.get(project.id, (0, ""))
        if project.version < version:
            raise VerificationError(
                f"Version {version} of '{project.id}' was seen before: version {project.version} is over.",
                hint="Use the newest version.",
            )
        if project.version == version and agreement.sha256 != sha256:
            raise VerificationError(
                f"Version {version} of '{project.id}' was seen before with other bytes.",
                hint="Compare the agreement's words with the other parties: somebody has another file.",
            )
        if project.version == version + 1 and version and project.previous_sha256 != sha256:
            raise VerificationError(
                f"Version {project.version} of '{project.id}' follows another version {version} than was seen before.",
                hint="Ask who made it, and what it follows: the parties of the version before must agree to the next.",
            )
        if project.version > version + 1 and version:
            raise ProtocolError(
                f"Version {version} of '{project.id}' was seen last, and this is version {project.version}: what lies "
                "between was not seen.",
                hint="Get the versions between, with their signatures, from another party, and run 'agreement verify "
                "AGREEMENT -k KEY' with each, from the lowest.",
            )
        return replace(self, agreements={**self.agreements, project.id: (project.version, agreement.sha256)})

    def with_heard(self, agreement: AgreementFile, parties: list[str], *, today: date) -> Seen:
        """The memory after the agreement's words were compared with some parties."""
        heard = {**self.heard.get(agreement.sha256, {}), **dict.fromkeys(parties, today)}
        return replace(self, heard={**self.heard, agreement.sha256: heard})

    def with_checkpoint(self, origin: str, size: int, root: str) -> Seen:
        """The memory after a checkpoint that is consistent with the last one; the caller has checked that."""
        return replace(self, checkpoints={**self.checkpoints, origin: (size, root)})

    def with_all_of(self, other: Seen) -> Seen:
        """Both memories in one: the higher version of each project, and the longer checkpoint of each log."""
        heard = {
            sha256: {**other.heard.get(sha256, {}), **self.heard.get(sha256, {})}
            for sha256 in {**other.heard, **self.heard}
        }
        return Seen(
            _higher(self.agreements, other.agreements), _higher(self.checkpoints, other.checkpoints), heard
        )

    def require_heard(self, agreement: AgreementFile, parties: list[str]) -> None:
        """Refuse to go on before the agreement's words were compared with everybody.

        Raises:
            ProtocolError: some were not heard from yet.
        """
        heard = self.heard.get(agreement.sha256, {})
        waiting = [party for party in parties if party not in heard]
        if waiting:
            raise ProtocolError(
                f"The agreement's words have not been compared yet with: {', '.join(waiting)}.",
                hint="Compare them by telephone or in person, then record it: "
                f"'agreement verify ... --heard-from {waiting[0]}'.",
            )


def _higher(
    mine: Mapping[str, tuple[int, str]], others: Mapping[str, tuple[int, str]]
) -> dict[str, tuple[int, str]]:
    """Of each name, the entry with the higher number."""
    for name in mine.keys() & others.keys():
        if mine[name][0] == others[name][0] and mine[name] != others[name]:
            raise VerificationError(
                f"Two copies of what this party has seen contradict each other about '{name}': somebody has shown it "
                "two histories.",
                hint="Keep both copies, sign nothing, and compare with the other parties and witnesses.",
            )
    further = {name: each for name, each in others.items() if name not in mine or each[0] > mine[name][0]}
    return {**mine, **further}


def path_beside(key_path: Path, party: str) -> Path:
    """Where a party's memory is kept."""
    return key_path.with_name(f"{party}{ENDING}")


def read(path: Path) -> Seen:
    """A party's memory, with what its second copies have besides; an empty one if there never was any.

    Raises:
        KeyFileError: damaged, open to others, or gone.
        VerificationError: copies contradict each other.
    """
    copies = [kept.remembers for kept in _folders(path) if kept.remembers.exists()]
    if not path.exists() and copies:
        raise KeyFileError(
            f"{path} is gone: what this party has signed as a witness, which agreements it has seen, and whose words "
            "it has compared.",
            hint="Restore it from your newest safe copy. If there is none, ask the other witnesses what they signed "
            f"last, and put a copy of {copies[-1]} in its place: if that is older, your party can be shown another "
            "history.",
        )
    found = Seen()
    if path.exists():
        found = _read_one(path, "Restore it from your newest safe copy.")
        for copy in copies:
            found = found.with_all_of(
                _read_one(copy, f"Move it away, if {path} is whole: it is written anew.")
            )
    return found


def _read_one(path: Path, hint: str) -> Seen:
    raw = read_secret_file(path, what="memory of agreements", limit=None)
    try:
        return parse(raw)
    except FormatError as error:
        fault = error.message
    raise KeyFileError(f"{path} is damaged: {fault}", hint=hint)


def change(path: Path, how: Callable[[Seen], Seen]) -> Seen:
    """Read the memory, change it and write it, with nobody else in between.

    1. Where there is no memory yet, an empty one is written: whoever is killed in 2 finds a memory, and not one gone.
    2. The second copies are written: a memory that is lost from now on is told.
    3. The memory is written.

    Killed in between, it is as if it had been written: the second copies have it.

    Raises:
        KeyFileError: the file is damaged, open to others, or gone.
        VerificationError: copies contradict each other.
        UsageError: it can't be written, and nothing may go on that was to be remembered.
        PprlError: what `how` raises; the file is then as it was.
    """
    with _alone(path):
        after = how(read(path))
        if not path.exists():
            if after == Seen():
                return after
            _write_if_other(path, write(Seen()))  # 1
        for kept in _folders(path):
            _write_if_other(kept.remembers, write(after))  # 2
        _write_if_other(path, write(after))  # 3
    return after


def _write_if_other(path: Path, raw: bytes) -> None:
    if not path.exists() or path.read_bytes() != raw:
        write_new(path, raw, mode=0o600, force=True)


def _folders(path: Path) -> list[Holdings]:
    """The folders of agreements of the party whose memory this is."""
    party = re.escape(path.name.removesuffix(ENDING))
    found = sorted(
        each for each in path.parent.iterdir() if re.fullmatch(rf"{party}\.[0-9a-f]{{8}}", each.name)
    )
    return [Holdings(each) for each in found if each.is_dir()]


@contextmanager
def _alone(path: Path) -> Iterator[None]:
    """Hold the folder's lock: the file itself is replaced, so a lock on it would hold nobody."""
    folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
    try:
        fcntl.flock(folder, fcntl.LOCK_EX)
        yield
    finally:
        os.close(folder)


def write(seen: Seen) -> bytes:
    """The bytes of a party's memory."""
    tree = {
        "agreements": {
            project: {"sha256": sha256, "version": version}
            for project, (version, sha256) in seen.agreements.items()
        },
        "checkpoints": {
            origin: {"root": root, "size": size} for origin, (size, root) in seen.checkpoints.items()
        },
        "format": FORMAT,
        "heard": {
            sha256: {party: day.isoformat() for party, day in heard.items()}
            for sha256, heard in seen.heard.items()
        },
        "version": 1,
    }
    return canonical.dumps(tree) + b"\n"


def parse(raw: bytes) -> Seen:
    """Read a party's memory, strictly.

    Raises:
        FormatError: it is none.
    """
    if not raw.endswith(b"\n"):
        raise FormatError("A party's memory does not end with a line feed.")
    tree = canonical.loads(raw.removesuffix(b"\n"), what=_WHAT)
    found = members.an_object(tree, _MEMBERS, _WHAT)
    members.constant(found["format"], FORMAT, "The format of a party's memory")
    members.constant(found["version"], 1, "The version of a party's memory")
    return Seen(
        agreements={
            members.name(project, "A project"): _numbered(each, "version", "sha256")
            for project, each in _object(found["agreements"]).items()
        },
        checkpoints={
            origin: _numbered(each, "size", "root") for origin, each in _object(found["checkpoints"]).items()
        },
        heard={
            members.text(sha256, members.SHA256, "An agreement"): {
                members.name(party, "A party"): a_day(day, "A day") for party, day in _object(each).items()
            }
            for sha256, each in _object(found["heard"]).items()
        },
    )


def _numbered(tree: Any, number: str, digest: str) -> tuple[int, str]:
    found = members.an_object(tree, {number, digest}, "An entry of a party's memory")
    return (
        members.count(found[number], f"A {number}", least=1),
        members.text(found[digest], members.SHA256, f"A {digest}"),
    )


def _object(tree: Any) -> dict[str, Any]:
    if not isinstance(tree, dict):
        raise FormatError("A part of a party's memory is no object.")
    return tree
