"""Passphrases from a file descriptor and on a terminal, and that nobody else sees them."""

from __future__ import annotations

import os
import pty
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from pprl.errors import UsageError
from pprl.passphrase import PassphraseSource
from tests.e2e.processes import CAN_LOOK, Onlooker
from tests.support.commands import run
from tests.support.keys import TEXT, asked, opened, passphrase_descriptor
from tests.support.project import Project

CREATE = ("pprl", "identity", "create", "north", "-o", "keys")
OTHER = "battery horse staple correct"
FIRST, AGAIN = b"at least 15 characters: ", b"The same again: "


class Terminal:
    """A command at a terminal of its own, as a person sees it."""

    def __init__(self, words: tuple[str | Path, ...], cwd: Path) -> None:
        self._descriptor, theirs = pty.openpty()
        self.process = subprocess.Popen(
            [sys.executable, "-m", *map(str, words)], cwd=cwd, stdin=theirs, stdout=theirs, stderr=theirs,
            start_new_session=True,
        )  # fmt: skip
        os.close(theirs)
        self.shown = b""

    def until(self, text: bytes) -> None:
        """Read what it shows until some text is there."""
        deadline = time.monotonic() + 30
        while text not in self.shown:
            assert time.monotonic() < deadline, self.shown
            self.shown += os.read(self._descriptor, 65_536)

    def answer(self, text: str) -> None:
        """Type a line."""
        os.write(self._descriptor, text.encode() + b"\n")

    def end(self) -> int:
        """Its exit status, with all that it showed read."""
        try:
            while part := os.read(self._descriptor, 65_536):
                self.shown += part
        except OSError:
            pass  # Linux says so when the other end is closed.
        os.close(self._descriptor)
        return self.process.wait(timeout=60)


def test_a_new_passphrase_is_typed_twice_unseen(tmp_path: Path) -> None:
    terminal = Terminal(CREATE, tmp_path)
    terminal.until(FIRST)
    terminal.answer(TEXT)
    terminal.until(AGAIN)
    terminal.answer(TEXT)
    assert terminal.end() == 0, terminal.shown
    assert b"correct" not in terminal.shown
    assert opened((tmp_path / "keys" / "north.key").read_bytes()).party == "north"


@pytest.mark.parametrize(
    ("answers", "saying"),
    [((TEXT, OTHER), b"The two passphrases differ."), (("short",), b"at least 15 characters.")],
    ids=["two", "short"],
)
def test_a_new_passphrase_that_is_none(tmp_path: Path, answers: tuple[str, ...], saying: bytes) -> None:
    terminal = Terminal(CREATE, tmp_path)
    for question, answer in zip((FIRST, AGAIN), answers, strict=False):
        terminal.until(question)
        terminal.answer(answer)
    assert terminal.end() == UsageError.status
    assert saying in terminal.shown
    assert not [answer for answer in answers if answer.encode() in terminal.shown]
    assert not list((tmp_path / "keys").iterdir())


@pytest.mark.parametrize(("answer", "status"), [(TEXT, 0), (OTHER, 5)], ids=["right", "wrong"])
def test_a_key_file_is_asked_for_once(project: Project, answer: str, status: int) -> None:
    words = ("coordinator", "init", "--role", "matcher", "-k", project.key("matcher"), "--store", "store")
    terminal = Terminal(words, project.folder)
    terminal.until(b"matcher.key: ")
    terminal.answer(answer)
    assert terminal.end() == status, terminal.shown
    assert (b"does not open" in terminal.shown) == (status != 0)
    assert answer.encode() not in terminal.shown


def test_nothing_is_asked_before_there_is_a_key_file(tmp_path: Path) -> None:
    words = ("coordinator", "init", "--role", "matcher", "-k", "no.key", "--store", "store")
    terminal = Terminal(words, tmp_path)
    assert terminal.end() == 5
    assert b"Passphrase" not in terminal.shown


def test_an_interrupt_at_the_question_leaves_nothing(tmp_path: Path) -> None:
    terminal = Terminal(CREATE, tmp_path)
    terminal.until(FIRST)
    terminal.process.send_signal(signal.SIGINT)
    assert terminal.end() == 130
    assert b"Traceback" not in terminal.shown
    assert not list((tmp_path / "keys").iterdir())


def test_without_a_terminal_it_says_what_to_do(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", *CREATE], cwd=tmp_path, stdin=subprocess.DEVNULL, capture_output=True, text=True,
        check=False, start_new_session=True,
    )  # fmt: skip
    assert done.returncode == UsageError.status
    assert "There is no terminal to ask for the passphrase on." in done.stderr
    assert "--passphrase-fd 3 3<FILE" in done.stderr


@contextmanager
def _holding(content: bytes) -> Iterator[int]:
    readable, writable = os.pipe()
    try:
        os.write(writable, content)
        os.close(writable)
        yield readable
    finally:
        os.close(readable)


@pytest.mark.parametrize("end", [b"", b"\n", b"\nwhat follows is another's"])
def test_the_first_line_of_a_file_descriptor(end: bytes) -> None:
    with _holding(TEXT.encode() + end) as descriptor:
        assert PassphraseSource(descriptor)("north.key").is_same_as(asked(""))
        assert os.read(descriptor, 100) == end[1:]


def test_a_pipe_that_stays_open_is_not_waited_for() -> None:
    readable, writable = os.pipe()
    os.write(writable, TEXT.encode() + b"\n")
    assert PassphraseSource(readable).for_new("north.key").is_same_as(asked(""))
    os.close(readable)
    os.close(writable)


@pytest.mark.parametrize(
    ("content", "saying"),
    [
        (b"", "No passphrase came"),
        (b"\ncorrect horse battery staple", "No passphrase came"),
        (b"canary \xff canary canary", "not UTF-8"),
        (b"canary\n", "at least 15 characters"),
        (b"canary" * 5_000, "at most 1024 bytes"),
    ],
    ids=["nothing", "an empty line", "no text", "short", "long"],
)
def test_what_is_no_passphrase_in_a_file_descriptor(content: bytes, saying: str) -> None:
    with _holding(content) as descriptor, pytest.raises(UsageError, match=saying) as caught:
        PassphraseSource(descriptor)("north.key")
    error = caught.value
    assert "canary" not in f"{error.message} {error.hint} {error.args}"
    assert error.__context__ is None


def test_a_file_descriptor_that_can_not_be_read(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="File descriptor 987 can't be read: bad file descriptor"):
        PassphraseSource(987)("north.key")
    ours, theirs = pty.openpty()
    with pytest.raises(UsageError, match="is a terminal, which would show the passphrase"):
        PassphraseSource(theirs)("north.key")
    os.close(ours)
    os.close(theirs)


@pytest.mark.parametrize("words", [CREATE, ("coordinator", *CREATE[1:])], ids=["pprl", "coordinator"])
def test_a_passphrase_is_no_argument_and_no_variable(
    words: tuple[str, ...], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "keys").mkdir()
    out = ("-o", tmp_path / "keys")
    for name in ("PPRL_PASSPHRASE", "PASSPHRASE", "COORDINATOR_PASSPHRASE", "PPRL_PASSPHRASE_FD"):
        monkeypatch.setenv(name, TEXT)
    for given in (("--passphrase", TEXT), ("--passphrase-fd", TEXT), ("--passphrase-fd", "-1")):
        result = run(*words[:4], *out, *given)
        assert result.exit_code == 2
    result = run(*words[:4], *out, "--passphrase-fd", "987")
    assert "File descriptor 987" in result.stderr
    assert not list((tmp_path / "keys").iterdir())


@pytest.mark.skipif(not CAN_LOOK, reason="needs /proc")
def test_nobody_sees_a_passphrase_in_a_running_process(project: Project) -> None:
    onlooker = Onlooker()
    commands: list[tuple[str | Path, ...]] = [
        CREATE,
        ("coordinator", "init", "--role", "matcher", "-k", project.key("matcher"), "--store", "store"),
    ]
    for words in commands:
        said = _watched(onlooker, words, project.folder)
        assert TEXT not in said
    assert len(onlooker.programs) >= len(commands)
    assert not [seen for seen in onlooker.seen if b"correct horse" in seen]


def _watched(onlooker: Onlooker, words: tuple[str | Path, ...], cwd: Path) -> str:
    start: Callable[..., subprocess.Popen[str]] = subprocess.Popen
    with passphrase_descriptor() as descriptor:
        command = [sys.executable, "-m", *map(str, words), "--passphrase-fd", str(descriptor)]
        process = start(
            command,
            cwd=cwd,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            pass_fds=(descriptor,),
        )
        with onlooker.watching(process):
            out, err = process.communicate(timeout=60)
    assert process.returncode == 0, err
    return out + err
