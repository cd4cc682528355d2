"""Every attack is refused by its check, and gets further once that check is taken out."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from pprl.protocol.envelope import Binding
from tests.attacks.every import SUBJECTS
from tests.attacks.registry import Attack, nothing, remove, run
from tests.unit.crypto.forgery import opened, sealed
from tools import attack as attack_tool

ALL = [
    pytest.param(attack, id=f"{subject}: {attack.name}")
    for subject, attacks in SUBJECTS.items()
    for attack in attacks
]


# `make attack` tries them all in one process, and CI runs both.
@pytest.mark.slow
@pytest.mark.parametrize("attack", ALL)
def test_its_check_stops_it_and_nothing_else_does(attack: Attack) -> None:
    found = run(attack)
    assert found.refused, f"another check refuses it, or none: {found.met}"
    assert found.each, "one of the removed checks does not stop it alone: leave it in place"
    assert found.bites, f"without its checks, it meets: {found.met_without or 'nothing'}"


def test_names_are_told_once() -> None:
    for attacks in SUBJECTS.values():
        assert len({attack.name for attack in attacks}) == len(attacks)


def test_runs_tell_attacks_that_show_nothing() -> None:
    attack = SUBJECTS["Containers"][0]
    bound = attack.removed[0]
    other = remove(bound.owner, bound.name, bound.instead, check=nothing)
    assert run(attack).as_stated
    assert not run(replace(attack, attempt=sealed)).refused
    assert not run(replace(attack, saying="Ed25519")).refused
    assert not run(replace(attack, removed=[other])).refused
    assert not run(replace(attack, then="not wrapped for")).bites
    assert not run(replace(attack, removed=[replace(bound, instead=Binding.__dict__["digest"])])).bites
    assert not run(replace(attack, removed=[bound, other])).each


def test_replay_is_left_to_the_caller_who_gets_one_name_for_one_container() -> None:
    raw = sealed()
    assert opened(raw)[0].container_sha256 == opened(raw)[0].container_sha256
    assert opened(sealed())[0].container_sha256 != opened(raw)[0].container_sha256


def test_the_page_lists_exactly_the_attacks() -> None:
    page = Path(__file__).parents[2] / "docs" / "attacks.md"
    assert page.read_text("utf-8") == attack_tool.page(), (
        "run: python -m tools.attack --write docs/attacks.md"
    )


def test_the_command_fails_if_one_attack_is_not_as_stated(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    attack = SUBJECTS["Containers"][0]
    monkeypatch.setattr(attack_tool, "SUBJECTS", {"Containers": [attack]})
    assert attack_tool.main([]) == 0
    assert "1 of 1" in capsys.readouterr().out
    for wrong, told in (
        (replace(attack, attempt=sealed), "NOT REFUSED"),
        (replace(attack, then="x"), "NOT BITE"),
    ):
        monkeypatch.setattr(attack_tool, "SUBJECTS", {"Containers": [attack, wrong]})
        assert attack_tool.main([]) == 1
        assert told in capsys.readouterr().out
        assert attack_tool.main(["--json"]) == 1
        assert [each["refused"] and each["bites"] for each in json.loads(capsys.readouterr().out)] == [
            True,
            False,
        ]
