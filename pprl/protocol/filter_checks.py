"""The checks of filters, in one sweep over a batch of records. Who receives encodings runs this, for each pass.

It only finds that something is wrong with a batch. What, the slow and plain checks of `pprl.protocol.submission` tell,
which look at that batch again: the two find the same, and tests hold them to it.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from pprl.protocol import block_salting
from pprl.protocol.agreement import AgreementFile
from pprl.protocol.filter_bits import chance_of_equal_filters, least_bits, most_bits
from pprl.protocol.framing import Bytes
from pprl.protocol.levels import bits_of, compiled
from pprl.protocol.random_order import different, in_order

Words = NDArray[np.uint64]
Limits = NDArray[np.int64]


class SweptPass:
    """What is known of a pass's filters after some of its batches.

    Eight bytes a filter and sixteen a tag are remembered, whatever the size of the filters.
    """

    def __init__(self, agreement: AgreementFile, records: int) -> None:
        """Begin a pass.

        Args:
            agreement: sets what a filter may be.
            records: how many the pass has, in all batches.
        """
        content = agreement.content
        parameters = content.encoding.field_filter_parameters
        kinds = [*content.kinds().values()]
        about = kinds, parameters.filter_bits, parameters.positions_per_field
        self._most = np.array(most_bits(*about), dtype=np.int64)
        self._least = np.array(least_bits(*about), dtype=np.int64)
        self._chances = chance_of_equal_filters(*about)
        self._most_bits = content.privacy.max_popcount_share * len(self._most) * parameters.filter_bits
        self._tags = np.empty((records, 2), dtype=np.uint64)
        self._numbers = np.empty((len(self._most), records), dtype=np.uint64)
        self._seen = 0

    def sound(self, tags: Bytes, present: NDArray[np.uint32], filters: Bytes) -> bool:
        """Look at the next batch: whether each filter has as many bits as it may, and is there if it is said to be.

        Args:
            tags: shape (records, 16).
            present: mask of the filters that stand for a value.
            filters: shape (records, filters, bytes).
        """
        start, stop = self._seen, self._seen + len(tags)
        self._seen = stop
        self._tags[start:stop] = tags.view(np.uint64)
        words = filters.view(np.uint64)
        return _sound(words, present, self._most, self._least, self._most_bits, start, self._numbers)

    def blocks_within(self, most: int) -> bool:
        """Whether no tag can stand more than `most` times; that it does not is sure, that it does may be chance."""
        firsts = in_order(self._tags[:, 0])
        return len(firsts) <= most or not (firsts[most:] == firsts[:-most]).any()

    @property
    def tags(self) -> Bytes:
        """All tags, shape (records, 16)."""
        return self._tags.view(np.uint8)

    def salted_by_block(self) -> bool:
        """Whether no more filters stand in two blocks than chance explains; see `block_salting`."""
        blocks = None
        for numbers, chance in zip(self._numbers, self._chances, strict=True):
            there = numbers != 0
            found = numbers[there]
            if different(found) == len(found):
                continue
            blocks = block_salting.mixed(self.tags) if blocks is None else blocks
            if block_salting.too_often(found, blocks[there], chance):
                return False
        return True


@compiled
def _sound(
    filters: Words,
    present: NDArray[np.uint32],
    most: Limits,
    least: Limits,
    most_bits_of_all: float,
    start: int,
    numbers: Words,
) -> bool:
    """Check each filter's bits and the mask, and note a number for each filter: 0 where it is empty."""
    well = True
    for row in range(len(filters)):
        total, there = 0, 0
        for field in range(len(most)):
            bits, mixed = 0, np.uint64(0)
            for place in range(filters.shape[2]):
                word = filters[row, field, place]
                bits += bits_of(word)
                mixed = block_salting.mixed_in(mixed, word)
            numbers[field, start + row] = max(mixed, np.uint64(1)) if bits else np.uint64(0)
            well &= bits <= most[field] and (bits == 0 or bits >= least[field])
            there |= (1 if bits else 0) << field
            total += bits
        well &= 0 < total <= most_bits_of_all and there == present[row]
    return well
