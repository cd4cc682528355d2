from __future__ import annotations

import csv
import hashlib
import io
import re
from collections import Counter
from dataclasses import fields
from datetime import date, datetime
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from pprl.encode.standardise import InvalidValue, standardise
from pprl.protocol.kinds import Kind
from pprl.synthetic import TRUTH_COLUMN, Population, Table, generate, write_csv
from pprl.synthetic.entries import Habits
from pprl.synthetic.justice import COURT, POLICE, PRISON
from pprl.synthetic.pairs import HABITS

IDENTIFIERS: dict[str, dict[Kind, str]] = {
    "offences": {
        "given-name": "FORENAME",
        "surname": "SURNAME",
        "date-of-birth": "DOB",
        "sex": "SEX",
        "postcode": "POSTCODE",
    },
    "court": {
        "given-name": "defendant_first_name",
        "surname": "defendant_last_name",
        "date-of-birth": "date_of_birth",
        "sex": "gender",
        "postcode": "postcode",
    },
    "prison": {
        "given-name": "given_names",
        "surname": "family_name",
        "date-of-birth": "birth_date",
        "sex": "sex",
        "postcode": "home_postcode",
    },
}
TABLES = tuple(IDENTIFIERS)


def written(table: Table) -> bytes:
    file = io.StringIO()
    write_csv(table, file)
    return file.getvalue().encode()


def digest(population: Population) -> str:
    return hashlib.sha256(b"".join(written(table) for table in population.tables.values())).hexdigest()


def missing(values: list[str]) -> float:
    return values.count("") / len(values)


def first_values(table: Table, column: str) -> dict[str, str]:
    found: dict[str, str] = {}
    for person, value in zip(table.columns[TRUTH_COLUMN], table.columns[column], strict=True):
        found.setdefault(person, value)
    return found


def same(population: Population, one: str, other: str, kind: Kind) -> float:
    left = first_values(population.tables[one], IDENTIFIERS[one][kind])
    right = first_values(population.tables[other], IDENTIFIERS[other][kind])
    pairs = [
        (standardise(kind, left[who]), standardise(kind, right[who])) for who in left.keys() & right.keys()
    ]
    known = [first == second for first, second in pairs if first and second]
    return sum(known) / len(known)


def test_the_same_seed_gives_the_same_bytes_on_every_python() -> None:
    # If the generator is changed on purpose, so is this digest.
    assert (
        digest(generate(2_000, seed=20)) == "bdcc7aba844dbf369bc45ba722eb936289f2732b0bd6c01a3c7f0444c6ef8d7f"
    )


def test_another_seed_gives_other_people() -> None:
    assert digest(generate(200, seed=1)) != digest(generate(200, seed=2))


@pytest.mark.parametrize("people", [1, 2, 3, 50])
def test_small_populations_are_made(people: int) -> None:
    population = generate(people, seed=3)
    known = {who for table in population.tables.values() for who in table.columns[TRUTH_COLUMN]}
    assert len(known) == people


def test_there_is_at_least_one_person() -> None:
    with pytest.raises(ValueError, match="at least one"):
        generate(0, seed=1)


def test_everyone_is_in_offences_or_court(population: Population) -> None:
    offences = set(population.offences.columns[TRUTH_COLUMN])
    court = set(population.court.columns[TRUTH_COLUMN])
    assert len(offences | court) == population.people
    assert offences - court
    assert court - offences


def test_prisoners_came_from_court_and_have_one_record(population: Population) -> None:
    prisoners = population.prison.columns[TRUTH_COLUMN]
    assert set(prisoners) <= set(population.court.columns[TRUTH_COLUMN])
    assert len(set(prisoners)) == len(prisoners)


def test_sizes_are_sensible(population: Population) -> None:
    assert 1.8 < population.offences.rows / population.people < 2.3
    assert 1.2 < population.court.rows / population.people < 1.7
    assert 0.09 < population.prison.rows / population.people < 0.15


def test_offences_are_skewed(population: Population) -> None:
    counts = Counter(Counter(population.offences.columns[TRUTH_COLUMN]).values())
    people = sum(counts.values())
    assert 0.6 < counts[1] / people < 0.75
    assert max(counts) > 20


@pytest.mark.parametrize("name", TABLES)
def test_columns_have_one_length_and_the_truth_is_last(population: Population, name: str) -> None:
    table = population.tables[name]
    assert {len(values) for values in table.columns.values()} == {table.rows}
    assert table.header[0] == table.record_id_column
    assert table.header[-1] == TRUTH_COLUMN
    assert TRUTH_COLUMN not in table.without_truth().columns


@pytest.mark.parametrize("name", TABLES)
def test_values_are_plain_strings(population: Population, name: str) -> None:
    assert {type(value) for values in population.tables[name].columns.values() for value in values} == {str}


@pytest.mark.parametrize("name", TABLES)
def test_record_ids_are_unique(population: Population, name: str) -> None:
    table = population.tables[name]
    assert len(set(table.columns[table.record_id_column])) == table.rows


def rank_correlation(first: list[str], second: list[str]) -> float:
    ranks = [np.argsort(np.argsort(np.array(values))) for values in (first, second)]
    return float(np.corrcoef(ranks[0], ranks[1])[0, 1])


@pytest.mark.parametrize("name", TABLES)
def test_order_record_id_and_person_id_say_nothing_of_each_other(population: Population, name: str) -> None:
    table = population.tables[name]
    places = [f"{place:09d}" for place in range(table.rows)]
    identity = table.columns[table.record_id_column]
    truth = table.columns[TRUTH_COLUMN]
    surname = table.columns[IDENTIFIERS[name]["surname"]]
    bound = 5 / np.sqrt(len(set(truth)))
    for first, second in (
        (places, identity),
        (places, truth),
        (identity, truth),
        (places, surname),
        (truth, surname),
    ):
        assert abs(rank_correlation(first, second)) < bound


@pytest.mark.parametrize("name", TABLES)
def test_records_of_a_person_or_household_are_not_kept_together(population: Population, name: str) -> None:
    table = population.tables[name]
    postcodes = table.columns[IDENTIFIERS[name]["postcode"]]
    beside = sum(first == second != "" for first, second in pairwise(postcodes))
    assert beside < 0.01 * table.rows


def test_dates_are_days_of_the_calendar_in_each_tables_form(population: Population) -> None:
    forms = (
        (population.offences, ("DOB", "OFFENCE_DATE"), "%d/%m/%Y"),
        (population.court, ("date_of_birth", "hearing_date"), "%Y-%m-%d"),
        (population.prison, ("birth_date", "reception_date"), "%d-%b-%Y"),
    )
    for table, columns, form in forms:
        for column in columns:
            days = [datetime.strptime(value, form).date() for value in table.columns[column] if value]
            assert all(date(1900, 1, 1) <= day <= date(2025, 12, 31) for day in days)


def test_nobody_offends_before_ten_or_is_born_in_one_heap(population: Population) -> None:
    table = population.offences
    births = [value for value in table.columns["DOB"] if value and not value.startswith("01/01")]
    assert Counter(births).most_common(1)[0][1] < 0.006 * table.rows
    young = 0
    for born, offence in zip(table.columns["DOB"], table.columns["OFFENCE_DATE"], strict=True):
        young += bool(born) and int(offence[-4:]) - int(born[-4:]) < 10
    assert young < 0.002 * table.rows


def test_ages_peak_in_the_twenties(population: Population) -> None:
    years = Counter(
        (int(offence[-4:]) - int(born[-4:])) // 10
        for born, offence in zip(
            population.offences.columns["DOB"], population.offences.columns["OFFENCE_DATE"], strict=True
        )
        if born and born[-4:] != "1900"
    )
    assert years.most_common(1)[0][0] == 2


@pytest.mark.parametrize(
    ("name", "column", "least", "most"),
    [
        ("offences", "FORENAME", 0.001, 0.01),
        ("offences", "DOB", 0.005, 0.025),
        ("offences", "POSTCODE", 0.07, 0.13),
        ("court", "gender", 0.015, 0.05),
        ("court", "date_of_birth", 0.01, 0.045),
        ("court", "postcode", 0.04, 0.09),
        ("prison", "birth_date", 0.0, 0.01),
        ("prison", "home_postcode", 0.1, 0.22),
    ],
)
def test_missing_rates(population: Population, name: str, column: str, least: float, most: float) -> None:
    assert least <= missing(population.tables[name].columns[column]) <= most


@pytest.mark.parametrize(
    ("one", "other"), [("offences", "court"), ("court", "prison"), ("offences", "prison")]
)
@pytest.mark.parametrize(
    ("kind", "least", "most"),
    [
        ("given-name", 0.65, 0.9),
        ("surname", 0.8, 0.96),
        ("date-of-birth", 0.9, 0.99),
        ("sex", 0.97, 1.0),
        ("postcode", 0.65, 0.95),
    ],
)
def test_a_person_is_mostly_the_same_in_two_tables(
    population: Population, one: str, other: str, kind: Kind, least: float, most: float
) -> None:
    assert least <= same(population, one, other, kind) <= most


@pytest.mark.parametrize("name", TABLES)
def test_every_value_can_be_standardised(population: Population, name: str) -> None:
    refused: Counter[str] = Counter()
    for kind, column in IDENTIFIERS[name].items():
        for value in population.tables[name].columns[column]:
            try:
                standardise(kind, value)
            except InvalidValue as problem:
                refused[problem.rule] += 1
    assert refused.total() < 0.001 * population.tables[name].rows, refused


def test_placeholders_are_there_and_rare(population: Population) -> None:
    table = population.offences
    for column, value in (("DOB", "01/01/1900"), ("POSTCODE", "ZZ99 3VZ")):
        assert 0 < table.columns[column].count(value) < 0.03 * table.rows
    unknown = sum(name in {"UNKNOWN", "NOT KNOWN", "N/K"} for name in table.columns["FORENAME"])
    assert 0 < unknown < 0.01 * table.rows


def test_postcodes_have_the_usual_shape(population: Population) -> None:
    shape = re.compile(r"[A-Z]{1,2}[0-9][0-9A-Z]? ?[0-9][ABD-HJLNP-UW-Z]{2}")
    codes = [code for code in population.court.columns["postcode"] if code]
    assert sum(bool(shape.fullmatch(code)) for code in codes) > 0.98 * len(codes)


def test_prisoner_numbers_have_first_letters_that_are_not_in_use(population: Population) -> None:
    numbers = population.prison.columns["prisoner_number"]
    assert all(re.fullmatch(r"[W-Z][0-9]{4}[A-Z]{2}", number) for number in numbers)


def test_case_and_words_are_each_departments_own(population: Population) -> None:
    assert all(name == name.upper() for name in population.offences.columns["SURNAME"])
    assert set(population.offences.columns["SEX"]) == {"M", "F", "U"}
    assert set(population.court.columns["gender"]) == {"Male", "Female", ""}
    last_names = population.court.columns["defendant_last_name"]
    assert 0.8 < sum(name.istitle() for name in last_names) / len(last_names) < 0.97


def test_a_written_table_reads_back(population: Population) -> None:
    rows = list(csv.reader(io.StringIO(written(population.prison).decode())))
    assert tuple(rows[0]) == population.prison.header
    assert [tuple(row) for row in rows[1:]] == list(population.prison.records())


def test_the_page_states_the_rates_that_are_used() -> None:
    page = (Path(__file__).parents[3] / "docs" / "synthetic-data.md").read_text(encoding="utf-8")
    stated = {
        cells[1]: cells[2:6] for line in page.splitlines() if len(cells := re.split(r" *\| *", line)) == 7
    }
    for field in fields(Habits):
        used = [f"{100 * getattr(habits, field.name):g}" for habits in (POLICE, COURT, PRISON, HABITS)]
        assert stated[field.name] == used
