"""Sealing content to one party and opening what was sealed: the only door through which content travels.

A container is signed by its sender and sealed to its recipient (docs/formats/envelope.md). `open_container`
runs the receiver's checks in the order of their numbers in its docstring, and says which of them the caller
still owes. `seal` and `open_container` work on streams of any size in a few megabytes of memory.
"""

from __future__ import annotations

import hashlib
import io
import os
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO, BinaryIO

from cryptography.cobblestone import Cobblestone256Decryptor, Cobblestone256Encryptor
from cryptography.exceptions import InvalidTag

from pprl.crypto.derive import random_bytes, same
from pprl.crypto.identity import (
    CONTAINER_CONTEXT,
    Identity,
    ed25519_verifies,
    ml_dsa_65_verifies,
    same_keys,
)
from pprl.crypto.x_wing import CONTENT_KEY_BYTES, XWingKey, wrap
from pprl.errors import ConfigError, FormatError, KeyFileError, ProtocolError, VerificationError
from pprl.protocol import dsse, envelope
from pprl.protocol.agreement import AgreementFile, PartyKeys
from pprl.protocol.dsse import Envelope
from pprl.protocol.envelope import Binding, Statement

STEP_BYTES = 1_048_576
MAX_CONTAINER_BYTES = 2**42
_HELD_IN_MEMORY_BYTES = 8 * STEP_BYTES


@dataclass(frozen=True, slots=True)
class Opened:
    """What a container was, once every check has passed.

    Attributes:
        binding: who sealed what to whom, for which step; verified.
        container_sha256: SHA-256 of the whole container, 64 hexadecimal digits.
        head_sha256: SHA-256 of its head alone, which is signed and names the ciphertext by its digest.
    """

    binding: Binding
    container_sha256: str
    head_sha256: str


@dataclass(frozen=True, slots=True)
class _Body:
    """Where the ciphertext starts in the container, and the prefix and header in front of it."""

    start: int
    head: bytes


@dataclass(frozen=True, slots=True)
class _Expected:
    """What a step takes: None where it takes any."""

    kind: str | None
    sender: str | None
    dataset: str | None
    transcript: str | None


def seal(
    plaintext: BinaryIO,
    out: BinaryIO,
    *,
    binding: Binding,
    sender: Identity,
    sealed_to: str,
) -> str:
    """Sign content as the sender and seal it to the recipient. Run by the sender.

    The header names the ciphertext's digest and stands in front of it, so the ciphertext waits in memory up to 8 MiB,
    and beyond in a nameless file that nobody else can open, in the folder of `out` if that is a file with a path. It
    is gone when the process is, however that ends. Plaintext is never written anywhere.

    Args:
        plaintext: the content, read from where it stands to its end; as many bytes as `binding` says.
        out: where the container goes; nothing is written unless the whole content could be sealed.
        binding: what the container is.
        sender: the keys of `binding.sender`.
        sealed_to: the recipient's public X-Wing key in base64: the run key of its agreement signature, or the
            identity's own where the sender keeps something for itself.

    Returns:
        SHA-256 of the container, 64 hexadecimal digits.

    Raises:
        KeyFileError: the keys are not the bound sender's.
        ProtocolError: the content is longer or shorter than bound.
        VerificationError: the recipient's key is no valid key.

    Leaks: the binding, in clear: who sends what kind of content of what size, about which dataset, to whom.
    """
    if sender.party != binding.sender:
        raise KeyFileError(
            f"These are the keys of '{sender.party}', and the container is from '{binding.sender}'.",
            hint="Use the sender's own key file.",
        )
    content_key = random_bytes(CONTENT_KEY_BYTES)
    wrapped_key = wrap(content_key, sealed_to, info=binding.digest)
    with tempfile.SpooledTemporaryFile(max_size=_HELD_IN_MEMORY_BYTES, dir=_folder_of(out)) as spool:
        ciphertext_sha256 = _encrypt(plaintext, spool, content_key, binding)
        payload = envelope.write_statement(Statement(binding, ciphertext_sha256, wrapped_key))
        signatures = sender.sign(dsse.signed_bytes(payload), context=CONTAINER_CONTEXT)
        head = envelope.write_header(Envelope(payload, *signatures))
        spool.seek(0)
        return _write(out, head, spool)


def open_container(
    container: BinaryIO,
    out: BinaryIO,
    *,
    me: Identity,
    opens_with: XWingKey,
    agreement: AgreementFile,
    kind: str,
    sender: str | None = None,
    dataset: str | None = None,
    transcript: str = "",
    max_bytes: int = MAX_CONTAINER_BYTES,
) -> Opened:
    """Verify a container and decrypt it. Run by the recipient.

    The checks, in this order:

    1. the container has no more than `max_bytes` bytes;
    2. it starts with this version's magic and a header of possible length;
    3. the header is an envelope with exactly one signature of each algorithm, strictly spelt;
    4. the party that it claims to be from is in our agreement, with public keys;
    5. that party's Ed25519 key of our agreement signed the statement;
    6. and so did its ML-DSA-65 key;
    7. the statement, of which nothing but the claim in 4 was used so far, is strictly spelt;
    8. it was made under our agreement and its signatures: the digest, the version and the transcript are ours;
    9. it is of the kind, from the sender and about the dataset that are expected, and the dataset, if any,
       is brought by the sender or by the recipient;
    10. it is sealed to me, and my keys are the ones that the agreement gives me;
    11. the ciphertext has the length that follows from the bound length of the content;
    12. the ciphertext has the signed digest;
    13. the content key was wrapped for my key and bound to this very binding;
    14. every chunk of the ciphertext decrypts under it, in order, to its end;
    15. the content has the bound length.

    The content goes to `out` chunk by chunk while 14 is still running. So `out` must be private to the caller
    (a `BytesIO`, or a temporary file that nobody else reads) and is worthless unless this function returns.

    **What the caller still owes**: that this container, or its place in the sender's sequence, was not
    accepted before (`container_sha256`, `binding.sequence`, `binding.previous_sha256`); that the agreement is
    in force today; the rules of the content's own format, among them that its counts are those of `binding.records`;
    that an accepted content is renamed into place atomically and entered in the log.

    Args:
        container: the whole container and nothing else, seekable; `window` shows one inside a larger file.
        out: receives the content.
        me: the recipient's identity.
        opens_with: the private half of the key that the content was sealed to.
        agreement: our agreement, already parsed; the only source of the sender's keys.
        kind: the kind of content that this step takes.
        sender: who must have sent it; any party of the agreement if None.
        dataset: what dataset it must be about; any of the sender's or recipient's, or none, if None.
        transcript: the ceremony of the signatures that we hold; empty for what a party keeps for itself.
        max_bytes: the most that this step takes.

    Returns:
        The verified binding and the container's digest.

    Raises:
        FormatError: the bytes are not a container.
        VerificationError: they are, and a check refused it.
    """
    opened, content = open_stream(
        container, me=me, opens_with=opens_with, agreement=agreement, kind=kind, sender=sender, dataset=dataset,
        transcript=transcript, max_bytes=max_bytes,
    )  # fmt: skip
    for step in _steps(content):  # 14, 15
        out.write(step)
    return opened


def open_stream(
    container: BinaryIO,
    *,
    me: Identity,
    opens_with: XWingKey,
    agreement: AgreementFile,
    kind: str,
    sender: str | None = None,
    dataset: str | None = None,
    transcript: str = "",
    max_bytes: int = MAX_CONTAINER_BYTES,
) -> tuple[Opened, BinaryIO]:
    """Verify a container, and give what decrypts it while it is read. Run by the recipient.

    Checks 1 to 13 of `open_container` are made at once, over all of the ciphertext; 14 and 15 while the content is
    read, which raises what they refuse with. **What was read is worthless unless reading comes to the end**: that is
    when a read gives no bytes.

    Args:
        container: as for `open_container`; it stays open, and nobody else moves it, while the content is read.
        me: the recipient's identity.
        opens_with: the private half of the key that the content was sealed to.
        agreement: our agreement.
        kind: the kind of content that this step takes.
        sender: who must have sent it; any party of the agreement if None.
        dataset: what dataset it must be about; any of the sender's or recipient's, or none, if None.
        transcript: the ceremony of the signatures that we hold; empty for what a party keeps for itself.
        max_bytes: the most that this step takes.

    Returns:
        What the container is, and its content, to be read once.

    Raises:
        FormatError: the bytes are not a container.
        VerificationError: they are, and a check refused it.
    """
    size = _check_size(container, max_bytes)  # 1
    body = _read_head(container)  # 2
    expected = _Expected(kind, sender, dataset, transcript)
    statement = _checked_head(body, agreement, expected)  # 3 to 9
    binding = statement.binding
    _check_recipient_is_me(binding, me)  # 10
    _check_my_keys_are_agreed(me, agreement)  # 10
    _check_ciphertext_length(binding, size - body.start)  # 11
    container_sha256 = _check_ciphertext_digest(container, body, statement)  # 12
    content_key = opens_with.unwrap(statement.wrapped_key, info=binding.digest)  # 13
    container.seek(body.start)
    content = io.BufferedReader(_Decrypting(container, content_key, binding), STEP_BYTES)
    return Opened(binding, container_sha256, hashlib.sha256(body.head).hexdigest()), content


def verify_head(
    container: BinaryIO,
    *,
    agreement: AgreementFile,
    kind: str | None = None,
    transcript: str | None = None,
    max_bytes: int = MAX_CONTAINER_BYTES,
) -> tuple[Binding, bytes]:
    """Verify what a container is, and who sealed it, without being able to open it: checks 1 to 9.

    For whoever passes a container on, and for auditors, who hold heads without ciphertexts. The ciphertext, if it is
    there, is not looked at: that it is the signed one is for its recipient to check.

    Args:
        container: the container, or its head alone.
        agreement: as for `open_container`.
        kind: the kind of content that it must be of; any if None.
        transcript: the ceremony that it must be of; any if None.
        max_bytes: the most that this step takes.

    Returns:
        The verified binding, and the head: the container's bytes in front of its ciphertext.

    Raises:
        FormatError: the bytes are not a container.
        VerificationError: they are, and a check refused it.
    """
    _check_size(container, max_bytes)  # 1
    body = _read_head(container)  # 2
    expected = _Expected(kind, None, None, transcript)
    return _checked_head(body, agreement, expected).binding, body.head  # 3 to 9


def peek(container: BinaryIO) -> Binding:
    """What a container claims to be, without any key and without verifying any of it.

    For `inspect` and for choosing which agreement to open with; nobody may act on it.

    Args:
        container: as for `open_container`.

    Returns:
        The claim.

    Raises:
        FormatError: the bytes are not a container.
    """
    _check_size(container, MAX_CONTAINER_BYTES)
    signed = envelope.parse_envelope(_read_head(container).head[envelope.PREFIX_BYTES :])
    return envelope.parse_statement(signed.payload).binding


def window(file: BinaryIO, offset: int, length: int) -> BinaryIO:
    """A read-only view of part of a seekable file, as if that part were a file of its own.

    Several windows may be open on one file; closing one leaves the file open.

    Args:
        file: the larger file.
        offset: where the part starts, in bytes.
        length: how long it is, in bytes.

    Returns:
        A seekable file of `length` bytes, or fewer if the larger file ends before.
    """
    return io.BufferedReader(_Window(file, offset, length))


class _Window(io.RawIOBase):
    def __init__(self, file: BinaryIO, offset: int, length: int) -> None:
        self._file = file
        self._offset = offset
        self._length = max(0, min(length, file.seek(0, os.SEEK_END) - offset))
        self._position = 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        origin = {os.SEEK_SET: 0, os.SEEK_CUR: self._position, os.SEEK_END: self._length}[whence]
        if origin + offset < 0:
            raise OSError("before the start of the window")
        self._position = origin + offset
        return self._position

    def readinto(self, buffer: bytearray | memoryview) -> int:  # type: ignore[override]
        wanted = min(len(buffer), max(0, self._length - self._position))
        self._file.seek(self._offset + self._position)
        found = self._file.read(wanted)
        buffer[: len(found)] = found
        self._position += len(found)
        return len(found)


def _checked_head(body: _Body, agreement: AgreementFile, expected: _Expected) -> Statement:
    signed = envelope.parse_envelope(body.head[envelope.PREFIX_BYTES :])  # 3
    keys = _check_sender_is_known(signed, agreement)  # 4
    _check_ed25519(signed, keys)  # 5
    _check_ml_dsa_65(signed, keys)  # 6
    statement = envelope.parse_statement(signed.payload)  # 7
    _check_agreement_digest(statement.binding, agreement)  # 8
    _check_agreement_version(statement.binding, agreement)  # 8
    _check_transcript(statement.binding, expected)  # 8
    _check_expected(statement.binding, expected)  # 9
    _check_dataset_is_theirs(statement.binding, agreement)  # 9
    return statement


def _encrypt(plaintext: BinaryIO, spool: IO[bytes], content_key: bytes, binding: Binding) -> str:
    encryptor = Cobblestone256Encryptor(content_key, binding.digest)
    digest = hashlib.sha256()
    length = 0
    for step in _steps(plaintext):
        length += len(step)
        if length > binding.plaintext_bytes:
            break
        ciphertext = encryptor.update(step)
        digest.update(ciphertext)
        spool.write(ciphertext)
    if length != binding.plaintext_bytes:
        raise ProtocolError("The content changed its length while it was being sealed.", hint="Run it again.")
    ciphertext = encryptor.finalize()
    digest.update(ciphertext)
    spool.write(ciphertext)
    return digest.hexdigest()


def _folder_of(out: BinaryIO) -> str | None:
    """The folder of a file that was opened by its path: there is room for it, and perhaps not in the usual place."""
    name = getattr(out, "name", None)
    return str(Path(name).absolute().parent) if isinstance(name, str | Path) else None


def _write(out: BinaryIO, head: bytes, ciphertext: IO[bytes]) -> str:
    digest = hashlib.sha256(head)
    out.write(head)
    for step in _steps(ciphertext):
        digest.update(step)
        out.write(step)
    return digest.hexdigest()


def _steps(file: IO[bytes]) -> Iterator[bytes]:
    while step := file.read(STEP_BYTES):
        yield step


def _check_size(container: BinaryIO, max_bytes: int) -> int:
    size = container.seek(0, os.SEEK_END)
    if size > max_bytes:
        raise FormatError(f"The container has {size} bytes, and this step takes at most {max_bytes}.")
    container.seek(0)
    return size


def _read_head(container: BinaryIO) -> _Body:
    prefix = container.read(envelope.PREFIX_BYTES)
    length = envelope.parse_prefix(prefix)
    header = container.read(length)
    if len(header) != length:
        raise FormatError("A container is cut short: its header is not complete.")
    return _Body(envelope.PREFIX_BYTES + length, prefix + header)


def _check_sender_is_known(signed: Envelope, agreement: AgreementFile) -> PartyKeys:
    # The claim chooses whose keys are tried, and nothing else, until both signatures are verified.
    claimed = envelope.parse_statement(signed.payload).binding.sender
    keys = _keys_of(claimed, agreement)
    if keys is None:
        raise VerificationError(
            f"The container says that it is from '{claimed}', of whom our agreement has no public keys.",
            hint="Check that both sides use the same agreement.",
        )
    return keys


def _check_ed25519(signed: Envelope, keys: PartyKeys) -> None:
    if not ed25519_verifies(signed.ed25519, dsse.signed_bytes(signed.payload), keys):
        raise _wrong_signature("Ed25519")


def _check_ml_dsa_65(signed: Envelope, keys: PartyKeys) -> None:
    message = dsse.signed_bytes(signed.payload)
    if not ml_dsa_65_verifies(signed.ml_dsa_65, message, keys, context=CONTAINER_CONTEXT):
        raise _wrong_signature("ML-DSA-65")


def _wrong_signature(algorithm: str) -> VerificationError:
    return VerificationError(
        f"The {algorithm} signature is not by the key that our agreement gives the sender.",
        hint="Don't use the file. Ask the sender for it again, by another way.",
    )


def _check_agreement_digest(binding: Binding, agreement: AgreementFile) -> None:
    if binding.agreement_sha256 != agreement.sha256:
        raise VerificationError(
            "The container was made under another agreement than ours.",
            hint="Compare the agreement's SHA-256 with the sender.",
        )


def _check_agreement_version(binding: Binding, agreement: AgreementFile) -> None:
    if binding.agreement_version != agreement.content.project.version:
        raise VerificationError("The container names another version than its agreement has.")


def _check_transcript(binding: Binding, expected: _Expected) -> None:
    if expected.transcript is not None and binding.transcript != expected.transcript:
        raise VerificationError(
            "The container was made under other signatures of the agreement than ours: a party's run key or commitment "
            "is another.",
            hint="Compare the signatures with 'agreement verify' on both sides: a party may have signed twice.",
        )


def _check_expected(binding: Binding, expected: _Expected) -> None:
    both = (
        ("kind", expected.kind, binding.kind),
        ("sender", expected.sender, binding.sender),
        ("dataset", expected.dataset, binding.dataset),
    )
    for what, wanted, found in both:
        if wanted is not None and found != wanted:
            raise VerificationError(
                f"The container's {what} is '{found}', and this step takes '{wanted}'.",
                hint="Check that it is the file you mean.",
            )


def _check_dataset_is_theirs(binding: Binding, agreement: AgreementFile) -> None:
    owners = [each.party for each in agreement.content.dataset if each.name == binding.dataset]
    if binding.dataset and not {binding.sender, binding.recipient}.intersection(owners):
        raise VerificationError(
            f"The container is about dataset '{binding.dataset}', which neither '{binding.sender}' "
            f"nor '{binding.recipient}' brings."
        )


def _check_recipient_is_me(binding: Binding, me: Identity) -> None:
    if binding.recipient != me.party:
        raise VerificationError(
            f"The container is sealed to '{binding.recipient}', and these are the keys of '{me.party}'.",
            hint="Use the recipient's key file, or give it the file.",
        )


def _check_my_keys_are_agreed(me: Identity, agreement: AgreementFile) -> None:
    agreed = _keys_of(me.party, agreement)
    if agreed is None or not same_keys(agreed, me.public):
        raise VerificationError(
            f"These keys of '{me.party}' are not the ones that the agreement gives it.",
            hint="Use the key file whose public card was pasted into the agreement.",
        )


def _check_ciphertext_length(binding: Binding, length: int) -> None:
    if length != binding.ciphertext_bytes:
        raise FormatError(
            f"The container's ciphertext has {length} bytes instead of {binding.ciphertext_bytes}.",
            hint="It was cut short or added to on its way: fetch it again.",
        )


def _check_ciphertext_digest(container: BinaryIO, body: _Body, statement: Statement) -> str:
    whole, ciphertext = hashlib.sha256(body.head), hashlib.sha256()
    container.seek(body.start)
    for step in _steps(container):
        whole.update(step)
        ciphertext.update(step)
    if not same(ciphertext.digest(), bytes.fromhex(statement.ciphertext_sha256)):
        raise VerificationError(
            "The ciphertext is not the one that was signed.",
            hint="It was changed on its way: fetch it again.",
        )
    return whole.hexdigest()


class _Decrypting(io.RawIOBase):
    """The content of a ciphertext, decrypted as it is read."""

    def __init__(self, ciphertext: BinaryIO, content_key: bytes, binding: Binding) -> None:
        self._ciphertext, self._binding = ciphertext, binding
        self._decryptor = Cobblestone256Decryptor(content_key, binding.digest)
        self._left = memoryview(b"")
        self._length = 0
        self._ended = False
        self._refused: VerificationError | None = None

    def readable(self) -> bool:
        return True

    def _step(self) -> None:
        step = self._ciphertext.read(STEP_BYTES)
        self._left = memoryview(_decrypt(self._decryptor, step))  # 14
        self._length += len(self._left)
        if not step:
            _check_content_length(self._binding, self._length)  # 15
            self._ended = True

    def readinto(self, buffer: bytearray | memoryview) -> int:  # type: ignore[override]
        while not self._left and not self._ended:
            # Whoever reads on after a refusal is refused again: only what was verified ends.
            if self._refused is not None:
                raise self._refused
            try:
                self._step()
            except VerificationError as error:
                self._refused = error
                raise
        found = min(len(buffer), len(self._left))
        buffer[:found] = self._left[:found]
        self._left = self._left[found:]
        return found


def _decrypt(decryptor: Cobblestone256Decryptor, step: bytes) -> bytes:
    """The content of the next step of a ciphertext; of no bytes, which end it, what is left."""
    try:
        return decryptor.update(step) if step else decryptor.finalize()
    except InvalidTag:
        raise VerificationError(
            "The ciphertext does not decrypt under the key and binding that were signed with it.",
            hint="Don't use what was decrypted. Ask the sender to seal it again.",
        ) from None


def _check_content_length(binding: Binding, length: int) -> None:
    if length != binding.plaintext_bytes:
        raise VerificationError("The content has another length than the container is bound to.")


def _keys_of(party_id: str, agreement: AgreementFile) -> PartyKeys | None:
    try:
        return agreement.content.party_named(party_id).keys
    except ConfigError:
        return None
