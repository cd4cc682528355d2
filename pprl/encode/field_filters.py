"""Scheme `field-filters`: a Bloom filter for each field of a record, salted by the record's block, pass by pass.

Runs at departments only. Two records can be compared only if they share a block, which is the only time they
need to be: the same name in two blocks gives filters that have nothing in common, so that the encodings hold no
frequency of a name and no graph of who resembles whom. docs/formats/field-filters.md is the specification, byte
by byte.

The tour. A pass gives each record a block value (`passes`), or none. One keyed digest of a block value is
its tag, which the matcher groups by, and its salt, which nobody sees. A field's value is a few tokens (`tokens`),
and each token has a digest, made once. A filter's positions for a token are one AES block over salt and digest;
that is a pseudorandom function, and millions of them are one call. Work that depends on how many different values there
are happens in Python, work that depends on records and tokens in compiled loops.
"""

from __future__ import annotations

from array import array
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pprl.crypto import derive
from pprl.encode.block_sizes import kept_blocks
from pprl.encode.one_person import block_numbers, likeness, ranks, standing
from pprl.encode.passes import Coded, blocks, coded
from pprl.encode.tokens import CANONICAL_SPACE, canonical_tokens, token_space, tokens
from pprl.errors import ConfigError, DataError, KeyFileError
from pprl.protocol.agreement import Agreement
from pprl.protocol.blocking import BlockingPass, problem_of
from pprl.protocol.field_layout import field_layout, filter_count
from pprl.protocol.filter_bits import (
    FILTER_BITS,
    LEAST_PER_FIELD,
    MOST_PER_FIELD,
    most_of_token,
    positions_of,
)
from pprl.protocol.kinds import Kind
from pprl.protocol.levels import Fields, compare_levels, compiled, histogram
from pprl.protocol.submission import TAG_BYTES

SALT_BYTES = 8
TOKEN_DIGEST_BYTES = 16
KEY_BYTES = 32

BLOCK_LABEL = "pprl/v1/field-filters/block"
TOKEN_LABEL = "pprl/v1/field-filters/token"  # noqa: S105 - a label, not a secret
POSITION_LABEL = "pprl/v1/field-filters/position"

_ROWS_AT_ONCE = 1024

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
        )


@dataclass(frozen=True, slots=True)
class _Dataset:
    """Records as numbers. A value's number indexes `starts`, whose neighbours bound its tokens.

    Attributes:
        columns: by identifier.
        transformed: columns by identifier and transform, as passes come to need them.
        values: number of each record's value in each filter, shape (records, filters).
        starts: shape (values + 1,).
        digests: of each token, shape (tokens,).
        marks: how many bits each token sets, shape (tokens,).
        present: mask of each record's filters that stand for a value.
    """

    columns: dict[str, Coded]
    transformed: dict[tuple[str, str], Coded]
    values: Indices
    starts: Indices
    digests: Words
    marks: NDArray[np.int64]
    present: NDArray[np.uint32]


_Listed = tuple[Coded, Kind, str, Callable[[str], tuple[str, ...]]]
"""A column, its kind, the space of its tokens, and what gives a value's tokens."""


class _Tokens:
    """Different tokens in the order in which they come, over all spaces."""

    __slots__ = ("_spaces", "texts")

    def __init__(self) -> None:
        self.texts: list[str] = []
        self._spaces: dict[str, _Space] = {}

    def of_space(self, space: str) -> _Space:
        return self._spaces.setdefault(space, _Space(space, self.texts))


class _Space(dict[str, int]):
    """Token to its place among all tokens; a new one is put at the end."""

    __slots__ = ("_name", "_texts")

    def __init__(self, name: str, texts: list[str]) -> None:
        super().__init__()
        self._name = name
        self._texts = texts

    def __missing__(self, token: str) -> int:
        self[token] = len(self._texts)
        self._texts.append(f"{self._name}\0{token}")
        return self[token]


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

    Raises:
        KeyFileError: the key is short.
        ConfigError: a parameter that the scheme does not have, or a pass that does not fit the identifiers.
    """

    __slots__ = (
        "_bits",
        "_cap",
        "_key",
        "_kinds",
        "_one_person",
        "_passes",
        "_per_field",
        "_position_key",
        "_several",
        "_token_key",
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
        self._token_key = derive.hkdf(key, label=TOKEN_LABEL, context=b"", length=KEY_BYTES)
        self._position_key = derive.hkdf(key, label=POSITION_LABEL, context=b"", length=KEY_BYTES)
        self._bits = filter_bits
        self._per_field = positions_per_field
        self._cap = max_block_records
        self._one_person = one_person_a_block
        self._several = several

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
        )

    def encode(self, columns: Mapping[str, Sequence[str]]) -> list[PassRecords]:
        """Encode a dataset, all passes at once. See `encode_each`."""
        return list(self.encode_each(columns))

    def encode_each(self, columns: Mapping[str, Sequence[str]]) -> Iterator[PassRecords]:
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
        dataset = self._numbered(columns)
        for pass_ in self._passes:
            yield self._pass_records(pass_, dataset)

    def random_levels(
        self, columns: Mapping[str, Sequence[str]], *, pairs: int, rng: np.random.Generator
    ) -> NDArray[np.int64]:
        """How often random pairs of own records have each comparison level, field by field.

        The matcher can compare inside blocks only; this tells it how often different people agree by chance.

        Args:
            columns: as for `encode_each`.
            pairs: pairs to draw, each of two different records.
            rng: draws pairs and salts; the same state and columns give the same counts.

        Returns:
            Counts, shape (fields, levels); all zero if there are fewer than two records.

        Leaks: an aggregate: the shares of values that are frequent among the department's records.
        """
        dataset = self._numbered(columns)
        rows = len(dataset.values)
        total = histogram(np.empty(0, dtype=np.uint64), self.fields.count)
        if rows < 2:
            return total
        left = rng.integers(0, rows, pairs)
        right = (left + rng.integers(1, rows, pairs)) % rows
        salts = rng.integers(0, 2**64, pairs, dtype=np.uint64)
        for start in range(0, pairs, _ROWS_AT_ONCE):
            part = slice(start, start + _ROWS_AT_ONCE)
            total += self._levels(dataset, left[part], right[part], salts[part])
        return total

    def _levels(self, dataset: _Dataset, left: Indices, right: Indices, salts: Words) -> NDArray[np.int64]:
        sides = [
            (self._filters(dataset, rows, salts).view(np.uint64), dataset.present[rows])
            for rows in (left, right)
        ]
        (filters_left, present_left), (filters_right, present_right) = sides
        place = np.arange(len(left))
        patterns = compare_levels(
            filters_left, present_left, filters_right, present_right, place, place, self.fields
        )
        return histogram(patterns, self.fields.count)

    def _numbered(self, columns: Mapping[str, Sequence[str]]) -> _Dataset:
        absent = [name for name in self._kinds if name not in columns]
        if absent:
            raise DataError(f"There is no column for identifier '{absent[0]}'.")
        if len({len(columns[name]) for name in self._kinds}) != 1:
            raise DataError("The columns to encode differ in length.")
        numbered = {name: coded(columns[name]) for name in self._kinds}
        listed: list[_Listed] = [
            (numbered[name], kind, token_space(name, kind), partial(tokens, kind))
            for name, kind in self._kinds.items()
        ]
        if self.fields.canonical >= 0:
            name, kind = list(self._kinds.items())[self.fields.forename]
            listed.append((numbered[name], kind, CANONICAL_SPACE, partial(canonical_tokens, kind)))
        return self._with_digests(numbered, listed)

    def _with_digests(self, columns: dict[str, Coded], listed: list[_Listed]) -> _Dataset:
        """The dataset with every token's digest, each made once."""
        known = _Tokens()
        ends, order, values, totals = [0], array("q"), [], []
        present = np.zeros(len(listed[0][0].codes), dtype=np.uint32)
        for index, (column, kind, space, tokens_of) in enumerate(listed):
            values.append(column.codes + (len(ends) - 1))
            has_value = np.array([bool(value) for value in column.distinct], dtype=np.uint32)
            present |= has_value[column.codes] << np.uint32(index)
            totals += [positions_of(kind, self._per_field)] * len(column.distinct)
            place = known.of_space(space)
            for value in column.distinct:
                order.extend(map(place.__getitem__, tokens_of(value)))
                ends.append(len(order))
        digests = derive.keyed_digests(self._token_key, known.texts, length=TOKEN_DIGEST_BYTES)
        halves = np.frombuffer(digests, dtype=np.uint64).reshape(-1, 2)[:, 0]
        return _Dataset(
            columns,
            {},
            np.stack(values, axis=1),
            np.array(ends, dtype=np.int64),
            halves[np.frombuffer(order, dtype=np.int64)],
            self._marks(np.diff(ends), np.array(totals, dtype=np.int64)),
            present,
        )

    def _marks(self, token_counts: Indices, totals: Indices) -> Indices:
        """How many bits each token of each value sets: the field's total divided among them."""
        share, over = np.divmod(totals, np.maximum(token_counts, 1))
        place = np.arange(int(token_counts.sum())) - np.repeat(
            np.cumsum(token_counts) - token_counts, token_counts
        )
        marks = np.repeat(share, token_counts) + (place < np.repeat(over, token_counts))
        bounded: Indices = np.minimum(marks, most_of_token(self._bits))
        return bounded

    def _pass_records(self, pass_: BlockingPass, dataset: _Dataset) -> PassRecords:
        block = blocks(dataset.columns, pass_, self._kinds, dataset.transformed)
        if self._one_person:
            sent, back = self._standing(pass_, block, dataset)
        else:
            sent, back = kept_blocks(block, self._cap)[1][block.codes], np.empty(0, dtype=np.int64)
        stay = np.zeros(len(sent), dtype=np.bool_)
        stay[back] = True
        rows = np.flatnonzero(sent | stay)
        its_block = block.codes[rows]
        wanted = np.zeros(len(block.distinct), dtype=np.bool_)
        wanted[its_block] = True
        tags, salts = self._tags_and_salts(pass_, block.distinct, wanted)
        return PassRecords(
            pass_.name,
            rows,
            its_block,
            tags[its_block],
            dataset.present[rows],
            self._filters(dataset, rows, salts[its_block]),
            int((~sent & (block_numbers(block) >= 0)).sum()),
            np.flatnonzero(stay[rows]) if len(back) else None,
        )

    def _standing(
        self, pass_: BlockingPass, block: Coded, dataset: _Dataset
    ) -> tuple[NDArray[np.bool_], Indices]:
        """Who stands for each block, and who stays back for the count of own pairs."""
        like = likeness(dataset.columns, self._kinds, dataset.transformed)
        return standing(
            block_numbers(block),
            ranks(like, self._key, pass_.name),
            like,
            several=self._several,
            most=self._cap,
        )

    def _tags_and_salts(
        self, pass_: BlockingPass, texts: list[str], wanted: NDArray[np.bool_]
    ) -> tuple[NDArray[np.uint8], Words]:
        """Tag and salt of each wanted block, two parts of one digest; zero for the others."""
        key = derive.hkdf(self._key, label=BLOCK_LABEL, context=pass_.name.encode("ascii"), length=KEY_BYTES)
        chosen = np.flatnonzero(wanted)
        raw = derive.keyed_digests(
            key, [texts[place] for place in chosen.tolist()], length=TAG_BYTES + SALT_BYTES
        )
        both = np.zeros((len(texts), TAG_BYTES + SALT_BYTES), dtype=np.uint8)
        both[chosen] = np.frombuffer(raw, dtype=np.uint8).reshape(-1, TAG_BYTES + SALT_BYTES)
        salts = np.ascontiguousarray(both[:, TAG_BYTES:]).view(np.uint64)
        return both[:, :TAG_BYTES], salts.reshape(-1)

    def _filters(self, dataset: _Dataset, rows: Indices, salts: Words) -> NDArray[np.uint8]:
        """The filters of some rows, each salted by its own salt."""
        shape = (len(rows), filter_count(self.fields), self._bits // 8)
        filters = np.zeros(shape, dtype=np.uint8)
        for start in range(0, len(rows), _ROWS_AT_ONCE):
            part = slice(start, start + _ROWS_AT_ONCE)
            values = dataset.values[rows[part]]
            count = int((dataset.starts[values + 1] - dataset.starts[values]).sum())
            inputs = np.empty((count, 2), dtype=np.uint64)
            _fill_inputs(values, salts[part], dataset.starts, dataset.digests, inputs)
            outputs = np.frombuffer(derive.prf_blocks(self._position_key, inputs.data.cast("B")), dtype=">u8")
            _set_bits(
                values, dataset.starts, dataset.marks, outputs.astype(np.uint64).reshape(-1, 2), filters[part]
            )
        return filters


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


@compiled
def _fill_inputs(values: Indices, salts: Words, starts: Indices, digests: Words, inputs: Words) -> None:
    """Salt and digest of every token of every value, row by row, field by field."""
    at = 0
    for row in range(values.shape[0]):
        for field in range(values.shape[1]):
            value = values[row, field]
            for token in range(starts[value], starts[value + 1]):
                inputs[at, 0] = salts[row]
                inputs[at, 1] = digests[token]
                at += 1


@compiled
def _set_bits(
    values: Indices, starts: Indices, marks: Indices, outputs: Words, filters: NDArray[Any]
) -> None:
    """Set each token's bits, in the same order; the first bit of a filter is the highest of its first byte."""
    width = 0
    while (1 << width) < filters.shape[2] * 8:
        width += 1
    take, rest = np.uint64(64 - width), np.uint64(width)
    at = 0
    for row in range(values.shape[0]):
        for field in range(values.shape[1]):
            value = values[row, field]
            for token in range(starts[value], starts[value + 1]):
                high, low = outputs[at, 0], outputs[at, 1]
                at += 1
                for _ in range(marks[token]):
                    position = np.int64(high >> take)
                    filters[row, field, position >> 3] |= np.uint8(128 >> (position & 7))
                    high = (high << rest) | (low >> take)
                    low <<= rest
