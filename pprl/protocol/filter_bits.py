"""How many bits a filter of scheme `field-filters` has, and how many of them a value sets.

A value sets about as many whatever its length, so that the number of bits does not tell how long a name is. Departments
encode by it, and who receives filters refuses those that have more bits set than any value could, or fewer: a filter of
a bit or two is part of many others, and would be taken for a name that is part of theirs.
"""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from functools import cache
from math import comb

from pprl.protocol.kinds import Kind

FILTER_BITS = (64, 128, 256, 512)
LEAST_PER_FIELD, MOST_PER_FIELD = 12, 28
LONG_KINDS: tuple[Kind, ...] = ("full-name", "address-line", "free-text")
"""Values of these kinds have more tokens than names, and twice as many positions."""
SINGLE_TOKEN_KINDS: tuple[Kind, ...] = ("sex", "code")
FORENAME_KINDS: tuple[Kind, ...] = ("given-name", "full-name")
"""If there is an identifier of one of these, a record has one filter more: the canonical forename's."""

_PSEUDORANDOM_BITS = 128
# A filter of a value has fewer bits than `least_bits` less often than once in so many.
_ONCE_IN = 10**15


def positions_of(kind: Kind, positions_per_field: int) -> int:
    """How many positions the tokens of a value share among them."""
    return positions_per_field * (1 + (kind in LONG_KINDS))


def most_of_token(filter_bits: int) -> int:
    """The most positions that one token can have: one block of pseudorandom bits gives them all."""
    return _PSEUDORANDOM_BITS // (filter_bits.bit_length() - 1)


def least_bits(kinds: Sequence[Kind], filter_bits: int, positions_per_field: int) -> list[int]:
    """For each filter of a record, the fewest bits that a value sets in it, but for less than one in 10^15.

    Tokens' positions may fall together. So no number is impossible; the least is the one below which so few of all
    possible positions leave a filter that no dataset will see it.

    Args:
        kinds: of the agreed identifiers, in the agreement's order.
        filter_bits: bits of a filter.
        positions_per_field: the agreement's.

    Returns:
        A number for each identifier, and one for the canonical forename if there is one.
    """
    drawn = _fewest_drawn(kinds, filter_bits, positions_per_field)
    return [_least_distinct(filter_bits, positions) for positions in drawn]


def chance_of_equal_filters(kinds: Sequence[Kind], filter_bits: int, positions_per_field: int) -> list[float]:
    """For each filter of a record, the chance that it is equal in two blocks, where salts draw its positions anew.

    Args:
        kinds: of the agreed identifiers, in the agreement's order.
        filter_bits: bits of a filter.
        positions_per_field: the agreement's.

    Returns:
        A number for each identifier, and one for the canonical forename if there is one.
    """
    drawn = _fewest_drawn(kinds, filter_bits, positions_per_field)
    return [_chance_of_equal(filter_bits, positions) for positions in drawn]


def _fewest_drawn(kinds: Sequence[Kind], filter_bits: int, positions_per_field: int) -> list[int]:
    """For each filter of a record, how many positions are drawn for the value with the fewest tokens."""
    of_token = most_of_token(filter_bits)
    # Every value of another kind has two different tokens at least, each of which takes its share.
    drawn = [
        min(positions_of(kind, positions_per_field), of_token * (1 if kind in SINGLE_TOKEN_KINDS else 2))
        for kind in kinds
    ]
    forename = next((kind for wanted in FORENAME_KINDS for kind in kinds if kind == wanted), None)
    if forename is not None:
        drawn.append(min(positions_of(forename, positions_per_field), of_token))
    return drawn


@cache
def _least_distinct(cells: int, drawn: int) -> int:
    """The least number that `drawn` random cells are, all different ones counted, but for one case in 10^15."""
    ways = _ways(cells, drawn)
    below, least = 0, 0
    while (below + ways[least]) * _ONCE_IN < cells**drawn:
        below += ways[least]
        least += 1
    return least


@cache
def _chance_of_equal(cells: int, drawn: int) -> float:
    """The chance that two draws of as many random cells hit the same ones."""
    alike = sum(
        Fraction(count, cells**drawn) ** 2 / comb(cells, found)
        for found, count in enumerate(_ways(cells, drawn))
    )
    return float(alike)


@cache
def _ways(cells: int, drawn: int) -> tuple[int, ...]:
    """Of all cells ** drawn ways to draw cells, how many hit 0, 1, 2 ... different ones."""
    ways = [1]
    for _ in range(drawn):
        again = [found * count for found, count in enumerate(ways)]
        other = [count * (cells - found) for found, count in enumerate(ways)]
        ways = [one + more for one, more in zip([*again, 0], [0, *other], strict=True)]
    return tuple(ways)


def most_bits(kinds: Sequence[Kind], filter_bits: int, positions_per_field: int) -> list[int]:
    """For each filter of a record, the most bits that any value sets in it.

    Args:
        kinds: of the agreed identifiers, in the agreement's order.
        filter_bits: bits of a filter.
        positions_per_field: the agreement's.

    Returns:
        A number for each identifier, and one for the canonical forename if there is one.
    """
    of_token = most_of_token(filter_bits)
    most = [
        min(positions_of(kind, positions_per_field), of_token if kind in SINGLE_TOKEN_KINDS else filter_bits)
        for kind in kinds
    ]
    forename = next((kind for wanted in FORENAME_KINDS for kind in kinds if kind == wanted), None)
    if forename is not None:
        most.append(min(positions_of(forename, positions_per_field), of_token))
    return most
