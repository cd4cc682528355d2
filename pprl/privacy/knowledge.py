"""What an attacker knows: a list of people in plain text, more or less right, and records that it recognises.

A list has as many people as the file has records. A share of them are the file's own, the rest strangers. The very
file is written down alike; a list with errors is of the same people as another office would have written them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from pprl.privacy.views import NOBODY, Known, Names
from pprl.protocol.kinds import Kind

Errors = Literal["none", "light", "heavy"]
Columns = Mapping[str, Sequence[str]]

# Chance that a value is written differently, by how carelessly the list was kept.
_SHARE: dict[Errors, float] = {"none": 0.0, "light": 0.03, "heavy": 0.15}
_MISSING = 0.2
_LETTERS, _DIGITS = "abcdefghijklmnopqrstuvwxyz", "0123456789"


@dataclass(frozen=True, slots=True)
class List:
    """People that an attacker knows of.

    Attributes:
        columns: standardised values by identifier, one entry a person.
        truth: for each record of the file, its person's place on the list, NOBODY if not on it; shape (records,).
    """

    columns: dict[str, list[str]]
    truth: Names


def list_of(
    file: Columns,
    strangers: Columns,
    kinds: Mapping[str, Kind],
    *,
    overlap: float,
    errors: Errors,
    rng: np.random.Generator,
) -> List:
    """The list of an attacker who knows a share of the people in a file.

    Args:
        file: standardised values of the records that are attacked.
        strangers: of other people, to fill the list up; with too few of them the list is shorter.
        kinds: the kind of each identifier.
        overlap: share of the file's people who are on the list.
        errors: how carelessly the list was kept.
        rng: draws people, their order and errors.
    """
    records = len(next(iter(file.values())))
    there = rng.permutation(records)[: round(overlap * records)]
    others = len(next(iter(strangers.values()))) if strangers else 0
    filling = rng.permutation(others)[: records - len(there)]
    order = rng.permutation(len(there) + len(filling))
    columns = {}
    for name, kind in kinds.items():
        own = [_written(file[name][place], kind, errors, rng) for place in there.tolist()]
        values = own + [strangers[name][place] for place in filling.tolist()]
        columns[name] = [values[place] for place in order.tolist()]
    truth = np.full(records, NOBODY, dtype=np.int64)
    at = np.empty(len(order), dtype=np.int64)
    at[order] = np.arange(len(order))
    truth[there] = at[: len(there)]
    return List(columns, truth)


def known_people(truth: Names, people: int, rng: np.random.Generator) -> Known:
    """Records that the attacker recognises, drawn from those whose person is on its list."""
    listed = np.flatnonzero(truth != NOBODY)
    chosen = np.sort(rng.permutation(listed)[:people])
    return np.stack([chosen, truth[chosen]], axis=1)


def _written(value: str, kind: Kind, errors: Errors, rng: np.random.Generator) -> str:
    """The value as another office has it."""
    if errors == "none" or not value or rng.random() >= _SHARE[errors]:
        return value
    if rng.random() < _MISSING:
        return ""
    if kind == "sex":
        return {"f": "m", "m": "f"}[value]
    return _other_day(value, rng) if kind == "date-of-birth" else _mistyped(value, rng)


def _other_day(date: str, rng: np.random.Generator) -> str:
    """Day and month exchanged where that is a date, or another year or day; always a date that there is."""
    year, month, day = date.split("-")
    mistake = int(rng.integers(3))
    if mistake == 0 and int(day) <= 12:
        return f"{year}-{day}-{month}"
    if mistake == 1:
        return f"{int(year) + int(rng.choice([-10, -1, 1, 10]))}-{month}-{min(int(day), 28):02}"
    return f"{year}-{month}-{int(rng.integers(1, 29)):02}"


def _mistyped(value: str, rng: np.random.Generator) -> str:
    """One character wrong or, in longer values, left out."""
    place = int(rng.integers(len(value)))
    if not value[place].isalnum():
        return value
    if len(value) > 3 and rng.random() < 0.4:
        return (value[:place] + value[place + 1 :]).strip()
    pool = _LETTERS if value[place].isalpha() else _DIGITS
    return value[:place] + pool[int(rng.integers(len(pool)))] + value[place + 1 :]
