"""The one table of stages and steps."""

from __future__ import annotations

from itertools import product

import pytest

from coordinator.store.stages import TRANSITIONS, Role, Stage, Step, after
from pprl.errors import ProtocolError

ALL = list(product(Role, Stage, Step))


@pytest.mark.parametrize(("role", "stage", "step"), ALL, ids=str)
def test_every_step_is_in_the_table_or_refused_with_a_word_on_what_to_do(
    role: Role, stage: Stage, step: Step
) -> None:
    if (role, stage, step) in TRANSITIONS:
        assert after(role, stage, step) is TRANSITIONS[role, stage, step]
        return
    with pytest.raises(ProtocolError, match=f"The {role} can't {step} while the run is {stage}") as refused:
        after(role, stage, step)
    assert refused.value.hint


@pytest.mark.parametrize("role", Role)
def test_every_role_walks_from_collecting_to_an_end_without_a_way_back(role: Role) -> None:
    order = list(Stage)
    steps = [(here, there) for (each, here, _), there in TRANSITIONS.items() if each is role]
    assert all(order.index(there) >= order.index(here) for here, there in steps)
    reached = {Stage.COLLECTING}
    while new := {there for here, there in steps if here in reached} - reached:
        reached |= new
    assert reached == {here for here, _ in steps} | {there for _, there in steps}


def test_only_the_matcher_matches_and_only_the_key_issuer_issues() -> None:
    roles: dict[Step, set[Role]] = {}
    for role, _, step in TRANSITIONS:
        roles.setdefault(step, set()).add(role)
    assert roles[Step.MATCH] == {Role.MATCHER}
    assert roles[Step.ISSUE] == roles[Step.RELEASE] == {Role.KEY_ISSUER}
