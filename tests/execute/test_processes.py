"""Processes that share out small tasks."""

import os
import time

import pytest
from threadpoolctl import threadpool_info

from emkit.execute.processes import ProcessPool


def where_and_threads(n):
    import numpy as np

    np.ones((2, 2)) @ np.ones((2, 2))  # which loads BLAS
    return n, os.getpid(), [pool["num_threads"] for pool in threadpool_info()]


def test_tasks_are_done_elsewhere_with_one_thread_each():
    with ProcessPool(2) as pool:
        futures = [pool.submit(where_and_threads, n) for n in range(5)]
        found = [future.result() for future in futures]
    assert [n for n, _, _ in found] == [0, 1, 2, 3, 4]
    assert all(pid != os.getpid() and set(threads) <= {1} for _, pid, threads in found)


def begun(futures, pool):
    """A generator that is closed by whoever has seen enough."""
    with pool:
        for future in futures:
            yield future.result()


@pytest.mark.parametrize("closed", [True, False])
def test_what_waits_is_cancelled_on_interrupts_and_where_nobody_asks_on(closed):
    pool = ProcessPool(1)
    futures = [pool.submit(abs, -3), *(pool.submit(time.sleep, 600) for _ in range(8))]
    waiting = begun(futures, pool)
    assert next(waiting) == 3
    if closed:
        waiting.close()
    else:
        with pytest.raises(KeyboardInterrupt):
            waiting.throw(KeyboardInterrupt())
    assert futures[-1].cancelled()
    with ProcessPool(1) as pool:  # a later one is not harmed
        assert pool.submit(abs, -4).result() == 4
