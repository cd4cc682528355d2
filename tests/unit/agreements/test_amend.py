from datetime import date

import pytest

from pprl.agreements.amend import (
    with_approvals,
    with_expected_rows,
    with_keys,
    with_rehearsal_approvals,
    with_values,
)
from pprl.agreements.draft import DatasetSketch, draft
from pprl.errors import ConfigError
from pprl.protocol.agreement import Approval, parse, readiness


def content(text: str):
    return parse(text.encode(), where="x").content


def added_lines(old: str, new: str) -> list[str]:
    """The lines that are new, after checking that every old one is there still, in the old order."""
    rest = iter(new.splitlines())
    added = []
    for line in old.splitlines():
        for each in rest:
            if each == line:
                break
            added.append(each)
        else:
            pytest.fail(f"lost: {line}")
    return [*added, *rest]


def test_keys_go_below_their_party_and_every_comment_stays(justice, public_keys):
    text = with_keys(justice, {"moj-courts": public_keys(1), "audit": public_keys(2)})
    parties = {party.id: party.keys for party in content(text).party}
    assert parties["moj-courts"] == public_keys(1)
    assert parties["audit"] == public_keys(2)
    assert parties["home-office"] is None
    assert [line for line in added_lines(justice, text) if line.startswith("[")] == ["[party.keys]"] * 2
    below_audit = text.split('id = "audit"')[1]
    assert below_audit.index("[party.keys]") < below_audit.index("# The datasets, one for each")


def test_keys_take_the_place_of_older_ones(justice, public_keys):
    text = with_keys(with_keys(justice, {"audit": public_keys(1)}), {"audit": public_keys(2)})
    assert content(text).party_named("audit").keys == public_keys(2)
    assert text == with_keys(justice, {"audit": public_keys(2)})


def test_keys_for_nobody_or_shared_are_refused(justice, public_keys):
    with pytest.raises(ConfigError, match="no party 'nobody'"):
        with_keys(justice, {"nobody": public_keys(1)})
    with pytest.raises(ConfigError) as caught:
        with_keys(justice, {"audit": public_keys(1), "ons-keys": public_keys(1)})
    assert "share a public key" in caught.value.findings[0].rule


def test_approvals_are_added_behind_what_is_there(justice, today):
    first = Approval(party="audit", officer="A", post="B", approved_on=today)
    second = Approval(party="ons-keys", officer='C "D"', post="E", approved_on=today)
    text = with_approvals(with_approvals(justice, [first]), [second])
    assert content(text).approval == (first, second)
    assert all(not line.startswith("#") for line in added_lines(justice, text))


def test_an_approval_for_nobody_is_refused(justice, today):
    with pytest.raises(ConfigError):
        with_approvals(justice, [Approval(party="nobody", officer="A", post="B", approved_on=today)])


def test_a_rehearsal_is_ready_with_throw_away_keys(complete, today):
    assert readiness(content(complete), today=today) == ()


def test_a_draft_is_ready_with_throw_away_keys(public_keys, today):
    header = ("id", "forename", "surname", "dob")
    text = draft([DatasetSketch("a", header, 5), DatasetSketch("b", header, 5)], today=today)
    parties = [party.id for party in content(text).party]
    text = with_keys(text, {party: public_keys(seed) for seed, party in enumerate(parties)})
    assert readiness(content(with_rehearsal_approvals(text, today=today)), today=today) == ()
    assert added_lines(
        draft([DatasetSketch("a", header, 5), DatasetSketch("b", header, 5)], today=today), text
    )


def test_a_rehearsal_does_not_revive_an_expired_agreement(complete):
    late = date(2030, 1, 1)
    text = with_rehearsal_approvals(complete, today=late)
    assert [finding.column for finding in readiness(content(text), today=late)] == [
        "project.valid_until",
        "dpia.expires",
    ]


def test_a_rehearsal_leaves_real_approvals_alone(justice, today):
    real = Approval(party="ons-keys", officer="A", post="B", approved_on=today)
    approvals = content(with_rehearsal_approvals(with_approvals(justice, [real]), today=today)).approval
    assert approvals[0] == real
    assert [each.party for each in approvals].count("ons-keys") == 1
    assert all("rehearsal" in each.post.casefold() for each in approvals[1:])


def test_expected_rows_follow_known_numbers(justice):
    text = with_expected_rows(justice, {"prison": 100, "court": 1})
    prison, court = content(text).dataset_named("prison"), content(text).dataset_named("court")
    assert (prison.expected_rows_min, prison.expected_rows_max) == (80, 120)
    assert (court.expected_rows_min, court.expected_rows_max) == (1, 2)
    with pytest.raises(ConfigError, match="no dataset"):
        with_expected_rows(justice, {"hospital": 1})


def test_any_value_can_be_set_and_its_comment_stays(justice):
    text = with_values(justice, {("project", "version"): 2, ("project", "previous_sha256"): "0" * 64})
    assert content(text).project.version == 2
    assert "version = 2                     # each later" in text


@pytest.mark.parametrize("path", [("projects", "version"), ("dataset", 9, "name"), ("project", "id", "x")])
def test_a_place_that_is_not_there_is_refused(justice, path):
    with pytest.raises(ConfigError, match="no such place"):
        with_values(justice, {path: 1})


def test_what_would_be_no_agreement_is_refused(justice):
    with pytest.raises(ConfigError):
        with_values(justice, {("project", "version"): 0})
    with pytest.raises(ConfigError, match="not TOML"):
        with_values("a = ", {})
