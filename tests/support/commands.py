"""Running commands in process, and what must hold of every one that refuses."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import click
from click.testing import CliRunner, Result

import coordinator.cli
import pprl.cli
from tests.support.keys import passphrase_descriptor
from tests.support.people import tables
from tests.support.project import tree

ESCAPE = "\x1b"
PROGRAMS = ("pprl", "coordinator")


def program(name: str) -> click.Group:
    """The root command of a program."""
    return {"pprl": pprl.cli.main, "coordinator": coordinator.cli.main}[name]


def leaves(name: str) -> Iterator[tuple[str, ...]]:
    """Every command of a program that isn't a group, by its words: ("pprl", "keys", "open")."""

    def below(command: click.Command, words: tuple[str, ...]) -> Iterator[tuple[str, ...]]:
        if not isinstance(command, click.Group):
            yield words
            return
        for word, child in command.commands.items():
            yield from below(child, (*words, word))

    yield from below(program(name), (name,))


ALL_LEAVES = [words for name in PROGRAMS for words in leaves(name)]


def command_of(words: tuple[str, ...]) -> click.Command:
    """The command of some words."""
    command: click.Command = program(words[0])
    for word in words[1:]:
        assert isinstance(command, click.Group)
        command = command.commands[word]
    return command


def asks_for_passphrase(words: tuple[str | Path, ...]) -> bool:
    """Whether the command that a command line starts with opens or makes a key file."""
    command: click.Command | None = program(str(words[0]))
    for word in words[1:]:
        if not isinstance(command, click.Group):
            break
        command = command.commands.get(str(word))
    return command is not None and any(each.name == "passphrase" for each in command.params)


def run(*words: str | Path) -> Result:
    """Run a command; the first word is the program. Where it needs one, it gets the tests' passphrase."""
    name, *arguments = map(str, words)
    if not asks_for_passphrase(words) or "--passphrase-fd" in arguments:
        return CliRunner().invoke(program(name), arguments, prog_name=name)
    with passphrase_descriptor() as descriptor:
        arguments += ["--passphrase-fd", str(descriptor)]
        return CliRunner().invoke(program(name), arguments, prog_name=name)


def done(*words: str | Path) -> Result:
    """Run a command that must succeed."""
    result = run(*words)
    assert result.exit_code == 0, result.output
    assert ESCAPE not in result.output
    return result


def refused(*words: str | Path, status: int, says: str, within: Path, reports: bool = False) -> Result:
    """Run a command that must refuse: in plain words on stderr, without a value, and leaving all files as they were.

    Args:
        words: the program and its arguments.
        status: the exit status.
        says: what stderr must hold.
        within: the folder in which nothing may change.
        reports: whether the command gives a report on stdout although it refuses in the end.
    """
    before = tree(within)
    result = run(*words)
    assert result.exit_code == status, result.output
    assert says in result.stderr, result.stderr
    assert reports or result.stdout == ""
    assert "Traceback" not in result.output
    assert ESCAPE not in result.output
    assert not values_in(result.output)
    assert tree(within) == before
    return result


def values_in(text: str) -> set[str]:
    """Values of the small project's tables that stand in a text: names, days of birth, postcodes, record ids."""
    return {value for value in VALUES if value in text}


def _values() -> frozenset[str]:
    found = {value for table in tables().values() for values in table.values() for value in values}
    return frozenset(value for value in found if len(value) > 4)


VALUES = _values()


def placeless(text: str, folder: Path) -> str:
    """A transcript without what differs from run to run: the folder, digests, fingerprints, seconds."""
    text = text.replace(str(folder), "HERE")
    text = re.sub(r"\b[0-9a-f]{64}\b", "SHA256", text)
    text = re.sub(r"\b[0-9a-f]{32}\b", "HEX128", text)
    text = re.sub(
        r"\b(fingerprint|in words) (?:[a-z]{3,8} ){11}[a-z]{3,8}$",
        r"\1 TWELVE WORDS",
        text,
        flags=re.MULTILINE,
    )
    return re.sub(r"\.[0-9a-f]{8}\.secret", ".DIGEST.secret", text)
