"""A dataset on its way out: the two documents of a submission under fresh random names, made while they are sealed.

Runs in the department alone. Handles and references are drawn at random here and nowhere else, so that what leaves has
an order and names that mean nothing. `encodings` comes in pieces, in the order of each pass's references, and each pass
is checked before its last byte is given out; `references` follows, as it tells what was counted on the way; the home
map stays. What is held of a record is its numbers, its own id and its handle: it does not grow with the size of
encodings. References are made of a random key, by which they are made again for `references`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from typing import Any, TypeVar, overload

import numpy as np
from numpy.typing import NDArray

from pprl.crypto.sequences import prf_of_words
from pprl.encode import previous_keys
from pprl.encode.linkage_secret import LinkageSecret
from pprl.encode.on_all_cores import in_order
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
_KEY_BYTES = 32

Places = NDArray[np.uint32]


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
    record_ids: Sequence[str] = field(repr=False)
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
        self._payloads, self._written = payloads, written
        records = len(written.record_ids)
        handles = _fresh_ids(records, random_bytes)
        self._order = framing.ascending(handles).astype(np.uint32)
        self._handles = handles[self._order]
        self._position_of_row = np.empty(records, dtype=np.uint32)
        self._position_of_row[self._order] = np.arange(records, dtype=np.uint32)
        self._references_key = random_bytes(_KEY_BYTES)
        self._made = 0
        # `references` asks for ids and positions of a pass one after the other: they are made once for both.
        self._named: tuple[int, Bytes, Indices] | None = None
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
        passes = len(self.header.passes)
        if self._made != passes:
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
        return References(
            header,
            self._handles,
            _MadeAgain(passes, lambda place: self._names(place)[0]),
            _MadeAgain(passes, self._positions),
            self._copies,
            own_patterns,
            offered,
        )

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
        ids, order = self._names(place)
        make, checks = self._payloads.begin(place)
        width = ID_BYTES + self._payloads.payload_bytes
        # One piece at least, so that a pass without records has a table.
        starts = range(0, max(len(rows), 1), RECORDS_AT_ONCE)

        def made(start: int) -> Bytes:
            part = slice(start, start + RECORDS_AT_ONCE)
            piece = np.empty((len(ids[part]), width), dtype=np.uint8)
            piece[:, :ID_BYTES] = ids[part]
            piece[:, ID_BYTES:] = make(order[part])
            return piece

        with closing(in_order(made, starts, threads=self._payloads.threads())) as pieces:
            for start, piece in zip(starts, pieces, strict=True):
                told(_ENCODING, (place + start / max(len(rows), 1)) / len(self.header.passes))
                checks.piece(piece[:, ID_BYTES:])
                if start + RECORDS_AT_ONCE >= len(rows):
                    checks.whole()
                yield piece
        self._made += 1
        told(_ENCODING, (place + 1) / len(self.header.passes))

    def _names(self, place: int) -> tuple[Bytes, Indices]:
        """The references of a pass in ascending order, and which of its records each is for.

        Outputs of a pseudorandom function under a fresh key, for inputs of which none comes twice: to who does not have
        the key they are random, and no two are equal.
        """
        if self._named is not None and self._named[0] == place:
            return self._named[1:]
        self._named = None
        inputs = np.empty((len(self._payloads.rows(place)), 2), dtype=np.uint64)
        inputs[:, 0], inputs[:, 1] = place, np.arange(len(inputs), dtype=np.uint64)
        ids = prf_of_words(self._references_key, inputs).view(np.uint8)
        order = framing.ascending(ids)
        self._named = place, ids.take(order, axis=0), order
        return self._named[1:]

    def _positions(self, place: int) -> Places:
        positions: Places = self._standing[self._payloads.rows(place)[self._names(place)[1]]]
        return positions

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


Made = TypeVar("Made")


class _MadeAgain(Sequence[Made]):
    """Tables of all passes, of which each is made when it is asked for: together they would be most of what is held."""

    def __init__(self, passes: int, make: Callable[[int], Made]) -> None:
        self._passes, self._make = range(passes), make

    def __len__(self) -> int:
        return len(self._passes)

    @overload
    def __getitem__(self, place: int) -> Made: ...
    @overload
    def __getitem__(self, place: slice) -> list[Made]: ...
    def __getitem__(self, place: int | slice) -> Made | list[Made]:
        if isinstance(place, slice):
            return [self._make(each) for each in self._passes[place]]
        return self._make(self._passes[place])


def _copies(originals: Indices, positions: Places) -> tuple[Copies, Places]:
    """Copies by position, and the position that stands for each record: the lowest of those that are equal.

    Which of them was first in the department's table is lost, as all its order is.
    """
    lowest = positions.copy()
    np.minimum.at(lowest, originals, positions)
    standing = lowest[originals]
    copies = np.flatnonzero(standing != positions)
    copies = copies[np.argsort(positions[copies])]
    found = Copies(positions[copies].astype(np.int64), standing[copies].astype(np.int64))
    return found, standing


def _fresh_ids(count: int, random_bytes: RandomBytes) -> NDArray[np.uint8]:
    return np.frombuffer(random_bytes(count * ID_BYTES), dtype=np.uint8).reshape(count, ID_BYTES)
