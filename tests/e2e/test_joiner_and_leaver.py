"""Who takes part changes: a new version, a new ceremony, and nothing of the old secret gets through.

One department joins and another leaves at once, and two stay. By commands, and to the end: the new version links.
"""

from __future__ import annotations

import csv
from pathlib import Path

import pytest

from tests.support.commands import done, refused, run
from tests.support.consortium import Consortium, department_of
from tests.support.departments import NAMES
from tests.support.project import MATCHER

POLICE, COURT, PRISON, HEALTH, *_ = NAMES
LEAVER, JOINER, STAYS = department_of(COURT), department_of(PRISON), department_of(HEALTH)
BEFORE, AFTER = (POLICE, COURT, HEALTH), (POLICE, PRISON, HEALTH)


@pytest.fixture
def first(tmp_path: Path) -> Consortium:
    founded = Consortium.founded(tmp_path, BEFORE)
    founded.completed()
    return founded


@pytest.mark.slow
def test_one_joins_and_one_leaves_and_linkage_goes_on(first: Consortium) -> None:
    second = Consortium.founded(first.folder, AFTER, first)
    _needs_the_leavers_word(first, second)
    second.sign(LEAVER, earlier=first)
    second.exchange_signatures([LEAVER])
    for party in second.departments:
        second.compare(party)
    _the_old_secret_is_no_use(first, second)
    second.made_a_secret()
    assert len({second.secret(party) for party in second.departments}) == 1
    assert first.secret(department_of(POLICE)) != second.secret(department_of(POLICE))
    _links(second)


def _needs_the_leavers_word(first: Consortium, second: Consortium) -> None:
    """The leaver agrees to be succeeded, or nobody can work under the new version."""
    for party in second.departments:
        second.commit(party)
    for party in second.parties:
        # Who joins never had the version before: it is given to it, as to everybody.
        second.path(party).with_name("agreement-1.toml").write_bytes(first.raw)
        second.sign(party, earlier=first)
    second.exchange_signatures()
    result = run("pprl", "agreement", "verify", second.path(JOINER), "-k", second.key(JOINER))
    assert result.exit_code == 8
    assert LEAVER in result.output


def _the_old_secret_is_no_use(first: Consortium, second: Consortium) -> None:
    """Under the new version there is no secret yet; old shares and encoding as before are refused."""
    police = department_of(POLICE)
    out = second.submission(POLICE)
    refused(
        "pprl", "encode", second.data(POLICE), *second.own(police), "-o", out,
        status=8, says="waiting for the share of", within=second.folder / police,
    )  # fmt: skip
    refused(
        "pprl", "secret", "accept", first.sent(LEAVER, police), *second.own(police),
        status=7, says="of whom our agreement has no public keys", within=second.folder / police,
    )  # fmt: skip
    refused(
        "pprl", "secret", "accept", first.sent(STAYS, police), *second.own(police),
        status=7, says="another agreement", within=second.folder / police,
    )  # fmt: skip
    refused(
        "pprl", "encode", first.data(POLICE), *first.own(police), "-o", out,
        status=7, says="version 1 is over", within=second.folder / police,
    )  # fmt: skip


def _links(second: Consortium) -> None:
    for dataset in second.datasets:
        second.hand_in(second.encode(dataset))
    folder = second.released()
    for dataset in second.datasets:
        party = department_of(dataset)
        out = second.folder / party / "keys.csv"
        done(
            "pprl", "keys", "open", folder / f"{dataset}.linkage-keys", *second.own(party),
            "--map", f"{second.submission(dataset)}.home-map.csv", "-o", out,
        )  # fmt: skip
        with out.open(newline="") as file:
            assert len(list(csv.DictReader(file))) == 40


def test_a_submission_of_the_version_before_is_refused(first: Consortium) -> None:
    sent = first.encode(POLICE)
    second = Consortium.founded(first.folder, AFTER, first)
    for party in second.departments:
        second.commit(party)
    for party in second.parties:
        second.path(party).with_name("agreement-1.toml").write_bytes(first.raw)
        second.sign(party, earlier=first)
    second.sign(LEAVER, earlier=first)
    second.exchange_signatures([LEAVER])
    second.open_store()
    refused(
        "coordinator", "receive", sent, "--store", second.store,
        status=8, says="version 1 is over", within=second.folder / MATCHER,
    )  # fmt: skip
