"""What executors on clusters have in common."""

import pickle

import numpy as np
import pytest

from emkit import Block, ClusterError, Threads
from emkit.execute import futures
from support.cluster import Files, Names, problem, rows


@pytest.mark.parametrize(("parts", "workers", "expected"), [(7, 3, [2, 3, 2]), (2, 5, [1, 1]), (4, 1, [4]), (0, 3, [0])])
def test_shares_are_consecutive_and_about_equal(parts, workers, expected):
    dealt = futures.shares(list(range(parts)), workers)
    assert [len(share) for share in dealt] == expected
    assert [part for share in dealt for part in share] == list(range(parts))


@pytest.mark.parametrize("many", [1, 16, 17, 300, 5000])
def test_the_tree_keeps_the_order_and_its_fan_in(many):
    added = []

    def add_up(few):
        added.append(len(few))
        return futures.add(few)

    names, total = futures.add(futures.level([(Names(f"{i} "), 1.0) for i in range(many)], add_up))
    assert names.names.split() == [str(i) for i in range(many)] and total == many
    assert max(added, default=0) <= 16
    assert len(added) == {1: 0, 16: 0, 17: 2, 300: 19 + 2, 5000: 313 + 20 + 2}[many]


def test_shares_without_blocks_add_nothing():
    assert futures.work(lambda block: (1.0, 1.0), futures.load([])) == (None, 0.0)
    assert futures.add([(None, 0.0), (2.0, 1.0), (None, 0.0), (3.0, 1.0)]) == (5.0, 2.0)


def test_blocks_say_how_large_they_are():
    blocks = futures.Blocks([Block(np.zeros((100, 3)), weights=np.ones(100)), Block(np.zeros((10, 3), np.float32))])
    assert blocks.nbytes == 100 * 4 * 8 + 120
    assert blocks.__sizeof__() >= blocks.nbytes


@pytest.mark.parametrize("threads", [1, 3])
def test_a_share_has_the_same_bits_on_any_number_of_threads(threads):
    step, source = problem("mixture")
    stats, log_likelihood = futures.work(step, futures.load(source.parts()), threads)
    expected, same = Threads(1).map_reduce(step, source)
    assert stats.pack().tobytes() == expected.pack().tobytes() and log_likelihood == same


def test_blas_keeps_to_one_thread_on_a_worker():
    from threadpoolctl import threadpool_info

    def blas(block):
        return [info["num_threads"] for info in threadpool_info() if info["user_api"] == "blas"]

    _, source = problem("mixture")
    for one_share in (source.parts()[:1], source.parts()):  # an only block, too
        for counts in futures.work_each(blas, futures.load(one_share)):
            assert set(counts) == {1}


def test_what_travels_is_small(tmp_path):
    step, _ = problem("mixture")
    source = Files(tmp_path, np.array_split(rows(), 6))
    assert len(pickle.dumps(step)) < 10_000
    assert len(pickle.dumps(futures.shares(source.parts(), 2))) < 2_000


def test_versions_that_differ_are_named_and_so_is_a_worker_without():
    here = futures.versions()
    futures.refuse_other_versions({"a": here})
    with pytest.raises(
        ClusterError, match=f"worker b has numba 0.1 where this process has numba {here['numba']}; install the same"
    ):
        futures.refuse_other_versions({"a": here, "b": {**here, "numba": "0.1"}})
    with pytest.raises(ClusterError, match="worker c cannot import emkit: No module named 'emkit'"):
        futures.refuse_other_versions({"c": "No module named 'emkit'"})
