"""A party's own secrets on its own disk: containers that it seals to itself.

So they are read with the party's key file and its passphrase, and by nobody who has the disk alone. The format and its
checks are a container's; sender and recipient are one.
"""

from __future__ import annotations

import io

from pprl.crypto import container
from pprl.crypto.identity import Identity
from pprl.errors import FormatError, KeyFileError, VerificationError
from pprl.protocol.agreement import AgreementFile
from pprl.protocol.envelope import Binding

RUN_KEY_KIND = "run-key"


def keep(secret: bytes, *, identity: Identity, agreement: AgreementFile, kind: str) -> bytes:
    """Seal a secret to oneself. The caller writes the bytes with mode 0600.

    Args:
        secret: what is kept.
        identity: whose it is.
        agreement: the agreement that it belongs to.
        kind: what it is, such as `run-key`.

    Returns:
        A container.

    Leaks: to whoever has the disk, that there is such a secret, and its length.
    """
    binding = Binding(
        agreement_sha256=agreement.sha256,
        agreement_version=agreement.content.project.version,
        sender=identity.party,
        recipient=identity.party,
        kind=kind,
        dataset="",
        submission="",
        sequence=1,
        previous_sha256=None,
        plaintext_bytes=len(secret),
        records=0,
    )
    sealed = io.BytesIO()
    container.seal(
        io.BytesIO(secret), sealed, binding=binding, sender=identity, sealed_to=identity.public.x_wing
    )
    return sealed.getvalue()


def take(raw: bytes, *, identity: Identity, agreement: AgreementFile, kind: str, where: str) -> bytes:
    """Open what `keep` sealed.

    Args:
        raw: the file's bytes.
        identity: whose it is.
        agreement: the agreement that it belongs to.
        kind: what it must be.
        where: how messages name the file.

    Raises:
        KeyFileError: it is no such file, of another agreement or party, or damaged.
    """
    secret = io.BytesIO()
    try:
        container.open_container(
            io.BytesIO(raw), secret, me=identity, opens_with=identity.x_wing,
            agreement=agreement, kind=kind, sender=identity.party,
        )  # fmt: skip
    except (FormatError, VerificationError) as error:
        fault = error.message
    else:
        return secret.getvalue()
    raise KeyFileError(f"{where} can't be used: {fault}", hint="Restore it from your safe copy.")
