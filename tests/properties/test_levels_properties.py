"""The compiled comparison against an obvious one in plain Python."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from pprl.protocol.levels import CANONICAL, ELSEWHERE, Fields, compare_levels, level_of

FIELDS = Fields(4, names=(0, 2), middle=1, forename=0, canonical=4)
FLOORS = ((0.9, 3), (0.8, 4), (0.7, 5), (0.6, 6), (0.5, 7), (0.4, 8), (0.25, 9))

# Few bits, so that values are often equal, contained in each other, or missing.
value = st.one_of(st.just(frozenset()), st.frozensets(st.integers(0, 11), min_size=1, max_size=10))
record = st.lists(value, min_size=5, max_size=5)


def contained(x: frozenset[int], y: frozenset[int]) -> bool:
    return bool(x) and len(x & y) >= 0.97 * len(x)


def plain_level(x: list[frozenset[int]], y: list[frozenset[int]], field: int) -> int:
    a, b = x[field], y[field]
    if not a or not b:
        return 0
    if a == b:
        return 1
    if len(a & b) >= 0.97 * min(len(a), len(b)):
        return 2
    # In whole numbers, as 0.7 is not a whole number of binary digits.
    dice = next((n for f, n in FLOORS if 2000 * len(a & b) >= round(1000 * f) * (len(a) + len(b))), 10)
    if dice < 6:
        return dice
    if field == 0 and x[4] and x[4] == y[4]:
        return CANONICAL
    if field in (0, 2):
        other = 2 - field
        swapped = contained(a, y[other]) and contained(b, x[other])
        if swapped or contained(a, y[1]) or contained(b, x[1]):
            return ELSEWHERE
    return dice


def packed(records: list[list[frozenset[int]]]) -> tuple[np.ndarray, np.ndarray]:
    filters = np.zeros((len(records), 5, 1), dtype=np.uint64)
    present = np.zeros(len(records), dtype=np.uint32)
    for row, fields in enumerate(records):
        for place, bits in enumerate(fields):
            filters[row, place, 0] = sum(1 << 5 * bit for bit in bits)
            present[row] |= np.uint32(bool(bits) << place)
    return filters, present


@settings(max_examples=300, deadline=None)
@given(st.lists(record, min_size=1, max_size=4), st.lists(record, min_size=1, max_size=4))
def test_equals_the_plain_definition_on_all_pairs(
    left: list[list[frozenset[int]]], right: list[list[frozenset[int]]]
) -> None:
    rows_left, rows_right = (each.ravel() for each in np.indices((len(left), len(right))))
    patterns = compare_levels(*packed(left), *packed(right), rows_left, rows_right, FIELDS)
    for field in range(4):
        expected = [plain_level(left[i], right[j], field) for i, j in zip(rows_left, rows_right, strict=True)]
        assert level_of(patterns, field).tolist() == expected
