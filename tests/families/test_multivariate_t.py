"""Multivariate t rows against scipy's density and scipy's optimum; missing cells by integration."""

import numpy as np
import pytest
from scipy import integrate, stats

from emkit import ArraySource, CollapseError, MultivariateT, StudentT
from support.datasets import faithful
from support.kinds import check_m_step, column, fitted, reaches, settled

PARAMS = MultivariateT.Params(
    np.array([[0.0, 1.0], [4.0, -2.0]]), np.array([[[2.0, 0.9], [0.9, 1.0]], [[1.0, 0.0], [0.0, 9.0]]]), np.array([3.0, 20.0])
)
X = MultivariateT().sample(PARAMS, np.random.default_rng(0).integers(2, size=80), np.random.default_rng(1))
HOLES = np.where(np.random.default_rng(2).random(X.shape) < 0.2, np.nan, X)


def test_density():
    expected = [stats.multivariate_t(m, s, df).logpdf(X) for m, s, df in zip(*PARAMS.flatten().values(), strict=True)]
    np.testing.assert_allclose(MultivariateT().log_prob(PARAMS, X), np.transpose(expected), rtol=1e-10)


def test_a_missing_cell_is_integrated_out():
    def density(y, k):
        return np.exp(MultivariateT().log_prob(PARAMS, np.array([[0.7, y]]))[0, k])

    expected = [integrate.quad(density, -np.inf, np.inf, args=(k,))[0] for k in (0, 1)]
    np.testing.assert_allclose(np.exp(MultivariateT().log_prob(PARAMS, np.array([[0.7, np.nan]]))[0]), expected, rtol=1e-6)


def test_moments_and_distribution_function():
    mean, variance = MultivariateT().moments(PARAMS)
    np.testing.assert_allclose(mean, PARAMS.locations)
    np.testing.assert_allclose(variance, [[6.0, 3.0], [20 / 18, 10.0]])
    one = MultivariateT.Params(np.array([[1.0]]), np.array([[[4.0]]]), np.array([3.0]))
    np.testing.assert_allclose(MultivariateT().cdf(one, np.array([[2.0]]))[0], stats.t(3.0, 1.0, 2.0).cdf([[2.0]]))


@pytest.mark.parametrize("x", [X, HOLES], ids=["complete", "missing"])
@pytest.mark.parametrize("settings", [{}, {"prior": None}, {"scale_type": "tied", "common_df": True}])
def test_m_step(x, settings):
    check_m_step(MultivariateT(**settings), x, rounds=400, within=1e-4)


@pytest.mark.parametrize("fixed", [{"locations": [[0.0, np.nan], [np.nan, np.nan]]}, {"scales": 2.0}, {"df": [4.0, np.nan]}])
def test_m_step_where_something_is_held(fixed):
    check_m_step(MultivariateT(fixed=fixed), X, rounds=400, within=1e-4)


def test_found_again():
    x = MultivariateT().sample(PARAMS, np.random.default_rng(0).choice(2, 4000, p=[0.7, 0.3]), np.random.default_rng(1))
    result = fitted(MultivariateT(), x)
    there = MultivariateT().permute(result.params.components, np.argsort(-result.params.weights))
    np.testing.assert_allclose(there.locations, PARAMS.locations, atol=0.2)
    np.testing.assert_allclose(there.scales, PARAMS.scales, rtol=0.15, atol=0.15)
    assert there.df[0] == pytest.approx(3.0, rel=0.2)


def test_one_column_is_student_t():
    """The same optimum, df common and own."""
    params = reaches("t, heavy tails, own df", MultivariateT, column("heavy_tails")).params.components
    np.testing.assert_allclose(np.sort(params.df), [2.4852, 33.678], rtol=1e-2)
    reaches("t, heavy tails, common df", MultivariateT, column("heavy_tails"), common_df=True)
    ours = fitted(MultivariateT(), faithful()[:, 1:]).log_likelihood
    assert ours == pytest.approx(fitted(StudentT(), faithful()[:, 1:]).log_likelihood, abs=1e-3)


def test_far_rows_do_not_pull():
    """A Gaussian would follow the outliers; and data with light tails end with df at infinity, which is said."""
    x = np.random.default_rng(0).uniform(-1.0, 1.0, size=(300, 2))
    result = fitted(MultivariateT(), x, 1)
    assert "df of component 0, runs to infinity" in result.model.remarks(result.params)[0]
    far = np.concatenate([x, [[50.0, 50.0]] * 10])
    assert np.abs(fitted(MultivariateT(), far, 1).params.components.locations).max() < 0.2


def test_without_a_prior_a_component_may_collapse():
    x = np.array([[0.0, 0.0], [1.0, 1.0], [2.0, 2.0], [5.0, 5.0], [7.0, 1.0]])
    family = MultivariateT(prior=None).resolve(ArraySource(x), 1)
    with pytest.raises(CollapseError):
        settled(family, family.anchor(1, 2), x, np.array([[1.0], [1.0], [1.0], [0.0], [0.0]]))


@pytest.mark.parametrize("family", [MultivariateT(), MultivariateT(scale_type="tied"), MultivariateT(prior=None)])
def test_a_scale_matrix_that_is_none_is_refused_beside_a_prior_too(family):
    """Accelerated steps may end there; they are to be shorter, not an error of linear algebra."""
    family = family.resolve(ArraySource(X), 2)
    good = family.anchor(2, 2)
    family.refuse_collapse(good)
    for bad in ([[1.0, 1.0], [1.0, 1.0 - 1e-12]], [[1.0, 0.0], [0.0, -1.0]], [[np.nan, 0.0], [0.0, 1.0]]):
        scales = good.scales.copy()
        scales[-1] = bad
        with pytest.raises(CollapseError):
            family.refuse_collapse(family.Params(good.locations, scales, good.df))
