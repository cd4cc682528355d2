"""What holds of every command: help with an example, plain text, usage errors, completion."""

from __future__ import annotations

import json
import re
from pathlib import Path

import click
import pytest
from click.shell_completion import get_completion_class

from pprl import __version__
from tests.support.commands import ALL_LEAVES, ESCAPE, PROGRAMS, command_of, done, program, run

NEEDS_ARGUMENTS = [
    words for words in ALL_LEAVES if any(parameter.required for parameter in command_of(words).params)
]
WITH_JSON = [
    words for words in ALL_LEAVES if any("--json" in parameter.opts for parameter in command_of(words).params)
]


def _name(words: tuple[str, ...]) -> str:
    return "-".join(words)


@pytest.mark.parametrize("words", ALL_LEAVES, ids=_name)
def test_help_shows_an_example_of_this_very_command(words: tuple[str, ...]) -> None:
    result = done(*words, "--help")
    assert result.stderr == ""
    assert re.search(rf"Example:\s.*{' '.join(words)}\b", result.stdout, re.DOTALL)


@pytest.mark.parametrize("words", ALL_LEAVES, ids=_name)
def test_short_help_is_the_same(words: tuple[str, ...]) -> None:
    assert done(*words, "-h").stdout == done(*words, "--help").stdout


@pytest.mark.parametrize("words", ALL_LEAVES, ids=_name)
def test_every_option_is_explained(words: tuple[str, ...]) -> None:
    for parameter in command_of(words).params:
        if parameter.param_type_name == "option":
            assert getattr(parameter, "help", None), parameter.name


@pytest.mark.parametrize("words", NEEDS_ARGUMENTS, ids=_name)
def test_missing_arguments_are_a_usage_error_on_stderr(words: tuple[str, ...]) -> None:
    result = run(*words)
    assert (result.exit_code, result.stdout) == (2, "")
    assert "Missing" in result.stderr
    assert ESCAPE not in result.stderr


@pytest.mark.parametrize("words", sorted(set(WITH_JSON) & set(NEEDS_ARGUMENTS)), ids=_name)
def test_usage_errors_are_told_in_json_where_asked(words: tuple[str, ...]) -> None:
    result = run(*words, "--json")
    error = json.loads(result.stderr)["error"]
    assert (result.exit_code, error["status"], error["code"]) == (2, 2, "usage")
    assert result.stdout == ""


@pytest.mark.parametrize("words", ALL_LEAVES, ids=_name)
def test_unknown_options_are_usage_errors(words: tuple[str, ...]) -> None:
    result = run(*words, "--no-such-option")
    assert (result.exit_code, result.stdout) == (2, "")


@pytest.mark.parametrize("words", ALL_LEAVES, ids=_name)
def test_no_option_takes_a_secret(words: tuple[str, ...]) -> None:
    for parameter in command_of(words).params:
        if re.search("secret|key|pass", parameter.name or "") and parameter.param_type_name == "option":
            named = isinstance(parameter.type, click.Path) or parameter.opts == ["--passphrase-fd"]
            assert named, f"{parameter.name} must name a file, or a file descriptor"


def test_commands_that_write_take_force_unless_they_want_a_new_folder() -> None:
    for words in ALL_LEAVES:
        options = {name for parameter in command_of(words).params for name in parameter.opts}
        if "--out" in options and words[-1] not in {"demo", "rehearse"}:
            assert "--force" in options, words


@pytest.mark.parametrize("name", PROGRAMS)
def test_version(name: str) -> None:
    assert done(name, "--version").stdout == f"{name}, version {__version__}\n"


@pytest.mark.parametrize("name", PROGRAMS)
def test_a_program_alone_shows_its_help(name: str) -> None:
    result = run(name)
    assert result.exit_code == 2
    assert "Commands:" in result.stderr + result.stdout


@pytest.mark.parametrize("name", PROGRAMS)
def test_unknown_commands_are_usage_errors(name: str) -> None:
    result = run(name, "frobnicate")
    assert (result.exit_code, result.stdout) == (2, "")
    assert "No such command 'frobnicate'" in result.stderr


@pytest.mark.parametrize("name", PROGRAMS)
@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion(name: str, shell: str) -> None:
    script = done(name, "completion", shell).stdout
    assert f"_{name.upper()}_COMPLETE={shell}_complete" in script


@pytest.mark.parametrize("name", PROGRAMS)
def test_completion_of_an_unknown_shell(name: str) -> None:
    assert run(name, "completion", "tcsh").exit_code == 2


def test_completion_completes() -> None:
    complete = get_completion_class("bash")
    assert complete is not None
    for name, start, wanted in (("pprl", "enc", "encode"), ("coordinator", "rele", "release")):
        words = complete(program(name), {}, name, "X").get_completions([], start)
        assert [word.value for word in words] == [wanted]


@pytest.mark.parametrize("words", [("identity", "create", "us", "-o"), ("demo", "--records", "200", "-o")])
def test_a_folder_that_the_system_refuses_is_no_fault_of_ours(words: tuple[str, ...], tmp_path: Path) -> None:
    taken = tmp_path / "taken"
    taken.write_text("a file")
    result = run("pprl", *words, taken / "below")
    assert result.exit_code == 2
    assert "fault in the program" not in result.stderr
