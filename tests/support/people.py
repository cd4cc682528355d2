"""A few made-up people in the tables of three departments, with the truth beside them."""

from __future__ import annotations

import csv
import random
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path

GIVEN = [
    "Adeola",
    "Beatrix",
    "Cuthbert",
    "Deirdre",
    "Ebenezer",
    "Florrie",
    "Gwendolyn",
    "Horatio",
    "Ifeoma",
    "Jocasta",
    "Kazimierz",
    "Leopold",
    "Mehwish",
    "Nathaniel",
    "Ottoline",
    "Percival",
    "Quentin",
    "Rosalind",
    "Siobhan",
    "Thaddeus",
    "Ursula",
    "Vivienne",
    "Winifred",
    "Xanthe",
    "Yevgenia",
    "Zebedee",
]
SURNAMES = [
    "Abernathy",
    "Blenkinsop",
    "Cholmondeley",
    "Drinkwater",
    "Entwistle",
    "Featherstone",
    "Gathercole",
    "Heptinstall",
    "Ibbotson",
    "Jellicoe",
    "Kirkbride",
    "Longbottom",
    "Micklethwaite",
    "Nightingale",
    "Oglethorpe",
    "Postlethwaite",
    "Quartermaine",
    "Ramsbottom",
    "Shufflebotham",
    "Thistlethwaite",
    "Umfreville",
    "Venables",
    "Wigglesworth",
    "Yarborough",
]
AREAS = ["AB", "BS", "CF", "DH", "EX", "GL", "HX", "LN", "NE", "PL", "SA", "TR", "WR", "YO"]


@dataclass(frozen=True, slots=True)
class Person:
    """A made-up person."""

    number: int
    given: str
    surname: str
    born: date
    sex: str
    postcode: str


def people(count: int, *, seed: int) -> list[Person]:
    """So many people, all different."""
    draw = random.Random(seed)
    return [
        Person(
            number,
            draw.choice(GIVEN),
            draw.choice(SURNAMES),
            date(1950, 1, 1) + timedelta(days=draw.randrange(20_000)),
            draw.choice("MF"),
            f"{draw.choice(AREAS)}{draw.randrange(1, 20)} {draw.randrange(10)}{draw.choice('ABDEFGH')}"
            f"{draw.choice('JLNPQRS')}",
        )
        for number in range(count)
    ]


def with_a_slip(person: Person, draw: random.Random) -> Person:
    """The same person, now and then written down a little wrongly."""
    given, surname, born, postcode = person.given, person.surname, person.born, person.postcode
    chance = draw.random()
    if chance < 0.1:
        place = draw.randrange(1, len(surname) - 1)
        surname = surname[:place] + surname[place + 1 :]
    elif chance < 0.2:
        given = given[0] + given[1:].replace("e", "i", 1)
    elif chance < 0.25:
        postcode = ""
    elif chance < 0.3:
        born = born.replace(day=1)
    return Person(person.number, given, surname, born, person.sex, postcode)


Table = dict[str, list[str]]


def tables(*, seed: int = 7) -> dict[str, Table]:
    """Three tables about some sixty people: police, who may have a person twice, court and prison."""
    draw = random.Random(seed)
    everybody = people(70, seed=seed)
    police = [with_a_slip(person, draw) for person in everybody[:50]]
    police += [with_a_slip(person, draw) for person in everybody[:6]]
    court = [with_a_slip(person, draw) for person in everybody[10:60]]
    prison = [with_a_slip(person, draw) for person in everybody[25:70]]
    for rows in (police, court, prison):
        draw.shuffle(rows)
    return {
        "police": _table(
            police, ("offence_ref", "Forename", "Surname", "DOB", "Sex", "Postcode"), "OFF", "%d/%m/%Y"
        ),
        "court": _table(
            court, ("case_no", "first_name", "last_name", "date_of_birth", "gender", "postcode"), "CASE", "%Y-%m-%d"
        ),
        "prison": _table(
            prison, ("prisoner_no", "given_name", "surname", "birth_date", "sex", "postcode"), "P", "%Y-%m-%d"
        ),
    }  # fmt: skip


def write_table(path: Path, table: Mapping[str, Sequence[str]]) -> Path:
    """A table as CSV."""
    return write_rows(path, tuple(table), zip(*table.values(), strict=True))


def write_rows(path: Path, header: Sequence[str], rows: Iterable[Sequence[str]]) -> Path:
    """Rows as CSV."""
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(header)
        writer.writerows(rows)
    return path


def read_rows(path: Path) -> list[dict[str, str]]:
    """A CSV file's rows."""
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def _table(rows: Sequence[Person], names: tuple[str, ...], prefix: str, dates: str) -> Table:
    record_id, given, surname, born, sex, postcode = names
    return {
        record_id: [f"{prefix}-{4_000 + 7 * place}" for place in range(len(rows))],
        given: [person.given for person in rows],
        surname: [person.surname for person in rows],
        born: [person.born.strftime(dates) for person in rows],
        sex: [person.sex for person in rows],
        postcode: [person.postcode for person in rows],
        "person_id": [str(person.number) for person in rows],
    }
