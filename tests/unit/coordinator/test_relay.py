"""Sealed shares that go through the coordinator: the same as by hand, and nothing else goes through."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path

import pytest

from coordinator import log as coordinator_log
from coordinator import operations
from coordinator.operations import Coordinator
from coordinator.store.stages import Role
from pprl import department, sharing
from pprl.crypto import reseal
from pprl.crypto.exchange import Signatory, seal_for
from pprl.errors import ConfigError, FormatError, PprlError, ProtocolError, VerificationError
from pprl.protocol import log, secret_shares
from pprl.protocol.secret_shares import SecretShares
from pprl.protocol.transcript import SHARE_KIND
from tests.support.project import DEPARTMENTS, ISSUER, MATCHER, RESEARCH, TODAY, Project

POLICE, COURT, PRISON = DEPARTMENTS


@pytest.fixture(params=list(Role))
def store(project: Project, request: pytest.FixtureRequest) -> Coordinator:
    return project.open_store(request.param)


def test_through_the_coordinator_it_is_the_same(project: Project, store: Coordinator) -> None:
    for sender in (PRISON, POLICE):
        (receipt,) = operations.receive(store, project.share(sender, COURT).read_bytes())
        assert (receipt.kind, receipt.sender, receipt.complete) == (SHARE_KIND, sender, False)
    by_hand = {
        sharing.file_name(sender, COURT): project.share(sender, COURT).read_bytes()
        for sender in (POLICE, PRISON)
    }
    handed_on = operations.hand_on(store, None, COURT)
    assert handed_on == by_hand
    secret = project.held_secret(COURT)
    kept = project.holdings(COURT)
    for path in (kept.linkage_secret, *kept.shares.iterdir()):
        path.unlink()
    assert sharing.accept(project.signatory(COURT), kept, handed_on.items()).secret == secret


def test_received_twice_it_is_handed_on_once(project: Project, store: Coordinator) -> None:
    sealed = project.share(POLICE, COURT).read_bytes()
    assert operations.receive(store, sealed) == operations.receive(store, sealed)
    assert list(operations.hand_on(store, None, COURT).values()) == [sealed]


def test_sealed_anew_it_is_refused_until_it_is_asked_for(project: Project, store: Coordinator) -> None:
    me = project.signatory(POLICE)
    own = sharing.own_share(me.agreement.file, me.identity, project.holdings(POLICE))
    assert own is not None
    again = department.seal_shares(me, COURT, {POLICE: own})
    first = project.share(POLICE, COURT).read_bytes()
    operations.receive(store, first)
    entries = coordinator_log.read(store, None).entries
    with pytest.raises(ProtocolError, match=f"from '{POLICE}' for '{COURT}' is here already"):
        operations.receive(store, again)
    assert coordinator_log.read(store, None).entries == entries
    operations.receive(store, reseal.ask(project.signatory(COURT), today=TODAY))
    operations.receive(store, again)
    with pytest.raises(ProtocolError, match="is here already"):
        operations.receive(store, department.seal_shares(me, COURT, {POLICE: own}))
    name = sharing.file_name(POLICE, COURT)
    assert operations.hand_on(store, None, COURT) == {
        name: first,
        name.replace(".sealed", "-2.sealed"): again,
    }


def test_to_each_what_is_its_own(project: Project, store: Coordinator) -> None:
    operations.receive(store, project.share(POLICE, COURT).read_bytes())
    with pytest.raises(ProtocolError, match=f"Nothing has come for '{PRISON}'"):
        operations.hand_on(store, None, PRISON)
    with pytest.raises(ConfigError):
        operations.hand_on(store, None, "nobody")


def test_it_can_not_be_opened_on_its_way(project: Project) -> None:
    sealed = project.share(POLICE, COURT).read_bytes()
    for party in (MATCHER, ISSUER):
        with pytest.raises(PprlError):
            department.open_shares(project.signatory(party), sealed)


def by(project: Project, sender: str, recipient: str) -> bytes:
    """A sealed share of any party's to any other's."""
    me: Signatory = project.signatory(sender)
    raw = secret_shares.write(SecretShares(me.agreement.transcript.sha256, {POLICE: bytes(32)}))
    return seal_for(me.agreement.content.party_named(recipient), raw, me=me, kind=SHARE_KIND, records=1)


def of_another_agreement(project: Project) -> bytes:
    path = project.amended("other.toml", {("project", "title"): "Another"})
    me = project.signatory(POLICE, path)
    return department.seal_shares(me, COURT, {POLICE: bytes(32)})


REFUSED: dict[str, tuple[Callable[[Project], bytes], type[PprlError], str]] = {
    "by the matcher": (lambda project: by(project, MATCHER, COURT), VerificationError, "from one department"),
    "by research": (lambda project: by(project, RESEARCH, COURT), VerificationError, "from one department"),
    "to the key issuer": (lambda project: by(project, POLICE, ISSUER), VerificationError, "from one department"),
    "to oneself": (lambda project: by(project, POLICE, POLICE), VerificationError, "from one department"),
    "cut short": (lambda project: project.share(POLICE, COURT).read_bytes()[:-1], FormatError, "cut short"),
    "a byte more": (lambda project: project.share(POLICE, COURT).read_bytes() + b"\0", FormatError, "cut short"),
    "another ciphertext": (
        lambda project: altered(project.share(POLICE, COURT).read_bytes(), -1), VerificationError, "ciphertext",
    ),
    "another agreement": (of_another_agreement, VerificationError, "not registered here"),
    "far too long": (
        lambda project: project.share(POLICE, COURT).read_bytes() + bytes(200_000), FormatError, "at most",
    ),
}  # fmt: skip


def altered(raw: bytes, at: int) -> bytes:
    changed = bytearray(raw)
    changed[at] ^= 1
    return bytes(changed)


@pytest.mark.parametrize("what", REFUSED)
def test_nothing_else_goes_through(project: Project, what: str) -> None:
    make, error, says = REFUSED[what]
    store = project.open_store(Role.MATCHER)
    with pytest.raises(error, match=says):
        operations.receive(store, make(project))
    with pytest.raises(ProtocolError, match="Nothing has come"):
        operations.hand_on(store, None, COURT)


def test_no_byte_of_its_head_can_be_altered(project: Project) -> None:
    store = project.open_store(Role.MATCHER)
    sealed = project.share(POLICE, COURT).read_bytes()
    for at in range(0, len(sealed), 97):
        with pytest.raises(PprlError):
            operations.receive(store, altered(sealed, at))


def test_what_is_kept_is_what_came(project: Project) -> None:
    store = project.open_store(Role.MATCHER)
    sealed = project.share(POLICE, COURT).read_bytes()
    (receipt,) = operations.receive(store, sealed)
    assert receipt.container_sha256 == hashlib.sha256(sealed).hexdigest()
    path: Path = store.folder / "containers" / receipt.container_sha256
    path.write_bytes(altered(sealed, -1))
    with pytest.raises(FormatError, match="missing or damaged"):
        operations.hand_on(store, None, COURT)


def entries(store: Coordinator) -> list[log.Entry]:
    return [log.parse(raw) for raw in coordinator_log.read(store, None).entries]


def test_what_is_handed_on_is_logged_once(project: Project, store: Coordinator) -> None:
    sealed = project.share(POLICE, COURT).read_bytes()
    for _ in range(2):
        operations.receive(store, sealed)
    (entry,) = [each for each in entries(store) if each.kind == "relayed"]
    named = entry.detail["container"]
    assert (named["sender"], named["recipient"], named["kind"]) == (POLICE, COURT, SHARE_KIND)
    assert named["sha256"] == hashlib.sha256(sealed).hexdigest()


# Requests for shares that were lost.


def test_a_request_is_logged_once_and_answered_with_its_receipt(project: Project) -> None:
    store = project.open_store(Role.MATCHER)
    request = reseal.ask(project.signatory(POLICE), today=TODAY)
    for _ in range(2):
        (receipt,) = operations.receive(store, request)
        assert (receipt.kind, receipt.sender) == ("reseal-request", POLICE)
    (entry,) = [each for each in entries(store) if each.kind == "reseal-requested"]
    assert entry.detail == {"party": POLICE, "request_sha256": hashlib.sha256(request).hexdigest()}
    assert "reseal" not in str([each.kind for each in entries(store)][:-1])


def test_a_request_of_nobody_is_not_logged(project: Project) -> None:
    store = project.open_store(Role.MATCHER)
    path = project.amended("other.toml", {("project", "title"): "Another"})
    request = reseal.ask(project.signatory(POLICE), today=TODAY)
    refused: dict[bytes, type[PprlError]] = {
        reseal.ask(project.signatory(MATCHER), today=TODAY): VerificationError,
        reseal.ask(project.signatory(POLICE, path), today=TODAY): VerificationError,
        request[:-1]: FormatError,
        request.replace(b'"sig":"', b'"sig":"AAAA', 1): PprlError,
        (project.folder / "agreement.signatures" / f"{POLICE}.signature").read_bytes(): FormatError,
    }
    for raw, error in refused.items():
        with pytest.raises(error):
            operations.receive(store, raw)
    assert not [each for each in entries(store) if each.kind == "reseal-requested"]
