"""The whole protocol, from the first commitment to opened results, in whatever order and with whatever faults.

Three departments, the coordinator's two roles, research, witnesses and an auditor, each with a folder of its own
(`tests.simulation.everybody`). Hypothesis writes scripts of steps; each step must come through or be refused, and the
simulation knows which. What must hold:

1. stages move only along `TRANSITIONS`, and the log tells how;
2. a log only grows, and each checkpoint is consistent with the one before it; a witness signs nothing else, whatever
   was done to the store, and answers an old request or the same one twice only by what it has signed;
3. nothing is released before a quorum has signed a checkpoint that holds what was issued;
4. a refused step changes nothing: no byte of any store or party's folder;
5. the same step asked again gives the same bytes: commitment, sealed shares, requests, pairs, results, receipts;
6. departments that hold a linkage secret hold the same one, and the others are told rightly whom they wait for;
7. no container opens once its run key is destroyed;
8. a department's linkage keys cover its records, each once;
9. an auditor's checks pass just where both logs are witnessed to their ends, under the signatures in hand, and fit
   together;
10. no value of anybody's table stands in a submission, result, receipt, summary or export.

What may go wrong without harm, and the simulation shows it:

- a sealed share, a request, an answer or a result that is lost on its way: the same step makes it again;
- a crash: at worst a sealed container is left behind that nothing names;
- signing twice, sending twice, and several drafts, as long as both roles hold the same one;
- a byte altered in the part of a submission that is not this role's: the other role refuses it;
- a store that was rolled back further than any witness had seen: nobody can tell, and nothing had left it.

What can't be recovered under the same version of the agreement:

- a store that was rolled back behind what two of the three witnesses have signed: they sign nothing more, and there
  is no release; the run starts anew under the next version;
- here, a witness whose answer was lost together with the request, as nobody asks it again from where it stopped
  (`coordinator log checkpoint --since` does, and has a test of its own);
- two roles that took different drafts of one dataset: the key issuer refuses for good;
- a run of which a role was destroyed before the other had what it needed;
- everything sealed to a run key that is lost or destroyed.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from unittest import mock

import pytest
from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st

from pprl.files import atomic
from tests.simulation.everybody import EVERYBODY, ROLES, Everybody, World
from tests.support.project import DATASETS, Project

SEED_VARIABLE = "SIMULATION_SEED"
DEFAULT_SEED = 20261122

STEPS = (
    "commit {department}", "sign {party}", "sign_again {party}", "fetch {party}", "hear {department}",
    "share {department}", "lose_share {department} {department}", "accept {department} {department}",
    "accept_altered {department} {department} {percent}", "accept_anothers {department} {department}",
    "accept_foreign", "relay {department} {department} {role}",
    "relay_altered {department} {department} {role} {percent}", "hand_on {department} {role}",
    "lose_secret {department}", "ask {department}", "log_plea {department} {role}",
    "reseal {department} {department}", "accept_resealed {department} {department}",
    "encode {department}", "encode_under_the_version_before {department}", "new_version",
    "register {role}", "send {department} {role}", "send_draft {department} {role}",
    "send_cut {department} {role} {percent}", "send_altered {department} {role} {percent}",
    "send_mixed {department} {role}", "send_foreign {role}", "send_late {department} {role}",
    "work_late {role}", "match", "hand_over {role}", "hand_over_altered {percent}", "issue", "release",
    "checkpoint {role}", "witness {department} {role}", "witness_late {department} {role}",
    "witness_last_again {department} {role}", "lose_answer {department} {role}", "cosign {department} {role}",
    "receipts {role}", "audit", "restart {role}", "backup {role}", "restore {role}",
    "crash_receive {department} {role}", "crash_match {place}", "crash_issue {place}", "crash_release",
    "destroy {role}", "destroy_all_the_same {role}", "crash_destroy {role} {where}",
    "open {department}", "open_research", "open_without_receipt {department}", "open_anothers {department}",
)  # fmt: skip
WORDS = {
    "department": st.sampled_from(DATASETS),
    "party": st.sampled_from(EVERYBODY),
    "role": st.sampled_from(tuple(ROLES)),
    "place": st.sampled_from(("keep", "log")),
    "where": st.sampled_from(("destroy_run_key", "delete_files", "sign_certificate")),
    "percent": st.integers(0, 99).map(str),
}

# How far a run has come when things begin to go wrong: all signed, all sent, issued, released, destroyed.
BEGINNINGS = ("go_on 15", "go_on 38", "go_on 41", "go_on 47", "go_on 59")


@st.composite
def lines(draw: st.DrawFn) -> str:
    """A step with its arguments; every third one goes on with the run as it should go."""
    if draw(st.integers(0, 2)) == 0:
        return f"go_on {draw(st.sampled_from((1, 5, 15, 30)))}"
    name, *wanted = draw(st.sampled_from(STEPS)).split()
    return " ".join((name, *(draw(WORDS[each.strip("{}")]) for each in wanted)))


def replay(script: Sequence[str], world: World) -> Everybody:
    """Take the steps of a script, one after the other, in a new world's folders; gives them as they stand then."""
    with (
        TemporaryDirectory() as folder,
        mock.patch.object(os, "fsync"),
        mock.patch.object(atomic, "_sync_directory"),
    ):
        home = Path(folder) / "run"
        home.mkdir()
        everybody = Everybody(world, home)
        try:
            for line in script:
                everybody.take(line)
        except BaseException as error:
            error.add_note(f"replay({everybody.taken!r}, world)")
            raise
    return everybody


def simulate(world: World, *, number: int, examples: int, steps: int) -> None:
    """Let hypothesis write scripts; the same number writes the same ones."""
    reached = set()

    @seed(number)
    @settings(
        max_examples=examples, database=None, suppress_health_check=list(HealthCheck),
        phases=(Phase.generate, Phase.shrink),
    )  # fmt: skip
    @given(begin=st.sampled_from(BEGINNINGS), script=st.lists(lines(), min_size=steps // 2, max_size=steps))
    def run(begin: str, script: list[str]) -> None:
        reached.update(replay([begin, *script], world).reached)

    try:
        run()
    except BaseException as error:
        error.add_note(f"{SEED_VARIABLE}={number}")
        raise
    assert ("key-issuer", "destroyed") in reached, "it must get to the end"


@pytest.fixture(scope="module")
def world(made_project: Project, tmp_path_factory: pytest.TempPathFactory) -> World:
    return World.of(made_project.copy(tmp_path_factory.mktemp("world") / "project"))


def test_simulation(world: World) -> None:
    simulate(world, number=DEFAULT_SEED, examples=3, steps=16)


@pytest.mark.slow
def test_long_simulation(world: World) -> None:
    number = int(os.environ.get(SEED_VARIABLE) or DEFAULT_SEED + 1)
    simulate(world, number=number, examples=12, steps=40)


# What a simulation found, or might, as short readable scripts.


READY = "go_on 38"  # everybody has encoded, both roles have everything, and nothing is matched
ISSUED = "go_on 41"


def test_a_department_that_lost_everything_gets_it_back_by_two_offices(world: World) -> None:
    done = replay(
        [
            READY, "lose_secret court", "commit court", "encode court", "accept court police", "ask court",
            "log_plea court matcher", "reseal police court", "checkpoint matcher", "witness prison matcher",
            "cosign prison matcher", "reseal police court", "witness police matcher", "cosign police matcher",
            "reseal court court", "reseal police court", "accept_resealed court police", "encode court",
        ],
        world,
    )  # fmt: skip
    assert len(done.now.drafts["court"]) == 2


def test_what_witnesses_have_signed_a_store_can_not_forget(world: World) -> None:
    done = replay(
        [
            READY, "backup issuer", "go_on 7", "restore issuer", "send police issuer", "go_on 20", "checkpoint issuer",
            "witness police issuer", "witness court issuer", "witness prison issuer", "cosign prison issuer", "release",
            "open police",
        ],
        world,
    )  # fmt: skip
    assert done.now.kept["issuer"].stage == "issued"
    assert done.next_step() is None, "nothing is left to do but a new version"


def test_all_goes_well_and_a_store_may_forget_what_nobody_has_seen(world: World) -> None:
    opened = [
        *(f"open {each}" for each in DATASETS),
        "open_research",
        "open_without_receipt court",
        "receipts issuer",
    ]
    done = replay([READY, "backup issuer", "go_on 3", "restore issuer", "go_on 50", "audit", *opened], world)
    assert done.audit_passes()
    assert done.next_step() is None


def test_an_answer_that_was_lost_is_made_again_from_the_request(world: World) -> None:
    done = replay(
        [
            ISSUED, "checkpoint issuer", "witness court issuer", "lose_answer court issuer", "restart issuer",
            "checkpoint issuer", "witness court issuer", "cosign court issuer", "cosign court issuer",
            "witness_late court issuer", "go_on 50", "audit",
        ],
        world,
    )  # fmt: skip
    assert done.audit_passes()


@pytest.mark.slow
def test_the_old_version_is_over_for_whoever_works_under_the_new_one(world: World) -> None:
    done = replay(
        [
            READY, "new_version", "send police matcher", "register matcher", "go_on 44",
            "encode_under_the_version_before police", "send_late police matcher", "send_late police issuer",
            "work_late matcher", "work_late issuer", "go_on 50", "audit",
        ],
        world,
    )  # fmt: skip
    assert done.audit_passes()


def test_two_roles_with_different_drafts(world: World) -> None:
    done = replay(
        [
            "go_on 30", "encode police", "register matcher", "register issuer", "send_mixed police issuer",
            "send police matcher", "send_draft police issuer", "go_on 50", "issue", "release", "audit",
        ],
        world,
    )  # fmt: skip
    assert done.now.kept["issuer"].stage == "complete"


def test_after_destruction_nothing_opens_and_a_restored_store_does_not_help(world: World) -> None:
    done = replay(
        [
            ISSUED, "backup matcher", "backup issuer", "destroy issuer",
            "crash_destroy matcher destroy_run_key", "match",
            "restore matcher", "match", "crash_destroy matcher sign_certificate", "match", "destroy matcher", "match",
            "restore matcher", "match", "sign_again matcher", "destroy matcher", "go_on 50", "audit", "destroy issuer",
            "restore issuer", "release", "issue", "open police", "open_research", "audit",
        ],
        world,
    )  # fmt: skip
    assert done.now.keys_gone == {"matcher", "issuer"}
