"""Attacks on containers: what passes between two parties, on its way or from a dishonest sender."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from pprl.crypto import container, x_wing
from pprl.crypto.identity import CONTAINER_CONTEXT, STATEMENT_CONTEXT, ml_dsa_65_verifies
from pprl.errors import FormatError, VerificationError
from pprl.protocol import canonical, dsse, envelope, members
from pprl.protocol.dsse import Envelope
from pprl.protocol.envelope import Binding
from tests.attacks.registry import Attack, remove
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
OUTSIDER = identity("north", "of somebody else")
OTHER_OFFICE = identity("office", "a second key file")
EVERYBODY = {**AGREED_KEYS, "nobody": identity("nobody").public, "auditor": identity("auditor").public}


def trusting_anybody(signed: Envelope, _: object) -> Any:
    return EVERYBODY[envelope.parse_statement(signed.payload).binding.sender]


def measured_only(file: Any, _: int) -> int:
    size: int = file.seek(0, 2)
    file.seek(0)
    return size


SIZE = remove(container, "_check_size", measured_only, number=1)
STRICT_JSON = remove(canonical, "loads", lambda raw, **_: json.loads(raw), number="3, 7")
TWO_SIGNATURES = remove(members, "an_array", lambda tree, length, _: (tree * 2)[:length], number=3)
KEY_IDS = remove(members, "constant", number=3)
SIGNATURE_LENGTH = remove(members, "length", number=3)
SENDER = remove(container, "_check_sender_is_known", trusting_anybody, number=4)
ED25519 = remove(container, "_check_ed25519", number=5)
ML_DSA_65 = remove(container, "_check_ml_dsa_65", number=6)
DIGEST_OF_AGREEMENT = remove(container, "_check_agreement_digest", number=8)
VERSION = remove(container, "_check_agreement_version", number=8)
TRANSCRIPT = remove(container, "_check_transcript", number=8)
EXPECTED = remove(container, "_check_expected", number=9)
DATASET = remove(container, "_check_dataset_is_theirs", number=9)
RECIPIENT = remove(container, "_check_recipient_is_me", number=10)
MY_KEYS = remove(container, "_check_my_keys_are_agreed", number=10)
LENGTH = remove(container, "_check_ciphertext_length", number=11)
# The digest check also names the container, so it goes by letting any two digests be the same.
DIGEST = remove(container, "same", lambda *_: True, check=container._check_ciphertext_digest, number=12)
# The wrapped key and the stream are bound to what the statement says: without that they are bound to nothing.
BOUND = remove(Binding, "digest", property(lambda self: bytes(32)), check=x_wing.XWingKey.unwrap, number=13)
CHUNKS = remove(container, "_decrypt", lambda _, step: b"" if step else CONTENT, number=14)
CONTENT_LENGTH = remove(container, "_check_content_length", number=15)
SIGNATURES = (ED25519, ML_DSA_65)


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


def under_other_signatures() -> Any:
    return opened(sealed(binding(transcript="1" * 64)), transcript="2" * 64)


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


def predicate(change: Callable[[dict[str, Any]], object], *, signed: bool) -> bytes:
    """A container whose statement says something else; by the sender, or by whoever carries it."""
    parts = Parts.of(sealed())
    tree = json.loads(parts.envelope.payload)
    change(tree["predicate"])
    payload = canonical.dumps(tree)
    if signed:
        return parts.signed_by(NORTH, NORTH, payload=payload)
    parts.envelope = replace(parts.envelope, payload=payload)
    return parts.joined()


def hidden_downgrade() -> Any:
    return opened(predicate(lambda told: told.update(suite="RSA-OAEP+AES-128-CBC"), signed=False))


def hidden_downgrade_by_the_sender() -> Any:
    return opened(predicate(lambda told: told.update(suite="RSA-OAEP+AES-128-CBC"), signed=True))


def older_version() -> Any:
    return opened(b"PPRLENV0" + sealed()[8:])


def extra_recipient() -> Any:
    """The content key is wrapped for a second reader as well, whom the binding does not name."""
    key = OFFICE.x_wing.unwrap(Parts.of(sealed()).statement.wrapped_key, info=binding().digest)
    another = members.to_base64(x_wing.wrap(key, SOUTH.public.x_wing, info=b""))
    return opened(predicate(lambda told: told.update(also_for=another), signed=True))


def extra_recipient_in_the_binding() -> Any:
    return opened(predicate(lambda told: told["binding"].update(also_for="south"), signed=True))


def signed_for_another_use() -> Any:
    """What the sender's ML-DSA-65 key signed as a statement is put under a container."""
    parts = Parts.of(sealed())
    message = dsse.signed_bytes(parts.envelope.payload)
    ml_dsa_65 = NORTH.sign(message, context=STATEMENT_CONTEXT)[1]
    parts.envelope = replace(parts.envelope, ml_dsa_65=ml_dsa_65)
    return opened(parts.joined())


def members_that_are_known(tree: Any, names: set[str], _: str) -> Any:
    return {name: tree[name] for name in names}


def in_any_context(signature: bytes, message: bytes, keys: Any, *, context: bytes) -> bool:
    contexts = (CONTAINER_CONTEXT, STATEMENT_CONTEXT)
    return any(ml_dsa_65_verifies(signature, message, keys, context=each) for each in contexts)


NO_OTHER_MEMBER = remove(members, "an_object", members_that_are_known, number="3, 7")
MAGIC = remove(envelope, "parse_prefix", lambda prefix: int.from_bytes(prefix[8:], "big"), number=2)
CONTEXT = remove(container, "ml_dsa_65_verifies", in_any_context, check=container._check_ml_dsa_65, number=6)

ATTACKS = (
    Attack("theft, signed again by the thief", "a department puts its own name into another's container, and signs it",
           theft_and_new_signature, VerificationError, "not wrapped for this key and this binding", [BOUND]),
    Attack("theft, in the sender's name", "a department signs another's container again and leaves the sender's name",
           theft_in_the_senders_name, VerificationError, "Ed25519 signature", SIGNATURES),
    Attack("substituted sender key", "an outsider seals in a department's name with keys of its own",
           substituted_sender_key, VerificationError, "Ed25519 signature", SIGNATURES),
    Attack("Ed25519 broken", "somebody who can forge Ed25519 signatures, and no others",
           only_ed25519_broken, VerificationError, "ML-DSA-65 signature", [ML_DSA_65]),
    Attack("ML-DSA-65 broken", "somebody who can forge ML-DSA-65 signatures, and no others",
           only_ml_dsa_65_broken, VerificationError, "Ed25519 signature", [ED25519]),
    Attack("unknown sender", "somebody whom the agreement does not name sends in its own name",
           sender_unknown_to_the_agreement, VerificationError, "no public keys", [SENDER]),
    Attack("sender without agreed keys", "a party to which the agreement gives no keys sends with keys of its own",
           sender_without_agreed_keys, VerificationError, "no public keys", [SENDER]),
    Attack("forwarding", "what is sealed to the coordinator is carried to a department",
           forwarding, VerificationError, "sealed to 'office'", [RECIPIENT], "not wrapped for this key"),
    Attack("forwarding, wrapped anew", "the recipient wraps the key for a third party, under the sender's name",
           forwarding_with_a_new_wrapping, VerificationError, "Ed25519 signature", SIGNATURES, "does not decrypt"),
    Attack("forwarding, wrapped anew, unbound", "the same, to see what the binding inside adds to the signatures",
           forwarding_with_a_new_wrapping, VerificationError, "Ed25519 signature",
           [*SIGNATURES, remove(Binding, "digest", property(lambda self: bytes(32)), check=container._decrypt,
                                number=14)]),
    Attack("type swap", "a container of one kind is handed in where another is taken",
           type_swap, VerificationError, "kind is 'references'", [EXPECTED]),
    Attack("type swap of signed bytes", "the kind is changed in the signed statement",
           type_swap_of_the_signed_bytes, VerificationError, "Ed25519 signature", SIGNATURES, "not wrapped for"),
    Attack("type swap by the sender", "the sender signs a second statement of another kind over one ciphertext",
           type_swap_by_the_sender, VerificationError, "not wrapped for", [BOUND]),
    Attack("another sender", "a department's container is handed in as another's",
           another_sender_than_expected, VerificationError, "sender is 'south'", [EXPECTED]),
    Attack("changed dataset", "a container about no dataset is handed in as one about a dataset",
           changed_dataset, VerificationError, "dataset is ''", [EXPECTED]),
    Attack("another's dataset", "a department sends a dataset that another brings",
           dataset_of_another_department, VerificationError, "neither 'north' nor", [DATASET]),
    Attack("nobody's dataset", "a department sends a dataset that the agreement does not have",
           dataset_of_nobody, VerificationError, "neither 'north' nor", [DATASET]),
    Attack("hidden downgrade", "whoever carries a container changes its suite for a weaker one",
           hidden_downgrade, FormatError, "The suite of a container must be", [KEY_IDS], "Ed25519 signature"),
    Attack("hidden downgrade by the sender", "a sender names a suite that was not agreed",
           hidden_downgrade_by_the_sender, FormatError, "The suite of a container must be", [KEY_IDS]),
    Attack("older version", "a container is passed off as one of an older version",
           older_version, FormatError, "not a container of this version", [MAGIC]),
    Attack("extra recipient", "a sender wraps the content key for a second reader in the statement",
           extra_recipient, FormatError, "must be an object of exactly", [NO_OTHER_MEMBER]),
    Attack("extra recipient in the binding", "a sender names a second recipient in the binding",
           extra_recipient_in_the_binding, FormatError, "must be an object of exactly", [NO_OTHER_MEMBER]),
    Attack("signed for another use", "a signature that was made under another kind of document is put here",
           signed_for_another_use, VerificationError, "ML-DSA-65 signature", [CONTEXT]),
    Attack("other agreement", "a container made under an agreement that differs by a word",
           another_agreement, VerificationError, "another agreement", [DIGEST_OF_AGREEMENT]),
    Attack("other version", "a container that names another version than its agreement has",
           another_version_of_the_agreement, VerificationError, "another version", [VERSION]),
    Attack("other signatures", "a container from somebody to whom a party gave another signature of the agreement",
           under_other_signatures, VerificationError, "other signatures of the agreement", [TRANSCRIPT]),
    Attack("own keys not agreed", "the recipient is led to open with keys that the agreement does not give it",
           same_party_with_other_keys_than_agreed, VerificationError, "not the ones that the agreement gives",
           [MY_KEYS]),
    Attack("own keys missing", "a party that has no keys in the agreement opens what was sealed to it",
           recipient_without_agreed_keys, VerificationError, "not the ones that the agreement gives", [MY_KEYS]),
    Attack("one algorithm twice", "one valid signature stands in both places",
           one_algorithm_twice, FormatError, "Ed25519 signature must have 64 bytes", [SIGNATURE_LENGTH, ED25519]),
    Attack("third signature", "a signature too many",
           third_signature, FormatError, "exactly 2",
           [remove(members, "an_array", lambda tree, length, _: tree[:length], number=3)]),
    Attack("missing signature", "one signature is taken away, and the other counted twice",
           missing_signature, FormatError, "exactly 2", [TWO_SIGNATURES], "keyid of a container must be"),
    Attack("signatures swapped", "the two signatures change places",
           signatures_in_the_other_order, FormatError, "keyid of a container must be 'ed25519'",
           [KEY_IDS], "64 bytes"),
    Attack("a second spelling by key id", "a key id is renamed, so that one container has two digests",
           renamed_key_id, FormatError, "keyid of a container must be", [KEY_IDS]),
    Attack("duplicate key in the header", "a member stands twice in the header: readers differ in which they take",
           duplicate_key_in_the_header, FormatError, "a name twice", [STRICT_JSON]),
    Attack("space in the header", "the header is spelt otherwise, so that one container has two digests",
           space_in_the_header, FormatError, "spelt differently", [STRICT_JSON]),
    Attack("duplicate key in the statement", "the sender signs a statement that names two senders",
           duplicate_key_under_the_signature, FormatError, "a name twice", [STRICT_JSON]),
    Attack("truncated", "the last byte is cut off",
           truncated, FormatError, "instead of", [LENGTH, DIGEST], "does not decrypt"),
    Attack("truncated at a chunk, by the sender", "the sender signs a stream that ends a chunk early",
           truncated_at_a_chunk, FormatError, "instead of", [LENGTH], "does not decrypt"),
    Attack("extended", "a byte is added",
           extended, FormatError, "instead of", [LENGTH, DIGEST], "does not decrypt"),
    Attack("extended by the sender", "the sender signs a stream with bytes after its end",
           extended_by_the_sender, FormatError, "instead of", [LENGTH], "does not decrypt"),
    Attack("reordered", "two chunks of the stream change places",
           reordered, VerificationError, "not the one that was signed", [DIGEST], "does not decrypt"),
    Attack("reordered by the sender", "the sender signs a stream whose chunks changed places",
           reordered_by_the_sender, VerificationError, "does not decrypt", [CHUNKS]),
    Attack("another's ciphertext", "the head of one container is put in front of another's ciphertext",
           ciphertext_of_another_container, VerificationError, "not the one that was signed",
           [DIGEST], "does not decrypt"),
    Attack("false length", "the sender signs another length than its content has",
           false_length, FormatError, "instead of", [LENGTH, CONTENT_LENGTH]),
    Attack("too large", "a container larger than the step takes",
           too_large, FormatError, "at most 10000", [SIZE]),
)  # fmt: skip
