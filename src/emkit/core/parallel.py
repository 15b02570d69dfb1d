"""Work inside one block that may be shared among threads, when the executor has nothing better for them to do.

What is done, and the order in which results are put together, never depends on the number of threads.
"""

import os
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any, TypeVar

T = TypeVar("T")
_local = threading.local()


def available_cores() -> int:
    """Cores this process may use; OMP_NUM_THREADS, which joblib sets in its workers, is an upper bound."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    limit = os.environ.get("OMP_NUM_THREADS", "")
    return max(1, min(cores, int(limit))) if limit.isdigit() and int(limit) > 0 else cores


@contextmanager
def lend(pool: ThreadPoolExecutor | None) -> Iterator[None]:
    """Lend ``pool`` to code in this thread for a while: an executor does so while it has a single block to work on."""
    before = getattr(_local, "pool", None)
    _local.pool = pool
    try:
        yield
    finally:
        _local.pool = before


def both(first: Callable[[], Any], second: Callable[[], Any]) -> tuple[Any, Any]:
    """Results of both calls, made at the same time where a thread is to spare."""
    pool: ThreadPoolExecutor | None = getattr(_local, "pool", None)
    if pool is None:
        return first(), second()
    other = pool.submit(second)
    try:
        mine = first()
    finally:
        theirs = other.result()
    return mine, theirs


def each(fn: Callable[[Any], T], items: Sequence[Any]) -> list[T]:
    """``[fn(item) for item in items]``, shared out where threads are to spare."""
    pool: ThreadPoolExecutor | None = getattr(_local, "pool", None)
    if pool is None or len(items) < 2:
        return [fn(item) for item in items]
    return list(pool.map(fn, items))
