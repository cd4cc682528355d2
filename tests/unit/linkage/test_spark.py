"""The Spark engine finds what the local one finds, pair for pair and in the same order; so the keys are the same."""

from __future__ import annotations

import logging
import os
import random
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping
from datetime import date
from pathlib import Path
from unittest.mock import Mock

import numpy as np
import pytest

from coordinator.linkage import issuing, match_field_filters, matching, spark
from coordinator.linkage.budget import Budget
from coordinator.linkage.engine import Engine, PassPairs, pass_pairs
from coordinator.linkage.matching import EngineName
from coordinator.linkage.spark import part_of, spark_engine
from coordinator.linkage.work import InMemory
from pprl.agreements.draft import DatasetSketch, draft
from pprl.encode import encoder
from pprl.encode.linkage_secret import LinkageSecret
from pprl.errors import ConfigError
from pprl.protocol import agreement as agreements
from pprl.protocol import submission
from pprl.protocol.agreement import AgreementFile, Scheme
from pprl.protocol.levels import Fields
from pprl.protocol.submission import TAG_BYTES, Blocked, Encodings, References
from pprl.synthetic import linkage_pair

FIELDS = Fields(3, names=(0, 1))


def _records(rows: int, seed: int) -> Blocked:
    rng = np.random.default_rng(seed)
    tags = np.random.default_rng(0).integers(0, 256, (rows // 2 + 1, TAG_BYTES), dtype=np.uint8)
    return Blocked(
        tags[rng.integers(0, len(tags), rows)],
        rng.integers(0, 8, rows).astype(np.uint32),
        rng.integers(0, 256, (rows, 3, 8), dtype=np.uint8)
        & rng.integers(0, 256, (rows, 3, 8), dtype=np.uint8),
    )


@pytest.mark.parametrize("parts", [1, 2, 7, 1_000])
def test_parts_are_ranges_of_tags(parts: int) -> None:
    tags = np.random.default_rng(3).integers(0, 256, (500, TAG_BYTES), dtype=np.uint8)
    tags[0], tags[1] = 0, 255
    tags = tags[np.lexsort(tags.T[::-1])]
    part = part_of(tags, parts)
    assert (np.diff(part) >= 0).all()
    assert (part[0], part[-1]) == (0, parts - 1)


@pytest.fixture(scope="module")
def submitted() -> Iterator[None]:
    """As if this program had been submitted to a Spark of two cores, which listens on this machine alone.

    It tries a task twice: by default a cluster does so four times, and one machine once.
    """
    pytest.importorskip("pyspark")
    if shutil.which("java") is None:
        pytest.skip("Spark needs Java")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(
            "PYSPARK_SUBMIT_ARGS", "--master local[2,2] --conf spark.driver.host=127.0.0.1 pyspark-shell"
        )
        patch.setenv("SPARK_LOCAL_IP", "127.0.0.1")
        yield


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
@pytest.mark.usefixtures("submitted")
def test_a_session_that_writes_to_disk_in_the_clear_is_refused() -> None:
    """It stands before all that share a session: there is one at a time."""
    from pyspark.sql import SparkSession  # noqa: PLC0415 - an extra

    foreign = SparkSession.builder.getOrCreate()
    try:
        with pytest.raises(ConfigError, match="does not encrypt"), spark_engine():
            pass
        assert foreign.range(3).count() == 3, "it is somebody else's, and stays"
    finally:
        foreign.stop()


@pytest.fixture(scope="module")
def engine(submitted: None) -> Iterator[Engine]:
    with spark_engine(part_bytes=8_000) as made:
        yield made


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("rows", [(0, 30), (1, 1), (400, 300), (2_000, 1_500)])
def test_spark_finds_the_same_pairs(engine: Engine, rows: tuple[int, int]) -> None:
    left, right = _records(rows[0], 1), _records(rows[1], 2)
    for other in (right, None):
        here, there = pass_pairs(left, other, FIELDS), engine(left, other, FIELDS)
        assert (here.left == there.left).all()
        assert (here.right == there.right).all()
        assert (here.patterns == there.patterns).all()
        assert len(here) == len(there)


class Noted(InMemory):
    """A shelf that notes what is put there."""

    def __init__(self) -> None:
        super().__init__()
        self.put_names: list[str] = []

    def put(self, name: str, piece: bytes) -> None:
        self.put_names.append(name)
        super().put(name, piece)


def killed_at_first(times: int, notes: Path) -> Engine:
    """As `pass_pairs`, but that the first workers who run it are killed, as by a machine that runs out of memory."""

    def pairs_of(left: Blocked, right: Blocked | None, fields: Fields) -> PassPairs:
        before = notes.stat().st_size
        with notes.open("ab") as file:
            file.write(b".")
        if before < times:
            os.kill(os.getpid(), signal.SIGKILL)
        return pass_pairs(left, right, fields)

    return pairs_of


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
def test_a_task_whose_worker_is_killed_is_done_again(
    engine: Engine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    left, right = _records(400, 1), _records(300, 2)
    (notes := tmp_path / "notes").touch()
    monkeypatch.setattr(spark, "pass_pairs", killed_at_first(1, notes))
    here, there = pass_pairs(left, right, FIELDS), engine(left, right, FIELDS)
    assert notes.stat().st_size > 1, "a worker was killed"
    assert (here.left == there.left).all()
    assert (here.right == there.right).all()
    assert (here.patterns == there.patterns).all()


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
def test_a_run_whose_workers_are_killed_again_and_again_goes_on_later(
    engine: Engine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    agreement, encodings, _ = _submitted("field-filters")
    budget, shelf = Budget.parse("500MB"), Noted()

    def matched(by: Engine) -> bytes:
        return match_field_filters.match(
            agreement, encodings, budget=budget, shelf=shelf, progress=_silent, engine=by
        ).document

    def killed_later(left: Blocked, right: Blocked | None, fields: Fields) -> PassPairs:
        if "pass-0-table-0" in shelf:
            monkeypatch.setattr(spark, "pass_pairs", killed_at_first(1_000, notes))
        return engine(left, right, fields)

    (notes := tmp_path / "notes").touch()
    with pytest.raises(ConfigError, match="could not compare") as error:
        matched(killed_later)
    monkeypatch.undo()
    assert "goes on where it stopped" in error.value.hint
    assert (finished := set(shelf.put_names)) >= {f"pass-0-table-{side}" for side in range(3)}
    shelf.put_names.clear()
    assert matched(engine) == matching.match(agreement, encodings, progress=_silent).document
    assert not finished & set(shelf.put_names), "what was finished is not done again"


OPTIONS_OF_THE_DRIVER = """
from coordinator.linkage.spark import spark_engine
from pyspark.sql import SparkSession

with spark_engine():
    beans = SparkSession.getActiveSession().sparkContext._jvm.java.lang.management.ManagementFactory
    print(*beans.getRuntimeMXBean().getInputArguments(), sep="\\n")
"""


@pytest.mark.slow
@pytest.mark.usefixtures("submitted")
def test_a_driver_without_memory_ends_rather_than_hangs() -> None:
    """In a process of its own: a driver keeps the options that it was started with."""
    words = [sys.executable, "-c", OPTIONS_OF_THE_DRIVER]
    done = subprocess.run(words, check=True, capture_output=True, text=True, timeout=300)
    assert "-XX:+ExitOnOutOfMemoryError" in done.stdout.splitlines()


DRIVER_DIES = """
import os, signal, sys
import numpy as np
from coordinator.linkage import spark
from pprl.errors import ConfigError
from tests.unit.linkage.test_spark import FIELDS, _records

def pairs_of(left, right, fields):
    # A worker's parent is PySpark's daemon, and its parent is Spark.
    daemon = open(f"/proc/{os.getppid()}/stat").read().rpartition(")")[2].split()[1]
    os.kill(int(daemon), signal.SIGKILL)

spark.pass_pairs = pairs_of
try:
    with spark.spark_engine() as engine:
        engine(_records(400, 1), _records(300, 2), FIELDS)
except ConfigError as error:
    sys.exit(f"{error} {error.hint}")
"""


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="processes are not told here")
@pytest.mark.usefixtures("submitted")
def test_a_driver_that_dies_is_told_and_nobody_waits_for_it() -> None:
    words = [sys.executable, "-c", DRIVER_DIES]
    done = subprocess.run(words, check=False, capture_output=True, text=True, timeout=300)
    assert done.returncode == 1
    told = done.stderr.splitlines()[-1]
    assert told.startswith("Spark's own process has ended")
    assert "goes on where it stopped" in told


def test_what_py4j_raises_is_not_logged_too(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """It logs to the root logger when Spark's process dies while it is asked; the refusal says what to do."""
    pytest.importorskip("py4j")
    from py4j.java_gateway import GatewayClient  # noqa: PLC0415 - an extra
    from py4j.protocol import Py4JNetworkError  # noqa: PLC0415

    class Broken(GatewayClient):  # type: ignore[misc]
        def _get_connection(self) -> Mock:
            return Mock(send_command=Mock(side_effect=Py4JNetworkError("gone")))

    def ask() -> None:
        Broken().send_command("anything", retry=False)

    monkeypatch.setattr(spark, "_session", Mock())
    with spark_engine():
        ask()
        logging.getLogger().warning("somebody else's")
        assert [record.message for record in caplog.records] == ["somebody else's"]
    ask()
    assert caplog.records[-1].message == "Exception while sending command."


def test_the_heap_is_ours_to_choose_only_where_nobody_says_how_spark_runs(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for name in spark._SAID_ELSEWHERE:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(Budget, "of_machine", staticmethod(lambda: Budget(12 * 2**30)))
    assert spark._heap() == {"spark.driver.memory": "4096m"}
    monkeypatch.setattr(Budget, "of_machine", staticmethod(lambda: Budget(2**30)))
    assert spark._heap() == {"spark.driver.memory": "1024m"}
    monkeypatch.setenv("PYSPARK_SUBMIT_ARGS", "--master yarn pyspark-shell")
    assert spark._heap() == {}


def _submitted(
    scheme: Scheme,
) -> tuple[AgreementFile, Mapping[str, Encodings], Mapping[str, References]]:
    """What two departments have sent under an agreement."""
    pair = linkage_pair(600, 500, 0.6, seed=31)
    tables = {"a": pair.a, "b": pair.b}
    sketches = [
        DatasetSketch(name, table.without_truth().header, table.rows) for name, table in tables.items()
    ]
    text = draft(sketches, today=date(2026, 1, 1), scheme=scheme)
    agreement = agreements.parse(text.encode(), where="draft")
    encodings, references, drawn = {}, {}, random.Random(1).randbytes
    for dataset in agreement.content.dataset:
        made = encoder.encode(
            [(2, tables[dataset.name].columns)],
            dataset,
            agreement,
            LinkageSecret(agreement.sha256, "7" * 64, bytes(range(32))),
            random_bytes=drawn,
            seen=lambda _rows: None,
        )
        raw = submission.write_encodings(made.encodings), submission.write_references(made.references)
        encodings[dataset.name] = submission.parse_encodings(raw[0], agreement)
        references[dataset.name] = submission.parse_references(raw[1], agreement)
    return agreement, encodings, references


def _run(scheme: Scheme, engine: EngineName) -> tuple[bytes, bytes, dict[str, object]]:
    """The matcher's document, all linkage keys, and the report of a small run."""
    agreement, encodings, references = _submitted(scheme)
    document = matching.match(agreement, encodings, engine=engine, progress=_silent).document
    drawn = random.Random(2).randbytes
    issued = issuing.issue(agreement, references, document, random_bytes=drawn, progress=_silent)
    return document, b"".join(each.keys.tobytes() for each in issued.linkage_keys), issued.report


def _silent(_what: str, _share: float) -> None:
    pass


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
@pytest.mark.usefixtures("submitted")
def test_a_run_on_spark_gives_the_same_pairs_posteriors_and_keys() -> None:
    here, there = _run("field-filters", "local"), _run("field-filters", "spark")
    assert here == there
    assert here[2]["linked_people"]


def test_scheme_clk_is_compared_on_one_machine() -> None:
    with pytest.raises(ConfigError, match="Scheme clk"):
        _run("clk", "spark")
