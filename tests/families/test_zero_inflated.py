"""Zero-inflated counts: enumerated probabilities, direct optimisation, R's pscl."""

import numpy as np
import pytest
from scipy import stats

import emkit
from emkit import ArraySource, Gaussian, NegativeBinomial, ParameterError, Poisson, ZeroInflated
from support.kinds import OPTIMA, check_m_step, column, fitted, total

FAMILY = ZeroInflated(Poisson())
PARAMS = ZeroInflated.Params(np.array([[0.3], [0.0]]), Poisson.Params(np.array([[2.0], [5.0]])))
X = np.random.default_rng(0).poisson([[2.0, 6.0]], size=(80, 2)) * (np.random.default_rng(1).random((80, 2)) < 0.6) * 1.0


def test_probabilities():
    x = np.array([[0.0], [1.0], [7.0], [np.nan]])
    expected = np.log(0.3 * (x == 0) + 0.7 * stats.poisson.pmf(x, 2.0))
    expected = np.concatenate([expected, stats.poisson.logpmf(x, 5.0)], axis=1)
    np.testing.assert_allclose(FAMILY.log_prob(PARAMS, x), np.where(np.isnan(x), 0.0, expected))
    np.testing.assert_allclose(total(FAMILY, PARAMS, counts=100), 1.0)


def test_moments_and_distribution_function():
    x = np.arange(60.0)[:, None]
    p = np.exp(FAMILY.log_prob(PARAMS, x))
    mean = (x * p).sum(axis=0)
    np.testing.assert_allclose(FAMILY.moments(PARAMS), [mean[:, None], (((x - mean) ** 2 * p).sum(axis=0))[:, None]])
    below, at = FAMILY.cdf(PARAMS, x)
    np.testing.assert_allclose(at, p.cumsum(axis=0))
    np.testing.assert_allclose(below, at - p, atol=1e-14)
    from_here, beyond = FAMILY.cdf(PARAMS, x, upper=True)
    np.testing.assert_allclose([from_here, beyond], [1 - below, 1 - at], atol=1e-14)


@pytest.mark.parametrize("family", [FAMILY, ZeroInflated(NegativeBinomial()), ZeroInflated(Poisson(), fixed={"zeros": 0.2})])
def test_m_step(family):
    check_m_step(family, X, within=1e-5)


def test_found_again():
    params = ZeroInflated.Params(np.array([[0.2], [0.6]]), Poisson.Params(np.array([[20.0], [3.0]])))
    x = FAMILY.sample(params, np.repeat([0, 1], 3000), np.random.default_rng(0))
    family = FAMILY.resolve(ArraySource(x), 2)
    resp = np.repeat(np.eye(2), 3000, axis=0)
    there = family.from_partition(x, resp, np.random.default_rng(0))
    for _ in range(100):
        there = family.update(family.stats(there, x, resp), there)
    np.testing.assert_allclose(there.zeros, params.zeros, atol=0.03)
    np.testing.assert_allclose(there.counts.rates, params.counts.rates, rtol=0.03)


def test_poisson_counts_of_articles():
    """R's pscl: -1679.39108421, probability of a structural zero .20662, rate 2.13377."""
    result = fitted(FAMILY, column("biochemists_art"), 1, tol=1e-6)
    assert result.log_likelihood >= OPTIMA["zero-inflated Poisson, art"]["log_likelihood"] - 1e-4
    assert result.n_free == 2
    np.testing.assert_allclose(result.params.components.zeros, 0.20662, atol=1e-4)
    np.testing.assert_allclose(result.params.components.counts.rates, 2.13377, atol=1e-4)


def test_no_structural_zeros():
    """Negative binomial counts need none: their probability runs to 0, and nothing breaks."""
    result = fitted(ZeroInflated(NegativeBinomial()), column("biochemists_art"), 1)
    assert result.log_likelihood >= OPTIMA["zero-inflated negative binomial, art"]["log_likelihood"] - 1e-3
    assert result.converged
    assert result.params.components.zeros[0, 0] < 1e-2
    on = fitted(ZeroInflated(NegativeBinomial()), column("biochemists_art"), 1, tol=1e-5)
    assert on.log_likelihood >= OPTIMA["zero-inflated negative binomial, art"]["log_likelihood"] - 1e-4


def test_names_in_an_estimator():
    hmm = emkit.HMM(2, emission=FAMILY, random_state=0).fit(column("biochemists_art"))
    assert hmm.zeros_.shape == hmm.rates_.shape == (2, 1)


@pytest.mark.parametrize("family", [Gaussian(), Gaussian("diag"), "poisson"])
def test_only_counts(family):
    with pytest.raises(ParameterError, match="independent columns of counts"):
        ZeroInflated(family)
