"""What the research environment gets: which linkage keys belong to one person.

Only people with at least two linkage keys are in it, and no key belongs to two people; a key that is not there
was linked to nobody. `person` is a random number of this document's own: it is no linkage key and means nothing
elsewhere.

It is as long as if every record of every dataset had a linkage key of its own in it, so that its envelope tells
nobody who carries or logs it how many were linked.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from pprl.errors import FormatError, VerificationError
from pprl.protocol import framing
from pprl.protocol.agreement import AgreementFile, Name
from pprl.protocol.framing import ID_BYTES, Bytes, Count, DocumentHeader

CROSSWALK_MAGIC = b"PPRLXWK1"
KIND = "crosswalk"
DATASET_BYTES = 4


class CrosswalkHeader(DocumentHeader):
    """Header of `crosswalk`: the keys in it, and the records of all datasets, which its length follows from."""

    format: Literal["pprl-crosswalk"] = "pprl-crosswalk"
    datasets: Annotated[tuple[Name, ...], Field(min_length=2, max_length=20)]
    linkage_keys: Count
    records: Count


@dataclass(frozen=True, slots=True)
class Crosswalk:
    """The parsed document: one row a linkage key.

    Attributes:
        header: its header.
        people: shape (linkage keys, 16); equal for keys of one person.
        datasets: shape (linkage keys,), position of the key's dataset in the header.
        keys: shape (linkage keys, 16).
    """

    header: CrosswalkHeader
    people: Bytes
    datasets: NDArray[np.int64]
    keys: Bytes


def write(crosswalk: Crosswalk) -> bytes:
    """The bytes of `crosswalk`; the key issuer runs this. Rows may come in any order."""
    datasets = crosswalk.datasets.astype(">u4").view(np.uint8).reshape(-1, DATASET_BYTES)
    # The dataset stands last: a row's order is then that of two random numbers.
    rows = np.hstack([crosswalk.people, crosswalk.keys, datasets])
    return framing.write(
        CROSSWALK_MAGIC,
        crosswalk.header,
        [rows[framing.ascending(rows[:, : 2 * ID_BYTES])]],
        padding=_padding(crosswalk.header),
    )


def parse(raw: bytes, agreement: AgreementFile) -> Crosswalk:
    """Read `crosswalk`; the research environment runs this on what it has opened.

    Raises:
        FormatError: the bytes are not as specified.
        VerificationError: they belong to another agreement, or not to all of its datasets.
    """
    header, body = framing.read_header(raw, CROSSWALK_MAGIC, CrosswalkHeader)
    framing.require_agreement(header, agreement, what="crosswalk")
    if header.datasets != tuple(dataset.name for dataset in agreement.content.dataset):
        raise VerificationError("The crosswalk does not cover the agreement's datasets in their order.")
    _require_agreed_records(header, agreement)
    (table,) = framing.read_tables(body, _shapes(header), padding=_padding(header))
    framing.require_ascending(table, key_bytes=2 * ID_BYTES, what="linkage key")
    datasets = np.ascontiguousarray(table[:, 2 * ID_BYTES :]).view(">u4").reshape(-1).astype(np.int64)
    if len(datasets) and datasets.max() >= len(header.datasets):
        raise FormatError("A linkage key belongs to no dataset of the crosswalk.")
    people, keys = table[:, :ID_BYTES], table[:, ID_BYTES : 2 * ID_BYTES]
    framing.require_distinct(keys, what="linkage key")
    _require_nobody_alone(people)
    return Crosswalk(header, people, datasets, keys)


def _shapes(header: CrosswalkHeader) -> framing.Shapes:
    return [(header.linkage_keys, 2 * ID_BYTES + DATASET_BYTES)]


def _padding(header: CrosswalkHeader) -> int:
    """What is missing to the length with a key for each record; the count's digits in the header have a part in it."""
    fullest = header.model_copy(update={"linkage_keys": header.records})
    return framing.unpadded_bytes(fullest, _shapes(fullest)) - framing.unpadded_bytes(header, _shapes(header))


def _require_agreed_records(header: CrosswalkHeader, agreement: AgreementFile) -> None:
    datasets = agreement.content.dataset
    least = sum(dataset.expected_rows_min for dataset in datasets)
    most = sum(dataset.expected_rows_max for dataset in datasets)
    if not least <= header.records <= most:
        raise VerificationError(
            f"The crosswalk is of {header.records} records; the agreement expects {least} to {most}."
        )
    if header.linkage_keys > header.records:
        raise FormatError("The crosswalk has more linkage keys than there are records.")


def _require_nobody_alone(people: Bytes) -> None:
    """Refuse a person with one linkage key. Rows of one person follow each other."""
    same_as_next = np.zeros(len(people) + 1, dtype=bool)
    same_as_next[1:-1] = (people[1:] == people[:-1]).all(axis=1)
    if not (same_as_next[1:] | same_as_next[:-1]).all():
        raise FormatError("A person of the crosswalk has a single linkage key.")
