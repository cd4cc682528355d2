from __future__ import annotations

import base64
import copy
import functools
import hashlib
import logging
import pickle
import tomllib
import traceback

import pytest

from pprl.crypto.identity import (
    CONTAINER_CONTEXT,
    NOTE_CONTEXT,
    STATEMENT_CONTEXT,
    Identity,
    create,
    ed25519_verifies,
    fingerprint,
    ml_dsa_65_verifies,
    party_card,
    require_usable,
    same_keys,
    wrap,
)
from pprl.crypto.words import words
from pprl.errors import ConfigError, KeyFileError, VerificationError
from pprl.protocol import canonical
from pprl.protocol.agreement import PartyKeys
from pprl.protocol.party_card import public_keys, signed_card
from tests.unit.crypto.forgery import NORTH, SOUTH, identity


def test_created_identities_differ() -> None:
    assert not same_keys(create("north").public, create("north").public)


@pytest.mark.parametrize("party", ["", "9north", "nörth", "a b", "x" * 41, "north\n"])
def test_create_refuses_ids_that_no_agreement_has(party: str) -> None:
    with pytest.raises(KeyFileError, match="names no party"):
        create(party)


def test_x_wing_keys_grow_from_the_seed_as_in_the_draft() -> None:
    # draft-connolly-cfrg-xwing-kem-10, appendix C, first vector: the seed is SHAKE128 of nothing.
    seed = bytes.fromhex("7f9c2ba4e88f827d616045507605853ed73b8093f6efbc88eb1a6eacfa66ef26")
    keys = Identity("north", {"ed25519": bytes(32), "ml_dsa_65": bytes(32), "x_wing": seed}).public
    public = base64.b64decode(keys.x_wing)
    assert public[:24].hex() == "e2236b35a8c24b39b10aa1323a96a919a2ced88400633a7b"
    assert hashlib.sha256(public).hexdigest() == (
        "2e816deebcd76c5c80d0cd2d174478871658e8e2ff42bc9d4a6e486372e856bb"
    )


def test_ed25519_keys_are_rfc_8032() -> None:
    # RFC 8032, section 7.1, test 1.
    seed = bytes.fromhex("9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60")
    keys = Identity("north", {"ed25519": seed, "ml_dsa_65": bytes(32), "x_wing": bytes(32)}).public
    assert base64.b64decode(keys.ed25519).hex() == (
        "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a"
    )


def test_private_keys_show_nowhere() -> None:
    secret = identity("north", "canary")
    seeds = list(secret._seeds.values())
    canaries = [base64.b64encode(seed).decode() for seed in seeds]
    canaries += [seed.hex() for seed in seeds] + [str(seed)[2:-1] for seed in seeds]
    texts = [repr(secret), str(secret), f"{secret}", f"{secret!r:>60}", party_card(secret), str([secret])]
    texts.append(logging.Formatter().format(logging.makeLogRecord({"msg": "%s", "args": (secret,)})))
    try:
        secret.x_wing.unwrap(bytes(1168), info=b"")
    except VerificationError as error:
        inner = error.__traceback__.tb_next if error.__traceback__ else None
        report = traceback.TracebackException(type(error), error, inner, capture_locals=True)
        texts.append("".join(report.format()))
        assert "wrapped_key = " in texts[-1]
    assert len(texts) == 8
    assert not [canary for canary in canaries for text in texts if canary in text]


def test_identities_are_neither_pickled_nor_copied() -> None:
    for attempt in (pickle.dumps, copy.copy, copy.deepcopy):
        with pytest.raises(TypeError, match="can't be pickled or copied"):
            attempt(NORTH)


def test_party_card_pastes_into_an_agreement() -> None:
    tree = tomllib.loads('[[party]]\nid = "north"\n' + party_card(NORTH) + "[[party]]\n")
    assert PartyKeys.model_validate(tree["party"][0]["keys"]) == NORTH.public
    assert fingerprint(NORTH.public) in party_card(NORTH)
    assert "'north'" in party_card(NORTH)


def test_fingerprint() -> None:
    keys = canonical.dumps({each: getattr(NORTH.public, each) for each in ("ed25519", "ml_dsa_65", "x_wing")})
    assert fingerprint(NORTH.public) == words(hashlib.sha256(keys).digest())
    assert len(fingerprint(NORTH.public).split(" ")) == 12
    assert fingerprint(SOUTH.public) != fingerprint(NORTH.public)


def test_fingerprint_is_of_the_keys_whatever_card_they_stand_on() -> None:
    again = identity("north")
    assert again.public != NORTH.public
    assert same_keys(again.public, NORTH.public)
    assert fingerprint(again.public) == fingerprint(NORTH.public)


def test_fingerprint_covers_every_key() -> None:
    for algorithm in ("ed25519", "ml_dsa_65", "x_wing"):
        other = NORTH.public.model_copy(update={algorithm: getattr(SOUTH.public, algorithm)})
        assert fingerprint(other) != fingerprint(NORTH.public)
        assert not same_keys(other, NORTH.public)


def replaced(**changes: str) -> PartyKeys:
    return NORTH.public.model_copy(update=changes)


FIRST_CARD, SECOND_CARD = create("north"), create("north")
MESSAGE = signed_card("north", public_keys(NORTH.public))


def signed_by(
    identity: Identity, message: bytes = MESSAGE, context: bytes = STATEMENT_CONTEXT
) -> tuple[str, str]:
    ed25519, ml_dsa_65 = (base64.b64encode(each).decode() for each in identity.sign(message, context=context))
    return ed25519, ml_dsa_65


BAD_CARDS = {
    "Ed25519 key of another card": replaced(ed25519=SOUTH.public.ed25519),
    "ML-DSA-65 key of another card": replaced(ml_dsa_65=SOUTH.public.ml_dsa_65),
    "X-Wing key of another card": replaced(x_wing=SOUTH.public.x_wing),
    "both signatures of another": replaced(
        card_ed25519=SOUTH.public.card_ed25519, card_ml_dsa_65=SOUTH.public.card_ml_dsa_65
    ),
    "Ed25519 signature by another": replaced(card_ed25519=signed_by(SOUTH)[0]),
    "ML-DSA-65 signature by another": replaced(card_ml_dsa_65=signed_by(SOUTH)[1]),
    "no Ed25519 signature": replaced(card_ed25519=base64.b64encode(bytes(64)).decode()),
    "no ML-DSA-65 signature": replaced(card_ml_dsa_65=base64.b64encode(bytes(3309)).decode()),
    "signed as a container": replaced(card_ml_dsa_65=signed_by(NORTH, context=CONTAINER_CONTEXT)[1]),
    "signed for another party": replaced(
        **dict(
            zip(
                ("card_ed25519", "card_ml_dsa_65"),
                signed_by(NORTH, signed_card("south", public_keys(NORTH.public))),
                strict=True,
            )
        )
    ),
    "sealing key of the party's other card": FIRST_CARD.public.model_copy(
        update={"x_wing": SECOND_CARD.public.x_wing}
    ),
}


@pytest.mark.parametrize("keys", BAD_CARDS.values(), ids=BAD_CARDS.keys())
def test_a_card_that_its_keys_did_not_sign_is_refused(keys: PartyKeys) -> None:
    with pytest.raises(
        ConfigError, match="public keys of 'north' in the agreement are not signed as its card"
    ):
        require_usable(keys, party="north")


def test_a_card_is_for_its_party_alone() -> None:
    require_usable(NORTH.public, party="north")
    for party in ("south", "North", "north "):
        with pytest.raises(ConfigError, match="not signed as its card"):
            require_usable(NORTH.public, party=party)


@pytest.mark.parametrize("algorithm", ["ed25519", "ml_dsa_65", "x_wing"])
def test_keys_that_are_no_keys_are_refused_as_such(algorithm: str) -> None:
    length = len(base64.b64decode(getattr(NORTH.public, algorithm)))
    broken = replaced(**{algorithm: base64.b64encode(bytes(length - 1)).decode()})
    with pytest.raises(ConfigError, match="are damaged"):
        require_usable(broken, party="north")


CONTEXTS = (CONTAINER_CONTEXT, STATEMENT_CONTEXT, NOTE_CONTEXT)


@pytest.mark.parametrize("context", CONTEXTS)
def test_signatures_verify_under_the_signers_keys_alone(context: bytes) -> None:
    ed25519, ml_dsa_65 = NORTH.sign(b"message", context=context)
    ml_dsa_65_in_context = functools.partial(ml_dsa_65_verifies, context=context)
    assert ed25519_verifies(ed25519, b"message", NORTH.public)
    assert ml_dsa_65_in_context(ml_dsa_65, b"message", NORTH.public)
    for verifies, signature in ((ed25519_verifies, ed25519), (ml_dsa_65_in_context, ml_dsa_65)):
        assert not verifies(signature, b"another", NORTH.public)
        assert not verifies(signature, b"message", SOUTH.public)
        assert not verifies(signature[:-1], b"message", NORTH.public)
        assert not verifies(b"", b"message", NORTH.public)
        assert not verifies(bytes(len(signature)), b"message", NORTH.public)


def test_keys_that_are_no_keys_verify_nothing() -> None:
    ed25519, ml_dsa_65 = NORTH.sign(b"message", context=STATEMENT_CONTEXT)
    broken = NORTH.public.model_copy(update={"ed25519": "AAAA", "ml_dsa_65": "AAAA"})
    assert not ed25519_verifies(ed25519, b"message", broken)
    assert not ml_dsa_65_verifies(ml_dsa_65, b"message", broken, context=STATEMENT_CONTEXT)


def test_ml_dsa_signatures_are_for_one_use_only() -> None:
    assert len(set(CONTEXTS)) == len(CONTEXTS)
    for context in CONTEXTS:
        _, signature = NORTH.sign(b"message", context=context)
        taken = [
            use for use in CONTEXTS if ml_dsa_65_verifies(signature, b"message", NORTH.public, context=use)
        ]
        assert taken == [context]


def test_wrapped_keys_open_for_the_recipient_and_binding_alone() -> None:
    wrapped = wrap(b"k" * 32, NORTH.public.x_wing, info=b"binding")
    assert len(wrapped) == 1168
    assert NORTH.x_wing.unwrap(wrapped, info=b"binding") == b"k" * 32
    flipped = bytes([wrapped[0] ^ 1]) + wrapped[1:]
    for who, what, info in (
        (SOUTH, wrapped, b"binding"),
        (NORTH, wrapped, b"another"),
        (NORTH, flipped, b"binding"),
        (NORTH, wrapped[:-1], b"binding"),
        (NORTH, b"", b"binding"),
        (NORTH, wrap(b"k" * 31, NORTH.public.x_wing, info=b"binding"), b"binding"),
    ):
        with pytest.raises(VerificationError, match="not wrapped for this key"):
            who.x_wing.unwrap(what, info=info)


@pytest.mark.parametrize("x25519", [bytes(32), b"\x01" + bytes(31)], ids=["zero", "low order"])
def test_wrapping_for_a_key_that_is_no_key_is_refused(x25519: bytes) -> None:
    raw = base64.b64decode(NORTH.public.x_wing)[:1184] + x25519
    broken = NORTH.public.model_copy(update={"x_wing": base64.b64encode(raw).decode()})
    with pytest.raises(VerificationError, match="not a valid public key"):
        wrap(b"k" * 32, broken.x_wing, info=b"")
