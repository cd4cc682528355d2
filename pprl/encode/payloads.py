"""What is sent of each record in each pass, made when it is asked for: the part of encoding that the schemes differ in.

Runs at departments only. Before anything is sent it is settled who is in which pass, so that headers can count; what
a record's encoding is comes out of its numbered values when its turn has come, under its pass's random names. So one
piece of one pass is in memory, and never a whole submission.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from pprl.encode import match_keys
from pprl.encode.at_home import Joined, by_person, joined
from pprl.encode.clk import ClkEncoder
from pprl.encode.copies import copies_among, originals
from pprl.encode.passes import NO_BLOCK, Coded
from pprl.protocol import submission
from pprl.protocol.agreement import AgreementFile, Dataset
from pprl.protocol.blocking import BlockingPass
from pprl.protocol.cores import cores
from pprl.protocol.framing import ID_BYTES, Bytes
from pprl.protocol.pattern_counts import RANDOM_PAIRS, PatternCounts

if TYPE_CHECKING:
    from pprl.encode.field_filters import PlannedPass

Indices = NDArray[np.int64]
Columns = Mapping[str, Coded]
RandomBytes = Callable[[int], bytes]
Progress = Callable[[str, float], None]
MakePiece = Callable[[Indices], Bytes]
"""From records of a pass, by their places in `Payloads.rows`, to what is sent of each, shape (n, payload bytes)."""


def untold(_what: str, _share: float) -> None:
    """Nobody watches."""


class Payloads(ABC):
    """A dataset's records on their way out, under one scheme.

    Attributes:
        originals: for each encodable record the place of the one that it is encoded with, its own as a rule.
        copies: how many records equal another one and are not encoded again.
        joined: how many others are joined with another one at home.
        payload_bytes: bytes of what is sent of a record, without its reference.
        header_members: members of the header of `encodings` that the scheme adds.
    """

    originals: Indices
    copies: int = 0
    joined: int = 0
    payload_bytes: int
    header_members: Mapping[str, Any]

    @property
    @abstractmethod
    def names(self) -> tuple[str, ...]:
        """The passes."""

    @abstractmethod
    def rows(self, pass_: int) -> Indices:
        """Places among the encodable records of those that are in a pass, ascending."""

    @abstractmethod
    def begin(self, pass_: int) -> tuple[MakePiece, Checks]:
        """Get ready to make the payloads of a pass; passes are begun in their order, and each once.

        Returns:
            What makes the payloads, and the checks that they owe before they may leave.
        """

    @abstractmethod
    def threads(self) -> int:
        """How many threads may make payloads of one pass at the same time."""

    @abstractmethod
    def references_members(self) -> tuple[Mapping[str, Any], PatternCounts | None]:
        """Members that the scheme adds to the header of `references`, and own patterns; once all passes are made."""


class Checks(ABC):
    """What is refused before it leaves: piece by piece, and in the end what shows in the whole pass alone."""

    @abstractmethod
    def piece(self, payload: Bytes) -> None:
        """Refuse a piece.

        Raises:
            DisclosureError: an encoding has too many bits set, or too few.
        """

    @abstractmethod
    def whole(self) -> None:
        """Refuse the pass.

        Raises:
            DisclosureError: its encodings show more than they may.
        """


class ClkPayloads(Payloads):
    """Scheme `clk`: one pass, a CLK a record, and a tag for each match key.

    Args:
        columns: numbered columns of the records that can be encoded.
        dataset: the dataset that they are.
        agreement: the agreement.
        key: the scheme's key.
        random_bytes: the source of tags that stand for no value.
    """

    def __init__(
        self,
        columns: Columns,
        dataset: Dataset,
        agreement: AgreementFile,
        key: bytes,
        random_bytes: RandomBytes,
    ) -> None:
        self._columns, self._dataset, self._agreement = columns, dataset, agreement
        self._encoder = ClkEncoder(agreement.content, key)
        self.originals = np.arange(len(next(iter(columns.values())).codes))
        self.header_members = {}
        self._members: dict[str, Any] = {}
        self._tags = np.empty((len(self.originals), 0), dtype=np.uint8)
        agreed = agreed_match_keys(agreement)
        if agreed:
            # Whether a value is another record's too is known when all have been read.
            names = [each.name for each in agreed]
            values = match_keys.values_of(columns, agreed, agreement.content.kinds())
            tags = match_keys.tags(values, names, key, random_bytes=random_bytes)
            self._tags = tags.reshape(len(tags), -1)
            self._members = {"match_key_pairs": match_keys.survey(values, names).own_pairs}
        clk_bytes = agreement.content.encoding.clk_parameters.clk_bits // 8
        self.payload_bytes = clk_bytes + self._tags.shape[1]

    @property
    def names(self) -> tuple[str, ...]:
        """The one pass."""
        return (submission.CLK_PASS,)

    def rows(self, pass_: int) -> Indices:  # noqa: ARG002 - there is one
        """All records."""
        return self.originals

    def begin(self, pass_: int) -> tuple[MakePiece, Checks]:  # noqa: ARG002 - there is one
        """CLKs of any records, and the checks of whole encodings."""
        return self._piece, ClkChecks(self._dataset, self._agreement)

    def threads(self) -> int:
        """One: the encoder remembers tokens as it meets them."""
        return 1

    def _piece(self, places: Indices) -> Bytes:
        return np.hstack([self._encoder.encode_coded(self._columns, places), self._tags[places]])

    def references_members(self) -> tuple[Mapping[str, Any], PatternCounts | None]:
        """How many pairs share a match key, if there are match keys."""
        return self._members, None


class ClkChecks(Checks):
    """No wildcards, and where the agreement says so no visible structure.

    Args:
        dataset: the dataset that is encoded.
        agreement: the agreement.
    """

    def __init__(self, dataset: Dataset, agreement: AgreementFile) -> None:
        self._dataset, self._agreement = dataset, agreement
        self._bytes = agreement.content.encoding.clk_parameters.clk_bits // 8
        self._looks = agreement.content.privacy.visible_structure == "refuse"
        self._sample: Bytes | None = None

    def piece(self, payload: Bytes) -> None:
        """Refuse a piece with a wildcard in it, and take it into the sample that is measured."""
        clks = payload[:, : self._bytes]
        submission.require_no_wildcards(clks, self._agreement)
        if self._looks:
            from pprl.protocol import encoding_metrics  # noqa: PLC0415 - compiles; few agreements ask for it

            seen = clks if self._sample is None else np.vstack([self._sample, clks])
            self._sample = encoding_metrics.sample(seen)

    def whole(self) -> None:
        """Refuse encodings that do not look like random bits."""
        if self._sample is not None:
            submission.require_no_visible_structure(self._sample, copies=self._dataset.may_have_duplicates)


class FieldFilterPayloads(Payloads):
    """Scheme `field-filters`: tag, mask and filters of the records that stand for their blocks, in each pass.

    Args:
        columns: numbered columns of the records that can be encoded.
        dataset: the dataset that they are.
        agreement: the agreement.
        key: the scheme's key.
        random_bytes: the source of random pairs and their salts.
        told: takes what is done, and the share of it that is done.
    """

    def __init__(
        self,
        columns: Columns,
        dataset: Dataset,
        agreement: AgreementFile,
        key: bytes,
        random_bytes: RandomBytes,
        told: Progress,
    ) -> None:
        from pprl.encode.field_filters import FieldFilterEncoder  # noqa: PLC0415 - compiles
        from pprl.encode.own_pairs import OwnPairs  # noqa: PLC0415

        self._dataset, self._agreement = dataset, agreement
        columns, self.originals = without_copies(columns, dataset, agreement)
        self._encoded = np.unique(self.originals)
        self.copies = copies_among(self.originals)
        self._encoder = FieldFilterEncoder.agreed(agreement.content, key, several=dataset.may_have_duplicates)
        records = self._encoder.records(columns)
        self._values = records.filters
        self._people = None if records.home is None else by_person(records.home)
        if records.home is not None:
            self.originals = self._encoded[records.home[np.searchsorted(self._encoded, self.originals)]]
            self.joined = copies_among(records.home)
        rng = np.random.default_rng(int.from_bytes(random_bytes(16)))
        levels = self._encoder.random_levels(records, pairs=RANDOM_PAIRS, rng=rng)
        passes = len(agreement.content.encoding.field_filter_parameters.passes)
        people = len(self._encoded) - self.joined
        blocks = np.full((people, passes), NO_BLOCK, dtype=np.int32)
        self._plans = []
        for place, planned in enumerate(self._encoder.plan(records)):
            told("blocks", place / passes)
            self._plans.append(self._with_blocks(planned, blocks[:, place]))
        self._own = OwnPairs(blocks, self._encoder.fields)
        ((_, record_bytes), *_) = submission.passes(agreement)
        self.payload_bytes = record_bytes - ID_BYTES
        self.header_members = {
            "random_levels": tuple(tuple(map(int, field)) for field in levels),
            "suppressed": tuple(planned.suppressed for planned in self._plans),
        }

    @property
    def names(self) -> tuple[str, ...]:
        """The agreement's passes."""
        return tuple(planned.name for planned in self._plans)

    def rows(self, pass_: int) -> Indices:
        """Those who stand for their blocks."""
        found: Indices = self._encoded[np.flatnonzero(self._plans[pass_].sent)]
        return found

    def begin(self, pass_: int) -> tuple[MakePiece, Checks]:
        """Digest the pass's blocks, and count the own pairs that it is the first to find."""
        planned = self._plans[pass_]
        salted = self._encoder.salted(planned)
        filters_of = partial(self._encoder.filters, self._values, salted)
        if self._people is None:
            self._own.add(pass_, filters_of)
        else:
            stands = _standing(planned, self._people)
            self._own.add(pass_, lambda people: filters_of(stands[people]))
        sent = np.flatnonzero(planned.sent)

        def piece(places: Indices) -> Bytes:
            rows = sent[places]
            filters, present = filters_of(rows)
            tags = salted.tags.take(planned.blocks[rows], axis=0)
            return submission.payload_of(submission.Blocked(tags, present, filters.view(np.uint8)))

        return piece, FieldFilterChecks(self._dataset, self._agreement, len(sent))

    def _with_blocks(self, planned: PlannedPass, blocks: NDArray[np.int32]) -> PlannedPass:
        """Put a pass's blocks into their column for own pairs, a row a person; kept once where each has one record."""
        if self._people is None:
            blocks[:] = planned.blocks
            return replace(planned, blocks=blocks)
        there = np.flatnonzero(planned.blocks != NO_BLOCK)
        blocks[self._people[there]] = planned.blocks[there]
        return planned

    def threads(self) -> int:
        """As many as there are cores: filters are made of numbers that no longer change."""
        return cores()

    def references_members(self) -> tuple[Mapping[str, Any], PatternCounts | None]:
        """How many records stand behind another, and how alike the others are."""
        counted = self._own.counted()
        return {"copies": copies_among(self.originals), "own_patterns": len(counted.patterns)}, counted


def _standing(planned: PlannedPass, people: Indices) -> Indices:
    """The record of each person that is sent in a pass or compared at home; any for people without."""
    stands = np.zeros(int(people.max(initial=-1)) + 1, dtype=np.int64)
    there = np.flatnonzero(planned.blocks != NO_BLOCK)
    stands[people[there]] = there
    return stands


class FieldFilterChecks(Checks):
    """The checks that the matcher makes of a pass.

    Args:
        dataset: the dataset that is encoded.
        agreement: the agreement.
        records: how many records the pass has.
    """

    def __init__(self, dataset: Dataset, agreement: AgreementFile, records: int) -> None:
        self._checked = submission.FiltersOfPass(agreement, dataset, records)

    def piece(self, payload: Bytes) -> None:
        """Refuse a filter that no value has, and a record of wildcards."""
        self._checked.batch(payload)

    def whole(self) -> None:
        """Refuse filters that stand in two blocks, and too large blocks."""
        self._checked.whole()


def agreed_match_keys(agreement: AgreementFile) -> list[BlockingPass]:
    """The match keys of scheme `clk`."""
    return [each.blocking_pass() for each in agreement.content.encoding.clk_parameters.match_keys]


def without_joined(columns: Columns, dataset: Dataset, agreement: AgreementFile) -> Joined:
    """The records that are encoded as the department joins them itself.

    Args:
        columns: of the records that `without_copies` leaves.
        dataset: the dataset that they are.
        agreement: the agreement.
    """
    if agreement.content.encoding.field_filter_parameters.joins(dataset):
        return joined(columns, agreement.content.kinds())
    return Joined(np.arange(len(next(iter(columns.values())).codes)), 0.0)


def without_copies(columns: Columns, dataset: Dataset, agreement: AgreementFile) -> tuple[Columns, Indices]:
    """The columns of the records that scheme `field-filters` encodes, and for all records the place of their original.

    Where people have one record each, equal records are of different people.
    """
    if not dataset.may_have_duplicates:
        return columns, np.arange(len(next(iter(columns.values())).codes))
    original_of_each = originals(columns, agreement.content.kinds())
    encoded = np.unique(original_of_each)
    return {name: column.of(encoded) for name, column in columns.items()}, original_of_each
