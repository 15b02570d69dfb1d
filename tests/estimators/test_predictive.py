"""Mixtures of normal distributions of a target: what they say agrees with each other, and with halving an interval."""

import numpy as np
import pytest

from emkit import ParameterError
from emkit.estimators.predictive import PredictiveDistribution


def some(n=60, k=4, apart=3.0, points=False):
    rng = np.random.default_rng(k)
    variances = np.exp(2 * rng.normal(size=(n, k)))
    if points:
        variances[rng.random(variances.shape) < 0.4] = 0.0
    return PredictiveDistribution(rng.dirichlet(np.full(k, 0.5), n), apart * rng.normal(size=(n, k)), variances)


def halved(found, q):
    """The smallest number that is not below the quantile, by 200 halvings."""
    low, high = np.full(len(found), -1e3), np.full(len(found), 1e3)
    for _ in range(200):
        middle = 0.5 * (low + high)
        enough = found.cdf(middle) >= q
        low, high = np.where(enough, low, middle), np.where(enough, middle, high)
    return high


@pytest.mark.parametrize("points", [False, True])
@pytest.mark.parametrize("apart", [0.0, 1.0, 50.0])
@pytest.mark.parametrize("k", [1, 2, 7])
def test_quantiles_are_where_halving_ends(k, apart, points):
    found = some(k=k, apart=apart, points=points)
    levels = [0.01, 0.3, 0.5, 0.95, 0.999]
    expected = np.column_stack([halved(found, q) for q in levels])
    np.testing.assert_allclose(found.quantiles(levels), expected, rtol=1e-9, atol=1e-9)


def test_a_quantile_at_a_point_is_that_point():
    weights, means, variances = [[0.5, 0.5], [0.3, 0.7]], [[0.0, 1.0], [2.0, 5.0]], [[0.0, 0.0], [0.0, 1.0]]
    found = PredictiveDistribution(np.array(weights), np.array(means), np.array(variances))
    np.testing.assert_array_equal(found.quantiles([0.2, 0.5, 0.7])[0], [0.0, 0.0, 1.0])
    assert found.quantiles(0.2)[1] == 2.0 and found.cdf(2.0)[1] >= 0.3 > found.cdf(1.999)[1]


def test_far_tails_keep_their_digits():
    one = PredictiveDistribution(np.array([[0.5, 0.5]]), np.array([[-1.0, 1.0]]), np.array([[1.0, 1.0]]))
    low, high = one.quantiles([2.0**-40, 1 - 2.0**-40])[0]
    np.testing.assert_allclose(-low, high, rtol=1e-13)
    np.testing.assert_allclose(one.cdf([low]), 2.0**-40, rtol=1e-12)


def test_density_is_the_slope_of_the_distribution_function():
    found, step = some(), 1e-5
    y = found.quantiles(0.4)
    slope = (found.cdf(y + step) - found.cdf(y - step)) / (2 * step)
    np.testing.assert_allclose(found.density(y), slope, rtol=1e-5)


def test_draws_have_the_mean_and_the_spread():
    found = some(n=5)
    drawn = found.sample(40000, random_state=0)
    np.testing.assert_allclose(drawn.mean(axis=1), found.mean, atol=0.03 * found.std.max())
    np.testing.assert_allclose(drawn.std(axis=1), found.std, rtol=0.05)


def test_levels_that_are_none_are_refused():
    for q in (0.0, 1.0, [0.5, np.nan], [[0.5]]):
        with pytest.raises(ParameterError, match="q="):
            some().quantiles(q)
