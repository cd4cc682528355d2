"""One normative way to write each kind of identifier. Runs at departments, on raw values.

Two departments that differ in case, accents, spaces, apostrophes or Unicode normal form must still agree, so
every rule here is part of the agreement between them: docs/standardise.md is the text, the vectors in
tests/conformance/standardise hold it, and a change to either is a new version of the standard.

The tour. `by_every_rule` is the standard; `standardise` gives the same, with short cuts for values that are written
as most are. `plain` does what all kinds share: it refuses characters that show a file was read wrongly, removes
those that nobody sees, decomposes, takes decoration off Latin, Greek and Cyrillic letters, and folds case.
`words` then drops apostrophes and turns other punctuation into spaces. Each kind builds on one of the two.
What remains empty, or is a word for "not known", is missing: the empty string, which no encoding gives a token.

Pure, idempotent and total: a value is standardised, missing, or refused with `InvalidValue`. Character
properties are those of the running Python's Unicode tables (14 in Python 3.11, 15.1 in 3.13); a character that
they do not know is refused.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Mapping
from datetime import date
from functools import lru_cache
from types import MappingProxyType

from pprl.encode.transliterate import APOSTROPHES, LETTERS, MIDDLE_DOT, WORDS_SHORTENED
from pprl.protocol.agreement import DateOrder
from pprl.protocol.kinds import Kind

MOST_CHARACTERS = 500
MOST_RAW_CHARACTERS = 10_000
MOST_POSTCODE_CHARACTERS = 12
FIRST_YEAR, LAST_YEAR = 1850, 2100

CONTROL_CHARACTER = "holds a control character"
WRONG_ENCODING = "holds a replacement character: the file was once read in the wrong encoding"
NO_CHARACTER = "holds a code that Unicode gives no character"
TOO_LONG = f"longer than {MOST_CHARACTERS} characters"
NOT_A_DATE = "not a date in a form that is read, such as 1967-11-09, 9/11/1967 or 9 Nov 1967"
SHORT_YEAR = "not a date with a year of four digits"
NO_SUCH_DAY = "no such day in the calendar"
TIME_OF_DAY = "a time of day other than midnight, which may have shifted the date"
YEAR_OUT_OF_RANGE = f"year outside {FIRST_YEAR} to {LAST_YEAR}"
NOT_A_YEAR = "not a year of four digits"
NOT_A_SEX = "not one of the words or codes for a sex"
POSTCODE_TOO_LONG = f"a postcode longer than {MOST_POSTCODE_CHARACTERS} characters"
POSTCODE_WITHOUT_DIGIT = "a postcode without a digit"
NUMBER_WITHOUT_DIGIT = "a number without a digit"
NUMBER_SHORTENED = "a number that a spreadsheet has shortened to a power of ten"

RULES = (
    CONTROL_CHARACTER,
    WRONG_ENCODING,
    NO_CHARACTER,
    TOO_LONG,
    NOT_A_DATE,
    SHORT_YEAR,
    NO_SUCH_DAY,
    TIME_OF_DAY,
    YEAR_OUT_OF_RANGE,
    NOT_A_YEAR,
    NOT_A_SEX,
    POSTCODE_TOO_LONG,
    POSTCODE_WITHOUT_DIGIT,
    NUMBER_WITHOUT_DIGIT,
    NUMBER_SHORTENED,
)
"""Every rule that a value can break."""

NOT_KNOWN = frozenset(
    {
        "unknown", "not known", "not stated", "not recorded", "not provided", "not given", "not specified",
        "not available", "not applicable", "not disclosed", "null",
    }
)  # fmt: skip
"""Missing, in every kind."""

NOT_KNOWN_IN_TEXT = NOT_KNOWN | {
    "unk", "none", "nil", "anon", "anonymous", "unnamed", "no name", "name unknown", "no surname", "no middle name",
    "test", "tba", "tbc", "refused", "withheld", "nfa", "no fixed abode", "of no fixed abode",
    "no fixed address", "address unknown", "no address",
}  # fmt: skip
"""Missing, in every kind but `code`, where such a word may be a code. 'na' and 'nan' are names and stay."""

_NOT_APPLICABLE = re.compile(r"#?n ?/ ?[ak]")
_CROSSES = re.compile(r"x{2,}( x{2,})*")


class InvalidValue(ValueError):  # noqa: N818 - it is not an error of the program but a finding about one value
    """A value that breaks its kind's rule.

    Attributes:
        rule: what was broken, in words that hold no part of the value.
    """

    def __init__(self, rule: str) -> None:
        super().__init__(rule)
        self.rule = rule


def standardise(kind: Kind, value: str, *, date_order: DateOrder = "day-month-year") -> str:
    """Write a value in the one way of its kind. Departments run it on every value before anything is keyed.

    Args:
        kind: kind of the identifier.
        value: the raw value, as the department's table has it.
        date_order: order of day and month in dates such as 09/11/1967.

    Returns:
        The standardised value; the empty string where it is missing. Standardising it again changes nothing.

    Raises:
        InvalidValue: the value breaks a rule of its kind.

    Source:
        docs/standardise.md
    """
    at_once = _AT_ONCE.get(kind)
    found = at_once(value, date_order) if at_once and len(value) <= MOST_CHARACTERS else None
    return by_every_rule(kind, value, date_order=date_order) if found is None else found


def by_every_rule(kind: Kind, value: str, *, date_order: DateOrder) -> str:
    """What `standardise` does, without its short cuts for values that are written as most are.

    Raises:
        InvalidValue: the value breaks a rule of its kind.
    """
    text = plain(value)
    standardised = _BORN[kind](text, date_order) if kind in _BORN else _WRITTEN[kind](text)
    if len(standardised) > MOST_CHARACTERS:
        raise InvalidValue(TOO_LONG)
    return standardised


# What all kinds share


def plain(value: str) -> str:
    """Fold what carries no meaning: normal form, case, decoration, invisible characters, spaces.

    Raises:
        InvalidValue: a character shows that the value was damaged before it came here.
    """
    if len(value) > MOST_RAW_CHARACTERS:
        raise InvalidValue(TOO_LONG)
    if value.isascii() and value.isprintable():
        return " ".join(value.lower().split())
    text = "".join(map(_visible, unicodedata.normalize("NFKD", value)))
    text = _without_decoration(text).casefold()
    text = _without_decoration(unicodedata.normalize("NFKD", text))
    return " ".join("".join(LETTERS.get(character, character) for character in text).split())


def words(text: str) -> str:
    """Drop apostrophes, turn other punctuation and symbols into spaces."""
    if text.isascii():
        return text if text.isalnum() else " ".join(text.translate(_ASCII_IN_WORDS).split())
    return " ".join(unicodedata.normalize("NFKD", "".join(map(_in_words, text))).split())


@lru_cache(maxsize=65_536)
def _visible(character: str) -> str:
    """A character, a space for any white space, nothing for what can't be seen; refuses what is damage."""
    category = unicodedata.category(character)
    if category in {"Zs", "Zl", "Zp"} or character in "\t\n\v\f\r\x85":
        return " "
    if category == "Cc":
        raise InvalidValue(CONTROL_CHARACTER)
    if character == "\ufffd":
        raise InvalidValue(WRONG_ENCODING)
    if category in {"Cn", "Co", "Cs"}:
        raise InvalidValue(NO_CHARACTER)
    if category == "Cf" or _is_filler(character):
        return ""
    return str(unicodedata.decimal(character)) if category == "Nd" else character


def _is_filler(character: str) -> bool:
    """Invisible, though Unicode counts it as letter or mark: fillers, joiners and variation selectors."""
    code = ord(character)
    return code in {0x034F, 0x115F, 0x1160, 0x17B4, 0x17B5} or any(
        first <= code <= last for first, last in ((0x180B, 0x180F), (0xFE00, 0xFE0F), (0xE0100, 0xE01EF))
    )


_DECORATION = (
    "\u0300-\u036f\u1ab0-\u1aff\u1dc0-\u1dff\u20d0-\u20ff\ufe20-\ufe2f"  # Latin, Greek; signs
    "\u0483-\u0489\u2de0-\u2dff\ua66f-\ua672\ua674-\ua67d\ua69e-\ua69f\u2cef-\u2cf1"  # Cyrillic, Coptic
    "\u0640\u064b-\u0652\u0670"  # Arabic: short vowels and doubling, seldom written, and the stretching bar
    "\u0591-\u05bd\u05bf\u05c1\u05c2\u05c4\u05c5\u05c7"  # Hebrew: points
)
_DECORATED = re.compile(f" (?=[{_DECORATION}])|[{_DECORATION}]")


def _without_decoration(text: str) -> str:
    """Take off marks that only decorate a letter, with the space that carries a mark standing alone.

    Marks of other scripts are vowels or parts of a letter, and stay.
    """
    return _DECORATED.sub("", text)


@lru_cache(maxsize=65_536)
def _in_words(character: str) -> str:
    if character in APOSTROPHES or character == MIDDLE_DOT:
        return ""
    return " " if unicodedata.category(character)[0] in "PSZ" else character


_ASCII_IN_WORDS = MappingProxyType({code: _in_words(chr(code)) for code in range(128)})


def _letters_and_digits(text: str) -> str:
    return unicodedata.normalize("NFKD", words(text).replace(" ", ""))


def _known_words(text: str) -> str:
    """The words of a plain text; none where they stand for a missing value."""
    if _NOT_APPLICABLE.fullmatch(text):
        return ""
    found = words(text)
    return "" if found in NOT_KNOWN_IN_TEXT or _CROSSES.fullmatch(found) else found


def _without_decimal(text: str) -> str:
    """A whole number without the '.0' that spreadsheets and databases put behind it."""
    return re.sub(r"([0-9]+)\.0+", r"\1", text) if re.fullmatch(r"[0-9]+\.0+", text) else text


# Names and other text

_LONE_LETTER = re.compile(rf"(?<!\S)(\w)[{re.escape(''.join(sorted(APOSTROPHES)))}] +")


def _name(text: str) -> str:
    """O' Brien, O'Brien and OBRIEN are one name, and so are Anne-Marie and Anne Marie."""
    return _known_words(_LONE_LETTER.sub(r"\1", text))


def _full_name(text: str) -> str:
    """A single comma stands behind the family name, which then goes last."""
    family, comma, given = text.partition(",")
    if comma and "," not in given:
        text = f"{given.strip()} {family.strip()}"
    return _name(text)


def _address(text: str) -> str:
    return " ".join(WORDS_SHORTENED.get(word, word) for word in _known_words(text).split())


# Codes and numbers


def _code(text: str) -> str:
    """As it is, punctuation too; a code of nothing but punctuation is missing."""
    if _NOT_APPLICABLE.fullmatch(text):
        return ""
    return "" if words(text) in NOT_KNOWN | {""} else text


def _number(text: str) -> str:
    if re.fullmatch(r"[0-9]([.,][0-9]+)?e\+[0-9]+", text):
        raise InvalidValue(NUMBER_SHORTENED)
    if not _known_words(text):
        return ""
    number = _letters_and_digits(_without_decimal(text))
    if not any(character.isdigit() for character in number):
        raise InvalidValue(NUMBER_WITHOUT_DIGIT)
    return number if number.strip("0") else ""


def _postcode(text: str) -> str:
    """Outward and inward part in one, or the characters of another country's code. Nothing is repaired."""
    if not _known_words(text):
        return ""
    postcode = _letters_and_digits(_without_decimal(text))
    if len(postcode) > MOST_POSTCODE_CHARACTERS:
        raise InvalidValue(POSTCODE_TOO_LONG)
    if not any(character.isdigit() for character in postcode):
        raise InvalidValue(POSTCODE_WITHOUT_DIGIT)
    return "" if postcode.startswith("zz99") else postcode


_SEXES = MappingProxyType(
    {
        **dict.fromkeys(("m", "male", "man", "boy", "1"), "m"),
        **dict.fromkeys(("f", "female", "woman", "girl", "2"), "f"),
        **dict.fromkeys(("0", "9", "u", "x", "i", "indeterminate", "other", "non binary", "nonbinary"), ""),
    }
)


def _sex(text: str) -> str:
    if not _known_words(text):
        return ""
    try:
        return _SEXES[words(_without_decimal(text))]
    except KeyError:
        raise InvalidValue(NOT_A_SEX) from None


# Dates

_MONTHS = MappingProxyType(
    {
        name[:length]: number
        for number, name in enumerate(
            (
                "january", "february", "march", "april", "may", "june",
                "july", "august", "september", "october", "november", "december",
            ),
            start=1,
        )
        for length in (3, len(name))
    }
    | {"sept": 9}
)  # fmt: skip
_YEAR_FIRST = re.compile(r"([0-9]{4})([-/.])([0-9]{1,2})\2([0-9]{1,2})")
_DIGITS_ONLY = re.compile(r"([0-9]{4})([0-9]{2})([0-9]{2})")
_YEAR_LAST = re.compile(r"([0-9]{1,2})([-/. ])([0-9]{1,2})\2([0-9]{4})")
_SHORT_YEAR = re.compile(r"[0-9]{1,2}([-/. ])([0-9]{1,2}|[a-z]+)\1[0-9]{2}")
_DAY_MONTH_NAME = re.compile(r"([0-9]{1,2})(?:st|nd|rd|th)?(?: of)?[-/. ]*([a-z]+)[-/., ]*([0-9]{4})")
_MONTH_NAME_DAY = re.compile(r"([a-z]+)[-/. ]*([0-9]{1,2})(?:st|nd|rd|th)?[-/., ]+([0-9]{4})")
_TIME = re.compile(
    r"[t ]([0-9]{1,2}):([0-9]{2})(?::([0-9]{2})(?:\.([0-9]+))?)? ?(am|pm)?( ?z| ?[-+][0-9]{2}:?[0-9]{2})?$"
)
_NO_DATE = frozenset(
    {(0, 0, 0), (1, 1, 1), (1753, 1, 1), (1800, 1, 1), (1900, 1, 1), (9999, 12, 31), (9999, 99, 99)}
)
_DASHES = re.compile("[\u2010-\u2015\u2212]")


def _date_of_birth(text: str, date_order: DateOrder) -> str:
    if not _known_words(text):
        return ""
    day = _without_time(_DASHES.sub("-", _without_decimal(text)))
    year, month, day_of_month = _parts_of_date(day, date_order)
    if (year, month, day_of_month) in _NO_DATE:
        return ""
    try:
        found = date(year, month, day_of_month)
    except ValueError:
        raise InvalidValue(NO_SUCH_DAY) from None
    if not FIRST_YEAR <= year <= LAST_YEAR:
        raise InvalidValue(YEAR_OUT_OF_RANGE)
    return found.isoformat()


def _year_of_birth(text: str, date_order: DateOrder) -> str:
    """A year, or the year of a whole date, so that a department need not cut its dates first."""
    if not _known_words(text):
        return ""
    year = _without_decimal(text)
    if year in ("0000", "9999"):
        return ""
    if re.fullmatch("[0-9]{4}", year):
        if not FIRST_YEAR <= int(year) <= LAST_YEAR:
            raise InvalidValue(YEAR_OUT_OF_RANGE)
        return year
    try:
        return _date_of_birth(text, date_order)[:4]
    except InvalidValue as problem:
        raise InvalidValue(NOT_A_YEAR if problem.rule == NOT_A_DATE else problem.rule) from None


def _without_time(text: str) -> str:
    """The day of a timestamp at midnight. Another time of day may come from a change of time zone."""
    time = _TIME.search(text)
    if not time:
        return text
    hour, minute, second, fraction, half = time.group(1, 2, 3, 4, 5)
    at_midnight = int(hour) == (12 if half == "am" else 0) and half != "pm"
    if not at_midnight or any(int(part or 0) for part in (minute, second, fraction)):
        raise InvalidValue(TIME_OF_DAY)
    return text[: time.start()]


def _parts_of_date(text: str, date_order: DateOrder) -> tuple[int, int, int]:
    """Year, month and day, not yet known to be in the calendar."""
    if found := _YEAR_FIRST.fullmatch(text):
        return int(found[1]), int(found[3]), int(found[4])
    if found := _DIGITS_ONLY.fullmatch(text):
        return int(found[1]), int(found[2]), int(found[3])
    if found := _YEAR_LAST.fullmatch(text):
        day, month = (1, 3) if date_order == "day-month-year" else (3, 1)
        return int(found[4]), int(found[month]), int(found[day])
    if (found := _DAY_MONTH_NAME.fullmatch(text)) and found[2] in _MONTHS:
        return int(found[3]), _MONTHS[found[2]], int(found[1])
    if (found := _MONTH_NAME_DAY.fullmatch(text)) and found[1] in _MONTHS:
        return int(found[3]), _MONTHS[found[1]], int(found[2])
    raise InvalidValue(SHORT_YEAR if _SHORT_YEAR.fullmatch(text) else NOT_A_DATE)


_BORN: Mapping[str, Callable[[str, DateOrder], str]] = MappingProxyType(
    {"date-of-birth": _date_of_birth, "year-of-birth": _year_of_birth}
)
_WRITTEN: Mapping[str, Callable[[str], str]] = MappingProxyType(
    {
        "given-name": _name,
        "middle-names": _name,
        "surname": _name,
        "full-name": _full_name,
        "sex": _sex,
        "postcode": _postcode,
        "address-line": _address,
        "place": _address,
        "free-text": _known_words,
        "number": _number,
        "code": _code,
    }
)
"""Every kind is in one of the two tables."""


# Short cuts: each gives what `by_every_rule` does, or None where it has nothing to say

_UK_POSTCODE = re.compile("[A-Za-z]{1,2}[0-9][0-9A-Za-z]? ?[0-9][A-Za-z]{2}")
_NO_DATE_IN_RANGE = "1900-01-01"


def _letters_at_once(value: str, _date_order: DateOrder) -> str | None:
    """Words of the letters A to Z."""
    if not value.isascii():
        return None
    if value.isalpha():
        text = value.lower()
    elif value.replace(" ", "").isalpha():
        text = " ".join(value.lower().split())
    else:
        return None
    return "" if text in NOT_KNOWN_IN_TEXT or (text[:2] == "xx" and _CROSSES.fullmatch(text)) else text


def _postcode_at_once(value: str, _date_order: DateOrder) -> str | None:
    """A whole British postcode, with one space or none."""
    if not _UK_POSTCODE.fullmatch(value):
        return None
    postcode = value.replace(" ", "").lower()
    return "" if postcode.startswith("zz99") else postcode


def _number_at_once(value: str, _date_order: DateOrder) -> str | None:
    """Digits, and among them perhaps letters A to Z."""
    if not value.isascii() or not value.isalnum() or value.isalpha():
        return None
    return value.lower() if value.strip("0") else ""


def _code_at_once(value: str, _date_order: DateOrder) -> str | None:
    """Letters A to Z and digits."""
    if not value.isascii() or not value.isalnum():
        return None
    text = value.lower()
    return "" if text in NOT_KNOWN else text


def _date_at_once(value: str, date_order: DateOrder) -> str | None:
    """A day of the calendar in digits, in whatever order."""
    found = _YEAR_LAST.fullmatch(value)
    if found:
        day, month = (1, 3) if date_order == "day-month-year" else (3, 1)
        value = f"{found[4]}-{found[month]:0>2}-{found[day]:0>2}"
    if len(value) != 10 or value[4] != "-" or value[7] != "-" or value == _NO_DATE_IN_RANGE:
        return None
    try:
        year = date.fromisoformat(value).year
    except ValueError:
        return None
    return value if FIRST_YEAR <= year <= LAST_YEAR else None


def _year_at_once(value: str, _date_order: DateOrder) -> str | None:
    """Four digits."""
    if len(value) != 4 or not value.isascii() or not value.isdigit():
        return None
    return value if FIRST_YEAR <= int(value) <= LAST_YEAR else None


_AT_ONCE: Mapping[str, Callable[[str, DateOrder], str | None]] = MappingProxyType(
    {
        **dict.fromkeys(
            ("given-name", "middle-names", "surname", "full-name", "free-text"), _letters_at_once
        ),
        "postcode": _postcode_at_once,
        "number": _number_at_once,
        "code": _code_at_once,
        "date-of-birth": _date_at_once,
        "year-of-birth": _year_at_once,
    }
)
