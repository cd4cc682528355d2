"""Attacks on a quorum, each of which a check of `pprl.crypto.notes` stops. Vectors are in tests/conformance/log."""

from __future__ import annotations

import pytest

from pprl.crypto import notes
from pprl.crypto.identity import Identity, create
from pprl.errors import FormatError, ProtocolError, VerificationError
from pprl.protocol import checkpoint as checkpoints
from pprl.protocol import merkle
from pprl.protocol.agreement import Agreement, AgreementFile, Log, Party
from pprl.protocol.checkpoint import COSIGNATURE, Checkpoint, NoteSignature, SignedNote

NORTH, SOUTH, EAST, OFFICE = (create(party) for party in ("north", "south", "east", "office"))
ROLES = {"north": "department", "south": "department", "east": "department", "office": "matcher"}
LEAVES = [merkle.leaf_hash(bytes([number])) for number in range(5)]


def agreement(*, quorum: int = 2, **keys: Identity) -> AgreementFile:
    holders = {each.party: each for each in (NORTH, SOUTH, EAST, OFFICE)} | keys
    parties = tuple(
        Party.model_construct(id=party, roles=(role,), keys=holders[party].public)
        for party, role in ROLES.items()
    )
    watched = Log.model_construct(witnesses=("north", "south", "east"), quorum=quorum)
    return AgreementFile(Agreement.model_construct(party=parties, log=watched), b"an agreement")


def usual() -> Checkpoint:
    return Checkpoint(agreement().sha256, "office", len(LEAVES), merkle.root(LEAVES))


def signed(*witnesses: Identity) -> SignedNote:
    lines = [line for each in witnesses for line in notes.cosign(each, usual(), timestamp=1_700_000_000)]
    return notes.sign_checkpoint(OFFICE, usual()).with_signatures(lines)


def renamed(lines: tuple[NoteSignature, ...], name: str, identity: Identity) -> list[NoteSignature]:
    """Lines under another name, with the key ids that this name and these keys have."""
    ids = notes._key_ids(name, identity.public, COSIGNATURE)
    return [NoteSignature(name, key_id, line.signature) for key_id, line in zip(ids, lines, strict=True)]


def test_two_witnesses_are_a_quorum() -> None:
    assert notes.open_checkpoint(signed(), agreement()) == usual()
    assert notes.require_quorum(signed(NORTH, EAST), agreement().content) == ("north", "east")


def test_one_witness_under_two_names_counts_once() -> None:
    lines = notes.cosign(NORTH, usual(), timestamp=1_700_000_000)
    note = signed(NORTH).with_signatures(renamed(lines, "south", NORTH))
    with pytest.raises(VerificationError, match="quorum"):
        notes.require_quorum(note, agreement().content)


def test_one_key_of_two_parties_counts_once() -> None:
    """No agreement parses that gives two parties one key; the count doesn't rest on that."""
    lines = notes.cosign(NORTH, usual(), timestamp=1_700_000_000)
    note = signed(NORTH).with_signatures(renamed(lines, "south", NORTH))
    shared = agreement(south=NORTH).content
    assert notes.cosigners(note, shared) == ("north", "south")
    with pytest.raises(VerificationError, match="quorum"):
        notes.require_quorum(note, shared)


def test_one_algorithm_twice_is_no_signature() -> None:
    ed25519, ml_dsa_65 = notes.cosign(SOUTH, usual(), timestamp=1_700_000_000)
    twice = NoteSignature("south", ml_dsa_65.key_id, ed25519.signature)
    with pytest.raises(VerificationError, match="does not verify"):
        notes.require_quorum(signed(NORTH).with_signatures([ed25519, twice]), agreement().content)
    for half in (ed25519, ml_dsa_65):
        with pytest.raises(VerificationError, match="quorum"):
            notes.require_quorum(signed(NORTH).with_signatures([half]), agreement().content)


def test_halves_of_two_witnesses_are_no_witness() -> None:
    halves = [
        notes.cosign(SOUTH, usual(), timestamp=1_700_000_000)[0],
        notes.cosign(EAST, usual(), timestamp=1_700_000_000)[1],
    ]
    with pytest.raises(VerificationError, match="quorum"):
        notes.require_quorum(signed(NORTH).with_signatures(halves), agreement().content)


def test_a_key_that_was_substituted_does_not_count() -> None:
    impostor = create("south")
    lines = notes.cosign(impostor, usual(), timestamp=1_700_000_000)
    assert notes.cosigners(signed(NORTH).with_signatures(lines), agreement().content) == ("north",)
    with pytest.raises(VerificationError, match="does not verify"):
        notes.cosigners(signed(NORTH).with_signatures(renamed(lines, "south", SOUTH)), agreement().content)


def test_the_logs_own_signature_is_no_witnesss() -> None:
    by_log = notes.sign_checkpoint(OFFICE, usual())
    assert notes.cosigners(by_log, agreement().content) == ()
    forged = renamed(by_log.signatures, "north", NORTH)
    with pytest.raises(VerificationError):
        notes.cosigners(by_log.with_signatures(forged), agreement().content)


def test_a_witnesss_signature_is_not_the_logs() -> None:
    lines = [
        NoteSignature(line.name, line.key_id, line.signature)
        for line in notes.cosign(OFFICE, usual(), timestamp=1_700_000_000)
    ]
    with pytest.raises(VerificationError, match="not signed by 'office'"):
        notes.open_checkpoint(SignedNote(usual().text, tuple(lines[:1])), agreement())


def test_a_quorum_of_none_is_none() -> None:
    assert not notes.quorum_reached((), agreement(quorum=0).content)


def test_nobody_signs_anothers_log() -> None:
    with pytest.raises(ProtocolError):
        notes.sign_checkpoint(NORTH, usual())


def test_an_entry_can_not_pass_for_a_node_of_the_tree() -> None:
    """Second preimages: the bytes of an inner node, given as an entry."""
    from pprl.protocol import receipt  # noqa: PLC0415

    node = merkle.root(LEAVES[:2]) + merkle.root(LEAVES[2:4])
    proof = (LEAVES[4],)
    raw = receipt.write_receipt(receipt.Receipt(node, 0, proof, signed(NORTH, SOUTH)))
    with pytest.raises(VerificationError, match="inclusion"):
        notes.open_receipt(raw, agreement())


def test_a_signature_made_for_something_else_is_none() -> None:
    lines = signed(NORTH, SOUTH).signatures
    other = Checkpoint(usual().agreement_sha256, "office", 4, merkle.root(LEAVES[:4]))
    with pytest.raises(VerificationError):
        notes.open_checkpoint(SignedNote(other.text, lines), agreement())


def test_below_a_note_stand_signature_lines_alone() -> None:
    raw = checkpoints.write_note(signed(NORTH))
    text, _, line = raw.rstrip(b"\n").rpartition(b"\n")
    assert len(checkpoints.parse_note(raw).signatures) == text.count("— ".encode()) + 1
    name, blob = line.removeprefix("— ".encode()).split(b" ")
    for wrong in (
        b"- %s %s" % (name, blob),
        b"%s %s" % (name, blob),
        "— ".encode() + name,
        line + "é".encode(),
    ):
        with pytest.raises(FormatError):
            checkpoints.parse_note(text + b"\n" + wrong + b"\n")


def test_a_note_with_a_third_line_of_a_key_is_refused() -> None:
    again = notes.cosign(NORTH, usual(), timestamp=1_700_000_001)
    with pytest.raises(FormatError, match="two signature lines of one key"):
        SignedNote(usual().text, (*signed(NORTH).signatures, *again))
    kept = signed(NORTH).with_signatures(again)
    assert checkpoints.write_note(kept) != b""
    assert len(kept.signatures) == 4
