"""What somebody could do to an exported run: each with a name, the check that must find it, and the reason it gives.

Where not only bytes are changed, everything is signed anew, by the log's party and by all witnesses: then no
signature finds it out, and the rule itself has to.
"""

from __future__ import annotations

import hashlib
import io
import json
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import timedelta

from pprl.crypto import container, notes
from pprl.crypto.certificates import run_key_sha256, sign_certificate
from pprl.crypto.exchange import seal_for
from pprl.files.exported import read_version
from pprl.protocol import canonical, crosswalk, dsse, linkage_keys, pairs
from pprl.protocol import checkpoint as checkpoints
from pprl.protocol.agreement import parse
from pprl.protocol.certificate import Certificate
from pprl.protocol.checkpoint import Checkpoint
from pprl.protocol.signatures import a_day
from pprl.protocol.submission import ENCODINGS_KIND, REFERENCES_KIND
from pprl.protocol.transcript import SHARE_KIND
from tests.support import risk
from tests.support.exported import Run, Tree, named, today
from tests.support.project import DATASETS, DEPARTMENTS, ISSUER, MATCHER, RESEARCH

POLICE, COURT, _ = DATASETS
POLICE_DEPT, COURT_DEPT, _ = DEPARTMENTS


@dataclass(frozen=True)
class Tampering:
    """A change to a run.

    Attributes:
        change: makes it.
        check: the id of the first check that must fail.
        reason: what it must say, a part of it.
        alone: whether nothing else finds it: without the check the run would pass.
    """

    change: Callable[[Run], Run]
    check: str
    reason: str
    alone: bool

    @property
    def name(self) -> str:
        """What it is called."""
        return self.change.__name__


EVERY: list[Tampering] = []


def found_by(
    check: str, reason: str, *, alone: bool = True
) -> Callable[[Callable[[Run], Run]], Callable[[Run], Run]]:
    """Register a tampering."""

    def register(change: Callable[[Run], Run]) -> Callable[[Run], Run]:
        EVERY.append(Tampering(change, check, reason, alone))
        return change

    return register


# The agreement in hand.


@found_by("signatures", "another agreement", alone=False)
def our_agreement_altered_by_one_byte(run: Run) -> Run:
    altered = run.in_hand.agreement.replace(b"A small project", b"A smell project")
    return replace(run, in_hand=replace(run.in_hand, agreement=altered))


@found_by("signatures", "not signed yet by: research", alone=False)
def our_signature_missing(run: Run) -> Run:
    left = {party: raw for party, raw in run.in_hand.signatures.items() if party != RESEARCH}
    return replace(run, in_hand=replace(run.in_hand, signatures=left))


@found_by("signatures", "another agreement", alone=False)
def our_signature_of_another_agreement(run: Run) -> Run:
    path = run.project.amended("tampered.toml", {("project", "title"): "Another project"})
    other = run.project.signature_files(path).signatures[COURT_DEPT]
    return replace(
        run, in_hand=replace(run.in_hand, signatures={**run.in_hand.signatures, COURT_DEPT: other})
    )


# The export of a log, with nothing signed anew.


@found_by("same-agreement", "of another agreement")
def exported_agreement_altered_by_one_byte(run: Run) -> Run:
    version = run.logs[MATCHER].version
    altered = version.agreement.replace(b"A small project", b"A smell project")
    return run.with_log(MATCHER, version=replace(version, agreement=altered))


@found_by("same-agreement", "other signatures")
def exported_signature_missing(run: Run) -> Run:
    version = run.logs[ISSUER].version
    left = {party: raw for party, raw in version.signatures.items() if party != RESEARCH}
    return run.with_log(ISSUER, version=replace(version, signatures=left))


@found_by("same-agreement", "another version before")
def exported_version_before_made_up(run: Run) -> Run:
    version = run.logs[ISSUER].version
    return run.with_log(ISSUER, version=replace(version, previous=version.agreement))


@found_by("root", "root is another", alone=False)
def entry_altered(run: Run) -> Run:
    trees = run.trees(MATCHER)
    trees[1]["detail"]["rows_root"] = "0" * 64
    return run.with_log(MATCHER, entries=tuple(map(canonical.dumps, trees)))


@found_by("root", "The export has 4 entries, and its checkpoint is of 5", alone=False)
def entry_removed(run: Run) -> Run:
    entries = run.logs[MATCHER].entries
    return run.with_log(MATCHER, entries=(*entries[:2], *entries[3:]))


@found_by("root", "root is another", alone=False)
def entries_reordered(run: Run) -> Run:
    first, second, third, *more = run.logs[MATCHER].entries
    return run.with_log(MATCHER, entries=(first, third, second, *more))


@found_by("root", "The export has 6 entries, and its checkpoint is of 5", alone=False)
def entry_added(run: Run) -> Run:
    tree = {**run.trees(MATCHER)[-1], "kind": "destroyed", "role": "", "stage": ""}
    tree["detail"] = {"certificate_sha256": "0" * 64}
    return run.with_log(MATCHER, entries=(*run.logs[MATCHER].entries, canonical.dumps(tree)))


@found_by("root", "The export has 5 entries", alone=False)
def checkpoint_of_another_log(run: Run) -> Run:
    return run.with_log(MATCHER, checkpoint=run.logs[ISSUER].checkpoint)


@found_by("checkpoint", "not signed by", alone=False)
def checkpoint_without_its_partys_signature(run: Run) -> Run:
    note = checkpoints.parse_note(run.logs[MATCHER].checkpoint)
    left = tuple(each for each in note.signatures if each.name != MATCHER)
    return run.with_log(MATCHER, checkpoint=checkpoints.write_note(replace(note, signatures=left)))


@found_by("checkpoint", "about another agreement", alone=False)
def checkpoint_of_another_agreements_log(run: Run) -> Run:
    signed = checkpoints.parse_checkpoint(checkpoints.parse_note(run.logs[MATCHER].checkpoint).text)
    other = Checkpoint("0" * 64, MATCHER, signed.size, signed.root)
    note = notes.sign_checkpoint(run.identity(MATCHER), other)
    return run.with_log(MATCHER, checkpoint=checkpoints.write_note(note))


@found_by("quorum", "lacks a quorum: signed by police-dept;")
def checkpoint_without_quorum(run: Run) -> Run:
    return run.told(MATCHER, run.trees(MATCHER), witnesses=[POLICE_DEPT])


@found_by("checkpoint", "two signature lines of one key", alone=False)
def quorum_counted_twice(run: Run) -> Run:
    once = run.told(MATCHER, run.trees(MATCHER), witnesses=[POLICE_DEPT]).logs[MATCHER].checkpoint
    note = checkpoints.parse_note(once)
    again = notes.cosign(
        run.identity(POLICE_DEPT), checkpoints.parse_checkpoint(note.text), timestamp=1_800_000_001
    )
    return run.with_log(MATCHER, checkpoint=once + checkpoints.write_signatures(again))


@found_by("quorum", "lacks a quorum: signed by police-dept;")
def quorum_of_one_under_two_names(run: Run) -> Run:
    note = run.note(MATCHER, run.logs[MATCHER].entries, [POLICE_DEPT])
    again = [replace(each, name=COURT_DEPT) for each in note.signatures if each.name == POLICE_DEPT]
    return run.with_log(MATCHER, checkpoint=checkpoints.write_note(note.with_signatures(again)))


@found_by("quorum", "lacks a quorum: signed by police-dept;")
def cosignature_by_a_non_witness(run: Run) -> Run:
    return run.told(MATCHER, run.trees(MATCHER), witnesses=[POLICE_DEPT, RESEARCH])


@found_by("quorum", "does not verify")
def cosignature_altered(run: Run) -> Run:
    note = checkpoints.parse_note(run.logs[MATCHER].checkpoint)
    altered = tuple(
        replace(each, signature=each.signature[:-1] + bytes([each.signature[-1] ^ 1]))
        if each.name == COURT_DEPT
        else each
        for each in note.signatures
    )
    return run.with_log(MATCHER, checkpoint=checkpoints.write_note(replace(note, signatures=altered)))


@found_by("logs", "has signed two histories of 5 entries", alone=False)
def split_view_in_two_exports(run: Run) -> Run:
    def later(tree: Tree) -> None:
        tree["detail"]["rows_root"] = "0" * 64

    other = run.edited(MATCHER, 1, later).logs[MATCHER]
    return replace(run, more=(replace(other, name="another"),))


@found_by("witnessed", "shown another history of 6 entries")
def split_view_in_the_receipt(run: Run) -> Run:
    def later(tree: Tree) -> None:
        tree["detail"]["submission"] = "0" * 32

    shown = run.edited(ISSUER, 1, later).logs[ISSUER]
    place = run.place(ISSUER, "issued")
    return run.with_log(ISSUER, issued_receipt=run.receipt(ISSUER, shown.entries, place, place + 1))


# Entries that say something else, with everything signed anew.


@found_by("entries", "is not canonical", alone=False)
def entry_spelt_otherwise(run: Run) -> Run:
    entries = list(run.logs[MATCHER].entries)
    entries[1] = entries[1].replace(b'":', b'": ', 1)
    note = run.note(MATCHER, tuple(entries), DEPARTMENTS)
    return run.with_log(MATCHER, entries=tuple(entries), checkpoint=checkpoints.write_note(note))


@found_by("order", "older than the one before")
def time_going_backwards(run: Run) -> Run:
    return run.edited(MATCHER, 2, lambda tree: tree.update(at="2021-06-03T00:00:00Z"))


@found_by("order", "about another agreement")
def entry_about_another_agreement(run: Run) -> Run:
    return run.edited(MATCHER, 2, lambda tree: tree.update(agreement_sha256="0" * 64))


@found_by("order", "there is no 'matched'")
def matched_before_all_had_come(run: Run) -> Run:
    return run.edited(MATCHER, 3, lambda tree: tree.update(stage="collecting"))


@found_by("roles", "is of the key-issuer, which 'matcher' is not", alone=False)
def entries_of_a_role_of_somebody_else(run: Run) -> Run:
    issuers = run.trees(ISSUER)[1]
    trees = run.trees(MATCHER)
    heads = {name: raw for each in run.logs.values() for name, raw in each.heads.items()}
    mine = {
        each["detail"]["container"]["head_sha256"]
        for each in (*trees, issuers)
        if "container" in each["detail"]
    }
    changed = run.with_log(MATCHER, heads={name: heads[name] for name in mine})
    issuers["at"] = trees[1]["at"]
    return changed.told(MATCHER, [trees[0], issuers, *trees[1:]])


@found_by("days", "not in force before 2020-01-01")
def run_before_the_agreement_was_in_force(run: Run) -> Run:
    trees = run.trees(MATCHER)
    for tree in trees:
        tree["at"] = "2019-12-31T12:00:00Z"
    return run.told(MATCHER, trees)


@found_by("days", "a day to come")
def entry_of_a_day_to_come(run: Run) -> Run:
    later = today() + timedelta(days=2)
    return run.edited(MATCHER, 4, lambda tree: tree.update(at=f"{later}T00:00:00Z"))


@found_by("days", "a day to come", alone=False)
def entry_of_the_last_day_there_is(run: Run) -> Run:
    return run.edited(MATCHER, 4, lambda tree: tree.update(at="9999-12-31T23:59:59Z"))


@found_by("retention", "had to be gone")
def matched_after_the_agreed_days(run: Run) -> Run:
    return run.edited(MATCHER, 0, lambda tree: tree.update(at="2021-06-03T00:00:00Z"))


@found_by("registered", "Other signatures")
def other_signatures_registered(run: Run) -> Run:
    return run.edited(MATCHER, 0, lambda tree: tree["detail"]["signatures"].update({RESEARCH: "0" * 64}))


@found_by("registered", "Another version")
def another_version_registered(run: Run) -> Run:
    return run.edited(MATCHER, 0, lambda tree: tree["detail"].update(version=2))


# Containers and their heads.


@found_by("heads", "missing or damaged", alone=False)
def head_altered(run: Run) -> Run:
    heads = dict(run.logs[MATCHER].heads)
    name = run.container(MATCHER, ENCODINGS_KIND, POLICE)["head_sha256"]
    return run.with_log(MATCHER, heads={**heads, name: heads[name][:-1] + b"~"})


@found_by("heads", "missing or damaged", alone=False)
def head_missing(run: Run) -> Run:
    heads = dict(run.logs[MATCHER].heads)
    del heads[run.container(MATCHER, ENCODINGS_KIND, POLICE)["head_sha256"]]
    return run.with_log(MATCHER, heads=heads)


@found_by("heads", "missing or damaged", alone=False)
def heads_swapped(run: Run) -> Run:
    heads = dict(run.logs[MATCHER].heads)
    one, other = (run.container(MATCHER, ENCODINGS_KIND, name)["head_sha256"] for name in (POLICE, COURT))
    return run.with_log(MATCHER, heads={**heads, one: heads[other], other: heads[one]})


@found_by("heads", "1 heads of containers that no entry names")
def head_that_no_entry_names(run: Run) -> Run:
    _, head = named(run.sealed(run.container(MATCHER, ENCODINGS_KIND, POLICE)))
    heads = {**run.logs[MATCHER].heads, hashlib.sha256(head).hexdigest(): head}
    return run.with_log(MATCHER, heads=heads)


@found_by("senders", "other things of a container", alone=False)
def another_datasets_container_told(run: Run) -> Run:
    told = run.container(MATCHER, ENCODINGS_KIND, POLICE)
    return run.edited(
        MATCHER,
        1,
        lambda tree: tree["detail"]["container"].update(dataset=_other(tree), sender=told["sender"]),
    )


def _other(tree: Tree) -> str:
    return next(name for name in DATASETS if name != tree["detail"]["container"]["dataset"])


@found_by("senders", "neither 'court-dept' nor 'matcher' brings", alone=False)
def container_by_another_sender(run: Run) -> Run:
    old = run.container(MATCHER, ENCODINGS_KIND, POLICE)
    return run.swapped(MATCHER, old, run.sealed(old, sender=COURT_DEPT))


@found_by("senders", "other signatures of the agreement than ours", alone=False)
def container_of_another_transcript(run: Run) -> Run:
    """Police sealed it with other signatures in hand: those of a court that has signed twice."""
    old = run.container(MATCHER, ENCODINGS_KIND, POLICE)
    me = run.signatory(POLICE_DEPT)
    court = replace(me.agreement.signatures[COURT_DEPT], commitment="0" * 64)
    signed = replace(me.agreement, signatures={**me.agreement.signatures, COURT_DEPT: court})
    sealed = seal_for(
        run.project.agreement.content.party_named(MATCHER),
        b"another content",
        me=replace(me, agreement=signed),
        kind=ENCODINGS_KIND,
        records=run.records(MATCHER, ENCODINGS_KIND, POLICE),
        dataset=POLICE,
        submission=old_submission(run, old),
    )
    return run.swapped(MATCHER, old, sealed)


def old_submission(run: Run, told: Tree) -> str:
    """The submission that a container belongs to, by its head."""
    heads = {name: raw for each in run.logs.values() for name, raw in each.heads.items()}
    return container.peek(io.BytesIO(heads[told["head_sha256"]])).submission


@found_by("routes", "'pairs' from 'court-dept' to 'key-issuer'", alone=False)
def pairs_by_a_department(run: Run) -> Run:
    old = run.container(ISSUER, pairs.KIND)
    return run.swapped(ISSUER, old, run.sealed(old, sender=COURT_DEPT))


@found_by("routes", "'crosswalk' from 'key-issuer' to 'court-dept'", alone=False)
def crosswalk_for_the_wrong_recipient(run: Run) -> Run:
    old = run.container(ISSUER, crosswalk.KIND)
    return run.swapped(ISSUER, old, run.sealed(old, recipient=COURT_DEPT))


@found_by("senders", "neither 'key-issuer' nor 'court-dept' brings", alone=False)
def linkage_keys_for_the_wrong_recipient(run: Run) -> Run:
    old = run.container(ISSUER, linkage_keys.KIND, POLICE)
    return run.swapped(ISSUER, old, run.sealed(old, recipient=COURT_DEPT))


@found_by("routes", "has no place in an entry 'received'", alone=False)
def linkage_keys_taken_in_as_references(run: Run) -> Run:
    old = run.container(ISSUER, REFERENCES_KIND, POLICE)
    return run.swapped(ISSUER, old, run.sealed(old, kind=linkage_keys.KIND))


def passed_on(run: Run, sealed: bytes) -> Run:
    """The same where a container passed through the matcher's hands, and its log tells so."""
    detail, head = named(sealed)
    trees = run.trees(MATCHER)
    relayed = {**trees[1], "kind": "relayed", "role": "", "stage": "", "detail": {"container": detail}}
    heads = {**run.logs[MATCHER].heads, detail["head_sha256"]: head}
    return run.with_log(MATCHER, heads=heads).told(MATCHER, [trees[0], relayed, *trees[1:]])


@found_by("routes", "has no place in an entry 'relayed'")
def references_passed_through_the_matcher(run: Run) -> Run:
    return passed_on(run, run.sealed(run.container(ISSUER, REFERENCES_KIND, POLICE)))


@found_by("routes", "'secret-share' from 'police-dept' to 'key-issuer'")
def share_of_the_secret_for_a_coordinator(run: Run) -> Run:
    issuer = run.project.agreement.content.party_named(ISSUER)
    me = run.signatory(POLICE_DEPT)
    return passed_on(run, seal_for(issuer, b"a share", me=me, kind=SHARE_KIND, records=0))


# What was received, and what came of it.


@found_by("logs", "no export of the log of: matcher", alone=False)
def log_missing(run: Run) -> Run:
    return replace(run, logs={ISSUER: run.logs[ISSUER]})


@found_by("logs", "two exports of the log of 'matcher'", alone=False)
def log_given_twice(run: Run) -> Run:
    return replace(run, more=(replace(run.logs[MATCHER], name="again"),))


@found_by("encodings", "encodings twice of: police", alone=False)
def dataset_accepted_twice(run: Run) -> Run:
    again, head = named(run.sealed(run.container(MATCHER, ENCODINGS_KIND, POLICE)))
    trees = run.trees(MATCHER)
    first = next(each for each in trees[1:] if each["detail"]["container"]["dataset"] == POLICE)
    second = {
        **first,
        "at": trees[1]["at"],
        "stage": "collecting",
        "detail": {**first["detail"], "container": again},
    }
    trees[-1]["detail"]["inputs"] = sorted([*trees[-1]["detail"]["inputs"], again["head_sha256"]])
    heads = {**run.logs[MATCHER].heads, again["head_sha256"]: head}
    return run.with_log(MATCHER, heads=heads).told(MATCHER, [trees[0], second, *trees[1:]])


@found_by("encodings", "received no encodings of:", alone=False)
def dataset_left_out(run: Run) -> Run:
    trees = run.trees(MATCHER)
    gone = trees.pop(1)["detail"]["container"]["head_sha256"]
    trees[-1]["detail"]["inputs"].remove(gone)
    heads = {name: raw for name, raw in run.logs[MATCHER].heads.items() if name != gone}
    return run.with_log(MATCHER, heads=heads).told(MATCHER, trees)


@found_by("references", "references twice of: court", alone=False)
def references_accepted_twice(run: Run) -> Run:
    again, head = named(run.sealed(run.container(ISSUER, REFERENCES_KIND, COURT)))
    trees = run.trees(ISSUER)
    detail = {**trees[1]["detail"], "container": again}
    second = {**trees[1], "stage": "collecting", "detail": detail}
    heads = {**run.logs[ISSUER].heads, again["head_sha256"]: head}
    return run.with_log(ISSUER, heads=heads).told(ISSUER, [trees[0], second, *trees[1:]])


@found_by("submissions", "belong to different submissions", alone=False)
def parts_of_two_submissions(run: Run) -> Run:
    old = run.container(MATCHER, ENCODINGS_KIND, POLICE)
    return run.swapped(MATCHER, old, run.sealed(old, submission="0" * 32))


@found_by("submissions", "belong to different submissions", alone=False)
def parts_of_different_length(run: Run) -> Run:
    old = run.container(MATCHER, ENCODINGS_KIND, POLICE)
    return run.swapped(MATCHER, old, run.sealed(old, records=1))


@found_by("submissions", "another submission")
def submission_told_wrongly(run: Run) -> Run:
    return run.edited(MATCHER, 1, lambda tree: tree["detail"].update(submission="0" * 32))


@found_by("records", "1000000 records; the agreement expects", alone=False)
def records_out_of_range(run: Run) -> Run:
    for party, kind in ((MATCHER, ENCODINGS_KIND), (ISSUER, REFERENCES_KIND)):
        old = run.container(party, kind, POLICE)
        run = run.swapped(party, old, run.sealed(old, records=1_000_000))
    return run


@found_by("secret", "different linkage secrets")
def another_linkage_secret(run: Run) -> Run:
    return run.edited(MATCHER, 1, lambda tree: tree["detail"].update(key_check="0" * 32))


@found_by("secret", "in its own way")
def confirmation_of_somebody_else(run: Run) -> Run:
    other = run.trees(MATCHER)[2]["detail"]["confirmation"]
    return run.edited(MATCHER, 1, lambda tree: tree["detail"].update(confirmation=other))


@found_by("matched", "not just what was received")
def matched_without_one_dataset(run: Run) -> Run:
    return run.edited(MATCHER, 4, lambda tree: tree["detail"]["inputs"].pop())


@found_by("pairs", "not those that the matcher made")
def pairs_other_than_the_matchers(run: Run) -> Run:
    old = run.container(ISSUER, pairs.KIND)
    return run.swapped(ISSUER, old, run.sealed(old))


@found_by("pairs", "another number of records")
def pairs_of_other_records(run: Run) -> Run:
    old = run.container(ISSUER, pairs.KIND)
    sealed = run.sealed(old, records=5)
    return run.swapped(ISSUER, old, sealed).swapped(MATCHER, old, sealed)


@found_by("issued", "not just what was received")
def issued_without_one_dataset(run: Run) -> Run:
    return run.edited(ISSUER, run.place(ISSUER, "issued"), lambda tree: tree["detail"]["inputs"].pop())


@found_by("issued", "no entry 'issued'", alone=False)
def nothing_issued(run: Run) -> Run:
    place = run.place(ISSUER, "issued")
    used = {each["head_sha256"] for tree in run.trees(ISSUER)[:place] for each in _named(tree)}
    heads = {name: raw for name, raw in run.logs[ISSUER].heads.items() if name in used}
    return run.with_log(ISSUER, heads=heads).told(ISSUER, run.trees(ISSUER)[:place])


def _named(tree: Tree) -> list[Tree]:
    return [tree["detail"]["container"]] if "container" in tree["detail"] else []


@found_by("results", "are not: police.linkage-keys, court.linkage-keys")
def result_missing(run: Run) -> Run:
    trees = run.trees(ISSUER)
    gone = trees[-2]["detail"]["results"].pop("court.linkage-keys")
    del trees[-1]["detail"]["results"]["court.linkage-keys"]
    heads = {name: raw for name, raw in run.logs[ISSUER].heads.items() if name != gone["head_sha256"]}
    return run.with_log(ISSUER, heads=heads).told(ISSUER, trees)


@found_by("results", "are not: police.linkage-keys, court.linkage-keys")
def result_under_another_name(run: Run) -> Run:
    trees = run.trees(ISSUER)
    for tree in trees[-2:]:
        results = tree["detail"]["results"]
        results[f"{POLICE}.linkage-keys"], results[f"{COURT}.linkage-keys"] = (
            results[f"{COURT}.linkage-keys"],
            results[f"{POLICE}.linkage-keys"],
        )
    return run.told(ISSUER, trees)


@found_by("results", "another number of records")
def result_of_other_records(run: Run) -> Run:
    old = run.container(ISSUER, linkage_keys.KIND, POLICE)
    return run.swapped(ISSUER, old, run.sealed(old, records=5))


@found_by("results", "another submission")
def result_of_another_submission(run: Run) -> Run:
    old = run.container(ISSUER, linkage_keys.KIND, POLICE)
    return run.swapped(ISSUER, old, run.sealed(old, submission="0" * 32))


# Release.


@found_by("released", "not the ones that were issued")
def result_released_that_was_never_issued(run: Run) -> Run:
    return run.edited(
        ISSUER,
        run.place(ISSUER, "released"),
        lambda tree: tree["detail"]["results"].update(crosswalk="0" * 64),
    )


@found_by("released", "that a release rule refused")
def released_though_refused(run: Run) -> Run:
    return with_refusal(_with_summary(run, lambda summary: summary.update(linked_people=None)))


def with_refusal(run: Run) -> Run:
    """The same, where a release rule refuses."""
    return run.edited(
        ISSUER, run.place(ISSUER, "issued"), lambda tree: tree["detail"].update(refusal="Too few people.")
    )


def refused(run: Run) -> Run:
    """A run that a release rule refused, and that stayed where it was."""
    run = with_refusal(_with_summary(run, lambda summary: summary.update(linked_people=None)))
    trees = run.trees(ISSUER)
    refusal = {**trees[-1], "kind": "refused", "stage": "", "detail": {"reason": "Too few people."}}
    return run.told(ISSUER, [*trees[:-1], refusal])


@found_by("released", "another reason")
def refused_for_another_reason(run: Run) -> Run:
    trees = run.trees(ISSUER)
    refused = {**trees[-2], "kind": "refused", "stage": "", "detail": {"reason": "We changed our mind."}}
    return run.told(ISSUER, [*trees[:-1], refused, trees[-1]])


@found_by("witnessed", "before the witnesses of their receipt had signed")
def released_before_the_witnesses_signed(run: Run) -> Run:
    entries = run.logs[ISSUER].entries
    proof = run.receipt(ISSUER, entries, run.place(ISSUER, "issued"), len(entries))
    return run.with_log(ISSUER, issued_receipt=proof)


@found_by("witnessed", "no receipt")
def released_without_receipt(run: Run) -> Run:
    return run.with_log(ISSUER, issued_receipt=None)


@found_by("witnessed", "not of the entry")
def receipt_of_another_entry(run: Run) -> Run:
    entries, place = run.logs[ISSUER].entries, run.place(ISSUER, "issued")
    return run.with_log(ISSUER, issued_receipt=run.receipt(ISSUER, entries, 0, place + 1))


@found_by("summary", "not the one that was issued")
def summary_altered(run: Run) -> Run:
    return run.with_log(ISSUER, summary=(run.logs[ISSUER].summary or b"").replace(b"{", b"{ ", 1))


@found_by("summary", "missing")
def summary_missing(run: Run) -> Run:
    return run.with_log(ISSUER, summary=None)


def _with_summary(run: Run, change: Callable[[Tree], object]) -> Run:
    """The same with another summary, which was issued as such."""
    summary = json.loads(run.logs[ISSUER].summary or b"")
    change(summary)
    raw = json.dumps(summary).encode()
    digest = hashlib.sha256(raw).hexdigest()
    edited = run.edited(
        ISSUER, run.place(ISSUER, "issued"), lambda tree: tree["detail"].update(summary_sha256=digest)
    )
    return edited.with_log(ISSUER, summary=raw)


@found_by("summary", "more closely than it may")
def summary_tells_a_person_more(run: Run) -> Run:
    return _with_summary(run, lambda summary: summary.update(linked_people=summary["linked_people"] + 1))


@found_by("summary", "in a run that a release rule refused")
def summary_tells_people_of_a_refused_run(run: Run) -> Run:
    return _with_summary(refused(run), lambda summary: summary.update(linked_people=10))


@found_by("summary", "other members")
def summary_tells_more_than_it_must(run: Run) -> Run:
    return _with_summary(run, lambda summary: summary.update(pairs=3))


@found_by("summary", "other numbers of records")
def summary_tells_other_records(run: Run) -> Run:
    return _with_summary(run, lambda summary: summary["records"].update(police=1))


@found_by("summary", "words alone")
def summary_hides_a_count_in_words(run: Run) -> Run:
    return _with_summary(run, lambda summary: summary.update(method="3 people were linked"))


# Risk statements.


def _with_risk(run: Run, statement: bytes, dataset: str = POLICE) -> Run:
    """The same with another risk statement, which the log names."""
    risks = {**run.logs[MATCHER].risks, dataset: statement}
    digest = hashlib.sha256(statement).hexdigest()
    trees = run.trees(MATCHER)
    for tree in trees:
        if tree["kind"] == "received" and tree["detail"]["container"]["dataset"] == dataset:
            tree["detail"]["risk_sha256"] = digest
    return run.with_log(MATCHER, risks=risks).told(MATCHER, trees)


def _stated(run: Run, **changes: object) -> bytes:
    return run.project.stated(POLICE, **changes).statement


def _with_root(run: Run, root: str) -> bytes:
    agreement = run.project.agreement
    records = run.records(MATCHER, ENCODINGS_KIND, POLICE)
    return risk.stated(run.identity(POLICE_DEPT), agreement, POLICE, records, root).statement


@found_by("risk", "missing of datasets")
def risk_statement_missing(run: Run) -> Run:
    risks = {name: raw for name, raw in run.logs[MATCHER].risks.items() if name != POLICE}
    return run.with_log(MATCHER, risks=risks)


@found_by("risk", "not asked for")
def risk_statement_of_no_dataset(run: Run) -> Run:
    risks = run.logs[MATCHER].risks
    return run.with_log(MATCHER, risks={**risks, "another": risks[POLICE]})


@found_by("risk", "missing of datasets")
def risk_statement_not_told(run: Run) -> Run:
    return run.edited(MATCHER, 1, lambda tree: tree["detail"].pop("risk_sha256"))


@found_by("risk", "not the one that the log names")
def risk_statement_exchanged_for_another_one(run: Run) -> Run:
    risks = {**run.logs[MATCHER].risks, POLICE: _stated(run)}
    return run.with_log(MATCHER, risks=risks)


@found_by("risk", "not by the key")
def risk_statement_of_another_department(run: Run) -> Run:
    return _with_risk(run, run.logs[MATCHER].risks[COURT])


@found_by("risk", "not by the key")
def risk_statement_with_figures_changed(run: Run) -> Run:
    envelope = dsse.parse_envelope(run.logs[MATCHER].risks[POLICE], what="it")
    payload = envelope.payload.replace(b'"named":0', b'"named":1')
    return _with_risk(run, dsse.write_envelope(replace(envelope, payload=payload)))


@found_by("risk", "about another agreement")
def risk_statement_of_another_agreement(run: Run) -> Run:
    return _with_risk(run, _stated(run, agreement_sha256="0" * 64))


@found_by("risk", "the table has changed")
def risk_statement_of_another_table(run: Run) -> Run:
    return _with_risk(run, _with_root(run, "0" * 64))


@found_by("risk", "was not made")
def risk_statement_without_an_attack(run: Run) -> Run:
    return _with_risk(run, _stated(run, attacks=()))


# Destruction.


def destroyed(run: Run, party: str = MATCHER, **changes: object) -> Run:
    """The same after a party has destroyed its run key."""
    signed = run.signatory(party).agreement
    trees = run.trees(party)
    held = {each["sha256"] for each in _held(trees)}
    certificate = Certificate(
        party=party,
        roles=("matcher",) if party == MATCHER else ("key-issuer",),
        containers=tuple(sorted(held)),
        run_key_sha256=run_key_sha256(signed, signed.content.party_named(party)),
        destroyed_on=a_day(trees[-1]["at"][:10], "a day"),
    )
    raw = sign_certificate(run.identity(party), signed, replace(certificate, **changes))  # type: ignore[arg-type]
    last = {**trees[-1], "kind": "destroyed", "role": "", "stage": ""}
    last["detail"] = {"certificate_sha256": hashlib.sha256(raw).hexdigest()}
    return run.with_log(party, certificate=raw).told(party, [*trees, last])


def _held(trees: list[Tree]) -> list[Tree]:
    """The containers that entries name."""
    return [each for tree in trees for each in (*_named(tree), *_results(tree))]


def _results(tree: Tree) -> list[Tree]:
    return list(tree["detail"]["results"].values()) if tree["kind"] == "issued" else []


@found_by("destroyed", "not the one that the log names")
def certificate_altered(run: Run) -> Run:
    gone = destroyed(run)
    return gone.with_log(MATCHER, certificate=(gone.logs[MATCHER].certificate or b"") + b"\n")


@found_by("destroyed", "one is missing")
def certificate_missing(run: Run) -> Run:
    return destroyed(run).with_log(MATCHER, certificate=None)


@found_by("destroyed", "one is missing")
def certificate_that_the_log_does_not_name(run: Run) -> Run:
    return run.with_log(MATCHER, certificate=destroyed(run).logs[MATCHER].certificate)


@found_by("destroyed", "leaves out containers")
def certificate_that_leaves_one_out(run: Run) -> Run:
    return destroyed(run, containers=())


@found_by("destroyed", "leaves out containers")
def certificate_that_leaves_out_what_passed_through(run: Run) -> Run:
    through = passed_on(run, run.project.share(POLICE_DEPT, COURT_DEPT).read_bytes())
    return destroyed(through, containers=tuple(sorted(each["sha256"] for each in _held(run.trees(MATCHER)))))


@found_by("destroyed", "another run key")
def certificate_of_another_run_key(run: Run) -> Run:
    return destroyed(run, run_key_sha256="0" * 64)


@found_by("order", "everything was destroyed before it")
def something_done_after_destruction(run: Run) -> Run:
    gone = destroyed(run)
    trees = gone.trees(MATCHER)
    late = {
        **trees[-1],
        "kind": "reseal-requested",
        "detail": {"party": COURT_DEPT, "request_sha256": "0" * 64},
    }
    return gone.told(MATCHER, [*trees, late])


def version_two(run: Run) -> Run:
    """An auditor who holds the version after the one of the run, with everything beside it."""
    before = parse(run.in_hand.agreement, where="agreement.toml")
    values = {("project", "version"): 2, ("project", "previous_sha256"): before.sha256}
    path = run.project.folder / "version-two.toml"
    if not path.exists():
        run.project.amended(path.name, values)
    return replace(run, in_hand=read_version(path))


@found_by("signatures", "the version before it is needed", alone=False)
def version_before_missing(run: Run) -> Run:
    second = version_two(run)
    return replace(second, in_hand=replace(second.in_hand, previous=None))
