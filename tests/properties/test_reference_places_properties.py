"""Finding references against the plain search that every document has."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from coordinator.linkage.reference_places import NOT_THERE, records_of
from pprl.protocol import framing


@settings(deadline=None)
@given(
    seed=st.integers(0, 2**32), count=st.integers(0, 200), wanted=st.integers(0, 60), alike=st.integers(0, 16)
)
def test_records_are_those_of_a_plain_search(seed: int, count: int, wanted: int, alike: int) -> None:
    """References that are chosen, with first bytes in common, are found as well."""
    rng = np.random.default_rng(seed)
    ids = rng.integers(0, 256, (count, 16), dtype=np.uint8)
    ids[:, :alike] = rng.integers(0, 2, (count, alike)) * 255
    references = np.unique(ids, axis=0).reshape(-1, 16)
    positions = rng.permutation(len(references)).astype(np.uint32)
    strange = rng.integers(0, 256, (wanted, 16), dtype=np.uint8)
    known = references[rng.integers(0, len(references), wanted)] if len(references) else strange
    sought = np.where(rng.random((wanted, 1)) < 0.7, known, strange)
    # As they come: columns of a wider table that may not be written to.
    table = np.hstack([references, np.zeros((len(references), 4), np.uint8)])
    table.flags.writeable = False
    found = framing.positions(sought, references)
    expected = [int(positions[place]) if place >= 0 else NOT_THERE for place in found]
    assert records_of(sought, table[:, :16], positions).tolist() == expected


@pytest.mark.parametrize("place", [0, 15])
def test_one_wrong_byte_is_not_found(place: int) -> None:
    references = np.random.default_rng(1).integers(0, 256, (50, 16), dtype=np.uint8)
    references = references[framing.ascending(references)]
    wrong = references.copy()
    wrong[:, place] ^= 1
    assert (records_of(wrong, references, np.arange(50, dtype=np.uint32)) == NOT_THERE).all()
