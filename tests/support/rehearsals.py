"""Rehearsals whose commands run in the tests' own process: each process of its own takes about a second."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from pprl import rehearsal
from pprl.errors import DisclosureError
from tests.support.commands import run


@contextmanager
def in_this_process() -> Iterator[list[tuple[str, ...]]]:
    """Rehearse so; gives the parties' command lines."""
    said: list[tuple[str, ...]] = []

    def noted(program: str, *words: str | Path, descriptors: tuple[int, ...] = ()) -> str:
        said.append((program, *map(str, words)))
        return _in_this_process(program, *words, descriptors=descriptors)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(rehearsal, "_run", noted)
        patch.setattr(rehearsal, "_together", _one_by_one)
        yield said


def _in_this_process(program: str, *words: str | Path, descriptors: tuple[int, ...] = ()) -> str:
    assert not descriptors or words[-2:] == ("--passphrase-fd", str(descriptors[0]))
    result = run(program, *words)
    if result.exit_code == DisclosureError.status:
        raise DisclosureError(f"{words[0]}: {result.stderr}", hint="Nothing is released.")
    assert result.exit_code == 0, result.output
    return result.stdout


def _one_by_one(work: Callable[[Any], Any], items: Sequence[Any]) -> list[Any]:
    return [work(item) for item in items]
