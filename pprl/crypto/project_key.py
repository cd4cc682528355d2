"""The key issuer's project key, from which come linkage keys that it can recognise in a later version.

32 random bytes, made when the first version of a project that keeps linkage keys is issued, and kept beside the key
issuer's key file from version to version. A linkage key is one block of AES-256 under a key for its dataset::

    linkage key = AES-256(K, 8 zero bytes || version (4 bytes) || number (4 bytes))
    K           = HKDF(project key, label pprl/v1/linkage-keys, context = project id || 0x00 || dataset's name)

A block cipher gives different blocks for different inputs, so no key is given twice, and without the project key they
can't be told from random bytes. Whoever has it sees in which version a key was made: so the key issuer keeps no list of
keys, and knows those of another dataset, of another project, or made up, with a chance of mistake of 2^-64 a key.

Losing it means new linkage keys for everybody. Whoever steals it can tell keys of the project from others, and in
which version each was made; a key's number says nothing of who matched.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from pprl.crypto import derive
from pprl.crypto.identity import Identity, ed25519_verifies, ml_dsa_65_verifies
from pprl.crypto.x_wing import wrap
from pprl.errors import FormatError, KeyFileError, VerificationError
from pprl.protocol import canonical, members

PROJECT_KEY_BYTES = 32
LABEL = "pprl/v1/linkage-keys"
_FORMAT = "pprl-project-key"
_CONTEXT = b"pprl/v1/project-key"
_MEMBERS = {"ed25519", "format", "ml_dsa_65", "party", "project", "version", "wrapped"}
_RESTORE = "Restore it, and the key file with which it was made, from your safe copies."
_WORDS = 4


@dataclass(frozen=True, slots=True)
class ProjectKey:
    """The key of one project.

    Attributes:
        project: the project's id.
        value: its 32 bytes; never shown.
    """

    project: str
    value: bytes = field(repr=False)

    def numbered(self, dataset: str, *, version: int, count: int) -> bytes:
        """The linkage keys with the numbers from 0 of one version; the key issuer runs this.

        Args:
            dataset: whose keys they are.
            version: the agreement's, from 1 to 2^32 - 1.
            count: how many, at most 2^32.

        Returns:
            The keys, 16 bytes each, one after the other.
        """
        blocks = np.zeros((count, _WORDS), dtype=">u4")
        blocks[:, 2] = version
        blocks[:, 3] = np.arange(count)
        return derive.prf_blocks(self._of(dataset), blocks.tobytes())

    def versions(self, dataset: str, keys: bytes) -> NDArray[np.int64]:
        """In which version each linkage key of a dataset was made; the key issuer runs this.

        Args:
            dataset: whose keys they are said to be.
            keys: 16 bytes each, one after the other.

        Returns:
            For each key its version, from 1; 0 where this project key never made it for this dataset.
        """
        opened = derive.prf_blocks_undone(self._of(dataset), keys)
        words = np.frombuffer(opened, dtype=">u4").reshape(-1, _WORDS).astype(np.int64)
        return np.where((words[:, :2] == 0).all(axis=1), words[:, 2], 0)

    def _of(self, dataset: str) -> bytes:
        context = self.project.encode() + b"\0" + dataset.encode()
        return derive.hkdf(self.value, label=LABEL, context=context, length=PROJECT_KEY_BYTES)


def create(project: str) -> ProjectKey:
    """Make the key of a project; its key issuer runs this once."""
    return ProjectKey(project, derive.random_bytes(PROJECT_KEY_BYTES))


def to_file(key: ProjectKey, identity: Identity) -> bytes:
    """The bytes of a project key file: the key, wrapped and signed by its key issuer for itself.

    So it is read with the issuer's key file and its passphrase, and nobody who has the disk alone can read it or put
    another key in its place. It belongs to no one version of the agreement, as containers do.

    Args:
        key: the project key.
        identity: the key issuer's.
    """
    about = _about(identity, key.project)
    wrapped = wrap(key.value, identity.public.x_wing, info=_info(about))
    signed = {**about, "wrapped": members.to_base64(wrapped)}
    ed25519, ml_dsa_65 = identity.sign(canonical.dumps(signed), context=_CONTEXT)
    return canonical.dumps(
        {**signed, "ed25519": members.to_base64(ed25519), "ml_dsa_65": members.to_base64(ml_dsa_65)}
    )


def from_file(raw: bytes, identity: Identity, *, where: str, project: str) -> ProjectKey:
    """Read a project key file, strictly.

    These checks, in this order:

    1. It is canonical JSON with exactly the members of a project key file, of this version.
    2. It is of this party and this project.
    3. Both signatures are this party's.
    4. The key opens with this party's private key.

    Args:
        raw: the file's bytes.
        identity: the key issuer's.
        where: how messages name the file.
        project: the id of the project.

    Raises:
        KeyFileError: a check fails.
    """
    tree = _tree(raw, where)
    about = _about(identity, project)
    if {name: tree[name] for name in about} != about:
        raise KeyFileError(
            f"{where} holds the key of another project or party.", hint="Each project has a key of its own."
        )
    signed = canonical.dumps({**about, "wrapped": tree["wrapped"]})
    ed25519, ml_dsa_65, wrapped = (
        members.bytes_in(tree[name]) for name in ("ed25519", "ml_dsa_65", "wrapped")
    )
    if not (
        ed25519_verifies(ed25519, signed, identity.public)
        and ml_dsa_65_verifies(ml_dsa_65, signed, identity.public, context=_CONTEXT)
    ):
        raise KeyFileError(f"{where} was not made with this key file, or was altered.", hint=_RESTORE)
    try:
        value = identity.x_wing.unwrap(wrapped, info=_info(about))
    except VerificationError:
        value = b""
    if not value:
        raise KeyFileError(f"{where} does not open with this key file.", hint=_RESTORE)
    return ProjectKey(project, value)


def _about(identity: Identity, project: str) -> dict[str, object]:
    return {"format": _FORMAT, "party": identity.party, "project": project, "version": 1}


def _info(about: dict[str, object]) -> bytes:
    """What the wrapped key is bound to."""
    return hashlib.sha256(_CONTEXT + b"\0" + canonical.dumps(about)).digest()


def _tree(raw: bytes, where: str) -> dict[str, object]:
    try:
        tree = canonical.loads(raw)
    except FormatError:
        # Refused below, not here: an error about a secret file is chained to nothing.
        tree = None
    if not isinstance(tree, dict) or set(tree) != _MEMBERS:
        raise KeyFileError(f"{where} is not a project key file.")
    if tree["format"] != _FORMAT or type(tree["version"]) is not int or tree["version"] != 1:
        raise KeyFileError(f"{where} is not a project key file of a version known here.")
    return tree
