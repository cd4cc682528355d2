"""The ceremony as real processes: no share and no secret is an argument, in an environment or in an output."""

from __future__ import annotations

import base64
from pathlib import Path

import pytest

from pprl import sharing
from tests.e2e.processes import CAN_LOOK, Onlooker, start
from tests.support.project import Project


@pytest.mark.skipif(not CAN_LOOK, reason="needs /proc")
def test_no_secret_is_an_argument_or_in_an_environment(project: Project) -> None:
    own: tuple[str | Path, ...] = ("-a", project.agreement_path, "-k", project.key("court-dept"))
    kept, secret = project.holdings("court-dept"), project.held_secret("court-dept")
    shares = sharing.held_shares(project.signatory("court-dept"), kept)
    for path in (kept.linkage_secret, *kept.shares.iterdir()):
        path.unlink()
    taken = [project.share(sender, "court-dept") for sender in ("police-dept", "prison-dept")]
    onlooker, said = Onlooker(), []
    for words in (("commit",), ("share", "-o", project.folder / "again"), ("accept", *taken), ("status",)):
        process = start("pprl", "secret", *words, *own, cwd=project.folder)
        with onlooker.watching(process):
            said += process.communicate(timeout=120)
        assert process.returncode == 0, said[-1]
    assert project.held_secret("court-dept") == secret
    assert {b"pprl secret commit", b"pprl secret share", b"pprl secret accept"} <= onlooker.programs
    shown = b"\n".join(onlooker.seen) + "".join(said).encode()
    for hidden in (secret.value, *shares.values()):
        for form in (
            hidden,
            hidden.hex().encode(),
            base64.b64encode(hidden),
            base64.urlsafe_b64encode(hidden),
        ):
            assert form not in shown
