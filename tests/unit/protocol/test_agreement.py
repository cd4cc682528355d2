import base64
import hashlib
import re
import time
from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pprl.errors import ConfigError
from pprl.protocol.agreement import (
    MAX_AGREEMENT_BYTES,
    not_answered_for,
    not_filled_in,
    out_of_time,
    parse,
    readiness,
)

TODAY = date(2026, 11, 22)

AGREEMENT = """\
agreement_format = 1

[project]
id = "study"
title = "A study"
version = 1
purposes_permitted = ["Counting"]
purposes_forbidden = ["Anything else"]
valid_from = 2026-11-01
valid_until = 2027-10-31

[dpia]
reference = "D1"
expires = 2027-10-31

[[party]]
id = "north"
name = "North"
contact = "north@gov.test"
roles = ["department"]

[[party]]
id = "south"
name = "South"
contact = "south@gov.test"
roles = ["department"]

[[party]]
id = "office"
name = "Office"
contact = "office@gov.test"
roles = ["matcher", "key-issuer"]

[[dataset]]
name = "a"
party = "north"
description = "Table a"
legal_gateway = "Some act"
legal_regime = "UK GDPR"
expected_rows_min = 10
expected_rows_max = 20
may_have_duplicates = false
record_id_column = "id"

[dataset.columns]
surname = "last"
born = "dob"

[[dataset]]
name = "b"
party = "south"
description = "Table b"
legal_gateway = "Some act"
legal_regime = "UK GDPR"
expected_rows_min = 10
expected_rows_max = 20
may_have_duplicates = true

[dataset.columns]
surname = "Surname"
born = "Born"

[[identifier]]
name = "surname"
kind = "surname"
why = "Stays"

[[identifier]]
name = "born"
kind = "year-of-birth"
why = "Stays"

[encoding]
scheme = "clk"
invalid_values = "refuse"
min_identifiers = 2

[encoding.clk]
clk_bits = 1024
xor_folds = 0
features = [
  { identifier = "surname", comparison = "ngram", n = 2, positional = false, hash = "blake", bits_per_feature = 200 },
  { identifier = "born", comparison = "exact", hash = "blake", bits_per_token = 30 },
]

[linkage]
target_precision = 0.975
threshold = "estimated"

[privacy]
max_popcount_share = 0.75

[release]
linkage_keys = "per-record"
min_linked_people = 10
small_number_limit = 10

[retention]
encodings_days = 1
references_days = 1
pairs_days = 1
linkage_keys_days = 1
home_map_days = 1

[log]
witnesses = ["north", "south"]
quorum = 2
"""


def keys(seed: int) -> str:
    def key(length: int) -> str:
        return base64.b64encode(bytes([seed]) * length).decode()

    card = f'card_ed25519 = "{key(64)}"\ncard_ml_dsa_65 = "{key(3309)}"\n'
    return f'[party.keys]\ned25519 = "{key(32)}"\nml_dsa_65 = "{key(1952)}"\nx_wing = "{key(1216)}"\n{card}'


NORTH = 'contact = "north@gov.test"\nroles = ["department"]\n'
SOUTH = 'contact = "south@gov.test"\nroles = ["department"]\n'
OFFICE = 'contact = "office@gov.test"\nroles = ["matcher", "key-issuer"]\n'
READY = (
    AGREEMENT.replace(NORTH, NORTH + keys(1))
    .replace(SOUTH, SOUTH + keys(2))
    .replace(OFFICE, OFFICE + keys(3))
) + "".join(
    f'[[approval]]\nparty = "{party}"\nofficer = "O"\npost = "P"\napproved_on = 2026-11-20\n'
    for party in ("north", "south", "office")
)


def changed(old: str, new: str, text: str = AGREEMENT) -> str:
    assert old in text, old
    return text.replace(old, new, 1)


def refusals(text: str) -> list[tuple[int | None, str, str]]:
    with pytest.raises(ConfigError) as caught:
        parse(text.encode(), where="agreement.toml")
    return [(finding.line, finding.column, finding.rule) for finding in caught.value.findings]


def line_with(text: str, part: str) -> int:
    return next(number for number, line in enumerate(text.splitlines(), start=1) if part in line)


def test_a_whole_agreement_is_read_and_named_by_its_bytes():
    file = parse(AGREEMENT.encode(), where="x")
    assert file.content.party_with("matcher").id == "office"
    assert [dataset.name for dataset in file.content.datasets_of("south")] == ["b"]
    assert file.content.kind_of("born") == "year-of-birth"
    assert parse((AGREEMENT + "# a comment\n").encode(), where="x").sha256 != file.sha256


def test_its_sha256_is_what_sha256sum_prints():
    assert parse(AGREEMENT.encode(), where="x").sha256 == hashlib.sha256(AGREEMENT.encode()).hexdigest()


def test_nothing_in_it_can_be_changed():
    content = parse(AGREEMENT.encode(), where="x").content
    with pytest.raises(ValueError, match="frozen"):
        content.project.title = "Other"
    assert isinstance(content.party, tuple)
    assert isinstance(content.party[2].roles, tuple)


def test_names_that_are_not_there_are_refused_by_the_lookups():
    content = parse(AGREEMENT.encode(), where="x").content
    with pytest.raises(ConfigError, match="no party 'east'"):
        content.party_named("east")
    with pytest.raises(ConfigError, match="no dataset 'c'"):
        content.dataset_named("c")


SHA = "0" * 64

# What is changed, into what, the text on the line that must be named, and words of the rule.
REFUSED = [
    ('id = "study"', 'id = "a study"', "a study", "must be a letter"),
    ('title = "A study"', 'title = "  "', 'title = "  "', "not blank"),
    ('title = "A study"', 'title = ""', 'title = ""', "empty"),
    ('title = "A study"', 'titel = "A study"', "titel", "unknown key"),
    ('title = "A study"', "title = 3", "title = 3", "must be text in quotes"),
    ("version = 1", "version = true", "version = true", "whole number"),
    ("version = 1", "version = 0", "version = 0", "greater than or equal to 1"),
    ("version = 1", "version = 2", "[project]", "names it"),
    ("version = 1", f'version = 1\nprevious_sha256 = "{SHA}"', "[project]", "names it"),
    ("version = 1", 'version = 2\nprevious_sha256 = "00"', "previous_sha256", "sha256sum"),
    ('["Counting"]', "[]", "purposes_permitted", "must have 1 entries or more"),
    ('["Counting"]', '"Counting"', "purposes_permitted", "must be a list"),
    ('["Anything else"]', "[\n  3,\n]", "  3,", "must be text"),
    ("valid_until = 2027-10-31", 'valid_until = "2027-10-31"', "valid_until", "must be a date"),
    ("valid_until = 2027-10-31", "valid_until = 2027-10-31T00:00:00", "valid_until", "must be a date"),
    ("valid_until = 2027-10-31", "valid_until = 2025-01-01", "[project]", "before valid_from"),
    ("[dpia]", "[dpiaa]", "[dpiaa]", "unknown key"),
    ('reference = "D1"\n', "", "[dpia]", "missing"),
    ('roles = ["matcher", "key-issuer"]', 'roles = ["matcher", "matcher"]', "OFFICE", "listed twice"),
    ('roles = ["matcher", "key-issuer"]', 'roles = ["matcher", "issuer"]', "issuer", "must be 'department'"),
    (
        'roles = ["matcher", "key-issuer"]',
        'roles = ["matcher"]',
        "NORTH",
        "exactly one party must be key-issuer",
    ),
    ('roles = ["matcher", "key-issuer"]', 'roles = ["auditor", "key-issuer"]', "OFFICE", "no other role"),
    (SOUTH, SOUTH.replace('"department"', '"department", "matcher"'), "SOUTH", "its own coordinator"),
    (SOUTH, SOUTH.replace('"department"', '"department", "key-issuer"'), "SOUTH", "its own coordinator"),
    (SOUTH, SOUTH.replace('"department"', '"department", "research"'), "SOUTH", "learn who matched"),
    (
        SOUTH,
        SOUTH + '[[party]]\nid = "SOUTH"\nname = "S"\ncontact = "s"\nroles = ["auditor"]\n',
        'id = "SOUTH"',
        "twice",
    ),
    (
        SOUTH,
        SOUTH + '[[party]]\nid = "e"\nname = "S"\ncontact = "s"\nroles = ["department"]\n',
        'id = "e"',
        "no dataset",
    ),
    (
        SOUTH,
        SOUTH + '[[party]]\nid = "e"\nname = "S"\ncontact = "s"\nroles = ["research"]\n',
        "[release]",
        "crosswalk_to",
    ),
    (OFFICE, OFFICE + keys(1).replace("AQEB", "AQE", 1), "ed25519", "base64"),
    (OFFICE, OFFICE + keys(1).replace("ed25519", "ed448"), "[party.keys]", "missing"),
    ('party = "south"', 'party = "north"', "A", "single department"),
    ('party = "south"', 'party = "office"', 'party = "office"', "not a department"),
    ('name = "b"', 'name = "A"', 'name = "A"', "twice"),
    ("expected_rows_min = 10", "expected_rows_min = 21", "A", "below expected_rows_min"),
    ("expected_rows_max = 20", "expected_rows_max = 9999999999", "9999999999", "less than or equal"),
    ('record_id_column = "id"', 'record_id_column = "last"', "A", "used twice"),
    ('surname = "last"\nborn = "dob"\n', "", "A", "maps no identifier"),
    ('born = "dob"', 'birth = "dob"', 'birth = "dob"', "no [[identifier]] is named 'birth'"),
    ('born = "dob"', '"bo rn" = "dob"', '"bo rn"', "must be a letter"),
    ('born = "dob"\n', "", "[dataset.columns]", "none of its records could be compared"),
    ('kind = "year-of-birth"', 'kind = "age"', 'kind = "age"', "must be 'given-name'"),
    (
        "[encoding]",
        '[[identifier]]\nname = "x"\nkind = "sex"\nwhy = "y"\n[encoding]',
        'name = "x"',
        "no dataset has",
    ),
    (
        "[encoding]",
        '[[identifier]]\nname = "x"\nkind = "sex"\nwhy = "y"\n[encoding]',
        'name = "x"',
        "no feature encodes",
    ),
    ('scheme = "clk"', 'scheme = "clear-text"', "clear-text", "must be 'clk'"),
    ("min_identifiers = 2", "min_identifiers = 3", "min_identifiers", "more than there are"),
    ("clk_bits = 1024", "clk_bits = 1000", "clk_bits", "must be 512"),
    ('"born", comparison', '"dob", comparison', '"dob", comparison', "no [[identifier]] is named 'dob'"),
    ('"born", comparison', '"surname", comparison', '"surname", comparison = "exact"', "two features"),
    ("bits_per_token = 30", "bits_per_token = 30, bits_per_feature = 30", "= 30, bits", "one of the two"),
    ('comparison = "exact"', 'comparison = "exact", n = 2', "exact", "comparison ngram takes"),
    ("n = 2, ", "", 'comparison = "ngram"', "comparison ngram takes"),
    ('comparison = "exact"', 'comparison = "numeric"', "numeric", "comparison numeric takes"),
    (
        'comparison = "exact"',
        'comparison = "numeric", resolution = 2, threshold_distance = inf',
        "numeric",
        "finite",
    ),
    ("target_precision = 0.975", "target_precision = 1.0", "target_precision", "less than 1"),
    ("target_precision = 0.975", "target_precision = nan", "target_precision", "finite"),
    (
        'threshold = "estimated"',
        'threshold = "guessed"',
        "guessed",
        "must be a number or must be 'estimated'",
    ),
    ("max_popcount_share = 0.75", "max_popcount_share = 0", "max_popcount_share", "greater than 0"),
    (
        "min_linked_people = 10",
        'crosswalk_to = "south"\nmin_linked_people = 10',
        "crosswalk_to",
        "whose role is research",
    ),
    (
        "max_popcount_share = 0.75",
        "max_popcount_share = 0.91",
        "max_popcount_share",
        "less than or equal to 0.9",
    ),
    ("min_linked_people = 10", "min_linked_people = 9", "[release]", "below small_number_limit"),
    (
        "min_linked_people = 10",
        'rates_by = ["sex"]\nmin_linked_people = 10',
        "[release]",
        "needs crosswalk_to",
    ),
    ("min_linked_people = 10", 'rates_by = ["age"]\nmin_linked_people = 10', "rates_by", "must be 'sex'"),
    ("encodings_days = 1", "encodings_days = 0", "encodings_days", "greater than or equal to 1"),
    ("quorum = 2", "quorum = 1", "[log]", "more than half of the witnesses: 2 to 2"),
    ("quorum = 2", "quorum = 3", "[log]", "more than half of the witnesses: 2 to 2"),
    ("quorum = 2", "quorum = 0", "quorum", "greater than or equal to 1"),
    ('witnesses = ["north", "south"]', "witnesses = []", "witnesses", "1 entries or more"),
    ('witnesses = ["north", "south"]', 'witnesses = ["north", "north"]', "[log]", "listed twice"),
    ('witnesses = ["north", "south"]', 'witnesses = ["north", "east"]', "witnesses", "not a party"),
    ('witnesses = ["north", "south"]', 'witnesses = ["north", "office"]', "witnesses", "that it keeps"),
    (
        "[log]",
        '[[approval]]\nparty = "east"\nofficer = "O"\npost = "P"\napproved_on = 2026-11-01\n[log]',
        'party = "east"',
        "not in this agreement",
    ),
]
SECTIONS = {"NORTH": "[[party]]", "SOUTH": 'id = "south"', "OFFICE": 'id = "office"', "A": "[[dataset]]"}


@pytest.mark.parametrize(("old", "new", "where", "rule"), REFUSED)
def test_each_broken_rule_is_told_with_its_line(old, new, where, rule):
    text = changed(old, new)
    line = line_with(text, SECTIONS.get(where, where))
    if (
        where in ("SOUTH", "OFFICE")
        or (old, where) == ("[encoding]", 'name = "x"')
        or where.startswith('id = "')
    ):
        line -= 1  # the table's own line, above its first key
    if where == 'name = "A"':
        line -= 1
    found = refusals(text)
    assert any(rule in told and at == line for at, _, told in found), (line, found)


def test_all_problems_are_told_at_once_in_the_order_of_the_file():
    text = changed("quorum = 2", "quorum = -1", changed("version = 1", "version = 0", changed('"D1"', "1")))
    found = refusals(text)
    assert [column for _, column, _ in found] == ["project.version", "dpia.reference", "log.quorum"]
    assert [at for at, _, _ in found] == sorted(at for at, _, _ in found)


def test_numeric_comparison_takes_numbers_alone():
    numeric = 'comparison = "numeric", resolution = 2, threshold_distance = 3.0'
    parse(changed('comparison = "exact"', numeric).encode(), where="x")
    text = changed('kind = "year-of-birth"', 'kind = "place"', changed('comparison = "exact"', numeric))
    assert any("kind number or year-of-birth" in rule for _, _, rule in refusals(text))


def test_a_fault_in_one_of_three_parties_is_no_lack_of_parties():
    found = refusals(changed(OFFICE, OFFICE.replace("contact", "kontakt")))
    assert {column for _, column, _ in found} == {"party[2].contact", "party[2].kontakt"}


def test_a_key_of_another_length_is_refused():
    for name in ("ed25519", "ml_dsa_65", "x_wing", "card_ed25519", "card_ml_dsa_65"):
        short = re.sub(f'(?m)^{name} = ".*"$', f'{name} = "{base64.b64encode(bytes(31)).decode()}"', keys(1))
        [(line, column, rule)] = refusals(changed(OFFICE, OFFICE + short))
        assert column == f"party[2].keys.{name}"
        assert re.search(r"not \d+ bytes", rule)
        assert line is not None


def test_two_parties_may_not_share_a_key():
    shared = keys(3).replace(keys(3).splitlines()[2], keys(1).splitlines()[2])
    text = changed(OFFICE, OFFICE + shared, changed(NORTH, NORTH + keys(1)))
    assert [rule for _, _, rule in refusals(text)] == ["two parties share a public key: each makes its own"]


@pytest.mark.parametrize(
    ("raw", "message"),
    [
        (b"\xff", "not UTF-8 at line 1"),
        (AGREEMENT.encode().replace(b"\n", b"\r\n"), "carriage return at line 1"),
        (b"\xef\xbb\xbf" + AGREEMENT.encode(), "byte order mark at line 1"),
        (
            AGREEMENT.replace("A study", "A \u202estudy").encode(),
            r"invisible character \(U\+202E\) at line 5",
        ),
        (AGREEMENT.replace("A study", "A \x00study").encode(), r"U\+0000\) at line 5"),
        (AGREEMENT.replace("A study", "cafe\u0301").encode(), "normal form C"),
        (b"#" * (MAX_AGREEMENT_BYTES + 1), "larger than"),
        (b"a = " + b"[" * 50_000, "nested too deeply"),
        (b"a = " + b"[" * 30 + b"]" * 30, "nested too deeply"),
        (b".".join([b"a"] * 100) + b" = 1", "nested too deeply"),
        (b"\n" + b".".join([b"a"] * 30_000) + b" = 1", "more than 200 dots in line 2"),  # 40 seconds, once
        (b"a = " + b"9" * 5_000, "thousands of digits"),
        (b"a = 1\na = 2", "is not TOML"),
    ],
)
def test_bytes_that_are_no_agreement_are_refused_in_words(raw, message):
    with pytest.raises(ConfigError, match=message):
        parse(raw, where="agreement.toml")


@pytest.mark.parametrize(
    "code",
    [
        0xA0,
        0x2003,
        0xE000,
        0x378,
        0x34F,
        0x115F,
        0x1160,
        0x2800,
        0x3164,
        0xFFA0,
        0xFE00,
        0xFE0F,
        0xE0100,
        0xE01EF,
    ],
    ids=hex,
)
def test_what_looks_like_something_else_or_nothing_is_refused(code):
    with pytest.raises(ConfigError, match=rf"invisible character \(U\+{code:04X}\) at line 5"):
        parse(AGREEMENT.replace("A study", f"A {chr(code)}study").encode(), where="agreement.toml")


def test_letters_of_any_script_are_welcome():
    parse(AGREEMENT.replace("A study", "Dadansoddiad Ŵ, Études, Łódź, 研究, — £1").encode(), where="x")


def test_a_fault_of_toml_is_told_with_its_line():
    assert refusals("a = 1\nb = \nc = 2")[0][0] == 2


def test_an_escape_cannot_put_back_what_no_reader_could_see():
    for escape in (r"\u202e", r"\u001b[2J", r"\r", r"\u2028", r"\ufeff"):
        text = changed("A study", f"A {escape}study")
        [(line, column, rule)] = refusals(text)
        assert (line, column) == (line_with(text, "A \\u") if "u" in escape else 5, "project.title")
        assert rule.isprintable()
        assert "invisible" in rule or "carriage return" in rule or "byte order" in rule


def test_an_escape_in_a_list_is_found_too():
    [(line, column, rule)] = refusals(changed('["Counting"]', '["Counting", "Sell\\u202eing"]'))
    assert (line, column) == (7, "project.purposes_permitted[1]")
    assert "U+202E" in rule


def test_an_unknown_key_with_an_escape_reaches_no_message():
    found = refusals(changed("[dpia]", '"\\u001b[2J" = 1\n[dpia]'))
    assert found
    assert all("\x1b" not in column + rule for _, column, rule in found)


def test_a_file_of_thousands_of_unknown_keys_is_refused_in_good_time():
    filler = "".join(f"k{number} = 1\n" for number in range(15_000))
    started = time.perf_counter()
    refusals(filler)
    assert time.perf_counter() - started < 10


def test_readiness_asks_for_keys_and_approvals_and_for_nothing_else():
    content = parse(AGREEMENT.encode(), where="x").content
    found = readiness(content, today=TODAY)
    assert [finding.column for finding in found] == [
        *("party[0].keys", "approval", "party[1].keys", "approval", "party[2].keys", "approval")
    ]
    assert readiness(parse(READY.encode(), where="x").content, today=TODAY) == ()


def test_an_auditor_needs_neither_keys_nor_approval():
    auditor = '[[party]]\nid = "eye"\nname = "Eye"\ncontact = "e"\nroles = ["auditor"]\n'
    assert (
        readiness(
            parse(changed("[[dataset]]", auditor + "[[dataset]]", READY).encode(), where="x").content,
            today=TODAY,
        )
        == ()
    )


@pytest.mark.parametrize(
    ("day", "columns"),
    [
        (date(2026, 10, 31), ["project.valid_from", "approval[0].approved_on"]),
        (date(2026, 11, 19), ["approval[0].approved_on"]),
        (date(2026, 11, 20), []),
        (date(2027, 10, 31), []),
        (date(2027, 11, 1), ["project.valid_until", "dpia.expires"]),
    ],
)
def test_days_outside_are_refused_and_the_last_day_is_inside(day, columns):
    content = parse(READY.encode(), where="x").content
    found = [finding.column for finding in out_of_time(content, today=day)]
    assert [column for column in found if not column.startswith(("approval[1]", "approval[2]"))] == columns
    assert list(not_filled_in(content)) == []


@given(st.binary(max_size=400))
def test_arbitrary_bytes_raise_nothing_else(raw):
    with pytest.raises(ConfigError):
        parse(raw, where="x")


@given(st.data())
def test_a_damaged_agreement_raises_nothing_else(data):
    raw = bytearray(READY.encode())
    for _ in range(data.draw(st.integers(1, 4))):
        start = data.draw(st.integers(0, len(raw) - 1))
        raw[start : start + data.draw(st.integers(0, 30))] = data.draw(
            st.one_of(
                st.binary(max_size=10), st.text(max_size=10).map(lambda text: text.encode("utf-8", "ignore"))
            )
        )
    try:
        parse(bytes(raw), where="x")
    except ConfigError as error:
        assert error.message  # noqa: PT017


def test_rates_need_a_research_environment_an_identifier_and_no_repetition():
    research = SOUTH + '[[party]]\nid = "e"\nname = "S"\ncontact = "s"\nroles = ["research"]\n'

    def asking(groupings: str) -> str:
        text = changed(SOUTH, research)
        release = f'crosswalk_to = "e"\nrates_by = {groupings}\nmin_linked_people = 10'
        return text.replace("min_linked_people = 10", release)

    accepted = parse(asking('["decade-of-birth", "completeness"]').encode(), where="x").content
    assert accepted.release.rates_by == ("decade-of-birth", "completeness")
    assert any("no identifier is of kind sex" in told for _, _, told in refusals(asking('["sex"]')))
    twice = refusals(asking('["completeness", "completeness"]'))
    assert any("names a grouping twice" in told for _, _, told in twice)


LIMITS = """
[privacy.risk]
people = 10_000
known_people = 30
matcher_per_10000 = 100
key_issuer_per_10000 = 100
together_per_10000 = 400
"""
OFFICER = 'officer = "O"\npost = "P"\nreason = "R"\n'
ACCEPTED = f'[[privacy.risk.exception]]\nholder = "together"\nper_10000 = 5_000\n{OFFICER}'
ALONE = 'contact = "office@gov.test"\nroles = ["matcher"]\n'
ISSUER = '[[party]]\nid = "issuer"\nname = "Issuer"\ncontact = "i@gov.test"\nroles = ["key-issuer"]\n\n'
APART = AGREEMENT.replace(OFFICE, ALONE).replace("[[dataset]]", ISSUER + "[[dataset]]", 1)


def with_limits(limits: str = LIMITS, text: str = AGREEMENT) -> str:
    return text.replace("max_popcount_share = 0.75\n", f"max_popcount_share = 0.75\n{limits}", 1)


def test_limits_on_attackers_may_be_left_out():
    privacy = parse(AGREEMENT.encode(), where="x").content.privacy
    assert (privacy.risk, privacy.visible_structure) == (None, "allow")
    strict = with_limits('visible_structure = "refuse"\n')
    assert parse(strict.encode(), where="x").content.privacy.visible_structure == "refuse"


def test_what_a_holder_may_name_is_the_limit_or_the_exception():
    risk = parse(with_limits(LIMITS + ACCEPTED).encode(), where="x").content.privacy.risk
    assert [risk.limit_of(holder) for holder in ("matcher", "key-issuer", "together")] == [100, 100, 400]
    assert [risk.accepted_of(holder) for holder in ("matcher", "key-issuer", "together")] == [100, 100, 5_000]
    assert risk.exception_of("together").officer == "O"
    assert risk.exception_of("matcher") is None


def test_of_one_office_only_what_it_may_name_with_both_roles_counts():
    assert parse(AGREEMENT.encode(), where="x").content.holders() == ("together",)
    assert parse(APART.encode(), where="x").content.holders() == ("matcher", "key-issuer", "together")


@pytest.mark.parametrize("key", [each.partition(" = ")[0] for each in LIMITS.split("\n")[2:-1]])
def test_all_limits_are_agreed_or_none(key):
    without = "\n".join(each for each in LIMITS.split("\n") if not each.startswith(f"{key} ="))
    assert [(column, rule) for _, column, rule in refusals(with_limits(without))] == [
        (f"privacy.risk.{key}", "missing: add it")
    ]


@pytest.mark.parametrize(
    ("limits", "where", "says"),
    [
        (LIMITS.replace("matcher_per_10000 = 100", "matcher_per_10000 = 0"), "matcher_per_10000", "greater than"),
        (LIMITS.replace("= 400", "= 10_001"), "together_per_10000", "less than"),
        (LIMITS.replace("= 400", "= 4.5"), "together_per_10000", "whole number"),
        (LIMITS.replace("known_people = 30", "known_people = -1"), "known_people", "greater than"),
        (LIMITS + "seeds = 3\n", "seeds", "unknown key"),
        (LIMITS + ACCEPTED + ACCEPTED, "", "two exceptions"),
        (LIMITS + ACCEPTED.replace("5_000", "400"), "", "must be above its limit, 400"),
        (LIMITS + ACCEPTED.replace('"together"', '"research"'), "exception[0].holder", "must be 'matcher'"),
        (LIMITS + ACCEPTED.replace('"together"', '"matcher"'), "exception[0].holder", "one party is both"),
        (LIMITS + ACCEPTED.replace(OFFICER, 'post = "P"\nreason = "R"\n'), "exception[0].officer", "missing"),
        (LIMITS + ACCEPTED.replace('reason = "R"', 'reason = ""'), "exception[0].reason", "empty"),
        ('visible_structure = "warn"\n', "visible_structure", "must be 'refuse'"),
    ],
)  # fmt: skip
def test_limits_that_make_no_sense_are_refused(limits, where, says):
    [(line, column, rule)] = refusals(with_limits(limits))
    assert column.removeprefix("privacy.").removeprefix("risk.") == (where or "risk")
    assert says in rule
    assert line is not None


def test_exceptions_of_one_role_stand_where_two_parties_hold_them():
    text = with_limits(LIMITS + ACCEPTED.replace('"together"', '"matcher"'), APART)
    assert parse(text.encode(), where="x").content.privacy.risk.accepted_of("matcher") == 5_000


def test_readiness_asks_for_an_officers_name_where_a_limit_is_high():
    day = date(2026, 11, 22)
    high = LIMITS.replace("= 400", "= 501")
    [finding] = readiness(parse(with_limits(high, READY).encode(), where="x").content, today=day)
    assert finding.column == "privacy.risk.together_per_10000"
    assert "officer" in finding.remedy
    apart = parse(with_limits(high.replace("= 100", "= 501"), APART).encode(), where="x").content
    assert [each.column for each in not_answered_for(apart)] == [
        "privacy.risk.matcher_per_10000",
        "privacy.risk.key_issuer_per_10000",
    ]
    for fine in (LIMITS.replace("= 400", "= 500"), LIMITS + ACCEPTED):
        assert readiness(parse(with_limits(fine, READY).encode(), where="x").content, today=day) == ()
