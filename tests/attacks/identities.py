"""Attacks on keys: on the key file at home, and on the public half on its way into an agreement."""

from __future__ import annotations

import base64
from dataclasses import replace
from typing import Any

from pprl.crypto import identity as identities
from pprl.crypto import key_file
from pprl.crypto.identity import Identity, require_usable
from pprl.crypto.key_file import LEAST_COST, Cost, KeyFile, Passphrase, parse_key_file, to_key_file
from pprl.errors import ConfigError, KeyFileError, UsageError
from pprl.protocol import canonical
from pprl.protocol.agreement import PartyKeys
from tests.attacks.registry import Attack, cut, remove
from tests.support.keys import asked
from tests.unit.crypto.forgery import identity

NORTH, SOUTH = identity("north"), identity("south")
NEW_NORTH = identity("north", "a new card")
WEAK = Cost(memory_kib=8 * 4, iterations=1, lanes=1)


def opened(raw: bytes) -> Identity:
    return key_file.unlock(parse_key_file(raw, where="north.key"), asked(""), where="north.key")


def key_file_of(found: Identity, *, cost: Cost = LEAST_COST) -> bytes:
    return to_key_file(found, asked(""), cost=cost)


def tampered(**members: Any) -> bytes:
    tree = canonical.loads(key_file_of(NORTH)[:-1])
    return canonical.dumps({**tree, **members}) + b"\n"


def cheap_to_guess() -> Any:
    """A program, or an administrator, makes key files whose passphrases cost next to nothing to try."""
    return opened(key_file_of(NORTH, cost=WEAK))


def lowered_in_the_file() -> Any:
    """Whoever can write the file hopes that its owner's passphrase makes a cheap key."""
    tree = canonical.loads(key_file_of(NORTH)[:-1])
    weak = {"memory_kib": WEAK.memory_kib, "iterations": WEAK.iterations, "lanes": WEAK.lanes}
    return opened(tampered(protection={**tree["protection"], **weak}))


def raised_in_the_file() -> Any:
    tree = canonical.loads(key_file_of(NORTH)[:-1])
    return parse_key_file(tampered(protection={**tree["protection"], "memory_kib": 2**30}), where="north.key")


def without_a_passphrase() -> Any:
    """An older key file, or one that an attacker wrote so: nothing protects what is in it."""
    return parse_key_file(tampered(version=1), where="north.key")


def short_passphrase() -> Any:
    return Passphrase("letmein")


def exchanged_public_keys() -> Any:
    return opened(tampered(public=SOUTH.public.model_dump()))


def keys_that_do_not_belong_together() -> Any:
    mixed = identity("north")
    mixed.public = NEW_NORTH.public
    return opened(key_file_of(mixed))


def card_of(keys: PartyKeys, **changes: str) -> PartyKeys:
    return keys.model_copy(update=changes)


def mixed_card() -> Any:
    """The sealing key of an attacker in the middle of a card."""
    return require_usable(card_of(NORTH.public, x_wing=SOUTH.public.x_wing), party="north")


def mixed_with_an_older_card() -> Any:
    return require_usable(card_of(NORTH.public, x_wing=NEW_NORTH.public.x_wing), party="north")


def swapped_card() -> Any:
    return require_usable(SOUTH.public, party="north")


def card_signed_by_another() -> Any:
    signatures = {"card_ed25519": SOUTH.public.card_ed25519, "card_ml_dsa_65": SOUTH.public.card_ml_dsa_65}
    return require_usable(card_of(NORTH.public, **signatures), party="north")


def key_of_small_order() -> Any:
    """A sealing key to which anybody who recorded a container can open it."""
    raw = base64.b64decode(NORTH.public.x_wing)[:1184] + bytes(32)
    return require_usable(card_of(NORTH.public, x_wing=base64.b64encode(raw).decode()), party="north")


def any_cost(protection: dict[str, Any], _where: str) -> Cost:
    return Cost(**{name: protection[name] for name in ("memory_kib", "iterations", "lanes")})


def with_what_it_says_unbound(file: KeyFile, passphrase: Passphrase) -> Identity | None:
    """The private keys, whatever the file says in clear beside them."""
    return as_it_is(replace(file, public=NORTH.public), passphrase)


as_it_is = key_file._identity
COST = remove(key_file, "_cost", any_cost)
BOUND = remove(key_file, "_identity", with_what_it_says_unbound, refuses=key_file.unlock)
BELONG = cut(key_file, "unlock", "do not belong to its private keys")
LENGTH = remove(key_file, "LEAST_CHARACTERS", 1, check=key_file._normalised, refuses=Passphrase.__init__)
CARD = remove(identities, "card_holds", lambda *_: True, refuses=require_usable, number="2, 3")
USABLE = remove(identities, "_require_keys", number=1)

ATTACKS = (
    Attack("a key file that is cheap to guess", "the passphrase guessing parameters are lower than the floor",
           cheap_to_guess, KeyFileError, "protected too weakly", [COST]),
    Attack("parameters lowered in a key file", "the parameters of somebody's key file are lowered",
           lowered_in_the_file, KeyFileError, "protected too weakly", [COST], "does not open"),
    Attack("parameters raised in a key file", "a key file asks for more memory than the machine has",
           raised_in_the_file, KeyFileError, "asks for more than this program gives", [COST]),
    Attack("a key file without a passphrase", "a key file says that it is of the version that had no passphrase",
           without_a_passphrase, KeyFileError, "which no passphrase protects",
           [cut(key_file, "_members", "which no passphrase protects")], "of another version"),
    Attack("a short passphrase", "a passphrase that a dictionary holds",
           short_passphrase, UsageError, "at least 15 characters", [LENGTH]),
    Attack("exchanged public keys in a key file", "the public keys in a key file are exchanged for another's",
           exchanged_public_keys, KeyFileError, "does not open", [BOUND], "do not belong to its private keys"),
    Attack("a key file of two identities", "a key file with the private keys of one card and the public of another",
           keys_that_do_not_belong_together, KeyFileError, "do not belong to its private keys", [BELONG],
           "not signed as its card"),
    Attack("a card with another's sealing key", "an attacker puts its own sealing key into a party's card",
           mixed_card, ConfigError, "not signed as its card", [CARD]),
    Attack("a card mixed from two", "the sealing key of a party's older card stands in its new one",
           mixed_with_an_older_card, ConfigError, "not signed as its card", [CARD]),
    Attack("a renamed card", "a card that was made for one party is pasted in for another",
           swapped_card, ConfigError, "not signed as its card", [CARD]),
    Attack("a card signed by another", "another's signatures stand under a party's keys",
           card_signed_by_another, ConfigError, "not signed as its card", [CARD]),
    Attack("a sealing key of small order", "a sealing key whose secrets anybody can compute",
           key_of_small_order, ConfigError, "are damaged", [USABLE, CARD]),
)  # fmt: skip
