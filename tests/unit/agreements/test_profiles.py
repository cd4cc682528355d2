"""Profiles: drafted, held to their rules, and told by the checker, the explainer and the comparison."""

import re
import sys
from datetime import date

import pytest
from click.testing import CliRunner

import pprl.cli
from pprl import console
from pprl.agreements.check import check
from pprl.agreements.diff import diff
from pprl.agreements.draft import FOLDED_FEATURES, PROFILE_OF, DatasetSketch, draft
from pprl.agreements.explain import explain
from pprl.errors import ConfigError
from pprl.protocol.agreement import AgreementFile, parse
from pprl.protocol.kinds import KINDS
from pprl.protocol.profiles import SCHEME_OF

TODAY = date(2026, 11, 22)
FIVE = "id,given_name,surname,date_of_birth,sex,postcode"
EVERY = FIVE + ",middle_names,address,town,nhs_number,ethnicity"
ONE_OFFICE = [('["matcher"]', '["matcher", "key-issuer"]'), ('roles = ["key-issuer"]', 'roles = ["auditor"]')]


def drafted(profile: str, *, header: str = FIVE, rows: int = 50_000) -> AgreementFile:
    sketches = [DatasetSketch(name, tuple(header.split(",")), rows) for name in ("a", "b")]
    return parse(draft(sketches, today=TODAY, profile=profile).encode(), where="draft")


def refused(file: AgreementFile, *replacements: tuple[str, str]) -> list[str]:
    """Where an agreement with pieces replaced is refused."""
    text = file.raw.decode()
    for old, new in replacements:
        assert old in text, old
        text = text.replace(old, new, 1)
    with pytest.raises(ConfigError) as refusal:
        parse(text.encode(), where="x")
    return [f"{each.column}: {each.rule}" for each in refusal.value.findings]


@pytest.mark.parametrize("profile", SCHEME_OF)
@pytest.mark.parametrize("header", [FIVE, EVERY, "surname,sex", "name,phone"])
def test_a_draft_names_its_profile_and_keeps_its_rules(profile, header):
    encoding = drafted(profile, header=header).content.encoding
    assert (encoding.profile, encoding.scheme) == (profile, SCHEME_OF[profile])


def test_a_scheme_alone_stands_for_a_profile():
    sketches = [DatasetSketch(name, tuple(FIVE.split(",")), 100) for name in ("a", "b")]
    for scheme, profile in PROFILE_OF.items():
        drafts = [
            draft(sketches, today=TODAY, **options) for options in ({"scheme": scheme}, {"profile": profile})
        ]
        assert drafts[0] == drafts[1]


@pytest.mark.parametrize(
    ("rows", "bits"),
    [(20_001, [2_400, 1_440, 3_360, 240, 960]), (20_000, [1_600, 960, 2_240, 160, 640])],
)
def test_bits_of_privacy_first_are_those_that_were_measured(rows, bits):
    features = drafted("privacy-first", rows=rows).content.encoding.clk_parameters.features
    assert [each.bits_per_feature for each in features] == bits
    cut = [(each.comparison, each.n, each.positional) for each in features]
    names, digits = ("ngram", 2, False), ("ngram", 1, True)
    assert cut == [names, names, digits, ("exact", None, None), digits]


def test_many_identifiers_share_what_half_the_filter_holds_before_folding():
    assert set(FOLDED_FEATURES) == set(KINDS)
    features = drafted("privacy-first", header=EVERY).content.encoding.clk_parameters.features
    bits = [each.bits_per_feature or 0 for each in features]
    assert sum(bits) == pytest.approx(16_384 * 0.6931, abs=len(bits))


@pytest.mark.parametrize(
    ("profile", "replacements", "where", "words"),
    [
        ("accuracy-first", ONE_OFFICE,
         "party[2].roles", "needs matcher and key issuer to be two parties"),
        ("privacy-first", [("clk_bits = 2048", "clk_bits = 1024")], "encoding.clk.clk_bits", "has 2048"),
        ("privacy-first", [("xor_folds = 3", "xor_folds = 2")], "encoding.clk.xor_folds", "has 3"),
        ("privacy-first", [('"blake"', '"double"')], "encoding.clk.features[0].hash", 'has "blake"'),
        ("privacy-first", [("bits_per_feature = 2400", "bits_per_token = 200")],
         "encoding.clk.features[0].bits_per_token", "bits_per_feature instead"),
        ("clkhash-compatible", [("xor_folds = 0", "xor_folds = 3")], "encoding.clk.xor_folds", "has 0"),
        ("clkhash-compatible", [('= "clkhash-compatible"', '= "accuracy-first"')], "encoding.scheme",
         "of scheme field-filters"),
        ("accuracy-first", [('= "accuracy-first"', '= "privacy-first"')], "encoding.scheme", "of scheme clk"),
        ("accuracy-first", [("one_person_a_block = true", "one_person_a_block = false")],
         "encoding.field_filters.one_person_a_block", "has true"),
        ("accuracy-first", [('= "accuracy-first"', '= "fast"')], "encoding.profile", "must be 'accuracy-first'"),
    ],
)  # fmt: skip
def test_parameters_that_are_not_the_profiles_are_refused(profile, replacements, where, words):
    [told] = refused(drafted(profile), *replacements)
    assert told.startswith(f"{where}: ")
    assert words in told


def test_match_keys_are_drafted_by_what_is_there_and_by_size():
    small, large = (
        drafted("privacy-first", rows=rows).content.encoding.clk_parameters.match_keys
        for rows in (5_000, 500_000)
    )
    assert len(small) == 11
    assert {each.name for each in small} != {each.name for each in large}
    with_number = drafted("privacy-first", header=EVERY).content.encoding.clk_parameters.match_keys
    assert with_number[0].parts == ("nhs_number:whole",)
    assert drafted("privacy-first", header="surname,sex").content.encoding.clk_parameters.match_keys == ()
    for keys in (small, large, with_number):
        assert len({each.parts for each in keys}) == len({each.name for each in keys}) == len(keys) <= 11


@pytest.mark.parametrize(
    ("profile", "replacements", "where", "words"),
    [
        ("privacy-first", [('"names-day"', '"names-birth"')], "encoding.clk.match_keys[2].name", "have one name"),
        ("privacy-first", [('"given_name:initial"', '"forename:initial"')], "encoding.clk.match_keys[0].parts",
         "not an identifier"),
        ("privacy-first", [('"given_name:initial"', '"given_name:sector"')], "encoding.clk.match_keys[0].parts",
         "is not for a given-name"),
        ("privacy-first", [("match_keys = [", 'match_keys = [\n  { name = "x", parts = ["sex:whole"] },')],
         "encoding.clk.match_keys", "11 entries at most"),
        ("clkhash-compatible",
         [("xor_folds = 0", 'xor_folds = 0\nmatch_keys = [{ name = "x", parts = ["sex:whole"] }]')],
         "encoding.clk.match_keys", "has none"),
    ],
)  # fmt: skip
def test_match_keys_that_do_not_fit_are_refused(profile, replacements, where, words):
    [told] = refused(drafted(profile), *replacements)
    assert told.startswith(f"{where}: ")
    assert words in told


def test_match_keys_are_told_to_whoever_reads_the_agreement():
    file = drafted("privacy-first")
    officer, auditor = (
        " ".join(explain(file, audience=audience, today=TODAY).split()) for audience in ("officer", "auditor")
    )
    assert "names-birth: same first letter of given_name, sound of surname and date_of_birth." in officer
    assert "A shared key is no proof" in officer
    assert "names-birth: given_name:initial, surname:phonetic, date_of_birth:whole" in auditor
    fewer = parse(re.sub(rb'  { name = "names-day".*\n', b"", file.raw), where="x")
    assert [change.weakens[:31] for change in diff(fewer, file)] == ["whoever holds two files' encodi"]
    assert [change.weakens for change in diff(file, fewer)] == [""]


def test_without_a_profile_the_same_parameters_are_free():
    text = drafted("privacy-first").raw.decode()
    free = re.sub(r'profile = "privacy-first"\n', "", text).replace("xor_folds = 3", "xor_folds = 2")
    assert parse(free.encode(), where="x").content.encoding.profile is None


def test_each_profile_is_told_with_what_it_costs():
    told = {
        profile: {
            remark.finding.column: remark
            for remark in check(drafted(profile).raw, where="x", today=TODAY)
            if remark.level in ("danger", "warning")
        }
        for profile in SCHEME_OF
    }
    assert told["accuracy-first"].keys() == {"privacy"}  # no limits on attackers
    assert told["clkhash-compatible"]["encoding.scheme"].level == "danger"
    assert told["privacy-first"]["encoding.clk.xor_folds"].level == "warning"
    assert "several errors" in told["privacy-first"]["encoding.clk.xor_folds"].finding.rule
    for profile in SCHEME_OF:
        assert f"Profile {profile}:" in explain(drafted(profile), audience="auditor", today=TODAY)


def test_a_change_of_profile_is_told_with_what_it_weakens():
    old = drafted("accuracy-first")
    changes = {change.path: change.weakens for change in diff(old, drafted("clkhash-compatible"))}
    assert "named every one" in changes["encoding.profile"]
    without = parse(old.raw.replace(b'profile = "accuracy-first"\n', b""), where="x")
    assert [change.weakens != "" for change in diff(old, without)] == [True]
    assert [change.weakens for change in diff(without, old)] == [""]


def new_draft(tmp_path, *options: str):
    for name in ("a", "b"):
        (tmp_path / f"{name}.csv").write_text(FIVE + "\n1,Ann,Lee,1980-01-02,f,SW1A 1AA\n")
    files = [f"--dataset={name}={tmp_path / name}.csv" for name in ("a", "b")]
    out = tmp_path / "draft.toml"
    result = CliRunner().invoke(pprl.cli.main, ["agreement", "new", *files, *options, "-o", str(out)])
    return result, out


@pytest.mark.parametrize(
    ("options", "profile"),
    [
        ([], "accuracy-first"),
        (["--scheme", "clk"], "clkhash-compatible"),
        (["--profile", "privacy-first"], "privacy-first"),
        (["--profile", "privacy-first", "--scheme", "clk"], "privacy-first"),
    ],
)
def test_the_command_drafts_the_profile_that_is_asked_for(tmp_path, options, profile):
    result, out = new_draft(tmp_path, *options)
    assert result.exit_code == 0, result.output
    assert f'profile = "{profile}"' in out.read_text()


def test_the_command_refuses_a_profile_of_another_scheme(tmp_path):
    result, out = new_draft(tmp_path, "--profile", "privacy-first", "--scheme", "field-filters")
    assert result.exit_code == 2
    assert "Profile privacy-first is of scheme clk." in result.stderr
    assert not out.exists()


@pytest.mark.parametrize(
    ("terminal", "no_colour", "red"), [(True, "", True), (True, "1", False), (False, "", False)]
)
def test_a_terminal_and_nothing_else_shows_dangers_in_red(monkeypatch, capsys, terminal, no_colour, red):
    monkeypatch.setattr(sys.stdout, "isatty", lambda: terminal, raising=False)
    monkeypatch.setenv("NO_COLOR", no_colour)
    console.show({}, as_json=False, text=lambda: "one\ntw\x1bo\n", red=["tw\x1bo"])
    assert capsys.readouterr().out == ("one\n\x1b[31m\x1b[1mtw?o\x1b[0m\n" if red else "one\ntw?o\n")
