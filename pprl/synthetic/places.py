"""Postcodes of the shape used in England and Wales, and moves between them.

A postcode is one whole number here: district * 4000 + sector * 400 + unit, with the sector from 0 to 9 and
the unit two of the twenty letters that units use. Whether a made postcode exists is a matter of luck.
"""

from __future__ import annotations

from functools import cache

import numpy as np

from pprl.synthetic.draws import Texts, Whole, chance, choose, texts
from pprl.synthetic.sources import districts

_UNIT_LETTERS = "ABDEFGHJLNPQRSTUWXYZ"
_UNITS = len(_UNIT_LETTERS) ** 2
_SECTORS = 10
_PER_DISTRICT = _UNITS * _SECTORS
# Of a hundred who move: in the same district, elsewhere in the same area; the others anywhere.
_STAY_IN_DISTRICT = 0.46
_STAY_IN_AREA = 0.82
_IN_HOSTEL = 0.02


def _skewed(rng: np.random.Generator, limit: int | Whole, size: int) -> Whole:
    # The square favours low numbers, as early sectors and units are the ones that every district has.
    return (rng.random(size) ** 2 * limit).astype(np.int64)


def _within(rng: np.random.Generator, district: Whole) -> Whole:
    size = len(district)
    codes = district * _PER_DISTRICT + _skewed(rng, _SECTORS, size) * _UNITS + _skewed(rng, _UNITS, size)
    # One unit of each district is a hostel or night shelter, where many live who are strangers.
    hostel = district * _PER_DISTRICT + _UNITS + 17
    return np.where(chance(rng, _IN_HOSTEL, size), hostel, codes)


def _district_in(rng: np.random.Generator, area: Whole) -> Whole:
    table = districts()
    return table.area_first[area] + _skewed(rng, table.area_count[area], len(area))


def homes(rng: np.random.Generator, size: int) -> Whole:
    """Postcodes for people spread over England and Wales as the population is, shape (size,)."""
    return _within(rng, _district_in(rng, choose(rng, districts().area_weights, size)))


def moved(rng: np.random.Generator, postcode: Whole) -> Whole:
    """Where people go who leave these postcodes: mostly near. Same shape as given."""
    size = len(postcode)
    distance = rng.random(size)
    district = postcode // _PER_DISTRICT
    in_area = _district_in(rng, districts().area[district])
    anywhere = _district_in(rng, choose(rng, districts().area_weights, size))
    further = np.where(distance < _STAY_IN_AREA, in_area, anywhere)
    return _within(rng, np.where(distance < _STAY_IN_DISTRICT, district, further))


def setting(postcode: Whole) -> Whole:
    """Place in `sources.SETTINGS` of each postcode's area."""
    return districts().setting[postcode // _PER_DISTRICT]


@cache
def _inward() -> Texts:
    units = [first + second for first in _UNIT_LETTERS for second in _UNIT_LETTERS]
    # Sectors are filled from 1 upwards, and 0 comes last.
    return texts([f"{(sector + 1) % _SECTORS}{unit}" for sector in range(_SECTORS) for unit in units])


def written(postcode: Whole) -> Texts:
    """The postcodes as text, such as "LS6 2AB"."""
    outward: Texts = districts().outward[postcode // _PER_DISTRICT]
    inward: Texts = _inward()[postcode % _PER_DISTRICT]
    full: Texts = outward + " " + inward
    return full
