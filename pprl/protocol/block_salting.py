"""Whether filters of scheme `field-filters` are salted by their block: then no filter stands in two blocks.

Departments and the matcher look alike. A filter that stands in two blocks of a pass would show that a value is there
in both, and many such show how frequent names are, which is what the salt is there to hide. Filters of two blocks are
drawn at random, so that two are equal by chance now and then, if they are short and many: as often as
`pprl.protocol.filter_bits` says for the agreed numbers. More is refused.

For filters of 128 bits with 20 positions and a million blocks, chance makes 1e-9 equal ones, and a single one is
refused. For the fewest that can be agreed, 64 bits and 12 positions, it makes .3, and the sixth is refused.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from pprl.protocol.agreement import Agreement
from pprl.protocol.filter_bits import chance_of_equal_filters
from pprl.protocol.framing import Bytes
from pprl.protocol.levels import compiled
from pprl.protocol.random_order import different

_FALSE = 1e-6
# Where a Poisson count is normal enough, so many standard deviations are above its mean.
_MANY, _SPREADS = 100, 6
_MIXED = np.uint64(0x9E3779B97F4A7C15)
_SHIFT = np.uint64(29)

Words = NDArray[np.uint64]


def stand_in_two_blocks(tags: Bytes, filters: Bytes, agreement: Agreement) -> bool:
    """Whether more filters of a pass stand in two blocks than chance explains.

    Args:
        tags: of the records' blocks, shape (records, bytes).
        filters: shape (records, filters, bytes); empty ones are of missing values.
        agreement: says how many bits filters have, and how many positions values.
    """
    parameters = agreement.encoding.field_filter_parameters
    chances = chance_of_equal_filters(
        [*agreement.kinds().values()], parameters.filter_bits, parameters.positions_per_field
    )
    blocks = mixed(tags)
    for place, chance in enumerate(chances):
        there = filters[:, place].any(axis=1)
        if too_often(mixed(filters[there, place]), blocks[there], chance):
            return True
    return False


def too_often(numbers: Words, blocks: Words, chance: float) -> bool:
    """Whether the filters of one field do: there are fewer different ones than different ones in their blocks.

    Args:
        numbers: of the filters that are not empty, as `mixed` gives them.
        blocks: of their blocks.
        chance: that two filters of different blocks are equal.
    """
    in_blocks = different(mixed(np.stack([numbers, blocks], axis=1)))
    repeated = in_blocks - different(numbers)
    return repeated > 0 and repeated > _most_by_chance(chance * in_blocks * (in_blocks - 1) / 2)


def _most_by_chance(expected: float) -> int:
    """The number that a Poisson count with this mean exceeds less often than once in a million times."""
    if expected > _MANY:
        return math.ceil(expected + _SPREADS * math.sqrt(expected))
    term = math.exp(-expected)
    left, most = 1 - term, 0
    while left >= _FALSE:
        most += 1
        term *= expected / most
        left -= term
    return most


def mixed(rows: Bytes | Words) -> Words:
    """A number for each row, equal for equal ones; for others by an accident of one in 2 ** 64.

    Args:
        rows: shape (rows, bytes) with a multiple of 8 bytes, or (rows, words).

    Returns:
        Shape (rows,).
    """
    words = np.ascontiguousarray(rows).view(np.uint64)
    numbers = np.zeros(len(words), dtype=np.uint64)
    for place in range(words.shape[1]):
        numbers = (numbers ^ words[:, place]) * _MIXED
        numbers ^= numbers >> _SHIFT
    return numbers


@compiled
def mixed_in(number: np.uint64, word: np.uint64) -> np.uint64:
    """The number of a row that has one word more, in compiled code."""
    number = (number ^ word) * _MIXED
    return number ^ (number >> _SHIFT)
