"""Attacks on the ceremony where files pass between departments: shares on their way, and shares asked for again."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import timedelta
from functools import cache
from typing import Any

from coordinator import operations, relay
from coordinator.store.stages import Role
from pprl import department, sharing
from pprl.crypto import container, notes, reseal, signatures
from pprl.crypto.exchange import seal_for
from pprl.crypto.x_wing import XWingKey
from pprl.encode import ceremony
from pprl.errors import FormatError, KeyFileError, ProtocolError, VerificationError
from pprl.protocol import secret_shares
from pprl.protocol.agreement import Agreement, AgreementFile, PartyKeys
from pprl.protocol.receipt import parse_receipt, write_receipt
from pprl.protocol.secret_shares import SecretShares
from pprl.protocol.transcript import SHARE_KIND
from tests.attacks.ground import collecting, folder_of, fresh, made, store_of
from tests.attacks.registry import Attack, cut, remove
from tests.support.departments import COORDINATOR, TODAY, Home, identity, signed_homes
from tests.support.receipts import logged_request

THREE = ("police", "court", "prison")
POLICE, COURT = "police-dept", "court-dept"


def homes(name: str, *, title: str = "") -> dict[str, Home]:
    """Three departments that have signed, in a folder of this name; a second folder has other shares."""
    return signed_homes(folder_of(name), THREE, title=title)


@cache
def signed() -> dict[str, Home]:
    return homes("signed")


@cache
def elsewhere() -> dict[str, Home]:
    """The same agreement, whose departments have drawn other shares."""
    return homes("elsewhere")


@cache
def finished() -> dict[str, Home]:
    """The ceremony is over, for the police and the court."""
    found = homes("finished")
    sent = {name: found[name].share() for name in THREE}
    for name in ("police", "court"):
        found[name].accept(*(sent[other][name] for other in THREE if other != name))
    return found


@cache
def sent_by_court() -> Mapping[str, bytes]:
    return signed()["court"].share()


def opened(sealed: bytes, *, by: str = "police") -> Any:
    return department.open_shares(signed()[by].me(), sealed)


# On their way.


def handed_to_another() -> Any:
    return opened(sent_by_court()["prison"])


def chosen_after_all_others() -> Any:
    """The court waits until it has the others' shares, and then sends one that makes a secret it likes."""
    return opened(department.seal_shares(signed()["court"].me(), "police", {"court": bytes(32)}))


def by_the_coordinator() -> Any:
    """The coordinator knows everything but the shares: it seals one itself, in nobody's name but its own."""
    me = signed()[COORDINATOR].me()
    raw = secret_shares.write(SecretShares(me.agreement.transcript.sha256, {COORDINATOR: bytes(32)}))
    police = me.agreement.content.party_named("police")
    return opened(seal_for(police, raw, me=me, kind=SHARE_KIND, records=1))


def of_another_signature() -> Any:
    """A department has signed twice, with two commitments, and given each signature to another department."""
    own = sharing.own_share(signed()["court"].agreement, identity("court"), signed()["court"].kept)
    assert own is not None
    other = elsewhere()["court"].me().agreement.transcript.sha256
    raw = secret_shares.write(SecretShares(other, {"court": own}))
    police = signed()["police"].me().agreement.content.party_named("police")
    sealer = signed()["court"].me()
    return opened(seal_for(police, raw, me=sealer, kind=SHARE_KIND, records=1))


@cache
def lied_to() -> dict[str, Home]:
    """The coordinator has signed twice: the police hold another run key of its than the court."""
    found = homes("two-run-keys")
    found["police"].take_signature(COORDINATOR, signed_twice(found["police"].agreement))
    return found


def of_two_run_keys() -> Any:
    return department.open_shares(lied_to()["police"].me(), lied_to()["court"].share()["police"])


def signed_twice(agreement: AgreementFile) -> bytes:
    second = XWingKey(b"2" * 32).public
    return signatures.sign(agreement, identity(COORDINATOR), run_key=second, commitment=None, today=TODAY)


def before_everybody_committed() -> Any:
    """The court asks for the police's share before the prison's signature is there, and tells it whom to wait for."""
    police = signed()["police"]
    raws = {name: home.sign() for name, home in signed().items() if name != "prison"}
    return signatures.verify_all(police.agreement, raws, today=TODAY).transcript


def exchanged_secret() -> Any:
    """A secret of another ceremony is put in the place of this one's."""
    me, kept = finished()["police"].me(), elsewhere_finished().kept
    return sharing.secret_of(me, kept)


@cache
def elsewhere_finished() -> Home:
    found = homes("elsewhere-finished")
    sent = {name: found[name].share() for name in THREE}
    found["police"].accept(*(sent[other]["police"] for other in THREE if other != "police"))
    return found["police"]


# Through the coordinator.


def relayed(sealed: bytes) -> Any:
    return operations.receive(store_of(fresh(collecting(Role.MATCHER)), Role.MATCHER), sealed)


def to_the_coordinator() -> Any:
    """A department hands its share to the coordinator, which could then read everything that is encoded."""
    me = made().signatory(POLICE)
    matcher = me.agreement.content.party_with("matcher")
    return relayed(seal_for(matcher, b"{}", me=me, kind=SHARE_KIND, records=1))


def altered_on_its_way() -> Any:
    sealed = made().share(POLICE, COURT).read_bytes()
    return relayed(sealed[:-1] + bytes([sealed[-1] ^ 1]))


def one_after_the_other() -> Any:
    me = store_of(fresh(collecting(Role.MATCHER)), Role.MATCHER)
    operations.receive(me, made().share(POLICE, COURT).read_bytes())
    own = sharing.own_share(made().agreement, made().identity(POLICE), made().holdings(POLICE))
    return operations.receive(
        me, department.seal_shares(made().signatory(POLICE), COURT, {POLICE: own or b""})
    )


def cut_on_its_way() -> Any:
    return relayed(made().share(POLICE, COURT).read_bytes()[:-1])


# Asked for again.


def asked_again(
    request: Callable[[], bytes], *, logged: Callable[[], bytes] | None = None, party: str = "police",
    witnesses: bool = True, helper: str = "court",
) -> Callable[[], Any]:  # fmt: skip
    """A department that has everything answers a request for shares."""

    def attempt() -> Any:
        home, raw = finished()[helper], request()
        proof = logged_request(home.agreement, identity, COORDINATOR, (logged or request)(), party)
        if not witnesses:
            proof = without_witnesses(proof)
        return sharing.reseal(home.me(), home.kept, raw, proof, today=TODAY)

    return attempt


def without_witnesses(raw: bytes) -> bytes:
    found = parse_receipt(raw)
    lines = tuple(line for line in found.note.signatures if line.name == COORDINATOR)
    note = type(found.note)(found.note.text, lines)
    return write_receipt(type(found)(found.entry, found.index, found.proof, note))


@cache
def request_of_police() -> bytes:
    return reseal.ask(finished()["police"].me(), today=TODAY)


@cache
def earlier_request() -> bytes:
    return reseal.ask(finished()["police"].me(), today=TODAY - timedelta(days=1))


@cache
def request_to_come() -> bytes:
    return reseal.ask(finished()["police"].me(), today=TODAY + timedelta(days=1))


@cache
def request_of_another_ceremony() -> bytes:
    return reseal.ask(elsewhere_finished().me(), today=TODAY)


@cache
def own_request() -> bytes:
    return reseal.ask(finished()["court"].me(), today=TODAY)


@cache
def request_by_the_coordinator() -> bytes:
    """In the police's name, by the coordinator's keys."""
    told = reseal.ResealRequest("police", finished()["police"].me().agreement.transcript.sha256, TODAY)
    home = finished()[COORDINATOR]
    return reseal.sign_statement(
        home.identity, kind=reseal.KIND, subject=home.agreement.content.project.id,
        sha256=home.agreement.sha256, predicate=told.to_predicate(),
    )  # fmt: skip


@cache
def request_in_its_own_name() -> bytes:
    return reseal.ask(finished()[COORDINATOR].me(), today=TODAY)


def keys_of_any(agreement: Agreement, name: str) -> PartyKeys:
    keys = agreement.party_named(name).keys
    assert keys is not None
    return keys


def asked_of_anybody(raw: bytes, *, kind: str, keys: object, what: str) -> Any:
    return reseal.dsse.parse_statement(reseal.claimed(raw, what=what).payload, kind=kind, what=what)


COMMITTED = remove(ceremony, "require_committed", number=5)
NUMBER = remove(relay, "_check_number", number=5)
SAME_SIGNATURES = remove(container, "_check_transcript", number=8)
CEREMONY = cut(secret_shares, "parse", "belong to another ceremony", number=3)
OWN_OR_ALL = cut(secret_shares, "parse", "neither its sender's share alone", number=4)
FROM_A_DEPARTMENT = cut(department, "open_shares", "and not by another department", number=2)
RECIPIENT = remove(container, "_check_recipient_is_me", number=10)
EVERYBODY = remove(signatures, "_check_everybody", number=1)
OUR_CEREMONY = cut(sharing, "secret_of", "in another ceremony than that")
DEPARTMENTS_ALONE = remove(relay, "_check_departments", number=3)
CIPHERTEXT = remove(relay, "_check_ciphertext", number=4)
REQUEST_SIGNED = remove(reseal, "open_statement", asked_of_anybody, number=3)
REQUEST_ABOUT = cut(sharing, "verify_request", "another agreement or ceremony", number=4)
REQUEST_DATED = cut(sharing, "verify_request", "of a day to come", number=5)
FROM_DEPARTMENTS = remove(reseal, "_keys_of_department", keys_of_any, number=2)
ANOTHERS = cut(sharing, "reseal", "is your own", number=1)
QUORUM = remove(notes, "require_quorum", notes.cosigners, number=3)
THIS_REQUEST = cut(sharing, "reseal", "not of this request", number=3)

ATTACKS = (
    Attack("a share handed to another", "a share that was sealed to one department is carried to another",
           handed_to_another, VerificationError, "sealed to 'prison'", [RECIPIENT], "not wrapped for this key"),
    Attack("a share chosen last", "a department waits for all others' shares and then chooses its own",
           chosen_after_all_others, VerificationError, "not the one that 'court' committed to", [COMMITTED]),
    Attack("a share by the coordinator", "the coordinator contributes a share of its own",
           by_the_coordinator, VerificationError, "and not by another department",
           [FROM_A_DEPARTMENT, COMMITTED]),
    Attack("a share under another signature", "a department shows two departments two commitments of its own",
           of_another_signature, VerificationError, "belong to another ceremony", [CEREMONY]),
    Attack("two run keys", "a party signs twice and gives two departments two run keys, to destroy one of them later",
           of_two_run_keys, VerificationError, "other signatures of the agreement", [SAME_SIGNATURES, CEREMONY]),
    Attack("a share before all commitments", "a share is asked for before every department has committed",
           before_everybody_committed, ProtocolError, "not signed yet by: prison", [EVERYBODY]),
    Attack("another ceremony's secret", "the secret of another ceremony is put in the place of this one's",
           exchanged_secret, KeyFileError, "in another ceremony than that", [OUR_CEREMONY]),
    Attack("a share for the coordinator", "a department sends its share to the coordinator",
           to_the_coordinator, VerificationError, "from one department to another", [DEPARTMENTS_ALONE]),
    Attack("a share altered on its way", "a share is altered in the coordinator's mailbox",
           altered_on_its_way, VerificationError, "not the one that was signed", [CIPHERTEXT]),
    Attack("shares without end", "a department seals its share again and again, to fill a store and its log",
           one_after_the_other, ProtocolError, "is here already", [NUMBER]),
    Attack("a share cut on its way", "a share is cut short on its way",
           cut_on_its_way, FormatError, "cut short or added to", [CIPHERTEXT]),
    Attack("shares asked for in another's name", "the coordinator asks for all shares in a department's name",
           asked_again(request_by_the_coordinator), VerificationError, "Ed25519 signature", [REQUEST_SIGNED]),
    Attack("shares for the coordinator", "the coordinator asks for all shares in its own name",
           asked_again(request_in_its_own_name, party=COORDINATOR), VerificationError, "no department of ours",
           [FROM_DEPARTMENTS], "is not a department"),
    Attack("shares asked for in secret", "a department asks another behind the others' backs: no log tells of it",
           asked_again(request_of_police, logged=earlier_request), VerificationError, "not of this request",
           [THIS_REQUEST]),
    Attack("shares asked for without witnesses", "the coordinator and a department keep the request between them",
           asked_again(request_of_police, witnesses=False), VerificationError, "lacks a quorum", [QUORUM]),
    Attack("shares of another ceremony asked for", "a request of another ceremony is answered with this one's shares",
           asked_again(request_of_another_ceremony), VerificationError, "another agreement or ceremony",
           [REQUEST_ABOUT]),
    Attack("shares asked for ahead", "a request is dated ahead, to be used later",
           asked_again(request_to_come), VerificationError, "of a day to come", [REQUEST_DATED]),
    Attack("shares answered by oneself", "one department plays both parts of the two-person rule",
           asked_again(own_request, party="court"), VerificationError, "is your own", [ANOTHERS]),
)  # fmt: skip
