"""A witness signs what only grew, remembers it first, and is not talked out of what it saw."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from pprl import witness
from pprl.crypto import notes
from pprl.errors import (
    ConfigError,
    FormatError,
    KeyFileError,
    PprlError,
    ProtocolError,
    UsageError,
    VerificationError,
)
from pprl.files import seen
from pprl.files.atomic import write_new
from pprl.protocol import checkpoint as checkpoints
from pprl.protocol import merkle, receipt
from pprl.protocol.checkpoint import Checkpoint, SignedNote
from pprl.protocol.receipt import WitnessRequest
from tests.support.killed import KilledError
from tests.support.project import DEPARTMENTS, ISSUER, MATCHER, RESEARCH, TODAY, Project
from tests.unit.crypto.signed_agreement import agreement

NOW = datetime(2026, 11, 22, 16, 34, tzinfo=UTC)
WITNESS = DEPARTMENTS[0]


def leaves(size: int, *, history: str = "told") -> list[bytes]:
    return [merkle.leaf_hash(f"{history} {number}".encode()) for number in range(size)]


def note(project: Project, size: int, *, history: str = "told", party: str = MATCHER) -> SignedNote:
    root = merkle.root(leaves(size, history=history))
    return notes.sign_checkpoint(
        project.identity(party), Checkpoint(project.agreement.sha256, party, size, root)
    )


def request(project: Project, size: int, old: int = 0, **what: str) -> bytes:
    history = what.get("history", "told")
    proof = merkle.consistency_proof(leaves(size, history=history), old)
    return receipt.write_request(WitnessRequest(old, proof, note(project, size, **what)))


def ask(project: Project, raw: bytes, party: str = WITNESS) -> witness.Witnessed:
    memory = seen.path_beside(project.key(party), party)
    return witness.witness(raw, project.agreement, project.identity(party), memory=memory, now=NOW)


def begun_anew(project: Project) -> tuple[Path, Path]:
    """A party that has seen nothing. Gives where its memory and the second copy will be."""
    memory, copy = seen.path_beside(project.key(WITNESS), WITNESS), project.holdings(WITNESS).remembers
    copy.unlink()
    memory.unlink()
    return memory, copy


def killed_at_write(number: int, *, after: bool) -> Callable[..., None]:
    """Writes files until a so-many-th one, before or after which the process is killed."""
    left = [number]

    def writing(path: Path, data: bytes, **how: Any) -> None:
        if left[0] or after:
            write_new(path, data, **how)
        if not left[0]:
            raise KilledError
        left[0] -= 1

    return writing


def remembered(project: Project) -> dict[str, tuple[int, str]]:
    return dict(seen.read(seen.path_beside(project.key(WITNESS), WITNESS)).checkpoints)


def test_a_log_that_grows_is_signed_step_by_step(project: Project) -> None:
    for old, size in ((0, 3), (3, 3), (3, 8), (8, 21)):
        done = ask(project, request(project, size, old))
        assert (done.checkpoint.size, done.before.size if done.before else 0) == (size, old)
        signed = note(project, size).with_signatures(checkpoints.parse_signatures(done.cosignature))
        assert notes.cosigners(signed, project.agreement.content) == (WITNESS,)
    assert [size for size, _ in remembered(project).values()] == [21]


def test_the_memory_is_closed_to_others_and_keeps_what_else_it_knows(project: Project) -> None:
    memory = seen.path_beside(project.key(WITNESS), WITNESS)
    before = seen.read(memory)
    ask(project, request(project, 3))
    assert memory.stat().st_mode & 0o777 == 0o600
    assert seen.read(memory).heard == before.heard


def test_a_memory_that_is_gone_is_told_and_nothing_is_signed(project: Project) -> None:
    ask(project, request(project, 8))
    memory = seen.path_beside(project.key(WITNESS), WITNESS)
    kept = memory.rename(memory.with_name("safe copy"))
    for other in ("told", "other"):
        with pytest.raises(KeyFileError, match="is gone") as refusal:
            ask(project, request(project, 9, history=other))
    assert not memory.exists()
    kept.rename(memory)
    with pytest.raises(VerificationError):
        ask(project, request(project, 9, 8, history="other"))
    memory.unlink()
    copy = project.holdings(WITNESS).remembers
    assert f"put a copy of {copy} in its place" in (refusal.value.hint or "")
    memory.write_bytes(copy.read_bytes())
    memory.chmod(0o600)
    assert (before := ask(project, request(project, 9, 8)).before) is not None
    assert before.size == 8, "that is what it asks for to go on"


def test_an_older_memory_that_is_restored_lacks_nothing(project: Project) -> None:
    memory = seen.path_beside(project.key(WITNESS), WITNESS)
    ask(project, request(project, 3))
    older = memory.read_bytes()
    ask(project, request(project, 8, 3))
    whole = seen.read(memory)
    for restored, size in ((older, 3), (seen.write(seen.Seen()), 0)):
        memory.write_bytes(restored)
        with pytest.raises(ProtocolError, match="the last checkpoint that you signed has 8"):
            ask(project, request(project, 9, size))
        assert seen.read(memory) == whole
    ask(project, request(project, 9, 8))
    assert seen.parse(memory.read_bytes()) == seen.read(memory)


def test_a_party_without_a_memory_begins_one(project: Project) -> None:
    memory, copy = begun_anew(project)
    ask(project, request(project, 3))
    assert copy.stat().st_mode & 0o777 == 0o600
    assert copy.read_bytes() == memory.read_bytes()


@pytest.mark.parametrize("after", [False, True])
@pytest.mark.parametrize("known", [False, True], ids=["begun", "known"])
def test_killed_at_any_write_it_has_said_nothing_or_forgets_nothing(
    project: Project, monkeypatch: pytest.MonkeyPatch, known: bool, after: bool
) -> None:
    """Killed wherever it may be, the same command goes on; and a memory that is lost then is told, or was empty."""
    for write in range(2 if known else 3):
        memory, _ = begun_anew(project)
        if known:
            ask(project, request(project, 3))
        with monkeypatch.context() as during:
            during.setattr(seen, "write_new", killed_at_write(write, after=after))
            with pytest.raises(KilledError):
                ask(project, request(project, 8, 3 if known else 0))
        told = remembered(project)
        assert told or not known
        if told:
            kept = memory.rename(memory.with_name("lost"))
            with pytest.raises(KeyFileError, match="is gone"):
                ask(project, request(project, 8))
            kept.rename(memory)
        assert ask(project, request(project, 8, 3 if known else 0)).checkpoint.size == 8
        assert seen.parse(memory.read_bytes()) == seen.read(memory)


def test_copies_that_contradict_each_other_are_told(project: Project) -> None:
    ask(project, request(project, 3))
    memory = seen.path_beside(project.key(WITNESS), WITNESS)
    found = seen.read(memory)
    others = {name: (size, "b" * 64) for name, (size, _) in found.checkpoints.items()}
    memory.write_bytes(seen.write(replace(found, checkpoints=others)))
    with pytest.raises(VerificationError, match="shown it two histories"):
        ask(project, request(project, 3))


def test_a_damaged_second_copy_can_be_moved_away(project: Project) -> None:
    ask(project, request(project, 3))
    copy = project.holdings(WITNESS).remembers
    copy.write_bytes(copy.read_bytes()[:-1])
    with pytest.raises(KeyFileError, match="is damaged") as refusal:
        ask(project, request(project, 8, 3))
    assert "it is written anew" in (refusal.value.hint or "")
    copy.unlink()
    ask(project, request(project, 8, 3))
    assert seen.parse(copy.read_bytes()) == seen.read(seen.path_beside(project.key(WITNESS), WITNESS))


def test_without_room_for_the_second_copy_nothing_is_signed(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    ask(project, request(project, 3))
    memory, copy = seen.path_beside(project.key(WITNESS), WITNESS), project.holdings(WITNESS).remembers

    def full(path: Path, data: bytes, **how: Any) -> None:
        if path == copy:
            raise UsageError("no room")
        write_new(path, data, **how)

    before = memory.read_bytes()
    with monkeypatch.context() as during:
        during.setattr(seen, "write_new", full)
        with pytest.raises(UsageError):
            ask(project, request(project, 8, 3))
    assert memory.read_bytes() == before
    assert ask(project, request(project, 8, 3)).checkpoint.size == 8


def test_versions_are_seen_one_by_one_or_from_the_first_that_is_seen() -> None:
    first = agreement()
    follows = agreement(b"the second\n", version=2, previous=first)
    third = agreement(b"the third\n", version=3, previous=follows)
    assert seen.Seen().with_agreement(third).agreements == {"paths": (3, third.sha256)}
    with pytest.raises(ProtocolError, match="version 3: what lies between was not seen") as refusal:
        seen.Seen().with_agreement(first).with_agreement(third)
    assert "'agreement verify AGREEMENT -k KEY' with each, from the lowest" in (refusal.value.hint or "")
    assert seen.Seen().with_agreement(first).with_agreement(follows).with_agreement(third)


def test_of_two_memories_the_later_counts() -> None:
    one, other, day = "1" * 64, "2" * 64, TODAY
    older = seen.Seen({"paths": (1, one)}, {"log": (3, one), "another": (5, one)}, {one: {"south": day}})
    later = seen.Seen(
        {"paths": (2, other)}, {"log": (8, other)}, {one: {"office": day}, other: {"south": day}}
    )
    both = seen.Seen(
        {"paths": (2, other)},
        {"log": (8, other), "another": (5, one)},
        {one: {"south": day, "office": day}, other: {"south": day}},
    )
    assert older.with_all_of(later) == later.with_all_of(older) == both


def test_a_memory_without_its_line_feed_is_damaged() -> None:
    raw = seen.write(seen.Seen())
    assert seen.parse(raw) == seen.Seen()
    for changed in (raw[:-1], raw + b"\n", b""):
        with pytest.raises(FormatError):
            seen.parse(changed)


def test_two_logs_are_remembered_apart(project: Project) -> None:
    ask(project, request(project, 8))
    ask(project, request(project, 3, party=ISSUER))
    ask(project, request(project, 9, 8))
    assert sorted(size for size, _ in remembered(project).values()) == [3, 9]


def test_what_was_signed_last_is_signed_again_whatever_the_request_starts_from(project: Project) -> None:
    """The answer was lost on the way: the same request is answered again."""
    ask(project, request(project, 3))
    again = request(project, 8, 3)
    first, second = ask(project, again), ask(project, again)
    assert first.checkpoint == second.checkpoint


REFUSED = {
    "another history": (lambda p: request(p, 9, 8, history="other"), VerificationError),
    "the same size with another history": (lambda p: request(p, 8, 8, history="other"), VerificationError),
    "the same size with another history, from nothing": (
        lambda p: request(p, 8, 0, history="other"),
        VerificationError,
    ),
    "a shorter log": (lambda p: request(p, 5), VerificationError),
    "not signed by the log": (
        lambda p: receipt.write_request(WitnessRequest(8, (), SignedNote(note(p, 9).text, ()))) + b"",
        PprlError,
    ),
    "a log of a department": (lambda p: request(p, 9, party=DEPARTMENTS[1]), VerificationError),
    "it starts before": (lambda p: request(p, 9, 5), ProtocolError),
    "it starts from nothing": (lambda p: request(p, 9, 0), ProtocolError),
    "it starts further on": (lambda p: request(p, 12, 9), ProtocolError),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_is_refused_is_neither_signed_nor_remembered(project: Project, case: str) -> None:
    make, error = REFUSED[case]
    ask(project, request(project, 8))
    before = remembered(project)
    with pytest.raises(error):
        ask(project, make(project))
    assert remembered(project) == before


def test_only_a_witness_of_the_agreement_signs(project: Project) -> None:
    for party in (RESEARCH, MATCHER):
        with pytest.raises(ConfigError, match="not a witness"):
            ask(project, request(project, 3), party)


def test_a_witness_of_another_agreement_does_not_sign(project: Project, tmp_path: Path) -> None:
    raw = request(project, 3)
    other = project.amended("other.toml", {("linkage", "target_precision"): 0.9})
    moved = Project(project.folder)
    agreement = checkpoints.parse_checkpoint(note(moved, 3).text)
    assert agreement.agreement_sha256 == project.agreement.sha256
    from pprl.protocol.agreement import parse  # noqa: PLC0415

    identity, memory = project.identity(WITNESS), seen.path_beside(project.key(WITNESS), WITNESS)
    with pytest.raises(VerificationError, match="another agreement"):
        witness.witness(raw, parse(other.read_bytes(), where="other"), identity, memory=memory, now=NOW)
