"""The entries of a log: what a coordinator party did under an agreement, in order.

A party that holds a coordinator role keeps one log for each agreement. An entry is canonical JSON
(docs/formats/log.md), and its bytes are a leaf of the log's tree. It holds digests, names from the agreement and
words of the release rules: nothing personal, and no count that could be small.

This module owns the bytes of an entry and the order in which entries may follow each other. That an entry is in a
log, and who vouches for that, is `pprl.protocol.receipt`'s and `pprl.crypto.notes`'s.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from pprl.errors import FormatError, VerificationError
from pprl.protocol import canonical, members
from pprl.protocol.envelope import Binding
from pprl.protocol.kinds import NAME
from pprl.protocol.submission import ENCODINGS_KIND

FORMAT = "pprl-log-entry"
VERSION = 1
MAX_ENTRY_BYTES = 65_536

MATCHER, KEY_ISSUER = "matcher", "key-issuer"
COLLECTING, DESTROYED = "collecting", "destroyed"

# How a role's stage may move: from which stage an entry of a kind leads to which. Every role begins at collecting.
MOVES: Mapping[tuple[str, str, str], frozenset[str]] = {
    (MATCHER, COLLECTING, "received"): frozenset({COLLECTING, "complete"}),
    (MATCHER, "complete", "matched"): frozenset({"matched"}),
    (KEY_ISSUER, COLLECTING, "received"): frozenset({COLLECTING, "complete"}),
    (KEY_ISSUER, "complete", "issued"): frozenset({"issued"}),
    (KEY_ISSUER, "issued", "released"): frozenset({"released"}),
}
# Entries that belong to a role and move nothing, with the stages in which they may stand.
STANDING: Mapping[tuple[str, str], frozenset[str]] = {(KEY_ISSUER, "refused"): frozenset({"issued"})}

_MEMBERS = {"agreement_sha256", "at", "detail", "format", "kind", "role", "stage", "version"}
_CONTAINER_MEMBERS = {"dataset", "head_sha256", "kind", "recipient", "sender", "sha256"}
_WITH_ENCODINGS = {"key_check", "confirmation", "rows_root"}
_WITH_RISK = "risk_sha256"

_KIND = re.compile(r"[a-z][a-z0-9-]{0,39}")
_FILE_NAME = re.compile(r"[A-Za-z][A-Za-z0-9._-]{0,99}")
_MOST_TEXT = 1_000

Check = Callable[[Any], bool]


@dataclass(frozen=True, slots=True)
class Entry:
    """One thing that happened.

    Attributes:
        agreement_sha256: the agreement under which it happened.
        at: when, as "2026-11-22T16:34:31Z", by the clock of whoever keeps the log.
        kind: what: a key of `DETAILS`.
        role: the role that did it: "matcher", "key-issuer", or "" where no role matters.
        stage: where that role's run stands after it; "" if it moves nothing.
        detail: just the members that the kind has.
    """

    agreement_sha256: str
    at: str
    kind: str
    role: str
    stage: str
    detail: Mapping[str, Any]

    def __post_init__(self) -> None:
        _require(_sha256(self.agreement_sha256), "agreement_sha256")
        _require(_is_time(self.at), "at")
        _require(isinstance(self.kind, str) and self.kind in DETAILS, "kind")
        _require(isinstance(self.role, str) and (self.kind, self.role) in _roles_of_kinds(), "role")
        _require(isinstance(self.stage, str) and self.stage in _stages_after(self.kind, self.role), "stage")
        checks = _detail_checks(self.kind, self.detail)
        _require(isinstance(self.detail, Mapping) and set(self.detail) == set(checks), "detail")
        for name, check in checks.items():
            _require(check(self.detail[name]), name)

    def to_bytes(self) -> bytes:
        """The entry's bytes: what a leaf of the log's tree holds."""
        tree = {
            "agreement_sha256": self.agreement_sha256,
            "at": self.at,
            "detail": self.detail,
            "format": FORMAT,
            "kind": self.kind,
            "role": self.role,
            "stage": self.stage,
            "version": VERSION,
        }
        return canonical.dumps(tree)

    @property
    def containers(self) -> list[dict[str, str]]:
        """The containers that it names, results in the order of their files' names."""
        if "container" in self.detail:
            return [self.detail["container"]]
        return [each for _, each in sorted(self.detail["results"].items())] if self.kind == "issued" else []


@dataclass(slots=True)
class History:
    """What the entries of one log, taken in order, have told so far.

    Attributes:
        agreement_sha256: the agreement that the log is about.
        stages: where each role stands that has done something.
        entries: how many entries were taken.
    """

    agreement_sha256: str
    stages: dict[str, str] = field(default_factory=dict)
    entries: int = 0
    _last_at: str = ""
    _over: bool = False

    def take(self, entry: Entry) -> None:
        """Take the next entry.

        1. It is about the log's agreement.
        2. The first entry, and no other, tells the registration.
        3. It is not older than the one before it.
        4. Nothing follows a destruction.
        5. Its role's stage allows it, and moves as `MOVES` says.

        Raises:
            VerificationError: an entry can't stand here; nothing is taken.
        """
        first = self.entries == 0
        if entry.agreement_sha256 != self.agreement_sha256:
            raise _out_of_order("it is about another agreement")
        if first != (entry.kind == "registered"):
            raise _out_of_order("a log begins with the registration, and has no other")
        if entry.at < self._last_at:
            raise _out_of_order("it is older than the one before it")
        if self._over:
            raise _out_of_order("everything was destroyed before it")
        if entry.role:
            self._require_stage(entry)
        if entry.stage:
            self.stages[entry.role] = entry.stage
        if entry.kind == "destroyed":
            self.stages = dict.fromkeys(self.stages, DESTROYED)
        self._last_at, self._over = entry.at, entry.kind == "destroyed"
        self.entries += 1

    def stage_of(self, role: str) -> str:
        """Where a role stands, whether it has done anything yet or not."""
        return self.stages.get(role, DESTROYED if self._over else COLLECTING)

    def _require_stage(self, entry: Entry) -> None:
        here = self.stage_of(entry.role)
        if entry.stage:
            allowed = entry.stage in MOVES.get((entry.role, here, entry.kind), frozenset())
        else:
            allowed = here in STANDING[entry.role, entry.kind]
        if not allowed:
            raise _out_of_order(f"the {entry.role}'s run was {here}, where there is no '{entry.kind}'")


def parse(raw: bytes) -> Entry:
    """Read an entry, strictly.

    Args:
        raw: the entry's bytes.

    Raises:
        FormatError: anything but an entry of this version; no other exception on any bytes.
    """
    if len(raw) > MAX_ENTRY_BYTES:
        raise FormatError(f"An entry of a log has more than {MAX_ENTRY_BYTES} bytes.")
    tree = canonical.loads(raw, what="An entry of a log")
    if not isinstance(tree, dict) or tree.get("format") != FORMAT:
        raise FormatError("This is not an entry of a log.")
    if type(tree.get("version")) is not int or tree["version"] != VERSION:
        raise FormatError("An entry of a log is of another version.", hint="Use the release that wrote it.")
    if set(tree) != _MEMBERS:
        raise FormatError("An entry of a log has other members than it must have.")
    names = ("agreement_sha256", "at", "kind", "role", "stage", "detail")
    return Entry(**{name: tree[name] for name in names})


def time_text(at: datetime) -> str:
    """A time as entries tell it, to the second.

    Args:
        at: a time with its zone.
    """
    return at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def container_detail(binding: Binding, *, head_sha256: str, sha256: str) -> dict[str, str]:
    """How an entry names a container.

    Args:
        binding: the container's, verified.
        head_sha256: digest of its bytes before the ciphertext, which are signed and name the ciphertext's digest.
        sha256: digest of the whole file, as `sha256sum` prints it.
    """
    return {
        "dataset": binding.dataset,
        "head_sha256": head_sha256,
        "kind": binding.kind,
        "recipient": binding.recipient,
        "sender": binding.sender,
        "sha256": sha256,
    }


def _of_form(form: re.Pattern[str]) -> Check:
    return lambda value: isinstance(value, str) and form.fullmatch(value) is not None


_sha256, _hex_id, _name = _of_form(members.SHA256), _of_form(members.HEX_ID), _of_form(NAME)


def _id_or_none(value: Any) -> bool:
    return value == "" or _hex_id(value)


def _text(value: Any) -> bool:
    return isinstance(value, str) and 0 < len(value) <= _MOST_TEXT


def _text_or_none(value: Any) -> bool:
    return value == "" or _text(value)


def _version(value: Any) -> bool:
    return type(value) is int and value >= 1


def _digests_by_party(value: Any) -> bool:
    return isinstance(value, dict) and all(_name(party) and _sha256(each) for party, each in value.items())


def _digests_by_file(value: Any) -> bool:
    return isinstance(value, dict) and all(
        _FILE_NAME.fullmatch(name) and _sha256(each) for name, each in value.items()
    )


def _containers_by_file(value: Any) -> bool:
    return isinstance(value, dict) and all(
        _FILE_NAME.fullmatch(name) and _container(each) for name, each in value.items()
    )


def _digests_in_order(value: Any) -> bool:
    return isinstance(value, list) and all(map(_sha256, value)) and value == sorted(set(value))


def _container(value: Any) -> bool:
    return (
        isinstance(value, dict)
        and set(value) == _CONTAINER_MEMBERS
        and _sha256(value["sha256"])
        and _sha256(value["head_sha256"])
        and _name(value["sender"])
        and _name(value["recipient"])
        and (value["dataset"] == "" or _name(value["dataset"]))
        and isinstance(value["kind"], str)
        and _KIND.fullmatch(value["kind"]) is not None
    )


# The members of each kind's detail. `received` has three more where encodings were received, and a fourth where a risk
# statement came with them: the agreement says whether one must, which is for whoever has it to check.
DETAILS: Mapping[str, Mapping[str, Check]] = {
    "registered": {"version": _version, "signatures": _digests_by_party},
    "received": {
        "container": _container,
        "submission": _id_or_none,
        "key_check": _hex_id,
        "confirmation": _sha256,
        "rows_root": _sha256,
        _WITH_RISK: _sha256,
    },
    "relayed": {"container": _container},
    "matched": {"container": _container, "inputs": _digests_in_order},
    "issued": {
        "inputs": _digests_in_order,
        "results": _containers_by_file,
        "summary_sha256": _sha256,
        "refusal": _text_or_none,
    },
    "refused": {"reason": _text},
    "released": {"results": _digests_by_file},
    "reseal-requested": {"party": _name, "request_sha256": _sha256},
    "destroyed": {"certificate_sha256": _sha256},
}
_OF_NO_ROLE = ("registered", "relayed", "reseal-requested", "destroyed")


def _detail_checks(kind: str, detail: Any) -> Mapping[str, Check]:
    checks = DETAILS[kind]
    if kind != "received":
        return checks
    left_out = {_WITH_RISK} - set(detail) if _holds_encodings(detail) else {*_WITH_ENCODINGS, _WITH_RISK}
    return {name: check for name, check in checks.items() if name not in left_out}


def _holds_encodings(detail: Any) -> bool:
    container = detail.get("container") if isinstance(detail, Mapping) else None
    return isinstance(container, dict) and container.get("kind") == ENCODINGS_KIND


def _roles_of_kinds() -> set[tuple[str, Any]]:
    moving = {(kind, role) for role, _, kind in MOVES}
    return moving | {(kind, role) for role, kind in STANDING} | {(kind, "") for kind in _OF_NO_ROLE}


def _stages_after(kind: str, role: str) -> frozenset[str]:
    after = [there for (mover, _, what), there in MOVES.items() if (mover, what) == (role, kind)]
    return frozenset().union(*after) if after else frozenset({""})


def _is_time(value: Any) -> bool:
    if not isinstance(value, str):
        return False
    try:
        return time_text(datetime.strptime(value, "%Y-%m-%dT%H:%M:%SZ").replace(tzinfo=UTC)) == value
    except (ValueError, OverflowError):
        return False


def _require(holds: bool, what: str) -> None:
    if not holds:
        raise FormatError(f"In an entry of a log, '{what}' is not as its format has it.")


def _out_of_order(reason: str) -> VerificationError:
    return VerificationError(
        f"An entry of the log can't stand where it stands: {reason}.",
        hint="Ask the party whose log it is for an explanation; the log shows what it did.",
    )
