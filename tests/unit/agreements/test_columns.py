import pytest

from pprl.agreements.columns import KNOWN, recognise


def read(header: str, *, may_have_duplicates: bool = False):
    return recognise(header.split(","), may_have_duplicates=may_have_duplicates)


def test_no_name_means_two_identifiers():
    names = [name for known in KNOWN.values() for name in known.names.split()]
    assert sorted(names) == sorted(set(names))


@pytest.mark.parametrize(
    ("column", "identifier"),
    [
        *(
            (name, "given_name")
            for name in ("FORENAME", "first_name", "firstName", "First Name", "fname", "given_names")
        ),
        *(
            (name, "given_name")
            for name in ("defendant_first_name", "PrisonerForename", "legal first name", "forename_1")
        ),
        *(
            (name, "surname")
            for name in ("SURNAME", "last-name", "family_name", "lname", "offender surname", "Surname.1")
        ),
        *((name, "middle_names") for name in ("MIDDLE_NAMES", "middle_initial", "other names")),
        *((name, "full_name") for name in ("name", "full_name", "defendant_name", "first_and_surname")),
        *(
            (name, "date_of_birth")
            for name in ("DOB", "date_of_birth", "birth_date", "birthdate", "DateOfBirth", "dob_text")
        ),
        *((name, "year_of_birth") for name in ("yob", "birth_year", "YEAR_OF_BIRTH")),
        *((name, "sex") for name in ("Sex", "gender", "sex_code", "sex_at_birth")),
        *(
            (name, "postcode")
            for name in ("POSTCODE", "post_code", "zip", "zip_code", "home_postcode", "last_known_postcode")
        ),
        *(
            (name, "address")
            for name in ("address", "address1", "address_line_1", "street", "res_street_address")
        ),
        *((name, "town") for name in ("town", "suburb", "res_city_desc")),
        *((name, "region") for name in ("county", "state", "region", "state_cd", "state_code")),
        *((name, "place_of_birth") for name in ("birth_place", "place_of_birth", "birthplace")),
        ("Occupation", "occupation"),
        ("NINO", "national_insurance_number"),
        ("national insurance number", "national_insurance_number"),
        ("soc_sec_id", "social_security_number"),
        ("PNC_ID", "police_number"),
        ("prisoner_number", "prisoner_number"),
        ("phone_number", "phone"),
        ("e-mail", "email"),
        ("pr\u00e9nom", None),
        ("age", None),
        ("age_at_offence", None),
        ("race", None),
        ("street_number", None),
        ("address_line_2", None),
        ("court_name", None),
        ("offence_date", None),
        ("mother_surname", None),
        ("officer_name", None),
        ("person_id", None),
        ("cluster", None),
        ("", None),
        ("  ", None),
        ("first\nname", None),
        ("surname\u202e", None),
        ("x" * 501, None),
    ],
)
def test_a_column_is_known_by_its_name(column, identifier):
    found = recognise(["something", column], may_have_duplicates=False).identifiers
    assert found == ({identifier: column} if identifier else {})


@pytest.mark.parametrize(
    ("header", "record_id"),
    [
        ("record_id,surname", "record_id"),
        ("surname,id", "id"),
        ("person_id,rec_id", "rec_id"),
        ("OFFENCE_REF,FORENAME", "OFFENCE_REF"),
        ("hearing_id,surname", "hearing_id"),
        ("voter_id,surname", "voter_id"),
        ("ncid,surname", "ncid"),
        ("prisoner_number,surname", "prisoner_number"),
        ("surname,hearing_id", None),
        ("person_id,surname", None),
        ("cluster,surname", None),
        ("paid,surname", None),
        ("county_id,surname", None),
        ("household_id,surname", None),
        ("surname,forename", None),
    ],
)
def test_the_record_id_is_named_so_or_stands_first(header, record_id):
    assert read(header).record_id == record_id


def test_where_a_person_may_have_several_records_a_persons_number_is_no_record_id():
    assert read("defendant_id,surname", may_have_duplicates=True).record_id is None
    assert read("prisoner_number,surname", may_have_duplicates=True).record_id is None
    assert read("hearing_id,surname", may_have_duplicates=True).record_id == "hearing_id"


def test_the_plainest_of_several_columns_is_taken_and_the_others_told():
    found = read("home_postcode,postcode,work_phone")
    assert found.identifiers == {"postcode": "postcode"}
    assert dict(found.not_used)["home_postcode"] == "another column already serves as postcode"


def test_of_two_kinds_of_people_one_is_taken_throughout():
    found = read("offender_surname,victim_forename,victim_surname,offender_forename")
    assert found.identifiers == {"given_name": "offender_forename", "surname": "offender_surname"}


def test_a_name_that_stands_twice_is_not_used():
    found = read("surname,surname,forename")
    assert found.identifiers == {"given_name": "forename"}
    assert dict(found.not_used)["surname"] == "several columns have this name"


def test_what_says_who_is_who_is_never_used():
    told = dict(read("person_id,true_id,cluster,label,entity_id,match_status,surname").not_used)
    assert set(told) == {"person_id", "true_id", "cluster", "label", "entity_id", "match_status"}
    assert len(set(told.values())) == 1
