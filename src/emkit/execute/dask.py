"""E-steps on a Dask cluster: each worker keeps its share of the blocks; parameters go out, sums of statistics come back."""

from collections.abc import Callable
from concurrent.futures import CancelledError
from functools import partial
from typing import Any

from emkit.core.block import Source
from emkit.execute import futures
from emkit.execute.dask_blocks import Dealt
from emkit.execute.dask_client import Connection
from emkit.execute.dask_source import DaskSource
from emkit.execute.futures import SMALL, Blocks, Found, OnCluster

_TRIES = 5  # of one pass, where workers are lost in the middle of it


class DaskExecutor(OnCluster):
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

    own_source = DaskSource

    def __init__(self, client: Any, *, local_rows: int = SMALL, patience: float = 60.0):
        super().__init__(local_rows)
        self._there = Connection(client, patience)
        self.client = self._there.client

    def __reduce__(self) -> Any:
        again = partial(DaskExecutor, local_rows=self.local_rows, patience=self._there.patience)
        return again, (self._there.address,)

    def check_workers(self) -> None:
        """By a question to each worker."""
        found = self._there.ask(lambda: self.client.run(_versions, on_error="return"))
        futures.refuse_other_versions({name: says if isinstance(says, dict) else str(says) for name, says in found.items()})

    def on_each_share(self, how: Callable[..., Any], fn: Any, source: Source, sums: bool) -> list[Any]:
        """Sums are added on the workers, but for the last of them. What is lost with a worker is worked on again.

        To a few workers the function goes with their tasks; to many it is sent once, and they pass it on to each other.
        """
        from distributed.protocol.pickle import dumps

        there, packed = self._there, dumps(fn)

        def add_up(few: Any) -> Any:
            return self.client.submit(_add, *few, pure=False)

        def one_pass(dealt: Dealt) -> Any:
            few = len(dealt.shares) <= futures.FAN_IN
            found = dealt.each(_on_worker, how, packed if few else self.client.scatter(packed, broadcast=True, hash=False))
            return there.gathered(futures.level(found, add_up) if sums else found, dealt.holders)

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
