"""Attacks on logs: by whoever keeps one, with or without a witness on its side, and by whoever hands on a receipt."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import cache
from typing import Any

from pprl.crypto import notes
from pprl.crypto.identity import Identity
from pprl.errors import FormatError, ProtocolError, VerificationError
from pprl.protocol import checkpoint as checkpoints
from pprl.protocol import log, merkle, receipt
from pprl.protocol.agreement import Agreement, AgreementFile, Log, Party
from pprl.protocol.checkpoint import Checkpoint, NoteSignature, SignedNote
from pprl.protocol.log import Entry, History
from pprl.protocol.receipt import Receipt, WitnessRequest
from tests.attacks.registry import Attack, nothing, remove
from tests.unit.crypto.forgery import identity, only

OFFICE, ISSUER = identity("office"), identity("issuer")
NORTH, SOUTH, EAST = identity("north"), identity("south"), identity("east")
ROLES = {"office": ("matcher",), "issuer": ("key-issuer",)}
OUTSIDER = identity("north", "of somebody else")
WHEN = 1_795_365_271


def agreement_with(
    *parties: Identity,
    text: bytes = b"an agreement with three witnesses\n",
    renamed: dict[str, Identity] | None = None,
) -> AgreementFile:
    """Three departments are the witnesses, and two of them a quorum."""
    keys = {each.party: each.public for each in (*parties, OFFICE, ISSUER)}
    keys.update({name: each.public for name, each in (renamed or {}).items()})
    members = [
        only(Party, id=name, roles=ROLES.get(name, ("department",)), keys=each) for name, each in keys.items()
    ]
    watched = only(Log, witnesses=("north", "south", "east"), quorum=2)
    return AgreementFile(only(Agreement, party=tuple(members), log=watched), text)


AGREED = agreement_with(NORTH, SOUTH, EAST)
# As parsing would refuse it: one witness stands in it under two names.
DOUBLED = agreement_with(NORTH, EAST, renamed={"south": NORTH})


def registered(version: int) -> bytes:
    return Entry(
        AGREED.sha256,
        f"2026-11-22T16:34:{version:02}Z",
        "registered",
        "",
        "",
        {"version": version, "signatures": {}},
    ).to_bytes()


ENTRIES = [registered(number) for number in range(1, 6)]
REWRITTEN = [ENTRIES[0], registered(59), *ENTRIES[2:]]


def checkpoint_of(
    entries: Sequence[bytes], *, keeper: str = "issuer", agreement: AgreementFile = AGREED
) -> Checkpoint:
    return Checkpoint(
        agreement.sha256, keeper, len(entries), merkle.root([merkle.leaf_hash(each) for each in entries])
    )


@cache
def note_of(entries: tuple[bytes, ...], *witnesses: str) -> SignedNote:
    checkpoint = checkpoint_of(entries)
    note = notes.sign_checkpoint(ISSUER, checkpoint)
    for name in witnesses:
        signer = {"north": NORTH, "south": SOUTH, "east": EAST}[name]
        note = note.with_signatures(notes.cosign(signer, checkpoint, timestamp=WHEN))
    return note


def request(entries: Sequence[bytes], old: Sequence[bytes], claimed: int | None = None) -> WitnessRequest:
    hashes = [merkle.leaf_hash(each) for each in entries]
    size = len(old) if claimed is None else claimed
    proof = merkle.consistency_proof(hashes, size) if size <= len(entries) else ()
    return WitnessRequest(size, proof, note_of(tuple(entries)))


def witnessed(asked: WitnessRequest, last: Sequence[bytes] | None, agreement: AgreementFile = AGREED) -> Any:
    """What a witness signs that has seen a log of these entries before."""
    return notes.check_request(asked, agreement, last=None if last is None else checkpoint_of(last))


def quorum(note: SignedNote, agreement: AgreementFile = AGREED) -> Any:
    return notes.require_quorum(note, agreement.content)


def receipted(
    index: int, note: SignedNote, *, entry: bytes | None = None, entries: Sequence[bytes] = ENTRIES,
    agreement: AgreementFile = AGREED, shown_as: int | None = None,
) -> Any:  # fmt: skip
    proof = merkle.inclusion_proof([merkle.leaf_hash(each) for each in entries], index)
    made = Receipt(entry or entries[index], index if shown_as is None else shown_as, proof, note)
    return notes.open_receipt(receipt.write_receipt(made), agreement)


def whole() -> SignedNote:
    return note_of(tuple(ENTRIES), "north", "south")


# A witness is shown one history, and others another.


def second_history() -> Any:
    return witnessed(request(REWRITTEN, ENTRIES[:3]), ENTRIES[:3])


def second_history_of_the_same_length() -> Any:
    return witnessed(request(REWRITTEN, ENTRIES), ENTRIES)


def second_history_as_if_nothing_was_seen() -> Any:
    return witnessed(request(REWRITTEN, ENTRIES[:3], claimed=0), ENTRIES[:3])


def shorter_history() -> Any:
    return witnessed(request(ENTRIES[:2], ENTRIES[:2]), ENTRIES)


# Who signs a checkpoint, and who is counted.


def one_witness() -> Any:
    return quorum(note_of(tuple(ENTRIES), "north"))


def half_signatures() -> Any:
    note = note_of(tuple(ENTRIES), "north", "south")
    return quorum(SignedNote(note.text, tuple(each for each in note.signatures if len(each.signature) < 100)))


def one_witness_under_two_names() -> Any:
    checkpoint = checkpoint_of(ENTRIES, agreement=DOUBLED)
    both = [notes.cosign(identity_as(NORTH, name), checkpoint, timestamp=WHEN) for name in ("north", "south")]
    note = notes.sign_checkpoint(ISSUER, checkpoint)
    return quorum(note.with_signatures([line for lines in both for line in lines]), DOUBLED)


def identity_as(signer: Identity, name: str) -> Identity:
    return Identity(name, dict(signer._seeds))


def one_witness_in_four_lines() -> Any:
    """The second two lines are of another time: another signature, and the same keys."""
    checkpoint = checkpoint_of(ENTRIES)
    again = notes.cosign(NORTH, checkpoint, timestamp=WHEN + 1)
    note = note_of(tuple(ENTRIES), "north")
    return quorum(SignedNote(note.text, (*note.signatures, *again)))


def one_line_under_anothers_name() -> Any:
    lines = notes.cosign(NORTH, checkpoint_of(ENTRIES), timestamp=WHEN)
    renamed = tuple(NoteSignature("south", each.key_id, each.signature) for each in lines)
    return quorum(note_of(tuple(ENTRIES), "north").with_signatures(renamed))


def cosigned_by_the_log() -> Any:
    own = notes.cosign(ISSUER, checkpoint_of(ENTRIES), timestamp=WHEN)
    return quorum(note_of(tuple(ENTRIES), "north").with_signatures(own))


def forged_cosignature() -> Any:
    """By other keys, with the name and the key ids of the witness's."""
    real = notes.cosign(SOUTH, checkpoint_of(ENTRIES), timestamp=WHEN)
    forged = notes.cosign(OUTSIDER, checkpoint_of(ENTRIES), timestamp=WHEN)
    lines = [NoteSignature("south", key.key_id, by.signature) for key, by in zip(real, forged, strict=True)]
    return quorum(note_of(tuple(ENTRIES), "north").with_signatures(lines))


def used_cosignature() -> Any:
    """What a witness signed for a shorter log is put under a longer one."""
    used = notes.cosign(SOUTH, checkpoint_of(ENTRIES[:3]), timestamp=WHEN)
    return quorum(note_of(tuple(ENTRIES), "north").with_signatures(used))


def backdated_cosignature() -> Any:
    real = notes.cosign(SOUTH, checkpoint_of(ENTRIES), timestamp=WHEN)
    early = (WHEN - 86_400).to_bytes(checkpoints.TIMESTAMP_BYTES, "big")
    lines = [NoteSignature(each.name, each.key_id, early + each.signature[8:]) for each in real]
    return quorum(note_of(tuple(ENTRIES), "north").with_signatures(lines))


def log_of_a_witness() -> Any:
    checkpoint = checkpoint_of(ENTRIES, keeper="north")
    return notes.open_checkpoint(notes.sign_checkpoint(NORTH, checkpoint), AGREED)


def log_signed_by_a_witness() -> Any:
    """A witness makes up a log of the key issuer's, and signs it with its own keys."""
    checkpoint = checkpoint_of(REWRITTEN)
    signed = notes.sign_checkpoint(identity_as(NORTH, "issuer"), checkpoint)
    return notes.open_checkpoint(signed, AGREED)


def log_of_another_agreement() -> Any:
    other = agreement_with(NORTH, SOUTH, EAST, text=b"another agreement\n")
    return notes.open_checkpoint(
        notes.sign_checkpoint(ISSUER, checkpoint_of(ENTRIES, agreement=other)), AGREED
    )


# Receipts.


def receipt_without_quorum() -> Any:
    return receipted(2, note_of(tuple(ENTRIES), "north"))


def receipt_of_another_entry() -> Any:
    return receipted(2, whole(), entry=registered(58))


def receipt_of_another_place() -> Any:
    return receipted(2, whole(), shown_as=3)


def receipt_under_another_log() -> Any:
    return receipted(1, whole(), entries=REWRITTEN)


def receipt_of_an_entry_of_another_agreement() -> Any:
    foreign = replace(log.parse(ENTRIES[0]), agreement_sha256="a" * 64).to_bytes()
    entries = (*ENTRIES, foreign)
    return receipted(5, note_of(entries, "north", "south"), entries=entries)


def told(*kinds: str) -> Callable[[], Any]:
    """A log of entries of these kinds, in this order."""

    def attempt() -> None:
        history = History(AGREED.sha256)
        for second, kind in enumerate(kinds):
            history.take(log.parse(entry_of(kind, second)))

    return attempt


def entry_of(kind: str, second: int) -> bytes:
    details: dict[str, dict[str, Any]] = {
        "registered": {"version": 1, "signatures": {}},
        "released": {"results": {}},
        "destroyed": {"certificate_sha256": "c" * 64},
        "relayed": {"container": {"dataset": "", "head_sha256": "1" * 64, "kind": "secret-share", "recipient": "south",
                                  "sender": "north", "sha256": "2" * 64}},
    }  # fmt: skip
    role, stage = ("key-issuer", "released") if kind == "released" else ("", "")
    return Entry(AGREED.sha256, f"2026-11-22T16:34:{second:02}Z", kind, role, stage, details[kind]).to_bytes()


def taking_any(history: History, entry: Entry) -> None:
    history.entries += 1


def counting_names(note: SignedNote, agreement: Agreement) -> tuple[str, ...]:
    """Whoever signed in two lines."""
    names = [each.name for each in note.signatures]
    return tuple(sorted({name for name in names if names.count(name) >= 2}))


def counting_half(note: SignedNote, party: Party) -> bool:
    return any(each.name == party.id for each in note.signatures)


def by_name_alone(note: SignedNote, party: Party, _type: bytes) -> list[bytes] | None:
    found = [each.signature for each in note.signatures if each.name == party.id]
    return found[:2] if len(found) >= 2 else None


def keeper_of_any(checkpoint: Checkpoint, agreement: AgreementFile) -> Party:
    return agreement.content.party_named(checkpoint.party)


def entry_of_any(raw: bytes) -> Entry:
    return replace(parse_entry(raw), agreement_sha256=AGREED.sha256)


parse_entry = log.parse
CONSISTENCY = remove(merkle, "verify_consistency", number=4)
START = remove(notes, "_require_start", number=3)
KEEPER = remove(notes, "_keeper", keeper_of_any, number=2)
SIGNED_BY_LOG = remove(notes, "_signed_by_log", lambda *_: True, refuses=notes.open_checkpoint, number="3, 4")
VERIFIES = remove(notes, "_both_verify", lambda *_: True)
QUORUM = remove(notes, "require_quorum", notes.cosigners, number=3)
COUNTED_KEYS = remove(
    notes,
    "quorum_reached",
    lambda names, agreement: len(names) >= agreement.log.quorum,
    refuses=notes.require_quorum,
)
COUNTED_WITNESSES = remove(notes, "cosigners", counting_names, refuses=notes.require_quorum)
BOTH_LINES = remove(notes, "_signed_by_witness", counting_half, refuses=notes.require_quorum)
KEY_IDS = remove(notes, "_found", by_name_alone, refuses=notes.require_quorum)
ONE_LINE_A_KEY = remove(SignedNote, "__post_init__", nothing)
INCLUSION = remove(merkle, "verify_inclusion", number=4)
ABOUT_THE_AGREEMENT = remove(
    log, "parse", entry_of_any, check=notes.open_receipt, refuses=notes.open_receipt, number=5
)
ORDER = remove(History, "take", taking_any)

ATTACKS = (
    Attack("split view", "a log shows a witness another history than the one that it signed before",
           second_history, VerificationError, "not a continuation", [CONSISTENCY]),
    Attack("split view of one length", "a log with as many entries as before, one of them exchanged",
           second_history_of_the_same_length, VerificationError, "not a continuation", [START, CONSISTENCY]),
    Attack("split view, from the start", "the log asks as if the witness had signed nothing yet",
           second_history_as_if_nothing_was_seen, ProtocolError, "last checkpoint that you signed has 3", [START],
           "not a continuation"),
    Attack("entries taken back", "a log comes with fewer entries than the witness signed",
           shorter_history, VerificationError, "you signed it with 5 before", [START], "not a continuation"),
    Attack("too few witnesses", "a checkpoint that one of three witnesses has signed is shown as agreed",
           one_witness, VerificationError, "lacks a quorum", [QUORUM]),
    Attack("half signatures", "Ed25519 lines of two witnesses, without their ML-DSA-65 lines",
           half_signatures, VerificationError, "lacks a quorum", [BOTH_LINES]),
    Attack("one witness under two names", "a party stands in an agreement twice, and signs twice",
           one_witness_under_two_names, VerificationError, "lacks a quorum", [COUNTED_KEYS]),
    Attack("one witness in four lines", "a witness's signature is there twice, from two times",
           one_witness_in_four_lines, FormatError, "two signature lines of one key",
           [ONE_LINE_A_KEY], "lacks a quorum"),
    Attack("one signature under another's name", "a witness's lines are copied under another witness's name",
           one_line_under_anothers_name, VerificationError, "lacks a quorum", [KEY_IDS], "does not verify"),
    Attack("the log's own signature counted", "the log signs its own checkpoint as if it were a witness",
           cosigned_by_the_log, VerificationError, "lacks a quorum", [COUNTED_WITNESSES]),
    Attack("forged cosignature", "an outsider signs in a witness's name, under its key ids",
           forged_cosignature, VerificationError, "does not verify", [VERIFIES]),
    Attack("used cosignature", "what a witness signed for a shorter log is put under a longer one",
           used_cosignature, VerificationError, "does not verify", [VERIFIES]),
    Attack("backdated cosignature", "the time in a witness's lines is changed",
           backdated_cosignature, VerificationError, "does not verify", [VERIFIES]),
    Attack("a log of no coordinator", "a department keeps a log of its own and shows it as the coordinator's",
           log_of_a_witness, VerificationError, "no coordinator of the agreement keeps", [KEEPER]),
    Attack("a log of another agreement", "a checkpoint from a run under another agreement",
           log_of_another_agreement, VerificationError, "about another agreement", [KEEPER]),
    Attack("a log that somebody else signed", "a witness makes up a log and signs it in the key issuer's name",
           log_signed_by_a_witness, VerificationError, "not signed by 'issuer'", [SIGNED_BY_LOG]),
    Attack("receipt without a quorum", "a receipt under a checkpoint that too few have seen",
           receipt_without_quorum, VerificationError, "lacks a quorum", [QUORUM]),
    Attack("receipt of another entry", "the entry in a receipt is exchanged",
           receipt_of_another_entry, VerificationError, "inclusion", [INCLUSION]),
    Attack("receipt of another place", "an entry is shown at another place than it has in the log",
           receipt_of_another_place, VerificationError, "inclusion", [INCLUSION]),
    Attack("receipt from another history", "an entry of a second history is shown under the first one's checkpoint",
           receipt_under_another_log, VerificationError, "inclusion", [INCLUSION]),
    Attack("an entry of another agreement", "a log tells of something that happened under another agreement",
           receipt_of_an_entry_of_another_agreement, VerificationError, "about another agreement than its log",
           [ABOUT_THE_AGREEMENT]),
    Attack("a release that nothing led to", "a log tells of a release without a run before it",
           told("registered", "released"), VerificationError, "where there is no 'released'", [ORDER]),
    Attack("work after destruction", "a log goes on after it told that everything was destroyed",
           told("registered", "destroyed", "relayed"), VerificationError, "everything was destroyed", [ORDER]),
)  # fmt: skip
