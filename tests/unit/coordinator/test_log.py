"""A coordinator's log: what goes in stays in, witnesses see it grow, and nothing is released without them."""

from __future__ import annotations

import dataclasses
import hashlib
import itertools
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import text

from coordinator import log, operations
from coordinator.operations import Coordinator
from coordinator.store import database
from coordinator.store.stages import LOGGED_AS, TRANSITIONS, Role, Step
from pprl import department
from pprl.crypto import notes
from pprl.errors import DisclosureError, FormatError, PprlError, ProtocolError, UsageError, VerificationError
from pprl.protocol import checkpoint as checkpoints
from pprl.protocol import log as log_format
from pprl.protocol import receipt
from pprl.protocol.log import COLLECTING, MOVES
from tests.support.commands import done
from tests.support.project import DATASETS, DEPARTMENTS, RESEARCH, Project, silent


@pytest.fixture(scope="module")
def made_issued(made_project: Project, tmp_path_factory: pytest.TempPathFactory) -> Project:
    """A project whose key issuer has issued, with nothing witnessed."""
    project = made_project.copy(tmp_path_factory.mktemp("issued") / "project")
    project.issue()
    return project


@pytest.fixture
def issued(made_issued: Project, tmp_path: Path) -> Project:
    return made_issued.copy(tmp_path / "issued")


def store(project: Project, role: Role = Role.KEY_ISSUER) -> Coordinator:
    from tests.support.keys import asked  # noqa: PLC0415

    me = operations.open_store(project.store(role), asked)
    # The copied store remembers where the key file was; its run key is beside the copy.
    return dataclasses.replace(me, key_file=project.key(me.identity.party))


def kinds(me: Coordinator) -> list[str]:
    return [log_format.parse(raw).kind for raw in log.read(me, None).entries]


def change(me: Coordinator, statement: str) -> None:
    with database.writing(me.engine) as session:
        session.execute(text(statement))


def test_the_stores_moves_and_the_formats_are_one_table() -> None:
    moves: dict[tuple[str, str, str], set[str]] = {}
    for (role, before, step), after in TRANSITIONS.items():
        if step is Step.DESTROY:  # one entry for all roles, which ends the log
            continue
        moves.setdefault((role.value, before.value, LOGGED_AS[step]), set()).add(after.value)
    assert moves == {key: set(after) for key, after in MOVES.items()}
    assert {before for _, before, _ in moves} >= {COLLECTING}


def test_every_step_is_an_entry(issued: Project) -> None:
    me = store(issued)
    assert kinds(me) == ["registered", *["received"] * 4, "issued"]
    registered, first, *_, last = [log_format.parse(raw) for raw in log.read(me, None).entries]
    raws = issued.signature_files().signatures
    assert registered.detail["signatures"] == {
        party: hashlib.sha256(raw).hexdigest() for party, raw in raws.items()
    }
    assert first.detail["container"]["dataset"] in DATASETS
    assert len(last.detail["inputs"]) == 4
    assert set(last.detail["results"]) == {*(f"{name}.linkage-keys" for name in DATASETS), "crosswalk"}
    assert last.detail["refusal"] == ""


def test_the_matchers_log_tells_the_key_checks(made_project: Project, tmp_path: Path) -> None:
    project = made_project.copy(tmp_path / "p")
    project.match()
    me = store(project, Role.MATCHER)
    assert kinds(me) == ["registered", *["received"] * 3, "matched"]
    received = [log_format.parse(raw).detail for raw in log.read(me, None).entries[1:4]]
    assert len({each["key_check"] for each in received}) == 1
    assert len({each["submission"] for each in received}) == 3


def test_the_logs_time_is_not_set_back(issued: Project) -> None:
    me = store(issued)
    yesterday = me.now() - timedelta(days=1)
    earlier = dataclasses.replace(me, now=lambda: yesterday)
    log.refused(earlier, issued.agreement, "A reason.")
    times = [log_format.parse(raw).at for raw in log.read(me, None).entries]
    assert times == sorted(times)
    log.verify(me, None)


def test_what_can_not_stand_is_not_written(made_project: Project, tmp_path: Path) -> None:
    me = made_project.copy(tmp_path / "p").open_store(Role.MATCHER)
    before = log.read(me, None).entries
    with pytest.raises(VerificationError), database.writing(me.engine) as session:
        database.append(
            session,
            log.read(me, None).agreement.sha256,
            "registered",
            at=me.now(),
            detail={"version": 1, "signatures": {}},
        )
    assert log.read(me, None).entries == before


# Release.


def test_nothing_is_released_before_a_quorum_has_signed(issued: Project) -> None:
    me = store(issued)
    with pytest.raises(ProtocolError, match="quorum"):
        operations.release(me, None)
    issued.witness(me, DEPARTMENTS[:1])
    with pytest.raises(ProtocolError, match="quorum"):
        operations.release(me, None)
    assert kinds(me)[-1] == "issued"
    issued.witness(me, DEPARTMENTS[1:2])
    results = operations.release(me, None)
    assert {name for name in results if not name.endswith(".receipt")} >= {"crosswalk", "summary.json"}
    assert kinds(me)[-1] == "released"


def test_a_quorum_on_an_older_checkpoint_is_not_enough(made_project: Project, tmp_path: Path) -> None:
    project = made_project.copy(tmp_path / "p")
    pairs = project.match()
    me = project.receive_all(Role.KEY_ISSUER)
    operations.receive(me, pairs)
    project.witness(me)
    operations.issue(me, None, progress=silent)
    with pytest.raises(ProtocolError, match="quorum"):
        operations.release(me, None)
    project.witness(me)
    operations.release(me, None)


def test_released_again_the_files_are_the_same_whatever_was_signed_since(issued: Project) -> None:
    me = store(issued)
    issued.witness(me)
    first = operations.release(me, None)
    issued.witness(me)
    assert operations.release(me, None) == first


def test_a_refusal_is_logged_once(issued: Project) -> None:
    me = store(issued)
    change(me, "update run set report = json_set(report, '$.linked_people', 0)")
    for _ in range(2):
        with pytest.raises(DisclosureError):
            operations.release(me, None)
    assert kinds(me)[-2:] == ["issued", "refused"]


def test_each_result_opens_with_its_receipt_and_no_other(issued: Project) -> None:
    me = store(issued)
    issued.witness(me)
    results = operations.release(me, None)
    issued.witness(me)
    receipts = log.receipts(me, None)
    police, court = (issued.signatory(f"{name}-dept") for name in ("police", "court"))
    right = results["police.linkage-keys.receipt"]
    assert (
        department.open_linkage_keys(results["police.linkage-keys"], right, police).header.dataset == "police"
    )
    later = receipts["0005-issued.receipt"]
    assert (
        department.open_linkage_keys(results["police.linkage-keys"], later, police).header.dataset == "police"
    )
    department.open_crosswalk(results["crosswalk"], results["crosswalk.receipt"], issued.signatory(RESEARCH))
    whole = results["police.linkage-keys"]
    altered = whole[:-1] + bytes([whole[-1] ^ 1])
    for sealed, proof, who, error in (
        (results["police.linkage-keys"], receipts["0006-released.receipt"], police, VerificationError),
        (altered, right, police, VerificationError),
        (results["police.linkage-keys"], right, court, VerificationError),
        (results["police.linkage-keys"], b"", police, FormatError),
    ):
        with pytest.raises(error):
            department.open_linkage_keys(sealed, proof, who)


# Witnesses, receipts and what an auditor takes away.


def test_the_same_checkpoint_is_asked_for_until_something_happens(issued: Project) -> None:
    me = store(issued)
    first = log.checkpoint(me, None)
    assert sorted(first) == sorted(DEPARTMENTS)
    assert log.checkpoint(me, None) == first
    log.cosign(me, issued.cosignature(DEPARTMENTS[0], first[DEPARTMENTS[0]]))
    assert sorted(log.checkpoint(me, None)) == sorted(DEPARTMENTS[1:])
    issued.witness(me)
    assert log.checkpoint(me, None) == {}


def test_a_request_starts_where_its_witness_stopped(issued: Project) -> None:
    me = store(issued)
    issued.witness(me, DEPARTMENTS[:1])
    operations_size = len(log.read(me, None).entries)
    log.refused(me, issued.agreement, "A reason.")
    requests = log.checkpoint(me, None)
    sizes = {party: receipt.parse_request(raw).old_size for party, raw in requests.items()}
    assert sizes == {DEPARTMENTS[0]: operations_size, DEPARTMENTS[1]: 0, DEPARTMENTS[2]: 0}
    issued.witness(me)
    assert log.checkpoint(me, None) == {}


def test_a_witness_whose_answer_was_lost_can_go_on(issued: Project) -> None:
    me, witness = store(issued), DEPARTMENTS[0]
    issued.cosignature(witness, log.checkpoint(me, None)[witness])  # never comes back
    size = len(log.read(me, None).entries)
    log.refused(me, issued.agreement, "A reason.")
    with pytest.raises(ProtocolError, match="starts at 0 entries"):
        issued.cosignature(witness, log.checkpoint(me, None)[witness])
    answer = issued.cosignature(witness, log.checkpoint(me, None, since={witness: size})[witness])
    assert log.cosign(me, answer).witnesses == (witness,)


@pytest.mark.parametrize("since", [{RESEARCH: 1}, {DEPARTMENTS[0]: 99}])
def test_a_log_starts_nowhere_else(issued: Project, since: dict[str, int]) -> None:
    with pytest.raises(UsageError, match="No witness that has yet to sign"):
        log.checkpoint(store(issued), None, since=since)


def test_a_cosignature_is_taken_in_once_and_only_from_a_witness(issued: Project) -> None:
    me = store(issued)
    requests = log.checkpoint(me, None)
    answer = issued.cosignature(DEPARTMENTS[0], requests[DEPARTMENTS[0]])
    taken = [log.cosign(me, answer) for _ in range(2)]
    assert taken[0] == taken[1]
    assert (taken[0].witnesses, taken[0].quorum) == ((DEPARTMENTS[0],), False)
    signed = checkpoints.parse_checkpoint(receipt.parse_request(requests[DEPARTMENTS[1]]).note.text)
    others = checkpoints.write_signatures(notes.cosign(issued.identity(RESEARCH), signed, timestamp=1))
    half = answer.splitlines(keepends=True)[0]
    for raw in (others, half, answer.replace(b"police", b"court-")):
        with pytest.raises(PprlError):
            log.cosign(me, raw)


def test_receipts_prove_every_entry_to_anyone(issued: Project) -> None:
    me = store(issued)
    with pytest.raises(ProtocolError, match="quorum"):
        log.receipts(me, None)
    issued.witness(me)
    entries, receipts = log.read(me, None).entries, log.receipts(me, None)
    assert "0001-received-police.receipt" in receipts
    opened = [notes.open_receipt(raw, issued.agreement) for raw in receipts.values()]
    assert [each.entry.to_bytes() for each in opened] == list(entries)
    assert all(each.witnesses == DEPARTMENTS for each in opened)


def test_an_export_has_all_that_an_auditor_needs(issued: Project) -> None:
    me = store(issued)
    issued.witness(me)
    operations.release(me, None)
    issued.witness(me)
    files = operations.export(me, None)
    assert files["agreement.toml"] == issued.agreement_path.read_bytes()
    assert sum(name.startswith("agreement.signatures/") for name in files) == 6
    entries = [log_format.parse(raw) for raw in files["entries.jsonl"].splitlines()]
    assert [each.kind for each in entries][-2:] == ["issued", "released"]
    assert hashlib.sha256(files["summary.json"]).hexdigest() == entries[-2].detail["summary_sha256"]
    note = checkpoints.parse_note(files["checkpoint"])
    assert notes.open_checkpoint(note, issued.agreement).size == len(entries)
    notes.require_quorum(note, issued.agreement.content)
    heads = {name.removeprefix("heads/"): raw for name, raw in files.items() if name.startswith("heads/")}
    assert {digest: hashlib.sha256(raw).hexdigest() for digest, raw in heads.items()} == {
        digest: digest for digest in heads
    }
    assert len(heads) == 8


def test_an_export_tells_how_many_entries_are_not_signed_for(issued: Project, tmp_path: Path) -> None:
    me = store(issued)
    issued.witness(me)
    assert log.unwitnessed(me, None) == 0
    operations.release(me, None)
    assert log.unwitnessed(me, None) == 1
    result = done("coordinator", "log", "export", "--store", me.folder, "-o", tmp_path / "run")
    assert "the last 1 of its entries" in result.stderr
    issued.witness(me)
    assert log.unwitnessed(me, None) == 0


# Tampering.

TAMPERINGS = {
    "an entry is altered": (
        "update log_entry set raw = cast(replace(cast(raw as text), 'police', 'polite') as blob) where place = 1"
    ),
    "an entry is taken out": "delete from log_entry where place = 2",
    "the last entry is taken out": "delete from log_entry where place = 5",
    "a run stands elsewhere": "update run set stage = 'released'",
    "a head is gone": "delete from head where rowid = (select min(rowid) from head)",
    "heads are exchanged": "update head set raw = (select raw from head order by sha256 limit 1)",
    "a checkpoint is altered": (
        "update checkpoint set note = cast(replace(cast(note as text), char(10) || '6', char(10) || '5') as blob)"
    ),
    "a checkpoint's signer": (
        "update checkpoint set note = cast(replace(cast(note as text), '— key-issuer', '— matcher') as blob)"
    ),
}


@pytest.mark.parametrize("tampering", TAMPERINGS)
def test_a_log_that_was_tampered_with_is_found_out(issued: Project, tampering: str) -> None:
    me = store(issued)
    issued.witness(me)
    assert len(log.verify(me, None)) == 5
    change(me, TAMPERINGS[tampering])
    with pytest.raises((FormatError, VerificationError)):
        log.verify(me, None)


@pytest.mark.parametrize("tampering", ["an entry is altered", "the last entry is taken out"])
def test_nothing_is_signed_that_does_not_continue_what_was(issued: Project, tampering: str) -> None:
    me = store(issued)
    log.checkpoint(me, None)
    change(me, TAMPERINGS[tampering])
    with pytest.raises(FormatError, match="not a continuation"):
        log.checkpoint(me, None)


def test_witnesses_find_out_a_coordinator_that_tells_two_histories(issued: Project, tmp_path: Path) -> None:
    """One history for some witnesses and another for others: neither gets a quorum, or somebody notices."""
    one, other = store(issued), store(issued.copy(tmp_path / "other"))
    log.refused(one, issued.agreement, "One reason.")
    log.refused(other, issued.agreement, "Another reason.")
    issued.witness(one, DEPARTMENTS[:2])
    assert log.receipts(one, None)
    requests = log.checkpoint(other, None)
    for party in DEPARTMENTS[:2]:
        with pytest.raises(VerificationError, match="not a continuation"):
            issued.cosignature(party, requests[party])
    log.cosign(other, issued.cosignature(DEPARTMENTS[2], requests[DEPARTMENTS[2]]))
    with pytest.raises(ProtocolError, match="quorum"):
        log.receipts(other, None)


@pytest.mark.parametrize("pair", list(itertools.combinations(DEPARTMENTS, 2)))
def test_two_of_three_are_a_quorum(issued: Project, pair: tuple[str, str]) -> None:
    me = store(issued)
    issued.witness(me, pair)
    receipts = log.receipts(me, None).values()
    assert {notes.open_receipt(raw, issued.agreement).witnesses for raw in receipts} == {pair}
