"""Scheme `field-filters`: a Bloom filter for each field of a record, salted by the record's block, pass by pass.

Runs at departments only. Two records can be compared only if they share a block, which is the only time they
need to be: the same name in two blocks gives filters that have nothing in common, so that the encodings hold no
frequency of a name and no graph of who resembles whom. docs/formats/field-filters.md is the specification, byte
by byte.

The tour. A pass gives each record a block value (`passes`), or none. Keyed by the pass, a block value has a tag, which
the matcher groups by, and a salt, which nobody sees (`block_tags`). A field's value is a few tokens (`tokens`),
and each token has a digest, made once. A filter's positions for a token are one AES block over salt and digest;
that is a pseudorandom function, and millions of them are one call. Work that depends on how many different values there
are happens in Python, work that depends on records and tokens in compiled loops.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pprl.encode.at_home import joined, stand_ins
from pprl.encode.block_sizes import in_kept_blocks
from pprl.encode.block_tags import DigestedPart, PartDigests, tags_and_salts
from pprl.encode.one_person import Likeness, likeness, rank_key, standing
from pprl.encode.passes import NO_BLOCK, Coded, Codes, Known, coded, numbered_blocks
from pprl.encode.token_filters import FilterShape, TokenFilters
from pprl.errors import ConfigError, DataError, KeyFileError
from pprl.protocol.agreement import Agreement
from pprl.protocol.blocking import BlockingPass, problem_of
from pprl.protocol.field_layout import field_layout
from pprl.protocol.filter_bits import FILTER_BITS, LEAST_PER_FIELD, MOST_PER_FIELD
from pprl.protocol.kinds import Kind
from pprl.protocol.levels import Fields, compare_levels, histogram

KEY_BYTES = 32

_PAIRS_AT_ONCE = 4096

Words = NDArray[np.uint64]
Indices = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class PassRecords:
    """The records of a dataset in one pass, in ascending order of their rows.

    Attributes:
        name: of the pass.
        rows: place in the dataset of each record that has a block, shape (records,).
        blocks: number of each record's block, of no meaning outside this pass, shape (records,).
        tags: of their blocks, shape (records, 16).
        present: mask of the filters that stand for a value, bit i for filter i, shape (records,).
        filters: shape (records, filters, bytes); the canonical forename's is the last.
        suppressed: how many records were left out because their block has too many, or another stands for it.
        people: the first record of the person of each, which the key issuer knows it by; `rows` where no records are
            joined at home, shape (records,).
        kept_back: places of records that stay at home, as others stand for their block: they are compared with those
            for the count of own pairs alone; None for nobody.
    """

    name: str
    rows: Indices
    blocks: Indices
    tags: NDArray[np.uint8]
    present: NDArray[np.uint32]
    filters: NDArray[np.uint8]
    suppressed: int
    people: Indices
    kept_back: Indices | None = None

    def to_send(self) -> PassRecords:
        """The records without those that are kept back."""
        if self.kept_back is None:
            return self
        sent = np.ones(len(self.rows), dtype=np.bool_)
        sent[self.kept_back] = False
        return PassRecords(
            self.name,
            self.rows[sent],
            self.blocks[sent],
            self.tags[sent],
            self.present[sent],
            self.filters[sent],
            self.suppressed,
            self.people[sent],
        )


@dataclass(frozen=True, slots=True)
class Records:
    """The records of a dataset as numbers. Once passes are planned, only `filters` is needed.

    Attributes:
        columns: by identifier.
        known: what the values of columns become, as passes come to need it.
        digests: of what blocks are made of, as passes come to need them.
        filters: their values, ready to be made filters of.
        like: what ranks those who share a block; None where everybody in it is sent.
        home: the first record of the person of each, where records are joined at home; else None.
    """

    columns: dict[str, Coded]
    known: Known
    digests: PartDigests
    filters: TokenFilters
    like: Likeness | None
    home: Indices | None


@dataclass(frozen=True, slots=True)
class PlannedPass:
    """Who is in a pass, before anything is encoded.

    Attributes:
        name: of the pass.
        blocks: the block of each record that is sent, or compared at home because others stand for its block; -1 of
            all others, and of those for which another of the same person stands; shape (records,).
        sent: whether each record is sent, shape (records,).
        parts: what the blocks are made of.
        suppressed: how many records have a block and are not sent.
    """

    name: str
    blocks: Codes
    sent: NDArray[np.bool_]
    parts: tuple[DigestedPart, ...]
    suppressed: int


@dataclass(frozen=True, slots=True)
class SaltedBlocks:
    """The tags and salts of a pass's blocks.

    Attributes:
        blocks: the block of each record, as `PlannedPass` has it.
        tags: shape (blocks, 16).
        salts: shape (blocks,).
    """

    blocks: Codes
    tags: NDArray[np.uint8]
    salts: Words


class FieldFilterEncoder:
    """Encodes a department's records under one key.

    Args:
        passes: the agreement's blocking passes.
        kinds: the kind of each identifier, in the agreement's order.
        key: the scheme's key, derived from the departments' linkage secret.
        filter_bits: bits of a filter: 64, 128, 256 or 512.
        positions_per_field: bits that all tokens of a value set together, 12 to 28 (twice that for long kinds),
            so that the number of bits does not tell how long a name is.
        max_block_records: a block with more records of this dataset is left out of its pass.
        one_person_a_block: whether one person's records stand for a block (`pprl.encode.one_person`).
        several: whether a person may have several records in this dataset.
        join_at_home: whether those of a person are then joined, if one person stands for a block
            (`pprl.encode.at_home`).

    Raises:
        KeyFileError: the key is short.
        ConfigError: a parameter that the scheme does not have, or a pass that does not fit the identifiers.
    """

    __slots__ = (
        "_cap",
        "_joins",
        "_key",
        "_kinds",
        "_one_person",
        "_passes",
        "_several",
        "_shape",
        "fields",
    )

    def __init__(
        self,
        passes: Sequence[BlockingPass],
        kinds: Mapping[str, Kind],
        key: bytes,
        *,
        filter_bits: int = 128,
        positions_per_field: int = 20,
        max_block_records: int = 50,
        one_person_a_block: bool = False,
        several: bool = False,
        join_at_home: bool = False,
    ) -> None:
        if len(key) < KEY_BYTES:
            raise KeyFileError("The encoding key is too short.", hint="Make the linkage secret first.")
        _require_known(filter_bits, positions_per_field)
        if max_block_records < 1:
            raise ConfigError("A block needs room for at least one record.")
        _require_usable(passes, kinds)
        self.fields: Fields = field_layout(list(kinds.values()))
        self._passes = tuple(passes)
        self._kinds = dict(kinds)
        self._key = key
        self._shape = FilterShape.of(
            kinds, self.fields, key, filter_bits=filter_bits, positions_per_field=positions_per_field
        )
        self._cap = max_block_records
        self._one_person = one_person_a_block
        self._several = several
        self._joins = several and join_at_home and one_person_a_block

    @classmethod
    def agreed(cls, agreement: Agreement, key: bytes, *, several: bool) -> FieldFilterEncoder:
        """The encoder that an agreement asks for, for a dataset in which people have several records or one."""
        parameters = agreement.encoding.field_filter_parameters
        return cls(
            [each.blocking_pass() for each in parameters.passes],
            agreement.kinds(),
            key,
            filter_bits=parameters.filter_bits,
            positions_per_field=parameters.positions_per_field,
            max_block_records=parameters.max_block_records,
            one_person_a_block=parameters.one_person_a_block,
            several=several,
            join_at_home=parameters.join_at_home,
        )

    def encode(self, columns: Mapping[str, Sequence[str] | Coded]) -> list[PassRecords]:
        """Encode a dataset, all passes at once. See `encode_each`."""
        return list(self.encode_each(columns))

    def encode_each(self, columns: Mapping[str, Sequence[str] | Coded]) -> Iterator[PassRecords]:
        """Encode a dataset pass by pass, so that one pass at a time is in memory.

        Args:
            columns: standardised values of all records by identifier, as `prepare` gives them; "" where missing.

        Yields:
            The records of each pass, in the order of the passes.

        Raises:
            DataError: an identifier's column is absent, or columns differ in length.

        Leaks: to who holds a pass without the key, which of its records share a block, and how alike the fields
            of those are. With the key, every value.
        """
        records = self.records(columns)
        for planned in self.plan(records):
            yield self._pass_records(records, planned)

    def records(self, columns: Mapping[str, Sequence[str] | Coded]) -> Records:
        """Number a dataset's values and digest its tokens, each once.

        Args:
            columns: as for `encode_each`.

        Raises:
            DataError: an identifier's column is absent, or columns differ in length.
        """
        absent = [name for name in self._kinds if name not in columns]
        if absent:
            raise DataError(f"There is no column for identifier '{absent[0]}'.")
        numbered = {name: coded(columns[name]) for name in self._kinds}
        if len({len(column.codes) for column in numbered.values()}) != 1:
            raise DataError("The columns to encode differ in length.")
        known: Known = {}
        like = likeness(numbered, self._kinds, known) if self._one_person else None
        home = joined(numbered, self._kinds).first if self._joins else None
        values = TokenFilters(numbered, self._shape)
        return Records(numbered, known, PartDigests(self._key), values, like, home)

    def plan(self, records: Records) -> Iterator[PlannedPass]:
        """Settle who is in each pass, in the order of the passes.

        Args:
            records: as `records` gives them.
        """
        for pass_ in self._passes:
            block = numbered_blocks(records.columns, pass_, self._kinds, records.known)
            if records.home is not None:
                block = stand_ins(block, records.home)
            if records.like is None:
                sent, beside = in_kept_blocks(block, self._cap), np.empty(0, dtype=np.int64)
            else:
                of_pass = rank_key(self._key, pass_.name)
                several = self._several and not self._joins
                sent, beside = standing(block.numbers, records.like, of_pass, several=several, most=self._cap)
            compared = sent.copy()
            compared[beside] = True
            yield PlannedPass(
                pass_.name,
                np.where(compared, block.numbers, np.int32(NO_BLOCK)),
                sent,
                tuple(map(records.digests.of, block.parts)),
                int((~sent & (block.numbers != NO_BLOCK)).sum()),
            )

    def salted(self, planned: PlannedPass) -> SaltedBlocks:
        """Tag and salt of each block of a pass.

        Args:
            planned: the pass.
        """
        return SaltedBlocks(planned.blocks, *tags_and_salts(self._key, planned.name, planned.parts))

    def filters(
        self, values: TokenFilters, salted: SaltedBlocks, rows: Indices
    ) -> tuple[Words, NDArray[np.uint32]]:
        """The filters of some records in a pass.

        Args:
            values: of the dataset's records.
            salted: the pass's blocks, as `salted` gives them.
            rows: which of the records, each of which has a block.

        Returns:
            Filters, shape (n, filters, words of 64 bits), and the masks of those that stand for a value, shape (n,).
        """
        return values.filters(rows, salted.salts[salted.blocks[rows]])

    def random_levels(
        self,
        columns: Mapping[str, Sequence[str] | Coded] | Records,
        *,
        pairs: int,
        rng: np.random.Generator,
    ) -> NDArray[np.int64]:
        """How often random pairs of own records have each comparison level, field by field.

        The matcher can compare inside blocks only; this tells it how often different people agree by chance.

        Args:
            columns: as for `encode_each`, or the records that are made of them.
            pairs: pairs to draw, each of two different records.
            rng: draws pairs and salts; the same state and columns give the same counts.

        Returns:
            Counts, shape (fields, levels); all zero if there are fewer than two records.

        Leaks: an aggregate: the shares of values that are frequent among the department's records.
        """
        values = (columns if isinstance(columns, Records) else self.records(columns)).filters
        total = histogram(np.empty(0, dtype=np.uint64), self.fields.count)
        if len(values) < 2:
            return total
        left = rng.integers(0, len(values), pairs)
        right = (left + rng.integers(1, len(values), pairs)) % len(values)
        salts = rng.integers(0, 2**64, pairs, dtype=np.uint64)
        for start in range(0, pairs, _PAIRS_AT_ONCE):
            part = slice(start, start + _PAIRS_AT_ONCE)
            total += self._levels(values, left[part], right[part], salts[part])
        return total

    def _levels(self, values: TokenFilters, left: Indices, right: Indices, salts: Words) -> NDArray[np.int64]:
        place = np.arange(len(left))
        patterns = compare_levels(
            *values.filters(left, salts),
            *values.filters(right, salts),
            place,
            place,
            self.fields,
        )
        return histogram(patterns, self.fields.count)

    def _pass_records(self, records: Records, planned: PlannedPass) -> PassRecords:
        rows = np.flatnonzero(planned.blocks != NO_BLOCK)
        its_block = planned.blocks[rows]
        salted = self.salted(planned)
        filters, present = self.filters(records.filters, salted, rows)
        return PassRecords(
            planned.name,
            rows,
            its_block.astype(np.int64),
            salted.tags[its_block],
            present,
            filters.view(np.uint8),
            planned.suppressed,
            rows if records.home is None else records.home[rows],
            None if planned.sent[rows].all() else np.flatnonzero(~planned.sent[rows]),
        )


def _require_known(filter_bits: int, per_field: int) -> None:
    if filter_bits not in FILTER_BITS:
        raise ConfigError(f"A filter has {', '.join(map(str, FILTER_BITS))} bits.")
    if not LEAST_PER_FIELD <= per_field <= MOST_PER_FIELD:
        raise ConfigError(f"A field has from {LEAST_PER_FIELD} to {MOST_PER_FIELD} positions.")


def _require_usable(passes: Sequence[BlockingPass], kinds: Mapping[str, Kind]) -> None:
    if not passes or len({pass_.name for pass_ in passes}) != len(passes):
        raise ConfigError("There must be at least one blocking pass, and no two of one name.")
    for pass_ in passes:
        if problem := problem_of(pass_, kinds):
            raise ConfigError(f"Pass '{pass_.name}' can't be used: {problem}.")
