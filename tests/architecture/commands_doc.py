"""Writes docs/commands.md from the commands' own help: `python -m tests.architecture.commands_doc`.

A test holds the two together, so nobody edits the document by hand.
"""

from __future__ import annotations

from pathlib import Path

import click

from tests.support.commands import PROGRAMS, command_of, leaves

DOCUMENT = Path(__file__).parents[2] / "docs" / "commands.md"
WIDTH = 100

INTRODUCTION = """\
# Commands

Two programs: `pprl` is for departments, auditors and the research environment; `coordinator` is for the statistics
office. This page is their own `--help`, written out by `python -m tests.architecture.commands_doc`.

What holds of every command:

- stdout is data, stderr is talk. `--json` reports as JSON, errors included.
- Nothing is overwritten without `--force`, and a command that fails, is interrupted or is terminated leaves no file
  behind.
- No secret is ever an argument or an environment variable: key files are named, and must be closed to others.
- A message never holds a value from anybody's data: rows, columns and rules are enough to find it at home.

| status | what it means |
|---|---|
| 0 | done |
| 1 | a fault in the program |
| 2 | the command was called in a way that can't work |
| 3 | a file that a person wrote is wrong, or an agreement is not in force |
| 4 | rows of a table are wrong |
| 5 | a key or secret file is missing, damaged, or open to others |
| 6 | bytes that a machine wrote are not what the format says |
| 7 | well-formed, but not trusted |
| 8 | a step came out of order, or twice |
| 9 | a privacy or release rule refuses |
| 130, 143 | interrupted, terminated |
"""


def text() -> str:
    """The whole document."""
    parts = [INTRODUCTION]
    for name in PROGRAMS:
        parts.append(_section("##", (name,)))
        groups: set[tuple[str, ...]] = set()
        for words in leaves(name):
            for length in range(2, len(words)):
                if words[:length] not in groups:
                    groups.add(words[:length])
                    parts.append(_section("###", words[:length]))
            parts.append(_section("###", words))
    return "\n".join(parts)


def help_of(words: tuple[str, ...]) -> str:
    """What `--help` says, at a fixed width."""
    settings = {"terminal_width": WIDTH, "max_content_width": WIDTH, "help_option_names": ["-h", "--help"]}
    context: click.Context | None = None
    for length in range(1, len(words) + 1):
        command = command_of(words[:length])
        context = click.Context(command, parent=context, info_name=words[length - 1], **settings)  # type: ignore[arg-type]
    assert context is not None
    return "\n".join(line.rstrip() for line in context.get_help().splitlines())


def _section(level: str, words: tuple[str, ...]) -> str:
    return f"{level} {' '.join(words)}\n\n```text\n{help_of(words)}\n```\n"


if __name__ == "__main__":
    DOCUMENT.write_text(text(), encoding="utf-8")
