from dataclasses import replace
from datetime import date

import pytest

from pprl.agreements.explain import KIND_WORDS, TRANSFORM_WORDS, WIDTH, explain
from pprl.protocol.agreement import parse
from pprl.protocol.blocking import TRANSFORMS
from pprl.protocol.kinds import KINDS
from tests.support.risk import RISK, exception, with_risk

AUDIENCES = ("officer", "auditor")


def words(text: str) -> str:
    return " ".join(text.split())


@pytest.mark.parametrize("audience", AUDIENCES)
@pytest.mark.parametrize("example", ["justice", "justice_as_clk", "two_parties"])
def test_every_table_column_party_and_retention_is_named(request, example, audience, today):
    file = parse(request.getfixturevalue(example).encode(), where="x")
    text = words(explain(file, audience=audience, today=today))
    for dataset in file.content.dataset:
        assert f"table '{dataset.name}'" in text
        for identifier, column in dataset.columns.items():
            assert f"{column}, as {identifier}" in text
        assert f"{dataset.expected_rows_min:,} to {dataset.expected_rows_max:,} records" in text
    for party in file.content.party:
        assert f"{party.name} ({party.id}):" in text
    for days in file.content.retention.model_dump().values():
        assert f"{days} days (" in text
    for purpose in (*file.content.project.purposes_permitted, *file.content.project.purposes_forbidden):
        assert purpose in text
    assert file.sha256 in text


@pytest.mark.parametrize("audience", AUDIENCES)
@pytest.mark.parametrize("example", ["justice", "justice_as_clk"])
def test_lines_fit_a_terminal_and_nothing_trails(request, example, audience, today):
    file = parse(request.getfixturevalue(example).encode(), where="x")
    lines = explain(file, audience=audience, today=today).splitlines()
    assert max(map(len, lines)) <= WIDTH
    assert all(line == line.rstrip() for line in lines)


def test_every_kind_has_its_words():
    assert set(KIND_WORDS) == set(KINDS)


def test_every_transform_has_its_words():
    assert set(TRANSFORM_WORDS) == set(TRANSFORMS)


def test_only_the_auditor_is_told_law_parameters_and_costs(justice_as_clk, today):
    file = parse(justice_as_clk.encode(), where="x")
    officer, auditor = (words(explain(file, audience=audience, today=today)) for audience in AUDIENCES)
    for part in (
        "Digital Economy Act 2017",
        "pieces of 2 characters",
        "What the choices cost",
        "Who approved",
    ):
        assert part not in officer
        assert part in auditor


def test_one_office_with_both_roles_is_told_what_that_costs(two_parties, today):
    text = words(explain(parse(two_parties.encode(), where="x"), audience="officer", today=today))
    assert "alone holds both coordinator roles" in text
    assert "19 % of 5,000 people" in text
    assert "Never sees names, other values, record ids, encodings" not in text
    assert "Nobody gets a crosswalk" in text


def test_two_offices_are_told_apart(justice, today):
    text = words(explain(parse(justice.encode(), where="x"), audience="officer", today=today))
    assert "They are two parties here" in text
    assert "Only Justice research environment (example) gets the crosswalk" in text


@pytest.mark.parametrize("audience", AUDIENCES)
def test_the_limits_of_plain_encodings_are_told_with_their_figure(justice_as_clk, audience, today):
    text = words(explain(parse(justice_as_clk.encode(), where="x"), audience=audience, today=today))
    assert "recognised 30 records" in text
    assert "named 99 % of those on both" in text
    assert "4,999 of 5,000 people" in text


@pytest.mark.parametrize("audience", AUDIENCES)
def test_what_leaves_under_field_filters_is_told_pass_by_pass(justice, audience, today):
    file = parse(justice.encode(), where="x")
    text = words(explain(file, audience=audience, today=today))
    assert "11 lists, one for each pass" in text
    assert "a random reference, different in every pass" in text
    assert "a tag of its block" in text
    assert "a filter of 128 bits, salted by the block" in text
    assert "A block of more than 50 records of one person is left out" in text
    assert "surname-month: same sound of surname and year and month in date_of_birth." in text
    assert "sound of surname (either way round)" in text
    for each in file.content.encoding.field_filter_parameters.passes:
        assert f"- {each.name}: same " in text
    assert "one encoding leaves" not in text
    assert "xor" not in text
    assert "folded" not in text


def test_what_the_passes_are_to_the_software_is_told_to_the_auditor_alone(justice, today):
    file = parse(justice.encode(), where="x")
    officer, auditor = (words(explain(file, audience=audience, today=today)) for audience in AUDIENCES)
    assert "names: given_name:unordered-canonical-phonetic, surname:unordered-phonetic" in auditor
    assert "unordered-canonical" not in officer


def test_what_the_matcher_can_do_with_field_filters_is_told_with_its_figures(justice, changed, today):
    text = words(explain(changed(justice), audience="officer", today=today))
    assert ".5 % of 20,000 people (.7 % of 5,000) were named by a matcher" in text
    assert "Numbers of bits do not tell how long names are." in text
    assert "19 % of 5,000 people" in text
    assert "named 99 % of those on both" not in text
    assert "Can't tell which record of one pass is which in another" in text
    whole = changed(justice, ("one_person_a_block = true", "one_person_a_block = false"))
    told = words(explain(whole, audience="officer", today=today))
    assert "named 72 % of 20,000 people in blocks of at most 50 records" in told
    assert "one person's records are sent" not in told
    assert "which records are joined" not in told


def test_where_people_have_several_records_it_is_told_who_joins_them(justice, changed, today):
    assert "which records are joined" in words(explain(changed(justice), audience="officer", today=today))
    apart = changed(justice, ("join_at_home = true", "join_at_home = false"))
    told = words(explain(apart, audience="officer", today=today))
    assert "named a third of the offences" in told
    assert "which records are joined" not in told


def test_one_office_with_field_filters_is_told_what_that_costs(justice, changed, today):
    one = changed(
        justice,
        ('roles = ["matcher"]', 'roles = ["matcher", "key-issuer"]'),
        ('["key-issuer"]\n\n', '["auditor"]\n\n'),
    )
    text = words(explain(one, audience="officer", today=today))
    assert "alone holds both coordinator roles and so sees which records of all passes are one" in text
    assert "19 % of 5,000 people" in text
    assert "They are two parties here" not in text


def test_a_fixed_threshold_is_a_probability_under_field_filters(justice, changed, today):
    fixed = changed(justice, ('threshold = "estimated"', "threshold = 0.85"))
    text = words(explain(fixed, audience="officer", today=today))
    assert "one person with probability 0.85 or more" in text
    assert "Dice" not in text


def test_dates_of_retention_count_from_today(justice, today):
    file = parse(justice.encode(), where="x")
    assert "30 days (22 December 2026)" in words(explain(file, audience="officer", today=today))
    assert "30 days (31 January 2027)" in words(explain(file, audience="officer", today=date(2027, 1, 1)))


def test_what_departments_learn_follows_the_release(justice, changed, today):
    per_record = words(explain(changed(justice), audience="officer", today=today))
    per_person = words(
        explain(
            changed(justice, ('linkage_keys = "per-record"', 'linkage_keys = "per-person"')),
            audience="officer",
            today=today,
        )
    )
    assert "Does not learn which of its own records were linked" in per_record
    assert "Learns which of its own records resemble each other" in per_person
    assert "Does not learn which of its own" not in per_person


@pytest.mark.parametrize("linkage_keys", ["per-record", "per-person"])
def test_without_duplicates_no_two_records_of_a_table_share_a_key(two_parties, changed, linkage_keys, today):
    file = changed(two_parties, ('linkage_keys = "per-record"', f'linkage_keys = "{linkage_keys}"'))
    text = words(explain(file, audience="officer", today=today))
    assert "Does not learn which of its own records resemble each other" in text
    assert "Every record has a key of its own, as a person has one record at most" in text
    assert "share a key" not in text


def test_choices_are_told_as_they_are(justice_as_clk, changed, today):
    new = changed(
        justice_as_clk,
        ('invalid_values = "missing"', 'invalid_values = "refuse"'),
        ('threshold = "estimated"', "threshold = 0.85"),
        ("xor_folds = 0", "xor_folds = 3"),
        ('record_id_column = "OFFENCE_REF"    # stays', "# stays"),
        ('sex = "gender"\n', ""),
        (
            "[dataset.columns]                   # MIDDLE",
            'date_order = "month-day-year"\n[dataset.columns] # MIDDLE',
        ),
    )
    text = words(explain(new, audience="auditor", today=today))
    assert "0.85 of 1 (Dice)" in text
    assert "Here encodings are folded 3 times" in text
    assert "The row numbers of 'offences'" in text
    assert "It has no sex: these count as missing" in text
    assert "read as month, day, year" in text
    assert "A file with a value that breaks its rule" in text


def test_the_state_is_told(justice, complete, today):
    def told(text: str, day: date) -> str:
        return words(explain(parse(text.encode(), where="x"), audience="officer", today=day))

    assert "it can be rehearsed, not run" in told(justice, today)
    assert "nobody has approved for 'ons-keys'" in told(justice, today)
    assert "nobody has approved" not in told(complete, today)
    assert "it is in force and complete" in told(complete.replace(".example", ".gov.uk"), today)
    assert "It can't be used today" in told(complete, date(2031, 1, 1))


def test_the_same_file_gives_the_same_text(justice, today):
    file = parse(justice.encode(), where="x")
    assert explain(file, audience="auditor", today=today) == explain(
        replace(file), audience="auditor", today=today
    )


def test_rates_by_group_are_told_where_data_leave_who_learns_and_what_comes_back(justice, changed, today):
    asking = changed(justice, ('"sex", "decade-of-birth", "completeness"', '"sex", "completeness"'))
    text = words(explain(asking, audience="officer", today=today))
    assert (
        "goes to Justice research environment (example) with its sex and number of missing identifiers"
        in text
    )
    assert "Linkage rates are told by sex and number of missing identifiers, one at a time" in text
    assert "fewer than 10 people linked" in text
    silent = changed(justice, ('rates_by = ["sex", "decade-of-birth", "completeness"]\n', ""))
    text = words(explain(silent, audience="officer", today=today))
    assert "Linkage rates by group are not asked for" in text
    assert "number of missing identifiers" not in text


@pytest.mark.parametrize("audience", AUDIENCES)
def test_keeping_keys_is_told_with_what_it_costs(justice, changed, audience, today):
    asked = ("min_linked_people = 100", "min_linked_people = 100\nkeep_linkage_keys = true")
    text = words(explain(changed(justice, asked), audience=audience, today=today))
    for told in (
        "a record keeps the key that it had",
        "the key issuer can tell which records of two versions are one",
        "what is known under a key grows from year to year",
        "Keys of another project can't be joined with these",
        "The project key, at",
        "An earlier linkage key that was not made for the same table of this project",
    ):
        assert told in text
    silent = words(explain(changed(justice), audience=audience, today=today))
    assert "makes new keys for all records" in silent
    assert "project key" not in silent


@pytest.mark.parametrize("audience", AUDIENCES)
def test_a_minimum_overlap_is_told_with_what_comes_back_and_what_is_refused(
    justice, changed, audience, today
):
    asked = ("min_linked_people = 100", "min_linked_people = 100\nmin_overlap = 0.05")
    text = words(explain(changed(justice, asked), audience=audience, today=today))
    assert (
        "Nothing is released if two datasets share fewer than 5 % of the people in the smaller one." in text
    )
    assert "A release where two datasets share fewer than 5 % of the people in the smaller one." in text
    assert "two datasets share" not in words(explain(changed(justice), audience=audience, today=today))


@pytest.mark.parametrize("audience", AUDIENCES)
def test_limits_on_attackers_are_told_and_who_accepts_more(justice, audience, today):
    file = parse(with_risk(justice, RISK + exception("matcher", 4_000)).encode(), where="x")
    text = words(explain(file, audience=audience, today=today))
    assert "up to 10,000 records of a table" in text
    assert "recognises up to 5 people beforehand" in text
    assert "the key issuer: 500." in text
    assert "the matcher: 500; here up to 4,000, which A. Smith (Chief statistician) accepts" in text
    assert "don't say that none can succeed" in text
    assert "may name more of 10,000" not in words(
        explain(parse(justice.encode(), where="x"), audience=audience, today=today)
    )


def test_of_one_office_only_what_it_may_name_with_both_roles_is_told(two_parties, today):
    file = parse(with_risk(two_parties, RISK).encode(), where="x")
    text = words(explain(file, audience="officer", today=today))
    assert "matcher and key issuer together: 500." in text
    assert "the matcher: 500" not in text


def test_that_visible_structure_is_refused_is_told(two_parties, today):
    strict = two_parties.replace("max_popcount_share", 'visible_structure = "refuse"\nmax_popcount_share', 1)
    text = words(explain(parse(strict.encode(), where="x"), audience="officer", today=today))
    assert "do not look like random bits" in text
