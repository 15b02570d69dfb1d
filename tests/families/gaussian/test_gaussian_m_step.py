"""The M-step: the argmax of the penalised Q, for every covariance shape and prior; fixed values; collapse."""

import numpy as np
import pytest

from emkit import ArraySource, CollapseError, DataError, Gaussian, GaussianPrior, NormalInverseWishart, ParameterError
from emkit.families.gaussian.params import GaussianParams
from emkit.families.gaussian.prior import weak_prior
from emkit.families.gaussian.shapes import COVARIANCE_TYPES
from support.gaussians import random_params, unit_covariances

K, D, N = 3, 4, 60
PRIORS = {
    "weak": "weak",
    "NIW": NormalInverseWishart(df=8, scale=np.diag([1.0, 2.0, 0.5, 1.5]) + 0.2, mean=[1.0, 0.0, -1.0, 2.0], mean_mass=2.0),
    "flat on means": NormalInverseWishart(df=8, scale=1.0),
    "none": None,
}


def problem(covariance_type, prior, fixed=()):
    rng = np.random.default_rng(11)
    x = rng.standard_normal((N, D)) * [1.0, 2.0, 3.0, 0.5] + 1.0
    params = random_params(covariance_type)
    values = {name: getattr(params, name) for name in fixed}
    family = Gaussian(covariance_type, PRIORS[prior], fixed=values).resolve(ArraySource(x), K)
    return family, params, x, rng.dirichlet(np.ones(K), N) * rng.gamma(2.0, size=(N, 1))


@pytest.mark.parametrize("fixed", [(), ("means",), ("covariances",)], ids=["free", "means fixed", "covariances fixed"])
@pytest.mark.parametrize("prior", PRIORS)
@pytest.mark.parametrize("covariance_type", COVARIANCE_TYPES)
def test_argmax(covariance_type, prior, fixed):
    """No small move in any direction improves the expected log posterior."""
    family, params, x, resp = problem(covariance_type, prior, fixed)

    def q(p):
        return float(np.sum(resp * family.log_prob(p, x))) + family.log_prior(p)

    best = family.m_step(family.stats(params, x, resp), params)
    vector, top = family.pack(best), q(best)
    assert top >= q(params)
    rng = np.random.default_rng(12)
    for size in (1e-1, 1e-2, 1e-3):
        for _ in range(20):
            moved = family.unpack(vector + size * rng.standard_normal(len(vector)), best)
            assert q(moved) < top
    for name in fixed:
        assert np.array_equal(getattr(best, name), getattr(params, name))


@pytest.mark.parametrize("covariance_type", COVARIANCE_TYPES)
def test_maximum_likelihood_is_the_textbook(covariance_type):
    """Weighted means, and scatter pooled in the way the shape says."""
    family, params, x, resp = problem(covariance_type, "none")
    new = family.m_step(family.stats(params, x, resp), params)
    counts = resp.sum(axis=0)
    means = (resp.T @ x) / counts[:, None]
    scatter = np.stack([(resp[:, j, None] * (x - means[j])).T @ (x - means[j]) for j in range(K)])
    shape = COVARIANCE_TYPES[covariance_type]
    if shape.shared:
        scatter, counts = scatter.sum(axis=0, keepdims=True), counts.sum(keepdims=True)
    expected = scatter / counts[:, None, None]
    if not shape.matrix:
        expected = np.diagonal(expected, axis1=1, axis2=2)
        expected = expected.mean(axis=1, keepdims=True) if shape.pooled else expected
    np.testing.assert_allclose(new.means, means, rtol=1e-12)
    np.testing.assert_allclose(new.covariances, expected, rtol=1e-11, atol=1e-12)


def test_normal_inverse_wishart_is_murphys():
    """Posterior mode of the means and covariance (Murphy 2012, section 4.6.3: S_N over nu_N + d + 2)."""
    prior = PRIORS["NIW"]
    family, params, x, resp = problem("full", "NIW")
    new = family.m_step(family.stats(params, x, resp), params)
    n = resp.sum(axis=0)
    for j in range(K):
        mean = resp[:, j] @ x / n[j]
        m0, k0 = np.asarray(prior.mean), prior.mean_mass
        m_n = (k0 * m0 + n[j] * mean) / (k0 + n[j])
        scatter = (resp[:, j, None] * (x - mean)).T @ (x - mean)
        s_n = prior.scale + scatter + k0 * n[j] / (k0 + n[j]) * np.outer(mean - m0, mean - m0)
        np.testing.assert_allclose(new.means[j], m_n, rtol=1e-12)
        np.testing.assert_allclose(new.covariances[j], s_n / (prior.df + n[j] + D + 2), rtol=1e-11)


def test_weak_prior_is_weak_and_scale_free():
    """2/n pseudo-observations of the columns' variances: the penalty of Chen and Tan (2009) with a_n = 1/n."""
    prior = weak_prior(np.array([1.0, 4.0]), 100.0)
    assert prior.mass == pytest.approx(0.02)
    np.testing.assert_allclose(prior.scatter, [0.02, 0.08])
    np.testing.assert_array_equal(prior.matrix, np.diag(prior.scatter))
    for covariance_type in COVARIANCE_TYPES:
        family, params, x, resp = problem(covariance_type, "weak")
        stats = family.stats(params, x, resp)
        plain, _, _, _ = problem(covariance_type, "none")
        np.testing.assert_allclose(family.m_step(stats, params).covariances, plain.m_step(stats, params).covariances, atol=0.02)


def test_an_empty_component_stays_where_it_is():
    family, params, x, resp = problem("full", "none")
    resp[:, 1] = 0.0
    new = family.m_step(family.stats(params, x, resp), params)
    np.testing.assert_array_equal(new.means[1], params.means[1])
    np.testing.assert_allclose(new.covariances[1], params.covariances[1], rtol=1e-15)


@pytest.mark.parametrize("covariance_type", ["full", "diag", "spherical"])
def test_a_component_on_one_point(covariance_type):
    """Under maximum likelihood that is a CollapseError naming the component; under the default prior it is nothing special."""
    family, params, x, resp = problem(covariance_type, "none")
    resp[:] = np.eye(K)[np.arange(N) % 2]
    resp[0] = [0.0, 0.0, 1.0]
    stats = family.stats(params, x, resp)
    with pytest.raises(CollapseError, match="component 2 is singular"):
        family.m_step(stats, params)
    family, params, x, _ = problem(covariance_type, "weak")
    new = family.m_step(family.stats(params, x, resp), params)
    assert np.isfinite(family.log_prob(new, x)).all()
    np.testing.assert_allclose(new.means[2], x[0], rtol=1e-12)


def test_rows_on_a_line():
    """Correlation one: singular though every variance is fine."""
    x = np.linspace(0, 1, 30)[:, None] * [1.0, 2.0]
    source = ArraySource(x)
    family = Gaussian("full", prior=None).resolve(source, 1)
    params = family.anchor(1, 2)
    with pytest.raises(CollapseError):
        family.m_step(family.stats(params, x, np.ones((30, 1))), params)
    family = Gaussian("full").resolve(source, 1)
    new = family.m_step(family.stats(params, x, np.ones((30, 1))), params)
    assert np.isfinite(family.log_prob(new, x)).all()


def test_fixed_values_are_not_free():
    means, x = np.zeros((K, D)), np.random.default_rng(0).standard_normal((20, D))
    source = ArraySource(x)
    counts = {
        (): K * D + K * D * (D + 1) // 2,
        ("means",): K * D * (D + 1) // 2,
        ("covariances",): K * D,
        ("means", "covariances"): 0,
    }
    for names, free in counts.items():
        fixed = {"means": means, "covariances": 2.0}
        family = Gaussian("full", fixed={name: fixed[name] for name in names}).resolve(source, K)
        params = family.put_back(family.anchor(K, D))
        assert family.n_free(params) == free == len(family.pack(params))


def test_fixed_covariances_in_the_face_of_each_type():
    source = ArraySource(np.random.default_rng(0).standard_normal((20, 2)))
    matrix = [[2.0, 0.5], [0.5, 1.0]]
    faces = {
        "full": [matrix, matrix],
        "tied": matrix,
        "diag": [[1.0, 2.0], [3.0, 4.0]],
        "spherical": [1.0, 2.0],
        "tied-diag": [1.0, 2.0],
        "tied-spherical": 3.0,
    }
    for covariance_type, value in faces.items():
        family = Gaussian(covariance_type, fixed={"covariances": value}).resolve(source, 2)
        assert family.fixed["covariances"].shape == COVARIANCE_TYPES[covariance_type].form(2, 2)
        assert np.array_equal(family.fixed["covariances"].ravel(), np.ravel(value))


def test_refusals_name_what_is_wrong():
    x = np.random.default_rng(0).standard_normal((20, 2))
    source = ArraySource(x, columns=("height", "width"))
    with pytest.raises(ParameterError, match="'full', 'tied', 'diag'"):
        Gaussian("round")
    with pytest.raises(ParameterError, match=r"fixed=\['mean'\]"):
        Gaussian(fixed={"mean": 1})
    with pytest.raises(ParameterError, match="prior='strong'"):
        Gaussian(prior="strong")
    with pytest.raises(ParameterError, match=r"shape \(2,\), expected \(3, 2\)"):
        Gaussian(fixed={"means": [0.0, 1.0]}).resolve(source, 3)
    with pytest.raises(ParameterError, match=r"df=0\.5 must exceed"):
        Gaussian(prior=NormalInverseWishart(0.5, 1.0)).resolve(source, 2)
    with pytest.raises(ParameterError, match="not resolved"):
        Gaussian().log_prior(random_params("full"))
    x[:, 1] = 3.0
    source = ArraySource(x, columns=("height", "width"))
    with pytest.raises(DataError, match="column 'width' is constant") as caught:
        Gaussian("diag").resolve(source, 2)
    assert caught.value.column == "width"
    Gaussian("spherical").resolve(source, 2)  # one variance for all columns: a constant one does no harm
    Gaussian("diag", fixed={"covariances": 1.0}).resolve(source, 2)
    Gaussian("diag", prior=NormalInverseWishart(4, 1.0)).resolve(source, 2)


def test_pseudo_observations_are_observations():
    """A prior made of m rows' moments gives what those rows would have given: for one normal with known mean, exactly."""
    rng = np.random.default_rng(13)
    x, extra = rng.standard_normal((30, 2)), rng.standard_normal((10, 2))
    both = np.concatenate([x, extra])
    mean = np.zeros((1, 2))
    for covariance_type in COVARIANCE_TYPES:
        prior = GaussianPrior(10.0, extra.T @ extra)
        with_prior = Gaussian(covariance_type, prior, fixed={"means": mean}).resolve(ArraySource(x), 1)
        plain = Gaussian(covariance_type, None, fixed={"means": mean}).resolve(ArraySource(both), 1)
        start = GaussianParams(mean, unit_covariances(covariance_type, 1, 2))
        a = with_prior.m_step(with_prior.stats(start, x, np.ones((30, 1))), start)
        b = plain.m_step(plain.stats(start, both, np.ones((40, 1))), start)
        np.testing.assert_allclose(a.covariances, b.covariances, rtol=1e-12)
