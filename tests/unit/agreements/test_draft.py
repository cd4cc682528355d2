import unicodedata
from datetime import date
from typing import get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pprl.agreements.check import check, open_ends, warnings
from pprl.agreements.columns import KNOWN
from pprl.agreements.diff import diff_text
from pprl.agreements.draft import DEFAULT_FEATURES, TARGET_BITS, DatasetSketch, draft
from pprl.agreements.explain import explain
from pprl.errors import ConfigError, UsageError
from pprl.protocol.agreement import not_answered_for, not_filled_in, out_of_time, parse
from pprl.protocol.blocking import default_passes
from pprl.protocol.kinds import KINDS
from pprl.protocol.profiles import Profile

TODAY = date(2026, 11, 22)

FEBRL = "record_id,person_id,given_name,surname,date_of_birth,address,suburb,postcode,state"
UK = "record_id,person_id,given_name,middle_names,surname,date_of_birth,sex,postcode"
VOTERS = "voter_id,first_name,middle_name,last_name,birth_year,age,sex,race,street,city,zip"
HISTORICAL = "unique_id,cluster,full_name,first_name,surname,dob,birth_place,postcode_fake,gender,occupation"
OFFENCES = "OFFENCE_REF,FORENAME,MIDDLE_NAMES,SURNAME,DOB,SEX,POSTCODE"
COURT = "hearing_id,defendant_first_name,defendant_last_name,date_of_birth,gender,postcode"
PRISON = "prisoner_number,given_names,family_name,birth_date,sex,home_postcode"


def sketch(name: str, header: str, rows: int = 1_000) -> DatasetSketch:
    return DatasetSketch(name, tuple(header.split(",")), rows)


def drafted(*sketches: DatasetSketch, duplicates: tuple[str, ...] = (), **options):
    text = draft(sketches, today=TODAY, duplicates=duplicates, **options)
    return text, parse(text.encode(), where="draft").content


@pytest.mark.parametrize(
    ("header", "identifiers", "record_id"),
    [
        (FEBRL, "given_name surname date_of_birth postcode address town region", "record_id"),
        (UK, "given_name middle_names surname date_of_birth sex postcode", "record_id"),
        (VOTERS, "given_name middle_names surname year_of_birth sex postcode address town", "voter_id"),
        (HISTORICAL, "given_name surname date_of_birth sex postcode place_of_birth occupation", "unique_id"),
    ],
)
def test_two_tables_of_one_header_share_all_that_is_known(header, identifiers, record_id):
    _, agreement = drafted(sketch("a", header), sketch("b", header))
    assert [each.name for each in agreement.identifier] == identifiers.split()
    assert {each.record_id_column for each in agreement.dataset} == {record_id}
    assert "person_id" not in str(agreement)
    assert "age" not in str([each.columns for each in agreement.dataset])


@pytest.mark.parametrize(("header", "joins"), [(UK, True), (HISTORICAL, True), (VOTERS, False)])
def test_records_are_joined_at_home_where_names_and_a_date_of_birth_are_there(
    header: str, joins: bool
) -> None:
    """With a year of birth nobody would be joined, and a person's records in a block but one be lost."""
    text, agreement = drafted(sketch("a", header), sketch("b", header), duplicates=("a",))
    assert agreement.encoding.field_filter_parameters.join_at_home is joins
    assert agreement.encoding.field_filter_parameters.joins(agreement.dataset[0]) is joins
    if not joins:
        asked = text.replace("join_at_home = false", "join_at_home = true")
        with pytest.raises(ConfigError) as refused:
            parse(asked.encode(), where="draft")
        (finding,) = refused.value.findings
        assert finding.column == "encoding.field_filters.join_at_home"
        assert "set it to false" in finding.rule


def test_three_tables_of_justice_find_each_other_under_their_own_words():
    text, agreement = drafted(
        sketch("offences", OFFENCES, 12_345),
        sketch("court", COURT),
        sketch("prison", PRISON),
        duplicates=("offences", "court"),
    )
    offences, court, prison = agreement.dataset
    assert offences.columns == {
        "given_name": "FORENAME", "surname": "SURNAME", "date_of_birth": "DOB", "sex": "SEX", "postcode": "POSTCODE"
    }  # fmt: skip
    assert court.columns["given_name"] == "defendant_first_name"
    assert prison.columns["postcode"] == "home_postcode"
    assert [each.record_id_column for each in agreement.dataset] == [
        "OFFENCE_REF",
        "hearing_id",
        "prisoner_number",
    ]
    assert [each.may_have_duplicates for each in agreement.dataset] == [True, True, False]
    assert (offences.expected_rows_min, offences.expected_rows_max) == (9_876, 14_814)
    assert "MIDDLE_NAMES (no other dataset has middle_names)" in text
    assert len({each.party for each in agreement.dataset}) == 3


def test_a_draft_lacks_keys_and_approvals_and_nothing_else():
    _, agreement = drafted(sketch("a", UK), sketch("b", UK))
    assert list(out_of_time(agreement, today=TODAY)) == []
    assert {finding.column for finding in not_filled_in(agreement)} == {
        "approval", *(f"party[{place}].keys" for place in range(5))
    }  # fmt: skip


def test_the_same_headers_give_the_same_text():
    arguments = [sketch("a", UK), sketch("b", FEBRL)]
    assert draft(arguments, today=TODAY) == draft(arguments, today=TODAY)


def test_a_number_that_two_tables_share_links_them_and_is_no_record_id():
    _, agreement = drafted(sketch("a", "prisoner_number,surname"), sketch("b", "id,prisoner_number,surname"))
    assert [each.record_id_column for each in agreement.dataset] == [None, "id"]
    assert agreement.dataset[0].columns == {"surname": "surname", "prisoner_number": "prisoner_number"}
    assert agreement.kind_of("prisoner_number") == "number"


def test_a_full_name_is_kept_only_where_its_parts_are_not():
    _, whole = drafted(sketch("a", "name,dob"), sketch("b", "full_name,dob,surname"))
    assert [each.name for each in whole.identifier] == ["full_name", "date_of_birth"]
    text, parts = drafted(
        sketch("a", "name,forename,surname,dob,yob"), sketch("b", "full_name,forename,surname,dob,yob")
    )
    assert [each.name for each in parts.identifier] == ["given_name", "surname", "date_of_birth"]
    assert "name (other columns say the same)" in text


def test_dates_are_read_the_american_way_where_columns_are_american():
    for header, order in ((UK, "day-month-year"), ("first_name,last_name,dob,zip", "month-day-year")):
        _, agreement = drafted(sketch("a", header), sketch("b", UK))
        assert {each.date_order for each in agreement.dataset} == {order}


def test_row_ranges_leave_room_and_never_reach_zero():
    _, agreement = drafted(sketch("a", UK, 0), sketch("b", UK, 3))
    assert [(each.expected_rows_min, each.expected_rows_max) for each in agreement.dataset] == [
        (1, 1),
        (2, 4),
    ]


def test_every_kind_has_a_default_and_drafts_keep_to_the_bits():
    assert set(DEFAULT_FEATURES) == set(KINDS)
    assert {known.kind for known in KNOWN.values()} == set(KINDS)
    for header in (FEBRL, UK, VOTERS, "surname,sex"):
        _, agreement = drafted(sketch("a", header), sketch("b", header), scheme="clk")
        bits = sum(feature.bits_per_feature or 0 for feature in agreement.encoding.clk.features)
        assert abs(bits - TARGET_BITS) <= len(agreement.encoding.clk.features)


def test_drafts_encode_by_field_filters_unless_told_otherwise():
    _, agreement = drafted(sketch("a", UK), sketch("b", UK))
    assert (agreement.encoding.scheme, agreement.encoding.clk) == ("field-filters", None)
    _, agreement = drafted(sketch("a", UK), sketch("b", UK), scheme="clk")
    assert (agreement.encoding.scheme, agreement.encoding.field_filters) == ("clk", None)


@pytest.mark.parametrize("header", [FEBRL, UK, VOTERS, HISTORICAL, "surname,sex", "name,phone"])
@pytest.mark.parametrize("rows", [1_000, 20_000_000])
def test_drafted_passes_suit_the_size_of_the_largest_file(header, rows):
    _, agreement = drafted(sketch("a", header, 10), sketch("b", header, rows), scheme="field-filters")
    passes = [each.blocking_pass() for each in agreement.encoding.field_filter_parameters.passes]
    assert passes == list(default_passes(agreement.kinds(), rows))
    assert passes


@pytest.mark.parametrize("duplicates", [(), ("b",)])
def test_blocks_are_no_larger_than_those_that_were_attacked(duplicates):
    _, agreement = drafted(sketch("a", UK), sketch("b", UK), duplicates=duplicates)
    assert agreement.encoding.field_filter_parameters.one_person_a_block


@pytest.mark.parametrize("scheme", ["clk", "field-filters"])
@pytest.mark.parametrize("duplicates", [(), ("a", "b")])
def test_nobody_is_warned_of_what_drafts_choose_by_themselves(scheme, duplicates):
    _, agreement = drafted(sketch("a", UK), sketch("b", FEBRL), duplicates=duplicates, scheme=scheme)
    chosen = [each.column for each in warnings(agreement) if each.column.startswith("encoding.field_filters")]
    assert chosen == []


@pytest.mark.parametrize("profile", get_args(Profile))
def test_a_drafts_limits_on_attackers_are_in_force_without_their_signs(profile):
    text, agreement = drafted(sketch("a", UK), sketch("b", UK), profile=profile)
    assert agreement.privacy.risk is None
    assert "privacy" in [each.column for each in warnings(agreement)]
    before, opening, after = text.partition("# [privacy.risk]")
    limits, release, rest = after.partition("\n\n")
    uncommented = before + (opening + limits).replace("# ", "").replace("#\n", "\n") + release + rest
    limited = parse(uncommented.encode(), where="draft").content
    assert limited.model_copy(update={"privacy": agreement.privacy}) == agreement
    assert "privacy" not in [each.column for each in warnings(limited)]
    assert list(not_answered_for(limited)) == []
    plain = profile == "clkhash-compatible"
    assert limited.privacy.risk.accepted_of("matcher") == (
        10_000 if plain else limited.privacy.risk.limit_of("matcher")
    )
    assert any("exception" in each.column for each in open_ends(limited)) == plain


@pytest.mark.parametrize("header", [FEBRL, UK, VOTERS, HISTORICAL, COURT, "surname,sex", "name,phone"])
def test_every_text_can_be_written_of_a_draft_of_either_scheme(header):
    files = [
        parse(
            draft([sketch("a", header), sketch("b", header)], today=TODAY, scheme=scheme).encode(), where="x"
        )
        for scheme in ("clk", "field-filters")
    ]
    for file in files:
        assert not [each for each in check(file.raw, where="x", today=TODAY) if each.level == "problem"]
        for audience in ("officer", "auditor"):
            assert "What leaves the building" in explain(file, audience=audience, today=TODAY)
    for old, new in (files, files[::-1]):
        assert "encoding.scheme" in diff_text(old, new)


def test_a_record_with_sex_and_surname_alone_is_not_encoded_unless_that_is_all_there_is():
    assert drafted(sketch("a", UK), sketch("b", UK))[1].encoding.min_identifiers == 3
    assert drafted(sketch("a", "surname,sex"), sketch("b", UK))[1].encoding.min_identifiers == 2


def test_too_little_in_common_says_what_was_understood_and_no_other_column():
    with pytest.raises(ConfigError, match="too few identifiers") as caught:
        drafted(sketch("a", "surname,JONES,1980-01-01"), sketch("b", UK))
    told = " ".join(str(finding) for finding in caught.value.findings)
    assert "surname (surname)" in told
    assert "did not use 2 others" in told
    assert "JONES" not in told
    assert "1980" not in told


@pytest.mark.parametrize(
    ("sketches", "options"),
    [
        ([sketch("a", UK)], {}),
        ([sketch(f"d{number}", UK) for number in range(21)], {}),
        ([sketch("a", UK), sketch("A", UK)], {}),
        ([sketch("a b", UK), sketch("c", UK)], {}),
        ([sketch("a\n", UK), sketch("c", UK)], {}),
        ([sketch("a", UK), sketch("b", UK)], {"duplicates": ("c",)}),
        ([sketch("a", UK), sketch("b", UK)], {"title": "two\nlines"}),
        ([sketch("a", UK), sketch("b", UK)], {"project_id": "1"}),
    ],
)
def test_what_cannot_be_named_is_refused(sketches, options):
    with pytest.raises(UsageError):
        draft(sketches, today=TODAY, **options)


def test_twenty_datasets_and_the_longest_names_fit():
    names = [
        "n" * 40,
        "n" * 35,
        "n" * 35 + "-dept",
        "matcher",
        "research",
        *(f"d{number}" for number in range(15)),
    ]
    _, agreement = drafted(*(sketch(name, UK) for name in names))
    assert (len(agreement.dataset), len(agreement.party)) == (20, 23)


@given(
    st.lists(
        st.one_of(
            st.sampled_from((UK + "," + PRISON + "," + VOTERS).split(",")),
            st.text(max_size=30),
            st.tuples(st.sampled_from(["dob", "Sur\u0323\u0307name", "surname "]), st.text(max_size=5)).map(
                "".join
            ),
        ),
        max_size=12,
    ),
    st.text(min_size=1, max_size=20),
)
def test_any_header_gives_a_draft_that_parses_or_a_refusal(header, title):
    known = ["forename", "surname", "dob"]
    try:
        text = draft(
            [DatasetSketch("a", tuple(header + known), 10), DatasetSketch("b", tuple(known + header), 10)],
            today=TODAY,
            title=title,
        )
    except (ConfigError, UsageError):
        return
    agreement = parse(text.encode(), where="draft").content
    assert unicodedata.is_normalized("NFC", text)
    for dataset, columns in zip(agreement.dataset, (header + known, known + header), strict=True):
        assert set(dataset.columns.values()) <= set(columns)


def test_rates_by_group_are_offered_and_off():
    text, agreement = drafted(sketch("a", UK), sketch("b", UK))
    assert agreement.release.rates_by == ()
    asking = text.replace("# rates_by = ", "rates_by = ")
    found = parse(asking.encode(), where="draft").content.release.rates_by
    assert found == ("sex", "decade-of-birth", "completeness")
