"""Attacks on results: what may leave, and for whom it is."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import cache
from typing import Any

from coordinator import log, operations
from coordinator.store import database
from coordinator.store.database import EntryRow, RunRow
from coordinator.store.stages import Role
from pprl import department
from pprl.crypto import container
from pprl.crypto.exchange import open_from, seal_for
from pprl.errors import DisclosureError, ProtocolError, VerificationError
from pprl.protocol import linkage_keys
from pprl.protocol import log as log_entries
from pprl.protocol.linkage_keys import LinkageKeys
from tests.attacks.ground import fresh, issued, store_of
from tests.attacks.registry import Attack, cut, remove
from tests.support.project import DEPARTMENTS, ISSUER

# What may leave.


def released(**changes: Any) -> Callable[[], Any]:
    """The release of a run that found something else than the small project's: the store's report is put so."""

    def attempt() -> Any:
        project = fresh(issued())
        me = store_of(project, Role.KEY_ISSUER)
        with database.writing(me.engine) as session:
            run = session.query(RunRow).one()
            run.report = {**run.report, **changes}
        project.witness(me, memories=me.folder)
        return operations.release(me, None)

    return attempt


def unwitnessed() -> Any:
    """The key issuer hands out results that it may later say it never issued."""
    project = fresh(issued())
    me = store_of(project, Role.KEY_ISSUER)
    project.witness(me, DEPARTMENTS[:1], memories=me.folder)
    return operations.release(me, None)


def unsure(low: float | None) -> dict[str, float | None]:
    return {"value": 0.9, "low": low, "high": 1.0}


def little_overlap() -> Any:
    """Two datasets of other people than agreed: the rule asks for half, and a fifth is shared."""
    agreement = issued().agreement
    rules = agreement.content.release.model_copy(update={"min_overlap": 0.5})
    ruled = agreement.content.model_copy(update={"release": rules})
    run = {
        "linked_people": 50,
        "estimated_precision": unsure(1.0),
        "overlaps": [{"left": "police", "right": "court", "share": 0.2}],
    }
    return operations._require_release_rules(type(agreement)(ruled, agreement.raw), run)


# Who may open.


@cache
def keys_of(dataset: str) -> bytes:
    project = issued()
    me = store_of(project, Role.KEY_ISSUER)
    with database.reading(me.engine) as session:
        digest = session.query(RunRow).one().report["results"][f"{dataset}.linkage-keys"]
    return (me.folder / "containers" / digest).read_bytes()


@cache
def receipts() -> dict[str, bytes]:
    """Of every entry of the key issuer's log."""
    project = fresh(issued())
    me = store_of(project, Role.KEY_ISSUER)
    project.witness(me, memories=me.folder)
    return log.receipts(me, None)


def opened(sealed: bytes, *, receipt: str = "0005-issued.receipt") -> LinkageKeys:
    return department.open_linkage_keys(sealed, receipts()[receipt], issued().signatory("police-dept"))


def receipt_of_something_else() -> Any:
    return opened(keys_of("police"), receipt="0001-received-police.receipt")


def keys_that_were_not_issued() -> Any:
    """The key issuer seals other keys than those that it has shown to the witnesses."""
    project = issued()
    _, raw = open_from(keys_of("police"), me=project.signatory("police-dept"), kind=linkage_keys.KIND)
    header = linkage_keys.parse(raw, project.agreement).header
    again = seal_for(
        project.agreement.content.party_named("police-dept"), raw, me=project.signatory(ISSUER),
        kind=linkage_keys.KIND, records=header.records, dataset="police", submission=header.submission,
    )  # fmt: skip
    return opened(again)


def keys_that_a_rule_refuses() -> Any:
    """The key issuer hands out, without `release`, what its own log says may not go out."""
    project = fresh(issued())
    me = store_of(project, Role.KEY_ISSUER)
    entry = log_entries.parse(log.read(me, None).entries[5])
    told = replace(entry, detail={**entry.detail, "refusal": "Fewer people were linked than asked for."})
    with database.writing(me.engine) as session:
        session.query(EntryRow).filter_by(place=5).one().raw = told.to_bytes()
    project.witness(me, memories=me.folder)
    receipt = log.receipts(me, None)["0005-issued.receipt"]
    return department.open_linkage_keys(keys_of("police"), receipt, issued().signatory("police-dept"))


def keys_of_another_department() -> Any:
    return opened(keys_of("court"))


def keys_from_a_department() -> Any:
    """A department makes up linkage keys for another, to find them again in the research data."""
    project = issued()
    _, raw = open_from(keys_of("police"), me=project.signatory("police-dept"), kind=linkage_keys.KIND)
    header = linkage_keys.parse(raw, project.agreement).header
    forged = seal_for(
        project.agreement.content.party_named("police-dept"), raw, me=project.signatory("court-dept"),
        kind=linkage_keys.KIND, records=header.records, dataset="police", submission=header.submission,
    )  # fmt: skip
    return opened(forged)


WITNESSED = remove(log, "receipt_of_issue", lambda *_: b"")
ISSUED = remove(department, "require_issued")
SURE = remove(operations, "_require_sure_links", number=1)
PEOPLE = cut(operations, "_require_release_rules", "min_linked_people", number=2)
OVERLAP = cut(operations, "_require_release_rules", "min_overlap", number=3)
REFUSED = cut(department, "require_issued", "a release rule refuses", number=4)
RECIPIENT = remove(container, "_check_recipient_is_me", number=10)
EXPECTED = remove(container, "_check_expected", number=9)

ATTACKS = (
    Attack("too few linked people", "datasets are crafted so that the result is about two people",
           released(linked_people=2), DisclosureError, "min_linked_people", [PEOPLE]),
    Attack("too little overlap", "a dataset of other people is sent, with one who is looked for among them",
           little_overlap, DisclosureError, "min_overlap", [OVERLAP]),
    Attack("unsure links", "links that may well be wrong are to be released",
           released(estimated_precision=unsure(0.5)), DisclosureError, "Precision may be lower than", [SURE]),
    Attack("links of which nothing is known", "links whose precision can't be told are to be released",
           released(estimated_precision=unsure(None)), DisclosureError, "makes it sure", [SURE]),
    Attack("another department's keys", "a department opens the linkage keys of another",
           keys_of_another_department, VerificationError, "other results than this", [ISSUED, RECIPIENT],
           "not wrapped for this key"),
    Attack("linkage keys from a department", "a department makes up linkage keys for another",
           keys_from_a_department, VerificationError, "other results than this", [ISSUED, EXPECTED]),
    Attack("a release that nobody witnessed", "the key issuer hands out results that only one of three witnesses saw",
           unwitnessed, ProtocolError, "before a quorum", [WITNESSED]),
    Attack("results that nobody witnessed", "the key issuer seals other keys than it has shown to the witnesses",
           keys_that_were_not_issued, VerificationError, "other results than this", [ISSUED]),
    Attack("results that a rule refuses", "the key issuer hands out what its own log says may not go out",
           keys_that_a_rule_refuses, VerificationError, "a release rule refuses", [REFUSED]),
    Attack("a receipt of something else", "a result comes with the receipt of what was received",
           receipt_of_something_else, VerificationError, "not one of what the key issuer", [ISSUED]),
)  # fmt: skip
