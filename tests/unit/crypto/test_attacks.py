"""Every attack is refused by its check, and gets further once that check is taken out."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

import pytest

from pprl.crypto import container, x_wing
from pprl.errors import FormatError, PprlError, VerificationError
from pprl.protocol import canonical, envelope, members
from pprl.protocol.envelope import Binding
from tests.unit.crypto.forgery import (
    AGREED_KEYS,
    AGREEMENT,
    CONTENT,
    NORTH,
    OFFICE,
    SOUTH,
    Parts,
    binding,
    identity,
    opened,
    sealed,
    sealed_with_false_length,
    with_header,
)

CHUNK = envelope.CHUNK_BYTES + 16
START = 56
ACCEPTED = "accepted"
OUTSIDER = identity("north", "of somebody else")
OTHER_OFFICE = identity("office", "a second key file")


def nothing(*_: object, **__: object) -> None:
    return None


def remove(owner: object, name: str, instead: object = nothing) -> Callable[[pytest.MonkeyPatch], None]:
    return lambda patch: patch.setattr(owner, name, instead)


ED25519 = remove(container, "_check_ed25519")
ML_DSA_65 = remove(container, "_check_ml_dsa_65")
LENGTH = remove(container, "_check_ciphertext_length")
# The digest check also names the container, so it goes by letting any two digests be the same.
DIGEST = remove(container, "same", lambda *_: True)
BOUND_ENCRYPTION = remove(Binding, "digest", property(lambda self: bytes(32)))
STRICT_JSON = remove(canonical, "loads", lambda raw, **_: json.loads(raw))
TWO_SIGNATURES = remove(members, "an_array", lambda tree, length, _: tree[:length])
KEY_IDS = remove(members, "constant")


@dataclass(frozen=True)
class Attack:
    """What is tried, which refusal must meet it, which checks then go, and what must happen without them."""

    name: str
    attempt: Callable[[], Any]
    refusal: type[PprlError]
    saying: str
    removed: list[Callable[[pytest.MonkeyPatch], None]]
    then: str = field(default=ACCEPTED)


def theft_and_new_signature() -> Any:
    stolen = Parts.of(sealed())
    stolen.statement = replace(stolen.statement, binding=binding(sender="south", dataset="south_register"))
    return opened(stolen.signed_by(SOUTH, SOUTH))


def theft_in_the_senders_name() -> Any:
    return opened(Parts.of(sealed()).signed_by(SOUTH, SOUTH))


def substituted_sender_key() -> Any:
    return opened(sealed(sender=OUTSIDER))


def only_ed25519_broken() -> Any:
    return opened(Parts.of(sealed()).signed_by(NORTH, OUTSIDER))


def only_ml_dsa_65_broken() -> Any:
    return opened(Parts.of(sealed()).signed_by(OUTSIDER, NORTH))


def sender_unknown_to_the_agreement() -> Any:
    nobody = identity("nobody")
    return opened(sealed(binding(sender="nobody", dataset=""), sender=nobody))


def sender_without_agreed_keys() -> Any:
    auditor = identity("auditor")
    return opened(sealed(binding(sender="auditor", dataset=""), sender=auditor))


def forwarding() -> Any:
    return opened(sealed(), me=SOUTH)


def forwarding_with_a_new_wrapping() -> Any:
    parts = Parts.of(sealed())
    key = OFFICE.x_wing.unwrap(parts.statement.wrapped_key, info=binding().digest)
    bound = binding(recipient="south")
    wrapped = x_wing.wrap(key, SOUTH.public.x_wing, info=bound.digest)
    parts.statement = replace(parts.statement, binding=bound, wrapped_key=wrapped)
    return opened(parts.signed_by(OFFICE, OFFICE), me=SOUTH)


def type_swap() -> Any:
    return opened(sealed(binding(kind="references")))


def type_swap_of_the_signed_bytes() -> Any:
    parts = Parts.of(sealed(binding(kind="references")))
    payload = parts.envelope.payload.replace(b'"references"', b'"encodings"')
    parts.envelope = replace(parts.envelope, payload=payload)
    return opened(parts.joined())


def type_swap_by_the_sender() -> Any:
    parts = Parts.of(sealed(binding(kind="references")))
    parts.statement = replace(parts.statement, binding=binding())
    return opened(parts.signed_by(NORTH, NORTH))


def another_sender_than_expected() -> Any:
    raw = sealed(binding(sender="south", dataset="south_register"), sender=SOUTH)
    return opened(raw, sender="north")


def changed_dataset() -> Any:
    return opened(sealed(binding(dataset="")), dataset="north_register")


def dataset_of_another_department() -> Any:
    return opened(sealed(binding(dataset="south_register")))


def dataset_of_nobody() -> Any:
    return opened(sealed(binding(dataset="west_register")))


def another_agreement() -> Any:
    return opened(sealed(), agreement=replace(AGREEMENT, raw=b"one word changed"))


def another_version_of_the_agreement() -> Any:
    return opened(sealed(binding(agreement_version=2)))


def same_party_with_other_keys_than_agreed() -> Any:
    return opened(sealed(recipient=OTHER_OFFICE.public), me=OTHER_OFFICE)


def recipient_without_agreed_keys() -> Any:
    mine = identity("auditor")
    bound = binding(recipient="auditor")
    return opened(sealed(bound, recipient=mine.public), me=mine)


def one_algorithm_twice() -> Any:
    # As the header names them: two signatures by one key, told apart by key ids alone.
    parts = Parts.of(sealed())
    valid = parts.envelope.ml_dsa_65

    def doubled(header: bytes) -> bytes:
        tree = json.loads(header)
        tree["signatures"][0]["sig"] = members.to_base64(valid)
        return canonical.dumps(tree)

    return opened(with_header(parts.joined(), doubled))


def signatures(change: Callable[[list[Any]], list[Any]]) -> Any:
    def changed(header: bytes) -> bytes:
        tree = json.loads(header)
        tree["signatures"] = change(tree["signatures"])
        return canonical.dumps(tree)

    return opened(with_header(sealed(), changed))


def third_signature() -> Any:
    return signatures(lambda both: [*both, both[0]])


def missing_signature() -> Any:
    return signatures(lambda both: both[1:])


def signatures_in_the_other_order() -> Any:
    return signatures(lambda both: both[::-1])


def renamed_key_id() -> Any:
    return signatures(lambda both: [{**both[0], "keyid": "somebody"}, both[1]])


def duplicate_key_in_the_header() -> Any:
    return opened(with_header(sealed(), lambda header: b'{"payload":"",' + header[1:]))


def space_in_the_header() -> Any:
    return opened(with_header(sealed(), lambda header: b"{ " + header[1:]))


def duplicate_key_under_the_signature() -> Any:
    parts = Parts.of(sealed())
    payload = parts.envelope.payload.replace(b'"sender":', b'"sender":"south","sender":')
    return opened(parts.signed_by(NORTH, NORTH, payload=payload))


def truncated() -> Any:
    return opened(sealed()[:-1])


def truncated_at_a_chunk() -> Any:
    parts = Parts.of(sealed())
    return opened(parts.with_ciphertext_of(lambda body: body[: START + 3 * CHUNK], NORTH))


def extended() -> Any:
    return opened(sealed() + b"\0")


def extended_by_the_sender() -> Any:
    return opened(Parts.of(sealed()).with_ciphertext_of(lambda body: body + bytes(16), NORTH))


def swap_chunks(body: bytes) -> bytes:
    start, first, second = body[:START], body[START:][:CHUNK], body[START + CHUNK :][:CHUNK]
    return start + second + first + body[START + 2 * CHUNK :]


def reordered() -> Any:
    parts = Parts.of(sealed())
    parts.ciphertext = swap_chunks(parts.ciphertext)
    return opened(parts.joined())


def reordered_by_the_sender() -> Any:
    return opened(Parts.of(sealed()).with_ciphertext_of(swap_chunks, NORTH))


def ciphertext_of_another_container() -> Any:
    parts = Parts.of(sealed())
    parts.ciphertext = Parts.of(sealed(content=CONTENT[::-1])).ciphertext
    return opened(parts.joined())


def false_length() -> Any:
    bound = binding(plaintext_bytes=len(CONTENT) + 1)
    return opened(sealed_with_false_length(bound, CONTENT, NORTH, OFFICE.public))


def too_large() -> Any:
    return opened(sealed(), max_bytes=10_000)


def trust_anybody(patch: pytest.MonkeyPatch) -> None:
    everybody = {**AGREED_KEYS, "nobody": identity("nobody").public, "auditor": identity("auditor").public}
    patch.setattr(
        container,
        "_check_sender_is_known",
        lambda signed, _: everybody[envelope.parse_statement(signed.payload).binding.sender],
    )


ATTACKS = [
    Attack("theft, signed again by the thief", theft_and_new_signature,
           VerificationError, "not wrapped for this key and this binding", [BOUND_ENCRYPTION]),
    Attack("theft, in the sender's name", theft_in_the_senders_name,
           VerificationError, "Ed25519 signature", [ED25519, ML_DSA_65]),
    Attack("substituted sender key", substituted_sender_key,
           VerificationError, "Ed25519 signature", [ED25519, ML_DSA_65]),
    Attack("Ed25519 broken", only_ed25519_broken, VerificationError, "ML-DSA-65 signature", [ML_DSA_65]),
    Attack("ML-DSA-65 broken", only_ml_dsa_65_broken, VerificationError, "Ed25519 signature", [ED25519]),
    Attack("unknown sender", sender_unknown_to_the_agreement,
           VerificationError, "no public keys", [trust_anybody]),
    Attack("sender without agreed keys", sender_without_agreed_keys,
           VerificationError, "no public keys", [trust_anybody]),
    Attack("forwarding", forwarding, VerificationError, "sealed to 'office'",
           [remove(container, "_check_recipient_is_me")], "not wrapped for this key"),
    Attack("forwarding, wrapped anew", forwarding_with_a_new_wrapping,
           VerificationError, "Ed25519 signature", [ED25519, ML_DSA_65], "does not decrypt"),
    Attack("forwarding, wrapped anew, unbound", forwarding_with_a_new_wrapping,
           VerificationError, "Ed25519 signature", [ED25519, ML_DSA_65, BOUND_ENCRYPTION]),
    Attack("type swap", type_swap, VerificationError, "kind is 'references'",
           [remove(container, "_check_expected")]),
    Attack("type swap of signed bytes", type_swap_of_the_signed_bytes,
           VerificationError, "Ed25519 signature", [ED25519, ML_DSA_65], "not wrapped for"),
    Attack("type swap by the sender", type_swap_by_the_sender,
           VerificationError, "not wrapped for", [BOUND_ENCRYPTION]),
    Attack("another sender", another_sender_than_expected, VerificationError, "sender is 'south'",
           [remove(container, "_check_expected")]),
    Attack("changed dataset", changed_dataset, VerificationError, "dataset is ''",
           [remove(container, "_check_expected")]),
    Attack("another's dataset", dataset_of_another_department, VerificationError, "neither 'north' nor",
           [remove(container, "_check_dataset_is_theirs")]),
    Attack("nobody's dataset", dataset_of_nobody, VerificationError, "neither 'north' nor",
           [remove(container, "_check_dataset_is_theirs")]),
    Attack("other agreement", another_agreement, VerificationError, "another agreement",
           [remove(container, "_check_agreement_digest")]),
    Attack("other version", another_version_of_the_agreement, VerificationError, "another version",
           [remove(container, "_check_agreement_version")]),
    Attack("own keys not agreed", same_party_with_other_keys_than_agreed,
           VerificationError, "not the ones that the agreement gives",
           [remove(container, "_check_my_keys_are_agreed")]),
    Attack("own keys missing", recipient_without_agreed_keys,
           VerificationError, "not the ones that the agreement gives",
           [remove(container, "_check_my_keys_are_agreed")]),
    Attack("one algorithm twice", one_algorithm_twice, FormatError, "Ed25519 signature must have 64 bytes",
           [remove(members, "length")], "Ed25519 signature is not"),
    Attack("one algorithm twice, counted by key id", one_algorithm_twice, FormatError, "64 bytes",
           [remove(members, "length"), ED25519]),
    Attack("third signature", third_signature, FormatError, "exactly 2", [TWO_SIGNATURES]),
    Attack("missing signature", missing_signature, FormatError, "exactly 2",
           [remove(members, "an_array", lambda tree, length, _: (tree * 2)[:length])], "keyid of a container must be"),
    Attack("signatures swapped", signatures_in_the_other_order, FormatError, "keyid of a container must be 'ed25519'",
           [KEY_IDS], "64 bytes"),
    Attack("a second spelling by key id", renamed_key_id, FormatError, "keyid of a container must be", [KEY_IDS]),
    Attack("duplicate key in the header", duplicate_key_in_the_header, FormatError, "a name twice",
           [STRICT_JSON]),
    Attack("space in the header", space_in_the_header, FormatError, "spelt differently", [STRICT_JSON]),
    Attack("duplicate key in the statement", duplicate_key_under_the_signature, FormatError, "a name twice",
           [STRICT_JSON]),
    Attack("truncated", truncated, FormatError, "instead of", [LENGTH], "not the one that was signed"),
    Attack("truncated, digest unchecked", truncated, FormatError, "instead of",
           [LENGTH, DIGEST], "does not decrypt"),
    Attack("truncated at a chunk", truncated_at_a_chunk, FormatError, "instead of",
           [LENGTH], "does not decrypt"),
    Attack("extended", extended, FormatError, "instead of", [LENGTH], "not the one that was signed"),
    Attack("extended by the sender", extended_by_the_sender, FormatError, "instead of",
           [LENGTH], "does not decrypt"),
    Attack("reordered", reordered, VerificationError, "not the one that was signed",
           [DIGEST], "does not decrypt"),
    Attack("reordered by the sender", reordered_by_the_sender, VerificationError, "does not decrypt",
           [remove(container, "_decrypt", lambda *_: len(CONTENT))]),
    Attack("another's ciphertext", ciphertext_of_another_container, VerificationError,
           "not the one that was signed", [DIGEST], "does not decrypt"),
    Attack("false length", false_length, FormatError, "instead of", [LENGTH], "another length"),
    Attack("false length, unchecked after", false_length, FormatError, "instead of",
           [LENGTH, remove(container, "_check_content_length")]),
    Attack("too large", too_large, FormatError, "at most 10000", [remove(container, "_check_size",
           lambda file, _: (file.seek(0, 2), file.seek(0))[0])]),
]  # fmt: skip


@pytest.mark.parametrize("attack", ATTACKS, ids=lambda attack: attack.name)
def test_attack_is_refused_by_its_check(attack: Attack) -> None:
    with pytest.raises(attack.refusal, match=attack.saying):
        attack.attempt()


@pytest.mark.parametrize("attack", ATTACKS, ids=lambda attack: attack.name)
def test_without_its_check_the_attack_gets_further(attack: Attack, monkeypatch: pytest.MonkeyPatch) -> None:
    for remove_check in attack.removed:
        remove_check(monkeypatch)
    if attack.then == ACCEPTED:
        attack.attempt()
    else:
        with pytest.raises(PprlError, match=attack.then):
            attack.attempt()


def test_replay_is_left_to_the_caller_who_gets_one_name_for_one_container() -> None:
    raw = sealed()
    assert opened(raw)[0].container_sha256 == opened(raw)[0].container_sha256
    assert opened(sealed())[0].container_sha256 != opened(raw)[0].container_sha256
