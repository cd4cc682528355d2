from datetime import date

import pytest

from pprl.agreements.check import check, dangers, dangers_of, remarks_text, warnings
from pprl.errors import ConfigError
from tests.support.risk import RISK, exception, with_risk


def levels(text: str, today: date) -> dict[str, list[str]]:
    told: dict[str, list[str]] = {"problem": [], "to do": [], "danger": [], "warning": []}
    for remark in check(text.encode(), where="x", today=today):
        told[remark.level].append(remark.finding.column)
    return told


NO_LIMITS = "privacy"
"""Where it is told that an agreement has no limits on attackers, as the examples here have not."""


def test_a_complete_example_has_no_problem_and_is_warned_that_it_has_no_limits_on_attackers(complete, today):
    told = levels(complete, today)
    assert told["problem"] == []
    assert told["to do"] == [f"party[{place}].contact" for place in range(7)]
    assert told["warning"] == [NO_LIMITS]
    assert levels(with_risk(complete, RISK.replace("= 500", "= 50")), today)["warning"] == []


def test_scheme_clk_is_a_danger_and_folding_makes_it_a_warning(justice_as_clk, changed, today):
    plain = levels(justice_as_clk, today)
    assert (plain["danger"], plain["warning"]) == (["encoding.scheme"], [NO_LIMITS])
    for folds, words in ((1, "can be attacked"), (3, "several errors: on generated tables F1 was")):
        folded = changed(justice_as_clk, ("xor_folds = 0", f"xor_folds = {folds}"))
        sparse, told, _ = warnings(folded.content)
        assert (sparse.column, "92 %" in sparse.rule) == ("encoding.clk.features", True)
        assert (told.column, words in told.rule) == ("encoding.clk.xor_folds", True)
        assert levels(folded.raw.decode(), today)["danger"] == []


def test_the_danger_of_plain_encodings_says_what_the_attack_named(two_parties, changed):
    [told] = dangers(changed(two_parties).content)
    assert "recognised nobody to begin with, named every one" in told.rule


def test_the_example_lacks_keys_and_approvals(justice, today):
    told = levels(justice, today)
    assert [column for column in told["to do"] if column.endswith("keys")] == [
        f"party[{place}].keys" for place in range(6)
    ]
    assert told["to do"].count("approval") == 6


def test_what_is_no_agreement_is_only_problems(justice, today):
    remarks = check(justice.replace("[dpia]", "[dpiaa]").encode(), where="x", today=today)
    assert [(remark.level, remark.finding.line is None) for remark in remarks] == [
        ("problem", True),
        ("problem", False),
    ]
    [remark] = check(b"\xff", where="x", today=today)
    assert remark.level == "problem"
    assert "UTF-8" in remark.finding.rule


def test_an_expired_agreement_is_a_problem_and_its_line_is_told(complete):
    [first, second, *_] = check(complete.encode(), where="x", today=date(2030, 1, 1))
    lines = complete.splitlines()
    assert (first.level, second.level) == ("problem", "problem")
    assert lines[first.finding.line - 1].startswith("valid_until")
    assert lines[second.finding.line - 1].startswith("expires")


def test_what_a_draft_left_open_is_to_do(complete, changed, today):
    text = changed(complete, ('reference = "EXAMPLE', 'reference = "To be completed')).raw.decode()
    assert "dpia.reference" in levels(text, today)["to do"]
    text = changed(
        complete, ("purposes_permitted = [", 'purposes_permitted = [\n  "To be completed: what for",')
    ).raw.decode()
    assert "project.purposes_permitted[0]" in levels(text, today)["to do"]


# What is changed in the example, and the column and words of the warning that it must bring.
MATCHER, RESEARCH = 'roles = ["matcher"]', 'roles = ["research"]'
COURT_NAMES = 'given_name = "defendant_first_name"\nsurname = "defendant_last_name"\n'
FEW_IN_COMMON = [
    (COURT_NAMES, ""),
    ('postcode = "home_postcode"\n', ""),
    ('sex = "sex"\n', ""),
    ("min_identifiers = 3", "min_identifiers = 2"),
]
SMALL_LIMIT = ("small_number_limit = 10", "small_number_limit = 9")
KEEPING = ("min_linked_people = 100", "min_linked_people = 100\nkeep_linkage_keys = true")
COSTS = [
    ([(MATCHER, 'roles = ["matcher", "key-issuer"]'), ('["key-issuer"]', '["auditor"]')], "roles", "19 % of 5,000"),
    ([(MATCHER, 'roles = ["auditor"]'), (RESEARCH, 'roles = ["research", "matcher"]')], "roles", "crosswalk"),
    ([("target_precision = 0.975", "target_precision = 0.9")], "linkage.target_precision", "one link in 10"),
    ([('threshold = "estimated"', "threshold = 0.8")], "linkage.threshold", "keeps to target_precision"),
    ([("one_person_a_block = true", "one_person_a_block = false")], "one_person_a_block", "72 %"),
    ([('["postcode:whole"]', '["sex:whole"]')], "passes[10]", "very many people share"),
    ([('["postcode:whole"]', '["sex:whole", "date_of_birth:year"]')], "passes[10]", None),
    ([('["postcode:whole"]', '["date_of_birth:year"]')], "passes[10]", "very many people share"),
    ([('["postcode:whole"]', '["surname:initial"]')], "passes[10]", "very many people share"),
    ([("expected_rows_min = 6_000", "expected_rows_min = 5_999")], "expected_rows_max", "wider"),
    ([("expected_rows_min = 6_000", "expected_rows_min = 99")], "expected_rows_min", "single people"),
    (FEW_IN_COMMON, "dataset[2].columns", "have 1 identifiers in common, fewer than 2"),
    ([('sex = "gender"\n', ""), ('sex = "sex"\n', "")], "identifier[3]", "only 'offences' has"),
    ([('sex = "SEX"\n', ""), ('sex = "gender"\n', "")], "identifier[3]", "nothing to compare it with"),
    ([("join_at_home = true", "join_at_home = false")], "join_at_home", "a third of the offences"),
    ([("max_popcount_share = 0.6", "max_popcount_share = 0.76")], "privacy", "alike to many"),
    ([('"per-record"\nc', '"per-person"\nc')], "release.linkage_keys", "own records were linked"),
    ([KEEPING], "release.keep_linkage_keys", "which records of two versions are one"),
    ([KEEPING, ('record_id_column = "hearing_id"\n', "")], "dataset[1]", "can't keep their linkage keys"),
    ([("min_linked_people = 100", "min_linked_people = 9"), SMALL_LIMIT], "min_linked_people", "small"),
    ([("small_number_limit = 10", "small_number_limit = 4")], "small_number_limit", "small"),
    ([('sex = "SEX"\n', "")],
     "rates_by[0]", "'offences' has no identifier that tells it"),
    ([("expires = 2029-10-31", "expires = 2029-10-30")], "dpia.expires", "before the agreement"),
    ([("encodings_days = 30", "encodings_days = 365")], "encodings_days", "long"),
]  # fmt: skip


@pytest.mark.parametrize(("replacements", "column", "words"), COSTS)
def test_each_costly_choice_is_warned_of(justice, changed, replacements, column, words):
    before = {str(finding) for finding in warnings(changed(justice).content)}
    told = [each for each in warnings(changed(justice, *replacements).content) if str(each) not in before]
    if words is None:
        assert told == []
    else:
        assert any(column in each.column and words in each.rule for each in told), told


def test_what_costs_scheme_clk_alone_is_warned_of_under_it_alone(justice, justice_as_clk, changed):
    full = ("max_popcount_share = 0.6", "max_popcount_share = 0.45")
    fixed = ('threshold = "estimated"', "threshold = 0.8")
    told = {each.column: each.rule for each in warnings(changed(justice_as_clk, full, fixed).content)}
    assert "would be refused" in told["privacy.max_popcount_share"]
    assert "79 %" in told["linkage.threshold"]
    told = {each.column: each.rule for each in warnings(changed(justice, full, fixed).content)}
    assert list(told) == ["linkage.threshold", NO_LIMITS]
    assert "79 %" not in told["linkage.threshold"]


def with_passes(text: str, *lines: str) -> str:
    start = text.index("passes = [")
    return text[:start] + "passes = [" + "\n".join(lines) + "\n]" + text[text.index("\n]", start) + 2 :]


def test_few_passes_and_one_that_every_pass_needs_are_warned_of(justice, changed):
    dates = [
        f'  {{ name = "{name}", parts = ["date_of_birth:{name}", "surname:whole"] }},'
        for name in ("whole", "year")
    ]
    told = [each.rule for each in warnings(changed(with_passes(justice, *dates)).content)]
    assert [rule[:24] for rule in told] == [
        "only 2 of them: a pair w",
        "every pass needs 'surnam",
        "every pass needs 'date_o",
        "no limits on attackers: ",
    ]
    area = '  { name = "area", parts = ["postcode:whole"] },'
    more = [*dates, area, '  { name = "names", parts = ["given_name:whole", "surname:whole"] },']
    assert [each.column for each in warnings(changed(with_passes(justice, *more)).content)] == [NO_LIMITS]


def test_one_officer_for_two_parties_is_warned_of(complete, changed):
    one = ('officer = "Rehearsal of ons-keys"', 'officer = "rehearsal of Home-Office"')
    assert [each.column for each in warnings(changed(complete, one).content)][-1] == "approval[4].officer"
    assert "officer" not in str(list(warnings(changed(complete).content)))


def test_few_identifiers_are_warned_of(two_parties, changed):
    names = ("given_name", "postcode")
    text = two_parties
    for name in names:
        lines = [
            line
            for line in text.splitlines(keepends=True)
            if not line.startswith((f"{name} = ", f'  {{ identifier = "{name}"'))
        ]
        text = "".join(lines)
        start = text.index(f'[[identifier]]\nname = "{name}"')
        text = text[:start] + text[text.index("\n[", start + 1) + 1 :]
    told = warnings(changed(text, ("min_identifiers = 3", "min_identifiers = 2")).content)
    assert "identifier" in [each.column for each in told]


def test_the_text_has_a_heading_for_each_level(justice_as_clk, today):
    remarks = check(
        justice_as_clk.replace("encodings_days = 30", "encodings_days = 365").encode(), where="x", today=today
    )
    text = remarks_text(remarks)
    assert "To do" in text
    assert "Warnings" in text
    assert dangers_of(remarks) == {
        line for line in text.splitlines() if "Danger" in line or "named every" in line
    }
    assert len(dangers_of(remarks)) == 2
    assert "Problems" not in text
    assert remarks_text(()) == "No problems, nothing left to do, no warnings.\n"


@pytest.mark.parametrize("positions", [11, 29])
def test_positions_that_the_scheme_does_not_have_are_refused(justice, changed, positions):
    with pytest.raises(ConfigError) as refusal:
        changed(justice, ("positions_per_field = 20", f"positions_per_field = {positions}"))
    assert [each.column for each in refusal.value.findings] == ["encoding.field_filters.positions_per_field"]


def test_high_limits_on_attackers_are_warned_of_and_higher_ones_need_an_officer(
    justice, complete, changed, today
):
    low = with_risk(justice, RISK.replace("= 500", "= 50"))
    assert levels(low, today)["warning"] == []
    review = with_risk(
        justice, RISK.replace("matcher_per_10000 = 500", "matcher_per_10000 = 51").replace("500", "50")
    )
    [finding] = warnings(changed(review).content)
    assert finding.column == "privacy.risk.matcher_per_10000"
    assert "the matcher may name up to 51 of 10,000 people" in finding.rule
    for holder, left in (("matcher", ["privacy.risk.matcher_per_10000"]), ("together", [])):
        high = RISK.replace(f"{holder}_per_10000 = 500", f"{holder}_per_10000 = 501")
        told = levels(with_risk(complete, high), today)["to do"]
        assert [each for each in told if "risk" in each] == left


def test_exceptions_are_told_with_the_officers_name_and_high_ones_in_red(justice, changed):
    for most, level, others in ((500, warnings, dangers), (4_000, dangers, warnings)):
        text = with_risk(justice, RISK.replace("= 500", "= 50") + exception("key-issuer", most))
        [finding] = level(changed(text).content)
        assert finding.column == "privacy.risk.exception[0]"
        assert (
            finding.rule == f"A. Smith accepts that the key issuer may name up to {most:,} of 10,000 people"
        )
        assert list(others(changed(text).content)) == []


def test_one_office_is_warned_of_what_it_may_name_with_both_roles(two_parties, changed):
    told = [each.column for each in warnings(changed(with_risk(two_parties, RISK)).content)]
    assert [each for each in told if "risk" in each] == ["privacy.risk.together_per_10000"]
