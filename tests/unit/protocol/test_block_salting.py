"""The same filter in two blocks is refused where chance doesn't make it, and chance is what filter_bits says."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import poisson

from pprl.encode.field_filters import FieldFilterEncoder
from pprl.privacy.exposure import encoder_of
from pprl.protocol import block_salting, filter_bits
from pprl.protocol.agreement import Agreement, AgreementFile
from pprl.protocol.block_salting import stand_in_two_blocks
from pprl.protocol.blocking import BlockingPass
from pprl.protocol.filter_bits import chance_of_equal_filters
from tests.support.privacy import KEY, population

PEOPLE = 2_000


def with_parameters(agreement: Agreement, **values: int) -> Agreement:
    parameters = agreement.encoding.field_filter_parameters.model_copy(update=values)
    return agreement.model_copy(
        update={"encoding": agreement.encoding.model_copy(update={"field_filters": parameters})}
    )


@pytest.mark.parametrize(("filter_bits", "positions"), [(64, 12), (64, 24), (128, 20), (512, 28)])
def test_every_pass_that_we_encode_is_salted(filter_bits: int, positions: int) -> None:
    people = population(PEOPLE)
    agreement = with_parameters(
        people.agreement.content, filter_bits=filter_bits, positions_per_field=positions
    )
    for records in encoder_of(agreement, KEY).encode_each(people.file):
        assert not stand_in_two_blocks(records.tags, records.filters, agreement)


def test_filters_salted_by_less_than_the_block_are_refused() -> None:
    """Two passes of one salt: as a department would send that salts by the surname alone."""
    people = population(PEOPLE)
    agreement = people.agreement.content
    encoder = FieldFilterEncoder([BlockingPass("surname", ("surname:whole",))], agreement.kinds(), KEY)
    (records,) = encoder.encode(people.file)
    assert not stand_in_two_blocks(records.tags, records.filters, agreement)
    finer = records.tags.copy()
    finer[:, 0] ^= (np.arange(len(finer)) % 2).astype(np.uint8)
    assert stand_in_two_blocks(finer, records.filters, agreement)


def test_one_filter_is_enough_and_missing_values_are_none(field_filters: AgreementFile) -> None:
    rng = np.random.default_rng(1)
    tags = rng.integers(0, 256, (50, 16), dtype=np.uint8)
    filters = rng.integers(1, 256, (50, 3, 8), dtype=np.uint8)
    filters[:20, 1] = 0
    agreement = field_filters.content
    assert not stand_in_two_blocks(tags, filters, agreement)
    filters[7, 2] = filters[31, 2]
    assert stand_in_two_blocks(tags, filters, agreement)
    tags[7] = tags[31]
    assert not stand_in_two_blocks(tags, filters, agreement)
    filters[8, 2] = filters[9, 0]
    assert not stand_in_two_blocks(tags, filters, agreement)
    assert not stand_in_two_blocks(tags[:0], filters[:0], agreement)


@pytest.mark.parametrize(("cells", "drawn"), [(6, 3), (8, 4)])
def test_the_chance_of_equal_filters_is_what_draws_come_to(cells: int, drawn: int) -> None:
    draws = np.random.default_rng(2).integers(0, cells, (2, 200_000, drawn))
    first, second = (np.bitwise_or.reduce(1 << side, axis=1) for side in draws)
    assert filter_bits._chance_of_equal(cells, drawn) == pytest.approx((first == second).mean(), rel=0.1)


def test_the_chances_that_the_module_tells() -> None:
    """For a million blocks, as the docstring of `block_salting` has it."""
    pairs = 1e12 / 2
    (fewest,) = {*chance_of_equal_filters(["sex", "surname"], 64, 12)}
    assert fewest * pairs == pytest.approx(0.31, abs=0.01)
    assert block_salting._most_by_chance(fewest * pairs) == 5
    usual = max(chance_of_equal_filters(["sex", "surname"], 128, 20))
    assert usual * pairs < 1e-9
    assert block_salting._most_by_chance(usual * pairs) == 0


@pytest.mark.parametrize("expected", [0.0, 1e-9, 0.3, 20.0, 99.0, 101.0, 1e4])
def test_chance_exceeds_the_most_less_often_than_once_in_a_million(expected: float) -> None:
    most = block_salting._most_by_chance(expected)
    assert poisson.sf(most, expected) < 1e-6
    assert most <= expected + 7 * np.sqrt(expected) + 1
    if 0 < most < 100:
        assert poisson.sf(most - 1, expected) >= 1e-6
