"""How a run moves on: the one table of stages and steps.

Each role walks its own run of an agreement. docs/protocol.md shows this table; a test holds the two together.
"""

from __future__ import annotations

from enum import StrEnum

from pprl.errors import ProtocolError


class Role(StrEnum):
    """The two coordinator roles. An office that holds both walks two runs."""

    MATCHER = "matcher"
    KEY_ISSUER = "key-issuer"


class Stage(StrEnum):
    """Where a role's run of an agreement stands."""

    COLLECTING = "collecting"
    COMPLETE = "complete"
    MATCHED = "matched"
    ISSUED = "issued"
    RELEASED = "released"
    DESTROYED = "destroyed"


class Step(StrEnum):
    """What moves a run on."""

    RECEIVE = "receive"
    RECEIVE_LAST = "receive the last part"
    MATCH = "match"
    ISSUE = "issue"
    RELEASE = "release"
    DESTROY = "destroy"


# The log's kind of entry for each step (`pprl.protocol.log`, whose own table of moves a test holds against this one).
LOGGED_AS: dict[Step, str] = {
    Step.RECEIVE: "received",
    Step.RECEIVE_LAST: "received",
    Step.MATCH: "matched",
    Step.ISSUE: "issued",
    Step.RELEASE: "released",
    Step.DESTROY: "destroyed",
}

TRANSITIONS: dict[tuple[Role, Stage, Step], Stage] = {
    (Role.MATCHER, Stage.COLLECTING, Step.RECEIVE): Stage.COLLECTING,
    (Role.MATCHER, Stage.COLLECTING, Step.RECEIVE_LAST): Stage.COMPLETE,
    (Role.MATCHER, Stage.COMPLETE, Step.MATCH): Stage.MATCHED,
    (Role.MATCHER, Stage.COLLECTING, Step.DESTROY): Stage.DESTROYED,
    (Role.MATCHER, Stage.COMPLETE, Step.DESTROY): Stage.DESTROYED,
    (Role.MATCHER, Stage.MATCHED, Step.DESTROY): Stage.DESTROYED,
    (Role.KEY_ISSUER, Stage.COLLECTING, Step.RECEIVE): Stage.COLLECTING,
    (Role.KEY_ISSUER, Stage.COLLECTING, Step.RECEIVE_LAST): Stage.COMPLETE,
    (Role.KEY_ISSUER, Stage.COMPLETE, Step.ISSUE): Stage.ISSUED,
    (Role.KEY_ISSUER, Stage.ISSUED, Step.RELEASE): Stage.RELEASED,
    (Role.KEY_ISSUER, Stage.COLLECTING, Step.DESTROY): Stage.DESTROYED,
    (Role.KEY_ISSUER, Stage.COMPLETE, Step.DESTROY): Stage.DESTROYED,
    (Role.KEY_ISSUER, Stage.ISSUED, Step.DESTROY): Stage.DESTROYED,
    (Role.KEY_ISSUER, Stage.RELEASED, Step.DESTROY): Stage.DESTROYED,
}

_WHAT_TO_DO = {
    Stage.COLLECTING: "Receive the parts that 'coordinator status' says are missing.",
    Stage.COMPLETE: "Run 'coordinator match' (matcher) or 'coordinator issue' (key issuer) first.",
    Stage.MATCHED: "The matcher has done its part: hand the pairs to the key issuer.",
    Stage.ISSUED: "Run 'coordinator release'.",
    Stage.RELEASED: "The run is over: agree a new version for another one.",
    Stage.DESTROYED: "All that was held for it is gone: agree a new version for another run.",
}


def after(role: Role, stage: Stage, step: Step) -> Stage:
    """The stage that a step leads to.

    Raises:
        ProtocolError: the step can't be taken from this stage.
    """
    try:
        return TRANSITIONS[role, stage, step]
    except KeyError:
        raise ProtocolError(
            f"The {role} can't {step} while the run is {stage}.", hint=_WHAT_TO_DO[stage]
        ) from None
