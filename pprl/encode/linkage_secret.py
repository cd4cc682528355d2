"""The departments' linkage secret: who holds it and an encoding can find out whom the encoding is about.

256 random bits, never chosen and never typed in. Everything used is derived with HKDF under a label of its own and
bound to the agreement, so that nothing made for one agreement can be compared with anything made for another.
`pprl.encode.ceremony` is how the departments make it together.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from pprl.crypto import derive
from pprl.errors import FormatError, KeyFileError
from pprl.protocol import canonical, members
from pprl.protocol.agreement import Scheme

SECRET_BYTES = 32
KEY_CHECK_BYTES = 16
_FORMAT = "pprl-linkage-secret"


@dataclass(frozen=True, slots=True)
class LinkageSecret:
    """The secret of one agreement.

    Attributes:
        agreement_sha256: the agreement that it was made for.
        transcript: digest of the commitments that it was made from, 64 hexadecimal digits; public.
        value: its 32 bytes; never shown.
    """

    agreement_sha256: str
    transcript: str
    value: bytes = field(repr=False)

    def encoding_key(self, scheme: Scheme) -> bytes:
        """The key of a scheme's encoder; 32 bytes. Leaks: with encodings, everything."""
        return self._derive(f"pprl/v1/{scheme}", SECRET_BYTES)

    def key_check(self) -> str:
        """128 bits in hexadecimal that are equal for equal secrets, and safe to send: the secret is random."""
        return self._derive("pprl/v1/key-check", KEY_CHECK_BYTES).hex()

    def confirmation(self, party: str) -> str:
        """What shows that a party holds this secret, made in this ceremony: 64 hexadecimal digits, safe to send.

        Every department can check every other's; nobody else can make or check one.

        Args:
            party: the department's id.
        """
        key = self._derive("pprl/v1/confirmation", SECRET_BYTES)
        return derive.hmac_sha256(key, bytes.fromhex(self.transcript) + party.encode("ascii")).hex()

    def _derive(self, label: str, length: int) -> bytes:
        context = bytes.fromhex(self.agreement_sha256)
        return derive.hkdf(self.value, label=label, context=context, length=length)


def to_file(secret: LinkageSecret) -> bytes:
    """The bytes of a linkage secret, which its department keeps at home, sealed to itself."""
    return canonical.dumps(
        {
            "agreement_sha256": secret.agreement_sha256,
            "format": _FORMAT,
            "secret": members.to_base64(secret.value),
            "transcript": secret.transcript,
            "version": 1,
        }
    )


def from_file(raw: bytes, *, where: str, agreement_sha256: str) -> LinkageSecret:
    """Read a secret file, strictly.

    Raises:
        KeyFileError: not a secret file, or one of another agreement.
    """
    tree = _tree(raw)
    if set(tree) != {"agreement_sha256", "format", "secret", "transcript", "version"}:
        raise KeyFileError(f"{where} is not a linkage secret file.")
    if (tree["format"], tree["version"]) != (_FORMAT, 1):
        raise KeyFileError(f"{where} is not a linkage secret file of a version known here.")
    if tree["agreement_sha256"] != agreement_sha256:
        raise KeyFileError(
            f"{where} holds the secret of another agreement.", hint="Each agreement has a secret of its own."
        )
    if not isinstance(tree["transcript"], str) or not members.SHA256.fullmatch(tree["transcript"]):
        raise KeyFileError(f"{where} names no ceremony that its secret was made in.")
    secret = LinkageSecret(agreement_sha256, tree["transcript"], _value(tree["secret"], where))
    # True for 1: the same secret, and not the file that was written.
    if to_file(secret) != raw:
        raise KeyFileError(f"{where} is damaged: it is not spelt as it was written.")
    return secret


def _tree(raw: bytes) -> dict[str, Any]:
    try:
        tree = canonical.loads(raw)
    except FormatError:
        # Refused by the caller, not here: an error about a secret file is chained to nothing.
        tree = None
    return tree if isinstance(tree, dict) else {}


def _value(text: Any, where: str) -> bytes:
    value = members.bytes_in(text)
    if len(value) != SECRET_BYTES:
        raise KeyFileError(f"{where} does not hold a secret of {SECRET_BYTES} bytes.")
    return value
