"""Scheme field-filters written a second time, from docs/formats/field-filters.md alone: slow and plain.

It shares no code with the product but the tables that are data of the specification: the rewriting rules of the
phonetic code and the list of forenames are read from where they are published.
"""

import hashlib
import hmac
import re
from collections import Counter
from itertools import pairwise

from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

PARTICLES = """
ab abdel abdul abu al ap bin bint binte binti da das de del della den der di do dos du el fitz ibn la le mac mc o san
st te ten ter ud ul van von zu
""".split()  # noqa: SIM905 - as the document prints them


def hkdf_sha512(secret: bytes, info: bytes) -> bytes:
    prk = hmac.digest(bytes(64), secret, hashlib.sha512)
    return hmac.digest(prk, info + b"\x01", hashlib.sha512)[:32]


def derived(key: bytes, use: str, context: str = "") -> bytes:
    return hkdf_sha512(key, f"pprl/v1/field-filters/{use}".encode() + b"\0" + context.encode())


def blake(key: bytes, text: str, length: int) -> bytes:
    return hashlib.blake2b(text.encode(), key=key, digest_size=length).digest()


def aes(key: bytes, block: bytes) -> bytes:
    return Cipher(algorithms.AES(key), modes.ECB()).encryptor().update(block)  # noqa: S305 - one block, see the document


def tag_and_salt(key: bytes, pass_name: str, block_value: str) -> tuple[bytes, bytes]:
    state = bytes(16)
    for part in block_value.split("\x1f"):
        digest = blake(derived(key, "part"), part, 16)
        mixed = bytes(one ^ other for one, other in zip(state, digest, strict=True))
        state = aes(derived(key, "chain", pass_name), mixed)
    return aes(derived(key, "tag", pass_name), state), aes(derived(key, "salt", pass_name), state)[:8]


def rank(key: bytes, pass_name: str, text: str) -> bytes:
    return blake(derived(key, "rank", pass_name), text, 16)[:8]


def leader(key: bytes, pass_name: str, records: list[list[str]]) -> int:
    """Place of the record that leads a block; each record is its texts in the order in which columns rank."""
    return min(range(len(records)), key=lambda place: [rank(key, pass_name, text) for text in records[place]])


AT_HOME = ("forename", "surname", "postcode")
NEIGHBOUR = ("forename", "postcode")
BY_BIRTH_DATE = (AT_HOME[:2], ("words",), ("sound", "surname", "sex"), AT_HOME, NEIGHBOUR)


def joined(records: list[dict[str, str]], copies: list[int]) -> list[int]:
    """The first record of the person of each; a record is its texts by their names in the document."""
    people = [
        {place for place, first in enumerate(copies) if first == copies[own]} for own in range(len(copies))
    ]
    for name in BY_BIRTH_DATE:
        births = {
            (texts_of(each, name), each["birth"]) for each in records if all(texts_of(each, (*name, "birth")))
        }

        def rare(
            texts: tuple[str, ...], birth: str, births: set[tuple[tuple[str, ...], str]] = births
        ) -> bool:
            n = sum(name == texts for name, _ in births)
            y = sum(each[:4] == birth[:4] for _, each in births)
            d = sum(each[5:] == birth[5:] for _, each in births)
            of_year, of_day = max(100 * (y - 1), len(births)), max(366 * (d - 1), len(births))
            return 1_000 * n * of_year * of_day <= 36_600 * len(births) ** 2

        for texts, birth in births:
            its = alike(records, {**dict(zip(name, texts, strict=True)), "birth": birth})
            surnames = {records[place]["surname"] for place in its} - {""}
            if rare(texts, birth) and (name != NEIGHBOUR or len(surnames) <= 2):
                unite(people, records, its)
    homes = [
        alike(records, dict(zip(AT_HOME, texts, strict=True)))
        for texts in {texts_of(each, AT_HOME) for each in records}
        if all(texts)
    ]
    known = {
        texts_of(each, (*AT_HOME, "birth")) for each in records if all(texts_of(each, (*AT_HOME, "birth")))
    }
    for part in (lambda day: day[:3] + day[4:], lambda day: day[:2] + day[3:], lambda day: day[:4]):
        for home in homes:
            births = {records[place]["birth"] for place in home} - {""}
            name, postcode = texts_of(records[home[0]], AT_HOME[:2]), records[home[0]]["postcode"]
            n = sum(each[:2] == name for each in known)
            h = sum(each[:2] != name and each[2] == postcode for each in known)
            for said in {part(birth) for birth in births} if len(births) <= 5 else ():
                p = sum(each[:2] != name and part(each[3]) == said for each in known)
                its = [
                    place
                    for place in home
                    if records[place]["birth"] and part(records[place]["birth"]) == said
                ]
                if 1_000 * n * p * h <= len(known) ** 2:
                    unite(people, records, its)
    together = [frozenset(each) for each in people]
    for home in homes:
        dateless = sum(not records[place]["birth"] for place in home)
        if dateless <= 5 and len({together[place] for place in home if records[place]["birth"]}) <= 1:
            unite(people, records, home)
    found = [
        {place for place, first in enumerate(copies) if first == copies[own]} for own in range(len(copies))
    ]
    for each in {frozenset(each) for each in people}:
        unite(found, records, sorted(each))
    return [min(each) for each in found]


def texts_of(record: dict[str, str], names: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(record[name] for name in names)


def alike(records: list[dict[str, str]], texts: dict[str, str]) -> list[int]:
    return [
        place for place, each in enumerate(records) if all(each[name] == text for name, text in texts.items())
    ]


def unite(people: list[set[int]], records: list[dict[str, str]], places: list[int]) -> None:
    """Make one person of records, or one of those of each second name that they tell; in place."""
    told = {texts_of(records[place], ("initial", "whole")) for place in places}
    if any(len({each[at] for each in told} - {""}) > 1 for at in (0, 1)):
        for texts in told:
            its = [place for place in places if texts_of(records[place], ("initial", "whole")) == texts]
            unite(people, records, its)
        return
    everybody = set().union(*(people[place] for place in places))
    for place in everybody:
        people[place] = everybody


def positions(key: bytes, salt: bytes, space: str, token: str, bits: int, count: int) -> list[int]:
    digest = blake(derived(key, "token"), f"{space}\0{token}", 16)[:8]
    block = aes(derived(key, "position"), salt + digest)
    number, width = int.from_bytes(block, "big"), bits.bit_length() - 1
    return [number >> (128 - (i + 1) * width) & (bits - 1) for i in range(min(count, 128 // width))]


def shares(kind: str, tokens: list[str], per_field: int) -> list[int]:
    total = per_field * (2 if kind in ("full-name", "address-line", "free-text") else 1)
    return [total // len(tokens) + (place < total % len(tokens)) for place in range(len(tokens))]


def filter_of(key: bytes, salt: bytes, space: str, tokens: list[str], bits: int, counts: list[int]) -> bytes:
    number = 0
    for token, count in zip(tokens, counts, strict=True):
        for position in positions(key, salt, space, token, bits, count):
            number |= 1 << (bits - 1 - position)
    return number.to_bytes(bits // 8, "big")


def name_tokens(value: str) -> list[str]:
    found = []
    seen = Counter()
    for word in value.split(" "):
        padded = "_" + word + "_"
        for first, second in pairwise(padded):
            found.append(first + second + str(seen[first + second]))
            seen[first + second] += 1
    return found


def word_tokens(value: str) -> list[str]:
    numbered = []
    for word in value.split(" "):
        if re.search("[0-9]", word) and "#" + word not in numbered:
            numbered.append("#" + word)
    return numbered + name_tokens(value)


def date_tokens(value: str) -> list[str]:
    y, m, d = value.split("-")
    return [
        *("Y" + y, "M" + m, "D" + d, "c" + y[2], "d" + y[3], "e" + m[0], "f" + m[1], "g" + d[0], "h" + d[1]),
        "S" + min(m, d) + "-" + max(m, d),
    ]


def year_tokens(value: str) -> list[str]:
    return [
        "Y" + value,
        "c" + value[2],
        "d" + value[3],
        *("N" + str(int(value) + step) for step in (-1, 0, 1)),
    ]


def district_sector(value: str) -> tuple[str, str]:
    outward = "[a-z]{1,2}[0-9][0-9a-z]?"
    whole = re.fullmatch(f"({outward})([0-9])[a-z]{{2}}", value)
    if whole:
        return whole[1], whole[1] + whole[2]
    if re.fullmatch(outward, value):
        return value, ""
    short = re.fullmatch(f"({outward})([0-9])[a-z]?", value)
    if short:
        return short[1], short[1] + short[2]
    return value[: max(3, len(value) - 2)], value


def postcode_tokens(value: str) -> list[str]:
    district, sector = district_sector(value)
    area = district[0] if len(district) > 1 and district[1].isdigit() else district[:2]
    found = ["U" + value, "O" + district, "A" + area]
    if sector:
        found.append("S" + sector)
    found += [f"{place}:{mark}" for place, mark in enumerate(district)]
    rest = value[len(district) :]
    return found + [f"-{place}:{mark}" for place, mark in enumerate(reversed(rest), start=1)]


def number_tokens(value: str) -> list[str]:
    found = ["=" + value, *(f"{place}:{mark}" for place, mark in enumerate(value))]
    found += ["_" + value[place : place + 2] for place in range(len(value) - 1)]
    return list(dict.fromkeys(found))


TOKENS = {
    **dict.fromkeys(["given-name", "middle-names", "surname", "full-name"], name_tokens),
    **dict.fromkeys(["address-line", "place", "free-text"], word_tokens),
    **dict.fromkeys(["sex", "code"], lambda value: ["=" + value]),
    "date-of-birth": date_tokens,
    "year-of-birth": year_tokens,
    "postcode": postcode_tokens,
    "number": number_tokens,
}


def tokens_of(kind: str, value: str) -> list[str]:
    return TOKENS[kind](value)[:40]


def space_of(kind: str, identifier: str) -> str:
    names = ("given-name", "middle-names", "surname", "full-name")
    return "shared:names" if kind in names else "field:" + identifier


def phonetic(word: str, rules: list[tuple[str, str]], classes: list[str]) -> str:
    if not re.fullmatch("[a-z]+", word):
        return word[:3]
    for pattern, sound in rules:
        word = re.sub(pattern, sound, word)
    class_of = {letter: group[0] for group in classes for letter in group}
    code, last = word[0], class_of.get(word[0], word[0])
    for letter in word[1:]:
        if letter in "hw":
            continue
        heard = class_of.get(letter)
        if heard and heard != last and len(code) < 4:
            code += heard
        last = heard
    return code
