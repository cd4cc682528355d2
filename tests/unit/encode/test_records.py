import pytest

from pprl.encode import records
from pprl.encode.records import NOT_A_WHOLE_NUMBER, Standardiser, prepare
from pprl.encode.standardise import NO_SUCH_DAY, NOT_A_SEX
from pprl.errors import DataError
from pprl.protocol.agreement import ClkFeature, Dataset

EXACT = {"comparison": "exact", "hash": "blake", "bits_per_token": 10}
FEATURES = [
    ClkFeature(identifier="surname", **EXACT),
    ClkFeature(
        identifier="case_number",
        comparison="numeric",
        threshold_distance=5.0,
        resolution=2,
        hash="blake",
        bits_per_token=9,
    ),
]


@pytest.fixture
def agreement(agreement_with):
    return agreement_with(FEATURES)


def dataset(date_order="day-month-year", **columns):
    return Dataset.model_construct(name="prison", columns=columns, date_order=date_order)


def run(agreement, columns, table, *, first_row=2, most_findings=10):
    return prepare(
        table, first_row=first_row, dataset=columns, agreement=agreement, most_findings=most_findings
    )


def test_columns_come_out_under_the_agreements_names(agreement):
    prepared = run(
        agreement,
        dataset(surname="SNAME"),
        {"SNAME": ["O'Brien", "  ", "Unknown"], "SECRET": ["1", "2", "3"]},
    )
    assert prepared.columns["surname"] == ["obrien", "", ""]
    assert prepared.present["surname"] == 1
    assert "SECRET" not in prepared.columns
    assert prepared.findings == []


def test_an_identifier_that_the_dataset_lacks_is_missing_everywhere(agreement):
    prepared = run(agreement, dataset(surname="SNAME"), {"SNAME": ["Smith", "Jones"]})
    assert set(prepared.columns) == {identifier.name for identifier in agreement.identifier}
    assert prepared.columns["postcode"] == ["", ""]
    assert prepared.present["postcode"] == 0


def test_findings_name_row_column_and_rule_and_no_value(agreement):
    table = {"dob": ["31/02/1967", "1/3/1967", "31/02/1967"], "sx": ["f", "canary", "m"]}
    prepared = run(agreement, dataset(date_of_birth="dob", sex="sx"), table, first_row=100)
    assert [(each.row, each.column, each.rule) for each in prepared.findings] == [
        (100, "dob", NO_SUCH_DAY),
        (101, "sx", NOT_A_SEX),
        (102, "dob", NO_SUCH_DAY),
    ]
    assert prepared.findings_count == 3
    assert prepared.columns["date_of_birth"] == ["", "1967-03-01", ""]
    assert prepared.columns["sex"] == ["f", "", "m"]
    assert "canary" not in repr(prepared)
    assert "31/02" not in repr(prepared)


@pytest.mark.parametrize(("most", "rows"), [(-1, []), (0, []), (3, [2, 2, 3]), (99, [2, 2, 3, 3, 4, 4])])
def test_findings_are_kept_from_the_top_and_all_are_counted(agreement, most, rows):
    table = {"dob": ["x"] * 3, "sx": ["y"] * 3}
    prepared = run(agreement, dataset(date_of_birth="dob", sex="sx"), table, most_findings=most)
    assert [each.row for each in prepared.findings] == rows
    assert prepared.findings_count == 6


def test_dates_are_read_in_the_datasets_order(agreement):
    table = {"dob": ["11/09/1967"]}
    assert run(agreement, dataset("month-day-year", date_of_birth="dob"), table).columns["date_of_birth"] == [
        "1967-11-09"
    ]
    assert run(agreement, dataset(date_of_birth="dob"), table).columns["date_of_birth"] == ["1967-09-11"]


def test_what_is_compared_by_size_must_be_a_whole_number(agreement):
    prepared = run(agreement, dataset(case_number="ref"), {"ref": ["12/34", "007", "12A", "", "1" * 19]})
    assert prepared.columns["case_number"] == ["1234", "007", "", "", ""]
    assert [(each.row, each.rule) for each in prepared.findings] == [
        (4, NOT_A_WHOLE_NUMBER),
        (6, NOT_A_WHOLE_NUMBER),
    ]


def test_each_distinct_value_is_standardised_once(agreement, monkeypatch):
    seen = []
    plain = records.standardise

    def counted(kind, value, **options):
        seen.append(value)
        return plain(kind, value, **options)

    monkeypatch.setattr(records, "standardise", counted)
    run(agreement, dataset(surname="s"), {"s": ["Smith", "Jones"] * 500})
    assert sorted(seen) == ["Jones", "Smith"]


@pytest.mark.parametrize("remembered", [1, 2, 100_000])
def test_batches_are_standardised_as_a_whole_table_is_however_little_is_remembered(
    agreement, monkeypatch, remembered
):
    monkeypatch.setattr(records, "MOST_REMEMBERED", remembered)
    raw = {"Family name": ["Smith", "\x00", "smith ", "Smith", "O'Brien", "\x00", "\x07", "Smith"] * 3}
    prison = dataset(surname="Family name")
    whole = prepare(raw, first_row=2, dataset=prison, agreement=agreement, most_findings=99)
    standardiser = Standardiser(prison, agreement)
    parts = [
        standardiser.prepare(
            {name: values[at : at + 5] for name, values in raw.items()}, first_row=2 + at, most_findings=99
        )
        for at in range(0, 24, 5)
    ]
    assert [value for part in parts for value in part.columns["surname"]] == whole.columns["surname"]
    assert [finding for part in parts for finding in part.findings] == whole.findings
    assert len(whole.findings) == sum(part.findings_count for part in parts) == 9
    assert max(map(len, standardiser._outcomes.values())) <= max(remembered, 5)


def test_values_of_an_earlier_batch_are_not_standardised_again(agreement, monkeypatch):
    standardiser = Standardiser(dataset(surname="Name"), agreement)
    standardiser.prepare({"Name": ["Smith"]}, first_row=2, most_findings=0)
    monkeypatch.delattr(records, "standardise")
    again = standardiser.prepare({"Name": ["Smith", "Smith"]}, first_row=3, most_findings=0)
    assert again.columns["surname"] == ["smith", "smith"]


def test_a_table_without_an_agreed_column_is_refused(agreement):
    with pytest.raises(DataError) as caught:
        run(agreement, dataset(surname="SNAME", sex="sx"), {"SNAME": ["Smith"]})
    assert [each.column for each in caught.value.findings] == ["sx"]


def test_columns_of_different_length_are_refused(agreement):
    with pytest.raises(DataError, match="length"):
        run(agreement, dataset(surname="s", sex="sx"), {"s": ["Smith"], "sx": []})


def test_no_rows(agreement):
    prepared = run(agreement, dataset(surname="s"), {"s": []})
    assert prepared.columns["surname"] == []
    assert prepared.findings_count == 0
