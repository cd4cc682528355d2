"""The matcher's comparisons on Apache Spark, for data that outgrow one machine. The matcher's driver runs this.

Tags are as good as random, so that equal ranges of them are parts of about equal size, and no block lies in two parts.
The driver cuts the records of a pass into such parts and hands them to Spark; an executor finds a part's pairs and
their patterns with the very function that the local engine is; the driver puts the parts together in the order of the
tags. What comes of it is, pair for pair and in the same order, what one machine finds.

The driver alone opens submissions. What reaches executors, their memory and their disks are tags, masks and filters of
one pass, and numbers of rows: no key, no passphrase, no reference, no path. What Spark writes to disk it encrypts.
docs/spark.md says how to run it, and what to ask of a cluster.
"""

from __future__ import annotations

import logging
import os
import shutil
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

import pprl
from coordinator.linkage.budget import SHARE_OF_MACHINE, Budget
from coordinator.linkage.engine import Engine, PassPairs, pass_pairs
from pprl.errors import ConfigError
from pprl.protocol.framing import Bytes
from pprl.protocol.levels import Fields
from pprl.protocol.submission import TAG_BYTES, Blocked, blocked, payload_of

# A part is what one task holds in memory: the records of both datasets in it.
PART_BYTES = 64 * 2**20
# Arrow's binary arrays hold at most 2 GiB.
_ROWS_AT_ONCE = 1_000_000

_MEMBERS: dict[str, pa.DataType] = {
    "part": pa.int32(),
    "right": pa.bool_(),
    "row": pa.int64(),
    "payload": pa.binary(),
}
_RECORDS = pa.schema(_MEMBERS)
_FOUND = pa.schema([pa.field(name, pa.int64()) for name in ("part", "place", "left", "right", "pattern")])
_FOUND_IN_SPARK = ", ".join(f"{name} long" for name in _FOUND.names)

_SETTINGS = {
    "spark.app.name": "coordinator match",
    # A JVM without memory would else live on and answer nobody.
    "spark.driver.defaultJavaOptions": "-XX:+ExitOnOutOfMemoryError",
    "spark.io.encryption.enabled": "true",
    # Records stay packed until they are at executors: as rows they take the driver ten times the room.
    "spark.sql.execution.arrow.localRelationThreshold": "0",
    "spark.sql.execution.arrow.pyspark.enabled": "true",
    "spark.ui.enabled": "false",
    "spark.ui.showConsoleProgress": "false",
}


# Where somebody says how Spark is to run.
_SAID_ELSEWHERE = ("PYSPARK_SUBMIT_ARGS", "SPARK_CONF_DIR", "SPARK_DRIVER_MEMORY", "SPARK_HOME")
# Spark's own default, in MB, with which it doesn't come far.
_LEAST_HEAP = 1024


@contextmanager
def spark_engine(*, part_bytes: int = PART_BYTES) -> Iterator[Engine]:
    """An engine on the Spark that PYSPARK_SUBMIT_ARGS names, or else on all cores of this machine.

    Args:
        part_bytes: bytes of records that a task should have; a part is never less than a block.

    Raises:
        ConfigError: the extra `spark` or Java is missing, or Spark doesn't start.
    """
    with _without_py4js_tracebacks():
        session = _session()
        try:
            yield partial(_pass_pairs_on, session, part_bytes)
        finally:
            _stop(session)


@contextmanager
def _without_py4js_tracebacks() -> Iterator[None]:
    """py4j raises what goes wrong, and logs it as well, as the program's own: only what is raised is told."""
    root = logging.getLogger()
    root.addFilter(_is_not_of_py4j)
    try:
        yield
    finally:
        root.removeFilter(_is_not_of_py4j)


def _is_not_of_py4j(record: logging.LogRecord) -> bool:
    return Path(record.pathname).parent.name != "py4j"


def _stop(session: Any) -> None:
    from py4j.protocol import Py4JError  # noqa: PLC0415 - an extra

    # Nothing is left to stop where Spark's own process has died, and why is told already.
    with suppress(Py4JError, OSError):
        session.stop()


def _session() -> Any:
    if shutil.which("java") is None and "JAVA_HOME" not in os.environ:
        raise ConfigError("Spark needs Java, and there is none.", hint="Install Java 17, or set JAVA_HOME.")
    try:
        from pyspark.errors import PySparkException  # noqa: PLC0415 - an extra
        from pyspark.sql import SparkSession  # noqa: PLC0415
    except ImportError:
        raise ConfigError(
            "PySpark is not installed.", hint="Install the extra: pip install 'pprl-protocol[spark]'."
        ) from None
    # Executors run this very Python unless the one who submits says which.
    os.environ.setdefault("PYSPARK_PYTHON", sys.executable)
    builder = SparkSession.builder
    for name, value in {**_SETTINGS, **_heap()}.items():
        builder = builder.config(name, value)
    try:
        session = builder.getOrCreate()
    except (PySparkException, RuntimeError, OSError):
        raise ConfigError("Spark does not start.", hint="Its own messages above say why.") from None
    # A session that was there before keeps its own settings.
    if session.sparkContext.getConf().get("spark.io.encryption.enabled") != "true":
        raise ConfigError("A Spark session is running here that does not encrypt what it writes to disk.")
    return session


def _heap() -> dict[str, str]:
    """The driver's heap where nobody says how Spark is to run: what free memory the budget of the matcher leaves."""
    if any(name in os.environ for name in _SAID_ELSEWHERE):
        return {}
    left = round(Budget.of_machine().bytes * (1 - SHARE_OF_MACHINE) / SHARE_OF_MACHINE)
    return {"spark.driver.memory": f"{max(left // 2**20, _LEAST_HEAP)}m"}


def _pass_pairs_on(
    session: Any, part_bytes: int, left: Blocked, right: Blocked | None, fields: Fields
) -> PassPairs:
    """See `engine.pass_pairs`."""
    sides = [payload_of(each) for each in (left, right) if each is not None]
    parts = max(1, -(-sum(each.nbytes for each in sides) // part_bytes))
    records = pa.concat_tables(
        [_records(payload, parts, right=place > 0) for place, payload in enumerate(sides)]
    )
    work = _of_part(fields, left.filters.shape[1], sides[0].shape[1], within=right is None)
    found = _run(session, records, work)
    # Parts come back in any order; each tells its own.
    order = np.lexsort((_numbers(found, "place"), _numbers(found, "part")))
    return PassPairs(
        _numbers(found, "left")[order].astype(np.uint32),
        _numbers(found, "right")[order].astype(np.uint32),
        _numbers(found, "pattern")[order].view(np.uint64),
    )


def _records(payload: Bytes, parts: int, *, right: bool) -> pa.Table:
    pieces = [
        _piece(payload[start : start + _ROWS_AT_ONCE], start, parts, right=right)
        for start in range(0, len(payload), _ROWS_AT_ONCE)
    ]
    return pa.Table.from_batches(pieces, _RECORDS)


def _piece(payload: Bytes, first: int, parts: int, *, right: bool) -> pa.RecordBatch:
    rows, width = payload.shape
    offsets = np.arange(rows + 1, dtype=np.int32) * np.int32(width)
    data = np.ascontiguousarray(payload)
    columns = [
        pa.array(part_of(payload[:, :TAG_BYTES], parts)),
        pa.array(np.full(rows, right)),
        pa.array(np.arange(first, first + rows, dtype=np.int64)),
        pa.Array.from_buffers(pa.binary(), rows, [None, pa.py_buffer(offsets.data), pa.py_buffer(data.data)]),
    ]
    return pa.RecordBatch.from_arrays(columns, schema=_RECORDS)


def part_of(tags: Bytes, parts: int) -> NDArray[np.int32]:
    """The part of each tag: of so many equal ranges, in ascending order, the one that it lies in.

    Args:
        tags: shape (records, 16).
        parts: how many ranges there are, fewer than 2**31.
    """
    first = np.ascontiguousarray(tags[:, :4]).view(">u4").reshape(-1).astype(np.uint64)
    return (first * np.uint64(parts) >> np.uint64(32)).astype(np.int32)


def _of_part(fields: Fields, filters: int, width: int, *, within: bool) -> Callable[[pa.Table], pa.Table]:
    """The function that an executor runs on one part. Only what it is given here travels with it."""
    version = pprl.__version__

    def pairs_of(part: pa.Table) -> pa.Table:
        if pprl.__version__ != version:
            raise ConfigError("An executor has another version of this program than the driver.")
        is_right = part["right"].to_numpy()
        rows, records = _side(part, ~is_right, filters, width)
        others, other = (rows, None) if within else _side(part, is_right, filters, width)
        found = pass_pairs(records, other, fields)
        return pa.table(
            [
                np.full(len(found), part["part"][0].as_py(), dtype=np.int64),
                np.arange(len(found), dtype=np.int64),
                rows[found.left],
                others[found.right],
                found.patterns.view(np.int64),
            ],
            schema=_FOUND,
        )

    return pairs_of


def _side(
    part: pa.Table, which: NDArray[np.bool_], filters: int, width: int
) -> tuple[NDArray[np.int64], Blocked]:
    """The records of one dataset in a part, in the order of their rows, and which rows they are."""
    some = part.filter(pa.array(which)).sort_by("row")
    rows = some["row"].to_numpy()
    payload = np.frombuffer(b"".join(each.as_py() for each in some["payload"]), dtype=np.uint8)
    return rows, blocked(payload.reshape(len(rows), width), filters)


def _run(session: Any, records: pa.Table, work: Callable[[pa.Table], pa.Table]) -> pa.Table:
    from py4j.protocol import Py4JError  # noqa: PLC0415 - an extra
    from pyspark.errors import PySparkException  # noqa: PLC0415

    try:
        parts = session.createDataFrame(records).groupBy("part")
        found: pa.Table = parts.applyInArrow(work, _FOUND_IN_SPARK).toArrow()
    # A lost executor comes as py4j's error or a failed assertion of PySpark's; a lost driver as a broken connection.
    except (PySparkException, Py4JError, AssertionError, EOFError, OSError, RuntimeError):
        raise _gave_up(session) from None
    return found


def _gave_up(session: Any) -> ConfigError:
    """What to say of a pass that Spark has not compared: whether its own process lives makes the difference."""
    from py4j.protocol import Py4JError  # noqa: PLC0415 - an extra

    try:
        session.sparkContext.applicationId  # noqa: B018 - asks the JVM
    except (Py4JError, OSError):
        return ConfigError(
            "Spark's own process has ended; it may have run out of memory.",
            hint="Give it more, with spark.driver.memory; 'coordinator match' then goes on where it stopped.",
        )
    return ConfigError(
        "Spark could not compare the records of a pass.",
        hint="Its own messages above say why; 'coordinator match' goes on where it stopped.",
    )


def _numbers(table: pa.Table, name: str) -> NDArray[np.int64]:
    return np.asarray(table[name].to_numpy(), dtype=np.int64)
