"""Threads over blocks: compiled kernels release the interpreter lock, so plain threads use every core."""

import sys
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from functools import lru_cache
from typing import Any

import numpy as np

from emkit.core.block import Block, Part, Source, blocks_of
from emkit.core.errors import ParameterError
from emkit.core.parallel import available_cores as available_cores
from emkit.core.parallel import lend
from emkit.core.scratch import keep

_WORTH_SHARING = 16384  # rows of an only block from which its work may be shared among threads


class Threads:
    """Executor over ``n_jobs`` threads.

    Blocks and the order of summation depend on the data alone, so any number of threads gives the same bits. While a fit has
    more than one block, BLAS keeps to one core: threads are not nested, and its own summation order does not depend on the machine.

    Parameters
    ----------
    n_jobs : int or None
        None or -1: every core this process may use. -2: all but one, and so on.
    """

    def __init__(self, n_jobs: int | None = None):
        whole = isinstance(n_jobs, int | np.integer) and not isinstance(n_jobs, bool)
        if n_jobs is not None and (not whole or n_jobs == 0):
            raise ParameterError(f"n_jobs={n_jobs!r}: give a number of threads, or None or -1 for every core", parameter="n_jobs")
        n_jobs = -1 if n_jobs is None else int(n_jobs)
        self.n_jobs = n_jobs if n_jobs > 0 else max(1, available_cores() + 1 + n_jobs)
        self._pool: ThreadPoolExecutor | None = None
        self._blas: Any = None

    def map(self, fn: Callable[[Block], Any], source: Source) -> Iterator[Any]:
        """``fn(block)`` for each block, in order. Parts are read in the threads; a bounded number of them is in flight."""
        for found in self._map_parts(_OfEach(fn), source):
            yield from found

    def map_reduce(self, fn: Callable[[Block], tuple[Any, float]], source: Source) -> tuple[Any, float]:
        """The sum of ``fn(block)`` over the blocks of each part, and over the parts, both taken in their order."""
        stats, total = None, 0.0
        for here, log_likelihood in self._map_parts(_Sum(fn), source):
            if here is not None:
                stats = here if stats is None else stats + here
                total += log_likelihood
        return stats, total

    def _map_parts(self, task: Callable[[Part], Any], source: Source) -> Iterator[Any]:
        """``task(part)`` for each part, in order."""
        parts = source.parts()
        if len(parts) == 1:
            yield self._alone(task, parts[0], source)
            return
        with self.session():
            self._limit_blas()
            if self.n_jobs == 1:
                yield from map(task, parts)
                return
            pool = self._pool
            assert pool is not None
            waiting: deque[Future[Any]] = deque()
            rest = iter(parts)
            try:
                while True:
                    while len(waiting) < 2 * self.n_jobs and (part := next(rest, None)) is not None:
                        waiting.append(pool.submit(task, part))
                    if not waiting:
                        return
                    yield waiting.popleft().result()
            finally:
                for future in waiting:
                    future.cancel()

    def _alone(self, task: Callable[[Part], Any], part: Part, source: Source) -> Any:
        """The blocks of an only part may share their own work among the threads."""
        if self.n_jobs == 1 or source.n_rows < _WORTH_SHARING:
            return task(part)
        with self.session(), lend(self._pool):
            self._limit_blas()
            return task(part)

    @contextmanager
    def session(self) -> Iterator["Threads"]:
        """Keep threads and the BLAS limit for the length of a fit. Sessions nest: the outermost one counts."""
        if self._pool is not None:
            yield self
            return
        self._pool = ThreadPoolExecutor(self.n_jobs, thread_name_prefix="emkit")
        try:
            with keep():
                yield self
        finally:
            self._pool.shutdown(wait=True, cancel_futures=True)
            self._pool = None
            if self._blas is not None:
                self._blas.restore_original_limits()
                self._blas = None

    @contextmanager
    def one_blas_thread(self) -> Iterator["Threads"]:
        """A session in which BLAS keeps to one core, however few the blocks are: others work beside this process."""
        with self.session():
            self._limit_blas()
            yield self

    def _limit_blas(self) -> None:
        if self._blas is None:
            self._blas = _blas_libraries(len(sys.modules)).limit(limits=1, user_api="blas")


class _OfEach:
    """What a function says of each block of a part."""

    def __init__(self, fn: Callable[[Block], Any]):
        self.fn = fn

    def __call__(self, part: Part) -> list[Any]:
        return [self.fn(block) for block in blocks_of(part)]


class _Sum:
    """The sum of a function's statistics and log-likelihoods over the blocks of a part; (None, 0) of none."""

    def __init__(self, fn: Callable[[Block], tuple[Any, float]]):
        self.fn = fn

    def __call__(self, part: Part) -> tuple[Any, float]:
        stats, total = None, 0.0
        for block in blocks_of(part):
            here, log_likelihood = self.fn(block)
            stats = here if stats is None else stats + here
            total += log_likelihood
        return stats, total


@lru_cache(maxsize=1)
def _blas_libraries(modules: int) -> Any:
    """What BLAS is loaded.

    Looking takes 2.5 ms, longer than many a pass over data: done again only once further ``modules`` are imported.
    """
    from threadpoolctl import ThreadpoolController

    return ThreadpoolController()
