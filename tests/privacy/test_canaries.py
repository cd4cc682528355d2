"""Canaries: names, days and record ids that must be seen nowhere but in the department's own files.

A department's table holds them in valid rows and in rows that break each rule. Whatever is run, and however it
fails, no output, log, database, submission, store or result may hold one, in any spelling of it.
"""

from __future__ import annotations

import base64
import logging
import os
import sqlite3
import stat
import traceback
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, get_args
from unicodedata import normalize

import pytest
from click.testing import Result

from coordinator.store.stages import Role
from pprl import sharing
from pprl.crypto import project_key
from pprl.files.atomic import write_new
from pprl.protocol.agreement import Scheme
from tests.support.commands import run
from tests.support.keys import TEXT
from tests.support.people import read_rows, tables, write_table
from tests.support.project import DATASETS, DEPARTMENTS, ISSUER, MATCHER, PARTIES, RESEARCH, Project

NAME, SURNAME, DAY, POSTCODE, RECORD = "Quixotella", "Zyzzyvaford", "1987-06-05", "QZ97 7ZQ", "CANARY-0001"
BROKEN_DAY, BROKEN_SEX, BROKEN_POSTCODE = "1987-06-31", "Zyzzysex", "ZYZZYVA POSTCODE FAR TOO LONG"
CANARIES = (NAME, SURNAME, DAY, POSTCODE, RECORD, BROKEN_DAY, BROKEN_SEX, BROKEN_POSTCODE)


def _spellings(text: str) -> Iterator[bytes]:
    """A canary as it might turn up: as it is, standardised, in another encoding, in hexadecimal or base64."""
    for spelling in (text, text.casefold(), text.upper(), text.replace(" ", ""), text.replace("-", "")):
        raw = spelling.encode()
        yield from (raw, spelling.encode("utf-16-le"), raw.hex().encode())
        # The middle of a base64 text is the same wherever the canary starts, at each of three places.
        for start in range(3):
            yield base64.b64encode(b"\0" * start + raw)[4:-4]


NEEDLES = frozenset(needle for text in CANARIES for needle in _spellings(text) if len(needle) >= 6)


def _found(content: bytes) -> set[bytes]:
    return {needle for needle in NEEDLES if needle in content}


def test_the_search_finds_canaries_in_every_spelling() -> None:
    for text in (f"x{NAME}y", SURNAME.lower(), DAY.replace("-", ""), RECORD):
        assert _found(text.encode())
        assert _found(text.encode("utf-16-le"))
        assert _found(text.encode().hex().encode())
    assert _found(base64.b64encode(b"ab" + SURNAME.encode() + b"cd"))
    assert not _found(b"nothing of the kind" * 100)


@pytest.fixture
def nest(project: Project) -> Project:
    """A project in which the court's table holds canaries, in valid and in broken rows."""
    return _with_canaries(project)


@pytest.fixture(params=["clk", "field-filters"])
def nest_of_each_scheme(request: pytest.FixtureRequest) -> Project:
    found: Project = request.getfixturevalue("project" if request.param == "clk" else "field_filter_project")
    return _with_canaries(found)


def _with_canaries(project: Project) -> Project:
    table = tables()["court"]
    for row, (column, value) in enumerate(
        [("first_name", NAME), ("last_name", SURNAME), ("date_of_birth", DAY), ("postcode", POSTCODE),
         ("date_of_birth", BROKEN_DAY), ("gender", BROKEN_SEX), ("postcode", BROKEN_POSTCODE)]
    ):  # fmt: skip
        table[column][row] = value
    table["first_name"][10], table["last_name"][10], table["date_of_birth"][10] = NAME, SURNAME, DAY
    table["case_no"][10], table["postcode"][10] = RECORD, POSTCODE
    write_table(project.data("court"), table)
    project.submission("court").unlink()
    project.home_map("court").unlink()
    project.row_salts("court").unlink()
    return project


class Watch:
    """Runs commands and keeps everything they say."""

    def __init__(self, project: Project) -> None:
        self.project = project
        self.said: list[str] = []

    def run(self, *words: str | Path) -> Result:
        result = run(*words)
        self.said.append(result.output)
        if result.exc_info is not None and not isinstance(result.exc_info[1], SystemExit):
            # What a crash reporter would get hold of.
            self.said += traceback.format_exception(*result.exc_info)
        return result

    def files_outside_the_department(self) -> dict[str, bytes]:
        at_home = {
            self.project.data("court"), self.project.home_map("court"), self.project.folder / "court-keys.csv",
        }  # fmt: skip
        return {
            str(path.relative_to(self.project.folder)): path.read_bytes()
            for path in self.project.folder.rglob("*")
            if path.is_file() and path not in at_home
        }

    def check(self, caplog: pytest.LogCaptureFixture) -> None:
        assert self.said
        for text in (*self.said, caplog.text):
            assert not _found(text.encode()), text
        for name, content in self.files_outside_the_department().items():
            assert not _found(content), name


def _court(project: Project) -> tuple[str | Path, ...]:
    return "-a", project.agreement_path, "-k", project.key("court-dept")


def _encode(project: Project) -> tuple[str | Path, ...]:
    return "pprl", "encode", project.data("court"), *_court(project), "-o", project.submission("court")


@pytest.mark.parametrize("as_json", [(), ("--json",)], ids=["text", "json"])
def test_a_whole_run(
    nest_of_each_scheme: Project, caplog: pytest.LogCaptureFixture, as_json: tuple[str, ...]
) -> None:
    nest = nest_of_each_scheme
    caplog.set_level(logging.DEBUG)
    watch = Watch(nest)
    checked = watch.run(
        "pprl", "check", nest.data("court"), "-a", nest.agreement_path, "--dataset", "court", *as_json
    )
    assert checked.exit_code == 4
    assert watch.run(*_encode(nest), *as_json).exit_code == 0
    for role, name, party in ((Role.MATCHER, "matcher", MATCHER), (Role.KEY_ISSUER, "issuer", ISSUER)):
        at = ("--store", nest.store(role))
        watch.run("coordinator", "init", "--role", name, "-k", nest.key(party), *at)
        watch.run("coordinator", "agreement", "register", nest.agreement_path, *at, *as_json)
        assert watch.run("coordinator", "receive", *nest.submissions, *at, *as_json).exit_code == 0
        watch.run("coordinator", "status", *at, *as_json)
    pairs, results = nest.folder / "pairs", nest.folder / "results"
    matcher, issuer = ("--store", nest.store(Role.MATCHER)), ("--store", nest.store(Role.KEY_ISSUER))
    watch.run("coordinator", "match", *matcher, "-o", pairs)
    watch.run("coordinator", "receive", pairs, *issuer, *as_json)
    assert watch.run("coordinator", "issue", *issuer, *as_json).exit_code == 0
    asked = nest.folder / "asked"
    watch.run("coordinator", "log", "checkpoint", *issuer, "-o", asked)
    for party in DEPARTMENTS:
        own = ("-a", nest.agreement_path, "-k", nest.key(party), "-o", asked / f"{party}.cosignature")
        watch.run("pprl", "log", "witness", asked / f"{party}.witness-request", *own)
    answers = [asked / f"{party}.cosignature" for party in DEPARTMENTS]
    assert watch.run("coordinator", "log", "cosign", *answers, *issuer, *as_json).exit_code == 0
    assert watch.run("coordinator", "release", *issuer, "-o", results).exit_code == 0
    assert watch.run("coordinator", "log", "export", *issuer, "-o", nest.folder / "run").exit_code == 0
    own = ("-a", nest.agreement_path, *as_json)
    assert watch.run("pprl", "receipt", results / "crosswalk.receipt", *own).exit_code == 0
    keys = nest.folder / "court-keys.csv"
    home_map = ("--map", nest.home_map("court"))
    watch.run("pprl", "keys", "open", results / "court.linkage-keys", *_court(nest), *home_map, "-o", keys)
    research = ("-a", nest.agreement_path, "-k", nest.key(RESEARCH))
    opened = watch.run(
        "pprl", "crosswalk", "open", results / "crosswalk", *research, "-o", nest.folder / "crosswalk.csv"
    )
    assert opened.exit_code == 0
    for path in (nest.submission("court"), pairs, nest.home_map("court"), results / "crosswalk"):
        assert watch.run("pprl", "inspect", path, *as_json).exit_code == 0
    watch.check(caplog)
    # The canary is where it belongs: so the search above could have found it.
    assert RECORD in {row["record_id"] for row in read_rows(keys)}
    assert _found(nest.home_map("court").read_bytes())


def test_a_second_year(nest: Project, caplog: pytest.LogCaptureFixture) -> None:
    """Linkage keys of last time are offered, and the changes listed: by record ids, which are canaries too."""
    caplog.set_level(logging.DEBUG)
    last = nest.folder / "court-keys.csv"
    write_table(last, {"record_id": [RECORD, f"{RECORD}-GONE"], "linkage_key": ["1" * 32, "2" * 32]})
    chain = {("project", "version"): 2, ("project", "previous_sha256"): nest.agreement.sha256}
    second = nest.amended("second.toml", {**chain, ("release", "keep_linkage_keys"): True})
    watch = Watch(nest)
    words = ("pprl", "encode", nest.data("court"), "-a", second, "-k", nest.key("court-dept"))
    out = ("-o", nest.submission("court"))
    assert watch.run(*words, *out).exit_code == 2
    assert watch.run(*words, *out, "--previous-keys", last).exit_code == 0
    store = ("--store", nest.store(Role.KEY_ISSUER))
    watch.run("coordinator", "init", "--role", "issuer", "-k", nest.key(ISSUER), *store)
    watch.run("coordinator", "agreement", "register", second, *store)
    assert watch.run("coordinator", "receive", nest.submission("court"), *store).exit_code == 8
    key_file = nest.key(ISSUER).with_name(f"{ISSUER}.small.project-key")
    write_new(key_file, project_key.to_file(project_key.create("small"), nest.identity(ISSUER)), mode=0o600)
    refused = watch.run("coordinator", "receive", nest.submission("court"), *store)
    assert (refused.exit_code, "1 of the 1 previous linkage keys" in refused.stderr) == (7, True)
    assert b"1" * 32 not in refused.stderr.encode()
    watch.check(caplog)


def test_the_databases_hold_no_canary_in_any_row(nest: Project, caplog: pytest.LogCaptureFixture) -> None:
    watch = Watch(nest)
    watch.run(*_encode(nest))
    for role in (Role.MATCHER, Role.KEY_ISSUER):
        folder = nest.receive_all(role).folder
        assert stat.S_IMODE(folder.stat().st_mode) == 0o700
        connection = sqlite3.connect(folder / "coordinator.sqlite")
        try:
            dump = "\n".join(connection.iterdump())
        finally:
            connection.close()
        assert not _found(dump.encode())
        assert "court" in dump
    watch.check(caplog)


Spoil = Callable[[Project], None]


def _strict(project: Project) -> None:
    strict = project.amended("strict.toml", {("encoding", "invalid_values"): "refuse"})
    project.adopt(strict)


def _with_cell(column: str, row: int, value: str) -> Spoil:
    def spoil(project: Project) -> None:
        rows = read_rows(project.data("court"))
        rows[row][column] = value
        write_table(project.data("court"), {name: [each[name] for each in rows] for name in rows[0]})

    return spoil


def _bytes(edit: Callable[[bytes], bytes]) -> Spoil:
    def spoil(project: Project) -> None:
        project.data("court").write_bytes(edit(project.data("court").read_bytes()))

    return spoil


FAILURES: dict[str, Spoil] = {
    "broken rules that the agreement refuses": _strict,
    "a record id twice": _with_cell("case_no", 11, RECORD),
    "a NUL inside a name": _with_cell("first_name", 12, NAME + "\0"),
    "a name far too long": _with_cell("last_name", 13, SURNAME * 2_000),
    "mixed encodings": _bytes(lambda raw: raw.replace(NAME.encode(), NAME.encode() + b"\xff\xfe", 1)),
    "a canary as the header": _bytes(lambda raw: raw.replace(b"first_name", NAME.encode(), 1)),
    "no header at all": _bytes(lambda raw: raw.split(b"\n", 1)[1]),
    "a canary as a column twice": _bytes(lambda raw: raw.replace(b"gender,postcode", b"postcode,postcode", 1)),
    "an unfinished quote": _bytes(lambda raw: raw + b'"' + SURNAME.encode()),
    "too few rows": _bytes(lambda raw: b"\n".join(raw.split(b"\n")[:13]) + b"\n"),
    "a cell too many": _bytes(lambda raw: raw.replace(RECORD.encode(), RECORD.encode() + b"," + NAME.encode())),
    "not a table": _bytes(lambda raw: (SURNAME.encode() + b"\x01\x02") * 500),
}  # fmt: skip


@pytest.mark.parametrize("as_json", [(), ("--json",)], ids=["text", "json"])
@pytest.mark.parametrize("failure", FAILURES)
def test_failing_commands(
    nest: Project, caplog: pytest.LogCaptureFixture, failure: str, as_json: tuple[str, ...]
) -> None:
    caplog.set_level(logging.DEBUG)
    FAILURES[failure](nest)
    watch = Watch(nest)
    assert watch.run(*_encode(nest), *as_json).exit_code == 4
    words: tuple[str | Path, ...] = ("-a", nest.agreement_path, "--dataset", "court", *as_json)
    assert watch.run("pprl", "check", nest.data("court"), *words).exit_code == 4
    draft = nest.folder / "draft.toml"
    watch.run("pprl", "agreement", "new", f"--dataset=police={nest.data('police')}",
              f"--dataset=court={nest.data('court')}", "-o", draft)  # fmt: skip
    watch.run("pprl", "inspect", nest.data("court"), *as_json)
    if failure == "a canary as the header":
        draft.unlink(missing_ok=True)  # a draft quotes headers: `agreement new` says so
    watch.check(caplog)


FAULT_PLACES = [
    "pprl.encode.records.Standardiser.prepare",
    "pprl.encode.clk.ClkEncoder.encode_coded",
    "pprl.encode.records.standardise",
    "pprl.encode.encoder.survey",
    "pprl.encode.outgoing.Outgoing.home_map",
    "pprl.department._seal_parts",
    "pprl.files.tables.Table.batches",
]
FAULTS: list[type[Exception]] = [ValueError, KeyError, UnicodeError, RuntimeError, OSError, TypeError]


@pytest.mark.parametrize("place", FAULT_PLACES)
@pytest.mark.parametrize("fault", FAULTS)
def test_faults_of_ours(
    nest: Project,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
    place: str,
    fault: type[Exception],
) -> None:
    def broken(*_arguments: Any, **_named: Any) -> Any:
        raise fault(f"can't handle {NAME} {SURNAME}, born {DAY} ({RECORD})")

    monkeypatch.setattr(place, broken)
    watch = Watch(nest)
    words = ("pprl", "check", nest.data("court"), "-a", nest.agreement_path, "--dataset", "court")
    both = [watch.run(*_encode(nest)), watch.run(*words)]
    assert 1 in {result.exit_code for result in both}
    assert any(f"A fault in the program ({fault.__name__} at " in result.stderr for result in both)
    assert not any("Traceback" in said for said in watch.said)
    watch.check(caplog)


# Keys and the linkage secret.


def _protected(project: Project) -> dict[str, bytes]:
    """What stands in no file at all, not even in a key file: private keys and passphrases."""
    seeds = {
        f"{party} {name}": seed for party in PARTIES for name, seed in project.identity(party)._seeds.items()
    }
    return {**seeds, "passphrase": TEXT.encode(), "as it was typed": normalize("NFD", TEXT).encode()}


def _forms(secret: bytes) -> set[bytes]:
    return {
        secret, secret[:16], secret[16:], secret.hex().encode(), secret.hex().upper().encode(),
        base64.b64encode(secret), base64.urlsafe_b64encode(secret), base64.b32encode(secret), repr(secret).encode(),
    }  # fmt: skip


def test_secrets_stand_in_their_own_files_alone(nest: Project, made_results: Path) -> None:
    watch = Watch(nest)
    watch.run(*_encode(nest))
    _ceremony(nest, watch)
    watch.run("pprl", "inspect", nest.key("court-dept"), "--json")
    watch.run("pprl", "inspect", nest.secret("court-dept"), "--json")
    nest.issue()
    keys = ("pprl", "keys", "open", made_results / "court.linkage-keys", *_court(nest))
    watch.run(*keys, "--map", nest.home_map("court"), "-o", nest.folder / "court-keys.csv")
    everywhere = {path: path.read_bytes() for path in nest.folder.rglob("*") if path.is_file()}
    for what, secret in (_held_secrets(nest) | _protected(nest)).items():
        for form in _forms(secret):
            assert not any(form in text.encode() for text in watch.said), what
            assert not [path for path, content in everywhere.items() if form in content], what
    private = [path for party in PARTIES for path in nest.holdings(party).folder.rglob("*") if path.is_file()]
    assert {stat.S_IMODE(path.stat().st_mode) for path in [*private, *map(nest.key, PARTIES)]} == {0o600}
    assert len(everywhere) > 40


def _ceremony(project: Project, watch: Watch) -> None:
    """The court department's part of the ceremony, from its commitment to the secret, by its commands."""
    kept = project.holdings("court-dept")
    for words in (
        ("commit",),
        ("share", "-o", project.folder / "sent-again"),
        ("status",),
        ("status", "--json"),
    ):
        watch.run("pprl", "secret", *words, *_court(project))
    for path in (kept.linkage_secret, *kept.shares.iterdir()):
        path.unlink()
    for sender in ("police-dept", "prison-dept", "police-dept"):
        watch.run("pprl", "secret", "accept", project.share(sender, "court-dept"), *_court(project))
    watch.run("pprl", "secret", "accept", project.share("police-dept", "prison-dept"), *_court(project))
    kept.linkage_secret.rename(kept.folder / "aside")
    watch.run("pprl", "secret", "accept", "--json", *_court(project))


def _held_secrets(project: Project) -> dict[str, bytes]:
    """The linkage secret and every share: they stand in no file but under a seal."""
    shares = sharing.held_shares(project.signatory("court-dept"), project.holdings("court-dept"))
    named = {f"share of {party}": share for party, share in shares.items()}
    assert len(named) == 3
    return {"linkage secret": project.held_secret("court-dept").value, **named}


def test_what_is_derived_from_the_secret_stays_home_but_for_its_check(nest: Project) -> None:
    held = nest.held_secret("court-dept")
    assert held.value.hex() not in repr(held)
    assert "value" not in repr(held)
    raw = nest.encode("court")
    assert not [scheme for scheme in get_args(Scheme) if held.encoding_key(scheme) in raw]
    assert bytes.fromhex(held.key_check()) not in raw, "even the check is sealed"


def test_private_files_are_closed_whatever_the_umask(nest: Project) -> None:
    before = os.umask(0)
    try:
        made = set(nest.folder.rglob("*"))
        run(*_encode(nest))
        run("pprl", "identity", "create", "x", "-o", nest.folder / "ids")
        nest.open_store(Role.MATCHER)
    finally:
        os.umask(before)
    new = set(nest.folder.rglob("*")) - made
    private = [path for path in new if path.name.endswith((".home-map.csv", ".row-salts", ".key"))]
    assert len(private) == 3
    assert {stat.S_IMODE(path.stat().st_mode) for path in private} == {0o600}
    assert stat.S_IMODE(nest.store(Role.MATCHER).stat().st_mode) == 0o700
    public = [path for path in new if path.suffix == ".submission"]
    assert {stat.S_IMODE(path.stat().st_mode) for path in public} == {0o644}


def test_results_say_the_same_about_matched_and_unmatched(made_results: Path) -> None:
    """Size tells the number of records, which the department knows; nothing else differs."""
    sizes = {name: (made_results / f"{name}.linkage-keys").stat().st_size for name in DATASETS}
    records = {name: len(table["person_id"]) for name, table in tables().items()}
    per_record = (sizes["police"] - sizes["court"]) / (records["police"] - records["court"])
    assert per_record == pytest.approx(32, abs=1)


def test_no_key_of_a_scheme_is_sent(field_filter_project: Project) -> None:
    held = field_filter_project.held_secret("court-dept")
    raw = field_filter_project.encode("court")
    assert held.encoding_key("field-filters") != held.encoding_key("clk")
    assert held.encoding_key("field-filters") not in raw


@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize(
    "place",
    [
        "pprl.encode.field_filters.FieldFilterEncoder.plan",
        "pprl.encode.field_filters.FieldFilterEncoder.random_levels",
        "pprl.encode.token_filters.tokens",
    ],
)
def test_faults_of_ours_in_field_filters(
    field_filter_project: Project,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
    place: str,
    fault: type[Exception],
) -> None:
    def broken(*_arguments: Any, **_named: Any) -> Any:
        raise fault(f"can't handle {NAME} {SURNAME}, born {DAY} ({RECORD})")

    watch = Watch(_with_canaries(field_filter_project))
    monkeypatch.setattr(place, broken)
    result = watch.run(*_encode(watch.project))
    assert result.exit_code == 1
    assert f"A fault in the program ({fault.__name__} at " in result.stderr
    assert not any("Traceback" in said for said in watch.said)
    watch.check(caplog)
