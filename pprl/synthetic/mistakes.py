"""What goes wrong when a text is typed, scanned or heard: one mistake at a time.

Each mistake takes a text and two numbers from 0 up to 1 that say where and which; the same three give the
same result. A mistake that doesn't fit a text leaves it as it is.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Callable

from pprl.synthetic import sources

Mistake = Callable[[str, float, float], str]

_KEY_ROWS = ("1234567890", "qwertyuiop", "asdfghjkl", "zxcvbnm")
# Pairs that look alike on paper: read left to right, and right to left.
_LOOK_ALIKE = (
    ("rn", "m"),
    ("l", "i"),
    ("cl", "d"),
    ("vv", "w"),
    ("e", "c"),
    ("u", "v"),
    ("nn", "m"),
    ("h", "b"),
)
_LOOK_ALIKE_IN_CODES = (("0", "O"), ("1", "I"), ("5", "S"), ("8", "B"), ("2", "Z"), ("6", "G"))
_SOUND_ALIKE = (
    ("ph", "f"), ("ie", "y"), ("mac", "mc"), ("ck", "k"), ("ee", "ea"), ("ou", "u"), ("ey", "y"),
    ("sh", "ch"), ("tt", "t"), ("ll", "l"), ("nn", "n"), ("ss", "s"), ("c", "k"), ("s", "z"), ("i", "y"),
    ("ai", "ay"), ("ei", "ie"), ("oo", "u"), ("th", "t"), ("w", "wh"), ("er", "ar"), ("ley", "ly"), ("on", "en"),
)  # fmt: skip
_PLAIN_LETTERS = str.maketrans(
    {"ł": "l", "Ł": "L", "\u0131": "i", "ø": "o", "Ø": "O", "đ": "d", "ß": "ss", "æ": "ae"}
)
_LONGEST_FIELD = 12


def _key_neighbours() -> dict[str, str]:
    found: dict[str, str] = {}
    for place, row in enumerate(_KEY_ROWS):
        for column, key in enumerate(row):
            near = [row[other] for other in (column - 1, column + 1) if 0 <= other < len(row)]
            near += [line[column] for line in _KEY_ROWS[max(place - 1, 0) : place + 2] if column < len(line)]
            alike = [other for other in near if other != key and other.isdigit() == key.isdigit()]
            found[key] = "".join(dict.fromkeys(alike))
    return found


_NEIGHBOURS = _key_neighbours()


def _pick(options: str, which: float) -> str:
    return options[int(which * len(options))]


def _like(letter: str, model: str) -> str:
    return letter.upper() if model.isupper() else letter


def neighbouring_key(text: str, where: float, which: float) -> str:
    """One key is hit beside the right one."""
    place = int(where * len(text))
    near = _NEIGHBOURS.get(text[place].lower(), "")
    return text[:place] + _like(_pick(near, which), text[place]) + text[place + 1 :] if near else text


def transposition(text: str, where: float, which: float) -> str:
    """Two letters change places; seldom the first two."""
    del which
    if len(text) < 3:
        return text
    place = min(1 + int(where * (len(text) - 1)), len(text) - 2)
    return text[:place] + text[place + 1] + text[place] + text[place + 2 :]


def deletion(text: str, where: float, which: float) -> str:
    """A letter is left out."""
    del which
    place = int(where * len(text))
    return text[:place] + text[place + 1 :] if len(text) > 2 else text


def insertion(text: str, where: float, which: float) -> str:
    """The key beside the right one is hit as well."""
    place = int(where * len(text))
    near = _NEIGHBOURS.get(text[place].lower(), "")
    return text[: place + 1] + _pick(near, which) + text[place + 1 :] if near else text


def doubling(text: str, where: float, which: float) -> str:
    """A letter is typed twice."""
    del which
    place = int(where * len(text))
    return text[: place + 1] + text[place].lower() + text[place + 1 :]


def _swap_pieces(text: str, pairs: tuple[tuple[str, str], ...], where: float, which: float) -> str:
    lower = text.lower()
    both = [*pairs, *((new, old) for old, new in pairs)]
    fitting = [(old, new) for old, new in both if old in lower]
    if not fitting or len(lower) != len(text):
        return text
    old, new = fitting[int(which * len(fitting))]
    places = [place for place in range(len(lower)) if lower.startswith(old, place)]
    place = places[int(where * len(places))]
    piece = new.capitalize() if text[place].isupper() else new
    return text[:place] + piece + text[place + len(old) :]


def look_alike(text: str, where: float, which: float) -> str:
    """A scanner reads rn for m, l for i and the like."""
    return _swap_pieces(text, _LOOK_ALIKE, where, which)


def sound_alike(text: str, where: float, which: float) -> str:
    """Written as heard: f for ph, y for ie and the like."""
    return _swap_pieces(text, _SOUND_ALIKE, where, which)


def code_look_alike(text: str, where: float, which: float) -> str:
    """O for 0 and the like, in codes that have both letters and digits."""
    return _swap_pieces(
        text, tuple((old.lower(), new.lower()) for old, new in _LOOK_ALIKE_IN_CODES), where, which
    )


def cut_short(text: str, where: float, which: float) -> str:
    """A narrow field cuts a long name."""
    del where, which
    return text[:_LONGEST_FIELD].rstrip()


def other_spelling(text: str, where: float, which: float) -> str:
    """Another usual spelling of the name; written as heard where there is none."""
    others = sources.spellings().get(text)
    return others[int(which * len(others))] if others else sound_alike(text, where, which)


def nickname(text: str, where: float, which: float) -> str:
    """What people of that name are called as well."""
    del where
    others = sources.nicknames().get(text)
    return others[int(which * len(others))] if others else text


def without_punctuation(text: str, where: float, which: float) -> str:
    """O'Brien as OBrien or O Brien, Smith-Jones as Smith Jones, SmithJones or Smith alone."""
    if text.isalpha():
        return text
    if "-" in text and where > 0.75:
        return text.split("-")[int(which * 2)]
    return text.replace("'", " " if which < 0.3 else "").replace("-", " " if which < 0.8 else "")


def without_accents(text: str) -> str:
    """The text in the letters of an English keyboard."""
    if text.isascii():
        return text
    marked = unicodedata.normalize("NFKD", text.translate(_PLAIN_LETTERS))
    return "".join(letter for letter in marked if not unicodedata.combining(letter))


# Weights of a hundred.
NAME_MISTAKES: tuple[tuple[int, Mistake], ...] = (
    (20, neighbouring_key),
    (14, transposition),
    (17, deletion),
    (10, insertion),
    (9, doubling),
    (8, look_alike),
    (20, sound_alike),
    (2, cut_short),
)
POSTCODE_MISTAKES: tuple[tuple[int, Mistake], ...] = (
    (45, neighbouring_key),
    (25, transposition),
    (10, deletion),
    (20, code_look_alike),
)
