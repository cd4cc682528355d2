"""Agreements that are wrong or not in force, and keys and secrets that do not belong: refused at every door."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import date, timedelta
from pathlib import Path

import pytest

from coordinator.store.stages import Role
from pprl.crypto.identity import create
from pprl.files.atomic import write_new
from pprl.protocol.agreement import parse
from tests.support.commands import done, refused, run
from tests.support.keys import key_file_of
from tests.support.project import DATASETS, ISSUER, MATCHER, Project

YESTERDAY = date.today() - timedelta(days=1)
TOMORROW = date.today() + timedelta(days=2)

OUT_OF_TIME = {
    "expired": ({("project", "valid_until"): YESTERDAY}, "expired on"),
    "DPIA expired": ({("dpia", "expires"): YESTERDAY}, "the DPIA expired on"),
    "not yet in force": ({("project", "valid_from"): TOMORROW}, "not in force before"),
    "approved in the future": ({("approval", 0, "approved_on"): TOMORROW}, "approved on a day to come"),
}

Edit = Callable[[str], str]
WRONG: dict[str, tuple[Edit, str]] = {
    "an unknown key": (lambda text: text.replace("[dpia]", "[dpia]\nsurprise = 1"), "dpia.surprise"),
    "an unknown table": (lambda text: text + "\n[surprise]\n", "surprise"),
    "not TOML": (lambda text: text.replace("[dpia]", "[dpia"), "line 27: "),
    "a key twice": (lambda text: text.replace("version = 1", "version = 1\nversion = 1"), "line 17: "),
    "Windows line ends": (lambda text: text.replace("\n", "\r\n"), "a carriage return"),
    "a bidirectional override": (lambda text: text.replace("A small", "A \u202esmall"), "invisible"),
    "a number as text": (lambda text: text.replace("clk_bits = 1024", 'clk_bits = "1024"'), "clk_bits"),
    "a department as its own matcher": (
        lambda text: text.replace('roles = ["department"]', 'roles = ["department", "matcher"]', 1),
        "a department can't be its own coordinator",
    ),
    "a department as key issuer": (
        lambda text: text.replace('roles = ["department"]', 'roles = ["department", "key-issuer"]', 1),
        "a department can't be its own coordinator",
    ),
    "a dataset of the matcher": (
        lambda text: text.replace('party = "court-dept"', 'party = "matcher"', 1),
        "party is not a department of this agreement",
    ),
    "no matcher": (lambda text: text.replace('roles = ["matcher"]', 'roles = ["auditor"]'), "matcher"),
    "a quorum that two histories could have": (lambda text: text.replace("quorum = 2", "quorum = 1"), "quorum"),
    "the matcher as a witness of its own log": (
        lambda text: text.replace('witnesses = ["police-dept"', 'witnesses = ["matcher"'),
        "that it keeps",
    ),
}  # fmt: skip


def _doors(project: Project, path: Path) -> dict[str, tuple[str | Path, ...]]:
    """Every command that an agreement must be in force for."""
    own = ("-a", path, "-k", project.key("police-dept"))
    folder = project.folder / "send"
    return {
        "secret commit": ("pprl", "secret", "commit", *own),
        "secret share": ("pprl", "secret", "share", *own, "-o", folder),
        "secret accept": ("pprl", "secret", "accept", *own),
        "encode": ("pprl", "encode", project.data("police"), *own, "-o", project.folder / "o"),
        "register": ("coordinator", "agreement", "register", path, "--store", project.store(Role.MATCHER)),
    }


def _store(project: Project) -> None:
    at = ("--store", project.store(Role.MATCHER))
    done("coordinator", "init", "--role", "matcher", "-k", project.key(MATCHER), *at)


@pytest.mark.parametrize("door", ["secret commit", "secret share", "secret accept", "encode", "register"])
@pytest.mark.parametrize("what", OUT_OF_TIME)
def test_agreements_out_of_time_are_refused_at_every_door(project: Project, what: str, door: str) -> None:
    values, says = OUT_OF_TIME[what]
    _store(project)
    words = _doors(project, project.amended("late.toml", values))[door]  # type: ignore[arg-type]
    refused(*words, status=3, says=says, within=project.folder)


@pytest.mark.parametrize("door", ["secret commit", "secret share", "encode", "register"])
def test_drafts_are_refused_at_every_door(project: Project, door: str) -> None:
    path = project.folder / "draft.toml"
    words = [f"--dataset={name}={project.data(name)}" for name in DATASETS]
    done("pprl", "agreement", "new", *words, "-o", path)
    _store(project)
    refused(*_doors(project, path)[door], status=3, says="has no public keys yet", within=project.folder)


@pytest.mark.parametrize("door", ["secret commit", "secret share", "encode", "register"])
@pytest.mark.parametrize("what", WRONG)
def test_wrong_agreements_are_refused_at_every_door(project: Project, what: str, door: str) -> None:
    edit, says = WRONG[what]
    path = project.folder / "wrong.toml"
    path.write_text(edit(project.agreement_path.read_text("utf-8")), encoding="utf-8", newline="")
    _store(project)
    refused(*_doors(project, path)[door], status=3, says=says, within=project.folder)


@pytest.mark.parametrize("what", WRONG)
def test_agreement_check_names_what_is_wrong(project: Project, what: str) -> None:
    edit, says = WRONG[what]
    path = project.folder / "wrong.toml"
    path.write_text(edit(project.agreement_path.read_text("utf-8")), encoding="utf-8", newline="")
    result = run("pprl", "agreement", "check", path)
    assert result.exit_code == 3
    assert says in result.output
    assert json.loads(run("pprl", "agreement", "check", path, "--json").stdout)["remarks"]


def test_an_agreement_that_is_missing_or_far_too_large(project: Project) -> None:
    missing = _doors(project, project.folder / "none.toml")["encode"]
    refused(*missing, status=2, says="can't be read", within=project.folder)
    path = project.folder / "large.toml"
    path.write_bytes(b"#" * 1_100_000)
    refused(*_doors(project, path)["encode"], status=2, says="more than 1,000,", within=project.folder)


# Keys.


def test_a_key_that_others_may_read(project: Project) -> None:
    for mode in (0o640, 0o604, 0o644, 0o660):
        project.key("police-dept").chmod(mode)
        words = _doors(project, project.agreement_path)["encode"]
        refused(*words, status=5, says="open to other users", within=project.folder)


def test_a_secret_that_others_may_read(project: Project) -> None:
    project.secret("police-dept").chmod(0o640)
    words = _doors(project, project.agreement_path)["encode"]
    refused(*words, status=5, says="open to other users", within=project.folder)


def test_a_home_map_that_others_may_read(project: Project, made_results: Path) -> None:
    project.home_map("court").chmod(0o644)
    words = _open_keys(project, made_results, "court", project.home_map("court"))
    refused(*words, status=5, says="open to other users", within=project.folder)


def test_another_partys_key(project: Project) -> None:
    words = (
        "pprl",
        "encode",
        project.data("police"),
        "-a",
        project.agreement_path,
        "-o",
        project.folder / "o",
    )
    other = (*words, "-k", project.key("court-dept"), "--dataset", "police")
    refused(*other, status=3, says="is not brought by 'court-dept'", within=project.folder)


def test_a_key_of_nobody_in_the_agreement(project: Project) -> None:
    write_new(project.key("stranger"), key_file_of(create("stranger")), mode=0o600)
    words = (
        "pprl",
        "encode",
        project.data("police"),
        "-a",
        project.agreement_path,
        "-o",
        project.folder / "o",
    )
    both = (*words, "-k", project.key("stranger"))
    refused(*both, status=3, says="stranger", within=project.folder)


def test_a_new_key_under_an_old_name(project: Project) -> None:
    write_new(project.key("police-dept"), key_file_of(create("police-dept")), mode=0o600, force=True)
    for name in ("secret commit", "encode"):
        words = _doors(project, project.agreement_path)[name]
        refused(*words, status=7, says="other public keys than this key file has", within=project.folder)


def test_the_matchers_key_can_make_no_secret_and_encode_nothing(project: Project) -> None:
    own = ("-a", project.agreement_path, "-k", project.key(MATCHER))
    making = ("pprl", "secret", "commit", *own)
    refused(*making, status=3, says="is not a department", within=project.folder)
    words = ("pprl", "encode", project.data("police"), *own, "-o", project.folder / "o")
    refused(*words, "--dataset", "police", status=3, says="not brought by 'matcher'", within=project.folder)


@pytest.mark.parametrize("content", [b"", b"{}", b"not a key", b"\0" * 100, b"x" * 1_100_000])
def test_a_key_file_that_is_none(project: Project, content: bytes) -> None:
    project.key("police-dept").write_bytes(content)
    refused(*_doors(project, project.agreement_path)["encode"], status=5, says="", within=project.folder)


def test_a_key_file_that_is_missing(project: Project) -> None:
    project.key("police-dept").unlink()
    words = _doors(project, project.agreement_path)["encode"]
    refused(*words, status=5, says="can't be read", within=project.folder)


# The linkage secret.


def test_no_secret_yet(project: Project) -> None:
    project.secret("police-dept").unlink()
    words = _doors(project, project.agreement_path)["encode"]
    refused(*words, status=8, says="run 'pprl secret accept' once more", within=project.folder)
    for path in project.holdings("police-dept").shares.iterdir():
        path.unlink()
    refused(
        *words, status=8, says="waiting for the share of court-dept and prison-dept", within=project.folder
    )


def test_the_secret_of_another_agreement(project: Project) -> None:
    other = project.amended("other.toml", {("release", "min_linked_people"): 11})
    secret = project.secret("police-dept", parse(other.read_bytes(), where="other.toml"))
    secret.write_bytes(project.secret("police-dept").read_bytes())
    words = _doors(project, other)["encode"]
    refused(*words, status=5, says="made under another agreement", within=project.folder)


@pytest.mark.parametrize("content", [b"", b"{}", b'{"secret":1}', b"\xff"])
def test_a_secret_file_that_is_none(project: Project, content: bytes) -> None:
    project.secret("police-dept").write_bytes(content)
    refused(*_doors(project, project.agreement_path)["encode"], status=5, says="", within=project.folder)


def _share(project: Project, recipient: str) -> Path:
    return project.share("police-dept", recipient)


def _accept(project: Project, share: Path, party: str) -> tuple[str | Path, ...]:
    own = ("-a", project.agreement_path, "-k", project.key(party))
    return "pprl", "secret", "accept", share, *own


def test_a_share_for_somebody_else(project: Project) -> None:
    words = _accept(project, _share(project, "court-dept"), "prison-dept")
    refused(*words, status=7, says="", within=project.folder)


def test_a_share_that_the_matcher_tries_to_open(project: Project) -> None:
    words = _accept(project, _share(project, "court-dept"), MATCHER)
    refused(*words, status=3, says="is not a department", within=project.folder)


def test_a_damaged_share(project: Project) -> None:
    share = _share(project, "court-dept")
    whole = share.read_bytes()
    share.write_bytes(whole[:-1] + bytes([whole[-1] ^ 1]))
    refused(*_accept(project, share, "court-dept"), status=7, says="", within=project.folder)
    share.write_bytes(share.read_bytes()[:-5])
    result = run(*_accept(project, share, "court-dept"))
    assert result.exit_code in {6, 7}


def test_a_share_that_is_something_else(project: Project) -> None:
    words = _accept(project, project.data("police"), "court-dept")
    refused(*words, status=6, says="", within=project.folder)


# Results.


def _open_keys(project: Project, results: Path, dataset: str, home_map: Path) -> tuple[str | Path, ...]:
    own = ("-a", project.agreement_path, "-k", project.key(f"{dataset}-dept"))
    out = project.folder / "keys.csv"
    return "pprl", "keys", "open", results / f"{dataset}.linkage-keys", *own, "--map", home_map, "-o", out


def test_the_home_map_of_another_submission(project: Project, made_results: Path) -> None:
    own = ("-a", project.agreement_path, "-k", project.key("court-dept"))
    done("pprl", "encode", project.data("court"), *own, "-o", project.folder / "again")
    again = project.folder / "again.home-map.csv"
    words = _open_keys(project, made_results, "court", again)
    refused(*words, status=7, says="do not belong to one submission", within=project.folder)


@pytest.mark.parametrize(
    "content", [b"\xff\n", b"a,b\n", b'handle,record_id\n"', b"handle,record_id\n1,2,3\n"]
)
def test_a_home_map_that_is_none(project: Project, made_results: Path, content: bytes) -> None:
    project.home_map("court").write_bytes(content)
    words = _open_keys(project, made_results, "court", project.home_map("court"))
    refused(*words, status=6, says="home map", within=project.folder)


def test_results_for_somebody_else(project: Project, made_results: Path) -> None:
    own = ("-a", project.agreement_path, "-k", project.key("court-dept"))
    home_map = ("--map", project.home_map("court"), "-o", project.folder / "keys.csv")
    words = ("pprl", "keys", "open", made_results / "police.linkage-keys", *own, *home_map)
    refused(*words, status=7, says="", within=project.folder)
    words = ("pprl", "keys", "open", made_results / "crosswalk", *own, *home_map)
    refused(*words, status=7, says="", within=project.folder)


def test_the_crosswalk_opens_for_the_research_environment_alone(project: Project, made_results: Path) -> None:
    for party in ("police-dept", MATCHER, ISSUER):
        own = ("-a", project.agreement_path, "-k", project.key(party), "-o", project.folder / "x.csv")
        words = ("pprl", "crosswalk", "open", made_results / "crosswalk", *own)
        refused(*words, status=7, says="", within=project.folder)


def test_inspect_of_what_is_none_of_ours(project: Project) -> None:
    for content in (b"", b"{}", b"PPRLSUB1", b"\xff" * 100):
        (project.folder / "thing").write_bytes(content)
        refused("pprl", "inspect", project.folder / "thing", status=6, says="", within=project.folder)
    refused("pprl", "inspect", project.folder / "none", status=2, says="can't be read", within=project.folder)
