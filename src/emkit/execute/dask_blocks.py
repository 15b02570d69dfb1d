"""The blocks of a source with the workers of a Dask cluster: who keeps which."""

import warnings
from collections.abc import Callable, Sequence
from typing import Any
from uuid import uuid4

from emkit.core.block import Source
from emkit.execute import futures
from emkit.execute.dask_client import Connection
from emkit.execute.dask_source import DaskSource


class Dealt:
    """A source dealt out to the workers, a share to each, for as long as this lives.

    A share is a task with a key of its own that reads the parts; when the worker that keeps it dies, Dask runs it elsewhere.
    """

    def __init__(self, there: Connection, source: Source):
        self._there, self.source = there, source
        self._many = len(there.workers())
        self._deal()

    def _deal(self) -> None:
        """Always as many shares, so that sums have the same bits."""
        self._workers, key = self._there.workers(), f"emkit-blocks-{uuid4().hex[:12]}"
        self._holders: list[str] = []
        if isinstance(self.source, DaskSource):
            self.shares = self.source.shares(self._many, key)
        else:
            dealt = enumerate(futures.shares(self.source.parts(), self._many))
            self.shares = [self._load(share, f"{key}-{i}", self._workers[i % len(self._workers)]) for i, share in dealt]

    def _load(self, share: Sequence[Any], key: str, worker: str) -> Any:
        with warnings.catch_warnings():  # data in memory travel with the task, once: that is what was asked for
            warnings.filterwarnings("ignore", message="Sending large graph")
            submit = self._there.client.submit
            return submit(futures.load, share, key=key, workers=[worker], allow_other_workers=True, retries=2)

    def each(self, task: Callable[..., Any], *arguments: Any) -> list[Any]:
        """``task(*arguments, share)`` of each share as futures, on the worker that keeps it and nowhere else.

        Left to itself Dask would move a share to a worker that has nothing to do, and both would keep it from then on.
        """
        submit = self._there.client.submit
        pairs = zip(self.shares, self.holders, strict=True)
        return [submit(task, *arguments, share, pure=False, workers=[holder]) for share, holder in pairs]

    @property
    def holders(self) -> list[str]:
        """The worker that keeps each share, once all have been read."""
        if not self._holders:
            self._there.wait(self.shares, one_of=self._workers)
            where = self._there.client.who_has(self.shares)
            self._holders = [next(iter(where[share.key]), "") for share in self.shares]
        return self._holders

    def look_again(self) -> None:
        """Some holder is gone. Dask has its share read elsewhere, but not where all are gone: those that come are not asked."""
        self._holders = []
        if set(self._workers).isdisjoint(self._there.workers()):
            self._deal()
