"""Threads: the same bits for any number of them."""

import threading
import time

import numpy as np
import pytest

from emkit import ArraySource, Block, FiniteMixture, Gaussian, ParameterError, Source, Threads
from emkit.core.columns import Columns
from emkit.data.rows import block_bounds
from emkit.execute.threads import available_cores
from emkit.families.gaussian.shapes import COVARIANCE_TYPES


@pytest.fixture(scope="module", params=["complete", "missing"])
def large(request) -> ArraySource:
    """300,000 rows in several blocks."""
    rng = np.random.default_rng(0)
    n = 300_000
    x = rng.standard_normal((n, 2)) + 3.0 * rng.integers(0, 3, size=n)[:, None]
    if request.param == "missing":
        x[rng.random((n, 2)) < 0.1] = np.nan
    return ArraySource(x, checked=True)


@pytest.mark.parametrize("covariance_type", COVARIANCE_TYPES)
def test_same_bits(covariance_type, large):
    assert len(list(large)) > 3
    model = FiniteMixture(Gaussian(covariance_type), 3).resolve(large)
    params = model.init(large.sample(2000, np.random.default_rng(0)), np.random.default_rng(0))
    found = []
    for threads in (1, 2, 5):
        stats, log_likelihood = Threads(threads).map_reduce(lambda block: model.e_step(params, block), large)
        found.append((log_likelihood, *(value.tobytes() for value in stats.flatten().values())))
    assert found[0] == found[1] == found[2]


def test_blocks_depend_on_the_data_alone():
    """Of equal size up to a row, so that threads end together; a function of rows and columns and nothing else."""
    for n, d in [(1, 1), (4096, 2), (300_000, 2), (1_000_000, 16), (100_003, 64), (5000, 1000)]:
        bounds = block_bounds(n, d)
        sizes = np.diff(bounds)
        assert bounds[0] == 0 and bounds[-1] == n
        assert sizes.max() - sizes.min() <= 1 and sizes.min() > 0
        assert sizes.max() <= 65_536
    x = np.zeros((300_000, 2))
    assert [block.start for block in ArraySource(x, checked=True)] == block_bounds(300_000, 2)[:-1].tolist()
    assert block_bounds(4096, 2).tolist() == [0, 4096]  # small data are one block


class Given(Source):
    """A source of whatever parts."""

    columns = Columns.numbered(1)

    def __init__(self, parts):
        self._parts = tuple(parts)
        self.n_rows = len(self._parts)
        self.total_weight = float(self.n_rows)

    def parts(self):
        return self._parts

    def sample(self, n, rng):
        return self


def blocks(n: int) -> Source:
    return Given(Block(np.full((1, 1), float(i)), start=i) for i in range(n))


@pytest.mark.parametrize("threads", [1, 2, 5])
def test_results_come_in_the_order_of_the_blocks(threads):
    """Even when the first block takes longest."""
    done = threading.Event()

    def work(block):
        if block.start == 0 and threads > 1:
            done.wait(5.0)
        if block.start == 1:
            done.set()
        return block.start

    assert list(Threads(threads).map(work, blocks(20))) == list(range(20))


def test_only_a_few_blocks_are_in_flight():
    """A source may be larger than memory: parts are read as they are needed, in the threads."""
    readers = []

    class Part:
        def __init__(self, i):
            self.i = i

        def read(self):
            readers.append(threading.current_thread())
            return Block(np.full((1, 1), float(self.i)), start=self.i)

    results = Threads(2).map(lambda block: block.start, Given(Part(i) for i in range(100)))
    for _ in range(3):
        next(results)
    assert 3 <= len(readers) < 15
    assert threading.current_thread() not in readers
    results.close()


def test_no_blocks():
    assert list(Threads(2).map(lambda block: 1, Given([]))) == []


@pytest.mark.parametrize("threads", [1, 3])
def test_an_error_in_a_block_comes_out(threads):
    def work(block):
        if block.start == 3:
            raise ZeroDivisionError("block 3")
        return block.start

    executor = Threads(threads)
    with pytest.raises(ZeroDivisionError, match="block 3"):
        list(executor.map(work, blocks(10)))
    assert list(executor.map(lambda block: block.start, blocks(4))) == [0, 1, 2, 3]  # and the executor is as good as new


def test_threads_end_with_the_session():
    before = threading.active_count()
    executor = Threads(3)
    with executor.session():
        with executor.session():  # sessions nest
            list(executor.map(lambda block: time.sleep(0), blocks(10)))
        assert threading.active_count() > before
        list(executor.map(lambda block: None, blocks(10)))
    assert threading.active_count() == before


def test_blas_is_left_as_it_was_found():
    from threadpoolctl import threadpool_info

    def blas():
        return [info["num_threads"] for info in threadpool_info() if info["user_api"] == "blas"]

    before = blas()
    executor = Threads(2)
    inside = list(executor.map(lambda block: blas(), blocks(4)))
    assert all(set(counts) <= {1} for counts in inside)
    assert blas() == before


def test_number_of_threads(monkeypatch):
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    cores = available_cores()
    assert Threads().n_jobs == Threads(-1).n_jobs == cores
    assert Threads(7).n_jobs == 7
    assert Threads(-cores - 5).n_jobs == 1
    monkeypatch.setenv("OMP_NUM_THREADS", "1")  # what joblib sets in its workers
    assert available_cores() == 1
    for wrong in (0, 1.5, True, "two"):
        with pytest.raises(ParameterError, match="n_jobs"):
            Threads(wrong)
