"""The ceremony by its commands: in order, again, out of order, and with its words."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import pytest

from coordinator.store.stages import Role
from pprl.agreements.amend import with_values
from tests.support.commands import done, refused, run
from tests.support.project import DEPARTMENTS, ISSUER, PARTIES, Project
from tests.support.receipts import logged_request

POLICE, COURT, PRISON = DEPARTMENTS


class Fresh:
    """An agreement of the project that nobody has signed yet."""

    def __init__(self, project: Project) -> None:
        self.project = project
        self.path = project.folder / "fresh.toml"
        text = project.agreement_path.read_text("utf-8")
        self.path.write_text(with_values(text, {("project", "id"): "fresh"}), encoding="utf-8")
        self.sent = project.folder / "to-send"

    def own(self, party: str) -> tuple[str | Path, ...]:
        return ("-a", self.path, "-k", self.project.key(party))

    def share_of(self, sender: str, recipient: str) -> Path:
        return self.sent / sender / f"share-from-{sender}-for-{recipient}.sealed"

    def holdings(self, party: str) -> Path:
        digits = hashlib.sha256(self.path.read_bytes()).hexdigest()[:8]
        return self.project.folder / "keys" / f"{party}.{digits}"

    def commit(self) -> None:
        for party in DEPARTMENTS:
            done("pprl", "secret", "commit", *self.own(party))

    def sign(self) -> None:
        for party in PARTIES:
            program = "pprl" if party in DEPARTMENTS or party == "research" else "coordinator"
            done(program, "agreement", "sign", self.path, "-k", self.project.key(party))

    def compare(self) -> None:
        for party in DEPARTMENTS:
            heard = [word for other in PARTIES if other != party for word in ("--heard-from", other)]
            done("pprl", "agreement", "verify", self.path, "-k", self.project.key(party), *heard)

    def share(self) -> None:
        self.sent.mkdir()
        for party in DEPARTMENTS:
            done("pprl", "secret", "share", *self.own(party), "-o", self.sent / party)

    def status(self, party: str) -> dict[str, object]:
        found: dict[str, object] = json.loads(
            done("pprl", "secret", "status", *self.own(party), "--json").stdout
        )
        return found


@pytest.fixture
def fresh(project: Project) -> Fresh:
    return Fresh(project)


def test_the_whole_ceremony(fresh: Fresh) -> None:
    fresh.commit()
    fresh.sign()
    fresh.compare()
    fresh.share()
    for party in DEPARTMENTS:
        others = [other for other in DEPARTMENTS if other != party]
        waiting = done("pprl", "secret", "accept", fresh.share_of(others[1], party), *fresh.own(party))
        assert waiting.stdout == f"waiting for {others[0]}\n"
        last = done("pprl", "secret", "accept", fresh.share_of(others[0], party), *fresh.own(party))
        assert last.stdout == "the linkage secret is made\n"
        assert fresh.status(party)["secret"] is True
    out = fresh.project.folder / "fresh.submission"
    done("pprl", "encode", fresh.project.data("police"), *fresh.own(POLICE), "-o", out)
    assert out.exists()


def test_through_the_coordinator_by_commands(fresh: Fresh) -> None:
    fresh.commit()
    fresh.sign()
    fresh.compare()
    fresh.share()
    project, store = fresh.project, fresh.project.folder / "fresh-store"
    done("coordinator", "init", "--role", "matcher", "-k", project.key("matcher"), "--store", store)
    done("coordinator", "agreement", "register", fresh.path, "--store", store)
    sent = sorted(fresh.sent.rglob("*.sealed"))
    assert len(sent) == 6
    done("coordinator", "receive", *sent, "--store", store)
    for party in DEPARTMENTS:
        folder = project.folder / f"for-{party}"
        done("coordinator", "relay", "--to", party, "-o", folder, "--store", store)
        files = sorted(folder.iterdir())
        assert [path.read_bytes() for path in files] == [
            fresh.share_of(other, party).read_bytes() for other in sorted(DEPARTMENTS) if other != party
        ]
        done("pprl", "secret", "accept", *files, *fresh.own(party))
    assert {fresh.status(party)["secret"] for party in DEPARTMENTS} == {True}


def test_nothing_is_signed_before_the_commitment(fresh: Fresh) -> None:
    words = ("pprl", "agreement", "sign", fresh.path, "-k", fresh.project.key(POLICE))
    result = refused(*words, status=5, says="secret commit", within=fresh.project.folder)
    assert "commitment" in result.stderr


def test_nothing_is_shared_before_everybody_was_heard_from(fresh: Fresh) -> None:
    fresh.commit()
    fresh.sign()
    heard = [word for other in PARTIES if other not in (POLICE, ISSUER) for word in ("--heard-from", other)]
    run("pprl", "agreement", "verify", fresh.path, "-k", fresh.project.key(POLICE), *heard)
    result = run("pprl", "secret", "share", *fresh.own(POLICE), "-o", fresh.sent)
    assert result.exit_code == 8
    assert f"--heard-from {ISSUER}" in result.stderr
    assert not fresh.sent.exists()
    assert not (fresh.holdings(POLICE) / "sent").exists()


def test_commit_says_that_it_is_done(fresh: Fresh) -> None:
    first = done("pprl", "secret", "commit", *fresh.own(POLICE))
    again = done("pprl", "secret", "commit", *fresh.own(POLICE))
    assert "This was done already." in again.stderr
    assert first.stdout == again.stdout


def test_share_again_and_over_another_file(fresh: Fresh) -> None:
    fresh.commit()
    fresh.sign()
    fresh.compare()
    fresh.share()
    path = fresh.share_of(POLICE, COURT)
    sealed = path.read_bytes()
    words = ("pprl", "secret", "share", *fresh.own(POLICE), "-o", fresh.sent / POLICE)
    done(*words)
    path.write_text("precious")
    refused(*words, status=2, says="exists already", within=fresh.project.folder)
    done(*words, "--force")
    assert path.read_bytes() == sealed


def test_encode_says_whom_it_waits_for(fresh: Fresh) -> None:
    fresh.commit()
    fresh.sign()
    fresh.compare()
    fresh.share()
    done("pprl", "secret", "accept", fresh.share_of(COURT, POLICE), *fresh.own(POLICE))
    out = fresh.project.folder / "fresh.submission"
    refused(
        "pprl", "encode", fresh.project.data("police"), *fresh.own(POLICE), "-o", out,
        status=8, says=f"waiting for the share of {PRISON}", within=fresh.project.folder,
    )  # fmt: skip


def test_a_refused_file_is_named(fresh: Fresh) -> None:
    fresh.commit()
    fresh.sign()
    fresh.compare()
    fresh.share()
    wrong = fresh.share_of(COURT, PRISON)
    refused(
        "pprl", "secret", "accept", fresh.share_of(COURT, POLICE), wrong, *fresh.own(POLICE),
        status=7, says=wrong.name, within=fresh.project.folder / "keys" ,
    )  # fmt: skip


def test_status_in_words(fresh: Fresh) -> None:
    told = done("pprl", "secret", "status", *fresh.own(POLICE)).stdout
    assert f"{POLICE} (you)" in told
    assert "next: Run 'pprl secret commit', then 'pprl agreement sign'." in told


@pytest.mark.parametrize("step", ["commit", "status", "accept", "share"])
def test_nobody_but_a_department(project: Project, step: str) -> None:
    words = ("pprl", "secret", step, "-a", project.agreement_path, "-k", project.key("research"))
    folder = ("-o", project.folder / "out") if step == "share" else ()
    result = run(*words, *folder)
    assert result.exit_code == 3
    assert "not a department" in result.stderr


def test_who_has_lost_it_has_it_sent_again(project: Project) -> None:
    own = {party: ("-a", project.agreement_path, "-k", project.key(party)) for party in (POLICE, COURT)}
    secret, kept = project.held_secret(POLICE), project.holdings(POLICE)
    for path in (kept.share, kept.linkage_secret, *kept.shares.iterdir()):
        path.unlink()
    assert "secret ask" in done("pprl", "secret", "status", *own[POLICE]).stdout
    request, proof = project.folder / "police.request", project.folder / "request.receipt"
    done("pprl", "secret", "ask", *own[POLICE], "-o", request)
    assert (
        f"what: request for shares of the linkage secret\nparty: {POLICE}\n"
        in done("pprl", "inspect", request).stdout
    )
    project.open_store(Role.MATCHER)
    received = done("coordinator", "receive", request, "--store", project.store(Role.MATCHER))
    assert "reseal-request" in received.stdout
    receipt = logged_request(project.agreement, project.identity, "matcher", request.read_bytes(), POLICE)
    sealed = project.folder / "again.sealed"
    words = ("pprl", "secret", "reseal", request, "--receipt", proof, *own[COURT], "-o", sealed)
    for wrong, status in ((b"", 6), (receipt.replace(b"index 0", b"index 1"), 7)):
        proof.write_bytes(wrong)
        refused(*words, status=status, says="", within=project.folder)
    proof.write_bytes(receipt)
    done(*words)
    assert done("pprl", "secret", "accept", sealed, *own[POLICE]).stdout == "the linkage secret is made\n"
    assert project.held_secret(POLICE) == secret
