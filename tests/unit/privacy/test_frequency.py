"""Frequencies read attribute-level filters, and nothing that does not repeat."""

from __future__ import annotations

import numpy as np

from pprl.privacy import frequency
from pprl.privacy.exposure import encoder_of, whole_filters
from pprl.privacy.frequency import MISSING, UNREAD, Codes, attack, codes_of
from pprl.privacy.measure import Named, count
from pprl.privacy.views import NOBODY, NOBODY_KNOWN, Names
from tests.support.attributes import attribute_filters
from tests.support.privacy import KEY, OTHER_KEY, no_limit, population, random_filters

PEOPLE = 2_000
ATTRIBUTES = ("given_name", "surname", "date_of_birth", "postcode")


def drawn() -> np.random.Generator:
    return np.random.default_rng(3)


def named(seen: Codes, listed: Codes, truth: Names) -> Named:
    return count(attack(seen, listed, tick=no_limit), truth, NOBODY_KNOWN)


def test_the_most_frequent_names_are_read_and_read_right() -> None:
    """The very file: sex of all, the given name of one in twenty."""
    people = population(PEOPLE, scheme="clk")
    for name, least in (("sex", 0.9), ("given_name", 0.04), ("surname", 0.01)):
        values = sorted({*people.file[name]} - {""})
        listed = np.array([values.index(value) if value else MISSING for value in people.file[name]])
        hidden = drawn().permutation(len(values))
        seen = np.where(listed == MISSING, MISSING, hidden[listed])
        reading = frequency.read(seen, listed)
        read = reading != UNREAD
        assert (hidden[reading[read]] == np.flatnonzero(read)).all()
        assert np.isin(seen, np.flatnonzero(read)).mean() > least, name


def test_a_list_of_other_people_reads_little_and_little_wrong() -> None:
    """Zipf's law: the first few values are far enough apart that another sample has them in the same order."""
    rng = drawn()
    shares = 1 / np.arange(1, 400) ** 1.2
    seen, listed = (rng.choice(399, 50_000, p=shares / shares.sum()) for _ in range(2))
    reading = frequency.read(seen, listed)
    read = np.flatnonzero(reading != UNREAD)
    assert len(read) >= 8
    assert (reading[read] == read).all()


def test_unsalted_attribute_filters_fall_to_the_very_file() -> None:
    people = population(PEOPLE, scheme="clk")
    content = people.agreement.content
    seen, listed = (
        codes_of(attribute_filters(people.file, content, ATTRIBUTES, key)) for key in (KEY, OTHER_KEY)
    )
    order = drawn().permutation(PEOPLE)
    found = named(seen[order], listed, order)
    assert found.right > 0.4 * PEOPLE
    assert found.wrong < 0.01 * PEOPLE


def test_a_filter_a_record_says_nothing_by_its_frequency() -> None:
    people = population(PEOPLE, scheme="clk")
    content = people.agreement.content
    seen, listed = (codes_of(whole_filters(people.file, content, key)[:, None]) for key in (KEY, OTHER_KEY))
    assert named(seen, listed, np.arange(PEOPLE)) == Named(PEOPLE, 0, 0)


def test_filters_salted_by_block_say_nearly_nothing_by_their_frequency() -> None:
    people = population(PEOPLE)
    seen, listed = (
        next(encoder_of(people.agreement.content, key).encode_each(people.file)) for key in (KEY, OTHER_KEY)
    )
    codes = [codes_of(each.filters[:, :-1]) for each in (seen, listed)]
    for place in range(codes[0].shape[1]):
        reading = frequency.read(codes[0][:, place], codes[1][:, place])
        share = np.isin(codes[0][:, place], np.flatnonzero(reading != UNREAD)).mean()
        assert share < 0.05


def test_random_bits_name_nobody() -> None:
    content = population(PEOPLE, scheme="clk").agreement.content
    like = attribute_filters(population(PEOPLE, scheme="clk").file, content, ("surname",), KEY)[:, 0]
    seen, listed = (codes_of(random_filters(like, np.random.default_rng(seed))[:, None]) for seed in (1, 2))
    assert named(seen, listed, np.arange(PEOPLE)) == Named(PEOPLE, 0, 0)


def test_codes_tell_equal_filters_and_empty_ones() -> None:
    filters = np.array([[[1], [0]], [[2], [9]], [[1], [9]]], dtype=np.uint8)
    codes = codes_of(filters)
    assert codes[0, 0] == codes[2, 0] != codes[1, 0]
    assert codes[0, 1] == MISSING
    assert codes[1, 1] == codes[2, 1] != MISSING


def test_a_column_without_values_is_not_read() -> None:
    nothing = np.full((5, 1), MISSING)
    assert (attack(nothing, nothing, tick=no_limit) == NOBODY).all()
