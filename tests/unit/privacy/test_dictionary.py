"""Whoever has the secret names everybody; whoever has another, nobody."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pytest

from pprl.encode.field_filters import FieldFilterEncoder
from pprl.privacy.dictionary import attack
from pprl.privacy.exposure import encoder_of, whole_filters
from pprl.privacy.knowledge import Errors, list_of
from pprl.privacy.measure import Named, count
from pprl.privacy.views import NOBODY, NOBODY_KNOWN, Bytes, Names
from tests.support.attributes import clks, ngrams
from tests.support.privacy import KEY, OTHER_KEY, no_limit, population, random_filters

PEOPLE = 600
Columns = Mapping[str, Sequence[str]]


def drawn() -> np.random.Generator:
    return np.random.default_rng(3)


def named(seen: Bytes, listed: Bytes, truth: Names) -> Named:
    return count(attack(seen, listed, rng=drawn(), tick=no_limit), truth, NOBODY_KNOWN)


def plain(columns: Columns, key: bytes) -> Bytes:
    return whole_filters(columns, population(PEOPLE, scheme="clk").agreement.content, key)


def folded(columns: Columns, key: bytes) -> Bytes:
    """Eight bits folded into one: what resists everybody else."""
    content = population(PEOPLE, scheme="clk").agreement.content
    features = [
        ngrams(name, bits_per_token=150) for name in ("given_name", "surname", "date_of_birth", "postcode")
    ]
    return clks(columns, content, features, key, clk_bits=2048, xor_folds=3)


@pytest.mark.parametrize("encode", [plain, folded])
@pytest.mark.parametrize(("errors", "least"), [("none", 1.0), ("light", 0.97), ("heavy", 0.8)])
def test_the_secret_names_everybody_whatever_the_encoding(encode, errors: Errors, least: float) -> None:
    people = population(PEOPLE, scheme="clk")
    kinds = people.agreement.content.kinds()
    known = list_of(people.file, people.strangers, kinds, overlap=1.0, errors=errors, rng=drawn())
    found = named(encode(people.file, KEY), encode(known.columns, KEY), known.truth)
    assert found.right >= least * found.of
    assert found.wrong <= (1 - least) * found.of


def test_a_pass_of_field_filters_is_read_as_well() -> None:
    people = population(PEOPLE)
    encoder: FieldFilterEncoder = encoder_of(people.agreement.content, KEY)
    records = next(encoder.encode_each(people.file))
    rows = np.hstack([records.tags, records.filters.reshape(len(records.rows), -1)])
    found = named(rows, rows[::-1], np.arange(len(rows))[::-1])
    assert found.right > 0.99 * found.of


@pytest.mark.parametrize("encode", [plain, folded])
def test_another_secret_names_nobody(encode) -> None:
    people = population(PEOPLE, scheme="clk")
    found = named(encode(people.file, KEY), encode(people.file, OTHER_KEY), np.arange(PEOPLE))
    assert (found.right, found.wrong) == (0, 0)


def test_random_bits_name_nobody() -> None:
    like = plain(population(PEOPLE, scheme="clk").file, KEY)
    seen, listed = (
        random_filters(like, np.random.default_rng(1)),
        random_filters(like, np.random.default_rng(2)),
    )
    found = named(seen, listed, np.arange(PEOPLE))
    assert (found.right, found.wrong) == (0, 0)


def test_strangers_are_not_all_given_a_name() -> None:
    people = population(PEOPLE, scheme="clk")
    strangers = plain(people.strangers, KEY)
    found = named(plain(people.file, KEY), strangers, np.full(PEOPLE, NOBODY))
    assert found.right == 0
    assert found.wrong < 0.5 * PEOPLE


def test_an_empty_encoding_is_nobody_and_equal_ones_are_somebody_of_them() -> None:
    listed = np.array([[0, 0], [3, 1], [3, 1], [7, 7]], dtype=np.uint8)
    seen = np.array([[0, 0], [3, 1], [7, 7], [7, 6]], dtype=np.uint8)
    names = attack(seen, listed, rng=drawn(), tick=no_limit)
    assert (names[0], names[2], names[3]) == (NOBODY, 3, NOBODY)
    assert names[1] in {1, 2}
