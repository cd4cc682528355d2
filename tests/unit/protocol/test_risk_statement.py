"""What a risk statement says, and when it passes."""

from __future__ import annotations

import json
from dataclasses import replace
from fractions import Fraction
from math import comb
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pprl.errors import FormatError
from pprl.protocol.agreement import AgreementFile, parse
from pprl.protocol.risk_statement import Controls, RiskStatement, judge, upper_per_10000
from tests.support.risk import (
    CUT_SHORT,
    EXCEPTIONS,
    KNOWN_PEOPLE,
    RISK,
    exception,
    passing,
    with_attack,
    with_risk,
)
from tests.unit.agreements.conftest import EXAMPLES

ROWS = 8_000


def of_two_offices(section: str = RISK) -> AgreementFile:
    text = (EXAMPLES / "offence-court-prison.toml").read_text()
    text = text[: text.index("# Attacks on oneself.")] + text[text.index("# The release.") :]
    return parse(with_risk(text, section).encode(), where="x")


def of_one_office(section: str = RISK) -> AgreementFile:
    text = (EXAMPLES / "two-parties.toml").read_text()
    return parse(with_risk(text, section).encode(), where="x")


FIELD_FILTERS, CLK = of_two_offices(), of_one_office()


def statement(agreement: AgreementFile = FIELD_FILTERS, records: int = ROWS, **changes: Any) -> RiskStatement:
    return passing(agreement, agreement.content.dataset[0].name, records, **changes)


def faults(
    found: RiskStatement, agreement: AgreementFile = FIELD_FILTERS, rows: int | None = ROWS
) -> list[str]:
    return [str(each) for each in judge(found, agreement.content, rows=rows)]


def named(
    found: RiskStatement, attack: str, count: int, agreement: AgreementFile = FIELD_FILTERS
) -> list[str]:
    """What is wrong once one attack has named so many."""
    place = [each.attack for each in found.attacks].index(attack)
    return faults(with_attack(found, place, named=count), agreement)


@pytest.mark.parametrize("agreement", [FIELD_FILTERS, CLK])
def test_a_statement_of_attackers_who_name_nobody_passes(agreement: AgreementFile) -> None:
    assert faults(statement(agreement), agreement) == []
    assert faults(statement(agreement), agreement, rows=None) == []


def test_nothing_passes_where_no_limits_are_agreed() -> None:
    text = (EXAMPLES / "two-parties.toml").read_text()
    assert faults(statement(), parse(text.encode(), where="x")) == [
        "the agreement asks for no risk statement"
    ]


def test_the_worst_attack_of_a_holder_counts_and_only_theirs() -> None:
    found = statement()
    for attack, holder in (
        ("block_frequency", "matcher"),
        ("in_blocks", "matcher"),
        ("pair_graph", "key-issuer"),
    ):
        told = named(found, attack, 500)
        assert [each.partition(":")[0] for each in told] == [
            f"privacy.risk.{holder}",
            "privacy.risk.together",
        ]
        assert "up to" in told[0]
        assert "500 are agreed" in told[0]
    assert [each.partition(":")[0] for each in named(found, "record_blocks", 500)] == [
        "privacy.risk.together"
    ]


def test_the_upper_end_counts_and_not_the_share_that_was_named() -> None:
    found = statement()
    assert upper_per_10000(367, ROWS) == 500
    assert named(found, "pair_graph", 367) == []
    assert len(named(found, "pair_graph", 368)) == 2


def test_an_exception_lets_one_holder_name_more() -> None:
    matcher = of_two_offices(RISK + exception("matcher", 4_000))
    found = statement(matcher)
    assert [each.partition(":")[0] for each in named(found, "in_blocks", 500, matcher)] == [
        "privacy.risk.together"
    ]
    both = of_two_offices(RISK + exception("matcher", 4_000) + exception("together", 4_000))
    assert named(statement(both), "in_blocks", 500, both) == []
    assert len(named(statement(both), "in_blocks", 4_000, both)) == 2
    assert len(named(statement(both), "pair_graph", 500, both)) == 1


def test_one_office_is_held_to_what_it_may_name_with_both_roles() -> None:
    assert [each.partition(":")[0] for each in named(statement(CLK), "spectral", 500, CLK)] == [
        "privacy.risk.together"
    ]
    accepted = of_one_office(RISK + exception("together", 10_000))
    assert named(statement(accepted), "spectral", ROWS, accepted) == []


def test_attackers_who_recognise_more_than_agreed_are_told_and_not_judged() -> None:
    found = statement()
    stronger = with_attack(
        found, 1, known=KNOWN_PEOPLE + 1, named=ROWS - KNOWN_PEOPLE, of=ROWS - KNOWN_PEOPLE
    )
    assert faults(replace(found, attacks=(*found.attacks, stronger.attacks[1]))) == []
    weaker = with_attack(found, 1, known=KNOWN_PEOPLE - 1, named=4_000)
    assert len(faults(replace(found, attacks=(*found.attacks, weaker.attacks[1])))) == 2


def test_lists_with_errors_and_half_of_the_people_are_judged_too() -> None:
    found = statement()
    for changes in ({"list": "heavy"}, {"overlap": 20}):
        other = with_attack(found, 1, named=4_000, **changes).attacks[1]
        assert len(faults(replace(found, attacks=(*found.attacks, other)))) == 2


def test_a_further_attack_that_ran_out_of_time_says_nothing() -> None:
    found = statement()
    cut_short = with_attack(found, 1, overlap=20, **CUT_SHORT).attacks[1]
    assert cut_short.upper_per_10000 == 10_000
    assert faults(replace(found, attacks=(*found.attacks, cut_short))) == []


def test_a_leaked_secret_is_told_and_not_judged() -> None:
    found = statement()
    leaked = with_attack(found, 1, attack="dictionary", named=ROWS - KNOWN_PEOPLE).attacks[1]
    assert faults(replace(found, attacks=(*found.attacks, leaked))) == []


def test_every_required_attack_must_be_there_and_have_ended() -> None:
    for agreement in (FIELD_FILTERS, CLK):
        found = statement(agreement)
        for place, each in enumerate(found.attacks):
            without = replace(found, attacks=(*found.attacks[:place], *found.attacks[place + 1 :]))
            assert faults(without, agreement) == [
                f"the attack '{each.attack}' ({each.holder}, who recognises {each.known}) was not made"
            ]
            cut_short = with_attack(found, place, **CUT_SHORT)
            assert "did not come to its end" in faults(cut_short, agreement)[0]
            for weaker in ({"overlap": 50}, {"list": "light"}, {"known": 3}):
                assert "was not made" in faults(with_attack(found, place, **weaker), agreement)[0]


def test_controls_show_that_the_attackers_work() -> None:
    assert "in a plain CLK" in faults(statement(controls=Controls(9_000, 0)))[0]
    assert faults(statement(controls=Controls(9_001, 100))) == []
    assert "in random bits" in faults(statement(controls=Controls(10_000, 101)))[0]


def test_others_than_the_agreed_people_are_refused() -> None:
    assert "are agreed" in faults(statement(known_people=KNOWN_PEOPLE + 1))[0]


def test_as_many_records_as_agreed_are_attacked_and_no_more_than_there_are() -> None:
    assert faults(statement(records=2_000)) == []
    assert "only 1999 records" in faults(statement(records=1_999))[0]
    assert "only 2499 records" in faults(statement(records=2_499), rows=60_000)[0]
    assert faults(statement(records=2_500), rows=60_000) == []
    assert "and there are 8000" in faults(statement(records=8_001))[0]
    least = FIELD_FILTERS.content.dataset[0].expected_rows_min
    assert "only" in faults(statement(records=least // 4 - 1), rows=None)[0]


def test_an_attack_counts_no_more_records_than_all_passes_have() -> None:
    filters = FIELD_FILTERS.content.encoding.field_filter_parameters
    most = ROWS * len(filters.passes)
    found = statement()
    assert faults(with_attack(found, 1, of=most)) == []
    assert faults(with_attack(found, 1, of=most + 1)) == ["an attack counts more records than were attacked"]
    assert faults(with_attack(statement(CLK), 1, of=ROWS + 1), CLK) == [
        "an attack counts more records than were attacked"
    ]


def test_what_is_written_is_read_again() -> None:
    for agreement in (FIELD_FILTERS, CLK):
        found = statement(agreement)
        tree = json.loads(json.dumps(found.to_predicate()))
        assert RiskStatement.from_predicate(tree) == found
        assert tree == found.to_predicate(), "reading leaves what was read as it is"


WRONG = [
    {"version": 2}, {"version": True}, {"format": "another"}, {"more": 1}, {"dataset": "a b"}, {"dataset": 1},
    {"agreement_sha256": "A" * 64}, {"records": -1}, {"records": True}, {"blind": 1.5}, {"seed": None},
    {"known_people": "30"}, {"controls": {"plain_clk": 1}}, {"controls": []},
    {"controls": {"plain_clk": 10_001, "random_bits": 0}}, {"controls": {"plain_clk": 1, "random_bits": -1}},
    {"attacks": {}}, {"attacks": [1]}, {"attacks": [{}]},
]  # fmt: skip


@pytest.mark.parametrize("change", WRONG, ids=str)
def test_another_predicate_is_refused(change: dict[str, Any]) -> None:
    with pytest.raises(FormatError):
        RiskStatement.from_predicate({**statement().to_predicate(), **change})


WRONG_ATTACKS = [
    {"attack": ""}, {"attack": "a b"}, {"attack": 1}, {"holder": "department"}, {"holder": []}, {"list": "my list"},
    {"overlap": 0}, {"overlap": 101}, {"known": -1}, {"of": True}, {"named": ROWS + 1}, {"named": "1"}, {"wrong": -1},
    {"finished": False}, {"finished": 1}, {"finished": None}, {"seconds": 1.5}, {"upper_per_10000": 3},
    {"upper_per_10000": 5}, {"upper_per_10000": True}, {"named": 1}, {"more": 1},
]  # fmt: skip


@pytest.mark.parametrize("change", WRONG_ATTACKS, ids=str)
def test_another_attack_is_refused(change: dict[str, Any]) -> None:
    tree = statement().to_predicate()
    assert tree["attacks"][0]["upper_per_10000"] == 4
    tree["attacks"][0] = {**tree["attacks"][0], **change}
    with pytest.raises(FormatError):
        RiskStatement.from_predicate(tree)


def test_an_attack_stands_once() -> None:
    found = statement()
    with pytest.raises(FormatError, match="twice"):
        replace(found, attacks=(*found.attacks, replace(found.attacks[0], seconds=9)))


@given(st.integers(1, 60).flatmap(lambda of: st.tuples(st.integers(0, of), st.just(of))))
def test_the_upper_end_is_the_least_that_the_count_speaks_against(case: tuple[int, int]) -> None:
    count, of = case
    upper = upper_per_10000(count, of)

    def chance(per_10000: int) -> Fraction:
        """That so few or fewer are named, if so many in 10,000 are."""
        share = Fraction(per_10000, 10_000)
        return sum(
            (comb(of, each) * share**each * (1 - share) ** (of - each) for each in range(count + 1)),
            Fraction(),
        )

    if count == of:
        assert upper == 10_000
    else:
        assert chance(upper) <= Fraction(1, 20) < chance(upper - 1)


def test_of_nobody_nothing_is_known() -> None:
    assert upper_per_10000(0, 0) == 10_000
    assert upper_per_10000(0, 10_000) == 3
    assert upper_per_10000(0, 50) == 582
    assert RISK in with_risk("\n[release]", RISK + EXCEPTIONS)
