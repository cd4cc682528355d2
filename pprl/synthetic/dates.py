"""Days as whole numbers (from 1970-01-01), whole columns at a time."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, timedelta
from functools import cache

import numpy as np

from pprl.synthetic.draws import Texts, Whole, texts

MISSING = -100_000
_EPOCH = date(1970, 1, 1)
_FIRST = date(1899, 12, 31)
_LAST = date(2035, 12, 31)


def number(year: int, month: int, day: int) -> int:
    """The number of one day."""
    return (date(year, month, day) - _EPOCH).days


def years(days: Whole) -> Whole:
    """The calendar year of each day."""
    return days.astype("datetime64[D]").astype("datetime64[Y]").astype(np.int64) + 1970


def parts(days: Whole) -> tuple[Whole, Whole, Whole]:
    """Year, month (1 to 12) and day of the month of each day.

    Args:
        days: since 1970, shape (days,).
    """
    stamps = days.astype("datetime64[D]")
    months = stamps.astype("datetime64[M]")
    day = (stamps - months).astype(np.int64) + 1
    index = months.astype(np.int64)
    return index // 12 + 1970, index % 12 + 1, day


def joined(year: Whole, month: Whole, day: Whole, otherwise: Whole) -> Whole:
    """Days from their parts; where there is no such day, or outside 1901 to 2035, the day in `otherwise`.

    Args:
        year: of each day, shape (days,).
        month: 1 to 12 if there is such a day.
        day: of the month, from 1.
        otherwise: days since 1970.

    Returns:
        Days since 1970, shape (days,).
    """
    month_ok = (month >= 1) & (month <= 12) & (year > 1900) & (year <= 2035)
    months = (np.where(month_ok, year, 1970) - 1970) * 12 + np.where(month_ok, month, 1) - 1
    start = months.astype("datetime64[M]").astype("datetime64[D]").astype(np.int64)
    end = (months + 1).astype("datetime64[M]").astype("datetime64[D]").astype(np.int64)
    valid = month_ok & (day >= 1) & (day <= end - start)
    return np.where(valid, start + day - 1, otherwise)


_MONTHS = ("JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC")
_FORMS: dict[str, Callable[[date], str]] = {
    "1987-09-22": date.isoformat,
    "22/09/1987": lambda day: f"{day.day:02d}/{day.month:02d}/{day.year}",
    "22-SEP-1987": lambda day: f"{day.day:02d}-{_MONTHS[day.month - 1]}-{day.year}",
}


@cache
def _written(form: str) -> Texts:
    count = (_LAST - _FIRST).days + 1
    days = (_FIRST + timedelta(days=offset) for offset in range(1, count))
    # Place 0 stands for a missing date.
    return texts(["", *(_FORMS[form](day) for day in days)])


def written(days: Whole, form: str) -> list[str]:
    """The days as text; `MISSING` becomes "".

    Args:
        days: days from 1900 to 2035.
        form: how the 22nd of September 1987 is written: 1987-09-22, 22/09/1987 or 22-SEP-1987.
    """
    first = (_FIRST - _EPOCH).days
    found: list[str] = _written(form)[np.where(days == MISSING, 0, days - first)].tolist()
    return found
