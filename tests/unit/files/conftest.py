import traceback
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pytest

from pprl.errors import PprlError
from pprl.files.tables import Table

CANARY = "ZEPHYRINE"


def _chain(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__


@pytest.fixture
def silent() -> Callable[[PprlError], None]:
    """Asserts that an error and everything behind it holds nothing of a row with the canary."""

    def check(error: PprlError) -> None:
        told = [str(error), error.message, error.hint, repr(error.findings), *map(str, error.findings)]
        told += traceback.format_exception(error)
        for each in _chain(error):
            told += [repr(each), repr(each.args), repr(getattr(each, "object", ""))]
        assert CANARY not in "\n".join(told)

    return check


@pytest.fixture
def canary() -> str:
    return CANARY


@pytest.fixture
def csv_file(tmp_path: Path) -> Callable[[bytes | str], Path]:
    def write(content: bytes | str) -> Path:
        path = tmp_path / "people.csv"
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        return path

    return write


@pytest.fixture
def read_all() -> Callable[..., dict[str, list[str]]]:
    def read(table: Table, columns: Sequence[str] = (), rows_per_batch: int = 50_000) -> dict[str, list[str]]:
        names = columns or table.header
        whole: dict[str, list[str]] = {name: [] for name in names}
        for batch in table.batches(names, rows_per_batch=rows_per_batch):
            assert list(batch.columns) == list(names)
            for name, column in batch.columns.items():
                whole[name] += column
        return whole

    return read
