"""How commands speak: data on stdout, talk on stderr, errors in one tone, progress only to a person watching.

The only place that decides what an error looks like. What a fault of ours says is its type and where in our code
it happened: a message from elsewhere might quote somebody's data.
"""

from __future__ import annotations

import json
import os
import resource
import signal
import sys
import threading
import traceback
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import asdict
from datetime import date
from pathlib import Path
from typing import Any, TypeVar

import click

from pprl.errors import PprlError, UsageError

MOST_FINDINGS_SHOWN = 20
INTERRUPTED_STATUS = 130
SIGNAL_STATUS = 128

# Ctrl-C is Python's own affair; these come from a supervisor, a shutdown, or a terminal that goes away.
_STOPPING = (signal.SIGTERM, signal.SIGHUP)

_ERRORS_AS_JSON = "pprl.errors_as_json"
_OUR_PACKAGES = {"pprl", "coordinator"}

Function = TypeVar("Function", bound=Callable[..., Any])
Progress = Callable[[str, float], None]


def today() -> date:
    """The day; the one place where commands look at the calendar."""
    return date.today()


class Commands(click.Group):
    """A group of commands whose errors end in one line of what, one of what to do, and an exit status."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Remember whether the whole command line asks for JSON: an error is then told in it, too."""
        if ctx.parent is None:
            ctx.meta[_ERRORS_AS_JSON] = "--json" in args or os.environ.get("PPRL_ERRORS") == "json"
        return super().parse_args(ctx, args)

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command that was called, and render what goes wrong.

        Raises:
            click.exceptions.Exit: with the status of what went wrong, once it is rendered.
            click.UsageError: the command line is wrong, and answers are not asked for as JSON.
        """
        if ctx.parent is not None:
            return super().invoke(ctx)
        as_json: bool = ctx.meta[_ERRORS_AS_JSON]
        _leave_no_core()
        try:
            with _termination_interrupts():
                return super().invoke(ctx)
        except PprlError as error:
            _render(error, as_json=as_json)
            ctx.exit(error.status)
        except click.UsageError as error:
            if not as_json:
                # What was typed is quoted by it, and a shell may have filled in any file's name.
                raise click.UsageError(printable(error.format_message()), ctx=error.ctx) from None
            _render(UsageError(error.format_message()), as_json=True)
            ctx.exit(error.exit_code)
        except (click.ClickException, click.Abort, click.exceptions.Exit):
            raise
        except KeyboardInterrupt as interrupt:
            with suppress(OSError):  # The terminal may be gone.
                talk("Interrupted. Nothing half-done was left behind; the same command can be run again.")
            ctx.exit(interrupt.status if isinstance(interrupt, _Terminated) else INTERRUPTED_STATUS)
        except BrokenPipeError:
            # The reader of our output has gone: there is nobody to tell.
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            ctx.exit(1)
        except OSError as error:
            _render(_as_refused_by_the_system(error), as_json=as_json)
            ctx.exit(UsageError.status if error.filename else 1)
        except Exception as error:  # noqa: BLE001 - the last door: no traceback may show data
            _render(_as_fault(error), as_json=as_json)
            ctx.exit(1)


def _leave_no_core() -> None:
    """Let a crash write no image of our memory to disk: keys and names are in it."""
    _, most = resource.getrlimit(resource.RLIMIT_CORE)
    resource.setrlimit(resource.RLIMIT_CORE, (0, most))


class _Terminated(KeyboardInterrupt):
    """The machine, a supervisor or a closed terminal asks us to stop; we clean up as for a person's Ctrl-C."""

    def __init__(self, number: int) -> None:
        super().__init__()
        self.status = SIGNAL_STATUS + number


@contextmanager
def _termination_interrupts() -> Iterator[None]:
    """While a command runs, SIGTERM and SIGHUP unwind it, so that no unfinished file stays.

    The first one counts: what follows it must not cut the cleaning up short. One that was ignored when the command
    was started, as by `nohup`, stays ignored.
    """

    def stop(number: int, _frame: object) -> None:
        for each in before:
            signal.signal(each, signal.SIG_IGN)
        raise _Terminated(number)

    if threading.current_thread() is not threading.main_thread():
        yield
        return
    handlers = {number: signal.getsignal(number) for number in _STOPPING}
    before = {number: each for number, each in handlers.items() if each not in (signal.SIG_IGN, None)}
    try:
        for number in before:
            signal.signal(number, stop)
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def printable(text: str, *, kept: str = "\n\t") -> str:
    """A text that no terminal takes as a command: '?' for each character that is neither visible nor a space.

    A file's name or an agreement's words, which others chose, may hold escape sequences.

    Args:
        text: any text.
        kept: characters that pass all the same.
    """
    if text.isprintable():
        return text
    return "".join(each if each.isprintable() or each in kept else "?" for each in text)


def talk(message: str) -> None:
    """Say something to the person, on stderr."""
    click.echo(printable(message), err=True)


def _json(data: Any, *, indent: int | None = None) -> str:
    """JSON in which everything that a terminal might take as a command is escaped; it means the same."""
    text = json.dumps(data, indent=indent, ensure_ascii=False)
    if text.isprintable():
        return text
    return "".join(each if each.isprintable() or each == "\n" else json.dumps(each)[1:-1] for each in text)


def show(data: Any, *, as_json: bool, text: Callable[[], str], red: Collection[str] = ()) -> None:
    """Give a result on stdout: as JSON where asked, else as the text that `text` makes.

    Args:
        data: the result.
        as_json: whether JSON was asked for.
        text: makes the text.
        red: lines of the text that a terminal shows in red; nothing but a terminal is sent a colour.
    """
    if as_json:
        click.echo(_json(data, indent=2))
        return
    lines = text().rstrip("\n").split("\n")
    coloured = red and sys.stdout.isatty() and not os.environ.get("NO_COLOR")
    click.echo("\n".join(_red(line) if coloured and line in red else printable(line) for line in lines))


def _red(line: str) -> str:
    return click.style(printable(line), fg="red", bold=True)


def table(rows: Sequence[Sequence[str]], *, header: Sequence[str], right: Sequence[int] = ()) -> str:
    """Plain columns, aligned, readable without colour.

    Args:
        rows: cells.
        header: column headings.
        right: columns to align to the right.
    """
    everything = [list(header), ["-" * len(cell) for cell in header], *map(list, rows)]
    widths = [max(len(row[column]) for row in everything) for column in range(len(header))]
    everything[1] = ["-" * width for width in widths]
    lines = (
        "  ".join(
            cell.rjust(width) if column in right else cell.ljust(width)
            for column, (cell, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in everything
    )
    return "\n".join(lines)


@contextmanager
def progress() -> Iterator[Progress]:
    """A progress bar with the time that is left, on stderr; silent where nobody watches.

    Yields a function that takes what is being done and the share of it that is done, from 0 to 1.
    """
    if not sys.stderr.isatty():
        yield lambda _what, _share: None
        return
    from rich.console import Console  # noqa: PLC0415 - slow to import
    from rich.progress import BarColumn, TaskProgressColumn, TextColumn, TimeRemainingColumn  # noqa: PLC0415
    from rich.progress import Progress as Bar  # noqa: PLC0415

    columns = (TextColumn("{task.description}"), BarColumn(), TaskProgressColumn(), TimeRemainingColumn())
    tasks: dict[str, Any] = {}
    with Bar(*columns, console=Console(stderr=True), transient=True) as bar:

        def tell(what: str, share: float) -> None:
            if what not in tasks:
                tasks[what] = bar.add_task(what, total=1.0)
            bar.update(tasks[what], completed=share)

        yield tell


def json_option(function: Function) -> Function:
    """`--json`, for every command that reports."""
    return click.option("as_json", "--json", is_flag=True, help="Report as JSON on stdout.")(function)


def force_option(function: Function) -> Function:
    """`--force`, for every command that writes."""
    return click.option("--force", is_flag=True, help="Overwrite files that exist.")(function)


def path_option(*names: str, help: str, **settings: Any) -> Callable[[Function], Function]:
    """An option that takes a path."""
    return click.option(*names, type=click.Path(path_type=Path), help=help, **settings)


def path_argument(name: str, **settings: Any) -> Callable[[Function], Function]:
    """An argument that is a path."""
    return click.argument(name, type=click.Path(path_type=Path), **settings)


def completion_command(program: str) -> click.Command:
    """The `completion` command of a program."""

    @click.command("completion", short_help="Print a shell's completion script.")
    @click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
    @click.pass_context
    def completion(ctx: click.Context, shell: str) -> None:
        from click.shell_completion import get_completion_class  # noqa: PLC0415

        kind = get_completion_class(shell)
        if kind is None:  # pragma: no cover - the choice above allows only shells that click knows
            raise click.UsageError(f"no completion for {shell}")
        variable = f"_{program.upper()}_COMPLETE"
        click.echo(kind(ctx.find_root().command, {}, program, variable).source())

    example = f"{program} completion bash > ~/.{program}-completion.sh"
    completion.help = f"Print a shell's completion script.\n\nExample: {example}"
    return completion


def _render(error: PprlError, *, as_json: bool) -> None:
    if as_json:
        click.echo(_json({"error": _as_data(error)}), err=True)
        return
    # Each is one line of ours: a line feed in it is a file's, that poses as another line.
    talk(printable(f"Error: {error.message}", kept=""))
    for finding in error.findings[:MOST_FINDINGS_SHOWN]:
        talk(printable(f"  - {finding}", kept=""))
    left_out = len(error.findings) - MOST_FINDINGS_SHOWN
    if left_out > 0:
        talk(f"  ... and {left_out} more; --json lists them all.")
    if error.hint:
        talk(f"What to do: {error.hint}")


def _as_data(error: PprlError) -> dict[str, Any]:
    return {
        "code": error.code,
        "status": error.status,
        "message": error.message,
        "hint": error.hint,
        "findings": [asdict(finding) for finding in error.findings],
    }


def _as_refused_by_the_system(error: OSError) -> PprlError:
    """What the operating system does not allow: a path and its reason, which are no data."""
    if error.filename is None:
        return _as_fault(error)
    return UsageError(
        f"{error.filename} can't be used: {(error.strerror or 'refused').lower()}.",
        hint="Check the path and its permissions.",
    )


def _as_fault(error: Exception) -> PprlError:
    """A fault of ours in words that hold nothing of its message: that might quote somebody's data."""
    frames = traceback.extract_tb(error.__traceback__)
    ours = [frame for frame in frames if _OUR_PACKAGES & set(Path(frame.filename).parts)] or frames
    place = f"{Path(ours[-1].filename).name}:{ours[-1].lineno}" if ours else "an unknown place"
    return PprlError(
        f"A fault in the program ({type(error).__name__} at {place}).",
        hint="Report it with the line above; what it was about is left out, as it may be personal data.",
    )
