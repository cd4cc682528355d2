"""A phonetic code of a word of a name, for blocking alone. Runs at departments.

Names that sound alike should fall into one block. Most people in a table have a name of a few hundred, so that
the code must still tell Smith from Scott; what it parts wrongly, another pass brings together. It is our own and
short, because it is part of the agreement between departments: two versions of somebody's library would part them
silently, and its rules can be written on a page (docs/formats/field-filters.md). Like Soundex it keeps how a
word begins and three of its further consonants by class; unlike Soundex it hears how a word begins (Katherine and
Catherine, Philip and Filip, Aisha and Ayesha), parts m from n, and takes silent letters out. A word that is not
wholly of the letters a to z has no English sound: its code is its first letters.
"""

from __future__ import annotations

import re

VERSION = 1
FIRST_LETTERS = 3
MOST_CLASSES = 3

SPELLINGS: tuple[tuple[str, str], ...] = (
    (r"^mac", "mc"),
    (r"^[gkp]n", "n"),
    (r"^wr", "r"),
    (r"^ps", "s"),
    (r"^x", "s"),
    (r"^wh", "w"),
    (r"^h(?=[^aeiouy])", ""),
    (r"^g(?=[eiy])", "j"),
    (r"ph", "f"),
    (r"sch", "s"),
    (r"t?ch", "k"),
    (r"dg", "j"),
    (r"(?<=n)gh", "g"),
    (r"(?<=.)gh", ""),
    (r"c(?=[eiy])", "s"),
    (r"[cq]", "k"),
    (r"x", "ks"),
    (r"z", "s"),
    (r"^[aeiouy]", "a"),
)
"""Rewritten in this order, each wherever it stands: pattern and what it becomes."""

_COMPILED = tuple((re.compile(pattern).sub, sound) for pattern, sound in SPELLINGS)

CLASS_OF = {
    letter: group[0] for group in ("pb", "fv", "kg", "s", "j", "td", "l", "m", "n", "r") for letter in group
}
"""The class of each consonant that is heard; h, w and the vowels have none."""


def phonetic(word: str) -> str:
    """The code of one word. Departments run it on words of standardised names.

    Args:
        word: one word, as `standardise` writes it; may be empty.

    Returns:
        One to four small letters for a word of a to z; the first three letters of any other word.
    """
    if not (word.isascii() and word.isalpha()):
        return word[:FIRST_LETTERS]
    for rewritten, sound in _COMPILED:
        word = rewritten(sound, word)
    classes = []
    last = CLASS_OF.get(word[0], word[0])
    for letter in word[1:]:
        heard = CLASS_OF.get(letter, "")
        if heard and heard != last:
            classes.append(heard)
        if letter not in "hw":
            last = heard
    return word[0] + "".join(classes[:MOST_CLASSES])
