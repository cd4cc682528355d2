"""Pattern mining reads the names behind plain filters, of the very file and of other people's; and nothing in noise."""

from __future__ import annotations

import numpy as np
import pytest

from pprl.privacy.patterns import attack, mine
from pprl.privacy.views import NOBODY, Bytes, Names
from tests.support.attributes import clks, ngrams
from tests.support.privacy import KEY, no_limit, population, random_filters

PEOPLE = 1_500


def pairs(value: str) -> set[str]:
    """Two letters each, as clkhash takes them."""
    return {f" {value} "[place : place + 2] for place in range(len(value) + 1)} if value else set()


def filters() -> Bytes:
    people = population(PEOPLE, scheme="clk")
    return clks(people.file, people.agreement.content, [ngrams("given_name")], KEY)


def read(seen: Bytes, names: list[str]) -> tuple[Names, int, int]:
    """What it says, how many records it read, and how many of these wrong."""
    found = attack(seen, [pairs(each) for each in names], rng=np.random.default_rng(1), tick=no_limit)
    truth = population(PEOPLE, scheme="clk").file["given_name"]
    named = [(names[place], value) for place, value in zip(found, truth, strict=True) if place != NOBODY]
    return found, len(named), sum(said != value for said, value in named)


def test_patterns_are_the_bits_of_the_most_frequent_tokens() -> None:
    values = np.array(population(PEOPLE, scheme="clk").file["given_name"])
    rows, first, counts = np.unique(filters(), axis=0, return_index=True, return_counts=True)
    found = mine(np.unpackbits(rows, axis=1).astype(np.float32), counts.astype(np.float32), no_limit)[:40]
    tokens = [pairs(value) for value in values[first]]
    every = sorted(set().union(*tokens))
    having = np.array([[token in each for token in every] for each in tokens])
    pure = sum(bool((having == pattern.filters[:, None]).all(axis=0).any()) for pattern in found)
    assert len(found) == 40
    assert pure >= 30


def test_the_very_file_is_read_nearly_whole() -> None:
    _, named, wrong = read(filters(), population(PEOPLE, scheme="clk").file["given_name"])
    assert named > 0.9 * PEOPLE
    assert wrong < 0.02 * PEOPLE


def test_a_list_of_other_people_reads_most_of_what_is_on_it() -> None:
    people = population(PEOPLE, scheme="clk")
    on_list = np.isin(people.file["given_name"], people.strangers["given_name"]).sum()
    _, named, wrong = read(filters(), people.strangers["given_name"])
    assert named - wrong > 0.6 * on_list


def whole_records(*, folds: int) -> tuple[Bytes, list[set[str]]]:
    """Filters of three attributes, and the tokens of each record."""
    people = population(PEOPLE, scheme="clk")
    often = 100 if folds else 10
    features = [ngrams(name, bits_per_token=often) for name in ("given_name", "surname", "postcode")]
    seen = clks(people.file, people.agreement.content, features, KEY, xor_folds=folds)
    told = [
        {f"{name} {token}" for name, value in zip("gsp", row, strict=True) for token in pairs(value)}
        for row in zip(*(people.file[each] for each in ("given_name", "surname", "postcode")), strict=True)
    ]
    return seen, told


@pytest.mark.slow
def test_plain_filters_of_whole_records_are_read_as_well() -> None:
    seen, told = whole_records(folds=0)
    found = attack(seen, told, rng=np.random.default_rng(1), tick=no_limit)
    assert (found == np.arange(PEOPLE)).mean() > 0.9


def test_filters_folded_three_times_say_nothing() -> None:
    seen, told = whole_records(folds=3)
    assert (attack(seen, told, rng=np.random.default_rng(1), tick=no_limit) == NOBODY).all()


@pytest.mark.parametrize("seed", [1, 2])
def test_random_bits_say_nothing(seed: int) -> None:
    names = population(PEOPLE, scheme="clk").file["given_name"]
    noise = random_filters(filters(), np.random.default_rng(seed))
    assert (read(noise, names)[0] == NOBODY).all()


def test_empty_filters_and_an_empty_list_name_nobody() -> None:
    nothing = np.zeros((20, 128), dtype=np.uint8)
    assert (attack(nothing, [set()] * 5, rng=np.random.default_rng(1), tick=no_limit) == NOBODY).all()
