"""Which records of a file are attacked, and who the strangers on an attacker's list are.

A large file is sampled by whole postcode, so that households stay whole: relatives are what attackers take each other
for, and what they recognise people by. Strangers are the records that were left out; where there are too few, made-up
people stand in.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from pprl.encode.standardise import InvalidValue, standardise
from pprl.privacy.views import Indices
from pprl.protocol.kinds import Kind
from pprl.synthetic import linkage_pair

LARGEST_SHARE_OF_A_POSTCODE = 0.05
"""A postcode with more of the sample than this is no street: its records are drawn one by one."""

STRANGERS_IN_100 = 80
"""Strangers for each hundred records: enough for a list of which a fifth are the file's."""

Columns = Mapping[str, Sequence[str]]


@dataclass(frozen=True, slots=True)
class Sample:
    """Who is attacked, and other people.

    Attributes:
        file: standardised values of the records that are attacked, by identifier.
        strangers: of other people.
        of: how many records the file has in all.
        several: whether a person may have more than one of them.
    """

    file: dict[str, list[str]]
    strangers: dict[str, list[str]]
    of: int
    several: bool = False

    @property
    def records(self) -> int:
        """How many records are attacked."""
        return length_of(self.file)


def sample(
    columns: Columns, kinds: Mapping[str, Kind], *, people: int, seed: int, several: bool = False
) -> Sample:
    """Choose the records to attack; a department runs it on its own file.

    Args:
        columns: standardised values of all records that would be encoded.
        kinds: the kind of each identifier.
        people: most records to attack; a smaller file is taken whole.
        seed: of all choices.
        several: whether a person may have more than one record.
    """
    rng = np.random.default_rng([seed, 0])
    chosen = _by_postcode(_postcodes(columns, kinds), people, rng)
    others = np.setdiff1d(np.arange(length_of(columns)), chosen)
    wanted = -(-STRANGERS_IN_100 * len(chosen) // 100)
    others = others[rng.permutation(len(others))[:wanted]]
    file, strange = _rows(columns, chosen), _rows(columns, others)
    if len(others) < wanted:
        made = made_up(file, kinds, wanted - len(others), seed)
        strange = {name: values + made[name] for name, values in strange.items()}
    return Sample(file, strange, length_of(columns), several)


def length_of(columns: Columns) -> int:
    """How many records some columns have."""
    return len(next(iter(columns.values())))


def made_up(like: Columns, kinds: Mapping[str, Kind], people: int, seed: int) -> dict[str, list[str]]:
    """Standardised made-up people of the country.

    What generated people don't have, such as a house number, is drawn from the values of `like`.

    Args:
        like: standardised values of a file, by identifier; drawn from where nobody can make them up.
        kinds: of the identifiers that are wanted.
        people: how many.
        seed: of all that is drawn.

    Returns:
        Values by identifier, `people` of each; "" everywhere in what the file doesn't have.
    """
    made = linkage_pair(people, 1, 0.0, seed=seed).a.columns
    rng = np.random.default_rng([seed, 1])
    columns = {}
    for name, kind in kinds.items():
        drawn = _drawn(like[name], people, rng) if kind not in _MADE else _made(made, kind)
        # What no record of the file has, no stranger has either: the difference would tell them apart.
        columns[name] = drawn if any(like[name]) else [""] * people
    return columns


def _postcodes(columns: Columns, kinds: Mapping[str, Kind]) -> Indices:
    """A number for each record, equal for those of one postcode; records without one have one of their own."""
    records = length_of(columns)
    name = next((name for name, kind in kinds.items() if kind == "postcode"), None)
    if name is None:
        return np.arange(records)
    number: dict[str, int] = {}
    return np.array(
        [number.setdefault(value or f" {place}", len(number)) for place, value in enumerate(columns[name])],
        dtype=np.int64,
    )


def _by_postcode(groups: Indices, people: int, rng: np.random.Generator) -> Indices:
    """Records of groups that are drawn at random until no further one fits."""
    if len(groups) <= people:
        return np.arange(len(groups))
    sizes = np.bincount(groups)
    large = sizes[groups] > max(1.0, LARGEST_SHARE_OF_A_POSTCODE * people)
    alone = np.where(large, len(sizes) + np.arange(len(groups)), groups)
    numbers = np.unique(alone, return_inverse=True)[1].reshape(-1)
    order = rng.permutation(int(numbers.max()) + 1)
    kept = np.zeros(len(order), dtype=bool)
    kept[order[np.cumsum(np.bincount(numbers)[order]) <= people]] = True
    return np.flatnonzero(kept[numbers])


def _rows(columns: Columns, rows: Indices) -> dict[str, list[str]]:
    places = rows.tolist()
    return {name: [values[place] for place in places] for name, values in columns.items()}


def _drawn(values: Sequence[str], people: int, rng: np.random.Generator) -> list[str]:
    return [values[place] for place in rng.integers(0, len(values), people).tolist()]


def _made(made: Mapping[str, list[str]], kind: Kind) -> list[str]:
    """Generated people's values of a kind, standardised; those that break a rule are missing."""
    raw = [" ".join(filter(None, parts)) for parts in zip(*(made[name] for name in _MADE[kind]), strict=True)]
    if kind == "year-of-birth":
        raw = [value[:4] for value in raw]
    known = {value: _standardised(kind, value) for value in set(raw)}
    return [known[value] for value in raw]


def _standardised(kind: Kind, value: str) -> str:
    try:
        return standardise(kind, value) if value else ""
    except InvalidValue:
        return ""


_MADE: Mapping[Kind, tuple[str, ...]] = {
    "given-name": ("given_name",),
    "middle-names": ("middle_names",),
    "surname": ("surname",),
    "full-name": ("given_name", "surname"),
    "date-of-birth": ("date_of_birth",),
    "year-of-birth": ("date_of_birth",),
    "sex": ("sex",),
    "postcode": ("postcode",),
}
