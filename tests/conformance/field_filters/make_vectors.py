"""Write vectors.json from the second writer: `python -m tests.conformance.field_filters.make_vectors`."""

import json
import sys
from pathlib import Path

from tests.conformance.field_filters import second_writer as writer

KEY = bytes(range(32))
BLOCKS = [
    ("birth", "1967-11-09"),
    ("birth2", "1967-11-09"),
    ("surname-year", "kgn\x1f1967"),
    ("names", "as\x1fmmt"),
    ("postcode", "l178ug"),
    ("names", "محم\x1fعلي"),
    ("names", "mmt\x1fas"),
    ("names-area", "as\x1fmmt\x1fl17"),
]
VALUES = [
    ("given-name", "edwin"),
    ("given-name", "anna maria anna"),
    ("given-name", "محمد"),
    ("middle-names", "j"),
    ("surname", "obrien"),
    ("surname", "de la cruz"),
    ("full-name", "liz van der berg"),
    ("date-of-birth", "1967-11-09"),
    ("date-of-birth", "2001-02-28"),
    ("year-of-birth", "1999"),
    ("sex", "f"),
    ("postcode", "l178ug"),
    ("postcode", "sw1a1aa"),
    ("postcode", "yo411q"),
    ("postcode", "yo41"),
    ("postcode", "6150"),
    ("postcode", "k1a0b1"),
    ("address-line", "flat 2 16 goldner cct 16"),
    ("address-line", "rose cottage mill ln " + "far away " * 10 + "end"),
    ("place", "ashton under lyne"),
    ("free-text", "welder 2nd class"),
    ("number", "qq123456c"),
    ("number", "1111"),
    ("code", "a-17/b"),
]
SETTINGS = [
    (128, 20),
    (64, 12),
    (128, 24),
    (256, 16),
    (512, 20),
    (512, 28),
    (64, 28),
]
# Forename by canonical-phonetic, surname by phonetic, birth date, sex, postcode.
RANKED = [
    [
        ["atwn", "kgn", "1967-11-09", "m", "l178ug"],
        ["mr", "sm", "1967-11-09", "f", "l178ug"],
        ["", "pr", "1967-11-09", "f", ""],
    ],
    [["atwn", "kgn", "1967-11-09", "m", "l178ug"], ["atwn", "kgn", "1967-11-10", "m", "l178ug"]],
    [["atwn", "kgn", "1967-11-09", "", "l178ug"], ["atwn", "kgn", "1967-11-09", "m", "l178ug"]],
]
TRANSFORMED = [
    ("surname", "whole", "de la cruz", "de la cruz"),
    ("surname", "initial", "de la cruz", "d"),
    ("surname", "first-word", "de la cruz santos", "delacruz"),
    ("surname", "last-word", "cruz de la santos", "delasantos"),
    ("surname", "last-word", "smith al", "al"),
    ("surname", "last-word", "al", "al"),
    ("surname", "last-word", "al smith", "smith"),
    ("full-name", "phonetic-last", "van tran", "trn"),
    ("full-name", "phonetic-last", "john de la cruz", "dlkr"),
    ("surname", "phonetic", "mc donald", "mktn"),
    ("surname", "phonetic", "macdonald smith", "mktn"),
    ("surname", "phonetic", "محمود", "محم"),
    ("surname", "phonetic-last", "smith featherstonehaugh", "ftrs"),
    ("given-name", "canonical", "liz anne", "elizabeth"),
    ("given-name", "canonical", "elizabeth", "elizabeth"),
    ("given-name", "canonical", "zebedee", "zebedee"),
    ("given-name", "canonical-phonetic", "katie", "ktrn"),
    ("date-of-birth", "year", "1967-11-09", "1967"),
    ("year-of-birth", "year", "1967", "1967"),
    ("date-of-birth", "year-month", "1967-11-09", "1967-11"),
    ("date-of-birth", "month-day", "1967-11-09", "11-09"),
    ("date-of-birth", "unordered-month-day", "1967-11-09", "09-11"),
    ("date-of-birth", "unordered-month-day", "1967-09-11", "09-11"),
    ("postcode", "district", "l178ug", "l17"),
    ("postcode", "sector", "l178ug", "l178"),
    ("postcode", "district", "sw1a1aa", "sw1a"),
    ("postcode", "sector", "m11aa", "m11"),
    ("postcode", "district", "m11aa", "m1"),
    ("postcode", "district", "yo41", "yo41"),
    ("postcode", "sector", "yo41", ""),
    ("postcode", "sector", "yo411q", "yo411"),
    ("postcode", "district", "6150", "615"),
    ("postcode", "sector", "6150", "6150"),
    ("postcode", "district", "90210", "902"),
    ("number", "last-four", "qq123456c", "456c"),
    ("address-line", "house", "flat 2 16 goldner cct", "16 gltn"),
    ("address-line", "house", "rose cottage", "rs"),
    ("address-line", "house", "unit 7", "7"),
]


# The kinds of identifiers, records of them, and the first record of the person of each.
NAMES = ("given-name", "surname", "date-of-birth", "postcode")
TOLD = ("given-name", "middle-names", "surname", "date-of-birth", "postcode", "sex")
FULL = ("full-name", "date-of-birth", "postcode")
SMITHS = ("smith", "smyth", "smithe", "smythe", "smitt", "smytt")
BOTH = ("full-name", "given-name", "surname", "date-of-birth")


def births(name: tuple[str, str], count: int) -> list[tuple[str, ...]]:
    """Records of one name, each with a year and a day of its own."""
    return [(*name, f"{1950 + each}-{1 + each // 28:02d}-{1 + each % 28:02d}", "") for each in range(count)]


def people(count: int, date: str) -> list[tuple[str, ...]]:
    """Records with a name of their own, each with the same year or day."""
    letters = "bcdfgklmnprstvwz"
    return [
        (
            f"{letters[each // 16]}a{letters[each % 16]}a",
            f"p{letters[each % 16]}a{letters[each // 16]}",
            born,
            "",
        )
        for each, born in enumerate(date.format(each) for each in range(count))
    ]


def at_the_limit(of_year: int) -> list[tuple[str, ...]]:
    """A hundred births: two of one name, of one of which so many others are of the year, and one is of the day."""
    here = [
        ("ali", "khan", "1980-01-01", ""),
        ("ali", "khan", "1944-12-31", ""),
        ("zoe", "wren", "1943-01-01", ""),
    ]
    named = people(97, "{:02d}")
    dates = [f"1980-02-{1 + each:02d}" for each in range(of_year)]
    dates += [f"{1945 + each // 6}-{3 + each % 6:02d}-{1 + each % 28:02d}" for each in range(97 - of_year)]
    others = [(*each[:2], born, "") for each, born in zip(named, dates, strict=True)]
    return [*here, *others, here[0]]


def crowded() -> list[tuple[str, ...]]:
    """Forty of a forename at a postcode, six births of them with the surname, and forty of both names elsewhere."""
    dates = [record[2] for record in births(("anna", "moss"), 40)]
    others = [
        ("anna", f"{family}e", born, "ab12cd")
        for (_, family, *_), born in zip(people(34, "{}"), dates, strict=False)
    ]
    there = [("anna", "moss", f"19{20 + each}-02-0{1 + each}", "ab12cd") for each in range(5)]
    again = [("anna", family, "1915-12-25", "ab12cd") for family in ("moss", "mosse")]
    return [*others, *there, *births(("anna", "moss"), 40), *again]


def neighbours(postcode: str) -> list[tuple[str, ...]]:
    """Two births of one name in a year, at a postcode where thirty others of that year live, or at one of its own."""
    others = [
        (*each[:2], f"1980-06-{1 + place:02d}", "ab12cd") for place, each in enumerate(people(30, "{}"))
    ]
    return [("ali", "khan", "1980-02-03", postcode), ("ali", "khan", "1980-05-04", postcode), *others]


def among_strangers(
    kinds: tuple[str, ...], records: list[tuple[str, ...]], first: list[int]
) -> tuple[tuple[str, ...], list[tuple[str, ...]], list[int]]:
    """The same with seventy people more, of whom nobody has a name, a year or a day of another one."""
    strangers = []
    for (given, family, *_), (*_, born, _) in zip(people(70, "{}"), births(("", ""), 70), strict=True):
        said = {
            "given-name": given,
            "surname": family,
            "full-name": f"{given} {family}",
            "date-of-birth": born,
        }
        strangers.append(tuple(said.get(kind, "") for kind in kinds))
    return kinds, [*records, *strangers], [*first, *range(len(records), len(records) + len(strangers))]


JOINED = [
    (NAMES, [("anna", "smith", "1980-02-03", ""), ("anna", "smyth", "1980-02-03", "")], [0, 0]),
    (NAMES, [("liz", "moss", "1980-02-03", ""), ("elizabeth", "moss", "1980-02-03", "ab12cd")], [0, 0]),
    (NAMES, [("ali", "khan", "1980-02-03", ""), ("khan", "ali", "1980-02-03", "")], [0, 0]),
    (NAMES, [("john", "moss", "1980-02-03", ""), ("jane", "moss", "1980-02-03", "")], [0, 1]),
    (NAMES, [("jonquil", "moss", "1980-02-03", ""), ("jonas", "moss", "1980-02-03", "")], [0, 1]),
    (NAMES, [("anna", "moss", "1980-02-03", "ab12cd"), ("anna", "grey", "1980-02-03", "ab12cd")], [0, 0]),
    (NAMES, [("anna", "moss", "1980-02-03", ""), ("anna", "grey", "1980-02-03", "")], [0, 1]),
    (NAMES, [("anna", "moss", "1980-02-03", "ab12cd"), ("anna", "moss", "1981-02-03", "ab12cd")], [0, 0]),
    (NAMES, [("anna", "moss", "1980-02-03", "ab12cd"), ("anna", "moss", "1990-02-03", "ab12cd")], [0, 0]),
    (NAMES, [("anna", "moss", "1980-02-03", "ab12cd"), ("anna", "moss", "1991-02-03", "ab12cd")], [0, 1]),
    (NAMES, [("anna", "moss", "1980-02-03", "ab12cd"), ("anna", "moss", "1980-05-04", "ab12cd")], [0, 0]),
    (NAMES, [("john", "moss", "1950-02-03", "ab12cd"), ("john", "moss", "1980-05-04", "ab12cd")], [0, 1]),
    (NAMES, [("john", "moss", "1950-02-03", "ab12cd"), ("john", "moss", "", "ab12cd")], [0, 0]),
    (NAMES, [("john", "moss", "", "ab12cd"), ("john", "moss", "", "ab12cd")], [0, 0]),
    (
        NAMES,
        [
            ("john", "moss", "1950-02-03", "ab12cd"),
            ("john", "moss", "1980-05-04", "ab12cd"),
            ("john", "moss", "", "ab12cd"),
        ],
        [0, 1, 2],
    ),
    among_strangers(
        NAMES,
        [
            ("anna", "grey", "1980-02-03", "ab12cd"),
            ("bert", "moss", "", ""),
            ("anna", "moss", "1980-02-03", "ab12cd"),
            ("anna", "moss", "1980-02-03", ""),
        ],
        [0, 1, 0, 0],
    ),
    # One of 2 births of the name, of 4 in the year and of 2 on the day: 1,000 (2) (300) (366) > 36,600 (5 ^ 2).
    (
        NAMES,
        [
            ("ali", "khan", "1980-01-01", ""),
            ("ali", "khan", "1980-01-01", ""),
            ("ali", "khan", "1981-05-06", ""),
            ("bert", "moss", "1980-01-01", ""),
            ("cara", "pratt", "1980-07-08", ""),
            ("dirk", "wren", "1980-09-10", ""),
        ],
        [0, 1, 2, 3, 4, 5],
    ),
    # Six births of one name at one postcode.
    (
        NAMES,
        [("ali", "khan", f"198{digit}-0{digit}-11", "ab12cd") for digit in (0, 1, 2, 3, 4)],
        [0, 1, 2, 3, 4],
    ),
    (NAMES, [("ali", "khan", f"1980-0{month}-11", "ab12cd") for month in (1, 2, 3, 4, 5)], [0] * 5),
    (
        NAMES,
        [("ali", "khan", f"1980-0{month}-11", "ab12cd") for month in (1, 2, 3, 4, 5, 6)],
        [0, 1, 2, 3, 4, 5],
    ),
    among_strangers(
        TOLD,
        [
            ("jon", "", "moss", "1980-02-03", "", "m"),
            ("john", "", "moss", "1980-02-03", "", "m"),
            ("jane", "", "moss", "1980-02-03", "", "f"),
            ("john", "", "moss", "1980-02-03", "", ""),
        ],
        [0, 0, 2, 0],
    ),
    among_strangers(
        TOLD,
        [
            ("mohammed ali", "", "khan", "1980-02-03", "", ""),
            ("mohammed", "ahmed", "khan", "1980-02-03", "", ""),
            ("mohammed omar", "", "khan", "1980-02-03", "", ""),
            ("mohammed", "", "khan", "1980-02-03", "", ""),
        ],
        [0, 1, 2, 3],
    ),
    (
        TOLD,
        [
            ("ashley", "", "moss", "1980-02-03", "ab12cd", "m"),
            ("ashley", "jo", "moss", "1980-02-03", "", "f"),
            ("ashley", "", "grey", "1980-02-03", "ab12cd", ""),
            ("ashley", "kim", "grey", "1980-02-03", "", ""),
        ],
        [0, 1, 0, 3],
    ),
    among_strangers(
        FULL,
        [
            ("anna maria de smith", "1980-02-03", ""),
            ("anna desmyth", "1980-02-03", ""),
            ("desmyth anna", "1980-02-03", ""),
            ("anna", "1980-02-03", ""),
            ("anna", "1980-02-03", ""),
        ],
        [0, 0, 0, 3, 4],
    ),
    (TOLD, [(given, "", "moss", "1980-02-03", "", "f") for given in ("haley", "hailie")], [0, 0]),
    (TOLD, [(given, "", "moss", "1980-02-03", "", "") for given in ("haley", "hailie")], [0, 1]),
    # The first word is no particle of the second: these are twins.
    (
        TOLD,
        [
            ("abdul rahman", "", "khan", "1980-02-03", "ab12cd", "m"),
            ("abdul karim", "", "khan", "1980-02-03", "ab12cd", "m"),
        ],
        [0, 1],
    ),
    # Without a birth, five at most.
    (NAMES, [("john", surname, "", "ab12cd") for surname in SMITHS[:5]], [0] * 5),
    (NAMES, [("john", surname, "", "ab12cd") for surname in SMITHS], [*range(6)]),
    # Given name and surname before a full name.
    (BOTH, [("eve grey", "anna", "moss", "1980-02-03"), ("zoe pratt", "anna", "moss", "1980-02-03")], [0, 0]),
    (BOTH, [("eve grey", "anna", "moss", "1980-02-03"), ("eve grey", "cara", "wren", "1980-02-03")], [0, 1]),
    # A year is of a hundredth at least, and a day of one in 366: 36 births of the name, and 37.
    (NAMES, [*births(("ali", "khan"), 36), ("ali", "khan", "1950-01-01", "")], [*range(36), 0]),
    (NAMES, [*births(("ali", "khan"), 37), ("ali", "khan", "1950-01-01", "")], [*range(38)]),
    # 1,000 (2) (5 x 100) (1 x 366) is just 36,600 (100 ^ 2).
    (NAMES, at_the_limit(of_year=5), [*range(100), 0]),
    (NAMES, at_the_limit(of_year=6), [*range(101)]),
    # By both names and the postcode, where neither is rare enough without the other.
    (NAMES, crowded(), [*range(79), 79, 79]),
    # Words of one name alone are none.
    among_strangers(
        NAMES, [("ann", "", "1980-02-03", "ab12cd"), ("ann", "", "1980-02-03", "ef34gh")], [0, 1]
    ),
    # By forename and postcode with two surnames, and with three: a hostel.
    among_strangers(NAMES, [("ali", family, "1980-02-03", "ab12cd") for family in ("khan", "moss")], [0, 0]),
    among_strangers(
        NAMES, [("ali", family, "1980-02-03", "ab12cd") for family in ("khan", "moss", "grey")], [0, 1, 2]
    ),
    # By a part of the birth, where others of the year don't live there, and where they do.
    (NAMES, neighbours("ef34gh"), [0, 0, *range(2, 32)]),
    (NAMES, neighbours("ab12cd"), [*range(32)]),
    (
        NAMES,
        [
            *(("ali", "khan", f"1980-0{month}-11", "ab12cd") for month in (1, 2)),
            ("zoe", "wren", "1950-01-01", "ab12cd"),
            ("eve", "pratt", "1951-02-02", "ab12cd"),
        ],
        [0, 0, 2, 3],
    ),
    # Second words of one initial that sound different, that sound alike, and that are not written out.
    (TOLD, [(given, "", "moss", "1980-02-03", "", "") for given in ("maria jose", "maria juana")], [0, 1]),
    (TOLD, [(given, "", "moss", "1980-02-03", "", "") for given in ("maria jose", "maria josé")], [0, 1]),
    (TOLD, [("maria", middle, "moss", "1980-02-03", "", "") for middle in ("ann", "anne rose")], [0, 0]),
    (TOLD, [("maria", middle, "moss", "1980-02-03", "", "") for middle in ("jose", "j")], [0, 0]),
    (TOLD, [("maria", middle, "moss", "1980-02-03", "", "") for middle in ("j", "k")], [0, 1]),
    # What is disputed in a later step leaves what an earlier one has joined; last, what a third record has joined.
    among_strangers(
        TOLD,
        [
            ("john", "adam", "moss", "1980-02-03", "", ""),
            ("john", "", "moss", "1980-02-03", "", ""),
            ("moss", "basil", "john", "1980-02-03", "", ""),
        ],
        [0, 0, 2],
    ),
    among_strangers(
        TOLD,
        [
            ("john", "adam", "moss", "1980-02-03", "ab12cd", ""),
            ("john", "", "moss", "1980-02-03", "ab12cd", ""),
            ("john", "basil", "grey", "1980-02-03", "ab12cd", ""),
        ],
        [0, 0, 2],
    ),
    among_strangers(
        TOLD,
        [
            ("john", "adam", "moss", "1980-02-03", "", ""),
            ("john", "", "moss", "1980-02-03", "ab12cd", ""),
            ("john", "basil", "moss", "1981-02-03", "ab12cd", ""),
        ],
        [0, 1, 2],
    ),
    among_strangers(
        TOLD,
        [
            ("john adam", "", "moss", "1980-02-03", "ab12cd", "m"),
            ("john", "", "moss", "1980-02-03", "", "m"),
            ("john basil", "", "moss", "1981-02-03", "ab12cd", "m"),
        ],
        [0, 0, 2],
    ),
    (
        TOLD,
        [
            ("john adam", "", "moss", "1980-02-03", "ab12cd", "m"),
            ("john", "", "moss", "1980-02-03", "", "m"),
            ("john basil", "", "moss", "", "ab12cd", "m"),
        ],
        [0, 0, 2],
    ),
]


def rules() -> tuple[list[tuple[str, str]], list[str]]:
    """The tables of the phonetic code, from the document."""
    text = (Path(__file__).parents[3] / "docs" / "formats" / "field-filters.md").read_text(encoding="utf-8")
    section = text.partition("### Phonetic code")[2].partition("\n### ")[0]
    rows = [line.split("`") for line in section.splitlines() if line.startswith("| `")]
    classes = next(line for line in section.splitlines() if line.startswith("    pb "))
    return [(cells[1], cells[3]) for cells in rows], classes.split()


def document() -> dict[str, object]:
    patterns, classes = rules()
    words = "smith smyth schmidt katherine catherine phillip filip aisha ayesha mohammed muhammad mcdonald wright "
    words += "knight singh thompson geoffrey xavier pneuma lloyd nguyen hughes hywel o x h ng o2 محمد 王小明 rhys lynch"
    tags = [(name, value, *writer.tag_and_salt(KEY, name, value)) for name, value in BLOCKS]
    filters = []
    for place, (kind, value) in enumerate(VALUES):
        bits, per_field = SETTINGS[place % len(SETTINGS)]
        name, block, _, salt = tags[place % 6]
        identifier = kind.replace("-", "_")
        space, tokens = writer.space_of(kind, identifier), writer.tokens_of(kind, value)
        counts = writer.shares(kind, tokens, per_field)
        filters.append(
            {
                "pass": name,
                "block_value": block,
                "identifier": identifier,
                "kind": kind,
                "value": value,
                "space": space,
                "tokens": tokens,
                "filter_bits": bits,
                "positions_per_field": per_field,
                "positions_of_first_token": writer.positions(KEY, salt, space, tokens[0], bits, counts[0]),
                "filter": writer.filter_of(KEY, salt, space, tokens, bits, counts).hex(),
            }
        )
    return {
        "version": 1,
        "read_me": "docs/formats/field-filters.md. Bytes are in hexadecimal. The key is the scheme's key.",
        "key": KEY.hex(),
        "tags": [
            {"pass": name, "block_value": value, "tag": tag.hex(), "salt": salt.hex()}
            for name, value, tag, salt in tags
        ],
        "ranks": [
            {"pass": name, "text": text, "rank": writer.rank(KEY, name, text).hex()}
            for name, text in (("birth", "atwn"), ("names", "atwn"), ("birth", ""), ("postcode", "محم"))
        ],
        "leaders": [
            {"pass": name, "records": records, "leader": writer.leader(KEY, name, records)}
            for name in ("birth", "postcode")
            for records in RANKED
        ],
        "joined": [{"kinds": kinds, "records": records, "first": first} for kinds, records, first in JOINED],
        "filters": filters,
        "transforms": [
            {"kind": kind, "transform": transform, "value": value, "expected": expected}
            for kind, transform, value, expected in TRANSFORMED
        ],
        "phonetic": [
            {"word": word, "code": writer.phonetic(word, patterns, classes)} for word in words.split()
        ],
    }


if __name__ == "__main__":
    text = json.dumps(document(), indent=1, ensure_ascii=True) + "\n"
    (Path(__file__).parent / "vectors.json").write_text(text, encoding="ascii")
    sys.stdout.write(f"{len(text)} bytes\n")
