"""Counts that may be shown: none that is small, and none from which a small one could be worked out. Pure.

A count of people or pairs above 0 and below the agreement's `release.small_number_limit` becomes None. Where counts
add up to a number that is known, a single hidden one would be the difference: so others are hidden with it, the
smallest first, until those that are hidden add up to the limit at least.
"""

from __future__ import annotations

from collections.abc import Sequence


def shown(count: int, limit: int) -> int | None:
    """A count that stands alone; None if it is small."""
    return None if 0 < count < limit else int(count)


def shown_together(counts: Sequence[int], limit: int) -> list[int | None]:
    """Counts whose sum is known; None for those that are small, and for those that would give them away.

    Args:
        counts: whole numbers from 0.
        limit: the least count above 0 that may be shown.
    """
    hidden = {place for place, count in enumerate(counts) if 0 < count < limit}
    others = sorted((count, place) for place, count in enumerate(counts) if count >= limit)
    for _, place in others:
        if not hidden or (len(hidden) > 1 and sum(counts[each] for each in hidden) >= limit):
            break
        hidden.add(place)
    return [None if place in hidden else int(count) for place, count in enumerate(counts)]


def rounded_down(count: int, limit: int) -> int:
    """A count in steps of the limit, so that two of them don't tell of a few pairs by their difference."""
    return int(count) // limit * limit
