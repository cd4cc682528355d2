"""What a department sends: encodings for the matcher, references for the key issuer, in one file.

The two parts never meet in one hand: each is sealed to its own reader. `encodings` holds, for each pass, the
encodings under references that are fresh and random for that pass, so that the matcher can't tell that a
record of one pass is a record of another. `references` says which references belong to one record, known by a
random handle. Scheme `clk` is the case of one pass. In scheme `field-filters` `references` also says which records
are copies of others and have no encodings of their own, and counts how alike the department's own records are, over
all passes: only the department can count each pair once. Where the agreement keeps linkage keys, `references` says
which key a record had in an earlier version, if it had one.

The file that carries both::

    8 bytes   magic PPRLSUB1
    8 bytes   length of the first container, big-endian
    n bytes   container of `encodings`, sealed to the matcher
    8 bytes   length of the second container, big-endian
    m bytes   container of `references`, sealed to the key issuer
"""

from __future__ import annotations

import io
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Annotated, BinaryIO, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from pprl.errors import DisclosureError, FormatError, VerificationError
from pprl.protocol import block_salting, framing, members
from pprl.protocol.agreement import Agreement, AgreementFile, Dataset, FieldFilterParameters, Name, Sha256
from pprl.protocol.canonical import LARGEST_INTEGER
from pprl.protocol.filter_bits import FORENAME_KINDS, least_bits, most_bits
from pprl.protocol.filter_checks import SweptPass
from pprl.protocol.framing import ID_BYTES, Bytes, Count, DatasetHeader, Hex128
from pprl.protocol.linkage_keys import may_share, require_a_key_each
from pprl.protocol.pattern_counts import (
    COUNT_BYTES,
    LEVEL_COUNT,
    PATTERN_BYTES,
    RANDOM_PAIRS,
    PatternCounts,
    most_block_pairs,
    parse_table,
    table_of,
)
from pprl.protocol.random_order import in_order

SUBMISSION_MAGIC = b"PPRLSUB1"
ENCODINGS_MAGIC = b"PPRLENC1"
REFERENCES_MAGIC = b"PPRLREF1"
ENCODINGS_KIND = "encodings"
REFERENCES_KIND = "references"
POSITION_BYTES = 4
TAG_BYTES = 16
# References of all passes are held against each other, so many at a time if they are random.
REFERENCES_AT_A_TIME = 1 << 20
PRESENT_BYTES = 4
BATCH_RECORDS = 65_536
CLK_PASS = "clk"  # noqa: S105 - the name of scheme clk's only pass


Wanted = Callable[[Bytes], NDArray[np.bool_]]
"""Of the records of a batch, shape (records, record bytes), the ones that are to be given out."""

Histogram = Annotated[tuple[Count, ...], Field(min_length=LEVEL_COUNT, max_length=LEVEL_COUNT)]


MOST_RISK_TEXT = 4 * -(-262_144 // 3)


def _base64(text: str) -> str:
    if text and not members.bytes_in(text):
        raise ValueError("not standard base64")
    return text


RiskFile = Annotated[str, Field(max_length=MOST_RISK_TEXT), AfterValidator(_base64)]


class CountedPass(BaseModel):
    """A pass in the header of `references`: its name and how many records are encoded in it."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    name: Name
    records: Count


class EncodedPass(CountedPass):
    """A pass in the header of `encodings`: its name, encoded records and bytes a record."""

    record_bytes: Annotated[int, Field(gt=ID_BYTES, le=65_536)]


class EncodingsHeader(DatasetHeader):
    """Header of `encodings` of every scheme.

    `key_check` is equal in two datasets if their linkage secrets are. `transcript` names the ceremony in which the
    secret was made, and `confirmation` shows the other departments that this one holds it. `rows_root` commits the
    department to the rows that it read (`pprl.protocol.row_proofs`).
    """

    format: Literal["pprl-encodings"] = "pprl-encodings"
    key_check: Hex128
    transcript: Sha256
    confirmation: Sha256
    rows_root: Sha256
    passes: Annotated[tuple[EncodedPass, ...], Field(min_length=1, max_length=64)]


class ClkHeader(EncodingsHeader):
    """Header of `encodings` in scheme `clk`."""

    scheme: Literal["clk"] = "clk"


class FieldFilterHeader(EncodingsHeader):
    """Header of `encodings` in scheme `field-filters`.

    `random_levels` counts, for each identifier, how many of `RANDOM_PAIRS` random pairs of the department's own
    records have each level of `pprl.protocol.levels`. `suppressed` counts, for each pass, the records left out of too
    large blocks.
    """

    scheme: Literal["field-filters"] = "field-filters"
    random_levels: Annotated[tuple[Histogram, ...], Field(min_length=1, max_length=16)]
    suppressed: tuple[Count, ...]


class AttackedClkHeader(ClkHeader):
    """Header of `encodings` in scheme `clk` where the agreement limits the people whom attackers may name.

    `risk` is the file of the department's risk statement (`pprl.protocol.risk_statement`) in base64; empty if it has
    none, which the matcher refuses.
    """

    risk: RiskFile


class AttackedFieldFilterHeader(FieldFilterHeader):
    """The same in scheme `field-filters`."""

    risk: RiskFile


class ReferencesHeader(DatasetHeader):
    """Header of `references` in scheme `clk`, and what it has in every scheme."""

    format: Literal["pprl-references"] = "pprl-references"
    passes: Annotated[tuple[CountedPass, ...], Field(min_length=1, max_length=64)]


class FieldFilterReferencesHeader(ReferencesHeader):
    """Header of `references` in scheme `field-filters`.

    `copies` is how many records are copies of others; `own_patterns` how many patterns own pairs have.
    """

    copies: Count
    own_patterns: Count


class MatchKeyReferencesHeader(ReferencesHeader):
    """Header of `references` in scheme `clk` with match keys.

    `match_key_pairs` is how many pairs of the department's own records have the same value of a match key: it tells how
    often different people share one.
    """

    match_key_pairs: Annotated[int, Field(ge=0, le=LARGEST_INTEGER)]


class RefreshReferencesHeader(ReferencesHeader):
    """Header of `references` in scheme `clk` where linkage keys are kept: `previous` is how many records had one."""

    previous: Count


class RefreshMatchKeyReferencesHeader(MatchKeyReferencesHeader):
    """Header of `references` in scheme `clk` with match keys where linkage keys are kept."""

    previous: Count


class RefreshFieldFilterReferencesHeader(FieldFilterReferencesHeader):
    """Header of `references` in scheme `field-filters` where linkage keys are kept."""

    previous: Count


_REFRESH_HEADERS = (
    RefreshReferencesHeader,
    RefreshMatchKeyReferencesHeader,
    RefreshFieldFilterReferencesHeader,
)


@dataclass(frozen=True, slots=True)
class Encodings:
    """The matcher's part, parsed.

    Attributes:
        header: its header.
        references: for each pass, shape (records, 16), ascending.
        filters: for each pass, shape (records, bytes), in the same order: what `keyed` takes apart in scheme `clk`, and
            `blocked` in scheme `field-filters`.
    """

    header: ClkHeader | FieldFilterHeader
    references: tuple[Bytes, ...]
    filters: tuple[Bytes, ...]

    @classmethod
    def of(cls, header: ClkHeader | FieldFilterHeader, tables: Iterable[Bytes]) -> Encodings:
        """All passes together, from the records of each, shape (records, record bytes).

        Args:
            header: as it was read.
            tables: for each pass, shape (records, record bytes): a reference, then what is sent under it. They become
                read-only.
        """
        found = list(tables)
        for table in found:
            table.flags.writeable = False
        references, filters = (
            (table[:, :ID_BYTES] for table in found),
            (table[:, ID_BYTES:] for table in found),
        )
        return cls(header, tuple(references), tuple(filters))

    def passes(self, wanted: Wanted | None = None) -> Iterator[Bytes]:
        """The records of each pass, as `EncodingsReader.passes` gives them."""
        for ids, filters in zip(self.references, self.filters, strict=True):
            table = np.hstack([ids, filters])
            yield table if wanted is None else table[wanted(table)]


@dataclass(frozen=True, slots=True)
class Keyed:
    """The records of scheme `clk`, taken apart.

    Attributes:
        clks: shape (records, bytes of a CLK).
        tags: of the agreement's match keys, in their order, shape (records, match keys, 16). A tag that is in another
            dataset too stands for the same value; any other may be of a value, or random where there is none.
    """

    clks: Bytes
    tags: Bytes


@dataclass(frozen=True, slots=True)
class Blocked:
    """The records of a pass of scheme `field-filters`, taken apart.

    Attributes:
        tags: shape (records, 16).
        present: mask of the filters that stand for a value, shape (records,).
        filters: shape (records, filters, filter bytes).
    """

    tags: Bytes
    present: NDArray[np.uint32]
    filters: Bytes


@dataclass(frozen=True, slots=True)
class Copies:
    """Records that have no encodings of their own: equal to another in every identifier, or joined with it at home.

    Attributes:
        records: position in the handles of each record that has no encodings of its own, ascending.
        originals: position of the record that each copies, which is before it and no copy itself.
    """

    records: NDArray[np.int64]
    originals: NDArray[np.int64]


NO_COPIES = Copies(np.empty(0, np.int64), np.empty(0, np.int64))


@dataclass(frozen=True, slots=True)
class Previous:
    """The linkage keys that records had in an earlier version of the project.

    Attributes:
        records: position in the handles of each record that had one, ascending.
        keys: what it was, shape (records that had one, 16).
    """

    records: NDArray[np.int64]
    keys: Bytes = field(repr=False)


NO_PREVIOUS = Previous(np.empty(0, np.int64), np.empty((0, ID_BYTES), np.uint8))


@dataclass(frozen=True, slots=True)
class References:
    """The key issuer's part, parsed.

    Attributes:
        header: its header.
        handles: one a record of the dataset, shape (records, 16), ascending.
        references: for each pass, shape (encoded records, 16), ascending.
        positions: for each pass, the position in `handles` that each reference belongs to.
        copies: records that have no references, as others that they are copies of do; none in scheme `clk`.
        own_patterns: in scheme `field-filters`, patterns of the dataset's own pairs that share a block in any pass,
            each pair once, with the pattern that the first of its passes gives; None in scheme `clk`.
        previous: linkage keys of an earlier version; none where the agreement keeps none.
    """

    header: ReferencesHeader
    handles: Bytes
    references: Sequence[Bytes]
    positions: Sequence[NDArray[np.uint32] | NDArray[np.int64]]
    copies: Copies = NO_COPIES
    own_patterns: PatternCounts | None = None
    previous: Previous = NO_PREVIOUS


def write_encodings(encodings: Encodings) -> bytes:
    """The bytes of `encodings`; a department runs this. Rows may come in any order."""
    tables = [
        np.hstack([ids, filters])[framing.ascending(ids)]
        for ids, filters in zip(encodings.references, encodings.filters, strict=True)
    ]
    return framing.write(ENCODINGS_MAGIC, encodings.header, tables)


def parse_encodings(raw: bytes, agreement: AgreementFile) -> Encodings:
    """Read `encodings` at once; the matcher runs this on what it has opened. See `EncodingsReader` for large ones.

    Raises:
        FormatError: the bytes are not as specified.
        VerificationError: they belong to another agreement, or differ from what it says.
        DisclosureError: an encoding has too many bits set, a block too many records, a match key's tag stands twice, or
            they show more structure than they may.
    """
    reader = EncodingsReader(io.BytesIO(raw), agreement, size=len(raw))
    return Encodings.of(reader.header, reader.passes())


class EncodingsReader:
    """Reads `encodings` pass by pass; the matcher runs this on what it opens.

    A pass is checked before it is given out, and what concerns several passes at the end: until `passes` has come to
    its end, the document is not accepted.

    Attributes:
        header: its header.
    """

    header: ClkHeader | FieldFilterHeader

    def __init__(self, stream: BinaryIO, agreement: AgreementFile, *, size: int) -> None:
        """Read and check the header.

        Args:
            stream: the document's bytes, from where it stands.
            agreement: ours.
            size: bytes of the whole document.

        Raises:
            FormatError: the bytes are not as specified.
            VerificationError: they belong to another agreement, or differ from what it says.
        """
        self._stream, self._agreement = stream, agreement
        self.header = header = framing.read_header_from(stream, ENCODINGS_MAGIC, encodings_header(agreement))
        self._dataset = framing.require_dataset(header, agreement, what="encodings")
        if tuple((each.name, each.record_bytes) for each in header.passes) != passes(agreement):
            raise VerificationError("The document's passes or record sizes are not those of the agreement.")
        _require_passes_fit(header.passes, header.records)
        shapes = [(each.records, each.record_bytes) for each in header.passes]
        framing.require_length(size - framing.header_bytes(header), shapes)
        if isinstance(header, FieldFilterHeader):
            _require_counts_fit(header, agreement)

    def passes(self, wanted: Wanted | None = None, *, across: bool = True) -> Iterator[Bytes]:
        """The records of each pass. It can be asked for once.

        Args:
            wanted: tells which records of a batch are given out, from their bytes; None for all. All are checked.
            across: whether references are held against those of the other passes, for which all are remembered. Where
                they were, when these very bytes were received, it need not be again.

        Yields:
            For each pass, shape (records, record bytes): a reference and what is sent under it, by references.

        Raises:
            FormatError: the bytes are not as specified.
            DisclosureError: an encoding has too many bits set, a block too many records, a match key's tag stands
                twice, or they show more structure than they may.
        """
        references = []
        for each in self.header.passes:
            table, ids = self._read(each, wanted)
            references += [ids] if across else []
            del ids
            yield table
            del table
        if self._stream.read(1):
            raise FormatError("The document is longer than its header says.")
        _require_apart(references)

    def _read(self, about: EncodedPass, wanted: Wanted | None) -> tuple[Bytes, Bytes]:
        """A pass's records that are wanted, and all its references."""
        width = about.record_bytes
        checked = _checks_of_pass(self._agreement, self._dataset, about.records)
        ids = np.empty((about.records, ID_BYTES), dtype=np.uint8)
        # Batch by batch, so that what is looked at is near, and so that no more is held than is wanted.
        table = np.empty((about.records if wanted is None else 0, width), dtype=np.uint8)
        given = [table]
        for start in range(0, about.records, BATCH_RECORDS):
            batch = table[start : start + BATCH_RECORDS]
            if wanted is not None:
                batch = np.empty((min(BATCH_RECORDS, about.records - start), width), dtype=np.uint8)
            _fill(self._stream, batch)
            ids[start : start + len(batch)] = batch[:, :ID_BYTES]
            _require_ascending_references(ids[max(start - 1, 0) : start + len(batch)])
            checked.batch(batch[:, ID_BYTES:])
            if wanted is not None:
                given.append(batch[wanted(batch)])
        checked.whole(table[:, ID_BYTES:])
        return (table if wanted is None else np.concatenate(given)), ids


class FiltersOfPass:
    """The checks of a pass in scheme `field-filters`: a quick look at all, and a plain one at what is found.

    The department runs them on what it is about to send, and the matcher on what it gets.

    Args:
        agreement: ours.
        dataset: the dataset that is encoded.
        records: how many records the pass has.
    """

    def __init__(self, agreement: AgreementFile, dataset: Dataset, records: int) -> None:
        self._agreement, self._dataset = agreement, dataset
        self._swept = SweptPass(agreement, records)

    def batch(self, payload: Bytes) -> None:
        """Refuse records that are wildcards, or not as their masks say.

        Args:
            payload: what is sent of some records but their references, shape (records, bytes).

        Raises:
            DisclosureError, FormatError: one is.
        """
        records = blocked(payload, filters_of(self._agreement))
        if not self._swept.sound(records.tags, records.present, records.filters):
            require_no_wildcards(payload[:, TAG_BYTES + PRESENT_BYTES :], self._agreement)
            _require_agreed_masks(records)
            # The plain look only words the refusal; where it finds nothing, the quick one still refuses.
            raise DisclosureError("The encodings hold records that are not as the agreement says.")

    def whole(self, _payload: Bytes | None = None) -> None:
        """Refuse too large blocks, and filters that are not salted by their block; once all batches were there.

        Raises:
            DisclosureError: there are such.
        """
        most = _most_of_a_block(self._agreement, self._dataset.name)
        if not self._swept.blocks_within(most):
            _require_agreed_blocks(self._swept.tags, most)
        _require_salted_by_block(salted=self._swept.salted_by_block())


class _ClksOfPass:
    """The checks of the one pass of scheme `clk`, all at once."""

    def __init__(self, agreement: AgreementFile, dataset: Dataset) -> None:
        self._agreement, self._dataset = agreement, dataset

    def batch(self, payload: Bytes) -> None:
        require_no_wildcards(
            payload[:, : self._agreement.content.encoding.clk_parameters.clk_bits // 8], self._agreement
        )

    def whole(self, payload: Bytes) -> None:
        _require_tags_once(keyed(payload, self._agreement).tags)
        require_no_structure(payload, self._dataset, self._agreement)


def _checks_of_pass(agreement: AgreementFile, dataset: Dataset, records: int) -> FiltersOfPass | _ClksOfPass:
    if agreement.content.encoding.scheme == "clk":
        return _ClksOfPass(agreement, dataset)
    return FiltersOfPass(agreement, dataset, records)


def _fill(stream: BinaryIO, batch: Bytes) -> None:
    room = memoryview(batch.data).cast("B")
    while room:
        found = stream.readinto(room)  # type: ignore[attr-defined]
        if not found:
            raise FormatError("The document is truncated.")
        room = room[found:]


def _require_ascending_references(ids: Bytes) -> None:
    """Refuse a reference that stands twice in a pass, or out of order."""
    framing.require_ascending(ids, what="reference")


def _require_apart(references: Sequence[Bytes]) -> None:
    """Refuse a reference that stands in two passes: it would tell the matcher what goes together.

    A range of references after the other, as each pass has them in ascending order.
    """
    if len(references) < 2:
        return
    firsts = [
        np.ascontiguousarray(each[:, :8]).view(">u8").reshape(-1).astype(np.uint64) for each in references
    ]
    starts = [np.searchsorted(each, np.arange(16, dtype=np.uint64) << np.uint64(60)) for each in firsts]
    for number in range(16):
        windows = [slice(at[number], at[number + 1] if number < 15 else None) for at in starts]
        some = np.concatenate([each[window] for each, window in zip(firsts, windows, strict=True)])
        # All begin with the same four bits, which sorting by the first bits does better without.
        some = in_order(some << np.uint64(4))
        if (some[1:] == some[:-1]).any():
            together = [each[window] for each, window in zip(references, windows, strict=True)]
            framing.require_distinct(np.concatenate(together), what="reference")


def write_references(references: References) -> bytes:
    """The bytes of `references`; a department runs this. `handles` must be ascending already."""
    return b"".join(reference_pieces(references))


def reference_pieces(references: References) -> Iterator[bytes]:
    """The same, a table at a time."""
    header = references.header
    return framing.pieces(REFERENCES_MAGIC, header, _reference_tables(references), padding=_padding(header))


def reference_bytes(references: References) -> int:
    """The length of `references`."""
    header = references.header
    return framing.unpadded_bytes(header, _reference_shapes(header)) + _padding(header)


def _reference_tables(references: References) -> Iterator[Bytes]:
    yield references.handles
    for ids, places in zip(references.references, references.positions, strict=True):
        yield np.hstack([ids, _four_bytes(places)])[framing.ascending(ids)]
    if references.own_patterns is not None:
        yield np.hstack([_four_bytes(references.copies.records), _four_bytes(references.copies.originals)])
        yield table_of(references.own_patterns)
    if isinstance(references.header, _REFRESH_HEADERS):
        yield np.hstack([_four_bytes(references.previous.records), references.previous.keys])


def _reference_shapes(header: ReferencesHeader) -> list[tuple[int, int]]:
    """Records and record bytes of each table."""
    width = ID_BYTES + POSITION_BYTES
    shapes = [(header.records, ID_BYTES), *((each.records, width) for each in header.passes)]
    if isinstance(header, FieldFilterReferencesHeader):
        shapes += [(header.copies, 2 * POSITION_BYTES), (header.own_patterns, PATTERN_BYTES + COUNT_BYTES)]
    if isinstance(header, _REFRESH_HEADERS):
        shapes.append((header.previous, POSITION_BYTES + ID_BYTES))
    return shapes


def parse_references(raw: bytes, agreement: AgreementFile) -> References:
    """Read `references`; the key issuer runs this on what it has opened.

    Raises:
        FormatError: the bytes are not as specified.
        VerificationError: they belong to another agreement, or differ from what it says.
    """
    header, body = framing.read_header(raw, REFERENCES_MAGIC, references_header(agreement))
    dataset = framing.require_dataset(header, agreement, what="references")
    if [each.name for each in header.passes] != [name for name, _ in passes(agreement)]:
        raise VerificationError("The document's passes are not those of the agreement.")
    _require_passes_fit(header.passes, header.records)
    if isinstance(header, FieldFilterReferencesHeader):
        _require_copies_fit(header, dataset)
    if isinstance(header, MatchKeyReferencesHeader):
        _require_match_key_pairs_fit(header)
    if isinstance(header, _REFRESH_HEADERS):
        _require_previous_fit(header.previous, header.records, agreement)
    handles, *tables = framing.read_tables(body, _reference_shapes(header), padding=_padding(header))
    tables, further = tables[: len(header.passes)], tables[len(header.passes) :]
    framing.require_ascending(handles, what="handle")
    _require_fresh_references(tables)
    places = tuple(_positions(table, header.records) for table in tables)
    parsed = References(header, handles, tuple(table[:, :ID_BYTES] for table in tables), places)
    if isinstance(header, FieldFilterReferencesHeader):
        copies, counted, *further = further
        fields = len(agreement.content.identifier)
        parsed = replace(
            parsed,
            copies=_copies(copies, places, header.records),
            own_patterns=_own_patterns(
                counted, places, header.records, fields, agreement.content.encoding.field_filter_parameters
            ),
        )
    if further:
        shared = may_share(dataset, agreement.content)
        parsed = replace(parsed, previous=_previous(further[0], header.records, shared=shared))
    return parsed


def encodings_header(agreement: AgreementFile) -> type[ClkHeader] | type[FieldFilterHeader]:
    """What the header of `encodings` holds under an agreement: its scheme says, and whether it limits attackers."""
    blocks = agreement.content.encoding.scheme == "field-filters"
    if agreement.content.privacy.risk is not None:
        return AttackedFieldFilterHeader if blocks else AttackedClkHeader
    return FieldFilterHeader if blocks else ClkHeader


def risk_in(header: EncodingsHeader) -> bytes:
    """The file of the risk statement that came with encodings; empty if none did."""
    if isinstance(header, AttackedClkHeader | AttackedFieldFilterHeader):
        return members.bytes_in(header.risk)
    return b""


def references_header(agreement: AgreementFile) -> type[ReferencesHeader]:
    """What the header of `references` holds under an agreement.

    Its scheme says, and whether it has match keys and keeps linkage keys.
    """
    keeps, clk = agreement.content.release.keep_linkage_keys, agreement.content.encoding.clk
    if clk is None:
        return RefreshFieldFilterReferencesHeader if keeps else FieldFilterReferencesHeader
    if clk.match_keys:
        return RefreshMatchKeyReferencesHeader if keeps else MatchKeyReferencesHeader
    return RefreshReferencesHeader if keeps else ReferencesHeader


def stream_submission(file: BinaryIO, parts: Iterable[Callable[[BinaryIO], object]]) -> None:
    """Write the file that a department sends, of any size.

    Args:
        file: empty and seekable; nobody may see it before this returns.
        parts: each writes a container, that of `encodings` first.
    """
    file.write(SUBMISSION_MAGIC)
    for write in parts:
        start = file.tell()
        file.write(bytes(8))
        write(file)
        end = file.tell()
        file.seek(start)
        file.write((end - start - 8).to_bytes(8, "big"))
        file.seek(end)


def containers(file: BinaryIO) -> tuple[tuple[int, int], tuple[int, int]]:
    """Offset and length of the two containers in a submission file.

    Raises:
        FormatError: not a submission, another version, truncated, or with bytes after its end.
    """
    size = file.seek(0, 2)
    file.seek(0)
    if file.read(8) != SUBMISSION_MAGIC:
        raise FormatError("This is not a submission of a version known here.")
    windows, start = [], 8
    for _ in range(2):
        file.seek(start)
        length = int.from_bytes(file.read(8), "big")
        windows.append((start + 8, length))
        start += 8 + length
        if start > size:
            raise FormatError("The submission is truncated.")
    if start != size:
        raise FormatError("The submission has bytes after its end.")
    return windows[0], windows[1]


def passes(agreement: AgreementFile) -> tuple[tuple[str, int], ...]:
    """Name and bytes a record of each pass that the agreement asks for."""
    encoding = agreement.content.encoding
    if encoding.scheme == "clk":
        clk = encoding.clk_parameters
        return ((CLK_PASS, ID_BYTES + clk.clk_bits // 8 + TAG_BYTES * len(clk.match_keys)),)
    parameters = encoding.field_filter_parameters
    filters = filters_of(agreement) * parameters.filter_bits // 8
    return tuple((each.name, ID_BYTES + TAG_BYTES + PRESENT_BYTES + filters) for each in parameters.passes)


def filters_of(agreement: AgreementFile) -> int:
    """How many filters a record has: one an identifier, and one for the canonical forename if there is a forename."""
    kinds = agreement.content.kinds().values()
    return len(kinds) + any(kind in FORENAME_KINDS for kind in kinds)


def keyed(payload: Bytes, agreement: AgreementFile) -> Keyed:
    """Take apart the records of scheme `clk`; the matcher runs this.

    Args:
        payload: shape (records, bytes): CLK, then a tag for each match key.
        agreement: says how long a CLK is, and how many match keys there are.
    """
    clk = agreement.content.encoding.clk_parameters
    width = clk.clk_bits // 8
    tags = np.ascontiguousarray(payload[:, width:]).reshape(len(payload), len(clk.match_keys), TAG_BYTES)
    return Keyed(np.ascontiguousarray(payload[:, :width]), tags)


def blocked(payload: Bytes, filters: int) -> Blocked:
    """Take apart the records of a pass of scheme `field-filters`; the matcher runs this.

    Args:
        payload: shape (records, bytes): tag, mask of what is there, filters.
        filters: how many filters a record has.
    """
    present = np.ascontiguousarray(payload[:, TAG_BYTES : TAG_BYTES + PRESENT_BYTES]).view(">u4").reshape(-1)
    bits = np.ascontiguousarray(payload[:, TAG_BYTES + PRESENT_BYTES :])
    width = bits.shape[1] // filters
    return Blocked(
        np.ascontiguousarray(payload[:, :TAG_BYTES]),
        present.astype(np.uint32),
        bits.reshape(len(payload), filters, width),
    )


def payload_of(records: Blocked) -> Bytes:
    """The records of a pass put together again, as they are sent; a department runs this."""
    present = records.present.astype(">u4").view(np.uint8).reshape(-1, PRESENT_BYTES)
    rows, filters, width = records.filters.shape
    return np.hstack([records.tags, present, records.filters.reshape(rows, filters * width)])


def require_no_wildcards(filters: Bytes, agreement: AgreementFile) -> None:
    """Refuse encodings with so many or so few bits set that they are alike to everybody's, or with none at all.

    1. An encoding has a bit set.
    2. No more of its bits are set than the agreement's share, all its filters together.
    3. In scheme `field-filters`, no filter has more bits set than any value of its kind sets.
    4. In scheme `field-filters`, no filter that is not empty has fewer than a value of its kind sets.

    Args:
        filters: shape (records, bytes of all filters).
        agreement: sets the largest share of bits set, and how many bits a value sets.

    Raises:
        DisclosureError: an encoding breaks one of them.
    """
    popcounts = np.bitwise_count(filters).sum(axis=1, dtype=np.int64)
    if not popcounts.all():
        raise DisclosureError(
            "An encoding has no bit set.", hint="Leave a record without identifiers unencoded."
        )
    if (popcounts > agreement.content.privacy.max_popcount_share * 8 * filters.shape[1]).any():
        raise DisclosureError(
            "An encoding has more bits set than the agreement's privacy.max_popcount_share allows.",
            hint="Agree fewer bits for the longest features, or a larger clk_bits.",
        )
    if agreement.content.encoding.scheme == "field-filters":
        _require_bits_of_a_value(filters, agreement.content)


def require_no_structure(payload: Bytes, dataset: Dataset, agreement: AgreementFile) -> None:
    """Refuse encodings of a pass that show more than their scheme is there to show.

    1. In scheme `clk`, where the agreement's privacy.visible_structure is "refuse": they look like random bits, as far
       as `pprl.protocol.encoding_metrics` can tell.
    2. In scheme `field-filters`: no filter stands in two blocks, but by chance.

    Args:
        payload: what is sent of each record but its reference, shape (records, bytes).
        dataset: the dataset that they are.
        agreement: sets the scheme, and whether structure is refused.

    Raises:
        DisclosureError: they break one of them.
    """
    if agreement.content.encoding.scheme == "field-filters":
        records = blocked(payload, filters_of(agreement))
        unsalted = block_salting.stand_in_two_blocks(records.tags, records.filters, agreement.content)
        _require_salted_by_block(salted=not unsalted)
    elif agreement.content.privacy.visible_structure == "refuse":
        require_no_visible_structure(keyed(payload, agreement).clks, copies=dataset.may_have_duplicates)


def require_no_visible_structure(filters: Bytes, *, copies: bool) -> None:
    """Refuse whole encodings that do not look like random bits, as far as `encoding_metrics` can tell.

    Args:
        filters: shape (records, bytes); of many, `encoding_metrics.sample` will do.
        copies: whether a person may have several records.

    Raises:
        DisclosureError: they do not.
    """
    from pprl.protocol import encoding_metrics  # noqa: PLC0415 - compiles; few agreements ask for it

    problems = encoding_metrics.problems(encoding_metrics.measure(filters, copies=copies))
    if problems:
        raise DisclosureError(
            "The encodings do not pass as random bits. " + "; ".join(problems).capitalize() + ".",
            hint='Agree profile "privacy-first", or privacy.visible_structure = "allow".',
        )


def _require_salted_by_block(*, salted: bool) -> None:
    if not salted:
        raise DisclosureError(
            "The same filters stand in several blocks of a pass, so that they show how frequent values are.",
            hint="Encode again with this version, which salts filters by their block.",
        )


def _require_bits_of_a_value(filters: Bytes, agreement: Agreement) -> None:
    parameters = agreement.encoding.field_filter_parameters
    about = [*agreement.kinds().values()], parameters.filter_bits, parameters.positions_per_field
    most, least = most_bits(*about), least_bits(*about)
    each = filters.reshape(len(filters), len(most), parameters.filter_bits // 8)
    bits = np.bitwise_count(each).sum(axis=2, dtype=np.int64)
    if (bits > most).any():
        raise DisclosureError(
            "A filter has more bits set than a value can set under the agreement's positions_per_field.",
            hint="Encode again with this version, under this agreement.",
        )
    # Dice hardly tells a sparse filter from others, but it is part of them: level 2 of `pprl.protocol.levels`.
    if ((bits > 0) & (bits < least)).any():
        raise DisclosureError(
            "A filter has fewer bits set than a value sets under the agreement's positions_per_field.",
            hint="Encode again with this version, under this agreement.",
        )


def _require_counts_fit(header: FieldFilterHeader, agreement: AgreementFile) -> None:
    if len(header.random_levels) != len(agreement.content.identifier):
        raise VerificationError("The encodings count levels of other identifiers than the agreement's.")
    if len(header.suppressed) != len(header.passes):
        raise FormatError("The encodings do not count what was left out of each pass.")
    # Somebody who could count more pairs than others would have more say in what is random for all.
    totals = {sum(levels) for levels in header.random_levels}
    one_record = max(each.records for each in header.passes) < 2
    if totals != {RANDOM_PAIRS} and not (one_record and totals == {0}):
        raise FormatError(f"The levels are not those of {RANDOM_PAIRS} random pairs in each identifier.")


def _most_of_a_block(agreement: AgreementFile, dataset: str) -> int:
    parameters = agreement.content.encoding.field_filter_parameters
    return parameters.most_sent_of_a_block(agreement.content.dataset_named(dataset))


def _require_agreed_masks(records: Blocked) -> None:
    """Refuse filters that are not as the mask says."""
    places = np.arange(records.filters.shape[1], dtype=np.uint32)
    there = (records.filters.any(axis=2).astype(np.uint32) << places).sum(axis=1, dtype=np.uint32)
    if (there != records.present).any():
        raise FormatError("A record does not have the filters that it says it has.")


def _require_agreed_blocks(tags: Bytes, most: int) -> None:
    """Refuse blocks so large that their size could name them."""
    tags = tags[framing.ascending(tags)]
    starts = np.flatnonzero(np.append(True, (tags[1:] != tags[:-1]).any(axis=1)))
    if np.diff(starts, append=len(tags)).max(initial=0) > most:
        raise DisclosureError(
            "A block has more records than the agreement's max_block_records or one_person_a_block allows.",
            hint="Encode again with this version, which leaves such records out.",
        )


def _require_tags_once(tags: Bytes) -> None:
    """Refuse a match key's tag that two records of a dataset have: whoever has it could be either, and is linked first.

    Tags under other match keys are of other keys, and can't be equal either, but for one in 2^128.
    """
    for place in range(tags.shape[1]):
        ordered = tags[:, place][framing.ascending(tags[:, place])]
        if (ordered[1:] == ordered[:-1]).all(axis=1).any():
            raise DisclosureError(
                "A match key's tag stands twice.",
                hint="Encode again with this version, which gives no tag to values that two records share.",
            )


def _require_match_key_pairs_fit(header: MatchKeyReferencesHeader) -> None:
    encoded = header.passes[0].records
    if header.match_key_pairs > encoded * (encoded - 1) // 2:
        raise FormatError("More pairs share a match key than there are.")


def _require_passes_fit(found: Sequence[CountedPass], records: int) -> None:
    if any(each.records > records for each in found):
        raise FormatError("A pass holds more records than the dataset.")


def _require_fresh_references(tables: Sequence[Bytes]) -> None:
    """Refuse a reference that stands twice, in one pass or in two: it would tell the matcher what goes together."""
    for table in tables:
        framing.require_ascending(table, what="reference")
    for ids in _by_first_bytes(tables) if len(tables) > 1 else ():
        halves = np.sort(np.ascontiguousarray(ids[:, :8]).view(">u8").reshape(-1).astype(np.uint64))
        # Random ids differ in their first half already.
        if (halves[1:] == halves[:-1]).any():
            framing.require_distinct(ids, what="reference")


def _by_first_bytes(tables: Sequence[Bytes]) -> Iterator[Bytes]:
    """References of all passes together, a range of their first bytes after the other: few at a time."""
    ranges = sum(len(table) for table in tables) // REFERENCES_AT_A_TIME + 1
    edges = (np.arange(1, ranges) * (1 << 16) // ranges).astype(np.uint16)
    cuts = []
    for table in tables:
        first = np.ascontiguousarray(table[:, :2]).view(">u2").reshape(-1).astype(np.uint16)
        cuts.append([0, *np.searchsorted(first, edges).tolist(), len(table)])
    for place in range(ranges):
        ends = zip(tables, cuts, strict=True)
        yield np.concatenate([table[cut[place] : cut[place + 1], :ID_BYTES] for table, cut in ends])


def _positions(table: Bytes, records: int) -> NDArray[np.uint32]:
    places = np.ascontiguousarray(table[:, ID_BYTES:]).view(">u4").reshape(-1).astype(np.uint32)
    if len(places) and places.max() >= records:
        raise FormatError("A reference points beyond the last handle.")
    if int(_there([places], records).sum()) != len(places):
        raise FormatError("Two references of one pass point to one handle.")
    return places


def _there(places: Sequence[NDArray[np.uint32]], records: int) -> NDArray[np.bool_]:
    """Which records have a reference in any of some passes."""
    there = np.zeros(records, dtype=bool)
    for of_pass in places:
        there[of_pass] = True
    return there


def _require_copies_fit(header: FieldFilterReferencesHeader, dataset: Dataset) -> None:
    if header.copies and not dataset.may_have_duplicates:
        raise VerificationError(f"'{dataset.name}' has copies, and by the agreement one record a person.")


def _copies(table: Bytes, places: Sequence[NDArray[np.uint32]], records: int) -> Copies:
    """Copies in ascending order, each of a record that is before it, is no copy, and stands for it in the passes."""
    copies, originals = _places(table[:, :POSITION_BYTES]), _places(table[:, POSITION_BYTES:])
    if len(copies) and copies.max() >= records:
        raise FormatError("A copy is beyond the last handle.")
    if (copies[1:] <= copies[:-1]).any():
        raise FormatError("A copy is out of order or repeated.")
    if (originals >= copies).any():
        raise FormatError("A copy is not behind its original.")
    if np.isin(originals, copies).any():
        raise FormatError("A copy is said to be of a copy.")
    if _there(places, records)[copies].any():
        raise FormatError("A copy has a reference of its own.")
    return Copies(copies, originals)


def _padding(header: ReferencesHeader) -> int:
    """What is missing to the length with an earlier key for each record: it shows nobody how many records are new."""
    if not isinstance(header, _REFRESH_HEADERS):
        return 0
    width = POSITION_BYTES + ID_BYTES
    fullest = header.model_copy(update={"previous": header.records})
    longest = framing.unpadded_bytes(fullest, [(fullest.previous, width)])
    return longest - framing.unpadded_bytes(header, [(header.previous, width)])


def _require_previous_fit(previous: int, records: int, agreement: AgreementFile) -> None:
    if previous > records:
        raise FormatError("There are more previous linkage keys than records.")
    if previous and agreement.content.project.version == 1:
        raise VerificationError("There are previous linkage keys, and this is the project's first version.")


def _previous(table: Bytes, records: int, *, shared: bool) -> Previous:
    """Earlier linkage keys by record, in ascending order; each for one record, where records share none."""
    places, keys = _places(table[:, :POSITION_BYTES]), np.ascontiguousarray(table[:, POSITION_BYTES:])
    if len(places) and places.max() >= records:
        raise FormatError("A previous linkage key is for a record beyond the last handle.")
    if (places[1:] <= places[:-1]).any():
        raise FormatError("A previous linkage key is out of order, or a record has two.")
    if not shared:
        require_a_key_each(keys)
    return Previous(places, keys)


def _places(raw: Bytes) -> NDArray[np.int64]:
    return np.ascontiguousarray(raw).view(">u4").reshape(-1).astype(np.int64)


def _four_bytes(places: NDArray[np.int64] | NDArray[np.uint32]) -> Bytes:
    return places.astype(">u4").view(np.uint8).reshape(-1, POSITION_BYTES)


def _own_patterns(
    table: Bytes,
    places: Sequence[NDArray[np.uint32]],
    records: int,
    fields: int,
    parameters: FieldFilterParameters,
) -> PatternCounts:
    """Counts of no more pairs than the records in any pass can have, with those that stay at home beside them."""
    records = int(_there(places, records).sum())
    in_blocks = sum(most_block_pairs(len(each), parameters.most_compared_at_home) for each in places)
    among = in_blocks if parameters.one_person_a_block else records * (records - 1) // 2
    return parse_table(table, fields, most_pairs=min(among, in_blocks))
