"""What a department gets back: a linkage key for every record it sent, matched or not.

The records stand in the order of the department's own random handles. Keys are 128 random bits. So nothing in
this document, its size or its order, tells which of its people matched.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

from pprl.errors import FormatError, VerificationError
from pprl.protocol import framing
from pprl.protocol.agreement import Agreement, AgreementFile, Dataset
from pprl.protocol.framing import ID_BYTES, Bytes, DatasetHeader

LINKAGE_KEYS_MAGIC = b"PPRLKEY1"
KIND = "linkage-keys"


class LinkageKeysHeader(DatasetHeader):
    """Header of `linkage-keys`; `submission` is the one that is answered."""

    format: Literal["pprl-linkage-keys"] = "pprl-linkage-keys"


@dataclass(frozen=True, slots=True)
class LinkageKeys:
    """The parsed document.

    Attributes:
        header: its header.
        handles: shape (records, 16), ascending.
        keys: shape (records, 16), in the same order.
    """

    header: LinkageKeysHeader
    handles: Bytes
    keys: Bytes


def write(result: LinkageKeys) -> bytes:
    """The bytes of `linkage-keys`; the key issuer runs this."""
    table, handles = np.hstack([result.handles, result.keys]), result.handles
    if framing.below(handles[1:], handles[:-1]).any():
        table = table[framing.ascending(handles)]
    return framing.write(LINKAGE_KEYS_MAGIC, result.header, [table])


def parse(raw: bytes, agreement: AgreementFile) -> LinkageKeys:
    """Read `linkage-keys`; a department runs this on what it has opened.

    Raises:
        FormatError: the bytes are not as specified.
        VerificationError: they belong to another agreement, or differ from what it says.
    """
    header, body = framing.read_header(raw, LINKAGE_KEYS_MAGIC, LinkageKeysHeader)
    dataset = framing.require_dataset(header, agreement, what="linkage keys")
    (table,) = framing.read_tables(body, [(header.records, 2 * ID_BYTES)])
    framing.require_ascending(table, what="handle")
    keys = table[:, ID_BYTES:]
    if not may_share(dataset, agreement.content):
        require_a_key_each(keys)
    return LinkageKeys(header, table[:, :ID_BYTES], keys)


def may_share(dataset: Dataset, agreement: Agreement) -> bool:
    """Whether two records of a dataset may have one linkage key."""
    return agreement.release.linkage_keys == "per-person" and dataset.may_have_duplicates


def require_a_key_each(keys: Bytes) -> None:
    """Refuse shared keys where the agreement has none: they would tell that two records were linked.

    Raises:
        VerificationError: two rows are equal.
    """
    try:
        framing.require_distinct(keys, what="linkage key")
    except FormatError:
        raise VerificationError(
            "Two records share a linkage key, and the agreement says that none do."
        ) from None


def is_linkage_key(text: str) -> bool:
    """Whether a cell of a table is a linkage key, or a person's number, as written there."""
    return len(text) == 2 * ID_BYTES and not text.strip("0123456789abcdef")
