"""What is released looks the same whoever matched: names, sizes, modes, times and the heads of containers."""

from __future__ import annotations

import io
import stat
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from coordinator import operations
from coordinator.linkage import issuing
from coordinator.operations import SUMMARY_NAME
from coordinator.store.stages import Role
from pprl.crypto import container
from pprl.protocol import envelope
from pprl.protocol.envelope import Binding
from tests.support.commands import done
from tests.support.keys import asked
from tests.support.project import Project, silent

Labels = list[NDArray[np.int64]]
Clusters = Callable[[Sequence[int]], Labels]

# What a head holds that is random, or follows from random bytes; all else must be the same.
RANDOM_PARTS = {"ciphertext_sha256", "wrapped_key"}


def nobody_matched(sizes: Sequence[int]) -> Labels:
    return np.split(np.arange(sum(sizes)), np.cumsum(sizes)[:-1])


def everybody_matched(sizes: Sequence[int]) -> Labels:
    """The first records of all datasets are one person, the second ones another."""
    return [np.arange(size) for size in sizes]


def _released(project: Project, made_up: Clusters, folder: Path) -> Path:
    """The folder that `coordinator release` writes after clusters that were made up."""
    found = issuing.clusters

    def clusters(sizes: Sequence[int], *more: Any, **further: Any) -> Labels:
        return made_up(sizes) if len(sizes) > 1 else found(sizes, *more, **further)

    copied = project.copy(folder)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(issuing, "clusters", clusters)
        patch.setattr(operations, "_require_release_rules", lambda *_: None)
        me = operations.open_store(copied.store(Role.KEY_ISSUER), asked)
        operations.issue(me, None, progress=silent)
        copied.witness(me)
        done("coordinator", "release", "--store", copied.store(Role.KEY_ISSUER), "-o", folder / "results")
    return folder / "results"


@pytest.fixture(scope="module")
def released(
    made_project: Project, made_pairs: bytes, tmp_path_factory: pytest.TempPathFactory
) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("released")
    project = made_project.copy(folder / "before")
    operations.receive(project.receive_all(Role.KEY_ISSUER), made_pairs)
    return {
        each.__name__: _released(project, each, folder / each.__name__)
        for each in (nobody_matched, everybody_matched)
    }


def _both(released: dict[str, Path], what: Callable[[Path], Any]) -> tuple[Any, Any]:
    one, other = (
        {path.name: what(path) for path in sorted(folder.iterdir())} for folder in released.values()
    )
    return one, other


def test_names_and_modes_are_the_same(released: dict[str, Path]) -> None:
    one, other = _both(released, lambda path: stat.filemode(path.stat().st_mode))
    assert one == other
    assert len(one) >= 5


def test_sizes_are_the_same_but_for_the_public_summary(released: dict[str, Path]) -> None:
    one, other = _both(released, lambda path: 0 if path.name == SUMMARY_NAME else path.stat().st_size)
    assert one == other


def test_every_file_has_one_time_in_whole_seconds(released: dict[str, Path]) -> None:
    for folder in released.values():
        times = {path.stat().st_mtime_ns for path in [folder, *folder.iterdir()]}
        assert len(times) == 1
        assert times.pop() % 1_000_000_000 == 0


def _sealed(folder: Path) -> list[Path]:
    return [path for path in sorted(folder.iterdir()) if path.read_bytes()[:8] == envelope.MAGIC]


def _bindings(folder: Path) -> dict[str, Binding]:
    return {path.name: container.peek(io.BytesIO(path.read_bytes())) for path in _sealed(folder)}


def _heads(folder: Path) -> dict[str, dict[str, Any]]:
    """Everything in a container's head but its random parts, and the head's length."""
    heads = {}
    for path in _sealed(folder):
        raw = path.read_bytes()
        length = envelope.parse_prefix(raw[: envelope.PREFIX_BYTES])
        signed = envelope.parse_envelope(raw[envelope.PREFIX_BYTES : envelope.PREFIX_BYTES + length])
        statement = envelope.parse_statement(signed.payload)
        kept = {name: getattr(statement, name) for name in statement.__slots__ if name not in RANDOM_PARTS}
        heads[path.name] = {**kept, "length": length, "payload": len(signed.payload)}
    return heads


def test_the_heads_of_containers_are_the_same_but_for_random_parts(released: dict[str, Path]) -> None:
    one, other = (_heads(folder) for folder in released.values())
    assert one == other
    assert {"crosswalk", "police.linkage-keys"} <= one.keys()


def test_envelopes_count_records_of_datasets_alone(released: dict[str, Path]) -> None:
    for folder in released.values():
        bindings = _bindings(folder)
        keys = {name: each.records for name, each in bindings.items() if each.dataset}
        assert bindings["crosswalk"].records == sum(keys.values())


def test_the_made_up_matches_were_taken(released: dict[str, Path]) -> None:
    nobody, everybody = ((folder / SUMMARY_NAME).read_text() for folder in released.values())
    assert nobody != everybody
