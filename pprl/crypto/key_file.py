"""A party's key file: its private keys under a passphrase, its public keys in clear.

The file is canonical JSON and a line feed (docs/formats/envelope.md). Argon2id stretches the passphrase to a key
under which AES-256-GCM encrypts the three seeds; everything else in the file is its associated data, so none of it
can be changed without the passphrase. What Argon2id costs stands in the file, between a floor, below which guessing
would be cheap, and a ceiling, above which a hostile file would take the machine's memory.

Python can't wipe memory: passphrase and keys stay in that of the process until it ends.

Source: RFC 9106, section 4; NIST SP 800-38D; OWASP Password Storage Cheat Sheet (the floor).
"""

from __future__ import annotations

import unicodedata
from dataclasses import asdict, dataclass, fields, replace
from typing import Any, NoReturn

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.argon2 import Argon2id
from pydantic import ValidationError

from pprl.crypto.derive import random_bytes, same
from pprl.crypto.identity import SEED_BYTES, Identity, card_holds, is_party_id, same_keys
from pprl.errors import FormatError, KeyFileError, UsageError
from pprl.protocol import canonical
from pprl.protocol.agreement import PartyKeys
from pprl.protocol.members import bytes_in, to_base64
from pprl.protocol.party_card import ALGORITHMS

FORMAT = "pprl-identity"
VERSION = 2
METHOD = "Argon2id+AES-256-GCM"
MAX_KEY_FILE_BYTES = 16_384

LEAST_CHARACTERS = 15
MOST_PASSPHRASE_BYTES = 1_024

_SALT_BYTES = 16
_NONCE_BYTES = 12
_SEALED_BYTES = len(ALGORITHMS) * SEED_BYTES + 16
_MEMBERS = {"format", "party", "private", "protection", "public", "version"}


@dataclass(frozen=True, slots=True)
class Cost:
    """What Argon2id takes to try one passphrase.

    Attributes:
        memory_kib: memory, in KiB.
        iterations: passes over it.
        lanes: parts of it that may be worked on at the same time.
    """

    memory_kib: int
    iterations: int
    lanes: int


LEAST_COST = Cost(memory_kib=19_456, iterations=2, lanes=1)
DEFAULT_COST = Cost(memory_kib=65_536, iterations=3, lanes=4)  # RFC 9106's second recommended option
MOST_COST = Cost(memory_kib=1_048_576, iterations=16, lanes=16)


class Passphrase:
    """What protects a key file. Its text form shows nothing; it can't be pickled or copied."""

    __slots__ = ("_raw",)

    def __init__(self, text: str) -> None:
        """Take a passphrase as it was typed: the same characters are the same passphrase on every keyboard.

        Args:
            text: at least 15 characters after Unicode's normalisation NFC; any characters.

        Raises:
            UsageError: too short, too long, or no text.
        """
        raw, fault = _normalised(text)
        del text  # No traceback of what is raised here may show it.
        if fault:
            raise UsageError(fault, hint="Several words that nobody would guess together are a good one.")
        self._raw = raw

    def key(self, cost: Cost, salt: bytes) -> bytes:
        """The key that it stands for in one key file.

        Args:
            cost: what stretching it takes.
            salt: 16 random bytes.

        Returns:
            32 bytes.
        """
        stretch = Argon2id(
            salt=salt, length=32, iterations=cost.iterations, lanes=cost.lanes, memory_cost=cost.memory_kib
        )
        return stretch.derive(self._raw)

    def is_same_as(self, other: Passphrase) -> bool:
        """Whether both are one: it is typed twice when a key file is made."""
        return same(self._raw, other._raw)

    def __repr__(self) -> str:
        """Nothing: representations end up in logs and tracebacks."""
        return "<passphrase>"

    def __reduce_ex__(self, _: Any) -> NoReturn:
        """No pickle, no copy."""
        raise TypeError("a passphrase can't be pickled or copied")


@dataclass(frozen=True, slots=True)
class KeyFile:
    """A key file that was read and not opened: nothing in it is trusted before its passphrase has opened it.

    Attributes:
        party: the party's id.
        public: its public keys.
        cost: what Argon2id takes.
        salt: Argon2id's, 16 bytes.
        nonce: AES-GCM's, 12 bytes.
        sealed: the seeds, encrypted, 112 bytes.
    """

    party: str
    public: PartyKeys
    cost: Cost
    salt: bytes
    nonce: bytes
    sealed: bytes

    @property
    def clear(self) -> dict[str, Any]:
        """All members but the private keys: what stands in clear, and is authenticated with them."""
        return {
            "format": FORMAT,
            "party": self.party,
            "protection": {
                **asdict(self.cost),
                "method": METHOD,
                "nonce": to_base64(self.nonce),
                "salt": to_base64(self.salt),
            },
            "public": self.public.model_dump(),
            "version": VERSION,
        }

    @property
    def raw(self) -> bytes:
        """The file's bytes."""
        return canonical.dumps({**self.clear, "private": to_base64(self.sealed)}) + b"\n"


def to_key_file(identity: Identity, passphrase: Passphrase, *, cost: Cost = DEFAULT_COST) -> bytes:
    """The key file's bytes, with fresh salt and nonce. Run by the party itself; the caller writes them with mode 0600.

    Args:
        identity: what to keep.
        passphrase: what is to protect it.
        cost: what trying one passphrase takes, at home and for whoever steals the file.

    Returns:
        Canonical JSON and a line feed.

    Leaks: whose keys they are, and the public half. Who has the file can try passphrases.
    """
    salt, nonce = random_bytes(_SALT_BYTES), random_bytes(_NONCE_BYTES)
    unsealed = KeyFile(identity.party, identity.public, cost, salt, nonce, b"")
    seeds = b"".join(identity._seeds[algorithm] for algorithm in ALGORITHMS)
    sealed = AESGCM(passphrase.key(cost, salt)).encrypt(nonce, seeds, canonical.dumps(unsealed.clear))
    return replace(unsealed, sealed=sealed).raw


def parse_key_file(raw: bytes, *, where: str) -> KeyFile:
    """Read a key file, strictly, without opening it.

    Args:
        raw: the file's bytes.
        where: how messages name the file.

    Returns:
        What it says; to be believed once `unlock` has opened it.

    Raises:
        KeyFileError: not a key file of this version, or damaged.
    """
    members = _members(raw, where)
    if not is_party_id(members["party"]):
        raise KeyFileError(
            f"{where} names no party that an agreement could name.",
            hint="Ids have a letter first, then letters, digits, '-' and '_', 40 characters at most.",
        )
    protection = members["protection"]
    expected = {"method", "nonce", "salt", *(each.name for each in fields(Cost))}
    if not isinstance(protection, dict) or set(protection) != expected or protection["method"] != METHOD:
        raise KeyFileError(f"{where} is protected in a way that this version can't open.")
    return KeyFile(
        party=members["party"],
        public=_public_keys(members["public"], where),
        cost=_cost(protection, where),
        salt=_raw(protection["salt"], _SALT_BYTES, where),
        nonce=_raw(protection["nonce"], _NONCE_BYTES, where),
        sealed=_raw(members["private"], _SEALED_BYTES, where),
    )


def unlock(file: KeyFile, passphrase: Passphrase, *, where: str) -> Identity:
    """Open a key file. Run by the party that owns it.

    Args:
        file: what `parse_key_file` read.
        passphrase: what protects it.
        where: how messages name the file.

    Returns:
        The identity; its public keys are derived anew and agree with those in the file.

    Raises:
        KeyFileError: another passphrase, a changed file, or public keys of others.
    """
    identity = _identity(file, passphrase)
    if identity is None:
        raise KeyFileError(
            f"The passphrase does not open {where}: it is another one, or the file was changed.",
            hint="Try again. A passphrase that is lost can't be recovered: a new identity and a new version of the "
            "agreement are then needed.",
        )
    if not same_keys(identity.public, file.public):
        raise _damaged(where, "its public keys do not belong to its private keys")
    if not card_holds(file.party, identity.public):
        raise _damaged(where, "its public keys are not signed as its card")
    return identity


def _identity(file: KeyFile, passphrase: Passphrase) -> Identity | None:
    # A function of its own: the frame that raises holds neither key nor seeds.
    key = passphrase.key(file.cost, file.salt)
    try:
        seeds = AESGCM(key).decrypt(file.nonce, file.sealed, canonical.dumps(file.clear))
    except InvalidTag:
        return None
    starts = range(0, len(seeds), SEED_BYTES)
    parted = {name: seeds[at : at + SEED_BYTES] for name, at in zip(ALGORITHMS, starts, strict=True)}
    return Identity(file.party, parted, card=(file.public.card_ed25519, file.public.card_ml_dsa_65))


def _normalised(text: str) -> tuple[bytes, str]:
    """A passphrase's bytes, and what is wrong with it; "" if nothing is."""
    normal = unicodedata.normalize("NFC", text)
    try:
        raw = normal.encode("utf-8")
    except UnicodeEncodeError:
        return b"", "The passphrase is not text."
    if len(normal) < LEAST_CHARACTERS:
        return b"", f"A passphrase has at least {LEAST_CHARACTERS} characters."
    if len(raw) > MOST_PASSPHRASE_BYTES:
        return b"", f"A passphrase has at most {MOST_PASSPHRASE_BYTES} bytes."
    return raw, ""


def _members(raw: bytes, where: str) -> dict[str, Any]:
    if len(raw) > MAX_KEY_FILE_BYTES or not raw.endswith(b"\n"):
        raise _damaged(where, "it is too long or cut short")
    try:
        members = canonical.loads(raw[:-1])
    except FormatError:
        # Not chained: an error about a secret file says nothing of what the file holds.
        members = None
    if not isinstance(members, dict) or members.get("format") != FORMAT:
        raise KeyFileError(f"{where} is not a party's key file.", hint="Make one: identity create.")
    version = members.get("version")
    if type(version) is int and version == 1:
        raise KeyFileError(
            f"{where} is a key file of version 1, which no passphrase protects.",
            hint="Destroy it, make a new identity with 'identity create', and put its card into the agreement.",
        )
    if type(version) is not int or version != VERSION:
        raise KeyFileError(f"{where} is a key file of another version.", hint="Use the release that made it.")
    if set(members) != _MEMBERS:
        raise _damaged(where, "it has other members than a key file")
    return members


def _public_keys(tree: Any, where: str) -> PartyKeys:
    try:
        keys = PartyKeys.model_validate(tree)
    except ValidationError:
        keys = None
    if keys is None:
        raise _damaged(where, "its public keys are not a party's public keys")
    return keys


def _cost(protection: dict[str, Any], where: str) -> Cost:
    for each in fields(Cost):
        number = protection[each.name]
        if type(number) is not int:
            raise _damaged(where, f"{each.name} is not a whole number")
        if number < getattr(LEAST_COST, each.name):
            raise KeyFileError(
                f"{where} is protected too weakly: {each.name} is below {getattr(LEAST_COST, each.name)}.",
                hint="Make a new identity, whose passphrase is dearer to guess.",
            )
        if number > getattr(MOST_COST, each.name):
            raise KeyFileError(
                f"{where} asks for more than this program gives: {each.name} is above "
                f"{getattr(MOST_COST, each.name)}.",
                hint="Don't use it if it is not a file that you made.",
            )
    return Cost(**{each.name: protection[each.name] for each in fields(Cost)})


def _raw(text: Any, length: int, where: str) -> bytes:
    raw = bytes_in(text)
    if len(raw) != length:
        raise _damaged(where, f"a member is not {length} bytes in standard base64")
    return raw


def _damaged(where: str, reason: str) -> KeyFileError:
    return KeyFileError(f"{where} is damaged: {reason}.", hint="Restore it from your safe copy.")
