import sys
import unicodedata
from datetime import date

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from pprl.encode.standardise import MOST_CHARACTERS, RULES, TOO_LONG, InvalidValue, plain, standardise, words
from pprl.protocol.kinds import KINDS

NAMES = ("given-name", "middle-names", "surname", "full-name")
SHARED_BY_ALL = [kind for kind in KINDS if kind not in ("date-of-birth", "year-of-birth", "sex")]

rich_text = st.text(
    st.one_of(
        st.characters(codec="utf-8"),
        st.sampled_from(
            "oO'\u2019 .,-/nN#aAxX0129eE+szZ\u0301\u00b4\u02bc\u064e\u0654\u3099\u200d\u034f\u0345İßﬁ"
        ),
    ),
    max_size=30,
)
written_dates = st.builds(
    "{}{}{}{}{}{}".format,
    st.sampled_from(["1967", "09", "9", "11", "Nov", "31", "1900", "00"]),
    st.sampled_from(["-", "/", ".", " ", ""]),
    st.sampled_from(["11", "2", "Feb", "00", "13"]),
    st.sampled_from(["-", "/", ".", " ", ""]),
    st.sampled_from(["1967", "67", "9", "09"]),
    st.sampled_from(["", " 00:00:00", "T00:00Z", " 12:00 AM", ".0", " 13:00"]),
)
values = st.one_of(
    rich_text, written_dates, st.sampled_from(["Unknown", "n/a", "Male", "SW1A 1AA", "ZZ99 3VZ"])
)


def outcome(kind: str, value: str) -> tuple[str, str]:
    try:
        return "value", standardise(kind, value)
    except InvalidValue as problem:
        return "rule", problem.rule


@pytest.mark.parametrize("kind", KINDS)
@given(value=values)
@example(value="O'\u3099\u0301 \u0327'")
@example(value="\u0c4d'\u3099'\u0c4d")
def test_standardising_again_changes_nothing(kind, value):
    ending, standardised = outcome(kind, value)
    if ending == "value":
        assert outcome(kind, standardised) == (ending, standardised)


@pytest.mark.parametrize("kind", KINDS)
@given(value=values)
@example(value="O\u00b4Brien")
@example(value="Jose\u0301")
@example(value="\u1e9b\u0323")
def test_normal_forms_agree(kind, value):
    for form in ("NFC", "NFD", "NFKC", "NFKD"):
        assert outcome(kind, unicodedata.normalize(form, value)) == outcome(kind, value)


@pytest.mark.parametrize("kind", KINDS)
@given(value=values)
def test_space_at_the_ends_makes_no_difference(kind, value):
    assert outcome(kind, f"\t {value} \u00a0") == outcome(kind, value)


@pytest.mark.parametrize("kind", KINDS)
@given(value=st.text(st.characters(max_codepoint=0x24F, categories=["L", "N", "P", "Z"]), max_size=20))
def test_case_makes_no_difference(kind, value):
    assert outcome(kind, value.upper()) == outcome(kind, value.upper().lower())


@pytest.mark.parametrize("kind", SHARED_BY_ALL)
@given(value=st.text(st.characters(codec="ascii", categories=["L", "N"]), min_size=1, max_size=12))
def test_accents_make_no_difference(kind, value):
    accented = "".join(f"{character}\u0301\u0323" for character in value)
    assert outcome(kind, accented) == outcome(kind, value)


@given(value=st.text(st.characters(codec="ascii", exclude_categories=["Cc"]), max_size=30))
def test_the_short_way_for_ascii_is_the_long_way(value):
    assert plain(value) == plain(value + "\u200b")


@given(value=values)
def test_every_outcome_is_a_value_or_a_rule_without_the_value(value):
    for kind in KINDS:
        ending, text = outcome(kind, f"canary{value}")
        assert len(text) <= MOST_CHARACTERS
        assert ending == "value" or text in RULES


def letters_of_other_scripts() -> list[str]:
    return [
        character
        for character in map(chr, range(0x3000))
        if unicodedata.category(character) in {"Ll", "Lo", "Nd"} and unicodedata.name(character, "")
    ]


def test_no_letter_or_digit_becomes_nothing():
    fillers = {"\u115f", "\u1160", "\u17b4", "\u17b5"}
    gone = [each for each in letters_of_other_scripts() if not plain(each)]
    assert set(gone) <= fillers


@pytest.mark.parametrize(
    "name",
    ["রহমান", "शर्मा", "กำแพง", "முருகன்", "မောင်", "ខេមរា", "ਸਿੰਘ", "ශ්‍රී", "ኃይሌ", "ղազարյան", "ქართველი"],
)
def test_a_name_of_another_script_keeps_all_its_letters_and_vowel_signs(name):
    decomposed = unicodedata.normalize("NFKD", name).replace("\u200d", "")
    assert standardise("surname", name) == decomposed


def test_every_character_is_standardised_once_and_for_all():
    for character in map(chr, range(0x2_0000)):
        for kind in ("surname", "code"):
            ending, standardised = outcome(kind, f"a{character}b")
            if ending == "value":
                assert outcome(kind, standardised) == (ending, standardised), hex(ord(character))


@pytest.mark.slow
def test_every_character_of_unicode_is_standardised_once_and_for_all():
    for character in map(chr, range(0x2_0000, sys.maxunicode + 1)):
        ending, standardised = outcome("surname", f"a{character}b")
        if ending == "value":
            assert outcome("surname", standardised) == (ending, standardised), hex(ord(character))


@pytest.mark.parametrize("kind", NAMES)
@pytest.mark.parametrize("apostrophe", "'\u2018\u2019\u201b\u02bc\u02bb`\u00b4\u2032\uff07")
def test_every_apostrophe_is_the_same_as_none(kind, apostrophe):
    assert standardise(kind, f"O{apostrophe}Brien") == standardise(kind, "OBRIEN") == "obrien"


def test_a_field_of_a_hundred_thousand_characters_is_refused_at_once():
    with pytest.raises(InvalidValue) as caught:
        standardise("surname", "\ufdfa" * 100_000)
    assert caught.value.rule == TOO_LONG


def test_the_length_is_that_of_the_standardised_value():
    assert standardise("surname", " " * 400 + "a" * 500) == "a" * 500
    with pytest.raises(InvalidValue):
        standardise("surname", "a" * 501)


def test_the_order_of_day_and_month_is_the_datasets():
    assert standardise("date-of-birth", "09/11/1967", date_order="day-month-year") == "1967-11-09"
    assert standardise("date-of-birth", "09/11/1967", date_order="month-day-year") == "1967-09-11"


@given(st.dates(min_value=date(1901, 1, 1), max_value=date(2100, 12, 31)))
def test_a_date_reads_the_same_however_it_is_written(day):
    iso = day.isoformat()
    for pattern in (
        "%Y/%m/%d",
        "%Y%m%d",
        "%d/%m/%Y",
        "%d.%m.%Y",
        "%d %b %Y",
        "%d-%B-%Y",
        "%B %d, %Y",
        "%Y-%m-%dT00:00:00Z",
    ):
        assert standardise("date-of-birth", day.strftime(pattern)) == iso
    assert standardise("year-of-birth", iso) == iso[:4]


def test_words_of_a_text_hold_no_punctuation():
    assert words(plain("Smith & Sons (Leeds), Ltd.")) == "smith sons leeds ltd"
