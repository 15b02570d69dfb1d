"""Rows are gone through in slices whose temporaries stay in cache, whatever the number of columns and components."""

import tracemalloc
from collections.abc import Callable

import numpy as np
import pytest

from emkit import ArraySource, FiniteMixture, Gaussian, MultivariateT
from emkit.core.bayes import SLICE, slice_rows, slices
from emkit.core.memory import let_go


@pytest.mark.parametrize("n", [0, 1, 255, 256, 257, 10_000])
@pytest.mark.parametrize("width", [1, 64, 1000, 10**6])
def test_slices_are_all_rows_in_order(n: int, width: int) -> None:
    found = [i for part in slices(n, width) for i in range(n)[part]]
    assert found == list(range(n))


def test_the_more_numbers_a_row_makes_the_fewer_rows_at_a_time() -> None:
    assert slice_rows(1) == SLICE
    assert [slice_rows(w) * w for w in (64, 256, 1024)] == [2**18] * 3
    assert slice_rows(10**9) == 256


def _peak(call: Callable[[], object]) -> float:
    call()  # what is made once and kept is made now
    tracemalloc.start()
    try:
        tracemalloc.reset_peak()
        begin = tracemalloc.get_traced_memory()[0]
        call()
        return (tracemalloc.get_traced_memory()[1] - begin) / 1e6
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("family", [Gaussian(), MultivariateT()], ids=["Gaussian", "MultivariateT"])
def test_an_e_step_in_numpy_takes_little_memory_however_many_columns_there_are(family: Gaussian | MultivariateT) -> None:
    x = np.random.default_rng(0).normal(size=(8192, 40))
    source = ArraySource(x)
    model = FiniteMixture(family, 12).resolve(source)
    params = model.init(source, np.random.default_rng(0))
    block = source.joined()
    assert _peak(lambda: model.family.plain_pass(params.components, params.log_weights, block)) < 25.0  # all at once: 31 MB each


def test_many_mixtures_side_by_side_take_little_memory() -> None:
    x = np.random.default_rng(0).normal(size=(20_000, 16))
    source = ArraySource(x)
    model = FiniteMixture(Gaussian(), 16).resolve(source)
    side = model.side_by_side(source)
    assert side is not None
    params = side.init(source, side.seeds(source, np.random.default_rng(0).spawn(24)))
    assert _peak(lambda: side.e_step(params, source.joined())) < 30.0  # 384 components' differences of 4,096 rows: 201 MB


@pytest.mark.parametrize("family", [Gaussian(), MultivariateT()], ids=["Gaussian", "MultivariateT"])
@pytest.mark.parametrize(("asked", "most"), [("filled", 25.0), ("drawn", 15.0)])
def test_filling_in_takes_little_memory_however_many_rows_miss_the_same_cell(
    family: Gaussian | MultivariateT, asked: str, most: float
) -> None:
    x = np.random.default_rng(0).normal(size=(40_000, 12))
    x[20_000:, 3] = np.nan
    model = FiniteMixture(family, 8).resolve(ArraySource(x))
    of = model.init(ArraySource(x[19_000:21_000]), np.random.default_rng(0)).components
    component, rng = np.zeros(len(x), dtype=int), np.random.default_rng(0)

    def call() -> object:
        if asked == "drawn":
            return model.family.drawn(of, x, component, rng)
        return model.family.filled(of, x, np.full((len(x), 8), 0.125))

    assert _peak(call) < most  # the differences of 20,000 rows from 8 centres: 15 MB each; all rows themselves: 4 MB


def test_rows_that_miss_many_cells_take_little_memory() -> None:
    x = np.random.default_rng(0).normal(size=(1200, 60))
    x[np.random.default_rng(1).random(x.shape).argsort(axis=1) < 30] = np.nan
    source = ArraySource(x)
    model = FiniteMixture(Gaussian(), 4).resolve(source)
    params = model.init(source, np.random.default_rng(0))
    assert _peak(lambda: model.e_step(params, source.joined())) < 10.0  # covariances of 256 rows' missing cells: 7 MB each


def test_letting_go_can_be_asked_for_at_any_time() -> None:
    kept = np.arange(10_000.0)
    let_go()
    assert kept.sum() == 49_995_000.0
