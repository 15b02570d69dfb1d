"""The compiled pass against its NumPy twin."""

import numpy as np
import pytest

from emkit import Gaussian
from emkit.core.block import Block
from emkit.families.gaussian.compiled import compiled_pass
from emkit.families.gaussian.params import GaussianParams
from emkit.families.gaussian.shapes import COVARIANCE_TYPES
from support.gaussians import unit_covariances

K = 3
LOG_WEIGHTS = np.log([0.2, 0.5, 0.3])
PRECISION = {np.float64: 1e-12, np.float32: 2e-5}


def problem(covariance_type: str, d: int, n: int, dtype: type = np.float64, weighted: bool = False, seed: int = 0):
    """A family, parameters and a block whose rows belong to every component a little."""
    rng = np.random.default_rng([d, n, seed])
    shape = COVARIANCE_TYPES[covariance_type]
    form = shape.form(K, d)
    if shape.matrix:
        a = rng.standard_normal((form[0], d, 2 * d + 2))
        covariances = a @ np.swapaxes(a, 1, 2) / (2 * d + 2) + 0.2 * np.eye(d)
    else:
        covariances = 0.5 + rng.gamma(2.0, 0.5, size=form)
    params = GaussianParams(rng.standard_normal((K, d)) * 0.5, covariances)
    x = rng.standard_normal((n, d)).astype(dtype)
    weights = rng.integers(0, 4, n).astype(dtype) if weighted else None
    return params, Block(x, weights, source_rows=10**9)


def check_pass(family, params, block, log_weights, rtol):
    """Statistics, rows and responsibilities, relative to sums of absolute contributions."""
    plain = family.plain_pass(params, log_weights, block)
    each = family.plain_pass(params, log_weights, block, rows=True, responsibilities=True)
    with_second = "covariances" not in family.fixed
    fast = compiled_pass(params, log_weights, block, with_second)
    size = block.total_weight * (1.0 + np.abs(block.x).max() ** 2 + np.abs(params.means).max() ** 2)
    assert fast.log_likelihood == pytest.approx(plain.log_likelihood, rel=rtol, abs=rtol * block.n)
    np.testing.assert_allclose(fast.counts, plain.counts, atol=rtol * block.total_weight)
    np.testing.assert_allclose(fast.stats.first, plain.stats.first, atol=rtol * size)
    if with_second:
        assert fast.stats.second.shape == plain.stats.second.shape
        np.testing.assert_allclose(fast.stats.second, plain.stats.second, atol=rtol * size)
        if fast.stats.second.ndim == 3:
            np.testing.assert_array_equal(fast.stats.second, np.swapaxes(fast.stats.second, 1, 2))
    else:
        assert fast.stats.second is None
    rows = compiled_pass(params, log_weights, block, with_second, rows=True)
    assert rows.stats is None and rows.rows.dtype == np.float64
    np.testing.assert_allclose(rows.rows, each.rows, rtol=10 * rtol, atol=10 * rtol)
    resp = compiled_pass(params, log_weights, block, with_second, responsibilities=True).responsibilities
    assert resp.dtype == block.x.dtype
    used = slice(None) if block.weights is None else block.weights > 0
    np.testing.assert_allclose(resp[used], each.responsibilities[used], atol=10 * rtol)


@pytest.mark.parametrize("with_second", [True, False], ids=["", "covariances fixed"])
@pytest.mark.parametrize("weighted", [False, True], ids=["", "weights"])
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("d", [1, 2, 3, 4, 5, 8, 17])
@pytest.mark.parametrize("covariance_type", COVARIANCE_TYPES)
def test_twin(covariance_type, d, dtype, weighted, with_second):
    params, block = problem(covariance_type, d, 300, dtype, weighted)
    fixed = {} if with_second else {"covariances": params.covariances}
    check_pass(Gaussian(covariance_type, fixed=fixed), params, block, LOG_WEIGHTS, PRECISION[dtype])


@pytest.mark.parametrize("n", [1, 2, 127, 128, 129, 255, 256, 257, 512, 1000])
@pytest.mark.parametrize("d", [2, 5, 33])
def test_partial_tiles(d, n):
    """Tiles hold 256 rows, or 128 above 32 columns; the last one is rarely full."""
    params, block = problem("full", d, n)
    check_pass(Gaussian("full"), params, block, LOG_WEIGHTS, 1e-12)


@pytest.mark.parametrize("covariance_type", COVARIANCE_TYPES)
def test_a_component_of_weight_zero(covariance_type):
    """Log weight -inf: nobody belongs to it, and nothing becomes NaN."""
    params, block = problem(covariance_type, 3, 300)
    with np.errstate(divide="ignore"):
        log_weights = np.log([0.4, 0.0, 0.6])
    check_pass(Gaussian(covariance_type), params, block, log_weights, 1e-12)
    fast = compiled_pass(params, log_weights, block, True)
    assert fast.counts[1] == 0.0 and not fast.stats.first[1].any()


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_rows_that_nothing_can_produce(dtype):
    """Every log weight -inf: log-likelihood -inf, responsibilities 0, statistics 0; and a weight of zero makes the row harmless."""
    params, block = problem("diag", 2, 10, dtype)
    nothing = np.full(K, -np.inf)
    fast = compiled_pass(params, nothing, block, True)
    assert fast.log_likelihood == -np.inf
    assert not fast.counts.any() and not fast.stats.pack().any()
    assert (compiled_pass(params, nothing, block, True, rows=True).rows == -np.inf).all()
    assert not compiled_pass(params, nothing, block, True, responsibilities=True).responsibilities.any()
    weightless = Block(block.x, np.zeros(10, dtype), source_rows=10**9)
    assert compiled_pass(params, nothing, weightless, True).log_likelihood == 0.0


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("covariance_type", ["full", "spherical"])
def test_clusters_so_far_apart_that_densities_underflow(covariance_type, dtype):
    """A thousand standard deviations between clusters: exp(-500,000) is no number, and no matter."""
    d = 2
    params = GaussianParams(np.array([[0.0, 0.0], [1000.0, 0.0], [0.0, 3000.0]]), unit_covariances(covariance_type, K, d))
    labels = np.arange(300) % K
    noise = np.random.default_rng(0).standard_normal((300, d))
    block = Block((params.means[labels] + noise).astype(dtype), source_rows=10**9)
    fast = compiled_pass(params, LOG_WEIGHTS, block, True)
    assert fast.counts.tolist() == [100, 100, 100]
    expected = LOG_WEIGHTS[labels] - 0.5 * (noise**2).sum(axis=1) - np.log(2 * np.pi)
    rows = compiled_pass(params, LOG_WEIGHTS, block, True, rows=True).rows
    np.testing.assert_allclose(rows, expected, atol=1e-9 if dtype == np.float64 else 2e-3)
    resp = compiled_pass(params, LOG_WEIGHTS, block, True, responsibilities=True).responsibilities
    assert np.array_equal(resp, np.eye(K)[labels])


def test_an_outlier_a_million_to_one():
    params, block = problem("full", 3, 300)
    block.x[17] = 1e6
    check_pass(Gaussian("full"), params, block, LOG_WEIGHTS, 1e-10)


@pytest.mark.parametrize("covariance_type", ["full", "diag", "spherical"])
def test_float32_far_from_the_origin(covariance_type):
    """Mean 1e6 + 1/3, sd 1, float32 data: means are handed over in two parts, so that differences are as exact as the data."""
    rng = np.random.default_rng(0)
    x = (1e6 + rng.standard_normal((1000, 3))).astype(np.float32)
    means = 1e6 + 1.0 / 3.0 + np.array([[0.0], [0.3], [-0.5]]) * np.ones(3)
    params = GaussianParams(means, unit_covariances(covariance_type, K, 3))
    block = Block(x, source_rows=10**9)
    plain = Gaussian(covariance_type).plain_pass(params, LOG_WEIGHTS, block)
    fast = compiled_pass(params, LOG_WEIGHTS, block, True)
    assert fast.log_likelihood == pytest.approx(plain.log_likelihood, rel=1e-6)
    np.testing.assert_allclose(fast.counts, plain.counts, rtol=1e-5)
    np.testing.assert_allclose(fast.stats.first, plain.stats.first, atol=2e-3)
    np.testing.assert_allclose(fast.stats.second, plain.stats.second, rtol=1e-4, atol=2e-3)


@pytest.mark.parametrize("covariance_type", ["full", "diag"])
def test_units_of_columns_do_not_matter(covariance_type):
    units = np.array([1e-12, 1.0, 1e12])
    params, block = problem(covariance_type, 3, 300)
    square = units[:, None] * units if params.covariances.ndim == 3 else units**2
    scaled = GaussianParams(params.means * units, params.covariances * square)
    a = compiled_pass(params, LOG_WEIGHTS, block, True)
    b = compiled_pass(scaled, LOG_WEIGHTS, Block(block.x * units, source_rows=10**9), True)
    np.testing.assert_allclose(b.counts, a.counts, rtol=1e-9)
    np.testing.assert_allclose(b.stats.first / units, a.stats.first, rtol=1e-8, atol=1e-9)
    assert b.log_likelihood == pytest.approx(a.log_likelihood - 300 * np.log(units).sum(), rel=1e-10)


def test_rows_that_are_not_contiguous():
    """A transposed or strided array is copied, not misread."""
    params, block = problem("full", 3, 400)
    for x in (np.asfortranarray(block.x), np.repeat(block.x, 2, axis=0)[::2], np.repeat(block.x, 2, axis=1)[:, ::2]):
        found = compiled_pass(params, LOG_WEIGHTS, Block(x, source_rows=10**9), True)
        assert found.log_likelihood == compiled_pass(params, LOG_WEIGHTS, block, True).log_likelihood


def test_what_a_family_chooses():
    """Small work stays with NumPy, large work is compiled, and the size of the whole source decides, not the block's."""
    from emkit.families.gaussian.road import road

    family = Gaussian("full")
    assert road(family.null(3, 2), Block(np.zeros((2000, 2))))[0] is not None
    assert road(family.null(8, 2), Block(np.zeros((10, 2)), source_rows=1_000_000)) == (None, True)
    assert road(family.null(8, 2), Block(np.zeros((10, 2)), source_rows=1_000_000, missing=True)) == (None, False)
    params, block = problem("full", 3, 300)
    large = family.joint_pass(params, LOG_WEIGHTS, block)
    assert large.log_likelihood == compiled_pass(params, LOG_WEIGHTS, block, True).log_likelihood
    small = family.joint_pass(params, LOG_WEIGHTS, Block(block.x, source_rows=300))
    assert small.log_likelihood == pytest.approx(large.log_likelihood, rel=1e-12)
