"""A client of a Dask cluster, whose many ways of saying that the cluster is gone become one."""

import time
from collections.abc import Callable, Sequence
from concurrent.futures import CancelledError
from contextlib import suppress
from typing import Any

from emkit.core.errors import ClusterError, EmkitError, ParameterError
from emkit.execute.futures import not_installed

_LOOK = 0.5  # seconds after which to see whether the workers are there still


class Connection:
    """``client`` with what an executor asks of it.

    Parameters
    ----------
    client : distributed.Client or str
        The cluster, or the address of its scheduler.
    patience : float
        Seconds to wait for a worker when there is none.
    """

    def __init__(self, client: Any, patience: float):
        self.client, self.patience = _client(client), patience
        self.address = str(self.client.scheduler.address)

    @property
    def is_up(self) -> bool:
        """Whether there is a scheduler, as far as the client knows."""
        return bool(self.client.status == "running")

    def ask(self, what: Callable[[], Any]) -> Any:
        """What ``what()`` gives. Errors of a task come out, and CancelledError where something was lost that can be sent again."""
        from distributed.comm.core import CommClosedError
        from distributed.scheduler import KilledWorker

        try:
            return what()
        except (EmkitError, CancelledError):
            raise
        except KilledWorker as error:
            raise ClusterError(f"several workers in a row died of the same task: {error}") from error
        except (CommClosedError, ConnectionError, TimeoutError) as error:
            raise self.gone(error) from error
        except Exception as error:  # a client without a scheduler fails in many ways
            if self.is_up:
                raise
            raise self.gone(error) from error

    def gone(self, error: BaseException) -> ClusterError:
        """The error that says so."""
        said = str(error).strip().splitlines() or [type(error).__name__]
        return ClusterError(f"the Dask cluster at {self.address} is gone ({said[0]})")

    def workers(self) -> list[str]:
        """Addresses. Raises ClusterError if there is none for longer than patience allows."""
        until = time.monotonic() + self.patience
        while not (found := sorted(self.ask(self.client.ncores))):
            if time.monotonic() > until:
                raise ClusterError(f"the Dask cluster at {self.address} has had no worker for {self.patience:g} s")
            time.sleep(0.1)
        return found

    def gathered(self, futures: Any, holders: Sequence[str]) -> Any:
        """Results, once they are there."""
        self.wait(futures, holders)
        return self.client.gather(futures, direct=False)

    def wait(self, futures: Any, holders: Sequence[str] = (), one_of: Sequence[str] = ()) -> None:
        """Until all are done. Raises CancelledError if one of these workers is lost, or if all of ``one_of`` are."""
        from distributed import wait

        while True:
            with suppress(TimeoutError), self.client.as_current():
                wait(futures, timeout=_LOOK)
                return
            there = set(self.workers())
            if not there.issuperset(holders) or (one_of and there.isdisjoint(one_of)):
                raise CancelledError("a worker is lost")


def _client(client: Any) -> Any:
    try:
        from distributed import Client
    except ImportError:
        raise not_installed("Dask's distributed", "dask") from None
    if isinstance(client, str):
        try:
            return Client(client, set_as_default=False)
        except (OSError, TimeoutError, ValueError) as error:
            raise ClusterError(f"there is no Dask scheduler at {client!r}: {error}") from error
    if not isinstance(client, Client):
        raise ParameterError(f"client={client!r}: give a distributed.Client, or the address of a scheduler", parameter="executor")
    return client
