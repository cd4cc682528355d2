"""What attacks of a file work on: what each holder sees of it, and an attacker's list encoded under another secret.

Runs in the department, on a sample of its own file. Everything is drawn from one seed, the test secrets as well: the
departments' linkage secret isn't needed, and isn't used. Encodings are made when an attack first asks for them.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from functools import cached_property, lru_cache

import numpy as np
from numpy.typing import NDArray

from pprl.encode.at_home import joined
from pprl.encode.field_filters import FieldFilterEncoder
from pprl.encode.passes import coded
from pprl.privacy import exposure, handed_on
from pprl.privacy.knowledge import Errors, List, known_people, list_of
from pprl.privacy.measure import Named, count
from pprl.privacy.sampling import Sample, length_of
from pprl.privacy.views import NOBODY, Bytes, Indices, Known, Names, SeenPairs, SeenPass
from pprl.protocol.agreement import Agreement, ClkFeature
from pprl.protocol.kinds import Kind
from pprl.protocol.pattern_counts import RANDOM_PAIRS
from pprl.protocol.risk_statement import ListKind

Columns = Mapping[str, Sequence[str]]
Encode = Callable[[Columns, bytes], Bytes]
"""From standardised columns and a key to a filter a record: scheme `clk`, or an experiment in its place."""

ERRORS: Mapping[ListKind, Errors] = {"very file": "none", "light": "light", "heavy": "heavy"}

OTHER_OFFICE_OVERLAP = 0.65
OTHER_OFFICE_ERRORS: Errors = "light"
"""The second file, which the key issuer sees pairs with: so many people in common, and such errors."""

_WHO: frozenset[Kind] = frozenset({"given-name", "surname", "full-name", "date-of-birth"})
"""Kinds that say who somebody is."""

_KEY_BYTES = 32
_ENCODINGS_OF_A_LIST = 2
_EVERYBODY_IN_A_BLOCK = 1_000
_MOST_LISTS_IN_MEMORY = 4


class Ground:
    """A sample and everything that attacks are given of it.

    Args:
        sample: who is attacked.
        agreement: how records are encoded.
        seed: of everything that is drawn.
        encode: makes whole filters; scheme `clk` as the agreement has it, if not given.
    """

    def __init__(
        self, sample: Sample, agreement: Agreement, seed: int, *, encode: Encode | None = None
    ) -> None:
        self.sample = sample
        self.agreement = agreement
        self.seed = seed
        self._filters_of = encode or (lambda columns, key: exposure.whole_filters(columns, agreement, key))
        self._of_list = lru_cache(_MOST_LISTS_IN_MEMORY)(self._made_list)
        self._listed_filters = lru_cache(_MOST_LISTS_IN_MEMORY)(self._made_filters)
        self._listed_passes = lru_cache(_MOST_LISTS_IN_MEMORY)(self._made_passes)
        self._whole_passes = lru_cache(_MOST_LISTS_IN_MEMORY)(self._made_whole_passes)
        self._of_other_list = lru_cache(_MOST_LISTS_IN_MEMORY)(self._made_other_list)
        self._listed_both = lru_cache(_MOST_LISTS_IN_MEMORY)(self._made_both_listed)
        self._listed_pairs = lru_cache(_MOST_LISTS_IN_MEMORY)(self._made_listed_pairs)

    @property
    def records(self) -> int:
        """How many records are attacked."""
        return self.sample.records

    def rng(self, *purpose: int) -> np.random.Generator:
        """Random numbers for a purpose, the same for the same seed."""
        return np.random.default_rng([self.seed, *purpose])

    @cached_property
    def key(self) -> bytes:
        """The test secret of the file."""
        return self.rng(10).bytes(_KEY_BYTES)

    @cached_property
    def list_key(self) -> bytes:
        """The attacker's own."""
        return self.rng(11).bytes(_KEY_BYTES)

    @cached_property
    def _joins(self) -> bool:
        """Whether the department joins records of a person itself."""
        parameters = self.agreement.encoding.field_filters
        if parameters is None or not parameters.one_person_a_block:
            return False
        return self.sample.several and parameters.join_at_home

    def _people(self, columns: Columns) -> Indices:
        """For each record the first of those that are joined with it; that is whom others see."""
        if not self._joins:
            return np.arange(length_of(columns))
        return joined({name: coded(values) for name, values in columns.items()}, self.agreement.kinds()).first

    @cached_property
    def _home(self) -> Indices:
        """The file's people."""
        return self._people(self.sample.file)

    # What the attacker knows.

    def listed(self, kind: ListKind, overlap: int) -> List:
        """The list of an attacker with a share of the file's people, in hundredths."""
        return self._of_list(kind, overlap)

    def _made_list(self, kind: ListKind, overlap: int) -> List:
        return list_of(
            self.sample.file,
            self.sample.strangers,
            self.agreement.kinds(),
            overlap=overlap / 100,
            errors=ERRORS[kind],
            rng=self.rng(20, overlap, list(ERRORS).index(kind)),
        )

    def known(self, people: List, number: int) -> Known:
        """Records that the attacker recognises: never more than half of those that are on its list.

        Of records that are joined at home, it recognises the one that stands for them.
        """
        truth = self._truth(people)
        half = int((truth != NOBODY).sum()) // 2
        return known_people(truth, min(number, half), self.rng(30, number))

    def _truth(self, people: List) -> Indices:
        """The place on a list of each record; of records that are joined, of any of them, at the first alone."""
        if not self._joins:
            return people.truth
        truth = np.full(len(people.truth), NOBODY, dtype=np.int64)
        for record in np.flatnonzero(people.truth != NOBODY)[::-1].tolist():
            truth[self._home[record]] = people.truth[record]
        return truth

    # Scheme clk: whole filters.

    @cached_property
    def filters(self) -> Bytes:
        """The file's."""
        return self._filters_of(self.sample.file, self.key)

    def listed_filters(self, kind: ListKind, overlap: int) -> Bytes:
        """The list's, under the attacker's own secret."""
        return self._listed_filters(kind, overlap)

    def _made_filters(self, kind: ListKind, overlap: int) -> Bytes:
        return self._filters_of(self.listed(kind, overlap).columns, self.list_key)

    def filters_with_secret(self, people: List) -> Bytes:
        """The list's, under the file's secret: it has leaked."""
        return self._filters_of(people.columns, self.key)

    def tokens(self, people: List) -> list[Collection[str]]:
        """What is hashed of each person on a list, as an attacker writes it down."""
        kinds = self.agreement.kinds()
        columns = {
            # A date is hashed as its eight digits.
            name: [value.replace("-", "") for value in values] if kinds[name] == "date-of-birth" else values
            for name, values in people.columns.items()
        }
        return clk_tokens(columns, self.agreement.encoding.clk_parameters.features)

    # Scheme field-filters: passes and pairs.

    @cached_property
    def encoder(self) -> FieldFilterEncoder:
        """Under the file's test secret."""
        return exposure.encoder_of(self.agreement, self.key, several=self.sample.several)

    @cached_property
    def list_encoder(self) -> FieldFilterEncoder:
        """Under the attacker's own."""
        return exposure.encoder_of(self.agreement, self.list_key, several=self.sample.several)

    @cached_property
    def passes(self) -> list[SeenPass]:
        """The file's passes, with what records they are."""
        return self._passes_of(self.sample.file, self.encoder)

    @cached_property
    def single_passes(self) -> tuple[list[SeenPass], list[Indices]]:
        """The file's passes as the matcher sees them, and the record that each of their rows is."""
        return exposure.as_the_matcher_sees(self.passes, self.rng(40))

    def listed_passes(self, kind: ListKind, overlap: int) -> list[SeenPass]:
        """The list's passes."""
        return self._listed_passes(kind, overlap)

    def _made_passes(self, kind: ListKind, overlap: int) -> list[SeenPass]:
        return self._passes_of(self.listed(kind, overlap).columns, self.list_encoder)

    def whole_list_passes(self, kind: ListKind, overlap: int) -> list[list[SeenPass]]:
        """The list's passes with everybody in every block, as often as the attacker cares to encode it.

        Where one person stands for a block the attacker can't know who does, so it tries each. Where people have
        several records that are not joined at home, who stands for the list's blocks is drawn anew, and the attacker
        is wrong about some.
        """
        if self.sample.several and not self._joins:
            return [self.listed_passes(kind, overlap)]
        return self._whole_passes(kind, overlap)

    def _made_whole_passes(self, kind: ListKind, overlap: int) -> list[list[SeenPass]]:
        columns = self.listed(kind, overlap).columns
        keys = [self.rng(12, number).bytes(_KEY_BYTES) for number in range(_ENCODINGS_OF_A_LIST)]
        encoders = [exposure.encoder_of(with_whole_blocks(self.agreement), key) for key in keys]
        return [self._passes_of(columns, encoder) for encoder in encoders]

    def passes_with_secret(self, people: List) -> list[SeenPass]:
        """The list's passes under the file's secret: it has leaked."""
        return self._passes_of(people.columns, self.encoder)

    def _passes_of(self, columns: Columns, encoder: FieldFilterEncoder) -> list[SeenPass]:
        return exposure.passes(columns, encoder)

    @cached_property
    def other_file(self) -> List:
        """Another office's file, that the coordinator gets as well, and who of this file is in it."""
        return list_of(
            self.sample.file,
            self.sample.strangers,
            self.agreement.kinds(),
            overlap=OTHER_OFFICE_OVERLAP,
            errors=OTHER_OFFICE_ERRORS,
            rng=self.rng(50),
        )

    def listed_other(self, kind: ListKind, overlap: int) -> List:
        """The attacker's list of the other office's people: of as many, and as good, as its list of this file's."""
        return self._of_other_list(kind, overlap)

    def _made_other_list(self, kind: ListKind, overlap: int) -> List:
        return list_of(
            self.other_file.columns,
            self.sample.strangers,
            self.agreement.kinds(),
            overlap=overlap / 100,
            errors=ERRORS[kind],
            rng=self.rng(51, overlap, list(ERRORS).index(kind)),
        )

    @cached_property
    def both_passes(self) -> list[SeenPass]:
        """The passes of both files, with what records they are: what the two roles see together."""
        return self._both_of(self.sample.file, self.other_file.columns, self.encoder)

    def both_listed_passes(self, kind: ListKind, overlap: int) -> list[SeenPass]:
        """The same of the attacker's two lists."""
        return self._listed_both(kind, overlap)

    def _made_both_listed(self, kind: ListKind, overlap: int) -> list[SeenPass]:
        people, other = self.listed(kind, overlap), self.listed_other(kind, overlap)
        return self._both_of(people.columns, other.columns, self.list_encoder)

    def _both_of(self, file: Columns, other: Columns, encoder: FieldFilterEncoder) -> list[SeenPass]:
        return exposure.as_one(*exposure.passes_of_two(file, other, encoder), length_of(file))

    @cached_property
    def pairs(self) -> SeenPairs:
        """The pairs of the two files that are handed on."""
        return self._pairs_of(self.sample.file, self.other_file, self.encoder)

    def listed_pairs(self, kind: ListKind, overlap: int) -> SeenPairs:
        """The same of the attacker's two lists."""
        return self._listed_pairs(kind, overlap)

    def _made_listed_pairs(self, kind: ListKind, overlap: int) -> SeenPairs:
        people, other = self.listed(kind, overlap), self.listed_other(kind, overlap)
        return self._pairs_of(
            people.columns, List(other.columns, self._who_is_who(people, other)), self.list_encoder
        )

    def listed_pairs_of_one(self, kind: ListKind, overlap: int) -> SeenPairs:
        """The same by somebody who has no list of the other office, and makes its file up.

        What is made up has as many of the people on the list as the other office has of this file's, and strangers.
        """
        people = self.listed(kind, overlap)
        invented = list_of(
            people.columns,
            self.sample.strangers,
            self.agreement.kinds(),
            overlap=OTHER_OFFICE_OVERLAP,
            errors=OTHER_OFFICE_ERRORS,
            rng=self.rng(52, overlap, list(ERRORS).index(kind)),
        )
        return self._pairs_of(people.columns, invented, self.list_encoder)

    def _who_is_who(self, people: List, other: List) -> Indices:
        """Of each person on the attacker's list of this file, the place on its list of the other; NOBODY if none."""
        found = np.full(length_of(people.columns), NOBODY, dtype=np.int64)
        in_both = np.flatnonzero((people.truth != NOBODY) & (self.other_file.truth != NOBODY))
        found[people.truth[in_both]] = other.truth[self.other_file.truth[in_both]]
        return found

    def _pairs_of(self, file: Columns, other: List, encoder: FieldFilterEncoder) -> SeenPairs:
        """Pairs that the matcher would hand on; `other.truth` tells who of the first file is in the second."""
        left, right = exposure.passes_of_two(file, other.columns, encoder)
        records = length_of(file), length_of(other.columns)
        several = self.sample.several, False
        pairs = exposure.pairs_between(left, right, records, encoder.fields, duplicates=several)
        parameters = self.agreement.encoding.field_filter_parameters
        if parameters.one_person_a_block:
            random = self._random_levels(file, other.columns, encoder)
            return handed_on.as_it_is_learnt(pairs, random, self._blocked_by, duplicates=several)
        both = np.flatnonzero(other.truth != NOBODY)
        same = np.stack([both, other.truth[both] + records[0]], axis=1)
        return handed_on.as_it_would_be_known(pairs, same, encoder.fields.count)

    def _random_levels(self, file: Columns, other: Columns, encoder: FieldFilterEncoder) -> NDArray[np.int64]:
        """How often random pairs have each level, as the two departments count them."""
        one, two = (
            encoder.random_levels(columns, pairs=RANDOM_PAIRS, rng=self.rng(70, number))
            for number, columns in enumerate((file, other))
        )
        return one + two

    @cached_property
    def _blocked_by(self) -> list[list[int]]:
        """For each pass, the fields whose identifiers are parts of it."""
        names = list(self.agreement.kinds())
        passes = (each.blocking_pass() for each in self.agreement.encoding.field_filter_parameters.passes)
        return [sorted({names.index(name) for name, _, _ in each.split_parts()}) for each in passes]

    # Counting.

    def _first_of_person(self, people: List) -> Indices:
        """For each place on a list the first of the same person, as far as that can be told.

        Where people have several records, to name any of somebody's records by any other is to name that person.
        """
        if self._joins:
            return self._people(people.columns)
        kinds = self.agreement.kinds()
        who = {name: people.columns[name] for name in kinds if kinds[name] in _WHO}
        several = self.sample.several and len(who) > 1
        return _first_of_equals(who if several else people.columns)

    def counted(self, names: Names, people: List, known: Known) -> Named:
        """How many records were named; who are written alike on the list can't be told apart, and are one.

        Records that are joined at home count once.

        Args:
            names: for each record a place on the list, or NOBODY; records without one were not named.
            people: the list.
            known: recognised records, which don't count.
        """
        same = self._first_of_person(people)
        said = np.full(self.records, NOBODY, dtype=np.int64)
        said[: len(names)] = names[: self.records]
        return count(_as_first(said, same), _as_first(self._truth(people), same), known)

    def counted_over_passes(
        self, names: Sequence[Names], records: Sequence[Indices], people: List, known: Known
    ) -> Named:
        """The same where each pass is seen on its own: a record is named if it is named in any of them.

        Args:
            names: for each pass, of each of its records the place on the list, or NOBODY.
            records: for each pass, of each of its records the row of the sample.
            people: the list.
            known: recognised records, which don't count.
        """
        same = self._first_of_person(people)
        truth = _as_first(self._truth(people), same)
        best = np.full(self.records, NOBODY, dtype=np.int64)
        for said, record in zip(names, records, strict=True):
            told = _as_first(said, same)
            better = (told != NOBODY) & ((best[record] == NOBODY) | (told == truth[record]))
            best[record[better]] = told[better]
        return count(best, truth, known)


class RandomGround(Ground):
    """The same with random bits in place of every encoding: in these, nobody can be named but by luck."""

    def __init__(self, sample: Sample, agreement: Agreement, seed: int) -> None:
        self._chance = np.random.default_rng([seed, 60])
        super().__init__(sample, agreement, seed, encode=self._random_filters)

    def _random_filters(self, columns: Columns, _key: bytes) -> Bytes:
        if self.agreement.encoding.clk is None:
            raise ValueError("scheme field-filters has no whole filters")
        size = self.agreement.encoding.clk.clk_bits // 8
        return self._chance.integers(0, 256, (length_of(columns), size), dtype=np.uint8)

    def _passes_of(self, columns: Columns, encoder: FieldFilterEncoder) -> list[SeenPass]:
        """As many records in blocks of the same sizes, but any records."""
        return self._at_random(super()._passes_of(columns, encoder), length_of(columns))

    def _both_of(self, file: Columns, other: Columns, encoder: FieldFilterEncoder) -> list[SeenPass]:
        sides = exposure.passes_of_two(file, other, encoder)
        left, right = (
            self._at_random(each, length_of(columns))
            for each, columns in zip(sides, (file, other), strict=True)
        )
        return exposure.as_one(left, right, length_of(file))

    def _at_random(self, passes: Sequence[SeenPass], records: int) -> list[SeenPass]:
        chance = self._chance
        return [
            SeenPass(
                np.sort(chance.permutation(records)[: len(each.rows)]),
                chance.permutation(each.blocks),
                np.full_like(each.present, np.bitwise_or.reduce(each.present, initial=0)),
                chance.integers(0, 256, each.filters.shape, dtype=np.uint8),
            )
            for each in passes
        ]

    def _pairs_of(self, file: Columns, other: List, encoder: FieldFilterEncoder) -> SeenPairs:
        """As many pairs with the same patterns, but any records."""
        seen, chance = super()._pairs_of(file, other, encoder), self._chance
        side = [np.flatnonzero(seen.dataset == number) for number in (0, 1)]
        in_pass = np.concatenate([seen.in_pass[chance.permutation(each)] for each in side])
        left, right = (each[chance.integers(0, len(each), len(seen.left))] for each in side)
        return SeenPairs(seen.dataset, in_pass, left, right, seen.found_by, chance.permutation(seen.patterns))


def known_in_passes(known: Known, records: Sequence[Indices]) -> list[Known]:
    """Recognised records in every pass that they are in: row of the pass, place on the list.

    Args:
        known: record and place on the list, shape (known people, 2).
        records: for each pass, the record that each of its rows is of, shape (rows,).

    Returns:
        For each pass, shape (known people that are in it, 2).
    """
    found = []
    for record in records:
        row_of = np.full(int(max(record.max(initial=-1), known[:, 0].max(initial=-1))) + 1, -1, np.int64)
        row_of[record] = np.arange(len(record))
        rows = row_of[known[:, 0]]
        there = rows >= 0
        found.append(np.stack([rows[there], known[there, 1]], axis=1))
    return found


def clk_tokens(columns: Columns, features: Sequence[ClkFeature]) -> list[Collection[str]]:
    """The tokens of each record that scheme `clk` hashes, each with the feature that it is of."""
    people: list[set[str]] = [set() for _ in range(length_of(columns))]
    for number, feature in enumerate(features):
        known: dict[str, list[str]] = {}
        for tokens, value in zip(people, columns[feature.identifier], strict=True):
            if value not in known:
                known[value] = [f"{number}:{token}" for token in _tokens(value, feature)]
            tokens.update(known[value])
    return list(people)


def _tokens(value: str, feature: ClkFeature) -> list[str]:
    if not value:
        return []
    if feature.comparison != "ngram" or feature.n is None:
        return [value]
    padding = " " * (feature.n - 1)
    text = f"{padding}{value}{padding}"
    grams = [text[start : start + feature.n] for start in range(len(text) - feature.n + 1)]
    return [f"{place} {gram}" for place, gram in enumerate(grams)] if feature.positional else grams


def with_whole_blocks(agreement: Agreement) -> Agreement:
    """The agreement with everybody in every block where one person would stand for it."""
    parameters = agreement.encoding.field_filter_parameters
    if not parameters.one_person_a_block:
        return agreement
    changed = {"one_person_a_block": False, "max_block_records": _EVERYBODY_IN_A_BLOCK}
    whole = parameters.model_copy(update=changed)
    encoding = agreement.encoding.model_copy(update={"field_filters": whole})
    return agreement.model_copy(update={"encoding": encoding})


def _first_of_equals(columns: Columns) -> Indices:
    """For each person on a list the first who is written the same."""
    first: dict[tuple[str, ...], int] = {}
    people = zip(*columns.values(), strict=True)
    return np.array([first.setdefault(person, place) for place, person in enumerate(people)], dtype=np.int64)


def _as_first(names: Names, same: Indices) -> Names:
    return np.where(names == NOBODY, NOBODY, same[names])
