"""The short cuts of `standardise` against the standard itself."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pprl.encode.standardise import (
    _AT_ONCE,
    NOT_KNOWN_IN_TEXT,
    InvalidValue,
    _in_words,
    by_every_rule,
    standardise,
    words,
)

ORDERS = ("day-month-year", "month-day-year")
two = st.integers(0, 32).map(str) | st.integers(0, 32).map(lambda number: f"{number:02}")
year = st.integers(1845, 2105).map(str) | st.sampled_from(
    ["0000", "0001", "1753", "1800", "1900", "9999", "67"]
)
apart = st.sampled_from(["-", "/", ".", " ", ""])

written = st.one_of(
    st.text("abXx '-.", max_size=12),
    st.text("x X", max_size=8),
    st.text("aZ09 .-/é\u0661\uff11", max_size=9),
    st.text(max_size=12),
    st.sampled_from(sorted(NOT_KNOWN_IN_TEXT)).map(str.title),
    st.sampled_from(sorted(NOT_KNOWN_IN_TEXT)).map(lambda word: f" {word.replace(' ', '  ')} "),
    st.from_regex("[A-Za-z]{1,2}[0-9][0-9A-Za-z]? {0,2}[0-9][A-Za-z]{2}\n?", fullmatch=True),
    st.from_regex("[zZ]{2}99 ?[0-9][A-Z]{2}", fullmatch=True),
    st.builds(lambda y, m, d, a: f"{y}{a}{m}{a}{d}", year, two, two, apart),
    st.builds(lambda y, m, d, a: f"{d}{a}{m}{a}{y}", year, two, two, apart),
    st.builds(lambda y, m, d: f"{y}-{m}-{d} 00:00:00", year, two, two),
    year,
    st.text("0x", max_size=6),
    st.sampled_from(["2011-W01-2", "2011-001", "20110104", "1e+5", "n/a", "#N/A", "1900-01-01", "1/1/1900"]),
    st.integers(480, 520).map(lambda length: "a" * length),
    st.integers(480, 520).map(lambda length: "7" * length),
)  # fmt: skip


def outcome(rule, kind, value, date_order):
    try:
        return rule(kind, value, date_order=date_order)
    except InvalidValue as refused:
        return refused.rule, "refused"


@pytest.mark.parametrize("kind", [*_AT_ONCE, "address-line", "place", "sex"])
@settings(max_examples=150)
@given(value=written, date_order=st.sampled_from(ORDERS))
def test_short_cuts_give_what_the_standard_does(kind, value, date_order):
    assert outcome(standardise, kind, value, date_order) == outcome(by_every_rule, kind, value, date_order)


@given(st.text(st.characters(max_codepoint=127), max_size=12))
def test_words_of_ascii_are_found_as_all_words_are(text):
    assert words(text) == " ".join("".join(map(_in_words, text)).split())


@pytest.mark.parametrize(
    ("kind", "value", "standardised"),
    [
        ("surname", "Smith", "smith"),
        ("middle-names", " Lee  Dominic", "lee dominic"),
        ("postcode", "SW1A 1AA", "sw1a1aa"),
        ("date-of-birth", "1967-11-09", "1967-11-09"),
        ("date-of-birth", "9/11/1967", "1967-11-09"),
        ("year-of-birth", "1967", "1967"),
        ("number", "009434765919", "009434765919"),
        ("code", "AB12", "ab12"),
    ],
)
def test_values_as_most_are_written_take_a_short_cut(kind, value, standardised):
    assert _AT_ONCE[kind](value, "day-month-year") == standardised
