"""Negative binomial columns against scipy's probabilities and scipy's optimum; sizes that run to infinity."""

import numpy as np
import pytest
from scipy import stats

import emkit
from emkit import ArraySource, DataError, NegativeBinomial, Poisson
from support.kinds import check_m_step, column, fitted, found_again, reaches, total

PARAMS = NegativeBinomial.Params(np.array([[0.7], [30.0]]), np.array([[0.2], [5.0]]))
X = np.random.default_rng(0).negative_binomial([[2, 1]], [[0.4, 0.1]], size=(80, 2)).astype(float)


def scipys(params):
    return stats.nbinom(params.sizes.T, params.sizes.T / (params.sizes.T + params.means.T))


def test_probabilities():
    x, there = np.array([[0.0], [1.0], [7.0], [60.0]]), scipys(PARAMS)
    np.testing.assert_allclose(NegativeBinomial().log_prob(PARAMS, x), there.logpmf(x), rtol=1e-11)
    np.testing.assert_allclose(total(NegativeBinomial(), PARAMS, counts=1000), 1.0, rtol=1e-8)
    np.testing.assert_allclose(NegativeBinomial().moments(PARAMS), [there.mean().T, there.var().T])
    below, at = NegativeBinomial().cdf(PARAMS, x)
    np.testing.assert_allclose([below, at], [there.cdf(x - 1), there.cdf(x)])
    np.testing.assert_allclose(NegativeBinomial().cdf(PARAMS, x, upper=True)[1], there.sf(x))


def test_a_large_size_is_poisson():
    x = np.array([[0.0], [3.0], [50.0]])
    found = NegativeBinomial().log_prob(NegativeBinomial.Params(np.array([[4.0]]), np.array([[1e12]])), x)
    np.testing.assert_allclose(found, Poisson().log_prob(Poisson.Params(np.array([[4.0]])), x), rtol=1e-9)


@pytest.mark.parametrize("fixed", [{}, {"means": [[2.0, np.nan], [np.nan, 9.0]]}, {"sizes": 2.0 * np.ones((2, 2))}])
def test_m_step(fixed):
    check_m_step(NegativeBinomial(fixed=fixed), X)


def test_found_again():
    found_again(NegativeBinomial(), NegativeBinomial.Params(np.array([[40.0], [3.0]]), np.array([[8.0], [1.5]])), 0.2)


def test_one_component_is_glm_nb():
    """R's glm.nb: -559.133481349, theta 1.066785."""
    sizes = reaches("negative binomial, quine, K=1", NegativeBinomial, column("quine_days"), 1).params.components.sizes
    assert sizes[0, 0] == pytest.approx(1.066785, abs=1e-4)


@pytest.mark.parametrize("weights", [None, column("quine_weights")[:, 0]])
def test_best_known_mixture(weights):
    case = "negative binomial, quine, K=2" + ("" if weights is None else ", weights")
    reaches(case, NegativeBinomial, column("quine_days"), weights=weights)


def test_poisson_counts_end_as_poisson_and_it_says_so():
    x = np.random.default_rng(0).poisson(3.0, (500, 1)).astype(float)
    result = fitted(NegativeBinomial(), x, 1)
    assert result.converged
    assert result.log_likelihood == pytest.approx(fitted(Poisson(), x, 1).log_likelihood, abs=1e-3)
    assert "size of component 0, column 0, runs to infinity" in result.model.remarks(result.params)[0]
    hmm = emkit.HMM(1, emission="negative_binomial", random_state=0).fit(x)
    assert "note: the size of component 0, column 0, runs to infinity" in hmm.summary()


def test_cells_must_be_counts():
    with pytest.raises(DataError, match=r"row 1 is 0.5, expected a count"):
        NegativeBinomial().resolve(ArraySource(np.array([[1.0], [0.5]])), 1)
