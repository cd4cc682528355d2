"""Amounts of memory: how they are written, and what the machine has."""

from pathlib import Path

import pytest

from coordinator.linkage import budget
from coordinator.linkage.budget import Budget, peak_bytes
from pprl.errors import UsageError


@pytest.mark.parametrize(
    ("text", "amount"), [("500MB", 500_000_000), ("4GB", 4_000_000_000), ("1024MB", 1_024_000_000)]
)
def test_a_whole_number_and_a_unit(text: str, amount: int) -> None:
    assert Budget.parse(text).bytes == amount


@pytest.mark.parametrize(
    "text",
    [
        "",
        "4",
        "4 GB",
        "4gb",
        "4G",
        "4GiB",
        "4.5GB",
        "-4GB",
        "+4GB",
        "04GB",
        "0GB",
        "4GB ",
        "4GB\n",
        "٤GB",
        "1e3MB",
    ],
)
def test_nothing_else_is_an_amount(text: str) -> None:
    with pytest.raises(UsageError, match="whole number and MB or GB"):
        Budget.parse(text)


def test_less_than_python_itself_needs_is_refused() -> None:
    with pytest.raises(UsageError, match="500MB"):
        Budget.parse("499MB")


def test_of_the_machine_three_quarters_are_taken_of_what_is_free(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    facts, limit = tmp_path / "meminfo", tmp_path / "memory.max"
    monkeypatch.setattr(budget, "_MEMORY_FACTS", facts)
    monkeypatch.setattr(budget, "_CONTAINER_LIMIT", limit)
    assert Budget.of_machine().bytes > 100_000_000, "all that there is, where nothing tells how much is free"
    facts.write_text("MemTotal:  9000000 kB\nMemAvailable:  8000000 kB\n")
    assert Budget.of_machine().bytes == 6_000_000 * 1024
    limit.write_text("max\n")
    assert Budget.of_machine().bytes == 6_000_000 * 1024
    limit.write_text("1000000000\n")
    assert Budget.of_machine().bytes == 750_000_000, "the limit of a container counts too"


def test_the_peak_is_of_this_process() -> None:
    held = bytearray(50_000_000)
    held[::4096] = b"1" * len(held[::4096])
    assert peak_bytes() > len(held)
