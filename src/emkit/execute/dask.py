"""E-steps on a Dask cluster: each worker keeps its share of the blocks; parameters go out, sums of statistics come back."""

import warnings
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import CancelledError
from contextlib import contextmanager
from itertools import chain
from typing import Any
from uuid import uuid4

from emkit.core.block import Block, Source
from emkit.execute import futures
from emkit.execute.dask_client import Connection
from emkit.execute.dask_source import DaskSource
from emkit.execute.futures import SMALL, Blocks, Found
from emkit.execute.threads import Threads

_TRIES = 5  # of one pass, where workers are lost in the middle of it


class DaskExecutor:
    """Executor on the workers of a Dask cluster.

    For the length of a fit every worker keeps the blocks of its share of the source's parts. An iteration sends each worker the
    parameters and gets back one sum of statistics, some 40 KB each way for 16 full Gaussians over 16 columns. A worker that dies is
    made up for by Dask: its share is read and worked on elsewhere, and the sums have the same bits. Samples, on which starts are
    tried, are worked on in this process.

    Parameters
    ----------
    client : distributed.Client or str
        The cluster, or the address of its scheduler.
    local_rows : int
        Sources of so few rows are worked on in this process.
    patience : float
        Seconds to wait for a worker when there is none.

    Raises
    ------
    ClusterError
        If a worker has another version of emkit or numba than this process; from a fit, if the cluster goes away.
    """

    def __init__(self, client: Any, *, local_rows: int = SMALL, patience: float = 60.0):
        self._there, self.local_rows = Connection(client, patience), local_rows
        self.client = self._there.client
        self._here, self._depth = Threads(), 0
        self._loaded: dict[int, tuple[Source, list[Any]]] = {}

    def __deepcopy__(self, memo: Any) -> "DaskExecutor":
        """Estimators are cloned with their settings; a cluster is not."""
        return self

    def __reduce__(self) -> Any:
        return _connected, (self._there.address, self.local_rows, self._there.patience)

    def map_reduce(self, fn: Callable[[Block], Found], source: Source) -> Found:
        """The sum of ``fn(block)`` over the blocks, added on the workers first."""
        if self._may_stay_here(source):
            return self._here.map_reduce(fn, source)

        def one_pass() -> Any:
            sums = self._everywhere(futures.work, fn, source)
            return futures.tree(sums, lambda few: self.client.submit(_add, *few, pure=False, priority=1))

        found: Found = self._until_done(one_pass, source)
        return found

    def map(self, fn: Callable[[Block], Any], source: Source) -> Iterator[Any]:
        """``fn(block)`` for each block, in order."""
        if self._may_stay_here(source):
            return self._here.map(fn, source)
        return chain.from_iterable(self._until_done(lambda: self._everywhere(futures.work_each, fn, source), source))

    @contextmanager
    def session(self) -> Iterator["DaskExecutor"]:
        """Keep the blocks with the workers for the length of a fit. Sessions nest: the outermost one counts."""
        if not self._depth:
            found = self._there.ask(lambda: self.client.run(_versions, on_error="return"))
            futures.refuse_other_versions({name: says if isinstance(says, dict) else str(says) for name, says in found.items()})
        self._depth += 1
        try:
            with self._here.session():
                yield self
        finally:
            self._depth -= 1
            if not self._depth:
                self._loaded.clear()

    def _may_stay_here(self, source: Source) -> bool:
        return not isinstance(source, DaskSource) and 0 < source.n_rows <= self.local_rows

    def _everywhere(self, how: Callable[..., Any], fn: Any, source: Source) -> list[Any]:
        """``how(fn, share, threads)`` of each share as futures. The function travels once to each worker, not with each task."""
        shared = self.client.scatter(fn, broadcast=True, hash=False)
        return [self.client.submit(_on_worker, how, shared, share, pure=False) for share in self._blocks(source)]

    def _blocks(self, source: Source) -> list[Any]:
        """Shares of the source, as futures of what stays with the workers; read when they are first asked for."""
        _, dealt = self._loaded.get(id(source), (None, None))
        if dealt is None:
            workers, key = self._there.workers(), f"emkit-blocks-{uuid4().hex[:12]}"
            if isinstance(source, DaskSource):
                dealt = source.shares(len(workers), key)
            else:
                dealt = [
                    self._submit_load(share, f"{key}-{i}", workers[i])
                    for i, share in enumerate(futures.shares(source.parts(), len(workers)))
                ]
            self._loaded[id(source)] = source, dealt
        return dealt

    def _submit_load(self, share: Sequence[Any], key: str, worker: str) -> Any:
        """A task with a key of its own, which Dask repeats elsewhere when the worker dies."""
        with warnings.catch_warnings():  # data in memory travel with the task, once: that is what was asked for
            warnings.filterwarnings("ignore", message="Sending large graph")
            return self.client.submit(futures.load, share, key=key, workers=[worker], allow_other_workers=True, retries=2)

    def _until_done(self, submit: Callable[[], Any], source: Source) -> Any:
        """The results of a pass. What was lost with a worker and cannot be had again is sent again."""
        for tried in range(_TRIES):
            try:
                return self._there.ask(lambda: self._there.gathered(submit()))
            except CancelledError as error:
                if not self._there.is_up or tried == _TRIES - 1:
                    raise self._there.gone(error) from error
                self._loaded.pop(id(source), None)
            finally:
                if not self._depth:
                    self._loaded.pop(id(source), None)
        raise AssertionError


def _connected(address: str, local_rows: int, patience: float) -> DaskExecutor:
    return DaskExecutor(address, local_rows=local_rows, patience=patience)


def _versions() -> dict[str, str]:
    return futures.versions()


def _on_worker(how: Callable[..., Any], fn: Any, blocks: Blocks) -> Any:
    from distributed import get_worker

    return how(fn, blocks, get_worker().state.nthreads)


def _add(*found: Found) -> Found:
    return futures.add(found)
