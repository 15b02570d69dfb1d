"""Densities: against SciPy, under the array API, at extreme scales, and sampled."""

import array_api_strict
import numpy as np
import pytest
from scipy.stats import multivariate_normal

from emkit import ArraySource, Gaussian
from emkit.core.errors import ParameterError
from emkit.families.gaussian.params import GaussianParams, GaussianStats
from emkit.families.gaussian.shapes import COVARIANCE_TYPES, Covariance, whiten
from support.gaussians import dense, random_params

K, D = 3, 4


@pytest.mark.parametrize("covariance_type", COVARIANCE_TYPES)
def test_log_prob_is_scipys(covariance_type):
    params = random_params(covariance_type)
    x = np.random.default_rng(1).standard_normal((50, D))
    expected = np.stack([multivariate_normal(m, s).logpdf(x) for m, s in zip(params.means, dense(params), strict=True)], axis=1)
    np.testing.assert_allclose(Gaussian(covariance_type).log_prob(params, x), expected, rtol=1e-12)


@pytest.mark.parametrize("covariance_type", COVARIANCE_TYPES)
def test_array_api(covariance_type):
    """The NumPy twin uses nothing beyond the array API standard, so other array libraries can run it."""
    family, params = Gaussian(covariance_type), random_params(covariance_type)
    rng = np.random.default_rng(2)
    x, resp = rng.standard_normal((20, D)), rng.dirichlet(np.ones(K), 20)
    strict = [array_api_strict.asarray(a) for a in (x, resp)]
    log_prob = family.log_prob(params, strict[0])
    assert isinstance(log_prob, type(strict[0]))
    np.testing.assert_allclose(np.asarray(log_prob), family.log_prob(params, x), rtol=1e-14)
    found, expected = family.stats(params, *strict), family.stats(params, x, resp)
    for name in ("counts", "first", "second"):
        assert isinstance(getattr(found, name), type(strict[0]))
        np.testing.assert_allclose(np.asarray(getattr(found, name)), getattr(expected, name), rtol=1e-13, atol=1e-14)


@pytest.mark.parametrize("covariance_type", ["full", "diag"])
def test_array_api_float32(covariance_type):
    family, params = Gaussian(covariance_type), random_params(covariance_type)
    x = np.random.default_rng(2).standard_normal((20, D)).astype(np.float32)
    log_prob = family.log_prob(params, array_api_strict.asarray(x))
    assert log_prob.dtype == array_api_strict.float64  # float32 data, float64 arithmetic
    np.testing.assert_allclose(np.asarray(log_prob), family.log_prob(params, x), rtol=1e-14)


def test_units_of_columns_do_not_matter():
    """1e-12 beside 1e12: the density changes by the Jacobian and nothing else."""
    units = np.array([1e-12, 1.0, 1e12, 1e-3])
    x = np.random.default_rng(3).standard_normal((30, D))
    for covariance_type in ("full", "tied", "diag", "tied-diag"):
        params = random_params(covariance_type)
        square = units[:, None] * units if params.covariances.ndim == 3 else units**2
        scaled = GaussianParams(params.means * units, params.covariances * square)
        family = Gaussian(covariance_type)
        expected = family.log_prob(params, x) - np.log(units).sum()
        np.testing.assert_allclose(family.log_prob(scaled, x * units), expected, rtol=1e-11)


def test_a_matrix_that_is_not_positive_definite_has_no_density():
    good = np.eye(2)
    bad = np.array([[1.0, 2.0], [2.0, 1.0]])
    norm = whiten(np.stack([good, bad]), 2).log_norm
    assert norm[0] == pytest.approx(-np.log(2 * np.pi)) and np.isnan(norm[1])
    with pytest.raises(ParameterError, match="matrix 1 is not positive definite") as caught:
        Covariance(COVARIANCE_TYPES["full"]).check(np.stack([good, bad]), "fixed['covariances']", "covariances")
    assert caught.value.parameter == "covariances"


@pytest.mark.parametrize("covariance_type", COVARIANCE_TYPES)
def test_whitener(covariance_type):
    """Precisions, their diagonals, quadratic forms and traces, all against plain linear algebra."""
    params = random_params(covariance_type)
    full = dense(params)
    inverse = np.linalg.inv(full)
    whitener = params.whitener
    np.testing.assert_allclose(np.broadcast_to(-whitener.log_norm, (K,)), 0.5 * np.linalg.slogdet(2 * np.pi * full)[1], rtol=1e-12)
    v = np.random.default_rng(4).standard_normal((K, D))
    np.testing.assert_allclose(whitener.squared_norm(v), np.einsum("ki,kij,kj->k", v, inverse, v), rtol=1e-10)
    diagonal = np.broadcast_to(whitener.precisions_diagonal(), (K, D)) if whitener.scales is not None else None
    if diagonal is not None:
        np.testing.assert_allclose(diagonal, np.diagonal(inverse, axis1=1, axis2=2), rtol=1e-12)
    else:
        distinct = len(params.covariances)
        np.testing.assert_allclose(whitener.precisions(), inverse[:distinct], rtol=1e-9, atol=1e-12)
        np.testing.assert_allclose(whitener.precisions_diagonal(), np.diagonal(inverse, axis1=1, axis2=2)[:distinct], rtol=1e-9)
        scatter = full[0]
        np.testing.assert_allclose(whitener.trace_of(scatter), np.trace(scatter @ inverse[:distinct], axis1=1, axis2=2), rtol=1e-9)


@pytest.mark.parametrize(
    ("covariance_type", "form", "face", "free"),
    [
        ("full", (3, 4, 4), (3, 4, 4), 30),
        ("tied", (1, 4, 4), (4, 4), 10),
        ("diag", (3, 4), (3, 4), 12),
        ("spherical", (3, 1), (3,), 3),
        ("tied-diag", (1, 4), (4,), 4),
        ("tied-spherical", (1, 1), (), 1),
    ],
)
def test_shapes_of_covariances(covariance_type, form, face, free):
    shape = COVARIANCE_TYPES[covariance_type]
    assert shape.form(3, 4) == form
    family = Gaussian(covariance_type)
    means, covariances = family.parameters
    assert covariances.form({"K": 3, "d": 4}) == form
    assert covariances.domain.n_free(np.full(form, np.nan)) == free
    params = family.null(3, 4)
    assert params.covariances.shape == form
    assert family.shown(params)["covariances"].shape == covariances.show(params.covariances).shape == face
    assert means.show(params.means).shape == (3, 4)
    assert family.n_free(params) == 12 + free
    assert len(family.pack(params)) == 12 + free


@pytest.mark.parametrize("covariance_type", COVARIANCE_TYPES)
def test_a_number_means_that_variance_everywhere(covariance_type):
    value = Gaussian(covariance_type).parameters[1].read(4.0, {"K": 3, "d": 4}, "covariances", partial=False)
    params = GaussianParams(np.zeros((3, 4)), value)
    np.testing.assert_array_equal(dense(params), np.broadcast_to(4.0 * np.eye(4), (3, 4, 4)))


@pytest.mark.parametrize("covariance_type", COVARIANCE_TYPES)
def test_samples_have_the_moments(covariance_type):
    params = random_params(covariance_type)
    n = 20_000
    x = Gaussian(covariance_type).sample(params, np.repeat(np.arange(K), n), np.random.default_rng(5))
    for j in range(K):
        rows = x[j * n : (j + 1) * n]
        sd = np.sqrt(np.diag(dense(params)[j]))
        assert (np.abs(rows.mean(axis=0) - params.means[j]) < 5 * sd / np.sqrt(n)).all()
        np.testing.assert_allclose(np.cov(rows.T) / np.outer(sd, sd), dense(params)[j] / np.outer(sd, sd), atol=0.06)


def test_float32_far_from_the_origin():
    """Mean 1e6, sd 1, in float32 (whose spacing there is 1/16): moments about a pivot lose nothing of what the data hold."""
    rng = np.random.default_rng(6)
    x = (1e6 + rng.standard_normal((4000, 2)) * [1.0, 3.0]).astype(np.float32)
    family = Gaussian("full", prior=None).resolve(ArraySource(x), 1)
    params = family.anchor(1, 2)
    new = family.m_step(family.stats(params, x, np.ones((4000, 1))), params)
    exact = x.astype(np.float64)
    np.testing.assert_allclose(new.means[0], exact.mean(axis=0), rtol=1e-13)
    np.testing.assert_allclose(new.covariances[0], np.cov(exact.T, bias=True), rtol=1e-9, atol=1e-9)


def test_moments_move_to_another_pivot():
    """``about`` is exact algebra: the same data, moments taken about any point."""
    rng = np.random.default_rng(7)
    x, resp = rng.standard_normal((40, D)), rng.dirichlet(np.ones(K), 40)
    for covariance_type in COVARIANCE_TYPES:
        family, a, b = Gaussian(covariance_type), random_params(covariance_type, 1), random_params(covariance_type, 2)
        b = GaussianParams(b.means, a.covariances)
        moved = family.stats(a, x, resp).about(b.means)
        direct = family.stats(b, x, resp)
        np.testing.assert_allclose(moved.pack(), direct.pack(), atol=1e-11)
        assert moved.pivot is b.means


def test_statistics_about_different_pivots_add_up():
    """What online and incremental EM need: statistics from different iterations in one sum, in either order."""
    rng = np.random.default_rng(8)
    x, resp = rng.standard_normal((40, D)), rng.dirichlet(np.ones(K), 40)
    for covariance_type in COVARIANCE_TYPES:
        family, a, b = Gaussian(covariance_type, prior=None), random_params(covariance_type, 1), random_params(covariance_type, 2)
        first, second = family.stats(a, x[:15], resp[:15]), family.stats(b, x[15:], resp[15:])
        one, other = family.m_step(first + second, a), family.m_step(second + first, a)
        whole = family.m_step(family.stats(a, x, resp), a)
        for found in (one, other):
            np.testing.assert_allclose(found.means, whole.means, atol=1e-12)
            np.testing.assert_allclose(found.covariances, whole.covariances, atol=1e-12)


def test_statistics_without_second_moments():
    """With covariances fixed there is nothing to know about spread, and nothing is computed."""
    family = Gaussian("full", fixed={"covariances": 1.0})
    params = random_params("full")
    stats = family.stats(params, np.zeros((5, D)), np.full((5, K), 1 / K))
    assert stats.second is None
    assert isinstance(stats + stats, GaussianStats) and (stats + stats).second is None
    assert (stats * 2.0).about(np.ones((K, D))).second is None
