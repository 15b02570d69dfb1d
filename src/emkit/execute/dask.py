"""E-steps on a Dask cluster: each worker keeps its share of the blocks; parameters go out, sums of statistics come back."""

from collections.abc import Callable, Iterator
from concurrent.futures import CancelledError
from contextlib import contextmanager
from functools import partial
from itertools import chain
from typing import Any

from emkit.core.block import Block, Source
from emkit.execute import futures
from emkit.execute.dask_blocks import Dealt
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
        self._dealt: dict[int, Dealt] = {}

    def __deepcopy__(self, memo: Any) -> "DaskExecutor":
        """Estimators are cloned with their settings; a cluster is not."""
        return self

    def __reduce__(self) -> Any:
        again = partial(DaskExecutor, local_rows=self.local_rows, patience=self._there.patience)
        return again, (self._there.address,)

    def map_reduce(self, fn: Callable[[Block], Found], source: Source) -> Found:
        """The sum of ``fn(block)`` over the blocks, added on the workers first."""
        if self._may_stay_here(source):
            return self._here.map_reduce(fn, source)
        return futures.add(self._on_all(futures.work, fn, source, lambda few: self.client.submit(_add, *few, pure=False)))

    def map(self, fn: Callable[[Block], Any], source: Source) -> Iterator[Any]:
        """``fn(block)`` for each block, in order."""
        if self._may_stay_here(source):
            return self._here.map(fn, source)
        return chain.from_iterable(self._on_all(futures.work_each, fn, source, None))

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
                self._dealt.clear()

    def _may_stay_here(self, source: Source) -> bool:
        return not isinstance(source, DaskSource) and 0 < source.n_rows <= self.local_rows

    def _on_all(self, how: Callable[..., Any], fn: Any, source: Source, add_up: Callable[..., Any] | None) -> list[Any]:
        """``how(fn, share, threads)`` of each share, or sums of these. What is lost with a worker is worked on again.

        To a few workers the function goes with their tasks; to many it is sent once, and they pass it on to each other.
        """
        from distributed.protocol.pickle import dumps

        there, packed = self._there, dumps(fn)

        def one_pass(dealt: Dealt) -> Any:
            few = len(dealt.shares) <= futures.FAN_IN
            found = dealt.each(_on_worker, how, packed if few else self.client.scatter(packed, broadcast=True, hash=False))
            return there.gathered(found if add_up is None else futures.level(found, add_up), dealt.holders)

        try:
            for _ in range(_TRIES):
                try:
                    if id(source) not in self._dealt:
                        self._dealt[id(source)] = there.ask(lambda: Dealt(there, source))
                    return list(there.ask(lambda: one_pass(self._dealt[id(source)])))
                except CancelledError as error:
                    lost = error
                    if not there.is_up:
                        break
                    there.ask(self._dealt[id(source)].look_again)
            raise there.gone(lost) from lost
        finally:
            if not self._depth:
                self._dealt.clear()


def _versions() -> dict[str, str]:
    return futures.versions()


def _on_worker(how: Callable[..., Any], packed: bytes, blocks: Blocks) -> Any:
    from distributed import get_worker
    from distributed.protocol.pickle import loads

    return how(loads(packed), blocks, get_worker().state.nthreads)


def _add(*found: Found) -> Found:
    return futures.add(found)
