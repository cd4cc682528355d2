"""How many records of each group were linked, with small numbers hidden. Pure; `pprl.research` reads the tables.

The rules of disclosure, in the order in which they are applied, to one grouping of one dataset at a time:

1. A group is hidden if fewer than `small_number_limit` of its people were linked, or fewer were not: nobody's own
   status can then be read off "none of them" or "all of them". So a group of fewer people is hidden as well.
2. Hidden groups must pass rule 1 together, as whoever knows the total has their sum by subtraction. Until they do,
   the shown group of the fewest people is hidden with them. A group alone never passes, so none is hidden alone.
3. If even all records together don't pass, nothing of the dataset is shown.
4. Counts are rounded to the nearest `ROUNDED_TO`, and rates, intervals and differences are worked out from the rounded
   counts, so that no exact count follows from them.

Groupings are never crossed. People are counted for the rules, and linkage keys for the rates: somebody with ten records
in a dataset is one person, and no crowd.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import sqrt

import numpy as np
from numpy.typing import NDArray

from pprl.protocol.groups import Grouping

ROUNDED_TO = 5
Z_95 = 1.959964

Mask = NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class LinkedRecords:
    """The linkage keys of a dataset.

    Attributes:
        people: whose each is, shape (keys,); a key that the crosswalk lacks is a person of its own.
        linked: whether that person has a key in another dataset, shape (keys,).
        groups: for each grouping, a group a key.
    """

    people: NDArray[np.int64]
    linked: Mask
    groups: Mapping[Grouping, Sequence[str]]


@dataclass(frozen=True, slots=True)
class Count:
    """Exact numbers of some linkage keys, and of the people whose they are. Never shown as they are."""

    keys: int
    linked_keys: int
    people: int
    linked_people: int

    def is_safe(self, limit: int) -> bool:
        """Whether it may be shown: rule 1."""
        return self.linked_people >= limit and self.people - self.linked_people >= limit


@dataclass(frozen=True, slots=True)
class Rate:
    """A linkage rate that may be shown.

    Attributes:
        number: linkage keys, rounded.
        linked: those whose person has a key in another dataset, rounded.
        rate: the share, from 0 to 1; None if `number` was rounded to 0.
        low: lower end of its Wilson interval of 95 %.
        high: upper end.
    """

    number: int
    linked: int
    rate: float | None
    low: float | None
    high: float | None


@dataclass(frozen=True, slots=True)
class Difference:
    """The largest difference between two groups that are shown, in percentage points."""

    points: float
    highest: str
    lowest: str


@dataclass(frozen=True, slots=True)
class GroupRates:
    """The rates of a grouping.

    Attributes:
        groups: every group that occurs, in order of its name; None where it is hidden.
        together: of the hidden groups as one, which whoever knows the total could work out; None where none is
            hidden, or all are.
        difference: None where fewer than two groups are shown.
    """

    groups: Mapping[str, Rate | None]
    together: Rate | None
    difference: Difference | None


@dataclass(frozen=True, slots=True)
class DatasetRates:
    """The rates of a dataset.

    Attributes:
        overall: of all records; None if too few people were linked, or too few were not.
        by: of each grouping.
    """

    overall: Rate | None
    by: Mapping[Grouping, GroupRates]


def rates_of(records: LinkedRecords, *, limit: int) -> DatasetRates:
    """Work out the rates of a dataset; the research environment runs this.

    Args:
        records: its linkage keys.
        limit: `release.small_number_limit`.

    Leaks: rounded counts of groups that pass the rules above; who may see them learns no more of anybody than these.
    """
    everybody = count(records, np.ones(len(records.people), dtype=bool))
    return DatasetRates(
        shown(everybody) if everybody.is_safe(limit) else None,
        {grouping: _by_group(records, values, limit) for grouping, values in records.groups.items()},
    )


def count(records: LinkedRecords, chosen: Mask) -> Count:
    """Count some of the linkage keys.

    Args:
        records: linkage keys of a dataset with their people.
        chosen: which of them, shape (keys,).
    """
    linked = chosen & records.linked
    return Count(
        int(chosen.sum()),
        int(linked.sum()),
        len(np.unique(records.people[chosen])),
        len(np.unique(records.people[linked])),
    )


def hidden_groups(records: LinkedRecords, members: Mapping[str, Mask], *, limit: int) -> set[str]:
    """The groups that may not be shown: rules 1 and 2.

    Args:
        records: the linkage keys of a dataset.
        members: for each group, which keys are in it; every key is in one.
        limit: `release.small_number_limit`.
    """
    counts = {group: count(records, mask) for group, mask in members.items()}
    hidden = {group for group in members if not counts[group].is_safe(limit)}
    others = sorted(set(members) - hidden, key=lambda group: (counts[group].people, group))
    while hidden and others:
        if count(records, _any_of(members, hidden)).is_safe(limit):
            break
        hidden.add(others.pop(0))
    return hidden


def shown(exact: Count) -> Rate:
    """A count as it may be shown: rule 4."""
    number, linked = _rounded(exact.keys), _rounded(exact.linked_keys)
    if number == 0:
        return Rate(number, linked, None, None, None)
    return Rate(number, linked, linked / number, *wilson(linked, number))


def wilson(count: float, total: float) -> tuple[float, float]:
    """The 95 % interval of a share that was counted; `total` is above 0.

    Source:
        Wilson (1927), Probable inference, the law of succession, and statistical inference, JASA 22, 209-212: the
        score interval.
    """
    rate, spread = count / total, Z_95**2 / total
    middle = (rate + spread / 2) / (1 + spread)
    half = sqrt(spread * (rate * (1 - rate) + spread / 4)) / (1 + spread)
    return max(0.0, middle - half), min(1.0, middle + half)


def _rounded(exact: int) -> int:
    return ROUNDED_TO * round(exact / ROUNDED_TO)


def _by_group(records: LinkedRecords, values: Sequence[str], limit: int) -> GroupRates:
    names, places = np.unique(np.array(values, dtype=str), return_inverse=True)
    members = {str(name): places == place for place, name in enumerate(names)}
    hidden = hidden_groups(records, members, limit=limit)
    rates = {
        group: None if group in hidden else shown(count(records, mask)) for group, mask in members.items()
    }
    return GroupRates(rates, _together(records, members, hidden), _largest_difference(rates))


def _together(records: LinkedRecords, members: Mapping[str, Mask], hidden: set[str]) -> Rate | None:
    """Safe by rule 2, unless all groups had to be hidden."""
    if not hidden or len(hidden) == len(members):
        return None
    return shown(count(records, _any_of(members, hidden)))


def _any_of(members: Mapping[str, Mask], groups: set[str]) -> Mask:
    return np.asarray(np.logical_or.reduce([members[group] for group in sorted(groups)]), dtype=bool)


def _largest_difference(rates: Mapping[str, Rate | None]) -> Difference | None:
    known = {group: each.rate for group, each in rates.items() if each is not None and each.rate is not None}
    if len(known) < 2:
        return None
    highest, lowest = max(known, key=known.__getitem__), min(known, key=known.__getitem__)
    return Difference(100 * (known[highest] - known[lowest]), highest, lowest)
