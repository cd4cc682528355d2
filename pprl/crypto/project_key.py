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

import base64
import binascii
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from pprl.crypto import derive
from pprl.errors import FormatError, KeyFileError
from pprl.protocol import canonical
from pprl.protocol.framing import ID_BYTES

PROJECT_KEY_BYTES = 32
LABEL = "pprl/v1/linkage-keys"
_FORMAT = "pprl-project-key"
_WORDS = 4
_WORD_BYTES = ID_BYTES // _WORDS


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


def to_file(key: ProjectKey) -> bytes:
    """The bytes of a project key file, which stays with the key issuer."""
    return canonical.dumps(
        {
            "format": _FORMAT,
            "key": base64.b64encode(key.value).decode(),
            "project": key.project,
            "version": 1,
        }
    )


def from_file(raw: bytes, *, where: str, project: str) -> ProjectKey:
    """Read a project key file, strictly.

    Raises:
        KeyFileError: not a project key file, or one of another project.
    """
    try:
        tree = canonical.loads(raw)
    except FormatError:
        # Refused below, not here: an error about a secret file is chained to nothing.
        tree = None
    if not isinstance(tree, dict) or set(tree) != {"format", "key", "project", "version"}:
        raise KeyFileError(f"{where} is not a project key file.")
    if (tree["format"], tree["version"]) != (_FORMAT, 1):
        raise KeyFileError(f"{where} is not a project key file of a version known here.")
    if tree["project"] != project:
        raise KeyFileError(
            f"{where} holds the key of another project.", hint="Each project has a key of its own."
        )
    value = _decoded(tree["key"])
    if len(value) != PROJECT_KEY_BYTES:
        raise KeyFileError(f"{where} does not hold a key of {PROJECT_KEY_BYTES} bytes.")
    key = ProjectKey(project, value)
    # true for the version 1: the same key, and not the file that was written.
    if to_file(key) != raw:
        raise KeyFileError(f"{where} is damaged: it is not spelt as it was written.")
    return key


def _decoded(text: object) -> bytes:
    """The bytes of a base64 text; none of anything else."""
    if not isinstance(text, str):
        return b""
    try:
        value = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        return b""
    return value if base64.b64encode(value).decode() == text else b""
