"""How many bits a filter of scheme `field-filters` has, and how many of them a value sets.

A value sets about as many whatever its length, so that the number of bits does not tell how long a name is. Departments
encode by it, and who receives filters refuses those that have more bits set than any value could.
"""

from __future__ import annotations

from collections.abc import Sequence

from pprl.protocol.kinds import Kind

FILTER_BITS = (64, 128, 256, 512)
LEAST_PER_FIELD, MOST_PER_FIELD = 12, 28
LONG_KINDS: tuple[Kind, ...] = ("full-name", "address-line", "free-text")
"""Values of these kinds have more tokens than names, and twice as many positions."""
SINGLE_TOKEN_KINDS: tuple[Kind, ...] = ("sex", "code")
FORENAME_KINDS: tuple[Kind, ...] = ("given-name", "full-name")
"""If there is an identifier of one of these, a record has one filter more: the canonical forename's."""

_PSEUDORANDOM_BITS = 128


def positions_of(kind: Kind, positions_per_field: int) -> int:
    """How many positions the tokens of a value share among them."""
    return positions_per_field * (1 + (kind in LONG_KINDS))


def most_of_token(filter_bits: int) -> int:
    """The most positions that one token can have: one block of pseudorandom bits gives them all."""
    return _PSEUDORANDOM_BITS // (filter_bits.bit_length() - 1)


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
