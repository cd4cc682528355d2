"""Work that is done on all cores, with results in the order of what was asked for. Runs at departments.

Threads are enough, since compiled loops and AES let others work meanwhile. Few results wait at a time, so that memory
does not grow, and what comes out does not depend on how many threads there are.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Generator, Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

Asked = TypeVar("Asked")
Done = TypeVar("Done")


def in_order(
    work: Callable[[Asked], Done], asked: Iterable[Asked], *, threads: int
) -> Generator[Done, None, None]:
    """What work makes of each thing that is asked for, in their order; one more than there are threads is under way.

    Args:
        work: runs in several threads at once; what it raises is raised here.
        asked: what it is done on.
        threads: how many; with one, nothing is done at the same time.
    """
    if threads == 1:
        # Two threads that share a core only hold each other up.
        yield from map(work, asked)
        return
    with ThreadPoolExecutor(threads) as pool:
        waiting: deque[Future[Done]] = deque()
        try:
            for each in asked:
                waiting.append(pool.submit(work, each))
                if len(waiting) > threads:
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()
        finally:
            for future in waiting:
                future.cancel()
