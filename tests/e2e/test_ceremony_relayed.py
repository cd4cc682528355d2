"""The ceremony of two to six departments by its commands, with every share through the coordinator.

Every step of a department (commit, sign, compare, share, accept) is stopped before and after each file that it writes,
by an exception that nothing catches; the coordinator's taking in is, too, and as a process of its own by SIGKILL.
Steps are repeated, and go on; in the end all hold one secret, and who has lost it has it sent again. Two departments
are tried by default, three to six where slow tests run.
"""

from __future__ import annotations

import re
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from unittest import mock

import pytest

from coordinator import log, operations, relay
from coordinator.store import database
from pprl.encode.ceremony import listed
from pprl.errors import ProtocolError
from pprl.files import holdings
from tests.support.commands import done, run
from tests.support.consortium import Consortium
from tests.support.departments import NAMES
from tests.support.keys import asked
from tests.support.killed import KilledError, killed_at
from tests.support.project import MATCHER

of_every_size = pytest.mark.parametrize(
    "count", [2, *(pytest.param(count, marks=pytest.mark.slow) for count in (3, 4, 5, 6))]
)
MOST_WRITES = 40
ROOT = Path(__file__).parents[2]
KILLED = """
import importlib, os, signal, sys
from pathlib import Path
from coordinator import operations
from tests.support.keys import asked

owner, name, when, store, share = sys.argv[1:]
plain = getattr(importlib.import_module(owner), name)

def then_die(*words, **more):
    if when == "after":
        plain(*words, **more)
    os.kill(os.getpid(), signal.SIGKILL)

setattr(importlib.import_module(owner), name, then_die)
operations.receive(operations.open_store(Path(store), asked), Path(share).read_bytes())
"""


def killed_at_every_write(step: Callable[[], object]) -> int:
    """Run a step again and again, killed before it writes a file and then after it has, until it comes through.

    Returns:
        How many files it writes.
    """
    for writes in range(MOST_WRITES):
        came_through = []
        with killed_at(0, after=False):
            step()
            came_through.append(True)
        if came_through:
            return writes
        with killed_at(0, after=True):
            step()
            came_through.append(True)
        assert not came_through
    raise AssertionError("it never comes through")


def sign_and_be_killed(everybody: Consortium, party: str) -> None:
    """Sign, killed before and after the run key and the signature are written; then sign again."""
    run_key = everybody.kept(party).run_key
    signature = holdings.signature_path(holdings.signatures_beside(everybody.path(party)), party)
    for after, there in ((False, {}), (True, {run_key}), (False, {run_key}), (True, {run_key, signature})):
        with killed_at(0, after=after):
            everybody.sign(party)
        assert {path for path in (run_key, signature) if path.exists()} == set(there)
        kept = run_key.read_bytes() if run_key.exists() else b""
    everybody.sign(party, again=True)
    assert run_key.read_bytes() == kept


def relayed(everybody: Consortium) -> int:
    """How many shares the coordinator's log says it has taken in."""
    entries = log.read(operations.open_store(everybody.store, asked), None).entries
    return sum(b'"kind":"relayed"' in entry for entry in entries)


def killed_in(function: Callable[..., object], *, after: bool) -> Callable[..., object]:
    """A function before or after which the process is killed."""

    def dies(*words: object, **more: object) -> None:
        if after:
            function(*words, **more)
        raise KilledError

    return dies


def require_waiting(everybody: Consortium, party: str, left: set[str]) -> None:
    """A department knows whom it waits for: it is told so, and can't encode."""
    status = everybody.status(party)
    assert set(status["waiting_for"]) == left
    assert status["secret"] is (not left)
    if left:
        assert re.fullmatch(
            r"Wait for the share of .*, and run 'pprl secret accept' with it\.", status["next_step"]
        )
        assert all(name in status["next_step"] for name in left)
        with pytest.raises(ProtocolError, match="waiting for the share of"):
            everybody.secret(party)


@of_every_size
def test_killed_at_every_write_it_comes_to_one_secret(tmp_path: Path, count: int) -> None:
    everybody = Consortium.founded(tmp_path, NAMES[:count])
    departments = everybody.departments
    writes = [killed_at_every_write(lambda party=party: everybody.commit(party)) for party in departments]
    assert set(writes) == {2}
    for party in everybody.parties:
        sign_and_be_killed(everybody, party)
    everybody.exchange_signatures()
    for party in departments:
        # A memory is begun, and then written twice with its second copy: what was heard, and the version.
        assert killed_at_every_write(lambda party=party: everybody.compare(party)) == 1 + 2 * 2
        assert killed_at_every_write(lambda party=party: everybody.share(party)) == 2 * (count - 1)
    everybody.open_store()
    everybody.hand_in(*everybody.shares())
    for party in departments:
        files = everybody.handed_on(party)
        written = killed_at_every_write(lambda party=party, files=files: everybody.accept(party, *files))
        assert written == count
        require_waiting(everybody, party, set())
    assert len({everybody.secret(party) for party in departments}) == 1


@of_every_size
def test_shares_that_come_one_by_one_through_a_coordinator_that_is_killed(tmp_path: Path, count: int) -> None:
    everybody = Consortium.founded(tmp_path, NAMES[:count])
    everybody.prepared()
    everybody.open_store()
    first, *others = everybody.departments
    for party in everybody.departments:
        everybody.share(party)
    require_waiting(everybody, first, set(others))
    left = set(others)
    for sender in reversed(others):
        mine = [path for path in everybody.shares() if path.parent.parent.name == sender]
        for module, function in ((relay, "keep"), (database, "add_relayed"), (database, "append")):
            for after in (False, True):
                dies = killed_in(getattr(module, function), after=after)
                with mock.patch.object(module, function, dies), pytest.raises(KilledError):
                    run("coordinator", "receive", *mine, "--store", everybody.store)
        everybody.hand_in(*mine)
        everybody.hand_in(*mine[::-1])
        left.discard(sender)
        said = everybody.accept(first, *everybody.handed_on(first))
        assert said == (
            f"waiting for {listed(tuple(sorted(left)))}\n" if left else "the linkage secret is made\n"
        )
        require_waiting(everybody, first, left)
    everybody.hand_in(*everybody.shares())
    for party in others:
        everybody.accept(party, *everybody.handed_on(party))
    assert len({everybody.secret(party) for party in everybody.departments}) == 1
    assert relayed(everybody) == count * (count - 1)


@pytest.mark.slow
def test_a_coordinator_whose_process_is_killed_takes_the_share_in_once(tmp_path: Path) -> None:
    everybody = Consortium.founded(tmp_path, NAMES[:2])
    everybody.prepared()
    everybody.open_store()
    first, second = everybody.departments
    everybody.share(first)
    (share,) = (path for path in everybody.shares() if path.exists())
    for owner, name, when in (
        ("coordinator.relay", "keep", "before"),
        ("coordinator.relay", "keep", "after"),
        ("coordinator.store.database", "append", "after"),
        ("coordinator.relay", "Receipt", "before"),
    ):
        words = [sys.executable, "-c", KILLED, owner, name, when, str(everybody.store), str(share)]
        killed = subprocess.run(words, cwd=ROOT, capture_output=True, timeout=120, check=False)
        assert killed.returncode == -signal.SIGKILL, killed.stderr
        # It was written down before it could be said, and not before.
        assert relayed(everybody) == (name == "Receipt")
    everybody.hand_in(share)
    assert [path.read_bytes() for path in everybody.handed_on(second)] == [share.read_bytes()]
    assert relayed(everybody) == 1


@of_every_size
def test_who_has_lost_it_has_it_sent_again_through_the_coordinator(tmp_path: Path, count: int) -> None:
    everybody = Consortium.founded(tmp_path, NAMES[:count])
    everybody.completed()
    one, *_, other = everybody.departments
    secret, kept = everybody.secret(one), everybody.kept(one)
    for path in (kept.share, kept.linkage_secret, *kept.shares.iterdir()):
        path.unlink()
    assert "pprl secret ask" in everybody.status(one)["next_step"]
    request = tmp_path / one / "shares.request"
    done("pprl", "secret", "ask", *everybody.own(one), "-o", request)
    everybody.hand_in(request)
    everybody.hand_in(request)
    everybody.witnessed()
    (receipt,) = (path for path in everybody.receipts().iterdir() if "reseal" in path.name)
    again = tmp_path / other / "again.sealed"
    done("pprl", "secret", "reseal", request, "--receipt", receipt, *everybody.own(other), "-o", again)
    everybody.hand_in(again)
    (sealed,) = (path for path in everybody.handed_on(one) if path.read_bytes() == again.read_bytes())
    assert everybody.accept(one, sealed) == "the linkage secret is made\n"
    assert everybody.secret(one) == secret
    assert everybody.status(one)["secret"] is True
    assert MATCHER not in {path.name for path in kept.shares.iterdir()}
