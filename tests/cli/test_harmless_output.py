"""Nothing that a file's name or an agreement holds reaches a terminal as a command."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from pprl import console
from pprl.errors import DataError, Finding
from tests.support.commands import run
from tests.support.project import Project

ESCAPES = "\x1b]0;title\x07\x1b[2J\x9b31m\x7f\r\u202e"


def _harmless(text: str) -> bool:
    return all(each.isprintable() or each in "\n\t" for each in text)


@pytest.fixture
def misnamed(project: Project) -> Project:
    """A project in a folder whose name is meant for a terminal."""
    return Project(project.folder.rename(project.folder.with_name(f"a{ESCAPES}b")))


def test_what_is_harmless_stays_as_it_is() -> None:
    for text in ("", "plain", "two\n\tlines", "Zo\u00eb \u0141ukasz \u6f22\u5b57"):
        assert console.printable(text) == text
    assert console.printable("a\x1b[31mb\nc") == "a?[31mb\nc"
    assert console.printable("a\nb", kept="") == "a?b"


@pytest.mark.parametrize("as_json", [(), ("--json",)], ids=["text", "json"])
def test_file_names_in_results_and_errors(misnamed: Project, as_json: tuple[str, ...]) -> None:
    folder = misnamed.folder
    own = ("-a", misnamed.agreement_path, "-k", misnamed.key("police-dept"))
    good = run("pprl", "encode", misnamed.data("police"), *own, "-o", folder / "sub", *as_json)
    assert good.exit_code == 0
    assert "sub.home-map.csv" in good.stderr
    bad = run("pprl", "encode", misnamed.data("police"), *own, "-o", folder / "sub", *as_json)
    made = run("pprl", "identity", "create", "new", "-o", folder, *as_json)
    for result in (good, bad, made):
        assert _harmless(result.output), repr(result.output)
    assert "exists already" in bad.stderr
    if as_json:
        assert json.loads(made.stdout)["key"] == str(folder / "new.key"), "JSON means the same, escaped"
        assert str(folder) in json.loads(bad.stderr)["error"]["message"]


def test_what_was_typed(tmp_path: Path) -> None:
    for words in (
        ("check", tmp_path, "-a", "x", f"more{ESCAPES}"),
        (f"no{ESCAPES}",),
        ("check", f"--no{ESCAPES}"),
    ):
        result = run("pprl", *words)
        assert result.exit_code == 2
        assert "Usage: pprl" in result.stderr
        assert _harmless(result.output), repr(result.output)


def test_an_agreements_words(project: Project) -> None:
    title = "A title \\u001b]0;gone\\u0007 \\u202e"
    text = project.agreement_path.read_text("utf-8").replace("A small project", title)
    project.agreement_path.write_text(text, encoding="utf-8")
    for words in (("agreement", "explain"), ("agreement", "check"), ("inspect",)):
        result = run("pprl", *words, project.agreement_path)
        assert _harmless(result.output), repr(result.output)


def test_no_line_feed_poses_as_a_line_of_ours(capsys: pytest.CaptureFixture[str]) -> None:
    error = DataError("a\nWhat to do: b", findings=(Finding("c\nError: d"),), hint="e")
    console._render(error, as_json=False)
    assert capsys.readouterr().err.splitlines() == [
        "Error: a?What to do: b",
        "  - c?Error: d",
        "What to do: e",
    ]
