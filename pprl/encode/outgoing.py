"""A dataset on its way out: the two documents of a submission under fresh random names, made while they are sealed.

Runs in the department alone. Handles and references are drawn at random here and nowhere else, so that what leaves has
an order and names that mean nothing. `encodings` comes in pieces, in the order of each pass's references, and each pass
is checked before its last byte is given out; `references` follows, as it tells what was counted on the way; the home
map stays. What is held of a record is its numbers and its names: it does not grow with the size of encodings.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pprl.encode import previous_keys
from pprl.encode.linkage_secret import LinkageSecret
from pprl.encode.payloads import Indices, Payloads, Progress, RandomBytes, untold
from pprl.encode.row_commitments import RowSalts
from pprl.protocol import framing, submission
from pprl.protocol.agreement import AgreementFile, Dataset
from pprl.protocol.framing import ID_BYTES, Bytes
from pprl.protocol.linkage_keys import may_share
from pprl.protocol.members import to_base64
from pprl.protocol.submission import (
    ClkHeader,
    Copies,
    CountedPass,
    EncodedPass,
    Encodings,
    FieldFilterHeader,
    References,
    encodings_header,
    references_header,
)

RECORDS_AT_ONCE = 1 << 15
_ENCODING = "encoding"


@dataclass(frozen=True, slots=True)
class Written:
    """What the documents say beside the encodings.

    Attributes:
        dataset: the dataset that they are.
        agreement: the agreement.
        secret: the departments' linkage secret.
        record_ids: the department's own ids, in the order of the rows.
        rows_encoded: the row of each encodable record.
        previous: the linkage key of each record id in an earlier version.
        risk: the file of the risk statement; empty if the agreement asks for none.
        salts: what opens rows for an auditor; it names the submission.
    """

    dataset: Dataset
    agreement: AgreementFile
    secret: LinkageSecret
    record_ids: list[str] = field(repr=False)
    rows_encoded: Indices = field(repr=False)
    previous: Mapping[str, str] = field(repr=False)
    risk: bytes
    salts: RowSalts


class Outgoing:
    """The parts of a submission, each to be asked for once and in this order: encodings, references, home map.

    Args:
        payloads: what is sent of each record.
        written: what else is said.
        random_bytes: the source of handles and references.

    Attributes:
        header: of `encodings`.
        encodings_bytes: length of `encodings`.
    """

    def __init__(self, payloads: Payloads, written: Written, random_bytes: RandomBytes) -> None:
        self._payloads, self._written, self._random_bytes = payloads, written, random_bytes
        records = len(written.record_ids)
        handles = _fresh_ids(records, random_bytes)
        self._order = framing.ascending(handles)
        self._handles = handles[self._order]
        self._position_of_row = np.empty(records, dtype=np.int64)
        self._position_of_row[self._order] = np.arange(records)
        self._named: list[tuple[Bytes, Indices]] = []
        self._copies, self._standing = _copies(
            payloads.originals, self._position_of_row[written.rows_encoded]
        )
        self.header = self._encodings_header()
        shapes = [(each.records, each.record_bytes) for each in self.header.passes]
        self.encodings_bytes = framing.unpadded_bytes(self.header, shapes)

    def encodings(self, told: Progress) -> Iterator[bytes]:
        """The bytes of `encodings`, in pieces.

        Args:
            told: takes what is done, and the share of it that is done.

        Raises:
            DisclosureError: an encoding fails a gate of the agreement. What was given out before must not leave.
        """
        tables = (piece for place in range(len(self.header.passes)) for piece in self._pass(place, told))
        return framing.pieces(submission.ENCODINGS_MAGIC, self.header, tables)

    def references(self) -> References:
        """The key issuer's part."""
        if len(self._named) != len(self.header.passes):
            raise ValueError("references tell of encodings that were made")
        agreement = self._written.agreement
        offered = previous_keys.offered(
            self._written.record_ids,
            self._written.previous,
            self._position_of_row,
            shared=may_share(self._written.dataset, agreement.content),
        )
        members, own_patterns = self._payloads.references_members()
        keeps = agreement.content.release.keep_linkage_keys
        kept: dict[str, Any] = {"previous": len(offered.records)} if keeps else {}
        counted = tuple(CountedPass(name=each.name, records=each.records) for each in self.header.passes)
        header = references_header(agreement)(**self._about(), passes=counted, **members, **kept)
        references, positions = zip(*self._named, strict=True)
        return References(header, self._handles, references, positions, self._copies, own_patterns, offered)

    def home_map(self) -> Iterator[tuple[str, str]]:
        """Handle and record id of every record, in the order of the handles; never leaves."""
        for start in range(0, len(self._order), RECORDS_AT_ONCE):
            part = slice(start, start + RECORDS_AT_ONCE)
            text, width = self._handles[part].tobytes().hex(), 2 * ID_BYTES
            for place, row in enumerate(self._order[part].tolist()):
                yield text[place * width : (place + 1) * width], self._written.record_ids[row]

    def collected(self) -> Encodings:
        """The encodings as a whole, for who can hold them."""
        passes = [list(self._pass(place, untold)) for place in range(len(self.header.passes))]
        tables = [np.concatenate(pieces) for pieces in passes]
        return Encodings(
            self.header,
            tuple(table[:, :ID_BYTES] for table in tables),
            tuple(table[:, ID_BYTES:] for table in tables),
        )

    def _pass(self, place: int, told: Progress) -> Iterator[Bytes]:
        rows = self._payloads.rows(place)
        ids = _fresh_ids(len(rows), self._random_bytes)
        order = framing.ascending(ids)
        ids = ids[order]
        make, checks = self._payloads.begin(place)
        width = ID_BYTES + self._payloads.payload_bytes
        # One piece at least, so that a pass without records has a table.
        for start in range(0, max(len(rows), 1), RECORDS_AT_ONCE):
            told(_ENCODING, (place + start / max(len(rows), 1)) / len(self.header.passes))
            part = slice(start, start + RECORDS_AT_ONCE)
            piece = np.empty((len(ids[part]), width), dtype=np.uint8)
            piece[:, :ID_BYTES] = ids[part]
            piece[:, ID_BYTES:] = make(order[part])
            checks.piece(piece[:, ID_BYTES:])
            if part.stop >= len(rows):
                checks.whole()
            yield piece
        self._named.append((ids, self._standing[rows[order]]))
        told(_ENCODING, (place + 1) / len(self.header.passes))

    def _about(self) -> dict[str, Any]:
        return {
            "agreement_sha256": self._written.agreement.sha256,
            "dataset": self._written.dataset.name,
            "party": self._written.dataset.party,
            "submission": self._written.salts.submission,
            "records": len(self._written.record_ids),
        }

    def _encodings_header(self) -> ClkHeader | FieldFilterHeader:
        written, payloads = self._written, self._payloads
        limits = written.agreement.content.privacy.risk is not None
        stated: dict[str, Any] = {"risk": to_base64(written.risk)} if limits else {}
        width = ID_BYTES + payloads.payload_bytes
        return encodings_header(written.agreement)(
            **self._about(),
            **payloads.header_members,
            **stated,
            key_check=written.secret.key_check(),
            transcript=written.secret.transcript,
            confirmation=written.secret.confirmation(written.dataset.party),
            rows_root=written.salts.rows_root,
            passes=tuple(
                EncodedPass(name=name, records=len(payloads.rows(place)), record_bytes=width)
                for place, name in enumerate(payloads.names)
            ),
        )


def _copies(originals: Indices, positions: Indices) -> tuple[Copies, Indices]:
    """Copies by position, and the position that stands for each record: the lowest of those that are equal.

    Which of them was first in the department's table is lost, as all its order is.
    """
    lowest = positions.copy()
    np.minimum.at(lowest, originals, positions)
    standing = lowest[originals]
    copies = np.flatnonzero(standing != positions)
    copies = copies[np.argsort(positions[copies])]
    return Copies(positions[copies], standing[copies]), standing


def _fresh_ids(count: int, random_bytes: RandomBytes) -> NDArray[np.uint8]:
    return np.frombuffer(random_bytes(count * ID_BYTES), dtype=np.uint8).reshape(count, ID_BYTES)
