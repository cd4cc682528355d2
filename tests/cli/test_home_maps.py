"""Home maps of any size and with any record ids: what `encode` writes, `keys open` must be able to read."""

from __future__ import annotations

from pathlib import Path

from tests.support.commands import run
from tests.support.project import Project


def test_a_home_map_of_more_than_a_megabyte_is_read(project: Project, made_results: Path) -> None:
    home_map = project.home_map("police")
    rows = "".join(f"{number:032x},CASE-{number}\n" for number in range(30_000))
    home_map.write_text(f"handle,record_id\n{rows}")
    assert home_map.stat().st_size > 1_000_000
    result = run(
        "pprl", "keys", "open", made_results / "police.linkage-keys", "-a", project.agreement_path,
        "-k", project.key("police-dept"), "--map", home_map, "-o", project.folder / "keys.csv",
    )  # fmt: skip
    # It is another submission's map: which can only be told by someone who has read it.
    assert "do not belong to one submission" in result.stderr
