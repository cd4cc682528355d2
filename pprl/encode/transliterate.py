"""Letters of the Latin alphabet that Unicode decomposition (NFKD) leaves alone, and what they become.

Normative: two departments must use the same table. It is applied after case folding, so only small letters
stand here. Choices follow the machine-readable zone of passports (ICAO Doc 9303, part 3, section 6.A) except
that ø is 'o', because ö and å lose their marks likewise.
"""

# ruff: noqa: RUF001 - letters that look like others are the very subject
from __future__ import annotations

from types import MappingProxyType

LETTERS = MappingProxyType(
    {
        "æ": "ae",
        "œ": "oe",
        "ß": "ss",
        "þ": "th",
        "ð": "d",
        "đ": "d",
        "ɖ": "d",
        "ɗ": "d",
        "ħ": "h",
        "ı": "i",
        "ɨ": "i",
        "ɩ": "i",
        "ɉ": "j",
        "ĸ": "k",
        "ƙ": "k",
        "ł": "l",
        "ƚ": "l",
        "ŋ": "n",
        "ɲ": "n",
        "ƞ": "n",
        "ø": "o",
        "ɔ": "o",
        "ɵ": "o",
        "ƥ": "p",
        "ɍ": "r",
        "ŧ": "t",
        "ƭ": "t",
        "ʉ": "u",
        "ʊ": "u",
        "ʋ": "v",
        "ƴ": "y",
        "ɏ": "y",
        "ƶ": "z",
        "ƀ": "b",
        "ɓ": "b",
        "ȼ": "c",
        "ə": "e",
        "ǝ": "e",
        "ɛ": "e",
        "ɇ": "e",
        "ƒ": "f",
        "ǥ": "g",
        "ɣ": "g",
    }
)
"""One letter each, casefolded, to one or two ASCII letters."""

APOSTROPHES = frozenset(
    "'`\u2018\u2019\u201a\u201b\u2032\u2035"  # typewriter, typographic, primes
    "\u02b9\u02ba\u02bb\u02bc\u02bd\u02be\u02bf\u02c8\ua78c"  # modifier letters: okina, ayin, hamza, saltillo
    "\u055a\u05f3\u05f4\u07f4\u07f5"  # Armenian, Hebrew, N'Ko
)
"""What people type for an apostrophe, after decomposition and case folding."""

MIDDLE_DOT = "\u00b7"
"""Catalan writes l·l for one long sound; it goes like an apostrophe."""

WORDS_SHORTENED = MappingProxyType(
    {
        "apartment": "apt",
        "av": "ave",
        "avenue": "ave",
        "boulevard": "blvd",
        "building": "bldg",
        "buildings": "bldg",
        "close": "cl",
        "court": "ct",
        "crescent": "cres",
        "drive": "dr",
        "garden": "gdns",
        "gardens": "gdns",
        "gdn": "gdns",
        "grove": "grv",
        "house": "hse",
        "lane": "ln",
        "mount": "mt",
        "parade": "pde",
        "park": "pk",
        "place": "pl",
        "road": "rd",
        "saint": "st",
        "square": "sq",
        "str": "st",
        "street": "st",
        "terr": "ter",
        "terrace": "ter",
        "walk": "wlk",
    }
)
"""Whole words of addresses and places. The short form is canonical: 'st' can't be told to be street or saint."""
