"""Documents that fail the build when they lie."""

from __future__ import annotations

import re
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path

import pytest

from pprl import __version__, errors
from tests.architecture import commands_doc
from tests.support.commands import ALL_LEAVES, PROGRAMS, command_of

ROOT = Path(__file__).parents[2]
WORD = r"[a-z][a-z-]*"
GROUPS = {words[:length] for words in ALL_LEAVES for length in range(1, len(words))}


def test_the_commands_page_is_the_commands_help() -> None:
    page = commands_doc.DOCUMENT.read_text(encoding="utf-8")
    assert page == commands_doc.text(), "run: python -m tests.architecture.commands_doc"


def _named_commands(text: str) -> set[tuple[str, ...]]:
    """Every command that a text shows, in code: `pprl keys open ...` or a line of a code block."""
    code = re.findall(r"`([^`\n]+)`", text)
    for block in re.findall(r"```.*?\n(.*?)```", text, re.DOTALL):
        code += block.splitlines()
    found = set()
    for line in code:
        for match in re.finditer(rf"(?:^|[\s$/(])({'|'.join(PROGRAMS)})((?: {WORD}(?=\s|$|[,.;)`]))+)", line):
            found.add((match[1], *match[2].split()))
    return found


def _exists(words: tuple[str, ...]) -> bool:
    """Whether a command, and not merely a start of one with other words after it, is there."""
    return any(words[: len(leaf)] == leaf for leaf in ALL_LEAVES) or words in GROUPS


# docs/commands.md is the help itself, and is held to it above.
PAGES = sorted(
    str(path.relative_to(ROOT))
    for path in (ROOT / "README.md", *(ROOT / "docs").rglob("*.md"), *(ROOT / "configs").rglob("*.md"))
    if path != commands_doc.DOCUMENT
)


@pytest.mark.parametrize("page", PAGES)
def test_pages_show_only_commands_that_exist(page: str) -> None:
    wrong = [
        " ".join(words)
        for words in _named_commands((ROOT / page).read_text(encoding="utf-8"))
        if not _exists(words)
    ]
    assert not wrong


def test_the_readmes_options_exist() -> None:
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    for block in re.findall(r"```.*?\n(.*?)```", text, re.DOTALL):
        for line in block.replace("\\\n", " ").splitlines():
            words = tuple(line.strip().removeprefix("$ ").split())
            leaf = next((leaf for leaf in ALL_LEAVES if words[: len(leaf)] == leaf), None)
            if leaf:
                known = {name for each in command_of(leaf).params for name in each.opts} | {"-h", "--help"}
                used = {
                    word.split("=")[0] for word in words[len(leaf) :] if re.fullmatch(r"--?[a-z].*", word)
                }
                assert used <= known, line


def test_the_sample_of_the_check_itself() -> None:
    shown = _named_commands(
        "Run `pprl keys open x`, `.venv/bin/pprl demo`.\n```\n$ pprl frobnicate it\n```\n"
    )
    assert {words[:3] for words in shown} >= {("pprl", "keys", "open"), ("pprl", "demo")}
    assert not _exists(("pprl", "frobnicate", "it"))
    assert not _exists(("pprl", "keys", "close"))
    assert _exists(("coordinator", "agreement"))


def test_version_strings_agree() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert project["version"] == __version__
    assert f"## {__version__}" in (ROOT / "CHANGELOG.md").read_text(encoding="utf-8").replace(
        "[", ""
    ).replace("]", "")


def test_every_status_of_an_error_is_on_the_page() -> None:
    statuses = {
        kind.status for kind in vars(errors).values() if isinstance(kind, type) and hasattr(kind, "status")
    }
    page = commands_doc.INTRODUCTION
    assert statuses == set(range(1, 10))
    assert all(f"\n| {status} | " in page for status in statuses)


@pytest.mark.slow
def test_the_wheel_holds_the_configs(tmp_path: Path) -> None:
    command = [
        sys.executable,
        "-m",
        "build",
        "--wheel",
        "--no-isolation",
        "--outdir",
        str(tmp_path),
        str(ROOT),
    ]
    subprocess.run(command, check=True, capture_output=True)
    (wheel,) = tmp_path.glob("*.whl")
    assert wheel.name.startswith(f"pprl_protocol-{__version__}-")
    with zipfile.ZipFile(wheel) as file:
        names = set(file.namelist())
    configs = {
        str(path.relative_to(ROOT / "configs")) for path in (ROOT / "configs").rglob("*") if path.is_file()
    }
    assert {f"pprl/configs/{name}" for name in configs} <= names
    assert {"pprl/py.typed", "coordinator/py.typed"} <= names
    assert not {name for name in names if name.startswith("tests/")}
