"""A whole run, command by command: data on stdout, talk on stderr, nothing else."""

from __future__ import annotations

import json
import re
import stat
from pathlib import Path

import pytest

from coordinator import operations
from coordinator.store.stages import Role
from tests.support.commands import done, placeless, values_in
from tests.support.people import read_rows, tables
from tests.support.project import DATASETS, ISSUER, MATCHER, RESEARCH, Project, draft_text


def _mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


@pytest.mark.parametrize("program", ["pprl", "coordinator"])
def test_identity_create(program: str, tmp_path: Path) -> None:
    folder = tmp_path / "keys"
    result = done(program, "identity", "create", "home-office", "-o", folder)
    assert placeless(result.stdout, folder) == "fingerprint TWELVE WORDS\n"
    assert placeless(result.stderr, folder) == (
        "Keep HERE/home-office.key to yourself. Paste HERE/home-office.party.toml into the agreement, "
        "below your [[party]].\n"
    )
    assert sorted(path.name for path in folder.iterdir()) == ["home-office.key", "home-office.party.toml"]
    assert _mode(folder / "home-office.key") == 0o600
    assert (
        result.stdout.removeprefix("fingerprint ").strip() in (folder / "home-office.party.toml").read_text()
    )


def test_agreement_new(project: Project) -> None:
    out = project.folder / "draft.toml"
    words = [f"--dataset={name}={project.data(name)}" for name in DATASETS]
    result = done("pprl", "agreement", "new", *words, "--duplicates", "police", "-o", out)
    assert result.stdout == ""
    assert placeless(result.stderr, project.folder) == (
        "HERE/draft.toml is a draft. Read it; then run 'pprl agreement check HERE/draft.toml'.\n"
    )
    assert not values_in(out.read_text())
    assert out.read_text().count("may_have_duplicates = true") == 1


def test_agreement_explain_and_its_digest(project: Project) -> None:
    for audience in ("officer", "auditor"):
        result = done("pprl", "agreement", "explain", project.agreement_path, "--for", audience)
        assert result.stderr == ""
        assert result.stdout.startswith("A small project\n")
        assert project.agreement.sha256 in result.stdout
        assert not result.stdout.endswith("\n\n")


def test_agreement_diff(project: Project) -> None:
    other = project.amended("other.toml", {("linkage", "target_precision"): 0.9})
    result = done("pprl", "agreement", "diff", project.agreement_path, other)
    assert result.stderr == ""
    assert "  linkage.target_precision\n    - 0.8\n    + 0.9\n" in result.stdout


def test_agreement_schemas(project: Project) -> None:
    schema = done("pprl", "agreement", "schema", project.agreement_path)
    assert json.loads(schema.stdout)["version"] == 3
    schema = done("pprl", "agreement", "json-schema")
    assert json.loads(schema.stdout)["additionalProperties"] is False
    assert schema.stderr == ""


def test_secret_share_and_accept(project: Project) -> None:
    own = ("-a", project.agreement_path, "-k", project.key("police-dept"))
    result = done("pprl", "secret", "share", *own, "-o", project.folder / "send")
    assert result.stdout == ""
    assert placeless(result.stderr, project.folder) == (
        "Send HERE/send/share-from-police-dept-for-court-dept.sealed to court-dept, or to the coordinator.\n"
        "Send HERE/send/share-from-police-dept-for-prison-dept.sealed to prison-dept, or to the coordinator.\n"
    )
    result = done("pprl", "secret", "accept", project.share("court-dept", "police-dept"), *own)
    assert (result.stdout, result.stderr) == ("the linkage secret is made\n", "")


def test_secret_commit(project: Project) -> None:
    own = ("-a", project.agreement_path, "-k", project.key("police-dept"))
    result = done("pprl", "secret", "commit", *own)
    assert placeless(result.stdout, project.folder) == "commitment SHA256\n"
    assert result.stderr == "This was done already.\n'pprl secret status' says what is next.\n"
    kept = project.holdings("police-dept")
    for path in (kept.share, kept.commitment):
        path.unlink()
    result = done("pprl", "secret", "commit", *own)
    assert result.stderr == f"Kept in {kept.folder}, which stays with you.\nNext: 'pprl agreement sign'.\n"


SECRET_STATUS = """\
department         signed  heard from  your share sealed  its share here
-----------------  ------  ----------  -----------------  --------------
police-dept (you)  yes     -           -                  yes
court-dept         yes     yes         yes                yes
prison-dept        yes     yes         yes                yes

your commitment: made
linkage secret: made
next: Nothing: the linkage secret is made, and you can encode.
"""


def test_secret_status(project: Project) -> None:
    own = ("-a", project.agreement_path, "-k", project.key("police-dept"))
    assert done("pprl", "secret", "status", *own).stdout == SECRET_STATUS


SURVEY = """\
police: 56 records

identifier     your column  present   share
-------------  -----------  -------  ------
given_name     Forename          56  100.0%
surname        Surname           56  100.0%
date_of_birth  DOB               56  100.0%
sex            Sex               56  100.0%
postcode       Postcode          {with_postcode}   {share:.1%}

0 records have too few identifiers to be compared; they get linkage keys all the same.
"""


def _survey() -> str:
    present = sum(value != "" for value in tables()["police"]["Postcode"])
    return SURVEY.format(with_postcode=present, share=present / 56)


def test_check(project: Project) -> None:
    result = done(
        "pprl", "check", project.data("police"), "-a", project.agreement_path, "--dataset", "police"
    )
    assert (result.stdout, result.stderr) == (_survey(), "")


def _check_blocks(project: Project, *more: object) -> str:
    path = project.folder / "field-filters.toml"
    text = re.sub(r"(?m)^max_block_records = .*$", "max_block_records = 2", draft_text("field-filters"))
    path.write_text(text, encoding="utf-8")
    result = done("pprl", "check", project.data("police"), "-a", path, "--dataset", "police", *more)
    assert result.stderr == ""
    return result.stdout


def test_check_of_field_filters_tells_how_large_blocks_are(project: Project) -> None:
    text = _check_blocks(project)
    assert text.startswith(_survey())
    found = json.loads(_check_blocks(project, "--json"))
    told, originals = found["blocks"], 56 - found["copies"] - found["joined"]
    assert f"{found['copies']} records equal another one in every identifier" in text
    header = ["pass", "compared", "without block", "suppressed", "largest block", "predicted pairs"]
    lines = [re.split(r" {2,}", line) for line in text.splitlines()]
    at = lines.index(header)
    for line, each in zip(lines[at + 2 :], told["passes"], strict=False):
        figures = ("records", "without_block", "suppressed", "largest", "predicted_pairs")
        assert line == [each["name"], *(f"{each[name]:,}" for name in figures)]
    assert lines[at + 2 + len(told["passes"])] == ["all passes", f"{told['predicted_pairs']:,}"]
    assert text.endswith(
        f"{told['in_no_pass']:,} records are compared in no pass; they get linkage keys all the same.\n"
    )
    assert sum(each["suppressed"] for each in told["passes"]) > 0
    for each in told["passes"]:
        assert each["records"] + each["without_block"] + each["suppressed"] == originals


def test_encode(project: Project) -> None:
    out = project.folder / "new.submission"
    own = ("-a", project.agreement_path, "-k", project.key("police-dept"))
    result = done("pprl", "encode", project.data("police"), *own, "-o", out)
    assert result.stdout == _survey()
    assert placeless(result.stderr, project.folder) == (
        "May leave: HERE/new.submission\nStays home: HERE/new.submission.home-map.csv\n"
        "Stays home: HERE/new.submission.row-salts\n"
    )
    home_map = project.folder / "new.submission.home-map.csv"
    assert _mode(home_map) == _mode(project.folder / "new.submission.row-salts") == 0o600
    assert {row["record_id"] for row in read_rows(home_map)} == set(tables()["police"]["offence_ref"])


def test_encode_without_a_record_id_column_counts_rows_as_a_spreadsheet_does(project: Project) -> None:
    text = project.agreement_path.read_text().replace('record_id_column = "offence_ref"\n', "")
    path = project.agreed("without.toml", text)
    out = project.folder / "new.submission"
    own = ("-a", path, "-k", project.key("police-dept"))
    done("pprl", "encode", project.data("police"), *own, "-o", out)
    rows = read_rows(project.folder / "new.submission.home-map.csv")
    assert {row["record_id"] for row in rows} == {str(number) for number in range(2, 58)}


INSPECTED = """\
file: police.submission
bytes: {size}
what: submission
parts:
  1.
     kind: encodings
     dataset: police
     sender: police-dept
     recipient: matcher
     records: 56
     agreement sha256: SHA256
     agreement version: 1
     verified: no
  2.
     kind: references
     dataset: police
     sender: police-dept
     recipient: key-issuer
     records: 56
     agreement sha256: SHA256
     agreement version: 1
     verified: no
"""


def test_inspect_a_submission(project: Project) -> None:
    path = project.submission("police")
    result = done("pprl", "inspect", path)
    assert result.stderr == ""
    assert placeless(result.stdout, project.folder) == INSPECTED.format(size=path.stat().st_size)


@pytest.mark.parametrize(
    ("name", "what"),
    [
        ("keys/police-dept.key", "what: key file: keep it to yourself\nparty: police-dept\n"),
        ("police.submission.home-map.csv", "what: home map: keep it at home\nrecords: 56\n"),
        ("police.submission.row-salts", "sealed to its owner: keep it to yourself\nkind: row-salts\n"),
        ("agreement.toml", "what: agreement\nproject: small\nversion: 1\n"),
    ],
)
def test_inspect_says_what_any_file_is(project: Project, name: str, what: str) -> None:
    result = done("pprl", "inspect", project.folder / name)
    assert what in result.stdout
    assert not values_in(result.stdout)


def test_inspect_shows_no_secret(project: Project) -> None:
    kept = project.holdings("police-dept")
    for path, kind in ((kept.linkage_secret, "linkage-secret"), (kept.share, "own-share")):
        result = done("pprl", "inspect", path)
        assert "what: own secret, sealed to its owner: keep it to yourself" in result.stdout
        assert f"kind: {kind}\n" in result.stdout
    assert project.held_secret("police-dept").value.hex() not in result.output


def test_inspect_signatures(project: Project) -> None:
    result = done("pprl", "inspect", project.folder / "agreement.signatures" / "court-dept.signature")
    assert "what: signature of an agreement\nparty: court-dept\n" in result.stdout


def test_inspect_sealed_documents(project: Project, made_results: Path, made_pairs: bytes) -> None:
    (project.folder / "pairs").write_bytes(made_pairs)
    result = done("pprl", "inspect", project.folder / "pairs")
    assert "what: sealed document\nkind: pairs\n" in result.stdout
    result = done("pprl", "inspect", made_results / "crosswalk")
    assert "kind: crosswalk\n" in result.stdout
    assert f"recipient: {RESEARCH}\n" in result.stdout


MATCHER_RECEIVED = """\
received   dataset  from         records
---------  -------  -----------  -------
encodings  police   police-dept       56
encodings  court    court-dept        50
encodings  prison   prison-dept       45
"""
COLLECTING = """\
small version 1, as matcher: collecting
  agreement SHA256
  received: nothing
  missing: encodings police, encodings court, encodings prison
"""
MATCHED = """\
pairs compared: N
pairs that are not hopeless: N
time: N s
most memory in use: N MB
"""

COMPLETE = """\
small version 1, as matcher: complete
  agreement SHA256
  received: encodings court, encodings police, encodings prison
  missing: nothing
"""


def test_the_matchers_commands(project: Project) -> None:
    store = project.store(Role.MATCHER)
    at = ("--store", store)
    result = done("coordinator", "init", "--role", "matcher", "-k", project.key(MATCHER), *at)
    assert (result.stdout, result.stderr) == ("", f"{store} is the store of matcher.\n")
    assert _mode(store) == 0o700
    assert done("coordinator", "status", *at).stdout == "No agreement is registered.\n"
    result = done("coordinator", "agreement", "register", project.agreement_path, *at)
    assert (
        placeless(result.stdout, project.folder)
        == "registered small, SHA-256 SHA256\nin words TWELVE WORDS\n"
    )
    result = done("coordinator", "status", *at)
    assert placeless(result.stdout, project.folder).startswith(COLLECTING)
    result = done("coordinator", "receive", *project.submissions, *at)
    assert (result.stdout, result.stderr) == (
        MATCHER_RECEIVED,
        "Senders can have receipts: 'coordinator log checkpoint' first, then 'coordinator log receipts'.\n",
    )
    result = done("coordinator", "status", *at)
    assert placeless(result.stdout, project.folder).startswith(COMPLETE)
    pairs = project.folder / "pairs.sealed"
    result = done("coordinator", "match", *at, "-o", pairs)
    told = re.sub(r"[0-9][0-9,.]*", "N", result.stdout)
    assert (told, result.stderr) == (MATCHED, f"Hand {pairs} to the key issuer.\n")
    assert "as matcher: matched\n" in done("coordinator", "status", *at).stdout


def test_matching_again_gives_the_same_file(project: Project) -> None:
    project.receive_all(Role.MATCHER)
    first, second = project.folder / "first", project.folder / "second"
    for out in (first, second):
        done("coordinator", "match", "--store", project.store(Role.MATCHER), "-o", out)
    assert first.read_bytes() == second.read_bytes()


def test_the_key_issuers_commands(project: Project, made_pairs: bytes) -> None:
    at = ("--store", project.store(Role.KEY_ISSUER))
    done("coordinator", "init", "--role", "issuer", "-k", project.key(ISSUER), *at)
    done("coordinator", "agreement", "register", project.agreement_path, *at)
    pairs = project.folder / "pairs"
    pairs.write_bytes(made_pairs)
    done("coordinator", "receive", *project.submissions, *at)
    result = done("coordinator", "receive", pairs, *at)
    assert result.stdout.splitlines()[2].split()[:2] == ["pairs", "matcher"]


def test_issue_and_release(project: Project, made_pairs: bytes) -> None:
    me = project.receive_all(Role.KEY_ISSUER)
    operations.receive(me, made_pairs)
    at = ("--store", me.folder)
    result = done("coordinator", "issue", *at)
    lines = result.stdout.splitlines()
    assert lines[0] == "records: police 56, court 50, prison 45"
    assert [line.split(":")[0] for line in lines] == [
        "records", "linked pairs", "people linked between datasets", "threshold", "estimated precision",
        "estimated recall",
    ]  # fmt: skip
    assert result.stderr == ""
    project.witness(me)
    folder = project.folder / "results"
    result = done("coordinator", "release", *at, "-o", folder)
    assert result.stdout == ""
    assert placeless(result.stderr, project.folder).startswith(
        "Send each file in HERE/results to its recipient"
    )
    assert sorted(path.name for path in folder.iterdir()) == [
        "court.linkage-keys", "court.linkage-keys.receipt", "crosswalk", "crosswalk.receipt", "police.linkage-keys",
        "police.linkage-keys.receipt", "prison.linkage-keys", "prison.linkage-keys.receipt", "summary.json",
    ]  # fmt: skip


def test_issuing_again_tells_the_same(project: Project) -> None:
    at = ("--store", project.issue().folder)
    assert done("coordinator", "issue", *at).stdout == done("coordinator", "issue", *at).stdout


def test_both_roles_in_one_store(project: Project) -> None:
    path = project.one_office()
    at = ("--store", project.folder / "office")
    done("coordinator", "init", "--role", "both", "-k", project.key(MATCHER), *at)
    done("coordinator", "agreement", "register", path, *at)
    for name in DATASETS:
        (project.folder / f"{name}.one").write_bytes(project.encode(name, agreement_path=path))
        result = done("coordinator", "receive", project.folder / f"{name}.one", *at)
        assert [line.split()[0] for line in result.stdout.splitlines()[2:]] == ["encodings", "references"]
    first = done("coordinator", "link", *at)
    assert first.stdout.startswith("records: police 56, court 50, prison 45\n")
    assert done("coordinator", "link", *at).stdout == first.stdout


def test_keys_and_crosswalk_open(project: Project, made_results: Path) -> None:
    keys = project.folder / "keys.csv"
    own = ("-a", project.agreement_path, "-k", project.key("court-dept"))
    home_map = ("--map", project.home_map("court"))
    result = done("pprl", "keys", "open", made_results / "court.linkage-keys", *own, *home_map, "-o", keys)
    assert (result.stdout, result.stderr) == ("", f"50 records have their linkage keys in {keys}.\n")
    assert _mode(keys) == 0o600
    rows = read_rows(keys)
    assert [row["record_id"] for row in rows] == sorted(tables()["court"]["case_no"])
    out = project.folder / "crosswalk.csv"
    own = ("-a", project.agreement_path, "-k", project.key(RESEARCH))
    result = done("pprl", "crosswalk", "open", made_results / "crosswalk", *own, "-o", out)
    people = read_rows(out)
    told = (
        f"{len(people)} rows are in {out}; keep the number for 'pprl research rates --rows {len(people)}'.\n"
    )
    assert (result.stdout, result.stderr) == ("", told)
    assert list(people[0]) == ["person", *DATASETS]
    assert {row["court"] for row in people} - {""} <= {row["linkage_key"] for row in rows}


@pytest.mark.parametrize(
    ("content", "what"),
    [
        ('{\n  "linked_people": 20\n}\n', "summary"),
        ("record_id,linkage_key\n1,2\n", "linkage keys"),
        ("person,a,b\n", "crosswalk"),
        ("# a card\n[party.keys]\ned25519 = 1\n", "party card"),
    ],
)
def test_inspect_knows_what_people_are_handed(content: str, what: str, tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_text(content)
    assert what in done("pprl", "inspect", file).stdout
