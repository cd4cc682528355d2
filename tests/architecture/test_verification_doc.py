"""docs/verification.md lists the checks as they are in the code, and the tamperings that were tried."""

from __future__ import annotations

import re
from pathlib import Path

from pprl.verification.checks import CHECKS
from tests.support.tamperings import EVERY

PAGE = (Path(__file__).parents[2] / "docs" / "verification.md").read_text(encoding="utf-8")
TITLES = {"agreement": "Of the agreement in hand", "log": "Of each log", "run": "Of all logs together"}


def rows(title: str) -> list[tuple[str, ...]]:
    part = PAGE.split(f" {title}\n")[1].split("\n#")[0]
    return [tuple(row.split(" | ")) for row in re.findall(r"^\| (.+) \|$", part, re.MULTILINE)[1:]]


def test_every_check_is_listed_in_order() -> None:
    listed = [row for title in TITLES.values() for row in rows(title)]
    assert listed == [(str(each.number), f"`{each.id}`", each.words) for each in CHECKS]
    assert {each.of: title for each in CHECKS for title in [TITLES[each.of]]} == TITLES
    for check in CHECKS:
        assert (str(check.number), f"`{check.id}`", check.words) in rows(TITLES[check.of])


def test_every_tampering_is_listed() -> None:
    assert rows("How it is tested") == [(each.name.replace("_", " "), f"`{each.check}`") for each in EVERY]
    assert len(EVERY) >= 20
