"""Processes of this machine, each with one thread: for tasks so small that they are mostly Python."""

from collections.abc import Callable
from contextlib import suppress
from types import TracebackType
from typing import Any, Self
from weakref import WeakSet


class ProcessPool:
    """A pool of processes as a context, whose tasks are cancelled, and the processes ended, on Ctrl-C.

    So they are if a generator that uses it is closed before its end. The processes are kept for a minute for whoever comes next.

    Parameters
    ----------
    n : int
        Processes.
    """

    def __init__(self, n: int):
        # joblib's own pool: one that loky made without it cannot be used by joblib afterwards, by whomever.
        from joblib.executor import get_memmapping_executor

        self._pool = get_memmapping_executor(n, timeout=60)
        self._futures: WeakSet[Any] = WeakSet()  # what nobody waits for any more need not be kept

    def submit(self, fn: Callable[..., Any], *arguments: Any) -> Any:
        """A future of ``fn(*arguments)``; both travel by pickle."""
        future = self._pool.submit(_with_one_thread, fn, arguments)
        self._futures.add(future)
        return future

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        if kind is not None and issubclass(kind, KeyboardInterrupt | GeneratorExit):
            for future in list(self._futures):
                future.cancel()
            with suppress(Exception):
                self._pool.shutdown(wait=False, kill_workers=True)


def _with_one_thread(fn: Callable[..., Any], arguments: tuple[Any, ...]) -> Any:
    from threadpoolctl import threadpool_limits

    with threadpool_limits(limits=1):
        return fn(*arguments)
