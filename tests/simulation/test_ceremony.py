"""The ceremony of two to six departments, with everything that can go wrong on its way but forged keys.

Departments take their steps in any order and are killed between any two writes; files are lost, doubled and reordered.
Whatever happened, in the end every department holds the same secret, or says rightly whom it waits for.
"""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pprl import sharing
from pprl.errors import ProtocolError
from tests.support.departments import COORDINATOR, NAMES, Home, homes
from tests.support.killed import killed_at

unhurried = settings(
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.large_base_example],
)


class Departments:
    """Everybody, and the files that are on their way."""

    def __init__(self, folder: Path, names: list[str]) -> None:
        self.homes = homes(folder, names)
        self.names = names
        self.signatures: dict[str, bytes] = {}
        self.on_their_way: list[tuple[str, bytes]] = []
        self.refusals: list[str] = []
        self.signatures[COORDINATOR] = self.homes[COORDINATOR].sign()

    def step(self, name: str, what: str) -> None:
        """A department tries a step; a step that is out of order is refused and changes nothing."""
        try:
            getattr(self, f"_{what}")(self.homes[name])
        except ProtocolError as refusal:
            self.refusals.append(refusal.message)

    def _commit(self, home: Home) -> None:
        home.commit()

    def _sign(self, home: Home) -> None:
        if home.kept.commitment.exists():
            self.signatures[home.name] = home.sign()

    def _fetch(self, home: Home) -> None:
        for name, raw in self.signatures.items():
            home.take_signature(name, raw)

    def _share(self, home: Home) -> None:
        home.hear()
        self.on_their_way += home.share().items()

    def _accept(self, home: Home) -> None:
        mine = [sealed for name, sealed in self.on_their_way if name == home.name]
        home.accept(*mine)
        self.on_their_way = [each for each in self.on_their_way if each[0] != home.name]

    def require_right_words(self) -> None:
        """Every department says rightly what is here and whom it waits for; all secrets are one."""
        assert [each for each in self.refusals if "not signed yet" not in each] == []
        secrets = set()
        for home in map(self.homes.get, self.names):
            assert home is not None
            found = home.status()
            assert found.next_step
            if found.secret:
                secrets.add(sharing.secret_of(home.me(), home.kept).value)
                assert found.waiting_for == ()
            elif not found.not_signed and found.committed:
                with pytest.raises(ProtocolError) as caught:
                    sharing.secret_of(home.me(), home.kept)
                assert all(name in caught.value.message for name in found.waiting_for)
                here = {path.stem for path in home.kept.shares.glob("*.sealed")} | {home.name}
                assert set(found.waiting_for) == set(self.names) - here
        assert len(secrets) <= 1

    def finish(self) -> None:
        """Everybody runs every step again, with nothing going wrong."""
        for what in ("commit", "sign", "fetch", "share", "accept"):
            for name in self.names:
                self.step(name, what)


STEPS = ("commit", "sign", "fetch", "share", "accept")


def simulate(data: st.DataObject, *, most_departments: int, most_steps: int) -> None:
    count = data.draw(st.integers(2, most_departments), label="departments")
    names = data.draw(st.permutations(NAMES[:count]), label="names")
    with TemporaryDirectory() as folder:
        with killed_at(None, after=False):
            everybody = Departments(Path(folder), list(names))
        for _ in range(data.draw(st.integers(0, most_steps), label="steps")):
            name, what = data.draw(st.sampled_from(names)), data.draw(st.sampled_from(STEPS))
            killed = data.draw(st.none() | st.integers(0, 3), label="killed at write")
            with killed_at(killed, after=data.draw(st.booleans())):
                everybody.step(name, what)
            tamper(data, everybody)
        with killed_at(None, after=False):
            everybody.require_right_words()
            everybody.finish()
            everybody.require_right_words()
        assert all(everybody.homes[name].status().secret for name in names)


def tamper(data: st.DataObject, everybody: Departments) -> None:
    """Lose, double and reorder what is on its way."""
    fate = data.draw(st.sampled_from(["kept", "kept", "lost", "doubled", "reordered"]))
    waiting = everybody.on_their_way
    if fate == "lost" and waiting:
        waiting.pop(data.draw(st.integers(0, len(waiting) - 1)))
    elif fate == "doubled":
        waiting += waiting[: len(NAMES)]
    elif fate == "reordered":
        waiting.reverse()


@settings(unhurried, max_examples=10)
@given(data=st.data())
def test_it_ends_in_one_secret_or_waits_for_the_right_ones(data: st.DataObject) -> None:
    simulate(data, most_departments=4, most_steps=12)


@pytest.mark.slow
@settings(unhurried, max_examples=50)
@given(data=st.data())
def test_it_ends_in_one_secret_for_up_to_six(data: st.DataObject) -> None:
    simulate(data, most_departments=6, most_steps=40)


@pytest.mark.parametrize("after", [False, True])
def test_killed_at_every_write_of_a_whole_ceremony(tmp_path: Path, after: bool) -> None:
    """The same ceremony again and again, each time killed one write later, until it comes through."""
    for write in range(100):
        folder = tmp_path / str(write)
        folder.mkdir()
        everybody = Departments(folder, ["police", "court"])
        with killed_at(write, after=after):
            everybody.finish()
            break
        with killed_at(None, after=False):
            everybody.finish()
            everybody.require_right_words()
        assert all(everybody.homes[name].status().secret for name in everybody.names)
    assert write > 8, "the ceremony has so many writes"
