"""What only a real process shows: signals, pipes, terminals, and no traceback at the end of any."""

from __future__ import annotations

import os
import pty
import re
import resource
import signal
import stat
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.processes import run, start, until
from tests.support.people import tables, write_table
from tests.support.project import Project

ROWS = 30_000


@pytest.fixture(autouse=True)
def _hangup_at_its_default() -> Iterator[None]:
    """A run that was itself started to outlive its terminal ignores SIGHUP, and its children would too."""
    before = signal.signal(signal.SIGHUP, signal.SIG_DFL)
    yield
    signal.signal(signal.SIGHUP, before)


@pytest.fixture
def large(project: Project) -> Project:
    """A project whose police table takes a while to encode."""
    table = tables()["police"]
    copies = -(-ROWS // len(table["person_id"]))
    many = {name: (values * copies)[:ROWS] for name, values in table.items()}
    many["offence_ref"] = [f"OFF-{number}" for number in range(ROWS)]
    write_table(project.data("police"), many)
    path = project.amended("large.toml", {("dataset", 0, "expected_rows_max"): ROWS})
    project.adopt(path)
    return project


def _encode(project: Project) -> list[str | Path]:
    return [
        "pprl", "encode", project.data("police"), "-a", project.agreement_path, "-k", project.key("police-dept"),
        "-o", project.folder / "out" / "sub",
    ]  # fmt: skip


def _check(project: Project) -> list[str | Path]:
    return ["pprl", "check", project.data("police"), "-a", project.agreement_path, "--dataset", "police"]


@pytest.mark.parametrize(
    ("number", "status"),
    [(signal.SIGTERM, 143), (signal.SIGHUP, 129), (signal.SIGINT, 130), (signal.SIGKILL, -9)],
    ids=str,
)
def test_encoding_that_is_stopped(large: Project, number: signal.Signals, status: int) -> None:
    out = large.folder / "out"
    out.mkdir()
    process = start(*_encode(large), cwd=large.folder)
    assert until(lambda: len(list(out.glob(".pprl-*"))) == 3, process=process)
    process.send_signal(number)
    stdout, stderr = process.communicate(timeout=60)
    assert (process.returncode, stdout) == (status, "")
    assert "Traceback" not in stderr
    left = list(out.iterdir())
    if number is signal.SIGKILL:
        assert all(path.name.startswith(".pprl-") for path in left)
        assert {stat.S_IMODE(path.stat().st_mode) for path in left} <= {0o600}
    else:
        assert "Nothing half-done was left behind" in stderr
        assert not left


def test_encoding_goes_on_where_hanging_up_is_ignored(large: Project) -> None:
    out = large.folder / "out"
    out.mkdir()
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)  # as nohup leaves it to those that it starts
    try:
        process = start(*_encode(large), cwd=large.folder)
    finally:
        signal.signal(signal.SIGHUP, before)
    assert until(lambda: list(out.glob(".pprl-*")), process=process)
    process.send_signal(signal.SIGHUP)
    process.communicate(timeout=300)
    assert process.returncode == 0
    assert {path.name for path in out.iterdir()} == {"sub", "sub.home-map.csv", "sub.row-salts"}


@pytest.mark.parametrize(
    "number", [signal.SIGTERM, pytest.param(signal.SIGHUP, marks=pytest.mark.slow)], ids=str
)
def test_a_demonstration_that_is_stopped_leaves_no_tables(
    number: signal.Signals, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = tmp_path / "made"
    made.mkdir()
    monkeypatch.setenv("TMPDIR", str(made))
    process = start("pprl", "demo", "--records", "2000", "-o", "out", cwd=tmp_path)
    assert until(lambda: list(tmp_path.glob("out/parties/*/*.key")), process=process)
    assert list(made.glob("*/*.csv"))
    for _ in range(3):  # a supervisor that does not wait: the cleaning up is not cut short
        process.send_signal(number)
    assert "Traceback" not in process.communicate(timeout=60)[1]
    assert process.returncode == 128 + number
    assert list(tmp_path.iterdir()) == [made]
    assert not list(made.iterdir())


def test_after_being_killed_the_same_command_works(project: Project) -> None:
    (project.folder / "out").mkdir()
    (project.folder / "out" / ".pprl-left-by-a-killed-one").write_bytes(b"")
    status, _, stderr = run(*_encode(project), cwd=project.folder)
    assert status == 0, stderr
    assert (project.folder / "out" / "sub").is_file()


@pytest.mark.parametrize("program", ["pprl", "coordinator"])
def test_a_reader_that_goes_away(tmp_path: Path, program: str) -> None:
    words = {"pprl": "pprl agreement json-schema", "coordinator": "coordinator completion bash"}[program]
    command = f"{sys.executable} -m {words} | head -c 1"
    done = subprocess.run(["bash", "-c", command], capture_output=True, text=True, cwd=tmp_path, check=False)  # noqa: S607
    assert (done.returncode, len(done.stdout), done.stderr) == (0, 1, "")


def test_the_installed_programs(tmp_path: Path) -> None:
    for name in ("pprl", "coordinator"):
        done = subprocess.run(
            [Path(sys.executable).with_name(name), "--version"],
            capture_output=True,
            text=True,
            cwd=tmp_path,
            check=True,
        )
        assert done.stdout.startswith(f"{name}, version ")


def _on_a_terminal(words: list[str | Path], cwd: Path, **environment: str) -> bytes:
    """What a command writes to its stderr where that is a terminal."""
    ours, theirs = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-m", *map(str, words)], cwd=cwd, stdout=subprocess.DEVNULL, stderr=theirs,
        env={**os.environ, "TERM": "xterm-256color", **environment},
    )  # fmt: skip
    os.close(theirs)
    written = b""
    try:
        while part := os.read(ours, 65_536):
            written += part
    except OSError:
        pass  # Linux says so when the other end is closed.
    finally:
        os.close(ours)
    assert process.wait(timeout=60) == 0, written
    return written


COLOUR = re.compile(rb"\x1b\[[0-9;]*\b(3[0-9]|4[0-9]|9[0-7]|10[0-7])\b[0-9;]*m")


def test_progress_on_a_terminal_and_colour_only_where_wanted(large: Project) -> None:
    words = _check(large)
    environment = {"NO_COLOR": ""}
    shown = _on_a_terminal(words, large.folder, **environment)
    assert b"rows" in shown
    plain = _on_a_terminal(words, large.folder, NO_COLOR="1")
    assert b"rows" in plain
    assert not COLOUR.search(plain)


def test_nothing_but_text_where_nobody_watches(large: Project) -> None:
    words = _check(large)
    status, stdout, stderr = run(*words, cwd=large.folder)
    assert (status, stderr) == (0, "")
    assert "\x1b" not in stdout
    assert "\r" not in stdout


def test_a_crash_writes_no_image_of_the_memory(project: Project) -> None:
    """Whatever the shell allows: keys and names are in it."""
    words = ("pprl", "check", project.data("police"), "-a", project.agreement_path, "--dataset", "police")
    crash = (
        "import resource, sys; from unittest import mock; import pprl.cli; "
        "resource.setrlimit(resource.RLIMIT_CORE, (resource.getrlimit(resource.RLIMIT_CORE)[1],) * 2); "
        "tell = lambda *_, **__: print(resource.getrlimit(resource.RLIMIT_CORE)[0]) or sys.exit(0); "
        "mock.patch('pprl.department.check_rows', tell).start(); pprl.cli.main(sys.argv[1:])"
    )
    if resource.getrlimit(resource.RLIMIT_CORE)[1] == 0:
        pytest.skip("this machine allows no core files anyhow")
    done = subprocess.run(
        [sys.executable, "-c", crash, *map(str, words[1:])], capture_output=True, text=True, check=True
    )
    assert done.stdout == "0\n"
