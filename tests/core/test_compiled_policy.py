"""When compiled code is worth loading: one policy that weighs a whole fit, a function of the data's shape alone."""

import numpy as np
import pytest

from emkit.core.block import Block
from emkit.core.compiled import PASSES, compiling, worth_compiling
from emkit.families.gaussian.family import Gaussian
from emkit.families.gaussian.road import road
from emkit.models.hmm.steps import worth_compiled_recursions


def test_what_is_saved_in_all_passes_counts():
    assert not worth_compiling(1e6)
    assert worth_compiling(1e6, passes=10 * PASSES)
    assert worth_compiling(1e9)
    assert not worth_compiling(1e9, 1e9 - 1.0)
    assert not worth_compiling(1e12, 2e12)


def test_tests_may_have_it_their_way():
    with compiling(True):
        assert worth_compiling(1.0, 2.0)
        with compiling(False):
            assert not worth_compiling(1e12)
        assert worth_compiling(1.0)
    assert not worth_compiling(1.0)


def test_it_does_not_depend_on_what_is_loaded():
    """Else a fit would have other bits after another fit, and ``score`` other bits than the fit."""
    before = worth_compiling(1e6), worth_compiling(1e7)
    import emkit.kernels.gaussian  # noqa: F401

    assert (worth_compiling(1e6), worth_compiling(1e7)) == before


def choices(decide, sizes):
    return [decide(int(n)) for n in sizes]


@pytest.mark.parametrize("k", [1, 2, 3, 5, 8, 16])
@pytest.mark.parametrize("stepwise", [False, True])
def test_hmm_recursions_are_compiled_from_some_length_on(k, stepwise):
    """One sequence: monotone in its length, and no change anywhere near 330 steps with few states, where there was a cliff."""

    def decide(n):
        block = Block(np.zeros((1, 1)), lengths=np.array([n]), source_rows=n)
        return worth_compiled_recursions(block, k, stepwise=stepwise)

    found = choices(decide, np.geomspace(2, 3e6, 200))
    assert found == sorted(found)
    assert found[-1] or k == 1
    if k <= 5 and not stepwise:
        assert not any(choices(decide, (100, 330, 340, 1000, 2000)))


@pytest.mark.parametrize("kind", ["full", "tied", "diag", "spherical"])
@pytest.mark.parametrize("d", [1, 2, 4, 8, 20])
def test_gaussians_are_compiled_from_some_size_on(kind, d):
    """Features, then compiled code; never differences in NumPy in between where a pass of them takes long."""
    params = Gaussian(kind).null(5, d)
    tiny = np.random.default_rng(0).standard_normal((10, d))

    def decide(n):
        taken, compiled = road(params, Block(tiny, source_rows=n))
        assert taken is not None or compiled or n * d < 1000
        return compiled

    found = choices(decide, np.geomspace(10, 1e8, 120))
    assert found == sorted(found)
    assert found[-1]


def test_two_thousand_rows_and_twenty_thousand_need_no_kernel():
    rng = np.random.default_rng(0)
    for n, d, k in ((150, 4, 3), (2000, 2, 3), (2000, 8, 6), (20_000, 4, 5)):
        taken, compiled = road(Gaussian("full").null(k, d), Block(rng.standard_normal((50, d)), source_rows=n))
        assert taken is not None and not compiled


def test_where_digits_would_not_last_large_data_are_compiled():
    """What features cannot do falls to compiled code or to NumPy's differences, whichever the amount of work asks for."""
    params = Gaussian("full").null(5, 4)
    x = np.random.default_rng(0).standard_normal((50, 4)) + 1e5
    assert road(params, Block(x, source_rows=100)) == (None, False)
    assert road(params, Block(x, source_rows=100_000)) == (None, True)
