import pytest

from pprl.agreements.amend import with_keys, with_values
from pprl.agreements.diff import diff, diff_text, version_chain
from pprl.protocol.agreement import AgreementFile, parse
from tests.support.risk import RISK, exception, with_risk


def test_an_agreement_differs_from_itself_in_nothing(justice, changed):
    same = changed(justice)
    assert diff(same, same) == ()
    assert "The two files are the same." in diff_text(same, same)


def test_comments_and_the_order_of_tables_do_not_count(two_parties, changed):
    old = changed(two_parties)
    start, middle, end = (
        two_parties.index(f'[[party]]\nid = "{name}"') for name in ("north", "south", "linkage-office")
    )
    end = two_parties.index("# One office")
    text = (
        two_parties[:start]
        + two_parties[middle:end]
        + two_parties[start:middle]
        + two_parties[end:]
        + "# more\n"
    )
    assert diff(old, parse(text.encode(), where="x")) == ()
    assert "Only comments, layout or order differ." in diff_text(old, parse(text.encode(), where="x"))


# What is changed in the example, the path of the change, and words of why it weakens something ("" if it doesn't).
CHANGES = [
    (
        "purposes_permitted = [",
        'purposes_permitted = [\n  "Marketing",',
        "project.purposes_permitted",
        "one more purpose",
    ),
    ('  "Immigration enforcement",\n', "", "project.purposes_forbidden", "no longer forbidden"),
    ("purposes_forbidden = [", 'purposes_forbidden = [\n  "Marketing",', "project.purposes_forbidden", ""),
    ("valid_until = 2029-10-31", "valid_until = 2029-11-30", "project.valid_until", "longer"),
    ("valid_until = 2029-10-31", "valid_until = 2029-09-30", "project.valid_until", ""),
    ("valid_from = 2026-11-01", "valid_from = 2026-10-01", "project.valid_from", "earlier"),
    ("expires = 2029-10-31", "expires = 2030-10-31", "dpia.expires", "made anew"),
    ('contact = "matching@ons.example"', 'contact = "m@ons.gov.uk"', "party[ons-matching].contact", ""),
    (
        "expected_rows_max = 60_000",
        "expected_rows_max = 60_001",
        "dataset[offences].expected_rows_max",
        "larger",
    ),
    ("expected_rows_max = 60_000", "expected_rows_max = 50_001", "dataset[offences].expected_rows_max", ""),
    ("expected_rows_min = 6_000", "expected_rows_min = 5", "dataset[offences].expected_rows_min", "smaller"),
    (
        "may_have_duplicates = false",
        "may_have_duplicates = true",
        "dataset[prison].may_have_duplicates",
        "linked to each other",
    ),
    (
        "may_have_duplicates = true",
        "may_have_duplicates = false",
        "dataset[offences].may_have_duplicates",
        "",
    ),
    ('sex = "SEX"\n', "", "dataset[offences].columns.sex", ""),
    ('sex = "SEX"', 'sex = "GENDER"', "dataset[offences].columns.sex", "another column"),
    ('why = "Tells apart twins', 'why = "Also: tells apart twins', "identifier[sex].why", ""),
    ("min_identifiers = 3", "min_identifiers = 2", "encoding.min_identifiers", "less evidence"),
    ("min_identifiers = 3", "min_identifiers = 4", "encoding.min_identifiers", ""),
    ("target_precision = 0.975", "target_precision = 0.96", "linkage.target_precision", "wrong"),
    ("target_precision = 0.975", "target_precision = 0.99", "linkage.target_precision", ""),
    ('threshold = "estimated"', "threshold = 0.8", "linkage.threshold", "share of wrong links"),
    (
        "max_popcount_share = 0.6",
        "max_popcount_share = 0.8",
        "privacy.max_popcount_share",
        "match more people",
    ),
    ('linkage_keys = "per-record"', 'linkage_keys = "per-person"', "release.linkage_keys", "own records"),
    (
        "min_linked_people = 100",
        "keep_linkage_keys = true\nmin_linked_people = 100",
        "release.keep_linkage_keys",
        "which records of two versions are one",
    ),
    ("min_linked_people = 100", "min_linked_people = 99", "release.min_linked_people", "smaller"),
    ("small_number_limit = 10", "small_number_limit = 9", "release.small_number_limit", "smaller"),
    ('rates_by = ["sex", ', "rates_by = [", "release.rates_by", ""),
    ("pairs_days = 30", "pairs_days = 31", "retention.pairs_days", "longer"),
    ("pairs_days = 30", "pairs_days = 29", "retention.pairs_days", ""),
    (
        "max_block_records = 50",
        "max_block_records = 51",
        "encoding.field_filters.max_block_records",
        "larger",
    ),
    ("max_block_records = 50", "max_block_records = 20", "encoding.field_filters.max_block_records", ""),
    (
        "positions_per_field = 20",
        "positions_per_field = 21",
        "encoding.field_filters.positions_per_field",
        "fuller filters",
    ),
    (
        "positions_per_field = 20",
        "positions_per_field = 12",
        "encoding.field_filters.positions_per_field",
        "",
    ),
    ("filter_bits = 128", "filter_bits = 256", "encoding.field_filters.filter_bits", ""),
    (
        '["surname:phonetic", "postcode:district"]',
        '["surname:phonetic"]',
        "encoding.field_filters.passes[surname-area].parts",
        "blocks are larger",
    ),
    (
        '["postcode:whole"]',
        '["postcode:whole", "sex:whole"]',
        "encoding.field_filters.passes[postcode].parts",
        "",
    ),
    (', "moj-prisons"]\nquorum', "]\nquorum", "log.witnesses", "fewer watch the log"),
    ("quorum = 2", "quorum = 3", "log.quorum", ""),
]


@pytest.mark.parametrize(("old", "new", "path", "why"), CHANGES)
def test_a_change_is_told_by_name_with_what_it_weakens(justice, changed, old, new, path, why):
    [change] = diff(changed(justice), changed(justice, (old, new)))
    assert change.path == path
    assert bool(change.weakens) == bool(why)
    assert why in change.weakens


def test_keeping_keys_no_longer_weakens_nothing(justice, changed):
    keeping = ("min_linked_people = 100", "keep_linkage_keys = true\nmin_linked_people = 100")
    [change] = diff(changed(justice, keeping), changed(justice))
    assert (change.path, change.old, change.new, change.weakens) == (
        "release.keep_linkage_keys",
        "true",
        "false",
        "",
    )


def test_one_more_grouping_of_rates_is_flagged(justice, changed):
    [change] = diff(changed(justice, ('rates_by = ["sex", ', "rates_by = [")), changed(justice))
    assert change.path == "release.rates_by"
    assert "one more thing about each person" in change.weakens


def test_the_way_back_weakens_what_the_way_there_did_not(justice, justice_as_clk, changed):
    plain, folded = changed(justice_as_clk), changed(justice_as_clk, ("xor_folds = 0", "xor_folds = 3"))
    [change] = diff(folded, plain)
    assert "foldings" in change.weakens
    assert [(each.path, each.weakens) for each in diff(plain, folded)] == [("encoding.clk.xor_folds", "")]
    [change] = diff(
        changed(justice, ('linkage_keys = "per-record"', 'linkage_keys = "per-person"')), changed(justice)
    )
    assert change.weakens == ""


# As above, where other changes must come along.
COMPOUND = [
    ([('roles = ["key-issuer"]', 'roles = ["key-issuer", "research"]'), ('roles = ["research"]', 'roles = ["auditor"]'),
      ('crosswalk_to = "justice-research"', 'crosswalk_to = "ons-keys"')], "party[ons-keys].roles", "learns more"),
    ([('party = "moj-prisons"', 'party = "home-office"'), ('party = "home-office"', 'party = "moj-prisons"')],
     "dataset[prison].party", "another party"),
]  # fmt: skip
CLK = [
    ([('hash = "blake"', 'hash = "double"')], "encoding.clk.features[given_name].hash", "patterns"),
    ([("bits_per_feature", "bits_per_token")], "encoding.clk.features[given_name].bits_per_token", "how long"),
]  # fmt: skip


@pytest.mark.parametrize(("replacements", "path", "why"), COMPOUND)
def test_a_change_among_others_is_flagged(justice, changed, replacements, path, why):
    old, new = changed(justice), changed(justice, *replacements)
    assert any(change.path == path and why in change.weakens for change in diff(old, new))


@pytest.mark.parametrize(("replacements", "path", "why"), CLK)
def test_a_change_of_a_feature_is_flagged(justice_as_clk, changed, replacements, path, why):
    old, new = changed(justice_as_clk), changed(justice_as_clk, *replacements)
    assert any(change.path == path and why in change.weakens for change in diff(old, new))


def test_one_more_pass_is_flagged_and_one_fewer_or_another_order_is_not(justice, changed):
    lines = justice.splitlines(keepends=True)
    place = next(number for number, line in enumerate(lines) if '{ name = "names"' in line)
    fewer = changed("".join(lines[:place] + lines[place + 1 :]))
    path = "encoding.field_filters.passes[names]"
    assert [(each.path, each.weakens) for each in diff(changed(justice), fewer)] == [(path, "")]
    [change] = diff(fewer, changed(justice))
    assert change.path == path
    assert "one more picture" in change.weakens
    lines[place], lines[place + 1] = lines[place + 1], lines[place]
    assert diff(changed(justice), changed("".join(lines))) == ()


def test_another_scheme_is_told_with_all_its_parameters(justice, justice_as_clk, changed):
    filters, clk = changed(justice), changed(justice_as_clk)
    there = {change.path: change for change in diff(filters, clk)}
    assert set(there) == {"encoding.scheme", "encoding.clk", "encoding.field_filters"}
    assert "99 %" in there["encoding.scheme"].weakens
    assert "max_block_records = 50" in (there["encoding.field_filters"].old or "")
    assert "xor_folds = 0" in (there["encoding.clk"].new or "")
    back = {change.path: change.weakens for change in diff(clk, filters)}
    assert "withstands other attacks" in back["encoding.scheme"]


def test_one_more_table_is_flagged(justice, changed):
    start, end = (
        justice.index('[[dataset]]\nname = "prison"'),
        justice.index("# ----", justice.index('name = "prison"')),
    )
    table = justice[start:end]
    more = justice[:end] + table.replace('"prison"', '"probation"') + justice[end:]
    [change] = diff(changed(justice), changed(more))
    assert (change.path, change.weakens) == ("dataset[probation]", "one more table about people")


def test_a_lower_fixed_threshold_is_flagged(justice, changed):
    high, low = (
        changed(justice, ('threshold = "estimated"', f"threshold = {value}")) for value in (0.9, 0.8)
    )
    assert [change.weakens for change in diff(high, low)] == ["weaker pairs are linked"]
    assert [change.weakens for change in diff(low, high)] == [""]


def test_fewer_witnesses_are_flagged(justice, changed):
    two = changed(justice, ('"moj-courts", "moj-prisons"]\nquorum', '"moj-courts"]\nquorum'))
    assert [change.weakens for change in diff(changed(justice), two)] == ["fewer watch the log"]
    assert [change.weakens for change in diff(two, changed(justice))] == [""]


def test_values_that_this_version_refuses_are_flagged_all_the_same(justice, changed):
    old = changed(justice)

    def with_section(name, **values):
        section = getattr(old.content, name).model_copy(update=values)
        return AgreementFile(old.content.model_copy(update={name: section}), old.raw)

    assert [change.weakens for change in diff(with_section("log", quorum=3), old)] == ["fewer watch the log"]


def test_one_more_party_identifier_and_feature_are_told_once_each(justice_as_clk, changed):
    party = '[[party]]\nid = "eye"\nname = "Eye"\ncontact = "e@gov.test"\nroles = ["auditor"]\n\n'
    identifier = '[[identifier]]\nname = "middle_names"\nkind = "middle-names"\nwhy = "More"\n\n'
    feature = (
        '  { identifier = "middle_names", comparison = "exact", hash = "double", bits_per_token = 9 },\n'
    )
    new = changed(
        justice_as_clk,
        ('[[party]]\nid = "audit"', party + '[[party]]\nid = "audit"'),
        ('surname = "SURNAME"', 'surname = "SURNAME"\nmiddle_names = "MIDDLE_NAMES"'),
        ('[[identifier]]\nname = "given_name"', identifier + '[[identifier]]\nname = "given_name"'),
        ('  { identifier = "given_name"', feature + '  { identifier = "given_name"'),
    )
    told = {change.path: change.weakens for change in diff(changed(justice_as_clk), new)}
    assert told == {
        "party[eye]": "one more party",
        "dataset[offences].columns.middle_names": "one more column is read",
        "identifier[middle_names]": "one more identifier is used",
        "encoding.clk.features[middle_names]": "",
    }


def test_both_roles_in_one_office_are_told_with_what_that_costs(justice, changed):
    old = changed(justice)
    new = changed(
        justice,
        ('roles = ["matcher"]', 'roles = ["matcher", "key-issuer"]'),
        ('["key-issuer"]\n\n', '["auditor"]\n\n'),
    )
    told = {change.path: change.weakens for change in diff(old, new)}
    assert "19 % of 5,000" in told["coordinator"]
    assert "coordinator" not in {change.path for change in diff(new, old)}
    assert "coordinator" not in {change.path for change in diff(new, new)}


def test_a_new_crosswalk_is_flagged_and_a_dropped_one_is_not(two_parties, changed):
    research = (
        '[[party]]\nid = "lab"\nname = "Lab"\ncontact = "l@gov.test"\nroles = ["research"]\n\n[[dataset]]'
    )
    old = changed(two_parties)
    new = changed(two_parties, ("[[dataset]]", research), ("min_linked", 'crosswalk_to = "lab"\nmin_linked'))
    assert {change.path: change.weakens for change in diff(old, new)} == {
        "party[lab]": "one more party",
        "release.crosswalk_to": "another party learns who matched",
    }
    assert [change.weakens for change in diff(new, old)] == ["", ""]


def test_a_changed_key_is_flagged_and_a_first_one_is_not(justice, public_keys):
    none = parse(justice.encode(), where="x")
    first, second = (
        parse(with_keys(justice, {"audit": public_keys(seed)}).encode(), where="x") for seed in (1, 2)
    )
    assert [(change.path, change.weakens) for change in diff(none, first)] == [("party[audit].keys", "")]
    told = diff(first, second)
    assert [change.path for change in told] == [
        f"party[audit].keys.{name}"
        for name in ("ed25519", "ml_dsa_65", "x_wing", "card_ed25519", "card_ml_dsa_65")
    ]
    assert all("compare fingerprints" in change.weakens for change in told)
    assert all(len(change.new or "") < 100 for change in told)


def test_the_order_of_features_counts_because_it_decides_their_keys(two_parties, changed):
    lines = two_parties.splitlines(keepends=True)
    first = next(place for place, line in enumerate(lines) if line.startswith("  { identifier"))
    lines[first], lines[first + 1] = lines[first + 1], lines[first]
    [change] = diff(changed(two_parties), changed("".join(lines)))
    assert (change.path, change.weakens) == ("encoding.clk.features (order)", "")
    assert (change.old, change.new) == (
        "given_name, surname, date_of_birth, postcode",
        "surname, given_name, date_of_birth, postcode",
    )


def test_the_next_version_names_the_one_before(justice, changed):
    old = changed(justice)
    values = {("project", "version"): 2, ("project", "previous_sha256"): old.sha256}
    new = parse(with_values(justice, values).encode(), where="x")
    assert version_chain(old, new) == ()
    assert "is the next version" in diff_text(old, new)


def test_a_version_that_is_skipped_repeated_or_of_another_project_is_told(justice, changed):
    old = changed(justice)
    skipped = {("project", "version"): 3, ("project", "previous_sha256"): old.sha256}
    forged = {("project", "version"): 2, ("project", "previous_sha256"): "0" * 64}
    other = {
        ("project", "version"): 2,
        ("project", "previous_sha256"): old.sha256,
        ("project", "id"): "other",
    }
    for values, column in (
        (skipped, "project.version"),
        (forged, "project.previous_sha256"),
        (other, "project.id"),
    ):
        new = parse(with_values(justice, values).encode(), where="x")
        assert [finding.column for finding in version_chain(old, new)] == [column]
        assert "is not the next version" in diff_text(old, new)
    assert {finding.column for finding in version_chain(old, old)} == {
        "project.version",
        "project.previous_sha256",
    }


def test_the_text_puts_what_weakens_first(justice_as_clk, changed):
    new = changed(justice_as_clk, ("xor_folds = 0", "xor_folds = 1"), ("pairs_days = 30", "pairs_days = 60"))
    text = diff_text(changed(justice_as_clk), new)
    assert text.index("retention.pairs_days\n    - 30\n    + 60\n    ! kept for longer") < text.index(
        "encoding.clk.xor_folds"
    )


def test_weaker_gates_against_attackers_are_flagged(justice, changed):
    with_limits = changed(with_risk(justice, RISK))

    def weakens(old, new):
        return {each.path: each.weakens for each in diff(old, new)}

    assert weakens(changed(justice), with_limits) == {"privacy.risk": ""}
    assert "nobody has to attack" in weakens(with_limits, changed(justice))["privacy.risk"]
    for key, new, says in (
        ("people = 10_000", "people = 9_000", "flatter"),
        ("known_people = 5", "known_people = 4", "not judged"),
        ("key_issuer_per_10000 = 500", "key_issuer_per_10000 = 501", "may name more people"),
    ):
        [(path, told)] = weakens(with_limits, changed(with_risk(justice, RISK), (key, new))).items()
        assert (path, says in told) == (f"privacy.risk.{key.partition(' ')[0]}", True)
        [(_, told)] = weakens(changed(with_risk(justice, RISK), (key, new)), with_limits).items()
        assert told == ""
    accepted, more = (
        changed(with_risk(justice, RISK + exception("matcher", most))) for most in (4_000, 4_001)
    )
    assert "one more holder" in weakens(with_limits, accepted)["privacy.risk.exception[matcher]"]
    assert "more people" in weakens(accepted, more)["privacy.risk.exception[matcher].per_10000"]
    strict = changed(justice, ("max_popcount_share", 'visible_structure = "refuse"\nmax_popcount_share'))
    assert "visible structure" in weakens(strict, changed(justice))["privacy.visible_structure"]
    assert weakens(changed(justice), strict) == {"privacy.visible_structure": ""}
